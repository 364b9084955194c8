"""How two amounts compare, in words and as a number: never rounded to nothing, never beyond a float."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.settings import Settings, read_settings
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, resolve
from bneck_cli.questions.compare import compare_programs
from bneck_cli.questions.diff import diff
from bneck_cli.words.comparing import against, quotient, times
from bneck_cli.words.values import Percent, Ratio

HUGE = 10**400


@pytest.mark.parametrize(
    ("value", "first", "said"),
    [
        (1016, 1000, "1.6% more weights (1,016 against 1,000)"),
        (999_984, 1_000_000, "16 fewer weights (999,984 against 1,000,000)"),
        (1_000_016, 1_000_000, "16 more weights (1,000,016 against 1,000,000)"),
        (5, 5, "the same number of weights (5)"),
        (0, 0, "the same number of weights (0)"),
        (0, 5, "no weights against 5"),
        (5, 0, "5 weights against 0"),
        (10, 169, "1/16.9 of the weights (10 against 169)"),
        (169, 10, "16.9 times as many weights (169 against 10)"),
        (3, 2, "1.5 times as many weights (3 against 2)"),
        (2, 3, "33.3% fewer weights (2 against 3)"),
    ],
)
def test_two_amounts_in_words(value: int, first: int, said: str) -> None:
    """A share near 1, a count where it would round to 0.0%, a fraction below a third, a multiple above 1.5."""
    assert against(value, first, "weights") == said


@given(st.integers(1, 10**330), st.integers(1, 10**330))
@settings(derandomize=True, deadline=None)
def test_a_difference_is_never_said_to_be_nothing(value: int, first: int) -> None:
    """Whatever the sizes, no sentence says 0.0%, infinity or zero of what differs, and the share is right."""
    said = against(value, first, "weights")
    assert ("the same number" in said) == (value == first)
    assert not said.startswith(("0.0%", "0 ", "inf", "no "))
    share = said.split("%")[0]
    if "%" in said and value != first:
        assert abs(Fraction(share) / 100 - abs(Fraction(value, first) - 1)) <= Fraction(6, 10**4)


def test_ratios_beyond_floats() -> None:
    """A ratio that no float holds is a whole number; over 0 there is none."""
    assert quotient(HUGE, 3) == HUGE // 3
    assert quotient(3, HUGE) == 0
    assert quotient(5, 0) is None
    assert quotient(0, 0) is None
    assert str(Ratio(quotient(HUGE, 1))) == f"{HUGE:,}"
    assert str(Percent(quotient(HUGE, 1))) == f"+{HUGE:,}%"
    assert times(HUGE) == f"{HUGE:,} times"
    assert against(7, HUGE, "weights").startswith(f"1/{HUGE // 7:,} of the weights")
    assert against(HUGE, 7, "weights").startswith(f"{HUGE // 7:,} times as many")
    assert against(HUGE + 1, HUGE, "weights").startswith("1 more")


def test_nothing_compared_with_nothing_has_no_ratio() -> None:
    """Three blocks of which two have no norm: 0 to 0 is no 1.000."""
    text = "blocks:\n  a(channels): conv 1x1 channels\n  b(channels): conv 1x1 channels -> bn\n"
    own = resolve(Source("own.yaml", text))
    programs = [(name, own._replace(block=name, net=None)) for name in ("a", "a", "b")]
    comparison = compare_programs(programs, read_settings(channels="8"))
    (norms,) = (metric for metric in comparison.metrics if metric.key == "norm_params")
    assert norms.values == (0, 0, 16)
    assert [norms.ratio(index) for index in range(3)] == [None, None, None]


def test_a_small_difference_is_counted() -> None:
    """5,000 weights among 25 million are said as 5,000, by compare and by diff, and not as 0.0%."""
    text = "input: 8 x 2 x 2\nnet(more=0):\n  - conv 1x1 5000\n  - conv 1x1 5000\n  - conv 1x1 (16 + more)\n"
    texts = {"one": text, "two": text.replace("more=0", "more=1")}
    programs = [(name, resolve(Source(f"{name}.yaml", own))) for name, own in texts.items()]
    comparison = compare_programs(programs, Settings())
    assert "5,000 more weights in convolutions (25,125,000 against 25,120,000)" in comparison.conclusion[0]
    found = diff(*(analyze_program(program) for _, program in programs))
    assert "5,000 more parameters (25,125,000 against 25,120,000)" in found.conclusion[0]


@pytest.mark.parametrize(("other", "ratio"), [("basic", 1.0), ("bottleneck", 17 / 288)])
def test_symbols_compare(other: str, ratio: float) -> None:
    """Formulas of which one is a multiple of the other have that ratio, and a sentence says it."""
    programs = [("basic", load("basic")), (other, load(other))]
    settings = read_settings(channels="C", input="HxW")
    comparison = compare_programs(programs, settings)
    macs = next(metric for metric in comparison.metrics if metric.key == "macs")
    assert macs.ratio(1) == pytest.approx(ratio)
    assert ("1/16.9 of the multiply-adds" in comparison.conclusion[0]) == (ratio < 1)
    found = diff(*(analyze_program(program, settings) for _, program in programs))
    assert ("multiply-adds" in " ".join(found.conclusion)) == (ratio < 1)
