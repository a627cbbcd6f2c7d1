/* Pooling, axis by axis: the largest value of a window is the largest of its rows' largest, and the first place that holds it is the
 * first one in the first of such rows.  So any window is a few passes over contiguous memory, each along one axis.
 *
 * Item: a piece of the images, in a frame (see set_frame in frames.h).  All rows of a frame are one run; windows across the end of a row give
 * values that nobody reads.  Buffers have room before and behind them, so that the last vector of a run may reach over its end. */

#define EACH_VECTOR(COUNT) for (long l = 0; l < (COUNT); l += LANES)

/* The memory of a frame's channels, where the first image or window is.  Channels of single values are turned around to lie side by
 * side in a buffer: what a span sees of them, if `turn` is positive, or what is wanted back from there, if it is negative. */
static inline T *NAME(beside)(const Geometry *q, const Frame *f, const Span *span, const long *size, T *array, T *buffer, int turn) {
    const Span part = turn < 0 ? f->wanted : part_of(span, size);
    const long plane = product_of(size), row = plane / size[q->split], first = part.first[q->split] * row, count = part.count[q->split] * row;
    T *const images = buffer - max(0, span->first[q->split]) * row * f->n, *const found = images + first * f->n;
    T *const at = array + f->plane * plane * q->n + first;
    if (q->n > 1) return at - first;
    if (turn > 0) NAME(turn_around)((const char *)at, plane * sizeof(T), found, f->n, count, f->n);
    if (turn < 0) NAME(turn_around)((const char *)found, f->n * sizeof(T), at, plane, f->n, count);
    return images;
}

/* What a frame sees of images, in their memory, if it needs no copy: all of it is there, and no vector reaches over its end. */
static inline T *NAME(direct)(const Geometry *q, const Frame *f, const Span *span, const long *size, T *images) {
    if (!q->disjoint || f->n % LANES) return NULL;
    for (int a = 0; a < AXES; a++)
        if (span->first[a] < 0 || span->first[a] + span->count[a] > size[a] || (a != q->split && span->count[a] != size[a])) return NULL;
    return images + place_of(f, span, size, 0, 0);
}

/* Rows of images copied to a frame, with `fill` around them; or with `back`, what is wanted of them. */
static inline T *NAME(framed)(const Frame *f, const Span *span, const long *size, T *images, T fill, T *frame, int back) {
    const Span part = back ? f->wanted : part_of(span, size);
    const long row = span->count[2] * f->n, low = (part.first[2] - span->first[2]) * f->n, many = part.count[2] * f->n;
    for (long k = 0; k < span->count[0] * span->count[1]; k++) {
        const long z = k / span->count[1] + span->first[0] - part.first[0], y = k % span->count[1] + span->first[1] - part.first[1];
        const int outside = z < 0 || z >= part.count[0] || y < 0 || y >= part.count[1] || !many;
        T *const into = frame + k * row, *const at = images + (outside ? 0 : place_of(f, &part, size, z, y));
        if (back && !outside) memcpy(at, into + low, many * sizeof(T));
        if (back) continue;
        EACH_VECTOR(outside ? row : low) *(V *)(into + l) = (V){0} + fill;
        if (outside) continue;
        memcpy(into + low, at, many * sizeof(T));
        EACH_VECTOR(row - low - many) *(V *)(into + low + many + l) = (V){0} + fill;
    }
    return frame;
}

/* Of each window along an axis, the largest value or the sum; WINNERS: the largest, and the first tap in the image that holds it (a
 * NaN is one).  Positions are blocks of `inner` values. */
static inline __attribute__((always_inline)) void NAME(gather)(T *restrict out, WORD *restrict won, const T *restrict in, long positions,
                                                               long inner, const Geometry *q, const Frame *f, int axis,
                                                               const enum kind how) {
    const long taps = q->kernel[axis], by = q->stride[axis], step = q->dilation[axis] * inner, row = f->windows.count[axis];
    const long before = -f->cells.first[axis];
    if (by == 1 && (how != WINNERS || before <= 0)) inner *= positions, positions = 1;
#define WINDOWS(TAPS)                                                                                                      \
    for (long p = 0; p < positions; p++) {                                                                                 \
        const long outside = how == WINNERS ? before - p % row * by : 0; /* cells: they win nothing from the image's */    \
        const WORD low = outside > 0 ? (outside + q->dilation[axis] - 1) / q->dilation[axis] : 0;                          \
        EACH_VECTOR(inner) {                                                                                               \
            const T *at = in + p * by * inner + l;                                                                         \
            V most = *(const V *)at;                                                                                       \
            NAME(mask) first = (NAME(mask)){0} + low;                                                                      \
            for (long k = 1; k < (TAPS); k++) {                                                                            \
                const V v = *(const V *)(at + k * step);                                                                   \
                const NAME(mask) more = how == WINNERS ? (v > most) | ((v != v) & (most == most)) : (v > most) | (v != v); \
                if (how == WINNERS) first = (more & (WORD)k) | (~more & first);                                            \
                most = how == SUM ? (V)(most + v) : CHOOSE(more, v, most);                                                 \
            }                                                                                                              \
            *(V *)(out + p * inner + l) = most;                                                                            \
            if (how == WINNERS) *(NAME(mask) *)(won + p * inner + l) = first;                                              \
        }                                                                                                                  \
    }
    if (taps == 2) WINDOWS(2)
    else if (taps == 3) WINDOWS(3)
    else WINDOWS(taps)
#undef WINDOWS
}

/* The reverse: every cell along an axis gets the values of the windows that see it, or with `won` of those that it won. */
static inline __attribute__((always_inline)) void NAME(spread)(T *restrict out, const T *restrict in, const WORD *restrict won, long positions,
                                                               long inner, const Geometry *q, int axis, const int picks) {
    const long taps = q->kernel[axis], by = q->stride[axis], dilation = q->dilation[axis], before = (taps - 1) * dilation / by * inner;
    long every = 1; /* taps from one that meets a cell to the next */
    while (every * dilation % by) every++;
    const long hop = every * dilation / by * inner;
    if (before) memset((T *)in - before, 0, before * sizeof(T)); /* a buffer's room before it */
    if (by == 1) inner *= positions, positions = 1;
#define SHARE(AT, TAP) (picks ? (V)(*(const NAME(mask) *)(in + (AT)) & (*(const NAME(mask) *)(won + (AT)) == (WORD)(TAP))) : *(const V *)(in + (AT)))
    for (long p = 0; p < positions; p++)
        for (long r = 0; r < by; r++, out += inner) {
            long first = dilation > 1 ? 0 : r;
            while (dilation > 1 && first < taps && first * dilation % by != r) first++;
            EACH_VECTOR(inner) {
                V sum = {0};
                for (long k = first, at = (p - first * dilation / by) * inner + l; k < taps; k += every, at -= hop) sum += SHARE(at, k);
                *(V *)(out + l) = sum;
            }
        }
#undef SHARE
}

#define BUFFER(K) ((T *)scratch_of(call) + (K) * q->room + q->ahead)
#define OUTER(AXIS) (((AXIS) > 0 ? f.cells.count[0] : 1) * ((AXIS) > 1 ? f.cells.count[1] : 1) * f.windows.count[AXIS])
#define INNER(AXIS) (f.n * ((AXIS) < 2 ? f.windows.count[2] : 1) * ((AXIS) < 1 ? f.windows.count[1] : 1))

static inline __attribute__((always_inline)) void NAME(pool)(const Call *call, long begin, long end, const enum kind how) {
    const Geometry *q = &call->q;
    Frame f = {0};
    for (long item = begin; item < end; item++) {
        set_frame(q, item, 0, &f);
        T *x = NAME(beside)(q, &f, &f.cells, q->size, call->data[0], BUFFER(2), 1), *from = NAME(direct)(q, &f, &f.cells, q->size, x);
        T *out = NAME(beside)(q, &f, &f.windows, q->out, call->out[0], BUFFER(3), 0), *there = NAME(direct)(q, &f, &f.windows, q->out, out);
        if (!from) from = NAME(framed)(&f, &f.cells, q->size, x, how == SUM ? 0 : -(T)INFINITY, BUFFER(0), 0);
        for (int k = 0; k < q->works; k++) {
            T *to = k == q->works - 1 && there ? there : BUFFER(!(k & 1));
            NAME(gather)(to, NULL, from, OUTER(q->work[k]), INNER(q->work[k]), q, &f, q->work[k], how);
            from = to;
        }
        if (from != there) NAME(framed)(&f, &f.windows, q->out, out, 0, from, 1);
        NAME(beside)(q, &f, &f.windows, q->out, call->out[0], BUFFER(3), -1);
    }
}

static void NAME(window_max)(const Call *call, long begin, long end) { NAME(pool)(call, begin, end, LARGEST); }
static void NAME(window_sum)(const Call *call, long begin, long end) { NAME(pool)(call, begin, end, SUM); }

static inline __attribute__((always_inline)) void NAME(unpool)(const Call *call, long begin, long end, const int picks) {
    const Geometry *q = &call->q;
    Frame f = {0};
    for (long item = begin; item < end; item++) {
        set_frame(q, item, 1, &f);
        T *g = NAME(beside)(q, &f, &f.windows, q->out, call->data[0], BUFFER(8), 1), *from = NULL;
        T *out = NAME(beside)(q, &f, &f.cells, q->size, call->out[0], BUFFER(9), 0), *there = NAME(direct)(q, &f, &f.cells, q->size, out);
        if (picks) {
            T *x = NAME(beside)(q, &f, &f.cells, q->size, call->data[1], BUFFER(10), 1);
            from = NAME(direct)(q, &f, &f.cells, q->size, x);
            if (!from) from = NAME(framed)(&f, &f.cells, q->size, x, -(T)INFINITY, BUFFER(0), 0);
        }
        for (int k = 0; picks && k < q->works; k++) {
            T *to = BUFFER(3 + (k & 1));
            NAME(gather)(to, (WORD *)BUFFER(5 + k), from, OUTER(q->work[k]), INNER(q->work[k]), q, &f, q->work[k], WINNERS);
            from = to;
        }
        from = NAME(direct)(q, &f, &f.windows, q->out, g);
        if (!from) from = NAME(framed)(&f, &f.windows, q->out, g, 0, BUFFER(2), 0);
        for (int k = q->works - 1; k >= 0; k--) {
            T *to = !k && there ? there : BUFFER(k & 1);
            NAME(spread)(to, from, (WORD *)BUFFER(5 + k), OUTER(q->work[k]), INNER(q->work[k]), q, q->work[k], picks);
            from = to;
        }
        if (from != there) NAME(framed)(&f, &f.cells, q->size, out, 0, from, 1);
        NAME(beside)(q, &f, &f.cells, q->size, call->out[0], BUFFER(9), -1);
    }
}

static void NAME(window_max_grad)(const Call *call, long begin, long end) { NAME(unpool)(call, begin, end, 1); }
static void NAME(window_spread)(const Call *call, long begin, long end) { NAME(unpool)(call, begin, end, 0); }

#undef OUTER
