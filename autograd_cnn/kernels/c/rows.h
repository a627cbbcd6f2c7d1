/* Pooling after batch norm, relu and the updates of optimizers: loops over values in the order of memory. */

/* ----------------------------------------------------------------------------- normalisation */

/* What normalising by fixed statistics multiplies the values of each channel by, and adds, after a bias `before` or none. */
static void NAME(running_affine)(const Call *call, long begin, long end) {
    const T *mean = call->data[0], *var = call->data[1], *weight = call->data[2], *bias = call->data[3], *before = call->data[4];
    for (long k = 0; begin < end && k < call->count[0]; k++) {
        const T factor = (T)((weight ? weight[k] : 1) / sqrt((double)var[k] + call->reals[0]));
        ((T *)call->out[0])[k] = factor;
        ((T *)call->out[1])[k] = ((before ? before[k] : 0) - mean[k]) * factor + (bias ? bias[k] : 0);
    }
}

/* A channel normalised, then the largest of each 2 x 2, and relu if wanted.  Or the gradients of those, `to` the first value that is the
 * largest; with relu, if it is positive. */
static inline __attribute__((always_inline)) void NAME(normal_squares)(const Call *call, long channel, const T *xs, T middle, T scale,
                                                                       T shift, T *restrict to) {
    const Geometry *q = &call->q;
    const long row = q->n / q->size[1], n = row / q->size[2], relu = call->relu;
    T *place = (T *)(to ? call->data[0] : call->out[0]) + channel * q->places;
    if (to && (q->size[1] | q->size[2]) & 1) memset(to, 0, q->n * sizeof(T));
    for (long y = 0; y < q->out[1]; y++)
        for (long x = 0; x < q->out[2]; x++, place += n)
            for (long l = 0; l < n; l += LANES) {
                const long count = min(LANES, n - l), corner = 2 * (y * row + x * n) + l, cells[] = {0, n, row, row + n};
                NAME(vec) value[4], most, zero = {0};
                UNROLL_4 for (int k = 0; k < 4; k++) {
                    value[k] = (NAME(some)(xs + corner + cells[k], count) - middle) * scale + shift;
                    most = k ? CHOOSE((value[k] > most) | (value[k] != value[k]), value[k], most) : value[k];
                }
                if (!to) {
                    NAME(put)(place + l, relu ? POSITIVE(most) : most, count);
                    continue;
                }
                NAME(vec) left = NAME(some)(place + l, count);
                if (relu) left = CHOOSE(most > zero, left, zero);
                UNROLL_4 for (int k = 0; k < 4; k++) {
                    const NAME(mask) won = (value[k] == most) | (value[k] != value[k]);
                    NAME(put)(to + corner + cells[k], CHOOSE(won, left, zero), count);
                    left = CHOOSE(won, zero, left);
                }
            }
}

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

static void NAME(sgd)(const Call *call, long begin, long end) {
    const double *s = call->reals;
    const T lr = (T)s[0], momentum = (T)s[1], fresh = (T)s[2], decay = (T)s[3], sign = call->numbers[1] ? -1 : 1;
    const long nesterov = call->numbers[0], first = begin * BLOCK, last = min(end * BLOCK, call->count[0]);
    T *p = call->data[0], *b = call->data[2];
    const T *g = call->data[1];
    for (long l = first; !b && l < last; l++) p[l] -= lr * (sign * g[l] + (decay ? decay * p[l] : 0));
    for (long l = first; b && l < last; l++) {
        const T step = sign * g[l] + (decay ? decay * p[l] : 0), now = momentum * b[l] + fresh * step;
        b[l] = now;
        p[l] -= lr * (nesterov ? step + momentum * now : now);
    }
}

static void NAME(adam)(const Call *call, long begin, long end) {
    const double *s = call->reals;
    const T rate = (T)s[0], eps = (T)s[1], keep1 = (T)s[2], keep2 = (T)s[3], new1 = (T)(1 - s[2]), new2 = (T)(1 - s[3]);
    const T decay = (T)s[4], shrink = (T)s[5], sign = call->numbers[0] ? -1 : 1;
    T *p = call->data[0], *m = call->data[2], *v = call->data[3], *most = call->data[4];
    const T *g = call->data[1];
    for (long l = begin * BLOCK; l < min(end * BLOCK, call->count[0]); l++) {
        const T from = shrink * p[l], step = sign * g[l] + (decay ? decay * from : 0);
        m[l] = keep1 * m[l] + new1 * step;
        T square = v[l] = keep2 * v[l] + new2 * (step * step);
        if (most) square = most[l] = ((square > most[l]) | (square != square)) ? square : most[l];
        p[l] = from - rate * (m[l] / (sqrt(square) + eps));
    }
}
