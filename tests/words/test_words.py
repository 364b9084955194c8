"""How values are written is said once: nobody else groups digits."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import bneck_cli
from bneck_cli.shown import grouped
from bneck_cli.words.values import Signed, counted, people

PACKAGE = Path(bneck_cli.__file__).parent
WRITER = PACKAGE / "shown.py"


def groups(tree: ast.AST) -> list[int]:
    """Return the lines on which a number is written in groups: ``{n:,}``, ``{n:+,}``, ``format(n, ",")``."""
    found = []
    for node in ast.walk(tree):
        spec: ast.AST | None = node.format_spec if isinstance(node, ast.FormattedValue) else None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "format":
            spec = node.args[-1]
        texts = [each.value for each in ast.walk(spec) if isinstance(each, ast.Constant)] if spec else []
        if any(isinstance(text, str) and "," in text for text in texts):
            found.append(node.lineno)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_one_writer_groups_digits(path: Path) -> None:
    """Whoever writes a number asks ``people``, or ``grouped`` where there is nothing but plain numbers."""
    assert bool(groups(ast.parse(path.read_text(encoding="utf-8")))) == (path == WRITER)


@given(st.integers(-(10**40), 10**40))
def test_a_number_reads_back(number: int) -> None:
    """Digits are in threes, and taken together they are the number."""
    text = people(number)
    assert text == grouped(number)
    assert int(text.replace(",", "")) == number
    assert all(len(part) == 3 for part in text.lstrip("-").split(",")[1:])
    assert int(str(Signed(number)).replace(",", "")) == number
    assert str(Signed(number))[0] in "+-0"
    assert counted(number, "layer") == f"{text} layer{'s' * (number != 1)}"
