"""Published systems, from one weight to a CNN, reproduced: `python -m examples.seeds --help`."""

from . import a_by_hand, b_two_at_a_time, c_basics, c_digits, d_keras
from .registry import SYSTEMS, Figure, Run, System

GROUPS = (a_by_hand, b_two_at_a_time, c_basics, c_digits, d_keras)  # each enters its systems

__all__ = ["GROUPS", "SYSTEMS", "Figure", "Run", "System"]
