/* The loops for one floating type and one instruction set, included by compiled_levels.h with
 *   T      the type                                  NAME(f)  f with a suffix for type and instruction set
 *   WORD   an integer of its size                    EXP, LOG, SQRT  for the type
 *   LANES  values of T in a vector register          FILTERS, TAPS: see there
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
static inline T NAME(positive)(T x) { return (x > 0) | (x != x) ? x : 0; }

/* The larger of two values, as max pooling sees them one after the other: NaN wins. */
static inline T NAME(larger)(T most, T x) { return (x > most) | (x != x) ? x : most; }

#include "compiled_conv.h"
#include "compiled_winograd.h"
#include "compiled_pool.h"
#include "compiled_rows.h"

#undef PART
#undef VECTOR
#undef MASKED_LOAD
#undef LANES
#undef NAME
#undef T
#undef WORD
#undef EXP
#undef LOG
#undef SQRT
