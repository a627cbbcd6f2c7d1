"""Every layer: that it is its function, its gradients, its dtypes, its text, its complaints."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn
from autograd_cnn.nn.function import MadeModule


@pytest.fixture(autouse=True)
def _seed() -> None:
    ag.manual_seed(0)


@pytest.fixture
def _float64() -> Any:
    ag.set_default_dtype("float64")
    yield
    ag.set_default_dtype("float32")


def spaced(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """A permutation of evenly spaced non-zero numbers: no difference crosses a kink or a tie."""
    size = int(np.prod(shape))
    values = (np.arange(size) - size // 2 + 0.5) / size * 4
    return np.random.default_rng(seed).permutation(values).reshape(shape).astype(dtype)


# Functions by the name of their layer, in small letters.
FUNCTIONS = {name.replace("_", ""): getattr(F, name) for name in F.__all__} | {
    "upsample": F.interpolate,
    "identity": lambda x: x,
    "bcewithlogitsloss": F.binary_cross_entropy_with_logits,
    "crossentropyloss": F.cross_entropy,
    "kldivloss": F.kl_div,
    **{
        f"{kind}pad{axes}d": lambda x, pad, value=None, mode=mode: F.pad(x, pad, mode, value)
        for axes in (1, 2, 3)
        for kind, mode in {
            **{"zero": "constant", "constant": "constant", "reflection": "reflect"},
            **{"replication": "replicate", "circular": "circular"},
        }.items()
    },
}

# A layer, its arguments, the shape of an input, and what its function takes after the input and the
# parameters.
LAYERS: list[tuple[str, tuple[Any, ...], tuple[int, ...], tuple[Any, ...]]] = [
    ("Linear", (3, 4), (2, 3), ()),
    ("Linear", (3, 4, False), (2, 5, 3), ()),
    ("Conv1d", (2, 4, 3, 2, 1, 1, 2), (2, 2, 6), (2, 1, 1, 2)),
    (
        "Conv2d",
        (4, 6, (3, 2), (2, 1), (1, 0), (1, 2), 2),
        (2, 4, 5, 6),
        ((2, 1), (1, 0), (1, 2), 2),
    ),
    ("Conv2d", (4, 2, (2, 3), 1, "same", (1, 2), 2, False), (2, 4, 4, 5), (1, "same", (1, 2), 2)),
    ("Conv3d", (1, 2, (1, 2, 2), 1, "same"), (2, 1, 2, 3, 2), (1, "same")),
    ("ConvTranspose1d", (2, 2, 3, 2, 1, 1, 2), (2, 2, 4), (2, 1, 1, 2)),
    ("ConvTranspose2d", (4, 6, (2, 3), 3, 1, 2, 2, False, 2), (1, 4, 2, 3), (3, 1, 2, 2, 2)),
    ("ConvTranspose3d", (1, 2, 2, 1, 0, 0, 1, True, 2), (1, 1, 1, 2, 2), (1, 0, 0, 1, 2)),
    ("MaxPool1d", (3, 2, 1), (2, 2, 6), (3, 2, 1)),
    ("MaxPool2d", ((3, 2), 2, 1, (1, 2), False, True), (2, 2, 5, 6), ((3, 2), 2, 1, (1, 2), True)),
    ("MaxPool3d", (2,), (1, 2, 3, 3, 2), (2,)),
    ("AvgPool1d", (3, 2, 1, True, False), (2, 2, 6), (3, 2, 1, True, False)),
    ("AvgPool2d", ((2, 3), 2, (1, 0), True, False), (1, 2, 5, 5), ((2, 3), 2, (1, 0), True, False)),
    ("AvgPool3d", (2, None, 0, False, True, 3), (1, 2, 2, 4, 2), (2, None, 0, False, True, 3)),
    ("AdaptiveAvgPool1d", (2,), (2, 2, 5), (2,)),
    ("AdaptiveAvgPool2d", ((1, 2),), (2, 2, 4, 4), ((1, 2),)),
    ("AdaptiveAvgPool3d", (1,), (2, 2, 2, 2, 2), (1,)),
    ("AdaptiveMaxPool1d", (3,), (2, 2, 5), (3,)),
    ("AdaptiveMaxPool2d", (2,), (2, 1, 3, 5), (2,)),
    ("AdaptiveMaxPool3d", ((1, None, 2),), (1, 2, 2, 2, 3), ((1, None, 2),)),
    ("Fold", ((3, 5), (2, 3), 1, (1, 0), 2), (2, 12, 4), ((3, 5), (2, 3), 1, (1, 0), 2)),
    ("Unfold", ((2, 1), 2, 1, 2), (1, 2, 3, 3), ((2, 1), 2, 1, 2)),
    ("Upsample", ((4, 7), None, "bilinear", True), (1, 2, 2, 3), ((4, 7), None, "bilinear", True)),
    ("Upsample", (None, 1.5), (1, 2, 2, 3), (None, 1.5)),
    ("BatchNorm1d", (3,), (4, 3), ()),
    ("BatchNorm1d", (3,), (4, 3, 2), ()),
    ("BatchNorm2d", (2, 0.1), (3, 2, 2, 2), ()),
    ("BatchNorm2d", (2, 0.1, 0.1, False, False), (3, 2, 2, 2), ()),
    ("BatchNorm3d", (2,), (2, 2, 1, 2, 2), ()),
    ("InstanceNorm1d", (2,), (2, 2, 3), ()),
    ("InstanceNorm2d", (2, 0.1, 0.1, True), (2, 2, 2, 2), ()),
    ("InstanceNorm3d", (2, 0.1, 0.1, True, True), (2, 2, 2, 1, 2), ()),
    ("LayerNorm", ((2, 3), 0.1), (3, 2, 3), ((2, 3), 0.1)),
    ("LayerNorm", (3, 0.1, True, False), (3, 2, 3), (3, 0.1)),
    ("GroupNorm", (2, 4, 0.1), (2, 4, 3), (2, 0.1)),
    *((name, (), (3, 4), ()) for name in ("ReLU", "Tanh", "Sigmoid", "SELU", "SiLU", "Mish")),
    *((name, (), (3, 4), ()) for name in ("LogSigmoid", "GELU", "Identity")),
    ("LeakyReLU", (0.3,), (3, 4), (0.3,)),
    ("ELU", (0.7,), (3, 4), (0.7,)),
    ("GELU", ("tanh",), (3, 4), ("tanh",)),
    ("Softplus", (2.0, 1.3), (3, 4), (2.0, 1.3)),
    ("Hardtanh", (-0.7, 0.4), (3, 4), (-0.7, 0.4)),
    *((name, (), (3, 4), ()) for name in ("ReLU6", "Hardsigmoid", "Hardswish", "Softsign")),
    *((name, (0.3,), (3, 4), (0.3,)) for name in ("Softshrink", "Hardshrink", "CELU")),
    ("Tanhshrink", (), (3, 4), ()),
    ("Threshold", (0.3, -1.0), (3, 4), (0.3, -1.0)),
    ("GLU", (0,), (4, 3), (0,)),
    ("Softmin", (0,), (3, 4), (0,)),
    ("PReLU", (), (3, 4), ()),
    ("PReLU", (4,), (3, 4), ()),
    ("PixelShuffle", (2,), (1, 4, 2, 3), (2,)),
    ("PixelUnshuffle", (2,), (1, 2, 4), (2,)),
    ("LocalResponseNorm", (2, 0.3), (2, 4, 3), (2, 0.3)),
    ("RMSNorm", ((2, 3), 0.1), (3, 2, 3), ((2, 3), 0.1)),
    ("RMSNorm", (3,), (3, 2, 3), ((3,), None)),
    *(
        (f"{kind}Pad{axes}d", (pad, *value), (1, 2, 4, 3, 5)[: axes + 2], (pad * 2 * axes, *value))
        for axes in (1, 2, 3)
        for pad in ((1,),)
        for kind, value in {"Zero": (), "Constant": (0.5,), "Reflection": ()}.items()
    ),
    *((f"ReplicationPad{n}d", ((1, 2) * n,), (2,) * (n + 2), ((1, 2) * n,)) for n in (1, 2, 3)),
    *((f"CircularPad{n}d", ((1, 2) * n,), (2,) * (n + 2), ((1, 2) * n,)) for n in (1, 2, 3)),
    ("Softmax", (0,), (3, 4), (0,)),
    ("LogSoftmax", (0,), (3, 4), (0,)),
    ("Flatten", (), (2, 3, 4), (1,)),
    ("Flatten", (0, 1), (2, 3, 4), (0, 1)),
    ("Unflatten", (1, (2, -1)), (3, 4), (1, (2, -1))),
    ("Dropout", (0.3,), (3, 4), (0.3,)),
    ("Dropout2d", (0.3,), (3, 4, 2), (0.3,)),
]
# They take whole numbers, draw slopes, take two inputs, or hold other layers; losses have a table of their own.
ELSEWHERE = {"Embedding", "Module", "Sequential", "RReLU", "CosineSimilarity", "PairwiseDistance"}
ELSEWHERE |= {f"MaxUnpool{axes}d" for axes in (1, 2, 3)}
ELSEWHERE |= {"Bilinear", "ModuleList", "ModuleDict", "ParameterList", "MultiheadAttention"}
ELSEWHERE |= {"TransformerEncoder", "TransformerEncoderLayer", "RNN", "LSTM", "GRU"}
ELSEWHERE |= {"RNNCell", "LSTMCell", "GRUCell"}
every_layer = pytest.mark.parametrize(
    ("name", "given", "shape", "settings"), LAYERS, ids=[f"{n}-{g}" for n, g, *_ in LAYERS]
)


def expected(layer: Any, x: Any, settings: tuple[Any, ...]) -> Any:
    """What the function of a layer makes of x."""
    name = type(layer).__name__
    given = [getattr(layer, n) for n in ("weight", "bias") if hasattr(layer, n)]
    if name.startswith(("BatchNorm", "InstanceNorm")):
        own = layer.training or layer.running_mean is None
        function = F.batch_norm if name.startswith("Batch") else F.instance_norm
        running = (None, None) if own else (layer.running_mean, layer.running_var)
        return function(x, *running, *given, own, eps=layer.eps)
    if name in ("LayerNorm", "GroupNorm"):
        return FUNCTIONS[name.lower()](x, settings[0], *given, settings[1])
    if name == "RMSNorm":
        return F.rms_norm(x, settings[0], layer.weight, settings[1])
    return FUNCTIONS[name.lower()](x, *given, *settings)


def test_every_layer_has_a_row() -> None:
    classes = {n for n in nn.__all__ if inspect.isclass(getattr(nn, n))}
    layers = {n for n in classes if issubclass(getattr(nn, n), nn.Module) and "Loss" not in n}
    rows = {name for name, *_ in LAYERS}
    missing, left_over = sorted(layers - ELSEWHERE - rows), sorted(rows - (layers - ELSEWHERE))
    assert missing == [], "layers without a row: add one to LAYERS in tests/test_nn.py"
    assert left_over == [], "rows without a layer: delete them from LAYERS in tests/test_nn.py"


def test_every_activation_has_a_layer() -> None:
    with_layer = {getattr(nn, name).function for name in nn.activations.__all__}
    missing = [n for n in F.activations.__all__ if getattr(F, n) not in with_layer]
    assert missing == [], "activations without a layer: add one in autograd_cnn/nn/activations.py"


@every_layer
def test_a_layer_is_its_function(name: str, given: Any, shape: Any, settings: Any) -> None:
    layer, x = getattr(nn, name)(*given), spaced(*shape, dtype=np.float32)
    for _ in range(2):  # in training and in evaluation
        ag.manual_seed(0)
        found = layer(x)
        ag.manual_seed(0)
        same = name.startswith("Dropout") and not layer.training
        np.testing.assert_array_equal(found, x if same else expected(layer, x, settings))
        layer.eval()


def test_indices_come_with_max_pooling() -> None:
    for axes in (1, 2, 3):
        x = spaced(2, 3, *(5, 6, 7)[:axes])
        pool = getattr(nn, f"MaxPool{axes}d")(3, 2, 1, 1, True, True)
        expected = getattr(F, f"max_pool{axes}d")(x, 3, 2, 1, 1, True, True)
        adaptive = getattr(nn, f"AdaptiveMaxPool{axes}d")(2, True)
        more = getattr(F, f"adaptive_max_pool{axes}d")(x, 2, True)
        for found, wanted in zip((*pool(x), *adaptive(x)), (*expected, *more)):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("training", [True, False])
@every_layer
@pytest.mark.usefixtures("_float64")
def test_gradients_equal_differences(
    name: str, given: Any, shape: Any, settings: Any, training: bool
) -> None:
    layer = getattr(nn, name)(*given).train(training and "Dropout" not in name)
    x = ag.tensor(spaced(*shape), requires_grad=True)
    out = layer(x)
    cotangent = np.random.default_rng(1).normal(size=out.shape)
    out.backward(cotangent)
    for leaf in (x, *layer.parameters()):
        numerical = np.zeros(leaf.shape)
        step = 1e-6
        for index in np.ndindex(leaf.shape):
            ends = []
            for sign in (1, -1):
                kept = leaf.array[index]
                leaf.array[index] = kept + sign * step
                with ag.no_grad():
                    ends.append((layer(x).numpy() * cotangent).sum())
                leaf.array[index] = kept
            numerical[index] = (ends[0] - ends[1]) / (2 * step)
        # Central differences: rounding 1e-16 / 1e-6, and about 1e-12 from the third derivative.
        np.testing.assert_allclose(leaf.grad.numpy(), numerical, rtol=1e-6, atol=1e-7)


@every_layer
def test_float32_stays_float32_and_parameters_are_contiguous(
    name: str, given: Any, shape: Any, settings: Any
) -> None:
    layer = getattr(nn, name)(*given)
    assert all(p.array.flags.c_contiguous for p in layer.parameters())
    assert all(p.requires_grad and p.is_leaf for p in layer.parameters())
    x = ag.tensor(spaced(*shape, dtype=np.float32), requires_grad=True)
    out = layer(x)
    out.sum().backward()
    gradients = [x.grad, *(p.grad for p in layer.parameters())]
    assert {out.dtype, *(g.dtype for g in gradients)} == {np.dtype(np.float32)}
    assert {b.dtype for b in layer.buffers()} <= {np.dtype(np.float32), np.dtype(np.int64)}


CLASSES = np.array([0, 2, 1, -100])
WEIGHT = [1.0, 2.0, 3.0]
# A loss, classes as targets (None: values), and what its function takes after the target.
LOSSES: list[tuple[nn.Module, Any, tuple[Any, ...]]] = [
    (
        nn.CrossEntropyLoss(WEIGHT, reduction="sum", label_smoothing=0.1),
        CLASSES,
        (WEIGHT, -100, "sum", 0.1),
    ),
    (nn.CrossEntropyLoss(ignore_index=0), CLASSES[:3], (None, 0)),
    (nn.NLLLoss(WEIGHT, ignore_index=1, reduction="none"), CLASSES[:3], (WEIGHT, 1, "none")),
    (
        nn.BCEWithLogitsLoss(WEIGHT, reduction="sum", pos_weight=[3.0] * 3),
        None,
        (WEIGHT, "sum", [3.0] * 3),
    ),
    (nn.MSELoss(reduction="none"), None, ("none",)),
    (nn.L1Loss(reduction="sum"), None, ("sum",)),
    (nn.SmoothL1Loss(reduction="none", beta=0.5), None, ("none", 0.5)),
    (nn.HuberLoss("sum", 0.5), None, ("sum", 0.5)),
    (nn.KLDivLoss(reduction="batchmean"), None, ("batchmean",)),
    (nn.KLDivLoss(log_target=True), None, ("mean", True)),
]


def test_losses_are_their_functions() -> None:
    x, values = spaced(4, 3), np.abs(spaced(4, 3, seed=1))
    rows = {type(loss).__name__ for loss, _, _ in LOSSES}
    # Those made of their functions are compared in test_functions.py.
    names = {n for n in nn.losses.__all__ if not issubclass(getattr(nn, n), MadeModule)}
    missing = sorted(names - rows)
    assert missing == [], "losses without a row: add one to LOSSES in tests/test_nn.py"
    for loss, classes, settings in LOSSES:
        x_, target = (x, values) if classes is None else (x[: len(classes)], classes)
        expected = FUNCTIONS[type(loss).__name__.lower()](x_, target, *settings)
        np.testing.assert_array_equal(loss(x_, target), expected)
    assert nn.MSELoss()(x, values) == pytest.approx(((x - values) ** 2).mean(), rel=1e-14)


# Names, order and defaults are PyTorch's, except that losses' later settings are given by name.
SIGNATURES = """
conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)
conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1)
max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False)
avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None)
adaptive_avg_pool2d(input, output_size)
adaptive_max_pool2d(input, output_size, return_indices=False)
unfold(input, kernel_size, dilation=1, padding=0, stride=1)
fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1)
interpolate(input, size=None, scale_factor=None, mode='nearest', align_corners=None)
linear(input, weight, bias=None)
dropout(input, p=0.5, training=True)
leaky_relu(input, negative_slope=0.01)
elu(input, alpha=1.0)
softplus(input, beta=1.0, threshold=20.0)
hardtanh(input, min_val=-1.0, max_val=1.0)
cross_entropy(input, target, weight=None, ignore_index=-100, reduction='mean', label_smoothing=0.0)
nll_loss(input, target, weight=None, ignore_index=-100, reduction='mean')
binary_cross_entropy_with_logits(input, target, weight=None, reduction='mean', pos_weight=None)
Conv2d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode='zeros')
ConvTranspose2d(in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, dilation=1, padding_mode='zeros')
MaxPool2d(kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False)
AvgPool2d(kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None)
Linear(in_features, out_features, bias=True)
Flatten(start_dim=1, end_dim=-1)
Embedding(num_embeddings, embedding_dim, padding_idx=None)
scaled_dot_product_attention(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None)
MultiheadAttention(embed_dim, num_heads, dropout=0.0, bias=True, *, kdim=None, vdim=None, batch_first=False)
TransformerEncoderLayer(d_model, nhead, dim_feedforward=2048, dropout=0.1, activation='relu', layer_norm_eps=1e-05, batch_first=False, norm_first=False, bias=True)
RNN(input_size, hidden_size, num_layers=1, nonlinearity='tanh', bias=True, batch_first=False, dropout=0.0, bidirectional=False)
LSTM(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False)
RNNCell(input_size, hidden_size, bias=True, nonlinearity='tanh')
GRUCell(input_size, hidden_size, bias=True)
RMSNorm(normalized_shape, eps=None, elementwise_affine=True)
Bilinear(in1_features, in2_features, out_features, bias=True)
Upsample(size=None, scale_factor=None, mode='nearest', align_corners=None)
LeakyReLU(negative_slope=0.01)
Softplus(beta=1.0, threshold=20.0)
CrossEntropyLoss(weight=None, *, ignore_index=-100, reduction='mean', label_smoothing=0.0)
"""


@pytest.mark.parametrize("line", SIGNATURES.strip().split("\n"))
def test_signatures_are_pytorchs(line: str) -> None:
    name = line.partition("(")[0]
    for axes in "123" if "2d(" in line else "2":
        found = getattr(F, name.replace("2d", f"{axes}d"), None) or getattr(
            nn, name.replace("2d", f"{axes}d")
        )
        bare = [p.replace(annotation=p.empty) for p in inspect.signature(found).parameters.values()]
        text = f"{name}{inspect.Signature(bare)}"
        without_divisor = name.lower().startswith("avg") and axes == "1"
        assert text == (line.replace(", divisor_override=None", "") if without_divisor else line)


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (nn.Linear(3, 2), "Linear(in_features=3, out_features=2, bias=True)"),
        (nn.Conv1d(1, 4, 3), "Conv1d(1, 4, kernel_size=(3,), stride=(1,))"),
        (
            nn.Conv2d(4, 8, 3, 2, (1, 0), 2, 2, False),
            "Conv2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 0), dilation=(2, 2), "
            "groups=2, bias=False)",
        ),
        (
            nn.ConvTranspose2d(2, 4, 3, 2, 1, 1, bias=False),
            "ConvTranspose2d(2, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), "
            "output_padding=(1, 1), bias=False)",
        ),
        (
            nn.MaxPool2d(2),
            "MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=False)",
        ),
        (nn.AvgPool2d(3, 2), "AvgPool2d(kernel_size=3, stride=2, padding=0)"),
        (nn.AdaptiveAvgPool2d((1, None)), "AdaptiveAvgPool2d(output_size=(1, None))"),
        (nn.Upsample(scale_factor=2), "Upsample(scale_factor=2, mode='nearest')"),
        (
            nn.BatchNorm2d(4),
            "BatchNorm2d(4, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)",
        ),
        (nn.LayerNorm(4), "LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)"),
        (nn.GroupNorm(2, 4), "GroupNorm(2, 4, eps=1e-05, affine=True)"),
        (nn.RMSNorm(4), "RMSNorm((4,), eps=None, elementwise_affine=True)"),
        (
            nn.Bilinear(2, 3, 4),
            "Bilinear(in1_features=2, in2_features=3, out_features=4, bias=True)",
        ),
        (nn.ReflectionPad2d((1, 0, 2, 3)), "ReflectionPad2d((1, 0, 2, 3))"),
        (nn.ConstantPad1d(2, 0.5), "ConstantPad1d(padding=(2, 2), value=0.5)"),
        (
            nn.Conv1d(1, 4, 3, padding="same", padding_mode="reflect"),
            "Conv1d(1, 4, kernel_size=(3,), stride=(1,), padding='same', padding_mode='reflect')",
        ),
        (nn.Embedding(5, 3, -1), "Embedding(5, 3, padding_idx=4)"),
        (nn.ReLU(), "ReLU()"),
        (nn.GELU(), "GELU(approximate='none')"),
        (nn.Hardtanh(), "Hardtanh(min_val=-1.0, max_val=1.0)"),
        (nn.Flatten(), "Flatten(start_dim=1, end_dim=-1)"),
        (nn.Unflatten(1, (2, 3)), "Unflatten(dim=1, unflattened_size=(2, 3))"),
        (nn.Dropout2d(), "Dropout2d(p=0.5)"),
        (nn.HuberLoss(), "HuberLoss()"),
    ],
)
def test_repr(layer: nn.Module, text: str) -> None:
    assert repr(layer) == text
