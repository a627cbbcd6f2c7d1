"""Idioms of PyTorch, NumPy, HIPS autograd and Keras work, or raise words that name the way out."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim
from tests.idioms import IDIOMS, Idiom

REFUSALS = (TypeError, ValueError, AttributeError, RuntimeError)


def names() -> dict[str, Any]:
    """What the idioms use, anew for each."""
    array = np.array([[1.0, 2.0, 3.0], [4.0, 6.0, 5.0]], "float32")
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    return {
        **{"np": np, "ag": ag, "F": F, "nn": nn, "optim": optim, "init": nn.init, "func": ag.func},
        **{"A": array, "X": ag.tensor(array), "net": net},
        "W": ag.tensor([1.0, 2.0], requires_grad=True),
        "IMAGES": ag.tensor(np.zeros((2, 1, 4, 4), "float32")),
        "opt": optim.SGD(net.parameters(), lr=0.1),
    }


def run(code: str, known: dict[str, Any]) -> Any:
    """Run statements; the value of the last one if it is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<idiom>", "exec"), known)
    return last and eval(compile(ast.Expression(last.value), "<idiom>", "eval"), known)


def same(found: Any, expected: Any) -> bool:
    if isinstance(expected, (np.ndarray, ag.Tensor, float, np.generic)):
        shapes = np.shape(ag.tensor(found)), np.shape(ag.tensor(expected))
        return shapes[0] == shapes[1] and np.allclose(np.asarray(found), np.asarray(expected))
    return bool(found == expected)


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.code)
def test_an_idiom_works_or_names_the_alternative(idiom: Idiom) -> None:
    known = names()
    if idiom.value:
        found = run(idiom.code, known)
        assert same(found, run(idiom.value, known)), found
        return
    with pytest.raises(REFUSALS) as caught:
        run(idiom.code, known)
    assert idiom.words in str(caught.value)


def test_the_table_is_long_and_no_row_stands_twice() -> None:
    codes = [idiom.code for idiom in IDIOMS]
    assert len(set(codes)) == len(codes) >= 250
    assert sum(bool(idiom.value) for idiom in IDIOMS) >= 180
