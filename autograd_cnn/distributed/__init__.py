"""Data-parallel training on MPI (the extra ``mpi``): the same script with one process or many.

``mpiexec -n 4 python train.py``, or ``python -m autograd_cnn.distributed -n 4 train.py``, where
train.py has a `Step` of this module in place of `training.Step`.  See docs/scaling.md.
"""

from autograd_cnn.distributed.loader import DataLoader
from autograd_cnn.distributed.step import Step
from autograd_cnn.distributed.sync import synchronize_batch_norm
from autograd_cnn.distributed.world import start

__all__ = ["DataLoader", "Step", "start", "synchronize_batch_norm"]
__dir__ = __all__.copy
