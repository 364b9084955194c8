"""Symbolic sizes against Python's own integers: random expressions, laws, lemmas, and where two sizes agree."""

from __future__ import annotations

import re
from math import gcd
from operator import add, ge, gt, le, lt, mul, sub
from typing import TYPE_CHECKING, Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli.sizes.agreement import Agreement, agreement, requirements
from bneck_cli.sizes.bounds import sign
from bneck_cli.sizes.dim import Dim, Floor, Size, exact_quotient, proportion, symbol, symbols
from bneck_cli.sizes.evaluation import evaluate, substitute
from bneck_cli.sizes.number import divided
from bneck_cli.sizes.writing import latex, pretty

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAMES = ("H", "W", "C")
H, W, C = map(symbol, NAMES)
DIMS: dict[str, Any] = {"H": H, "W": W, "C": C}
thorough = settings(max_examples=150, deadline=None, database=None)
FORMS = ("(X + X)", "(X - X)", "(X * X)", "(X // N)", "(X // N)", "((X + N) // N * N)", "(X % N)", "X**2", "X**3", "-X")


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> str:
    """Write an expression over H, W and C with divisors from 1 to 12."""
    if not depth or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from((*NAMES, *NAMES, "(-7)", "0", "2", "9", "31")))
    parts = re.split("([XN])", draw(st.sampled_from(FORMS)))
    made = {"X": lambda: f"({draw(expressions(depth - 1))})", "N": lambda: str(draw(st.integers(1, 12)))}
    return "".join(made[part]() if part in made else part for part in parts)


def work(text: str, values: Mapping[str, Any] = DIMS) -> Any:
    """Work an expression out as Python does, over sizes or over numbers."""
    return eval(text, dict(values))


texts, short = expressions(), expressions(2)
divisors = st.integers(1, 12)
numbers = st.integers(-300, 300) | st.integers(2**32 - 40, 2**32 + 40) | st.integers(-(2**33), 2**33)
points = st.fixed_dictionaries(dict.fromkeys(NAMES, numbers))


def floors(size: Size) -> list[Floor]:
    """Find the floors in a size, those inside others too."""
    terms = size.terms if isinstance(size, Dim) else {}
    outer = [atom for monomial in terms for atom, _ in monomial if isinstance(atom, Floor)]
    return outer + [inner for floor in outer for inner in floors(floor.numerator)]


# Against Python's integers


@thorough
@given(texts, st.lists(points, min_size=1, max_size=4), st.sampled_from(["object", "int64"]))
def test_a_size_evaluates_to_what_python_computes(text: str, at: list[dict[str, int]], kind: str) -> None:
    """By itself, as the text that it prints, and over arrays element by element, also where 64 bits would wrap."""
    size, expected = work(text), [work(text, values) for values in at]
    assert [evaluate(size, values) for values in at] == expected
    assert [work(str(size), values) for values in at] == expected
    columns = {name: numpy.array([values[name] for values in at], dtype=kind) for name in NAMES}
    assert numpy.broadcast_to(evaluate(size, columns), (len(at),)).tolist() == expected


@thorough
@given(texts)
def test_sizes_are_kept_in_normal_form(text: str) -> None:
    """No coefficient is 0, a plain number is an int, and a numerator's coefficients lie in (0, divisor), coprime."""
    size = work(text)
    assert type(size) is int or (symbols(size) and all(size.terms.values()))
    for floor in floors(size):
        assert all(0 < value < floor.divisor for value in floor.numerator.terms.values())
        assert gcd(floor.divisor, *(value for monomial, value in floor.numerator.terms.items() if monomial)) == 1


def test_arrays_broadcast_and_choose_their_own_width() -> None:
    """Sizes that fit are worked out in 64 bits; those that do not, in Python's integers; unsigned ones are exact."""
    grid = evaluate(3 * H * W + (H + 1) // 2, {"H": numpy.arange(4)[:, None], "W": numpy.array([5, 6], dtype="uint8")})
    assert grid.dtype == numpy.int64
    assert grid.tolist() == [[3 * h * w + (h + 1) // 2 for w in (5, 6)] for h in range(4)]
    assert evaluate(H**3 - W, {"H": numpy.array([2**32, 3], dtype="uint64"), "W": 7}).tolist() == [2**96 - 7, 20]
    assert evaluate(H + 1, {"H": numpy.array([2**64 - 1], dtype="uint64")}).tolist() == [2**64]
    assert evaluate(H + 1, {"H": numpy.array([], dtype="int64")}).tolist() == []


FLOATS = [1.0, "3", numpy.float64(2), numpy.array([2.0]), numpy.array([True])]


@pytest.mark.parametrize("value", [*FLOATS, numpy.array([2.5], dtype=object)])
def test_only_integers_are_values(value: object) -> None:
    """A float is refused, whole or not, alone or in an array; so is a text; and nothing stands for no value."""
    with pytest.raises(TypeError):
        evaluate(H + 1, {"H": value})
    with pytest.raises(KeyError):
        evaluate(H + W, {"H": 3})


@pytest.mark.parametrize("operation", [add, sub, mul])
@pytest.mark.parametrize("other", [1.0, 0.5, "2", None])
def test_only_integers_combine_with_a_size(operation: Callable[[Any, Any], Any], other: object) -> None:
    """A float, a text or nothing at all is no part of a size, on either side."""
    with pytest.raises(TypeError):
        operation(H, other)
    with pytest.raises(TypeError):
        operation(other, H)


# Laws and lemmas


@thorough
@given(short, short, short)
def test_the_laws_of_algebra_hold_structurally(one: str, two: str, three: str) -> None:
    """Sums and products commute, associate and distribute, to equal sizes with equal hashes."""
    a, b, c = work(one), work(two), work(three)
    laws = [(a + b, b + a), (a * b, b * a), ((a + b) + c, a + (b + c)), ((a * b) * c, a * (b * c)), (a * a, a**2)]
    for left, right in [*laws, (a * (b + c), a * b + a * c), (a - b, -(b - a)), (a + b - b, a)]:
        assert left == right
        assert hash(left) == hash(right)
        assert str(left) == str(right)
    assert type(a - a) is int
    assert a - a == 0


def test_equal_sizes_have_equal_texts_and_equal_products() -> None:
    """How a size came about shows neither in what it prints nor in what it is multiplied to."""
    one, two = H**2 * W + H * W**2, H * W**2 + H**2 * W
    assert one // 3 == two // 3
    assert one // 3 * ((H * symbol("L") + 1) // 3) == two // 3 * ((H * symbol("L") + 1) // 3)
    assert (str(one), pretty(one), latex(one)) == (str(two), pretty(two), latex(two))


@thorough
@given(texts, st.integers(-50, 50), divisors, divisors, points)
def test_floors_obey_their_laws(text: str, k: int, q: int, m: int, values: dict[str, int]) -> None:
    """``(x + q·k) // q`` is ``x // q + k``, quotient and rest make x again, a quotient's quotient is one quotient."""
    x = work(text)
    assert (x + q * k) // q == x // q + k
    assert (x + q * k) % q == x % q
    assert x // q * q + x % q == x
    assert evaluate(x // m // q, values) == evaluate(x // (m * q), values) == work(text, values) // (m * q)
    assert H * W // m // q == H * W // (m * q)


@thorough
@given(st.lists(st.tuples(divisors, st.integers(-30, 30)), min_size=1, max_size=8))
def test_a_chain_of_windows_is_one_floor(chain: list[tuple[int, int]]) -> None:
    """However many strides and paddings follow each other, at most one floor is left, and the strides multiply."""
    size: Any = H
    stride = 1
    for q, b in chain:
        size = (size + b) // q
        stride *= q
    assert [floor.divisor for floor in floors(size)] == ([stride] if stride > 1 else [])


@pytest.mark.parametrize("kernels", [(3, 3, 3, 3, 3), (7, 3, 1, 5, 1)])
def test_five_halvings_with_same_padding_are_one_rounded_division(kernels: tuple[int, ...]) -> None:
    """Whatever the odd kernels, five strides of 2 with half the kernel as padding leave (H + 31)//32."""
    size: Any = H
    for kernel in kernels:
        size = (size + 2 * (kernel // 2) - (kernel - 1) - 1) // 2 + 1
    assert size == (H + 31) // 32


@pytest.mark.parametrize(
    ("size", "text"),
    [
        ((4 * H + 6) // 8, "((H + 1)//2)"),  # a common factor of 4, and 6 // 4 is 1
        ((6 * H + 9 * W + 5) // 12, "((2*H + 3*W + 1)//4)"),  # ... of 3
        ((7 * H + 11) // 3, "2*H + ((H + 2)//3) + 3"),  # 7 = 2·3 + 1, 11 = 3·3 + 2
        ((-H) // 3, "-H + (2*H//3)"),
        ((9 * H - 1) // 3, "3*H - 1"),
        ((H // 2 + 3) // 5, "((H + 6)//10)"),
        (H % 4, "H - 4*(H//4)"),
        (exact_quotient(C + 2, 4) * 3, "(3*C + 6)//4"),
    ],
)
def test_normal_forms(size: Size, text: str) -> None:
    """Whole parts are pulled out, common factors divided out, nested floors merged."""
    assert str(size) == text


# Numbers

KINDS = ["int8", "int64", "uint8", "uint64"]


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("kind", KINDS)
def test_numpy_integers_become_pythons(kind: str) -> None:
    """A size holds Python integers alone, so nothing that numpy hands over can wrap, then or later."""
    n, three = numpy.array([120, 3], dtype=kind)
    sizes = [H + n, n + H, H * n, n * H, n - H, (H + 119) // n, H % n, H**three]
    assert sizes == [H + 120, H + 120, 120 * H, 120 * H, 120 - H, (H + 119) // 120, H % 120, H * H * H]
    assert all(type(value) is int for size in sizes for value in size.terms.values())
    assert H - n == H - 120


@pytest.mark.parametrize("order", [lt, le, gt, ge])
@pytest.mark.parametrize("other", [W, 1, numpy.int64(1)])
def test_sizes_have_neither_order_nor_truth(order: Callable[[Any, Any], Any], other: Any) -> None:
    """Which of two sizes is larger, and whether one is 0, depends on the symbols: asking is an error."""
    with pytest.raises(TypeError):
        order(H, other)
    with pytest.raises(TypeError):
        order(other, H)
    with pytest.raises(TypeError, match="no truth value"):
        bool(H - other)
    assert other != H


@pytest.mark.parametrize("text", ["H // 0", "H // -2", "H // W", "3 // H", "H % 0", "H**-1", "H**65"])
def test_what_is_no_polynomial_is_refused(text: str) -> None:
    """Sizes are divided by positive numbers alone, and raised to powers from 0 to 64."""
    with pytest.raises(ArithmeticError):
        work(text)


# Exact quotients


@thorough
@given(texts, divisors, points)
def test_an_exact_quotient_is_whole_or_an_error(text: str, d: int, values: dict[str, int]) -> None:
    """Its value is the quotient where that is whole, an error elsewhere; times the divisor it is what it was."""
    size, number = work(text), work(text, values)
    if isinstance(size, int) and size % d:
        with pytest.raises(ArithmeticError, match="not divisible"):
            exact_quotient(size, d)
        return
    quotient = exact_quotient(size, d)
    assert quotient * d == size
    assert exact_quotient(5 * quotient, 5) == quotient
    assert d == 1 or size == 0 or quotient != size
    if number % d:
        with pytest.raises(ArithmeticError, match="not a whole number"):
            evaluate(quotient, values)
    else:
        assert evaluate(quotient, values) == work(str(quotient), values) == number // d
        assert evaluate(quotient // 3, values) == number // d // 3


def test_numbers_that_do_not_divide_are_refused() -> None:
    """12 / 5 is no size; nor is it inside an array, nor when a symbol takes such a value."""
    with pytest.raises(ArithmeticError, match="12 is not divisible by 5"):
        exact_quotient(12, 5)
    with pytest.raises(ArithmeticError, match="not a whole number"):
        evaluate(exact_quotient(C, 4), {"C": numpy.array([8, 9])})
    with pytest.raises(ArithmeticError, match="6 is not divisible by 4"):
        substitute(exact_quotient(C, 4), {"C": 6})
    assert evaluate(exact_quotient(C, 4), {"C": numpy.array([8, 12])}).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("quotients", "told"),
    [
        ([(C, 4)], ["C is a multiple of 4"]),
        ([(C, 4), (7, 1), (H, 1), (3 * C, 6)], ["C is a multiple of 4"]),
        ([(C, 4), (C, 6)], ["C is a multiple of 12"]),
        ([(17 * C**2, 16)], ["C is a multiple of 4"]),
        ([(C + 1, 2)], ["C is odd"]),
        ([(C * (C + 1), 2)], []),
        ([(C, 4), (H, 3)], ["C is a multiple of 4", "H is a multiple of 3"]),
        ([(H * W, 6)], ["1/6·H·W is whole"]),
        ([(C, 2), (C + 1, 2)], ["never"]),
        pytest.param([((H + 1) // 2, 2)], ["H % 4 is 0, 3"]),
        pytest.param([(H // 2, 4)], ["H % 8 is 0 to 1"]),
        pytest.param([(C, 4096), (C, 3)], ["C is a multiple of 4096", "C is a multiple of 3"]),
    ],
)
def test_what_must_be_whole_is_told_as_a_requirement(quotients: list[tuple[Size, int]], told: list[str]) -> None:
    """Each symbol has one requirement, that of all its sizes together; one that always holds is not told."""
    assert requirements(exact_quotient(size, divisor) for size, divisor in quotients) == told


@thorough
@given(texts, short, short, points)
def test_substitution_agrees_with_evaluation(text: str, one: str, two: str, values: dict[str, int]) -> None:
    """Symbols are replaced all at once, by numbers or by sizes, and the value is that of the nested expression."""
    size = work(text)
    put = substitute(size, {"H": work(one), "W": work(two)})
    assert evaluate(put, values) == work(text, {**values, "H": work(one, values), "W": work(two, values)})
    assert substitute(size, {}) == size
    assert substitute(size, values) == work(text, values)
    assert substitute(substitute(size, {"H": W, "W": H}), {"H": W, "W": H}) == size


# Agreement

roundings = st.tuples(st.integers(1, 12), st.integers(-15, 15), st.integers(-3, 3))


def rounded(at: Any, by: tuple[int, int, int]) -> Any:
    """Round to a multiple, from a start, and shift: of slope 1, so two of them differ periodically."""
    return by[0] * ((at + by[1]) // by[0]) + by[2]


def holds(agreed: Agreement, at: int) -> bool:
    """Tell whether a value is in the classes that are told."""
    return agreed.modulus > 0 and at % agreed.modulus in agreed.residues


@thorough
@given(roundings, roundings, roundings)
def test_agreement_names_exactly_the_values_at_which_sizes_are_equal(
    one: tuple[int, int, int], two: tuple[int, int, int], three: tuple[int, int, int]
) -> None:
    """Over several periods and both signs, two sizes are equal on the classes told and nowhere else."""
    first, second = agreement(rounded(H, one), rounded(H, two)), agreement(rounded(H, one), rounded(H, three))
    values = range(-2 * one[0] * two[0], 2 * one[0] * two[0])
    alike = {at for at in values if rounded(at, one) == rounded(at, two)}
    assert {at for at in values if holds(first, at)} == alike
    assert first.always == (len(alike) == len(values))
    if first.residues and second.residues:
        both = first.also(second)
        assert {at for at in alike if rounded(at, one) == rounded(at, three)} == {
            at for at in values if holds(both, at)
        }


@pytest.mark.parametrize(
    ("left", "right", "text"),
    [
        (H // 2 + (H + 1) // 2, H, "always equal"),
        (4 * ((H + 1) // 2) ** 2, (H + 1) ** 2, "equal only when H is odd"),
        (16 * (H // 16), H, "equal only when H is a multiple of 16"),
        ((H + 3) // 4, H // 4 + 1, "equal only when H % 4 is 1 to 3"),
        (H**2 - 1, (H + 1) * (H - 1), "always equal"),
        (8, 8, "always equal"),
        (H + 1, H + 2, "never equal"),
        (H**2, 4 * H, "not equal in general"),
        (H // 4097, H // 4098, "not equal in general"),
        (2 * (H // 2), 2 * (W // 2), "not equal in general"),
        (3 * ((H + 2 * (H // 3)) // 3), H + 2 * (H // 3), "equal only when H % 9 is 0, 4, 8"),
        pytest.param(exact_quotient(C, 4), C // 4, "equal only when C is a multiple of 4"),
    ],
)
def test_agreement_is_told_in_words(left: Size, right: Size, text: str) -> None:
    """The message says when two sizes are equal, by the smallest modulus that tells it."""
    assert str(agreement(left, right)) == text


# Signs, proportions, text


@thorough
@given(short, st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(1, 40))), min_size=5, max_size=9))
def test_a_told_sign_is_that_of_every_value(text: str, at: list[dict[str, int]]) -> None:
    """Where a sign is given, no point with positive symbols has another."""
    size = work(text)
    if isinstance(size, Dim) and (direction := sign(size)):
        assert all(direction * work(text, values) > 0 for values in at)


def test_signs_and_proportions_are_told_where_they_are_the_same_for_all_values() -> None:
    """A floor may be 0, so it settles no sign; 18·C² is 288/17 of 17/16·C²."""
    signs = {H: 1, -H: -1, -H - W // 2: -1, H // 2 + 1: 1, H // 2: None, H - 1: None, exact_quotient(-C, 4): -1}
    assert {size: sign(size) for size in signs} == signs
    assert proportion(18 * C**2, exact_quotient(17 * C**2, 16)) == divided(288, 17)
    assert proportion(6 * H + 4 * W, 3 * H + 2 * W) == 2
    assert [proportion(6 * H + 4 * W, other) for other in (3 * H + 3 * W, H, 2)] == [None, None, None]


@pytest.mark.parametrize(
    ("size", "shown", "ascii", "tex"),
    [
        (81456 * H * W + 2048000, "81456·H·W + 2048000", "81456*H*W + 2048000", "81456 H W + 2048000"),
        (exact_quotient(17 * C**2, 16), "17/16·C²", "17/16*C^2", r"\frac{17}{16} C^{2}"),
        ((H + 31) // 32, "⌊(H + 31)/32⌋", "floor((H + 31)/32)", r"\left\lfloor \frac{H + 31}{32} \right\rfloor"),
        ((H // 2) ** 2, "⌊H/2⌋²", "floor(H/2)^2", r"\left\lfloor \frac{H}{2} \right\rfloor^{2}"),
        (exact_quotient(C, 4), "C/4", "C/4", r"\frac{C}{4}"),
        (1 - H * exact_quotient(C, 2) - W, "-1/2·C·H - W + 1", "-1/2*C*H - W + 1", r"-\frac{1}{2} C H - W + 1"),
        (symbol("width_1") ** 12, "width_1¹²", "width_1^12", r"\mathit{width\_1}^{12}"),
    ],
)
def test_sizes_are_written_as_mathematics(size: Size, shown: str, ascii: str, tex: str) -> None:
    """For terminals with and without Unicode, and for LaTeX: by falling degree, then by name."""
    assert (pretty(size), pretty(size, ascii=True), latex(size)) == (shown, ascii, tex)


# A whole network


def test_resnet50_has_one_term_where_32_divides_its_input() -> None:
    """Under the assumption no floor is left, and at 224 the closed form gives the published 4,089,184,256."""
    macs = bneck_cli.analyze("resnet50", input="3xHxW", assume="H%32==0,W%32==0").cost.macs
    assert pretty(macs) == "81456·H·W + 2048000"
    assert evaluate(macs, {"H": 224, "W": 224}) == 4089184256


@settings(max_examples=25, deadline=None, database=None)
@given(st.integers(1, 700), st.integers(1, 700))
def test_resnet50_at_symbols_is_resnet50_at_numbers(height: int, width: int) -> None:
    """Totals that were worked out once, in symbols, are those of every input."""
    symbolic = bneck_cli.analyze("resnet50", input="3xHxW")
    numeric = bneck_cli.analyze("resnet50", input=f"3x{height}x{width}")
    at = {"H": height, "W": width}
    assert tuple(evaluate(total, at) for total in symbolic.cost) == tuple(numeric.cost)
