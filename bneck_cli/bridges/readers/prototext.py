"""Protocol buffers as text: ``name: value`` and ``name { ... }``, each name as often as it likes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.errors import Location
    from bneck_cli.language.document import Source

TOKEN = re.compile(r'\s+|#[^\n]*|"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|[{}:;,<>\[\]]|[^\s{}:;,<>\[\]"\'#]+')
DEEPEST = 50


class Value(NamedTuple):
    """A word, number or string, without its quotes."""

    text: str
    place: Location


class Message(NamedTuple):
    """What stands in braces: values and messages by name, in their order."""

    fields: dict[str, list[Value | Message]]
    place: Location

    def values(self, name: str) -> list[Value]:
        """Return the values of a name."""
        return [one for one in self.fields.get(name, []) if isinstance(one, Value)]

    def messages(self, name: str) -> list[Message]:
        """Return the messages of a name."""
        return [one for one in self.fields.get(name, []) if isinstance(one, Message)]

    def message(self, name: str) -> Message:
        """Return the first message of a name, an empty one if there is none."""
        return next(iter(self.messages(name)), Message({}, self.place))

    def word(self, name: str, default: str = "") -> str:
        """Return the first value of a name."""
        return next((one.text for one in self.values(name)), default)


def read_message(source: Source) -> Message:
    """Read a whole text. Raises BneckError, with its place, for what is no message."""
    return _message(_tokens(source), source.location(0, 0), 0)


def _tokens(source: Source) -> Iterator[Value]:
    for row, line in enumerate(source.lines()):
        column = 0
        while column < len(line):
            found = TOKEN.match(line, column)
            place = source.location(row, column, len(found[0]) if found else 1)
            if found is None:
                raise BneckError("unclosed quote", place)
            if found[0].strip() and not found[0].startswith("#"):
                yield Value(found[0], place)
            column = found.end()


def _message(tokens: Iterator[Value], place: Location, depth: int) -> Message:
    if depth > DEEPEST:
        raise BneckError(f"messages nest at most {DEEPEST} deep", place)
    made = Message({}, place)
    for name in tokens:
        if name.text in ("}", ">"):
            if not depth:
                raise BneckError(f"unmatched '{name.text}'", name.place)
            return made
        if name.text in (";", ","):
            continue
        if not name.text.replace("_", "a").isalnum():
            raise BneckError(f"expected a name, got '{name.text}'", name.place)
        sign = next(tokens, None)
        if sign is not None and sign.text == ":":
            sign = next(tokens, None)
            if sign is not None and sign.text not in ("{", "<"):
                made.fields.setdefault(name.text, []).append(sign._replace(text=sign.text.strip("\"'")))
                continue
        if sign is None or sign.text not in ("{", "<"):
            raise BneckError(f"`{name.text}` needs a value or braces", name.place)
        made.fields.setdefault(name.text, []).append(_message(tokens, name.place, depth + 1))
    if depth:
        raise BneckError("unclosed braces", place)
    return made
