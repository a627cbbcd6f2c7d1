"""Checkpoints: one file with everything that a run needs to continue with the same numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from autograd_cnn import random
from autograd_cnn.data.files import AnyPath
from autograd_cnn.nn import Module
from autograd_cnn.optim import Optimizer
from autograd_cnn.training.archive import RANDOM, CheckpointError, read_archive, write_archive


def save_checkpoint(path: AnyPath, /, *unnamed: Any, **parts: Any) -> None:
    """Write the state of all `parts`, and of the generator behind dropout, to one file.

    A part is anything with `state_dict` and `load_state_dict` (models, optimizers, schedules,
    `DataLoader`, `EarlyStopping`), a NumPy generator, or plain data: None, bools, numbers, strings,
    arrays, and lists, tuples and dicts of them.  Subclasses of these load as dict, tuple, int and
    so on.  Gradients are not kept, so save between two steps; the run then continues bit for bit.

    The file is an .npz file without pickles, with arrays under names such as "model/0.weight".  It
    replaces `path` in one step: a crash or a full disk leaves the old file whole.

    >>> import tempfile
    >>> model = nn.Linear(2, 1)
    >>> optimizer = ag.optim.SGD(model.parameters(), lr=0.1)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = f"{folder}/run.npz"
    ...     save_checkpoint(path, model=model, optimizer=optimizer, history=[{"loss": 0.5}])
    ...     optimizer.param_groups[0]["lr"] = 0.2
    ...     load_checkpoint(path, model=model, optimizer=optimizer)
    {'history': [{'loss': 0.5}]}
    >>> optimizer.param_groups[0]["lr"]
    0.1
    """
    if unnamed:
        raise TypeError("save_checkpoint: name the parts: save_checkpoint(path, model=net)")
    every = _with_random("save_checkpoint", parts)
    stateful = {name: part for name, part in every.items() if _is_stateful(part)}
    classes = {name: type(part).__name__ for name, part in stateful.items()}
    states = {name: _state(part) for name, part in stateful.items()}
    write_archive(path, classes, {**every, **states})


def load_checkpoint(path: AnyPath, /, *unnamed: Any, **parts: Any) -> dict[str, Any]:
    """Load the parts, and the generator behind dropout, from a file; return its plain data.

    Give every part with a state that was saved, made in the same way; None leaves one out.  No code
    in the file is run.

    A damaged file, and parts of other names, classes, settings or shapes raise CheckpointError, a
    ValueError, and change nothing.  Nor does an interrupt.  Only a model may have another class.
    Reading takes at most four times the memory of file and models, and 16 MB.

    >>> load_checkpoint("no-such-file.npz")
    Traceback (most recent call last):
        ...
    FileNotFoundError: [Errno 2] No such file or directory: 'no-such-file.npz'
    """
    if unnamed:
        raise TypeError("load_checkpoint: name the parts: load_checkpoint(path, model=net)")
    for name, part in parts.items():
        if part is not None and not _is_stateful(part):
            raise TypeError(
                f"load_checkpoint: {name} must have state_dict and load_state_dict, got "
                f"{type(part).__name__}; plain data is returned"
            )
    every = _with_random("load_checkpoint", parts)
    wanted = {name: part for name, part in every.items() if part is not None}
    before = {name: _state(part) for name, part in wanted.items()}
    models = (before[name] for name, part in wanted.items() if isinstance(part, Module))
    room = 4 * sum(array.nbytes for state in models for array in state.values())
    classes, tree = read_archive(path, room)
    if problem := _misfit(wanted, every, classes):
        raise CheckpointError(f"{os.fsdecode(path)}: {problem}")
    plain = {name: value for name, value in tree.items() if name not in classes}
    # Optimizers last: a schedule writes its learning rate into the optimizer when it is loaded.
    wanted = dict(sorted(wanted.items(), key=lambda item: isinstance(item[1], Optimizer)))
    try:
        for name, part in wanted.items():
            _load(part, tree[name])
        return plain
    except BaseException as error:
        _put_back(wanted, before)
        if not isinstance(error, Exception):
            raise
        raise CheckpointError(
            f"{os.fsdecode(path)}: {name} does not fit the saved one, so nothing was changed: "
            f"{error}"
        ) from error


def _with_random(function: str, parts: dict[str, Any]) -> dict[str, Any]:
    if RANDOM in parts:
        raise ValueError(
            f"{function}: {RANDOM!r} is the name of the generator behind dropout, which is always "
            f"saved; choose another name"
        )
    return {**parts, RANDOM: random.generator()}


def _misfit(wanted: Mapping[str, Any], known: Mapping[str, Any], classes: Mapping[str, str]) -> str:
    """Why the parts cannot load the states of a file, whose parts had these `classes`; or "".

    A model is identified by the names and shapes of its arrays, any other part by its class.
    """
    for name, part in wanted.items():
        found = type(part).__name__
        if name not in classes:
            there = ", ".join(repr(other) for other in classes if other != RANDOM) or "none"
            return f"it has no state of {name!r}; its states are: {there}"
        if classes[name] != found and not isinstance(part, Module):
            return f"the state of {name!r} is that of {classes[name]}, but {name} is {found}"
    for name in classes:
        if name not in known:
            return (
                f"it also has the state of {name!r}; give that part too, or {name}=None to leave "
                f"it out"
            )
    return ""


def _put_back(parts: Mapping[str, Any], states: Mapping[str, Any]) -> None:
    """Load every state, whatever interrupts it."""
    try:
        for name, part in parts.items():
            with suppress(Exception):  # what cannot load its own state, as it is read-only, kept it
                _load(part, states[name])
            if isinstance(part, Optimizer):  # loading adds settings such as "initial_lr"
                for group, old in zip(part.param_groups, states[name]["param_groups"]):
                    for key in group.keys() - old.keys():
                        del group[key]
    except KeyboardInterrupt:
        _put_back(parts, states)
        raise


def _is_stateful(part: Any) -> bool:
    return isinstance(part, np.random.Generator) or (
        callable(getattr(part, "state_dict", None))
        and callable(getattr(part, "load_state_dict", None))
    )


def _state(part: Any) -> Any:
    if isinstance(part, np.random.Generator):
        return part.bit_generator.state
    return part.state_dict()


def _load(part: Any, state: Any) -> None:
    if isinstance(part, np.random.Generator):
        part.bit_generator.state = state
    else:
        part.load_state_dict(state)
