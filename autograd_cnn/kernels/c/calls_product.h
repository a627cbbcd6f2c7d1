/* Calls of matrix products (product.h). */

#define LARGE_PRODUCT (1L << 27) /* multiply-adds of a product from which BLAS computes it: on one core with AVX2, OpenBLAS takes 0.94
                                  * to 1.0 of the time of these loops for 512 rows and columns, 0.8 to 0.95 for 1,024 */

/* Read how array k, a stack of matrices, or of their transposes, lies: whether it suits.  The sizes of its stack go to the product's. */
static int read_matrices(Call *call, int k, int transposed, Matrices *to) {
    const Py_buffer *view = &call->view[k];
    Product *p = &call->product;
    const int last = view->ndim - 1, missing = p->axes + 2 - view->ndim;
    for (int axis = 0; axis <= last; axis++)
        if (view->strides[axis] % view->itemsize) return 0; /* a field of a record */
    to->data = call->data[k];
    to->down = (long)(view->strides[last - !transposed] / view->itemsize);
    to->across = (long)(view->strides[last - transposed] / view->itemsize);
    for (int axis = 0; axis < p->axes; axis++) {
        const long length = axis < missing ? 1 : LENGTH(k, axis - missing);
        to->steps[axis] = length == 1 ? 0 : (long)(view->strides[axis - missing] / view->itemsize);
        if (length != 1 && p->shape[axis] != 1 && p->shape[axis] != length) return 0;
        p->shape[axis] = max(p->shape[axis], length);
    }
    return 1;
}

/* Go over to the transposes: out^T = b^T @ a^T. */
static void exchange(Product *p) {
    const Product given = *p;
    p->m = given.n, p->n = given.m, p->a = given.b, p->b = given.a, p->by_row = !given.by_row;
    p->out_down = given.out_across, p->out_across = given.out_down;
    p->a.down = given.b.across, p->a.across = given.b.down, p->b.down = given.a.across, p->b.across = given.a.down;
}

/* Add out, the matrices of array 0 times those of array 1 or their transposes; if it is `turned`, its columns lie in one piece.
 * Arrays 2 and 3 are biases and scales or null. */
static int multiply(Call *call, int transposed, int turned) {
    Product *p = &call->product;
    const int first = call->view[0].ndim - 2, second = call->view[1].ndim - 2;
    long shape[MOST_AXES], stack = 1;
    p->axes = (int)max(first, second), p->by_row = 0;
    for (int axis = 0; axis < p->axes; axis++) p->shape[axis] = 1;
    if (!read_matrices(call, 0, 0, &p->a) || !read_matrices(call, 1, transposed, &p->b)) return 0;
    p->m = LENGTH(0, first), p->k = LENGTH(0, first + 1), p->n = LENGTH(1, second + !transposed);
    if (LENGTH(1, second + transposed) != p->k) return 0;
    memcpy(shape, p->shape, sizeof shape);
    shape[p->axes] = p->m, shape[p->axes + 1] = p->n;
    const int axes = p->axes + 2;
    for (; p->axes && !p->b.steps[p->axes - 1] && p->a.steps[p->axes - 1] == p->m * p->a.down; p->axes--)
        p->m *= p->shape[p->axes - 1]; /* a stack times one matrix is one product */
    if (times(times(p->m, p->n), p->k) >= LARGE_PRODUCT) return 0;
    if (!add_result(call, new_array(call->wide, axes, shape, turned))) return 0;
    if (turned) exchange(p);
    const long least = min(p->m, p->n);
    const int lanes = p->a.across == 1 && p->b.down == 1 && (least == 1 || (least < FEW && p->k >= SHORT_SUM));
    p->out_down = p->n, p->out_across = 1;
    if (lanes ? p->m < p->n : p->n == 1) exchange(p);
    for (int axis = 0; axis < p->axes; axis++) stack *= p->shape[axis];
    if (lanes) {
        const long filters = levels[level].filters;
        RUN(dots, (p->m + filters - 1) / filters * stack, min(p->m, filters) * p->n * (p->k + 64) / SUMS);
        return 1;
    }
    const long columns = (p->n + BROAD - 1) / BROAD; /* whatever is shared, a sum has the same terms in the same order */
    const long vector = levels[level].bytes / SIZE, rows = levels[level].rows;
    p->a_packs = p->a.across != 1 && p->n > 4 * vector, p->b_packs = p->b.across != 1 || (p->m > 4 * rows && p->n > 4 * vector);
    const int packs = p->a_packs || p->b_packs || p->n % vector; /* every item packs; without, items are small (MLP, 32: 60 to 45 us) */
    const long unit = !p->a_packs ? rows : p->m < 8 * GROUP ? GROUP / 2 : GROUP;
    const long lines = call->threads == 1 ? 1 : max(1, (packs ? 2 : 16) * call->threads / (stack * columns));
    p->high = ((p->m + lines - 1) / lines + unit - 1) / unit * unit;
    if (!take_room(call, 0, min(p->k, DEEP) * (min(p->n, BROAD) + 2 * vector + GROUP))) return 0;
    RUN(product, stack * columns * ((p->m + p->high - 1) / p->high), min(p->high, p->m) * min(BROAD, p->n) * (p->k / SUMS + 2 / MOVES));
    return 1;
}

/* matmul(x, y, by_rows): stacks of matrices; the result of two matrices lies like x, or row by row if asked for */
FUNCTION(matmul) {
    TAKE_AS_IT_LIES("mm|l");
    const int matrices = call->view[0].ndim == 2 && call->view[1].ndim == 2;
    call->data[2] = call->data[3] = NULL; /* no bias, no scale */
    NEED(multiply(call, 0, matrices && !call->numbers[0] && !contiguous(&call->view[0], 0) && contiguous(&call->view[0], 1)));
    return finish(call);
}

/* linear(x, w, b or None, relu, scale or None) */
FUNCTION(linear) {
    TAKE_AS_IT_LIES("mmv?|lv?");
    NEED(call->view[1].ndim == 2 && are_values(call, 2, 3, LENGTH(1, 0)) && lay_arrays(call));
    call->relu = call->numbers[0] != 0;
    NEED(multiply(call, 1, call->view[0].ndim == 2));
    return finish(call);
}
