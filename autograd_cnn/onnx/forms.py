"""The form of every op in ONNX, opset 17: nodes, or a few that compute the same."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd_cnn.nn.normalization import _ChannelNorm
from autograd_cnn.onnx.nodes import NoFormError, Term
from autograd_cnn.onnx.recording import Value, shape_of
from autograd_cnn.onnx.selection import flipped, picked, replaced, scattered

Form = Callable[..., Term]
FORMS: dict[str, Form] = {}
"""By the name of the op: a function of its value, the terms of its inputs, and its settings."""
SYMBOLIC: set[str] = set()
"""The ops whose settings may depend on the batch."""


def _form(*names: str, symbolic: bool = False) -> Callable[[Form], Form]:
    def add(function: Form) -> Form:
        FORMS.update(dict.fromkeys(names, function))
        SYMBOLIC.update(names if symbolic else ())
        return function

    return add


# -------------------------------------------------------------------------------- values one by one

_NODES = {
    **dict(abs="Abs", arccos="Acos", arccosh="Acosh", arcsin="Asin", arcsinh="Asinh"),
    **dict(arctan="Atan", arctanh="Atanh", ceil="Ceil", cos="Cos", cosh="Cosh", erf="Erf"),
    **dict(exp="Exp", floor="Floor", log="Log", negative="Neg", relu="Relu", sigmoid="Sigmoid"),
    **dict(sign="Sign", sin="Sin", sinh="Sinh", sqrt="Sqrt", tan="Tan", tanh="Tanh", det="Det"),
    **dict(add="Add", subtract="Sub", multiply="Mul", divide="Div", power="Pow"),
    **dict(maximum="Max", minimum="Min"),
}
"""Ops that are one node, on inputs in the dtype of the result."""
_TRUTHS = {
    **dict(less="Less", less_equal="LessOrEqual", equal="Equal", greater="Greater"),
    **dict(greater_equal="GreaterOrEqual", logical_and="And", logical_or="Or"),
    **dict(logical_xor="Xor", logical_not="Not"),
}


def _log1p(x: Term) -> Term:
    """log(1 + x); by an odd series near 0, where 1 + x loses the digits of x."""
    near = (x / (x + 2.0))("Atanh") * 2.0
    return (x("Abs") < 0.5).where(near, (x + 1.0)("Log"))


def _expm1(x: Term) -> Term:
    half = (x * 0.5)("Max", -50.0 if x.dtype.itemsize > 4 else -40.0)  # below, the result is -1
    return half("Sinh") * half("Exp") * 2.0


def _remainder(x: Term, y: Term) -> Term:
    rest = x("Mod", y, fmod=1)
    return (rest * y < 0.0).where(rest + y, rest)


def _arctan2(y: Term, x: Term) -> Term:
    origin = x("Equal", 0.0, dtype=bool)("And", y("Equal", 0.0, dtype=bool))
    turn = (x < 0.0).where((y < 0.0).where(y * 0.0 - math.pi, y * 0.0 + math.pi), y * 0.0)
    return (y / origin.where(1.0, x))("Atan") + turn


def _logaddexp(x: Term, y: Term) -> Term:
    return x("Max", y) + _log1p((-(x - y)("Abs"))("Exp"))


_LN2 = math.log(2.0)
_FORMULAS: dict[str, Callable[..., Term]] = {
    "arctan2": _arctan2,
    "cbrt": lambda x: x("Sign") * x("Abs")("Pow", 1.0 / 3.0),
    "copysign": lambda x, y: (y < 0.0).where(-x("Abs"), x("Abs")),
    "exp2": lambda x: x.nodes.term(2.0, x.dtype)("Pow", x),
    "expm1": _expm1,
    "floor_divide": lambda x, y: ((x - _remainder(x, y)) / y)("Round"),
    "fmod": lambda x, y: x("Mod", y, fmod=1),
    "hypot": lambda x, y: (x * x + y * y)("Sqrt"),
    "log10": lambda x: x("Log") * (1.0 / math.log(10.0)),
    "log1p": _log1p,
    "log2": lambda x: x("Log") * (1.0 / _LN2),
    "logabsdet": lambda x: x("Det")("Abs")("Log"),
    "logaddexp": _logaddexp,
    "logaddexp2": lambda x, y: _logaddexp(x * _LN2, y * _LN2) * (1.0 / _LN2),
    "remainder": _remainder,
    "same": lambda x: x,
    "trunc": lambda x: x("Sign") * x("Abs")("Floor"),
}


def _one_by_one(v: Value, *xs: Term) -> Term:
    """A row of `_NODES` or `_FORMULAS`."""
    first, *rest = (x.cast(v.dtype) for x in xs)
    formula = _FORMULAS.get(v.op)
    return formula(first, *rest) if formula else first(_NODES[v.op], *rest)


def _truth(v: Value, *xs: Term) -> Term:
    common = np.result_type(*(x.dtype for x in xs))
    if v.op.startswith("logical") and common != bool:
        raise NoFormError("its inputs must be truth values")
    first, *rest = (x.cast(common) for x in xs)
    return first(_TRUTHS[v.op], *rest, dtype=bool)


FORMS |= dict.fromkeys([*_NODES, *_FORMULAS], _one_by_one) | dict.fromkeys(_TRUTHS, _truth)


@_form("astype")
def _astype(v: Value, x: Term, dtype: Any) -> Term:
    return x.cast(v.dtype)


@_form("round")
def _round(v: Value, x: Term, decimals: int) -> Term:
    scale = 10.0**decimals
    return x("Round") if not decimals else (x * scale)("Round") / scale


@_form("where")
def _where(v: Value, condition: Term, x: Term, y: Term) -> Term:
    return condition.cast(bool).where(x.cast(v.dtype), y.cast(v.dtype))


@_form("clip")
def _clip(v: Value, x: Term, low: Term | None = None, high: Term | None = None) -> Term:
    x = x.cast(v.dtype)
    x = x if low is None else x("Max", low.cast(v.dtype))
    return x if high is None else x("Min", high.cast(v.dtype))


@_form("curve")
def _curve(v: Value, x: Term, name: str, beta: float, threshold: float) -> Term:
    x = x.cast(v.dtype)
    if name == "silu":
        return x * x("Sigmoid")
    if name == "gelu":
        return x * 0.5 * ((x * math.sqrt(0.5))("Erf") + 1.0)
    if name == "gelu_tanh":
        inner = (x + x * x * x * 0.044715) * math.sqrt(2.0 / math.pi)
        return x * 0.5 * (inner("Tanh") + 1.0)
    scaled = x if beta == 1.0 else x * beta
    smooth = scaled("Relu") + _log1p((-scaled("Abs"))("Exp"))
    return (scaled.nodes.term(threshold, x.dtype) < scaled).where(x, smooth * (1.0 / beta))


# ------------------------------------------------------------------------------------ along axes


@_form("sum", "max", "min", "mean", "logsumexp")
def _reduce(v: Value, x: Term, axis: Any, keepdims: bool) -> Term:
    kind = {"mean": "Mean", "logsumexp": "LogSumExp"}.get(v.op, v.op.capitalize())
    x = x.cast(v.dtype)
    return x.over(f"Reduce{kind}", axis, keepdims) if shape_of(v.inputs[0]) else x


@_form("var")
def _var(v: Value, x: Term, axis: Any, keepdims: bool, ddof: float) -> Term:
    x = x.cast(v.dtype)
    off = x - x.over("ReduceMean", axis)
    if not ddof:
        return (off * off).over("ReduceMean", axis, keepdims)
    total = (off * off).over("ReduceSum", axis, keepdims)
    count = x("Size", dtype=np.int64)("Div", total("Size", dtype=np.int64))
    return total / (count.cast(v.dtype) - float(ddof))


@_form("softmax", "log_softmax")
def _softmax(v: Value, x: Term, axis: Any) -> Term:
    x = x.cast(v.dtype)
    if isinstance(axis, int):
        return x("Softmax" if v.op == "softmax" else "LogSoftmax", axis=axis)
    shifted = x - x.over("ReduceMax", axis)
    if v.op == "softmax":
        return shifted("Exp") / shifted("Exp").over("ReduceSum", axis)
    return shifted - shifted("Exp").over("ReduceSum", axis)("Log")


@_form("cumsum")
def _cumsum(v: Value, x: Term, axis: int | None) -> Term:
    x = x.cast(v.dtype)
    if axis is None:
        x, axis = x("Reshape", np.array([-1])), 0
    return x("CumSum", np.array(axis))


@_form("banded")
def _banded(v: Value, x: Term, axis: int, matrix: np.ndarray) -> Term:
    x, last = x.cast(v.dtype), len(v.shape) - 1
    if axis == last - 1:
        return x.nodes.term(matrix.astype(v.dtype))("MatMul", x)
    order = [k for k in range(last + 1) if k != axis] + [axis]
    back = [order.index(k) for k in range(last + 1)]
    moved = x if axis == last else x("Transpose", perm=order)
    moved = moved("MatMul", np.ascontiguousarray(matrix.T, v.dtype))
    return moved if axis == last else moved("Transpose", perm=back)


# ---------------------------------------------------------------------------------------- shapes


@_form("reshape", symbolic=True)
def _reshape(v: Value, x: Term, shape: Any) -> Term:
    return x.reshape(v.shape)


@_form("broadcast_to", symbolic=True)
def _broadcast_to(v: Value, x: Term, shape: Any) -> Term:
    return x("Expand", x.nodes.sizes(v.shape))


@_form("transpose")
def _transpose(v: Value, x: Term, axes: Any) -> Term:
    count = len(v.shape)
    order = range(count)[::-1] if axes is None else [a % count for a in axes]
    return x("Transpose", perm=list(order)) if count else x


@_form("concatenate", "stack")
def _join(v: Value, *xs: Term, axis: int) -> Term:
    given = [x.cast(v.dtype) for x in xs]
    if v.op == "stack":
        given = [x("Unsqueeze", np.array([axis])) for x in given]
    return given[0]("Concat", *given[1:], axis=axis)


@_form("pad")
def _pad(v: Value, x: Term, widths: Any, value: float) -> Term:
    pads = np.array(widths, np.int64).reshape(-1, 2).T.ravel()
    return x("Pad", pads, np.array(value, x.dtype)) if pads.size else x


FORMS |= {"flip": flipped, "getitem": picked, "put": replaced, "scatter_add": scattered}
SYMBOLIC |= {"getitem", "scatter_add"}

# ---------------------------------------------------------------------------------------- products


@_form("matmul")
def _matmul(v: Value, x: Term, y: Term) -> Term:
    return x.cast(v.dtype)("MatMul", y.cast(v.dtype))


@_form("linear")
def _linear(v: Value, x: Term, w: Term, b: Term | None = None) -> Term:
    x = x.cast(v.dtype)
    if len(v.shape) == 2:
        return x("Gemm", w, *(() if b is None else (b,)), transB=1)
    product = x("MatMul", w("Transpose", perm=[1, 0]))
    return product if b is None else product + b


@_form("contract")
def _contract(v: Value, *xs: Term, subscripts: str) -> Term:
    first, *rest = (x.cast(v.dtype) for x in xs)
    return first("Einsum", *rest, equation=subscripts)


# ------------------------------------------------------------------------------- windows of images


def _settings(window: Any, groups: int = 1) -> dict[str, Any]:
    return {
        "kernel_shape": list(window.kernel),
        "strides": list(window.stride),
        "dilations": list(window.dilation),
        "pads": [*window.before, *window.after],
        "group": groups,
    }


def _padded(x: Term, before: Any, after: Any, value: float) -> Term:
    pads = np.array([0, 0, *before, 0, 0, *after], np.int64)
    return x("Pad", pads, np.array(value, x.dtype)) if pads.any() else x


@_form("conv")
def _conv(v: Value, x: Term, w: Term, b: Any = None, *, window: Any, groups: int) -> Term:
    for n, k, s, d, before, after, out in zip(*window):
        if out != (n + before + after - d * (k - 1) - 1) // s + 1:
            raise NoFormError("its windows leave out a position that would fit")
    given = (w,) if b is None else (w, b)
    return x.cast(v.dtype)("Conv", *given, **_settings(window, groups))


@_form("conv_input_grad")
def _conv_transpose(v: Value, g: Term, w: Term, window: Any, groups: int) -> Term:
    extra = [
        n - ((o - 1) * s - b - a + d * (k - 1) + 1) for n, k, s, d, b, a, o in zip(*window)
    ]
    given = _settings(window, groups) | {"output_padding": extra}
    return g.cast(v.dtype)("ConvTranspose", w, **given)


def _each_cell(x: Term, channels: int, window: Any) -> np.ndarray:
    """Filters, a group for each channel, that pick one cell of the window each."""
    cells = math.prod(window.kernel)
    filters = np.eye(cells, dtype=x.dtype).reshape(1, cells, 1, *window.kernel)
    return np.repeat(filters, channels, 0).reshape(-1, 1, *window.kernel)


@_form("unfold")
def _unfold(v: Value, x: Term, window: Any) -> Term:
    channels = v.shape[1] // math.prod(window.kernel)
    filters = x.nodes.term(_each_cell(x, channels, window))
    return _conv(v, x, filters, window=window, groups=channels).reshape(v.shape)


@_form("fold")
def _fold(v: Value, g: Term, window: Any) -> Term:
    channels = v.shape[1]
    images = g.reshape((v.shape[0], channels * math.prod(window.kernel), *window.out))
    filters = g.nodes.term(_each_cell(g, channels, window))
    return _conv_transpose(v, images, filters, window, channels)


@_form("max_pool")
def _max_pool(v: Value, x: Term, window: Any) -> Term:
    given = _settings(window)
    del given["group"]
    if any(p >= k for k, p in zip(window.kernel * 2, given["pads"])):  # which runtimes refuse
        x = _padded(x, window.before, window.after, -math.inf)
        given["pads"] = [0] * len(given["pads"])
    return x("MaxPool", **given)


@_form("avg_pool")
def _avg_pool(
    v: Value, x: Term, window: Any, count_include_pad: bool, divisor_override: int | None
) -> Term:
    before, after = window.before, window.after
    x, given = x.cast(v.dtype), _settings(window)
    del given["group"], given["dilations"]
    if divisor_override is not None:
        mean = x("AveragePool", **given, count_include_pad=1)
        return mean * (math.prod(window.kernel) / divisor_override)
    if count_include_pad and before != after:  # what a last window has beyond the padding
        x = _padded(x, before, before, 0.0)
        given["pads"] = [0] * len(before) + [max(a - b, 0) for a, b in zip(after, before)]
        count_include_pad = False
    return x("AveragePool", **given, count_include_pad=int(count_include_pad))


# ---------------------------------------------------------------------------------- normalisation


def _scaled(x: Term, rank: int, weight: Any, bias: Any) -> Term:
    """x (N, C, ...) times weight (C,) plus bias (C,)."""
    sides = (-1, *[1] * (rank - 2))
    x = x if weight is None else x * weight("Reshape", np.array(sides))
    return x if bias is None else x + bias("Reshape", np.array(sides))


@_form("channel_affine")
def _channel_affine(v: Value, x: Term, scale: Term, shift: Any = None, *, relu: bool) -> Term:
    out = _scaled(x.cast(v.dtype), len(v.shape), scale, shift)
    return out("Relu") if relu else out


def by_statistics(v: Value, path: str, layer: Any, x: Term) -> Term:
    """A batch norm layer in evaluation, with the parameters and buffers under their names."""
    ones = np.ones(layer.num_features, v.dtype)
    given = []
    for name, other in (("weight", ones), ("bias", 0 * ones), ("running_mean",) * 2, ("running_var",) * 2):
        held = getattr(layer, name, None)
        array = other if held is None else getattr(held, "array", held).astype(v.dtype)
        given.append(array if held is None else x.nodes.initializer(f"{path}.{name}".lstrip("."), array))
    out = x.cast(v.dtype)("BatchNormalization", *given, epsilon=layer.eps)
    return out("Relu") if v.params["relu"] else out


def has_statistics(v: Value) -> Any:
    """The batch norm layer whose evaluation this call is, or None."""
    layer = v.origin.layers[-1] if v.origin and v.origin.layers else None
    ours = isinstance(layer, _ChannelNorm) and v.op == "channel_affine"
    return layer if ours else None


@_form("batch_norm")
def _batch_norm(
    v: Value, x: Term, weight: Any = None, bias: Any = None, *, eps: float, relu: bool, pool: Any
) -> Term:
    rank = len(v.shape)
    axes = (0, *range(2, rank))
    off = x - x.over("ReduceMean", axes)
    out = off / ((off * off).over("ReduceMean", axes) + eps)("Sqrt")
    out = _scaled(out, rank, weight, bias)
    out = out if pool is None else _max_pool(v, out, pool)
    return out("Relu") if relu else out


@_form("row_norm")
def _row_norm(
    v: Value, x: Term, weight: Any = None, bias: Any = None, *, lead: int, groups: int, eps: float
) -> Term:
    x, rank = x.cast(v.dtype), len(v.shape)
    if not groups:
        scale = np.ones(v.shape[lead:], v.dtype) if weight is None else weight
        given = (scale,) if bias is None else (scale, bias)
        return x("LayerNormalization", *given, axis=lead, epsilon=eps)
    ones = np.ones(groups, v.dtype)
    if groups == v.shape[1] and rank > 2:
        given = tuple(o if w is None else w for o, w in ((ones, weight), (0 * ones, bias)))
        return x("InstanceNormalization", *given, epsilon=eps)
    rows = x("Reshape", np.array([0, groups, -1]))
    rows = rows("InstanceNormalization", ones, 0 * ones, epsilon=eps)
    return _scaled(rows.reshape(v.shape), rank, weight, bias)
