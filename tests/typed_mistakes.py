"""Calls that type checkers must report, each marked; never run."""

from __future__ import annotations

import numpy as np

import autograd_cnn as ag
from autograd_cnn import Tensor, nn
from autograd_cnn import functional as F

t = ag.tensor([1.0])
array: np.ndarray = ag.exp(t)  # wrong
tensor: Tensor = F.softmax(np.ones(3), dim=0)  # wrong
ag.sum(t, axs=0)  # wrong
t.sum(axs=0)  # wrong
t.cuda()  # wrong
ag.exp("s")  # wrong
ag.add(t)  # wrong
added = t + "s"  # wrong
F.conv2d(t)  # wrong
F.cross_entropy(t, t, redaction="mean")  # wrong
F.dropout(t, p="half")  # wrong
nn.Linear(2, 3)("s")  # wrong
nn.Linear(2, 3)()  # wrong
nn.ReLU()(t, t)  # wrong
nn.MSELoss()(t)  # wrong
