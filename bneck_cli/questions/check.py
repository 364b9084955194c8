"""Checks of a spec: its published figures, to the unit, and budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import analyze_program, compare_expectations
from bneck_cli.engine.network import entries
from bneck_cli.errors import BneckError
from bneck_cli.language.library import load, network_names
from bneck_cli.report import Column, Prose, Records, Report, Row, Table
from bneck_cli.sizes.amounts import amount, byte_amount
from bneck_cli.words.comparing import quotient
from bneck_cli.words.values import Bytes, Share, Signed, people

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bneck_cli.engine.analysis import Analysis, Comparison
    from bneck_cli.engine.settings import Settings
    from bneck_cli.report import Part

NOUNS = {"params": "params", "macs": "multiply-adds", "memory": "of peak memory at inference"}
"""What a budget may limit, and what it is called behind a number."""


class Check(NamedTuple):
    """What a spec's published figures came to: how many there are, and those that differ."""

    name: str
    figures: int
    wrong: tuple[Comparison, ...]


class Budget(NamedTuple):
    """What a spec has of a measure, and the most that it may have; ``largest`` is where most of it is, and how much.

    Memory is in bytes: weights, buffers, and the tensors alive at the peak, of which ``largest`` has the tensors.
    """

    name: str
    measure: str
    found: int
    most: int
    largest: str
    part: int

    @property
    def over(self) -> int:
        """By how much it is exceeded; 0 if it is met."""
        return max(0, self.found - self.most)


def check_specs(names: Sequence[str]) -> list[Check]:
    """Compare every published figure of these specs (of everything bundled where none is named)."""
    checks = []
    for name in names or network_names():
        compared = list(compare_expectations(load(name)))
        checks.append(Check(name, len(compared), tuple(each for each in compared if not each.agrees)))
    return checks


def read_limits(params: str | None = None, macs: str | None = None, memory: str | None = None) -> dict[str, int]:
    """Read the budgets that are given: ``5M``, ``600M``, ``64MiB``. Raises BneckError for what is no amount."""
    limits = {}
    if params is not None:
        limits["params"] = amount(params, "--max-params")
    if macs is not None:
        limits["macs"] = amount(macs, "--max-macs")
    if memory is not None:
        limits["memory"] = byte_amount(memory, "--max-memory")
    return limits


def check_budgets(
    names: Sequence[str], limits: Mapping[str, int], settings: Settings, dtype: str = "fp32"
) -> list[Budget]:
    """Compare what specs have with the most that they may have, each measure of each spec.

    Raises BneckError if sizes are symbols, and for a data type that is none.
    """
    budgets = []
    for name in names:
        analysis = analyze_program(load(name), settings)
        for measure, most in limits.items():
            weigh = _memory if measure == "memory" else _summed
            budgets.append(Budget(name, measure, *weigh(analysis, measure, dtype, most)))
    return budgets


def _summed(analysis: Analysis, measure: str, _dtype: str, most: int) -> tuple[int, int, str, int]:
    """Return parameters or multiply-adds, and the layer that has most of them; identical copies count together."""
    found = analysis.cost.params if measure == "params" else analysis.macs
    times = 1 if measure == "params" else analysis.batch
    if not isinstance(found, int) or not isinstance(times, int):
        raise BneckError(f"a budget needs numbers, but the {NOUNS[measure]} are {people(found)}", hint="give --input")
    largest, part = "", 0
    for entry in entries(analysis.root):
        value = getattr(entry.layer.cost, measure) * entry.copies * times
        if value > part:
            largest, part = entry.path, value
    return found, most, largest, part


def _memory(analysis: Analysis, _measure: str, dtype: str, most: int) -> tuple[int, int, str, int]:
    """Return the bytes at the peak of inference as ``footprint`` has them, the layer of the peak, and its tensors."""
    from bneck_cli.questions.footprint import footprint

    found = footprint(analysis, dtype)
    if found.peak is None or not isinstance(found.inference, int):
        raise BneckError("a budget needs numbers, but the memory has symbols", hint="give --input")
    return found.inference, most, found.peak.path, found.peak.bytes


# The report

CHECKED = (
    Column("name", "spec", "name"),
    Column("figure", "figure", "word"),
    Column("input", "input", "word", 2),
    Column("found", "found", "number"),
    Column("published", "published", "number"),
    Column("difference", "difference", "number"),
    Column("place", "published at", "words", 1),
)
BUDGETED = (
    Column("name", "spec", "name"),
    Column("figure", "figure", "word"),
    Column("found", "found", "number"),
    Column("budget", "budget", "number"),
    Column("used", "used", "number"),
)


def check_report(checks: list[Check], named: bool, budgets: Sequence[Budget] = ()) -> Report:
    """Lay out checks: a row for each figure that differs and for each budget, then what it comes to."""
    wrong = [(check.name, each) for check in checks for each in check.wrong]

    def cells(name: str, each: Comparison) -> list[Any]:
        place = str(each.expect.place.location())
        return [name, each.figure, each.input, each.found, each.published, each.found - each.published, place]

    def parts() -> Iterator[Part]:
        if wrong:
            rows = [cells(name, each) for name, each in wrong]
            yield Table(CHECKED, [Row([*row[:5], Signed(row[5]), row[6]], style="changed") for row in rows])
        if budgets:
            yield Table(BUDGETED, [_budget_row(each) for each in budgets])
        over = [_exceeded(each) for each in budgets if each.over]
        lines = [] if not named else [_said(check) for check in checks if not check.wrong]
        yield Prose([*over, *lines, _conclusion(checks, len(wrong), budgets, len(over))])

    def records() -> Records:
        rows = [cells(name, each) for name, each in wrong]
        if not budgets:
            return Records(header, rows)
        limits = [
            [each.name, each.measure, None, each.found, None, each.found - each.most, each.largest, each.most]
            for each in budgets
        ]
        return Records([*header, "budget"], [*([*row, None] for row in rows), *limits])

    def data() -> dict[str, Any]:
        found: dict[str, Any] = {
            "specs": [{"name": check.name, "figures": check.figures, "differ": len(check.wrong)} for check in checks],
            "differences": [dict(zip(header, cells(name, each), strict=True)) for name, each in wrong],
            "figures": sum(check.figures for check in checks),
            "agree": not wrong,
        }
        if budgets:
            found["budgets"] = [each._asdict() | {"over": each.over} for each in budgets]
            found["within"] = not any(each.over for each in budgets)
        return found

    header = [column.key for column in CHECKED]
    title = "published figures and budgets" if budgets else "published figures"
    return Report("check", title, "", parts=parts, records=records, data=data)


def _budget_row(each: Budget) -> Row:
    found, most = (Bytes(each.found), Bytes(each.most)) if each.measure == "memory" else (each.found, each.most)
    ratio = quotient(each.found, each.most)
    used = "" if ratio is None else Share(ratio) if isinstance(ratio, float) else people(ratio)
    return Row([each.name, each.measure, found, most, used], style="changed" if each.over else "")


def _exceeded(each: Budget) -> str:
    """Say by how much a budget is exceeded, and what contributes most."""
    if each.measure == "memory":
        found, over, most, part = (Bytes(value) for value in (each.found, each.over, each.most, each.part))
        peak = f"at {each.largest} tensors take {part}, and weights and buffers {Bytes(each.found - each.part)}"
        return f"{each.name} has {found} {NOUNS['memory']}, {over} over the {most} allowed: {peak}."
    ratio = quotient(each.over, each.most)
    share = f" ({Share(ratio)})" if isinstance(ratio, float) else ""
    most_in = f"; the largest part is {each.largest} with {people(each.part)}" if each.largest else ""
    return (
        f"{each.name} has {people(each.found)} {NOUNS[each.measure]}, {people(each.over)}{share} over the "
        f"{people(each.most)} "
        f"allowed{most_in}."
    )


def _said(check: Check) -> str:
    if not check.figures:
        return f"{check.name}: no published figures to compare"
    return f"{check.name}: {people(check.figures)} figures agree"


def _conclusion(checks: list[Check], wrong: int, budgets: Sequence[Budget], over: int) -> str:
    figures = sum(check.figures for check in checks)
    verdict = f"{people(wrong)} differ" if wrong else "all agree"
    said = f"{people(len(checks))} specs, {people(figures)} published figures: {verdict}"
    if budgets:
        said += f"; {people(len(budgets))} budgets: {f'{people(over)} exceeded' if over else 'all met'}"
    return said
