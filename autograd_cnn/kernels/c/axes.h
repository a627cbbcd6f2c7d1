/* Sums and running sums along axes, and rows added by number.  An array is seen as `groups` of axes, in the order of memory, which
 * are reduced and kept in turns. */

/* The sum of a run: vectors over pieces of 4,096 values, and doubles over the pieces. */
static inline double NAME(run_sum)(const T *x, long count) {
    double total = 0;
    for (long piece = 0; piece < count; piece += 4096) {
        const T *at = x + piece, *const end = x + min(count, piece + 4096);
        NAME(vec) sum[4] = {{0}};
        for (; at + 4 * LANES <= end; at += 4 * LANES)
            for (int k = 0; k < 4; k++) sum[k] += *(const NAME(vec) *)(at + k * LANES);
        for (; at + LANES <= end; at += LANES) sum[0] += *(const NAME(vec) *)at;
        T lanes[LANES];
        *(NAME(vec) *)lanes = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        for (int half = LANES / 2; half; half /= 2)
            for (int k = 0; k < half; k++) lanes[k] += lanes[k + half];
        total += lanes[0];
        for (; at < end; at++) total += *at;
    }
    return total;
}

/* Where combination `number` of the kept or the reduced groups, from `first` on, begins. */
static inline long NAME(begins)(const Axes *a, int first, long number) {
    long at = 0;
    for (int k = first; k >= 0; number /= a->size[k], k -= 2) at += number % a->size[k] * a->step[k];
    return at;
}

/* Item: a sum, if the last axes are reduced; or up to STRIP sums side by side. */
static void NAME(axis_sum)(const Call *call, long begin, long end) {
    const Axes *a = &call->along;
    const int last = a->groups - 1;
    const long width = a->size[last], strips = (width + STRIP - 1) / STRIP;
    for (long item = begin; item < end && a->last_reduced; item++) {
        const T *x = (const T *)call->data[0] + NAME(begins)(a, last - 1, item);
        double total = 0;
        for (long r = 0; r < a->reduced; r++) total += NAME(run_sum)(x + NAME(begins)(a, last - 2, r), width);
        ((T *)call->out[0])[item] = (T)total;
    }
    for (long item = begin; item < end && !a->last_reduced; item++) {
        const long from = item % strips * STRIP, count = min(STRIP, width - from), rows = a->size[last - 1], step = a->step[last - 1];
        const T *x = (const T *)call->data[0] + NAME(begins)(a, last - 2, item / strips) + from;
        T *out = (T *)call->out[0] + item / strips * width + from, part[STRIP];
        memset(out, 0, count * sizeof(T));
        for (long r = 0; r < a->reduced; r++) {
            const T *at = x + NAME(begins)(a, last - 3, r);
            for (long row = 0; row < rows;) { /* 64 rows at a time, so that errors do not grow with the rows */
                const long stop = min(rows, row + 64);
                memset(part, 0, count * sizeof(T));
                for (; row + 4 <= stop; row += 4, at += 4 * step)
                    for (long l = 0; l < count; l++) part[l] += (at[l] + at[step + l]) + (at[2 * step + l] + at[3 * step + l]);
                for (; row < stop; row++, at += step)
                    for (long l = 0; l < count; l++) part[l] += at[l];
                for (long l = 0; l < count; l++) out[l] += part[l];
            }
        }
    }
}

/* Item: up to STRIP lines side by side, or 4 lines along memory: an addition waits for the one before it, not for another line's. */
static void NAME(cumsum)(const Call *call, long begin, long end) {
    const long lines = call->q.c, length = call->q.f, width = call->q.n, strips = (width + STRIP - 1) / STRIP, back = call->numbers[1];
    for (long item = begin; item < end && width > 1; item++) {
        const long from = item % strips * STRIP, count = min(STRIP, width - from), first = item / strips * length * width + from;
        const long step = back ? -width : width, start = first + (back ? (length - 1) * width : 0);
        const T *x = (const T *)call->data[0] + start;
        T *restrict out = (T *)call->out[0] + start;
        for (long l = 0; l < count; l++) out[l] = x[l];
        for (long k = 1; k < length; k++)
            for (long l = 0; l < count; l++) out[k * step + l] = out[(k - 1) * step + l] + x[k * step + l];
    }
    for (long item = begin; item < end && width == 1; item++) {
        const long first = item * 4, count = min(4, lines - first), step = back ? -1 : 1, start = first * length + (back ? length - 1 : 0);
        const T *x = (const T *)call->data[0] + start;
        T *restrict out = (T *)call->out[0] + start, sum[4] = {0};
        for (long k = 0; count == 4 && k < length; k++)
            for (int j = 0; j < 4; j++) out[k * step + j * length] = sum[j] += x[k * step + j * length];
        for (long j = 0; count < 4 && j < count; j++)
            for (long k = 0; k < length; k++) out[k * step + j * length] = sum[j] += x[k * step + j * length];
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

/* Values along an axis, blocks of `width`, weighed by the rows of a matrix, which are 0 but for a band each. */
static inline void NAME(weigh)(const Call *call, const T *x, T *restrict out, long width) {
    const long length = call->q.f, rows = call->q.each, *const bands = call->q.offsets;
    for (long i = 0; i < rows; i++, out += width) {
        const long first = bands[2 * i], last = bands[2 * i + 1];
        const T *weights = (const T *)call->data[1] + i * length, *at = x + first * width;
        if (first == last) memset(out, 0, width * sizeof(T));
        else if (last == first + 1) for (long l = 0; l < width; l++) out[l] = weights[first] * at[l];
        else for (long l = 0; l < width; l++) out[l] = weights[first] * at[l] + weights[first + 1] * at[width + l];
        for (long k = first + 2; k < last; k++)
            for (long l = 0; l < width; l++) out[l] += weights[k] * x[k * width + l];
    }
}

/* Item: a line of blocks; or, if the blocks are single values, SQUARE lines, turned around to lie side by side. */
static void NAME(banded)(const Call *call, long begin, long end) {
    const long length = call->q.f, rows = call->q.each, width = call->q.n;
    const T *x = call->data[0];
    T *out = call->out[0], *turned = scratch_of(call), *found = turned + SQUARE * length;
    for (long item = begin; item < end; item++) {
        if (width > 1) {
            NAME(weigh)(call, x + item * length * width, out + item * rows * width, width);
            continue;
        }
        const long first = item * SQUARE, count = min(SQUARE, call->q.c - first);
        for (long j = 0; j < count; j++)
            for (long k = 0; k < length; k++) turned[k * count + j] = x[(first + j) * length + k];
        if (count == SQUARE) NAME(weigh)(call, turned, found, SQUARE);
        else NAME(weigh)(call, turned, found, count);
        for (long j = 0; j < count; j++)
            for (long k = 0; k < rows; k++) out[(first + j) * rows + k] = found[k * count + j];
    }
}
