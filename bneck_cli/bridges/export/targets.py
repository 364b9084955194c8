"""Export targets: their names, and the file suffixes that select them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.bridges.export import is_installed
from bneck_cli.errors import BneckError, listed, nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.engine.analysis import Analysis


class Asked(NamedTuple):
    """What is asked of an export: to build and compare (None: where that is possible), and equal layers once."""

    check: bool | None = None
    unique: bool = False

    def checks(self, framework: str) -> bool:
        """Return whether to build and compare: as asked, else if the framework is installed."""
        return is_installed(framework) if self.check is None else self.check


class Exported(NamedTuple):
    """What is written: text, or bytes in the guise of text, with the encoding that tells which."""

    text: str
    encoding: str = ""


def _pytorch(analysis: Analysis, asked: Asked) -> Exported:
    from bneck_cli.bridges.export.pytorch.writer import source

    found = source(analysis)
    if asked.checks("torch"):
        from bneck_cli.bridges.export.pytorch.check import check_source

        check_source(analysis, found)
    return Exported(found.text)


def _onnx(analysis: Analysis, asked: Asked) -> Exported:
    from bneck_cli.bridges.export.onnx.model import onnx_model

    content = onnx_model(analysis).content
    if asked.checks("onnx"):
        from bneck_cli.bridges.export.onnx.check import check_onnx

        check_onnx(content)
    return Exported(content.decode("latin-1"), "latin-1")


def _keras(analysis: Analysis, asked: Asked) -> Exported:
    from bneck_cli.bridges.export.keras.writer import source

    found = source(analysis)
    if asked.checks("keras"):
        from bneck_cli.bridges.export.keras.check import check_keras

        check_keras(analysis, found)
    return Exported(found.text)


def _simulator(name: str) -> Callable[[Analysis, Asked], Exported]:
    def write(analysis: Analysis, asked: Asked) -> Exported:
        from bneck_cli.bridges.export import simulators
        from bneck_cli.bridges.export.pytorch.writer import require_numbers

        require_numbers(analysis)
        return Exported(getattr(simulators, name)(analysis, asked.unique))

    return write


TARGETS: dict[str, Callable[[Analysis, Asked], Exported]] = {
    "pytorch": _pytorch,
    "onnx": _onnx,
    "keras": _keras,
    "scale-sim": _simulator("scale_sim"),
    "timeloop": _simulator("timeloop"),
    "zigzag": _simulator("zigzag"),
    "maestro": _simulator("maestro"),
}
"""Each target, and what writes it."""
SUFFIXES = {".py": "pytorch", ".onnx": "onnx", ".csv": "scale-sim", ".m": "maestro"}
"""What a file's name asks for."""


def target_of(name: str | None, output: str | None) -> str:
    """Return the target that is named, or that a file's suffix asks for.

    Raises BneckError if neither says which.
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


def export(analysis: Analysis, target: str, asked: Asked = Asked()) -> Exported:
    """Write an analysed network for a target.

    Raises BneckError, at the row, for what the target cannot hold.
    """
    return TARGETS[target](analysis, asked)
