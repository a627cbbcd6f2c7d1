"""Workers of a DataLoader: the same batches as without, and ends without hangs or leftovers."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import data
from autograd_cnn.data import workers
from tests.worker_parts import (
    Dicts,
    Items,
    Sampler,
    Settings,
    Stream,
    add_noise,
    cannot_join,
    flat,
    joined,
    scaled,
)

ROOT = Path(__file__).resolve().parent.parent
UNIX = pytest.mark.skipif(os.name == "nt", reason="Windows has neither these signals nor groups")


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def threads() -> int:
    return sum(thread.name == "DataLoader" for thread in threading.enumerate())


def children() -> list[Any]:
    return [p for p in multiprocessing.active_children() if "DataLoader" in p.name]


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    gc.collect()  # the traceback of an expected error may hold an iterator
    until(lambda: not threads() and not children())


# ------------------------------------------------------------------------------ the same batches

KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "array": lambda n: {"dataset": np.arange(2 * n).reshape(n, 2)},
    "arrays": lambda n: {"dataset": (np.arange(2.0 * n).reshape(n, 2), np.arange(n))},
    "tensors": lambda n: {"dataset": (ag.tensor(np.arange(n) / 2), np.arange(n))},
    "subset": lambda n: {"dataset": data.Subset((np.ones((n, 2)), np.arange(n)), range(n)[::-1])},
    "augmented": lambda n: {"dataset": (np.ones((n, 2)), np.arange(n)), "augment": add_noise},
    "transformed": lambda n: {"dataset": (np.ones((n, 2)), np.arange(n)), "transform": scaled},
    "items": lambda n: {"dataset": Items(n)},
    "items, all": lambda n: {"dataset": Items(n), "augment": add_noise, "transform": scaled},
    "collated": lambda n: {"dataset": Items(n), "collate_fn": joined},
    "dicts": lambda n: {"dataset": Dicts(n)},
    "stream": lambda n: {"dataset": Stream(n), "shuffle": False},
    "sampler": lambda n: {"dataset": Items(n), "sampler": Sampler(n), "shuffle": False},
}


def passes(count: int, seed: int | None, **given: Any) -> tuple[list[Any], Any]:
    """The batches of some passes, between which others draw, and the generator's state."""
    ag.manual_seed(7)
    loader, found = data.DataLoader(seed=seed, **given), []
    for _ in range(count):
        for batch in loader:
            found.append(flat(batch))
            ag.random.generator().random()  # as dropout does
    return found, ag.random.generator().bit_generator.state


@pytest.mark.parametrize("kind", KINDS)
@given(
    n=st.integers(1, 13),
    size=st.integers(1, 5),
    count=st.sampled_from([1, 2, 5]),
    ahead=st.integers(1, 3),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    seed=st.sampled_from([None, 0, 5]),
)
def test_threads_give_the_same_batches(
    kind: str, n: int, size: int, count: int, ahead: int, shuffle: bool, drop_last: bool, seed: Any
) -> None:
    given = {"batch_size": size, "shuffle": shuffle, "drop_last": drop_last, **KINDS[kind](n)}
    plain = passes(2, seed, **given)
    assert passes(2, seed, **given, num_workers=count, prefetch_factor=ahead) == plain


@given(st.integers(0, 9), st.integers(1, 2))
@settings(max_examples=3)
def test_processes_give_the_same_batches(seed: int, count: int) -> None:
    own = np.random.default_rng(seed)
    kind = str(own.choice(["augmented", "items, all", "dicts", "sampler", "stream"]))
    given = {"batch_size": 4, "shuffle": True, **KINDS[kind](own.integers(1, 30))}
    more = {"num_workers": count, "processes": True, "persistent_workers": True}
    drawn = None if seed % 2 else seed
    assert passes(3, drawn, **given, **more) == passes(3, drawn, **given)


def test_the_epoch_and_the_batch_decide_what_a_data_set_draws() -> None:
    loader = data.DataLoader(Items(6), 3, seed=4, num_workers=2)
    first, second = list(loader), list(loader)
    rng = np.random.default_rng([4, 1, 2, 1])
    expected = np.array([rng.random(2) + i for i in range(3, 6)])
    np.testing.assert_array_equal(second[1][0], expected)
    assert not np.array_equal(first[1][0], expected)


def test_reading_arrays_in_their_order_draws_nothing() -> None:
    before = ag.manual_seed(3).bit_generator.state
    for dataset in (np.arange(8), data.random_split(np.arange(8), [4, 4])[0]):
        list(data.DataLoader(dataset, 3, num_workers=2))
        list(data.DataLoader(dataset, 3))
    assert ag.random.generator().bit_generator.state == before


def test_processes_are_not_forked_and_have_the_settings_of_this_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fork() -> int:
        raise AssertionError("fork")

    if hasattr(os, "fork"):
        monkeypatch.setattr(os, "fork", fork)
    ag.set_default_dtype("float64")
    before = ag.get_num_threads()
    ag.set_num_threads(before + 1)
    try:
        loader = data.DataLoader(Settings(4), num_workers=2, processes=True)
        found = np.concatenate(list(loader))
    finally:
        ag.set_num_threads(before)
        ag.set_default_dtype("float32")
    assert found[:, :2].tolist() == [[8, before + 1]] * 4
    assert os.getpid() not in found[:, 2]
    assert len(set(found[:, 2].tolist())) == 2


def test_kept_processes_see_changes() -> None:
    items = Items(6)
    loader = data.DataLoader(items, 3, seed=0, num_workers=1, processes=True)
    loader.persistent_workers = True
    first = [list(loader), children()]
    again = [list(loader), children()]
    assert first[1] == again[1] != []
    items.shift = 100.0
    assert min(rows.min() for rows, _ in loader) >= 100.0
    assert children() != again[1]
    loader.num_workers = 2
    list(loader)
    assert len(children()) == 2


def test_settings_of_the_loop_hold_in_threads() -> None:
    weight = ag.tensor([2.0], requires_grad=True)
    with ag.no_grad():
        (batch,) = data.DataLoader(np.ones(3), 3, transform=lambda x: weight * x, num_workers=1)
    assert not batch.requires_grad


# --------------------------------------------------------------------------------------- passes


@pytest.mark.parametrize(("n", "size", "count"), [(0, 3, 2), (2, 3, 5), (9, 3, 2)])
def test_passes_without_batches_and_with_more_workers_than_batches(
    n: int, size: int, count: int
) -> None:
    loader = data.DataLoader(np.arange(n), size, num_workers=count)
    assert len(loader) == len(list(loader)) == -(-n // size)
    assert loader.epoch == 1
    assert loader.state_dict()["epoch"] == 1


def test_two_passes_at_the_same_time() -> None:
    loader = data.DataLoader(Items(20), 3, shuffle=True, seed=1, num_workers=2)
    mixed = [(flat(a), flat(b)) for a, b in zip(loader, loader, strict=True)]
    plain = data.DataLoader(Items(20), 3, shuffle=True, seed=1)
    assert [a for a, _ in mixed] == list(map(flat, plain))
    assert [b for _, b in mixed] == list(map(flat, plain))


class Watched:
    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> int:
        self.asked.append(index)
        return index


@given(count=st.integers(1, 4), ahead=st.integers(1, 3), read=st.integers(1, 6))
def test_no_more_batches_than_asked_for_are_prepared(count: int, ahead: int, read: int) -> None:
    watched = Watched()
    batches = iter(data.DataLoader(watched, num_workers=count, prefetch_factor=ahead))
    for _ in range(read):
        next(batches)
    until(lambda: len(watched.asked) >= read + count * ahead)
    time.sleep(0.005)  # for one too many to show
    assert sorted(watched.asked) == list(range(read + count * ahead))
    del batches


@pytest.mark.parametrize("how", ["break", "raise", "interrupt", "next"])
@given(done=st.integers(1, 6), before=st.integers(0, 1), counts=st.permutations([0, 1, 2, 5]))
def test_batches_that_nobody_saw_do_not_count(
    how: str, done: int, before: int, counts: list[int]
) -> None:
    def new(count: int) -> data.DataLoader:
        loader = data.DataLoader(Items(20), 3, shuffle=True, num_workers=count)
        return loader

    ag.manual_seed(3)
    whole = new(0)
    straight = [flat(batch) for _ in range(2) for batch in whole]
    ag.manual_seed(3)
    loader, found = new(counts[0]), []
    for _ in range(before):
        found += map(flat, loader)
    batches = iter(loader)
    try:
        for _ in range(done):
            found.append(flat(next(batches)))
        if how != "next":
            raise KeyboardInterrupt if how == "interrupt" else ValueError
    except (KeyboardInterrupt, ValueError):
        pass
    if how == "break":
        batches.close()  # type: ignore[attr-defined]
    state = loader.state_dict()
    assert (state["epoch"], state["step"]) == (before, done)
    later = new(counts[1])
    later.load_state_dict(state)
    found += map(flat, later)
    assert found == straight[: 7 * (before + 1)]


@UNIX
def test_a_real_interrupt_leaves_the_place() -> None:
    loader = data.DataLoader(Items(20, 9, "wait a little"), 3, num_workers=1)
    main = threading.main_thread().ident
    timer = threading.Timer(0.3, lambda: signal.pthread_kill(main, signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(loader)
    assert time.monotonic() - begun < 3.0
    timer.join()
    assert loader.state_dict()["step"] == 3


# --------------------------------------------------------------------------------------- errors

WORKERS = pytest.mark.parametrize(
    "workers", [{}, {"num_workers": 2}, {"num_workers": 2, "processes": True}], ids=str
)


@WORKERS
@pytest.mark.parametrize(
    ("act", "kind", "message"),
    [
        ("raise", KeyError, "broken element"),
        ("cannot be sent", Exception, "1 and 2"),
        ("none", TypeError, "NoneType"),
        ("stop", RuntimeError, "StopIteration"),
    ],
)
def test_an_error_comes_in_its_place_with_its_traceback(
    workers: Any, act: str, kind: Any, message: str
) -> None:
    if workers.get("processes") and act in ("none", "stop"):
        return  # as in threads
    loader, found = data.DataLoader(Items(30, 17, act), 4, **workers), []
    with pytest.raises(kind, match=message) as caught:
        found.extend(loader)
    told = "".join(traceback.format_exception(caught.value))
    assert len(found) == loader.state_dict()["step"] == 4
    if act != "none":
        assert "element 17 of the Items" in told
        assert "in fail" in told
    assert "in batch 4 of the pass" in told
    if workers.get("processes"):
        assert "In DataLoader worker " in told


@WORKERS
def test_an_error_in_collate_fn_names_the_batch(workers: Any) -> None:
    loader = data.DataLoader(Items(9), 4, collate_fn=cannot_join, **workers)
    with pytest.raises(ArithmeticError, match="no sum") as caught:
        list(loader)
    assert "in batch 0 of the pass" in "".join(traceback.format_exception(caught.value))


def test_an_error_of_a_sampler_comes_after_the_batches_before_it() -> None:
    def indices() -> Iterator[int]:
        yield from range(5)
        raise ArithmeticError("no more")

    class Broken:
        def __iter__(self) -> Iterator[int]:
            return indices()

    for count in (0, 2):
        loader = data.DataLoader(np.arange(9), 2, sampler=Broken(), num_workers=count)
        found = []
        with pytest.raises(ArithmeticError, match="no more"):
            found.extend(map(np.ndarray.tolist, loader))
        assert found == [[0, 1], [2, 3]]


@UNIX
def test_a_killed_process_is_an_error_that_names_it() -> None:
    loader = data.DataLoader(Items(30, 17, "kill"), 4, num_workers=2, processes=True)
    message = r"DataLoader worker [01] \(process \d+\) was killed by SIGKILL.*memory"
    with pytest.raises(RuntimeError, match=message):
        list(loader)
    assert loader.state_dict()["step"] == 4


@pytest.mark.parametrize(
    "given",
    [
        {"dataset": np.arange(4), "transform": lambda x: x},
        {"dataset": Watched(), "collate_fn": open(os.devnull)},  # noqa: SIM115
        {"dataset": type("Local", (Items,), {})(4)},
    ],
    ids=["lambda", "open file", "local class"],
)
def test_what_pickle_cannot_send_is_told(given: Any) -> None:
    loader = data.DataLoader(**given, num_workers=1, processes=True)
    with pytest.raises(TypeError, match=r"pickle cannot send .*top of a file.*processes=True out"):
        list(loader)
    assert not children()
    if not isinstance(given.get("collate_fn", print), type(print)):
        given["collate_fn"].close()


# ---------------------------------------------------------------------------------------- ends


@pytest.mark.parametrize("processes", [False, True])
def test_workers_end_when_the_loop_is_left(processes: bool) -> None:
    loader = data.DataLoader(Items(400), 2, num_workers=2, processes=processes)
    for _ in loader:
        assert threads() == 2
        assert len(children()) == 2 * processes
        break
    until(lambda: not threads() and not children(), 5.0)


def test_kept_processes_end_with_the_loader() -> None:
    loader = data.DataLoader(Items(4), 2, num_workers=1, processes=True, persistent_workers=True)
    list(loader)
    (child,) = children()
    del loader
    until(lambda: not child.is_alive(), 5.0)


def program(*command: str, **more: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@UNIX
@pytest.mark.parametrize("workers", ["threads", "processes"])
@pytest.mark.parametrize("name", ["interrupt", "return", "raise", "kill"])
def test_a_program_ends_in_the_middle_of_a_pass(name: str, workers: str) -> None:
    run = program("-m", "tests.worker_parts", name, workers)
    assert run.stdout is not None
    try:
        for line in run.stdout:
            if line == "begun\n":
                break
        if name == "interrupt":
            time.sleep(0.3)  # for the loop to wait
            os.killpg(run.pid, signal.SIGINT)  # as Ctrl-C does
        if name == "kill":
            run.kill()
        _, errors = run.communicate(timeout=30)
        until(lambda: is_gone(run.pid), 10.0)
    finally:
        if not is_gone(run.pid):
            os.killpg(run.pid, signal.SIGKILL)
    expected = {"interrupt": "KeyboardInterrupt", "raise": "RuntimeError: the program ends"}
    assert errors.count("Traceback") == (name in expected), errors
    assert expected.get(name, "") in errors
    assert (run.returncode == 0) == (name == "return")


@UNIX
def test_a_script_without_a_guard_is_told_what_to_write(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
            from autograd_cnn import data
            from tests.worker_parts import Items
            print(len(list(data.DataLoader(Items(4), num_workers=1, processes=True))))
        """)
    )
    run = program(str(script), env={**os.environ, "PYTHONPATH": str(ROOT)})
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    last = errors.rstrip().splitlines()[-1]
    assert "ended with 1" in last
    assert 'put what your script does under `if __name__ == "__main__":`' in last


def test_a_class_that_processes_cannot_find_is_told() -> None:
    code = """
        from tests.worker_parts import Items, data
        class Own(Items):
            pass
        if __name__ == "__main__":
            list(data.DataLoader(Own(4), num_workers=1, processes=True))
    """
    run = program("-c", textwrap.dedent(code))
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "Can't get attribute 'Own'" in errors
    assert "processes see what stands in a file outside of `if __name__`" in errors


# ------------------------------------------------------------------------------- what is sent


def sent(x: Any) -> tuple[Any, int]:
    import pickle

    content = workers._dumps(x)
    return pickle.loads(content), len(content)


VIEWS: dict[str, Callable[[Any], Any]] = {
    "whole": lambda a: a,
    "plain": np.asarray,
    "rows": lambda a: a[100:900:7],
    "backwards": lambda a: a[::-3, ::-1],
    "transposed": lambda a: np.asarray(a).T[2:],
    "one": lambda a: a[5:6],
    "none": lambda a: a[:0],
    "bytes": lambda a: a.view(np.uint8)[3:5],
}


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("mode", ["r", "r+", "w+"])
@pytest.mark.parametrize("view", VIEWS)
def test_mapped_arrays_are_mapped_again(view: str, mode: Any, order: Any, tmp_path: Path) -> None:
    if view == "bytes" and order == "F":
        return  # NumPy has no such view
    path = tmp_path / "array.npy"
    values = np.asarray(np.arange(4000.0).reshape(1000, 4), order=order)
    if mode == "w+":
        whole = np.lib.format.open_memmap(path, mode, values.dtype, values.shape, order == "F")
        whole[...] = values
    else:
        np.save(path, values)
        whole = np.load(path, mmap_mode=mode)
    array = VIEWS[view](whole)
    found, size = sent({"x": array})
    assert size < 2000
    np.testing.assert_array_equal(found["x"], array)
    assert found["x"].flags.writeable == array.flags.writeable
    if mode != "r" and array.size:
        array[...] = 7
        assert (found["x"] == 7).all()


def test_private_changes_of_a_mapped_array_are_sent(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.zeros(9))
    array = np.load(tmp_path / "array.npy", mmap_mode="c")
    array[3] = 5.0
    assert sent(array)[0].tolist() == array.tolist()


@given(st.permutations(range(3)), st.booleans())
def test_arrays_keep_the_order_of_their_axes(axes: list[int], sliced: bool) -> None:
    array = np.arange(60).reshape(3, 4, 5).transpose(axes)
    array = array[:2, ::2] if sliced else array
    found, _ = sent((array, ag.tensor(array)))
    np.testing.assert_array_equal(found[0], array)
    assert type(found[1]) is ag.Tensor
    assert found[0].flags.writeable
    if not sliced:
        assert found[0].strides == array.strides


def test_a_mapped_set_in_processes() -> None:
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/x.npy", np.arange(40.0).reshape(20, 2))
        mapped = np.load(f"{folder}/x.npy", mmap_mode="r")
        part = data.Subset((mapped, np.arange(20)), range(3, 20))
        given = {"dataset": part, "batch_size": 4, "shuffle": True}
        assert passes(1, 0, **given, num_workers=1, processes=True) == passes(1, 0, **given)
        assert len(workers._dumps(part)) < 2000
