"""The report of a reconciliation: the nearest figures, the first one taken apart, and how it differs from the plain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.errors import listed
from bneck_cli.report import Column, Prose, Records, Report, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.questions.reconcile import Candidate, Reconciliation
    from bneck_cli.report import Part

SHOWN = 8
NOUNS = {"macs": "MACs", "operations": "operations", "params": "params"}


def report(found: Reconciliation) -> Report:
    """Lay the nearest candidates out, each with what it is apart, then the first one's parts."""
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
            Row([each.value, NOUNS[each.kind], each.variant, _rules(each), _apart(each, found)])
            for each in found.candidates[:SHOWN]
        ],
    )
    first, *rest = explanation(found)
    yield Prose([first])
    best = found.candidates[0]
    parts = (
        Column("product", "adds", "number"),
        Column("weight", "weight", "number"),
        Column("amount", "amount", "number"),
        Column("per", "of", "words"),
    )
    rows = [Row([part.product, part.weight, part.amount, part.words]) for part in best.parts]
    yield Table(parts, [*rows, Row([best.value, None, None, "total"], total=True)])
    if rest:
        yield Prose(rest)


def _rules(each: Candidate) -> str:
    if each.kind == "params" and len(each.rules) > 3:
        return "all but Keras"
    return ", ".join(each.rules)


def _apart(each: Candidate, found: Reconciliation) -> str:
    fit = each.fits(found.figure)
    if fit:
        return {"exact": "the same", "rounded": "rounds to it", "cut off": "cut off to it"}[fit]
    apart = each.value - found.figure.value
    share = f"{apart / found.figure.value:+.2%}" if found.figure.value else "apart"
    return f"{apart:+,} ({share})"


def explanation(found: Reconciliation) -> list[str]:
    """Say what the nearest candidate is, and how it differs from the network's own plain count."""
    best, plain = found.candidates[0], found.plain
    verdict = {"exact": "is", "rounded": "rounds", "cut off": "is cut off", "": "is nearest"}[best.fits(found.figure)]
    to = f"to {found.figure.text}" if best.fits(found.figure) != "exact" else found.figure.text
    what = f"{NOUNS[best.kind]} of {found.name} {best.variant}, as counted by {_rules(best)}"
    lines = [f"{best.value:,} {verdict} {to}: {what}."]
    if best.value != plain.value and (best.kind == "params") == (plain.kind == "params"):
        lines.append(
            f"{plain.value:,} is its plain count (torchvision's rule, {plain.variant}); "
            f"this is {best.value - plain.value:+,} ({best.value / plain.value - 1:+.2%})."
        )
    ties = [each for each in found.candidates[1:] if each.order(found.figure)[0] == best.order(found.figure)[0]]
    if ties and best.fits(found.figure):
        named = [f"{each.value:,} ({_rules(each)}, {each.variant})" for each in ties[:3]]
        lines.append(f"It could also be {listed(named)}.")
    return lines


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
