"""DLPack both ways: what is shared, what is copied, and that no write of others spoils a gradient."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import func, nn
from tests.test_inplace_programs import SHAPES, VIEWS, WRITES, W, start


class Unlocked:
    """An array as PyTorch sees it: memory that can be written to, whatever its flags say."""

    def __init__(self, array: np.ndarray) -> None:
        address = array.__array_interface__["data"][0]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}
        self.array = array


def taken(t: Any, copy: bool | None = None, version: tuple[int, int] | None = (1, 0)) -> Any:
    """A writable array with the memory that a tensor hands out."""

    class Producer:
        def __dlpack__(self, **named: Any) -> Any:
            return t.__dlpack__(max_version=version, copy=copy)

        def __dlpack_device__(self) -> tuple[int, int]:
            device: tuple[int, int] = t.__dlpack_device__()
            return device

    return np.asarray(Unlocked(np.from_dlpack(Producer())))


def shared(taken: np.ndarray, t: Any) -> bool:
    return np.shares_memory(taken, t.numpy())


def leaf(*values: float) -> Any:
    return ag.tensor(values, requires_grad=True)


# ------------------------------------------------------------------ what is shared, copied, refused


def test_a_constant_that_no_graph_holds_is_shared() -> None:
    for version in (None, (1, 0)):
        t = ag.tensor([[1.0, 2.0], [3.0, 4.0]])
        ag.zeros(3)  # so that `t` is not the newest
        array = taken(t, version=version)
        array[0, 0] = 9.0
        assert t.tolist() == [[9.0, 2.0], [3.0, 4.0]]
        t[1] = 0.0
        assert array.tolist() == [[9.0, 2.0], [0.0, 0.0]]
        assert not shared(taken(t, copy=True), t)


def _result() -> Any:
    return (leaf(1.0, 2.0) * 2.0).detach()


def _kept_result() -> Any:
    _kept_result.y = leaf(1.0, 2.0) * 2.0  # type: ignore[attr-defined]
    return _kept_result.y.detach()  # type: ignore[attr-defined]


def _factor() -> Any:
    t = ag.tensor([1.0, 2.0])
    _factor.y = leaf(1.0, 2.0) * t  # type: ignore[attr-defined]
    return t


def _view_of_a_factor() -> Any:
    return _factor()[:1]


def _whole_of_a_factor() -> Any:
    t = ag.tensor([1.0, 2.0, 3.0])
    _factor.y = leaf(1.0) * t[1:]  # type: ignore[attr-defined]
    return t


def _behind_a_checkpoint() -> Any:
    t = ag.tensor([1.0, 2.0])
    _factor.y = ag.checkpoint(lambda x: ag.exp(x * t), leaf(1.0, 2.0))  # type: ignore[attr-defined]
    return t


def _index() -> Any:
    t = ag.tensor([1, 0])
    _factor.y = ag.gather(leaf(1.0, 2.0), 0, t)  # type: ignore[attr-defined]
    return t


def _pulled() -> Any:
    t = ag.tensor([1.0, 2.0])
    _factor.y = func.vjp(lambda x: x * t, leaf(1.0, 2.0))  # type: ignore[attr-defined]
    return t


SEEN: dict[str, Callable[[], Any]] = {
    "data of a parameter": lambda: nn.Linear(2, 3).weight.detach(),
    "data": lambda: leaf(1.0).data,
    "detached result": _kept_result,
    "factor": _factor,
    "view": _view_of_a_factor,
    "whole": _whole_of_a_factor,
    "checkpoint": _behind_a_checkpoint,
    "vjp": _pulled,
    "copy of a detached tensor": lambda: __import__("copy").copy(_kept_result()),
    "read-only": lambda: ag.broadcast_to(ag.tensor([1.0]), (3,)),
    "backwards": lambda: ag.tensor([1.0, 2.0])[::-1],
}


@pytest.mark.parametrize("name", SEEN)
def test_memory_that_a_graph_sees_is_copied(name: str) -> None:
    t = SEEN[name]()
    if name.startswith("data"):
        _factor.y = SEEN, (leaf := nn.Parameter(np.ones(2)))  # type: ignore[attr-defined]
        t = leaf.detach()
    before = t.tolist()
    array = taken(t)
    assert array.tolist() == before
    array[...] = 77.0
    assert t.tolist() == before
    assert array.strides == t.numpy().copy(order="K").strides
    with pytest.raises(BufferError, match="without a copy, because .*; leave copy=False out"):
        t.__dlpack__(copy=False)
    with pytest.raises(BufferError, match="without a copy"):
        np.from_dlpack(t, copy=False)


def test_indices_are_copied_by_the_graph_itself() -> None:
    """Or else exporting copies them: either way a write changes no gradient."""
    t = _index()
    taken(t)[...] = 0
    _factor.y.sum().backward()  # type: ignore[attr-defined]
    assert _factor.y is not None  # type: ignore[attr-defined]


def test_memory_of_a_graph_that_is_gone_is_shared() -> None:
    t, x = ag.tensor([1.0, 2.0]), leaf(1.0, 2.0)
    (x * t).sum().backward()
    assert shared(taken(t), t)
    t = _result()
    gc.collect()
    assert shared(taken(t), t)


def test_a_tensor_that_requires_gradients_is_refused() -> None:
    for t in (leaf(1.0), leaf(1.0) * 2.0, nn.Linear(1, 1).weight):
        for copy in (None, True, False):
            with pytest.raises(BufferError, match=r"requires gradients.*export \.detach\(\) of it"):
                t.__dlpack__(copy=copy)
        with ag.no_grad(), pytest.raises(BufferError, match="requires gradients"):
            np.from_dlpack(t)


def test_the_device_and_a_stream() -> None:
    t = ag.tensor([1.0])
    assert t.__dlpack_device__() == (1, 0)
    assert t.__dlpack__(dl_device=(1, 0), max_version=(1, 0)) is not None
    for wrong in ({"dl_device": (2, 0)}, {"stream": 1}):
        with pytest.raises((BufferError, ValueError, RuntimeError)):
            t.__dlpack__(**wrong)


LAYOUTS: dict[str, Callable[[], np.ndarray]] = {
    "0-d": lambda: np.array(2.5),
    "empty": lambda: np.zeros((0, 3), "f"),
    "batch innermost": lambda: np.arange(24.0, dtype="f").reshape(2, 3, 4).T,
    "steps": lambda: np.arange(24.0).reshape(4, 6)[::2, 1::3],
    "backwards": lambda: np.arange(6.0)[::-1],
    **{
        name: (lambda name=name: np.array([[0, 1], [1, 0]], name))  # type: ignore[misc]
        for name in [
            "bool",
            "int8",
            "uint8",
            "int16",
            "int32",
            "uint32",
            "int64",
            "float16",
            "float32",
            "complex64",
        ]
    },
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("copy", [None, True])
def test_every_dtype_and_layout_goes_and_comes_back(name: str, copy: bool | None) -> None:
    array = LAYOUTS[name]()
    t = ag.from_dlpack(array, copy=copy)
    assert not np.shares_memory(t.numpy(), array)
    found = np.from_dlpack(t, copy=copy)
    for new in (t.numpy(), found):
        assert new.dtype == array.dtype
        np.testing.assert_array_equal(new, array)
        if array.size:
            assert new.strides == array.copy(order="K").strides
    again = ag.from_dlpack(t)
    assert not again.requires_grad
    np.testing.assert_array_equal(again.numpy(), array)


# ----------------------------------------------------------------------------- PyTorch and JAX


@pytest.mark.parametrize("name", LAYOUTS)
def test_pytorch_takes_tensors_and_gives_them(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    array = LAYOUTS[name]()
    t = ag.from_dlpack(array)
    for take in (torch.from_dlpack, torch.tensor, torch.as_tensor, torch.asarray):
        theirs = take(t)
        assert str(theirs.dtype) == f"torch.{array.dtype}"
        np.testing.assert_array_equal(theirs.numpy(), array)
        if array.size and take is not torch.tensor:
            assert [n * array.itemsize for n in theirs.stride()] == list(t.numpy().strides)
        for back in (ag.from_dlpack(theirs), ag.tensor(theirs)):
            assert (back.dtype, back.requires_grad) == (array.dtype, False)
            np.testing.assert_array_equal(back.numpy(), array)
    for copy in (None, True):
        np.testing.assert_array_equal(torch.from_dlpack(t[..., None], copy=copy)[..., 0], array)
    turned = t.T[::-1] if t.ndim else t  # negative strides would end the process
    np.testing.assert_array_equal(torch.from_dlpack(turned), turned.numpy())


def test_pytorch_writes_where_it_may() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    x, t = leaf(2.0, 3.0), ag.tensor([1.0, 2.0])
    y = (x * t).sum()
    torch.from_dlpack(t)[0] = 77.0
    torch.from_dlpack(x.detach())[0] = 77.0
    torch.from_dlpack(ag.broadcast_to(ag.tensor([1.0]), (2,)))[0] = 77.0
    assert t.tolist() == [1.0, 2.0]
    y.backward()
    assert x.grad.tolist() == [1.0, 2.0]
    del y
    theirs = torch.from_dlpack(t, copy=False)
    theirs[0] = 5.0
    assert t.tolist() == [5.0, 2.0]
    with pytest.raises(ag.GraphError, match="another library sees"):
        (x * t).sum().backward()
    del theirs
    torch.tensor(t)  # takes a copy of shared memory, which ends at once
    (x * t).sum().backward()
    for take in (torch.from_dlpack, torch.tensor, torch.as_tensor):
        with pytest.raises(BufferError, match=r"export \.detach\(\) of it"):
            take(x)
    with pytest.raises(BufferError, match="requires? grad"):
        ag.from_dlpack(torch.ones(2, requires_grad=True))
    mine = ag.from_dlpack(theirs := torch.ones(2), copy=False)
    theirs += 1.0
    assert mine.tolist() == [2.0, 2.0]


@pytest.mark.parametrize("name", LAYOUTS)
def test_jax_takes_tensors_and_gives_them(name: str) -> None:
    jnp = pytest.importorskip("jax.numpy", reason="JAX is not installed")
    array = LAYOUTS[name]()
    t = ag.from_dlpack(array)
    for theirs in (jnp.asarray(t), jnp.asarray(t.numpy())):
        np.testing.assert_array_equal(np.asarray(theirs), array.astype(theirs.dtype))
        np.testing.assert_array_equal(ag.from_dlpack(theirs).numpy(), array.astype(theirs.dtype))


# ------------------------------------------------------------------- shared memory meets a graph


def test_a_graph_with_shared_memory_raises_while_the_other_lives() -> None:
    x, t = leaf(2.0, 3.0), ag.tensor([1.0, 2.0])
    array = taken(t)
    for use in (t, t[1:], t.detach(), t.detach()[:1], t.data.reshape(2, 1)):
        with pytest.raises(ag.GraphError, match="another library sees.*compute with a .copy()"):
            (x[:1] * use).sum().backward()
        (x[:1] * use.copy()).sum().backward()  # the cure
    during = (x * t).sum()
    del array
    with pytest.raises(ag.GraphError, match="changed in place"):
        during.backward()
    after = (x * t).sum()
    x.grad = None
    after.backward()
    assert x.grad.tolist() == [1.0, 2.0]


def test_two_arrays_must_both_be_gone() -> None:
    x, t = leaf(2.0), ag.tensor([1.0])
    one, two = taken(t), taken(t.detach())
    assert shared(one, t)
    assert shared(two, t)
    part = two[:1]
    for held in ("one", "two"):
        with pytest.raises(ag.GraphError, match="another library sees"):
            ag.grad((x * t).sum(), x)
        if held == "one":
            del one
    del two
    with pytest.raises(ag.GraphError, match="another library sees"):
        ag.grad((x * t).sum(), x)
    del part
    assert ag.grad((x * t).sum(), x)[0].tolist() == [1.0]


def test_shared_memory_that_becomes_a_leaf() -> None:
    t = ag.tensor([1.0, 2.0])
    array = taken(t)
    y = (t.requires_grad_() ** 2).sum()
    array[0] = 5.0
    with pytest.raises(ag.GraphError, match="another library sees"):
        y.backward()
    with pytest.raises(BufferError, match="requires gradients"):
        t.__dlpack__()
    del array
    (t**2).sum().backward()
    assert t.grad is not None
    assert t.grad.tolist() == [10.0, 4.0]


def test_a_recorded_write_into_shared_memory() -> None:
    t = ag.tensor([1.0, 2.0])
    array = taken(t)
    view = t[:1]
    with pytest.raises(ag.GraphError, match="another library sees"):
        t[0] = leaf(5.0)[0]
    assert view.tolist() == [1.0]
    assert array.tolist() == t.tolist() == [1.0, 2.0]
    t[0] = 6.0
    assert array.tolist() == [6.0, 2.0]


MODELS: dict[str, tuple[nn.Module, bool]] = {
    "Linear": (nn.Sequential(nn.Flatten(), nn.Linear(16, 1)), True),
    "Sequential": (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten()), False),
    "Conv2d": (nn.Conv2d(1, 2, 3), False),
    "BatchNorm2d": (nn.Sequential(nn.BatchNorm2d(1), nn.ReLU()), True),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_with_a_shared_input(name: str) -> None:
    """Raises, or gives the gradient of the values that the forward saw (of a copy in its order)."""
    ag.manual_seed(0)
    model, raises = MODELS[name]
    x = ag.randn(5, 1, 4, 4)
    weights = list(model.parameters())
    expected = ag.grad(model(x.copy()).sum(), weights)
    array = taken(x)
    assert shared(array, x)
    out = model(x).sum()
    array[...] = 77.0
    if raises:
        with pytest.raises(ag.GraphError, match="another library sees"):
            ag.grad(out, weights)
    else:
        for g, wanted in zip(ag.grad(out, weights), expected, strict=True):
            np.testing.assert_array_equal(g.numpy(), wanted.numpy())


def test_imported_memory_is_copied_or_shared() -> None:
    array, x = np.array([1.0, 2.0]), ag.tensor([2.0, 3.0], requires_grad=True, dtype="float64")
    copied, same = ag.from_dlpack(array), ag.from_dlpack(array, copy=False)
    y = (x * copied).sum()
    array[0] = 7.0
    assert (copied.tolist(), same.tolist()) == ([1.0, 2.0], [7.0, 2.0])
    assert not same.requires_grad
    same += 1.0
    assert array.tolist() == [8.0, 3.0]
    assert ag.grad(y, x)[0].tolist() == [1.0, 2.0]
    for use in (same, same[:], same.detach()):
        with pytest.raises(ag.GraphError, match="another library sees"):
            (x * use).sum().backward()
    with pytest.raises(ag.GraphError, match="another library sees"):
        same[:1] = x[:1]
    assert array.tolist() == [8.0, 3.0]
    assert ag.grad((x * same.copy()).sum(), x)[0].tolist() == [8.0, 3.0]
    array.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        ag.from_dlpack(array, copy=False).__iadd__(1.0)


@pytest.mark.parametrize(
    ("wrong", "error", "match"),
    [
        (lambda: ag.from_dlpack([1.0]), TypeError, "from_dlpack: x must be an array with the meth"),
        (lambda: ag.from_dlpack(3), TypeError, "from_dlpack: x must be an array with the method"),
        (lambda: ag.from_dlpack(np.array(["a"])), BufferError, "DLPack only supports"),
        (lambda: ag.from_dlpack(np.ones(1), device="cuda"), TypeError, "from_dlpack: .*no device"),
        (lambda: ag.from_dlpack(leaf(1.0)), BufferError, "requires gradients"),
        (lambda: ag.from_dlpack(_factor(), copy=False), BufferError, "without a copy"),
    ],
)
def test_what_cannot_be_imported(wrong: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        wrong()


# --------------------------------------------------------- no write of others changes a gradient


USES: list[Callable[[Any, Any], Any]] = [
    lambda x, w: (x * w[0]).sum(),
    lambda x, w: (x * x * w[1]).sum(),
    lambda x, w: (np.exp(x * 0.1) * w[2]).sum(),
    lambda x, w: ((x[..., :1] if x.ndim else x) * w[0] * w[1]).sum(),
    lambda x, w: (x.reshape(-1)[::-1] * np.arange(x.size) * w[1]).sum(),
]
POISON = 3.0
Step = tuple[Any, ...]


@st.composite
def programs(draw: Any) -> list[Step]:
    """Views, writes, uses by a graph, exports, writes by others, and ends of what they hold."""
    steps: list[Step] = []
    for _ in range(draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(["view", "write", "use", "use", "export", "poison", "drop"]))
        of = draw(st.integers(0, 5))
        choices: dict[str, Any] = {
            "view": st.sampled_from(sorted(VIEWS)),
            "write": st.sampled_from(WRITES),
            "use": st.integers(0, len(USES) - 1),
            "export": st.sampled_from([None, True, False]),
        }
        steps.append((kind, of, draw(choices.get(kind, st.none())), draw(st.integers(-1, 2))))
    return [*steps, ("poison", -1, None, 0)]  # all of them


class Outside:
    """The arrays of other libraries: they take what a tensor hands out, and write into it."""

    def __init__(self) -> None:
        self.log: list[bool | None] = []
        self.arrays: list[Any] = []

    def export(self, x: Any, copy: bool | None) -> None:
        try:
            array = taken(x, copy)
        except BufferError:
            assert x.requires_grad or copy is False
            array = None
        self.arrays.append(array)
        self.log.append(None if array is None else bool(array.size) and shared(array, x))


class Mirror(Outside):
    """The same for a run on NumPy's arrays, which shares where the first run did."""

    def __init__(self, log: list[bool | None]) -> None:
        self.log, self.arrays = log, []

    def export(self, x: Any, copy: bool | None) -> None:
        self.arrays.append(x if self.log[len(self.arrays)] else None)


def run(steps: list[Step], base: Any, w: Any, others: Outside) -> Any:
    """The sum of all uses."""
    known, parts = [base], [(w * 0.0).sum()]
    for kind, of, what, number in steps:
        x = known[of % len(known)]
        if kind == "view" and x.ndim and x.size:
            known.append(VIEWS[what](x, number))
        elif kind == "write" and x.ndim and x.size:
            what(x, 1.5 if number < 0 else w[number])
        elif kind == "use":
            parts.append(USES[what](x, w) * (1.0 + len(parts)))
        elif kind == "export":
            others.export(x.detach() if number < 1 and isinstance(x, ag.Tensor) else x, what)
        elif others.arrays:
            for k in range(len(others.arrays)) if of < 0 else [of % len(others.arrays)]:
                if kind == "poison" and others.arrays[k] is not None:
                    others.arrays[k][...] = POISON + k
                elif kind == "drop":
                    others.arrays[k] = None
    return sum(parts)


def gradients_are_right(steps: list[Step], shape: tuple[int, ...], kind: str) -> bool:
    """Whether a run had no GraphError; its gradients are compared with complex steps."""
    w, others = ag.tensor(W, requires_grad=True), Outside()
    memory = start(shape)
    base = {
        "constant": lambda: ag.tensor(memory),
        "recorded": lambda: ag.tensor(memory, requires_grad=True) * 1.0,
        "imported": lambda: ag.from_dlpack(memory, copy=False),
        "view": lambda: ag.tensor(memory)[..., None][..., 0],
    }[kind]()
    if kind == "imported":
        others.arrays, others.log = [memory], [True]
    try:
        total = run(steps, base, w, others)
        (found,) = ag.grad(total, w)
    except ag.GraphError:
        return False
    for place in range(3):
        moved, mirror = W.astype(complex), Mirror(others.log)
        moved[place] += 1e-30j
        memory = start(shape).astype(complex)
        if kind == "imported":
            mirror.arrays = [memory]
        exact = run(steps, memory, moved, mirror)
        np.testing.assert_allclose(total.item(), exact.real, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(found.numpy()[place], exact.imag / 1e-30, rtol=1e-9, atol=1e-9)
    return True


KINDS = ["constant", "recorded", "imported", "view"]


@given(programs(), SHAPES, st.sampled_from(KINDS))
def test_no_write_of_others_changes_a_gradient(
    steps: list[Step], shape: tuple[int, ...], kind: str
) -> None:
    """The gradient is that of the values that the ops saw, or there is a GraphError."""
    assume(any(step[0] == "use" for step in steps))
    gradients_are_right(steps, shape, kind)


USED_BEFORE = [("use", 0, 0, 0), ("export", 0, None, 0), ("poison", 0, None, 0)]
USED_AFTER = [("export", 0, None, 0), ("use", 0, 0, 0), ("poison", 0, None, 0)]
GONE = [*USED_AFTER, ("drop", 0, None, 0)]


@pytest.mark.parametrize("steps", [USED_BEFORE, USED_AFTER, GONE])
def test_the_property_finds_a_planted_fault(
    steps: list[Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    gradients_are_right(steps, (3,), "constant")

    def plain(node: Any, **given: Any) -> Any:
        return node.array.__dlpack__(max_version=(1, 0))

    monkeypatch.setattr(ag.Tensor, "__dlpack__", plain)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        gradients_are_right(steps, (3,), "constant")


def test_both_outcomes_of_the_property_occur() -> None:
    assert gradients_are_right(USED_BEFORE, (3,), "constant")
    assert not gradients_are_right(USED_AFTER, (3,), "constant")
    assert not gradients_are_right(GONE, (3,), "constant")
    after = [("export", 0, None, 0), ("poison", 0, None, 0), ("drop", 0, None, 0), ("use", 0, 0, 0)]
    assert gradients_are_right(after, (3,), "constant")
