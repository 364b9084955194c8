"""Keras 3: the ``config.json`` of a model, or the ``.keras`` that holds it. Layers name the tensors that they take.

Channels come last there and padding follows from the size; names such as ``conv2_block1_1_conv`` say what is a block.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.graph import Call, Graph, Sides
from bneck_cli.bridges.readers.blocks import find_blocks
from bneck_cli.bridges.readers.keras_layers import LAYERS, Layer
from bneck_cli.bridges.readers.plain import read_json
from bneck_cli.errors import BneckError, nearest
from bneck_cli.sizes.shape import Shape
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Sequence

MODELS = ("Functional", "Sequential", "Model")
MOST_LAYERS = 20_000
DEEPEST = 20
"""So deep models may hold each other."""
BLOCK = re.compile(r"(?P<block>.*?block_?\d+[a-z]?|mixed_?\d+[a-z]?|stage_?\d+_block_?\d+)_(?P<rest>.+)")
STAGE = re.compile(r"(?P<stage>(conv|stage)_?\d+)_block")


class Tensor(NamedTuple):
    """What a layer gives: its node, and zeros that stand around it for the window that follows."""

    node: int
    pad: tuple[tuple[int, int], ...] = ()


class Reader:
    """The graph so far, and what each layer of each model gives, call by call."""

    def __init__(self, graph: Graph, path: str) -> None:
        self.graph = graph
        self.path = path
        self.stack: tuple[Call, ...] = ()
        self.layer: dict[str, Any] = {}
        self.called: set[int] = set()

    def error(self, message: str, hint: str = "") -> BneckError:
        """Make the error that names the layer."""
        name, kind = _name(self.layer), str(self.layer.get("class_name", ""))
        return BneckError(f"{self.path}: layer '{name[:60]}' ({kind[:40]}): {message}", hint=hint)

    def model(
        self, config: dict[str, Any], given: list[Tensor], sizes: tuple[int, ...] | None, depth: int
    ) -> list[Tensor]:
        """Read a model, of the input tensors it; without any its inputs are those of the graph."""
        if depth > DEEPEST:
            raise self.error(f"models are at most {DEEPEST} deep")
        layers = config.get("layers")
        if not isinstance(layers, list) or not layers or len(layers) > MOST_LAYERS:
            raise self.error("a model has a list of layers")
        sequential = not any(_dict(one).get("inbound_nodes") for one in layers) and "output_layers" not in config
        gives: dict[str, list[list[Tensor]]] = {}
        entering = list(given)
        before: list[Tensor] = list(given)
        for layer in map(_dict, layers):
            self.layer = layer
            name = _name(layer)
            if layer.get("class_name") == "InputLayer":
                before = [entering.pop(0) if given and entering else self.enter(_dict(layer.get("config")), sizes)]
                gives[name] = [before]
                continue
            if sequential and not before:
                shape = _dict(config.get("build_input_shape") or None) or config.get("build_input_shape")
                first = _dict(layer.get("config"))
                before = [
                    self.enter(
                        {"batch_shape": shape or first.get("batch_shape") or first.get("batch_input_shape")}, sizes
                    )
                ]
            nodes = layer.get("inbound_nodes")
            if not isinstance(nodes, (list, type(None))):
                raise self.error("a layer has a list of its calls")
            gives[name] = []
            for one in [None] if sequential else nodes or []:
                self.layer = layer
                sources = before if sequential else self.taken(one, gives)
                before = self.called_with(layer, sources, depth)
                gives[name].append(before)
        if sequential:
            return before
        leaving = config.get("output_layers") or []
        if not isinstance(leaving, list):
            raise self.error("a model has a list of outputs")
        leaving = [leaving] if leaving and isinstance(leaving[0], str) else leaving
        return [self.given(one, gives) for one in leaving] if leaving else before

    def enter(self, config: dict[str, Any], sizes: tuple[int, ...] | None) -> Tensor:
        """Add an input."""
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if sizes is not None:
            return Tensor(self.graph.input(Shape(sizes[0], sizes[1:])))
        if (
            not isinstance(shape, list)
            or not all(isinstance(one, int) and 0 < one < 2**31 for one in shape[1:])
            or len(shape) < 2
        ):
            raise self.error(f"an input of {str(shape)[:60]}", "give its sizes, channels first: --input 3x224x224")
        *spatial, channels = shape[1:]
        if str(config.get("dtype", "")).startswith("int") and not spatial:
            return Tensor(self.graph.input(Shape(1, (channels,))))
        return Tensor(self.graph.input(Shape(channels, tuple(spatial))))

    def taken(self, node: Any, gives: dict[str, list[list[Tensor]]]) -> list[Tensor]:
        """Return the tensors that a call takes, however they nest in its arguments."""
        found: list[Tensor] = []
        left: list[Any] = [node]
        while left:
            one = left.pop(0)
            if isinstance(one, dict) and "keras_history" in _dict(one.get("config")):
                found.append(self.given(_dict(one["config"])["keras_history"], gives))
            elif isinstance(one, dict):
                left = [*one.values(), *left]
            elif _is_history(one):
                found.append(self.given(one, gives))
            elif isinstance(one, list):
                left = [*one, *left]
        if not found:
            raise self.error("takes no tensor")
        return found

    def given(self, history: Any, gives: dict[str, list[list[Tensor]]]) -> Tensor:
        """Return the tensor that a name, a call and a place stand for."""
        if not _is_history(history):
            raise self.error(f"{str(history)[:60]} names no tensor")
        name, call, place = history[:3]
        calls = gives.get(name)
        if calls is None or call >= len(calls) or place >= len(calls[call]):
            raise self.error(f"takes '{str(name)[:60]}', which no layer before it gives", nearest(str(name), gives))
        found: Tensor = calls[call][place]
        return found

    def called_with(self, layer: dict[str, Any], sources: list[Tensor], depth: int) -> list[Tensor]:
        """Add a layer behind tensors."""
        kind, config = str(layer.get("class_name", "")), _dict(layer.get("config"))
        if kind in MODELS:
            outer = self.stack
            self.stack = (*outer, Call(_name(layer), _class(_name(layer))))
            found = self.model(config, sources, None, depth + 1)
            self.stack = outer
            return found
        if kind not in LAYERS:
            raise self.error("this kind of layer is not read", nearest(kind, LAYERS))
        start = len(self.graph.nodes)
        one = Layer(self.graph, config, [source.node for source in sources], sources[0].pad, kind)
        try:
            if kind == "ZeroPadding2D":
                return [sources[0]._replace(pad=one.zeros())]
            if sources[0].pad and not one.windowed:
                node = self.graph.layer(
                    "pad", sources[0].node, {"sides": Sides(x for pair in sources[0].pad for x in pair)}
                )
                one = one._replace(nodes=[node], pad=())
            result = LAYERS[kind](one)
        except BneckError as error:
            raise self.error(error.message, error.hint) from None
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise self.error(f"options that it cannot have ({' '.join(str(error).split())[:80]})") from None
        new = self.graph.nodes[start:]
        if id(layer) in self.called and any(node.params for node in new):
            raise self.error(
                f"called a second time: {people(sum(node.params for node in new))} parameters would be shared"
            )
        self.called.add(id(layer))
        stack = (*self.stack, *_stack(_name(layer), kind))
        self.graph.nodes[start:] = [node._replace(stack=stack) for node in new]
        return [Tensor(one) for one in (result if isinstance(result, list) else [result])]


def read(path: str, sizes: tuple[int, ...] | None) -> Graph:
    """Make the graph of a model; ``sizes``, channels first, take the place of those that it gives."""
    return graph_of(read_json(path), path, sizes)


def is_keras(config: Any) -> bool:
    """Return whether a file is that of a Keras model."""
    return isinstance(config, dict) and config.get("class_name") in MODELS and isinstance(config.get("config"), dict)


def graph_of(config: Any, path: str, sizes: tuple[int, ...] | None) -> Graph:
    """Make the graph of a model's configuration."""
    if not is_keras(config):
        kind = str(config.get("class_name", ""))[:60] if isinstance(config, dict) else ""
        hint = (
            f"a {kind} is code, which the file does not contain"
            if kind
            else "a Hugging Face configuration must have a `model_type`"
        )
        raise BneckError(f"{path}: no Keras model that lists its layers", hint=hint)
    name = str(config["config"].get("name") or os.path.basename(path))
    graph = Graph(name)
    reader = Reader(graph, path)
    reader.layer = config
    leaving = reader.model(config["config"], [], sizes, 0)
    inputs = [node for node in graph.nodes if node.kind == "input"]
    if len(inputs) != 1:
        raise BneckError(f"{path}: {len(inputs)} inputs; a model must have one")
    graph.outputs = list(dict.fromkeys(one.node for one in leaving))
    if not any(any(call.name in ("Block", "Stage") for call in node.stack) for node in graph.nodes):
        find_blocks(graph)
    return graph


def _stack(name: str, kind: str) -> Sequence[Call]:
    """Return the stage and the block that a layer's name begins with, and the layer."""
    calls = []
    block = BLOCK.fullmatch(name)
    stage = STAGE.match(name)
    if block and stage and stage["stage"] != block["block"]:
        calls.append(Call(stage["stage"], "Stage"))
    if block:
        inner = block["block"].removeprefix(f"{calls[0].path}_") if calls else block["block"]
        calls.append(Call(f"{calls[0].path}.{inner}" if calls else inner, "Block"))
    return (*calls, Call(".".join([*(call.path for call in calls[-1:]), block["rest"] if block else name]), kind))


def _class(name: str) -> str:
    return "".join(word.capitalize() for word in re.sub(r"_?\d+$", "", name).split("_")) or "Model"


def _name(layer: dict[str, Any]) -> str:
    return str(layer.get("name") or _dict(layer.get("config")).get("name") or "")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_history(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) >= 3
        and isinstance(value[0], str)
        and all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in value[1:3])
    )
