"""The origin of a published figure: every rule on every likely variant, and the matches expected by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.data.rules import load_rule, rule_names
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.layers.quantities import QUANTITIES
from bneck_cli.engine.network import Entry, entries
from bneck_cli.engine.rule import FORMS, PARAMETERS
from bneck_cli.engine.settings import Settings, with_words
from bneck_cli.errors import BneckError, listed
from bneck_cli.flow.counting import as_written, notes_on, quantities, recount, total_quantities
from bneck_cli.language.expression import Number, show
from bneck_cli.language.library import load, network_names
from bneck_cli.sizes.amounts import UNITS, Figure, read_figure
from bneck_cli.spaces.axes import Axis, grid, parse_axis
from bneck_cli.spaces.space import BLOCK, Space
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.rule import CountingRule
    from bneck_cli.language.library import Program

    Amounts = dict[tuple[str, str], int]

SIDES = "160,192,224,232,240,256,260,288,299,300,320,331,380,384,448,456,480,512,528,600"
"""Input sizes at which figures are published."""
WIDTHS = "0.25,0.35,0.5,0.75,1,1.3,1.4,1.5,2"
"""Width multipliers at which figures are published, for a net whose parameter ``width`` is one."""
CHANGES = {"width": "width {}", "side": "{0}×{0}"}
NAMED = 3
"""How many of several that fit are named in a sentence."""


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

    @property
    def noun(self) -> str:
        """What it counts."""
        return {"macs": "MACs", "params": "parameters"}.get(self.kind, self.kind)

    def by(self) -> str:
        """Name the rules that give it; parameters are the same under all, but for Keras."""
        if self.kind != "params" or len(self.rules) <= NAMED:
            return listed(self.rules, "and")
        return "every rule" if "keras" in self.rules else "every rule but keras"


class Reconciliation(NamedTuple):
    """Candidates, nearest first, for a stated figure; ``plain`` is the network's own under the default rule.

    ``fitting`` are those that become the figure; ``tried`` counts the different figures from half of it to twice of it,
    and ``chance`` how many of so many, spread evenly by their ratio, would fall where those that round to it do.
    """

    name: str
    figure: Figure
    candidates: tuple[Candidate, ...]
    plain: Candidate
    fitting: tuple[Candidate, ...]
    tried: int
    chance: float
    notes: tuple[str, ...] = ()
    """What the first one's figure depends on beyond the architecture."""


def reconcile(name: str, stated: str, settings: Settings = Settings()) -> Reconciliation:
    """Compare every rule on every variant of a network with a stated figure, the nearest first.

    Raises BneckError for a figure that is none or lacks its unit, and for a network whose sizes are symbols.
    """
    figure = parse_figure(stated)
    program, settings = with_words(load(name), settings)
    analysis = analyze_program(program, settings)
    found = list(_candidates(name, analysis, settings))
    _require_unit(figure, found)
    asked = {"params": ("params",), "": ("macs", "operations", "params")}.get(figure.counts, ("macs", "operations"))
    found = [each for each in found if each.kind in asked]
    plain = next(each for each in found if each.kind != "params" or asked == ("params",))
    params = next((each for each in found if each.kind == "params"), plain)
    if abs(figure.value - params.value) < abs(figure.value - plain.value):
        plain = params
    near = [each for each in found if each.fits(figure) or figure.value <= 4 * each.value <= 16 * figure.value]
    candidates = _merged(sorted(near or found, key=lambda each: each.order(figure)))
    fitting = tuple(each for each in candidates if each.fits(figure))
    tried, chance = _chance(figure, candidates)
    notes = _notes(candidates[0], analysis)
    return Reconciliation(name, figure, tuple(candidates), plain, fitting, tried, chance, notes)


def _notes(best: Candidate, analysis: Analysis) -> tuple[str, ...]:
    """Say what the figure under the candidate's rule depends on."""
    rule = load_rule(best.rules[0])
    try:
        return () if best.kind == "params" else tuple(notes_on(recount(analysis, rule)))
    except BneckError:  # refused as it is, and counted in a variant without what is refused
        return ()


def _chance(figure: Figure, candidates: list[Candidate]) -> tuple[int, float]:
    """Count the figures from half of the stated one to twice of it, and how many would round to it by chance."""
    from math import log

    tried = len({each.value for each in candidates if figure.value <= 2 * each.value <= 4 * figure.value})
    if figure.value == 0:
        return tried, 0.0
    width = log((figure.high + 0.5) / max(figure.low - 0.5, 0.5))
    return tried, tried * min(1.0, width / log(4))


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
    """Read ``4.11G``, ``3.8e9`` or ``4,089,184,256``, with the range of numbers that would be written so."""
    figure = read_figure(text)
    if figure is None:
        raise BneckError(f"'{text}' is not a figure", hint="write 4.11G, 25.6M, 3.8e9, 4.1 GMACs or 4089184256")
    return figure


def _require_unit(figure: Figure, found: list[Candidate]) -> None:
    """Refuse a figure without a unit that has a fraction, or is far below all that the network has."""
    own = [each for each in found if each.steps == 0 and each.value]
    small = own and figure.value and figure.value * 1000 < min(each.value for each in own)
    if not figure.bare or not ("." in figure.text or small):
        return
    likely = []
    for unit in [unit.upper() for unit in UNITS if unit not in ("", "b")]:
        number = figure.text.split()[0]
        meant = parse_figure(f"{number}{unit}")
        likely += [f"{number}{unit} ({people(each.value)} {each.noun})" for each in own if each.fits(meant)][:1]
    hint = f"did you mean {listed(likely)}?" if likely else f"write {figure.text}M, {figure.text}G or the whole number"
    raise BneckError(f"'{figure.text}' lacks its unit", hint=hint)


# Variants


def _candidates(name: str, analysis: Analysis, settings: Settings) -> Iterator[Candidate]:
    """Count what was named, and each of its likely variants, under every rule; torchvision's first."""
    rules = [load_rule(rule) for rule in sorted(rule_names(), key=lambda rule: rule != "torchvision")]
    amounts = _amounts(analysis)
    yield from _counted(amounts, rules, "as it is", 0)
    yield from _changed(analysis, amounts, rules)
    for changes, changed in _scaled(analysis.program, settings, amounts):
        words = f"at {' and '.join(changes.values())}"
        yield from _counted(changed, rules, words, len(changes), params="side" not in changes)
    for other in _relatives(name):
        yield from _counted(_amounts(analyze_program(load(other))), rules, f"as {other}", 1)


def _changed(analysis: Analysis, amounts: Amounts, rules: list[CountingRule]) -> Iterator[Candidate]:
    """Count a network with something left out, or added, that counters differ in."""
    layers = list(entries(as_written(analysis).root))
    running = [entry for entry in layers if not entry.idle]
    convs = [entry for entry in running if entry.layer.rule is not None and entry.layer.rule.part == "conv"]
    linear = [entry for entry in running if entry.layer.rule is not None and entry.layer.rule.part == "linear"]
    if linear:
        less = _without(amounts, linear[-1])
        words = f"without its last linear layer ({people(_number(linear[-1].layer.cost.params))} parameters)"
        yield from _counted(less, rules, words, 2)
    if convs:
        yield from _counted(_without(amounts, convs[0]), rules, "without its first convolution", 2)
    norms = [
        entry
        for entry in layers
        if entry.layer.rule is not None and entry.layer.rule.running_statistics(entry.layer.shape) != 0
    ]
    if norms:
        less = dict(amounts)
        less["params", "module"] -= sum(_number(entry.layer.cost.params) * entry.copies for entry in norms)
        less["running_statistics", "module"] = 0
        words = "without batch norm's parameters"
        yield from _counted(less, rules, words, 2, macs=False)
    bare = [entry for entry in convs if not entry.layer.rule.biased]
    if bare:
        yield from _counted(_biased(amounts, bare), rules, "with a bias in every convolution", 2)
    if len(bare) > 1 and bare[0] is convs[0]:
        first = _biased(amounts, [bare[0]._replace(copies=1)])
        yield from _counted(first, rules, "with a bias in its first convolution", 2)
    twice = {key: 2 * amount for key, amount in amounts.items()}
    yield from _counted(twice, rules, "run twice", 3, params=False)


def _without(amounts: Amounts, entry: Entry) -> Amounts:
    """Take one layer away."""
    less = dict(amounts)
    less["params", "module"] -= _number(entry.layer.cost.params)
    for key, amount in quantities(entry.layer).items():
        less[key] -= _number(amount)
    return less


def _biased(amounts: Amounts, bare: list[Entry]) -> Amounts:
    """Add a bias to convolutions."""
    more = dict(amounts)
    more["params", "module"] += sum(_number(entry.layer.out.channels) * entry.copies for entry in bare)
    for entry in bare:
        key = ("conv_bias", entry.layer.form)
        more[key] = more.get(key, 0) + _number(entry.layer.out.elements) * entry.copies
    return more


def _scaled(program: Program, settings: Settings, own: Amounts) -> Iterator[tuple[dict[str, str], Amounts]]:
    """Count a network at other input sizes and widths, each by itself and both together: a space of designs.

    What is refused there is left out; ``own`` are the quantities as it is.
    """
    plain = {"width": _width(program, settings), "side": _side(program, settings)}
    usual = {"width": WIDTHS, "side": SIDES}
    axes = [_axis(name, usual[name], value) for name, value in plain.items() if value is not None]
    spaces = [axes] if plain["side"] != 0 else [axes[:-1], axes]  # no side is its own: each width at its own size, too
    forms = {form for _, form in own} | {word.text for _, word in program.written.values()}
    keys = (*((key, "module") for key in PARAMETERS), *((key, form) for key in QUANTITIES for form in sorted(forms)))

    def measured(analysis: Analysis) -> tuple[Any, ...]:
        found = total_quantities(analysis)
        return tuple(found.get(key, 0) for key in keys)

    for varied in filter(None, spaces):
        space = Space(program, settings, grid(varied), keys, measured)
        for block in space.blocks():
            columns = [(key, column.tolist()) for key, column in block.totals.items() if column.any()]
            for number in block.legal.nonzero()[0].tolist():
                values = zip(
                    (axis.name for axis in varied), space.designs.design(block.start + number, BLOCK), strict=True
                )
                changes = {name: CHANGES[name].format(show(value)) for name, value in values if value != plain[name]}
                if changes:
                    yield changes, {key: column[number] for key, column in columns}


def _axis(name: str, usual: str, own: Any) -> Axis:
    """Make an axis of the usual values and the network's own."""
    axis = parse_axis(f"{name}={usual}")
    known = any(axis.value(index) == own for index in range(len(axis.above)))
    return axis if known or not own else parse_axis(f"{name}={usual},{show(own)}")


def _width(program: Program, settings: Settings) -> Any:
    """Return the width multiplier of a net that has one; None if it has none, or its value is given."""
    parameter = program.net.parameter("width") if program.net is not None and program.block is None else None
    if parameter is None or not isinstance(parameter.default, Number) or settings.given("width"):
        return None
    return parameter.default.value


def _side(program: Program, settings: Settings) -> int | None:
    """Return the side of a square input, and 0 for another map; None for no map, and where an input is given."""
    if program.block is not None or settings.input is not None or len(program.spec.inputs) != 1:
        return None
    own = program.spec.inputs[0].sizes
    if len(own) != 3 or (program.net is not None and program.net.parameter("side")):
        return None
    return own[1] if own[1] == own[2] and isinstance(own[1], int) else 0


def _relatives(name: str) -> list[str]:
    """Name the other bundled networks of the same stem: resnet50_v1 for resnet50, and the other way about."""
    stem = name.rsplit(":", 1)[0].removesuffix(".yaml").rsplit("/", 1)[-1]
    near = [other for other in network_names() if other.startswith(f"{stem}_") or stem.startswith(f"{other}_")]
    return sorted(near, key=len)


def _counted(
    amounts: Amounts, rules: list[CountingRule], variant: str, steps: int, params: bool = True, macs: bool = True
) -> Iterator[Candidate]:
    """Count the quantities of a network under every rule."""
    for rule in rules:
        if macs and not any(rule.refuses(*key) for key, amount in amounts.items() if amount):
            parts = tuple(_parts(amounts, rule))
            yield Candidate(rule.key, (rule.name,), variant, sum(part.product for part in parts), parts, steps)
        if params:
            parts = tuple(_params(amounts, rule))
            more = steps + ("running_statistics" in rule.params)
            yield Candidate("params", (rule.name,), variant, sum(part.product for part in parts), parts, more)


def _amounts(analysis: Analysis) -> Amounts:
    """Return every quantity of an analysis as a number."""
    return {key: _number(amount) for key, amount in total_quantities(analysis).items()}


def _number(size: object) -> int:
    if not isinstance(size, int):
        raise BneckError("reconcile needs a numeric input; this one has symbols", hint="give --input 3x224x224")
    return size


def _parts(amounts: Amounts, rule: CountingRule) -> Iterator[Part]:
    """Take a figure apart: a line for each quantity that the network has and the rule counts."""
    for (key, form), amount in amounts.items():
        if key in QUANTITIES and amount and rule.weight(key, form):
            of = f" {FORMS[form]}" if form in rule.forms else ""
            yield Part(" ".join(QUANTITIES[key][:2]) + of, amount, rule.weight(key, form))


def _params(amounts: Amounts, rule: CountingRule) -> Iterator[Part]:
    for key, weight in rule.params.items():
        if amounts.get((key, "module")):
            yield Part(PARAMETERS[key], amounts[key, "module"], weight)
