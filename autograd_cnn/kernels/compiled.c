/* The compiled twin of reference.py: the loops in which NumPy cannot reach the machine.
 *
 * reference.py says what each function computes; compiled.py checks shapes, dtypes and contiguity before it
 * calls anything here, and this file checks that every buffer has the size that the geometry says.  The
 * loops stand in compiled_loops.h, once for float and once for double.  Limited API and buffer protocol only, so one
 * build serves every Python from 3.11 on.
 */

#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#define REGISTER 64 /* bytes in a vector register */
#define FILTERS 8   /* filters that a micro-kernel sums at a time ... */
#define TAPS 3      /* ... and taps, in the weight gradient: FILTERS * TAPS sums and TAPS values in registers */
#elif defined(__AVX__)
#define REGISTER 32
#define FILTERS 4
#define TAPS 2
#else
#define REGISTER 16
#define FILTERS 4
#define TAPS 2
#endif
#define CACHE 65536  /* bytes of gradients that the weight gradient goes through at a time */
#define SMALL 16384  /* values below which waking a thread costs more than it brings */
#define NOBODY 255   /* no tap of the window holds the maximum: there is only padding */

/* Loads a value into a register and keeps it: GCC would read it again from memory for every use, and the loads are
 * the limit of the weight gradient (88 to 140 GFLOP/s on two cores). */
#if defined(__x86_64__) && defined(__GNUC__)
#define IN_REGISTER(value) __asm__("" : "+v"(value))
#else
#define IN_REGISTER(value)
#endif

static int threads = 1;

static inline long min(long a, long b) { return a < b ? a : b; }
static inline long max(long a, long b) { return a > b ? a : b; }

typedef struct {
    long n, c, h, w, f, groups; /* images (C, H, W, N), F filters in groups */
    long kernel[2], stride[2], dilation[2], before[2], insert[2], out[2];
    long each, taps;            /* channels and taps (channel, row, column) of one filter */
    long rows, phases, columns; /* laid-out images: (C, rows, phases, columns, N) */
    long row_step, group_step;  /* values from an output row, a group, to the next */
    long *offsets;              /* where each tap lies in them */
} Geometry;

#define JOIN(a, b) a##b
#define T float
#define LANES (REGISTER / 4)
#define NAME(f) JOIN(f, _float)
#include "compiled_loops.h"
#undef T
#undef LANES
#undef NAME
#define T double
#define LANES (REGISTER / 8)
#define NAME(f) JOIN(f, _double)
#include "compiled_loops.h"

/* ---------------------------------------------------------------------------------------- arguments */

#define MOST 9

/* A call's arrays, its numbers, and the geometry made of the first 18 of them. */
typedef struct {
    Py_buffer view[MOST];
    void *data[MOST]; /* null for None */
    int held, wide;   /* wide: double rather than float */
    long numbers[20];
    Geometry q;
} Call;

static void release(Call *call) {
    free(call->q.offsets);
    while (call->held) PyBuffer_Release(&call->view[--call->held]);
}

/* Take `arrays` contiguous arrays (None allowed), then numbers; -1 with an exception set on anything odd. */
static int take(Call *call, PyObject *const *args, Py_ssize_t given, int arrays, int numbers) {
    memset(call, 0, sizeof *call);
    if (given != arrays + numbers) {
        PyErr_Format(PyExc_TypeError, "expected %d arguments, got %zd", arrays + numbers, given);
        return -1;
    }
    for (int k = 0; k < arrays; k++) {
        if (args[k] == Py_None) continue;
        Py_buffer *view = &call->view[call->held];
        if (PyObject_GetBuffer(args[k], view, PyBUF_C_CONTIGUOUS) < 0) goto fail;
        call->data[k] = view->buf;
        if (call->held++ == 0) call->wide = view->itemsize == 8;
    }
    for (int k = 0; k < numbers; k++) {
        call->numbers[k] = PyLong_AsLong(args[arrays + k]);
        if (call->numbers[k] == -1 && PyErr_Occurred()) goto fail;
    }
    return 0;
fail:
    release(call);
    return -1;
}

/* Whether argument k holds `values` values of `size` bytes (or is None, where that is allowed). */
static int holds(const Call *call, int k, long values, long size, int optional) {
    if (!call->data[k] && optional) return 1;
    for (int v = 0; v < call->held; v++)
        if (call->view[v].buf == call->data[k] && call->view[v].len == values * size) return 1;
    PyErr_Format(PyExc_ValueError, "array %d does not hold %ld values of %ld bytes", k, values, size);
    return 0;
}

static void read_geometry(Call *call) {
    const long *from = call->numbers;
    Geometry *q = &call->q;
    long *to[] = {&q->n, &q->c, &q->h, &q->w, &q->f, &q->groups};
    for (int k = 0; k < 6; k++) *to[k] = *from++;
    long *pairs[] = {q->kernel, q->stride, q->dilation, q->before, q->insert, q->out};
    for (int k = 0; k < 6; k++)
        for (int axis = 0; axis < 2; axis++) pairs[k][axis] = *from++;
}

/* What a convolution needs beyond the numbers: the laid-out size and where each tap lies in it. */
static int prepare(Geometry *q) {
    q->each = q->c / q->groups;
    q->taps = q->each * q->kernel[0] * q->kernel[1];
    q->rows = (q->out[0] - 1) * q->stride[0] + (q->kernel[0] - 1) * q->dilation[0] + 1;
    q->phases = q->stride[1];
    q->columns = q->out[1] + (q->kernel[1] - 1) * q->dilation[1] / q->phases;
    const long row = q->phases * q->columns * q->n, plane = q->rows * row;
    q->row_step = q->stride[0] * row;
    q->group_step = q->each * plane;
    long *at = q->offsets = malloc(max(1, q->taps) * sizeof(long));
    if (!at) return -1;
    for (long c = 0; c < q->each; c++)
        for (long i = 0; i < q->kernel[0]; i++)
            for (long j = 0; j < q->kernel[1]; j++) {
                const long step = j * q->dilation[1];
                *at++ = c * plane + i * q->dilation[0] * row +
                        (step % q->phases * q->columns + step / q->phases) * q->n;
            }
    return 0;
}

static int plain(const Geometry *q) { /* the images serve as they are */
    return !q->before[0] && !q->before[1] && q->insert[0] == 1 && q->insert[1] == 1 && q->phases == 1 &&
           q->rows <= q->h && q->columns == q->w;
}

/* The same call for the type of the arrays, without the interpreter lock. */
#define EITHER(FUNCTION, ...)                              \
    do {                                                   \
        PyThreadState *state = PyEval_SaveThread();        \
        if (call.wide) FUNCTION##_double(__VA_ARGS__);     \
        else FUNCTION##_float(__VA_ARGS__);                \
        PyEval_RestoreThread(state);                       \
    } while (0)
#define D(k) call.data[k]
#define FAIL(RESULT) do { PyObject *result = (RESULT); release(&call); return result; } while (0)
#define DONE do { release(&call); Py_INCREF(Py_None); return Py_None; } while (0)

/* ------------------------------------------------------------------------------- convolution */

/* Counts that a convolution's arrays must have. */
static int conv_sizes(const Call *call, int filters, int output, long size) {
    const Geometry *q = &call->q;
    return holds(call, 0, q->c * q->h * q->w * q->n, size, 0) && holds(call, filters, q->f * q->taps, size, 0) &&
           holds(call, output, q->f * q->out[0] * q->out[1] * q->n, size, 0);
}

/* The images laid out, or as they are where that serves; to be freed if it is not the images' own memory. */
static void *laid_out(Call *call_) {
    Call call = *call_;
    Geometry *q = &call_->q;
    if (plain(q)) { /* rows below the last window are not looked at, but lie between the channels */
        const long spare = (q->h - q->rows) * q->columns * q->n;
        for (long t = 0; t < q->taps; t++) q->offsets[t] += t / (q->kernel[0] * q->kernel[1]) * spare;
        q->group_step += q->each * spare;
        return D(0);
    }
    void *laid = malloc(max(1, q->c * q->rows * q->phases * q->columns * q->n) * (call.wide ? 8 : 4));
    if (laid) EITHER(lay_out, D(0), laid, q);
    return laid;
}

/* correlate(x, w, b or None, out, *geometry): reference.conv2d. */
static PyObject *correlate(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Call call;
    (void)self;
    if (take(&call, args, given, 4, 18) < 0) return NULL;
    Geometry *q = &call.q;
    read_geometry(&call);
    const long size = call.wide ? 8 : 4;
    if (prepare(q) < 0) FAIL(PyErr_NoMemory());
    if (!conv_sizes(&call, 1, 3, size) || !holds(&call, 2, q->f, size, 1)) FAIL(NULL);
    const long per = q->f / q->groups, blocks = (per + FILTERS - 1) / FILTERS * q->groups;
    void *laid = laid_out(&call), *packed = malloc(max(1, blocks * q->taps * FILTERS) * size);
    const int whole = laid && packed;
    if (whole) {
        EITHER(pack, D(1), packed, q);
        EITHER(correlate, laid, packed, D(2), D(3), q);
    }
    if (laid != D(0)) free(laid);
    free(packed);
    if (!whole) FAIL(PyErr_NoMemory());
    DONE;
}

/* weights(x, g, w, *geometry): reference.conv2d_weight_grad, into w. */
static PyObject *weights(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Call call;
    (void)self;
    if (take(&call, args, given, 3, 18) < 0) return NULL;
    Geometry *q = &call.q;
    read_geometry(&call);
    if (prepare(q) < 0) FAIL(PyErr_NoMemory());
    if (!conv_sizes(&call, 2, 1, call.wide ? 8 : 4)) FAIL(NULL);
    const long per = q->f / q->groups, blocks = (per + FILTERS - 1) / FILTERS * q->groups;
    void *laid = laid_out(&call), *totals = NULL;
    const long bytes = blocks * ((q->taps + TAPS - 1) / TAPS) * FILTERS * TAPS * REGISTER;
    if (laid) totals = aligned_alloc(REGISTER, max(REGISTER, bytes));
    if (totals) EITHER(weights, laid, D(1), D(2), totals, q);
    if (laid != D(0)) free(laid);
    const int whole = totals != NULL;
    free(totals);
    if (!whole) FAIL(PyErr_NoMemory());
    DONE;
}

/* ----------------------------------------------------------------------------------- pooling */

/* One array of images (C, H, W, N), one or two of positions (C, OH, OW, N), winners among them bytes. */
static PyObject *pooled(PyObject *const *args, Py_ssize_t given, int arrays, int image, int winners, int which) {
    Call call;
    if (take(&call, args, given, arrays, 18) < 0) return NULL;
    Geometry *q = &call.q;
    read_geometry(&call);
    const long size = call.wide ? 8 : 4, cells = q->c * q->h * q->w * q->n;
    const long places = q->c * q->out[0] * q->out[1] * q->n;
    for (int k = 0; k < arrays; k++)
        if (!holds(&call, k, k == image ? cells : places, k == winners ? 1 : size, 0)) FAIL(NULL);
    switch (which) {
    case 0: EITHER(window_max, D(0), D(1), q); break;
    case 1: EITHER(window_winners, D(0), D(1), D(2), q); break;
    case 2: EITHER(window_gather, D(0), D(1), D(2), q); break;
    case 3: EITHER(window_scatter, D(0), D(1), D(2), q); break;
    case 4: EITHER(window_sum, D(0), D(1), q); break;
    default: EITHER(window_spread, D(0), D(1), q);
    }
    DONE;
}

#define POOLING(NAME_, ARRAYS, IMAGE, WINNERS, WHICH)                                       \
    static PyObject *NAME_(PyObject *self, PyObject *const *args, Py_ssize_t given) {       \
        (void)self;                                                                         \
        return pooled(args, given, ARRAYS, IMAGE, WINNERS, WHICH);                          \
    }
POOLING(window_max, 2, 0, -1, 0)
POOLING(window_winners, 3, 0, 2, 1)
POOLING(window_gather, 3, 0, 1, 2)
POOLING(window_scatter, 3, 2, 1, 3)
POOLING(window_sum, 2, 0, -1, 4)
POOLING(window_spread, 2, 1, -1, 5)

/* --------------------------------------------------------------- normalisation, elementwise */

/* batch_norm(x, weight or None, bias or None, out, mean, var, eps as bytes of a double, C, M). */
static PyObject *batch_norm(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Call call;
    (void)self;
    if (take(&call, args, given, 7, 2) < 0) return NULL;
    const long c = call.numbers[0], m = call.numbers[1], size = call.wide ? 8 : 4;
    if (!holds(&call, 0, c * m, size, 0) || !holds(&call, 1, c, size, 1) || !holds(&call, 2, c, size, 1) ||
        !holds(&call, 3, c * m, size, 0) || !holds(&call, 4, c, size, 0) || !holds(&call, 5, c, size, 0) ||
        !holds(&call, 6, 1, 8, 0)) FAIL(NULL);
    EITHER(batch_norm, D(0), D(1), D(2), D(3), D(4), D(5), *(double *)D(6), c, m);
    DONE;
}

/* batch_norm_grad(g, x, weight or None, mean, var, dx, dw, db, eps as bytes of a double, C, M). */
static PyObject *batch_norm_grad(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Call call;
    (void)self;
    if (take(&call, args, given, 9, 2) < 0) return NULL;
    const long c = call.numbers[0], m = call.numbers[1], size = call.wide ? 8 : 4;
    for (int k = 0; k < 8; k++)
        if (!holds(&call, k, k < 2 || k == 5 ? c * m : c, size, k == 2)) FAIL(NULL);
    if (!holds(&call, 8, 1, 8, 0)) FAIL(NULL);
    EITHER(batch_norm_grad, D(0), D(1), D(2), D(3), D(4), D(5), D(6), D(7), *(double *)D(8), c, m);
    DONE;
}

/* relu(x, out, M) and relu_grad(g, x, out, M). */
static PyObject *relu(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Call call;
    (void)self;
    if (take(&call, args, given, 2, 1) < 0) return NULL;
    for (int k = 0; k < 2; k++)
        if (!holds(&call, k, call.numbers[0], call.wide ? 8 : 4, 0)) FAIL(NULL);
    EITHER(relu, D(0), D(1), call.numbers[0]);
    DONE;
}

static PyObject *relu_grad(PyObject *self, PyObject *const *args, Py_ssize_t given) {
    Call call;
    (void)self;
    if (take(&call, args, given, 3, 1) < 0) return NULL;
    for (int k = 0; k < 3; k++)
        if (!holds(&call, k, call.numbers[0], call.wide ? 8 : 4, 0)) FAIL(NULL);
    EITHER(relu_grad, D(0), D(1), D(2), call.numbers[0]);
    DONE;
}

static PyObject *set_threads(PyObject *self, PyObject *number) {
    const long wanted = PyLong_AsLong(number);
    (void)self;
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    threads = (int)max(1, min(wanted, 1024));
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
#define FAST(NAME_) {#NAME_, (PyCFunction)(void (*)(void))NAME_, METH_FASTCALL, NULL}
    FAST(correlate),     FAST(weights),    FAST(window_max),    FAST(window_winners),  FAST(window_gather),
    FAST(window_scatter), FAST(window_sum), FAST(window_spread), FAST(batch_norm),      FAST(batch_norm_grad),
    FAST(relu),          FAST(relu_grad),  {"set_threads", set_threads, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_compiled", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__compiled(void) {
    PyObject *found = PyModule_Create(&module);
#ifdef _OPENMP
    const long parallel = 1;
#else
    const long parallel = 0;
#endif
    if (found && PyModule_AddIntConstant(found, "parallel", parallel) < 0) { Py_DECREF(found); return NULL; }
    if (found && PyModule_AddIntConstant(found, "vector_bytes", REGISTER) < 0) { Py_DECREF(found); return NULL; }
    return found;
}
