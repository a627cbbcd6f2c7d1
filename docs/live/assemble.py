"""Put the page together with what it needs to run: a folder that any web server can serve.

  python docs/live/assemble.py FOLDER
  python -m http.server --directory FOLDER

Pyodide (Python for browsers) comes from its npm package; its NumPy from a package on PyPI that
carries it, checked against the hash in Pyodide's own list.  Both are kept in --cache.  npm and pip
must be there the first time.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
PACKAGE = HERE.parent.parent / "autograd_cnn"
PYODIDE = "pyodide@314.0.3"
CACHE = Path.home() / ".cache" / "autograd_cnn" / PYODIDE.replace("@", "-")
CARRIER = "open_webui==0.12.4"  # a web interface that ships Pyodide's wheels; nothing else is used
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
LOCK = "pyodide-lock.json"
PAGE = ("index.html", "style.css", "page.js", "worker.js", "lab.py", "weights.npz")


class UnavailableError(Exception):
    """A part of the runtime cannot be had here."""


def run(*command: str, where: Path) -> None:
    try:
        subprocess.run(command, cwd=where, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        raise UnavailableError(f"{' '.join(command)} failed: {error}") from error


def fetch(cache: Path) -> None:
    """Pyodide and its NumPy in the folder `cache`, whole or not at all."""
    if (cache / "complete").exists():
        return
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as name:
        work, ready = Path(name), Path(name) / "ready"
        ready.mkdir()
        run("npm", "pack", "--silent", PYODIDE, where=work)
        with tarfile.open(next(work.glob("*.tgz"))) as archive:
            for part in (*RUNTIME, LOCK):
                member = archive.extractfile(f"package/{part}")
                assert member is not None, part
                (ready / part).write_bytes(member.read())
        numpy = json.loads((ready / LOCK).read_text())["packages"]["numpy"]
        run(sys.executable, "-m", "pip", "download", "-q", "--no-deps", CARRIER, where=work)
        with zipfile.ZipFile(next(work.glob("*.whl"))) as archive:
            inside = [n for n in archive.namelist() if n.endswith(f"/{numpy['file_name']}")]
            wheel = archive.read(inside[0]) if inside else b""
        if hashlib.sha256(wheel).hexdigest() != numpy["sha256"]:
            raise UnavailableError(f"{numpy['file_name']} is not the file that {PYODIDE} names")
        (ready / numpy["file_name"]).write_bytes(wheel)
        (ready / "complete").touch()
        shutil.rmtree(cache, ignore_errors=True)
        ready.rename(cache)


def zip_package(path: Path) -> None:
    """The package without its C sources and tests, as the browser unpacks it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(PACKAGE.rglob("*")):
            if file.suffix in {".py", ".txt", ".npz", ".html"} and "__pycache__" not in file.parts:
                archive.write(file, file.relative_to(PACKAGE.parent))


def assemble(folder: Path, cache: Path = CACHE) -> None:
    """Write the page and its runtime into `folder`."""
    fetch(cache)
    (folder / "runtime").mkdir(parents=True, exist_ok=True)
    for name in PAGE:
        shutil.copyfile(HERE / name, folder / name)
    for file in cache.iterdir():
        if file.name != "complete":
            shutil.copyfile(file, folder / "runtime" / file.name)
    zip_package(folder / "autograd_cnn.zip")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where the page goes")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"default: {CACHE}")
    options = parser.parse_args()
    try:
        assemble(options.folder, options.cache)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The page is in {options.folder}; python -m http.server --directory {options.folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
