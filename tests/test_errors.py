"""Bad input: one row per mistake, with the words that its message must hold.

The words are the op or layer, the argument, what was expected and what was found, in the caller's terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim


def x(*shape: int) -> ag.Tensor:
    return ag.tensor(np.ones(shape, np.float32), requires_grad=True)


LOGITS = np.zeros((2, 3))
NET = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))

ROWS: list[tuple[Any, type[Exception], str]] = [
    # shapes
    (lambda: x(2) + x(3), ValueError, r"add: .*x of shape \(2,\).*y of shape \(3,\)"),
    (lambda: x(2, 3) @ x(2, 3), ValueError, r"matmul: the last axis of x .*\(2, 3\) and \(2, 3\)"),
    (lambda: x(3) @ ag.tensor(2.0), ValueError, r"matmul: needs at least 1-D inputs.*use \*"),
    (
        lambda: x(2, 3).reshape(4, 2),
        ValueError,
        r"reshape: 6 values of shape \(2, 3\) do not fit .*\(4, 2\)",
    ),
    (lambda: x(2, 3).reshape(-1, -1), ValueError, "reshape: 6 values"),
    (lambda: ag.transpose(x(2, 3), axes=(0,)), ValueError, r"transpose: .*\(2, 3\)"),
    (lambda: ag.broadcast_to(x(2), (3, 3)), ValueError, r"broadcast_to: .*\(3, ?3\)"),
    (
        lambda: ag.concatenate([x(2, 1), x(3, 2)], axis=1),
        ValueError,
        "concatenate: shapes must be the same along all axes but 1",
    ),
    (
        lambda: ag.stack([x(2), x(3)]),
        ValueError,
        r"stack: shapes must be the same, got \(2,\), \(3,\)",
    ),
    (lambda: ag.concatenate([]), ValueError, "concatenate: .*at least one"),
    (
        lambda: ag.pad(x(2), widths=((1,),)),
        ValueError,
        r"pad: widths must be 1 pairs .*got \(\(1,\),\)",
    ),
    (lambda: ag.pad(x(2), widths=((-1, 0),)), ValueError, "pad: .*>= 0"),
    (lambda: x(3)[5], IndexError, r"getitem: index 5 is out of bounds .*\(3,\)"),
    (lambda: ag.sum(x(2), axis=3), ValueError, "sum: axis 3 is out of range for 1 axes"),
    (lambda: ag.max(x(0)), ValueError, "max: no values to choose from"),
    (
        lambda: ag.var(x(1), ddof=1),
        ValueError,
        r"var: axis None of shape \(1,\) has 1 values.*ddof=1",
    ),
    (lambda: ag.clip(x(1)), ValueError, "clip: give min, max or both"),
    # calls
    (lambda: ag.exp(), TypeError, r"exp: input 'x' is missing; the signature is exp\(x"),
    (lambda: ag.exp(x(1), 2), TypeError, "exp: got 1 arguments too many"),
    (lambda: ag.sum(x(1), axes=0), TypeError, "sum: unknown argument 'axes'; the signature is sum"),
    (lambda: ag.sum(x(1), 0, axis=0), TypeError, "sum: got 'axis' twice"),
    (lambda: ag.reshape(x(1)), TypeError, "reshape: argument 'shape' is missing"),
    (
        lambda: ag.clip(x(1), min=x(1)),
        TypeError,
        r"clip: argument 'min' is a plain value.*\.detach\(\)",
    ),
    (lambda: ag.exp([x(1), x(1)]), TypeError, r"list of tensors, .*ag\.stack"),
    (lambda: x(2) * [x(), x()], TypeError, r"list of tensors, .*ag\.stack"),
    (lambda: ag.exp("text"), TypeError, "exp: x must be an array of numbers, got 'text'"),
    # convolution
    (
        lambda: F.conv2d(x(1, 3, 8, 8), x(4, 1, 3, 3)),
        ValueError,
        "conv2d: input has 3 channels, weight expects 1",
    ),
    (
        lambda: F.conv2d(x(3, 8, 8), x(4, 3, 3, 3)),
        ValueError,
        r"conv2d: .*\(N, C, H, W\), got \(3, 8, 8\).*x\[None\]",
    ),
    (
        lambda: F.conv2d(x(1, 3, 8, 8), x(4, 3, 3)),
        ValueError,
        r"conv2d: weight must have shape \(filters",
    ),
    (
        lambda: F.conv2d(x(1, 4, 8, 8), x(4, 2, 3, 3), groups=3),
        ValueError,
        "conv2d: groups must divide the 4 filters",
    ),
    (
        lambda: F.conv2d(x(1, 3, 8, 8), x(4, 2, 3, 3), groups=2),
        ValueError,
        "has 3 channels, weight expects 2 in each",
    ),
    (
        lambda: F.conv2d(x(1, 1, 2, 2), x(1, 1, 3, 3)),
        ValueError,
        "conv2d: the kernel reaches over 3x3 .*image of 2x2",
    ),
    (
        lambda: F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), stride=0),
        ValueError,
        "conv2d: stride must be at least 1, got 0",
    ),
    (
        lambda: F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), stride=1.5),
        TypeError,
        "conv2d: stride must be an integer .*got 1.5",
    ),
    (
        lambda: F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), padding=-1),
        ValueError,
        "conv2d: padding must be at least 0",
    ),
    (
        lambda: F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), padding="full"),
        ValueError,
        "conv2d: padding .*'same'.*'full'",
    ),
    (
        lambda: F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), padding=(1, 2, 3)),
        TypeError,
        r"conv2d: padding .*\(1, 2, 3\)",
    ),
    (
        lambda: F.conv2d(x(1, 1, 4, 4), x(1, 1, 3, 3), dilation=0),
        ValueError,
        "conv2d: dilation must be at least 1",
    ),
    (
        lambda: F.conv2d(x(1, 1, 4, 4), x(2, 1, 3, 3), x(3)),
        ValueError,
        r"conv2d: bias .*\(2,\), got \(3,\)",
    ),
    # pooling
    (
        lambda: F.max_pool2d(x(1, 1, 2, 2), 3),
        ValueError,
        "max_pool2d: the kernel reaches over 3 cells",
    ),
    (
        lambda: F.max_pool2d(x(1, 1, 4, 4), 2, padding=2),
        ValueError,
        "max_pool2d: padding must be at most half",
    ),
    (
        lambda: F.max_pool2d(x(1, 1, 4, 4), 0),
        ValueError,
        "max_pool2d: kernel_size must be at least 1",
    ),
    (
        lambda: F.max_pool2d(x(4, 4), 2),
        ValueError,
        r"max_pool2d: input must have shape \(N, C, H, W\), got \(4, 4\)",
    ),
    (lambda: F.avg_pool2d(x(1, 4, 4), 2), ValueError, r"avg_pool2d: .*add a batch axis"),
    (lambda: F.avg_pool2d(x(1, 1, 4, 4), "2"), TypeError, "avg_pool2d: kernel_size must be an int"),
    # linear, flatten, norm, dropout
    (
        lambda: F.linear(x(2, 5), x(3, 4)),
        ValueError,
        r"linear: input of shape \(2, 5\) has 5 features.*expects 4",
    ),
    (lambda: F.linear(x(2, 1, 2, 2), x(3, 4)), ValueError, "linear: .*flatten it first"),
    (
        lambda: F.linear(x(2, 4), x(3, 4), x(4)),
        ValueError,
        r"linear: bias must have shape \(3,\).*got \(4,\)",
    ),
    (
        lambda: F.linear(x(2, 4), x(4)),
        ValueError,
        r"linear: weight must have shape \(out, in\), got \(4,\)",
    ),
    (lambda: F.flatten(x(2, 3), 2), ValueError, "flatten: start_dim=2"),
    (
        lambda: F.batch_norm(x(1, 3), training=True),
        ValueError,
        "batch_norm: .*one value per channel",
    ),
    (lambda: F.batch_norm(x(2, 3)), ValueError, "batch_norm: evaluation .*needs running_mean"),
    (
        lambda: F.batch_norm(x(2, 3), None, None, x(2), training=True),
        ValueError,
        r"batch_norm: weight .*\(3,\)",
    ),
    (
        lambda: F.dropout(x(2), 1.5),
        ValueError,
        "dropout: p must be at least 0 and at most 1, got 1.5",
    ),
    # losses
    (
        lambda: F.cross_entropy(LOGITS, np.array([0, 3])),
        ValueError,
        "target 3 in row 1 is not a class.*3 classes, 0 to 2",
    ),
    (lambda: F.cross_entropy(LOGITS, np.array([0, -1])), ValueError, "target -1 in row 1"),
    (
        lambda: F.cross_entropy(LOGITS, np.array([0.0, 1.0])),
        TypeError,
        "cross_entropy: target must hold integer classes",
    ),
    (
        lambda: F.cross_entropy(LOGITS, np.array([0])),
        ValueError,
        r"cross_entropy: .*targets of shape \(2,\).*got \(1,\)",
    ),
    (
        lambda: F.cross_entropy(LOGITS[0], np.array(0)),
        ValueError,
        r"cross_entropy: input must have shape \(N, K",
    ),
    (
        lambda: F.cross_entropy(LOGITS, np.zeros(2, int), np.ones(2)),
        ValueError,
        r"cross_entropy: weight .*\(3,\)",
    ),
    (
        lambda: F.cross_entropy(LOGITS, np.zeros(2, int), reduction="avg"),
        ValueError,
        "reduction must be .*'avg'",
    ),
    (
        lambda: F.cross_entropy(LOGITS, np.zeros(2, int), label_smoothing=2.0),
        ValueError,
        "label_smoothing must be at least 0 and at most 1",
    ),
    (lambda: F.nll_loss(LOGITS, np.array([0, 9])), ValueError, "nll_loss: target 9 in row 1"),
    (
        lambda: F.mse_loss(x(3, 1), np.ones(3)),
        ValueError,
        r"mse_loss: .*same shape, got \(3, 1\) and \(3,\)",
    ),
    (lambda: F.one_hot([3], 2), ValueError, "one_hot: classes 3 to 3 do not fit into 0 to 1"),
    # gradients
    (lambda: x(3).backward(), ValueError, r"backward: the output has shape \(3,\).*\.sum\(\)"),
    (lambda: ag.tensor([1.0]).backward(), ag.GraphError, "backward: .*does not require gradients"),
    (
        lambda: x(3).backward(np.ones(2)),
        ValueError,
        r"backward: gradient must have the output's shape \(3,\), got \(2,\)",
    ),
    (
        lambda: ag.grad(x(1), ag.tensor([1.0])),
        ag.GraphError,
        "grad: input 0 .*does not require gradients",
    ),
    (lambda: ag.grad([x(1), x(1)], x(1), [None]), ValueError, "grad: expected 2 grad_outputs"),
    (lambda: setattr(x(2), "grad", np.ones(3)), ValueError, r"grad: expected .*\(2,\), got \(3,\)"),
    (
        lambda: setattr(x(2), "data", np.ones(3)),
        ValueError,
        r"data: expected values of shape \(2,\), got \(3,\)",
    ),
    (lambda: x(2).item(), ValueError, r"item: .*got shape \(2,\)"),
    # layers and optimisers
    (lambda: NET(x(1, 3, 6, 6)), ValueError, "conv2d: input has 3 channels, weight expects 1"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups"),
    (lambda: nn.Conv2d(1, 4, 0), ValueError, "kernel_size"),
    (lambda: nn.Dropout(2.0), ValueError, "p"),
    (lambda: optim.SGD([], lr=0.1), ValueError, "parameter"),
    (lambda: optim.SGD([x(1)], lr=-0.1), ValueError, "lr.*-0.1"),
    (lambda: optim.SGD([x(1)], lr=0.1, nesterov=True), ValueError, "nesterov"),
    (lambda: optim.SGD([x(1)], lr=0.1).step(), (RuntimeError, ValueError), "backward"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ROWS, ids=[str(i) for i in range(len(ROWS))])
def test_a_mistake_is_explained(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_an_error_in_a_network_carries_the_path_of_the_layer() -> None:
    with pytest.raises(ValueError, match="input has 3 channels") as caught:
        NET(x(1, 3, 6, 6))
    assert caught.value.__notes__ == ["in Sequential.0 (Conv2d)"]
