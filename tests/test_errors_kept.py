"""An error keeps its type: only a wrong argument, or NumPy's words, are told again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn
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


class Index:
    """A user's class that has the name of an annotation of the package."""


def test_an_error_of_another_type_is_not_blamed_on_a_legal_argument() -> None:
    @ag.op(register=False, x=lambda g, out, x, *, index, k: g)
    def broken(x: Any, *, index: Index, k: float = 1.0) -> Any:
        raise KeyError("boom")

    for k in (1.0, True, np.array(2.0), ag.tensor(2.0)):
        with pytest.raises(KeyError, match="boom"):
            broken(X, index=Index(), k=k)

    @ag.op(register=False, x=lambda g, out, x, *, index: g)
    def misused(x: Any, *, index: Index) -> Any:
        raise TypeError("not that way")

    with pytest.raises(TypeError, match="^misused: not that way"):
        misused(X, index=Index())


def test_a_users_own_mistake_and_words_are_told_as_they_are() -> None:
    rules = {"x": lambda g, out, x, s: g, "s": lambda g, out, x, s: g}

    @ag.op(register=False, **rules)
    def bug(x: Any, s: Any) -> Any:
        return x * (None + s)

    with pytest.raises(TypeError, match=r"^bug: unsupported operand type\(s\) for \+"):
        bug(X, 2.0)

    @ag.op(register=False, **rules)
    def worded(x: Any, s: Any) -> Any:
        raise ValueError("cannot broadcast a pizza ufunc")

    with pytest.raises(ValueError, match="^worded: cannot broadcast a pizza ufunc"):
        worded(X, 2.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.Linear(2, 2, biass=1), r"^Linear: unknown argument 'biass'.* Linear\(in_fea"),
        (lambda: X.backward(grad=1), r"^Tensor.backward: unknown argument 'grad'"),
        (lambda: nn.CrossEntropyLoss()(X), "^CrossEntropyLoss: expected input and target, got 1"),
        (lambda: nn.MSELoss()(X, X, X), "^MSELoss: expected input and target, got 3 by position"),
        (lambda: nn.MaxPool2d(2)(X, 3), "^MaxPool2d: expected input, got 2 by position"),
        (lambda: nn.ReLU()(y=X), "^ReLU: expected input, got 0 by position, y"),
        (lambda: F.conv2d(X, X, weight=X), "^conv2d: got multiple values for argument 'weight'"),
    ],
)
def test_a_wrong_call_names_the_function_as_the_caller_knows_it(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call()


def test_layers_take_their_inputs_by_name() -> None:
    logits, target = ag.tensor([[0.0, 0.0]]), np.array([1])
    by_name = nn.CrossEntropyLoss()(target=target, input=logits)
    assert by_name == nn.CrossEntropyLoss()(logits, target=target)
    assert nn.ReLU()(input=X).tolist() == nn.Flatten(0)(input=X).tolist() == [1.0, 2.0]
