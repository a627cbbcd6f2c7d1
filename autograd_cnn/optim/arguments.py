"""Checks of what optimizers and schedules are built from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autograd_cnn.tensor import Tensor


def per_group(owner: str, name: str, value: Any, count: int) -> list[Any]:
    """One value for every group, or a list with one per group, as a list; ValueError if not.

    >>> per_group("OneCycleLR", "max_lr", 0.1, 2)
    [0.1, 0.1]
    """
    values = list(value) if isinstance(value, Sequence) else [value] * count
    if len(values) != count:
        raise ValueError(
            f"{owner}: {name} must be one value or a list with one per parameter group, {count}, "
            f"got {len(values)}"
        )
    return values


def iterable(name: str, params: Any) -> Iterable[Any]:
    """`params`, when they can be gone through; TypeError, with what was meant, if not.

    >>> from autograd_cnn import nn
    >>> iterable("SGD", nn.Linear(2, 1))
    Traceback (most recent call last):
        ...
    TypeError: SGD: got a Linear; pass its .parameters()
    """
    if isinstance(params, Tensor):
        raise TypeError(
            f"{name}: params must be an iterable of tensors, got a tensor; pass [tensor]"
        )
    if callable(getattr(params, "parameters", None)):
        raise TypeError(f"{name}: got a {type(params).__name__}; pass its .parameters()")
    if isinstance(params, (Mapping, str)) or not isinstance(params, Iterable):
        raise TypeError(
            f"{name}: params must be an iterable of tensors or of dicts, got "
            f"{type(params).__name__}"
        )
    return params


def check_parameter(name: str, position: int, p: Any) -> None:
    """Raise TypeError or ValueError for what cannot be trained: only leaves with gradients can.

    >>> check_parameter("SGD", 0, Tensor([1.0]))
    Traceback (most recent call last):
        ...
    ValueError: SGD: parameter 0 of shape (1,) does not require gradients; set requires_grad_(), \
or pass only those that do
    """
    if not isinstance(p, Tensor):
        hint = "; pass .parameters(), not .named_parameters()" if isinstance(p, tuple) else ""
        raise TypeError(
            f"{name}: parameter {position} must be a tensor, got {type(p).__name__}{hint}"
        )
    if p.op is not None:
        raise ValueError(
            f"{name}: parameter {position} of shape {p.shape} is a result of {p.op.name}; only "
            f"leaves can be trained"
        )
    if not p.requires_grad:
        raise ValueError(
            f"{name}: parameter {position} of shape {p.shape} does not require gradients; set "
            f"requires_grad_(), or pass only those that do"
        )
