"""Optimizers, which change parameters by their gradients, and schedules of the learning rate.

>>> from autograd_cnn import nn, optim
>>> net = nn.Linear(3, 2)
>>> optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
>>> schedule = optim.StepLR(optimizer, step_size=10)
"""

from autograd_cnn.optim.optimizer import Optimizer
from autograd_cnn.optim.schedulers import CosineAnnealingLR, LRScheduler, OneCycleLR, StepLR
from autograd_cnn.optim.sgd import SGD

__all__ = ["SGD", "CosineAnnealingLR", "LRScheduler", "OneCycleLR", "Optimizer", "StepLR"]
