"""Whatever a file holds, an analysis gives an answer or one error with a place; it never fails in another way."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.formats import as_text
from bneck_cli.language.library import network_names, specs_folder
from bneck_cli.questions.analyze import report

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
    assert all(answers(text) for text in SMALL if "input:" in text or "extends:" in text)
