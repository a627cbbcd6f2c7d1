"""NumPy's own functions on tensors: differentiable, constant, or refused with an alternative."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn.tensor import numpy_functions, numpy_special
from autograd_cnn.tensor.numpy_functions import CONSTANT_UFUNCS, CONSTANTS, FUNCTIONS, UFUNCS
from autograd_cnn.tensor.numpy_special import SPECIAL
from autograd_cnn.testing import gradgradcheck

DOCS = Path(__file__).parents[1] / "docs"
X = np.array([[0.4, -0.7], [1.1, 0.2]])
Y = np.array([[0.9, 0.3], [0.6, 1.4]])
SPD = np.array([[2.0, 0.3], [0.3, 1.5]])
LINE = np.array([0.3, -0.7, 1.1, 0.5])
LINE_AT = np.array([-1.0, 0.0, 0.3, 1.0])


def tracked(x: Any) -> Any:
    return ag.tensor(x, requires_grad=True)


def joined(found: Any) -> Any:
    """The results of a call as one vector."""
    if not isinstance(found, (list, tuple)):
        return found.reshape((-1,))
    return ag.hstack([joined(part) for part in found])


def compare(found: Any, expected: Any) -> None:
    """Equal values, and tensors with a gradient wherever NumPy gives arrays of floats."""
    if isinstance(expected, (list, tuple)):
        assert len(found) == len(expected)
        for a, b in zip(found, expected):
            compare(a, b)
        return
    assert isinstance(found, ag.Tensor)
    assert found.requires_grad
    assert found.dtype == np.asarray(expected).dtype
    assert found.shape == np.shape(expected)
    assert np.allclose(found.numpy(), expected, rtol=1e-12, atol=1e-14)


# ------------------------------------------------------------------------------------------- ufuncs


@pytest.mark.parametrize(
    "ufunc", sorted(UFUNCS, key=lambda u: u.__name__), ids=lambda u: u.__name__
)
def test_ufuncs_stay_differentiable(ufunc: Any) -> None:
    arrays = [Y + (1.0 if ufunc is np.arccosh else 0.0), np.abs(X) + 0.1][: ufunc.nin]
    if ufunc in (np.arcsin, np.arccos, np.arctanh):
        arrays = [Y * 0.5]
    compare(ufunc(*map(tracked, arrays)), ufunc(*arrays))
    if ufunc.nin == 2:
        compare(ufunc(arrays[0], tracked(arrays[1])), ufunc(*arrays))


@pytest.mark.parametrize(
    "ufunc", sorted(CONSTANT_UFUNCS, key=lambda u: u.__name__), ids=lambda u: u.__name__
)
def test_constant_ufuncs_give_plain_arrays(ufunc: Any) -> None:
    whole = all(kind not in "fe" for kind in "".join(t.split("->")[0] for t in ufunc.types))
    arrays = [np.array([3, 0]), np.array([1, 2])] if whole else [X, Y]
    found = ufunc(*map(ag.tensor, arrays[: ufunc.nin]))
    assert type(found) is np.ndarray
    assert np.array_equal(found, ufunc(*arrays[: ufunc.nin]))


# ---------------------------------------------------------------------------------------- functions


def holed(x: Any) -> Any:
    """x with NaN in one place."""
    return np.where(np.array([[False, True], [False, False]]), np.nan, x)


CALLS: dict[Any, list[Any]] = {
    np.sum: [lambda x: np.sum(a=x, axis=1, keepdims=True), lambda x: np.sum(x, None, None, None)],
    np.prod: [lambda x: np.prod(x, axis=0)],
    np.mean: [lambda x: np.mean(x, (0, 1))],
    np.max: [np.max, lambda x: np.max(x, 1, None, True)],
    np.min: [lambda x: np.min(x, axis=0)],
    np.nansum: [np.nansum, lambda x: np.nansum(np.where(X > 0, x, np.nan), axis=0)],
    np.nanmean: [np.nanmean, lambda x: np.nanmean(np.where(X > 0, x, np.nan), axis=1)],
    np.ptp: [np.ptp],
    np.median: [np.median, lambda x: np.median(x, axis=0, keepdims=True)],
    np.average: [np.average, lambda x: np.average(x, 1, np.array([1.0, 3.0]))],
    np.cumsum: [np.cumsum, lambda x: np.cumsum(x, 1)],
    np.cumprod: [np.cumprod, lambda x: np.cumprod(x, axis=0)],
    np.gradient: [np.gradient, lambda x: np.gradient(x, 0.5, axis=0)],
    np.meshgrid: [lambda x: np.meshgrid(x[0], x[1]), lambda x: np.meshgrid(x[0], indexing="ij")],
    np.linalg.pinv: [np.linalg.pinv],
    np.diff: [np.diff, lambda x: np.diff(x, 1, 0)],
    np.round: [lambda x: np.round(x, 1)],
    np.sort: [np.sort, lambda x: np.sort(x, axis=None)],
    np.reshape: [lambda x: np.reshape(x, (4,)), lambda x: np.reshape(x, (1, -1), order="C")],
    np.ravel: [np.ravel],
    np.transpose: [np.transpose, lambda x: np.transpose(x, (1, 0))],
    np.squeeze: [lambda x: np.squeeze(x[None]), lambda x: np.squeeze(x[None], axis=0)],
    np.expand_dims: [lambda x: np.expand_dims(x, (0, 2))],
    np.swapaxes: [lambda x: np.swapaxes(x, 0, 1)],
    np.moveaxis: [lambda x: np.moveaxis(x, 0, 1)],
    np.broadcast_to: [lambda x: np.broadcast_to(x, (3, 2, 2))],
    np.copy: [np.copy],
    np.flip: [np.flip, lambda x: np.flip(x, 0)],
    np.flipud: [np.flipud],
    np.fliplr: [np.fliplr],
    np.roll: [lambda x: np.roll(x, 1), lambda x: np.roll(x, -1, axis=1)],
    np.repeat: [lambda x: np.repeat(x, 2), lambda x: np.repeat(x, [1, 2], axis=1)],
    np.tile: [lambda x: np.tile(x, (2, 1, 2))],
    np.stack: [lambda x: np.stack([x, x * 2.0], axis=1), lambda x: np.stack((X, x))],
    np.vstack: [lambda x: np.vstack([x, X])],
    np.hstack: [lambda x: np.hstack((x, X))],
    np.column_stack: [lambda x: np.column_stack([x[0], x[1]])],
    np.split: [lambda x: np.split(x, 2, axis=1)],
    np.array_split: [lambda x: np.array_split(x, 2)],
    np.take: [lambda x: np.take(x, [0, 0, 3]), lambda x: np.take(x, 1, axis=1)],
    np.take_along_axis: [lambda x: np.take_along_axis(x, np.array([[1], [0]]), axis=1)],
    np.diag: [np.diag, lambda x: np.diag(x[0], 1)],
    np.diagonal: [np.diagonal, lambda x: np.diagonal(x, offset=1)],
    np.trace: [np.trace],
    np.tril: [np.tril, lambda x: np.tril(x, -1)],
    np.triu: [lambda x: np.triu(x, k=1)],
    np.dot: [lambda x: np.dot(x, Y), lambda x: np.dot(Y, x[0])],
    np.inner: [lambda x: np.inner(x, Y)],
    np.outer: [lambda x: np.outer(x, Y)],
    np.vdot: [lambda x: np.vdot(x, Y)],
    np.tensordot: [lambda x: np.tensordot(x, Y), lambda x: np.tensordot(x, Y, axes=([0], [1]))],
    np.linalg.norm: [np.linalg.norm, lambda x: np.linalg.norm(x, axis=1, ord=1)],
    np.linalg.inv: [lambda x: np.linalg.inv(x + SPD)],
    np.linalg.solve: [lambda x: np.linalg.solve(SPD, x), lambda x: np.linalg.solve(x, X[0])],
    np.linalg.det: [np.linalg.det],
    np.linalg.slogdet: [lambda x: np.linalg.slogdet(x)[1]],
    np.linalg.cholesky: [lambda x: np.linalg.cholesky(SPD + 0.1 * (x + x.T))],
    np.linalg.matrix_power: [lambda x: np.linalg.matrix_power(x, 3)],
    np.linalg.matmul: [lambda x: np.linalg.matmul(x, Y)],
    np.linalg.tensordot: [lambda x: np.linalg.tensordot(x, Y, axes=1)],
    np.linalg.outer: [lambda x: np.linalg.outer(x[0], Y[0])],
    np.matrix_transpose: [np.matrix_transpose],
    np.linalg.matrix_transpose: [np.linalg.matrix_transpose],
    np.amax: [lambda x: np.amax(x, axis=(0, 1))],
    np.amin: [lambda x: np.amin(x, axis=(0, 1))],
    np.around: [lambda x: np.around(x, decimals=1)],
    np.nanprod: [lambda x: np.nanprod(holed(x), axis=1, keepdims=True)],
    np.nancumsum: [lambda x: np.nancumsum(holed(x), axis=1)],
    np.nancumprod: [lambda x: np.nancumprod(holed(x))],
    np.nanmax: [lambda x: np.nanmax(holed(x), axis=0)],
    np.nanmin: [lambda x: np.nanmin(holed(x), axis=(0, 1), keepdims=True)],
    np.nanvar: [lambda x: np.nanvar(holed(x), axis=0), lambda x: np.nanvar(x, ddof=1)],
    np.nanstd: [lambda x: np.nanstd(holed(x), axis=1), lambda x: np.nanstd(x, keepdims=True)],
    np.nanmedian: [lambda x: np.nanmedian(holed(x), axis=1), np.nanmedian],
    np.nan_to_num: [
        lambda x: np.nan_to_num(holed(x), nan=7.0),
        lambda x: np.nan_to_num(np.where(X > 1.0, np.inf, x), posinf=3.0),
        lambda x: np.nan_to_num(np.where(X < 0.0, -np.inf, x)) / 1e300,
    ],
    np.quantile: [
        lambda x: np.quantile(x, 0.3),
        lambda x: np.quantile(x, [0.0, 0.4, 1.0], axis=0),
        lambda x: np.quantile(x, [[0.1], [0.9]], axis=(0, 1), keepdims=True),
    ],
    np.percentile: [lambda x: np.percentile(x, 35.0, axis=1), lambda x: np.percentile(x, [5, 50])],
    np.nanquantile: [lambda x: np.nanquantile(holed(x), 0.4), lambda x: np.nanquantile(x, 0.4)],
    np.nanpercentile: [lambda x: np.nanpercentile(holed(x), [30, 80], axis=1, keepdims=True)],
    np.append: [lambda x: np.append(x, Y, axis=1), lambda x: np.append(Y, x)],
    np.dstack: [lambda x: np.dstack([x, Y]), lambda x: np.dstack([x[0], Y[0]])],
    np.hsplit: [lambda x: np.hsplit(x, 2), lambda x: np.hsplit(x[0], [1])],
    np.vsplit: [lambda x: np.vsplit(x, 2)],
    np.dsplit: [lambda x: np.dsplit(x[None], 2)],
    np.rot90: [np.rot90, lambda x: np.rot90(x[None], 3, axes=(1, 2)), lambda x: np.rot90(x, -2)],
    np.kron: [lambda x: np.kron(x, Y), lambda x: np.kron(Y[0], x)],
    np.linalg.multi_dot: [lambda x: np.linalg.multi_dot([x, Y, x])],
    np.linalg.vecdot: [lambda x: np.linalg.vecdot(x, Y), lambda x: np.linalg.vecdot(x, Y, axis=0)],
    np.linalg.diagonal: [lambda x: np.linalg.diagonal(x[None], offset=1)],
    np.linalg.trace: [lambda x: np.linalg.trace(x[None])],
    np.linalg.vector_norm: [
        np.linalg.vector_norm,
        lambda x: np.linalg.vector_norm(x, axis=-1, keepdims=True, ord=3),
        lambda x: np.linalg.vector_norm(x, keepdims=True),
    ],
    np.linalg.matrix_norm: [lambda x: np.linalg.matrix_norm(x[None], ord=1)],
    np.interp: [
        lambda x: np.interp(x, LINE_AT, LINE),
        lambda x: np.interp([-0.9, 0.1, 0.7], LINE_AT[:4], x.reshape(-1)),
        lambda x: np.interp([0.25, 0.85, 3.0, -3.0], np.sort(x, axis=None), LINE, -7.0, x[0, 0]),
        lambda x: np.interp(x * 9.0, [0.1, 1.5, 0.7, 0.9], x.reshape(-1), period=2.0),
        lambda x: np.interp(0.3, [0.1], x[:1, 0]),
    ],
    np.trapezoid: [
        np.trapezoid,
        lambda x: np.trapezoid(x, dx=0.5, axis=0),
        lambda x: np.trapezoid(Y, x),
        lambda x: np.trapezoid(x, [[0.3, 0.5], [1.0, 3.0]], axis=0),
    ],
    np.convolve: [
        lambda x: np.convolve(x[0], LINE),
        lambda x: np.convolve(LINE, x.reshape(-1)[:3], "same"),
        lambda x: np.convolve(x.reshape(-1), LINE, "same"),
        lambda x: np.convolve(LINE, x[1], mode="same"),
        lambda x: np.convolve(x[0], LINE, mode="valid"),
        lambda x: np.convolve(x.reshape(-1), x.reshape(-1)),
    ],
    np.correlate: [
        lambda x: np.correlate(x[0], LINE, "full"),
        lambda x: np.correlate(LINE, x.reshape(-1)[1:], "same"),
        lambda x: np.correlate(x[0], LINE, "same"),
        lambda x: np.correlate(x.reshape(-1)[1:], LINE),
    ],
    np.unwrap: [lambda x: np.unwrap(x * 9.0), lambda x: np.unwrap(x, 0.5, 0, period=1.3)],
    np.sinc: [np.sinc, lambda x: np.sinc(x / 3.0), lambda x: np.sinc(x * x - x * X)],
    np.i0: [np.i0, lambda x: np.i0(x * 20.0) / 1e8],
    np.compress: [lambda x: np.compress([True, False], x, 1), lambda x: np.compress([0, 1, 1], x)],
    np.extract: [lambda x: np.extract(X > 0.0, x)],
    np.choose: [lambda x: np.choose([1, 0], [x, Y]), lambda x: np.choose(3, (x, Y), mode="wrap")],
    np.select: [lambda x: np.select([X > 1.0, X > 0.0], [x, 2.0 * x], x * x)],
    np.delete: [lambda x: np.delete(x, 1), lambda x: np.delete(x, [0], axis=1)],
    np.insert: [
        lambda x: np.insert(x, 1, 5.0),
        lambda x: np.insert(Y, [0, 2], x[0], axis=1),
        lambda x: np.insert(x, 1, x[1], 0),
    ],
    np.resize: [lambda x: np.resize(x, (3, 2))],
    np.rollaxis: [lambda x: np.rollaxis(x, 1)],
    np.partition: [lambda x: np.partition(x, 1, None), lambda x: np.partition(x, 0)],
    np.diagflat: [np.diagflat, lambda x: np.diagflat(x[0], 1)],
    np.ediff1d: [np.ediff1d, lambda x: np.ediff1d(x, [1.0, 2.0], x[0])],
    np.vander: [lambda x: np.vander(x[0]), lambda x: np.vander(x[1], 4, increasing=True)],
    np.polyval: [lambda x: np.polyval(x[0], Y), lambda x: np.polyval([2.0, 0.3, 1.0], x)],
    np.polyfit: [
        lambda x: np.polyfit(LINE, x.reshape(-1), 2),
        lambda x: np.polyfit(x.reshape(-1), np.stack([LINE, LINE**2], 1), deg=1),
    ],
    np.cross: [
        lambda x: np.cross(x.reshape(-1)[1:], [1.0, 2.0, 3.0]),
        lambda x: np.cross(np.vstack([x, Y[0]]), np.vstack([Y, x[1]]), axis=0),
        lambda x: np.cross(np.vstack([x, Y[0]]), np.vstack([Y, x[1]]), 0, 0, 0),
    ],
    np.linalg.cross: [lambda x: np.linalg.cross(x.reshape(-1)[1:], [1.0, 2.0, 3.0])],
    np.cov: [
        np.cov,
        lambda x: np.cov(x, Y, rowvar=False, bias=True),
        lambda x: np.cov(x[0], ddof=0),
    ],
    np.linspace: [
        lambda x: np.linspace(x, 2.0, 3),
        lambda x: np.linspace(0, x[0], 4, endpoint=False, axis=-1),
    ],
    np.apply_along_axis: [
        lambda x: np.apply_along_axis(np.cumsum, 0, x),
        lambda x: np.apply_along_axis(lambda v: v[0] * v[1], -1, x),
        lambda x: np.apply_along_axis(lambda v: np.outer(v, v), 0, x),
    ],
    np.real: [np.real],
    np.real_if_close: [np.real_if_close],
    np.fix: [np.fix],
    np.where: [lambda x: np.where(X > 0, x, 0.0)],
    np.concatenate: [
        lambda x: np.concatenate([x, X], axis=1),
        lambda x: np.concatenate((x, X), axis=None),
    ],
    np.clip: [
        lambda x: np.clip(x, 0.0, 1.0),
        lambda x: np.clip(x, a_min=None, a_max=0.3),
        lambda x: np.clip(X, x - 0.1, None),
    ],
    np.pad: [
        lambda x: np.pad(x, 1),
        lambda x: np.pad(x, ((1, 0), (0, 2)), mode="constant", constant_values=2.0),
        lambda x: np.pad(x, (1, 2)),
    ],
    np.var: [np.var, lambda x: np.var(x, axis=0, ddof=1), lambda x: np.var(x, correction=1)],
    np.std: [np.std, lambda x: np.std(x, 1, ddof=1, keepdims=True)],
    np.einsum: [lambda x: np.einsum("ij,kj->ik", x, Y), lambda x: np.einsum("ii", x)],
    np.broadcast_arrays: [lambda x: np.broadcast_arrays(x, x[0])],
    np.atleast_1d: [lambda x: np.atleast_1d(x[0, 0])],
    np.atleast_2d: [np.atleast_2d, lambda x: np.atleast_2d(x[0])],
    np.atleast_3d: [np.atleast_3d, lambda x: np.atleast_3d(x[0]), lambda x: np.atleast_3d(x[0, 0])],
}
for name, call in (
    ("astype", lambda x: np.astype(x, np.float32)),
    ("cumulative_sum", lambda x: np.cumulative_sum(x, axis=0)),
    ("cumulative_prod", lambda x: np.cumulative_prod(x, axis=1)),
    ("unstack", lambda x: np.unstack(x, axis=1)),
):
    if hasattr(np, name):
        CALLS[getattr(np, name)] = [call]


def test_every_function_in_the_tables_is_tried() -> None:
    listed = {*FUNCTIONS, *SPECIAL}
    missing = sorted(map(numpy_functions.full_name, listed - CALLS.keys()))
    left_over = sorted(map(numpy_functions.full_name, CALLS.keys() - listed))
    assert missing == [], "functions without a call: add one to CALLS in tests/test_dispatch.py"
    assert left_over == [], "calls of functions in no table: see tensor/numpy_functions.py"


@pytest.mark.parametrize(
    "function", list(CALLS), ids=lambda f: numpy_functions.full_name(f).removeprefix("np.")
)
def test_functions_stay_differentiable(function: Any) -> None:
    for call in CALLS[function]:
        compare(call(tracked(X)), call(X))


@pytest.mark.parametrize(
    "function", list(CALLS), ids=lambda f: numpy_functions.full_name(f).removeprefix("np.")
)
def test_gradients_of_functions_are_those_of_numpys_own(function: Any) -> None:
    """Central differences of NumPy's function itself, which no op of this package computes."""
    rng = np.random.default_rng(0)
    for call in CALLS[function]:
        x = tracked(X)
        out = joined(call(x))
        weights = rng.normal(size=out.shape)

        def value(a: Any, call: Any = call, weights: Any = weights) -> float:
            plain = call(a)
            parts = plain if isinstance(plain, (list, tuple)) else [plain]
            return float(np.concatenate([np.ravel(p) for p in parts]).astype(float) @ weights)

        (found,) = ag.grad((out * weights).sum(), x)
        steps = 1e-6 * np.eye(X.size).reshape(-1, *X.shape)
        numerical = [(value(X + h) - value(X - h)) / 2e-6 for h in steps]
        # float32 results move in steps of 6e-8: what they are divided by is 2e-6
        tolerance = 0.2 if out.dtype == np.float32 else 1e-6
        assert np.allclose(found.numpy().reshape(-1), numerical, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize(
    "function", list(CALLS), ids=lambda f: numpy_functions.full_name(f).removeprefix("np.")
)
def test_second_derivatives_of_functions_are_differences_of_the_first(function: Any) -> None:
    for call in CALLS[function]:
        if joined(call(tracked(X))).dtype == np.float64:
            assert gradgradcheck(lambda x: joined(call(x)), [tracked(X)])  # noqa: B023


def test_rarer_functions_keep_float32_beside_numbers_and_lists() -> None:
    x = ag.tensor(X, dtype="float32", requires_grad=True)
    for out in (
        *(np.sinc(x), np.i0(x), np.unwrap(x), np.vander(x[0]), np.cov(x), np.linspace(0, x, 3)),
        *(np.trapezoid(x, [0.0, 1.5]), np.convolve(x[0], [1.0, 2.0]), np.ediff1d(x, 1.0)),
        *(
            np.interp(x, [0.0, 1.0], [2.0, 3.0]),
            np.interp([0.5], [0, 1], x[0]),
            np.insert(x, 1, 2.0),
        ),
        *(
            np.polyval([2.0, 0.5], x),
            np.polyval(x[0], 2.0),
            np.cross(x.ravel()[1:], [1.0, 2.0, 3.0]),
        ),
        *(np.fmax(x, 0.0), np.heaviside(x, 0.5), np.select([X > 0.0], [x]), np.resize(x, 3)),
    ):
        assert out.dtype == np.float32
        assert out.op is not None


def test_functions_at_their_kinks_and_holes() -> None:
    def slope(f: Any, x: Any) -> Any:
        x = tracked(x)
        return ag.grad(f(x).sum(), x)[0].tolist()

    zero = tracked(np.array([0.0, 1.0, -2.0]))
    first = ag.grad(np.sinc(zero).sum(), zero, create_graph=True)[0]
    assert first.tolist()[0] == 0.0
    assert np.isclose(ag.grad(first.sum(), zero)[0].tolist()[0], -(np.pi**2) / 3.0, rtol=1e-14)
    assert np.isclose(ag.func.hessian(np.i0)(np.array(0.0)), 0.5, rtol=1e-14)
    for x in (0.4, 8.0, 100.0, 700.0):
        assert np.isclose(np.i0(tracked(np.array(x))).item(), np.i0(x), rtol=2e-13)  # eps times x
    # A knot has the slope on its right, what lies outside has none.
    knots = lambda x: np.interp(x, [0.0, 1.0, 2.0], [0.0, 1.0, 4.0])  # noqa: E731
    assert slope(knots, [-1.0, 0.0, 1.0, 2.0, 5.0]) == [0.0, 1.0, 3.0, 0.0, 0.0]
    assert np.isnan(np.interp(tracked(np.nan), [0.0, 1.0], [2.0, 3.0]).item())
    assert slope(lambda x: np.fmax(x, [1.0, 1.0, np.nan]), [1.0, np.nan, 3.0]) == [0.5, 0.0, 1.0]
    assert slope(lambda x: np.heaviside(x, x * 2.0), [-1.0, 0.0, 1.0]) == [0.0, 2.0, 0.0]
    assert np.isnan(np.heaviside(tracked(np.nan), 1.0).item())
    assert slope(lambda x: np.vander(x, 3), [0.0]) == [1.0]
    assert slope(lambda x: np.linspace(x, 3.0, 1), 2.0) == 1.0
    for options in ((0, np.zeros((1, 2))), {"axis": 0, "out": np.zeros((1, 2))}):
        more, named = (options, {}) if isinstance(options, tuple) else ((), options)
        with pytest.raises(TypeError, match=r"np\.compress: no op takes out="):
            np.compress([True], tracked(X), *more, **named)


def test_functions_of_values_with_nan_and_of_nothing_else() -> None:
    x = tracked(np.array([[np.nan, np.nan], [1.0, 3.0]]))
    for function in (np.nanmax, np.nanmin, np.nanmedian, np.nanvar, np.nanstd):
        out = function(x, axis=1)
        assert np.isnan(out.numpy()).tolist() == [True, False]
        (g,) = ag.grad(out[1], x)
        assert not g.numpy()[0].any()
    assert np.isnan(np.quantile(x, 0.5).item())
    assert np.nanprod(x, axis=1).tolist() == [1.0, 3.0]
    assert np.nan_to_num(ag.tensor([1, 2])).tolist() == [1, 2]
    assert np.quantile(ag.tensor([1.0, 2.0]), [0.5]).dtype == np.float32


CONSTANT_CALLS = [
    lambda x: np.argmax(x, axis=0),
    lambda x: np.argsort(x),
    lambda x: np.array_equal(x, x),
    lambda x: np.allclose(x, [[1.0, 2.0], [3.0, 4.0]]),
    np.shape,
    np.ndim,
    np.size,
    np.zeros_like,
    np.ones_like,
    lambda x: np.full_like(x, 3.0),
    np.nonzero,
    np.where,
    np.unique,
    np.all,
    np.any,
    np.array_repr,
    np.count_nonzero,
    lambda x: np.searchsorted(np.array([0.0, 1.0]), x),
    lambda x: np.result_type(x, np.float32),
    lambda x: np.lexsort((x[0], x[1])),
]


@pytest.mark.parametrize("call", CONSTANT_CALLS)
def test_constants_are_plain(call: Any) -> None:
    found, expected = call(tracked(X)), call(X)
    assert type(found) is type(expected)
    assert repr(found) == repr(expected)


def test_no_function_is_in_two_tables() -> None:
    assert not (set(FUNCTIONS) | set(SPECIAL)) & CONSTANTS
    assert not set(FUNCTIONS) & set(SPECIAL)
    assert not set(UFUNCS) & CONSTANT_UFUNCS


# ------------------------------------------------------------------------------------------ refusals


def test_tensors_hidden_in_a_list_are_not_taken_for_values() -> None:
    x = tracked(LINE)
    for call in (np.sum, np.mean, np.max, np.clip, np.median):
        options = (0.0, 1.0) if call is np.clip else ()
        with pytest.raises(TypeError, match=rf"NumPy's {call.__name__} would .*ag\.stack"):
            call([x, x], *options)
    with pytest.raises(TypeError, match="NumPy's full would take a tensor's values"):
        np.full(2, x[0])
    assert np.sum(ag.stack([x, x])).requires_grad
    # Asked for, by a test, or where nothing is recorded, values are values.
    assert np.asarray([x, x]).shape == np.array([x, x]).shape == (2, 4)
    np.testing.assert_array_equal([x, x], [LINE, LINE])
    assert np.sum([x.detach(), x.detach()]) == 2 * LINE.sum()
    with ag.no_grad():
        assert np.sum([x, x]) == 2 * LINE.sum()


def test_every_function_that_is_refused_has_an_alternative() -> None:
    functions = runpy.run_path(str(DOCS / "make_numpy_table.py"))["public_functions"]()
    refused = [name for name, f in functions.items() if numpy_functions.status(f) == "unsupported"]
    without = [name for name in refused if name not in numpy_special.ALTERNATIVES]
    # Matrix factors need a rule of their own; the others have no derivative, or no tensor argument.
    assert {name for name in without if name.startswith("np.linalg.")} == {
        *("np.linalg.eig", "np.linalg.eigh", "np.linalg.eigvals", "np.linalg.eigvalsh"),
        *("np.linalg.qr", "np.linalg.svd", "np.linalg.svdvals"),
    }
    assert len(without) < 45 < len(refused)
    with pytest.raises(TypeError, match=r"np\.linalg\.qr .*gradient with ag\.custom_gradient"):
        np.linalg.qr(tracked(X))


# ---------------------------------------------------------------------------------------- the table


def test_the_committed_table_of_functions_is_current() -> None:
    """Row by row for the functions that this NumPy has: other versions have a few more or less."""
    rows = runpy.run_path(str(DOCS / "make_numpy_table.py"))["rows"]()
    committed = (DOCS / "numpy-functions.md").read_text(encoding="utf-8")
    known = dict(re.findall(r"^\| `(\S+)` \| (\w+) \|", committed, re.M))
    found = dict(re.findall(r"^\| `(\S+)` \| (\w+) \|", "\n".join(rows), re.M))
    assert {k: v for k, v in found.items() if k in known} == {
        k: v for k, v in known.items() if k in found
    }, "run docs/make_numpy_table.py"
    assert len(set(found) & set(known)) > 300
    if np.__version__.startswith("2.4."):
        assert found == known, "run docs/make_numpy_table.py"
        assert rows == [line for line in committed.splitlines() if line.startswith("| `")]
