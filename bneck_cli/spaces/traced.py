"""A number that stands for the numbers of all designs, wherever the engine's rules take one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.sizes.number import WHOLE

if TYPE_CHECKING:
    from bneck_cli.spaces.trail import Trail


class Traced:
    """A whole number that stands for that of every design: it has the value of one, and the entry of all.

    It answers for an ``int`` wherever a rule asks for one, and is none: what would take the value and drop the entry
    (an index, a hash) first settles that the design has that value, so that no answer can be wrong for another.
    """

    __slots__ = ("at", "trail", "value")

    def __init__(self, trail: Trail, at: int, value: int) -> None:
        self.trail, self.at, self.value = trail, at, value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """An ``int``, to code that asks."""
        return int

    def applied(self, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator of the tape to this number and another."""
        return self.trail.applied(operator, left, right)

    def _with(self, operator: str, left: Any, right: Any) -> Any:
        if not (isinstance(left, int) and isinstance(right, int)):
            return NotImplemented
        return self.trail.applied(operator, left, right)

    def __add__(self, other: Any) -> Any:
        return self._with("+", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._with("+", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._with("-", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._with("-", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._with("*", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._with("*", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return self._with("//", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._with("//", other, self)

    def __mod__(self, other: Any) -> Any:
        return self._with("%", self, other)

    def __rmod__(self, other: Any) -> Any:
        return self._with("%", other, self)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> Any:
        return other // self, other % self

    def __pow__(self, power: Any) -> Any:
        result: Any = 1
        for _ in range(power):
            result = result * self
        return result

    def __neg__(self) -> Any:
        return 0 - self

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def _compared(self, operator: str, left: Any, right: Any, outcome: bool = True) -> Any:
        if not (isinstance(left, int) and isinstance(right, int)):
            return NotImplemented
        return self.trail.compared(operator, left, right) == outcome

    def __eq__(self, other: object) -> Any:
        return self._compared("==", self, other)

    def __ne__(self, other: object) -> Any:
        return self._compared("==", self, other, False)

    def __lt__(self, other: Any) -> Any:
        return self._compared("<", self, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared("<", other, self)

    def __le__(self, other: Any) -> Any:
        return self._compared("<", other, self, False)

    def __ge__(self, other: Any) -> Any:
        return self._compared("<", self, other, False)

    def __bool__(self) -> bool:
        return not self == 0  # noqa: SIM201  (a question to the trail, as every other)

    def settled(self) -> int:
        """Return the value, once the design is known to have it."""
        self.trail.require(self)
        return self.value

    __index__ = __int__ = settled

    def __hash__(self) -> int:
        return hash(self.settled())

    def __format__(self, form: str) -> str:
        return str(self) if form in ("", ",", "x") else format(self.settled(), form)

    def __str__(self) -> str:
        return self.trail.written(self)

    def written_ratio(self, above: Any, below: Any) -> str:
        """Write a ratio of this number and another."""
        return self.trail.written_ratio(above, below)

    __repr__ = __str__


WHOLE.add(Traced)
