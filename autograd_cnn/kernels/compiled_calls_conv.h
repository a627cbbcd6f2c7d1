/* The functions of the module for convolution and matrix products; included by compiled_calls.h. */

/* ------------------------------------------------------------------------------- convolution */

/* Whether a convolution goes by tiles (compiled_winograd.h); sets how many there are. */
static void plan_tiles(Call *call) {
    Geometry *q = &call->q;
    const long lanes = levels[level].bytes / 4, taps = levels[level].taps;
    const long rows = (q->out[1] + 1) / 2, columns = (q->out[2] + 1) / 2;
    const int many = q->c >= TILED && q->f >= TILED && q->c * q->f >= TILED_PAIRS;
    const int flat = q->size[0] == 1 && q->out[0] == 1 && !q->before[0]; /* a depth axis may be padded */
    int suits = !call->wide && q->groups == 1 && many && flat && q->n % lanes == 0 && rows * columns * q->n >= taps * lanes;
    for (int axis = 0; axis < AXES; axis++)
        suits = suits && q->kernel[axis] == (axis ? 3 : 1) && q->stride[axis] == 1 && q->dilation[axis] == 1 &&
                q->insert[axis] == 1;
    q->tiles[0] = suits ? rows : 0, q->tiles[1] = suits ? columns : 0;
}

/* What a convolution needs beyond the numbers: the laid-out size and where each tap lies in it. */
static int prepare(Geometry *q) {
    const long *k = q->kernel, *d = q->dilation;
    q->each = q->c / q->groups;
    q->taps = q->each * product_of(k);
    q->slabs = (q->out[0] - 1) * q->stride[0] + (k[0] - 1) * d[0] + 1;
    const long height = max(q->out[1], 2 * q->tiles[0]), width = max(q->out[2], 2 * q->tiles[1]);
    q->rows = (height - 1) * q->stride[1] + (k[1] - 1) * d[1] + 1;
    q->phases = q->stride[2];
    q->columns = width + (k[2] - 1) * d[2] / q->phases;
    int plain = q->phases == 1 && q->slabs <= q->size[0] && q->rows <= q->size[1] && q->columns == q->size[2];
    for (int axis = 0; axis < AXES; axis++) plain = plain && !q->before[axis] && q->insert[axis] == 1;
    if (plain) q->slabs = q->size[0], q->rows = q->size[1]; /* the images serve as they are */
    q->row = q->phases * q->columns * q->n + (plain ? 0 : SKEW);
    const long row = q->row, slab = q->rows * row, channel = q->slabs * slab;
    q->slab_step = q->stride[0] * slab;
    q->row_step = q->stride[1] * row;
    q->group_step = q->each * channel;
    long *at = q->offsets = malloc(max(1, q->taps) * sizeof(long));
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

/* Read the window, array `window`, lay the images out, for tiles if they may be used; -1 with an exception set if something
 * does not fit. */
static int begin_convolution(Call *call_, long filters, int window, int output, int tiles) {
    if (read_geometry(call_, window) < 0) return -1;
    Geometry *q = &call_->q;
    q->f = filters, q->groups = call_->numbers[0], q->tiles[0] = q->tiles[1] = 0;
    if (q->groups < 1 || q->c % q->groups || q->f % q->groups)
        return PyErr_SetString(PyExc_ValueError, "groups do not divide the channels and filters"), -1;
    if (tiles) plan_tiles(call_);
    const int plain = prepare(q);
    if (plain < 0) return PyErr_NoMemory(), -1;
    const long places = call_->halved ? q->out[1] / 2 * (q->out[2] / 2) : product_of(q->out);
    if (!holds(call_, 0, q->c * product_of(q->size) * q->n) || !holds(call_, output, q->f * places * q->n)) return -1;
    if (plain) return 0;
#define call (*call_)
    const long rows = q->c * q->slabs * q->rows, row = q->row;
    call.laid = room(rows * row * SIZE);
    if (!call.laid) return PyErr_NoMemory(), -1;
    RUN(lay_out, rows, row / MOVES);
#undef call
    return 0;
}

#define call (*call_)
/* Memory for a convolution: for so many transformed weights, and `each` values for every thread. */
static int take_room(Call *call_, long weights, long each) {
    call.each = (each * SIZE + 63) / 64 * 64;
    call.filters = room(weights * SIZE);
    call.scratch = room(call.threads * call.each);
    if (!call.filters || !call.scratch) return PyErr_NoMemory(), -1;
    return 0;
}

/* correlate by tiles: 1, or 0 if something was not finite, or -1 with an exception set. */
static int correlate_tiles(Call *call_) {
    Geometry *q = &call.q;
    atomic_int wrong = 0;
    const long filters = levels[level].filters, blocks = (q->f + filters - 1) / filters;
    q->run = levels[level].taps * levels[level].bytes / 4;
    if (take_room(&call, 16 * blocks * filters * q->c, 16 * ((q->c + filters) * q->run + 2 * SKEW)) < 0) return -1;
    call.wrong = &wrong;
    RUN(tile_filters, blocks * filters, q->c * 20);
    RUN(tiles, (q->tiles[0] * q->tiles[1] * q->n + q->run - 1) / q->run, 16 * q->c * q->f * q->run / SUMS);
    return !wrong;
}

/* weights by tiles, likewise; 0 also if the sums of the shares would take too much memory. */
static int weights_tiles(Call *call_) {
    Geometry *q = &call.q;
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
    if (take_room(&call, sums, 4 * ((q->c + q->f + filters) * q->run + 2 * SKEW)) < 0) return -1;
    call.wrong = &wrong;
    RUN(tile_weights, q->shares, 16 * q->c * q->f * vectors * lanes / q->shares / SUMS);
    RUN(tile_gradient, q->f, q->c * 30);
    return !wrong;
}
#undef call

/* Compute by tiles if that was planned: 1, or 0 if the direct loops are to do it, or -1 with an exception set. */
static int by_tiles(Call *call, int (*compute)(Call *), int window, int output) {
    if (!call->q.tiles[0]) return 0;
    const int done = compute(call);
    if (done) return done;
    if (call->laid != call->data[0]) free(call->laid);
    free(call->q.offsets), free(call->filters), free(call->scratch);
    call->laid = call->data[0], call->q.offsets = NULL, call->filters = call->scratch = NULL;
    return begin_convolution(call, call->q.f, window, output, 0);
}

/* correlate(x, w, b or None, scale or None, window, out, groups, relu, halved): conv, and conv_input_grad with the filters
 * turned around. */
FUNCTION(correlate) {
    TAKE("ivv?v?willl");
    Geometry *q = &call.q;
    call.relu = call.numbers[1] != 0, call.halved = call.numbers[2] != 0;
    if (call.view[5].ndim < 2 || begin_convolution(&call, LENGTH(5, 1), 4, 5, 1) < 0 ||
        !holds(&call, 1, q->f * q->taps) || !holds(&call, 2, q->f) || !holds(&call, 3, q->f)) FAIL;
    const int done = by_tiles(&call, correlate_tiles, 4, 5);
    if (done < 0) FAIL;
    if (done) DONE;
    const long filters = levels[level].filters, per = q->f / q->groups;
    if (call.halved) {
        const long items = (per + filters - 1) / filters * q->groups * (q->out[1] / 2);
        q->run = 2 * q->n * max(1, min(HALVED / (2 * q->n), q->out[2] / 2));
        if (take_room(&call, 0, 2 * filters * q->run) < 0) FAIL;
        RUN(correlate_halved, items, min(per, filters) * q->taps * 2 * q->out[2] * q->n / SUMS);
        DONE;
    }
    const long items = (per + filters - 1) / filters * q->groups * q->out[0] * q->out[1];
    RUN(correlate, items, min(per, filters) * q->taps * q->out[2] * q->n / SUMS);
    DONE;
}

/* weights(x, g, w, window, groups): conv_weight_grad, into w. */
FUNCTION(weights) {
    TAKE("iivwl");
    Geometry *q = &call.q;
    if (call.view[1].ndim < 2 || begin_convolution(&call, LENGTH(1, 1), 3, 1, 1) < 0 || !holds(&call, 2, q->f * q->taps)) FAIL;
    const int done = by_tiles(&call, weights_tiles, 3, 1);
    if (done < 0) FAIL;
    if (done) DONE;
    const long filters = levels[level].filters, per = q->f / q->groups, sets = (q->taps - 1) / levels[level].taps + 1;
    const long blocks = (per + filters - 1) / filters * q->groups;
    q->sets = max(1, min(MOST_SETS, blocks * sets / (4 * call.threads)));
    const long items = blocks * ((sets + q->sets - 1) / q->sets);
    RUN(weights, items, q->sets * min(per, filters) * levels[level].taps * product_of(q->out) * q->n / SUMS);
    DONE;
}

/* ---------------------------------------------------------------------------- matrix products */

static int step_offsets(Geometry *q, long count, long step) {
    q->offsets = malloc(max(1, count) * sizeof(long));
    if (!q->offsets) return PyErr_NoMemory(), -1;
    for (long t = 0; t < count; t++) q->offsets[t] = t * step;
    return 0;
}

/* product(a, b, bias or None, scale or None, out, relu): out (M, N) = a (M, K) @ b (K, N) times scale (M,) plus bias (M,), and
 * relu of it.  Rows of a times columns of b where both lie
 * in one piece and are long enough to add up in vectors, else sums of rows of b. */
FUNCTION(product) {
    TAKE("mmv?v?vl");
    Geometry *q = &call.q;
    call.relu = call.numbers[0] != 0;
    q->f = LENGTH(0, 0), q->c = LENGTH(0, 1), q->n = LENGTH(1, 1);
    const long m = q->f, k = q->c, n = q->n, filters = levels[level].filters;
    if (!holds(&call, 1, k * n) || !holds(&call, 2, m) || !holds(&call, 3, m) || !holds(&call, 4, m * n)) FAIL;
    if (!call.turned[0] && (n == 1 || (call.turned[1] && n < FEW && k >= SHORT_SUM))) {
        if (step_offsets(q, n, k) < 0) FAIL;
        RUN(dots, (m + filters - 1) / filters, min(m, filters) * n * (k + 64) / SUMS);
        DONE;
    }
    if (step_offsets(q, k, n) < 0) FAIL;
    call.laid = D(1);
    if (call.turned[1]) {
        call.laid = malloc(k * n * SIZE);
        if (!call.laid) { PyErr_NoMemory(); FAIL; }
        RUN(turn, (k + SQUARE - 1) / SQUARE, SQUARE * n / MOVES * 16);
    }
    const double values = min(m, filters) * min(n, PANEL); /* of one item */
    RUN(product, (m + filters - 1) / filters * ((n + PANEL - 1) / PANEL), values * (k / SUMS + 2 / MOVES));
    DONE;
}
