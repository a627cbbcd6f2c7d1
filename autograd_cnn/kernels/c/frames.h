/* The pieces in which pooling goes through images, each in a frame: the cells that its windows see, also those that are not there,
 * and the windows.  A frame begins where a window does and has cells = windows * stride along every axis.  If the images are of
 * single values, SQUARE channels or fewer lie side by side in a frame, as the images of a batch do otherwise. */

typedef struct { long first[AXES], count[AXES]; } Span; /* of cells or windows; the first may be negative */

typedef struct {
    long plane, n;              /* the first channel, values side by side */
    Span cells, windows, wanted; /* what is wanted of the result: windows, or cells where gradients go back to them */
} Frame;

/* Set the frame of a piece, for the result at the windows, or with `back` at the cells.  It holds that of another one, or zeros. */
static void set_frame(const Geometry *q, long item, int back, Frame *f) {
    const long part = item % q->pieces, known = f->n && q->pieces == 1;
    f->plane = item / q->pieces * q->group, f->n = q->n == 1 ? min(q->group, q->c - f->plane) : q->n;
    for (int a = 0; a < AXES && !known; a++) {
        const long total = back ? q->size[a] : q->out[a], by = q->stride[a], reach = (q->kernel[a] - 1) * q->dilation[a] + 1;
        const long from = a == q->split ? total * part / q->pieces : 0, to = a == q->split ? total * (part + 1) / q->pieces : total;
        const long others = (reach - 1) / by; /* windows that a cell may lie in, besides the last one that begins before it */
        long first = from, last = to - 1 + others;
        if (back) { /* behind the last window there are as many without a gradient, which the next row's first cells see */
            last = (to - 1 + q->before[a]) / by;
            first = max(0, (from + q->before[a]) / by - others), last = max(last, min(last, q->out[a] - 1) + others);
        }
        f->windows.first[a] = first, f->windows.count[a] = last - first + 1;
        f->cells.first[a] = first * by - q->before[a], f->cells.count[a] = (last - first + 1) * by;
        f->wanted.first[a] = from, f->wanted.count[a] = to - from;
    }
}

/* What there is of a span in an array of this size. */
static Span part_of(const Span *span, const long *size) {
    Span part;
    for (int a = 0; a < AXES; a++) {
        part.first[a] = max(0, span->first[a]);
        part.count[a] = max(0, min(size[a], span->first[a] + span->count[a]) - part.first[a]);
    }
    return part;
}

/* Where a row of channels (D, H, W) begins that begins with the first cell of `part`, z slabs and y rows further. */
static long place_of(const Frame *f, const Span *part, const long *size, long z, long y) {
    return (((part->first[0] + z) * size[1] + part->first[1] + y) * size[2] + part->first[2]) * f->n;
}
