/* The loops for one floating type and one instruction set, included by level.h with
 *   T      the type                                  NAME(f)  f with a suffix for type and instruction set
 *   WORD   an integer of its size                    SUFFIX   of the compiler's functions for the type
 *   LANES  values of T in a vector register          REGISTER, FILTERS, TAPS: see there
 * Images are contiguous and batch-innermost, (C, D, H, W, N); filters are (F, C / groups, KD, KH, KW).  Every loop is a Part: it
 * computes the items [begin, end), which are independent of each other.
 */

#define PART(K) (LANES / (K) ? LANES / (K) : 1)
#define VECTOR(LENGTH) __attribute__((vector_size((LENGTH) * sizeof(T)), aligned(sizeof(T)), may_alias))
typedef T NAME(vec) VECTOR(LANES);
typedef T NAME(half) VECTOR(PART(2));
typedef T NAME(quarter) VECTOR(PART(4));
typedef WORD NAME(mask) VECTOR(LANES); /* what a comparison of vectors gives: all bits or none */

/* relu of a value; NaN stays. */
static inline T NAME(positive)(T x) { return ((x > 0) | (x != x)) ? x : 0; }

/* The larger of two values, as max pooling sees them one after the other: NaN wins. */
static inline T NAME(larger)(T most, T x) { return ((x > most) | (x != x)) ? x : most; }

/* a where a comparison of vectors holds, b elsewhere. */
#define CHOOSE(m, a, b) ((NAME(vec))(((NAME(mask))(a) & (m)) | ((NAME(mask))(b) & ~(m))))

/* relu of a vector; NaN stays. */
#define POSITIVE(x) ({ const NAME(vec) x_ = (x); CHOOSE(x_ <= (NAME(vec)){0}, (NAME(vec)){0}, x_); })

/* The last values of a run as a vector, zeros behind them. */
static inline NAME(vec) NAME(tail)(const T *at, long left) {
#if REGISTER == 64
    return (NAME(vec))JOIN(_mm512_maskz_loadu, SUFFIX, )((1u << left) - 1, at);
#elif REGISTER == 32
    return (NAME(vec))JOIN(_mm256_maskload, SUFFIX, )(at, FIRST(left, sizeof(T)));
#else
    NAME(vec) value = {0};
    memcpy(&value, at, left * sizeof(T));
    return value;
#endif
}

/* `count` values as a vector, up to all that it holds. */
static inline NAME(vec) NAME(some)(const T *at, long count) {
    return count == LANES ? *(const NAME(vec) *)at : NAME(tail)(at, count);
}

static inline void NAME(put)(T *at, NAME(vec) value, long count) {
    if (count == LANES) *(NAME(vec) *)at = value;
#if REGISTER == 64
    else JOIN(_mm512_mask_storeu, SUFFIX, )(at, (1u << count) - 1, value);
#else
    else memcpy(at, &value, count * sizeof(T));
#endif
}

#include "layout.h"
/* All bits in the lanes that `count` values are in; ... */
static inline NAME(mask) NAME(used)(long count) {
    NAME(mask) number;
    for (int l = 0; l < LANES; l++) number[l] = l;
    return count == LANES ? ~(NAME(mask)){0} : (NAME(mask))(number < (WORD)count);
}

/* ... these values, and another one in all other lanes. */
static inline NAME(vec) NAME(only)(NAME(vec) value, T other, long count) {
    return count == LANES ? value : CHOOSE(NAME(used)(count), value, (NAME(vec)){0} + other);
}

/* The vectors of the values [from, to): `at` is the place of one, `count` how many values are in it.  Those of different `slot` do not
 * wait for each other. */
#define CHAINS 4
#define ALONG(from, to, ...) {                                                                                \
        long at = (from);                                                                                     \
        const long end_ = (to), lane = 0;                                                                     \
        (void)lane;                                                                                           \
        for (; at + CHAINS * LANES <= end_;)                                                                  \
            UNROLL_4 for (int slot = 0; slot < CHAINS; slot++, at += LANES) {                                 \
                enum { count = LANES };                                                                       \
                __VA_ARGS__                                                                                   \
            }                                                                                                 \
        for (; at < end_; at += LANES) {                                                                      \
            enum { slot = 0 };                                                                                \
            const long count = min(LANES, end_ - at);                                                         \
            __VA_ARGS__                                                                                       \
        }                                                                                                     \
    }
#define VALUES(from) NAME(some)((from) + at, count)

#include "curves.h"
#include "conv.h"
#include "bands.h"
#include "product.h"
#include "panels.h"
#include "winograd.h"
#include "pool.h"
#include "rows.h"
#include "lines.h"

#undef CHOOSE
#undef POSITIVE
#undef LIMITED
#undef PART
#undef VECTOR
#undef LANES
#undef NAME
#undef T
#undef WORD
#undef SUFFIX
