"""Hooks: functions that see, and may replace, what goes into and comes out of a module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd_cnn.engine import watch
from autograd_cnn.engine.modes import is_grad_enabled
from autograd_cnn.engine.node import Handle, Hooks
from autograd_cnn.nn.backward_hooks import Passage


class ModuleHooks:
    """The hooks of one module: those before its forward, those after, and those on the way back."""

    __slots__ = ("after", "back", "before")

    def __init__(self) -> None:
        self.before = Hooks()
        self.after = Hooks()
        self.back = Hooks()


class Hooked:
    """The half of `Module` that is called: with hooks, or straight."""

    _hooks: ModuleHooks | None = None

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes; see `Module.forward`."""
        raise NotImplementedError

    def runs_straight(self) -> bool:
        """Whether a call is `forward` and nothing else: no hooks, and nobody watches.

        >>> from autograd_cnn import nn
        >>> nn.ReLU().runs_straight()
        True
        """
        return self._hooks is None and not watch.open_blocks

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, args)`` before every forward; returns a handle with ``remove()``.

        `args` are the positional arguments.  What the hook returns, unless None, replaces them: a
        tuple, or the one argument.  Hooks run in the order in which they were registered.

        >>> import numpy as np
        >>> from autograd_cnn import nn
        >>> layer = nn.ReLU()
        >>> with layer.register_forward_pre_hook(lambda module, args: -args[0]):
        ...     layer(np.array([-1.0, 2.0]))
        array([1., 0.])
        """
        return self._own_hooks().before.add(hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, args, output)`` after every forward; returns a handle.

        What the hook returns, unless None, replaces the output.  To see gradients, let the hook
        call ``output.register_hook``.  ``handle.remove()``, or leaving a ``with`` block, takes it
        off.

        >>> import numpy as np
        >>> from autograd_cnn import nn
        >>> net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
        >>> handle = net[0].register_forward_hook(lambda module, args, out: print(out.shape))
        >>> y = net(np.ones((5, 3), np.float32))
        (5, 2)
        >>> handle.remove()
        """
        return self._own_hooks().after.add(hook)

    def register_full_backward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, grad_input, grad_output)`` when backward comes out of the module.

        Both are tuples of gradients, or None: one per positional input, one per floating output.
        What the hook returns, unless None, replaces grad_input: a tuple, or the one gradient.
        Arguments given by name are not among the inputs.  Backward raises ValueError for gradients
        of other shapes.

        >>> import numpy as np
        >>> import autograd_cnn as ag
        >>> layer = ag.nn.Tanh()
        >>> x = ag.tensor([0.0, 1.0], requires_grad=True)
        >>> with layer.register_full_backward_hook(lambda module, into, out: (into[0] * 10.0,)):
        ...     layer(x).sum().backward()
        >>> x.grad.numpy().round(2)
        array([10. ,  4.2], dtype=float32)
        """
        return self._own_hooks().back.add(hook)

    def _own_hooks(self) -> ModuleHooks:
        if self._hooks is None:
            self._hooks = ModuleHooks()
        return self._hooks

    def _watched_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Compute `forward` with hooks, and among the layers that watchers know to be running."""
        token = watch.layers.set((*watch.layers.get(), self))
        try:
            hooks = self._hooks
            if hooks is None:
                return self.forward(*args, **kwargs)
            for before in hooks.before:
                new = before(self, args)
                if new is not None:
                    args = new if isinstance(new, tuple) else (new,)
            passage = Passage(self, hooks.back) if hooks.back and is_grad_enabled() else None
            if passage is not None:
                args = passage.enter(args)
            output = self.forward(*args, **kwargs)
            for after in hooks.after:
                new = after(self, args, output)
                output = output if new is None else new
            if passage is not None:
                output = passage.leave(output)
            return output
        finally:
            watch.layers.reset(token)
