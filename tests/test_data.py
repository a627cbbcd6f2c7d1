"""The embedded digits, IDX files, data sets and batches."""

from __future__ import annotations

import gzip
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd_cnn import data

# ------------------------------------------------------------------------------------------- digits


def embedded() -> Any:
    with resources.files("autograd_cnn.data").joinpath("digits.npz").open("rb") as file:
        return dict(np.load(file, allow_pickle=False))


def test_the_digits_are_the_published_set_in_mnists_shape() -> None:
    train, test = data.digits()
    assert train.images.dtype == np.uint8
    labels, held_out = embedded()["labels"], np.arange(1797) % 5 == 0
    assert np.array_equal(labels[held_out], test.labels)
    assert np.array_equal(labels[~held_out], train.labels)
    counts = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # of the UCI set's documentation
    assert np.bincount(labels).tolist() == counts
    images = np.concatenate([train.images, test.images])
    assert images.shape == (1797, 1, 28, 28)
    assert images.max() == 255
    border = np.ones((28, 28), bool)
    border[2:-2, 2:-2] = False
    assert images[:, 0][:, border].max() == 0  # white on black with a margin, as MNIST has
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 1797


def test_the_digits_are_enlarged_bilinearly() -> None:
    small = embedded()["images"][0]
    rows = np.arange(28) * 0.4 - 1.9  # the middle of 28 pixels is that of 8, 2.5 times as large
    places = np.arange(-1, 9)
    tall = np.array([np.interp(rows, places, column) for column in np.pad(small, 1).T]).T
    large = np.array([np.interp(rows, places, row) for row in tall])  # (28, 28)
    found = data.digits().test.images[0, 0]
    assert np.abs(found - large * 255 / 16).max() <= 0.5 + 1e-9  # rounding to whole numbers


def test_the_embedded_file_is_small_and_has_its_attribution() -> None:
    files = resources.files("autograd_cnn.data")
    assert len(files.joinpath("digits.npz").read_bytes()) <= 80 * 1024
    text = files.joinpath("digits.LICENSE.txt").read_text()
    for word in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0"):
        assert word in text, word


def test_callers_may_write_into_the_digits() -> None:
    first = data.digits().train.images
    before = first[0].copy()
    first[0] = 0
    assert np.array_equal(data.digits().train.images[0], before)


# -------------------------------------------------------------------------------------------- IDX

CODES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


@given(
    st.sampled_from(sorted(CODES)),
    st.lists(st.integers(0, 4), max_size=4),
    st.booleans(),
    st.data(),
)
def test_every_idx_file_is_read_back(code: int, shape: list[int], packed: bool, drawn: Any) -> None:
    dtype = np.dtype(CODES[code])
    bits = np.random.default_rng(drawn.draw(st.integers(0, 99))).integers(-100, 100, shape)
    array = bits.astype(dtype)
    sizes = b"".join(n.to_bytes(4, "big") for n in shape)
    content = bytes([0, 0, code, len(shape)]) + sizes + array.tobytes()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(gzip.compress(content) if packed else content)
        found = data.read_idx(path)
    assert found.dtype == dtype.newbyteorder("=")
    assert np.array_equal(found, array)
    assert found.flags.writeable


def test_an_idx_file_that_announces_too_much_is_refused_before_memory_is_taken(
    tmp_path: Path,
) -> None:
    path = tmp_path / "huge"
    path.write_bytes(bytes([0, 0, 14, 3]) + b"\x7f\xff\xff\xff" * 3 + b"1234")
    with pytest.raises(data.DataError, match="huge: expected .* found 4"):
        data.read_idx(path)


# ------------------------------------------------------------------------------------------ batches


@given(st.integers(0, 20), st.integers(1, 7), st.booleans(), st.booleans(), st.integers(0, 5))
def test_every_sample_comes_once_a_pass(
    n: int, size: int, shuffle: bool, drop_last: bool, seed: int
) -> None:
    images, labels = np.arange(n) * 10, np.arange(n)
    loader = data.DataLoader((images, labels), size, shuffle, drop_last, seed=seed)
    batches = list(loader)
    assert len(batches) == len(loader) == (n // size if drop_last else -(-n // size))
    assert all(len(y) == size for _, y in batches[:-1])
    seen = np.concatenate([y for _, y in batches]) if batches else np.zeros(0, int)
    assert len(set(seen.tolist())) == len(seen) == (n // size * size if drop_last else n)
    assert all(np.array_equal(x, y * 10) for x, y in batches)
    if not shuffle:
        assert seen.tolist() == list(range(len(seen)))


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    loader = data.DataLoader(np.arange(20), 5, shuffle=True, seed=3)
    a, b = iter(loader), iter(loader)  # two passes at the same time
    mixed = [(next(a), next(b)) for _ in range(4)]
    assert loader.epoch == 2
    for epoch in range(2):
        found = np.concatenate([pair[epoch] for pair in mixed]).tolist()
        assert found == np.random.default_rng([3, epoch]).permutation(20).tolist()
    loader.epoch = 1  # an exact resume of the second pass
    assert np.array_equal(np.concatenate(list(loader)), np.concatenate([y for _, y in mixed]))


@given(st.integers(1, 20), st.integers(1, 7), st.booleans(), st.booleans(), st.integers(0, 60))
def test_a_loader_goes_on_after_any_batch(
    n: int, size: int, shuffle: bool, drop_last: bool, done: int
) -> None:
    def new() -> data.DataLoader:
        return data.DataLoader(np.arange(n), size, shuffle, drop_last, seed=2)

    def read(loader: data.DataLoader, count: int) -> tuple[list[list[int]], dict[str, Any]]:
        """The next `count` batches, over as many passes as that takes, and the state after them."""
        found: list[list[int]] = []
        state = loader.state_dict()
        while len(found) < count:
            for batch in loader:
                found.append(batch.tolist())
                state = loader.state_dict()
                if len(found) == count:
                    break
        return found, state

    if not len(new()):
        return
    straight, end = read(new(), done + 5)
    begun, state = read(new(), done)
    later = new()
    later.load_state_dict(state)
    assert later.state_dict() == state
    rest, same_end = read(later, 5)
    assert begun + rest == straight
    assert same_end == end


LOOPS: dict[str, Any] = {
    "plain": lambda loader: loader,
    "enumerate": lambda loader: (batch for _, batch in enumerate(loader)),
    "zip": lambda loader: (batch for batch, _ in zip(loader, range(99))),
    "iterator": iter,
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("how", ["raise", "break", "transform"])
@pytest.mark.parametrize("shuffle", [True, False])
@given(done=st.integers(1, 5), before=st.integers(0, 2))
def test_an_interrupted_pass_goes_on_after_the_last_batch_handed_out(
    loop: str, how: str, shuffle: bool, done: int, before: int
) -> None:
    """The end of a loop alone is the end of its pass."""
    fail = False

    def transform(batch: Any) -> Any:
        if fail:
            raise KeyboardInterrupt
        return batch

    def new() -> data.DataLoader:
        return data.DataLoader(np.arange(11), 2, shuffle, seed=3, transform=transform)

    loader, found = new(), []
    for _ in range(before):
        list(loader)
    try:
        for count, batch in enumerate(LOOPS[loop](loader), 1):
            found.append(batch.tolist())
            if count == done:
                fail = how == "transform"
                if how == "break":
                    break
                if how == "raise":
                    raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    fail = False
    state = loader.state_dict()
    assert (state["epoch"], state["step"]) == (before, done)
    later = new()
    later.load_state_dict(state)
    found += [batch.tolist() for batch in later]
    straight = new()
    straight.epoch = before
    assert found == [batch.tolist() for batch in straight]
    assert loader.epoch == later.epoch == before + 1  # the next pass here is a new one
    loader.epoch = loader.epoch
    assert (loader.state_dict()["epoch"], loader.state_dict()["step"]) == (before + 1, 0)


def test_of_several_passes_the_last_begun_counts() -> None:
    loader = data.DataLoader(np.arange(9), 2)
    first, second = iter(loader), iter(loader)
    next(second)
    for _ in range(3):
        next(first)
    state = loader.state_dict()
    assert (state["epoch"], state["step"]) == (1, 1)
    first.close()
    assert loader.state_dict() == state
    loader.epoch = 7
    state = loader.state_dict()
    assert (state["epoch"], state["step"]) == (7, 0)


def test_a_pass_without_batches_ends_too() -> None:
    loader = data.DataLoader(np.arange(3), 4, drop_last=True)
    assert list(loader) == []
    assert (loader.state_dict()["epoch"], loader.epoch) == (1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 3}, "batch_size is 2, but 3 in the state; create the object with"),
        ({"seed": 1}, "seed is 0, but 1"),
        ({"length": 8}, "length is 9, but 8"),
        ({"shuffle": True}, "shuffle is False, but True"),
        ({"step": -1}, "step must be at least 0, got -1"),
        ({"place": 3}, r"expected the keys \['length', .*'place'\]"),
    ],
)
def test_a_state_of_another_loader_is_refused(change: dict[str, Any], message: str) -> None:
    loader = data.DataLoader(np.arange(9), 2, seed=0)
    list(loader)
    before = loader.state_dict()
    with pytest.raises(ValueError, match=message):
        loader.load_state_dict({**before, "epoch": 5, **change})
    assert loader.state_dict() == before


@pytest.mark.parametrize("shuffle", [False, True])
def test_a_batch_may_change_and_the_data_set_does_not(shuffle: bool) -> None:
    images = np.zeros((4, 2))
    (batch,) = data.DataLoader(images, 4, shuffle=shuffle)
    batch += 1.0
    assert images.sum() == 0.0


def test_a_transform_sees_the_whole_batch() -> None:
    seen = []

    def double(x: Any, y: Any) -> Any:
        seen.append(len(x))
        return x * 2, y

    batches = list(data.DataLoader((np.arange(5), np.arange(5)), 2, transform=double))
    assert seen == [2, 2, 1]
    assert batches[2][0].tolist() == [8]


def test_subsets_and_splits() -> None:
    train, validation = data.random_split((np.arange(10), np.arange(10) * 2), [0.75, 0.25], seed=1)
    assert (len(train), len(validation)) == (8, 2)
    both = np.concatenate([train[:][0], validation[:][0]])
    assert sorted(both.tolist()) == list(range(10))
    (batch,) = data.DataLoader(validation, 2)
    assert (batch[1] == batch[0] * 2).all()
    assert data.random_split(np.arange(6), [4, 2])[1][:].shape == (2,)
