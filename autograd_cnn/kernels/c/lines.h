/* Rows of values that are reduced or normalised, wherever they lie: memory is (outer, length, beside), and a row is `length` values,
 * `beside` apart.  A vector holds values along a row if these are contiguous, else the values of rows side by side.
 */

#define SIDES (SIDE / LANES)
#define CHAINS 4  /* sums along a row that do not wait for each other */

/* The rows [from, to), or groups of them that lie side by side: `n` rows whose first value lies at `base`. */
#define EACH_SIDE(from, to, ...)                                                                              \
    const long length = call->lines.length, beside = call->lines.beside, side = call->lines.side;             \
    const long repeat = call->lines.repeat;                                                                   \
    const long blocks = (beside + side - 1) / side;                                                           \
    const int along = beside == 1;                                                                            \
    for (long item = (from); item < (to); item++) {                                                           \
        const long outer = along ? item : item / blocks, first = along ? 0 : item % blocks * side;            \
        const long n = min(side, beside - first);                                                             \
        const long base = outer * length * beside + first, row = outer * beside + first;                      \
        (void)row, (void)repeat;                                                                              \
        __VA_ARGS__                                                                                           \
    }

/* The one loop over the values [from, to) of these rows, in vectors: `at` is their place, `count` how many are in the vector, `lane`
 * the vector of what is known of their rows, `slot` that of sums along a row.  Where few rows lie side by side, `repeat` values of each
 * are computed together. */
#define SWEEP(from, to, ...)                                                                                  \
    {                                                                                                         \
        if (along) ALONG(from, to, __VA_ARGS__)                                                               \
        else ACROSS(from, to, __VA_ARGS__)                                                                    \
    }
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
#define ACROSS(from, to, ...)                                                                                 \
    for (long k = (from), end_ = (to); k < end_; k += repeat) {                                               \
        const long wide = n * min(repeat, end_ - k);                                                          \
        enum { slot = 0 };                                                                                    \
        long j = 0;                                                                                           \
        for (; j + LANES <= wide; j += LANES) {                                                               \
            enum { count = LANES };                                                                           \
            const long at = k * beside + j, lane = j / LANES;                                                 \
            (void)lane;                                                                                       \
            __VA_ARGS__                                                                                       \
        }                                                                                                     \
        if (j < wide) {                                                                                       \
            const long at = k * beside + j, count = wide - j, lane = j / LANES;                               \
            (void)lane;                                                                                       \
            __VA_ARGS__                                                                                       \
        }                                                                                                     \
    }
#define VALUES(from) NAME(some)((from) + at, count)
#define ONLY(value, other) NAME(only)(value, other, count)

/* Add sums across rows to their totals, and start again at 0. */
static inline void NAME(add_up)(NAME(vec) *sums, long n, long repeat, double *totals) {
    const T *each = (const T *)sums;
    for (long r = 0; r < repeat; r++)
        for (long j = 0; j < n; j++) totals[j] += each[r * n + j];
    memset(sums, 0, (n * repeat + LANES - 1) / LANES * sizeof *sums);
}

/* Totals of the rows, 0 at first. */
#define ZEROS(totals) double totals[SIDE]; for (long j = 0; j < n; j++) totals[j] = 0;

/* Totals of `value` over [from, to) for each row, and of `other`, summed in this type over pieces, and in double over the pieces. */
#define TOTAL(from, to, totals, value) TOTALS(from, to, value, (NAME(vec)){0}, totals, (double *)NULL)
#define TOTALS(from, to, value, other, totals, others)                                                        \
    for (long start = (from); start < (to); start += along ? 4096 : 256 * repeat) {                           \
        const long stop = min((to), start + (along ? 4096 : 256 * repeat));                                   \
        double *const more_ = others;                                                                           \
        if (along) {                                                                                          \
            NAME(vec) chain[CHAINS] = {{0}}, chain_too[CHAINS] = {{0}};                                       \
            ALONG(start, stop, chain[slot] += ONLY(value, 0); if (more_) chain_too[slot] += ONLY(other, 0);)    \
            totals[0] += NAME(lanes_sum)(chain[0] + chain[1] + (chain[2] + chain[3]));                        \
            if (more_) more_[0] += NAME(lanes_sum)(chain_too[0] + chain_too[1] + (chain_too[2] + chain_too[3]));  \
        } else {                                                                                              \
            ACROSS(start, stop, sums[lane] += ONLY(value, 0); if (more_) sums_too[lane] += ONLY(other, 0);)     \
            NAME(add_up)(sums, n, repeat, totals);                                                            \
            if (more_) NAME(add_up)(sums_too, n, repeat, more_);                                                  \
        }                                                                                                     \
    }

/* Numbers of the rows as vectors: one in all lanes for a contiguous row. */
#define SPREAD(to, value)                                                                                     \
    for (long j = 0; j < n; j++) {                                                                            \
        const T one_ = (T)(value);                                                                            \
        if (along) to[0] = ALL(one_);                                                                         \
        else for (long r = 0; r < repeat; r++) ((T *)to)[r * n + j] = one_;                                   \
    }
#define USED (along ? 1 : (n * repeat + LANES - 1) / LANES) /* vectors of such numbers */

/* --------------------------------------------------------------------------- softmax and its kin */

/* The largest value of each row. */
static void NAME(peaks)(const T *x, long length, long beside, long n, long repeat, NAME(vec) *found) {
    const int along = beside == 1;
    NAME(vec) most[SIDES];
    T *const largest = (T *)most;
    const long used = along ? CHAINS : (n * repeat + LANES - 1) / LANES;
    for (long k = 0; k < used; k++) most[k] = ALL(-INFINITY);
    if (along) ALONG(0, length, const NAME(vec) value = ONLY(VALUES(x), -INFINITY); most[slot] = PICK(value > most[slot], value, most[slot]);)
    else ACROSS(0, length, const NAME(vec) value = ONLY(VALUES(x), -INFINITY); most[lane] = PICK(value > most[lane], value, most[lane]);)
    if (along) {
        for (long half = CHAINS * LANES / 2; half; half /= 2)
            for (long j = 0; j < half; j++) largest[j] = largest[half + j] > largest[j] ? largest[half + j] : largest[j];
    } else for (long r = 1; r < repeat; r++)
        for (long j = 0; j < n; j++) largest[j] = largest[r * n + j] > largest[j] ? largest[r * n + j] : largest[j];
    SPREAD(found, largest[j])
}

/* The maximum is subtracted before exponentials; an infinite one gives NaN, but for logsumexp. */
static void NAME(soften)(const Call *call, long begin, long end) {
    const enum kind kind = call->kind;
    const int64_t *target = kind == CROSS_ENTROPY ? call->data[1] : NULL;
    NAME(vec) sums[SIDES] = {{0}}, sums_too[1], peak[SIDES], rest[SIDES];
    EACH_SIDE(begin, end,
        const T *x = (const T *)call->data[0] + base;
        T *values = kind == LOGSUMEXP ? NULL : (T *)call->out[kind == CROSS_ENTROPY] + base, *of_rows = call->out[0];
        ZEROS(total)
        NAME(peaks)(x, length, beside, n, repeat, peak);
        for (long k = 0; kind == LOGSUMEXP && k < USED; k++) peak[k] = PICK(NAME(size)(peak[k]) < ALL(INFINITY), peak[k], ALL(0));
        if (kind == LOG_SOFTMAX || kind == LOGSUMEXP) TOTAL(0, length, total, NAME(exp)(VALUES(x) - peak[lane]))
        else TOTAL(0, length, total, ({ const NAME(vec) e = NAME(exp)(VALUES(x) - peak[lane]); NAME(put)(values + at, e, count); e; }))
        SPREAD(rest, total[j])
        for (long k = 0; k < USED; k++)
            if (kind == SOFTMAX || kind == CROSS_ENTROPY) rest[k] = 1 / rest[k];
            else rest[k] = NAME(log)(rest[k]);
        if (kind == LOG_SOFTMAX) SWEEP(0, length, NAME(put)(values + at, VALUES(x) - peak[lane] - rest[lane], count);)
        else if (kind != LOGSUMEXP) SWEEP(0, length, NAME(put)(values + at, VALUES(values) * rest[lane], count);)
        for (long j = 0; kind == LOGSUMEXP && j < n; j++) of_rows[row + j] = (rest[j / LANES] + peak[j / LANES])[j % LANES];
        for (long j = 0; target && j < n; j++) {
            const int64_t class = __atomic_load_n(&target[row + j], __ATOMIC_RELAXED); /* it may have changed since it was checked */
            const T shift = peak[j / LANES][j % LANES];
            of_rows[row + j] = class >= 0 && class < length ? LOG((T)total[j]) - (x[class * beside + j] - shift) : (T)NAN;
        }
    )
}

/* Gradients: of softmax y, y (g - sum(g y)); of log_softmax y, g - exp(y) sum(g); of logsumexp y, g exp(x - y); of cross entropy, g
 * times the probabilities, less 1 for the target class. */
static void NAME(soften_grad)(const Call *call, long begin, long end) {
    const enum kind kind = call->kind;
    const int64_t *target = kind == CROSS_ENTROPY ? call->data[2] : NULL;
    NAME(vec) sums[SIDES] = {{0}}, sums_too[1], of_g[SIDES], of_out[SIDES];
    EACH_SIDE(begin, end,
        const T *g = call->data[0], *out = call->data[1], *x = call->data[2];
        T *dx = (T *)call->out[0] + base;
        ZEROS(total)
        if (kind == SOFTMAX || kind == LOG_SOFTMAX) {
            g += base, out += base;
            if (kind == SOFTMAX) TOTAL(0, length, total, VALUES(g) * VALUES(out))
            else TOTAL(0, length, total, VALUES(g))
            SPREAD(of_g, total[j])
            if (kind == SOFTMAX) SWEEP(0, length, NAME(put)(dx + at, VALUES(out) * (VALUES(g) - of_g[lane]), count);)
            else SWEEP(0, length, NAME(put)(dx + at, VALUES(g) - NAME(exp)(VALUES(out)) * of_g[lane], count);)
        } else {
            SPREAD(of_g, g[row + j])
            if (kind == LOGSUMEXP) {
                x += base;
                SPREAD(of_out, out[row + j])
                SWEEP(0, length, NAME(put)(dx + at, NAME(exp)(VALUES(x) - of_out[lane]) * of_g[lane], count);)
            } else {
                out += base;
                SWEEP(0, length, NAME(put)(dx + at, VALUES(out) * of_g[lane], count);)
            }
        }
        for (long j = 0; target && j < n; j++) {
            const int64_t class = __atomic_load_n(&target[row + j], __ATOMIC_RELAXED);
            if (class >= 0 && class < length) dx[class * beside + j] = g[row + j] * (out[class * beside + j] - 1);
        }
    )
}

/* ---------------------------------------------------------------------------------- normalisation */

/* Channels of `each` values stand one behind the other in a row, each with a weight; those of `cycle` rows are different. */
#define CHANNELS                                                                                              \
    const long plain = !(weights), each = plain ? length : call->lines.each, channels = length / each;         \
    const long channel = plain ? 0 : outer % call->lines.cycle * channels;                                    \
    const int by_value = along && each == 1;

/* The mean of each row and its inverse deviation. */
#define STATISTICS                                                                                            \
    ZEROS(total)                                                                                              \
    ZEROS(squares)                                                                                            \
    TOTAL(0, length, total, VALUES(x))                                                                              \
    SPREAD(mean, total[j] / length)                                                                           \
    TOTAL(0, length, squares, ({ const NAME(vec) off = VALUES(x) - mean[lane]; off * off; }))                       \
    for (long j = 0; j < n; j++) squares[j] = 1 / sqrt(squares[j] / length + call->reals[0]);                 \
    SPREAD(scale, squares[j])

static void NAME(row_norm)(const Call *call, long begin, long end) {
    const T *weight = call->data[1], *bias = call->data[2];
    NAME(vec) sums[SIDES] = {{0}}, sums_too[1], mean[SIDES], scale[SIDES];
    EACH_SIDE(begin, end,
        const T *x = (const T *)call->data[0] + base;
        T *out = (T *)call->out[0] + base;
        STATISTICS
        const int weights = weight || bias;
        CHANNELS
        if (by_value)
            SWEEP(0, length,
                NAME(vec) value = (VALUES(x) - mean[0]) * scale[0];
                if (weight) value *= NAME(some)(weight + channel + at, count);
                if (bias) value += NAME(some)(bias + channel + at, count);
                NAME(put)(out + at, value, count);)
        for (long c = 0; !by_value && c < channels; c++) {
            const T by = weight ? weight[channel + c] : 1, shift = bias ? bias[channel + c] : 0;
            SWEEP(c * each, (c + 1) * each, NAME(put)(out + at, (VALUES(x) - mean[lane]) * (scale[lane] * by) + shift, count);)
        }
    )
}

/* With the inverse deviation r and v = x - mean: dx = r (h - mean(h)) - v r^3 mean(h v) for h = g weight.  Item: a share of the rows,
 * which sums its gradients of weight and bias by itself. */
static void NAME(row_norm_grad)(const Call *call, long begin, long end) {
    const T *weight = call->data[2];
    NAME(vec) sums[SIDES] = {{0}}, sums_too[SIDES] = {{0}}, mean[SIDES], scale[SIDES], by_x[SIDES], less[SIDES];
    for (long share = begin; share < end; share++) {
        const long all = call->lines.items, shares = call->lines.shares;
        T *dw = call->scratch ? (T *)call->scratch + 2 * share * call->q.c : NULL, *db = dw ? dw + call->q.c : NULL;
        EACH_SIDE(all * share / shares, all * (share + 1) / shares,
            const T *g = (const T *)call->data[0] + base, *x = (const T *)call->data[1] + base;
            T *dx = (T *)call->out[0] + base;
            STATISTICS
            const int weights = weight || dw;
            CHANNELS
            ZEROS(sum)
            ZEROS(dot)
            if (by_value) {
                NAME(vec) chain[CHAINS] = {{0}}, chain_too[CHAINS] = {{0}};
                ALONG(0, length,
                    const NAME(vec) one = VALUES(g), v = VALUES(x) - mean[0];
                    NAME(vec) h = one;
                    if (weight) h *= NAME(some)(weight + channel + at, count);
                    if (dw) {
                        NAME(put)(dw + channel + at, NAME(some)(dw + channel + at, count) + one * (v * scale[0]), count);
                        NAME(put)(db + channel + at, NAME(some)(db + channel + at, count) + one, count);
                    }
                    chain[slot] += h;
                    chain_too[slot] += h * v;)
                sum[0] = NAME(lanes_sum)(chain[0] + chain[1] + (chain[2] + chain[3]));
                dot[0] = NAME(lanes_sum)(chain_too[0] + chain_too[1] + (chain_too[2] + chain_too[3]));
            }
            for (long c = 0; c < channels && !along && each == 1; c++) {
                const T by = weight ? weight[channel + c] : 1;
                NAME(vec) all_g = {0}, all_gx = {0};
                ACROSS(c, c + 1,
                    const NAME(vec) one = VALUES(g), v = ONLY(VALUES(x) - mean[lane], 0);
                    sums[lane] += one * by;
                    sums_too[lane] += one * by * v;
                    all_g += one;
                    all_gx += ONLY(one * v * scale[lane], 0);)
                if (dw) dw[channel + c] += NAME(lanes_sum)(all_gx), db[channel + c] += NAME(lanes_sum)(all_g);
                if (c % 256 == 255 || c == channels - 1) NAME(add_up)(sums, n, repeat, sum), NAME(add_up)(sums_too, n, repeat, dot);
            }
            for (long c = 0; c < channels && each > 1; c++) {
                const double by = weight ? weight[channel + c] : 1;
                double all_g = 0, all_gx = 0;
                ZEROS(one)
                ZEROS(too)
                TOTALS(c * each, (c + 1) * each, VALUES(g), VALUES(g) * (VALUES(x) - mean[lane]), one, too)
                for (long j = 0; j < n; j++) {
                    sum[j] += by * one[j], dot[j] += by * too[j];
                    all_g += one[j], all_gx += too[j] * squares[j];
                }
                if (dw) dw[channel + c] += (T)all_gx, db[channel + c] += (T)all_g;
            }
            SPREAD(by_x, -squares[j] * squares[j] * squares[j] * dot[j] / length)
            SPREAD(less, -squares[j] * sum[j] / length)
            if (by_value)
                SWEEP(0, length,
                    NAME(vec) h = VALUES(g);
                    if (weight) h *= NAME(some)(weight + channel + at, count);
                    NAME(put)(dx + at, h * scale[0] + (VALUES(x) - mean[0]) * by_x[0] + less[0], count);)
            for (long c = 0; !by_value && c < channels; c++) {
                const T by = weight ? weight[channel + c] : 1;
                SWEEP(c * each, (c + 1) * each,
                    NAME(put)(dx + at, VALUES(g) * (scale[lane] * by) + (VALUES(x) - mean[lane]) * by_x[lane] + less[lane], count);)
            }
        )
    }
}

/* The shares' gradients of weight and bias added up.  Item: BLOCK values. */
static void NAME(add_shares)(const Call *call, long begin, long end) {
    const long many = call->q.c;
    for (int k = 0; k < 2; k++)
        for (long l = begin * BLOCK; l < min(end * BLOCK, many); l++) {
            T sum = 0;
            for (long share = 0; share < call->lines.shares; share++) sum += ((const T *)call->scratch)[(2 * share + k) * many + l];
            ((T *)call->out[1 + k])[l] = sum;
        }
}
#include "axes.h"
#undef CHANNELS
#undef STATISTICS
#undef EACH_SIDE
#undef SWEEP
#undef ALONG
#undef ACROSS
#undef ONLY
#undef USED
#undef VALUES
#undef TOTAL
#undef TOTALS
#undef SPREAD
#undef ZEROS
#undef LIMITED
