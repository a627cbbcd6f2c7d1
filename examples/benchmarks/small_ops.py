"""Operations on arrays of ten values, where the arithmetic is nothing and the overhead is all."""

from collections.abc import Callable
from typing import Any

import numpy as np

CHAIN = 50


def chain(library: Any, x: Any, y: Any) -> Any:
    """A hundred operations, one after the other."""
    out = x
    for _ in range(CHAIN):
        out = out * y + x
    return out


OPERATIONS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "x + y": lambda library, x, y: x + y,
    "x * y": lambda library, x, y: x * y,
    "x / y": lambda library, x, y: x / y,
    "exp(x)": lambda library, x, y: library.exp(x),
    "tanh(x)": lambda library, x, y: library.tanh(x),
    "maximum(x, y)": lambda library, x, y: library.maximum(x, y),
    "sum(x)": lambda library, x, y: library.sum(x),
    "x[2:5]": lambda library, x, y: x[2:5],
    "reshape(x)": lambda library, x, y: x.reshape(2, 5),
    "matmul(x, y)": lambda library, x, y: library.matmul(x, y),
    "chain, per op": chain,
}


def make_inputs(name: str) -> tuple[np.ndarray, np.ndarray]:
    """x and y, float32 of shape (10,); matmul's are (2, 5) and (5, 2)."""
    x, y = np.linspace(0.5, 0.9, 10, dtype="f4"), np.linspace(0.9, 0.6, 10, dtype="f4")
    return (x.reshape(2, 5), y.reshape(5, 2)) if name.startswith("matmul") else (x, y)


def make_call(small: Any, name: str, backward: bool) -> Callable[[], Any]:
    """One forward, with recording, or one forward and backward, in `small`: a framework's half."""
    operation = OPERATIONS[name]
    library = small.library
    x, y = map(small.leaf, make_inputs(name))
    if not backward:
        return lambda: operation(library, x, y)
    seed = small.constant(np.ones(operation(library, x, y).shape, "f4"))
    clear = small.clear

    def call() -> None:
        operation(library, x, y).backward(seed)
        clear(x)
        clear(y)

    return call


def per_call(name: str) -> int:
    """Operations in one call."""
    return 2 * CHAIN if name.startswith("chain") else 1
