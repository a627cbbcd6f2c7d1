"""What a release consists of: the right files and nothing else, and the same bytes every time.

The sources and the wheel without compiled kernels are built here.  `.ci/distributions` builds all
three, names their folder in ``$AUTOGRAD_CNN_DIST`` and runs these tests on them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
GIVEN = os.environ.get("AUTOGRAD_CNN_DIST")
TIME = "1700000000"
TOP = ["LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"]
FOLDERS = ["autograd_cnn", "docs", "examples", "tests"]
MADE = ("__pycache__", "*.py[cod]", "*.so", "*.egg-info")
BUILD = """
from setuptools import build_meta
print(build_meta.build_sdist("dist"), build_meta.build_wheel("dist"))
"""


def sources(*folders: str) -> set[str]:
    """The files of these folders that are written by people."""
    found = (p for folder in folders for p in (ROOT / folder).rglob("*") if p.is_file())
    made = (".pyc", ".pyo", ".so")
    return {p.relative_to(ROOT).as_posix() for p in found if p.suffix not in made}


@pytest.fixture(scope="module")
def setuptools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the setuptools that pyproject.toml asks for."""
    folder = tmp_path_factory.mktemp("setuptools")
    command = ["pip", "install", "-q", "--target", str(folder), "setuptools>=77"]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, timeout=120)
    if done.returncode:
        pytest.skip("pip cannot get setuptools 77 here")
    return folder


def built(folder: Path, setuptools: Path) -> Path:
    """The folder with the distributions, built from a copy of the sources in `folder`."""
    for name in TOP:
        shutil.copyfile(ROOT / name, folder / name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(*MADE))
    more = {"AUTOGRAD_CNN_BUILD": "none", "SOURCE_DATE_EPOCH": TIME, "PYTHONPATH": str(setuptools)}
    subprocess.run(
        [sys.executable, "-c", BUILD],
        **{"cwd": folder, "env": {**os.environ, **more}, "check": True, "timeout": 120},
        capture_output=True,
    )
    return folder / "dist"


@pytest.fixture(scope="module")
def distributions(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> list[Path]:
    if GIVEN:
        return sorted(Path(GIVEN).iterdir())
    setuptools = request.getfixturevalue("setuptools")
    return sorted(built(tmp_path_factory.mktemp("sources"), setuptools).iterdir())


def test_there_is_one_of_each_kind(distributions: list[Path]) -> None:
    endings = ["-py3-none-any.whl", ".tar.gz"]
    if GIVEN:
        endings.insert(0, f"_{os.uname().machine}.whl")
        assert "-cp311-abi3-manylinux_" in distributions[0].name
    assert len(distributions) == len(endings)
    for path, ending in zip(distributions, endings):
        assert path.name.startswith("autograd_cnn-")
        assert path.name.endswith(ending)


def metadata(wheel: zipfile.ZipFile, name: str) -> Message:
    (path,) = (n for n in wheel.namelist() if n.endswith(f".dist-info/{name}"))
    return Parser().parsestr(wheel.read(path).decode())


def test_a_wheel_holds_the_package_and_no_source_of_c(distributions: list[Path]) -> None:
    package = {n for n in sources("autograd_cnn") if "/kernels/c/" not in n}
    assert {Path(n).suffix for n in package} == {".py", ".pyi", ".npz", ".txt", ".html", ".typed"}
    for path in distributions:
        if path.suffix != ".whl":
            continue
        compiled = "abi3" in path.name
        with zipfile.ZipFile(path) as wheel:
            names = [n for n in wheel.namelist() if not n.endswith("/")]
            inside = {n for n in names if ".dist-info/" not in n and "/sboms/" not in n}
            kernels = {"autograd_cnn/kernels/_compiled.abi3.so"} if compiled else set()
            assert inside == package | kernels
            assert len(names) == len(set(names))
            licences = {n.partition("/licenses/")[2] for n in names if "/licenses/" in n}
            assert licences == {"LICENSE", "autograd_cnn/data/digits.LICENSE.txt"}
            about, tags = metadata(wheel, "METADATA"), metadata(wheel, "WHEEL")
            for name in ("autograd_cnn/data/digits.npz", "autograd_cnn/hints.txt"):
                assert wheel.read(name) == (ROOT / name).read_bytes()
        needed = [line for line in about.get_all("Requires-Dist", []) if "extra" not in line]
        assert needed == ["numpy>=2"]
        assert about["License-Expression"] == "MIT"
        assert about["Requires-Python"] == ">=3.11"
        assert tags["Root-Is-Purelib"] == str(not compiled).lower()
        assert len(tags.get_all("Tag", [])) == 1


def test_the_source_distribution_holds_what_builds_and_tests_it(distributions: list[Path]) -> None:
    with tarfile.open(distributions[-1]) as archive:
        members = archive.getmembers()
    top = distributions[-1].name.removesuffix(".tar.gz")
    names = {m.name.removeprefix(f"{top}/") for m in members if m.isfile()}
    made = {n for n in names if ".egg-info/" in n} | {"PKG-INFO", "setup.cfg"}
    assert names - made == {*TOP, *sources(*FOLDERS)}
    assert "autograd_cnn/kernels/c/module.c" in names
    assert all(m.isfile() or m.isdir() for m in members)
    assert {m.mode for m in members if m.isfile()} <= {0o644, 0o755}
    assert {(m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, "", "")}
    assert len({m.mtime for m in members}) == 1


@pytest.mark.skipif(bool(GIVEN), reason=".ci/distributions compares two builds itself")
def test_two_builds_give_the_same_bytes(
    distributions: list[Path], setuptools: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "another folder"
    folder.mkdir()
    for path in sorted(built(folder, setuptools).iterdir()):
        (first,) = (p for p in distributions if p.name == path.name)
        assert path.read_bytes() == first.read_bytes(), path.name
