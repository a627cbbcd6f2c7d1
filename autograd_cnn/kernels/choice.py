"""The choice of kernels: the compiled ones if they were built, else NumPy's.

``AUTOGRAD_CNN_KERNELS=numpy`` in the environment forces NumPy's; ``compiled`` turns a missing build
into an error.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any

from autograd_cnn.kernels import precision, reference, threads

_SETTING = "AUTOGRAD_CNN_KERNELS"


def choose(setting: str | None) -> tuple[Any, str]:
    """The module of compiled kernels for a setting, or None for NumPy's; and the reason."""
    if setting not in (None, "", "numpy", "compiled"):
        raise ValueError(f"{_SETTING} must be 'numpy' or 'compiled', got {setting!r}")
    if setting == "numpy":
        return None, f"numpy, because {_SETTING}=numpy"
    try:
        return importlib.import_module("autograd_cnn.kernels._compiled"), "compiled"
    except ImportError as error:
        if setting == "compiled":
            raise ImportError(
                f"{_SETTING}=compiled, but the compiled kernels were not built or do not load "
                f"({error}); install again with a C compiler"
            ) from error
        return None, f"numpy, because the compiled kernels were not built ({error})"


def twins(compiled: Any) -> dict[str, Callable[..., Any]]:
    """The compiled kernels by name: all functions but the settings.

    Each needs a NumPy kernel as its reference.
    """
    others = ("__", "set_", "get_")
    found = {name: kernel for name, kernel in vars(compiled).items() if not name.startswith(others)}
    missing = [name for name in found if not hasattr(reference, name)]
    if missing:
        raise ImportError(
            f"the compiled kernels {', '.join(missing)} have no NumPy kernel in kernels/reference; "
            "add the function and its name in __all__, or build the compiled kernels again"
        )
    return found


def set_threads(number: int) -> None:
    """Use this many threads in the compiled kernels."""
    if COMPILED is not None:
        COMPILED.set_threads(number)


def get_threads() -> int:
    """The number of threads that the kernels use."""
    return 1 if COMPILED is None else COMPILED.get_threads()


COMPILED, REASON = choose(os.environ.get(_SETTING))
TWINS = {} if COMPILED is None else twins(COMPILED)
precision.serve(reference, TWINS)
set_threads(threads.default_threads())
