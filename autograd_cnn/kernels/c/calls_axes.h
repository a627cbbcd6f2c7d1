/* Calls along axes (axes.h). */

/* axis_sum(x, axis, keepdims) */
FUNCTION(axis_sum) {
    TAKE_AS_IT_LIES("e-l");
    const long reduced = read_axes(call, 0, args[1]), axes = call->view[0].ndim, keep = call->numbers[0];
    long now = reduced; /* axes that are not one run in memory are summed in turns, the innermost ones first */
    NEED(reduced);
    for (int axis = 0; !find_rows(call, 0, now, 0, 0); axis++) NEED((now &= ~(1L << axis)));
    NEED(new_of_rows(call, 0, now, now != reduced || keep));
    call->lines.side = SIDE; /* long runs of memory count more than many items */
    RUN(axis_sum, call->lines.outer * ((call->lines.beside + SIDE - 1) / SIDE), ROW_COST(1));
    PyObject *sums = finish(call), *found = NULL;
    const int all = reduced == (1L << axes) - 1 && !keep; /* a number, then */
    if (!sums || (now == reduced && !all)) return sums;
    if (now == reduced) found = PyObject_CallMethod(sums, "__getitem__", "(())");
    else found = axis_sum(self, (PyObject *[]){sums, args[1], args[2]}, 3);
    Py_DECREF(sums);
    return found;
}

/* Begin a loop along the axis of array 0 that the first number names, where it gets so many values, or 0 for as many: the items, or 0. */
static long begin_along(Call *call, long rows) {
    const long axis = call->numbers[0], axes = call->view[0].ndim;
    long shape[MOST_AXES];
    if (axis < 0 || axis >= axes || (rows && LENGTH(0, axis) == 1) || !find_rows(call, 0, 1L << axis, 0, 0)) return 0;
    for (int k = 0; k < axes; k++) shape[k] = rows && k == axis ? rows : LENGTH(0, k);
    call->each = times(times(SQUARE, shape[axis] + call->lines.length), SIZE) + 2 * shape[axis] * (long)sizeof(long);
    call->each = (call->each + 63) / 64 * 64;
    if (!add_result(call, new_array(call->wide, axes, shape, call->lines.turned))) return 0;
    if (!(call->scratch = room(times(call->threads, call->each)))) return 0;
    const long outer = call->lines.outer, beside = call->lines.beside;
    return beside > 1 ? outer * ((beside + SIDE - 1) / SIDE) : (outer + SQUARE - 1) / SQUARE;
}

/* cumsum(x, axis) */
FUNCTION(cumsum) {
    TAKE_AS_IT_LIES("el");
    const long items = begin_along(call, 0);
    NEED(items);
    RUN(cumsum, items, 4 * call->count[0] / items / MOVES);
    return finish(call);
}

/* banded(x, axis, matrix) */
FUNCTION(banded) {
    TAKE_AS_IT_LIES("elv");
    const long items = call->view[1].ndim == 2 ? begin_along(call, LENGTH(1, 0)) : 0;
    NEED(items && LENGTH(1, 1) == call->lines.length);
    RUN(banded, items, LENGTH(1, 0) * SIDE * 4 / MOVES);
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
    RUN(add_rows, (q->n + SIDE - 1) / SIDE, call->count[1] * (2 + min(SIDE, q->n) * 3 / MOVES));
    release(call);
    Py_RETURN_NONE;
}
