"""Settings: threads, the default dtype, a report of what is in use; the dtype of a call; and blocks
that set variables.

An interrupt, wherever it comes, leaves each block closed.  Ctrl-C may raise KeyboardInterrupt after
a value was set and before the ``try`` that would restore it, and at the start of an `__exit__`.  So
an `Undo` that only the stack of the block's frame holds stands for the change.  When the frame
drops it, at the end of the block or because an exception unwinds the frame, CPython takes the
change back in C, where no interrupt comes between.  No local variable may hold an Undo, because
tracebacks keep local variables.
"""

from __future__ import annotations

import functools
import inspect
import os
import platform
import types
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, TypeVar

import numpy as np

from autograd_cnn import kernels
from autograd_cnn.checks import integer

F = TypeVar("F", bound=Callable[..., Any])

__version__ = "0.4.0"


def set_num_threads(threads: int) -> None:
    """Set the number of threads in the compiled kernels, and in NumPy's OpenBLAS on Linux.

    It changes results only by the rounding of matrix products.  The default is
    ``OMP_NUM_THREADS``, or the number of processors that this process may use.

    >>> before = ag.get_num_threads()
    >>> ag.set_num_threads(1)
    >>> ag.get_num_threads()
    1
    >>> ag.set_num_threads(before)
    """
    threads = min(integer("set_num_threads", "threads", threads, 1), 1 << 16)  # C reads an int
    kernels.set_threads(threads)
    kernels.threads.set_blas_threads(threads)


def get_num_threads() -> int:
    """The number of threads that the compiled kernels use; see `set_num_threads`.

    >>> ag.get_num_threads() >= 1
    True
    """
    return kernels.get_threads()


def show_config() -> str:
    """Print and return versions, kernels, threads and memory: the first lines of a bug report.

    >>> text = ag.show_config()  # doctest: +ELLIPSIS
    autograd_cnn ..., NumPy ..., Python ...
    kernels   ...
    threads   ...
    memory    ...
    """
    stays = kernels.memory.RECYCLING
    python = f"Python {platform.python_version()}, {platform.machine()} {platform.system()}"
    lines = [
        f"autograd_cnn {__version__}, NumPy {np.__version__}, {python}",
        f"kernels   {kernels.REASON}",
        f"threads   {get_num_threads()} of {os.cpu_count()} processors",
        f"memory    {'freed memory stays in the process' if stays else 'managed by the C library'}",
    ]
    text = "\n".join(lines)
    print(text)
    return text


_default_dtype: np.dtype[Any] = np.dtype(np.float32)


def default_array(x: Any, dtype: Any = None) -> np.ndarray:
    """`x` as an array: arrays keep their dtype, Python floats get `dtype`, or the default one."""
    array = np.asarray(x)
    plain = not hasattr(x, "__array__") and array.dtype == np.float64
    return array.astype(dtype or _default_dtype) if plain else array


def native(dtype: Any) -> np.dtype[Any]:
    """The dtype in the byte order of the machine: the very object that ops compare by identity."""
    found = np.dtype(dtype)
    return found if found.isnative else np.dtype(found.type)


def floating_dtype(inputs: Iterable[Any]) -> np.dtype[Any] | None:
    """The dtype that weak inputs take: that of the floating arrays and tensors with axes, or of
    those without where there are no others; None where none is floating.
    """
    arrays = [getattr(x, "array", x) for x in inputs]
    floating = [x for x in arrays if isinstance(x, _ARRAYS) and x.dtype.kind == "f"]
    dtypes = [x.dtype for x in floating if x.ndim] or [x.dtype for x in floating]
    return np.result_type(*dtypes) if dtypes else None


_ARRAYS = (np.ndarray, np.generic)


def in_one_dtype(
    args: Any, arrays: Any, places: Sequence[int], own: np.dtype[Any]
) -> tuple[tuple[Any, ...], list[Any]]:
    """The inputs of an op and their arrays, with the weak ones at these places cast to
    `floating_dtype`: values without axes, integers and bools.  An input has the dtype `own`.
    """
    if all(getattr(arrays[k], "dtype", own) is own for k in places):
        return args, arrays
    dtype, args, arrays = floating_dtype(arrays[k] for k in places), list(args), list(arrays)
    for k in places:
        x: Any = arrays[k]
        if dtype is None or not isinstance(x, _ARRAYS) or x.dtype == dtype:
            continue
        if x.dtype.kind in "biu":  # whole exponents without axes stay whole
            args[k] = arrays[k] = x.astype(dtype) if x.ndim else x.item()
        elif x.dtype.kind == "f" and not x.ndim:  # a tensor gets its gradient back through this
            args[k] = args[k].astype(dtype)
            arrays[k] = getattr(args[k], "array", args[k])
    return tuple(args), arrays


def in_dtype_of_weights(name: str, x: Any, *weights: Any) -> list[Any]:
    """x and its weights, of which some may be None; integers in the weights' dtype.

    Raises TypeError for floats of several dtypes.
    """
    given = list(dict.fromkeys(w.dtype.name for w in weights if w is not None))
    floats = [d for d in (x.dtype.name, *given) if np.dtype(d).kind == "f"]
    if any(d != floats[0] for d in floats):
        raise TypeError(
            f"{name}: the input has dtype {x.dtype.name}, weights have {' and '.join(given)}; "
            f"convert the input with .astype({given[0]!r}), or make the layer under "
            f"ag.set_default_dtype('{x.dtype.name}')"
        )
    return [x.astype(floats[0]) if floats and x.dtype.kind in "biu" else x, *weights]


def of_integers(forward: Any, out: Any, arrays: Sequence[Any], params: dict[str, Any]) -> Any:
    """The result `out` of an op on integers: if it is floating, computed in float64 and rounded to
    the default dtype.
    """
    ours = forward.__module__.startswith("autograd_cnn.")
    if not ours or out.dtype.kind != "f" or "dtype" in params or floating_dtype(arrays):
        return out
    if out.dtype.itemsize < 8:  # NumPy takes the exponential of bytes in float16
        out = forward(*(x.astype(float) if isinstance(x, _ARRAYS) else x for x in arrays), **params)
        out = out[0] if isinstance(out, tuple) else out
    return np.asarray(out, _default_dtype)


def get_default_dtype() -> np.dtype[Any]:
    """The dtype that Python floats become in `tensor` (float32 unless changed).

    >>> ag.get_default_dtype()
    dtype('float32')
    """
    return _default_dtype


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats become `dtype` in `tensor` and in new layers: float16, float32 or float64.

    >>> ag.set_default_dtype("float64")
    >>> ag.tensor([1.0]).dtype
    dtype('float64')
    >>> ag.set_default_dtype("float32")
    """
    global _default_dtype
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = np.dtype(bool)
    if found.kind != "f" or dtype is None:
        raise TypeError(
            f"set_default_dtype: dtype must be a floating dtype such as 'float32', got {dtype!r}"
        )
    _default_dtype = np.dtype(found.type)


class Exit(property):
    """The `__exit__` of a block; a ``with`` statement looks it up before it enters."""

    def __call__(self, block: Any, *error: Any) -> Any:
        """End a block that was entered by a call, as `contextlib.ExitStack` does."""
        return self.__get__(block)(*error)


class Dropped:
    """The base of an object that a ``with`` block on it drops at its end; entering does nothing."""

    __slots__ = ()
    __call__: Any = "".format  # takes what `__exit__` gets; its "" lets exceptions pass
    __enter__: Any = __call__
    __exit__: Any = Exit(functools.partial(types.MethodType, __call__))


class Undo(Dropped, functools.partial[Any]):
    """A call that happens when this object dies."""

    __slots__ = ()
    __call__ = Dropped.__call__
    __del__: Any = functools.partial.__call__


def changed(variable: ContextVar[Any], value: Any) -> Undo:
    """Set a context variable now, and back when the result dies."""
    return (Undo(variable.set, variable.get()), variable.set(value))[0]  # a tuple is on the stack


def held(do: Iterable[Any], undo: Iterable[Any]) -> Undo:
    """Run through `do` now, and through `undo` when the result dies; a true result ends each.

    Both are iterators in C, such as maps of functions in C.
    """
    return (Undo(any, undo), any(do))[0]


class Setting:
    """Sets a context variable in the ``with`` block, or in a decorated function."""

    __slots__ = ("_kept", "_value", "_variable")

    def __init__(self, variable: ContextVar[Any], value: Any) -> None:
        self._variable = variable
        self._value = value
        self._kept: list[Any] | None = None  # what entries without a with statement changed

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def __enter__(self) -> Any:
        if self._variable.get() is not self._value:  # nobody has looked `__exit__` up
            self._kept = [*(self._kept or ()), self._open()]

    @Exit
    def __exit__(self) -> Any:
        return self._kept.pop() if self._kept else self._open()

    def _open(self) -> Any:
        """Make the changes until the result dies."""
        return changed(self._variable, self._value)

    def __call__(self, function: F) -> F:
        """Let each call of `function` run in the block."""
        late = inspect.iscoroutinefunction, inspect.isasyncgenfunction
        if inspect.isgeneratorfunction(function) or any(test(function) for test in late):
            raise TypeError(
                f"no_grad, enable_grad, set_grad_enabled: {function.__name__} is a generator or a "
                "coroutine, whose body runs after the decorated call has ended; open a with block "
                "inside it, around what computes"
            )

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with self:
                return function(*args, **kwargs)

        return call  # type: ignore[return-value]
