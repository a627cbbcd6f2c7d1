"""The kernels in NumPy, which define what kernels compute.

Shapes are written N, C, H, W, but the loops serve any number of spatial axes.  Memory is
batch-innermost: a kernel computes a C-contiguous (C, H, W, N) array and returns its (N, C, H, W)
view, elementwise NumPy keeps that order, and the next kernel finds contiguous rows of W * N values.
Inputs may have any strides; they are copied at most once.  Loops run over kernel offsets, never
over positions or images.
"""

from autograd_cnn.kernels.reference.convolution import *  # noqa: F403
from autograd_cnn.kernels.reference.curves import *  # noqa: F403
from autograd_cnn.kernels.reference.layout import *  # noqa: F403
from autograd_cnn.kernels.reference.lines import *  # noqa: F403
from autograd_cnn.kernels.reference.norm import *  # noqa: F403
from autograd_cnn.kernels.reference.pool import *  # noqa: F403
from autograd_cnn.kernels.reference.product import *  # noqa: F403
from autograd_cnn.kernels.reference.training import *  # noqa: F403
