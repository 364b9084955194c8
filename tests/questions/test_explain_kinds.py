"""What explain says of recurrent layers, tables of words, products of attention and experts comes out as written."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli.engine.network import entries

EQUATION = re.compile(r"([\d(][\d,·+() -]*) = ([\d,]+)")


def equations(network: bneck_cli.Network) -> int:
    """Work every equation of every layer out, and require parameters and multiply-adds to be among their results."""
    count = 0
    for entry in entries(network.found.root):
        layer = entry.layer
        if layer.rule is None:
            continue
        lines = (*layer.rule.worked(layer.shape, layer.out), layer.rule.role(layer.shape, layer.out))
        found = [
            (eval(left.replace("·", "*").replace(",", "")), int(right.replace(",", "")))
            for line in lines
            for left, right in EQUATION.findall(line)
        ]
        assert all(left == right for left, right in found), lines
        results = [right for _, right in found]
        if layer.op in ("lstm", "gru", "rnn"):
            weights, biases = results[-1] // layer.shape.positions, results[-2] if "biases" in lines[-3] else 0
            assert weights + biases == layer.cost.params
            assert results[-1] == layer.cost.macs
        elif layer.op in ("scores", "weighted_sum"):
            assert results in ([layer.cost.macs], [])
        elif layer.op == "embed":
            assert results == [layer.cost.params]
        count += len(found)
    return count


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(["lstm", "gru", "rnn"]),
    hidden=st.integers(1, 9),
    layers=st.integers(1, 4),
    options=st.sampled_from(["", " both", " nobias", " both nobias"]),
)
def test_recurrent_layers_are_worked_out(kind: str, hidden: int, layers: int, options: str) -> None:
    """Gates, layers, directions and biases: each equation holds, and they make all of the layer."""
    spec = f"input: 5 x 7\nnet: {kind} {hidden} layers={layers}{options}\n"
    assert equations(bneck_cli.analyze(spec)) >= 2


def test_products_tables_and_experts_are_worked_out() -> None:
    """Attention written out, on keys of another length and in heads, a table of words, and a mixture of experts."""
    words = "input: 1 x 12\nnet: embed 100 16 -> lstm 8 layers=2 -> linear 100\n"
    attend = """
input: 16 x 10
net:
  - attend: {queries: linear 16, keys: linear 16, values: linear 8}
    heads: 2
  - experts: linear 32 -> gelu -> linear 8
    count: 8
    active: 2
"""
    assert equations(bneck_cli.analyze(words)) == 6
    assert equations(bneck_cli.analyze(attend)) == 3
    assert equations(bneck_cli.analyze("llama3_8b")) == 1
