/* Convolution sums taps: out[f][l] = b[f] + sum over t of w[f][t] * x[offset[t] + l], for rows of neighbouring values l.
 * offset[t] leads from a position to the value that tap t sees.
 */

/* ---------------------------------------------------------------------------------- laying out images */

/* A row of images with their padding, columns sorted by phase (column modulo stride), so that a window moves by one whatever
 * the stride: (phases, columns, N). */
static void NAME(lay_row)(const Geometry *q, const void *images, long c, long z, long y, T *to) {
    const long n = q->n, phases = q->phases, before = q->margin[2], column = q->steps[4], image = q->steps[0], value = sizeof(T);
    z -= q->margin[0], y -= q->margin[1];
    memset(to + phases * q->columns * n, 0, (q->row - phases * q->columns * n) * sizeof(T)); /* tiles may go beyond the last column */
    if (z < 0 || z >= q->size[0] || y < 0 || y >= q->size[1]) {
        memset(to, 0, phases * q->columns * n * sizeof(T));
        return;
    }
    const char *line = (const char *)images + c * q->steps[1] + z * q->steps[2] + y * q->steps[3];
    for (long p = 0; p < phases; p++, to += q->columns * n) {
        const long first = min(q->columns, max(0, (before - p + phases - 1) / phases)); /* the columns before it are padding, ... */
        const long last = min(q->columns, max(first, (q->size[2] + before - p + phases - 1) / phases)); /* ... and those from it on */
        const char *from = line + (first * phases + p - before) * column;
        memset(to, 0, first * n * sizeof(T));
        memset(to + last * n, 0, (q->columns - last) * n * sizeof(T));
        if (phases == 1 && image == value && column == n * value) memcpy(to + first * n, from, (last - first) * n * sizeof(T));
        else if (phases == 1 && column == value) NAME(turn_around)(from, image, to + first * n, n, last - first, n);
        else for (long k = first; k < last; k++, from += phases * column)
            if (image == value && n >= LANES) memcpy(to + k * n, from, n * sizeof(T)); /* 3 x 3 with stride 2, batch 32: 4.4 to 3.9 ms */
            else for (long l = 0; l < n; l++) to[k * n + l] = *(const T *)(from + l * image);
    }
}

/* Images laid out so: (C, slabs, rows, phases, columns, N).  Item: a row. */
static void NAME(lay_out)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    for (long item = begin; item < end; item++)
        NAME(lay_row)(q, call->data[0], item / (q->slabs * q->rows), item / q->rows % q->slabs, item % q->rows, (T *)call->laid + item * q->row);
}

/* Filters (G, F / G, C / G, cells) for the gradient in the images: (G, C / G, the taps of each class).  Item: a channel. */
static void NAME(turn_filters)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const long per = q->f / q->groups, cells = q->taps / q->each;
    for (long item = begin; item < end; item++) {
        const T *from = (const T *)call->data[1] + (item / per * q->each * per + item % per) * cells;
        T *to = (T *)call->filters + item * q->taps;
        for (long t = 0; t < q->taps; t++) to[t] = from[q->sources[t]];
    }
}

/* -------------------------------------------------------------------------------------- sums over taps */

/* ROWS filters over WIDTH vectors of a row; the sums stay in registers over all taps.  They begin with b, or with what stands in
 * out. */
#define MICRO(SUFFIX, ROWS, VT, WIDTH)                                                                          \
    static void NAME(SUFFIX##_##ROWS)(const T *x, const Taps *taps, const T *const *w, const T *b, T *out, long step, long f) { \
        VT sum[ROWS][WIDTH];                                                                                    \
        const T *from[ROWS];                                                                                    \
        for (int k = 0; k < ROWS; k++) {                                                                        \
            from[k] = w[min(k, f - 1)];                                                                         \
            for (int v = 0; v < WIDTH; v++)                                                                     \
                if (b) sum[k][v] = (VT){0} + b[k];                                                              \
                else sum[k][v] = ((VT *)(out + min(k, f - 1) * step))[v];                                       \
        }                                                                                                       \
        const long *offset = taps->offsets;                                                                     \
        for (long line = taps->lines, u = 0; line--; u += taps->hop)                                            \
            for (const long *end = offset + taps->taps; offset < end; offset++, u++) {                          \
                const VT *at = (const VT *)(x + *offset);                                                       \
                VT value[WIDTH];                                                                                \
                for (int v = 0; v < WIDTH; v++) value[v] = at[v];                                               \
                UNROLL(8) for (int k = 0; k < ROWS; k++)                                                        \
                    for (int v = 0; v < WIDTH; v++) sum[k][v] += value[v] * from[k][u];                         \
            }                                                                                                   \
        for (int k = 0; k < f; k++)                                                                             \
            for (int v = 0; v < WIDTH; v++) ((VT *)(out + k * step))[v] = sum[k][v];                            \
    }
#define MICROS(ROWS)                   \
    MICRO(three, ROWS, NAME(vec), 3)   \
    MICRO(two, ROWS, NAME(vec), 2)     \
    MICRO(one, ROWS, NAME(vec), 1)     \
    MICRO(half, ROWS, NAME(half), 1)   \
    MICRO(quarter, ROWS, NAME(quarter), 1) \
    MICRO(single, ROWS, T, 1)
MICROS(1)
MICROS(2)
MICROS(4)
MICRO(eight, 1, NAME(vec), 8)
MICRO(four, 2, NAME(vec), 4)
#if FILTERS == 8
MICROS(8)
#endif
#define MOST(SUFFIX) NAME(JOIN(SUFFIX##_, FILTERS, ))

typedef void (*NAME(Micro))(const T *, const Taps *, const T *const *, const T *, T *, long, long);
#define SIZES(SUFFIX) {NAME(SUFFIX##_1), NAME(SUFFIX##_1), NAME(SUFFIX##_2), NAME(SUFFIX##_4), NAME(SUFFIX##_4), \
                       MOST(SUFFIX), MOST(SUFFIX), MOST(SUFFIX), MOST(SUFFIX)}

/* A row of `run` values for f filters.  The last vector overlaps those before it: it writes the same values again.  Without b, the
 * row must fill vectors. */
static void NAME(sweep)(const T *x, const Taps *taps, const T *const *w, const T *b, T *out, long step, long f, long run) {
    static const NAME(Micro) three[] = SIZES(three), two[] = SIZES(two), one[] = SIZES(one), half[] = SIZES(half), quarter[] = SIZES(quarter),
                             single[] = SIZES(single);
    const NAME(Micro) last = run >= LANES ? one[f] : run >= PART(2) ? half[f] : run >= PART(4) ? quarter[f] : single[f];
    const long length = run >= LANES ? LANES : run >= PART(2) ? PART(2) : run >= PART(4) ? PART(4) : 1;
    long l = 0;
    for (; f == 1 && l + 8 * LANES <= run; l += 8 * LANES) NAME(eight_1)(x + l, taps, w, b, out + l, step, f);
    for (; f == 2 && l + 4 * LANES <= run; l += 4 * LANES) NAME(four_2)(x + l, taps, w, b, out + l, step, f);
    for (; l + 3 * LANES <= run; l += 3 * LANES) three[f](x + l, taps, w, b, out + l, step, f);
    for (; l + 2 * LANES <= run; l += 2 * LANES) two[f](x + l, taps, w, b, out + l, step, f);
    for (; l < run; l += length) {
        const long at = min(l, run - length);
        last(x + at, taps, w, b, out + at, step, f);
    }
}

/* The sums of filters first, first + 1, ...: f rows of `count` values, `step` apart, times the filters' scales, plus their
 * biases, if there are scales. */
static void NAME(scaled)(const Call *call, T *rows, long first, long f, long step, long count) {
    const T *scale = call->data[3], *b = call->data[2];
    for (long k = 0; scale && k < f; k++, rows += step) {
        const T factor = scale[first + k], offset = b ? b[first + k] : 0;
        for (long l = 0; l < count; l++) rows[l] = rows[l] * factor + offset;
    }
}

/* relu of such rows, if wanted. */
static void NAME(clip)(const Call *call, T *rows, long f, long step, long count) {
    for (long k = 0; call->relu && k < f; k++, rows += step)
        for (long l = 0; l < count; l++) rows[l] = NAME(positive)(rows[l]);
}

/* What comes after the sums: scales and relu. */
static void NAME(finish)(const Call *call, T *rows, long first, long f, long step, long count) {
    NAME(scaled)(call, rows, first, f, step, count);
    NAME(clip)(call, rows, f, step, count);
}

/* The biases of f filters, with which their sums begin unless a scale comes in between. */
static void NAME(begin_sums)(const Call *call, long first, long f, T *start) {
    for (long k = 0; k < FILTERS; k++) start[k] = k < f && call->data[2] && !call->data[3] ? ((T *)call->data[2])[first + k] : 0;
}

/* laid-out images correlated with filters, and what finishes it.  Item: a row of the output for a block of filters; all blocks
 * come before the next row, so that they find the images in the cache (S4's second convolution at batch 128: 163 to 190 GFLOP/s). */
static void NAME(correlate)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const T *x = call->laid, *w = call->data[1];
    const long per = q->f / q->groups, blocks = (per + FILTERS - 1) / FILTERS, run = q->out[2] * q->n;
    const long rows = q->out[0] * q->out[1], step = rows * run;
    const Taps taps = {q->offsets, q->taps, 1, 0};
    for (long item = begin; item < end; item++) {
        const long row = item / blocks % rows, g = item / blocks / rows;
        const long first = g * per + item % blocks * FILTERS, f = min(FILTERS, (g + 1) * per - first);
        const T *filters[FILTERS];
        T bias[FILTERS], *to = (T *)call->out[0] + first * step + row * run;
        for (long k = 0; k < f; k++) filters[k] = w + (first + k) * q->taps;
        NAME(begin_sums)(call, first, f, bias);
        NAME(sweep)(x + g * q->group_step + row / q->out[1] * q->slab_step + row % q->out[1] * q->row_step, &taps,
                    filters, bias, to, step, f, run);
        NAME(finish)(call, to, first, f, step, run);
    }
}

/* The largest of 2 x 2 values for each of `columns` pairs of columns of N values, from two rows. */
static void NAME(halve)(T *restrict upper, const T *restrict lower, long columns, long n, T *restrict out) {
    for (long l = 0; l < 2 * columns * n; l++) upper[l] = NAME(larger)(upper[l], lower[l]);
#define PAIRS(N)                       \
    for (long c = 0; c < columns; c++) \
        for (long l = 0; l < (N); l++) out[c * (N) + l] = NAME(larger)(upper[2 * c * (N) + l], upper[(2 * c + 1) * (N) + l]);
    if (n == 1) PAIRS(1) else PAIRS(n) /* 1 to 16 channels, 28 x 28, one image: 37 to 15 us */
#undef PAIRS
}

/* As correlate, then the maximum of windows of 2 x 2.  Item: a row of the result for a block of filters, computed in pieces of
 * an even number of columns whose two rows stay in the cache. */
static void NAME(correlate_halved)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const T *x = call->laid, *w = call->data[1];
    const long per = q->f / q->groups, blocks = (per + FILTERS - 1) / FILTERS, n = q->n;
    const long rows = q->out[1] / 2, columns = q->out[2] / 2, step = rows * columns * n, piece = q->run / (2 * n);
    const Taps taps = {q->offsets, q->taps, 1, 0};
    T *upper = scratch_of(call), *lower = upper + FILTERS * q->run;
    for (long item = begin; item < end; item++) {
        const long row = item / blocks % rows, g = item / blocks / rows;
        const long first = g * per + item % blocks * FILTERS, f = min(FILTERS, (g + 1) * per - first);
        const T *filters[FILTERS], *from = x + g * q->group_step + 2 * row * q->row_step;
        T bias[FILTERS];
        for (long k = 0; k < f; k++) filters[k] = w + (first + k) * q->taps;
        NAME(begin_sums)(call, first, f, bias);
        for (long c = 0; c < columns; c += piece) {
            const long count = min(piece, columns - c), run = 2 * count * n;
            T *out = (T *)call->out[0] + first * step + (row * columns + c) * n;
            NAME(sweep)(from + 2 * c * n, &taps, filters, bias, upper, run, f, run);
            NAME(sweep)(from + 2 * c * n + q->row_step, &taps, filters, bias, lower, run, f, run);
            NAME(scaled)(call, upper, first, f, run, run);
            NAME(scaled)(call, lower, first, f, run, run);
            for (long k = 0; k < f; k++) NAME(halve)(upper + k * run, lower + k * run, count, n, out + k * step);
            NAME(clip)(call, out, f, step, count * n);
        }
    }
}

/* --------------------------------------------------------------------------------- sums over positions */

/* Sums over positions of ROWS gradients times TAPS taps, added to ROWS x TAPS vectors: `lines` lines of `run`
 * positions, x_step apart in the images.  Gradients and taps beyond the last repeat it; nobody reads their sums. */
#define OUTER(SUFFIX, ROWS, TAPS)                                                                               \
    static void NAME(SUFFIX##_##ROWS)(const T *x, long x_step, const T *g, long step, long f, long lines, long run, \
                                   const long *offsets, long taps, NAME(vec) *total) {                          \
        NAME(vec) sum[ROWS][TAPS], value[TAPS];                                                                 \
        const T *xs[TAPS], *gs[ROWS];                                                                           \
        for (int t = 0; t < TAPS; t++) xs[t] = x + offsets[min(t, taps - 1)];                                   \
        for (int k = 0; k < ROWS; k++) gs[k] = g + min(k, f - 1) * step;                                        \
        for (int k = 0; k < ROWS; k++)                                                                          \
            for (int t = 0; t < TAPS; t++) sum[k][t] = total[k * TAPS + t];                                     \
        for (long line = 0; line < lines; line++) {                                                             \
            long l = 0;                                                                                         \
            for (; l + LANES <= run; l += LANES) {                                                              \
                for (int t = 0; t < TAPS; t++) value[t] = *(const NAME(vec) *)(xs[t] + l);                      \
                UNROLL(8) for (int k = 0; k < ROWS; k++) {                                       \
                    NAME(vec) gradient = *(const NAME(vec) *)(gs[k] + l);                                       \
                    IN_REGISTER(gradient);                                                                      \
                    for (int t = 0; t < TAPS; t++) sum[k][t] += gradient * value[t];                            \
                }                                                                                               \
            }                                                                                                   \
            if (l < run) {                                                                                      \
                for (int t = 0; t < TAPS; t++) value[t] = NAME(tail)(xs[t] + l, run - l);                       \
                UNROLL(8) for (int k = 0; k < ROWS; k++) {                                       \
                    const NAME(vec) gradient = NAME(tail)(gs[k] + l, run - l);                                  \
                    for (int t = 0; t < TAPS; t++) sum[k][t] += gradient * value[t];                            \
                }                                                                                               \
            }                                                                                                   \
            for (int t = 0; t < TAPS; t++) xs[t] += x_step;                                                     \
            for (int k = 0; k < ROWS; k++) gs[k] += run;                                                        \
        }                                                                                                       \
        for (int k = 0; k < ROWS; k++)                                                                          \
            for (int t = 0; t < TAPS; t++) total[k * TAPS + t] = sum[k][t];                                     \
    }
OUTER(column, 1, COLUMN)
OUTER(outer, 1, TAPS)
OUTER(outer, 2, TAPS)
OUTER(outer, 4, TAPS)
#if FILTERS == 8
OUTER(outer, 8, TAPS)
#endif
#undef OUTER

typedef void (*NAME(Outer))(const T *, long, const T *, long, long, long, long, const long *, long, NAME(vec) *);
static const NAME(Outer) NAME(outer)[] = SIZES(outer);

/* The lanes of a vector added up, by halves: one after the other they would wait for each other. */
static inline T NAME(lanes_sum)(NAME(vec) lanes) {
    const NAME(half) *halves = (const NAME(half) *)&lanes;
    const NAME(half) two = halves[0] + halves[1];
    if (LANES == 2) return two[0];
    const NAME(quarter) *quarters = (const NAME(quarter) *)&two;
    const NAME(quarter) four = quarters[0] + quarters[1];
    T sum = 0;
    for (int l = 0; l < PART(4); l++) sum += four[l];
    return sum;
}

/* The lanes of f x taps sums added up, into rows `step` apart. */
static void NAME(collect)(const NAME(vec) *total, long f, long taps, T *out, long step) {
    for (long k = 0; k < f; k++)
        for (long t = 0; t < taps; t++)
            out[k * step + t] = NAME(lanes_sum)(total[k * TAPS + t]);
}

/* w (F, C / groups, taps) = laid-out images correlated with g (F, rows, run).  Item: a block of filters and
 * `sets` sets of taps, for which it goes through the positions in pieces of rows that stay in the cache. */
static void NAME(weights)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const T *x = call->laid, *gradient = call->data[1];
    const long per = q->f / q->groups, blocks = (per + FILTERS - 1) / FILTERS, run = q->out[2] * q->n;
    const long all = q->out[0] * q->out[1], step = all * run, sets = (q->taps + TAPS - 1) / TAPS;
    const long rows = max(1, CACHE / (long)sizeof(T) / FILTERS / max(1, run));
    NAME(vec) totals[MOST_SETS][FILTERS * TAPS];
    for (long item = begin; item < end; item++) {
        const long shares = (sets + q->sets - 1) / q->sets, block = item / shares, g = block / blocks;
        const long low = item % shares * q->sets, high = min(low + q->sets, sets);
        const long first = g * per + block % blocks * FILTERS, f = min(FILTERS, (g + 1) * per - first);
        memset(totals, 0, sizeof totals);
        for (long top = 0, lines; top < all; top += lines) {
            const long slab = top / q->out[1], row = top % q->out[1];
            lines = min(rows, q->out[1] - row);
            for (long set = low; set < high; set++)
                NAME(outer)[f](x + g * q->group_step + slab * q->slab_step + row * q->row_step, q->row_step,
                               gradient + first * step + top * run, step, f, lines, run, q->offsets + set * TAPS,
                               min(TAPS, q->taps - set * TAPS), totals[set - low]);
        }
        for (long set = low; set < high; set++)
            NAME(collect)(totals[set - low], f, min(TAPS, q->taps - set * TAPS),
                          (T *)call->out[0] + first * q->taps + set * TAPS, q->taps);
    }
}
