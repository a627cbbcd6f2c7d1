"""Writing a saved state into the parameters and buffers of a module, all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.engine.node import Node, values


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` did not find and did not expect.

    >>> from autograd_cnn import nn
    >>> net = nn.Linear(3, 2)
    >>> net.load_state_dict({"scale": 1.0}, strict=False)
    IncompatibleKeys(missing_keys=['weight', 'bias'], unexpected_keys=['scale'])
    """

    missing_keys: list[str]
    unexpected_keys: list[str]


def load(
    owner: str, state: Mapping[str, Any], saved: Mapping[str, Any], strict: bool
) -> IncompatibleKeys:
    """Write the arrays of `saved` into those tensors and arrays of `state` that have the same name.

    Raises as `Module.load_state_dict` says, before anything is written.
    """
    if not isinstance(saved, Mapping):
        raise TypeError(
            f"{owner}.load_state_dict: expected a mapping of names to arrays, got "
            f"{type(saved).__name__}; load a file first, for example with np.load"
        )
    given = {name: np.asarray(values(saved[name])) for name in saved}
    missing = [name for name in state if name not in given]
    unexpected = [name for name in given if name not in state]
    problems: list[str] = []
    if strict:
        problems += [f"missing: {name}" for name in missing]
        problems += [f"unexpected: {name}" for name in unexpected]
    found = [(name, values(state[name]), given[name]) for name in state if name in given]
    problems += [text for entry in found if (text := _misfit(*entry))]
    if problems:
        listed = "\n  ".join(problems)
        raise ValueError(f"{owner}.load_state_dict: nothing was loaded\n  {listed}")
    # Copied before the first is written: the arrays given may be views of those written to.
    new = [(name, array.astype(old.dtype)) for name, old, array in found]
    for name, array in new:
        target = state[name]
        values(target)[...] = array
        if isinstance(target, Node):
            target.touch()
    return IncompatibleKeys(missing, unexpected)


def _misfit(name: str, target: np.ndarray, array: np.ndarray) -> str:
    """Why `array` cannot be written into `target`, or nothing."""
    if array.shape != target.shape:
        return f"{name}: expected shape {target.shape}, got {array.shape}"
    if not np.can_cast(array.dtype, target.dtype, "same_kind"):
        return f"{name}: expected dtype {target.dtype}, got {array.dtype}"
    return ""
