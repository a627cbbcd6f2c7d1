"""Training on MPI: the same bits on any number of ranks, and all ranks end when one fails."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_cnn import data, distributed, nn, optim, training
from autograd_cnn import functional as F
from autograd_cnn.distributed import loader
from autograd_cnn.distributed.world import World
from tests.distributed_run import train

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}


def mpiexec() -> str:
    beside = shutil.which("mpiexec", path=str(Path(sys.executable).parent))
    found = beside or shutil.which("mpiexec")
    if found is None:
        pytest.skip("there is no mpiexec: pip install 'autograd-cnn[mpich]'")
    pytest.importorskip("mpi4py", reason="pip install 'autograd-cnn[mpi]'")
    return found


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One MPI job at a time, whatever pytest-xdist does: MPICH's ranks poll busily."""
    fcntl = pytest.importorskip("fcntl", reason="the lock of the tests needs Unix")
    with open(Path(tempfile.gettempdir()) / f"autograd_cnn_mpi_{os.getuid()}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def job(ranks: int, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Python with these arguments on so many ranks; whatever is left of it gets killed."""
    command = [sys.executable, *arguments]
    if ranks > 1:
        command = [mpiexec(), "-n", str(ranks), *command]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with alone():
        run = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, start_new_session=True, **pipes)
        try:
            yield run
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.communicate(timeout=20)


def done(ranks: int, *arguments: str, seconds: float = 60.0) -> tuple[int, str, str]:
    """The exit code, the output and the errors of a job."""
    with job(ranks, *arguments) as run:
        out, err = run.communicate(timeout=seconds)
        return run.returncode, out, err


def trained(tmp_path: Path, ranks: int, *every: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """What each rank gets from these trainings."""
    given = [str(tmp_path / "out"), json.dumps(every)]
    code, _, err = done(ranks, "-m", "tests.distributed_run", *given)
    assert code == 0, err
    return [json.loads((tmp_path / f"out.{rank}").read_text()) for rank in range(ranks)]


EXACT = [{"steps": 100, "optimizer": "SGD"}, {"steps": 100, "optimizer": "Adam"}]


@pytest.fixture(scope="module")
def straight() -> list[dict[str, Any]]:
    return [train(**options) for options in EXACT]  # type: ignore[arg-type]


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_bits_are_the_same_on_any_number_of_ranks(
    tmp_path: Path, straight: Any, ranks: int
) -> None:
    """100 steps with batch norm and dropout; the last batch of each pass is a small one."""
    for found in trained(tmp_path, ranks, *EXACT):
        assert found == straight
    assert straight[0]["losses"][-1] < straight[0]["losses"][0]


def test_other_shards_give_other_bits(straight: Any) -> None:
    """So that the test above compares something."""
    assert train(100, optimizer="SGD", shards=4)["losses"] != straight[0]["losses"]


def test_bits_do_not_depend_on_the_threads_of_blas(tmp_path: Path) -> None:
    """With NumPy's kernels, whose products BLAS computes in an order that depends on its threads."""
    code = "\n".join(
        [
            "import numpy as np, autograd_cnn as ag, sys",
            "from autograd_cnn import nn, optim, training, functional as F",
            "_ = ag.manual_seed(0)",
            "model = nn.Sequential(nn.Linear(700, 600), nn.ReLU(), nn.Linear(600, 10))",
            "step = training.Step(model, F.cross_entropy, optim.SGD(model.parameters()), shards=2)",
            "x = np.random.default_rng(0).standard_normal((400, 700)).astype(np.float32)",
            "for _ in range(3): step(x, np.arange(400) % 10)",
            "print([p.numpy().tobytes().hex()[:4000] for p in model.parameters()])",
        ]
    )
    found = set()
    for threads in ("1", "2", "3"):
        given = {"AUTOGRAD_CNN_KERNELS": "numpy", "OPENBLAS_NUM_THREADS": threads}
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**ENVIRONMENT, **given},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        found.add(run.stdout)
    assert len(found) == 1


# ---------------------------------------------------------------------------------------- fast mode


def test_one_sum_gives_the_gradients_of_all_samples(tmp_path: Path) -> None:
    options = {"steps": 9, "mode": "fast", "plain": True}
    alone = train(**options)  # type: ignore[arg-type]
    first, second = trained(tmp_path, 2, options)
    assert first == second
    np.testing.assert_allclose(first[0]["losses"], alone["losses"], rtol=1e-4)  # float32, 9 steps


def test_synchronized_batch_norm_is_that_of_the_whole_batch(tmp_path: Path) -> None:
    """The last batch of a pass has 5 samples, 2 and 3 on the ranks."""
    code = """
import json
import numpy as np
from autograd_cnn import distributed, nn, optim, functional as F
from tests.distributed_run import IMAGES, LABELS
world = distributed.start()
model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 3))
values = np.random.default_rng(2)
for p in model.parameters():
    p.data = values.standard_normal(p.shape).astype(np.float32) / 4
distributed.synchronize_batch_norm(model)
optimizer = optim.SGD(model.parameters(), lr=0.1)
step = distributed.Step(model, F.cross_entropy, optimizer, mode="fast")
loader = distributed.DataLoader((IMAGES, LABELS), 20)
losses = [step(*batch).item() for _ in range(2) for batch in step.batches(loader)]
if world.rank == 0:
    print(json.dumps([losses, {k: v.tolist() for k, v in model.state_dict().items()}]))
"""
    results = []
    for ranks in (1, 2):
        status, out, err = done(ranks, "-c", code)
        assert status == 0, err
        results.append(json.loads(out))
    (losses, state), (others, other) = results
    np.testing.assert_allclose(losses, others, rtol=1e-4)
    for name in state:
        np.testing.assert_allclose(state[name], other[name], rtol=1e-3, atol=1e-5, err_msg=name)


HEAD = """
import os, sys, time
import numpy as np
from autograd_cnn import data, distributed, nn, optim, functional as F
from tests.distributed_run import IMAGES, LABELS
world = distributed.start()
def made(mode, size=3):
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, size))
    return distributed.Step(model, F.cross_entropy, optim.SGD(model.parameters(), lr=0.1), mode=mode)
def parts(n):
    return data.DataLoader((IMAGES[:n], LABELS[:n]), 5)
"""


def test_uneven_data_and_a_rank_without_any() -> None:
    code = """
step, steps = made("fast"), []
for n in ((30, 10), (0, 20), (20, 0), (0, 0)):
    batches = parts(n[world.rank]) if n[world.rank] else []
    steps.append([len(labels) + 0 * step(images, labels).item() for images, labels in step.batches(batches)])
same = len({x.tobytes() for x in world.meet("compares", step.model[1].weight.numpy())}) == 1
told = world.meet("shows", steps)
print(told, same)
"""
    status, out, err = done(2, "-c", HEAD + code)
    assert status == 0, err
    first = [[5.0] * 6, [0.0] * 4, [5.0] * 4, []]
    second = [[5.0] * 2 + [0.0] * 4, [5.0] * 4, [0.0] * 4, []]
    assert out.strip() == f"{[first, second]} True"


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_one_rank_stops_all(mode: str) -> None:
    code = f"""
step, count = made({mode!r}), 0
for images, labels in step.batches(parts(45)):
    step(images, labels)
    count += 1
    if world.rank == 1 and count == 3:
        step.stop = True
print(world.meet("shows", count))
"""
    status, out, err = done(2, "-c", HEAD + code)
    assert (status, out.strip()) == (0, "[4, 4]"), err


# --------------------------------------------------------------------------------------- mistakes

FAULTS: dict[str, tuple[str, str, int]] = {
    "a rank raises outside a step": (
        "if world.rank: raise KeyError('mine')\nworld.meet('waits')",
        "KeyError: 'mine'", 1,
    ),
    "a rank raises in an exact step": (
        "step = made('exact')\nstep(IMAGES, LABELS if world.rank == 0 else LABELS * 0 + 7)",
        "IndexError|ValueError", 1,
    ),
    "a rank raises in a fast step": (
        "step = made('fast')\nstep(IMAGES, LABELS if world.rank == 0 else LABELS + 7)",
        "IndexError|ValueError", 1,
    ),
    "all ranks raise the same": ("1 / 0", "ZeroDivisionError", 1),
    "a rank exits": ("if world.rank: sys.exit(3)\nworld.meet('waits')", "OtherRankError: rank 1 takes no more steps, but this one waits", 1),
    "a rank has fewer batches (exact)": (
        "step = made('exact')\nfor _ in range(3 - world.rank): step(IMAGES, LABELS)",
        "OtherRankError: rank 1 takes no more steps, but this one takes a step", 1,
    ),
    "a rank has fewer batches (fast)": (
        "step = made('fast')\nfor _ in range(3 - world.rank): step(IMAGES, LABELS)",
        "OtherRankError: another rank has failed or takes no more steps, but this one takes one", 1,
    ),
    "a rank has other data": (
        "step = made('exact')\nstep(IMAGES[world.rank:], LABELS[world.rank:])",
        "OtherRankError: rank 1 takes a step with 44 samples .* but this one takes a step with 45 sam", 1,
    ),
    "a rank has the data in another order": (
        "step = made('exact')\nstep(IMAGES[::1 - 2 * world.rank], LABELS)",
        "OtherRankError: .*checksum", 1,
    ),
    "a rank has another model": (
        "made('exact', 3 + world.rank)",
        r"OtherRankError: rank 1 makes a Step .* 260 numbers in the model .* but this one makes a Step .* 195 numbers", 1,
    ),
    "a rank has another mode": (
        "made(['exact', 'fast'][world.rank])",
        "OtherRankError: rank 1 makes a Step with fast=True, shards=1", 1,
    ),
    "too few shards": (
        "m = nn.Linear(1, 1)\ndistributed.Step(m, F.mse_loss, optim.SGD(m.parameters()), shards=1)",
        "ValueError: distributed.Step: shards.* must be at least 2, got 1", 1,
    ),
    "no seed": (
        "next(iter(distributed.DataLoader(IMAGES, 4, shuffle=True)))",
        "ValueError: distributed.DataLoader: shuffle needs a seed", 1,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_one_rank_ends_all(name: str) -> None:
    """Within seconds, with the traceback of the rank that failed, once."""
    body, words, times = FAULTS[name]
    begin = time.monotonic()
    status, _, err = done(2, "-c", HEAD + body, seconds=30)
    assert status != 0
    assert time.monotonic() - begin < 15
    assert err.count("Traceback") == times, err
    assert re.search(words, err), err


def test_the_launcher_ends_all_and_gives_arguments(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom autograd_cnn import distributed\nworld = distributed.start()\n"
        "print(sys.argv[1:], world, __name__)\n"
        "if world.rank and sys.argv[1:] == ['bad']: sys.exit(3)\nworld.meet('ends')\n"
    )
    mpiexec()
    command = ("-m", "autograd_cnn.distributed")
    status, out, err = done(1, *command, "-n", "2", str(script), "a", "-n")
    assert (status, out) == (0, "['a', '-n'] World(rank 0 of 2) __main__\n"), err
    status, _, _ = done(1, *command, "-n", "2", str(script), "bad", seconds=30)
    assert status != 0
    status, out, _ = done(1, *command, str(script), "one")
    assert (status, out) == (0, "['one'] World(rank 0 of 1) __main__\n")
    assert "usage" in done(1, *command, "-n", "x", str(script))[2]


# ----------------------------------------------------------------------------------- kill, resume


@pytest.mark.parametrize("kills", [int(os.environ.get("AUTOGRAD_CNN_KILLS", "3"))])
def test_a_killed_run_goes_on_on_another_number_of_ranks(tmp_path: Path, kills: int) -> None:
    """A rank is killed anywhere in a step or a save; then another number of ranks goes on.

    ``AUTOGRAD_CNN_KILLS=30`` kills more often.
    """
    steps, path = 40 + 20 * kills, tmp_path / "run.npz"
    options = {"steps": steps, "path": str(path)}
    given = ("-m", "tests.distributed_run", str(tmp_path / "out"), json.dumps([options]))
    rng = np.random.default_rng(int(time.time()))
    for kill in range(kills):
        ranks = (2, 3, 2, 4)[kill % 4]
        with job(ranks, *given) as run:
            assert run.stdout is not None
            for line in run.stdout:
                if int(line) >= 20 * (kill + 1):
                    break
            else:
                pytest.fail(run.stderr.read() if run.stderr else "")
            time.sleep(rng.uniform(0, 0.03))
            os.kill(int((tmp_path / f"out.{rng.integers(ranks)}.pid").read_text()), signal.SIGKILL)
            begin = time.monotonic()
            assert run.wait(timeout=20) != 0
            assert time.monotonic() - begin < 10
        kept = training.load_checkpoint(path, model=None, optimizer=None, loader=None)["losses"]
        assert 20 * (kill + 1) <= len(kept) <= steps
    assert done(1, *given)[0] == 0
    assert json.loads((tmp_path / "out.0").read_text()) == [train(steps)]


# ------------------------------------------------------------------------------------- one process


def test_the_example_gives_the_same_weights_on_two_ranks(tmp_path: Path) -> None:
    quick = "import runpy, sys; sys.modules['matplotlib'] = None; sys.argv = sys.argv[1:]; "
    given = ["-c", quick + "runpy.run_path('examples/mnist.py', run_name='__main__')", "mnist.py"]
    given += ["--data", "digits", "--epochs", "1", "--batch-size", "256"]
    outs = [tmp_path / "one", tmp_path / "two"]
    assert done(1, *given, "--shards", "8", "--out", str(outs[0]))[0] == 0
    status, out, err = done(2, *given, "--out", str(outs[1]))
    assert status == 0, err
    assert out.count("epoch 1/1") == 1  # rank 0 prints
    one, two = (np.load(out / "weights.npz") for out in outs)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    status, _, err = done(1, *given, "--shards", "8", "--resume", "--out", str(outs[1]))
    assert status == 0, err


def run_with(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], env={**ENVIRONMENT, **variables}, cwd=ROOT,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


WITHOUT = "import sys; sys.modules['mpi4py'] = None\nfrom autograd_cnn import distributed\n"


def test_one_process_needs_no_mpi() -> None:
    code = "from tests.distributed_run import train; print(len(train(3)['losses']))"
    done = run_with(WITHOUT + code)
    assert (done.returncode, done.stdout) == (0, "3\n"), done.stderr


def test_mpiexec_without_mpi4py_is_an_error_that_says_what_to_install() -> None:
    done = run_with(f"{WITHOUT}distributed.start()", PMI_SIZE="2", PMI_RANK="0")
    assert "ImportError: distributed: mpiexec needs mpi4py" in done.stderr
    assert "pip install 'autograd-cnn[mpi]'" in done.stderr


def test_processes_are_spawned_not_forked() -> None:
    code = "import multiprocessing; print(world.meet('shows', multiprocessing.get_start_method()))"
    assert done(2, "-c", HEAD + code)[1].strip() == "['spawn', 'spawn']"


def test_ranks_share_the_cores() -> None:
    code = "import autograd_cnn as ag; print(ag.get_num_threads(), world.meet('shows', len(os.sched_getaffinity(0))))"
    status, out, err = done(2, "-c", HEAD + code)
    threads, cores = out.strip().split(" ", 1)
    assert status == 0
    assert int(threads) == max(1, json.loads(cores)[0] // 2)
    assert err.count("threads in each") == 1


def test_misuse_in_one_process() -> None:
    model, other = nn.Linear(2, 1), nn.Linear(2, 1)
    for optimizer in (
        optim.SGD(other.parameters()),
        optim.SGD([*model.parameters(), *other.parameters()]),
    ):
        with pytest.raises(ValueError, match="optimizer must have parameters of the model only"):
            distributed.Step(model, F.mse_loss, optimizer)
    with pytest.raises(TypeError, match=r"distributed\.Step: model must be a module"):
        distributed.Step(lambda x: x, F.mse_loss, optim.SGD(model.parameters()))
    with pytest.raises(ValueError, match="mode must be 'exact' or 'fast', got 'quick'"):
        distributed.Step(model, F.mse_loss, optim.SGD(model.parameters()), mode="quick")
    synced = distributed.synchronize_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    with pytest.raises(ValueError, match="synchronized batch norm needs mode='fast'"):
        distributed.Step(synced, F.mse_loss, optim.SGD(synced.parameters()))
    with pytest.raises(TypeError, match="synchronize_batch_norm: model must be a module, got 3"):
        distributed.synchronize_batch_norm(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_parts_of_the_ranks_are_disjoint_and_cover_the_order(
    monkeypatch: pytest.MonkeyPatch, size: int, shuffle: bool
) -> None:
    settings: Any = {"shuffle": shuffle, "seed": 4}
    parts = []
    for rank in range(size):
        world = World()
        world.rank, world.size = rank, size
        monkeypatch.setattr(loader, "start", lambda world=world: world)
        made = distributed.DataLoader(np.arange(23), 10, **settings)
        parts.append([list(made), list(made)])
    plain = data.DataLoader(np.arange(23), 10, **settings)
    for epoch in range(2):
        # The last batch has three samples: of seven ranks four have none.
        mine = [part[epoch] for part in parts]
        for step, batch in enumerate(plain):
            found = [m[step] for m in mine if step < len(m)]
            assert len(found) == min(size, len(batch))
            np.testing.assert_array_equal(np.concatenate(found), batch)
