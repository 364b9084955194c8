"""Figures as Python source: functions of the symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.network import entries
from bneck_cli.questions.notes import describe_input, requirements, rule_of
from bneck_cli.shown import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Cost, Size
    from bneck_cli.questions.compare import Comparison


def source(analysis: Analysis) -> Iterator[str]:
    """Write a module: ``layers`` returns every layer's figures, ``params``, ``macs`` and ``activations`` the totals."""
    costs = [entry.layer.cost for entry in entries(analysis.root)]
    spelled = _spelled(_symbols([size for cost in (*costs, analysis.cost) for size in _figures(cost, analysis)]))
    title = f"{analysis.name}, input {describe_input(analysis)}"
    yield from _opened(title, analysis, requirements(analysis), spelled)
    names = _arguments(spelled)
    yield f"\n\ndef layers({names}):\n"
    yield '    """Return (path, copies, params, MACs, activations) in execution order, the figures of one copy."""\n'
    yield "    return [\n"
    for entry in entries(analysis.root):
        cost = entry.layer.cost if not entry.idle else type(entry.layer.cost)(entry.layer.cost.params)
        figures = ", ".join(_written(size, spelled) for size in _figures(cost, analysis))
        yield f"        ({entry.path!a}, {entry.copies}, {figures}),\n"
    yield "    ]\n"
    for name, size in zip(("params", "macs", "activations"), _figures(analysis.cost, analysis), strict=True):
        yield f"\n\ndef {name}({names}):\n    return {_written(size, spelled)}\n"


def compared_source(comparison: Comparison) -> Iterator[str]:
    """Write a module: a function for each metric returns its values, in the order of ``NAMES``."""
    first = comparison.candidates[0].analysis
    spelled = _spelled(_symbols([size for metric in comparison.metrics for size in metric.values]))
    yield from _opened(comparison.title, first, comparison.notes, spelled)
    names = "".join(f"{candidate.name!a}, " for candidate in comparison.candidates)
    yield f"\nNAMES = ({names.rstrip()})\n"
    for metric in comparison.metrics:
        values = ", ".join(_written(size, spelled) for size in metric.values)
        yield f"\n\ndef {metric.key}({_arguments(spelled)}):\n    return ({values})\n"


def _opened(title: str, analysis: Analysis, notes: Iterable[str], spelled: dict[str, str]) -> Iterator[str]:
    """Begin a module with what it is about.

    A symbol that Python cannot spell gets another name, and the module says which.
    """
    yield f'"""{_safe(title)}.\n\nRule: {_safe(rule_of(analysis))}.\n'
    yield "".join(f"It {_safe(note)}.\n" for note in notes)
    yield "".join(f"{_safe(old)} is {new} here.\n" for old, new in sorted(spelled.items()) if old != new)
    yield '"""\n'


def _arguments(spelled: dict[str, str]) -> str:
    return ", ".join(spelled[symbol] for symbol in sorted(spelled))


def _figures(cost: Cost, analysis: Analysis) -> tuple[Size, Size, Size]:
    return cost.params, cost.macs * analysis.batch, cost.activations * analysis.batch


def _symbols(sizes: list[Size]) -> set[str]:
    """Name the symbols of sizes; if there are none, what symbols are need not be known."""
    symbolic = [size for size in sizes if not isinstance(size, int)]
    if not symbolic:
        return set()
    from bneck_cli.sizes.dim import symbols

    return set().union(*map(symbols, symbolic))


def _spelled(symbols: set[str]) -> dict[str, str]:
    """Return each symbol a name in Python: its own where that is one, and no other symbol's."""
    from keyword import iskeyword

    spelled = {name: name for name in symbols if name.isascii() and name.isidentifier() and not iskeyword(name)}
    for name in sorted(symbols - set(spelled)):
        plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else f"_{ord(c):x}" for c in name)
        plain = (
            plain
            if plain.isidentifier() and not iskeyword(plain)
            else f"{plain}_"
            if plain[:1].isalpha()
            else f"s{plain}"
        )
        while plain in spelled.values():
            plain += "_"
        spelled[name] = plain
    return spelled


def _written(size: Size, spelled: dict[str, str]) -> str:
    if isinstance(size, int) or all(old == new for old, new in spelled.items()):
        return str(size)
    from bneck_cli.sizes.dim import symbol
    from bneck_cli.sizes.evaluation import substitute

    return str(substitute(size, {old: symbol(new) for old, new in spelled.items()}))


def _safe(text: str) -> str:
    """Keep a text inside its docstring."""
    return shown(text).replace("\\", "/").replace('"', "'")
