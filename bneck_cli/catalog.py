"""The bundled library: what is in it, with its published figures; and whether every published figure is met."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import Settings, analyze_program, compare_expectations
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.library import block_files, load, network_names
from bneck_cli.sizes.amounts import read_figure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.formats import Style
    from bneck_cli.language.library import Program

COMMON_CHANNELS = "256"
KEYS = ("name", "family", "year", "params", "macs", "top1")


class Listing(NamedTuple):
    """A bundled network (or block) and its figures; those of a block are at 256 channels on a 56×56 map."""

    kind: str
    name: str
    family: str
    year: str
    input: str
    params: int
    macs: int
    top1: str
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
        return sorted(found, key=lambda listing: (listing.kind, listing.family.lower(), listing.year, listing.params))
    return sorted(found, key=lambda listing: (listing.kind, _sortable(getattr(listing, sort))))


def _sortable(value: Any) -> Any:
    """Sort figures as numbers, names as text; what is absent comes last."""
    try:
        return (0, float(value), "")
    except ValueError:
        return (1 if value else 2, 0.0, value.lower())


def amount(text: str, option: str) -> int:
    """Read an amount such as ``1G``, ``300M`` or ``4089184256``."""
    figure = read_figure(text)
    if figure is None:
        raise BneckError(f"{option}: '{text}' is not an amount", hint="write 300M, 1.5G or a plain number")
    return figure.value


def _network(name: str) -> Listing:
    program = load(name)
    spec = program.spec
    analysis = analyze_program(program)
    top1 = next((expect.top1 for expect in spec.expect if expect.top1 and expect.input is None), "")
    shape = "×".join(map(str, spec.inputs[0].sizes))
    cost = analysis.cost
    assert isinstance(cost.params, int)
    assert isinstance(cost.macs, int)
    return Listing("network", name, spec.family, spec.year, shape, cost.params, cost.macs, top1, spec.idea)


def _block(name: str) -> Listing:
    program = load(name)
    settings = Settings(channels=COMMON_CHANNELS)
    try:
        cost = analyze_program(program, settings).cost
    except BneckError as error:
        raise BneckError(f"{name}: {error.message}", error.location, error.hint) from None
    assert isinstance(cost.params, int)
    assert isinstance(cost.macs, int)
    file = block_files()[name].stem
    return Listing("block", name, file, "", "256×56×56", cost.params, cost.macs, "", program.spec.idea)


# Lists as text


def _cells(listings: list[Listing]) -> list[Any]:
    from bneck_cli.formats.table import Cells

    titles = ("name", "family", "year", "input", "params", "MACs", "top-1")
    keys = ("name", "family", "year", "input", "params", "macs", "top1")
    columns = []
    for title, key in zip(titles, keys, strict=True):
        values = [getattr(listing, key) for listing in listings]
        cells = [f"{value:,}" if isinstance(value, int) else value for value in values]
        if any(cells):
            columns.append(Cells(key, title, cells, key in ("params", "macs", "top1")))
    return columns


def list_table(listings: list[Listing], style: Style) -> Iterator[str]:
    """Print networks, then blocks, each as a table."""
    from bneck_cli.formats.table import print_table

    titles = {"network": "networks", "block": "blocks, at 256 channels on a 56×56 map"}
    for kind, title in titles.items():
        chosen = [listing for listing in listings if listing.kind == kind]
        if chosen:
            columns = _cells(chosen)
            if style.width is not None and sum(column.width + 2 for column in columns) > style.width:
                columns = [column for column in columns if column.key != "input"]
            yield from print_table(title, columns, style)
            yield "\n"
    if not listings:
        yield "nothing in the library is within these bounds\n"


def list_delimited(listings: list[Listing], delimiter: str) -> Iterator[str]:
    """Write a row for each, with plain numbers."""
    from bneck_cli.formats.delimited import delimited

    return delimited([Listing._fields], delimiter, listings)


def list_json(listings: list[Listing], _style: Style) -> Iterator[str]:
    """Write a JSON list."""
    import json

    yield json.dumps([listing._asdict() for listing in listings], indent=2, ensure_ascii=False) + "\n"


def list_markdown(listings: list[Listing], _style: Style) -> Iterator[str]:
    """Write a Markdown table."""
    from bneck_cli.formats.markup import markdown_table

    return markdown_table(_cells(listings))


CATALOGS: dict[str, Callable[[list[Listing], Style], Iterator[str]]] = {
    "table": list_table,
    "csv": lambda listings, _: list_delimited(listings, ","),
    "tsv": lambda listings, _: list_delimited(listings, "\t"),
    "json": list_json,
    "markdown": list_markdown,
}


# Published figures


def check_specs(names: list[str]) -> tuple[list[str], bool]:
    """Compare every published figure of these specs (of everything bundled where none is named).

    Gives the lines to print and whether all agree; a spec without figures is told of, and is no difference.
    """
    lines, differences, figures = [], 0, 0
    for name in names or network_names():
        program: Program = load(name)
        if not program.spec.expect:
            lines.append(f"{name}: no published figures to compare\n")
            continue
        compared = list(compare_expectations(program))
        figures += len(compared)
        wrong = [comparison for comparison in compared if not comparison.agrees]
        differences += len(wrong)
        for comparison in wrong:
            at = comparison.expect.place.location()
            lines.append(
                f"{name}: {comparison.figure} at {comparison.input} is {comparison.found:,}, published "
                f"{comparison.published:,} ({comparison.found - comparison.published:+,}) {at}\n"
            )
        if names and not wrong:
            lines.append(f"{name}: {len(compared)} figures agree\n")
    count = len(names) if names else len(network_names())
    verdict = f"{differences} differ" if differences else "all agree"
    lines.append(f"{count} specs, {figures} published figures: {verdict}\n")
    return lines, differences == 0
