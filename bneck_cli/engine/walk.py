"""A program and its input to an analysed network: blocks expanded, names bound, shapes and costs worked out.

One walk does it all, since what a spec says may depend on what arrives (``cin``, ``shortcut: auto``, ``if``). A block
met again with the same arguments and the same input is not walked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.budget import LARGEST_SIZE, Meter
from bneck_cli.engine.joins import Joins
from bneck_cli.engine.layers import LAYERS, WORDS, LayerError, make
from bneck_cli.engine.layers.convolution import require_kernel_first
from bneck_cli.engine.names import unknown_step
from bneck_cli.engine.network import NOTHING, Cost, Fork, Layer, Node, Run, Series, Wire
from bneck_cli.engine.tensor import (
    Flow,
    Frame,
    Result,
    Tap,
    arrive,
    came_from,
    enters,
    fingerprint,
    fresh,
    identity,
    last_place,
    rebased,
    series,
    share_evenly,
    stride_after,
    times,
    too_small,
    too_small_for,
)
from bneck_cli.engine.wording import field_at, signature, spelled, usage, written
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.document import Place
from bneck_cli.language.expression import Name, show, truth
from bneck_cli.language.syntax import (
    SHORTCUTS,
    Aside,
    Body,
    Branch,
    Chain,
    Join,
    Label,
    Option,
    Repeat,
    Residual,
    Resume,
    Scale,
    Step,
)
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bneck_cli.engine.layers import Kind
    from bneck_cli.engine.network import Size
    from bneck_cli.language.expression import Expression
    from bneck_cli.language.library import Scope
    from bneck_cli.language.spec import Definition, Formula

MAX_COPIES = 1_000_000
MAX_CALLS = 24


def propagate(net: Definition, scopes: Mapping[str, Scope], inputs: dict[str, Shape]) -> Propagated:
    """Walk the net from its inputs.

    ``scopes`` says by file which definitions it sees. Raises BneckError, at the word in the spec, for whatever does
    not fit.
    """
    return _Walk(scopes).net(net, inputs)


class Dropped(NamedTuple):
    """An addition that ``shortcut: if_same`` left out: what arrived at the residual, and what its body gave.

    ``last`` is the place of the body's last layer.
    """

    place: Place
    shape: Shape
    out: Shape
    last: Place


class Propagated(NamedTuple):
    """An analysed network, every tensor that the net names, and the additions that were left out."""

    root: Series
    wires: dict[str, Shape]
    dropped: tuple[Dropped, ...]


class _Walk:
    """The state of one walk: blocks met so far, and how deep and how long it has become."""

    def __init__(self, scopes: Mapping[str, Scope]) -> None:
        self.scopes = scopes
        self.known: dict[str, Result] = {}
        self.calls: list[tuple[str, str]] = []
        self.frames: list[Frame] = []
        self.meter = Meter()
        self.idle = False
        self.joins = Joins()
        self.dropped: list[Dropped] = []
        self.bodies: dict[type, Callable[[Any, Flow, Frame], Result]] = {
            Step: self.step,
            Chain: self.chain,
            Repeat: self.repeat,
            Residual: self.residual,
            Join: self.join,
            Scale: self.scale,
            Aside: self.aside,
            Branch: self.branch,
            Label: self.label,
            Resume: self.resume,
        }

    def body(self, body: Body, flow: Flow, frame: Frame) -> Result:
        """Walk any body."""
        return self.bodies[type(body)](body, flow, frame)

    def net(self, net: Definition, inputs: dict[str, Shape]) -> Propagated:
        """Walk the net; with one input it flows from the start, with several each is taken by ``from``."""
        wires = {name: fresh(shape) for name, shape in inputs.items()}
        flow = next(iter(wires.values()))
        if len(inputs) > 1 and not _begins_with_resume(net.body):
            raise net.place.error(f"the net has {len(inputs)} inputs and begins with `from` ({listed(inputs)})")
        frame = Frame(net.name, {}, wires)
        self.frames.append(frame)
        self.bind(net, [], {}, flow, frame, net.place)
        try:
            node, out = self.body(net.body, flow, frame)
        except RecursionError:
            raise net.place.error("the spec nests too deeply to be worked out") from None
        runs = node.runs if isinstance(node, Series) and node.kind == "chain" else (Run(node, 1),)
        self.joins.require_conditions()
        whole = Series("net", net.name, net.name, runs, flow.shape, out.shape, node.cost, net.place)
        return Propagated(whole, {name: wire.shape for name, wire in frame.wires.items()}, tuple(self.dropped))

    # Steps

    def step(self, step: Step, flow: Flow, frame: Frame) -> Result:
        """Walk a layer, a block or an op of the file's own."""
        return self.call(step, step.options, flow, frame)

    def call(self, step: Step, options: tuple[Option, ...], flow: Flow, frame: Frame) -> Result:
        """Evaluate a step's arguments and walk what its name stands for."""
        self.meter.step(step, step.place)
        scope = frame.scope
        arrive(scope, flow.shape)
        arguments = [self.value(argument, frame) for argument in step.arguments]
        named = {option.name: self.value(option.value, frame) for option in options}
        name = scope.get(step.name, step.name)
        if not isinstance(name, str):
            raise step.place.error(f"'{step.name}' is {show(name)}, not the name of a layer or a block")
        seen = self.scope_at(frame.given.get(step.name, step.place) if step.name in scope else step.place)
        if name in seen.blocks:
            return self.block(seen.blocks[name], arguments, named, step, options, flow)
        if name in seen.formulas:
            return self.formula(seen.formulas[name], arguments, named, step, options, flow)
        if name not in LAYERS:
            raise unknown_step(name, step.place, [*LAYERS, *seen.blocks, *seen.formulas])
        try:
            rule = make(name, arguments, named)
            require_kernel_first(rule, arguments, flow.shape)
        except LayerError as error:
            raise self.layer_error(error, name, step, options, frame, usage(name)) from None
        try:
            if name == "identity":  # no operation: what it stands for is that there is none
                return Result(series("chain", "", [], flow.shape, flow.shape, step.place), flow)
            return self.layer(spelled(name, arguments, named), rule, flow, step.place)
        except LayerError as error:
            raise self.layer_error(error, name, step, options, frame) from None
        except BneckError as error:
            if error.location is None:  # a formula that grew too large, which knows no place
                raise step.place.error(error.message, error.hint) from None
            raise

    def scope_at(self, place: Place) -> Scope:
        """Return what the file of a place sees."""
        return self.scopes[place.node.source.file]

    def value(self, expression: Expression, frame: Frame) -> Any:
        """Evaluate an argument; a bare word is a parameter, else a named tensor, else a word for the layer to read."""
        if isinstance(expression, Name):
            name = expression.name
            if name in frame.scope:
                return frame.scope[name]
            if name in frame.wires:
                wire = frame.wires[name]
                return Tap(name, wire.shape, wire.stride, wire.origin)
            return name
        return expression.evaluate(frame.scope)

    def layer(self, text: str, rule: Kind, flow: Flow, place: Place) -> Result:
        """Apply one layer: its shape, its costs, and the stride that it adds."""
        self.meter.layer(place)
        shape = flow.shape
        out = rule.out_shape(shape)
        if any(isinstance(size, int) and size > LARGEST_SIZE for size in (out.channels, *out.spatial)):
            raise place.error(f"{rule.name}: the result {out} is out of all proportion (over 2**64)")
        if too_small_for(rule, shape, out, self.idle):
            raise too_small(place, rule.name, shape, out)
        macs, attention = rule.macs(shape, out), rule.attention_macs(shape, out)
        conv, linear = (macs, 0) if rule.part == "conv" else (0, macs - attention)
        weighted = rule.part in ("conv", "linear", "attention")
        cost = Cost(rule.params(shape), 0, conv, linear, attention, out.elements if weighted else 0)
        node = Layer(rule.name, text, rule, (shape,), out, cost, place)
        return Result(node, Flow(out, stride_after(rule, flow, out), place))

    def layer_error(
        self, error: LayerError, name: str, step: Step, options: tuple[Option, ...], frame: Frame, usage: str = ""
    ) -> BneckError:
        """Put a layer's complaint where its cause stands; ``usage`` is the hint where there is none nearer."""
        place, hint = Place(step.place.node, step.place.offset, len(step.name)), usage
        culprit = error.culprit
        expression: Expression | None = None
        if isinstance(culprit, int) and culprit < len(step.arguments):
            expression = step.arguments[culprit]
        for option in options:
            if option.name == culprit:
                expression = option.value
                place = option.place
        if expression is not None and not isinstance(culprit, str):
            place = expression.place
        if error.hint:
            return (place if expression is None else expression.place).error(f"{name}: {error}", error.hint)
        fields = LAYERS[name].fields
        if isinstance(expression, Name) and expression.name not in frame.scope:
            word = expression.name
            if error.word and (word in LAYERS or self.scope_at(step.place).find(word)):
                return expression.place.error(f"{name} {error}", "is a `->` missing before it?")
            words = [*frame.scope, *(field.name for field in fields if not field.positional)]
            field = field_at(name, culprit)
            own = WORDS.get(field.convert, ()) if field else ()
            if word in own:
                return place.error(f"{name}: {error}", usage)
            words += own
            return expression.place.error(f"{name}: unknown name '{word}' ({error})", nearest(word, words) or usage)
        if error.word:
            from bneck_cli.language.vocabulary import option_hint

            hint = option_hint(error.word, [field.name for field in fields]) or usage
        elif "Fraction" in error.got:
            hint = "`/` is exact; `//` rounds down, round8(...) to a multiple of 8"
        return place.error(f"{name}: {error}", hint)

    def formula(
        self,
        formula: Formula,
        arguments: list[Any],
        named: dict[str, Any],
        step: Step,
        options: tuple[Option, ...],
        flow: Flow,
    ) -> Result:
        """Apply an op that the file defines by its formulas."""
        self.meter.layer(step.place)
        frame = Frame(formula.name, {}, {})
        self.bind(formula, arguments, named, flow, frame, step.place, options)
        shape, scope = flow.shape, frame.scope
        arrive(scope, shape)
        sizes = [self.whole(size, scope, 1, f"a size of '{formula.name}'") for size in formula.out]
        out = Shape(sizes[0], tuple(sizes[1:]))
        params = self.whole(formula.params, scope, 0, f"the params of '{formula.name}'")
        macs = self.whole(formula.macs, scope, 0, f"the macs of '{formula.name}'")
        cost = Cost(params, 0, 0, macs, 0, out.elements if macs != 0 else 0)
        node = Layer(formula.name, spelled(formula.name, arguments, named), None, (shape,), out, cost, step.place)
        same = out.spatial == shape.spatial
        return Result(node, Flow(out, flow.stride if same else None, step.place))

    def whole(self, expression: Expression, scope: dict[str, Any], least: int, what: str) -> Size:
        """Evaluate what must be a whole number, or a symbolic size."""
        value = expression.evaluate(scope)
        if isinstance(value, (str, tuple, bool)) or type(value).__name__ == "Fraction":
            raise expression.place.error(f"{what} is a whole number (got {show(value)})")
        if isinstance(value, int) and value < least:
            raise expression.place.error(f"{what} is at least {least} (got {value})")
        return value  # type: ignore[no-any-return]

    # Blocks

    def block(
        self,
        block: Definition,
        arguments: list[Any],
        named: dict[str, Any],
        step: Step,
        options: tuple[Option, ...],
        flow: Flow,
    ) -> Result:
        """Walk a block, or take what an equal use of it gave before."""
        if any(isinstance(value, Tap) for value in (*arguments, *named.values())):
            arguments = [rebased(value, flow) for value in arguments]
            named = {name: rebased(value, flow) for name, value in named.items()}
        words = any(isinstance(value, str) for value in (*arguments, *named.values()))
        files = tuple(place.node.source.file for place in self.given(block, step, options).values()) if words else ()
        key = fingerprint((*_identity(block), tuple(arguments), tuple(named.items()), flow.shape, self.idle, files))
        if key not in self.known:
            self.known[key] = self.fresh_block(block, arguments, named, step, options, flow)
        node, out = self.known[key]
        return Result(node, out._replace(stride=times(flow.stride, out.stride)))

    def fresh_block(
        self,
        block: Definition,
        arguments: list[Any],
        named: dict[str, Any],
        step: Step,
        options: tuple[Option, ...],
        flow: Flow,
    ) -> Result:
        """Walk a block's body for the first time."""
        if _identity(block) in self.calls:
            outer = self.calls[self.calls.index(_identity(block)) :]
            circle = " -> ".join([*(name for _, name in outer), block.name])
            raise step.place.error(f"a block cannot contain itself ({circle})")
        if len(self.calls) >= MAX_CALLS:
            raise step.place.error(f"blocks nest at most {MAX_CALLS} deep")
        inside = fresh(flow.shape)._replace(origin=flow.origin)
        taps = [value for value in (*arguments, *named.values()) if isinstance(value, Tap)]
        frame = Frame(block.name, {}, {tap.name: Flow(*tap[1:]) for tap in taps}, self.given(block, step, options))
        self.calls.append(_identity(block))
        self.frames.append(frame)
        try:
            self.bind(block, arguments, named, inside, frame, step.place, options)
            node, out = self.body(block.body, inside, frame)
        except BneckError as error:
            if error.location and error.location.file != step.place.node.source.file:
                error.trail.append(f"in `{spelled(block.name, arguments, named)}`, {step.place.location()}")
            raise
        self.calls.pop()
        self.frames.pop()
        runs = node.runs if isinstance(node, Series) and node.kind == "chain" else (Run(node, 1),)
        text = spelled(block.name, arguments, named)
        shape = enters(node, flow.shape)
        used = Series("block", block.name, text, runs, shape, out.shape, node.cost, step.place)
        return Result(used, out)

    def given(self, block: Definition, step: Step, options: tuple[Option, ...]) -> dict[str, Place]:
        """Return where each argument of a block was first written, through all callers that pass it on."""
        outer = self.frames[-1].given
        names = [parameter.name for parameter in block.parameters]
        values = dict(zip(names, step.arguments, strict=False)) | {option.name: option.value for option in options}
        return {
            name: outer.get(value.name, value.place) if isinstance(value, Name) else value.place
            for name, value in values.items()
        }

    def bind(
        self,
        definition: Definition | Formula,
        arguments: list[Any],
        named: dict[str, Any],
        flow: Flow,
        frame: Frame,
        place: Place,
        options: tuple[Option, ...] = (),
    ) -> None:
        """Give a definition's parameters their values; a default may use the parameters before it and ``cin``."""
        parameters, name, scope = definition.parameters, definition.name, frame.scope
        scope["cin"] = flow.shape.channels
        if len(arguments) > len(parameters):
            raise place.error(
                f"{name} takes {len(parameters)} arguments (got {len(arguments)})", f"it is {signature(definition)}"
            )
        names = {parameter.name: parameter for parameter in parameters}
        given = dict(zip(names, arguments, strict=False))
        for option, value in named.items():
            if option in names and option not in given:
                given[option] = value
                continue
            at = next((other.place for other in options if other.name == option), place)
            if option in given:
                raise at.error(f"{name}: '{option}' is given twice", f"it is {signature(definition)}")
            hint = nearest(option, names) or f"it is {signature(definition)}"
            raise at.error(f"{name} has no parameter '{option}'", hint)
        for parameter in parameters:
            if parameter.name in given:
                scope[parameter.name] = given[parameter.name]
            elif parameter.default is None:
                raise place.error(f"{name} needs '{parameter.name}'", f"it is {signature(definition)}")
            else:
                scope[parameter.name] = self.value(parameter.default, frame)

    # Structures

    def chain(self, chain: Chain, flow: Flow, frame: Frame) -> Result:
        """Walk bodies one after the other; one that ends in ``as NAME`` bears the name."""
        shape, nodes = flow.shape, []
        for body in chain.steps:
            node, flow = self.body(body, flow, frame)
            nodes.append(node)
        return Result(series("chain", "", nodes, shape, flow.shape, chain.place), flow)

    def repeat(self, repeat: Repeat, flow: Flow, frame: Frame) -> Result:
        """Walk copies until one leaves the shape as it found it: the rest are then the same."""
        arrive(frame.scope, flow.shape)
        count = repeat.times.evaluate(frame.scope)
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MAX_COPIES:
            raise repeat.times.place.error(f"a repeat is a whole number from 0 to {MAX_COPIES:,} (got {show(count)})")
        body, shape = repeat.body, flow.shape
        if repeat.first and not isinstance(body, Step):
            raise repeat.place.error("`first` changes the options of one step; here several are repeated")
        runs: list[Run] = []
        done = 0
        outside, entered = len(frame.wires), frame.scope["cin"]
        while done < count:
            self.meter.step(repeat, repeat.place)
            before = flow
            frame.scope["cin"] = flow.shape.channels  # of each copy, as in a block that is repeated
            while len(frame.wires) > outside:  # a name inside a repeat is given anew by each copy
                frame.wires.popitem()
            if done == 0 and repeat.first and isinstance(body, Step):
                changed = {option.name for option in repeat.first}
                options = (*(o for o in body.options if o.name not in changed), *repeat.first)
                node, flow = self.call(body, options, flow, frame)
                copies = 1
            else:
                node, flow = self.body(body, flow, frame)
                copies = count - done if flow.shape == before.shape and flow.stride == before.stride else 1
            if runs and (runs[-1].node is node or runs[-1].node == node):
                runs[-1] = Run(runs[-1].node, runs[-1].copies + copies)
            else:
                runs.append(Run(node, copies))
            done += copies
        frame.scope["cin"] = entered
        cost = NOTHING
        for run in runs:
            cost = cost.plus(run.node.cost, run.copies)
        name = body.name if isinstance(body, Step) else ""
        text = ""
        if runs and isinstance(last := runs[-1].node, (Series, Layer)):
            first = ", ".join(f"{option.name}={written(self.value(option.value, frame))}" for option in repeat.first)
            text = (f"{count}x " if count > 1 else "") + last.text + (f" first({first})" if first else "")
            name = last.name if isinstance(last, Series) else last.op
        shape = enters(runs[0].node, shape) if runs else shape
        repeated = Series("repeat", name, text, tuple(runs), shape, flow.shape, cost, repeat.place)
        return Result(repeated, flow)

    def residual(self, residual: Residual, flow: Flow, frame: Frame) -> Result:
        """Add the body's result to what the shortcut gives."""
        body, out = self.body(residual.body, flow, frame)
        shortcut = residual.shortcut
        if shortcut in ("auto", "if_same"):
            unchanged = out.shape == flow.shape and out.stride == flow.stride
            if shortcut == "if_same" and not unchanged:
                self.dropped.append(Dropped(residual.place, flow.shape, out.shape, last_place(body)))
                return Result(body, out)
            shortcut = "identity" if unchanged else "projection"
        if not isinstance(shortcut, str):
            self.require_shortcut(shortcut, frame)
            side, across = self.body(shortcut, flow, frame)
        elif shortcut == "projection":
            side, across = self.projection(flow, out, residual.place)
        else:
            side, across = identity(flow, residual.place)
        way_out = ""
        if residual.shortcut == "identity":
            way_out = "; `shortcut: auto` projects what enters to the shape of what leaves"
        elif shortcut == "projection":
            way_out = "; `shortcut: auto` follows channels and strides, not padding: write the shortcut out"
        return self.joined("residual", "add", (body, side), (out, across), flow, residual.place, way_out)

    def require_shortcut(self, shortcut: Body, frame: Frame) -> None:
        """Require that a shortcut of one word is a layer, a block, or one of the words that stand for one."""
        if isinstance(shortcut, Step) and not shortcut.arguments and not shortcut.options:
            seen = self.scope_at(shortcut.place)
            known = [*LAYERS, *seen.blocks, *seen.formulas, *frame.scope]
            if shortcut.name not in known:
                raise unknown_step(shortcut.name, shortcut.place, [*SHORTCUTS, *known])

    def projection(self, flow: Flow, out: Flow, place: Place) -> Result:
        """Project the shortcut as the ResNet paper does (option B): a strided 1x1 convolution and batch norm."""
        if flow.stride is None or out.stride is None or len(flow.stride) != len(out.stride):
            raise place.error("`shortcut: auto` cannot tell the body's stride; write the shortcut out")
        stride = tuple(after // before for before, after in zip(flow.stride, out.stride, strict=True))
        word = Place(place.node, place.offset, place.width)
        step = stride[0] if len(set(stride)) == 1 else stride
        try:
            options = {} if step in (1, ()) else {"stride": step}
            text = spelled("conv", [(1, 1), out.shape.channels], options)
            first, middle = self.layer(text, make("conv", [1, out.shape.channels], options), flow, word)
            second, last = self.layer("bn", make("bn", [], {}), middle, word)
        except LayerError as error:
            raise place.error(f"`shortcut: auto`: {error}") from None
        return Result(series("chain", "", [first, second], flow.shape, last.shape, place), last)

    def join(self, join: Join, flow: Flow, frame: Frame) -> Result:
        """Walk branches from the same tensor (or from equal slices of it) and join them."""
        start = flow
        if join.kind == "split":
            channels = share_evenly(flow.shape.channels, len(join.branches), join.place)
            start = flow._replace(shape=Shape(channels, flow.shape.spatial))
        results = [self.body(branch, start, frame) for branch in join.branches]
        op = "add" if join.kind == "add" else "concat"
        nodes = tuple(node for node, _ in results)
        return self.joined(join.kind, op, nodes, tuple(out for _, out in results), flow, join.place)

    def joined(
        self,
        kind: str,
        op: str,
        nodes: tuple[Node, ...],
        flows: tuple[Flow, ...],
        flow: Flow,
        place: Place,
        way_out: str = "",
    ) -> Result:
        """Add or concatenate what the branches give; their shapes must agree."""
        self.meter.layer(place)
        first = flows[0]
        for other in flows[1:]:
            self.joins.require(op, first, other, place, way_out)
        shape = first.shape
        if op == "concat":
            channels: Size = 0
            for one in flows:
                channels = channels + one.shape.channels
            shape = Shape(channels, shape.spatial)
        layer = Layer(op, op, None, tuple(one.shape for one in flows), shape, NOTHING, place)
        cost = NOTHING
        for node in nodes:
            cost = cost.plus(node.cost)
        begins = [enters(node, flow.shape) for node in nodes]
        taken = flow.shape if flow.shape in begins or kind == "split" else begins[0]
        return Result(Fork(kind, nodes, layer, taken, shape, cost, place), Flow(shape, first.stride, place))

    def scale(self, scale: Scale, flow: Flow, frame: Frame) -> Result:
        """Multiply by a gate, which may be one value per channel."""
        self.meter.layer(scale.place)
        node, gate = self.body(scale.gate, flow, frame)
        whole, part = flow.shape, gate.shape
        fits = part.channels in (1, whole.channels) and all(
            mine in (1, theirs) for mine, theirs in zip(part.spatial, whole.spatial, strict=False)
        )
        if not fits or len(part.spatial) not in (0, len(whole.spatial)):
            raise scale.place.error(
                f"the gate {part}{came_from(gate)} does not fit the tensor {whole}{came_from(flow)}",
                f"a gate has {whole.channels} channels (or 1), and the same map or a 1x1 one",
            )
        layer = Layer("scale", "scale", None, (whole, part), whole, NOTHING, scale.place)
        fork = Fork("scale", (node,), layer, whole, whole, node.cost, scale.place)
        return Result(fork, Flow(whole, flow.stride, scale.place))

    def aside(self, aside: Aside, flow: Flow, frame: Frame) -> Result:
        """Walk a head that does not run: its parameters count, nothing else does.

        A map that is too small for it stays empty, as the formula of its size has it, unless parameters depend on it.
        """
        outer, self.idle = self.idle, True
        node, _ = self.body(aside.body, flow, frame)
        self.idle = outer
        params = node.cost.params
        fork = Fork("aside", (node,), None, flow.shape, flow.shape, Cost(params, params), aside.place)
        return Result(fork, flow)

    def branch(self, branch: Branch, flow: Flow, frame: Frame) -> Result:
        """Walk one of two bodies."""
        arrive(frame.scope, flow.shape)
        value = self.value(branch.condition, frame)
        if isinstance(value, str):
            name = branch.condition.name if isinstance(branch.condition, Name) else ""
            place = frame.given.get(name, branch.condition.place)
            hint = f"write `{value}=true`" if name in frame.given else ""
            raise place.error(f"a condition is true or false, or a number (got '{value}')", hint)
        if truth(value, branch.condition.place):
            return self.body(branch.then, flow, frame)
        if branch.otherwise is not None:
            return self.body(branch.otherwise, flow, frame)
        return Result(series("chain", "", [], flow.shape, flow.shape, branch.place), flow)

    # Named tensors

    def label(self, label: Label, flow: Flow, frame: Frame) -> Result:
        """Name the tensor."""
        if label.name in frame.wires or label.name in frame.scope:
            raise label.place.error(f"the name '{label.name}' is taken already")
        frame.wires[label.name] = flow
        return Result(Wire("as", label.name, flow.shape, flow.shape, label.place), flow)

    def resume(self, resume: Resume, flow: Flow, frame: Frame) -> Result:
        """Go on from a named tensor, or from one that came as a parameter."""
        value = frame.scope.get(resume.name, resume.name)
        name = value.name if isinstance(value, Tap) else value
        if not isinstance(name, str) or name not in frame.wires:
            raise self.no_tensor(show(value).strip("'"), resume, frame)
        wire = frame.wires[name]
        return Result(Wire("from", name, flow.shape, wire.shape, resume.place), wire)

    def no_tensor(self, name: str, resume: Resume, frame: Frame) -> BneckError:
        """Make the error for a tensor that is not here, at the argument that names it where it came as one."""
        if resume.name in frame.given and len(self.frames) > 1:
            place, wires = frame.given[resume.name], self.frames[-2].wires
        else:
            place, wires = resume.place, frame.wires
            if any(name in outer.wires for outer in self.frames[:-1]):
                hint = f"a block sees only its own names: make it a parameter of {frame.name}, and pass `{name}`"
                return place.error(f"no tensor is named '{name}' in {frame.name}", hint)
        known = listed(wires) if wires else "none"
        return place.error(f"no tensor is named '{name}' here", nearest(name, wires) or f"named so far: {known}")


def _identity(block: Definition) -> tuple[str, str]:
    """Return what tells a definition from one of the same name in another file."""
    return block.place.node.source.file, block.name


def _begins_with_resume(body: Body) -> bool:
    """Tell whether a body begins by taking a named tensor."""
    while isinstance(body, Chain):
        body = body.steps[0]
    return isinstance(body, Resume) or (
        isinstance(body, Join) and all(_begins_with_resume(branch) for branch in body.branches)
    )
