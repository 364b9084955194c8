"""Bodies in sequence: a pipeline, and copies of a body until one leaves the shape as it found it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from bneck_cli.engine.network import NOTHING, Layer, Run, Series
from bneck_cli.engine.tensor import Copies, Flow, Frame, Result, arrive, enters, series
from bneck_cli.engine.wording import written
from bneck_cli.language.bodies import INDEX, Chain, Label, Loop, Repeat, Step
from bneck_cli.language.expression import show
from bneck_cli.sizes.number import is_whole
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.network import Node
    from bneck_cli.engine.walk import Walk
    from bneck_cli.language.bodies import Body

MAX_COPIES = 1_000_000


def walk_chain(walk: Walk, chain: Chain, flow: Flow, frame: Frame) -> Result:
    """Walk bodies in sequence; one that ends in ``as NAME`` has the name."""
    shape = flow.shape
    nodes: list[Node] = []
    for index, body in enumerate(chain.steps):
        named = index + 1 < len(chain.steps) and isinstance(chain.steps[index + 1], Label)
        node, flow = (walk.several if named else walk.body)(body, flow, frame)
        if isinstance(body, Label) and isinstance(node, Series):
            nodes += [run.node for run in node.runs]
        else:
            nodes.append(node)
    return Result(series("chain", "", nodes, shape, flow.shape, chain.place), flow)


# Loops


@contextmanager
def looping(body: Body, frame: Frame) -> Iterator[Copies]:
    """Walk a loop: what its copies name is known to it, and afterwards to the loop around it."""
    loop = Copies(body)
    loop.others = dict(frame.scope.lists)
    frame.loops.append(loop)
    yield loop
    frame.loops.pop()
    if frame.loops:
        outer = frame.loops[-1]
        for name, before in loop.first.items():
            outer.given.setdefault(name, before)
    for name, copies in loop.lists.items():
        frame.scope.lists[name] = copies


@contextmanager
def copy_of(loop: Copies, frame: Frame) -> Iterator[None]:
    """Walk one copy: a name in it is given anew, unless it was there before the loop, or its list was."""
    lists = frame.scope.lists
    kept = handed(loop, frame)
    for name in loop.given:
        if loop.first[name] is None and name not in kept:
            frame.wires.pop(name, None)
    loop.given.clear()
    for name in frame.every & lists.keys():
        if name in loop.others:
            lists[name] = loop.others[name]
        else:
            del lists[name]
    yield
    for name, before in loop.given.items():
        loop.first.setdefault(name, before)
    for name in frame.every & lists.keys():
        if name not in loop.others:
            loop.lists[name] = (*loop.lists.get(name, ()), *lists[name])


def handed(loop: Copies, frame: Frame) -> set[str]:
    """Name the tensors of the lists that were there before a loop, which may have grown in it."""
    return {name for whole in loop.others for name in frame.scope.lists.get(whole, ())}


def unchanged(loop: Copies, before: Flow, flow: Flow, frame: Frame) -> bool:
    """Return whether a copy left everything that the next one finds as it found it, so that all the rest are alike."""
    if flow.shape != before.shape or flow.stride != before.stride or frame.every & loop.given.keys():
        return False
    kept = handed(loop, frame)
    return all(
        (was is None and loop.first[name] is None and name not in kept)
        or (was is not None and (now := frame.wires.get(name)) is not None and was[:2] == now[:2])
        for name, was in loop.given.items()
    )


def walk_repeat(walk: Walk, repeat: Repeat, flow: Flow, frame: Frame) -> Result:
    """Walk copies until one leaves all as it found it: the rest are then the same. ``i`` is the copy's index."""
    arrive(frame.scope, flow.shape)
    count = walk.value(repeat.times, frame)
    if not is_whole(count) or not 0 <= count <= MAX_COPIES:
        raise repeat.times.place.error(
            f"a repeat count must be a whole number from 0 to {people(MAX_COPIES)} (got {show(count)})"
        )
    body, shape = repeat.body, flow.shape
    if repeat.first and not isinstance(body, Step):
        raise repeat.place.error("`first` changes the options of a single step, but several are repeated here")
    indexed = walk.reads(body, INDEX)
    scope = frame.scope
    entered, outer = scope["cin"], scope.get(INDEX)
    runs, flow = _copies(walk, repeat, count, indexed, flow, frame)
    scope["cin"] = entered
    if indexed:
        scope.pop(INDEX, None)
    if outer is not None:
        scope[INDEX] = outer
    cost = NOTHING
    for run in runs:
        cost = cost.plus(run.node.cost, run.copies)
    name = body.name if isinstance(body, Step) else ""
    text = ""
    if runs and isinstance(last := runs[-1].node, (Series, Layer)):
        first = ", ".join(f"{option.name}={written(walk.value(option.value, frame))}" for option in repeat.first)
        alike = not indexed or not isinstance(body, Step) or len(runs) == 1
        text = (f"{count}x " if count > 1 else "") + (last.text if alike else body.place.text())
        text += f" first({first})" if first else ""
        name = last.name if isinstance(last, Series) else last.op
    shape = enters(runs[0].node, shape) if runs else shape
    repeated = Series("repeat", name, text, tuple(runs), shape, flow.shape, cost, repeat.place)
    return Result(repeated, flow)


def _copies(walk: Walk, repeat: Repeat, count: int, indexed: bool, flow: Flow, frame: Frame) -> tuple[list[Run], Flow]:
    """Walk the copies of a repeat; equal ones in a row are one run."""
    runs: list[Run] = []
    done, body = 0, repeat.body
    with looping(body, frame) as loop:
        while done < count:
            walk.meter.step(1, repeat.place)
            before, held = flow, len(frame.shares)
            frame.scope["cin"] = flow.shape.channels  # of each copy, as in a block that is repeated
            if indexed:
                frame.scope[INDEX] = done
            apart = done == 0 and bool(repeat.first)
            with copy_of(loop, frame):
                if apart and isinstance(body, Step):
                    changed = {option.name for option in repeat.first}
                    options = (*(o for o in body.options if o.name not in changed), *repeat.first)
                    node, flow = walk.body(body._replace(options=options), flow, frame)
                else:
                    node, flow = walk.body(body, flow, frame)
            alike = not (apart or indexed) and len(frame.shares) == held and unchanged(loop, before, flow, frame)
            copies = count - done if alike else 1
            if runs and (runs[-1].node is node or runs[-1].node == node):
                runs[-1] = Run(runs[-1].node, runs[-1].copies + copies)
            else:
                runs.append(Run(node, copies))
            done += copies
    return runs, flow


def walk_loop(walk: Walk, loop: Loop, flow: Flow, frame: Frame) -> Result:
    """Walk a body for each item of a list, in sequence."""
    nodes: list[Node] = []
    shape = flow.shape
    for _ in iterated(walk, loop, flow, frame):
        node, flow = walk.body(loop.body, flow, frame)
        nodes.append(node)
    return Result(series("chain", "", nodes, shape, flow.shape, loop.place), flow)


def iterated(walk: Walk, loop: Loop, flow: Flow, frame: Frame) -> Iterator[None]:
    """Bind the names of a loop to each of its items in turn, and ``i`` to which it is, while the body is walked."""
    for name in loop.names:
        if name in frame.scope or name in frame.wires:
            raise loop.place.error(f"the name '{name}' is already taken")
        if not walk.reads(loop.body, name):
            raise loop.place.error(f"'{name}' is never used in this loop", "write a repeat as `3x: ...`")
    arrive(frame.scope, flow.shape)
    items = walk.value(loop.items, frame)
    if is_whole(items) and 0 <= items <= MAX_COPIES:
        items = range(items)
    elif type(items) is not tuple:
        raise loop.items.place.error(f"a loop takes a list, or a number to count up to (got {show(items)})")
    indexed = walk.reads(loop.body, INDEX)
    outer = frame.scope.get(INDEX)
    with looping(loop.body, frame) as copies:
        for number, item in enumerate(items):
            walk.meter.step(1, loop.place)
            values = (item,) if len(loop.names) == 1 else item
            if type(values) is not tuple or len(values) != len(loop.names):
                wanted = f"[{', '.join(loop.names)}]"
                raise loop.items.place.error(f"each item of this list must be {wanted} (got {show(item)})")
            frame.scope.update(zip(loop.names, values, strict=True))
            if indexed:
                frame.scope[INDEX] = number
            with copy_of(copies, frame):
                yield
    for name in (*loop.names, *([INDEX] if indexed else [])):
        frame.scope.pop(name, None)
    if indexed and outer is not None:
        frame.scope[INDEX] = outer
