"""Plots by matplotlib, which is imported only here, when a plot is drawn."""

from __future__ import annotations

from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Sequence

STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "bneck",
    "svg.fonttype": "none",
    "figure.constrained_layout.use": True,
}
COLOURS = ("tab10", "tab20")
DATED = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
"""What keeps the same plot the same bytes."""


def chart(
    title: str, axes: tuple[str, str], log: tuple[bool, bool], series: Sequence[Any], bands: Sequence[Any], format: str
) -> bytes:
    """Draw series over bands; return the file as ``svg``, ``pdf`` or ``png``.

    Raises BneckError if matplotlib is not installed.
    """
    try:
        matplotlib: Any = import_module("matplotlib")
        figures: Any = import_module("matplotlib.figure")
    except ImportError:
        raise BneckError(
            "plotting needs matplotlib, which is not installed",
            hint="pip install matplotlib, or --format csv for its points",
        ) from None
    with matplotlib.rc_context(STYLE):
        figure = figures.Figure(figsize=(7.2, 4.2))
        plane = figure.subplots()
        colours = matplotlib.colormaps[COLOURS[len(series) > 10]].colors
        plane.margins(x=0.12 if log[0] else 0.01)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        plane.set_xlabel(axes[0])
        plane.set_ylabel(axes[1])
        if log[0]:
            plane.set_xscale("log")
        if log[1]:
            plane.set_yscale("log")
        for index, band in enumerate(bands):
            plane.axvspan(band.start, band.end, color="#f2f3f7" if index % 2 else "#e6e9f0", zorder=0)
            middle, across = (band.start + band.end) / 2, plane.get_xaxis_transform()
            plane.text(middle, 0.98, band.name, transform=across, ha="center", va="top", fontsize=8, color="#555555")
        base: list[float] = []
        for index, each in enumerate(series):
            if each.look == "steps":
                base = base or [0.0] * len(each.y)
                top = [a + b for a, b in zip(base, each.y, strict=True)]
                plane.bar(each.x, each.y, width=1.0, bottom=base, label=each.name, color=colours[index % len(colours)])
                base = top
            else:
                _draw(plane, each, colours[index % len(colours)])
        if any(each.look == "bars" for each in series):
            plane.axhline(0, color="#333333", linewidth=0.8)
            plane.set_yticks([])
        if len(series) > 1:
            many = len(series) > 6
            figure.legend(loc="outside right upper", fontsize=7 if many else 8, frameon=False)
        held = BytesIO()
        figure.savefig(held, format=format, dpi=200, metadata=DATED[format])
    return held.getvalue()


def _draw(plane: Any, each: Any, colour: Any) -> None:
    """Draw one series by its look."""
    match each.look:
        case "bars":
            plane.bar(each.x, each.y, width=0.85, label=each.name, color=colour)
        case "line":
            plane.plot(each.x, each.y, label=each.name, color=colour, linewidth=1.6)
        case "points":
            plane.scatter(each.x, each.y, label=each.name, color=[colour], s=18, zorder=3)
        case "front":
            plane.plot(each.x, each.y, label=each.name, color="#333333", linewidth=1, linestyle="--")
            _name(plane, each)
        case "ring":
            plane.scatter(
                each.x, each.y, label=each.name, facecolors="none", edgecolors="#c2255c", s=70, linewidths=1.8, zorder=4
            )
            if each.labels:
                _name(plane, each)
        case _:
            plane.axvline(each.x[0], label=each.name, color="#c2255c", linewidth=1.2)


LEFT_EDGE = 0.15
"""Of the width: a label to the left of a point there would be cut off."""
LEAST_APART = 0.02
"""Of the height: labels nearer to each other are left out."""


def _name(plane: Any, each: Any) -> None:
    """Name points where there is room: above each on the left (near the left edge, on the right), highest first."""
    last = None
    place = plane.transData + plane.transAxes.inverted()
    low, high = plane.get_ylim()
    for x, y, label in sorted(zip(each.x, each.y, each.labels, strict=True), key=lambda point: -point[1]):
        if last is None or last - y > LEAST_APART * (high - low):
            side = -1 if place.transform((x, y))[0] > LEFT_EDGE else 1
            ha = "right" if side < 0 else "left"
            plane.annotate(label, (x, y), xytext=(side * 5, 3), textcoords="offset points", ha=ha, fontsize=7)
            last = y
