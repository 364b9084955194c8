"""Attention spelled out: against its short form, and against PyTorch's plain products on the meta device."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.flow.liveness import peak
from bneck_cli.flow.saved import backward_macs, saved
from bneck_cli.questions.footprint import footprint

torch = pytest.importorskip("torch", reason="PyTorch is not installed: its products are the oracle")
counter = pytest.importorskip("torch.utils.flop_counter")

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
