"""Work grows with a spec's length and no faster: counted in steps of the interpreter, so no machine's speed matters."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from bneck_cli import BneckError
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.tensor import fingerprint
from bneck_cli.errors import nearest
from bneck_cli.language.document import Source
from bneck_cli.language.library import resolve
from tests.growth import COLLIDE, PARSER, WALK, Curve

if TYPE_CHECKING:
    from types import FrameType

FEW, MANY = 40, 400


def answer(text: str) -> str:
    """Analyse a spec; return what is wrong with it, or nothing."""
    try:
        analyze_program(resolve(Source("grown.yaml", text)))
    except BneckError as error:
        return error.message
    return ""


def steps(text: str) -> int:
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
        answer(text)
    finally:
        sys.settrace(before)
    return counted


@pytest.mark.parametrize("curve", [*PARSER, *WALK], ids=lambda curve: curve.name)
def test_ten_times_the_spec_is_at_most_twelve_times_the_work(curve: Curve) -> None:
    """Every row of `tests/growth.py` that parses and walks is straight."""
    answer(curve.text(3))  # brings the modules in
    few, many = steps(curve.text(FEW)), steps(curve.text(MANY))
    assert many <= 12 * few


@pytest.mark.parametrize(
    "name", ["spaces inside input:", "spaces inside a key", "uses of a block with arguments that collide"]
)
def test_what_python_does_in_one_step_ends(name: str) -> None:
    """Spaces that a pattern would try again and again, and numbers of one hash, take the time of any others."""
    curve = next(curve for curve in (*PARSER, *WALK) if curve.name == name)
    start = time.perf_counter()
    answer(curve.text(10_000 if "collide" in name else 100_000))
    assert time.perf_counter() - start < 2  # it was over 3 s, and grew as the square


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
