"""Module, the base of layers and networks."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, ParamSpec, Self, TypeVar

import numpy as np

from autograd_cnn.checks import explains, mistake
from autograd_cnn.engine.annotations import Function
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Handle
from autograd_cnn.engine.watch import open_blocks
from autograd_cnn.nn.error_notes import note_layer
from autograd_cnn.nn.hooks import ModuleHooks, forward_with_hooks, watched_layers
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.nn.tree import ModuleTree
from autograd_cnn.tensor import Tensor
from autograd_cnn.tensor.methods import cast, dtype_of_move
from autograd_cnn.tensor.showing import tree

if TYPE_CHECKING:
    from autograd_cnn.tensor.types import ArrayT, HasForward

P = ParamSpec("P")
R = TypeVar("R")


@explains("""module:
    add add_module bfloat16 compile count_params cuda device evaluate fit flatten_parameters
    get_layer get_weights half layers load load_weights predict predict_classes register_module
    register_parameter reset_parameters save save_weights set_weights share_memory summary
    to_empty train_on_batch trainable trainable_variables trainable_weights variables weights
    xpu
""")
class Module(ModuleTree):
    """The base of layers and networks; subclasses define `forward`.

    Assign parameters and modules to attributes, also in lists, tuples and dicts: ``self.layers =
    [a, b]`` gives names ``layers.0...`` and ``layers.1...``.  Calling ``super().__init__()`` is not
    necessary.  `register_buffer` is for arrays that belong to the state but are not trained.

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
    _hooks: ModuleHooks | None = None
    _shown: ClassVar[tuple[str, ...]] = ()
    """What the text form shows, those with = by name; of a parameter, if there is one."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the result of calling the module; every subclass defines it.

        >>> class Double(nn.Module):
        ...     def forward(self, x):
        ...         return 2.0 * x
        >>> Double()(3.0)
        6.0
        """
        raise NotImplementedError(
            f"{type(self).__name__}: define forward(self, ...) to say what it computes"
        )

    def __call__(self: HasForward[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute `forward`; an exception gets a note with the path to the failing module."""
        try:
            if self._hooks is None and not open_blocks:  # type: ignore[attr-defined]
                return self.forward(*args, **kwargs)
            module: Any = self
            return watched_layers((module,), lambda: forward_with_hooks(module, args, kwargs))
        except Exception as error:
            note_layer(error, self)  # type: ignore[arg-type]
            raise

    # ------------------------------------------------------------------------------------- hooks

    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, args)`` before every forward; returns a handle with ``remove()``.

        Unless the hook returns None, its result replaces the positional arguments: a tuple, or the
        one argument.  Hooks run in the order in which they were registered.

        >>> layer = nn.ReLU()
        >>> with layer.register_forward_pre_hook(lambda module, args: -args[0]):
        ...     layer(np.array([-1.0, 2.0]))
        array([1., 0.])
        """
        return self._own_hooks().before.add(hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, args, output)`` after every forward; returns a handle.

        Unless the hook returns None, its result replaces the output.  To see gradients, let the
        hook call ``output.register_hook``.  ``handle.remove()`` or the end of a ``with`` block
        removes the hook.

        >>> net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
        >>> handle = net[0].register_forward_hook(lambda module, args, out: print(out.shape))
        >>> y = net(np.ones((5, 3), np.float32))
        (5, 2)
        >>> handle.remove()
        """
        return self._own_hooks().after.add(hook)

    def register_full_backward_hook(self, hook: Callable[..., Any]) -> Handle:
        """Call ``hook(module, grad_input, grad_output)`` when backward comes out of the module.

        Both are tuples of gradients or None: one per positional input, one per floating output.
        Unless the hook returns None, its result replaces grad_input: a tuple, or the one gradient.

        >>> layer = nn.Tanh()
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

    def compiled(self) -> Callable[[ArrayT], ArrayT]:
        """This model for inference, called as the model: it records no graph.

        It gives what the model gives under `no_grad`, with less Python in between: layers of this
        package in a `Sequential` run as a list of kernel calls, with convolution, batch norm by
        running statistics, relu and max pooling in one.  Parameters, settings and modes are looked
        at in every call, so the model may be trained or changed in between.  Call ``.eval()``
        first: in training mode dropout drops, and batch norm moves its statistics.  An array gives
        an array, and a tensor a tensor.

        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3)).eval()
        >>> model.compiled()(np.ones((2, 1, 2, 2), np.float32)).shape
        (2, 3)
        """
        program: Any = import_module("autograd_cnn.nn.program")  # it imports modules
        return program.Compiled(self)

    # ------------------------------------------------------------------------- all inner modules

    def to(self, *target: Any, dtype: Any = None, device: Any = None) -> Self:
        """Convert floating parameters, gradients and buffers to a dtype, in place; returns self.

        Make the optimizer afterwards: what it remembers keeps its dtype.  The device "cpu" is no
        change.

        >>> nn.Linear(3, 2).to("float64").weight.dtype
        dtype('float64')
        """
        where = f"{type(self).__name__}.to"
        dtype = dtype_of_move(where, device, *target, dtype)
        if dtype is not None and dtype.kind != "f":
            raise mistake(where, "dtype", "a floating dtype", str(dtype))
        for module in () if dtype is None else self.modules():
            for _, p in module._members(Parameter):
                p.array, grad, p.grad = p.array.astype(dtype), p.grad, None
                p.grad = grad if grad is None else grad.astype(dtype)
                p.touch()
            for name, x in list(module._own_buffers()):
                setattr(module, name, x.astype(dtype) if x.dtype.kind == "f" else x)
        return self

    float, double, cpu = cast("float32"), cast("float64"), to

    @checked
    def train(self, mode: bool = True) -> Self:
        """Set `training`, for dropout and batch norm, here and in all inner modules; returns self.

        >>> nn.Sequential(nn.Dropout()).train(False)[0].training
        False
        """
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Stop training mode here and in all inner modules; see `train`.  Returns self.

        >>> nn.Dropout(0.9).eval().training
        False
        """
        return self.train(False)

    @checked
    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters: None, or zeros where there was one.

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
        """Switch gradients of all parameters on, or off to freeze them; returns self.

        >>> nn.Linear(1, 1).requires_grad_(False).bias.requires_grad
        False
        """
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    @checked
    def apply(self, fn: Function) -> Self:
        """Call ``fn(module)`` once for every inner module, and for this one last; returns self.

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

        >>> nn.Flatten().extra_repr()
        'start_dim=1, end_dim=-1'
        """
        given = [(label, label.strip("=")) for label in self._shown]
        values = [(label, n in self._roles, getattr(self, n)) for label, n in given]
        texts = [(label, repr(x is not None if role else x)) for label, role, x in values]
        return ", ".join(label + text if "=" in label else text for label, text in texts)

    def _inner(self) -> list[tuple[str, str]]:
        """The names and the texts that ``repr`` shows line by line: the inner modules."""
        return [(name, repr(m)) for name, m in self._members(Module)]

    @reprlib.recursive_repr("...")
    def __repr__(self) -> str:
        lines, inner = [own] if (own := self.extra_repr()) else [], self._inner()
        lines += [f"({name}): {text}".replace("\n", "\n  ") for name, text in inner]
        body = "\n  ".join(lines)
        return f"{type(self).__name__}(\n  {body}\n)" if inner else f"{type(self).__name__}({body})"

    def _repr_html_(self) -> str:
        return tree(repr(self))


if TYPE_CHECKING:

    class ArrayModule(Module):
        """A layer that gives a tensor for a tensor and an array for an array."""

        def __call__(self, input: ArrayT) -> ArrayT: ...
else:
    ArrayModule = Module
