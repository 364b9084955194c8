"""Why one network costs more than another of the same layers: more positions, wider channels, windows that shift.

Each reason is checked on every pair of layers, and left out where it does not hold.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.errors import listed
from bneck_cli.words.paths import ranges
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from fractions import Fraction

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Entry, Layer
    from bneck_cli.questions.alignment import Pair

PARTS = ("conv_macs", "linear_macs", "attention_macs")
NAMED = 3
"""Layers that a sentence names; of more it says how many."""
MAP = frozenset({"padding"})
"""Settings that may follow from the map's size."""
WIDTHS = frozenset({"channels", "groups", "heads", "width"})
"""Settings that may change with the number of channels."""


class Part(NamedTuple):
    """A part of a layer's multiply-adds in both networks."""

    pair: Pair
    name: str
    one: int
    other: int


def reasons(pairs: Sequence[Pair], one: Analysis, other: Analysis) -> Iterator[str]:
    """Say why the totals differ, where every layer has its counterpart."""
    if one.rule is not None or one.batch != other.batch or not all(_numeric(pair) for pair in pairs):
        return
    settings = {change.name for pair in pairs for change in pair.settings}
    before, after = list(one.inputs.values()), list(other.inputs.values())
    if len(before) == len(after) == 1 and len(before[0].spatial) == len(after[0].spatial):
        if settings <= MAP and before[0].channels == after[0].channels and before != after:
            yield from _positions(pairs, before[0].spatial, after[0].spatial)
        elif settings and settings <= WIDTHS and before == after:
            yield from _channels(pairs)
    yield from _shifts(pairs)


def _numeric(pair: Pair) -> bool:
    sizes = [
        size
        for entry in (pair.one, pair.other)
        for size in (entry.layer.cost.params, entry.layer.cost.macs, entry.layer.shape.elements)
    ]
    return all(isinstance(size, int) for size in sizes)


def _parts(pairs: Iterable[Pair]) -> list[Part]:
    """List the parts of multiply-adds that both networks have."""
    return [
        Part(pair, name, before, after)
        for pair in pairs
        for name in PARTS
        if (before := getattr(pair.one.layer.cost, name)) and (after := getattr(pair.other.layer.cost, name))
    ]


def _sums(parts: Sequence[Part]) -> tuple[int, int]:
    return sum(part.one for part in parts), sum(part.other for part in parts)


def _names(pairs: Iterable[Pair]) -> str:
    """Name layers, or say how many they are."""
    paths = list(dict.fromkeys(pair.one.path for pair in pairs))
    folded = ranges(paths)
    return listed(list(folded), "and") if len(folded) <= NAMED else f"{people(len(paths))} layers"


def _ratio(value: Fraction) -> str:
    """Write a ratio with three digits, a whole one plainly."""
    return f"{people(value.numerator)}" if value.denominator == 1 else f"{float(value):.3g}"


# More positions


def _positions(pairs: Sequence[Pair], before: Sequence[Any], after: Sequence[Any]) -> Iterator[str]:
    """Say how multiply-adds grow with the positions of the input."""
    from fractions import Fraction

    times = Fraction(prod(after), prod(before))
    groups: dict[Any, list[Part]] = {}
    for part in _parts(pairs):
        groups.setdefault(_growth(part, times), []).append(part)
    if times == 1 or not groups:
        return
    words = _power(before, after)
    if "all" in groups:
        start, end = _sums(groups["all"])
        number = len({part.pair.one.path for part in groups["all"]})
        who = (
            "every layer runs"
            if len(groups) == 1
            else "1 layer runs"
            if number == 1
            else f"{people(number)} layers run"
        )
        yield (
            f"{_ratio(times)} = {words}: {who} at that many times the positions; "
            f"{people(start)} multiply-adds become {people(end)}."
        )
    else:
        yield f"The input has {words} = {_ratio(times)} times the positions."
    counted = {key: parts for key, parts in groups.items() if isinstance(key, tuple)}
    if len(counted) <= NAMED:
        for (came, left, squared), parts in counted.items():
            start, end = _sums(parts)
            grown = Fraction(left, came)
            who = _names(part.pair for part in parts)
            if squared:
                yield (
                    f"The products of {who} grow ({left}/{came})² = {_ratio(grown * grown)} times, since every token "
                    f"attends to every token: {people(start)} become {people(end)}."
                )
            else:
                change = f"{people(start)} become {people(end)}"
                yield f"{who}: {left}/{came} = {_ratio(grown)} times the positions; {change}."
    elif counted:
        groups.setdefault("other", []).extend(part for parts in counted.values() for part in parts)
    if "other" in groups:
        ratios = [Fraction(part.other, part.one) for part in groups["other"]]
        start, end = _sums(groups["other"])
        yield (
            f"The others, {_names(part.pair for part in groups['other'])}, have their own positions, "
            f"{_ratio(min(ratios))} to {_ratio(max(ratios))} times: {people(start)} become {people(end)}."
        )
    if "stay" in groups:
        has = "has" if len(groups["stay"]) == 1 else "have"
        who = _names(part.pair for part in groups["stay"])
        yield f"{people(_sums(groups['stay'])[0])} stay: {who} {has} as many positions as before."
    yield from _weights(pairs)


def _growth(part: Part, times: Fraction) -> Any:
    """Say with what a part of a layer's multiply-adds grows: with ``all``, or with positions of its own."""
    from fractions import Fraction

    grown = Fraction(part.other, part.one)
    if grown == times:
        return "all"
    if grown == 1:
        return "stay"
    came, left = (entry.layer.out.positions for entry in (part.pair.one, part.pair.other))
    if isinstance(came, int) and isinstance(left, int) and came:
        own = Fraction(left, came)
        if grown == own:
            return (came, left, False)
        if part.name == "attention_macs" and grown == own * own:
            return (came, left, True)
    return "other"


def _power(before: Sequence[Any], after: Sequence[Any]) -> str:
    """Write the ratio of positions: ``(320/224)²``."""
    if len(set(before)) == len(set(after)) == 1 and len(before) > 1:
        return f"({after[0]}/{before[0]}){'²' if len(before) == 2 else '³'}"
    return (
        f"({'·'.join(map(str, after))})/({'·'.join(map(str, before))})"
        if len(before) > 1
        else f"{after[0]}/{before[0]}"
    )


def _weights(pairs: Sequence[Pair]) -> Iterator[str]:
    """Return whether weights depend on the map, and which do."""
    grown = [pair for pair in pairs if pair.one.layer.cost.params != pair.other.layer.cost.params]
    if not grown:
        yield "Weights do not depend on the map."
        return

    start = sum(_params(pair.one) for pair in grown)
    end = sum(_params(pair.other) for pair in grown)
    does = "does" if len(grown) == 1 else "do"
    change = f"{people(start)} become {people(end)}"
    yield f"Weights do not depend on the map, but those of {_names(grown)} {does}: {change}."


def _params(entry: Entry) -> int:
    found = entry.layer.cost.params
    return found if isinstance(found, int) else 0


# Wider channels


def _channels(pairs: Sequence[Pair]) -> Iterator[str]:
    """Say how multiply-adds grow with the channels, and why not with their square where they do not."""
    from fractions import Fraction

    parts = [part for part in _parts(pairs) if part.name != "attention_macs"]
    if not parts or any(pair.one.layer.out.spatial != pair.other.layer.out.spatial for pair in pairs):
        return
    grown = Counter(_grown(part.pair.one.layer, part.pair.other.layer)[1] for part in parts)
    del grown[Fraction(1)]
    if not grown:
        return
    times = grown.most_common(1)[0][0]
    groups: dict[str, list[Part]] = {}
    for part in parts:
        came, left = _grown(part.pair.one.layer, part.pair.other.layer)
        ratio = Fraction(part.other, part.one)
        if (came, left, ratio) == (times, times, times * times):
            key = "both"
        elif (came, left, ratio) == (times, times, times):
            key = "each"
        elif ratio == times and 1 in (came, left):
            key = "left" if came == 1 else "came"
        else:
            key = "stay" if ratio == 1 else "other"
        groups.setdefault(key, []).append(part)
    start, end = _sums(parts)
    if "other" in groups or not {"both", "each"} & set(groups):
        return
    whole, square = Fraction(end, start), times * times
    base = f"{_ratio(times)}²" if times.denominator == 1 else f"({times})²"
    said = f"{base} = {_ratio(square)}"
    said = said if whole == square else f"{_shown(whole, square)} and not {said}"
    told = []
    if "both" in groups:
        number = len(groups["both"])
        who = f"{people(number)} layers have" if number > 1 else "1 layer has"
        told.append(f"{who} {_ratio(times)} times the channels on both sides")
    if "each" in groups:
        told.append(
            f"{_names(part.pair for part in groups['each'])} filter{'s' * (len(groups['each']) == 1)} each channel by "
            f"itself ({_ratio(times)} times)"
        )
    for key, side in (("left", "the input"), ("came", "the output")):
        if key in groups:
            told.append(f"{side} of {_names(part.pair for part in groups[key])} stays ({_ratio(times)} times)")
    if "stay" in groups:
        stay = "stays as it is" if len(groups["stay"]) == 1 else "stay as they are"
        told.append(f"{_names(part.pair for part in groups['stay'])} {stay}")
    yield f"{said}: {listed(told, 'and')}."


def _shown(value: Fraction, other: Fraction) -> str:
    """Write a ratio with as many digits as set it apart from another."""
    return next(
        (text for digits in range(3, 12) if (text := f"{float(value):.{digits}g}") != f"{float(other):.{digits}g}"), ""
    )


def _grown(one: Layer, other: Layer) -> tuple[Fraction, Fraction]:
    """Return by how much the channels grew that arrive, and those that leave."""
    from fractions import Fraction

    def ratio(before: object, after: object) -> Fraction:
        return Fraction(after, before) if isinstance(before, int) and isinstance(after, int) else Fraction(0)

    return ratio(one.shape.channels, other.shape.channels), ratio(one.out.channels, other.out.channels)


# Windows that shift


def _shifts(pairs: Sequence[Pair]) -> Iterator[str]:
    """Say where windows of the same size and stride lie elsewhere, since their padding is divided otherwise."""
    groups: dict[tuple[tuple[int, int], tuple[int, int]], list[Pair]] = {}
    for pair in pairs:
        first, second = pair.one.layer, pair.other.layer
        if first.rule is None or second.rule is None or first.shape != second.shape or first.out != second.out:
            continue
        windows = [layer.rule.geometry(layer.shape) for layer in (first, second)]
        if None in windows or windows[0].transposed or windows[0][:2] != windows[1][:2]:
            continue
        sides = [set(window.padding) for window in windows]
        if len(sides[0]) == len(sides[1]) == 1 and sides[0] != sides[1] and "tf_same" not in sides[0] | sides[1]:
            groups.setdefault((sides[0].pop(), sides[1].pop()), []).append(pair)
    for (before, after), held in groups.items():
        shift = before[0] - after[0]
        if shift:
            way = "later" if shift > 0 else "earlier"
            yield (
                f"The windows of {_names(held)} begin {abs(shift)} position{'s' * (abs(shift) != 1)} {way}: padding is "
                f"{after[0]} before and {after[1]} after, where it was {before[0]} and {before[1]}."
            )
