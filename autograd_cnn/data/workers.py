"""Results that threads prepare ahead of their use, in an order that the threads do not change."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any


def in_order(
    makers: Sequence[Callable[..., Any]], tasks: Iterator[Any], room: int
) -> Iterator[Any]:
    """Yield ``make(*task)`` for all tasks in their order; each of `makers` runs in a thread.

    At most `room` results are under way.  An error comes in the place of its result.  The threads
    also take the tasks, one thread at a time.  They end with the loop, after what they are at.

    >>> list(in_order([pow, pow], iter([(2, 3), (3, 2)]), room=4))
    [8, 9]
    """
    # SimpleQueue.put may interrupt itself, so this ends well wherever garbage is collected.
    turns: SimpleQueue[None] = SimpleQueue()  # an item for each result that may begin
    outcomes: SimpleQueue[Any] = SimpleQueue()  # in the order of the tasks
    taking = threading.Lock()

    def work(make: Callable[..., Any]) -> None:
        task: Any = ()
        while task is not None:
            turns.get()
            outcome: SimpleQueue[Any] = SimpleQueue()  # for a result and an error, or None
            try:
                with taking:
                    outcomes.put(outcome)
                    task = next(tasks, None)
                outcome.put(None if task is None else (make(*task), None))
            except BaseException as error:
                outcome.put((None, error))

    try:
        for _ in range(room):
            turns.put(None)
        for make in makers:
            run = contextvars.copy_context().run  # no_grad and others are as in the loop
            threading.Thread(target=run, args=(work, make), name="DataLoader", daemon=True).start()
        while (found := outcomes.get().get()) is not None:
            turns.put(None)
            result, error = found
            if error is not None:
                raise error
            yield result
    finally:
        found = error = None  # else a traceback would hold itself
        tasks = iter(())
        for _ in makers:
            turns.put(None)
