"""Checks of single arguments that functions call themselves, and the words of errors."""

from __future__ import annotations

import functools
import importlib
import math
import os
import reprlib
import sys
import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from types import FrameType
from typing import Any, NoReturn, TypeVar

import numpy as np

T = TypeVar("T")
PACKAGE, _NUMPY = (os.path.dirname(os.path.abspath(f)) + os.sep for f in (__file__, np.__file__))


def _is_tensor(x: Any) -> bool:
    return isinstance(getattr(x, "array", None), (np.ndarray, np.generic))


def shown(x: Any) -> str:
    """`x` for an error message: short values as written, arrays by shape and dtype.

    >>> shown("text"), shown(np.zeros(2)), shown({1})
    ("'text'", 'an array of shape (2,) and dtype float64', 'an object of type set')
    """
    if isinstance(x, np.ndarray) or _is_tensor(x):
        kind = "an array" if isinstance(x, np.ndarray) else "a tensor"
        return f"{kind} of shape {x.shape} and dtype {x.dtype}"
    if isinstance(x, (list, tuple)) and any(map(_is_tensor, x)):
        return f"a {type(x).__name__} of tensors"
    if x is None or isinstance(x, (bool, int, float, complex, str, np.generic, list, tuple)):
        return reprlib.repr(x)
    return f"an object of type {type(x).__name__}"


def mistake(where: str, name: str, wanted: str, x: Any) -> TypeError:
    """The error for an argument of a wrong type."""
    return TypeError(f"{where}: {name} must be {wanted}, got {shown(x)}")


def misfit(where: str, problem: str, *arrays: Any) -> ValueError:
    """The error for arrays that do not fit together."""
    return ValueError(f"{where}: {problem}, got {' and '.join(map(shown, arrays))}")


def unfit(where: str, out: np.ndarray) -> TypeError:
    """The error for a result that no tensor holds, or that gradients do not pass."""
    if out.dtype.kind != "c":
        return TypeError(f"{where}: the result has dtype {out.dtype}, but a tensor holds numbers")
    return TypeError(
        f"{where}: the result is complex, and gradients pass real numbers only; keep real and "
        "imaginary parts in two tensors, or .detach() the inputs"
    )


def is_whole(x: Any) -> bool:
    """Whether `x` is an integer and not a bool or a span of time."""
    return isinstance(x, (int, np.integer)) and not isinstance(x, (bool, np.timedelta64))


def integer(owner: str, name: str, value: Any, least: int) -> int:
    """`value`, an integer or an array of one, as an int of at least `least`.

    >>> integer("Linear", "in_features", 0, 1)
    Traceback (most recent call last):
        ...
    ValueError: Linear: in_features must be at least 1, got 0
    """
    whole = hasattr(value, "__index__") and not getattr(value, "shape", ())
    if not whole or isinstance(value, bool):
        raise mistake(owner, name, "an integer", value)
    if value < least:
        raise ValueError(f"{owner}: {name} must be at least {least}, got {value!r}")
    return int(value)


def per_axis(owner: str, name: str, value: Any, least: int, axes: int) -> tuple[int, ...]:
    """An integer for all spatial axes, alone or in a tuple, or one for each, as a tuple.

    >>> per_axis("Conv2d", "stride", 2, 1, axes=2)
    (2, 2)
    """
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(given) not in (1, axes):
        raise ValueError(
            f"{owner}: {name} must be an integer or one for each of {axes} axes, got {value!r}"
        )
    found = tuple(integer(owner, name, v, least) for v in given)
    return found if len(found) == axes else found * axes


def number(
    owner: str,
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> Any:
    """`value` if it is a finite number within these bounds.

    >>> number("LinearLR", "start_factor", 0, above=0, most=1)
    Traceback (most recent call last):
        ...
    ValueError: LinearLR: start_factor must be above 0 and at most 1, got 0
    """
    try:
        if np.iscomplexobj(value):  # NumPy orders complex numbers
            raise TypeError
        fits, finite = least <= value <= most and above < value < below, abs(value) < math.inf
    except (TypeError, ValueError):
        raise TypeError(f"{owner}: {name} must be a number, got {value!r}") from None
    if not (fits and finite):
        bounds = {"at least": least, "above": above, "at most": most, "below": below}
        rules = [f"{word} {bound}" for word, bound in bounds.items() if abs(bound) < math.inf]
        rule = " and ".join(rules) if finite and rules else "finite"
        raise ValueError(f"{owner}: {name} must be {rule}, got {value!r}")
    return value


def single(owner: str, name: str, value: Any) -> float:
    """`value`, a number or an array or tensor of one number, as a float."""
    array = np.asarray(value.array if _is_tensor(value) else value)
    if array.size != 1 or array.dtype.kind not in "biuf":
        found = type(value).__name__ + (f" of shape {array.shape}" if array.ndim else "")
        raise TypeError(f"{owner}: {name} must be a single number, got {found}")
    return float(array.item())


def listed(owner: str, name: str, wanted: str, given: Any) -> list[Any]:
    """Parameters, `given` by an iterable such as ``model.parameters()``, as a list."""
    if callable(getattr(given, "parameters", None)):
        raise TypeError(f"{owner}: got a {type(given).__name__}; pass its .parameters()")
    if not isinstance(given, Iterable) or isinstance(given, (Mapping, str)) or _is_tensor(given):
        raise mistake(owner, name, wanted, given)
    found = list(given)
    if not found:
        raise ValueError(
            f"{owner}: got no parameters; an iterator such as net.parameters() can be used only "
            "once"
        )
    return found


def choice(owner: str, name: str, value: Any, allowed: Sequence[str]) -> str:
    """`value` if it is one of the `allowed` strings."""
    if value not in allowed:
        listed = " or ".join(map(repr, allowed))
        raise ValueError(f"{owner}: {name} must be {listed}, got {value!r}")
    return str(value)


def same_state(
    owner: str, mine: Mapping[str, Any], state: Any, settings: Iterable[str] = ()
) -> None:
    """Check that the `state` to load has the keys of `mine`, and its values for `settings`."""
    if not isinstance(state, Mapping):
        raise mistake(owner, "state_dict", "a dict", state)
    if set(state) != set(mine):
        raise ValueError(f"{owner}: expected the keys {list(mine)}, got {list(state)}")
    for name, value in mine.items():
        numeric = state[name] is not None and isinstance(value, (int, float))
        if numeric and math.isnan(single(owner, name, state[name])):
            raise ValueError(f"{owner}: {name} must be a number, got nan")
    for name in settings:
        if state[name] != mine[name]:
            raise ValueError(
                f"{owner}: {name} is {mine[name]!r}, but {state[name]!r} in the state; create the "
                "object with the settings of the saved one"
            )


OTHER_NAMES = {
    **{"dim": ("axis", "axes"), "dims": ("axis", "axes"), "keepdim": ("keepdims",)},
    **{"axis": ("dim",), "keepdims": ("keepdim",), "input": ("x",), "other": ("y",)},
    **{"shifts": ("shift",), "size": ("shape",), "diagonal": ("k",), "steps": ("num",)},
    **{"end": ("stop",), "exponent": ("y",)},
    **{"dim0": ("axis1",), "dim1": ("axis1", "axis2"), "dim2": ("axis2",)},
}
"""Names in calls by the habits of PyTorch and NumPy, and the names that each may stand for."""
_INPLACE = {"relu", "relu6", "leakyrelu", "elu", "selu", "celu", "silu", "mish", "hardtanh"}
_INPLACE |= {"hardswish", "hardsigmoid", "threshold", "rrelu", "dropout"}
"""The functions and layers that take ``inplace``, without underscores; it has no effect."""


@functools.cache
def hints(part: str) -> dict[str, str]:
    """What to write instead of names, from one part of the table ``hints.txt``."""
    with open(PACKAGE + "hints.txt", encoding="utf-8") as file:
        text = file.read().partition(f"[{part}]\n")[2].partition("\n\n")[0]
    rows = (line.partition(": ") for line in text.splitlines())
    return {name: advice for names, _, advice in rows for name in names.split()}


def absent(part: str, holder: Any, name: str) -> AttributeError:
    """The error for a name that a module (given by name), tensor or layer lacks.

    >>> str(absent("tensor", ag.tensor(1.0), "cuda"))
    "'Tensor' object has no attribute 'cuda'; all runs on the CPU, so leave it out"
    """
    module = isinstance(holder, str)
    who = f"module {holder!r}" if module else f"{type(holder).__name__!r} object"
    advice = "" if name.startswith("_") else hints(part).get(name) or _elsewhere(name)
    text = f"{who} has no attribute {name!r}{advice and '; '}{advice}"
    return AttributeError(text, name=name, obj=sys.modules[holder] if module else holder)


class Absent:
    """An attribute that a class lacks: `__getattr__` would slow all attributes down."""

    def __init__(self, part: str, name: str) -> None:
        self._part, self._name = part, name

    def __get__(self, holder: Any, owner: type) -> NoReturn:
        raise absent(self._part, owner if holder is None else holder, self._name)


def explains(listed: str) -> Callable[[type[T]], type[T]]:
    """Let a class explain absent names, listed behind the part of the hints where they stand."""
    part, names = listed.split(":")[0], frozenset(listed.split()[1:])

    def declare(owner: type[T]) -> type[T]:
        for name in names:
            setattr(owner, name, Absent(part, name))

        def present(self: Any) -> list[str]:
            return [n for n in object.__dir__(self) if n not in names or hasattr(self, n)]

        owner.__dir__ = present  # type: ignore[method-assign]
        return owner

    return declare


def _elsewhere(name: str) -> str:
    """Where another module has the name, or NumPy."""
    homes = ".nn .functional .optim .func .data .training .diagnose .testing .nn.utils .nn.init"
    for home in ("", *homes.split(), ".data.augment", ".optim.swa_utils"):
        if name in importlib.import_module(f"autograd_cnn{home}").__all__:
            return f"write ag{home}.{name}"
    others = (hints(other).get(name, "") for other in ("ag", "nn", "F", "optim"))
    known = callable(getattr(np, name, None))
    return f"write np.{name}(...)" if known else next(filter(None, others), "")


def renamed(
    where: str, given: dict[str, Any], known: Container[str], defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """Named arguments under the names that the function has for them; see `OTHER_NAMES`.

    >>> renamed("sum", {"dim": [0, 1], "x": 2}, ("x", "axis"), {})
    {'axis': (0, 1), 'x': 2}
    """
    found: dict[str, Any] = {}
    for other, x in given.items():
        dropped = other == "inplace" and where.replace("_", "").lower() in _INPLACE
        if dropped and other not in known:
            continue
        name = next((n for n in (other, *OTHER_NAMES.get(other, ())) if n in known), other)
        if name in found and found[name] is not defaults.get(name):
            raise TypeError(f"{where}: got {name!r} twice, as {other!r} too")
        found[name] = tuple(x) if name != other and isinstance(x, list) else x
    return found


def unknown(name: str, known: Container[str]) -> str:
    """The problem with a named argument that a function does not have."""
    advice = hints("argument").get(name, "")
    _, renames, own = advice.partition("it is called ")
    fits = advice and (not renames or own.partition(",")[0] in known)
    return f"unknown argument {name!r}" + (f" ({advice})" if fits else "")


def unpacked_in_two() -> bool:
    """Whether the user's code takes the result of the running call apart: ``a, b = f(x)``."""
    frame, _ = user_frame()
    following = frame.f_code.co_code[frame.f_lasti + 2 :].lstrip(b"\0")  # without inline caches
    opmap: dict[str, int] = importlib.import_module("opcode").opmap
    return following[:2] == bytes((opmap["UNPACK_SEQUENCE"], 2))


def whole_numbers(name: str, argument: str, value: Any) -> tuple[int, ...]:
    """An integer or several as a tuple."""
    found = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if not all(map(is_whole, found)):
        raise mistake(name, argument, "an integer or a tuple of integers", value)
    return tuple(map(int, found))


def normal_axis(name: str, axis: Any, ndim: int) -> int:
    """`axis` counted from the front."""
    if not is_whole(axis):
        raise mistake(name, "axis", "an integer", axis)
    if not -ndim <= axis < ndim:
        raise ValueError(f"{name}: axis {axis} is out of range for {ndim} axes")
    return int(axis) % ndim


def normal_axes(name: str, axis: Any, ndim: int) -> tuple[int, ...]:
    """One axis, several or None (all) as a tuple counted from the front, without repeats."""
    if axis is None:
        return tuple(range(ndim))
    axes = tuple(normal_axis(name, a, ndim) for a in whole_numbers(name, "axis", axis))
    if len(set(axes)) != len(axes):
        raise ValueError(f"{name}: axis {axis} names an axis twice")
    return axes


_OF_DTYPES = ("ufunc", "numpy boolean", "not supported between", "not understood", "be cast from")


def in_our_words(text: str, arrays: Sequence[Any], settings: dict[str, Any]) -> str:
    """NumPy's message about dtypes, axes or shapes that do not fit, reworded."""
    if text.partition(" ")[0].endswith(":"):  # the message of an op
        return text
    if "broadcast" in text and len(arrays) > 1:
        return "the shapes of the inputs do not broadcast against each other"
    if any(word in text for word in _OF_DTYPES):
        return "not defined for values of this dtype"
    axis = settings.get("axis")
    if axis is None or not arrays:
        return text
    try:
        normal_axes("", axis, np.ndim(arrays[0]))
    except (TypeError, ValueError) as wrong:
        return str(wrong).removeprefix(": ")
    return text


def user_frame() -> tuple[FrameType, int]:
    """The innermost frame outside this package and NumPy, whose wrappers our functions may carry.

    With it comes its distance from the function that asks.
    """
    frame, distance = sys._getframe(1), 1
    while frame.f_code.co_filename.startswith((PACKAGE, _NUMPY)) and frame.f_back is not None:
        frame, distance = frame.f_back, distance + 1
    return frame, distance


def warn(message: str) -> None:
    """Warn, pointing at the user's line and not at a line of this package."""
    warnings.warn(message, stacklevel=user_frame()[1])
