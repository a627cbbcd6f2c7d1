"""Optimizer: parameter groups, the step over all parameters, and the state that can be kept."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from autograd_cnn.checks import number
from autograd_cnn.engine.modes import enable_grad
from autograd_cnn.engine.node import values
from autograd_cnn.optim.arguments import check_parameter, iterable
from autograd_cnn.tensor import Tensor

Group = dict[str, Any]


class Optimizer:
    """The base of optimizers: a subclass defines `_update` for one parameter.

    `params` is an iterable of tensors, or of dicts with a key "params" and settings of their own,
    which override the `defaults`.  `param_groups` holds the dicts with all settings filled in;
    change a learning rate there.  `state` holds what the optimizer remembers, by tensor.

    Raises TypeError for what is not a tensor or, among the settings, not a number, and ValueError
    for no parameters, a repeated one, one that is not a leaf or does not require gradients, and
    settings out of range.

    >>> import autograd_cnn as ag
    >>> class SignDescent(Optimizer):
    ...     def _update(self, p, g, state, group):
    ...         p -= group["lr"] * np.sign(g)
    >>> x = ag.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = SignDescent([x], {"lr": 0.5})
    >>> (x * x).sum().backward()
    >>> optimizer.step()
    >>> x.tolist()
    [0.5, -1.5]
    """

    def __init__(self, params: Iterable[Any], defaults: Group) -> None:
        self.defaults = defaults
        self.param_groups: list[Group] = []
        self.state: dict[Tensor, dict[str, Any]] = {}
        self._workspace: dict[Any, np.ndarray] = {}
        self._waiting: dict[Any, list[Any]] = {}
        given = list(iterable(type(self).__name__, params))
        if not given:
            raise ValueError(
                f"{type(self).__name__}: got no parameters; an iterator such as net.parameters() "
                f"can be used only once"
            )
        if not isinstance(given[0], Mapping):
            given = [{"params": given}]
        for group in given:
            self.add_param_group(group)

    # ----------------------------------------------------------------------- what subclasses define

    def _update(self, p: np.ndarray, g: np.ndarray, state: dict[str, Any], group: Group) -> None:
        """Change the values `p` in place, given the gradient `g`, which must be left as it is.

        `group` has the settings.  `state` is this parameter's own dict, empty before its first
        step; arrays in it are kept by `state_dict`.  A kernel that updates many parameters in one
        call (SGD and Adam, where a call for each took 3 us) goes through `_together`."""
        raise NotImplementedError(
            f"{type(self).__name__}: define _update(self, p, g, state, group)"
        )

    def _together(
        self, kernel: Callable[..., None], settings: tuple[Any, ...], *arrays: Any
    ) -> None:
        """Let ``kernel([arrays, ...], *settings)`` update, with all that have the same settings,
        after the last `_update` of the step."""
        self._waiting.setdefault((kernel, settings), []).append(arrays)

    def _check(self, group: Group) -> None:
        """Raise ValueError for settings out of range."""

    def _require(self, fits: bool, group: Group, name: str, rule: str) -> None:
        """Raise ValueError, naming the setting and its value, unless it `fits`."""
        if not fits:
            raise ValueError(f"{type(self).__name__}: {name} must be {rule}, got {group[name]!r}")

    def _require_at_least_0(self, group: Group, *names: str) -> None:
        """Raise TypeError or ValueError unless these settings are numbers from 0."""
        for name in names:
            number(type(self).__name__, name, group[name], least=0)

    def _work(self, p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two arrays shaped like `p` for intermediate results; the next call reuses them."""
        flat = self._workspace.get(p.dtype)
        if flat is None or flat.shape[1] < p.size:
            self._workspace[p.dtype] = flat = np.empty((2, p.size), p.dtype)
        return flat[0, : p.size].reshape(p.shape), flat[1, : p.size].reshape(p.shape)

    def _buffer(
        self, state: dict[str, Any], name: str, p: np.ndarray, start: float = 0
    ) -> np.ndarray:
        """The array `name` of the state, shaped like `p`; full of `start` before the first step."""
        found = state.get(name)
        if found is None:
            found = state[name] = np.full_like(p, start)
        return found

    def _decayed(self, p: np.ndarray, g: np.ndarray, out: np.ndarray, group: Group) -> np.ndarray:
        """The gradient with weight decay, ``g + weight_decay * p``; `maximize` turns the sign of g.

        The result is `out`, or `g` itself where nothing changes.  Decoupled decay goes into `p`."""
        decay = group["weight_decay"]
        if decay and group.get("decoupled_weight_decay"):
            p *= 1 - group["lr"] * decay
        elif decay:
            np.multiply(p, decay, out=out)
            return (np.subtract if group["maximize"] else np.add)(out, g, out=out)
        return np.negative(g, out=out) if group["maximize"] else g

    # --------------------------------------------------------------------------------------- in use

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient, in place.

        `closure`, if given, computes the loss and its gradients first; its result is returned.
        Graphs recorded before refuse to run backward afterwards.  Raises RuntimeError when no
        parameter has a gradient, ValueError for a gradient of another shape.

        >>> from autograd_cnn import optim, tensor
        >>> x = tensor([2.0], requires_grad=True)
        >>> optimizer = optim.SGD([x], lr=0.25)
        >>> (x * x).sum().backward()
        >>> optimizer.step()
        >>> x
        tensor([1.], requires_grad=True)
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        pending = []
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is None:
                    continue
                array, g = p.array, p._grad.array
                if g.shape != array.shape:
                    raise ValueError(
                        f"{type(self).__name__}.step: a parameter of shape {array.shape} has a "
                        f"gradient of shape {g.shape}"
                    )
                if g.dtype is not array.dtype:
                    g = g.astype(array.dtype, copy=False)
                pending.append((p, array, g, group))
        if not pending:
            raise RuntimeError(
                f"{type(self).__name__}.step: no parameter has a gradient; call loss.backward() "
                f"first"
            )
        self._waiting = {}
        for p, array, g, group in pending:
            self._update(array, g, self.state.setdefault(p, {}), group)
            p.touch()
        for (kernel, settings), updates in self._waiting.items():
            kernel(updates, *settings)
        self._waiting = {}
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: None, or zeros where there was one.

        >>> from autograd_cnn import optim, tensor
        >>> x = tensor([2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> optim.SGD([x], lr=0.25).zero_grad()
        >>> x.grad is None
        True
        """
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is not None:
                    p._grad = None if set_to_none else Tensor(np.zeros_like(p.array))

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Add parameters with settings of their own: a dict with a key "params".

        Settings that are not given take the defaults.  A "name" may be added.  The class says which
        errors are raised; an unknown setting raises ValueError.

        >>> from autograd_cnn import optim, tensor
        >>> a, b = (tensor([1.0], requires_grad=True) for _ in range(2))
        >>> optimizer = optim.SGD([a], lr=0.1)
        >>> optimizer.add_param_group({"params": [b], "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        name = type(self).__name__
        if not isinstance(group, Mapping) or "params" not in group:
            raise TypeError(
                f'{name}: a parameter group is a dict with a key "params", got {group!r}'
            )
        unknown = set(group) - set(self.defaults) - {"params", "name", "initial_lr"}
        if unknown:
            raise ValueError(
                f"{name}: unknown setting {min(unknown)!r} in a parameter group; there are "
                f"{', '.join(self.defaults)}"
            )
        params = [group["params"]] if isinstance(group["params"], Tensor) else group["params"]
        params = list(iterable(name, params))
        if not params:
            raise ValueError(f"{name}: a parameter group has no parameters")
        seen = {id(p) for other in self.param_groups for p in other["params"]}
        for position, p in enumerate(params):
            check_parameter(name, position, p)
            if id(p) in seen:
                raise ValueError(f"{name}: parameter {position} of shape {p.shape} is given twice")
            seen.add(id(p))
        full = {**self.defaults, **group, "params": params}
        self._check(full)
        self.param_groups.append(full)

    # ---------------------------------------------------------------------------- keeping the state

    def state_dict(self) -> dict[str, Any]:
        """Copies of state and settings, with positions in place of parameters, as in PyTorch.

        ``{"state": {0: {...}, ...}, "param_groups": [{..., "params": [0, ...]}, ...]}``

        >>> from autograd_cnn import optim, tensor
        >>> state = optim.SGD([tensor([1.0], requires_grad=True)], lr=0.1).state_dict()
        >>> state["param_groups"][0]["params"]
        [0]
        """
        every = (p for group in self.param_groups for p in group["params"])
        order = {id(p): position for position, p in enumerate(every)}
        groups = [
            {**copy.deepcopy(_settings(group)), "params": [order[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {order[id(p)]: copy.deepcopy(entry) for p, entry in self.state.items() if entry}
        return {"state": dict(sorted(state.items())), "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over settings and state from `state_dict`, as copies in each parameter's dtype.

        Raises ValueError, and changes nothing, when the groups or the shapes of arrays do not fit.

        >>> from autograd_cnn import optim, tensor
        >>> fast, slow = (optim.SGD([tensor(1.0, requires_grad=True)], lr=r) for r in (1.0, 0.1))
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
        by_position: dict[Any, Tensor] = {}
        for mine, theirs in zip(self.param_groups, groups):
            by_position.update(zip(theirs["params"], mine["params"]))
        new_state = {}
        for position, entry in state.items():
            if position not in by_position:
                raise ValueError(f"{name}: state for parameter {position}, which is in no group")
            p = by_position[position]
            new_state[p] = {k: _fitted(name, position, k, v, p) for k, v in entry.items()}
        new_groups = [
            {**group, **copy.deepcopy(_settings(theirs))}
            for group, theirs in zip(self.param_groups, groups)
        ]
        for group in new_groups:
            self._check(group)
        self.state = new_state
        for group, new in zip(self.param_groups, new_groups):
            group.update(new)

    def __repr__(self) -> str:
        lines = []
        for group in self.param_groups:
            settings = ", ".join(f"{k}={v!r}" for k, v in _settings(group).items())
            lines.append(f"  {len(group['params'])} parameters: {settings}")
        return f"{type(self).__name__}(\n" + "\n".join(lines) + "\n)"


def move_mean(mean: np.ndarray, keep: float, new: np.ndarray, work: np.ndarray) -> None:
    """``mean = keep * mean + (1 - keep) * new`` in place; `work` is overwritten and may be `new`.

    >>> mean = np.array([1.0])
    >>> move_mean(mean, 0.75, np.array([3.0]), np.empty(1))
    >>> mean
    array([1.5])
    """
    mean *= keep
    mean += np.multiply(new, 1 - keep, out=work)


def _settings(group: Mapping[str, Any]) -> Group:
    return {k: v for k, v in group.items() if k != "params"}


def _fitted(name: str, position: Any, key: str, value: Any, p: Tensor) -> Any:
    """A copy of an entry of the state: arrays in the dtype and layout of `p`, counts as numbers."""
    if not hasattr(value, "__array__"):
        return copy.deepcopy(value)
    value = np.asarray(values(value))
    if not value.ndim and (p.ndim or value.dtype.kind != "f"):
        return value.item()
    if value.shape != p.shape:
        raise ValueError(
            f"{name}: {key} of parameter {position} has shape {value.shape}, expected {p.shape}"
        )
    new = np.empty_like(p.array)
    new[...] = value
    return new
