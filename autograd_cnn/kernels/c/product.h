/* Products of matrices, out = a @ b, of stacks of them.  The sums of a block of ROWS x 2 vectors stay in registers.  b is packed
 * first into panels as wide as two vectors, whose rows lie one after the other, and a into panels of ROWS where its values along
 * a sum lie apart: reading a matrix by rows a power of two apart would find few sets of the cache. */

#if REGISTER == 64
#define ROWS 8
#else
#define ROWS 6
#endif
#define PAIR (2 * LANES)

/* Values (rows, columns), `down` and `across` apart, as panels (rows, width) of `width` columns each; zeros fill the last vector. */
static inline __attribute__((always_inline)) void NAME(pack)(const T *from, long down, long across, long rows, long columns,
                                                            const long width, T *to) {
    for (; columns > 0; columns -= width, from += width * across, to += rows * width) {
        const long count = min(width, columns);
        if (across != 1 && count < width) memset(to, 0, rows * width * sizeof(T));
        if (down == 1) NAME(turn_around)((const char *)from, across * (long)sizeof(T), to, width, rows, count);
        else if (across == 1 && count == width)
            for (long t = 0; t < rows; t++)
                for (long k = 0; k < width; k++) to[t * width + k] = from[t * down + k];
        else if (across == 1 && width % LANES == 0)
            for (long t = 0; t < rows; t++)
                for (long k = 0; k < count; k += LANES)
                    *(NAME(vec) *)(to + t * width + k) = NAME(some)(from + t * down + k, min(LANES, count - k));
        else
            for (long c = 0; c < count; c++)
                for (long t = 0; t < rows; t++) to[t * width + c] = from[t * down + c * across];
    }
}

/* f of COUNT rows over WIDTH vectors, of which `columns` values count: the sums of `depth` products, added to what is there if there
 * is `more`.  Values of a lie `down` from one row to the next and `across` within a row; rows of b begin at offsets, those of the
 * result lie `apart`. */
#define SUMS_OF(COUNT, WIDTH)                                                                                              \
    static void NAME(JOIN(sums_, COUNT, _##WIDTH))(const T *a, long down, long across, const T *b, const long *offsets,   \
                                                   long depth, T *out, long apart, long f, long columns, int more) {      \
        NAME(vec) sum[COUNT][WIDTH];                                                                                      \
        const T *from[COUNT];                                                                                             \
        for (int r = 0; r < COUNT; r++) {                                                                                 \
            from[r] = a + min(r, f - 1) * down;                                                                           \
            for (int v = 0; v < WIDTH; v++) {                                                                             \
                const T *at = out + min(r, f - 1) * apart + v * LANES;                                                    \
                sum[r][v] = more ? NAME(some)(at, min(LANES, columns - v * LANES)) : (NAME(vec)){0};                      \
            }                                                                                                             \
        }                                                                                                                 \
        for (long t = 0, u = 0; t < depth; t++, u += across) {                                                            \
            NAME(vec) value[WIDTH];                                                                                       \
            for (int v = 0; v < WIDTH; v++) value[v] = ((const NAME(vec) *)(b + offsets[t]))[v];                          \
            UNROLL(8) for (int r = 0; r < COUNT; r++)                                                                     \
                for (int v = 0; v < WIDTH; v++) sum[r][v] += value[v] * from[r][u];                                       \
        }                                                                                                                 \
        for (int r = 0; r < f; r++)                                                                                       \
            for (int v = 0; v < WIDTH; v++) NAME(put)(out + r * apart + v * LANES, sum[r][v], min(LANES, columns - v * LANES)); \
    }
SUMS_OF(1, 8)
SUMS_OF(1, 2)
SUMS_OF(4, 2)
SUMS_OF(ROWS, 2)
SUMS_OF(1, 1)
SUMS_OF(4, 1)
SUMS_OF(ROWS, 1)

typedef void (*NAME(Sums))(const T *, long, long, const T *, const long *, long, T *, long, long, long, int);

/* The one for f rows of so many columns, up to ROWS and two vectors; a single row may have 8 vectors. */
static NAME(Sums) NAME(sums)(long f, long columns) {
    if (columns > PAIR) return NAME(sums_1_8);
    if (columns > LANES) return f == 1 ? NAME(sums_1_2) : f <= 4 ? NAME(sums_4_2) : NAME(JOIN(sums_, ROWS, _2));
    return f == 1 ? NAME(sums_1_1) : f <= 4 ? NAME(sums_4_1) : NAME(JOIN(sums_, ROWS, _1));
}

/* What comes after the sums of a block: scales and biases, of its rows or of its columns, and relu. */
static void NAME(finish_block)(const Call *call, T *out, long apart, long row, long column, long rows, long columns) {
    const int by_row = call->product.by_row;
    const T *scale = call->data[3], *bias = call->data[2];
    for (long r = 0; r < rows; r++, out += apart) {
        const T factor = by_row && scale ? scale[row + r] : 1, offset = by_row && bias ? bias[row + r] : 0;
        for (long c = 0; by_row && c < columns; c++) out[c] = out[c] * factor + offset;
        for (long c = 0; !by_row && scale && c < columns; c++) out[c] *= scale[column + c];
        for (long c = 0; !by_row && bias && c < columns; c++) out[c] += bias[column + c];
        if (call->relu) for (long c = 0; c < columns; c++) out[c] = NAME(positive)(out[c]);
    }
}

/* Go to the matrices of one product of the stack. */
static void NAME(place)(const Product *p, long which, const T **a, const T **b) {
    *a = p->a.data, *b = p->b.data;
    for (int axis = p->axes - 1; axis >= 0; which /= p->shape[axis], axis--) {
        *a += which % p->shape[axis] * p->a.steps[axis];
        *b += which % p->shape[axis] * p->b.steps[axis];
    }
}

/* Item: `high` rows of BROAD columns of one product of the stack. */
static void NAME(product)(const Call *call, long begin, long end) {
    const Product *p = &call->product;
    const long columns = (p->n + BROAD - 1) / BROAD, lines = (p->m + p->high - 1) / p->high, a_down = p->a.down, b_across = p->b.across;
    const int a_packs = p->a_packs, b_packs = p->b_packs;
    const int finishes = call->data[2] || call->data[3] || call->relu;
    const long group = p->k < SHALLOW ? ROWS : GROUP, down = a_packs ? 1 : a_down, across = a_packs ? ROWS : p->a.across;
    T *const panels = scratch_of(call), *const packed = panels + min(BROAD, p->n + PAIR) * min(DEEP, p->k);
    long in_panel[DEEP], in_b[DEEP];
    for (long t = 0; t < min(DEEP, p->k); t++) in_panel[t] = t * PAIR, in_b[t] = t * p->b.down;
    for (long item = begin; item < end; item++) {
        const long column = item % columns * BROAD, broad = min(BROAD, p->n - column), whole = b_packs ? 0 : broad / LANES * LANES;
        const long line = item / columns % lines * p->high, last = min(line + p->high, p->m);
        const T *a, *b;
        T *const out = (T *)call->out[0] + item / columns / lines * p->m * p->n + column;
        NAME(place)(p, item / columns / lines, &a, &b);
        b += column * b_across;
        for (long r = line; p->k == 1 && b_across == 1 && r < last; r++) { /* 1,024 x 1 x 1,024: 330 to 110 us */
            T *const to = out + r * p->n;
            for (long c = 0; c < broad; c++) to[c] = a[r * a_down] * b[c];
            if (finishes) NAME(finish_block)(call, to, p->n, r, column, 1, broad);
        }
        if (p->k == 1 && b_across == 1) continue;
        for (long deep = 0; deep < p->k; deep += DEEP, a += DEEP * p->a.across, b += DEEP * p->b.down) {
            const long depth = min(DEEP, p->k - deep);
            NAME(pack)(b + whole * b_across, p->b.down, b_across, depth, broad - whole, PAIR, panels);
            for (long top = line; top < last; top += group) {
                const long rows = min(group, last - top);
                if (a_packs) NAME(pack)(a + top * a_down, p->a.across, a_down, depth, rows, ROWS, packed);
                for (long c = 0, width; c < broad; c += width) {
                    width = min(PAIR, (c < whole ? whole : broad) - c);
                    if (p->m == 1 && c + 8 * LANES <= whole) width = 8 * LANES;
                    for (long r = 0; r < rows; r += ROWS) {
                        const long f = min(ROWS, rows - r);
                        T *const to = out + (top + r) * p->n + c;
                        NAME(sums)(f, width)(a_packs ? packed + r * depth : a + (top + r) * a_down, down, across,
                                             c < whole ? b + c : panels + (c - whole) * depth, c < whole ? in_b : in_panel,
                                             depth, to, p->n, f, width, deep > 0);
                        if (finishes && deep + depth == p->k) NAME(finish_block)(call, to, p->n, top + r, column + c, f, width);
                    }
                }
            }
        }
    }
}

/* Products of few columns, as sums of lanes: the rows of a and the columns of b lie in one piece.  Item: a block of rows. */
static void NAME(dots)(const Call *call, long begin, long end) {
    const Product *p = &call->product;
    const long blocks = (p->m + FILTERS - 1) / FILTERS;
    for (long item = begin; item < end; item++) {
        const long first = item % blocks * FILTERS, f = min(FILTERS, p->m - first);
        const T *a, *b;
        T sums[FILTERS * TAPS], *out = (T *)call->out[0] + item / blocks * p->m * p->n + first * p->out_down;
        NAME(place)(p, item / blocks, &a, &b);
        for (long at = 0; at < p->n; at += TAPS, out += TAPS * p->out_across) {
            NAME(vec) total[FILTERS * TAPS] = {{0}};
            const long taps = min(TAPS, p->n - at), columns[] = {0, p->b.across, 2 * p->b.across};
            NAME(outer)[f](b + at * p->b.across, 0, a + first * p->a.down, p->a.down, f, 1, p->k, columns, taps, total);
            NAME(collect)(total, f, taps, sums, TAPS);
            NAME(finish_block)(call, sums, TAPS, first, at, f, taps);
            for (long r = 0; r < f; r++)
                for (long c = 0; c < taps; c++) out[r * p->out_down + c * p->out_across] = sums[r * TAPS + c];
        }
    }
}
#undef ROWS
