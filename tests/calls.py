"""A valid call of every public function: what the tests spoil, an argument at a time."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from autograd_cnn import functional as F
from autograd_cnn import nn
from tests.snippets import value


class Call(NamedTuple):
    """A function and its arguments by name, those left out at their defaults."""

    function: Callable[..., Any]
    given: dict[str, Any]


def read(text: str) -> Call:
    node = ast.parse(text, mode="eval").body
    assert isinstance(node, ast.Call)
    function = value(ast.unparse(node.func))
    parameters = inspect.signature(function).parameters.values()
    given = {p.name: p.default for p in parameters if p.default is not p.empty}
    return Call(
        function, given | {k.arg: value(ast.unparse(k.value)) for k in node.keywords if k.arg}
    )


# Nd stands for 1d, 2d and 3d, SIDES and KERNEL for so many sides of an image and of a kernel.
OF_RANK = """
F.convNd(input=x(1, 2, SIDES), weight=x(2, 2, KERNEL), bias=x(2))
F.conv_transposeNd(input=x(1, 2, SIDES), weight=x(2, 2, KERNEL), bias=x(2))
F.max_poolNd(input=x(1, 2, SIDES), kernel_size=2)
F.avg_poolNd(input=x(1, 2, SIDES), kernel_size=2)
F.adaptive_avg_poolNd(input=x(1, 2, SIDES), output_size=2)
F.adaptive_max_poolNd(input=x(1, 2, SIDES), output_size=2)
nn.ConvNd(in_channels=2, out_channels=2, kernel_size=3)
nn.ConvTransposeNd(in_channels=2, out_channels=2, kernel_size=3)
nn.MaxPoolNd(kernel_size=2)
nn.AvgPoolNd(kernel_size=2)
nn.AdaptiveAvgPoolNd(output_size=2)
nn.AdaptiveMaxPoolNd(output_size=2)
F.max_unpoolNd(input=x(1, 2, SIDES), indices=np.zeros((1, 2, SIDES), int), kernel_size=2)
nn.MaxUnpoolNd(kernel_size=2)
nn.ZeroPadNd(padding=1)
nn.ConstantPadNd(padding=1, value=0.5)
nn.ReflectionPadNd(padding=1)
nn.ReplicationPadNd(padding=1)
nn.CircularPadNd(padding=1)
nn.BatchNormNd(num_features=2)
nn.InstanceNormNd(num_features=2)
"""
OTHERS = """
F.unfold(input=x(1, 1, 4, 4), kernel_size=2)
F.fold(input=x(1, 4, 9), output_size=(4, 4), kernel_size=2)
F.dropout(input=x(2, 3))
F.dropout2d(input=x(4, 2, 3))
F.embedding(input=[0, 1], weight=x(3, 2))
F.flatten(input=x(2, 3))
F.gather(input=x(2, 3), dim=1, index=np.array([[2]]))
F.unflatten(input=x(2, 6), dim=1, sizes=(2, 3))
F.linear(input=x(2, 3), weight=x(4, 3))
F.one_hot(target=[0, 1])
F.batch_norm(input=x(4, 2), training=True)
F.group_norm(input=x(4, 2, 3), num_groups=2)
F.layer_norm(input=x(4, 2), normalized_shape=2)
F.instance_norm(input=x(4, 2, 3))
F.cross_entropy(input=x(2, 3), target=np.array([0, 1]))
F.nll_loss(input=x(2, 3), target=np.array([0, 1]))
F.binary_cross_entropy_with_logits(input=x(2, 3), target=x(2, 3))
F.mse_loss(input=x(2, 3), target=x(2, 3))
F.l1_loss(input=x(2, 3), target=x(2, 3))
F.huber_loss(input=x(2, 3), target=x(2, 3))
F.smooth_l1_loss(input=x(2, 3), target=x(2, 3))
F.kl_div(input=x(2, 3), target=x(2, 3))
F.bilinear(input1=x(2), input2=x(3), weight=x(4, 2, 3))
F.prelu(input=x(2, 3), weight=x(3))
F.rms_norm(input=x(2, 3), normalized_shape=3)
F.local_response_norm(input=x(1, 2, 3), size=2)
F.scaled_dot_product_attention(query=x(2, 3), key=x(4, 3), value=x(4, 2))
nn.MultiheadAttention(embed_dim=4, num_heads=2)
nn.TransformerEncoderLayer(d_model=4, nhead=2, dim_feedforward=4)
nn.TransformerEncoder(encoder_layer=nn.ReLU(), num_layers=2)
nn.RNN(input_size=2, hidden_size=3)
nn.LSTM(input_size=2, hidden_size=3)
nn.GRU(input_size=2, hidden_size=3)
nn.RNNCell(input_size=2, hidden_size=3)
nn.LSTMCell(input_size=2, hidden_size=3)
nn.GRUCell(input_size=2, hidden_size=3)
nn.RMSNorm(normalized_shape=3)
nn.Bilinear(in1_features=2, in2_features=3, out_features=4)
nn.PReLU()
nn.LocalResponseNorm(size=2)
nn.PixelShuffle(upscale_factor=2)
nn.PixelUnshuffle(downscale_factor=2)
F.pad(input=x(2, 3), pad=(1, 1))
F.pixel_shuffle(input=x(4, 2, 2), upscale_factor=2)
F.pixel_unshuffle(input=x(1, 2, 2), downscale_factor=2)
ag.scatter(input=x(2, 3), dim=1, index=np.array([[2]]), src=x(1, 1))
ag.index_add(input=x(3), dim=0, index=[0, 2], source=x(2))
ag.index_put(input=x(3), indices=([0, 2],), values=x(2))
F.binary_cross_entropy(input=x(2, 3) - 0.3, target=x(2, 3))
F.sigmoid_focal_loss(inputs=x(2, 3), targets=x(2, 3))
F.soft_margin_loss(input=x(2, 3), target=x(2, 3))
F.hinge_embedding_loss(input=x(2, 3), target=x(2, 3))
F.poisson_nll_loss(input=x(2, 3), target=x(2, 3))
F.gaussian_nll_loss(input=x(2, 3), target=x(2, 3), var=x(2, 3))
F.margin_ranking_loss(input1=x(2, 3), input2=x(2, 3), target=x(2, 3))
F.cosine_embedding_loss(input1=x(2, 3), input2=x(2, 3), target=x(2))
F.triplet_margin_loss(anchor=x(2, 3), positive=x(2, 3), negative=x(2, 3))
F.normalize(input=x(2, 3))
F.cosine_similarity(x1=x(2, 3), x2=x(2, 3))
F.pairwise_distance(x1=x(2, 3), x2=x(2, 3))
F.interpolate(input=x(1, 1, 4), scale_factor=2, mode="linear")
nn.Unfold(kernel_size=2)
nn.Fold(output_size=(4, 4), kernel_size=2)
nn.Upsample(scale_factor=2, mode="linear")
nn.Dropout()
nn.Dropout2d()
nn.Linear(in_features=3, out_features=2)
nn.Flatten()
nn.Unflatten(dim=1, unflattened_size=(2, 3))
nn.Embedding(num_embeddings=3, embedding_dim=2)
nn.LayerNorm(normalized_shape=3)
nn.GroupNorm(num_groups=2, num_channels=4)
nn.CrossEntropyLoss()
nn.NLLLoss()
nn.BCEWithLogitsLoss()
nn.MSELoss()
nn.L1Loss()
nn.HuberLoss()
nn.SmoothL1Loss()
nn.KLDivLoss()
nn.BCELoss()
nn.SoftMarginLoss()
nn.HingeEmbeddingLoss()
nn.PoissonNLLLoss()
nn.GaussianNLLLoss()
nn.MarginRankingLoss()
nn.CosineEmbeddingLoss()
nn.TripletMarginLoss()
nn.CosineSimilarity()
nn.PairwiseDistance()
nn.Parameter(data=[1.0])
init.calculate_gain(nonlinearity="leaky_relu")
init.constant_(tensor=x(3, 2), val=0.5)
init.zeros_(tensor=x(3, 2))
init.ones_(tensor=x(3, 2))
init.uniform_(tensor=x(3, 2))
init.normal_(tensor=x(3, 2))
init.trunc_normal_(tensor=x(3, 2))
init.xavier_uniform_(tensor=x(3, 2))
init.xavier_normal_(tensor=x(3, 2))
init.kaiming_uniform_(tensor=x(3, 2))
init.kaiming_normal_(tensor=x(3, 2))
init.orthogonal_(tensor=x(3, 2))
func.jacobian(f=total)
func.jacrev(f=total)
func.jacfwd(f=total)
func.hessian(f=total)
func.grad(f=total)
func.value_and_grad(f=total)
func.vjp(f=lambda: x(2))
func.objective(loss=total, start=POINT)
func.jvp(f=total, primals=(POINT,), tangents=(POINT,))
func.hvp(f=total, primals=(POINT,), tangents=(POINT,))
testing.gradcheck(func=ag.exp, inputs=[POINT])
testing.gradgradcheck(func=ag.exp, inputs=[POINT])
testing.check_adjoint(call=ag.negative, inputs=[np.ones(2)], position=0)
testing.check_complex_step(call=ag.exp, inputs=[np.ones(2)], free=[0])
ag.all(x=x(2, 3))
ag.any(x=x(2, 3))
ag.argmax(x=x(2, 3))
ag.argmin(x=x(2, 3))
ag.argsort(x=x(2, 3))
ag.count_nonzero(x=x(2, 3))
ag.nonzero(x=x(2, 3))
ag.tensor(data=[1.0])
ag.Tensor(data=[1.0])
ag.manual_seed(seed=1)
ag.set_num_threads(threads=1)
ag.set_default_dtype(dtype="float32")
ag.checkpoint(f=lambda: x(2))
ag.custom_gradient(rule=lambda g, out, x: g)
ag.detect_anomaly()
ag.draw(output=POINT)
"""


def of_rank(axes: int) -> str:
    sides, kernel = ", ".join("4" * axes), ", ".join("3" * axes)
    return OF_RANK.replace("Nd", f"{axes}d").replace("SIDES", sides).replace("KERNEL", kernel)


def activations() -> list[str]:
    """Every activation and every layer of one that has settings; relu, sigmoid and tanh are ops."""
    layers = [
        f"nn.{n}()" for n in nn.activations.__all__ if inspect.signature(getattr(nn, n)).parameters
    ]
    names = [
        n for n in F.activations.__all__ if "x" not in inspect.signature(getattr(F, n)).parameters
    ]
    texts = [*layers, *(f"F.{name}(input=x(2, 4))" for name in names)]
    required = {
        "F.threshold(": "threshold=0.5, value=1.0, ",
        "nn.Threshold(": "threshold=0.5, value=1.0",
    }
    for head, more in required.items():
        texts = [text.replace(head, head + more) for text in texts]
    return texts


# Arguments that hold functions' own inputs, which are tested where they are used.
NEVER_SPOILT = {"inputs", "primals", "tangents", "output", "start"}
TEXTS = [
    *activations(),
    *OTHERS.split("\n"),
    *(t for n in (1, 2, 3) for t in of_rank(n).split("\n")),
]
CALLS = {text.partition("(")[0]: read(text) for text in TEXTS if text}
