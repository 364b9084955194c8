"""Work is bounded: a command answers within a second, or refuses in the name of the budget that all it does shares."""

from __future__ import annotations

import contextlib
import io
import time
from typing import TYPE_CHECKING

import pytest

import bneck_cli
from bneck_cli import BneckError, budget, cli
from tests.growth import net

if TYPE_CHECKING:
    from pathlib import Path

FILE = "spec.yaml"
PARAMETERS = ", ".join(f"p{index}={f'p{index - 1}' if index else 'k'}" for index in range(2000))
LONG = "+".join(["k"] * 400)

GREEDY = {
    "formulas that grow with every layer": (
        net((f"conv 3 (c+h+{index}) stride=2" for index in range(300)), "input: 3 x H x W\n"),
        "analyze",
        "more than 250,000 terms of all formulas together",
    ),
    "published figures at 2,000 sizes": (
        net((f"conv 3x3 {8 + index % 977}" for index in range(2000)), "input: 3 x 32 x 32\n")
        + "expect:\n"
        + "".join(f"  - {{params: 1, input: 3x{32 + index}x32}}\n" for index in range(2000)),
        "check",
        "more than 23,052 different layers in all walks of one command",
    ),
    "2,000 defaults in 4,000 uses": (
        net(
            (f"b {8 + index}" for index in range(4000)),
            f'input: 8 x 8 x 8\nblocks:\n  ? "b(k, {PARAMETERS})"\n  : conv 1x1 p1999\n',
        ),
        "analyze",
        "steps of the walk",
    ),
    "a long expression in many copies": (
        f"input: 8 x 8 x 8\nblocks:\n  b(k): {{if: ({LONG}) > 0, then: conv 1x1 (k+1)}}\nnet: 100000x b c\n",
        "analyze",
        "steps of the walk",
    ),
    "a long list in many uses": (
        "input: 8 x 8 x 8\nblocks:\n"
        + "".join(f"  b{i}(k, l): b{i + 1} (2*k) l -> b{i + 1} (2*k+1) l\n" for i in range(20))
        + f"  b20(k, l): {{if: 'k > l[0]', then: relu}}\nnet(l=[{', '.join(['7'] * 300)}]): b0 1 l\n",
        "analyze",
        "steps of the walk",
    ),
    "names that make long paths": (
        "input: 8 x 8 x 8\nblocks:\n"
        + "".join(f"  {'b' * 400}{i}(): {'b' * 400}{i + 1} -> relu\n" for i in range(20))
        + f"  {'b' * 400}20(): relu -> bn\nnet: 10000x {'b' * 400}0\n",
        "analyze --expand",
        "rows",
    ),
    "copies of a repeat in a repeat": (
        (
            "input: 8 x 8 x 8\nblocks:\n  b(): {repeat: 1000, body: conv 3x3 c -> 100x t -> silu}\n  t(): relu -> bn\n"
            "net: 100x b\n"
        ),
        "analyze --expand --columns op,op",
        "more than 50,004 rows",
    ),
}


def told(words: list[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, float]:
    """Run a command line; return what it says on standard error, and the processor time that it takes."""
    monkeypatch.setattr("sys.argv", ["bneck", *words])
    err = io.StringIO()
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        cli.run()
    return err.getvalue(), time.process_time() - start


@pytest.mark.parametrize("name", GREEDY)
def test_a_greedy_spec_is_refused_by_the_budget(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiny files that would take minutes are refused within a second or so, with the limit in the message."""
    text, command, message = GREEDY[name]
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    first, *options = command.split()
    err, _ = told([first, FILE, *options], monkeypatch)
    assert "that is too much work: more than" in err
    assert message in err


def test_a_long_file_has_the_rows_that_it_writes() -> None:
    """Rows are bounded by the layers that are worked out: 17,000 lines of three layers are 51,000 rows."""
    network = bneck_cli.analyze(net("conv 3x3 8 -> bn -> relu" for _ in range(17_000)))
    assert len(network.records()) == 51_000 > budget.ROWS.most


def test_a_command_has_one_budget_and_the_next_has_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Walks add up inside a command alone: a second one begins at nothing."""
    monkeypatch.setattr(budget, "LAYERS", budget.LAYERS._replace(most=40, each=0))
    spec = net(["conv 3x3 8"] * 30)
    for _ in range(10):
        bneck_cli.analyze(spec)
    with budget.one_budget():
        for _ in range(budget.WALKS * 40 // 30):
            bneck_cli.analyze(spec)
        with pytest.raises(BneckError, match="120 different layers in all walks of one command"):
            bneck_cli.analyze(spec)
    bneck_cli.analyze(spec)
