"""Which modules an ONNX node runs in: by what its exporter wrote about it, else by the path that is its name."""

from __future__ import annotations

import re
from ast import literal_eval
from typing import TYPE_CHECKING

from bneck_cli.bridges.graph import Call

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.bridges.readers.onnx.file import Model, Node

SCOPES, CLASSES = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.class_hierarchy"
LONGEST = 4000
"""Characters of a list of modules."""
Stack = tuple[Call, ...]


def scopes(model: Model) -> Callable[[Node], Stack]:
    """Return what says in which modules a node of a model runs."""
    if any(SCOPES in node.metadata for node in model.nodes):
        return _told
    if any(node.name.startswith("/") and node.name.count("/") > 1 for node in model.nodes):
        words, inner = _slashed, 1
    elif any("." in node.name for node in model.nodes):
        words, inner = _dotted, 0
    else:
        return lambda _: ()
    root = model.name if model.name.isidentifier() else "Model"
    modules = Modules(root, inner)
    for node in model.nodes:
        modules.add(words(node.name))
    modules.classify()
    return lambda node: modules.stack(words(node.name))


def _told(node: Node) -> Stack:
    """Read the lists of PyTorch's newer exporter: paths and classes of the modules, and the function's last."""
    paths, classes = (_list(node.metadata.get(key, "")) for key in (SCOPES, CLASSES))
    calls = zip(paths[:-1], classes, strict=False)
    return tuple(Call(path, name.rpartition(".")[2]) for path, name in calls)


def _list(text: str) -> list[str]:
    try:
        found = literal_eval(text[:LONGEST])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return []
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _slashed(name: str) -> list[str]:
    """Take the words of ``/layer1/layer1.0/conv1/Conv`` apart: layer1, 0, conv1, Conv."""
    words: list[str] = []
    before = ""
    *modules, last = name.split("/")[1:] or [""]
    for word in modules:
        words += word.removeprefix(f"{before}.").split(".") if before else word.split(".")
        before = word
    return [*(word for word in words if word), last]


def _dotted(name: str) -> list[str]:
    return name.split(".")


class Modules:
    """The modules that paths name, and a class for each: what its copies have in common is their attributes.

    Those whose children are numbers alone are lists; numbered ones that share an attribute are copies of one class.
    """

    def __init__(self, root: str, inner: int) -> None:
        self.root = root
        self.inner = inner
        """Whether the last word of a path is no attribute, but the name of an operator."""
        self.children: dict[tuple[str, ...], set[str]] = {}
        self.names: dict[tuple[str, ...], str] = {}

    def add(self, words: list[str]) -> None:
        """Take note of a path."""
        for place in range(1, len(words) - self.inner):
            self.children.setdefault(tuple(words[:place]), set()).add(words[place])

    def classify(self) -> None:
        """Name the classes."""
        families: list[tuple[set[str], int]] = []
        for path, children in self.children.items():
            if all(child.isdigit() for child in children):
                self.names[path] = "Sequential"
            elif path[-1].isdigit():
                depth = sum(word.isdigit() for word in path)
                own = {re.sub(r"\d+$", "", child) for child in children}
                family = next((place for place, one in enumerate(families) if one[0] & own and one[1] == depth), -1)
                if family < 0:
                    family = len(families)
                    families.append((own, depth))
                families[family][0].update(own)
                self.names[path] = "Block" + "_" * family
            else:
                plain = re.sub(r"_?\d+$", "", path[-1]) or path[-1]
                name = "".join(part[:1].upper() + part[1:] for part in plain.split("_"))
                self.names[path] = f"{name}Part" if name.startswith("Block") else name

    def stack(self, words: list[str]) -> Stack:
        """Return the calls that a path stands for."""
        calls = [Call("", self.root)]
        for place in range(1, len(words)):
            path = tuple(words[:place])
            calls.append(Call(".".join(path), self.names.get(path, path[-1].capitalize())))
        return tuple(calls)
