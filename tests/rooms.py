"""The rooms of the package as a text: each with what it is and what it uses, derived from docstrings and imports.

``python tests/documents.py`` writes it into the README, and a test of the documents holds it there.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from test_imports import FLOORS, MODULES, PACKAGE, imported, room

if TYPE_CHECKING:
    from collections.abc import Iterator


def uses() -> dict[str, set[str]]:
    """Return the rooms that each room imports from, wherever the import stands."""
    found: dict[str, set[str]] = {}
    for path in MODULES:
        names = imported(ast.parse(path.read_text(encoding="utf-8")))
        others = {name.split(".")[1] for name in names if name.startswith("bneck_cli.")}
        found.setdefault(room(path), set()).update(others - {room(path)})
    return found


def below(name: str, graph: dict[str, set[str]]) -> set[str]:
    """Return all that a room stands on."""
    return set().union(*({other} | below(other, graph) for other in graph[name]))


def nearest(name: str, graph: dict[str, set[str]]) -> list[str]:
    """Return the rooms that a room uses and that it would not reach through the others, the upper first."""
    order = [each for floor in reversed(FLOORS) for each in floor]
    direct = graph[name]
    return sorted(
        (one for one in direct if not any(one in below(other, graph) for other in direct - {one})), key=order.index
    )


def what(name: str) -> str:
    """Return what a room is, from its docstring: as far as the first colon or comma."""
    path = PACKAGE / name / "__init__.py"
    text = ast.get_docstring(ast.parse((path if path.exists() else PACKAGE / f"{name}.py").read_text(encoding="utf-8")))
    return str(text).split("\n")[0].split(":")[0].split(",")[0].rstrip(".")


def drawn() -> Iterator[str]:
    """Write the rooms from the top floor down, a line each."""
    graph = uses()
    names = [each for floor in reversed(FLOORS) for each in floor if each not in ("__main__", "version")]
    shown = {name: f"{name}/" if (PACKAGE / name).is_dir() else name for name in names}
    used = {name: [shown[one] for one in nearest(name, graph) if one in shown] for name in names}
    arrows = {name: f"-> {' '.join(words)}" if words else "" for name, words in used.items()}
    first, second = (max(map(len, words.values())) for words in (shown, arrows))
    for name in names:
        yield f"{shown[name]:{first}}  {arrows[name]:{second}}  {what(name)}".rstrip() + "\n"


if __name__ == "__main__":
    print("".join(drawn()), end="")
