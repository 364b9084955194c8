"""The bodies of a spec: pipelines such as ``3x bottleneck 256 first(stride=2) -> as layer1``, and their mapping form.

Both ways of writing a step give the same node. Nothing here knows what a layer or a size is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.bodies import (
    Aside,
    Attend,
    Body,
    Branch,
    Chain,
    Experts,
    Join,
    Label,
    Loop,
    Nothing,
    Option,
    Repeat,
    Residual,
    Resume,
    Scale,
    Step,
)
from bneck_cli.language.document import Mapping, Node, Place, Scalar, Sequence
from bneck_cli.language.expression import All, Expression, Items
from bneck_cli.language.parsing import parse_expression
from bneck_cli.sizes.numerals import is_number

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLAIN = re.compile(r"->|(?:(?!->)\S)+")
REPEAT = re.compile(r"([0-9]+)x")
COPIES = re.compile(r"\s*(?:[0-9]+|\(.*\))x\s*")
"""A key of the mapping form that repeats its value: ``3x: BODY``, ``(depth)x: BODY``."""
LOOP = re.compile(r"\s*(?:([A-Za-z_]\w*)|\(([^()]*)\))\s+in\s(.*)", re.DOTALL | re.ASCII)
ARROWS = frozenset({"→", "⟶", "⇒", "=>", "-->", ">", "|"})
"""What other notations join steps with."""
RESERVED = frozenset(
    {
        *("as", "from", "first", "if", "then", "else", "for", "do", "in", "all", "nothing", "share"),
        *("and", "or", "not", "true", "false", "x", "c", "h", "w", "i", "cin"),
    }
)


STRUCTURES = {
    "residual": ("shortcut",),
    "add": (),
    "mul": (),
    "concat": ("along",),
    "split": ("sizes", "join"),
    "matmul": ("heads",),
    "attend": ("heads", "kv", "over", "causal", "window", "grid", "position", "cache"),
    "scale": (),
    "aside": (),
    "experts": ("count", "active", "router"),
    "if": ("then", "else"),
    "for": ("do",),
    "repeat": ("body", "first"),
    "as": (),
    "from": (),
}
SHORTCUTS = ("auto", "identity", "if_same", "pad")
CHOICES = {"along": ("channels", "positions"), "join": ("concat", "add", "mul"), "over": ("positions", "channels")}
"""Words beside a join, the first where none is written."""


def parse_body(node: Node) -> Body:
    """Read a body: a pipeline, a list of bodies, or one step as a mapping.

    Raises BneckError, at the word, for what is none of these.
    """
    if isinstance(node, Scalar):
        return _pipeline(node)
    if isinstance(node, Sequence):
        if not node.items:
            raise Place(node).error("an empty list has no steps")
        return _chain([parse_body(item) for item in node.items], Place(node))
    return _mapping(node)


def _chain(steps: list[Body], place: Place) -> Body:
    return steps[0] if len(steps) == 1 else Chain(tuple(steps), place)


# Pipelines


class Word(NamedTuple):
    """A stretch of a pipeline without spaces outside parentheses."""

    text: str
    start: int


def _pipeline(scalar: Scalar) -> Body:
    """Read ``a -> b -> c``."""
    place = Place(scalar, 0, len(scalar.text))
    segments: list[list[Word]] = [[]]
    for word in _words(scalar):
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
    return _chain(steps, place)


def _words(scalar: Scalar) -> list[Word]:
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
        return _wire(scalar, words, place)
    repeated = REPEAT.fullmatch(head.text)
    if repeated or head.text.startswith("("):
        if not head.text.endswith("x") or len(words) == 1:
            raise place.error("a repeat reads `3x bottleneck 256` or `(depth)x bottleneck 256`")
        count = parse_expression(scalar, head.start, head.start + len(head.text) - 1)
        return _repeat(scalar, words, count, place)
    return _call(scalar, words, place)


def _wire(scalar: Scalar, words: list[Word], place: Place) -> Label | Resume:
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
        raise place.error(f"`as` takes one name{', or one for each tensor of several' if names else ''} {got}")
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

    Returns the name, and each word behind it: the option that it sets (empty for an argument), its value, its place.
    """
    head, *rest = words = _words(scalar)
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
        return f"a repeat reads `{times[1]}x {times[2] or 'conv'} ...`"
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
            raise option.place.error(f"the option '{option.name}' is here twice")
        options[option.name] = option
    return tuple(options.values())


def _option(scalar: Scalar, word: Word) -> Option:
    """Read ``name=value``."""
    name, equals, value = word.text.partition("=")
    place = Place(scalar, word.start, max(1, len(name)))
    if not equals or not WORD.fullmatch(name.strip()) or not value.strip():
        raise place.error(f"an option reads `name=value` (got '{word.text}')")
    start = word.start + len(name) + 1
    return Option(name.strip(), parse_expression(scalar, start, word.start + len(word.text)), place)


# The mapping form


def entries(node: Node, what: str) -> dict[str, tuple[Scalar, Node]]:
    """Give a mapping's entries by key; anything else is an error that says what was expected."""
    if not isinstance(node, Mapping):
        got = "a list" if isinstance(node, Sequence) else f"'{node.text[:40]}'" if node.text else "nothing"
        raise Place(node, 0, _width(node)).error(f"{what} is a mapping (got {got})")
    return {key.text: (key, value) for key, value in node.entries}


def unknown_key(key: Scalar, known: tuple[str, ...] | list[str], what: str) -> BneckError:
    """Make the error for a key that does not belong."""
    hint = nearest(key.text, known) or (f"expected {listed(known)}" if known else "")
    return Place(key, 0, len(key.text)).error(f"unknown key '{key.text}' in {what}", hint)


def _width(node: Node) -> int:
    return max(1, len(node.text.split("\n")[0])) if isinstance(node, Scalar) else 1


def _mapping(node: Mapping) -> Body:
    """Read a structure (``residual: ...``) or a step (``{conv: {kernel: 3, channels: 64}}``)."""
    if not node.entries:
        raise Place(node).error("an empty mapping has no step")
    keys = {key.text: (key, value) for key, value in node.entries}
    name = next((word for word in STRUCTURES if word in keys), None)
    if name is None and (copies := next((key for key in keys if COPIES.fullmatch(key)), None)):
        return _copies(copies, keys)
    if "outputs" in keys:
        place = Place(keys["outputs"][0], 0, len("outputs"))
        raise place.error(
            "`outputs` ends a block's body, or stands beside `net:`", "it is the last item of the block's list"
        )
    if name is None:
        if len(keys) > 1:
            known = [*STRUCTURES, *(word for words in STRUCTURES.values() for word in words)]
            strangers = [key for key, _ in node.entries[:8] if nearest(key.text, known, 0.85)]
            stranger = strangers[0] if strangers else node.entries[0][0]
            raise Place(stranger, 0, len(stranger.text)).error(
                f"a step is one name with its arguments (got {listed(list(keys), 'and')})",
                nearest(stranger.text, known, closeness=0.85) or "write each step as an item of a list",
            )
        key, value = node.entries[0]
        if not isinstance(value, Mapping):
            from bneck_cli.language.vocabulary import structure_of

            if structure := structure_of(key.text):
                raise Place(key, 0, len(key.text)).error(
                    f"unknown structure '{key.text}'", f"here it is written `{structure}: ...`"
                )
        return _long_step(key, value)
    key, value = keys[name]
    place = Place(key, 0, len(key.text))
    for other, (stranger, _) in keys.items():
        if other != name and other not in STRUCTURES[name]:
            raise unknown_key(stranger, STRUCTURES[name], f"`{name}`")
    beside = {word: keys[word][1] for word in STRUCTURES[name] if word in keys}
    return _structure(name, value, beside, place)


def _copies(word: str, keys: dict[str, tuple[Scalar, Node]]) -> Repeat:
    """Read ``3x: BODY``, with ``first: {...}`` beside it where it changes the first copy."""
    key, value = keys.pop(word)
    place = Place(key, 0, len(key.text))
    for stranger, _ in (found for other, found in keys.items() if other != "first"):
        raise unknown_key(stranger, ("first",), f"`{word}`")
    first = _long_options(keys["first"][1], "`first`") if "first" in keys else ()
    end = len(key.text.rstrip()) - 1
    count = parse_expression(key, len(key.text) - len(key.text.lstrip()), end)
    return Repeat(count, parse_body(value), first, place)


def _structure(name: str, value: Node, beside: dict[str, Node], place: Place) -> Body:
    """Build the structure called ``name`` from its value and the keys beside it."""
    match name:
        case "residual":
            return Residual(parse_body(value), _shortcut(beside.get("shortcut")), place)
        case "scale":
            return Scale(parse_body(value), place)
        case "attend":
            return _attend(value, beside, place)
        case "aside":
            return Aside(parse_body(value), place)
        case "experts":
            return _experts(value, beside, place)
        case "if":
            if "then" not in beside:
                raise place.error("`if` needs a `then`")
            otherwise = parse_body(beside["else"]) if "else" in beside else None
            return Branch(value_of(value), parse_body(beside["then"]), otherwise, place)
        case "for":
            if "do" not in beside:
                raise place.error("`for` needs a `do`")
            return _loop(value, parse_body(beside["do"]), place)
        case "repeat":
            if "body" not in beside:
                raise place.error("`repeat` needs a `body`")
            first = _long_options(beside["first"], "`first`") if "first" in beside else ()
            return Repeat(value_of(value), parse_body(beside["body"]), first, place)
        case "as" | "from":
            if not isinstance(value, Scalar) or not value.text.strip():
                raise Place(value, 0, _width(value)).error(f"`{name}` takes one name")
            return _wire(value, [Word(name, 0), *_words(value)], Place(value, 0, len(value.text)))
    return _join(name, value, beside, place)


def _join(name: str, value: Node, beside: dict[str, Node], place: Place) -> Join:
    """Read branches, and beside them the sizes of slices and how they are joined."""
    branches = _branches(name, value)
    if name == "matmul" and len(branches) > 2 and isinstance(value, Sequence):
        raise Place(value.items[2]).error(f"`matmul` takes two branches (got {len(branches)})")
    sizes = None
    if "sizes" in beside:
        node = beside["sizes"]
        counted = not any(map(_is_several, branches))
        if isinstance(node, Sequence) and counted and len(node.items) != len(branches):
            what = f"`sizes` is a list with the channels of each of the {len(branches)} branches"
            raise Place(node, 0, _width(node)).error(f"{what} (got {len(node.items)} sizes)")
        sizes = value_of(node)
    heads = value_of(beside["heads"]) if "heads" in beside else None
    return Join(name, branches, place, sizes, _choice("join", beside), _choice("along", beside), heads)


def _attend(value: Node, beside: dict[str, Node], place: Place) -> Attend:
    """Read the branches of attention, and the words beside them."""
    branches = entries(value, "`attend`")
    known = ("queries", "keys", "values", "scores")
    for name, (key, _) in branches.items():
        if name not in known:
            raise unknown_key(key, known, "`attend`")
    missing = [name for name in known[:3] if name not in branches]
    if missing:
        raise place.error(f"`attend` needs {listed(missing, 'and')}")
    queries, keys, values = (parse_body(branches[name][1]) for name in known[:3])
    scores = parse_body(branches["scores"][1]) if "scores" in branches else None
    options = tuple(
        Option(name, value_of(node), Place(node, 0, _width(node))) for name, node in beside.items() if name != "over"
    )
    return Attend(queries, keys, values, scores, options, _choice("over", beside), place)


def _experts(value: Node, beside: dict[str, Node], place: Place) -> Experts:
    """Read an expert, how many there are, and the router where it is written."""
    for word in ("count", "active"):
        if word not in beside:
            what = "how many experts there are" if word == "count" else "how many of them a position is given to"
            raise place.error(f"`experts` needs `{word}`", f"write beside it {what}: `{word}: 8`")
    router = parse_body(beside["router"]) if "router" in beside else None
    return Experts(parse_body(value), value_of(beside["count"]), value_of(beside["active"]), router, place)


def _branches(name: str, value: Node) -> tuple[Body, ...]:
    """Read the branches of a join: a list, in which a loop stands for as many as it has, or one loop."""
    items = value.items if isinstance(value, Sequence) else (value,)
    branches = tuple(map(_branch, items))
    if len(branches) > 1 or any(map(_is_several, branches)):
        return branches
    raise Place(value, 0, _width(value)).error(f"`{name}` takes a list of two or more branches")


def _branch(item: Node) -> Body:
    """Read a branch; a loop that stands as one is as many branches as it has items."""
    body = parse_body(item)
    return body._replace(branches=True) if isinstance(body, Loop) and isinstance(item, Mapping) else body


def _is_several(body: Body) -> bool:
    """Tell whether a body may stand for several branches."""
    return isinstance(body, Resume) or (isinstance(body, Loop) and body.branches)


def _choice(word: str, beside: dict[str, Node]) -> str:
    """Read one of a few words beside a structure."""
    known = CHOICES[word]
    if word not in beside:
        return known[0]
    node = beside[word]
    if not isinstance(node, Scalar) or node.text not in known:
        got = f"'{node.text}'" if isinstance(node, Scalar) else "no word"
        hint = nearest(node.text, known) if isinstance(node, Scalar) else ""
        raise Place(node, 0, _width(node)).error(f"`{word}` is {listed(known)} (got {got})", hint)
    return node.text


def _loop(value: Node, body: Body, place: Place) -> Loop:
    """Read what stands behind ``for``: ``NAME in LIST`` or ``(NAME, NAME) in LIST``."""
    match = LOOP.fullmatch(value.text) if isinstance(value, Scalar) else None
    if match is None or not isinstance(value, Scalar):
        hint = "quote it where it stands inside {...}" if isinstance(value, Mapping) else ""
        raise Place(value, 0, _width(value)).error(
            "a loop reads `for: k in [3, 5]` or `for: (n, width) in stages`", hint
        )
    written = [match[1]] if match[1] else match[2].split(",")
    names = tuple(map(str.strip, written))
    for name in names:
        if not WORD.fullmatch(name) or name in RESERVED or names.count(name) > 1:
            why = "is here twice" if names.count(name) > 1 else "cannot be a name"
            raise Place(value, 0, len(match[1] or match[2])).error(f"a loop names each item ('{name}' {why})")
    return Loop(names, parse_expression(value, match.start(3), len(value.text)), body, False, place)


def _shortcut(node: Node | None) -> str | Body:
    """Read what stands beside a residual; identity where nothing does."""
    if node is None:
        return "identity"
    if isinstance(node, Scalar) and node.text in SHORTCUTS:
        return node.text
    return parse_body(node)


def _long_step(key: Scalar, value: Node) -> Step:
    """Read ``{conv: {kernel: 3, channels: 64}}``; its arguments are options until the layer orders them."""
    if not WORD.fullmatch(key.text):
        raise Place(key, 0, len(key.text)).error(f"expected the name of a layer or a block (got '{key.text}')")
    return Step(key.text, (), _long_options(value, f"`{key.text}`"), Place(key, 0, len(key.text)))


def _long_options(node: Node, what: str) -> tuple[Option, ...]:
    """Read a mapping of options; a bare scalar or a list is no mapping."""
    found = entries(node, what)
    return tuple(Option(name, value_of(value), Place(key, 0, len(name))) for name, (key, value) in found.items())


def value_of(node: Node) -> Expression:
    """Read a value in the mapping form: an expression, ``true`` or ``false``, or a list of values."""
    if isinstance(node, Sequence):
        return Items(tuple(value_of(item) for item in node.items), Place(node))
    if isinstance(node, Mapping):
        raise Place(node).error("expected a value (got a mapping)")
    place = Place(node, 0, _width(node))
    if node.text.lower() in ("on", "off", "yes", "no"):
        raise place.error(f"write true or false (got '{node.text}', which YAML reads as a truth value)")
    if re.fullmatch(r"[0-9]+(:[0-9]+)+", node.text):
        raise place.error(f"not a number: '{node.text}' (YAML would read it in base 60)")
    if not node.text.strip():
        raise place.error("expected a value (got nothing)")
    return parse_expression(node)
