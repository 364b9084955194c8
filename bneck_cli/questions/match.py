"""At which width does another block cost the same? Found exactly, and beside it as the solution of the formula."""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import Settings, with_words
from bneck_cli.errors import BneckError, TooMuchError, listed, nearest
from bneck_cli.questions.compare import Candidate, Comparison, Match, analyzed, compared, weights
from bneck_cli.sizes.dim import Dim
from bneck_cli.sizes.writing import pretty
from bneck_cli.words.comparing import quotient, times
from bneck_cli.words.values import people as grouped

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Size
    from bneck_cli.language.library import Program

WIDEST = 1 << 24
"""No block of the field is wider; where a block this wide is still cheaper, its cost does not depend on the width."""
SPARSEST = 512
"""Steps from one width that a block takes to the next, at most: where none is so near, there is none."""
MOST_WIDTHS = 3000
"""Widths that a search tries: more is over a second, and means that next to none is legal."""


def _params(analysis: Analysis) -> Size:
    return analysis.cost.params


def _macs(analysis: Analysis) -> Size:
    return analysis.cost.macs


def _activations(analysis: Analysis) -> Size:
    return analysis.cost.activations


def _memory(analysis: Analysis) -> Size:
    from bneck_cli.flow.liveness import peak_elements

    return peak_elements(analysis)


MEASURES: dict[str, tuple[str, Callable[[Analysis], Size]]] = {
    "weights": ("weights", weights),
    "params": ("parameters", _params),
    "macs": ("multiply-adds", _macs),
    "activations": ("activations", _activations),
    "memory": ("elements alive at the peak of inference", _memory),
}
"""What may be matched: the noun, and the figure of an analysis. Weights are parameters without those of norms."""


def compare_matched(
    programs: list[tuple[str, Program]], settings: Settings, measure: str, step: int
) -> tuple[Comparison, tuple[Match, ...]]:
    """Compare blocks, each but the first at the width at which it costs as much as the first.

    Raises BneckError for an unknown measure, for networks, and where no width will do.
    """
    if measure not in MEASURES:
        raise BneckError(
            f"--match: unknown measure '{measure}'",
            hint=nearest(measure, MEASURES) or f"match {listed(MEASURES)}",
        )
    if any(program.block is None for _, program in programs):
        raise BneckError("--match is for blocks, whose channels can be changed")
    (name, first_program), *rest = programs
    if any(program.words for _, program in rest):
        raise BneckError("--match finds the channels of every block but the first", hint="name the others alone")
    bare, settings = with_words(first_program, settings)
    programs = [(name if bare is first_program else bare.block or name, bare), *rest]
    channels = settings.channels
    if not isinstance(channels, int):
        raise BneckError("--match needs the first block's channels as a number", hint="give --channels 64")
    first = analyzed(*programs[0], settings)
    target = MEASURES[measure][1](first.analysis)
    if not isinstance(target, int):
        raise BneckError("--match needs an input of numbers", hint="give --input 56x56")
    matches = tuple(match(name, program, settings, measure, target, step) for name, program in programs[1:])
    others = [
        analyzed(name, program, settings._replace(channels=found.channels))
        for (name, program), found in zip(programs[1:], matches, strict=True)
    ]
    named = [
        candidate._replace(name=f"{candidate.name} {width}")
        for candidate, width in zip([first, *others], [channels, *(found.channels for found in matches)], strict=True)
    ]
    comparison = compared(named)
    sentences = [sentence for found in matches for sentence in _sentences(found, first, programs, settings, channels)]
    return comparison._replace(conclusion=(*comparison.conclusion, *sentences), matches=matches), matches


def match(name: str, program: Program, settings: Settings, measure: str, target: int, step: int) -> Match:
    """Find the largest width, a multiple of ``step``, at which a block's measure is at most ``target``.

    The measure must not fall with the width, as that of every block of convolutions does not. Raises BneckError where
    the block takes no width, or one alone; where no width is cheap enough, or every one; where it takes so few that
    the search would not end.
    """
    widths = _Widths(program, settings, measure, step)
    low = widths.next_up(0, SPARSEST + 1)
    if low is None:
        raise _refused(name, program, settings, step)
    second = widths.next_up(low, low + SPARSEST + 1)
    if second is None:
        raise _refused(name, program, settings, step, low)
    widths.start, widths.period = low, second - low
    noun = MEASURES[measure][0]
    if widths.cost(low) > target:
        raise BneckError(
            f"no width of {name} in steps of {gcd(low, second) * step} has at most {target:,} {noun}",
            hint=f"the narrowest, {low * step} channels, has {widths.cost(low):,}",
        )
    high = second
    while widths.cost(high) <= target:
        if high * step > WIDEST:
            raise BneckError(f"{name} has at most {target:,} {noun} at any width: there is no width to match")
        low, high = high, widths.near(name, 2 * high, high, 4 * high)
    while (middle := widths.between(low, high)) is not None:
        low, high = (middle, high) if widths.cost(middle) <= target else (low, middle)
    formula = _formula(program, settings, measure)
    solution = _solved(formula, target) if formula is not None else None
    below = widths.next_down(low)
    return Match(
        name=name,
        measure=measure,
        noun=noun,
        target=target,
        channels=low * step,
        value=widths.cost(low),
        step=(high - low if below is None else gcd(high - low, low - below)) * step,
        formula=formula,
        solution=solution,
    )


class _Widths:
    """The widths that a block takes, as numbers of steps, and the measure at each, worked out once."""

    def __init__(self, program: Program, settings: Settings, measure: str, step: int) -> None:
        self.program, self.settings, self.measure, self.step = program, settings, measure, step
        self.known: dict[int, int | None] = {}
        self.start, self.period = 0, 1

    def at(self, index: int) -> int | None:
        """Work the measure out; None where the block refuses the width."""
        if index not in self.known:
            if len(self.known) >= MOST_WIDTHS:
                raise BneckError(
                    f"--match tried {MOST_WIDTHS:,} widths in steps of {self.step} and found no answer",
                    hint="give --multiple-of the step of the widths that the block takes",
                )
            self.known[index] = _cost(self.program, self.settings, self.measure, index * self.step)
        return self.known[index]

    def cost(self, index: int) -> int:
        """Return the measure at a width that the block takes."""
        value = self.at(index)
        if value is None:
            raise BneckError(f"no width of {index * self.step} channels")
        return value

    def next_up(self, index: int, end: int) -> int | None:
        """Return the next width above, before ``end``."""
        return next((at for at in range(index + 1, end) if self.at(at) is not None), None)

    def next_down(self, index: int) -> int | None:
        """Return the next width below, if it is not far."""
        return next((at for at in range(index - 1, max(0, index - SPARSEST), -1) if self.at(at) is not None), None)

    def near(self, name: str, index: int, low: int, high: int) -> int:
        """Return a width close to ``index`` and between the two: a multiple of the period first, then any."""
        aligned = self.start + (index - self.start) // self.period * self.period
        around = (at for far in range(SPARSEST) for at in (index + far, index - far))
        for at in (aligned, *around):
            if low < at < high and self.at(at) is not None:
                return at
        raise BneckError(
            f"{name} takes no width near {index * self.step} channels in steps of {self.step}, and too few to search"
        )

    def between(self, low: int, high: int) -> int | None:
        """Return a width between two, about halfway; None where there is none."""
        middle = (low + high) // 2
        aligned = self.start + (middle - self.start) // self.period * self.period
        for at in (aligned, aligned + self.period):
            if low < at < high and self.at(at) is not None:
                return at
        return next((at for at in range(low + 1, high) if self.at(at) is not None), None)


def _cost(program: Program, settings: Settings, measure: str, channels: int) -> int | None:
    """Work the measure out at a width; None where the block refuses it."""
    try:
        value = MEASURES[measure][1](analyze_program(program, settings._replace(channels=channels)))
    except TooMuchError:
        raise
    except BneckError:
        return None
    return value if isinstance(value, int) else None


def _refused(name: str, program: Program, settings: Settings, step: int, only: int | None = None) -> BneckError:
    """Make the error for a block that takes no width, or one alone, with what it says of the next."""
    takes = f"no width in steps of {step}" if only is None else f"no width but {only * step} in steps of {step}"
    try:
        analyze_program(program, settings._replace(channels=((only or 0) + 1) * step))
    except BneckError as error:
        return BneckError(f"{name} takes {takes}: {error.message}", error.location, error.hint)
    return BneckError(f"{name} takes {takes}")


def _formula(program: Program, settings: Settings, measure: str) -> Dim | None:
    """Give the measure as a polynomial in C; None where the block needs numbers, or rounds."""
    if measure == "memory":  # which of two tensors is larger depends on C
        return None
    try:
        size = MEASURES[measure][1](analyze_program(program, settings._replace(channels="C")))
    except BneckError:
        return None
    plain = isinstance(size, Dim) and all(isinstance(atom, str) for monomial in size.terms for atom, _ in monomial)
    return size if plain and isinstance(size, Dim) else None


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


def _sentences(
    found: Match, first: Candidate, programs: list[tuple[str, Program]], settings: Settings, channels: int
) -> list[str]:
    """Say at which width a block costs the same, and what follows for whoever compares the two by that cost."""
    noun = MEASURES[found.measure][0]
    name = first.name
    widest = "the widest" if found.step == 1 else f"the widest in steps of {found.step}"
    said = (
        f"{found.name} at {found.channels} channels is {widest} with no more {noun} than {name} at {channels}: "
        f"{found.value:,} against {found.target:,}"
    )
    if found.formula is not None and found.solution is not None:
        said += f"; {pretty(found.formula)} = {grouped(found.target)} at C = {found.solution:.1f}"
    sentences = [said + "."]
    program = next(program for other, program in programs[1:] if other == found.name)
    same = _cost(program, settings, found.measure, channels)
    if same and found.channels < channels:
        sentences.append(
            f"At the same {channels} channels {found.name} would have {same:,} {noun}, "
            f"{times(quotient(same, found.target) or 0)} as many as {name}."
        )
    if same and found.channels > channels:
        width = times(found.channels / channels)
        sentences.append(
            f"So the two have about the same number of {noun} only because {found.name} is {width} as wide; "
            f"at the same {channels} channels it has {same:,}, {times(quotient(found.target, same) or 0)} fewer."
        )
    return sentences
