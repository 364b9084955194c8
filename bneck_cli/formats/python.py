"""Python source: params, MACs and activations as functions of the symbols, to compute with or to plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.network import entries
from bneck_cli.questions.analyze import describe_input, requirements, rule_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Cost, Size
    from bneck_cli.formats import Style
    from bneck_cli.questions.analyze import View


def render_python(analysis: Analysis, _view: View, _style: Style) -> Iterator[str]:
    """Write a module: ``layers`` gives every layer's figures, ``params``, ``macs`` and ``activations`` the totals."""
    costs = [entry.layer.cost for entry in entries(analysis.root)]
    names = ", ".join(sorted(_symbols([size for cost in (*costs, analysis.cost) for size in _figures(cost, analysis)])))
    yield f'"""{_safe(analysis.name)}, input {_safe(describe_input(analysis))}.\n\nRule: {_safe(rule_of(analysis))}.\n'
    yield "".join(f"It {_safe(note)}.\n" for note in requirements(analysis))
    yield f'"""\n\n\ndef layers({names}):\n'
    yield '    """Give (path, copies, params, MACs, activations) in execution order, the figures of one copy."""\n'
    yield "    return [\n"
    for entry in entries(analysis.root):
        cost = entry.layer.cost if not entry.idle else type(entry.layer.cost)(entry.layer.cost.params)
        figures = ", ".join(map(str, _figures(cost, analysis)))
        yield f"        ({entry.path!r}, {entry.copies}, {figures}),\n"
    yield "    ]\n"
    for name, size in zip(("params", "macs", "activations"), _figures(analysis.cost, analysis), strict=True):
        yield f"\n\ndef {name}({names}):\n    return {size}\n"


def _figures(cost: Cost, analysis: Analysis) -> tuple[Size, Size, Size]:
    return cost.params, cost.macs * analysis.batch, cost.activations * analysis.batch


def _symbols(sizes: list[Size]) -> set[str]:
    """Name the symbols of sizes; where there are none, what symbols are need not be known."""
    symbolic = [size for size in sizes if not isinstance(size, int)]
    if not symbolic:
        return set()
    from bneck_cli.sizes.dim import symbols

    return set().union(*map(symbols, symbolic))


def _safe(text: str) -> str:
    """Keep a text inside its docstring."""
    return text.replace("\\", "/").replace('"', "'").replace("\n", " ")
