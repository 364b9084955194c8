"""What lint finds of weights that several steps share: it is there once."""

from __future__ import annotations

import pytest

import bneck_cli
from bneck_cli.questions.lint import lint


@pytest.mark.parametrize(("word", "wasted"), [(" share=c", 3), ("", 6)])
def test_a_shared_bias_is_wasted_once(word: str, wasted: int) -> None:
    """Steps with the weights of another have its bias, too: it is one set of parameters."""
    step = f"conv 3x3 3 bias{word} -> bn"
    found = lint(bneck_cli.analyze(f"input: 3 x 16 x 16\nnet: {step} -> {step}\n").found)
    assert sum(one.cost for one in found.findings if one.rule == "bias-before-norm") == wasted
