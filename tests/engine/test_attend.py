"""Attention spelled out: against its short form, and against PyTorch's plain products on the meta device."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.network import entries
from bneck_cli.flow.liveness import peak
from bneck_cli.flow.saved import backward_macs, saved
from bneck_cli.questions.footprint import footprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.engine.analysis import Analysis

torch = pytest.importorskip("torch", reason="PyTorch is not installed: its products are the oracle")
counter = pytest.importorskip("torch.utils.flop_counter")
functional = torch.nn.functional

SPELLED = """input: {c} x {length}
net:
  - linear {c}
  - attend:
      queries: linear {q}
      keys: linear {k}
      values: linear {k}
    heads: {heads}
    kv: {kv}
    causal: {causal}
  - linear {c}
"""


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.booleans())
def test_the_short_form_is_the_spelled_one(kv: int, group: int, dim: int, c: int, length: int, causal: bool) -> None:
    """Parameters, multiply-adds by part, what training keeps, the peak and what is moved, fused and plain."""
    heads = kv * group
    sizes = {"c": c, "length": length, "q": heads * dim, "k": kv * dim, "heads": heads, "kv": kv}
    long = bneck_cli.analyze(SPELLED.format(**sizes, causal=str(causal).lower()))
    flag = " causal" * causal
    net = f"linear {c} -> attention heads={heads} kv={kv} head_dim={dim}{flag}"
    short = bneck_cli.analyze(f"input: {c} x {length}\nnet: {net}\n")
    for figure in ("params", "macs", "attention_macs", "linear_macs"):
        assert getattr(short.cost, figure) == getattr(long.cost, figure)
    assert backward_macs(short) == backward_macs(long)
    for form in ("usual", "fused", "plain"):
        assert saved(short, form) == saved(long, form)
        assert peak(short, attention=form).bytes == peak(long, attention=form).bytes
        one, other = (footprint(each, "fp16,weights=fp32", attention=form).total for each in (short, long))
        assert (one.written, one.moved, one.weights) == (other.written, other.moved, other.weights)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(*[st.integers(1, 5) for _ in range(6)])
def test_products_are_those_of_pytorch(kv: int, group: int, dk: int, dv: int, asked: int, held: int) -> None:
    """Grouped heads, keys of another sequence, values of their own width: shape and multiply-adds."""
    heads = kv * group
    text = f"""input:
  x: {heads * dk} x {asked}
  k: {kv * dk} x {held}
  v: {kv * dv} x {held}
net:
  - attend:
      queries: from x
      keys: from k
      values: from v
    heads: {heads}
    kv: {kv}
"""
    with torch.device("meta"), counter.FlopCounterMode(display=False) as counted:
        q, k, v = torch.empty(heads, asked, dk), torch.empty(kv, held, dk), torch.empty(kv, held, dv)
        k, v = k.repeat_interleave(group, 0), v.repeat_interleave(group, 0)
        out = (q @ k.transpose(1, 2)).softmax(-1) @ v
    found = bneck_cli.analyze(text)
    assert (found.root.out.channels, *found.root.out.spatial) == (out.shape[0] * out.shape[2], out.shape[1])
    assert 2 * found.cost.attention_macs == 2 * found.cost.macs == counted.get_total_flops()


def test_the_past_is_seen_by_causal_attention_alone() -> None:
    """Keys are the past and what arrives; a past that nothing reads is an error."""
    net = "attention heads=4 kv=2 causal"
    found = bneck_cli.analyze(f"input: 8 x 1\nnet: {net}\n", past=7)
    assert found.cost.attention_macs == 2 * 8 * 8
    symbolic = bneck_cli.analyze(f"input: 8 x L\nnet: {net}\n", past="P")
    assert str(symbolic.cost.attention_macs) in ("16*L**2 + 16*L*P", "16*L*P + 16*L**2")
    with pytest.raises(BneckError, match="no attention here is causal"):
        bneck_cli.analyze("input: 8 x 1\nnet: attention heads=4\n", past=7)


def test_scores_may_be_worked_on() -> None:
    """Talking heads (arXiv 2003.02436): a linear layer over the heads of every score."""
    text = """input: 8 x 5
net:
  - attend: {queries: linear 8, keys: linear 8, values: linear 8, scores: linear 2 -> linear 2}
    heads: 2
"""
    found = bneck_cli.analyze(text)
    assert found.cost.params == 3 * 72 + 2 * 6
    assert found.cost.macs == 3 * 5 * 64 + 2 * 25 * 8 + 2 * 25 * 4


@pytest.mark.parametrize("form", ["fused", "plain"])
def test_attention_moves_what_its_products_read_and_write(form: str) -> None:
    """By hand: 5 tokens of 8 channels; q, k, v, scores or a sum for each row, what they weigh, and the projection."""
    found = footprint(bneck_cli.analyze("input: 8 x 5\nnet: attention heads=2 nobias\n").found, attention=form)
    tensor, scores, sums = 8 * 5, 2 * 5 * 5, 2 * 5
    linear = 4 * 2 * tensor  # three that read what arrives, and the projection
    plain = (2 * tensor + scores) + (scores + tensor + tensor)
    fused = (2 * tensor + sums) + (sums + 3 * tensor + tensor)
    assert found.total.moved == 4 * (4 * 64 + linear + (fused if form == "fused" else plain))
    assert found.total.written == 5 * tensor + (sums if form == "fused" else scores)


def flops(function: Callable[[], Any]) -> tuple[Any, int]:
    """Run a function on the meta device; return what it gives, and PyTorch's count of operations."""
    with torch.device("meta"), counter.FlopCounterMode(display=False) as counted:
        found = function()
    return found, counted.get_total_flops()


ATTEND = """input: {size}
net:
  - attend: {{queries: {q}, keys: {k}, values: {v}}}
    heads: {heads}
"""


def attending(size: str, heads: int, *beside: str, branches: tuple[str, str, str] = ("identity",) * 3) -> Analysis:
    """Analyse attention of what arrives, with lines beside it."""
    q, k, v = branches
    text = ATTEND.format(size=size, heads=heads, q=q, k=k, v=v)
    return bneck_cli.analyze(text + "".join(f"    {line}\n" for line in beside))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(1, 4), st.integers(1, 6), st.lists(st.integers(1, 6), min_size=1, max_size=2))
def test_attention_over_channels_is_pytorchs(heads: int, dim: int, sides: list[int]) -> None:
    """Every channel of a head meets every other (XCiT): heads×d×d scores, each a sum over the positions."""
    length = prod(sides)

    def run() -> Any:
        q, k, v = (torch.empty(heads, dim, length) for _ in range(3))
        scores = functional.normalize(q, dim=-1) @ functional.normalize(k, dim=-1).mT
        return scores, scores.softmax(-1) @ v

    (scores, out), counted = flops(run)
    found = attending(" x ".join(map(str, (heads * dim, *sides))), heads, "over: channels")
    assert 2 * found.cost.attention_macs == counted
    (row,) = (entry.layer for entry in entries(found.root) if entry.layer.op == "scores")
    assert (row.out.channels, *row.out.spatial) == tuple(scores.shape)
    assert found.root.out.elements == out.numel()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(*[st.integers(1, 4) for _ in range(6)])
def test_windows_that_tile_a_map_are_pytorchs(heads: int, dim: int, h: int, w: int, rows: int, columns: int) -> None:
    """So many sets of scores as windows, of queries and keys within each; a learned value for each offset in a head."""

    def run() -> Any:
        q, k, v = (torch.empty(rows * columns * heads, h * w, dim) for _ in range(3))
        return (q @ k.mT).softmax(-1) @ v

    out, counted = flops(run)
    size = f"{heads * dim} x {rows * h} x {columns * w}"
    found = attending(size, heads, f"window: {h}x{w}", "position: relative")
    assert (2 * found.cost.attention_macs, found.root.out.elements) == (counted, out.numel())
    assert found.cost.params == torch.empty(heads, 2 * h - 1, 2 * w - 1, device="meta").numel()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(*[st.integers(1, 4) for _ in range(4)], st.integers(1, 9), st.integers(0, 9))
def test_windows_that_slide_are_pytorchs(kv: int, group: int, dim: int, width: int, length: int, past: int) -> None:
    """Each position meets the last so many keys, or as many as there are."""
    heads, seen = kv * group, min(width, length + past)

    def run() -> Any:
        q = torch.empty(heads * length, 1, dim)
        k, v = (torch.empty(heads * length, seen, dim) for _ in range(2))
        return (q @ k.mT).softmax(-1) @ v

    _, counted = flops(run)
    narrow = f"slice 0 {kv * dim}"
    beside = ("causal: true", f"kv: {kv}", f"window: {width}")
    text = ATTEND.format(size=f"{heads * dim} x {length}", heads=heads, q="identity", k=narrow, v=narrow)
    found = bneck_cli.analyze(text + "".join(f"    {line}\n" for line in beside), past=past or None)
    assert 2 * found.cost.attention_macs == counted
    net = f"attention heads={heads} kv={kv} causal window={width} nobias"
    short = bneck_cli.analyze(f"input: {heads * dim} x {length}\nnet: {net}\n", past=past or None)
    assert short.cost.attention_macs == found.cost.attention_macs


def test_the_cache_is_what_is_said() -> None:
    """Keys and values of each position seen before, or so many elements that stand for them; learned values count."""
    branches = ("linear 12", "linear 6", "linear 4")
    text = ATTEND.format(size="8 x 1", heads=2, q=branches[0], k="linear 12", v=branches[2])
    for beside, each in (("causal: true", 12 + 4), ("causal: true\n    cache: 5", 5)):
        found = footprint(bneck_cli.analyze(f"{text}    {beside}\n", past=100).found)
        assert found.total.cache == 4 * 100 * each
    learned = attending("8 x 5", 2, "position: 77")
    assert learned.cost.params == 77


class Grouped(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Attention with groups of heads, biases by part, and norms of each head's queries and keys."""

    def __init__(self, c: int, heads: int, kv: int, dim: int, bias: str, norm: str) -> None:
        super().__init__()
        nn, self.heads, self.kv, self.dim = torch.nn, heads, kv, dim
        sizes = {"q": (c, heads * dim), "k": (c, kv * dim), "v": (c, kv * dim), "o": (heads * dim, c)}
        self.linear = nn.ModuleDict({part: nn.Linear(*size, bias=part in bias) for part, size in sizes.items()})
        kinds = {"none": nn.Identity, "ln": nn.LayerNorm, "rmsnorm": nn.RMSNorm}
        self.norms = nn.ModuleList(kinds[norm](dim) for _ in "qk")

    def forward(self, x: Any) -> Any:
        """Attend, every score being worked out."""
        q = self.norms[0](self.linear["q"](x).unflatten(-1, (self.heads, self.dim))).transpose(0, 1)
        k = self.norms[1](self.linear["k"](x).unflatten(-1, (self.kv, self.dim))).transpose(0, 1)
        v = self.linear["v"](x).unflatten(-1, (self.kv, self.dim)).transpose(0, 1)
        k, v = (one.repeat_interleave(self.heads // self.kv, 0) for one in (k, v))
        return self.linear["o"](((q @ k.mT).softmax(-1) @ v).transpose(0, 1).flatten(1))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    *[st.integers(1, 3) for _ in range(2)],
    st.integers(1, 5),
    st.integers(1, 9),
    st.integers(1, 7),
    st.sampled_from(["none", "ln", "rmsnorm"]),
    st.lists(st.sampled_from("qkvo"), unique=True).map("".join),
    st.booleans(),
)
def test_the_short_form_is_pytorchs(
    kv: int, group: int, dim: int, c: int, length: int, norm: str, bias: str, causal: bool
) -> None:
    """Groups of heads of their own width, biases by part, norms of queries and keys: parameters and multiply-adds."""
    heads = kv * group
    with torch.device("meta"):
        module = Grouped(c, heads, kv, dim, bias, norm)
    _, counted = flops(lambda: module(torch.empty(length, c)))
    net = f"attention heads={heads} kv={kv} head_dim={dim} qk_norm={norm} bias={bias or 'none'}{' causal' * causal}"
    found = bneck_cli.analyze(f"input: {c} x {length}\nnet: {net}\n")
    assert found.cost.params == sum(one.numel() for one in module.parameters())
    assert 2 * found.cost.macs == counted


def test_a_window_may_be_none() -> None:
    """A block whose copies do not all have a window takes it as a parameter: `none` is all positions, as unwritten."""
    block = "blocks:\n  layer(window): attention heads=4 causal window=window\n"
    base = "input: 64 x 32\n"
    both = bneck_cli.analyze(f"{base}{block}net: layer 8 -> layer none").cost
    apart = bneck_cli.analyze(f"{base}net: attention heads=4 causal window=8 -> attention heads=4 causal").cost
    assert both == apart
    attend = f"{base}net:\n  - attend: {{queries: identity, keys: identity, values: identity}}\n    heads: 4\n"
    assert bneck_cli.analyze(f"{attend}    window: none\n").cost == bneck_cli.analyze(attend).cost


@pytest.mark.parametrize("over", ["positions", "channels"])
@pytest.mark.parametrize("seed", range(4))
def test_attention_without_softmax_is_two_products(over: str, seed: int) -> None:
    """Linear attention, over positions or with keys and values first: shapes, products and what autograd saves."""
    torch = pytest.importorskip("torch")
    from random import Random

    from autograd import saved as measured
    from torch.utils.flop_counter import FlopCounterMode

    random = Random(seed)
    heads, width, other, channels, length = (random.randint(2, 6) for _ in range(5))
    wide = other if over == "channels" else width  # over channels queries may have a width of their own

    class Linear(torch.nn.Module):  # type: ignore[misc, name-defined]
        """Queries, keys and values, and their products."""

        def __init__(self) -> None:
            super().__init__()
            sizes = (wide, width, width if over == "channels" else other)
            self.parts = torch.nn.ModuleList(torch.nn.Linear(channels, heads * size, bias=False) for size in sizes)

        def forward(self, x: Any) -> Any:
            """Multiply the first two, and the third by that."""
            q, k, v = (part(x).unflatten(-1, (heads, -1)).transpose(1, 2) for part in self.parts)
            if over == "channels":
                found = v @ (q.transpose(-2, -1) @ k).transpose(-2, -1)
            else:
                found = q @ k.transpose(-2, -1) @ v
            return found.transpose(1, 2).flatten(2)

    model, x = Linear(), torch.randn(3, length, channels)
    counter = FlopCounterMode(display=False)
    with counter:
        y = model(x)
    parts = (wide, width, width if over == "channels" else other)
    names = ("queries", "keys", "values")
    ends = ", ".join(f"{name}: linear {heads * size} nobias" for name, size in zip(names, parts, strict=True))
    beside = f"heads: {heads}\n    softmax: false\n" + ("    over: channels\n" if over == "channels" else "")
    found = bneck_cli.analyze(f"input: {channels} x {length}\nnet:\n  - attend: {{{ends}}}\n    {beside}").found
    assert (found.root.out.channels, *found.root.out.spatial) == (y.shape[2], y.shape[1])
    assert 2 * 3 * found.cost.macs == counter.get_total_flops()
    assert saved(found).bytes(3, 4) == measured(model, x)


def test_over_channels_values_are_as_wide_as_keys() -> None:
    """A value of each of a key's channels is weighed; other widths were multiplied as if they fitted."""
    ends = "queries: linear 8, keys: linear 8, values: linear 12"
    with pytest.raises(BneckError, match="a value has 6 channels in each head, a key 4"):
        bneck_cli.analyze(f"input: 8 x 5\nnet:\n  - attend: {{{ends}}}\n    heads: 2\n    over: channels\n")
