/* Convolution in bands (bands.h): whether it suits, and its plan. */

/* Along an axis of a convolution whose images have `insert` - 1 zeros between them: laid-out cells before the first cell of the
 * images, and how many a position sees; for a stride of more than one, insert is 1. */
static long cells_before(const Geometry *q, int axis) {
    const long insert = q->spread[axis], before = q->before[axis];
    return before >= 0 ? before / insert : -((insert - 1 - before) / insert);
}

static long cells_seen(const Geometry *q, int axis) {
    const long insert = q->spread[axis], last = insert - 1 + (q->kernel[axis] - 1) * q->dilation[axis] - q->before[axis];
    return (last >= 0 ? last / insert : -((insert - 1 - last) / insert)) + cells_before(q, axis) + 1;
}

/* The taps of every class: where they lie in a band, and where their weights lie among those of the `per` turned filters. */
static void sort_taps(Geometry *q, const long *before, long per) {
    const long *k = q->kernel, *d = q->dilation, *s = q->spread;
    const long cells = product_of(k), slab = q->rows * q->row;
    long t = 0, kind[AXES], tap[AXES], at[AXES];
    *q->starts = 0;
    for (long class = 0; class < product_of(s); q->starts[++class] = t) {
        kind[0] = class / (s[1] * s[2]), kind[1] = class / s[2] % s[1], kind[2] = class % s[2];
        for (long c = 0; c < q->each; c++)
            for (long cell = 0; cell < cells; cell++) {
                tap[0] = cell / (k[1] * k[2]), tap[1] = cell / k[2] % k[1], tap[2] = cell % k[2];
                int seen = 1;
                for (int axis = 0; axis < AXES; axis++) {
                    const long first = kind[axis] + tap[axis] * d[axis] - before[axis];
                    seen = seen && first % s[axis] == 0;
                    at[axis] = first / s[axis] + q->before[axis];
                }
                if (!seen) continue;
                q->offsets[t] = c * q->channel + at[0] * slab + at[1] * q->row + (at[2] % q->phases * q->columns + at[2] / q->phases) * q->n;
                q->sources[t++] = c * per * cells + cells - 1 - cell;
            }
    }
}

/* Plan bands for the images, array 0, and f filters; false, with nothing changed, if others serve better. */
static int plan_bands(Call *call, long f, int weights) {
    Geometry plan = call->q, *q = &plan;
    long before[AXES];
    const int pointwise = product_of(q->kernel) == 1;
    q->each = q->c / q->groups;
    if (weights ? q->groups == 1 || q->each > NARROW : q->groups == 1 && !pointwise) return 0;
    q->taps = times(q->each, product_of(q->kernel));
    int lies = pointwise;
    for (int axis = 0; axis < AXES; axis++) lies = lies && q->stride[axis] == 1 && q->insert[axis] == 1 && q->size[axis] == q->out[axis];
    if (lies) { /* every value of a channel is a row */
        if (!lay_array(call, 0)) return 0;
        q->size[1] = q->out[1] = product_of(q->size);
        q->size[0] = q->size[2] = q->out[0] = q->out[2] = 1;
    }
    long seen[AXES];
    for (int axis = 0; axis < AXES; axis++) {
        q->spread[axis] = q->insert[axis], before[axis] = q->before[axis];
        seen[axis] = cells_seen(q, axis), q->before[axis] = cells_before(q, axis), q->insert[axis] = 1;
        if (seen[axis] < 1 || seen[axis] > ROOMY) return 0;
    }
    if (times(q->spread[0] * q->spread[1], q->spread[2]) > CLASSES) return 0;
    q->slabs = seen[0], q->reach = seen[1], q->phases = q->stride[2];
    q->columns = (q->out[2] - 1) / q->spread[2] + 1 + (seen[2] - 1) / q->phases;
    const long run = q->out[2] * q->n, values = times(q->phases * q->columns, q->n);
    const int single = product_of(q->spread) == 1 && q->phases == 1 && q->stride[1] == 1;
    q->flat = single && (values == run || (run < FLAT && 2 * run > values));
    q->whole = q->flat || values < FLAT;
    q->row = values + (q->whole ? 0 : SKEW);
    q->whole = lie_innermost(call) && values == q->row && q->phases == 1 && q->columns == q->size[2];
    for (int axis = 0; axis < AXES; axis++)
        q->whole = q->whole && !q->before[axis] && (axis == 2 || (q->out[axis] - 1) / q->spread[axis] * q->stride[axis] + seen[axis] <= q->size[axis]);
    const long bytes = times(times(q->each * q->slabs, q->row), SIZE); /* of a row of all channels */
    if (times(bytes, q->reach) > 2 * BAND) return 0;
    const long fitting = max(1, (BAND / bytes - q->reach) / q->stride[1] * q->spread[1]);
    const long items = q->groups * q->out[0];
    q->lines = min(min(q->out[1], fitting), max(1, q->out[1] * items / 16));
    if (weights) q->lines = min(q->out[1], fitting);
    q->lines = (q->lines + q->spread[1] - 1) / q->spread[1] * q->spread[1];
    q->rows = (q->lines - 1) / q->spread[1] * q->stride[1] + q->reach;
    q->channel = (q->slabs * q->rows * q->row + 2 * SKEW - 1) / SKEW * SKEW;
    const long classes = product_of(q->spread);
    if (!(q->offsets = room((2 * q->taps + classes + 1) * sizeof(long)))) return 0;
    q->sources = q->offsets + q->taps, q->starts = q->sources + q->taps;
    sort_taps(q, before, f / q->groups);
    call->q = plan;
    return 1;
}

/* Leave a plan that came to nothing. */
static int without_bands(Call *call, const Geometry *before) {
    free(call->q.offsets), free(call->filters), free(call->scratch);
    call->filters = call->scratch = NULL;
    call->q = *before;
    return 0;
}

/* Add the result of a convolution by bands with f filters, which are turned around if wanted. */
static int correlate_bands(Call *call, long f, int turned) {
    const Geometry before = call->q, *q = &call->q;
    if (!suit_filters(call, f) || call->count[1] != times(f, q->c / q->groups * product_of(q->kernel))) return call->q = before, 0;
    long out[AXES];
    memcpy(out, q->out, sizeof out);
    if (!plan_bands(call, f, 0)) return call->q = before, 0;
    const long filters = levels[level].filters, apart = filters * max(q->lines * q->row, q->out[2] * q->n);
    if (!take_room(call, turned ? f * q->taps : 0, q->each * q->channel + apart) || !new_images(call, q->n, f, q->axes, out))
        return without_bands(call, &before);
    if (turned) {
        RUN(sort_filters, f, q->taps);
        free(call->copy[1]);
        call->data[1] = call->copy[1] = call->filters, call->filters = NULL;
    }
    const long bands = (q->out[1] + q->lines - 1) / q->lines, per = f / q->groups, band = q->lines * q->out[2] * q->n;
    RUN(bands, q->groups * q->out[0] * bands, (1.0 * per * q->taps / product_of(q->spread) / SUMS + q->each / MOVES) * band);
    return 1;
}

/* The weight gradient by bands, of x and g (arrays 0 and 1), into the result. */
static int weights_bands(Call *call) {
    Geometry *q = &call->q;
    const long filters = levels[level].filters, per = q->f / q->groups, blocks = (per + filters - 1) / filters;
    const Geometry before = *q;
    if (!plan_bands(call, q->f, 1)) return 0;
    q->shares = min(blocks, q->groups < 16 ? (16 + q->groups - 1) / q->groups : 1);
    const long sums = ((blocks + q->shares - 1) / q->shares + 1) * filters * (q->taps + COLUMN) * levels[level].bytes;
    if (sums > 4 * BAND || !take_room(call, 0, q->each * q->channel + sums / SIZE)) return without_bands(call, &before);
    RUN(band_weights, q->groups * q->shares, (1.0 * per * q->taps / q->shares / SUMS + q->each / MOVES) * product_of(q->out) * q->n);
    return 1;
}
