"""Checks of the arguments that layers are built from."""

from __future__ import annotations

import operator
from typing import Any


def integer(owner: str, name: str, value: Any, least: int) -> int:
    """`value` as an int of at least `least`; TypeError or ValueError otherwise.

    >>> integer("Linear", "in_features", 0, 1)
    Traceback (most recent call last):
        ...
    ValueError: Linear: in_features must be at least 1, got 0
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{owner}: {name} must be an integer, got {value!r}") from None
    if number < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {value!r}")
    return number


def pair(owner: str, name: str, value: Any, least: int) -> tuple[int, int]:
    """An integer for height and width alike, or one for each, as a tuple.

    >>> pair("Conv2d", "stride", 2, 1)
    (2, 2)
    """
    if not isinstance(value, (tuple, list)):
        value = (value, value)
    if len(value) != 2:
        raise ValueError(
            f"{owner}: {name} must be an integer or one each for height and width, got {value!r}"
        )
    return integer(owner, name, value[0], least), integer(owner, name, value[1], least)


def choice(owner: str, name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """`value` if it is one of the `allowed` strings; ValueError otherwise.

    >>> choice("MSELoss", "reduction", "sum", ("mean", "sum", "none"))
    'sum'
    """
    if value not in allowed:
        listed = " or ".join(map(repr, allowed))
        raise ValueError(f"{owner}: {name} must be {listed}, got {value!r}")
    return str(value)
