"""The line of the user's code that called into this package."""

from __future__ import annotations

import os
import sys
import warnings
from types import FrameType

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def user_frame() -> tuple[FrameType, int]:
    """The innermost frame that is not this package's own, and how far it is from the caller's.

    >>> user_frame()[1]
    1
    """
    frame, distance = sys._getframe(1), 1
    while frame.f_code.co_filename.startswith(PACKAGE) and frame.f_back is not None:
        frame, distance = frame.f_back, distance + 1
    return frame, distance


def warn(message: str) -> None:
    """A warning that points at the user's line, however deep in this package it arises."""
    warnings.warn(message, stacklevel=user_frame()[1])
