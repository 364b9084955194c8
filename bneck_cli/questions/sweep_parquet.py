"""The rows of a sweep as Parquet: one column per axis and total, block by block."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from bneck_cli.errors import BneckError
from bneck_cli.questions.sweep import refusals, rows, titles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.questions.sweep import Sweep

ENCODING = "latin-1"
"""In which the bytes are written that are given as text."""
ROWS = 1 << 16
"""Rows of a group, about."""


class _Sink:
    """What a writer writes to: it holds what was not taken yet."""

    def __init__(self) -> None:
        self.written, self.held, self.closed = 0, bytearray(), False

    def write(self, data: Any) -> int:
        """Hold more bytes."""
        self.held += data
        self.written += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.written

    def flush(self) -> None:
        """Do nothing: all is held until it is taken."""

    def close(self) -> None:
        """Take no more."""
        self.closed = True

    def taken(self) -> str:
        """Return what is held, and hold nothing."""
        held, self.held = self.held, bytearray()
        return held.decode(ENCODING)


def parquet(found: Sweep, watch: Callable[[int], bool]) -> Iterator[str]:
    """Write the wanted designs, or those that are refused with the reasons, as the bytes of a Parquet file.

    Raises BneckError without pyarrow, and where a total does not fit into 64 bits.
    """
    try:
        pyarrow: Any = import_module("pyarrow")
        parquets: Any = import_module("pyarrow.parquet")
    except ImportError:
        raise BneckError("Parquet needs pyarrow", hint="pip install 'bneck[parquet]'") from None
    types = {axis.title: pyarrow.int64() if axis.below == 1 else pyarrow.float64() for axis in found.space.designs.axes}
    schema = pyarrow.schema(
        [
            (title, types.get(title, pyarrow.string() if title == "reason" else pyarrow.int64()))
            for title in titles(found)
        ]
    )
    sink = _Sink()
    with parquets.ParquetWriter(pyarrow.PythonFile(sink, "w"), schema) as writer:
        for columns in _refused(found, watch) if found.asked.refused else rows(found, watch):
            try:
                arrays = [pyarrow.array(columns[field.name], type=field.type) for field in schema]
            except (OverflowError, pyarrow.ArrowException):
                raise BneckError("a total exceeds 64 bits, the limit of Parquet", hint="--format csv has it") from None
            if len(arrays[0]):
                writer.write_batch(pyarrow.record_batch(arrays, schema=schema))
            yield sink.taken()
    yield sink.taken()


def _refused(found: Sweep, watch: Callable[[int], bool]) -> Iterator[dict[str, Any]]:
    """Gather refused designs into columns."""
    names, held = titles(found), []
    for row in refusals(found, watch):
        held.append([value.above / value.below if hasattr(value, "above") else value for value in row])
        if len(held) == ROWS:
            yield dict(zip(names, map(list, zip(*held, strict=True)), strict=True))
            held = []
    if held:
        yield dict(zip(names, map(list, zip(*held, strict=True)), strict=True))
