/* What a call from Python gives: arrays, read through the buffer protocol, windows and numbers.
 *
 * Arrays come in the shapes that ops see.  A letter for each argument says what it must be:
 *   i  images (N, C, ...) of floats; x means that the loops read them as they lie
 *   m  matrices of floats, (..., rows, columns), read as they lie      v  floats
 *   a  floats without gaps; all such arrays of a call lie alike in memory; A means that they are written to
 *   c  class numbers                     n  class numbers of images
 *   w  a window; W is the window of the gradient in the images      p  the window of a pooling that follows
 *   e  floats anyhow, all of one shape (see lay_alike)
 *   l  an integer      f  a floating number      r  a tuple of floating numbers
 *   -  not read here
 * A question mark after a letter allows None.  A bar says that the arguments behind it may be missing.
 *
 * Floats are all float32 or all float64.  The loops want images batch-innermost, matrices or their transposes in one piece, and
 * other arrays in the order of their axes: lay_arrays copies those that lie otherwise.  For anything else the call is NumPy's.
 */

#define MOST_ARRAYS 10
#define MOST_RESULTS 4
#define MOST_NUMBERS 8
#define MOST_AXES 32

typedef struct {
    long n, c, f, groups; /* images (C, D, H, W, N), F filters in groups */
    int axes;             /* spatial axes of the images */
    long size[AXES], kernel[AXES], stride[AXES], dilation[AXES], before[AXES], out[AXES];
    long spread[AXES];                      /* from one value of the images to the next, with zeros between them; see read_window */
    long each, taps;                        /* channels and taps (channel, cell) of one filter */
    long steps[2 + AXES];                   /* bytes from one image, channel, slab, row and column to the next, as they lie */
    long slabs, rows, phases, columns;      /* laid-out images: (C, slabs, rows, phases, columns, N) */
    long row;                               /* values of a row, with what keeps rows apart in the cache */
    long slab_step, row_step, group_step;   /* values from one slab or row of the output, or group, to the next */
    long margin[AXES], reach[AXES], channel; /* laid-out cells before the images, those that positions see, values of a channel */
    long *offsets, *sources;                /* where each tap lies in them, and its weight among those of the filters; */
    long *starts, *runs, run_count;         /* where those of each class of positions begin, and classes that see alike (sort_taps) */
    long lines;                             /* bands: rows of output; */
    int whole, flat;                        /* images lie as they will, rows are computed as one */
    long sets;                              /* sets of taps that an item of the weight gradient sums */
    long tiles[2], run, shares;             /* tiles of 2 x 2 outputs, or none; their values computed at a time; shares of them; ... */
    long vectors;                           /* ... vectors of a row of them, of which the last may go beyond its end */
    long room, ahead;                       /* pooling: values of a buffer, and of its margin before the first; ... */
    long group, pieces;                     /* ... channels of an item, and pieces of one of them; ... */
    int split, disjoint, works, work[AXES]; /* ... the axis that pieces part; windows are apart; axes along which windows go */
    long places;                            /* values of a run after batch norm and pooling */
} Geometry;

typedef struct { /* a copy in another order of the axes; the last two are rows and columns */
    const char *from;
    void *to;
    int axes;
    long shape[MOST_AXES + 1], steps[MOST_AXES + 1], puts[MOST_AXES + 1]; /* steps in bytes there, in values here */
} Copying;

typedef struct { /* rows, see lines.h: their place in memory, their channels, how many are computed at a time */
    long outer, length, beside, pieces, apart, each, cycle, side, items, shares, repeat;
    int turned; /* the arrays are batch-innermost */
} Lines;

typedef struct { /* a stack of matrices; steps in values, 0 along an axis of the stack that the matrices do not have */
    const void *data;
    long down, across, steps[MOST_AXES];
} Matrices;

typedef struct { /* a stack of products a (m, k) @ b (k, n) */
    Matrices a, b;
    long m, k, n, shape[MOST_AXES], high; /* high: rows of an item */
    long out_down, out_across;            /* steps of a result of few columns */
    int axes, by_row, a_packs, b_packs;   /* by_row: biases belong to rows, not to columns */
} Product;

enum pooling { NO_POOLING, HALVING, OTHER_POOLING }; /* halving parts images into squares of 2 x 2 */

struct Call {
    Py_buffer view[MOST_ARRAYS];
    char letter[MOST_ARRAYS];
    void *data[MOST_ARRAYS];    /* null for None */
    void *copy[MOST_ARRAYS];    /* memory of this call, where the data stand if they had to be copied */
    long count[MOST_ARRAYS];    /* values */
    long numbers[MOST_NUMBERS]; /* the integers, in their order */
    double reals[MOST_NUMBERS];
    int arrays, number_count, real_count;
    Lines lines;
    enum kind kind;             /* which function of rows */
    PyObject *result[MOST_RESULTS];
    void *out[MOST_RESULTS];    /* their values */
    int results;
    Copying copying;
    void *laid;                 /* images laid out for a convolution, or as they are */
    void *filters, *scratch;    /* of tiles: transformed weights; memory for every thread, */
    long each;                  /* of so many bytes */
    atomic_int *wrong;          /* set where a result is not finite */
    int wide, threads;          /* wide: double rather than float */
    int exact;                  /* numbers below the smallest normal one count as themselves */
    int relu, halved;           /* what a convolution or product goes on with: relu, maxima of 2 x 2 */
    enum pooling pooling;
    long pooled[AXES];          /* the size of the images that are halved */
    Geometry q;
    Product product;
};

typedef struct { /* what a loop over taps adds up: lines of so many; values lie where offsets say, weights one after the ... */
    const long *offsets;
    long taps, lines, hop; /* ... other, and `hop` farther from the last of a line to the next */
} Taps;

/* The remainders, modulo spread, of the positions of a class. */
static inline void class_at(const Geometry *q, long class, long *kind) {
    const long *s = q->spread;
    kind[0] = class / (s[1] * s[2]), kind[1] = class / s[2] % s[1], kind[2] = class % s[2];
}

/* The most positions along each axis of the classes first, ..., last - 1. */
static inline void count_positions(const Geometry *q, long first, long last, long *count) {
    memset(count, 0, AXES * sizeof *count);
    for (long class = first, kind[AXES]; class < last; class++) {
        class_at(q, class, kind);
        for (int axis = 0; axis < AXES; axis++)
            count[axis] = max(count[axis], (q->out[axis] - kind[axis] + q->spread[axis] - 1) / q->spread[axis]);
    }
}

/* Panels for the positions of a class. */
static inline long panel_parts(const Geometry *q) {
    long count[AXES];
    count_positions(q, 0, 1, count);
    return (product_of(count) * q->n + q->run - 1) / q->run;
}

/* So many values of `size` bytes and some more: an odd number of lines of the cache, so that columns of such rows use all its sets. */
static inline long odd_lines(long values, long size) { return ((values * size + 63) / 64 | 1) * 64 / size; }

static PyObject *ndarray, *astype, *int64; /* NumPy's class, and what makes int64 of its integers */

static void release(Call *call) {
    if (call->laid != call->data[0]) free(call->laid);
    free(call->q.offsets);
    free(call->filters);
    free(call->scratch);
    for (int k = 0; k < call->arrays; k++) {
        if (call->data[k]) PyBuffer_Release(&call->view[k]);
        free(call->copy[k]);
    }
    for (int k = 0; k < call->results; k++) Py_XDECREF(call->result[k]);
}

/* ---------------------------------------------------------------------------- how arrays lie in memory */

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

/* Read an array: whether its values are what the letter says.  `type` and `first` are those that it must be like. */
static int read_array(PyObject *array, Py_buffer *view, char letter, int flags, const Py_buffer **type, const Py_buffer **first) {
    if (!PyObject_TypeCheck(array, (PyTypeObject *)ndarray)) return 0;
    if (PyObject_GetBuffer(array, view, PyBUF_STRIDES | PyBUF_FORMAT | flags) < 0) return PyErr_Clear(), 0;
    const char kind = view->format && view->format[0] && !view->format[1] ? view->format[0] : '?';
    const int numbers = letter == 'n' || letter == 'c';
    int suits = view->len && view->ndim && view->ndim <= MOST_AXES && strchr(numbers ? "bBhHiIlLqQ" : "fd", kind);
    if (suits && !numbers) {
        if (!*type) *type = view;
        suits = (*type)->itemsize == view->itemsize;
    }
    if (suits && letter == 'm') suits = view->ndim > 1;
    if (suits && letter == 'a') {
        suits = *first ? alike(view, *first) : dense(view);
        *first = view;
    }
    if (!suits) return PyBuffer_Release(view), 0;
    if (numbers && !strchr("lq", kind)) { /* those beyond int64 turn negative, and are no class */
        PyBuffer_Release(view);
        PyObject *whole = PyObject_CallMethodObjArgs(array, astype, int64, NULL);
        suits = whole && PyObject_GetBuffer(whole, view, PyBUF_STRIDES | PyBUF_FORMAT) == 0;
        Py_XDECREF(whole);
        if (!suits) PyErr_Clear();
    }
    return suits;
}

/* Plan the copy of an array with its axes in this order.  Axes that lie as one are one. */
static void plan_copy(Copying *copying, const Py_buffer *view, const int *order, void *to) {
    long *shape = copying->shape, *steps = copying->steps;
    int last = 0;
    shape[0] = 1, steps[0] = 0;
    for (int k = 0; k < view->ndim; k++) {
        const long length = (long)view->shape[order[k]], step = (long)view->strides[order[k]];
        if (length == 1) continue;
        if (last && steps[last] == length * step) shape[last] *= length, steps[last] = step;
        else shape[++last] = length, steps[last] = step;
    }
    if (!last) shape[++last] = 1, steps[last] = 0;
    int near = last - 1; /* the axis whose values are neighbours there, if the last one is not it */
    for (int axis = 0; axis < last; axis++)
        if (steps[axis] == view->itemsize) near = axis;
    for (long axis = last, filled = 1; axis >= 0; filled *= shape[axis--]) copying->puts[axis] = filled;
    long *const parts[] = {shape, steps, copying->puts};
    for (int k = 0; k < 3; k++) {
        const long moved = parts[k][near];
        memmove(parts[k] + near, parts[k] + near + 1, (last - 1 - near) * sizeof moved);
        parts[k][last - 1] = moved;
    }
    copying->from = view->buf, copying->to = to, copying->axes = last + 1;
}

/* ------------------------------------------------------------------------------------ reading arguments */

/* Read the fields of a window; a window with fewer axes gets leading ones of size 1.  The gradient in the images is a
 * correlation as well: of gradients with stride - 1 zeros between them, with the filters turned around. */
static int read_window(PyObject *window, Geometry *q, int turned) {
    long after[AXES];
    long *to[] = {q->size, q->kernel, q->stride, q->dilation, q->before, after, q->out};
    if (!PyTuple_Check(window) || PyTuple_Size(window) != 7) return 0;
    for (int field = 0; field < 7; field++) {
        PyObject *values = PyTuple_GetItem(window, field);
        if (!PyTuple_Check(values)) return 0;
        const int axes = (int)PyTuple_Size(values), missing = AXES - axes, least = to[field] != q->before && to[field] != after;
        if (axes < 1 || missing < 0 || (field && axes != q->axes)) return 0;
        q->axes = axes;
        for (int axis = 0; axis < AXES; axis++) {
            to[field][axis] = axis < missing ? least : PyLong_AsLong(PyTuple_GetItem(values, axis - missing));
            if (to[field][axis] < least || to[field][axis] > MOST_CELLS) return PyErr_Clear(), 0;
        }
    }
    for (int axis = 0; axis < AXES; axis++) {
        q->spread[axis] = 1;
        if (!turned) continue;
        const long size = q->size[axis];
        q->size[axis] = q->out[axis], q->out[axis] = size;
        q->spread[axis] = q->stride[axis], q->stride[axis] = 1;
        q->before[axis] = q->dilation[axis] * (q->kernel[axis] - 1) - q->before[axis];
    }
    return 1;
}

/* Read the window of a pooling that follows; it goes over images of the size `pooled`. */
static enum pooling read_pooling(PyObject *window, long *pooled) {
    Geometry q;
    if (window == Py_None) return NO_POOLING;
    if (!read_window(window, &q, 0) || q.axes != 2) return OTHER_POOLING;
    for (int axis = 1; axis < AXES; axis++)
        if (q.kernel[axis] != 2 || q.stride[axis] != 2 || q.dilation[axis] != 1 || q.before[axis] || q.out[axis] != q.size[axis] / 2)
            return OTHER_POOLING;
    memcpy(pooled, q.size, sizeof q.size);
    return HALVING;
}

static int take_numbers(Call *call, PyObject *tuple) {
    if (!PyTuple_Check(tuple) || PyTuple_Size(tuple) > MOST_NUMBERS) return 0;
    for (Py_ssize_t k = 0; k < PyTuple_Size(tuple); k++) call->reals[call->real_count++] = PyFloat_AsDouble(PyTuple_GetItem(tuple, k));
    return 1;
}

/* Take one argument; null if it is missing. */
static int take_one(Call *call, PyObject *given, const char *letter, const Py_buffer **type, const Py_buffer **first) {
    switch (*letter) {
    case '-': return 1;
    case 'l': call->numbers[call->number_count++] = given ? PyLong_AsLong(given) : 0; return 1;
    case 'f': call->reals[call->real_count++] = given ? PyFloat_AsDouble(given) : 0; return 1;
    case 'r': return take_numbers(call, given);
    case 'p': call->pooling = given ? read_pooling(given, call->pooled) : NO_POOLING; return 1;
    case 'w': case 'W': return read_window(given, &call->q, *letter == 'W');
    }
    const int k = call->arrays++;
    call->data[k] = call->copy[k] = NULL;
    call->letter[k] = *letter == 'A' ? 'a' : *letter;
    if (letter[1] == '?' && (!given || given == Py_None)) return 1;
    if (!read_array(given, &call->view[k], call->letter[k], *letter == 'A' ? PyBUF_WRITABLE : 0, type, first)) return 0;
    call->data[k] = call->view[k].buf;
    call->count[k] = (long)(call->view[k].len / call->view[k].itemsize);
    return 1;
}

/* Take the arguments as they lie: whether they suit.  To be released in any case. */
static int take(Call *call, PyObject *const *args, Py_ssize_t given, const char *letters) {
    const Py_buffer *type = NULL, *first = NULL;
    int needed = 1;
    Py_ssize_t argument = 0;
    call->laid = call->filters = call->scratch = NULL;
    call->q.offsets = NULL;
    call->relu = call->halved = call->exact = 0;
    call->threads = crew.wanted; /* for all of the call: somebody may change it meanwhile */
    call->arrays = call->number_count = call->real_count = call->results = 0;
    for (const char *letter = letters; *letter; letter++) {
        if (*letter == '?') continue;
        if (*letter == '|') needed = 0;
        else if (argument >= given && needed) return 0;
        else if (!take_one(call, argument < given ? args[argument] : NULL, letter, &type, &first)) return 0;
        else argument++;
    }
    if (PyErr_Occurred() || given > argument) return PyErr_Clear(), 0;
    call->laid = call->arrays ? call->data[0] : NULL;
    call->wide = type && type->itemsize == 8;
    return 1;
}
