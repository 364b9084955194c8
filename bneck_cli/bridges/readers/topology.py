"""Lists of layers for simulators, SCALE-Sim's ``topology.csv`` and MAESTRO's ``.m``: each row a layer with an input.

They say what every layer works on, and not which reads which; so does the spec. Sides are padded already.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.names import unused
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.layers import LAYERS
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import read_source, resolve
from bneck_cli.language.syntax import RESERVED, STRUCTURES
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.errors import Location

MOST_ROWS = 20_000
LARGEST = 10**7
CONVOLUTION = ("IFMAP Height", "IFMAP Width", "Filter Height", "Filter Width", "Channels", "Num Filter", "Strides")
PRODUCT = ("M", "N", "K")
DEPTHWISE = "DP"
"""What the name of a row holds whose filters see one channel each, as SCALE-Sim reads it."""
TOKEN = re.compile(r"//[^\n]*|\s+|[A-Za-z_][\w.-]*|\d+|[{}:,;()]|.")


class Row(NamedTuple):
    """A layer: what it is called, its input, its step in a spec, and its multiply-adds and weights."""

    name: str
    input: str
    step: str
    macs: int
    params: int


def spec_of_topology(path: str) -> str:
    """Write the spec of SCALE-Sim's rows, for convolutions or for products of matrices."""
    source = read_source(path)
    return _written(path, "SCALE-Sim", list(_rows(source)))


def spec_of_maestro(path: str) -> str:
    """Write the spec of MAESTRO's layers."""
    return _written(path, "MAESTRO", list(_layers(read_source(path))))


def _written(path: str, tool: str, rows: list[Row]) -> str:
    """Write a spec, and require its sums to be those of the rows."""
    if not rows:
        raise BneckError(f"{path}: no rows of {tool}")
    names: set[str] = set()
    inputs, steps, leaving = [], [], []
    for row in rows:
        name = _label(row.name, names)
        inputs.append(f"  {name}_in: {row.input}")
        steps.append(f"  - from {name}_in -> {row.step} -> as {name}")
        leaving.append(name)
    params, macs = sum(row.params for row in rows), sum(row.macs for row in rows)
    title = "".join(one if one.isalnum() or one in "-_." else "_" for one in os.path.basename(path).rpartition(".")[0])
    origin = os.path.basename(path)
    text = "\n".join(
        [
            f"# Imported from {origin}: {people(len(rows))} rows of {tool}, each with an input of its own.",
            f'name: "{title}"',
            "input:", *inputs, "", "net:", *steps, "", f"outputs: [{', '.join(leaving)}]", "",
            "expect:", f"  params: {params}", f"  macs: {macs}", f"  origin: {origin}", "",
        ]
    )  # fmt: skip
    analysis = analyze_program(resolve(Source("topology.yaml", text)))
    found = analysis.cost.inference_params, analysis.macs
    if found != (params, macs):
        raise BneckError(f"{path}: {people(macs)} multiply-adds in the rows, where the spec has {people(found[1])}")
    return text


def _label(name: str, taken: set[str]) -> str:
    """Make a name that a spec takes."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or "layer"
    plain = plain if plain[0].isalpha() else f"l{plain}"
    if plain in LAYERS or plain in RESERVED or plain in STRUCTURES or plain in ("input", "net"):
        plain = f"{plain}_row"
    found = unused(plain, lambda one: one in taken or f"{one}_in" in taken)
    taken |= {found, f"{found}_in"}
    return found


def _convolution(
    name: str, kernel: tuple[int, int], channels: int, filters: int, stride: tuple[int, int], out: tuple[int, int],
    depthwise: bool,
) -> Row:  # fmt: skip
    """Make the row of a convolution: its input is as large as its outputs need, and no larger."""
    needed = [(leaves - 1) * step + taps for leaves, step, taps in zip(out, stride, kernel, strict=True)]
    step = f"{kernel[0]}x{kernel[1]}" + ("" if depthwise else f" {filters}")
    step += f" multiplier={filters}" if depthwise and filters > 1 else ""
    if stride != (1, 1):
        step += f" stride={stride[0]}" if stride[0] == stride[1] else f" stride={stride[0]}x{stride[1]}"
    step += " pad=0" if kernel != (1, 1) else ""
    weights = kernel[0] * kernel[1] * channels * filters
    shape = " x ".join(map(str, (channels, *needed)))
    return Row(name, shape, f"{'dwconv' if depthwise else 'conv'} {step}", weights * out[0] * out[1], weights)


# SCALE-Sim


def _rows(source: Source) -> Iterator[Row]:
    """Read the rows behind the heading. Each ends in a comma; a sparsity behind the strides is passed over."""
    lines = [(place, line) for place, line in enumerate(source.lines()) if line.strip()]
    if len(lines) > MOST_ROWS:
        raise BneckError(f"{source.file}: more than {people(MOST_ROWS)} rows")
    if not lines:
        return
    heading = [word.strip().lower() for word in lines[0][1].split(",")]
    product = heading[1:4] == ["m", "n", "k"]
    names = PRODUCT if product else CONVOLUTION
    if not product and len(heading) < len(CONVOLUTION):
        raise BneckError(
            "a topology of SCALE-Sim begins with a heading",
            source.location(lines[0][0], 0, max(1, len(lines[0][1]))),
            hint=f"Layer name, {', '.join(CONVOLUTION)},  or  Layer, M, N, K,",
        )
    for place, line in lines[1:]:
        words = [word.strip() for word in line.split(",")]
        here = source.location(place, 0, max(1, len(line)))
        if len([word for word in words if word]) < len(names) + 1:
            raise BneckError(f"a row has a name and {len(names)} numbers: {', '.join(names)}", here)
        numbers = [_number(word, name, here) for word, name in zip(words[1:], names, strict=False)]
        if product:
            rows, columns, inner = numbers
            macs = rows * columns * inner
            yield Row(words[0], f"{inner} x {rows}", f"linear {columns} nobias", macs, inner * columns)
            continue
        height, width, r, s, channels, filters, stride = numbers
        if height < r or width < s:
            raise BneckError(f"a filter of {r}x{s} is larger than its input of {height}x{width}", here)
        out = (-(-(height - r + stride) // stride), -(-(width - s + stride) // stride))
        depthwise = DEPTHWISE in words[0] and channels > 1
        yield _convolution(words[0], (r, s), channels, filters, (stride, stride), out, depthwise)


def _number(word: str, name: str, place: Location) -> int:
    if not (word.isascii() and word.isdigit() and len(word) < 9 and 0 < int(word) <= LARGEST):
        raise BneckError(f"{name} is a whole number from 1 to {people(LARGEST)} (got '{word[:40]}')", place)
    return int(word)


# MAESTRO


def _layers(source: Source) -> Iterator[Row]:
    """Read the layers of a network: their types, strides and dimensions; dataflows are passed over."""
    words = _Words(source)
    count = 0
    while words.left():
        word = words.take()
        if word != "Layer":
            continue
        name = words.take()
        count += 1
        if count > MOST_ROWS:
            raise BneckError(f"{source.file}: more than {people(MOST_ROWS)} layers")
        yield _layer(words, name)


def _layer(words: _Words, name: str) -> Row:
    place = words.place()
    kind, stride = "CONV", {"X": 1, "Y": 1}
    sizes: dict[str, int] = {}
    words.expect("{")
    while (word := words.take()) != "}":
        if word == "Type":
            words.expect(":")
            kind = words.take()
        elif word in ("Stride", "Dimensions"):
            found = words.sizes()
            if word == "Stride":
                stride |= found
            else:
                sizes |= found
        elif word == "{":
            words.skip()
    depthwise = kind == "DSCONV"
    if kind not in ("CONV", "DSCONV"):
        raise BneckError(f"layer '{name[:40]}': type {kind[:40]} is not read", place, hint="CONV and DSCONV are")
    missing = [letter for letter in "KCRSYX" if letter not in sizes]
    if missing:
        raise BneckError(f"layer '{name[:40]}': no {', '.join(missing)} among its dimensions", place)
    k, c, r, s, y, x = (sizes[letter] for letter in "KCRSYX")
    if y < r or x < s:
        raise BneckError(f"layer '{name[:40]}': a filter of {r}x{s} is larger than its input of {y}x{x}", place)
    out = ((y - r) // stride["Y"] + 1, (x - s) // stride["X"] + 1)
    groups = sizes.get("N", 1)
    if groups != 1:
        raise BneckError(f"layer '{name[:40]}': a batch of {groups}; layers are read for one input", place)
    return _convolution(name, (r, s), c, 1 if depthwise else k, (stride["Y"], stride["X"]), out, depthwise)


class _Words:
    """The words of a text, in sequence."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[tuple[str, int, int]] = []
        for line, text in enumerate(source.lines()):
            for match in TOKEN.finditer(text):
                word = match[0].strip()
                if word and not word.startswith("//"):
                    self.found.append((word, line, match.start()))
        self.at = 0

    def left(self) -> bool:
        """Return whether there are any left."""
        return self.at < len(self.found)

    def place(self) -> Location:
        """Return where the next word stands, or the last one."""
        _, line, column = self.found[min(self.at, len(self.found) - 1)]
        return self.source.location(line, column, 1)

    def take(self) -> str:
        """Return the next word."""
        if not self.left():
            raise BneckError("braces that are not closed", self.place())
        self.at += 1
        return self.found[self.at - 1][0]

    def expect(self, wanted: str) -> None:
        """Require the next word to be this one."""
        place = self.place()
        word = self.take()
        if word != wanted:
            raise BneckError(f"expected '{wanted}' (got '{word[:40]}')", place)

    def sizes(self) -> dict[str, int]:
        """Read numbers by letters, in braces."""
        self.expect("{")
        found: dict[str, Any] = {}
        while (word := self.take()) != "}":
            if word in (",", ";"):
                continue
            self.expect(":")
            place = self.place()
            found[word] = _number(self.take(), word[:40], place)
        return found

    def skip(self) -> None:
        """Pass over what stands in braces, whose first is taken already."""
        depth = 1
        while depth:
            word = self.take()
            depth += (word == "{") - (word == "}")
