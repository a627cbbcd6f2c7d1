/* Convolution in bands (bands.h): whether it suits, and its plan. */

/* Plan bands for the images, array 0; false, with nothing changed, if others serve better. */
static int plan_bands(Call *call, int weights) {
    Geometry plan = call->q, *q = &plan;
    const int pointwise = product_of(q->kernel) == 1;
    if (weights ? q->groups == 1 || q->each > NARROW : q->groups == 1 && !pointwise) return 0;
    int lies = pointwise;
    for (int axis = 0; axis < AXES; axis++) lies = lies && q->stride[axis] == 1 && q->spread[axis] == 1 && q->size[axis] == q->out[axis];
    if (lies) { /* every value of a channel is a row */
        if (!lay_array(call, 0)) return 0;
        q->size[1] = q->out[1] = product_of(q->size);
        q->size[0] = q->size[2] = q->out[0] = q->out[2] = 1;
    }
    see_cells(q);
    const long reach = q->reach[1], *s = q->spread;
    for (int axis = 0; axis < AXES; axis++)
        if (q->reach[axis] > ROOMY) return 0;
    q->slabs = q->reach[0], q->phases = q->stride[2];
    q->columns = (q->out[2] - 1) / s[2] + 1 + (q->reach[2] - 1) / q->phases;
    const long run = q->out[2] * q->n, values = times(q->phases * q->columns, q->n);
    const int single = product_of(s) == 1 && q->phases == 1 && q->stride[1] == 1;
    q->flat = single && (values == run || (run < FLAT && 2 * run > values));
    q->whole = q->flat || values < FLAT;
    q->row = values + (q->whole ? 0 : SKEW);
    q->whole = lie_innermost(call) && values == q->row && q->phases == 1 && q->columns == q->size[2];
    for (int axis = 0; axis < AXES; axis++)
        q->whole = q->whole && !q->margin[axis] && (axis == 2 || (q->out[axis] - 1) / s[axis] * q->stride[axis] + q->reach[axis] <= q->size[axis]);
    const long bytes = times(times(q->each * q->slabs, q->row), SIZE); /* of a row of all channels */
    if (times(bytes, reach) > 2 * BAND) return 0;
    const long fitting = max(1, (BAND / bytes - reach) / q->stride[1] * s[1]);
    const long items = q->groups * q->out[0];
    q->lines = min(min(q->out[1], fitting), max(1, q->out[1] * items / 16));
    if (weights) q->lines = min(q->out[1], fitting);
    q->lines = (q->lines + s[1] - 1) / s[1] * s[1];
    q->rows = (q->lines - 1) / s[1] * q->stride[1] + reach;
    q->channel = (q->slabs * q->rows * q->row + 2 * SKEW - 1) / SKEW * SKEW;
    const long filters = levels[level].filters, blocks = (q->f / q->groups + filters - 1) / filters;
    q->shares = min(blocks, q->groups < 16 ? (16 + q->groups - 1) / q->groups : 1);
    q->run = ((blocks + q->shares - 1) / q->shares + 1) * filters * (q->taps + COLUMN) * levels[level].bytes; /* sums of weights */
    if ((weights && q->run > 4 * BAND) || !sort_taps(q)) return 0;
    call->q = plan;
    return 1;
}

/* The result of a convolution by bands. */
static int correlate_bands(Call *call) {
    const Geometry *q = &call->q;
    const long filters = levels[level].filters, apart = filters * max(q->lines * q->row, q->out[2] * q->n);
    if (!take_room(call, 0, q->each * q->channel + apart)) return 0;
    const long bands = (q->out[1] + q->lines - 1) / q->lines, per = q->f / q->groups, band = q->lines * q->out[2] * q->n;
    RUN(bands, q->groups * q->out[0] * bands, (1.0 * per * q->taps / product_of(q->spread) / SUMS + q->each / MOVES) * band);
    return 1;
}

/* The weight gradient by bands, of x and g (arrays 0 and 1). */
static int weights_bands(Call *call) {
    const Geometry *q = &call->q;
    if (!take_room(call, 0, q->each * q->channel + q->run / SIZE)) return 0;
    const long per = q->f / q->groups;
    RUN(band_weights, q->groups * q->shares, (1.0 * per * q->taps / q->shares / SUMS + q->each / MOVES) * product_of(q->out) * q->n);
    return 1;
}
