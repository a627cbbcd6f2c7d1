"""Programs in the style of HIPS autograd's examples: one changed import runs them here or there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_cnn.compat.autograd import grad
from autograd_cnn.compat.autograd.misc import flatten
from autograd_cnn.compat.autograd.test_util import check_grads

HOME = "autograd_cnn.compat.autograd"
PROGRAMS = sorted(p for p in (Path(__file__).parent / "hips").glob("*.py") if p.stem[0] != "_")


def run(path: Path, home: str) -> Any:
    scope: dict[str, Any] = {"__name__": path.stem}
    exec(compile(path.read_text(encoding="utf-8").replace(HOME, home), path.name, "exec"), scope)
    return scope["run"]()


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_a_program_learns_and_its_gradient_is_right(path: Path) -> None:
    objective, start, losses, end = run(path, HOME)
    check_grads(objective, order=1)(start)
    assert losses[-1] < losses[0]
    plain = flatten([grad(objective)(start), losses, end])[0]
    assert type(plain) is np.ndarray
    assert plain.dtype == np.float64
    assert np.isfinite(plain).all()


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: p.stem)
def test_hips_autograd_gives_the_same_numbers(path: Path) -> None:
    theirs = pytest.importorskip("autograd", reason="HIPS autograd is not installed")
    objective, start, losses, end = run(path, HOME)
    other, _, others, there = run(path, "autograd")
    pairs = [(losses, others), (end, there), (grad(objective)(start), theirs.grad(other)(start))]
    for found, expected in pairs:
        a, b = flatten(found)[0], flatten(expected)[0]
        # a run of 100 steps may spread a difference in rounding
        assert np.allclose(a, b, rtol=1e-9, atol=1e-11), path.stem


def test_a_program_says_where_it_comes_from_in_its_imports_only() -> None:
    assert len(PROGRAMS) == 6
    for path in PROGRAMS:
        text = path.read_text(encoding="utf-8")
        lines = [line for line in text.splitlines() if HOME in line]
        assert len(lines) >= 3
        assert all(re.match("(import|from) ", line) for line in lines)
        assert text.replace(HOME, "").count("autograd") == 0
