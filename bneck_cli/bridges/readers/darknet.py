"""Darknet's ``.cfg``: sections in the order in which they run, each reading the one before it unless it says otherwise.

Windows and sizes are those of its C source. A pooling's padding is a sum over both sides, whose smaller half is before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.graph import Call, Graph
from bneck_cli.bridges.readers.blocks import find_blocks, mark
from bneck_cli.errors import BneckError, nearest
from bneck_cli.language.library import read_source
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.language.document import Source

ACTIVATIONS = {
    "linear": "", "leaky": "leaky_relu", "relu": "relu", "mish": "mish", "swish": "silu", "logistic": "sigmoid",
    "tanh": "tanh", "elu": "elu", "relu6": "relu6", "gelu": "gelu", "selu": "selu", "hard_mish": "mish",
}  # fmt: skip
OUTPUTS = ("yolo", "region", "detection", "gaussian_yolo")
"""Sections that read a tensor as boxes: it leaves the network."""
MOST_SECTIONS = 10_000


class Section(NamedTuple):
    """``[name]``, where it stands, and its options, each with the line that it stands in."""

    name: str
    line: int
    options: dict[str, tuple[str, int]]


class Reader:
    """The sections read so far: the graph, and what each of them gives."""

    def __init__(self, source: Source, graph: Graph) -> None:
        self.source = source
        self.graph = graph
        self.gives: list[int] = []
        self.current = 0
        self.here = Section("", 0, {})

    # What a section says

    def error(self, message: str, line: int | None = None, hint: str = "") -> BneckError:
        """Make the error that points to a section, or to a line of it."""
        at = self.here.line if line is None else line
        text = self.source.line(at)
        start = len(text) - len(text.lstrip())
        return BneckError(message, self.source.location(at, start, max(1, len(text.strip()))), hint)

    def whole(self, name: str, default: int | None = None, least: int = 1) -> int:
        """Return a whole number that an option gives."""
        if name not in self.here.options:
            if default is None:
                raise self.error(f"[{self.here.name}] needs `{name}`")
            return default
        text, line = self.here.options[name]
        word = text.strip().removeprefix("-")
        if not (word.isascii() and word.isdigit() and len(word) < 10) or int(text) < least:
            raise self.error(f"`{name}` must be a whole number from {least} (got '{text[:40]}')", line)
        return int(text)

    def wholes(self, name: str) -> list[tuple[int, int]]:
        """Return the whole numbers of a list, and the line that it stands in."""
        if name not in self.here.options:
            raise self.error(f"[{self.here.name}] needs `{name}`")
        text, line = self.here.options[name]
        found = []
        for word in text.split(","):
            digits = word.strip().removeprefix("-")
            if not (digits.isascii() and digits.isdigit() and len(digits) < 10):
                raise self.error(f"`{name}` must list whole numbers (got '{word.strip()[:40]}')", line)
            found.append((int(word), line))
        return found

    def others(self, name: str) -> list[int]:
        """Return what the sections give that an option names, from the beginning or back from here."""
        found = []
        for value, line in self.wholes(name):
            index = value if value >= 0 else len(self.gives) + value
            if not 0 <= index < len(self.gives):
                raise self.error(
                    f"`{name}` names section {value}, but only {len(self.gives)} come before this one", line
                )
            found.append(self.gives[index])
        return found

    # What it adds

    def add(self, kind: str, slots: dict[str, Any] | None = None) -> None:
        """Add a layer behind what is at hand."""
        try:
            self.current = self.graph.layer(kind, self.current, slots)
        except BneckError as error:
            raise self.error(f"[{self.here.name}]: {error.message}") from None

    def shape(self) -> Shape:
        """Return the shape at hand."""
        return self.graph.shape(self.current)

    def side(self) -> tuple[int, ...]:
        """Return the sides of the map at hand."""
        return tuple(map(number, self.shape().spatial))

    def activate(self, default: str) -> None:
        """Add the activation that a section names."""
        text, line = self.here.options.get("activation", (default, self.here.line))
        if text not in ACTIVATIONS:
            raise self.error(f"unknown activation '{text[:40]}'", line, nearest(text, ACTIVATIONS))
        if ACTIVATIONS[text]:
            self.add(ACTIVATIONS[text])


def read(path: str, sizes: tuple[int, ...] | None) -> Graph:
    """Make the graph of a ``.cfg``. ``sizes`` take the place of those that its ``[net]`` gives."""
    source = read_source(path)
    sections = list(read_sections(source))
    graph = Graph(os.path.basename(path).removesuffix(".cfg"))
    reader = Reader(source, graph)
    if not sections or sections[0].name not in ("net", "network"):
        raise BneckError(f"{path}: a Darknet network must begin with [net]")
    reader.here = sections[0]
    given = sizes or (reader.whole("channels", 3), reader.whole("height"), reader.whole("width"))
    reader.current = graph.input(Shape(given[0], given[1:]))
    for section in sections[1:]:
        reader.here = section
        if section.name not in SECTIONS:
            raise reader.error(f"section [{section.name[:40]}] is not supported", hint=nearest(section.name, SECTIONS))
        start = len(graph.nodes)
        SECTIONS[section.name](reader)
        reader.gives.append(reader.current)
        mark(graph, start, Call(f"layer{len(reader.gives) - 1}", section.name))
    find_blocks(graph)
    graph.outputs = graph.outputs or [reader.current]
    return graph


def read_sections(source: Source) -> list[Section]:
    """Read the sections of a text; ``#`` and ``;`` begin a comment."""
    found: list[Section] = []
    for line, text in enumerate(source.lines()):
        word = text.split("#")[0].split(";")[0].strip()
        if word.startswith("["):
            if len(found) > MOST_SECTIONS:
                raise BneckError(f"{source.file}: more than {people(MOST_SECTIONS)} sections")
            found.append(Section(word.strip("[]").strip(), line, {}))
        elif word:
            name, equals, value = word.partition("=")
            if not equals or not found:
                start = len(text) - len(text.lstrip())
                raise BneckError(
                    "expected [section] or name=value", source.location(line, start, max(1, len(text.strip())))
                )
            found[-1].options[name.strip()] = (value.strip(), line)
    return found


# The sections


def _convolutional(reader: Reader) -> None:
    kernel = reader.whole("size", 1)
    pad = kernel // 2 if reader.whole("pad", 0, 0) else reader.whole("padding", 0, 0)
    groups = reader.whole("groups", 1)
    channels = reader.whole("filters", 1)
    normed = bool(reader.whole("batch_normalize", 0, 0))
    dilation = reader.whole("dilation", 1)
    usual = pad == dilation * (kernel - 1) // 2 and kernel % 2
    slots: dict[str, Any] = {
        "kernel": (kernel, kernel),
        "stride": reader.whole("stride", 1),
        "dilation": dilation,
        "bias": not normed,
        "pad": None if usual else pad,
    }
    if groups > 1 and groups == reader.shape().channels and channels % groups == 0:
        reader.add("dwconv", {**slots, "multiplier": channels // groups})
    else:
        reader.add("conv", {**slots, "channels": channels, "groups": groups})
    if normed:
        reader.add("bn")
    reader.activate("logistic")


def _pooling(kind: str) -> Callable[[Reader], None]:
    def pool(reader: Reader) -> None:
        stride = reader.whole("stride", 1)
        size = reader.whole("size", stride)
        total = reader.whole("padding", size - 1, 0)
        before, after = total // 2, total - total // 2
        sides = reader.side()
        pad: Any = None
        if any((side + total - size) // stride != (side - size) // stride for side in sides) or before:
            pad = before if before == after else (before, after) * len(sides)
        reader.add(kind, {"kernel": (size, size), "stride": stride, "pad": pad})

    return pool


def _average(reader: Reader) -> None:
    if "size" in reader.here.options:
        _pooling("avgpool")(reader)
    else:
        reader.add("global_avgpool")


def _connected(reader: Reader) -> None:
    if reader.shape().spatial:
        reader.add("flatten")
    reader.add("linear", {"channels": reader.whole("output", 1)})
    if reader.whole("batch_normalize", 0, 0):
        reader.add("bn")
    reader.activate("logistic")


def _route(reader: Reader) -> None:
    sources = reader.others("layers")
    groups, group = reader.whole("groups", 1), reader.whole("group_id", 0, 0)
    try:
        if groups > 1:
            parts = []
            for source in sources:
                size = number(reader.graph.shape(source).channels) // groups
                parts.append(reader.graph.part(source, group * size, (group + 1) * size))
            sources = parts
        reader.current = sources[0] if len(sources) == 1 else reader.graph.join("concat", sources)
    except BneckError as error:
        raise reader.error(f"[route]: {error.message}") from None


def _shortcut(reader: Reader) -> None:
    sources = reader.others("from")
    for source in sources:
        if reader.graph.shape(source) != reader.shape():
            raise reader.error(
                f"[shortcut] adds {reader.graph.shape(source)} to {reader.shape()}, which is not supported"
            )
    try:
        reader.current = reader.graph.join("add", [reader.current, *sources])
    except BneckError as error:
        raise reader.error(f"[shortcut]: {error.message}") from None
    reader.activate("linear")


def _sam(reader: Reader) -> None:
    """Multiply another section's map by the input, element by element."""
    source = _scaled(reader, "sam")
    if reader.graph.shape(source) != reader.shape():
        raise reader.error(f"[sam] multiplies {reader.graph.shape(source)} by {reader.shape()}, which is not read")
    _gate(reader, source)


def _scale_channels(reader: Reader) -> None:
    """Multiply another section's map by a number for each of its channels, or with `scale_wh` for each position."""
    source = _scaled(reader, "scale_channels")
    map_, gate = reader.graph.shape(source), reader.shape()
    by_position = reader.whole("scale_wh", 0, 0)
    fits = Shape(1, map_.spatial) if by_position else Shape(map_.channels, (1, 1))
    if gate != fits:
        raise reader.error(f"[scale_channels] scales {map_} by {fits} (got {gate})")
    _gate(reader, source)


def _scaled(reader: Reader, section: str) -> int:
    """Find the one map that a section multiplies."""
    sources = reader.others("from")
    if len(sources) != 1:
        raise reader.error(f"[{section}] multiplies one map (got {len(sources)})")
    return sources[0]


def _gate(reader: Reader, source: int) -> None:
    reader.current = reader.graph.join("scale", [source, reader.current])
    reader.activate("linear")


def _upsample(reader: Reader) -> None:
    reader.add("upsample", {"factor": reader.whole("stride", 2)})


def _reorg(reader: Reader) -> None:
    reader.add("pixel_unshuffle", {"factor": reader.whole("stride", 1)})


def _leaves(reader: Reader) -> None:
    reader.graph.outputs.append(reader.current)


def _passes(reader: Reader) -> None:
    """Say what has no part in a forward pass: nothing."""


SECTIONS: dict[str, Callable[[Reader], None]] = {
    "convolutional": _convolutional,
    "conv": _convolutional,
    "maxpool": _pooling("maxpool"),
    "max": _pooling("maxpool"),
    "avgpool": _average,
    "avg": _average,
    "connected": _connected,
    "conn": _connected,
    "route": _route,
    "shortcut": _shortcut,
    "sam": _sam,
    "scale_channels": _scale_channels,
    "upsample": _upsample,
    "reorg": _reorg,
    "reorg3d": _reorg,
    "dropout": lambda reader: reader.add("dropout"),
    "softmax": lambda reader: reader.add("softmax"),
    "cost": _passes,
    **dict.fromkeys(OUTPUTS, _leaves),
}
