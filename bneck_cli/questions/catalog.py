"""The bundled library: what is in it, with its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import Settings
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
KEYS = ("name", "family", "year", "params", "macs", "top1")


class Listing(NamedTuple):
    """A bundled network (or block) and its figures; those of a block are at 256 channels on a 56×56 map."""

    kind: str
    name: str
    family: str
    year: int | None
    input: Shape
    params: int
    macs: int
    top1: float | None
    idea: str


def catalog(
    family: str | None = None, max_macs: str | None = None, max_params: str | None = None, sort: str | None = None
) -> list[Listing]:
    """List what is bundled: networks by family, then blocks; or those that a filter leaves, sorted by a key.

    Raises BneckError for an unknown family or key, and for an amount that is not one.
    """
    if sort is not None and sort not in KEYS:
        raise BneckError(f"--sort: unknown key '{sort}'", hint=nearest(sort, KEYS) or f"sort by {listed(KEYS)}")
    found = [_network(name) for name in network_names()]
    if family is None:
        found += [_block(name) for name in block_files()]
    else:
        families = {listing.family for listing in found if listing.family}
        matching = [listing for listing in found if listing.family.lower() == family.lower()]
        if not matching:
            hint = nearest(family, families) or f"the families are {listed(sorted(families), 'and')}"
            raise BneckError(f"--family: no family '{family}'", hint=hint)
        found = matching
    for text, key, option in ((max_macs, "macs", "--max-macs"), (max_params, "params", "--max-params")):
        if text is not None:
            most = amount(text, option)
            found = [listing for listing in found if getattr(listing, key) <= most]
    if sort is None:
        return sorted(
            found, key=lambda listing: (listing.kind, listing.family.lower(), _sortable(listing.year), listing.params)
        )
    return sorted(found, key=lambda listing: (listing.kind, _sortable(getattr(listing, sort))))


def families() -> list[str]:
    """Name the families of the bundled networks."""
    return sorted({load(name).spec.family for name in network_names()} - {""})


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
    return Listing("network", name, spec.family, _number(spec.year), shape, *figures, _number(top1), spec.idea)


def _block(name: str) -> Listing:
    program = load(name)
    settings = Settings(channels=COMMON_CHANNELS)
    try:
        analysis = analyze_program(program, settings)
    except BneckError as error:
        raise BneckError(f"{name}: {error.message}", error.location, error.hint) from None
    file = block_files()[name].stem
    shape = next(iter(analysis.inputs.values()))
    return Listing("block", name, file, None, shape, *_figures(name, analysis.cost), None, program.spec.idea)


def _figures(name: str, cost: Cost) -> tuple[int, int]:
    """Return parameters and multiply-adds, which a list has as numbers."""
    if not isinstance(cost.params, int) or not isinstance(cost.macs, int):
        raise BneckError(f"{name}: a list has numbers, and the sizes here are symbols")
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


def list_report(found: list[Listing]) -> Report:
    """Lay a list out: networks, then blocks, each in a table."""
    return Report(
        "list",
        "bundled networks and blocks",
        "",
        parts=lambda: _parts(found),
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
TITLES = {"network": "networks", "block": "blocks, at 256 channels on a 56×56 map"}


def _parts(found: list[Listing]) -> Iterator[Part]:
    for kind, title in TITLES.items():
        rows = [Row([_cell(listing, column.key) for column in COLUMNS]) for listing in found if listing.kind == kind]
        if rows:
            yield telling(Table(COLUMNS, rows, title), {"year": None, "top1": None})
    if not found:
        yield Prose(["nothing in the library is within these bounds"])


def _cell(listing: Listing, key: str) -> Any:
    """Return a cell; a year and an accuracy are written as they were published."""
    value = getattr(listing, key)
    return str(value) if value is not None and key in ("year", "top1") else value
