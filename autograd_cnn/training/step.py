"""A training step as a program of kernel calls."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn import kernels, nn, random
from autograd_cnn.checks import integer, mistake
from autograd_cnn.config import changed
from autograd_cnn.engine import modes
from autograd_cnn.engine.backward import backpropagate
from autograd_cnn.engine.gradients import accumulate_gradients, seed_gradient
from autograd_cnn.engine.node import GraphError, Node, values, wrap
from autograd_cnn.functional.normalization import shards
from autograd_cnn.kernels.threads import one_blas_thread
from autograd_cnn.nn.program import Program, Programs, as_written, fitting
from autograd_cnn.nn.recorded import Found, add_gradients
from autograd_cnn.ops.loss import check_classes
from autograd_cnn.tensor.showing import one_line
from autograd_cnn.tensor.tree import flatten
from autograd_cnn.training import shards as parts

if TYPE_CHECKING:
    from autograd_cnn.optim import Optimizer
    from autograd_cnn.tensor.types import Tensor

AUDIT = "AUTOGRAD_CNN_AUDIT"


class Step:
    """``step(inputs, targets)`` trains a model on a batch, and returns the loss without a graph.

    It does what ``optimizer.zero_grad(); loss(model(inputs), targets).backward();
    optimizer.step()`` does, to the bit, with less Python in between: a `nn.Sequential` of layers
    of this package runs as a program (`nn.program`).  Anything else takes the ordinary way: other
    models and subclasses, integer inputs, inputs that require gradients, hooks, and watchers such
    as `ag.profile`.  `reduce`, if given, is called with the gradients, a list of
    arrays in the order of the optimizer's parameters, and may change them in place.

    `shards` cuts every batch into so many parts, which take a fraction of its memory.  They are
    computed one after the other, and the gradients are those of the mean of their losses, weighted
    by samples.  So the `loss` must be a mean over samples.  Batch norm normalises each part by
    itself.  Its running statistics follow the whole batch.

    The first step of each program (every step if ``AUTOGRAD_CNN_AUDIT=1`` is set when `Step` is
    made) compares its results with the ordinary way.  What is the user's runs once per step: under
    another loss than cross entropy the model is compared, with a module of the user nothing is.

    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> step = Step(model, F.cross_entropy, ag.optim.SGD(model.parameters(), lr=0.1))
    >>> images, labels = np.ones((2, 1, 2, 2), np.float32), np.array([0, 2])
    >>> first, second = step(images, labels), step(images, labels)
    >>> bool(second < first)
    True
    """

    def __init__(
        self,
        model: Any,
        loss: Callable[..., Any],
        optimizer: Optimizer,
        *,
        reduce: Callable[[list[np.ndarray]], Any] | None = None,
        shards: int = 1,
    ) -> None:
        for name, given in (("model", model), ("loss", loss)):
            if not callable(given):
                raise TypeError(f"Step: {name} must be callable, got {type(given).__name__}")
        if isinstance(optimizer, type) or not hasattr(optimizer, "zero_grad"):
            raise mistake("Step", "optimizer", "an optimizer such as SGD(parameters)", optimizer)
        if getattr(optimizer, "needs_closure", False):
            name = type(optimizer).__name__
            raise TypeError(f"Step: {name} computes losses itself; call its step(closure) instead")
        integer("Step", "shards", shards, 1)
        settings = {name: getattr(loss, name, None) for name in ("reduction", "weight")}
        settings |= getattr(loss, "keywords", {})  # of a partial
        if shards > 1 and (settings["reduction"] or "mean") != "mean":
            raise ValueError(f"Step: with shards, loss must be a mean, got {loss!r}")
        if shards > 1 and settings["weight"] is not None:
            raise ValueError(f"Step: with shards, all samples must count as much, got {loss!r}")
        self.model, self.loss, self.optimizer, self.reduce = model, loss, optimizer, reduce
        self.shards = shards
        self.outputs: Tensor | None = None
        """The model's result of the last batch, without a graph."""
        self._programs = Programs()
        self._refused = False
        self._audit = os.environ.get(AUDIT) == "1"

    __repr__ = one_line

    def __call__(self, inputs: Any, targets: Any) -> Tensor:
        """One step on a batch; `inputs` and `targets` are what the model and the loss take."""
        loss = self._gradients(inputs, targets)
        if self.reduce is not None:
            self.reduce([p.grad.array for p in self._parameters() if p.grad is not None])
        self.optimizer.step()
        return wrap(loss)

    def _parameters(self) -> list[Any]:
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def _gradients(self, inputs: Any, targets: Any) -> np.ndarray:
        """The loss of a batch, with gradients in the parameters."""
        if self.shards == 1:
            return self._whole(inputs, targets)
        count = parts.samples(inputs, targets)
        classes = values(targets) if isinstance(values(targets), np.ndarray) else np.empty(0)
        if classes.dtype.kind == "i" and (classes < 0).any():
            raise ValueError("Step: with shards, all targets must count; some are less than 0")
        places = parts.cuts(count, self.shards, self.model)
        seed = int(random.generator().integers(2**63))

        def shard(number: int) -> parts.Shard:
            return self._shard(number, *places[number], count, seed, inputs, targets)

        every = self._every(shard, len(places), (count, seed, inputs, targets))
        row, self.outputs = parts.added(every, parts.buffers_of(self.model))
        return parts.unpack(row, self._parameters())

    def _every(self, shard: Any, number: int, batch: Any) -> Iterable[parts.Shard]:
        """So many shards of a batch, in order."""
        return map(shard, range(number))

    def _whole(self, inputs: Any, targets: Any) -> np.ndarray:
        """The loss of a batch in one piece, with gradients in the parameters."""
        program = self._program(inputs)
        if program is None:
            return self._ordinary(inputs, targets)
        classes = self._classes(program, targets)
        if (self._audit or not program.checked) and not program.rest:
            out, loss, found = self._compare(program, inputs, targets, classes)
        else:
            x, kept = program.forward(values(inputs))
            out, loss, path, found = self._loss_of(program, x, targets, classes)
            if path is not None:
                program.backward(path[1], kept, found)
        self.outputs = out
        accumulate_gradients(found)
        return loss

    def _shard(
        self, number: int, start: int, stop: int, count: int, seed: int, inputs: Any, targets: Any
    ) -> parts.Shard:
        """Shard `number` of a batch of `count` samples.  Its draws are its own."""
        buffers, share = parts.buffers_of(self.model), (stop - start) / count
        before, places = [b.copy() for b in buffers], {id(b): k for k, b in enumerate(buffers)}
        moves: dict[int, list[Any]] = {place: [] for place in places}
        with random.seeded(seed, number), changed(shards, moves), one_blas_thread():
            loss = self._whole(*(parts.piece(x, start, stop) for x in (inputs, targets)))
        made: list[Any] = [[(places[var], *rest) for var, *rest in m] for m in moves.values()]
        for k, (b, old) in enumerate(zip(buffers, before)):
            if b.tobytes() != old.tobytes():
                made[k], b[...] = b.copy(), old
        leaves, rebuild = flatten(self.outputs)
        output = rebuild(list(map(values, leaves)))
        row = parts.packed(self._parameters(), loss)
        row *= share
        return parts.Shard(row, share, made, output)

    def _program(self, inputs: Any) -> Program | None:
        """The program for these inputs, or None for the ordinary way."""
        if (
            self._refused
            or type(self.model) is not nn.Sequential
            or (isinstance(inputs, Node) and (inputs.tracked or inputs.attached))
            or not modes.recording.get()
        ):
            return None
        return fitting(self._programs, self.model, values(inputs), True)

    def _ordinary(self, inputs: Any, targets: Any) -> np.ndarray:
        """The loss, with gradients in the parameters."""
        out = self.model(inputs)
        loss = self.loss(out, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.outputs = out.detach() if hasattr(out, "detach") else out
        return np.array(loss.array)

    def _loss_of(self, program: Program, x: np.ndarray, targets: Any, classes: Any) -> Any:
        """The model's result, the loss, and its gradients in x (None if it does not depend on x)
        and in other leaves; x is what `program.forward` gives.  The old gradients are freed first.
        """
        if classes is None:
            leaf = wrap(x, program.wanted)
            out = program.finish(leaf)
            try:
                given = self.loss(out, targets)
            except GraphError as error:
                error.add_note(_RESULT_ONLY)
                raise
            self.optimizer.zero_grad()
            if not isinstance(given, Node):
                given.backward()  # raises
            found = backpropagate([given], [seed_gradient("backward", given, None, False)])
            out = wrap(out.array) if isinstance(out, Node) else out
            return out, np.array(given.array), found.pop(leaf.serial, None), found
        losses, probabilities = kernels.cross_entropy(x, classes)
        loss = np.asarray(kernels.axis_sum(losses, None, False) / losses.size)  # as `mean` does
        if program.seed is None:
            program.seed = np.full(losses.shape, losses.dtype.type(1.0 / losses.size))
        g = kernels.cross_entropy_grad(program.seed, probabilities, classes)
        self.optimizer.zero_grad()
        out = wrap(x)
        return out, loss, (out, g), {}

    def _classes(self, program: Program, targets: Any) -> np.ndarray | None:
        """A copy of the targets, if the loss is the mean cross entropy of these classes."""
        loss, shape = self.loss, program.out.shape
        if type(loss) is nn.CrossEntropyLoss:
            plain = loss.reduction == "mean" and loss.weight is None and not loss.label_smoothing
            if not (plain and loss.ignore_index == -100 and as_written(loss)):
                return None
        elif loss is not F.cross_entropy:
            return None
        target = np.array(values(targets))  # as checked, whatever another thread writes
        if len(shape) < 2 or not target.size or target.dtype.kind not in "iu":
            return None
        if (isinstance(targets, Node) and targets.attached) or program.out.dtype.char not in "fd":
            return None
        if target.shape == program.places and kernels.first_outside(target, shape[1]) is None:
            return target
        return target if check_classes("cross_entropy", program.out, target, -100) else None

    def _compare(self, program: Program, inputs: Any, targets: Any, classes: Any) -> Any:
        """The ordinary way, with a run of the program that must give the same bits."""
        buffers = [b for m in self.model.modules() for _, b in m._own_buffers()]
        before = [b.copy() for b in buffers]
        moves = (shards.get() or {}).values()
        with random.replay():
            x, kept = program.forward(values(inputs))
        moved = [*[b.copy() for b in buffers], *_statistics(moves)]
        for given in moves:
            given.clear()
        for b, old in zip(buffers, before):
            b[...] = old
        result = self.model(inputs)
        out = values(result)
        shown, *run = self._loss_of(program, out if classes is None else x, targets, classes)
        expected, path, found = run
        ours = found.copy()
        if path is not None:
            program.backward(path[1], kept, ours)
        if classes is not None:  # the loss is ours, too
            given = self.loss(result, targets)
            shown, expected = wrap(out), np.array(given.array)
            found = backpropagate([given], [np.ones_like(expected)])
        elif path is not None:
            add_gradients(result, path[1], found)
        theirs = [*buffers, *_statistics(moves)]
        same = _bits([x, run[0], *moved], ours) == _bits([out, expected, *theirs], found)
        if not same:
            text = "Step: a program and the ordinary step gave different results; please report it"
            if self._audit:
                raise AssertionError(text)
            warnings.warn(f"{text}; the ordinary step serves from now on", stacklevel=3)
            self._refused = True
        program.checked = True
        return shown, expected, found


_RESULT_ONLY = "the loss of a Step sees the model's result only; use the ordinary three lines"


def _statistics(moves: Any) -> list[Any]:
    return [x for given in moves for _, mean, var, *_ in given for x in (mean, var)]


def _bits(arrays: Sequence[Any], found: Found) -> list[Any]:
    pairs = [found[k] for k in sorted(found)]
    arrays = [*arrays, *[np.zeros_like(leaf.array) if g is None else g for leaf, g in pairs]]
    return [None if a is None else (a.shape, a.dtype, a.tobytes()) for a in arrays]
