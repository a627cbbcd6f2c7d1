"""Array loops: the only place that knows memory layout.

`reference` holds them in NumPy, the specification; `compiled` is its optional twin in C; `serving`
chooses between the two.  `window` is the geometry of sliding windows, `memory` the recycling of
freed memory.  Ops call the functions from here, so that they never know which set serves them.
"""

from autograd_cnn.kernels import memory, reference, serving, threads, window
from autograd_cnn.kernels.reference import (
    fold,
    laid_out,
    rows_count,
    unfold,
    window_gather,
    window_scatter,
    window_winners,
)
from autograd_cnn.kernels.serving import ACTIVE, REASON, get_threads, set_threads

adam = ACTIVE.adam
batch_norm = ACTIVE.batch_norm
batch_norm_grad = ACTIVE.batch_norm_grad
channel_affine = ACTIVE.channel_affine
channel_sum = ACTIVE.channel_sum
conv = ACTIVE.conv
conv_input_grad = ACTIVE.conv_input_grad
conv_weight_grad = ACTIVE.conv_weight_grad
cross_entropy = ACTIVE.cross_entropy
cross_entropy_grad = ACTIVE.cross_entropy_grad
first_outside = ACTIVE.first_outside
linear = ACTIVE.linear
matmul = ACTIVE.matmul
relu = ACTIVE.relu
relu_grad = ACTIVE.relu_grad
running_affine = ACTIVE.running_affine
sgd = ACTIVE.sgd
window_max = ACTIVE.window_max
window_max_grad = ACTIVE.window_max_grad
window_spread = ACTIVE.window_spread
window_sum = ACTIVE.window_sum

__all__ = [
    "REASON",
    "adam",
    "batch_norm",
    "batch_norm_grad",
    "channel_affine",
    "channel_sum",
    "conv",
    "conv_input_grad",
    "conv_weight_grad",
    "cross_entropy",
    "cross_entropy_grad",
    "first_outside",
    "fold",
    "get_threads",
    "laid_out",
    "linear",
    "matmul",
    "memory",
    "reference",
    "relu",
    "relu_grad",
    "rows_count",
    "running_affine",
    "serving",
    "set_threads",
    "sgd",
    "threads",
    "unfold",
    "window",
    "window_gather",
    "window_max",
    "window_max_grad",
    "window_scatter",
    "window_spread",
    "window_sum",
    "window_winners",
]
