"""The report of a comparison between spec and model: differing rows, and the totals of both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.importing import outside, read_target
from bneck_cli.bridges.verify import Comparison, Line, compare
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.errors import BneckError
from bneck_cli.report import Column, Prose, Records, Report, Row, Table
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.library import Program

COLUMNS = ("side", "path", "layer", "channels", "positions", "params", "macs")


class Verified(NamedTuple):
    """A spec compared with a model."""

    name: str
    model: str
    input: str
    compared: Comparison


def verified(program: Program, asked: Settings, model: str, calls: Sequence[str]) -> Verified:
    """Compare a spec with a model at the spec's input.

    Raises BneckError for a spec with symbols, and for a model of which some part is not understood.
    """
    analysis = analyze_program(program, asked)
    if len(analysis.inputs) != 1:
        raise BneckError(f"{analysis.name} has {len(analysis.inputs)} inputs; a model must have one")
    shape = next(iter(analysis.inputs.values()))
    sizes = (shape.channels, *shape.spatial)
    if not all(isinstance(size, int) for size in (*sizes, analysis.cost.params, analysis.cost.macs)):
        raise BneckError(f"comparing with a model needs a numeric input (got {shape})", hint="give --input 3x224x224")
    graph = read_target(model, calls, "x".join(map(str, sizes)))
    if graph.problems:
        raise outside(graph, model)
    return Verified(analysis.name, model, str(shape), compare(analysis, graph))


def report(found: Verified) -> Report:
    """Show what differs: a row for each layer that only one side has, and the totals of both."""
    return Report(
        command="verify",
        title=found.name,
        subtitle=f"compared with {found.model}, {found.input}",
        parts=lambda: _parts(found),
        records=lambda: Records(COLUMNS, [_record(side, line) for side, line in _lines(found)]),
        data=lambda: {
            "name": found.name,
            "model": found.model,
            "equal": found.compared.equal,
            "agreeing": found.compared.agreeing,
            "totals": {
                side: {"params": params, "macs": macs}
                for side, (params, macs) in (("spec", found.compared.spec), ("model", found.compared.model))
            },
            "differences": [dict(zip(COLUMNS, _record(side, line), strict=True)) for side, line in _lines(found)],
        },
    )


def _lines(found: Verified) -> Iterable[tuple[str, Line]]:
    for difference in found.compared.differences:
        if difference.spec is not None:
            yield "spec", difference.spec
        if difference.model is not None:
            yield "model", difference.model


def _record(side: str, line: Line) -> list[Any]:
    return [side, line.path, line.text, line.channels, line.positions, line.params, line.macs]


def _parts(found: Verified) -> Iterable[Table | Prose]:
    compared = found.compared
    if compared.equal:
        params, macs = compared.model
        yield Prose(
            [
                (
                    f"all {people(compared.agreeing)} layers and joins agree: {people(params)} params, "
                    f"{people(macs)} MACs, and every shape"
                )
            ]
        )
        return
    columns = [
        Column("side", "side"),
        Column("path", "path", "name"),
        Column("layer", "layer", gives=2),
        Column("channels", "channels", "number"),
        Column("positions", "positions", "number", gives=3),
        Column("params", "params", "number"),
        Column("macs", "MACs", "number"),
    ]
    rows = [Row(_record(side, line), style="removed" if side == "spec" else "added") for side, line in _lines(found)]
    totals = [
        Row([side, "total", "", "", "", params, macs], total=True)
        for side, (params, macs) in (("spec", compared.spec), ("model", compared.model))
    ]
    yield Table(columns, [*rows, *totals])
    yield Prose([f"{people(len(compared.differences))} differ, {people(compared.agreeing)} agree"])
