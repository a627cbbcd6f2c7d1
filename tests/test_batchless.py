"""Inputs without a batch axis, and settings as an integer, one per axis, or one in a tuple.

PyTorch's rule: convolution, pooling, unfold, fold and instance normalisation take (C, ...) for (N, C, ...),
and losses of classes take (K,) with a 0-d target.  The result and its gradients are those of a batch of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn
from autograd_cnn.testing.strategies import conv_settings, pool_settings, transpose_settings

Call = tuple[Callable[..., Any], list[np.ndarray]]
"""A function of inputs, and these, of which the first is without a batch axis."""


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng([3, *shape]).standard_normal(shape).astype(np.float32)


@st.composite
def convolutions(draw: Any, axes: int, transposed: bool = False) -> Call:
    settings = draw(transpose_settings(axes) if transposed else conv_settings(axes))
    size, kernel = settings.pop("out" if transposed else "size"), settings.pop("kernel")
    name, groups = "conv_transpose" if transposed else "conv", draw(st.sampled_from([1, 2]))
    biased = [normal(4 if groups > 1 and transposed else 2)] if draw(st.booleans()) else []

    def call(x: Any, w: Any, b: Any = None) -> Any:
        return getattr(F, f"{name}{axes}d")(x, w, b, groups=groups, **settings)

    filters = 2 if transposed or groups == 1 else 1
    channels = 2
    return call, [normal(channels, *size), normal(2, filters, *kernel), *biased]


@st.composite
def pools(draw: Any, axes: int, kind: str) -> Call:
    settings = draw(pool_settings(axes, dilated=kind == "max"))
    size, kernel = settings.pop("size"), settings.pop("kernel")
    if kind == "avg":
        del settings["dilation"]
        settings["count_include_pad"] = draw(st.booleans())
    return lambda x: getattr(F, f"{kind}_pool{axes}d")(x, kernel, **settings), [normal(2, *size)]


@st.composite
def adaptive_pools(draw: Any, axes: int, kind: str) -> Call:
    size, out = (draw(st.tuples(*[st.integers(1, 4)] * axes)) for _ in range(2))
    function = getattr(F, f"adaptive_{kind}_pool{axes}d")
    return lambda x: function(x, out), [normal(2, *size)]


@st.composite
def columns(draw: Any, folded: bool) -> Call:
    settings = draw(conv_settings(2).filter(lambda s: not isinstance(s["padding"], str)))
    size, kernel = settings.pop("size"), settings.pop("kernel")
    if not folded:
        return lambda x: F.unfold(x, kernel, **settings), [normal(2, *size)]
    shape = F.unfold(np.ones((1, 2, *size)), kernel, **settings).shape[1:]
    return lambda x: F.fold(x, size, kernel, **settings), [normal(*shape)]


@st.composite
def instance_norms(draw: Any, axes: int) -> Call:
    layer = getattr(nn, f"InstanceNorm{axes}d")(3, affine=draw(st.booleans()))
    return layer, [normal(3, *draw(st.tuples(*[st.integers(2, 3)] * axes)))]


@st.composite
def class_losses(draw: Any, name: str) -> Call:
    k, weight = draw(st.integers(1, 4)), np.float32([0.5, 2.0, 1.0, 3.0])
    settings: dict[str, Any] = {"reduction": draw(st.sampled_from(["mean", "sum", "none"]))}
    if draw(st.booleans()):
        settings["weight"] = weight[:k]
    target: Any = np.asarray(draw(st.integers(0, k - 1)))
    if name == "cross_entropy":
        settings["label_smoothing"] = draw(st.sampled_from([0.0, 0.25]))
        target = draw(st.sampled_from([target, abs(normal(k))]))
    if target.ndim == 0 and draw(st.booleans()):
        settings["ignore_index"] = 0

    def call(x: Any) -> Any:
        one = x.ndim == 1
        out = getattr(F, name)(x, target if one else target[None], **settings)
        return out if settings["reduction"] == "none" else out.reshape(() if one else (1,))

    return call, [normal(k)]


FAMILIES: dict[str, Any] = {
    **{f"conv{a}d": convolutions(a) for a in (1, 2, 3)},
    **{f"conv_transpose{a}d": convolutions(a, transposed=True) for a in (1, 2, 3)},
    **{f"{kind}_pool{a}d": pools(a, kind) for kind in ("max", "avg") for a in (1, 2, 3)},
    **{
        f"adaptive_{kind}_pool{a}d": adaptive_pools(a, kind)
        for kind in ("max", "avg")
        for a in (1, 2, 3)
    },
    "unfold": columns(folded=False),
    "fold": columns(folded=True),
    **{f"InstanceNorm{a}d": instance_norms(a) for a in (1, 2, 3)},
    **{name: class_losses(name) for name in ("cross_entropy", "nll_loss")},
}
IMAGES = [name for name in FAMILIES if name not in ("cross_entropy", "nll_loss", "fold")]


def to_second_order(function: Any, inputs: list[np.ndarray], batch: bool) -> list[Any]:
    """The result, its gradients and theirs, for random cotangents; those with a batch axis lose it."""
    lead = (1,) if batch else ()
    x = ag.tensor(inputs[0].reshape(lead + inputs[0].shape), requires_grad=True)
    leaves = [x, *(ag.tensor(a, requires_grad=True) for a in inputs[1:])]
    out = function(*leaves)
    shape = out.shape[1:] if batch else out.shape
    seed = ag.tensor(normal(*shape).reshape(lead + shape), requires_grad=True)
    first = ag.grad(out, leaves, seed, create_graph=True)
    seeds = [normal(*a.shape).reshape(g.shape) for a, g in zip(inputs, first)]
    second = ag.grad(first, [*leaves, seed], seeds, allow_unused=True)
    axed = [out, first[0], second[0], second[-1]]
    axed = [a[0] if batch and a is not None else a for a in axed]
    found = [*axed, *first[1:], *second[1:-1]]
    return [None if a is None else a.numpy() for a in found]


@pytest.mark.filterwarnings("ignore:.*every target is ignored")
@pytest.mark.parametrize("name", FAMILIES)
@given(st.data())
def test_an_input_without_a_batch_axis_gives_what_a_batch_of_one_gives(
    name: str, data: Any
) -> None:
    function, inputs = data.draw(FAMILIES[name])
    found, expected = (to_second_order(function, inputs, batch) for batch in (False, True))
    for one, many in zip(found, expected, strict=True):
        assert (one is None) == (many is None)
        if one is not None:
            assert (one.shape, one.dtype) == (many.shape, many.dtype)
            assert one.tobytes() == np.ascontiguousarray(many).tobytes()
    plain = function(*inputs)
    if not isinstance(plain, ag.Tensor):
        assert np.array_equal(plain, found[0], equal_nan=True)
        assert plain.dtype == np.float32


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("name", ["max_pool", "adaptive_max_pool"])
def test_positions_of_the_largest_values_have_no_batch_axis_either(name: str, axes: int) -> None:
    pool = getattr(F, f"{name}{axes}d")
    x = normal(2, *(5, 4, 3)[:axes])
    found, expected = pool(x, 2, return_indices=True), pool(x[None], 2, return_indices=True)
    for one, many in zip(found, expected):
        assert np.array_equal(one, many[0])


# ------------------------------------------------------------------------------------------- layers

LAYERS: dict[str, Callable[[], Any]] = {
    "Conv2d": lambda: nn.Conv2d(3, 4, 3, padding=1),
    "ConvTranspose2d": lambda: nn.ConvTranspose2d(3, 4, 3, stride=2),
    "MaxPool2d": lambda: nn.MaxPool2d(2),
    "AvgPool2d": lambda: nn.AvgPool2d((2,)),
    "AdaptiveAvgPool2d": lambda: nn.AdaptiveAvgPool2d(1),
    "AdaptiveMaxPool2d": lambda: nn.AdaptiveMaxPool2d(2),
    "Unfold": lambda: nn.Unfold(2),
    "Dropout2d, eval": lambda: nn.Dropout2d().eval(),
    "InstanceNorm2d": lambda: nn.InstanceNorm2d(3),
    "InstanceNorm2d, tracked": lambda: nn.InstanceNorm2d(3, track_running_stats=True),
    "conv, relu": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
    "conv, pool": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2)),
    "conv, relu, pool": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2)),
    "conv, pool, relu": lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.ReLU()),
    "relu, pool": lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(2)),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("recording", [True, False])
def test_layers_take_one_image(name: str, recording: bool) -> None:
    layer, x = LAYERS[name](), normal(3, 6, 6)
    with ag.set_grad_enabled(recording):
        found, expected = layer(x), layer(x[None])
    assert found.shape == expected.shape[1:]
    assert np.array_equal(found, expected[0])


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("eval_", [True, False])
@pytest.mark.parametrize("recording", [True, False])
def test_batch_norm_needs_a_batch_fused_or_not(axes: int, eval_: bool, recording: bool) -> None:
    """In one dimension (C, L) is read as (N, C), as PyTorch does."""
    conv, norm, relu = (getattr(nn, f"{n}") for n in (f"Conv{axes}d", f"BatchNorm{axes}d", "ReLU"))
    net = nn.Sequential(conv(3, 4, 1), norm(4), relu()).train(not eval_)
    with ag.set_grad_enabled(recording), pytest.raises(ValueError, match=f"BatchNorm{axes}d: "):
        net(normal(3, *(5, 4, 3)[:axes]))


def test_vectors_are_a_batch_for_batch_norm_and_one_sequence_for_pooling() -> None:
    """(N, C) and (C, L) are both two axes; the statistics move once, although the layers do not fuse."""
    net, x = nn.Sequential(nn.BatchNorm1d(4), nn.MaxPool1d(2)), normal(3, 4)
    assert np.array_equal(net(x), F.max_pool1d(F.batch_norm(x, training=True)[None], 2)[0])
    assert net[0].num_batches_tracked == 1


# ----------------------------------------------------------------------------------------- settings

SETTINGS: dict[str, tuple[tuple[int, ...], dict[str, int]]] = {
    "conv": ((2, 2), {"stride": 2, "padding": 1, "dilation": 2}),
    "conv_transpose": ((2, 2), {"stride": 2, "padding": 1, "output_padding": 1, "dilation": 2}),
    "max_pool": ((), {"kernel_size": 2, "stride": 1, "padding": 1, "dilation": 2}),
    "avg_pool": ((), {"kernel_size": 2, "stride": 1, "padding": 1}),
}


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_an_integer_or_one_per_axis_or_one_in_a_tuple(name: str, axes: int) -> None:
    filters, settings = SETTINGS[name]
    w = [normal(*filters, *(3,) * axes)] if filters else []
    x, function = normal(1, 2, *(7,) * axes), getattr(F, f"{name}{axes}d")
    expected = function(x, *w, **settings)
    layer = getattr(nn, name.title().replace("_", "") + f"{axes}d")
    sizes = (2, 2, 3) if filters else ()
    for setting, value in settings.items():
        for form in ((value,), [value], (value,) * axes, np.int64(value), (np.int32(value),)):
            given_ = {**settings, setting: form}
            assert np.array_equal(function(x, *w, **given_), expected), (setting, form)
            assert layer(*sizes, **given_)(x).shape == expected.shape, (setting, form)
        for wrong in ((), (value,) * (axes + 1), (value,) * 7):
            with pytest.raises(ValueError, match=f"{name}{axes}d: {setting} must be an integer or"):
                function(x, *w, **{**settings, setting: wrong})


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["max", "avg"])
def test_padding_of_pooling_is_at_most_half_the_kernel(kind: str, axes: int) -> None:
    x = normal(1, 1, *(4,) * axes)
    pool = getattr(F, f"{kind}_pool{axes}d")
    layer = getattr(nn, f"{kind.title()}Pool{axes}d")
    for kernel, padding in ((2, 2), (3, 2), (2, 2**27), (1, 1)):
        with pytest.raises(ValueError, match="padding must be at most half the kernel size"):
            pool(x, kernel, 1, padding)
        with pytest.raises(ValueError, match="padding must be at most half the kernel size"):
            layer(kernel, 1, padding)


# ------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize("name", [name for name in IMAGES if "Norm" not in name])
def test_an_input_of_another_rank_is_told_both_shapes(name: str) -> None:
    axes = 2 if name == "unfold" else int(name[-2])
    wanted = {1: "(N, C, L) or (C, L)", 2: "(N, C, H, W) or (C, H, W)"}
    settings = [normal(2, 2, *(1,) * axes)] if name.startswith("conv") else [1]
    for count in (0, axes, axes + 3):
        x = normal(*(2,) * count)
        words = (
            f"{name}: input must have shape {wanted.get(axes, '(N, C, D, H, W) or (C, D, H, W)')}"
        )
        with pytest.raises(ValueError, match=re.escape(f"{words}, got {x.shape}")):
            getattr(F, name)(x, *settings)


@pytest.mark.parametrize(
    "call",
    [
        lambda: F.conv2d(normal(3, 4, 4), normal(2, 2, 3, 3)),
        lambda: F.conv2d(normal(2, 2, 2), normal(2, 2, 3, 3)),
        lambda: F.max_pool2d(normal(3, 2, 2), 3),
        lambda: F.adaptive_avg_pool2d(np.ones((3, 0, 2)), 1),
        lambda: F.fold(normal(8, 3), (2, 3), 2),
        lambda: nn.InstanceNorm2d(3)(normal(2, 4, 4)),
        lambda: F.cross_entropy(normal(3), np.zeros(2, int)),
        lambda: F.cross_entropy(normal(3), np.array(3)),
        lambda: F.nll_loss(normal(3), np.array(-1)),
        lambda: F.nll_loss(normal(3), np.zeros(3, int)),
        lambda: F.cross_entropy(normal(3), np.array(0), weight=np.ones(2)),
    ],
)
def test_an_error_names_no_axis_that_the_caller_did_not_give(call: Any) -> None:
    with pytest.raises(ValueError, match="^[A-Za-z_]+[0-9]?d?: ") as caught:
        call()
    assert not re.search(r"\(1, |row 0", str(caught.value)), caught.value


def test_indices_may_be_single_numbers() -> None:
    table, one = normal(4, 3), np.array(2)
    for index in (2, one, np.int64(2), ag.tensor(2)):
        assert np.array_equal(F.embedding(index, table), table[2])
        assert F.one_hot(index, 4).tolist() == [0, 0, 1, 0]
    assert F.kl_div(normal(3)[0], abs(normal(2))[0], "batchmean").shape == ()
