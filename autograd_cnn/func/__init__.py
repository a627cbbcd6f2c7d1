"""Transforms of functions: gradients, Jacobians, Hessians and products with them, freely nested.

They take functions of arrays, tensors, numbers, and of tuples, lists and dicts of them.  Results
are arrays for arrays and tensors for tensors.

>>> ag.func.grad(lambda w: ag.sum(w**2))(np.array([1.0, 2.0]))
array([2., 4.])
"""

from autograd_cnn.func.flat import objective
from autograd_cnn.func.gradients import grad, hvp, jvp, value_and_grad, vjp
from autograd_cnn.func.matrices import hessian, jacfwd, jacobian, jacrev
from autograd_cnn.func.modules import functional_call

__all__ = [
    "functional_call", "grad", "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp",
    "objective", "value_and_grad", "vjp",
]  # fmt: skip
__dir__ = __all__.copy
