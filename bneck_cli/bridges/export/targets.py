"""What a spec can be exported to: each target by its name, and the suffixes of files that ask for it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bneck_cli.errors import BneckError, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.engine.analysis import Analysis

TARGETS = {
    "pytorch": "source of a PyTorch module",
}
"""Each target, and what it is."""
SUFFIXES = {".py": "pytorch"}
"""What a file's name asks for."""
BYTES = "latin-1"
"""The encoding of bytes that are handed on as text."""


class Exported:
    """What is written: text, or bytes in the guise of text, with the encoding that tells which."""

    def __init__(self, text: str, encoding: str = "utf-8") -> None:
        self.text, self.encoding = text, encoding


def target_of(name: str | None, output: str | None) -> str:
    """Return the target that is named, or that a file's suffix asks for.

    Raises BneckError where neither says which.
    """
    if name is not None:
        if name not in TARGETS:
            hint = nearest(name, TARGETS) or f"the targets are {listed(TARGETS, 'and')}"
            raise BneckError(f"--to: nothing is called '{name}'", hint=hint)
        return name
    found = SUFFIXES.get(os.path.splitext(output or "")[1].lower())
    if found is None:
        raise BneckError("--to is missing: it says what to export to", hint=f"it is {listed(TARGETS)}")
    return found


def export(analysis: Analysis, target: str, check: bool | None = None) -> Exported:
    """Write an analysed network for a target; ``check`` builds it there, and compares: None where that is possible.

    Raises BneckError, at the row, for what the target cannot hold.
    """
    return WRITERS[target](analysis, check)


def is_installed(module: str) -> bool:
    """Tell whether a framework is there, without importing it."""
    from importlib.util import find_spec

    return find_spec(module) is not None


def _pytorch(analysis: Analysis, check: bool | None) -> Exported:
    from bneck_cli.bridges.export.pytorch import source

    found = source(analysis)
    if is_installed("torch") if check is None else check:
        from bneck_cli.bridges.export.check import check_source

        check_source(analysis, found)
    return Exported(found.text)


WRITERS: dict[str, Callable[[Analysis, bool | None], Exported]] = {"pytorch": _pytorch}
