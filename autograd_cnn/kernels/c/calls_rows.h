/* The functions of the module over rows of values: normalisation, elementwise, cross entropy, updates.  Their loops stand in rows.h,
 * what they compute in the folder reference. */

/* ------------------------------------------------------------------------------ normalisation */

/* Read the sizes of images, array k: sets q.c and q.n to C channels of M values. */
static int channels(Call *call, int k) {
    if (call->view[k].ndim < 2) return 0;
    call->q.c = LENGTH(k, 1);
    call->q.places = call->q.n = call->count[k] / call->q.c;
    return 1;
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
    TAKE("iv?v?fl|p");
    if (call->pooling == OTHER_POOLING) {
        release(call);
        PyObject *apart = batch_norm(self, (PyObject *[]){args[0], args[1], args[2], args[3], Py_False}, 5);
        PyObject *before = apart ? PyTuple_GetItem(apart, 0) : NULL, *out = NULL, *found = NULL;
        if (before) out = pool_apart(Py_NewRef(before), args[5], call->numbers[0] != 0);
        if (out) found = PyTuple_Pack(4, out, PyTuple_GetItem(apart, 1), PyTuple_GetItem(apart, 2), before);
        Py_XDECREF(out), Py_XDECREF(apart);
        return found;
    }
    Geometry *q = &call->q;
    call->relu = call->numbers[0] != 0;
    NEED(channels(call, 0) && channelwise(call, 1, 2) && halve_channels(call, 0));
    NEED(call->halved ? new_images(call, LENGTH(0, 0), q->c, 2, q->out) : new_like(call, 0));
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
    TAKE("i-iv?v?vv-fl|p");
    Geometry *q = &call->q;
    call->relu = call->numbers[0] != 0;
    NEED(call->pooling != OTHER_POOLING && channels(call, 1) && channelwise(call, 2, 5) && halve_channels(call, 1));
    if (call->halved) NEED(is_images(call, 0, LENGTH(1, 0), q->c, q->out));
    else NEED(is_like(call, 0, 1));
    NEED(new_like(call, 1) && new_values(call, q->c) && new_values(call, q->c));
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

/* Read the sizes of scores (N, K, ...), array k: whether arrays `one` and `other` hold one value for all K, and every class number
 * of array `target` is one of 0 ... K - 1. */
static int entropy(Call *call, int k, int one, int other, int target) {
    const Py_buffer *scores = &call->view[k];
    if (!channels(call, k)) return 0;
    for (int turn = 0; turn < 2; turn++) {
        const Py_buffer *view = &call->view[turn ? other : one];
        if (view->ndim != scores->ndim - 1 || view->shape[0] != scores->shape[0]) return 0;
        for (int axis = 1; axis < view->ndim; axis++)
            if (view->shape[axis] != scores->shape[axis + 1]) return 0;
    }
    for (long l = 0; l < call->q.n; l++) {
        const int64_t class = ((const int64_t *)call->data[target])[l];
        if (class < 0 || class >= call->q.c) return 0;
    }
    return 1;
}

/* cross_entropy(logits, target): losses, probabilities */
FUNCTION(cross_entropy) {
    TAKE("in");
    long shape[MOST_AXES];
    NEED(entropy(call, 0, 1, 1, 1));
    for (int axis = 0; axis < call->view[1].ndim; axis++) shape[axis] = LENGTH(1, axis);
    NEED(add_result(call, new_array(call->wide, call->view[1].ndim, shape, 1)) && new_like(call, 0));
    RUN(cross_entropy, (call->q.n + BLOCK - 1) / BLOCK, call->q.c * min(BLOCK, call->q.n) * 6);
    return finish(call);
}

/* cross_entropy_grad(g, probabilities, target) */
FUNCTION(cross_entropy_grad) {
    TAKE("iin");
    NEED(entropy(call, 1, 0, 2, 2) && new_like(call, 1));
    RUN(cross_entropy_grad, (call->q.n + BLOCK - 1) / BLOCK, call->q.c * BLOCK / MOVES);
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
    FAST(first_outside) FAST(cross_entropy) FAST(cross_entropy_grad) FAST(sgd) FAST(adam)
