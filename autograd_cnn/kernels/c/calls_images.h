/* The functions of the module for pooling, and for what happens to each value by itself.  Their loops stand in pool.h and rows.h,
 * what they compute in the folder reference. */

/* laid_out(x): x, or a copy that is batch-innermost if x is not */
FUNCTION(laid_out) {
    TAKE_AS_IT_LIES("i");
    if (contiguous(&call->view[0], 1)) {
        release(call);
        return Py_NewRef(args[0]);
    }
    call->lines.turned = 1;
    NEED(new_of_rows(call, 0, 0, 1));
    copy_array(call, 0, 1, call->out[0]);
    return finish(call);
}

#define ELEMENTWISE(NAME_, LETTERS, LIKE, COST)                                           \
    FUNCTION(NAME_) {                                                                     \
        TAKE_AS_IT_LIES(LETTERS);                                                         \
        NEED(add_result(call, PyObject_CallFunctionObjArgs(empty_like, args[LIKE], NULL))); \
        RUN(NAME_, (call->count[0] + BLOCK - 1) / BLOCK, (COST) * BLOCK / MOVES);         \
        return finish(call);                                                              \
    }
ELEMENTWISE(relu, "a", 0, 2)       /* relu(x) */
ELEMENTWISE(relu_grad, "aa", 1, 3) /* relu_grad(g, x) */

/* ----------------------------------------------------------------------------------- pooling */

/* The geometry of a pooling: array k holds images, or else positions.  Whether gradients add up. */
static int pooling(Call *call, int k, int images) {
    Geometry *q = &call->q;
    if (call->view[k].ndim < 2) return 0;
    q->n = LENGTH(k, 0), q->c = LENGTH(k, 1);
    for (int axis = 0; axis < AXES; axis++)
        if (q->before[axis] || q->stride[axis] != q->kernel[axis] || q->dilation[axis] != 1 ||
            q->out[axis] * q->stride[axis] != q->size[axis]) q->adds = 1;
    return is_images(call, k, q->n, q->c, images ? q->size : q->out);
}

/* The first array holds images if IMAGES, else positions; the result the other of the two. */
#define POOLING(NAME_, LETTERS, IMAGES, ALSO)                                                         \
    FUNCTION(NAME_) {                                                                                 \
        TAKE(LETTERS);                                                                                \
        Geometry *q = &call->q;                                                                       \
        NEED(pooling(call, 0, IMAGES) && (ALSO));                                                     \
        NEED(new_images(call, q->n, q->c, q->axes, IMAGES ? q->out : q->size));                       \
        const long lines = q->out[0] * q->out[1], row = q->out[2] * q->n;                             \
        const double cost = 2.0 * row * product_of(q->kernel) / MOVES + q->out[2] * 4.0;                \
        if (!IMAGES && q->adds) RUN(NAME_, q->c, lines * cost);                                       \
        else RUN(NAME_, q->c * lines, cost);                                                          \
        return finish(call);                                                                          \
    }
POOLING(window_max, "iw", 1, 1)      /* window_max(x, window) */
POOLING(window_sum, "iw", 1, 1)      /* window_sum(x, window) */
POOLING(window_spread, "iw", 0, 1)   /* window_spread(g, window) */
POOLING(window_max_grad, "iiiw", 0,  /* window_max_grad(g, x, out, window) */
        is_images(call, 1, q->n, q->c, q->size) && is_images(call, 2, q->n, q->c, q->out))

#define IMAGE_KERNELS FAST(laid_out) FAST(relu) FAST(relu_grad) FAST(window_max) FAST(window_max_grad) FAST(window_sum) FAST(window_spread)
