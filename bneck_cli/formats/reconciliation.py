"""A stated figure beside those that rules and variants give: a table, the nearest one taken apart, or data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.errors import listed
from bneck_cli.formats.delimited import delimited
from bneck_cli.formats.markup import escape_markdown, markdown_table
from bneck_cli.formats.table import Cells, print_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.formats import Style
    from bneck_cli.questions.reconcile import Candidate, Reconciliation

SHOWN = 8
NOUNS = {"macs": "MACs", "operations": "operations", "params": "params"}


def _columns(found: Reconciliation) -> list[Cells]:
    """Lay the nearest candidates out, each with what it is apart."""
    chosen = found.candidates[:SHOWN]
    return [
        Cells("figure", "figure", [f"{each.value:,}" for each in chosen], True),
        Cells("counts", "counts", [NOUNS[each.kind] for each in chosen], False),
        Cells("network", found.name, [each.variant for each in chosen], False),
        Cells("rule", "as counted by", [_rules(each) for each in chosen], False),
        Cells("apart", f"and {found.figure.text}", [_apart(each, found) for each in chosen], False),
    ]


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
    """Take the nearest candidate apart, line by line, and say how it differs from the network's own plain count."""
    best, plain = found.candidates[0], found.plain
    verdict = {"exact": "is", "rounded": "rounds", "cut off": "is cut off", "": "is nearest"}[best.fits(found.figure)]
    to = f"to {found.figure.text}" if best.fits(found.figure) != "exact" else found.figure.text
    what = f"{NOUNS[best.kind]} of {found.name} {best.variant}, as counted by {_rules(best)}"
    lines = [f"{best.value:,} {verdict} {to}: {what}."]
    for part in best.parts:
        times = f" = {part.weight} × {part.amount:,}" if part.weight != 1 else ""
        lines.append(f"  {part.product:>15,}{times}: {part.weight} per {part.words}")
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


def render_table(found: Reconciliation, style: Style) -> Iterator[str]:
    """Print the nearest candidates, then the first one's parts."""
    from textwrap import wrap

    yield from print_table(f"{found.name} and {found.figure.text}: the nearest figures", _columns(found), style)
    yield "\n"
    for line in explanation(found):
        yield "\n".join(wrap(line, min(style.width or 100, 120), subsequent_indent="    ", drop_whitespace=True)) + "\n"


def render_csv(found: Reconciliation, delimiter: str) -> Iterator[str]:
    """Write a row for every candidate, the nearest first."""
    header = ("value", "counts", "network", "variant", "rules", "difference", "fits")
    lines = (
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
    )
    return delimited([header], delimiter, lines)


def render_json(found: Reconciliation, _style: Style) -> Iterator[str]:
    """Write every candidate with its parts."""
    import json

    document: dict[str, Any] = {
        "schema": 1,
        "network": found.name,
        "stated": found.figure._asdict(),
        "plain": _fields(found.plain, found),
        "candidates": [_fields(each, found) for each in found.candidates],
        "explanation": explanation(found),
    }
    yield json.dumps(document, indent=2, ensure_ascii=False) + "\n"


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


def render_markdown(found: Reconciliation, _style: Style) -> Iterator[str]:
    """Write a Markdown table and the explanation below it."""
    yield from markdown_table(_columns(found))
    yield "\n" + "".join(f"{escape_markdown(line.strip())}  \n" for line in explanation(found))


RECONCILIATIONS: dict[str, Callable[[Reconciliation, Style], Iterator[str]]] = {
    "table": render_table,
    "csv": lambda found, _: render_csv(found, ","),
    "tsv": lambda found, _: render_csv(found, "\t"),
    "json": render_json,
    "markdown": render_markdown,
}
