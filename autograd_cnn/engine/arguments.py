"""One reader of signatures for `@op`, `@composition` and `@checked`: it binds calls, converts
inputs and words the errors.

A call that fits takes a short way.  Everything else here runs only for a call that does not.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, TypeVar

import numpy as np

from autograd_cnn.checks import in_our_words, mistake, renamed, unknown
from autograd_cnn.config import default_array, floating_dtype
from autograd_cnn.engine.annotations import (
    ANNOTATIONS,
    NUMERIC,
    array_of,
    is_array,
    is_masked,
    parameter_names,
    read_annotations,
)
from autograd_cnn.engine.node import Node, describe

F = TypeVar("F", bound=Callable[..., Any])

_ARRAY = ANNOTATIONS["Array"].words
_REWORDED = (ValueError, TypeError, IndexError, np.exceptions.AxisError, np.linalg.LinAlgError)
"""The errors whose messages are reworded.  All others pass unchanged."""
_TOO_LARGE = ("array is too big", "Maximum allowed ", "broadcast dimensions too large")


class Arguments:
    """The arguments of a function, read from its signature.

    `inputs` are given by position, `settings` by keyword.  A `loose` function also takes its
    settings by position behind the inputs, as NumPy and PyTorch do: ``sum(x, 0)``.
    """

    def __init__(self, function: Callable[..., Any], loose: bool = True) -> None:
        self.function, self.name, self.loose = function, function.__name__, loose
        self.owner = function.__qualname__.removesuffix(".__init__")
        plain: Any = inspect.unwrap(function) if hasattr(function, "__wrapped__") else function
        self.inputs, self.settings, self.required = parameter_names(plain)
        self.defaults: dict[str, Any] = dict(plain.__kwdefaults__ or {})
        given = self.defaults | dict(zip(self.inputs[self.required :], plain.__defaults__ or ()))
        self.optional = {name for name, x in given.items() if x is None}
        self.variadic = loose and bool(plain.__code__.co_flags & inspect.CO_VARARGS)
        if self.variadic:
            self.inputs += (plain.__code__.co_varnames[len(self.inputs) + len(self.settings)],)
        self.ours = (function.__module__ or "").startswith("autograd_cnn.")
        known = getattr(plain, "__globals__", {})
        self.annotations = read_annotations(getattr(plain, "__annotations__", {}), known)
        self.method = self.inputs[:1] == ("self",)
        self.arrays = {n for n, asks in self.annotations.items() if asks.words.startswith(_ARRAY)}
        self.known = frozenset((*self.inputs, *self.settings))
        self.torch = self.by_place = None  # type: Any  # `ops.words` sets and explains them

    def names(self, count: int) -> Sequence[str]:
        """The names of that many inputs."""
        return self.inputs * count if self.variadic else self.inputs

    def bind(
        self, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The inputs and the settings of a call; raises TypeError when it does not fit."""
        given = renamed(self.owner, given, self.known, self.defaults)
        if self.variadic:
            listed = bool(args) and isinstance(args[0], (list, tuple))
            args, extra = (tuple(args[0]), args[1:]) if listed else (args, ())
        else:
            args, extra = args[: len(self.inputs)], args[len(self.inputs) :]
            for place, name in enumerate(self.inputs[len(args) :], len(args)):
                if name in given:
                    args = (*args, given.pop(name))
                elif place < self.required:
                    raise self.misuse(f"input {name!r} is missing")
                else:
                    args = (*args, None)
        if extra and self.by_place and (problem := self.by_place(extra)):
            raise self.misuse(problem)
        if len(extra) > len(self.settings):
            raise self.misuse(f"got {len(extra) - len(self.settings)} arguments too many")
        by_place = dict(zip(self.settings, extra))
        for name in given:
            if name in by_place:
                raise self.misuse(f"got {name!r} twice")
            if name not in self.settings:
                raise self.misuse(unknown(name, self.known))
        settings = {**self.defaults, **by_place, **given}
        for name in self.settings:
            if name not in settings:
                raise self.misuse(f"argument {name!r} is missing")
        return args, settings

    def weak_inputs(self, joint: Any, rules: Sequence[Any]) -> Sequence[int]:
        """Which inputs take the dtype of others: those with a rule, or all where none has one."""
        places = range(len(self.inputs)) if self.ours or not joint else ()
        ruled = tuple(k for k in places if joint or rules[k]) or places
        ruled = {"put": ruled[1:], "copysign": places}.get(self.name, ruled)  # writes keep dtypes
        return ruled if len(places) > 1 else ()

    def plain(self, params: dict[str, Any]) -> dict[str, Any]:
        """Settings with arrays instead of tensors, which must not require gradients."""
        for name, value in params.items():
            if isinstance(value, Node) and value.tracked:
                raise self.misuse(
                    f"argument {name!r} is a plain value, but a tensor that requires gradients was "
                    "given; pass .detach() of it"
                )
        return {name: x.array if isinstance(x, Node) else x for name, x in params.items()}

    def fit(
        self, args: tuple[Any, ...], given: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call, each tested and converted by its annotation."""
        where = self._where(args)
        if self.loose:
            args, given = self.bind(args, given)
            dtype = floating_dtype(args)
            args = tuple(self._input(n, x, dtype) for n, x in zip(self.names(len(args)), args))
        else:
            given = renamed(self.owner, given, self.known, self.defaults)
            dtype = floating_dtype((*args, *given.values()))
            by_place = [self._fitting(where, name, x, dtype) for name, x in zip(self.inputs, args)]
            args = (*by_place, *args[len(by_place) :])
        return args, {name: self._fitting(where, name, x, dtype) for name, x in given.items()}

    def _input(self, name: str, x: Any, dtype: Any) -> Any:
        """An input of a loose function as an array; a number beside other inputs stays a number."""
        alone = self.variadic or len(self.inputs) == 1
        number = isinstance(x, (bool, int, float, complex)) and not alone
        kept = number or (x is None and name in self.optional)
        return x if kept else as_input(self.name, name, x, dtype)

    def _fitting(self, where: str, name: str, x: Any, dtype: Any) -> Any:
        asked = self.annotations.get(name)
        if asked is None or asked.holds(x):
            plain = isinstance(x, np.generic) and name not in self.arrays
            return x.item() if plain else x  # a setting is no operand
        if name in self.arrays:
            return as_input(where, name, x, dtype)
        raise mistake(where, name, asked.words, x)

    def _where(self, args: Sequence[Any]) -> str:
        """The name in front of error messages: the function's, or that of a method's class."""
        if not self.method or not args:
            return self.name
        own = type(args[0]).__name__
        return own if self.name in ("__init__", "forward") else f"{own}.{self.name}"

    def misuse(self, problem: str, args: Sequence[Any] = ()) -> TypeError:
        """The error for a call that does not fit the signature."""
        where, signature = self._where(args), inspect.signature(self.function)
        bare = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
        text = signature.replace(parameters=bare[self.method :], return_annotation=signature.empty)
        return TypeError(f"{where}: {problem}; the signature is {where}{text}")

    def reraise(
        self, error: Exception, args: Sequence[Any], settings: dict[str, Any], inner: Any = ()
    ) -> NoReturn:
        """Raise what `explain` makes of `error`, or the error itself."""
        reworded = self.explain(error, args, settings, inner)
        if reworded is None:
            raise error
        raise reworded from error

    def explain(
        self, error: Exception, args: Sequence[Any], settings: dict[str, Any], inner: Any = ()
    ) -> Exception | None:
        """The error to raise for `error`, which the function raised for these arguments.

        It names the argument of a wrong kind, if there is one.  Otherwise the ValueError, TypeError
        or IndexError of a loose function gets its name in front, which replaces a name in `inner`.
        Other types return None: the error itself passes, with a note.
        """
        text, called = str(error), inspect.unwrap(self.function).__qualname__
        if isinstance(error, TypeError) and text.startswith(f"{called}() "):
            return self._of_python(args, settings, text.partition("() ")[2])
        if text.startswith(_TOO_LARGE):
            return MemoryError(f"{self._where(args)}: these sizes are larger than any memory")
        wrong = self._wrong(error, args, settings)
        if wrong is not None or not self.loose:
            return wrong
        reworded = _reworded_as(error)
        given = [(name, x) for name, x in zip(self.names(len(args)), args) if x is not None]
        listed = ", ".join(f"{name} {describe(x)}" for name, x in given)
        if reworded is None:
            error.add_note(f"in {self.name} (got {listed})")
            return None
        if text.startswith(f"{self.name}:"):
            return reworded(text)
        name, _, problem = text.partition(": ")
        if name in inner:
            return reworded(f"{self.name}: {problem}")
        text = in_our_words(text, args, settings) if self.ours else text
        return reworded(f"{self.name}: {text} (got {listed})")

    def _of_python(self, args: Sequence[Any], given: dict[str, Any], said: str) -> TypeError:
        """The error for a call that Python itself refused."""
        known = (*self.inputs, *self.settings)
        needed = {*self.inputs[len(args) : self.required], *self.settings} - set(self.defaults)
        problems = [unknown(name, known) for name in given if name not in known]
        problems += [f"argument {n!r} is missing" for n in known if n in needed and n not in given]
        surplus = len(args) - len(self.inputs)
        problems += [f"got {surplus} arguments too many"] if surplus > 0 else []
        return self.misuse((*problems, said)[0], args)

    def _wrong(
        self, error: Exception, args: Sequence[Any], settings: dict[str, Any]
    ) -> TypeError | None:
        """The error for the first argument of a wrong kind."""
        if not isinstance(error, (TypeError, ValueError, IndexError, AttributeError)):
            return None
        where, by_place = self._where(args), zip(self.names(len(args)), args)
        for name, x in (*by_place, *settings.items())[self.method :]:
            asked, array = self.annotations.get(name), x.array if isinstance(x, Node) else x
            if isinstance(array, (np.ndarray, np.generic)) and array.dtype.kind not in NUMERIC:
                return mistake(where, name, "an array of numbers", x)
            lacks = isinstance(error, AttributeError) and error.obj is x
            refused = isinstance(error, TypeError) and f"'{type(x).__name__}'" in str(error)
            if self.loose and name in self.inputs:
                if self.ours and (refused or lacks) and not isinstance(array, np.ndarray):
                    return mistake(where, name, _ARRAY, x)
            elif isinstance(error, AttributeError) and not lacks:
                continue
            elif asked is not None and not asked.holds(x):
                return mistake(where, name, asked.words, x)
        return None


def _reworded_as(error: Exception) -> Callable[[str], Exception] | None:
    """The type of the reworded error, or None if it passes unchanged."""
    if type(error) in _REWORDED:
        return type(error)
    private = type(error).__module__.startswith("numpy.")  # such as UFuncTypeError
    return next((kind for kind in _REWORDED if private and isinstance(error, kind)), None)


def as_numbers(where: str, name: str, x: Any, dtype: Any = None) -> np.ndarray:
    """x as an array; raises TypeError unless it holds numbers, real ones for a real `dtype`."""
    if isinstance(x, (list, tuple)) and any(isinstance(part, Node) for part in x):
        raise TypeError(
            f"{where}: {name} is a list of tensors, which would be cut off from their graph; join "
            "them with ag.stack"
        )
    if is_masked(x):
        raise TypeError(
            f"{where}: {name} is a masked array, whose mask would be lost; fill it first, for "
            f"example with {name}.filled(0.0)"
        )
    array = array_of(x)
    if array is None or array.dtype.kind not in NUMERIC:
        raise mistake(where, name, "an array of numbers", x)
    if dtype is not None and array.dtype.kind == "c" != np.dtype(dtype).kind:
        raise mistake(where, name, "real", x)
    return array


def as_input(where: str, name: str, x: Any, dtype: Any = None) -> Any:
    """Arrays and tensors unchanged, all else as arrays; floats get `dtype` or the default one."""
    if is_array(x):
        return x
    array = as_numbers(where, name, x)
    return array if hasattr(x, "__array__") else default_array(x, dtype)


def tensors(where: str, name: str, given: Any) -> list[Any]:
    """A tensor or several, such as ``model.parameters()``, as a list."""
    found = [given] if isinstance(given, Node) or not isinstance(given, Iterable) else list(given)
    for x in found:
        if not isinstance(x, Node):
            raise mistake(where, name, "a tensor or a sequence of tensors", given)
    return found


def checked(function: F) -> F:
    """Decorate a function or a constructor, so that its arguments are checked.

    Each must be what its annotation asks (`ANNOTATIONS`).  For an `Array`, lists and numbers become
    arrays of the default dtype.  Functions run cheap tests at every call and the others after a
    failure; constructors and methods run all tests first.

    >>> from __future__ import annotations
    >>> @checked
    ... def half(x: Array, times: int = 1):
    ...     return x * 0.5**times
    >>> half(3.0, "twice")
    Traceback (most recent call last):
        ...
    TypeError: half: times must be an integer, got 'twice'
    """
    return guarded(Arguments(function, loose=False))  # type: ignore[return-value]


def guarded(arguments: Arguments, inner: Any = ()) -> Callable[..., Any]:
    """The function of these arguments, which are tested; `Arguments.explain` words its errors."""
    function, asked, places = arguments.function, arguments.annotations, arguments.inputs
    arity = -1 if arguments.variadic else len(places)
    method, known = arguments.method, arguments.known
    early = {n: (a.holds, a.exact_types) for n, a in asked.items() if method or a.always_tested}
    takes_tensors = arguments.arrays
    for name in early.keys() - takes_tensors:  # settings of other types: see `_fitting`
        early[name] = ((lambda x: False) if early[name][1] else early[name][0], early[name][1])
    if arguments.loose:
        early |= dict.fromkeys(places, (is_array, ()))
        takes_tensors = takes_tensors | {*places}
    tests = [(k, *early[n], n in takes_tensors) for k, n in enumerate(places) if n in early]

    @functools.wraps(function)
    def call(*args: Any, **given: Any) -> Any:
        count = len(args)
        fits = count == arity or not arguments.loose
        for place, holds, sure, tensors in tests:
            if place < count:
                x = args[place]
                if not (type(x) in sure or (tensors and isinstance(x, Node)) or holds(x)):
                    fits = False
                    break
        for name in given:
            if name not in early or type(given[name]) not in early[name][1]:
                fits = fits and (early[name][0](given[name]) if name in early else name in known)
        if not fits:
            if arguments.torch and not known.issuperset(given):
                return arguments.torch(*args, **given)
            args, given = arguments.fit(args, given)
        try:
            return function(*args, **given)
        except Exception as error:
            arguments.reraise(error, args, given, inner)

    call.arguments = arguments  # type: ignore[attr-defined]
    return call
