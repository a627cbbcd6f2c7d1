"""Which set of kernels serves: the compiled one where it was built, else NumPy.

``AUTOGRAD_CNN_KERNELS`` in the environment decides otherwise: ``numpy`` forces the specification,
``compiled`` turns a missing build into an error.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

from autograd_cnn.kernels import reference, threads

_SETTING = "AUTOGRAD_CNN_KERNELS"


def choose(setting: str | None) -> tuple[ModuleType, str]:
    """The kernel module for a setting (None: whatever there is) and why, in words."""
    if setting not in (None, "", "numpy", "compiled"):
        raise ValueError(f"{_SETTING} must be 'numpy' or 'compiled', got {setting!r}")
    if setting == "numpy":
        return reference, f"numpy, because {_SETTING}=numpy"
    try:
        importlib.import_module("autograd_cnn.kernels._compiled")
    except ImportError as error:
        if setting == "compiled":
            raise ImportError(
                f"{_SETTING}=compiled, but the compiled kernels were not built or do not load "
                f"({error}); install "
                f"again with a C compiler"
            ) from error
        return reference, f"numpy, because the compiled kernels were not built ({error})"
    return importlib.import_module("autograd_cnn.kernels.compiled"), "compiled"


def set_threads(number: int) -> None:
    """Use this many threads in the kernels; NumPy's have none of their own to set."""
    if ACTIVE is not reference:
        ACTIVE.set_threads(number)


def get_threads() -> int:
    """How many threads the kernels use."""
    return ACTIVE.get_threads() if ACTIVE is not reference else 1


ACTIVE, REASON = choose(os.environ.get(_SETTING))
set_threads(threads.default_threads())
