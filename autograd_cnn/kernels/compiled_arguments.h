/* What a call from Python gives: arrays, read through the buffer protocol, and numbers.
 *
 * Arrays come in the shapes that ops see.  A letter for each argument says what it must be:
 *   v  values of the loops' type, float or double, in the order of their axes
 *   i  images (N, C, ...) of that type, batch-innermost: in memory (C, ..., N)
 *   m  a matrix of that type, or its transpose
 *   a  of that type and dense; all such arrays of a call lie alike
 *   n  class numbers, int64, batch-innermost
 *   w  the numbers of a window, int64, in the order of their axes
 *   l  an integer      f  a floating number
 *   u  a list of tuples of arrays that lie alike in each tuple: what an optimizer updates; see take_updates
 * A question mark after a letter allows None.  An array that lies otherwise, is empty or of another type makes the call answer
 * False: Python then copies it, or takes the NumPy kernel.
 */

#define MOST_ARRAYS 10
#define MOST_NUMBERS 8
#define MOST_AXES 32
#define MOST_PARTS 5 /* arrays that an optimizer updates together */

typedef struct {
    long n, c, f, groups; /* images (C, D, H, W, N), F filters in groups */
    long size[AXES], kernel[AXES], stride[AXES], dilation[AXES], before[AXES], insert[AXES], out[AXES];
    long each, taps;                        /* channels and taps (channel, cell) of one filter */
    long slabs, rows, phases, columns;      /* laid-out images: (C, slabs, rows, phases, columns, N) */
    long row;                               /* values of a row, with what keeps rows apart in the cache */
    long slab_step, row_step, group_step;   /* values from one slab or row of the output, or group, to the next */
    long *offsets;                          /* where each tap lies in them */
    long sets;                              /* sets of taps that an item of the weight gradient sums */
    long tiles[2], run, shares;             /* tiles of 2 x 2 outputs, or none; their values computed at a time; shares of them */
    int adds;                               /* gradients of windows add up, or do not reach every cell */
} Geometry;

typedef struct {
    void *data[MOST_PARTS]; /* null for None */
    long count, first;      /* values; the item of the loop that begins with these */
} Update;

struct Call {
    Py_buffer view[MOST_ARRAYS];
    void *data[MOST_ARRAYS];    /* null for None */
    long count[MOST_ARRAYS];    /* values */
    int turned[MOST_ARRAYS];    /* a matrix lies as its transpose only */
    long numbers[MOST_NUMBERS]; /* the integers, in their order */
    double reals[MOST_NUMBERS];
    void *laid;                 /* images laid out for a convolution, or as they are */
    void *filters, *scratch;    /* of tiles: transformed weights; memory for every thread, */
    long each;                  /* of so many bytes */
    atomic_int *wrong;          /* set where a result is not finite */
    int arrays, wide, threads;  /* wide: double rather than float */
    int relu, halved;           /* what a convolution or product goes on with: relu, maxima of 2 x 2 */
    Py_buffer *parts;           /* the arrays of updates */
    Update *updates;
    long part_count, update_count;
    Geometry q;
};

static void release(Call *call) {
    if (call->laid != call->data[0] && call->laid != call->data[1]) free(call->laid);
    free(call->q.offsets);
    free(call->filters);
    free(call->scratch);
    for (int k = 0; k < call->arrays; k++)
        if (call->data[k]) PyBuffer_Release(&call->view[k]);
    call->arrays = 0;
    while (call->part_count) PyBuffer_Release(&call->parts[--call->part_count]);
    free(call->parts);
    free(call->updates);
}

/* Whether the axes, in the order first, first + 1, ..., 0, ..., first - 1, are contiguous in memory. */
static int contiguous(const Py_buffer *view, int first) {
    Py_ssize_t step = view->itemsize;
    for (int k = view->ndim - 1; k >= 0; k--) {
        const int axis = (first + k) % view->ndim;
        if (view->shape[axis] != 1 && view->strides[axis] != step) return 0;
        step *= view->shape[axis];
    }
    return 1;
}

/* Whether the values fill a piece of memory, each once, in some order of the axes. */
static int dense(const Py_buffer *view) {
    int used[MOST_AXES] = {0};
    for (Py_ssize_t step = view->itemsize, filled = 1; filled < view->len / view->itemsize;) {
        int next = 0;
        while (next < view->ndim && (used[next] || view->shape[next] == 1 || view->strides[next] != step)) next++;
        if (next == view->ndim) return 0;
        used[next] = 1;
        step *= view->shape[next];
        filled *= view->shape[next];
    }
    return 1;
}

static int alike(const Py_buffer *one, const Py_buffer *other) {
    if (one->ndim != other->ndim) return 0;
    for (int k = 0; k < one->ndim; k++)
        if (one->shape[k] != other->shape[k] || (one->shape[k] != 1 && one->strides[k] != other->strides[k])) return 0;
    return 1;
}

/* Whether an array is what its letter says; `type` and `first` are those that it must be like, `turned` is set for a matrix. */
static int suits(const Py_buffer *view, char letter, const Py_buffer **type, const Py_buffer **first, int *turned) {
    if (!view->len || view->ndim > MOST_AXES || !view->format || view->format[1]) return 0;
    const char kind = view->format[0];
    if (letter == 'w' || letter == 'n')
        return (kind == 'l' || kind == 'q') && view->itemsize == 8 && contiguous(view, letter == 'n' && view->ndim);
    if ((kind != 'f' && kind != 'd') || (*type && (*type)->itemsize != view->itemsize)) return 0;
    *type = view;
    switch (letter) {
    case 'v': return contiguous(view, 0);
    case 'i': return view->ndim > 0 && contiguous(view, 1);
    case 'm':
        if (view->ndim != 2) return 0;
        *turned = !contiguous(view, 0);
        return !*turned || contiguous(view, 1);
    default:
        if (*first) return alike(view, *first);
        *first = view;
        return dense(view);
    }
}

/* Read a list of tuples of arrays: the first, and all but the second, are written to; the last may be None. */
static int take_updates(Call *call, PyObject *list, const Py_buffer **type) {
    if (!PyList_Check(list) || !PyList_Size(list)) return PyErr_SetString(PyExc_TypeError, "expected a list of tuples"), -1;
    const long count = call->update_count = (long)PyList_Size(list);
    call->parts = malloc(count * MOST_PARTS * sizeof *call->parts);
    call->updates = calloc(count + 1, sizeof *call->updates);
    if (!call->parts || !call->updates) return PyErr_NoMemory(), -1;
    for (long u = 0; u < count; u++) {
        PyObject *tuple = PyList_GetItem(list, u);
        Update *update = &call->updates[u];
        const Py_buffer *first = NULL;
        if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) > MOST_PARTS || PyTuple_Size(tuple) < 3)
            return PyErr_SetString(PyExc_TypeError, "expected tuples of three to five arrays"), -1;
        for (int k = 0; k < PyTuple_Size(tuple); k++) {
            PyObject *array = PyTuple_GetItem(tuple, k);
            Py_buffer *view = &call->parts[call->part_count];
            if (array == Py_None && k == PyTuple_Size(tuple) - 1) continue;
            if (PyObject_GetBuffer(array, view, PyBUF_STRIDES | PyBUF_FORMAT | (k == 1 ? 0 : PyBUF_WRITABLE)) < 0) return -1;
            call->part_count++;
            if (!suits(view, 'a', type, &first, NULL)) return 0;
            update->data[k] = view->buf;
            update->count = view->len / view->itemsize;
        }
        update[1].first = update->first + (update->count + BLOCK - 1) / BLOCK;
    }
    return 1;
}

/* Take the arguments: 1, or 0 if an array does not suit, or -1 with an exception set; only after 1 there is something to
 * release. */
static int take(Call *call, PyObject *const *args, Py_ssize_t given, const char *letters) {
    const Py_buffer *type = NULL, *first = NULL;
    int numbers = 0, reals = 0, suit = 1, argument = 0;
    call->laid = call->filters = call->scratch = NULL;
    call->q.offsets = NULL;
    call->q.adds = 0;
    call->relu = call->halved = 0;
    call->threads = crew.wanted; /* for all of the call: somebody may change it meanwhile */
    call->arrays = 0;
    call->parts = NULL;
    call->updates = NULL;
    call->part_count = call->update_count = 0;
    for (const char *letter = letters; *letter && suit == 1; letter++, argument++) {
        const int optional = letter[1] == '?';
        if (argument >= given) {
            PyErr_Format(PyExc_TypeError, "expected arguments %s, got %zd", letters, given);
            suit = -1;
        } else if (*letter == 'l' || *letter == 'f') {
            if (*letter == 'l') call->numbers[numbers++] = PyLong_AsLong(args[argument]);
            else call->reals[reals++] = PyFloat_AsDouble(args[argument]);
            if (PyErr_Occurred()) suit = -1;
        } else if (*letter == 'u') {
            suit = take_updates(call, args[argument], &type);
        } else {
            const int k = call->arrays++;
            call->data[k] = NULL;
            if (!optional || args[argument] != Py_None) {
                if (PyObject_GetBuffer(args[argument], &call->view[k], PyBUF_STRIDES | PyBUF_FORMAT) < 0) suit = -1;
                else {
                    call->data[k] = call->view[k].buf;
                    call->count[k] = call->view[k].len / call->view[k].itemsize;
                    suit = suits(&call->view[k], *letter, &type, &first, &call->turned[k]);
                }
            }
        }
        letter += optional;
    }
    if (suit == 1 && argument != given) {
        PyErr_Format(PyExc_TypeError, "expected arguments %s, got %zd", letters, given);
        suit = -1;
    }
    call->laid = call->arrays ? call->data[0] : NULL;
    call->wide = type && type->itemsize == 8;
    if (suit != 1) release(call);
    return suit;
}

/* Whether array k holds so many values, or is None; else an exception is set. */
static int holds(const Call *call, int k, long values) {
    if (!call->data[k] || call->count[k] == values) return 1;
    PyErr_Format(PyExc_ValueError, "array %d holds %ld values, expected %ld", k, call->count[k], values);
    return 0;
}

static long product_of(const long *sizes) { return sizes[0] * sizes[1] * sizes[2]; }

/* Read the window, which is array k, and n and c, which are the first two sizes of array 0. */
static int read_geometry(Call *call, int k) {
    Geometry *q = &call->q;
    if (call->view[0].ndim < 2) return PyErr_SetString(PyExc_ValueError, "images have two axes or more"), -1;
    if (!holds(call, k, 7 * AXES)) return -1;
    const long long *from = call->data[k];
    long *to[] = {q->size, q->kernel, q->stride, q->dilation, q->before, q->insert, q->out};
    for (int field = 0; field < 7; field++)
        for (int axis = 0; axis < AXES; axis++) to[field][axis] = (long)*from++;
    q->n = (long)call->view[0].shape[0], q->c = (long)call->view[0].shape[1];
    return 0;
}

#define D(k) call.data[k]
#define LENGTH(k, axis) ((long)call.view[k].shape[axis])
#define FUNCTION(NAME_) static PyObject *NAME_(PyObject *self, PyObject *const *args, Py_ssize_t given)
#define TAKE(LETTERS)                                   \
    Call call;                                          \
    (void)self;                                         \
    const int taken = take(&call, args, given, LETTERS); \
    if (taken < 0) return NULL;                         \
    if (!taken) Py_RETURN_FALSE
#define FAIL do { release(&call); return NULL; } while (0)
#define DONE do { release(&call); Py_RETURN_TRUE; } while (0)
