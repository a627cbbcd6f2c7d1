/* The compiled twin of reference.py: the loops in which NumPy cannot reach the machine.
 *
 * reference.py says what each function computes; compiled.py checks shapes, dtypes and contiguity before it calls
 * anything here, and this file checks that every buffer has the size that the numbers say.  The loops stand in
 * compiled_conv.h, compiled_pool.h and compiled_rows.h, and are compiled for float and double and for every instruction
 * set; the best that the machine has is chosen when the module is loaded.  Limited API and buffer protocol only, so one build
 * serves every Python from 3.11 on.
 */

#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiled_threads.h"

#define AXES 3          /* spatial axes; images with fewer have leading ones of size 1 */
#define CACHE 65536     /* bytes of gradients that the weight gradient goes through at a time */
#define MOST_SETS 16    /* sets of taps that it sums in one go */
#define PANEL 128       /* columns of a matrix product that one item computes */
#define BLOCK 2048      /* values that one item of an elementwise loop computes */
#define MOST_ARRAYS 10
#define MOST_NUMBERS 5
#define SQUARE 16       /* side of the squares in which a matrix is turned around */

static inline long min(long a, long b) { return a < b ? a : b; }
static inline long max(long a, long b) { return a > b ? a : b; }

typedef struct {
    long n, c, f, groups; /* images (C, D, H, W, N), F filters in groups */
    long size[AXES], kernel[AXES], stride[AXES], dilation[AXES], before[AXES], insert[AXES], out[AXES];
    long each, taps;                        /* channels and taps (channel, cell) of one filter */
    long slabs, rows, phases, columns;      /* laid-out images: (C, slabs, rows, phases, columns, N) */
    long slab_step, row_step, group_step;   /* values from one slab or row of the output, or group, to the next */
    long *offsets;                          /* where each tap lies in them */
    long sets;                              /* sets of taps that an item of the weight gradient sums */
    int adds;                               /* gradients of windows add up, or do not reach every cell */
} Geometry;

/* A call's arrays and numbers, and what is made of them. */
struct Call {
    Py_buffer view[MOST_ARRAYS];
    void *data[MOST_ARRAYS]; /* null for None */
    void *laid;              /* images laid out for a convolution, or as they are */
    int held, wide;          /* wide: double rather than float */
    long numbers[MOST_NUMBERS];
    Geometry q;
};

/* ------------------------------------------------------------------------------- instruction sets */

#define JOIN_(a, b, c) a##b##c
#define JOIN(a, b, c) JOIN_(a, b, c)

/* Loads a value into a register and keeps it: GCC would read it again from memory for every use, and the loads are
 * the limit of the weight gradient (88 to 140 GFLOP/s on two cores). */
#if defined(__x86_64__)
#define IN_REGISTER(value) __asm__("" : "+v"(value))
#else
#define IN_REGISTER(value)
#endif

#define LEVEL _base
#define REGISTER 16
#define FILTERS 4
#define TAPS 2
#include "compiled_level.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define LEVELS 3
#include <immintrin.h>
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define LEVEL _avx2
#define REGISTER 32
#define FILTERS 4
#define TAPS 2
#include "compiled_level.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma,prefer-vector-width=512")
#define LEVEL _avx512
#define REGISTER 64
#define FILTERS 8
#define TAPS 3
#include "compiled_level.h"
#pragma GCC pop_options
#define LOOPS(f) {f##_base_float, f##_base_double, f##_avx2_float, f##_avx2_double, f##_avx512_float, f##_avx512_double}
#else
#define LEVELS 1
#define LOOPS(f) {f##_base_float, f##_base_double}
#endif

static const struct { const char *name; long filters, taps; } levels[] = {
    {"any", 4, 2}, {"avx2", 4, 2}, {"avx512", 8, 3}};
static int level = 0;

static int best_level(void) {
#if LEVELS == 3
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma")) return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

/* Run a loop for the type of the arrays over `items`, each of about `cost` nanoseconds. */
#define RUN(f, items, cost)                                                        \
    do {                                                                           \
        static const Part loops[] = LOOPS(f);                                      \
        PyThreadState *state = PyEval_SaveThread();                                \
        share(&call, loops[2 * level + call.wide], (items), (long)(cost));         \
        PyEval_RestoreThread(state);                                               \
    } while (0)

/* What a core does in a nanosecond, roughly: multiply-adds, and values read or written. */
#define SUMS (call.wide ? 16.0 : 32.0)
#define MOVES (call.wide ? 2.0 : 4.0)

/* ---------------------------------------------------------------------------------------- arguments */

static void release(Call *call) {
    if (call->laid != call->data[0] && call->laid != call->data[1]) free(call->laid);
    free(call->q.offsets);
    while (call->held) PyBuffer_Release(&call->view[--call->held]);
}

/* Take `arrays` contiguous arrays (None allowed), then numbers; -1 with an exception set on anything odd. */
static int take(Call *call, PyObject *const *args, Py_ssize_t given, int arrays, int numbers) {
    memset(&call->q, 0, sizeof call->q);
    memset(call->data, 0, sizeof call->data);
    memset(call->numbers, 0, sizeof call->numbers);
    call->laid = NULL;
    call->held = call->wide = 0;
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
    call->laid = call->data[0];
    for (int k = 0; k < numbers; k++) {
        call->numbers[k] = PyLong_AsLong(args[arrays + k]);
        if (call->numbers[k] == -1 && PyErr_Occurred()) goto fail;
    }
    return 0;
fail:
    call->laid = call->data[0];
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

/* Read array k, the numbers of a window, and n, c, f, groups. */
static int read_geometry(Call *call, int k) {
    Geometry *q = &call->q;
    if (!holds(call, k, 7 * AXES, sizeof(long long), 0)) return -1;
    const long long *from = call->data[k];
    long *to[] = {q->size, q->kernel, q->stride, q->dilation, q->before, q->insert, q->out};
    for (int field = 0; field < 7; field++)
        for (int axis = 0; axis < AXES; axis++) to[field][axis] = (long)*from++;
    q->n = call->numbers[0], q->c = call->numbers[1], q->f = call->numbers[2], q->groups = call->numbers[3];
    return 0;
}

static long product_of(const long *sizes) { return sizes[0] * sizes[1] * sizes[2]; }

#define D(k) call.data[k]
#define SIZE (call.wide ? 8 : 4)
#define FAIL(RESULT) do { PyObject *result = (RESULT); release(&call); return result; } while (0)
#define DONE do { release(&call); Py_INCREF(Py_None); return Py_None; } while (0)
#define FUNCTION(NAME_) static PyObject *NAME_(PyObject *self, PyObject *const *args, Py_ssize_t given)
#define TAKE(ARRAYS, NUMBERS) Call call; (void)self; if (take(&call, args, given, ARRAYS, NUMBERS) < 0) return NULL

/* ------------------------------------------------------------------------------- convolution */

/* What a convolution needs beyond the numbers: the laid-out size and where each tap lies in it. */
static int prepare(Geometry *q) {
    const long *k = q->kernel, *d = q->dilation;
    q->each = q->c / q->groups;
    q->taps = q->each * product_of(k);
    q->slabs = (q->out[0] - 1) * q->stride[0] + (k[0] - 1) * d[0] + 1;
    q->rows = (q->out[1] - 1) * q->stride[1] + (k[1] - 1) * d[1] + 1;
    q->phases = q->stride[2];
    q->columns = q->out[2] + (k[2] - 1) * d[2] / q->phases;
    int plain = q->phases == 1 && q->slabs <= q->size[0] && q->rows <= q->size[1] && q->columns == q->size[2];
    for (int axis = 0; axis < AXES; axis++) plain = plain && !q->before[axis] && q->insert[axis] == 1;
    if (plain) q->slabs = q->size[0], q->rows = q->size[1]; /* the images serve as they are */
    const long row = q->phases * q->columns * q->n, slab = q->rows * row, channel = q->slabs * slab;
    q->slab_step = q->stride[0] * slab;
    q->row_step = q->stride[1] * row;
    q->group_step = q->each * channel;
    long *at = q->offsets = malloc(max(1, q->taps) * sizeof(long));
    if (!at) return -1;
    for (long c = 0; c < q->each; c++)
        for (long z = 0; z < k[0]; z++)
            for (long y = 0; y < k[1]; y++)
                for (long x = 0; x < k[2]; x++) {
                    const long step = x * d[2];
                    *at++ = c * channel + z * d[0] * slab + y * d[1] * row +
                            (step % q->phases * q->columns + step / q->phases) * q->n;
                }
    return plain;
}

/* Read the geometry from array `window`, lay the images out; -1 with an exception set if something does not fit. */
static int begin_convolution(Call *call_, int window, int filters, int output) {
    if (read_geometry(call_, window) < 0) return -1;
    Geometry *q = &call_->q;
    const int plain = prepare(q);
    const long size = call_->wide ? 8 : 4;
    if (plain < 0) { PyErr_NoMemory(); return -1; }
    if (!holds(call_, 0, q->c * product_of(q->size) * q->n, size, 0) || !holds(call_, filters, q->f * q->taps, size, 0) ||
        !holds(call_, output, q->f * product_of(q->out) * q->n, size, 0)) return -1;
    if (plain) return 0;
    const long rows = q->c * q->slabs * q->rows, row = q->phases * q->columns * q->n;
    call_->laid = malloc(max(1, rows * row) * size);
    if (!call_->laid) { PyErr_NoMemory(); return -1; }
#define call (*call_)
    RUN(lay_out, rows, row / MOVES);
#undef call
    return 0;
}

/* correlate(x, w, b or None, out, window, N, C, F, groups): reference.conv. */
FUNCTION(correlate) {
    TAKE(5, 4);
    Geometry *q = &call.q;
    if (begin_convolution(&call, 4, 1, 3) < 0 || !holds(&call, 2, q->f, SIZE, 1)) FAIL(NULL);
    const long filters = levels[level].filters, per = q->f / q->groups;
    const long items = (per + filters - 1) / filters * q->groups * q->out[0] * q->out[1];
    RUN(correlate, items, min(per, filters) * q->taps * q->out[2] * q->n / SUMS);
    DONE;
}

/* weights(x, g, w, window, N, C, F, groups): reference.conv_weight_grad, into w. */
FUNCTION(weights) {
    TAKE(4, 4);
    Geometry *q = &call.q;
    if (begin_convolution(&call, 3, 2, 1) < 0) FAIL(NULL);
    const long filters = levels[level].filters, per = q->f / q->groups, sets = (q->taps - 1) / levels[level].taps + 1;
    const long blocks = (per + filters - 1) / filters * q->groups;
    q->sets = max(1, min(MOST_SETS, blocks * sets / (4 * crew.wanted)));
    const long items = blocks * ((sets + q->sets - 1) / q->sets);
    RUN(weights, items, q->sets * min(per, filters) * levels[level].taps * product_of(q->out) * q->n / SUMS);
    DONE;
}

/* ---------------------------------------------------------------------------- matrix products */

static int step_offsets(Geometry *q, long count, long step) {
    q->offsets = malloc(max(1, count) * sizeof(long));
    if (!q->offsets) { PyErr_NoMemory(); return -1; }
    for (long t = 0; t < count; t++) q->offsets[t] = t * step;
    return 0;
}

static int product_sizes(Call *call, long *numbers) {
    const long m = numbers[0], n = numbers[1], k = numbers[2], size = call->wide ? 8 : 4;
    return holds(call, 0, m * k, size, 0) && holds(call, 1, k * n, size, 0) && holds(call, 2, m, size, 1) &&
           holds(call, 3, m * n, size, 0);
}

/* product(a, b, bias or None, out, M, N, K, a turned, b turned): out (M, N) = a (M, K) @ b (K, N) + bias, where a turned
 * matrix lies as (K, M) or (N, K). */
FUNCTION(product) {
    TAKE(4, 5);
    const long m = call.numbers[0], n = call.numbers[1], k = call.numbers[2], filters = levels[level].filters;
    if (!product_sizes(&call, call.numbers) || step_offsets(&call.q, k, n) < 0) FAIL(NULL);
    if (call.numbers[4]) {
        call.laid = malloc(k * n * SIZE);
        if (!call.laid) FAIL(PyErr_NoMemory());
        RUN(turn, (k + SQUARE - 1) / SQUARE, SQUARE * n / MOVES * 4);
    } else call.laid = D(1);
    const long items = (m + filters - 1) / filters * ((n + PANEL - 1) / PANEL);
    RUN(product, items, min(m, filters) * k * min(n, PANEL) / SUMS);
    DONE;
}

/* dots(a, b, bias or None, out, M, N, K): out (M, N) = a (M, K) @ b (N, K)^T + bias. */
FUNCTION(dots) {
    TAKE(4, 3);
    const long m = call.numbers[0], n = call.numbers[1], k = call.numbers[2], filters = levels[level].filters;
    if (!product_sizes(&call, call.numbers) || step_offsets(&call.q, n, k) < 0) FAIL(NULL);
    RUN(dots, (m + filters - 1) / filters, min(m, filters) * n * (k + 64) / SUMS);
    DONE;
}

/* ----------------------------------------------------------------------------------- pooling */

/* The geometry of a pooling, from array `window`; of the arrays before it, those with a bit in `images` hold images,
 * the others positions. */
static int pooling(Call *call, int window, unsigned images) {
    if (read_geometry(call, window) < 0) return -1;
    Geometry *q = &call->q;
    const long cells = q->c * product_of(q->size) * q->n, places = q->c * product_of(q->out) * q->n;
    for (int k = 0; k < window; k++)
        if (!holds(call, k, images >> k & 1 ? cells : places, call->wide ? 8 : 4, 0)) return -1;
    for (int axis = 0; axis < AXES; axis++)
        if (q->before[axis] || q->stride[axis] != q->kernel[axis] || q->dilation[axis] != 1 ||
            q->out[axis] * q->stride[axis] != q->size[axis]) q->adds = 1;
    return 0;
}

#define POOLING(NAME_, ARRAYS, IMAGES, GRADIENT)                                                      \
    FUNCTION(NAME_) {                                                                                 \
        TAKE(ARRAYS + 1, 2);                                                                          \
        Geometry *q = &call.q;                                                                        \
        if (pooling(&call, ARRAYS, IMAGES) < 0) FAIL(NULL);                                           \
        const long lines = q->out[0] * q->out[1], row = q->out[2] * q->n;                             \
        const double cost = row * product_of(q->kernel) / MOVES + q->out[2] * 8.0;                    \
        if (GRADIENT && q->adds) RUN(NAME_, q->c, lines * cost);                                      \
        else RUN(NAME_, q->c * lines, cost);                                                          \
        DONE;                                                                                         \
    }
POOLING(window_max, 2, 1, 0)        /* window_max(x, out, window, N, C) */
POOLING(window_max_grad, 4, 10, 1)  /* window_max_grad(g, x, out, dx, window, N, C) */
POOLING(window_sum, 2, 1, 0)        /* window_sum(x, out, window, N, C) */
POOLING(window_spread, 2, 2, 1)     /* window_spread(g, dx, window, N, C) */

/* --------------------------------------------------------- normalisation, elementwise, updates */

FUNCTION(channel_affine) {
    TAKE(4, 2);
    const long c = call.numbers[0], m = call.numbers[1];
    for (int k = 0; k < 4; k++)
        if (!holds(&call, k, k == 0 || k == 3 ? c * m : c, SIZE, k == 2)) FAIL(NULL);
    RUN(channel_affine, c, 2 * m / MOVES);
    DONE;
}

FUNCTION(channel_sum) {
    TAKE(2, 2);
    const long c = call.numbers[0], m = call.numbers[1];
    if (!holds(&call, 0, c * m, SIZE, 0) || !holds(&call, 1, c, SIZE, 0)) FAIL(NULL);
    RUN(channel_sum, c, m / MOVES);
    DONE;
}

FUNCTION(batch_norm) {
    TAKE(7, 2);
    const long c = call.numbers[0], m = call.numbers[1], size = SIZE;
    if (!holds(&call, 0, c * m, size, 0) || !holds(&call, 1, c, size, 1) || !holds(&call, 2, c, size, 1) ||
        !holds(&call, 3, c * m, size, 0) || !holds(&call, 4, c, size, 0) || !holds(&call, 5, c, size, 0) ||
        !holds(&call, 6, 1, 8, 0)) FAIL(NULL);
    RUN(batch_norm, c, 3 * m / MOVES);
    DONE;
}

FUNCTION(batch_norm_grad) {
    TAKE(9, 2);
    const long c = call.numbers[0], m = call.numbers[1];
    for (int k = 0; k < 8; k++)
        if (!holds(&call, k, k < 2 || k == 5 ? c * m : c, SIZE, k == 2)) FAIL(NULL);
    if (!holds(&call, 8, 1, 8, 0)) FAIL(NULL);
    RUN(batch_norm_grad, c, 5 * m / MOVES);
    DONE;
}

#define ELEMENTWISE(NAME_, ARRAYS)                                                              \
    FUNCTION(NAME_) {                                                                           \
        TAKE(ARRAYS, 1);                                                                        \
        for (int k = 0; k < ARRAYS; k++)                                                        \
            if (!holds(&call, k, call.numbers[0], SIZE, 0)) FAIL(NULL);                         \
        RUN(NAME_, (call.numbers[0] + BLOCK - 1) / BLOCK, ARRAYS * BLOCK / MOVES);              \
        DONE;                                                                                   \
    }
ELEMENTWISE(relu, 2)
ELEMENTWISE(relu_grad, 3)

/* first_outside(classes, K): the position of the first of these int64 outside of 0 ... K - 1, or -1. */
FUNCTION(first_outside) {
    TAKE(1, 1);
    const int64_t *classes = D(0);
    const long count = call.view[0].len / sizeof *classes, limit = call.numbers[0];
    long found = 0;
    while (found < count && classes[found] >= 0 && classes[found] < limit) found++;
    release(&call);
    return PyLong_FromLong(found < count ? found : -1);
}

/* The sizes of cross_entropy's arrays or its gradient's, of which two are (K, M), and whether the targets are classes. */
static int entropy_sizes(Call *call, const int *samples, const int *classes) {
    const long k = call->numbers[0], m = call->numbers[1], size = call->wide ? 8 : 4;
    for (int a = 0; a < 2; a++)
        if (!holds(call, samples[a], m, a ? 8 : size, 0) || !holds(call, classes[a], k * m, size, 0)) return 0;
    for (long l = 0; l < m; l++) {
        const int64_t target = ((const int64_t *)call->data[samples[1]])[l];
        if (target >= 0 && target < k) continue;
        PyErr_Format(PyExc_ValueError, "target %lld is none of %ld classes", (long long)target, k);
        return 0;
    }
    return 1;
}

FUNCTION(cross_entropy) {
    TAKE(4, 2);
    if (!entropy_sizes(&call, (const int[]){2, 1}, (const int[]){0, 3})) FAIL(NULL);
    RUN(cross_entropy, (call.numbers[1] + BLOCK - 1) / BLOCK, call.numbers[0] * BLOCK * 6);
    DONE;
}

FUNCTION(cross_entropy_grad) {
    TAKE(4, 2);
    if (!entropy_sizes(&call, (const int[]){0, 1}, (const int[]){2, 3})) FAIL(NULL);
    RUN(cross_entropy_grad, (call.numbers[1] + BLOCK - 1) / BLOCK, call.numbers[0] * BLOCK / MOVES);
    DONE;
}

FUNCTION(sgd) {
    TAKE(4, 3);
    for (int k = 0; k < 3; k++)
        if (!holds(&call, k, call.numbers[2], SIZE, k == 2)) FAIL(NULL);
    if (!holds(&call, 3, 4, 8, 0)) FAIL(NULL);
    RUN(sgd, (call.numbers[2] + BLOCK - 1) / BLOCK, 5 * BLOCK / MOVES);
    DONE;
}

FUNCTION(adam) {
    TAKE(6, 2);
    for (int k = 0; k < 5; k++)
        if (!holds(&call, k, call.numbers[1], SIZE, k == 4)) FAIL(NULL);
    if (!holds(&call, 5, 6, 8, 0)) FAIL(NULL);
    RUN(adam, (call.numbers[1] + BLOCK - 1) / BLOCK, 10 * BLOCK / MOVES);
    DONE;
}

/* ------------------------------------------------------------------------------------- settings */

static PyObject *set_threads(PyObject *self, PyObject *number) {
    const long wanted = PyLong_AsLong(number);
    (void)self;
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    crew.wanted = (int)max(1, min(wanted, MOST_THREADS));
    Py_RETURN_NONE;
}

/* set_level(name or None): use the loops for an instruction set, or the best; returns the name of those in use. */
static PyObject *set_level(PyObject *self, PyObject *name) {
    (void)self;
    int found = name == Py_None ? best_level() : -1;
    for (int k = 0; found < 0 && k <= best_level(); k++)
        if (PyUnicode_CompareWithASCIIString(name, levels[k].name) == 0) found = k;
    if (found < 0) return PyErr_Format(PyExc_ValueError, "this machine has no instruction set %R", name);
    level = found;
    return PyUnicode_FromString(levels[level].name);
}

static PyMethodDef methods[] = {
#define FAST(NAME_) {#NAME_, (PyCFunction)(void (*)(void))NAME_, METH_FASTCALL, NULL}
    FAST(correlate),  FAST(weights),         FAST(product),    FAST(dots),
    FAST(window_max), FAST(window_max_grad), FAST(window_sum), FAST(window_spread),
    FAST(channel_affine), FAST(channel_sum), FAST(batch_norm), FAST(batch_norm_grad), FAST(relu),       FAST(relu_grad),
    FAST(sgd),        FAST(adam),            FAST(cross_entropy),   FAST(cross_entropy_grad), FAST(first_outside),
    {"set_threads", set_threads, METH_O, NULL}, {"set_level", set_level, METH_O, NULL},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_compiled", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__compiled(void) {
    level = best_level();
    return PyModule_Create(&module);
}
