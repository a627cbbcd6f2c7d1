"""Densities, a module for each distribution."""

from autograd_cnn.compat.autograd.scipy.stats import multivariate_normal as multivariate_normal
from autograd_cnn.compat.autograd.scipy.stats import norm as norm
