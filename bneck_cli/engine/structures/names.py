"""Tensors by name: ``as`` keeps one, ``from`` goes on from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.network import Wire
from bneck_cli.engine.tensor import Flow, Frame, Result, Tap
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.expression import show

if TYPE_CHECKING:
    from bneck_cli.engine.walk import Walk
    from bneck_cli.language.syntax import Label, Resume


def walk_label(_walk: Walk, label: Label, flow: Flow, frame: Frame) -> Result:
    """Name the tensor."""
    if label.name in frame.wires or label.name in frame.scope:
        raise label.place.error(f"the name '{label.name}' is taken already")
    frame.wires[label.name] = flow
    return Result(Wire("as", label.name, flow.shape, flow.shape, label.place), flow)


def walk_resume(walk: Walk, resume: Resume, flow: Flow, frame: Frame) -> Result:
    """Go on from a named tensor, or from one that came as a parameter."""
    value = frame.scope.get(resume.name, resume.name)
    name = value.name if isinstance(value, Tap) else value
    if not isinstance(name, str) or name not in frame.wires:
        raise _no_tensor(walk, show(value).strip("'"), resume, frame)
    wire = frame.wires[name]
    return Result(Wire("from", name, flow.shape, wire.shape, resume.place), wire)


def _no_tensor(walk: Walk, name: str, resume: Resume, frame: Frame) -> BneckError:
    """Make the error for a tensor that is not here, at the argument that names it where it came as one."""
    if resume.name in frame.given and len(walk.frames) > 1:
        place, wires = frame.given[resume.name], walk.frames[-2].wires
    else:
        place, wires = resume.place, frame.wires
        if any(name in outer.wires for outer in walk.frames[:-1]):
            hint = f"a block sees only its own names: make it a parameter of {frame.name}, and pass `{name}`"
            return place.error(f"no tensor is named '{name}' in {frame.name}", hint)
    known = listed(wires) if wires else "none"
    return place.error(f"no tensor is named '{name}' here", nearest(name, wires) or f"named so far: {known}")
