"""Whatever a file holds, an analysis gives an answer or one error with a place; it never fails in another way."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.formats import as_text
from bneck_cli.language.library import network_names, specs_folder
from bneck_cli.questions.analyze import report

sys.path.insert(0, str(Path(__file__).parent))
import fuzz

TEXTS = [(specs_folder() / f"{name}.yaml").read_text(encoding="utf-8") for name in network_names()]
TEXTS += [path.read_text(encoding="utf-8") for path in sorted((specs_folder() / "blocks").glob("*.yaml"))]
WORDS = sorted({word for text in TEXTS for word in text.replace("\n", " \n ").split(" ") if word})
SMALL = [text for text in TEXTS if len(text) < 1500]


def answers(text: str) -> bool:
    """Analyse a text and print it; tell whether there was an answer. Only a BneckError may come instead."""
    try:
        analysis = bneck_cli.analyze(f"{text}\n")
    except BneckError as told:
        error = told
    else:
        for name in ("csv", "json"):
            assert as_text(report(analysis), name)
        return True
    assert error.message
    assert error.location is None or min(error.location.line, error.location.column) >= 1
    return False


@given(st.sampled_from(SMALL), st.integers(0, 2**32))
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_mutated_spec_is_answered_or_told(text: str, seed: int) -> None:
    """A bundled spec with words changed, lines lost and characters swapped never ends in a traceback."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 3)):
        position = chance.randrange(max(1, len(text)))
        match chance.randrange(5):
            case 0:
                text = text[:position] + chance.choice("()[]{},:=->x0123456789/*%'\"\n \t#&!|é\0") + text[position:]
            case 1:
                text = text[:position] + text[position + chance.randint(1, 8) :]
            case 2:
                lines = text.split("\n")
                del lines[chance.randrange(len(lines))]
                text = "\n".join(lines)
            case 3:
                words = text.split(" ")
                words[chance.randrange(len(words))] = chance.choice(WORDS)
                text = " ".join(words)
            case _:
                other = chance.choice(SMALL)
                text = text[:position] + other[chance.randrange(max(1, len(other))) :][: chance.randint(1, 80)]
    answers(text)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_random_words_as_a_pipeline(words: list[str]) -> None:
    """Words of the language in any order are a network or an error."""
    line = " ".join(word for word in words if word != "\n").replace("'", "")
    answers(f"input: 8 x 16 x 16\nnet:\n  - '{line}'")


@given(st.text(alphabet="()[]+-*/%<>=!,. 0123456789abcxhwinotrdlsefu_", max_size=40))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_random_expressions(text: str) -> None:
    """Any text as an argument is a number or an error."""
    answers(f"input: 8 x 16 x 16\nnet:\n  - conv 3x3 ({text})")


def test_the_specs_themselves_are_answered() -> None:
    """The harness does not call everything wrong: the networks that it mutates are right."""
    assert all(answers(text) for text in SMALL if "\nnet" in text or "extends:" in text)


def test_the_harness_finds_nothing() -> None:
    """2,000 cases over all commands and formats, or as many as ten seconds allow, end as they should."""
    ran, findings = fuzz.fuzz(seed=7, cases=2000, seconds=10, jobs=1)
    assert ran > 0
    assert not findings, fuzz.report(findings, minimise=False)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("raise KeyError('x')", "KeyError in cli/__init__.py:run"),
        ("print(chr(27))", "control character U+001B"),
        ("sum(range(10**8))", "slow"),
        ("while True: pass", "slow"),
        ("bytearray(300_000_000)", "memory"),
        ("return 3", "exit 3"),
        ("return 1", "exit 1 without a word"),
        ("os.kill(os.getpid(), 9)", "killed by signal 9"),
        ("return 0", ""),
    ],
)
def test_the_harness_sees_what_goes_wrong(body: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception, a hang, a greedy case, an odd exit or a control character is reported as what it is."""
    names: dict[str, Any] = {"os": os}
    exec(compile(f"def run():\n {body}\n return 0", "bneck_cli/cli/__init__.py", "exec"), names)
    monkeypatch.setattr(fuzz.cli, "run", names["run"])
    monkeypatch.setattr(fuzz, "SECONDS", 0.3)
    assert fuzz.kind_of(fuzz.Case(("analyze",), {}), wall=3) == kind


def test_a_case_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not matter to a failure is taken away: words, lines, characters."""

    def run() -> int:
        if "bad" in Path("spec.yaml").read_text(encoding="utf-8") and "--flag" in sys.argv:
            raise ValueError
        return 0

    monkeypatch.setattr(fuzz.cli, "run", run)
    case = fuzz.Case(
        ("analyze", "spec.yaml", "--flag", "x"), {"spec.yaml": "one\ntwo bad three\n", "other.yaml": "x"}, "in"
    )
    found = fuzz.minimised(fuzz.Finding(0, fuzz.kind_of(case), "", case))
    assert found == fuzz.Case(("--flag",), {"spec.yaml": "bad"})
