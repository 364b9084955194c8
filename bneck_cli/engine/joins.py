"""Whether tensors can be added or concatenated; of symbolic ones, for which values of their symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.tensor import Flow, came_from, rank_words
from bneck_cli.errors import BneckError, listed

if TYPE_CHECKING:
    from bneck_cli.language.document import Place
    from bneck_cli.sizes.dim import Agreement


class Joins:
    """The joins of one walk: what numbers refuse is told at once, what depends on symbols at the end, all together."""

    def __init__(self) -> None:
        self.conditions: dict[str, Agreement] = {}
        self.conflict: BneckError | None = None

    def require(self, op: str, one: Flow, other: Flow, place: Place, way_out: str = "") -> None:
        """Require equal shapes to add, equal maps to concatenate; ``way_out`` is a hint added to what differs.

        Symbolic sizes that agree for some values of a symbol are taken to agree; the condition is told at the end,
        together with those of all other joins.
        """
        sides = list(zip(one.shape.spatial, other.shape.spatial, strict=False))
        names = list(one.shape.axes[: len(sides)])
        if op == "add":
            sides.insert(0, (one.shape.channels, other.shape.channels))
            names.insert(0, "channels")
        if len(one.shape.spatial) == len(other.shape.spatial) and all(left == right for left, right in sides):
            return
        if len(one.shape.spatial) != len(other.shape.spatial):
            raise _apart(op, one, other, place, f"one has {rank_words(one.shape)}, the other {rank_words(other.shape)}")
        found: list[Agreement] = []
        for name, (left, right) in zip(names, sides, strict=True):
            if left == right:
                continue
            if isinstance(left, int) and isinstance(right, int):
                raise _apart(op, one, other, place, f"{name} {left} and {right} differ{way_out}")
            from bneck_cli.sizes.dim import agreement

            agreed = agreement(left, right)
            if not agreed.residues:
                raise _apart(op, one, other, place, f"{name}: {agreed}")
            found.append(agreed)
        for agreed in found:
            if not agreed.always:
                known = self.conditions.get(agreed.symbol)
                both = known.also(agreed) if known else agreed
                told = agreed.symbol if both.modulus else f"{agreed.symbol} modulo {agreed.modulus}"
                self.conditions[told] = both if both.modulus else agreed
                self.conflict = self.conflict or _apart(op, one, other, place)

    def require_conditions(self) -> None:
        """Tell of symbolic sizes that join only for some values of their symbols."""
        if self.conflict is None:
            return
        conditions = [agreed for agreed in self.conditions.values() if not agreed.always]
        said = listed([agreed.condition for agreed in conditions], "and")
        hint = f"equal only when {said}"
        if all(agreed.residues == {0} for agreed in conditions):
            stated = ",".join(f"{agreed.symbol}%{agreed.modulus}==0" for agreed in conditions)
            hint += f": state it with --assume {stated}"
        self.conflict.hint = hint
        raise self.conflict


def _apart(op: str, one: Flow, other: Flow, place: Place, hint: str = "") -> BneckError:
    """Make the error for two tensors that do not join; where they come from is looked up only for it."""
    verb = {"add": "add", "concat": "concatenate"}[op]
    return place.error(f"cannot {verb} {one.shape}{came_from(one)} and {other.shape}{came_from(other)}", hint)
