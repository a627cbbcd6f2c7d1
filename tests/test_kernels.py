"""What the kernels promise beyond their ops: bit selection, window geometry, memory, the build."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn.kernels import memory
from autograd_cnn.kernels.reference import select
from autograd_cnn.kernels.window import conv_window, pool_window


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_select_never_makes_nan_out_of_what_it_leaves_out(dtype: type) -> None:
    x = np.array([np.inf, -np.inf, np.nan, 1.5, -2.0], dtype)
    assert select(np.zeros(5, bool), x).tolist() == [0.0] * 5
    assert np.array_equal(select(np.ones(5, bool), x), x, equal_nan=True)
    assert select(np.array([False, True, False, True, False]), x[::-1])[::2].tolist() == [
        0.0,
        0.0,
        0.0,
    ]


@given(
    st.integers(1, 9), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 4)
)
def test_every_tap_of_a_window_is_visited_once(
    n: int, k: int, stride: int, dilation: int, padding: int
) -> None:
    """Rows of overlaps() against the definition: position p at offset i meets cell p * stride + i * dilation - padding."""
    if n + 2 * padding < dilation * (k - 1) + 1:
        return
    window = conv_window((n, 1), (k, 1), stride, (padding, 0), (dilation, 1))
    found = []
    for offset, (positions, _), (cells, _) in window.overlaps():
        pairs = zip(range(window.out[0])[positions], range(n)[cells], strict=True)
        found += [(offset, p, cell) for p, cell in pairs]
    expected = [
        (i, p, p * stride + i * dilation - padding)
        for i in range(k)
        for p in range(window.out[0])
        if 0 <= p * stride + i * dilation - padding < n
    ]
    assert found == expected


@given(st.integers(1, 12), st.integers(1, 4), st.integers(1, 5))
def test_same_padding_gives_the_input_size_over_the_stride(n: int, k: int, stride: int) -> None:
    window = conv_window((n, n), (k, k), stride, "same", 1)
    assert window.out == (-(-n // stride),) * 2
    assert window.after[0] - window.before[0] in (0, 1)  # an odd cell goes to the end


def test_ceil_mode_keeps_a_partial_window_only_if_it_starts_inside() -> None:
    assert pool_window((5, 5), 2, 2, 0, 1, False).out == (2, 2)
    assert pool_window((5, 5), 2, 2, 0, 1, True).out == (3, 3)
    assert pool_window((4, 4), 1, 3, 0, 1, True).out == (2, 2)
    assert pool_window((4, 4), 2, 5, 0, 1, True).out == (
        1,
        1,
    )  # a second would start beyond the image


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only glibc has mallopt")
def test_recycling_can_be_switched_off() -> None:
    code = "from autograd_cnn.kernels import memory; print(memory.RECYCLING)"
    environment = {**os.environ, "AUTOGRAD_CNN_RECYCLE": "0"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout == "False\n"
    assert isinstance(memory.RECYCLING, bool)


SOURCE = Path(__file__).parents[1] / "autograd_cnn/kernels/c/module.c"
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]


@pytest.mark.skipif(not SOURCE.exists() or not COMPILERS, reason="needs the sources and a compiler")
@pytest.mark.parametrize("compiler", COMPILERS)
def test_where_a_long_has_32_bits_nothing_is_built_and_the_compiler_says_why(compiler: str) -> None:
    short = ["-U__SIZEOF_LONG__", "-D__SIZEOF_LONG__=4"]
    done = subprocess.run([compiler, "-E", *short, SOURCE], capture_output=True, text=True)
    assert done.returncode != 0
    assert "where a long has 32 bits, the NumPy kernels serve" in done.stderr


@pytest.mark.parametrize("batch_last", [False, True])
@pytest.mark.parametrize("shape", [(6, 4), (1, 4), (2, 3, 4)])
def test_gradients_of_weights_lie_row_by_row(shape: tuple[int, ...], batch_last: bool) -> None:
    """As the weights do; the update of an optimizer reads both in the order of memory."""
    w, b = (ag.tensor(np.ones(s, "f4"), requires_grad=True) for s in [(5, 4), (5,)])
    v = ag.tensor(np.ones((4, 5), "f4"), requires_grad=True)
    x = np.ones(shape, "f4", order="F" if batch_last else "C")
    g = np.ones((*shape[:-1], 5), "f4", order="F" if batch_last else "C")
    ag.linear(ag.tensor(x), w, b).backward(g)
    ag.matmul(ag.tensor(x if x.ndim == 2 else x[0]), v).backward(g if g.ndim == 2 else g[0])
    for parameter in (w, v):
        assert parameter.grad is not None
        assert parameter.grad.numpy().flags.c_contiguous
