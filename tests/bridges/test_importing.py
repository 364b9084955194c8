"""Models to specs: what is found of a PyTorch model is what a person would write, and it is the model."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bneck_cli.bridges.calls.layout import Atom, viewed
from bneck_cli.bridges.calls.target import arguments, is_target
from bneck_cli.bridges.importing import graph_of, import_model, read_sizes, spec_of
from bneck_cli.errors import BneckError
from bneck_cli.language.library import load, specs_folder

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402  (after it is known to be there)
from torch.nn import functional  # noqa: E402


def imported(model: nn.Module, size: tuple[int, ...] = (3, 32, 32)) -> str:
    """Import a model; return the spec without its first line and its figures."""
    text = spec_of(graph_of(model, size, "net"), "test").text
    return text.partition("\n\n")[2].partition("\nexpect:")[0]


class Basic(nn.Module):
    """A residual block."""

    def __init__(self, c_in: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.down = nn.Sequential()
        if stride != 1 or c_in != channels:
            self.down = nn.Sequential(nn.Conv2d(c_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the body to the shortcut."""
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.down(x))


class Residual(nn.Module):
    """A stem, two stages, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.layer1 = nn.Sequential(Basic(16, 16), Basic(16, 16))
        self.layer2 = nn.Sequential(Basic(16, 32, 2), Basic(32, 32), Basic(32, 32))
        self.head = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run it."""
        x = self.layer2(self.layer1(self.stem(x)))
        return self.head(x.mean([2, 3]))


def test_blocks_are_found_named_and_repeated() -> None:
    """A class used five times is one block with a stride; its copies are counted, the first one told apart."""
    assert (
        imported(Residual())
        == """\
blocks:
  basic(channels, stride=1):                      # Basic, 5 times
    - residual:
        - conv 3x3 channels stride=stride -> bn -> relu
        - conv 3x3 channels -> bn
      shortcut: auto
    - relu

net:
  - conv 3x3 16 bias
  - 2x basic 16 -> as layer1
  - 3x basic 32 first(stride=2) -> as layer2
  - global_avgpool -> linear 10
"""
    )


class Block(nn.Module):
    """A transformer's block, with attention written out in products."""

    def __init__(self, width: int, heads: int, bias: bool = True) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.proj = nn.Linear(width, 3 * width, bias=bias), nn.Linear(width, width, bias=bias)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Attend, then change each position."""
        n, length, width = x.shape
        qkv = self.qkv(self.norm1(x)).reshape(n, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        scores = (q * (width // self.heads) ** -0.5) @ k.transpose(-2, -1)
        y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width)
        x = x + self.proj(y)
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    """Patches, a class token, positions, blocks."""

    def __init__(self, bias: bool = True) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 48, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 48))
        self.positions = nn.Parameter(torch.zeros(1, 17, 48))
        self.blocks = nn.Sequential(*(Block(48, 6, bias) for _ in range(4)))
        self.head = nn.Linear(48, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run it."""
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], dim=1) + self.positions
        return self.head(self.blocks(x)[:, 0])


def test_attention_is_seen_in_its_products() -> None:
    """Queries, keys and values from one linear layer, scores, softmax and projection are one `attention`."""
    text = imported(Transformer())
    assert "conv 8x8 48 stride=8 bias -> tokens cls=1" in text
    assert "- residual: ln -> attention heads=6" in text
    assert "- residual: ln -> linear 4*cin -> gelu -> linear cin" in text
    assert "4x block -> as blocks" in text
    assert "take 0 -> linear 10" in text


class Shuffled(nn.Module):
    """Slices of the channels, one of them changed, then shuffled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, groups=8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Split, join, shuffle."""
        one, other = x.chunk(2, dim=1)
        x = torch.cat([one, functional.relu(other)], dim=1)
        n, c, h, w = x.shape
        return self.conv(x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w))


def test_views_and_slices_are_what_they_do() -> None:
    """Halves of the channels are `split`, a view exchanged is `shuffle`, a filter for each channel `dwconv`."""
    text = imported(Shuffled(), (8, 16, 16))
    assert "- split: [identity, relu]" in text
    assert "shuffle 2 -> dwconv 3x3 bias" in text


class Merging(nn.Module):
    """Swin's patch merging, by strided slices or by a view, channels last."""

    def __init__(self, slices: bool) -> None:
        super().__init__()
        self.slices = slices
        self.reduce = nn.Linear(32, 16, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Gather squares in the channels."""
        x = x.permute(0, 2, 3, 1)
        if self.slices:
            parts = [x[:, i::2, j::2, :] for j in (0, 1) for i in (0, 1)]
            return self.reduce(torch.cat(parts, -1))
        n, h, w, c = x.shape
        return self.reduce(x.reshape(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 4, 2, 5).flatten(3))


@pytest.mark.parametrize("slices", [True, False])
def test_squares_of_positions_are_gathered(slices: bool) -> None:
    """Both ways of writing it are `pixel_unshuffle`."""
    assert "pixel_unshuffle 2 -> linear 16 nobias" in imported(Merging(slices), (8, 16, 16))


class Crossed(nn.Module):
    """Two branches that read each other's tensors: no fork, so names are needed."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(8, 8, 3, padding=1) for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Read one tensor twice."""
        a, b = self.a(x), self.b(x)
        both = a + b
        return self.c(both) + a


def test_what_crosses_is_named() -> None:
    """A tensor that is read further on gets a name after its module."""
    text = imported(Crossed(), (8, 16, 16))
    assert "as a" in text
    assert "from a" in text


class Pooled(nn.Module):
    """Uneven padding around a window, as TensorFlow has it."""

    def __init__(self, pad: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.pad = pad
        self.conv = nn.Conv2d(3, 8, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Pad, then convolve."""
        return self.conv(functional.pad(x, self.pad))


@pytest.mark.parametrize(
    ("pad", "written"), [((0, 1, 0, 1), "pad=tf_same"), ((1, 0, 1, 0), "pad=(1,0,1,0)"), ((1, 1, 1, 1), "")]
)
def test_padding_before_a_window_is_the_windows(pad: tuple[int, int, int, int], written: str) -> None:
    """Zeros put around the map are part of the layer behind them, by the shortest word for them."""
    assert " ".join(f"conv 3x3 8 stride=2 {written} bias".split()) in imported(Pooled(pad))


class Gated(nn.Module):
    """A learned map added, two branches multiplied, a slice of the channels read."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.zeros(1, 8, 16, 16))
        self.shift = nn.Parameter(torch.zeros(8, 1, 1))
        self.a, self.b, self.c = (nn.Conv2d(8, 8, 1) for _ in range(3))
        self.d = nn.Conv2d(3, 8, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run it."""
        x = self.a(x + self.map + self.shift)
        x = functional.silu(self.b(x)) * self.c(x)
        return self.d(x[:, 2:5])


def test_products_slices_and_learned_tensors() -> None:
    """Each is a structure of the language, with the parameters that it has."""
    text = imported(Gated(), (8, 16, 16))
    assert "- add: [identity, learned c x h x w]" in text
    assert "- add: [identity, learned c]" in text
    assert "- mul: [conv 1x1 8 bias -> silu, conv 1x1 8 bias]" in text
    assert "slice 2 5" in text


class Averaged(nn.Module):
    """All positions of a sequence but the first, averaged."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run it."""
        x = torch.cat([self.token, x.flatten(2).transpose(1, 2)], 1)
        return self.head(x[:, 1:].mean(1))


def test_positions_are_sliced() -> None:
    """What is behind the class token is a slice along the positions."""
    text = imported(Averaged(), (8, 4, 4))
    assert "tokens cls=1 pos=none -> slice 1 17 along=positions -> global_avgpool -> linear 4" in text


class Strange(nn.Module):
    """A map convolved with a corner of itself, which the language has not, a cumulative sum, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run it."""
        return self.linear(torch.cumsum(functional.conv2d(x, x[:, :, :3]), 1).mean([2, 3]))


def test_what_the_language_has_not_is_told() -> None:
    """The message says where, in which class and what; `--opaque` writes it with its numbers and says so."""
    graph = graph_of(Strange(), (8, 16, 16), "strange")
    with pytest.raises(BneckError) as caught:
        spec_of(graph, "test")
    assert str(caught.value) == (
        "test: 1 of 4 layers and joins cannot be written in the language\n"
        "  (top) (Strange): a convolution whose weights are computed from the input\n"
        "  --opaque writes each as an op with fixed shape and figures"
    )
    written = spec_of(graph, "test", opaque=True)
    assert "conv2d: {out: [1, 14, 1], params: 0, macs: 5376}" in written.text
    assert "cumsum: {out: [c, h, w], params: 0, macs: 0}" in written.text
    assert written.notes == (
        "The ops are functions of the model's code that the language has no layer for.",
        "1 operations are fixed numbers, valid for this input only",
    )


class Shared(nn.Module):
    """One layer, called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Use the same weights twice."""
        return self.conv(self.conv(x))


def test_weights_that_are_used_twice_are_told() -> None:
    """The second use has no parameters of its own, where the language's layer would."""
    with pytest.raises(BneckError, match="cannot be written in the language") as caught:
        spec_of(graph_of(Shared(), (8, 8, 8), "shared"), "test")
    assert "0 parameters, but `conv 3x3 8 bias` has 584" in str(caught.value)


def test_a_file_is_imported(tmp_path: Path) -> None:
    """A class of a file is made with its arguments; its modules may stand beside it."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from torch import nn\ndef net(width=4):\n    return nn.Sequential(nn.Conv2d(1, width, 3), nn.ReLU())\n"
    )
    found = import_model(f"{file}:net", ["width=6"], "1x8x8", False)
    assert "- conv 3x3 6 pad=0 bias -> relu" in found.text


@pytest.mark.parametrize(
    ("target", "calls", "message"),
    [
        ("nowhere_at_all:net", [], "no module 'nowhere_at_all'"),
        ("torch.nn:Lineal", [], "torch.nn has no 'Lineal'"),
        ("torch.nn:Linear", [], "torch.nn:Linear cannot be created: TypeError"),
        ("torch.nn:Linear", ["in_features"], r"--call expects NAME=VALUE \(got 'in_features'\)"),
        ("torch.nn:Linear", ["in_features=3,out_features=4"], "the model does not run"),
        ("torch:tensor", ["data=[1.0]"], "torch:tensor returns Tensor, not a model"),
        ("model.xyz", [], "no reader for '.xyz'"),
    ],
)
def test_what_is_no_model_is_told(target: str, calls: list[str], message: str) -> None:
    """Every way in which a name leads to no model is one message."""
    with pytest.raises(BneckError, match=message):
        import_model(target, calls, None, False)


@pytest.mark.parametrize("target", ["nowhere_at_all:net", "nowhere.py:Net", "net", ":", "__main__:net"])
def test_a_model_that_is_not_there_is_told_before_torch(target: str) -> None:
    """A typing error does not wait for PyTorch, which takes seconds to import."""
    code = (
        "import sys\nfrom bneck_cli import cli\n"
        f"sys.argv = ['bneck', 'verify', 'alexnet', {target!r}]\n"
        "print(cli.run(), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1 False\n"
    assert done.stderr.startswith("error: ")


def test_the_guides_example_is_what_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide shows a file and the spec that is made of it."""
    guide = (specs_folder() / "GUIDE.md").read_text(encoding="utf-8").partition("```python title=mynet.py\n")[2]
    code, _, rest = guide.partition("```")
    (tmp_path / "mynet.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    assert import_model("mynet.py:Net", [], "3x32x32", False).text == rest.partition("```yaml\n")[2].partition("```")[0]


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("net.py", "net.py:Net"),
        ("net.py:Net", "net.py:Net"),
        ("torchvision.models:resnet50", "torchvision.models:resnet50"),
    ],
)
def test_a_model_that_is_analysed_is_told_to_import(name: str, target: str) -> None:
    """What is Python is no spec, and the hint is the command that makes one of it."""
    with pytest.raises(BneckError, match="is Python, not a spec") as caught:
        load(name)
    assert caught.value.hint == f"`bneck import {target}` turns a PyTorch model into a spec"


def test_names_of_models() -> None:
    """A target has a colon and names on both sides; a file's block has none of Python's."""
    assert is_target("torchvision.models:resnet50")
    assert is_target("some/folder/net.py:Net")
    assert not is_target("model.onnx")
    assert not is_target("specs/resnet50.yaml:bottleneck")


def test_arguments_are_python() -> None:
    """Values are Python's, and a bare word is text; commas inside brackets do not end one."""
    assert arguments(["weights=None,widths=[1, 2],name=resnet50", "x='a,b'"]) == {
        "weights": None,
        "widths": [1, 2],
        "name": "resnet50",
        "x": "a,b",
    }


@pytest.mark.parametrize("given", ["3x", "3x0x4", "axb", "3×4", "-1x2"])
def test_wrong_sizes_are_told(given: str) -> None:
    """Sizes are positive numbers."""
    with pytest.raises(BneckError, match="--input expects sizes"):
        read_sizes(given)


def test_views_split_and_join_atoms() -> None:
    """An axis of 12 viewed as 3 by 4 has atoms 4 apart, and comes back whole; 5 does not divide it."""
    axes = ((), (Atom(0, 1, 12),), (Atom(1, 1, 5),))
    split = viewed(axes, (1, 3, 4, 5))
    assert split == ((), (Atom(0, 4, 3),), (Atom(0, 1, 4),), (Atom(1, 1, 5),))
    assert viewed(split, (12, 5)) == axes[1:]
    assert viewed(axes, (8, 5)) is None
    assert viewed(axes, (10, 6)) is None


class Dropped(nn.Module):
    """Attention behind whose projection stands a dropout, twice, with positions that a small network computes."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(48, 6) for _ in range(2))
        self.dropout = nn.Dropout(0.1)
        self.positions = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add the same positions to the scores of both."""
        n, width, length = x.shape
        x = x.transpose(1, 2)
        positions = self.positions(x.new_zeros(length, length, 2)).permute(2, 0, 1)
        for block in self.blocks:
            qkv = block.qkv(block.norm1(x)).reshape(n, length, 3, 6, width // 6).permute(2, 0, 3, 1, 4)
            q, k, v = qkv.unbind(0)
            scores = q @ k.transpose(-2, -1) + positions
            y = (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, length, width)
            x = x + self.dropout(block.proj(y))
        return x


def test_what_is_done_to_scores_is_written() -> None:
    """Positions that both attentions add are named once; each is queries, keys and values, and a sum with them."""
    text = imported(Dropped(), (48, 9))
    assert text.count("attend:") == 2
    assert text.count("learned 2 x 9 x 9 frozen") == 1
    assert text.count("scores:") == 2
    assert text.count("dropout") == 2


HOSTILE = """
import torch
from torch import nn
from torch.nn import functional

class Raises(nn.Module):
    def forward(self, x):
        raise KeyError("no such head")

class Leaves(nn.Module):
    def forward(self, x):
        raise SystemExit(0)

class Depends(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x

class Circular(nn.Module):
    def __init__(self):
        super().__init__()
        self.me = self

class Again(nn.Module):
    def forward(self, x):
        return self(functional.relu(x))

class Endless(nn.Module):
    def forward(self, x):
        while True:
            x = x.contiguous()

class Nothing(nn.Module):
    def forward(self, x):
        return None
"""


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Raises", "the model does not run in its own code (Raises): KeyError: 'no such head'"),
        ("Leaves", "the model does not run in its own code (Leaves): SystemExit: 0"),
        ("Depends", "Tensor.item() cannot be called on meta tensors"),
        ("Circular", "Circular contains itself"),
        ("Again", "RecursionError: maximum recursion depth exceeded"),
        ("Endless", "the model calls more than 1,000 functions"),
        ("Nothing", "Nothing: 1 inputs and 0 outputs"),
    ],
)
def test_models_that_go_wrong_have_one_message(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a model's own code does, one message says where and what; a loop without an end comes to one."""
    monkeypatch.setattr("bneck_cli.bridges.calls.capture.MOST_RECORDS", 1_000)
    (tmp_path / "hostile.py").write_text(HOSTILE)
    with pytest.raises(BneckError) as caught:
        import_model(f"{tmp_path / 'hostile.py'}:{name}", [], "3x8x8", False)
    assert message in caught.value.message
    assert "\n" not in caught.value.message


BY_HAND = """\
name: by hand
input: 3 x 32 x 32
blocks:
  basic(channels, stride=1):
    - residual: conv 3x3 channels stride=stride -> bn -> relu -> conv 3x3 channels -> bn
      shortcut: auto
    - relu
net:
  - conv 3x3 16 bias
  - 2x basic 16
  - basic 32 stride=2
  - 2x basic 32
  - global_avgpool -> linear 10
"""


@pytest.mark.parametrize(
    ("right", "wrong", "side", "path", "layer"),
    [
        ("", "", "", "", ""),
        ("- 2x basic 16", "- basic 16", "model", "layer1.0.conv1", "conv 3x3 16"),
        ("-> relu -> conv 3x3 channels -> bn", "-> conv 3x3 channels -> bn", "model", "layer1.0", "relu"),
        ("conv 3x3 16 bias", "conv 3x3 16", "spec", "conv", "conv 3x3 16"),
        ("basic 32 stride=2", "basic 32", "spec", "basic2.conv1", "conv 3x3 32 stride=1"),
        ("linear 10", "linear 11", "spec", "linear", "linear 11"),
    ],
)
def test_a_spec_written_by_hand_is_verified_row_by_row(
    right: str, wrong: str, side: str, path: str, layer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spec of a person's own agrees with the model; one that is wrong is told with the first row that differs."""
    from bneck_cli.bridges import verify_report
    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.document import Source
    from bneck_cli.language.library import resolve

    monkeypatch.setattr(verify_report, "read_target", lambda *_: graph_of(Residual(), (3, 32, 32), "net"))
    program = resolve(Source("by_hand.yaml", BY_HAND.replace(right, wrong) if right else BY_HAND))
    found = verify_report.verified(program, Settings(), "net.py:Residual", [])
    assert found.compared.equal == (not layer)
    if layer:
        first = next(iter(verify_report._lines(found)))
        assert (first[0], first[1].path, first[1].text) == (side, path, layer)
