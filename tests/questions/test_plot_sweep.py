"""Plots of sweeps: the points are the sweep's rows, and the file of a sweep gives the same plot."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from running import bneck, run

from bneck_cli.engine.settings import Settings
from bneck_cli.language.library import load
from bneck_cli.questions.plot_sweep import plot_of_file, plot_of_sweep

if TYPE_CHECKING:
    from pathlib import Path

FAMILY = ("width=0.5:1:0.1", "side=64:128:32")


def family(*vary: str, **asked: object) -> object:
    """Plot a sweep of MobileNetV2."""
    return plot_of_sweep("mobilenet_v2", load("mobilenet_v2"), Settings(), vary or FAMILY, **asked)  # type: ignore[arg-type]


def test_points_are_the_rows() -> None:
    """The CSV of a plot is that of the sweep."""
    options = [word for axis in FAMILY for word in ("--vary", axis)]
    plotted = list(csv.reader(io.StringIO(bneck("plot", "mobilenet_v2", *options, "--format", "csv"))))
    swept = list(
        csv.reader(io.StringIO(bneck("sweep", "mobilenet_v2", *options, "--columns", "macs,params", "-f", "csv")))
    )
    assert sorted(plotted[0]) == sorted(swept[0])
    order = [plotted[0].index(name) for name in swept[0]]
    assert [[float(row[at]) for at in order] for row in plotted[1:]] == [
        [float(cell) for cell in row] for row in swept[1:]
    ]


def test_what_stands_on_the_axes() -> None:
    """Of one axis a line, of two a line for each value of the smaller, of three dots of two totals."""
    one = family("side=64:128:8")
    assert (one.x, one.y, [each.look for each in one.series]) == ("side", "macs", ["line"])
    two = family()
    assert (two.x, [each.name for each in two.series]) == ("width", ["side 64", "side 96", "side 128"])
    assert all(list(each.y) == sorted(each.y) and len(each.x) == 6 for each in two.series)
    three = family(*FAMILY, "classes=10,1000")
    assert (three.x, three.y, {each.look for each in three.series}) == ("params", "macs", {"points"})
    assert sum(len(each.x) for each in three.series) == 6 * 3 * 2
    chosen = family(x="params", y="activations")
    assert (chosen.x, chosen.y) == ("params", "activations")


def test_the_front_is_the_sweep_s() -> None:
    """The named line has the designs of ``sweep --pareto --maximize``."""
    plotted = family(pareto=("params", "macs"), most="macs")
    line = plotted.series[-1]
    options = [word for axis in FAMILY for word in ("--vary", axis)]
    asked = ("--pareto", "params,macs", "--maximize", "macs", "-f", "csv")
    rows = list(csv.DictReader(io.StringIO(bneck("sweep", "mobilenet_v2", *options, *asked))))
    assert list(zip(line.x, line.y, strict=True)) == [(int(row["params"]), int(row["macs"])) for row in rows]
    assert line.labels[0] == f"width {float(rows[0]['width']):g}, side {rows[0]['side']}"


@pytest.mark.parametrize("format", ["csv", "tsv", "jsonl", "parquet"])
def test_a_file_gives_the_same_plot(tmp_path: Path, format: str) -> None:
    """Whatever the format in which the sweep was saved."""
    if format == "parquet":
        pytest.importorskip("pyarrow")
    options = [word for axis in FAMILY for word in ("--vary", axis)]
    bneck("sweep", "mobilenet_v2", *options, "-o", f"found.{format}", folder=tmp_path)
    found = plot_of_file(str(tmp_path / f"found.{format}"))
    assert found.series == family().series


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["missing.csv"], "missing.csv: cannot be read"),
        (["empty.csv"], "not a sweep"),
        (["words.csv"], "not a sweep"),
        (["bare.csv"], "bare.csv has no total to plot"),
        (["words.jsonl"], "not a sweep"),
        (["bad.parquet"], "bad.parquet: "),
        (["resnet50", "--vary", "side=64:128", "--pareto", "macs"], "needs two totals"),
        (["resnet50", "--vary", "side=64:128", "--x", "mac"], "did you mean 'macs'"),
        (["resnet50", "--vary", "depth=64:128"], "cannot vary here"),
        (["resnet50", "--vary", "side=1:4000", "--vary", "classes=1:4000"], "at most 4,000,000 designs"),
        (["resnet50", "vgg16", "--vary", "side=64:128"], "for one spec at a time"),
        (["resnet50", "--pareto", "macs,params"], "need a sweep"),
    ],
)
def test_what_is_no_plot_of_a_sweep_is_told(words: list[str], said: str, tmp_path: Path) -> None:
    """One message, and no file."""
    if "bad.parquet" in words:
        pytest.importorskip("pyarrow")
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    (tmp_path / "words.csv").write_text("a,macs\nb,c\n", encoding="utf-8")
    (tmp_path / "bare.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    (tmp_path / "words.jsonl").write_text("[1]\n{\n", encoding="utf-8")
    (tmp_path / "bad.parquet").write_text("no", encoding="utf-8")
    done = run("plot", *words, "--format", "csv", folder=tmp_path)
    assert done.code
    assert done.out == ""
    assert said in " ".join(done.err.replace("│", " ").split())
