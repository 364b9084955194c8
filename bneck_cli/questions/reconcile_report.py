"""The report of a reconciliation: the nearest figures, the parts of the best, and its distance from the plain count."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.errors import listed
from bneck_cli.report import Column, Prose, Records, Report, Row, Table
from bneck_cli.shown import grouped
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.questions.reconcile import Candidate, Reconciliation
    from bneck_cli.report import Part

SHOWN = 8
NAMED = 3
"""How many of several that fit are named in a sentence."""
MANY = 0.5
"""From so many that would fit by chance, a fit says little."""


def report(found: Reconciliation) -> Report:
    """Lay out the nearest candidates, each with what it is apart, then the first one's parts."""
    header = ["value", "counts", "network", "variant", "rules", "difference", "fits"]
    return Report(
        "reconcile",
        f"{found.name} and {found.figure.text}: the nearest figures",
        "",
        parts=lambda: _parts(found),
        records=lambda: Records(
            header,
            (
                (
                    each.value,
                    each.kind,
                    found.name,
                    each.variant,
                    " ".join(each.rules),
                    each.value - found.figure.value,
                    each.fits(found.figure),
                )
                for each in found.candidates
            ),
        ),
        data=lambda: {
            "network": found.name,
            "stated": found.figure._asdict(),
            "tried": found.tried,
            "fitting": len(found.fitting),
            "expected_by_chance": found.chance,
            "plain": _fields(found.plain, found),
            "candidates": [_fields(each, found) for each in found.candidates],
            "explanation": explanation(found),
        },
    )


def _parts(found: Reconciliation) -> Iterator[Part]:
    columns = (
        Column("figure", "figure", "number"),
        Column("counts", "counts", "word", 1),
        Column("variant", found.name),
        Column("rule", "as counted by"),
        Column("apart", f"and {found.figure.text}"),
    )
    yield Table(
        columns,
        [
            Row([each.value, each.noun, each.variant, each.by(), _apart(each, found)])
            for each in found.candidates[:SHOWN]
        ],
    )
    yield Prose(list(_verdict(found)))
    best = found.candidates[0]
    parts = (
        Column("product", "adds", "number"),
        Column("weight", "weight", "number"),
        Column("amount", "amount", "number"),
        Column("per", "of", "words"),
    )
    rows = [Row([part.product, part.weight, part.amount, part.words]) for part in best.parts]
    yield Table(parts, [*rows, Row([best.value, None, None, "total"], total=True)])
    if remarks := list(_remarks(found)):
        yield Prose(remarks)


def _apart(each: Candidate, found: Reconciliation) -> str:
    fit = each.fits(found.figure)
    if fit:
        return {"exact": "the same", "rounded": "rounds to it", "cut off": "truncates to it"}[fit]
    apart = each.value - found.figure.value
    share = f"{apart / found.figure.value:+.2%}" if found.figure.value else "apart"
    return f"{grouped(apart, sign='+')} ({share})"


def explanation(found: Reconciliation) -> list[str]:
    """Say which candidates become the figure, how many would by chance, and how the first differs."""
    return [*_verdict(found), *_remarks(found)]


def _verdict(found: Reconciliation) -> Iterator[str]:
    """Say how many fit; one alone is the answer only where chance would not have found it."""
    figure, best = found.figure, found.candidates[0]
    tried = f"{people(found.tried)} figures tried between half and twice its value"
    by_chance = f"about {found.chance:.2g} expected by chance"
    if not found.fitting:
        share = f" ({best.value / figure.value - 1:+.2%})" if figure.value else ""
        none = f"none of the {tried} matches" if found.tried else "no figure tried is between half and twice its value"
        yield f"No match for {figure.text}: {none}."
        yield f"The nearest is {people(best.value)}{share}, {_what(found, best)}."
    elif len(found.fitting) == 1:
        verdict = {"exact": "is", "rounded": "rounds to", "cut off": "truncates to"}[best.fits(figure)]
        sure = (
            "" if found.chance < MANY else f" But {figure.text} has so few digits that this says little ({by_chance})."
        )
        what = _what(found, best)
        yield f"{people(best.value)} {verdict} {figure.text}, the only match among the {tried}: {what}.{sure}"
    else:
        named = [f"{people(each.value)} ({each.by()}, {each.variant})" for each in found.fitting[:NAMED]]
        more = len(found.fitting) - len(named)
        others = [f"{more} more"] if more > 0 else []
        yield (
            f"{len(found.fitting)} of the {tried} match {figure.text} ({by_chance}); it may be any of them: "
            f"{listed([*named, *others], 'and')}."
        )
        equally = sum(each.steps == best.steps for each in found.fitting)
        lead = (
            "The one closest to the network as named"
            if equally == 1
            else f"One of {equally} equally close to the network as named"
        )
        yield f"{lead} is {people(best.value)}, {_what(found, best)}."


def _remarks(found: Reconciliation) -> Iterator[str]:
    """Compare the first with the network's own plain count, and say how FLOPs were read."""
    best, plain = found.candidates[0], found.plain
    if best.value != plain.value and (best.kind == "params") == (plain.kind == "params"):
        share = f" ({best.value / plain.value - 1:+.2%})" if plain.value else ""
        yield (
            f"{people(plain.value)} is its plain count (torchvision's rule, {plain.variant}); "
            f"this is {grouped(best.value - plain.value, sign='+')}{share}."
        )
    if found.figure.counts == "operations":
        yield "FLOPs may mean one or two per multiply-add; both are among the figures tried."
    yield from (f"Note: {note}." for note in found.notes)


def _what(found: Reconciliation, each: Candidate) -> str:
    return f"{each.noun} of {found.name} {each.variant}, as counted by {each.by()}"


def _fields(each: Candidate, found: Reconciliation) -> dict[str, Any]:
    return {
        "value": each.value,
        "counts": each.kind,
        "variant": each.variant,
        "rules": list(each.rules),
        "difference": each.value - found.figure.value,
        "fits": each.fits(found.figure),
        "parts": [{"per": part.words, "weight": part.weight, "amount": part.amount} for part in each.parts],
    }
