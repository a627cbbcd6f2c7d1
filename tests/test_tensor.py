"""Tensor as an object: construction, NumPy's protocols, methods, printing, copies."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn.engine.op import OPS
from autograd_cnn.testing import strategies as ag_st
from tests.leaves import leaf

# ------------------------------------------------------------------------------------- construction


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, "float32"),
        ([1.0, 2.0], "float32"),
        ([[1, 2]], "int64"),
        (True, "bool"),
        (np.float64(2.0), "float64"),
        (np.ones(2, np.float16), "float16"),
        (np.ones(2, np.uint8), "uint8"),
    ],
)
def test_arrays_keep_their_dtype_and_python_floats_take_the_default(data: Any, dtype: str) -> None:
    assert ag.tensor(data).dtype == dtype


def test_the_default_dtype_can_be_changed() -> None:
    ag.set_default_dtype("float64")
    try:
        assert ag.tensor([0.1]).numpy()[0] == 0.1
        assert ag.get_default_dtype() == np.float64
    finally:
        ag.set_default_dtype("float32")


def test_an_explicit_dtype_loses_no_digits_on_the_way() -> None:
    assert ag.tensor(0.1, dtype="float64").item() == 0.1


@pytest.mark.parametrize("data", [[1, 2], [True], [1 + 2j]])
def test_only_floats_can_require_gradients(data: Any) -> None:
    with pytest.raises(TypeError, match=r"only floating tensors .*astype\('float32'\)"):
        ag.tensor(data, requires_grad=True)


# -------------------------------------------------------------------------------------------- dtype


@pytest.mark.parametrize("scalar", [2, 2.0, True, np.float32(2.0)])
def test_python_scalars_are_weak(scalar: Any) -> None:
    x = leaf(1.0, 2.0)
    for out in (x + scalar, scalar + x, x * scalar, scalar - x, x / 2.0, 2.0 / x, x**2, 2.0**x, -x):
        assert out.dtype == np.float32
        (g,) = ag.grad(out, x, np.ones(2))
        assert g.dtype == np.float32


def test_a_numpy_scalar_on_the_left_stays_in_the_graph() -> None:
    x = leaf(1.0, 2.0)
    for y in (np.float32(3.0) * x, np.float64(3.0) * x, np.ones(2, np.float32) * x, np.ones(2) - x):
        assert isinstance(y, ag.Tensor)
        assert y.requires_grad


# ---------------------------------------------------------------------------------- NumPy protocols


def test_missing_names_and_wrong_arguments_are_explained() -> None:
    x = leaf(1.0, 2.0)
    for name in ("cuda", "sort", "nonsense"):
        with pytest.raises(AttributeError, match=f"'Tensor' object has no attribute '{name}'"):
            getattr(x, name)
    assert not hasattr(ag.Tensor, "__getattr__")  # it would double the time of every attribute
    with pytest.raises(TypeError, match=r"^sum: unknown argument 'axs'; the signature is sum\(x"):
        x.sum(axs=1)  # type: ignore[call-arg]
    with pytest.raises(
        TypeError, match=r"^square: unknown argument .dim.; the signature is square\(x\)"
    ):
        ag.square(x, dim=1)


def test_one_value_takes_a_format_and_more_do_not() -> None:
    assert f"{leaf(1.23456).sum():.3f}" == "1.235"
    assert f"{leaf(1.5):8.1e}" == " 1.5e+00"
    assert f"{leaf(1.0, 2.0)}" == "tensor([1., 2.], requires_grad=True)"
    with pytest.raises(TypeError, match=r"format '\.2f': the tensor must have one value.*\(2,\)"):
        f"{leaf(1.0, 2.0):.2f}"


def test_positions_keep_their_axis_on_request_and_a_conversion_may_share() -> None:
    x = ag.tensor([[1.0, 5.0, 5.0], [7.0, 2.0, 2.0]])
    assert x.argmax(axis=1, keepdims=True).tolist() == [[1], [0]]
    assert x.argmin(axis=0, keepdims=True).tolist() == [[0, 1, 1]]
    assert x.astype("float32", copy=False) is x
    assert x.astype("float32") is not x
    assert x.astype("float64", copy=False).nbytes == 2 * x.nbytes


def test_numpy_never_cuts_the_graph_in_silence() -> None:
    x = leaf(1.0, 2.0)
    with pytest.raises(TypeError, match=r"np\.spacing on a Tensor would cut the graph"):
        np.spacing(x)
    array = np.ones(2)
    with pytest.raises(TypeError, match="cut the graph"):
        array += x  # type: ignore[misc]


def test_values_are_always_to_be_had() -> None:
    x = leaf(1.0, 2.0)
    assert np.asarray(x).tolist() == [1.0, 2.0]
    assert np.array(x, dtype="float64").dtype == np.float64
    assert (float(x[0]), int(x[1]), x[1].item(), x.tolist()) == (1.0, 2, 2.0, [1.0, 2.0])
    assert [float(v) for v in x] == [1.0, 2.0]
    assert len(x) == 2
    assert [10, 20, 30][ag.tensor(1)] == 20
    assert bool(ag.tensor(True))


def test_comparisons_are_plain_boolean_arrays() -> None:
    x = leaf(1.0, 2.0)
    for found, expected in (
        (x < 2.0, [True, False]),
        (x >= 2.0, [False, True]),
        (x == 1.0, [True, False]),
        (x != x, [False, False]),
        (np.ones(2) < x, [False, True]),
    ):
        assert isinstance(found, np.ndarray)
        assert found.tolist() == expected
    assert {x: "tensors are keys by identity"}[x]


# -------------------------------------------------------------------------------- methods, printing


@given(st.data())
def test_methods_agree_with_numpys(data: Any) -> None:
    array = data.draw(ag_st.positive(ag_st.shapes(min_dims=1)))
    x = ag.tensor(array)
    for name in ("sum", "mean", "var", "max", "min", "argmax", "argmin"):
        for axis in (None, 0, -1):
            found, expected = (getattr(v, name)(axis=axis) for v in (x, array))
            assert np.allclose(np.asarray(found), expected, rtol=1e-12)
    for found, expected in (
        (x.T, array.T),
        (x.reshape(-1), array.reshape(-1)),
        (x.flatten(), array.flatten()),
        (x.transpose(), array.transpose()),
        (x.swapaxes(0, -1), array.swapaxes(0, -1)),
        (x.clip(0.5, 1.0), array.clip(0.5, 1.0)),
        (x.astype("float32"), array.astype("float32")),
        (abs(-x), array),
        (x.exp().log().sqrt(), np.sqrt(array)),
    ):
        assert np.allclose(found.numpy(), expected, rtol=1e-7)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.prod(axis=1),
        lambda x: x.prod(),
        lambda x: x.cumsum(),
        lambda x: x.cumsum(axis=0),
        lambda x: x.cumprod(1),
        lambda x: x.std(),
        lambda x: x.std(axis=0, ddof=1, keepdims=True),
        lambda x: x.round(),
        lambda x: x.round(1),
        lambda x: x[None].squeeze(),
        lambda x: x[None].squeeze(0),
        lambda x: x.ravel(),
        lambda x: x.repeat(2),
        lambda x: x.repeat(2, axis=1),
        lambda x: x.take([0, 2]),
        lambda x: x.take([0, -1], axis=1),
        lambda x: x.diagonal(),
        lambda x: x.diagonal(1, 1, 0),
        lambda x: x.trace(),
        lambda x: x.dot(np.ones(3)),
        lambda x: x.copy(),
        lambda x: x.mT,
        lambda x: x.argsort(),
        lambda x: x.argsort(axis=0),
        lambda x: x.all(axis=1),
        lambda x: x.any(),
        lambda x: x.nonzero()[1],
        lambda x: x // 0.7,
        lambda x: 0.7 // x,
        lambda x: x % 0.7,
        lambda x: 0.7 % x,
        lambda x: np.ones((2, 2)) @ x,
        lambda x: x**2 @ np.ones(3),
        lambda x: round(x, 1),
    ],
)
def test_more_methods_and_operators_agree_with_numpys(call: Any) -> None:
    array = np.array([[0.3, -0.8, 1.7], [2.2, 0.4, -1.9]])
    try:
        expected = call(array)
    except TypeError:  # arrays have no __round__
        expected = np.round(array, 1)
    found = call(ag.tensor(array, requires_grad=True))
    assert np.allclose(np.asarray(found), expected, rtol=1e-12)
    assert isinstance(found, ag.Tensor) == (np.asarray(expected).dtype.kind == "f")


def test_a_copy_is_new_memory_and_differentiable() -> None:
    x = leaf(1.0, 2.0)
    y = x.copy()
    assert not np.shares_memory(x.array, y.array)
    assert ag.grad(y.sum(), x)[0].tolist() == [1.0, 1.0]


def test_shape_facts() -> None:
    x = ag.tensor(np.zeros((2, 3)))
    assert (x.shape, x.ndim, x.size, x.dtype, len(x)) == ((2, 3), 2, 6, np.float64, 2)
    assert x.reshape(3, 2).shape == x.reshape((3, -1)).shape == (3, 2)
    assert x.transpose(1, 0).shape == x.transpose((1, 0)).shape == (3, 2)
    with pytest.raises(TypeError, match="0-d"):
        len(ag.tensor(1.0))


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (leaf(1.0, 2.5), "tensor([1. , 2.5], requires_grad=True)"),
        (ag.tensor([1, 2]), "tensor([1, 2])"),
        (ag.tensor(1.0, dtype="float64"), "tensor(1., dtype=float64)"),
        (leaf(1.0) * 2.0, "tensor([2.], op=multiply)"),
    ],
)
def test_printing(tensor: ag.Tensor, text: str) -> None:
    assert repr(tensor) == text


def test_a_result_is_not_copied_or_pickled_with_its_graph() -> None:
    for make, done in ((copy.deepcopy, "copied"), (pickle.dumps, "pickled")):
        with pytest.raises(ag.GraphError, match=f"multiply cannot be {done} .*detach"):
            make(leaf(1.0, 2.0) * 2.0)


def test_detach_shares_values_and_cuts_the_graph() -> None:
    x = leaf(1.0)
    y = (x * 2.0).detach()
    assert not y.requires_grad
    assert y.is_leaf
    with pytest.raises(ag.GraphError, match="detach"):
        (x * 2.0).requires_grad_(False)


def test_no_reference_left_from_results_of_constants() -> None:
    y = ag.tensor([1.0]) * 2.0
    assert y.op is None
    assert y.inputs == ()


# ------------------------------------------------------------------------------------ declaring ops


def test_declarations_are_checked_when_made() -> None:
    with pytest.raises(TypeError, match=r"has inputs \['x', 'y'\] but backward rules for \['x'\]"):

        @ag.op(x=lambda g, out, x, y: g)
        def half_declared(x: Any, y: Any) -> Any: ...

    with pytest.raises(TypeError, match="backward rules for"):

        @ag.op(z=lambda g, out, x: g)
        def wrongly_named(x: Any) -> Any: ...

    with pytest.raises(TypeError, match="already registered"):

        @ag.op(x=lambda g, out, x: g)
        def exp(x: Any) -> Any: ...

    with pytest.raises(TypeError, match="keyword-only"):

        @ag.op(x=lambda g, out, x, k: g, k=None)
        def plain_as_input(x: Any, k: int = 3) -> Any: ...

    assert not {"half_declared", "wrongly_named", "plain_as_input"} & set(OPS)


def test_a_rule_of_the_wrong_shape_is_named() -> None:
    @ag.op(register=False, x=lambda g, out, x: g.sum())
    def misshapen(x: Any) -> Any:
        """Its rule forgets the shape."""
        return x * 1.0

    with pytest.raises(
        ag.GraphError, match=r"misshapen: a backward rule gave a gradient of shape \(\)"
    ):
        misshapen(leaf(1.0, 2.0)).sum().backward()


def test_an_error_inside_a_rule_says_which() -> None:
    def broken(g: Any, out: Any, x: Any) -> Any:
        raise RuntimeError("deep inside")

    @ag.op(register=False, x=broken)
    def with_broken_rule(x: Any) -> Any:
        """Its rule raises."""
        return x * 1.0

    with pytest.raises(RuntimeError, match="deep inside") as caught:
        with_broken_rule(leaf(1.0)).sum().backward()
    assert caught.value.__notes__ == ["while differentiating with_broken_rule with respect to x"]
    assert ag.is_grad_enabled()


def test_parameters_may_be_given_by_position_as_in_numpy() -> None:
    x = np.arange(6.0).reshape(2, 3)
    assert ag.sum(x, 0).tolist() == [3.0, 5.0, 7.0]
    assert ag.reshape(x, (3, 2)).shape == (3, 2)
    assert ag.multiply(x=x, y=2.0).tolist() == (2 * x).tolist()
