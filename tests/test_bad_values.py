"""Every argument of every public function, replaced by nonsense: the error names function, argument and value."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import autograd_cnn as ag
from autograd_cnn import func, nn, testing
from autograd_cnn import functional as F
from autograd_cnn.engine import annotations, arguments
from autograd_cnn.engine.op import COMPOSITIONS
from tests.calls import CALLS, NEVER_SPOILT
from tests.cases import CASES
from tests.cases_compositions import COMPOSITION_CASES
from tests.test_ops import FUNCTIONS

TENSORS = [ag.tensor([1.0]), ag.tensor([2.0])]
# What no argument may be, and how a message shows it.
NONSENSE: list[tuple[Any, str]] = [
    ("text", "'text'"),
    ({1}, r"an object of type set|\{1\}"),
    (TENSORS, r"a list of tensors|\[tensor"),
    ([[1.0], [2.0, 3.0]], r"\[\[1.0\], \[2.0, 3.0\]\]"),
    (np.array(["a"]), r"an array of shape \(1,\) and dtype <U1|array\(\['a'\]"),
]
PER_AXIS = {"kernel_size", "stride", "padding", "dilation", "output_padding", "output_size"}
KINDS = (TypeError, ValueError, IndexError)


def names(function: Callable[..., Any]) -> str:
    """What a message may start with."""
    own = function.__name__
    return "Tensor" if own == "tensor" else own


def refuses(where: str, argument: str, shown: str, call: Callable[[], Any]) -> None:
    """The call fails with a message that names the function, the argument and the value."""
    with pytest.raises(KINDS) as caught:
        call()
    text = str(caught.value)
    assert re.match(rf"{where}\b", text), text
    assert re.search(rf"\b{argument}\b", text), text
    assert re.search(shown, text), text


@pytest.mark.parametrize("name", sorted(CALLS))
def test_an_argument_of_a_wrong_kind_is_named(name: str) -> None:
    function, valid = CALLS[name]
    function(**valid)
    for argument in valid.keys() - NEVER_SPOILT:
        for value, shown in NONSENSE:
            if value is TENSORS and argument in PER_AXIS:
                continue  # one number each, which is what a size may be
            spoilt = {**valid, argument: value}
            refuses(names(function), argument, shown, lambda: function(**spoilt))  # noqa: B023


def test_every_function_with_a_kind_to_check_has_a_call() -> None:
    modules = {"F": F, "nn": nn, "init": nn.init, "func": func, "testing": testing, "ag": ag}
    # Compositions are tested below; a few names stand in F and in ag.
    unchecked = {*UNCHECKED, *COMPOSITIONS, *(f"ag.{name}" for name in F.__all__)}
    for short, module in modules.items():
        for name in module.__all__:
            found = getattr(module, name)
            found = found.__init__ if inspect.isclass(found) else found
            if inspect.unwrap(found) is not found and hasattr(found, "__code__"):
                checked = found.__code__.co_filename == arguments.__file__
                assert (
                    not checked
                    or f"{short}.{name}" in CALLS
                    or {name, f"{short}.{name}", found.__name__} & unchecked
                )


# Their arguments are not settings: functions, tensors and modules; see the tables of mistakes.
UNCHECKED = {"check_op", "functional_call", "grad", "ModuleDict", "ModuleList", "ParameterList"}


def test_annotations_are_of_a_kind_or_ask_nothing() -> None:
    """A misspelt annotation would check nothing, and say nothing."""
    free = {"Any", "T", "Module", "Module | Mapping[str, Tensor] | None"}
    for name, found in CALLS.items():
        annotated = found.function
        annotated = annotated.__init__ if inspect.isclass(annotated) else annotated
        for argument, annotation in inspect.unwrap(annotated).__annotations__.items():
            known = annotations.read_annotation(annotation, {}) is not None
            assert known or annotation in free or argument == "return", (name, argument, annotation)


# ------------------------------------------------------------------------------- ops and compositions


def signature(name: str) -> tuple[Callable[..., Any], list[inspect.Parameter]]:
    """An op or composition and its inputs; none where it takes any number of them."""
    function = FUNCTIONS.get(name) or COMPOSITIONS[name]
    parameters = inspect.signature(function).parameters.values()
    return function, [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]


@pytest.mark.parametrize("name", sorted(CASES | COMPOSITION_CASES))
def test_an_input_that_is_no_array_is_named(name: str) -> None:
    function, inputs = signature(name)

    @settings(max_examples=1, database=None)
    @given((CASES | COMPOSITION_CASES)[name])
    def check(case: Any) -> None:
        for place in range(len(case.inputs)):
            label = inputs[place].name if inputs else r"(xs|input \d)"
            optional = bool(inputs) and inputs[place].default is None
            for value, shown in [(None, "None"), *NONSENSE[:-1]]:
                listed = not inputs and isinstance(value, list) and not place  # holds the inputs
                if listed or (value is None and optional):
                    continue
                spoilt = [*case.inputs[:place], value, *case.inputs[place + 1 :]]
                refuses(name, label, shown, lambda: function(*spoilt, **case.params))  # noqa: B023

    check()


@pytest.mark.parametrize("name", sorted(CASES | COMPOSITION_CASES))
def test_a_plain_value_of_a_wrong_kind_is_named(name: str) -> None:
    function, _ = signature(name)
    annotations = inspect.unwrap(function).__annotations__
    # Ops look at their plain values when they fail: what passes for true or false is taken so.
    lenient = {"bool", "np.ndarray", "np.ndarray | None"}

    @settings(max_examples=1, database=None)
    @given((CASES | COMPOSITION_CASES)[name])
    def check(case: Any) -> None:
        for label in case.params:
            if annotations[label] not in lenient:
                spoilt = {**case.params, label: len}
                call = functools.partial(function, *case.inputs, **spoilt)
                refuses(name, label, "built-?in.function", call)

    check()
