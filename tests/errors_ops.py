"""Bad input to ops and compositions: one row per mistake, with the words that its message must hold."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import ops
from autograd_cnn.kernels.window import conv_window, pool_window

Row = tuple[Any, type[Exception], str]


def x(*shape: int) -> ag.Tensor:
    return ag.tensor(np.ones(shape, np.float32), requires_grad=True)


def unary(f: Any) -> list[Row]:
    """What every function of single values refuses: text, and a call without input."""
    name = f.__name__
    return [
        (lambda: f("text"), TypeError, rf"^{name}: x must be an array of numbers, got 'text'"),
        (lambda: f(), TypeError, rf"^{name}: input 'x' is missing; the signature is {name}"),
    ]


def binary(f: Any) -> list[Row]:
    """What every function of pairs refuses: shapes that do not broadcast, and one input only."""
    name = f.__name__
    shapes = r".*shape \(2,\).*shape \(3,\)"
    return [
        (lambda: f(x(2), x(3)), ValueError, rf"^{name}: .*do not broadcast{shapes}"),
        (lambda: f(x(2)), TypeError, rf"^{name}: input '[xy]' is missing; the signature is {name}"),
    ]


UNARY = (
    *(ag.abs, ag.negative, ag.exp, ag.log, ag.sqrt, ag.sign, ag.tanh, ag.sigmoid, ag.relu),
    *(ag.log1p, ag.expm1, ag.exp2, ag.log2, ag.log10, ag.cbrt, ag.erf, ag.square, ag.reciprocal),
    *(ag.floor, ag.ceil, ag.trunc, ag.sin, ag.cos, ag.tan, ag.arcsin, ag.arccos, ag.arctan),
    *(ag.sinh, ag.cosh, ag.arcsinh, ag.arccosh, ag.arctanh, ag.degrees, ag.radians, ag.ravel),
)
BINARY = (
    *(ag.add, ag.subtract, ag.multiply, ag.divide, ag.power, ag.maximum, ag.minimum),
    *(ag.logaddexp, ag.floor_divide, ag.remainder, ag.hypot, ag.arctan2),
)
# Functions along an axis, and the words for one that is not there.
ALONG = (
    *(ag.sum, ag.mean, ag.var, ag.std, ag.max, ag.min, ag.amax, ag.amin, ag.prod, ag.ptp),
    *(
        ag.nansum,
        ag.nanmean,
        ag.median,
        ag.average,
        ag.norm,
        ag.logsumexp,
        ag.softmax,
        ag.log_softmax,
        ag.flip,
    ),
    *(ag.cumsum, ag.cumprod, ag.diff, ag.sort, ag.squeeze),
)
WINDOW = conv_window((4,), (2,), 1, 0, 1)
POOL = pool_window((4,), 2, None, 0, 1, False)

ROWS: list[Row] = [
    *(row for f in UNARY for row in unary(f)),
    *(row for f in BINARY for row in binary(f)),
    *(
        (
            lambda f=f: f(x(2), axis=3),
            ValueError,
            rf"^{f.__name__}: .*axis 3 is out of range for .*1 axes",
        )
        for f in ALONG
    ),
    # selecting and converting
    (lambda: ag.where(np.ones(2, bool), x(3), x(3)), ValueError, r"where: .*condition .*\(2,\)"),
    (lambda: ag.astype(x(2), dtype="nonsense"), TypeError, "astype: .*'nonsense'"),
    (lambda: ag.astype(x(2), like=2), TypeError, "astype: unknown argument 'like'; the signature"),
    (
        lambda: ag.round(x(2), decimals="a"),
        TypeError,
        "round: decimals must be an integer, got 'a'",
    ),
    (lambda: ag.getitem(x(2), index=5), IndexError, r"getitem: index 5 is out of .*\(2,\)"),
    (
        lambda: ag.scatter_add(x(2), index=np.array([5, 6]), shape=(3,)),
        IndexError,
        "scatter_add: index 5 is out of bounds .*size 3",
    ),
    (lambda: ag.put(x(2), x(3), index=[0, 1]), ValueError, r"put: .*\(2,\).*\(3,\)"),
    (lambda: ag.take(x(2), 5), IndexError, "take: .*index 5 is out of bounds .*size 2"),
    (
        lambda: ag.take(x(2), [0.5]),
        TypeError,
        r"take: indices must be an integer or an array of integers, got \[0\.5\]",
    ),
    (
        lambda: ag.take_along_axis(x(2), np.array([[0]])),
        ValueError,
        r"take_along_axis: indices must have 1 axes .*\(1, 1\)",
    ),
    (lambda: ag.topk(x(2), 5), ValueError, "topk: k must be between 0 and 2, .*got 5"),
    (lambda: ag.diag(x(2, 2, 2)), ValueError, r"diag: needs a vector or a matrix.*\(2, 2, 2\)"),
    (lambda: ag.diagonal(x(2)), ValueError, r"diagonal: needs two axes or more.*\(2,\)"),
    (lambda: ag.trace(x(2)), ValueError, r"^trace: .*needs two axes or more.*\(2,\)"),
    (lambda: ag.tril(x(2)), ValueError, r"tril: needs two axes or more.*\(2,\)"),
    (lambda: ag.triu(x(2)), ValueError, r"triu: needs two axes or more.*\(2,\)"),
    # axes
    (lambda: ag.expand_dims(x(2), axis=5), ValueError, "expand_dims: axis 5 is out of range"),
    (lambda: ag.squeeze(x(2), axis=0), ValueError, r"squeeze: axis 0 must have size 1.*\(2,\)"),
    (lambda: ag.swapaxes(x(2), 0, 5), ValueError, "swapaxes: axis 5 is out of range for 1"),
    (lambda: ag.moveaxis(x(2, 3), (0, 1), 0), ValueError, "moveaxis: source .* do not pair up"),
    (lambda: ag.matrix_transpose(x(2)), ValueError, "^matrix_transpose: .*for 1 axes"),
    (
        lambda: ag.repeat(x(2), [1, 2, 3]),
        ValueError,
        r"^repeat: repeats must be .* or 2 of them, .* got \[1, 2, 3\]",
    ),
    (lambda: ag.tile(x(2), -1), ValueError, "^tile: reps must be 0 or more, got -1"),
    (lambda: ag.roll(x(2), 1, axis=3), ValueError, "roll: axis 3 is out of range for 1 axes"),
    (lambda: ag.split(x(3), 2), ValueError, r"split: axis 0 does not divide into 2 .*\(3,\)"),
    (lambda: ag.array_split(x(2), 0), ValueError, "array_split: expected 1 part or more, got 0"),
    (
        lambda: ag.vstack([x(2), x(3)]),
        ValueError,
        r"^vstack: .*the same along all axes but 0, got \(1, 2\), \(1, 3\)",
    ),
    (lambda: ag.hstack([x(2, 1), x(3, 1)]), ValueError, "^hstack: .*the same along all axes but 1"),
    (lambda: ag.hstack([]), ValueError, "^hstack: .*give at least one array"),
    (
        lambda: ag.column_stack([x(2), x(3)]),
        ValueError,
        "^column_stack: .*the same along all axes but 1",
    ),
    (lambda: ag.fliplr(x(2)), ValueError, "^fliplr: .*axis 1 is out of range for 1 axes"),
    (lambda: ag.flipud(x()), ValueError, "^flipud: .*axis 0 is out of range for 0 axes"),
    # reductions
    (lambda: ag.average(x(3), np.ones(2)), ValueError, r"average: weights .*\(3,\).*got \(2,\)"),
    (lambda: ag.diff(x(2), n=-1), ValueError, "diff: n must be 0 or more, got -1"),
    (lambda: ag.norm(x(2), ord="nuc"), ValueError, "norm: ord='nuc' over axes"),
    (
        lambda: ag.ptp(x(0)),
        ValueError,
        r"^ptp: no values to choose from over axis None of shape \(0,\)",
    ),
    (lambda: ops.shape.sum_to(x(2, 3), shape=(4,)), ValueError, r"sum_to: .*\(2, 3\)"),
    # products
    (lambda: ag.matmul(x(2, 3), x(2, 3)), ValueError, r"matmul: .*\(2, 3\) and \(2, 3\)"),
    (lambda: ag.linear(x(2, 3), x(2, 2)), ValueError, r"linear: input .* 3 features.*expects 2"),
    (lambda: ag.dot(x(2), x(3)), ValueError, r"^dot: .*\(2,\) and \(3,\)"),
    (lambda: ag.inner(x(2), x(3)), ValueError, r"^inner: .*do not match.*\(2,\).*\(3,\)"),
    (lambda: ag.vdot(x(2), x(3)), ValueError, r"^vdot: .*\(2,\) and \(3,\)"),
    (lambda: ag.outer("text", x(2)), TypeError, "outer: x must be an array of numbers, got 'text'"),
    (lambda: ag.tensordot(x(2, 3), x(2, 3), axes=1), ValueError, r"tensordot: axes \(1,\) of x"),
    (lambda: ag.einsum("ij,jk->ik", x(2, 3), x(4, 2)), ValueError, "einsum: axis 'j' .*3 and 4"),
    (lambda: ag.einsum(x(2)), TypeError, "einsum: give the axes first"),
    (lambda: ag.contract(x(2, 3)), TypeError, "contract: argument 'subscripts' is missing"),
    # linear algebra
    *(
        (
            lambda f=f: f(x(2, 3)),
            ValueError,
            rf"{f.__name__}: needs square matrices .*\(2, 3\)",
        )
        for f in (ag.inv, ag.det, ag.logabsdet, ag.slogdet, ag.cholesky)
    ),
    (lambda: ag.cholesky(-np.eye(2)), ValueError, "cholesky: .*not positive definite"),
    (lambda: ag.inv(np.zeros((2, 2))), ValueError, r"inv: Singular matrix .*\(2, 2\)"),
    (lambda: ag.solve(np.eye(2), x(3)), ValueError, "^solve: .*one row per row of the matrix"),
    (lambda: ag.solve_columns(x(2, 3), x(2, 1)), ValueError, "^solve_columns: needs square"),
    (lambda: ag.matrix_power(x(2, 2), 0.5), TypeError, "matrix_power: n must be .*got 0.5"),
    # the ops behind functional
    (lambda: ag.batch_norm(x(2)), ValueError, r"batch_norm: input must have shape \(N, C, ...\)"),
    (
        lambda: ag.batch_norm("text"),
        TypeError,
        "batch_norm: x must be an array of numbers, got 'text'",
    ),
    (
        lambda: ag.channel_affine(x(2, 3), x(2)),
        ValueError,
        r"channel_affine: scale must have shape \(3,\), one value per channel, got \(2,\)",
    ),
    (
        lambda: ag.softmax_cross_entropy(x(2, 3), target=np.array([0, 3])),
        ValueError,
        "softmax_cross_entropy: target 3 in row 1 is not a class",
    ),
    (
        lambda: ops.loss.sigmoid_cross_entropy(x(2), x(3)),
        ValueError,
        r"sigmoid_cross_entropy: .*same shape, got \(2,\) and \(3,\)",
    ),
    (lambda: ag.conv2d(x(1, 3, 4, 4), x(1, 1, 3, 3)), ValueError, "conv2d: input has 3 channels"),
    (lambda: ag.max_pool2d(x(4, 4), 2), ValueError, r"max_pool2d: .*got \(4, 4\)"),
    (lambda: ag.avg_pool2d(x(4, 4), 2), ValueError, r"avg_pool2d: .*got \(4, 4\)"),
    (lambda: ops.arithmetic.relu_grad(x(2), x(3)), ValueError, r"relu_grad: .*\(2,\).*\(3,\)"),
    (
        lambda: ops.conv.conv_input_grad(x(1, 1, 4), x(1, 1, 2), window=WINDOW),
        ValueError,
        "conv_input_grad: g must have shape",
    ),
    (lambda: ops.conv.unfold(x(1, 1, 5), window=WINDOW), ValueError, "unfold: x must have shape"),
    *(
        (
            lambda f=f, more=more: f(x(1, 1, 5), window=POOL, **more),
            ValueError,
            rf"{f.__name__}: [xg] must have shape \(N, C, [24]\), got \(1, 1, 5\)",
        )
        for f, more in (
            (ops.pool.avg_pool, {}),
            (ops.pool.avg_pool_grad, {}),
            (ops.pool.window_scatter, {"winners": np.zeros((1, 1, 2), int)}),
            (ops.pool.window_gather, {"winners": np.zeros((1, 1, 2), int)}),
        )
    ),
]
