"""L-BFGS: steps shaped by past changes of the gradient, each with a search along its direction."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from itertools import accumulate
from typing import Any, ClassVar, NamedTuple

import numpy as np

from autograd_cnn.checks import choice, integer, mistake, single
from autograd_cnn.engine.modes import enable_grad
from autograd_cnn.optim.optimizer import (
    Check,
    Optimizer,
    Params,
    at_least_0,
    no_gradient,
    settings,
)
from autograd_cnn.tensor import Tensor

_CLOSURE = "a function that computes the loss and its gradients, and returns the loss"
_SEARCHES: Any = (None, "strong_wolfe")
_FRESH = {"func_evals": 0, "n_iter": 0, "old_dirs": [], "old_stps": [], "ro": [], "H_diag": 1.0}
_LISTS = ("old_dirs", "old_stps", "ro", "al")  # the last is PyTorch's


class LBFGS(Optimizer):
    """Minimises a loss that is always of the same data, in up to `max_iter` iterations per `step`:

        s, y = how the last iteration changed the parameters p, and their gradient g
        d = -H g         (H: what the last `history_size` pairs s, y tell of the inverse Hessian)
        p = p + t * d

    t is `lr`, and ``lr * min(1, 1 / sum(|g|))`` in the very first iteration.  With
    ``line_search_fn="strong_wolfe"`` a search from there finds a t where the loss is low enough and
    its slope flat enough.  A step ends earlier after `max_eval` calls of the closure, by default
    ``max_iter * 5 // 4``; when no gradient is above `tolerance_grad`; or when the loss, or every
    parameter, changes by `tolerance_change` at most.  Nocedal and Wright (2006), Algorithms 7.4,
    3.5 and 3.6, in PyTorch's form.

    Each step needs a closure.  An error or Ctrl-C in it leaves all as it was before the step.

    >>> x = ag.tensor([-1.0, 1.0], requires_grad=True)
    >>> optimizer = ag.optim.LBFGS([x], max_iter=50, line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    4.0
    >>> x.numpy().round(2)
    array([1., 1.], dtype=float32)
    """

    needs_closure = True
    checks: ClassVar[Mapping[str, Check]] = {
        **at_least_0("lr", "tolerance_grad", "tolerance_change"),
        **dict.fromkeys(("max_iter", "max_eval", "history_size"), partial(integer, least=1)),
        "line_search_fn": partial(choice, allowed=_SEARCHES),
    }

    def __init__(
        self,
        params: Params,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if max_eval is None:
            max_eval = integer("LBFGS", "max_iter", max_iter, 1) * 5 // 4
        super().__init__(params, settings(locals()))

    def add_param_group(self, group: Mapping[str, Any]) -> None:
        """Set the only group."""
        if self.param_groups:
            raise ValueError("LBFGS: all parameters must be in one group; give them as one list")
        super().add_param_group(group)

    def step(self, closure: Any = None) -> Any:
        """Minimise for `max_iter` iterations; returns the result of the first call of `closure`."""
        if not callable(closure):
            raise mistake("LBFGS.step", "closure", _CLOSURE, closure)
        before = self._values()
        try:
            return self._minimise(closure)
        except BaseException:
            self._write(before)
            raise

    def _minimise(self, closure: Callable[[], Any]) -> Any:
        (group,) = self.param_groups
        first, least = group["params"][0], group["tolerance_change"]
        state = {**_FRESH, **self.state.get(first, {})}
        result, loss, g = self._evaluate(closure)
        calls, iterations, done = 1, 0, self._is_flat(g)
        while not done:
            iterations += 1
            state["n_iter"] += 1
            _learn(state, g, group["history_size"])
            d, t = _direction(state, g), group["lr"]
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(np.abs(g).sum()))
            state.update(d=d, t=t, prev_flat_grad=g)
            slope, before = float(g @ d), loss
            if not -math.inf < slope <= -least:
                break
            x = self._values()
            if group["line_search_fn"]:
                at = partial(self._at, closure, x, d)
                here, most = _Point(0.0, loss, g, slope), group["max_eval"] - calls
                there, more = _strong_wolfe(at, here, t, most, least / float(np.abs(d).max()))
                t, loss, g, _ = there
                calls += more
            self._write(x + t * d)
            if not group["line_search_fn"] and iterations < group["max_iter"]:
                _, loss, g = self._evaluate(closure)
                calls += 1
            state["t"] = t
            done = iterations >= group["max_iter"] or calls >= group["max_eval"]
            done = done or self._is_flat(g) or float(np.abs(t * d).max()) <= least
            done = done or abs(loss - before) < least
        state["func_evals"] += calls
        self.state[first] = state
        return result

    def _evaluate(self, closure: Callable[[], Any]) -> tuple[Any, float, np.ndarray]:
        """The closure's result, the loss and its gradient in all parameters, at their values."""
        with enable_grad():
            result = closure()
        loss = single("LBFGS.step", "the closure's result", result)
        given = [None if p._grad is None or not p.tracked else p._grad.array for p in self._all()]
        if all(g is None for g in given):
            raise no_gradient("LBFGS")
        parts = [np.zeros(p.shape) if g is None else g for p, g in zip(self._all(), given)]
        return result, loss, self._flat(parts)

    def _at(self, closure: Callable[[], Any], x: np.ndarray, d: np.ndarray, t: float) -> _Point:
        """The point `t` steps along `d` from `x`; a loss that is no number counts as infinite."""
        self._write(x + t * d)
        _, loss, g = self._evaluate(closure)
        return _Point(t, math.inf if math.isnan(loss) else loss, g, float(g @ d))

    def _is_flat(self, g: np.ndarray) -> bool:
        return bool(np.abs(g).max(initial=0.0) <= self.param_groups[0]["tolerance_grad"])

    def _all(self) -> list[Any]:
        return list(self.param_groups[0]["params"])

    def _flat(self, arrays: list[np.ndarray]) -> np.ndarray:
        """Arrays as one vector, in float32 at least."""
        dtype = np.result_type(np.float32, *(p.dtype for p in self._all()))
        return np.concatenate([array.ravel() for array in arrays], dtype=dtype, casting="same_kind")

    def _values(self) -> np.ndarray:
        return self._flat([p.array for p in self._all()])

    def _write(self, x: np.ndarray) -> None:
        """Set the parameters that are not frozen."""
        ends = list(accumulate(p.size for p in self._all()))
        for p, part in zip(self._all(), np.split(x, ends)):
            if p.tracked:
                p.touch()
                p.array[...] = part.reshape(p.shape)

    def _fitted(self, position: Any, key: str, value: Any, p: Any) -> Any:
        whole, fitted = Tensor(self._values()), super()._fitted
        if isinstance(value, (list, tuple)) is not (key in _LISTS):
            wanted = "a list" if key in _LISTS else "a number or an array"
            raise mistake("LBFGS.load_state_dict", f"{key} of parameter {position}", wanted, value)
        if key not in _LISTS:
            return fitted(position, key, value, whole)
        return [fitted(position, key, v, whole) for v in value if v is not None]


class _Point(NamedTuple):
    """A point on the line of a search: `t`, the loss there, the gradient, the slope of the loss."""

    t: float
    loss: float
    gradient: np.ndarray
    slope: float


def _learn(state: dict[str, Any], g: np.ndarray, size: int) -> None:
    """Remember how the gradient changed over the last iteration, if it rose on the way."""
    if state.get("prev_flat_grad") is None:
        return
    y, s = g - state["prev_flat_grad"], state["t"] * state["d"]
    rise = float(y @ s)
    if rise > 1e-10:
        for name, new in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / rise)):
            state[name] = [*state[name], new][-size:]
        state["H_diag"] = rise / float(y @ y)


def _direction(state: dict[str, Any], g: np.ndarray) -> np.ndarray:
    """``-H g``, by the recursion in two loops."""
    pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"]))
    d, shares = -g, []
    for y, s, ro in reversed(pairs):
        shares.append(ro * float(s @ d))
        d -= shares[-1] * y
    d *= state["H_diag"]
    for y, s, ro in pairs:
        d += (shares.pop() - ro * float(y @ d)) * s
    return d


def _strong_wolfe(
    at: Callable[[float], _Point], start: _Point, t: float, most: int, least: float
) -> tuple[_Point, int]:
    """A point with a loss well below the start and a slope much flatter, and the calls of `at`.

    It tries `t` first.  After `most` more calls, or between points that are `least` apart, it is
    the lowest point so far.
    """

    def high(p: _Point) -> bool:
        return p.loss > start.loss + 1e-4 * p.t * start.slope

    def flat(p: _Point) -> bool:
        return abs(p.slope) <= -0.9 * start.slope

    before, new, calls = start, at(t), 1
    while calls <= most:  # until a point with a flat slope lies between two points
        over = high(new) or (calls > 2 and new.loss >= before.loss)
        if not over and flat(new):
            return new, calls
        if over or new.slope >= 0:
            break
        ahead = _between(before, new, new.t + 0.01 * (new.t - before.t), 10 * new.t)
        before, new, calls = new, at(ahead), calls + 1
    else:
        before = start
    low, far = sorted((before, new), key=lambda p: p.loss)
    slow = False
    while calls <= most and abs(far.t - low.t) >= least:
        left, right = sorted((low.t, far.t))
        t, margin = _between(low, far, left, right), 0.1 * (right - left)
        near = min(right - t, t - left) < margin
        if near and (slow or not left < t < right):
            t = right - margin if right - t < t - left else left + margin
            near = False
        slow = near
        new, calls = at(t), calls + 1
        if high(new) or new.loss >= low.loss:
            low, far = sorted((low, new), key=lambda p: p.loss)
            continue
        if flat(new):
            return new, calls
        far, low = low if new.slope * (far.t - low.t) >= 0 else far, new
    return low, calls


def _between(a: _Point, b: _Point, least: float, most: float) -> float:
    """Where the cubic through two points with their slopes is lowest, within bounds."""
    a, b = sorted((a, b), key=lambda p: p.t)
    with np.errstate(all="ignore"):
        mean = a.slope + b.slope - 3 * np.divide(a.loss - b.loss, a.t - b.t)
        root = np.sqrt(mean**2 - a.slope * b.slope)
        share = (b.slope + root - mean) / (b.slope - a.slope + 2 * root)
        lowest = float(b.t - (b.t - a.t) * share)
    return (least + most) / 2 if math.isnan(lowest) else min(max(lowest, least), most)
