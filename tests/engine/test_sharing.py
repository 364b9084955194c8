"""Weights shared by name, against PyTorch modules that are called more than once: counted once, run every time."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.engine.network import entries
from bneck_cli.flow.saved import backward_macs, saved
from bneck_cli.questions.footprint import footprint

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: its modules are the oracle (pip install '.[torch]')"
)
counter = pytest.importorskip("torch.utils.flop_counter")


def written(*net: str, blocks: str = "", size: str = "4 x 8 x 8") -> Analysis:
    """Analyse the lines of a net."""
    return bneck_cli.analyze("\n".join([f"input: {size}", blocks, "net:", *(f"  {line}" for line in net), ""]))


def module(text: str) -> Any:
    """Make the PyTorch module of a step that keeps a map of 4 channels."""
    nn = torch.nn
    with torch.device("meta"):
        return {
            "conv 3x3 4": lambda: nn.Conv2d(4, 4, 3, padding=1, bias=False),
            "conv 1x1 4 bias": lambda: nn.Conv2d(4, 4, 1),
            "conv 1x3 4": lambda: nn.Conv2d(4, 4, (1, 3), padding=(0, 1), bias=False),
            "upconv 3x3 4 pad=1": lambda: nn.ConvTranspose2d(4, 4, 3, padding=1, bias=False),
            "bn": lambda: nn.BatchNorm2d(4),
            "unit": lambda: nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU()),
        }[text]()


TEXTS = ("conv 3x3 4", "conv 1x1 4 bias", "conv 1x3 4", "upconv 3x3 4 pad=1", "bn", "unit")
UNIT = "blocks: {unit: [conv 3x3 4, bn, relu]}"


def drawn(random: Random) -> tuple[list[str], Any]:
    """Write a net whose steps share weights at random, in repeats too, and the modules that it calls in turn."""
    lines, calls, known = [], [], {}
    for _ in range(random.randint(2, 7)):
        text, copies, name = random.choice(TEXTS), random.choice([1, 1, 2, 5]), random.choice("ab-")
        key = f"{name}{TEXTS.index(text)}"
        if name == "-":
            calls += [module(text) for _ in range(copies)]
        else:
            known.setdefault(key, module(text))
            calls += [known[key]] * copies
            text += f" share={key}"
        lines.append(f"- {copies}x {text}" if random.random() < 0.5 or copies > 1 else f"- {text}")
    steps = [line.split("share=")[1] for line in lines if "share=" in line]
    alone = {name for name in steps if steps.count(name) == 1}
    lines = [
        line if line.split("share=")[-1] not in alone or "x " in line else line.split(" share=")[0] for line in lines
    ]
    return lines, torch.nn.ModuleList(calls)


def call(modules: Any, x: Any) -> Any:
    """Call modules in turn."""
    for each in modules:
        x = each(x)
    return x


@pytest.mark.parametrize("seed", range(25))
def test_shared_weights_are_those_of_one_module(seed: int) -> None:
    """Parameters, buffers, multiply-adds forwards and backwards are PyTorch's where modules are called again."""
    lines, modules = drawn(Random(seed))
    analysis = written(*lines, blocks=UNIT)
    assert analysis.cost.params == sum(one.numel() for one in modules.parameters())
    statistics = sum(one.numel() for one in modules.buffers())
    assert sum(entry.layer.buffers * entry.copies for entry in entries(analysis.root)) == statistics
    x = torch.empty((1, 4, 8, 8), device="meta", requires_grad=True)
    with counter.FlopCounterMode(display=False) as flops:
        y = call(modules, x)
    assert flops.get_total_flops() == 2 * analysis.cost.macs
    x = x.detach()
    with counter.FlopCounterMode(display=False) as flops:
        call(modules, x).sum().backward() if any(True for _ in modules.parameters()) else None
    assert flops.get_total_flops() == 2 * (analysis.cost.macs + backward_macs(analysis))
    assert tuple(y.shape[1:]) == (analysis.root.out.channels, *analysis.root.out.spatial)


def test_embedding_and_classifier_are_tied() -> None:
    """A linear layer without bias may have the table of an embedding, which PyTorch stores the same way."""
    tied = written("- embed 50 8 share=words", "- linear 8 -> gelu", "- linear 50 nobias share=words", size="1 x 6")
    apart = written("- embed 50 8", "- linear 8 -> gelu", "- linear 50 nobias", size="1 x 6")
    assert apart.cost.params - tied.cost.params == 50 * 8
    assert apart.cost.macs == tied.cost.macs
    assert saved(tied) == saved(apart)


def test_copies_of_loops_share_and_uses_of_a_block_do_not() -> None:
    """Copies in any loop of one body have one set; each use of a block has sets of its own."""
    once = written("- conv 1x1 4").cost.params
    for line in (
        "- 7x conv 1x1 4 share=a",
        "- 3x: [conv 1x1 4 share=a, relu]",
        "- {for: k in 3, do: [(k+1)x conv 1x1 4 share=a]}",
    ):
        assert written(line).cost.params == once
    pair = "blocks: {pair: [conv 1x1 4 share=a, relu, conv 1x1 4 share=a]}"
    assert written("- 3x pair", blocks=pair).cost.params == 3 * once
    assert written("- 3x pair share=pair", blocks=pair).cost.params == once
    passed = "blocks: {unit(name): [conv 1x1 4 share=name, conv 1x1 4 share=name, conv 1x1 4 share=name]}"
    assert written("- unit a", blocks=passed).cost.params == once


def test_copies_of_which_the_first_holds_the_weights_are_still_one_row() -> None:
    """Of a million copies the first is a row, and all others are one."""
    rows = list(entries(written("- 1000000x conv 1x1 4 share=a").root))
    assert [(row.copies, row.layer.cost.params) for row in rows] == [(1, 16), (999_999, 0)]


def test_memory_holds_shared_weights_once_and_reads_them_each_time() -> None:
    """Weights are resident once; every layer that works with them moves them."""
    shared, apart = (footprint(written(f"- 4x conv 1x1 4{word}")) for word in (" share=a", ""))
    assert shared.total.weights * 4 == apart.total.weights
    assert shared.total.moved == apart.total.moved


@pytest.mark.parametrize(
    "net",
    [
        ["- conv 3x3 4 share=a -> conv 1x1 4 share=a"],
        ["- conv 1x1 16 share=a -> conv 1x1 4 share=a"],
        ["- conv 1x1 4 share=a -> conv 1x1 4 bias share=a"],
        ["- relu share=a -> relu share=a"],
        ["- conv 1x1 4 share=a -> conv 1x1 4 share=b"],
        ["- conv 1x1 4 share=3x3 -> conv 1x1 4 share=3x3"],
        ["- aside: conv 1x1 4 share=a", "- conv 1x1 4 share=a"],
    ],
)
def test_weights_that_cannot_be_shared_are_refused(net: list[str]) -> None:
    """Other shapes, no weights, a name that stands once, a head that does not run as the holder."""
    with pytest.raises(BneckError, match=r"share|weights"):
        written(*net)
