"""The parameters, buffers and modules in the attributes of a module: found, saved, loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn.checks import mistake
from autograd_cnn.config import default_array
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array, GraphError, Node, values
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.nn.state import IncompatibleKeys, misfit, plain

if TYPE_CHECKING:
    from autograd_cnn.nn.module import Module


class ModuleTree:
    """The half of `Module` that finds, saves and loads parameters, buffers and modules."""

    _roles: Mapping[str, type] = {}
    """The kind that each name holds, or None in its place: `Parameter`, `ModuleTree` or an array.

    A layer lists here the parameters that its settings may leave out.
    """

    if not TYPE_CHECKING:  # type checkers would take it for leave to set any attribute

        def __setattr__(self, name: str, value: Any) -> None:
            """Set an attribute: the like, or None, replaces a parameter, module or buffer."""
            role, kind, held = self._roles.get(name), _kind(value), vars(self).get(name)
            plain = role is kind is None and not isinstance(held, (list, tuple, dict))
            if plain or hasattr(getattr(type(self), name, None), "__set__"):  # such as a property
                super().__setattr__(name, value)
                return
            # A parameter may replace anything, a module anything but a parameter.
            noted = kind is Parameter or (kind is not None and role is not Parameter)
            if role is not None and value is not None and not noted:
                untracked = isinstance(value, Node) and not value.tracked
                array = np.array(value.array) if untracked else value
                if role is not np.ndarray or not isinstance(array, (np.ndarray, np.generic)):
                    raise mistake(type(self).__name__, name, _WANTED[role], value)
                value = np.asarray(array)
            elif not noted and value is not None and any(_found("", held, Parameter | ModuleTree)):
                inside = _found(name, value, (Node, np.ndarray))
                loses = any(not isinstance(x, Parameter) for _, x in inside)
                if loses or not isinstance(value, (list, tuple, dict)):
                    wanted = "None, or a list, tuple or dict of Parameters and modules as before"
                    raise mistake(type(self).__name__, name, wanted, value)
            super().__setattr__(name, value)
            if noted and role is not kind:
                self._own_roles()[name] = kind

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        self._own_roles().pop(name, None)

    def _own_roles(self) -> dict[str, type]:
        """The `_roles` of this instance, to be changed in place."""
        own: dict[str, Any] = vars(self)
        if "_roles" not in own:
            own["_roles"] = {**self._roles}
        return own["_roles"]

    def __reduce_ex__(self, protocol: Any) -> Any:
        """What `deepcopy` and `pickle` make a copy from; it holds no graph."""
        reduced = super().__reduce_ex__(protocol)
        for path, x in _found("", reduced[2:3], Node):
            if x.op is not None:
                name = path.removeprefix(".0.")
                raise GraphError(
                    f"{type(self).__name__}: {name} is a result of {x.op.name}, which cannot be "
                    f"copied or pickled with its graph; assign {name}.detach() first"
                )
        return reduced

    def __copy__(self) -> Any:
        """A module with the same values, which may hold a graph, and its own roles."""
        reduced: Any = super().__reduce_ex__(4)
        make, args, state = reduced[:3]
        twin = make(*args)
        twin.__setstate__(state)
        vars(twin)["_roles"] = {**twin._roles}
        return twin

    def __setstate__(self, state: Any) -> None:
        """Take the state of a copy or of a pickle.  Version 0.2.0 noted the names of buffers."""
        held, slots = state if isinstance(state, tuple) else (state, {})
        vars(self).update(held or {})
        for name, value in slots.items():
            object.__setattr__(self, name, value)
        buffers = vars(self).pop("_buffer_names", None)
        if buffers is not None:
            kinds = {name: kind for name, x in vars(self).items() if (kind := _kind(x))}
            self._own_roles().update({**dict.fromkeys(buffers, np.ndarray), **kinds})

    # --------------------------------------------------------------------------- finding by path

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """(path, module) for this module and all inside it, outer before inner, each once.

        >>> [name for name, _ in nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh())).named_modules()]
        ['', '0', '1', '1.0']
        """
        seen: set[int] = set()
        stack: list[tuple[str, Any]] = [(prefix, self)]
        while stack:
            path, module = stack.pop()
            if id(module) not in seen:
                seen.add(id(module))
                yield path, module
                inner = [(join(path, name), m) for name, m in module._members(ModuleTree)]
                stack.extend(reversed(inner))

    def modules(self) -> Iterator[Module]:
        """This module and all inside it, each once; see `named_modules`.

        >>> list(nn.Sequential(nn.ReLU()).modules())[-1]
        ReLU()
        """
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) for the modules held directly, each once.

        >>> list(nn.Sequential(nn.ReLU(), nn.Tanh()).named_children())
        [('0', ReLU()), ('1', Tanh())]
        """
        return _each_once(self._members(ModuleTree))

    def children(self) -> Iterator[Module]:
        """The modules held directly, each once.

        >>> list(nn.Sequential(nn.ReLU(), nn.Tanh()).children())
        [ReLU(), Tanh()]
        """
        return (module for _, module in self.named_children())

    def named_parameters(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(path, parameter) for the parameters here and, with `recurse`, in all inner modules.

        A parameter shared between places is given once, under its first path.

        >>> [(name, p.shape) for name, p in nn.Linear(3, 2).named_parameters("fc")]
        [('fc.weight', (2, 3)), ('fc.bias', (2,))]
        """
        return _each_once(
            (join(path, name), parameter)
            for path, module in (self.named_modules(prefix) if recurse else [(prefix, self)])
            for name, parameter in module._members(Parameter)
        )

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters here and, with `recurse`, in all inner modules, each once.

        >>> [p.shape for p in nn.Linear(3, 2).parameters()]
        [(2, 3), (2,)]
        """
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True
    ) -> Iterator[tuple[str, np.ndarray]]:
        """(path, array) for the buffers here and, with `recurse`, in all inner modules.

        >>> [name for name, _ in nn.BatchNorm2d(3).named_buffers()]
        ['running_mean', 'running_var', 'num_batches_tracked']
        """
        for path, module in self.named_modules(prefix) if recurse else [(prefix, self)]:
            for name, array in module._own_buffers():
                yield join(path, name), array

    def buffers(self, recurse: bool = True) -> Iterator[np.ndarray]:
        """The buffers here and, with `recurse`, in all inner modules.

        >>> [b.shape for b in nn.BatchNorm2d(3).buffers()]
        [(3,), (3,), ()]
        """
        return (array for _, array in self.named_buffers(recurse=recurse))

    def _members(self, kind: type) -> Iterator[tuple[str, Any]]:
        """The (name, object) pairs of a kind in this module itself, as assigned, with repeats."""
        for name, value in list(vars(self).items()):
            yield from _found(name, value, kind)

    def _own_buffers(self) -> Iterator[tuple[str, np.ndarray]]:
        for name, role in self._roles.items():
            if role is np.ndarray and (value := getattr(self, name, None)) is not None:
                yield name, value

    # ------------------------------------------------------------------------- saving and loading

    @checked
    def register_buffer(self, name: str, array: Array | None) -> None:
        """Make a copy of `array` the attribute `name`: in `state_dict`, but not trained.

        None reserves the name, and `state_dict` leaves it out.

        >>> module = nn.Module()
        >>> module.register_buffer("scale", [1.0, 2.0])
        >>> module.scale
        array([1., 2.], dtype=float32)
        """
        taken = hasattr(self, name) and self._roles.get(name) is not np.ndarray
        if taken or not name.isidentifier():
            problem = "is already an attribute" if taken else "is not an identifier"
            raise ValueError(f"{type(self).__name__}.register_buffer: {name!r} {problem}")
        own = None if array is None else np.array(default_array(values(array)))
        self._own_roles()[name] = np.ndarray
        setattr(self, name, own)

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers by path: PyTorch's names, layouts and order.

        A shared parameter is listed under each of its paths.  ``np.savez(file, **state)`` saves
        the result.

        >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: np.array(values(value), order="C") for name, value in self._state().items()}

    @checked
    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Overwrite parameters and buffers in place with arrays by path; each keeps its dtype.

        Tensors of PyTorch are taken as they are.  One path of a shared parameter is enough.
        Returns the missing and the unexpected paths.  One ValueError lists every problem: a wrong
        shape or dtype and, with `strict`, missing and unexpected paths.  It leaves all unchanged.

        >>> nn.Linear(3, 2).load_state_dict(nn.Linear(3, 2, bias=False).state_dict(), strict=False)
        IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])
        """
        where = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping):
            wanted = "a mapping of names to arrays, such as np.load gives"
            raise mistake(where, "state_dict", wanted, state_dict)
        state = self._state()
        given = {name: plain(state_dict[name]) for name in state_dict}
        held = {id(state[name]) for name in given if name in state}
        missing = [name for name, target in state.items() if id(target) not in held]
        unexpected = [name for name in given if name not in state]
        problems = []
        if strict:
            problems += [f"missing: {name}" for name in missing]
            problems += [f"unexpected: {name}" for name in unexpected]
        found = [(name, values(state[name]), given[name]) for name in state if name in given]
        problems += [text for entry in found if (text := misfit(*entry))]
        if problems:
            raise ValueError("\n  ".join([f"{where}: nothing was loaded", *problems]))
        # Copy all before writing the first: the given arrays may be views of the targets.
        new = [(name, array.astype(old.dtype)) for name, old, array in found]
        for name, array in new:
            target = state[name]
            values(target)[...] = array
            if isinstance(target, Node):
                target.touch()
        return IncompatibleKeys(missing, unexpected)

    def _state(self) -> dict[str, Parameter | np.ndarray]:
        """Parameters and buffers under all their paths, in the order of `state_dict`."""
        found: dict[str, Parameter | np.ndarray] = {}
        for path, module in self._places():
            for name, value in (*module._members(Parameter), *module._own_buffers()):
                name = join(path, name)
                if name in found:
                    raise ValueError(f"{type(self).__name__}: two parameters are named {name!r}")
                found[name] = value
        return found

    def _places(
        self, path: str = "", above: tuple[int, ...] = ()
    ) -> Iterator[tuple[str, ModuleTree]]:
        """(path, module) for every path to every module, except around cycles."""
        yield path, self
        above = (*above, id(self))
        for name, member in self._members(ModuleTree):
            if id(member) not in above:
                yield from member._places(join(path, name), above)


_WANTED = {
    Parameter: "a Parameter, such as nn.Parameter(values), or None",
    ModuleTree: "a module or None",
    np.ndarray: "an array, a tensor without gradients (see detach) or None",
}
"""What may be assigned to a name of each role."""


def _kind(value: Any) -> type | None:
    """The role that a value gives to the name that it is assigned to."""
    if isinstance(value, Parameter):
        return Parameter
    return ModuleTree if isinstance(value, ModuleTree) else None


def join(path: str, name: str) -> str:
    """Two parts of a dotted path, either of which may be empty."""
    return f"{path}.{name}" if path and name else path or name


def _found(
    name: str, value: Any, kind: Any, inside: tuple[int, ...] = ()
) -> Iterator[tuple[str, Any]]:
    """(path, object) for each object of a kind that `value` is or holds in lists, tuples, dicts.

    >>> list(_found("a", [1, {"b": 2}, "text"], int))
    [('a.0', 1), ('a.1.b', 2)]
    """
    if isinstance(value, kind):
        yield name, value
    elif isinstance(value, (list, tuple, dict)) and id(value) not in inside:
        for key, entry in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(entry, (kind, (list, tuple, dict))):
                yield from _found(f"{name}.{key}", entry, kind, (*inside, id(value)))


def _each_once(entries: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The entries without repeated objects."""
    seen: set[int] = set()
    for name, value in entries:
        if id(value) not in seen:
            seen.add(id(value))
            yield name, value
