"""Paths of layers, abbreviated."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def ranges(paths: Iterable[str]) -> tuple[str, ...]:
    """Write paths that differ by a number in a row as one: ``layer1.0-2.conv1-3``."""
    placed = [(index, tuple(path.split("."))) for index, path in enumerate(dict.fromkeys(paths))]
    for place in range(max((len(path) for _, path in placed), default=0) - 1, -1, -1):
        merged: dict[tuple[Any, ...], list[tuple[int, tuple[str, ...]]]] = {}
        for index, path in placed:
            numbered = place < len(path) and re.fullmatch(r"(.*?)\d+", path[place])
            single = numbered and not re.search(r"\d-\d+$", path[place])
            key = (path[:place], numbered.group(1), path[place + 1 :]) if numbered and single else (path,)
            merged.setdefault(key, []).append((index, path))
        placed = sorted(run for group in merged.values() for run in _runs(group, place))
    return tuple(".".join(path) for _, path in placed)


def _runs(group: list[tuple[int, tuple[str, ...]]], place: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Join the paths of a group whose numbers at a place follow each other."""
    start = 0
    for end in range(1, len(group) + 1):
        if end < len(group) and _number(group[end][1][place]) == _number(group[end - 1][1][place]) + 1:
            continue
        index, path = group[start]
        if end - start > 1:
            joined = f"{path[place]}-{_number(group[end - 1][1][place])}"
            path = (*path[:place], joined, *path[place + 1 :])
        yield index, path
        start = end


def _number(label: str) -> int:
    """Read the number that a label ends in."""
    return int(label[len(label.rstrip("0123456789")) :])
