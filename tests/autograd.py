"""What PyTorch really holds: tensors that autograd saves for the backward pass, and storages alive at inference.

Run `python tests/autograd.py` (or `--write`, to replace tests/data/autograd.csv) with torch and torchvision.

*Saved* are bytes of the unique storages that pass through ``saved_tensors_hooks`` in training mode, at batch 2, without
parameters and buffers; the input counts where an operation saves it. Dropout is that of a GPU (``native_dropout``),
whose mask has a byte for each element. *Alive* is the largest sum of elements of all storages alive at once, batch 1,
evaluation mode, without gradients, on the device `meta`; the input is held by its caller. `alive_copying` is the same
where no activation writes over its input.
"""

from __future__ import annotations

import csv
import importlib
import os
import sys
import warnings
import weakref
from typing import Any

DATA = os.path.join(os.path.dirname(__file__), "data", "autograd.csv")
HEADER = ("network", "figure", "value")
NETWORKS = (
    "resnet18", "resnet50", "vgg16", "densenet121", "shufflenet_v2_x1_0", "convnext_tiny", "mobilenet_v2",
    "mobilenet_v3_large", "efficientnet_b0", "googlenet", "inception_v3",
    "swin_v2_t", "maxvit_t", "regnet_y_400mf", "squeezenet1_1", "vit_b_16", "swin_t",
    "gpt2_fused", "gpt2_plain",
)  # fmt: skip
ALIVE = ("resnet50", "densenet121", "vit_b_16", "swin_t", "inception_v3")
WIDTH, LENGTH, HEADS, DEPTH, VOCABULARY = 768, 1024, 12, 12, 50257


def saved(model: Any, x: Any) -> int:
    """Count the bytes that autograd saves of a forward pass."""
    import torch

    own = {one.untyped_storage()._cdata for one in (*model.parameters(), *model.buffers())}
    held: dict[int, Any] = {}

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            held[storage._cdata] = storage
        return tensor

    plain = torch.nn.functional.dropout

    def dropout(x: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        return torch.native_dropout(x, p, True)[0] if training and p else x

    torch.nn.functional.dropout = dropout
    try:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            model(x)
    finally:
        torch.nn.functional.dropout = plain
    return sum(storage.nbytes() for storage in held.values())


def alive(model: Any, x: Any) -> int:
    """Count the elements alive at the peak of a forward pass without gradients."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    own = {one.untyped_storage()._cdata for one in (*model.parameters(), *model.buffers())}

    class Live(TorchDispatchMode):  # type: ignore[misc]
        """The storages alive, each until it is freed."""

        def __init__(self) -> None:
            super().__init__()
            self.sizes: dict[int, int] = {}
            self.total = self.peak = 0

        def add(self, tensor: Any) -> None:
            """Count a storage that is new."""
            storage = tensor.untyped_storage()
            key = storage._cdata
            if key not in own and key not in self.sizes:
                self.sizes[key] = storage.nbytes() // tensor.element_size()
                self.total += self.sizes[key]
                weakref.finalize(storage, self.drop, key)

        def drop(self, key: int) -> None:
            """Take a storage away."""
            self.total -= self.sizes.pop(key)

        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = function(*args, **(kwargs or {}))
            for leaf in tree_leaves(out):
                if isinstance(leaf, torch.Tensor):
                    self.add(leaf)
            self.peak = max(self.peak, self.total)
            return out

    with torch.no_grad(), Live() as live:
        live.add(x)
        model(x)
    return live.peak


def gpt2(fused: bool) -> Any:
    """Build GPT-2's blocks on embedded tokens, without dropout: norms first, a causal mask, a head without bias."""
    import torch
    from torch import nn

    class Block(nn.Module):  # type: ignore[misc]
        """Attention and a perceptron, each after a norm and added to what entered."""

        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.inner, self.outer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.mlp = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))
            self.register_buffer("mask", torch.ones(LENGTH, LENGTH, dtype=torch.bool).tril().logical_not())

        def attention(self, x: Any) -> Any:
            """Attend to what came before."""
            batch, length, width = x.shape
            heads = [one.view(batch, length, HEADS, -1).transpose(1, 2) for one in self.inner(x).split(width, dim=2)]
            if fused:
                out = nn.functional.scaled_dot_product_attention(*heads, is_causal=True)
            else:
                q, k, v = heads
                scores = (q @ k.transpose(-2, -1)) * (width // HEADS) ** -0.5
                out = scores.masked_fill(self.mask, float("-inf")).softmax(-1) @ v
            return self.outer(out.transpose(1, 2).reshape(batch, length, width))

        def forward(self, x: Any) -> Any:
            """Add both."""
            x = x + self.attention(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    return nn.Sequential(
        *(Block() for _ in range(DEPTH)), nn.LayerNorm(WIDTH), nn.Linear(WIDTH, VOCABULARY, bias=False)
    )


def network(name: str) -> Any:
    """Build a network as torchvision writes it, without weights of a training."""
    if name.startswith("gpt2"):
        return gpt2(name == "gpt2_fused")
    options: dict[str, Any] = {"googlenet": {"aux_logits": False, "init_weights": False}}.get(name, {})
    if name == "inception_v3":
        options = {"init_weights": False}
    return getattr(importlib.import_module("torchvision.models"), name)(**options)


def given(name: str, batch: int, device: str) -> Any:
    """Build an input of a network."""
    import torch

    side = {"inception_v3": 299, "swin_v2_t": 256}.get(name, 224)
    sizes = (LENGTH, WIDTH) if name.startswith("gpt2") else (3, side, side)
    return torch.zeros(batch, *sizes, device=device)


def measured() -> list[tuple[str, str, int]]:
    """Measure all."""
    import torch

    warnings.filterwarnings("ignore")
    rows = [(name, "saved", saved(network(name).train(), given(name, 2, "cpu"))) for name in NETWORKS]
    for name in ALIVE:
        with torch.device("meta"):
            model = network(name).eval()
        rows.append((name, "alive", alive(model, given(name, 1, "meta"))))
        for module in model.modules():
            if hasattr(module, "inplace"):
                module.inplace = False
        rows.append((name, "alive_copying", alive(model, given(name, 1, "meta"))))
    return rows


def recorded(figure: str) -> dict[str, int]:
    """Read one figure of every network from the recorded table."""
    with open(DATA, encoding="utf-8") as file:
        return {row["network"]: int(row["value"]) for row in csv.DictReader(file) if row["figure"] == figure}


def main() -> int:
    """Print the table, or write it."""
    missing = [name for name in ("torch", "torchvision") if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: {' and '.join(missing)} not installed")
        return 0
    rows = measured()
    with open(DATA, "w", encoding="utf-8", newline="") if "--write" in sys.argv else sys.stdout as file:
        csv.writer(file, lineterminator="\n").writerows([HEADER, *rows])
    return 0


if __name__ == "__main__":
    import importlib.util

    sys.exit(main())
