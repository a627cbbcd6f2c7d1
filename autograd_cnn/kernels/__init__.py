"""Array loops: the only place that knows memory layout.

`reference` holds them in NumPy, the specification; `compiled` is its optional twin in C; `serving`
chooses between the two.  `window` is the geometry of sliding windows, `memory` the recycling of
freed memory.  Ops call the functions from here, so that they never know which set serves them.
"""

from autograd_cnn.kernels import memory, reference, serving, threads, window
from autograd_cnn.kernels.reference import fold, rows_count, unfold
from autograd_cnn.kernels.serving import ACTIVE, REASON, get_threads, set_threads

batch_norm = ACTIVE.batch_norm
batch_norm_grad = ACTIVE.batch_norm_grad
conv2d = ACTIVE.conv2d
conv2d_input_grad = ACTIVE.conv2d_input_grad
conv2d_weight_grad = ACTIVE.conv2d_weight_grad
matmul = ACTIVE.matmul
relu = ACTIVE.relu
relu_grad = ACTIVE.relu_grad
window_gather = ACTIVE.window_gather
window_max = ACTIVE.window_max
window_scatter = ACTIVE.window_scatter
window_spread = ACTIVE.window_spread
window_sum = ACTIVE.window_sum
window_winners = ACTIVE.window_winners

__all__ = [
    "REASON",
    "batch_norm",
    "batch_norm_grad",
    "conv2d",
    "conv2d_input_grad",
    "conv2d_weight_grad",
    "fold",
    "get_threads",
    "matmul",
    "memory",
    "reference",
    "relu",
    "relu_grad",
    "rows_count",
    "serving",
    "set_threads",
    "threads",
    "unfold",
    "window",
    "window_gather",
    "window_max",
    "window_scatter",
    "window_spread",
    "window_sum",
    "window_winners",
]
