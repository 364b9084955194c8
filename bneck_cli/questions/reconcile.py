"""Where a stated figure comes from: every rule, on every likely variant of a network, the nearest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.data.rules import FORMS, PARAMETERS, QUANTITIES, load_rule, rule_names
from bneck_cli.engine.analysis import Settings, analyze_program
from bneck_cli.engine.network import entries
from bneck_cli.errors import BneckError
from bneck_cli.flow.counting import total_quantities
from bneck_cli.language.library import load, network_names
from bneck_cli.sizes.amounts import Figure, read_figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.data.rules import CountingRule
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.language.library import Program

SIDES = (160, 192, 224, 232, 240, 256, 260, 288, 299, 300, 320, 331, 380, 384, 448, 456, 480, 512, 528, 600)
"""Input sizes at which figures are published."""


class Part(NamedTuple):
    """A line of an explanation: so many units of a quantity, each counted ``weight`` times."""

    words: str
    amount: int
    weight: int

    @property
    def product(self) -> int:
        """What the line adds to the figure."""
        return self.amount * self.weight


class Candidate(NamedTuple):
    """A figure that a rule gives for a variant; ``steps`` says how far the variant is from what was named."""

    kind: str
    rules: tuple[str, ...]
    variant: str
    value: int
    parts: tuple[Part, ...]
    steps: int

    def fits(self, figure: Figure) -> str:
        """Say how the value becomes the stated figure: ``exact``, ``rounded``, ``cut off``; empty where it does not."""
        if self.value == figure.value:
            return "exact"
        if figure.low <= self.value <= figure.high:
            return "rounded"
        return "cut off" if figure.value <= self.value < figure.value + (figure.high - figure.low) else ""

    def order(self, figure: Figure) -> tuple[int, ...]:
        """Sort by how it fits, then by how near the variant and how plain the rule is, then by the distance."""
        fit = ("exact", "rounded", "cut off", "").index(self.fits(figure))
        apart = abs(self.value - figure.value)
        return (fit, self.steps, len(self.parts), apart) if fit < 3 else (fit, apart, self.steps)


class Reconciliation(NamedTuple):
    """Candidates, nearest first, for a stated figure; ``plain`` is the network's own under the default rule."""

    name: str
    figure: Figure
    candidates: tuple[Candidate, ...]
    plain: Candidate


def reconcile(name: str, stated: str, settings: Settings = Settings()) -> Reconciliation:
    """Set every rule on every variant of a network beside a stated figure, the nearest first.

    Raises BneckError for a figure that is none, and for a network whose sizes are symbols.
    """
    figure = parse_figure(stated)
    program = load(name)
    found = list(_candidates(name, program, settings))
    plain = next(each for each in found if each.kind == "macs" and "torchvision" in each.rules)
    params = next(each for each in found if each.kind == "params")
    if abs(figure.value - params.value) < abs(figure.value - plain.value):
        plain = params
    near = [each for each in found if each.fits(figure) or figure.value <= 4 * each.value <= 16 * figure.value]
    candidates = _merged(sorted(near or found, key=lambda each: each.order(figure)))
    return Reconciliation(name, figure, tuple(candidates), plain)


def _merged(found: list[Candidate]) -> list[Candidate]:
    """Join rules that give the same figure; of variants that do, those nearest to what was named stay."""
    merged: dict[tuple[str, int, str], Candidate] = {}
    nearest: dict[tuple[str, int], int] = {}
    for each in found:
        steps = nearest.setdefault((each.kind, each.value), each.steps)
        key = (each.kind, each.value, each.variant)
        if key in merged:
            merged[key] = merged[key]._replace(rules=(*merged[key].rules, *each.rules))
        elif each.steps == steps:
            merged[key] = each
    return list(merged.values())


def parse_figure(text: str) -> Figure:
    """Read ``4.11G``, ``25.6M`` or ``4,089,184,256``, with the range of numbers that would be written so."""
    figure = read_figure(text)
    if figure is None:
        raise BneckError(f"'{text}' is not a figure", hint="write 4.11G, 25.6M or 4089184256")
    return figure


def _candidates(name: str, program: Program, settings: Settings) -> Iterator[Candidate]:
    rules = [load_rule(rule) for rule in sorted(rule_names(), key=lambda rule: rule != "torchvision")]
    analysis = analyze_program(program, settings)
    yield from _counted(analysis, rules, "as it is", 0)
    yield from _counted(analysis, rules, "without its last linear layer", 2, headless=True)
    yield from _counted(analysis, rules, "with a bias in every convolution", 2, biased=True)
    if program.block is None and settings.input is None and len(program.spec.inputs) == 1:
        own = program.spec.inputs[0].sizes
        for side in SIDES:
            if len(own) == 3 and own[1:] != (side, side):
                resized = _tried(program, settings._replace(input=f"{side}x{side}"))
                if resized is not None:
                    yield from _counted(resized, rules, f"at {side}×{side}", 1, params=False)
    for other in _relatives(name):
        related = _tried(load(other), Settings())
        if related is not None:
            yield from _counted(related, rules, f"as {other}", 1)


def _relatives(name: str) -> list[str]:
    """Name the other bundled networks of the same stem: resnet50_v1 for resnet50, and the other way about."""
    stem = name.rsplit(":", 1)[0].removesuffix(".yaml").rsplit("/", 1)[-1]
    near = [other for other in network_names() if other.startswith(f"{stem}_") or stem.startswith(f"{other}_")]
    return sorted(near, key=len)


def _tried(program: Program, settings: Settings) -> Analysis | None:
    try:
        return analyze_program(program, settings)
    except BneckError:
        return None


def _counted(
    analysis: Analysis,
    rules: list[CountingRule],
    variant: str,
    steps: int,
    headless: bool = False,
    biased: bool = False,
    params: bool = True,
) -> Iterator[Candidate]:
    """Count an analysis under every rule."""
    amounts = _amounts(analysis)
    if headless:
        last = [entry.layer for entry in entries(analysis.root) if entry.layer.op == "linear" and not entry.idle]
        if not last:
            return
        cost = last[-1].cost
        amounts["params", "module"] -= _number(cost.params)
        amounts["linear", "module"] -= _number(cost.macs)
        variant += f" ({_number(cost.params):,} parameters)"
    if biased:
        bare = [e for e in entries(analysis.root) if e.layer.rule is not None and e.layer.rule.part == "conv"]
        bare = [entry for entry in bare if not entry.layer.rule.bias]
        if not bare:
            return
        amounts["params", "module"] += sum(_number(e.layer.out.channels) * e.copies for e in bare)
        added = sum(_number(e.layer.out.elements) * e.copies for e in bare if not e.idle)
        amounts["conv_bias", "module"] = amounts.get(("conv_bias", "module"), 0) + added
    for rule in rules:
        parts = tuple(_parts(amounts, rule))
        known = not any(rule.refuses(*key) for key in amounts)
        if known and not (headless and "linear_weights" in rule.counts):
            yield Candidate(rule.key, (rule.name,), variant, sum(part.product for part in parts), parts, steps)
        if params:
            parts = tuple(_params(amounts, rule))
            more = steps + ("running_statistics" in rule.params)
            yield Candidate("params", (rule.name,), variant, sum(part.product for part in parts), parts, more)


def _amounts(analysis: Analysis) -> dict[tuple[str, str], int]:
    """Return every quantity of an analysis as a number."""
    return {key: _number(amount) for key, amount in total_quantities(analysis).items()}


def _number(size: object) -> int:
    if not isinstance(size, int):
        raise BneckError("a figure is compared with numbers; the input has symbols", hint="give --input 3x224x224")
    return size


def _parts(amounts: dict[tuple[str, str], int], rule: CountingRule) -> Iterator[Part]:
    """Take a figure apart: a line for each quantity that the network has and the rule counts."""
    for (key, form), amount in amounts.items():
        if key in QUANTITIES and amount and rule.weight(key, form):
            of = f" {FORMS[form]}" if form in rule.forms else ""
            yield Part(" ".join(QUANTITIES[key]) + of, amount, rule.weight(key, form))


def _params(amounts: dict[tuple[str, str], int], rule: CountingRule) -> Iterator[Part]:
    for key, weight in rule.params.items():
        if amounts.get((key, "module")):
            yield Part(PARAMETERS[key], amounts[key, "module"], weight)
