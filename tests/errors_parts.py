"""Bad input to everything but ops: one row per mistake, with the words that its message must hold."""

from __future__ import annotations

from typing import Any

import numpy as np

import autograd_cnn as ag
from autograd_cnn import data, func, nn, optim
from autograd_cnn import functional as F


def x(*shape: int) -> ag.Tensor:
    return ag.tensor(np.ones(shape, np.float32), requires_grad=True)


def sgd() -> optim.SGD:
    return optim.SGD([x(1)], lr=0.1)


def squares(a: Any) -> Any:
    return a * a


def total(a: Any) -> Any:
    return (a * a).sum()


Row = tuple[Any, type[Exception], str]
# What the rows below name in loops.
LOOPED = {f"F.{n}" for n in F.activations.__all__} | {f"nn.{n}" for n in nn.activations.__all__}
WORD = "(x|input) must be an array of numbers, got 'text'"

ROWS: list[Row] = [
    # settings of the whole
    (lambda: ag.manual_seed("a"), TypeError, "manual_seed: seed must be an integer, got 'a'"),
    (lambda: ag.manual_seed(-1), ValueError, "manual_seed: seed must be 0 or more, got -1"),
    (lambda: ag.set_default_dtype("int32"), TypeError, "set_default_dtype: .*got 'int32'"),
    (
        lambda: ag.set_num_threads(0),
        ValueError,
        "set_num_threads: threads must be 1 or more, got 0",
    ),
    (
        lambda: ag.set_num_threads("2"),
        TypeError,
        "set_num_threads: threads must be an integer, got .2.",
    ),
    # functions of functions
    (lambda: ag.checkpoint(3), TypeError, "checkpoint: f must be a function, got 3"),
    (
        lambda: ag.custom_gradient(lambda g, out, x: g)(lambda x: 1)(x(2)),
        TypeError,
        "the function must return one tensor, got 1",
    ),
    (lambda: ag.op(y=None)(total), TypeError, r"op 'total' has inputs \['a'\] .*\['y'\]"),
    (lambda: ag.draw(3), TypeError, "draw: output must be a tensor or .*got 3"),
    (lambda: ag.summary(3, (1,)), TypeError, "summary: model must be a module, got 3"),
    (lambda: ag.tensor("a"), TypeError, "Tensor: data must be an array of numbers, got 'a'"),
    (lambda: ag.Tensor([x(1)]), TypeError, r"Tensor: data is a list of tensors.*ag\.stack"),
    # activations
    *(
        (lambda n=n: getattr(F, n)("text"), TypeError, f"^{n}: {WORD}")
        for n in F.activations.__all__
    ),
    (lambda: F.gelu(x(2), "erf"), ValueError, "gelu: approximate must be 'none' or 'tanh'"),
    (lambda: F.hardtanh(x(2), 2, 1), ValueError, "hardtanh: min_val 2 must be less than max_val 1"),
    (lambda: F.softplus(x(2), beta=0), ValueError, "softplus: beta must not be 0"),
    (lambda: F.softmax(x(2), 3), ValueError, "softmax: axis 3 is out of range for 1 axes"),
    (lambda: F.log_softmax(x(2), 3), ValueError, "log_softmax: axis 3 is out of range for 1 axes"),
    *((lambda n=n: getattr(nn, n)()("text"), TypeError, WORD) for n in nn.activations.__all__),
    (lambda: nn.GELU("erf"), ValueError, "GELU: approximate must be .*'erf'"),
    (lambda: nn.Softmax(3)(x(2)), ValueError, "softmax: axis 3 is out of range for 1 axes"),
    (lambda: nn.LogSoftmax(3)(x(2)), ValueError, "log_softmax: axis 3 is out of range for 1 axes"),
    (lambda: nn.Softplus(beta=0), ValueError, "Softplus: beta must not be 0"),
    # convolution and pooling
    (
        lambda: F.conv_transpose3d(x(1, 1), x(1, 1, 1, 1, 1)),
        ValueError,
        r"conv_transpose3d: input must have shape \(N, C, D, H, W\), got \(1, 1\)",
    ),
    (lambda: F.avg_pool3d(x(1, 1, 2, 2, 2), 3), ValueError, "avg_pool3d: the kernel reaches over"),
    (lambda: F.adaptive_avg_pool3d(x(1, 1), 1), ValueError, "adaptive_avg_pool3d: input must"),
    (lambda: nn.ConvTranspose3d(0, 1, 1), ValueError, "ConvTranspose3d: in_channels must be at"),
    (lambda: nn.AvgPool2d(0), ValueError, "AvgPool2d: kernel_size must be at least 1, got 0"),
    (lambda: nn.AvgPool3d(2, padding=2), ValueError, "AvgPool3d: padding may be at most half"),
    (lambda: nn.MaxPool1d(0), ValueError, "MaxPool1d: kernel_size must be at least 1, got 0"),
    (lambda: nn.MaxPool2d(2, padding=2), ValueError, "MaxPool2d: padding may be at most half"),
    (lambda: nn.AdaptiveAvgPool1d(2)(x(1, 1)), ValueError, "adaptive_avg_pool1d: input must"),
    (lambda: nn.AdaptiveAvgPool2d(0), ValueError, "AdaptiveAvgPool2d: output_size must be pos"),
    (lambda: nn.AdaptiveAvgPool3d(1)(x(1, 1)), ValueError, "adaptive_avg_pool3d: input must"),
    *(
        (
            lambda kind=kind: kind(0),
            ValueError,
            f"{kind.__name__}: output_size must be positive, an int or [123] of them",
        )
        for kind in (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)
    ),
    (lambda: nn.Unfold(0), ValueError, "Unfold: kernel_size must be at least 1, got 0"),
    (lambda: nn.Unfold(2, padding=-1), ValueError, "Unfold: padding must be at least 0, got -1"),
    (lambda: nn.Unfold((2, 2, 2)), ValueError, "Unfold: kernel_size .* one for each of 2 axes"),
    (lambda: nn.Fold(0, 2), ValueError, "Fold: output_size must be at least 1, got 0"),
    (
        lambda: nn.Fold(4, 2)(x(1, 4, 3)),
        ValueError,
        r"fold: input must have shape \(N, C \* 4, 9\)",
    ),
    (lambda: nn.Upsample(), ValueError, "Upsample: give either size or scale_factor"),
    # normalisation
    (lambda: nn.BatchNorm1d(3)(x(2, 4)), ValueError, "BatchNorm1d: .*4 channels, .* is 3"),
    (lambda: nn.BatchNorm2d(3)(x(2, 3)), ValueError, r"BatchNorm2d: .*\(N, C, H, W\), got \(2, 3"),
    (lambda: nn.InstanceNorm1d(3)(x(2, 2, 4)), ValueError, "InstanceNorm1d: .*has 2 channels"),
    (lambda: nn.InstanceNorm3d(3)(x(2, 3, 4)), ValueError, r"InstanceNorm3d: .*\(N, C, D, H, W\)"),
    # losses
    *(
        (
            lambda kind=kind: kind(reduction="avg"),
            ValueError,
            f"{kind.__name__}: reduction must be 'mean' or 'sum' or 'none', got 'avg'",
        )
        for kind in (nn.BCEWithLogitsLoss, nn.CrossEntropyLoss, nn.MSELoss, nn.NLLLoss)
    ),
    # modules
    (lambda: nn.Module()(1), NotImplementedError, "Module: define forward"),
    (lambda: nn.Module().train(3), TypeError, "Module.train: mode must be True or False, got 3"),
    (lambda: nn.Module().register_buffer("train", 3), ValueError, "'train' is already an attri"),
    (lambda: nn.Linear(2, 1).load_state_dict(3), TypeError, "Linear.load_state_dict: .*got 3"),
    (lambda: nn.Linear(2, 1).load_state_dict({}), ValueError, "missing: weight\n  missing: bias"),
    (lambda: nn.IncompatibleKeys([]), TypeError, "'unexpected_keys'"),
    (lambda: nn.Linear(0, 1), ValueError, "Linear: in_features must be at least 1, got 0"),
    (lambda: nn.Flatten(3)(x(2, 2)), ValueError, r"flatten: start_dim=3.*\(2, 2\)"),
    (lambda: nn.Unflatten(1, (4, -1))(x(2, 6)), ValueError, r"unflatten: axis 1 .*\(4, -1\)"),
    (lambda: nn.Identity()(), TypeError, "'input'"),
    (lambda: nn.Sequential(3), TypeError, "Sequential: expected modules, got int"),
    (lambda: nn.Parameter("a"), TypeError, "Parameter: data must be an array of numbers, got 'a'"),
    (lambda: nn.Parameter(np.array([1])), TypeError, "only floating tensors .*int64"),
    (lambda: nn.init.zeros_(3), TypeError, "tensor must be a Tensor, got 3"),
    # optimisers and schedules
    (lambda: optim.Optimizer([3], {}), TypeError, "Optimizer: parameter 0 must be a tensor"),
    (lambda: optim.Optimizer([], {}), ValueError, "Optimizer: got no parameters"),
    (lambda: sgd().add_param_group(3), TypeError, 'SGD: a parameter group is a dict .*"params"'),
    (lambda: optim.Adam([x(1)], betas=0.9), ValueError, "Adam: betas must be two numbers, got 0.9"),
    (lambda: optim.AdamW([x(1)], eps=-1), ValueError, "AdamW: eps must be at least 0, got -1"),
    (
        lambda: optim.NAdam([x(1)], betas=(0.9, 1)),
        ValueError,
        r"NAdam: betas\[1\] .* below 1, got 1",
    ),
    (lambda: optim.Adagrad([x(1)], lr="a"), TypeError, "Adagrad: lr must be a number, got 'a'"),
    (
        lambda: optim.RMSprop([x(1)], alpha=2),
        ValueError,
        "RMSprop: alpha must be .* at most 1, got",
    ),
    (lambda: optim.Adadelta([x(1)], rho=-1), ValueError, "Adadelta: rho must be at least 0 and at"),
    (lambda: optim.LRScheduler(3), TypeError, "LRScheduler: expected an optimizer, got int"),
    (lambda: optim.LRScheduler(sgd()), NotImplementedError, "LRScheduler: define _lr"),
    (lambda: optim.StepLR(sgd(), 0), ValueError, "StepLR: step_size must be at least 1, got 0"),
    (lambda: optim.CosineAnnealingLR(sgd(), 0), ValueError, "CosineAnnealingLR: T_max must be"),
    (lambda: optim.OneCycleLR(sgd(), 0.1), ValueError, "OneCycleLR: give total_steps, or epochs"),
    (lambda: optim.MultiStepLR(sgd(), 3), TypeError, "MultiStepLR: milestones must be a list of"),
    (lambda: optim.ExponentialLR(sgd(), "a"), TypeError, "ExponentialLR: gamma must be a number"),
    (lambda: optim.InverseTimeLR(sgd(), -1), ValueError, "InverseTimeLR: decay must be at least 0"),
    (lambda: optim.LinearLR(sgd(), 0), ValueError, "LinearLR: start_factor must be above 0 and at"),
    (lambda: optim.LambdaLR(sgd(), 0.5), TypeError, "LambdaLR: lr_lambda must be a function"),
    (lambda: optim.ReduceLROnPlateau(sgd(), "up"), ValueError, "mode must be 'min' or 'max', got"),
    (
        lambda: nn.utils.clip_grad_norm_([x(1)], -1),
        ValueError,
        "max_norm must be at least 0, got -1",
    ),
    (lambda: nn.utils.clip_grad_value_(3, 1), TypeError, "clip_grad_value_: parameters must be an"),
    # data
    (lambda: data.DataLoader(3), TypeError, "dataset: expected a NumPy array, got int"),
    (lambda: data.DataLoader(np.ones(3), 0), ValueError, "DataLoader: batch_size must be at"),
    (lambda: data.Subset(np.ones(3), [5]), IndexError, "Subset: index 5 is out of range for 3"),
    (lambda: data.TensorDataset(), ValueError, "TensorDataset: expected at least one array"),
    (lambda: data.TensorDataset(np.ones(2), np.ones(3)), ValueError, "equal lengths, got 2, 3"),
    (lambda: data.random_split(np.ones(3), [1, 1]), ValueError, "random_split: lengths .*the 3"),
    (lambda: data.read_idx("no-such-file"), FileNotFoundError, "no-such-file"),
    (lambda: data.mnist("no-such-folder"), FileNotFoundError, "root: .*no-such-folder"),
    # transforms of functions
    (lambda: func.grad(total)(np.array([1])), TypeError, "grad: can only .*floating.*int64"),
    (lambda: func.grad(squares)(np.ones(2)), ValueError, r"grad: .*single value, got .*\(2,\)"),
    (lambda: func.value_and_grad(squares)(np.ones(2)), ValueError, "value_and_grad: .*single"),
    (lambda: func.vjp(total, np.ones(2))[1](np.ones(3)), ValueError, r"vjp: direction 0 .*\(3,\)"),
    (
        lambda: func.jvp(total, (np.ones(2),), (np.ones(3),)),
        ValueError,
        r"jvp: direction 0 .*\(3,\).* must have shape \(2,\)",
    ),
    (
        lambda: func.hvp(total, np.ones(2), np.ones(2)),
        TypeError,
        "hvp: primals must be a tuple or a list",
    ),
    (lambda: func.jacobian(total)(np.array([1])), TypeError, "jacobian: can only .*int64"),
    (lambda: func.jacrev(total, argnums=2)(np.ones(2)), ValueError, "jacrev: argnums 2 but 1"),
    (
        lambda: func.jacfwd(total, argnums="a")(1.0),
        TypeError,
        "jacfwd: argnums must be an integer or .*got 'a'",
    ),
    (
        lambda: func.functional_call(nn.Linear(2, 1), {"scale": x(1)}, x(2)),
        ValueError,
        "functional_call: Linear has no parameter or buffer 'scale'; there are weight, bias",
    ),
    (
        lambda: func.functional_call(nn.Linear(2, 1), {"weight": x(3)}, x(2)),
        ValueError,
        r"functional_call: weight must have shape \(1, 2\), got \(3,\)",
    ),
    (
        lambda: func.functional_call(nn.Linear(2, 1), {"weight": "text"}, x(2)),
        TypeError,
        "functional_call: weight must be an array of numbers, got 'text'",
    ),
    (lambda: func.functional_call(3, {}), TypeError, "functional_call: module must be a module"),
    (
        lambda: func.functional_call(nn.ReLU(), 3),
        TypeError,
        "functional_call: parameters must be a mapping from paths to .*got 3",
    ),
    (lambda: func.hessian(total)("text"), TypeError, "hessian: can only differentiate by floating"),
]
