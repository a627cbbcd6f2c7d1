"""An error keeps its type: only a wrong argument, or NumPy's words, are told again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn.engine.op import COMPOSITIONS, composition


class OwnError(ValueError):
    """An error of the user, with a signature of its own."""

    def __init__(self, code: int, place: str) -> None:
        super().__init__(f"{code} at {place}")
        self.code = code


def failing(error: Exception) -> Any:
    """A function of arrays that raises `error`."""

    def compute(x: Any) -> Any:
        if error is NO_ATTRIBUTE:
            return x.no_such_attribute
        raise error

    return compute


NO_ATTRIBUTE = AttributeError("from x itself")
ERRORS = [
    AttributeError("'Settings' object has no attribute 'size'"),
    NO_ATTRIBUTE,
    ZeroDivisionError("division by zero"),
    OverflowError("too large"),
    KeyError("name"),
    OwnError(3, "row 7"),
    RuntimeError("broken"),
    np.linalg.LinAlgError("Singular matrix"),
]
X = ag.tensor([1.0, 2.0])


@pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("kind", ["op", "composition", "custom_gradient"])
@pytest.mark.parametrize("x", [X, X.numpy()], ids=["tensor", "array"])
def test_an_error_inside_keeps_its_type(error: Exception, kind: str, x: Any) -> None:
    function = failing(error)
    if kind == "op":
        function = ag.op(x=lambda g, out, x: g, register=False)(function)
    elif kind == "composition":
        function = composition(function)
        del COMPOSITIONS["compute"]
    else:
        function = ag.custom_gradient(lambda g, out, x: g)(function)
    with pytest.raises(type(error)) as caught:
        function(x)
    if not isinstance(error, np.linalg.LinAlgError) and error is not NO_ATTRIBUTE:
        assert caught.value is error
        assert any("in compute (got x of shape (2,)" in note for note in error.__notes__)
        del error.__notes__


def test_a_message_of_the_op_is_kept_with_its_name_in_front() -> None:
    @ag.op(x=lambda g, out, x: g, register=False)
    def halve(x: Any) -> Any:
        raise ValueError("there is nothing to halve")

    with pytest.raises(ValueError, match=r"^halve: there is nothing to halve \(got x of shape"):
        halve(X)


def test_an_argument_that_lacks_what_the_function_needs_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError, match="^outer: x must be an array or a tensor, got 'a'|numbers"):
        ag.outer("a", X)


@pytest.mark.parametrize("falsy", [0.0, np.zeros(()), ag.tensor(0.0), np.zeros(1)])
def test_falsy_gradients_given_to_grad_are_taken_as_they_are(falsy: Any) -> None:
    x = ag.tensor([3.0], requires_grad=True)
    y = (x * x).sum() if np.ndim(falsy) == 0 else x * x
    assert ag.grad([y], x, [falsy], retain_graph=True)[0].tolist() == [0.0]
    assert ag.grad(y, x, falsy, retain_graph=True)[0].tolist() == [0.0]
    assert ag.grad([y], x, (falsy,), retain_graph=True)[0].tolist() == [0.0]
    assert ag.grad([y], x, [2.0 + 0 * np.asarray(falsy)], retain_graph=True)[0].tolist() == [12.0]
    with pytest.raises(TypeError, match="grad: grad_outputs must be a sequence, one per output"):
        ag.grad([y], x, falsy)
