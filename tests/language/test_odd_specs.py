"""Specs at the edge of the language: other line ends, other digits, nets of nothing, files that are no specs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from running import run
from test_errors import FILE, is_one_clear_message

import bneck_cli
from bneck_cli.engine.network import entries

if TYPE_CHECKING:
    from pathlib import Path


NO_SPECS = {
    "accounts": "root:x:0:0:secret:/root:/bin/sh\ndaemon:x:1:1:secret:/:/bin/false\n",
    "keys of another tool": "apiVersion: v1\ndata:\n  password: secret\n",
    "a list": "- secret\n- other\n",
    "a shell script": "export TOKEN=secret\nif [ -f x ]; then\n",
    "not YAML at all": "{[secret\n",
    "a key of ours among another's": "name: web\nservices:\n  db:\n    password: secret\n",
    "another's input": "input: /var/log\noutput: http://user:secret@host\nname: logs\n",
    "a pipeline of tests": "version: 1\nname: secret\nagent: password\nblocks:\n  - name: secret\n",
    "jobs": "include: secret\nstages: [secret]\nbuild:\n  script: password\n",
    "another's aliases": "name: x\nbase: &base {password: secret}\nprod: *base\n",
    "several documents": "name: secret\n---\nname: password\n",
    "a tag": "source: !vault secret\n",
    "another's net": "network:\n  secret: {password: 1}\nname: x\n",
    "an address book": "name: secret\nset: secret\nfamily: password\nyear: 1\n",
}


@pytest.mark.parametrize("name", NO_SPECS)
@pytest.mark.parametrize("how", ["named", "included", "extended"])
def test_no_line_of_a_file_that_is_no_spec_is_shown(name: str, how: str, tmp_path: Path) -> None:
    """A file of another kind is called what it is; nothing of what it holds reaches the terminal."""
    (tmp_path / "other.yaml").write_text(NO_SPECS[name], encoding="utf-8")
    key = {"named": "", "included": "include: other\n", "extended": "extends: other\n"}[how]
    (tmp_path / FILE).write_text(f"{key}input: 3 x 8 x 8\nnet: relu\n", encoding="utf-8")
    done = run("analyze", FILE if key else "other.yaml", folder=tmp_path)
    assert is_one_clear_message(done)
    assert "other.yaml: not a spec" in done.err
    assert "secret" not in done.err
    assert "password" not in done.err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("input: 3 x 8 x 8\nnte: relu\n", "nte: relu"),
        ("inptu: 3 x 8 x 8\nnet: relu\n", "inptu: 3 x 8 x 8"),
        ("  input: 3 x 8 x 8\n  net: [relu\n", "net: [relu"),
        ("{input: 3 x 8 x 8, net: rleu}\n", "net: rleu"),
        ("input: 3 x 8 x 8\nlayers: 1\nnet: relu\n", "layers: 1"),
        ("name: a\nnet(n=1: relu\n", "net(n=1: relu"),
    ],
)
def test_a_line_of_a_spec_is_shown(text: str, shown: str, tmp_path: Path) -> None:
    """What means to be a spec is told with the line."""
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    assert shown in run("analyze", FILE, folder=tmp_path).err


def test_the_library_does_not_look_beside_the_user(tmp_path: Path) -> None:
    """A bundled network includes the library's blocks, whatever lies in the folder that it is asked from."""
    (tmp_path / "blocks").mkdir()
    (tmp_path / "blocks" / "resnet.yaml").write_text("blocks: {bottleneck: relu}\n", encoding="utf-8")
    assert "25,557,032" in run("analyze", "resnet50", "--depth", "1", folder=tmp_path).out
    (tmp_path / FILE).write_text("input: 8 x 8 x 8\ninclude: blocks/resnet\nnet: bottleneck\n", encoding="utf-8")
    assert "total: 0 params" in run("analyze", FILE, folder=tmp_path).out


def test_a_key_that_is_misspelt_is_still_suggested(tmp_path: Path) -> None:
    """A spec whose only key is wrong is taken for another kind of file, and still told the key it means."""
    (tmp_path / FILE).write_text("inptu: 3 x 8 x 8\n", encoding="utf-8")
    assert "did you mean 'input'?" in run("analyze", FILE, folder=tmp_path).err


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize(
    "lines", [["input: 3 x 8 x 8", "net:", "  - conv 3x3 8", "  - rleu 8"], ["net: [relu, rleu 8]"]]
)
def test_a_line_ends_where_yaml_ends_it(end: str, lines: list[str], tmp_path: Path) -> None:
    """Whatever ends a line, a message names the right one and quotes it alone."""
    head = [] if lines[0].startswith("input") else ["input: 3 x 8 x 8"]
    (tmp_path / FILE).write_bytes(end.join([*head, *lines, ""]).encode())
    done = run("analyze", FILE, folder=tmp_path)
    number = len(head) + len(lines)
    assert is_one_clear_message(done)
    place, quoted, caret = done.err.split("\n")[:3]
    assert place.startswith(f"error: {FILE}:{number}:")
    assert quoted == f"  {lines[-1]}"
    assert quoted[caret.index("^") :].startswith("rleu")


@pytest.mark.parametrize(
    "text", ["\r---\rfoo: 3", "net: relu\r---\rnet: relu\r", "net: relu\u2028---\u2028net: relu\n", "\r"]
)
def test_a_second_document_is_told_whatever_ends_the_lines(text: str, tmp_path: Path) -> None:
    """Marks between documents are read as YAML reads them."""
    (tmp_path / FILE).write_bytes(text.encode())
    assert is_one_clear_message(run("analyze", FILE, folder=tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "net: conv 3x3 ²",
        "net: conv ² 8",
        "net: conv 3x3 ٣",
        "net: conv 3x3 (٣+1)",
        "net: ٣x relu",
        "net: conv ٣x٣ 8",
        "net: conv 3x3 H²",
        "net: {conv: {kernel: 3, channels: ²}}",
        "blocks:\n  b²(): relu\nnet: b²",
        "net: relu\nexpect:\n  params: ٣",
        f"net: relu\nexpect:\n  params: {'9' * 5000}",
    ],
)
def test_a_number_has_the_digits_0_to_9(text: str, tmp_path: Path) -> None:
    """Superscripts, and digits of other scripts, are no numbers; a figure has no more digits than anyone writes."""
    (tmp_path / FILE).write_text(f"input: 3 x 8 x 8\n{text}\n", encoding="utf-8")
    done = run("check", FILE, folder=tmp_path) if "expect" in text else run("analyze", FILE, folder=tmp_path)
    assert is_one_clear_message(done)
    assert done.err.startswith(f"error: {FILE}:")
    assert not run("analyze", "resnet18", "--input", "3xH²xW", folder=tmp_path).out


def test_an_op_gives_a_size(tmp_path: Path) -> None:
    """A shape has at least its channels."""
    (tmp_path / FILE).write_text("input: 3\nops:\n  f(): {out: [], params: 0, macs: 0}\nnet: f\n", encoding="utf-8")
    assert "`out` is a list of sizes" in run("analyze", FILE, folder=tmp_path).err


def test_a_name_too_long_for_the_system_is_told(tmp_path: Path) -> None:
    """A name that no file can have is no file's name."""
    assert is_one_clear_message(run("analyze", "a" * 300, folder=tmp_path))
    assert is_one_clear_message(run("analyze", "a" * 300 + ".yaml", folder=tmp_path))
    assert is_one_clear_message(run("analyze", "a" * 300 + ":b", folder=tmp_path))
    (tmp_path / FILE).write_text(f"include: {'a' * 300}\nnet: relu\n", encoding="utf-8")
    assert is_one_clear_message(run("analyze", FILE, folder=tmp_path))


EMPTY = {
    "identity": "net: identity",
    "no copies": "net: 0x relu",
    "a name": "net: as a",
    "a name and its tensor": "net: as a -> from a",
    "a head aside": "net: {aside: linear 10}",
    "a dropout aside": "net: {aside: dropout}",
    "nothing aside": "net: {aside: identity}",
    "repeats of a tensor": "net:\n  - conv 1x1 3 -> as a\n  - conv 1x1 3 -> as b\n"
    "  - repeat: 2\n    body: from a\n  - repeat: 3\n    body: from b\n  - relu",
    "a residual of a tensor": "net:\n  - as a\n  - residual: {repeat: 2, body: from a}",
    "a repeat in a branch": "net:\n  - conv 1x1 3 -> as a\n  - concat:\n    - {repeat: 2, body: from a}\n    - relu",
}
QUESTIONS = [
    ["analyze", FILE],
    ["analyze", FILE, "--expand"],
    ["analyze", FILE, "--depth", "1"],
    ["analyze", FILE, "--columns", "layer,start,receptive_field"],
    ["analyze", FILE, "--format", "json"],
    ["analyze", FILE, "--top", "99999999999999999999"],
    ["analyze", FILE, "--only", "conv"],
    ["lint", FILE],
    ["footprint", FILE],
    ["diff", FILE, FILE],
    ["diff", FILE, "resnet18"],
    ["compare", FILE, "resnet18"],
    ["explain", FILE],
    ["draw", FILE],
    ["check", FILE],
]


@pytest.mark.parametrize("words", QUESTIONS, ids=" ".join)
def test_a_network_of_next_to_nothing_has_an_answer(words: list[str], tmp_path: Path) -> None:
    """A net without a layer, or of names alone, is answered by every command, or refused with one message."""
    for number, text in enumerate(EMPTY.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / FILE).write_text(f"input: 3 x 8 x 8\n{text}\n", encoding="utf-8")
        code, out, err = run(*words, folder=folder)
        if out:
            assert err == ""
            assert code in (0, 1)  # lint finds something
        else:
            assert code == 1
            assert err.startswith("error: ")


def test_a_repeat_of_a_tensor_adds_nothing(tmp_path: Path) -> None:
    """Taking a tensor costs nothing, however often: the rows and the total are those of the layers."""
    (tmp_path / FILE).write_text(f"input: 3 x 8 x 8\n{EMPTY['repeats of a tensor']}\n", encoding="utf-8")
    analysis = bneck_cli.analyze(str(tmp_path / FILE))
    assert [entry.layer.op for entry in entries(analysis.root)] == ["conv", "conv", "relu"]
    assert analysis.cost.params == 18
