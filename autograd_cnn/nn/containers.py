"""Sequential: modules applied one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self, overload

from autograd_cnn.nn import fusion
from autograd_cnn.nn.module import Module

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import AnyArray, Tensor


class Sequential(Module):
    """Modules applied in order, each to the result of the one before.

    Takes the modules, which it names "0", "1" and so on, or one mapping of names to modules.
    Supports ``len``, iteration, indexing, replacement and deletion by position, `append`, `extend`
    and `insert`.  A slice shares the modules and keeps their names.  Neighbours such as batch norm,
    relu and max pooling are computed together, in fewer passes over memory (`nn.fusion`).

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

    def _put(self, name: str, module: Any) -> None:
        if not isinstance(module, Module):
            hint = "; pass the modules one by one, Sequential(*modules)"
            raise TypeError(
                f"{type(self).__name__}: expected modules, got {type(module).__name__} at {name!r}"
                + (hint if isinstance(module, (list, tuple)) else "")
            )
        if not isinstance(name, str) or not name or "." in name or hasattr(self, name):
            raise ValueError(f"{type(self).__name__}: {name!r} cannot name a module")
        setattr(self, name, module)

    def _entries(self) -> list[tuple[str, Module]]:
        return [(n, m) for n, m in vars(self).items() if isinstance(m, Module)]

    def forward(self, x: AnyArray) -> Tensor:
        """The last module's result; `x` itself when there are no modules."""
        return fusion.run(vars(self).values(), x)

    def append(self, module: Module) -> Self:
        """Add a module at the end, named after its position; returns self."""
        self._put(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add modules at the end; returns self.

        >>> len(nn.Sequential(nn.ReLU()).extend([nn.Tanh(), nn.Flatten()]))
        3
        """
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Add a module before position `index`, and number those after it anew; returns self.

        >>> nn.Sequential(nn.ReLU()).insert(0, nn.Flatten())[0]
        Flatten(start_dim=1, end_dim=-1)
        """
        self.append(module)
        entries = self._entries()
        entries.insert(index, entries.pop())
        self._put_all(entries)
        return self

    def __delitem__(self, index: int | slice) -> None:
        entries = self._entries()
        del entries[index if isinstance(index, slice) else self._position(index)]
        self._put_all(entries)

    def _put_all(self, entries: list[tuple[str, Module]]) -> None:
        """Hold these modules; those named by a number get the number of their position."""
        for name, _ in self._entries():
            delattr(self, name)
        for position, (name, module) in enumerate(entries):
            self._put(str(position) if name.isdigit() else name, module)

    def __len__(self) -> int:
        return len(self._entries())

    def __iter__(self) -> Iterator[Module]:
        return (module for _, module in self._entries())

    @overload
    def __getitem__(self, index: int) -> Module: ...

    @overload
    def __getitem__(self, index: slice) -> Sequential: ...

    def __getitem__(self, index: int | slice) -> Module:
        entries = self._entries()
        if isinstance(index, slice):
            return Sequential(dict(entries[index]))
        return entries[self._position(index)][1]

    def __setitem__(self, index: int, module: Module) -> None:
        name = self._entries()[self._position(index)][0]
        if not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}: expected a module, got {type(module).__name__}"
            )
        setattr(self, name, module)

    def _position(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(
                f"{type(self).__name__}: index {index} is out of range for {len(self)} modules"
            )
        return index
