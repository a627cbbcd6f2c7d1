"""Array loops: the only place that knows memory layout.

`reference` holds them in NumPy, `window` the geometry of sliding windows, `memory` the recycling of
freed memory.
"""

from autograd_cnn.kernels import memory, reference, window

__all__ = ["memory", "reference", "window"]
