"""A footprint to text: stages (or all layers) as a table, then the totals in exact bytes, and the rules they follow."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.formats.delimited import delimited
from bneck_cli.formats.markup import escape_markdown, markdown_table
from bneck_cli.formats.structured import number
from bneck_cli.formats.table import GAP, Cells, print_table
from bneck_cli.questions.analyze import describe_input, grouped, requirements
from bneck_cli.questions.footprint import RULES, added, unfolded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.engine.network import Size
    from bneck_cli.formats import Style
    from bneck_cli.questions.footprint import Footprint, Item, Totals
    from bneck_cli.sizes.shape import Shape

SCHEMA = 1
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
SPARE = ("output", "weights", "written")
"""Columns that a narrow terminal does without, the first one first."""


class Line(NamedTuple):
    """A row of the table: one of the copies of a layer, or a stage with the sums over its layers."""

    label: str
    copies: int
    out: Shape
    figures: Totals


def _lines(footprint: Footprint, full: bool) -> list[Line]:
    """Give a line for each stage, or for each layer; copies of a layer are one line with the figures of one."""
    if full:
        return [Line(item.path, item.copies, item.out, added([item._replace(copies=1)])) for item in footprint.items]
    lines = []
    for label, held in groupby(footprint.items, lambda item: item.path.split(".")[0]):
        items = list(held)
        lines.append(Line(label, 1, items[-1].out, added(items)))
    return lines


# Words


def scaled(size: Any) -> str:
    """Write bytes in the largest unit that leaves at least 1: ``97.5 MiB``; a symbolic size in its own form."""
    if not isinstance(size, int):
        return f"{grouped(size)} bytes"
    power = 0
    while power + 1 < len(UNITS) and size >= 1024 ** (power + 1):
        power += 1
    if power == 0:
        return f"{size} {'byte' if size == 1 else 'bytes'}" if size else "0"
    if power + 1 < len(UNITS) and round(size / 1024**power, 1) >= 1024:
        power += 1
    return f"{size / 1024**power:,.1f} {UNITS[power]}"


def exact(size: Any) -> str:
    """Write bytes for people and to the byte: ``97.5 MiB (102,228,128 bytes)``."""
    if not isinstance(size, int) or size < 1024:
        return scaled(size)
    return f"{scaled(size)} ({size:,} bytes)"


def duration(seconds: float | None) -> str:
    """Write a time to three digits, in the unit that fits."""
    if seconds is None:
        return ""
    for unit, name in TIMES:
        if seconds >= unit * 0.9995 or name == "ns":
            return f"{seconds / unit:.3g} {name}"
    raise AssertionError("the last unit fits everything")


def _per_byte(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _title(footprint: Footprint) -> str:
    on = f" on {footprint.device.name}" if footprint.device else ""
    return f"{footprint.analysis.name} · {describe_input(footprint.analysis)} · {footprint.dtype}{on}"


def _columns(footprint: Footprint, full: bool) -> list[Cells]:
    """Write the lines as columns, and the total below them."""
    lines = _lines(footprint, full)
    figures = [*(line.figures for line in lines), footprint.total]
    columns = [
        Cells("layer", "layer", [*(line.label for line in lines), "total"], False),
        Cells("output", "output", [*(str(line.out) for line in lines), ""], False),
        Cells("repeat", "×", [*(f"{line.copies:,}" if line.copies > 1 else "" for line in lines), ""], True),
        Cells("weights", "weights", [scaled(each.weights) for each in figures], True),
        Cells("written", "written", [scaled(each.activations * footprint.width) for each in figures], True),
        Cells("moved", "moved", [scaled(each.moved) for each in figures], True),
        Cells("intensity", "ops/byte", [_per_byte(each.intensity) for each in figures], True),
        Cells("seconds", "est. time", [duration(each.seconds) for each in figures], True),
        Cells("bound", "bound by", [each.bound for each in figures], False),
    ]
    return [column for column in columns if any(column.cells)]


def _fitted(columns: list[Cells], width: int | None) -> list[Cells]:
    """Drop columns until the table fits; digits are never cut."""
    for key in SPARE:
        if width is None or sum(column.width for column in columns) + GAP * (len(columns) - 1) <= width:
            break
        columns = [column for column in columns if column.key != key]
    return columns


def _summary(footprint: Footprint) -> Iterator[tuple[str, str]]:
    """State the totals, each with its heading."""
    total, width = footprint.total, footprint.width
    buffers = f", of which {exact(total.buffers * width)} buffers" if total.buffers != 0 else ""
    yield "weights", exact(total.weights) + buffers
    yield "activations", f"{grouped(total.activations)} elements, {exact(total.activations * width)}"
    if footprint.peak is None:
        yield "peak memory at inference", "needs numbers: give --input 3x224x224"
    else:
        peak = footprint.peak
        tensors = ", ".join(f"{tensor.path} {scaled(tensor.bytes)}" for tensor in peak.tensors)
        at = f" at {peak.path}" if peak.path else ""
        held = f"weights {scaled(total.weights)} and tensors {exact(peak.bytes)}, which are {tensors}"
        yield "peak memory at inference", f"{exact(footprint.inference)}{at}: {held}"
    if footprint.training is None:
        yield "memory of training", f"none: {footprint.dtype} does not train"
    else:
        parts = footprint.training
        named = {"weights": parts.weights + parts.buffers, "gradients": parts.gradients, "state": parts.state}
        named["activations"] = parts.activations
        said = ", ".join(f"{name} {scaled(size)}" for name, size in named.items() if size != 0)
        yield "memory of training", f"{exact(parts.total)} with {footprint.optimizer}: {said}"
    if footprint.device and total.seconds is not None:
        share = total.compute_seconds / total.seconds if total.seconds else 0.0
        each = "" if footprint.analysis.batch == 1 else f" for {footprint.analysis.batch} inputs"
        bound = f"{share:.0%} of it in layers bound by compute, {1 - share:.0%} by memory"
        yield "estimate", f"{duration(total.seconds)}{each} on {footprint.device.name} in {footprint.dtype}, {bound}"
    for note in requirements(footprint.analysis):
        yield "note", note


def _rules(footprint: Footprint) -> Iterator[tuple[str, str]]:
    """State the rules that the shown figures follow."""
    for name, words in RULES.items():
        if (name != "estimate" or footprint.device) and (name != "training" or footprint.training):
            yield name, words
    if any(item.op == "attention" for item in footprint.items):
        yield "attention", "its queries, keys, values and scores are inside one layer, and are not counted as memory"
    if footprint.device:
        device = footprint.device
        unit = "OPS" if footprint.dtype == "int8" else "FLOPS"
        words = f"{_rate(device.peak(footprint.dtype), unit)}, {_rate(device.bandwidth, 'B/s')}"
        yield "device", words + (f" ({device.source})" if device.source else "")


def _rate(value: int, unit: str) -> str:
    """Write a rate as makers do: ``312 TFLOPS``, ``900 GB/s``."""
    if value >= 10**12 and unit != "B/s":
        return f"{value / 10**12:,.6g} T{unit}"
    return f"{value / 10**9:,.6g} G{unit}"


# Formats


def render_table(footprint: Footprint, style: Style, full: bool = False) -> Iterator[str]:
    """Print stages (with ``full`` all layers) in a table that fits ``style.width``, the totals and the rules."""
    from textwrap import wrap

    columns = _fitted(_columns(footprint, full), style.width)
    yield from print_table(_title(footprint), columns, style, total=True)
    width = min(style.width or 100, 120)
    for heading, groups in (("", _summary(footprint)), ("rule of ", _rules(footprint))):
        yield "\n"
        for name, words in groups:
            text = f"{heading if name in RULES else ''}{name}: {words}"
            yield "\n".join(wrap(text, width, subsequent_indent="  ", break_long_words=False)) + "\n"


def render_markdown(footprint: Footprint, _style: Style, full: bool = False) -> Iterator[str]:
    """Write a Markdown table, the totals as a list, and the rules."""
    yield f"**{escape_markdown(_title(footprint))}**\n\n"
    yield from markdown_table(_columns(footprint, full))
    yield "\n"
    for name, words in _summary(footprint):
        yield f"- {name}: {escape_markdown(words)}\n"
    yield "\n"
    for name, words in _rules(footprint):
        yield f"- {'rule of ' if name in RULES else ''}{name}: {escape_markdown(words)}\n"


def _sizes(shape: Shape) -> list[Any]:
    return [number(size) for size in (shape.channels, *shape.spatial)]


def _three(shape: Shape) -> list[Any]:
    """Give channels, height and width; a sequence is a map of height 1, a vector one of 1 by 1."""
    return [shape.channels, *(1, 1, *shape.spatial)[-2:]]


HEADER = (
    "path", "op", "out_channels", "out_height", "out_width", "params", "buffers", "macs", "activations",
    "weight_bytes", "moved_bytes",
)  # fmt: skip


def render_delimited(footprint: Footprint, style: Style, delimiter: str) -> Iterator[str]:
    """Write a header and a row for every executed layer; with ``style.fold`` identical copies are one row.

    With a device there are two more columns, the estimated seconds and what they are bound by.
    """
    header: list[str] = [*HEADER]
    if style.fold:
        header.insert(2, "repeat")
    if footprint.device:
        header += ["estimated_seconds", "bound"]
    items = footprint.items if style.fold else unfolded(footprint)
    return delimited([header], delimiter, (_row(item, footprint, style) for item in items))


def _row(item: Item, footprint: Footprint, style: Style) -> list[Any]:
    row: list[Any] = [item.path, item.op, *([item.copies] if style.fold else []), *_three(item.out)]
    row += [item.params, item.buffers, item.macs, item.activations, item.weights, item.moved]
    return [*row, f"{item.seconds:.6g}", item.bound] if footprint.device else row


def render_json(footprint: Footprint, _style: Style, full: bool = False) -> Iterator[str]:
    """Write one JSON object: totals, the peak, training, the estimate, the rules, and stages (or all layers)."""
    import json

    analysis, total = footprint.analysis, footprint.total
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "name": analysis.name,
        "input": {name: _sizes(shape) for name, shape in analysis.inputs.items()},
        "batch": number(analysis.batch),
        "dtype": footprint.dtype,
        "optimizer": footprint.optimizer,
        "device": _device(footprint),
        "rules": dict(_rules(footprint)),
        "totals": _figures(total),
        "peak": None,
        "training": None,
    }
    if footprint.peak is not None:
        document["peak"] = {
            "bytes": footprint.inference,
            "layer": footprint.peak.path,
            "tensor_bytes": footprint.peak.bytes,
            "tensors": [tensor._asdict() for tensor in footprint.peak.tensors],
        }
    if footprint.training is not None:
        parts = {f"{name}_bytes": number(size) for name, size in footprint.training._asdict().items()}
        document["training"] = {"bytes": number(footprint.training.total), **parts}
    document["layers" if full else "stages"] = [
        {"path": line.label, "repeat": line.copies, "output": _sizes(line.out), **_figures(line.figures)}
        for line in _lines(footprint, full)
    ]
    yield json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _device(footprint: Footprint) -> dict[str, Any] | None:
    device = footprint.device
    if device is None:
        return None
    rates = {"operations_per_second": device.peak(footprint.dtype), "bytes_per_second": device.bandwidth}
    return {"name": device.name, **rates, "source": device.source}


def _figures(total: Totals) -> dict[str, Any]:
    """Name the sums; times are there with a device."""
    names = {"params": "params", "buffers": "buffers", "macs": "macs", "activations": "activations"}
    names |= {"weights": "weight_bytes", "moved": "moved_bytes"}
    figures: dict[str, Size | float | str | None] = {key: number(getattr(total, name)) for name, key in names.items()}
    figures["operations_per_byte"] = total.intensity
    if total.seconds is not None:
        figures |= {"estimated_seconds": total.seconds, "bound": total.bound}
    return figures


FOOTPRINTS: dict[str, Callable[..., Iterator[str]]] = {
    "table": render_table,
    "csv": lambda footprint, style, **_: render_delimited(footprint, style, ","),
    "tsv": lambda footprint, style, **_: render_delimited(footprint, style, "\t"),
    "json": render_json,
    "markdown": render_markdown,
}
"""Renderers by format: of a footprint, a style, and ``full=True`` for all layers where stages are the default."""
