"""Sentences about single layers: their function, their output size and its reason, and their costs as products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.questions.explain.attention import products
from bneck_cli.questions.explain.facts import whole
from bneck_cli.sizes.shape import AXES
from bneck_cli.words.values import counted, people

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bneck_cli.questions.explain.facts import Axis, LayerFacts, Product, Sums

MOST_TERMS = 8
"""Terms of a sum that are written out."""


def extent(sizes: Sequence[int]) -> str:
    """Write sizes by axis: one number where they agree."""
    return str(sizes[0]) if len(set(sizes)) == 1 else "×".join(map(str, sizes))


def kernel_of(each: LayerFacts) -> str:
    """Write a window: ``3×3``."""
    return "×".join(map(str, each.kernel))


def product(found: Product) -> str:
    """Write a product and its value: ``3·3·64·64 = 36,864``."""
    return f"{'·'.join(map(str, found.factors))} = {people(found.value)}"


def total(sums: Sums, value: int | None = None) -> str:
    """Write a sum: ``16,384 + 36,864 + 16,384 = 69,632``; of many terms, how many they are."""
    value = sums.value if value is None else value
    if len(sums.terms) > MOST_TERMS:
        return f"{people(value)} in {people(sum(copies for copies, _ in sums.terms))} layers"
    terms = [
        f"{people(amount)}" if copies == 1 else f"{people(copies)}·{people(amount)}" for copies, amount in sums.terms
    ]
    return f"{' + '.join(terms)} = {people(value)}" if len(terms) > 1 or sums.terms[0][0] > 1 else f"{people(value)}"


# Layer by layer


def layer_lines(layers: Iterable[LayerFacts]) -> Iterator[str]:
    """Say what each layer that mixes, moves or changes the map does; then how, in lines of their own."""
    for each in layers:
        mixes = each.part in ("conv", "linear", "attention", "tokens")
        role = "" if each.layer.rule is None else each.layer.rule.role(each.shape, each.out)
        if each.idle or not (mixes or role or each.reshapes or each.layer.cost.macs):
            continue
        copies = f" ({people(each.copies)} times)" if each.copies > 1 else ""
        yield f"{each.path}{copies}: {each.text}, {each.shape} to {each.out}. {role}".rstrip()
        if each.window is not None:
            yield f"  {geometry(each)}"
        yield from (f"  {line}" for line in arithmetic(each))


def geometry(each: LayerFacts) -> str:
    """Say how a window moves, and why the map keeps or changes its size."""
    window: Any = each.window
    parts = []
    if each.convolves:
        parts.append(f"{counted(each.filters, 'filter')} of {'×'.join(map(str, each.filter))}")
    parts.append(f"stride {extent(window.stride)}")
    parts.append(_padding(each.axes))
    if each.reshapes:
        follows = f"so {each.shape.side} becomes {each.out.side}"
    else:
        many = "" if len(each.out.spatial) > 1 else " long"
        follows = f"so the {each.shape.noun} stays {each.out.side}{many}"
    return f"{', '.join(parts)}: {formulas(each.axes)}, {follows}"


def _padding(axes: Sequence[Axis]) -> str:
    sides = [(axis.before, axis.after) for axis in axes]
    if not any(before or after for before, after in sides):
        return "no padding"
    if all(before == after for before, after in sides):
        return f"padding {extent([before for before, _ in sides])}"
    words = [f"{before} before and {after} after" for before, after in sides]
    if len(set(words)) == 1:
        return f"padding {words[0]}"
    return "padding " + ", ".join(f"{name} {word}" for name, word in zip(AXES[len(axes)], words, strict=True))


def formulas(axes: Sequence[Axis]) -> str:
    """Write how every axis becomes as long as it is; once where all are alike."""
    texts = [formula(axis) for axis in axes]
    if len(set(texts)) == 1:
        return texts[0]
    return ", ".join(f"{name} {text}" for name, text in zip(AXES[len(axes)], texts, strict=True))


def formula(axis: Axis) -> str:
    """Write how a window makes an axis of another: ``⌊(224 + 2·3 - 7)/2⌋ + 1 = 112``."""
    n, m, k, s, d = axis.size, axis.out, axis.kernel, axis.stride, axis.dilation
    if axis.transposed:
        cut = _sides(axis, "-")
        reach = f"{k}" if d == 1 else f"{d}·({k} - 1) + 1"
        extra = f" + {axis.extra}" if axis.extra else ""
        return f"({n} - 1)·{s}{cut} + {reach}{extra} = {m}"
    reach = f"{k}" if d == 1 else f"{d}·({k} - 1) - 1"
    inside = f"({n}{_sides(axis, '+')} - {reach})/{s}"
    if not axis.ceil:
        return f"⌊{inside}⌋ + 1 = {m}"
    whole_windows = -(-axis.room // s) + 1
    if whole_windows == m:
        return f"⌈{inside}⌉ + 1 = {m}"
    return f"⌈{inside}⌉ + 1 = {whole_windows}, of which the last would lie in the padding and is left out: {m}"


def _sides(axis: Axis, sign: str) -> str:
    """Write what is added at the sides, or with ``sign`` - taken away; of a negative number the other sign."""
    pairs = [(2, axis.before)] if axis.before == axis.after else [(1, axis.before), (1, axis.after)]
    other = "-" if sign == "+" else "+"
    said = [f" {sign if side > 0 else other} {'2·' * (count > 1)}{abs(side)}" for count, side in pairs if side]
    return "".join(said)


# Costs


def arithmetic(each: LayerFacts) -> Iterator[str]:
    """Write a layer's weights and multiply-adds as products."""
    if each.weights is not None and each.macs is not None:
        biases = f" + {counted(each.biases, 'bias')}" if each.biases else ""
        first, *places = each.macs.factors
        where = "".join(f"·{size}" for size in places)
        macs = (
            f"{people(first)}{where} = {people(each.macs.value)}" if places else f"{people(first)}, one for each weight"
        )
        yield f"weights {product(each.weights)}{biases}; multiply-adds {macs}"
    elif worked := each.layer.rule.worked(each.shape, each.out) if each.layer.rule is not None else ():
        yield from worked
    elif each.part == "attention":
        yield from products(each)
    elif each.layer.cost.params or each.layer.cost.macs:
        yield (
            f"{counted(whole(each.layer.cost.params), 'parameter')}; "
            f"{counted(whole(each.layer.cost.macs), 'multiply-add')}"
        )
