"""The width at which another block costs the same, found by computing every width, with the formula's solution."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import Settings, require_used, with_words
from bneck_cli.errors import BneckError, listed
from bneck_cli.errors import nearest as closest
from bneck_cli.questions.compare import Candidate, Comparison, Match, analyzed, compared
from bneck_cli.sizes.dim import Dim
from bneck_cli.sizes.writing import pretty
from bneck_cli.spaces.axes import parse_axis
from bneck_cli.spaces.search import WIDEST, along, searched
from bneck_cli.spaces.space import TOTALS
from bneck_cli.words.comparing import fraction, quotient, times
from bneck_cli.words.values import Percent, people

if TYPE_CHECKING:
    from bneck_cli.language.library import Program
    from bneck_cli.spaces.search import Line

MEASURES = {
    "weights": "weights",
    "params": "parameters",
    "macs": "multiply-adds",
    "activations": "activations",
    "memory": "elements alive at the inference peak",
}
"""What may be matched, and its noun. Weights are parameters without those of norms."""
STEP = 8
"""The steps of channels, unless told otherwise; those of other parameters are 1."""


class Way(NamedTuple):
    """How to match: by which measure, what varies (``channels``, ``group_width=1:64``), and in which steps.

    The value sought costs as much at most, or is the ``nearest``.
    """

    measure: str
    vary: str = "channels"
    step: int | None = None
    nearest: bool = False


def compare_matched(
    programs: list[tuple[str, Program]],
    settings: Settings,
    measure: str,
    step: int | None = None,
    *,
    vary: str = "channels",
    nearest: bool = False,
) -> tuple[Comparison, tuple[Match, ...]]:
    """Compare blocks or networks, each but the first where it costs as much as the first.

    ``vary`` is what varies (``group_width``, ``width=0.5:2:0.05``), in steps of 8 for channels; the value found has at
    most the measure of the first, or the ``nearest``.

    Raises BneckError for an unknown measure, for what cannot vary, and where no value will do.
    """
    way = Way(measure, vary, step, nearest)
    if measure not in MEASURES:
        raise BneckError(
            f"--match: unknown measure '{measure}'", hint=closest(measure, MEASURES) or f"match {listed(MEASURES)}"
        )
    require_used([program for _, program in programs[:1]], settings)
    (name, first_program), *rest = programs
    if way.vary == "channels":
        _require_channels(programs, settings)
        bare, settings = with_words(first_program, settings)
        name, first_program = name if bare is first_program else bare.block or name, bare
    first = analyzed(name, first_program, settings)
    target = TOTALS[way.measure](first.analysis)
    if not isinstance(target, int):
        raise BneckError("--match needs a numeric input", hint="give --input 56x56")
    words = first_program.words
    if words and words.channels:
        settings = settings._replace(channels=words.channels)
    matches = tuple(match(name, program, settings, way, target) for name, program in rest)
    others = [
        analyzed(name, *_at(program, settings, found)) for (name, program), found in zip(rest, matches, strict=True)
    ]
    if way.vary == "channels":
        widths = [settings.channels, *(found.at for found in matches)]
    else:
        widths = ["", *(f"{found.vary}={found.at}" for found in matches)]
    named = [
        candidate._replace(name=f"{candidate.name} {width}".strip())
        for candidate, width in zip([first, *others], widths, strict=True)
    ]
    comparison = compared(named)
    sentences = [
        sentence
        for found, (_, program) in zip(matches, rest, strict=True)
        for sentence in _sentences(found, way, first, program, settings)
    ]
    return comparison._replace(conclusion=(*comparison.conclusion, *sentences), matches=matches), matches


def _require_channels(programs: list[tuple[str, Program]], settings: Settings) -> None:
    """Require blocks whose channels can be changed, and channels of the first."""
    if any(program.block is None for _, program in programs):
        raise BneckError(
            "--match without --vary is for blocks, whose channels can change",
            hint="for networks, name the parameter to vary: --vary width",
        )
    if any(program.words and program.words.channels for _, program in programs[1:]):
        raise BneckError(
            "--match determines the channels of every block but the first", hint="name the others without channels"
        )
    words = programs[0][1].words
    if not isinstance((words and words.channels) or settings.channels, int):
        raise BneckError("--match needs the first block's channels as a number", hint="give --channels 64")


def _at(program: Program, settings: Settings, found: Match) -> tuple[Program, Settings]:
    """Return a program and settings at the value found."""
    program, settings = with_words(program, settings)
    if found.vary == "channels":
        return program, settings._replace(channels=found.at)
    axis = parse_axis(f"{found.vary}={found.at}")
    from bneck_cli.spaces.space import Varied

    return program, Varied(program, settings, (axis,)).settings([found.at])


def match(name: str, program: Program, settings: Settings, way: Way, target: int) -> Match:
    """Find the largest value at which a measure is at most ``target``, or that at which it is nearest.

    Raises BneckError if the values that are legal are none, or one alone; where none is cheap enough, or every one.
    """
    step = way.step or (STEP if way.vary == "channels" else 1)
    if "=" in way.vary:
        axis = parse_axis(way.vary)
        line = along(program, settings, axis, (way.measure,))
    else:
        axis = parse_axis(f"{way.vary}=1")
        line = searched(program, settings, axis.name, {way.measure: target}, step, axis.item)
    what = "width" if axis.title == "channels" else axis.title
    at = _chosen(name, line, way, target, what)
    formula = _formula(program, settings, way.measure) if axis.title == "channels" else None
    return Match(
        name=name,
        measure=way.measure,
        noun=MEASURES[way.measure],
        target=target,
        vary=axis.title,
        at=line.value(at),
        value=line.total(way.measure, at),
        step=_step(line, at),
        below=_beside(line, way.measure, at - 1),
        above=_beside(line, way.measure, at + 1),
        formula=formula,
        solution=_solved(formula, target) if formula is not None else None,
    )


def _chosen(name: str, line: Line, way: Way, target: int, what: str) -> int:
    """Choose among the values of a line."""
    import numpy

    count, unit = len(line.above), " channels" if what == "width" else ""
    if not count or (count == 1 and line.grew and line.refusal):
        takes = f"no {what}" if not count else f"no {what} but {line.value(0)}"
        raise BneckError(f"{name} takes {takes} of {line.tried}: {line.refusal}")
    values = line.totals[way.measure]
    noun = MEASURES[way.measure]
    if way.nearest:
        return int(numpy.argmin(abs(values - target)))
    fitting = numpy.flatnonzero(line.fits({way.measure: target}))
    if not len(fitting):
        least = int(numpy.argmin(values))
        word = "narrowest" if what == "width" else "least"
        raise BneckError(
            f"no {what} of {name} of {line.tried} has at most {people(target)} {noun}",
            hint=f"the {word}, {line.value(least)}{unit}, has {people(int(values[least]))}",
        )
    if line.grew and len(fitting) == count:
        widest = "any" if int(line.above[-1]) * 2 > WIDEST else f"any {what} of {line.tried}"
        raise BneckError(f"{name} has at most {people(target)} {noun} at {widest}, so there is no {what} to match")
    return int(fitting[-1])


def _step(line: Line, at: int) -> Any:
    """Return the step from one legal value to the next about one of them."""
    from bneck_cli.sizes.number import open_ratio

    gaps = [int(gap) for gap in line.above[max(0, at - 1) : at + 2][1:] - line.above[max(0, at - 1) : at + 2][:-1]]
    return open_ratio(gcd(*gaps), line.axis.below) if gaps else 1


def _beside(line: Line, measure: str, at: int) -> tuple[Any, int] | None:
    return (line.value(at), line.total(measure, at)) if 0 <= at < len(line.above) else None


def _formula(program: Program, settings: Settings, measure: str) -> Dim | None:
    """Return the measure as a polynomial in C; None if the block needs numbers, or rounds."""
    if measure == "memory":  # which of two tensors is larger depends on C
        return None
    try:
        size = TOTALS[measure](analyze_program(*_symbolic(program, settings)))
    except BneckError:
        return None
    plain = isinstance(size, Dim) and all(isinstance(atom, str) for monomial in size.terms for atom, _ in monomial)
    return size if plain and isinstance(size, Dim) else None


def _symbolic(program: Program, settings: Settings) -> tuple[Program, Settings]:
    program, settings = with_words(program, settings)
    return program, settings._replace(channels="C")


def _solved(formula: Dim, target: int) -> float | None:
    """Solve the polynomial for C by bisection; it grows with C where all its coefficients but the constant do."""
    if any(value < 0 for monomial, value in formula.terms.items() if monomial):
        return None

    def value(c: float) -> float:
        return sum(v * c ** sum(power for _, power in monomial) for monomial, v in formula.terms.items()) / formula.over

    low, high = 0.0, float(WIDEST)
    if not value(low) <= target <= value(high):
        return None
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if value(middle) <= target else (low, middle)
    return low


def _sentences(found: Match, way: Way, first: Candidate, program: Program, settings: Settings) -> list[str]:
    """Say at which width a block costs the same, and what follows for code that compares the two by that cost."""
    if found.vary != "channels":
        return [_said_of(found, way, first.name)]
    channels, noun, name = settings.channels, found.noun, first.name
    steps = "" if found.step == 1 else f" in steps of {found.step}"
    most = f"the nearest{steps} in {noun} to" if way.nearest else f"the widest{steps} with no more {noun} than"
    both = f"{people(found.value)} against {people(found.target)}"
    said = f"{found.name} at {found.at} channels is {most} {name} at {channels}: {both}"
    if found.formula is not None and found.solution is not None:
        said += f"; {pretty(found.formula)} = {people(found.target)} at C = {found.solution:.1f}"
    sentences = [said + "."]
    same = _cost(program, settings, found.measure)
    if same and found.at < channels:
        sentences.append(
            f"At the same {channels} channels {found.name} would have {people(same)} {noun}, "
            f"{times(quotient(same, found.target) or 0)} as many as {name}."
        )
    if same and found.at > channels:
        width, part = times(found.at / channels), fraction(quotient(found.target, same) or 0)
        sentences.append(
            f"So the two have about the same number of {noun} only because {found.name} is {width} as wide; "
            f"at the same {channels} channels it has {people(same)}, {part} of that."
        )
    return sentences


def _said_of(found: Match, way: Way, first: str) -> str:
    """Say at which value of a parameter one costs the same, and what its neighbours cost."""
    most = f"nearest in {found.noun} to" if way.nearest else f"the largest with no more {found.noun} than"
    beside = [
        f"at {value} it has {people(cost)} ({_off(cost, found.target)})"
        for value, cost in filter(None, (found.below, found.above))
    ]
    both = f"{people(found.value)} against {people(found.target)}"
    return (
        f"{found.name} at {found.vary} {found.at} is {most} {first}: {both} "
        f"({_off(found.value, found.target)}){'; ' if beside else ''}{' and '.join(beside)}."
    )


def _off(cost: int, target: int) -> Percent:
    """Return by how much a cost is off a target."""
    ratio = quotient(100 * (cost - target), target)
    return Percent(ratio)


def _cost(program: Program, settings: Settings, measure: str) -> int | None:
    """Compute the measure; None if the block refuses the width."""
    try:
        value = TOTALS[measure](analyze_program(*with_words(program, settings)))
    except BneckError:
        return None
    return value if isinstance(value, int) else None
