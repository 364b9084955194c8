"""The command line, as its users meet it: help, completion, colours, widths, pipes and files."""

from __future__ import annotations

import csv
import io
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import pytest
from running import bneck, run

from bneck_cli import cli
from bneck_cli.data.precision import DTYPES, PARTS
from bneck_cli.engine.layers import LAYERS
from bneck_cli.flow.saved import ATTENTION
from bneck_cli.folder import modules
from bneck_cli.formats import DATA_FORMATS, FORMATS
from bneck_cli.language.library import block_files, network_names, specs_folder
from bneck_cli.questions.catalog import KEYS
from bneck_cli.questions.draw import THEMES
from bneck_cli.questions.footprint import OPTIMIZERS
from bneck_cli.questions.match import MEASURES
from bneck_cli.questions.rows import SORTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SEES = ("receptive_field", "receptive_field_time", "receptive_field_height", "receptive_field_width")
COMMANDS = tuple(modules(cli.COMMANDS))
PLAIN_KINDS = tuple(name for name, kind in LAYERS.items() if not any(field.positional for field in kind.fields))
BASH = shutil.which("bash")
SPEC = "input: 3 x 32 x 32\nnet: conv 3x3 8 -> bn -> relu\n"


def on_terminal(*arguments: str, columns: int = 100, **environment: str) -> str:
    """Run the command on a terminal of so many columns; give what arrives there."""
    ours, theirs = pty.openpty()
    from fcntl import ioctl
    from struct import pack
    from termios import TIOCSWINSZ

    ioctl(theirs, TIOCSWINSZ, pack("HHHH", 50, columns, 0, 0))
    kept = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "NO_COLOR")}
    process = subprocess.Popen(
        [sys.executable, "-m", "bneck_cli", *arguments],
        stdout=theirs,
        stdin=theirs,
        env={**kept, "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **environment},
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # the other end is closed
        pass
    assert process.wait() == 0
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_examples(command: str) -> None:
    """Each command's help ends in examples, which are of that command; it stands under a heading of the list."""
    assert "Examples" in bneck(command, "--help", COLUMNS="120")
    module = import_module(f"bneck_cli.cli.commands.{command}")
    assert all(example.split()[:2] == ["bneck", command] for example in module.EXAMPLES)
    assert module.GROUP in cli.GROUPS


def test_help_names_every_command() -> None:
    """The help lists the commands, and none comes without a line that says what it is for."""
    text = bneck("--help", COLUMNS="120")
    for command in COMMANDS:
        assert re.search(rf"\b{command}\s+\w+", text)


def test_version() -> None:
    """``--version`` prints the package's version."""
    from bneck_cli.version import __version__

    assert bneck("--version") == f"bneck {__version__}\n"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("bneck analyze resnet", {name for name in (*network_names(), *block_files()) if name.startswith("resnet")}),
        ("bneck compare bott", {name for name in block_files() if name.startswith("bott")}),
        ("bneck layers conv", {"conv"}),
        ("bneck analyze resnet50 --count-like fv", {"fvcore"}),
        ("bneck analyze resnet50 --format ", set(FORMATS)),
        ("bneck list --format ", set(DATA_FORMATS)),
        ("bneck analyze resnet50 --sort ", set(SORTS)),
        ("bneck list --sort ", set(KEYS)),
        ("bneck list --family VG", {"VGG"}),
        ("bneck analyze resnet50 --only conv,lin", {"conv,linear"}),
        ("bneck analyze resnet50 --columns layer,rec", {f"layer,{name}" for name in SEES}),
        ("bneck compare basic bottleneck --match ", set(MEASURES)),
        ("bneck footprint resnet50 --dtype ", set(DTYPES)),
        ("bneck footprint resnet50 --dtype bf16,", {f"bf16,{part}=" for part in PARTS}),
        ("bneck footprint resnet50 --optimizer ", set(OPTIMIZERS)),
        ("bneck lint resnet50 --ignore strided-1x1,bias", {"strided-1x1,bias-before-norm"}),
        ("bneck footprint resnet50 --attention ", set(ATTENTION)),
        ("bneck draw resnet50 --theme ", set(THEMES)),
        ("bneck explain resnet50 --at layer", {f"layer{stage}" for stage in range(1, 5)}),
        ("bneck explain resnet50 --at layer1.", {f"layer1.{block}" for block in range(3)}),
        ("bneck explain resnet50 --set depths=[1,1,1,1] --at layer1.", {"layer1.0"}),
        ("bneck draw resnet50 --at layer1.0.", {"layer1.0.shortcut"}),
        ("bneck explain basic --at conv", {"conv1", "conv2"}),
        ("bneck explain nothing --at l", set()),
        ("bneck analyze resnet50 --set c", {"channels=", "classes="}),
        ("bneck analyze mobilenet_v2 --set width", {"width=", "width=1"}),
        ("bneck analyze resnet50 --set block=bott", {"block=bottleneck", "block=bottleneck_v1"}),
        ("bneck diff resnet18 vgg11 --set-b no", {"norm=", *(f"norm={kind}" for kind in PLAIN_KINDS)}),
        ("bneck analyze resnet50 --symbol d", {"depths"}),
    ],
)
def test_completion_offers_names(words: str, expected: set[str]) -> None:
    """A shell completes what comes from a closed set, and the names within the spec of the command line."""
    assert completed("zsh", _TYPER_COMPLETE_ARGS=words) == expected
    fish = completed("fish", _TYPER_COMPLETE_ARGS=words, _TYPER_COMPLETE_FISH_ACTION="get-args")
    assert fish == expected


def completed(shell: str, **asked: str) -> set[str]:
    """Ask as a shell does, and return what it offers."""
    out = bneck(_BNECK_COMPLETE=f"complete_{shell}", **asked)
    return set(re.findall(r'"(.*)"', out) if shell == "zsh" else out.split())


@pytest.mark.skipif(not BASH, reason="bash is not there")
@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("analyze resnet50 --set bl", "analyze resnet50 --set block="),
        ("analyze resnet50 --set block=bottleneck_", "analyze resnet50 --set block=bottleneck_v1 "),
        ("explain resnet50 --set block=basic --at ma", "explain resnet50 --set block=basic --at maxpool "),
        ("explain 'basic 64' --at re", "explain 'basic 64' --at relu"),
        ("analyze resnet50 --format=cs", "analyze resnet50 --format=csv "),
    ],
)
def test_bash_completes_behind_an_equals_sign(typed: str, shown: str, tmp_path: Path) -> None:
    """In a bash that reads keys, which takes words apart at ``=`` and replaces only what stands behind it."""
    from typer._completion_shared import get_completion_script

    script = get_completion_script(prog_name="bneck", complete_var="_BNECK_COMPLETE", shell="bash")
    command = tmp_path / "bneck"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m bneck_cli "$@"\n')
    command.chmod(0o755)
    (tmp_path / "rc").write_text(f"PS1='> '\nPATH={tmp_path}:$PATH\nbind 'set bell-style none'\n{script}\n")
    ours, theirs = pty.openpty()
    line = [str(BASH), "--noprofile", "--rcfile", str(tmp_path / "rc"), "-i"]
    process = subprocess.Popen(
        line, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "dumb"}, start_new_session=True
    )
    os.close(theirs)
    try:
        read_until(ours, "> ")
        os.write(ours, f"bneck {typed}\t".encode())
        assert read_until(ours, f"bneck {shown}").endswith(f"bneck {shown}")
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, end: str) -> str:
    """Read what arrives until it ends so, or nothing more comes for some seconds."""
    from select import select

    text = ""
    while not text.endswith(end) and select([terminal], [], [], 10)[0]:
        text += os.read(terminal, 65536).decode()
    return text


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("analyze", (*FORMATS, *SORTS)),
        ("list", (*DATA_FORMATS, *KEYS)),
        ("compare", MEASURES),
        ("footprint", (*DTYPES, *PARTS, *OPTIMIZERS)),
    ],
)
def test_help_shows_closed_sets(command: str, names: Iterable[str]) -> None:
    """What an option may be stands in the command's help."""
    text = bneck(command, "--help", COLUMNS="200")
    assert all(re.search(rf"\b{name}\b", text) for name in names)


@pytest.mark.parametrize("command", ["explain resnet18", "list", "rules", "layers conv", "lint --rules"])
def test_an_unknown_format_is_refused(command: str) -> None:
    """A format that is not there is a wrong use, with the nearest that is."""
    done = run(*command.split(), "--format", "markdwn", COLUMNS="200")
    assert (done.code, done.out) == (2, "")
    assert "did you mean 'markdown'?" in done.err


def test_a_terminal_gets_colours_and_a_pipe_does_not() -> None:
    """Colours are for a terminal without ``NO_COLOR``; the text is the same."""
    colourful = on_terminal("analyze", "resnet18", "--depth", "2")
    plain = on_terminal("analyze", "resnet18", "--depth", "2", NO_COLOR="1")
    assert "\x1b[" in colourful
    assert "\x1b[" not in plain
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", colourful).splitlines()]
    assert lines == plain.splitlines() == bneck("analyze", "resnet18", "--depth", "2", COLUMNS="100").splitlines()


@pytest.mark.parametrize("columns", [60, 80, 100, 120, 200])
@pytest.mark.parametrize("name", ["resnet50", "googlenet", "swin_t", "mobilenet_v3_large", "efficientnet_b7"])
def test_a_table_fits_its_terminal_and_keeps_its_numbers(name: str, columns: int) -> None:
    """At 80 columns and more no line is longer than the terminal; at any width every total is whole."""
    text = bneck("analyze", name, COLUMNS=str(columns))
    assert columns < 80 or max(map(len, text.splitlines())) <= columns
    total = json.loads(bneck("analyze", name, "--format", "json", "--depth", "1"))["totals"]
    line = next(line for line in text.splitlines() if line.startswith("total "))
    assert f"{total['params']:,}" in line
    assert f"{total['macs']:,}" in line


def test_headings_are_repeated_on_a_terminal() -> None:
    """A table longer than a screen shows its headings again every 40 rows on a terminal, coloured or not."""
    for environment in ({}, {"NO_COLOR": "1"}):
        lines = re.sub(r"\x1b\[[0-9;]*m", "", on_terminal("analyze", "resnet50", **environment)).splitlines()
        heads = [index for index, line in enumerate(lines) if line.startswith("layer ")]
        assert len(heads) == 3
        assert heads[1] - heads[0] == 40 + 3
        assert [line.rstrip() for line in lines if line.startswith("layer ")] == [lines[heads[0]].rstrip()] * 3
    assert bneck("analyze", "resnet50", COLUMNS="100").count("\nlayer ") == 1


def test_a_terminal_without_unicode_gets_ascii() -> None:
    """Where the encoding has no ``×``, plain letters stand for it."""
    text = bneck("analyze", "bottleneck", "--channels", "C", PYTHONIOENCODING="ascii")
    assert text.isascii()
    assert "17/16*C^2" in text


def test_a_spec_from_standard_input() -> None:
    """``-`` reads a spec from standard input."""
    assert "8×32×32" in bneck("analyze", "-", stdin=SPEC)


def test_a_block_of_a_file(tmp_path: Path) -> None:
    """``FILE:BLOCK`` analyses one block of a file by itself."""
    (tmp_path / "mine.yaml").write_text("blocks:\n  unit(channels): conv 3x3 channels -> bn\n", encoding="utf-8")
    text = bneck("analyze", "mine.yaml:unit", "--channels", "8", "-f", "csv", folder=tmp_path)
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["in_channels"], row["in_height"], row["params"]) == ("8", "56", "576")


def test_works_in_any_folder(tmp_path: Path) -> None:
    """Bundled names are found wherever the command runs, and a file's own folder comes first for what it includes."""
    (tmp_path / "mine.yaml").write_text("extends: resnet18\nset: {classes: 10}\n", encoding="utf-8")
    assert "11,181,642" in bneck("analyze", "mine.yaml", "--depth", "1", folder=tmp_path)


@pytest.mark.parametrize("format", ["table", "csv", "tsv", "json", "markdown", "latex"])
def test_a_file_holds_what_a_pipe_gets(format: str, tmp_path: Path) -> None:
    """``--output`` writes what would have been printed."""
    printed = bneck("analyze", "resnet18", "--format", format, COLUMNS="")
    assert bneck("analyze", "resnet18", "--format", format, "--output", str(tmp_path / "out")) == ""
    assert (tmp_path / "out").read_text(encoding="utf-8") == printed


def test_batch_multiplies_work_and_not_weights() -> None:
    """A batch multiplies multiply-adds and activations, and no parameters."""
    one, eight = (json.loads(bneck("analyze", "resnet18", "-f", "json", "--batch", n))["totals"] for n in ("1", "8"))
    assert eight["macs"] == 8 * one["macs"]
    assert eight["activations"] == 8 * one["activations"]
    assert eight["params"] == one["params"]


def test_list_filters_and_sorts() -> None:
    """``list`` keeps what is within the bounds, in the order asked for."""
    rows = json.loads(bneck("list", "--max-macs", "1G", "--max-params", "6M", "--sort", "params", "-f", "json"))[
        "entries"
    ]
    networks = [row for row in rows if row["kind"] == "network"]
    assert networks
    assert all(row["macs"] <= 10**9 and row["params"] <= 6 * 10**6 for row in rows)
    assert [row["params"] for row in networks] == sorted(row["params"] for row in networks)


def test_check_tells_a_difference(tmp_path: Path) -> None:
    """``check`` prints what differs, by how much and where, and leaves with 1."""
    (tmp_path / "mine.yaml").write_text(SPEC + "expect:\n  params: 233\n", encoding="utf-8")
    done = run("check", "mine.yaml", folder=tmp_path)
    assert done.code == 1
    assert re.search(r"^mine.yaml +params +3×32×32 +232 +233 +-1 +mine.yaml:4:3$", done.out, re.MULTILINE)


def test_lint_leaves_with_1_where_it_finds_something() -> None:
    """Like any linter, ``lint`` exits with 1 on a finding, and with 0 where there is none or where it is told to."""
    assert run("lint", "resnet50_v1").code == 1
    assert run("lint", "resnet50_v1", "--exit-zero").code == 0
    assert run("lint", "resnet18", "--ignore", "strided-1x1-shortcut").code == 0


def test_rules_are_described() -> None:
    """``rules`` says of every counting rule what it weighs, and how that was established."""
    from bneck_cli.data.rules import rule_names

    text = bneck("rules")
    assert all(f"\n{name} " in text for name in rule_names())
    assert re.search(r"element of batch norm +2 ", bneck("rules", "fvcore"))
    assert "strided-1x1" in bneck("lint", "--rules")


def test_layers_documents_every_kind() -> None:
    """``layers KIND`` has a page for every kind, with each of its options."""
    from bneck_cli.engine.layers import LAYERS
    from bneck_cli.formats import as_text
    from bneck_cli.questions.layers import kind_report

    for name, kind in LAYERS.items():
        text = as_text(kind_report(name), "text")
        for field in kind.fields:
            assert field.name in text.lower()
            assert field.help in text


def test_the_specs_are_in_the_package_or_beside_it() -> None:
    """The bundled specs are found, rules and blocks among them."""
    assert {path.name for path in specs_folder().iterdir()} >= {"blocks", "rules", "LANGUAGE.md", "resnet50.yaml"}


def test_no_option_is_silently_without_effect(tmp_path: Path) -> None:
    """An option that changes nothing, because another does or nothing has it, is refused; one of B is B's."""
    told = bneck("diff", "bottleneck", "bottleneck", "--channels", "256", "--set-b", "channels=512")
    assert "same layers" not in told
    bneck("sweep", "resnet18", "--vary", "side=64,96", "-o", str(tmp_path / "sides.csv"))
    (tmp_path / "smooth.yaml").write_text("input: 3 x 4 x 4\nnet: conv 1x1 8 -> gelu -> conv 1x1 4\n")
    for arguments, code in (
        (("analyze", "bottleneck", "--channels", "64", "--set", "channels=128"), 1),
        (("analyze", "resnet18", "--in-channels", "5"), 1),
        (("analyze", "basic", "--channels", "64", "--in-channels", "32", "--input", "16x56x56"), 1),
        (("analyze", "reduction_a", "--channels", "64", "--input", "32x56x56"), 1),
        (("analyze", "reduction_a", "--channels", "64", "--in-channels", "32"), 1),
        (("analyze", "resnet18", "--set", "widht=2"), 1),
        (("analyze", "resnet18", "--symbol", "foo"), 1),
        (("compare", "basic", "bottleneck", "--channels", "64", "--multiple-of", "16"), 2),
        (("analyze", "bottleneck 64", "--channels", "32"), 1),
        (("analyze", "basic 64 stride=2", "--set", "stride=1"), 1),
        (("draw", "bottleneck 64", "--channels", "128"), 1),
        (("compare", "basic 64", "bottleneck 64", "--channels", "32"), 1),
        (("compare", "basic 64", "bottleneck", "--match", "macs", "--channels", "32"), 1),
        (("compare", "basic 64 stride=2", "bottleneck 64 stride=2", "--stride", "1"), 1),
        (("report", "basic 64", "bottleneck 64", "--channels", "32", "-f", "text"), 1),
        (("diff", "basic 64", "bottleneck 64", "--channels", "32"), 1),
        (("diff", "basic 64", "basic 64 stride=2", "--set-b", "stride=1"), 1),
        (("plot", "basic 64", "bottleneck", "--channels", "8..64", "-f", "csv"), 1),
        (("sweep", "bottleneck 64", "--vary", "channels=8,16"), 1),
        (("sweep", "bottleneck", "--vary", "channels=8,16", "--channels", "64"), 1),
        (("sweep", "basic", "--vary", "stride=1,2", "--set", "stride=1", "--channels", "8"), 1),
        (("sweep", "resnet18", "--vary", "batch=1,2", "--batch", "2"), 1),
        (("sweep", "resnet18", "--vary", "side=64,96", "--zip"), 2),
        (("solve", "bottleneck", "--vary", "channels", "--for", "macs=1G", "--channels", "64"), 1),
        (("plot", "resnet18", "--vary", "side=64,96", "--device", "a100", "-f", "csv"), 2),
        (("plot", "resnet18", "--vary", "side=64,96", "--kind", "cost", "-f", "csv"), 2),
        (("plot", "resnet18", "--vary", "side=64,96", "--with", "resnet34", "-f", "csv"), 2),
        (("plot", "sides.csv", "--input", "3x64x64", "-f", "csv"), 2),
        (("draw", "resnet18", "--theme", "dark", "-f", "text"), 2),
        (("draw", "bottleneck 64", "--numbers", "macs", "-f", "dot"), 1),
        (("footprint", "resnet18", "--attention", "plain"), 1),
        (("footprint", "resnet18", "--recompute", "attention"), 1),
        (("footprint", "gpt2", "--recompute", "attention", "--attention", "fused"), 1),
        (("footprint", "alexnet", "--recompute", "full"), 1),
        (("footprint", "resnet18", "--dtype", "int8", "--recompute", "full"), 1),
        (("footprint", "resnet18", "--dtype", "int8", "--optimizer", "sgd"), 1),
        (("footprint", "smooth.yaml", "--inplace"), 1),
    ):
        assert run(*arguments, folder=tmp_path).code == code, arguments
    one = bneck("compare", "basic 64", "bottleneck", "--channels", "64", "-f", "csv")
    assert one == bneck("compare", "basic 64", "bottleneck 64", "-f", "csv").replace("bottleneck 64", "bottleneck")


def test_channels_of_a_block_without_that_parameter() -> None:
    """It has no such parameter, so that the option would change nothing of it; what enters has options of its own."""
    for more in ((), ("--input", "32x56x56"), ("--in-channels", "32")):
        done = run("analyze", "reduction_b", "--channels", "64", *more)
        assert "reduction_b has no parameter 'channels'\n  its parameters are n3 and n7: use --set" in done.err
        assert "what enters it is --in-channels 64 or --input 64x56x56" in done.err
    both = bneck("compare", "reduction_b", "basic", "--channels", "64", "-f", "csv")
    assert both == bneck("compare", "reduction_b", "basic 64", "--in-channels", "64", "-f", "csv").replace(
        "basic 64", "basic"
    )
    entering = json.loads(bneck("analyze", "reduction_b", "--in-channels", "64", "-f", "json"))["input"]
    assert entering == {"input": [64, 56, 56]}


def test_columns_are_asked_for_as_they_are_titled() -> None:
    """A column's title is taken for its key, in any case, in the table and in CSV."""
    titled = bneck("analyze", "resnet18", "--columns", "layer,pad,sees,MACs")
    assert titled == bneck("analyze", "resnet18", "--columns", "layer,padding,receptive_field,macs")
    titled = bneck("analyze", "resnet18", "--columns", "path,pad,MACs", "--format", "csv")
    assert titled == bneck("analyze", "resnet18", "--columns", "path,padding,macs", "--format", "csv")
