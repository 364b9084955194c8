"""From a model to a verified spec: captured, made a graph, cut, folded, written, and compared before anyone sees it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.folding.fold import Folded, fold
from bneck_cli.bridges.folding.regions import chained, grouped, regions
from bneck_cli.bridges.folding.write import text
from bneck_cli.bridges.graph import FREE, INPUT, OPAQUE, Graph, Problem
from bneck_cli.bridges.verify import Comparison, compare
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import resolve
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 6
"""Problems that a message lists."""


class Imported(NamedTuple):
    """A spec as text, and what there is to say about it."""

    text: str
    notes: tuple[str, ...]


def read_model(target: str, calls: Sequence[str], given: str | None) -> Graph:
    """Make the graph of a PyTorch model.

    Raises BneckError if it cannot be made; what the language cannot say are the graph's problems.
    """
    from bneck_cli.bridges.calls.target import arguments, build, quiet, usual_input

    sizes = read_sizes(given) if given else None
    with quiet():
        model = build(target, arguments(list(calls)))
        return graph_of(model, sizes or usual_input(model), target.rpartition(":")[2].rpartition(".")[2])


def graph_of(model: Any, sizes: tuple[int, ...], name: str) -> Graph:
    """Make the graph of a module for an input without its batch."""
    from bneck_cli.bridges.calls.capture import capture
    from bneck_cli.bridges.calls.traced import graph_from

    return graph_from(capture(model, [sizes]), name)


def read_sizes(given: str) -> tuple[int, ...]:
    """Read ``3x224x224``."""
    words = given.replace(" ", "").split("x")
    if not all(word.isascii() and word.isdigit() and 0 < int(word[:12]) <= 1_000_000 for word in words):
        raise BneckError(f"--input expects sizes such as 3x224x224 (got '{given}')")
    return tuple(map(int, words))


def spec_of(graph: Graph, origin: str, opaque: bool = False) -> Imported:
    """Write a graph as a spec, and verify it.

    Raises BneckError for what the language cannot say, unless ``opaque`` lets it be written by its numbers, and for a
    spec that is not the graph.
    """
    if graph.problems and not (opaque and _writable(graph)):
        raise outside(graph, origin)
    folded = fold(grouped(regions(graph)))
    macs = sum(node.macs for node in graph.nodes)
    params = sum(node.params for node in graph.nodes)
    count = sum(node.kind != INPUT for node in graph.nodes)
    unknown = sum(node.kind == OPAQUE for node in graph.nodes)
    notes = [*graph.notes]
    if any(part.kind == FREE for node in graph.nodes for part in node.parts or (node,)):
        notes.append("The ops are functions of the model's code that the language has no layer for.")
    if unknown:
        notes.append(f"{unknown} operations are fixed numbers, valid for this input only")
    comments = [f"Imported from {origin}; verified: {people(count)} layers and joins, figure by figure.", *notes]
    expect = (params, macs, origin)
    written = text(graph.name, _input(graph), folded, comments, expect, graph.leaving)
    verified(written, graph, folded, origin)
    return Imported(written, tuple(notes))


def _input(graph: Graph) -> str:
    node = next(node for node in graph.nodes if node.kind == INPUT)
    return " x ".join(map(str, (node.out.channels, *node.out.spatial)))


def verified(written: str, graph: Graph, folded: Folded, origin: str) -> None:
    """Analyse a spec that was written, and require it to be the graph."""
    program = resolve(Source(f"{graph.name}.yaml", written))
    compared = compare(analyze_program(program), graph, {one.name: one.origin for one in folded.operations})
    if not compared.equal:
        raise BneckError(f"{origin}: the spec found differs from the model and was not written", hint=told(compared))


def told(compared: Comparison) -> str:
    """Describe the first difference in one line."""
    if not compared.differences:
        ours, theirs = (
            f"{people(params)} params, {people(macs)} MACs" for params, macs in (compared.spec, compared.model)
        )
        return f"{ours} against {theirs}"
    spec, model = compared.differences[0]
    ours = f"the spec has `{spec.text}` at {spec.path}" if spec else "the spec has nothing"
    theirs = f"the model has `{model.text}` at {model.path}" if model else "the model has nothing"
    return f"{len(compared.differences)} differences; first: {ours}, {theirs}"


def _writable(graph: Graph) -> bool:
    """Return whether what is unknown takes one tensor each, as an op does."""
    return all(len(set(node.inputs)) == 1 for node in graph.nodes if node.kind == OPAQUE)


def outside(graph: Graph, origin: str) -> BneckError:
    """Say what the language cannot say: where, in which class, how often, and what differs."""
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in graph.problems:
        kinds.setdefault((problem.name, problem.message), []).append(problem)
    count = sum(node.kind != INPUT for node in graph.nodes)
    lines = []
    for (name, message), held in list(kinds.items())[:SHOWN]:
        times = f", {len(held)} times" if len(held) > 1 else ""
        lines.append(f"{held[0].path or '(top)'} ({name or 'model'}{times}): {message}")
    if len(kinds) > SHOWN:
        lines.append(f"and {len(kinds) - SHOWN} more kinds")
    lines.append(
        "--opaque writes each as an op with fixed shape and figures"
        if _writable(graph)
        else "some take several tensors, which an op cannot"
    )
    error = BneckError(f"{origin}: {len(graph.problems)} of {count} layers and joins cannot be written in the language")
    error.trail.extend(lines)
    return error


def read_target(target: str, calls: Sequence[str], given: str | None) -> Graph:
    """Make the graph of whatever a name stands for: a model in Python, or a file of another tool."""
    from bneck_cli.bridges.calls.target import is_target

    if is_target(target):
        return read_model(target, calls, given)
    if calls:
        raise BneckError(f"--call is for models in Python, not for {target}")
    from bneck_cli.bridges.readers import read_file

    try:
        return chained(read_file(target, read_sizes(given) if given else None).pruned())
    except RecursionError:
        raise _nested(target) from None


def import_model(target: str, calls: Sequence[str], given: str | None, opaque: bool) -> Imported:
    """Make a spec of whatever a name stands for."""
    from bneck_cli.bridges.calls.target import is_target

    if is_target(target):
        return spec_of(read_model(target, calls, given), target, opaque)
    from bneck_cli.bridges.readers import read_spec

    written = None if calls else read_spec(target, read_sizes(given) if given else None)
    if written is not None:
        return Imported(written, ())
    graph = read_target(target, calls, given)
    try:
        return spec_of(graph, os.path.basename(target), opaque)
    except RecursionError:
        raise _nested(target) from None


def _nested(target: str) -> BneckError:
    return BneckError(f"{target}: branches are nested deeper than a spec can be")
