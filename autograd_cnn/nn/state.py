"""What is loaded into a module: an array, and whether it fits."""

from __future__ import annotations

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
    """An entry of a state as an array; of PyTorch's tensors NumPy takes most only."""
    x = values(x)
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    return np.asarray(x)


def misfit(name: str, target: np.ndarray, array: np.ndarray) -> str:
    """The problem with writing `array` into `target`, or an empty string."""
    if array.shape != target.shape:
        return f"{name}: expected shape {target.shape}, got {array.shape}"
    if not np.can_cast(array.dtype, target.dtype, "same_kind"):
        return f"{name}: expected dtype {target.dtype}, got {array.dtype}"
    if array.dtype.kind in "iu" and not np.array_equal(array, array.astype(target.dtype)):
        return f"{name}: {target.dtype} has no room for its values"
    if not target.flags.writeable:
        return f"{name}: the memory in the module is read-only; assign a copy first"
    return ""
