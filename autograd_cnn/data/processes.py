"""Functions that run in processes of their own, which are spawned and never forked."""

from __future__ import annotations

import io
import multiprocessing
import pickle
import signal
import traceback
import weakref
from typing import Any

import numpy as np

from autograd_cnn import config

_UNSENT = (
    "DataLoader: processes=True sends the data set and the functions to other processes, and "
    "pickle cannot ({}); define functions and classes at the top of a file, open files in the "
    "first __getitem__, or leave processes=True out"
)
_UNKNOWN = (
    "A worker process could not load the data set. It sees classes and functions that stand in a "
    'file, outside of `if __name__ == "__main__"`.'
)
_UNGUARDED = (
    "; its message is above. Each process imports your script, so put what the script does under "
    '`if __name__ == "__main__":`'
)
_KILLED = "; the system does so when memory runs out: try fewer workers or smaller batches"


class Process:
    """Calls the function that is pickled in `made`, in a process that ends with this object."""

    def __init__(self, made: bytes, number: int) -> None:
        self.made, self._answered = made, False
        spawn = multiprocessing.get_context("spawn")
        self._pipe, there = spawn.Pipe()
        args = there, config.get_num_threads(), config.get_default_dtype().name
        self._process = spawn.Process(None, _serve, f"DataLoader worker {number}", args, daemon=True)
        self._process.start()
        there.close()  # so that the pipe ends when the process does
        self.end = weakref.finalize(self, _end, self._process)

    def __call__(self, *task: Any) -> Any:
        question = dumps((None if self._answered else self.made, task))
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
        why = _KILLED if code == -9 else "" if self._answered or code < 0 else _UNGUARDED
        return RuntimeError(f"{process.name} (process {process.pid}) {how}{why}")


def _end(process: Any) -> None:
    process.kill()
    process.join(5)


def _serve(pipe: Any, threads: int, dtype: str) -> None:
    """Answer calls until the other end of the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first decides
    config.set_default_dtype(dtype)
    if config.get_num_threads() != threads:  # which changes the rounding of products
        config.set_num_threads(threads)
    make: Any = None
    while True:
        try:
            question = pipe.recv_bytes()
        except (EOFError, OSError):
            return
        try:
            made, task = pickle.loads(question)
            make = pickle.loads(made) if made else make
            answer = dumps((make(*task), None))
        except BaseException as error:
            answer = dumps((None, _told(error, "" if make else _UNKNOWN)))
        pipe.send_bytes(answer)


def _told(error: BaseException, hint: str) -> BaseException:
    """`error` with its traceback in a note, or another one where pickle cannot send it."""
    lines = traceback.format_exception(error)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(f"In {multiprocessing.current_process().name}:\n{''.join(lines)}{hint}")
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


def dumps(x: Any) -> bytes:
    """`x` for another process."""
    file = io.BytesIO()
    _Pickler(file, 5).dump(x)
    return file.getvalue()


def start(make: Any, count: int, kept: list[Process]) -> list[Process]:
    """Processes that call `make`: those in `kept`, which leave it, if they fit; else new ones."""
    try:
        made = dumps(make)
    except Exception as error:  # pickle raises errors of any type
        raise TypeError(_UNSENT.format(error)) from error
    found, kept[:] = kept[:], []
    if [process.made for process in found] == [made] * count:
        return found
    return [Process(made, number) for number in range(count)]
