"""The points of plots are the analysis's own, and a picture of them is a file, where matplotlib is there."""

from __future__ import annotations

import csv
import io
from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from running import run

import bneck_cli
from bneck_cli.questions.plot import KINDS

if TYPE_CHECKING:
    from pathlib import Path

DRAWN = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")
PLOTS = {
    "cost": ["resnet18"],
    "receptive": ["resnet18", "--kind", "receptive"],
    "roofline": ["resnet18", "--kind", "roofline", "--device", "100GFLOPS,20GB/s"],
    "memory": ["resnet18", "--kind", "memory"],
    "width": ["basic", "bottleneck", "--channels", "8..64"],
    "library": ["--with", "resnet18"],
}


def points(*words: str) -> list[dict[str, str]]:
    """Return the points of a plot."""
    done = run("plot", *words, "--format", "csv")
    assert done.code == 0, done.err
    return list(csv.DictReader(io.StringIO(done.out)))


def test_the_points_of_the_cost_are_all_of_it() -> None:
    """Every layer with multiply-adds is there once, in order, with those and its parameters."""
    for name in ("resnet50", "mobilenet_v2", "vit_b_16"):
        rows = points(name)
        layers = [layer for layer in bneck_cli.analyze(name).layers() if layer["macs"]]
        assert [(row["path"], int(row["macs"]), int(row["params"])) for row in rows] == [
            (layer["path"], layer["macs"], layer["params"]) for layer in layers
        ]


def test_memory_over_time_has_the_peak_of_liveness() -> None:
    """The largest step is the peak, wherever skips and copies are; a chain of two holds what is read and written."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.flow.liveness import peak, steps
    from bneck_cli.language.library import load

    for name in ("resnet50", "densenet121", "unet", "vit_b_16", "lstm_lm", "googlenet", "hrnet_w18"):
        analysis = analyze_program(load(name))
        found = steps(analysis)
        assert max(step.alive for step in found) == peak(analysis).bytes, name
        assert all(step.held >= 0 for step in found), name
    two = bneck_cli.analyze("input: 1 x 4 x 4\nnet: conv 3x3 2 -> conv 1x1 3\n")
    assert [(step.reads, step.writes, step.held) for step in steps(two.found)] == [(64, 128, 0), (128, 192, 0)]


def test_blocks_that_cross_are_marked_where_they_cost_the_same() -> None:
    """A block of fixed width and one that grows cost the same at one width, which is worked out by hand."""
    from bneck_cli.questions.plot import Series, crossings

    one = Series("a", "line", [8, 16, 32], [64, 256, 1024])  # C²
    other = Series("b", "line", [8, 16, 32], [160, 320, 640])  # 20·C
    ((width, macs),) = crossings(one, other)
    assert width == pytest.approx(20)
    assert macs == pytest.approx(400)
    assert crossings(one, Series("c", "line", [8, 16], [64, 300])) == [(8, 64)]
    assert crossings(one, one) == []


def test_the_front_of_the_library_is_one() -> None:
    """On the front is whatever no network beats with no more multiply-adds; an own spec is a row of its own."""
    rows = [row for row in points("--with", "resnet18") if row["top1"]]
    known = [(int(row["macs"]), float(row["top1"])) for row in rows]
    assert len(rows) > 60
    for row, (macs, top1) in zip(rows[:-1], known[:-1], strict=True):
        beaten = any(other <= macs and best > top1 for other, best in known)
        assert not (row["front"] == "True" and beaten)
        best = all(other > macs or best < top1 or (other, best) == (macs, top1) for other, best in known)
        assert not best or row["front"] == "True"
    assert rows[-1]["name"] == "ResNet-18"


def test_the_points_over_the_width_are_analyses() -> None:
    """Each width is analysed by itself, in steps of the first."""
    rows = points(*PLOTS["width"])
    assert [int(row["channels"]) for row in rows if row["block"] == "basic"] == list(range(8, 65, 8))
    for row in rows:
        assert int(row["macs"]) == bneck_cli.analyze(row["block"], channels=int(row["channels"])).macs


def test_the_points_of_what_a_position_sees_are_the_table_s() -> None:
    """The receptive field grows to that of the last map, and neighbours are its stride apart."""
    rows = points(*PLOTS["receptive"])
    fields = [float(row["receptive_field"]) for row in rows]
    assert fields == sorted(fields)
    assert (fields[-1], float(rows[-1]["jump"])) == (435, 32)


def test_the_points_of_the_roofline_are_under_it() -> None:
    """A layer is bound by memory below the ridge and by compute above it, and reaches what its bytes allow."""
    for row in points(*PLOTS["roofline"]):
        each = float(row["operations_per_byte"])
        assert float(row["operations_per_second"]) == pytest.approx(min(100e9, each * 20e9), rel=1e-4)
        assert row["bound"] == ("compute" if each > 5 else "memory")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resnet18", "--kind", "coost"], "did you mean 'cost'"),
        (["basic", "--kind", "width"], "range of widths"),
        (["resnet18", "--channels", "8..64"], "is for blocks"),
        (["basic", "--channels", "64..8"], "widths read 8..512"),
        (["resnet18", "resnet34"], "takes one spec"),
        (["resnet18", "--with", "resnet34"], "--with is for"),
        (["resnet18", "--device", "a100"], "--device is for --kind roofline"),
        (["--device", "a100"], "--device is for --kind roofline"),
        (["--channels", "64"], "the plot of the library takes none"),
        (["--channels", "8..64"], "the plot of the library takes none"),
        (["--set", "classes=3"], "the plot of the library takes none"),
        (["--input", "3x32x32"], "the plot of the library takes none"),
        (["resnet18", "--input", "3xHxW"], "needs numbers"),
        (["resnet18", "--format", "gif"], "no format 'gif'"),
    ],
)
def test_what_cannot_be_plotted_is_refused(words: list[str], message: str) -> None:
    """A wrong request is one message."""
    done = run("plot", *words, *([] if "--format" in words else ["--format", "csv"]))
    assert done.code in (1, 2)
    assert message in " ".join(done.err.replace("│", " ").split())


@DRAWN
@pytest.mark.parametrize("kind", KINDS)
def test_a_plot_is_drawn(kind: str, tmp_path: Path) -> None:
    """Every plot is a file in each format, and the same bytes twice as SVG; the library is analysed for that alone."""
    begins_with = {"svg": b"<?xml"} if kind == "library" else {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}
    for suffix, begins in begins_with.items():
        file = tmp_path / f"{kind}.{suffix}"
        assert run("plot", *PLOTS[kind], "-o", str(file)).code == 0
        assert file.read_bytes().startswith(begins)
    first = (tmp_path / f"{kind}.svg").read_bytes()
    run("plot", *PLOTS[kind], "-o", str(tmp_path / f"{kind}.svg"))
    assert (tmp_path / f"{kind}.svg").read_bytes() == first


def test_without_matplotlib_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where matplotlib is missing the message says what to install, and the points are there all the same."""
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run("plot", "resnet18")
    assert done.code == 1
    assert "needs matplotlib" in done.err
    assert points("resnet18")
