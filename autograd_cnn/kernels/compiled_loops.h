/* The loops for one floating type, included by compiled.c once per type with
 *   T       the type            NAME(f)  f with the type's suffix
 *   LANES   values of T in a vector register
 * Images are contiguous and batch-innermost, (C, H, W, N); filters are (F, C / groups, KH, KW).
 */

#define PART(K) (LANES / (K) ? LANES / (K) : 1)
#define VECTOR(LENGTH) __attribute__((vector_size((LENGTH) * sizeof(T)), aligned(sizeof(T)), may_alias))
typedef T NAME(vec) VECTOR(LANES);
typedef T NAME(half) VECTOR(PART(2));
typedef T NAME(quarter) VECTOR(PART(4));

/* ------------------------------------------------------------------------------- convolution */

/* Images with their padding, columns sorted by phase (column modulo stride), so that a window moves by one
 * whatever the stride: (C, rows, phases, columns, N).  `insert` puts insert - 1 zeros between neighbours. */
static void NAME(lay_out)(const T *x, T *out, const Geometry *q) {
    const long n = q->n, row = q->phases * q->columns * n;
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (long c = 0; c < q->c; c++)
        for (long r = 0; r < q->rows; r++) {
            T *to = out + (c * q->rows + r) * row;
            long from = r - q->before[0];
            memset(to, 0, row * sizeof(T));
            if (from < 0 || from % q->insert[0] || from / q->insert[0] >= q->h) continue;
            const T *line = x + (c * q->h + from / q->insert[0]) * q->w * n;
            if (q->phases == 1 && q->insert[1] == 1) { /* one run */
                long first = max(0, -q->before[1]), start = first + q->before[1];
                long count = min(q->w - first, q->columns - start);
                if (count > 0) memcpy(to + start * n, line + first * n, count * n * sizeof(T));
                continue;
            }
            for (long k = 0; k < q->w; k++) {
                long at = k * q->insert[1] + q->before[1];
                if (at >= 0 && at / q->phases < q->columns)
                    memcpy(to + (at % q->phases * q->columns + at / q->phases) * n, line + k * n, n * sizeof(T));
            }
        }
}

/* Filters in blocks (block, tap, FILTERS), the last block of a group filled up with zeros. */
static void NAME(pack)(const T *w, T *out, const Geometry *q) {
    const long per = q->f / q->groups;
    for (long g = 0; g < q->groups; g++)
        for (long first = 0; first < per; first += FILTERS)
            for (long t = 0; t < q->taps; t++)
                for (long f = first; f < first + FILTERS; f++)
                    *out++ = f < per ? w[(g * per + f) * q->taps + t] : 0;
}

/* FILTERS filters over WIDTH vectors of an output row; the sums stay in registers over all taps. */
#define MICRO(SUFFIX, VT, WIDTH)                                                                             \
    static void NAME(SUFFIX)(const T *x, const T *w, const T *b, T *out, long step, long f, const Geometry *q) { \
        VT sum[FILTERS][WIDTH];                                                                              \
        for (int k = 0; k < FILTERS; k++)                                                                    \
            for (int v = 0; v < WIDTH; v++) sum[k][v] = (VT){0} + b[k];                                      \
        for (long t = 0; t < q->taps; t++, w += FILTERS) {                                                   \
            const VT *at = (const VT *)(x + q->offsets[t]);                                                  \
            VT value[WIDTH];                                                                                 \
            for (int v = 0; v < WIDTH; v++) value[v] = at[v];                                                \
            _Pragma("GCC unroll 8") for (int k = 0; k < FILTERS; k++)                                        \
                for (int v = 0; v < WIDTH; v++) sum[k][v] += value[v] * w[k];                                \
        }                                                                                                    \
        for (int k = 0; k < f; k++)                                                                          \
            for (int v = 0; v < WIDTH; v++) ((VT *)(out + k * step))[v] = sum[k][v];                         \
    }
MICRO(micro_two, NAME(vec), 2)
MICRO(micro_one, NAME(vec), 1)
MICRO(micro_half, NAME(half), 1)
MICRO(micro_quarter, NAME(quarter), 1)
#undef MICRO

static void NAME(micro_single)(const T *x, const T *w, const T *b, T *out, long step, long f, const Geometry *q) {
    for (long k = 0; k < f; k++) {
        T sum = b[k];
        for (long t = 0; t < q->taps; t++) sum += x[q->offsets[t]] * w[t * FILTERS + k];
        out[k * step] = sum;
    }
}

/* One output row.  The last vector overlaps those before it: the same values are written again. */
static void NAME(sweep)(const T *x, const T *w, const T *b, T *out, long step, long f, long run, const Geometry *q) {
    long l = 0;
#define REST(SUFFIX, LENGTH)                                               \
    for (; l < run; l += (LENGTH)) {                                       \
        long at = min(l, run - (LENGTH));                                  \
        NAME(SUFFIX)(x + at, w, b, out + at, step, f, q);                  \
    }
    for (; l + 2 * LANES <= run; l += 2 * LANES) NAME(micro_two)(x + l, w, b, out + l, step, f, q);
    if (run >= LANES) { REST(micro_one, LANES) }
    else if (run >= PART(2)) { REST(micro_half, PART(2)) }
    else if (run >= PART(4)) { REST(micro_quarter, PART(4)) }
    else { REST(micro_single, 1) }
#undef REST
}

/* out (F, OH, OW, N) = laid-out images x correlated with packed filters w, plus the bias b (or null). */
static void NAME(correlate)(const T *x, const T *w, const T *b, T *out, const Geometry *q) {
    const long per = q->f / q->groups, blocks = (per + FILTERS - 1) / FILTERS, run = q->out[1] * q->n;
    const long step = q->out[0] * run;
#pragma omp parallel for collapse(2) schedule(static) num_threads(threads)
    for (long r = 0; r < q->out[0]; r++)
        for (long block = 0; block < q->groups * blocks; block++) {
            long g = block / blocks, first = block % blocks * FILTERS, f = min(FILTERS, per - first);
            T bias[FILTERS] = {0};
            if (b) memcpy(bias, b + g * per + first, f * sizeof(T));
            NAME(sweep)(x + g * q->group_step + r * q->row_step, w + block * q->taps * FILTERS, bias,
                        out + (g * per + first) * step + r * run, step, f, run, q);
        }
}

/* Up to LANES values as a vector, zeros behind them. */
static inline NAME(vec) NAME(tail)(const T *at, long left) {
    NAME(vec) value = {0};
    memcpy(&value, at, left * sizeof(T));
    return value;
}

/* Sums over `run` positions of FILTERS gradients times TAPS taps, added to FILTERS x TAPS vectors.  Filters and
 * taps beyond the last repeat it; nobody reads their sums. */
static void NAME(outer)(const T *x, const T *g, long step, long f, long run, const long *offsets, long taps,
                        NAME(vec) *total) {
    NAME(vec) sum[FILTERS][TAPS], value[TAPS];
    const T *xs[TAPS], *gs[FILTERS];
    for (int t = 0; t < TAPS; t++) xs[t] = x + offsets[min(t, taps - 1)];
    for (int k = 0; k < FILTERS; k++) gs[k] = g + min(k, f - 1) * step;
    for (int k = 0; k < FILTERS; k++)
        for (int t = 0; t < TAPS; t++) sum[k][t] = total[k * TAPS + t];
    long l = 0;
    for (; l + LANES <= run; l += LANES) {
        for (int t = 0; t < TAPS; t++) value[t] = *(const NAME(vec) *)(xs[t] + l);
        _Pragma("GCC unroll 8") for (int k = 0; k < FILTERS; k++) {
            NAME(vec) gradient = *(const NAME(vec) *)(gs[k] + l);
            IN_REGISTER(gradient);
            for (int t = 0; t < TAPS; t++) sum[k][t] += gradient * value[t];
        }
    }
    if (l < run) {
        for (int t = 0; t < TAPS; t++) value[t] = NAME(tail)(xs[t] + l, run - l);
        _Pragma("GCC unroll 8") for (int k = 0; k < FILTERS; k++) {
            NAME(vec) gradient = NAME(tail)(gs[k] + l, run - l);
            for (int t = 0; t < TAPS; t++) sum[k][t] += gradient * value[t];
        }
    }
    for (int k = 0; k < FILTERS; k++)
        for (int t = 0; t < TAPS; t++) total[k * TAPS + t] = sum[k][t];
}

/* w (F, C / groups, KH, KW) = laid-out images x correlated with g (F, OH, OW, N).  Every sum is one thread's,
 * in one order, so the number of threads changes nothing.  `totals` holds blocks * tap blocks * FILTERS * TAPS vectors. */
static void NAME(weights)(const T *x, const T *g, T *w, NAME(vec) *totals, const Geometry *q) {
    const long per = q->f / q->groups, blocks = (per + FILTERS - 1) / FILTERS, run = q->out[1] * q->n;
    const long step = q->out[0] * run, sets = (q->taps + TAPS - 1) / TAPS, tasks = q->groups * blocks * sets;
    const long rows = max(1, CACHE / (long)sizeof(T) / FILTERS / max(1, run));
    memset(totals, 0, tasks * FILTERS * TAPS * sizeof(NAME(vec)));
#pragma omp parallel num_threads(threads)
    for (long top = 0; top < q->out[0]; top += rows)
#pragma omp for schedule(static)
        for (long task = 0; task < tasks; task++) {
            long block = task / sets, set = task % sets * TAPS, group = block / blocks;
            long first = group * per + block % blocks * FILTERS, f = min(FILTERS, (group + 1) * per - first);
            for (long r = top; r < min(top + rows, q->out[0]); r++)
                NAME(outer)(x + group * q->group_step + r * q->row_step, g + first * step + r * run, step, f, run,
                            q->offsets + set, min(TAPS, q->taps - set), totals + task * FILTERS * TAPS);
        }
    for (long task = 0; task < tasks; task++) {
        long block = task / sets, set = task % sets * TAPS, group = block / blocks;
        long first = group * per + block % blocks * FILTERS, f = min(FILTERS, (group + 1) * per - first);
        for (long k = 0; k < f; k++)
            for (long t = 0; t < min(TAPS, q->taps - set); t++) {
                T sum = 0;
                for (int l = 0; l < LANES; l++) sum += totals[(task * FILTERS + k) * TAPS + t][l];
                w[(first + k) * q->taps + set + t] = sum;
            }
    }
}

/* ----------------------------------------------------------------------------------- pooling */

/* For every tap (i, j) of a window in output row r: the image row and the positions s at which the tap meets the
 * image.  The statement sees `tap`, and for each of n values `cell + l` in the image, `place + l` in the output. */
#define EACH_TAP(...)                                                                                     \
    for (long i = 0; i < q->kernel[0]; i++) {                                                             \
        const long row = r * q->stride[0] + i * q->dilation[0] - q->before[0];                            \
        if (row < 0 || row >= q->h) continue;                                                             \
        for (long j = 0; j < q->kernel[1]; j++) {                                                         \
            const long shift = j * q->dilation[1] - q->before[1], tap = i * q->kernel[1] + j;             \
            const long first = shift < 0 ? (-shift + q->stride[1] - 1) / q->stride[1] : 0;                \
            (void)tap;                                                                                    \
            for (long s = first; s < q->out[1] && s * q->stride[1] + shift < q->w; s++) {                 \
                const long cell = ((c * q->h + row) * q->w + s * q->stride[1] + shift) * n;               \
                const long place = ((c * q->out[0] + r) * q->out[1] + s) * n;                             \
                for (long l = 0; l < n; l++) __VA_ARGS__                                                  \
            }                                                                                             \
        }                                                                                                 \
    }

#define EACH_ROW(PREPARE, ...)                                                                            \
    {                                                                                                     \
        const long n = q->n, run = q->out[1] * n;                                                         \
        _Pragma("omp parallel for collapse(2) schedule(static) num_threads(threads)")                     \
        for (long c = 0; c < q->c; c++)                                                                   \
            for (long r = 0; r < q->out[0]; r++) {                                                        \
                const long begin = (c * q->out[0] + r) * run;                                             \
                for (long l = begin; l < begin + run; l++) PREPARE;                                       \
                EACH_TAP(__VA_ARGS__)                                                                     \
            }                                                                                             \
    }

#define EACH_CHANNEL(...)                                                                                 \
    {                                                                                                     \
        const long n = q->n, plane = q->h * q->w * n;                                                     \
        _Pragma("omp parallel for schedule(static) num_threads(threads)")                                 \
        for (long c = 0; c < q->c; c++) {                                                                 \
            memset(out + c * plane, 0, plane * sizeof(T));                                                \
            for (long r = 0; r < q->out[0]; r++) EACH_TAP(__VA_ARGS__)                                    \
        }                                                                                                 \
    }

static void NAME(window_max)(const T *x, T *out, const Geometry *q)
    EACH_ROW(out[l] = -(T)INFINITY,
             { T v = x[cell + l], m = out[place + l]; out[place + l] = v > m || v != v ? v : m; })

/* The taps run forwards, so the first match is kept by looking only where none was found. */
static void NAME(window_winners)(const T *x, const T *out, unsigned char *winners, const Geometry *q)
    EACH_ROW(winners[l] = NOBODY,
             { T v = x[cell + l]; int won = (v == out[place + l]) | (v != v);
               winners[place + l] = won & (winners[place + l] == NOBODY) ? (unsigned char)tap : winners[place + l]; })

static void NAME(window_gather)(const T *x, const unsigned char *winners, T *out, const Geometry *q)
    EACH_ROW(out[l] = 0, { out[place + l] = winners[place + l] == tap ? x[cell + l] : out[place + l]; })

static void NAME(window_scatter)(const T *g, const unsigned char *winners, T *out, const Geometry *q)
    EACH_CHANNEL({ out[cell + l] += winners[place + l] == tap ? g[place + l] : 0; })

static void NAME(window_sum)(const T *x, T *out, const Geometry *q)
    EACH_ROW(out[l] = 0, { out[place + l] += x[cell + l]; })

static void NAME(window_spread)(const T *g, T *out, const Geometry *q)
    EACH_CHANNEL({ out[cell + l] += g[place + l]; })

#undef EACH_TAP
#undef EACH_ROW
#undef EACH_CHANNEL

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

/* Each row of x (C, M) to mean 0 and variance 1, times weight, plus bias (either may be null). */
static void NAME(batch_norm)(const T *x, const T *weight, const T *bias, T *out, T *mean, T *var, double eps, long c,
                             long m) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long k = 0; k < c; k++) {
        const T *row = x + k * m;
        T *to = out + k * m;
        const T middle = (T)(NAME(row_sum)(row, 0, 0, 0, m) / m);
        const double spread = NAME(row_sum)(row, middle, row, middle, m) / m;
        const T scale = (T)((weight ? weight[k] : 1) / sqrt(spread + eps)), shift = bias ? bias[k] : 0;
        mean[k] = middle;
        var[k] = (T)spread;
        for (long l = 0; l < m; l++) to[l] = (row[l] - middle) * scale + shift;
    }
}

static void NAME(batch_norm_grad)(const T *g, const T *x, const T *weight, const T *mean, const T *var, T *dx, T *dw,
                                  T *db, double eps, long c, long m) {
#pragma omp parallel for schedule(static) num_threads(threads)
    for (long k = 0; k < c; k++) {
        const T *gs = g + k * m, *xs = x + k * m, middle = mean[k];
        T *to = dx + k * m;
        const double inverse = 1 / sqrt((double)var[k] + eps);
        const double sum = NAME(row_sum)(gs, 0, 0, 0, m);
        const double dot = NAME(row_sum)(gs, 0, xs, middle, m) * inverse;
        const double scale = (weight ? weight[k] : 1) * inverse;
        const T by_g = (T)scale, by_x = (T)(-scale * inverse * dot / m), shift = (T)(-scale * sum / m);
        dw[k] = (T)dot;
        db[k] = (T)sum;
        for (long l = 0; l < m; l++) to[l] = gs[l] * by_g + (xs[l] - middle) * by_x + shift;
    }
}

/* -------------------------------------------------------------------------------- elementwise */

static void NAME(relu)(const T *x, T *out, long m) {
#pragma omp parallel for schedule(static) num_threads(threads) if (m > SMALL)
    for (long l = 0; l < m; l++) out[l] = x[l] > 0 || x[l] != x[l] ? x[l] : 0;
}

static void NAME(relu_grad)(const T *g, const T *x, T *out, long m) {
#pragma omp parallel for schedule(static) num_threads(threads) if (m > SMALL)
    for (long l = 0; l < m; l++) out[l] = x[l] > 0 ? g[l] : 0;
}

#undef PART
#undef VECTOR
