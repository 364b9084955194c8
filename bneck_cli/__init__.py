"""bneck: exact sizes, weights and multiply-adds of a neural network, from a text file.

>>> import bneck_cli
>>> analysis = bneck_cli.analyze("resnet50")
>>> analysis.cost.params, analysis.cost.macs
(25557032, 4089184256)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from os import PathLike

    from bneck_cli.engine.analysis import Analysis, Settings
    from bneck_cli.engine.network import Entry
    from bneck_cli.language.library import Program
    from bneck_cli.questions.compare import Comparison

__all__ = ["BneckError", "analyze", "compare", "each_layer"]


def __getattr__(name: str) -> object:
    """Load the error only when it is asked for: importing the package costs nothing."""
    if name == "BneckError":
        from bneck_cli.errors import BneckError

        return BneckError
    raise AttributeError(f"module 'bneck_cli' has no attribute '{name}'")


def analyze(
    spec: str | PathLike[str],
    *,
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    assume: str | None = None,
    batch: int = 1,
    **parameters: object,
) -> Analysis:
    """Analyse a network or a block.

    Args:
        spec: a path, the name of a bundled network or block, or the text of a spec (anything with a line break).
        input: the input's sizes, ``3x224x224``, ``320x320`` or, with symbols, ``3xHxW``.
        channels: a block's channels, a number or a symbol's name.
        in_channels: the channels that enter a block, where they are others.
        assume: what symbols are multiples of, ``H%32==0,W%32==0``.
        batch: inputs at once, for the reports; an Analysis's own figures are those of one input.
        parameters: parameters of the net or the block, such as ``width=0.5``.

    Raises:
        BneckError: with the file, line and column of what is wrong.
    """
    from bneck_cli.engine.analysis import analyze_program

    return analyze_program(_program(spec), _settings(input, channels, in_channels, assume, batch, parameters))


def compare(
    *specs: str | PathLike[str],
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    assume: str | None = None,
    batch: int = 1,
    **parameters: object,
) -> Comparison:
    """Compare blocks or networks, as ``analyze`` takes them; a block may bring its own channels, ``basic 64``."""
    from bneck_cli.questions.compare import compare_programs

    programs = [(str(spec).split("\n")[0], _program(spec)) for spec in specs]
    return compare_programs(programs, _settings(input, channels, in_channels, assume, batch, parameters))


def each_layer(analysis: Analysis, folded: bool = False) -> Iterator[Entry]:
    """Yield an analysis's layers in execution order, each with its path, its shapes and its cost."""
    from bneck_cli.engine.network import entries

    return entries(analysis.root, folded)


def _program(spec: str | PathLike[str]) -> Program:
    from bneck_cli.language.document import Source
    from bneck_cli.language.library import load, resolve

    text = str(spec)
    return resolve(Source("<text>", text)) if "\n" in text else load(text)


def _settings(
    input: str | None,
    channels: int | str | None,
    in_channels: int | str | None,
    assume: str | None,
    batch: int,
    parameters: dict[str, object],
) -> Settings:
    from bneck_cli.engine.analysis import Settings
    from bneck_cli.language.expression import show

    def written(value: object) -> str:
        if isinstance(value, float):
            from decimal import Decimal

            return f"{Decimal(repr(value)):f}"  # a spec has no exponents
        return show(tuple(value) if isinstance(value, list) else value).strip("'")

    values = tuple((name, written(value)) for name, value in parameters.items())
    texts = [None if size is None else str(size) for size in (channels, in_channels)]
    return Settings(input, texts[0], texts[1], values, assume, batch)
