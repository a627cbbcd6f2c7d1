/* Calls of functions of single values, by name (curves.h). */

/* Copy array k to `to`, its values in the order in which those of `like` lie: the axes with the longest steps first. */
static void copy_like(Call *call, int k, const Py_buffer *like, void *to) {
    int order[MOST_AXES];
    for (int axis = 0; axis < like->ndim; axis++) {
        int place = axis;
        for (; place && labs(like->strides[order[place - 1]]) < labs(like->strides[axis]); place--) order[place] = order[place - 1];
        order[place] = axis;
    }
    copy_ordered(call, k, order, to);
}

/* Add a result like array k, and let all arrays with letter `e` lie as it does. */
static int lay_alike(Call *call, int k) {
    Py_buffer like;
    PyObject *array = call->view[k].obj;
    if (!add_result(call, PyObject_CallFunctionObjArgs(empty_like, array, NULL))) return 0;
    if (PyObject_GetBuffer(call->result[0], &like, PyBUF_STRIDES) < 0) return 0;
    int done = 1;
    call->laid = NULL;
    for (int other = 0; done && other < call->arrays; other++) {
        if (!call->data[other] || alike(&call->view[other], &like)) continue;
        done = is_like(call, other, k) && (call->copy[other] = room(call->count[other] * SIZE));
        if (done) copy_like(call, other, &like, call->data[other] = call->copy[other]);
    }
    PyBuffer_Release(&like);
    return done;
}

static const struct {
    const char *name;
    Part loops[2 * LEVELS], slopes[2 * LEVELS];
    int of_result; /* the gradient is a function of the result */
    double cost;   /* nanoseconds per value, in a vector of 16 */
} curves[] = {
#define CURVE(f, of_result, cost) {#f, LOOPS(curve_##f), LOOPS(slope_##f), of_result, cost}
    CURVE(exp, 1, 0.2), CURVE(tanh, 1, 0.4), CURVE(sigmoid, 1, 0.4), CURVE(erf, 0, 0.6), CURVE(gelu, 0, 0.6), CURVE(gelu_tanh, 0, 0.5),
    CURVE(silu, 0, 0.4), CURVE(softplus, 0, 0.6), CURVE(log, 0, 0.4)
};

#define FIND_CURVE(name) find_name(name, curves, sizeof *curves, sizeof curves / sizeof *curves)

/* Run the loop of a curve or slope; whether no value was NumPy's. */
static int run_curve(Call *call, const Part *loops, double cost) {
    atomic_int wrong = 0;
    call->wrong = &wrong, call->exact = 1;
    run(call, loops, (call->count[0] + BLOCK - 1) / BLOCK, cost * BLOCK * (call->wide ? 4 : 1));
    return !wrong;
}

/* curve(name, x, beta, threshold) */
FUNCTION(curve) {
    TAKE_AS_IT_LIES("-e|ff");
    if (given < 4) call->reals[0] = 1, call->reals[1] = 20;
    const int k = FIND_CURVE(args[0]);
    NEED(k >= 0 && lay_alike(call, 0) && run_curve(call, curves[k].loops, curves[k].cost));
    return finish(call);
}

/* curve_grad(name, g, out, x, beta, threshold) */
FUNCTION(curve_grad) {
    const int k = given ? FIND_CURVE(args[0]) : -1;
    TAKE_AS_IT_LIES(k >= 0 && curves[k].of_result ? "-ee-|ff" : "-e-e|ff");
    if (given < 6) call->reals[0] = 1, call->reals[1] = 20;
    NEED(k >= 0 && lay_alike(call, 1) && run_curve(call, curves[k].slopes, curves[k].cost));
    return finish(call);
}
