"""A diff to text: a line for each change with its mark and its cost, the totals of both, and the conclusion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.formats.delimited import CELLS, DEFAULT, delimited
from bneck_cli.formats.markup import escape_markdown, markdown_table
from bneck_cli.formats.structured import number
from bneck_cli.formats.table import GAP, Cells, print_table
from bneck_cli.questions.alignment import Part
from bneck_cli.questions.analyze import Row, grouped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.engine.network import Entry
    from bneck_cli.formats import Style
    from bneck_cli.questions.alignment import Pair
    from bneck_cli.questions.diff import Diff, Line, Total

WIDE = 120
NARROW = 18
"""The least that a column of words is given before numbers may go beyond the width."""
FORMULA = 32
PLACES = 5
MARKS = {"+": "added", "-": "removed"}
FIGURES = tuple(name for name in (*DEFAULT, "activations") if name not in ("path", "op", "repeat"))


def signed(size: Any) -> str:
    """Write a difference with its sign; a symbolic one in its mathematical form."""
    return (f"{size:+,}" if size else "0") if isinstance(size, int) else grouped(size)


def _percent(total: Total) -> str:
    if total.percent is None:
        return ""
    if not total.difference:
        return "0.0%"
    return f"{total.percent:+.1f}%" if abs(total.percent) >= 0.05 else f"{total.percent:+.1g}%"


def _difference(total: Total) -> str:
    return "" if total.difference is None else signed(total.difference)


def _columns(found: Diff) -> list[Cells]:
    """Write the folded changes: where, what, in how many layers, and what they cost more."""
    costs = [line.cost if line.layers else None for line in found.lines]  # a move whose layers have lines of their own
    unit = next(total.title for total in found.totals if total.key == "macs")
    return [
        Cells("mark", "", [line.mark for line in found.lines], False),
        Cells("layer", "layer", [_places(line) for line in found.lines], False),
        Cells("change", "change", [line.text for line in found.lines], False),
        Cells("layers", "×", [f"{line.layers:,}" if line.layers else "" for line in found.lines], True),
        Cells("params", "params", [signed(cost.params) if cost else "" for cost in costs], True),
        Cells("macs", unit, [signed(cost.macs) if cost else "" for cost in costs], True),
    ]


def _places(line: Line) -> str:
    """Name where a line's layers are; of many places the first few, as the other formats have them all."""
    if len(line.paths) <= PLACES + 1:
        return ", ".join(line.paths)
    return f"{', '.join(line.paths[:PLACES])} and {len(line.paths) - PLACES} more"


def _totals(found: Diff) -> list[Cells]:
    """Set the totals in columns: both networks, the difference, and its part of the first."""
    first, second = found.names
    return [
        Cells("metric", "", [total.title for total in found.totals], False),
        Cells("one", first, [grouped(total.one) for total in found.totals], True),
        Cells("other", second, [grouped(total.other) for total in found.totals], True),
        Cells("difference", "difference", [_difference(total) for total in found.totals], True),
        Cells("percent", "", [_percent(total) for total in found.totals], True),
    ]


def render_table(found: Diff, style: Style) -> Iterator[str]:
    """Print the changes, the totals, and what they come to."""
    from textwrap import wrap

    if found.lines:
        columns = _fitted(_columns(found), style.width or WIDE)
        yield from print_table(found.title, columns, style)
        yield "\n"
    yield from print_table("totals" if found.lines else found.title, _wrapped(_totals(found), {}), style)
    yield "\n"
    width = min(style.width or 100, WIDE)
    for sentence in (*found.conclusion, *(f"note: {note}" for note in found.notes), f"rule: {found.rule}"):
        yield "\n".join(wrap(sentence, width, subsequent_indent="  ", break_long_words=False)) + "\n"


def _fitted(columns: list[Cells], width: int) -> list[Cells]:
    """Share the width among the columns: numbers take what they need, words what is left."""
    taken = sum(min(column.width, FORMULA) + GAP for column in columns if column.key not in ("layer", "change"))
    room = max(width - taken - GAP, 2 * NARROW)
    layer, change = (column.width for column in columns[1:3])
    first = max(min(layer, room // 2), min(layer, room - change))
    return _wrapped(columns, {"layer": first, "change": max(room - first, NARROW)})


def _wrapped(columns: list[Cells], limits: dict[str, int]) -> list[Cells]:
    """Break words, and formulas, over as many lines as they need; a number stays whole."""
    from textwrap import wrap

    split = [
        [
            wrap(_breakable(cell, limit), limit, break_long_words=False, break_on_hyphens=False) or [""]
            for cell in column.cells
        ]
        for column in columns
        for limit in (limits.get(column.key, FORMULA),)
    ]
    heights = [max(map(len, row)) for row in zip(*split, strict=True)]
    return [
        column._replace(
            cells=[
                text
                for lines, height in zip(cells, heights, strict=True)
                for text in (*lines, *[""] * (height - len(lines)))
            ]
        )
        for column, cells in zip(columns, split, strict=True)
    ]


def _breakable(cell: str, limit: int) -> str:
    """Part a path that is longer than a line after one of its dots."""
    return " ".join(" ".join(_pieces(word, limit)) for word in cell.split(" "))


def _pieces(word: str, limit: int) -> Iterator[str]:
    while len(word) > limit and (dot := word.rfind(".", 1, limit)) > 0:
        yield word[: dot + 1]
        word = word[dot + 1 :]
    yield word


def render_csv(found: Diff, delimiter: str) -> Iterator[str]:
    """Write a row for each layer that changed, came or went, with the figures of both networks beside each other."""
    header = ["change", "path_a", "path_b", "op", "settings"]
    header += [f"{name}_{side}" for name in FIGURES for side in "ab"]
    return delimited([header], delimiter, (_line(*line) for line in _layers(found)))


def _layers(found: Diff) -> Iterator[tuple[str, Entry | None, Entry | None, str]]:
    """Yield what changed, layer by layer in execution order: the word for it, and the layer in each network."""
    for step in found.steps:
        if isinstance(step, Part):
            for entry in step.layers:
                yield MARKS[step.mark], *((entry, None) if step.mark == "-" else (None, entry)), ""
        elif step.changes:
            word = "changed" if step.settings else "resized"
            yield word, step.one, step.other, ", ".join(map(str, step.settings))


def _line(word: str, one: Entry | None, other: Entry | None, settings: str) -> list[Any]:
    """Write one layer's cells; those of a network that does not have it are empty."""
    some = one or other
    assert some is not None
    cells: list[Any] = [word, one.path if one else "", other.path if other else "", some.layer.op, settings]
    rows = [_row(entry) if entry else None for entry in (one, other)]
    for name in FIGURES:
        cells += [CELLS[name](row) if row else "" for row in rows]
    return cells


def _row(entry: Entry) -> Row:
    """Give a layer as a row of a report, for its cells."""
    layer = entry.layer
    window = layer.rule.geometry(layer.shape) if layer.rule is not None else None
    return Row(entry.path, entry.path, 0, layer.op, layer.text, 1, layer.shape, layer.out, window, layer.cost, True)


def render_json(found: Diff, _style: Style) -> Iterator[str]:
    """Write one JSON object: every layer that changed, came or went, the moves, the totals, the conclusion."""
    import json

    document = {
        "schema": 1,
        "title": found.title,
        "names": list(found.names),
        "rule": found.rule,
        "requires": list(found.notes),
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
                "difference": _plain(total.difference),
                "percent": total.percent,
            }
            for total in found.totals
        },
        "conclusion": list(found.conclusion),
    }
    yield json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    """Give a value as JSON has it; a symbolic size as text."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return value if value is None else number(value)


def _line_fields(line: Line) -> dict[str, Any]:
    costs = {name: number(getattr(line.cost, name)) for name in ("params", "macs", "activations")}
    return {"mark": line.mark, "paths": list(line.paths), "text": line.text, "layers": line.layers, **costs}


def _changed(pair: Pair) -> dict[str, Any]:
    """Write a pair: the settings that differ, then both layers."""
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
        "input": [[number(size) for size in (shape.channels, *shape.spatial)] for shape in layer.inputs],
        "output": [number(size) for size in (layer.out.channels, *layer.out.spatial)],
        "params": number(layer.cost.params),
        "macs": number(layer.cost.macs),
        "activations": number(layer.cost.activations),
    }


def render_markdown(found: Diff, _style: Style) -> Iterator[str]:
    """Write Markdown: the changes, the totals, the conclusion."""
    yield f"**{escape_markdown(found.title)}**\n\n"
    if found.lines:
        columns = _columns(found)
        yield from markdown_table([columns[0]._replace(cells=[f"`{mark}`" for mark in columns[0].cells]), *columns[1:]])
        yield "\n"
    yield from markdown_table(_totals(found))
    for sentence in (*found.conclusion, *(f"Note: {note}." for note in found.notes), f"Rule: {found.rule}."):
        yield f"\n{escape_markdown(sentence)}\n"


DIFFS: dict[str, Callable[[Diff, Style], Iterator[str]]] = {
    "table": render_table,
    "csv": lambda found, _: render_csv(found, ","),
    "tsv": lambda found, _: render_csv(found, "\t"),
    "json": render_json,
    "markdown": render_markdown,
}
