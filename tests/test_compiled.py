"""The compiled kernels equal their NumPy specification: shapes, strides, dtypes, NaN and infinity, threads."""

from __future__ import annotations

import copy
import inspect
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd_cnn.kernels import choice, reference
from autograd_cnn.kernels.window import conv_window, pool_window
from tests.compiled_cases import CASES
from tests.compiled_parts import LEVELS, compiled, instruction_set, same, same_bits, two_threads

__all__ = ["instruction_set", "two_threads"]  # fixtures

COMPILED = choice.twins(compiled)
NUMPY = {name: getattr(reference, name) for name in COMPILED}
SUITED = [name for name in CASES if name not in ("sgd", "adam")]
"""Kernels whose loops take all arguments of their cases."""


def test_every_compiled_kernel_has_a_case_and_a_numpy_kernel() -> None:
    """The NumPy kernel takes its arguments by position, as the compiled one does."""
    kernels = set(COMPILED)
    missing, left_over = sorted(kernels - CASES.keys()), sorted(CASES.keys() - kernels)
    assert missing == [], "kernels without a case: add one to CASES in tests/compiled_cases.py"
    assert left_over == [], "cases without a kernel: build again, or add FAST(...) in module.c"
    for name, function in NUMPY.items():
        kinds = {p.kind for p in inspect.signature(function).parameters.values()}
        assert kinds == {inspect.Parameter.POSITIONAL_ONLY}, name


def test_a_compiled_kernel_without_a_numpy_kernel_fails_at_import() -> None:
    class Built:
        conv = convolve = set_level = None

    with pytest.raises(ImportError, match="compiled kernels convolve have no NumPy kernel"):
        choice.twins(Built)


def outcome(kernels: Any, name: str, args: Any) -> tuple[Any, Any]:
    """What a call gives or raises, and its arguments afterwards."""
    args = copy.deepcopy(args)
    with np.errstate(all="ignore"):
        try:
            found = kernels[name](*args)
        except Exception as error:
            return type(error), args
    return found[:3] if name == "batch_norm" else found, args  # kept for the gradient: its affair


def refuse(*_: Any) -> None:
    raise AssertionError("the loops left this to NumPy")


@pytest.mark.parametrize("name", CASES)
@given(data=st.data())
def test_a_kernel_computes_what_numpy_does_with_any_number_of_threads(name: str, data: Any) -> None:
    """Threads change no bit, inputs stay as they are, and NumPy is not asked."""
    args, factor = data.draw(CASES[name][0]), CASES[name][1]
    expected = outcome(NUMPY, name, args)
    assert not isinstance(expected[0], type)
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for other in NUMPY if name in SUITED else ():
            patch.setattr(reference, other, refuse)
        for threads in (1, 2, 5):
            compiled.set_threads(threads)
            found.append(outcome(COMPILED, name, args))
    same(found[0], expected, factor)
    for other in found[1:]:
        same(other, found[0], 0.0)


def half(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float16) if x.dtype.kind == "f" else x


def widened(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float64 if x.dtype == np.float32 else np.float32)


def misaligned(x: np.ndarray) -> np.ndarray:
    raw = np.zeros(x.nbytes + 1, np.uint8)
    shifted = raw[1:].view(x.dtype).reshape(x.shape)
    shifted[...] = x
    return shifted


COMPUTED_AGAIN = {"batch_norm_grad": (1, 7), "curve_grad": (2, 3)}
"""The arrays that the loops compute again, or one of which they do without."""
CHANGES: dict[str, Callable[[np.ndarray], Any]] = {
    "half": half,
    "other type": widened,
    "whole": lambda x: np.nan_to_num(x, posinf=9, neginf=-9).astype(np.int64),
    "complex": lambda x: x.astype(complex),
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "misaligned": misaligned,
    "empty": lambda x: x[:0],
    "shorter": lambda x: x[..., 1:],
    "longer": lambda x: np.concatenate([x, x]),
    "one axis less": lambda x: x[0],
    "one axis more": lambda x: x[None],
    "read-only": lambda x: np.broadcast_to(x, x.shape),
    "list": lambda x: x.tolist(),
    "None": lambda x: None,
}


@pytest.mark.parametrize("name", CASES)
@given(data=st.data(), change=st.sampled_from(list(CHANGES)), everywhere=st.booleans())
def test_what_the_loops_do_not_take_is_left_to_numpy(
    name: str, data: Any, change: str, everywhere: bool
) -> None:
    """Results, errors and what is written in place are NumPy's, for one array changed or all."""
    args = list(data.draw(CASES[name][0]))
    assume(
        name != "batch_norm_grad" or change != "None"
    )  # without a bias, other values were positive
    assume(
        name != "curve_grad" or change != "other type" or not everywhere
    )  # NumPy reads the result

    def changed(x: np.ndarray) -> Any:
        with np.errstate(all="ignore"):  # results of exp are more than float16 and int64 hold
            return CHANGES[change](x)

    if name in ("sgd", "adam"):
        args[0] = [tuple(map(changed, update[:2])) + update[2:] for update in args[0]]
    else:
        skipped = COMPUTED_AGAIN.get(name, ())
        arrays = [k for k, x in enumerate(args) if isinstance(x, np.ndarray)]
        one = data.draw(st.sampled_from([k for k in arrays if k not in skipped]))
        for k in arrays if everywhere else [one]:
            args[k] = changed(args[k])
    expected, after = outcome(NUMPY, name, args)
    found, found_after = outcome(COMPILED, name, args)
    if isinstance(expected, type):
        assert found is expected
    else:
        same(found, expected, CASES[name][1])
        same(found_after, after, CASES[name][1])


def in_memory(memory: np.ndarray, x: np.ndarray, how: str) -> np.ndarray:
    """A view of the shape of x at the start of `memory`."""
    order = {"plain": range(x.ndim), "first axis innermost": (*range(1, x.ndim), 0)}
    axes = list(order.get(how, range(x.ndim)[::-1]))
    view = memory[: x.size].reshape([x.shape[axis] for axis in axes])
    return view.transpose(np.argsort(axes))


ONE_ARRAY = {"axis_sum", "cross_entropy", "cumsum", "curve", "first_outside", "laid_out", "relu"}
ONE_ARRAY |= {"soften", "window_max", "window_spread", "window_sum"}
MADE_OF_OTHERS = {"batch_norm_grad", "curve_grad", "window_max_grad", "sgd", "adam"}
"""Kernels with arrays that another kernel made of their other arrays, or that are written to."""


@pytest.mark.parametrize("name", sorted(CASES.keys() - ONE_ARRAY - MADE_OF_OTHERS))
@given(data=st.data())
def test_arguments_may_lie_in_the_same_memory(name: str, data: Any) -> None:
    """As ``conv2d(x, x[:1, :, :3, :3])`` and autocorrelations have them."""
    args = list(data.draw(CASES[name][0]))
    shared = [k for k, x in enumerate(args) if getattr(x, "ndim", 0) and x.dtype.kind == "f"]
    values = np.cos(np.arange(max(args[k].size for k in shared))) * 0.5 + 1.0
    memory = values.astype(args[shared[0]].dtype)
    ways = st.sampled_from(["plain", "first axis innermost", "reversed"])
    for k in shared:
        args[k] = in_memory(memory, args[k], data.draw(ways))
    with np.errstate(all="ignore"):  # not by `outcome`, whose copies lie apart
        found, expected = COMPILED[name](*args), NUMPY[name](*args)
    if name == "batch_norm":  # the rest is its gradient's affair
        found, expected = found[:3], expected[:3]
    same(found, expected, CASES[name][1])


@pytest.mark.parametrize("name", CASES)
def test_too_few_and_too_many_arguments_are_type_errors(name: str) -> None:
    for args in ((), (np.ones(3, np.float32),) * 12):
        with pytest.raises(TypeError, match=f"{name}\\(\\)"):
            COMPILED[name](*args)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_the_outputs_that_they_reach_in_numpy(value: float) -> None:
    rng = np.random.default_rng(0)
    window = conv_window((6, 6), (3, 3), 1, 1, 1)
    x, w = rng.standard_normal((3, 2, 6, 6)), rng.standard_normal((4, 2, 3, 3))
    x[1, 0, 2, 3] = value
    with np.errstate(invalid="ignore"):
        out = reference.conv(x, w, None, window, 1)
        same(compiled.conv(x, w, None, window, 1), out)
        g = rng.standard_normal(out.shape)
        g[2, 1, 0, 0] = value
        same(compiled.conv_input_grad(g, w, window, 1), reference.conv_input_grad(g, w, window, 1))
        weights = (kernels.conv_weight_grad(x, g, window, 1) for kernels in (compiled, reference))
        same_bits(*[[np.isfinite(w)] for w in weights])


def test_large_matrix_products_are_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    x, asked = np.ones((512, 512), np.float32), []
    for name in ("matmul", "linear"):
        monkeypatch.setattr(reference, name, lambda *args: asked.append(args))
    compiled.matmul(x, x[:, :511])
    compiled.linear(x[:511], x, None)
    assert not asked
    compiled.matmul(x, x)
    compiled.linear(x, x, None)
    assert len(asked) == 2


def test_a_sum_of_all_values_is_a_number() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert compiled.axis_sum(x, None, False) == 15
    assert type(compiled.axis_sum(x, (0, 1), False)) is np.float32


def test_pooling_keeps_the_memory_order_of_images() -> None:
    window = pool_window((5, 4), 2, None, 0, 1, True)
    x = np.random.default_rng(0).standard_normal((9, 3, 5, 4))
    out = compiled.window_max(x, window)
    for found in (out, compiled.window_max_grad(out, x, out, window)):
        assert found.flags.c_contiguous
    laid = compiled.laid_out(x)
    for found in (
        compiled.window_sum(laid, window),
        compiled.window_max_grad(out, laid, out, window),
    ):
        assert reference.batch_innermost(found).flags.c_contiguous


def test_padding_takes_no_gradient_of_windows_without_a_number() -> None:
    """Where all is -infinity, the first cell in the image wins, as in NumPy."""
    x = np.full((2, 1, 7, 6), -np.inf)
    for dilation in (1, 2):
        window = pool_window((7, 6), 3, 2, 1, dilation, True)
        out = reference.window_max(x, window)
        args = np.random.default_rng(0).standard_normal(out.shape), x, out, window
        same(compiled.window_max_grad(*args), reference.window_max_grad(*args))


@pytest.mark.parametrize(
    "strides", [(2, 2), (0, 1), (1, 0), (-1, 3), (1, 4)], ids=lambda strides: str(strides)
)
def test_updates_in_place_take_only_arrays_without_gaps_or_overlaps(
    strides: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values, asked = np.arange(30.0), []
    p = np.lib.stride_tricks.as_strided(values[5:], (3, 3), tuple(8 * s for s in strides))
    monkeypatch.setattr(reference, "sgd", lambda *args: asked.append(args))
    compiled.sgd([(p, p, None)], (0.1, 0.0, 1.0, 0.0), False, False)
    assert len(asked) == 1
    assert (values == np.arange(30.0)).all()


# ---------------------------------------------------------------------------- threads and processes


def test_a_forked_child_has_threads_of_its_own() -> None:
    code = """if True:
        import os
        import numpy as np
        from autograd_cnn.kernels import _compiled as compiled
        compiled.set_threads(2)
        x = np.ones((64, 8, 32, 32), np.float32)
        before = compiled.relu(x)
        child = os.fork()
        if not child:
            os._exit(0 if (compiled.relu(x) == before).all() else 1)
        assert os.waitpid(child, 0)[1] == 0
    """
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


def test_python_threads_share_the_kernels_threads() -> None:
    x = np.random.default_rng(0).standard_normal((64, 8, 32, 32)).astype(np.float32)
    expected = reference.relu(x)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: compiled.relu(x), range(200)):
            assert np.array_equal(found, expected)


# ------------------------------------------------------------------------ what was built and chosen


def test_the_build_has_loops_for_every_instruction_set_of_the_machine() -> None:
    """Whether GCC built it or clang."""
    cpuinfo = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not cpuinfo.exists():
        pytest.skip("only Linux on x86-64 tells here what the machine has")
    flags = set(cpuinfo.read_text().split())
    wanted = ["any"]
    if flags >= {"avx2", "fma"}:
        wanted.append("avx2")
        if flags >= {"avx512f", "avx512dq", "avx512vl", "avx512bw"}:
            wanted.append("avx512")
    assert wanted == LEVELS
    with pytest.raises(ValueError, match="this machine has no instruction set 'mmx'"):
        compiled.set_level("mmx")


@pytest.mark.parametrize(
    ("setting", "expected"),
    [("numpy", "numpy, because reference"), ("compiled", "compiled _compiled")],
)
def test_the_environment_chooses_the_kernels(setting: str, expected: str) -> None:
    code = "from autograd_cnn import kernels; print(kernels.REASON, kernels.conv.__module__)"
    environment = {**os.environ, "AUTOGRAD_CNN_KERNELS": setting}
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    chosen, module = expected.rsplit(" ", 1)
    assert found.stdout.startswith(chosen)
    assert module in found.stdout
