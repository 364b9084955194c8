"""What a spec asks of symbolic sizes beyond polynomials: functions, ratios, bounds and decisions, against numbers."""

from __future__ import annotations

import re
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.settings import Settings
from bneck_cli.language.document import Scalar, Source
from bneck_cli.language.library import resolve
from bneck_cli.language.parsing import parse_expression
from bneck_cli.sizes import number
from bneck_cli.sizes.agreement import requirements
from bneck_cli.sizes.assumed import Assumed, assumed, restored
from bneck_cli.sizes.bounds import at_least, at_most, compared
from bneck_cli.sizes.dim import Dim, symbol
from bneck_cli.sizes.evaluation import evaluate, substitute
from bneck_cli.sizes.number import Ratio, divided
from bneck_cli.sizes.writing import latex, pretty
from bneck_cli.spaces.axes import grid, parse_axis
from bneck_cli.spaces.space import Space

C, G = symbol("C"), symbol("G")
thorough = settings(max_examples=300, deadline=None, database=None)
FORMS = (
    "({0} + {1})", "({0} - {1})", "({0} * {1})", "({0} * 0.25)", "({0} / 6)", "({0} * 1.4)", "({0} // 3)", "({0} % 5)",
    "min({0}, {1})", "max({0}, {1})", "max(1, {0})", "min({0}, {1}, 24)", "ceil({0})", "floor({0})", "round({0})",
    "round8({0})", "round8({0}, 4)", "round({0} / 4)", "round8({0} * 0.75)",
)  # fmt: skip


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Write an expression of the language over C and G."""
    if not depth or draw(st.integers(0, 4)) == 0:
        return draw(st.sampled_from(("C", "C", "G", "2", "7", "64", "0.5")))
    return draw(st.sampled_from(FORMS)).format(draw(expressions(depth - 1)), draw(expressions(depth - 1)))


def work(text: str, **scope: Any) -> Any:
    """Evaluate an expression as a spec does."""
    return parse_expression(Scalar(Source("a.yaml", text), 0, 0, text)).evaluate(scope)


def oracle(text: str, **scope: int) -> Fraction:
    """Evaluate an expression by Python's own fractions."""

    def round8(value: Fraction, divisor: int = 8) -> Fraction:
        rounded = max(divisor, int(value + Fraction(divisor, 2)) // divisor * divisor)  # torchvision's _make_divisible
        return Fraction(rounded + divisor if rounded < Fraction(9, 10) * value else rounded)

    names = {"min": min, "max": max, "ceil": ceil, "floor": floor, "round": round, "round8": round8}
    exact = re.sub(r"(?<![a-z])[0-9.]+", r'Q("\g<0>")', text)
    return Fraction(eval(exact, {**names, "Q": Fraction, **{name: Fraction(value) for name, value in scope.items()}}))


positive = st.integers(1, 70) | st.integers(2**40, 2**40 + 50)


@thorough
@given(expressions(), st.lists(st.tuples(positive, positive), min_size=1, max_size=4))
def test_a_size_is_at_every_number_what_the_number_gives(text: str, at: list[tuple[int, int]]) -> None:
    """By itself, as the text that it prints, over arrays, and with numbers put in the place of symbols."""
    text = f"floor({text})"
    try:
        size = work(text, C=C, G=G)
    except BneckError:
        reject()
    expected = [oracle(text, C=c, G=g) for c, g in at]
    assert [work(text, C=c, G=g) for c, g in at] == expected
    assert [evaluate(size, {"C": c, "G": g}) for c, g in at] == expected
    assert [eval(str(size), {"C": c, "G": g}) for c, g in at] == expected
    assert [substitute(size, {"C": c, "G": g}) for c, g in at] == expected
    columns = {name: numpy.array(values) for name, values in zip("CG", zip(*at, strict=True), strict=True)}
    assert numpy.broadcast_to(evaluate(size, columns), (len(at),)).tolist() == expected
    assert substitute(substitute(size, {"C": G, "G": C}), {"C": G, "G": C}) == size or isinstance(size, Dim)


@thorough
@given(expressions(), expressions(2), st.integers(1, 40), st.lists(st.tuples(positive, positive), min_size=4))
def test_what_is_known_of_a_size_holds_at_every_number(
    one: str, other: str, least: int, at: list[tuple[int, int]]
) -> None:
    """Bounds are bounds, and a comparison that is decided is decided rightly; also of symbols with a least value."""
    scope = {"C": assumed("C", Assumed(least=least, most=2**50)), "G": G}
    try:
        left, right = work(one, **scope), work(other, **scope)
        low, high = at_least(left - right), at_most(left - right)
        answers = {operator: compared(operator, left, right) for operator in ("==", "!=", "<", "<=", ">", ">=")}
    except BneckError:
        reject()
    for c, g in at:
        values = {"C": c + least - 1, "G": g}
        difference = oracle(one, **values) - oracle(other, **values)
        assert low is None or Fraction(*number.parts(low)) <= difference
        assert high is None or Fraction(*number.parts(high)) >= difference
        for operator, answer in answers.items():
            assert answer is None or answer == eval(f"difference {operator} 0")


@pytest.mark.parametrize(
    ("text", "shown", "tex"),
    [
        ("max(1, floor(C*0.25))", "max(1, ⌊C/4⌋)", r"\max\left( 1, \left\lfloor \frac{C}{4} \right\rfloor \right)"),
        ("round8(C*0.75)", "round8(3/4·C)", r"\operatorname{round8}\left( \frac{3}{4} C, 8 \right)"),
        ("round(C/4)", "round(C/4)", r"\operatorname{round}\left( \frac{C}{4} \right)"),
        ("ceil(C*1.5)", "C + ⌊(C + 1)/2⌋", r"C + \left\lfloor \frac{C + 1}{2} \right\rfloor"),
        ("min(16, C)", "min(16, C)", r"\min\left( 16, C \right)"),
        ("C / G", "C/G", r"\frac{C}{G}"),
        ("round(C)", "C", "C"),
        ("max(0, C)", "C", "C"),
        ("min(C, 2*C, C + G)", "C", "C"),
        ("max(8, round8(C))", "round8(C)", r"\operatorname{round8}\left( C, 8 \right)"),
        ("round8(40*C)", "40·C", "40 C"),
        ("C / min(16, C) * min(16, C)", "C", "C"),
        ("C / (C / 64)", "64", "64"),
        ("max(G, min(C, max(G, C)))", "max(C, G)", r"\max\left( C, G \right)"),
    ],
)
def test_functions_are_simplified_and_written_as_mathematics(text: str, shown: str, tex: str) -> None:
    """What holds whatever the symbols is simplified away."""
    size = work(text, C=C, G=G)
    assert (pretty(size), latex(size)) == (shown, tex)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("1 if C < 16 else 2", "whether C < 16 depends on C", "give C a value, or --assume 'C>=16'"),
        ("1 if C % 4 == 0 else 2", "whether C - 4·⌊C/4⌋ == 0 depends on C", "give C a value, or --assume 'C%4==0'"),
        ("1 if C == G else 2", "whether C == G depends on C and G", "give one of C or G a value"),
        ("1 if C > 2**30 else 2", "whether C > 1073741824 depends on C", "give C a value"),
    ],
)
def test_what_depends_on_a_symbol_says_what_would_settle_it(text: str, message: str, hint: str) -> None:
    """The symbol, and an assumption or a number."""
    with pytest.raises(BneckError) as told:
        work(text, C=C, G=G)
    assert (told.value.message, told.value.hint) == (message, hint)


def test_a_proposed_assumption_settles_it() -> None:
    """What the message proposes is enough."""
    assert work("1 if C < 16 else 2", C=assumed("C", Assumed(least=16))) == 2
    assert work("1 if C % 4 == 0 else 2", C=assumed("C", Assumed(unit=4))) == 1
    assert work("min(16, C)", C=assumed("C", Assumed(least=16))) == 16
    assert work("min(16, C)", C=assumed("C", Assumed(most=16))) == assumed("C", Assumed(most=16))
    assert restored(assumed("C", Assumed(32, 64, 128))) == C


def test_a_symbol_is_at_least_one() -> None:
    """So it is true, and not 0."""
    assert work("1 if C else 2", C=C) == 1
    assert work("1 if C > 0 and C >= 1 and not C == 0 else 2", C=C) == 1


def test_a_quotient_of_sizes_must_be_whole() -> None:
    """It is said as a requirement, and elsewhere it is an error."""
    size = work("C / G + C / 4", C=C, G=G)
    assert requirements([size]) == ["C/4 + (C/G) is whole", "C is a multiple of G"]
    with pytest.raises(ArithmeticError, match="not a whole number"):
        evaluate(divided(C, G), {"C": 7, "G": 2})
    with pytest.raises(ArithmeticError):
        evaluate(divided(C, G - 2), {"C": numpy.array([4, 8]), "G": numpy.array([2, 4])})


# Ratios


@thorough
@given(
    *[st.fractions(max_denominator=12)] * 2,
    st.sampled_from(["+", "-", "*", "/", "//", "%", "<", "<=", ">", ">=", "=="]),
)
def test_a_ratio_is_a_fraction(one: Fraction, other: Fraction, operator: str) -> None:
    """All operators, ratios and whole numbers on either side; what is whole is an int."""
    a, b = (divided(value.numerator, value.denominator) for value in (one, other))
    if operator in ("/", "//", "%") and not other:
        with pytest.raises(ZeroDivisionError):
            divided(a, b) if operator == "/" else eval(f"a {operator} b")
        return
    found = divided(a, b) if operator == "/" else eval(f"a {operator} b")
    expected = eval(f"one {operator} other")
    if isinstance(expected, bool):
        assert found == expected
        return
    assert Fraction(*number.parts(found)) == expected
    assert isinstance(found, int) == (Fraction(expected).denominator == 1)
    assert number.nearest(a) == round(one)
    assert Fraction(*number.parts(number.nearest(a, 2))) == round(one, 2)
    assert number.nearest(a, -1) == round(one, -1)
    assert number.ceiling(a) == ceil(one)


def test_a_ratio_is_written_as_people_write_it() -> None:
    """A decimal where it is exact."""
    assert [str(divided(*pair)) for pair in ((127, 2), (1, 3), (-7, 5))] == ["63.5", "1/3", "-1.4"]
    assert {Ratio(1, 2), divided(2, 4)} == {Ratio(1, 2)}


@pytest.mark.parametrize("room", ["engine", "language", "sizes"])
def test_what_a_number_is_stands_in_one_room(room: str) -> None:
    """Rules ask `is_whole`, `is_symbolic` and `divided`, so that a number of another kind can flow through them."""
    apart = {"number.py", "functions.py", "evaluation.py"}  # where numbers are made, and arrays worked out
    asked = re.compile(r"isinstance\([^()]*, int\)|\bFraction\b|__name__ == \"Dim\"")
    files = [path for path in (Path(bneck_cli.__file__).parent / room).rglob("*.py") if path.name not in apart]
    assert len(files) > 3
    assert [f"{path.name}: {found}" for path in files for found in asked.findall(path.read_text("utf-8"))] == []


def test_a_power_of_a_size_that_varies() -> None:
    """In a sweep it is that of each design."""
    program = resolve(Source("own.yaml", "input: 2 x 3\nnet: conv 1 (n**c)\n"))
    (block,) = Space(program, Settings(), grid([parse_axis("L=4:5")]), ("params",)).blocks()
    assert block.totals["params"].tolist() == [2 * 4**2, 2 * 5**2]
