"""The one public error: the fact, its place, and the nearest fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.shown import bounded, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_PART = 400
"""Characters of a message, of a hint or of a place that are shown."""


class Location(NamedTuple):
    """A stretch of one line of a file: ``line`` and ``column`` count from 1, ``width`` is in characters."""

    file: str
    line: int
    column: int
    text: str
    width: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def excerpt(self, limit: int = 120) -> str:
        """Quote the line with a caret under the place; a long line is cut around it."""
        start = max(0, min(self.column - 1 - limit // 2, len(self.text) - limit))
        line = "".join(c if c.isprintable() else " " for c in self.text[start : start + limit])
        before = self.column - 1 - start
        return f"  {line}\n  {' ' * before}{'^' * max(1, min(self.width, len(line) - before))}"


class BneckError(Exception):
    """Bad input: ``message`` is the bare fact, ``location`` the place in a spec, ``hint`` the way out.

    ``trail`` says how the place was reached, the nearest step first, where it lies in another file than the spec.
    """

    def __init__(self, message: str, location: Location | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.location = location
        self.hint = hint
        self.trail: list[str] = []

    def __str__(self) -> str:
        message = _said(self.message)
        lines = [f"{_said(str(self.location))}: {message}" if self.location else message]
        if self.location and self.location.text:
            lines.append(self.location.excerpt())
        if self.hint:
            lines.append(f"  {_said(self.hint)}")
        lines += [f"  {_said(step)}" for step in self.trail]
        return "\n".join(lines)


class TooMuchError(BneckError):
    """What is asked for is more work than a command may do; whoever tries several things passes it on."""


def _said(text: str) -> str:
    """Write a part of a message, which may quote a spec: bounded, its own lines apart, what does not print escaped."""
    return "\n".join(map(shown, bounded(text, LONGEST_PART).split("\n")))


LONGEST_WORD = 100
MOST_WORDS = 1_000
"""So long a word, and so many names, are compared for a suggestion: comparing takes time with both."""


def closest(word: str, known: Iterable[str], closeness: float = 0.6) -> str:
    """Return the known word closest to ``word``; empty where none is close."""
    if len(word) > LONGEST_WORD:
        return ""
    near = {name for name in known if 2 * abs(len(name) - len(word)) <= len(name) + len(word)}
    if len(near) > MOST_WORDS:
        near = {name for name in near if name[:1] == word[:1] and abs(len(name) - len(word)) <= 1}
    from difflib import get_close_matches

    close = get_close_matches(word, sorted(near)[:MOST_WORDS], n=1, cutoff=closeness)
    return close[0] if close else ""


def nearest(word: str, known: Iterable[str], closeness: float = 0.6) -> str:
    """Suggest the known word closest to ``word``, as a hint; empty where none is close."""
    close = closest(word, known, closeness)
    return f"did you mean '{close}'?" if close else ""


def listed(words: Iterable[str], joint: str = "or") -> str:
    """Join words as a sentence does: ``a, b or c``; ``none`` if there are none."""
    *most, last = list(words) or ["none"]
    return f"{', '.join(most)} {joint} {last}" if most else last
