/* Rows of values that are reduced or normalised, wherever they lie: memory is (outer, length, beside), and a row is `length` values,
 * `beside` apart; or, if beside is 1, pieces of `length` values, `apart` from one to the next.  A vector holds values along a row if
 * these are contiguous, else the values of rows side by side.
 */

#define SIDES (SIDE / LANES)

/* The rows [from, to), or groups of them that lie side by side: `n` rows whose first value lies at `base`.  The body is compiled for
 * contiguous rows, and for others. */
#define EACH_SIDE(from, to, ...)                                                                              \
    if (call->lines.beside == 1) EACH_OF(1, from, to, __VA_ARGS__)                                            \
    else EACH_OF(0, from, to, __VA_ARGS__)
#define EACH_OF(along_, from, to, ...) {                                                                      \
    enum { along = along_ };                                                                                  \
    const Lines lines = call->lines;                                                                          \
    const long length = lines.length, beside = along ? 1 : lines.beside, repeat = along ? 1 : lines.repeat;   \
    const long apart = along ? lines.apart : 1, whole = along ? lines.pieces * apart : 1;                     \
    const long blocks = (beside + lines.side - 1) / lines.side;                                               \
    for (long item = (from); item < (to); item++) {                                                           \
        const long outer = along ? item : item / blocks, first = along ? 0 : item % blocks * lines.side;      \
        const long n = along ? 1 : min(lines.side, beside - first);                                           \
        const long base = outer * length * beside + first, row = outer * beside + first;                      \
        (void)row, (void)repeat, (void)apart, (void)whole;                                                    \
        __VA_ARGS__                                                                                           \
    }                                                                                                         \
}

/* The one loop over the values [from, to) of these rows, in vectors: `at` is their place, `count` how many are in the vector, `lane`
 * the vector of what is known of their rows, `slot` that of sums along a row.  Where few rows lie side by side, `repeat` values of each
 * are computed together. */
#define SWEEP(from, to, ...)                                                                                  \
    for (long skip = 0; skip < whole; skip += apart) {                                                        \
        if (along) ALONG(skip + (from), skip + (to), __VA_ARGS__)                                             \
        else ACROSS(from, to, __VA_ARGS__)                                                                    \
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

/* The values [from, to), [start, stop) at a time: sums in this type go over so many, and in double over the pieces. */
#define EACH_PART(from, to, ...)                                                                              \
    for (long skip = 0, most_ = along ? 4096 : 256 * repeat; skip < whole; skip += apart)                     \
        for (long start = skip + (from); start < skip + (to); start += most_) {                               \
            const long stop = min(skip + (to), start + most_);                                                \
            __VA_ARGS__                                                                                       \
        }

/* Add `value` over [from, to) to the totals of each row. */
#define TOTAL(from, to, totals, value)                                                                        \
    EACH_PART(from, to,                                                                                       \
        if (along) {                                                                                          \
            NAME(vec) chain[CHAINS] = {{0}};                                                                  \
            ALONG(start, stop, chain[slot] += ONLY(value, 0);)                                                \
            totals[0] += NAME(chains_sum)(chain);                                                             \
        } else {                                                                                              \
            ACROSS(start, stop, sums[lane] += ONLY(value, 0);)                                                \
            NAME(add_up)(sums, n, repeat, totals);                                                            \
        })

static inline T NAME(chains_sum)(const NAME(vec) *chain) {
    return NAME(lanes_sum)((chain[0] + chain[1]) + (chain[2] + chain[3]));
}

/* Numbers of the rows as vectors: one in all lanes for a contiguous row. */
#define FILL(to, value)                                                                                     \
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
    FILL(found, largest[j])
}

/* The maximum is subtracted before exponentials; an infinite one gives NaN, but for logsumexp. */
static void NAME(soften)(const Call *call, long begin, long end) {
    const enum kind kind = call->kind;
    const int64_t *target = kind == CROSS_ENTROPY ? call->data[1] : NULL;
    NAME(vec) sums[SIDES] = {{0}}, peak[SIDES], rest[SIDES];
    EACH_SIDE(begin, end,
        const T *x = (const T *)call->data[0] + base;
        T *values = kind == LOGSUMEXP ? NULL : (T *)call->out[kind == CROSS_ENTROPY] + base, *of_rows = call->out[0];
        ZEROS(total)
        NAME(peaks)(x, length, beside, n, repeat, peak);
        for (long k = 0; kind == LOGSUMEXP && k < USED; k++) peak[k] = PICK(NAME(size)(peak[k]) < ALL(INFINITY), peak[k], ALL(0));
        if (kind == LOG_SOFTMAX || kind == LOGSUMEXP) TOTAL(0, length, total, NAME(exp)(VALUES(x) - peak[lane]))
        else TOTAL(0, length, total, ({ const NAME(vec) e = NAME(exp)(VALUES(x) - peak[lane]); NAME(put)(values + at, e, count); e; }))
        FILL(rest, total[j])
        for (long k = 0; k < USED; k++)
            if (kind == SOFTMAX || kind == CROSS_ENTROPY) rest[k] = 1 / rest[k];
            else rest[k] = NAME(log)(rest[k]);
        if (kind == LOG_SOFTMAX) SWEEP(0, length, NAME(put)(values + at, VALUES(x) - peak[lane] - rest[lane], count);)
        else if (kind != LOGSUMEXP) SWEEP(0, length, NAME(put)(values + at, VALUES(values) * rest[lane], count);)
        for (long j = 0; kind == LOGSUMEXP && j < n; j++) of_rows[row + j] = (rest[j / LANES] + peak[j / LANES])[j % LANES];
        for (long j = 0; target && j < n; j++) {
            const int64_t class = __atomic_load_n(&target[row + j], __ATOMIC_RELAXED); /* it may have changed since it was checked */
            const T shift = peak[j / LANES][j % LANES];
            of_rows[row + j] = class >= 0 && class < length ? log((T)total[j]) - (x[class * beside + j] - shift) : (T)NAN;
        }
    )
}

/* Gradients: of softmax y, y (g - sum(g y)); of log_softmax y, g - exp(y) sum(g); of logsumexp y, g exp(x - y); of cross entropy, g
 * times the probabilities, less 1 for the target class. */
static void NAME(soften_grad)(const Call *call, long begin, long end) {
    const enum kind kind = call->kind;
    const int64_t *target = kind == CROSS_ENTROPY ? call->data[2] : NULL;
    NAME(vec) sums[SIDES] = {{0}}, of_g[SIDES], of_out[SIDES];
    EACH_SIDE(begin, end,
        const T *g = call->data[0], *out = call->data[1], *x = call->data[2];
        T *dx = (T *)call->out[0] + base;
        ZEROS(total)
        if (kind == SOFTMAX || kind == LOG_SOFTMAX) {
            g += base, out += base;
            if (kind == SOFTMAX) TOTAL(0, length, total, VALUES(g) * VALUES(out))
            else TOTAL(0, length, total, VALUES(g))
            FILL(of_g, total[j])
            if (kind == SOFTMAX) SWEEP(0, length, NAME(put)(dx + at, VALUES(out) * (VALUES(g) - of_g[lane]), count);)
            else SWEEP(0, length, NAME(put)(dx + at, VALUES(g) - NAME(exp)(VALUES(out)) * of_g[lane], count);)
        } else {
            FILL(of_g, g[row + j])
            if (kind == LOGSUMEXP) {
                x += base;
                FILL(of_out, out[row + j])
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

/* Channels of `each` values stand one behind the other in a row, each with a weight; those of `cycle` rows are different.  Where
 * they are single values of a contiguous row, the row is gone through as one, and `by_value` weights are read beside its values. */
#define CHANNELS(weighted)                                                                                    \
    const int by_value = along && (weighted) && call->lines.each == 1 && length > 1;                          \
    const long each = by_value || !(weighted) ? length : call->lines.each, channels = length / each;          \
    const long channel = outer % call->lines.cycle * (length / call->lines.each);
#define OF_CHANNEL(values, none) ((values) && !by_value ? (values)[channel + c] : (none))
#define OF_VALUE(values) NAME(some)((values) + channel + at, count)

/* The mean of each row, and its variance, of which DEVIATIONS makes its inverse deviation. */
#define STATISTICS                                                                                            \
    TOTAL(0, length, middle, VALUES(x))                                                                       \
    for (long j = 0; j < n; j++) middle[j] /= length * call->lines.pieces;                                    \
    FILL(mean, middle[j])                                                                                     \
    TOTAL(0, length, squares, ({ const NAME(vec) off = VALUES(x) - mean[lane]; off * off; }))                 \
    for (long j = 0; j < n; j++) squares[j] /= length * call->lines.pieces;
#define DEVIATIONS                                                                                            \
    for (long j = 0; j < n; j++) squares[j] = 1 / sqrt(squares[j] + call->reals[0]);                          \
    FILL(scale, squares[j])

/* What is made of a value. */
#define NORMAL(lane) ((VALUES(x) - mean[lane]) * (scale[lane] * by) + shift)

/* Batch norm keeps the statistics of its rows, and goes on with pooling and relu; an affine map has no statistics. */
static void NAME(row_norm)(const Call *call, long begin, long end) {
    const T *weight = call->data[1], *bias = call->data[2];
    T *means = call->results > 1 ? call->out[1] : NULL, *variances = call->out[2];
    const long relu = call->relu;
    NAME(vec) sums[SIDES] = {{0}}, mean[SIDES], scale[SIDES];
    EACH_SIDE(begin, end,
        const T *x = (const T *)call->data[0] + base;
        T *out = (T *)call->out[0] + base;
        ZEROS(middle)
        ZEROS(squares)
        if (call->kind == AFFINE) {
            FILL(mean, 0)
            FILL(scale, 1)
        } else {
            STATISTICS
            for (long j = 0; means && j < n; j++) means[row + j] = (T)middle[j], squares[j] = variances[row + j] = (T)squares[j];
            DEVIATIONS
        }
        CHANNELS(weight || bias)
        if (by_value)
            SWEEP(0, length,
                NAME(vec) value = (VALUES(x) - mean[0]) * scale[0];
                if (weight) value *= OF_VALUE(weight);
                if (bias) value += OF_VALUE(bias);
                NAME(put)(out + at, value, count);)
        for (long c = 0; !by_value && c < channels; c++) {
            const T by = weight ? weight[channel + c] : 1, shift = bias ? bias[channel + c] : 0;
            if (along && call->halved) NAME(normal_squares)(call, outer, x, mean[0][0], scale[0][0] * by, shift, NULL);
            else if (relu) SWEEP(c * each, (c + 1) * each, NAME(put)(out + at, POSITIVE(NORMAL(lane)), count);)
            else SWEEP(c * each, (c + 1) * each, NAME(put)(out + at, NORMAL(lane), count);)
        }
    )
}

/* With the inverse deviation r and v = x - mean: dx = r (h - mean(h)) - v r^3 mean(h v) for h = g weight.  Item: a share of the rows,
 * which sums its gradients of weight and bias by itself.  Batch norm gives its statistics, and each row has weights of its own; where
 * relu or pooling followed, what they saw is computed again, by the same formula. */
static void NAME(row_norm_grad)(const Call *call, long begin, long end) {
    const int batch = call->arrays > 3;
    const T *weight = call->data[2];
    NAME(vec) sums[SIDES] = {{0}}, sums_too[SIDES] = {{0}}, mean[SIDES], scale[SIDES], by_x[SIDES], less[SIDES];
    for (long share = begin; share < end; share++) {
        const long all = call->lines.items, shares = call->lines.shares;
        T *dw = call->scratch ? (T *)call->scratch + 2 * share * call->q.c : batch ? call->out[1] : NULL;
        T *db = batch ? call->out[2] : dw ? dw + call->q.c : NULL;
        EACH_SIDE(all * share / shares, all * (share + 1) / shares,
            const T *g = (const T *)call->data[0] + (call->halved ? 0 : base), *x = (const T *)call->data[1] + base;
            T *dx = (T *)call->out[0] + base;
            ZEROS(middle)
            ZEROS(squares)
            if (along && batch) {
                middle[0] = ((const T *)call->data[4])[row], squares[0] = ((const T *)call->data[5])[row];
                mean[0] = ALL(middle[0]);
                dw[row] = db[row] = 0;
            } else {
                STATISTICS
            }
            DEVIATIONS
            CHANNELS(weight || dw)
            if (along && (call->halved || call->relu)) {
                const T by = weight ? weight[row] : 1, shift = call->data[3] ? ((const T *)call->data[3])[row] : 0;
                if (call->halved) NAME(normal_squares)(call, outer, x, mean[0][0], scale[0][0] * by, shift, dx);
                else SWEEP(0, length, NAME(put)(dx + at, PICK(NORMAL(0) > ALL(0), VALUES(g), ALL(0)), count);)
                g = dx;
            }
            ZEROS(sum)
            ZEROS(dot)
            for (long c = 0; along && c < channels; c++) {
                const double by = OF_CHANNEL(weight, 1);
                double one = 0, too = 0;
                EACH_PART(c * each, (c + 1) * each,
                    NAME(vec) chain[CHAINS] = {{0}}, chain_too[CHAINS] = {{0}};
                    ALONG(start, stop,
                        const NAME(vec) v = VALUES(x) - mean[0];
                        NAME(vec) h = VALUES(g);
                        if (by_value && dw) {
                            NAME(put)(dw + channel + at, OF_VALUE(dw) + h * (v * scale[0]), count);
                            NAME(put)(db + channel + at, OF_VALUE(db) + h, count);
                        }
                        if (by_value && weight) h *= OF_VALUE(weight);
                        chain[slot] += h;
                        chain_too[slot] += h * v;)
                    one += NAME(chains_sum)(chain), too += NAME(chains_sum)(chain_too);
                )
                sum[0] += by * one, dot[0] += by * too;
                if (dw && !by_value) dw[channel + c] += (T)(too * squares[0]), db[channel + c] += (T)one;
            }
            for (long c = 0, since = 0; !along && c < channels; c++) {
                const T by = OF_CHANNEL(weight, 1);
                EACH_PART(c * each, (c + 1) * each,
                    NAME(vec) all_g = {0}, all_gx = {0};
                    ACROSS(start, stop,
                        const NAME(vec) one = VALUES(g), v = ONLY(VALUES(x) - mean[lane], 0);
                        sums[lane] += one * by;
                        sums_too[lane] += one * by * v;
                        all_g += one;
                        all_gx += ONLY(one * v * scale[lane], 0);)
                    if (dw) dw[channel + c] += NAME(lanes_sum)(all_gx), db[channel + c] += NAME(lanes_sum)(all_g);
                    if (stop - since < 256 * repeat && stop < length) continue;
                    NAME(add_up)(sums, n, repeat, sum);
                    NAME(add_up)(sums_too, n, repeat, dot);
                    since = stop;
                )
            }
            const double many = length * call->lines.pieces;
            FILL(by_x, -squares[j] * squares[j] * squares[j] * dot[j] / many)
            FILL(less, -squares[j] * sum[j] / many)
            for (long c = 0; c < channels; c++) {
                const T by = OF_CHANNEL(weight, 1);
                SWEEP(c * each, (c + 1) * each,
                    NAME(vec) h = VALUES(g) * (scale[lane] * by);
                    if (by_value && weight) h *= OF_VALUE(weight);
                    NAME(put)(dx + at, h + (VALUES(x) - mean[lane]) * by_x[lane] + less[lane], count);)
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
