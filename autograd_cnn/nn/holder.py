"""What a module holds: parameters, inner modules and buffers, found where they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn.engine.node import values
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.nn.paths import held, join

if TYPE_CHECKING:
    from autograd_cnn.nn.module import Module


class Holder:
    """The half of `Module` that finds what it holds, by path."""

    _buffer_names: tuple[str, ...] = ()

    def _members(self) -> Iterator[tuple[str, Any]]:
        """What this very module holds, in order of assignment, shared objects repeated."""
        for name, value in list(vars(self).items()):
            yield from held(name, value, (Parameter, Holder))

    def _own_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        for name in self._buffer_names:
            value = getattr(self, name, None)
            if value is None:
                continue
            if not isinstance(value, np.ndarray):  # a scalar, after count = count + 1, or a tensor
                setattr(self, name, np.asarray(values(value)))
            yield name, getattr(self, name)

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(path, module) for this module and all inside it, outer before inner, each once.

        >>> from autograd_cnn import nn
        >>> [name for name, _ in nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())).named_modules()]
        ['', '0', '1', '1.0']
        """
        seen: set[int] = set()
        stack: list[tuple[str, Any]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield path, module
            inner = [(join(path, n), m) for n, m in module._members() if _is_module(m)]
            stack.extend(reversed(inner))

    def modules(self) -> Iterator[Module]:
        """This module and all inside it, each once; see `named_modules`.

        >>> from autograd_cnn import nn
        >>> list(nn.Sequential(nn.ReLU()).modules())[-1]
        ReLU()
        """
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) for the modules held directly, each once.

        >>> from autograd_cnn import nn
        >>> list(nn.Sequential(nn.ReLU(), nn.Tanh()).named_children())
        [('0', ReLU()), ('1', Tanh())]
        """
        seen: set[int] = set()
        for name, member in self._members():
            if _is_module(member) and id(member) not in seen:
                seen.add(id(member))
                yield name, member

    def children(self) -> Iterator[Module]:
        """The modules held directly, each once.

        >>> from autograd_cnn import nn
        >>> list(nn.Sequential(nn.ReLU(), nn.Tanh()).children())
        [ReLU(), Tanh()]
        """
        return (module for _, module in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) for the parameters here and, with `recurse`, in all inner modules.

        A parameter shared between places is given once, under its first path.

        >>> from autograd_cnn import nn
        >>> [(name, p.shape) for name, p in nn.Linear(3, 2).named_parameters("fc")]
        [('fc.weight', (2, 3)), ('fc.bias', (2,))]
        """
        seen: set[int] = set()
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, member in module._members():
                if isinstance(member, Parameter) and id(member) not in seen:
                    seen.add(id(member))
                    yield join(path, name), member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters here and, with `recurse`, in all inner modules, each once.

        >>> from autograd_cnn import nn
        >>> [p.shape for p in nn.Linear(3, 2).parameters()]
        [(2, 3), (2,)]
        """
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, np.ndarray]]:
        """(path, array) for the buffers here and, with `recurse`, in all inner modules.

        >>> from autograd_cnn import nn
        >>> [name for name, _ in nn.BatchNorm2d(3).named_buffers()]
        ['running_mean', 'running_var', 'num_batches_tracked']
        """
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, array in module._own_buffers():
                yield join(path, name), array

    def buffers(self, recurse: bool = True) -> Iterator[np.ndarray]:
        """The buffers here and, with `recurse`, in all inner modules.

        >>> from autograd_cnn import nn
        >>> [b.shape for b in nn.BatchNorm2d(3).buffers()]
        [(3,), (3,), ()]
        """
        return (array for _, array in self.named_buffers(recurse=recurse))

    def _places(self, path: str = "", above: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
        """(path, module) for every path to every module, except around cycles."""
        yield path, self
        above = (*above, id(self))
        for name, member in self._members():
            if _is_module(member) and id(member) not in above:
                yield from member._places(join(path, name), above)

    def _state(self) -> dict[str, Parameter | np.ndarray]:
        """Parameters and buffers under all their paths, in the order of `state_dict`."""
        found: dict[str, Parameter | np.ndarray] = {}
        for path, module in self._places():
            own: list[tuple[str, Any]]
            own = [(n, p) for n, p in module._members() if isinstance(p, Parameter)]
            for name, value in (*own, *module._own_buffers()):
                name = join(path, name)
                if name in found:
                    raise ValueError(f"{type(self).__name__}: two parameters are named {name!r}")
                found[name] = value
        return found


def _is_module(x: Any) -> bool:
    return isinstance(x, Holder)
