"""Checks of the arguments that layers are built from."""

from __future__ import annotations

from typing import Any

from autograd_cnn.arguments import mistake
from autograd_cnn.kinds import is_whole


def integer(owner: str, name: str, value: Any, least: int) -> int:
    """`value` as an int of at least `least`; TypeError or ValueError otherwise.

    >>> integer("Linear", "in_features", 0, 1)
    Traceback (most recent call last):
        ...
    ValueError: Linear: in_features must be at least 1, got 0
    """
    if not is_whole(value):
        raise mistake(owner, name, "an integer", value)
    if value < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {value!r}")
    return int(value)


def per_axis(owner: str, name: str, value: Any, least: int, axes: int) -> tuple[int, ...]:
    """An integer for all spatial axes alike, or one for each, as a tuple.

    >>> per_axis("Conv2d", "stride", 2, 1, axes=2)
    (2, 2)
    """
    if not isinstance(value, (tuple, list)):
        value = (value,) * axes
    if len(value) != axes:
        raise ValueError(
            f"{owner}: {name} must be an integer or one for each of {axes} axes, got {value!r}"
        )
    return tuple(integer(owner, name, v, least) for v in value)


def choice(owner: str, name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """`value` if it is one of the `allowed` strings; ValueError otherwise.

    >>> choice("MSELoss", "reduction", "sum", ("mean", "sum", "none"))
    'sum'
    """
    if value not in allowed:
        listed = " or ".join(map(repr, allowed))
        raise ValueError(f"{owner}: {name} must be {listed}, got {value!r}")
    return str(value)
