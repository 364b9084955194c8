"""How much work a spec may ask for: every limit, in one place, and the words for what goes beyond it.

What is bounded is work, not text: a short spec may stand for a large network, and a long one is large by right. So the
limits of a walk grow with the steps that are really written, and with nothing else that makes a text long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TypeVar

    T = TypeVar("T")


class Place(Protocol):
    """Where in a spec the work is asked for."""

    def error(self, message: str, hint: str = "") -> BneckError:
        """Make the error that points there."""


class Limit(NamedTuple):
    """So much of something; each step that is written brings ``each`` more."""

    what: str
    most: int
    each: int = 0
    hint: str = ""


LAYERS = Limit("different layers", 5_000, 4)
STEPS = Limit("steps of the walk", 50_000, 8)
PRODUCTS = Limit("products of terms in one formula", 20_000)
DIGITS = Limit("digits of a number", 78)
FILES = Limit("files that include each other", 200)
ROWS = Limit("rows", 200_000, hint="equal layers stand in one row with --fold, and in tables without --expand")

LARGEST = 10**DIGITS.most
"""What no number of a spec reaches; a size stays below the root of it, so that costs are no worse."""
LARGEST_SIZE = 2**64


def exceeded(limit: Limit, place: Place | None = None, most: int | None = None) -> BneckError:
    """Make the error for more than a limit allows."""
    message = f"that is too much work: more than {most or limit.most:,} {limit.what}"
    return place.error(message, limit.hint) if place is not None else BneckError(message, hint=limit.hint)


class Meter:
    """What one walk has done, against limits that grow with the steps that it has met."""

    def __init__(self) -> None:
        self.written: set[int] = set()
        self.layers = 0
        self.steps = 0

    def step(self, written: object, place: Place) -> None:
        """Count a step that is walked, and the first time it is met what it brings. Raises BneckError beyond."""
        self.written.add(id(written))
        self.steps += 1
        if self.steps > STEPS.most and self.steps > STEPS.most + STEPS.each * len(self.written):
            raise exceeded(STEPS, place, STEPS.most + STEPS.each * len(self.written))

    def layer(self, place: Place) -> None:
        """Count a layer that is worked out anew. Raises BneckError beyond."""
        self.layers += 1
        if self.layers > LAYERS.most and self.layers > LAYERS.most + LAYERS.each * len(self.written):
            raise exceeded(LAYERS, place, LAYERS.most + LAYERS.each * len(self.written))


def bounded(rows: Iterable[T]) -> Iterator[T]:
    """Yield rows, and no more than a report may have. Raises BneckError beyond."""
    for count, row in enumerate(rows):
        if count == ROWS.most:
            raise exceeded(ROWS)
        yield row
