"""The array API: every function of the standard works as NumPy's or is absent for a reason; einops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import autograd_cnn as ag
from autograd_cnn.testing import gradcheck

XP = ag.zeros(1).__array_namespace__()

# ----------------------------------------------------- the names of v2024.12 and v2025.12, by page

CREATION = """arange asarray empty empty_like eye from_dlpack full full_like linspace meshgrid ones
    ones_like tril triu zeros zeros_like"""
TYPES = "astype can_cast finfo iinfo isdtype result_type __array_namespace_info__"
CONSTANTS = """e inf nan newaxis pi bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32
    float64 complex64 complex128"""
ELEMENTWISE = """abs acos acosh add asin asinh atan atan2 atanh bitwise_and bitwise_invert
    bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor ceil clip conj copysign cos cosh
    divide equal exp expm1 floor floor_divide greater greater_equal hypot imag isfinite isinf isnan
    less less_equal log log10 log1p log2 logaddexp logical_and logical_not logical_or logical_xor
    maximum minimum multiply negative nextafter not_equal positive pow real reciprocal remainder
    round sign signbit sin sinh sqrt square subtract tan tanh trunc"""
LINEAR = "matmul matrix_transpose tensordot vecdot"
MANIPULATION = """broadcast_arrays broadcast_shapes broadcast_to concat expand_dims flip moveaxis
    permute_dims repeat reshape roll squeeze stack tile unstack take take_along_axis"""
SEARCHING = "argmax argmin count_nonzero nonzero searchsorted where argsort sort isin"
SETS = "unique_all unique_counts unique_inverse unique_values"
STATISTICS = "cumulative_prod cumulative_sum max mean min prod std sum var all any diff"
LINALG = """cholesky cross det diagonal eig eigh eigvals eigvalsh inv matmul matrix_norm matrix_power
    matrix_rank matrix_transpose outer pinv qr slogdet solve svd svdvals tensordot trace vecdot
    vector_norm"""
FFT = """fft ifft fftn ifftn rfft irfft rfftn irfftn hfft ihfft fftfreq rfftfreq fftshift
    ifftshift"""

ABSENT = {
    "imag": "tensors with gradients are real",
    "nextafter": "it steps by the rounding of a number, which has no derivative",
    **dict.fromkeys(FFT.split(), "complex results carry no gradient"),
    **dict.fromkeys(["linalg.eig", "linalg.eigvals"], "complex results carry no gradient"),
    **dict.fromkeys(
        [f"linalg.{name}" for name in ["eigh", "eigvalsh", "qr", "svd", "svdvals"]],
        "there is no op for this decomposition",
    ),
}

# -------------------------------------- a call of each function, for NumPy and for tensors the same

Call = Callable[[Any, Any, Any], Any]  # of the namespace, and of two arrays with values in (0, 1)


def _same(name: str, *more: Any, **named: Any) -> Call:
    return lambda xp, x, y: getattr(xp, name)(x, *more, **named)


def _both(name: str) -> Call:
    return lambda xp, x, y: getattr(xp, name)(x, y)


def _bits(name: str) -> Call:
    def call(xp: Any, x: Any, y: Any) -> Any:
        a, b = xp.astype(x * 9.0, xp.int64), xp.astype(y * 5.0, xp.int64)
        function = getattr(xp, name)
        return function(a) if name == "bitwise_invert" else function(a, b)

    return call


_TWO = """add atan2 copysign divide equal floor_divide greater greater_equal hypot less less_equal
    logaddexp logical_and logical_or logical_xor maximum minimum multiply not_equal pow remainder
    subtract"""
CALLS: dict[str, Call] = {
    **{n: _same(n) for n in ELEMENTWISE.split() if n not in ABSENT},
    **{n: _both(n) for n in _TWO.split()},
    **{n: _bits(n) for n in ELEMENTWISE.split() if n.startswith("bitwise")},
    **{n: _same(n) for n in ["argmax", "argmin", "count_nonzero", "nonzero", "all", "any"]},
    **{n: _same(n, axis=-1, keepdims=True) for n in ["max", "min", "mean", "prod", "sum"]},
    **{n: _same(n, axis=0, correction=0.5) for n in ["std", "var"]},
    **{n: _same(n, axis=-1) for n in ["cumulative_prod", "cumulative_sum", "diff"]},
    "acosh": lambda xp, x, y: xp.acosh(x + 1.5),
    "logical_not": lambda xp, x, y: xp.logical_not(x > 0.5),
    "round": lambda xp, x, y: xp.round(x * 9.0),
    "clip": lambda xp, x, y: xp.clip(x, min=0.3, max=y),
    "asarray": lambda xp, x, y: xp.asarray(x, dtype=xp.float64),
    "from_dlpack": lambda xp, x, y: xp.from_dlpack(x if xp is np else x.detach()),
    "full_like": _same("full_like", 2.0),
    "zeros_like": _same("zeros_like"),
    "ones_like": _same("ones_like", dtype=np.int32),
    "empty_like": lambda xp, x, y: xp.empty_like(x) * 0.0 if x.size == 0 else xp.zeros_like(x),
    "zeros": lambda xp, x, y: xp.zeros(x.shape, dtype=xp.float64),
    "ones": lambda xp, x, y: xp.ones(x.shape, dtype=x.dtype),
    "empty": lambda xp, x, y: xp.astype(xp.empty(x.shape, dtype=xp.int8) * 0, xp.float64),
    "full": lambda xp, x, y: xp.full(x.shape, 7),
    "eye": lambda xp, x, y: xp.eye(x.shape[0], 3, k=1, dtype=xp.float64),
    "arange": lambda xp, x, y: xp.arange(1, x.shape[0]),
    "linspace": lambda xp, x, y: xp.linspace(0.0, 1.0, 5, endpoint=False, dtype=xp.float64),
    "meshgrid": lambda xp, x, y: xp.meshgrid(xp.reshape(x, (-1,)), y[..., 0], indexing="ij")
    if y.ndim == 2 else xp.meshgrid(xp.reshape(x, (-1,)), indexing="ij"),
    "tril": lambda xp, x, y: xp.tril(x[None, ...], k=-1),
    "triu": lambda xp, x, y: xp.triu(x[None, ...], k=1),
    "astype": lambda xp, x, y: xp.astype(x, xp.float32),
    "can_cast": lambda xp, x, y: xp.can_cast(xp.float32, xp.float64),
    "finfo": lambda xp, x, y: (xp.finfo(xp.float32).eps.item(), xp.finfo(x.dtype).bits),
    "iinfo": lambda xp, x, y: xp.iinfo(xp.int8).max,
    "isdtype": lambda xp, x, y: xp.isdtype(x.dtype, "real floating"),
    "result_type": lambda xp, x, y: xp.result_type(x, xp.float32),
    "__array_namespace_info__": lambda xp, x, y: xp.__array_namespace_info__().default_device(),
    "matmul": lambda xp, x, y: xp.matmul(x[..., None], y[..., None, :]),
    "matrix_transpose": lambda xp, x, y: xp.matrix_transpose(x[None, ...]),
    "tensordot": lambda xp, x, y: xp.tensordot(x, y, axes=1) if x.ndim == 1 else
    xp.tensordot(x, y, axes=((0,), (0,))),
    "vecdot": lambda xp, x, y: xp.vecdot(x, y, axis=-1),
    "broadcast_arrays": lambda xp, x, y: xp.broadcast_arrays(x, y[:1]),
    "broadcast_shapes": lambda xp, x, y: xp.broadcast_shapes(x.shape, (1,)),
    "broadcast_to": lambda xp, x, y: xp.broadcast_to(x, (2, *x.shape)),
    "concat": lambda xp, x, y: xp.concat([x, y], axis=-1),
    "expand_dims": lambda xp, x, y: xp.expand_dims(x, axis=(0, -1)),
    "flip": lambda xp, x, y: xp.flip(x, axis=-1),
    "moveaxis": lambda xp, x, y: xp.moveaxis(x, 0, -1),
    "permute_dims": lambda xp, x, y: xp.permute_dims(x, tuple(range(x.ndim))[::-1]),
    "repeat": lambda xp, x, y: xp.repeat(x, 2, axis=0),
    "reshape": lambda xp, x, y: xp.reshape(x, (x.size,)),
    "roll": lambda xp, x, y: xp.roll(x, 1, axis=-1),
    "squeeze": lambda xp, x, y: xp.squeeze(x[None, ...], axis=0),
    "stack": lambda xp, x, y: xp.stack([x, y], axis=-1),
    "tile": lambda xp, x, y: xp.tile(x, (2,)),
    "unstack": lambda xp, x, y: xp.unstack(x, axis=-1),
    "take": lambda xp, x, y: xp.take(x, xp.asarray([0, -1]), axis=-1),
    "take_along_axis": lambda xp, x, y: xp.take_along_axis(x, xp.argsort(y, axis=-1), axis=-1),
    "searchsorted": lambda xp, x, y: xp.searchsorted(
        xp.sort(xp.reshape(x, (-1,))), y, side="right"),
    "where": lambda xp, x, y: xp.where(x > y, x, y),
    "argsort": lambda xp, x, y: xp.argsort(x, axis=0, stable=True),
    "sort": lambda xp, x, y: xp.sort(x, axis=-1),
    "isin": lambda xp, x, y: xp.isin(x, xp.reshape(x, (-1,))[:1]),
    **{n: _same(n) for n in SETS.split()},
}  # fmt: skip


def _square(name: str, *more: Any, **named: Any) -> Call:
    def call(xp: Any, x: Any, y: Any) -> Any:
        n = x.shape[-1]
        matrix = xp.matmul(xp.reshape(x, (-1, n)).T, xp.reshape(x, (-1, n))) + xp.eye(
            n, dtype=x.dtype
        )
        return getattr(xp.linalg, name)(matrix, *more, **named)

    return call


LINALG_CALLS: dict[str, Call] = {
    **{n: _square(n) for n in ["cholesky", "det", "diagonal", "inv", "matrix_norm", "matrix_rank", "pinv", "trace"]},
    "matrix_power": _square("matrix_power", 3),
    "slogdet": _square("slogdet"),
    "solve": lambda xp, x, y: xp.linalg.solve(
        xp.eye(x.shape[0], dtype=x.dtype) * 2.0, xp.reshape(x, (x.shape[0], -1))),
    "cross": lambda xp, x, y: xp.linalg.cross(
        xp.stack([x, y, x * y], axis=-1), xp.stack([y, x, x + y], axis=-1)),
    "outer": lambda xp, x, y: xp.linalg.outer(xp.reshape(x, (-1,)), xp.reshape(y, (-1,))),
    "vector_norm": lambda xp, x, y: xp.linalg.vector_norm(x, axis=-1, keepdims=True, ord=3),
    **{n: (lambda xp, x, y, n=n: CALLS[n](LinalgOf(xp), x, y)) for n in LINEAR.split()},  # type: ignore[misc]
}  # fmt: skip
EVERY = {**CALLS, **{f"linalg.{name}": call for name, call in LINALG_CALLS.items()}}


class LinalgOf:
    """The names of ``xp.linalg`` in the place of those of `xp`."""

    def __init__(self, xp: Any) -> None:
        self.__dict__.update({name: getattr(xp.linalg, name) for name in LINEAR.split()})


CONSTANT = {
    *[
        "bitwise_and",
        "bitwise_invert",
        "bitwise_left_shift",
        "bitwise_or",
        "bitwise_right_shift",
        "bitwise_xor",
        "equal",
        "greater",
        "greater_equal",
        "isfinite",
        "isinf",
        "isnan",
        "less",
        "less_equal",
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "not_equal",
        "signbit",
        "argmax",
        "argmin",
        "count_nonzero",
        "nonzero",
        "searchsorted",
        "argsort",
        "isin",
        "all",
        "any",
        "linalg.matrix_rank",
        "from_dlpack",
        "broadcast_shapes",
        "empty_like",
        "zeros_like",
        "ones_like",
        "full_like",
        "zeros",
        "ones",
        "empty",
        "full",
        "eye",
        "arange",
        "linspace",
    ],
    *SETS.split(),
    *TYPES.replace("astype", "").split(),
}
"""Functions without a gradient."""


def names() -> list[str]:
    pages = (CREATION, TYPES, CONSTANTS, ELEMENTWISE, LINEAR, MANIPULATION, SEARCHING, SETS)
    found = [name for page in (*pages, STATISTICS) for name in page.split()]
    return [
        *found,
        *(f"linalg.{name}" for name in LINALG.split()),
        *(f"fft.{n}" for n in FFT.split()),
    ]


def flat(x: Any) -> list[Any]:
    return [part for item in x for part in flat(item)] if isinstance(x, (tuple, list)) else [x]


def start(shape: tuple[int, ...], dtype: Any, seed: int, shift: float = 0.0) -> np.ndarray:
    """Different numbers in (0, 1), in any order; other numbers with another shift."""
    n = int(np.prod(shape))
    order = np.random.default_rng(seed).permutation(n)
    return ((order + 1.0 + shift) / (n + 1.5)).reshape(shape).astype(dtype)


def test_every_name_of_the_standard_works_or_is_absent_for_a_reason() -> None:
    for name in names():
        short = name.removeprefix("fft.")
        works = EVERY.get(name) is not None or name in CONSTANTS.split()
        assert works != (short in ABSENT), name
        if name.startswith("fft."):
            assert not hasattr(XP, "fft")
        else:
            owner = XP.linalg if name.startswith("linalg.") else XP
            assert hasattr(owner, name.removeprefix("linalg.")) != (name in ABSENT), name
    assert set(EVERY) | set(ABSENT) | set(CONSTANTS.split()) == {
        n.removeprefix("fft.") for n in names()
    }
    for name in CONSTANTS.split():
        mine, theirs = getattr(XP, name), getattr(np, name)
        assert mine is theirs or mine == theirs or name == "nan"


@pytest.mark.parametrize("name", EVERY)
@given(
    shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 9),
)
def test_values_are_numpys(name: str, shape: tuple[int, ...], dtype: str, seed: int) -> None:
    x, y = start(shape, dtype, seed), start(shape, dtype, seed + 1, 0.3)
    wanted = flat(EVERY[name](np, x, y))
    found = flat(EVERY[name](XP, ag.tensor(x), ag.tensor(y)))
    assert len(found) == len(wanted)
    for mine, theirs in zip(found, wanted):
        if isinstance(theirs, (np.ndarray, np.generic)):
            assert isinstance(mine, ag.Tensor), name
            assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
            # Matrices are well conditioned; other functions round in another order at most.
            tolerance = 1e-4 if dtype == "float32" or mine.dtype == np.float32 else 1e-12
            np.testing.assert_allclose(mine.numpy(), theirs, rtol=tolerance, atol=tolerance)
        else:
            assert mine == theirs


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("shape", [(4,), (2, 3)])
def test_functions_stay_differentiable(name: str, shape: tuple[int, ...]) -> None:
    x, y = (ag.tensor(start(shape, float, k, 0.3 * k), requires_grad=True) for k in (0, 1))

    def first(x: Any) -> Any:
        parts = [p for p in flat(EVERY[name](XP, x, y.detach())) if isinstance(p, ag.Tensor)]
        return parts[-1] if name == "linalg.slogdet" else sum(p.sum() for p in parts[1:]) + parts[0]

    if name in CONSTANT:
        parts = flat(EVERY[name](XP, x, y))
        assert not any(isinstance(p, ag.Tensor) and p.requires_grad for p in parts)
        return
    assert first(x).requires_grad
    if name == "astype":
        assert ag.grad(first(x).sum(), x)[0].tolist() == np.ones(shape).tolist()
    else:
        gradcheck(first, [x])


# ------------------------------------------------------------------- what differs from NumPy's own


def test_plain_arrays_become_constants_and_their_memory_is_not_kept() -> None:
    array, w = np.array([1.0, 2.0]), ag.tensor([1.0, 1.0], requires_grad=True, dtype="float64")
    for made in (XP.reshape(array, (2,)), XP.asarray(array), XP.flip(array), XP.unstack(array)[0]):
        assert isinstance(made, ag.Tensor)
        assert not np.shares_memory(made.numpy(), array)
    out = (XP.asarray(array) * w).sum()
    array[:] = 77.0
    assert ag.grad(out, w)[0].tolist() == [1.0, 2.0]


def test_creation_has_the_default_dtype() -> None:
    for made in (XP.zeros(2), XP.ones((2,)), XP.eye(2), XP.linspace(0, 1, 3), XP.asarray([1.0])):
        assert made.dtype == np.float32
    assert XP.full(2, 0.5).dtype == np.float32
    assert XP.full(2, 1).dtype == XP.arange(3).dtype == XP.asarray([1]).dtype == np.int64
    assert XP.zeros(2, dtype=XP.float64, device="cpu").dtype == np.float64
    assert XP.zeros_like(ag.tensor(np.ones(2))).dtype == np.float64
    assert XP.__array_namespace_info__().default_dtypes()["real floating"] == np.float32
    with pytest.raises(TypeError, match="zeros: there is no device 'cuda'"):
        XP.zeros(2, device="cuda")


def test_asarray_keeps_a_tensor() -> None:
    t = ag.tensor([1.0, 2.0], requires_grad=True)
    assert XP.asarray(t) is t
    assert XP.asarray(t, copy=True) is not t
    assert XP.asarray(t, dtype=XP.float64).requires_grad
    with pytest.raises(ValueError, match="only a tensor is taken without a copy"):
        XP.asarray([1.0], copy=False)


def test_sorting_downwards_is_stable() -> None:
    x = ag.tensor([[1.0, 3.0, 1.0, 3.0]], requires_grad=True)
    assert XP.argsort(x, descending=True).tolist() == [[1, 3, 0, 2]]
    out = XP.sort(x, descending=True)
    assert out.tolist() == [[3.0, 3.0, 1.0, 1.0]]
    assert ag.grad((out * np.arange(4.0)).sum(), x)[0].tolist() == [[2.0, 0.0, 3.0, 1.0]]


def test_sums_have_a_dtype() -> None:
    x = ag.tensor([1.5, 2.5], requires_grad=True)
    for name in ("sum", "prod", "cumulative_sum", "cumulative_prod"):
        out = getattr(XP, name)(x, dtype=XP.float64)
        assert out.dtype == np.float64
        assert out.requires_grad


def test_versions_and_absent_names() -> None:
    t = ag.zeros(1)
    assert t.__array_namespace__(api_version="2022.12") is XP
    assert XP.__array_api_version__ == "2025.12"
    for wrong in (lambda: XP.nextafter, lambda: XP.linalg.svd, lambda: XP.fft, lambda: XP.nonsense):
        with pytest.raises(AttributeError):
            wrong()
    assert t.device == "cpu"
    assert t.to_device("cpu") is t


# ------------------------------------------------------------------------ libraries that build on it


def test_array_api_compat_finds_the_namespace() -> None:
    compat = pytest.importorskip("array_api_compat", reason="array-api-compat is not installed")
    x = ag.tensor([[3.0, 4.0]], requires_grad=True)
    assert compat.is_array_api_obj(x)
    assert compat.array_namespace(x, x.detach(), 1.0) is XP
    assert compat.device(x) == "cpu"
    assert compat.size(x) == 2

    def normed(x: Any) -> Any:
        xp = compat.array_namespace(x)
        return x / xp.sqrt(xp.sum(x**2, axis=-1, keepdims=True))

    assert gradcheck(normed, [x.detach().astype("float64").requires_grad_()])


EINOPS: dict[str, Callable[[Any, Any], Any]] = {
    "transpose": lambda e, x: e.rearrange(x, "b h w -> w b h"),
    "compose": lambda e, x: e.rearrange(x, "b h w -> b (w h)"),
    "decompose": lambda e, x: e.rearrange(x, "b (h two) w -> (b two) h w 1", two=2),
    "list": lambda e, x: e.rearrange([x, x * 2.0], "n b h w -> b n (h w)"),
    **{
        name: (lambda e, x, name=name: e.reduce(x, "b (h two) w -> b w h", name, two=2))  # type: ignore[misc]
        for name in ("mean", "sum", "max", "min", "prod")
    },
    "pool": lambda e, x: e.reduce(x, "b (h two) ... -> ... h", "max", two=2),
    "repeat": lambda e, x: e.repeat(x, "b h w -> b (h two) w three", two=2, three=3),
    "pack": lambda e, x: e.pack([x, x[:, 0], x[:, :, :2] * 3.0], "b *")[0],
    "unpack": lambda e, x: e.unpack(x, [(1,), (), (2,)], "b * w")[2],
}


@pytest.mark.parametrize("name", EINOPS)
def test_einops(name: str) -> None:
    einops = pytest.importorskip("einops", reason="einops is not installed")
    api = pytest.importorskip("einops.array_api", reason="einops is not installed")
    x = start((2, 4, 3), float, 3)
    t = ag.tensor(x, requires_grad=True)
    out = EINOPS[name](api, t)
    assert isinstance(out, ag.Tensor)
    np.testing.assert_allclose(out.numpy(), EINOPS[name](einops, x), rtol=1e-14)
    assert gradcheck(lambda t: EINOPS[name](api, t), [t])
