"""Mistakes in calls of ops, compositions and gradients; `mistakes.py` explains the form."""

from __future__ import annotations

import inspect
from typing import Any

import autograd_cnn as ag
from autograd_cnn.engine.op import COMPOSITIONS

TABLE = r"""
# calls
ag.exp(x(1), 2)  =>  TypeError: exp: got 1 arguments too many
ag.sum(x(1), axes=0)  =>  TypeError: sum: unknown argument 'axes'; the signature is sum
ag.sum(x(1), 0, axis=0)  =>  TypeError: sum: got 'axis' twice
ag.reshape(x(1))  =>  TypeError: reshape: argument 'shape' is missing
ag.round(x(1), decimals=x())
    =>  TypeError: round: argument 'decimals' is a plain value....detach() of it
ag.exp([x(1), x(1)])  =>  TypeError: exp: x is a list of tensors, ...ag.stack
x(2) * [x(), x()]  =>  TypeError: multiply: y is a list of tensors, ...ag.stack
# shapes
x(3) @ ag.tensor(2.0)  =>  ValueError: matmul: needs at least 1-D inputs...use *
x(2, 3).reshape(4, 2)  =>  ValueError: reshape: 6 values of shape (2, 3) do not fit ...(4, 2)
x(2, 3).reshape(-1, -1)  =>  ValueError: reshape: 6 values
ag.transpose(x(2, 3), axes=(0,))  =>  ValueError: transpose: ...(2, 3) once
ag.broadcast_to(x(2), (3, 3))  =>  ValueError: broadcast_to: ...does not broadcast to (3, 3)
ag.concatenate([x(2, 1), x(3, 2)], axis=1)
    =>  ValueError: concatenate: shapes must be the same along all axes but 1
ag.stack([x(2), x(3)])  =>  ValueError: stack: shapes must be the same, got (2,), (3,)
ag.concatenate([])  =>  ValueError: concatenate: ...at least one array
ag.pad(x(2), widths=((1,),))  =>  ValueError: pad: widths must be 1 pairs ...got ((1,),)
ag.pad(x(2), widths=((-1, 0),))  =>  ValueError: pad: ...>= 0
ag.max(x(0))  =>  ValueError: max: no values to choose from over axis None of shape (0,)
ag.var(x(1), ddof=1)  =>  ValueError: var: axis None of shape (1,) has 1 values...ddof=1 needs more
ag.clip(x(1))  =>  ValueError: clip: give min, max or both
# selecting and converting
ag.where(np.ones(2, bool), x(3), x(3))  =>  ValueError: where: ...condition ...(2,)
ag.astype(x(2), dtype="nonsense")  =>  TypeError: astype: ...'nonsense'
ag.getitem(x(2), index=5)  =>  IndexError: getitem: index 5 is out of ...(2,)
ag.scatter_add(x(2), index=np.array([5, 6]), shape=(3,))
    =>  IndexError: scatter_add: index 5 is out of bounds ...size 3
ag.put(x(2), x(3), index=[0, 1])  =>  ValueError: put: ...(2,)...(3,)
ag.take(x(2), 5)  =>  IndexError: take: ...index 5 is out of bounds ...size 2
ag.take(x(2), [0.5])
    =>  TypeError: take: indices must be an integer or an array of integers, got [0.5]
ag.take_along_axis(x(2), np.array([[0]]))
    =>  ValueError: take_along_axis: indices must have 1 axes ...(1, 1)
ag.topk(x(2), 5)  =>  ValueError: topk: k must be between 0 and 2, ...got 5
ag.diag(x(2, 2, 2))  =>  ValueError: diag: needs a vector or a matrix...(2, 2, 2)
ag.diagonal(x(2))  =>  ValueError: diagonal: needs two axes or more...(2,)
ag.trace(x(2))  =>  ValueError: trace: ...needs two axes or more...(2,)
ag.tril(x(2))  =>  ValueError: tril: needs two axes or more...(2,)
ag.triu(x(2))  =>  ValueError: triu: needs two axes or more...(2,)
ag.round()  =>  TypeError: round: input 'x' is missing; the signature is round
ag.index_select(x(2), 2, 0)  =>  ValueError: index_select: axis 2 is out of range
ag.narrow(x(3), 0, 1, 3)  =>  ValueError: narrow: 3 positions from 1 do not fit axis 0, got ...(3,)
ag.masked_select(x(2), x(2))  =>  TypeError: masked_select: mask must be an array of bools, got a
ag.gather(x(2, 3), 1, np.array([[3]]))  =>  ValueError: gather: index 3 is out of range
ag.scatter(x(2, 3), 1, np.array([[3]]), 0.0)  =>  ValueError: scatter: index 3 is out of range
ag.scatter(x(2, 3), 1, np.array([[0, 1]]), x(1, 1))
    =>  ValueError: scatter: src must be as long as index, got
ag.scatter(x(3), 0, np.array([0]), 1.0, "multiply")
    =>  ValueError: scatter: reduce must be 'none' or 'add', got 'multiply'
ag.index_add(x(3), 0, [0, 1], x(3))  =>  ValueError: index_add: source must have shape (2,), got
ag.index_put(x(3), ([0, 1],), x(3))  =>  ValueError: put: ...(3,)
ag.meshgrid(x(2), x(3), indexing="yx")
    =>  ValueError: meshgrid: indexing must be 'xy' or 'ij', got 'yx'
ag.gradient(x(3, 3), [1.0])  =>  ValueError: gradient: spacing must be one or 2 of them, got 1
ag.logit(x(2), eps="a")  =>  TypeError: logit: eps must be a number or None, got 'a'
ag.argsort(x(2), descending=3)  =>  TypeError: argsort: descending must be True or False, got 3
# axes
ag.expand_dims(x(2), axis=5)  =>  ValueError: expand_dims: axis 5 is out of range for 2 axes
ag.squeeze(x(2), axis=0)  =>  ValueError: squeeze: axis 0 must have size 1...(2,)
ag.swapaxes(x(2), 0, 5)  =>  ValueError: swapaxes: axis 5 is out of range for 1 axes
ag.moveaxis(x(2, 3), (0, 1), 0)  =>  ValueError: moveaxis: source ... do not pair up
ag.matrix_transpose(x(2))  =>  ValueError: matrix_transpose: ...for 1 axes
ag.repeat(x(2), [1, 2, 3])
    =>  ValueError: repeat: repeats must be ... or 2 of them, ... got [1, 2, 3]
ag.tile(x(2), -1)  =>  ValueError: tile: reps must be 0 or more, got -1
ag.roll(x(2), 1, axis=3)  =>  ValueError: roll: axis 3 is out of range for 1 axes
ag.split(x(3), 2)  =>  ValueError: split: axis 0 does not divide into 2 ...(3,)
ag.array_split(x(2), 0)  =>  ValueError: array_split: expected 1 part or more, got 0
ag.vstack([x(2), x(3)])
    =>  ValueError: vstack: ...the same along all axes but 0, got (1, 2), (1, 3)
ag.hstack([x(2, 1), x(3, 1)])  =>  ValueError: hstack: ...the same along all axes but 1
ag.chunk(x(2), 0)  =>  ValueError: chunk: chunks must be at least 1, got 0
ag.split(x(3), [1, 1], dim=0)  =>  ValueError: split: sizes [1, 1] do not add up to the 3 of axis 0
ag.index_select(x(2), 0, [5])  =>  IndexError: index_select: ...index 5 is out of bounds
ag.masked_fill(x(3), x(2), 0.0)  =>  ValueError: masked_fill: ...(2,)
ag.median(x(2), dim=0)  =>  TypeError: median: PyTorch's dim= gives the lower of two
ag.max(x(2), 0, True, 3)  =>  TypeError: max: got 1 arguments too many
ag.argmax(x(0))  =>  ValueError: argmax: no values to choose from
ag.argmin(x(0))  =>  ValueError: argmin: no values to choose from
ag.argsort("a")  =>  TypeError: argsort: x must be an array of numbers, got 'a'
ag.all("a")  =>  TypeError: all: x must be an array of numbers, got 'a'
ag.any("a")  =>  TypeError: any: x must be an array of numbers, got 'a'
ag.count_nonzero("a")  =>  TypeError: count_nonzero: x must be an array of numbers, got 'a'
ag.nonzero("a")  =>  TypeError: nonzero: x must be an array of numbers, got 'a'
# new tensors
ag.from_dlpack([1.0])  =>  TypeError: from_dlpack: x must be an array with the method __dlpack__, got
ag.from_dlpack(np.ones(2), device="cuda")  =>  TypeError: from_dlpack: there is no device 'cuda'
ag.zeros(2, -1)  =>  ValueError: zeros: size must be at least 0, got -1
ag.ones(1.5)  =>  TypeError: ones: size must be an integer or a tuple of integers, got (1.5,)
ag.empty((2,), "nonsense")  =>  TypeError: empty: data type 'nonsense' not understood
ag.rand("2")  =>  TypeError: rand: size must be an integer or a tuple of integers
ag.randn(2, device="cuda")  =>  TypeError: randn: unknown argument 'device' (all runs on the CPU
ag.randint(3, 1, (2,))  =>  ValueError: randint: low >= high
ag.arange("a")  =>  TypeError: arange: ...
ag.linspace(0, 1, -1)  =>  ValueError: linspace: Number of samples, -1, must be non-negative
ag.eye(-1)  =>  ValueError: eye: negative dimensions are not allowed
ag.full(-1, 2.0)  =>  ValueError: full: size must be at least 0, got -1
ag.full_like(x(2), "a")  =>  TypeError: full_like: fill_value must be an array of numbers, got 'a'
ag.zeros_like("a")  =>  TypeError: zeros_like: x must be
ag.ones_like("a")  =>  TypeError: ones_like: x must be
ag.empty_like("a")  =>  TypeError: empty_like: x must be
ag.rand_like("a")  =>  TypeError: rand_like: x must be an array of numbers, got 'a'
ag.randn_like("a")  =>  TypeError: randn_like: x must be an array of numbers, got 'a'
ag.ones(2, dtype=int, requires_grad=True)  =>  TypeError: requires_grad_: only floating
ag.hstack([])  =>  ValueError: hstack: ...give at least one array
ag.column_stack([x(2), x(3)])  =>  ValueError: column_stack: ...the same along all axes but 1
ag.fliplr(x(2))  =>  ValueError: fliplr: ...axis 1 is out of range for 1 axes
ag.flipud(x())  =>  ValueError: flipud: ...axis 0 is out of range for 0 axes
# reductions
ag.average(x(3), np.ones(2))  =>  ValueError: average: weights ...(3,)...got (2,)
ag.diff(x(2), n=-1)  =>  ValueError: diff: n must be 0 or more, got -1
ag.norm(x(2), ord="nuc")  =>  ValueError: norm: ord='nuc' over axes
ag.ptp(x(0))  =>  ValueError: ptp: no values to choose from over axis None of shape (0,)
ops.shape.sum_to(x(2, 3), shape=(4,))  =>  ValueError: sum_to: ...(2, 3)
ag.amax(x(2), axis=3)  =>  ValueError: amax: axis 3 is out of range for 1 axes
ag.amin(x(2), axis=3)  =>  ValueError: amin: axis 3 is out of range for 1 axes
ag.var_mean(x(1))  =>  ValueError: var_mean: axis None of shape (1,) has 1 values
ag.std_mean(x(1))  =>  ValueError: std_mean: axis None of shape (1,) has 1 values
# products and linear algebra
ag.addmm(x(2, 2), x(2, 3), x(2, 3))  =>  ValueError: addmm: ...(2, 3)
ag.addbmm(x(2, 2), x(2, 3), x(2, 3))  =>  ValueError: addbmm: ...(2, 3)
ag.addr(x(2, 2), x(3), x(3))  =>  ValueError: addr: ...do not broadcast
ag.lerp(x(2), x(3), 0.5)  =>  ValueError: lerp: ...do not broadcast
ag.addcmul(x(2), x(3), x(2))  =>  ValueError: addcmul: ...do not broadcast
ag.addcdiv(x(2), x(3), x(2))  =>  ValueError: addcdiv: ...do not broadcast
ag.pinv(x(3))  =>  ValueError: pinv: needs matrices (..., m, n), got ...(3,)
ag.matmul(x(2, 3), x(2, 3))  =>  ValueError: matmul: ...(2, 3) and (2, 3)
ag.linear(x(2, 3), x(2, 2))  =>  ValueError: linear: input ... 3 features...expects 2
ag.dot(x(2), x(3))  =>  ValueError: dot: ...(2,) and (3,)
ag.inner(x(2), x(3))  =>  ValueError: inner: ...do not match...(2,)...(3,)
ag.vdot(x(2), x(3))  =>  ValueError: vdot: ...(2,) and (3,)
ag.tensordot(x(2, 3), x(2, 3), axes=1)  =>  ValueError: tensordot: axes (1,) of x
ag.einsum("ij,jk->ik", x(2, 3), x(4, 2))  =>  ValueError: einsum: axis 'j' ...3 and 4
ag.einsum("ij,jk->ik", x(2, 3))  =>  ValueError: einsum: ...names 2 operands, but 1 were given
ag.einsum("ij->i", x(2))  =>  ValueError: einsum: ...does not name the axes of its operand
ag.einsum("i->i", x(2, 3))  =>  ValueError: einsum: ...does not name the axes of its operand
ag.einsum("i,i->i", x(2), x(3))  =>  ValueError: einsum: ...axis 'i' of 'i,i->i' has sizes 2 and 3
ag.einsum("i->ii", x(2))  =>  ValueError: einsum: ...must occur in an operand, and once
ag.einsum("i->j", x(2))  =>  ValueError: einsum: ...must occur in an operand, and once
ag.einsum("i...->i", x(2, 3))  =>  ValueError: einsum: ...lacks the '...'
ag.einsum("i1->i", x(2, 3))  =>  ValueError: einsum: ...may hold letters
ag.einsum(x(2))  =>  TypeError: einsum: give the axes first
ag.outer(x(2))  =>  TypeError: outer: input 'y' is missing; the signature is outer(x, y)
ag.contract(x(2, 3))  =>  TypeError: contract: argument 'subscripts' is missing
ag.cholesky(-np.eye(2))  =>  ValueError: cholesky: ...not positive definite
ag.inv(np.zeros((2, 2)))  =>  ValueError: inv: Singular matrix ...(2, 2)
ag.solve(np.eye(2), x(3))  =>  ValueError: solve: ...one row per row of the matrix
ag.solve_columns(x(2, 3), x(2, 1))  =>  ValueError: solve_columns: needs square
ag.matrix_power(x(2, 2), 0.5)  =>  TypeError: matrix_power: n must be ...got 0.5
# what stands behind functional; the geometry is given
ag.batch_norm(x(2))  =>  ValueError: batch_norm: input must have shape (N, C, ...)
ag.channel_affine(x(2, 3), x(2))
    =>  ValueError: channel_affine: scale must have shape (3,), one value per channel, got (2,)
ops.batch_norm.row_norm(x(2, 3), x(2), lead=1, groups=0)
    =>  ValueError: row_norm: weight must have shape (3,), got (2,)
ops.exponential.curve(x(2), name="relu")
    =>  ValueError: curve: name must be 'gelu'...got 'relu'
ag.softmax_cross_entropy(x(2, 3), target=np.array([0, 3]))
    =>  ValueError: softmax_cross_entropy: target 3 in row 1 is not a class
ops.loss.sigmoid_cross_entropy(x(2), x(3))
    =>  ValueError: sigmoid_cross_entropy: ...same shape, got (2,) and (3,)
ops.arithmetic.relu_grad(x(2), x(3))  =>  ValueError: relu_grad: ...(2,)...(3,)
ops.conv.conv_input_grad(x(1, 1, 4), x(1, 1, 2), window=WINDOW)
    =>  ValueError: conv_input_grad: the shapes must fit images of (4,), ...(1, 1, 4)...(1, 1, 2)
ops.conv.unfold(x(1, 1, 5), window=WINDOW)  =>  ValueError: unfold: x must have shape (N, C, 4)
ops.conv.conv(x(1, 1, 5), x(1, 1, 2), window=WINDOW)
    =>  ValueError: conv: the shapes must fit images of (4,), ...(1, 1, 5)...(1, 1, 2)
ops.conv.conv(x(1, 1, 4), x(1, 1, 3), window=WINDOW)  =>  ValueError: conv: ...filters of (2,)
ops.conv.conv(x(1, 1, 4), x(1, 1, 2), x(2), window=WINDOW)  =>  ValueError: conv: ...shape (2,)
ops.conv.conv(x(1, 1, 4), x(1, 1, 2), window=WINDOW, groups=0)  =>  ValueError: conv: ...0 groups
ops.conv.conv_weight_grad(x(2, 1, 4), x(1, 1, 3), window=WINDOW)
    =>  ValueError: conv_weight_grad: ...results of (3,) and 1 groups
ops.conv.fold(x(1, 3, 3), window=WINDOW)  =>  ValueError: fold: g ...(N, C * 2, 3), got (1, 3, 3)
ops.pool.max_pool(x(1, 1, 5), window=POOL)  =>  ValueError: max_pool: x ...(N, C, 4)
# settings that do not go together
ag.moveaxis(x(2, 3), (0, 0), (0, 1))  =>  ValueError: moveaxis: ... names an axis twice
ag.trace(x(3, 3), axis1=1)  =>  ValueError: trace: axis1 and axis2 are the same
ag.tensordot(x(3), x(3), axes=2)  =>  ValueError: tensordot: cannot pair 2 axes
ag.norm(x(2, 2), ord=2)  =>  ValueError: norm: ord=2 over axes
ag.std(x(1), ddof=1)  =>  ValueError: std: ...ddof=1
# functions of NumPy
np.mean(x(2, 2), dtype=np.float32)  =>  TypeError: np.mean ...no op takes dtype=
np.sum(x(2, 2), where=np.ones((2, 2), bool))  =>  TypeError: np.sum ...no op takes where=
np.sum(x(2, 2), out=np.empty(()))  =>  TypeError: np.sum ...no op takes out=
np.var(x(2, 2), dtype="float32")  =>  TypeError: np.var ...no op takes dtype=
np.std(x(2, 2), mean=0.0)  =>  TypeError: np.std ...no op takes mean=
np.sum(x(2, 2), initial=1.0)  =>  TypeError: np.sum ...no op takes initial=
np.ravel(x(2, 2), order="F")  =>  TypeError: np.ravel ...no op takes order=
np.pad(x(2, 2), 1, mode="edge")  =>  TypeError: np.pad ...one constant value
np.concatenate([x(2, 2), x(2, 2)], dtype="float32")  =>  TypeError: np.concatenate ...takes dtype=
np.clip(x(2, 2), 0.0, 1.0, dtype="float32")  =>  TypeError: np.clip ...takes dtype=
np.exp(x(2, 2), out=np.empty((2, 2)))  =>  TypeError: np.exp ...options 'out'
np.exp(x(2, 2), where=np.ones((2, 2), bool))  =>  TypeError: np.exp ...options 'where'
np.add.reduce(x(2, 2))  =>  TypeError: np.add.reduce ...use np.sum
np.cross(x(2, 2), x(2, 2))  =>  ValueError: cross: needs vectors of three values, got
np.quantile(x(2, 2), 0.5, method="lower")  =>  TypeError: np.quantile ...no op takes method=
x(2, 2).numpy().__isub__(x(2, 2))  =>  TypeError: np.subtract ...'out'... write a = a + t, not a +=
np.piecewise(x(2, 2), [np.ones((2, 2), bool)], [1.0])  =>  TypeError: np.piecewise ...use np.where
np.linalg.svd(x(2, 2))  =>  TypeError: np.linalg.svd ...ag.custom_gradient, or take .numpy()
np.fft.fft(x(2, 2))  =>  TypeError: np.fft.fft ...cut the graph
np.copyto(x(2, 2), 1.0)  =>  TypeError: np.copyto ...item assignment
np.ldexp(x(2, 2), 1)  =>  TypeError: np.ldexp ...use np.exp2
np.quantile(x(2, 2), 1.5)  =>  ValueError: quantile: q must lie between 0 and 1, got 1.5
np.percentile(x(2, 2), x(2, 2))  =>  TypeError: quantile: q gets no gradient; pass .detach
np.quantile(x(2, 2)[:0], 0.5)  =>  ValueError: quantile: no values over axis None
np.quantile(x(2, 2), 0.5, axis=3)  =>  ValueError: quantile: axis 3 is out of range
np.nan_to_num(x(2, 2), copy=False)  =>  TypeError: np.nan_to_num: copy=False would change
np.kron(x(2, 2), "a")  =>  TypeError: kron: b must be an array of numbers, got 'a'
np.hsplit(x(2, 2), 3)  =>  ValueError: split: axis 1 does not divide into 3 equal parts
np.linalg.vector_norm(x(2, 2), axis=2)  =>  ValueError: vector_norm: axis 2 is out of range
np.linalg.multi_dot([x(2, 2)])  =>  ValueError: multi_dot: parts must be two matrices or more
np.rot90(x(2, 2), axes=(1, 1))  =>  ValueError: rot90: axis (1, 1) names an axis twice
np.rot90(x(2, 2), axes=(0, 1, 1))  =>  ValueError: rot90: axis (0, 1, 1) names an axis twice
x(0).argmax()  =>  ValueError: argmax: no values to choose from
ag.clip(x(3), x(2))  =>  ValueError: clip: ...do not broadcast
# gradients
x(3).backward()  =>  ValueError: backward: the output has shape (3,)....sum() or .mean()
ag.tensor([1.0]).backward()  =>  ag.GraphError: backward: ...does not require gradients
x(3).backward(np.ones(2))
    =>  ValueError: backward: gradient must have shape (3,), got (2,)
ag.grad(x(1), ag.tensor([1.0]))  =>  ag.GraphError: grad: input 0 ...does not require gradients
ag.grad([x(1), x(1)], x(1), [None])  =>  ValueError: grad: expected 2 grad_outputs
setattr(x(2), "grad", np.ones(3))  =>  ValueError: grad: expected ...(2,), got (3,)
setattr(x(2), "data", np.ones(3))
    =>  ValueError: Tensor.data: expected values of shape (2,), got (3,)
x(2).item()  =>  ValueError: item: ...got shape (2,)
"""


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters) if inspect.isfunction(function) else []


# Rows that many functions share.
_OURS = ag.OPS.keys() | COMPOSITIONS.keys()
OF_ONE_ARRAY = " ".join(n for n in ag.__all__ if n in _OURS and parameters(getattr(ag, n)) == ["x"])
PAIRS = """
add subtract multiply divide power maximum minimum logaddexp logaddexp2 floor_divide remainder fmod
copysign hypot arctan2 xlogy dist
"""
ALONG = """
sum mean var std max min prod ptp nansum nanmean median average norm logsumexp softmax
log_softmax flip cumsum cumprod cummax cummin logcumsumexp unbind diff gradient sort squeeze
"""
FAMILIES = [
    (OF_ONE_ARRAY, "ag.NAME()  =>  TypeError: NAME: input 'x' is missing; the signature is NAME"),
    (PAIRS, "ag.NAME(x(2))  =>  TypeError: NAME: input '...' is missing; the signature is NAME"),
    (
        PAIRS,
        "ag.NAME(x(2), x(3))  =>  ValueError: NAME: ...do not broadcast...shape (2,)...shape (3,)",
    ),
    (ALONG, "ag.NAME(x(2), axis=3)  =>  ValueError: NAME: ...axis 3 is out of range for ...1 axes"),
    (
        "inv det logabsdet slogdet cholesky",
        "ag.NAME(x(2, 3))  =>  ValueError: NAME: needs square matrices ...(2, 3)",
    ),
    (
        "avg_pool avg_pool_grad",
        "ops.pool.NAME(x(1, 1, 5), window=POOL)  =>  "
        "ValueError: NAME: ... must have shape (N, C, ...), got (1, 1, 5)",
    ),
    (
        "banded",
        "ops.pool.NAME(x(3), axis=0, matrix=np.eye(2))  =>  "
        "ValueError: NAME: matrix must have one column per value of axis 0 of shape (3,), got ...",
    ),
    (
        "window_scatter window_gather",
        "ops.pool.NAME(x(1, 1, 5), window=POOL, winners=np.zeros((1, 1, 2), int))  =>  "
        "ValueError: NAME: ... must have shape (N, C, ...), got (1, 1, 5)",
    ),
]
