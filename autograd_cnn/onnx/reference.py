"""Transposed convolution, which `onnx.reference` (1.23) computes wrong with groups or dilation."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np


def conv_transpose(self: Any, x: Any, w: Any, b: Any = None, **given: Any) -> Any:
    """The sum of what each cell of the kernel adds to the image, as the standard says."""
    groups, axes = given["group"], x.ndim - 2
    steps = [*zip(x.shape[2:], given["strides"], given["dilations"])]
    sides = [(n - 1) * s + d * (k - 1) + 1 for (n, s, d), k in zip(steps, w.shape[2:])]
    out: Any = np.zeros((len(x), groups, w.shape[1], *sides), x.dtype)
    images = x.reshape(len(x), groups, len(w) // groups, *x.shape[2:])
    filters = w.reshape(groups, len(w) // groups, *w.shape[1:])
    for cell in itertools.product(*map(range, w.shape[2:])):
        places: Any = [
            slice(i * d, i * d + (n - 1) * s + 1, s) for i, (n, s, d) in zip(cell, steps)
        ]
        part = np.einsum("ngc...,gcf->ngf...", images, filters[(..., *cell)])
        out[(..., *places)] += part
    inner: Any = [slice(a, n - z) for a, z, n in zip(given["pads"], given["pads"][axes:], sides)]
    return (out.reshape(len(x), groups * w.shape[1], *sides)[(..., *inner)],)
