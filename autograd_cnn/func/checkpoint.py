"""Checkpoints in a graph: saving memory by computing parts again when backward needs them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from zlib import crc32

import numpy as np

from autograd_cnn import random
from autograd_cnn.config import get_num_threads
from autograd_cnn.engine import modes
from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.backward import backpropagate
from autograd_cnn.engine.node import GraphError, describe, next_serial, values, wrap
from autograd_cnn.engine.op import Op
from autograd_cnn.engine.watch import Watcher, Watching
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.tree import flatten, floating, pack, unpack


@checked
def checkpoint(f: Function, *args: Any, **kwargs: Any) -> Any:
    """``f(*args, **kwargs)``, keeping only its inputs for backward, which runs `f` again.

    `f` returns a tensor, or tuples, lists and dicts of them.  Results and gradients are those of a
    plain call, also for tensors that `f` closes over, such as parameters.  Dropout draws the same
    numbers again, also while other threads draw.  Batch norm counts the batch once.  Checkpoints
    nest, and higher derivatives are exact.  Everything else that `f` reads must be the same when it
    runs again.  Chen, Xu, Zhang and Guestrin, "Training deep nets with sublinear memory cost"
    (2016).

    Raises GraphError when `f` changes a tensor from outside in place.  Backward raises GraphError
    when a tensor was changed in place since, or when `f` runs other ops the second time, gives them
    other arrays, numbers or tensors, or returns other values.  Arrays among the arguments may
    change, as for a plain op; `f` must not write to those with gaps or repeated values.

    >>> x = ag.tensor([0.0, 1.0], requires_grad=True)
    >>> y = ag.checkpoint(lambda x: ag.exp(ag.exp(x) * 2.0), x)
    >>> y.op.name
    'checkpoint'
    >>> ag.grad(y.sum(), x)[0].shape
    (2,)
    """
    if not modes.is_grad_enabled():
        return f(*args, **kwargs)
    outside = _Outside(next_serial())
    (args, kwargs), kept = _kept(args, kwargs)
    # Ops record here, because `f` may ask for gradients.  The graph dies with this function.
    with random.record() as draws, Watching(outside):
        result = f(*args, **kwargs)
        leaves, rebuild = flatten(result)
        parts = [x for x in leaves if floating(x)]
        packed = pack(parts) if parts else None
    inputs = tuple(outside.read(parts).values())
    outside.places.clear()
    if packed is None or not any(x.requires_grad for x in inputs):
        return result

    def again(g: Any, out: Any, wanted: Sequence[bool]) -> list[Any]:
        """Gradients of the inputs, from a second evaluation."""
        if any(x.serial >= outside.start for x in inputs):  # such a tensor has a newer version
            raise GraphError(
                "checkpoint: an input was changed in place after the function used it, so running "
                "it again would give other values; write x = x + y instead of x += y"
            )
        targets = [x for x, want in zip(inputs, wanted) if want]
        found = _recomputed(lambda: f(*kept[0], **kept[1]), draws, targets, g, values(out), outside)
        return [found[x.serial][1] if x.serial in found else None for x in inputs]

    node = wrap(packed.array, True)
    node.op, node.inputs, node.params = CHECKPOINT, inputs, {"again": again}
    new = iter(unpack(node, parts))
    return rebuild([next(new) if floating(x) else x for x in leaves])


def _kept(args: Any, kwargs: Any) -> tuple[Any, Any]:
    """The arguments for now and for later; later ones have copies of the arrays.

    Where a copy has another layout, and sums may round differently, both evaluations read it.
    """
    leaves, rebuild = flatten((args, kwargs))
    later = [x.copy(order="K") if isinstance(x, np.ndarray) else x for x in leaves]
    if all(x is copy for x, copy in zip(leaves, later)):
        return (args, kwargs), (args, kwargs)
    for place, (x, copy) in enumerate(zip(leaves, later)):
        if isinstance(x, np.ndarray) and x.strides != copy.strides:
            copy.flags.writeable = False  # as the caller would not see what the function writes
            leaves[place] = copy
    return rebuild(leaves), rebuild(later)


_PLAIN = (bool, int, float, complex, str, slice, np.generic)


class _Outside(Watcher):
    """Collects the inputs of ops that come from outside, which means from before `start`.

    `seen` is a checksum of the ops and of all that they get: a result inside by its place in the
    order of first use, as its value does not tell it from others.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.used: dict[int, Tensor] = {}
        self.places: dict[int, int] = {}
        self.seen, self.threads = 0, get_num_threads()

    def made(self, node: Any, op: Any, args: Sequence[Any]) -> None:
        self._see(f"{op.name} {node.tracked}")
        self.read(args)
        for name in op.params:
            self._see(name)
            self.read(flatten(node.params.get(name))[0])
        self.places[node.serial] = len(self.places)

    def read(self, given: Sequence[Any]) -> dict[int, Tensor]:
        """Note what is used; returns the tensors from outside so far."""
        for x in given:
            if not isinstance(x, Tensor):
                self._see(x)
            elif x.serial < self.start:
                self.used[x.serial] = x
                self._see(x.serial)
            else:
                self._see(self.places.setdefault(x.serial, len(self.places)))
                if x.op is None:
                    self._see(x.array)
        return self.used

    def _see(self, x: Any) -> None:
        if isinstance(x, np.ndarray):
            self._see(f"{x.shape}{x.dtype}")
            self.seen = crc32(np.ascontiguousarray(x).data.cast("B") if x.size else b"", self.seen)
        else:
            shown = repr(x) if isinstance(x, _PLAIN) else type(x).__name__
            self.seen = crc32(shown.encode(), self.seen)

    def changing(self, node: Any) -> None:
        if node.serial < self.start:
            raise GraphError(
                f"checkpoint: the function changes a tensor {describe(node)} from outside in "
                "place, and would change it again when it runs for backward; write x = x + y "
                "instead of x += y"
            )


def _recomputed(
    compute: Callable[[], Any],
    draws: random.Draws,
    targets: Sequence[Tensor],
    g: Any,
    expected: np.ndarray,
    first: _Outside,
) -> dict[int, Any]:
    """The gradients of `targets`, by serial, from a second evaluation that gives `expected`."""
    create_graph, start = modes.is_grad_enabled(), next_serial()
    second = _Outside(first.start)
    with modes.enable_grad(), modes.recomputation(), random.replay(draws), Watching(second):
        parts = [x for x in flatten(compute())[0] if floating(x)]
        packed = pack(parts) if parts else None
    second.read(parts)
    exact = second.threads == first.threads  # then not even the last digits differ
    read = not exact or second.seen == first.seen
    if packed is None or not read or not _same(packed.array, expected, exact):
        raise GraphError(
            "checkpoint: the function gave other shapes or values when it ran again for backward; "
            "do not change arrays that it reads before backward"
        )
    return backpropagate(
        [packed],
        [g],
        create_graph=create_graph,
        retain_graph=create_graph,
        targets=targets,
        since=start,
    )


def _same(found: np.ndarray, expected: np.ndarray, exact: bool) -> bool:
    """Whether two evaluations agree, each value up to half its digits.

    Unless `exact`, values may also differ by rounding beside the largest one: another number of
    threads adds in another order.
    """
    if found.shape != expected.shape:
        return False
    share = float(np.sqrt(np.finfo(found.dtype).eps))
    largest = 0.0 if exact else np.abs(expected).max(initial=0.0, where=np.isfinite(expected))
    return np.allclose(found, expected, rtol=share, atol=share * float(largest), equal_nan=True)


CHECKPOINT = Op(
    name="checkpoint",
    forward=checkpoint,
    inputs=("inputs",),
    rules=(None,),
    joint=lambda g, out, *inputs, again, wanted: again(g, out, wanted),
    variadic=True,
    params=("again",),
)
"""The op of the tensors that `checkpoint` makes; its computation is among its parameters."""
