"""Gradient checks for ops, layers and any function of tensors.

`gradcheck` and `gradgradcheck` compare first and second derivatives with numerical ones.
`check_op` checks everything an op must do.  `autograd_cnn.testing.strategies` (needs hypothesis)
generates inputs.
"""

from autograd_cnn.testing.differences import GradientError
from autograd_cnn.testing.gradcheck import gradcheck, gradgradcheck
from autograd_cnn.testing.operations import check_adjoint, check_complex_step, check_op

__all__ = [
    "GradientError", "check_adjoint", "check_complex_step", "check_op", "gradcheck",
    "gradgradcheck",
]  # fmt: skip
__dir__ = __all__.copy
