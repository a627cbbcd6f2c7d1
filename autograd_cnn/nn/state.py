"""What a state that is to be loaded into a module must be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from autograd_cnn.engine.node import values


class IncompatibleKeys(NamedTuple):
    """The names that `Module.load_state_dict` missed, and those that it did not expect.

    >>> nn.Linear(3, 2).load_state_dict({"scale": 1.0}, strict=False)
    IncompatibleKeys(missing_keys=['weight', 'bias'], unexpected_keys=['scale'])
    """

    missing_keys: list[str]
    unexpected_keys: list[str]


def plain(x: Any) -> np.ndarray:
    """An entry of a state as an array; of PyTorch's tensors NumPy takes plain ones only."""
    x = values(x)
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    return np.asarray(x)


def misfits(
    state: Mapping[str, Any], given: Mapping[str, Any], strict: bool
) -> tuple[IncompatibleKeys, list[str]]:
    """The missing and the unexpected names, and the problems with loading `given` into `state`.

    What is given needs a shape and a dtype only.
    """
    held = {id(state[name]) for name in given if name in state}
    missing = [name for name, target in state.items() if id(target) not in held]
    unexpected = [name for name in given if name not in state]
    problems = []
    if strict:
        problems += [f"missing: {name}" for name in missing]
        problems += [f"unexpected: {name}" for name in unexpected]
    found = [(name, values(state[name]), given[name]) for name in state if name in given]
    problems += [text for entry in found if (text := _misfit(*entry))]
    return IncompatibleKeys(missing, unexpected), problems


def _misfit(name: str, target: np.ndarray, array: Any) -> str:
    """The problem with writing `array` into `target`, or an empty string."""
    if array.shape != target.shape:
        return f"{name}: expected shape {target.shape}, got {array.shape}"
    if not np.can_cast(array.dtype, target.dtype, "same_kind"):
        return f"{name}: expected dtype {target.dtype}, got {array.dtype}"
    if not target.flags.writeable:
        return f"{name}: the memory in the module is read-only; assign a copy first"
    return ""
