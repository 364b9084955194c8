"""Pipelines: ``3x bottleneck 256 first(stride=2) -> as layer1``, a line of words as a body."""

from __future__ import annotations

import re
from typing import NamedTuple

from bneck_cli.language.bodies import (
    Body,
    Chain,
    Label,
    Nothing,
    Option,
    Repeat,
    Resume,
    Step,
)
from bneck_cli.language.document import Place, Scalar
from bneck_cli.language.expression import All, Expression
from bneck_cli.language.parsing import parse_expression
from bneck_cli.sizes.numerals import is_number

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLAIN = re.compile(r"->|(?:(?!->)\S)+")
REPEAT = re.compile(r"([0-9]+)x")
ARROWS = frozenset({"→", "⟶", "⇒", "=>", "-->", ">", "|"})
"""What other notations join steps with."""


def in_a_row(steps: list[Body], place: Place) -> Body:
    """Return steps in sequence as one body."""
    return steps[0] if len(steps) == 1 else Chain(tuple(steps), place)


class Word(NamedTuple):
    """A stretch of a pipeline without spaces outside parentheses."""

    text: str
    start: int


def read_pipeline(scalar: Scalar) -> Body:
    """Read ``a -> b -> c``."""
    place = Place(scalar, 0, len(scalar.text))
    segments: list[list[Word]] = [[]]
    for word in words_of(scalar):
        if word.text == "->":
            segments.append([])
        else:
            segments[-1].append(word)
    steps = []
    for index, words in enumerate(segments):
        if not words:
            if len(segments) == 1:
                raise place.error("expected a step (got nothing)")
            raise place.error(f"a step is missing {'before' if index == 0 else 'after'} an arrow")
        steps.append(_step(scalar, words))
    return in_a_row(steps, place)


def words_of(scalar: Scalar) -> list[Word]:
    """Split at spaces and arrows that stand outside parentheses."""
    if "(" not in scalar.text and "[" not in scalar.text:
        return [Word(match.group(), match.start()) for match in PLAIN.finditer(scalar.text)]
    text, words, depth, start = scalar.text, [], 0, -1
    position = 0
    while position < len(text):
        character = text[position]
        if character in "([":
            depth += 1
        elif character in ")]":
            depth -= 1
        arrow = depth == 0 and text.startswith("->", position)
        if depth <= 0 and (character.isspace() or arrow):
            if start >= 0:
                words.append(Word(text[start:position], start))
            start = -1
            if arrow:
                words.append(Word("->", position))
                position += 1
        elif start < 0:
            start = position
        position += 1
    if depth > 0:
        cut = scalar.source.line(scalar.line)[scalar.column + len(text) :].lstrip().startswith(",")
        hint = "inside [...] a comma ends the item: put quotes around the pipeline" if cut else ""
        raise Place(scalar, start, len(text) - start).error("a parenthesis is not closed", hint)
    if start >= 0:
        words.append(Word(text[start:], start))
    return words


def _step(scalar: Scalar, words: list[Word]) -> Body:
    """Read one step of a pipeline: an optional repeat, a name, arguments and options."""
    head = words[0]
    place = Place(scalar, head.start, words[-1].start + len(words[-1].text) - head.start)
    if head.text in ("as", "from"):
        return read_wire(scalar, words, place)
    repeated = REPEAT.fullmatch(head.text)
    if repeated or head.text.startswith("("):
        if not head.text.endswith("x") or len(words) == 1:
            raise place.error("write a repeat as `3x bottleneck 256` or `(depth)x bottleneck 256`")
        count = parse_expression(scalar, head.start, head.start + len(head.text) - 1)
        return _repeat(scalar, words, count, place)
    return _call(scalar, words, place)


def read_wire(scalar: Scalar, words: list[Word], place: Place) -> Label | Resume:
    """Read ``as NAME ...``, ``from NAME``, ``from all NAME`` or ``from streams[0]``."""
    kind, *names = words
    got = f"(got '{scalar.text[place.offset :][: place.width]}')"
    if kind.text == "as":
        return _label(tuple(word.text for word in names), _stretch(scalar, names) if names else place, got)
    if len(names) == 2 and names[0].text == "all" and WORD.fullmatch(names[1].text):
        at = _stretch(scalar, names)
        return Resume(All(names[1].text, at), at)
    if len(names) != 1 or is_number(names[0].text):
        raise place.error(f"`from` takes one name {got}")
    at = _stretch(scalar, names)
    return Resume(parse_expression(scalar, at.offset, at.offset + at.width), at)


def _label(names: tuple[str, ...], place: Place, got: str) -> Label:
    """Make a label of one name, or of several, each another."""
    if not names or not all(map(WORD.fullmatch, names)) or len(set(names)) < len(names):
        raise place.error(f"`as` takes one name{', or one for each of several tensors' if names else ''} {got}")
    return Label(names, place)


def _stretch(scalar: Scalar, words: list[Word]) -> Place:
    """Point at words in a row."""
    return Place(scalar, words[0].start, words[-1].start + len(words[-1].text) - words[0].start)


def _repeat(scalar: Scalar, words: list[Word], count: Expression, place: Place) -> Repeat:
    """Read what follows ``3x``; a ``first(...)`` at its end belongs to the repeat."""
    first: tuple[Option, ...] = ()
    if words[-1].text.startswith("first(") and words[-1].text.endswith(")"):
        last = words.pop()
        stretches = commas(scalar.text, last.start + len("first("), last.start + len(last.text) - 1)
        first = _options(scalar, [Word(scalar.text[start:end], start) for start, end in stretches])
    if len(words) == 1:
        raise place.error("a repeat needs a step to repeat")
    inside = Place(scalar, words[1].start, words[-1].start + len(words[-1].text) - words[1].start)
    return Repeat(count, _call(scalar, words[1:], inside), first, place)


def commas(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Split ``text[start:end]`` at the commas outside parentheses; spaces around the parts are left out."""
    parts, depth, begin = [], 0, start
    for position in range(start, end + 1):
        if position == end or (depth == 0 and text[position] == ","):
            part = text[begin:position]
            if part.strip() or position < end:
                left = begin + len(part) - len(part.lstrip())
                parts.append((left, left + len(part.strip())))
            begin = position + 1
        elif text[position] in "([":
            depth += 1
        elif text[position] in ")]":
            depth -= 1
    return parts


def _call(scalar: Scalar, words: list[Word], place: Place) -> Step | Nothing:
    """Read a layer or a block with its arguments."""
    head = words[0]
    if head.text == "nothing" and len(words) == 1:
        return Nothing(place)
    if not WORD.fullmatch(head.text):
        raise Place(scalar, head.start, len(head.text)).error(
            f"expected the name of a layer or a block (got '{head.text}')", _misspelt_step(words)
        )
    arguments, options = _given(scalar, words)
    return Step(head.text, arguments, options, Place(scalar, place.offset, place.width))


def _given(scalar: Scalar, words: list[Word]) -> tuple[tuple[Expression, ...], tuple[Option, ...]]:
    """Read the arguments and options behind a name, which is the first of the words."""
    _require_plain_words(scalar, words)
    arguments: list[Expression] = []
    options: list[Word] = []
    for word in _crossed(scalar, words[1:]):
        name, equals, rest = word.text.partition("=")
        if equals and not rest.startswith("=") and WORD.fullmatch(name):
            options.append(word)
        elif word.text.startswith("first("):
            raise Place(scalar, word.start, len(word.text)).error("`first(...)` belongs at the end of a repeat")
        else:
            arguments.append(parse_expression(scalar, word.start, word.start + len(word.text)))
    return tuple(arguments), _options(scalar, options)


def _crossed(scalar: Scalar, words: list[Word]) -> list[Word]:
    """Make one word of sizes that stand apart, ``c x n``."""
    joined: list[Word] = []
    for word in words:
        before = joined[-1] if joined else word
        if (word.text == "x" and joined and "=" not in before.text) or before.text.endswith(" x"):
            joined[-1] = Word(scalar.text[before.start : word.start + len(word.text)], before.start)
        else:
            joined.append(word)
    return joined


def read_named(scalar: Scalar) -> tuple[str, list[tuple[str, str, Place]]]:
    """Read ``basic 64 stride=2`` as a step is read, whatever the name is made of.

    Returns the name, and each word after it: the option that it sets (empty for an argument), its value, its place.
    """
    head, *rest = words = words_of(scalar)
    _, options = _given(scalar, words)
    names = {option.place.offset: option.name for option in options}
    found = []
    for word in rest:
        name = names.get(word.start, "")
        found.append((name, word.text[len(name) + 1 if name else 0 :], Place(scalar, word.start, len(word.text))))
    return head.text, found


def _misspelt_step(words: list[Word]) -> str:
    """Say how a step is written whose first word cannot be a name."""
    head = words[0].text
    if head.startswith("("):
        return "a repeat of several steps is a mapping: `repeat: 3`, `body: [conv 3x3 64, relu]`; or make them a block"
    if is_number(head) and len(words) > 2 and words[1].text in ("x", "×"):
        return f"a repeat has no space before its x: `{head}x {words[2].text} ...`"
    times = re.match(r"([0-9]+)[*×]\s*([A-Za-z_][A-Za-z0-9_]*)?", head)
    if times:
        return f"write a repeat as `{times[1]}x {times[2] or 'conv'} ...`"
    call = re.fullmatch(r"([A-Za-z_][A-Za-z0-9_]*)\((.*)\)", head)
    if call:
        return f"arguments follow without parentheses: `{' '.join([call[1], *call[2].replace(',', ' ').split()])}`"
    return "is a `->` missing before it?" if head[:1].isalpha() else ""


def _require_plain_words(scalar: Scalar, words: list[Word]) -> None:
    """Refuse what other notations put between a step's words: other arrows, commas, spaces around ``=``."""
    for index, word in enumerate(words[1:], 1):
        place = Place(scalar, word.start, len(word.text))
        after = [other.text for other in words[index + 1 : index + 2]]
        if word.text in ARROWS:
            raise place.error(f"steps are joined by `->` (got '{word.text}')")
        if word.text[0] == "=" or (word.text[-1] == "=" and WORD.fullmatch(word.text[:-1])):
            joined = "".join([words[index - 1].text, word.text] if word.text[0] == "=" else [word.text])
            value = after if word.text[-1] == "=" else []
            raise place.error("an option has no spaces around its `=`", f"write `{''.join([joined, *value])}`")
        if word.text[-1] == ",":
            plain = " ".join(other.text.rstrip(",") for other in words)
            comma = Place(scalar, word.start + len(word.text) - 1)
            raise comma.error("arguments are separated by spaces (got ',')", f"write `{plain}`")
        if word.text in ("as", "from"):
            raise place.error(f"`{word.text}` is a step of its own", f"write `-> {' '.join([word.text, *after])}`")


def _options(scalar: Scalar, words: list[Word]) -> tuple[Option, ...]:
    """Read options, each name once."""
    options: dict[str, Option] = {}
    for word in words:
        option = _option(scalar, word)
        if option.name in options:
            raise option.place.error(f"the option '{option.name}' appears twice")
        options[option.name] = option
    return tuple(options.values())


def _option(scalar: Scalar, word: Word) -> Option:
    """Read ``name=value``."""
    name, equals, value = word.text.partition("=")
    place = Place(scalar, word.start, max(1, len(name)))
    if not equals or not WORD.fullmatch(name.strip()) or not value.strip():
        raise place.error(f"expected an option `name=value` (got '{word.text}')")
    start = word.start + len(name) + 1
    return Option(name.strip(), parse_expression(scalar, start, word.start + len(word.text)), place)
