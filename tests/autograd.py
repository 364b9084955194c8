"""What PyTorch really holds: tensors that autograd saves for the backward pass, and storages alive at inference.

Run `python tests/autograd.py` (or `--write`, to replace tests/data/autograd.csv; names of networks, for those alone)
with torch and torchvision.

*Saved* are bytes of the unique storages that pass through ``saved_tensors_hooks`` in training mode, at batch 2, without
parameters and buffers; the input counts where an operation saves it. Dropout is that of a GPU (``native_dropout``),
whose mask has a byte for each element. *Alive* is the largest sum of elements of all storages alive at once, batch 1,
evaluation mode, without gradients, on the device `meta`; the input is held by its caller. `alive_copying` is the same
where no activation writes over its input; `alive_fused` on a CPU, whose kernel of attention is fused (`meta` has none).
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
    "gpt2_fused", "gpt2_plain", "gpt2_dropout", "bert_fused", "bert_plain", "vit_fused", "vit_plain",
    "llama_fused", "llama_plain",
)  # fmt: skip
ALIVE = (
    "resnet50", "densenet121", "vit_b_16", "swin_t", "inception_v3", "resnet18", "vgg16", "vgg16_bn", "alexnet",
    "squeezenet1_1", "googlenet", "shufflenet_v2_x1_0", "mobilenet_v2", "mobilenet_v3_large", "efficientnet_b0",
    "convnext_tiny",
)  # fmt: skip
FUSED = ("gpt2_fused", "bert_fused", "vit_fused", "llama_fused")
WIDTH, HEADS, DEPTH, VOCABULARY = 768, 12, 12, 50257
LENGTHS = {"gpt2": 1024, "bert": 512, "vit": 197}
LLAMA = 2, 512, 8, 2, 256
"""Layers, channels, heads, heads of keys and values, and tokens."""
TOKENS = ("gpt2", "bert", "vit", "llama")


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


def transformer(name: str) -> Any:
    """Build a transformer in plain modules: GPT-2 small, BERT-Base, ViT-B/16, a Llama of two layers.

    Attention is one fused kernel or plain products. There is dropout in BERT after the embeddings (as its spec has it),
    and in `gpt2_dropout` wherever the paper's code has it; the other GPT-2 begins with embedded tokens.
    """
    import torch
    from torch import nn

    kind, _, form = name.partition("_")
    drops = form == "dropout"
    depth, width, heads, groups, length = LLAMA if kind == "llama" else (DEPTH, WIDTH, HEADS, HEADS, LENGTHS[kind])
    norm, bias, causal = nn.RMSNorm if kind == "llama" else nn.LayerNorm, kind != "llama", kind in ("gpt2", "llama")
    size = width // heads

    def turned(x: Any, cos: Any, sin: Any) -> Any:
        one, other = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-other, one), dim=-1) * sin

    class Attention(nn.Module):  # type: ignore[misc]
        """Queries, keys and values of what arrives, and the projection of what they give."""

        def __init__(self) -> None:
            super().__init__()
            self.query, self.out = nn.Linear(width, width, bias=bias), nn.Linear(width, width, bias=bias)
            self.key, self.value = (nn.Linear(width, groups * size, bias=bias) for _ in range(2))
            self.register_buffer("mask", torch.ones(length, length, dtype=torch.bool).tril().logical_not())
            self.register_buffer("cos", torch.ones(length, size))
            self.register_buffer("sin", torch.zeros(length, size))
            self.drop = nn.Dropout(0.1 if drops else 0.0)

        def forward(self, x: Any) -> Any:
            """Attend."""
            batch = len(x)
            given = (self.query(x), self.key(x), self.value(x))
            q, k, v = (one.view(batch, length, -1, size).transpose(1, 2) for one in given)
            if kind == "llama":
                q, k = turned(q, self.cos, self.sin), turned(k, self.cos, self.sin)
            if form == "fused":
                out = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal, enable_gqa=groups != heads)
            else:
                q = q.reshape(batch, groups, -1, size)
                scores = (q @ k.transpose(-2, -1)).view(batch, groups, -1, length, length) * size**-0.5
                scores = scores.masked_fill(self.mask, float("-inf")) if causal else scores
                weights = self.drop(scores.softmax(-1)).view(batch, groups, -1, length)
                out = (weights @ v).view(batch, heads, length, size)
            return self.out(out.transpose(1, 2).reshape(batch, length, width))

    class Gated(nn.Module):  # type: ignore[misc]
        """Llama's perceptron of three matrices."""

        def __init__(self) -> None:
            super().__init__()
            self.gate, self.up = (nn.Linear(width, 4 * width, bias=False) for _ in range(2))
            self.down = nn.Linear(4 * width, width, bias=False)

        def forward(self, x: Any) -> Any:
            """Multiply what two matrices give."""
            return self.down(nn.functional.silu(self.gate(x)) * self.up(x))

    class Block(nn.Module):  # type: ignore[misc]
        """Attention and a perceptron, each added to what entered; BERT norms after the sums, the others before."""

        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2, self.attention = norm(width), norm(width), Attention()
            mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
            self.mlp = Gated() if kind == "llama" else mlp
            self.drop = nn.Dropout(0.1 if drops else 0.0)

        def forward(self, x: Any) -> Any:
            """Add both."""
            if kind == "bert":
                x = self.norm1(x + self.attention(x))
                return self.norm2(x + self.mlp(x))
            x = x + self.drop(self.attention(self.norm1(x)))
            return x + self.drop(self.mlp(self.norm2(x)))

    class Whole(nn.Module):  # type: ignore[misc]
        """What stands before the blocks, and after them."""

        def __init__(self) -> None:
            super().__init__()
            self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(depth))), norm(width)
            words = {"bert": 30522, "vit": 1000}.get(kind, 2000 if kind == "llama" else VOCABULARY)
            self.words = nn.Embedding(words, width) if kind != "vit" else nn.Conv2d(3, width, 16, 16)
            self.head = nn.Linear(width, width if kind == "bert" else words, bias=kind in ("bert", "vit"))
            self.places, self.first = (nn.Parameter(torch.zeros(1, size, width)) for size in (length, 1))
            self.segments = nn.Embedding(2, width)
            self.drop = nn.Dropout(0.1)

        def forward(self, x: Any) -> Any:
            """Look up, mix, and read out."""
            if kind == "bert":
                x = self.drop(self.norm(self.words(x[0]) + self.segments(x[1]) + self.places))
                return self.head(self.blocks(x)[:, 0]).tanh()
            if kind == "vit":
                x = self.words(x).flatten(2).transpose(1, 2)
                x = torch.cat((self.first.expand(len(x), -1, -1), x), 1) + self.places
                return self.head(self.norm(self.blocks(x))[:, 0])
            x = x if kind == "gpt2" and not drops else self.words(x)
            x = self.drop(x + self.places) if drops else x
            return self.head(self.norm(self.blocks(x)))

    return Whole()


def network(name: str) -> Any:
    """Build a network as torchvision writes it, or a transformer, without weights of a training."""
    if name.partition("_")[0] in TOKENS and name != "vit_b_16":
        return transformer(name)
    options: dict[str, Any] = {"googlenet": {"aux_logits": False, "init_weights": False}}.get(name, {})
    if name == "inception_v3":
        options = {"init_weights": False}
    return getattr(importlib.import_module("torchvision.models"), name)(**options)


def given(name: str, batch: int, device: str) -> Any:
    """Build an input of a network."""
    import torch

    kind, _, form = name.partition("_")
    if kind in ("bert", "llama") or form == "dropout":
        sizes = {"bert": (2, batch, LENGTHS["bert"]), "llama": (batch, LLAMA[-1])}.get(kind, (batch, LENGTHS["gpt2"]))
        return torch.zeros(*sizes, dtype=torch.long, device=device)
    if kind == "gpt2":
        return torch.zeros(batch, LENGTHS["gpt2"], WIDTH, device=device)
    side = {"inception_v3": 299, "swin_v2_t": 256}.get(name, 224)
    return torch.zeros(batch, 3, side, side, device=device)


def measured() -> list[tuple[str, str, int]]:
    """Measure all."""
    import torch

    warnings.filterwarnings("ignore")
    asked = [name for name in NETWORKS if name in sys.argv] or NETWORKS
    rows = [(name, "saved", saved(network(name).train(), given(name, 2, "cpu"))) for name in asked]
    if asked != NETWORKS:
        return rows
    for name in ALIVE:
        with torch.device("meta"):
            model = network(name).eval()
        rows.append((name, "alive", alive(model, given(name, 1, "meta"))))
        for module in model.modules():
            if hasattr(module, "inplace"):
                module.inplace = False
        rows.append((name, "alive_copying", alive(model, given(name, 1, "meta"))))
    rows += [(name, "alive_fused", alive(network(name).eval(), given(name, 1, "cpu"))) for name in FUSED]
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
