/* The loops for one instruction set, included by module.c with
 *   LEVEL     its name               REGISTER  bytes in a vector register
 *   FILTERS   filters that a micro-kernel sums at a time ...
 *   TAPS      ... and taps, in the weight gradient: FILTERS * TAPS sums and TAPS values in registers
 */

#define NAME(f) JOIN(f, LEVEL, _float)
#define T float
#define WORD int32_t
#define EXP expf
#define LOG logf
#define SQRT sqrtf
#define LANES (REGISTER / 4)
#define FLOATS
#if REGISTER == 64
#define MASKED_LOAD(COUNT, AT) _mm512_maskz_loadu_ps((1u << (COUNT)) - 1, AT)
#define MASKED_STORE _mm512_mask_storeu_ps
#define TIMES_POWER _mm512_scalef_ps
#define LESSER _mm512_min_ps
#define GREATER _mm512_max_ps
#elif REGISTER == 32
#define MASKED_LOAD(COUNT, AT) _mm256_maskload_ps(AT, FIRST(COUNT, 4))
#define LESSER _mm256_min_ps
#define GREATER _mm256_max_ps
#endif
#include "loops.h"

#define NAME(f) JOIN(f, LEVEL, _double)
#define T double
#define WORD int64_t
#define EXP exp
#define LOG log
#define SQRT sqrt
#define LANES (REGISTER / 8)
#if REGISTER == 64
#define MASKED_LOAD(COUNT, AT) _mm512_maskz_loadu_pd((1u << (COUNT)) - 1, AT)
#define MASKED_STORE _mm512_mask_storeu_pd
#define TIMES_POWER _mm512_scalef_pd
#define LESSER _mm512_min_pd
#define GREATER _mm512_max_pd
#elif REGISTER == 32
#define MASKED_LOAD(COUNT, AT) _mm256_maskload_pd(AT, FIRST(COUNT, 8))
#define LESSER _mm256_min_pd
#define GREATER _mm256_max_pd
#endif
#include "loops.h"

#undef LEVEL
#undef REGISTER
#undef FILTERS
#undef TAPS
