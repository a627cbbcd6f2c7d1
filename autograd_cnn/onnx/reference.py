"""What `onnx.reference` computes wrong (1.23): transposed convolution with groups or dilation."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun


class ConvTranspose(OpRun):
    """The sum of what each cell of the kernel adds to the image, as the standard says."""

    op_domain = ""

    def _run(self, x: Any, w: Any, b: Any = None, **given: Any) -> tuple[np.ndarray]:
        groups, axes = given["group"], x.ndim - 2
        steps = [*zip(x.shape[2:], given["strides"], given["dilations"])]
        extra, pads = given["output_padding"], given["pads"]
        sizes = zip(steps, w.shape[2:], extra)
        sides = [(n - 1) * s + d * (k - 1) + 1 + e for (n, s, d), k, e in sizes]
        out = np.zeros((len(x), groups, w.shape[1], *sides), x.dtype)
        images = x.reshape(len(x), groups, len(w) // groups, *x.shape[2:])
        filters = w.reshape(groups, len(w) // groups, *w.shape[1:])
        for cell in itertools.product(*map(range, w.shape[2:])):
            places = [slice(i * d, i * d + (n - 1) * s + 1, s) for i, (n, s, d) in zip(cell, steps)]
            part = np.einsum("ngc...,gcf->ngf...", images, filters[(..., *cell)])
            out[(..., *places)] += part
        inner = [slice(a, n - z) for a, z, n in zip(pads, pads[axes:], sides)]
        out = out.reshape(len(x), groups * w.shape[1], *sides)[(..., *inner)]
        return (out if b is None else out + b.reshape(-1, *[1] * axes),)
