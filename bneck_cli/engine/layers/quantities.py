"""What a counting rule may weigh: each quantity that a layer can have, declared beside the kinds that have it."""

from __future__ import annotations

from typing import NamedTuple


class Quantity(NamedTuple):
    """A quantity: the ``unit`` that is counted, and ``of`` what.

    The weight of ``general`` stands for it in a rule that does not name it. ``label`` is what the footer calls it where
    a rule leaves it out, and ``head`` the part of a cost that it counts under.
    """

    unit: str
    of: str
    general: str = ""
    label: str = ""
    head: str = ""

    @property
    def product(self) -> bool:
        """Whether it is a product and a sum, which are two operations."""
        return self.unit == "multiply-add"


QUANTITIES: dict[str, Quantity] = {}
"""All of them by name, in the order of the kinds."""


def declare(**quantities: Quantity) -> None:
    """Declare quantities."""
    QUANTITIES.update(quantities)


def elements(of: str, label: str = "", general: str = "") -> Quantity:
    """Make a quantity that counts elements of something."""
    return Quantity("element", f"of {of}", general, label)


declare(
    addition=elements("an addition", "addition"),
    scaling=elements("a scaling", "scaling"),
    size_products=Quantity("product", "of two sizes in the code of a network"),
)
