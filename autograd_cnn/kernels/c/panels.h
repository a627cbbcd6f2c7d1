/* Convolution by panels: the values that some neighbouring positions see are copied side by side, (taps, positions), and multiplied
 * by the filters.  Positions follow each other across rows, so it suits short rows (few images) as long ones; the copy stays in
 * the cache while all filters pass, so it suits many channels.  The classes of an input gradient with strides (see sort_taps) are
 * convolutions of their own; those that see alike are computed together.
 */

typedef struct { long from, z, y, first, count; } NAME(Piece);

/* The pieces of rows in which positions first, ..., last - 1 of `count` lie: where each begins in the images, for a tap that lies
 * at 0; its row, first value in it, and values. */
static long NAME(pieces)(const Geometry *q, const long *count, long first, long last, NAME(Piece) *pieces) {
    const long run = count[2] * q->n;
    long found = 0;
    for (long l = first; l < last; l += pieces[found++].count) {
        const long row = l / run, at = l % run, z = row / count[1], y = row % count[1];
        pieces[found] = (NAME(Piece)){z * q->slab_step + y * q->row_step + at, z, y, at, min(run - at, last - l)};
    }
    return found;
}

/* Copy what taps see of these positions side by side, tap after tap `by` apart.  Whole vectors are copied, beyond the end of a
 * piece, where the images, which end at `end`, have that many. */
static void NAME(fill_panel)(const T *x, const T *end, const long *offsets, long taps, const NAME(Piece) *piece, long pieces, T *to, long by) {
    for (long t = 0; t < taps; t++, to += by) {
        T *at = to;
        for (long k = 0; k < pieces; at += piece[k++].count) {
            const T *from = x + offsets[t] + piece[k].from;
            const long count = piece[k].count;
            if (from + count + LANES <= end)
                for (long l = 0; l < count; l += LANES) *(NAME(vec) *)(at + l) = *(const NAME(vec) *)(from + l);
            else memcpy(at, from, count * sizeof(T));
        }
    }
}

/* The sums of one filter to the positions of a class in its images. */
static void NAME(scatter)(const Geometry *q, const NAME(Piece) *piece, long pieces, long class, const T *sums, T *image) {
    const long n = q->n, by = q->spread[2];
    long kind[AXES];
    class_at(q, class, kind);
    for (; pieces--; sums += piece++->count) {
        const long z = kind[0] + piece->z * q->spread[0], y = kind[1] + piece->y * q->spread[1];
        if (z >= q->out[0] || y >= q->out[1]) continue;
        T *row = image + ((z * q->out[1] + y) * q->out[2] + kind[2]) * n;
        const long first = piece->first, last = min(first + piece->count, (q->out[2] - kind[2] + by - 1) / by * n);
        if (by == 1 || n == 1)
            for (long l = first; l < last; l++) row[l * by] = sums[l - first];
        else
            for (long l = first, count; l < last; l += count) {
                count = min(n - l % n, last - l);
                memcpy(row + l / n * by * n + l % n, sums + l - first, count * sizeof(T));
            }
    }
}

/* As correlate.  Item: q->run positions of classes of a group that see alike, for a share of the filters. */
static void NAME(panels)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const T *const laid = call->laid, *const limit = laid + q->c * q->channel;
    const long per = q->f / q->groups, parts = panel_parts(q), by = odd_lines(q->run, sizeof(T)), strip = 3 * LANES;
    T *panel = scratch_of(call), *sums = panel + PANEL_TAPS(REGISTER) * by + LANES;
    NAME(Piece) piece[POSITIONS];
    long steps[PANEL_TAPS(REGISTER)];
    for (long t = 0; t < PANEL_TAPS(REGISTER); t++) steps[t] = t * by;
    for (long item = begin; item < end; item++) {
        const long share = item % q->shares, at = item / q->shares % parts * q->run, g = item / q->shares / parts % q->groups;
        const long *alike = q->runs + item / q->shares / parts / q->groups, class = alike[0], rows = per * (alike[1] - class);
        const long blocks = (rows + FILTERS - 1) / FILTERS, begins = q->starts[class], taps = q->starts[class + 1] - begins;
        const long top = blocks * share / q->shares * FILTERS, below = min(blocks * (share + 1) / q->shares * FILTERS, rows);
        long positions[AXES];
        count_positions(q, class, alike[1], positions);
        const long count = min(q->run, product_of(positions) * q->n - at), filled = (count + LANES - 1) / LANES * LANES;
        if (count <= 0) continue;
        const long pieces = NAME(pieces)(q, positions, at, at + count, piece);
        const int direct = pieces == 1 && count == filled && below - top <= DIRECT;
        const T *const x = laid + g * q->group_step, *const values = direct ? x + piece->from : panel;
        const long turns = max(1, (taps + PANEL_TAPS(REGISTER) - 1) / PANEL_TAPS(REGISTER));
        for (long turn = 0; turn < turns; turn++) {
            const long first = taps * turn / turns, some = taps * (turn + 1) / turns - first;
            const long *offsets = q->offsets + begins + first;
            const Taps those = {direct ? offsets : steps, some, 1, 0};
            if (!direct) NAME(fill_panel)(x, limit, offsets, some, piece, pieces, panel, by);
            for (long l = 0; l < filled; l += strip)
                for (long r = top, k = top % per, own = class + top / per, f; r < below; r += f) {
                    const T *filters[FILTERS];
                    T start[FILTERS];
                    f = min(FILTERS, below - r);
                    NAME(begin_sums)(call, g * per + k, f, start);
                    for (long j = 0; j < f; j++) {
                        filters[j] = (T *)call->data[1] + (g * per + k) * q->taps + q->starts[own] + first;
                        if (++k == per) k = 0, own++;
                    }
                    NAME(sweep)(values + l, &those, filters, first ? NULL : start, sums + (r - top) * q->run + l, q->run, f, min(strip, filled - l));
                }
        }
        for (long r = top; r < below; r++) {
            T *row = sums + (r - top) * q->run;
            const long f = g * per + r % per;
            NAME(finish)(call, row, f, 1, 0, count);
            NAME(scatter)(q, piece, pieces, class + r / per, row, (T *)call->out[0] + f * product_of(q->out) * q->n);
        }
    }
}

/* As weights, with vectors of filters in place of positions, whose gradients are turned around: (positions, filters).  Item: up to
 * three vectors of filters and a share of the taps. */
static void NAME(panel_weights)(const Call *call, long begin, long end) {
    const Geometry *q = &call->q;
    const long run = q->out[2] * q->n, rows = q->out[1], all = q->out[0] * rows, sets = (q->taps + FILTERS - 1) / FILTERS;
    const long vectors = (q->f + LANES - 1) / LANES, blocks = (vectors + 2) / 3, piece = min(run, COLUMNS);
    T *turned = scratch_of(call), *total = turned + COLUMNS * 3 * LANES;
    for (long item = begin; item < end; item++) {
        const long share = item % q->shares, block = item / q->shares, first = vectors * block / blocks * LANES;
        const long low = sets * share / q->shares * FILTERS, high = min(sets * (share + 1) / q->shares * FILTERS, q->taps);
        const long by = vectors * (block + 1) / blocks * LANES - first, f = min(by, q->f - first);
        const T *gradient = (const T *)call->data[1] + first * all * run;
        long steps[COLUMNS];
        for (long l = 0; l < COLUMNS; l++) steps[l] = l * by;
        memset(turned, 0, COLUMNS * by * sizeof(T));
        memset(total, 0, (high - low) * by * sizeof(T));
        for (long row = 0, lines; row < all; row += lines) {
            lines = min(COLUMNS / piece, rows - row % rows);
            const T *x = (T *)call->laid + row / rows * q->slab_step + row % rows * q->row_step;
            for (long l = 0; l < run; l += piece) {
                const long count = min(piece, run - l);
                const Taps those = {steps, count, lines, q->row_step - count};
                NAME(turn_around)((const char *)(gradient + row * run + l), all * run * (long)sizeof(T), turned, by, lines * count, f);
                for (long t = low; t < high; t += FILTERS) {
                    const long many = min(FILTERS, high - t);
                    const T *seen[FILTERS];
                    for (long k = 0; k < many; k++) seen[k] = x + l + q->offsets[t + k];
                    NAME(sweep)(turned, &those, seen, NULL, total + (t - low) * by, by, many, by);
                }
            }
        }
        for (long k = 0; k < f; k++)
            for (long t = low; t < high; t++) ((T *)call->out[0])[(first + k) * q->taps + t] = total[(t - low) * by + k];
    }
}
