/* The functions of the module that know functions of single values by name.  Their loop stands in curves.h, what they compute in the
 * folder reference. */

/* Order the axes of an array as they lie in memory, those with the longest steps first. */
static void order_axes(const Py_buffer *view, Py_ssize_t *shape, Py_ssize_t *strides, const Py_buffer *like) {
    int order[MOST_AXES];
    for (int k = 0; k < view->ndim; k++) {
        int place = k;
        for (; place && labs(like->strides[order[place - 1]]) < labs(like->strides[k]); place--) order[place] = order[place - 1];
        order[place] = k;
    }
    for (int k = 0; k < view->ndim; k++) shape[k] = view->shape[order[k]], strides[k] = view->strides[order[k]];
}

/* Copy array k to `to`, its values in the order in which those of `like` lie. */
static void copy_like(Call *call, int k, const Py_buffer *like, void *to) {
    const Py_buffer kept = call->view[k];
    Py_ssize_t shape[MOST_AXES], strides[MOST_AXES];
    order_axes(&kept, shape, strides, like);
    call->view[k].shape = shape, call->view[k].strides = strides;
    copy_array(call, k, 0, to);
    call->view[k] = kept;
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
#undef CURVE
};

/* The place of the named function, or -1. */
static int find_curve(PyObject *name) {
    int k = (int)(sizeof curves / sizeof curves[0]) - 1;
    while (k >= 0 && (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, curves[k].name))) k--;
    return k;
}

/* Run the loop of a curve or slope; whether no value was NumPy's. */
static int run_curve(Call *call, const Part *loops, double cost) {
    atomic_int wrong = 0;
    call->wrong = &wrong;
    PyThreadState *state = PyEval_SaveThread();
    share(call, loops[2 * level + call->wide], (call->count[0] + BLOCK - 1) / BLOCK, cost * BLOCK * (call->wide ? 4 : 1), call->threads);
    PyEval_RestoreThread(state);
    return !wrong;
}

/* curve(name, x, beta, threshold) */
FUNCTION(curve) {
    TAKE_AS_IT_LIES("se|ff");
    if (given < 4) call->reals[0] = 1, call->reals[1] = 20;
    const int k = find_curve(call->name);
    NEED(k >= 0 && lay_alike(call, 0) && run_curve(call, curves[k].loops, curves[k].cost));
    return finish(call);
}

/* curve_grad(name, g, out, x, beta, threshold) */
FUNCTION(curve_grad) {
    const int k = given ? find_curve(args[0]) : -1;
    TAKE_AS_IT_LIES(k >= 0 && curves[k].of_result ? "see-|ff" : "se-e|ff");
    if (given < 6) call->reals[0] = 1, call->reals[1] = 20;
    NEED(k >= 0 && lay_alike(call, 1) && run_curve(call, curves[k].slopes, curves[k].cost));
    return finish(call);
}

#define CURVE_KERNELS FAST(curve) FAST(curve_grad)
