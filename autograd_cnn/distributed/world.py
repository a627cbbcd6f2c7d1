"""The processes that train together, and how all of them end when one fails."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from autograd_cnn.config import get_num_threads, set_num_threads

_LAUNCHERS = ("PMI_", "PMIX_", "OMPI_COMM_WORLD_", "MV2_COMM_WORLD_", "PALS_")
"""What the variables begin with that the launchers of MPI set."""


ENDS = "takes no more steps"


class OtherRankError(RuntimeError):
    """Another rank has failed, has ended, or does something else than this one."""


class World:
    """The processes that train together: this one is `rank` of `size`.

    `comm` is the communicator of mpi4py, or None if there is one process.
    """

    def __init__(self, comm: Any = None) -> None:
        self.comm = comm
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self.leave: Callable[[], Any] | None = None
        if comm is not None:
            self.leave = partial(comm.allgather, (ENDS, None))

    def __repr__(self) -> str:
        return f"World(rank {self.rank} of {self.size})"

    def end_steps(self) -> None:
        """Tell the ranks that still train that this one does not."""
        leave, self.leave = self.leave, None
        if leave is not None:
            leave()

    def meet(self, doing: str, news: Any = None) -> list[Any]:
        """The news of all ranks; OtherRankError if one does something else."""
        told = [(doing, news)] if self.comm is None else self.comm.allgather((doing, news))
        for rank, (there, _) in enumerate(told):
            if there != doing:
                self.leave = None
                raise OtherRankError(
                    f"rank {rank} {there}, but rank {self.rank} {doing}; all must take the same "
                    "steps (see Step.batches)"
                )
        return [found for _, found in told]


_world: World | None = None


def start() -> World:
    """Join the processes that mpiexec has started, at the first call; a `Step` does it, too.

    From then on an error that ends one rank ends all, and other ranks than 0 print nothing else.
    The ranks on a machine share its cores, if ``OMP_NUM_THREADS`` is not set; rank 0 says how.
    `multiprocessing` spawns processes, as MPI forbids forks.

    >>> start()
    World(rank 0 of 1)
    """
    global _world
    if _world is None:
        loaded = "mpi4py.MPI" in sys.modules
        launched = loaded or any(name.startswith(_LAUNCHERS) for name in os.environ)
        _world = _joined() if launched else World()
    return _world


def _joined() -> World:
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            f"distributed: mpiexec needs mpi4py and an MPI library ({error}); pip install "
            "'autograd-cnn[mpi]', or 'autograd-cnn[mpich]' for both"
        ) from error
    comm = MPI.COMM_WORLD
    if comm.Get_size() == 1:
        return World()
    world = World(comm)
    sys.excepthook = _ending_all(world, sys.excepthook)
    atexit.register(world.end_steps)
    if multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method("spawn")
    cores: Any = range(os.cpu_count() or 1)
    cores = sorted(getattr(os, "sched_getaffinity", lambda _: cores)(0))
    there = comm.Split_type(MPI.COMM_TYPE_SHARED).allgather(cores)
    if "OMP_NUM_THREADS" not in os.environ:
        set_num_threads(max(1, len(cores) // there.count(cores)))
    if world.rank:
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    else:
        library = MPI.Get_library_version().split("\n")[0].rstrip("\0")
        ranks = f"{world.size} ranks, {len(there)} on this machine"
        print(f"{ranks}, threads in each: {get_num_threads()}; {library}", file=sys.stderr)
    return world


def _ending_all(world: World, before: Any) -> Any:
    """A hook that shows an error which nobody catches, and ends all ranks."""

    def hook(kind: type[BaseException], *error: Any) -> None:
        # Who failed shows it before those who are told; of the same error on all ranks, one.
        time.sleep(2.0 * issubclass(kind, OtherRankError) + 0.25 * min(world.rank, 8))
        sys.stdout.flush()
        sys.stderr = sys.__stderr__
        print(f"rank {world.rank} of {world.size}:", file=sys.stderr)
        before(kind, *error)
        print(end="", file=sys.stderr, flush=True)
        world.comm.Abort(1)

    return hook
