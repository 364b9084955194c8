"""Bad input gets one clear message: what is wrong, where, and the way out. The cases stand in ``wrong_specs.txt``.

Each case is a spec and, below ``>>>``, what ``bneck analyze`` says of it; the messages are written anew, to be read
before they are committed, by ``python tests/language/test_errors.py``.
"""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import bneck_cli
from bneck_cli import BneckError

CASES = Path(__file__).parents[1] / "data" / "wrong_specs.txt"
FILE = "wrong.yaml"


class Wrong(NamedTuple):
    """A wrong spec, and what is said of it."""

    name: str
    spec: str
    message: str


def read_cases() -> list[Wrong]:
    """Read the cases of the file."""
    cases = []
    for section in re.split(r"^=== ", CASES.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        name, rest = section.split("\n", 1)
        spec, message = rest.split(">>>\n", 1)
        cases.append(Wrong(name, spec, message.rstrip("\n")))
    return cases


def told(folder: Path, spec: str) -> str:
    """Say what an analysis of a wrong spec says."""
    (folder / FILE).write_text(spec, encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    try:
        bneck_cli.analyze(FILE)
    except BneckError as error:
        return str(error)
    finally:
        os.chdir(before)
    return ""


WRONG = read_cases()


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.name)
def test_a_wrong_spec_is_told_where_and_how(case: Wrong, tmp_path: Path) -> None:
    """Each wrong spec gets exactly its message, with line, column, the line itself and a hint."""
    assert told(tmp_path, case.spec) == case.message


def test_there_are_enough_of_them_and_each_is_another() -> None:
    """The table holds more than a hundred cases, no two with the same spec or name; all but a few know the place."""
    assert len(WRONG) > 100
    assert len({case.spec for case in WRONG}) == len({case.name for case in WRONG}) == len(WRONG)
    placed = [case for case in WRONG if re.match(rf"{FILE}:\d+:\d+: ", case.message)]
    assert len(placed) > len(WRONG) - 12  # a file of another kind is not quoted


# Whole commands


class Done(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str
    seconds: float


def children_seconds() -> float:
    """Return the processor time of the commands that have ended, which a busy machine does not lengthen much."""
    times = os.times()
    return times.children_user + times.children_system


def bneck(*arguments: str, folder: Path, stdin: bytes = b"", **environment: str) -> Done:
    """Run the command as a user does."""
    before = children_seconds()
    process = subprocess.Popen(
        [sys.executable, "-m", "bneck_cli", *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, err = process.communicate(stdin, timeout=60)
    return Done(process.returncode, out.decode(), err.decode(), children_seconds() - before)


def is_one_clear_message(done: Done, code: int = 1) -> bool:
    """Tell whether a command said what was wrong and no more."""
    return done.code == code and done.out == "" and "Traceback" not in done.err and done.err.strip() != ""


HOSTILE = {
    "an alias bomb": (
        b"net: &a [x, x, x, x, x, x, x, x, x]\nblocks:\n"
        + b"".join(b"  %c: &%c [%s]\n" % (i, i, b", ".join([b"*%c" % (i - 1)] * 9)) for i in range(98, 110)),
        "anchors and aliases are not part of the language",
    ),
    "an exponent tower": (
        b"input: 3 x 8 x 8\nnet: conv 3x3 9**9**9**9**9\n",
        "an exponent must be a whole number from 0 to 64",
    ),
    "a repeat of 10^9": (
        b"input: 3 x 8 x 8\nnet: 1000000000x conv 3x3 8\n",
        "a repeat count must be a whole number from 0",
    ),
    "repeats of repeats": (
        b"input: 3 x 8 x 8\nblocks:\n  a(channels): conv 3x3 (c+1) -> conv 3x3 (c+1)\nnet: 1000000x a 8\n",
        "too much work: more than 5,",
    ),
    "10 MB of text": (b"net: relu # " + b"x" * 10_000_000, "a spec has at most"),
    "binary junk": (bytes(range(256)) * 40, "is not UTF-8"),
    "a NUL": (b"net: re\x00lu\n", "not YAML"),
    "nested lists": (b"net: " + b"[" * 5000, "nest"),
    "nested parentheses": (b"input: 3 x 8 x 8\nnet: conv 3x3 " + b"(" * 400 + b"8" + b")" * 400, "at most 40 deep"),
    "a very long line": (
        b"input: 3 x 8 x 8\nnet: " + b"relu -> " * 100_000 + b"rleu\n",
        "unknown layer or block 'rleu'",
    ),
    "a chain of blocks that doubles": (
        b"input: 3 x 8 x 8\nblocks:\n"
        + b"".join(b"  b%d(channels): b%d (c+1) -> b%d (c+2)\n" % (i, i + 1, i + 1) for i in range(23))
        + b"  b23(channels): conv 1x1 channels\nnet: b0 8\n",
        "too much work: more than 5,",
    ),
    "YAML's merge": (b"input: 3 x 8 x 8\nnet: relu\n<<: {a: 1}\n", "unknown key '<<'"),
    "numbers too large": (b"input: 3 x 8 x 8\nnet: conv 3x3 (10**60*10**60)\n", "more than 78 digits of a number"),
    "rounding to far places": (b"input: 3 x 8 x 8\nnet: conv 1x1 round(5,0-100000000)\n", "round() does not take"),
    "a tower of fractions": (b"input: 3 x 8 x 8\nnet: conv 1x1 (((1/3)**64)**64)**64\n", "digits of a number"),
    "a formula of many terms": (b"input: C x H x W\nnet: conv 1x1 ((c+h+w)**64)**3\n", "terms in one formula"),
    "copies that alternate": (
        b"input: 3 x 8 x 8\nblocks: {t(n): conv 1x1 n}\nnet: 1000000x t (24-c)\n",
        "steps of the walk",
    ),
    "a map that doubles": (b"input: 3 x 8 x 8\nnet: 11000x upsample 2\n", "over 2**64"),
    "copies behind a long comment": (
        b"input: 3 x 8 x 8\n#" + b"x" * 300_000 + b"\nnet: 200000x conv 3x3 (c+1)\n",
        "different layers",
    ),
    "a name of 100,000 characters": (b"input: 3 x 8 x 8\nnet: " + b"a" * 100_000 + b"\n", "unknown layer or block"),
    "a figure of 5,000 digits": (b"input: 3 x 8 x 8\nnet: relu\nexpect: {macs: " + b"9" * 5000 + b"}\n", "digits"),
    "blocks that double around a layer": (
        b"input: 3 x 8 x 8\nblocks:\n"
        + b"".join(b"  b%d(): b%d -> conv 1x1 3 -> b%d\n" % (i, i + 1, i + 1) for i in range(22))
        + b"  b22(): relu\nnet: b0\n",
        "more than 50,023 rows",
    ),
    "a digit that is none": ("input: 3 x 8 x 8\nnet: conv 3x3 ²\n".encode(), "not an expression: '²'"),
    "lines that end in CR alone": (b"input: 3 x 8 x 8\rnet: conv 3x3 4 foo\r", "unknown name 'foo'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_spec_is_refused_quickly(name: str, tmp_path: Path) -> None:
    """A spec made to hurt is told of like any other, in seconds, and without filling the memory."""
    text, message = HOSTILE[name]
    (tmp_path / FILE).write_bytes(text)
    done = bneck("analyze", FILE, folder=tmp_path)
    assert is_one_clear_message(done)
    assert message in done.err
    assert len(done.err) < 1000
    assert done.seconds < 10  # it is far less; this is for what never ends
    assert bneck("analyze", "-", folder=tmp_path, stdin=text).err == done.err.replace(FILE, "<stdin>")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["analyze", "missing.yaml"], "missing.yaml: cannot be read: no such file or directory"),
        (["analyze", "folder.yaml"], "folder.yaml: cannot be read: is a directory"),
        (["analyze", "./folder.yaml"], "./folder.yaml: cannot be read: is a directory"),
        (["analyze", "resnet5"], "no file, network or block 'resnet5'\n  did you mean 'resnet50'?"),
        (["analyze", "resnet50:bottelneck"], "has no block 'bottelneck'\n  did you mean 'bottleneck'?"),
        (["analyze", "resnet50", "--input", "3x"], "--input:1:1: expected an input such as"),
        (["analyze", "resnet50", "--input", "3x16x-1"], "--input:1:1: expected an input such as"),
        (["analyze", "mobilenet_v2", "--channels", "64"], "--channels is for blocks"),
        (["analyze", "bottleneck"], "bottleneck needs channels\n  give it with --channels 256"),
        (["analyze", "bottleneck", "--channels", "-4"], "channels are a positive number or a symbol (got '-4')"),
        (["analyze", "bottleneck", "--channels", "254"], "got 63.5"),
        (["analyze", "resnet50", "--set", "clases=3"], "did you mean 'classes'?"),
        (["analyze", "resnet50", "--set", "classes="], "expected a value (got nothing)"),
        (["analyze", "resnet50", "--assume", "H%32==0"], "'H' is not a symbol of the input"),
        (["analyze", "resnet50", "--input", "3xHxW", "--assume", "H=32"], "'H=32' is not an assumption"),
        (["analyze", "resnet50", "--columns", "layer,mac"], "unknown column 'mac'\n  did you mean 'macs'?"),
        (["analyze", "resnet50", "--only", "cnov"], "no layer here is a 'cnov'\n  did you mean 'conv'?"),
        (["analyze", "resnet50", "--sort", "mac"], "unknown key 'mac'\n  did you mean 'macs'?"),
        (["analyze", "resnet50", "--input", "3xHxW", "--sort", "macs"], "symbolic sizes have no order"),
        (["analyze", "unet", "--input", "3xHxW"], "equal only when H is a multiple of 16 and W is a multiple of 16"),
        (["analyze", "inception_v3", "--input", "3x70x70"], "the smallest legal input is 3×75×75"),
        (["analyze", "resnet50", "--count-like", "fvcor"], "did you mean 'fvcore'?"),
        (["compare", "basic", "resnet50", "--channels", "64"], "cannot compare a block with a network"),
        (["compare", "basic", "botleneck", "--channels", "64"], "did you mean 'bottleneck'?"),
        (["list", "--max-macs", "many"], "'many' is not an amount"),
        (["list", "--family", "ResNets"], "did you mean 'ResNet'?"),
        (["list", "--sort", "parms"], "did you mean 'params'?"),
        (["layers", "cnov"], "did you mean 'conv'?"),
        (["check", "missing.yaml"], "cannot be read"),
        (["analyze", "resnet50", "--output", "no/such/folder.txt"], "cannot be written: no such file or directory"),
        (["analyze", "resnet50", "--output", "folder.yaml"], "cannot be written: is a directory"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_request_is_told(arguments: list[str], message: str, tmp_path: Path) -> None:
    """What cannot be done is said once, on standard error, with exit code 1."""
    (tmp_path / "folder.yaml").mkdir()
    done = bneck(*arguments, folder=tmp_path)
    assert is_one_clear_message(done)
    assert message in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["analize", "resnet50"],
        ["analyze"],
        ["analyze", "resnet50", "--frobnicate"],
        ["analyze", "resnet50", "--format", "cvs"],
        ["analyze", "resnet50", "--depth", "0"],
        ["analyze", "resnet50", "--batch", "0"],
        ["analyze", "resnet50", "--top", "many"],
        ["analyze", "resnet50", "--set", "classes"],
        ["compare", "basic"],
    ],
    ids=" ".join,
)
def test_wrong_usage_leaves_with_2(arguments: list[str], tmp_path: Path) -> None:
    """A word that the command line does not know is wrong usage: exit code 2, and a pointer to the help."""
    assert is_one_clear_message(bneck(*arguments, folder=tmp_path), code=2)


@pytest.mark.skipif(os.geteuid() == 0, reason="everything may be read by the superuser")
def test_a_file_without_permission_is_told(tmp_path: Path) -> None:
    """A file that may not be read is told of by its name."""
    (tmp_path / FILE).write_text("net: relu\n", encoding="utf-8")
    (tmp_path / FILE).chmod(0)
    assert "permission denied" in bneck("analyze", FILE, folder=tmp_path).err


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the system says when a file is opened becomes the message."""

    def refuse(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied")

    (tmp_path / FILE).write_text("net: relu\n", encoding="utf-8")
    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(BneckError, match="cannot be read: permission denied"):
        bneck_cli.analyze(str(tmp_path / FILE))


@pytest.mark.parametrize("format", ["table", "csv", "json", "markdown", "latex"])
def test_a_closed_pipe_ends_quietly(format: str, tmp_path: Path) -> None:
    """A reader that has enough (``| head -3``) ends the command without a word."""
    line = f"{sys.executable} -m bneck_cli analyze resnet152 --expand --format {format} | head -3"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3


def test_an_output_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """A failing analysis leaves the old file as it was; a good one replaces it, with the usual permissions."""
    target = tmp_path / "out.csv"
    target.write_text("old", encoding="utf-8")
    (tmp_path / FILE).write_text("input: 3 x 8 x 8\nnet: rleu\n", encoding="utf-8")
    assert is_one_clear_message(bneck("analyze", FILE, "-f", "csv", "-o", "out.csv", folder=tmp_path))
    assert target.read_text(encoding="utf-8") == "old"
    done = bneck("analyze", "resnet18", "-f", "csv", "-o", "out.csv", folder=tmp_path)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert target.read_text(encoding="utf-8").startswith("path,op,")
    assert stat.S_IMODE(target.stat().st_mode) & 0o600 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", FILE]


PEAK = """
import sys
from bneck_cli.cli import run
sys.argv = ["bneck", "analyze", sys.argv[1]]
code = run()
print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])
sys.exit(code)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
@pytest.mark.parametrize("name", HOSTILE)
def test_memory_stays_small(name: str, tmp_path: Path) -> None:
    """A hostile spec takes less than 200 MB."""
    (tmp_path / FILE).write_bytes(HOSTILE[name][0])
    line = [sys.executable, "-c", PEAK, FILE]
    done = subprocess.run(line, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert int(done.stdout) < 200 * 1024


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        sections = [f"=== {case.name}\n{case.spec}>>>\n{told(Path(name), case.spec)}\n" for case in WRONG]
    CASES.write_text("\n".join(sections), encoding="utf-8")
