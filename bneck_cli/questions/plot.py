"""The points of a plot: cost, memory, roofline or receptive field by layer, blocks by width, the library."""

from __future__ import annotations

from itertools import combinations, groupby, pairwise
from math import log
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import entries, require_rows
from bneck_cli.engine.settings import Settings
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.report import Records
from bneck_cli.words.values import Bytes, people

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.data.devices import Device
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.language.library import Program

KINDS = ("cost", "memory", "receptive", "roofline", "width", "library")
MOST_WIDTHS = 256
"""Widths of a block that a plot has at most."""


class Series(NamedTuple):
    """Points of one ``look`` (bars, steps, line, points, front, ring or mark): ``x``, ``y``, and a label for each."""

    name: str
    look: str
    x: Sequence[float]
    y: Sequence[float]
    labels: Sequence[str] = ()


class Band(NamedTuple):
    """A stretch of the horizontal axis with a name: a stage."""

    name: str
    start: float
    end: float


class Plot(NamedTuple):
    """What a plot shows, before any drawing; ``points`` are the same as data."""

    title: str
    x: str
    y: str
    series: tuple[Series, ...]
    points: Records
    bands: tuple[Band, ...] = ()
    log: tuple[bool, bool] = (False, False)


def plot(
    programs: Sequence[tuple[str, Program]],
    settings: Settings,
    kind: str | None = None,
    widths: range | None = None,
    device: str | None = None,
    more: Sequence[str] = (),
) -> Plot:
    """Compute the points of a plot.

    Without a kind it is the library where no spec is named, the cost over the width for a range of widths, else the
    cost by layer. Raises BneckError for an unknown kind, and for one that needs what was not given.
    """
    kind = kind or ("library" if not programs else "width" if widths else "cost")
    if kind not in KINDS:
        raise BneckError(
            f"--kind: unknown plot '{kind}'", hint=nearest(kind, KINDS) or f"plots are {listed(KINDS, 'and')}"
        )
    if device is not None and kind != "roofline":
        raise BneckError(f"--device is for --kind roofline (got {kind})")
    if kind == "library":
        if programs:
            raise BneckError("the plot of the library takes no spec", hint="add your own to it: --with my.yaml")
        if settings != Settings() or widths is not None:
            raise BneckError("--input, --channels and --set need a spec, and the plot of the library takes none")
        return _library(more)
    if more:
        raise BneckError("--with is for the plot of the library")
    if kind == "width":
        if widths is None:
            raise BneckError("--kind width needs a range of widths", hint="give --channels 8..512")
        return _width(programs, settings, widths)
    if len(programs) != 1 or widths is not None:
        raise BneckError(f"--kind {kind} takes one spec" if widths is None else "a range of widths is for --kind width")
    analysis = analyze_program(programs[0][1], settings)
    require_rows(analysis.root)
    if not all(
        isinstance(size, int) for size in (analysis.cost.params, analysis.cost.macs, analysis.root.shape.elements)
    ):
        raise BneckError("a plot needs numbers; the sizes have symbols", hint="give --input 3x224x224")
    if kind == "roofline":
        return _roofline(analysis, device or "a100")
    return {"cost": _cost, "memory": _memory, "receptive": _receptive}[kind](analysis)


def _bands(paths: Sequence[str]) -> tuple[Band, ...]:
    """Return the stages along the layers."""
    bands, start = [], 0
    for name, held in groupby(path.partition(".")[0] if "." in path else "" for path in paths):
        count = len(list(held))
        if name:
            bands.append(Band(name, start - 0.5, start + count - 0.5))
        start += count
    return tuple(bands)


def _cost(analysis: Analysis) -> Plot:
    """Multiply-adds above and parameters below the axis, layer by layer, in millions."""
    held: list[Any] = [entry for entry in entries(analysis.root, folded=False) if not entry.idle]
    held = [entry for entry in held if entry.layer.cost.macs]
    if not held:
        raise BneckError(f"{analysis.name} has no layer with multiply-adds to plot")
    x = list(range(len(held)))
    macs = [entry.layer.cost.macs * analysis.batch for entry in held]
    params = [entry.layer.cost.params for entry in held]
    scale = max(macs) / (max(params) or 1)
    rows = [[entry.path, entry.layer.op, one, two] for entry, one, two in zip(held, macs, params, strict=True)]
    paths = [entry.path for entry in held]
    return Plot(
        f"{analysis.name}: multiply-adds above, parameters below",
        "layer with multiply-adds",
        "parameters · multiply-adds",
        (
            Series(f"multiply-adds\n(at most {people(max(macs))})", "bars", x, macs, paths),
            Series(f"parameters\n(at most {people(max(params))})", "bars", x, [-one * scale for one in params], paths),
        ),
        Records(["path", "op", "macs", "params"], rows),
        _bands(paths),
    )


def _memory(analysis: Analysis) -> Plot:
    """Tensors in memory as each layer runs, one on the other: read, written, and held for later; the peak is named."""
    from bneck_cli.flow.liveness import steps

    held = steps(analysis)
    if not held:
        raise BneckError(f"{analysis.name} has no layer that writes a tensor")
    x = list(range(len(held)))
    at = max(x, key=lambda index: held[index].alive)
    paths = [step.path for step in held]
    mib = 2**20
    looks = [
        Series(name, "steps", x, [getattr(step, key) / mib for step in held], paths)
        for name, key in (("held for later", "held"), ("read", "reads"), ("written", "writes"))
    ]
    most = held[at].alive
    ring = Series(f"peak: {Bytes(most)}\nat {paths[at]}", "ring", [at], [most / mib])
    rows = [[step.path, step.reads, step.writes, step.held, step.alive] for step in held]
    return Plot(
        f"{analysis.name}: tensors in memory as each layer runs (fp32, batch {analysis.batch})",
        "layers, in order",
        "MiB",
        (*looks, ring),
        Records(["path", "reads", "writes", "held", "alive"], rows),
        _bands(paths),
    )


def _receptive(analysis: Analysis) -> Plot:
    """What a position of each layer's output spans of the input, by depth, beside how far neighbours are apart."""
    from bneck_cli.flow.receptive import reaches

    found = reaches(analysis, folded=False)
    held = [
        (entry.path, reach)
        for entry in entries(analysis.root, folded=False)
        if (reach := found.get(entry.path)) is not None and reach.known and entry.layer.cost.macs and reach.axes
    ]
    held = [(path, reach) for path, reach in held if not {"shortcut", "gate"} & set(path.split("."))]
    if not held:
        raise BneckError(f"no layer of {analysis.name} has a receptive field that is known")
    x = list(range(1, len(held) + 1))
    seen = [max(float(axis.size) for axis in reach.axes) for _, reach in held]
    jump = [max(float(axis.jump) for axis in reach.axes) for _, reach in held]
    rows = [[path, depth, one, two] for (path, _), depth, one, two in zip(held, x, seen, jump, strict=True)]
    return Plot(
        f"{analysis.name}: receptive field of each layer",
        "layers with multiply-adds, in order",
        "positions of the input",
        (Series("receptive field", "line", x, seen), Series("neighbours apart (jump)", "line", x, jump)),
        Records(["path", "layer", "receptive_field", "jump"], rows),
        tuple(band._replace(start=band.start + 1, end=band.end + 1) for band in _bands([path for path, _ in held])),
        (False, True),
    )


def _roofline(analysis: Analysis, device: str) -> Plot:
    """Each layer's operations per second that its bytes allow, under the peaks of a device."""
    from bneck_cli.questions.footprint import footprint

    found = footprint(analysis, device=device)
    peaks = cast("Device", found.device)  # one was asked for
    peak, bandwidth = float(peaks.peak("fp32")), float(peaks.bandwidth)
    held = [(item, item.intensity) for item in found.items if item.intensity]
    if not held:
        raise BneckError(f"{analysis.name} has no layer with operations to plot")
    x = [float(intensity) for _, intensity in held if intensity]
    y = [min(peak, each * bandwidth) for each in x]
    ridge = peak / bandwidth
    low, high = min(*x, ridge) / 2, max(*x, ridge) * 2
    roof = Series("roof", "line", [low, ridge, high], [low * bandwidth, peak, peak])
    rows = [[item.path, item.copies, one, two, item.bound] for (item, _), one, two in zip(held, x, y, strict=True)]
    return Plot(
        f"{analysis.name} on {peaks.name} in fp32",
        "operations per byte moved",
        "attainable operations per second",
        (roof, Series("layers", "points", x, y, [item.path for item, _ in held])),
        Records(["path", "copies", "operations_per_byte", "operations_per_second", "bound"], rows),
        log=(True, True),
    )


def _width(programs: Sequence[tuple[str, Program]], settings: Settings, widths: range) -> Plot:
    """Blocks' multiply-adds over their width; where two cross or how far they are apart can be seen."""
    if not programs or any(program.block is None for _, program in programs):
        raise BneckError("--kind width is for blocks", hint="bneck plot basic bottleneck --channels 8..512")
    for name, program in programs:
        if program.words and program.words.channels:
            raise BneckError(
                f"the plot over the width finds every block's channels (got '{name}')", hint="name it alone"
            )
    step = max(1, len(widths) // MOST_WIDTHS)
    series, rows = [], []
    for name, program in programs:
        x, y = [], []
        for width in widths[::step]:
            try:
                macs = analyze_program(program, settings._replace(channels=width)).macs
            except BneckError:  # the block does not take this width
                continue
            if isinstance(macs, int):
                x.append(width)
                y.append(macs)
                rows.append([name, width, macs])
        if not x:
            raise BneckError(f"{name} has no legal width from {widths[0]} to {widths[-1]}")
        series.append(Series(name, "line", x, y))
    for one, other in combinations(series[:], 2):
        for at, cost in crossings(one, other):
            label = f"{one.name} = {other.name}\nat {at:.4g} channels"
            series.append(Series(label, "ring", [at], [cost]))
    return Plot(
        f"{' and '.join(name for name, _ in programs)} over their width",
        "channels",
        "multiply-adds",
        tuple(series),
        Records(["block", "channels", "macs"], rows),
        log=(True, True),
    )


def crossings(one: Series, other: Series) -> list[tuple[float, float]]:
    """Return where two lines cross, between the points that they share: the width, and the cost there."""
    costs = dict(zip(other.x, other.y, strict=True))
    shared = [(x, y, costs[x]) for x, y in zip(one.x, one.y, strict=True) if x in costs]
    found = [(x, y) for x, y, cost in shared if y == cost]
    for (x, a, b), (next_x, next_a, next_b) in pairwise(shared):
        if (a - b) * (next_a - next_b) < 0:
            part = log(a / b) / (log(a / b) - log(next_a / next_b))
            found.append((x * (next_x / x) ** part, a * (next_a / a) ** part))
    return sorted(found) if len(found) < len(shared) else []


def _library(more: Sequence[str]) -> Plot:
    """Top-1 over multiply-adds of all bundled networks that have one published, the front named; own specs as lines."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.catalog import catalog

    known = [one for one in catalog() if one.kind == "network" and one.top1]
    known.sort(key=lambda one: (one.macs, -(one.top1 or 0)))
    front, best = [], 0.0
    for one in known:
        if one.top1 and one.top1 > best:
            front.append(one)
            best = one.top1
    on_front = {one.name for one in front}
    rows: list[list[Any]] = [
        [one.name, one.family, one.macs, one.params, one.top1, one.name in on_front] for one in known
    ]
    families = sorted({one.family for one in known})
    series = [
        Series(
            family,
            "points",
            [one.macs for one in known if one.family == family],
            [one.top1 or 0 for one in known if one.family == family],
        )
        for family in families
    ]
    series.append(
        Series(
            "front", "front", [one.macs for one in front], [one.top1 or 0 for one in front], [one.name for one in front]
        )
    )
    for name in more:
        analysis = analyze_program(load(name))
        program = analysis.program.spec
        top1 = next((float(expect.top1) for expect in program.expect if expect.top1), None)
        if not isinstance(analysis.macs, int):
            raise BneckError(f"{name}: a plot needs numbers, and the sizes here are symbols")
        rows.append([analysis.name, program.family, analysis.macs, analysis.cost.params, top1, False])
        look = "ring" if top1 is not None else "mark"
        series.append(Series(analysis.name, look, [analysis.macs], [top1 or 0.0], [analysis.name]))
    return Plot(
        "ImageNet top-1 over multiply-adds, as published",
        "multiply-adds",
        "top-1 in percent",
        tuple(series),
        Records(["name", "family", "macs", "params", "top1", "front"], rows),
        log=(True, False),
    )
