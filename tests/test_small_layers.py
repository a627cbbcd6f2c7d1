"""Convolutions with modes of padding, and small layers: definitions, derivatives, and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn
from autograd_cnn.testing import strategies as ag_st
from tests.layer_parts import both, check_layer, normal, same_as_in_torch

MODES = ["reflect", "replicate", "circular"]


@st.composite
def padded(draw: Any) -> tuple[int, dict[str, Any], tuple[int, ...]]:
    """The number of axes, the settings of a convolution, and the shape of an input."""
    axes, groups = draw(st.integers(1, 3)), draw(st.integers(1, 2))

    def each(low: int, high: int) -> Any:
        one = st.integers(low, high)
        return draw(st.one_of(one, st.tuples(*[one] * axes)))

    made: dict[str, Any] = {"in_channels": groups, "out_channels": 2 * groups, "groups": groups}
    made |= {"kernel_size": each(1, 3), "padding_mode": draw(st.sampled_from(MODES))}
    made["dilation"], made["bias"] = each(1, 2), draw(st.booleans())
    if draw(st.integers(0, 3)):
        made |= {"stride": each(1, 2), "padding": each(0, 3)}
    else:
        made["padding"] = draw(st.sampled_from(["same", "valid"]))
    lead = draw(st.sampled_from([(2, groups), (groups,)]))
    return axes, made, (*lead, *draw(st.tuples(*[st.integers(5, 6)] * axes)))


@given(padded())
def test_padded_convolutions_agree_with_pytorch(case: Any) -> None:
    axes, made, shape = case
    same_as_in_torch(*both(f"Conv{axes}d", **made), [normal(*shape)])


@given(padded())
def test_a_padded_convolution_pads_first(case: Any) -> None:
    axes, made, shape = case
    net = getattr(nn, f"Conv{axes}d")(**made).double()
    wide = [k - 1 for k in np.broadcast_to(made["kernel_size"], axes)]
    wide = [w * d for w, d in zip(wide, np.broadcast_to(made["dilation"], axes))]
    if made["padding"] == "same":
        pairs = [(w // 2, w - w // 2) for w in wide]
    elif made["padding"] == "valid":
        pairs = [(0, 0)] * axes
    else:
        pairs = [(int(p), int(p)) for p in np.broadcast_to(made["padding"], axes)]
    mode = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}[made["padding_mode"]]
    x = normal(*shape)
    around = np.pad(x, [(0, 0)] * (x.ndim - axes) + pairs, mode)
    settings = made.get("stride", 1), 0, made["dilation"], made["groups"]
    expected = getattr(F, f"conv{axes}d")(around, net.weight, net.bias, *settings)
    np.testing.assert_array_equal(net(x).numpy(), expected.numpy())
    with ag.no_grad():
        np.testing.assert_allclose(nn.Sequential(net, nn.ReLU())(x), expected.relu(), 1e-12, 1e-14)


@pytest.mark.parametrize("mode", MODES)
def test_derivatives_are_exact_twice_and_in_every_input(mode: str) -> None:
    net = nn.Conv2d(1, 2, (2, 3), (1, 2), (1, 2), padding_mode=mode)
    check_layer(net, [ag_st.evenly_spaced((1, 1, 3, 4), 3)])


def test_derivatives_of_small_layers() -> None:
    xs = [ag_st.evenly_spaced(shape, k) for k, shape in enumerate([(2, 3), (2, 2)])]
    check_layer(nn.Bilinear(3, 2, 4), xs)
    check_layer(nn.RMSNorm(3, eps=0.1), xs[:1])


@pytest.mark.parametrize(
    ("name", "made", "shapes"),
    [
        ("RMSNorm", {"normalized_shape": (2, 3)}, [(4, 2, 3)]),
        ("RMSNorm", {"normalized_shape": 3, "eps": 0.1, "elementwise_affine": False}, [(4, 3)]),
        ("Bilinear", {"in1_features": 2, "in2_features": 3, "out_features": 4}, [(5, 2), (5, 3)]),
        ("Upsample", {"scale_factor": 1.5, "mode": "bicubic"}, [(1, 2, 3, 4)]),
        ("ZeroPad1d", {"padding": (1, 2)}, [(2, 3)]),
        ("ZeroPad3d", {"padding": 1}, [(1, 2, 2, 2, 2)]),
        ("ConstantPad2d", {"padding": (1, -1, 0, 2), "value": 0.5}, [(2, 3, 4)]),
        ("ReflectionPad2d", {"padding": (1, 2, 0, 1)}, [(1, 2, 3, 4)]),
        ("ReflectionPad3d", {"padding": 1}, [(1, 2, 2, 3, 4)]),
        ("ReplicationPad1d", {"padding": 3}, [(2, 4)]),
        ("ReplicationPad3d", {"padding": (0, 1, 2, 3, 1, 0)}, [(1, 2, 2, 3, 4)]),
        ("CircularPad2d", {"padding": (1, 2, 0, 1)}, [(1, 2, 3, 4)]),
    ],
)
def test_small_layers_agree_with_pytorch(name: str, made: dict[str, Any], shapes: Any) -> None:
    same_as_in_torch(*both(name, **made), [normal(*shape) for shape in shapes])
