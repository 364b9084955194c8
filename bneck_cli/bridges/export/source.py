"""Layout of Python lines, as ruff formats them: one line where it fits, else bracket by bracket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 88
INDENT = "    "
OPENING, CLOSING = "([{", ")]}"


def laid_out(line: str, depth: int) -> Iterator[str]:
    """Lay out a logical line at a depth of indentation."""
    yield from _laid_out(line, depth, "")


def _laid_out(line: str, depth: int, tail: str) -> Iterator[str]:
    """Lay out a line, with a ``tail`` such as a comma after it."""
    whole = f"{INDENT * depth}{line}{tail}"
    if len(whole) <= WIDTH or line.startswith(("#", '"""')):
        yield whole
        return
    opened, closed = _last_bracket(line)
    if opened < 0 or closed == opened + 1 or len(_operands(_behind(line)[1])) > 2 or len(_split(_behind(line)[1])) > 1:
        yield from _in_parentheses(line, depth, tail)
        return
    yield f"{INDENT * depth}{line[: opened + 1]}"
    inside = line[opened + 1 : closed]
    yield from _contents(inside, depth + 1, line[opened] == "(")
    yield f"{INDENT * depth}{line[closed:]}{tail}"


def _in_parentheses(line: str, depth: int, tail: str) -> Iterator[str]:
    """Put what has no bracket to break into parentheses: items and operands each on a line of its own."""
    head, rest = _behind(line)
    if not head:
        yield f"{INDENT * depth}{line}{tail}"
        return
    yield f"{INDENT * depth}{head}("
    items = _split(rest)
    if len(items) > 1:
        yield from (f"{INDENT * (depth + 1)}{item}," for item in items)
    elif len(f"{INDENT * (depth + 1)}{rest}") <= WIDTH:
        yield f"{INDENT * (depth + 1)}{rest}"
    else:
        for operand in _operands(rest):
            yield from _laid_out(operand, depth + 1, "")
    yield f"{INDENT * depth}){tail}"


def _behind(line: str) -> tuple[str, str]:
    """Part a statement into what stands before its expression, and the expression."""
    if line.startswith("return "):
        return "return ", line[7:]
    for at, _, depth in _scan(line):
        if depth == 0 and line.startswith((" = ", " += "), at):
            end = line.index("= ", at) + 2
            return line[:end], line[end:]
    return "", ""


def _operands(text: str) -> list[str]:
    """Part a sum or a product, each operand but the first behind its operator."""
    found, start = [], 0
    for at, _, depth in _scan(text):
        if depth == 0 and text[at : at + 3] in (" + ", " * "):
            found.append(text[start:at])
            start = at + 1
    return [*found, text[start:]]


def _contents(inside: str, depth: int, call: bool) -> Iterator[str]:
    """Lay out what stands in a bracket: all in one line, else item by item."""
    items = _split(inside)
    clauses = _clauses(inside)
    flat = call or len(clauses) > 1 or len(items) == 1
    if flat and len(f"{INDENT * depth}{inside}") <= WIDTH and not inside.endswith(","):
        starred = len(items) == 1 and not call
        yield f"{INDENT * depth}{inside}{',' * (starred and len(clauses) == 1)}"
        return
    if len(clauses) > 1:
        for clause in clauses:
            yield from _laid_out(clause, depth, "")
        return
    for item in items:
        yield from _laid_out(item, depth, ",")


def _scan(text: str) -> Iterator[tuple[int, str, int]]:
    """Yield each character outside strings with how deep in brackets it stands."""
    depth, quote = 0, ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        else:
            depth -= character in CLOSING
            yield at, character, depth
            depth += character in OPENING


def _last_bracket(line: str) -> tuple[int, int]:
    """Find the last bracket that stands in no other."""
    opened = closed = -1
    for at, character, depth in _scan(line):
        if depth == 0 and character in OPENING:
            opened = at
        if depth == 0 and character in CLOSING:
            closed = at
    return opened, closed


def _split(text: str) -> list[str]:
    """Split at the commas outside brackets."""
    parts, start = [], 0
    for at, character, depth in _scan(text):
        if character == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


def _clauses(text: str) -> list[str]:
    """Split a comprehension before its ``for``."""
    for at, _, depth in _scan(text):
        if depth == 0 and text.startswith(" for ", at):
            return [text[:at], text[at + 1 :]]
    return [text]
