"""Settings of any size: an error in words or the right result, in bounded memory and time, on both kernel sets."""

from __future__ import annotations

import faulthandler
import itertools
import math
import os
import re
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import kernels, nn
from autograd_cnn.kernels import reference

resource = pytest.importorskip("resource")

HUGE = [0, 1, 2, 3, 2**16, 2**31 - 1, 2**31, 2**32 + 1, 858993459, 10**9, 10**12, 2**62]
MEMORY = 1 << 30  # bytes that a call may take beyond what the process has
SECONDS = 20.0  # a few are enough, but machines are busy

ENTRIES: dict[str, tuple[str, ...]] = {
    "conv": ("stride", "padding", "dilation"),
    "conv_transpose": ("stride", "padding", "output_padding", "dilation"),
    "max_pool": ("kernel_size", "stride", "padding", "dilation", "ceil_mode"),
    "avg_pool": ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"),
    "unfold": ("kernel_size", "dilation", "padding", "stride"),
    "fold": ("output_size", "kernel_size", "dilation", "padding", "stride"),
    "adaptive_avg_pool": ("output_size",),
    "adaptive_max_pool": ("output_size",),
}


@pytest.fixture(params=["compiled", "numpy"], autouse=True)
def kernel_set(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled" and kernels.REASON != "compiled":
        pytest.skip("the compiled kernels were not built here")
    for name in kernels.TWINS if request.param == "numpy" else ():
        monkeypatch.setattr(kernels, name, getattr(reference, name))


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """A call that wants more memory fails; one that no signal stops ends the process."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    if "asan" not in os.environ.get("LD_PRELOAD", ""):  # AddressSanitizer has a limit of its own
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    faulthandler.dump_traceback_later(600, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()
    resource.setrlimit(resource.RLIMIT_AS, before)


@st.composite
def calls(draw: Any) -> tuple[str, int, tuple[int, ...], int, dict[str, Any]]:
    """An entry, its axes, the image, the weight's kernel, and settings that often fit together."""
    entry = draw(st.sampled_from(list(ENTRIES)))
    axes = 2 if entry in ("fold", "unfold") else draw(st.integers(1, 3))
    image = tuple(draw(st.integers(0, 5)) for _ in range(axes))
    huge = draw(st.sampled_from(HUGE))
    near = [huge, huge // 2, huge // 2 + 1, max(0, huge - 1), huge + 1, 2 * huge, 1, 2, 3]
    one = st.sampled_from(near) | st.sampled_from(HUGE)
    settings: dict[str, Any] = {}
    for name in ENTRIES[entry]:
        if name in ("ceil_mode", "count_include_pad"):
            settings[name] = draw(st.booleans())
        elif name == "output_padding":
            settings[name] = draw(st.sampled_from([0, 0, 0, huge]))
        else:
            small = 0 if "padding" in name else 1
            settings[name] = tuple(
                draw(one if draw(st.booleans()) else st.integers(small, 3)) for _ in range(axes)
            )
    if "pool" in entry and "padding" in settings and draw(st.integers(0, 3)):
        # kernels that reach over the padded image at most, most of the time
        settings["dilation"] = tuple(draw(st.sampled_from([1, 1, 1, huge])) for _ in range(axes))
        settings["padding"] = tuple(
            max(0, k // 2 - draw(st.integers(0, 1))) for k in settings["kernel_size"]
        )
        if entry == "avg_pool":
            del settings["dilation"]
    return entry, axes, image, draw(st.integers(0, 3)), settings


def met(positions: int, taps: int, cells: int, settings: dict[str, Any], axis: int) -> Any:
    """Along an axis, every (position, tap, cell) at which a window meets the image."""
    stride, dilation, padding = (settings[name][axis] for name in ("stride", "dilation", "padding"))
    found = []
    for cell, tap in itertools.product(range(cells), range(taps)):
        position, left = divmod(cell + padding - tap * dilation, stride)
        if not left and 0 <= position < positions:
            found.append((position, tap, cell))
    return found


def correlated(
    x: np.ndarray, w: np.ndarray, out: tuple[int, ...], settings: dict[str, Any], back: bool
) -> np.ndarray:
    """The convolution of x with w, or its transpose, by its definition."""
    result = np.zeros((1, 1, *out))
    small, large = (x.shape[2:], out) if back else (out, x.shape[2:])
    axes = [met(small[a], w.shape[2 + a], large[a], settings, a) for a in range(len(out))]
    for triples in itertools.product(*axes):
        positions, taps, cells = zip(*triples)
        to, came = (cells, positions) if back else (positions, cells)
        result[0, 0, *to] += w[0, 0, *taps] * x[0, 0, *came]
    return result


def pooled(kind: str, x: np.ndarray, out: tuple[int, ...], settings: dict[str, Any]) -> np.ndarray:
    """Pooling by its definition."""
    result = np.full((1, 1, *out), np.nan)
    kernel, stride, padding = (settings[name] for name in ("kernel_size", "stride", "padding"))
    for place in itertools.product(*map(range, out)):
        cells, counted = [], 1
        for a, position in enumerate(place):
            n, start = x.shape[2 + a], position * stride[a] - padding[a]
            by = settings.get("dilation", (1,) * 3)[a]
            cells.append(
                [
                    c
                    for c in range(n)
                    if c >= start and not (c - start) % by and (c - start) // by < kernel[a]
                ]
            )
            high = n + padding[a] if settings.get("count_include_pad") else n
            low = -padding[a] if settings.get("count_include_pad") else 0
            counted *= min(start + kernel[a], high) - max(start, low)
        part = x[0, 0][np.ix_(*cells)]
        if kind == "max":
            result[0, 0, *place] = part.max(initial=-np.inf)
        else:
            result[0, 0, *place] = part.sum() / counted if counted else np.nan
    return result


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def outcome(entry: str, axes: int, image: Any, side: int, settings: dict[str, Any]) -> Any:
    """The call's result and the one expected, or None of a large result; with its gradients."""
    x = ag.tensor(values(1, 1, *image), requires_grad=True)
    w = ag.tensor(values(1, 1, *(side,) * axes), requires_grad=True)
    function = getattr(F, entry if "fold" in entry else f"{entry}{axes}d")
    if entry == "fold":
        x = ag.tensor(values(1, math.prod(settings["kernel_size"][:2]) % 1000, image[0]))
    out = function(x, w, **settings) if "conv" in entry else function(x, **settings)
    if out.size > 10_000:
        return out, None
    if out.requires_grad and np.isfinite(out.numpy()).all():
        (out * out.numpy()).sum().backward()
        total = (out.numpy().astype(np.float64) ** 2).sum()
        for t in (x, w) if "conv" in entry else (x,):  # out is linear in each of them
            assert (t.grad * t).sum().item() == pytest.approx(total, rel=1e-3, abs=1e-5)
    if "conv" in entry:
        return out, correlated(x.numpy(), w.numpy(), out.shape[2:], settings, "tr" in entry)
    if entry in ("max_pool", "avg_pool"):
        return out, pooled(entry[:3], x.numpy(), out.shape[2:], settings)
    return out, None


def alike(axes: int, **settings: Any) -> dict[str, Any]:
    return {k: v if isinstance(v, bool) else (v,) * axes for k, v in settings.items()}


@example(("conv", 2, (5, 5), 3, alike(2, stride=1, padding=858993459, dilation=858993459)))
@example(("conv", 1, (5,), 3, alike(1, stride=1, padding=10**12, dilation=10**12)))
@example(("conv", 2, (5, 5), 3, alike(2, stride=1, padding=2**62, dilation=2**62)))
@example(("conv", 2, (5, 5), 3, alike(2, stride=1, padding=16_000, dilation=16_000)))
@example(("conv", 2, (5, 5), 3, alike(2, stride=10**9, padding=10**9, dilation=1)))
@example(
    ("conv_transpose", 2, (0, 2), 3, alike(2, stride=2, padding=0, output_padding=0, dilation=2))
)
@example(
    ("max_pool", 2, (5, 5), 1, alike(2, kernel_size=10**9, stride=1, padding=5 * 10**8, dilation=1))
)
@example(
    (
        "max_pool",
        1,
        (5,),
        1,
        alike(1, kernel_size=3 * 10**9, stride=1, padding=15 * 10**8, dilation=1),
    )
)
@given(calls())
def test_settings_of_any_size_give_the_right_result_or_an_error_in_words(call: Any) -> None:
    start, words = time.perf_counter(), ""
    try:
        with np.errstate(all="ignore"):  # the mean of no cell
            found, expected = outcome(*call)
    except ValueError as error:
        words = str(error)
        expected, pattern = None, r"(conv|max_pool|avg_pool|adaptive|fold|unfold)\w*: "
    except MemoryError as error:
        words = str(error)
        expected, pattern = None, "Unable to allocate .* for an array with shape"
    if words:
        assert re.match(pattern, words)
    if expected is not None:
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)
    assert time.perf_counter() - start < SECONDS


MAKERS: dict[str, Any] = {
    "one_hot": lambda n: F.one_hot([1], n),
    "one_hot of the class": lambda n: F.one_hot(np.array([n], np.uint64)),
    "interpolate": lambda n: F.interpolate(np.ones((1, 1, 2)), size=n),
    "interpolate linear": lambda n: F.interpolate(np.ones((1, 1, 2)), size=n, mode="linear"),
    "interpolate twice": lambda n: F.interpolate(np.ones((1, 1, 2, 2)), scale_factor=float(n)),
    "interpolate bilinear": lambda n: F.interpolate(np.ones((1, 1, 2, 2)), n, mode="bilinear"),
    "interpolate bicubic": lambda n: F.interpolate(np.ones((1, 1, 2, 2)), n, mode="bicubic"),
    "repeat": lambda n: ag.repeat(ag.tensor([1.0]), n),
    "scatter_add": lambda n: ag.scatter_add(ag.tensor([1.0]), index=np.array([1]), shape=(n,)),
    "Linear": lambda n: nn.Linear(n, n),
    "Linear of one": lambda n: nn.Linear(n, 1, bias=False),
    "Conv1d": lambda n: nn.Conv1d(1, 1, n),
    "Conv2d": lambda n: nn.Conv2d(n, n, 3),
    "ConvTranspose2d": lambda n: nn.ConvTranspose2d(n, n, 3),
    "Embedding": lambda n: nn.Embedding(n, 4),
    "BatchNorm2d": lambda n: nn.BatchNorm2d(n),
    "InstanceNorm1d": lambda n: nn.InstanceNorm1d(n, affine=True),
    "LayerNorm": lambda n: nn.LayerNorm((n, n)),
    "GroupNorm": lambda n: nn.GroupNorm(1, n),
    "RMSNorm": lambda n: nn.RMSNorm((n, n)),
    "Bilinear": lambda n: nn.Bilinear(n, n, n),
    "LSTM": lambda n: nn.LSTM(3, n),
    "GRUCell": lambda n: nn.GRUCell(n, 3),
    "MultiheadAttention": lambda n: nn.MultiheadAttention(n, 1),
}


@pytest.mark.parametrize("n", [2**40, 2**62, 2**63 - 2, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("name", MAKERS)
def test_results_and_weights_beyond_any_memory_are_a_memory_error_in_words(
    name: str, n: int
) -> None:
    called = name.partition(" ")[0]
    wanted = f"Unable to allocate .* for an array with shape|{called}: .* larger than any memory"
    if called == "interpolate" and n > 2**60:
        with pytest.raises(ValueError, match=r"interpolate: sizes must be .* below 2\*\*60"):
            MAKERS[name](n)
    elif called != "repeat" or n < 2**63:  # NumPy takes no count beyond
        with pytest.raises(MemoryError, match=wanted):
            MAKERS[name](n)
