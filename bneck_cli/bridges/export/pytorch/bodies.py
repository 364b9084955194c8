"""Bodies in a class: pipelines, named tensors, conditions and expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.bridges.export.pytorch.builder import SPARE, Cond, Item, NotPureError, Tensor, Vary, same
from bneck_cli.bridges.export.pytorch.calls import Calls
from bneck_cli.bridges.export.pytorch.joins import Joins
from bneck_cli.bridges.export.pytorch.loops import Loops
from bneck_cli.bridges.export.pytorch.sequences import Sequences
from bneck_cli.bridges.export.symbols import Sym, translated
from bneck_cli.engine.tensor import Tap
from bneck_cli.language.bodies import (
    Aside,
    Attend,
    Branch,
    Chain,
    Experts,
    Join,
    Label,
    Loop,
    Repeat,
    Residual,
    Resume,
    Scale,
    Step,
)
from bneck_cli.language.expression import Index, Name, Number
from bneck_cli.sizes.number import Ratio

if TYPE_CHECKING:
    from typing import Any

    from bneck_cli.bridges.export.pytorch.builder import Lanes
    from bneck_cli.bridges.export.recorded import Event
    from bneck_cli.language.expression import Expression


class Bodies(Loops, Joins, Calls, Sequences):
    """What each structure of a body becomes."""

    def emit(self, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write any body."""
        body = next(iter(lanes.values())).body
        tensor = tensor.copy(shapes={lane: tensor.shapes[lane] for lane in lanes})
        match body:
            case Step():
                return self.step(body, lanes, tensor)
            case Chain():
                return self.chain(body, lanes, tensor)
            case Repeat():
                return self.repeat(body, lanes, tensor)
            case Loop():
                return self.loop(body, lanes, tensor)
            case Residual():
                return self.residual(body, lanes, tensor)
            case Join():
                return self.join(body, lanes, tensor)
            case Scale():
                return self.scale(body, lanes, tensor)
            case Aside():
                return self.aside(body, lanes, tensor)
            case Branch():
                return self.branch(body, lanes, tensor)
            case Label():
                return self.label(body, lanes, tensor)
            case Resume():
                return self.resume(body, lanes, tensor)
            case Attend():
                return self.attend(body, lanes, tensor)
            case Experts():
                return self.experts(body, lanes, tensor)
        raise NotPureError

    def chain(self, chain: Chain, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write bodies in sequence; a pipeline that ends in a name is an attribute of that name."""
        label = chain.steps[-1] if isinstance(chain.steps[-1], Label) else None
        if label and not self.pure and tensor.pending:
            tensor = self.assigned(self.flush(tensor, self.beginning(tensor) if self.whole else ""))
        before, self.naming = self.naming, self.naming or label is not None
        for number in range(len(chain.steps)):
            inside = {lane: event.children[number] for lane, event in lanes.items()}
            tensor = self.emit(inside, tensor)
        self.naming = before
        return tensor

    def label(self, label: Label, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Name a tensor: a variable where it is read again, else the name of the part that gives it."""
        if tensor.others:
            return self.labels(label, tensor)
        (name,) = label.names
        if name in self.read:
            if self.pure:
                raise NotPureError
            tensor = self.variable(tensor, name)
            made = any(line.startswith(f"{tensor.expr} = ") for line in self.forward)
            if made and tensor.expr in SPARE and not self.held[tensor.expr]:
                tensor = self.moved(tensor, name)
            self.held[tensor.expr] += 1
            self.wires[name] = tensor
            if any(name in event.frame.every for event in lanes.values()):
                number = self.counts[name] = self.counts.get(name, -1) + 1
                self.wires[f"{name}[{number}]"] = tensor
            return tensor
        if self.pure:
            return tensor
        if not tensor.pending:
            return self.assigned(tensor) if "(" in tensor.expr else tensor
        return self.assigned(self.flush(tensor, name))

    def moved(self, tensor: Tensor, name: str) -> Tensor:
        """Let the last statement give its tensor to a variable of this name."""
        variable = self.free(name)
        if self.forward and self.forward[-1].startswith(f"{tensor.expr} = "):
            self.forward[-1] = f"{variable} = {self.forward[-1].split(' = ', 1)[1]}"
            return tensor.copy(expr=variable)
        return self.assigned(tensor, variable)

    def labels(self, label: Label, tensor: Tensor) -> Tensor:
        """Name the tensors that a block gives."""
        every = [tensor, *tensor.others]
        names = list(label.names)
        if len(names) == 1:
            whole = self.free(names[0])
            self.held[whole] += 1
            self.forward.append(f"{whole} = {tensor.expr}")
            names = [f"{names[0]}[{at}]" for at in range(len(every))]
            variables = [f"{whole}[{at}]" for at in range(len(every))]
        else:
            variables = [self.free(name) for name in names]
            self.held.update(variables)
            self.forward.append(f"{', '.join(variables)} = {tensor.expr}")
        for name, variable, one in zip(names, variables, every, strict=True):
            self.wires[name] = one.copy(expr=variable, others=[])
        return self.wires[names[0]]

    def resume(self, resume: Resume, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Go on from a named tensor."""
        if self.pure:
            raise NotPureError
        self.kept_alive(tensor)
        value = resume.tensor.value if isinstance(resume.tensor, Number) else None
        if isinstance(value, Tap):
            return self.wired(value).copy()
        return self.tensor(resume.tensor, lanes).copy()

    def tensor(self, expression: Expression, lanes: Lanes) -> Tensor:
        """Find the tensor that an expression names."""
        if isinstance(expression, Name) and expression.name in self.wires:
            return self.wires[expression.name]
        if isinstance(expression, Index) and isinstance(expression.sequence, Name):
            at = {lane: event.value(expression.position) for lane, event in lanes.items()}
            if len(set(at.values())) > 1:
                raise Vary(at)
            key = f"{expression.sequence.name}[{next(iter(at.values()))}]"
            if key in self.wires:
                return self.wires[key]
        value = next(iter(lanes.values())).value(expression)
        return self.wired(value)

    def wired(self, tap: Any) -> Tensor:
        """Find the tensor of a tap: one that is named here, or that came as a parameter."""
        if isinstance(tap, Tap):
            if tap.name in self.wires:
                return self.wires[tap.name]
            for name, values in self.tensors.items():
                for at, one in enumerate(values[0] if type(values[0]) is tuple else (values[0],)):
                    if one.name == tap.name:
                        return self.wires[f"{name}[{at}]" if type(values[0]) is tuple else name]
        raise NotPureError

    def branch(self, branch: Branch, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write what a condition chooses: modules on a condition, where uses differ."""
        taken = {lane: _which(branch, event) for lane, event in lanes.items()}
        if len(set(taken.values())) == 1:
            inside = {lane: event.children[0] for lane, event in lanes.items() if event.children}
            return self.emit(inside, tensor) if inside else tensor
        condition = self.expression(branch.condition, lanes, tensor)
        if condition is None or any(bool(condition.values[lane]) != (which == "then") for lane, which in taken.items()):
            raise Vary(taken)
        sides: list[tuple[tuple[Item | Cond, ...], Tensor]] = []
        for which in ("then", "otherwise"):
            inside = {
                lane: lanes[lane].children[0] for lane, one in taken.items() if one == which and lanes[lane].children
            }
            here = tensor.copy(pending=[])
            if inside:
                try:
                    with self.purely():
                        here = self.emit(inside, here)
                except NotPureError:
                    raise Vary(taken) from None
            sides.append((tuple(here.pending), here))
        (then, one), (otherwise, other) = sides
        if one.layout != other.layout:
            raise Vary(taken)
        text = condition.text
        if not then:
            text, then, otherwise = opposite(branch.condition, condition), otherwise, then
        channels = next(
            (
                sym
                for sym in (one.channels, other.channels)
                if all(same(sym.values[lane], event.out.channels) for lane, event in lanes.items())
            ),
            None,
        )
        if channels is None:
            channels = self.expression_of_channels(lanes, tensor)
        shapes = {lane: event.out for lane, event in lanes.items()}
        pending = [*tensor.pending, Cond(text, then, otherwise)] if then or otherwise else tensor.pending
        return tensor.copy(pending=pending, channels=channels, shapes=shapes, layout=one.layout)

    def expression_of_channels(self, lanes: Lanes, tensor: Tensor) -> Sym:
        """Find an expression for the output channels of a body: a parameter that is equal, else one of their own."""
        values = {lane: event.out.channels for lane, event in lanes.items()}
        return self.settled("channels_out", values, [tensor.channels, *self.names.values()])

    # Expressions

    def visible(self, tensor: Tensor) -> dict[str, Sym]:
        """Return the names that an expression sees."""
        return {"c": tensor.channels, **self.names}

    def expression(self, expression: Expression, lanes: Lanes, tensor: Tensor) -> Sym | None:
        """Write an expression, if it is right in each use."""
        sym = translated(expression, self.visible(tensor), self.count, self.writer.extents)
        if sym is None:
            return None
        for lane, event in lanes.items():
            if not same(sym.values[lane], event.value(expression)):
                return None
        if " / " in sym.text and not any(isinstance(sym.values[lane], Ratio) for lane in lanes):
            return None  # whole here, and not in every use: Python would make it a float
        return sym

    def want(self, expression: Expression, lanes: Lanes, tensor: Tensor, hint: str) -> Sym:
        """Write an expression; where that is not possible, its value."""
        sym = self.expression(expression, lanes, tensor)
        if sym is not None:
            return sym
        values = {lane: event.value(expression) for lane, event in lanes.items()}
        extent = isinstance(expression, Number)
        name = expression.name if isinstance(expression, Name) else hint
        return self.settled(name, values, (), extent)


def opposite(condition: Expression, sym: Sym) -> str:
    """Write that a condition does not hold."""
    operator = getattr(condition, "operator", "")
    if operator in ("==", "!="):
        return sym.text.replace(f" {operator} ", " != " if operator == "==" else " == ")
    return f"not {sym.within(sym.rank) if sym.rank > 4 else f'({sym.text})'}"


def _which(branch: Branch, event: Event) -> str:
    if not event.children:
        return "otherwise"
    return "then" if event.children[0].body is branch.then else "otherwise"
