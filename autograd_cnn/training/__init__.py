"""Helpers for your own training loop: progress, metrics, history, early stopping, checkpoints.

With a checkpoint after every epoch, an interrupted run continues with the same numbers:

>>> import os, tempfile
>>> def train(path, epochs):
...     _ = ag.manual_seed(0)
...     loader = ag.data.DataLoader(ag.data.digits().train, 64, shuffle=True, seed=0)
...     model = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(784, 10))
...     optimizer = ag.optim.SGD(model.parameters(), lr=0.1)
...     parts = {"model": model, "optimizer": optimizer, "loader": loader}
...     history = load_checkpoint(path, **parts)["history"] if os.path.exists(path) else []
...     for epoch in range(loader.epoch, epochs):
...         with Progress(f"epoch {epoch + 1}", len(loader)) as progress:
...             for images, labels in loader:
...                 scores = model(ag.tensor(images, dtype="float32") / 255)
...                 loss = F.cross_entropy(scores, labels)
...                 optimizer.zero_grad()
...                 loss.backward()
...                 optimizer.step()
...                 progress.update(len(labels), loss=loss, accuracy=accuracy(scores, labels))
...         history.append(progress.means)
...         save_checkpoint(path, history=history, **parts)
...     return history
>>> with tempfile.TemporaryDirectory() as folder:
...     straight = train(f"{folder}/straight.npz", epochs=2)
...     _ = train(f"{folder}/resumed.npz", epochs=1)
...     straight == train(f"{folder}/resumed.npz", epochs=2)
True
"""

from autograd_cnn.data.files import replace_file
from autograd_cnn.training.archive import CheckpointError
from autograd_cnn.training.checkpoints import load_checkpoint, save_checkpoint
from autograd_cnn.training.history import History
from autograd_cnn.training.metrics import (
    accuracy,
    confusion_matrix,
    precision_recall_f1,
    top_k_accuracy,
)
from autograd_cnn.training.progress import Progress
from autograd_cnn.training.rates import find_lr
from autograd_cnn.training.step import Step
from autograd_cnn.training.stopping import EarlyStopping

__all__ = [
    "CheckpointError", "EarlyStopping", "History", "Progress", "Step", "accuracy",
    "confusion_matrix", "find_lr", "load_checkpoint", "precision_recall_f1", "replace_file",
    "save_checkpoint", "top_k_accuracy",
]  # fmt: skip
__dir__ = __all__.copy
