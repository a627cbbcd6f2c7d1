"""Hooks on tensors and modules: what they see, what they may change, and when they are gone."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import func, nn
from tests.leaves import leaf


def test_a_hook_sees_the_final_gradient_once_and_can_be_removed() -> None:
    seen: list[Any] = []
    x = leaf(1.0, 2.0)
    handle = x.register_hook(lambda g: seen.append(g.tolist()))
    (x * 2.0 + x * 3.0 + ag.sign(x)).sum().backward()
    ag.sign(x).sum().backward()  # a zero derivative comes as zeros
    assert seen == [[5.0, 5.0], [0.0, 0.0]]
    handle.remove()
    handle.remove()
    (x * 2.0).sum().backward()
    assert len(seen) == 2
    assert x.grad is not None
    assert x.grad.tolist() == [7.0, 7.0]


def test_hooks_on_results_replace_what_goes_further_back_in_order() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    y.register_hook(lambda g: g * 10.0)
    y.register_hook(lambda g: g + 1.0)
    (gy, gx) = ag.grad((y * 3.0).sum(), [y, x])
    assert gy.tolist() == [31.0, 31.0]
    assert gx.tolist() == [62.0, 124.0]
    x.register_hook(lambda g: np.array([7, 8]))
    (x * 2.0).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [7.0, 8.0]
    assert x.grad.dtype == np.float32


def test_hooks_run_before_the_gradient_is_stored_and_from_the_output_to_the_leaf() -> None:
    order: list[str] = []
    x = leaf(1.0)
    h = ag.exp(x)
    y = h.sum()
    for name, t in {"x": x, "h": h, "y": y}.items():
        t.register_hook(lambda g, name=name: order.append(name))
    y.backward()
    assert order == ["y", "h", "x"]


def test_a_hook_may_remove_itself_and_add_another() -> None:
    x = leaf(1.0)
    calls: list[str] = []

    def once(g: Any) -> None:
        calls.append("once")
        handle.remove()
        x.register_hook(lambda g: calls.append("later"))

    handle = x.register_hook(once)
    for _ in range(2):
        (x * 1.0).sum().backward()
    assert calls == ["once", "later"]


def test_under_create_graph_hooks_are_part_of_the_derivative() -> None:
    x = leaf(2.0)
    x.register_hook(lambda g: g * g)
    (first,) = ag.grad((x**3).sum(), x, create_graph=True)  # (3 x^2)^2 = 9 x^4
    assert first.tolist() == [144.0]
    x2 = leaf(2.0)
    y = x2 * 1.0
    with y.register_hook(lambda g: g * g):
        (first,) = ag.grad((y**3).sum(), x2, create_graph=True)
    assert ag.grad(first.sum(), x2)[0].tolist() == [288.0]


def test_gradients_shown_to_hooks_are_safe_to_keep_and_cannot_be_written() -> None:
    kept: list[ag.Tensor] = []
    x, z = leaf(1.0, 2.0), leaf(3.0, 4.0)
    x.register_hook(kept.append)
    (x + z).sum().backward()
    with pytest.raises(ValueError, match="read-only"):
        kept[0] += 1.0
    assert x.grad is not None
    assert z.grad is not None
    x.grad.array += 5.0
    z.grad.array += 5.0
    assert kept[0].tolist() == [1.0, 1.0]


def test_mistakes_in_hooks_are_explained() -> None:
    x = leaf(1.0, 2.0)
    handle = x.register_hook(lambda g: g.sum())
    with pytest.raises(ValueError, match=r"a hook on a tensor .* gradient of shape \(\)"):
        (x * 2.0).sum().backward()
    handle.remove()
    x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError) as caught:
        (x * 2.0).sum().backward()
    assert "in a hook on a tensor of shape (2,) and dtype float32" in caught.value.__notes__
    with pytest.raises(TypeError, match="a hook must be a function, got int"):
        x.register_hook(3)  # type: ignore[arg-type]
    for method in (lambda t: t.register_hook(print), lambda t: t.retain_grad()):
        with pytest.raises(ag.GraphError, match="does not require gradients"):
            method(ag.tensor([1.0]))


def test_retain_grad_adds_up_like_a_leaf_and_only_in_backward() -> None:
    x = leaf(1.0, 2.0)
    y = x * x
    y.retain_grad()
    assert y.grad is None
    ag.grad((y * 3.0).sum(), x, retain_graph=True)
    assert y.grad is None
    for expected in (3.0, 6.0):
        (y * 3.0).sum().backward(retain_graph=True)
        assert y.grad is not None
        assert y.grad.tolist() == [expected, expected]
    y.grad.array[:] = 0.0
    assert x.grad is not None
    assert x.grad.tolist() == [12.0, 24.0]


def test_hooks_are_not_copied_and_make_no_cycles() -> None:
    x = leaf(1.0)
    x.register_hook(lambda g: g * 100.0)
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), x.detach()):
        assert other.attached is None
    gc.collect()
    gc.disable()
    try:
        y = x * 2.0
        y.register_hook(print)
        y.retain_grad()
        watched = weakref.ref(y)
        del y
        assert watched() is None
    finally:
        gc.enable()


def test_hooks_inside_transforms() -> None:
    def f(x: Any) -> Any:
        y = x * x
        y.register_hook(lambda g: g.clip(-1.0, 1.0))
        return (y * 5.0).sum()

    assert func.grad(f)(np.array([1.0, 2.0])).tolist() == [2.0, 4.0]


# ------------------------------------------------------------------------------------------- modules


def test_forward_hooks_see_and_replace_what_goes_in_and_comes_out() -> None:
    net, x = nn.Sequential(nn.Linear(3, 2), nn.ReLU()), np.ones((4, 3), np.float32)
    shapes: list[Any] = []
    norms: list[float] = []

    def see(module: Any, args: Any, out: Any) -> None:
        shapes.append((args[0].shape, out.shape))
        out.register_hook(lambda g: norms.append(float((g * g).sum().item())))

    first = net[0].register_forward_hook(see)
    net(x).sum().backward()
    assert len(norms) == 1
    second = net.register_forward_hook(lambda m, args, out: out * 0.0)
    assert not net(x).numpy().any()
    assert shapes == [((4, 3), (4, 2))] * 2
    first.remove()
    second.remove()
    assert net(x).shape == (4, 2)
    assert len(shapes) == 2
    layer = nn.ReLU()
    layer.register_forward_pre_hook(lambda m, args: args[0] + 1.0)
    layer.register_forward_pre_hook(lambda m, args: (args[0] * 2.0,))
    layer.register_forward_pre_hook(lambda m, args: None)
    assert layer(np.array([-3.0, 2.0])).tolist() == [0.0, 6.0]


def test_errors_in_module_hooks_carry_the_path_and_hooks_are_not_state() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    names = list(net.state_dict())
    net[1].register_forward_hook(lambda m, args, out: 1 / 0)
    net[1].register_forward_hook(nn.Linear(2, 2))
    assert list(net.state_dict()) == names
    assert len(list(net.modules())) == 3
    with pytest.raises(ZeroDivisionError) as caught:
        net(np.ones((1, 3), np.float32))
    assert caught.value.__notes__ == ["in Sequential.1 (ReLU)"]


# ---------------------------------------------------------------------------------- backward hooks


class Two(nn.Module):
    """Three inputs, two results."""

    def forward(self, a: Any, b: Any, c: Any) -> Any:
        return a * b + c, ag.tanh(a)


def test_a_backward_hook_sees_the_gradients_of_all_inputs_and_outputs() -> None:
    seen: list[Any] = []
    module = Two()
    a, b, c = leaf(1.0, 2.0), leaf(3.0, 4.0), np.array([5.0, 6.0])
    plain = [g.tolist() for g in ag.grad(Two()(a, b, c)[0].sum(), [a, b])]

    def see(owner: nn.Module, into: Any, out: Any) -> None:
        assert owner is module
        seen.append([None if g is None else g.tolist() for g in (*into, *out)])

    handle = module.register_full_backward_hook(see)
    module(a, b, c)[0].sum().backward()
    assert seen == [[*plain, None, [1.0, 1.0], None]]
    assert a.grad is not None
    assert [a.grad.tolist(), b.grad.tolist()] == plain  # type: ignore[union-attr]
    handle.remove()
    module(a, b, c)[0].sum().backward()
    assert len(seen) == 1


def test_a_backward_hook_may_replace_what_goes_further_back() -> None:
    net = nn.Sequential(nn.Tanh(), nn.Identity())
    seen: list[Any] = []
    net[0].register_full_backward_hook(lambda module, into, out: seen.append(out[0].tolist()))
    net[1].register_full_backward_hook(lambda module, into, out: into[0] * 10.0)
    x = leaf(0.0)
    net(x).sum().backward()
    assert seen == [[10.0]]
    assert x.grad is not None
    assert x.grad.tolist() == [10.0]


def test_a_backward_hook_of_a_first_layer_and_of_a_module_under_no_grad() -> None:
    seen: list[Any] = []
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda module, into, out: seen.append((into, out[0].shape)))
    layer(np.ones((3, 2), np.float32)).sum().backward()
    assert seen == [((None,), (3, 1))]
    with ag.no_grad():
        layer(ag.tensor(np.ones((3, 2), np.float32), requires_grad=True))


@pytest.mark.parametrize("trained", [True, False])
def test_the_gradient_of_an_output_is_what_comes_from_outside(trained: bool) -> None:
    seen: list[Any] = []
    module, weight = nn.Module(), leaf(1.0)
    module.forward = lambda x: (h := ag.tanh(x), h * 2.0)  # type: ignore[method-assign]
    module.register_full_backward_hook(
        lambda module, into, out: seen.append([g.tolist() for g in out])
    )
    x = ag.tensor([0.0], requires_grad=trained) * (1.0 if trained else weight)
    first, second = module(x)
    (first * 3.0 + second).sum().backward()
    assert seen == [[[3.0], [1.0]]]


def test_backward_hooks_of_modules_make_no_cycles() -> None:
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda module, into, out: None)
    gc.collect()
    gc.disable()
    try:
        for x in (ag.tensor([[1.0, 2.0]], requires_grad=True), np.ones((1, 2), np.float32)):
            y = layer(x)
            watched = [weakref.ref(y), weakref.ref(y.inputs[0])]
            del y
            assert [w() for w in watched] == [None, None]
    finally:
        gc.enable()


def test_a_backward_hook_with_wrong_shapes_is_refused_and_second_derivatives_pass() -> None:
    layer = nn.Tanh()
    x = leaf(0.3, 0.7)
    with layer.register_full_backward_hook(lambda module, into, out: (into[0], into[0])):
        y = layer(x).sum()
        with pytest.raises(ValueError, match="backward hook of Tanh returned gradients of shapes"):
            y.backward()
    with layer.register_full_backward_hook(lambda module, into, out: None):
        (first,) = ag.grad(layer(x).sum(), x, create_graph=True)
        (second,) = ag.grad(first.sum(), x)
    t = np.tanh(x.numpy())
    assert np.allclose(second.numpy(), -2.0 * t * (1.0 - t * t))
