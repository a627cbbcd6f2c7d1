"""Python's containers, which need no other form here, and what a tensor holds."""

from builtins import dict as dict
from builtins import isinstance as _isinstance
from builtins import list as list
from builtins import tuple as tuple
from typing import Any

from autograd_cnn.engine.node import values


def isinstance(x: Any, kinds: Any) -> bool:
    """Whether x, or the array that the tensor x holds, is of one of these types."""
    return _isinstance(x, kinds) or _isinstance(values(x), kinds)
