"""A valid call of every public function: what the tests spoil, an argument at a time."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import autograd_cnn as ag
from autograd_cnn import func, nn, testing
from autograd_cnn import functional as F


class Call(NamedTuple):
    """A function, its arguments by name, and arguments that are better not spoilt."""

    function: Callable[..., Any]
    given: dict[str, Any]
    fixed: dict[str, Any]


def call(function: Callable[..., Any], fixed: dict[str, Any] | None = None, **given: Any) -> Call:
    return Call(function, given, fixed or {})


def x(*shape: int) -> ag.Tensor:
    size = int(np.prod(shape, dtype=int))
    values = np.linspace(0.3, 1.2, size, dtype=np.float32).reshape(shape)
    return ag.tensor(values, requires_grad=True)


def total(a: Any) -> Any:
    return (a * a).sum()


SIDES = {1: (4,), 2: (4, 4), 3: (4, 4, 4)}
POINT = ag.tensor([0.5, 1.5], dtype="float64", requires_grad=True)
CHECK: dict[str, Any] = {
    "eps": 1e-6,
    "atol": 1e-5,
    "rtol": 1e-3,
    "raise_exception": True,
    "nondet_tol": 0.0,
}


def of_rank(axes: int) -> dict[str, Call]:
    """Convolution, pooling and their layers over so many axes."""
    image, weight = x(1, 2, *SIDES[axes]), x(2, 2, *(3,) * axes)
    conv = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}
    back = {"stride": 2, "padding": 0, "output_padding": 1, "groups": 1, "dilation": 1}
    window = {"kernel_size": 2, "stride": 2, "padding": 0}
    top = {**window, "dilation": 1, "ceil_mode": False, "return_indices": False}
    mean = {**window, "ceil_mode": False, "count_include_pad": True}
    mean |= {"divisor_override": 3} if axes > 1 else {}
    layer = {"in_channels": 2, "out_channels": 2, "kernel_size": 3, "bias": True}
    layer |= {"padding_mode": "zeros"}
    norm = {"num_features": 2, "eps": 1e-5, "momentum": 0.1, "affine": True}
    norm |= {"track_running_stats": True}
    inputs = {"input": image, "weight": weight, "bias": x(2)}
    f, n = (lambda name: getattr(F, f"{name}{axes}d")), (lambda name: getattr(nn, f"{name}{axes}d"))
    return {
        f"F.conv{axes}d": call(f("conv"), **inputs, **conv),
        f"F.conv_transpose{axes}d": call(f("conv_transpose"), **inputs, **back),
        f"F.max_pool{axes}d": call(f("max_pool"), **{"input": image}, **top),
        f"F.avg_pool{axes}d": call(f("avg_pool"), **{"input": image}, **mean),
        f"F.adaptive_avg_pool{axes}d": call(
            f("adaptive_avg_pool"), **{"input": image}, output_size=2
        ),
        f"F.adaptive_max_pool{axes}d": call(
            f("adaptive_max_pool"), **{"input": image}, output_size=2, return_indices=False
        ),
        f"nn.Conv{axes}d": call(n("Conv"), **layer, **conv),
        f"nn.ConvTranspose{axes}d": call(n("ConvTranspose"), **layer, **back),
        f"nn.MaxPool{axes}d": call(n("MaxPool"), **top),
        f"nn.AvgPool{axes}d": call(n("AvgPool"), **mean),
        f"nn.AdaptiveAvgPool{axes}d": call(n("AdaptiveAvgPool"), output_size=2),
        f"nn.AdaptiveMaxPool{axes}d": call(
            n("AdaptiveMaxPool"), output_size=2, return_indices=False
        ),
        f"nn.BatchNorm{axes}d": call(n("BatchNorm"), **norm),
        f"nn.InstanceNorm{axes}d": call(n("InstanceNorm"), **norm),
    }


def activations() -> dict[str, Call]:
    """Every activation and every layer of one, with its settings at their defaults."""
    calls = {}
    for short, module, inputs in (("F", F, {"input": x(2, 3)}), ("nn", nn, {})):
        for name in module.activations.__all__:
            function = getattr(module, name)
            parameters = inspect.signature(function).parameters
            if parameters and "x" not in parameters:  # relu, sigmoid and tanh are ops
                given = {n: p.default for n, p in parameters.items()} | inputs
                calls[f"{short}.{name}"] = call(function, **given)
    return calls


def functional() -> dict[str, Call]:
    one, images = {"input": x(2, 3)}, {"input": x(4, 2, 3)}
    pair = {"input": x(2, 3), "target": x(2, 3)}
    classes = {"input": x(2, 3), "target": np.array([0, 1]), "weight": np.ones(3)}
    scale = {"weight": x(2), "bias": x(2)}
    running = {"running_mean": np.zeros(2, "f"), "running_var": np.ones(2, "f")}
    calls = [
        call(F.unfold, **{"input": x(1, 1, 4, 4)}, kernel_size=2, dilation=1, padding=0, stride=1),
        call(
            F.fold,
            **{"input": x(1, 4, 9)},
            output_size=(4, 4),
            kernel_size=2,
            dilation=1,
            padding=0,
            stride=1,
        ),
        call(F.dropout, **one, p=0.5, training=True),
        call(F.dropout2d, **images, p=0.5, training=True),
        call(F.embedding, **{"input": [0, 1], "weight": x(3, 2)}, padding_idx=0),
        call(F.flatten, **one, start_dim=0, end_dim=-1),
        call(F.unflatten, **{"input": x(2, 6)}, dim=1, sizes=(2, 3)),
        call(F.linear, **{"input": x(2, 3), "weight": x(4, 3), "bias": x(4)}),
        call(F.one_hot, **{"target": [0, 1]}, num_classes=3),
        call(
            F.batch_norm,
            **{"input": x(4, 2), **running, **scale},
            training=True,
            momentum=0.1,
            eps=1e-5,
        ),
        call(F.group_norm, **(images | scale), num_groups=2, eps=1e-5),
        call(F.layer_norm, **{"input": x(4, 2), **scale}, normalized_shape=2, eps=1e-5),
        call(
            F.instance_norm,
            **(images | running | scale),
            use_input_stats=True,
            momentum=0.1,
            eps=1e-5,
        ),
        call(F.cross_entropy, **classes, ignore_index=-100, reduction="mean", label_smoothing=0.1),
        call(F.nll_loss, **classes, ignore_index=-100, reduction="mean"),
        call(
            F.binary_cross_entropy_with_logits,
            **(pair | {"weight": np.ones(3), "pos_weight": np.ones(3)}),
            reduction="mean",
        ),
        call(F.mse_loss, **pair, reduction="mean"),
        call(F.l1_loss, **pair, reduction="mean"),
        call(F.huber_loss, **pair, reduction="mean", delta=1.0),
        call(F.smooth_l1_loss, **pair, reduction="mean", beta=1.0),
        call(F.kl_div, **pair, reduction="mean", log_target=False),
        call(
            F.interpolate,
            **{"input": x(1, 1, 4)},
            size=None,
            scale_factor=2,
            mode="linear",
            align_corners=False,
        ),
    ]
    return {f"F.{c.function.__name__}": c for c in calls}


def layers() -> dict[str, Call]:
    weight = {"weight": np.ones(3, "f")}
    calls = [
        call(nn.Unfold, kernel_size=2, dilation=1, padding=0, stride=1),
        call(nn.Fold, output_size=(4, 4), kernel_size=2, dilation=1, padding=0, stride=1),
        call(nn.Upsample, size=None, scale_factor=2, mode="linear", align_corners=False),
        call(nn.Dropout, p=0.5),
        call(nn.Dropout2d, p=0.5),
        call(nn.Linear, in_features=3, out_features=2, bias=True),
        call(nn.Flatten, start_dim=1, end_dim=-1),
        call(nn.Unflatten, dim=1, unflattened_size=(2, 3)),
        call(nn.Embedding, num_embeddings=3, embedding_dim=2, padding_idx=0),
        call(nn.LayerNorm, normalized_shape=3, eps=1e-5, elementwise_affine=True, bias=True),
        call(nn.GroupNorm, num_groups=2, num_channels=4, eps=1e-5, affine=True),
        call(
            nn.CrossEntropyLoss,
            **weight,
            ignore_index=-100,
            reduction="mean",
            label_smoothing=0.1,
        ),
        call(nn.NLLLoss, **weight, ignore_index=-100, reduction="mean"),
        call(nn.BCEWithLogitsLoss, **(weight | {"pos_weight": np.ones(3, "f")}), reduction="mean"),
        call(nn.MSELoss, reduction="mean"),
        call(nn.L1Loss, reduction="mean"),
        call(nn.HuberLoss, reduction="mean", delta=1.0),
        call(nn.SmoothL1Loss, reduction="mean", beta=1.0),
        call(nn.KLDivLoss, reduction="mean", log_target=False),
        call(nn.Parameter, **{"data": [1.0]}, requires_grad=True),
    ]
    return {f"nn.{c.function.__name__}": c for c in calls}


def others() -> dict[str, Call]:
    fill = {"tensor": x(3, 2)}
    kaiming = {"a": 0.1, "mode": "fan_in", "nonlinearity": "relu", "generator": None}
    calls = {
        "init": [
            call(nn.init.calculate_gain, nonlinearity="leaky_relu", param=0.1),
            call(nn.init.constant_, **fill, val=0.5),
            call(nn.init.zeros_, **fill),
            call(nn.init.ones_, **fill),
            call(nn.init.uniform_, **fill, a=0.0, b=1.0, generator=None),
            call(nn.init.normal_, **fill, mean=0.0, std=1.0, generator=None),
            call(nn.init.trunc_normal_, **fill, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None),
            call(nn.init.xavier_uniform_, **fill, gain=1.0, generator=None),
            call(nn.init.xavier_normal_, **fill, gain=1.0, generator=None),
            call(nn.init.kaiming_uniform_, **fill, **kaiming),
            call(nn.init.kaiming_normal_, **fill, **kaiming),
            call(nn.init.orthogonal_, **fill, gain=1.0, generator=None),
        ],
        "func": [
            *(
                call(f, f=total, argnums=0)
                for f in (func.jacobian, func.jacrev, func.jacfwd, func.hessian)
            ),
            *(call(f, f=total, argnums=0, has_aux=False) for f in (func.grad, func.value_and_grad)),
            call(func.vjp, f=lambda: x(2)),
            *(
                call(f, {"primals": (POINT,), "tangents": (POINT,)}, f=total)
                for f in (func.jvp, func.hvp)
            ),
        ],
        "testing": [
            call(testing.gradcheck, {"inputs": [POINT]}, func=ag.exp, **CHECK),
            call(
                testing.gradgradcheck, {"inputs": [POINT]}, func=ag.exp, grad_outputs=None, **CHECK
            ),
            call(testing.check_adjoint, {"inputs": [np.ones(2)]}, call=ag.negative, position=0),
            call(testing.check_complex_step, {"inputs": [np.ones(2)]}, call=ag.exp, free=[0]),
        ],
        "ag": [
            call(ag.tensor, **{"data": [1.0]}, requires_grad=False, dtype="float32"),
            call(ag.Tensor, **{"data": [1.0]}, requires_grad=False, dtype="float32"),
            call(ag.manual_seed, seed=1),
            call(ag.set_num_threads, threads=1),
            call(ag.set_default_dtype, dtype="float32"),
            call(ag.checkpoint, f=lambda: x(2)),
            call(ag.custom_gradient, rule=lambda g, out, x: g),
            call(ag.detect_anomaly, check_inf=True),
            call(ag.draw, {"output": POINT}, names=None, format="dot"),
        ],
    }
    return {f"{kind}.{c.function.__name__}": c for kind, group in calls.items() for c in group}


CALLS = {
    **{name: c for axes in SIDES for name, c in of_rank(axes).items()},
    **activations(),
    **functional(),
    **layers(),
    **others(),
}
