"""Random networks beside PyTorch, each operation of the two written by hand: shapes, parameters, multiply-adds.

A part is one item of a spec, and a maker of what it does to a tensor; a maker is called once for each set of weights,
so that copies, shared weights and experts come of themselves. Multiply-adds are those of PyTorch's own counter, of
products and convolutions as they run on the device `meta`.
"""

from __future__ import annotations

import json
import os
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bneck_cli import analyze

torch = pytest.importorskip("torch")
from torch.nn import functional as F  # noqa: E402, N812
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[[Any], Any]

NETWORKS = int(os.environ.get("BNECK_HUNT", "60"))
"""Networks of the test; a longer hunt is `BNECK_HUNT=5000 pytest tests/engine/test_random_networks.py`."""
MOST = 4096
"""Elements of a tensor, at most: networks stay small."""


class Part(NamedTuple):
    """An item of a spec, and the maker of what it does."""

    item: Any
    make: Callable[[], Run]


class Maker:
    """Makes one random network: its spec, its weights, and what it gives."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.weights: list[Any] = []
        self.blocks: dict[str, Any] = {}
        self.names = 0

    # Weights and what they do

    def weight(self, *sizes: int) -> Any:
        """Make a parameter."""
        self.weights.append(torch.empty(sizes, device="meta"))
        return self.weights[-1]

    def linear(self, before: int, after: int, bias: bool = True) -> Run:
        """Make a matrix over the channels."""
        matrix, shift = self.weight(after, before), self.weight(after) if bias else None
        return lambda x: F.linear(x.movedim(1, -1), matrix, shift).movedim(-1, 1)

    def per_channel(self, channels: int, count: int) -> Run:
        """Make a norm's gain, and its shift."""
        for _ in range(count):
            self.weight(channels)
        return lambda x: x * 1

    def conv(self, x: Any, kernel: int, after: int, stride: int, groups: int, bias: bool) -> Callable[[], Run]:
        """Return a maker of a convolution of as many axes as a tensor has."""
        axes, before = x.dim() - 2, x.shape[1]
        function = (F.conv1d, F.conv2d)[axes - 1]

        def make() -> Run:
            filters = self.weight(after, before // groups, *[kernel] * axes)
            shift = self.weight(after) if bias else None
            return lambda y: function(y, filters, shift, stride, (kernel - 1) // 2, 1, groups)

        return make

    # Layers

    def layer(self, x: Any) -> Part:
        """Choose a layer that a tensor can enter."""
        random, channels, axes = self.random, x.shape[1], x.dim() - 2
        kinds = ["act", "linear", "norm", "conv", "dwconv", "attention", "group", "layer_scale"]
        small = max(x.shape[2:]) > 1
        kinds += ["pool", "unshuffle"] * (small and axes == 2 and all(side % 2 == 0 for side in x.shape[2:]))
        kinds += ["upsample", "upconv"] * (axes == 2 and x.numel() * 4 <= MOST)
        kinds += ["lstm", "gru", "rnn", "transpose"] * (axes == 1)
        return getattr(self, f"_{random.choice(kinds)}")(x, channels)

    def _act(self, x: Any, channels: int) -> Part:
        return Part(self.random.choice(["relu", "gelu", "silu", "sigmoid", "softmax"]), lambda: lambda y: y * 1)

    def _linear(self, x: Any, channels: int) -> Part:
        after, bias = self.random.choice([4, 8, 12]), self.random.random() < 0.6
        return Part(f"linear {after}" + " nobias" * (not bias), lambda: self.linear(channels, after, bias))

    def _norm(self, x: Any, channels: int) -> Part:
        name, count = self.random.choice([("bn", 2), ("ln", 2), ("rmsnorm", 1), ("ln nobias", 1), ("gn 1", 2)])
        return Part(name, lambda: self.per_channel(channels, count))

    def _layer_scale(self, x: Any, channels: int) -> Part:
        return Part("layer_scale", lambda: self.per_channel(channels, 1))

    def _conv(self, x: Any, channels: int, after: int | None = None, stride: int | None = None) -> Part:
        random, axes = self.random, x.dim() - 2
        kernel, bias = random.choice([1, 3, 3, 5]), random.random() < 0.4
        after, stride = after or random.choice([4, 8, 12]), stride or random.choice([1, 1, 2])
        written = f"conv {'x'.join([str(kernel)] * axes)} {after}" + f" stride={stride}" * (stride > 1)
        return Part(written + " bias" * bias, self.conv(x, kernel, after, stride, 1, bias))

    def _group(self, x: Any, channels: int) -> Part:
        axes = x.dim() - 2
        if channels % 2:
            return self._linear(x, channels)
        after, bias = self.random.choice([4, 8]), self.random.random() < 0.4
        written = f"conv {'x'.join(['3'] * axes)} {after} groups=2" + " bias" * bias
        return Part(written, self.conv(x, 3, after, 1, 2, bias))

    def _dwconv(self, x: Any, channels: int) -> Part:
        stride, bias = self.random.choice([1, 2]), self.random.random() < 0.3
        written = f"dwconv {'x'.join(['3'] * (x.dim() - 2))}" + f" stride={stride}" * (stride > 1) + " bias" * bias
        return Part(written, self.conv(x, 3, channels, stride, channels, bias))

    def _pool(self, x: Any, channels: int) -> Part:
        return Part(f"{self.random.choice(['maxpool', 'avgpool'])} 2 stride=2", lambda: lambda y: F.avg_pool2d(y, 2))

    def _unshuffle(self, x: Any, channels: int) -> Part:
        return Part("pixel_unshuffle 2", lambda: lambda y: F.pixel_unshuffle(y, 2))

    def _upsample(self, x: Any, channels: int) -> Part:
        return Part("upsample 2", lambda: lambda y: y.repeat_interleave(2, 2).repeat_interleave(2, 3))

    def _upconv(self, x: Any, channels: int) -> Part:
        after, bias = self.random.choice([4, 8]), self.random.random() < 0.5

        def make() -> Run:
            filters, shift = self.weight(channels, after, 2, 2), self.weight(after) if bias else None
            return lambda y: F.conv_transpose2d(y, filters, shift, 2)

        return Part(f"upconv 2 {after} stride=2" + " bias" * bias, make)

    def _transpose(self, x: Any, channels: int) -> Part:
        if x.shape[2] % 4:
            return self._linear(x, channels)
        return Part("transpose", lambda: lambda y: y.transpose(1, 2))

    def _recurrent(self, name: str, gates: int, channels: int) -> Part:
        hidden, both = self.random.choice([4, 6]), self.random.random() < 0.4

        def one() -> Run:
            enter, again = self.linear(channels, gates * hidden), self.linear(hidden, gates * hidden)

            def run(y: Any) -> Any:
                state, states = y.new_empty(1, hidden, 1), []
                for step in y.split(1, 2):
                    state = (enter(step) + again(state))[:, :hidden]
                    states.append(state)
                return torch.cat(states, 2)

            return run

        def make() -> Run:
            ways = [one() for _ in range(1 + both)]
            return lambda y: torch.cat([way(y) for way in ways], 1)

        return Part(f"{name} {hidden}" + " both" * both, make)

    def _lstm(self, x: Any, channels: int) -> Part:
        return self._recurrent("lstm", 4, channels)

    def _gru(self, x: Any, channels: int) -> Part:
        return self._recurrent("gru", 3, channels)

    def _rnn(self, x: Any, channels: int) -> Part:
        return self._recurrent("rnn", 1, channels)

    def products(self, q: Any, k: Any, v: Any, heads: int, groups: int, talk: Run | None = None) -> Any:
        """Multiply queries by keys and what they weigh by values, in heads; keys and values serve several."""
        sizes = q.shape[2:]
        q = q.flatten(2).reshape(heads, q.shape[1] // heads, -1)
        k, v = (one.flatten(2).reshape(groups, one.shape[1] // groups, -1) for one in (k, v))
        k, v = (one.repeat_interleave(heads // groups, 0) for one in (k, v))
        scores = torch.bmm(q.transpose(1, 2), k)
        if talk is not None:
            scores = talk(scores[None])[0]
        return torch.bmm(v, scores.transpose(1, 2)).reshape(1, -1, *sizes)

    def _attention(self, x: Any, channels: int) -> Part:
        forms = [(heads, groups) for heads, groups in ((1, 1), (2, 2), (2, 1), (4, 2)) if channels % heads == 0]
        heads, groups = self.random.choice(forms)
        causal = " causal" * (x.dim() == 3 and self.random.random() < 0.5)

        def make() -> Run:
            narrow = channels // heads * groups
            q, k, v, out = (self.linear(channels, wide) for wide in (channels, narrow, narrow, channels))
            return lambda y: out(self.products(q(y), k(y), v(y), heads, groups))

        return Part(f"attention heads={heads}" + f" kv={groups}" * (groups != heads) + causal, make)

    # Structures

    def body(self, x: Any, depth: int, same: bool = False) -> tuple[list[Any], Callable[[], Run], Any]:
        """Make a few items in a row; ``same`` ends with the shape that enters. Return what leaves, too."""
        items, makers, y = [], [], x
        for _ in range(self.random.randint(1, 3)):
            part = self.part(y, depth) if not same else self.kept_shape(y)
            z = self.tried(part, y)
            if z.numel() > MOST or z.numel() == 0:
                continue
            items, makers, y = [*items, part.item], [*makers, part.make], z
        if same and y.shape[1] != x.shape[1]:
            part = self._linear_to(y, x.shape[1])
            items, makers, y = [*items, part.item], [*makers, part.make], self.tried(part, y)
        if not items:
            return ["identity"], lambda: lambda z: z, x

        def make() -> Run:
            runs = [one() for one in makers]

            def run(z: Any) -> Any:
                for one in runs:
                    z = one(z)
                return z

            return run

        return items, make, y

    def tried(self, part: Part, x: Any) -> Any:
        """Run a part for the shape that leaves, without weights or products that count."""
        before = len(self.weights)
        out = part.make()(x)
        del self.weights[before:]
        return out

    def _linear_to(self, x: Any, after: int) -> Part:
        channels = x.shape[1]
        return Part(f"linear {after}", lambda: self.linear(channels, after))

    def kept_shape(self, x: Any) -> Part:
        """Choose a layer that keeps the positions."""
        choose = self.random.choice(["_act", "_linear", "_norm", "_attention", "_group", "_layer_scale"])
        return getattr(self, choose)(x, x.shape[1])  # type: ignore[no-any-return]

    def part(self, x: Any, depth: int) -> Part:
        """Choose a layer or a structure."""
        if depth == 0 or self.random.random() < 0.45:
            return self.layer(x)
        names = ["residual", "add", "mul", "concat", "scale", "split", "repeat", "counted", "loop", "attend", "shared"]
        names += ["branches", "block", "two", *(["experts"] if x.dim() == 3 else [])]
        return getattr(self, f"_{self.random.choice(names)}")(x, depth - 1)  # type: ignore[no-any-return]

    def _residual(self, x: Any, depth: int) -> Part:
        items, make, _ = self.body(x, depth, same=True)

        def made() -> Run:
            run = make()
            return lambda y: y + run(y)

        return Part({"residual": items}, made)

    def _add(self, x: Any, depth: int) -> Part:
        return self._joined("add", x, depth)

    def _mul(self, x: Any, depth: int) -> Part:
        return self._joined("mul", x, depth)

    def _joined(self, name: str, x: Any, depth: int) -> Part:
        (one, make_one, _), (other, make_other, _) = (self.body(x, depth, same=True) for _ in range(2))

        def made() -> Run:
            left, right = make_one(), make_other()
            return lambda y: left(y) + right(y)

        return Part({name: [one, other]}, made)

    def _concat(self, x: Any, depth: int) -> Part:
        (one, make_one, _), (other, make_other, _) = (self.body(x, depth, same=True) for _ in range(2))

        def made() -> Run:
            left, right = make_one(), make_other()
            return lambda y: torch.cat([left(y), y, right(y)], 1)

        return Part({"concat": [one, "identity", other]}, made)

    def _scale(self, x: Any, depth: int) -> Part:
        channels = x.shape[1]

        def made() -> Run:
            one, other = self.linear(channels, 4), self.linear(4, channels)
            return lambda y: y * other(one(y.mean(tuple(range(2, y.dim())), keepdim=True)))

        return Part({"scale": ["global_avgpool -> linear 4 -> relu", f"linear {channels} -> sigmoid"]}, made)

    def _split(self, x: Any, depth: int) -> Part:
        half = x.shape[1] // 2
        (one, make_one, _), (other, make_other, _) = (self.body(x[:, :half], 0, same=True) for _ in range(2))

        def made() -> Run:
            left, right = make_one(), make_other()
            return lambda y: torch.cat([left(y[:, :half]), right(y[:, half:])], 1)

        return Part({"split": [one, other]}, made)

    def _repeat(self, x: Any, depth: int) -> Part:
        times = self.random.randint(2, 3)
        items, make, _ = self.body(x, depth, same=True)
        return Part({f"{times}x": items}, lambda: _in_a_row([make() for _ in range(times)]))

    def _counted(self, x: Any, depth: int) -> Part:
        """Copies that each change the channels: ``i`` is the index."""
        channels, times = x.shape[1], self.random.randint(2, 3)

        def made() -> Run:
            widths = [channels, *(4 + 4 * i for i in range(times))]
            return _in_a_row([self.linear(*pair) for pair in pairwise(widths)])

        return Part(f"{times}x linear (4 + 4*i)", made)

    def _loop(self, x: Any, depth: int) -> Part:
        widths = [self.random.choice([4, 8]) for _ in range(self.random.randint(1, 3))]

        def made() -> Run:
            return _in_a_row([self.linear(*pair) for pair in pairwise([x.shape[1], *widths])])

        return Part({"for": f"k in {widths}", "do": "linear k -> relu"}, made)

    def _branches(self, x: Any, depth: int) -> Part:
        kernels = self.random.sample([1, 3, 5], 2)
        makers = [self.conv(x, kernel, x.shape[1], 1, x.shape[1], False) for kernel in kernels]

        def made() -> Run:
            runs = [make() for make in makers]
            return lambda y: torch.cat([run(y) for run in runs], 1)

        return Part({"concat": {"for": f"k in {kernels}", "do": "dwconv k"}}, made)

    def _attend(self, x: Any, depth: int) -> Part:
        channels = x.shape[1]
        heads, groups = self.random.choice([(1, 1), (2, 2), (4, 2)])
        each, wide, talks = self.random.choice([2, 4]), self.random.choice([2, 4]), self.random.random() < 0.4
        pooled = x.dim() == 4 and all(side % 2 == 0 for side in x.shape[2:])

        def made() -> Run:
            q, k = self.linear(channels, heads * each), self.linear(channels, groups * each)
            v, talk = self.linear(channels, groups * wide), self.linear(heads, heads) if talks else None

            def run(y: Any) -> Any:
                seen = F.avg_pool2d(y, 2) if pooled else y
                return self.products(q(y), k(seen), v(seen), heads, groups, talk)

            return run

        pool = "avgpool 2 stride=2 -> " * pooled
        spelled = {
            "queries": f"linear {heads * each}",
            "keys": f"{pool}linear {groups * each}",
            "values": f"{pool}linear {groups * wide}",
        }
        spelled |= {"scores": f"linear {heads}"} if talks else {}
        return Part({"attend": spelled, "heads": heads, **({"kv": groups} if groups != heads else {})}, made)

    def _experts(self, x: Any, depth: int) -> Part:
        channels, inner = x.shape[1], self.random.choice([4, 8])
        count = self.random.randint(2, 4)
        active = self.random.randint(1, count)

        def made() -> Run:
            router = self.linear(channels, count, bias=False)
            each = [_in_a_row([self.linear(channels, inner), self.linear(inner, channels)]) for _ in range(count)]

            def run(y: Any) -> Any:
                router(y)
                return sum(one(y) for one in each[:active])

            return run

        body = [f"linear {inner} -> gelu", f"linear {channels}"]
        return Part({"experts": body, "count": count, "active": active}, made)

    def _shared(self, x: Any, depth: int) -> Part:
        channels = x.shape[1]
        self.names += 1
        step = f"linear {channels} share=s{self.names}"

        def made() -> Run:
            one = self.linear(channels, channels)
            return lambda y: one(one(y))

        return Part([step, f"relu -> {step}"], made)

    def _block(self, x: Any, depth: int) -> Part:
        """Use a block twice, with a parameter, each use with weights of its own."""
        channels, width = x.shape[1], self.random.choice([4, 8])
        self.names += 1
        self.blocks[f"b{self.names}(width)"] = [{"residual": ["linear width -> gelu", "linear cin"]}, "ln"]

        def one(width: int) -> Run:
            first, second = self.linear(channels, width), self.linear(width, channels)
            norm = self.per_channel(channels, 2)
            return lambda y: norm(y + second(first(y)))

        name = f"b{self.names}"
        return Part(f"{name} {width} -> {name} {2 * width}", lambda: _in_a_row([one(width), one(2 * width)]))

    def _two(self, x: Any, depth: int) -> Part:
        """Use a block of two results, and add them."""
        channels, width = x.shape[1], self.random.choice([4, 8])
        self.names += 1
        name, (p, q) = f"t{self.names}", (f"p{self.names}", f"q{self.names}")
        self.blocks[f"{name}(width)"] = [
            "linear width -> as a",
            "relu -> linear width -> as b",
            {"outputs": ["a", "b"]},
        ]

        def made() -> Run:
            first, second = self.linear(channels, width), self.linear(width, width)

            def run(y: Any) -> Any:
                one = first(y)
                return torch.cat([one, second(one), one], 1)

            return run

        return Part([f"{name} {width} -> as {p} {q}", {"concat": [f"from {p}", f"from {q}", f"from {p}"]}], made)


def _in_a_row(runs: list[Run]) -> Run:
    def run(y: Any) -> Any:
        for one in runs:
            y = one(y)
        return y

    return run


def network(seed: int) -> tuple[str, tuple[int, ...], int, int]:
    """Make a network: its spec, and what leaves it, its parameters and its multiply-adds in PyTorch."""
    random = Random(seed)
    maker = Maker(random)
    sizes = random.choice([(4, 8), (8, 12), (8, 8, 8), (4, 6, 10), (12, 4, 4)])
    x = torch.empty(1, *sizes, device="meta")
    items, makers, y = [], [], x
    while len(items) < 6:
        part = maker.part(y, 2)
        z = maker.tried(part, y)
        if 0 < z.numel() <= MOST:
            items, makers, y = [*items, part.item], [*makers, part.make], z
    maker.weights.clear()
    with FlopCounterMode(display=False) as counter:
        out = _in_a_row([make() for make in makers])(x)
    text = f"input: {' x '.join(map(str, sizes))}\n"
    if maker.blocks:
        text += "blocks:\n" + "".join(
            f"  {json.dumps(key)}: {json.dumps(body)}\n" for key, body in maker.blocks.items()
        )
    text += "net:\n" + "".join(f"  - {json.dumps(item)}\n" for item in items)
    params = sum(weight.numel() for weight in maker.weights)
    return text, tuple(out.shape[1:]), params, counter.get_total_flops() // 2


@pytest.mark.parametrize("first", range(0, NETWORKS, 20))
def test_random_networks_are_counted_as_pytorch_counts_them(first: int) -> None:
    """To the unit, twenty at a time."""
    for seed in range(first, first + 20):
        text, shape, params, macs = network(seed)
        analysis = analyze(text)
        found = analysis.root.out
        assert ((found.channels, *found.spatial), analysis.params, analysis.macs) == (shape, params, macs), text
