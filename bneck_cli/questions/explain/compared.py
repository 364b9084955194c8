"""A block compared with the plain one, or the plain one with the bottleneck, by closed forms that hold at every width.

Compared are blocks that do the same work: they keep the shape, have convolutions alone, and both costs are a constant
times C². Then one ratio says all, at any width and on any map.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import entries, inner
from bneck_cli.engine.settings import Settings
from bneck_cli.errors import BneckError
from bneck_cli.language.library import load
from bneck_cli.questions.compare import weights
from bneck_cli.questions.explain.block import is_bottleneck
from bneck_cli.questions.explain.facts import whole
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Layer, Series, Size
    from bneck_cli.language.library import Program
    from bneck_cli.questions.explain.place import Subject

PLAIN, OTHER = "basic", "bottleneck"
"""The block that others are compared with, and the one that it is compared with itself."""
PAPER = (("basic", 64), ("bottleneck", 256))
"""The two blocks of the ResNet paper's figure 5 (arXiv 1512.03385)."""
WORK = frozenset({"conv", "norm", "activation"})
"""The parts that a block may consist of, beside sums, to be compared."""


class Form(NamedTuple):
    """A cost that is ``above``/``below``·C² at every width C."""

    above: int
    below: int

    def at(self, channels: int) -> int | None:
        """Compute the cost at a width; None if the form does not give a whole number."""
        value = self.above * channels * channels
        return value // self.below if value % self.below == 0 else None

    def __str__(self) -> str:
        return f"{self.above}·C²" if self.below == 1 else f"{self.above}/{self.below}·C²"


class Compared(NamedTuple):
    """Two blocks at the same width on the same map, and the closed forms of their weights."""

    name: str
    other: str
    channels: int
    map: str
    weights: tuple[int, int]
    macs: tuple[int, int]
    forms: tuple[Form, Form]

    @property
    def times(self) -> tuple[int, int]:
        """How many times as much the second costs, as a fraction: at equal width, at every width."""
        mine, theirs = self.forms
        return theirs.above * mine.below, theirs.below * mine.above

    def equal_width(self) -> int:
        """Return the width, to the nearest whole number, at which the other costs the same."""
        above, below = self.times
        square = self.channels * self.channels * below
        root = isqrt(square // above)
        return root if (2 * root + 1) ** 2 * above > 4 * square else root + 1


def compare(name: str, program: Program, asked: Settings, subject: Subject) -> Compared | None:
    """Compare a block with the plain one, or the plain one with the bottleneck; None if nothing holds in general."""
    node, width = subject.node, subject.node.out.channels
    definition = program.blocks.get(name)
    if definition is None or definition.parameter("channels") is None or not isinstance(width, int):
        return None
    if node.shape != node.out or len(node.out.spatial) != 2 or (subject.path and not _is_plain_step(subject)):
        return None
    if not _convolves(each.layer for each in subject.layers):
        return None
    values = () if subject.path else tuple(given for given in asked.values if given.name != "channels")
    settings = Settings(channels=width).with_input("x".join(map(str, node.out.spatial)))
    other = PLAIN if name != PLAIN else OTHER
    try:
        ours, mine = _form(program._replace(block=name, net=None), settings._replace(values=values))
        theirs, their = _form(load(other), settings)
    except BneckError:
        return None
    if ours.cost != node.cost or mine is None or their is None or mine == their:
        return None
    forms = (mine, their)
    weighed = (whole(weights(ours)), whole(weights(theirs)))
    positions = whole(node.out.positions)
    macs = (whole(ours.cost.macs), whole(theirs.cost.macs))
    if tuple(form.at(width) for form in forms) != weighed or macs != tuple(value * positions for value in weighed):
        return None
    return Compared(name, other, width, "×".join(map(str, node.out.spatial)), weighed, macs, forms)


def _is_plain_step(subject: Subject) -> bool:
    """Return whether a block in its network is given its channels and no more."""
    node: Series | object = subject.node
    text = inner(node).text if hasattr(node, "runs") else ""  # type: ignore[arg-type]
    words = text.split(" ")[1:]
    return len(words) >= 1 and "=" not in words[0] and all(word == "stride=1" for word in words[1:])


def _form(program: Program, settings: Settings) -> tuple[Analysis, Form | None]:
    """Analyse a block, and write its weights as a constant times C²; None if they are not, or it does other work."""
    analysis = analyze_program(program, settings)
    if not _convolves(entry.layer for entry in entries(analysis.root)):
        return analysis, None
    try:
        symbolic = analyze_program(program, settings._replace(channels="C"))
    except BneckError:
        return analysis, None
    return analysis, _square(weights(symbolic))


def _convolves(layers: Iterable[Layer]) -> bool:
    """Return whether layers are convolutions without biases, one of them of a wide window, and what goes with them."""
    wide = False
    for layer in layers:
        if layer.rule is None:
            if layer.op != "add":
                return False
            continue
        window = layer.rule.geometry(layer.shape)
        if layer.rule.part not in WORK or layer.rule.biased or (window is not None and window.transposed):
            return False
        wide = wide or (window is not None and set(window.kernel) != {1})
    return wide


def _square(size: Size) -> Form | None:
    """Read a constant times C²."""
    if isinstance(size, int) or list(size.terms) != [(("C", 2),)]:
        return None
    return Form(size.terms[(("C", 2),)], size.over)


# In words


def sentences(facts: Compared, subject: Subject) -> Iterator[str]:
    """Say what both cost at the same width, the ratio that holds at every width, and what that means at equal cost."""
    name, other = facts.name, facts.other
    mine, theirs = facts.forms
    above, below = facts.times
    yield (
        f"At the same {facts.channels} channels on a {facts.map} map, {other} has {people(facts.weights[1])} "
        f"weights against "
        f"{people(facts.weights[0])}, and {people(facts.macs[1])} multiply-adds against {people(facts.macs[0])}."
    )
    if above > below:
        dear, cheap, ratio, forms = other, name, above / below, (theirs, mine)
        pair = (facts.channels, facts.equal_width())
    else:
        dear, cheap, ratio, forms = name, other, below / above, (mine, theirs)
        pair = (facts.equal_width(), facts.channels)
    yield (
        f"At equal width {dear} costs {ratio:.1f} times as much as {cheap}, at every width: {forms[0]} weights against "
        f"{forms[1]}, each used once at every position."
    )
    purpose = ": this is the purpose of the bottleneck" if cheap == OTHER or is_bottleneck(subject) else ""
    yield (
        f"At equal cost {cheap} is √{ratio:.1f} = {ratio**0.5:.1f} times as wide as {dear} ({pair[0]} channels against "
        f"{pair[1]}){purpose}."
    )
    if {name, other} == {PLAIN, OTHER}:
        plain, narrow = (weights(analyze_program(load(each), Settings(channels=c))) for each, c in PAPER)
        yield (
            f"The ResNet paper's own pair: {PAPER[0][0]} at {PAPER[0][1]} channels has {people(plain)} weights, and "
            f"{PAPER[1][0]} at {PAPER[1][1]} has {people(narrow)}: about the same cost for "
            f"{PAPER[1][1] // PAPER[0][1]} times the channels."
        )
