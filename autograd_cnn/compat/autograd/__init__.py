"""A home for programs written for HIPS autograd: its names, its arguments, its float64.

``import autograd.numpy as np`` becomes ``import autograd_cnn.compat.autograd.numpy as np``, and so
on for the others.  docs/coming-from-numpy.md says what differs.

>>> from autograd_cnn.compat.autograd import grad
>>> float(grad(np.tanh)(0.0))
1.0
"""

from typing import Any

from autograd_cnn.checks import absent
from autograd_cnn.compat.autograd import builtins as builtins
from autograd_cnn.compat.autograd import extend as extend
from autograd_cnn.compat.autograd import misc as misc
from autograd_cnn.compat.autograd import numpy as numpy
from autograd_cnn.compat.autograd import scipy as scipy
from autograd_cnn.compat.autograd import test_util as test_util
from autograd_cnn.compat.autograd import tracer as tracer
from autograd_cnn.compat.autograd.differential_operators import *  # noqa: F403
from autograd_cnn.compat.autograd.extend import primitive as primitive


def __getattr__(name: str) -> Any:
    if name in ("dict", "isinstance", "list", "tuple"):
        return getattr(builtins, name)
    raise absent("hips", __name__, name)
