/* The compiled twins of the NumPy kernels: the loops in which NumPy cannot reach the machine.
 *
 * The Python folder `reference` says what each function computes.  arguments.h reads what Python gives, results.h makes what it gets
 * back, calls_*.h hold the functions, threads.h shares their loops among threads.  level.h and loops.h
 * include the loops, which are compiled for float and double and for every instruction set; the best that the machine has is chosen
 * when the module is loaded.  It uses only the limited API, the buffer protocol and NumPy's Python functions, so one build serves
 * every Python from 3.11 on.
 */

#if __SIZEOF_LONG__ < 8
#error "sizes and offsets are 64-bit longs here; where a long has 32 bits, the NumPy kernels serve"
#endif

#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

#include "threads.h"

#define AXES 3          /* spatial axes; images with fewer have leading ones of size 1 */
#define CACHE 65536     /* bytes of gradients that the weight gradient goes through at a time */
#define MOST_SETS 16    /* sets of taps that it sums in one go */
#define DEEP 256        /* terms that a matrix product adds up at a time: packed panels of so many rows stay in the first cache */
#define BROAD 256       /* columns that it computes at a time, at most */
#define GROUP 48        /* rows of its first matrix that are packed together: whole lines of the cache, in whole panels */
#define SHALLOW 16      /* terms below which GROUP is one panel: results are written row by row (1,024 x 8 x 1,024: 1,100 to 480 us) */
#define BLOCK 2048      /* values that one item of an elementwise loop computes */
#define BAND 131072     /* bytes of laid-out rows that an item of a convolution by bands keeps, a part of an L2 cache, ... */
#define BAND_PIECE 16384 /* ... and those that the weight gradient goes through at a time, half an L1 cache */
#define NARROW 8        /* channels of a group up to which its weight gradient goes by bands (65: 5.7 ms, 3.7 ms without) */
#define FLAT 64         /* values of a row below which rows are computed as one, with what lies between them */
#define COLUMN 9        /* taps whose sums the weight gradient of one filter keeps in registers */
#define CLASSES (1L << 22) /* classes of positions times cells of a window, at most */
#define FRAME 32768     /* values that a pooling goes through at a time, in the second-level cache */
#define SKEW 16         /* values between laid-out rows, which would share few sets of the cache if a power of 2 apart:
                         * input gradient of S4's second convolution at batch 128, one core, 83-90 to 93-102 GFLOP/s */
#define SQUARE 16       /* contiguous lines that a loop along an axis turns around to lie side by side */
#define PIECE 1024      /* columns, and ... */
#define TALL 128        /* ... rows of an array that one item copies to another order (16 rows: 1.4 to 1.8 times as long) */
#define TILED 8         /* channels and filters from which a convolution goes by tiles, ... */
#define TILED_PAIRS 128 /* ... and pairs of them */
#define TILED_PLACES 160 /* ... and tiles of all images, where these do not fill vectors: fewer do not pay for the transformed filters */
#define TILE_RUN 28     /* vectors of tiles whose products the weight gradient adds up at a time */
#define TILE_BYTES 1048576 /* of transformed tiles that it goes through at a time: an L2 cache (0.25 to 1.5 MB tried) */
#define TILE_SUMS (32 << 20) /* bytes of sums that it keeps at most */
#define UNEVEN 30       /* how many times one place of a filter weighs as much as another, from which tiles would lose the other; ... */
#define UNEVEN_GRADIENT 10000 /* ... of 3 x 3 gradients: among so few values, one is small by chance more often */
#define TILE_SHARES 16  /* shares of the tiles, at most, that it adds up one by one: as many threads can help */
#define LONG_PIECE 32   /* values of an image from which batch norm takes images in the order of their axes as they are */
#define SIDE 128        /* rows side by side that are reduced at a time */
#define REPEATED 64     /* values, at most, that few rows side by side are computed in at a time */
#define ROW_SHARES 16   /* shares of the rows, at most, whose gradients of weights are summed one by one */
#define MANY_FILTERS 16 /* filters ... */
#define MANY_TAPS 144   /* ... and taps from which convolutions go by panels, and weight gradients by vectors of filters */
#define SHORT_ROW 64    /* values of a row below which the latter do so whatever the taps */
#define MANY_PAIRS 4096 /* pairs of channels and filters from which they do so instead of by tiles where there are 16 registers */
#define PANEL_TAPS(BYTES) (6144 / (BYTES)) /* taps of a panel: with three vectors of so many bytes they stay in an L1 cache; ... */
#define POSITIONS 96    /* ... and positions, at most */
#define DIRECT 32       /* filters up to which they read images as they lie where they can: the copy costs more than it brings */
#define COLUMNS 256     /* positions whose gradients the weight gradient turns around at a time */
#define HALVED 256      /* values of two rows that are computed at a time for the maximum of both */
#define SHORT_SUM 256   /* terms below which, or columns from which, packing a matrix costs less than ... */
#define FEW 8           /* ... adding up the lanes of vectors (1,024 x 1,024 x 3: 300 to 150 us) */
#define MOST_CELLS (1L << 30) /* a window with larger settings is NumPy's: products of two of them fit, with room for sums of such */
#define MOST_BYTES (1L << 40) /* so is a call that would take more memory than this */
#define ROOMY 64        /* cells of an axis that may be laid out whatever the windows see of them */

enum kind { SOFTMAX, LOG_SOFTMAX, LOGSUMEXP, CROSS_ENTROPY, NORM, AFFINE, LARGEST, SUM, WINNERS };

static inline long min(long a, long b) { return a < b ? a : b; }
static inline long max(long a, long b) { return a > b ? a : b; }

/* The product of sizes, none negative, or the largest number if it does not fit: what needs as much is refused. */
static inline long times(long a, long b) {
    long found;
    return __builtin_mul_overflow(a, b, &found) ? LONG_MAX : found;
}

static inline long product_of(const long *sizes) { return times(times(sizes[0], sizes[1]), sizes[2]); }

/* Memory that begins where a line of the cache does: vectors across two lines take twice as long to load. */
static void *room(long bytes) {
    void *found;
    return bytes > MOST_BYTES || posix_memalign(&found, 64, max(1, bytes)) ? NULL : found;
}

#include "arguments.h"
#include "terms.h"
#include "frames.h"

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

#define PRAGMA(text) _Pragma(#text)
#ifdef __clang__
#define UNROLL(TIMES) PRAGMA(clang loop unroll_count(TIMES))
#else
#define UNROLL(TIMES) PRAGMA(GCC unroll TIMES)
#endif

#define LEVEL _base
#define REGISTER 16
#define FILTERS 4
#define TAPS 2
#include "level.h"

#if defined(__x86_64__) && defined(__GNUC__) /* clang says that it is GCC, too */
#define LEVELS 3
#include <immintrin.h>
#ifdef __clang__
#define BEGIN_TARGET(FEATURES) PRAGMA(clang attribute push(__attribute__((target(FEATURES))), apply_to = function))
#define END_TARGET PRAGMA(clang attribute pop)
#define WIDE_VECTORS
#else
#define BEGIN_TARGET(FEATURES) PRAGMA(GCC push_options) PRAGMA(GCC target(FEATURES))
#define END_TARGET PRAGMA(GCC pop_options)
#define WIDE_VECTORS ",prefer-vector-width=512"
#endif

BEGIN_TARGET("avx2,fma")
#define LEVEL _avx2
#define REGISTER 32
#define FILTERS 4
#define TAPS 2
#include "level.h"
END_TARGET

BEGIN_TARGET("avx512f,avx512dq,avx512vl,avx512bw,avx2,fma" WIDE_VECTORS)
#define LEVEL _avx512
#define REGISTER 64
#define FILTERS 8
#define TAPS 3
#include "level.h"
END_TARGET
#define LOOPS(f) {f##_base_float, f##_base_double, f##_avx2_float, f##_avx2_double, f##_avx512_float, f##_avx512_double}
#else
#define LEVELS 1
#define LOOPS(f) {f##_base_float, f##_base_double}
#endif

static const struct { const char *name; long bytes, filters, taps, rows; } levels[] = {
    {"any", 16, 4, 2, 6}, {"avx2", 32, 4, 2, 6}, {"avx512", 64, 8, 3, 8}};
static int level = 0;

static int best_level(void) {
#if LEVELS == 3
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma")) return 2;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return 1;
#endif
    return 0;
}

#include "results.h"
#include "calls_images.h"
#include "calls_conv.h"
#include "calls_product.h"
#include "calls_rows.h"
#include "calls_axes.h"
#include "calls_curves.h"

/* ------------------------------------------------------------------------------------- settings */

static PyObject *set_threads(PyObject *self, PyObject *number) {
    const long wanted = PyLong_AsLong(number);
    (void)self;
    if (wanted == -1 && PyErr_Occurred()) return NULL;
    crew.wanted = (int)max(1, min(wanted, MOST_THREADS));
    Py_RETURN_NONE;
}

/* get_threads(): how many threads compute */
static PyObject *get_threads(PyObject *self, PyObject *nothing) {
    (void)self, (void)nothing;
    return PyLong_FromLong(crew.wanted);
}

/* set_level(name or None): use the loops for an instruction set, or the best; returns the name of those in use. */
static PyObject *set_level(PyObject *self, PyObject *name) {
    (void)self;
    const int found = name == Py_None ? best_level() : find_name(name, levels, sizeof *levels, best_level() + 1);
    if (found < 0) return PyErr_Format(PyExc_ValueError, "this machine has no instruction set %R", name);
    level = found;
    return PyUnicode_FromString(levels[level].name);
}

#define FAST(NAME_) {#NAME_, (PyCFunction)(void (*)(void))NAME_, METH_FASTCALL, NULL}
static PyMethodDef functions[] = { /* the kernels, and settings, which begin with set_ or get_ */
    FAST(adam), FAST(add_rows), FAST(axis_sum), FAST(banded), FAST(batch_norm), FAST(batch_norm_grad), FAST(channel_affine),
    FAST(conv), FAST(conv_input_grad), FAST(conv_weight_grad), FAST(cross_entropy), FAST(cross_entropy_grad), FAST(cumsum),
    FAST(curve), FAST(curve_grad), FAST(first_outside), FAST(laid_out), FAST(linear), FAST(matmul), FAST(relu), FAST(relu_grad),
    FAST(row_norm), FAST(row_norm_grad), FAST(running_affine), FAST(sgd), FAST(soften), FAST(soften_grad), FAST(window_max),
    FAST(window_max_grad), FAST(window_spread), FAST(window_sum), {"set_threads", set_threads, METH_O, NULL},
    {"get_threads", get_threads, METH_NOARGS, NULL}, {"set_level", set_level, METH_O, NULL}, {NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_compiled", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__compiled(void) {
    level = best_level();
    return find_numpy() < 0 ? NULL : PyModule_Create(&definition);
}
