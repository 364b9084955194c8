"""From a definition and all its uses to one Python class: its signature, its parts, and how they are joined."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.export.pytorch.bodies import Bodies
from bneck_cli.bridges.export.pytorch.builder import (
    FIRST,
    INDICES,
    MODULE,
    VECTOR,
    Cond,
    Item,
    Tensor,
    Vary,
)
from bneck_cli.bridges.export.pytorch.calls import Made, Parameter, usual
from bneck_cli.bridges.export.symbols import Sym, literal, named, safe, translated
from bneck_cli.engine.tensor import Tap, taps_in
from bneck_cli.language.expression import All, Name, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.bridges.export.pytorch.builder import Lanes
    from bneck_cli.bridges.export.pytorch.writer import Writer
    from bneck_cli.bridges.export.recorded import Use
    from bneck_cli.language.expression import Expression


class ClassMaker(Bodies):
    """Writes a class for uses of one definition, whose first tensor arrives in a layout."""

    def __init__(self, writer: Writer, uses: Sequence[Use], layout: str, name: str, whole: bool = False) -> None:
        super().__init__(len(uses))
        self.writer, self.uses, self.name, self.whole = writer, uses, name, whole
        self.definition = uses[0].definition
        self.lanes: Lanes = {number: use.root for number, use in enumerate(uses)}
        self.names: dict[str, Sym] = {}
        self.wires: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.tensors: dict[str, tuple[Any, ...]] = {}
        self.layers: set[str] = set()
        self.read = set(_read(self.definition.body, self.definition.outputs))
        if whole:
            self.read |= {re.sub(r"\[.*", "", name) for name in writer.outputs}
        self.layout = layout
        for parameter in self.definition.parameters:
            self._parameter(parameter.name)
        values = [use.root.env["cin"] for use in uses]
        taken = "c_in" if "c_in" not in self.names else "channels_in"
        self.entering = taken
        self.names["cin"] = literal(values[0], self.count) if whole else named(taken, values)
        self.taken = {sym.text for sym in self.names.values()} | {"layers", "c_in"}

    def _parameter(self, name: str) -> None:
        """Take a parameter: a tensor, the name of a layer, or a value."""
        values = [use.root.env[name] for use in self.uses]
        if any(map(taps_in, values)):
            self.tensors[name] = tuple(values)
        elif all(isinstance(value, str) for value in values):
            if len(set(values)) > 1:
                self.layers.add(name)
                self.names[name] = named(safe(name), values)
        elif not any(isinstance(value, str) for value in values):
            self.names[name] = named(safe(name), values)

    # The whole class

    def made(self, variant: bool) -> Made:
        """Write the class."""
        start = self.start()
        end = self.emit(self.lanes, start)
        ends = self.results(end)
        ends = [self.flush(one, self.ending(one)) if self.attributes != MODULE or self.whole else one for one in ends]
        self.drop_unread(ends)
        lines = self.lines(ends)
        numbers = {id(use.root): number for number, use in enumerate(self.uses)}
        text = "\n".join(line for _, line in lines)
        parameters = tuple(self.parameters(text))
        signature = ", ".join(["self", *map(_declared, parameters)])
        head = self.heading(parameters, text)
        whole = [(0, f"class {self.name}({self.base}):")]
        if self.writer.notes.get(self.name):
            whole.append((1, f'"""{self.writer.notes[self.name]}"""'))
            whole.append((0, ""))
        if parameters or self.has_init:
            whole.append((1, f"def __init__({signature}):"))
            if self.base != "nn.Sequential":
                whole.append((2, "super().__init__()"))
            whole += [(2, line) if depth == 0 else (3, line) for depth, line in head]
            if self.base == "nn.Sequential":
                whole += [(2 + depth, line) for depth, line in lines]
            else:
                whole += lines
        else:
            whole += lines
        return Made(
            name=self.name,
            parameters=parameters,
            tensors=tuple(self.tensors),
            numbers=numbers,
            layout=self.layout,
            outs=tuple(ends),
            locals=dict(self.known),
            lines=tuple(whole),
            moves=self.moves,
            variant=variant,
        )

    def start(self) -> Tensor:
        """Return the input tensors, and name those that come as parameters."""
        shapes = {lane: event.shape for lane, event in self.lanes.items()}
        if self.whole:
            return self.inputs(shapes)
        self.held["x"] += 0
        for name, values in self.tensors.items():
            self._tensor(name, values)
        return Tensor("x", self.names["cin"], shapes, self.layout)

    def inputs(self, shapes: dict[int, Any]) -> Tensor:
        """Return the inputs of the network, each by its name where there are several."""
        found = {}
        inputs = self.writer.analysis.inputs
        for name, shape in inputs.items():
            layout = VECTOR if not shape.spatial else FIRST
            if len(shape.spatial) == 1 and shape.channels == 1 and self.writer.embeds:
                layout = INDICES
            variable = "x" if len(inputs) == 1 else safe(name)
            found[name] = Tensor(variable, literal(shape.channels, 1), {0: shape}, layout)
            if len(inputs) > 1 or name in self.read:
                self.held[variable] += 1
        self.arriving = tuple(tensor.expr for tensor in found.values())
        self.wires |= found
        self.writer.layouts = tuple(tensor.layout for tensor in found.values())
        return next(iter(found.values()))

    arriving: tuple[str, ...] = ("x",)

    def _tensor(self, name: str, values: tuple[Any, ...]) -> None:
        """Name a tensor that comes as a parameter, or each of a list of them."""
        if isinstance(values[0], Tap):
            self.wires[name] = self._outer(safe(name), f"c_{safe(name)}", dict(enumerate(values)))
            self.held[safe(name)] += 1
            return
        if len({len(value) for value in values}) > 1:
            raise Vary({lane: len(value) for lane, value in enumerate(values)})
        self.held[safe(name)] += 1
        for index in range(len(values[0])):
            taps = {lane: value[index] for lane, value in enumerate(values)}
            self.wires[f"{name}[{index}]"] = self._outer(f"{safe(name)}[{index}]", f"c_{safe(name)}{index}", taps)

    def _outer(self, expr: str, hint: str, taps: dict[int, Any]) -> Tensor:
        shapes = {lane: tap.shape for lane, tap in taps.items()}
        ranks = {lane: len(shape.spatial) for lane, shape in shapes.items()}
        if len(set(ranks.values())) > 1:
            raise Vary(ranks)
        self.hidden[hint] = {lane: shape.channels for lane, shape in shapes.items()}
        channels = named(hint, [shapes[lane].channels for lane in range(self.count)])
        return Tensor(expr, channels, shapes, usual(ranks[0]))

    def results(self, end: Tensor) -> list[Tensor]:
        """Return the output: the last tensor, or those that the definition names."""
        if self.definition.outputs is not None or (self.whole and self.writer.outputs):
            self.kept_alive(end)
        if self.whole and self.writer.outputs:
            return [self.wires[name] for name in self.writer.outputs]
        if self.definition.outputs is not None:
            values = self.lanes[0].value(self.definition.outputs)
            taps = [self.wired(tap) for tap in taps_in(values)]
            return [self.to(tap, usual(tap.rank)) for tap in taps]
        return [end]

    def ending(self, end: Tensor) -> str:
        """Name what is pending where a network ends."""
        linear = any(isinstance(one, Item) and one.kind == "linear" for one in end.pending)
        return "head" if self.whole and linear and self.attributes != MODULE else ""

    def drop_unread(self, ends: list[Tensor]) -> None:
        """Take out the names of expressions that nothing reads."""
        pending = " ".join(str(item) for end in ends for item in end.pending)
        while True:
            text = "\n".join([*(line for _, line in self.init), *self.forward, pending])
            unread = {name for name in self.locals if len(re.findall(rf"\b{name}\b", text)) == 1}
            if not unread:
                return
            self.locals -= unread
            self.init = [(depth, line) for depth, line in self.init if line.partition(" = ")[0] not in unread]

    base = "nn.Module"
    has_init = True

    def lines(self, ends: list[Tensor]) -> list[tuple[int, str]]:
        """Return the lines behind the signature."""
        plain = (
            not self.forward and self.attributes == MODULE and len(ends) == 1 and not self.tensors and not self.whole
        )
        (end, *_) = ends
        if plain and end.expr == "x" and end.pending and not any(isinstance(item, Cond) for item in end.pending):
            self.base = "nn.Sequential"
            ends[0] = end.copy(pending=[])
            items = ", ".join(f"*{item.text}" if item.many else item.text for item in end.pending)  # type: ignore[union-attr]
            return [*self.init, (0, f"super().__init__({items})")]
        ends[:] = [self.flush(one) for one in ends]
        self.has_init = bool(self.init)
        if len(ends) == 1 and self.forward and self.forward[-1].startswith(f"{ends[0].expr} = "):
            ends[0] = ends[0].copy(expr=self.forward.pop().split(" = ", 1)[1])
        taken = ", ".join(["self", *(self.arriving if self.whole else ("x", *map(safe, self.tensors)))])
        lines = [(2 + depth, line) for depth, line in self.init]
        lines += [(0, "")] if self.init else []
        lines += [(1, f"def forward({taken}):"), *map(indented, self.forward)]
        lines.append((2, f"return {', '.join(one.expr for one in ends)}"))
        return lines

    def parameters(self, text: str) -> Iterator[Parameter]:
        """Return the parameters that the lines, or the defaults of others, read."""
        needed = set(re.findall(r"[A-Za-z_]\w*", text))
        declared: list[Parameter] = []
        for parameter in reversed(self.definition.parameters):
            name = parameter.name
            if name not in self.names or safe(name) not in needed:
                continue
            default = self._default(name, parameter.default)
            if default is not None and default.startswith("None"):
                needed |= set(re.findall(r"[A-Za-z_]\w*", default))
            kind = "layer" if name in self.layers else "declared"
            values = {number: use.root.env[name] for number, use in enumerate(self.uses)}
            sym = translated(parameter.default, self.names, self.count, self.writer.extents) if default else None
            declared.insert(0, Parameter(safe(name), kind, name, default, values, sym))
        found = []
        if self.entering in needed:
            values = {number: use.root.env["cin"] for number, use in enumerate(self.uses)}
            found.append(Parameter(self.entering, "c_in", "", None, values))
        for name, values in self.hidden.items():
            if name not in needed:
                continue
            source = next((wire for wire, tensor in self.wires.items() if tensor.channels.text == name), "")
            whole = len(values) == self.count
            kind = "channels" if source in self.tensors or "[" in source else "hidden"
            found.append(Parameter(name, kind, source, None if whole else "None", values))
        every = [*found[:1], *declared, *found[1:]] if found[:1] and found[0].kind == "c_in" else [*declared, *found]
        yield from sorted(every, key=lambda one: one.default is not None)

    def _default(self, name: str, default: Expression | None) -> str | None:
        """Write a default; one that other parameters decide is None, and what it then is."""
        if default is None:
            return None
        if name in self.layers or (isinstance(default, Name) and default.name not in self.names):
            return None
        sym = translated(default, self.names, self.count, self.writer.extents)
        if sym is None:
            return None
        return sym.text if sym.is_literal or not sym.names() else f"None: {sym.text}"

    def heading(self, parameters: Sequence[Parameter], text: str) -> Iterator[tuple[int, str]]:
        """Write the defaults that other parameters decide."""
        for parameter in parameters:
            if parameter.default and parameter.default.startswith("None: "):
                yield 0, f"if {parameter.name} is None:"
                yield 1, f"{parameter.name} = {parameter.default[6:]}"


def indented(line: str) -> tuple[int, str]:
    """Return how deep a line of ``forward`` stands, and the line."""
    bare = line.lstrip(" ")
    return 2 + (len(line) - len(bare)) // 4, bare


def _declared(parameter: Parameter) -> str:
    if parameter.default is None:
        return parameter.name
    return f"{parameter.name}={parameter.default.partition(': ')[0]}"


def _read(body: object, outputs: Expression | None) -> Iterator[str]:
    """Yield the names of tensors that a definition may read."""
    for part in parts_of((body, outputs)):
        if isinstance(part, (Name, All)):
            yield part.name
