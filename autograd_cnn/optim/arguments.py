"""Checks of what optimizers and schedules are built from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autograd_cnn.tensor import Tensor


def number(
    owner: str,
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> Any:
    """`value`, when it is a finite number within these bounds; TypeError or ValueError if not.

    >>> number("LinearLR", "start_factor", 0, above=0, most=1)
    Traceback (most recent call last):
        ...
    ValueError: LinearLR: start_factor must be above 0 and at most 1, got 0
    """
    try:
        fits, finite = least <= value <= most and above < value < below, abs(value) < math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}") from None
    if not (fits and finite):
        bounds = {"at least": least, "above": above, "at most": most, "below": below}
        rules = [f"{word} {bound}" for word, bound in bounds.items() if abs(bound) < math.inf]
        rule = " and ".join(rules) if finite and rules else "finite"
        raise ValueError(f"{owner}: {name} must be {rule}, got {value!r}")
    return value


def choice(owner: str, name: str, value: Any, words: Sequence[str]) -> Any:
    """`value`, when it is one of the `words`; ValueError if not.

    >>> choice("ReduceLROnPlateau", "mode", "min", ["min", "max"])
    'min'
    """
    if value not in words:
        raise ValueError(f"{owner}: {name} must be {' or '.join(map(repr, words))}, got {value!r}")
    return value


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
