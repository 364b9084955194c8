"""YAML text to nodes that know where they stand. Every scalar stays text: what it means is decided by who reads it.

YAML's own readings (``010`` is 8, ``1:30`` is 90, ``on`` is true) therefore never happen, and neither do aliases,
tags or duplicate keys, which are refused here.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import yaml

from bneck_cli.errors import BneckError, Location
from bneck_cli.shown import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_CHARACTERS = 8_000_000
MAX_DEPTH = 60
BREAKS = re.compile("\r\n?|[\x85\u2028\u2029]")
"""What ends a line to YAML beside a line feed; a place in the text is then one in the lines that messages quote."""


Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is seven times faster


class Source(NamedTuple):
    """A text and the name it goes by in messages; ``bundled`` where it is a file of the library."""

    file: str
    text: str
    bundled: bool = False

    def location(self, line: int, column: int, width: int = 1) -> Location:
        """Return the place at ``line`` and ``column``, both from 0."""
        return Location(self.file, line + 1, column + 1, self.line(line), width)

    def line(self, number: int) -> str:
        """Return a line, from 0, without its end; empty where the text has fewer."""
        lines = self.lines()
        return lines[number] if number < len(lines) else ""

    def lines(self) -> list[str]:
        """Split the text into lines."""
        return _lines(self.text)


@lru_cache(maxsize=8)
def _lines(text: str) -> list[str]:
    """Split a text once, however many places in it are looked up."""
    return text.split("\n")


class Scalar(NamedTuple):
    """A text with its place; ``style`` is YAML's: empty for plain, a quote, ``|`` or ``>``."""

    source: Source
    line: int
    column: int
    text: str
    style: str = ""


class Sequence(NamedTuple):
    """Nodes in order."""

    source: Source
    line: int
    column: int
    items: tuple[Node, ...]


class Mapping(NamedTuple):
    """Keys, each one once, with their nodes; the order is kept."""

    source: Source
    line: int
    column: int
    entries: tuple[tuple[Scalar, Node], ...]


Node = Scalar | Sequence | Mapping


class Place(NamedTuple):
    """A word inside a node: ``offset`` counts the characters of a scalar's text. The line is found only when asked."""

    node: Node
    offset: int = 0
    width: int = 1

    def location(self) -> Location:
        """Find the file, line and column of this place."""
        node = self.node
        line, column = node.line, node.column
        if isinstance(node, Scalar):
            line, column = _within(node, self.offset)
        return node.source.location(line, column, self.width)

    def text(self) -> str:
        """Quote what stands here, as the spec has it."""
        text = getattr(self.node, "text", "")
        return " ".join(text[self.offset : self.offset + self.width].split())

    def error(self, message: str, hint: str = "") -> BneckError:
        """Make the error that points here."""
        return BneckError(message, self.location(), hint)


def _within(scalar: Scalar, offset: int) -> tuple[int, int]:
    """Follow a scalar's text through its source, where quotes, folds and escapes may lie between."""
    if scalar.style == "" and "\n" not in scalar.text:
        line = scalar.source.line(scalar.line)
        if line.startswith(scalar.text[: offset + 1], scalar.column):
            return scalar.line, scalar.column + offset
    lines = scalar.source.lines()
    row, column = scalar.line, scalar.column
    if scalar.style in ("|", ">"):
        row, column = row + 1, 0
    elif scalar.style:
        column += 1
    seen = 0
    while row < len(lines):
        rest = lines[row]
        if column >= len(rest):
            row, column = row + 1, 0
            if seen < len(scalar.text) and scalar.text[seen].isspace():
                if seen == offset:
                    break
                seen += 1
            continue
        if rest[column] == scalar.text[seen : seen + 1]:
            if seen == offset:
                return row, column
            seen += 1
        column += 1
        if seen > offset:
            break
    return scalar.line, scalar.column


def parse_document(source: Source) -> Node:
    """Read one YAML document.

    Raises BneckError for text that is not YAML, for duplicate keys, and for what a spec has no use for: anchors,
    aliases, tags, several documents, more than 8 million characters, nesting beyond 60 levels.
    """
    if len(source.text) > MAX_CHARACTERS:
        most, got = grouped(MAX_CHARACTERS), grouped(len(source.text))
        raise BneckError(f"{source.file}: a spec has at most {most} characters (got {got})")
    source = source._replace(text=BREAKS.sub("\n", source.text))
    events = yaml.parse(source.text, Loader=Parser)
    try:
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                break
        else:
            raise BneckError(f"{source.file}: the file is empty", hint="a spec has at least a `net:` or `blocks:`")
        root = _node(source, events, next(events), 0)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise BneckError("a file holds one spec (got a second document)", source.location(_start(event)[0], 0))
    except yaml.YAMLError as error:
        raise _syntax_error(source, error) from None
    return root


def _node(source: Source, events: Iterator[yaml.Event], event: yaml.Event, depth: int) -> Node:
    """Build the node that starts with ``event``."""
    line, column = _start(event)
    if getattr(event, "anchor", None) or isinstance(event, yaml.AliasEvent):
        message = "anchors and aliases are not part of the language"
        raise BneckError(message, source.location(line, column), "define a block and use it by name")
    if tag := getattr(event, "tag", None):
        raise BneckError(f"tags are not part of the language (got {tag})", source.location(line, column))
    if isinstance(event, yaml.ScalarEvent):
        return Scalar(source, line, column, event.value, event.style or "")
    if depth > MAX_DEPTH:
        raise BneckError(f"nested more than {MAX_DEPTH} levels deep", source.location(line, column))
    if isinstance(event, yaml.SequenceStartEvent):
        items = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(_node(source, events, event, depth + 1))
        return Sequence(source, line, column, tuple(items))
    entries: dict[str, tuple[Scalar, Node]] = {}
    while not isinstance(event := next(events), yaml.MappingEndEvent):
        key = _node(source, events, event, depth + 1)
        if not isinstance(key, Scalar):
            raise BneckError("a key must be a word (got a list or a mapping)", source.location(key.line, key.column))
        value = _node(source, events, next(events), depth + 1)
        if key.text in entries:
            first = entries[key.text][0].line + 1
            raise Place(key, 0, len(key.text)).error(f"the key '{key.text}' appears twice (first on line {first})")
        entries[key.text] = (key, value)
    return Mapping(source, line, column, tuple(entries.values()))


def _start(event: yaml.Event) -> tuple[int, int]:
    """Return the line and column, from 0, at which an event begins."""
    mark = event.start_mark
    return (mark.line, mark.column) if mark else (0, 0)


def _syntax_error(source: Source, error: yaml.YAMLError) -> BneckError:
    """Turn YAML's complaint into ours: the parser's marks carry no snippet, so it is cut from the text."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "unreadable text"
    hint = ""
    if "mapping values are not allowed" in problem:
        hint = "a `: ` inside a value ends it: quote the value, or check the indentation"
    if mark is None:
        return BneckError(f"{source.file}: not YAML: {problem}")
    opened = getattr(error, "context_mark", None)
    if opened is not None and ("end of stream" in problem or "did not find expected" in problem):
        problem, mark = "the quote or bracket opened here is not closed", opened
    location = source.location(mark.line, mark.column)
    if re.search(r"[\[{].*\w\[", location.text[mark.column :]):
        hint = "inside [...] put quotes around a pipeline that has brackets of its own"
    if location.text[mark.column : mark.column + 1] == "\t":
        hint = "indent with spaces, not tabs"
    return BneckError(f"not YAML: {problem}", location, hint)
