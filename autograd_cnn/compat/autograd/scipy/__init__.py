"""SciPy's special functions and densities."""

from autograd_cnn.compat.autograd.scipy import special as special
from autograd_cnn.compat.autograd.scipy import stats as stats
