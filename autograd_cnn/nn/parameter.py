"""Parameter: a tensor that a module trains."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_cnn.tensor import Tensor


class Parameter(Tensor):
    """A leaf tensor that modules find among their attributes and optimizers train.

    `data` is copied, and floating unless `requires_grad` is False.

    >>> Parameter([1.0, 2.0])
    Parameter([1., 2.])
    """

    __slots__ = ()
    _shown_as, _trained = "Parameter", True

    def __init__(self, data: Any, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)
        self.array = np.asarray(self.array, order="C")
