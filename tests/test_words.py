"""Names of other libraries: PyTorch's keywords and their gradients, new tensors, absent names."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim
from autograd_cnn.checks import Absent, hints, renamed
from autograd_cnn.engine.op import COMPOSITIONS, OPS
from autograd_cnn.tensor.methods import Adopted
from autograd_cnn.testing import gradcheck, gradgradcheck

DOCS = Path(__file__).parents[1] / "docs"
X = np.array([[0.3, -1.2, 0.8, 0.5], [1.4, 0.1, -0.6, 0.9]])

# Calls with PyTorch's keywords, and the same in PyTorch.
CALLS: dict[str, Any] = {
    "max": lambda t, x: t.max(x, dim=1)[0],
    "max, keepdim": lambda t, x: t.max(x, dim=0, keepdim=True)[0],
    "min": lambda t, x: t.min(x, dim=-1)[0],
    "sort": lambda t, x: t.sort(x, dim=1)[0],
    "sort, descending": lambda t, x: t.sort(x, dim=0, descending=True)[0],
    "std": lambda t, x: t.std(x, dim=1),
    "std, biased": lambda t, x: t.std(x, dim=0, unbiased=False),
    "var": lambda t, x: t.var(x, dim=(0, 1), keepdim=True),
    "var, correction": lambda t, x: t.var(x, dim=1, correction=2),
    "norm": lambda t, x: t.norm(x, p=3, dim=1),
    "norm of all": lambda t, x: t.norm(x, p=1),
    "split": lambda t, x: t.split(x, 3, dim=1)[1],
    "split, sizes": lambda t, x: t.split(x, [1, 3], dim=1)[1],
    "add": lambda t, x: t.add(x, x * x, alpha=-0.5),
    "chunk": lambda t, x: t.chunk(x, 3, dim=1)[1],
    "masked_fill": lambda t, x: t.masked_fill(x, x > 0.4, 2.0),
}


@pytest.mark.parametrize("name", CALLS)
def test_gradients_of_calls_with_pytorch_s_keywords(name: str) -> None:
    x = ag.tensor(X, requires_grad=True)
    assert gradcheck(lambda x: CALLS[name](ag, x), [x])
    assert gradgradcheck(lambda x: CALLS[name](ag, x), [x])


@pytest.mark.parametrize("name", CALLS)
def test_calls_with_pytorch_s_keywords_agree_with_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    ours, theirs = ag.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    found, expected = CALLS[name](ag, ours), CALLS[name](torch, theirs)
    assert np.allclose(found.numpy(), expected.detach().numpy())
    (found * found).sum().backward()
    (expected * expected).sum().backward()
    assert np.allclose(ours.grad.numpy(), theirs.grad.numpy())  # type: ignore[union-attr]


def test_the_gradient_of_a_pair_goes_to_its_index() -> None:
    x = ag.tensor([[2.0, 2.0]], requires_grad=True)
    ag.max(x, dim=1).values.sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0]]  # type: ignore[union-attr]


SETTINGS = {**{n: o.params for n, o in OPS.items()}, **dict.fromkeys(COMPOSITIONS, ())}


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_dim_is_taken_wherever_axis_is(name: str) -> None:
    function = COMPOSITIONS.get(name) or getattr(ag, name, None)
    if function is None or not hasattr(function, "arguments"):
        return
    known = function.arguments.known
    for ours, theirs in (("axis", "dim"), ("keepdims", "keepdim"), ("dim", "axis")):
        if ours in known and theirs not in known:
            assert renamed(name, {theirs: 1}, known, {}) == {ours: 1}


def test_axis_is_taken_wherever_functional_takes_dim() -> None:
    for function in (F.softmax, F.log_softmax):
        assert np.array_equal(function(X, axis=0), function(X, dim=0))
    assert F.gather(X, axis=1, index=[[0], [1]]).shape == (2, 1)
    assert nn.Softmax(axis=0).dim == 0  # type: ignore[call-arg]


def test_a_pair_is_refused_only_where_a_call_by_position_is_taken_apart() -> None:
    x = ag.tensor(X)
    for take in (lambda: x.max(1), lambda: ag.max(x, 1), lambda: x.min(0), lambda: ag.sort(x, 1)):
        assert len(take()) in (2, 4)  # not taken apart here
    with pytest.raises(TypeError, match="for values and indices write dim="):
        _, _ = x.max(1)
    with pytest.raises(TypeError, match="for values and indices write dim="):
        (_, _) = ag.max(X, 1)
    _, _ = x.max(axis=1)
    _, _ = x.max(1) * 1.0
    _, _, _, _ = x.max(0)
    assert x.max((0, 1)) == 1.4
    assert [row.shape for row in x.max(1)] == [(), ()]


# ---------------------------------------------------------------------------------- absent names


@pytest.mark.parametrize("part", ["ag", "tensor", "module", "nn", "F", "optim", "random"])
def test_hints_are_for_names_that_are_absent(part: str) -> None:
    holders: dict[str, Any] = {"tensor": ag.tensor(1.0), "module": nn.Sequential(), "random": 0}
    holder = holders.get(part, {"ag": ag, "nn": nn, "F": F, "optim": optim}.get(part))
    for name, advice in hints(part).items():
        assert advice, name
        assert not hasattr(holder, name), name
        assert part == "random" or name not in dir(holder), name


def test_dir_shows_what_is_there() -> None:
    assert set(dir(ag)) == set(ag.__all__)
    x = ag.tensor([[1.0]])
    assert {"sum", "add_", "grad"} <= set(dir(x))
    assert all(hasattr(x, name) for name in dir(x))
    with pytest.raises(AttributeError, match="'Tensor' has no attribute 'cuda'; all runs|no attr"):
        _ = ag.Tensor.cuda  # type: ignore[attr-defined]


def test_a_model_may_use_the_names_of_hints() -> None:
    net = nn.Sequential()
    net.device, net.layers = "here", [nn.Linear(1, 1)]  # type: ignore[attr-defined]
    assert (net.device, len(list(net.parameters()))) == ("here", 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("part", "owner"), [("tensor", ag.Tensor), ("module", nn.Module)])
def test_a_class_explains_every_name_of_its_hints(part: str, owner: type) -> None:
    found = {name for kind in owner.mro() for name, x in vars(kind).items() if type(x) is Absent}
    assert found == hints(part).keys()


def test_hints_are_read_when_one_is_needed() -> None:
    code = (
        "import autograd_cnn as ag; from autograd_cnn.checks import hints; x = ag.ones(2).sum(); "
    )
    count = "print(hints.cache_info().currsize)"
    run = [sys.executable, "-c", code + count + "; hasattr(x, 'cuda'); " + count]
    assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "0\n1\n"


def test_every_method_of_the_table_is_a_function() -> None:
    methods = {name: x for name, x in vars(Adopted).items() if not name.startswith("_")}
    assert [name for name, x in methods.items() if not callable(x)] == []
    x = ag.tensor([1.0])
    assert not hasattr(x, "addq")  # which is no add_, and there is no ag.addq
    assert methods["clamp_"](x, 2.0) is x


IN_PLACE = sorted(n for n in vars(Adopted) if n.endswith("_") and not n.startswith("_"))
OTHERS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(["add_", "sub_", "mul_", "div_", "pow_", "masked_fill_"], (2, 1.5, True)),
    **dict.fromkeys(["clamp_", "clip_", "addcdiv_", "addcmul_", "lerp_"], (1, 1.5)),
}


@pytest.mark.parametrize("dtype", [bool, "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("name", IN_PLACE)
def test_methods_in_place_write_what_the_function_gives_or_raise(name: str, dtype: str) -> None:
    for other in OTHERS.get(name, (None,)):
        given: tuple[Any, ...] = () if other is None else (other,)
        if name == "masked_fill_":
            given = (np.eye(2, dtype=bool), other)
        elif name in ("addcdiv_", "addcmul_", "lerp_"):
            given = (np.full((2, 2), other), np.full((2, 2), 2))
        elif name == "index_add_":
            given = (0, [1, 1], np.full((2, 2), 1.5))
        x = ag.tensor(np.array([[1, 2], [3, 1]]).astype(dtype))
        before = x.numpy().copy()
        try:
            wanted = getattr(ag, name[:-1])(x, *given).numpy()
        except TypeError:
            continue  # such as the difference of bools
        if np.can_cast(wanted.dtype, x.dtype, "same_kind"):
            assert np.array_equal(getattr(x, name)(*given), wanted.astype(dtype))
        else:
            with pytest.raises(TypeError, match=f"^{name}: the result has dtype {wanted.dtype}"):
                getattr(x, name)(*given)
            assert np.array_equal(x, before)
        assert x.dtype == np.dtype(dtype)


# ---------------------------------------------------------------------------------- new tensors


def test_new_tensors_have_the_default_dtype_and_the_seed() -> None:
    for new in (ag.zeros(2), ag.rand(2), ag.randn(2), ag.full((2,), 1.0), ag.eye(2)):
        assert new.dtype == np.float32
    ag.set_default_dtype("float64")
    try:
        assert ag.ones(2).dtype == ag.linspace(0, 1, 3).dtype == ag.randn(2).dtype == np.float64
    finally:
        ag.set_default_dtype("float32")
    ag.manual_seed(3)
    first = ag.rand(4), ag.randint(0, 100, (4,))
    ag.manual_seed(3)
    again = ag.rand(4), ag.randint(0, 100, (4,))
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert ag.zeros_like(ag.tensor([1, 2])).dtype == np.int64
    assert ag.rand_like(ag.tensor([1, 2])).dtype == np.float32
    assert ag.randn_like(ag.tensor(X)).dtype == np.float64
    assert ag.arange(3, dtype="float64").dtype == np.float64


# ------------------------------------------------------------------------------------- modules


def test_a_module_changes_its_dtype_in_place() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    weight = net[0].weight
    net(np.ones((4, 2), np.float32)).sum().backward()
    net.double()
    assert net[0].weight is weight
    assert weight.dtype == weight.grad.dtype == np.float64
    assert {str(x.dtype) for x in net.state_dict().values()} == {"float64", "int64"}
    assert net(np.ones((4, 2))).dtype == np.float64
    net.to(weight.astype("float32"))
    assert weight.dtype == np.float32
    with pytest.raises(
        TypeError, match=r"^Sequential\.to: dtype must be a floating dtype, got 'int"
    ):
        net.to("int32")


def test_a_sequential_is_changed_by_position() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Tanh())
    net.insert(1, nn.Flatten()).extend([nn.Sigmoid()])
    del net[2:4]
    assert [type(m).__name__ for m in net] == ["Linear", "Flatten", "Sigmoid"]
    assert [name for name, _ in net._entries()] == ["0", "1", "2"]
    with pytest.raises(TypeError, match="expected modules, got str"):
        net.insert(0, "layer")  # type: ignore[arg-type]
    assert len(net) == 3
    with pytest.raises(IndexError, match="index 3 is out of range"):
        del net[3]
    named = nn.Sequential({"fc": nn.Linear(2, 3), "act": nn.ReLU()})
    del named[0]
    assert named.act is named[0]


# --------------------------------------------------------------------------------- the two pages


def rows(page: str) -> list[list[str]]:
    """The cells of the tables of a page, without their heads."""
    lines = (DOCS / page).read_text(encoding="utf-8").splitlines()
    table = [line.strip("|").split(" | ") for line in lines if line.startswith("|")]
    return [cells for cells in table if cells[0].strip().startswith("`")]


@pytest.mark.parametrize("page", ["coming-from-pytorch.md", "coming-from-numpy.md"])
def test_what_the_pages_say_to_write_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    net = nn.Sequential(nn.Linear(2, 2))
    opt = ag.optim.SGD(net.parameters(), lr=0.1)
    x = ag.tensor(np.ones((2, 2, 2) if "torch" in page else (2, 2)), requires_grad=False)
    files = str(tmp_path / "f.npz")
    weight = ag.tensor([1.0, 2.0], requires_grad=True)
    seen = 0
    for cells in rows(page):
        for code in re.findall(r"`([^`]+)`", cells[1] if len(cells) == 2 else cells[-1]):
            names = {
                **{"ag": ag, "np": np, "x": x * 1, "net": net, "opt": opt},
                **{
                    "dtype": "float32",
                    "mask": np.ones((2, 2), bool),
                    "k": 1,
                    "index": 0,
                    "v": x[0] if "[index]" in code else x,
                },
                "f": files if "save" in code or "load" in code else lambda x: (x * x).sum(),
            }
            if code.startswith("ag.grad(y"):
                names |= {"x": weight, "y": (weight * weight).sum()}
            if re.match(r"(ag|x|np|net)[.\[]", code) and "..." not in code:
                exec(code.replace("y.shape", "x.shape"), names)
                seen += 1
    assert seen > 12
