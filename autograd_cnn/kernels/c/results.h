/* What a call gives back: new arrays; or what the NumPy kernel of the same name gives, if the arguments do not suit the loops. */

static PyObject *reference;                               /* the module of the NumPy kernels */
static PyObject *empty, *empty_like, *transpose, *by_columns, *types[2]; /* of NumPy; the types are float32 and float64 */

/* What results need of NumPy, through its Python functions: one build serves every version of NumPy. */
static int find_numpy(void) {
    PyObject *numpy = PyImport_ImportModule("numpy"), *dtype = numpy ? PyObject_GetAttrString(numpy, "dtype") : NULL;
    if (!dtype) return -1;
    ndarray = PyObject_GetAttrString(numpy, "ndarray");
    empty = PyObject_GetAttrString(numpy, "empty");
    empty_like = PyObject_GetAttrString(numpy, "empty_like");
    transpose = PyUnicode_InternFromString("transpose");
    astype = PyUnicode_InternFromString("astype");
    int64 = PyObject_CallFunction(dtype, "s", "int64");
    by_columns = PyUnicode_InternFromString("F");
    types[0] = PyObject_CallFunction(dtype, "s", "float32");
    types[1] = PyObject_CallFunction(dtype, "s", "float64");
    reference = PyImport_ImportModule("autograd_cnn.kernels.reference");
    Py_DECREF(dtype), Py_DECREF(numpy);
    return ndarray && astype && int64 && empty && empty_like && transpose && by_columns && types[0] && types[1] && reference ? 0 : -1;
}

/* The NumPy kernel of this name. */
static PyObject *otherwise(const char *name, PyObject *const *args, Py_ssize_t given) {
    PyErr_Clear();
    PyObject *kernel = PyObject_GetAttrString(reference, name), *all = PyTuple_New(given), *found = NULL;
    for (Py_ssize_t k = 0; all && k < given; k++) PyTuple_SetItem(all, k, Py_NewRef(args[k]));
    if (kernel && all) found = PyObject_CallObject(kernel, all);
    Py_XDECREF(kernel), Py_XDECREF(all);
    return found;
}

/* Add a new array, or null, to the results. */
static int add_result(Call *call, PyObject *array) {
    Py_buffer view;
    if (!array) return 0;
    call->result[call->results] = array;
    call->out[call->results++] = NULL;
    if (PyObject_GetBuffer(array, &view, PyBUF_STRIDES | PyBUF_WRITABLE) < 0) return 0;
    call->out[call->results - 1] = view.buf; /* it stays where it is: nobody else knows this array */
    PyBuffer_Release(&view);
    return 1;
}

/* A new array; if it is `turned`, its first axis is the innermost in memory. */
static PyObject *new_array(int wide, int axes, const long *shape, int turned) {
    turned = turned && axes > 1 && shape[0] != 1; /* else they lie alike */
    const int moved = turned && axes > 2; /* two axes are exchanged by NumPy's order F: 1 us less than by transpose */
    PyObject *sizes = PyTuple_New(axes), *order = moved ? PyTuple_New(axes) : NULL, *array = NULL, *found = NULL;
    for (int k = 0; sizes && k < axes; k++) PyTuple_SetItem(sizes, k, PyLong_FromLong(shape[moved ? (k + 1) % axes : k]));
    for (int k = 0; order && k < axes; k++) PyTuple_SetItem(order, k, PyLong_FromLong((k + axes - 1) % axes));
    if (sizes) array = PyObject_CallFunctionObjArgs(empty, sizes, types[wide], turned && !moved ? by_columns : NULL, NULL);
    if (array) found = order ? PyObject_CallMethodObjArgs(array, transpose, order, NULL) : moved ? NULL : Py_NewRef(array);
    Py_XDECREF(sizes), Py_XDECREF(order), Py_XDECREF(array);
    return found;
}

/* Results of the type of the call: images (N, C, ...) of this size, batch-innermost if `turned`; ... */
static int new_images(Call *call, long n, long c, const long *size, int turned) {
    long shape[2 + AXES] = {n, c};
    for (int axis = 0; axis < call->q.axes; axis++) shape[2 + axis] = size[AXES - call->q.axes + axis];
    return add_result(call, new_array(call->wide, 2 + call->q.axes, shape, turned));
}

/* ... what has the axes of array k without the reduced ones, or with 1 in their place, batch-innermost if call->lines is; ... */
static int new_of_rows(Call *call, int k, long reduced, int keep) {
    const Py_buffer *view = &call->view[k];
    long shape[MOST_AXES];
    int axes = 0;
    for (int axis = 0; axis < view->ndim; axis++)
        if (!(reduced >> axis & 1)) shape[axes++] = (long)view->shape[axis];
        else if (keep) shape[axes++] = 1;
    return add_result(call, new_array(call->wide, axes, shape, call->lines.turned && (keep || !(reduced & 1))));
}

/* ... and so many values. */
static int new_values(Call *call, long count) { return add_result(call, new_array(call->wide, 1, &count, 0)); }

/* Release the call, and give back its results: one, or a tuple of several. */
static PyObject *finish(Call *call) {
    PyObject *found = call->results == 1 ? call->result[0] : PyTuple_New(call->results);
    for (int k = 0; call->results > 1 && k < call->results; k++)
        if (found) PyTuple_SetItem(found, k, call->result[k]);
        else Py_DECREF(call->result[k]);
    call->results = 0;
    release(call);
    return found;
}

/* Run a loop for the type of the arrays over `items`, each of about `cost` nanoseconds.  Other threads of Python may run beside
 * one that is worth it: a step of 25 kernels takes 3 us less without. */
static void run(const Call *call, const Part *loops, long items, double cost) {
    PyThreadState *state = items * cost > WORTH ? PyEval_SaveThread() : NULL;
    share(call, loops[2 * level + call->wide], items, cost, call->threads, call->exact);
    if (state) PyEval_RestoreThread(state);
}
#define RUN(f, items, cost)                                                                    \
    do {                                                                                       \
        static const Part loops[] = LOOPS(f);                                                  \
        run(call, loops, items, cost);                                                         \
    } while (0)

/* What a core does in a nanosecond, roughly: multiply-adds, and values read or written. */
#define SUMS (call->wide ? 16.0 : 32.0)
#define MOVES (call->wide ? 8.0 : 16.0)
#define SIZE (call->wide ? 8 : 4)

/* Copy array k to `to`, its axes in this order; ... */
static void copy_ordered(Call *call, int k, const int *order, void *to) {
    Copying *copying = &call->copying;
    const int wide = call->wide;
    plan_copy(copying, &call->view[k], order, to);
    const long rows = copying->shape[copying->axes - 2], columns = copying->shape[copying->axes - 1];
    const long blocks = ((rows + TALL - 1) / TALL) * ((columns + PIECE - 1) / PIECE);
    call->wide = call->view[k].itemsize == 8; /* class numbers beside floats */
    RUN(copy, call->count[k] / rows / columns * blocks, min(TALL, rows) * min(PIECE, columns) / MOVES * 4);
    call->wide = wide;
}

/* ... in the order first, first + 1, ..., first - 1. */
static void copy_array(Call *call, int k, int first, void *to) {
    int order[MOST_AXES];
    for (int axis = 0; axis < call->view[k].ndim; axis++) order[axis] = (first + axis) % call->view[k].ndim;
    copy_ordered(call, k, order, to);
}

/* Copy array k if it does not lie as the loops want it; false without memory for it. */
static int lay_array(Call *call, int k) {
    const char letter = call->letter[k];
    const int images = letter == 'i' || letter == 'n' || letter == 'x';
    if (!call->data[k] || call->copy[k] || letter == 'a' || letter == 'm' || contiguous(&call->view[k], images)) return 1;
    if (!(call->copy[k] = room(times(call->count[k], (long)call->view[k].itemsize)))) return 0;
    copy_array(call, k, images, call->copy[k]);
    if (k == 0 && call->laid == call->data[0]) call->laid = call->copy[0]; /* another array may lie there, too */
    call->data[k] = call->copy[k];
    return 1;
}

/* Copy the arrays that do not lie as the loops want them, but for images that are read as they lie. */
static int lay_arrays(Call *call) {
    for (int k = 0; k < call->arrays; k++)
        if (call->letter[k] != 'x' && !lay_array(call, k)) return 0;
    return 1;
}

/* Whether each of the arrays first to last is None, or one axis of so many values. */
static int are_values(const Call *call, int first, int last, long values) {
    for (int k = first; k <= last; k++)
        if (call->data[k] && (call->view[k].ndim != 1 || call->count[k] != values)) return 0;
    return 1;
}

/* Whether array k is images (N, C, ...) of this size, or anything with such axes. */
static int is_images(const Call *call, int k, long n, long c, const long *size) {
    const Py_buffer *view = &call->view[k];
    const int axes = call->q.axes;
    if (view->ndim != 2 + axes || view->shape[0] != n || view->shape[1] != c) return 0;
    for (int axis = 0; axis < axes; axis++)
        if (view->shape[2 + axis] != size[AXES - axes + axis]) return 0;
    return 1;
}

/* Whether array k holds a value for each row of array `x`: it has its axes without the reduced ones, or with 1 in their place; ... */
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

/* ... is of the same shape. */
static int is_like(const Call *call, int k, int other) { return is_of_rows(call, k, other, 0); }

/* The place of a name in a table whose entries, each of so many bytes, begin with theirs; or -1. */
static int find_name(PyObject *name, const void *table, size_t bytes, int count) {
    int k = PyUnicode_Check(name) ? count - 1 : -1;
    while (k >= 0 && PyUnicode_CompareWithASCIIString(name, *(const char *const *)((const char *)table + k * bytes))) k--;
    return k;
}

/* A function of the module.  Whatever does not suit or is missing makes the call NumPy's. */
#define FUNCTION(NAME_) static PyObject *NAME_(PyObject *self, PyObject *const *args, Py_ssize_t given)
#define NEED(CONDITION) do { if (!(CONDITION)) return release(call), otherwise(__func__, args, given); } while (0)
#define TAKE_AS_IT_LIES(LETTERS)          \
    Call this_call, *const call = &this_call; \
    (void)self;                           \
    NEED(take(call, args, given, LETTERS))
#define TAKE(LETTERS) TAKE_AS_IT_LIES(LETTERS); NEED(lay_arrays(call))
#define LENGTH(k, axis) ((long)call->view[k].shape[axis])
