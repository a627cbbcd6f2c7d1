"""Weights of models in files, safetensors or npz: arrays by name, and no code."""

from __future__ import annotations

import os
from typing import Any

from autograd_cnn.checks import mistake, shown
from autograd_cnn.data.errors import DataError
from autograd_cnn.data.files import AnyPath, replace_file
from autograd_cnn.data.npz_format import read_npz, write_npz
from autograd_cnn.data.safetensors_format import read_safetensors, write_safetensors
from autograd_cnn.engine.node import values
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.state import IncompatibleKeys

__all__ = ["load_weights", "save_weights"]

_FORMATS: dict[str, Any] = {
    ".npz": (write_npz, read_npz),
    ".safetensors": (write_safetensors, read_safetensors),
}


def save_weights(model: Module, path: AnyPath) -> None:
    """Write the parameters and buffers of a model to a file, under the names of `state_dict`.

    The ending of `path` gives the format.  A ``.safetensors`` file is byte for byte what the
    safetensors library writes.  An ``.npz`` file also holds dtypes that only NumPy has.  A shared
    parameter is in the file under each of its names.  The file replaces `path` in one step: a
    crash, Ctrl-C or a full disk leaves the old one whole.

    >>> import tempfile
    >>> net, twin = nn.Linear(3, 2), nn.Linear(3, 2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     nn.save_weights(net, f"{folder}/net.safetensors")
    ...     nn.load_weights(twin, f"{folder}/net.safetensors")
    IncompatibleKeys(missing_keys=[], unexpected_keys=[])
    >>> bool((net.weight == twin.weight).all())
    True
    """
    name, (write, _) = _checked("save_weights", model, path)
    state = model.state_dict()
    with replace_file(name) as file:
        write(file, state)


def load_weights(model: Module, path: AnyPath, strict: bool = True) -> IncompatibleKeys:
    """Overwrite the parameters and buffers of a model, in place, with those in a file.

    Reads ``.safetensors`` and ``.npz`` files, from here or elsewhere.  Names and layouts are those
    of PyTorch.  Each array keeps the dtype that it has in the model: a model of float32 reads
    float16 and bfloat16 as float32.  One name of a shared parameter is enough.

    Returns the missing and the unexpected names.  One DataError, a ValueError, lists every
    problem: a wrong shape or dtype and, with `strict`, missing and unexpected names.  A damaged
    file raises DataError too.  Both leave the model unchanged, and no code in the file is run.
    Reading takes at most four times the memory of file and model, and 16 MB.

    >>> nn.load_weights(nn.Linear(3, 2), "net.h5")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: load_weights: path must end in .npz or .safetensors, got 'net.h5'; from ...
    """
    name, (_, read) = _checked("load_weights", model, path)
    room = 4 * sum(values(x).nbytes for x in model._state().values())
    with open(name, "rb") as file:
        try:
            state = read(file, room)
        except Exception as error:  # NumPy, zipfile and json raise a dozen types of errors
            reason, *_ = str(error).split("\n")
            raise DataError(f"{name}: expected weights, but it is damaged: {reason}") from error
    try:
        return model.load_state_dict(state, strict)
    except ValueError as error:
        raise DataError(f"{name}: {error}") from None


def _checked(where: str, model: Any, path: AnyPath) -> tuple[str, Any]:
    """The name of a file, and what writes and reads its format."""
    if not isinstance(model, Module):
        raise mistake(where, "model", "a module", model)
    name = os.fsdecode(path)
    ending = os.path.splitext(name)[1].lower()
    if ending not in _FORMATS:
        found = f"got {shown(name)}; from PyTorch, safetensors.torch.save_file writes the latter"
        raise ValueError(f"{where}: path must end in .npz or .safetensors, {found}")
    return name, _FORMATS[ending]
