"""The kernels in NumPy: what every kernel set computes.

Shapes are written N, C, H, W, but the number of spatial axes is the window's: the same loops serve
(N, C, L) and (N, C, D, H, W).  Memory is batch-innermost.  A kernel computes a C-contiguous
(C, H, W, N) array and returns its (N, C, H, W) view, elementwise NumPy keeps that order, and the
next kernel finds its rows of W * N values in one piece.  Inputs may have any strides; they are
copied at most once.  Loops run over kernel offsets, never over positions or images.

Functions with a twin in C take their arguments by position only, as the twin does.
"""

from autograd_cnn.kernels.reference.convolution import *  # noqa: F403
from autograd_cnn.kernels.reference.layout import *  # noqa: F403
from autograd_cnn.kernels.reference.norm import *  # noqa: F403
from autograd_cnn.kernels.reference.pool import *  # noqa: F403
from autograd_cnn.kernels.reference.product import *  # noqa: F403
from autograd_cnn.kernels.reference.training import *  # noqa: F403
