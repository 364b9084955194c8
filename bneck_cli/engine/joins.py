"""Whether tensors can be added or concatenated; of symbolic ones, for which values of their symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.engine.network import PRODUCTS
from bneck_cli.engine.tensor import Flow, came_from, rank_words
from bneck_cli.errors import BneckError, listed
from bneck_cli.sizes.number import are_whole

if TYPE_CHECKING:
    from bneck_cli.language.document import Place
    from bneck_cli.sizes.agreement import Agreement
    from bneck_cli.sizes.shape import Shape, Size


VERBS = {
    "add": "add",
    "concat": "concatenate",
    "attend": "pair keys and values,",
    "pair": "pair queries and keys,",
}
"""What a join that is not a product does, in messages."""


class Joins:
    """The joins of one walk: what numbers refuse is told at once, what depends on symbols at the end, all together."""

    def __init__(self) -> None:
        self.conditions: dict[str, Agreement] = {}
        self.conflict: BneckError | None = None
        self.apart: dict[str, None] = {}
        """What symbols are taken not to be, in words."""

    def unchanged(self, one: Flow, other: Flow) -> bool:
        """Return whether a body leaves the tensor as it was: its shape, and no stride.

        Where that depends on symbols it does not, and for which values is kept in ``apart``.
        """
        if one.stride != other.stride or len(one.shape.spatial) != len(other.shape.spatial):
            return False
        unequal = []
        pairs = zip((one.shape.channels, *one.shape.spatial), (other.shape.channels, *other.shape.spatial), strict=True)
        for left, right in pairs:
            if left == right:
                continue
            if are_whole(left, right):
                return False
            from bneck_cli.sizes.bounds import compared
            from bneck_cli.sizes.writing import pretty

            equal = compared("==", left, right)
            if equal is False:
                return False
            if equal is None:
                unequal.append(f"{pretty(right)} is not {pretty(left)}")
        if unequal:
            self.apart[" or ".join(unequal)] = None
        return not unequal

    def together(self, op: str, flows: tuple[Flow, ...], place: Place) -> Flow:
        """Require that tensors can be added or multiplied position by position; return the one whose shape leaves.

        A vector, or a map of one position, is the same at every position. A factor may also have one channel, or one
        position along an axis, as gates do.
        """
        whole = _whole(op, flows)
        for other in flows:
            if other is whole or (op in PRODUCTS and is_gate(other.shape, whole.shape)):
                continue
            one, two = (whole, other) if flows.index(whole) < flows.index(other) else (other, whole)
            self.require(
                op,
                one,
                two,
                place,
                axes=not (is_everywhere(other.shape) and len(other.shape.spatial) in (0, len(whole.shape.spatial))),
            )
        return whole

    def require(
        self,
        op: str,
        one: Flow,
        other: Flow,
        place: Place,
        way_out: str = "",
        channels: bool = True,
        axes: bool = True,
    ) -> None:
        """Require that two tensors agree, in ``channels``, in ``axes``; ``way_out`` is a hint added to what differs.

        Symbolic sizes that agree for some values of a symbol are taken to agree; the condition is told at the end,
        together with those of all other joins.
        """
        sides: list[tuple[Size, Size]] = []
        names: list[str] = []
        if channels:
            sides.append((one.shape.channels, other.shape.channels))
            names.append("channels")
        if axes:
            sides += zip(one.shape.spatial, other.shape.spatial, strict=False)
            names += one.shape.axes[: len(sides) - len(names)]
        ranks = not axes or len(one.shape.spatial) == len(other.shape.spatial)
        if ranks and all(left == right for left, right in sides):
            return
        if not ranks:
            raise _apart(op, one, other, place, f"one has {rank_words(one.shape)}, the other {rank_words(other.shape)}")
        found: list[Agreement] = []
        for name, (left, right) in zip(names, sides, strict=True):
            if left == right:
                continue
            if are_whole(left, right):
                raise _apart(op, one, other, place, f"{name} {left} and {right} differ{way_out}")
            from bneck_cli.sizes.agreement import agreement

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
            hint += f": assume it with --assume {stated}"
        self.conflict.hint = hint
        raise self.conflict


def is_everywhere(shape: Shape) -> bool:
    """Whether a tensor is a vector or a map of one position, which is the same at every position of another."""
    return all(size == 1 for size in shape.spatial)


def is_plainly_everywhere(shape: Shape) -> bool:
    """Whether a tensor is the same at every position in any design, whichever its sizes stand for."""
    return all(type(size) is int and size == 1 for size in shape.spatial)


def is_gate(part: Shape, whole: Shape) -> bool:
    """Whether a tensor can be a factor of another: each of its sizes is the other's, or 1."""
    if part.channels not in (1, whole.channels):
        return False
    ranks = len(part.spatial) in (0, len(whole.spatial))
    return ranks and all(mine in (1, theirs) for mine, theirs in zip(part.spatial, whole.spatial, strict=False))


def _whole(op: str, flows: tuple[Flow, ...]) -> Flow:
    """Return the tensor that others are the same everywhere beside; of several, the first."""
    most = max(len(flow.shape.spatial) for flow in flows)
    first, *others = flows
    if (
        len(first.shape.spatial) == most
        and all(is_plainly_everywhere(flow.shape) for flow in others)
        and (op not in PRODUCTS or all(flow.shape.channels == first.shape.channels for flow in others))
    ):
        return first
    full = [flow for flow in flows if not is_everywhere(flow.shape)]
    full = full or [flow for flow in flows if len(flow.shape.spatial) == most]
    if op in PRODUCTS:
        fits = [flow for flow in full if all(is_gate(other.shape, flow.shape) for other in flows)]
        full = fits or full
    return full[0]


def _apart(op: str, one: Flow, other: Flow, place: Place, hint: str = "") -> BneckError:
    """Make the error for two tensors that do not join; where they come from is looked up only for it."""
    verb = VERBS.get(op, "multiply")
    return place.error(f"cannot {verb} {one.shape}{came_from(one)} and {other.shape}{came_from(other)}", hint)
