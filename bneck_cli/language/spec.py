"""A file's keys to a Spec: definitions, the net, inputs and published figures. Nothing here reads another file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.budget import DIGITS, exceeded
from bneck_cli.errors import BneckError, closest, listed, nearest
from bneck_cli.language.document import Mapping, Node, Place, Scalar, Sequence, Source, parse_document
from bneck_cli.language.expression import Expression, Number, show
from bneck_cli.language.parsing import parse_expression
from bneck_cli.language.pipelines import WORD, commas
from bneck_cli.language.syntax import RESERVED, choice, entries, parse_body, unknown_key, value_of
from bneck_cli.sizes.numerals import is_name, is_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.language.bodies import Body


class Parameter(NamedTuple):
    """A name in a signature, with its default."""

    name: str
    default: Expression | None
    place: Place


class Definition(NamedTuple):
    """``bottleneck(channels, stride=1, width=channels/4)`` and its body; the net is one too.

    ``outputs`` are the tensors that it gives, where they are several.
    """

    name: str
    parameters: tuple[Parameter, ...]
    body: Body
    place: Place
    outputs: Expression | None = None

    def parameter(self, name: str) -> Parameter | None:
        """Find a parameter by name."""
        return next((parameter for parameter in self.parameters if parameter.name == name), None)


class Formula(NamedTuple):
    """A layer kind of the file's own: its shape (``c n l t h w`` are the input), params and macs as expressions.

    ``part`` is the head under which its multiply-adds count. A parameter may be a tensor, which it takes as well.
    """

    name: str
    parameters: tuple[Parameter, ...]
    out: tuple[Expression, ...]
    params: Expression
    macs: Expression
    place: Place
    part: str
    holds: Expression | None
    reads: Expression | None


class Input(NamedTuple):
    """A named input; ``sizes`` are channels, then those of no to three axes, each a number or a symbol's name."""

    name: str
    sizes: tuple[int | str, ...]
    place: Place


class Given(NamedTuple):
    """A parameter's value from outside a spec (``--set width=2``, ``basic 64 stride=2``), and what was written."""

    name: str
    text: str
    expression: Expression
    place: Place


class Expect(NamedTuple):
    """Published figures and their origin, for the input given here or else the spec's own."""

    figures: dict[str, int]
    origin: str
    input: Input | None
    past: int | str
    top1: str
    place: Place


class Spec(NamedTuple):
    """What a file says, its includes and its base not yet brought in."""

    file: str
    name: str
    source: str
    family: str
    task: str
    year: str
    idea: str
    inputs: tuple[Input, ...]
    include: tuple[Scalar, ...]
    extends: Scalar | None
    settings: dict[str, tuple[Scalar, Expression]]
    blocks: dict[str, Definition]
    formulas: dict[str, Formula]
    net: Definition | None
    outputs: tuple[Scalar, ...]
    written: dict[str, tuple[Scalar, Scalar]] | None
    expect: tuple[Expect, ...]


TEXTS = ("name", "family", "task", "year", "idea", "source")
KEYS = (*TEXTS, "input", "include", "extends", "set", "blocks", "ops", "net", "outputs", "written", "expect")
FIGURES = (
    "params",
    "inference_params",
    "active_params",
    "macs",
    "conv_macs",
    "linear_macs",
    "attention_macs",
    "activations",
)


DEFINING = ("net", "blocks", "ops", "extends")
"""What a spec is for: it has one of these."""
KEY = re.compile(r"""^([ ]*)["']?([^\s"'#:{}\[\],()]+)(?:\([^:\n]*\))?["']?[ \t]*:(?=\s|$)""", re.MULTILINE)
"""A key at the start of a line; of a signature, its name."""
FEW = 20
"""Keys of other kinds whose spelling is looked at."""


def parse_spec(source: Source) -> Spec:
    """Read one file's text.

    Raises BneckError at the word that is wrong: an unknown key, a malformed signature, pipeline or figure.
    """
    try:
        node = parse_document(source)
    except BneckError as error:
        if error.location is not None:  # it would show a line
            _require_spec(source, _keys(source.text))
        raise
    if not isinstance(node, Mapping):
        raise _no_spec(source, [])
    _require_spec(source, [_bare(key.text) for key, _ in node.entries])
    found: dict[str, Node] = {}
    net_key = None
    for key, value in node.entries:
        name = _bare(key.text)
        if name not in KEYS:
            raise unknown_key(key, KEYS, "the spec")
        if name == "net":
            net_key = key
        found[name] = value
    texts = {name: _text(found[name], name) if name in found else "" for name in TEXTS}
    blocks = _definitions(found["blocks"]) if "blocks" in found else {}
    formulas = _formulas(found["ops"]) if "ops" in found else {}
    for name in blocks.keys() & formulas.keys():
        raise formulas[name].place.error(f"'{name}' is already a block of this file")
    return Spec(
        source.file,
        **texts,
        inputs=tuple(_inputs(found["input"])) if "input" in found else (),
        include=tuple(_words(found["include"], "include")) if "include" in found else (),
        extends=_scalar(found["extends"], "extends") if "extends" in found else None,
        settings=_settings(found["set"]) if "set" in found else {},
        blocks=blocks,
        formulas=formulas,
        net=_net(net_key, found["net"]) if net_key else None,
        outputs=tuple(_words(found["outputs"], "outputs")) if "outputs" in found else (),
        written=_written(found["written"]) if "written" in found else None,
        expect=tuple(_expectations(found["expect"])) if "expect" in found else (),
    )


def _bare(key: str) -> str:
    """Return a key without a signature, which a net may have."""
    return "net" if key.startswith("net(") else key


def _keys(text: str) -> list[str]:
    """List the keys of a text that is no YAML, as far as lines begin with them, as deep as the first."""
    found = [(match[1], match[2]) for match in KEY.finditer(text)]
    return [key for indent, key in found if indent == found[0][0]]


def _require_spec(source: Source, keys: list[str]) -> None:
    """Require that a file means to be a spec, before a message shows a line of it: another's may hold what is secret.

    A spec has a key that defines something (or an input, and one that is nearly spelled so), and most of its keys are a
    spec's, as they are spelled or nearly.
    """
    own = [key for key in keys if key in KEYS]
    others = [key for key in keys if key not in KEYS]
    near = [found for key in others[:FEW] if (found := closest(key, KEYS))]
    defining = any(key in DEFINING for key in own) or ("input" in own and any(key in DEFINING for key in near))
    if not defining:
        raise _no_spec(source, near)
    if len(own) + len(near) <= len(keys) / 2:
        raise _no_spec(source, near, "most of its keys belong to another kind of file")


def _no_spec(source: Source, near: list[str], message: str = "") -> BneckError:
    """Make the error for a file of another kind, with the key that is nearly spelled, if any."""
    message = message or "it has none of the keys `net:`, `blocks:`, `ops:` and `extends:`"
    hint = f"did you mean '{near[0]}'?" if near else "a spec is a mapping with keys such as `input:` and `net:`"
    return BneckError(f"{source.file}: not a spec: {message}", hint=hint)


def _scalar(node: Node, what: str) -> Scalar:
    """Take a node that must be a word or a line of text."""
    if not isinstance(node, Scalar) or not node.text.strip():
        got = "nothing" if isinstance(node, Scalar) else "a list" if isinstance(node, Sequence) else "a mapping"
        raise Place(node).error(f"`{what}` must be a line of text (got {got})")
    return node


def _text(node: Node, what: str) -> str:
    return " ".join(_scalar(node, what).text.split())


def _words(node: Node, what: str) -> Iterator[Scalar]:
    """Take one word, or a list of words."""
    for item in node.items if isinstance(node, Sequence) else (node,):
        yield _scalar(item, what)


def _settings(node: Node) -> dict[str, tuple[Scalar, Expression]]:
    return {name: (key, value_of(value)) for name, (key, value) in entries(node, "`set`").items()}


def _written(node: Node) -> dict[str, tuple[Scalar, Scalar]]:
    """Read how the network's code calls its operations: ``modules``, or a mapping for those that it calls otherwise."""
    if isinstance(node, Scalar) and node.text.strip() == "modules":
        return {}
    if not isinstance(node, Mapping):
        raise Place(node).error("`written` must be `modules`, or a mapping such as `relu: function`")
    return {name: (key, _scalar(value, name)) for name, (key, value) in entries(node, "`written`").items()}


# Inputs and figures


def parse_input(scalar: Scalar, name: str = "input") -> Input:
    """Read ``3 x 224 x 224`` or ``3xHxW``; a size is a positive number or a symbol."""
    place = Place(scalar, 0, len(scalar.text))
    sizes: list[int | str] = []
    for part in map(str.strip, re.split("[x\u00d7]", scalar.text)):
        if is_number(part):
            if part[0] == "0" or len(part) > 18:
                raise place.error(f"an input size must be a number of at most 18 digits, from 1 (got '{part}')")
            sizes.append(int(part))
        elif WORD.fullmatch(part):
            sizes.append(part)
        else:
            raise place.error(f"expected an input such as `3 x 224 x 224` or `3 x H x W` (got '{scalar.text}')")
    if len(sizes) > 4:
        forms = "C x T x H x W, C x H x W, C x L or C"
        raise place.error(f"an input is {forms}, without the batch (got {len(sizes)} sizes)")
    return Input(name, tuple(sizes), place)


def _inputs(node: Node) -> Iterator[Input]:
    if isinstance(node, Mapping):
        for key, value in node.entries:
            if not WORD.fullmatch(key.text):
                raise Place(key, 0, len(key.text)).error(f"an input's name must be a word (got '{key.text}')")
            yield parse_input(_scalar(value, key.text), key.text)
    else:
        yield parse_input(_scalar(node, "input"))


def _expectations(node: Node) -> Iterator[Expect]:
    """Read one set of figures, or a list of them."""
    for item in node.items if isinstance(node, Sequence) else (node,):
        figures: dict[str, int] = {}
        found = entries(item, "`expect`")
        for name, (key, value) in found.items():
            if name in FIGURES:
                text = _scalar(value, name).text
                place = Place(value, 0, len(text))
                if not re.fullmatch(r"0|[1-9][0-9]*(_[0-9]+)*", text):
                    raise place.error(f"a published figure must be a whole number (got '{text}')")
                if len(text) > DIGITS.most:
                    raise exceeded(DIGITS, place)
                figures[name] = int(text)
            elif name not in ("origin", "input", "past", "top1"):
                raise unknown_key(key, (*FIGURES, "origin", "input", "past", "top1"), "`expect`")
        origin = _text(found["origin"][1], "origin") if "origin" in found else ""
        top1 = _text(found["top1"][1], "top1") if "top1" in found else ""
        shape = parse_input(_scalar(found["input"][1], "input")) if "input" in found else None
        past = parse_channels("--past", _text(found["past"][1], "past")) if "past" in found else 0
        yield Expect(figures, origin, shape, past, top1, Place(item))


# Definitions


def _definitions(node: Node) -> dict[str, Definition]:
    blocks = {}
    for key, value in entries(node, "`blocks`").values():
        name, parameters = _signature(key)
        if name in blocks:
            raise Place(key, 0, len(name)).error(f"the block '{name}' is defined twice")
        body, outputs = _several(value)
        blocks[name] = Definition(name, parameters, parse_body(body), Place(key, 0, len(name)), outputs)
    return blocks


def _several(body: Node) -> tuple[Node, Expression | None]:
    """Take ``outputs: [low, high]`` from the end of a block's body."""
    last = body.items[-1] if isinstance(body, Sequence) and len(body.items) > 1 else None
    if not isinstance(body, Sequence) or not isinstance(last, Mapping):
        return body, None
    (key, value), *others = last.entries or ((None, None),)
    if key is None or value is None or key.text != "outputs" or others:
        return body, None
    return body._replace(items=body.items[:-1]), value_of(value)


def _net(key: Scalar, value: Node) -> Definition:
    _, parameters = _signature(key)
    return Definition("net", parameters, parse_body(value), Place(key, 0, 3))


def _signature(key: Scalar) -> tuple[str, tuple[Parameter, ...]]:
    """Read ``name(parameter, parameter=default, ...)``; without parameters the parentheses may be left out."""
    text = key.text.rstrip()
    head, opened, _ = text.partition("(")
    name = head.rstrip()
    place = Place(key, 0, len(key.text))
    if not WORD.fullmatch(name) or (opened and not text.endswith(")")):
        raise place.error(f"expected a signature such as `name(channels, stride=1)` (got '{key.text}')")
    if name in RESERVED:
        raise place.error(f"'{name}' is a word of the language and cannot be a name")
    parameters: dict[str, Parameter] = {}
    for start, end in commas(text, len(head) + 1, len(text) - 1) if opened else ():
        parameter = _parameter(key, start, end, next(reversed(parameters.values()), None))
        if parameter.name in parameters:
            raise parameter.place.error(f"the parameter '{parameter.name}' appears twice")
        parameters[parameter.name] = parameter
    return name, tuple(parameters.values())


def _parameter(key: Scalar, start: int, end: int, before: Parameter | None) -> Parameter:
    """Read ``name`` or ``name=default``."""
    text = key.text[start:end]
    name, equals, default = text.partition("=")
    name = name.strip()
    place = Place(key, start, max(1, len(name)))
    if not WORD.fullmatch(name) or name in RESERVED:
        why = "is a word of the language" if name in RESERVED else "is not a name"
        raise place.error(f"expected a parameter `name` or `name=default` ('{text}' {why})")
    if equals:
        begin = start + text.index("=") + 1
        begin += len(default) - len(default.lstrip())
        return Parameter(name, parse_expression(key, begin, end), place)
    if before is not None and before.default is not None:
        raise place.error(f"the parameter '{name}' needs a default, since the one before it has one")
    return Parameter(name, None, place)


OP = ("out", "params", "macs", "part", "holds", "reads")
"""What an op may say of itself; the first three it must."""


def _formulas(node: Node) -> dict[str, Formula]:
    """Read the file's own layer kinds; all three formulas are needed, so nothing counts as zero in silence."""
    formulas = {}
    for key, value in entries(node, "`ops`").values():
        name, parameters = _signature(key)
        found = entries(value, f"the op '{name}'")
        for word, (stranger, _) in found.items():
            if word not in OP:
                raise unknown_key(stranger, OP, f"the op '{name}'")
        missing = [word for word in ("out", "params", "macs") if word not in found]
        if missing:
            raise Place(key, 0, len(name)).error(f"the op '{name}' needs {listed(missing, 'and')}")
        out = found["out"][1]
        if not isinstance(out, Sequence) or not out.items:
            raise Place(out).error("`out` is a list of sizes: [c, h, w]")
        formulas[name] = Formula(
            name,
            parameters,
            tuple(value_of(item) for item in out.items),
            value_of(found["params"][1]),
            value_of(found["macs"][1]),
            Place(key, 0, len(name)),
            choice("part", {"part": found["part"][1]} if "part" in found else {}),
            value_of(found["holds"][1]) if "holds" in found else None,
            value_of(found["reads"][1]) if "reads" in found else None,
        )
    return formulas


def with_settings(definition: Definition, settings: dict[str, tuple[Place, Expression]]) -> Definition:
    """Change defaults of a signature.

    Raises BneckError for a name that is not in it.
    """
    known = {parameter.name: parameter for parameter in definition.parameters}
    for name, (place, _) in settings.items():
        if name not in known:
            has = f"it has {listed(known, 'and')}" if known else "it has no parameters"
            raise place.error(
                f"{definition.name} has no parameter '{name}'", nearest(name, known) or f"{definition.name}: {has}"
            )
    parameters = tuple(
        parameter._replace(default=settings[parameter.name][1]) if parameter.name in settings else parameter
        for parameter in definition.parameters
    )
    return definition._replace(parameters=parameters)


def parse_given(name: str, text: str) -> Given:
    """Read a parameter's value as a spec's own, from ``--set NAME=VALUE``."""
    source = Source("--set", f"{name}={text}")
    scalar = Scalar(source, 0, len(name) + 1, text)
    if not text.strip():
        raise Place(scalar).error("expected a value (got nothing)")
    return Given(name, text, parse_expression(scalar), Place(Scalar(source, 0, 0, name), 0, len(name)))


def parse_channels(option: str, text: str) -> int | str:
    """Read a number of channels: a positive number, or a symbol's name."""
    text = text.strip()
    if is_number(text) and text[0] != "0" and len(text) <= 18:
        return int(text)
    if is_name(text):
        return text
    scalar = Scalar(Source(option, text), 0, 0, text)
    what = "the past is" if option == "--past" else "channels are"
    raise Place(scalar, 0, len(text)).error(f"{what} a positive number or a symbol (got '{text}')")


def constant(value: Any, source: str) -> tuple[Place, Expression]:
    """Make an expression of a value given from outside, such as ``--channels 256``."""
    scalar = Scalar(Source(source, show(value)), 0, 0, show(value))
    place = Place(scalar, 0, len(scalar.text))
    return place, Number(value, place)
