"""Functions of `functional` as layers: activations, pooling, losses and the like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from autograd_cnn.nn.module import ArrayModule


class FunctionModule(ArrayModule):
    """A layer that calls one function of `functional` with its inputs and its settings.

    A subclass names the function: ``class ReLU(FunctionModule, function=F.relu)``.  Its settings
    are attributes: the arguments that its constructor shares with the function.
    """

    function: ClassVar[Callable[..., Any]]
    settings: ClassVar[tuple[str, ...]] = ()
    """The names of the settings, in the function's order."""
    hidden: ClassVar[tuple[str, ...]] = ()
    """The settings that the text form leaves out."""
    axes: ClassVar[int]
    """The number of spatial axes, of convolution and pooling layers."""

    def __init_subclass__(
        cls, function: Callable[..., Any] | None = None, axes: int | None = None, **other: Any
    ) -> None:
        super().__init_subclass__(**other)
        if axes is not None:
            cls.axes = axes
        if function is not None:
            own = inspect.signature(cls.__init__).parameters
            cls.function = staticmethod(function)
            cls.settings = tuple(n for n in inspect.signature(function).parameters if n in own)

    def forward(self, *inputs: Any) -> Any:
        """See the class."""
        return self.function(*inputs, *map(self.__getattribute__, self.settings))

    def extra_repr(self) -> str:
        """The settings."""
        shown = [name for name in self.settings if name not in self.hidden]
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
