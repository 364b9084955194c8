"""The report of a diff: a line for each change with its mark and its cost, the totals of both, and the conclusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.network import Cost
from bneck_cli.questions.alignment import Part as Unpaired
from bneck_cli.questions.columns import CELLS, RECORDED, TIME, has_time
from bneck_cli.questions.notes import ACTIVATIONS
from bneck_cli.questions.rows import LayerRow
from bneck_cli.report import Column, Facts, Prose, Records, Report, Row, Table
from bneck_cli.words.values import Percent, Signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.network import Entry
    from bneck_cli.questions.alignment import Pair
    from bneck_cli.questions.diff import Diff, Line
    from bneck_cli.report import Part

PLACES = 5
MARKS = {"+": "added", "-": "removed"}
MARKED = ("added", "removed", "resized")
FIGURES = tuple(name for name in (*RECORDED, "activations") if name not in ("path", "op", "repeat"))


def report(found: Diff, depth: int | None = None) -> Report:
    """Lay out a diff; with a ``depth`` changes are summed up by stage (1), by block (2) and so on."""
    return Report(
        "diff",
        found.title,
        "",
        parts=lambda: _parts(found, depth),
        records=lambda: _records(found),
        data=lambda: _data(found),
    )


def _parts(found: Diff, depth: int | None) -> Iterator[Part]:
    if found.lines:
        yield _changes(found) if depth is None else _summed(found, depth)
    yield _totals(found)
    yield Prose(found.conclusion)
    yield Facts((*(("note", note) for note in found.notes), *found.units, ("rule", f"{found.rule}; {ACTIVATIONS}")))


def _changes(found: Diff) -> Table:
    """Write the folded changes: where, what, in how many layers, and the difference in cost."""
    unit = next(total.title for total in found.totals if total.key == "macs")
    columns = (
        Column("mark", "", "word"),
        Column("layer", "layer", "words"),
        Column("change", "change", "words"),
        Column("layers", "×", "number"),
        Column("params", "params", "number"),
        Column("macs", unit, "number"),
    )
    rows = []
    for line in found.lines:
        costs = [Signed(line.cost.params), Signed(line.cost.macs)] if line.layers else [None, None]
        cells = [line.mark, _places(line), line.text, line.layers or None, *costs]
        rows.append(Row(cells, style=MARKS.get(line.mark, "changed")))
    return Table(columns, rows)


def _summed(found: Diff, depth: int) -> Table:
    """Sum changes by the first names of their paths: how many of each kind, and the difference in cost."""
    groups: dict[str, list[Pair | Unpaired]] = {}
    for step in found.steps:
        if isinstance(step, Unpaired) or step.changes:
            path = step.path if isinstance(step, Unpaired) else step.one.path
            groups.setdefault(".".join(path.split(".")[:depth]), []).append(step)
    unit = next(total.title for total in found.totals if total.key == "macs")
    columns = (
        Column("layer", "layer", "name"),
        Column("change", "change", "words"),
        Column("layers", "×", "number"),
        Column("params", "params", "number"),
        Column("macs", unit, "number"),
    )
    rows = []
    for path, held in groups.items():
        total = Cost()
        layers = 0
        told: dict[str, int] = {}
        for step in held:
            total = total.plus(step.cost)
            number = len(step.layers) if isinstance(step, Unpaired) else 1
            layers += number
            if isinstance(step, Unpaired):
                words = [MARKS[step.mark]]
            else:
                words = [change.name for change in step.settings] or ["resized"]
            for word in words:
                told[word] = told.get(word, 0) + number
        text = ", ".join(
            f"{word} in {number}" if word not in MARKED else f"{number} {word}" for word, number in told.items()
        )
        rows.append(Row([path, text, layers, Signed(total.params), Signed(total.macs)], style="changed"))
    return Table(columns, rows)


def _places(line: Line) -> str:
    """Name where a line's layers are; of many places the first few, as the data has them all."""
    if len(line.paths) <= PLACES + 1:
        return ", ".join(line.paths)
    return f"{', '.join(line.paths[:PLACES])} and {len(line.paths) - PLACES} more"


def _totals(found: Diff) -> Table:
    """Set the totals in columns: both networks, the difference, and its part of the first."""
    first, second = found.names
    columns = (
        Column("metric", "", "words"),
        Column("one", first, "number"),
        Column("other", second, "number"),
        Column("difference", "difference", "number"),
        Column("percent", "", "number"),
    )
    rows = [
        Row(
            [
                total.title,
                total.one,
                total.other,
                None if total.difference is None else Signed(total.difference),
                None if total.percent is None else Percent(total.percent),
            ],
            style="changed" if total.one != total.other else "",
        )
        for total in found.totals
    ]
    return Table(columns, rows, "totals")


def _records(found: Diff) -> Records:
    """Return a row for each layer that changed, came or went, with the figures of both networks side by side."""
    header = ["change", "path_a", "path_b", "op", "settings"]
    layers = list(_layers(found))
    timed = has_time(entry.layer for line in layers for entry in line[1:3] if entry)
    figures = [name for name in FIGURES if timed or name not in TIME]
    header += [f"{name}_{side}" for name in figures for side in "ab"]
    return Records(header, (_line(figures, *line) for line in layers))


def _layers(found: Diff) -> Iterator[tuple[str, Entry | None, Entry | None, str]]:
    """Yield what changed, layer by layer in execution order: the word for it, and the layer in each network."""
    for step in found.steps:
        if isinstance(step, Unpaired):
            for entry in step.layers:
                yield MARKS[step.mark], *((entry, None) if step.mark == "-" else (None, entry)), ""
        elif step.changes:
            word = "changed" if step.settings else "resized"
            yield word, step.one, step.other, ", ".join(map(str, step.settings))


def _line(figures: list[str], word: str, one: Entry | None, other: Entry | None, settings: str) -> list[Any]:
    """Return one layer's cells; those of a network that does not have it are empty."""
    op = next(entry.layer.op for entry in (one, other) if entry)
    cells: list[Any] = [word, one.path if one else "", other.path if other else "", op, settings]
    rows = [_row(entry) if entry else None for entry in (one, other)]
    for name in figures:
        cells += [CELLS[name](row) if row else "" for row in rows]
    return cells


def _row(entry: Entry) -> LayerRow:
    """Return a layer as a row of an analysis, for its cells."""
    layer = entry.layer
    window = layer.rule.geometry(layer.shape) if layer.rule is not None else None
    return LayerRow(
        path=entry.path,
        label=entry.path,
        level=0,
        op=layer.op,
        text=layer.text,
        repeat=1,
        shape=layer.shape,
        out=layer.out,
        window=window,
        cost=layer.cost,
        is_layer=True,
    )


def _data(found: Diff) -> dict[str, Any]:
    """Return every layer that changed, came or went, the moves, the totals, the conclusion."""
    return {
        "title": found.title,
        "names": found.names,
        "rule": found.rule,
        "requires": found.notes,
        "changed": [_changed(pair) for pair in found.changed],
        "added": [_fields(entry) for entry in found.added],
        "removed": [_fields(entry) for entry in found.removed],
        "moved": [
            {
                "setting": move.name,
                "value": _plain(move.one),
                "instead_of": _plain(move.other),
                "from": move.source.one.path,
                "to": move.target.one.path,
                "block": move.block,
            }
            for move in found.moves
        ],
        "lines": [_line_fields(line) for line in found.lines],
        "totals": {
            total.key: {
                "one": _plain(total.one),
                "other": _plain(total.other),
                "difference": total.difference,
                "percent": total.percent,
            }
            for total in found.totals
        },
        "conclusion": found.conclusion,
    }


def _plain(value: Any) -> Any:
    """Return a setting as data has it: digits as a number."""
    if type(value) is tuple:
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _line_fields(line: Line) -> dict[str, Any]:
    costs = {name: getattr(line.cost, name) for name in ("params", "macs", "activations")}
    return {"mark": line.mark, "paths": line.paths, "text": line.text, "layers": line.layers, **costs}


def _changed(pair: Pair) -> dict[str, Any]:
    """Return a pair: the settings that differ, then both layers."""
    return {
        "op": pair.one.layer.op,
        "settings": {change.name: [_plain(change.one), _plain(change.other)] for change in pair.settings},
        "one": _fields(pair.one),
        "other": _fields(pair.other),
    }


def _fields(entry: Entry) -> dict[str, Any]:
    layer = entry.layer
    return {
        "path": entry.path,
        "op": layer.op,
        "text": layer.text,
        "input": layer.inputs,
        "output": layer.out,
        "params": layer.cost.params,
        "macs": layer.cost.macs,
        "activations": layer.cost.activations,
    }
