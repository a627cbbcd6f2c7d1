/* The functions of the module: each takes its arguments, checks every size, and shares a loop among the threads.
 *
 * What they compute stands in reference.py.  They answer True, or False if an array does not suit; see
 * compiled_arguments.h for the letters.
 */

/* Run a loop for the type of the arrays over `items`, each of about `cost` nanoseconds. */
#define RUN(f, items, cost)                                                        \
    do {                                                                           \
        static const Part loops[] = LOOPS(f);                                      \
        PyThreadState *state = PyEval_SaveThread();                                \
        share(&call, loops[2 * level + call.wide], (items), (long)(cost), call.threads); \
        PyEval_RestoreThread(state);                                               \
    } while (0)

/* What a core does in a nanosecond, roughly: multiply-adds, and values read or written. */
#define SUMS (call.wide ? 16.0 : 32.0)
#define MOVES (call.wide ? 8.0 : 16.0)
#define SIZE (call.wide ? 8 : 4)

#include "compiled_calls_conv.h"

/* ----------------------------------------------------------------------------------- pooling */

/* The geometry of a pooling, from array `window`; of the arrays before it, those with a bit in `images` hold images,
 * the others positions. */
static int pooling(Call *call, int window, unsigned images) {
    if (read_geometry(call, window) < 0) return -1;
    Geometry *q = &call->q;
    const long cells = q->c * product_of(q->size) * q->n, places = q->c * product_of(q->out) * q->n;
    for (int k = 0; k < window; k++)
        if (!holds(call, k, images >> k & 1 ? cells : places)) return -1;
    for (int axis = 0; axis < AXES; axis++)
        if (q->before[axis] || q->stride[axis] != q->kernel[axis] || q->dilation[axis] != 1 ||
            q->out[axis] * q->stride[axis] != q->size[axis]) q->adds = 1;
    return 0;
}

#define POOLING(NAME_, LETTERS, IMAGES, GRADIENT)                                                     \
    FUNCTION(NAME_) {                                                                                 \
        TAKE(LETTERS "w");                                                                            \
        Geometry *q = &call.q;                                                                        \
        if (pooling(&call, sizeof LETTERS - 1, IMAGES) < 0) FAIL;                                     \
        const long lines = q->out[0] * q->out[1], row = q->out[2] * q->n;                             \
        const double cost = row * product_of(q->kernel) / MOVES * 2 + q->out[2] * 4.0;                    \
        if (GRADIENT && q->adds) RUN(NAME_, q->c, lines * cost);                                      \
        else RUN(NAME_, q->c * lines, cost);                                                          \
        DONE;                                                                                         \
    }
POOLING(window_max, "ii", 1, 0)         /* window_max(x, out, window) */
POOLING(window_max_grad, "iiii", 10, 1) /* window_max_grad(g, x, out, dx, window) */
POOLING(window_sum, "ii", 1, 0)         /* window_sum(x, out, window) */
POOLING(window_spread, "ii", 2, 1)      /* window_spread(g, dx, window) */

/* ------------------------------------------------------------------------------ normalisation */

/* Of the arrays, those with a bit in `images` are like array `like` and hold C x M values, the others C; sets q.c and q.n to C
 * and M.  Array `pooled`, if the call is halved, holds the maxima of 2 x 2 for (N, C, H, W); sets q.size and q.out. */
static int channels(Call *call, int like, unsigned images, int pooled) {
    Geometry *q = &call->q;
    const Py_buffer *view = &call->view[like];
    if (view->ndim < 2) return PyErr_SetString(PyExc_ValueError, "expected two axes or more"), 0;
    q->c = (long)view->shape[1];
    q->n = call->count[like] / q->c;
    if (call->halved && view->ndim != 4) return PyErr_SetString(PyExc_ValueError, "expected four axes"), 0;
    for (int axis = 1; call->halved && axis < AXES; axis++)
        q->size[axis] = (long)view->shape[axis + 1], q->out[axis] = q->size[axis] / 2;
    const long pools = call->halved ? (long)view->shape[0] * q->c * q->out[1] * q->out[2] : call->count[like];
    for (int k = 0; k < call->arrays; k++)
        if (!holds(call, k, k == pooled ? pools : images >> k & 1 ? call->count[like] : q->c)) return 0;
    return 1;
}

/* channel_affine(x, scale, shift or None, out, relu) */
FUNCTION(channel_affine) {
    TAKE("ivv?il");
    if (!channels(&call, 0, 9, 0)) FAIL;
    RUN(channel_affine, call.q.c, 2 * call.q.n / MOVES);
    DONE;
}

/* running_affine(mean, var, weight or None, bias or None, before or None, scale, shift, eps) */
FUNCTION(running_affine) {
    TAKE("vvv?v?v?vvf");
    for (int k = 0; k < call.arrays; k++)
        if (!holds(&call, k, call.count[0])) FAIL;
    RUN(running_affine, 1, call.count[0] * 20);
    DONE;
}

/* channel_sum(x, out) */
FUNCTION(channel_sum) {
    TAKE("iv");
    if (!channels(&call, 0, 1, 0)) FAIL;
    RUN(channel_sum, call.q.c, call.q.n / MOVES);
    DONE;
}

/* batch_norm(x, weight or None, bias or None, out, mean, var, eps, relu, halved) */
FUNCTION(batch_norm) {
    TAKE("iv?v?ivvfll");
    call.relu = call.numbers[0] != 0, call.halved = call.numbers[1] != 0;
    if (!channels(&call, 0, 9, 3)) FAIL;
    RUN(batch_norm, call.q.c, 6 * call.q.n / MOVES);
    DONE;
}

/* batch_norm_grad(g, x, weight or None, bias or None, mean, var, dx, dw, db, eps, relu, halved) */
FUNCTION(batch_norm_grad) {
    TAKE("iiv?v?vvivvfll");
    call.relu = call.numbers[0] != 0, call.halved = call.numbers[1] != 0;
    if (!channels(&call, 1, 67, 0)) FAIL;
    RUN(batch_norm_grad, call.q.c, 10 * call.q.n / MOVES);
    DONE;
}

/* ------------------------------------------------------------------- elementwise and updates */

#define ELEMENTWISE(NAME_, LETTERS, COST)                                                \
    FUNCTION(NAME_) {                                                                    \
        TAKE(LETTERS);                                                                   \
        RUN(NAME_, (call.count[0] + BLOCK - 1) / BLOCK, (COST) * BLOCK / MOVES);         \
        DONE;                                                                            \
    }
ELEMENTWISE(relu, "aa", 2)              /* relu(x, out) */
ELEMENTWISE(relu_grad, "aaa", 3)        /* relu_grad(g, x, out) */

#define UPDATE(NAME_, LETTERS, COST)                                                                 \
    FUNCTION(NAME_) {                                                                                \
        TAKE("u" LETTERS);                                                                           \
        RUN(NAME_, call.updates[call.update_count].first, (COST) * BLOCK / MOVES);                   \
        DONE;                                                                                        \
    }
UPDATE(sgd, "ffffll", 5)   /* sgd([(p, g, buffer or None)], lr, momentum, 1 - dampening, decay, nesterov, maximize) */
UPDATE(adam, "ffffffl", 10) /* adam([(p, g, m, v, largest or None)], rate, eps, beta1, beta2, decay, shrink, maximize) */

/* ---------------------------------------------------------------------------- cross entropy */

/* first_outside(classes, K): the position, in memory, of the first of these that is none of 0 ... K - 1; None if there is
 * none; False if the array does not suit. */
FUNCTION(first_outside) {
    TAKE("nl");
    const int64_t *classes = D(0);
    const long count = call.count[0], limit = call.numbers[0];
    long found = 0;
    while (found < count && classes[found] >= 0 && classes[found] < limit) found++;
    release(&call);
    if (found == count) Py_RETURN_NONE;
    return PyLong_FromLong(found);
}

/* Sizes and targets of cross_entropy or its gradient; of the arrays, those with a bit in `scores` hold one value for each class. */
static int entropy(Call *call, unsigned scores) {
    const int first = scores & 1 ? 0 : 2;
    if (call->view[first].ndim < 2) return PyErr_SetString(PyExc_ValueError, "expected two axes or more"), 0;
    const long k = call->q.c = (long)call->view[first].shape[1], m = call->q.n = call->count[first] / k;
    for (int a = 0; a < 4; a++)
        if (!holds(call, a, scores >> a & 1 ? k * m : m)) return 0;
    for (long l = 0; l < m; l++) {
        const int64_t target = ((const int64_t *)call->data[1])[l];
        if (target >= 0 && target < k) continue;
        PyErr_Format(PyExc_ValueError, "target %lld is none of %ld classes", (long long)target, k);
        return 0;
    }
    return 1;
}

/* cross_entropy(x, target, losses, probabilities) */
FUNCTION(cross_entropy) {
    TAKE("inii");
    if (!entropy(&call, 9)) FAIL;
    RUN(cross_entropy, (call.q.n + BLOCK - 1) / BLOCK, call.q.c * min(BLOCK, call.q.n) * 6);
    DONE;
}

/* cross_entropy_grad(g, target, probabilities, dx) */
FUNCTION(cross_entropy_grad) {
    TAKE("inii");
    if (!entropy(&call, 12)) FAIL;
    RUN(cross_entropy_grad, (call.q.n + BLOCK - 1) / BLOCK, call.q.c * BLOCK / MOVES);
    DONE;
}
