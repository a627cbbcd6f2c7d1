"""Every op and composition where random values seldom lead: no values, single ones, zeros and equal ones, whole
numbers; and in its third derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func
from autograd_cnn.engine.node import values
from autograd_cnn.engine.op import COMPOSITIONS, OPS
from autograd_cnn.testing import GradientError, check_op
from tests.case_parts import Case, examples
from tests.test_gradcheck import planted
from tests.test_ops import EVERY_CASE, EVERY_FUNCTION, FUNCTIONS, check

EVERY = [*sorted(OPS), *sorted(COMPOSITIONS)]
"""Every registered op and every composition."""
OF_SEVERAL = [name for name, op in sorted(OPS.items()) if len(op.inputs) > 1]
"""Every op with more inputs than one."""


def listed(lines: dict[str, str]) -> dict[str, str]:
    """Names with the reason that they share, from the reasons with the names that have it."""
    return {name: reason for reason, names in lines.items() for name in names.split()}


def drawn(name: str, count: int = 100) -> list[Case]:
    return examples(EVERY_CASE[name], count)


def is_float(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def floats(case: Case) -> list[np.ndarray]:
    return [x for x in case.inputs if is_float(x)]


def test_exceptions_name_ops() -> None:
    for table in (WITH_AXES, SHAPES_OF_THEIR_OWN, NOT_SMOOTH, NOT_OF_INTEGERS):
        left_over = sorted(table.keys() - set(EVERY))
        assert left_over == [], "no op of that name: delete the word in tests/test_points.py"


# ----------------------------------------------------------------- no values, and a single value


@pytest.mark.parametrize("name", sorted(OPS))
def test_no_values(name: str) -> None:
    empty = [case for case in drawn(name) if any(not x.size for x in floats(case))]
    assert empty, f"the case of {name} has no example without values"
    for case in empty[:4]:
        check(name, case)


WITH_AXES = listed(
    {
        "works on images or on channels": """
            avg_pool avg_pool_grad batch_norm channel_affine conv conv_input_grad conv_weight_grad
            fold max_pool row_norm softmax_cross_entropy unfold window_gather window_scatter""",
        "works on matrices": "cholesky det inv linear logabsdet matmul pinv solve_columns",
        "works along an axis": "banded concatenate log_softmax softmax",
        "combines two values or more": "var",
    }
)


@pytest.mark.parametrize("name", sorted(OPS))
def test_single_values_without_axes(name: str) -> None:
    single = [case for case in drawn(name) if any(not x.ndim for x in floats(case))]
    assert bool(single) != (name in WITH_AXES)
    for case in single[:3]:
        check(name, case)


# ----------------------------------------------------------------------------------- broadcasting

SHAPES_OF_THEIR_OWN = listed(
    {
        "one value per channel or filter": """
            batch_norm channel_affine conv conv_input_grad conv_weight_grad linear row_norm""",
        "parts of one result": "concatenate stack",
        "the subscripts name the axes": "contract",
        "inputs of one shape": "relu_grad sigmoid_cross_entropy",
    }
)
MATRICES = {"matmul": 2, "solve_columns": 2}
"""How many of the last axes do not broadcast."""


def repeated(name: str, case: Case) -> Iterator[str]:
    """The inputs of an example that are repeated along an axis, or along one that they lack."""
    out = np.shape(EVERY_FUNCTION[name](*case.inputs, **case.params))
    for argument, x in zip(OPS[name].inputs, case.inputs):
        shape, full = np.shape(x), out
        if name == "put" and argument == "v":
            full = case.inputs[0][case.params["index"]].shape
        fixed = MATRICES.get(name, 0)
        if x is not None and shape[: len(shape) - fixed] != full[: len(full) - fixed]:
            yield argument


@pytest.mark.parametrize("name", [n for n in OF_SEVERAL if n not in SHAPES_OF_THEIR_OWN])
def test_every_input_broadcasts(name: str) -> None:
    found: dict[str, Case] = {}
    for case in drawn(name):
        found |= dict.fromkeys(repeated(name, case), case)
    assert set(found) == ({"v"} if name == "put" else set(OPS[name].inputs))
    for case in found.values():
        check(name, case)


# ------------------------------------------------------------------------------ third derivatives


def along(f: Any, directions: list[np.ndarray]) -> Any:
    """The derivative of a function with a single value in a direction, by its gradient."""
    gradient = func.grad(f, argnums=tuple(range(len(directions))))
    return lambda *xs: sum((g * d).sum() for g, d in zip(gradient(*xs), directions))


@pytest.mark.parametrize("name", EVERY)
def test_third_derivatives(name: str) -> None:
    """In random directions through all inputs at once, against differences of second ones."""
    for number, case in enumerate(drawn(name, 12)):
        free = [k for k, x in enumerate(case.inputs) if is_float(x)]
        xs = [case.inputs[k] for k in free]
        rng = np.random.default_rng(number)
        u, v, w = ([rng.standard_normal(x.shape) for x in xs] for _ in "uvw")

        def value(*xs: Any, case: Any = case, free: Any = free, number: int = number) -> Any:
            args = list(case.inputs)
            for k, x in zip(free, xs):
                args[k] = x
            out = EVERY_FUNCTION[name](*args, **case.params)
            g = np.random.default_rng([number, 1]).standard_normal(out.shape)
            # 0 * x ** 4 keeps derivatives that do not depend on x in the graph.
            return (g * out).sum() + sum((0.0 * x**4).sum() for x in xs)

        second = along(along(value, u), v)
        third = along(second, w)(*xs)
        ends = [second(*(x + s * d for x, d in zip(xs, w))) for s in (1e-5, -1e-5)]
        # Second derivatives of size s are good to 1e-16 s, so their differences to about 1e-11 s.
        close = 1e-6 * (1.0 + abs(ends[0]) + abs(third))
        assert abs((ends[0] - ends[1]) / 2e-5 - third) < close


def test_third_derivatives_show_a_fault_that_first_and_second_ones_do_not() -> None:
    with planted("cos", rules=(lambda g, out, x: -g * np.sin(values(x)),)):
        for case in drawn("sin", 10):
            check("sin", case)
        with pytest.raises(AssertionError):
            test_third_derivatives("sin")


# ------------------------------------------------------------------------- zeros and equal values

NOT_SMOOTH = listed(
    {
        "has a kink, a step or a pole at 0": """
            abs addcdiv ceil celu copysign dist divide elu floor floor_divide fmod frac hardtanh hypot
            leaky_relu log log10 log2 logit power
            reciprocal relu relu6 relu_grad remainder rrelu rsqrt selu softsign sign sqrt trunc cbrt arctan2 round""",
        "has a kink or an end of its domain at whole numbers": """
            arccos arccosh arcsin arctanh clip log1p xlogy""",
        "has a kink where values are equal": """
            amax amin cummax cummin max max_pool maximum median min minimum ptp sort topk""",
        "needs regular matrices": """
            cholesky det inv logabsdet matrix_power pinv slogdet solve solve_columns""",
        "divides by a sum of weights": "average",
        "divides by a spread": "batch_norm std std_mean",
        "may end with a relu": "channel_affine",
        "holds probabilities": "sigmoid_cross_entropy",
    }
)


@pytest.mark.parametrize("name", [n for n in EVERY if n not in NOT_SMOOTH])
def test_zeros_and_equal_values_are_nothing_special_where_a_function_is_smooth(name: str) -> None:
    """Formulas of several kinks that cancel, abs(x) ** 2, are wrong there at the second order."""
    for case in drawn(name, 15):
        whole = [rounded(x) for x in case.inputs]
        if name == "norm" and not_smooth_norm(whole[0], **case.params):
            continue
        check(name, Case(tuple(whole), case.params))


def rounded(x: Any) -> Any:
    return np.asarray(np.round(x)) if is_float(x) else x


def not_smooth_norm(
    x: np.ndarray, ord: Any = None, axis: Any = None, keepdims: Any = False
) -> bool:
    """Sums and extremes of absolute values have kinks, and so has every length of 0."""
    return ord not in (None, "fro", 3) or not np.linalg.norm(x, None, axis).all()


def test_a_formula_of_kinks_that_cancel_is_found() -> None:
    square = lambda x: ag.abs(x) ** 2  # noqa: E731
    check_op(square, np.array([-2.0, 1.0]))
    with pytest.raises(GradientError, match="second derivative"):
        check_op(square, np.array([-2.0, 0.0]))


# ------------------------------------------------------------------------------- two precisions

KEEPS = {"put": "x", "relu_grad": "g"}
"""Whose dtype the result has, whatever those of the other inputs."""
REFUSE = {
    *("batch_norm", "channel_affine", "conv", "conv_input_grad", "conv_weight_grad", "linear"),
    "row_norm",
}
"""Layers, whose weights must have the dtype of the input."""


@pytest.mark.parametrize("low", [np.float16, np.float32])
@pytest.mark.parametrize("name", OF_SEVERAL)
def test_inputs_of_two_precisions(name: str, low: type) -> None:
    """The result has the wider one of those with axes, if there are any; each gradient that of its
    input.
    """
    for case in drawn(name, 10):
        places = [k for k, x in enumerate(case.inputs) if is_float(x)]
        for narrow in places if len(places) > 1 else []:
            xs = list(case.inputs)
            for k in places:
                xs[k] = ag.tensor(xs[k], True, low if k == narrow else "float64")
            if name in REFUSE:
                with pytest.raises(
                    TypeError, match="the input has dtype float.*, weights have float"
                ):
                    FUNCTIONS[name](*xs, **case.params)
                continue
            out = FUNCTIONS[name](*xs, **case.params)
            strong = [xs[k].dtype for k in places if xs[k].ndim] or [low, np.float64]
            kept = KEEPS.get(name) == OPS[name].inputs[0 if OPS[name].variadic else narrow]
            assert out.dtype == (low if kept else np.result_type(*strong))
            for x in (xs[k] for k in places):
                (g,) = ag.grad(out, x, np.ones(out.shape), retain_graph=True, allow_unused=True)
                assert g is None or g.dtype == x.dtype


# ---------------------------------------------------------------------------------- whole numbers

NOT_OF_INTEGERS = listed(
    {
        "NumPy has no negative powers of integers": "power",
        "needs matrices that are regular before they are rounded": """
            cholesky inv logabsdet matrix_power pinv slogdet solve solve_columns""",
        "0 is outside of its domain, or inside of none": "arccosh log log10 log2 logit reciprocal rsqrt xlogy",
        "0 divides nothing": "addcdiv divide floor_divide fmod remainder average",
        "takes logits, which are not whole": "sigmoid_cross_entropy softmax_cross_entropy",
        "keeps the dtype of its input": "astype batch_norm pad put",
    }
)


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8"])
@pytest.mark.parametrize("name", [n for n in EVERY if n not in NOT_OF_INTEGERS])
def test_whole_numbers_of_any_dtype_give_what_they_give_as_doubles(name: str, dtype: str) -> None:
    function = EVERY_FUNCTION[name]
    for case in drawn(name, 25):
        whole = [np.abs(rounded(x)) if is_float(x) else x for x in case.inputs]
        typed = [x.astype(dtype) if is_float(x) else x for x in whole]
        with np.errstate(all="ignore"):
            expected, found = function(*whole, **case.params), function(*typed, **case.params)
        # NumPy takes functions of bytes in half precision.
        tolerance = 2e-3 if np.asarray(found).dtype == np.float16 else 1e-12
        if np.min(expected, initial=0.0) >= 0.0 or dtype != "uint8":  # else they wrap, as NumPy's
            np.testing.assert_allclose(found, expected, tolerance, tolerance)
