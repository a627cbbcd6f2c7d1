"""What a tensor remembers: the registry of operations (`@op`, `OPS`) and the node of the graph
(`Node`).

Operations are polymorphic: arrays in, array out; any tensor in, tensor out.  Backward (backward.py)
uses that: ordinarily it hands arrays to the backward rules, with ``create_graph=True`` it hands
them tensors, and the same formulas then build the graph of the derivative.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

import numpy as np

from autograd_cnn import modes

Array = Any  # an np.ndarray or a Tensor: what goes in comes out
Rule = Callable[..., Array]  # rule(g, out, *inputs, **params) -> gradient of one input
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A NumPy function and its backward rules, one per differentiable input.

    A rule of None says that the derivative is zero everywhere it exists.  `joint`, where an op has
    it, replaces the rules: it returns the gradients of all inputs at once because they share work.
    `variadic` ops take any number of inputs; their one rule learns which from `position`.
    """

    name: str
    forward: Callable[..., Any]
    signature: inspect.Signature
    inputs: tuple[str, ...]
    rules: tuple[Rule | None, ...]
    joint: Callable[..., Sequence[Array | None]] | None
    saves: tuple[str, ...]
    variadic: bool
    defaults: dict[str, Any] = field(repr=False)
    """Values of the keyword parameters that have one, and of optional inputs (None)."""
    params: tuple[str, ...] = ()
    required: int = 0
    """How many of the inputs a caller must give."""

    def rule(self, position: int) -> Rule | None:
        """The backward rule of the input at `position`."""
        return self.rules[0 if self.variadic else position]


OPS: dict[str, Op] = {}

_serial = itertools.count(1)


class GraphError(RuntimeError):
    """A gradient was asked of a graph that cannot give it: never recorded, freed, or changed in
    place.
    """


class Node:
    """The half of a tensor that the graph sees: an array and how it was made.

    `op` is None for a leaf; `inputs` is None once backward has freed the graph behind the node.
    `serial` counts creations, so it orders any graph topologically.  `written`, where there is one,
    holds the serial number that was current at the last in-place write: a consumer that is older
    saw another value.  Tensors on the same memory (`detach`) share it.
    """

    __slots__ = (
        "__weakref__",
        "_grad",
        "array",
        "inputs",
        "op",
        "params",
        "requires_grad",
        "serial",
        "written",
    )
    result_type: ClassVar[type[Node]]

    array: np.ndarray
    requires_grad: bool
    op: Op | None
    inputs: tuple[Any, ...] | None
    params: dict[str, Any]
    serial: int
    written: list[int] | None
    _grad: Any

    def touch(self) -> None:
        """Note that `array` has been written to: graphs recorded before must not use it."""
        self.write_record()[0] = next(_serial)

    def write_record(self) -> list[int]:
        """The record of in-place writes to this memory, made when somebody first needs it."""
        if self.written is None:
            self.written = [0]
        return self.written


def values(x: Any) -> Any:
    """The plain array behind `x`; `x` itself when it is already plain."""
    return x.array if isinstance(x, Node) else x


def wrap(array: Any, requires_grad: bool = False) -> Any:
    """A leaf tensor around an array, which is not copied."""
    node = object.__new__(Node.result_type)
    fill_node(node, array if type(array) is np.ndarray else np.asarray(array), requires_grad)
    return node


def fill_node(node: Node, array: np.ndarray, requires_grad: bool = False) -> None:
    """Give a freshly allocated node the state of a leaf."""
    node.array = array
    node.requires_grad = requires_grad
    node.op = None
    node.inputs = ()
    node.params = {}
    node.serial = next(_serial)
    node.written = None
    node._grad = None


# ---------------------------------------------------------------------------------- declaring an op


def op(
    *,
    joint: Callable[..., Sequence[Array | None]] | None = None,
    saves: Sequence[str] = (),
    **rules: Rule | None,
) -> Callable[[F], F]:
    """Register a NumPy function as a differentiable operation, with one backward rule per input.

    Positional parameters of the function are inputs (a default of None makes one optional),
    keyword-only parameters are plain values.  A rule is ``rule(g, out, *inputs, **params)``: the
    gradient of its input given the gradient `g` of the output, written in ops and in what arrays
    and tensors share, so that it can itself be differentiated.  `saves` names the values that the
    function returns beside its result, as ``(out, {name: value})``, for the rules to receive as
    keyword parameters.  `joint` replaces the rules by one function that also receives ``wanted``, a
    flag per input, and returns a gradient or None per input.

    Raises TypeError at declaration when an input has no rule, a rule names no input, or the name is
    taken.

    >>> import numpy as np
    >>> from autograd_cnn import graph, tensor
    >>> @graph.op(x=lambda g, out, x: g * 3.0 * x * x)
    ... def cube(x):
    ...     "x to the third power."
    ...     return x * x * x
    >>> x = tensor([1.0, 2.0], requires_grad=True)
    >>> cube(x).sum().backward()
    >>> x.grad
    tensor([ 3., 12.])
    >>> del graph.OPS["cube"]
    """

    def register(forward: F) -> F:
        record = _declare(forward, rules, joint, tuple(saves))
        OPS[record.name] = record
        call = _caller(record)
        call.op = record  # type: ignore[attr-defined]
        return functools.wraps(forward)(call)  # type: ignore[return-value]

    return register


def _declare(
    forward: Callable[..., Any],
    rules: dict[str, Rule | None],
    joint: Callable[..., Sequence[Array | None]] | None,
    saves: tuple[str, ...],
) -> Op:
    name = forward.__name__
    signature = inspect.signature(forward)
    parameters = signature.parameters.values()
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    inputs = tuple(p.name for p in positional)
    variadic = any(p.kind is p.VAR_POSITIONAL for p in positional)
    keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    if name in OPS:
        raise TypeError(f"op {name!r} is already registered")
    if variadic and (len(inputs) > 1 or joint):
        raise TypeError(f"op {name!r}: *{inputs[-1]} must be its only input, with one rule")
    if joint and rules:
        raise TypeError(f"op {name!r}: give either one joint rule or a rule per input")
    if not joint and set(rules) != set(inputs):
        raise TypeError(
            f"op {name!r} has inputs {list(inputs)} but backward rules for {list(rules)}"
        )
    for p in positional:
        if p.default is not p.empty and p.default is not None:
            raise TypeError(
                f"op {name!r}: input {p.name!r} may only default to None; make it keyword-only if "
                "it is a "
                f"plain value"
            )
    return Op(
        name=name,
        forward=forward,
        signature=signature,
        inputs=inputs,
        rules=tuple(rules.get(i) for i in inputs),
        joint=joint,
        saves=saves,
        variadic=variadic,
        defaults={p.name: p.default for p in keyword if p.default is not p.empty},
        params=tuple(p.name for p in keyword),
        required=0 if variadic else sum(p.default is p.empty for p in positional),
    )


def _caller(record: Op) -> Callable[..., Any]:
    """The function that users call: compute on arrays, and remember how when a tensor took part."""
    forward, defaults, saves = record.forward, record.defaults, record.saves
    # Calls with exactly the inputs and no parameters skip the binding (a third of a small op's
    # time).
    arity = -1 if record.variadic or len(record.params) != len(defaults) else len(record.inputs)
    recording = modes.recording.get

    def call(*args: Any, **params: Any) -> Any:
        if params or len(args) != arity:
            args, params = _bind(record, args, params)
        else:
            params = defaults
        node = None
        tracked = False
        arrays = []
        for x in args:
            if isinstance(x, Node):
                node = x
                tracked = tracked or x.requires_grad
                arrays.append(x.array)
            elif isinstance(x, (list, tuple)):
                return call(*(_plain(a) for a in args), **params)
            else:
                arrays.append(x)
        try:
            out = forward(*arrays, **params)
        except (ValueError, TypeError, IndexError) as error:
            raise _explained(record, arrays, error) from error
        if saves:
            out, saved = out
            params = {**params, **saved}
        if node is None:
            return out
        if type(out) is not np.ndarray:
            out = np.asarray(out)
        result = object.__new__(node.result_type)
        result.array = out
        result._grad = None
        result.written = None
        if tracked and recording():
            result.requires_grad = True
            result.op = record
            result.inputs = args
            result.params = params
        else:
            result.requires_grad = False
            result.op = None
            result.inputs = ()
            if out.base is not None:
                _share_writes(result, args)
        result.serial = next(_serial)
        return result

    return call


def _share_writes(result: Node, inputs: Sequence[Any]) -> None:
    """A view that records nothing still has to learn of writes to the memory it looks at."""
    for x in inputs:
        if isinstance(x, Node) and np.may_share_memory(result.array, x.array):
            result.written = x.write_record()


def _plain(x: Any) -> Any:
    """Lists and tuples of numbers as arrays; floats among them take the default dtype."""
    return modes.default_array(x) if isinstance(x, (list, tuple)) else x


def _bind(record: Op, args: tuple[Any, ...], params: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Sort a call's arguments into inputs and parameters, as Python would, with clear errors.

    Positional arguments beyond the inputs are parameters in their order, so NumPy's and PyTorch's
    habits (``sum(x, 0)``) work.  Inputs may be given by name.
    """
    names = record.inputs
    if record.variadic:
        if args and isinstance(args[0], (list, tuple)):
            args, extra = tuple(args[0]), args[1:]
        else:
            extra = ()
        args = tuple(map(_plain, args))
    else:
        args, extra = args[: len(names)], args[len(names) :]
        for name in names[len(args) :]:
            if name in params:
                params = dict(params)
                args = (*args, params.pop(name))
            elif len(args) >= record.required:
                args = (*args, None)
            else:
                raise _misuse(record, f"input {name!r} is missing")
    if len(extra) > len(record.params):
        raise _misuse(record, f"got {len(extra) - len(record.params)} arguments too many")
    for name, value in zip(record.params, extra):
        if name in params:
            raise _misuse(record, f"got {name!r} twice")
        params = {**params, name: value}
    params = {**record.defaults, **params}
    if len(params) != len(record.params):
        unknown = [p for p in params if p not in record.params]
        missing = [p for p in record.params if p not in params]
        problem = (
            f"unknown argument {unknown[0]!r}" if unknown else f"argument {missing[0]!r} is missing"
        )
        raise _misuse(record, problem)
    for name, value in params.items():
        if isinstance(value, Node):
            if value.requires_grad:
                raise _misuse(
                    record,
                    f"argument {name!r} is a plain value, but a tensor that requires gradients "
                    "was given; "
                    f"pass .detach() of it",
                )
            params[name] = value.array
    return args, params


def _misuse(record: Op, problem: str) -> TypeError:
    return TypeError(f"{record.name}: {problem}; the signature is {record.name}{record.signature}")


def _explained(record: Op, arrays: Sequence[Any], error: Exception) -> Exception:
    """The same error in the caller's words: which op, which inputs.  Errors that name the op are
    kept.
    """
    text = str(error)
    if text.startswith(f"{record.name}:"):
        return type(error)(text)
    names = record.inputs if not record.variadic else [record.inputs[0]] * len(arrays)
    shown = ", ".join(f"{n} {describe(a)}" for n, a in zip(names, arrays) if a is not None)
    kind = next(k for k in (ValueError, TypeError, IndexError) if isinstance(error, k))
    return kind(f"{record.name}: {text} (got {shown})")


def describe(x: Any) -> str:
    """Shape and dtype of an input for an error message."""
    x = values(x)
    if isinstance(x, (np.ndarray, np.generic)):
        return f"of shape {x.shape} and dtype {x.dtype}"
    return (
        f"= {x!r}" if isinstance(x, (bool, int, float, complex)) else f"of type {type(x).__name__}"
    )
