/* Pooling.  An item is a row of the output; for gradients that add up (windows overlap, or leave cells out) it is a
 * channel. */

/* The taps [first, last) of a window that meet the image along an axis, for the window at `position`. */
static inline void NAME(meet)(const Geometry *q, int axis, long position, long *first, long *last) {
    const long start = position * q->stride[axis] - q->before[axis], by = q->dilation[axis];
    *first = start < 0 ? (-start + by - 1) / by : 0;
    *last = q->kernel[axis];
    if (start + (*last - 1) * by >= q->size[axis])
        *last = start >= q->size[axis] ? 0 : (q->size[axis] - 1 - start) / by + 1;
}

/* Where gradients add up, items are channels: clear theirs, and make the items output rows. */
static inline void NAME(clear)(const Geometry *q, T *dx, long *begin, long *end) {
    const long plane = q->size[0] * q->size[1] * q->size[2] * q->n, lines = q->out[0] * q->out[1];
    if (!q->adds) return;
    memset(dx + *begin * plane, 0, (*end - *begin) * plane * sizeof(T));
    *begin *= lines, *end *= lines;
}

/* BODY(V, M, CHOOSE) for every window of output rows [begin, end), counted over channels, and every vector of its N
 * values, then for single ones: V is the type of the values, M that of masks, CHOOSE(mask, a, b) is a or b.  `place` and,
 * within EACH_TAP, `cell` are where they lie in the output and in the image. */
#define EACH_WINDOW(BODY)                                                                                       \
    for (long line = begin; line < end; line++) {                                                               \
        const long rows = q->out[0] * q->out[1], c = line / rows, z = line % rows / q->out[1], y = line % q->out[1]; \
        long z0, z1, y0, y1, x0, x1;                                                                            \
        NAME(meet)(q, 0, z, &z0, &z1);                                                                          \
        NAME(meet)(q, 1, y, &y0, &y1);                                                                          \
        for (long s = 0; s < q->out[2]; s++) {                                                                  \
            long place = (line * q->out[2] + s) * n, l = 0;                                                     \
            NAME(meet)(q, 2, s, &x0, &x1);                                                                      \
            for (; l + LANES <= n; l += LANES, place += LANES) BODY(NAME(vec), NAME(mask), CHOOSE_LANES)        \
            for (; l < n; l++, place++) BODY(T, int, CHOOSE_ONE)                                                \
        }                                                                                                       \
    }
#define CHOOSE_LANES(m, a, b) ((NAME(vec))(((NAME(mask))(a) & (m)) | ((NAME(mask))(b) & ~(m))))
#define CHOOSE_ONE(m, a, b) ((m) ? (a) : (b))

#define EACH_TAP(...)                                                                                           \
    for (long i = z0; i < z1; i++)                                                                              \
        for (long j = y0; j < y1; j++) {                                                                        \
            const long depth = z * q->stride[0] + i * q->dilation[0] - q->before[0];                            \
            const long row = y * q->stride[1] + j * q->dilation[1] - q->before[1];                              \
            const long line_at = ((c * q->size[0] + depth) * q->size[1] + row) * q->size[2];                    \
            for (long k = x0; k < x1; k++) {                                                                    \
                const long cell = (line_at + s * q->stride[2] + k * q->dilation[2] - q->before[2]) * n + l;     \
                __VA_ARGS__                                                                                     \
            }                                                                                                   \
        }

#define MOST(V, M, CHOOSE) {                                                                \
    V most = (V){0} - (T)INFINITY;                                                          \
    EACH_TAP({                                                                              \
        const V v = *(V *)(x + cell);                                                       \
        most = CHOOSE((v > most) | (v != v), v, most);                                      \
    })                                                                                      \
    *(V *)(out + place) = most;                                                             \
}

static void NAME(window_max)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    T *x = call->data[0], *out = call->data[1];
    const long n = q->n;
    EACH_WINDOW(MOST)
}

/* The gradient goes to the first tap that holds the maximum; a NaN is one. */
#define TO_FIRST(V, M, CHOOSE) {                                                            \
    const V most = *(V *)(out + place), nothing = {0};                                      \
    V left = *(V *)(g + place); /* what has found no winner yet */                          \
    EACH_TAP({                                                                              \
        const V v = *(V *)(x + cell), before = q->adds ? *(V *)(dx + cell) : nothing;       \
        const M won = (v == most) | (v != v);                                               \
        *(V *)(dx + cell) = before + CHOOSE(won, left, nothing);                            \
        left = CHOOSE(won, nothing, left);                                                  \
    })                                                                                      \
}

static void NAME(window_max_grad)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    T *g = call->data[0], *x = call->data[1], *out = call->data[2], *dx = call->data[3];
    const long n = q->n;
    NAME(clear)(q, dx, &begin, &end);
    EACH_WINDOW(TO_FIRST)
}

#define SUM(V, M, CHOOSE) {                                                                 \
    V sum = {0};                                                                            \
    EACH_TAP({ sum += *(V *)(x + cell); })                                                  \
    *(V *)(out + place) = sum;                                                              \
}

static void NAME(window_sum)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    T *x = call->data[0], *out = call->data[1];
    const long n = q->n;
    EACH_WINDOW(SUM)
}

#define TO_ALL(V, M, CHOOSE) {                                                              \
    const V share = *(V *)(g + place), nothing = {0};                                       \
    EACH_TAP({                                                                              \
        const V before = q->adds ? *(V *)(dx + cell) : nothing;                             \
        *(V *)(dx + cell) = before + share;                                                 \
    })                                                                                      \
}

static void NAME(window_spread)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    T *g = call->data[0], *dx = call->data[1];
    const long n = q->n;
    NAME(clear)(q, dx, &begin, &end);
    EACH_WINDOW(TO_ALL)
}

#undef EACH_WINDOW
#undef EACH_TAP
#undef CHOOSE_LANES
#undef CHOOSE_ONE
#undef MOST
#undef TO_FIRST
#undef SUM
#undef TO_ALL
