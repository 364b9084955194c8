"""A program and its input to an analysed network: blocks expanded, names bound, shapes and costs computed.

One walk does it all, since what a spec says may depend on the input (``cin``, ``shortcut: auto``, ``if``). A block
met again with the same arguments and the same input is not walked again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.budget import Meter
from bneck_cli.engine.joins import Joins
from bneck_cli.engine.network import Run, Series
from bneck_cli.engine.structures.attend import walk_attend
from bneck_cli.engine.structures.blocks import Use, bind
from bneck_cli.engine.structures.experts import walk_experts
from bneck_cli.engine.structures.forks import (
    Dropped,
    walk_aside,
    walk_branch,
    walk_join,
    walk_nothing,
    walk_residual,
    walk_scale,
)
from bneck_cli.engine.structures.names import walk_label, walk_resume
from bneck_cli.engine.structures.repeats import walk_chain, walk_loop, walk_repeat
from bneck_cli.engine.structures.steps import walk_step
from bneck_cli.engine.tensor import Flow, Frame, Result, frame, fresh
from bneck_cli.errors import BneckError, listed
from bneck_cli.language.bodies import (
    Aside,
    Attend,
    Body,
    Branch,
    Chain,
    Experts,
    Join,
    Label,
    Loop,
    Nothing,
    Option,
    Repeat,
    Residual,
    Resume,
    Scale,
    Step,
    every,
    reads,
)
from bneck_cli.language.expression import Expression, Name, Number
from bneck_cli.language.spec import Parameter
from bneck_cli.sizes.number import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bneck_cli.engine.network import Node
    from bneck_cli.engine.structures.sharing import Shared
    from bneck_cli.language.document import Place
    from bneck_cli.language.library import Scope
    from bneck_cli.language.spec import Definition, Formula
    from bneck_cli.sizes.shape import Shape, Size

WALKS: dict[type, Callable[[Walk, Any, Flow, Frame], Result]] = {
    Step: walk_step,
    Chain: walk_chain,
    Repeat: walk_repeat,
    Loop: walk_loop,
    Residual: walk_residual,
    Join: walk_join,
    Scale: walk_scale,
    Aside: walk_aside,
    Branch: walk_branch,
    Attend: walk_attend,
    Experts: walk_experts,
    Nothing: walk_nothing,
    Label: walk_label,
    Resume: walk_resume,
}
"""How each structure of the language is walked."""


class Propagated(NamedTuple):
    """An analysed network, every tensor that the net names, the additions left out, and what symbols are not.

    ``shared`` are the steps that work with the weights of others.
    """

    root: Series
    wires: dict[str, Shape]
    dropped: tuple[Dropped, ...]
    apart: tuple[str, ...]
    shared: tuple[Shared, ...]


def propagate(
    net: Definition,
    scopes: Mapping[str, Scope],
    inputs: dict[str, Shape],
    past: Size = 0,
    together: Iterable[str] = (),
) -> Propagated:
    """Walk the net from its inputs; ``together`` are names that are wanted in all copies of a repeat.

    ``scopes`` says by file which definitions it sees; causal attention has seen ``past`` positions.
    Raises BneckError, at the word in the spec, for whatever does not fit.
    """
    return Walk(scopes, past).net(net, inputs, together)


class Walk:
    """The state of one walk: blocks met so far, and how deep and how long it has become."""

    def __init__(self, scopes: Mapping[str, Scope], past: Size = 0) -> None:
        self.scopes = scopes
        self.past = past
        self.remembers = False
        self.known: dict[str, Result] = {}
        self.calls: dict[str, str] = {}
        self.frames: list[Frame] = []
        self.meter = Meter()
        self.idle = False
        self.joins = Joins()
        self.dropped: list[Dropped] = []
        self.read: dict[tuple[int, str], bool] = {}
        self.whole: dict[int, frozenset[str]] = {}
        self.shared: dict[tuple[Place, Place], Shared] = {}
        self.lent: dict[tuple[int, str], tuple[Node, Node]] = {}
        """What shares weights: a node with what it becomes, by its identity, under a name or where none is its own."""

    def body(self, body: Body, flow: Flow, frame: Frame) -> Result:
        """Walk any body that gives one tensor."""
        return self.one(self.several(body, flow, frame), body)

    def one(self, found: Result, body: Body) -> Result:
        """Require that a body gave one tensor."""
        if found.flow.others:
            count = 1 + len(found.flow.others)
            hint = "name them, as in `-> as low high`, or name the whole list: `-> as streams`"
            raise body.place.error(f"this returns {count} tensors, but the next step takes one", hint)
        return found

    def several(self, body: Body, flow: Flow, frame: Frame) -> Result:
        """Walk any body; what it gives may be several tensors, which are then to be named."""
        self.spend(body, body.place)
        return WALKS[type(body)](self, body, flow, frame)

    def reads(self, body: Body, name: str) -> bool:
        """Return whether a body reads a name."""
        key = id(body), name
        if key not in self.read:
            self.read[key] = reads(body, name)
        return self.read[key]

    def every(self, definition: Definition) -> frozenset[str]:
        """Name the tensors that a definition reads in all copies of a repeat."""
        if id(definition) not in self.whole:
            self.whole[id(definition)] = every(definition)
        return self.whole[id(definition)]

    def net(self, net: Definition, inputs: dict[str, Shape], together: Iterable[str]) -> Propagated:
        """Walk the net; with one input it flows from the start, with several each is taken by ``from``."""
        wires = {name: fresh(shape) for name, shape in inputs.items()}
        flow = next(iter(wires.values()))
        if len(inputs) > 1 and not _begins_with_resume(net.body):
            raise net.place.error(f"the net has {len(inputs)} inputs, so it must begin with `from` ({listed(inputs)})")
        own = frame(net.name, wires, every=self.every(net) | {*together})
        self.frames.append(own)
        bind(self, net, Use((), {}, (), (), net.place), flow, own)
        try:
            node, out = (self.body if net.name == "net" else self.several)(net.body, flow, own)
        except RecursionError:
            raise net.place.error("the spec is nested too deeply") from None
        runs = node.runs if isinstance(node, Series) and node.kind == "chain" else (Run(node, 1),)
        self.joins.require_conditions()
        if self.past != 0 and not self.remembers:
            raise BneckError(
                "--past: no attention here is causal", hint="it counts the earlier positions of causal attention"
            )
        whole = Series("net", net.name, net.name, runs, flow.shape, out.shape, node.cost, net.place)
        named = {name: wire.shape for name, wire in own.wires.items()}
        return Propagated(whole, named, tuple(self.dropped), tuple(self.joins.apart), tuple(self.shared.values()))

    def spend(self, written: Body | Definition | Formula, place: Place) -> None:
        """Count a body that is walked, or a definition whose parameters are bound. Raises BneckError beyond."""
        meter = self.meter
        meter.step(meter.weights.get(id(written)) or meter.met(written, 1 + nodes(written) // NODES), place)

    def take_past(self) -> Size:
        """Return how many positions causal attention has seen before."""
        self.remembers = True
        return self.past

    def scope_at(self, place: Place) -> Scope:
        """Return what the file of a place sees."""
        return self.scopes[place.node.source.file]

    def value(self, expression: Expression, frame: Frame) -> Any:
        """Evaluate an argument; a bare word is a parameter, a named tensor, a size, or a word for the layer."""
        return settled(self.open_value(expression, frame))

    def open_value(self, expression: Expression, frame: Frame) -> Any:
        """Evaluate an argument that others are computed from; whether a ratio is whole is left open."""
        if isinstance(expression, Name):
            try:
                return frame.scope[expression.name]
            except KeyError:
                return expression.name
        return expression.evaluate(frame.scope)


NODES = 16
"""So many nodes of expressions take about as long as a step."""


def nodes(written: Any) -> int:
    """Count the nodes of all expressions that a body or a definition holds; those of bodies inside it are theirs."""
    count, left = 0, [*written]
    while left:
        part = left.pop()
        if isinstance(part, (Number, Name)):
            count += 1
        elif isinstance(part, (Option, Parameter, Expression)):
            count += 1
            left += part
        elif type(part) is tuple:
            left += part
    return count


def _begins_with_resume(body: Body) -> bool:
    """Return whether a body begins by taking a named tensor."""
    while isinstance(body, Chain):
        body = body.steps[0]
    return isinstance(body, Resume) or (
        (isinstance(body, Join) and all(_begins_with_resume(branch) for branch in body.branches))
        or (isinstance(body, Attend) and all(map(_begins_with_resume, (body.queries, body.keys, body.values))))
    )
