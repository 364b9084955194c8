"""Joins over any operands against PyTorch on the meta device: shapes, refusals, multiply-adds, what is kept."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bneck_cli
from bneck_cli import BneckError
from bneck_cli.flow.receptive import receptive_field
from bneck_cli.flow.saved import saved

if TYPE_CHECKING:
    from bneck_cli.engine.analysis import Analysis

torch = pytest.importorskip(
    "torch", reason="PyTorch is not installed: its operations are the oracle (pip install '.[torch]')"
)
counter = pytest.importorskip("torch.utils.flop_counter")

Sizes = tuple[int, ...]


def joined(shapes: list[Sizes], *net: str) -> Analysis:
    """Analyse the lines of a net of inputs called a and b."""
    inputs = [f"  {name}: {' x '.join(map(str, shape))}" for name, shape in zip("ab", shapes, strict=True)]
    return bneck_cli.analyze("\n".join(["input:", *inputs, "net:", *(f"  {line}" for line in net), ""]))


def meta(shape: Sizes) -> Any:
    """Make a tensor without data, the batch first."""
    return torch.empty((1, *shape), device="meta")


def broadcast(one: Sizes, other: Sizes) -> Sizes | None:
    """Shape what PyTorch makes of two tensors, a vector being a map of one position; None where it refuses."""
    rank = max(len(one), len(other))
    try:
        whole = meta(one + (1,) * (rank - len(one))) + meta(other + (1,) * (rank - len(other)))
    except RuntimeError:
        return None
    return tuple(whole.shape[1:])


shapes = st.tuples(st.sampled_from([4, 4, 4, 6, 1]), st.lists(st.sampled_from([1, 1, 5, 5, 5, 7]), max_size=2)).map(
    lambda drawn: (drawn[0], *drawn[1])
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.sampled_from(["add", "mul"]), shapes, shapes)
def test_what_is_everywhere_the_same_is_broadcast(op: str, one: Sizes, other: Sizes) -> None:
    """Of equal channels, a vector or one position joins any map as in PyTorch; else maps are equal, or a factor fits.

    A factor may have one channel, or one position along an axis, where the other tensor has them all.
    """
    expected = broadcast(one, other)
    whole = [shape for shape in (one, other) if shape == expected]
    equal = one[0] == other[0]
    same = [shape for shape in (one, other) if set(shape[1:]) <= {1}]
    ranks = len(one) == len(other) or min(len(one), len(other)) == 1
    fits = bool(whole) and ranks and (one == other or (equal and bool(same)) or op == "mul")
    net = f"{op}: [from a, from b]"
    if fits:
        found = joined([one, other], net).root.out
        assert (found.channels, *found.spatial) == expected
    else:
        with pytest.raises(BneckError, match="cannot"):
            joined([one, other], net)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=4), st.data())
def test_slices_are_those_of_torch_split(sizes: list[int], data: st.DataObject) -> None:
    """Unequal slices, one of them the rest, go to the branches in order; `slice` takes the same range."""
    rest = data.draw(st.integers(0, len(sizes) - 1))
    text = ", ".join("rest" if index == rest else str(size) for index, size in enumerate(sizes))
    parts = torch.split(meta((sum(sizes), 6, 5)), sizes, dim=1)
    branches = ", ".join(f"conv 1x1 {index + 3}" for index in range(len(sizes)))
    layers = [
        entry.layer
        for entry in bneck_cli.each_layer(
            bneck_cli.analyze(f"input: {sum(sizes)} x 6 x 5\nnet:\n  split: [{branches}]\n  sizes: [{text}]\n")
        )
    ]
    assert [layer.shape.channels for layer in layers[:-1]] == [part.shape[1] for part in parts]
    for index, part in enumerate(parts):
        start = sum(sizes[:index])
        cut = bneck_cli.analyze(f"input: {sum(sizes)} x 6 x 5\nnet: slice {start} {start + sizes[index]}\n")
        assert (cut.root.out.channels, *cut.root.out.spatial) == tuple(part.shape[1:])


@pytest.mark.parametrize(
    ("net", "out"),
    [
        (["- concat: [from a, from b]", "  along: positions"], (8, 25)),
        (["- concat: [from b -> take 0, from a]", "  along: positions"], (8, 21)),
        (["- from a", "- split: [identity, sigmoid]", "  join: mul"], (4, 20)),
        (["- from a", "- split: [identity, relu, identity, relu]", "  join: add"], (2, 20)),
        (["- from a -> slice 2 end along=positions"], (8, 18)),
        (["- from a", "- mul: [linear 5 -> silu, linear 5, nothing]"], (5, 20)),
        (["- from a", "- add: [nothing, linear 5]"], (5, 20)),
        (["- from a", "- add:", "    - relu", "    - if: c > 8", "      then: relu", "      else: nothing"], (8, 20)),
    ],
)  # fmt: skip
def test_joins_give_the_shape_that_they_say(net: list[str], out: Sizes) -> None:
    """Sequences behind each other, gated units, and branches that are left out."""
    root = joined([(8, 20), (8, 5)], *net).root
    assert (root.out.channels, *root.out.spatial) == out


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=1, max_size=2), st.integers(1, 9))
def test_a_matmul_is_that_of_pytorch(channels: int, left: list[int], right: int) -> None:
    """C×L and C×M give M×L, in C·L·M multiply-adds, all of them products of two tensors."""
    a, b = meta((channels, *left)), meta((channels, right))
    with counter.FlopCounterMode(display=False) as counted:
        product = (b.transpose(1, 2) @ a.flatten(2)).unflatten(2, left)
    found = joined([(channels, *left), (channels, right)], "matmul: [from a, from b]")
    assert (found.root.out.channels, *found.root.out.spatial) == tuple(product.shape[1:])
    assert found.cost.macs * 2 == counted.get_total_flops() == found.cost.attention_macs * 2


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))
def test_a_matmul_in_heads_is_a_batch_of_products(heads: int, each: int, left: int, right: int) -> None:
    """Every head multiplies its own channels: heads·M×L, in C·L·M multiply-adds as before."""
    a, b = meta((heads, each, left)), meta((heads, each, right))
    with counter.FlopCounterMode(display=False) as counted:
        product = (b.transpose(2, 3) @ a).flatten(1, 2)
    sizes = [(heads * each, left), (heads * each, right)]
    found = joined(sizes, "- matmul: [from a, from b]", f"  heads: {heads}")
    assert (found.root.out.channels, *found.root.out.spatial) == tuple(product.shape[1:])
    assert found.cost.macs * 2 == counted.get_total_flops()
    with pytest.raises(bneck_cli.BneckError, match="must be divisible by heads"):
        joined(sizes, "- matmul: [from a, from b]", f"  heads: {heads * each + 1}")


def test_a_gate_is_a_product_with_what_arrives() -> None:
    """``scale: BODY`` is ``mul: [identity, BODY]``: the same figures, the same memory, the same field."""
    spec = "input: 8 x 16 x 16\nnet:\n  - conv 3x3 8\n  - {}\n"
    body = "global_avgpool -> conv 1x1 2 -> relu -> conv 1x1 8 -> sigmoid"
    short, whole = (bneck_cli.analyze(spec.format(one)) for one in (f"scale: {body}", f"mul: [identity, {body}]"))
    assert short.cost == whole.cost
    assert saved(short) == saved(whole)
    assert receptive_field(short) == receptive_field(whole)


@pytest.mark.parametrize("join", ["mul: [{0}, {1}]", "matmul: [{0}, {1}]"])
def test_factors_are_kept_for_each_other(join: str) -> None:
    """Both operands of a product are kept, as autograd keeps them; one that nothing learned is kept alone."""
    a, b = (torch.rand(1, 8, 5, requires_grad=learned) for learned in (True, False))
    for one, other, kept in (("linear 8", "linear 8", 3), ("linear 8", "identity", 1)):
        analysis = bneck_cli.analyze(f"input: 8 x 5\nnet:\n  {join.format(one, other)}\n")
        assert saved(analysis).values == kept * 40
    held: list[Any] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: held.append(tensor) or tensor, lambda tensor: tensor):
        a * b
    assert [id(one) for one in held] == [id(b)]


def test_sizes_may_be_symbols() -> None:
    """Slices, joins along positions and products have formulas; what cannot agree is refused with its place."""
    text = "input: C x L\nnet:\n  - split: [identity, linear 8]\n    sizes: [c//2, rest]\n  - slice c//2 end\n"
    assert str(
        bneck_cli.analyze(text + "  - as x\n  - concat: [identity, from x]\n    along: positions\n").root.out
    ) == (str(bneck_cli.analyze(text).root.out).replace("×L", "×2·L"))
    product = bneck_cli.analyze("input: 8 x L\nnet:\n  - as x\n  - matmul: [from x, from x]\n")
    assert (str(product.root.out), str(product.cost.attention_macs)) == ("L×L", "8*L**2")


def test_random_joins_flow_as_their_operands() -> None:
    """A product of products has the parameters and multiply-adds of its operands alone, whatever the order."""
    random = Random(3)
    for _ in range(20):
        branches = [f"conv 1x1 {random.choice([8])} -> {random.choice(['relu', 'silu'])}" for _ in range(3)]
        orders = [random.sample(branches, 3) for _ in range(2)]
        costs = {bneck_cli.analyze(f"input: 4 x 6 x 6\nnet:\n  mul: [{', '.join(order)}]\n").cost for order in orders}
        assert len(costs) == 1
