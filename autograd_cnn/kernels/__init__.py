"""Array loops: the only place that knows memory layout.

`reference` holds every kernel in NumPy.  Many have a twin in C with the same arguments and results,
which replaces them here if `choice` decides so.  A twin passes arrays that it does not support to
NumPy's kernel.  `window` is the geometry of sliding windows, `memory` keeps freed memory in the
process, `threads` counts processors, `precision` serves other dtypes than float32 and float64.
"""

from autograd_cnn.kernels import memory as memory
from autograd_cnn.kernels import precision as precision
from autograd_cnn.kernels import reference as reference
from autograd_cnn.kernels import threads as threads
from autograd_cnn.kernels import window as window
from autograd_cnn.kernels.choice import REASON as REASON
from autograd_cnn.kernels.choice import TWINS
from autograd_cnn.kernels.choice import get_threads as get_threads
from autograd_cnn.kernels.choice import set_threads as set_threads
from autograd_cnn.kernels.reference import *  # noqa: F403

globals().update(TWINS)  # editors and type checkers see the functions in NumPy
