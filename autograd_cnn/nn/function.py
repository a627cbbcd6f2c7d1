"""A function of `functional` as a module: what activations, pooling and losses have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from autograd_cnn.nn.module import Module


class FunctionModule(Module):
    """A module that passes its inputs and its settings, which are attributes, to a function."""

    function: ClassVar[Callable[..., Any]]
    settings: ClassVar[tuple[str, ...]] = ()
    """The names of the settings, for the function and for this object alike."""
    shown: ClassVar[tuple[str, ...] | None] = None
    """Those that the text form shows; None for all."""

    def forward(self, *inputs: Any) -> Any:
        """See the class."""
        return type(self).function(*inputs, **{name: getattr(self, name) for name in self.settings})

    def extra_repr(self) -> str:
        """The settings."""
        names = self.settings if self.shown is None else self.shown
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
