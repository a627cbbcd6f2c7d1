"""Data of one's own: objects with elements, streams, frames and tensors in a DataLoader."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import data

Pair = namedtuple("Pair", "x y")


class Items(data.Dataset):
    """Elements 0 ... n - 1, each made by a function."""

    def __init__(self, n: int, make: Any) -> None:
        self.n, self.make = n, make

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < self.n:
            raise IndexError(index)
        assert type(index) is int
        return self.make(index)


class Stream:
    def __init__(self, n: int, make: Any) -> None:
        self.n, self.make = n, make

    def __iter__(self) -> Iterator[Any]:
        return map(self.make, range(self.n))


def ones(i: np.ndarray, *shape: int) -> np.ndarray:
    return i.reshape(-1, *(1,) * len(shape)) * np.ones(shape, i.dtype)


ELEMENTS: dict[str, tuple[Any, Any]] = {
    "array": (lambda i: np.full((2, 3), i, np.uint8), lambda i: ones(i.astype(np.uint8), 2, 3)),
    "number": (lambda i: i, lambda i: i),
    "float": (lambda i: i / 2, lambda i: np.float32(i / 2)),
    "pair": (lambda i: (np.full(3, i), i), lambda i: (ones(i, 3), i)),
    "list": (lambda i: [i, -i], lambda i: (i, -i)),
    "named": (lambda i: Pair(i, -i), lambda i: Pair(i, -i)),
    "dict": (
        lambda i: {"a": i, "b": (i, 1.5)},
        lambda i: {"a": i, "b": (i, np.full(len(i), 1.5, np.float32))},
    ),
    "text": (str, lambda i: [str(k) for k in i]),
    "tensor": (lambda i: ag.tensor([float(i)]), lambda i: ag.tensor(np.float32(i)[:, None])),
}
"""How element i is made, and the batch of the elements `i`."""


def same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        found, expected = tuple(found.values()), tuple(expected.values())
    if isinstance(expected, tuple):
        for a, b in zip(found, expected, strict=True):
            same(a, b)
    elif isinstance(expected, list):
        assert found == expected
    else:
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


@pytest.mark.parametrize("kind", ELEMENTS)
@given(n=st.integers(1, 9), size=st.integers(1, 4), shuffle=st.booleans(), seed=st.integers(0, 3))
def test_elements_of_any_kind_become_batches(
    kind: str, n: int, size: int, shuffle: bool, seed: int
) -> None:
    make, joined = ELEMENTS[kind]
    order = np.random.default_rng([seed, 0]).permutation(n) if shuffle else np.arange(n)
    expected = [joined(order[k : k + size]) for k in range(0, n, size)]
    settings = {"batch_size": size, "shuffle": shuffle, "seed": seed}
    for elements in (Items(n, make), [make(i) for i in range(n)]):
        for found, wanted in zip(data.DataLoader(elements, **settings), expected, strict=True):
            same(found, wanted)
        part = data.Subset(elements, np.arange(n)[::-1])
        last = next(iter(data.DataLoader(part, batch_size=1)))
        same(last, joined(np.array([n - 1])))
    if not shuffle:
        loader = data.DataLoader(Stream(n, make), size)
        for _ in range(2):
            for found, wanted in zip(loader, expected, strict=True):
                same(found, wanted)


def test_tensors_give_tensors_without_a_graph_that_are_copies() -> None:
    x = ag.tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    for shuffle in (False, True):
        for found in data.DataLoader((x, [1, 0, 1]), 2, shuffle=shuffle):
            assert type(found[0]) is ag.Tensor
            assert not found[0].requires_grad
            found[0][...] = 9.0
    assert x.numpy().max() == 5.0


def test_frames_and_series_of_pandas_are_arrays() -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]}, index=[7, 8, 9])
    (x, y), _ = data.DataLoader((frame, frame["a"] > 1.5), 2)
    assert x.tolist() == [[1.0, 4.0], [2.0, 5.0]]
    assert y.tolist() == [False, True]
    frame["name"] = ["p", "q", "r"]
    with pytest.raises(TypeError, match="choose its columns of numbers"):
        data.DataLoader(frame)


def test_images_of_pillow_are_stacked() -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    elements = [(image.new("RGB", (4, 3), (i, 0, 0)), i) for i in range(3)]
    ((x, y),) = data.DataLoader(elements, 3)
    assert (x.shape, x.dtype) == ((3, 3, 4, 3), np.uint8)
    assert (x[2, 0, 0].tolist(), y.tolist()) == ([2, 0, 0], [0, 1, 2])


@pytest.mark.parametrize("whole", [True, False])
def test_collate_fn_gets_a_list_of_elements(whole: bool) -> None:
    seen: list[Any] = []
    elements: Any = (np.arange(4), np.arange(4) * 2) if whole else [(i, 2 * i) for i in range(4)]
    loader = data.DataLoader(elements, 3, collate_fn=lambda items: seen.append(items) or len(items))
    assert list(loader) == [3, 1]
    assert [tuple(map(int, pair)) for pair in seen[0]] == [(0, 0), (1, 2), (2, 4)]


def test_a_sampler_gives_the_indices_of_each_pass() -> None:
    loader = data.DataLoader(np.arange(10) * 10, 2, sampler=[7, 1, 4])
    assert len(loader) == 2
    assert [b.tolist() for b in loader] == [b.tolist() for b in loader] == [[70, 10], [40]]
    with pytest.raises(IndexError):
        list(data.DataLoader(np.arange(3), sampler=[3]))


@given(st.integers(0, 5), st.booleans(), st.integers(0, 2))
def test_the_order_follows_manual_seed_unless_a_seed_is_given(
    seed: int, own: bool, done: int
) -> None:
    def passes(loader: data.DataLoader, count: int) -> list[Any]:
        return [[b.tolist() for b in loader] for _ in range(count)]

    def new(start: int) -> data.DataLoader:
        generator = np.random.default_rng(start) if own else None
        ag.manual_seed(0 if own else start)
        return data.DataLoader(np.arange(8), 3, shuffle=True, generator=generator)

    loader = new(seed)
    first = passes(loader, 2)
    assert first[0] != first[1]
    assert passes(new(seed), 2) == first
    assert passes(new(seed + 1), 2) != first
    before = ag.manual_seed(3).bit_generator.state
    fixed = data.DataLoader(np.arange(8), 3, shuffle=True, seed=seed)
    assert passes(fixed, 1) == passes(data.DataLoader(np.arange(8), 3, True, seed=seed), 1)
    list(data.DataLoader(np.arange(8), 3))
    assert ag.random.generator().bit_generator.state == before  # nothing was drawn
    interrupted = new(seed)
    batches = iter(interrupted)
    begun = [next(batches).tolist() for _ in range(done)]
    later = new(seed + 7)
    later.load_state_dict(interrupted.state_dict())
    assert begun + [b.tolist() for b in later] == first[0]


def test_older_states_without_a_drawn_seed_are_read() -> None:
    loader = data.DataLoader(np.arange(6), 2, seed=1)
    state = loader.state_dict()
    del state["drawn"]
    loader.load_state_dict({**state, "step": 2})
    assert [b.tolist() for b in loader] == [[4, 5]]


def test_a_generator_serves_for_one_pass() -> None:
    loader = data.DataLoader((i for i in range(3)), 2)
    assert [b.tolist() for b in loader] == [[0, 1], [2]]
    with pytest.raises(ValueError, match="the generator has no more elements.*give a list"):
        list(loader)
    with pytest.raises(TypeError, match="no len|has no length"):
        len(loader)
    assert repr(loader) == "DataLoader(generator, batch_size=2)"


def test_short_representations() -> None:
    images, labels = np.zeros((5, 1, 2, 2), np.uint8), np.arange(5)
    split = data.Split(images, labels)
    assert repr(split) == "Split(images=uint8 (5, 1, 2, 2), labels=int64 (5,))"
    assert repr(data.Subset(split, [0, 1])) == "Subset(2 of 5 elements)"
    loader = data.DataLoader(split, 2, shuffle=True, drop_last=True)
    assert repr(loader) == "DataLoader(5 elements, batch_size=2, shuffle=True, drop_last=True)"
