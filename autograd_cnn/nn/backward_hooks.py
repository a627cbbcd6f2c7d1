"""Hooks that see, and may replace, the gradients that pass through a module."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.engine.node import Hooks, values
from autograd_cnn.engine.op import op
from autograd_cnn.tensor.tree import flatten, floating, pack, unpack


@op(register=False, x=lambda g, out, x: g)
def passed(x: Any) -> Any:
    """`x` as a tensor of its own, whose gradient is what crosses the module's border there."""
    return x


class Passage:
    """One call of a module: its inputs on the way in, and gradients on the way back."""

    def __init__(self, module: Any, hooks: Hooks) -> None:
        self.module, self.hooks = module, hooks
        self.inputs: list[Any] = []
        self.tracked: list[Any] = []
        self.packed: Any = None
        self.grad_output: dict[int, Any] = {}

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, with those that require gradients going through one tensor."""
        self.inputs, rebuild = flatten(args)
        self.tracked = [x for x in self.inputs if floating(x) and x.requires_grad]
        if not self.tracked:
            return args
        self.packed = passed(pack(self.tracked))
        parts = iter(unpack(self.packed, self.tracked))
        return tuple(
            rebuild([next(parts) if any(x is t for t in self.tracked) else x for x in self.inputs])
        )

    def leave(self, output: Any) -> Any:
        """The output, each tensor of it as one of its own, waiting for its gradient from outside.

        The hooks wait for that of the inputs.
        """
        leaves, rebuild = flatten(output)
        floats, outputs = 0, []
        for place, x in enumerate(leaves):
            if floating(x):
                if x.requires_grad:
                    leaves[place] = self._watched(passed(x), floats)
                    outputs.append(leaves[place])
                floats += 1
        packed, self.packed = self.packed, None  # it holds a hook that holds this: no cycle
        if packed is not None:
            packed.register_hook(lambda g: self._call(g, floats))
        elif outputs:  # the oldest is the last that backward comes to
            outputs[0].register_hook(lambda g: self._call(None, floats))
        return rebuild(leaves)

    def _watched(self, x: Any, place: int) -> Any:
        x.register_hook(lambda g: self.grad_output.update({place: g}))
        return x

    def _call(self, g: Any, count: int) -> Any:
        """Run the hooks; the gradient that goes further back, or None."""
        parts = iter(unpack(g, self.tracked) if g is not None else ())
        grads: tuple[Any, ...] = tuple(
            next(parts) if any(x is t for t in self.tracked) else None for x in self.inputs
        )
        grad_output = tuple(self.grad_output.get(place) for place in range(count))
        changed = False
        for hook in self.hooks:
            new = hook(self.module, grads, grad_output)
            if new is not None:
                grads, changed = self._checked(new), True
        kept = [n for n, x in zip(grads, self.inputs) if any(x is t for t in self.tracked)]
        return pack(kept) if changed and kept else None

    def _checked(self, new: Any) -> tuple[Any, ...]:
        """A hook's answer: a gradient per input, or the one gradient."""
        given = new if isinstance(new, tuple) else (new,)
        shapes = [np.shape(values(g)) for g in given]
        if shapes != [np.shape(values(x)) for x in self.inputs]:
            raise ValueError(
                f"a backward hook of {type(self.module).__name__} returned gradients of shapes "
                f"{shapes}; there is one per input, of its shape"
            )
        return given
