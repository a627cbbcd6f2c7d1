"""What a tensor holds, and whether a value is one."""

from typing import Any

from autograd_cnn.engine.node import Node


def isbox(x: Any) -> bool:
    """Whether x is a tensor."""
    return isinstance(x, Node)


def getval(x: Any) -> Any:
    """The values of a tensor, as a read-only array; anything else unchanged."""
    return x.numpy() if hasattr(x, "numpy") else x
