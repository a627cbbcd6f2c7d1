"""Cases of the compositions with PyTorch's names, and of running results along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn.testing import strategies as ag_st
from tests.case_parts import Case, binary, fixed, joined, make


def several(*shapes: tuple[int, ...], **params: Any) -> Any:
    return st.tuples(*map(ag_st.arrays, shapes)).map(lambda xs: make(*xs, **params))


def within(low: float, high: float, *options: dict[str, Any]) -> Any:
    return st.builds(
        lambda x, o: make(x, **o), ag_st.arrays((3, 2), low, high), st.sampled_from(options or [{}])
    )


@st.composite
def off_whole_numbers(draw: Any) -> Case:
    x = draw(ag_st.arrays(ag_st.shapes(min_side=0)))
    whole = np.round(x * 3.0)
    return make(np.asarray(whole + np.where(whole >= 0, 0.2, -0.3)))


def logarithms(x: np.ndarray, y: np.ndarray) -> Case:
    return make(x, np.asarray(np.abs(y) + 0.3))


PLACES = np.array([0.0, 0.4, 1.0, 1.3, 2.0])

CASES: dict[str, Any] = {
    "addbmm": several((3, 2), (2, 3, 4), (2, 4, 2), beta=0.5, alpha=2.0),
    "addcdiv": st.builds(
        lambda x, y, z: make(x, y, z, value=0.7),
        ag_st.arrays((2, 3)),
        ag_st.arrays((2, 3)),
        ag_st.positive((3,)),
    ),
    "addcmul": several((2, 3), (2, 3), (3,), value=0.7),
    "addmm": st.one_of(
        several((2, 3), (2, 4), (4, 3)),
        several((3,), (2, 4), (4, 3), beta=0.5, alpha=2.0),
        several((2,), (2, 4), (4,), beta=0),
        several((2, 3, 2), (2, 3, 1), (2, 1, 2), alpha=3),
    ),
    "addr": several((2, 3), (2,), (3,), beta=0.5, alpha=2.0),
    **dict.fromkeys(["cummax", "cummin"], fixed((3, 4), {"axis": 0}, {"axis": -1})),
    "dist": st.builds(
        lambda x, y, o: make(x, y + 4.0, **o),
        ag_st.arrays((2, 3)),
        ag_st.arrays((3,)),
        st.sampled_from([{}, {"p": 3}]),
    ),
    "frac": off_whole_numbers(),
    "gradient": fixed(
        (5, 3),
        {},
        {"axis": 0, "spacing": 0.5, "edge_order": 2},
        {"axis": 0, "spacing": PLACES},
        {"axis": (0, -1), "spacing": [PLACES, 2.0]},
    ),
    "lerp": st.one_of(several((2, 3), (2, 3), (2, 3)), several((2, 3), (3,), ())),
    "logcumsumexp": fixed((3, 5), {"axis": 0}, {"axis": -1}),
    "logit": within(0.1, 0.9, {}, {"eps": 0.25}),
    "masked_select": st.builds(
        lambda x, y: make(x, y > 0.1), ag_st.arrays((2, 3)), ag_st.arrays((3,))
    ),
    "meshgrid": st.one_of(
        several((2,), (3,)), several((2,), (3,), indexing="ij"), several((2,), (1,), (3,))
    ),
    "narrow": fixed(
        (3, 4),
        {"dim": 1, "start": 1, "length": 2},
        {"dim": -2, "start": -1, "length": 1},
        {"dim": 0, "start": 3, "length": 0},
    ),
    "rsqrt": within(0.3, 3.0),
    **dict.fromkeys(
        ["std_mean", "var_mean"],
        fixed((3, 4), {}, {"dim": 1}, {"dim": (0, 1), "keepdim": True, "unbiased": False}),
    ),
    "unbind": fixed((3, 2), {}, {"axis": -1}),
    "xlogy": binary().map(lambda case: logarithms(*case.inputs)),
}

WRAPPED: dict[str, Any] = {
    "cummax": lambda x, axis: ag.cummax(x, axis)[0],
    "cummin": lambda x, axis: ag.cummin(x, axis)[0],
    "gradient": lambda x, **p: (
        joined(ag.gradient(x, **p))
        if isinstance(ag.gradient(x, **p), list)
        else ag.gradient(x, **p)
    ),
    "meshgrid": lambda *xs, **p: joined(ag.meshgrid(*xs, **p)),
    "std_mean": lambda x, **p: joined(ag.std_mean(x, **p)),
    "unbind": lambda x, **p: joined(ag.unbind(x, **p)),
    "var_mean": lambda x, **p: joined(ag.var_mean(x, **p)),
}


def _flat(parts: Any) -> np.ndarray:
    return np.concatenate([np.ravel(part) for part in parts])


def _gradient(x: np.ndarray, spacing: Any = 1.0, axis: Any = None, edge_order: int = 1) -> Any:
    steps = spacing if isinstance(spacing, list) else [spacing]
    found = np.gradient(x, *steps, axis=axis, edge_order=edge_order)
    return found if isinstance(found, np.ndarray) else _flat(found)


def _spread(function: Any) -> Any:
    def call(x: np.ndarray, dim: Any = None, keepdim: bool = False, unbiased: bool = True) -> Any:
        spread = function(x, axis=dim, keepdims=keepdim, ddof=int(unbiased))
        return _flat([spread, x.mean(axis=dim, keepdims=keepdim)])

    return call


def _added(product: Any) -> Any:
    return lambda x, y, z, beta=1, alpha=1: beta * x + alpha * product(y, z)


REFERENCES: dict[str, Any] = {
    "addbmm": _added(lambda y, z: (y @ z).sum(axis=0)),
    "addcdiv": lambda x, y, z, value: x + value * y / z,
    "addcmul": lambda x, y, z, value: x + value * y * z,
    "addmm": _added(lambda y, z: y @ z),
    "addr": _added(np.outer),
    "cummax": lambda x, axis: np.maximum.accumulate(x, axis),
    "cummin": lambda x, axis: np.minimum.accumulate(x, axis),
    "dist": lambda x, y, p=2: (abs(x - y) ** p).sum() ** (1 / p),
    "frac": lambda x: x - np.trunc(x),
    "gradient": _gradient,
    "lerp": lambda x, end, weight: x + weight * (end - x),
    "logcumsumexp": lambda x, axis: np.log(np.cumsum(np.exp(x), axis)),
    "logit": lambda x, eps=0.0: -np.log(1 / np.clip(x, eps, 1 - eps) - 1),
    "masked_select": lambda x, mask: x[np.broadcast_to(mask, x.shape)],
    "meshgrid": lambda *xs, **p: _flat(np.meshgrid(*xs, **p)),
    "narrow": lambda x, dim, start, length: np.take(
        x, np.arange(start, start + length), dim, mode="wrap"
    ),
    "rsqrt": lambda x: x**-0.5,
    "std_mean": _spread(np.std),
    "unbind": lambda x, axis=0: _flat(np.moveaxis(x, axis, 0)),
    "var_mean": _spread(np.var),
    "xlogy": lambda x, y: x * np.log(y),
}
