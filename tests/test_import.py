"""What `import autograd_cnn` costs beyond `import numpy`, counted in modules rather than time."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest

import autograd_cnn as ag

LAZY = [
    "autograd_cnn.compat",
    "autograd_cnn.data",
    "autograd_cnn.diagnose",
    "autograd_cnn.distributed",
    "autograd_cnn.func",
    "autograd_cnn.nn.attention",
    "autograd_cnn.nn.recurrent",
    "autograd_cnn.nn.weights",
    "autograd_cnn.onnx",
    "autograd_cnn.tensor.array_api",
    "autograd_cnn.tensor.types",
    "autograd_cnn.testing",
    "autograd_cnn.training",
]
# Modules that take a millisecond or more to load; a training step needs none of them.
HEAVY = [
    "bz2",
    "decimal",
    "fractions",
    "gzip",
    "hashlib",
    "html",
    "hypothesis",
    "importlib.resources",
    "lzma",
    "multiprocessing",
    "numpy.polynomial",
    "numpy.random",
    "numpy.testing",
    "random",
    "shutil",
    "statistics",
    "string",
    "subprocess",
    "tempfile",
    "tqdm",
    "unittest",
    "urllib.request",
    "zipfile",
]
COUNT = """
import json, sys
import numpy
before = set(sys.modules)
import autograd_cnn
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def run(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    ).stdout


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    return set(json.loads(run(COUNT)))


def test_import_loads_no_heavy_module(loaded: set[str]) -> None:
    assert loaded.isdisjoint(HEAVY)


def test_import_leaves_what_a_step_does_not_need_for_later(loaded: set[str]) -> None:
    assert loaded.isdisjoint(LAZY)
    assert {"autograd_cnn.nn", "autograd_cnn.optim", "autograd_cnn.functional"} <= loaded


def test_import_adds_few_modules_from_elsewhere(loaded: set[str]) -> None:
    foreign = {name for name in loaded if not name.startswith("autograd_cnn")}
    assert len(foreign) <= 10, sorted(foreign)


@pytest.mark.parametrize("name", ["data", "diagnose", "func", "testing", "training", "summary"])
def test_lazy_names_arrive_in_every_way_of_asking(name: str) -> None:
    whole = "import autograd_cnn as ag; assert {0!r} in dir(ag); print(ag.{0}.__name__)"
    single = "from autograd_cnn import {0}; print({0}.__name__)"
    assert run(whole.format(name)) == run(single.format(name))


def test_a_star_import_brings_every_public_name() -> None:
    code = (
        "from autograd_cnn import *; import autograd_cnn as a; print(set(a.__all__) - set(dir()))"
    )
    assert run(code) == "set()\n"


def test_the_public_modules_are_these_and_nothing_comes_from_elsewhere() -> None:
    public = {name: getattr(ag, name) for name in ag.__all__}
    assert {name for name, x in public.items() if inspect.ismodule(x)} == {
        *("compat", "data", "diagnose", "distributed", "func", "functional", "nn", "onnx"),
        *("optim", "testing", "training"),
    }
    homes = {x.__module__ for x in public.values() if callable(x)}
    assert all(home.startswith("autograd_cnn") for home in homes), homes


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'autograd_cnn' has no attribute 'nonsense'"):
        _ = ag.nonsense
    with pytest.raises(ImportError, match="nonsense"):
        exec("from autograd_cnn import nonsense")
