/* Calls of pooling (pool.h), and of what happens to each value by itself (rows.h). */

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

/* Read the geometry of a pooling: array k holds images, or else positions.  Images in C order are one image of N * C channels. */
static int pooling(Call *call, int k, int images) {
    Geometry *q = &call->q;
    if (call->view[k].ndim < 2) return 0;
    const long n = LENGTH(k, 0), c = LENGTH(k, 1);
    const int plain = contiguous(&call->view[k], 0) && !contiguous(&call->view[k], 1);
    for (int other = 0; plain && other < call->arrays; other++) call->letter[other] = 'v';
    q->n = plain ? 1 : n, q->c = plain ? n * c : c;
    return is_images(call, k, n, c, images ? q->size : q->out);
}

/* Part a pooling into items, and make buffers for each thread.  A window much larger than the image is NumPy's. */
static int begin_pooling(Call *call, int back) {
    Geometry *q = &call->q;
    Frame f = {0};
    q->split = AXES - 1, q->disjoint = 1, q->works = 0, q->pieces = 1, q->room = q->ahead = 0;
    q->group = q->n == 1 ? SQUARE : 1;
    for (int a = AXES - 1; a >= 0; a--) {
        const long reach = (q->kernel[a] - 1) * q->dilation[a] + 1;
        if (max(reach, q->stride[a]) > ROOMY + 4 * q->size[a] || 2 * q->before[a] > reach) return 0;
        if ((q->out[a] - 1) * q->stride[a] >= q->size[a] + q->before[a]) return 0;
        if (q->size[a] > 1 || reach > 1) q->split = a;
        if (reach > q->stride[a]) q->disjoint = 0;
        if (q->kernel[a] > 1 || q->stride[a] > 1) q->work[q->works++] = a;
    }
    set_frame(q, 0, back, &f);
    const long most = (times(product_of(f.cells.count), f.n) + FRAME - 1) / FRAME;
    q->pieces = min(most, back ? q->size[q->split] : q->out[q->split]);
    for (long piece = 0; piece < q->pieces; piece++) {
        long inner = f.n, cells = f.n;
        set_frame(q, piece, back, &f);
        for (int a = AXES - 1; a >= 0; inner *= f.windows.count[a--]) {
            cells = times(cells, max(f.cells.count[a], a == q->split ? 0 : q->size[a]));
            q->ahead = max(q->ahead, (q->kernel[a] * q->dilation[a] + 1) * inner + 64);
        }
        q->room = max(q->room, cells);
    }
    q->ahead = (q->ahead + 15) / 16 * 16;
    q->room += 2 * q->ahead;
    call->each = (times(times(q->room, back ? 11 : 4), SIZE) + 63) / 64 * 64;
    return (call->scratch = room(times(call->threads, call->each))) != NULL;
}

/* Array LEAD holds images if IMAGES, else positions, and decides on the memory order; the result are the others of the two. */
#define POOLING(NAME_, LETTERS, LEAD, IMAGES, BACK, COST, ALSO)                                       \
    FUNCTION(NAME_) {                                                                                 \
        TAKE_AS_IT_LIES(LETTERS);                                                                     \
        Geometry *q = &call->q;                                                                       \
        NEED(pooling(call, LEAD, IMAGES) && (ALSO) && lay_arrays(call));                              \
        const long n = LENGTH(LEAD, 0), c = LENGTH(LEAD, 1);                                          \
        NEED(new_images(call, n, c, (BACK) ? q->size : q->out, q->c == c));                           \
        NEED(begin_pooling(call, BACK));                                                              \
        const double cells = (double)product_of(q->size) * q->n * q->group / q->pieces;               \
        RUN(NAME_, (q->c + q->group - 1) / q->group * q->pieces, cells * (COST) / MOVES);             \
        return finish(call);                                                                          \
    }
POOLING(window_max, "iw", 0, 1, 0, 2, 1)       /* window_max(x, window) */
POOLING(window_sum, "iw", 0, 1, 0, 2, 1)       /* window_sum(x, window) */
POOLING(window_spread, "iw", 0, 0, 1, 3, 1)    /* window_spread(g, window) */
POOLING(window_max_grad, "iiiw", 1, 1, 1, 8,   /* window_max_grad(g, x, out, window): the loop finds `out` again */
        (call->letter[2] = 'a') && is_images(call, 0, LENGTH(1, 0), LENGTH(1, 1), q->out) && is_images(call, 2, LENGTH(1, 0), LENGTH(1, 1), q->out))
