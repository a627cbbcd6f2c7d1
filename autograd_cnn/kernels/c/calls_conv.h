/* Calls of convolution (conv.h, bands.h, panels.h, winograd.h). */

/* ------------------------------------------------------------------------------- convolution */

/* Whether a convolution goes by tiles (winograd.h); sets how many there are.  Those of `weights` need a batch that fills vectors,
 * and with 16 registers panels are 1.1 to 1.8 times as fast from 64 x 64 filters on. */
static void plan_tiles(Call *call, int weights) {
    Geometry *q = &call->q;
    const long lanes = levels[level].bytes / 4, taps = levels[level].taps, pairs = q->c * q->f;
    const int many = q->c >= TILED && q->f >= TILED && pairs >= TILED_PAIRS && !(weights && taps == 2 && pairs >= MANY_PAIRS);
    const int flat = q->size[0] == 1 && q->out[0] == 1 && !q->before[0]; /* a depth axis may be padded */
    int suits = !call->wide && q->groups == 1 && many && flat && q->out[1] > 1 && q->out[2] > 1;
    for (int axis = 0; axis < AXES; axis++)
        suits = suits && q->kernel[axis] == (axis ? 3 : 1) && q->stride[axis] == 1 && q->dilation[axis] == 1 &&
                q->spread[axis] == 1;
    q->tiles[0] = (q->out[1] + 1) / 2, q->tiles[1] = (q->out[2] + 1) / 2;
    const long filled = q->tiles[1] * q->n, least = q->n % lanes ? TILED_PLACES / lanes : taps;
    q->vectors = (filled + lanes - 1) / lanes;
    suits = suits && (q->n % lanes == 0 || (!weights && 4 * filled >= 3 * q->vectors * lanes)) && q->tiles[0] * q->vectors >= least;
    if (!suits) q->tiles[0] = q->tiles[1] = 0;
}

static long floor_of(long a, long b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* Along each axis, laid-out cells before the first of the images, and how many a position sees; for images with zeros between
 * them, how many the positions between two neighbours see. */
static void see_cells(Geometry *q) {
    for (int axis = 0; axis < AXES; axis++) {
        const long s = q->spread[axis], last = s - 1 + (q->kernel[axis] - 1) * q->dilation[axis] - q->before[axis];
        q->margin[axis] = floor_of(q->before[axis], s);
        q->reach[axis] = floor_of(last, s) + q->margin[axis] + 1;
    }
}

/* The gradient in the images of a stride s goes by classes: positions of the images with the same remainder modulo s see the same
 * taps, and a class is a convolution of stride 1 with them.  Any other convolution is one class.  Sets for the taps of each class
 * where they lie in laid-out images, and where their weights lie among those of the filters, which are to be turned around; and
 * the runs of classes that see the same cells.  False without memory. */
static int sort_taps(Geometry *q) {
    const long *k = q->kernel, *d = q->dilation, *s = q->spread;
    const long cells = product_of(k), slab = q->rows * q->row, next = q->f / q->groups * cells, classes = product_of(s);
    long t = 0, kind[AXES], at[AXES];
    if (times(classes, cells) > CLASSES || q->taps > MOST_BYTES) return 0;
    if (!(q->offsets = room(2 * (q->taps + classes + 1) * sizeof(long)))) return 0;
    q->sources = q->offsets + q->taps, q->starts = q->sources + q->taps, q->runs = q->starts + classes + 1;
    q->run_count = *q->starts = 0;
    for (long class = 0; class < classes; q->starts[++class] = t) {
        const long *last = class ? q->offsets + q->starts[class - 1] : NULL, *own = q->offsets + t;
        class_at(q, class, kind);
        for (long cell = 0; cell < cells; cell++) {
            const long tap[AXES] = {cell / (k[1] * k[2]), cell / k[2] % k[1], cell % k[2]};
            int seen = 1;
            for (int axis = 0; axis < AXES; axis++) {
                const long first = kind[axis] + tap[axis] * d[axis] - q->before[axis];
                seen = seen && first % s[axis] == 0;
                at[axis] = first / s[axis] + q->margin[axis];
            }
            if (!seen) continue;
            q->offsets[t] = at[0] * slab + at[1] * q->row + (at[2] % q->phases * q->columns + at[2] / q->phases) * q->n;
            q->sources[t++] = cells - 1 - cell;
        }
        const long each = q->offsets + t - own;
        for (const long end = t + each * (q->each - 1); t < end; t++)
            q->offsets[t] = q->offsets[t - each] + q->channel, q->sources[t] = q->sources[t - each] + next;
        if (!last || own - last != q->offsets + t - own || memcmp(last, own, (char *)own - (char *)last)) q->runs[q->run_count++] = class;
    }
    q->runs[q->run_count] = classes;
    return 1;
}

/* Plan how whole images are laid out.  Whether they serve as they are; -1 without memory, or if laid-out images would mostly be
 * cells that no window sees, as of large dilations. */
static int prepare(Geometry *q) {
    const long *s = q->spread, whole[AXES] = {q->out[0], max(q->out[1], 2 * q->tiles[0]), max(q->out[2], 2 * q->tiles[1])};
    const int paired = q->tiles[1] && q->n % (levels[level].bytes / 4); /* tiles want even and odd columns apart */
    see_cells(q);
    q->slabs = (whole[0] - 1) / s[0] * q->stride[0] + q->reach[0];
    q->rows = (whole[1] - 1) / s[1] * q->stride[1] + q->reach[1];
    q->phases = paired ? 2 : q->stride[2];
    q->columns = paired ? q->tiles[1] + 1 : (whole[2] - 1) / s[2] + 1 + (q->reach[2] - 1) / q->phases;
    const long lengths[AXES] = {q->slabs, q->rows, times(q->phases, q->columns)};
    int plain = q->phases == 1 && q->slabs <= q->size[0] && q->rows <= q->size[1] && q->columns == q->size[2];
    for (int axis = 0; axis < AXES; axis++) {
        plain = plain && !q->margin[axis];
        if (lengths[axis] > max(ROOMY, q->size[axis] + q->out[axis] * q->kernel[axis])) return -1;
    }
    if (plain) q->slabs = q->size[0], q->rows = q->size[1]; /* the images serve as they are */
    const long values = times(lengths[2], q->n);
    if (values > MOST_BYTES) return -1;
    q->row = values + (plain ? 0 : SKEW), q->channel = times(times(q->slabs, q->rows), q->row);
    if (times(q->channel, q->c) > MOST_BYTES) return -1;
    q->slab_step = q->stride[0] * q->rows * q->row;
    q->row_step = q->stride[1] * q->row;
    q->group_step = q->each * q->channel;
    return sort_taps(q) ? plain : -1;
}

/* Whether the images, array 0, lie batch-innermost. */
static int lie_innermost(const Call *call) { return call->copy[0] || contiguous(&call->view[0], 1); }

/* Whether the images, array 0, fit the window and f filters; sets how they lie. */
static int suit_filters(Call *call, long f) {
    Geometry *q = &call->q;
    if (call->view[0].ndim < 2) return 0;
    q->n = LENGTH(0, 0), q->c = LENGTH(0, 1), q->f = f;
    q->groups = call->numbers[0], q->tiles[0] = q->tiles[1] = 0;
    if (q->groups < 1 || q->c % q->groups || f % q->groups || !is_images(call, 0, q->n, q->c, q->size)) return 0;
    if (times(times(q->n, f), product_of(q->out)) > MOST_BYTES) return 0;
    q->each = q->c / q->groups, q->taps = times(q->each, product_of(q->kernel));
    const Py_ssize_t *strides = call->view[0].strides;
    const int lies = lie_innermost(call);
    long step = SIZE * q->n;
    q->steps[0] = lies ? SIZE : (long)strides[0];
    for (int axis = AXES - 1; axis >= 0; step *= q->size[axis--])
        q->steps[2 + axis] = lies ? step : axis < AXES - q->axes ? 0 : (long)strides[2 + axis - (AXES - q->axes)];
    q->steps[1] = lies ? step : (long)strides[1];
    return 1;
}

/* Lay the images out; for tiles, if they may be used.  False if something does not fit. */
static int begin_convolution(Call *call, int tiles, int weights) {
    Geometry *q = &call->q;
    if (!suit_filters(call, q->f)) return 0;
    if (tiles) plan_tiles(call, weights);
    const int plain = prepare(q);
    if (plain) return plain > 0 && lay_array(call, 0);
    const long rows = q->c * q->slabs * q->rows;
    if (!(call->laid = room(rows * q->row * SIZE))) return 0;
    RUN(lay_out, rows, q->row / MOVES);
    return 1;
}

/* Memory for a convolution: for so many transformed weights, and `each` values for every thread. */
static int take_room(Call *call, long weights, long each) {
    call->each = (each * SIZE + 63) / 64 * 64;
    call->filters = room(weights * SIZE);
    call->scratch = room(call->threads * call->each);
    return call->filters && call->scratch;
}

/* correlate by tiles: false if something was not finite, the weights are uneven, or there is no memory. */
static int correlate_tiles(Call *call) {
    Geometry *q = &call->q;
    atomic_int wrong = 0;
    const long filters = levels[level].filters, blocks = (q->f + filters - 1) / filters;
    q->run = levels[level].taps * levels[level].bytes / 4;
    if (!take_room(call, 16 * blocks * filters * q->c, 16 * ((q->c + filters) * q->run + 2 * SKEW))) return 0;
    call->wrong = &wrong;
    RUN(tile_filters, blocks * filters, q->c * 20);
    if (wrong) return 0;
    RUN(tiles, (q->tiles[0] * q->vectors + levels[level].taps - 1) / levels[level].taps, 16 * q->c * q->f * q->run / SUMS);
    return !wrong;
}

/* weights by tiles, likewise; false also if the sums of the shares would take too much memory. */
static int weights_tiles(Call *call) {
    Geometry *q = &call->q;
    atomic_int wrong = 0;
    const long filters = levels[level].filters, taps = levels[level].taps, lanes = levels[level].bytes / 4;
    const long blocks = (q->f + filters - 1) / filters, sets = (q->c + taps - 1) / taps;
    const long vectors = q->tiles[0] * q->vectors;
    const long longest = max(8, min(TILE_RUN, TILE_BYTES / (4 * (q->c + q->f) * lanes * 4)));
    const long room_for = TILE_SUMS / (16 * blocks * filters * sets * taps * 4); /* so many shares */
    if (room_for < 4) return 0;
    q->shares = min(min(TILE_SHARES, room_for), (vectors + longest - 1) / longest);
    const long most = (vectors + q->shares - 1) / q->shares, pieces = (most + longest - 1) / longest;
    q->run = (most + pieces - 1) / pieces * lanes;
    const long sums = 16 * blocks * filters * sets * taps * q->shares;
    if (!take_room(call, sums, 4 * ((q->c + q->f + filters) * q->run + 2 * SKEW))) return 0;
    call->wrong = &wrong;
    RUN(tile_weights, q->shares, 16 * q->c * q->f * vectors * lanes / q->shares / SUMS);
    RUN(tile_gradient, q->f, q->c * 30);
    return !wrong;
}

/* Begin again for the direct loops, after tiles that came to nothing. */
static int begin_directly(Call *call) {
    if (call->laid != call->data[0]) free(call->laid);
    free(call->q.offsets), free(call->filters), free(call->scratch);
    call->laid = call->data[0], call->q.offsets = NULL, call->filters = call->scratch = NULL;
    return begin_convolution(call, 0, 0);
}

#include "calls_bands.h"

/* correlate by panels. */
static int correlate_panels(Call *call) {
    Geometry *q = &call->q;
    const long filters = levels[level].filters, strip = 3 * levels[level].bytes / SIZE;
    long most = 1;
    for (long k = 0; k < q->run_count; k++) most = max(most, q->runs[k + 1] - q->runs[k]);
    q->run = strip;
    const long strips = panel_parts(q), blocks = (most * (q->f / q->groups) + filters - 1) / filters; /* of rows of weights */
    if (blocks * filters > DIRECT) q->run *= max(1, min(POSITIONS / strip, strips * q->run_count * q->groups / (2 * call->threads)));
    const long items = panel_parts(q) * q->run_count * q->groups;
    q->shares = max(1, min(blocks, call->threads / items));
    const long rows = ((blocks + q->shares - 1) / q->shares + 1) * filters, panel = PANEL_TAPS(levels[level].bytes) * odd_lines(q->run, SIZE);
    if (!take_room(call, 0, panel + (rows + 1) * q->run)) return 0;
    RUN(panels, items * q->shares, 1.0 * q->run * q->f * q->taps / q->run_count / q->shares / SUMS);
    return 1;
}

/* Whether panels bring more than the copies cost: many filters, and taps of each (16 filters of 25 taps take 1.4 times as long), or
 * short rows (32 filters over rows of 8,000 values: 1.3 times as long). */
static int panels_suit(const Geometry *q) {
    const int many = q->f > DIRECT || q->out[2] * q->n < SHORT_ROW;
    return q->groups == 1 && many && q->f >= MANY_FILTERS && q->taps >= MANY_TAPS;
}

/* Put the filters of a gradient in the images in the order of the convolution that it is. */
static int turn_filters(Call *call) {
    if (!(call->filters = room(times(call->count[1], SIZE)))) return 0;
    RUN(turn_filters, call->q.f, call->q.taps);
    free(call->copy[1]);
    call->data[1] = call->copy[1] = call->filters, call->filters = NULL;
    return 1;
}

/* Add the result of a convolution of x (array 0) with f filters (array 1), which are to be turned around if wanted: by bands, by
 * tiles, by panels or else directly. */
static int correlate(Call *call, long f, int turned) {
    Geometry *q = &call->q;
    if (!suit_filters(call, f) || call->count[1] != times(f, q->taps)) return 0;
    const long by = call->halved ? 2 : 1, out[AXES] = {q->out[0], q->out[1] / by, q->out[2] / by};
    const int banded = !call->halved && plan_bands(call, 0);
    if (!banded && !begin_convolution(call, 1, 0)) return 0;
    if ((turned && !turn_filters(call)) || !new_images(call, q->n, f, out, 1)) return 0;
    if (banded) return correlate_bands(call);
    if (q->tiles[0] && correlate_tiles(call)) return 1;
    if (q->tiles[0] && !begin_directly(call)) return 0;
    if (product_of(q->spread) > 1 || (!call->halved && panels_suit(q))) return correlate_panels(call);
    const long filters = levels[level].filters, per = f / q->groups, blocks = (per + filters - 1) / filters * q->groups;
    if (call->halved) {
        q->run = 2 * q->n * max(1, min(HALVED / (2 * q->n), q->out[2] / 2));
        if (!take_room(call, 0, 2 * filters * q->run)) return 0;
        RUN(correlate_halved, blocks * (q->out[1] / 2), 2.0 * min(per, filters) * q->taps * q->out[2] * q->n / SUMS);
    } else {
        RUN(correlate, blocks * q->out[0] * q->out[1], 1.0 * min(per, filters) * q->taps * q->out[2] * q->n / SUMS);
    }
    return 1;
}

/* conv(x, w, b or None, window, groups, relu, pool or None, scale or None) */
FUNCTION(conv) {
    TAKE("xvv?wl|lpv?");
    if (call->pooling == OTHER_POOLING) {
        PyObject *plain[] = {args[0], args[1], args[2], args[3], args[4], args[5], Py_None, given > 7 ? args[7] : Py_None};
        release(call);
        PyObject *before = conv(self, plain, 8), *pooled = before ? window_max(NULL, (PyObject *[]){before, args[6]}, 2) : NULL;
        Py_XDECREF(before);
        return pooled;
    }
    const Geometry *q = &call->q;
    const Py_buffer *w = &call->view[1];
    call->relu = call->numbers[1] != 0, call->halved = call->pooling == HALVING;
    NEED(w->ndim > 1 && is_images(call, 1, w->shape[0], w->shape[1], q->kernel));
    NEED(are_values(call, 2, 3, w->shape[0]));
    NEED(!call->halved || (q->axes == 2 && !memcmp(call->pooled, q->out, sizeof q->out)));
    NEED(correlate(call, (long)w->shape[0], 0));
    return finish(call);
}

/* conv_input_grad(g, w, window, groups): a convolution with the filters turned around, (G, C / G, F / G, KH * KW) */
FUNCTION(conv_input_grad) {
    TAKE("xvWl");
    Geometry *q = &call->q;
    NEED(call->view[0].ndim > 1 && call->view[1].ndim > 1);
    q->groups = call->numbers[0], q->f = LENGTH(1, 0), q->c = LENGTH(1, 1);
    NEED(q->groups > 0 && q->f % q->groups == 0 && is_images(call, 1, q->f, q->c, q->kernel) && LENGTH(0, 1) == q->f);
    call->data[2] = call->data[3] = NULL; /* no bias, no scale */
    NEED(correlate(call, q->groups * q->c, 1));
    return finish(call);
}

/* The weight gradient by panels. */
static int weights_panels(Call *call) {
    Geometry *q = &call->q;
    const long filters = levels[level].filters, broad = 3 * levels[level].bytes / SIZE;
    const long blocks = (q->f + broad - 1) / broad, sets = (q->taps + filters - 1) / filters;
    q->shares = min(sets, max(1, (3 * call->threads + blocks - 1) / blocks));
    if (!take_room(call, 0, broad * (COLUMNS + (sets / q->shares + 1) * filters))) return 0;
    RUN(panel_weights, blocks * q->shares, min(q->f, broad) * (q->taps / q->shares + 8) * product_of(q->out) * q->n / SUMS);
    return 1;
}

/* Whether these are faster: not where few taps would use the gradients turned around, as long rows are added up faster as they lie. */
static int weights_panels_suit(const Call *call) {
    const Geometry *q = &call->q;
    return q->groups == 1 && q->f >= levels[level].bytes / SIZE && (q->taps >= MANY_TAPS || q->out[2] * q->n < SHORT_ROW);
}

/* conv_weight_grad(x, g, window, groups) */
FUNCTION(conv_weight_grad) {
    TAKE("xiwl");
    Geometry *q = &call->q;
    NEED(call->view[1].ndim > 1 && suit_filters(call, LENGTH(1, 1)) && is_images(call, 1, q->n, q->f, q->out));
    NEED(new_images(call, q->f, q->each, q->kernel, 0));
    const int banded = plan_bands(call, 1);
    NEED(banded ? weights_bands(call) : begin_convolution(call, 1, 1));
    if (banded || (q->tiles[0] && weights_tiles(call))) return finish(call);
    NEED(!q->tiles[0] || begin_directly(call));
    if (weights_panels_suit(call)) {
        NEED(weights_panels(call));
        return finish(call);
    }
    const long filters = levels[level].filters, per = q->f / q->groups, sets = (q->taps - 1) / levels[level].taps + 1;
    const long blocks = (per + filters - 1) / filters * q->groups;
    q->sets = max(1, min(MOST_SETS, blocks * sets / (4 * call->threads)));
    const long items = blocks * ((sets + q->sets - 1) / q->sets);
    RUN(weights, items, q->sets * min(per, filters) * levels[level].taps * product_of(q->out) * q->n / SUMS);
    return finish(call);
}
