"""Steps in a class: layers, and uses of blocks, which are separate classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.export.pytorch.builder import (
    FIRST,
    LAST,
    VECTOR,
    Builder,
    Item,
    NotPureError,
    Tensor,
    Vary,
    same,
)
from bneck_cli.bridges.export.symbols import Sym, literal
from bneck_cli.engine.network import Layer, Series
from bneck_cli.language.bodies import SHARE
from bneck_cli.language.expression import Name, Number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.bridges.export.pytorch.builder import Lanes
    from bneck_cli.bridges.export.recorded import Event
    from bneck_cli.language.bodies import Step
    from bneck_cli.language.expression import Expression


class Parameter(NamedTuple):
    """A parameter of a class; its ``kind`` is c_in, declared, layer, hidden, or channels (of a tensor)."""

    name: str
    kind: str
    source: str
    default: str | None
    values: dict[int, Any]
    sym: Sym | None = None
    """The default, in the names of the parameters before it."""


class Made(NamedTuple):
    """A class that is written: its name, how it is called, and its lines."""

    name: str
    parameters: tuple[Parameter, ...]
    tensors: tuple[str, ...]
    """The parameters that are tensors, which ``forward`` takes."""
    numbers: dict[int, int]
    """Which of its uses a use is, by the identity of its event."""
    layout: str
    outs: tuple[Tensor, ...]
    locals: dict[str, Sym]
    lines: tuple[tuple[int, str], ...]
    moves: int
    variant: bool


class Calls(Builder):
    """What a step becomes."""

    def step(self, step: Step, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write a layer, or the use of a block; one whose weights others have is an attribute that all of them call."""
        option = next((one for one in step.options if one.name == SHARE), None)
        if option is None:
            return self.plainly(step, lanes, tensor)
        if self.pure:
            raise NotPureError
        words = {lane: _word(event, option.value) for lane, event in lanes.items()}
        if len(set(words.values())) > 1:
            raise Vary(words)
        word = next(iter(words.values()))
        plain = step._replace(options=tuple(one for one in step.options if one is not option))
        tensor = self.flush(tensor)
        start = self.plainly(plain, lanes, tensor.copy(pending=[]))
        if not start.pending:
            raise NotPureError
        *moves, item = start.pending
        begun = self.flush(tensor.copy(pending=moves), "moved") if moves else tensor
        if not isinstance(item, Item):
            raise NotPureError
        held = self.shares.get(word)
        if held is None or (held[1] != item.text and {held[2], item.kind} == {"embed", "linear"}):
            written = option.value.name if isinstance(option.value, Name) else "shared"
            name = self.attribute(word if word.isidentifier() else written)
            self.init.append((0, f"self.{name} = {item.text}"))
            if held is not None:
                self.init.append((0, f"self.{name}.weight = self.{held[0]}.weight"))
            held = self.shares.setdefault(word, (name, item.text, item.kind))
            held = (name, item.text, item.kind)
        elif held[1].partition("(")[0] != item.text.partition("(")[0]:
            raise NotPureError  # weights of equal shapes, in another class
        end = start.copy(expr=f"self.{held[0]}({begun.expr})", pending=[], bare=False)
        return self.assigned(end) if begun.expr.count("(") else end

    def plainly(self, step: Step, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write a layer, or the use of a block, with weights of its own."""
        kinds = {lane: _kind(event) for lane, event in lanes.items()}
        if "block" in kinds.values():
            if set(kinds.values()) != {"block"}:
                raise Vary(kinds)
            return self.call(step, lanes, tensor)
        return self.layer(step, lanes, tensor, kinds)

    def call(self, step: Step, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write the use of a block: what makes its module, and what calls it."""
        uses = {lane: event.uses for lane, event in lanes.items()}
        made = {lane: self.writer.made(use) for lane, use in uses.items() if use}
        if len({one.name for one in made.values()}) > 1:
            raise Vary({lane: one.name for lane, one in made.items()})
        one = next(iter(made.values()))
        tensor = self.to(tensor, one.layout) if tensor.rank else self.to(tensor, VECTOR)
        turned = {
            one.name
            for one in _definition(lanes).parameters
            if isinstance(one.default, Number) and one.default.value is False
        }
        flags = {one.name for one in step.arguments if isinstance(one, Name) and one.name in turned - self.names.keys()}
        plain = [one for one in step.arguments if not (isinstance(one, Name) and one.name in flags)]
        written = dict(zip([one.name for one in _definition(lanes).parameters], plain, strict=False))
        positional = set(written)
        written |= {option.name: option.value for option in step.options}
        numbers = {lane: one.numbers[id(use.root)] for lane, use in uses.items() if use}
        names: dict[str, Sym] = {}
        given: list[tuple[Parameter, str]] = []
        taps = {name: self.tensor(written[name], lanes) for name in one.tensors if not _listed(lanes, name)}
        for parameter in one.parameters:
            sym = self.argument(parameter, written, flags, lanes, tensor, numbers, taps)
            if sym is None:
                continue
            names[parameter.name] = sym
            given.append((parameter, self.layer_text(sym) if parameter.kind == "layer" else sym.text))
        text = f"{one.name}({_arguments(one.parameters, given, positional)})"
        ends = [self._left(end, one, names, lanes, tensor, at) for at, end in enumerate(one.outs)]
        return self.called(step, one, text, tensor, ends, lanes, written)

    def layer_text(self, sym: Sym) -> str:
        """Write the class of a layer that a parameter names."""
        return self.module_name(sym.parts[1]) if sym.is_literal else sym.text

    def called(
        self,
        step: Step,
        one: Made,
        text: str,
        tensor: Tensor,
        ends: list[Tensor],
        lanes: Lanes,
        written: dict[str, Any],
    ) -> Tensor:
        """Apply the module of a block."""
        if not one.tensors and len(ends) == 1:
            return ends[0].copy(expr=tensor.expr, pending=[*tensor.pending, Item(text, step.name)], bare=False)
        if self.pure:
            raise NotPureError
        tensor = self.flush(tensor)
        if "(" in tensor.expr:
            tensor = self.assigned(tensor)
        name = self.attribute(step.name)
        self.init.append((0, f"self.{name} = {text}"))
        others = []
        for parameter in one.tensors:
            value = next(iter(lanes.values())).value(written[parameter])
            if type(value) is tuple:
                every = [self.to(self.wired(tap), usual(self.wired(tap).rank)) for tap in value]
                others.append(f"[{', '.join(self.flush(tap).expr for tap in every)}]")
            else:
                tap = self.tensor(written[parameter], lanes)
                others.append(self.flush(self.to(tap, usual(tap.rank))).expr)
        expr = f"self.{name}({', '.join([tensor.expr, *others])})"
        return ends[0].copy(expr=expr, pending=[], others=ends[1:], bare=False)

    def argument(
        self,
        parameter: Parameter,
        written: dict[str, Any],
        flags: set[str],
        lanes: Lanes,
        tensor: Tensor,
        numbers: dict[int, int],
        taps: dict[str, Tensor],
    ) -> Sym | None:
        """Write what a parameter of a class is given; None if its default is right."""
        values = {lane: parameter.values.get(number) for lane, number in numbers.items()}
        match parameter.kind:
            case "c_in":
                return tensor.channels
            case "channels":
                if parameter.source in taps:
                    return taps[parameter.source].channels
                name, _, index = parameter.source.rstrip("]").partition("[")
                value = next(iter(lanes.values())).value(written[name])
                return self.wired(value[int(index)]).channels
            case "hidden":
                values = {lane: value for lane, value in values.items() if value is not None}
                return self.settled(parameter.name, values, [tensor.channels]) if values else None
        if parameter.source in flags:
            return literal(True, self.count)
        expression = written.get(parameter.source)
        if expression is None:
            if parameter.default is not None:
                return None
            return self.settled(parameter.source, values, self.names.values(), extent=True)
        sym = self.expression(expression, lanes, tensor)
        if sym is None or not all(same(sym.values[lane], value) for lane, value in values.items()):
            sym = self.settled(parameter.source, values, (), isinstance(expression, Number))
        if sym.is_literal and sym.text == parameter.default:
            return None
        return self.bind(sym)

    def _left(self, end: Tensor, made: Made, names: dict[str, Sym], lanes: Lanes, tensor: Tensor, at: int) -> Tensor:
        """Return the output tensor of a block, its channels in the names of the caller."""
        shapes = {}
        for lane, event in lanes.items():
            flows = (event.result, *event.result.others)
            shapes[lane] = flows[at].shape
        opened = end.channels.replaced(_opened(made, self.count, names), self.count)
        values = {lane: shape.channels for lane, shape in shapes.items()}
        candidates = [opened] if opened is not None else []
        candidates += [sym for sym in names.values() if not sym.is_literal]
        channels = self.settled("channels_out", values, [*candidates, *self.names.values()])
        return Tensor("", self.bind(channels), shapes, end.layout)


def _word(event: Event, value: Expression) -> str:
    """Return the word under which weights are shared."""
    return str(event.env.get(value.name, value.name) if isinstance(value, Name) else event.value(value))


def usual(rank: int) -> str:
    """Return the layout in which tensors of so many axes are handed on."""
    return (VECTOR, LAST)[rank] if rank < 2 else FIRST


def _opened(made: Made, count: int, names: dict[str, Sym]) -> dict[str, Sym]:
    """Write the names of a class, of defaults and long expressions, in the names of its caller."""
    found = dict(names)
    given = [(one.name, one.sym) for one in made.parameters if one.name not in names]
    for name, sym in (*given, *made.locals.items()):
        opened = sym.replaced(found, count) if sym is not None else None
        if opened is not None:
            found[name] = opened
    return found


def _definition(lanes: Lanes) -> Any:
    return next(event.uses.definition for event in lanes.values() if event.uses)


def _listed(lanes: Lanes, name: str) -> bool:
    use = next(iter(lanes.values())).uses
    return use is not None and type(use.root.env[name]) is tuple


def _arguments(parameters: Sequence[Parameter], given: list[tuple[Parameter, str]], plain: set[str]) -> str:
    """Write arguments: by position as far as none is left out and the spec does so, then by name."""
    words, positional = [], True
    for at, (parameter, text) in enumerate(given):
        positional = positional and parameters[at] is parameter
        positional = positional and (parameter.kind == "c_in" or parameter.source in plain)
        words.append(text if positional else f"{parameter.name}={text}")
    return ", ".join(words)


def _kind(event: Event) -> str:
    """Return what a step turned out to be: a block, or the name of a layer's kind."""
    if event.uses is not None:
        return "block"
    if isinstance(event.node, Layer):
        return event.node.op
    return "identity" if isinstance(event.node, Series) else "block"
