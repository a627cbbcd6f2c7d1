/* Convolution of 3 x 3 windows that move by one, in tiles: the fewest multiplications that 2 x 2 outputs need, 16 instead of
 * 36, by F(2x2, 3x3) of Winograd (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016).
 *
 *   images      a 4 x 4 tile d of each channel                V = B^T d B
 *   filters     3 x 3 weights g                               U = G g G^T
 *   output      2 x 2 values of each filter                   A^T (sum over channels of U * V) A
 *   gradients   2 x 2 gradients e of each filter, and         G^T (sum over tiles of V * (A e A^T)) G
 *
 * The sums over channels, or over tiles, are matrix products, one for each of the 16 places of a tile.  A vector holds the
 * same place of the same tile in neighbouring images, so the transforms are additions of whole vectors.  Where the batch fills no
 * vectors, it holds neighbouring tiles of a row as well: even and odd columns are laid out apart, so that these lie in one run.
 *
 * Only float goes this way: double is what gradients are checked with.  A value that is not finite would spread over its
 * tile, so the loops look for such results, and the direct loops then compute everything again.
 *
 * Sums over a tile round relative to its largest values.  If one place of the window weighs over UNEVEN times as much as another,
 * in all channels of a filter together, outputs at the border that only the other reaches would be off by some percent: the direct
 * loops compute all of them.  They also compute 3 x 3 gradients again that differ by as much as UNEVEN_GRADIENT.
 */

#define AT(P) (*(V *)(P))

/* Where vector j of the tiles begins: row and column of its tile, image; if columns lie apart, its place in the row of tiles. */
static inline void NAME(tile)(const Geometry *q, long j, long *y, long *x, long *image) {
    const long at = j % q->vectors * LANES;
    *y = 2 * (j / q->vectors);
    *x = q->phases == 1 ? 2 * (at / q->n) : 0, *image = q->phases == 1 ? at % q->n : at;
}

static void NAME(report)(const Call *call, V wrong) {
    for (int l = 0; l < LANES; l++)
        if (wrong[l] != 0) atomic_store(call->wrong, 1);
}

/* Whether the largest of 9 values, none negative, is more than `limit` times the least. */
static inline int NAME(uneven)(const T *values, T limit) {
    T least = values[0], most = values[0];
    for (int t = 1; t < 9; t++) least = values[t] < least ? values[t] : least, most = values[t] > most ? values[t] : most;
    return least * limit < most;
}

/* The filters (F, C, 3, 3) as (F / FILTERS, 16, C, FILTERS).  Item: a filter, or zeros beyond the last. */
static void NAME(tile_filters)(const Call *call, long begin, long end) {
    const long c = call->q.c, f = call->q.f;
    for (long k = begin; k < end; k++) {
        T *u = (T *)call->filters + k / FILTERS * FILTERS * 16 * c + k % FILTERS;
        const T *g = (const T *)call->data[1] + k * c * 9;
        T weight[9] = {0};
        for (long i = 0; i < c; i++, u += FILTERS, g += 9) {
            T rows[4][3] = {{0}};
            if (k < f) for (int t = 0; t < 9; t++) weight[t] += (T)fabs(g[t]);
            for (int x = 0; x < 3 && k < f; x++) {
                const T ends = g[x] + g[6 + x];
                rows[0][x] = g[x], rows[3][x] = g[6 + x];
                rows[1][x] = (ends + g[3 + x]) / 2, rows[2][x] = (ends - g[3 + x]) / 2;
            }
            for (int y = 0; y < 4; y++) {
                const T *row = rows[y];
                const T ends = row[0] + row[2];
                const T found[4] = {row[0], (ends + row[1]) / 2, (ends - row[1]) / 2, row[2]};
                for (int x = 0; x < 4; x++) u[(4 * y + x) * c * FILTERS] = found[x];
            }
        }
        if (NAME(uneven)(weight, UNEVEN)) atomic_store(call->wrong, 1);
    }
}

/* The vector of tiles at x, whose odd columns lie `odd` behind the even ones: B^T d B, to 16 places `step` apart. */
static inline void NAME(tile_in)(const T *x, long row, long odd, long pair, T *to, long step) {
    V t[4][4];
    for (int k = 0; k < 4; k++) {
        const T *at = x + k % 2 * odd + k / 2 * pair;
        const V a = AT(at), b = AT(at + row), c = AT(at + 2 * row), d = AT(at + 3 * row);
        t[0][k] = a - c, t[1][k] = b + c, t[2][k] = c - b, t[3][k] = b - d;
    }
    for (int i = 0; i < 4; i++, to += 4 * step) {
        AT(to) = t[i][0] - t[i][2], AT(to + step) = t[i][1] + t[i][2];
        AT(to + 2 * step) = t[i][2] - t[i][1], AT(to + 3 * step) = t[i][1] - t[i][3];
    }
}

/* The sums at m: A^T m A times a scale plus a bias, to y[row][column].  Returns NaN where a value is not finite. */
static inline V NAME(tile_out)(const T *m, long step, T scale, T bias, V y[2][2]) {
    V s[2][4];
    for (int k = 0; k < 4; k++) {
        const V a = AT(m + k * step), b = AT(m + (4 + k) * step), c = AT(m + (8 + k) * step), d = AT(m + (12 + k) * step);
        s[0][k] = a + b + c, s[1][k] = b - c - d;
    }
    for (int i = 0; i < 2; i++)
        y[i][0] = (s[i][0] + s[i][1] + s[i][2]) * scale + bias, y[i][1] = (s[i][1] - s[i][2] - s[i][3]) * scale + bias;
    return 0 * y[0][0] + 0 * y[0][1] + 0 * y[1][0] + 0 * y[1][1];
}

/* One value of each tile, from `place` of a row of tiles on; their images lie one after the other, `side` columns apart. */
static void NAME(scatter_tiles)(T *row, V values, long n, long side, long columns, long place) {
    for (long l = 0, column = place / n * side, image = place % n; l < LANES && column < columns; l++) {
        row[column * n + image] = values[l];
        if (++image == n) image = 0, column += side;
    }
}

/* The tile y at row `top` and column `left` of a filter's images, to where they lie: as it is, or its maximum; relu if wanted. */
static inline void NAME(tile_store)(const Call *call, V y[2][2], T *out, long top, long left, long image) {
    const Geometry *q = &call->q;
    const V zero = {0};
    const long n = q->n, side = call->halved ? 1 : 2, rows = q->out[1] * side / 2, columns = q->out[2] * side / 2;
    for (int k = 1; k < 4 && call->halved; k++) y[0][0] = CHOOSE(y[k / 2][k % 2] > y[0][0], y[k / 2][k % 2], y[0][0]);
    top = top / 2 * side, left = left / 2 * side;
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < 2; k++) {
            if (max(i, k) >= side || top + i >= rows || left + k >= columns) continue;
            const V found = call->relu ? CHOOSE(y[i][k] > zero, y[i][k], zero) : y[i][k];
            T *row = out + ((top + i) * columns + left + k) * n;
            if (q->phases == 1) AT(row + image) = found;
            else NAME(scatter_tiles)(row, found, n, side, columns - k, image);
        }
}

/* FILTERS filters of m (16, FILTERS, run) = u (16, C, FILTERS) times v (16, C, run), whose places lie `in` apart. */
static void NAME(places)(const T *v, long in, const T *u, long c, T *m) {
    for (long place = 0; place < 16; place++, v += in) {
        V sum[FILTERS][TAPS] = {{{0}}};
        for (long i = 0; i < c; i++, u += FILTERS) {
            V value[TAPS];
            for (int t = 0; t < TAPS; t++) value[t] = AT(v + (i * TAPS + t) * LANES);
            UNROLL(8) for (int r = 0; r < FILTERS; r++)
                for (int t = 0; t < TAPS; t++) sum[r][t] += value[t] * u[r];
        }
        for (int r = 0; r < FILTERS; r++)
            for (int t = 0; t < TAPS; t++, m += LANES) AT(m) = sum[r][t];
    }
}

/* As correlate.  Item: `run` values of the tiles; the last overlaps the one before it. */
static void NAME(tiles)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const T *x = call->laid, *b = call->data[2], *scale = call->data[3];
    const long c = q->c, f = q->f, n = q->n, vectors = q->tiles[0] * q->vectors;
    const long in = c * TAPS * LANES + SKEW, sums = FILTERS * TAPS * LANES, channel = q->rows * q->row;
    const long plane = call->halved ? q->out[1] / 2 * (q->out[2] / 2) * n : q->out[1] * q->out[2] * n;
    const long odd = q->phases == 1 ? n : q->columns * n, pair = q->phases == 1 ? 2 * n : n;
    T *v = scratch_of(call), *m = v + 16 * in;
    V wrong = {0};
    for (long item = begin; item < end; item++) {
        const long first = min(item * TAPS, vectors - TAPS);
        long top[TAPS], left[TAPS], image[TAPS], from[TAPS];
        for (long j = 0; j < TAPS; j++) {
            NAME(tile)(q, first + j, &top[j], &left[j], &image[j]);
            from[j] = top[j] * q->row + left[j] * n + image[j];
        }
        for (long i = 0; i < c; i++)
            for (long j = 0; j < TAPS; j++)
                NAME(tile_in)(x + i * channel + from[j], q->row, odd, pair, v + (i * TAPS + j) * LANES, in);
        for (long k = 0; k < f; k += FILTERS) {
            NAME(places)(v, in, (T *)call->filters + k * 16 * c, c, m);
            for (long j = 0; j < TAPS; j++)
                for (long r = 0; r < min(FILTERS, f - k); r++) {
                    V y[2][2];
                    wrong += NAME(tile_out)(m + (r * TAPS + j) * LANES, sums, scale ? scale[k + r] : 1, b ? b[k + r] : 0, y);
                    NAME(tile_store)(call, y, (T *)call->out[0] + (k + r) * plane, top[j], left[j], image[j]);
                }
        }
    }
    NAME(report)(call, wrong);
}

/* -------------------------------------------------------------------------------- weight gradient */

/* Row i of B^T d B of a vector of tiles at x, to 4 places `step` apart. */
static inline void NAME(row_in)(const T *x, long row, long n, int i, T *to, long step) {
    const long one[] = {0, 1, 2, 1}, other[] = {2, 2, 1, 3};
    V t[4];
    for (int k = 0; k < 4; k++) {
        const V a = AT(x + one[i] * row + k * n), b = AT(x + other[i] * row + k * n);
        t[k] = i == 1 ? a + b : a - b;
    }
    AT(to) = t[0] - t[2], AT(to + step) = t[1] + t[2], AT(to + 2 * step) = t[2] - t[1], AT(to + 3 * step) = t[1] - t[3];
}

/* Row i of A e A^T of a vector of tiles at g, of which `rows` rows and `columns` columns belong to the output. */
static inline void NAME(row_gradient)(const T *g, long row, long n, int i, long rows, long columns, T *to, long step) {
    static const T above[] = {1, 1, 1, 0}, below[] = {0, 1, -1, -1};
    V e[2] = {{0}};
    for (int k = 0; k < 2 && k < columns; k++) {
        const V a = AT(g + k * n), b = rows > 1 ? AT(g + row + k * n) : (V){0};
        e[k] = above[i] * a + below[i] * b;
    }
    AT(to) = e[0], AT(to + step) = e[0] + e[1], AT(to + 2 * step) = e[0] - e[1], AT(to + 3 * step) = (V){0} - e[1];
}

/* The sums of neighbours in a, then in b. */
static inline V NAME(pairs)(V a, V b) {
#ifdef __clang__ /* which finds the shuffles by itself */
    V even, odd;
    for (int l = 0; l < LANES / 2; l++) even[l] = a[2 * l], even[l + LANES / 2] = b[2 * l];
    for (int l = 0; l < LANES / 2; l++) odd[l] = a[2 * l + 1], odd[l + LANES / 2] = b[2 * l + 1];
    return even + odd;
#else
    NAME(mask) even, odd;
    for (int l = 0; l < LANES; l++) even[l] = 2 * l, odd[l] = 2 * l + 1;
    return __builtin_shuffle(a, b, even) + __builtin_shuffle(a, b, odd);
#endif
}

/* Products of TAPS channels of v and FILTERS filters of e, rows of `count` vectors `run` apart, added up over the vectors and
 * their lanes, and added to (TAPS, FILTERS) values.  Rows beyond the last repeat it; nobody reads their sums. */
static inline void NAME(add_products)(const T *v, long taps, const T *e, long f, long run, long count, T *to) {
    const T *vs[TAPS], *es[FILTERS];
    for (int t = 0; t < TAPS; t++) vs[t] = v + min(t, taps - 1) * run;
    for (int k = 0; k < FILTERS; k++) es[k] = e + min(k, f - 1) * run;
    V sum[TAPS][FILTERS] = {{{0}}}, value[TAPS];
    for (long l = 0; l < count * LANES; l += LANES) {
        for (int t = 0; t < TAPS; t++) value[t] = AT(vs[t] + l);
        UNROLL(8) for (int k = 0; k < FILTERS; k++) {
            V gradient = AT(es[k] + l);
            IN_REGISTER(gradient);
            for (int t = 0; t < TAPS; t++) sum[t][k] += value[t] * gradient;
        }
    }
    for (int t = 0; t < TAPS; t++, to += FILTERS) {
        for (int many = FILTERS / 2; many; many /= 2)
            for (int k = 0; k < many; k++) sum[t][k] = NAME(pairs)(sum[t][2 * k], sum[t][2 * k + 1]);
        for (int left = LANES / FILTERS; left > 1; left /= 2) sum[t][0] = NAME(pairs)(sum[t][0], sum[t][0]);
        for (int k = 0; k < FILTERS; k++) to[k] += sum[t][0][k];
    }
}

/* sums (shares, 16, F / FILTERS, C / TAPS, TAPS, FILTERS) over shares of the tiles.  Item: a share. */
static void NAME(tile_weights)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const T *x = call->laid, *gradient = call->data[1];
    const long c = q->c, f = q->f, n = q->n, run = q->run, vectors = q->tiles[0] * q->vectors;
    const long row = q->out[2] * n, channel = q->rows * q->row, in = c * run + SKEW, out = f * run + SKEW;
    T *v = scratch_of(call), *e = v + 4 * in;
    const long blocks = (f + FILTERS - 1) / FILTERS, sets = (c + TAPS - 1) / TAPS, each = blocks * sets * FILTERS * TAPS;
    for (long item = begin; item < end; item++) {
        T *sums = (T *)call->filters + item * 16 * each;
        memset(sums, 0, 16 * each * sizeof(T));
        for (long first = vectors * item / q->shares, last = vectors * (item + 1) / q->shares; first < last; first += run / LANES) {
            const long count = min(run / LANES, last - first);
            long top[TILE_RUN], left[TILE_RUN], from[TILE_RUN], to[TILE_RUN];
            for (long j = 0; j < count; j++) {
                long image;
                NAME(tile)(q, first + j, &top[j], &left[j], &image);
                from[j] = top[j] * q->row + left[j] * n + image;
                to[j] = top[j] * row + left[j] * n + image;
            }
            T *to_sums = sums;
            UNROLL(4) for (int i = 0; i < 4; i++) {
                for (long k = 0; k < c; k++)
                    for (long j = 0; j < count; j++)
                        NAME(row_in)(x + k * channel + from[j], q->row, n, i, v + k * run + j * LANES, in);
                for (long k = 0; k < f; k++)
                    for (long j = 0; j < count; j++)
                        NAME(row_gradient)(gradient + k * q->out[1] * row + to[j], row, n, i, q->out[1] - top[j], q->out[2] - left[j],
                                           e + k * run + j * LANES, out);
                for (int place = 0; place < 4; place++)
                    for (long k = 0; k < f; k += FILTERS)
                        for (long t = 0; t < c; t += TAPS, to_sums += FILTERS * TAPS)
                            NAME(add_products)(v + place * in + t * run, c - t, e + place * out + k * run, f - k, run, count, to_sums);
            }
        }
    }
}

/* The gradients of the 3 x 3 weights of filter k in channel i, without tiles. */
static void NAME(gradient_directly)(const Call *call, long k, long i, T *w) {
    const Geometry *q = &call->q;
    const long run = q->out[2] * q->n, step = q->out[1] * run;
    const T *gradient = (const T *)call->data[1] + k * step;
    for (long t = 0; t < 9; t += TAPS) {
        NAME(vec) total[TAPS] = {{0}};
        NAME(outer)[1](call->laid, q->row_step, gradient, step, 1, q->out[1], run, q->offsets + i * 9 + t, min(TAPS, 9 - t), total);
        NAME(collect)(total, 1, min(TAPS, 9 - t), w + t, 0);
    }
}

/* The weights' gradient (F, C, 3, 3) = G^T sums G.  Item: a filter. */
static void NAME(tile_gradient)(const Call *call, long begin, long end) {
    const long c = call->q.c, blocks = (call->q.f + FILTERS - 1) / FILTERS, sets = (c + TAPS - 1) / TAPS;
    const long each = blocks * sets * FILTERS * TAPS;
    V wrong = {0};
    for (long k = begin, lost = 0; k < end; k++, lost = 0)
        for (long i = 0; i < c && 4 * lost <= c; i++) {
            const T *u = (T *)call->filters + ((k / FILTERS * sets + i / TAPS) * TAPS + i % TAPS) * FILTERS + k % FILTERS;
            T *w = (T *)call->out[0] + (k * c + i) * 9, rows[3][4], sizes[9];
            for (int x = 0; x < 4; x++) {
                T sums[4] = {0};
                for (long share = 0; share < call->q.shares; share++)
                    for (int y = 0; y < 4; y++) sums[y] += u[(share * 16 + 4 * y + x) * each];
                const T sum = (sums[1] + sums[2]) / 2;
                rows[0][x] = sums[0] + sum, rows[1][x] = (sums[1] - sums[2]) / 2, rows[2][x] = sum + sums[3];
            }
            for (int y = 0; y < 3; y++) {
                const T *r = rows[y];
                const T sum = (r[1] + r[2]) / 2;
                w[3 * y] = r[0] + sum, w[3 * y + 1] = (r[1] - r[2]) / 2, w[3 * y + 2] = sum + r[3];
                wrong[0] += 0 * (w[3 * y] + w[3 * y + 1] + w[3 * y + 2]);
            }
            for (int x = 0; x < 9; x++) sizes[x] = (T)fabs(w[x]);
            if (!NAME(uneven)(sizes, UNEVEN_GRADIENT)) continue;
            if (4 * ++lost > c) wrong[0] = NAN; /* one by one they would take longer than all together */
            else NAME(gradient_directly)(call, k, i, w);
        }
    NAME(report)(call, wrong);
}
