"""Bodies one after the other: a pipeline, and copies of a body until one leaves the shape as it found it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.network import NOTHING, Layer, Run, Series
from bneck_cli.engine.structures.steps import call
from bneck_cli.engine.tensor import Flow, Frame, Result, arrive, enters, series
from bneck_cli.engine.wording import written
from bneck_cli.language.expression import show
from bneck_cli.language.syntax import Chain, Repeat, Step
from bneck_cli.sizes.number import is_whole

if TYPE_CHECKING:
    from bneck_cli.engine.walk import Walk

MAX_COPIES = 1_000_000


def walk_chain(walk: Walk, chain: Chain, flow: Flow, frame: Frame) -> Result:
    """Walk bodies one after the other; one that ends in ``as NAME`` bears the name."""
    shape, nodes = flow.shape, []
    for body in chain.steps:
        node, flow = walk.body(body, flow, frame)
        nodes.append(node)
    return Result(series("chain", "", nodes, shape, flow.shape, chain.place), flow)


def walk_repeat(walk: Walk, repeat: Repeat, flow: Flow, frame: Frame) -> Result:
    """Walk copies until one leaves the shape as it found it: the rest are then the same."""
    arrive(frame.scope, flow.shape)
    count = repeat.times.evaluate(frame.scope)
    if not is_whole(count) or not 0 <= count <= MAX_COPIES:
        raise repeat.times.place.error(f"a repeat is a whole number from 0 to {MAX_COPIES:,} (got {show(count)})")
    body, shape = repeat.body, flow.shape
    if repeat.first and not isinstance(body, Step):
        raise repeat.place.error("`first` changes the options of one step; here several are repeated")
    runs: list[Run] = []
    done = 0
    outside, entered = len(frame.wires), frame.scope["cin"]
    while done < count:
        walk.meter.step(1, repeat.place)
        before = flow
        frame.scope["cin"] = flow.shape.channels  # of each copy, as in a block that is repeated
        while len(frame.wires) > outside:  # a name inside a repeat is given anew by each copy
            frame.wires.popitem()
        if done == 0 and repeat.first and isinstance(body, Step):
            changed = {option.name for option in repeat.first}
            options = (*(o for o in body.options if o.name not in changed), *repeat.first)
            node, flow = call(walk, body, options, flow, frame)
            copies = 1
        else:
            node, flow = walk.body(body, flow, frame)
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
        first = ", ".join(f"{option.name}={written(walk.value(option.value, frame))}" for option in repeat.first)
        text = (f"{count}x " if count > 1 else "") + last.text + (f" first({first})" if first else "")
        name = last.name if isinstance(last, Series) else last.op
    shape = enters(runs[0].node, shape) if runs else shape
    repeated = Series("repeat", name, text, tuple(runs), shape, flow.shape, cost, repeat.place)
    return Result(repeated, flow)
