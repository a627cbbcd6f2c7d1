"""Published systems, from one weight to a CNN, reproduced: `python -m examples.seeds --help`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # models.py, training.py and so on

from . import a_by_hand, b_two_at_a_time, c_basics, c_digits, d_keras
from .registry import SYSTEMS, Figure, Run, System

GROUPS = (a_by_hand, b_two_at_a_time, c_basics, c_digits, d_keras)  # each registers its systems

__all__ = ["GROUPS", "SYSTEMS", "Figure", "Run", "System"]
