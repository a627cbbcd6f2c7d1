"""Objects of other libraries beside tensors: a tensor or a TypeError, never values cut from a graph."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag

ROW = np.array([3.0, 4.0])
OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    name: getattr(operator, name)
    for name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "iadd", "imul")
} | {
    "np.multiply": np.multiply,
    "np.maximum": np.maximum,
    "np.matmul": np.matmul,
    "dot": lambda a, b: a.dot(b),
}


def tracked() -> ag.Tensor:
    return ag.tensor([1.0, 2.0], requires_grad=True, dtype="float64")


class Converting:
    """A series that makes an array of its operand, as many libraries do."""

    def __init__(self, data: Any) -> None:
        self.data = np.asarray(data)

    def operate(self, other: Any, function: Callable[[Any, Any], Any]) -> Any:
        return type(self)(function(self.data, self.read(other)))

    @staticmethod
    def read(other: Any) -> Any:
        return np.asarray(other)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        plain = [x.data if isinstance(x, Converting) else self.read(x) for x in inputs]
        return type(self)(getattr(ufunc, method)(*plain, **options))

    def dot(self, other: Any) -> Any:
        return self.operate(other, np.dot)

    def __add__(self, other: Any) -> Any:
        return self.operate(other, np.add)

    def __sub__(self, other: Any) -> Any:
        return self.operate(other, np.subtract)

    def __mul__(self, other: Any) -> Any:
        return self.operate(other, np.multiply)

    def __truediv__(self, other: Any) -> Any:
        return self.operate(other, np.divide)

    def __floordiv__(self, other: Any) -> Any:
        return self.operate(other, np.floor_divide)

    def __mod__(self, other: Any) -> Any:
        return self.operate(other, np.remainder)

    def __pow__(self, other: Any) -> Any:
        return self.operate(other, np.power)

    def __matmul__(self, other: Any) -> Any:
        return self.operate(other, np.matmul)

    __iadd__, __imul__ = __add__, __mul__


class Passing(Converting):
    """A series that computes with its operand as it is, and makes an array of the result."""

    @staticmethod
    def read(other: Any) -> Any:
        return other


def keeps_the_graph(call: Callable[[], Any]) -> None:
    try:
        found = call()
    except TypeError:
        return
    assert isinstance(found, ag.Tensor)
    assert found.requires_grad


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("kind", [Converting, Passing, np.array, np.ma.array])
def test_an_operand_on_the_left_keeps_the_graph_or_refuses(kind: Any, name: str) -> None:
    if kind is np.array and name == "dot":
        pytest.skip("NumPy's method takes the values unseen, as docs/numpy-functions.md says")
    keeps_the_graph(lambda: OPERATORS[name](kind(ROW), tracked()))


def test_the_error_names_the_object_and_the_cure() -> None:
    with pytest.raises(
        TypeError, match=r"Converting\.__mul__ would .*put the tensor first, or take"
    ):
        Converting(ROW) * tracked()


def test_values_that_are_asked_for_are_given() -> None:
    t = tracked()
    for plain in (t.detach(), t.numpy()):
        assert (Converting(ROW) * plain).data.tolist() == [3.0, 8.0]
    with ag.no_grad():
        assert (Converting(ROW) * t).data.tolist() == [3.0, 8.0]
    assert Converting(t).data.tolist() == np.asarray(t).tolist() == [1.0, 2.0]

    class Meter:
        def add(self, value: Any) -> float:
            return float(np.asarray(value).sum())

    assert Meter().add(t) == 3.0


PANDAS: dict[str, Callable[[Any], Any]] = {
    "Series": lambda pd: pd.Series(ROW),
    "Series of integers": lambda pd: pd.Series([3, 4]),
    "Series with labels": lambda pd: pd.Series(ROW, index=["a", "b"], name="n"),
    "Index": lambda pd: pd.Index(ROW),
    "RangeIndex": lambda pd: pd.RangeIndex(2),
    "DataFrame": lambda pd: pd.DataFrame(np.array([ROW, ROW])),
}
METHODS = ("add", "sub", "mul", "multiply", "div", "pow", "radd", "rmul")


@pytest.mark.parametrize("kind", PANDAS)
@pytest.mark.parametrize("name", [*OPERATORS, *METHODS])
def test_pandas_keeps_the_graph_or_refuses(kind: str, name: str) -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    left, t = PANDAS[kind](pd), tracked()
    if name in (*METHODS, "dot") and not hasattr(left, name):
        pytest.skip(f"{kind} has no method {name}")
    call = OPERATORS.get(name) or (lambda a, b: getattr(a, name)(b))
    if name in ("iadd", "imul") and "Index" not in kind:
        with pytest.raises((TypeError, AttributeError)):  # pandas takes NotImplemented for a result
            call(left, t)
    else:
        keeps_the_graph(lambda: call(left, t))


def test_pandas_computes_the_same_from_either_side() -> None:
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    series, t = pd.Series(ROW), tracked()
    for found in (series * t, t * series, np.multiply(series, t)):
        assert found.tolist() == [3.0, 8.0]
        assert ag.grad(found.sum(), t)[0].tolist() == [3.0, 4.0]


PLOTS = {
    "plot": lambda axes, t, m: axes.plot(t, t),
    "scatter": lambda axes, t, m: axes.scatter(t, t, s=t, c=t),
    "bar": lambda axes, t, m: axes.bar(t, t),
    "barh": lambda axes, t, m: axes.barh(t, t),
    "hist": lambda axes, t, m: axes.hist([t, t]),
    "hist2d": lambda axes, t, m: axes.hist2d(t, t),
    "imshow": lambda axes, t, m: axes.imshow(m),
    "contour": lambda axes, t, m: axes.contour(m),
    "fill_between": lambda axes, t, m: axes.fill_between(t, t),
    "stem": lambda axes, t, m: axes.stem(t, t),
    "stackplot": lambda axes, t, m: axes.stackplot(t, t, t),
    "errorbar": lambda axes, t, m: axes.errorbar(t, t, yerr=t),
    "vlines": lambda axes, t, m: axes.vlines(t, t[0], t[1]),
    "quiver": lambda axes, t, m: axes.quiver(t, t, t, t),
    "boxplot": lambda axes, t, m: axes.boxplot(t),
}


@pytest.mark.parametrize("name", PLOTS)
def test_plots_take_tensors(name: str) -> None:
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed").Figure()
    t = tracked()
    m = ag.tensor(np.arange(9.0).reshape(3, 3), requires_grad=True)
    PLOTS[name](figure.subplots(), t * 2.0, m * 2.0)
    assert t.tolist() == [1.0, 2.0]


def test_masked_functions_are_named() -> None:
    with pytest.raises(TypeError, match=r"numpy\.ma would take .*\.numpy\(\) for plain values"):
        np.ma.sum(tracked())
