"""Functions of each element that are spelled in several operators: known by their values."""

from __future__ import annotations

from functools import cache
from math import erf, exp, log1p, sqrt, tanh
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bneck_cli.bridges.readers.onnx.file import Node
    from bneck_cli.bridges.readers.onnx.patterns import Search

MOST_PARTS = 14
"""So many operators a function may be spelled in."""
NEAR = 2e-3
"""How far a value may be off: halves, and the two spellings of GELU."""
SAMPLES = (-9.0, -4.0, -3.1, -2.3, -1.4, -0.9, -0.3, 0.0, 0.2, 0.7, 1.1, 1.9, 2.6, 3.2, 4.7, 6.5, 9.0)


def _each(function: Callable[[float], float]) -> Callable[..., Any]:
    def run(x: Any, *_: Any) -> Any:
        import numpy

        return numpy.vectorize(function, otypes=[float])(x)

    return run


def _sigmoid(x: float) -> float:
    return 1 / (1 + exp(-x)) if x > -700 else 0.0


def _softplus(x: float) -> float:
    return x + log1p(exp(-x)) if x > 0 else log1p(exp(x))


KNOWN: dict[str, Callable[[float], float]] = {
    "Gelu": lambda x: x * (1 + erf(x / sqrt(2))) / 2,
    "Silu": lambda x: x * _sigmoid(x),
    "Mish": lambda x: x * tanh(_softplus(x)),
    "HardSwish": lambda x: x * min(max(x / 6 + 0.5, 0), 1),
    "HardSigmoid": lambda x: min(max(x / 6 + 0.5, 0), 1),
    "Relu6": lambda x: min(max(x, 0), 6),
}
"""Functions that are layers, by the operators that they become."""
UNARY: dict[str, Callable[..., Any]] = {
    "Erf": _each(erf), "Tanh": _each(tanh), "Sigmoid": _each(_sigmoid), "Softplus": _each(_softplus),
    "Exp": _each(lambda x: exp(min(x, 700))), "Relu": _each(lambda x: max(x, 0.0)), "Neg": lambda x: -x,
    "Relu6": _each(lambda x: min(max(x, 0.0), 6.0)), "Sqrt": lambda x: x**0.5, "Identity": lambda x: x,
    "Reciprocal": lambda x: 1 / x, "Log": _each(lambda x: log1p(x - 1)), "Cast": lambda x: x,
}  # fmt: skip
BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "Add": lambda x, y: x + y,
    "Sub": lambda x, y: x - y,
    "Mul": lambda x, y: x * y,
    "Div": lambda x, y: x / y,
    "Pow": lambda x, y: x**y,
    "Max": lambda x, y: _numpy().maximum(x, y),
    "Min": lambda x, y: _numpy().minimum(x, y),
}
CLIPPED = ("Clip", "HardSigmoid")


def _numpy() -> Any:
    import numpy

    return numpy


@cache
def _expected() -> dict[str, Any]:
    """Return the values of each function that is known."""
    import numpy

    return {name: numpy.array([function(x) for x in SAMPLES]) for name, function in KNOWN.items()}


def computed(node: Node) -> bool:
    """Return whether a node is a function of each element whose values are computed here."""
    return node.op in UNARY or node.op in CLIPPED or (node.op in BINARY and len(node.inputs) == 2)


def function_of(search: Search, parts: Sequence[int], leaf: str) -> str:
    """Return what a few nodes are together, as a function of one tensor; empty where that has no name."""
    import numpy

    values: dict[str, Any] = {leaf: numpy.array(SAMPLES)}

    def value(name: str) -> Any:
        found = values.get(name)
        return search.number(name) if found is None else found

    try:
        with numpy.errstate(all="ignore"):
            for index in parts:
                node = search.nodes[index]
                given = [value(name) for name in node.inputs if name]
                if node.op in BINARY:
                    result = BINARY[node.op](*given)
                elif node.op == "HardSigmoid":
                    slope, start = node.attributes.get("alpha", 0.2), node.attributes.get("beta", 0.5)
                    result = numpy.clip(slope * given[0] + start, 0, 1)
                elif node.op == "Clip":
                    low = given[1] if len(given) > 1 else node.attributes.get("min")
                    high = given[2] if len(given) > 2 else node.attributes.get("max")
                    result = numpy.clip(given[0], low, high)
                else:
                    result = UNARY[node.op](given[0])
                values[node.outputs[0]] = result
    except (TypeError, ValueError, OverflowError, ZeroDivisionError, IndexError):
        return ""
    result = values[search.nodes[parts[-1]].outputs[0]]
    for name, wanted in _expected().items():
        if numpy.shape(result) == wanted.shape and numpy.allclose(result, wanted, rtol=NEAR, atol=NEAR):
            return name
    return ""
