"""Steps as written in a spec, with equal neighbours folded into repeats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.engine.layers import LAYERS

if TYPE_CHECKING:
    from collections.abc import Iterable


class Step(NamedTuple):
    """A step as written: its name, its arguments, its options."""

    name: str
    arguments: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    """By name; a flag has no value."""
    first: tuple[tuple[str, str], ...] = ()
    copies: int = 1


class Structure(NamedTuple):
    """A structure as written: its key, its bodies, and further keys (a shortcut, a condition; others by name)."""

    key: str
    bodies: tuple[tuple[Any, ...], ...]
    word: str = ""
    options: tuple[tuple[str, str], ...] = ()


Written = Step | Structure


def repeated(steps: Iterable[Written]) -> list[Written]:
    """Write equal neighbours once with their number; a first that differs in options alone is `first(...)`.

    What comes again and again as a group is `repeat`.
    """
    left = list(steps)
    found: list[Written] = []
    place = 0
    while place < len(left):
        copies, period = _run(left, place)
        one, after = _row(left, place)
        if copies * period > after - place:
            found.append(Structure("repeat", (tuple(repeated(left[place : place + period])),), str(copies)))
            place += copies * period
        else:
            found.append(one)
            place = after
    return found


def _row(steps: list[Written], place: int) -> tuple[Written, int]:
    """Return a step with its copies, and the place after them."""
    step, after = steps[place], place + 1
    if not isinstance(step, Step) or not _counts(step):
        return step, after
    while after < len(steps):
        other = steps[after]
        if not isinstance(other, Step):
            break
        if (other.name, other.arguments, other.options) == (step.name, step.arguments, step.options):
            step = step._replace(copies=step.copies + 1)
        else:
            first = _first(step, other)
            if first is None or _run(steps, after)[0]:
                break
            step = other._replace(copies=2, first=first)
        after += 1
    return step, after


def _counts(step: Step) -> bool:
    """Return whether a step may be repeated by its number: a block, and not a layer or a name."""
    return step.name not in LAYERS and step.name not in ("as", "from", "identity")


def _first(last: Step, step: Step) -> tuple[tuple[str, str], ...] | None:
    """Return the options of a first copy that differs from the next in them alone."""
    if last.copies > 1 or last.first or last.name != step.name or last.arguments != step.arguments:
        return None
    mine, theirs = dict(last.options), dict(step.options)
    if set(theirs) - set(mine):
        return None
    return tuple((name, value) for name, value in mine.items() if theirs.get(name) != value)


def _run(steps: list[Written], place: int) -> tuple[int, int]:
    """Find the group of steps that comes again and again from here: how often, and how many they are."""
    best = (0, 0)
    for period in range(2, 7):
        run = steps[place : place + period]
        if len(run) < period or not _worth(run) or all(step == run[0] for step in run):
            continue
        if any(isinstance(step, Step) and step.name in ("as", "from") for step in run):
            continue
        copies = 1
        while steps[place + copies * period : place + (copies + 1) * period] == run:
            copies += 1
        if copies > 1 and copies * period > best[0] * best[1]:
            best = (copies, period)
    return best


def _worth(run: list[Written]) -> bool:
    """Return whether steps are more than a layer with its norm and activation."""
    return len(run) > 1 and any(not isinstance(step, Step) or step.name not in LAYERS for step in run)
