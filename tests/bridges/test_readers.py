"""Files of other tools, read into specs: figures that are known of the networks, and files that are wrong."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bneck_cli import BneckError, analyze
from bneck_cli.bridges.importing import import_model

if TYPE_CHECKING:
    from pathlib import Path


def imported(folder: Path, name: str, text: str, given: str | None = None) -> str:
    """Write a file and return the spec that is made of it."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return import_model(str(path), [], given, opaque=False).text


# Darknet


def unit(filters: int, size: int, stride: int = 1) -> str:
    """Write a convolution with its norm and activation."""
    sizes = f"filters={filters}\nsize={size}\nstride={stride}\npad=1"
    return f"[convolutional]\nbatch_normalize=1\n{sizes}\nactivation=leaky\n\n"


def plain(filters: int) -> str:
    """Write a 1x1 convolution without either."""
    return f"[convolutional]\nfilters={filters}\nsize=1\nstride=1\npad=1\nactivation=linear\n\n"


def pool(stride: int = 2) -> str:
    """Write a pooling of 2x2."""
    return f"[maxpool]\nsize=2\nstride={stride}\n\n"


def yolov3_tiny() -> str:
    """Write the small YOLOv3 (arXiv 1804.02767), which predicts on two maps."""
    parts = ["[net]\nbatch=1 # images\nwidth=416\nheight=416\nchannels=3\n\n"]
    parts += [unit(filters, 3) + pool() for filters in (16, 32, 64, 128, 256)]
    parts += [unit(512, 3), pool(1), unit(1024, 3), unit(256, 1), unit(512, 3), plain(255), "[yolo]\nmask = 3,4,5\n\n"]
    parts += ["[route]\nlayers = -4\n\n", unit(128, 1), "[upsample]\nstride=2\n\n", "[route]\nlayers = -1, 8\n\n"]
    parts += [unit(256, 3), plain(255), "[yolo]\nmask = 0,1,2\n\n"]
    return "".join(parts)


def darknet53(depths: tuple[int, ...] = (1, 2, 8, 8, 4)) -> str:
    """Write the backbone of YOLOv3 with its classifier."""
    parts = ["[net]\nheight=256\nwidth=256\n\n", unit(32, 3)]
    for stage, depth in enumerate(depths):
        filters = 64 * 2**stage
        pair = unit(filters // 2, 1) + unit(filters, 3) + "[shortcut]\nfrom=-3\nactivation=linear\n\n"
        parts += [unit(filters, 3, 2), pair * depth]
    return "".join([*parts, "[avgpool]\n\n", plain(1000), "[softmax]\ngroups=1\n\n"])


def test_a_small_yolo_is_read_to_the_unit(tmp_path: Path) -> None:
    """Its parameters and multiply-adds are known; the first map that it predicts on is named, and leaves."""
    text = imported(tmp_path, "yolov3-tiny.cfg", yolov3_tiny())
    analysis = analyze(text)
    assert (analysis.cost.params, analysis.cost.macs) == (8_852_366, 2_782_480_896)
    assert [str(shape) for shape in analysis.outputs.values()] == ["255×13×13", "255×26×26"]
    assert "pad=(0,1,0,1)" in text


def test_shortcuts_become_blocks(tmp_path: Path) -> None:
    """Darknet-53 is a block of two lines and the line of each stage, and counts what the library's spec counts."""
    text = imported(tmp_path, "darknet53.cfg", darknet53())
    assert "  - 8x residual_block\n" in text
    analysis, own = analyze(text), analyze("darknet53")
    assert (analysis.cost.params, analysis.cost.macs) == (own.cost.params, own.cost.macs)


def test_sizes_may_be_given(tmp_path: Path) -> None:
    """The size that the command line gives takes the file's place."""
    assert "input: 3 x 320 x 320" in imported(tmp_path, "net.cfg", darknet53((1,)), "3x320x320")


@pytest.mark.parametrize(
    ("size", "stride", "side", "out"), [(2, 2, 13, 7), (2, 2, 12, 6), (3, 2, 13, 7), (5, 1, 9, 9), (2, 1, 6, 6)]
)
def test_darknet_pools_as_its_source_does(tmp_path: Path, size: int, stride: int, side: int, out: int) -> None:
    """(side + padding - size) // stride + 1 with a padding of size - 1, whatever the parity."""
    text = f"[net]\nwidth={side}\nheight={side}\n[maxpool]\nsize={size}\nstride={stride}\n{plain(4)}"
    assert analyze(imported(tmp_path, "pool.cfg", text)).root.out.spatial == (out, out)


SQUEEZE = "[avgpool]\n\n" + plain(4) + plain(16).replace("linear", "logistic") + "[scale_channels]\nfrom=-4\n\n"


@pytest.mark.parametrize(
    ("gate", "written", "params", "macs"),
    [
        (plain(16).replace("linear", "logistic") + "[sam]\nfrom=-2\n", "conv 1x1 16 bias -> sigmoid", 272, 16_384),
        (SQUEEZE, "global_avgpool -> conv 1x1 4 bias -> conv 1x1 16 bias -> sigmoid", 148, 128),
        (
            plain(1).replace("linear", "logistic") + "[scale_channels]\nfrom=-2\nscale_wh=1\n",
            "conv 1x1 1 bias -> sigmoid",
            17,
            1024,
        ),
    ],
)
def test_gates_are_read(tmp_path: Path, gate: str, written: str, params: int, macs: int) -> None:
    """YOLOv4's [sam] by element, [scale_channels] by channel or position; from the map that is scaled on by hand."""
    text = imported(tmp_path, "gate.cfg", f"[net]\nwidth=8\nheight=8\nchannels=3\n\n{unit(16, 3)}{gate}")
    assert f"  - scale: {written}\n" in text
    analysis = analyze(text)
    assert (analysis.cost.params, analysis.cost.macs) == (432 + 32 + params, 64 * 432 + macs)
    assert str(analysis.root.out) == "16×8×8"


# Caffe


def layer(name: str, kind: str, bottoms: list[str], top: str, more: str = "") -> str:
    """Write a layer of Caffe."""
    lines = [f'  name: "{name}"', f'  type: "{kind}"', *(f'  bottom: "{one}"' for one in bottoms), f'  top: "{top}"']
    return "layer {\n" + "\n".join([*lines, f"  {more}" if more else ""]) + "\n}\n"


def convolution(
    name: str, bottom: str, filters: int, size: int, stride: int = 1, pad: int = 0, bias: str = "false"
) -> str:
    """Write a convolution with its norm and the norm's scale, which work in place."""
    sizes = f"num_output: {filters} kernel_size: {size} pad: {pad} stride: {stride} bias_term: {bias}"
    return (
        layer(name, "Convolution", [bottom], name, f"convolution_param {{ {sizes} }}")
        + layer(f"bn_{name}", "BatchNorm", [name], name, "batch_norm_param { use_global_stats: true }")
        + layer(f"scale_{name}", "Scale", [name], name, "scale_param { bias_term: true }")
    )


def relu(top: str) -> str:
    """Write an activation in place."""
    return layer(f"{top}_relu", "ReLU", [top], top)


def resnet50() -> str:
    """Write ResNet-50 as its authors deployed it: strides in the 1x1, a bias in the first convolution."""
    text = 'name: "ResNet-50"\ninput: "data"\ninput_dim: 1\ninput_dim: 3\ninput_dim: 224\ninput_dim: 224\n'
    text += convolution("conv1", "data", 64, 7, 2, 3, "true") + relu("conv1")
    text += layer("pool1", "Pooling", ["conv1"], "pool1", "pooling_param { kernel_size: 3 stride: 2 pool: MAX }")
    before = "pool1"
    for stage, (width, depth) in enumerate([(64, 3), (128, 4), (256, 6), (512, 3)], 2):
        for copy in range(depth):
            name, stride = f"res{stage}{'abcdef'[copy]}", 2 if stage > 2 and copy == 0 else 1
            shortcut = before
            if copy == 0:
                shortcut = f"{name}_branch1"
                text += convolution(shortcut, before, 4 * width, 1, stride)
            a, b, c = (f"{name}_branch2{letter}" for letter in "abc")
            text += convolution(a, before, width, 1, stride) + relu(a)
            text += convolution(b, a, width, 3, 1, 1) + relu(b) + convolution(c, b, 4 * width, 1)
            text += layer(name, "Eltwise", [shortcut, c], name) + relu(name)
            before = name
    text += layer("pool5", "Pooling", [before], "pool5", "pooling_param { kernel_size: 7 stride: 1 pool: AVE }")
    text += layer("fc1000", "InnerProduct", ["pool5"], "fc1000", "inner_product_param { num_output: 1000 }")
    return text + layer("prob", "Softmax", ["fc1000"], "prob")


def test_the_authors_resnet_is_read_as_a_person_would_write_it(tmp_path: Path) -> None:
    """One block for its sixteen, 64 biases more than the paper's others, and the paper's multiply-adds."""
    text = imported(tmp_path, "resnet50.prototxt", resnet50())
    assert "  - 6x residual_block 1024 first(stride=2)\n" in text
    assert "shortcut: auto" in text
    own = analyze("resnet50_v1")
    analysis = analyze(text)
    assert (analysis.cost.params, analysis.cost.macs) == (own.cost.params + 64, own.cost.macs)


def test_what_trains_alone_is_left_out(tmp_path: Path) -> None:
    """Data, losses and layers of the training phase are no part of the network."""
    text = imported(
        tmp_path,
        "train_val.prototxt",
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n'
        + layer("drop", "Dropout", ["data"], "data", "include { phase: TRAIN }")
        + layer("cut", "Slice", ["data"], "a", 'top: "b" slice_param { slice_point: 1 }')
        + layer("both", "Concat", ["b", "a"], "both")
        + layer("ip", "InnerProduct", ["both"], "ip", "inner_product_param { num_output: 10 bias_term: false }")
        + 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }\n',
    )
    assert "dropout" not in text
    assert analyze(text).cost.params == 3 * 8 * 8 * 10


# Wrong files

NET, INPUT = "[net]\nwidth=8\nheight=8\n", 'input: "x" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8\n'
WRONG = [
    ("a.cfg", "", "must begin with [net]"),
    ("a.cfg", "[net]\nwidth=8", "needs `height`"),
    ("a.cfg", "hello", "expected [section] or name=value"),
    ("a.cfg", f"{NET}[convolutionl]", "section [convolutionl] is not supported"),
    ("a.cfg", f"{NET}[route]\nlayers=-2", "`layers` names section -2"),
    ("a.cfg", f"{NET}[route]\nlayers=1.5", "must list whole numbers"),
    ("a.cfg", f"{NET}[convolutional]\nfilters=3\nsize=3\nactivation=leeky", "unknown activation 'leeky'"),
    ("a.cfg", f"{NET}[convolutional]\nfilters={'9' * 40}", "`filters` must be a whole number"),
    ("a.cfg", f"{NET}{plain(4)}[convolutional]\nsize=9", "[convolutional]: conv: 4×8×8 is too small"),
    ("a.cfg", f"{NET}{plain(4)}{plain(5)}[sam]\nfrom=-2", "[sam] multiplies 4×8×8 by 5×8×8, which is not read"),
    ("a.cfg", f"{NET}{plain(4)}[sam]\nfrom=-1,-1", "[sam] multiplies one map (got 2)"),
    ("a.cfg", f"{NET}{plain(4)}[scale_channels]\nfrom=-1", "scales 4×8×8 by 4×1×1 (got 4×8×8)"),
    ("a.prototxt", "", "no input"),
    ("a.prototxt", "layer {", "unclosed braces"),
    ("a.prototxt", "a { " * 90, "messages nest at most 50 deep"),
    ("a.prototxt", "}", "unmatched"),
    ("a.prototxt", f'{INPUT}layer {{ type: "Convoluton" bottom: "x" top: "y" }}', "type 'Convoluton' is not supported"),
    ("a.prototxt", f'{INPUT}layer {{ type: "ReLU" bottom: "z" top: "y" }}', "no earlier layer produces 'z'"),
    ("a.prototxt", f'{INPUT}layer {{ name: "c" type: "Pooling" bottom: "x" top: "y" }}', "kernel must be a positive"),
    ("a.prototxt", f'{INPUT}layer {{ name: "c" type: "ReLU" top: "y" }}', "takes no tensor"),
    ("a.xyz", "", "no reader for '.xyz'"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "said"), WRONG)
def test_a_wrong_file_gets_one_message(tmp_path: Path, name: str, text: str, said: str) -> None:
    """With what was expected, and where."""
    with pytest.raises(BneckError) as caught:
        imported(tmp_path, name, text)
    assert said in str(caught.value)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_mangled_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Lines left out, doubled or cut short: never anything but a spec or the one error."""
    name, text = data.draw(st.sampled_from([("a.cfg", yolov3_tiny()), ("a.prototxt", resnet50()[:3000])]))
    lines = text.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(lines) - 1))
        lines[place : place + 1] = data.draw(
            st.sampled_from(
                [[], [lines[place]] * 2, [lines[place][: len(lines[place]) // 2]], [lines[place].replace("1", "0")]]
            )
        )
    with suppress(BneckError):
        analyze(imported(tmp_path_factory.mktemp("mangled"), name, "\n".join(lines)))
