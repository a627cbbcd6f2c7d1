"""Gradients against differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd_cnn.compat.autograd.misc.flatten import flatten
from autograd_cnn.tensor import Tensor
from autograd_cnn.testing import gradcheck, gradgradcheck


def check_grads(
    f: Callable[..., Any], argnum: Any = 0, modes: Sequence[str] = ("fwd", "rev"), order: int = 2
) -> Callable[..., None]:
    """The function of the arguments of `f` that raises AssertionError where its derivatives by
    `argnum` differ from differences: the Jacobian, and second derivatives for an `order` of 2.

    All directions are checked, of both modes at once.

    >>> from autograd_cnn.compat.autograd.test_util import check_grads
    >>> check_grads(lambda x, y: np.sin(x) * y, (0, 1))(0.5, np.ones(2))
    """

    def check(*args: Any, **kwargs: Any) -> None:
        places = [argnum] if isinstance(argnum, int) else list(argnum)
        vector, unflatten = flatten([args[n] for n in places])

        def of_vector(x: Any) -> Any:
            given = dict(enumerate(args)) | dict(zip(places, unflatten(x)))
            return flatten(f(*given.values(), **kwargs))[0]

        x = Tensor(vector.astype(float), requires_grad=True)
        for checked in (gradcheck, gradgradcheck)[:order]:
            checked(of_vector, [x])

    return check
