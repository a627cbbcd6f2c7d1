/* The functions of the module along axes.  Their loops stand in axes.h, what they compute in the folder reference. */

/* The axes that `axis` names, None for all: whether it does. */
static int axes_named(PyObject *axis, int axes, int *named) {
    const Py_ssize_t count = axis == Py_None ? axes : PyTuple_Check(axis) ? PyTuple_Size(axis) : 1;
    memset(named, 0, axes * sizeof *named);
    for (Py_ssize_t k = 0; k < count; k++) {
        PyObject *one = PyTuple_Check(axis) ? PyTuple_GetItem(axis, k) : axis;
        long at = axis == Py_None ? k : PyLong_Check(one) ? PyLong_AsLong(one) : axes;
        at += at < 0 ? axes : 0;
        if (at < 0 || at >= axes || named[at]) return PyErr_Clear(), 0;
        named[at] = 1;
    }
    return 1;
}

/* Let array 0 lie in C order or batch-innermost: whether the latter. */
static int innermost(Call *call) {
    const int turned = !contiguous(&call->view[0], 0) && contiguous(&call->view[0], 1);
    if (turned) call->letter[0] = 'i';
    return turned;
}

/* axis_sum(x, axis, keepdims) */
FUNCTION(axis_sum) {
    TAKE_AS_IT_LIES("v-l");
    Axes *a = &call->along;
    const int axes = call->view[0].ndim, turned = innermost(call);
    int named[MOST_AXES], kept = 0;
    long shape[MOST_AXES], step = 1, sums = 1;
    NEED(axes_named(args[1], axes, named) && lay_arrays(call));
    for (int k = 0; k < axes; k++)
        if (!named[k] || call->numbers[0]) shape[kept++] = named[k] ? 1 : LENGTH(0, k);
    a->groups = 0, a->reduced = 1;
    for (int k = 0; k < axes; k++) {
        const int axis = (turned + k) % axes, reduced = named[axis];
        if (LENGTH(0, axis) == 1) continue;
        if (a->groups && reduced == a->last_reduced) a->size[a->groups - 1] *= LENGTH(0, axis);
        else a->size[a->groups++] = LENGTH(0, axis);
        a->last_reduced = reduced;
    }
    NEED(a->groups > 1 || (a->groups && a->last_reduced));
    const int last = a->groups - 1;
    for (int k = last; k >= 0; step *= a->size[k--]) a->step[k] = step;
    for (int k = last - a->last_reduced; k >= 0; k -= 2) sums *= a->size[k];
    for (int k = last - 3 + a->last_reduced; k >= 0; k -= 2) a->reduced *= a->size[k];
    NEED(add_result(call, new_array(call->wide, kept, shape, turned && (!named[0] || call->numbers[0]))));
    const long width = a->size[last], items = a->last_reduced ? sums : sums / width * ((width + STRIP - 1) / STRIP);
    RUN(axis_sum, items, call->count[0] / items / MOVES + 4);
    if (kept) return finish(call);
    PyObject *array = finish(call), *nothing = PyTuple_New(0), *value = array && nothing ? PyObject_GetItem(array, nothing) : NULL;
    Py_XDECREF(array), Py_XDECREF(nothing);
    return value;
}

/* See array 0, laid out, as q.c lines of q.f values along an axis, each value a block of q.n; its shape.  Whether it lies turned. */
static int lines_along(Call *call, long axis, long *shape) {
    Geometry *q = &call->q;
    const int axes = call->view[0].ndim, turned = innermost(call);
    q->c = q->n = 1, q->f = LENGTH(0, axis);
    for (int k = 0; k < axes; k++) {
        shape[k] = LENGTH(0, k);
        if (k != axis) *((k + axes - turned) % axes < (axis + axes - turned) % axes ? &q->c : &q->n) *= shape[k];
    }
    return turned;
}

/* cumsum(x, axis, backwards) */
FUNCTION(cumsum) {
    TAKE_AS_IT_LIES("vll");
    long shape[MOST_AXES];
    const Geometry *q = &call->q;
    NEED(call->numbers[0] >= 0 && call->numbers[0] < call->view[0].ndim);
    const int turned = lines_along(call, call->numbers[0], shape);
    NEED(lay_arrays(call) && add_result(call, new_array(call->wide, call->view[0].ndim, shape, turned)));
    const long items = q->n > 1 ? q->c * ((q->n + STRIP - 1) / STRIP) : (q->c + 3) / 4;
    RUN(cumsum, items, 2 * call->count[0] / items / (q->n > 1 ? MOVES : 1));
    return finish(call);
}

/* banded(x, axis, matrix) */
FUNCTION(banded) {
    TAKE_AS_IT_LIES("vlv");
    long shape[MOST_AXES];
    Geometry *q = &call->q;
    const long axis = call->numbers[0];
    NEED(axis >= 0 && axis < call->view[0].ndim && call->view[1].ndim == 2 && LENGTH(1, 1) == LENGTH(0, axis));
    const int turned = lines_along(call, axis, shape);
    shape[axis] = q->each = LENGTH(1, 0);
    NEED(lay_arrays(call) && add_result(call, new_array(call->wide, call->view[0].ndim, shape, turned)));
    NEED(q->offsets = malloc(2 * q->each * sizeof *q->offsets));
    for (long i = 0; i < q->each; i++) {
        long first = 0, last = q->f;
#define ZERO(K) (call->wide ? ((double *)call->data[1])[i * q->f + (K)] == 0 : ((float *)call->data[1])[i * q->f + (K)] == 0)
        while (first < last && ZERO(first)) first++;
        while (first < last && ZERO(last - 1)) last--;
#undef ZERO
        q->offsets[2 * i] = first, q->offsets[2 * i + 1] = last;
    }
    if (q->n == 1) {
        call->each = times(times(SQUARE, q->f + q->each), SIZE);
        NEED(call->scratch = room(times(call->threads, call->each)));
    }
    RUN(banded, q->n > 1 ? q->c : (q->c + SQUARE - 1) / SQUARE, q->each * (q->n > 1 ? q->n * 4 / MOVES : SQUARE));
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
