"""What an interrupt may leave changed, and interrupts at a chosen bytecode."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from autograd_cnn import nn, random
from autograd_cnn.engine import modes, watch
from autograd_cnn.func import tracing


def state(net: nn.Module) -> Any:
    """All settings that blocks change, and the objects and modes of a net."""
    return (
        modes.recording.get() is True,
        modes.recomputing.get(),
        watch.watchers.get(),
        watch.layers.get(),
        len(watch.open_blocks),
        random._block.get(),
        tracing._variables.get(),
        [(id(p), p.requires_grad) for p in net.parameters()],
        [id(b) for b in net.buffers()],
        [m.training for m in net.modules()],
    )


WITH_LOCKS = {"accumulate_gradients"}
"""Functions that take locks, whose blocks begin and end in C: no signal comes between."""


def interrupt(work: Callable[[], Any], count: int) -> KeyboardInterrupt | None:
    """Run `work` with KeyboardInterrupt before the bytecode number `count`; None if it ended."""

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal count
        frame.f_trace_opcodes = frame.f_code.co_name not in WITH_LOCKS
        if event == "opcode":
            count -= 1
            if count < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    outside = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt as error:
        return error
    finally:
        sys.settrace(outside)
    return None
