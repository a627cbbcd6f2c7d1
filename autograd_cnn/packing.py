"""Several tensors as one and back, so that their gradients come together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd_cnn.ops import elementwise, shaping
from autograd_cnn.tensor import Tensor


def floating(x: Any) -> bool:
    """Whether x is a tensor of floating numbers, which can have a gradient."""
    return isinstance(x, Tensor) and x.dtype.kind == "f"


def pack(parts: Sequence[Tensor]) -> Tensor:
    """Several tensors as one vector of their widest dtype; a single one as it is."""
    if len(parts) == 1:
        return parts[0]
    dtype = np.result_type(*(x.dtype for x in parts))
    flat = [shaping.reshape(elementwise.astype(x, dtype=dtype), shape=(x.size,)) for x in parts]
    return shaping.concatenate(*flat, axis=0)


def unpack(packed: Any, like: Sequence[Tensor]) -> list[Any]:
    """The parts of what `pack` made of tensors of these shapes and dtypes."""
    if len(like) == 1:
        return [packed]
    parts, start = [], 0
    for x in like:
        piece = shaping.reshape(packed[start : start + x.size], shape=x.shape)
        parts.append(elementwise.astype(piece, dtype=x.dtype))
        start += x.size
    return parts
