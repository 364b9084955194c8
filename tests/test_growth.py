"""Work grows with a spec's length and no faster: counted in steps of the interpreter, so no machine's speed matters."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.tensor import fingerprint
from bneck_cli.errors import nearest
from bneck_cli.language.document import Source
from bneck_cli.language.library import resolve
from bneck_cli.questions.draw import draw
from tests.growth import COLLIDE, KINDS, PARSER, WALK, Curve, net

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

FEW, MANY = 40, 400


def answer(text: str) -> str:
    """Analyse a spec; return what is wrong with it, or nothing."""
    try:
        analyze_program(resolve(Source("grown.yaml", text)))
    except BneckError as error:
        return error.message
    return ""


def explained(text: str) -> str:
    """Explain a spec."""
    return bneck_cli.explain(text).text()


def linted(text: str) -> str:
    """Lint a spec by all rules."""
    return bneck_cli.lint(text, all=True).text()


def steps(text: str, action: Callable[[str], str] = answer) -> int:
    """Count the interpreter's steps of an analysis, those inside generators and comprehensions included."""
    counted = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal counted
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        counted += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action(text)
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize("curve", [*PARSER, *WALK], ids=lambda curve: curve.name)
def test_ten_times_the_spec_is_at_most_twelve_times_the_work(curve: Curve) -> None:
    """Every row of `tests/growth.py` that parses and walks is straight."""
    answer(curve.text(3))  # brings the modules in
    few, many = steps(curve.text(FEW)), steps(curve.text(MANY))
    assert many <= 12 * few


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("action", [explained, linted])
def test_ten_times_the_network_is_at_most_twelve_times_the_words(action: Callable[[str], str], kind: str) -> None:
    """Explanations and findings grow as the network does, drawings and all."""
    action(KINDS[kind](3))
    few, many = steps(KINDS[kind](FEW // 2), action), steps(KINDS[kind](MANY // 2), action)
    assert many <= 12 * few


def test_a_drawing_is_as_large_as_can_be_looked_at() -> None:
    """Beyond 500 boxes there is a message, and an explanation without its figure; blocks that double do not hang."""
    chain = net(f"conv 1x1 8 -> as t{index} -> conv 1x1 16" for index in range(600))
    with pytest.raises(BneckError, match="more than 500 boxes in one drawing"):
        bneck_cli.draw(chain)
    assert bneck_cli.explain(chain).figure is None
    assert bneck_cli.explain(net(["conv 3x3 8"])).figure is not None
    doubling = "".join(f"  b{index}(): b{index + 1} -> relu -> b{index + 1}\n" for index in range(20))
    doubling = f"input: 8 x 8 x 8\nblocks:\n{doubling}  b20(): relu\nnet: b0 -> b0\n"
    with pytest.raises(BneckError, match="boxes in one drawing"):
        draw([("doubling", resolve(Source("doubling.yaml", doubling)))], depth=22)
    assert draw([("doubling", resolve(Source("doubling.yaml", doubling)))], depth=2)


@pytest.mark.parametrize(
    "name", ["spaces inside input:", "spaces inside a key", "uses of a block with arguments that collide"]
)
def test_what_python_does_in_one_step_ends(name: str) -> None:
    """Spaces that a pattern would try again and again, and numbers of one hash, take the time of any others."""
    curve = next(curve for curve in (*PARSER, *WALK) if curve.name == name)
    start = time.process_time()
    answer(curve.text(10_000 if "collide" in name else 100_000))
    assert time.process_time() - start < 10  # it grew as the square, to minutes


def test_a_fingerprint_is_one_value() -> None:
    """Values that walk a block differently are written differently, and numbers of one hash do not share it."""
    values: list[Any] = [8, 8 + COLLIDE, "8", True, ("c", 1), (("c", 1),), ("c", "1"), ("c,1",), (1, 2), ((1,), 2)]
    assert hash(8) == hash(8 + COLLIDE)
    assert len({fingerprint(value) for value in values}) == len(values)
    assert len({hash(fingerprint(value)) for value in values}) == len(values)


def test_a_suggestion_is_found_among_many_and_not_sought_for_what_is_no_word() -> None:
    """A name among 100,000 is still suggested; a word of 100,000 characters has no nearest."""
    names = [f"block{index}" for index in range(100_000)]
    assert nearest("blokc777", names)
    assert nearest("botleneck", ["bottleneck", "basic"]) == "did you mean 'bottleneck'?"
    assert nearest("r" * 100_000, ["r" * 99_999]) == ""
