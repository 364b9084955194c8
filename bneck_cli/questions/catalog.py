"""The bundled library and its figures."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import Settings, among
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.library import block_files, load, network_names
from bneck_cli.report import Column, Prose, Records, Report, Row, Table, telling
from bneck_cli.sizes.amounts import amount

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.network import Cost
    from bneck_cli.report import Part
    from bneck_cli.sizes.shape import Shape

COMMON_CHANNELS = 256
USUAL_TASK = "classification"
"""The task of a network whose spec names none."""
KEYS = ("name", "family", "year", "params", "macs", "top1")


class Listing(NamedTuple):
    """A bundled network (or block) and its figures; those of a block are at 256 channels, on what it stands on."""

    kind: str
    name: str
    family: str
    task: str
    year: int | None
    input: Shape
    params: int
    macs: int
    top1: float | None
    idea: str


def catalog(
    family: str | None = None,
    max_macs: str | None = None,
    max_params: str | None = None,
    sort: str | None = None,
    task: str | None = None,
) -> list[Listing]:
    """List what is bundled: networks by task and family, then blocks; or those that a filter leaves, sorted by a key.

    Raises BneckError for an unknown family, task or key, and for an amount that is not one.
    """
    if sort is not None and sort not in KEYS:
        raise BneckError(f"--sort: unknown key '{sort}'", hint=nearest(sort, KEYS) or f"sort by {listed(KEYS)}")
    found = [_network(name) for name in network_names()]
    if family is None and task is None:
        found += [_block(name) for name in block_files()]
    for wanted, key, several in ((family, "family", "families"), (task, "task", "tasks")):
        if wanted is not None:
            known = {getattr(listing, key) for listing in found} - {""}
            if wanted.lower() not in {name.lower() for name in known}:
                hint = nearest(wanted, known) or f"the {several} are {listed(sorted(known), 'and')}"
                raise BneckError(f"--{key}: no {key} '{wanted}'", hint=hint)
            found = [listing for listing in found if getattr(listing, key).lower() == wanted.lower()]
    for text, key, option in ((max_macs, "macs", "--max-macs"), (max_params, "params", "--max-params")):
        if text is not None:
            most = amount(text, option)
            found = [listing for listing in found if getattr(listing, key) <= most]
    if sort is None:
        return sorted(
            found,
            key=lambda listing: (
                listing.kind == "block",
                listing.task != USUAL_TASK,
                listing.task,
                listing.family.lower(),
                _sortable(listing.year),
                listing.params,
            ),
        )
    return sorted(found, key=lambda listing: (listing.kind == "block", _sortable(getattr(listing, sort))))


def families() -> list[str]:
    """Name the families of the bundled networks."""
    return sorted({load(name).spec.family for name in network_names()} - {""})


def tasks() -> list[str]:
    """Name what the bundled networks are for."""
    return sorted({load(name).spec.task or USUAL_TASK for name in network_names()})


def _sortable(value: Any) -> Any:
    """Sort figures as numbers, names as text; what is absent comes last."""
    return (value is None or value == "", value.lower() if isinstance(value, str) else value or 0)


def _network(name: str) -> Listing:
    program = load(name)
    spec = program.spec
    analysis = analyze_program(program)
    top1 = next((expect.top1 for expect in spec.expect if expect.top1 and expect.input is None), None)
    shape = next(iter(analysis.inputs.values()))
    figures = _figures(name, analysis.cost)
    task = spec.task or USUAL_TASK
    return Listing("network", name, spec.family, task, _number(spec.year), shape, *figures, _number(top1), spec.idea)


def _block(name: str) -> Listing:
    program = load(name)
    program, settings = among(program, Settings(channels=COMMON_CHANNELS))
    try:
        analysis = analyze_program(program, settings)
    except BneckError as error:
        raise BneckError(f"{name}: {error.message}", error.location, error.hint) from None
    file = block_files()[name].stem
    shape = next(iter(analysis.inputs.values()))
    return Listing("block", name, file, "", None, shape, *_figures(name, analysis.cost), None, program.spec.idea)


def _figures(name: str, cost: Cost) -> tuple[int, int]:
    """Return parameters and multiply-adds, which a list has as numbers."""
    if not isinstance(cost.params, int) or not isinstance(cost.macs, int):
        raise BneckError(f"{name}: list needs numbers, and the sizes here are symbols")
    return cost.params, cost.macs


def _number(text: str | None) -> Any:
    """Read a year or an accuracy as a number; what is none stays text."""
    if not text:
        return None
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return text


# The report


def list_report(found: list[Listing], sorted_by: str | None = None) -> Report:
    """Lay out a list: networks in a table for each task, or where they are ``sorted_by`` a key in one; then blocks."""
    return Report(
        "list",
        "bundled networks and blocks",
        "",
        parts=lambda: _parts(found, sorted_by),
        records=lambda: Records(Listing._fields, found),
        data=lambda: {"entries": [listing._asdict() for listing in found]},
    )


COLUMNS = (
    Column("name", "name", "name"),
    Column("family", "family", "words", 4),
    Column("year", "year", "word", 3),
    Column("input", "input", "word", 1),
    Column("params", "params", "number"),
    Column("macs", "MACs", "number"),
    Column("top1", "top-1", "number", 2),
)
BLOCKS = "blocks, at 256 channels"


def _parts(found: list[Listing], sorted_by: str | None) -> Iterator[Part]:
    """Yield networks in a table for each task, or where they are sorted by a figure in one, and then the blocks."""
    for title, held in groupby(found, lambda listing: _title(listing, sorted_by)):
        rows = [Row([_cell(listing, column.key) for column in COLUMNS]) for listing in held]
        yield telling(Table(COLUMNS, rows, title), {"year": None, "top1": None})
    if not found:
        yield Prose(["nothing in the library is within these limits"])


def _title(listing: Listing, sorted_by: str | None) -> str:
    if listing.kind == "block":
        return BLOCKS
    return "networks" if sorted_by else f"networks: {listing.task}"


def _cell(listing: Listing, key: str) -> Any:
    """Return a cell; a year and an accuracy are written as they were published."""
    value = getattr(listing, key)
    return str(value) if value is not None and key in ("year", "top1") else value
