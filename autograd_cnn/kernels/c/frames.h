/* The pieces in which pooling goes through images, each in a frame: the cells that its windows see, also those that are not there,
 * and the windows.  A frame begins where a window does and has cells = windows * stride along every axis. */

typedef struct { long first[AXES], count[AXES]; } Span; /* of cells or windows; the first may be negative */

enum gathering { LARGEST, SUM, WINNERS };

typedef struct {
    long plane, planes;         /* the channels */
    Span cells, windows, wanted; /* what is wanted of the result: windows, or cells where gradients go back to them */
} Frame;

/* The frame of a piece, for the result at the windows, or with `back` at the cells. */
static Frame frame_of(const Geometry *q, long item, int back) {
    const long part = item % q->pieces, plane = item / q->pieces * q->group;
    Frame f = {.plane = plane, .planes = min(q->group, q->c - plane)};
    for (int a = 0; a < AXES; a++) {
        const long total = back ? q->size[a] : q->out[a], by = q->stride[a], reach = (q->kernel[a] - 1) * q->dilation[a] + 1;
        const long from = a == q->split ? total * part / q->pieces : 0, to = a == q->split ? total * (part + 1) / q->pieces : total;
        const long others = (reach - 1) / by; /* windows that a cell may lie in, besides the last one that begins before it */
        long first = from, last = to - 1 + others;
        if (back) { /* behind the last window there are as many without a gradient, which the next row's first cells see */
            last = (to - 1 + q->before[a]) / by;
            first = max(0, (from + q->before[a]) / by - others), last = max(last, min(last, q->out[a] - 1) + others);
        }
        f.windows.first[a] = first, f.windows.count[a] = last - first + 1;
        f.cells.first[a] = first * by - q->before[a], f.cells.count[a] = (last - first + 1) * by;
        f.wanted.first[a] = from, f.wanted.count[a] = to - from;
    }
    return f;
}

/* Whether a span lies in an array of this size, without a gap in memory. */
static int within(const Geometry *q, const Span *span, const long *size) {
    for (int a = 0; a < AXES; a++) {
        if (span->first[a] < 0 || span->first[a] + span->count[a] > size[a]) return 0;
        if ((a != q->split || q->group > 1) && span->count[a] != size[a]) return 0;
    }
    return 1;
}

typedef struct { /* channels and axes of an array (C, D, H, W) of blocks of n values, and of a frame in it */
    long n, first[AXES + 1], count[AXES + 1], wanted[AXES + 1], wants[AXES + 1], size[AXES + 1];
} Box;

/* Axes that the frame has in whole, last ones first, go into the blocks. */
static Box box_of(const Geometry *q, const Frame *f, const Span *span, const Span *wanted, const long *size) {
    Box b = {q->n, {f->plane}, {f->planes}, {f->plane}, {f->planes}, {q->c}};
    for (int a = 0; a < AXES; a++) {
        b.first[a + 1] = span->first[a], b.count[a + 1] = span->count[a], b.size[a + 1] = size[a];
        b.wanted[a + 1] = wanted->first[a], b.wants[a + 1] = wanted->count[a];
    }
    for (int k = 0; k < AXES && b.count[AXES] == b.size[AXES] && b.wants[AXES] == b.size[AXES] && !b.first[AXES]; k++) {
        b.n *= b.size[AXES];
        for (long *row = b.first; row <= b.size; row += AXES + 1) {
            memmove(row + 1, row, AXES * sizeof *row);
            row[0] = row != b.first && row != b.wanted;
        }
    }
    return b;
}

/* Where a row of the array begins. */
static inline long place_of(const Box *b, long plane, long z, long y) { return ((plane * b->size[1] + z) * b->size[2] + y) * b->size[3] * b->n; }
