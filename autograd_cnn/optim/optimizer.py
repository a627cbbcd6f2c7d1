"""Optimizer: parameter groups, the step over all parameters, and the state that can be saved."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar, overload

import numpy as np

from autograd_cnn.checks import integer, listed, mistake, number, single
from autograd_cnn.engine.arguments import Arguments, guarded
from autograd_cnn.engine.modes import enable_grad
from autograd_cnn.engine.node import Writes, next_serial, values
from autograd_cnn.kernels.reference.training import with_decay
from autograd_cnn.tensor import Tensor

T = TypeVar("T")
Group = dict[str, Any]
Params = Iterable[Tensor] | Iterable[Mapping[str, Any]]
_HALF = np.dtype(np.float16)
_PARAMS = "an iterable of tensors or of dicts, such as [tensor]"
Check = Callable[[str, str, Any], Any]
"""Takes the names of an optimizer and a setting, and its value; raises for a wrong value."""

not_negative: Check = partial(number, least=0)
from_0_to_1: Check = partial(number, least=0, most=1)


def at_least_0(*names: str) -> dict[str, Check]:
    """Entries of `Optimizer.checks` for numbers of at least 0."""
    return dict.fromkeys(names, not_negative)


def settings(scope: Mapping[str, Any]) -> Group:
    """The settings in the ``locals()`` of a constructor, or in a parameter group."""
    return {k: v for k, v in scope.items() if k not in ("self", "params", "__class__")}


class Explained:
    """The constructors of its subclasses in this package explain calls that do not fit."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__init__" in vars(cls) and cls.__module__.startswith("autograd_cnn."):
            arguments = Arguments(cls.__init__, loose=False)
            arguments.annotations = {}  # the constructors themselves check the values
            cls.__init__ = guarded(arguments)  # type: ignore[method-assign]


class Optimizer(Explained):
    """The base of optimizers: a subclass defines `_update` for one parameter.

    `params` is an iterable of tensors, or of dicts with a key "params" and settings that override
    the `defaults`.  `param_groups` holds the dicts with all settings; change a learning rate there.
    `state` holds buffers and counts by tensor.  Parameters change in place and keep their dtype.  A
    subclass lists the checks of its settings in `checks`.

    >>> class SignDescent(Optimizer):
    ...     checks = at_least_0("lr")
    ...     def _update(self, p, g, state, group):
    ...         p -= group["lr"] * np.sign(g)
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> SignDescent([x], {"lr": 0.5}).step()
    >>> x.tolist()
    [0.5, -1.5]
    """

    checks: ClassVar[Mapping[str, Check]] = {}
    needs_closure: ClassVar[bool] = False
    """Whether `step` evaluates the loss itself, so that a `training.Step` has no place for it."""

    def __init__(self, params: Params, defaults: Group) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._workspace: dict[Any, np.ndarray] = {}
        self._waiting: dict[Any, list[Any]] = {}
        given = listed(type(self).__name__, "params", _PARAMS, params)
        groups = given if isinstance(given[0], Mapping) else [{"params": given}]
        for group in groups:
            self.add_param_group(group)

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """Change the values `p` in place, and leave the gradient `g` unchanged.

        Of float16 values both are in float32, and so is the state.  `group` has the settings.
        `state` is this parameter's dict, empty before its first step; `state_dict` saves its arrays
        and numbers.
        """
        self._gather([(p, g, state)], group)

    def _gather(self, entries: Iterable[Any], group: Group) -> None:
        """Put a group's parameters, with gradients and states, into lists of `_waiting_for`."""
        raise NotImplementedError(
            f"{type(self).__name__}: define _update(self, p, g, state, group)"
        )

    def _check(self, group: Group) -> None:
        """Raise TypeError or ValueError for a setting that is wrong."""
        for name, check in self.checks.items():
            check(type(self).__name__, name, group[name])

    def _waiting_for(self, kernel: Callable[..., None], *shared: Any) -> list[Any]:
        """A list of tuples of arrays, which ``kernel(list, *shared)`` updates at the end of a step:
        a call for each costs 3 us.
        """
        return self._waiting.setdefault((kernel, shared), [])

    def _buffer(
        self, state: dict[str, Any], name: str, p: np.ndarray, start: float = 0
    ) -> np.ndarray:
        """The array `name` of the state, shaped like `p` and at first filled with `start`."""
        found = state.get(name)
        if found is None:
            found = state[name] = np.full_like(p, start)
        return found

    def _decayed(
        self, p: np.ndarray, g: np.ndarray, group: Group
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`with_decay` of a group; decoupled decay changes p instead of the gradient."""
        decay = group["weight_decay"]
        if decay and group.get("decoupled_weight_decay"):
            p *= 1 - group["lr"] * decay
            decay = 0
        return with_decay(p, g, decay, group["maximize"], self._workspace)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], T]) -> T: ...
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that require gradients and have one, in place.

        A parameter that was frozen by ``requires_grad_(False)`` rests, whatever its gradient is.
        A `closure` computes the loss and its gradients first, and `step` returns its result.
        Graphs recorded before the step cannot run backward after it.

        >>> x = ag.tensor([2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> ag.optim.SGD([x], lr=0.25).step()
        >>> x
        tensor([1.], requires_grad=True)
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        self._waiting, found = {}, False
        Writes.last = written = next_serial()
        narrow = []  # float16 and its values in float32, where squares and eps have room
        for group in self.param_groups:
            entries = []
            for p in group["params"]:
                if p._grad is not None and p.tracked:
                    array, g = p.array, p._grad.array
                    if array.dtype == _HALF:
                        array = array.astype(np.float32)
                        narrow.append((p.array, array))
                    if g.dtype is not array.dtype:
                        g = g.astype(array.dtype, copy=False)
                    # First, as an interrupt may leave the update half done.
                    if p.written is None or p.written.sharing is not None:
                        p.touch()
                    p.written.serial = written
                    entries.append((array, g, self.state.setdefault(p, {})))
            found = found or bool(entries)
            if type(self)._update is Optimizer._update:
                self._gather(entries, group)
            else:
                for entry in entries:
                    self._update(*entry, group)
        if not found:
            raise no_gradient(type(self).__name__)
        for (kernel, shared), updates in self._waiting.items():
            if updates:
                kernel(updates, *shared)
        for array, wide in narrow:
            array[...] = wide
        self._waiting = {}
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Set the gradients of all parameters to None, or existing ones to zeros.

        >>> x = ag.tensor([2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> ag.optim.SGD([x], lr=0.25).zero_grad()
        >>> x.grad is None
        True
        """
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is not None:
                    p._grad = None if set_to_none else Tensor(np.zeros_like(p.array))

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add a dict with a key "params" and settings, which default to those of the optimizer.

        A group may also have a "name".

        >>> a, b = (ag.tensor([1.0], requires_grad=True) for _ in range(2))
        >>> optimizer = ag.optim.SGD([a], lr=0.1)
        >>> optimizer.add_param_group({"params": [b], "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        name = type(self).__name__
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(
                f'{name}: a parameter group must be a dict with a key "params", got {group!r}'
            )
        unknown = set(group) - set(self.defaults) - {"params", "name", "initial_lr"}
        if unknown:
            raise ValueError(
                f"{name}: unknown setting {min(unknown)!r} in a parameter group; the settings are "
                f"{', '.join(self.defaults)}"
            )
        given = group["params"]
        params = listed(name, "params", _PARAMS, [given] if isinstance(given, Tensor) else given)
        seen = {id(p) for other in self.param_groups for p in other["params"]}
        for position, p in enumerate(params):
            _check_parameter(name, position, p)
            if id(p) in seen:
                raise ValueError(f"{name}: parameter {position} of shape {p.shape} is given twice")
            seen.add(id(p))
        full = {**self.defaults, **group, "params": params}
        self._check(full)
        self.param_groups.append(full)

    def state_dict(self) -> dict[str, Any]:
        """Copies of state and settings, with positions instead of parameters, as in PyTorch.

        ``{"state": {0: {...}, ...}, "param_groups": [{..., "params": [0, ...]}, ...]}``

        >>> state = ag.optim.SGD([ag.tensor([1.0], requires_grad=True)], lr=0.1).state_dict()
        >>> state["param_groups"][0]["params"]
        [0]
        """
        every = (p for group in self.param_groups for p in group["params"])
        order = {id(p): position for position, p in enumerate(every)}
        groups = [copy.deepcopy(settings(group)) for group in self.param_groups]
        for saved, group in zip(groups, self.param_groups):
            saved["params"] = [order[id(p)] for p in group["params"]]
        state = {order[id(p)]: copy.deepcopy(entry) for p, entry in self.state.items() if entry}
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Copy settings and state from `state_dict`, in each parameter's dtype (float16: float32).

        If groups or shapes of arrays do not fit, ValueError is raised and nothing changes.

        >>> x = ag.tensor(1.0, requires_grad=True)
        >>> fast, slow = ag.optim.SGD([x], lr=1.0), ag.optim.SGD([x], lr=0.1)
        >>> fast.load_state_dict(slow.state_dict())
        >>> fast.param_groups[0]["lr"]
        0.1
        """
        name = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state_dict, Mapping) or not {"state", "param_groups"} <= set(state_dict):
            raise ValueError(f'{name}: expected a dict with the keys "state" and "param_groups"')
        groups, state = state_dict["param_groups"], state_dict["state"]
        expected = [len(group["params"]) for group in self.param_groups]
        got = [len(group["params"]) for group in groups]
        if expected != got:
            raise ValueError(
                f"{name}: expected groups of {expected} parameters, got groups of {got}"
            )
        pairs = list(zip(self.param_groups, groups))
        by_position: dict[Any, Tensor] = {}
        for mine, theirs in pairs:
            by_position.update(zip(theirs["params"], mine["params"]))
        new_state = {}
        for position, entry in state.items():
            if position not in by_position:
                raise ValueError(f"{name}: state for parameter {position}, which is in no group")
            p = by_position[position]
            new_state[p] = {k: self._fitted(position, k, v, p) for k, v in entry.items()}
        new_groups = [{**mine, **copy.deepcopy(settings(theirs))} for mine, theirs in pairs]
        for group in new_groups:
            self._check(group)
        self.state = new_state
        for group, new in zip(self.param_groups, new_groups):
            group.update(new)

    def _fitted(self, position: Any, key: str, value: Any, p: Tensor) -> Any:
        """A copy of an entry of a state: arrays in the layout of `p`, counts as numbers."""
        name, which = f"{type(self).__name__}.load_state_dict", f"{key} of parameter {position}"
        if key in ("step", "n_iter", "func_evals"):
            count = single(name, which, value)  # PyTorch's is a tensor of float32
            return integer(name, which, int(count) if count.is_integer() else count, 0)
        if value is None or isinstance(value, (list, tuple, dict)):
            return copy.deepcopy(value)  # of an optimizer of the user's own
        array = np.asarray(values(value))
        if array.dtype.kind not in "biuf":
            raise mistake(name, which, "numbers", value)
        if not array.ndim and (
            p.ndim or array.dtype.kind != "f" or not hasattr(value, "__array__")
        ):
            return number(name, which, array.item())
        if array.shape != p.shape:
            raise ValueError(f"{name}: {which} has shape {array.shape}, expected {p.shape}")
        new = np.empty_like(p.array, np.float32 if p.dtype == _HALF else p.dtype)
        new[...] = array
        return new

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            listed = ", ".join(f"{k}={v!r}" for k, v in settings(group).items())
            lines.append(f"  {len(group['params'])} parameters: {listed}")
        return f"{type(self).__name__}(\n" + "\n".join(lines) + "\n)"


def no_gradient(name: str) -> RuntimeError:
    """The error for a step without any gradient."""
    return RuntimeError(
        f"{name}.step: no parameter has a gradient; call loss.backward() first (parameters that do "
        "not require gradients do not count)"
    )


def _check_parameter(name: str, position: int, p: Any) -> None:
    """Raise TypeError or ValueError unless `p` is a leaf that requires gradients."""
    if not isinstance(p, Tensor):
        hint = "; pass .parameters(), not .named_parameters()" if isinstance(p, tuple) else ""
        raise TypeError(
            f"{name}: parameter {position} must be a tensor, got {type(p).__name__}{hint}"
        )
    which = f"{name}: parameter {position} of shape {p.shape}"
    if p.op is not None:
        raise ValueError(f"{which} is a result of {p.op.name}; only leaves can be trained")
    if not p.requires_grad:
        raise ValueError(
            f"{which} does not require gradients; set requires_grad_(), or pass only those that do"
        )
    if not p.array.flags.writeable:
        raise ValueError(f"{which} has read-only memory; p.data = p.data.copy() replaces it")
