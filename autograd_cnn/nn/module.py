"""Module, the base of layers and networks."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from autograd_cnn.config import default_array
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.kinds import Function
from autograd_cnn.engine.node import Array, values
from autograd_cnn.engine.watch import open_blocks
from autograd_cnn.nn import state
from autograd_cnn.nn.holder import Holder
from autograd_cnn.nn.hooked import Hooked
from autograd_cnn.nn.paths import note_path
from autograd_cnn.nn.state import IncompatibleKeys
from autograd_cnn.tensor import Tensor


class Module(Hooked, Holder):
    """The base of layers and networks: assign what it is made of to attributes, define `forward`.

    Parameters and modules are found where they are: in attributes, and in lists, tuples and dicts
    that are attributes (``self.layers = [a, b]`` gives names ``layers.0...`` and ``layers.1...``).
    Nothing needs to be registered, and calling ``super().__init__()`` is allowed but not necessary.
    Arrays that belong to the state but are not trained go through `register_buffer`.

    >>> from autograd_cnn import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         self.layers = [nn.Linear(4, 3), nn.Linear(3, 2)]
    ...     def forward(self, x):
    ...         for layer in self.layers:
    ...             x = layer(x).relu()
    ...         return x
    >>> [name for name, _ in Net().named_parameters()]
    ['layers.0.weight', 'layers.0.bias', 'layers.1.weight', 'layers.1.bias']
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What calling the module computes; every subclass defines it.

        >>> from autograd_cnn import nn
        >>> class Double(nn.Module):
        ...     def forward(self, x):
        ...         return 2.0 * x
        >>> Double()(3.0)
        6.0
        """
        raise NotImplementedError(
            f"{type(self).__name__}: define forward(self, ...) to say what it computes"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute `forward`; an exception gets a note with the path to the failing module."""
        try:
            if self._hooks is None and not open_blocks:  # runs_straight
                return self.forward(*args, **kwargs)
            return self._watched_call(args, kwargs)
        except Exception as error:
            note_path(error, self)
            raise

    @checked
    def register_buffer(self, name: str, array: Array | None) -> None:
        """Make a copy of `array` the attribute `name`: in `state_dict`, but not trained.

        None reserves the name; a buffer that is None is left out.  Numbers in lists become arrays
        as in `tensor`.  Raises ValueError when the name is not an identifier or already means
        something else.

        >>> module = Module()
        >>> module.register_buffer("scale", [1.0, 2.0])
        >>> module.scale
        array([1., 2.], dtype=float32)
        """
        taken = hasattr(self, name) and name not in self._buffer_names
        if taken or not name.isidentifier():
            problem = "is already an attribute" if taken else "is not an identifier"
            raise ValueError(f"{type(self).__name__}.register_buffer: {name!r} {problem}")
        setattr(self, name, None if array is None else np.array(default_array(values(array))))
        if name not in self._buffer_names:
            self._buffer_names = (*self._buffer_names, name)

    # ------------------------------------------------------------------------------------ the state

    def state_dict(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers by path: PyTorch's names, layouts and order.

        What is shared between places is listed under each path.  ``np.savez(file, **state)`` keeps
        it.

        >>> from autograd_cnn import nn
        >>> {name: array.shape for name, array in nn.Linear(3, 2).state_dict().items()}
        {'weight': (2, 3), 'bias': (2,)}
        """
        return {name: np.array(values(value), order="C") for name, value in self._state().items()}

    @checked
    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Overwrite parameters and buffers in place with arrays by path; each keeps its dtype.

        Returns the paths missing in `state_dict` and those it has too many.  Raises one ValueError
        that lists every problem (a wrong shape or kind of number; with `strict` also missing and
        unexpected paths), and then nothing has been changed; TypeError when `state_dict` is not a
        mapping.

        >>> from autograd_cnn import nn
        >>> nn.Linear(3, 2).load_state_dict(nn.Linear(3, 2, bias=False).state_dict(), strict=False)
        IncompatibleKeys(missing_keys=['bias'], unexpected_keys=[])
        """
        return state.load(type(self).__name__, self._state(), state_dict, strict)

    # ------------------------------------------------------------------- acting on all that is held

    @checked
    def train(self, mode: bool = True) -> Self:
        """Set `training`, which dropout and batch norm obey, here and in all inner modules.

        Returns self; raises TypeError for what is not a bool.

        >>> from autograd_cnn import nn
        >>> nn.Sequential(nn.Dropout()).train(False)[0].training
        False
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Stop training mode here and in all inner modules; see `train`.  Returns self.

        >>> from autograd_cnn import nn
        >>> nn.Dropout(0.9).eval().training
        False
        """
        return self.train(False)

    @checked
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: None, or zeros where there was one.

        >>> from autograd_cnn import nn
        >>> net = nn.Linear(1, 1)
        >>> net(np.ones((1, 1), np.float32)).sum().backward()
        >>> net.zero_grad(set_to_none=False)
        >>> net.weight.grad
        tensor([[0.]])
        """
        for p in self.parameters():
            if p.grad is not None:
                p.grad = None if set_to_none else Tensor(np.zeros_like(p.array))

    @checked
    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for gradients of all parameters, or freeze them.  Returns self.

        >>> from autograd_cnn import nn
        >>> nn.Linear(1, 1).requires_grad_(False).bias.requires_grad
        False
        """
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    @checked
    def apply(self, fn: Function) -> Self:
        """Call ``fn(module)`` for all inner modules, each once, and for this one last.  Returns
        self.

        >>> from autograd_cnn import nn
        >>> _ = nn.Sequential(nn.ReLU(), nn.Tanh()).apply(lambda m: print(type(m).__name__))
        ReLU
        Tanh
        Sequential
        """
        self._apply(fn, set())
        return self

    def _apply(self, fn: Function, seen: set[int]) -> None:
        seen.add(id(self))
        for child in list(self.children()):
            if id(child) not in seen:
                child._apply(fn, seen)
        fn(self)

    # ---------------------------------------------------------------------------------- being shown

    def extra_repr(self) -> str:
        """The settings shown between the parentheses of ``repr``; subclasses say theirs.

        >>> from autograd_cnn import nn
        >>> nn.Flatten().extra_repr()
        'start_dim=1, end_dim=-1'
        """
        return ""

    @reprlib.recursive_repr("...")
    def __repr__(self) -> str:
        lines = [own] if (own := self.extra_repr()) else []
        inner = [(name, repr(m)) for name, m in self._members() if isinstance(m, Module)]
        lines += [f"({name}): {text}".replace("\n", "\n  ") for name, text in inner]
        body = "\n  ".join(lines)
        return f"{type(self).__name__}(\n  {body}\n)" if inner else f"{type(self).__name__}({body})"
