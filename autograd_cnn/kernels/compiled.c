/* The compiled twin of reference.py: the loops in which NumPy cannot reach the machine.
 *
 * reference.py says what each function computes.  compiled_arguments.h reads and checks what Python gives, compiled_calls.h and
 * compiled_calls_conv.h hold the functions, compiled_threads.h shares their loops among threads.  The loops stand in
 * compiled_conv.h, compiled_winograd.h, compiled_pool.h and compiled_rows.h, and are compiled for float and double and for every
 * instruction set; the best that the machine has is chosen when the module is loaded.  Limited API and buffer protocol only,
 * so one build serves every Python from 3.11 on.
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
#define TOGETHER 256    /* values of windows that fill no vector, which a pooling computes together */
#define SKEW 16         /* values between laid-out rows, which would share few sets of the cache if a power of 2 apart:
                         * input gradient of S4's second convolution at batch 128, one core, 83-90 to 93-102 GFLOP/s */
#define SQUARE 16       /* side of the squares in which a matrix is turned around */
#define TILED 8         /* channels and filters from which a convolution goes by tiles, ... */
#define TILED_PAIRS 128 /* ... and pairs of them */
#define TILE_RUN 28     /* vectors of tiles whose products the weight gradient adds up at a time */
#define TILE_BYTES 1048576 /* of transformed tiles that it goes through at a time: an L2 cache (0.25 to 1.5 MB tried) */
#define TILE_SUMS (32 << 20) /* bytes of sums that it keeps at most */
#define TILE_SHARES 16  /* shares of the tiles, at most, that it adds up one by one: as many threads can help */
#define HALVED 256      /* values of two rows that are computed at a time for the maximum of both */
#define SHORT_SUM 256   /* terms below which, or columns from which, turning a matrix around costs less than ... */
#define FEW 8           /* ... adding up the lanes of vectors */

static inline long min(long a, long b) { return a < b ? a : b; }
static inline long max(long a, long b) { return a > b ? a : b; }

/* Memory that begins where a line of the cache does: vectors across two lines take twice as long to load. */
static void *room(long bytes) {
    void *found;
    return posix_memalign(&found, 64, max(1, bytes)) ? NULL : found;
}

#include "compiled_arguments.h"

static inline void *scratch_of(const Call *call) { return (char *)call->scratch + own_number * call->each; }

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

static const struct { const char *name; long bytes, filters, taps; } levels[] = {
    {"any", 16, 4, 2}, {"avx2", 32, 4, 2}, {"avx512", 64, 8, 3}};
static int level = 0;

static int best_level(void) {
#if LEVELS == 3
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma")) return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

#include "compiled_calls.h"

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
    FAST(correlate),  FAST(weights),         FAST(product),
    FAST(window_max), FAST(window_max_grad), FAST(window_sum), FAST(window_spread),
    FAST(running_affine), FAST(channel_affine), FAST(channel_sum), FAST(batch_norm), FAST(batch_norm_grad), FAST(relu),       FAST(relu_grad),
    FAST(sgd),        FAST(adam),            FAST(cross_entropy),   FAST(cross_entropy_grad), FAST(first_outside),
    {"set_threads", set_threads, METH_O, NULL}, {"set_level", set_level, METH_O, NULL},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_compiled", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__compiled(void) {
    level = best_level();
    return PyModule_Create(&module);
}
