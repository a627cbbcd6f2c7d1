"""Time per training step on MPI ranks, and a model fitted to it that predicts more of them.

python examples/benchmarks/ranks.py             measures on one process and on two ranks of
                                                this machine, and prints the tables of
                                                docs/scaling.md (about a minute)
python examples/benchmarks/ranks.py --quick     the same with few repetitions
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models import MODELS

import autograd_cnn as ag
from autograd_cnn import distributed, optim
from autograd_cnn import functional as F

NETWORKS, BATCH, SHARDS = ("mlp", "cnn", "best"), 64, 8
SIZES = tuple(4**k for k in range(4, 12))  # floats in an Allreduce
RANKS = (2, 8, 32, 128, 1024)
NETWORK = 30e-6, 1 / 2.5e9  # of a cluster with 25 Gbit/s Ethernet: seconds per message and per byte


def median(call: Callable[[], Any], times: int) -> float:
    """Seconds of a call: the median, after two that do not count; of the slowest rank."""
    world, found = distributed.start(), []
    for _ in range(times + 2):
        world.meet("begins")
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return max(world.meet("measures", float(np.median(found[2:]))))


def measure(times: int) -> dict[str, Any]:
    """Seconds per step for each network and way, and of sums over ranks, on these ranks."""
    world = distributed.start()
    rng = np.random.default_rng(0)
    result: dict[str, Any] = {"threads": ag.get_num_threads()}
    for name in NETWORKS:
        images = rng.standard_normal((BATCH, 1, 28, 28)).astype(np.float32)
        labels = rng.integers(0, 10, BATCH)
        ways = {"exact": ("exact", SHARDS), "fast": ("fast", 1)}
        mine = world.share(BATCH)
        for way, (mode, shards) in ways.items():
            model = MODELS[name]()
            optimizer = optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
            step = distributed.Step(model, F.cross_entropy, optimizer, mode=mode, shards=shards)
            given = (images, labels) if mode == "exact" else (images[mine], labels[mine])
            result[f"{name} {way}"] = median(lambda step=step, given=given: step(*given), times)
        result[f"{name} weights"] = sum(p.size for p in model.parameters())
    if world.size > 1:
        for size in SIZES:
            row = np.ones(size, np.float32)
            result[f"sum {size}"] = median(
                lambda row=row: world.comm.Allreduce(row.copy(), row), 10 * times
            )
    return result


def run(ranks: int, times: int, **settings: str) -> dict[str, Any]:
    """`measure` on so many ranks of this machine, with settings of the environment."""
    command = [sys.executable, __file__, "--child", str(times)]
    if ranks > 1:
        beside = shutil.which("mpiexec", path=Path(sys.executable).parent)
        command = [beside or "mpiexec", "-n", str(ranks), *command]
    environment = os.environ | settings
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=600, env=environment
    )
    return json.loads(done.stdout.splitlines()[-1])


def fitted(found: dict[str, Any]) -> tuple[float, float]:
    """Seconds per message and per byte of a sum on two ranks: 2 messages, every byte once."""
    sizes = np.array(SIZES)
    seconds = np.array([found[f"sum {size}"] for size in SIZES])
    terms = np.stack([np.full(len(sizes), 2.0), 4.0 * sizes], axis=1) / seconds[:, None]
    message, byte = np.linalg.lstsq(terms, np.ones(len(sizes)), rcond=None)[0]  # relative errors
    return max(float(message), 0.0), float(byte)


def summed(ranks: int, size: float, message: float, byte: float) -> float:
    """Seconds of a sum of `size` bytes (Rabenseifner, "Optimization of collective reduction
    operations", 2004).
    """
    return float(2 * np.log2(ranks) * message + 2 * (ranks - 1) / ranks * size * byte)


def gathered(ranks: int, size: float, message: float, byte: float) -> float:
    """Seconds until every rank has the gradients of one shard per rank, and has added them."""
    memory = 1 / 5e9  # seconds per byte that is added
    return float(np.log2(ranks) * message + (ranks - 1) * size * byte + ranks * size * memory)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--child", type=int)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(measure(options.child)))
        return
    times = 5 if options.quick else 40
    one, two, single = run(1, times), run(2, times), run(1, times, OMP_NUM_THREADS="1")
    message, byte = fitted(two)
    print(
        f"{os.cpu_count()} cores; threads: {one['threads']} in one process, {two['threads']} in "
        "each rank\n"
    )
    print(
        "| network | weights | 1 process | 1 process, 8 shards | 2 ranks, exact | 2 ranks, fast | "
        "ideal | the sum alone |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name in NETWORKS:
        size = 4 * one[f"{name} weights"]
        cells = [one[f"{name} fast"], one[f"{name} exact"], two[f"{name} exact"]]
        ideal = single[f"{name} fast"] / 2
        cells += [two[f"{name} fast"], ideal, summed(2, size, message, byte)]
        shown = " | ".join(f"{1e3 * x:.2f} ms" for x in cells)
        print(f"| {name} | {size // 4:,} | {shown} |")
    print(f"\nsum on two ranks: {1e6 * message:.1f} us per message, {1e-9 / byte:.2f} GB/s\n")
    print("| network | way | messages as | " + " | ".join(f"{r:,} ranks" for r in RANKS) + " |")
    print("|---|---|---|" + "---|" * len(RANKS))
    for name in NETWORKS:
        size, compute = 4 * one[f"{name} weights"], one[f"{name} fast"]
        for way, cost in (("fast", summed), ("exact", gathered)):
            for where, known in (("measured here", (message, byte)), ("25 Gbit/s", NETWORK)):
                shares = [compute / (compute + cost(r, size, *known)) for r in RANKS]
                cells = " | ".join(f"{100 * x:.0f} %" for x in shares)
                print(f"| {name} | {way} | {where} | {cells} |")


if __name__ == "__main__":
    main()
