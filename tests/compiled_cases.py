"""Arguments for every compiled kernel: shapes, strides, dtypes, ties, NaN and infinity."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd_cnn.kernels import reference
from autograd_cnn.kernels.window import conv_window, pool_window
from tests.compiled_parts import BATCHES, DTYPES, LAYOUTS, layouts

SEEDS = st.integers(0, 99)
SHAPES = st.sampled_from([(4, 2), (3, 5, 7), (2, 3, 4, 5), (33, 2, 3, 3), (1, 2, 90, 50)])


class Arrays:
    """Makes arrays of one dtype; those of images and matrices lie in memory as they like."""

    def __init__(self, draw: Any) -> None:
        self.dtype, self.how, self.seed = draw(DTYPES), draw(LAYOUTS), draw(SEEDS)
        self.rng = np.random.default_rng(self.seed)

    def __call__(self, *shape: int) -> np.ndarray:
        return layouts(self.rng.standard_normal(shape).astype(self.dtype), self.how)

    def plain(self, *shape: int) -> np.ndarray:
        return self.rng.standard_normal(shape).astype(self.dtype)

    def maybe(self, *shape: int) -> np.ndarray | None:
        return self.plain(*shape) if self.rng.integers(2) else None

    def extremes(self, *shape: int) -> np.ndarray:
        """Sometimes with ties, NaN, infinity."""
        x = self.plain(*shape)
        if self.seed % 3 == 0:
            x = np.round(x)
        if self.seed % 4 == 0:
            x.reshape(-1)[self.rng.integers(0, x.size, 3)] = [np.nan, -np.inf, np.inf]
        return layouts(x, self.how)


@st.composite
def convolutions(draw: Any) -> Any:
    """Arrays, and groups, channels of each, filters, images, window."""
    groups = draw(st.sampled_from([1, 1, 2, 3, 17]))
    many = [40] if groups < 3 else []  # more taps than a panel has
    each = draw(st.sampled_from([1, 2, 3, 4, 4, *many]))
    filters = groups * draw(st.integers(1, 40 if each > 4 else 18))
    axes = draw(st.sampled_from([2, 2, 1, 3]))
    each_axis = lambda low, high: draw(st.tuples(*[st.integers(low, high)] * axes))  # noqa: E731
    largest = draw(st.sampled_from([4 if axes < 3 else 2] * 3 + [1]))
    kernel, stride, dilation = each_axis(1, largest), each_axis(1, 3), each_axis(1, 3)
    padding = "same" if draw(st.booleans()) else each_axis(0, 4 if axes < 3 else 2)
    pads = (0,) * axes if padding == "same" else padding
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, pads)]
    size = tuple(n + draw(st.integers(0, 8 if axes < 3 else 3)) for n in least)
    window = conv_window(size, kernel, stride, padding, dilation)
    return Arrays(draw), groups, each, filters, draw(BATCHES), window


@st.composite
def conv(draw: Any) -> Any:
    """With everything that its pass may take in: bias, scale, pooling, relu."""
    make, groups, each, filters, n, window = draw(convolutions())
    x, w = make(n, groups * each, *window.size), make(filters, each, *window.kernel)
    kernel = draw(st.integers(0, min(3, *window.out)))
    pool = pool_window(window.out, kernel, None, 0, 1, False) if kernel else None
    b, scale = make.maybe(filters), make.maybe(filters)
    given = x, w, b, window, groups, draw(st.booleans()), pool, scale
    return given[: draw(st.sampled_from([5, 8, 8]))]


@st.composite
def conv_input_grad(draw: Any) -> Any:
    make, groups, each, filters, n, window = draw(convolutions())
    return make(n, filters, *window.out), make(filters, each, *window.kernel), window, groups


@st.composite
def conv_weight_grad(draw: Any) -> Any:
    make, groups, each, filters, n, window = draw(convolutions())
    return make(n, groups * each, *window.size), make(n, filters, *window.out), window, groups


@st.composite
def pools(draw: Any) -> Any:
    """Arrays, images (N, C), window."""
    axes = draw(st.sampled_from([2, 2, 1, 3]))
    each_axis = st.tuples(*[st.integers(1, 4 if axes < 3 else 2)] * axes)
    kernel, stride = draw(each_axis), draw(st.none() | each_axis)
    padding = draw(st.tuples(*(st.integers(0, k // 2) for k in kernel)))
    dilation = draw(st.integers(1, 3))
    least = [max(1, dilation * (k - 1) + 1 - 2 * p) for k, p in zip(kernel, padding)]
    size = tuple(n + draw(st.integers(0, 7)) for n in least)
    window = pool_window(size, kernel, stride, padding, dilation, draw(st.booleans()))
    return Arrays(draw), (draw(BATCHES), draw(st.integers(1, 5))), window


@st.composite
def window_max_grad(draw: Any) -> Any:
    make, images, window = draw(pools())
    x = make.extremes(*images, *window.size)
    return make(*images, *window.out), x, reference.window_max(x, window), window


def pooled(kind: str, cells: str) -> Any:
    return pools().map(lambda p: (getattr(p[0], kind)(*p[1], *getattr(p[2], cells)), p[2]))


@st.composite
def products(draw: Any, linear: bool = False) -> Any:
    """Two matrices, or stacks of them whose leading axes broadcast."""
    sizes = st.sampled_from([1, 2, 3, 7, 8, 9, 16, 17, 40, 130, 260])
    m, n, k, make = draw(sizes), draw(sizes), draw(sizes), Arrays(draw)
    stack = draw(st.sampled_from([(), (), (3,), (2, 3)]))
    few = tuple(size * draw(st.booleans()) or 1 for size in stack)  # axes of size 1 broadcast
    one, other = draw(st.permutations([stack, draw(st.sampled_from([stack, few, few[1:], ()]))]))
    x, y = make(*one, m, k), make(*other, k, n)
    x = x if draw(st.booleans()) else make(*one, k, m).mT
    y = y if draw(st.booleans()) else make(*other, n, k).mT
    if not linear:
        return (x, y, True) if draw(st.booleans()) else (x, y)
    w = make(n, k) if draw(st.booleans()) else make(k, n).T
    given = x, w, make.maybe(n), draw(st.booleans()), make.maybe(n)
    return given[: draw(st.sampled_from([3, 5]))]


@st.composite
def elementwise(draw: Any, arrays: int = 1) -> Any:
    make = Arrays(draw)
    shape = draw(st.integers(1, 3000)), 3, 2
    make.how = "batch-innermost" if make.seed % 2 else "plain"
    return tuple(make.extremes(*shape) for _ in range(arrays))


@st.composite
def batch_norm(draw: Any) -> Any:
    make, shape = Arrays(draw), draw(SHAPES)
    # far enough from each other that rounding never decides which is the largest
    x, c = make.rng.permutation(np.linspace(-4, 14, int(np.prod(shape)))), shape[1]
    x = x.reshape(shape).astype(make.dtype)
    pools = len(shape) == 4 and draw(st.booleans())
    pool = pool_window(shape[2:], 2, None, 0, 1, False) if pools else None
    given = layouts(x, make.how), make.maybe(c), make.maybe(c), 1e-3, draw(st.booleans()), pool
    return given[: draw(st.sampled_from([5, 6]))] if pool is None else given


@st.composite
def batch_norm_grad(draw: Any) -> Any:
    """Where it pooled, what was there before may be kept or not."""
    x, weight, bias, eps, relu, *pool = draw(batch_norm())
    out, mean, var, before = reference.batch_norm(x, weight, bias, eps, relu, *pool)
    g = np.random.default_rng(x.size).standard_normal(out.shape).astype(x.dtype)
    before = None if draw(st.booleans()) else before
    return (
        layouts(g, draw(LAYOUTS)), out, x, weight, bias, mean, var, before, eps, relu, *pool
    )  # fmt: skip


@st.composite
def running_affine(draw: Any) -> Any:
    make, c = Arrays(draw), draw(st.integers(1, 20))
    return make(c), abs(make(c)), *(make.maybe(c) for _ in range(3)), 1e-3


@st.composite
def channel_affine(draw: Any) -> Any:
    make, shape = Arrays(draw), draw(SHAPES)
    return make(*shape), make(shape[1]), make.maybe(shape[1]), draw(st.booleans())


@st.composite
def images(draw: Any) -> Any:
    make, shape = Arrays(draw), draw(SHAPES)
    return (make(*shape),)


CLASSES = st.sampled_from([np.int64, np.uint8, np.int32, np.uint64])


@st.composite
def cross_entropy(draw: Any) -> Any:
    make = Arrays(draw)
    n, k, *rest = draw(st.sampled_from([(1, 1), (3, 10), (40, 7), (5, 3, 4), (2500, 2)]))
    logits = make.plain(n, k, *rest) * 10
    if make.seed % 3 == 0:
        values = [[np.nan, -np.inf], [np.inf, 1e4]][make.seed % 2]
        logits.reshape(-1)[make.rng.integers(0, logits.size, 2)] = values
    target = make.rng.integers(0, k, (n, *rest)).astype(draw(CLASSES))
    return layouts(logits, make.how), layouts(target, draw(LAYOUTS))


@st.composite
def cross_entropy_grad(draw: Any) -> Any:
    logits, target = draw(cross_entropy())
    probabilities = np.exp(-abs(np.nan_to_num(logits, posinf=1, neginf=1)))
    return layouts(np.cos(target).astype(logits.dtype), "plain"), probabilities, target


CURVES = st.sampled_from(sorted(reference.CURVES))


@st.composite
def curve(draw: Any) -> Any:
    make, name = Arrays(draw), draw(CURVES)
    x = make.extremes(*draw(SHAPES)) * draw(st.sampled_from([1.0, 30.0]))
    x = x.astype(make.dtype)
    if name in ("exp", "log"):  # NumPy takes what it reports
        x = np.where(np.isinf(x), np.inf, np.clip(abs(x) + 0.1, 0.1, 80)).astype(make.dtype)
    return name, x, *((2.0, 5.0) if name == "softplus" else ())


@st.composite
def curve_grad(draw: Any) -> Any:
    name, x, *settings = draw(curve())
    with np.errstate(all="ignore"):
        out = reference.curve(name, x, *settings)
    g = np.cos(np.arange(x.size, dtype=x.dtype)).reshape(x.shape)
    return name, layouts(g, draw(LAYOUTS)), out, x, *settings


SOFTENED = st.sampled_from(["softmax", "log_softmax", "logsumexp"])


@st.composite
def soften(draw: Any) -> Any:
    make, name, shape = Arrays(draw), draw(SOFTENED), draw(SHAPES)
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    if draw(st.booleans()):
        axis = draw(st.sampled_from([None, (-1,), tuple(range(1, len(shape)))]))
    return name, make.extremes(*shape), axis, draw(st.booleans())


@st.composite
def soften_grad(draw: Any) -> Any:
    name, x, axis, keepdims = draw(soften())
    out = reference.soften(name, x, axis, keepdims or axis is None)  # NumPy takes single values
    g = np.cos(np.arange(out.size, dtype=x.dtype)).reshape(out.shape)
    return name, layouts(g, draw(LAYOUTS)), out, x, axis


@st.composite
def row_norm(draw: Any) -> Any:
    make, shape = Arrays(draw), draw(SHAPES)
    groups = draw(st.sampled_from([0, 1, shape[1]]))
    lead = 1 if groups else draw(st.integers(0, len(shape) - 1))
    weights = shape[1:2] if groups else shape[lead:]
    return make(*shape), make.maybe(*weights), make.maybe(*weights), lead, groups, 0.1


@st.composite
def row_norm_grad(draw: Any) -> Any:
    x, weight, _, *settings = draw(row_norm())
    g = np.cos(np.arange(x.size, dtype=x.dtype)).reshape(x.shape)
    return layouts(g, draw(LAYOUTS)), x, weight, *settings, draw(st.booleans())


@st.composite
def first_outside(draw: Any) -> Any:
    _, target = draw(cross_entropy())
    return target, draw(st.integers(1, 10))


@st.composite
def updates(draw: Any, kernel: str = "sgd") -> Any:
    """Of arrays of all sizes, dtypes and layouts in one list; most of them lie as the loop likes."""
    hows = ["plain", "batch-innermost"] * 3 + ["sliced"] * draw(st.booleans())
    shapes, found, flag = [(1,), (37,), (9, 5), (3000, 3)], [], draw(st.booleans())
    dtypes = [np.float32, np.float64] if draw(st.booleans()) else [np.float32]
    for _ in range(draw(st.integers(1, 6))):
        make, shape = Arrays(draw), draw(st.sampled_from(shapes))
        make.how, make.dtype = draw(st.sampled_from(hows)), draw(st.sampled_from(dtypes))
        p, g, m, v, last = (make(*shape) for _ in range(5))
        last = abs(last) if flag else None
        found.append((p, g, last) if kernel == "sgd" else (p, g, m, abs(v), last))
    decay, maximize = 0.01 * draw(st.booleans()), draw(st.booleans())
    if kernel == "sgd":
        return found, (0.1, 0.9, 0.7, decay), draw(st.booleans()), maximize
    return found, (0.1, 1e-8, 0.9, 0.99, decay, 1 - 0.01 * flag), maximize


@st.composite
def axis_sum(draw: Any) -> Any:
    shape = draw(
        st.sampled_from([(7,), (300, 3), (5, 260), (2, 3, 4), (9, 2, 5, 4), (3, 70, 2, 9)])
    )
    axes = tuple(draw(st.sets(st.integers(-len(shape), -1), min_size=1)))
    axis = axes[0] if len(axes) == 1 else axes
    # A single value is no array, and equal up to rounding only: test_a_sum_of_all_values_is_a_number.
    kept = len(axes) == len(shape) or draw(st.booleans())
    return Arrays(draw)(*shape), None if kept and draw(st.booleans()) else axis, kept


@st.composite
def lines(draw: Any, weighed: bool = False) -> Any:
    """And the matrix that weighs them."""
    shape = draw(st.sampled_from([(7,), (50, 3), (17, 40), (2, 3, 4), (9, 2, 5, 4), (1, 150, 2)]))
    make = Arrays(draw)
    # Single values along the axis are NumPy's.
    axis = draw(st.sampled_from([k for k, n in enumerate(shape) if n > 1 or not weighed]))
    if not weighed:
        return make(*shape), axis
    matrix = make.plain(draw(st.integers(1, 9)), shape[axis])
    low, high = make.rng.integers(-3, shape[axis] + 1, (2, len(matrix), 1))
    cells = np.arange(shape[axis])
    matrix[(cells < low) | (cells > high)] = 0
    return make.extremes(*shape), axis, matrix


@st.composite
def add_rows(draw: Any) -> Any:
    make = Arrays(draw)
    rows, shape = draw(st.integers(1, 9)), draw(st.sampled_from([(), (1,), (3,), (16, 9), (300,)]))
    index = make.rng.integers(-rows, rows, draw(st.sampled_from([(1,), (20,), (3, 5)])))
    index = index.astype(draw(st.sampled_from([np.intp, np.int8, np.int32])))
    return make.plain(rows, *shape), index, make(*index.shape, *shape)


CASES: dict[str, tuple[Any, float]] = {  # arguments; the factor of the tolerance
    "adam": (updates("adam"), 1.0),
    "add_rows": (add_rows(), 1.0),
    "axis_sum": (axis_sum(), 4.0),
    "banded": (lines(weighed=True), 4.0),
    "batch_norm": (batch_norm(), 1.0),
    "batch_norm_grad": (batch_norm_grad(), 20.0),
    "channel_affine": (channel_affine(), 1.0),
    "conv": (conv(), 10.0),
    "conv_input_grad": (conv_input_grad(), 1.0),
    "conv_weight_grad": (conv_weight_grad(), 10.0),
    "cross_entropy": (cross_entropy(), 1.0),
    "cross_entropy_grad": (cross_entropy_grad(), 1.0),
    "cumsum": (lines(), 4.0),
    "curve": (curve(), 1.0),
    "curve_grad": (curve_grad(), 1.0),
    "first_outside": (first_outside(), 1.0),
    "laid_out": (images(), 0.0),
    "linear": (products(linear=True), 10.0),
    "matmul": (products(), 4.0),
    "relu": (elementwise(), 0.0),
    "relu_grad": (elementwise(2), 0.0),
    "row_norm": (row_norm(), 1.0),
    "row_norm_grad": (row_norm_grad(), 10.0),
    "running_affine": (running_affine(), 10.0),
    "sgd": (updates("sgd"), 1.0),
    "soften": (soften(), 1.0),
    "soften_grad": (soften_grad(), 1.0),
    "window_max": (pooled("extremes", "size"), 0.0),
    "window_max_grad": (window_max_grad(), 1.0),
    "window_spread": (pooled("__call__", "out"), 1.0),
    "window_sum": (pooled("__call__", "size"), 1.0),
}
