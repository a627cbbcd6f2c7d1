"""LSTM and GRU: each direction goes through time on its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn.engine.node import values

_FUNCTIONS = {"sigmoid": ag.sigmoid, "tanh": ag.tanh, "relu": ag.relu}


def _lstm_step(x: Any, state: Any, r: Any, b: Any, peephole: Any, f: Any) -> Any:
    """The next state; gates in the order input, output, forget, cell."""
    h, c = state
    i, o, forget, cell = ag.array_split(x + ag.linear(h, r, b), 4, axis=-1)
    pi, po, pf = (0.0, 0.0, 0.0) if peephole is None else ag.array_split(peephole, 3)
    c = f[0](forget + pf * c) * c + f[0](i + pi * c) * f[1](cell)
    return f[0](o + po * c) * f[2](c), c


def _gru_step(x: Any, state: Any, r: Any, b: Any, linear_before_reset: Any, f: Any) -> Any:
    """The next state; gates in the order update, reset, hidden."""
    (h,), n = state, 2 * state[0].shape[-1]
    b = np.zeros(len(r), h.dtype) if b is None else b
    update, reset = ag.array_split(x[:, :n] + ag.linear(h, r[:n], b[:n]), 2, axis=-1)
    z, reset = f[0](update), f[0](reset)
    if linear_before_reset:
        inner = reset * ag.linear(h, r[n:], b[n:])
    else:
        inner = ag.linear(reset * h, r[n:], b[n:])
    new = f[1](x[:, n:] + inner)
    return (new + z * (h - new),)


def _through_time(x: Any, state: Any, lengths: Any, step: Any, back: bool) -> Any:
    """Outputs (L, N, H) and the last state; x (L, N, gates) are the products of the inputs.

    Beyond its length a sequence keeps its state and gives zeros.
    """
    outputs = []
    for t in range(len(x))[:: -1 if back else 1]:
        new = step(x[t], state)
        going = None if lengths is None else (t < np.asarray(lengths))[:, None]
        outputs.append(new[0] if going is None else ag.where(going, new[0], np.zeros_like(going, new[0].dtype)))
        state = new if going is None else [ag.where(going, a, b) for a, b in zip(new, state)]
    return ag.stack(outputs[:: -1 if back else 1]), state


def _run(
    kind: str, x: Any, w: Any, r: Any, b: Any, lengths: Any, starts: Sequence[Any], extra: Any,
    activations: Any, direction: str, hidden_size: int | None, layout: int,
) -> Any:  # fmt: skip
    """Outputs (L, directions, N, H) and the last states (directions, N, H), batch first if asked."""
    sides = {"forward": 1, "reverse": 1, "bidirectional": 2}[direction]
    size, defaults = r.shape[-1], ("sigmoid", "tanh", "tanh")[: 3 if kind == "LSTM" else 2]
    if w.shape[0] != sides or r.shape[0] != sides or hidden_size not in (None, size):
        raise ValueError(f"the weights are not those of {sides} directions of {hidden_size} units")
    x = x.swapaxes(0, 1) if layout else x
    names = [name.lower() for name in activations or defaults * sides]
    ys, ends = [], []
    for k in range(sides):
        f = [_FUNCTIONS[name] for name in names[k * len(defaults) : (k + 1) * len(defaults)]]
        half = w.shape[1]
        b_w, b_r = (None, None) if b is None else (b[k, :half], b[k, half:])
        state = [
            np.zeros((x.shape[1], size), x.dtype) if s is None else s[:, k] if layout else s[k]
            for s in starts
        ]
        if kind == "LSTM":
            step = partial(_step, _lstm_step, r[k], b_r, None if extra is None else extra[k], f)
        else:
            step = partial(_step, _gru_step, r[k], b_r, extra, f)
        back = direction == "reverse" or k == 1
        y, end = _through_time(ag.linear(x, w[k], b_w), state, lengths, step, back)
        ys.append(y)
        ends.append(end)
    y, last = ag.stack(ys, axis=1), [ag.stack(states) for states in zip(*ends)]
    if layout:
        y, last = y.transpose((2, 0, 1, 3)), [h.swapaxes(0, 1) for h in last]
    return (y, *last)


def _step(function: Any, r: Any, b: Any, extra: Any, f: Any, x: Any, state: Any) -> Any:
    return function(x, state, r, b, extra, f)


def lstm(
    x: Any, w: Any, r: Any, b: Any = None, sequence_lens: Any = None, initial_h: Any = None,
    initial_c: Any = None, p: Any = None, *, activations: Any = None, direction: str = "forward",
    hidden_size: int | None = None, layout: int = 0,
) -> Any:  # fmt: skip
    starts, settings = (initial_h, initial_c), (activations, direction, hidden_size, layout)
    return _run("LSTM", x, w, r, b, sequence_lens, starts, p, *settings)


def gru(
    x: Any, w: Any, r: Any, b: Any = None, sequence_lens: Any = None, initial_h: Any = None, *,
    activations: Any = None, direction: str = "forward", hidden_size: int | None = None,
    layout: int = 0, linear_before_reset: int = 0,
) -> Any:  # fmt: skip
    settings = activations, direction, hidden_size, layout
    return _run("GRU", x, w, r, b, sequence_lens, (initial_h,), linear_before_reset, *settings)


RECURRENT: dict[str, Any] = {"LSTM": lstm, "GRU": gru}
