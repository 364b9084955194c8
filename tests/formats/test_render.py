"""Every renderer: golden output, and printed rows that add up to the printed totals.

``pytest --accept`` writes the golden files anew; look at the difference before you keep it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING

import pytest

from bneck_cli import analyze
from bneck_cli.engine.analysis import Analysis, analyze_program
from bneck_cli.engine.settings import Settings, read_settings
from bneck_cli.formats import Style, as_text
from bneck_cli.formats._delimited import harmless
from bneck_cli.language.library import load
from bneck_cli.questions import compare
from bneck_cli.questions.analyze import report
from bneck_cli.questions.compare import compare_programs
from bneck_cli.questions.rows import View

if TYPE_CHECKING:
    from collections.abc import Callable

PIPE = Style()
NETWORKS = ("resnet50", "densenet121", "inception_v3", "swin_t", "unet", "mobilenet_v3_small", "efficientnet_b1")
BLOCK = read_settings(channels="256")
SYMBOLIC = read_settings(input="3xHxW", assume="H%32==0,W%32==0")


def rendered(name: str, form: str, settings: Settings = Settings(), view: View = View(), style: Style = PIPE) -> str:
    """Render a bundled spec in one format."""
    return as_text(report(analyze_program(load(name), settings), view), form, style)


def compared(names: list[str], form: str, settings: Settings, style: Style = PIPE) -> str:
    """Render a comparison of bundled specs."""
    return as_text(compare.report(compare_programs([(name, load(name)) for name in names], settings)), form, style)


CASES = {
    "resnet50-depth1-80.txt": lambda: rendered("resnet50", "text", view=View(depth=1), style=Style(80)),
    "resnet50-depth2-120.txt": lambda: rendered("resnet50", "text", view=View(depth=2), style=Style(120)),
    "resnet18-200.txt": lambda: rendered("resnet18", "text", style=Style(200)),
    "resnet50-symbolic.txt": lambda: rendered("resnet50", "text", SYMBOLIC, View(depth=1)),
    "resnet50-top.txt": lambda: rendered("resnet50", "text", view=View(sort="macs", top=5)),
    "bottleneck.csv": lambda: rendered("bottleneck", "csv", BLOCK),
    "bottleneck.tsv": lambda: rendered("bottleneck", "tsv", BLOCK),
    "bottleneck.json": lambda: rendered("bottleneck", "json", BLOCK),
    "bottleneck.md": lambda: rendered("bottleneck", "markdown", BLOCK),
    "bottleneck.tex": lambda: rendered("bottleneck", "latex", BLOCK),
    "compare-200.txt": lambda: compared(["basic", "bottleneck"], "text", BLOCK, Style(200)),
    "compare-80.txt": lambda: compared(["basic", "bottleneck"], "text", BLOCK, Style(80)),
    "compare-symbolic.txt": lambda: compared(["basic", "bottleneck"], "text", read_settings(channels="C"), Style(120)),
    "compare.csv": lambda: compared(["basic", "bottleneck", "resnext"], "csv", BLOCK),
    "compare.json": lambda: compared(["basic", "bottleneck"], "json", BLOCK),
    "compare.md": lambda: compared(["basic", "bottleneck"], "markdown", BLOCK),
    "compare.tex": lambda: compared(["basic", "bottleneck"], "latex", BLOCK),
    "compare-networks.txt": lambda: compared(["resnet50", "resnet50_v1"], "text", Settings(), Style(160)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden_output(name: str, golden: Callable[[str, str], None]) -> None:
    """What each renderer prints is what was looked at and kept."""
    golden(name, CASES[name]())


def numbers(analysis: Analysis) -> tuple[int, int]:
    """Give a network's totals as plain numbers."""
    cost = analysis.cost
    assert isinstance(cost.params, int)
    assert isinstance(cost.macs, int)
    return cost.params, cost.macs


def number(text: str) -> int:
    """Read a number that was printed for people."""
    return int(re.sub(r"[,{}]", "", text) or 0)


def added(lines: list[dict[str, str]]) -> tuple[int, int]:
    """Add printed rows up: those that no row stands below."""
    params = macs = 0
    levels = [len(line["layer"]) - len(line["layer"].lstrip()) for line in lines]
    for index, line in enumerate(lines):
        if index + 1 == len(lines) or levels[index + 1] <= levels[index]:
            params += number(line["params"])
            macs += number(line["MACs"])
    return params, macs


def table_lines(text: str) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Take a printed table apart by the positions of its headings: its rows, and its total."""
    lines = text.split("\n")
    rule = next(index for index, line in enumerate(lines) if line.startswith("──"))
    heading = lines[rule - 1]
    body = [line for line in lines[rule + 1 :] if line]
    end = next(index for index, line in enumerate(body) if line.startswith("──"))
    right = {"params", "MACs", "×", "groups", "g"}
    names = [(match.group(), match.start(), match.end()) for match in re.finditer(r"\S+", heading)]

    def cells(line: str) -> dict[str, str]:
        found = {}
        for index, (name, start, stop) in enumerate(names):
            if name in right:
                before = line[:stop]
                found[name] = before.rsplit(" ", 1)[-1] if before.endswith(tuple("0123456789")) else ""
            else:
                following = names[index + 1][1] if index + 1 < len(names) and names[index + 1][0] not in right else None
                found[name] = line[start:following].rstrip() if name == "layer" else line[start:stop]
        return found

    rows = []
    for line in body[:end]:
        row = cells(line)
        indent = len(line) - len(line.lstrip())
        row["layer"] = " " * indent + line.split()[0]
        rows.append(row)
    return rows, cells(body[end + 1])


@pytest.mark.parametrize("width", [None, 80, 120, 200])
@pytest.mark.parametrize("view", [View(), View(depth=1), View(depth=2), View(expand=True)], ids=str)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_rows_of_a_table_add_up_to_its_total(name: str, view: View, width: int | None) -> None:
    """At every width and depth, the printed rows add up to the printed total."""
    rows, total = table_lines(rendered(name, "text", view=view, style=Style(width)))
    expected = numbers(analyze_program(load(name)))
    assert added(rows) == expected
    assert (number(total["params"]), number(total["MACs"])) == expected


@pytest.mark.parametrize("width", [80, 100, 120, 200])
@pytest.mark.parametrize("name", ["resnet50", "resnext50_32x4d", "vgg16", "vit_b_16", "densenet121", "regnet_y_8gf"])
def test_a_table_keeps_to_its_width(name: str, width: int) -> None:
    """A table with numbers alone fits the terminal, and no digit is cut for it."""
    lines = rendered(name, "text", style=Style(width)).split("\n")
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("view", [View(), View(depth=1), View(depth=2)], ids=str)
@pytest.mark.parametrize("fold", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_sum_over_a_csv_column_is_the_total(name: str, fold: bool, view: View) -> None:
    """CSV has no total row, and its columns sum to the totals (times `repeat`, where it is folded)."""
    rows = list(csv.DictReader(io.StringIO(rendered(name, "csv", view=view._replace(fold=fold)))))
    sums = tuple(sum(int(row[key]) * int(row.get("repeat", 1)) for row in rows) for key in ("params", "macs"))
    assert sums == numbers(analyze_program(load(name)))
    assert ("repeat" in rows[0]) == fold


def test_a_csv_is_in_execution_order_with_a_row_for_each_layer() -> None:
    """Unfolded, every layer that runs has a row, and each follows what it reads."""
    rows = list(csv.DictReader(io.StringIO(rendered("resnet18", "csv"))))
    assert [row["path"] for row in rows[:6]] == ["conv", "bn", "relu", "maxpool", "layer1.0.conv1", "layer1.0.bn1"]
    assert sum(row["op"] == "conv" for row in rows) == 20
    for row in rows:
        assert all(re.fullmatch(r"\d+", value) for key, value in row.items() if key not in ("path", "op") and value)
        assert len(row) == len(set(row))


def test_cells_that_spreadsheets_would_run_are_made_harmless() -> None:
    """Text that begins like a formula gets a quote; numbers stay numbers."""
    assert [harmless(text) for text in ("=1+1", "@x", "-x", "+x", "\tx")] == ["'=1+1", "'@x", "'-x", "'+x", "'\tx"]
    assert [harmless(text) for text in ("-5", "conv", "", "12")] == ["-5", "conv", "", "12"]


def tree_sum(nodes: list[dict[str, object]], key: str) -> int:
    """Add a JSON tree up from its leaves."""
    total = 0
    for node in nodes:
        below = node.get("children")
        each = tree_sum(below, key) if isinstance(below, list) and below else node[key]
        total += each * node["repeat"]  # type: ignore[operator]
    return total


@pytest.mark.parametrize("depth", [None, 1, 2])
@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "inception_v3"])
def test_a_json_tree_adds_up(name: str, depth: int | None) -> None:
    """Leaves times repeats are the totals, at any depth; every group is the sum of what it holds."""
    document = json.loads(rendered(name, "json", view=View(depth=depth)))
    assert document["schema"] == 2
    for key in ("params", "macs"):
        assert tree_sum(document["tree"], key) == document["totals"][key]


@pytest.mark.parametrize("form", ["markdown", "latex"])
@pytest.mark.parametrize("name", ["resnet50", "unet"])
def test_rows_of_markup_add_up(name: str, form: str) -> None:
    """Markdown's and LaTeX's rows add up to their totals."""
    text = rendered(name, form)
    if form == "markdown":
        lines = [line.strip("| ").split(" | ") for line in text.replace("**", "").split("\n") if line.startswith("| ")]
        indent = "&nbsp;&nbsp;"
    else:
        lines = [
            line.removesuffix(" \\\\").split(" & ") for line in text.split("\\endfoot")[1].split("\n") if " & " in line
        ]
        lines.insert(0, next(line.removesuffix(" \\\\").split(" & ") for line in text.split("\n") if " & " in line))
        indent = "\\quad "
    header, *body = lines
    header = ["×" if cell in ("×", "$\\times$") else cell for cell in header]
    rows = [dict(zip(header, line, strict=False)) for line in body]
    for row in rows:
        row["layer"] = " " * row["layer"].count(indent) + row["layer"].replace(indent, "")
    assert added(rows[:-1]) == (number(rows[-1]["params"]), number(rows[-1]["MACs"]))


def test_a_batch_multiplies_multiply_adds_and_not_parameters() -> None:
    """`--batch 8` prints eight times the multiply-adds, in every format."""
    eight = read_settings(batch=8)
    rows = list(csv.DictReader(io.StringIO(rendered("resnet18", "csv", eight))))
    params, macs = numbers(analyze_program(load("resnet18")))
    assert sum(int(row["macs"]) for row in rows) == 8 * macs
    assert sum(int(row["params"]) for row in rows) == params
    assert f"{8 * macs:,}" in rendered("resnet18", "text", eight)
    assert json.loads(rendered("resnet18", "json", eight))["totals"]["macs"] == 8 * macs


def test_the_footer_says_what_is_not_counted() -> None:
    """ResNet-50 leaves 11,113,984 batch-norm elements and 1,000 bias additions uncounted, and says so."""
    text = " ".join(rendered("resnet50", "text").split())
    assert "batch norm 11,113,984" in text
    assert "bias additions 1,000" in text
    assert "global pooling 100,352" in text


def test_symbolic_csv_cells_are_python() -> None:
    """With symbols, a cell is an expression; evaluated and summed they are the total at that input."""
    rows = list(csv.DictReader(io.StringIO(rendered("resnet50", "csv", read_settings(input="3xHxW")))))
    total = sum(eval(row["macs"], {"H": 225, "W": 300}) for row in rows)
    assert total == analyze_program(load("resnet50"), read_settings(input="3x225x300")).cost.macs


@pytest.mark.parametrize(("side", "pads", "shown"), [(9, ("1", "1"), "1"), (10, ("0", "1"), "(0,1,0,1)")])
def test_tensorflow_s_padding_is_shown_in_numbers(side: int, pads: tuple[str, str], shown: str) -> None:
    """``pad=tf_same`` is shown as the rows and columns that it adds at this size, in every format."""
    analysis = analyze(f"input: 3 x {side} x {side}\nnet: conv 3x3 8 stride=2 pad=tf_same\n")
    texts = {name: as_text(report(analysis), name) for name in ("text", "csv")}
    row = next(csv.DictReader(io.StringIO(texts["csv"])))
    assert (row["padding_top"], row["padding_bottom"]) == (row["padding_left"], row["padding_right"]) == pads
    assert f" {shown} " in texts["text"]
    assert "tf_same" not in texts["text"].replace("pad=tf_same", "")


def test_tensorflow_s_padding_of_symbols_is_its_word() -> None:
    """Where the size is a symbol so is the padding, and every format says the word."""
    analysis = analyze("input: 3 x H x W\nnet: conv 3x3 8 stride=2 pad=tf_same\n")
    for name in ("text", "csv", "json", "markdown", "html"):
        text = as_text(report(analysis), name)
        assert "tf_same" in text or "tf\\_same" in text
