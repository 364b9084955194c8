"""The package as a library, and the bundled library as lists: what a notebook or a script gets."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.formats import FORMATS, Style, as_text
from bneck_cli.language.library import block_files, network_names
from bneck_cli.questions.catalog import catalog, list_report
from bneck_cli.questions.layers import kinds_report
from bneck_cli.sizes.amounts import amount

if TYPE_CHECKING:
    from pathlib import Path

SPEC = "input: 3 x 32 x 32\nnet(width=8): conv 3x3 width -> bn -> relu\n"


def test_a_name_a_path_and_a_text_are_analysed(tmp_path: Path) -> None:
    """``analyze`` takes a bundled name, a path or the text of a spec, and parameters by name."""
    (tmp_path / "mine.yaml").write_text(SPEC, encoding="utf-8")
    assert bneck_cli.analyze(tmp_path / "mine.yaml").cost == bneck_cli.analyze(SPEC).cost
    assert bneck_cli.analyze(SPEC, width=16).cost.params == 3 * 9 * 16 + 2 * 16
    assert bneck_cli.analyze("resnet18", input="3x64x64", classes=10).root.out.channels == 10


def test_compare_is_a_function_however_often_it_is_called() -> None:
    """``compare`` compares names and texts, and stays a function after the first call."""
    for _ in range(2):
        comparison = bneck_cli.compare("basic", "bottleneck", channels=256, input="56x56")
    values = {metric.key: metric.values for metric in comparison.metrics}
    assert values["conv_params"] == (1_179_648, 69_632)
    assert values["macs"] == (3_699_376_128, 218_365_952)
    assert "1/16.9 of the" in comparison.conclusion[0]
    assert callable(bneck_cli.compare)
    assert callable(bneck_cli.each_layer)


def test_layers_come_in_execution_order_with_their_places() -> None:
    """``each_layer`` yields each layer once, or identical ones together, with the same sums."""
    analysis = bneck_cli.analyze("resnet50")
    opened, folded = list(bneck_cli.each_layer(analysis)), list(bneck_cli.each_layer(analysis, folded=True))
    assert opened[0].path == "conv"
    assert opened[-1].path == "linear"
    assert len(opened) == sum(entry.copies for entry in folded) > len(folded)
    assert sum(e.layer.cost.macs * e.copies for e in folded) == analysis.cost.macs


EVERY = {
    "analyze": lambda: bneck_cli.analyze("resnet18"),
    "compare": lambda: bneck_cli.compare("basic 64", "bottleneck 256"),
    "match": lambda: bneck_cli.match("basic", "bottleneck", measure="weights", channels=64),
    "explain": lambda: bneck_cli.explain("bottleneck", channels=256),
    "diff": lambda: bneck_cli.diff("resnet18", "resnet18", input_b="320x320"),
    "lint": lambda: bneck_cli.lint("mobilenet_v2", all=True),
    "footprint": lambda: bneck_cli.footprint("resnet18", batch=2, dtype="fp16"),
    "sweep": lambda: bneck_cli.sweep("mobilenet_v2", {"width": [0.5, 1.0]}),
    "page": lambda: bneck_cli.page("resnet18"),
    "reconcile": lambda: bneck_cli.reconcile("resnet50", "4.11G"),
    "layers": lambda: bneck_cli.layers("conv"),
}


@pytest.mark.parametrize("name", EVERY)
def test_every_question_has_an_answer(name: str, tmp_path: Path) -> None:
    """Each function's answer prints in a line, is a page in a notebook, and is written in every format as data."""
    answer = EVERY[name]()
    assert repr(answer).startswith("<bneck ")
    assert len(repr(answer)) < 200
    assert "\n" not in repr(answer)
    assert answer._repr_html_().startswith("<!DOCTYPE html>")
    assert str(answer) == answer.text().rstrip("\n")
    assert answer.to_dict()["command"]
    assert all(isinstance(record, dict) for record in answer.records())
    answer.write(file=tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == answer.to_dict()
    stream = io.StringIO()
    answer.write("csv", stream)
    assert stream.getvalue() == answer.text("csv")
    with pytest.raises(BneckError, match="unknown format 'docx'"):
        answer.write("docx", stream)


def test_the_face_is_what_it_says() -> None:
    """Every name of the package is there; what the commands are called, the functions are."""
    assert all(getattr(bneck_cli, name) is not None for name in bneck_cli.__all__)
    assert set(EVERY) <= set(bneck_cli.__all__)
    assert bneck_cli.__version__.count(".") >= 1


def test_layers_are_records_of_numbers() -> None:
    """Records hold numbers as numbers and nothing where a layer has none; a table of them adds up."""
    network = bneck_cli.analyze("densenet121")
    rows = network.layers()
    assert sum(row["macs"] for row in rows) == network.macs
    assert sum(row["params"] for row in rows) == network.params
    folded = network.layers(fold=True)
    assert sum(row["params"] * row["repeat"] for row in folded) == network.params
    words = {key for row in rows for key, cell in row.items() if isinstance(cell, str)}
    assert words == {"path", "op"}


def test_layers_make_a_frame() -> None:
    """One line makes a data frame whose columns of numbers are numeric."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(bneck_cli.analyze("mobilenet_v2").layers())
    texts = [name for name in frame.columns if not pandas.api.types.is_numeric_dtype(frame[name])]
    assert texts == ["path", "op"]


def test_an_answer_can_be_copied_and_has_what_it_found() -> None:
    """An answer has the attributes of what it found, and no others."""
    import copy

    answer = bneck_cli.compare("basic 64", "bottleneck 256")
    assert copy.copy(answer).metrics == answer.found.metrics
    with pytest.raises(AttributeError):
        _ = answer.nonsense
    assert "svg" in bneck_cli.draw("basic 64")._repr_html_()
    with pytest.raises(BneckError, match="no rows"):
        bneck_cli.draw("basic 64").records()


def test_a_sweep_is_what_each_design_by_itself_is(tmp_path: Path) -> None:
    """Lists, ranges and texts vary; the best are chosen, and asking twice gives the same."""
    found = bneck_cli.sweep("mobilenet_v2", {"width": [0.5, 1.0], "side": range(128, 225, 96)}, best=3, minimize="macs")
    assert len(found.records()) == 3
    for record in found.records():
        side = f"{record['side']}x{record['side']}"
        one = bneck_cli.analyze("mobilenet_v2", width=record["width"], input=side)
        assert (record["params"], record["macs"]) == (one.params, one.macs)
    assert (
        found.records()
        == bneck_cli.sweep("mobilenet_v2", {"width": "0.5,1", "side": "128:224:96"}, best=3, minimize="macs").records()
    )
    assert found.to_dict()["designs"] == found.to_dict()["designs"] == 4
    kept = bneck_cli.sweep("mobilenet_v2", {"width": "0.25:1.5:0.25"}, keep="macs < 300M", columns=["macs"])
    assert [record["width"] for record in kept.records()] == [0.25, 0.5, 0.75]
    assert len(bneck_cli.sweep("mobilenet_v2", {"width": [0.5, 1.0], "side": [128, 224]}, zip=True).records()) == 2
    with pytest.raises(BneckError, match="exclude each other"):
        bneck_cli.sweep("mobilenet_v2", {"width": [1]}, minimize="macs", maximize="params")
    with pytest.raises(BneckError, match="unknown total 'mac'"):
        bneck_cli.sweep("mobilenet_v2", {"width": [1]}, columns=["mac"])


def test_a_plot_has_points_and_is_drawn(tmp_path: Path) -> None:
    """The points are the layers' own figures; a file's suffix says how it is drawn."""
    plot = bneck_cli.plot("resnet18")
    assert sum(record["macs"] for record in plot.records()) == bneck_cli.analyze("resnet18").macs
    widths = bneck_cli.plot("basic", "bottleneck", channels=range(8, 65, 8))
    assert {record["channels"] for record in widths.records()} == set(range(8, 65, 8))
    assert repr(plot).startswith("<bneck plot: ResNet-18")
    plot.write(file=tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == plot.text()
    with pytest.raises(BneckError, match="unknown plot 'gif'"):
        plot.text("gif")
    with pytest.raises(BneckError, match="range of widths"):
        bneck_cli.plot("basic", kind="width")
    pytest.importorskip("matplotlib")
    plot.write(file=tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in plot._repr_html_()


def test_a_page_holds_what_the_command_writes(tmp_path: Path) -> None:
    """One spec or several; none is an error."""
    bneck_cli.page("resnet18", "resnet34").write(file=tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert "ResNet-18 and ResNet-34" in text
    assert "Comparison" in text
    with pytest.raises(BneckError, match="needs a spec"):
        bneck_cli.page()


def test_symbols_are_kept_where_asked() -> None:
    """``symbolic`` keeps batch, sides and channels, ``symbols`` parameters."""
    assert str(bneck_cli.analyze("bottleneck", symbolic=True).macs) == "17*C**2*H*N*W//16"
    assert str(bneck_cli.analyze("resnet18", symbols=["classes"]).params) == "513*classes + 11176512"
    compared = bneck_cli.compare("basic", "bottleneck", symbolic=True)
    assert {str(metric.values) for metric in compared.metrics if metric.key == "macs"} == {
        "(18*C**2*H*N*W, 17*C**2*H*N*W//16)"
    }


def test_a_footprint_takes_what_the_command_does() -> None:
    """Types of parts, the form of attention, and what runs again."""
    found = bneck_cli.footprint(
        "vit_b_16", dtype="bf16,master=fp32", optimizer="adamw", attention="plain", recompute="full", inplace=True
    )
    data = found.to_dict()
    assert data["types"]["master"] == "fp32"
    assert data["recompute"] == "full"
    assert data["training"]["recomputed_macs"] == found.again > 0


def test_the_types_of_the_face_hold(tmp_path: Path) -> None:
    """A strict type checker knows what the functions take and return."""
    api = pytest.importorskip("mypy.api")
    (tmp_path / "user.py").write_text(
        "import bneck_cli\n"
        "from bneck_cli.questions.compare import Comparison\n"
        "network = bneck_cli.analyze('resnet50', batch=2)\n"
        "name: str = network.name\n"
        "records: list[dict[str, object]] = network.layers()\n"
        "found: Comparison = bneck_cli.compare('basic 64', 'bottleneck 256').found\n"
        "bneck_cli.analyze('resnet50', batch='two')  # type: ignore[arg-type]\n"
        "bneck_cli.BneckError('x')\nversion: str = bneck_cli.__version__\n",
        encoding="utf-8",
    )
    out, errors, code = api.run(["--strict", "--no-incremental", str(tmp_path / "user.py")])
    assert (code, errors) == (0, ""), out


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """The package has no other names than it says."""
    with pytest.raises(AttributeError, match="has no attribute 'layerz'"):
        bneck_cli.layerz  # noqa: B018


def test_a_mixture_cannot_be_compared() -> None:
    """A block and a network have nothing to compare."""
    with pytest.raises(BneckError, match="cannot compare a block with a network"):
        bneck_cli.compare("basic", "resnet18", channels=64)


def test_lists_hold_everything_in_every_format() -> None:
    """Each format of the list names every network and block; CSV and JSON hold plain numbers."""
    listings = catalog()
    texts = {name: as_text(list_report(listings), name) for name in FORMATS if name != "python"}
    for name in (*network_names(), *block_files()):
        assert all(name in text or name.replace("_", "\\_") in text for text in texts.values()), name
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    numbers = {row["name"]: int(row["macs"]) for row in rows}
    assert numbers == {row["name"]: row["macs"] for row in json.loads(texts["json"])["entries"]}
    assert numbers["resnet50"] == 4_089_184_256
    assert max(map(len, as_text(list_report(listings), "text", Style(width=60)).splitlines())) <= 60


@pytest.mark.parametrize("key", ["name", "family", "year", "params", "macs", "top1"])
def test_lists_are_sorted(key: str) -> None:
    """A list sorted by a key is in that key's order, numbers as numbers."""
    rows = [row for row in catalog(sort=key) if row.kind == "network"]
    values = [getattr(row, key) for row in rows]
    known = [value for value in values if value is not None]
    numeric = key in ("year", "params", "macs", "top1")
    expected = sorted(known, key=lambda value: float(value) if numeric else str(value).lower())
    assert known == expected
    assert values[: len(known)] == known


def test_a_family_by_itself() -> None:
    """A family's name, in any case, leaves its networks alone."""
    assert {row.name for row in catalog(family="vgg")} == {name for name in network_names() if name.startswith("vgg")}
    assert catalog(max_params="1") == []


@pytest.mark.parametrize(("text", "value"), [("1G", 10**9), ("1.5g", 1_500_000_000), ("300M", 300_000_000), ("7", 7)])
def test_amounts(text: str, value: int) -> None:
    """An amount is a number with a unit."""
    assert amount(text, "--max-macs") == value


def test_kinds_are_listed_by_how_they_are_written() -> None:
    """The list of kinds begins with the convolution and shows each kind's arguments."""
    usages = [kind["usage"] for kind in kinds_report().data()["kinds"]]
    assert usages[0].startswith("conv KERNEL CHANNELS stride=1")
    assert any(usage.startswith("linear CHANNELS [nobias]") for usage in usages)


def test_blocks_are_compared_each_at_its_own_channels(tmp_path: Path) -> None:
    """A block's name may be followed by its channels and options, as in a spec; a file's name may have spaces."""
    from bneck_cli.engine.settings import read_settings
    from bneck_cli.language.library import load
    from bneck_cli.questions.compare import compare_programs

    names = ("basic 64", "bottleneck 256 stride=2")
    comparison = compare_programs([(name, load(name)) for name in names], read_settings(input="56x56"))
    assert bneck_cli.compare(*names, input="56x56").metrics == comparison.metrics
    own = [bneck_cli.analyze("basic", channels=64), bneck_cli.analyze("bottleneck", channels=256, stride=2)]
    assert [candidate.analysis.cost for candidate in comparison.candidates] == [each.cost for each in own]
    assert [candidate.name for candidate in comparison.candidates] == list(names)
    (tmp_path / "my spec.yaml").write_text(SPEC, encoding="utf-8")
    assert load(str(tmp_path / "my spec.yaml")).words is None


def test_a_batch_multiplies_what_runs() -> None:
    """``cost`` is one input's; ``macs`` and ``activations`` are those of the batch, and parameters stay."""
    one, many = bneck_cli.analyze("resnet18"), bneck_cli.analyze("resnet18", batch=8)
    assert many.cost == one.cost
    assert (many.macs, many.activations) == (8 * one.cost.macs, 8 * one.cost.activations)
    assert one.macs == one.cost.macs


@pytest.mark.parametrize("batch", [0, -3, True, 2.5, "4"])
def test_a_batch_is_a_whole_number_from_1(batch: object) -> None:
    """Anything else is refused, as the command line does."""
    with pytest.raises(BneckError, match="the batch must be a whole number from 1"):
        bneck_cli.analyze("resnet18", batch=batch)  # type: ignore[arg-type]
    with pytest.raises(BneckError, match="the batch must be a whole number from 1"):
        bneck_cli.compare("basic", "bottleneck", channels=64, batch=batch)  # type: ignore[arg-type]
