"""The meaning of a number in a definition: a literal, a multiple of the surrounding channels, or a parameter."""

from __future__ import annotations

from typing import Any, NamedTuple

from bneck_cli.bridges.graph import spelled

Vector = tuple[Any, ...]
"""A value for each use of a block; None if the use has not the layer that it belongs to."""

SIZES = frozenset({"channels", "groups", "heads", "head_dim", "width"})
"""Slots that may follow the channels around them."""
MULTIPLES = (2, 3, 4, 5, 6, 8, 10, 12, 16, 32)
DIVISORS = (2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 32, 64)
RATIOS = ((3, 2), (3, 4), (2, 3), (9, 16), (5, 2), (7, 2), (9, 2), (4, 3), (3, 8))


class Parameter(NamedTuple):
    """A parameter of a block: its value in each use, its default as written, and the default's value in each use."""

    name: str
    slot: str
    values: Vector
    default: str | None
    defaults: Vector


class Around(NamedTuple):
    """Channels that a size may follow, in each use: those that leave the block, that enter it, and that are here."""

    channels: Vector
    cin: Vector
    here: Vector


def known(values: Vector) -> list[Any]:
    """Return the values of the uses that have one."""
    return [value for value in values if value is not None]


def constant(values: Vector) -> bool:
    """Return whether all uses agree."""
    return len({repr(value) for value in known(values)}) <= 1


def round8(value: int, by: int) -> int:
    """Round channels to a multiple of 8 as the papers do, never by more than a tenth down."""
    new = max(8, (2 * value + 8 * by) // (16 * by) * 8)
    return new + 8 if 10 * new * by < 9 * value else new


def forms(base: str) -> list[tuple[str, Any]]:
    """List expressions of channels by preference, each with what it gives; None if it is not exact."""
    found: list[tuple[str, Any]] = [(base, lambda x: x)]
    found += [(f"{k}*{base}", lambda x, k=k: k * x) for k in MULTIPLES]
    found += [(f"{base}/{k}", lambda x, k=k: x // k if x % k == 0 else None) for k in DIVISORS]
    found += [(f"{p}*{base}/{q}", lambda x, p=p, q=q: p * x // q if p * x % q == 0 else None) for p, q in RATIOS]
    found += [(f"round8({base}/{k})", lambda x, k=k: round8(x, k)) for k in (2, 3, 4, 8, 16, 24, 32)]
    return found


def fit(values: Vector, around: Around, share: float = 1.0) -> tuple[str, Vector] | None:
    """Find the first expression that holds in every use, or in a ``share`` of them; with its value in each."""
    bases: tuple[tuple[str, Vector], ...] = (
        ("channels", around.channels),
        ("cin", around.cin),
        ("c", around.here),
    )
    if around.channels == around.cin:
        bases = bases[1:]
    candidates: list[tuple[int, str, Vector]] = []
    need = known(values)
    for base, numbers in bases:
        for rank, (text, form) in enumerate(forms(base)):
            given = tuple(None if number is None else form(number) for number in numbers)
            held = sum(mine is not None and mine == theirs for mine, theirs in zip(values, given, strict=True))
            whole = all(one is not None for one, mine in zip(given, values, strict=True) if mine is not None)
            if held == len(need):
                candidates.append((rank, text, given))
                break
            simple = not text.startswith("round8") and "/" not in text.replace(f"{base}/", "", 1)
            if share < 1 and whole and simple and held >= share * len(need) and held > 1:
                candidates.append((1000 + len(need) - held, text, given))
                break
    if not candidates:
        return None
    _, text, given = min(candidates, key=lambda one: one[0] if one[0] >= 1000 else one[0] > 0)
    return text, given


def usual(values: Vector) -> Any:
    """Return the value that most uses have, where at least half do; None if none has."""
    held = known(values)
    counts: dict[str, int] = {}
    for value in held:
        counts[repr(value)] = counts.get(repr(value), 0) + 1
    best = max(counts, key=lambda key: counts[key])
    return next(value for value in held if repr(value) == best) if 2 * counts[best] >= len(held) else None


class Parameters:
    """The parameters of one definition while its body is written."""

    def __init__(self, channels: Vector, cin: Vector) -> None:
        self.channels = channels
        self.cin = cin
        self.found: list[Parameter] = []
        self.uses_channels = False
        self.taken = {"channels", "cin", "c", "h", "w", "x"}

    def text(self, slot: str, values: Vector, here: Vector, word: str = "", copies: bool = False) -> str:
        """Say what a slot holds in the body; a value that nothing explains becomes a parameter.

        What may stand in ``copies`` is not said by the input of the block: in a repeat that is the input of each copy.
        """
        held = known(values)
        cin = (None,) * len(here) if copies and self.cin != here else self.cin
        around = Around(self.channels, cin, here)
        if slot in SIZES and all(isinstance(value, int) for value in held):
            moves = not (constant(self.channels) and constant(self.cin) and constant(here))
            if constant(values) and (moves or slot != "channels"):
                return spelled(held[0])
            fitted = fit(values, around)
            if fitted is not None:
                known_as = next((one.name for one in self.found if self.stands_for(one, fitted[0], values)), "")
                return known_as or self.expression(fitted[0])
        if constant(values):
            return spelled(held[0])
        for place, one in enumerate(self.found):
            if one.slot == slot and self.same(one.values, values):
                both = tuple(b if a is None else a for a, b in zip(one.values, values, strict=True))
                self.found[place] = self.made(one.name, slot, both, around)
                return one.name
        name = self.name("width" if slot == "channels" else slot, word)
        self.found.append(self.made(name, slot, values, around))
        return name

    def again(self) -> None:
        """Begin anew with the parameters that were found."""
        self.uses_channels = any("channels" in (one.default or "") for one in self.found)

    def stands_for(self, one: Parameter, text: str, values: Vector) -> bool:
        """Return whether a parameter is what an expression says, and more."""
        return one.default == text and self.same(one.values, values)

    def expression(self, text: str) -> str:
        """Use an expression, and know whether it needs the output channels."""
        self.uses_channels = self.uses_channels or "channels" in text
        return text

    def same(self, one: Vector, other: Vector) -> bool:
        """Return whether two slots hold the same wherever both are there."""
        return all(a == b or a is None or b is None for a, b in zip(one, other, strict=True))

    def made(self, name: str, slot: str, values: Vector, around: Around) -> Parameter:
        """Make a parameter, with the default that most uses have."""
        default, defaults = None, (None,) * len(values)
        if slot in SIZES and all(isinstance(value, int) for value in known(values)):
            fitted = fit(values, around._replace(here=(None,) * len(values)), 0.5)
            if fitted is not None:
                default, defaults = self.expression(fitted[0]), fitted[1]
        else:
            value = {"stride": 1, "shift": 0}.get(slot, usual(values))
            if value is not None:
                default, defaults = spelled(value), (value,) * len(values)
        return Parameter(name, slot, values, default, defaults)

    def finished(self) -> list[Parameter]:
        """Return the parameters, sizes first and conditions last; a use without the layer has what is usual."""
        found = []
        for one in self.found:
            values = tuple(a if a is not None else b for a, b in zip(one.values, one.defaults, strict=True))
            filler = known(values)[0]
            found.append(one._replace(values=tuple(filler if value is None else value for value in values)))
        order = ("channels", "width", "kernel", "stride", "act", "if")
        rank = {slot: place for place, slot in enumerate(order)}
        return sorted(found, key=lambda one: rank.get(one.slot, 3))

    def flag(self, present: tuple[bool, ...], word: str) -> str:
        """Add a parameter that says whether a part is there."""
        for one in self.found:
            if one.values == present:
                return one.name
        value = sum(present) * 2 >= len(present)
        name = self.name(word, "")
        self.found.append(Parameter(name, "if", present, spelled(value), (value,) * len(present)))
        return name

    def name(self, word: str, others: str) -> str:
        """Return a name that is not taken: a size's after the layer's attribute, else the usual one."""
        names = [*others.split(), word] if word == "width" else [word, *(f"{one}_{word}" for one in others.split())]
        name = next((one for one in names if one not in self.taken), "")
        count = 2
        while not name:
            name = f"{word}{count}" if f"{word}{count}" not in self.taken else ""
            count += 1
        self.taken.add(name)
        return name
