"""Writes that a graph follows: what each keeps and takes, and what was computed in between."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autograd_cnn as ag
from tests.counting import count_hops
from tests.test_inplace_programs import SHAPES, VIEWS, W, _assign_first, _divide, programs, start
from tests.test_inplace_programs import run as _run

# ------------------------------------------------------------------------------- many writes of parts


def rows(write: Callable[[Any, Any, int], None]) -> Callable[[Any, Any], Any]:
    """Every row of a buffer written in turn; the buffer."""

    def loop(out: Any, w: Any) -> Any:
        for i in range(len(out)):
            write(out, w, i)
        return out

    return loop


def _recurrent(out: Any, w: Any) -> Any:
    for i in range(1, len(out)):
        out[i] = ag.tanh(out[i - 1] * w)
    return out


def _views_alive(out: Any, w: Any) -> Any:
    views = [out[i] for i in range(len(out))]
    for view in views:
        view += w
    return out


def _beside_a_view(out: Any, w: Any) -> Any:
    other = out.T[::-1]
    for i in range(len(out)):
        out[i] = w
    return out + other.T[:, ::-1]


def _accumulated(out: Any, w: Any) -> Any:
    for row in out:
        row += w
        row *= w
    return out


LOOPS: dict[str, Callable[[Any, Any], Any]] = {
    "out[i] = w": rows(lambda out, w, i: out.__setitem__(i, w)),
    "out[i] += w": rows(lambda out, w, i: out[i].__iadd__(w)),
    "out[i] *= w": rows(lambda out, w, i: out[i].__imul__(w)),
    "out[i, ::2] = w": rows(lambda out, w, i: out.__setitem__((i, slice(None, None, 2)), w[::2])),
    "out[i, 3] = w": rows(lambda out, w, i: out.__setitem__((i, 3), w[3])),
    "out[[i]] = w": rows(lambda out, w, i: out.__setitem__([i], w)),
    "out[mask] = w": rows(lambda out, w, i: out.__setitem__(np.arange(len(out)) == i, w)),
    "out.T[:, i] = w": rows(lambda out, w, i: out.T.__setitem__((slice(None), i), w)),
    "out[i] = out[i - 1] + w": rows(lambda out, w, i: out.__setitem__(i, out[i - 1] + w)),
    "recurrent": _recurrent,
    "views alive": _views_alive,
    "beside a view": _beside_a_view,
    "accumulated": _accumulated,
}


@pytest.mark.parametrize("grown", [False, True], ids=["constant", "recorded"])
@pytest.mark.parametrize("name", LOOPS)
def test_n_writes_keep_what_they_wrote_not_the_whole_each(name: str, grown: bool) -> None:
    """Four times as many take about four times the memory and calls, backward included."""

    def costs(n: int) -> tuple[int, int]:
        w = ag.tensor(np.linspace(0.5, 1.0, 200), requires_grad=True)

        def work() -> None:
            out = ag.tensor(np.zeros((n, 200)), requires_grad=grown)
            LOOPS[name](out * 1.0, w).sum().backward()

        work()
        peaks = []
        for _ in range(3):  # the least: now and then something else is allocated, once
            tracemalloc.start()
            work()
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        return min(peaks), count_hops(work)

    few, many = costs(40), costs(160)
    for what, less, more in zip(("bytes", "calls"), few, many):
        assert more <= 5 * less, f"{what} of {name}: {more} for 160 writes, {less} for 40"


# ---------------------------------------------------------------------- results of every step's values


def run(steps: list[tuple[Any, ...]], base: Any, w: Any, seen: Callable[[Any], None]) -> list[Any]:
    """As the program, but `seen` gets every known tensor after every step."""
    known = [base]
    for k, step in enumerate(steps):
        known = _run([step], known[0], w) if k == 0 else _step(step, known, w)
        for x in known:
            seen(x)
    return known


def _step(step: tuple[Any, ...], known: list[Any], w: Any) -> list[Any]:
    kind, of, what, number = step
    x = known[of % len(known)]
    if x.ndim and x.size:
        if kind == "view":
            return [*known, VIEWS[what](x, number)]
        what(x, 1.5 if number < 0 else w[number])
    return known


USES: list[Callable[[Any], Any]] = [
    lambda x: (x * x * np.cos(np.arange(x.size).reshape(x.shape))).sum(),
    lambda x: np.exp(x * 0.1).sum(),
    lambda x: (x[..., :1] if x.ndim else x).sum() * 3.0,
    lambda x: (x.reshape(-1)[::-1] * np.arange(x.size)).sum(),
    lambda x: (np.sin(x[0]) if x.ndim and x.size else x).sum(),
]


@given(programs(), SHAPES, st.integers(0, 4), st.integers(0, 4), st.booleans())
@example([("write", 0, _divide, 0), ("write", 0, _assign_first, 0)], (3,), 2, 0, False)
def test_each_version_s_users_have_the_gradient_of_its_values(
    steps: list[tuple[Any, ...]],
    shape: tuple[int, ...],
    first: int,
    stride: int,
    create_graph: bool,
) -> None:
    """Against complex steps: a result of every tensor's value after every step.

    With a stride of 0 all results are of one kind, such as views, whose rules read no values.
    """

    def loss(base: Any, w: Any) -> Any:
        parts: list[Any] = []

        def seen(x: Any) -> None:
            use = USES[(first + stride * len(parts)) % len(USES)]
            parts.append(use(x) * (1.0 + len(parts)))

        run(steps, base, w, seen)
        return sum(parts)

    leaf, w = ag.tensor(start(shape), requires_grad=True), ag.tensor(W, requires_grad=True)
    total = loss(leaf * 1.0, w)
    found = ag.grad(total, [w, leaf], allow_unused=True, create_graph=create_graph)
    h = 1e-30
    for k, g in enumerate(found):
        for place in range(3):
            moved = [W.astype(complex), start(shape).astype(complex)]
            moved[k].reshape(-1)[place] += 1j * h
            exact = loss(moved[1], moved[0])
            mine = 0.0 if g is None else g.numpy().reshape(-1)[place]
            np.testing.assert_allclose(total.item(), exact.real, rtol=1e-10)
            np.testing.assert_allclose(mine, exact.imag / h, rtol=1e-9, atol=1e-9)


@given(programs(), SHAPES, st.integers(0, 6), st.integers(0, 4))
def test_an_unseen_write_between_recorded_ones_is_refused_or_harmless(
    steps: list[tuple[Any, ...]], shape: tuple[int, ...], when: int, first: int
) -> None:
    """A detached tensor writes a constant once: the gradient is right, or a GraphError."""

    def loss(base: Any, w: Any) -> Any:
        parts: list[Any] = []

        def seen(x: Any) -> None:
            parts.append(USES[(first + len(parts)) % len(USES)](x) * (1.0 + len(parts)))
            if len(parts) == when:
                part = x.detach() if isinstance(x, ag.Tensor) else x
                part += 0.5

        run(steps, base, w, seen)
        return sum(parts)

    leaf, w = ag.tensor(start(shape), requires_grad=True), ag.tensor(W, requires_grad=True)
    total = loss(leaf * 1.0, w)
    try:
        (g,) = ag.grad(total, [leaf])
    except ag.GraphError:
        return
    moved = start(shape).astype(complex)
    moved.reshape(-1)[1] += 1e-30j
    exact = loss(moved, W.astype(complex)).imag / 1e-30
    np.testing.assert_allclose(g.numpy().reshape(-1)[1], exact, rtol=1e-9, atol=1e-9)


# ------------------------------------------------------------------------------------ many living views


ALIVE: dict[str, Callable[[Any, int], list[Any]]] = {
    "rows": lambda x, n: [x[i] for i in range(n)],
    "columns": lambda x, n: [x.T[:, i : i + 1] for i in range(n)],
    "cells": lambda x, n: [x[i, i % 8 : i % 8 + 1] for i in range(n)],
    "backwards": lambda x, n: [x[i, ::-2] for i in range(n)],
    "pairs": lambda x, n: [x[i : i + 2] for i in range(n)],
    "two sizes": lambda x, n: [x[i, : 1 + 6 * (i % 2)] for i in range(n)],
}


@pytest.mark.parametrize("name", ALIVE)
@pytest.mark.parametrize("tracked", [False, True])
def test_a_write_looks_only_at_views_of_the_same_place(
    name: str, tracked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of n living views is written: the comparisons of memory grow as n does."""
    compared = [0]
    whole = np.shares_memory

    def counting(*args: Any, **kwargs: Any) -> bool:
        compared[0] += 1
        return whole(*args, **kwargs)

    monkeypatch.setattr(np, "shares_memory", counting)

    def costs(n: int) -> int:
        compared[0] = 0
        x = ag.tensor(np.ones((n, 8)))
        views = ALIVE[name](x, n)
        w = ag.tensor(2.0, requires_grad=tracked)
        for view in views:
            view *= w
        expected = np.ones((n, 8))
        for part in ALIVE[name](expected, n):
            part *= 2.0
        assert np.array_equal(x.numpy(), expected)
        return compared[0]

    few, many = costs(50), costs(200)
    assert many <= 5 * few
    assert few <= 50 * 12
