"""The methods of tensors, NumPy's and PyTorch's; most are the functions of the same name."""
# mypy: disable-error-code="call-overload, type-var, return-value"

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar, overload

import numpy as np

from autograd_cnn import ops
from autograd_cnn.checks import explains, integer, mistake, normal_axis, whole_numbers
from autograd_cnn.config import native
from autograd_cnn.engine.node import Node, values
from autograd_cnn.tensor.operators import Operators

T = TypeVar("T")

if TYPE_CHECKING:
    # ruff: noqa: D102 - the docstrings are those of the functions
    from typing import Unpack

    from autograd_cnn.ops.pick import Picked
    from autograd_cnn.tensor.types import Spread, Tensor, Words

    def _of_one(self: Any) -> Tensor: ...
    def _tensor(self: Any, *args: Any, **settings: Any) -> Tensor: ...
    def _other(self: Any, *args: Any, **settings: Any) -> Any: ...
    def _along(self: Any, axis: Any = None, **words: Unpack[Words]) -> Tensor: ...
    def _over(
        self: Any, axis: Any = None, keepdims: bool = False, **w: Unpack[Words]
    ) -> Tensor: ...
    def _plain(self: Any, axis: Any = None, keepdims: bool = False, **w: Unpack[Words]) -> Any: ...
else:
    _of_one = _tensor = _other = _along = _over = _plain = "a row of the table"


def cast(dtype: str) -> Callable[[T], T]:
    """The method of a tensor or a module that converts it to `dtype`."""

    def call(self: Any) -> Any:
        return self.to(dtype)

    call.__doc__ = f"The same as ``.to({dtype!r})``; see `astype`."
    return call


def _in_place(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **settings: Any) -> Any:
        made, own = function(self, *args, **settings), self.array.dtype
        if not np.can_cast(made.dtype, own, "same_kind"):
            why = f"{name}_: the result has dtype {made.dtype}, and the tensor {own}"
            raise TypeError(f"{why}; write x = x.{name}(...)")
        self[...] = made
        return self

    call.__name__, call.__doc__ = f"{name}_", f"`{name}`, written into the tensor; see `{name}`."
    return call


class Adopted(Node):
    """The table of the methods that are functions of the package, NumPy's and PyTorch's."""

    __slots__ = ()

    abs = absolute = acos = acosh = arccos = arcsin = arctan = asin = asinh = atan = _of_one
    atanh = ceil = cholesky = cos = cosh = det = erf = exp = exp2 = expm1 = fliplr = _of_one
    flipud = floor = frac = inverse = log = log10 = log1p = log2 = neg = negative = _of_one
    ravel = reciprocal = relu = rsqrt = sigmoid = sign = sin = sinh = sqrt = square = _of_one
    tan = tanh = trunc = _of_one
    add = addbmm = addcdiv = addcmul = addmm = addmv = addr = arctan2 = atan2 = baddbmm = _tensor
    bmm = broadcast_to = clamp = clip = copysign = cummax = cummin = cumprod = diag = _tensor
    diagonal = diff = dist = div = divide = dot = expand_dims = flatten = flip = _tensor
    floor_divide = fmod = gather = hypot = index_add = index_put = index_select = inner = _tensor
    lerp = log_softmax = logaddexp = logcumsumexp = logit = logsumexp = masked_fill = _tensor
    masked_select = matmul = maximum = median = minimum = mm = moveaxis = movedim = mul = _tensor
    multiply = narrow = norm = outer = pow = power = remainder = repeat = _tensor
    repeat_interleave = roll = round = scatter = select = softmax = sub = subtract = _tensor
    take_along_axis = trace = tril = triu = unflatten = unsqueeze = xlogy = _tensor
    argsort = chunk = nonzero = slogdet = std_mean = topk = unbind = var_mean = _other
    cumsum = squeeze = _along
    amax = amin = mean = nanmean = nansum = prod = ptp = sum = _over
    all = any = argmax = argmin = count_nonzero = _plain
    if not TYPE_CHECKING:
        max = min = std = swapaxes = take = var = _tensor
    # Written into the tensor.
    abs_ = add_ = addcdiv_ = addcmul_ = ceil_ = clamp_ = clip_ = cos_ = div_ = exp_ = _tensor
    floor_ = index_add_ = lerp_ = log_ = masked_fill_ = mul_ = neg_ = pow_ = reciprocal_ = _tensor
    relu_ = round_ = sigmoid_ = sin_ = sqrt_ = square_ = sub_ = tanh_ = tril_ = triu_ = _tensor

    bool, int, long = cast("bool"), cast("int32"), cast("int64")
    float, double = cast("float32"), cast("float64")


_HOMES = [vars(getattr(ops, name)) for name in ops.__all__]
_FUNCTIONS = {name: home[name] for home in _HOMES for name in home.get("__all__", ())}
for _name, _held in list(vars(Adopted).items()):
    if _held is _tensor:
        _found = _FUNCTIONS[_name.removesuffix("_")]
        setattr(Adopted, _name, _in_place(_name[:-1], _found) if _name[-1] == "_" else _found)


def dtype_of_move(where: str, *given: Any) -> Any:
    """The dtype in the arguments of ``x.to(...)``, or None; every device but the CPU is refused."""
    found: Any = None
    for x in given:
        if isinstance(x, str) and x.partition(":")[0] in ("cuda", "mps", "xpu", "gpu", "tpu"):
            raise TypeError(f"{where}: there is no device {x!r}; all runs on the CPU, leave it out")
        if not (x is None or isinstance(x, bool) or (isinstance(x, str) and x == "cpu")):
            found = values(x).dtype if isinstance(x, (Node, np.ndarray)) else x
    try:
        return None if found is None else np.dtype(found)
    except TypeError:
        raise mistake(where, "dtype", "a dtype such as 'float32'", found) from None


@explains("""tensor:
    H allclose apply_ asnumpy assign assign_add bfloat16 bincount cuda data_ptr detach_
    element_size eq equal eval expand_as fill flat ge get_device grad_fn gradient gt half imag
    indices is_contiguous is_cuda is_floating_point is_sparse isclose isfinite isinf isnan itemsize
    le lt map_ mps nan_to_num ndimension ne nelement new_empty new_full new_ones new_tensor
    new_zeros normal_ partition percentile pin_memory put quantile random_ real reshape_as resize
    resize_ scatter_ scatter_add scatter_add_ searchsorted set_ share_memory_ sort split storage
    stride strides take_along_dim to_sparse tobytes type uniform_ unique untyped_storage values
    view_as
""")
class Methods(Adopted, Operators):
    """Methods with NumPy's names and arguments, and with PyTorch's.

    Positions and truth values are plain arrays.  `sort`, `fill`, `put` and `split` are left out:
    NumPy's meaning, in place or in parts, is not PyTorch's.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @overload
        def max(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        @overload
        def max(self, *, dim: int, keepdim: bool = False) -> Picked: ...
        def max(self, *args: Any, **named: Any) -> Any: ...

        min = max

        def swapaxes(self, axis1: int, axis2: int) -> Tensor: ...
        def take(self, indices: Any, axis: int | None = None, **words: Unpack[Words]) -> Tensor: ...
        def var(
            self, axis: Any = None, keepdims: bool = False, ddof: float = 0, **words: Unpack[Spread]
        ) -> Tensor: ...

        std = var

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The axes reversed; see `transpose`."""
        return ops.shape.transpose(self)

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The last two axes exchanged; see `matrix_transpose`."""
        return ops.shape.matrix_transpose(self)

    def permute(self, *axes: Any, dims: Any = ()) -> Tensor:
        """Axes in the given order; see `transpose`."""
        order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes or dims
        return ops.shape.transpose(self, axes=tuple(order))

    def transpose(self, *axes: Any, **dims: int) -> Tensor:
        """Axes in an order, reversed by default; or `dim0` and `dim1` swapped; see `transpose`."""
        if dims:
            named = {{"dim0": "axis1", "dim1": "axis2"}.get(n, n): axis for n, axis in dims.items()}
            return ops.shape.swapaxes(self, *axes, **named)
        if len(axes) == self.array.ndim == 2 and axes[0] % 2 < axes[1] % 2:
            raise TypeError(
                f"transpose: axes {axes} in NumPy's meaning leave a matrix as it is; write x.T, or "
                "x.swapaxes(0, 1) for PyTorch's transpose"
            )
        return self.permute(*axes) if axes and axes[0] is not None else ops.shape.transpose(self)

    def reshape(self, *shape: Any) -> Tensor:
        """The same values under another shape; see `reshape`."""
        return ops.shape.reshape(self, shape=shape[0] if len(shape) == 1 else shape)

    def astype(self, dtype: Any, copy: bool = True) -> Tensor:
        """Values converted to `dtype`; without `copy` the tensor itself if it has that dtype.

        >>> x = ag.tensor([1.0, 2.0])
        >>> x.astype("float64").dtype, x.astype("float32", copy=False) is x
        (dtype('float64'), True)
        """
        if not copy and native(dtype) == self.array.dtype:
            return self
        return ops.arithmetic.astype(self, dtype=native(dtype))

    def copy(self) -> Tensor:
        """The same values in new memory, differentiable.

        >>> ag.tensor([1.0, 2.0]).copy()
        tensor([1., 2.])
        """
        return ops.arithmetic.astype(self, dtype=self.array.dtype)

    clone, view = copy, reshape

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

    def t(self) -> Tensor:
        """A matrix with its axes swapped; see `transpose`."""
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
        return ops.join.tile(self, reps=sizes)

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

    def to(self, *target: Any, dtype: Any = None, device: Any = None, copy: Any = False) -> Tensor:
        """Values converted to a dtype, or to that of another tensor.

        The tensor itself if it has that dtype; its device and its order in memory do not matter.

        >>> ag.tensor([1.5]).to("float64").dtype
        dtype('float64')
        """
        wanted = dtype_of_move("to", device, *target, dtype)
        return self.astype(self.array.dtype if wanted is None else wanted, copy=bool(copy))

    type_as = cpu = contiguous = to

    def to_device(self, device: str, *, stream: None = None) -> Self:
        """The tensor itself: the only device is "cpu", which has no streams.

        >>> ag.tensor([1.5]).to_device("cpu")
        tensor([1.5])
        """
        return self.to(device)

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


for _method in vars(Methods).values():  # errors of Python's own name a method by this
    if getattr(_method, "__module__", None) == __name__ and callable(_method):
        _method.__qualname__ = f"Tensor.{_method.__name__}"
