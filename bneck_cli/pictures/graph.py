"""A drawing as a graph, boxes and arrows without places: Mermaid for pages that draw it, DOT for graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.network import Fork, Layer, Wire
from bneck_cli.pictures.labels import flat, is_line, label, shape_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bneck_cli.engine.network import Node, Series
    from bneck_cli.pictures.stages import Stage

JOINTS = {
    "add": "+",
    "mul": "×",
    "scale": "×",
    "matmul": "@",
    "concat": "concatenate",
    "scores": "scores",
    "weighted_sum": "weighted sum",
}


class Vertex(NamedTuple):
    """A box, its lines of text from the top; ``form`` is ``box``, ``joint`` or ``shape`` (input and output)."""

    lines: tuple[str, ...]
    form: str


class Graph(NamedTuple):
    """Boxes, and arrows between them by index; ``names`` holds what ``as`` calls the result of a box."""

    vertices: list[Vertex]
    edges: list[tuple[int, int, str]]
    names: dict[str, int]

    def add(self, vertex: Vertex, sources: Sequence[int], words: str = "") -> int:
        """Add a box and the arrows into it."""
        self.vertices.append(vertex)
        here = len(self.vertices) - 1
        for source in dict.fromkeys(sources):
            self.edges.append((source, here, words))
        return here


def block_graph(node: Series) -> Graph:
    """Return a block's layers and joins, from its input shape to its output shape."""
    graph = Graph([], [], {})
    start = graph.add(Vertex((shape_words(node.shape),), "shape"), [])
    end = _follow(flat(node), start, graph)
    graph.add(Vertex((shape_words(node.out),), "shape"), [end])
    return graph


def stage_graph(stages: Sequence[Stage], captions: Sequence[str]) -> Graph:
    """Return a network's stages and what each reads."""
    graph = Graph([], [], {})
    for stage, caption in zip(stages, captions, strict=True):
        name = (stage.name,) if stage.name else ()
        graph.add(Vertex((*name, *stage.lines, *stage.notes, caption), "box"), stage.reads)
    return graph


def _follow(nodes: Sequence[Node], at: int, graph: Graph) -> int:
    """Add nodes in a row from a box on; return the last."""
    for index, node in enumerate(nodes):
        if isinstance(node, Wire):
            if node.kind == "as":
                graph.names[node.name] = at
            elif node.name in graph.names:
                at = graph.names[node.name]
            else:
                at = graph.add(Vertex((node.name.replace("../", ""),), "shape"), [])
        elif isinstance(node, Layer):
            words = label(node)
            before = nodes[index - 1] if index else None
            if is_line(node) and isinstance(before, Layer) and graph.vertices[at].form == "box":
                lines, last = graph.vertices[at].lines, words.lines[0]
                if is_line(before) and len(lines) > 1:
                    lines, last = lines[:-1], f"{lines[-1]} · {last}"
                graph.vertices[at] = Vertex((*lines, last), "box")
            else:
                at = graph.add(Vertex(words.lines, "box"), [at])
        elif isinstance(node, Fork):
            at = _fork(node, at, graph)
        else:
            run = node.runs[0]
            first = len(graph.vertices)
            at = _follow(flat(run.node), at, graph)
            if len(graph.vertices) > first:
                opening = graph.vertices[first]
                graph.vertices[first] = opening._replace(lines=(f"×{run.copies}:", *opening.lines))
    return at


def _fork(node: Fork, at: int, graph: Graph) -> int:
    ends = [_follow(flat(branch), at, graph) for branch in node.branches]
    if node.join is None:
        return at
    if node.kind == "scale":
        ends.insert(0, at)
    word = JOINTS.get(node.join.op, node.join.op)
    return graph.add(Vertex((word,), "joint" if len(word) == 1 else "box"), ends)


def render_mermaid(graph: Graph, right: bool = False) -> Iterator[str]:
    """Write a Mermaid flowchart; labels stand in quotes, as those with `×` and commas must."""
    forms = {"box": '["{}"]', "joint": '(("{}"))', "shape": '(["{}"])'}
    yield f"flowchart {'LR' if right else 'TD'}\n"
    for index, vertex in enumerate(graph.vertices):
        words = "<br/>".join(_mermaid(line) for line in vertex.lines)
        yield f"  n{index}{forms[vertex.form].format(words)}\n"
    for start, end, words in graph.edges:
        yield f"  n{start} -->{f'|{_mermaid(words)}|' if words else ''} n{end}\n"


def _mermaid(text: str) -> str:
    """Write what Mermaid would read as its own as entities."""
    return "".join(f"#{ord(character)};" if character in '"#<>&`' else character for character in text)


def render_dot(graph: Graph, title: str, right: bool = False) -> Iterator[str]:
    """Write a graph for graphviz."""
    forms = {
        "box": 'shape=box, style="rounded,filled", fillcolor="#eef4fc"',
        "joint": "shape=circle",
        "shape": "shape=plaintext",
    }
    yield f'digraph {_quoted(title)} {{\n  node [fontname="Helvetica"];\n'
    if right:
        yield "  rankdir=LR;\n"
    for index, vertex in enumerate(graph.vertices):
        words = "\\n".join(_quoted(line)[1:-1] for line in vertex.lines)
        yield f'  n{index} [label="{words}", {forms[vertex.form]}];\n'
    for start, end, words in graph.edges:
        yield f"  n{start} -> n{end}{f' [label={_quoted(words)}]' if words else ''};\n"
    yield "}\n"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
