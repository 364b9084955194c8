"""Branches in a class: added, multiplied, concatenated or sliced in ``forward``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.export.pytorch.builder import (
    FIRST,
    LAST,
    VECTOR,
    Builder,
    Cond,
    Item,
    NotPureError,
    Tensor,
    Vary,
    operand,
    sequence,
)
from bneck_cli.bridges.export.pytorch.calls import usual
from bneck_cli.bridges.export.symbols import Sym, added, literal, operation
from bneck_cli.engine.network import Fork
from bneck_cli.language.bodies import Branch, Loop, Resume

if TYPE_CHECKING:
    from bneck_cli.bridges.export.pytorch.builder import Lanes
    from bneck_cli.bridges.export.recorded import Event
    from bneck_cli.language.bodies import Aside, Body, Join, Residual, Scale

OPERATORS = {"add": "+", "mul": "*"}
MODULES = {"add": "Add", "mul": "Multiply"}


class Joins(Builder):
    """Residuals, joins, gates and heads."""

    # Residuals

    def residual(self, residual: Residual, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Add what a body makes to what a shortcut does."""
        if self.pure:
            return self._pure_residual(residual, lanes, tensor)
        inside = {lane: event.children[0] for lane, event in lanes.items()}
        added_to = {lane: _adds(event) for lane, event in lanes.items()}
        if not any(added_to.values()):
            return self.emit(inside, tensor)
        tensor = self.variable(tensor)
        with self.holding(tensor.expr):
            body = self._body(inside, tensor)
            shortcut, text = self._shortcut(residual, lanes, tensor, body, added_to)
        channels = self._channels(lanes, body, tensor)
        shapes = {lane: event.out for lane, event in lanes.items()}
        expr = self._sum(body, shortcut, text, tensor)
        return Tensor(expr, channels, shapes, body.layout)

    def _sum(self, body: Tensor, shortcut: Tensor, text: str, tensor: Tensor) -> str:
        if text:  # only where nothing changes
            with self.holding(tensor.expr):
                body = self.assigned(body)
            return f"{tensor.expr} + {body.expr} if self.{text} else {body.expr}"
        texts = [operand(body.expr, "+"), operand(shortcut.expr, "+")]
        return " + ".join(texts[::-1] if shortcut.expr == tensor.expr else texts)

    def _body(self, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write the body of a residual, in the layout of the shortcut where that is the tensor itself."""
        body = self.emit(lanes, tensor.copy(pending=[]))
        if body.rank == tensor.rank:
            body = self.to(body, tensor.layout)
        return self.flush(body)

    def _channels(self, lanes: Lanes, *tensors: Tensor) -> Sym:
        """Return the channels of a sum: the shortest expression that is right."""
        values = {lane: event.out.channels for lane, event in lanes.items()}
        known = sorted((tensor.channels for tensor in tensors), key=lambda sym: (sym.is_literal, len(sym.text)))
        return self.settled("channels_out", values, known)

    def _shortcut(
        self, residual: Residual, lanes: Lanes, tensor: Tensor, body: Tensor, adds: dict[int, bool]
    ) -> tuple[Tensor, str]:
        """Write the other side of a residual; also the name of the flag that says whether there is one."""
        kind = residual.shortcut
        if kind == "if_same":
            if all(adds.values()):
                return tensor, ""
            condition = self._unlike(lanes, tensor, body, adds, same_if=True)
            name = self.attribute("same")
            self.init.append((0, f"self.{name} = {condition}"))
            return tensor, name
        if kind == "identity":
            return tensor, ""
        if kind in ("auto", "pad"):
            projected = {lane: _projects(event) for lane, event in lanes.items()}
            if not any(projected.values()):
                return tensor, ""
            make = self._projection if kind == "auto" else self._padded
            begun = self.to(tensor.copy(pending=[]), FIRST)
            ended = begun.copy(shapes=body.shapes, channels=body.channels)
            ended.pending += make(lanes, tensor, body, projected)
            if not tensor.rank:
                raise NotPureError
            items: list[Item | Cond] = self.to(ended, body.layout).pending
            if not all(projected.values()):
                alike = {lane: not one for lane, one in projected.items()}
                condition = self._unlike(lanes, tensor, body, alike, same_if=False)
                items = [Cond(condition, tuple(items), ())]
            side = tensor.copy(pending=items, shapes=body.shapes, channels=body.channels)
            return self.flush(side, "shortcut"), ""
        inside = {lane: event.children[1] for lane, event in lanes.items() if len(event.children) > 1}
        if not inside:
            raise NotPureError
        with self.holding(body.expr):
            side = self.emit(inside, tensor.copy(pending=[]))
            side = self.flush(self.to(side, body.layout), "shortcut")
        return side, ""

    def _stride(self, lanes: Lanes, tensor: Tensor) -> Sym:
        """Find the expression of a body's stride: a parameter that has its value in each use."""
        values = {}
        for lane, event in lanes.items():
            before, after = event.children[0].result.stride, event.children[0].shape
            del after
            strides = before or ()
            start = _started(event)
            ratio = tuple(two // one for one, two in zip(start, strides, strict=False))
            values[lane] = ratio[0] if len(set(ratio)) == 1 else ratio
        return self.settled("stride", values, [sym for name, sym in self.names.items() if name != "cin"], extent=True)

    def _projection(self, lanes: Lanes, tensor: Tensor, body: Tensor, projected: dict[int, bool]) -> list[Item | Cond]:
        """Write the strided 1x1 convolution and batch norm of a projected shortcut."""
        some = {lane: event for lane, event in lanes.items() if projected[lane]}
        stride = self._stride(some, tensor)
        step = "" if stride.text == "1" else f", stride={stride.text}"
        leaving = self.bind(body.channels)
        rank = tensor.rank
        conv = f"nn.Conv{rank}d({tensor.channels.text}, {leaving.text}, 1{step}, bias=False)"
        return [Item(conv, "conv"), Item(f"nn.BatchNorm{rank}d({leaving.text})", "bn")]

    def _padded(self, lanes: Lanes, tensor: Tensor, body: Tensor, projected: dict[int, bool]) -> list[Item | Cond]:
        """Write the shortcut that leaves positions out and adds channels of zeros."""
        some = {lane: event for lane, event in lanes.items() if projected[lane]}
        stride = self._stride(some, tensor)
        more = operation("-", body.channels, tensor.channels)
        if more.is_long:
            more = self.bind(more)
        self.writer.needs("Padded")
        return [Item(f"Padded({more.text}, stride={stride.text})", "pad")]

    def _unlike(self, lanes: Lanes, tensor: Tensor, body: Tensor, alike: dict[int, bool], same_if: bool) -> str:
        """Write the condition under which a body changes (or keeps) the shape."""
        sides = (tensor.channels, body.channels)
        differ = operation("!=", *sides)
        strides = self._stride(lanes, tensor) if all(_started(event) for event in lanes.values()) else None
        tests = []
        if strides is not None and not strides.is_literal:
            tests.append(operation("!=", strides, literal(1, self.count)))
        if not differ.is_literal and sides[0].text != sides[1].text:
            tests.append(differ)
        for chosen in (tests, tests[-1:], tests[:1]):
            if chosen and all(
                any(test.values[lane] not in (False, 0) for test in chosen) != is_alike
                for lane, is_alike in alike.items()
            ):
                text = " or ".join(test.text for test in chosen)
                return text.replace(" != ", " == ").replace(" or ", " and ") if same_if else text
        raise Vary(alike)

    def _pure_residual(self, residual: Residual, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write a residual as one module."""
        inside = {lane: event.children[0] for lane, event in lanes.items()}
        if not all(_adds(event) and not _projects(event) for event in lanes.values()):
            raise NotPureError
        body = self.to(self.emit(inside, tensor.copy(pending=[])), tensor.layout)
        if isinstance(residual.shortcut, str):
            item = self.module("Residual", body.pending)
        else:
            across = {lane: event.children[1] for lane, event in lanes.items()}
            side = self.to(self.emit(across, tensor.copy(pending=[])), tensor.layout)
            self.writer.needs("Shortcut")
            item = Item(f"Shortcut({sequence(body.pending)}, {sequence(side.pending)})", "residual")
        channels = self._channels(lanes, body, tensor)
        shapes = {lane: event.out for lane, event in lanes.items()}
        return tensor.copy(pending=[*tensor.pending, item], channels=channels, shapes=shapes)

    def module(self, helper: str, items: list[Item | Cond]) -> Item:
        """Make one module of a helper around others."""
        self.writer.needs(helper)
        return Item(sequence(items, helper) if items else f"{helper}()", helper.lower())

    # Joins

    def join(self, join: Join, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write branches from one tensor, and what joins them."""
        found = {lane: list(_branches(join, event)) for lane, event in lanes.items()}
        shapes_of = {lane: tuple(key for key, _ in events) for lane, events in found.items()}
        if len(set(shapes_of.values())) > 1:
            raise Vary(shapes_of)
        groups = [
            (key, {lane: events[at][1] for lane, events in found.items()})
            for at, (key, _) in enumerate(next(iter(found.values())))
        ]
        single = not all(isinstance(event.node, Fork) and event.node.kind == join.kind for event in lanes.values())
        if single and len(groups) == 1:
            return self._branch(join, groups[0], tensor)
        if join.kind == "split":
            return self._split(join, lanes, groups, tensor)
        if self.pure:
            return self._pure_join(join, lanes, groups, tensor)
        fresh = any(not isinstance(next(iter(group.values())).body, Resume) for _, group in groups)
        if fresh and len(groups) > 1:
            tensor = self.variable(tensor)
        elif not fresh:
            self.kept_alive(tensor)
            tensor = tensor.copy(pending=[])
        ends: list[Tensor] = []
        kept: list[str] = []
        wanted = ""
        for at, group in enumerate(groups):
            with self.holding(tensor.expr, *kept):
                end = self._branch(join, group, tensor.copy(pending=[]))
                wanted = wanted or (end.layout if end.rank and end.layout != VECTOR else "")
                end = self._fit(end, wanted or end.layout, join)
                end = self.flush(end, f"branch{at + 1}" if len(groups) > 1 and len(end.pending) > 1 else "")
            ends.append(end)
            kept.append(end.expr)
        return self._joined(join.kind, join.along, lanes, ends, tensor)

    def _fit(self, end: Tensor, layout: str, join: Join) -> Tensor:
        """Bring a branch to the layout of the first; a vector is the same everywhere."""
        if not end.rank or join.kind == "matmul" or VECTOR in (layout, end.layout):
            return end
        return self.to(end, layout)

    def _branch(self, join: Join, group: tuple[Any, Lanes], tensor: Tensor) -> Tensor:
        """Write one branch; the item of a loop is known in it."""
        _, lanes = group
        body = next(iter(lanes.values())).body
        loop = next((one for one in join.branches if isinstance(one, Loop) and one.body is body), None)
        if loop is None:
            return self.emit(lanes, tensor)
        with self.item(loop, lanes):
            return self.emit(lanes, tensor)

    def _joined(self, kind: str, along: str, lanes: Lanes, ends: list[Tensor], tensor: Tensor) -> Tensor:
        """Write the join of branches that are written."""
        shapes = {lane: event.out for lane, event in lanes.items()}
        values = {lane: shape.channels for lane, shape in shapes.items()}
        whole = max(ends, key=lambda one: (one.layout != VECTOR, one.rank))
        if kind == "matmul":
            return self._product(lanes, ends)
        if kind == "concat":
            ends = self._alike(ends, along)
            whole = ends[0]
            texts = self._expanded(ends, tensor)
            axis = whole.axis if along == "channels" else (1 if whole.layout == LAST else 2)
            if along == "channels":
                total = ends[0].channels
                for one in ends[1:]:
                    total = added(total, one.channels)
                channels = self.settled("channels_out", values, [total])
            else:
                channels = self.settled("channels_out", values, [one.channels for one in ends])
            bare = all(one.bare for one in ends)
            return Tensor(f"torch.cat([{', '.join(texts)}], {axis})", channels, shapes, whole.layout, bare)
        operator = OPERATORS[kind]
        texts = [_broadcast(one, whole, operator) for one in ends]
        channels = self.settled("channels_out", values, sorted((e.channels for e in ends), key=lambda s: len(s.text)))
        return Tensor(f" {operator} ".join(texts), channels, shapes, whole.layout, bare=all(one.bare for one in ends))

    def _expanded(self, ends: list[Tensor], tensor: Tensor) -> list[str]:
        """Write tensors side by side, parameters among them repeated for each input."""
        if all(one.bare for one in ends) or not any(one.bare for one in ends):
            return [one.expr for one in ends]
        known = [*ends, tensor]
        batch = next((one.expr for one in known if not one.bare and one.expr.isidentifier()), "")
        if not batch:
            with self.holding(tensor.expr, *(one.expr for one in ends)):
                at = next(at for at, one in enumerate(ends) if not one.bare)
                ends[at] = self.assigned(ends[at])
            batch = ends[at].expr
        rest = ", -1" * (1 + ends[0].rank)
        return [f"{operand(one.expr, '.')}.expand(len({batch}){rest})" if one.bare else one.expr for one in ends]

    def _product(self, lanes: Lanes, ends: list[Tensor]) -> Tensor:
        """Write the product of two tensors over their channels."""
        shapes = {lane: event.out for lane, event in lanes.items()}
        heads = self.settled("heads", {lane: event.node.join.rule.heads for lane, event in lanes.items()})  # type: ignore[union-attr]
        positions = {lane: shape.channels for lane, shape in shapes.items()}
        channels = self.settled("positions", positions, [*self.names.values()])
        if not all(one.rank for one in ends):
            raise NotPureError
        if heads.text == "1" and all(one.rank == 1 for one in ends):
            left, right = self.flush(self.to(ends[0], LAST)), self.flush(self.to(ends[1], FIRST))
            left.expr, right.expr = operand(left.expr, "."), operand(right.expr, ".")
            return Tensor(f"{left.expr} @ {right.expr}", channels, shapes, LAST)
        left, right = (self.flush(self.to(one, LAST)) for one in ends)
        more = "" if heads.text == "1" else f", {self.kept(heads)}"
        self.writer.needs("product")
        return Tensor(f"product({left.expr}, {right.expr}{more})", channels, shapes, LAST)

    def _alike(self, ends: list[Tensor], along: str) -> list[Tensor]:
        """Bring tensors of one position to the layout of those beside them."""
        layouts = list(dict.fromkeys(one.layout for one in ends))
        if not ends[0].rank or (len(layouts) == 1 and (along == "channels" or layouts != [VECTOR])):
            return ends
        wanted = next((one for one in layouts if one != VECTOR), usual(ends[0].rank))
        return [self.flush(self.to(one, wanted)) for one in ends]

    def _pure_join(self, join: Join, lanes: Lanes, groups: list[tuple[Any, Lanes]], tensor: Tensor) -> Tensor:
        """Write a join as one module."""
        ends = [self._branch(join, group, tensor.copy(pending=[])) for group in groups]
        layout = ends[0].layout
        ends = [self.to(end, layout) for end in ends]
        texts = [sequence(end.pending) for end in ends]
        shapes = {lane: event.out for lane, event in lanes.items()}
        values = {lane: shape.channels for lane, shape in shapes.items()}
        if join.kind == "concat" and join.along == "channels":
            self.writer.needs("Concat")
            total = ends[0].channels
            for one in ends[1:]:
                total = added(total, one.channels)
            axis = f", axis={ends[0].axis}" if ends[0].axis != 1 else ""
            item = Item(f"Concat({', '.join(texts)}{axis})", "concat")
            channels = self.bind(self.settled("channels_out", values, [total]))
        elif (
            join.kind in MODULES
            and all(end.shapes == ends[0].shapes for end in ends)
            and (join.kind == "add" or len(ends) == 2)
        ):
            self.writer.needs(MODULES[join.kind])
            item = Item(f"{MODULES[join.kind]}({', '.join(texts)})", join.kind)
            channels = self.settled("channels_out", values, [end.channels for end in ends])
        else:
            raise NotPureError
        return tensor.copy(pending=[*tensor.pending, item], channels=channels, shapes=shapes, layout=layout)

    def _split(self, join: Join, lanes: Lanes, groups: list[tuple[Any, Lanes]], tensor: Tensor) -> Tensor:
        """Write slices of the channels, one to each branch."""
        if self.pure:
            raise NotPureError
        count = len(groups)
        tensor = self.flush(tensor)
        slices = []
        for at, (_, group) in enumerate(groups):
            values = {lane: event.shape.channels for lane, event in group.items()}
            candidates = []
            if join.sizes is None:
                candidates.append(operation("/", tensor.channels, literal(count, self.count)))
            slices.append(self.settled(f"slice{at + 1}", values, candidates))
        for lane in lanes:  # a slice that goes nowhere is left out
            if sum(sym.values[lane] for sym in slices) != tensor.channels.values[lane] or count < 2:
                raise NotPureError
        whole = operand(tensor.expr, ".")
        equal = all(sym.text == slices[0].text for sym in slices)
        if equal:
            cut = f"{whole}.chunk({count}, {tensor.axis})"
        else:
            cut = f"{whole}.split([{', '.join(sym.text for sym in slices)}], {tensor.axis})"
        variables = []
        for letter in (
            ("a", "b", "c", "d", "e", "f", "g", "h")[:count] if count <= 8 else [f"s{n}" for n in range(count)]
        ):
            variables.append(self.free(letter))
        self.forward.append(f"{', '.join(variables)} = {cut}")
        ends = []
        with self.holding(*variables):
            kept: list[str] = []
            for at, ((key, inside), variable, sym) in enumerate(zip(groups, variables, slices, strict=True)):
                shapes = {lane: event.shape for lane, event in inside.items()}
                start = Tensor(variable, sym, shapes, tensor.layout)
                with self.holding(*kept):
                    end = self.to(self._branch(join, (key, inside), start), tensor.layout)
                    end = self.flush(end, f"branch{at + 1}" if len(end.pending) > 1 else "")
                ends.append(end)
                kept.append(end.expr)
        return self._joined(join.how, "channels", lanes, ends, tensor)

    # Gates and heads

    def scale(self, scale: Scale, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Multiply by a gate: one module where the gate is."""
        inside = {lane: event.children[0] for lane, event in lanes.items()}
        try:
            with self.purely():
                gate = self.emit(inside, tensor.copy(pending=[]))
                gate = self.to(gate, tensor.layout)
                item = self.module("Gate", gate.pending)
            return tensor.copy(pending=[*tensor.pending, item])
        except NotPureError:
            if self.pure:
                raise
        tensor = self.variable(tensor)
        with self.holding(tensor.expr):
            gate = self.emit(inside, tensor)
            gate = self.flush(gate if VECTOR in (gate.layout, tensor.layout) else self.to(gate, tensor.layout), "gate")
        return tensor.copy(expr=f"{tensor.expr} * {_broadcast(gate, tensor)}")

    def aside(self, aside: Aside, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write a head that ``forward`` does not call."""
        if self.pure:
            raise NotPureError
        inside = {lane: event.children[0] for lane, event in lanes.items()}
        tensor = self.variable(tensor)
        before, wires = list(self.forward), dict(self.wires)
        self.init.append((0, "# A head that training alone runs:"))
        with self.holding(tensor.expr):
            self.flush(self.emit(inside, tensor.copy(pending=[])), "aside")
        self.forward, self.wires = before, wires
        return tensor


def _started(event: Event) -> tuple[int, ...]:
    """Return the stride with which a residual's tensor arrives."""
    return event.start_stride or ()


def _adds(event: Event) -> bool:
    """Return whether a residual adds anything."""
    return isinstance(event.node, Fork) and event.node.kind == "residual" and event.node is not event.children[0].node


def _projects(event: Event) -> bool:
    """Return whether a residual's shortcut is the projection that `auto` makes."""
    node = event.node
    return len(event.children) == 1 and isinstance(node, Fork) and bool(getattr(node.branches[1], "runs", ()))


def _branches(join: Join, event: Event) -> list[tuple[Any, Event]]:
    """Return which branch of a join each child is."""
    return [(_owner(join, child.body), child) for child in event.children]


def _owner(join: Join, body: Body) -> Any:
    for at, branch in enumerate(join.branches):
        taken: Body | None = branch
        ways = [taken]
        while ways:
            way = ways.pop()
            if way is body or (isinstance(way, Resume) and isinstance(body, Resume) and way.place == body.place):
                return at, id(body) if isinstance(branch, Branch) else 0
            if isinstance(way, Branch):
                ways += [way.then, *([way.otherwise] if way.otherwise else [])]
            if isinstance(way, Loop):
                ways.append(way.body)
    return -1, 0


def _broadcast(tensor: Tensor, whole: Tensor, operator: str = "*") -> str:
    """Write a tensor so that it is added or multiplied at each position of another."""
    if tensor.layout == VECTOR and whole.layout != VECTOR:
        axes = ", None" * whole.rank
        expr = operand(tensor.expr, ".")
        return f"{expr}[:, :{axes}]" if whole.layout == FIRST else f"{expr}[:{axes}]"
    return operand(tensor.expr, operator)
