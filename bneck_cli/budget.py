"""How much work a spec may ask for: every limit, in one place, and the words for what goes beyond it.

What is bounded is work, not text: a short spec may stand for a large network, and a long one is large by right. So the
limits of a walk grow with the steps that are really written, and with nothing else that makes a text long. A command
has one budget, however many walks it makes.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bneck_cli.errors import BneckError, TooMuchError
from bneck_cli.shown import grouped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.errors import Location


class Place(Protocol):
    """Where in a spec the work is asked for."""

    def location(self) -> Location:
        """Compute where it is."""


class Limit(NamedTuple):
    """So much of something; each step that is written brings ``each`` more."""

    what: str
    most: int
    each: int = 0
    hint: str = ""


LAYERS = Limit("different layers", 5_000, 4)
STEPS = Limit("steps of the walk", 50_000, 8)
WALKS = 3
"""A command may walk as far as so many of the largest walks."""
PRODUCTS = Limit("products of terms in one formula", 20_000)
TERMS = Limit("terms of all formulas together", 250_000)
DIGITS = Limit("digits of a number", 78)
ITEMS = Limit("items of a list", 10_000)
FILES = Limit("files that include each other", 200)
ROWS = Limit("rows", 50_000, 1, "--fold puts equal layers in one row; so do tables without --expand")
"""A layer that is computed anew brings a row more."""
BOXES = Limit("boxes in one drawing", 500, hint="draw a part of it: --at PATH, or --depth 1")

LARGEST = 10**DIGITS.most
"""What no number of a spec reaches; a size stays below the root of it, so that costs are no worse."""
LARGEST_SIZE = 2**64


def exceeded(limit: Limit, place: Place | None = None, most: int | None = None, where: str = "") -> BneckError:
    """Make the error for more than a limit allows."""
    message = f"that is too much work: more than {grouped(most or limit.most)} {limit.what}{where}"
    return TooMuchError(message, place.location() if place is not None else None, limit.hint)


class Budget:
    """What one command has done, over all its walks and formulas, and all bodies that it met."""

    def __init__(self) -> None:
        self.written: dict[int, object] = {}
        self.layers = self.steps = self.terms = 0


_budget: ContextVar[Budget | None] = ContextVar("budget", default=None)
"""That of the command that runs, if one does."""


@contextmanager
def one_budget() -> Iterator[None]:
    """Let all that is done inside count against one budget: that of the command around it, where there is one."""
    if _budget.get() is not None:
        yield
        return
    token = _budget.set(Budget())
    try:
        yield
    finally:
        _budget.reset(token)


@contextmanager
def budget_of_its_own() -> Iterator[None]:
    """Let what is done inside count for itself: one of many walks, whose number has a limit elsewhere."""
    token = _budget.set(Budget())
    try:
        yield
    finally:
        _budget.reset(token)


def spend_terms(count: int) -> None:
    """Count terms of formulas that are worked on. Raises BneckError beyond."""
    budget = _budget.get()
    if budget is not None:
        budget.terms += count
        if budget.terms > TERMS.most:
            raise exceeded(TERMS)


class Meter:
    """What one walk has done, against limits that grow with the bodies that it has met, and against the budget."""

    def __init__(self) -> None:
        self.budget = _budget.get() or Budget()
        self.weights: dict[int, int] = {}
        self.layers = self.steps = 0

    def met(self, written: object, weight: int) -> int:
        """Note what is met for the first time in a walk, and so brings more; return its weight in steps."""
        self.weights[id(written)] = weight
        self.budget.written[id(written)] = written
        return weight

    def step(self, weight: int, place: Place) -> None:
        """Count steps. Raises BneckError beyond the limit."""
        self.steps += weight
        self.budget.steps += weight
        if self.steps > STEPS.most or self.budget.steps > WALKS * STEPS.most:
            self.require(STEPS, self.steps, self.budget.steps, place)

    def layer(self, place: Place) -> None:
        """Count a layer that is computed anew. Raises BneckError beyond."""
        self.layers += 1
        self.budget.layers += 1
        if self.layers > LAYERS.most or self.budget.layers > WALKS * LAYERS.most:
            self.require(LAYERS, self.layers, self.budget.layers, place)

    def require(self, limit: Limit, here: int, together: int, place: Place) -> None:
        """Require that a walk, and all walks of the command, stay within a limit. Raises BneckError beyond."""
        most = limit.most + limit.each * len(self.weights)
        if here > most:
            raise exceeded(limit, place, most)
        most = WALKS * limit.most + limit.each * len(self.budget.written)
        if together > most:
            raise exceeded(limit, place, most, " in all walks of one command")
