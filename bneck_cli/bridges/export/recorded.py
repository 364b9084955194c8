"""A walk that is written down: for every body of a definition what arrived, what was known, and what it gave.

Whoever writes code of a definition needs what the analysis of its uses does not keep: which words of the definition
gave which values. The engine's own walk is listened to, so that nothing is decided twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.analysis import settled
from bneck_cli.engine.network import Series
from bneck_cli.engine.settings import with_words
from bneck_cli.engine.tensor import Names
from bneck_cli.engine.walk import Walk
from bneck_cli.language.bodies import Step
from bneck_cli.language.expression import Name

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Node
    from bneck_cli.engine.tensor import Flow, Frame, Result
    from bneck_cli.language.bodies import Body
    from bneck_cli.language.expression import Expression
    from bneck_cli.language.spec import Definition
    from bneck_cli.sizes.shape import Shape


class Event:
    """A body as it was walked once: the values in reach, the shape that arrived, and the node and shape it gave.

    ``uses`` is the event of the block's body, where the body is a step that uses a block.
    """

    uses: Use | None = None

    def __init__(self, body: Body, flow: Flow, frame: Frame) -> None:
        self.body = body
        self.env: dict[str, Any] = dict(frame.scope)
        self.shape: Shape = flow.shape
        self.start_stride = flow.stride
        self.frame = frame
        self.children: list[Event] = []
        self.node: Node | None = None
        self.result: Flow = flow

    @property
    def out(self) -> Shape:
        """The output shape."""
        return self.result.shape

    def value(self, expression: Expression) -> Any:
        """Evaluate an expression as it was; a bare word that nothing has is a word."""
        scope = Names(self.frame.wires)
        scope.update(self.env)
        scope.shape = self.shape
        scope.lists = self.frame.scope.lists
        if isinstance(expression, Name):
            try:
                return scope[expression.name]
            except KeyError:
                return expression.name
        return expression.evaluate(scope)


class Use:
    """One use of a definition: its parameters' values, and the event of its body."""

    def __init__(self, definition: Definition, root: Event, result: Shape) -> None:
        self.definition = definition
        self.root = root
        self.result = result

    @property
    def values(self) -> dict[str, Any]:
        """The values of its parameters."""
        return {parameter.name: self.root.env[parameter.name] for parameter in self.definition.parameters}


class Recording(Walk):
    """A walk that keeps an event of each body; a block that was met before is the event of its first time."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.open: list[Event] = []
        self.used: dict[int, Use] = {}
        self.nodes: list[Series] = []
        """What is known by its identity, kept alive."""
        self.roots: list[Event] = []

    def several(self, body: Body, flow: Flow, frame: Frame) -> Result:
        """Walk a body, and keep what became of it."""
        event = Event(body, flow, frame)
        if self.open:
            self.open[-1].children.append(event)
        else:
            self.roots.append(event)
        self.open.append(event)
        result = super().several(body, flow, frame)
        self.open.pop()
        event.node, event.result = result
        if isinstance(body, Step) and isinstance(result.node, Series) and result.node.kind == "block":
            event.uses = self._use(body, event, result.node)
        return result

    def _use(self, step: Step, event: Event, node: Series) -> Use:
        """Return the use of a block that a step is."""
        if id(node) in self.used:
            return self.used[id(node)]
        name = event.env.get(step.name, step.name)
        place = event.frame.given.get(step.name, step.place) if step.name in event.env else step.place
        definition = self.scope_at(place).blocks[name]
        inside = next((child for child in event.children if child.frame is not event.frame), None)
        if inside is None:  # met before, and changed since: its weights are shared
            return next(
                use
                for use in reversed(self.used.values())
                if use.definition is definition and use.root.shape == event.shape and use.result == node.out
            )
        self.used[id(node)] = use = Use(definition, inside, node.out)
        self.nodes.append(node)
        return use


class Recorded:
    """All uses of all definitions of an analysed network, the net's own last."""

    def __init__(self, analysis: Analysis) -> None:
        program, settings = with_words(analysis.program, analysis.settings)
        self.net, _ = settled(program, settings)
        walk = Recording(program.scopes)
        together = [word.text[4:].strip() for word in program.spec.outputs if word.text.startswith("all ")]
        walk.net(self.net, analysis.inputs, together)
        self.whole = Use(self.net, walk.roots[0], analysis.root.out)
        if program.block is not None:
            self.whole = walk.roots[0].uses or self.whole
        self.uses = list(walk.used.values())
