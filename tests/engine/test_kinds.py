"""A layer kind says all about itself: each declares every trait, and nobody outside of its room asks for its name."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from test_layers import CASES, made, shaped

import bneck_cli
from bneck_cli.engine.layers import LAYERS, Kind, LayerError
from bneck_cli.engine.layers.kinds import TRAITS
from bneck_cli.engine.layers.reach import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test_layers import Case

PACKAGE = Path(bneck_cli.__file__).parent
KINDS = PACKAGE / "engine" / "layers"


def rules(root: type[Kind] = Kind) -> Iterator[type[Kind]]:
    """Yield all that may be a layer's rule: the kinds, and the products of two tensors."""
    for one in root.__subclasses__():
        if hasattr(one, "name"):
            yield one
        yield from rules(one)


def declares(kind: type[Kind], trait: str) -> bool:
    """Tell whether a kind, or a class that it shares with others, says what a trait of it is."""
    return any(trait in vars(base) for base in kind.__mro__ if base not in (Kind, object))


@pytest.mark.parametrize("trait", TRAITS)
def test_every_kind_declares_every_trait(trait: str) -> None:
    """A kind that is silent would be answered for by a default, and some answer would be wrong."""
    assert set(LAYERS.values()) <= set(rules())
    assert [kind.__name__ for kind in rules() if not declares(kind, trait)] == []


def test_a_kind_without_a_word_for_what_it_sees_works_it_out() -> None:
    """Who says that its reach says it has one, or leaves it unknown on purpose."""
    silent = {"learned", "take"}
    assert {kind.name for kind in LAYERS.values() if kind.sees == OTHER and not declares(kind, "reach")} == silent


@pytest.mark.parametrize("case", CASES, ids=str)
def test_channels_that_are_a_choice_do_not_depend_on_what_arrives(case: Case) -> None:
    """``chooses`` is true of just those kinds whose result has as many channels, however many arrive."""
    layer, x = made(case), shaped(case.x)
    try:
        wider = layer.out_shape(x._replace(channels=2 * x.channels)).channels
    except LayerError:  # an embedding takes one index a position, and its channels are the table's
        wider = layer.out_shape(x).channels
    moves = case.kind in ("slice", "transpose", "reshape")  # elements to other channels
    assert moves or not x.spatial or (wider == layer.out_shape(x).channels) == layer.chooses


def test_a_bias_is_known_by_its_flag() -> None:
    """A kind that can have a bias, or leave it out, says whether it has one."""
    for case in CASES:
        layer = made(case)
        flags = {field.name for field in layer.fields} & {"bias", "nobias"}
        assert bool(layer.biased) == (("nobias" in flags and not layer.nobias) or bool(case.options.get("bias")))


# Nobody else asks for a name

NAMES = set(LAYERS) - {field.name for kind in LAYERS.values() for field in kind.fields}
"""Without ``pad``, which is an option's name too."""
ALLOWED = {
    "bridges": "what PyTorch's operators and modules are called is mapped to kinds here",
    "engine/rule.py": "the quantities that counting rules weigh have names of their own",
    "questions/counting_rules.py": "the same",
    "flow/counting.py": "the same",
    "language": "`in` is a word of the grammar",
    "pictures/svg.py": "the fills of boxes, by what a kind's label says",
}
"""Rooms that may hold several kinds' names, each with its reason."""


def names(node: ast.expr | ast.pattern) -> set[str]:
    """Collect the kinds that a node names, by itself or in a list of its own."""
    if isinstance(node, ast.MatchOr):
        return set().union(*map(names, node.patterns))
    if isinstance(node, ast.MatchValue):
        return names(node.value)
    if isinstance(node, (ast.Set, ast.Tuple, ast.List)):
        return set().union(*map(names, node.elts))
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES:
        return {node.value}
    return set()


def asks(node: ast.AST) -> Iterator[tuple[int, set[str]]]:
    """Yield where something is chosen by a kind's name, compared, matched or looked up in a table, and which they are.

    A kind's ``part`` is a trait, and some parts are called as a kind is; so are words for a ``shortcut`` and for what
    is worked out again (``recompute``).
    """
    found: set[str] = set()
    if isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        if any(ast.unparse(side).split(".")[-1] in ("part", "shortcut", "recompute") for side in sides):
            return
        found = set().union(*map(names, sides))
    elif isinstance(node, (ast.MatchOr, ast.MatchValue)):
        found = names(node)
    elif isinstance(node, (ast.Set, ast.Tuple, ast.List, ast.Dict)):
        keys = node.keys if isinstance(node, ast.Dict) else [node]
        found = set().union(*(names(key) for key in keys if key is not None))
        found = found if len(found) > 1 else set()
    if found:
        yield node.lineno, found
    for child in ast.iter_child_nodes(node):
        yield from asks(child)


@pytest.mark.parametrize(
    "path", sorted(path for path in PACKAGE.rglob("*.py") if KINDS not in path.parents), ids=lambda path: path.stem
)
def test_nobody_compares_the_name_of_a_kind(path: Path) -> None:
    """What is asked of a kind outside of its room is a trait, so that a new kind is one class in one file."""
    relative = path.relative_to(PACKAGE).as_posix()
    if any(relative == room or relative.startswith(f"{room}/") for room in ALLOWED):
        return
    found = list(asks(ast.parse(path.read_text(encoding="utf-8"))))
    assert found == [], f"{relative} asks for the names of kinds: make it a trait in engine/layers/kinds.py"


def test_the_scan_finds_what_it_looks_for() -> None:
    """Comparisons, matches and tables by a kind's name are found, and parts are not."""
    wrong = [
        'layer.op == "bn"',
        'op in ("lstm", "gru")',
        '{"bn": 1, "ln": 2}',
        '{"conv", "linear"}',
        'a("ln", *["bn", "in"])',
    ]
    wrong += ['match op:\n    case "bn" | "x":\n        pass']
    right = ['rule.part == "conv"', 'part in ("conv", "linear")', '{"conv": 1}', 'make("bn", [], {})', '("a", "b")']
    assert [text for text in wrong if not list(asks(ast.parse(text)))] == []
    assert [text for text in right if list(asks(ast.parse(text)))] == []
