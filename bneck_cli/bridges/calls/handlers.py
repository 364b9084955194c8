"""What makes the result of a call: a handler for each name of a function, and the call as a handler sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.capture import Ref, refs
from bneck_cli.bridges.calls.tensors import Constant, Scores, Value
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.bridges.calls.capture import Record
    from bneck_cli.bridges.calls.lowering import Lowering
    from bneck_cli.bridges.calls.tensors import Thing
    from bneck_cli.bridges.graph import Call


class Bound:
    """A call with its arguments by place or name, and what its tensors are."""

    def __init__(self, lowering: Lowering, record: Record, place: int) -> None:
        self.lowering = lowering
        self.place = place
        self.record = record
        self.name = record.name

    def raw(self, index: int, name: str, default: Any = None) -> Any:
        """Return an argument as it was given."""
        return self.record.args[index] if index < len(self.record.args) else self.record.kwargs.get(name, default)

    def thing(self) -> Thing:
        """Return what the tensor is that a call is about. Raises BneckError if it is about none."""
        found = self.get(0, "input")
        if isinstance(found, (Constant, Value, Scores)):
            return found
        raise BneckError(f"`{self.name}` of no tensor")

    def value(self, pads: bool = False) -> Value:
        """Return the tensor that a call is about as data: a constant as a source, scores as a node.

        Zeros around it are made as well, unless the call is a window's, which ``pads``.
        """
        thing = self.thing()
        return thing if pads and isinstance(thing, Value) else self.lowering.valued(thing, self.stack)

    def get(self, index: int, name: str, default: Any = None) -> Any:
        """Return an argument; a tensor as what it is."""
        value = self.raw(index, name, default)
        return self.lowering.thing(value) if isinstance(value, Ref) else value

    @property
    def things(self) -> list[Thing]:
        """Return what all tensors among the arguments are."""
        return [self.lowering.thing(ref) for ref in refs((self.record.args, self.record.kwargs))]

    @property
    def data(self) -> list[Value | Scores]:
        """Return the tensors that are no constants."""
        return [thing for thing in self.things if not isinstance(thing, Constant)]

    @property
    def constants(self) -> list[Constant]:
        """Return the tensors that no input reaches."""
        return [thing for thing in self.things if isinstance(thing, Constant)]

    @property
    def out(self) -> tuple[int, ...]:
        """Return the framework's shape of the first tensor that it gives."""
        return self.record.outs[0].shape

    @property
    def stack(self) -> tuple[Call, ...]:
        """Return the modules that it runs in."""
        return self.record.stack


HANDLERS: dict[str, Callable[[Bound], Any]] = {}
"""What makes the result of a call, by the function's name: a value, or a list of one for each tensor that it gives."""


def handles(*names: str) -> Callable[[Callable[[Bound], Any]], Callable[[Bound], Any]]:
    """Register a handler under names of functions."""

    def register(handler: Callable[[Bound], Any]) -> Callable[[Bound], Any]:
        HANDLERS.update(dict.fromkeys(names, handler))
        return handler

    return register
