"""PyTorch's methods of tensors.

Most are the functions of `autograd_cnn` of the same name; `adopt` takes them over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autograd_cnn import ops
from autograd_cnn.checks import explains, integer, mistake, normal_axis, whole_numbers
from autograd_cnn.engine.node import Node, values
from autograd_cnn.tensor.methods import ArrayMethods
from autograd_cnn.tensor.operators import Operators

if TYPE_CHECKING:
    from autograd_cnn.tensor import Tensor


def dtype_of_move(where: str, *given: Any) -> Any:
    """The dtype in the arguments of ``x.to(...)``, or None; every device but the CPU is refused."""
    found: Any = None
    for x in given:
        if isinstance(x, str) and x.partition(":")[0] in ("cuda", "mps", "xpu", "gpu", "tpu"):
            raise TypeError(f"{where}: there is no device {x!r}; all runs on the CPU, leave it out")
        if not (x is None or isinstance(x, bool) or (isinstance(x, str) and x == "cpu")):
            found = x
    plain = values(found)
    try:
        return (
            plain
            if plain is None
            else np.dtype(plain.dtype if isinstance(plain, np.ndarray) else plain)
        )
    except TypeError:
        raise mistake(where, "dtype", "a dtype such as 'float32'", found) from None


def _tensor(self: Any, *args: Any, **settings: Any) -> Tensor:
    raise NotImplementedError


def _plain(self: Any) -> Tensor:
    raise NotImplementedError


def _other(self: Any, *args: Any, **settings: Any) -> Any:
    raise NotImplementedError


class Adopted(Node):
    """Methods that are functions of the package, by name; see `adopt`."""

    __slots__ = ()

    abs = acos = acosh = arccos = arcsin = arctan = asin = asinh = atan = atanh = ceil = _plain
    exp = inverse = log = log10 = log1p = log2 = neg = negative = ravel = reciprocal = _plain
    relu = rsqrt = sigmoid = sign = sin = sinh = sqrt = square = tan = tanh = trunc = _plain
    absolute = add = addbmm = addcdiv = addcmul = addmm = addmv = addr = amax = amin = _tensor
    arctan2 = atan2 = baddbmm = bmm = cholesky = clamp = clip = copysign = cos = cosh = _tensor
    cummax = cummin = cumprod = det = diag = diagonal = diff = dist = div = divide = dot = _tensor
    erf = exp2 = expand_dims = expm1 = flip = fliplr = flipud = floor = floor_divide = _tensor
    fmod = frac = gather = hypot = index_add = index_put = inner = lerp = log_softmax = _tensor
    logaddexp = logcumsumexp = logit = logsumexp = masked_fill = masked_select = matmul = _tensor
    maximum = median = minimum = mm = moveaxis = movedim = mul = multiply = nanmean = _tensor
    nansum = narrow = norm = outer = pow = power = ptp = remainder = repeat = _tensor
    repeat_interleave = roll = round = scatter = select = softmax = sub = subtract = _tensor
    take_along_axis = trace = tril = triu = unflatten = unsqueeze = xlogy = _tensor
    chunk = slogdet = std_mean = topk = unbind = var_mean = _other
    # The same, written into the tensor.
    abs_ = add_ = addcdiv_ = addcmul_ = ceil_ = clamp_ = clip_ = cos_ = div_ = exp_ = _tensor
    floor_ = lerp_ = log_ = masked_fill_ = mul_ = neg_ = pow_ = reciprocal_ = relu_ = _tensor
    round_ = sigmoid_ = sin_ = sqrt_ = square_ = sub_ = tanh_ = tril_ = triu_ = _tensor

    # Conversions to a dtype.
    bool = double = float = int = long = _plain


@explains("tensor")
class TorchMethods(Adopted, ArrayMethods, Operators):
    """PyTorch's methods beside NumPy's, under PyTorch's names."""

    __slots__ = ()

    clone, permute, view = ArrayMethods.copy, ArrayMethods.transpose, ArrayMethods.reshape

    def dim(self) -> int:
        """The number of axes, `ndim`.

        >>> ag.tensor([[1.0, 2.0]]).dim()
        2
        """
        return self.array.ndim

    def numel(self) -> int:
        """The number of values, `size`.

        >>> ag.tensor([[1.0, 2.0]]).numel()
        2
        """
        return self.array.size

    def contiguous(self) -> Self:
        """The tensor itself: nothing here depends on its order in memory.

        >>> ag.tensor([1.0]).contiguous()
        tensor([1.])
        """
        return self

    cpu = contiguous

    def t(self) -> Tensor:
        """A matrix with its axes exchanged; see `transpose`."""
        if self.array.ndim > 2:
            raise ValueError(f"t: needs two axes at most, got shape {self.array.shape}; write .mT")
        return self.T

    def expand(self, *sizes: Any) -> Tensor:
        """Values repeated to `sizes`, of which -1 keeps an axis; see `broadcast_to`."""
        wanted = whole_numbers("expand", "sizes", sizes[0] if len(sizes) == 1 else sizes)
        own = (0,) * (len(wanted) - self.array.ndim) + self.array.shape
        return self.broadcast_to(tuple(n if k == -1 else k for k, n in zip(wanted, own)))

    def where(self, condition: Any, other: Any) -> Tensor:
        """The values of the tensor where `condition` is true, of `other` elsewhere; see `where`."""
        return ops.arithmetic.where(condition, self, other)

    def tile(self, *reps: Any) -> Tensor:
        """The values laid side by side `reps` times along every axis; see `tile`."""
        sizes: Any = reps[0] if len(reps) == 1 else reps
        return ops.join.tile(self, reps=sizes)  # type: ignore[call-overload]

    def unfold(self, dimension: int, size: int, step: int = 1) -> Tensor:
        """The windows of `size` values along an axis, `step` apart, along a new last axis.

        >>> ag.tensor([1.0, 2.0, 3.0]).unfold(0, 2, 1).tolist()
        [[1.0, 2.0], [2.0, 3.0]]
        """
        axis, n = (
            normal_axis("unfold", dimension, self.array.ndim),
            integer("unfold", "size", size, 1),
        )
        starts = np.arange(0, self.array.shape[axis] - n + 1, integer("unfold", "step", step, 1))
        windows: Any = self[(slice(None),) * axis + (starts[:, None] + np.arange(n),)]
        return ops.shape.moveaxis(windows, source=axis + 1, destination=-1)

    def type_as(self, other: Any) -> Tensor:
        """Values converted to the dtype of `other`; see `astype`."""
        return self.astype(other.dtype, copy=False)

    def to(self, *target: Any, dtype: Any = None, device: Any = None, copy: Any = False) -> Tensor:
        """Values converted to a dtype, or to that of another tensor; the device "cpu" is no change.

        >>> ag.tensor([1.5]).to("float64").dtype
        dtype('float64')
        """
        wanted = dtype_of_move("to", device, *target, dtype)
        return self.astype(self.array.dtype if wanted is None else wanted, copy=bool(copy))

    def fill_(self, value: Any) -> Self:
        """Every value replaced by `value`, in place; returns the tensor.

        >>> ag.tensor([1.0, 2.0]).fill_(5.0)
        tensor([5., 5.])
        """
        self[...] = value
        return self

    copy_ = fill_

    def zero_(self) -> Self:
        """Every value replaced by 0, in place; returns the tensor.

        >>> ag.tensor([1.0, 2.0]).zero_()
        tensor([0., 0.])
        """
        return self.fill_(0)


def _in_place(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **settings: Any) -> Any:
        self[...] = function(self, *args, **settings)
        return self

    name = function.__name__
    call.__name__, call.__doc__ = f"{name}_", f"`{name}`, written into the tensor; see `{name}`."
    return call


def _cast(dtype: str) -> Callable[..., Any]:
    def call(self: Any) -> Any:
        return self.astype(dtype, copy=False)

    call.__doc__ = f"Values converted to {dtype}; see `astype`."
    return call


_CASTS = {"bool": "bool", "double": "float64", "float": "float32", "int": "int32", "long": "int64"}


def adopt(functions: Mapping[str, Any]) -> None:
    """Make functions methods of the tensor; names that no function has are no methods."""
    for name, held in list(vars(Adopted).items()):
        if held not in (_plain, _tensor, _other):
            continue
        if name in _CASTS:
            setattr(Adopted, name, _cast(_CASTS[name]))
        elif name in functions:
            setattr(Adopted, name, functions[name])
        elif name[:-1] in functions:
            setattr(Adopted, name, _in_place(functions[name[:-1]]))
        else:
            delattr(Adopted, name)
