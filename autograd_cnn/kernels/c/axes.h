/* Sums and running sums along axes, values weighed along an axis, and rows added by number.
 * Rows are as in lines.h unless a comment says otherwise. */

static void NAME(axis_sum)(const Call *call, long begin, long end) {
    NAME(vec) sums[SIDES] = {{0}};
    EACH_SIDE(begin, end,
        const T *x = (const T *)call->data[0] + base;
        ZEROS(total)
        if (beside < 16) TOTAL(0, length, total, VALUES(x))
        for (long k = 0; beside >= 16 && k < length;) { /* 4 values of each row at a time, in half of the time that TOTAL takes */
            const long stop = min(length, k + 256);
            T part[SIDE] = {0};
            for (; k < stop; k += stop - k < 4 ? 1 : 4) {
                const T *at = x + k * beside, *below = at + 2 * beside;
                if (stop - k < 4) for (long j = 0; j < n; j++) part[j] += at[j];
                else for (long j = 0; j < n; j++) part[j] += (at[j] + at[beside + j]) + (below[j] + below[beside + j]);
            }
            for (long j = 0; j < n; j++) total[j] += part[j];
        }
        for (long j = 0; j < n; j++) ((T *)call->out[0])[row + j] = (T)total[j];
    )
}

/* Lines of values along an axis go to lines of so many `rows`.  Item: SIDE lines side by side; or SQUARE contiguous ones, which are
 * turned around to lie so.  `work` gets the first values, how many there are, and the step from one to the next along the lines. */
static inline __attribute__((always_inline)) void NAME(along_axis)(const Call *call, long begin, long end, long rows,
                                                                   void (*work)(const Call *, const T *, T *, long, long)) {
    const long length = call->lines.length, beside = call->lines.beside, blocks = (beside + SIDE - 1) / SIDE;
    T *turned = (T *)((long *)scratch_of(call) + 2 * rows), *found = turned + SQUARE * length; /* behind two numbers for each row */
    for (long item = begin; item < end; item++) {
        const long first = beside > 1 ? item / blocks : item * SQUARE, from = item % blocks * SIDE;
        const long count = beside > 1 ? min(SIDE, beside - from) : min(SQUARE, call->lines.outer - first);
        const T *x = (const T *)call->data[0] + first * length * beside + from;
        T *out = (T *)call->out[0] + first * rows * beside + from;
        if (beside > 1) {
            work(call, x, out, count, beside);
            continue;
        }
        NAME(turn_around)((const char *)x, length * sizeof(T), turned, count, length, count);
        if (count == SQUARE) work(call, turned, found, SQUARE, SQUARE);
        else work(call, turned, found, count, count);
        NAME(turn_around)((const char *)found, count * sizeof(T), out, rows, count, rows);
    }
}

static inline void NAME(add_along)(const Call *call, const T *x, T *out, long count, long step) {
    memcpy(out, x, count * sizeof(T));
    for (long k = 1; k < call->lines.length; k++, out += step)
        for (long l = 0; l < count; l++) out[step + l] = out[l] + x[k * step + l];
}

static void NAME(cumsum)(const Call *call, long begin, long end) {
    NAME(along_axis)(call, begin, end, call->lines.length, NAME(add_along));
}

/* Values weighed by the rows of a matrix, of which `band` says where each begins and ends, but for zeros. */
static inline void NAME(weigh)(const Call *call, const T *x, T *restrict out, long count, long step) {
    const T *weights = call->data[1];
    const long *band = scratch_of(call), rows = call->view[1].shape[0];
    for (long i = 0; i < rows; i++, out += step, weights += call->lines.length, band += 2) {
        const long first = band[0], last = band[1];
        const T *at = x + first * step;
        if (first == last) memset(out, 0, count * sizeof(T));
        else if (last == first + 1) for (long l = 0; l < count; l++) out[l] = weights[first] * at[l];
        else for (long l = 0; l < count; l++) out[l] = weights[first] * at[l] + weights[first + 1] * at[step + l];
        for (long k = first + 2; k < last; k++)
            for (long l = 0; l < count; l++) out[l] += weights[k] * x[k * step + l];
    }
}

static void NAME(banded)(const Call *call, long begin, long end) {
    const long length = call->lines.length, rows = call->view[1].shape[0];
    long *const band = scratch_of(call);
    for (long i = 0; i < rows; i++) {
        const T *weights = (const T *)call->data[1] + i * length;
        for (band[2 * i] = 0; band[2 * i] < length && weights[band[2 * i]] == 0;) band[2 * i]++;
        for (band[2 * i + 1] = length; band[2 * i + 1] > band[2 * i] && weights[band[2 * i + 1] - 1] == 0;) band[2 * i + 1]--;
    }
    NAME(along_axis)(call, begin, end, rows, NAME(weigh));
}

/* Item: SIDE columns.  Numbers beyond the rows were refused; another thread may have changed them since. */
static void NAME(add_rows)(const Call *call, long begin, long end) {
    const int64_t *index = call->data[1];
    const long rows = call->q.c, width = call->q.n, from = begin * SIDE, to = min(end * SIDE, width);
    const T *g = call->data[2];
    T *out = call->data[0];
    for (long k = 0; k < call->count[1]; k++) {
        int64_t row = __atomic_load_n(&index[k], __ATOMIC_RELAXED);
        row += row < 0 ? rows : 0;
        if (row < 0 || row >= rows) continue;
        for (long l = from; l < to; l++) out[row * width + l] += g[k * width + l];
    }
}
