"""Functions with PyTorch's names: derivatives to the second order, and PyTorch where it is installed."""

from __future__ import annotations

import inspect
import math
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn
from autograd_cnn.testing import check_op, gradcheck
from autograd_cnn.testing import strategies as ag_st


class Library(NamedTuple):
    """PyTorch or this library; `array` makes a constant of an array."""

    top: Any
    F: Any
    array: Callable[[Any], Any]


OURS = Library(ag, F, np.asarray)


class Row(NamedTuple):
    """A call, and the shapes of its inputs."""

    call: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]


SIGNS = np.array([[1.0, -1.0, 1.0], [-1.0, 1.0, -1.0]])
COUNTS = np.array([[0.0, 1.0, 2.0], [5.0, 3.0, 1.0]])


def _activation(name: str, *settings: Any, **named: Any) -> Row:
    return Row(lambda t, x: getattr(t.F, name)(x, *settings, **named), ((4, 6),))


def _loss(name: str, target: Any, *shapes: tuple[int, ...], **named: Any) -> Row:
    def call(t: Library, *xs: Any) -> Any:
        given = {k: t.array(v) if isinstance(v, np.ndarray) else v for k, v in named.items()}
        return getattr(t.F, name)(*xs, t.array(target), **given)

    return Row(call, shapes or ((2, 3),))


ROWS: dict[str, Row] = {
    **{n: _activation(n) for n in ("relu6", "hardsigmoid", "hardswish", "softshrink", "celu")},
    **{n: _activation(n) for n in ("hardshrink", "softsign", "tanhshrink", "rrelu", "glu")},
    "softshrink 0.3": _activation("softshrink", 0.3),
    "hardshrink 1.1": _activation("hardshrink", 1.1),
    "threshold": _activation("threshold", 0.25, -3.0),
    "celu 0.7": _activation("celu", 0.7),
    "rrelu 0.1 0.5": _activation("rrelu", 0.1, 0.5),
    "softmin": _activation("softmin", dim=0),
    "glu 0": _activation("glu", 0),
    "binary_cross_entropy": Row(
        lambda t, x, y: t.F.binary_cross_entropy(t.top.sigmoid(x), t.top.sigmoid(y)),
        ((2, 3), (2, 3)),
    ),
    "binary_cross_entropy, weight": Row(
        lambda t, x: t.F.binary_cross_entropy(
            t.top.sigmoid(x), t.array((SIGNS > 0) * 1.0), t.array([0.5, 1.0, 2.0]), reduction="sum"
        ),
        ((2, 3),),
    ),
    "soft_margin_loss": _loss("soft_margin_loss", SIGNS, reduction="none"),
    "hinge_embedding_loss": _loss("hinge_embedding_loss", SIGNS, margin=0.55, reduction="sum"),
    "poisson_nll_loss": _loss("poisson_nll_loss", COUNTS, full=True),
    "poisson_nll_loss of means": Row(
        lambda t, x: t.F.poisson_nll_loss(
            t.top.exp(x), t.array(COUNTS), log_input=False, eps=0.1, reduction="none"
        ),
        ((2, 3),),
    ),
    "gaussian_nll_loss": Row(
        lambda t, x, y, v: t.F.gaussian_nll_loss(x, y, t.top.exp(v), full=True),
        ((2, 3), (2, 3), (2, 3)),
    ),
    "gaussian_nll_loss, a variance per row": Row(
        lambda t, x, y, v: t.F.gaussian_nll_loss(x, y, t.top.exp(v), reduction="none"),
        ((2, 3), (2, 3), (2,)),
    ),
    "margin_ranking_loss": _loss(
        "margin_ranking_loss", SIGNS, (2, 3), (2, 3), margin=0.15, reduction="none"
    ),
    "cosine_embedding_loss": _loss("cosine_embedding_loss", SIGNS[0], (3, 4), (3, 4), margin=0.1),
    "cosine_embedding_loss of one": _loss("cosine_embedding_loss", np.array(1.0), (4,), (4,)),
    "triplet_margin_loss": Row(
        lambda t, a, p, n: t.F.triplet_margin_loss(a, p, n, margin=2.0, reduction="none"),
        ((3, 4), (3, 4), (3, 4)),
    ),
    "triplet_margin_loss, swap": Row(
        lambda t, a, p, n: t.F.triplet_margin_loss(a, p, n, margin=3.0, p=3, swap=True),
        ((3, 4), (3, 4), (3, 4)),
    ),
    "normalize": Row(lambda t, x: t.F.normalize(x), ((3, 4),)),
    "normalize 3 0": Row(lambda t, x: t.F.normalize(x, 3.0, 0), ((3, 4),)),
    "cosine_similarity": Row(lambda t, x, y: t.F.cosine_similarity(x, y), ((3, 4), (1, 4))),
    "cosine_similarity -1": Row(
        lambda t, x, y: t.F.cosine_similarity(x, y, dim=-1), ((2, 3, 4), (4,))
    ),
    "pairwise_distance": Row(lambda t, x, y: t.F.pairwise_distance(x, y), ((3, 4), (3, 4))),
    "pairwise_distance 1": Row(
        lambda t, x, y: t.F.pairwise_distance(x, y, p=1.0, keepdim=True), ((3, 4), (4,))
    ),
}


def _only(found: Any) -> Any:
    """The result, which PyTorch gives in a tuple."""
    return found[0] if isinstance(found, tuple) else found


AT = np.array([[2, 0, 0, 1], [1, 1, 2, 0]])
IMAGE = (1, 2, 4, 6)
ROWS |= {
    "gather": Row(lambda t, x: t.top.gather(x, 1, t.array(AT)), ((3, 4),)),
    "scatter": Row(lambda t, x, v: t.top.scatter(x, 0, t.array(AT[:, :1]), v), ((3, 4), (2, 1))),
    "scatter of a number": Row(lambda t, x: t.top.scatter(x, 0, t.array(AT), 7.0), ((3, 4),)),
    "scatter add": Row(
        lambda t, x, v: (
            t.top.scatter(x, 1, t.array(AT), v, reduce="add")
            if t is OURS
            else t.top.scatter_add(x, 1, t.array(AT), v)
        ),
        ((3, 4), (2, 4)),
    ),
    "index_add": Row(
        lambda t, x, v: t.top.index_add(x, 1, t.array(AT[0]), v, alpha=0.5), ((3, 4), (3, 4))
    ),
    "index_put": Row(
        lambda t, x, v: t.top.index_put(x, (t.array(np.array([2, 0])),), v), ((3, 4), (4,))
    ),
    "index_put, accumulate": Row(
        lambda t, x, v: t.top.index_put(x, (t.array(AT[0]),), v, accumulate=True), ((3, 4), (4, 4))
    ),
    "pad": Row(lambda t, x: t.F.pad(x, (1, -2, 0, 3), value=1.5), (IMAGE,)),
    **{
        f"pad, {mode} {pad}": Row(
            lambda t, x, mode=mode, pad=pad: t.F.pad(x, pad, mode=mode), (shape,)
        )
        for mode in ("reflect", "replicate", "circular")
        for pad, shape in (((2, 1), (2, 3, 5)), ((2, 0, 1, 3), IMAGE))
    },
    "pad, reflect and cut": Row(lambda t, x: t.F.pad(x, (2, -1), mode="reflect"), ((2, 3, 5),)),
    **{
        f"bicubic {settings}": Row(
            lambda t, x, settings=settings: t.F.interpolate(x, mode="bicubic", **settings), (IMAGE,)
        )
        for settings in (
            {"size": (7, 5)},
            {"scale_factor": 1.7},
            {"size": (3, 9), "align_corners": True},
            {"scale_factor": (0.5, 2)},
            {"size": (1, 1), "align_corners": True},
        )
    },
    "scaled_dot_product_attention": Row(
        lambda t, *xs: t.F.scaled_dot_product_attention(*xs), ((2, 3, 4), (2, 5, 4), (2, 5, 2))
    ),
    "scaled_dot_product_attention, causal": Row(
        lambda t, *xs: t.F.scaled_dot_product_attention(*xs, is_causal=True, scale=0.7),
        ((3, 4), (5, 4), (5, 2)),
    ),
    "scaled_dot_product_attention, bools": Row(
        lambda t, *xs: t.F.scaled_dot_product_attention(*xs, attn_mask=t.array(AT.T > 0)),
        ((3, 4, 3), (3, 2, 3), (3, 2, 2)),
    ),
    "scaled_dot_product_attention, numbers": Row(
        lambda t, *xs: t.F.scaled_dot_product_attention(*xs), ((3, 4), (2, 4), (2, 2), (3, 2))
    ),
    "bilinear": Row(lambda t, *xs: t.F.bilinear(*xs), ((2, 3), (2, 4), (5, 3, 4), (5,))),
    "prelu": Row(lambda t, x, w: t.F.prelu(x, w), ((2, 3, 4), (3,))),
    "prelu, one slope": Row(lambda t, x, w: t.F.prelu(x, w), ((4,), (1,))),
    "rms_norm": Row(lambda t, x, w: t.F.rms_norm(x, (3, 2), w), ((2, 3, 2), (3, 2))),
    "rms_norm eps": Row(lambda t, x: t.F.rms_norm(x, (4,), eps=0.1), ((3, 4),)),
    "local_response_norm": Row(lambda t, x: t.F.local_response_norm(x, 3, 0.5), ((2, 5, 3),)),
    "local_response_norm 4": Row(
        lambda t, x: t.F.local_response_norm(x, 4, 0.5, 0.3, 2.0), ((1, 5, 2, 2),)
    ),
    "pixel_shuffle": Row(lambda t, x: t.F.pixel_shuffle(x, 2), ((2, 8, 2, 3),)),
    "pixel_unshuffle": Row(lambda t, x: t.F.pixel_unshuffle(x, 2), ((2, 2, 4, 6),)),
    "max_unpool1d": Row(
        lambda t, x: t.F.max_unpool1d(*t.F.max_pool1d(x, 2, return_indices=True), 2), ((2, 3, 6),)
    ),
    "max_unpool2d": Row(
        lambda t, x: t.F.max_unpool2d(
            *t.F.max_pool2d(x, 2, 3, 1, return_indices=True), 2, 3, 1, output_size=(4, 6)
        ),
        (IMAGE,),
    ),
    "max_unpool3d": Row(
        lambda t, x: t.F.max_unpool3d(*t.F.max_pool3d(x, 2, return_indices=True), 2),
        ((1, 4, 2, 4),),
    ),
    "lerp": Row(lambda t, x, y, w: t.top.lerp(x, y, w), ((2, 3), (3,), (2, 3))),
    "addcmul": Row(lambda t, x, y, z: t.top.addcmul(x, y, z, value=0.3), ((2, 3),) * 3),
    "addcdiv": Row(lambda t, x, y, z: t.top.addcdiv(x, y, z, value=0.3), ((2, 3),) * 3),
    "addmm": Row(lambda t, x, y, z: t.top.addmm(x, y, z, beta=2, alpha=3), ((3,), (2, 4), (4, 3))),
    "addmv": Row(lambda t, x, y, z: t.top.addmv(x, y, z, alpha=3), ((2,), (2, 4), (4,))),
    "addr": Row(lambda t, x, y, z: t.top.addr(x, y, z, beta=0.5), ((2, 3), (2,), (3,))),
    "addbmm": Row(lambda t, *xs: t.top.addbmm(*xs, beta=0.5), ((2, 3), (2, 2, 4), (2, 4, 3))),
    "baddbmm": Row(lambda t, *xs: t.top.baddbmm(*xs, alpha=2), ((2, 2, 3), (2, 2, 4), (2, 4, 3))),
    "dist": Row(lambda t, x, y: t.top.dist(x, y, 3), ((2, 3), (2, 3))),
    "var_mean": Row(lambda t, x: t.top.stack(t.top.var_mean(x, dim=1)), ((3, 4),)),
    "std_mean": Row(lambda t, x: t.top.stack(t.top.std_mean(x, 0, unbiased=False)), ((3, 4),)),
    "logit": Row(lambda t, x: t.top.logit(t.top.sigmoid(x), eps=0.3), ((3, 4),)),
    "xlogy": Row(lambda t, x, y: t.top.xlogy(x, t.top.exp(y)), ((3, 4), (4,))),
    "logaddexp2": Row(lambda t, x, y: t.top.logaddexp2(x, y), ((3, 4), (4,))),
    "fmod": Row(lambda t, x, y: t.top.fmod(x, y), ((3, 4), (4,))),
    "copysign": Row(lambda t, x, y: t.top.copysign(x, y), ((3, 4), (4,))),
    "cummax": Row(lambda t, x: t.top.cummax(x, 1)[0], ((3, 4),)),
    "cummin": Row(lambda t, x: t.top.cummin(x, dim=0).values, ((3, 4),)),
    "logcumsumexp": Row(lambda t, x: t.top.logcumsumexp(x, dim=1), ((3, 4),)),
    "narrow": Row(lambda t, x: t.top.narrow(x, 1, -3, 2), ((3, 4),)),
    "select": Row(lambda t, x: t.top.select(x, 1, -1), ((3, 4),)),
    "unbind": Row(lambda t, x: t.top.unbind(x, 1)[2], ((3, 4),)),
    "masked_select": Row(lambda t, x: t.top.masked_select(x, t.array(AT[0] > 0)), ((3, 4),)),
    "meshgrid": Row(lambda t, x, y: math.prod(t.top.meshgrid(x, y, indexing="xy")), ((3,), (4,))),
    "gradient": Row(
        lambda t, x: _only(t.top.gradient(x, spacing=0.5, dim=0, edge_order=2)), ((5, 2),)
    ),
}


def _inputs(row: Row) -> list[np.ndarray]:
    return [ag_st.evenly_spaced(shape, [k, 7], -1.7, 1.9) for k, shape in enumerate(row.shapes)]


@pytest.mark.parametrize("name", ROWS)
def test_derivatives_are_exact_twice_and_in_every_input(name: str) -> None:
    check_op(lambda *xs: ROWS[name].call(OURS, *xs), *_inputs(ROWS[name]))


@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients_agree_with_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    theirs = Library(torch, torch.nn.functional, lambda x: torch.tensor(np.asarray(x)))
    arrays = _inputs(ROWS[name])
    xs = [ag.tensor(x, requires_grad=True) for x in arrays]
    ys = [torch.tensor(x, requires_grad=True) for x in arrays]
    found, expected = ROWS[name].call(OURS, *xs), ROWS[name].call(theirs, *ys)
    g = np.random.default_rng(0).standard_normal(found.shape)
    np.testing.assert_allclose(found.numpy(), expected.detach().numpy(), 1e-6, 1e-7)
    found.backward(g)
    expected.backward(torch.tensor(g))
    for x, y in zip(xs, ys):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), 1e-6, 1e-7)


# The points where formulas change, and what is no number.
KINKS = np.array([-np.inf, -3.0, -0.5, 0.0, 0.5, 3.0, 6.0, np.inf, np.nan])


@pytest.mark.parametrize(
    "name",
    [
        "relu6",
        "hardsigmoid",
        "softshrink",
        "hardshrink",
        "threshold",
        "celu",
        "tanhshrink",
        "rrelu",
    ],
)
def test_kinks_are_those_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle, where it is installed")
    settings = (3.0, 7.0) if name == "threshold" else ()
    x, y = ag.tensor(KINKS, requires_grad=True), torch.tensor(KINKS, requires_grad=True)
    found = getattr(F, name)(x, *settings)
    expected = getattr(torch.nn.functional, name)(y, *settings)
    np.testing.assert_array_equal(found.numpy(), expected.detach().numpy())
    found.sum().backward()
    expected.sum().backward()
    np.testing.assert_allclose(x.grad.numpy()[:-1], y.grad.numpy()[:-1], 1e-7)  # type: ignore[union-attr]


# -------------------------------------------------------------------------------------- layers

X, Y = (ag_st.evenly_spaced((2, 3), k, 0.1, 0.9) for k in range(2))
MADE: list[tuple[nn.Module, Any]] = [
    (nn.BCELoss(reduction="none"), lambda: F.binary_cross_entropy(X, Y, reduction="none")),
    (nn.BCELoss(Y[0]), lambda: F.binary_cross_entropy(X, Y, Y[0])),
    (nn.SoftMarginLoss(), lambda: F.soft_margin_loss(X, Y)),
    (nn.HingeEmbeddingLoss(0.3), lambda: F.hinge_embedding_loss(X, Y, 0.3)),
    (nn.PoissonNLLLoss(False, eps=0.1), lambda: F.poisson_nll_loss(X, Y, False, eps=0.1)),
    (nn.GaussianNLLLoss(full=True), lambda: F.gaussian_nll_loss(X, Y, X, full=True)),
    (nn.MarginRankingLoss(0.3), lambda: F.margin_ranking_loss(X, Y, X, 0.3)),
    (nn.CosineEmbeddingLoss(), lambda: F.cosine_embedding_loss(X, Y, X[:, 0])),
    (nn.TripletMarginLoss(2.0, p=1.0), lambda: F.triplet_margin_loss(X, Y, X, 2.0, 1.0)),
    (nn.CosineSimilarity(dim=0), lambda: F.cosine_similarity(X, Y, 0)),
    (nn.PairwiseDistance(1.0), lambda: F.pairwise_distance(X, Y, 1.0)),
]


@pytest.mark.parametrize(("layer", "expected"), MADE, ids=[repr(layer) for layer, _ in MADE])
def test_a_layer_is_its_function(layer: nn.Module, expected: Any) -> None:
    inputs = [X, Y, X[:, 0] if isinstance(layer, nn.CosineEmbeddingLoss) else X]
    found = layer(*inputs[: len(layer.inputs)])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found, expected())
    again = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(again(*inputs[: len(layer.inputs)]), found)  # type: ignore[attr-defined]


def test_a_layer_has_the_settings_of_its_function() -> None:
    assert str(inspect.signature(nn.Softshrink)).startswith("(lambd: 'float' = 0.5)")
    assert list(inspect.signature(nn.Threshold).parameters) == ["threshold", "value"]
    assert list(inspect.signature(nn.RReLU).parameters) == ["lower", "upper"]
    assert (
        repr(nn.TripletMarginLoss())
        == "TripletMarginLoss(margin=1.0, p=2.0, eps=1e-06, swap=False)"
    )
    assert repr(nn.ReLU6(True)) == "ReLU6()"
    assert nn.CELU(inplace=True).alpha == 1.0
    assert list(nn.BCELoss([0.5, 1.0]).state_dict()) == ["weight"]
    with pytest.raises(TypeError, match="Softshrink: got 1 arguments too many"):
        nn.Softshrink(0.1, 0.2)


# -------------------------------------------------------------------------------- at the edges


def gradient(function: Callable[..., Any], *xs: Any) -> list[Any]:
    leaves = [ag.tensor(x, requires_grad=True, dtype="float64") for x in xs]
    return [g.tolist() for g in ag.grad(function(*leaves).sum(), leaves)]


def test_logarithms_of_binary_cross_entropy_end_at_minus_100() -> None:
    x, t = [0.0, 1.0, 0.0, 1.0], np.array([1.0, 0.0, 0.0, 1.0])
    assert F.binary_cross_entropy(x, t, reduction="none").tolist() == [100.0, 100.0, 0.0, 0.0]
    assert gradient(lambda x: F.binary_cross_entropy(x, t, reduction="sum"), x) == [[0, 0, 1, -1]]
    assert np.isnan(F.binary_cross_entropy([np.nan], [1.0]))


def test_a_focal_loss_is_its_formula() -> None:
    x, t = np.linspace(-3.0, 3.0, 6), np.array([0.0, 1.0, 1.0, 0.0, 0.3, 1.0])
    p = 1 / (1 + np.exp(-x))
    losses = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    right = p * t + (1 - p) * (1 - t)
    expected = losses * (1 - right) ** 1.5
    np.testing.assert_allclose(F.sigmoid_focal_loss(x, t, -1, 1.5), expected)
    expected = (expected * (0.3 * t + 0.7 * (1 - t))).mean()
    np.testing.assert_allclose(F.sigmoid_focal_loss(x, t, 0.3, 1.5, "mean"), expected)
    check_op(lambda x, t: F.sigmoid_focal_loss(x, t), x, (t + 0.2) / 1.5)


def test_a_small_variance_counts_as_eps_and_still_has_a_gradient() -> None:
    x, t = np.array([1.0]), np.array([3.0])
    loss = lambda v: F.gaussian_nll_loss(x, t, v, eps=0.5)  # noqa: E731
    assert loss(np.array([0.1])) == loss(np.array([0.5])) == loss(0.1)
    assert gradient(loss, [0.1]) == gradient(loss, [0.5])


def test_vectors_of_length_0_have_finite_gradients() -> None:
    zero, x = [[0.0, 0.0]], np.array([[3.0, 4.0]])
    assert np.isfinite(gradient(F.normalize, zero)).all()
    assert np.isfinite(gradient(lambda a: F.cosine_similarity(a, x), zero)).all()
    assert F.cosine_similarity(np.array(zero), x).tolist() == [0.0]


def test_a_small_image_unpools_in_a_layer() -> None:
    x = np.arange(8.0).reshape(1, 2, 4)
    out, at = F.max_pool1d(x, 2, return_indices=True)
    assert nn.MaxUnpool1d(2)(out, at).tolist() == [[[0, 1, 0, 3], [0, 5, 0, 7]]]
    assert nn.MaxUnpool1d(2)(out[0], at[0]).shape == (2, 4)


def test_rms_norm_of_half_precision_is_summed_in_single() -> None:
    x = np.full((1, 4), 300.0, np.float16)
    out = F.rms_norm(x, 4)
    assert out.dtype == np.float16
    np.testing.assert_allclose(out, 1.0, 1e-3)


def test_rrelu_draws_slopes_in_training() -> None:
    ag.manual_seed(0)
    x = np.full(1000, -1.0, np.float32)
    out = F.rrelu(x, 0.2, 0.4, training=True)
    assert out.dtype == np.float32
    assert out.min() < -0.39 and -0.21 < out.max() <= -0.2  # noqa: PT018
    layer = nn.RReLU(0.2, 0.4)
    assert len(set(layer(x).tolist())) > 900
    assert set(layer.eval()(x).round(4).tolist()) == {np.float32(-0.3)}


def test_windows_along_an_axis() -> None:
    x = ag.tensor(ag_st.evenly_spaced((2, 7), 0), requires_grad=True)
    windows = lambda x: x.unfold(-1, 3, 2)  # noqa: E731
    expected = np.lib.stride_tricks.sliding_window_view(x.numpy(), 3, 1)[:, ::2]
    np.testing.assert_array_equal(windows(x).numpy(), expected)
    assert gradcheck(windows, [x])
    assert x.unfold(0, 2).shape == (1, 7, 2)
    for bad in ((0, 0), (2, 1), (0, 1, 0)):
        with pytest.raises(ValueError, match="unfold: "):
            x.unfold(*bad)


def test_numpy_s_names_on_tensors() -> None:
    x = ag_st.evenly_spaced((4, 5), 1)
    t = ag.tensor(x)
    places = np.array([0.0, 0.4, 1.0, 1.7])
    for given in ((), (0.5,), (places, 2.0)):
        for found, expected in zip(np.gradient(t, *given), np.gradient(x, *given)):
            np.testing.assert_allclose(found.numpy(), expected)
    np.testing.assert_allclose(
        np.gradient(t, axis=1, edge_order=2).numpy(), ag.gradient(x, axis=1, edge_order=2)
    )
    for found, expected in zip(np.meshgrid(t[0], t[1]), np.meshgrid(x[0], x[1])):
        np.testing.assert_array_equal(found.numpy(), expected)
    for name in ("fmod", "copysign", "logaddexp2"):
        function = getattr(np, name)
        np.testing.assert_allclose(function(t, x[:1] * 0.7).numpy(), function(x, x[:1] * 0.7))
    np.testing.assert_allclose(np.linalg.pinv(t).numpy(), np.linalg.pinv(x))


def test_running_extremes_at_ties_and_nan() -> None:
    x = np.array([1.0, 1.0, 0.0, 2.0, np.nan, 3.0])
    found = ag.cummax(x, 0)
    np.testing.assert_array_equal(found.values, np.maximum.accumulate(x))
    assert found.indices.tolist() == [0, 1, 1, 3, 4, 4]
    assert ag.cummin(-x, dim=0).indices.tolist() == [0, 1, 1, 3, 4, 4]
    assert ag.logcumsumexp(np.full(3, -np.inf), 0).tolist() == [-np.inf] * 3


def test_positions_in_descending_order() -> None:
    x = np.array([[3.0, 1.0, 3.0, np.nan], [0.0, 2.0, 1.0, 2.0]])
    assert ag.argsort(x, descending=True).tolist() == [[3, 0, 2, 1], [1, 3, 2, 0]]
    assert ag.argsort(x, dim=0, descending=True).tolist() == [[0, 1, 0, 0], [1, 0, 1, 1]]
    assert ag.sort(x, descending=True).indices.tolist() == [[3, 0, 2, 1], [1, 3, 2, 0]]
    assert ag.tensor(x[1]).argsort(axis=None).tolist() == [0, 2, 1, 3]


def test_values_that_do_not_count() -> None:
    assert ag.xlogy([0.0, 0.0, 0.0], [0.0, np.inf, np.nan]).tolist()[:2] == [0.0, 0.0]
    assert np.isnan(ag.xlogy([0.0], [np.nan]))[0]
    assert gradient(ag.xlogy, [0.0, 0.0], [0.0, 2.0]) == [[0.0, np.log(2.0)], [0.0, 0.0]]
    bad = np.full((2, 2), np.nan)
    assert ag.addmm(bad, np.eye(2), np.eye(2), beta=0).tolist() == np.eye(2).tolist()
    assert gradient(lambda x: ag.copysign(x, -1.0), [2.0, 0.0, -1.0]) == [[-1.0, 0.0, 1.0]]
    put = gradient(lambda x, v: ag.scatter(x, 0, [1, 1], v) * 2.0, [0.0, 0.0], [3.0, 4.0])
    assert put == [[2.0, 0.0], [0.0, 2.0]]
    assert ag.scatter(3.0, 0, 0, 5.0) == 5.0
