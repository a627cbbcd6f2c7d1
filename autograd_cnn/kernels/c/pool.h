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

/* For output rows [begin, end), counted over channels: BODY for every window and every vector of its N values, then the LINE
 * macros for the values that fill no vector, of many windows together (all of them at batch 1).  `place` and, within EACH_TAP
 * and a LINE's STEP, `cell` are where they lie in the output and in the image. */
#define EACH_WINDOW(BODY, START, STEP, END)                                                                     \
    const long rest = n - n % LANES, each = n - rest;                                                           \
    for (long line = begin; line < end; line++) {                                                               \
        const long rows = q->out[0] * q->out[1], c = line / rows, z = line % rows / q->out[1], y = line % q->out[1]; \
        long z0, z1, y0, y1, x0, x1;                                                                            \
        NAME(meet)(q, 0, z, &z0, &z1);                                                                          \
        NAME(meet)(q, 1, y, &y0, &y1);                                                                          \
        for (long s = 0; rest && s < q->out[2]; s++) {                                                          \
            NAME(meet)(q, 2, s, &x0, &x1);                                                                      \
            for (long l = 0, place = (line * q->out[2] + s) * n; l < rest; l += LANES, place += LANES) BODY     \
        }                                                                                                       \
        for (long s0 = 0, s1; each && s0 < q->out[2]; s0 = s1) {                                                \
            T kept[TOGETHER];                                                                                   \
            s1 = min(q->out[2], s0 + (q->kernel[2] > q->size[2] ? 1 : TOGETHER / each));                        \
            NAME(meet)(q, 2, s1 - 1, &x0, &x1); /* no other tap meets the image in any of these windows: ... */ \
            const long first_tap = x0;                                                                          \
            NAME(meet)(q, 2, s0, &x0, &x1); /* ... most, if the window is larger than the image */              \
            REST(s0, s1, START)                                                                                 \
            EACH_ROW(for (long k = first_tap; k < x1; k++) {                                                    \
                const long shift = k * q->dilation[2] - q->before[2], by = q->stride[2];                        \
                const long first = max(s0, shift < 0 ? (-shift + by - 1) / by : 0);                             \
                const long last = shift < q->size[2] ? min(s1, (q->size[2] - 1 - shift) / by + 1) : 0;          \
                REST(first, last, const long cell = (line_at + s * by + shift) * n + l; STEP)                   \
            })                                                                                                  \
            REST(s0, s1, END)                                                                                   \
        }                                                                                                       \
    }

/* For windows [first, last) of a row and what fills no vector of each: `kept` is a value of its own to work with. */
#define REST(FIRST, LAST, ...)                                                                                  \
    if (each == 1) for (long s = FIRST, l = rest; s < LAST; s++) {                                              \
        const long at = s - s0, place = (line * q->out[2] + s) * n + l;                                         \
        (void)at, (void)place;                                                                                  \
        __VA_ARGS__                                                                                             \
    }                                                                                                           \
    else for (long s = FIRST; s < LAST; s++)                                                                    \
        for (long l = rest; l < n; l++) {                                                                       \
            const long at = (s - s0) * each + l - rest, place = (line * q->out[2] + s) * n + l;                 \
            (void)at, (void)place;                                                                              \
            __VA_ARGS__                                                                                         \
        }

#define EACH_ROW(...)                                                                                           \
    for (long i = z0; i < z1; i++)                                                                              \
        for (long j = y0; j < y1; j++) {                                                                        \
            const long depth = z * q->stride[0] + i * q->dilation[0] - q->before[0];                            \
            const long row = y * q->stride[1] + j * q->dilation[1] - q->before[1];                              \
            const long line_at = ((c * q->size[0] + depth) * q->size[1] + row) * q->size[2];                    \
            __VA_ARGS__                                                                                         \
        }

#define EACH_TAP(...)                                                                                           \
    EACH_ROW(for (long k = x0; k < x1; k++) {                                                                   \
        const long cell = (line_at + s * q->stride[2] + k * q->dilation[2] - q->before[2]) * n + l;             \
        __VA_ARGS__                                                                                             \
    })

#define V NAME(vec)
#define BEFORE(TYPE) (q->adds ? *(TYPE *)(dx + cell) : (TYPE){0})

#define MOST {                                                                              \
    V most = (V){0} - (T)INFINITY;                                                          \
    EACH_TAP({                                                                              \
        const V v = *(V *)(x + cell);                                                       \
        most = CHOOSE((v > most) | (v != v), v, most);                                      \
    })                                                                                      \
    *(V *)(out + place) = most;                                                             \
}

static void NAME(window_max)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    T *x = call->data[0], *out = call->out[0];
    const long n = q->n;
    EACH_WINDOW(MOST, kept[at] = -(T)INFINITY;,
                const T v = x[cell]; kept[at] = ((v > kept[at]) | (v != v)) ? v : kept[at];, out[place] = kept[at];)
}

/* The gradient goes to the first tap that holds the maximum; a NaN is one. */
#define TO_FIRST {                                                                          \
    const V most = *(V *)(out + place), nothing = {0};                                      \
    V left = *(V *)(g + place); /* what has found no winner yet */                          \
    EACH_TAP({                                                                              \
        const V v = *(V *)(x + cell);                                                       \
        const NAME(mask) won = (v == most) | (v != v);                                      \
        *(V *)(dx + cell) = BEFORE(V) + CHOOSE(won, left, nothing);                         \
        left = CHOOSE(won, nothing, left);                                                  \
    })                                                                                      \
}

static void NAME(window_max_grad)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    T *g = call->data[0], *x = call->data[1], *out = call->data[2], *dx = call->out[0];
    const long n = q->n;
    NAME(clear)(q, dx, &begin, &end);
    EACH_WINDOW(TO_FIRST, kept[at] = g[place];, const T v = x[cell]; const int won = (v == out[place]) | (v != v);
                dx[cell] = BEFORE(T) + (won ? kept[at] : 0); kept[at] = won ? 0 : kept[at];,)
}

#define SUM {                                                                               \
    V sum = {0};                                                                            \
    EACH_TAP({ sum += *(V *)(x + cell); })                                                  \
    *(V *)(out + place) = sum;                                                              \
}

static void NAME(window_sum)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    T *x = call->data[0], *out = call->out[0];
    const long n = q->n;
    EACH_WINDOW(SUM, kept[at] = 0;, kept[at] += x[cell];, out[place] = kept[at];)
}

#define TO_ALL {                                                                            \
    const V share = *(V *)(g + place);                                                      \
    EACH_TAP({ *(V *)(dx + cell) = BEFORE(V) + share; })                                    \
}

static void NAME(window_spread)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    T *g = call->data[0], *dx = call->out[0];
    const long n = q->n;
    NAME(clear)(q, dx, &begin, &end);
    EACH_WINDOW(TO_ALL, kept[at] = g[place];, dx[cell] = BEFORE(T) + kept[at];,)
}

#undef EACH_WINDOW
#undef REST
#undef EACH_ROW
#undef EACH_TAP
#undef V
#undef BEFORE
#undef MOST
#undef TO_FIRST
#undef SUM
#undef TO_ALL
