"""Finding the operation that made the first NaN or infinity."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import copy_context
from typing import Any

import numpy as np

from autograd_cnn.diagnose.origin import Origins, here, origin_of
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import describe, values
from autograd_cnn.engine.watch import Watching, replaced_watcher


@checked
def detect_anomaly(check_inf: bool = True) -> Watching:
    """Raise in the ``with`` block as soon as an op or a backward rule makes NaN or infinity.

    The FloatingPointError names the op, the layer, the line of your code that called it, and the
    inputs.  For a backward rule, run the forward in the block too, so that its line is known.
    `check_inf=False` allows infinities, which some models use as masks.  NumPy's own warnings are
    silent in ops.  Checks take time, so use them to find mistakes.  They cover this thread or
    async task only.

    >>> x = ag.tensor([1.0, 0.0], requires_grad=True)
    >>> with ag.detect_anomaly():
    ...     ag.sqrt(x).sum().backward()  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    FloatingPointError: the backward rule of sqrt for x made infinity in 1 of 2 values, ...
    """
    return Watching(_Anomaly(check_inf))


def _silenced(compute: Any) -> Any:
    """The result of ``compute()`` without NumPy's warnings; run it in a copy of the context."""
    np.seterr(divide="ignore", over="ignore", invalid="ignore")
    return compute()


class _Anomaly(Origins):
    def __init__(self, check_inf: bool) -> None:
        self.check_inf = check_inf
        self.inside = Origins()
        """Watches the ops inside a backward rule; only the rule's result is checked."""

    def operation(self, op: Any, args: Sequence[Any], compute: Any) -> Any:
        return copy_context().run(_silenced, compute)

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        super().made(node, op, args)
        if not self._sound(node.array):
            raise FloatingPointError(
                f"{op.name} made {self._found(node.array)}\n"
                f"{self._inputs(op, args)}  called at {here(op.name)}"
            )

    def rule(self, node: Any, name: str, g: Any, compute: Any) -> Any:
        with replaced_watcher(self, self.inside):
            result = copy_context().run(_silenced, compute)
        several = isinstance(result, (tuple, list))
        for gradient in result if several else [result]:
            if gradient is not None and not self._sound(values(gradient)):
                op = node.op
                unknown = "an unknown place: run the forward inside detect_anomaly() too"
                raise FloatingPointError(
                    f"the backward rule of {op.name} for {name} made "
                    f"{self._found(values(gradient))}\n"
                    f"  incoming gradient {self._shown(g)}\n"
                    f"{self._inputs(op, node.inputs)}"
                    f"  {op.name} was called at {origin_of(node) or unknown}"
                )
        return result

    def _inputs(self, op: Any, args: Sequence[Any]) -> str:
        """A line for each input of a call."""
        names = [op.inputs[0]] * len(args) if op.variadic else op.inputs
        given = zip(names, args)
        return "".join(f"  input {n} {self._shown(x)}\n" for n, x in given if x is not None)

    def _bad(self, array: Any) -> Any:
        return ~np.isfinite(array) if self.check_inf else np.isnan(array)

    def _sound(self, array: Any) -> bool:
        return array.dtype.kind not in "fc" or not bool(self._bad(array).any())

    def _found(self, array: Any) -> str:
        bad = self._bad(array)
        what = "NaN" if np.isnan(array).any() else "infinity"
        first = [int(k) for k in np.argwhere(bad)[0]]
        return f"{what} in {int(bad.sum())} of {bad.size} values, first at {first}"

    def _shown(self, x: Any) -> str:
        x = values(x)
        if not isinstance(x, np.ndarray) or x.dtype.kind not in "fiu" or not x.size:
            return describe(x)
        if not self._sound(x):
            return f"{describe(x)} holds {self._found(x)} already"
        return f"{describe(x)} lies between {x.min():.4g} and {x.max():.4g}"
