"""What PyTorch's autograd saves of a network for the backward pass: tensors, each once, and what layers keep beside.

A layer keeps what its derivative is written in (``Kind.keeps``). A tensor that two layers keep is one, and views share
the storage of theirs. Nothing is kept of what no parameter precedes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

from bneck_cli.engine.layers import Keeps, Kind
from bneck_cli.engine.layers.products import Scores, WeightedSum
from bneck_cli.engine.network import PRODUCTS, Layer
from bneck_cli.engine.operations import operations
from bneck_cli.flow.recompute import Blocks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Size
    from bneck_cli.engine.operations import Operation, Part

INDEX_BYTES = 8
ATTENTION = {
    "usual": "attention over all positions is fused (its scores are never written), within windows plain",
    "fused": "attention is fused: its scores are never written",
    "plain": "attention is plain: its scores, heads·L·L, are written",
}
"""Whether the scores of attention are written, in words."""


class Saved(NamedTuple):
    """Elements saved for one input: ``values`` as wide as the tensors, ``indices``, ``mask``.

    ``statistics`` are values of the whole batch.
    """

    values: Size = 0
    indices: Size = 0
    mask: Size = 0
    statistics: Size = 0

    def plus(self, other: Saved | Keeps, times: int = 1) -> Saved:
        """Add a multiple of another."""
        return Saved(
            self.values + other.values * times,
            self.indices + other.indices * times,
            self.mask + other.mask * times,
            self.statistics + other.statistics * times,
        )

    def bytes(self, batch: Size, width: int) -> Size:
        """Count bytes: a value is ``width`` wide, an index 8 bytes, an element of a mask 1."""
        return (self.values * width + self.indices * INDEX_BYTES + self.mask) * batch + self.statistics * width


class _Storage:
    """A tensor's memory: its size, how many copies have one, whether a gradient flows, whether it is kept.

    ``score`` says that it is made of scores of attention, which are computed again and not kept.
    """

    __slots__ = ("kept", "learned", "score", "size", "times")

    def __init__(self, size: Size, times: int, learned: bool, kept: bool = False, score: bool = False) -> None:
        self.size, self.times, self.learned, self.kept, self.score = size, times, learned, kept, score


class _Own(NamedTuple):
    """What layers keep beside shared tensors, and multiply-adds of one input.

    They are those of the backward pass, of the forward pass, and of what of it runs again.
    """

    saved: Saved = Saved()
    backward: Size = 0
    forward: Size = 0
    again: Size = 0

    def plus(self, other: _Own, times: int = 1) -> _Own:
        """Add a multiple of another."""
        macs = [mine + theirs * times for mine, theirs in zip(self[1:], other[1:], strict=True)]
        return _Own(self.saved.plus(other.saved, times), *macs)

    def keeping(self, values: Size) -> _Own:
        """Keep more values."""
        return self._replace(saved=self.saved._replace(values=self.saved.values + values))


class _Summary(NamedTuple):
    """What a part saves: ``own`` without its inputs and the output; which inputs; and each result.

    A result is an input (negative, as in the part) or the index of one of the storages in ``made``.
    """

    own: _Own
    keeps: tuple[bool, ...]
    results: tuple[int, ...]
    made: tuple[_Made, ...]


class _Made(NamedTuple):
    """A storage that leaves a part, without its copies."""

    size: Size
    learned: bool
    kept: bool
    score: bool


class Trained(NamedTuple):
    """What training saves of one input, and its multiply-adds: of the backward pass, and of what runs again.

    ``blocks`` are what those hold that run again, of which one at a time is in memory.
    """

    saved: Saved
    backward: Size
    again: Size
    blocks: tuple[Saved, ...]


def saved(analysis: Analysis, attention: str = "usual", inplace: bool = False) -> Saved:
    """Add up what training saves, heads that run in training alone too; the input counts where a layer keeps it.

    ``attention`` is fused, plain or usual; with ``inplace`` activations overwrite their inputs.
    """
    return trained(analysis, attention, inplace).saved


def backward_macs(analysis: Analysis) -> Size:
    """Count the multiply-adds of the backward pass of one input: gradients of weights, and of what layers take.

    None is computed for what no parameter precedes; heads that run in training alone are part of it. Attention counts
    what its rule says: a fused kernel's second look at the scores is not in it.
    """
    return trained(analysis, "plain").backward


def trained(analysis: Analysis, attention: str = "usual", inplace: bool = False, recompute: str = "none") -> Trained:
    """Follow training; ``recompute`` says what is computed again instead of being kept (``RECOMPUTE``)."""
    part = operations(analysis, attention)
    walk = _Walk(attention, overwriting(part) if inplace else set(), recompute)
    found = walk.part(part, ((False, False),) * len(part.inputs), inside=False)
    total = found.own
    for keeps, shape in zip(found.keeps, part.inputs, strict=True):
        total = total.keeping(shape.elements) if keeps else total
    for made in found.made:
        total = total.keeping(made.size) if made.kept and not made.score else total
    return Trained(total.saved, total.backward, total.again, tuple(walk.blocks))


class _Walk:
    """A walk over parts, each computed once for its inputs."""

    def __init__(self, attention: str, over: set[int], recompute: str) -> None:
        self.attention = attention
        self.over = over
        self.recompute = recompute
        self.known: dict[tuple[int, tuple[tuple[bool, bool], ...], bool], _Summary] = {}
        self.kinds = Blocks()
        self.blocks: dict[Saved, None] = {}

    def part(self, part: Part, given: tuple[tuple[bool, bool], ...], inside: bool) -> _Summary:
        """Compute a part; ``given`` says of its inputs whether gradients flow through them, and whether scores do.

        ``inside`` says that it stands in a block that runs again.
        """
        key = id(part), given, inside
        if key not in self.known:
            self.known[key] = self.worked(part, given, inside)
        return self.known[key]

    def worked(self, part: Part, given: tuple[tuple[bool, bool], ...], inside: bool) -> _Summary:
        """Follow the operations of a part."""
        inputs = [_Storage(0, 1, learned, score=score) for learned, score in given]
        tensors: list[_Storage] = [*(inputs[:1] * part.results), *inputs[::-1]]
        own, made = _Own(), []
        for operation in part.operations:
            again = self.recompute == "full" and not inside and self.kinds.holds(part, operation)
            taken = [tensors[number] for number in operation.inputs]
            results = taken
            for times in _weights(operation.copies, len(operation.carried)):
                here, storages, results = self.copy(operation, taken, times, inside or again, again)
                own = own.plus(here)
                made += storages
                taken = operation.onward(taken, results)
            tensors[operation.first : operation.results.stop] = results
        outs = [tensors[number] for number in part.outs]
        leaving = list({id(one): one for one in outs if not any(one is other for other in inputs)}.values())
        left = {id(one) for one in leaving}
        for one in made:
            if one.kept and not one.score and id(one) not in left:
                own = own.keeping(one.size * one.times)
        places = {id(one): index for index, one in enumerate(leaving)}
        places |= {id(one): ~index for index, one in enumerate(inputs)}
        return _Summary(
            own,
            tuple(one.kept for one in inputs),
            tuple(places[id(one)] for one in outs),
            tuple(_Made(one.size, one.learned, one.kept, one.score) for one in leaving),
        )

    def copy(
        self, operation: Operation, given: list[_Storage], times: int, inside: bool, again: bool
    ) -> tuple[_Own, list[_Storage], list[_Storage]]:
        """Run one copy, for so many: what it keeps beside tensors, the storages that it makes, and its results.

        Of one that runs ``again`` what it takes is kept, and nothing else.
        """
        if operation.part is None:
            return self.layer(cast("Layer", operation.node), given, times)
        found = self.part(operation.part, tuple((one.learned, one.score) for one in given), inside)
        again = again and (found.own.backward != 0 or any(made.learned for made in found.made))
        reads = self.kinds.reads(operation.part) if again else found.keeps
        for one, keeps, read in zip(given, found.keeps, reads, strict=True):
            one.kept = one.kept or keeps or read
        made = [_Storage(one.size, times, one.learned, one.kept and not again, one.score) for one in found.made]
        own = found.own
        if again:
            held = own
            for each in found.made:
                held = held.keeping(each.size) if each.kept else held
            self.blocks[held.saved] = None
            own = own._replace(saved=Saved(), again=own.forward)
        return _Own().plus(own, times), made, [given[~at] if at < 0 else made[at] for at in found.results]

    def layer(self, layer: Layer, given: list[_Storage], times: int) -> tuple[_Own, list[_Storage], list[_Storage]]:
        """Keep what a layer keeps of its inputs and its output."""
        if layer.is_source:
            return _Own(), [], [_Storage(0, times, learned=True)]
        keeps = self.keeps(layer)
        learned = any(one.learned for one in given) or layer.weights != 0
        if layer.rule is not None and layer.rule.view:
            return _Own(), [], given[:1]
        if layer.op in PRODUCTS if layer.rule is None else layer.rule.product:  # kept for the gradient of the others
            for index, one in enumerate(given):
                others = given[:index] + given[index + 1 :]
                one.kept = one.kept or any(other.learned for other in others)
        scored = self.recompute == "attention" and isinstance(layer.rule, Scores)
        score = scored or (any(one.score for one in given) and not isinstance(layer.rule, WeightedSum))
        own = _Own(forward=layer.cost.macs * times)
        if learned:
            own = own._replace(backward=_backward(layer, given) * times)
            own = own._replace(saved=Saved() if score else Saved().plus(keeps, times))
            own = own._replace(again=self.again(layer, given, score) * times)
        if id(layer) in self.over and not given[0].kept:
            given[0].kept = learned and keeps.output
            return own, [], given[:1]
        given[0].kept = given[0].kept or (learned and keeps.input)
        out = _Storage(layer.out.elements, times, learned, learned and keeps.output, score)
        return own, [out], [out]

    def again(self, layer: Layer, given: list[_Storage], score: bool) -> Size:
        """Count the multiply-adds of a layer that run again because scores are not kept."""
        if score or any(one.score for one in given):
            return layer.cost.macs
        written = self.recompute == "attention" and isinstance(layer.rule, Kind) and self.kept(layer).scores != 0
        return layer.cost.attention_macs if written else 0

    def keeps(self, layer: Layer) -> Keeps:
        """Say what a layer keeps, without the scores that are computed again."""
        keeps = self.kept(layer)
        if self.recompute != "attention" or keeps.scores == 0:
            return keeps
        return keeps._replace(values=keeps.values - keeps.scores, scores=0)

    def kept(self, layer: Layer) -> Keeps:
        """Say what a layer keeps; a sum and a concatenation nothing, an op of the spec's own the input."""
        rule, x = layer.rule, layer.inputs[0]
        if not isinstance(rule, Kind):
            return Keeps(input=rule is not None)
        if id(layer) in self.over:
            return rule.keeps_in_place(x, layer.out)
        if rule.part == "attention" and self.attention != "usual":
            return rule.keeps(x, layer.out, self.attention == "fused")  # type: ignore[call-arg]
        return rule.keeps(x, layer.out)


def _backward(layer: Layer, given: list[_Storage]) -> Size:
    """Count the multiply-adds of a layer's backward pass; an op of the spec's own has those of a matrix."""
    flows = tuple(one.learned for one in given)
    if isinstance(layer.rule, Kind):
        return layer.rule.backward_macs(layer.inputs[0], layer.out, flows)
    return layer.cost.macs * (any(flows) + (layer.weights != 0))


def _weights(copies: int, carried: int) -> tuple[int, ...]:
    """Say for how many copies each one that is followed stands: those in the middle are alike.

    A name that the last copy gives may be what the one before it gave, so both stand for themselves; of ``carried``
    tensors each may be what a copy gave as many copies before.
    """
    edges = 2 * carried + 1
    return (1,) * copies if copies <= edges else (*(1,) * carried, copies - edges, *(1,) * (carried + 1))


def overwriting(part: Part) -> set[int]:
    """Find the activations (by identity) that write over what they take: it is a layer's result and nothing else's."""
    found: set[int] = set()
    apart: set[int] = set()
    for each in parts(part):
        for operation in each.operations:
            layer = operation.node
            if isinstance(layer, Layer) and isinstance(layer.rule, Kind) and layer.rule.in_place:
                fits = operation.copies == 1 and _made_for(each, operation.inputs[0], 1)
                (found if fits else apart).add(id(layer))
    return found - apart


def parts(part: Part) -> Iterator[Part]:
    """Yield a part and those in it, each once."""
    seen = {id(part)}
    waiting = [part]
    while waiting:
        part = waiting.pop()
        yield part
        for operation in part.operations:
            if operation.part is not None and id(operation.part) not in seen:
                seen.add(id(operation.part))
                waiting.append(operation.part)


def _made_for(part: Part, tensor: int, readers: int) -> bool:
    """Whether a layer of a part writes a tensor that so many read, and does not keep it itself."""
    reads = sum(operation.inputs.count(tensor) for operation in part.operations) + part.outs.count(tensor)
    if tensor < 0 or reads != readers:
        return False
    maker = next(one for one in part.operations if tensor in one.results)
    if maker.part is not None and maker.part.outs[0] < 0:  # nothing stands in it
        return tensor == maker.first and _made_for(part, maker.inputs[~maker.part.outs[0]], 1)
    if maker.part is not None:
        return tensor == maker.first and _made_for(maker.part, maker.part.outs[0], 1)
    layer = maker.node
    if not isinstance(layer, Layer) or layer.rule is None:
        return True
    if not isinstance(layer.rule, Kind):
        return False
    rule = layer.rule
    return not (rule.view or rule.view_at_inference or rule.keeps(layer.inputs[0], layer.out).output)
