/* The loops for one instruction set, included by module.c with
 *   LEVEL     its name               REGISTER  bytes in a vector register
 *   FILTERS   filters that a micro-kernel sums at a time ...
 *   TAPS      ... and taps, in the weight gradient: FILTERS * TAPS sums and TAPS values in registers
 */

#define NAME(f) JOIN(f, LEVEL, _float)
#define T float
#define WORD int32_t
#define SUFFIX _ps
#define LANES (REGISTER / 4)
#include "loops.h"

#define NAME(f) JOIN(f, LEVEL, _double)
#define T double
#define WORD int64_t
#define SUFFIX _pd
#define LANES (REGISTER / 8)
#include "loops.h"

#undef LEVEL
#undef REGISTER
#undef FILTERS
#undef TAPS
