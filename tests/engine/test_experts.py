"""A mixture of experts against PyTorch modules, of which each position runs a few: all weights, and those it meets."""

from __future__ import annotations

import csv
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from running import bneck

import bneck_cli
from bneck_cli.questions.footprint import footprint
from bneck_cli.sizes.writing import pretty

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: its modules are the oracle (pip install '.[torch]')"
)
counter = pytest.importorskip("torch.utils.flop_counter")
nn = torch.nn

EXPERT = "linear {0} -> gelu -> linear {1} nobias"


class Mixture(nn.Module):  # type: ignore[misc, name-defined]
    """A router and experts; expert e of slot s is given the positions p of which p + s is e modulo all experts."""

    def __init__(self, channels: int, width: int, out: int, count: int, active: int) -> None:
        super().__init__()
        self.active = active
        self.router = nn.Linear(channels, count, bias=False)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(channels, width), nn.GELU(), nn.Linear(width, out, bias=False))
            for _ in range(count)
        )

    def forward(self, x: Any) -> Any:
        """Give each position, a row of x, to ``active`` experts."""
        scores = self.router(x).softmax(-1)
        positions, count = torch.arange(len(x)), len(self.experts)
        total: Any = 0
        for slot in range(self.active):
            rows = [(positions + slot) % count == at for at in range(count)]
            given = [expert(x[row]) * scores[row][:, :1] for row, expert in zip(rows, self.experts, strict=True)]
            total = total + torch.cat(given)
        return total


def mixture(size: str, expert: str, count: int, active: int, router: str = "") -> Analysis:
    """Analyse a mixture."""
    lines = [f"input: {size}", "net:", f"  experts: {expert}", f"  count: {count}", f"  active: {active}"]
    return bneck_cli.analyze("\n".join([*lines, *([f"  router: {router}"] if router else []), ""]))


@pytest.mark.parametrize("seed", range(12))
def test_a_mixture_is_what_pytorch_runs(seed: int) -> None:
    """Weights are those of all experts, multiply-adds those of the experts that positions are given to."""
    random = Random(seed)
    channels, width, out, count, length = (random.randint(1, 9) for _ in range(5))
    active = random.randint(1, count)
    module = Mixture(channels, width, out, count, active)
    with counter.FlopCounterMode(display=False) as flops:
        y = module(torch.zeros(length, channels))
    found = mixture(f"{channels} x {length}", EXPERT.format(width, out), count, active)
    assert (found.root.out.spatial, found.root.out.channels) == ((y.shape[0],), y.shape[1])
    assert found.cost.params == sum(one.numel() for one in module.parameters())
    met = [*module.router.parameters(), *(one for expert in module.experts[:active] for one in expert.parameters())]
    assert found.cost.active_params == sum(one.numel() for one in met)
    assert 2 * found.cost.macs == flops.get_total_flops()


def test_weights_are_read_of_the_experts_that_positions_are_given_to() -> None:
    """One position reads its own experts; many read all, and all are resident."""
    one, many, all_of_them = (footprint(mixture(f"8 x {n}", "linear 8 nobias", 16, 2)) for n in (1, 3, 1000))
    router, expert = 8 * 16, 8 * 8
    for found, met in ((one, 2), (many, 6), (all_of_them, 16)):
        (layer,) = (item for item in found.items if item.path == "experts.linear")
        tensors = layer.out.elements * 2
        assert layer.moved == 4 * (tensors + met * expert)
        assert found.total.weights == 4 * (router + 16 * expert)


def test_symbols_and_copies_and_sharing_go_through() -> None:
    """A formula of the length; a repeat holds experts of its own; shared ones count once."""
    text = "input: 4 x L\nnet: {experts: linear 4 nobias, count: 8, active: 2}\n"
    assert pretty(bneck_cli.analyze(text).cost.macs) == "64·L"
    block = "input: 4 x 6\nblocks:\n  b(c2): {experts: linear c2 nobias, count: 8, active: 2}\nnet: 5x b 4"
    own, shared = (bneck_cli.analyze(f"{block}{word}\n").cost for word in ("", " share=b"))
    assert (own.params, own.active_params) == (5 * (32 + 8 * 16), 5 * (32 + 2 * 16))
    assert (shared.params, shared.active_params) == (32 + 8 * 16, 32 + 2 * 16)
    assert own.macs == shared.macs


def test_a_router_may_be_written() -> None:
    """What is written in its place scores every expert at each position."""
    plain = mixture("8 x 5", "linear 8", 4, 1)
    biased = mixture("8 x 5", "linear 8", 4, 1, "linear 4 -> softmax")
    assert biased.cost.params - plain.cost.params == 4


def test_a_sweep_varies_the_experts() -> None:
    """Each design has the figures that it has alone."""
    asked = ["--vary", "experts=4,8,16", "--vary", "active=1,2", "--columns", "params,active_params,macs"]
    rows = list(csv.DictReader(bneck("sweep", "mixtral_8x7b", *asked, "--format", "csv").splitlines()))
    assert len(rows) == 6
    for row in rows:
        cost = bneck_cli.analyze("mixtral_8x7b", experts=int(row["experts"]), active=int(row["active"])).cost
        found = [cost.params, cost.active_params, cost.macs]
        assert [int(row[name]) for name in ("params", "active_params", "macs")] == found


class Gated(nn.Module):  # type: ignore[misc, name-defined]
    """A gated expert."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.gate, self.up = (nn.Linear(channels, width, bias=False) for _ in range(2))
        self.down = nn.Linear(width, channels, bias=False)

    def forward(self, x: Any) -> Any:
        """Multiply what two matrices give."""
        return self.down(nn.functional.silu(self.gate(x)) * self.up(x))


class Grouped(nn.Module):  # type: ignore[misc, name-defined]
    """A mixture as libraries of language models run it: rows in the order of their experts, which work on slices."""

    def __init__(self, channels: int, width: int, count: int, active: int) -> None:
        super().__init__()
        self.active = active
        self.before = nn.Linear(channels, channels, bias=False)
        self.router = nn.Linear(channels, count, bias=False)
        self.experts = nn.ModuleList(Gated(channels, width) for _ in range(count))

    def forward(self, x: Any) -> Any:
        """Score, sort, run each expert on its rows, and bring these back."""
        x = self.before(x)
        best, which = self.router(x).softmax(-1).topk(self.active, dim=-1)
        best = best / best.sum(-1, keepdim=True)
        order = which.flatten().argsort()
        sizes = torch.bincount(which.flatten(), minlength=len(self.experts)).tolist()
        slices = x[order // self.active].split(sizes)
        given = torch.cat([expert(part) for expert, part in zip(self.experts, slices, strict=True)])
        given = given * best.flatten()[order].unsqueeze(-1)
        return given[order.argsort()].view(len(x), self.active, -1).sum(1)


@pytest.mark.parametrize("seed", range(6))
def test_a_mixture_keeps_what_autograd_saves(seed: int) -> None:
    """To the byte: rows sent and brought back, their order, the router's scores and choices."""
    from autograd import saved as measured

    from bneck_cli.flow.saved import saved

    random = Random(seed)
    channels, width, count, length = (random.randint(2, 9) for _ in range(4))
    active = random.randint(1, count)
    expert = f"[mul: [linear {width} nobias -> silu, linear {width} nobias], linear {channels} nobias]"
    net = f"- linear {channels} nobias\n  - experts: {expert}\n    count: {count}\n    active: {active}\n"
    found = bneck_cli.analyze(f"input: {channels} x {length}\nnet:\n  {net}")
    expected = measured(Grouped(channels, width, count, active), torch.randn(length, channels))
    assert saved(found.found).bytes(1, 4) == expected
