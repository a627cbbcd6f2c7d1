"""The architecture as tests: imports point one way, public names are real, files stay small."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import autograd_cnn as ag

PACKAGE = Path(ag.__file__).parent

# Each layer may import the layers before it, and itself.
LAYERS = [
    ["kernels"],
    ["config", "random"],
    ["engine"],
    ["ops", "data"],
    ["tensor"],
    ["functional", "testing"],
    ["nn", "optim"],
    ["func"],
    ["diagnose", "training"],
    ["__init__"],
]
MODULES = (
    *(ag, ag.functional, ag.nn, ag.optim, ag.data, ag.data.augment, ag.func, ag.diagnose),
    ag.training,
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """The parts of the package that a module imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module
            and node.module.startswith("autograd_cnn")
        ):
            steps = node.module.split(".")[1:]
            found |= {steps[0]} if steps else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {
                a.name.split(".")[1] for a in node.names if a.name.startswith("autograd_cnn.")
            }
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    own = part(path)
    for other in imported(path):
        assert other in RANK, f"{path} imports {other}, which has no layer; add it to LAYERS"
        assert other == own or RANK[other] < RANK[own], f"{own} must not import {other}"


def test_the_check_finds_an_import_against_the_direction() -> None:
    assert RANK["tensor"] > RANK["ops"]
    assert imported(PACKAGE / "tensor/operators.py") >= {"engine", "ops"}


def test_numpy_is_the_only_run_time_dependency() -> None:
    import sys

    allowed = {*sys.stdlib_module_names, "numpy", "autograd_cnn"}
    optional = {"hypothesis": {"testing"}, "tqdm": {"data"}}
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [a.name for a in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in (n.split(".")[0] for n in names):
                assert name in allowed or part(path) in optional.get(name, ()), (
                    f"{path} imports {name}"
                )


def test_public_names_exist_and_are_listed() -> None:
    for module in MODULES:
        assert len(module.__all__) == len(set(module.__all__)), module.__name__
        for name in module.__all__:
            assert hasattr(module, name), f"{module.__name__}.{name}"


def test_every_public_function_and_class_has_a_docstring() -> None:
    for module in MODULES:
        for name in module.__all__:
            value = getattr(module, name)
            if callable(value):
                assert (value.__doc__ or "").strip(), f"{module.__name__}.{name} has no docstring"
