/* Pooling, axis by axis: the largest value of a window is the largest of its rows' largest, and the first place that holds it is the
 * first one in the first of such rows.  So any window is a few passes over contiguous memory, each along one axis.
 *
 * Item: a piece of the images, in a frame (see frame_of).  All rows of a frame are one run; windows across the end of a row give
 * values that nobody reads.  Buffers have room before and behind them, so that the last vector of a run may reach over its end. */

#define V NAME(vec)
#define EACH_VECTOR(COUNT) for (long l = 0; l < (COUNT); l += LANES)

/* Whether a frame needs no copy of what it sees of an array: all of it is there, and no vector reaches over its end. */
static inline int NAME(in_place)(const Geometry *q, const Span *span, const long *size) {
    return q->disjoint && q->n % LANES == 0 && within(q, span, size);
}

/* The array's memory from there on, or else a buffer. */
static inline T *NAME(target)(const Geometry *q, const Frame *f, const Span *span, const long *size, T *array, T *buffer) {
    return NAME(in_place)(q, span, size) ? array + place_of(q, f->plane, span, size, 0, 0) : buffer;
}

/* What a frame sees of an array, and `fill` around it, copied to `to`; the array itself if it can be read in place. */
static inline const T *NAME(framed)(const Geometry *q, const Frame *f, const Span *span, const long *size, T *array, T fill, T *to) {
    const Span part = part_of(span, size);
    const long row = span->count[2] * f->n, low = (part.first[2] - span->first[2]) * f->n, many = part.count[2];
    T *into = to;
    if (NAME(in_place)(q, span, size)) return NAME(target)(q, f, span, size, array, to);
    for (long p = f->plane; p < f->plane + f->planes; p++)
        for (long k = 0; k < span->count[0] * span->count[1]; k++, into += row) {
            const long z = k / span->count[1] + span->first[0] - part.first[0], y = k % span->count[1] + span->first[1] - part.first[1];
            const int outside = z < 0 || z >= part.count[0] || y < 0 || y >= part.count[1] || !many;
            const T *from = array + (outside ? 0 : place_of(q, p, &part, size, z, y));
            EACH_VECTOR(outside ? row : low) *(V *)(into + l) = (V){0} + fill;
            if (outside) continue;
            if (q->n > 1) memcpy(into + low, from, many * f->n * sizeof(T));
            else NAME(turn_around)((const char *)from, product_of(size) * sizeof(T), into + low, f->n, many, f->n);
            EACH_VECTOR(row - low - many * f->n) *(V *)(into + low + many * f->n + l) = (V){0} + fill;
        }
    return to;
}

/* What is wanted of a frame's values, copied to the array where it belongs, unless it is there. */
static inline void NAME(put_back)(const Geometry *q, const Frame *f, const Span *span, const long *size, const T *from, T *array) {
    const Span *part = &f->wanted;
    if (from == NAME(target)(q, f, span, size, array, NULL)) return;
    for (long p = 0; p < f->planes; p++)
        for (long k = 0; k < part->count[0] * part->count[1]; k++) {
            const long z = k / part->count[1], y = k % part->count[1];
            const long row = ((p * span->count[0] + z + part->first[0] - span->first[0]) * span->count[1] + y + part->first[1] - span->first[1]);
            const T *at = from + (row * span->count[2] + part->first[2] - span->first[2]) * f->n;
            T *to = array + place_of(q, f->plane + p, part, size, z, y);
            if (q->n > 1) memcpy(to, at, part->count[2] * f->n * sizeof(T));
            else NAME(turn_around)((const char *)at, f->n * sizeof(T), to, product_of(size), f->n, part->count[2]);
        }
}

/* Of each window along an axis, the largest value or the sum; WINNERS: the largest, and the first tap in the image that holds it (a
 * NaN is one).  Positions are blocks of `inner` values. */
static inline __attribute__((always_inline)) void NAME(gather)(T *restrict out, WORD *restrict won, const T *restrict in, long positions,
                                                               long inner, const Geometry *q, const Frame *f, int axis,
                                                               const enum gathering how) {
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
    long every = 1; /* every how many taps one meets a cell, and as many windows back as that takes */
    while (every * dilation % by) every++;
    const long hop = every * dilation / by * inner;
    if (before) memset((T *)in - before, 0, before * sizeof(T)); /* a buffer's room before it */
    if (by == 1) inner *= positions, positions = 1;
#define SHARE(AT, TAP) (picks ? (V)(*(const NAME(mask) *)(in + (AT)) & (*(const NAME(mask) *)(won + (AT)) == (WORD)(TAP))) : *(const V *)(in + (AT)))
    for (long p = 0; p < positions; p++)
        for (long r = 0; r < by; r++, out += inner) {
            long first = dilation > 1 ? 0 : r;
            while (dilation > 1 && first < taps && first * dilation % by != r) first++;
            const long from = (p - first * dilation / by) * inner;
            EACH_VECTOR(inner) {
                V sum = {0};
                for (long k = first, at = from + l; k < taps; k += every, at -= hop) sum += SHARE(at, k);
                *(V *)(out + l) = sum;
            }
        }
#undef SHARE
}

#define BUFFER(K) ((T *)scratch_of(call) + (K) * q->room + q->margin)
#define WORKS(AXIS) (q->kernel[AXIS] > 1 || q->stride[AXIS] > 1)
#define OUTER(AXIS) (f.planes * ((AXIS) > 0 ? f.cells.count[0] : 1) * ((AXIS) > 1 ? f.cells.count[1] : 1) * f.windows.count[AXIS])
#define INNER(AXIS) (f.n * ((AXIS) < 2 ? f.windows.count[2] : 1) * ((AXIS) < 1 ? f.windows.count[1] : 1))

static inline __attribute__((always_inline)) void NAME(pool)(const Call *call, long begin, long end, const enum gathering how) {
    const Geometry *q = &call->q;
    for (long item = begin; item < end; item++) {
        const Frame f = frame_of(q, item, 0);
        const T *from = NAME(framed)(q, &f, &f.cells, q->size, call->data[0], how == SUM ? 0 : -(T)INFINITY, BUFFER(0));
        for (int axis = AXES - 1, k = 1; axis >= 0; axis--)
            if (WORKS(axis)) {
                T *to = axis == q->works[0] ? NAME(target)(q, &f, &f.windows, q->out, call->out[0], BUFFER(k)) : BUFFER(k);
                NAME(gather)(to, NULL, from, OUTER(axis), INNER(axis), q, &f, axis, how);
                from = to, k = !k;
            }
        NAME(put_back)(q, &f, &f.windows, q->out, from, call->out[0]);
    }
}

static void NAME(window_max)(const Call *call, long begin, long end) { NAME(pool)(call, begin, end, LARGEST); }
static void NAME(window_sum)(const Call *call, long begin, long end) { NAME(pool)(call, begin, end, SUM); }

static inline __attribute__((always_inline)) void NAME(unpool)(const Call *call, long begin, long end, const int picks) {
    const Geometry *q = &call->q;
    for (long item = begin; item < end; item++) {
        const Frame f = frame_of(q, item, 1);
        const T *from = picks ? NAME(framed)(q, &f, &f.cells, q->size, call->data[1], -(T)INFINITY, BUFFER(0)) : NULL;
        for (int axis = AXES - 1, k = 3; picks && axis >= 0; axis--)
            if (WORKS(axis)) {
                NAME(gather)(BUFFER(k), (WORD *)BUFFER(5 + axis), from, OUTER(axis), INNER(axis), q, &f, axis, WINNERS);
                from = BUFFER(k), k = 7 - k;
            }
        from = NAME(framed)(q, &f, &f.windows, q->out, call->data[0], 0, BUFFER(2));
        for (int axis = 0, k = 0; axis < AXES; axis++)
            if (WORKS(axis)) {
                T *to = axis == q->works[1] ? NAME(target)(q, &f, &f.cells, q->size, call->out[0], BUFFER(k)) : BUFFER(k);
                NAME(spread)(to, from, picks ? (WORD *)BUFFER(5 + axis) : NULL, OUTER(axis), INNER(axis), q, axis, picks);
                from = to, k = !k;
            }
        NAME(put_back)(q, &f, &f.cells, q->size, from, call->out[0]);
    }
}

static void NAME(window_max_grad)(const Call *call, long begin, long end) { NAME(unpool)(call, begin, end, 1); }
static void NAME(window_spread)(const Call *call, long begin, long end) { NAME(unpool)(call, begin, end, 0); }

#undef V
#undef EACH_VECTOR
#undef BUFFER
#undef WORKS
#undef OUTER
#undef INNER
