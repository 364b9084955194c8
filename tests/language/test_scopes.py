"""A definition is seen by its own file; what a definition cannot mean is an error where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.names import require_used_parameters
from bneck_cli.language.library import block_files, load, network_names

if TYPE_CHECKING:
    from pathlib import Path

PARTS = """\
blocks:
  helper(channels): conv 1x1 channels
  part(channels, act=helper): helper channels -> act 5
"""
OUTER = """\
include: parts
blocks:
  helper(channels): conv 3x3 channels
  outer(what): part 3 act=what
net: outer helper -> part 3
"""


def analyzed(folder: Path, text: str) -> tuple[int, int]:
    """Return the parameters and multiply-adds of a spec beside ``parts.yaml``."""
    (folder / "parts.yaml").write_text(PARTS, encoding="utf-8")
    (folder / "own.yaml").write_text("input: 2 x 1 x 1\n" + text, encoding="utf-8")
    cost = bneck_cli.analyze(folder / "own.yaml").cost
    return cost.params, cost.macs


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("include: parts\nnet: part 3", 2 * 3 + 3 * 5),
        ("include: parts\nblocks: {helper(channels): conv 3x3 channels}\nnet: part 3", 2 * 3 + 3 * 5),
        ("include: parts\nblocks: {helper(channels): conv 3x3 channels}\nnet: helper 3", 9 * 2 * 3),
        (
            "include: parts\nblocks: {helper(channels): conv 3x3 channels}\nnet: part 3 act=helper",
            2 * 3 + 9 * 3 * 5,
        ),
        (
            OUTER,
            2 * 3 + 9 * 3 * 5 + 5 * 3 + 3 * 5,
        ),
        ("include: parts\nops: {helper(n): {out: [n], params: 1, macs: 0}}\nnet: part 3", 2 * 3 + 3 * 5),
        ("include: parts\nblocks: {helper(channels): part channels}\nnet: helper 3", 2 * 3 + 3 * 5),
    ],
)
def test_an_included_file_sees_its_own_definitions(tmp_path: Path, text: str, params: int) -> None:
    """A name means what it means in the file where it is written, wherever it is passed to."""
    assert analyzed(tmp_path, text)[0] == params


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("blocks: {conv(channels): linear channels}\nnet: relu", "2:10", "'conv' is a layer kind; a definition"),
        ("ops: {relu: {out: [c], params: 0, macs: 0}}\nnet: bn", "2:7", "'relu' is a layer kind; a definition"),
        (
            "blocks: {b: relu}\nops: {b: {out: [c], params: 0, macs: 0}}\nnet: b",
            "3:7",
            "'b' is already a block of this file",
        ),
        (
            "blocks:\n  b(channels, stride=1): conv 3x3 channels\nnet: 2x b 8 first(stride=2)",
            "3:15",
            "the parameter 's",
        ),
        ("net(width=8): relu", "2:5", "the parameter 'width' is never used in net"),
        ("blocks: {b(n): relu}\nnet: bn", "2:12", "the parameter 'n' is never used in b"),
    ],
)
def test_a_definition_that_deceives_is_refused(tmp_path: Path, text: str, place: str, message: str) -> None:
    """The name of a layer kind, a name twice, a parameter that does nothing: an error at the definition."""
    with pytest.raises(BneckError) as told:
        analyzed(tmp_path, text)
    assert told.value.message.startswith(message)
    assert told.value.location is not None
    assert f"{told.value.location.line}:{told.value.location.column}" == place


@pytest.mark.parametrize(
    "text",
    [
        "net(n=1, m=n): conv 1x1 m",
        "net(n=1):\n  - if: n > 0\n    then: relu",
        "net(kinds=[3, 4]): conv 1x1 kinds[0]",
        "net(a=2, b=3): conv 1x1 (max(a, b) if a > 1 else 4)",
        "net(act=relu): act",
        "net(times=2): (times)x relu",
        "net(n=2):\n  - repeat: n\n    body: relu",
        "blocks:\n  b(map): from map -> relu\nnet:\n  - as x\n  - b x",
        "blocks:\n  b(map):\n    - add: [identity, from map]\nnet:\n  - as x\n  - b x",
        "blocks:\n  b(k): conv 1x1 (k)\n  d(k): b k\nnet(k=3): 2x d k=1 first(k=k)",
        "net(p=true):\n  - conv: {kernel: 1, channels: 2, bias: p}",
    ],
)
def test_a_parameter_is_used_wherever_its_name_is_read(tmp_path: Path, text: str) -> None:
    """In a default, a condition, a list, a step's name, a repeat, as a tensor, for a first copy, as a flag."""
    analyzed(tmp_path, text)


def test_the_library_uses_all_its_parameters() -> None:
    """Every bundled block and network reads what it takes."""
    for name in (*network_names(), *block_files()):
        require_used_parameters(load(name))


def test_cin_is_what_enters_a_copy(tmp_path: Path) -> None:
    """A repeat in the net, in a block, and of a block see the same."""
    grown = 2 * 3 + 3 * 4 + 4 * 5
    assert analyzed(tmp_path, "net: 3x conv 1x1 cin+1")[0] == grown
    assert analyzed(tmp_path, "net:\n  - repeat: 3\n    body: conv 1x1 cin+1")[0] == grown
    assert analyzed(tmp_path, "blocks: {b: 3x conv 1x1 cin+1}\nnet: b")[0] == grown
    assert analyzed(tmp_path, "blocks: {b: conv 1x1 cin+1}\nnet: 3x b")[0] == grown
    after = grown + 5 * 2
    assert analyzed(tmp_path, "net: 3x conv 1x1 cin+1 -> conv 1x1 cin")[0] == after
