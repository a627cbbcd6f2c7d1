"""The architecture as tests: imports point one way, public names are real, files stay small."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path

import pytest

import autograd_cnn as ag
from tests import sizes

PACKAGE = Path(ag.__file__).parent

# Each layer may import the layers before it, and itself.
LAYERS = [
    ["checks"],
    ["kernels"],
    ["config"],
    ["random"],
    ["engine"],
    ["data"],
    ["ops"],
    ["tensor"],
    ["functional", "testing"],
    ["nn"],
    ["optim"],
    ["func"],
    ["diagnose", "training"],
    ["compat", "distributed", "onnx"],
    ["__init__"],
]
MODULES = (
    *(ag, ag.functional, ag.nn, ag.optim, ag.data, ag.data.augment, ag.func, ag.diagnose),
    *(ag.training, ag.nn.utils, ag.optim.swa_utils, ag.distributed),
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
SOURCES = {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def modules() -> list[Path]:
    return sorted(SOURCES)


def dotted(path: Path) -> str:
    """The name under which a file of the package is imported, without the package's own."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def part(path: Path) -> str:
    return dotted(path).split(".")[0]


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module, without the blocks that only type checkers read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for other in node.orelse:
                yield other
                yield from run_time_nodes(other)
        else:
            yield node
            yield from run_time_nodes(node)


def imported(source: str) -> set[str]:
    """The modules of the package that a module imports, in functions too."""
    names = {dotted(path) for path in SOURCES}
    found = set()
    for node in run_time_nodes(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("autograd_cnn"):
            base = (node.module or "").removeprefix("autograd_cnn").lstrip(".")
            for alias in node.names:
                whole = f"{base}.{alias.name}".lstrip(".")
                found.add(whole if whole in names else base)
        elif isinstance(node, ast.Import):
            own = (a.name for a in node.names if a.name.startswith("autograd_cnn."))
            found |= {name.removeprefix("autograd_cnn.") for name in own}
    return found - {""}


def faults(sources: dict[Path, str]) -> list[str]:
    """Imports against the direction of the layers, and circles of modules inside a folder."""
    found, graph = [], dict[str, set[str]]()
    for path, source in sources.items():
        own, name = part(path), dotted(path)
        graph[name] = set()
        for other in imported(source):
            there = other.split(".")[0]
            if there not in RANK:
                found.append(f"{name} imports {there}, which has no layer; add it to LAYERS")
            elif there != own and RANK[there] >= RANK[own]:
                found.append(f"{name} must not import {other}")
            elif there == own and other != name:
                graph[name].add(other)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        found.append(f"modules import each other: {' <- '.join(error.args[1])}")
    return found


def test_imports_point_one_way_and_in_no_circle() -> None:
    assert faults(SOURCES) == []


@pytest.mark.parametrize(
    ("file", "planted", "fault"),
    [
        ("engine/node.py", "from autograd_cnn.ops import shape", "engine.node must not import ops"),
        ("ops/conv.py", "from autograd_cnn import tensor", "ops.conv must not import tensor"),
        ("kernels/window.py", "def f():\n    import autograd_cnn.nn.module", "kernels.window must"),
        ("engine/node.py", "from autograd_cnn.engine.op import OPS", "modules import each other"),
        ("optim/sgd.py", "from autograd_cnn.missing import x", "missing, which has no layer"),
    ],
)
def test_the_check_finds_a_planted_import(file: str, planted: str, fault: str) -> None:
    path = PACKAGE / file
    assert any(fault in line for line in faults(SOURCES | {path: SOURCES[path] + planted}))


def test_imports_for_type_checkers_do_not_count() -> None:
    block = "if TYPE_CHECKING:\n    from autograd_cnn import nn\nelse:\n    from autograd_cnn import ops"
    assert imported(block) == {"ops"}


# --------------------------------------------------------------------------------------------- sizes


def test_the_package_keeps_its_budgets() -> None:
    over = {name: n for name, n in sizes.totals().items() if n > sizes.BUDGETS[name]}
    assert not over, f"{over} lines; see python -m tests.sizes, and have less"


def test_the_top_level_has_at_most_19_rooms() -> None:
    assert len({part(path) for path in SOURCES}) <= 19


def test_lines_of_stubs_and_empty_lines_count(tmp_path: Path) -> None:
    (tmp_path / "a.pyi").write_text("x: int\n\ny: int\n")
    assert sizes.lines(tmp_path / "a.pyi") == 3
    assert any(name.endswith(".pyi") for name in sizes.files(PACKAGE, ".py", ".pyi"))
    assert sizes.longest_functions(1)[0][0] < 65


def test_numpy_is_the_only_run_time_dependency() -> None:
    import sys

    allowed = {*sys.stdlib_module_names, "numpy", "autograd_cnn"}
    optional = {
        "hypothesis": {"testing"},
        "mpi4py": {"distributed"},
        "onnx": {"onnx"},
        "tqdm": {"data"},
        "typing_extensions": {"tensor"},  # tensor.types, which only type checkers read
    }
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
