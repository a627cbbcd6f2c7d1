"""Finding NaN, lost gradients, time, memory and shapes."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func, nn
from autograd_cnn import functional as F
from autograd_cnn.diagnose.origin import layer_path
from autograd_cnn.diagnose.stepping import formula
from autograd_cnn.engine import watch
from tests.leaves import leaf


class Net(nn.Module):
    def __init__(self) -> None:
        self.features = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.heads = [nn.Linear(8, 3)]

    def forward(self, x: Any) -> Any:
        return self.heads[0](F.flatten(self.features(x), 1))


IMAGES = np.random.default_rng(0).standard_normal((5, 1, 4, 4)).astype("f")


@pytest.fixture(autouse=True)
def nobody_watches_after_a_test() -> Any:
    yield
    assert not watch.open_blocks
    assert watch.watchers.get() == ()
    assert watch.layers.get() == ()


# -------------------------------------------------------------------------------------- NaN, infinity


def test_the_first_nan_of_a_forward_is_named_with_line_inputs_and_layer() -> None:
    net = Net()
    with ag.no_grad():
        net.features[0].weight[1] = np.nan
    with pytest.raises(FloatingPointError) as caught, ag.detect_anomaly():
        net(IMAGES)
    text = str(caught.value)
    assert text.startswith("conv made NaN in 80 of 160 values, first at [0, 1, 0, 0]\n")
    assert "input x of shape (5, 1, 4, 4) and dtype float32 lies between" in text
    assert "input w of shape (2, 1, 3, 3) and dtype float32 holds NaN in 9 of 18 values" in text
    assert "test_diagnose.py:" in text
    assert "in forward: return self.heads[0](F.flatten(self.features(x), 1))" in text
    assert text.endswith("(layer Net.features.0 (Conv2d))")


def test_infinity_in_a_forward_without_gradients_is_found_unless_it_is_allowed() -> None:
    x = ag.tensor([1.0, 1000.0])
    infinite = pytest.raises(FloatingPointError, match=r"exp made infinity in 1 of 2 .* at \[1")
    with infinite, ag.detect_anomaly(), ag.no_grad():
        ag.exp(x)
    with ag.detect_anomaly(check_inf=False):
        assert np.isinf(ag.exp(x).numpy()[1])
        with pytest.raises(FloatingPointError, match="subtract made NaN"):
            ag.exp(x) - ag.exp(x)


def test_a_backward_rule_is_named_with_the_line_of_its_forward() -> None:
    x = leaf(4.0, 0.0)

    def step() -> None:
        roots = ag.sqrt(x)  # this line
        roots.sum().backward()

    with pytest.raises(FloatingPointError) as caught, ag.detect_anomaly():
        step()
    text = str(caught.value)
    assert text.startswith("the backward rule of sqrt for x made infinity in 1 of 2 values")
    assert "incoming gradient of shape (2,) and dtype float32 lies between 1 and 1" in text
    assert text.endswith("roots = ag.sqrt(x)  # this line")


def test_forwards_outside_joint_rules_and_second_derivatives_are_checked() -> None:
    y = ag.sqrt(leaf(0.0)).sum()
    unknown = "unknown place: run the forward inside"
    with pytest.raises(FloatingPointError, match=unknown), ag.detect_anomaly():
        y.backward()
    x = ag.tensor(np.ones((3, 2), np.float32), requires_grad=True)
    rule = r"the backward rule of batch_norm .* NaN"
    with pytest.raises(FloatingPointError, match=rule), ag.detect_anomaly():
        nn.BatchNorm1d(2)(x).backward(np.full((3, 2), np.nan, np.float32))
    z = leaf(0.0)
    with ag.detect_anomaly():
        (first,) = ag.grad(z**1.5, z, create_graph=True)  # 1.5 sqrt(z), fine at 0
        with pytest.raises(FloatingPointError, match="the backward rule of"):
            first.backward()


def test_integers_and_finite_values_pass() -> None:
    x = leaf(1.0, 2.0)
    with ag.detect_anomaly():
        (x * ag.tensor([1, 2])).sum().backward()
        assert ag.tensor([1, 2]).sum().item() == 3
        assert func.hessian(lambda t: (t**3).sum())(np.ones(2)).tolist() == [[6, 0], [0, 6]]
    assert x.grad is not None


def test_the_path_of_a_layer_that_is_called_but_not_held() -> None:
    inner = nn.Sequential(nn.ReLU())
    assert layer_path([nn.Tanh(), inner, inner[0]]) == "Tanh, Sequential.0 (ReLU)"
    assert layer_path([inner]) == "Sequential"


# ------------------------------------------------------------------------------------------- profiles


def test_a_profile_counts_calls_and_time_per_direction() -> None:
    x = leaf(1.0, 2.0)
    with ag.profile() as found:
        y = ag.exp(x) * x
        ag.grad(y.sum(), x, create_graph=True)
    assert found.calls["exp", "forward"] == 1
    assert found.calls["multiply", "forward"] == 1  # those inside rules belong to the rules
    assert found.calls["multiply", "backward"] == 2
    assert sum(found.seconds.values()) <= found.elapsed
    lines = str(found).splitlines()
    assert lines[0].split() == ["op", "calls", "forward", "ms", "calls", "backward", "ms", "share"]
    assert any(line.startswith("exp ") for line in lines)
    assert lines[-3].startswith("outside ops")
    assert max(map(len, lines)) <= 80
    ag.exp(x)
    assert found.calls["exp", "forward"] == 1
    with found:
        ag.exp(x)
    assert found.calls["exp", "forward"] == 2


def test_a_profile_of_nothing_of_an_op_that_fails_and_beside_detect_anomaly() -> None:
    with ag.profile() as found:
        pass
    assert "outside ops" in str(found)
    with pytest.raises(ValueError, match="multiply"), found:
        leaf(1.0, 2.0) * leaf(1.0, 2.0, 3.0)
    assert found.calls == {("multiply", "forward"): 1}
    failing = pytest.raises(FloatingPointError, match="rule of sqrt")
    with failing, found, ag.detect_anomaly():
        ag.sqrt(leaf(0.0)).sum().backward()
    assert found.calls["sqrt", "forward"] == found.calls["sqrt", "backward"] == 1


# -------------------------------------------------------------------------------------------- threads


def test_watching_in_one_thread_does_not_concern_another() -> None:
    watching_now, finished = threading.Event(), threading.Event()
    failures: list[BaseException] = []
    profiles: list[ag.diagnose.Profile] = []

    def diagnosed() -> None:
        try:
            with ag.profile() as found, ag.detect_anomaly():
                watching_now.set()
                for _ in range(50):
                    ag.exp(leaf(1.0, 2.0)).sum().backward()
                finished.wait(10)
            profiles.append(found)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=diagnosed)
    thread.start()
    assert watching_now.wait(10)
    with np.errstate(divide="ignore", invalid="ignore"):
        for _ in range(50):
            z = leaf(0.0)
            ag.sqrt(z).sum().backward()
            assert z.grad is not None
            assert np.isinf(z.grad.numpy()[0])
            assert z.attached is None
    finished.set()
    thread.join()
    assert failures == []
    ways = ("forward", "backward")
    assert profiles[0].calls == {(name, way): 50 for name in ("exp", "sum") for way in ways}


def test_watching_in_one_async_task_does_not_concern_another() -> None:
    async def diagnosed(entered: asyncio.Event, leave: asyncio.Event) -> Any:
        with ag.profile() as found:
            entered.set()
            await leave.wait()
            ag.exp(leaf(1.0))
        return found.calls

    async def main() -> Any:
        entered, leave = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(diagnosed(entered, leave))
        await entered.wait()
        ag.tanh(leaf(1.0))
        leave.set()
        return await task

    assert asyncio.run(main()) == {("exp", "forward"): 1}


# ------------------------------------------------------------------------------------- lost gradients


def constant_loss(w: ag.Tensor) -> ag.Tensor:
    with ag.no_grad():
        return (w * 2.0).sum()


def freed(w: ag.Tensor) -> ag.Tensor:
    h = ag.exp(w)
    h.sum().backward()
    return (h * leaf(3.0, 4.0)).sum()


V = (3.0, 4.0)
PATHS: dict[str, tuple[Any, str]] = {
    "whole": (
        lambda w: (w * 2.0).sum(),
        r"^The path is whole: loss <- sum <- multiply <- parameter\. loss\.backward\(\) fills the "
        r"parameter's \.grad\.$",
    ),
    "no tensor": (lambda w: w.sum().item(), r"not a tensor \(= 3.0\)"),
    "no graph": (constant_loss, "recorded.* pass a function"),
    "detached": (lambda w: (w.detach() * leaf(*V)).sum(), "^The parameter enters multiply cut off"),
    "NumPy": (lambda w: (leaf(*V) * w.numpy()).sum(), r"enters multiply .*\.numpy\(\)"),
    "copied": (lambda w: (ag.tensor(w.numpy()) * leaf(*V)).sum(), "as a copy of its values"),
    "zero": (lambda w: (ag.sign(w) * leaf(*V)).sum(), "derivative is zero"),
    "unused": (
        lambda w: (leaf(*V) * 2.0).sum(),
        r"its only leaf is of shape \(2,\) and dtype float32.*float\(\), .* cannot be followed",
    ),
    "many unused": (
        lambda w: (leaf(1.0) * leaf(2.0)).sum(),
        r"the parameter; its 2 leaves are of shape \(1,\) and dtype float32; of shape \(1,\)",
    ),
    "freed": (freed, r"result of exp \(of shape \(2,\) and dtype float32\) was freed"),
}


@pytest.mark.parametrize("path", PATHS)
def test_why_a_parameter_gets_no_gradient(path: str) -> None:
    loss, reason = PATHS[path]
    w = leaf(1.0, 2.0)
    assert re.search(reason, ag.why_no_grad(loss(w), w))


def test_parameters_that_cannot_get_gradients() -> None:
    w = leaf(1.0)
    h = w * 2.0
    assert re.search(r"result of multiply.* retain_grad\(\)", ag.why_no_grad(h.sum(), h))
    for parameter, reason in (
        (np.ones(1), "not a tensor (of shape (1,)"),
        (ag.tensor([1]), "dtype int64"),
        (ag.tensor([1.0]), "frozen (requires_grad=False)"),
    ):
        assert reason in ag.why_no_grad(w.sum(), parameter)


def test_given_a_function_the_line_is_named() -> None:
    w, v = leaf(1.0, 2.0), leaf(3.0, 4.0)

    def hidden() -> Any:
        h = w * 2.0
        with ag.no_grad():
            h = ag.exp(h)  # the culprit
        return (h * v).sum()

    text = ag.why_no_grad(hidden, w)
    assert text.startswith("The path ends in exp, which ran under no_grad. That is at ")
    assert "in hidden: h = ag.exp(h)  # the culprit" in text

    def detached() -> Any:
        h = (w * 2.0).detach() * 3.0  # here
        return (h + v).sum()

    text = ag.why_no_grad(detached, w)
    assert text.startswith("The parameter enters multiply cut off from its graph")
    assert text.endswith("# here.")
    assert "path is whole" in ag.why_no_grad(lambda: (w * v).sum(), w)
    assert "not a tensor" in ag.why_no_grad(lambda: (w * v).sum().item(), w)


# -------------------------------------------------------------------------------------------- summary


def test_a_summary_counts_parameters_work_and_memory() -> None:
    net = Net()
    found = ag.summary(net, (5, 1, 4, 4))
    rows = {row.path: row for row in found.rows}
    assert rows["features.0"].shape == "(5, 2, 4, 4)"
    assert rows["features.0"].parameters == 2 * 9 + 2
    assert rows["features.0"].multiply_adds == 5 * 2 * 16 * 9
    assert rows["heads.0"].multiply_adds == 5 * 3 * 8
    assert found.parameters == sum(p.size for p in net.parameters())
    # input and result of the convolution; relu comes after max pooling, and both keep their results
    assert rows["features.0"].kept_bytes == 4 * (5 * 16 + 5 * 2 * 16)
    assert rows["features.1"].kept_bytes == rows["features.2"].kept_bytes == 4 * 5 * 2 * 4
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[2].startswith("Net ")
    assert lines[3].startswith("  features Sequential ")
    assert lines[4].startswith("    0 Conv2d ")
    assert any(line.startswith("  heads.0 Linear ") for line in lines)
    assert lines[-1].split()[0] == "total"


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_tables_fit_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    with ag.profile() as found:
        summary = ag.summary(Net(), (5, 1, 4, 4))
    for text in (str(summary), str(found)):
        assert max(map(len, text.splitlines())) <= min(columns, 80)
        assert "total" in text


def test_a_summary_changes_nothing() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout())
    before = net.state_dict()
    bits = ag.random.generator().bit_generator
    state = bits.state
    ag.summary(net, np.ones((2, 3), np.float32))
    assert bits.state == state
    assert all(np.array_equal(a, b) for a, b in zip(before.values(), net.state_dict().values()))
    assert all(p.grad is None for p in net.parameters())
    assert net[0]._hooks is None


def test_shared_parameters_unused_layers_and_large_numbers() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            self.first = nn.Linear(2, 2, bias=False)
            self.second = nn.Linear(2, 2, bias=False)
            self.second.weight = self.first.weight
            self.never = nn.Linear(2000, 1000)

        def forward(self, x: Any) -> Any:
            return self.second(self.first(self.first(x)))

    found = ag.summary(Tied(), ag.tensor([[1.0, 2.0]]))
    rows = {row.path: row for row in found.rows}
    assert rows["second"].parameters == 0
    assert rows["first"].multiply_adds == 2 * rows["second"].multiply_adds == 8
    assert rows["never"].shape == "-"
    assert "2,001 k" in str(found)
    assert rows["first"].calls == 2
    assert "  first Linear x2 " in str(found)
    assert str(ag.summary(nn.ReLU(), (1,))).splitlines()[-1].split() == ["total", "0", "0", "0"]


# -------------------------------------------------------------------------------------------- drawing


def test_drawings_name_parameters_shapes_and_constants() -> None:
    net = nn.Sequential(nn.Linear(3, 2))
    out = net(np.ones((4, 3), np.float32))
    total = (out * 2.0).sum()
    text = ag.draw(total, net)
    assert text.startswith("graph TD\n")
    for part in ('["0.weight (2, 3)"]', '["0.bias (2,)"]', '(["linear (4, 2)"])', '["2.0"]'):
        assert part in text
    box = text[text.index("subgraph") : text.index("    end\n")]
    assert '["0 (Linear)"]' in box
    assert [name in box for name in ("weight", "bias", "linear", "sum")] == [
        True,
        True,
        True,
        False,
    ]
    dot = ag.draw([total, out], {"out": out}, format="dot")
    assert dot.startswith("digraph {\n")
    assert dot.endswith("}")
    assert 'label="out = linear (4, 2)", shape=ellipse' in dot
    boxed = ag.draw(total, net, format="dot")
    assert "subgraph cluster0 {\n" in boxed
    assert 'label="0 (Linear)"\n' in boxed
    assert boxed.count("{") == boxed.count("}") == 2
    assert dot.count("->") == text.count("-->") == 6
    total.backward()
    assert "sum (freed) ()" in ag.draw(total)


def test_a_drawing_shows_values_and_gradients_on_request() -> None:
    w = ag.tensor([[1.0, 2.0]], requires_grad=True)
    loss = (w * np.ones((3, 2), np.float32)).sum()
    loss.backward(retain_graph=True)
    text = ag.draw(loss, {"w": w}, values=True)
    assert '["w (1, 2)<br/>[[1., 2.]]<br/>grad [[3., 3.]]"]' in text
    assert '(["multiply (3, 2)<br/>[[1., 2.],<br/> [1., 2.],<br/> [1., 2.]]"])' in text
    assert '(["sum ()<br/>9."])' in text
    assert 'label="w (1, 2)\\n[[1., 2.]]\\ngrad [[3., 3.]]"' in ag.draw(
        loss, {"w": w}, format="dot", values=True
    )
    large = ag.tensor(np.arange(100.0).reshape(10, 10), requires_grad=True)
    assert '"leaf (10, 10)<br/>[ 0.,  1., ..., 98., 99.]"' in ag.draw(large, values=True)


def test_boxes_of_a_drawing_have_all_ops_of_a_layer_that_the_graph_remembers() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    x = np.ones((4, 3), np.float32)
    assert "(Tanh)" not in ag.draw(net(x), net)
    with ag.detect_anomaly():
        text = ag.draw(net(x), net)
    assert '["1 (Tanh)"]\n        n' in text
    assert text.count("    end\n") == 2


def test_a_drawing_shows_the_versions_before_and_after_a_write() -> None:
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2.0
    row = y[0]
    y += x
    text = ag.draw((y * row).sum(), {"x": x}, values=True)
    assert [text.count(part) for part in ("[2., 4.]", "[3., 6.]", "[ 6., 12.]")] == [1, 1, 1]


def test_a_drawing_has_a_shared_input_once() -> None:
    x = leaf(1.0)
    text = ag.draw(x * x, {'a"b': x})
    assert text.count("a#quot;b (1,)") == 1
    assert text.count("n0 --> n1") == 2


def steps_of(page: str) -> dict[str, Any]:
    """What a page of steps shows."""
    line = next(line for line in page.splitlines() if line.startswith("const data = "))
    return json.loads(line.removeprefix("const data = ").removesuffix(";"))


def test_a_page_goes_through_forward_and_backward() -> None:
    w = ag.tensor([1.0, 2.0], requires_grad=True)
    loss = ((w * 3.0) ** 2).sum()
    page = ag.draw(loss, {"w": w}, format="html")
    data = steps_of(page)
    nodes = data["nodes"]
    assert [n["label"].split()[0] for n in nodes] == ["w", "3.0", "multiply", "2", "power", "sum"]
    assert [nodes[k]["label"].split()[0] for k in data["backward"]] == ["sum", "power", "multiply"]
    (to_x, *_) = nodes[2]["rules"]
    assert (to_x["input"], to_x["formula"]) == ("x", "g * y")
    assert to_x["gradient"]["rows"] == nodes[0]["gradient"]["rows"] == [[18.0, 36.0]]
    assert nodes[2]["gradient"]["rows"] == [[6.0, 12.0]]
    assert w.grad is None, "drawing gives no gradients"
    loss.backward()  # and leaves the graph
    assert page._repr_html_().startswith("<iframe srcdoc=")


def test_a_page_shows_one_matrix_of_large_arrays_and_values_without_a_number() -> None:
    x = ag.tensor(np.full((2, 3, 40, 5), np.nan), requires_grad=True)
    (leaf, *_) = steps_of(ag.draw((x * 1.0).sum(), {"</script>": x}, format="html"))["nodes"]
    assert leaf["value"]["shape"] == "(2, 3, 40, 5)"
    assert leaf["value"]["note"] == "[0, 0], the first 28 x 5"
    assert leaf["value"]["rows"] == [["nan"] * 5] * 28
    assert "</script> (" not in ag.draw((x * 1.0).sum(), {"</script>": x}, format="html")


def test_a_page_needs_one_value_with_a_graph() -> None:
    x = ag.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    with pytest.raises(ValueError, match=r"draw: the output has shape \(2,\)"):
        ag.draw(y, format="html")
    with pytest.raises(TypeError, match="draw: output must be one tensor, for a page"):
        ag.draw([y.sum(), y.sum()], format="html")
    loss = y.sum()
    loss.backward()
    with pytest.raises(ag.GraphError, match="freed"):
        ag.draw(loss, format="html")


def test_every_rule_of_an_op_is_shown_as_a_formula() -> None:
    rules = [r for o in ag.OPS.values() for r in (o.joint, *o.rules) if r is not None]
    shown = [formula(rule) for rule in rules]
    assert all(re.search(r"\b(g|gx|gw|dx|scale)\b", text) for text in shown), shown
    assert [formula(rule) for rule in ag.OPS["divide"].rules] == ["g / y", "-g * out / y"]
