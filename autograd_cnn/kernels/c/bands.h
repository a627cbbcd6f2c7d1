/* Convolution in bands: some rows of the output of one group at a time, for whose windows the images are laid out in the cache, and
 * not in memory.  This serves groups, which use a laid-out value only a few times, and 1 x 1 windows, whose channels lie too far
 * apart to be added up where they are.
 *
 * The gradient in the images of a stride s goes by classes: positions of the images with the same remainder modulo s see the same
 * taps, and a class is a convolution of stride 1 with them.  Any other convolution is one class.
 */

/* Rows [ready, upto) of a band: slabs from `slab` on and rows from `row` on of the channels of group g. */
static void NAME(lay_band)(const Call *call, long g, long slab, long row, long ready, long upto, T *laid) {
    const Geometry *q = &call->q;
    const long row_bytes = q->row * sizeof(T), height = q->size[1];
    if (ready >= upto) return;
    for (long c = 0; c < q->each; c++)
        for (long s = 0; s < q->slabs; s++) {
            T *to = laid + c * q->channel + (s * q->rows + ready) * q->row;
            if (q->whole) { /* rows without anything between them */
                const T *from = (const T *)call->data[0] + ((g * q->each + c) * q->size[0] + slab + s) * height * q->row;
                memcpy(to, from + (row + ready) * q->row, (upto - ready) * row_bytes);
            } else {
                for (long y = ready; y < upto; y++, to += q->row) NAME(lay_row)(q, call->data[0], g * q->each + c, slab + s, row + y, to);
            }
        }
}

/* Sums of one row of a band, or of `lines` that lie as one, for f filters from `first` on: y is the row, `at` where its windows
 * begin.  What does not lie in the output as it is computed goes through `apart`. */
static void NAME(band_row)(const Call *call, const T *at, long z, long y, long lines, long first, long f, T *apart) {
    const Geometry *q = &call->q;
    const T *filters[FILTERS];
    T bias[FILTERS];
    const long n = q->n, run = q->out[2] * n, step = q->out[0] * q->out[1] * run, s = q->spread[2];
    const long kind = (z % q->spread[0] * q->spread[1] + y % q->spread[1]) * s, total = (lines - 1) * q->row + run;
    T *out = (T *)call->out[0] + first * step + (z * q->out[1] + y) * run;
    NAME(begin_sums)(call, first, f, bias);
    for (long r = 0; r < s; r++) {
        const long begins = q->starts[kind + r], columns = (q->out[2] - r + s - 1) / s, count = s > 1 ? columns * n : total;
        const int there = s == 1 && (lines == 1 || q->row == run);
        for (long k = 0; k < f; k++) filters[k] = (const T *)call->data[1] + (first + k) * q->taps + begins;
        const Taps taps = {q->offsets + begins, q->starts[kind + r + 1] - begins, 1, 0};
        NAME(sweep)(at, &taps, filters, bias, there ? out : apart, there ? step : count, f, count);
        for (long k = 0; !there && k < f; k++)
            if (s == 1) for (long l = 0; l < lines; l++) memcpy(out + k * step + l * run, apart + k * count + l * q->row, run * sizeof(T));
            else for (long x = 0; x < columns; x++) memcpy(out + k * step + (x * s + r) * n, apart + k * count + x * n, n * sizeof(T));
    }
    NAME(finish)(call, out, first, f, step, lines * run);
}

/* The output of a convolution.  Item: a band of `lines` rows of a slab of the output of a group. */
static void NAME(bands)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const long per = q->f / q->groups, bands = (q->out[1] + q->lines - 1) / q->lines;
    T *laid = scratch_of(call), *apart = laid + q->each * q->channel;
    for (long item = begin; item < end; item++) {
        const long top = item % bands * q->lines, z = item / bands % q->out[0], g = item / bands / q->out[0];
        const long below = min(top + q->lines, q->out[1]), start = top / q->spread[1] * q->stride[1];
        const long together = q->flat ? below - top : 1;
        for (long y = top, ready = 0; y < below; y += together) {
            const long from = y / q->spread[1] * q->stride[1] - start;
            const long upto = (y + together - 1) / q->spread[1] * q->stride[1] - start + q->reach[1];
            NAME(lay_band)(call, g, z / q->spread[0] * q->stride[0], start, max(ready, from), upto, laid);
            ready = max(ready, upto);
            for (long k = 0; k < per; k += FILTERS)
                NAME(band_row)(call, laid + from * q->row, z, y, together, g * per + k, min(FILTERS, per - k), apart);
        }
    }
}

/* The weight gradient.  Item: a share of the blocks of filters of a group. */
static void NAME(band_weights)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const long per = q->f / q->groups, blocks = (per + FILTERS - 1) / FILTERS, run = q->out[2] * q->n;
    const long step = q->out[0] * q->out[1] * run, room_for = q->taps + COLUMN, most = q->lines, as_one = q->flat && q->row == run;
    const long piece = max(1, BAND_PIECE / (q->each * q->row * q->stride[1] * (long)sizeof(T)));
    T *laid = scratch_of(call);
    NAME(vec) *totals = (NAME(vec) *)(laid + q->each * q->channel);
    for (long item = begin; item < end; item++) {
        const long g = item / q->shares, share = item % q->shares;
        const long low = blocks * share / q->shares * FILTERS, high = min(per, blocks * (share + 1) / q->shares * FILTERS);
        memset(totals, 0, (high - low + FILTERS) * room_for * sizeof *totals);
        for (long z = 0; z < q->out[0]; z++)
            for (long y = 0, start = 0, ready = 0, lines; y < q->out[1]; y += lines) {
                if (y % most == 0) start = y * q->stride[1], ready = 0;
                lines = min(min(piece, most - y % most), q->out[1] - y);
                const long from = y * q->stride[1] - start, upto = from + (lines - 1) * q->stride[1] + q->reach[1];
                NAME(lay_band)(call, g, z * q->stride[0], start, max(ready, from), upto, laid);
                ready = upto;
                const long length = as_one ? lines * run : run, count = as_one ? 1 : lines;
                for (long k = low, f; k < high; k += f) {
                    const T *at = laid + from * q->row;
                    const T *gradient = (const T *)call->data[1] + (g * per + k) * step + (z * q->out[1] + y) * run;
                    f = high - k > 2 ? min(FILTERS, high - k) : 1;
                    const long together = f == 1 ? COLUMN : TAPS;
                    NAME(vec) *total = totals + (k - low) * room_for;
                    for (long t = 0; t < q->taps; t += together, total += f == 1 ? COLUMN : FILTERS * TAPS)
                        (f == 1 ? NAME(column_1) : NAME(outer)[f])(at, q->row * q->stride[1], gradient, step, f, count, length,
                                                                 q->offsets + t, min(together, q->taps - t), total);
                }
            }
        for (long k = low, f; k < high; k += f) {
            f = high - k > 2 ? min(FILTERS, high - k) : 1;
            const NAME(vec) *total = totals + (k - low) * room_for;
            T *out = (T *)call->out[0] + (g * per + k) * q->taps;
            for (long t = 0; f == 1 && t < q->taps; t++) out[t] = NAME(lanes_sum)(total[t]);
            for (long t = 0; f > 1 && t < q->taps; t += TAPS, total += FILTERS * TAPS)
                NAME(collect)(total, f, min(TAPS, q->taps - t), out + t, q->taps);
        }
    }
}
