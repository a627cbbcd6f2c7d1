/* Functions of single values on vectors, and the one loop that applies them.
 *
 * exp, log, tanh and erf are within 4 units in the last place, subnormal numbers included; tests/test_curves.py measures them.  NaN,
 * infinity and signed zeros give what the C library gives.
 */

#define TERMS(f) JOIN(f, _, T)
#define WIDE (sizeof(T) == 8)
#define ALL(value) ((NAME(vec)){0} + (T)(value))
#define PICK(condition, a, b) CHOOSE((NAME(mask))(condition), a, b)
#if REGISTER == 64 /* of NaN and a number these functions give the second; NaN stays */
#define LIMITED(x, low, high) ((NAME(vec))JOIN(_mm512_min, SUFFIX, )(ALL(high), JOIN(_mm512_max, SUFFIX, )(ALL(low), x)))
#elif REGISTER == 32
#define LIMITED(x, low, high) ((NAME(vec))JOIN(_mm256_min, SUFFIX, )(ALL(high), JOIN(_mm256_max, SUFFIX, )(ALL(low), x)))
#else
#define LIMITED(x, low, high) PICK((x) > ALL(high), ALL(high), PICK((x) < ALL(low), ALL(low), x))
#endif
#define SIGN_BIT ((NAME(mask))((NAME(vec)){0} - 1) & ~(NAME(mask))ALL(1))
#define FRACTION (WIDE ? 52 : 23) /* bits of it */
#define BIAS (WIDE ? 1023 : 127)
#define LN2_HIGH ((T)(WIDE ? 6.93147180369123816490e-01 : 0.693359375)) /* few bits: whole numbers times it are exact */
#define LN2_LOW ((T)(WIDE ? 1.90821492927058770002e-10 : -2.12194440e-4))

/* A polynomial of terms.h by Horner's rule. */
#define POLYNOMIAL(f, x) NAME(horner)(TERMS(f), sizeof TERMS(f) / sizeof(T), x)
static inline NAME(vec) NAME(horner)(const T *terms, int count, NAME(vec) x) {
    NAME(vec) sum = ALL(terms[0]);
    for (int k = 1; k < count; k++) sum = sum * x + terms[k];
    return sum;
}

static inline NAME(vec) NAME(size)(NAME(vec) x) { return (NAME(vec))((NAME(mask))x & ~SIGN_BIT); }
static inline NAME(vec) NAME(signed)(NAME(vec) size, NAME(vec) x) { return (NAME(vec))((NAME(mask))size | ((NAME(mask))x & SIGN_BIT)); }

/* With x = n ln 2 + r: 2^n exp(r), where 2^n is two factors, as it may be out of range. */
static inline NAME(vec) NAME(exp)(NAME(vec) x) {
    const T whole = (T)(WIDE ? 6755399441055744.0 : 12582912.0); /* beside it, fractions have no bits */
    x = LIMITED(x, WIDE ? -746 : -104, WIDE ? 710 : 89);
    const NAME(vec) moved = x * (T)1.44269504088896340736 + whole, n = moved - whole;
    const NAME(vec) r = x - n * LN2_HIGH - n * LN2_LOW, found = (r * r * POLYNOMIAL(exp_terms, r) + r) + 1;
#if REGISTER == 64
    return (NAME(vec))JOIN(_mm512_scalef, SUFFIX, )(found, n);
#else
    const NAME(mask) power = (NAME(mask))moved - (NAME(mask))ALL(whole), half = power >> 1;
    const NAME(vec) one = (NAME(vec))((half + BIAS) << FRACTION), other = (NAME(vec))((power - half + BIAS) << FRACTION);
    return found * one * other;
#endif
}

/* log(1 + f) + n ln 2 for f between sqrt(1/2) - 1 and sqrt(2) - 1, as the C library of FreeBSD computes it. */
static inline NAME(vec) NAME(log_near)(NAME(vec) f, NAME(vec) n) {
    const NAME(vec) s = f / (f + 2), square = s * s;
    return n * LN2_HIGH + (f - (s * (f - square * POLYNOMIAL(log_terms, square)) - n * LN2_LOW));
}

static inline NAME(vec) NAME(log)(NAME(vec) x) {
    const NAME(vec) least = ALL(WIDE ? 2.2250738585072014e-308 : 1.17549435e-38f), zero = {0};
    const NAME(vec) up = PICK(x < least, x * (T)(WIDE ? 18014398509481984.0 : 33554432.0), x); /* by 2^54 or 2^25 */
    const NAME(mask) bits = (NAME(mask))NAME(size)(up); /* without the sign, so that no difference below overflows */
    const NAME(mask) root = (NAME(mask))ALL(0.70710678118654752440), power = (bits - root) >> FRACTION;
    const NAME(vec) shift = PICK(x < least, ALL(WIDE ? 54 : 25), zero);
    const NAME(vec) n = __builtin_convertvector(power, NAME(vec)) - shift;
    const NAME(vec) found = NAME(log_near)((NAME(vec))(bits - (power << FRACTION)) - 1, n);
    return PICK((x > zero) & (x < ALL(INFINITY)), found, PICK(x == zero, ALL(-INFINITY), PICK(x < zero, ALL(NAN), x)));
}

/* log(1 + e) for e between 0 and 1 */
static inline NAME(vec) NAME(log_past_1)(NAME(vec) e) {
    const NAME(mask) large = (NAME(mask))(e > ALL(0.41421356));
    return NAME(log_near)(PICK(large, e * (T)0.5 - (T)0.5, e), PICK(large, ALL(1), ALL(0)));
}

static inline NAME(vec) NAME(tanh)(NAME(vec) x) {
    const NAME(vec) a = NAME(size)(x), square = a * a;
    const NAME(vec) far = 1 - 2 / (NAME(exp)(a + a) + 1), near = a + a * (square * POLYNOMIAL(tanh_terms, square));
    return NAME(signed)(PICK(a < ALL(0.625), near, far), x);
}

/* exp(a^2) erfc(a) for a from 0 to 40 */
static inline NAME(vec) NAME(tail_of_normal)(NAME(vec) a) {
    const T k = (T)(WIDE ? 3.75 : 2.5);
    const NAME(vec) near = a + k, slope = a + a + 1, once = 1 / (near * slope);
    return POLYNOMIAL(tail_terms, (a - k) * slope * once) * near * once;
}

static inline NAME(vec) NAME(erf)(NAME(vec) x) {
    const NAME(vec) a = NAME(size)(x), limited = LIMITED(a, 0, 6);
    const NAME(vec) far = 1 - NAME(exp)(-limited * limited) * NAME(tail_of_normal)(limited);
    return NAME(signed)(PICK(a < ALL(1), a + a * POLYNOMIAL(erf_terms, a * a), far), x);
}

static inline NAME(vec) NAME(sigmoid)(NAME(vec) x) {
    const NAME(vec) small = NAME(exp)(-NAME(size)(x));
    return PICK(x >= ALL(0), ALL(1), small) / (1 + small);
}

/* The normal distribution function of x, given exp(-x^2 / 2). */
static inline NAME(vec) NAME(normal_share)(NAME(vec) x, NAME(vec) bell) {
    const NAME(vec) a = NAME(size)(x) * (T)0.70710678118654752440;
    const NAME(vec) beyond = (T)0.5 * bell * NAME(tail_of_normal)(LIMITED(a, 0, 40));
    return PICK(x < ALL(0), beyond, 1 - beyond);
}

#define BELL(x) NAME(exp)((x) * (x) * (T)-0.5)
static inline NAME(vec) NAME(gelu_slope)(NAME(vec) x) {
    const NAME(vec) bell = BELL(x);
    return NAME(normal_share)(x, bell) + x * (bell * (T)0.39894228040143267794);
}

#define TANH_GATE(x) NAME(sigmoid)((x) * (1 + (x) * (x) * (T)0.044715) * (T)1.59576912160573071176)
static inline NAME(vec) NAME(gelu_tanh_slope)(NAME(vec) x) {
    const NAME(vec) s = TANH_GATE(x), near = LIMITED(x, -20, 20); /* beyond, the square could overflow beside 0 */
    return s + x * (s * (1 - s)) * ((1 + near * near * (T)0.134145) * (T)1.59576912160573071176);
}

static inline NAME(vec) NAME(softplus)(NAME(vec) x, T beta, T threshold) {
    const NAME(vec) y = x * beta, smooth = PICK(y > ALL(0), y, ALL(0)) + NAME(log_past_1)(NAME(exp)(-NAME(size)(y)));
    return PICK(y > ALL(threshold), x, smooth / beta);
}

/* Where NumPy reports an error: at finite values whose exponential may be 0, infinite or subnormal; at logarithms of no positive value. */
#define BEYOND(x) ((NAME(mask))(NAME(size)(x) > ALL(WIDE ? 708.3 : 87.3)) & (NAME(mask))(NAME(size)(x) < ALL(INFINITY)))
#define NOT_POSITIVE(x) ((NAME(mask))(x <= ALL(0)))
#define IS_ZERO(x) ((NAME(mask))(x == ALL(0)))
#define NOWHERE(x) ((NAME(mask)){0})

/* The loop of each function of x (and of its gradient, of g and x, which may be the result).  `odd` says for which x the call is
 * NumPy's.  Item: BLOCK values.  Numbers below the smallest normal one count here as themselves. */
#define CURVE(f, odd, value)                                                                   \
    static void NAME(f)(const Call *call, long begin, long end) {                              \
        const T *const gs = call->data[0], *const xs = call->data[call->arrays - 1];           \
        const T beta = (T)call->reals[0], threshold = (T)call->reals[1];                       \
        T *const out = call->out[0];                                                           \
        const long last = min(end * BLOCK, call->count[0]);                                    \
        const unsigned before = MODES();                                                       \
        SET_MODES(before & ~FLUSH);                                                            \
        NAME(mask) found = {0};                                                                \
        (void)gs, (void)beta, (void)threshold;                                                 \
        for (long l = begin * BLOCK; l < last; l += LANES) {                                   \
            const long count = min(LANES, last - l);                                           \
            const NAME(vec) x = NAME(some)(xs + l, count), g = call->arrays > 1 ? NAME(some)(gs + l, count) : x; \
            (void)g;                                                                           \
            found |= odd(x) & NAME(used)(count);                                               \
            NAME(put)(out + l, value, count);                                                  \
        }                                                                                      \
        for (int k = 0; k < LANES; k++)                                                        \
            if (found[k]) atomic_store(call->wrong, 1);                                        \
        SET_MODES(before);                                                                     \
    }
CURVE(curve_exp, BEYOND, NAME(exp)(x))
CURVE(curve_log, NOT_POSITIVE, NAME(log)(x))
CURVE(curve_tanh, NOWHERE, NAME(tanh)(x))
CURVE(curve_erf, NOWHERE, NAME(erf)(x))
CURVE(curve_sigmoid, NOWHERE, NAME(sigmoid)(x))
CURVE(curve_gelu, NOWHERE, x * NAME(normal_share)(x, BELL(x)))
CURVE(curve_gelu_tanh, NOWHERE, x * TANH_GATE(x))
CURVE(curve_silu, NOWHERE, x * NAME(sigmoid)(x))
CURVE(curve_softplus, NOWHERE, NAME(softplus)(x, beta, threshold))
CURVE(slope_exp, NOWHERE, g * x)
CURVE(slope_log, IS_ZERO, g / x)
CURVE(slope_tanh, NOWHERE, g * (1 - x * x))
CURVE(slope_erf, NOWHERE, g * (NAME(exp)(-x * x) * (T)1.12837916709551257390))
CURVE(slope_sigmoid, NOWHERE, g * x * (1 - x))
CURVE(slope_gelu, NOWHERE, g * NAME(gelu_slope)(x))
CURVE(slope_gelu_tanh, NOWHERE, g * NAME(gelu_tanh_slope)(x))
CURVE(slope_silu, NOWHERE, ({ const NAME(vec) s = NAME(sigmoid)(x); g * (s * (1 + x * (1 - s))); }))
CURVE(slope_softplus, NOWHERE, g * PICK(x * beta > ALL(threshold), ALL(1), NAME(sigmoid)(x * beta)))
#undef CURVE
