/* Arrays in another order of their axes. */

#if REGISTER > 16 && REGISTER / LANES == 4
/* An 8 x 8 block turned around in registers.  Rows of `from` lie `step` bytes apart, of `to` `put` values. */
static inline void NAME(turn_block)(const char *from, long step, T *to, long put) {
    __m256 a[8], b[8];
    for (int k = 0; k < 8; k++) a[k] = _mm256_loadu_ps((const float *)(from + k * step));
    for (int k = 0; k < 4; k++) {
        b[2 * k] = _mm256_unpacklo_ps(a[2 * k], a[2 * k + 1]);
        b[2 * k + 1] = _mm256_unpackhi_ps(a[2 * k], a[2 * k + 1]);
    }
    for (int k = 0; k < 8; k += 4)
        for (int h = 0; h < 2; h++) {
            a[k + 2 * h] = _mm256_shuffle_ps(b[k + h], b[k + 2 + h], 0x44);
            a[k + 2 * h + 1] = _mm256_shuffle_ps(b[k + h], b[k + 2 + h], 0xee);
        }
    for (int k = 0; k < 4; k++) {
        _mm256_storeu_ps(to + k * put, _mm256_permute2f128_ps(a[k], a[k + 4], 0x20));
        _mm256_storeu_ps(to + (k + 4) * put, _mm256_permute2f128_ps(a[k], a[k + 4], 0x31));
    }
}
#define EDGE 8
#endif

/* to[r][c] = from[c][r]: rows of `from` lie `step` bytes apart, of `to` `put` values.  The last blocks overlap those before them. */
static void NAME(turn_around)(const char *from, long step, T *to, long put, long rows, long columns) {
#ifdef EDGE /* images (32, 64, 28, 28) to batch-innermost, one core: 2,200 to 430 us */
    if (rows >= EDGE && columns >= EDGE) {
        for (long c = 0; c < columns; c += EDGE)
            for (long r = 0, at = min(c, columns - EDGE); r < rows; r += EDGE) {
                const long top = min(r, rows - EDGE);
                NAME(turn_block)(from + at * step + top * (long)sizeof(T), step, to + top * put + at, put);
            }
        return;
    }
#endif
    for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++) to[r * put + c] = ((const T *)(from + c * step))[r];
}

/* An array with its axes in another order.  Item: TALL of the rows, which are the last axis but one, and PIECE of the columns. */
static void NAME(copy)(const Call *call, long begin, long end) {
    const Copying *c = &call->copying;
    const int last = c->axes - 1;
    const long rows = c->shape[last - 1], columns = c->shape[last], step = c->steps[last], put = c->puts[last - 1];
    const long parts = (rows + TALL - 1) / TALL, pieces = (columns + PIECE - 1) / PIECE;
    for (long item = begin; item < end; item++) {
        const long first = item % parts * TALL, column = item / parts % pieces * PIECE;
        const long height = min(TALL, rows - first), width = min(PIECE, columns - column);
        const char *from = c->from + first * c->steps[last - 1] + column * step;
        T *to = (T *)c->to + first * put + column;
        long left = item / parts / pieces;
        for (int axis = last - 2; axis >= 0; left /= c->shape[axis], axis--) {
            from += left % c->shape[axis] * c->steps[axis];
            to += left % c->shape[axis] * c->puts[axis];
        }
        if (step != sizeof(T) && c->steps[last - 1] == sizeof(T)) {
            NAME(turn_around)(from, step, to, put, height, width);
            continue;
        }
        for (long row = 0; row < height; row++, to += put) {
            const char *at = from + row * c->steps[last - 1];
            if (step == sizeof(T)) memcpy(to, at, width * sizeof(T));
            else for (long k = 0; k < width; k++, at += step) to[k] = *(const T *)at;
        }
    }
}
#undef EDGE
