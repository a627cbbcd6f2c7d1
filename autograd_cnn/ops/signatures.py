"""Decorators that tell type checkers what a function takes and returns; see `tensor.types`.

`op` and `composition` do so themselves for a function of arrays whose result is an array.
"""
# ruff: noqa: D103

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec

import numpy as np

from autograd_cnn.engine.arguments import checked

checked_late = functools.cache(checked)
"""`checked`, for a function that is decorated at its first call: reading signatures takes time."""

if TYPE_CHECKING:
    from autograd_cnn.tensor import types

    P = ParamSpec("P")

    def array_function(function: Callable[P, Any]) -> types.ArrayFunction[P]: ...
    def quiet_function(function: Callable[P, Any]) -> types.ArrayFunction[P]: ...
    def pool_function(function: Callable[P, Any]) -> types.PoolFunction[P]: ...
    def join_function(function: object) -> types.JoinFunction: ...
    def list_function(function: object) -> types.ListFunction: ...
    def pair_function(function: object) -> types.PairFunction: ...
    def slogdet_function(function: object) -> types.SlogdetFunction: ...
else:
    array_function = pool_function = checked
    join_function = list_function = pair_function = slogdet_function = lambda function: function

    def quiet_function(function: Any) -> Any:
        """An array function inside which NumPy does not report that a value is too small."""
        return checked(np.errstate(under="ignore")(function))
