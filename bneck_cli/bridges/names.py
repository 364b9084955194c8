"""Names for what is written: the first that nothing else has."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def unused(name: str, is_taken: Callable[[str], bool], mark: str = "_") -> str:
    """Return a name, or the first of ``name_2``, ``name_3`` and so on, that is not taken."""
    found, count = name, 1
    while is_taken(found):
        count += 1
        found = f"{name}{mark}{count}"
    return found
