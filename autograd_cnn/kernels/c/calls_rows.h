/* The functions of the module over rows of values: normalisation, elementwise, cross entropy, updates.  Their loops stand in rows.h,
 * what they compute in the folder reference. */

/* ------------------------------------------------------------------------------ normalisation */

/* Read the sizes of images, array k: sets q.c and q.n to C channels of M values. */
static int channels(Call *call, int k) {
    if (call->view[k].ndim < 2) return 0;
    call->q.c = LENGTH(k, 1);
    call->q.places = call->q.n = call->count[k] / call->q.c;
    call->q.pieces = 1, call->q.apart = 0;
    return 1;
}

/* Lay images for a batch norm: as they are if array k is in the order of its axes and its pieces are long, else batch-innermost. */
static int lay_channels(Call *call, int k) {
    const Py_buffer *view = &call->view[k];
    if (!channels(call, k)) return 0;
    const long run = call->q.n / LENGTH(k, 0);
    const int apart = !call->pooling && run >= LONG_PIECE && contiguous(view, 0) && !contiguous(view, 1);
    if (apart) call->q.pieces = LENGTH(k, 0), call->q.apart = call->q.c * run;
    for (int other = 0; other <= k; other++) call->letter[other] = apart ? 'v' : 'i';
    return lay_arrays(call);
}

static int new_as_laid(Call *call, int k) {
    if (call->q.pieces == 1) return new_like(call, k);
    return add_result(call, PyObject_CallFunctionObjArgs(empty_like, call->view[k].obj, NULL));
}

/* Whether arrays first to last are None or hold one value for each channel. */
static int channelwise(const Call *call, int first, int last) {
    for (int k = first; k <= last; k++)
        if (!is_values(call, k, call->q.c)) return 0;
    return 1;
}

/* Read the sizes of images, array k, in which a pooling halves rows and columns: sets q.size, q.out and q.places. */
static int halve_channels(Call *call, int k) {
    Geometry *q = &call->q;
    if (!(call->halved = call->pooling == HALVING)) return 1;
    if (call->view[k].ndim != 4) return 0;
    q->axes = 2;
    if (!is_images(call, k, LENGTH(k, 0), q->c, call->pooled)) return 0;
    for (int axis = 0; axis < AXES; axis++) q->size[axis] = call->pooled[axis], q->out[axis] = max(1, q->size[axis] / 2);
    q->places = LENGTH(k, 0) * q->out[1] * q->out[2];
    return q->places > 0;
}

/* channel_affine(x, scale, shift or None, relu) */
FUNCTION(channel_affine) {
    TAKE("ivv?l");
    NEED(channels(call, 0) && channelwise(call, 1, 2) && new_like(call, 0));
    RUN(channel_affine, call->q.c, 2 * call->q.n / MOVES);
    return finish(call);
}

/* running_affine(mean, var, weight or None, bias or None, before or None, eps): scale, shift */
FUNCTION(running_affine) {
    TAKE("vvv?v?v?f");
    call->q.c = call->count[0];
    NEED(channelwise(call, 0, 4) && new_values(call, call->q.c) && new_values(call, call->q.c));
    RUN(running_affine, 1, call->q.c * 20);
    return finish(call);
}

/* channel_sum(x) */
FUNCTION(channel_sum) {
    TAKE("i");
    NEED(channels(call, 0) && new_values(call, call->q.c));
    RUN(channel_sum, call->q.c, call->q.n / MOVES);
    return finish(call);
}

/* batch_norm(x, weight or None, bias or None, eps, relu, pool or None): out, mean, var, what was there before another pooling */
FUNCTION(batch_norm) {
    TAKE_AS_IT_LIES("iv?v?fl|p");
    if (call->pooling == OTHER_POOLING || (call->pooling && contiguous(&call->view[0], 0) && !contiguous(&call->view[0], 1))) {
        release(call); /* images in the order of their axes are summed as without a pooling, to the same bits */
        PyObject *apart = batch_norm(self, (PyObject *[]){args[0], args[1], args[2], args[3], Py_False}, 5);
        PyObject *before = apart ? PyTuple_GetItem(apart, 0) : NULL, *out = NULL, *found = NULL;
        if (before) out = pool_apart(Py_NewRef(before), args[5], call->numbers[0] != 0);
        if (out) found = PyTuple_Pack(4, out, PyTuple_GetItem(apart, 1), PyTuple_GetItem(apart, 2), before);
        Py_XDECREF(out), Py_XDECREF(apart);
        return found;
    }
    Geometry *q = &call->q;
    call->relu = call->numbers[0] != 0;
    NEED(lay_channels(call, 0) && channelwise(call, 1, 2) && halve_channels(call, 0));
    NEED(call->halved ? new_images(call, LENGTH(0, 0), q->c, 2, q->out) : new_as_laid(call, 0));
    NEED(new_values(call, q->c) && new_values(call, q->c));
    RUN(batch_norm, q->c, 6 * q->n / MOVES);
    call->result[call->results++] = Py_NewRef(Py_None);
    return finish(call);
}

/* batch_norm_grad(g, out, x, weight or None, bias or None, mean, var, before or None, eps, relu, pool or None): dx, dw, db */
FUNCTION(batch_norm_grad) {
    if (given == 11 && args[10] != Py_None && args[7] != Py_None) { /* the pooling was apart */
        PyObject *clipped = laid_out(NULL, args, 1), *g = NULL, *found = NULL;
        if (clipped && PyObject_IsTrue(args[9])) {
            PyObject *laid = clipped;
            clipped = relu_grad(NULL, (PyObject *[]){laid, args[1]}, 2);
            Py_DECREF(laid);
        }
        if (clipped) g = window_max_grad(NULL, (PyObject *[]){clipped, args[7], args[1], args[10]}, 4);
        PyObject *rest[10] = {g};
        for (int k = 1; k < 10; k++) rest[k] = k == 7 ? Py_None : k == 9 ? Py_False : args[k];
        if (g) found = batch_norm_grad(self, rest, 10);
        Py_XDECREF(clipped), Py_XDECREF(g);
        return found;
    }
    TAKE_AS_IT_LIES("i-iv?v?vv-fl|p");
    Geometry *q = &call->q;
    call->relu = call->numbers[0] != 0;
    NEED(call->pooling != OTHER_POOLING && lay_channels(call, 1) && channelwise(call, 2, 5) && halve_channels(call, 1));
    if (call->halved) NEED(is_images(call, 0, LENGTH(1, 0), q->c, q->out));
    else NEED(is_like(call, 0, 1));
    NEED(new_as_laid(call, 1) && new_values(call, q->c) && new_values(call, q->c));
    RUN(batch_norm_grad, q->c, 10 * q->n / MOVES);
    return finish(call);
}

/* -------------------------------------------------------------------------------- cross entropy */

/* first_outside(classes, K): the position of the first of these that is none of 0 ... K - 1, or None */
FUNCTION(first_outside) {
    TAKE("cl");
    const int64_t *classes = call->data[0];
    const long count = call->count[0], limit = call->numbers[0];
    long found = 0;
    while (found < count && classes[found] >= 0 && classes[found] < limit) found++;
    release(call);
    return found == count ? Py_NewRef(Py_None) : PyLong_FromLong(found);
}

/* ----------------------------------------------------------------------------------------- rows */

/* Lay arrays with letter `e` as array k lies, batch-innermost or in the order of the axes, and find its rows: the values along the
 * axes in `reduced`, with axis 1 parted into groups if there are any; `ordered` if they must stand in the order of the axes.  Whether
 * the loop can go through them. */
static int find_rows(Call *call, int k, long reduced, long groups, int ordered) {
    const Py_buffer *view = &call->view[k];
    const int turned = view->ndim > 1 && !contiguous(view, 0) && contiguous(view, 1) && !(ordered && reduced & 1);
    int stage = 0; /* before, among and behind the reduced axes */
    long sizes[3] = {1, 1, 1};
    for (int other = 0; other < call->arrays; other++) {
        const int whole = call->data[other] && call->view[other].ndim == view->ndim;
        if (call->letter[other] == 'e') call->letter[other] = turned && (whole || !(reduced & 1)) ? 'i' : 'v';
        if (call->letter[other] == 'n' && !turned) call->letter[other] = 'c';
    }
    for (int m = 0; m < view->ndim; m++) {
        const int axis = (turned + m) % view->ndim, among = (int)(reduced >> axis & 1);
        long length = (long)view->shape[axis];
        if (axis == 1 && groups > 1) {
            if (stage == 1) stage = 2;
            sizes[stage] *= groups, length /= groups;
        }
        if (length == 1 && !(groups && axis == 1)) continue; /* behind groups, images lie side by side */
        if (among && stage == 2) return 0;
        if (among || stage == 1) stage++;
        if (among) stage = 1;
        sizes[stage] *= length;
    }
    call->lines.outer = sizes[0], call->lines.length = sizes[1], call->lines.beside = sizes[2];
    call->lines.each = call->lines.cycle = 1;
    call->lines.turned = turned;
    call->lines.side = SIDE;
    while (call->lines.side > 16 && sizes[0] * ((sizes[2] + call->lines.side - 1) / call->lines.side) < 8) call->lines.side /= 2;
    call->lines.repeat = sizes[2] > call->lines.side ? 1 : max(1, min(REPEATED / sizes[2], sizes[1]));
    call->lines.items = sizes[0] * ((sizes[2] + call->lines.side - 1) / call->lines.side);
    return lay_arrays(call);
}

/* Add a result with the axes of array k in memory, without the reduced ones, or with 1 in their place. */
static int new_of_rows(Call *call, int k, long reduced, int keep) {
    const Py_buffer *view = &call->view[k];
    long shape[MOST_AXES];
    int axes = 0;
    for (int axis = 0; axis < view->ndim; axis++)
        if (!(reduced >> axis & 1)) shape[axes++] = (long)view->shape[axis];
        else if (keep) shape[axes++] = 1;
    return add_result(call, new_array(call->wide, axes, shape, call->lines.turned && (keep || !(reduced & 1))));
}

/* Whether array k holds a value for each row of array `x`. */
static int is_of_rows(const Call *call, int k, int x, long reduced) {
    const Py_buffer *view = &call->view[k], *whole = &call->view[x];
    const int keep = view->ndim == whole->ndim;
    int at = 0;
    for (int axis = 0; axis < whole->ndim; axis++) {
        const int among = (int)(reduced >> axis & 1);
        if (among && !keep) continue;
        if (at == view->ndim || view->shape[at++] != (among ? 1 : whole->shape[axis])) return 0;
    }
    return at == view->ndim;
}

/* The axes of array k, given as None, a number or a tuple, as bits; 0 if they are none. */
static long read_axes(const Call *call, int k, PyObject *given) {
    const long axes = call->view[k].ndim, count = PyTuple_Check(given) ? (long)PyTuple_Size(given) : 1;
    long found = 0;
    if (given == Py_None) return (1L << axes) - 1;
    for (long m = 0; m < count; m++) {
        PyObject *one = PyTuple_Check(given) ? PyTuple_GetItem(given, m) : given;
        const long axis = PyLong_Check(one) ? PyLong_AsLong(one) : axes;
        if (axis < -axes || axis >= axes) return PyErr_Clear(), 0;
        const long bit = 1L << (axis < 0 ? axis + axes : axis);
        if (found & bit) return 0;
        found |= bit;
    }
    return found;
}

#define ROW_COST(EACH) (call->lines.length * min(call->lines.side, call->lines.beside) * (EACH) / MOVES + 20)

/* The place of a name among those of soften, or -1. */
static int find_kind(PyObject *name) {
    static const char *const names[] = {"softmax", "log_softmax", "logsumexp"};
    int k = LOGSUMEXP;
    while (k >= 0 && (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, names[k]))) k--;
    return k;
}

/* soften(name, x, axis, keepdims) */
FUNCTION(soften) {
    TAKE_AS_IT_LIES("se-l");
    const long reduced = read_axes(call, 0, args[2]);
    const int kind = find_kind(args[0]);
    call->kind = (enum kind)kind;
    NEED(kind >= 0 && reduced && find_rows(call, 0, reduced, 0, 0));
    if (call->kind == LOGSUMEXP) NEED(new_of_rows(call, 0, reduced, call->numbers[0] != 0));
    else NEED(new_of_rows(call, 0, 0, 1));
    RUN(soften, call->lines.items, ROW_COST(12));
    return finish(call);
}

/* soften_grad(name, g, out, x, axis) */
FUNCTION(soften_grad) {
    const int kind = given ? find_kind(args[0]) : -1;
    TAKE_AS_IT_LIES(kind == LOGSUMEXP ? "seee-" : "see--");
    const int like = kind == LOGSUMEXP ? 2 : 1;
    const long reduced = read_axes(call, like, args[4]);
    call->kind = (enum kind)kind;
    NEED(kind >= 0 && reduced && call->view[0].ndim == call->view[1].ndim);
    for (int k = 0; k < like; k++) NEED(kind == LOGSUMEXP ? is_of_rows(call, k, like, reduced) : is_like(call, k, like));
    NEED(find_rows(call, like, reduced, 0, 0) && new_of_rows(call, like, 0, 1));
    RUN(soften_grad, call->lines.items, ROW_COST(kind == SOFTMAX ? 4 : 8));
    return finish(call);
}

/* Whether arrays `one` and `other` hold one value for all K scores (N, K, ...) of array k, and every class number of array `target` is
 * one of 0 ... K - 1; then the rows of the scores are found. */
static int entropy(Call *call, int k, int one, int other, int target) {
    if (call->view[k].ndim < 2 || call->view[one].ndim + 1 != call->view[k].ndim || !is_of_rows(call, one, k, 2)) return 0;
    if (call->view[other].ndim + 1 != call->view[k].ndim || !is_of_rows(call, other, k, 2) || !find_rows(call, k, 2, 0, 0)) return 0;
    call->kind = CROSS_ENTROPY;
    for (long l = 0; l < call->count[target]; l++) {
        const int64_t class = ((const int64_t *)call->data[target])[l];
        if (class < 0 || class >= LENGTH(k, 1)) return 0;
    }
    return 1;
}

/* cross_entropy(logits, target): losses, probabilities */
FUNCTION(cross_entropy) {
    TAKE_AS_IT_LIES("en");
    NEED(entropy(call, 0, 1, 1, 1) && new_of_rows(call, 0, 2, 0) && new_of_rows(call, 0, 0, 1));
    RUN(soften, call->lines.items, ROW_COST(12));
    return finish(call);
}

/* cross_entropy_grad(g, probabilities, target) */
FUNCTION(cross_entropy_grad) {
    TAKE_AS_IT_LIES("een");
    NEED(entropy(call, 1, 0, 2, 2) && new_of_rows(call, 1, 0, 1));
    RUN(soften_grad, call->lines.items, ROW_COST(3));
    return finish(call);
}

/* Find the rows of row_norm, of images in groups or behind the first `lead` axes, and their channels.  Whether arrays first to last
 * are None or hold a value for each. */
static int find_norm(Call *call, int k, int first, int last) {
    const Py_buffer *view = &call->view[k];
    const long lead = call->numbers[0], groups = call->numbers[1];
    if (lead < 0 || lead >= view->ndim || groups < 0 || (groups && (lead != 1 || view->ndim < 2 || view->shape[1] % groups))) return 0;
    if (!find_rows(call, k, ((1L << view->ndim) - 1) & ~((1L << lead) - 1), groups, 1)) return 0;
    call->q.c = groups ? LENGTH(k, 1) : call->lines.length;
    call->lines.cycle = max(1, groups);
    call->lines.each = call->lines.length / (call->q.c / call->lines.cycle);
    call->lines.repeat = min(call->lines.repeat, call->lines.each);
    for (int other = first; other <= last; other++)
        if (call->data[other] && call->count[other] != call->q.c) return 0;
    return 1;
}

/* row_norm(x, weight or None, bias or None, lead, groups, eps) */
FUNCTION(row_norm) {
    TAKE_AS_IT_LIES("ev?v?llf");
    NEED(find_norm(call, 0, 1, 2) && new_of_rows(call, 0, 0, 1));
    RUN(row_norm, call->lines.items, ROW_COST(6));
    return finish(call);
}

/* row_norm_grad(g, x, weight or None, lead, groups, eps, weighted): dx, dw or None, db or None */
FUNCTION(row_norm_grad) {
    TAKE_AS_IT_LIES("eev?llfl");
    const int weighted = call->numbers[2] != 0;
    NEED(is_like(call, 0, 1) && find_norm(call, 1, 2, 2) && new_of_rows(call, 1, 0, 1));
    const long lead = call->numbers[0], many = call->q.c;
    long shape[MOST_AXES];
    int axes = 0;
    for (int axis = (int)lead; axis < (call->numbers[1] ? 2 : call->view[1].ndim); axis++) shape[axes++] = LENGTH(1, axis);
    call->lines.shares = min(min(ROW_SHARES, call->lines.items), max(1, (1L << 16) / many));
    if (weighted) {
        const long bytes = times(call->lines.shares * 2 * SIZE, many);
        NEED(call->scratch = room(bytes));
        memset(call->scratch, 0, bytes);
        NEED(add_result(call, new_array(call->wide, axes, shape, 0)) && add_result(call, new_array(call->wide, axes, shape, 0)));
    }
    RUN(row_norm_grad, call->lines.shares, ROW_COST(12) * call->lines.items / call->lines.shares);
    if (weighted) RUN(add_shares, (many + BLOCK - 1) / BLOCK, (double)call->lines.shares * 2 * BLOCK / MOVES);
    while (call->results < 3) call->result[call->results++] = Py_NewRef(Py_None);
    return finish(call);
}

/* -------------------------------------------------------------------------------------- updates */

/* The update of each tuple in the list by itself: those that the loop takes are done by it. */
static PyObject *one_by_one(PyObject *(*update)(PyObject *, PyObject *const *, Py_ssize_t), PyObject *const *args, Py_ssize_t given) {
    PyObject *rest[4];
    for (Py_ssize_t k = 1; k < given; k++) rest[k] = args[k];
    for (Py_ssize_t k = 0; k < PyList_Size(args[0]); k++) {
        PyObject *one = PyList_New(1), *done = NULL;
        if (one && !PyList_SetItem(one, 0, Py_NewRef(PyList_GetItem(args[0], k)))) rest[0] = one, done = update(NULL, rest, given);
        Py_XDECREF(one);
        if (!done) return NULL;
        Py_DECREF(done);
    }
    Py_RETURN_NONE;
}

/* Update by a loop, or what does not suit the loop one by one, and at last by NumPy. */
#define UPDATE(NAME_, LETTERS, NUMBERS, COST)                                                         \
    FUNCTION(NAME_) {                                                                                 \
        Call this_call, *const call = &this_call;                                                     \
        const int suits = take(call, args, given, LETTERS) && call->real_count == NUMBERS;            \
        (void)self;                                                                                   \
        if (suits) RUN(NAME_, call->updates[call->update_count].first, (COST) * BLOCK / MOVES);       \
        release(call);                                                                                \
        if (suits) Py_RETURN_NONE;                                                                    \
        if (given && given <= 4 && PyList_Check(args[0]) && PyList_Size(args[0]) > 1) return one_by_one(NAME_, args, given); \
        return otherwise(__func__, args, given);                                                      \
    }
UPDATE(sgd, "u3rll", 4, 5)   /* sgd([(p, g, buffer or None)], (lr, momentum, 1 - dampening, decay), nesterov, maximize) */
UPDATE(adam, "u5rl", 6, 10)  /* adam([(p, g, m, v, largest or None)], (rate, eps, beta1, beta2, decay, shrink), maximize) */

#define ROW_KERNELS FAST(channel_affine) FAST(running_affine) FAST(channel_sum) FAST(batch_norm) FAST(batch_norm_grad) \
    FAST(first_outside) FAST(cross_entropy) FAST(cross_entropy_grad) FAST(soften) FAST(soften_grad) FAST(row_norm) FAST(row_norm_grad) \
    FAST(sgd) FAST(adam)
