"""Structures as vectors, and optimizers of plain functions."""

from autograd_cnn.compat.autograd.misc import optimizers as optimizers
from autograd_cnn.compat.autograd.misc.flatten import flatten as flatten
