"""The direction of imports: a module may use those on lower floors, and nothing heavy before it is needed."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import bneck_cli

PACKAGE = Path(bneck_cli.__file__).parent

FLOORS = (
    ("version", "shown", "folder"),
    ("errors",),
    ("budget",),
    ("sizes",),
    ("words",),
    ("report",),
    ("language",),
    ("engine",),
    ("data",),
    ("flow",),
    ("spaces",),
    ("pictures",),
    ("questions",),
    ("bridges",),
    ("formats",),
    ("output", "completion"),
    ("answers",),
    ("cli",),
    ("__main__",),
)
"""From the ground up. A module imports from the floors below its own, or from its own room (a folder)."""

HEAVY = {"numpy", "rich", "json", "csv", "dataclasses", "fractions", "decimal", "inspect", "typer", "difflib"}
ALLOWED = {("cli", "typer")}

MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")
"""All but the library's own face, which may use everything below it."""


def room(path: Path) -> str:
    """Name a module's place: its file, or the folder that it is in."""
    relative = path.relative_to(PACKAGE)
    return relative.parts[0] if len(relative.parts) > 1 else relative.stem


def imported(tree: ast.AST) -> set[str]:
    """Collect every import of a module, wherever it stands."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= (
                {node.module} if node.module != "bneck_cli" else {f"bneck_cli.{alias.name}" for alias in node.names}
            )
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: Path) -> None:
    """A module imports only from lower floors, lazy and typing-only imports included."""
    floors = {name: floor for floor, names in enumerate(FLOORS) for name in names}
    own = room(path)
    assert own in floors, f"{own} has no floor yet: add it to FLOORS"
    for name in imported(ast.parse(path.read_text(encoding="utf-8"))):
        if name.startswith("bneck_cli."):
            other = name.split(".")[1]
            assert other == own or floors[other] < floors[own], f"{own} imports {other}, which is not below it"


TOGETHER = {
    "sizes": "a plain number becomes a symbolic one only where a symbol is met, which most commands never do",
}
"""Rooms whose modules need each other while they run, and why."""


def needed(node: ast.AST) -> set[str]:
    """Collect the imports of a module but for those that only types need."""
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return set()
    names = {name for child in ast.iter_child_nodes(node) for name in needed(child)}
    if isinstance(node, ast.ImportFrom) and node.module:
        names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("own", sorted({room(path) for path in MODULES} - set(TOGETHER)))
def test_modules_of_a_room_import_in_one_direction(own: str) -> None:
    """No module of a room needs one that needs it, lazy imports included."""
    uses = {
        ".".join(("bneck_cli", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in MODULES
        if room(path) == own
    }
    graph = {
        name: needed(ast.parse(path.read_text(encoding="utf-8"))) & set(uses) - {name} for name, path in uses.items()
    }
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_heavy_is_imported_at_the_top(path: Path) -> None:
    """What starts slowly is imported inside the function that needs it."""
    top = ast.parse(path.read_text(encoding="utf-8")).body
    for node in top:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in imported(node):
                root = name.split(".")[0]
                assert root not in HEAVY or (room(path), root) in ALLOWED, f"{name} at the top of {path.name}"


@pytest.mark.parametrize(
    ("arguments", "absent"),
    [
        (
            ["analyze", "resnet50", "--format", "csv"],
            ["numpy", "rich.table", "fractions", "bneck_cli.sizes.dim", "json"],
        ),
        (["analyze", "resnet50"], ["numpy", "bneck_cli.sizes.dim", "bneck_cli.questions.compare"]),
        (["analyze", "resnet50", "--format", "json"], ["numpy", "rich.table", "bneck_cli.sizes.dim"]),
    ],
)
def test_a_command_loads_what_it_needs(arguments: list[str], absent: list[str]) -> None:
    """A command that prints plain text loads neither a table library nor symbolic sizes."""
    code = (
        "import sys, io, contextlib\n"
        f"sys.argv = ['bneck', *{arguments!r}]\n"
        "from bneck_cli.cli import run\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    assert run() == 0\n"
        f"print([name for name in {absent!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_room_is_too_large_to_see_at_once(path: Path) -> None:
    """A module of more than 500 lines is about more than one idea."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500
