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
        for (; l < end; l++) total += (double)(x[l] - a) * (y ? y[l] - b : 1);
        sum[0] += sum[1] + sum[2] + sum[3];
        for (int k = 0; k < LANES; k++) total += sum[0][k];
    }
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

static void NAME(channel_sum)(const Call *call, long begin, long end) {
    const long m = call->q.n;
    for (long k = begin; k < end; k++)
        ((T *)call->out[0])[k] = (T)NAME(row_sum)((const T *)call->data[0] + k * m, 0, 0, 0, m);
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

static void NAME(batch_norm)(const Call *call, long begin, long end) {
    const T *weight = call->data[1], *bias = call->data[2];
    T *mean = call->out[1], *var = call->out[2];
    const double eps = call->reals[0];
    const long m = call->q.n, relu = call->relu, places = call->q.places;
    for (long k = begin; k < end; k++) {
        const T *row = (const T *)call->data[0] + k * m;
        T *to = (T *)call->out[0] + k * places;
        const T middle = (T)(NAME(row_sum)(row, 0, 0, 0, m) / m);
        const double spread = NAME(row_sum)(row, middle, row, middle, m) / m;
        mean[k] = middle;
        var[k] = (T)spread;
        const T scale = NAME(scale)(weight, k, var[k], eps), shift = bias ? bias[k] : 0;
        if (call->halved) NAME(normal_halve)(&call->q, row, middle, scale, shift, relu, to);
        else if (relu) for (long l = 0; l < m; l++) to[l] = NAME(positive)(NORMAL(row[l]));
        else for (long l = 0; l < m; l++) to[l] = NORMAL(row[l]);
    }
}

/* Where relu or pooling followed, what they saw is computed again, by the same formula. */
static void NAME(batch_norm_grad)(const Call *call, long begin, long end) {
    const T *weight = call->data[2], *bias = call->data[3], *mean = call->data[4], *var = call->data[5];
    T *dw = call->out[1], *db = call->out[2];
    const double eps = call->reals[0];
    const long m = call->q.n, places = call->q.places;
    for (long k = begin; k < end; k++) {
        const T *gs = (const T *)call->data[0] + k * places, *xs = (const T *)call->data[1] + k * m, middle = mean[k];
        const T scale = NAME(scale)(weight, k, var[k], eps), shift = bias ? bias[k] : 0;
        T *to = (T *)call->out[0] + k * m;
        if (call->halved) NAME(normal_spread)(&call->q, gs, xs, middle, scale, shift, call->relu, to), gs = to;
        else if (call->relu) {
            for (long l = 0; l < m; l++) to[l] = NORMAL(xs[l]) > 0 ? gs[l] : 0;
            gs = to;
        }
        const double inverse = 1 / sqrt((double)var[k] + eps);
        const double sum = NAME(row_sum)(gs, 0, 0, 0, m);
        const double dot = NAME(row_sum)(gs, 0, xs, middle, m) * inverse;
        const double slope = (weight ? weight[k] : 1) * inverse;
        const T by_g = (T)slope, by_x = (T)(-slope * inverse * dot / m), offset = (T)(-slope * sum / m);
        dw[k] = (T)dot;
        db[k] = (T)sum;
        for (long l = 0; l < m; l++) to[l] = gs[l] * by_g + (xs[l] - middle) * by_x + offset;
    }
}
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

/* ---------------------------------------------------------------------------- cross entropy */

/* Scores and probabilities are (K, M), losses and targets (M,).  The maximum is subtracted before exponentials, unless it is
 * infinite and would give NaN.  Item, here and below: BLOCK samples. */
static void NAME(cross_entropy)(const Call *call, long begin, long end) {
    const T *x = call->data[0];
    const int64_t *target = call->data[1];
    T *losses = call->out[0], *p = call->out[1];
    const long classes = call->q.c, m = call->q.n, last = min(end * BLOCK, m);
    for (long l = begin * BLOCK; l < last; l++) {
        T peak = -(T)INFINITY, total = 0;
        for (long k = 0; k < classes; k++) peak = x[k * m + l] > peak || x[k * m + l] != x[k * m + l] ? x[k * m + l] : peak;
        for (long k = 0; k < classes; k++) total += p[k * m + l] = EXP(x[k * m + l] - peak);
        for (long k = 0; k < classes; k++) p[k * m + l] /= total;
        const int64_t class = __atomic_load_n(&target[l], __ATOMIC_RELAXED); /* another thread may have changed it since it was checked */
        losses[l] = class >= 0 && class < classes ? LOG(total) - (x[class * m + l] - peak) : (T)NAN;
    }
}

/* g times the probabilities, less 1 for the target class. */
static void NAME(cross_entropy_grad)(const Call *call, long begin, long end) {
    const T *g = call->data[0], *p = call->data[1];
    const int64_t *target = call->data[2];
    T *dx = call->out[0];
    const long classes = call->q.c, m = call->q.n, first = begin * BLOCK, last = min(end * BLOCK, m);
    for (long k = 0; k < classes; k++)
        for (long l = first; l < last; l++) dx[k * m + l] = g[l] * (p[k * m + l] - (target[l] == k));
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
