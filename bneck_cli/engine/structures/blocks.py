"""A block: its parameters bound, its body walked once for each set of arguments and input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.network import Run, Series, Wire
from bneck_cli.engine.tensor import (
    Flow,
    Frame,
    Result,
    Tap,
    enters,
    fingerprint,
    frame,
    fresh,
    rebased,
    taps_in,
    times,
)
from bneck_cli.engine.wording import signature, spelled
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.expression import Name, Number, show

if TYPE_CHECKING:
    from bneck_cli.engine.walk import Walk
    from bneck_cli.language.bodies import Option
    from bneck_cli.language.document import Place
    from bneck_cli.language.expression import Expression
    from bneck_cli.language.spec import Definition, Formula

MAX_CALLS = 24
KEY = 128
"""So many characters of the values that a block is given take about as long as a step."""


class Use(NamedTuple):
    """One use of a definition: the values that it is given, and how and where they are written."""

    arguments: tuple[Any, ...]
    named: dict[str, Any]
    written: tuple[Expression, ...]
    options: tuple[Option, ...]
    place: Place

    @property
    def values(self) -> tuple[Any, ...]:
        """All values that are given, by position and by name."""
        return (*self.arguments, *self.named.values())

    def text(self, name: str) -> str:
        """Spell the use, as in ``conv 3x3 64 stride=2``."""
        return spelled(name, self.arguments, self.named)


def use_block(walk: Walk, block: Definition, use: Use, flow: Flow) -> Result:
    """Walk a block, or take what an equal use of it gave before."""
    use = _with_flags(block, use)
    if any(map(taps_in, use.values)):
        arguments = tuple([rebased(value, flow) for value in use.arguments])
        named = {name: rebased(value, flow) for name, value in use.named.items()}
        use = use._replace(arguments=arguments, named=named)
    words = any(isinstance(value, str) for value in use.values)
    files = tuple(place.node.source.file for place in _given(walk, block, use).values()) if words else ()
    key = fingerprint((*_identity(block), use.arguments, tuple(use.named.items()), flow.shape, walk.idle, files))
    walk.meter.step(len(key) // KEY, use.place)
    if key not in walk.known:
        walk.known[key] = _fresh_block(walk, block, use, flow, key)
    node, out = walk.known[key]
    others = tuple([other._replace(stride=times(flow.stride, other.stride)) for other in out.others])
    return Result(node, out._replace(stride=times(flow.stride, out.stride), others=others))


def _with_flags(block: Definition, use: Use) -> Use:
    """Take a bare word that is the name of a parameter of true or false for turning it on: ``unit 64 squeeze``."""
    if not any(isinstance(value, str) for value in use.arguments):
        return use
    flags = {
        parameter.name
        for parameter in block.parameters
        if isinstance(parameter.default, Number) and parameter.default.value is False
    }
    turned = [index for index, value in enumerate(use.arguments) if isinstance(value, str) and value in flags]
    if not turned:
        return use
    named = dict(use.named)
    for index in turned:
        if use.arguments[index] in named:
            raise use.written[index].place.error(f"{block.name}: '{use.arguments[index]}' is given twice")
        named[use.arguments[index]] = True
    kept = [index for index in range(len(use.arguments)) if index not in turned]
    return use._replace(
        arguments=tuple(use.arguments[index] for index in kept),
        written=tuple(use.written[index] for index in kept),
        named=named,
    )


def _fresh_block(walk: Walk, block: Definition, use: Use, flow: Flow, key: str) -> Result:
    """Walk a block's body for the first time."""
    if key in walk.calls:
        names = list(walk.calls.values())[list(walk.calls).index(key) :]
        circle = " -> ".join([*names, block.name])
        raise use.place.error(f"a block cannot contain itself with the same arguments ({circle})")
    if len(walk.calls) >= MAX_CALLS:
        again = block.name in walk.calls.values()
        hint = f"'{block.name}' uses itself: an `if` on its arguments must end the recursion" if again else ""
        raise use.place.error(f"blocks nest at most {MAX_CALLS} deep", hint)
    inside = fresh(flow.shape)._replace(origin=flow.origin)
    taps = {tap.name: Flow(*tap[1:]) for value in use.values for tap in taps_in(value)}
    own = frame(block.name, taps, _given(walk, block, use), walk.every(block))
    walk.calls[key] = block.name
    walk.frames.append(own)
    try:
        bind(walk, block, use, inside, own)
        node, out = walk.body(block.body, inside, own)
        outputs, out = _outputs(walk, block, own, out)
    except BneckError as error:
        if error.location and error.location.file != use.place.node.source.file:
            error.trail.append(f"in `{use.text(block.name)}`, {use.place.location()}")
        raise
    del walk.calls[key]
    walk.frames.pop()
    runs = node.runs if isinstance(node, Series) and node.kind == "chain" else (Run(node, 1),)
    text = use.text(block.name)
    shape = enters(node, flow.shape)
    used = Series("block", block.name, text, runs, shape, out.shape, node.cost, use.place, outputs=outputs)
    return Result(used, out)


def _outputs(walk: Walk, block: Definition, own: Frame, out: Flow) -> tuple[tuple[Wire, ...], Flow]:
    """Find the tensors that a block gives, where it says so; else the output of its last step."""
    if block.outputs is None:
        return (), out
    value = walk.value(block.outputs, own)
    given = taps_in(value)
    if not given or len(given) != (len(value) if type(value) is tuple else 1):
        strange = next(
            (one for one in (value if type(value) is tuple else (value,)) if not isinstance(one, Tap)), value
        )
        known = listed(own.wires) if own.wires else "none"
        raise block.outputs.place.error(
            f"`outputs` must be tensors (got {show(strange)})", f"named in {block.name}: {known}"
        )
    flows = [own.wires[tap.name] for tap in given]
    place = block.outputs.place
    wires = tuple(Wire("from", tap.name, one.shape, one.shape, place) for tap, one in zip(given, flows, strict=True))
    return wires, flows[0]._replace(others=tuple(flows[1:]))


def _given(walk: Walk, block: Definition, use: Use) -> dict[str, Place]:
    """Return where each argument of a block was first written, through all callers that pass it on."""
    outer = walk.frames[-1].given
    names = [parameter.name for parameter in block.parameters]
    values = dict(zip(names, use.written, strict=False)) | {option.name: option.value for option in use.options}
    return {
        name: outer.get(value.name, value.place) if isinstance(value, Name) else value.place
        for name, value in values.items()
    }


def bind(walk: Walk, definition: Definition | Formula, use: Use, flow: Flow, frame: Frame) -> None:
    """Assign values to a definition's parameters; a default may use earlier parameters and ``cin``."""
    walk.spend(definition, use.place)
    parameters, name, scope, place = definition.parameters, definition.name, frame.scope, use.place
    scope["cin"] = flow.shape.channels
    if len(use.arguments) > len(parameters):
        raise place.error(
            f"{name} takes {len(parameters)} arguments (got {len(use.arguments)})", f"usage: {signature(definition)}"
        )
    names = {parameter.name: parameter for parameter in parameters}
    given = dict(zip(names, use.arguments, strict=False))
    for option, value in use.named.items():
        if option in names and option not in given:
            given[option] = value
            continue
        at = next((other.place for other in use.options if other.name == option), place)
        if option in given:
            raise at.error(f"{name}: '{option}' is given twice", f"usage: {signature(definition)}")
        hint = nearest(option, names) or f"usage: {signature(definition)}"
        raise at.error(f"{name} has no parameter '{option}'", hint)
    for parameter in parameters:
        if parameter.name in given:
            value, default = given[parameter.name], parameter.default
            if type(value) is int and isinstance(default, Number) and type(default.value) is tuple:
                value = (value,) * len(default.value)  # 5 where 5x5 is meant
            scope[parameter.name] = value
        elif parameter.default is None:
            raise place.error(f"{name} needs '{parameter.name}'", f"usage: {signature(definition)}")
        else:
            scope[parameter.name] = walk.open_value(parameter.default, frame)


def _identity(block: Definition) -> tuple[str, str]:
    """Return what tells a definition from one of the same name in another file."""
    return block.place.node.source.file, block.name
