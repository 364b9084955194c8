"""Tensors by name: ``as`` keeps one, ``from`` goes on from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.network import Wire
from bneck_cli.engine.tensor import Flow, Frame, Result, Tap, series
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.bodies import Label, Resume
from bneck_cli.language.expression import Name, Number, show

if TYPE_CHECKING:
    from bneck_cli.engine.network import Node
    from bneck_cli.engine.walk import Walk


def walk_label(walk: Walk, label: Label, flow: Flow, frame: Frame) -> Result:
    """Name the tensor, or each of those that a block gives; one name of several tensors is a list of them."""
    tensors = (flow._replace(others=()), *flow.others)
    flow = tensors[0]
    names = label.names
    if len(names) == 1:
        if len(tensors) == 1:
            node = named(walk, names[0], names[0], flow, None, label, frame)
            return Result(node, flow)
        _require_free(names[0], label, frame)
        whole, names = names[0], tuple(f"{names[0]}[{index}]" for index in range(len(tensors)))
        for gone in frame.scope.lists.get(whole, ())[len(names) :]:
            lost = frame.wires.pop(gone)
            if frame.loops:
                frame.loops[-1].given[gone] = lost
        frame.scope.lists[whole] = names
        base = (whole,) * len(names)
    else:
        base = names
    if len(names) != len(tensors):
        raise label.place.error(
            f"`as` names {_tensors(len(tensors))} here (got {len(names)} names)",
            "a block whose body ends in `outputs: [low, high]` returns several",
        )
    nodes: list[Node] = [
        named(walk, name, of, one, index, label, frame)
        for index, (name, of, one) in enumerate(zip(names, base, tensors, strict=True))
    ]
    return Result(series("chain", "", nodes, flow.shape, flow.shape, label.place), flow)


def named(walk: Walk, name: str, written: str, flow: Flow, result: int | None, label: Label, frame: Frame) -> Wire:
    """Name a tensor; in a loop, a name that the body has read may be given again, for the next copy."""
    _require_free(written if result is None else name, label, frame)
    loop = frame.loops[-1] if frame.loops else None
    copy = ""
    if name in frame.wires and not (loop and name not in loop.given and walk.reads(loop.body, written)):
        hint = (
            "to pass a name from copy to copy, read it in the body: `from NAME`"
            if loop and name not in loop.given
            else ""
        )
        raise label.place.error(f"the name '{written}' is already taken", hint)
    if loop is not None:
        loop.given[name] = frame.wires.get(name)
        if name in frame.every:
            number = frame.counts.get(name, 0)
            frame.counts[name] = number + 1
            copy = f"{name}[{number}]"
            frame.wires[copy] = flow
            frame.scope.lists[name] = (*frame.scope.lists.get(name, ()), copy)
    frame.wires[name] = flow
    return Wire("as", name, flow.shape, flow.shape, label.place, result, copy)


def _require_free(name: str, label: Label, frame: Frame) -> None:
    """Require a name that is not a parameter, no size and, outside loops, no list."""
    if name in frame.scope or (name in frame.scope.lists and not frame.loops):
        raise label.place.error(f"the name '{name}' is already taken")


def walk_resume(walk: Walk, resume: Resume, flow: Flow, frame: Frame) -> Result:
    """Go on from a named tensor, or from one that came as a parameter."""
    value = tensor(walk, resume, frame)
    if not isinstance(value, Tap):
        few = _tensors(len(value))
        raise resume.place.error(f"`from` takes one tensor (got {few})", "in a join, each becomes a branch")
    wire = frame.wires[value.name]
    return Result(Wire("from", value.name, flow.shape, wire.shape, resume.place), wire)


def tensor(walk: Walk, resume: Resume, frame: Frame) -> Tap | tuple[Tap, ...]:
    """Find what ``from`` goes on from: a tensor, or a list of them."""
    value = walk.value(resume.tensor, frame)
    if isinstance(value, Tap) or (type(value) is tuple and value and all(isinstance(one, Tap) for one in value)):
        return value
    raise _no_tensor(walk, show(value).strip("'"), resume, frame)


def several(walk: Walk, resume: Resume, frame: Frame) -> tuple[Resume, ...]:
    """Return the branches that ``from`` stands for in a join: as many as it has tensors."""
    value = tensor(walk, resume, frame)
    if isinstance(value, Tap):
        return (resume,)
    return tuple(Resume(Number(one, resume.place), resume.place) for one in value)


def _tensors(count: int) -> str:
    return "one tensor" if count == 1 else f"{count} tensors"


def _no_tensor(walk: Walk, name: str, resume: Resume, frame: Frame) -> BneckError:
    """Make the error for a tensor that is not here, at the argument that names it where it came as one."""
    own = resume.tensor.name if isinstance(resume.tensor, Name) else ""
    if own in frame.given and len(walk.frames) > 1:
        place, wires = frame.given[own], walk.frames[-2].wires
    else:
        place, wires = resume.place, frame.wires
        if any(name in outer.wires for outer in walk.frames[:-1]):
            hint = f"a block sees only its own names: make it a parameter of {frame.name} and pass `{name}`"
            return place.error(f"no tensor is named '{name}' in {frame.name}", hint)
    known = listed(wires) if wires else "none"
    return place.error(f"no tensor is named '{name}' here", nearest(name, wires) or f"named so far: {known}")
