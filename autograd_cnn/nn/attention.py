"""Multi-head attention, and the encoder of a transformer."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_cnn import functional as F
from autograd_cnn.checks import choice, integer, misfit, mistake, number
from autograd_cnn.config import get_default_dtype
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import Array
from autograd_cnn.functional.attention import added_mask, attention_weights
from autograd_cnn.nn import init
from autograd_cnn.nn.containers import ModuleList
from autograd_cnn.nn.layers import Dropout, Linear
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.normalization import LayerNorm
from autograd_cnn.nn.parameter import Parameter
from autograd_cnn.ops.join import array_split
from autograd_cnn.ops.product import linear, matmul
from autograd_cnn.tensor import Tensor

__all__ = ["MultiheadAttention", "TransformerEncoder", "TransformerEncoderLayer"]

_WEIGHTS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


class MultiheadAttention(Module):
    """Attention in `num_heads` parts of `embed_dim`: query (L, N, embed_dim), key (S, N, kdim) and
    value (S, N, vdim) give (L, N, embed_dim), and the weights (N, L, S).

    With `batch_first` inputs and result have N first; without a batch they lack N.  Masks say what
    is hidden: True in `key_padding_mask` (N, S) and in `attn_mask` (L, S) or (N * num_heads, L, S);
    numbers are added to the scores.  `is_causal` hides later keys, with or without a mask.  The
    weights are the mean over the heads, unless `average_attn_weights` is False, and None with
    `need_weights` False.  See `functional.scaled_dot_product_attention`.

    >>> x = np.ones((2, 5, 8), np.float32)
    >>> y, weights = nn.MultiheadAttention(8, 2, batch_first=True)(x, x, x)
    >>> y.shape, weights.shape
    ((2, 5, 8), (2, 5, 5))
    """

    _roles: Mapping[str, type] = dict.fromkeys((*_WEIGHTS, "in_proj_bias"), Parameter)
    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None

    @checked
    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        *,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
    ) -> None:
        name, dtype = type(self).__name__, get_default_dtype()
        self.embed_dim = size = integer(name, "embed_dim", embed_dim, 1)
        self.num_heads = integer(name, "num_heads", num_heads, 1)
        if size % num_heads:
            raise ValueError(f"{name}: embed_dim={size} is not divisible by num_heads={num_heads}")
        self.kdim = size if kdim is None else integer(name, "kdim", kdim, 1)
        self.vdim = size if vdim is None else integer(name, "vdim", vdim, 1)
        self.dropout, self.batch_first = number(name, "dropout", dropout, 0, 1), batch_first
        shapes = {n: (size, k) for n, k in zip(_WEIGHTS[1:], (size, self.kdim, self.vdim))}
        if self.kdim == self.vdim == size:
            shapes = {"in_proj_weight": (3 * size, size)}
        for n in _WEIGHTS:
            new = Parameter(np.zeros(shapes[n], dtype)) if n in shapes else None
            setattr(self, n, new if new is None else init.xavier_uniform_(new))
        self.in_proj_bias = Parameter(np.zeros(3 * size, dtype)) if bias else None
        self.out_proj = Linear(size, size, bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    @checked
    def forward(
        self,
        query: Array,
        key: Array,
        value: Array,
        key_padding_mask: Array | None = None,
        need_weights: bool = True,
        attn_mask: Array | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        name, heads, each = type(self).__name__, self.num_heads, self.embed_dim // self.num_heads
        batched = query.ndim == 3
        first = self.batch_first and batched
        n = slice(0, batched) if first else slice(1, 1 + batched)
        fits = query.ndim in (2, 3) and query.ndim == key.ndim and query.shape[n] == key.shape[n]
        if not fits or key.shape[:-1] != value.shape[:-1]:
            a, b = ("N", "{}") if self.batch_first else ("{}", "N")
            shapes = f"({a}, {b}, E), key and value ({a}, {b}, ...)".format("L", "S")
            raise misfit(name, f"query must have shape {shapes}, or all lack N", query, key, value)
        order, back = ((0, 2, 1, 3),) * 2 if first else ((1, 2, 0, 3), (2, 0, 1, 3))
        q, k, v = (
            x.reshape((len(x), x.shape[1] if batched else 1, heads, each)).transpose(order)
            for x in self._projected(query, key, value)
        )  # each (N, heads, L or S, embed_dim / heads)
        many, length, keys, mask = len(q), q.shape[2], k.shape[2], None
        if attn_mask is not None:
            each_head = many * heads, length, keys
            mask = added_mask(name, "attn_mask", attn_mask, False, (length, keys), each_head)
            mask = mask.reshape((many, heads, length, keys)) if mask.ndim == 3 else mask
        if key_padding_mask is not None:
            shape = (many, keys) if batched else (keys,)
            padding = added_mask(name, "key_padding_mask", key_padding_mask, False, shape)
            padding = padding.reshape((many, 1, 1, keys))
            mask = padding if mask is None else mask + padding
        weights = attention_weights(name, q, k, v, mask, is_causal)
        weights = F.dropout(weights, self.dropout, self.training)
        out = matmul(weights, v).transpose(back)
        y = self.out_proj(out.reshape((*query.shape[:-1], self.embed_dim)))
        if not need_weights:
            return y, None
        weights = weights.mean(axis=1) if average_attn_weights else weights
        return y, weights if batched else weights[0]

    def _projected(self, query: Array, key: Array, value: Array) -> list[Any]:
        """The queries, keys and values of all heads, side by side along the last axis."""
        together, bias = self.in_proj_weight, self.in_proj_bias
        if together is not None and query is key is value:
            return array_split(linear(query, together, bias), 3, axis=-1)
        separate = [getattr(self, n) for n in _WEIGHTS[1:]]
        weights = separate if together is None else array_split(together, 3)
        biases = [None] * 3 if bias is None else array_split(bias, 3)
        return [linear(*given) for given in zip((query, key, value), weights, biases)]


class TransformerEncoderLayer(Module):
    """Self-attention and two linear layers with an activation between them, each added to its input
    and normalised: (L, N, d_model) to the same shape, or (N, L, d_model) with `batch_first`.

    `norm_first` normalises the input of each part instead of the sum.  `activation` is 'relu',
    'gelu', a function or a module.  Masks are as in `MultiheadAttention`.  Vaswani and others,
    "Attention is all you need" (2017).

    >>> layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    >>> layer(np.ones((2, 5, 8), np.float32), is_causal=True).shape
    (2, 5, 8)
    """

    @checked
    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: Any = "relu",
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
    ) -> None:
        name = type(self).__name__
        sizes = {"d_model": d_model, "nhead": nhead, "dim_feedforward": dim_feedforward}
        for n, size in sizes.items():
            integer(name, n, size, 1)
        self.self_attn = MultiheadAttention(d_model, nhead, dropout, bias, batch_first=batch_first)
        self.linear1 = Linear(d_model, dim_feedforward, bias)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(dim_feedforward, d_model, bias)
        self.norm_first = norm_first
        self.norm1 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.norm2 = LayerNorm(d_model, layer_norm_eps, bias=bias)
        self.dropout1, self.dropout2 = Dropout(dropout), Dropout(dropout)
        if isinstance(activation, str):
            activation = getattr(F, choice(name, "activation", activation, ("relu", "gelu")))
        elif not callable(activation):
            raise mistake(name, "activation", "'relu', 'gelu' or a function", activation)
        self.activation = activation

    def forward(
        self,
        src: Any,
        src_mask: Any = None,
        src_key_padding_mask: Any = None,
        is_causal: Any = False,
    ) -> Tensor:
        settings = src_key_padding_mask, False, src_mask, True, is_causal
        x, early = src, self.norm_first
        q = self.norm1(x) if early else x
        x = x + self.dropout1(self.self_attn(q, q, q, *settings)[0])
        x = x if early else self.norm1(x)
        y = self.linear1(self.norm2(x) if early else x)
        x = x + self.dropout2(self.linear2(self.dropout(self.activation(y))))
        return x if early else self.norm2(x)


class TransformerEncoder(Module):
    """`num_layers` copies of a `TransformerEncoderLayer`, one after the other, and `norm` behind.

    The copies start with the same weights, as in PyTorch.

    >>> layer = nn.TransformerEncoderLayer(8, 2, 16)
    >>> nn.TransformerEncoder(layer, 2)(np.ones((5, 2, 8), np.float32)).shape
    (5, 2, 8)
    """

    @checked
    def __init__(self, encoder_layer: Any, num_layers: int, norm: Any = None) -> None:
        name = type(self).__name__
        for argument, module in {"encoder_layer": encoder_layer, "norm": norm}.items():
            if not isinstance(module, Module) and (module is not None or argument != "norm"):
                raise mistake(name, argument, "a module", module)
        self.num_layers = integer(name, "num_layers", num_layers, 1)
        self.layers = ModuleList(copy.deepcopy(encoder_layer) for _ in range(num_layers))
        self.norm = norm

    def forward(
        self, src: Array, mask: Any = None, src_key_padding_mask: Any = None, is_causal: Any = None
    ) -> Tensor:
        x = src
        for layer in self.layers:
            x = layer(x, mask, src_key_padding_mask, bool(is_causal))
        return x if self.norm is None else self.norm(x)
