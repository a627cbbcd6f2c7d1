"""LSTM and GRU: each direction goes through time on its own."""

# mypy: allow-untyped-defs, allow-untyped-calls
from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

import autograd_cnn as ag

_FUNCTIONS = {"sigmoid": ag.sigmoid, "tanh": ag.tanh, "relu": ag.relu}


def _lstm_step(r, b, peephole, f, x, state):
    """The next state; gates in the order input, output, forget, cell."""
    h, c = state
    i, o, forget, cell = ag.array_split(x + ag.linear(h, r, b), 4, axis=-1)
    pi, po, pf = (0.0, 0.0, 0.0) if peephole is None else ag.array_split(peephole, 3)
    c = f[0](forget + pf * c) * c + f[0](i + pi * c) * f[1](cell)
    return f[0](o + po * c) * f[2](c), c


def _gru_step(r, b, linear_before_reset, f, x, state):
    """The next state; gates in the order update, reset, hidden."""
    (h,), n = state, 2 * state[0].shape[-1]
    b = np.zeros(len(r), h.dtype) if b is None else b
    gates = f[0](x[:, :n] + ag.linear(h, r[:n], b[:n]))
    update, reset = ag.array_split(gates, 2, axis=-1)
    if linear_before_reset:
        inner = reset * ag.linear(h, r[n:], b[n:])
    else:
        inner = ag.linear(reset * h, r[n:], b[n:])
    new = f[1](x[:, n:] + inner)
    return (new + update * (h - new),)


def _through_time(step, x, state, lengths, back):
    """Outputs (L, N, H) and the last state; x (L, N, gates) are the products of the inputs.

    Beyond its length a sequence keeps its state and gives zeros.
    """
    outputs = []
    for t in range(len(x))[:: -1 if back else 1]:
        new = step(x[t], state)
        if lengths is None:
            outputs.append(new[0])
            state = new
        else:
            going = (t < lengths)[:, None]
            outputs.append(ag.where(going, new[0], np.zeros((), new[0].dtype)))
            state = [ag.where(going, a, b) for a, b in zip(new, state)]
    return ag.stack(outputs[:: -1 if back else 1]), state


def _run(step, activations, x, w, r, b, lengths, starts, extra, direction, hidden_size, layout):
    """Outputs (L, directions, N, H) and last states (directions, N, H), or with N first; `extra`
    is what the step takes for each direction.
    """
    backward = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    size, half, each = r.shape[-1], w.shape[1], len(activations) // len(backward)
    if not len(w) == len(r) == len(backward) or hidden_size not in (None, size):
        raise ValueError(f"weights {w.shape} and {r.shape} do not fit {direction}, {hidden_size}")
    x = x.swapaxes(0, 1) if layout else x
    zeros = np.zeros((x.shape[1], size), x.dtype)
    ys, ends = [], []
    for k, back in enumerate(backward):
        f = [_FUNCTIONS[name.lower()] for name in activations[k * each : (k + 1) * each]]
        b_w, b_r = (None, None) if b is None else (b[k, :half], b[k, half:])
        state = [zeros if s is None else s[:, k] if layout else s[k] for s in starts]
        advance = partial(step, r[k], b_r, extra[k], f)
        y, end = _through_time(advance, ag.linear(x, w[k], b_w), state, lengths, back)
        ys.append(y)
        ends.append(end)
    y, last = ag.stack(ys, axis=1), [ag.stack(states) for states in zip(*ends)]
    if layout:
        return y.transpose((2, 0, 1, 3)), *(h.swapaxes(0, 1) for h in last)
    return y, *last


def _lstm(
    x, w, r, b=None, lengths=None, h=None, c=None, p=None, *, activations=None, direction="forward",
    hidden_size=None, layout=0
):  # fmt: skip
    f, extra = (
        activations or ("sigmoid", "tanh", "tanh") * len(w),
        [None] * len(w) if p is None else p,
    )
    return _run(_lstm_step, f, x, w, r, b, lengths, (h, c), extra, direction, hidden_size, layout)


def _gru(
    x, w, r, b=None, lengths=None, h=None, *, activations=None, direction="forward",
    hidden_size=None, layout=0, linear_before_reset=0
):  # fmt: skip
    f, extra = activations or ("sigmoid", "tanh") * len(w), [linear_before_reset] * len(w)
    return _run(_gru_step, f, x, w, r, b, lengths, (h,), extra, direction, hidden_size, layout)


RECURRENT: dict[str, Any] = {"LSTM": _lstm, "GRU": _gru}
