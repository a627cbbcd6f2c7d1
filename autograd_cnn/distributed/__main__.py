"""``python -m autograd_cnn.distributed -n RANKS script.py ...`` is mpiexec, on this module.

Without ``-n``, as one of its processes, it runs the script so that any error ends all.
"""

from __future__ import annotations

import os
import runpy
import shutil
import sys
from pathlib import Path

from autograd_cnn.distributed import start


def launch(ranks: str, *script: str) -> None:
    """Become mpiexec with so many ranks."""
    found = shutil.which("mpiexec", path=Path(sys.executable).parent) or shutil.which("mpiexec")
    if found is None:
        sys.exit("there is no mpiexec: pip install 'autograd-cnn[mpich]', or load the cluster's")
    os.execv(found, [found, "-n", ranks, sys.executable, "-m", "autograd_cnn.distributed", *script])


def run(*script: str) -> None:
    """Run the script in this process."""
    world = start()
    sys.argv, sys.path[0] = list(script), str(Path(script[0]).resolve().parent)
    try:
        runpy.run_path(script[0], run_name="__main__")
    except SystemExit as end:
        if end.code and world.comm is not None:  # the others would wait
            world.comm.Abort(end.code if isinstance(end.code, int) else 1)
        raise


if __name__ == "__main__":
    if sys.argv[1:2] == ["-n"] and len(sys.argv) > 3 and sys.argv[2].isdecimal():
        launch(*sys.argv[2:])
    elif sys.argv[1:] and not sys.argv[1].startswith("-"):
        run(*sys.argv[1:])
    else:
        sys.exit("usage: python -m autograd_cnn.distributed -n RANKS script.py ...")
