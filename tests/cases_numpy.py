"""Cases of NumPy's functions: trigonometry, exponentials, rounding, contractions, matrices, assignment."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd_cnn.testing import strategies as ag_st
from tests.case_parts import Case, binary, make, unary


def between(low: float, high: float) -> Any:
    return unary(lambda shape: ag_st.arrays(shape, low, high))


@st.composite
def away_from_steps(draw: Any, **params: Any) -> Case:
    """Values whose fractions stay off 0 and a half, where rounding jumps."""
    x = draw(ag_st.arrays(ag_st.shapes(min_side=0)))
    whole = np.round(x * 3.0)
    return make(np.asarray(whole + np.where(np.sign(x) > 0, 0.2, -0.3)), **params)


@st.composite
def remainders(draw: Any) -> Case:
    x, y = draw(ag_st.broadcastable(2, 0.3, 2.0))
    quotient = draw(st.integers(-3, 3)) + 0.4 * np.ones_like(x)
    scale = draw(st.sampled_from([1.0, -1.0]))
    # One divisor for all, or the quotient of a broadcast pair could lie on a step.
    y = np.full(y.shape, scale * 1.7)
    return make(np.asarray(quotient * 1.7 * scale + 0.1 * x), y)


@st.composite
def cumulative(draw: Any) -> Case:
    shape = draw(ag_st.shapes(min_side=0))
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
    return make(draw(ag_st.arrays(shape)), axis=draw(st.one_of(st.none(), axes)))


CONTRACTIONS = [
    ("i->i", [(3,)]),
    ("ij->ji", [(2, 3)]),
    ("i,i->", [(3,), (3,)]),
    ("i,j->ij", [(2,), (3,)]),
    ("ij,jk->ik", [(2, 3), (3, 2)]),
    ("bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
    ("ij,ij->j", [(2, 3), (2, 3)]),
    ("ij,jk,kl->il", [(2, 2), (2, 3), (3, 2)]),
    ("i,i,i->i", [(3,), (3,), (3,)]),
    ("ij,j,i->", [(2, 3), (3,), (2,)]),
    ("ij,jk->ik", [(2, 0), (0, 3)]),
    (",i->i", [(), (3,)]),
]


@st.composite
def contractions(draw: Any) -> Case:
    subscripts, shapes = draw(st.sampled_from(CONTRACTIONS))
    return make(*(draw(ag_st.arrays(shape)) for shape in shapes), subscripts=subscripts)


STACKS = st.sampled_from([(), (2,), (0,), (1, 2)])


@st.composite
def regular(draw: Any, lead: Any = STACKS) -> np.ndarray:
    """Well-conditioned matrices of both signs of the determinant: a dominant diagonal, rows swapped."""
    n = draw(st.integers(1, 3))
    matrices = draw(ag_st.arrays((*draw(lead), n, n), -0.5, 0.5)) + 2.0 * np.eye(n)
    return np.ascontiguousarray(matrices[..., draw(st.permutations(range(n))), :])


@st.composite
def systems(draw: Any) -> Case:
    a = draw(regular(st.sampled_from([(), (2,), (2, 1), (0,)])))
    lead = draw(st.sampled_from([(), (1,), (3, 1) if a.ndim < 4 else (3,)]))
    return make(a, draw(ag_st.arrays((*lead, a.shape[-1], draw(st.integers(0, 2))))))


@st.composite
def definite(draw: Any) -> Case:
    n = draw(st.integers(1, 3))
    x = draw(ag_st.arrays((*draw(STACKS), n, n), -0.5, 0.5))
    return make(x @ x.mT + 1.5 * np.eye(n) + 0.1 * x)


PUTS = [
    0,
    slice(None, None, -1),
    (Ellipsis, 1),
    (slice(None, None, 2), slice(1, None)),
    np.array([2, 0, 2, 2]),
    (slice(None), np.array([3, 3, 0])),
    (np.array([0, 0, 1]), np.array([1, 1, 2])),
    np.arange(3 * 4 * 2).reshape(3, 4, 2) % 3 == 0,
    (np.array([], dtype=int),),
    (1, 2, 0),
]


@st.composite
def puts(draw: Any) -> Case:
    whole, index = draw(
        st.one_of(
            st.tuples(st.just((3, 4, 2)), st.sampled_from(PUTS)),
            st.tuples(st.just((3, 4, 2)), st.sampled_from(PUTS)),
            st.sampled_from([((0, 2), slice(None)), ((0, 2), (Ellipsis, 1)), ((), ())]),
        )
    )
    shape = np.empty(whole)[index].shape
    options = [shape, (1,) * len(shape), shape[1:], ()]
    return make(
        draw(ag_st.arrays(whole)),
        draw(ag_st.arrays(draw(st.sampled_from(options)))),
        index=index,
    )


CASES: dict[str, Any] = {
    **dict.fromkeys(["arccos", "arcsin", "arctanh"], between(-0.8, 0.8)),
    **dict.fromkeys(
        ["arcsinh", "arctan", "cos", "cosh", "erf", "exp2", "expm1", "sin", "sinh"], unary()
    ),
    **dict.fromkeys(["cbrt", "log10", "log2"], unary(ag_st.positive)),
    **dict.fromkeys(["ceil", "floor", "trunc"], away_from_steps()),
    **dict.fromkeys(["det", "inv", "logabsdet"], regular().map(make)),
    **dict.fromkeys(["floor_divide", "fmod", "remainder"], remainders()),
    "arccosh": between(1.3, 3.0),
    "arctan2": st.tuples(binary(), st.sampled_from([1.0, -1.0])).map(
        # The angle jumps where y changes sign at negative x: y keeps away from 0.
        lambda c: make(np.asarray(c[1] * (c[0].inputs[0] + 2.5)), c[0].inputs[1])
    ),
    "cholesky": definite(),
    "contract": contractions(),
    "cumsum": cumulative(),
    "hypot": binary(0.3, 3.0),
    "log1p": between(-0.7, 2.0),
    **dict.fromkeys(["copysign", "logaddexp", "logaddexp2"], binary()),
    "pinv": st.builds(
        lambda x, rows, columns: make(np.ascontiguousarray(x[..., :rows, :columns])),
        regular(),
        *([st.integers(1, 3)] * 2),
    ),
    "put": puts(),
    "round": away_from_steps(decimals=0),
    "solve_columns": systems(),
    "tan": between(-1.2, 1.2),
}


def _put(x: np.ndarray, v: np.ndarray, index: Any) -> np.ndarray:
    out = x.copy()
    out[index] = v
    return out


def _contract(*xs: np.ndarray, subscripts: str) -> np.ndarray:
    """Every product, one by one."""
    terms, output = subscripts.split("->")
    factors = terms.split(",")
    sizes = {c: n for t, x in zip(factors, xs) for c, n in zip(t, x.shape)}
    out = np.zeros([sizes[c] for c in output])
    for place in np.ndindex(*sizes.values()):
        at = dict(zip(sizes, place))
        value = math.prod(x[tuple(at[c] for c in t)] for t, x in zip(factors, xs))
        out[tuple(at[c] for c in output)] += value
    return out


REFERENCES: dict[str, Any] = {
    "cholesky": lambda x: np.linalg.cholesky((x + x.mT) / 2),
    "contract": _contract,
    "det": np.linalg.det,
    "erf": lambda x: np.vectorize(math.erf, otypes=[float])(x) if x.size else x,
    "inv": np.linalg.inv,
    "logabsdet": lambda x: np.linalg.slogdet(x)[1],
    "pinv": np.linalg.pinv,
    "put": _put,
    "solve_columns": np.linalg.solve,
}

LINEAR = {"contract": (0,), "cumsum": (0,), "put": (0, 1)}

ANALYTIC = {
    *[
        "arccos", "arcsin", "arcsinh", "arctan", "arctanh", "contract", "cos", "cosh", "cumsum",
        "det", "exp2", "expm1", "inv", "log10", "log1p", "log2", "sin", "sinh", "solve_columns",
        "tan",
    ],
}  # fmt: skip
