"""Attention and the transformer's encoder: definitions, derivatives, PyTorch where it is installed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn
from autograd_cnn.testing import check_op
from autograd_cnn.testing import strategies as ag_st
from tests.layer_parts import both, check_layer, normal, same_as_in_torch


@pytest.fixture(autouse=True)
def _seed() -> None:
    ag.manual_seed(0)


def defined(q: Any, k: Any, v: Any, mask: Any = None, scale: Any = None) -> np.ndarray:
    """Attention by its definition; `mask` is added to the scores, and a blind query gives 0."""
    scores = q @ np.swapaxes(k, -1, -2) * (q.shape[-1] ** -0.5 if scale is None else scale)
    scores = scores if mask is None else scores + mask
    top = scores.max(-1, keepdims=True)
    e = np.exp(scores - np.where(np.isinf(top), 0.0, top))
    total = e.sum(-1, keepdims=True)
    return e / np.where(total == 0, 1.0, total) @ v


MASK = np.array([[True, False, True], [False, False, False]])
HIDDEN = np.where(MASK, 0.0, -np.inf)


@pytest.mark.parametrize(
    ("settings", "mask"),
    [
        ({}, None),
        ({"scale": 0.3}, None),
        ({"is_causal": True}, np.triu(np.full((2, 3), -np.inf), 1)),
        ({"attn_mask": MASK}, HIDDEN),
        ({"attn_mask": HIDDEN.astype("float32")}, HIDDEN),
        ({"attn_mask": MASK[:1]}, HIDDEN[:1]),
        ({"attn_mask": normal(2, 1, 2, 3)}, normal(2, 1, 2, 3)),
    ],
)
def test_attention_is_its_definition(settings: dict[str, Any], mask: Any) -> None:
    q, k, v = normal(2, 4, 2, 5), normal(2, 1, 3, 5), normal(4, 3, 2)
    found = F.scaled_dot_product_attention(q, k, v, **settings)
    expected = defined(q, k, v, mask, settings.get("scale"))
    np.testing.assert_allclose(found, expected, 1e-12, 1e-14)
    wide = [x.astype("float32") for x in (q, k, v)]
    assert F.scaled_dot_product_attention(*wide, **settings).dtype == np.float32


@pytest.mark.parametrize("settings", [{}, {"attn_mask": MASK}, {"is_causal": True, "scale": 2.0}])
def test_derivatives_are_exact_twice_and_in_every_input(settings: dict[str, Any]) -> None:
    arrays = [ag_st.evenly_spaced(s, k) for k, s in enumerate([(2, 2, 4), (2, 3, 4), (3, 2)])]
    check_op(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **settings), *arrays)


def test_a_mask_of_numbers_has_a_gradient() -> None:
    arrays = [ag_st.evenly_spaced(s, k) for k, s in enumerate([(2, 2, 4), (3, 4), (3, 2), (2, 3)])]
    check_op(F.scaled_dot_product_attention, *arrays)


@pytest.mark.parametrize("numbers", [False, True])
def test_a_blind_query_gives_zeros_and_no_gradient(numbers: bool) -> None:
    q, k, v = (ag.tensor(normal(2, n, 3), requires_grad=True) for n in (2, 4, 4))
    mask: Any = np.array([[False] * 4, [True] * 4])
    if numbers:
        mask = ag.tensor(np.where(mask, 0.0, -np.inf), requires_grad=True)
    y = F.scaled_dot_product_attention(q, k, v, mask)
    y.sum().backward()
    assert not y.numpy()[:, 0].any()
    assert not q.grad.numpy()[:, 0].any()  # type: ignore[union-attr]
    leaves = (q, k, v, mask) if numbers else (q, k, v)
    assert all(np.isfinite(x.grad.numpy()).all() for x in leaves)
    y = nn.MultiheadAttention(4, 2)(*[np.ones((3, 1, 4), "f")] * 3, np.ones((1, 3), bool))[0]
    assert not y.numpy().any()  # the bias is 0


@pytest.mark.parametrize(("dtype", "low"), [("float16", -1e9), ("float32", -1e300)])
@pytest.mark.parametrize("wide", [np.float32, np.float64])
def test_numbers_too_low_for_the_scores_hide(dtype: str, low: float, wide: Any) -> None:
    q, k, v = (ag.tensor(normal(n, 3).astype(dtype), requires_grad=True) for n in (2, 3, 3))
    mask = np.where(MASK, 0.0, low).astype("float64" if low < -1e30 else wide)
    y = F.scaled_dot_product_attention(q, k, v, mask)
    expected = F.scaled_dot_product_attention(q, k, v, MASK)
    np.testing.assert_array_equal(y.numpy(), expected.numpy())
    y.sum().backward()
    assert all(np.isfinite(x.grad.numpy()).all() for x in (q, k, v))  # type: ignore[union-attr]


def test_dropout_keeps_the_mean() -> None:
    q, v = np.zeros((1000, 4)), np.ones((50, 2))
    y = F.scaled_dot_product_attention(q, np.zeros((50, 4)), v, dropout_p=0.5)
    assert abs(y.mean() - 1.0) < 0.02
    assert y.std() > 0.05


def test_integers_become_floats() -> None:
    x = np.ones((2, 2), int)
    assert F.scaled_dot_product_attention(ag.tensor(x), x, x).dtype == np.float32


# -------------------------------------------------------------------------------------- in layers


@pytest.mark.parametrize("name", ["attn_mask", "key_padding_mask"])
@given(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple))
def test_masks_of_layers_do_not_broadcast(name: str, shape: tuple[int, ...]) -> None:
    # Else a mask (N, L, S), where N is the number of heads, hides from heads instead of sequences.
    x = normal(3, 2, 4).astype("float32")
    net, mask = nn.MultiheadAttention(4, 2), np.zeros(shape, bool)
    if shape in {"attn_mask": ((3, 3), (4, 3, 3)), "key_padding_mask": ((2, 3),)}[name]:
        net(x, x, x, **{name: mask})
    else:
        with pytest.raises(ValueError, match=f"^MultiheadAttention: {name} must have shape"):
            net(x, x, x, **{name: mask})


def test_there_may_be_no_keys() -> None:
    x = normal(3, 2, 4).astype("float32")
    y, weights = nn.MultiheadAttention(4, 2)(x, x[:0], x[:0], np.zeros((2, 0), bool))
    assert weights is not None
    assert (y.shape, weights.shape) == (x.shape, (2, 3, 0))


@st.composite
def settings(draw: Any) -> dict[str, Any]:
    """A MultiheadAttention, its inputs and the settings of a call."""
    heads = draw(st.integers(1, 3))
    size = heads * draw(st.integers(1, 2))
    made: dict[str, Any] = {"embed_dim": size, "num_heads": heads, "bias": draw(st.booleans())}
    made["batch_first"] = draw(st.booleans())
    same = draw(st.booleans())
    if not same and draw(st.booleans()):
        made |= {"kdim": draw(st.integers(1, 3)), "vdim": draw(st.integers(1, 3))}
    n, long, deep = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    deep = long if same else deep
    batched = draw(st.booleans())

    def shape(length: int, width: int) -> tuple[int, ...]:
        batch = (n, length) if made["batch_first"] else (length, n)
        return (*(batch if batched else (length,)), width)

    call: dict[str, Any] = {"need_weights": draw(st.booleans())}
    call["average_attn_weights"] = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    kind = draw(st.sampled_from(["none", "bool", "float", "heads"]))
    lead = (n * heads,) if kind == "heads" and batched else ()
    if kind != "none":
        hidden = rng.random((*lead, long, deep)) < 0.4
        hidden[..., 0] = False
        call["attn_mask"] = rng.standard_normal(hidden.shape) if kind == "float" else hidden
    if draw(st.booleans()):
        padding = rng.random((n, deep) if batched else (deep,)) < 0.4
        padding[..., 0] = False
        # PyTorch wants both masks of one type.
        call["key_padding_mask"] = np.where(padding, -np.inf, 0.0) if kind == "float" else padding
    widths = made.get("kdim", size), made.get("vdim", size)
    inputs = [normal(*shape(long, size))]
    if not same:
        inputs += [normal(*shape(deep, width), seed=k) for k, width in enumerate(widths, 1)]
    return {"made": made, "inputs": inputs, "call": call}


@given(settings())
def test_multihead_attention_agrees_with_pytorch(case: dict[str, Any]) -> None:
    theirs, ours = both("MultiheadAttention", **case["made"])
    for k, p in enumerate(theirs.parameters()):
        p.data.numpy()[...] = normal(*p.shape, seed=k)

    def use(net: Any, *xs: Any, **call: Any) -> Any:
        return net(*(xs if len(xs) > 1 else xs * 3), **call)

    same_as_in_torch(theirs, ours, case["inputs"], use, **case["call"])


@given(settings())
def test_multihead_attention_is_its_definition(case: dict[str, Any]) -> None:
    made, call = case["made"], case["call"]
    net = nn.MultiheadAttention(**made).double()
    for p in net.parameters():
        nn.init.uniform_(p, -1.0, 1.0)
    inputs = case["inputs"] * (1 if len(case["inputs"]) > 1 else 3)
    y, weights = net(*inputs, **call)
    w, heads, size = net.state_dict(), made["num_heads"], made["embed_dim"]
    names = [f"{c}_proj_weight" for c in "qkv"]
    maps = np.split(w["in_proj_weight"], 3) if "in_proj_weight" in w else [w[n] for n in names]
    biases = np.split(w.get("in_proj_bias", np.zeros(3 * size)), 3)
    single, first = inputs[0].ndim == 2, made["batch_first"]
    batch = [x[None] if single else x if first else x.swapaxes(0, 1) for x in inputs]
    q, k, v = (x @ m.T + b for x, m, b in zip(batch, maps, biases))
    padding = call.get("key_padding_mask", np.zeros(k.shape[:2], bool))
    mask = call.get("attn_mask", np.zeros((1, 1), bool))
    mask, padding = (np.where(m, -np.inf, 0.0) if m.dtype == bool else m for m in (mask, padding))
    out, found = np.empty_like(q), np.empty((len(q), heads, q.shape[1], k.shape[1]))
    each = size // heads
    for n, h in np.ndindex(len(q), heads):
        part = slice(h * each, (h + 1) * each)
        hidden = (mask[n * heads + h] if mask.ndim == 3 else mask) + np.atleast_2d(padding)[n]
        out[n, :, part] = defined(q[n, :, part], k[n, :, part], v[n, :, part], hidden)
        found[n, h] = defined(q[n, :, part], k[n, :, part], np.eye(k.shape[1]), hidden)
    out = out @ w["out_proj.weight"].T + w.get("out_proj.bias", 0.0)
    out = out[0] if single else out if first else out.swapaxes(0, 1)
    np.testing.assert_allclose(y.numpy(), out, 1e-10, 1e-12)
    assert (weights is None) == (not call["need_weights"])
    if weights is not None:
        found = found.mean(1) if call["average_attn_weights"] else found
        np.testing.assert_allclose(weights.numpy(), found[0] if single else found, 1e-10, 1e-12)


def test_derivatives_of_multihead_attention() -> None:
    net = nn.MultiheadAttention(2, 2, kdim=1, vdim=1)
    shapes = [(2, 1, 2), (2, 1, 1), (2, 1, 1)]
    xs = [ag_st.evenly_spaced(shape, 7 + k) for k, shape in enumerate(shapes)]
    check_layer(net, xs, lambda run, *xs: run(*xs, is_causal=True)[0])
    own = nn.MultiheadAttention(2, 1, bias=False, batch_first=True)
    check_layer(own, xs[:1], lambda run, x: run(x, x, x)[0])


@pytest.mark.parametrize("norm_first", [False, True])
def test_derivatives_of_an_encoder_layer(norm_first: bool) -> None:
    net = nn.TransformerEncoderLayer(
        2, 1, 2, activation="gelu", layer_norm_eps=0.1, norm_first=norm_first
    ).eval()
    check_layer(net, [ag_st.evenly_spaced((2, 1, 2), 3)])


def test_a_causal_encoder_does_not_see_what_comes_later() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    net = nn.TransformerEncoder(layer, 2, nn.LayerNorm(4)).eval()
    x = normal(1, 5, 4).astype("float32")
    other = np.concatenate([x[:, :3], 1 - x[:, 3:]], 1)
    found, changed = (net(v, is_causal=True).numpy() for v in (x, other))
    np.testing.assert_array_equal(found[:, :3], changed[:, :3])
    mask = np.triu(np.ones((5, 5), bool), 1)
    np.testing.assert_array_equal(net(x, mask).numpy(), found)
    assert not np.allclose(net(x).numpy()[:, :3], found[:, :3])


@pytest.mark.parametrize("activation", ["relu", "gelu", "function"])
@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_an_encoder_agrees_with_pytorch(activation: str, norm_first: bool, bias: bool) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    nets = []
    for lib, f in ((torch.nn, torch.nn.functional), (nn, F)):
        chosen = f.silu if activation == "function" else activation
        order = {"norm_first": norm_first, "batch_first": bias, "bias": bias}
        layer = lib.TransformerEncoderLayer(4, 2, 6, 0.0, chosen, 1e-3, **order)
        more = {"enable_nested_tensor": False} if lib is torch.nn else {}
        net = lib.TransformerEncoder(layer, 2, lib.LayerNorm(4, bias=bias), **more)
        nets.append(net.double())
    padding = np.array([[False, False, True], [False, True, False], [False, False, False]])
    call = {"mask": np.triu(np.ones((3, 3), bool), 1), "src_key_padding_mask": padding}
    same_as_in_torch(*nets, [normal(3, 3, 4)], lambda net, x, **call: net(x, **call), **call)


def test_an_encoder_starts_as_in_pytorch() -> None:
    net = nn.MultiheadAttention(16, 4)
    w = net.in_proj_weight.numpy()  # type: ignore[union-attr]
    bound = np.sqrt(6 / (16 + 48))
    assert 0.95 * bound < np.abs(w).max() <= bound
    assert not net.in_proj_bias.numpy().any()  # type: ignore[union-attr]
    assert not net.out_proj.bias.numpy().any()  # type: ignore[union-attr]
    layer = nn.TransformerEncoderLayer(4, 2, 8)
    assert list(layer.state_dict()) == [
        *("self_attn.in_proj_weight", "self_attn.in_proj_bias"),
        *("self_attn.out_proj.weight", "self_attn.out_proj.bias"),
        *(f"{n}.{k}" for n in ("linear1", "linear2", "norm1", "norm2") for k in ("weight", "bias")),
    ]
    encoder = nn.TransformerEncoder(layer, 2)
    one, two = encoder.layers
    np.testing.assert_array_equal(one.linear1.weight.numpy(), two.linear1.weight.numpy())
    assert one.linear1.weight is not two.linear1.weight
    assert repr(encoder).splitlines()[2] == "    (0-1): 2 x TransformerEncoderLayer("


@pytest.mark.parametrize("activation", ["relu", "gelu", F.silu, nn.Tanh()])
def test_a_copy_and_a_pickle_compute_the_same(activation: Any) -> None:
    net = nn.TransformerEncoderLayer(4, 2, 8, activation=activation).eval()
    x = normal(3, 1, 4).astype("float32")
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(twin(x).numpy(), net(x).numpy())


def test_dropped_weights_are_those_given() -> None:
    net = nn.MultiheadAttention(4, 1, dropout=0.5)
    x = normal(6, 1, 4).astype("float32")
    _, weights = net(x, x, x)
    assert (weights.numpy() == 0).any()
    _, weights = net.eval()(x, x, x)
    np.testing.assert_allclose(weights.numpy().sum(-1), 1.0, 1e-6)
