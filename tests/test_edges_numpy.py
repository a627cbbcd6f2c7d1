"""The choices at kinks, ties and edges of NumPy's functions, one test per documented choice."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func, kernels
from autograd_cnn import functional as F
from tests.test_edges import INF, NAN, gradient


@pytest.mark.parametrize(
    ("function", "inputs", "expected"),
    [
        (ag.floor, [[0.0, 1.5]], [[0.0, 0.0]]),
        (ag.ceil, [[0.0, 1.5]], [[0.0, 0.0]]),
        (ag.trunc, [[0.0, 1.5]], [[0.0, 0.0]]),
        (ag.round, [[0.5, 1.2]], [[0.0, 0.0]]),
        (ag.floor_divide, [[4.0, 3.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]),
        (ag.remainder, [[4.0, -3.0], [2.0, 2.0]], [[1.0, 1.0], [-2.0, 2.0]]),
        (ag.hypot, [[0.0, 3.0], [0.0, 4.0]], [[0.0, 0.6], [0.0, 0.8]]),
        (ag.arctan2, [[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, -1.0]]),
        (ag.logaddexp, [[-INF, 0.0, INF], [-INF, -INF, INF]], [[0.5, 1.0, 0.5], [0.5, 0.0, 0.5]]),
        (ag.std, [[2.0, 2.0, 2.0]], [[0.0, 0.0, 0.0]]),
        (ag.norm, [[0.0, 0.0]], [[0.0, 0.0]]),
        (lambda x: ag.norm(x, axis=1), [[[0.0, 0.0], [3.0, 4.0]]], [[[0.0, 0.0], [0.6, 0.8]]]),
        (lambda x: ag.norm(x, ord=3), [[0.0, 0.0]], [[0.0, 0.0]]),
        (lambda x: ag.norm(x, ord=1.5), [[0.0, 4.0]], [[0.0, 1.0]]),
        (lambda x: ag.norm(x, ord=1), [[0.0, -4.0]], [[0.0, -1.0]]),
        (lambda x: ag.norm(x, ord=INF), [[-4.0, 4.0]], [[-0.5, 0.5]]),
        (lambda b: 0.0**b, [[0.0, 0.5, 2.0, INF]], [[0.0, 0.0, 0.0, 0.0]]),
        (lambda b: ag.power([0.0, -0.0], b), [[0.0, 2.0]], [[0.0, 0.0]]),
        (ag.prod, [[2.0, 0.0, 3.0]], [[0.0, 6.0, 0.0]]),
        (ag.prod, [[0.0, 0.0, 3.0]], [[0.0, 0.0, 0.0]]),
        (ag.cumprod, [[2.0, 0.0, 3.0]], [[1.0, 8.0, 0.0]]),
        (ag.median, [[1.0, 5.0, 2.0, 9.0]], [[0.0, 0.5, 0.5, 0.0]]),
        (ag.median, [[3.0, 3.0, 3.0]], [[0.0, 1.0, 0.0]]),
        (ag.median, [[3.0, NAN, 1.0]], [[0.0, 1.0, 0.0]]),
        (lambda x: ag.sort(x) * [1.0, 2.0, 4.0], [[2.0, 1.0, 2.0]], [[2.0, 1.0, 4.0]]),
        (lambda x: ag.topk(x, 2)[0] * [1.0, 2.0], [[5.0, 1.0, 5.0]], [[1.0, 0.0, 2.0]]),
        (lambda x: ag.topk(x, 1)[0], [[5.0, NAN, 6.0]], [[0.0, 1.0, 0.0]]),
        (ag.ptp, [[1.0, 4.0, 4.0]], [[-1.0, 0.5, 0.5]]),
        (ag.amax, [[[1.0, 4.0], [4.0, 0.0]]], [[[0.0, 0.5], [0.5, 0.0]]]),
        (F.leaky_relu, [[0.0, -1.0, 1.0]], [[0.01, 0.01, 1.0]]),
        (lambda x: F.elu(x, alpha=0.5), [[0.0, 1.0, -1000.0]], [[0.5, 1.0, 0.0]]),
        (F.hardtanh, [[-1.0, 0.0, 1.0, 3.0]], [[0.0, 1.0, 0.0, 0.0]]),
        (F.softplus, [[-1000.0, 0.0, 1000.0]], [[0.0, 0.5, 1.0]]),
        (F.logsigmoid, [[-1000.0, 0.0, 1000.0]], [[1.0, 0.5, 0.0]]),
        (F.gelu, [[-1000.0, 0.0, 1000.0]], [[0.0, 0.5, 1.0]]),
        (F.mish, [[-1000.0, 1000.0]], [[0.0, 1.0]]),
        (F.silu, [[-1000.0, 0.0, 1000.0]], [[0.0, 0.5, 1.0]]),
    ],
)
def test_gradient_at_a_kink_tie_or_edge(function: Any, inputs: Any, expected: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = gradient(function, *inputs)
    assert np.allclose(found, expected, rtol=1e-12, atol=0.0)


NORMALISED: dict[str, Any] = {
    "softmax": ag.softmax,
    "log_softmax": ag.log_softmax,
    "cross_entropy": lambda x: F.cross_entropy(x, [0], reduction="none"),
    "cross_entropy of the last class": lambda x: F.cross_entropy(x, [2], reduction="none"),
    "cross_entropy of shares": lambda x: F.cross_entropy(x, [[0.2, 0.3, 0.5]], reduction="none"),
    "smoothed cross_entropy": lambda x: F.cross_entropy(
        x, [0], reduction="none", label_smoothing=0.1
    ),
    "nll_loss": lambda x: F.nll_loss(F.log_softmax(x, 1), [2], reduction="none"),
}


@pytest.mark.parametrize("serving", [kernels.reference, None])
@pytest.mark.parametrize("name", NORMALISED)
def test_a_row_with_inf_or_of_minus_inf_has_no_softmax(name: str, serving: Any) -> None:
    """NaN everywhere, the gradient too, whichever kernels serve; without a warning."""
    rows = ([0.0, INF, 1.0], [INF, INF, 0.0], [-INF, INF, 0.0], [-INF] * 3, [NAN, 1.0, INF])
    with pytest.MonkeyPatch.context() as patch:
        for kernel in ("cross_entropy", "cross_entropy_grad") if serving else ():
            patch.setattr(kernels, kernel, getattr(serving, kernel))
        for row in rows:
            x = ag.tensor(np.array([row]), requires_grad=True)
            out = NORMALISED[name](x)
            (g,) = ag.grad(out, x, np.arange(1.0, 1.0 + out.size).reshape(out.shape))
            assert np.isnan(out.numpy()).all(), row
            assert np.isnan(g.numpy()).all(), row
        finite = NORMALISED[name](ag.tensor([[0.0, -INF, 1.0]]))
        assert not np.isnan(finite.numpy()).any()


def test_logsumexp_of_infinities_is_their_maximum() -> None:
    for row, expected in (([0.0, INF], INF), ([-INF, -INF], -INF), ([-INF, INF], INF)):
        assert ag.logsumexp(np.array(row)) == expected


def test_slopes_of_a_power_of_zero_are_infinite_for_negative_exponents() -> None:
    """As PyTorch has it: 0 ** b falls from inf to 0 where b rises through 0."""
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert gradient(lambda b: 0.0**b, [-2.0, -1.0]) == [[-INF, -INF]]
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert gradient(lambda b: ag.power(-0.0, b), [-2.0, -1.0]) == [[-INF, INF]]


def test_second_derivatives_of_a_square_and_of_the_square_of_a_length_differ_at_0() -> None:
    for function, expected in ((lambda x: ag.norm(x) ** 2, 0.0), (lambda x: (x * x).sum(), 2.0)):
        assert func.hessian(function)(ag.tensor([0.0])).tolist() == [[expected]]


def test_slopes_at_the_end_of_a_domain_are_infinite() -> None:
    ends = {ag.arcsin: 1.0, ag.arctanh: 1.0, ag.arccosh: 1.0, ag.cbrt: 0.0, ag.sqrt: 0.0}
    for function, end in ends.items():
        with pytest.warns(RuntimeWarning, match="divide by zero"):
            assert gradient(function, [end]) == [[INF]]
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        assert gradient(ag.arccos, [1.0]) == [[-INF]]


def test_slopes_of_inverse_functions_do_not_overflow() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gradient(ag.arctan, [1e200, -1e150]) == [[0.0, 1e-300]]
        assert np.allclose(gradient(ag.arcsinh, [1e200]), 1e-200, rtol=1e-12)
        assert np.allclose(gradient(ag.hypot, [3e200], [4e200]), [[0.6], [0.8]])
        assert np.allclose(gradient(ag.arctan2, [3e200], [4e200]), [[1.6e-201], [-1.2e-201]])


def test_second_derivatives_of_products_with_zeros_are_exact() -> None:
    x = ag.tensor(np.array([2.0, 0.0, 0.0, 3.0]), requires_grad=True)
    (first,) = ag.grad(ag.prod(x), x, create_graph=True)
    assert first.tolist() == [0.0, 0.0, 0.0, 0.0]
    (second,) = ag.grad(first[1], x)
    assert second.tolist() == [0.0, 0.0, 6.0, 0.0]


def test_products_and_middles_of_nothing() -> None:
    nothing = ag.tensor(np.zeros((0, 2)), requires_grad=True)
    out = ag.prod(nothing, axis=0)
    assert out.tolist() == [1.0, 1.0]
    out.sum().backward()
    assert nothing.grad is not None
    assert nothing.grad.shape == (0, 2)
    assert np.isnan(ag.median(np.zeros(0)))
    assert ag.cumprod(np.zeros(0)).shape == (0,)
    assert ag.roll(np.zeros((0, 2)), 1, axis=0).shape == (0, 2)


def test_singular_matrices() -> None:
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    with pytest.raises(ValueError, match="^solve: Singular"):
        ag.solve(singular, np.ones(2))
    assert ag.det(singular) == 0.0
    with pytest.raises(ValueError, match="inv: Singular matrix"):
        gradient(ag.det, singular)
    assert ag.logabsdet(singular) == -INF


def test_missing_values_count_nowhere() -> None:
    x = np.array([[1.0, np.nan, 3.0], [np.nan, np.nan, np.nan]])
    assert ag.nansum(x, axis=1).tolist() == [4.0, 0.0]
    assert ag.nanmean(x).item() == 2.0
    assert np.isnan(ag.nanmean(x, axis=1)).tolist() == [False, True]
    assert gradient(ag.nansum, x)[0] == [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    assert gradient(ag.nanmean, x)[0] == [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]


def test_cholesky_uses_the_symmetric_part() -> None:
    x = np.array([[4.0, 3.0], [1.0, 5.0]])
    assert np.allclose(ag.cholesky(x), [[2.0, 0.0], [1.0, 2.0]])
    (g,) = gradient(ag.cholesky, x)
    assert np.allclose(g, np.transpose(g))


def test_matrices_of_half_precision_keep_their_dtype() -> None:
    x = np.array([[2.0, 0.5], [0.5, 1.0]], np.float16)
    for out in (ag.inv(x), ag.solve(x, x[0]), ag.det(x), ag.cholesky(x), *ag.slogdet(x)):
        assert out.dtype == np.float16
    wide = np.ones((2, 1))
    assert np.allclose(ag.solve(x, wide), np.linalg.solve(x.astype(float), wide))
    assert ag.solve(wide.T * x, x).dtype == np.float64


def test_the_power_0_of_a_matrix_is_the_identity_whatever_it_holds() -> None:
    x = np.array([[[INF, 1.0], [NAN, 2.0]]])
    assert ag.matrix_power(x, 0).tolist() == [np.eye(2).tolist()]
    assert gradient(lambda x: ag.matrix_power(x, 0), x) == [np.zeros((1, 2, 2)).tolist()]


NAMES = """amax amin average cumprod cumsum diff flip max mean median min nanmean nansum prod ptp
    roll sort squeeze std sum take_along_axis var repeat take array_split split nanprod nancumsum
    nancumprod nanmax nanmin nanvar nanstd nanmedian quantile stack concatenate argmax argmin
    argsort all any"""
WITH_AXIS: dict[str, dict[str, Any]] = {name: {} for name in NAMES.split()} | {
    "array_split": {"indices_or_sections": 1},
    "quantile": {"q": 0.5},
    "repeat": {"repeats": 2},
    "roll": {"shift": 1},
    "split": {"indices_or_sections": 1},
    "take": {"indices": [0, 0]},
    "take_along_axis": {"indices": np.array([0])},
}
LENIENT = {"mean", "average", "var", "std", "median", "nanvar", "nanstd", "nanmedian", "quantile"}
"""NumPy's versions refuse the axes that its sum and max take."""


@pytest.mark.parametrize("name", WITH_AXIS)
def test_a_single_value_has_the_axes_that_numpy_gives_it(name: str) -> None:
    """0 and -1 where NumPy's function takes them, and for every reduction."""

    def outcome(function: Any, x: Any, axis: Any) -> Any:
        try:
            found = function(x, axis=axis, **WITH_AXIS[name])
        except (ValueError, TypeError, IndexError):
            return "an error"
        return np.shape(found), np.asarray(found).tolist()

    numpys, x = getattr(np, name), np.array(3.0)
    for axis in (0, -1, 1, -2):
        expected = outcome(numpys, x, None if name in LENIENT and axis in (0, -1) else axis)
        for function in (numpys, getattr(ag, name, numpys)):
            assert outcome(function, ag.tensor(x), axis) == expected, axis


def test_gradients_of_a_single_value_along_its_axis() -> None:
    for function in (ag.sum, ag.mean, ag.max, ag.min, ag.prod, ag.median, ag.cumprod, ag.cumsum):
        for axis in (0, -1):
            assert gradient(lambda x: function(x, axis=axis), 3.0) == [1.0]  # noqa: B023
    for function in (ag.logsumexp, ag.nansum, ag.squeeze, ag.norm):
        assert gradient(function, 3.0) == [1.0]
    assert gradient(lambda x: ag.repeat(x, 3, axis=0), 3.0) == [3.0]
    assert gradient(lambda x: ag.take(x, [0, 0], axis=-1), 3.0) == [2.0]
    for function in (ag.var, ag.std):
        assert gradient(lambda x: function(x, axis=0), 3.0) == [0.0]  # noqa: B023


def test_clip_by_bounds_that_broadcast_and_have_gradients() -> None:
    bounds = [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]], [[2.0], [0.5]]  # the last row: max < min
    found = gradient(ag.clip, [-1.0, 1.0, 3.0], *bounds)
    assert found == [[0.0, 1.0, 0.0], [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], [[1.0], [3.0]]]
    for call in (np.clip, ag.clip, lambda x, *b: x.clip(*b)):
        assert np.array_equal(
            call(ag.tensor([-1.0, 1.0, 3.0]), *bounds).numpy(),
            np.clip([-1.0, 1.0, 3.0], *bounds),
        )
        assert gradient(call, [0.0, 1.0, NAN], 0.0, 1.0) == [[1.0, 1.0, 0.0], 0.0, 0.0]


def test_settings_that_numpy_and_pytorch_take() -> None:
    x = np.arange(1.0, 7.0).reshape(3, 2)
    t = ag.tensor(x)
    for call in (ag.std, ag.var, np.std, np.var, lambda x, ddof: x.std(ddof=ddof)):
        assert np.allclose(call(t, ddof=0.5).numpy(), call(x, ddof=0.5))
    for axis in ((0, 1), (1, 0), (-1,), 0, None, ()):
        for order in (2, 1, INF, 3):
            found = np.linalg.vector_norm(t, axis=axis, ord=order, keepdims=True)
            assert np.allclose(
                found.numpy(), np.linalg.vector_norm(x, axis=axis, ord=order, keepdims=True)
            )
    assert F.hardtanh(np.array([-1.0, 0.0, 2.0]), 1.0, 1.0).tolist() == [1.0, 1.0, 1.0]
    assert gradient(lambda x: F.hardtanh(x, 0.0, 0.0), [-1.0, 0.0, 1.0]) == [[0.0, 0.0, 0.0]]


def test_what_numpy_refuses() -> None:
    square = ag.tensor(np.eye(2))
    for axes in ((1, 1), (0, -2), (0,), (0, 1, 1), (0, 2)):
        for x in (square, square.numpy()):
            with pytest.raises((ValueError, TypeError)):
                np.rot90(x, axes=axes)
    for parts in ([square], [square, square[0], square], [square, square, square[None]]):
        for given in (parts, [x.numpy() for x in parts]):
            with pytest.raises(ValueError, match=r"multi_dot: parts|two arrays|dimension"):
                np.linalg.multi_dot(given)
    nothing = ag.tensor(np.zeros((0, 2)))
    for name in ("argmax", "argmin", "max", "min"):
        with pytest.raises(ValueError, match=f"^{name}: no values to choose from over axis 0"):
            getattr(nothing, name)(axis=0)
        assert getattr(nothing, name)(axis=1).shape == (0,)


def test_equal_values_share_one_gradient_also_where_half_precision_cannot_count_them() -> None:
    x = ag.tensor(np.zeros(70_000, np.float16), requires_grad=True)
    (g,) = ag.grad(ag.max(x), x)
    assert np.array_equal(g.numpy(), np.full(70_000, np.float16(1 / 70_000)))


@pytest.mark.parametrize("ord", [1, 2, 3, np.inf])
@pytest.mark.parametrize(("shape", "axis"), [((0,), 0), ((2, 0), 1), ((0, 3), 1), ((0, 3), 0)])
def test_norms_of_no_values_are_0(ord: Any, shape: Any, axis: int) -> None:
    x = np.zeros(shape)
    expected = np.zeros(np.sum(x, axis=axis).shape)
    for found in (ag.norm(x, ord=ord, axis=axis), np.linalg.norm(ag.tensor(x), ord, axis)):
        assert np.array_equal(np.asarray(found), expected)
