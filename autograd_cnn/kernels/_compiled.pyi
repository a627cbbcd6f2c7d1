"""The module built from c/module.c.

Each kernel takes the arguments of the function of the same name in `reference`, by position.
"""

from collections.abc import Callable
from typing import Any

def __getattr__(name: str) -> Callable[..., Any]: ...  # a kernel
def set_threads(number: int, /) -> None: ...
def get_threads() -> int: ...
def set_level(name: str | None, /) -> str: ...
