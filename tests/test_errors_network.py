"""Bad input to the parts of networks: one row per mistake, with the words that its message must hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, ops
from autograd_cnn.kernels.window import conv_window, pool_window


def x(*shape: int) -> ag.Tensor:
    return ag.tensor(np.ones(shape, np.float32), requires_grad=True)


WINDOW = conv_window((4,), (2,), 1, 0, 1)
POOL = pool_window((4,), 2, None, 0, 1, False)

ROWS: list[tuple[Any, type[Exception], str]] = [
    # convolution of other ranks says which one was called
    (lambda: F.conv1d(x(1, 3, 8), x(4, 1, 3)), ValueError, "conv1d: input has 3 channels, weight"),
    (
        lambda: F.conv1d(x(3, 8), x(4, 3, 3)),
        ValueError,
        r"conv1d: .*\(N, C, L\), got \(3, 8\).*x\[N",
    ),
    (lambda: F.conv3d(x(1, 1, 8, 8), x(1, 1, 1, 3, 3)), ValueError, r"conv3d: .*\(N, C, D, H, W\)"),
    (
        lambda: F.conv3d(x(1, 1, 2, 2, 2), x(1, 1, 3, 1, 1)),
        ValueError,
        "conv3d: the kernel reaches over 3x1x1 cells, .* 2x2x2",
    ),
    (
        lambda: F.conv1d(x(1, 1, 8), x(1, 1, 3), stride=(1, 2)),
        TypeError,
        r"conv1d: stride must be an int, got \(1, 2\)",
    ),
    (
        lambda: F.conv3d(x(1, 1, 8, 8, 8), x(1, 1, 3, 3, 3), padding=(1, 2)),
        TypeError,
        r"conv3d: padding must be an int or 3 ints, got \(1, 2\)",
    ),
    (lambda: F.conv2d(x(1, 1, 4, 4), x(2, 1, 3, 3), groups=True), TypeError, "got True"),
    # transposed convolution
    (
        lambda: F.conv_transpose2d(x(1, 3, 4, 4), x(4, 2, 3, 3)),
        ValueError,
        "conv_transpose2d: input has 3 channels, weight expects 4",
    ),
    (
        lambda: F.conv_transpose2d(x(1, 4, 4), x(4, 2, 3, 3)),
        ValueError,
        r"conv_transpose2d: .*\(N, C, H, W\)",
    ),
    (
        lambda: F.conv_transpose1d(x(1, 4, 4), x(4, 2, 3, 3)),
        ValueError,
        r"conv_transpose1d: weight must have shape \(channels, filters / groups, columns\)",
    ),
    (
        lambda: F.conv_transpose2d(x(1, 4, 4, 4), x(4, 2, 3, 3), groups=3),
        ValueError,
        "groups must divide the 4 channels of weight, got 3",
    ),
    (
        lambda: F.conv_transpose2d(x(1, 4, 4, 4), x(4, 2, 3, 3), x(2), groups=2),
        ValueError,
        r"bias must have one value per filter, shape \(4,\), got \(2,\)",
    ),
    (
        lambda: F.conv_transpose2d(x(1, 1, 4, 4), x(1, 1, 3, 3), output_padding=1),
        ValueError,
        "conv_transpose2d: output_padding must be smaller than stride or dilation",
    ),
    (
        lambda: F.conv_transpose2d(x(1, 1, 1, 1), x(1, 1, 3, 3), padding=2),
        ValueError,
        "conv_transpose2d: an input of 1x1 gives an output of -1x-1",
    ),
    # unfold, fold
    (lambda: F.unfold(x(1, 4, 4), 2), ValueError, r"unfold: input must have shape \(N, C, H, W\)"),
    (lambda: F.unfold(x(1, 1, 4, 4), 5), ValueError, "unfold: the kernel reaches over 5x5"),
    (lambda: F.unfold(x(1, 1, 4, 4), 0), ValueError, "unfold: kernel_size must be at least 1"),
    (lambda: F.fold(x(1, 4, 8), 4, 2), ValueError, r"fold: .*\(N, C \* 4, 9\).*got \(1, 4, 8\)"),
    (lambda: F.fold(x(1, 4, 9), "4", 2), TypeError, "fold: output_size must be an integer or"),
    # the ops themselves, whose geometry is given
    (lambda: ops.conv.conv(x(1, 1, 5), x(1, 1, 2), window=WINDOW), ValueError, "conv: x must have"),
    (lambda: ops.conv.conv(x(1, 1, 4), x(1, 1, 3), window=WINDOW), ValueError, "conv: w must have"),
    (
        lambda: ops.conv.conv(x(1, 1, 4), x(1, 1, 2), x(2), window=WINDOW),
        ValueError,
        r"conv: b must have shape \(1,\), got \(2,\)",
    ),
    (
        lambda: ops.conv.conv_weight_grad(x(2, 1, 4), x(1, 1, 3), window=WINDOW),
        ValueError,
        "conv_weight_grad: g must have shape",
    ),
    (
        lambda: ops.conv.fold(x(1, 3, 3), window=WINDOW),
        ValueError,
        r"fold: g .*\(N, C \* 2, 3\), got \(1, 3, 3\)",
    ),
    (lambda: ops.pool.max_pool(x(1, 1, 5), window=POOL), ValueError, r"max_pool: x .*\(N, C, 4\)"),
    # pooling
    (lambda: F.max_pool1d(x(4, 4), 2), ValueError, r"max_pool1d: .*\(N, C, L\)"),
    (lambda: F.max_pool3d(x(1, 1, 4, 4, 4), 5), ValueError, "max_pool3d: the kernel reaches"),
    (lambda: F.avg_pool1d(x(1, 1, 4), (2, 2)), TypeError, "avg_pool1d: kernel_size must be an int"),
    (
        lambda: F.avg_pool2d(x(1, 1, 4, 4), 2, divisor_override=0),
        ValueError,
        "avg_pool2d: divisor_override must not be 0",
    ),
    (lambda: F.adaptive_avg_pool2d(x(1, 1, 4, 4), 0), ValueError, "output_size must be positive"),
    (lambda: F.adaptive_avg_pool2d(x(1, 1, 4, 4), (1,)), ValueError, r"an int or 2 of .*\(1,\)"),
    (lambda: F.adaptive_avg_pool2d(x(1, 1, 4, 4), 1.5), TypeError, "output_size .*got 1.5"),
    (lambda: F.adaptive_avg_pool1d(x(1, 4), 1), ValueError, "adaptive_avg_pool1d: input must"),
    (lambda: F.adaptive_max_pool2d(x(1, 1, 0, 4), 1), ValueError, "has no cells"),
    (lambda: F.adaptive_max_pool1d(x(1, 4), 1), ValueError, "adaptive_max_pool1d: input must"),
    (lambda: F.adaptive_max_pool3d(x(1, 1), 1), ValueError, "adaptive_max_pool3d: input must"),
    # interpolation
    (lambda: F.interpolate(x(1, 1, 4)), ValueError, "give either size or scale_factor"),
    (lambda: F.interpolate(x(1, 1, 4), 2, 2), ValueError, "give either size or scale_factor"),
    (lambda: F.interpolate(x(1, 4), 2), ValueError, r"interpolate: input must .*\(N, C, L\) or"),
    (
        lambda: F.interpolate(x(1, 1, 4), 0),
        ValueError,
        "interpolate: size must be positive and finite, got 0",
    ),
    (
        lambda: F.interpolate(x(1, 1, 4), 2.5),
        TypeError,
        "interpolate: size must be an integer or .*got 2.5",
    ),
    (lambda: F.interpolate(x(1, 1, 4), (2, 2)), ValueError, "size must be a number or 1 of them"),
    (
        lambda: F.interpolate(x(1, 1, 4), 2, mode="bilinear"),
        ValueError,
        "mode must be 'nearest' or 'linear' .* got 'bilinear'",
    ),
    (
        lambda: F.interpolate(x(1, 1, 4), 2, align_corners=True),
        ValueError,
        "align_corners has no meaning",
    ),
    # normalisation
    (
        lambda: F.layer_norm(x(2, 3), 2),
        ValueError,
        r"layer_norm: .*\(2, 3\) does not end in .*\(2,\)",
    ),
    (
        lambda: F.layer_norm(x(2, 3), 3, x(2)),
        ValueError,
        r"layer_norm: weight .*\(3,\), got \(2,\)",
    ),
    (lambda: F.group_norm(x(2, 3), 2), ValueError, "group_norm: num_groups must divide the 3"),
    (lambda: F.group_norm(x(2), 1), ValueError, r"group_norm: .*\(N, C, ...\), got \(2,\)"),
    (lambda: F.group_norm(x(2, 4), 2, None, x(2)), ValueError, r"group_norm: bias .*\(4,\)"),
    (lambda: F.instance_norm(x(2, 3)), ValueError, r"instance_norm: .*got \(2, 3\)"),
    (lambda: F.instance_norm(x(2, 3, 1)), ValueError, "instance_norm: .*one value per channel"),
    (
        lambda: F.instance_norm(x(2, 3, 2), use_input_stats=False),
        ValueError,
        "instance_norm: evaluation .*needs running_mean",
    ),
    # embedding and small layers
    (lambda: F.embedding([0, 5], x(3, 2)), ValueError, "index 5 is out of range; .*3 rows, 0 to 2"),
    (lambda: F.embedding([-1], x(3, 2)), ValueError, "embedding: index -1 is out of range"),
    (lambda: F.embedding([0.5], x(3, 2)), TypeError, "embedding: input must hold integers"),
    (lambda: F.embedding([0], x(3)), ValueError, r"embedding: weight must have shape \(K, D\)"),
    (lambda: F.embedding([0], x(3, 2), 3), ValueError, "padding_idx 3 is not among the 3 rows"),
    (lambda: F.unflatten(x(2, 6), 1, (4, -1)), ValueError, r"axis 1 of shape \(2, 6\) .*\(4, -1\)"),
    (lambda: F.unflatten(x(2, 6), 2, (6,)), ValueError, "dim=2 is no axis"),
    (lambda: F.dropout2d(x(2), 0.5), ValueError, r"dropout2d: .*\(N, C, ...\)"),
    (
        lambda: F.dropout2d(x(2, 2), -0.5),
        ValueError,
        "dropout2d: p must be at least 0 and at most 1, got -0.5",
    ),
    # losses: (N, 1) against (N,) in each
    *(
        (
            lambda f=f: f(x(3, 1), np.ones(3)),
            ValueError,
            rf"{f.__name__}: .*same shape, got \(3, 1\) and \(3,\); reshape",
        )
        for f in (
            F.binary_cross_entropy_with_logits,
            F.huber_loss,
            F.kl_div,
            F.l1_loss,
            F.mse_loss,
            F.smooth_l1_loss,
        )
    ),
    (lambda: F.l1_loss(x(3), x(3), "avg"), ValueError, "l1_loss: reduction must be .*'avg'"),
    (lambda: F.kl_div(x(3), x(3), "avg"), ValueError, "kl_div: reduction .*'batchmean'.*'avg'"),
    (lambda: F.kl_div(x(), x(), "batchmean"), ValueError, "kl_div: .*needs a batch axis"),
    (lambda: F.huber_loss(x(3), x(3), delta=0.0), ValueError, "huber_loss: delta must be above 0"),
    (lambda: F.smooth_l1_loss(x(3), x(3), beta=-1), ValueError, "smooth_l1_loss: beta must be at"),
    (
        lambda: F.binary_cross_entropy_with_logits(x(2, 3), x(2, 3), pos_weight=np.ones(2)),
        ValueError,
        r"pos_weight of shape \(2,\) does not broadcast to the input's shape \(2, 3\)",
    ),
    (
        lambda: F.binary_cross_entropy_with_logits(x(3), x(3), weight=np.ones((2, 3))),
        ValueError,
        r"weight of shape \(2, 3\) does not broadcast",
    ),
    # layers
    (lambda: nn.Conv1d(1, 1, (3, 3)), ValueError, "Conv1d: kernel_size must be an integer or one"),
    (lambda: nn.Conv3d(3, 4, 3, groups=2), ValueError, "Conv3d: in_channels=3 is not divisible"),
    (lambda: nn.ConvTranspose2d(4, 3, 3, groups=2), ValueError, "out_channels=3 is not divisible"),
    (
        lambda: nn.ConvTranspose2d(1, 1, 3, output_padding=1),
        ValueError,
        "ConvTranspose2d: output_padding must be smaller than stride or dilation",
    ),
    (lambda: nn.ConvTranspose1d(1, 1, 3, padding="same"), TypeError, "padding must be an integer"),
    (lambda: nn.MaxPool3d(2, padding=2), ValueError, "MaxPool3d: padding may be at most half"),
    (lambda: nn.AvgPool1d((2, 2)), ValueError, "AvgPool1d: kernel_size .* each of 1 axes"),
    (lambda: nn.LayerNorm(0), ValueError, "LayerNorm: normalized_shape must be at least 1, got 0"),
    (lambda: nn.LayerNorm(()), ValueError, "LayerNorm: normalized_shape must have at least one"),
    (lambda: nn.LayerNorm(2, eps=-1.0), ValueError, "LayerNorm: eps must be at least 0"),
    (lambda: nn.GroupNorm(2, 3), ValueError, "num_channels=3 is not divisible by num_groups=2"),
    (lambda: nn.GroupNorm(1, 3)(x(2, 4)), ValueError, r"GroupNorm: .*\(N, 3, ...\), got \(2, 4\)"),
    (lambda: nn.InstanceNorm2d(3)(x(2, 3, 4)), ValueError, r"InstanceNorm2d: .*\(N, C, H, W\)"),
    (lambda: nn.InstanceNorm2d(3, momentum=None), TypeError, "momentum must be a number"),
    (lambda: nn.BatchNorm3d(3)(x(2, 3, 4, 4)), ValueError, r"BatchNorm3d: .*\(N, C, D, H, W\)"),
    (lambda: nn.Embedding(3, 2, 3), ValueError, "Embedding: padding_idx must be among the 3 rows"),
    (lambda: nn.Embedding(0, 2), ValueError, "Embedding: num_embeddings must be at least 1"),
    (lambda: nn.Hardtanh(1, 1), ValueError, "Hardtanh: min_val 1 must be less than max_val 1"),
    (lambda: nn.Dropout2d(2), ValueError, "Dropout2d: p must be at least 0 and at most 1, got 2"),
    (lambda: nn.HuberLoss(delta=0), ValueError, "HuberLoss: delta must be above 0, got 0"),
    (lambda: nn.SmoothL1Loss(beta=-1), ValueError, "SmoothL1Loss: beta must be at least 0"),
    (lambda: nn.KLDivLoss(reduction="avg"), ValueError, "KLDivLoss: reduction must be .*batchmean"),
    (lambda: nn.L1Loss(reduction="batchmean"), ValueError, "L1Loss: reduction must be 'mean'"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ROWS, ids=[str(i) for i in range(len(ROWS))])
def test_a_mistake_is_explained(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
