"""Transposed convolution for `onnx.reference`, whose own is wrong for groups and dilation."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from autograd_cnn.onnx.nodes import OpRun


class ConvTranspose(OpRun):
    """The sum of what each cell of the kernel adds to the image, as the standard says."""

    op_domain = ""

    def _run(self, x: Any, w: Any, b: Any = None, **given: Any) -> tuple[np.ndarray]:
        axes, groups = x.ndim - 2, given["group"]
        strides, dilations, extra = given["strides"], given["dilations"], given["output_padding"]
        pads = [given["pads"][k::axes] for k in range(axes)]
        sides = [
            (n - 1) * s + d * (k - 1) + 1 + e
            for n, s, d, k, e in zip(x.shape[2:], strides, dilations, w.shape[2:], extra)
        ]
        out = np.zeros((len(x), groups, w.shape[1], *sides), x.dtype)
        grouped = x.reshape(len(x), groups, len(w) // groups, *x.shape[2:])
        filters = w.reshape(groups, len(w) // groups, *w.shape[1:])
        for cell in itertools.product(*map(range, w.shape[2:])):
            places = tuple(
                slice(i * d, i * d + (n - 1) * s + 1, s)
                for i, d, n, s in zip(cell, dilations, x.shape[2:], strides)
            )
            part = np.einsum("ngc...,gcf->ngf...", grouped, filters[(..., *cell)])
            out[(..., *places)] += part
        inner = tuple(slice(a, n - z) for (a, z), n in zip(pads, sides))
        out = out.reshape(len(x), groups * w.shape[1], *sides)[(..., *inner)]
        return (out if b is None else out + b.reshape(-1, *[1] * axes),)
