"""The arithmetic of attention: its four linear layers, its two products, and how both grow with the tokens."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.questions.explain.facts import whole
from bneck_cli.words.values import counted, people

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.questions.explain.facts import LayerFacts
    from bneck_cli.questions.explain.place import Subject

LINEAR = 4
"""Queries, keys, values and the projection."""


class Attending(NamedTuple):
    """Attention within ``windows`` of ``tokens`` each (one window of all positions if there are none)."""

    channels: int
    heads: int
    windows: int
    sides: tuple[int, ...]
    tokens: int
    biases: int

    @property
    def weights(self) -> int:
        """Weights of the four linear layers."""
        return LINEAR * self.channels * self.channels

    @property
    def linear(self) -> int:
        """Multiply-adds of the four linear layers."""
        return self.weights * self.windows * self.tokens

    @property
    def offsets(self) -> int:
        """How many relative positions there are in a window."""
        return prod(2 * w - 1 for w in self.sides)

    @property
    def scores(self) -> int:
        """Multiply-adds of the scores; the weighted sum has as many."""
        return self.windows * self.tokens * self.tokens * self.channels


def attending(each: LayerFacts) -> Attending | None:
    """Compute an attention layer; None if its products do not come to what the analysis has."""
    rule, x = each.layer.rule, each.shape
    if each.part != "attention" or rule.product:
        return None
    channels = whole(x.channels)
    sides: tuple[int, ...] = ()
    windows, tokens = 1, whole(x.positions)
    if rule.window is not None:
        rank = len(x.spatial)
        sides = rule.window if isinstance(rule.window, tuple) else (rule.window,) * rank
        windows = prod(-(-whole(n) // w) for n, w in zip(x.spatial, sides, strict=True))
        tokens = prod(sides)
    found = Attending(
        channels=channels,
        heads=whole(rule.heads) if rule.heads is not None else channels // whole(rule.head_dim),
        windows=windows,
        sides=sides,
        tokens=tokens,
        biases=0 if rule.nobias else LINEAR * channels,
    )
    cost = each.layer.cost
    fits = cost.attention_macs == 2 * found.scores and cost.macs == found.linear + 2 * found.scores
    return found if fits and whole(cost.params) >= found.weights + found.biases else None


def products(each: LayerFacts) -> Iterator[str]:
    """Write the four linear layers and the two products."""
    found, cost = attending(each), each.layer.cost
    if found is None:
        yield f"{counted(whole(cost.params), 'parameter')}; {counted(whole(cost.macs), 'multiply-add')}"
        return
    c, n = found.channels, found.tokens
    where = f"·{found.windows}·{n}" if found.sides else f"·{n}"
    if found.sides:
        square = "·".join(map(str, found.sides))
        padded = ""
        if found.windows * n != each.shape.positions:
            sizes = (-(-whole(size) // w) * w for size, w in zip(each.shape.spatial, found.sides, strict=True))
            padded = f", for which {each.shape.side} is padded to {'×'.join(map(str, sizes))}"
        yield f"{counted(found.windows, 'window')} of {square} = {n} tokens{padded}"
    biases = f" + {LINEAR}·{c} = {people(found.biases)} biases" if found.biases else ""
    yield (
        f"queries, keys, values and the projection: weights {LINEAR}·{c}·{c} = {people(found.weights)}{biases}; "
        f"multiply-adds {people(found.weights)}{where} = {people(found.linear)}"
    )
    rest = whole(cost.params) - found.weights - found.biases
    if rest and each.layer.rule.position == "relative" and rest == found.offsets * found.heads:
        sides = "·".join(f"(2·{w} - 1)" for w in found.sides)
        yield f"a bias for each relative position and each head: {sides}·{found.heads} = {people(rest)} parameters"
    elif rest:
        yield f"{people(rest)} other parameters"
    many = f"{found.windows}·" if found.sides else ""
    yield (
        f"scores, every token with every token: {many}{n}·{n}·{c} = {people(found.scores)} multiply-adds; the "
        f"weighted sum of the "
        f"values, as many; {people(found.linear)} + 2·{people(found.scores)} = {people(whole(cost.macs))}"
    )


def growth(subject: Subject) -> Iterator[str]:
    """Say how the cost of attention grows with the tokens, and from where on the products cost more than the rest."""
    worked = [(each, attending(each)) for each in subject.running if each.part == "attention"]
    known = [(each, found) for each, found in worked if found is not None]
    if not known or len(known) < len(worked):
        return
    first = known[0][1]
    if any((found.tokens, found.heads, found.sides) != (first.tokens, first.heads, first.sides) for _, found in known):
        return
    heads = f", separately in each of {first.heads} heads; the projection mixes the heads" if first.heads > 1 else ""
    yield (
        f"Every token becomes a query, a key and a value. Its query is compared with the key of every token"
        f"{' in its window' if first.sides else ''}, and the {people(first.tokens)} scores weigh the values{heads}."
    )
    if first.sides:
        yield (
            "Tokens attend only within their window, so twice as many windows cost twice as much, in the linear "
            "layers and in the products."
        )
        return
    yield (
        "Every token attends to every token: twice the tokens cost twice as much in the linear layers, and four "
        "times as much in the products."
    )
    tokens = first.tokens
    others = [each for each in subject.running if each.layer.cost.macs and each.part != "attention"]
    if any(each.part != "linear" or each.macs is None or each.out.positions != tokens for each in others):
        return
    linear = sum(each.copies * found.weights for each, found in known)
    linear += sum(each.copies * each.weights.value for each in others if each.weights)
    twice = 2 * sum(each.copies * found.channels for each, found in known)
    products = tokens * tokens * twice
    yield (
        f"At {people(tokens)} tokens the linear layers take {people(linear)}·{tokens} = "
        f"{people(linear * tokens)} multiply-adds and the "
        f"products {people(products)}."
    )
    if linear % twice == 0:
        equal = linear // twice
        yield (
            f"They are equal at {people(linear)}/{people(twice)} = {people(equal)} tokens; beyond that the "
            f"products cost more."
        )
