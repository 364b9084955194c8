"""The bodies of a spec: pipelines, lists of them, and the mapping form of steps and structures.

Both ways of writing a step give the same node. Nothing here knows what a layer or a size is.
"""

from __future__ import annotations

import re

from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.bodies import (
    Aside,
    Attend,
    Body,
    Branch,
    Experts,
    Join,
    Loop,
    Option,
    Repeat,
    Residual,
    Resume,
    Scale,
    Step,
)
from bneck_cli.language.document import Mapping, Node, Place, Scalar, Sequence
from bneck_cli.language.expression import Expression, Items
from bneck_cli.language.parsing import parse_expression
from bneck_cli.language.pipelines import WORD, Word, in_a_row, read_pipeline, read_wire, words_of

COPIES = re.compile(r"\s*(?:[0-9]+|\(.*\))x\s*")
"""A key of the mapping form that repeats its value: ``3x: BODY``, ``(depth)x: BODY``."""
LOOP = re.compile(r"\s*(?:([A-Za-z_]\w*)|\(([^()]*)\))\s+in\s(.*)", re.DOTALL | re.ASCII)
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
    "attend": ("heads", "kv", "over", "causal", "window", "grid", "position", "cache", "softmax"),
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
CHOICES = {
    "along": ("channels", "positions"),
    "join": ("concat", "add", "mul"),
    "over": ("positions", "channels"),
    "part": ("linear", "conv", "attention", "other"),
}
"""Words beside a join or in an op, the first where none is written."""


def parse_body(node: Node) -> Body:
    """Read a body: a pipeline, a list of bodies, or one step as a mapping.

    Raises BneckError, at the word, for what is none of these.
    """
    if isinstance(node, Scalar):
        return read_pipeline(node)
    if isinstance(node, Sequence):
        if not node.items:
            raise Place(node).error("an empty list has no steps")
        return in_a_row([parse_body(item) for item in node.items], Place(node))
    return _mapping(node)


def entries(node: Node, what: str) -> dict[str, tuple[Scalar, Node]]:
    """Return a mapping's entries by key; anything else is an error that says what was expected."""
    if not isinstance(node, Mapping):
        got = "a list" if isinstance(node, Sequence) else f"'{node.text[:40]}'" if node.text else "nothing"
        raise Place(node, 0, _width(node)).error(f"{what} must be a mapping (got {got})")
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
            "`outputs` must be the last item of a block's body, or a key next to `net:`",
            "move it to the end of the block's list",
        )
    if name is None:
        if len(keys) > 1:
            known = [*STRUCTURES, *(word for words in STRUCTURES.values() for word in words)]
            strangers = [key for key, _ in node.entries[:8] if nearest(key.text, known, 0.85)]
            stranger = strangers[0] if strangers else node.entries[0][0]
            raise Place(stranger, 0, len(stranger.text)).error(
                f"a step is one name with its arguments (got {listed(list(keys), 'and')})",
                nearest(stranger.text, known, closeness=0.85) or "write each step as a list item",
            )
        key, value = node.entries[0]
        if not isinstance(value, Mapping):
            from bneck_cli.language.vocabulary import structure_of

            if structure := structure_of(key.text):
                raise Place(key, 0, len(key.text)).error(
                    f"unknown structure '{key.text}'", f"write it as `{structure}: ...`"
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
            return read_wire(value, [Word(name, 0), *words_of(value)], Place(value, 0, len(value.text)))
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
            what = f"`sizes` must list the channels of each of the {len(branches)} branches"
            raise Place(node, 0, _width(node)).error(f"{what} (got {len(node.items)} sizes)")
        sizes = value_of(node)
    heads = value_of(beside["heads"]) if "heads" in beside else None
    return Join(name, branches, place, sizes, choice("join", beside), choice("along", beside), heads)


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
    return Attend(queries, keys, values, scores, options, choice("over", beside), place)


def _experts(value: Node, beside: dict[str, Node], place: Place) -> Experts:
    """Read an expert, how many there are, and the router where it is written."""
    for word in ("count", "active"):
        if word not in beside:
            what = "how many experts there are" if word == "count" else "how many of them each position goes to"
            raise place.error(f"`experts` needs `{word}`", f"add {what}: `{word}: 8`")
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
    """Return whether a body may stand for several branches."""
    return isinstance(body, Resume) or (isinstance(body, Loop) and body.branches)


def choice(word: str, beside: dict[str, Node]) -> str:
    """Read one of a few words beside a structure."""
    known = CHOICES[word]
    if word not in beside:
        return known[0]
    node = beside[word]
    if not isinstance(node, Scalar) or node.text not in known:
        got = f"'{node.text}'" if isinstance(node, Scalar) else "no word"
        hint = nearest(node.text, known) if isinstance(node, Scalar) else ""
        raise Place(node, 0, _width(node)).error(f"`{word}` must be {listed(known)} (got {got})", hint)
    return node.text


def _loop(value: Node, body: Body, place: Place) -> Loop:
    """Read what stands behind ``for``: ``NAME in LIST`` or ``(NAME, NAME) in LIST``."""
    match = LOOP.fullmatch(value.text) if isinstance(value, Scalar) else None
    if match is None or not isinstance(value, Scalar):
        hint = "quote it inside {...}" if isinstance(value, Mapping) else ""
        raise Place(value, 0, _width(value)).error(
            "expected a loop such as `for: k in [3, 5]` or `for: (n, width) in stages`", hint
        )
    written = [match[1]] if match[1] else match[2].split(",")
    names = tuple(map(str.strip, written))
    for name in names:
        if not WORD.fullmatch(name) or name in RESERVED or names.count(name) > 1:
            why = "appears twice" if names.count(name) > 1 else "cannot be a name"
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
