"""The module calls that make up a network: which contain which, and which deserve a block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.folding.regions import Fork, Group, Item, Items, Leaf, Wire

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})


def module_calls(items: Iterable[Item]) -> Iterable[Group]:
    """Yield every module call, the outer ones first."""
    for item in items:
        if isinstance(item, Group):
            yield item
            yield from module_calls(item.items)
        elif isinstance(item, Fork):
            for branch in item.branches:
                yield from module_calls(branch)


def holders(items: Iterable[Item], name: str, kept: set[str], holder: Group | None = None) -> dict[str, dict[int, int]]:
    """Count the uses of a class by the block, and the use of it, that holds them."""
    found: dict[str, dict[int, int]] = {}

    def walk(held: Iterable[Item], inside: Group | None) -> None:
        for item in held:
            if isinstance(item, Group):
                if item.call.name == name:
                    counts = found.setdefault(inside.call.name if inside else "", {})
                    counts[id(inside)] = counts.get(id(inside), 0) + 1
                walk(item.items, item if item.call.name in kept else inside)
            elif isinstance(item, Fork):
                for branch in item.branches:
                    walk(branch, inside)

    walk(items, holder)
    return found


def class_name(group: Group) -> str:
    """Return the class of a module."""
    return group.call.name


def height(group: Group) -> int:
    """Count how deep modules nest in one."""
    return 1 + max((height(one) for one in module_calls(group.items)), default=0)


def plain(items: Items) -> bool:
    """Return whether items are layers in sequence."""
    return all(plain(item.items) if isinstance(item, Group) else isinstance(item, Leaf) for item in items)


def are_stages(held: list[Group]) -> bool:
    """Return whether a class is a stage: copies of one class and at most two other modules, not always as many."""
    counts = []
    for group in held:
        names = [item.call.name for item in _unwrapped(group.items)]
        most = max((names.count(name) for name in names), default=0)
        if not most or len(names) - most > 2:
            return False
        counts.append(most)
    return max(counts) > 1 and len(set(counts)) > 1


def _unwrapped(items: Items) -> Iterable[Group]:
    for item in items:
        if isinstance(item, Group) and item.call.name in CONTAINERS:
            yield from _unwrapped(item.items)
        elif isinstance(item, Group):
            yield item


def wires(items: Items) -> Iterable[Wire]:
    """Yield the names given and taken, at every depth."""
    for item in items:
        if isinstance(item, Wire):
            yield item
        elif isinstance(item, Group):
            yield from wires(item.items)
        elif isinstance(item, Fork):
            for branch in item.branches:
                yield from wires(branch)


def closed(items: Items, reads: list[str]) -> bool:
    """Return whether all names that a module takes or gives are its own, of all that are read anywhere."""
    held = list(wires(items))
    given = {wire.name for wire in held if wire.kind == "as"}
    taken = [wire.name for wire in held if wire.kind == "from"]
    return all(name in given for name in taken) and all(taken.count(name) == reads.count(name) for name in given)


def renamed(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """Let names inside a block be the same in all of its uses: those of their order."""
    names: dict[str, str] = {}

    def walk(held: tuple[Any, ...]) -> tuple[Any, ...]:
        found: list[Any] = []
        for item in held:
            if isinstance(item, Wire):
                found.append(item._replace(name=names.setdefault(item.name, f"t{len(names) + 1}")))
            elif isinstance(item, Fork):
                found.append(item._replace(branches=tuple(map(walk, item.branches))))
            else:
                found.append(item)
        return tuple(found)

    return walk(items)
