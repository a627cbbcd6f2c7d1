"""Nested plain data in an .npz file: arrays as members, the rest as JSON, and no code."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from autograd_cnn.data.files import AnyPath, replace_file
from autograd_cnn.data.limits import SPARE, memory_of_json
from autograd_cnn.data.npz_format import open_archive, read_member, write_npz
from autograd_cnn.engine.annotations import is_masked
from autograd_cnn.engine.arguments import as_numbers
from autograd_cnn.engine.node import Node

HEAD = '{"format": "autograd_cnn checkpoint", "version": 1'  # of the JSON text
RANDOM = "random"  # the name of the generator behind dropout, a part of every checkpoint
INDEX = "checkpoint"  # the array with the JSON text
_MOST = 10**4000  # Python reads integers of at most 4,300 digits
DEPTH = 100  # json could not read 330 back


class CheckpointError(ValueError):
    """A file is damaged, or does not fit the parts to load; the message names the file.

    >>> raise CheckpointError("run.npz: has no part 'schedule'")
    Traceback (most recent call last):
    autograd_cnn.training.archive.CheckpointError: run.npz: has no part 'schedule'
    """


def write_archive(path: AnyPath, classes: Any, tree: Mapping[str, Any]) -> None:
    """Write `classes`, which is JSON, and `tree`, plain data with arrays."""
    arrays: dict[str, np.ndarray] = {INDEX: np.empty(0, np.uint8)}
    index = {"classes": classes, "tree": _encode(tree, "", arrays)}
    text = (HEAD + json.dumps(index).replace("{", ", ", 1)).encode()
    # Spaces pay for what `read_archive` needs above its share, after some 30,000 short lists.
    size = len(text) + sum(array.nbytes for array in arrays.values())
    text += b" " * max(0, (memory_of_json(text) - 2 * size - SPARE) // 2)
    arrays[INDEX] = np.frombuffer(text, np.uint8)
    with replace_file(path) as file:
        write_npz(file, arrays)


def read_archive(path: AnyPath, room: int = 0) -> tuple[dict[str, Any], dict[str, Any]]:
    """The `classes` and `tree` that `write_archive` wrote; CheckpointError for other files.

    Reading takes at most four times the size of the file, `SPARE` bytes and `room` bytes of memory.
    """
    name = os.fsdecode(path)
    with open(name, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise _refusal(name, "it is not an .npz file, or its end is missing")
        # NumPy, zipfile and json raise a dozen types of errors for damaged files.
        try:
            archive, limit = open_archive(file, room)
            return _read(name, archive, limit)
        except CheckpointError:
            raise
        except Exception as error:
            reason, *_ = str(error).split("\n")
            raise _refusal(name, f"it is damaged: {reason}") from error


def _read(path: str, archive: zipfile.ZipFile, limit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    left = {info.filename: info for info in archive.infolist()}
    if f"{INDEX}.npy" not in left:
        raise _refusal(path, "it is an .npz file with other content")

    def take(name: str) -> np.ndarray:  # each once: a file could name one array a million times
        return read_member(archive, left.pop(f"{name}.npy"))

    text = take(INDEX).tobytes()
    if not text.startswith(HEAD.encode()):
        raise _refusal(path, f"it holds {text[: len(HEAD)]!r}, not {HEAD!r}")
    if memory_of_json(text) > limit:
        raise ValueError("its text would take too much memory for its size")
    index = json.loads(str(text, "ascii"), object_hook=partial(_decoded, take))
    classes, tree = index["classes"], index["tree"]
    if left or not isinstance(tree, dict) or not set(classes) <= set(tree):
        raise ValueError(f"states and arrays do not belong together: {', '.join(left)[:80]}")
    return dict(classes), tree


def _refusal(path: str, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path}: expected a checkpoint, but {reason}; give a file that "
        f"save_checkpoint wrote, or start without one"
    )


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray], depth: int = 0) -> Any:
    """`value` as JSON that `_decoded` understands; arrays go to `arrays` under their path."""
    if depth > DEPTH:
        raise ValueError(
            f"save_checkpoint: {path[:60]}... is nested over {DEPTH} deep, or holds itself"
        )
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            raise TypeError(f"save_checkpoint: {path} is an array of objects; save numbers instead")
        if is_masked(value):
            as_numbers("save_checkpoint", path, value)  # which raises
        name = _member(path, arrays)
        arrays[name] = np.asarray(value)
        return {"scalar" if isinstance(value, np.generic) else "array": name}
    if isinstance(value, int) and abs(value) >= _MOST:
        raise ValueError(f"save_checkpoint: {path} is over 4,000 digits long; save a string of it")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{path}/{i}", arrays, depth + 1) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, Node):
        cure = "item(), a number" if value.array.size == 1 else "numpy(), an array"
        raise TypeError(f"save_checkpoint: {path} is a tensor; save its .{cure}")
    if not isinstance(value, Mapping):
        raise TypeError(
            f"save_checkpoint: {path} is a {type(value).__name__}; a part has state_dict and "
            f"load_state_dict, or is plain data: None, bools, numbers, strings, arrays, and lists, "
            f"tuples and dicts of them"
        )
    items = []
    for key, item in value.items():
        if not isinstance(key, str | int):
            raise TypeError(
                f"save_checkpoint: {path} has the key {key!r}; keys are strings and ints"
            )
        _encode(key, f"the key of {path}", arrays)
        inner = f"{path}/{key}" if path else str(key)
        items.append([key, _encode(item, inner, arrays, depth + 1)])
    return {"dict": items}


def _member(path: str, taken: Mapping[str, Any]) -> str:
    """A name for the array at `path` that survives a zip file and np.load, which drops ".npy"."""
    name = re.sub(r"[^\w./-]", "_", path[:200], flags=re.ASCII)
    while name in taken or name.endswith(".npy"):  # "a/b" beside "a": {"b"}
        name += f"_{len(taken)}"
    return name


def _decoded(take: Callable[[str], np.ndarray], entry: dict[str, Any]) -> Any:
    """What an object of JSON stands for."""
    if len(entry) != 1 or RANDOM in entry:
        return entry  # the index itself, or its classes
    ((tag, content),) = entry.items()
    if tag in ("dict", "tuple"):
        return dict(content) if tag == "dict" else tuple(content)
    if tag not in ("array", "scalar"):
        raise ValueError(f"it has the unknown kind {tag!r}")
    return take(content) if tag == "array" else take(content)[()]
