"""What no tensor takes: complex numbers where gradients flow, and arrays that hold no numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_cnn as ag
from autograd_cnn import functional as F
from autograd_cnn import nn, optim
from tests.calls import CALLS, NEVER_SPOILT
from tests.test_bad_values import names, refuses
from tests.test_ops import EVERY_CASE, EVERY_FUNCTION
from tests.test_points import drawn, is_float

REFUSALS = (TypeError, ValueError, IndexError, ag.GraphError)


def results(found: Any) -> list[Any]:
    several = isinstance(found, (tuple, list))
    return [r for part in found for r in results(part)] if several else [found]


def refused(call: Callable[[], Any], only_gradients: bool = True) -> bool:
    """Whether the call raises, without a warning; if not, nothing of it may carry gradients."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        try:
            found = results(call())
        except REFUSALS:
            return True
    assert only_gradients
    assert not any(getattr(r, "requires_grad", False) and r.size for r in found)
    return False


def spoilt(name: str, bad: Callable[[np.ndarray], list[Any]]) -> list[Callable[[], Any]]:
    """Calls of an op or composition on tensors that require gradients, but for one that is bad."""
    calls = []
    for case in drawn(name, 12):
        leaves = [ag.tensor(x, requires_grad=True) if is_float(x) else x for x in case.inputs]
        for place, x in enumerate(case.inputs):
            for replacement in bad(x) if is_float(x) and x.size else ():
                given = [*leaves[:place], replacement, *leaves[place + 1 :]]
                if any(isinstance(v, ag.Tensor) and v.requires_grad and v.size for v in given):
                    calls.append(
                        lambda given=given, case=case: EVERY_FUNCTION[name](*given, **case.params)
                    )
    return calls


PUBLIC = sorted(set(EVERY_CASE) - {"relu_grad"})  # a gradient, whose x is never complex


@pytest.mark.parametrize("name", PUBLIC)
def test_complex_inputs_take_no_part_in_gradients(name: str) -> None:
    calls = spoilt(name, lambda x: [x + 0.5j, ag.tensor(x * 1j), x.flat[0] * 1j])
    found = [refused(call) for call in calls]
    assert not calls or any(found)


class Holder:
    """Tensors to write into: t is plain, h a result."""

    def __init__(self) -> None:
        self.t, self.w = ag.tensor([1.0, 2.0]), ag.tensor([1.0, 2.0], requires_grad=True)
        self.h = self.w * 1.0

    def put(self, target: str, bad: Any) -> None:
        getattr(self, target)[...] = bad

    def iadd(self, target: str, bad: Any) -> None:
        setattr(self, target, getattr(self, target).__iadd__(bad))

    def hooked(self, bad: Any) -> None:
        self.h.register_hook(lambda g: bad)
        self.h.sum().backward()

    def ruled(self, bad: Any) -> None:
        ag.custom_gradient(lambda g, out, x: bad)(lambda x: x * 1.0)(self.w).sum().backward()

    def loaded(self, bad: Any) -> None:
        nn.Linear(2, 1).load_state_dict({"weight": np.array([bad]), "bias": np.zeros(1)})


ROW = np.zeros((1, 2))
DOORS: dict[str, Callable[[Holder, Any], Any]] = {
    "ag.tensor with a dtype": lambda s, bad: ag.tensor(bad, dtype="float32"),
    "nn.Parameter": lambda s, bad: nn.Parameter(bad),
    "data": lambda s, bad: setattr(s.t, "data", bad),
    "grad": lambda s, bad: setattr(s.t, "grad", bad),
    "gradient of backward": lambda s, bad: s.h.backward(bad),
    "grad_outputs": lambda s, bad: ag.grad(s.h, s.w, bad),
    "hook": lambda s, bad: s.hooked(bad),
    "rule": lambda s, bad: s.ruled(bad),
    "item assignment": lambda s, bad: s.put("t", bad),
    "item assignment, recorded": lambda s, bad: s.put("h", bad),
    "in place": lambda s, bad: s.iadd("t", bad),
    "in place, recorded": lambda s, bad: s.iadd("h", bad),
    "operator": lambda s, bad: s.h * bad,
    "operator, reversed": lambda s, bad: bad - s.h,
    "NumPy": lambda s, bad: np.add(bad, s.h),
    "np.where": lambda s, bad: np.where([True, False], s.h, bad),
    "np.concatenate": lambda s, bad: np.concatenate([s.h, np.atleast_1d(bad)]),
    "np.clip": lambda s, bad: np.clip(s.h, bad, None),
    "tangent": lambda s, bad: ag.func.jvp(ag.exp, (s.t,), (bad,)),
    "cotangent": lambda s, bad: ag.func.vjp(ag.exp, s.t)[1](bad),
    "state_dict": lambda s, bad: s.loaded(bad),
    "init": lambda s, bad: nn.init.constant_(s.t, bad),
    "learning rate": lambda s, bad: optim.SGD([s.w], lr=bad),
    "momentum": lambda s, bad: optim.SGD([s.w], momentum=bad),
    "mse_loss": lambda s, bad: F.mse_loss(s.h, bad),
    "l1_loss": lambda s, bad: F.l1_loss(bad, s.h),
    "huber_loss": lambda s, bad: F.huber_loss(s.h, bad),
    "smooth_l1_loss": lambda s, bad: F.smooth_l1_loss(s.h, bad),
    "kl_div": lambda s, bad: F.kl_div(s.h, bad),
    "shares of classes": lambda s, bad: F.cross_entropy(s.h.reshape(1, 2), ROW + bad),
    "classes": lambda s, bad: F.cross_entropy(s.h.reshape(1, 2), ROW[:, 0] + bad),
    "weight": lambda s, bad: F.cross_entropy(s.h.reshape(1, 2), [0], weight=bad),
    "weight of nll": lambda s, bad: F.nll_loss(s.h.reshape(1, 2), [0], weight=bad),
    "bce": lambda s, bad: F.binary_cross_entropy_with_logits(s.h, bad),
    "pos_weight": lambda s, bad: F.binary_cross_entropy_with_logits(s.h, s.t, pos_weight=bad),
    "linear": lambda s, bad: F.linear(s.h, bad * np.ones((1, 2))),
    "bias": lambda s, bad: F.linear(s.h, np.ones((2, 2)), bad),
}  # fmt: skip
COMPLEX: dict[str, Any] = {
    "array": np.array([1 + 2j, 3 - 1j]),
    "tensor": ag.tensor(np.array([1 + 2j, 3 - 1j])),
    "number": 1j,
    "scalar": np.complex64(1j),
    "list": [1j, 2.0],
}
NO_NUMBERS: dict[str, Any] = {
    "objects": np.array([1, 2], object),
    "dates": np.array([1, 2], "M8[D]"),
    "spans": np.array([1, 2], "m8[D]"),
    "span": np.timedelta64(1, "D"),
    "strings": np.array(["a", "b"]),
    "bytes": np.array([b"a", b"b"]),
    "records": np.zeros(2, [("a", "f4"), ("b", "f4")]),
    "masked": np.ma.array([1.0, 2.0], mask=[False, True]),
}
READ_BY_NUMPY = {
    ("hook", "masked"), ("rule", "masked"), ("state_dict", "masked"), ("rule", "list"),
    *((door, "masked") for door in ("shares of classes", "classes", "linear")),
}  # fmt: skip
"""Doors behind which NumPy has made a plain array of the value before we see it."""


@pytest.mark.parametrize("kind", [*COMPLEX, *NO_NUMBERS])
@pytest.mark.parametrize("door", DOORS)
def test_a_door_refuses_what_is_not_real(door: str, kind: str) -> None:
    if (door, kind) in READ_BY_NUMPY:
        pytest.skip("a plain array by then")
    bad = (COMPLEX | NO_NUMBERS)[kind]
    assert refused(lambda: DOORS[door](Holder(), bad), only_gradients=False)


@pytest.mark.parametrize("name", sorted(EVERY_CASE))
def test_inputs_that_are_no_numbers_are_refused(name: str) -> None:
    calls = spoilt(name, lambda x: [x.astype(object), x.astype(int).astype("m8[s]"), x.astype("U")])
    for call in calls:
        assert refused(call, only_gradients=False)


@pytest.mark.parametrize("dtype", ["c8", "c16", object, "M8[D]", "m8[s]", "U3", "S3", "V4"])
def test_conversions_of_tensors_keep_real_numbers(dtype: Any) -> None:
    x = ag.tensor([1.0], requires_grad=True)
    for call in (
        lambda: x.astype(dtype),
        lambda: ag.astype(x, dtype=dtype),
        lambda: np.astype(x, np.dtype(dtype)),
        lambda: ag.tensor([1.0], requires_grad=True, dtype=dtype),
        lambda: ag.set_default_dtype(dtype),
    ):
        assert refused(call, only_gradients=False)


@pytest.mark.parametrize("name", sorted(CALLS))
def test_settings_are_not_complex(name: str) -> None:
    function, valid = CALLS[name]
    for argument, value in valid.items():
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and argument not in NEVER_SPOILT:
            call = lambda: function(**{**valid, argument: 1j})  # noqa: B023, E731
            refuses(names(function), argument, "1j", call)


def test_complex_constants_are_computed_with() -> None:
    z = ag.tensor(np.array([3 + 4j]))
    assert (z * 2.0).dtype == np.complex128
    assert abs(z).tolist() == [5.0]
    x = ag.tensor([1.0], requires_grad=True)
    with ag.no_grad():
        assert abs(x * (3 + 4j)).tolist() == [5.0]
    with pytest.raises(TypeError, match="multiply: the result is complex, and gradients pass real"):
        abs(x * (3 + 4j)).sum().backward()
