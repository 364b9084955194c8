"""What stands for a spec on the command line: a name, in any case, and the words behind it, as a step of a spec has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from running import run

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.language.library import find, load

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("command", "more"),
    [
        ("analyze", ["--format", "csv"]),
        ("analyze", ["--symbolic"]),
        ("explain", []),
        ("footprint", ["--format", "json"]),
        ("lint", ["--all"]),
        ("reconcile", ["70400", "--format", "csv"]),
    ],
)
def test_words_behind_a_name_are_options(command: str, more: list[str]) -> None:
    """``"bottleneck 256 stride=2"`` is ``bottleneck --channels 256 --set stride=2``, in every command."""
    short = run(command, "bottleneck 256 stride=2", *more)
    spelled = run(command, "bottleneck", *more, "--channels", "256", "--set", "stride=2")
    assert short[1].replace("bottleneck 256 stride=2", "bottleneck") == spelled[1]
    assert short[1]
    assert (short[0], short[2]) == (spelled[0], spelled[2])


def test_two_blocks_each_with_its_words() -> None:
    """``diff`` and ``compare`` read two names, each with its own channels; what is printed can be typed again."""
    _, out, _ = run("diff", "basic 64", "basic 128", "--format", "json")
    sizes = [bneck_cli.analyze("basic", channels=channels).cost.params for channels in (64, 128)]
    assert all(str(size) in out for size in sizes)
    code, out, err = run("compare", "bottleneck 256", "basic 64")
    assert (code, err) == (0, "")
    assert "bottleneck 256 and basic 64" in out.splitlines()[0]


@pytest.mark.parametrize("given", [{"channels": 128}, {"stride": 1}])
def test_words_and_options_do_not_contradict(given: dict[str, Any]) -> None:
    """A value behind a name and another in ``--channels`` or ``--set`` is an error: one of the two would be lost."""
    assert bneck_cli.analyze("basic 64 stride=2").cost == bneck_cli.analyze("basic", channels=64, stride=2).cost
    with pytest.raises(BneckError, match="given twice"):
        bneck_cli.analyze("basic 64 stride=2", **given)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("basic 64", (64, ())),
        ("basic 64 2", (64, (("stride", "2"),))),
        ("basic channels=64", (64, ())),
        ("basic 64 stride=(1 + 1)", (64, (("stride", "(1 + 1)"),))),
        ("resnet18 classes=10", (None, (("classes", "10"),))),
        ("basic", None),
    ],
)
def test_words_are_read_as_a_step_is(name: str, words: tuple[object, ...] | None) -> None:
    """Arguments go to the parameters in order, options by name, and parentheses hold spaces together."""
    found = load(name).words
    assert words == (found and (found.channels, tuple((given.name, given.text) for given in found.values)))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("basic 64 1 3 4 5", "SPEC:1:"),
        ("basic 64 channels=32", "'channels' is given twice"),
        (
            "basic 64 strid=2",
            "basic has no parameter 'strid'\n  basic 64 strid=2\n           ^^^^^^^\n  did you mean 'stride'?",
        ),
        ("basic 64 stride =2", "an option has no spaces around its `=`"),
        ("basic 64 (2", "a parenthesis is not closed"),
        ("resnet18 64", "unexpected word '64'\n  resnet18 64\n           ^^\n  a network takes only options"),
        ("bassic 64", "no file, network or block 'bassic'\n  did you mean 'basic'?"),
    ],
)
def test_wrong_words_are_told_at_their_place(name: str, message: str) -> None:
    """A word that nothing takes is an error with its place in what was typed."""
    with pytest.raises(BneckError) as told:
        load(name)
    assert message in str(told.value)


@pytest.mark.parametrize("name", ["ResNet50", "RESNET50", "resnet50", "Bottleneck"])
def test_names_in_any_case(name: str) -> None:
    """Papers write ResNet50."""
    assert find(name) == find(name.lower())


@pytest.mark.parametrize(
    ("name", "near"), [("ResNet51", "resnet50"), ("ResNext50", "resnext50_32x4d"), ("VGG", "vgg11")]
)
def test_the_nearest_name_in_any_case(name: str, near: str) -> None:
    """A capital letter does not hide the nearest name."""
    with pytest.raises(BneckError, match=f"did you mean '{near[:3]}"):
        find(name)


def test_a_file_with_spaces_is_a_file(tmp_path: Path) -> None:
    """A file's name is taken whole, also before a block's."""
    file = tmp_path / "my spec 64.yaml"
    file.write_text("blocks:\n  own(channels): conv 1x1 channels\n", encoding="utf-8")
    assert load(f"{file}:own").block == "own"
    assert load(f"{file}:own").words is None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("lint", "mobilenet_v2"), 0),
        (("lint", "resnet50_v1"), 1),
        (("lint", "resnet50_v1", "--exit-zero"), 0),
        (("lint", "no_such_net"), 2),
        (("lint", "resnet18", "--ignore", "no-such-rule"), 2),
        (("lint", "resnet18", "--no-such-option"), 2),
        (("lint",), 2),
        (("analyze", "no_such_net"), 1),
        (("analyze", "resnet18", "--format", "no"), 2),
        (("check", "no_such_net"), 1),
        (("check", "resnet18"), 0),
        (("nothing",), 2),
    ],
)
def test_exit_codes(words: tuple[str, ...], code: int) -> None:
    """0 is fine, 1 a wrong spec or a finding, 2 wrong usage; lint's 1 is a finding and nothing else."""
    got, _, err = run(*words)
    assert got == code
    assert bool(err) == (code == 2 or words[-1] == "no_such_net")


@pytest.mark.parametrize("word", ["\x1b[31m", "\u202ered", "9" * 5000])
@pytest.mark.parametrize(
    "words",
    [
        ("analyze", "resnet18", "--depth"),
        ("analyze", "resnet18", "--format"),
        ("draw", "basic", "--theme"),
        ("lint", "resnet18", "--set"),
    ],
)
def test_usage_errors_quote_what_was_typed(words: tuple[str, ...], word: str) -> None:
    """A word of the command line reaches the terminal escaped, and not whole where it is long."""
    code, _, err = run(*words, word)
    assert code == 2
    assert len(err) < 1500
    assert "\x1b" not in err
    assert "\u202e" not in err


def test_only_where_nothing_is(tmp_path: Path) -> None:
    """A network without layers has no kinds to show, and the message says so."""
    (tmp_path / "empty.yaml").write_text("input: 3 x 8 x 8\nnet: as a\n", encoding="utf-8")
    code, out, err = run("analyze", str(tmp_path / "empty.yaml"), "--only", "conv")
    assert (code, out) == (1, "")
    assert "it has no layers" in err
