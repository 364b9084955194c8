"""Sentences about a network: where its map shrinks, why its stages are as they are, where its cost is."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, cast

from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import Layer, Series, children, entries, inner
from bneck_cli.errors import BneckError, listed
from bneck_cli.flow.follow import depth
from bneck_cli.flow.receptive import receptive_field
from bneck_cli.language.library import load, network_names
from bneck_cli.questions.explain.block import changed
from bneck_cli.questions.explain.facts import arriving, whole
from bneck_cli.questions.explain.place import way_through
from bneck_cli.questions.notes import describe_input, shared_weights
from bneck_cli.sizes.amounts import rounded
from bneck_cli.words.values import counted, people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Cost, Entry, Node
    from bneck_cli.sizes.shape import Shape

MOST_TOLD = 40
"""Layers and stages that are told one by one."""


class Stage(NamedTuple):
    """A repeat of a network: its block after the first, of which there are most, and how many blocks in all."""

    label: str
    blocks: int
    again: Node | None
    out: Shape
    cost: Cost


def summary(analysis: Analysis) -> Iterator[str]:
    """Describe a network's input, output and costs."""
    cost = analysis.cost
    deep = depth(analysis)
    said = f", through {people(deep)} layer{'s' * (deep != 1)} with weights on its longest path: " if deep else ": "
    yield (
        f"{analysis.name} takes {describe_input(analysis)} to {analysis.root.out}{said}"
        f"{counted(whole(cost.params), 'parameter')} ({rounded(whole(cost.params))}), "
        f"{counted(whole(cost.macs), 'multiply-add')} ({rounded(whole(cost.macs))})."
    )
    if cost.inactive_params:
        met = whole(cost.active_params)
        part = percent(met, whole(cost.params))
        yield f"Each position goes to some of the experts: it uses {counted(met, 'parameter')}, {part} of all."
    yield from (f"{note[0].upper()}{note[1:]}, which count once." for note in shared_weights(analysis))


def shrinking(analysis: Analysis) -> Iterator[str]:
    """Say how each layer that changes the map does so."""
    if len(analysis.inputs) != 1 or not next(iter(analysis.inputs.values())).spatial:
        return
    way = way_through(analysis)
    yield from (changed(path, each) for path, each in way[:MOST_TOLD])
    if len(way) > MOST_TOLD:
        yield f"{people(len(way) - MOST_TOLD)} more layers change the map."


def stages(analysis: Analysis) -> Iterator[str]:
    """Describe each stage: its input, its output and its share of the cost."""
    total = analysis.cost
    told = [child for child in children(analysis.root) if isinstance(child.node, Series) and not child.idle]
    for child in told[:MOST_TOLD]:
        node = child.node
        node = cast("Series", node)
        text = f" ({inner(node).text})" if inner(node).kind != "chain" and inner(node).text else ""
        shares = " and ".join(
            f"{percent(whole(part) * child.copies, whole(of))} of the {noun}"
            for part, of, noun in (
                (node.cost.params, total.params, "parameters"),
                (node.cost.macs, total.macs, "multiply-adds"),
            )
            if of
        )
        yield f"{child.label}{text}: {arriving(node)} to {node.out}{f'; {shares}' if shares else ''}."
    if len(told) > MOST_TOLD:
        yield f"{people(len(told) - MOST_TOLD)} more stages follow."


def repeats(analysis: Analysis) -> list[Stage]:
    """List the stages of a network that repeat a block."""
    found = []
    for child in children(analysis.root):
        node = child.node
        if not isinstance(node, Series) or child.idle or child.copies > 1 or inner(node).kind != "repeat":
            continue
        runs = inner(node).runs
        again = runs[-1].node if len(runs) == 2 or (len(runs) == 1 and runs[0].copies > 1) else None
        if isinstance(again, Layer):
            continue
        found.append(Stage(child.label, sum(run.copies for run in runs), again, node.out, node.cost))
    return found


def design(analysis: Analysis) -> Iterator[str]:
    """Say why stages are as they are, as far as it holds of this network."""
    found = repeats(analysis)
    if len(found) < 2:
        return
    halved = all(
        tuple(whole(n) for n in first.out.spatial) == tuple(2 * whole(n) for n in second.out.spatial)
        and 2 * whole(first.out.channels) == whole(second.out.channels)
        and first.out.spatial
        for first, second in pairwise(found)
    )
    costs = {stage.again.cost.macs for stage in found if stage.again is not None}
    rank = len(found[0].out.spatial)
    if halved and rank in (1, 2, 3):
        part = {1: "half", 2: "a quarter of", 3: "an eighth of"}[rank]
        names = (
            f"From {found[0].label} to {found[-1].label} each stage has {part} the positions of the previous one and"
        )
        if len(costs) == 1 and all(stage.again is not None for stage in found):
            yield (
                f"{names} twice the channels, so a repeated block costs the same in every stage: "
                f"{people(whole(costs.pop()))} multiply-adds."
            )
        else:
            yield f"{names} twice the channels."
    yield from _most(found)


def _most(found: list[Stage]) -> Iterator[str]:
    """Name the stages with the largest figures, except for ties."""
    said = []
    measures: tuple[tuple[str, Callable[[Stage], int]], ...] = (
        ("blocks", lambda stage: stage.blocks),
        ("multiply-adds", lambda stage: whole(stage.cost.macs)),
        ("parameters", lambda stage: whole(stage.cost.params)),
        ("outputs of layers with weights", lambda stage: whole(stage.cost.activations)),
    )
    for noun, measure in measures:
        ranked = sorted(found, key=measure, reverse=True)
        if measure(ranked[0]) > measure(ranked[1]):
            said.append(f"the most {noun} are in {ranked[0].label} ({people(measure(ranked[0]))})")
    if said:
        text = listed(said, "and")
        yield f"Of these stages, {text}."


def concentration(analysis: Analysis) -> Iterator[str]:
    """Name the most expensive layers, and compare the receptive field with the input."""
    running = [entry for entry in entries(analysis.root) if not entry.idle]
    measures: tuple[tuple[str, Callable[[Entry], int], int], ...] = (
        ("parameters", lambda entry: whole(entry.layer.cost.params), whole(analysis.cost.params)),
        ("multiply-adds", lambda entry: whole(entry.layer.cost.macs), whole(analysis.cost.macs)),
    )
    for noun, measure, total in measures:
        figure = max(map(measure, running), default=0)
        if not figure:
            continue
        most = [entry for entry in running if measure(entry) == figure]
        others = sum(entry.copies for entry in most) - 1
        tied = f"; {people(others)} other{'s have' if others > 1 else ' has'} as many" if others else ""
        yield (
            f"The single layer with the most {noun} is {most[0].path} ({most[0].layer.text}): {people(figure)}, "
            f"{percent(figure, total)} of all{tied}."
        )
    reach = receptive_field(analysis)
    if reach.known and len(analysis.inputs) == 1:
        size = "×".join(str(axis.size) for axis in reach.axes)
        gated = " through windows alone" if any(entry.layer.op == "scale" for entry in running) else ""
        yield (
            f"Each position of the last map sees {size} positions of the input{gated}, which is "
            f"{next(iter(analysis.inputs.values())).side}."
        )


def gates(analysis: Analysis) -> Iterator[str]:
    """Add up what the network's gates cost."""
    running = [entry for entry in entries(analysis.root) if not entry.idle]
    inside = [entry for entry in running if any(_is_gate(word) for word in entry.path.split("."))]
    params = sum(entry.copies * whole(entry.layer.cost.params) for entry in inside)
    macs = sum(entry.copies * whole(entry.layer.cost.macs) for entry in inside)
    scales = [entry for entry in running if entry.layer.op == "scale"]
    number = sum(entry.copies for entry in scales)
    if not params or not macs or any(entry.layer.inputs[1].positions != 1 for entry in scales):
        return
    yield (
        f"Its {counted(number, 'gate')} (squeeze-and-excitation) hold {people(params)} parameters, "
        f"{percent(params, whole(analysis.cost.params))} of all, and take {people(macs)} multiply-adds, "
        f"{percent(macs, whole(analysis.cost.macs))}."
    )


def _is_gate(word: str) -> bool:
    """Return whether a word of a path is a gate's, numbered or not."""
    return word.rstrip("0123456789") == "gate"


def variants(own: Analysis, stem: str) -> Iterator[str]:
    """Say which other networks of the library are variants of this one, if it is as it stands there, and how."""
    names = network_names()
    base = next((name for name in names if stem == name or stem.startswith(f"{name}_")), stem)
    others = [name for name in names if name != stem and (name == base or name.startswith(f"{base}_"))]
    try:
        if stem not in names or not others or analyze_program(load(stem)).cost != own.cost:
            return
        found = [(name, analyze_program(load(name))) for name in others]
    except BneckError:  # a file beside the command has the name of one of the library's
        return
    for name, other in found:
        if other.inputs != own.inputs:
            continue
        changes = [
            _changed(noun, whole(getattr(other.cost, field)), whole(getattr(own.cost, field)))
            for noun, field in (("parameters", "params"), ("multiply-adds", "macs"))
        ]
        first = _first_difference(own, other)
        yield f"`{name}` is {other.name}: {listed(changes, 'and')}{f'. {first}' if first else ''}."


def _changed(noun: str, value: int, own: int) -> str:
    if value == own:
        return f"as many {noun} ({people(value)})"
    return (
        f"{people(abs(value - own))} {'more' if value > own else 'fewer'} {noun} ({people(value)} against "
        f"{people(own)})"
    )


def _first_difference(own: Analysis, other: Analysis) -> str:
    """Say where two networks first differ in a layer of the same path: in its window, its sizes or its cost."""
    there = {entry.path: entry.layer for entry in entries(other.root)}
    for entry in entries(own.root):
        mine, theirs = entry.layer, there.get(entry.path)
        if theirs is not None and mine.text != theirs.text and _does(mine) != _does(theirs):
            return f"The first layer that differs is {entry.path}: `{theirs.text}` instead of `{mine.text}`"
    return ""


def _does(layer: Layer) -> tuple[object, ...]:
    window = layer.rule.geometry(layer.shape) if layer.rule is not None else None
    return layer.op, layer.inputs, layer.out, layer.cost, window


def percent(part: int, total: int) -> str:
    """Write a share: ``23.5%``."""
    return f"{part / total:.1%}" if total else "none"
