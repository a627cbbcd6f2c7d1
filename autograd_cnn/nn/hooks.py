"""Calls of modules with hooks or watchers.

Hooks see and may replace inputs and outputs; backward hooks do the same with gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_cnn.config import changed
from autograd_cnn.engine.modes import is_grad_enabled
from autograd_cnn.engine.node import Hooks, values
from autograd_cnn.engine.op import op
from autograd_cnn.engine.watch import Watcher, layers, watchers
from autograd_cnn.tensor.tree import flatten, floating, pack, unpack

if TYPE_CHECKING:
    from autograd_cnn.nn.module import Module


class ModuleHooks:
    """The hooks of one module: those before its forward, those after, and those on the way back."""

    __slots__ = ("after", "back", "before")

    def __init__(self) -> None:
        self.before = Hooks()
        self.after = Hooks()
        self.back = Hooks()


class LayerWatcher(Watcher):
    """A watcher that is told of layers as well."""

    def ran(self, together: Sequence[Module], output: Any) -> None:
        """After a layer has computed `output`, or several have together, in one pass."""


def watched_layers(together: Sequence[Module], compute: Callable[[], Any]) -> Any:
    """The result of ``compute()``; watchers see the first of the layers compute it for all."""
    with changed(layers, (*layers.get(), together[0])):
        output = compute()
        for watcher in watchers.get():
            if isinstance(watcher, LayerWatcher):
                watcher.ran(together, output)
        return output


def forward_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The result of `forward`, with the module's hooks before and after."""
    hooks = module._hooks
    if hooks is None:
        return module.forward(*args, **kwargs)
    for before in hooks.before:
        new = before(module, args)
        if new is not None:
            args = new if isinstance(new, tuple) else (new,)
    back = BackwardHooks(module, hooks.back) if hooks.back and is_grad_enabled() else None
    if back is not None:
        args = back.take_inputs(args)
    output = module.forward(*args, **kwargs)
    for after in hooks.after:
        new = after(module, args, output)
        output = output if new is None else new
    return output if back is None else back.take_output(output)


@op(register=False, x=lambda g, out, x: g)
def border(x: Any) -> Any:
    """`x` as a new tensor, whose gradient crosses the border of the module there."""
    return x


class BackwardHooks:
    """The backward hooks for one call of a module, between the gradients of its two borders."""

    def __init__(self, module: Module, hooks: Hooks) -> None:
        self.module, self.hooks = module, hooks
        self.inputs: list[Any] = []
        self.tracked: list[bool] = []
        self.border: Any = None
        self.grad_output: dict[int, Any] = {}

    def take_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments; those that require gradients pass through one tensor."""
        self.inputs, rebuild = flatten(args)
        self.tracked = [floating(x) and x.requires_grad for x in self.inputs]
        given = list(compress(self.inputs, self.tracked))
        if not given:
            return args
        self.border = border(pack(given))
        return tuple(rebuild(self._placed(unpack(self.border, given), self.inputs)))

    def take_output(self, output: Any) -> Any:
        """The output with new tensors in it, which keep their gradients until the hooks run."""
        leaves, rebuild = flatten(output)
        places = [place for place, x in enumerate(leaves) if floating(x)]
        outputs = []
        for number, place in enumerate(places):
            if leaves[place].requires_grad:
                leaves[place] = x = border(leaves[place])
                x.register_hook(lambda g, number=number: self.grad_output.update({number: g}))
                outputs.append(x)
        at, self.border = self.border, None  # its hook holds this object: avoid a cycle
        if at is not None:
            at.register_hook(lambda g: self._call(g, len(places)))
        elif outputs:  # backward comes to the oldest last
            outputs[0].register_hook(lambda g: self._call(None, len(places)))
        return rebuild(leaves)

    def _placed(self, parts: Sequence[Any], others: Sequence[Any]) -> list[Any]:
        """The parts in the places of the inputs that require gradients, others in the rest."""
        rest = iter(parts)
        return [next(rest) if tracked else x for x, tracked in zip(others, self.tracked)]

    def _call(self, g: Any, outputs: int) -> Any:
        """Run the hooks; returns the gradient that replaces g, or None."""
        given = list(compress(self.inputs, self.tracked))
        nothing = [None] * len(self.inputs)
        grads = tuple(self._placed(unpack(g, given) if given else (), nothing))
        grad_output = tuple(self.grad_output.get(number) for number in range(outputs))
        changed = False
        for hook in self.hooks:
            new = hook(self.module, grads, grad_output)
            if new is not None:
                grads, changed = self._fitting(new), True
        return pack(list(compress(grads, self.tracked))) if changed and given else None

    def _fitting(self, new: Any) -> tuple[Any, ...]:
        """The gradients that a hook returned, checked: a tuple, or the one gradient."""
        given = new if isinstance(new, tuple) else (new,)
        shapes = [np.shape(values(g)) for g in given]
        if shapes != [np.shape(values(x)) for x in self.inputs]:
            raise ValueError(
                f"a backward hook of {type(self.module).__name__} returned gradients of shapes "
                f"{shapes}; it must return one per input, of its shape"
            )
        return given
