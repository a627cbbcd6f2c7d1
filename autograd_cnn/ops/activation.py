"""relu and its gradient; the other activations are composed of ops, in `functional.activations`."""

from __future__ import annotations

from autograd_cnn import kernels
from autograd_cnn.engine.node import Array
from autograd_cnn.engine.op import op

__all__ = ["relu"]


@op(
    g=lambda gx, out, g, x: relu_grad(gx, x),
    x=None,
)
def relu_grad(g: Array, x: Array) -> Array:
    """Gradient of relu: g where x is positive, 0 elsewhere (selected, so 0 * inf is no NaN).

    >>> relu_grad(np.array([2.0, np.inf]), np.array([1.0, -1.0]))
    array([2., 0.])
    """
    return kernels.relu_grad(g, x)


@op(x=lambda g, out, x: relu_grad(g, x))
def relu(x: Array) -> Array:
    """max(x, 0), with gradient 0 at 0; NaN stays NaN.

    >>> relu(np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return kernels.relu(x)
