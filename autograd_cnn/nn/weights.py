"""Weights of models in files, safetensors or npz: arrays by name, and no code."""

from __future__ import annotations

import os
from typing import Any

from autograd_cnn.checks import mistake, shown
from autograd_cnn.data.errors import DataError
from autograd_cnn.data.files import AnyPath, replace_file
from autograd_cnn.data.npz_format import read_npz, write_npz
from autograd_cnn.data.safetensors_format import read_safetensors, write_safetensors
from autograd_cnn.data.stored import SPARE
from autograd_cnn.engine.arguments import checked
from autograd_cnn.engine.node import values
from autograd_cnn.nn.module import Module
from autograd_cnn.nn.state import IncompatibleKeys, misfits

__all__ = ["load_weights", "save_weights"]

_FORMATS: dict[str, Any] = {
    ".npz": (write_npz, read_npz),
    ".safetensors": (write_safetensors, read_safetensors),
}
_OF_TORCH = {".bin", ".ckpt", ".pt", ".pth"}  # pickles


@checked
def save_weights(model: Module, path: AnyPath) -> None:
    """Write the parameters and buffers of a model to a file, under the names of `state_dict`.

    The ending of `path` gives the format.  A ``.safetensors`` file is byte for byte what the
    safetensors library writes; PyTorch and others read it.  An ``.npz`` file also holds dtypes
    that only NumPy has.  A shared parameter is in the file under each of its names.

    The file replaces `path` in one step: a crash, Ctrl-C or a full disk leaves the old file whole.

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
    for key, array in state.items():
        if array.dtype.kind not in "biufc":
            raise TypeError(f"save_weights: {key} must hold numbers, but has dtype {array.dtype}")
    with replace_file(name) as file:
        try:
            write(file, state)
        except ValueError as error:
            raise ValueError(f"save_weights: {name}: {error}") from error


@checked
def load_weights(model: Module, path: AnyPath, strict: bool = True) -> IncompatibleKeys:
    """Overwrite the parameters and buffers of a model, in place, with those in a file.

    Reads ``.safetensors`` and ``.npz`` files, from here or from elsewhere; PyTorch's names and
    layouts are those here.  Each array keeps the dtype that it has in the model: float16 and
    bfloat16 are read as float32 into a model of float32.  One name of a shared parameter is enough.

    Returns the missing and the unexpected names.  One DataError, a ValueError, lists every
    problem: a wrong shape or dtype and, with `strict`, missing and unexpected names.  A damaged
    file raises DataError too.  Both leave the model unchanged.  No code in a file is run.  Reading
    takes at most four times the memory of file and model, and 16 MB.

    >>> nn.load_weights(nn.Linear(3, 2), "net.h5")
    Traceback (most recent call last):
        ...
    ValueError: load_weights: path must end in .npz or .safetensors, got 'net.h5'
    """
    name, (_, read) = _checked("load_weights", model, path)
    state = model._state()
    with open(name, "rb") as file:
        # NumPy, zipfile and json raise a dozen types of errors for damaged files.
        try:
            stored = read(file)
            keys, problems = misfits(state, stored, strict)
            wanted = {key: array for key, array in stored.items() if key in state}
            held = sum(values(x).nbytes for x in state.values()) + file.seek(0, os.SEEK_END)
            if sum(array.nbytes for array in wanted.values()) > 2 * held + SPARE // 2:
                problems += ["its arrays would take too much memory for its size"]
            found = {} if problems else {key: array.read() for key, array in wanted.items()}
        except Exception as error:
            reason, *_ = str(error).split("\n")
            ending = os.path.splitext(name)[1]
            raise DataError(
                f"{name}: expected weights in the {ending} format, but {reason}"
            ) from error
    if problems:
        raise DataError("\n  ".join([f"{name}: nothing was loaded", *problems]))
    model.load_state_dict(found, strict=False)
    return keys


def _checked(where: str, model: Any, path: Any) -> tuple[str, Any]:
    """The name of a file, and what writes and reads its format."""
    if not isinstance(model, Module):
        raise mistake(where, "model", "a module", model)
    if not isinstance(path, (str, bytes, os.PathLike)):
        raise mistake(where, "path", "the path of a file", path)
    name = os.fsdecode(path)
    ending = os.path.splitext(name)[1].lower()
    if ending not in _FORMATS:
        cure = "; write it with safetensors.torch.save_file" if ending in _OF_TORCH else ""
        endings = " or ".join(_FORMATS)
        raise ValueError(f"{where}: path must end in {endings}, got {shown(name)}{cure}")
    return name, _FORMATS[ending]
