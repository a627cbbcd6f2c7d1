/* The functions of the module for convolution.  Their loops stand in conv.h and winograd.h, what they compute in the folder
 * reference. */

/* ------------------------------------------------------------------------------- convolution */

/* Whether a convolution goes by tiles (winograd.h); sets how many there are. */
static void plan_tiles(Call *call) {
    Geometry *q = &call->q;
    const long lanes = levels[level].bytes / 4, taps = levels[level].taps;
    const long rows = (q->out[1] + 1) / 2, columns = (q->out[2] + 1) / 2;
    const int many = q->c >= TILED && q->f >= TILED && q->c * q->f >= TILED_PAIRS;
    const int flat = q->size[0] == 1 && q->out[0] == 1 && !q->before[0]; /* a depth axis may be padded */
    const int whole = q->out[1] > 1 && q->out[2] > 1;
    int suits = !call->wide && q->groups == 1 && many && flat && whole && q->n % lanes == 0 && rows * columns * q->n >= taps * lanes;
    for (int axis = 0; axis < AXES; axis++)
        suits = suits && q->kernel[axis] == (axis ? 3 : 1) && q->stride[axis] == 1 && q->dilation[axis] == 1 &&
                q->insert[axis] == 1;
    q->tiles[0] = suits ? rows : 0, q->tiles[1] = suits ? columns : 0;
}

/* What a convolution needs beyond the numbers: the laid-out size and where each tap lies in it.  Whether the images serve as
 * they are; -1 without memory, or if laid-out images would mostly be cells that no window sees, as of large dilations. */
static int prepare(Geometry *q) {
    const long *k = q->kernel, *d = q->dilation;
    q->each = q->c / q->groups;
    q->taps = times(q->each, product_of(k));
    q->slabs = (q->out[0] - 1) * q->stride[0] + (k[0] - 1) * d[0] + 1;
    const long height = max(q->out[1], 2 * q->tiles[0]), width = max(q->out[2], 2 * q->tiles[1]);
    q->rows = (height - 1) * q->stride[1] + (k[1] - 1) * d[1] + 1;
    q->phases = q->stride[2];
    q->columns = width + (k[2] - 1) * d[2] / q->phases;
    const long lengths[AXES] = {q->slabs, q->rows, q->phases * q->columns};
    for (int axis = 0; axis < AXES; axis++)
        if (lengths[axis] > max(ROOMY, q->size[axis] + q->out[axis] * k[axis])) return -1;
    int plain = q->phases == 1 && q->slabs <= q->size[0] && q->rows <= q->size[1] && q->columns == q->size[2];
    for (int axis = 0; axis < AXES; axis++) plain = plain && !q->before[axis] && q->insert[axis] == 1;
    if (plain) q->slabs = q->size[0], q->rows = q->size[1]; /* the images serve as they are */
    const long values = times(lengths[2], q->n);
    if (values > MOST_BYTES) return -1;
    const long row = q->row = values + (plain ? 0 : SKEW), slab = times(q->rows, row), channel = times(q->slabs, slab);
    if (times(channel, q->c) > MOST_BYTES) return -1;
    q->slab_step = times(q->stride[0], slab);
    q->row_step = times(q->stride[1], row);
    q->group_step = q->each * channel;
    long *at = q->offsets = room(times(q->taps, sizeof(long)));
    if (!at) return -1;
    for (long c = 0; c < q->each; c++)
        for (long z = 0; z < k[0]; z++)
            for (long y = 0; y < k[1]; y++)
                for (long x = 0; x < k[2]; x++) {
                    const long step = x * d[2];
                    *at++ = c * channel + z * d[0] * slab + y * d[1] * row +
                            (step % q->phases * q->columns + step / q->phases) * q->n;
                }
    return plain;
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
    const Py_ssize_t *strides = call->view[0].strides;
    const int lies = lie_innermost(call);
    long step = SIZE * q->n;
    q->steps[0] = lies ? SIZE : (long)strides[0];
    for (int axis = AXES - 1; axis >= 0; step *= q->size[axis--])
        q->steps[2 + axis] = lies ? step : axis < AXES - q->axes ? 0 : (long)strides[2 + axis - (AXES - q->axes)];
    q->steps[1] = lies ? step : (long)strides[1];
    return 1;
}

/* Lay the images out for f filters; for tiles, if they may be used.  False if something does not fit. */
static int begin_convolution(Call *call, long f, int tiles) {
    Geometry *q = &call->q;
    if (!suit_filters(call, f)) return 0;
    if (tiles) plan_tiles(call);
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
    RUN(tiles, (q->tiles[0] * q->tiles[1] * q->n + q->run - 1) / q->run, 16 * q->c * q->f * q->run / SUMS);
    return !wrong;
}

/* weights by tiles, likewise; false also if the sums of the shares would take too much memory. */
static int weights_tiles(Call *call) {
    Geometry *q = &call->q;
    atomic_int wrong = 0;
    const long filters = levels[level].filters, taps = levels[level].taps, lanes = levels[level].bytes / 4;
    const long blocks = (q->f + filters - 1) / filters, sets = (q->c + taps - 1) / taps;
    const long vectors = q->tiles[0] * q->tiles[1] * q->n / lanes;
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
    return begin_convolution(call, call->q.f, 0);
}

#include "calls_bands.h"

/* Add the result of a convolution of x (array 0) with f filters (array 1): by bands, by tiles, or else directly. */
static int correlate(Call *call, long f) {
    Geometry *q = &call->q;
    if (!call->halved && correlate_bands(call, f, 0)) return 1;
    if (!begin_convolution(call, f, 1) || call->count[1] != times(f, q->taps)) return 0;
    const long halves[AXES] = {1, q->out[1] / 2, q->out[2] / 2};
    if (!new_images(call, q->n, f, q->axes, call->halved ? halves : q->out)) return 0;
    if (q->tiles[0] && correlate_tiles(call)) return 1;
    if (q->tiles[0] && !begin_directly(call)) return 0;
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
    NEED(is_values(call, 2, w->shape[0]) && is_values(call, 3, w->shape[0]));
    NEED(!call->halved || (q->axes == 2 && !memcmp(call->pooled, q->out, sizeof q->out)));
    NEED(correlate(call, (long)w->shape[0]));
    return finish(call);
}

/* conv_input_grad(g, w, window, groups): a convolution with the filters turned around, (G, C / G, F / G, KH * KW) */
FUNCTION(conv_input_grad) {
    TAKE("xvWl");
    Geometry *q = &call->q;
    NEED(call->view[0].ndim > 1 && call->view[1].ndim > 1);
    q->groups = call->numbers[0], q->f = LENGTH(1, 0), q->c = LENGTH(1, 1);
    NEED(q->groups > 0 && q->f % q->groups == 0 && is_images(call, 1, q->f, q->c, q->kernel) && LENGTH(0, 1) == q->f);
    const long cells = product_of(q->kernel), channels = q->groups * q->c;
    call->data[2] = call->data[3] = NULL; /* no bias, no scale */
    if (correlate_bands(call, channels, 1)) return finish(call);
    void *turned = room(times(call->count[1], SIZE));
    NEED(turned);
    q->taps = cells, call->filters = turned;
    RUN(turn_filters, channels, q->f / q->groups * cells);
    free(call->copy[1]);
    call->data[1] = call->copy[1] = turned, call->filters = NULL;
    NEED(correlate(call, channels));
    return finish(call);
}

/* conv_weight_grad(x, g, window, groups) */
FUNCTION(conv_weight_grad) {
    TAKE("xiwl");
    Geometry *q = &call->q;
    NEED(call->view[1].ndim > 1 && suit_filters(call, LENGTH(1, 1)) && is_images(call, 1, q->n, q->f, q->out));
    long shape[2 + AXES] = {q->f, q->c / q->groups};
    for (int axis = 0; axis < q->axes; axis++) shape[2 + axis] = q->kernel[AXES - q->axes + axis];
    NEED(add_result(call, new_array(call->wide, 2 + q->axes, shape, 0)));
    if (weights_bands(call)) return finish(call);
    NEED(begin_convolution(call, q->f, 1));
    if (q->tiles[0] && weights_tiles(call)) return finish(call);
    NEED(!q->tiles[0] || begin_directly(call));
    const long filters = levels[level].filters, per = q->f / q->groups, sets = (q->taps - 1) / levels[level].taps + 1;
    const long blocks = (per + filters - 1) / filters * q->groups;
    q->sets = max(1, min(MOST_SETS, blocks * sets / (4 * call->threads)));
    const long items = blocks * ((sets + q->sets - 1) / q->sets);
    RUN(weights, items, q->sets * min(per, filters) * levels[level].taps * product_of(q->out) * q->n / SUMS);
    return finish(call);
}

#define CONV_KERNELS FAST(conv) FAST(conv_input_grad) FAST(conv_weight_grad)
