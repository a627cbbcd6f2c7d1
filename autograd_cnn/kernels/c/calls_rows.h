/* Calls over rows of values: cross entropy, softmax, normalisation (lines.h); and updates (rows.h). */

/* ------------------------------------------------------------------------------ normalisation */

/* Let arrays with letter `e` lie batch-innermost, `turned`, or in the order of their axes; with `n`, likewise. */
static void set_order(Call *call, int turned) {
    for (int k = 0; k < call->arrays; k++)
        if (call->letter[k] == 'e') call->letter[k] = turned ? 'i' : 'v';
        else if (call->letter[k] == 'n' && !turned) call->letter[k] = 'c';
}

/* See images, array k, as rows, one for each channel: of a piece for each image, if the array is in the order of its axes and these
 * are long and no pooling follows, else batch-innermost.  Whether arrays first to last are None or hold a value for each. */
static int find_channels(Call *call, int k, int first, int last) {
    const Py_buffer *view = &call->view[k];
    Geometry *q = &call->q;
    if (view->ndim < 2) return 0;
    const long n = LENGTH(k, 0), c = q->c = LENGTH(k, 1), each = call->count[k] / n / c;
    const int turned = call->pooling || each < LONG_PIECE || !contiguous(view, 0) || contiguous(view, 1);
    q->n = turned ? each * n : each;
    call->lines = (Lines){.outer = c, .items = c, .cycle = c, .length = q->n, .each = q->n, .turned = turned};
    call->lines.beside = call->lines.side = call->lines.repeat = 1;
    call->lines.shares = min(ROW_SHARES, c), call->lines.pieces = turned ? 1 : n, call->lines.apart = turned ? 1 : each * c;
    call->kind = NORM, call->relu = call->numbers[0] != 0;
    set_order(call, turned);
    return are_values(call, first, last, c) && lay_arrays(call);
}

/* Read the sizes of images, array k, in which a pooling halves rows and columns: sets q.size, q.out and q.places. */
static int halve_channels(Call *call, int k) {
    Geometry *q = &call->q;
    if (!(call->halved = call->pooling == HALVING)) return 1;
    if (call->view[k].ndim != 4) return 0;
    q->axes = 2;
    if (!is_images(call, k, LENGTH(k, 0), q->c, call->pooled)) return 0;
    for (int axis = 0; axis < AXES; axis++) q->size[axis] = call->pooled[axis], q->out[axis] = max(1, q->size[axis] / 2);
    q->places = q->n / q->size[1] / q->size[2] * q->out[1] * q->out[2];
    return q->places > 0;
}

/* running_affine(mean, var, weight or None, bias or None, before or None, eps): scale, shift */
FUNCTION(running_affine) {
    TAKE("vvv?v?v?f");
    call->q.c = call->count[0];
    NEED(are_values(call, 0, 4, call->q.c) && new_values(call, call->q.c) && new_values(call, call->q.c));
    RUN(running_affine, 1, call->q.c * 20);
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
    for (int other = 0; other < call->arrays; other++) /* values of rows that stand behind each other */
        if (call->letter[other] == 'e' && reduced & 1 && call->data[other] && call->view[other].ndim < view->ndim)
            call->letter[other] = 'v';
    set_order(call, turned);
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
    long side = SIDE;
    while (side > 16 && sizes[0] * ((sizes[2] + side - 1) / side) < 8) side /= 2;
    call->lines = (Lines){.outer = sizes[0], .length = sizes[1], .beside = sizes[2], .side = side, .turned = turned};
    call->lines.each = call->lines.cycle = call->lines.pieces = call->lines.apart = 1;
    call->lines.repeat = sizes[2] > side ? 1 : max(1, min(REPEATED / sizes[2], sizes[1]));
    call->lines.items = sizes[0] * ((sizes[2] + side - 1) / side);
    return lay_arrays(call);
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

#define ROW_COST(EACH) (call->lines.length * call->lines.pieces * min(call->lines.side, call->lines.beside) * (EACH) / MOVES + 20)

static const char *const softened[] = {"softmax", "log_softmax", "logsumexp"};
#define FIND_KIND(name) find_name(name, softened, sizeof *softened, LOGSUMEXP + 1)

/* soften(name, x, axis, keepdims) */
FUNCTION(soften) {
    TAKE_AS_IT_LIES("-e-l");
    const long reduced = read_axes(call, 0, args[2]);
    const int kind = FIND_KIND(args[0]);
    call->kind = (enum kind)kind;
    NEED(kind >= 0 && reduced && find_rows(call, 0, reduced, 0, 0));
    if (call->kind == LOGSUMEXP) NEED(new_of_rows(call, 0, reduced, call->numbers[0] != 0));
    else NEED(new_of_rows(call, 0, 0, 1));
    RUN(soften, call->lines.items, ROW_COST(12));
    return finish(call);
}

/* soften_grad(name, g, out, x, axis) */
FUNCTION(soften_grad) {
    const int kind = given ? FIND_KIND(args[0]) : -1;
    TAKE_AS_IT_LIES(kind == LOGSUMEXP ? "-eee-" : "-ee--");
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
    call->kind = NORM;
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

/* ------------------------------------------------------------------------------------- channels */

/* channel_affine(x, scale, shift or None, relu) */
FUNCTION(channel_affine) {
    TAKE_AS_IT_LIES("evv?l");
    NEED(find_channels(call, 0, 1, 2) && new_of_rows(call, 0, 0, 1));
    call->kind = AFFINE;
    RUN(row_norm, call->q.c, ROW_COST(2));
    return finish(call);
}

/* batch_norm(x, weight or None, bias or None, eps, relu, pool or None): out, mean, var, None */
FUNCTION(batch_norm) {
    TAKE_AS_IT_LIES("ev?v?fl|p");
    const Geometry *q = &call->q;
    NEED(call->pooling != OTHER_POOLING && find_channels(call, 0, 1, 2) && halve_channels(call, 0));
    NEED(call->halved ? new_images(call, LENGTH(0, 0), q->c, q->out, 1) : new_of_rows(call, 0, 0, 1));
    NEED(new_values(call, q->c) && new_values(call, q->c));
    RUN(row_norm, q->c, ROW_COST(6));
    call->result[call->results++] = Py_NewRef(Py_None);
    return finish(call);
}

/* batch_norm_grad(g, out, x, weight or None, bias or None, mean, var, before or None, eps, relu, pool or None): dx, dw, db */
FUNCTION(batch_norm_grad) {
    TAKE_AS_IT_LIES("e-ev?v?vv-fl|p");
    const Geometry *q = &call->q;
    NEED(call->pooling != OTHER_POOLING && find_channels(call, 1, 2, 5) && halve_channels(call, 1));
    if (call->halved) NEED(is_images(call, 0, LENGTH(1, 0), q->c, q->out));
    else NEED(is_like(call, 0, 1));
    NEED(new_of_rows(call, 1, 0, 1) && new_values(call, q->c) && new_values(call, q->c));
    RUN(row_norm_grad, call->lines.shares, ROW_COST(10) * q->c / call->lines.shares);
    return finish(call);
}

/* -------------------------------------------------------------------------------------- updates */

/* Update by a loop the arrays of each tuple in a list, and by NumPy those that do not suit it.  The letters are those of the arrays of a
 * tuple and of the arguments behind the list, which hold so many real numbers; `cost` is that of a value. */
static PyObject *update(const char *name, const Part *loops, const char *letters, int arrays, int reals, double cost,
                        PyObject *const *args, Py_ssize_t given) {
    PyObject *each[MOST_ARRAYS];
    if (!given || given > 4 || !PyList_Check(args[0])) return otherwise(name, args, given);
    for (Py_ssize_t k = 0; k < PyList_Size(args[0]); k++) {
        PyObject *tuple = PyList_GetItem(args[0], k);
        Call this_call, *const call = &this_call;
        int suits = PyTuple_Check(tuple) && PyTuple_Size(tuple) == arrays;
        for (int m = 0; suits && m < arrays; m++) each[m] = PyTuple_GetItem(tuple, m);
        for (Py_ssize_t m = 1; m < given; m++) each[arrays + m - 1] = args[m];
        if (suits) {
            suits = take(call, each, arrays + given - 1, letters) && call->real_count == reals;
            if (suits) run(call, loops, (call->count[0] + BLOCK - 1) / BLOCK, cost * BLOCK / MOVES);
            release(call);
        }
        if (suits) continue;
        memcpy(each, args, given * sizeof *each);
        each[0] = PyList_GetSlice(args[0], k, k + 1);
        PyObject *done = each[0] ? otherwise(name, each, given) : NULL;
        Py_XDECREF(each[0]);
        if (!done) return NULL;
        Py_DECREF(done);
    }
    return Py_NewRef(Py_None);
}

/* sgd([(p, g, buffer or None)], (lr, momentum, 1 - dampening, decay), nesterov, maximize) */
FUNCTION(sgd) {
    static const Part loops[] = LOOPS(sgd);
    return (void)self, update(__func__, loops, "AaA?rll", 3, 4, 5, args, given);
}

/* adam([(p, g, m, v, largest or None)], (rate, eps, beta1, beta2, decay, shrink), maximize) */
FUNCTION(adam) {
    static const Part loops[] = LOOPS(adam);
    return (void)self, update(__func__, loops, "AaAAA?rl", 5, 6, 10, args, given);
}
