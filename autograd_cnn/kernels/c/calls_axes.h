/* The functions of the module along axes.  Their loops stand in axes.h, what they compute in the folder reference. */

/* Items of rows, all of SIDE side by side: where a row costs little, long runs of memory count more than many items. */
static long wide_items(Call *call) {
    call->lines.side = SIDE;
    return call->lines.outer * ((call->lines.beside + SIDE - 1) / SIDE);
}

/* axis_sum(x, axis, keepdims) */
FUNCTION(axis_sum) {
    TAKE_AS_IT_LIES("e-l");
    const long reduced = read_axes(call, 0, args[1]);
    long now = reduced; /* axes that are not one run in memory are summed in turns, the innermost ones first */
    NEED(reduced);
    for (int axis = 0; !find_rows(call, 0, now, 0, 0); axis++) NEED((now &= ~(1L << axis)));
    NEED(new_of_rows(call, 0, now, now != reduced || call->numbers[0]));
    RUN(axis_sum, wide_items(call), ROW_COST(1));
    const int number = now == (1L << call->view[0].ndim) - 1 && !call->numbers[0];
    PyObject *sums = finish(call), *key = sums && number ? PyTuple_New(0) : NULL, *found = NULL;
    if (sums && now != reduced) found = axis_sum(self, (PyObject *[]){sums, args[1], args[2]}, 3);
    else found = number ? key ? PyObject_GetItem(sums, key) : NULL : Py_XNewRef(sums);
    Py_XDECREF(sums), Py_XDECREF(key);
    return found;
}

/* cumsum(x, axis, backwards) */
FUNCTION(cumsum) {
    TAKE_AS_IT_LIES("ell");
    const long reduced = read_axes(call, 0, args[1]);
    NEED(reduced && PyLong_Check(args[1]) && find_rows(call, 0, reduced, 0, 0) && new_of_rows(call, 0, 0, 1));
    const long items = call->lines.beside > 1 ? wide_items(call) : (call->lines.outer + 3) / 4;
    RUN(cumsum, items, 2 * call->count[0] / items / (call->lines.beside > 1 ? MOVES : 1));
    return finish(call);
}

/* banded(x, axis, matrix) */
FUNCTION(banded) {
    TAKE_AS_IT_LIES("elv");
    long shape[MOST_AXES];
    const long reduced = read_axes(call, 0, args[1]), axis = call->numbers[0];
    NEED(reduced && axis >= 0 && call->view[1].ndim == 2 && LENGTH(1, 1) == LENGTH(0, axis) && find_rows(call, 0, reduced, 0, 0));
    for (int k = 0; k < call->view[0].ndim; k++) shape[k] = k == axis ? LENGTH(1, 0) : LENGTH(0, k);
    NEED(add_result(call, new_array(call->wide, call->view[0].ndim, shape, call->lines.turned)));
    const long outer = call->lines.outer, beside = call->lines.beside, items = beside > 1 ? outer : (outer + SQUARE - 1) / SQUARE;
    call->each = times(SQUARE * SIZE, LENGTH(1, 0) + LENGTH(1, 1)) + LENGTH(1, 0) * 2 * sizeof(long);
    NEED(call->scratch = room(times(call->threads, call->each = (call->each + 63) / 64 * 64)));
    RUN(banded, items, LENGTH(1, 0) * (beside > 1 ? beside * 4 / MOVES : SQUARE));
    return finish(call);
}

/* add_rows(out, index, g): in place */
FUNCTION(add_rows) {
    TAKE_AS_IT_LIES("vcv");
    Geometry *q = &call->q;
    q->c = LENGTH(0, 0), q->n = call->count[0] / q->c;
    NEED(contiguous(&call->view[0], 0) && !call->view[0].readonly && lay_arrays(call) && call->count[2] == call->count[1] * q->n);
    NEED(call->view[2].ndim == call->view[1].ndim + call->view[0].ndim - 1);
    for (long k = 0; k < call->count[1]; k++) NEED(((int64_t *)call->data[1])[k] >= -q->c && ((int64_t *)call->data[1])[k] < q->c);
    RUN(add_rows, (q->n + STRIP - 1) / STRIP, call->count[1] * (2 + min(STRIP, q->n) * 3 / MOVES));
    release(call);
    Py_RETURN_NONE;
}

#define AXES_KERNELS FAST(axis_sum) FAST(cumsum) FAST(banded) FAST(add_rows)
