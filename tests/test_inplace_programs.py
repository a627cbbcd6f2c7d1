"""Programs of views and writes: NumPy's values, with a graph or without, and the right gradient."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag

VIEWS = {
    "row": lambda x, i: x[i % max(len(x), 1), ...] if x.ndim > 1 else x[:1],
    "slice": lambda x, i: x[i % 3 :: 1 + i % 2],
    "backwards": lambda x, i: x[::-1],
    "column": lambda x, i: x[..., i % x.shape[-1]] if x.ndim > 1 else x[1:],
    "new axis": lambda x, i: x[:, None],
    "transpose": lambda x, i: x.T,
    "ravel": lambda x, i: x.ravel(),
    "reshape": lambda x, i: x.reshape((x.size, 1)),
    "squeeze": lambda x, i: x.squeeze(),
    "swapaxes": lambda x, i: x.swapaxes(0, -1),
    "all": lambda x, i: x[...],
    "block": lambda x, i: x[1:, :-1] if x.ndim > 1 else x[:-1],
    "mirrored": lambda x, i: x[..., ::-1],
    "steps backwards": lambda x, i: x[..., i % x.shape[-1] :: -1 - i % 2],
    "flip": lambda x, i: np.flip(x, None if i % 2 else -1),
    "turned": lambda x, i: np.rot90(x, i) if x.ndim > 1 else np.flip(x),
    "turned back": lambda x, i: x.T[::-1] if i % 2 else x[::-1].T[..., ::-1],
    "axes in turn": lambda x, i: np.moveaxis(x, 0, -1)[..., ::-1],
}


def _add(x: Any, v: Any) -> None:
    x += v


def _subtract(x: Any, v: Any) -> None:
    x -= v


def _multiply(x: Any, v: Any) -> None:
    x *= v


def _divide(x: Any, v: Any) -> None:
    x /= v * v + 2.0


def _assign_first(x: Any, v: Any) -> None:
    x[:1] = v


def _add_to_last(x: Any, v: Any) -> None:
    x[-1:] += v


def _add_to_rows(x: Any, v: Any) -> None:
    for row in x[::-1, None]:  # at least one axis is left
        row += v


def _scale_positions(x: Any, v: Any) -> None:
    x[np.arange(len(x))[::-2]] *= v


def _scale_mirrored(x: Any, v: Any) -> None:
    x[..., ::-1] *= v


def _assign_turned(x: Any, v: Any) -> None:
    view = np.flip(x)
    view[...] = view * v


def _assign_reversed(x: Any, v: Any) -> None:
    x[..., ::-1] = x * v


def _shift(x: Any, v: Any) -> None:
    x[1:] = x[:-1] * v


def _from_itself(x: Any, v: Any) -> None:
    x += x * v


WRITES = [_add, _subtract, _multiply, _divide, _assign_first, _add_to_last, _add_to_rows]
WRITES += [
    _scale_positions,
    _scale_mirrored,
    _assign_turned,
    _assign_reversed,
    _shift,
    _from_itself,
]


@st.composite
def programs(draw: Any) -> list[tuple[Any, ...]]:
    """Steps that make a view of a known tensor, or write a constant or a multiple of w into one."""
    steps: list[tuple[Any, ...]] = []
    for _ in range(draw(st.integers(1, 8))):
        of = draw(st.integers(0, 5))
        if draw(st.booleans()):
            steps.append(
                ("view", of, draw(st.sampled_from(sorted(VIEWS))), draw(st.integers(0, 3)))
            )
        else:
            steps.append(("write", of, draw(st.sampled_from(WRITES)), draw(st.integers(-1, 2))))
    return steps


def run(steps: list[tuple[Any, ...]], base: Any, w: Any) -> list[Any]:
    """The base and all views after the program."""
    known = [base]
    for kind, of, what, number in steps:
        x = known[of % len(known)]
        if kind == "view":
            if x.ndim and x.size:
                known.append(VIEWS[what](x, number))
        elif x.ndim and x.size:
            what(x, 1.5 if number < 0 else w[number])
    return known


def start(shape: tuple[int, ...]) -> np.ndarray:
    return np.linspace(-1.0, 2.0, int(np.prod(shape))).reshape(shape)


SHAPES = st.sampled_from([(3,), (2, 3), (3, 1), (2, 3, 2)])
W = np.array([0.7, -1.3, 0.4])


@given(programs(), SHAPES, st.booleans())
def test_values_are_numpys_with_a_graph_and_without(
    steps: list[tuple[Any, ...]], shape: tuple[int, ...], grown: bool
) -> None:
    expected = run(steps, start(shape), W)
    with ag.no_grad():
        plain = run(steps, ag.tensor(start(shape)), ag.tensor(W, requires_grad=True))
    base = ag.tensor(start(shape))
    if grown:  # out of a graph of its own
        base = ag.tensor(start(shape), requires_grad=True) * 1.0
    recorded = run(steps, base, ag.tensor(W, requires_grad=True))
    for a, b, c in zip(expected, plain, recorded, strict=True):
        np.testing.assert_array_equal(b.numpy(), a)
        np.testing.assert_array_equal(c.numpy(), a)


@given(programs(), SHAPES)
def test_the_gradient_is_that_of_the_values(
    steps: list[tuple[Any, ...]], shape: tuple[int, ...]
) -> None:
    """Against complex steps through NumPy's own writes, in w and in the base's first value."""
    leaf, w = ag.tensor(start(shape), requires_grad=True), ag.tensor(W, requires_grad=True)

    def loss(known: list[Any]) -> Any:
        return sum((x * (k + 1.0) * np.cos(np.arange(x.size).reshape(x.shape))).sum()
                   for k, x in enumerate(known))  # fmt: skip

    total = loss(run(steps, leaf * 1.0, w))
    found = ag.grad(total, [w, leaf], allow_unused=True)
    h = 1e-30
    for k, g in enumerate(found):
        for place in range(3):
            moved = [W.astype(complex), start(shape).astype(complex)]
            moved[k].reshape(-1)[place] += 1j * h
            exact = loss(run(steps, moved[1], moved[0])).imag / h
            mine = 0.0 if g is None else g.numpy().reshape(-1)[place]
            np.testing.assert_allclose(mine, exact, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2, 4)])
@pytest.mark.parametrize("written", VIEWS)
def test_a_write_through_any_view_reaches_any_other(written: str, shape: tuple[int, ...]) -> None:
    """Values and gradients, where the views are made before the write and of all parts."""

    def loss(x: Any, w: Any, seen: str, i: int) -> Any:
        other, target = VIEWS[seen](x, i), VIEWS[written](x, i // 2)
        target *= w
        weights = np.cos(np.arange(x.size))
        return (x * weights.reshape(shape)).sum() + (
            other * weights[: other.size].reshape(other.shape)
        ).sum()

    values, direction = start(shape), np.sin(np.arange(1.0, 1 + np.prod(shape))).reshape(shape)
    for seen in VIEWS:
        for i in range(4):
            leaf = ag.tensor(values, requires_grad=True)
            w = ag.tensor(np.float64(0.7), requires_grad=True)
            total = loss(leaf * 1.0, w, seen, i)
            exact = loss(values + 1e-30j * direction, 0.7 + 1e-30j, seen, i)
            g, g_w = (g.numpy() for g in ag.grad(total, [leaf, w]))
            assert np.isclose(total.item(), exact.real, rtol=1e-12), (seen, i)
            slope = (g * direction).sum() + g_w
            assert np.isclose(slope, exact.imag / 1e-30, rtol=1e-10, atol=1e-12), (seen, i)


@given(programs(), SHAPES)
def test_consumers_of_the_old_values_get_their_gradient(
    steps: list[tuple[Any, ...]], shape: tuple[int, ...]
) -> None:
    leaf = ag.tensor(start(shape), requires_grad=True)
    h = leaf * 1.0
    early = (h * h).sum()
    run(steps, h, ag.tensor(W, requires_grad=True))
    (g,) = ag.grad(early, leaf)
    np.testing.assert_allclose(g.numpy(), 2 * start(shape), rtol=1e-12)


def test_numpys_views_and_detached_tensors_see_a_recorded_write() -> None:
    w = ag.tensor([5.0], requires_grad=True)
    for write in (_add, _assign_first):
        out = ag.tensor([1.0, 2.0])
        array, detached = out.numpy(), out.detach()
        write(out, w)
        assert out.requires_grad
        assert array.tolist() == detached.tolist() == out.tolist() != [1.0, 2.0]
        assert not detached.requires_grad


def test_a_view_made_without_recording_sees_writes_and_has_no_gradient() -> None:
    leaf, w = ag.tensor([1.0, 2.0], requires_grad=True), ag.tensor([5.0], requires_grad=True)
    h = leaf * 1.0
    with ag.no_grad():
        view = h[:1]
    product = view * w
    h += w
    assert view.tolist() == [6.0]
    assert not view.requires_grad
    with pytest.raises(ag.GraphError, match="changed in place"):
        product.backward()


@pytest.mark.parametrize(
    "view", [lambda w: w, lambda w: w[0], lambda w: w.T, lambda w: w.reshape(4), lambda w: w[:, :1]]
)
@pytest.mark.parametrize("value", ["constant", "gradient"])
def test_writes_into_views_of_a_leaf_are_refused(view: Any, value: str) -> None:
    w = ag.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    v = 1.0 if value == "constant" else ag.tensor(1.0, requires_grad=True)
    for write in (_add, _multiply, _assign_first):
        with pytest.raises(ag.GraphError, match=r"a leaf that requires gradients .*no_grad"):
            write(view(w), v)
    assert w.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    with ag.no_grad():
        _add(view(w), 1.0)
    assert w.tolist() != [[1.0, 2.0], [3.0, 4.0]]


def test_views_whose_values_overlap_follow_a_write() -> None:
    windows = ag.op(
        x=lambda g, out, x: (
            ag.concatenate([g[:, 0], np.zeros(1)]) + ag.concatenate([np.zeros(1), g[:, 1]])
        ),
        register=False,
    )(lambda x: np.lib.stride_tricks.sliding_window_view(x, 2))
    leaf = ag.tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    x = leaf * 1.0
    seen = windows(x)
    x[1:] *= 3.0
    assert seen.tolist() == [[1.0, 6.0], [6.0, 9.0]]
    (g,) = ag.grad((seen * np.array([[1.0, 10.0], [100.0, 1000.0]])).sum(), leaf)
    assert g.tolist() == [1.0, 330.0, 3000.0]


@pytest.mark.parametrize("tracked", [False, True])
def test_rows_that_were_overwritten_are_not_assigned(tracked: bool) -> None:
    """As in a swap, whose second row would be the first again."""
    x = ag.tensor(np.arange(6.0).reshape(3, 2))
    if tracked:
        x = x * ag.tensor(1.0, requires_grad=True)
    with pytest.raises(ValueError, match=r"view of the same memory.* \.copy\(\)"):
        x[0], x[1] = x[1], x[0]
    with pytest.raises(ValueError, match="view of the same memory"):
        random.Random(0).shuffle(x)  # type: ignore[arg-type]
    x[0], x[1] = x[1].copy(), x[0].copy()
    x[2] = x[0]
    x[:2] = x[1:]


@pytest.mark.parametrize("write", [_add, _assign_first])
def test_read_only_memory_is_named(write: Any) -> None:
    x = ag.broadcast_to(ag.tensor([1.0]), (3,))
    with pytest.raises(ValueError, match=r"read-only, as broadcast tensors .*\.copy\(\)"):
        write(x, 1.0)
    with pytest.raises(ValueError, match="read-only"):
        write(x, ag.tensor(1.0, requires_grad=True))


def test_versions_of_views_are_freed_with_their_tensors() -> None:
    """Nothing but the graph keeps the rows of a loop."""
    import gc
    import weakref

    w = ag.tensor([1.0, 2.0], requires_grad=True)
    out = ag.tensor(np.zeros((20, 2)))
    rows = []
    gc.disable()
    try:
        for row in out:
            row += w
            rows.append(weakref.ref(row))
        del row
        assert sum(r() is not None for r in rows) == 0
        out = out.sum()
    finally:
        gc.enable()
    assert out.requires_grad
