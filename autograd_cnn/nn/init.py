"""Initial values, written into a tensor in place and outside any graph.

Every function returns the tensor.  Random values come from the generator that `manual_seed` seeds
unless another is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

import numpy as np

from autograd_cnn import random
from autograd_cnn.checks import choice, mistake, number
from autograd_cnn.engine.arguments import checked
from autograd_cnn.tensor import Tensor

__all__ = [
    "calculate_gain", "constant_", "kaiming_normal_", "kaiming_uniform_", "normal_", "ones_",
    "orthogonal_", "trunc_normal_", "uniform_", "xavier_normal_", "xavier_uniform_", "zeros_",
]  # fmt: skip
__dir__ = __all__.copy

T = TypeVar("T", bound=Tensor)
_GAINS = {
    "linear": 1.0,
    **{f"conv{t}{d}d": 1.0 for t in ("", "_transpose") for d in (1, 2, 3)},
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2.0),
    "selu": 0.75,
}


def _check(name: str, tensor: Tensor, floating: bool = True) -> None:
    if not isinstance(tensor, Tensor):
        raise mistake(name, "tensor", "a Tensor", tensor)
    if tensor.op is not None:
        raise TypeError(f"{name}: expected a leaf tensor, got a result of {tensor.op.name}")
    if floating and tensor.dtype.kind != "f":
        raise TypeError(f"{name}: expected a floating tensor, got dtype {tensor.dtype}")


def _write(tensor: T, new: np.ndarray | float) -> T:
    tensor.array[...] = new
    tensor.touch()
    return tensor


@checked
def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor on weights before `nonlinearity` that keeps the variance.

    It is 1 for 'linear', 'conv2d' and the like, and 'sigmoid'; 5/3 for 'tanh', sqrt(2) for 'relu',
    3/4 for 'selu'; sqrt(2 / (1 + slope^2)) for 'leaky_relu' with slope `param` (0.01 when None).

    >>> nn.init.calculate_gain("leaky_relu", 1.0)
    1.0
    """
    return _gain("calculate_gain", nonlinearity, param)


def _gain(name: str, nonlinearity: str, param: float | None) -> float:
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1.0 + (0.01 if param is None else param) ** 2))
    if nonlinearity not in _GAINS:
        known = ", ".join((*_GAINS, "leaky_relu"))
        raise ValueError(f"{name}: unknown nonlinearity {nonlinearity!r}; there are {known}")
    return _GAINS[nonlinearity]


@checked
def uniform_(
    tensor: T, a: float = 0.0, b: float = 1.0, generator: np.random.Generator | None = None
) -> T:
    """Values uniform in [a, b).

    >>> bool((nn.init.uniform_(ag.tensor([0.0, 0.0]), 2.0, 3.0) >= 2.0).all())
    True
    """
    _check("uniform_", tensor)
    if not -math.inf < a <= b < math.inf:
        raise ValueError(f"uniform_: a and b must be finite and a <= b, got a={a}, b={b}")
    return _write(tensor, (generator or random.generator()).uniform(a, b, tensor.shape))


@checked
def normal_(
    tensor: T, mean: float = 0.0, std: float = 1.0, generator: np.random.Generator | None = None
) -> T:
    """Values from the normal distribution.

    >>> nn.init.normal_(ag.tensor([0.0, 0.0]), mean=3.0, std=0.0)
    tensor([3., 3.])
    """
    _check("normal_", tensor)
    number("normal_", "std", std, 0)
    return _write(tensor, (generator or random.generator()).normal(mean, std, tensor.shape))


@checked
def trunc_normal_(
    tensor: T,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: np.random.Generator | None = None,
) -> T:
    """Values from the normal distribution, drawn again until they lie in [a, b].

    >>> bool((abs(nn.init.trunc_normal_(ag.tensor([0.0] * 100)).numpy()) <= 2.0).all())
    True
    """
    _check("trunc_normal_", tensor)
    if not (a < b and std > 0 and math.isfinite(mean)):
        raise ValueError(
            f"trunc_normal_: expected a < b, std > 0 and a finite mean, got {a=}, {b=}, {std=}, "
            f"{mean=}"
        )
    draw = generator or random.generator()
    low, high = (a - mean) / std, (b - mean) / std
    out = _truncated(draw, tensor.size, low, high) * std + mean
    return _write(tensor, np.clip(out, a, b).reshape(tensor.shape))  # rounding may leave [a, b]


def _truncated(draw: np.random.Generator, size: int, low: float, high: float) -> np.ndarray:
    """Standard normal values within [low, high], by rejection; Robert (1995).

    Proposals are normal where those often fit, and uniform in a narrow or far interval.
    """
    likely = (math.erf(high / math.sqrt(2.0)) - math.erf(low / math.sqrt(2.0))) / 2.0 > 0.1
    nearest = min(max(0.0, low), high)
    reach = 40.0 / max(abs(nearest), 1.0)  # the density beyond is less than e^-40 of the largest
    low, high = max(low, nearest - reach), min(high, nearest + reach)
    out = np.empty(0)
    while out.size < size:
        count = 2 * (size - out.size) + 16
        if likely:
            x = draw.standard_normal(count)
            kept = (low <= x) & (x <= high)
        else:
            x = draw.uniform(low, high, count)
            kept = draw.random(count) <= np.exp((nearest**2 - x**2) / 2)
        out = np.concatenate([out, x[kept]])
    return out[:size]


@checked
def constant_(tensor: T, val: float) -> T:
    """The value `val` everywhere, also in integer tensors.

    >>> nn.init.constant_(ag.tensor([0.0, 0.0]), 0.5)
    tensor([0.5, 0.5])
    """
    _check("constant_", tensor, floating=False)
    return _write(tensor, val)


def _constant(name: str, val: int) -> Callable[[T], T]:
    def function(tensor: T) -> T:
        _check(name, tensor, floating=False)
        return _write(tensor, val)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{val} everywhere, also in integer tensors.\n\n"
    function.__doc__ += f">>> nn.init.{name}(ag.tensor([0.5]))\ntensor([{val}.])\n"
    return checked(function)


zeros_, ones_ = _constant("zeros_", 0), _constant("ones_", 1)


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """The number of inputs per output of a weight (out, in, ...), and of outputs per input."""
    _check(name, tensor)
    if tensor.ndim < 2:
        raise ValueError(
            f"{name}: a weight has at least 2 axes (out, in, ...), got shape {tensor.shape}"
        )
    cells = math.prod(tensor.shape[2:])
    return tensor.shape[1] * cells, tensor.shape[0] * cells


def _xavier_std(name: str, tensor: Tensor, gain: float) -> float:
    fans = _fans(name, tensor)
    return number(name, "gain", gain, 0) * math.sqrt(2.0 / max(sum(fans), 1))


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    choice(name, "mode", mode, ("fan_in", "fan_out"))
    fan = _fans(name, tensor)[mode == "fan_out"]
    return _gain(name, nonlinearity, number(name, "a", a)) / math.sqrt(max(fan, 1))


@checked
def xavier_uniform_(
    tensor: T, gain: float = 1.0, generator: np.random.Generator | None = None
) -> T:
    """Uniform in +-gain * sqrt(6 / (fan_in + fan_out)), for a weight (out, in, ...).

    Glorot and Bengio (2010).

    >>> bool((abs(nn.init.xavier_uniform_(ag.tensor([[0.0] * 5])).numpy()) <= 1.0).all())
    True
    """
    bound = math.sqrt(3.0) * _xavier_std("xavier_uniform_", tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


@checked
def xavier_normal_(tensor: T, gain: float = 1.0, generator: np.random.Generator | None = None) -> T:
    """Normal with deviation gain * sqrt(2 / (fan_in + fan_out)); see `xavier_uniform_`.

    >>> nn.init.xavier_normal_(ag.tensor([[1.0]]), gain=0.0).item() == 0.0
    True
    """
    return normal_(tensor, 0.0, _xavier_std("xavier_normal_", tensor, gain), generator)


@checked
def kaiming_uniform_(
    tensor: T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: np.random.Generator | None = None,
) -> T:
    """Uniform in +-gain * sqrt(3 / fan), for a weight (out, in, ...).  He et al. (2015).

    `mode` names the fan, 'fan_in' or 'fan_out'; the gain is ``calculate_gain(nonlinearity, a)``.

    >>> bool((abs(nn.init.kaiming_uniform_(ag.tensor([[0.0] * 6])).numpy()) <= 1.0).all())
    True
    """
    bound = math.sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


@checked
def kaiming_normal_(
    tensor: T,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: np.random.Generator | None = None,
) -> T:
    """Normal with deviation gain / sqrt(fan); see `kaiming_uniform_`.

    >>> nn.init.kaiming_normal_(ag.tensor([[0.0] * 6]), nonlinearity="relu").shape
    (1, 6)
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator)


@checked
def orthogonal_(tensor: T, gain: float = 1, generator: np.random.Generator | None = None) -> T:
    """A random orthogonal matrix (out, rest joined), times `gain`.

    Its rows or columns, whichever are fewer, are orthonormal.  Saxe et al. (2014).

    >>> w = nn.init.orthogonal_(ag.tensor([[0.0, 0.0], [0.0, 0.0]])).numpy()
    >>> bool(abs(w @ w.T - [[1, 0], [0, 1]]).max() < 1e-6)
    True
    """
    _fans("orthogonal_", tensor)
    if not tensor.size:
        return tensor
    rows, columns = tensor.shape[0], tensor.size // tensor.shape[0]
    draw = generator or random.generator()
    q, r = np.linalg.qr(draw.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.sign(np.diagonal(r))  # makes q uniform: Mezzadri (2007)
    return _write(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))
