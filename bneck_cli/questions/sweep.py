"""A family of designs: every combination of values, their costs, and the selection among them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.analysis import block_axes
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.expression import Name, parts_of, show
from bneck_cli.report import Column, Facts, Prose, Records, Report, Row, Table
from bneck_cli.sizes.number import divided
from bneck_cli.spaces.axes import chosen, grid, parse_axis, zipped
from bneck_cli.spaces.choosing import Best, Front, Kept, condition, holds
from bneck_cli.spaces.space import BLOCK, TOTALS, Space, require_free
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.expression import Expression
    from bneck_cli.language.library import Program
    from bneck_cli.spaces.space import Block

ROWS_SHOWN = 40
"""Rows of a table for people; data formats have all of them."""
REASONS_SHOWN = 5
USUAL = ("params", "macs")


class Asked(NamedTuple):
    """What is asked of a sweep beyond its axes."""

    totals: tuple[str, ...] = USUAL
    keep: Expression | None = None
    best: int | None = None
    by: str = ""
    maximize: bool = False
    pareto: tuple[str, ...] = ()
    refused: bool = False
    shard: tuple[int, int] = (0, 1)


class Sweep(NamedTuple):
    """A space, and what is asked of it; nothing is computed before a row is."""

    name: str
    space: Space
    asked: Asked
    tally: Tally
    dask: str | None = None
    """The address of the cluster that computes it, if one does."""

    def blocks(self) -> Iterator[Block]:
        """Compute the blocks that were asked for, here or on a cluster."""
        if self.dask is None:
            return self.space.blocks(*self.asked.shard)
        from bneck_cli.spaces.cluster import spread

        return spread(self.space, self.dask, *self.asked.shard)


class Tally:
    """What was met on the way: how many designs, how many are legal and kept, and why others are refused."""

    def __init__(self) -> None:
        self.designs = self.legal = self.kept = 0
        self.stopped = False
        self.first: int | None = None
        self.reasons: dict[str, int] = {}

    def add(self, block: Block) -> None:
        """Count a block of designs."""
        self.designs += len(block.legal)
        self.legal += int(block.legal.sum())
        for refusal in block.refusals:
            self.reasons[refusal.reason] = self.reasons.get(refusal.reason, 0) + len(refusal.numbers)


def sweep(
    name: str,
    program: Program,
    settings: Settings,
    vary: Sequence[str],
    *,
    way: str = "grid",
    count: int = 0,
    seed: int = 0,
    totals: Sequence[str] = USUAL,
    keep: str | None = None,
    best: int | None = None,
    by: str | None = None,
    maximize: bool = False,
    pareto: Sequence[str] = (),
    refused: bool = False,
    shard: str | None = None,
    dask: str | None = None,
) -> Sweep:
    """Settle a sweep: its axes (``width=0.25:2:0.25``), how they combine, and which designs are wanted.

    Raises BneckError for what is not one: an axis that the spec does not have, a column that is none.
    """
    axes = [parse_axis(text) for text in vary]
    require_free(program, settings, axes)
    designs = chosen(axes, count, seed) if way == "random" else zipped(axes) if way == "zip" else grid(axes)
    wanted = tuple(dict.fromkeys([*totals, *pareto, *([by] if by else [])]))
    columns = (*(axis.title for axis in axes), *TOTALS)
    for column in wanted:
        if column not in TOTALS:
            raise BneckError(
                f"unknown total '{column}'", hint=nearest(column, TOTALS) or f"the totals are {listed(TOTALS, 'and')}"
            )
    kept = condition(keep, columns) if keep else None
    if kept is not None:
        named = {part.name for part in parts_of(kept) if isinstance(part, Name)}
        wanted = tuple(dict.fromkeys([*wanted, *(each for each in TOTALS if each in named)]))
    asked = Asked(wanted, kept, best, by or wanted[0], maximize, tuple(pareto), refused, _shard(shard))
    return Sweep(name, Space(program, settings, designs, wanted), asked, Tally(), dask)


def _shard(text: str | None) -> tuple[int, int]:
    """Read ``3/100``: the third of a hundred parts."""
    if text is None:
        return 0, 1
    part, slash, whole = text.partition("/")
    if not (slash and part.isdecimal() and whole.isdecimal() and 1 <= int(part) <= int(whole) <= 10**6):
        raise BneckError(f"--shard: '{text}' is not a part", hint="write 3/100 for the third of a hundred")
    return int(part) - 1, int(whole)


# Rows


def rows(found: Sweep, watch: Callable[[int], bool] = lambda _done: True) -> Iterator[dict[str, Any]]:
    """Yield the wanted designs, block by block, as arrays of one column each.

    ``watch`` is told after each block how many designs are done; where it answers false, the rest is left.
    """
    asked, tally = found.asked, found.tally
    chosen: Kept | None = Front(asked.pareto, [asked.by] if asked.maximize else []) if asked.pareto else None
    if chosen is None and asked.best is not None:
        chosen = Best(asked.best, asked.by, asked.maximize)
    for block in found.blocks():
        tally.add(block)
        columns = _columns(found, block)
        if asked.keep is not None:
            chosen_here = holds(asked.keep, columns)
            columns = {name: column[chosen_here] for name, column in columns.items()}
        tally.kept += len(columns["design"])
        if chosen is None:
            yield columns
        elif len(columns["design"]):
            chosen.add(columns)
        if tally.first is None and len(columns["design"]):
            tally.first = int(columns["design"][0])
        if not watch(tally.designs):
            tally.stopped = True
            break
    if chosen is not None and chosen.count:
        if asked.best is not None and asked.pareto:
            chosen.keep(slice(asked.best))
        tally.first = int(chosen.columns["design"][0])
        yield chosen.columns


def _columns(found: Sweep, block: Block) -> dict[str, Any]:
    """Return a block's legal designs as columns: the number of each, its values, its totals."""
    import numpy

    legal = numpy.flatnonzero(block.legal)
    columns: dict[str, Any] = {"design": legal + block.start}
    for axis, values in zip(found.space.designs.axes, block.values, strict=True):
        columns[axis.title] = values[legal] if axis.below == 1 else values[legal] / axis.below
    return columns | {name: values[legal] for name, values in block.totals.items()}


def refusals(found: Sweep, watch: Callable[[int], bool]) -> Iterator[list[Any]]:
    """Yield the designs that are refused, each with the reason."""
    for block in found.blocks():
        found.tally.add(block)
        for refusal in block.refusals:
            values = [column[refusal.numbers].tolist() for column in block.values]
            for row in zip(*values, strict=True):
                yield [
                    *(divided(v, axis.below) for v, axis in zip(row, found.space.designs.axes, strict=True)),
                    refusal.reason,
                ]
        if not watch(found.tally.designs):
            found.tally.stopped = True
            break


def saved(found: Sweep, file: str) -> Iterator[str]:
    """Write the first design that is kept as a spec of its own, once the sweep is done.

    Raises BneckError if none is kept.
    """
    space, program = found.space, found.space.program
    if found.tally.first is None:
        raise BneckError("no design is kept, so there is nothing to save")
    asked = space.varied.settings(space.designs.design(found.tally.first, BLOCK))
    source = program.spec.file
    if os.path.exists(source):
        source = os.path.relpath(source, os.path.dirname(file) or ".")
    source = source.removesuffix(".yaml") if "/" not in source or source.startswith("blocks/") else source
    options = [f"{given.name}={show(given.expression.evaluate({}))}" for given in asked.values]
    sizes = asked.input.sizes if asked.input else ()
    yield f"# One of {people(found.space.designs.number)} designs of {found.name}.\n"
    if program.block is None:
        yield f"extends: {source}\n"
        if options:
            yield f"set: {{{', '.join(option.replace('=', ': ', 1) for option in options)}}}\n"
        if sizes:
            yield f"input: {' x '.join(map(str, sizes))}\n"
        return
    channels = asked.in_channels or asked.channels or 1
    axes = block_axes(program)
    sizes = sizes if len(sizes) == len(axes) + 1 else (channels, *(sizes or axes))
    words = [program.block, *([str(asked.channels)] if asked.channels else []), *options]
    yield f"include: {source}\ninput: {' x '.join(map(str, sizes))}\nnet:\n  - {' '.join(words)}\n"


# The report


def report(found: Sweep, watch: Callable[[int], bool] = lambda _done: True) -> Report:
    """Report a sweep: a table of the first rows for people, every row as data."""
    names = titles(found)

    def records() -> Iterator[list[Any]]:
        if found.asked.refused:
            yield from refusals(found, watch)
            return
        for columns in rows(found, watch):
            lists = [columns[title].tolist() for title in names]
            yield from (list(row) for row in zip(*lists, strict=True))

    return Report(
        "sweep",
        found.name,
        f"{people(found.space.designs.number)} designs",
        lambda: _parts(found, names, watch),
        lambda: Records(names, records()),
        lambda: {"columns": names, "rows": list(records()), **_summary(found)},
    )


def titles(found: Sweep) -> list[str]:
    """Name the columns: what varies, then the totals, or the reasons of what is refused."""
    shown = ("reason",) if found.asked.refused else found.asked.totals
    return [*(axis.title for axis in found.space.designs.axes), *shown]


def _parts(found: Sweep, names: list[str], watch: Callable[[int], bool]) -> Iterable[Any]:
    shown: list[Row] = []
    if found.asked.refused:
        for row in refusals(found, watch):
            found.tally.kept += 1
            shown += [Row(row)] if len(shown) < ROWS_SHOWN else []
    for columns in () if found.asked.refused else rows(found, watch):
        room = ROWS_SHOWN - len(shown)
        if room > 0:
            lists = [columns[title][:room].tolist() for title in names]
            shown += [Row(list(row)) for row in zip(*lists, strict=True)]
    if shown:
        yield Table([Column(t, t, "words" if t == "reason" else "number") for t in names], shown)
    tally = found.tally
    more = (found.asked.best is None and not found.asked.pareto) and tally.kept - len(shown)
    if more:
        yield Prose([f"... and {people(more)} more: --format csv has all of them, --best 10 or --pareto chooses."])
    yield Facts(list(_told(found)))
    reasons = sorted(tally.reasons.items(), key=lambda pair: -pair[1])
    if reasons:
        lines = [f"{people(count)}: {reason}" for reason, count in reasons[:REASONS_SHOWN]]
        rest = sum(count for _, count in reasons[REASONS_SHOWN:])
        lines += [f"{people(rest)} for other reasons"] if rest else []
        yield Prose(lines, "Illegal designs, by reason (numbers are from the first of each)", listed=True)


def _told(found: Sweep) -> Iterator[tuple[str, Any]]:
    tally = found.tally
    yield "designs", f"{people(tally.designs)}, of which {people(tally.legal)} are legal"
    if found.asked.keep is not None:
        yield "kept", people(tally.kept)
    if tally.stopped:
        yield "stopped", f"after {people(tally.designs)} of {people(found.space.designs.number)} designs"


def _summary(found: Sweep) -> dict[str, Any]:
    tally = found.tally
    return {"designs": tally.designs, "legal": tally.legal, "kept": tally.kept, "refused": tally.reasons}
