"""The processes that train together, and how all of them end when one fails."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import sys
import time
from functools import cache
from typing import Any

from autograd_cnn.config import get_num_threads, set_num_threads

_LAUNCHERS = ("PMI_", "PMIX_", "OMPI_COMM_WORLD_", "MV2_COMM_WORLD_", "PALS_")
"""What the variables begin with that the launchers of MPI set."""


class OtherRankError(RuntimeError):
    """Another rank has failed, has ended, or does something else than this one."""

    def __init__(self, rank: Any, does: str, mine: str) -> None:
        super().__init__(
            f"{rank} {does}, but this one {mine}; all ranks must take the same steps (see "
            "Step.batches)"
        )


class World:
    """The processes that train together: this one is `rank` of `size`.

    `comm` is the communicator of mpi4py, or None if there is one process.
    """

    def __init__(self, comm: Any = None) -> None:
        self.comm = comm
        self.rank: int = 0 if comm is None else comm.Get_rank()
        self.size: int = 1 if comm is None else comm.Get_size()
        self.leave = self.end  # what tells the others that no step follows

    def __repr__(self) -> str:
        return f"World(rank {self.rank} of {self.size})"

    def end(self) -> None:
        """Tell ranks that wait in `meet` that this one never comes."""
        self.comm.allgather(("takes no more steps", None))

    def meet(self, doing: str, news: Any = None) -> list[Any]:
        """The news of all ranks; OtherRankError if one does something else."""
        told = [(doing, news)] if self.comm is None else self.comm.allgather((doing, news))
        for rank, (there, _) in enumerate(told):
            if there != doing:
                self.leave = lambda: None
                raise OtherRankError(f"rank {rank}", there, doing)
        return [found for _, found in told]

    def share(self, count: int) -> slice:
        """Which of `count` things are this rank's."""
        return slice(*(count * r // self.size for r in (self.rank, self.rank + 1)))


@cache
def start() -> World:
    """Join the processes that mpiexec has started, at the first call; a `Step` does it, too.

    From then on an error that ends one rank ends all, and other ranks than 0 print nothing else.
    The ranks on a machine share its cores, if ``OMP_NUM_THREADS`` is not set; rank 0 says how.
    `multiprocessing` spawns processes, as MPI forbids forks.

    >>> start()
    World(rank 0 of 1)
    """
    if "mpi4py.MPI" not in sys.modules and not any(n.startswith(_LAUNCHERS) for n in os.environ):
        return World()
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            f"distributed: mpiexec needs mpi4py and an MPI library ({error}); pip install "
            "'autograd-cnn[mpi]', or 'autograd-cnn[mpich]' for both"
        ) from error
    world = World(MPI.COMM_WORLD)
    if world.size == 1:
        return World()
    _end_together(world)
    if multiprocessing.get_start_method(allow_none=True) is None:
        multiprocessing.set_start_method("spawn")
    cores: Any = range(os.cpu_count() or 1)
    cores = sorted(getattr(os, "sched_getaffinity", lambda _: cores)(0))
    there = world.comm.Split_type(MPI.COMM_TYPE_SHARED).allgather(cores)
    if "OMP_NUM_THREADS" not in os.environ:
        set_num_threads(max(1, len(cores) // there.count(cores)))
    if world.rank:
        sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    else:
        library = MPI.Get_library_version().split("\n")[0].rstrip("\0")
        ranks = f"{world.size} ranks, {len(there)} on this machine"
        print(f"{ranks}, threads in each: {get_num_threads()}; {library}", file=sys.stderr)
    return world


def _end_together(world: World) -> None:
    """Let an error that nobody catches end all ranks."""
    before = sys.excepthook

    def hook(kind: type[BaseException], *error: Any) -> None:
        # Who failed shows it before those who are told; of the same error on all ranks, one.
        time.sleep(3.0 * issubclass(kind, OtherRankError) + 0.5 * min(world.rank, 4))
        sys.stdout.flush()
        sys.stderr = sys.__stderr__
        print(f"rank {world.rank} of {world.size}:", file=sys.stderr)
        before(kind, *error)
        print(end="", file=sys.stderr, flush=True)
        time.sleep(0.3)  # MPI may drop what its launcher has not passed on yet
        world.comm.Abort(1)

    sys.excepthook = hook
    atexit.register(lambda: world.leave())
