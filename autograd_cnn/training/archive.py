"""Nested plain data in an .npz file: arrays as members, the rest as JSON, and no code."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from autograd_cnn.data.files import replace_file

FORMAT, VERSION = "autograd_cnn checkpoint", 1
INDEX = "checkpoint"  # the array with the JSON text
RESERVED = ("file", "allow_pickle")  # np.savez's own arguments, which cannot be names of arrays


class CheckpointError(ValueError):
    """A file is damaged, or does not fit the parts to load; the message names the file.

    >>> raise CheckpointError("run.npz: has no part 'schedule'")
    Traceback (most recent call last):
    autograd_cnn.training.archive.CheckpointError: run.npz: has no part 'schedule'
    """


def write_archive(path: str | os.PathLike[str], classes: Any, tree: Mapping[str, Any]) -> None:
    """Write `classes`, which is JSON, and `tree`, plain data with arrays."""
    arrays: dict[str, np.ndarray] = {INDEX: np.empty(0, np.uint8)}
    encoded = _encode(tree, "", arrays)
    index = {"format": FORMAT, "version": VERSION, "classes": classes, "tree": encoded}
    arrays[INDEX] = np.frombuffer(json.dumps(index).encode(), np.uint8)
    with replace_file(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_archive(path: str | os.PathLike[str]) -> tuple[Any, dict[str, Any]]:
    """The `classes` and `tree` that `write_archive` wrote; CheckpointError for other files."""
    with open(path, "rb") as file:
        if not zipfile.is_zipfile(file):
            raise _refusal(path, "it is not an .npz file, or its end is missing")
        file.seek(0)
        # NumPy, zipfile and json raise a dozen types of errors for damaged files.
        try:
            with np.load(file, allow_pickle=False) as members:
                if INDEX not in members:
                    raise _refusal(path, "it is an .npz file with other content")
                index = json.loads(members[INDEX].tobytes())
                found = index["format"], index["version"]
                if found == (FORMAT, VERSION):
                    return index["classes"], _decode(index["tree"], members)
        except CheckpointError:
            raise
        except Exception as error:
            raise _refusal(path, f"it is damaged: {error}") from error
    raise _refusal(path, f"it holds {found}, not {(FORMAT, VERSION)}")


def _refusal(path: str | os.PathLike[str], reason: str) -> CheckpointError:
    return CheckpointError(
        f"{os.fspath(path)}: expected a checkpoint, but {reason}; give a file that "
        f"save_checkpoint wrote, or start without one"
    )


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    """`value` as JSON that `_decode` understands; arrays go to `arrays` under their path."""
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.hasobject:
            raise TypeError(f"save_checkpoint: {path} is an array of objects; save numbers instead")
        name = _member(path, arrays)
        arrays[name] = np.asarray(value)
        return {"scalar" if isinstance(value, np.generic) else "array": name}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        items = [_encode(item, f"{path}/{i}", arrays) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
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
        items.append([key, _encode(item, f"{path}/{key}" if path else str(key), arrays)])
    return {"dict": items}


def _member(path: str, taken: Mapping[str, Any]) -> str:
    """A name for the array at `path` that survives np.savez and np.load.

    Zip files cut names at a NUL, np.savez has the arguments `RESERVED`, and np.load drops ".npy".
    """
    name = re.sub(r"[^\w./-]", "_", path[:200], flags=re.ASCII)
    while name in taken or name in RESERVED or name.endswith(".npy"):  # "a/b" beside "a": {"b"}
        name += "_"
    return name


def _decode(encoded: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(encoded, list):
        return [_decode(item, arrays) for item in encoded]
    if not isinstance(encoded, dict):
        return encoded
    ((tag, content),) = encoded.items()
    if tag == "dict":
        return {key: _decode(item, arrays) for key, item in content}
    if tag == "tuple":
        return tuple(_decode(item, arrays) for item in content)
    return arrays[content] if tag == "array" else arrays[content][()]
