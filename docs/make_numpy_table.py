"""Write docs/numpy-functions.md: what becomes of every NumPy function that is called on a tensor.

Run it after a change of autograd_cnn/tensor/numpy_functions.py: python docs/make_numpy_table.py
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np

from autograd_cnn.tensor.numpy_functions import status
from autograd_cnn.tensor.numpy_special import ALTERNATIVES, OWN_GRADIENT

PAGE = Path(__file__).with_name("numpy-functions.md")
INTRODUCTION = """# NumPy's functions on tensors

Called with a tensor, a NumPy function is one of three things:

- **differentiable**: it runs as the op or the composition of ops of that name, the answer is a
  tensor, and gradients flow through it. Options that no op has (`out=`, `dtype=`, `where=`,
  `method=` of quantiles) raise a TypeError.
- **constant**: its answer does not change with small changes of the values (positions, comparisons,
  shapes, sets of values), or is a new array of constants; it is computed from the values, and is
  plain.
- **unsupported**: it raises a TypeError that names the alternative in the last column. NumPy never
  cuts the graph in silence.

`np.asarray(t)` and `t.numpy()` always give the values, for which all of NumPy works. Methods of
ufuncs (`np.add.reduce`) are unsupported.

Only functions that join arrays see tensors **inside a list**. `np.sum([t, u])` raises a TypeError
while a graph is recorded. Ufuncs and functions in C (`np.exp([t, u])`) use the values only. Join
first: `np.exp(ag.stack([t, u]))`.

The operator of **another library's object** on the left, such as a pandas `series * t`, gives a
tensor or raises a TypeError. The method `a.dot(t)` of an array uses the values only: write `a @ t`.

Written by `docs/make_numpy_table.py` from the tables in
`autograd_cnn/tensor/numpy_functions.py`, for the public ufuncs of NumPy and its functions that
support NumPy's dispatch protocols. A function with two names has two rows.

| function | on a tensor | instead |
|---|---|---|
"""


def public_functions() -> dict[str, object]:
    """NumPy's ufuncs, and its functions that support NumPy's dispatch protocols, by name."""
    found: dict[str, object] = {}
    modules: list[tuple[str, ModuleType]] = [
        ("np", np),
        ("np.linalg", np.linalg),
        ("np.fft", np.fft),
    ]
    for prefix, module in modules:
        for name in module.__all__:
            value = getattr(module, name)
            if isinstance(value, np.ufunc) or hasattr(value, "_implementation"):
                found[f"{prefix}.{name}"] = value
    return dict(sorted(found.items()))


def rows() -> list[str]:
    """The lines of the table, one per function."""
    found = []
    for name, function in public_functions().items():
        kind = status(function)
        instead = ALTERNATIVES.get(name, OWN_GRADIENT) if kind == "unsupported" else ""
        found.append(f"| `{name}` | {kind} | {instead} |")
    return found


if __name__ == "__main__":
    PAGE.write_text(INTRODUCTION + "\n".join(rows()) + "\n", encoding="utf-8")
