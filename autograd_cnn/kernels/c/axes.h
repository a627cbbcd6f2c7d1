/* Sums and running sums along axes, values weighed along an axis, and rows added by number: of rows, see lines.h, if not said else. */

static void NAME(axis_sum)(const Call *call, long begin, long end) {
    NAME(vec) sums[SIDES] = {{0}}, sums_too[1];
    EACH_SIDE(begin, end,
        const T *x = (const T *)call->data[0] + base;
        ZEROS(total)
        if (beside < 16) TOTAL(0, length, total, VALUES(x))
        for (long k = 0, stop; beside >= 16 && k < length;) { /* 4 values of each row at a time: 2.4 times as fast as above */
            T part[SIDE] = {0};
            for (stop = min(length, k + 256); k + 4 <= stop; k += 4) {
                const T *at = x + k * beside, *below = at + 2 * beside;
                for (long j = 0; j < n; j++) part[j] += (at[j] + at[beside + j]) + (below[j] + below[beside + j]);
            }
            for (; k < stop; k++)
                for (long j = 0; j < n; j++) part[j] += x[k * beside + j];
            for (long j = 0; j < n; j++) total[j] += part[j];
        }
        for (long j = 0; j < n; j++) ((T *)call->out[0])[row + j] = (T)total[j];
    )
}

/* Item: rows side by side, or 4 that are contiguous: an addition waits for the one before it, not for another row's. */
static void NAME(cumsum)(const Call *call, long begin, long end) {
    const long length = call->lines.length, beside = call->lines.beside, side = call->lines.side, blocks = (beside + side - 1) / side;
    const long back = call->numbers[1], step = back ? -beside : beside;
    for (long item = begin; item < end; item++) {
        const long from = item % blocks * side, count = beside > 1 ? min(side, beside - from) : min(4, call->lines.outer - item * 4);
        const long first = beside > 1 ? item / blocks * length * beside + from : item * 4 * length;
        const T *x = (const T *)call->data[0] + first + (back ? (length - 1) * beside : 0);
        T *restrict out = (T *)call->out[0] + (x - (const T *)call->data[0]), sum[SIDE] = {0};
        if (beside > 1)
            for (long k = 0; k < length; k++)
                for (long j = 0; j < count; j++) out[k * step + j] = sum[j] += x[k * step + j];
        else if (count == 4)
            for (long k = 0; k < length; k++)
                for (int j = 0; j < 4; j++) out[k * step + j * length] = sum[j] += x[k * step + j * length];
        else
            for (long j = 0; j < count; j++)
                for (long k = 0; k < length; k++) out[k * step + j * length] = sum[j] += x[k * step + j * length];
    }
}

/* Values along an axis, blocks of `width`, weighed by the rows of a matrix, which are 0 but for a band each. */
static inline void NAME(weigh)(const Call *call, const long *bands, const T *x, T *restrict out, long width) {
    const T *weights = call->data[1];
    for (long i = 0; i < call->view[1].shape[0]; i++, out += width, weights += call->lines.length) {
        const long first = bands[2 * i], last = bands[2 * i + 1];
        const T *at = x + first * width;
        if (first == last) memset(out, 0, width * sizeof(T));
        else if (last == first + 1) for (long l = 0; l < width; l++) out[l] = weights[first] * at[l];
        else for (long l = 0; l < width; l++) out[l] = weights[first] * at[l] + weights[first + 1] * at[width + l];
        for (long k = first + 2; k < last; k++)
            for (long l = 0; l < width; l++) out[l] += weights[k] * x[k * width + l];
    }
}

/* Item: the rows of a block; or, if they are contiguous, SQUARE of them, turned around to lie side by side. */
static void NAME(banded)(const Call *call, long begin, long end) {
    const long length = call->lines.length, rows = call->view[1].shape[0], beside = call->lines.beside;
    long *bands = scratch_of(call);
    T *turned = (T *)(bands + 2 * rows), *found = turned + SQUARE * length;
    for (long i = 0; i < rows; i++) {
        const T *weights = (const T *)call->data[1] + i * length;
        long first = 0, last = length;
        while (first < last && weights[first] == 0) first++;
        while (first < last && weights[last - 1] == 0) last--;
        bands[2 * i] = first, bands[2 * i + 1] = last;
    }
    for (long item = begin; item < end; item++) {
        const long first = beside > 1 ? item : item * SQUARE, count = min(SQUARE, call->lines.outer - first);
        const T *x = (const T *)call->data[0] + first * length * beside;
        T *out = (T *)call->out[0] + first * rows * beside;
        if (beside > 1) {
            NAME(weigh)(call, bands, x, out, beside);
            continue;
        }
        NAME(turn_around)((const char *)x, length * sizeof(T), turned, count, length, count);
        if (count == SQUARE) NAME(weigh)(call, bands, turned, found, SQUARE);
        else NAME(weigh)(call, bands, turned, found, count);
        NAME(turn_around)((const char *)found, count * sizeof(T), out, rows, count, rows);
    }
}

/* Item: STRIP columns.  Numbers beyond the rows were refused; another thread may have changed them since. */
static void NAME(add_rows)(const Call *call, long begin, long end) {
    const int64_t *index = call->data[1];
    const long rows = call->q.c, width = call->q.n, from = begin * STRIP, to = min(end * STRIP, width);
    const T *g = call->data[2];
    T *out = call->data[0];
    for (long k = 0; k < call->count[1]; k++) {
        int64_t row = __atomic_load_n(&index[k], __ATOMIC_RELAXED);
        row += row < 0 ? rows : 0;
        if (row < 0 || row >= rows) continue;
        for (long l = from; l < to; l++) out[row * width + l] += g[k * width + l];
    }
}
