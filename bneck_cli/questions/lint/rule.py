"""A lint rule: one declaration with its summary, the reason why it matters, and the function that checks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bneck_cli.engine.network import Layer
    from bneck_cli.flow.tensors import Flow, Met
    from bneck_cli.language.document import Place

    Find = Callable[[Flow], Iterator["Finding"]]


class SymbolicError(Exception):
    """A rule met a size that is not a number."""


class Finding(NamedTuple):
    """What a rule says of one layer; of folded copies once, with ``cost`` that of all of them, counted in ``unit``."""

    place: Place
    path: str
    copies: int
    message: str
    cost: int
    unit: str
    rule: str = ""
    reason: str = ""

    @property
    def hint(self) -> str:
        """How to silence it."""
        return f"--ignore {self.rule}"


class Rule(NamedTuple):
    """A rule: what it ``finds``, in one line; the ``reason`` to care; whether it is ``usual`` for networks to break it.

    A usual one is silent unless asked for.
    """

    name: str
    finds: str
    reason: str
    usual: bool
    find: Find

    def findings(self, flow: Flow) -> list[Finding]:
        """Return what the rule says of a network. Raises SymbolicError if that depends on a symbol."""
        return [found._replace(rule=self.name, reason=self.reason) for found in self.find(flow)]


RULES: dict[str, Rule] = {}


def rule(name: str, finds: str, reason: str, usual: bool = False) -> Callable[[Find], Find]:
    """Declare a function as the rule of that name."""

    def declare(find: Find) -> Find:
        RULES[name] = Rule(name, finds, reason, usual, find)
        return find

    return declare


# What rules ask


def says(met: Met, message: str, cost: int, unit: str, once: bool = False) -> Finding:
    """Make a finding of a layer; ``cost`` is that of one copy, or is said ``once`` for the last of them alone."""
    path, layer, copies, _ = met.entry
    copies = 1 if once else copies
    return Finding(layer.place, path, copies, message, cost * copies, unit)


def number(size: Any) -> int:
    """Take a size that must be a number. Raises SymbolicError for another."""
    if not isinstance(size, int):
        raise SymbolicError
    return size


def numbers(sizes: Iterable[Any]) -> tuple[int, ...]:
    """Take sizes that must all be numbers."""
    return tuple(number(size) for size in sizes)


def macs_of(layer: Layer) -> int:
    """Count a layer's multiply-adds by torchvision's rule, whatever rule the analysis counts by."""
    return number(layer.rule.macs(layer.shape, layer.out) if layer.rule is not None else layer.cost.macs)


def percent(part: int, whole: int) -> str:
    """Write a share, which is not said to be all or nothing unless it is."""
    tenths = (2000 * part + whole) // (2 * whole)
    tenths = min(max(tenths, int(part > 0)), 1000 - int(part < whole))
    return f"{tenths // 10}.{tenths % 10}%"


def times(values: Iterable[Any]) -> str:
    """Write sizes as an extent."""
    return "×".join(map(people, values))
