"""A spec as the source of a PyTorch module: one class per definition, as a person would write it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.export.pytorch.builder import FIRST, LAST, VECTOR, NotPureError, Vary
from bneck_cli.bridges.export.pytorch.classes import ClassMaker
from bneck_cli.bridges.export.pytorch.helpers import HELPERS, NEEDS
from bneck_cli.bridges.export.recorded import Recorded
from bneck_cli.bridges.export.source import laid_out
from bneck_cli.bridges.export.symbols import WORDS
from bneck_cli.bridges.names import unused
from bneck_cli.engine.network import entries
from bneck_cli.errors import BneckError
from bneck_cli.language.expression import Index, Name, Number, parts_of
from bneck_cli.sizes.number import is_whole
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.bridges.export.pytorch.calls import Made
    from bneck_cli.bridges.export.recorded import Use
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.sizes.shape import Shape

SPELLED = {"mbconv": "MBConv", "bn": "BN", "mlp": "MLP", "osa": "OSA", "se": "SE", "lstm": "LSTM", "vit": "ViT"}
"""Words of names that are written in their own way."""


class Source(NamedTuple):
    """A module of Python: its text, the class that is the network, what makes it, and the layouts of its tensors."""

    text: str
    name: str
    arguments: dict[str, Any]
    layouts: tuple[str, ...]


def source(analysis: Analysis) -> Source:
    """Write a network as the source of a module of Python that needs PyTorch alone.

    Raises BneckError, at the row, for a layer that PyTorch has not, and for sizes that are symbols.
    """
    writer = Writer(analysis)
    try:
        text = writer.text()
    except (LookupError, TypeError, AttributeError, StopIteration, RecursionError) as error:
        raise writer.stuck(writer.recorded.whole) from error
    made = writer.classes[-1]
    known = {one.name: one.values.get(0) for one in made.parameters if one.default is None}
    inputs = writer.layouts or (made.layout,)
    return Source(text, made.name, known, (*inputs, *(end.layout for end in made.outs)))


class Writer:
    """Writes the classes of one network, each definition's before those that use it."""

    def __init__(self, analysis: Analysis) -> None:
        require_numbers(analysis)
        self.analysis = analysis
        self.recorded = Recorded(analysis)
        self.helpers: set[str] = set()
        self.notes: dict[str, str] = {}
        self.classes: list[Made] = []
        self.by_use: dict[int, Made] = {}
        self.outputs = tuple(analysis.outputs) if analysis.program.spec.outputs and not analysis.program.block else ()
        self.embeds = any(entry.layer.op == "embed" for entry in entries(analysis.root))
        self.extents = not any(is_indexed(use.definition) for use in [*self.recorded.uses, self.recorded.whole])
        self.taken: set[str] = set()
        self.layouts: tuple[str, ...] = ()
        """Those of the network's inputs."""

    def needs(self, helper: str) -> None:
        """Note that a helper is used."""
        self.helpers.add(helper)

    def text(self) -> str:
        """Write the whole module."""
        whole = self.recorded.whole
        spec = self.analysis.program.spec
        if self.analysis.program.block is None:
            title = re.sub(r"\W+", " ", re.sub(r"\(.*?\)", "", self.analysis.name)).split()
            name = "".join(word[:1].upper() + word[1:] for word in title) or "Net"
            name = self.name(name if not name[0].isdigit() else f"Net{name}")
            self.taken.add(name)
            where = f" ({spec.source})" if spec.source else ""
            self.notes[name] = f"{self.analysis.name}{where}".replace('"""', "'")
            maker = ClassMaker(self, [whole], FIRST, name, whole=True)
            try:
                made = maker.made(variant=False)
            except (NotPureError, Vary) as error:
                raise self.stuck(whole) from error
            self.classes.append(made)
        else:
            self.made(whole)
        body = "\n\n\n".join("\n".join(laid(one)) for one in self.classes)
        helpers = self.written_helpers(body)
        return f"{self.header(helpers + body)}\n\n\n{helpers}{body}\n"

    def stuck(self, use: Use) -> BneckError:
        """Make the error for a body whose form no class can have."""
        return use.definition.place.error(
            f"'{use.definition.name}' joins tensors in a way that cannot be exported to PyTorch"
        )

    def header(self, text: str) -> str:
        """Write what stands above the classes."""
        cost = self.analysis.cost
        (shape, *_) = self.analysis.inputs.values()
        lines = [
            f'"""{self.analysis.name}: {people(cost.params)} parameters, {people(cost.macs)} multiply-adds.',
            "",
            f"For an input of {shape}.",
            '"""',
            "",
        ]
        found = [name for name in ("ceil", "floor", "log2") if re.search(rf"(?<![.\w]){name}\(", text)]
        if found:
            lines += [f"from math import {', '.join(found)}", ""]
        if re.search(r"\btorch\.", text):
            lines.append("import torch")
        if re.search(r"\bF\.", text):
            lines.append("import torch.nn.functional as F")
        lines.append("from torch import nn")
        return "\n".join(lines)

    def written_helpers(self, body: str) -> str:
        """Write the helpers that are used."""
        used = {name for name in self.helpers if re.search(rf"\b{name}\(", body)}
        used |= {"round8"} if "round8(" in body else set()
        used |= {other for name in used for other in NEEDS.get(name, ())}
        return "".join(f"{HELPERS[name].strip()}\n\n\n" for name in HELPERS if name in used)

    # Classes

    def made(self, use: Use) -> Made:
        """Return the class of a use, which is made for all uses of its definition at once."""
        if id(use.root) not in self.by_use:
            mine = [one for one in self.recorded.uses if one.definition is use.definition]
            if any(id(one.root) in self.by_use for one in mine) or id(use.definition) in self.open:
                self.write([use])  # a block that uses itself: a class for each depth
            else:
                self.open.add(id(use.definition))
                self.write(mine)
                self.open.discard(id(use.definition))
        return self.by_use[id(use.root)]

    open: set[int] = set()  # noqa: RUF012

    def write(self, uses: Sequence[Use]) -> None:
        """Make a class for uses, or several where one cannot hold them."""
        waiting = [list(uses)]
        first = True
        while waiting:
            part = waiting.pop(0)
            part = [use for use in part if id(use.root) not in self.by_use]
            if not part:
                continue
            ranks = {n: len(use.root.shape.spatial) for n, use in enumerate(part)}
            try:
                if len(set(ranks.values())) > 1:
                    raise Vary(ranks)
                made = self.best(part, variant=not first)
            except Vary as error:
                split = list(parts(part, error))
                if len(split) < 2:
                    raise self.stuck(part[0]) from error
                waiting = split + waiting
                continue
            except NotPureError as error:
                raise self.stuck(part[0]) from error
            first = False
            self.classes.append(made)
            for use in part:
                self.by_use[id(use.root)] = made

    def best(self, uses: list[Use], variant: bool) -> Made:
        """Make a class, its channels first or last: whichever moves axes less."""
        block = uses[0].definition.name
        name = self.name(block)
        if variant:
            self.notes[name] = f"`{block}` for arguments that give it other parts."
        rank = len(uses[0].root.shape.spatial)
        layouts = [VECTOR] if rank == 0 else [LAST, FIRST] if rank == 1 else [FIRST, LAST]
        found: list[Made] = []
        refused: list[Vary | NotPureError] = []
        for layout in layouts:
            try:
                found.append(ClassMaker(self, uses, layout, name).made(variant))
            except (Vary, NotPureError) as error:
                refused.append(error)
        if not found:
            raise refused[0]
        self.taken.add(name)
        return min(found, key=lambda made: made.moves + (made.outs[0].layout != made.layout))

    def name(self, block: str) -> str:
        """Make the name of a class."""
        words = [SPELLED.get(word, word[:1].upper() + word[1:]) for word in block.split("_") if word]
        return unused("".join(words) or "Block", lambda one: one in self.taken or one in HELPERS or one in WORDS, "")


def parts(uses: list[Use], error: Vary) -> Iterator[list[Use]]:
    """Part uses by what differs; those that it says nothing of go with the first."""
    keys: dict[Any, list[Use]] = {}
    first = next(iter(error.keys.values()))
    for number, use in enumerate(uses):
        keys.setdefault(error.keys.get(number, first), []).append(use)
    yield from keys.values()


def laid(made: Made) -> Iterator[str]:
    """Lay out a class."""
    for depth, line in made.lines:
        yield from laid_out(line, depth) if line else ("",)


def require_numbers(analysis: Analysis) -> None:
    """Require that no size is a symbol."""
    found: list[tuple[str, tuple[Shape, ...]]] = [
        (f"input {name}" if name else "the input", (shape,)) for name, shape in analysis.inputs.items()
    ]
    found += [(entry.path, (*entry.layer.inputs, entry.layer.out)) for entry in entries(analysis.root)]
    for path, shapes in found:
        sizes = [size for shape in shapes for size in (shape.channels, *shape.spatial)]
        if not all(map(is_whole, sizes)):
            raise BneckError(
                f"{path}: sizes are symbols, but an export needs numbers",
                hint="give the input as numbers: --input 3x224x224",
            )


def is_indexed(definition: Any) -> bool:
    """Return whether a definition reads a size of a kernel by itself."""
    extents = {
        parameter.name
        for parameter in definition.parameters
        if isinstance(parameter.default, Number) and isinstance(parameter.default.value, tuple)
    }
    found = parts_of((definition.body, [parameter.default for parameter in definition.parameters]))
    return any(
        isinstance(part, Index) and isinstance(part.sequence, Name) and part.sequence.name in extents for part in found
    )
