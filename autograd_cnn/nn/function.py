"""Functions of `functional` as layers: activations, pooling, losses and the like."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from autograd_cnn.checks import choice, number
from autograd_cnn.engine.annotations import parameter_names
from autograd_cnn.engine.arguments import Arguments, checked
from autograd_cnn.functional.losses import REDUCTIONS
from autograd_cnn.nn.module import ArrayModule


class FunctionModule(ArrayModule):
    """A layer that calls one function of `functional` with its inputs and its settings.

    A subclass names the function: ``class ReLU(FunctionModule, function=F.relu)``.  Its settings
    are attributes: the arguments that its constructor shares with the function.  One without a
    docstring has the function's.
    """

    function: ClassVar[Callable[..., Any]]
    inputs: ClassVar[tuple[str, ...]] = ()
    """The names of the function's inputs, which come before its settings."""
    settings: ClassVar[tuple[str, ...]] = ()
    """The names of the settings, in the function's order."""
    hidden: ClassVar[tuple[str, ...]] = ("reduction", "training")
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
            cls.function = staticmethod(function)
            positional, keyword, required = parameter_names(function)
            own = {name for names in parameter_names(cls.__init__)[:2] for name in names}
            cls.settings = tuple(name for name in (*positional, *keyword) if name in own)
            inputs = [name for name in positional[:required] if name not in own]
            # Ops call their input x, and layers call it input, as PyTorch does.
            cls.inputs = tuple("input" if name == "x" else name for name in inputs)
            if cls.__doc__ is None and function.__doc__:
                text = inspect.cleandoc(function.__doc__).replace("ag.", "").replace("F.", "")
                cls.__doc__ = text.replace(f">>> {function.__name__}(", f">>> nn.{cls.__name__}()(")

    @checked
    def __init__(self, inplace: bool = False) -> None:
        """A layer without settings; `inplace` is PyTorch's and has no effect."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Apply the function of the class to the inputs, by position or by name."""
        if named or len(inputs) != len(self.inputs):
            inputs = self._bound(inputs, named)
        return self.function(*inputs, *map(self.__getattribute__, self.settings))

    def _bound(self, inputs: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, ...]:
        given = {**named, **dict(zip(self.inputs, inputs))}
        count = len(inputs) + len(named)
        if count != len(self.inputs) or given.keys() != set(self.inputs):
            wanted = " and ".join(self.inputs)
            got = ", ".join([f"{len(inputs)} by position", *named])
            raise TypeError(f"{type(self).__name__}: expected {wanted}, got {got}")
        return tuple(given[name] for name in self.inputs)

    def extra_repr(self) -> str:
        shown = [name for name in self.settings if name not in self.hidden]
        return ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)


_BOUNDS = {"delta": {"above": 0}, "beta": {"least": 0}, "lambd": {"least": 0}}
"""What some settings must be."""


class _Signature:
    """The signature of a layer, made when it is asked for."""

    def __get__(self, layer: Any, owner: type[MadeModule]) -> inspect.Signature:
        known = inspect.signature(owner.function).parameters
        return inspect.Signature([known[name] for name in owner.arguments.settings])


class MadeModule(FunctionModule):
    """A layer made of its function alone: names, order and defaults of settings are the function's.

    `inputs` is the number of inputs, where settings without a default follow them.
    """

    arguments: ClassVar[Arguments]
    __signature__ = _Signature()

    reductions: ClassVar[tuple[str, ...]]

    def __init_subclass__(
        cls,
        function: Callable[..., Any] | None = None,
        inputs: int = 0,
        reductions: tuple[str, ...] = REDUCTIONS,
        **other: Any,
    ) -> None:
        if function is not None and cls.__doc__ is None:
            cls.__doc__ = f"`functional.{function.__name__}` as a layer: {function.__doc__}"
        super().__init_subclass__(function, **other)
        if function is None:
            return
        asked = Arguments(function)
        names, inputs = asked.inputs, inputs or asked.required
        cls.inputs, cls.settings = names[:inputs], names[inputs:]
        plain: Any = inspect.unwrap(function)
        defaults = dict(zip(names[asked.required :], plain.__defaults__ or ()))
        asked.settings = tuple(name for name in cls.settings if name != "training")
        asked.defaults = {n: x for n, x in defaults.items() if n in asked.settings}
        asked.function, asked.name, asked.inputs, asked.required = cls, cls.__name__, (), 0
        asked.known = frozenset(asked.settings)
        cls.arguments, cls.reductions = asked, reductions

    def __init__(self, *args: Any, **given: Any) -> None:
        _, settings = self.arguments.fit(args, given)
        for name, value in settings.items():
            if name == "reduction":
                choice(type(self).__name__, name, value, self.reductions)
            if name in _BOUNDS:
                number(type(self).__name__, name, value, **_BOUNDS[name])
            if "weight" in name:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)
