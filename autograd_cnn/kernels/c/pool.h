/* Pooling, axis by axis: the largest value of a window is the largest of its rows' largest, and the first place that holds it is the
 * first one in the first of such rows.  So any window is a few passes over contiguous memory, each along one axis.
 *
 * Item: a piece of the images, in a frame (see frame_of).  All rows of a frame are one run; windows across the end of a row give
 * values that nobody reads.  Buffers have room before and behind them, so that the last vector of a run may reach over its end. */

#define V NAME(vec)
#define EACH_VECTOR(COUNT) for (long l = 0; l < (COUNT); l += LANES)

static inline void NAME(move)(T *to, const T *from, long count) {
    long l = 0;
    for (; l + LANES <= count; l += LANES) *(V *)(to + l) = *(const V *)(from + l);
    if (l && l < count) *(V *)(to + count - LANES) = *(const V *)(from + count - LANES);
    else for (; l < count; l++) to[l] = from[l];
}

/* Whether a frame needs no copy of what it sees of an array: all of it is there, and no vector reaches over its end. */
static inline int NAME(in_place)(const Geometry *q, const Frame *f, const Span *span, const long *size) {
    return q->disjoint && within(q, span, size) && (q->n % LANES == 0 || (q->n == 1 && q->stride[2] == 2 && span == &f->cells));
}

/* The array's memory from there on, or else a buffer. */
static inline T *NAME(target)(const Geometry *q, const Frame *f, const Span *span, const long *size, T *array, T *buffer) {
    const Box b = box_of(q, f, span, span, size);
    return NAME(in_place)(q, f, span, size) ? array + place_of(&b, b.first[0], b.first[1], b.first[2]) + b.first[3] * b.n : buffer;
}

/* What a frame sees of an array, and `fill` around it, copied to `to`; the array itself if it can be read in place. */
static inline const T *NAME(framed)(const Geometry *q, const Frame *f, const Span *span, const long *size, const T *array, T fill, T *to) {
    const Box b = box_of(q, f, span, span, size);
    T *into = to;
    if (NAME(in_place)(q, f, span, size)) return NAME(target)(q, f, span, size, (T *)array, to);
    for (long p = b.first[0]; p < b.first[0] + b.count[0]; p++)
        for (long z = b.first[1]; z < b.first[1] + b.count[1]; z++)
            for (long y = b.first[2]; y < b.first[2] + b.count[2]; y++, into += b.count[3] * b.n) {
                const int outside = z < 0 || z >= b.size[1] || y < 0 || y >= b.size[2];
                const long low = outside ? b.count[3] : max(0, min(b.count[3], -b.first[3]));
                const long high = max(low, min(b.count[3], b.size[3] - b.first[3]));
                EACH_VECTOR(low * b.n) *(V *)(into + l) = (V){0} + fill;
                if (high > low) NAME(move)(into + low * b.n, array + place_of(&b, p, z, y) + (b.first[3] + low) * b.n, (high - low) * b.n);
                EACH_VECTOR((b.count[3] - high) * b.n) *(V *)(into + high * b.n + l) = (V){0} + fill;
            }
    return to;
}

/* What is wanted of a frame's values, copied to the array where it belongs, unless it is there. */
static inline void NAME(put_back)(const Geometry *q, const Frame *f, const Span *span, const long *size, const T *from, T *array) {
    const Box b = box_of(q, f, span, &f->wanted, size);
    if (from == NAME(target)(q, f, span, size, array, NULL)) return;
    for (long p = b.first[0]; p < b.first[0] + b.count[0]; p++)
        for (long z = b.wanted[1]; z < b.wanted[1] + b.wants[1]; z++)
            for (long y = b.wanted[2]; y < b.wanted[2] + b.wants[2]; y++) {
                const long row = ((p - b.first[0]) * b.count[1] + z - b.first[1]) * b.count[2] + y - b.first[2];
                NAME(move)(array + place_of(&b, p, z, y) + b.wanted[3] * b.n, from + (row * b.count[3] + b.wanted[3] - b.first[3]) * b.n,
                           b.wants[3] * b.n);
            }
}

/* Of each window along an axis, the largest value or the sum; WINNERS: the largest, and the first tap that holds it (a NaN is one).
 * Positions are blocks of `inner` values. */
static inline __attribute__((always_inline)) void NAME(gather)(T *restrict out, WORD *restrict won, const T *restrict in, long positions,
                                                               long inner, const Geometry *q, int axis, const enum gathering how) {
    const long taps = q->kernel[axis], by = q->stride[axis], step = q->dilation[axis] * inner;
#define MORE(v, most) (how == WINNERS ? (v > most) | ((v != v) & (most == most)) : (v > most) | (v != v))
    if (inner == 1 && by == 2 && taps * step < 128) { /* 512 at a time, even and odd ones apart: 2 to 4 times as fast */
        T apart[2][512 + 64 + LANES];
        for (long p = 0; p < positions; p += 512, in += 1024, out += 512, won += how == WINNERS ? 512 : 0) {
            const long count = min(512, positions - p), all = count + (taps - 1) * step / 2;
            for (long k = 0; k < all; k++) apart[0][k] = in[2 * k];
            for (long k = 0; k < all; k++) apart[1][k] = in[2 * k + 1];
            NAME(move)(out, apart[0], count);
            if (how == WINNERS) memset(won, 0, count * sizeof *won);
            for (long k = 1; k < taps; k++)
                EACH_VECTOR(count) {
                    const V v = *(const V *)(apart[k * step % 2] + k * step / 2 + l), most = *(const V *)(out + l);
                    const NAME(mask) more = MORE(v, most);
                    if (how == WINNERS) *(NAME(mask) *)(won + l) = (more & (WORD)k) | (~more & *(const NAME(mask) *)(won + l));
                    *(V *)(out + l) = how == SUM ? (V)(most + v) : CHOOSE(more, v, most);
                }
        }
        return;
    }
    if (by == 1) inner *= positions, positions = 1;
#define WINDOWS(TAPS)                                                                       \
    for (long p = 0; p < positions; p++)                                                    \
        EACH_VECTOR(inner) {                                                                \
            const T *at = in + p * by * inner + l;                                          \
            V most = *(const V *)at;                                                        \
            NAME(mask) first = {0};                                                         \
            for (long k = 1; k < (TAPS); k++) {                                             \
                const V v = *(const V *)(at + k * step);                                    \
                const NAME(mask) more = MORE(v, most);                                      \
                if (how == WINNERS) first = (more & (WORD)k) | (~more & first);             \
                most = how == SUM ? (V)(most + v) : CHOOSE(more, v, most);                  \
            }                                                                               \
            *(V *)(out + p * inner + l) = most;                                             \
            if (how == WINNERS) *(NAME(mask) *)(won + p * inner + l) = first;               \
        }
    if (taps == 2) { WINDOWS(2) }
    else if (taps == 3) { WINDOWS(3) }
    else { WINDOWS(taps) }
#undef WINDOWS
#undef MORE
}

/* The reverse: every cell along an axis gets the values of the windows that see it, or with `won` of those that it won. */
static inline __attribute__((always_inline)) void NAME(spread)(T *restrict out, const T *restrict in, const WORD *restrict won, long positions,
                                                               long inner, const Geometry *q, int axis, const int picks) {
    const long by = q->stride[axis], *const starts = q->offsets + q->table[axis], *const taps = starts + by + 1;
    const long block = inner, most = (q->kernel[axis] - 1) * q->dilation[axis] / by;
    if (most) memset((T *)in - most * block, 0, most * block * sizeof(T)); /* a buffer's room before it */
#define SHARE(AT, TAP)                                                                      \
    (picks ? (V)(*(const NAME(mask) *)(in + (AT)) & (*(const NAME(mask) *)(won + (AT)) == (WORD)(TAP))) : *(const V *)(in + (AT)))
#define COLLECT(TO)                                                                         \
    V sum = {0};                                                                            \
    if (one >= 0) sum = SHARE(l - shift, one);                                              \
    for (long k = starts[r] + 1; k < starts[r + 1]; k++) sum += SHARE(l - taps[2 * k + 1] * block, taps[2 * k]); \
    *(V *)((TO) + l) = sum;
#define FIRST_TAP                                                                           \
    const long one = starts[r] < starts[r + 1] ? taps[2 * starts[r]] : -1, shift = one < 0 ? 0 : taps[2 * starts[r] + 1] * block;
    if (inner == 1 && by == 2) {
        T each[2][512 + LANES];
        for (long p = 0; p < positions; p += 512, in += 512, won += picks ? 512 : 0, out += 1024) {
            const long count = min(512, positions - p);
            for (long r = 0; r < 2; r++) {
                FIRST_TAP
                EACH_VECTOR(count) { COLLECT(each[r]) }
            }
            for (long k = 0; k < count; k++) out[2 * k] = each[0][k], out[2 * k + 1] = each[1][k];
        }
        return;
    }
    if (by == 1) inner *= positions, positions = 1;
    for (long p = 0; p < positions; p++, in += inner, won += picks ? inner : 0)
        for (long r = 0; r < by; r++, out += inner) {
            FIRST_TAP
            EACH_VECTOR(inner) { COLLECT(out) }
        }
#undef SHARE
#undef FIRST_TAP
#undef COLLECT
}

/* Cells before the image are of -infinity, and win where the image's are, too: what they got belongs to the first cell after them. */
static inline void NAME(fold)(T *out, const Geometry *q, const Frame *f, int axis, long outer, long inner) {
    const long before = -f->cells.first[axis], cells = f->cells.count[axis], by = q->dilation[axis];
    for (long c = max(0, before - q->before[axis]); c < before; c++) {
        const long to = before + (by - (before - c) % by) % by;
        for (long o = 0; to < cells && o < outer; o++)
            for (long l = o * cells * inner, end = l + inner; l < end; l++)
                if (out[c * inner + l] != 0) out[to * inner + l] += out[c * inner + l];
    }
}

#define BUFFER(K) ((T *)scratch_of(call) + (K) * q->room + q->margin)
#define WORKS(AXIS) (q->kernel[AXIS] > 1 || q->stride[AXIS] > 1)
#define OUTER(AXIS) (f.planes * ((AXIS) > 0 ? f.cells.count[0] : 1) * ((AXIS) > 1 ? f.cells.count[1] : 1))
#define INNER(AXIS) (q->n * ((AXIS) < 2 ? f.windows.count[2] : 1) * ((AXIS) < 1 ? f.windows.count[1] : 1))

static inline __attribute__((always_inline)) void NAME(pool)(const Call *call, long begin, long end, const enum gathering how) {
    const Geometry *q = &call->q;
    for (long item = begin; item < end; item++) {
        const Frame f = frame_of(q, item, 0);
        const T *from = NAME(framed)(q, &f, &f.cells, q->size, call->data[0], how == SUM ? 0 : -(T)INFINITY, BUFFER(0));
        for (int axis = AXES - 1, k = 1; axis >= 0; axis--)
            if (WORKS(axis)) {
                T *to = axis == q->works[0] ? NAME(target)(q, &f, &f.windows, q->out, call->out[0], BUFFER(k)) : BUFFER(k);
                NAME(gather)(to, NULL, from, OUTER(axis) * f.windows.count[axis], INNER(axis), q, axis, how);
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
                T *to = BUFFER(k);
                NAME(gather)(to, (WORD *)BUFFER(5 + axis), from, OUTER(axis) * f.windows.count[axis], INNER(axis), q, axis, WINNERS);
                from = to, k = 7 - k;
            }
        from = NAME(framed)(q, &f, &f.windows, q->out, call->data[0], 0, BUFFER(2));
        for (int axis = 0, k = 0; axis < AXES; axis++)
            if (WORKS(axis)) {
                T *to = axis == q->works[1] ? NAME(target)(q, &f, &f.cells, q->size, call->out[0], BUFFER(k)) : BUFFER(k);
                NAME(spread)(to, from, picks ? (WORD *)BUFFER(5 + axis) : NULL, OUTER(axis) * f.windows.count[axis], INNER(axis), q, axis, picks);
                if (picks) NAME(fold)(to, q, &f, axis, OUTER(axis), INNER(axis));
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
