"""The report of a footprint: a table of stages (or all layers), the totals to the byte, and the rules."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.data.precision import DTYPES, stored
from bneck_cli.engine.network import entries
from bneck_cli.flow.recompute import RECOMPUTE
from bneck_cli.flow.saved import ATTENTION
from bneck_cli.questions.columns import AXES, has_time
from bneck_cli.questions.course import course, table
from bneck_cli.questions.footprint import OPTIMIZERS, RULES, added, attends, unfolded
from bneck_cli.questions.generation import RULE, figures, generation
from bneck_cli.questions.notes import TOGETHER, describe_input, requirements
from bneck_cli.report import Column, Facts, Records, Report, Row, Table
from bneck_cli.shown import grouped
from bneck_cli.sizes.number import divided
from bneck_cli.words.values import Bytes, Seconds, people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.network import Size
    from bneck_cli.questions.footprint import Footprint, Item, Totals
    from bneck_cli.questions.generation import Generation
    from bneck_cli.report import Part
    from bneck_cli.sizes.shape import Shape

COLUMNS = (
    Column("layer", "layer", "name"),
    Column("output", "output", "word", 1),
    Column("repeat", "×", "number"),
    Column("weights", "weights", "number", 2),
    Column("written", "written", "number", 3),
    Column("moved", "moved", "number"),
    Column("intensity", "ops/byte", "number", 5),
    Column("seconds", "est. time", "number"),
    Column("bound", "bound by", "word", 4),
)


def report(footprint: Footprint, full: bool = False, flops: bool = False) -> Report:
    """Lay out a footprint by stages, with ``full`` by layers; with ``flops`` texts have 2 for each multiply-add."""
    return Report(
        "footprint",
        footprint.analysis.name,
        _subtitle(footprint),
        parts=lambda: _parts(footprint, full, flops),
        records=lambda: _records(footprint),
        data=lambda: _data(footprint, full),
    )


def _parts(footprint: Footprint, full: bool, flops: bool) -> Iterator[Part]:
    yield table(footprint) if full and footprint.inplace else _table(footprint, full)
    yield Facts(tuple(_summary(footprint, flops)))
    generated = generation(footprint)
    if generated is not None:
        yield Facts(tuple(_generated(generated)), "as a language model")
    rules = [(f"rule of {name}" if name in RULES else name, words) for name, words in _rules(footprint)]
    notes = [("note", TOGETHER)] if full and any(item.copies > 1 for item in footprint.items) else []
    yield Facts((*notes, *rules, *([("rule of language models", RULE)] if generated is not None else [])))


class Line(NamedTuple):
    """A row: a layer with the figures of one of its copies, or a stage with the sums over its layers."""

    label: str
    copies: int
    out: Shape
    figures: Totals


def _lines(footprint: Footprint, full: bool) -> list[Line]:
    """Return a line for each stage, or for each layer; copies of a layer are one line with the figures of one."""
    if full:
        return [Line(item.path, item.copies, item.out, added([item._replace(copies=1)])) for item in footprint.items]
    lines = []
    for label, held in groupby(footprint.items, lambda item: item.path.split(".")[0]):
        items = list(held)
        lines.append(Line(label, 1, items[-1].out, added(items)))
    return lines


def _subtitle(footprint: Footprint) -> str:
    on = f" on {footprint.device.name}" if footprint.device else ""
    return f"{describe_input(footprint.analysis)} · {footprint.precision.text}{on}"


def _table(footprint: Footprint, full: bool) -> Table:
    """Write the lines as columns, each of all its copies, so that they add up to the total below them.

    Columns that nothing fills are left out.
    """
    lines = _lines(footprint, full)
    if full:
        lines = [line._replace(figures=added([item])) for line, item in zip(lines, footprint.items, strict=True)]
    rows = [Row(_cells(line.label, line.out, line.copies, line.figures)) for line in lines]
    rows.append(Row(_cells("total", None, 1, footprint.total), total=True))
    kept = [index for index in range(len(COLUMNS)) if any(people(row.cells[index]) for row in rows)]
    rows = [row._replace(cells=[row.cells[index] for index in kept]) for row in rows]
    return Table([COLUMNS[index] for index in kept], rows)


def _cells(label: str, out: Shape | None, copies: int, figures: Totals) -> list[Any]:
    return [
        label,
        out,
        copies if copies > 1 else None,
        Bytes(figures.weights),
        Bytes(figures.written_bytes),
        Bytes(figures.moved),
        None if figures.intensity is None else grouped(figures.intensity, ".1f"),
        Seconds(figures.seconds),
        figures.bound,
    ]


def _summary(footprint: Footprint, flops: bool) -> Iterator[tuple[str, str]]:
    """State the totals, each with its heading."""
    total, precision = footprint.total, footprint.precision
    held: Size = 0
    for item in footprint.items:
        held = held + stored(item.buffers, precision.weights) * item.copies
    buffers = f", of which {Bytes(held).exactly()} buffers" if total.buffers != 0 else ""
    idle = f"; {Bytes(footprint.idle).exactly()} more in heads that do not run" if footprint.idle != 0 else ""
    yield "weights", Bytes(total.weights).exactly() + buffers + idle
    yield "tensors written", f"{people(total.written)} elements, {Bytes(total.written_bytes).exactly()}"
    if footprint.inplace:
        values = course(footprint)
        said = f"{people(values)} values, {Bytes(stored(values, precision.activations)).exactly()}"
        yield "with the input, activations in place", said
    if total.cache != 0:
        past = footprint.analysis.settings.past
        yield "cache", f"{Bytes(total.cache).exactly()} for {past} earlier positions, read by each pass"
    if footprint.peak is None or footprint.inference is None:
        yield "peak memory at inference", "needs numbers: give --input 3x224x224"
    else:
        peak = footprint.peak
        tensors = ", ".join(f"{tensor.path} {Bytes(tensor.bytes)}" for tensor in peak.tensors)
        at = f" at {peak.path}" if peak.path else ""
        cache = f", cache {Bytes(total.cache)}" if total.cache != 0 else ""
        resident = f"{Bytes(total.weights + footprint.idle)}{cache}"
        said = f"weights {resident} and tensors {Bytes(peak.bytes).exactly()}, which are {tensors}"
        yield "peak memory at inference", f"{Bytes(footprint.inference).exactly()}{at}: {said}"
    if footprint.eager is not None:
        held_weights = total.weights + footprint.idle + total.cache
        said = f"{Bytes(held_weights + footprint.eager).exactly()}: tensors {Bytes(footprint.eager).exactly()}"
        yield "as PyTorch runs it", said
    if footprint.training is None:
        yield "memory of training", f"none: {precision.untrained} cannot be trained"
    else:
        parts = footprint.training
        named = {"weights": parts.weights + parts.buffers, "gradients": parts.gradients}
        named |= {"master weights": parts.master, "state": parts.state, "tensors saved": parts.saved}
        named |= {"the largest recomputed block": parts.block}
        said = ", ".join(f"{name} {Bytes(size)}" for name, size in named.items() if size != 0)
        yield "memory of training", f"{Bytes(parts.total).exactly()} with {footprint.optimizer}: {said}"
        yield "for each parameter", _each(footprint)
    if footprint.backward is not None:
        times = 2 if flops else 1
        again = f", recomputed {people(footprint.again * times)}" if footprint.again != 0 else ""
        said = f"forward {people(total.macs * times)}{again}, backward {people(footprint.backward * times)}"
        yield "FLOPs of training" if flops else "multiply-adds of training", said
    if footprint.device and total.seconds is not None:
        share = total.compute_seconds / total.seconds if total.seconds else 0.0
        each = "" if footprint.analysis.batch == 1 else f" for {footprint.analysis.batch} inputs"
        bound = f"{share:.0%} of it in layers bound by compute, {1 - share:.0%} by memory"
        yield (
            "estimate",
            f"{Seconds(total.seconds)}{each} on {footprint.device.name} in {precision.activations}, {bound}",
        )
    for note in requirements(footprint.analysis):
        yield "note", note


def _generated(found: Generation) -> Iterator[tuple[str, str]]:
    """State the figures of the field, in decimal units as devices have them."""
    named, several = figures(found), found.batch != 1
    sequences = f"{people(found.batch)} sequences" if several else "one sequence"
    held, whole = named["training_state_bytes"], named["training_activation_bytes"]
    yield "context", f"{people(found.context)} tokens, {sequences}"
    active = "" if found.active_params == found.params else f" ({people(found.active_params)} of them active)"
    yield "weights", f"{people(found.params)} parameters{active}, {Bytes(named['weight_bytes']).decimal()}"
    token, each = Bytes(named["cache_bytes_per_token"]), Bytes(divided(named["cache_bytes"], found.batch))
    inall = f", {Bytes(named['cache_bytes']).decimal()} in all" if several else ""
    yield "cache", f"{token.decimal()} for each token, {each.decimal()} for a sequence{inall}"
    if held is not None:
        yield "training state", f"{Bytes(held).decimal()} with {found.prompt.optimizer}"
        yield "activations of training", Bytes(whole).decimal()
    yield "FLOPs of the prompt", people(named["prompt_flops"])
    yield "FLOPs of a step", people(named["step_flops"])
    if held is not None:
        exact, six = named["training_flops"], named["rule_of_six_flops"]
        times = f", {six / exact:.2f} times as many" if isinstance(exact, int) and isinstance(six, int) else ""
        yield "FLOPs of training", f"{people(exact)}; 6·N·D gives {people(six)}{times}"
    beside = Bytes(named["step_moved_activation_bytes"]).decimal()
    yield "moved by a step", f"{Bytes(found.moved).decimal()} of weights and cache; tensors between layers {beside}"
    first, after = named["seconds_to_first_token"], named["seconds_per_token"]
    if first is None or after is None or found.least_seconds is None:
        yield "time", "give a device: --device h100"
        return
    yield "time to first token", str(Seconds(first))
    rate = f"{grouped(found.batch / after, '.0f')} tokens a second" if isinstance(found.batch, int) and after else ""
    least = f"{Seconds(found.least_seconds)} for weights and cache only"
    yield "time per token", f"{least}; {Seconds(after)} layer by layer, {rate}"
    if found.fitting is None:
        yield "sequences that fit", "the device's memory is not known: --device 100GFLOPS,20GB/s,16GB"
    else:
        yield "sequences that fit", f"{people(found.fitting)} of {people(found.context)} tokens"


def _each(footprint: Footprint) -> str:
    """Say how many bytes training holds of each parameter, and what for."""
    precision, remembered = footprint.precision, OPTIMIZERS[footprint.optimizer]
    held = [("weight", 1, precision.weights), ("gradient", 1, precision.gradients)]
    held += [("master weight", 1, precision.master)] if precision.master else []
    held += [(f"state of {footprint.optimizer}", remembered, precision.state)] if remembered else []
    bytes_of = [DTYPES[dtype] // 8 * count for _, count, dtype in held]
    said = ", ".join(
        f"{name} {size} ({f'{count} × ' if count > 1 else ''}{dtype})"
        for size, (name, count, dtype) in zip(bytes_of, held, strict=True)
    )
    return f"{sum(bytes_of)} bytes: {said}"


def _rules(footprint: Footprint) -> Iterator[tuple[str, str]]:
    """State the rules that the shown figures follow."""
    for name, words in RULES.items():
        if (name != "estimate" or footprint.device) and (name not in ("training", "backward") or footprint.training):
            yield name, words
    if "int4" in footprint.precision.types.values():
        yield (
            "packing",
            "int4 packs two values per byte; a layer's weights, its buffers and each tensor are padded to a whole byte",
        )
    if footprint.recompute != "none" and footprint.training:
        yield "recompute", RECOMPUTE[footprint.recompute]
    if attends(footprint.analysis):
        yield (
            "attention",
            f"{ATTENTION[footprint.attention]}; its inner tensors are part of both PyTorch figures",
        )
    if footprint.device:
        device = footprint.device
        dtype = footprint.precision.activations
        unit = "OPS" if dtype.startswith("int") else "FLOPS"
        words = f"{_rate(device.peak(dtype), unit)}, {_rate(device.bandwidth, 'B/s')}"
        words += f", {grouped(device.memory / 10**9, '.6g')} GB" if device.memory else ""
        yield "device", words + (f" ({device.source})" if device.source else "")


def _rate(value: int, unit: str) -> str:
    """Write a rate as makers do: ``312 TFLOPS``, ``900 GB/s``."""
    if value >= 10**12 and unit != "B/s":
        return f"{grouped(value / 10**12, '.6g')} T{unit}"
    return f"{grouped(value / 10**9, '.6g')} G{unit}"


# Data

FIGURES = ("params", "buffers", "macs", "written", "weight_bytes", "moved_bytes")


def _sizes(shape: Shape, axes: int) -> list[Any]:
    """Return channels and the last sizes; a sequence is a map of height 1, a vector one of 1 by 1."""
    return [shape.channels, *(1, 1, 1, *shape.spatial)[-axes:]]


def _records(footprint: Footprint) -> Records:
    """Return a row for every executed layer.

    With a device there are two more columns, the estimated seconds and what they are bound by.
    """
    axes = 3 if has_time(entry.layer for entry in entries(footprint.analysis.root)) else 2
    header = ["path", "op", "out_channels", *(f"out_{axis}" for axis in AXES[-axes:]), *FIGURES]
    header += ["estimated_seconds", "bound"] if footprint.device else []
    return Records(header, (_row(item, footprint, axes) for item in unfolded(footprint)))


def _row(item: Item, footprint: Footprint, axes: int) -> list[Any]:
    row: list[Any] = [item.path, item.op, *_sizes(item.out, axes)]
    row += [item.params, item.buffers, item.macs, item.written, item.weights, item.moved]
    return [*row, item.seconds, item.bound] if footprint.device else row


def _data(footprint: Footprint, full: bool) -> dict[str, Any]:
    """Return totals, the peak, training, the estimate, the rules, and stages (or all layers)."""
    analysis, total = footprint.analysis, footprint.total
    document: dict[str, Any] = {
        "name": analysis.name,
        "input": analysis.inputs,
        "batch": analysis.batch,
        "dtype": footprint.precision.text,
        "types": footprint.precision.types,
        "optimizer": footprint.optimizer,
        "attention": footprint.attention,
        "inplace": footprint.inplace,
        "recompute": footprint.recompute,
        "idle_weight_bytes": footprint.idle,
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
            "eager_tensor_bytes": footprint.eager,
        }
    if footprint.training is not None:
        parts = {f"{name}_bytes": size for name, size in footprint.training._asdict().items()}
        document["training"] = {"bytes": footprint.training.total, **parts, "backward_macs": footprint.backward}
        document["training"]["recomputed_macs"] = footprint.again
    generated = generation(footprint)
    document["generation"] = None if generated is None else figures(generated)
    document["layers" if full else "stages"] = [
        {"path": line.label, "repeat": line.copies, "output": line.out, **_figures(line.figures)}
        for line in _lines(footprint, full)
    ]
    return document


def _device(footprint: Footprint) -> dict[str, Any] | None:
    device = footprint.device
    if device is None:
        return None
    rates = {
        "operations_per_second": device.peak(footprint.precision.activations),
        "bytes_per_second": device.bandwidth,
    }
    return {"name": device.name, **rates, "memory_bytes": device.memory or None, "source": device.source}


def _figures(total: Totals) -> dict[str, Any]:
    """Name the sums; times are there with a device."""
    names = {
        "params": "params",
        "buffers": "buffers",
        "macs": "macs",
        "written": "written",
        "written_bytes": "written_bytes",
    }
    names |= {"weights": "weight_bytes", "moved": "moved_bytes", "cache": "cache_bytes"}
    figures: dict[str, Size | float | str | None] = {key: getattr(total, name) for name, key in names.items()}
    figures["operations_per_byte"] = total.intensity
    if total.seconds is not None:
        figures |= {"estimated_seconds": total.seconds, "bound": total.bound}
    return figures
