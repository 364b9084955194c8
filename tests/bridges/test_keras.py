"""Keras' configurations, read into specs: figures worked out by hand, and files that are wrong."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bneck_cli import BneckError, analyze
from bneck_cli.bridges.importing import import_model

if TYPE_CHECKING:
    from pathlib import Path


def tensor(name: str, call: int = 0) -> dict[str, Any]:
    """Write what stands for a layer's tensor among another one's arguments."""
    return {"class_name": "__keras_tensor__", "config": {"shape": None, "keras_history": [name, call, 0]}}


def layer(kind: str, name: str, *sources: str, **config: Any) -> dict[str, Any]:
    """Write a layer of a model that is no sequence."""
    tensors = [tensor(one) for one in sources]
    args = tensors if len(tensors) == 1 else [tensors]
    nodes = [{"args": args, "kwargs": {}}] if sources else []
    return {"class_name": kind, "name": name, "config": {"name": name, **config}, "inbound_nodes": nodes}


def functional(*layers: dict[str, Any], side: int = 32, channels: int = 3) -> dict[str, Any]:
    """Write a model from ``x`` to the last layer."""
    entry = layer("InputLayer", "x", batch_shape=[None, side, side, channels])
    config = {
        "name": "net", "layers": [entry, *layers], "input_layers": [["x", 0, 0]],
        "output_layers": [[layers[-1]["name"], 0, 0]],
    }  # fmt: skip
    return {"module": "keras", "class_name": "Functional", "config": config}


def convolution(name: str, source: str, filters: int, size: int, stride: int = 1) -> list[dict[str, Any]]:
    """Write a convolution without bias and its norm."""
    options = {"kernel_size": [size, size], "strides": [stride, stride], "padding": "same", "use_bias": False}
    return [
        layer("Conv2D", f"{name}_conv", source, filters=filters, **options),
        layer("BatchNormalization", f"{name}_bn", f"{name}_conv", axis=3),
    ]


def residual(depth: int) -> dict[str, Any]:
    """Write blocks of two convolutions, the first of which halves the map, with a classifier."""
    layers, before = [], "x"
    for place in range(1, depth + 1):
        name, stride = f"conv2_block{place}", 2 if place == 1 else 1
        layers += convolution(f"{name}_1", before, 16, 3, stride)
        layers += [layer("Activation", f"{name}_1_relu", f"{name}_1_bn", activation="relu")]
        layers += convolution(f"{name}_2", f"{name}_1_relu", 16, 3)
        shortcut = before
        if place == 1:
            layers += convolution(f"{name}_0", before, 16, 1, 2)
            shortcut = f"{name}_0_bn"
        layers += [layer("Add", f"{name}_add", shortcut, f"{name}_2_bn")]
        layers += [layer("ReLU", f"{name}_out", f"{name}_add", max_value=None)]
        before = f"{name}_out"
    layers += [layer("GlobalAveragePooling2D", "avg_pool", before)]
    return functional(*layers, layer("Dense", "predictions", "avg_pool", units=10, activation="softmax"))


def imported(folder: Path, config: Any, given: str | None = None, name: str = "config.json") -> str:
    """Write a configuration to a file and return the spec that is made of it."""
    path = folder / name
    path.write_text(config if isinstance(config, str) else json.dumps(config), encoding="utf-8")
    return import_model(str(path), [], given, opaque=False).text


def test_blocks_come_from_names(tmp_path: Path) -> None:
    """``conv2_block1_1_conv`` is in a block; statistics that are remembered are no parameters."""
    text = imported(tmp_path, residual(3))
    assert "  - 3x block first(stride=2) -> as conv2\n" in text
    first = 9 * 3 * 16 + 9 * 16 * 16 + 3 * 16 + 3 * 2 * 16
    other = 2 * (9 * 16 * 16 + 2 * 16)
    analysis = analyze(text)
    assert analysis.cost.params == first + 2 * other + 16 * 10 + 10
    assert analysis.macs == 16 * 16 * (first - 96 + 2 * (other - 64)) + 160


def test_padding_is_tensorflows(tmp_path: Path) -> None:
    """``same`` of stride 2 pads less before; zeros before a window are part of it."""
    config = functional(
        layer("ZeroPadding2D", "pad", "x", padding=[[0, 1], [0, 1]]),
        layer("Conv2D", "a", "pad", filters=4, kernel_size=[3, 3], strides=[2, 2], padding="valid"),
        layer("ZeroPadding2D", "zeros", "a", padding=1),
        layer("MaxPooling2D", "b", "zeros", pool_size=[3, 3], strides=[2, 2], padding="valid"),
        layer("DepthwiseConv2D", "c", "b", kernel_size=[3, 3], strides=[2, 2], padding="same", use_bias=False),
    )
    text = imported(tmp_path, config)
    assert "conv 3x3 4 stride=2 pad=tf_same bias" in text
    assert "maxpool 3x3 stride=2 pad=1" in text
    assert "dwconv 3x3 stride=2 pad=tf_same" in text
    assert analyze(text).root.out.spatial == (4, 4)


@pytest.mark.parametrize(
    ("size", "stride", "padding"), [(2, 2, "same"), (3, 2, "same"), (4, 2, "same"), (3, 1, "same"), (5, 2, "valid")]
)
def test_transposed_convolutions_have_keras_sizes(tmp_path: Path, size: int, stride: int, padding: str) -> None:
    """``same`` is as many times as large as the stride; ``valid`` is (n - 1)·s + k."""
    options = {"kernel_size": [size, size], "strides": [stride, stride], "padding": padding}
    text = imported(tmp_path, functional(layer("Conv2DTranspose", "up", "x", filters=4, **options)))
    side = 32 * stride if padding == "same" else 31 * stride + size
    assert analyze(text).root.out.spatial == (side, side)


def test_a_sequence_and_an_archive_are_read(tmp_path: Path) -> None:
    """A model that is a list of layers, in the file that Keras saves."""
    layers = [
        {"class_name": "InputLayer", "config": {"batch_shape": [None, 8, 8, 1], "name": "i"}},
        {"class_name": "Conv2D", "config": {"name": "c", "filters": 4, "kernel_size": [3, 3], "activation": "relu"}},
        {"class_name": "Flatten", "config": {"name": "f"}},
        {"class_name": "Dense", "config": {"name": "d", "units": 10, "use_bias": False}},
    ]
    config = {"class_name": "Sequential", "config": {"name": "small", "layers": layers}}
    with ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    text = import_model(str(tmp_path / "m.keras"), [], None, opaque=False).text
    assert text == imported(tmp_path, config).replace("config.json", "m.keras")
    assert analyze(text).cost.params == 36 + 4 + 36 * 4 * 10


def test_sizes_may_be_given(tmp_path: Path) -> None:
    """Where the file has none, channels first as everywhere here."""
    config = functional(layer("Conv2D", "c", "x", filters=4, kernel_size=[1, 1]))
    config["config"]["layers"][0]["config"]["batch_shape"] = [None, None, None, 3]
    with pytest.raises(BneckError, match="give its sizes, channels first"):
        imported(tmp_path, config)
    assert "input: 3 x 16 x 16" in imported(tmp_path, config, "3x16x16")


CONV = {"filters": 4, "kernel_size": [3, 3]}
WRONG: list[tuple[Any, str]] = [
    ("{", "no JSON"),
    ("[" * 100_000, "JSON that is nested too deep"),
    ("[]", "no Keras model that lists its layers"),
    ('{"class_name": "MyModel", "config": {}}', "a MyModel is code"),
    ('{"class_name": "Functional", "config": {"layers": []}}', "a model has a list of layers"),
    (functional(layer("Conv2d", "c", "x", **CONV)), "layer 'c' (Conv2d): this kind of layer is not read"),
    (functional(layer("Conv2D", "c", "y", **CONV)), "takes 'y', which no layer before it gives"),
    (functional(layer("Conv2D", "c", "x", filters=-1)), "`filters` is a whole number from 1"),
    (functional(layer("Conv2D", "c", "x", filters=4, kernel_size=[99, 99])), "layer 'c' (Conv2D)"),
    (functional(layer("Conv2D", "c", "x", padding="sane", **CONV)), "padding 'sane'"),
    (functional(layer("Conv2D", "c", "x", activation="reloo", **CONV)), "no activation 'reloo'"),
    (functional(layer("Concatenate", "c", "x", "x", axis=1)), "a concatenation along axis 1"),
    (functional(layer("LSTM", "c", "x", units=4)), "one bias for each gate"),
    (functional(layer("BatchNormalization", "c", "x", axis=1)), "a norm over axis 1"),
]  # fmt: skip


@pytest.mark.parametrize(("config", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_file_gets_one_message(tmp_path: Path, config: Any, said: str) -> None:
    """With the layer, and what was expected of it."""
    with pytest.raises(BneckError) as caught:
        imported(tmp_path, config)
    assert said in str(caught.value)


def test_a_layer_that_runs_twice_is_refused(tmp_path: Path) -> None:
    """Its weights are shared, which is told and not counted twice."""
    once = layer("Conv2D", "c", "x", filters=3, kernel_size=[1, 1])
    once["inbound_nodes"].append({"args": [tensor("c")], "kwargs": {}})
    config = functional(once)
    config["config"]["output_layers"] = [["c", 1, 0]]
    with pytest.raises(BneckError, match="12 parameters would be shared"):
        imported(tmp_path, config)


def test_an_archive_that_is_none_is_refused(tmp_path: Path) -> None:
    """And so is one without a configuration."""
    (tmp_path / "a.keras").write_bytes(b"no archive")
    with pytest.raises(BneckError, match="cannot be read"):
        import_model(str(tmp_path / "a.keras"), [], None, opaque=False)
    with ZipFile(tmp_path / "b.keras", "w") as archive:
        archive.writestr("other.json", "{}")
    with pytest.raises(BneckError, match="cannot be read"):
        import_model(str(tmp_path / "b.keras"), [], None, opaque=False)


def scalars() -> st.SearchStrategy[Any]:
    """Draw values of any type."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**65), 2**65),
        st.floats(),
        st.text(max_size=5),
        st.just([]),
        st.just({}),
    )


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_a_mangled_file_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Values of other types anywhere: never anything but a spec or the one error."""
    config = residual(2)
    for _ in range(data.draw(st.integers(1, 3))):
        held: Any = config
        while isinstance(held, (dict, list)) and held:
            keys = list(held) if isinstance(held, dict) else list(range(len(held)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(held[key], (dict, list)) or not held[key] or data.draw(st.integers(0, 4)) == 0:
                held[key] = data.draw(scalars())
                break
            held = held[key]
    with suppress(BneckError):
        analyze(imported(tmp_path_factory.mktemp("mangled"), config))
