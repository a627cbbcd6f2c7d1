/* Batch normalisation, relu and the updates of optimizers: loops over values in the order of memory. */

/* ----------------------------------------------------------------------------- normalisation */

/* Sum of (x - a) * (y - b), in vectors over pieces of 4,096 values and in double over the pieces; y null means 1. */
static double NAME(row_sum)(const T *x, T a, const T *y, T b, long m) {
    double total = 0;
    for (long piece = 0; piece < m; piece += 4096) {
        const long end = min(m, piece + 4096);
        NAME(vec) sum[4] = {{0}};
        long l = piece;
        for (; l + 4 * LANES <= end; l += 4 * LANES)
            for (int k = 0; k < 4; k++) {
                NAME(vec) value = *(const NAME(vec) *)(x + l + k * LANES) - a;
                if (y) value *= *(const NAME(vec) *)(y + l + k * LANES) - b;
                sum[k] += value;
            }
        for (; l + LANES <= end; l += LANES) {
            NAME(vec) value = *(const NAME(vec) *)(x + l) - a;
            if (y) value *= *(const NAME(vec) *)(y + l) - b;
            sum[0] += value;
        }
        for (; l < end; l++) total += (double)(x[l] - a) * (y ? y[l] - b : 1);
        sum[0] += sum[1] + sum[2] + sum[3];
        for (int k = 0; k < LANES; k++) total += sum[0][k];
    }
    return total;
}

/* The same over the pieces of a channel. */
static double NAME(channel_total)(const Geometry *q, const T *x, T a, const T *y, T b) {
    double total = 0;
    for (long p = 0; p < q->pieces; p++) total += NAME(row_sum)(x + p * q->apart, a, y ? y + p * q->apart : NULL, b, q->n / q->pieces);
    return total;
}

/* What batch norm multiplies the values of channel k by. */
static inline T NAME(scale)(const T *weight, long k, T var, double eps) {
    return (T)((weight ? weight[k] : 1) / sqrt((double)var + eps));
}

/* What normalising by fixed statistics multiplies the values of each channel by, and adds, after a bias `before` or none. */
static void NAME(running_affine)(const Call *call, long begin, long end) {
    const T *mean = call->data[0], *var = call->data[1], *bias = call->data[3], *before = call->data[4];
    for (long k = 0; begin < end && k < call->count[0]; k++) {
        const T factor = NAME(scale)(call->data[2], k, var[k], call->reals[0]);
        ((T *)call->out[0])[k] = factor;
        ((T *)call->out[1])[k] = ((before ? before[k] : 0) - mean[k]) * factor + (bias ? bias[k] : 0);
    }
}

/* Item, here and below: one of the C channels, of M values. */
static void NAME(channel_affine)(const Call *call, long begin, long end) {
    const T *shift = call->data[2];
    const long m = call->q.n, relu = call->numbers[0];
    for (long k = begin; k < end; k++) {
        const T *row = (const T *)call->data[0] + k * m, factor = ((const T *)call->data[1])[k];
        T *to = (T *)call->out[0] + k * m;
        const T offset = shift ? shift[k] : 0;
        for (long l = 0; !relu && l < m; l++) to[l] = row[l] * factor + offset;
        for (long l = 0; relu && l < m; l++) to[l] = NAME(positive)(row[l] * factor + offset);
    }
}

/* What batch norm makes of a value. */
#define NORMAL(x) (((x) - middle) * scale + shift)

/* A channel normalised, then the largest of each 2 x 2, and relu if wanted. */
static void NAME(normal_halve)(const Geometry *q, const T *xs, T middle, T scale, T shift, long relu, T *restrict out) {
    const long row = q->n / q->size[1], n = row / q->size[2];
    for (long y = 0; y < q->out[1]; y++, xs += 2 * row)
        for (long x = 0; x < q->out[2]; x++, out += n) {
            const T *upper = xs + 2 * x * n, *lower = upper + row;
            for (long l = 0; l < n; l++) {
                const T above = NAME(larger)(NORMAL(upper[l]), NORMAL(upper[n + l]));
                const T most = NAME(larger)(NAME(larger)(above, NORMAL(lower[l])), NORMAL(lower[n + l]));
                out[l] = relu ? NAME(positive)(most) : most;
            }
        }
}

/* Gradients g of those to the first value of each 2 x 2 that is the largest; with relu, if it is positive. */
static void NAME(normal_spread)(const Geometry *q, const T *restrict g, const T *xs, T middle, T scale, T shift, long relu,
                                T *restrict to) {
    const long row = q->n / q->size[1], n = row / q->size[2];
    if (2 * q->out[1] != q->size[1] || 2 * q->out[2] != q->size[2]) memset(to, 0, q->n * sizeof(T));
    for (long y = 0; y < q->out[1]; y++, xs += 2 * row, to += 2 * row)
        for (long x = 0; x < q->out[2]; x++, g += n) {
            const T *from = xs + 2 * x * n;
            T *into = to + 2 * x * n;
            for (long l = 0; l < n; l += LANES) {
                const long count = min(LANES, n - l);
                NAME(vec) value[4], left = NAME(some)(g + l, count), most, zero = {0};
                for (int k = 0; k < 4; k++) {
                    value[k] = NORMAL(NAME(some)(from + k / 2 * row + k % 2 * n + l, count));
                    most = k ? CHOOSE((value[k] > most) | (value[k] != value[k]), value[k], most) : value[k];
                }
                if (relu) left = CHOOSE(most > zero, left, zero);
                for (int k = 0; k < 4; k++) {
                    const NAME(mask) won = (value[k] == most) | (value[k] != value[k]);
                    const NAME(vec) found = CHOOSE(won, left, zero);
                    NAME(put)(into + k / 2 * row + k % 2 * n + l, found, count);
                    left = CHOOSE(won, zero, left);
                }
            }
        }
}

/* The pieces of channel k, of `run` values. */
#define PIECES for (long p = 0, at = 0, run = q->n / q->pieces; p < q->pieces; p++, at += q->apart)

static void NAME(batch_norm)(const Call *call, long begin, long end) {
    const T *weight = call->data[1], *bias = call->data[2];
    T *mean = call->out[1], *var = call->out[2];
    const Geometry *q = &call->q;
    const double eps = call->reals[0];
    const long relu = call->relu;
    for (long k = begin; k < end; k++) {
        const T *row = (const T *)call->data[0] + k * (q->n / q->pieces);
        const T middle = (T)(NAME(channel_total)(q, row, 0, 0, 0) / q->n);
        mean[k] = middle;
        var[k] = (T)(NAME(channel_total)(q, row, middle, row, middle) / q->n);
        const T scale = NAME(scale)(weight, k, var[k], eps), shift = bias ? bias[k] : 0;
        if (call->halved) NAME(normal_halve)(q, row, middle, scale, shift, relu, (T *)call->out[0] + k * q->places);
        else
            PIECES {
                const T *xs = row + at;
                T *to = (T *)call->out[0] + (xs - (const T *)call->data[0]);
                if (relu) for (long l = 0; l < run; l++) to[l] = NAME(positive)(NORMAL(xs[l]));
                else for (long l = 0; l < run; l++) to[l] = NORMAL(xs[l]);
            }
    }
}

/* Where relu or pooling followed, what they saw is computed again, by the same formula. */
static void NAME(batch_norm_grad)(const Call *call, long begin, long end) {
    const T *weight = call->data[2], *bias = call->data[3], *mean = call->data[4], *var = call->data[5];
    T *dw = call->out[1], *db = call->out[2];
    const Geometry *q = &call->q;
    const double eps = call->reals[0];
    for (long k = begin; k < end; k++) {
        const long first = k * (q->n / q->pieces);
        const T *gs = (const T *)call->data[0] + (call->halved ? k * q->places : first), *xs = (const T *)call->data[1] + first;
        const T scale = NAME(scale)(weight, k, var[k], eps), shift = bias ? bias[k] : 0, middle = mean[k];
        T *to = (T *)call->out[0] + first;
        if (call->halved) NAME(normal_spread)(q, gs, xs, middle, scale, shift, call->relu, to), gs = to;
        else if (call->relu) {
            PIECES for (long l = 0; l < run; l++) to[at + l] = NORMAL(xs[at + l]) > 0 ? gs[at + l] : 0;
            gs = to;
        }
        const double inverse = 1 / sqrt((double)var[k] + eps);
        const double sum = NAME(channel_total)(q, gs, 0, 0, 0);
        const double dot = NAME(channel_total)(q, gs, 0, xs, middle) * inverse;
        const double slope = (weight ? weight[k] : 1) * inverse;
        const T by_g = (T)slope, by_x = (T)(-slope * inverse * dot / q->n), offset = (T)(-slope * sum / q->n);
        dw[k] = (T)dot;
        db[k] = (T)sum;
        PIECES for (long l = 0; l < run; l++) to[at + l] = gs[at + l] * by_g + (xs[at + l] - middle) * by_x + offset;
    }
}
#undef PIECES
#undef NORMAL

/* -------------------------------------------------------------------------------- elementwise */

/* Item, here and in the updates: BLOCK values. */
static void NAME(relu)(const Call *call, long begin, long end) {
    const T *x = call->data[0];
    T *out = call->out[0];
    const long last = min(end * BLOCK, call->count[0]);
    for (long l = begin * BLOCK; l < last; l++) out[l] = NAME(positive)(x[l]);
}

static void NAME(relu_grad)(const Call *call, long begin, long end) {
    const T *g = call->data[0], *x = call->data[1];
    T *out = call->out[0];
    const long last = min(end * BLOCK, call->count[0]);
    for (long l = begin * BLOCK; l < last; l++) out[l] = x[l] > 0 ? g[l] : 0;
}

/* ------------------------------------------------------------------------------------ updates */

/* The first of the updates is the one that holds item `begin`; then for each item u, and its values [first, last). */
#define EACH_UPDATE(...)                                                                                        \
    const Update *u = call->updates;                                                                            \
    for (long item = begin; item < end; item++) {                                                               \
        while (item >= u[1].first) u++;                                                                         \
        const long first = (item - u->first) * BLOCK, last = min(first + BLOCK, u->count);                      \
        __VA_ARGS__                                                                                             \
    }

static void NAME(sgd)(const Call *call, long begin, long end) {
    const double *s = call->reals;
    const T lr = (T)s[0], momentum = (T)s[1], fresh = (T)s[2], decay = (T)s[3], sign = call->numbers[1] ? -1 : 1;
    const int nesterov = (int)call->numbers[0];
    EACH_UPDATE({
        T *p = u->data[0], *b = u->data[2];
        const T *g = u->data[1];
        for (long l = first; !b && l < last; l++) p[l] -= lr * (sign * g[l] + (decay ? decay * p[l] : 0));
        for (long l = first; b && l < last; l++) {
            const T step = sign * g[l] + (decay ? decay * p[l] : 0), now = momentum * b[l] + fresh * step;
            b[l] = now;
            p[l] -= lr * (nesterov ? step + momentum * now : now);
        }
    })
}

static void NAME(adam)(const Call *call, long begin, long end) {
    const double *s = call->reals;
    const T rate = (T)s[0], eps = (T)s[1], keep1 = (T)s[2], keep2 = (T)s[3], new1 = (T)(1 - s[2]), new2 = (T)(1 - s[3]);
    const T decay = (T)s[4], shrink = (T)s[5], sign = call->numbers[0] ? -1 : 1;
    EACH_UPDATE({
        T *p = u->data[0], *m = u->data[2], *v = u->data[3], *most = u->data[4];
        const T *g = u->data[1];
        for (long l = first; l < last; l++) {
            const T from = shrink * p[l], step = sign * g[l] + (decay ? decay * from : 0);
            m[l] = keep1 * m[l] + new1 * step;
            T square = v[l] = keep2 * v[l] + new2 * (step * step);
            if (most) square = most[l] = ((square > most[l]) | (square != square)) ? square : most[l];
            p[l] = from - rate * (m[l] / (SQRT(square) + eps));
        }
    })
}
#undef EACH_UPDATE
