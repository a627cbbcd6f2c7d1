"""``python -m autograd_cnn.distributed -n RANKS script.py ...`` is mpiexec, on this module.

Without ``-n``, as one of its processes, it runs the script so that any error ends all.
"""

import os
import runpy
import shutil
import sys
from pathlib import Path

from autograd_cnn.distributed import start

if __name__ == "__main__":
    match sys.argv[1:]:
        case ["-n", ranks, _, *rest] if ranks.isdecimal():
            beside = shutil.which("mpiexec", path=Path(sys.executable).parent)
            found = beside or shutil.which("mpiexec")
            if found is None:
                sys.exit(
                    "there is no mpiexec: pip install 'autograd-cnn[mpich]', or load the cluster's"
                )
            again = [sys.executable, "-m", "autograd_cnn.distributed", *sys.argv[3:]]
            os.execv(found, [found, "-n", ranks, *again])
        case [script, *_] if not script.startswith("-"):
            start()
            del sys.argv[0]
            sys.path[0] = str(Path(script).resolve().parent)
            runpy.run_path(script, run_name="__main__")
        case _:
            sys.exit("usage: python -m autograd_cnn.distributed -n RANKS script.py ...")
