"""Modules that hold others, or parameters: Sequential, ModuleList, ModuleDict, ParameterList."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

from autograd_cnn.checks import mistake
from autograd_cnn.engine.arguments import checked
from autograd_cnn.nn import fusion
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.parameter import Parameter

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import AnyArray, Tensor

__all__ = ["ModuleDict", "ModuleList", "ParameterList", "Sequential"]

T = TypeVar("T")


class _Container(Module):
    """The base of all: members of one kind, which are attributes under their names."""

    _kind: ClassVar[type] = Module

    def _fitting(self, name: str, member: Any) -> Any:
        """The member to hold under the name; raises TypeError for one of another kind."""
        if not isinstance(member, self._kind):
            several = isinstance(self, Sequential) and isinstance(member, (list, tuple))
            hint = "; pass the modules one by one, Sequential(*modules)" if several else ""
            raise TypeError(
                f"{type(self).__name__}: expected modules, got {type(member).__name__} at {name!r}"
                + hint
            )
        return member

    def _put(self, name: str, member: Any) -> None:
        """Hold a member under a new name."""
        member = self._fitting(name, member)
        if not isinstance(name, str) or not name or "." in name or hasattr(self, name):
            raise ValueError(f"{type(self).__name__}: {name!r} cannot name a module")
        setattr(self, name, member)

    def _entries(self) -> list[tuple[str, Any]]:
        return [(n, m) for n, m in vars(self).items() if isinstance(m, self._kind)]

    def __len__(self) -> int:
        return len(self._entries())


class _List(_Container, Generic[T]):
    """The base of containers by position."""

    @checked
    def __init__(self, modules: Any = ()) -> None:
        self.extend(() if modules is None else modules)

    def append(self, module: T) -> Self:
        """Add a member at the end, named after its position or the next free one; returns self."""
        names = map(str, itertools.count(len(self)))
        self._put(next(name for name in names if name not in vars(self)), module)
        return self

    def extend(self, modules: Iterable[T]) -> Self:
        """Add members at the end; returns self.

        >>> len(nn.Sequential(nn.ReLU()).extend([nn.Tanh(), nn.Flatten()]))
        3
        """
        if not isinstance(modules, Iterable):
            raise mistake(type(self).__name__, "modules", "a list of them", modules)
        for module in modules:
            self.append(module)
        return self

    __iadd__ = extend

    def insert(self, index: int, module: T) -> Self:
        """Add a member before position `index`, and number those after it anew; returns self.

        >>> nn.Sequential(nn.ReLU()).insert(0, nn.Flatten())[0]
        Flatten(start_dim=1, end_dim=-1)
        """
        entries, name = self._entries(), str(len(self))
        entries.insert(index, (name, self._fitting(name, module)))
        self._put_all(entries)
        return self

    def pop(self, index: int = -1) -> T:
        """Take the member at a position out, and number those after it anew; returns it."""
        member = self[index]
        del self[index]
        return member

    def __delitem__(self, index: int | slice) -> None:
        entries = self._entries()
        del entries[index if isinstance(index, slice) else self._position(index)]
        self._put_all(entries)

    def _put_all(self, entries: list[tuple[str, T]]) -> None:
        """Hold these members; those named by a number get the number of their position."""
        for name, _ in self._entries():
            delattr(self, name)
        for position, (name, module) in enumerate(entries):
            self._put(str(position) if name.isdigit() else name, module)

    def __iter__(self) -> Iterator[T]:
        return (member for _, member in self._entries())

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> Self: ...

    def __getitem__(self, index: int | slice) -> T | Self:
        entries = self._entries()
        if isinstance(index, slice):
            return self._part(entries[index])
        member: T = entries[self._position(index)][1]
        return member

    def _part(self, entries: list[tuple[str, T]]) -> Any:
        """What a slice gives: the members numbered anew."""
        return type(self)([member for _, member in entries])

    def __setitem__(self, index: int, module: T) -> None:
        name = self._entries()[self._position(index)][0]
        setattr(self, name, self._fitting(name, module))

    def _position(self, index: int) -> int:
        if not hasattr(index, "__index__"):
            raise mistake(type(self).__name__, "the index", "an integer", index)
        try:
            return range(len(self))[index]
        except IndexError:
            raise IndexError(
                f"{type(self).__name__}: index {index} is out of range for {len(self)} modules"
            ) from None


class Sequential(_List[Module]):
    """Modules applied in order, each to the result of the one before.

    Takes the modules, which it names "0", "1" and so on, or one mapping of names to modules.
    Supports ``len``, iteration, indexing, replacement and deletion by position, `append`, `extend`,
    `insert` and `pop`.  A slice shares the modules and keeps their names.  Neighbours such as batch
    norm, relu and max pooling are computed together, in fewer passes over memory (`nn.fusion`).

    >>> nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    Sequential(
      (0): Linear(in_features=4, out_features=3, bias=True)
      (1): ReLU()
    )
    >>> nn.Sequential({"fc": nn.Linear(4, 3)}).fc
    Linear(in_features=4, out_features=3, bias=True)
    """

    def __init__(self, *modules: Any) -> None:
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            named = dict(modules[0])
        else:
            named = {str(i): module for i, module in enumerate(modules)}
        for name, module in named.items():
            self._put(name, module)

    def forward(self, x: AnyArray) -> Tensor:
        """The last module's result; `x` itself when there are no modules."""
        return fusion.run(vars(self).values(), x)

    def _part(self, entries: list[tuple[str, Module]]) -> Sequential:
        return Sequential(dict(entries))


class ModuleList(_List[Module]):
    """A list of modules for the `forward` of your own module; see `Sequential` for its methods.

    A plain list in an attribute gives the same names.  Equal neighbours are shown once.

    >>> layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
    >>> layers
    ModuleList(
      (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)
    )
    >>> list(layers.state_dict())[:2]
    ['0.weight', '0.bias']
    """

    def _inner(self) -> list[tuple[str, str]]:
        shown, place = [], 0
        for text, run in itertools.groupby(text for _, text in super()._inner()):
            last = place + sum(1 for _ in run) - 1
            several = f"{place}-{last}", f"{last - place + 1} x {text}"
            shown.append(several if last > place else (str(place), text))
            place = last + 1
        return shown


class ParameterList(_List[Parameter]):
    """A list of parameters; arrays and tensors among the values become parameters.

    >>> net = nn.ParameterList([np.zeros((2, 3), np.float32)]).append(nn.Parameter([1.0]))
    >>> net
    ParameterList(
      (0): Parameter of shape (2, 3) and dtype float32
      (1): Parameter of shape (1,) and dtype float32
    )
    """

    _kind = Parameter

    def _fitting(self, name: str, member: Any) -> Any:
        return member if isinstance(member, Parameter) else Parameter(member)

    def _inner(self) -> list[tuple[str, str]]:
        return [
            (n, f"Parameter of shape {p.shape} and dtype {p.dtype}") for n, p in self._entries()
        ]


class ModuleDict(_Container, MutableMapping[str, Module]):
    """Modules by name, for the `forward` of your own module, with the methods of a dict.

    Takes a mapping of names to modules, or pairs.  A plain dict in an attribute gives the same
    names.

    >>> heads = nn.ModuleDict({"digit": nn.Linear(4, 10), "sign": nn.Linear(4, 1)})
    >>> heads["sign"](np.zeros((2, 4), np.float32)).shape
    (2, 1)
    >>> list(heads), "digit" in heads
    (['digit', 'sign'], True)
    """

    __eq__, __hash__ = object.__eq__, object.__hash__  # as any module, not as a mapping

    @checked
    def __init__(self, modules: Any = ()) -> None:
        try:
            held = dict(modules or ())
        except TypeError:
            raise mistake("ModuleDict", "modules", "a mapping or pairs", modules) from None
        self.update(held)

    def __getitem__(self, key: str) -> Module:
        held = dict(self._entries())
        if key not in held:
            known = ", ".join(held) or "none"
            raise KeyError(f"ModuleDict: there is no module {key!r}; there is {known}")
        return held[key]

    def __setitem__(self, key: str, module: Module) -> None:
        if key in self:
            setattr(self, key, self._fitting(key, module))
        else:
            self._put(key, module)

    def __delitem__(self, key: str) -> None:
        _ = self[key]
        delattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._entries())


fusion.METHODS[Sequential] = fusion.methods(Sequential)
