"""Results that threads prepare ahead of their use, themselves or each by a process of its own."""

from __future__ import annotations

import contextvars
import io
import pickle
import signal
import threading
import traceback
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib import import_module
from queue import SimpleQueue
from typing import Any

import numpy as np

from autograd_cnn import config

_UNSENT = (
    "DataLoader: pickle cannot send the data set and the functions to a process ({}); define them "
    "at the top of a file, open files in the first __getitem__, or leave processes=True out"
)
_UNGUARDED = (
    ". If its message is about starting processes, put what your script does under "
    '`if __name__ == "__main__":`, as each process imports it'
)
_KILLED = ". The system does so when memory runs out: try fewer workers or smaller batches"


def in_order(
    makers: Sequence[Callable[..., Any]], tasks: Iterator[Any], room: int
) -> Iterator[Any]:
    """Yield ``make(*task)`` for all tasks in their order; each of `makers` runs in a thread.

    At most `room` results are under way.  An error comes in the place of its result.  The threads
    also take the tasks, one thread at a time.  They end with the loop, after what they are at.

    >>> list(in_order([pow, pow], iter([(2, 3), (3, 2)]), room=4))
    [8, 9]
    """
    # SimpleQueue.put may interrupt itself, so this ends well wherever garbage is collected.
    turns: SimpleQueue[None] = SimpleQueue()  # an item for each result that may begin
    outcomes: SimpleQueue[Any] = SimpleQueue()  # in the order of the tasks
    taking = threading.Lock()

    def work(make: Callable[..., Any]) -> None:
        task: Any = ()
        while task is not None:
            turns.get()
            outcome: SimpleQueue[Any] = SimpleQueue()  # for a result and an error, or None
            try:
                with taking:
                    outcomes.put(outcome)
                    task = next(tasks, None)
                outcome.put(None if task is None else (make(*task), None))
            except BaseException as error:
                outcome.put((None, error))

    try:
        for _ in range(room):
            turns.put(None)
        for make in makers:
            run = contextvars.copy_context().run  # no_grad and others are as in the loop
            threading.Thread(target=run, args=(work, make), name="DataLoader", daemon=True).start()
        while (found := outcomes.get().get()) is not None:
            turns.put(None)
            result, error = found
            if error is not None:
                raise error
            yield result
    finally:
        found = error = None  # else a traceback would hold itself
        tasks = iter(())
        for _ in makers:
            turns.put(None)


def start(make: Any, count: int, kept: list[_Process]) -> list[_Process]:
    """Processes that call `make`: those that were `kept`, if they still fit, or new ones."""
    try:
        made = _dumps(make)
    except Exception as error:  # pickle raises errors of any type
        raise TypeError(_UNSENT.format(error)) from error
    fit = [process.made for process in kept] == [made] * count
    return kept if fit else [_Process(made, number) for number in range(count)]


class _Process:
    """Calls the function that is pickled in `made`, in a process that ends with this object."""

    def __init__(self, made: bytes, number: int) -> None:
        self.made, self._answered = made, False
        spawn = import_module("multiprocessing").get_context("spawn")  # 20 ms; never fork
        self._pipe, there = spawn.Pipe()
        name = f"DataLoader worker {number}"
        args = there, name, config.get_num_threads(), config.get_default_dtype().name
        self._process = spawn.Process(None, _serve, name, args, daemon=True)
        self._process.start()
        there.close()  # so that the pipe ends when the process does
        self.end = weakref.finalize(self, _end, self._process)

    def __call__(self, *task: Any) -> Any:
        question = _dumps((None if self._answered else self.made, task))
        try:
            self._pipe.send_bytes(question)
            answer = self._pipe.recv_bytes()
        except (EOFError, OSError):
            raise self._death() from None
        self._answered = True
        result, error = pickle.loads(answer)
        if error is not None:
            raise error
        return result

    def _death(self) -> RuntimeError:
        process = self._process
        process.join(5)
        code = process.exitcode or 0
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        why = _KILLED if code == -9 else "" if code < 0 or self._answered else _UNGUARDED
        return RuntimeError(f"{process.name} (process {process.pid}) {how}{why}")


def _end(process: Any) -> None:
    process.kill()
    process.join(5)


def _serve(pipe: Any, name: str, threads: int, dtype: str) -> None:
    """Answer calls until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first decides
    config.set_default_dtype(dtype)
    if config.get_num_threads() != threads:  # which changes the rounding of products
        config.set_num_threads(threads)
    make: Any = None
    with suppress(EOFError, OSError):  # the other process has ended, or does not ask any more
        while True:
            question = pipe.recv_bytes()
            try:
                made, task = pickle.loads(question)
                make = pickle.loads(made) if made else make
                answer = _dumps((make(*task), None))
            except BaseException as error:
                if make is None:
                    error.add_note("processes see what stands in a file outside of `if __name__`")
                answer = _dumps((None, _told(error, name)))
            pipe.send_bytes(answer)


def _told(error: BaseException, name: str) -> BaseException:
    """`error` with its traceback in a note, or another one where pickle cannot send it."""
    lines = traceback.format_exception(error)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"In {name}:\n{''.join(lines)}")
    return error


class _Pickler(pickle.Pickler):
    """Sends mapped arrays as the names of their files, and keeps the order of axes in memory."""

    def reducer_override(self, x: Any) -> Any:
        if type(x) not in (np.ndarray, np.memmap):
            return NotImplemented
        owner: Any = x
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        if isinstance(owner, np.memmap) and owner.filename is not None and owner.mode != "c":
            first = x.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
            mode = owner.mode.replace("w", "r")
            whole = str(owner.filename), np.uint8, mode, owner.offset, (owner.nbytes,)
            return _view, (whole, x.shape, x.dtype, first, x.strides)
        order = np.argsort([-step for step in x.strides], kind="stable")
        if x.flags.c_contiguous or not x.transpose(order).flags.c_contiguous:
            return NotImplemented
        return np.transpose, (x.transpose(order), np.argsort(order).tolist())


def _view(whole: Any, shape: Any, dtype: Any, first: int, strides: Any) -> np.ndarray:
    return np.ndarray(shape, dtype, np.memmap(*whole), first, strides)


def _dumps(x: Any) -> bytes:
    file = io.BytesIO()
    _Pickler(file, 5).dump(x)
    return file.getvalue()
