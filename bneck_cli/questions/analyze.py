"""Every layer of a network with its shapes and its costs, as a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.network import Cost
from bneck_cli.questions.columns import COLUMNS, DEFAULT, PLAIN, keyed, records, selected_columns, total
from bneck_cli.questions.notes import (
    ACTIVATIONS,
    TOGETHER,
    buffers,
    counting_notes,
    describe_input,
    least_input,
    requirements,
    rule_of,
    shared_weights,
    uncounted,
    units_of,
    unread_results,
)
from bneck_cli.questions.rows import View, is_flat, shown_rows
from bneck_cli.report import Facts, Report, Row, Table, telling
from bneck_cli.shown import grouped
from bneck_cli.sizes.amounts import rounded
from bneck_cli.words.values import Bytes, people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.questions.rows import LayerRow
    from bneck_cli.report import Part

FP32 = 4
"""Bytes of a value."""
MILLION = 10**6


def report(analysis: Analysis, view: View = View()) -> Report:
    """Lay out an analysis: a table of its layers, its totals, and the counting rule.

    With ``only``, ``sort`` or ``top`` the rows are a flat list of layers; otherwise they follow the tree.
    Raises BneckError for an unknown column, sort key or layer kind.
    """
    view = view._replace(columns=keyed(view.columns))
    return Report(
        "analyze",
        analysis.name,
        describe_input(analysis),
        parts=lambda: _parts(analysis, view),
        records=lambda: records(analysis, view),
        data=lambda: _data(analysis, view),
        source=lambda: _source(analysis),
    )


def _data(analysis: Analysis, view: View) -> dict[str, Any]:
    from bneck_cli.questions.document import document

    return document(analysis, view)


def _source(analysis: Analysis) -> Iterator[str]:
    from bneck_cli.questions.source import source

    return source(analysis)


def _parts(analysis: Analysis, view: View) -> Iterator[Part]:
    rows, notes = shown_rows(analysis, view)
    found = table(analysis, view, rows)
    shown = {column.key for column in found.columns}
    if "activations" in shown:
        notes = [*notes, ACTIVATIONS]
    if "repeat" in shown:
        notes = [*notes, TOGETHER]
    yield found
    yield Facts((*_footer(analysis), *(("note", note) for note in (*notes, *_holds(analysis)))))


def table(analysis: Analysis, view: View, rows: list[LayerRow]) -> Table:
    """Lay out rows in columns, those asked for or those that tell something, and end in the network's total.

    A flat list, which need not hold every layer, has the sum of what is shown before the total.
    """
    names = selected_columns(view.columns, COLUMNS, {}, DEFAULT)
    columns = [COLUMNS[name].column for name in names]
    values = [COLUMNS[name].value for name in names]
    if analysis.rule is not None:
        title = analysis.rule.title
        columns = [column._replace(title=column.title.replace("MACs", title)) for column in columns]
    flat = is_flat(view)
    lines = [
        Row(
            [value(row, analysis, flat) for value in values],
            0 if flat else row.level,
            style="" if row.is_layer else "group",
        )
        for row in rows
    ]
    found = Table(columns, lines)
    if not view.columns:
        found = telling(found, PLAIN)
    names = tuple(column.key for column in found.columns)
    totals = []
    if flat and (view.only or view.top is not None):
        summed = Cost()
        for row in rows:
            summed = summed.plus(row.cost, row.repeat)
        label = f"{people(len(rows))} row{'s' * (len(rows) != 1)}"
        totals.append(Row([total(name, label, summed, analysis) for name in names], total=True))
    totals.append(Row([total(name, "total", analysis.cost, analysis) for name in names], total=True))
    return found._replace(rows=[*found.rows, *totals])


def _footer(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """State the totals, the counting rule, and what it leaves out."""
    cost, rule = analysis.cost, analysis.rule
    macs = cost.macs * analysis.batch
    said = f"{people(cost.params)} params, {people(macs)} {rule.title if rule else 'MACs'}"
    if isinstance(cost.params, int) and isinstance(macs, int) and max(cost.params, macs) >= MILLION:
        said += f" ({rounded(cost.params)}, {rounded(macs)})"
    if cost.idle_params != 0:
        said += f" ({people(cost.inference_params)} params run at inference)"
    if cost.inactive_params != 0:
        said += f" ({people(cost.active_params)} params are active at each position)"
    yield "total", said
    yield from units_of(analysis)
    yield from _size(analysis)
    yield "rule", rule_of(analysis)
    left = ", ".join(f"{label} {people(size)}" for label, size in uncounted(analysis).items() if size != 0)
    if left:
        yield "not counted (elements)", left


def _size(analysis: Analysis) -> Iterator[tuple[str, str]]:
    """Say how large the weights are, and what of them training changes."""
    params, stored = analysis.cost.params, buffers(analysis)
    if analysis.rule is not None and analysis.rule.unit != "FLOPs":
        return
    if isinstance(params, int) and isinstance(stored, int) and params:
        size = (params + stored) * FP32
        kept = f", and {people(stored)} untrained buffers" if stored else ""
        yield (
            "size",
            f"{grouped(size / 10**6, '.1f')} MB in fp32 ({Bytes(size)}): {people(params)} params, all trainable{kept}",
        )


def _holds(analysis: Analysis) -> tuple[str, ...]:
    """Say what is counted in vain, and for which inputs the figures hold."""
    return (
        *shared_weights(analysis),
        *unread_results(analysis),
        *requirements(analysis),
        *least_input(analysis),
        *counting_notes(analysis),
    )
