"""Recurrent layers and their cells: RNN, LSTM, GRU."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn.checks import choice, integer, misfit, mistake, number, warn
from autograd_cnn.engine.arguments import as_input, checked
from autograd_cnn.engine.node import Array
from autograd_cnn.nn.layers import uniform_parameter
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.ops.arithmetic import relu
from autograd_cnn.ops.exponential import sigmoid
from autograd_cnn.ops.join import array_split, concatenate, stack
from autograd_cnn.ops.product import linear
from autograd_cnn.ops.trigonometry import tanh
from autograd_cnn.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

States = tuple[Array, ...]
S = TypeVar("S", Tensor, tuple[Tensor, Tensor])
"""What a layer gives as its state."""


def _lstm(x: Array, h: Array, state: States) -> States:
    """Gates in the order input, forget, cell, output."""
    i, f, g, o = array_split(x + h, 4, axis=-1)
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gru(x: Array, h: Array, state: States) -> States:
    """Gates in the order reset, update, new."""
    (xr, xz, xn), (hr, hz, hn) = array_split(x, 3, axis=-1), array_split(h, 3, axis=-1)
    new = tanh(xn + sigmoid(xr + hr) * hn)
    return (new + sigmoid(xz + hz) * (state[0] - new),)


_MODES: dict[str, tuple[int, int, Callable[[Array, Array, States], States]]] = {
    "RNN_TANH": (1, 1, lambda x, h, state: (tanh(x + h),)),
    "RNN_RELU": (1, 1, lambda x, h, state: (relu(x + h),)),
    "LSTM": (4, 2, _lstm),
    "GRU": (3, 1, _gru),
}
"""How many gates and states each kind has, and its step in time: the next state from the gates of
the input, those of the state, and the state.
"""
_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Recurrent(Module, Generic[S]):
    """The base of layers and cells."""

    mode: str

    def _set_sizes(self, input_size: int, hidden_size: int, bias: bool) -> None:
        name = type(self).__name__
        self.input_size = integer(name, "input_size", input_size, 1)
        self.hidden_size = integer(name, "hidden_size", hidden_size, 1)
        self.bias = bias

    def _set_nonlinearity(self, given: str) -> None:
        self.nonlinearity = choice(type(self).__name__, "nonlinearity", given, ("tanh", "relu"))
        self.mode = f"RNN_{given.upper()}"

    def _add_parameters(self, inputs: int, suffix: str = "") -> None:
        """The weights of one cell, uniform in +-1 / sqrt(hidden_size)."""
        size, rows = self.hidden_size, _MODES[self.mode][0] * self.hidden_size
        for name, shape in zip(_NAMES, ((rows, inputs), (rows, size), (rows,), (rows,))):
            kept = self.bias or len(shape) == 2
            self._own_roles()[name + suffix] = Parameter
            setattr(self, name + suffix, uniform_parameter(shape, size) if kept else None)

    def _parameters_of(self, suffix: str = "") -> list[Parameter | None]:
        return [getattr(self, name + suffix) for name in _NAMES]

    def _start(self, hx: Any, lead: tuple[int, ...], batch: int, batched: bool) -> list[Any]:
        """The states to begin with, each (*lead, N, hidden_size): those given, or zeros."""
        count, name = _MODES[self.mode][1], type(self).__name__
        dtype = self._parameters_of("_l0" * bool(lead))[0].dtype  # type: ignore[union-attr]
        shape = (*lead, batch, self.hidden_size)
        if hx is None:
            return [np.zeros(shape, dtype)] * count
        given = hx if count > 1 else (hx,)
        if not isinstance(given, (tuple, list)) or len(given) != count:
            raise mistake(name, "hx", "a pair (h, c)", hx)
        wanted = shape if batched else (*lead, self.hidden_size)
        states = [as_input(name, "hx", x, dtype) for x in given]
        if any(x.shape != wanted for x in states):
            raise misfit(name, f"hx must have shape {wanted}", *states)
        for x in states:
            if x.dtype.kind == "f" and x.dtype != dtype:
                raise mistake(name, "hx", f"of dtype {dtype}, as weights: .astype('{dtype}')", x)
        return [x.reshape(shape) for x in states]

    def extra_repr(self) -> str:
        settings = [*inspect.signature(type(self)).parameters.values()][2:]
        other = [p.name for p in settings if getattr(self, p.name) != p.default]
        shown = [f"{name}={getattr(self, name)!r}" for name in other]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *shown])


class _Layers(_Recurrent[S]):
    """The base of the layers, which go over time."""

    @checked
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        name = type(self).__name__
        self._set_sizes(input_size, hidden_size, bias)
        self.num_layers = integer(name, "num_layers", num_layers, 1)
        self.batch_first, self.bidirectional = batch_first, bidirectional
        self.dropout = number(name, "dropout", dropout, 0, 1)
        if dropout and num_layers == 1:
            warn(f"{name}: dropout is between layers, and there is only one")
        for suffix in self._suffixes():
            below = input_size if "_l0" in suffix else hidden_size * (1 + bidirectional)
            self._add_parameters(below, suffix)

    def _suffixes(self) -> list[str]:
        """What the names of parameters end in, by layer and direction."""
        ends = ("", "_reverse")[: 1 + self.bidirectional]
        return [f"_l{layer}{end}" for layer in range(self.num_layers) for end in ends]

    @checked
    def forward(self, input: Array, hx: Any = None) -> tuple[Tensor, S]:
        x, batched = input, input.ndim == 3
        first = self.batch_first and batched
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size or not x.shape[first]:
            shape = "(N, L, " if self.batch_first else "(L, N, "
            wanted = f"input must have shape {shape}{self.input_size}) or (L, {self.input_size})"
            raise misfit(type(self).__name__, f"{wanted}, with L above 0", x)
        x = x.swapaxes(0, 1) if first else x if batched else x[:, None]
        suffixes, ends = self._suffixes(), []
        starts = self._start(hx, (len(suffixes),), x.shape[1], batched)
        for k in range(0, len(suffixes), 1 + self.bidirectional):
            x, sides = F.dropout(x, self.dropout, self.training and k > 0), []
            for place, suffix in enumerate(suffixes[k : k + 1 + self.bidirectional], k):
                y, end = self._run(x, tuple(state[place] for state in starts), suffix)
                sides.append(y)
                ends.append(end)
            x = concatenate(sides, axis=-1) if self.bidirectional else y
        x = x.swapaxes(0, 1) if first else x if batched else x[:, 0]
        last = [stack(states) for states in zip(*ends)]  # each (layers * directions, N, H)
        state: Any = tuple(last) if batched else tuple(h[:, 0] for h in last)
        return x, state if len(state) > 1 else state[0]

    def _run(self, x: Array, state: States, suffix: str) -> tuple[Array, States]:
        """One direction of a layer over x (L, N, inputs): its outputs (L, N, H), and the end."""
        w_ih, w_hh, b_ih, b_hh = self._parameters_of(suffix)
        step, order = _MODES[self.mode][2], slice(None, None, -1 if "_r" in suffix else 1)
        outputs = []
        for gates in list(linear(x, w_ih, b_ih))[order]:  # one product for all times
            state = step(gates, linear(state[0], w_hh, b_hh), state)
            outputs.append(state[0])
        return stack(outputs[order]), state


class RNN(_Layers[Tensor]):
    """``h = tanh(W_ih x + b_ih + W_hh h + b_hh)`` over time: input (L, N, input_size) gives the
    outputs (L, N, directions * hidden_size) and the last states (layers * directions, N,
    hidden_size).

    With `batch_first` input and outputs have N first; without a batch all lack N.  `hx` are the
    first states, zeros by default.  `nonlinearity` is 'tanh' or 'relu'.  With `bidirectional` a
    second cell goes backwards in time.  `dropout` drops outputs between layers.  Weights start
    uniform in +-1 / sqrt(hidden_size).  Elman, "Finding structure in time" (1990).

    >>> y, h = nn.RNN(3, 4, num_layers=2)(np.ones((5, 2, 3), np.float32))
    >>> y.shape, h.shape
    ((5, 2, 4), (2, 2, 4))
    """

    @checked
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        self._set_nonlinearity(nonlinearity)
        rest = (bias, batch_first, dropout, bidirectional)
        super().__init__(input_size, hidden_size, num_layers, *rest)


class LSTM(_Layers[tuple[Tensor, Tensor]]):
    """Long short-term memory; settings, input and outputs as in `RNN`.

    The state is a pair (h, c): `hx` too, and what it returns beside the outputs.  Gates stand in
    the order input, forget, cell, output.  Hochreiter and Schmidhuber (1997), with forget gates.

    >>> y, (h, c) = nn.LSTM(3, 4, batch_first=True)(np.ones((2, 5, 3), np.float32))
    >>> y.shape, h.shape, c.shape
    ((2, 5, 4), (1, 2, 4), (1, 2, 4))
    """

    mode = "LSTM"


class GRU(_Layers[Tensor]):
    """Gated recurrent units; settings, input and outputs as in `RNN`.

    Gates stand in the order reset, update, new.  Cho and others, "Learning phrase representations
    using RNN encoder-decoder" (2014), with the reset gate behind the product, as in PyTorch.

    >>> y, h = nn.GRU(3, 4, bidirectional=True)(np.ones((5, 2, 3), np.float32))
    >>> y.shape, h.shape
    ((5, 2, 8), (2, 2, 4))
    """

    mode = "GRU"


class _Cell(_Recurrent[S]):
    """The base of the cells, which take one step in time."""

    @checked
    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        self._set_sizes(input_size, hidden_size, bias)
        self._add_parameters(input_size)

    @checked
    def forward(self, input: Array, hx: Any = None) -> S:
        x, batched = input, input.ndim == 2
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            wanted = f"input must have shape (N, {self.input_size}) or ({self.input_size},)"
            raise misfit(type(self).__name__, wanted, x)
        x = x if batched else x[None]
        state = tuple(self._start(hx, (), len(x), batched))
        w_ih, w_hh, b_ih, b_hh = self._parameters_of()
        gates = linear(x, w_ih, b_ih), linear(state[0], w_hh, b_hh)
        found: Any = _MODES[self.mode][2](*gates, state)
        found = found if batched else tuple(part[0] for part in found)
        return found if len(found) > 1 else found[0]


class RNNCell(_Cell[Tensor]):
    """A step of an `RNN`: input (N, input_size) and state `hx` (N, hidden_size), zeros by default,
    give the next state; without a batch all lack N.

    >>> nn.RNNCell(3, 4)(np.ones((2, 3), np.float32)).shape
    (2, 4)
    """

    @checked
    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh"
    ) -> None:
        self._set_nonlinearity(nonlinearity)
        super().__init__(input_size, hidden_size, bias)


class LSTMCell(_Cell[tuple[Tensor, Tensor]]):
    """A step of an `LSTM`: input (N, input_size) and the pair `hx` of states give the next pair.

    >>> h, c = nn.LSTMCell(3, 4)(np.ones((2, 3), np.float32))
    >>> h.shape, c.shape
    ((2, 4), (2, 4))
    """

    mode = "LSTM"


class GRUCell(_Cell[Tensor]):
    """A step of a `GRU`; input and state as in `RNNCell`.

    >>> nn.GRUCell(3, 4)(np.ones((2, 3), np.float32)).shape
    (2, 4)
    """

    mode = "GRU"
