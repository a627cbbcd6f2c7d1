"""What cases are made of: inputs and parameters, and the generators that many ops share."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from autograd_cnn.ops import join
from autograd_cnn.testing import strategies as ag_st


class Case(NamedTuple):
    """Inputs and keyword parameters of one call."""

    inputs: tuple[Any, ...]
    params: dict[str, Any]


def make(*inputs: Any, **params: Any) -> Case:
    return Case(inputs, params)


@functools.cache
def examples(strategy: Any, count: int) -> list[Case]:
    """Examples of a case, the same in every run."""
    found = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(case: Case) -> None:
        found.append(case)

    collect()
    return found


def unary(strategy: Any = None) -> Any:
    shape = ag_st.shapes(min_side=0)
    return (strategy(shape) if strategy else ag_st.arrays(shape)).map(make)


def binary(low: float = -2.0, high: float = 2.0) -> Any:
    def square(seed: int) -> Case:
        return make(*(ag_st.evenly_spaced((2, 2), [seed, k], low, high) for k in range(2)))

    # Broadcast inputs are seldom as large as the result: a gradient along wrong axes shows here.
    pairs = ag_st.broadcastable(2, low, high).map(lambda xs: make(*xs))
    return st.one_of(pairs, pairs, ag_st.SEEDS.map(square))


def reductions(minimum: int = 1, **more: Any) -> Any:
    @st.composite
    def build(draw: Any) -> Case:
        shape = draw(
            st.one_of(
                ag_st.shapes(min_dims=0 if minimum < 2 else 1, min_side=minimum),
                st.sampled_from([(2, 3), (2, 2, 2)]),
            )
        )
        if len(shape) > 1 and draw(st.integers(0, 4)) == 3:  # nothing to reduce, along one axis
            shape = (0, *shape[1:])
            params = {"axis": draw(st.sampled_from([1, -1])), "keepdims": draw(st.booleans())}
            params |= {k: draw(v) for k, v in more.items()}
            return make(draw(ag_st.arrays(shape)), **params)
        axes = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
        several = st.lists(
            st.integers(0, max(len(shape) - 1, 0)), unique=True, max_size=len(shape)
        ).map(tuple)
        axis = draw(st.one_of(st.none(), axes, several if shape and minimum < 2 else axes))
        params = {"axis": axis, "keepdims": draw(st.booleans())}
        params |= {k: draw(v) for k, v in more.items()}
        return make(draw(ag_st.arrays(shape)), **params)

    return build()


@st.composite
def along_axis(draw: Any) -> Case:
    shape = draw(st.one_of(ag_st.shapes(min_dims=1), st.just((0, 2)), st.just((2, 0, 1))))
    return make(draw(ag_st.arrays(shape)), axis=draw(st.integers(-len(shape), len(shape) - 1)))


def joined(parts: Any) -> Any:
    """Several results as one, so that all of them are checked."""
    parts = [p.reshape((p.size,)) for p in parts]
    return join.hstack(parts) if parts else np.zeros(0)


def fixed(shape: tuple[int, ...], *options: dict[str, Any]) -> Any:
    return st.builds(lambda x, o: make(x, **o), ag_st.arrays(shape), st.sampled_from(options))


def pairs(*shapes: tuple[tuple[int, ...], tuple[int, ...]], **params: Any) -> Any:
    return st.sampled_from(shapes).flatmap(
        lambda s: st.builds(
            lambda x, y: make(x, y, **params), ag_st.arrays(s[0]), ag_st.arrays(s[1])
        )
    )
