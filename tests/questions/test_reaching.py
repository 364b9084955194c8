"""Blocks of the library from outside: as a network's own, and by themselves on what their file says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bneck_cli.engine.analysis import Analysis, analyze_program
from bneck_cli.engine.settings import read_settings
from bneck_cli.errors import BneckError
from bneck_cli.language.library import as_network, block_files, load, network_names
from bneck_cli.sizes.writing import pretty

TAKING = [name for name in network_names() if as_network(load(name)).parameter("block")]
"""The networks whose definition takes a block."""


def with_block(network: str, block: str) -> Analysis:
    """Analyse a network of other blocks."""
    return analyze_program(load(network), read_settings(values=[("block", block)]))


@pytest.mark.parametrize("block", block_files())
def test_every_block_works_in_every_network_or_is_told_why_not(block: str) -> None:
    """Where it does not fit, one error says at which row."""
    fits = 0
    for network in TAKING:
        try:
            fits += with_block(network, block).cost.params > 0
        except BneckError as error:
            assert error.location, f"{network}, {block}"  # noqa: PT017  (each is told at its row)
            assert "unknown" not in error.message  # noqa: PT017
    if block in ("basic", "bottleneck", "se_bottleneck", "resnext", "inverted_residual", "regnet_y", "res2net"):
        assert fits >= len(TAKING) - 2  # a width of 26/256 is whole at 256 channels, and not at 64


def test_a_block_from_outside_is_the_one_that_is_included() -> None:
    """ResNet-50 of squeezed bottlenecks is SE-ResNet-50; a file's own blocks come first."""
    assert with_block("resnet50", "se_bottleneck").cost == analyze_program(load("se_resnet50")).cost
    assert with_block("se_resnet50", "bottleneck").cost == analyze_program(load("resnet50")).cost


def test_a_sweep_reaches_them() -> None:
    """Families of another block are worked out as one is."""
    command = ["sweep", "resnet50", "--set", "block=regnet_y", "--vary", "channels=64,128", "--format", "csv"]
    done = subprocess.run([sys.executable, "-m", "bneck_cli", *command], capture_output=True, text=True, check=False)
    params = [int(line.split(",")[1]) for line in done.stdout.split()[1:]]
    settings = [read_settings(values=[("block", "regnet_y"), ("channels", width)]) for width in ("64", "128")]
    assert params == [analyze_program(load("resnet50"), one).cost.params for one in settings]


def test_a_block_stands_on_what_its_file_says() -> None:
    """A file of blocks may have an input: of sequences for those that need one; options say otherwise."""
    assert str(analyze_program(load("llama")).inputs["input"]) == "4096×2048"
    assert str(analyze_program(load("llama"), read_settings(channels="512")).inputs["input"]) == "512×2048"
    assert str(analyze_program(load("llama"), read_settings(input="64x128")).inputs["input"]) == "64×128"
    symbols = analyze_program(load("llama"), read_settings(symbolic=True)).cost
    assert (pretty(symbols.params), pretty(symbols.macs)) == ("13·C² + 2·C", "13·C²·L + 2·C·L²")
    assert (
        str(
            analyze_program(
                load("mixtral_8x7b:decoder"),
                read_settings(
                    values=[
                        ("channels", "512"),
                        ("heads", "8"),
                        ("kv", "2"),
                        ("mlp", "64"),
                        ("count", "4"),
                        ("active", "2"),
                    ]
                ),
            ).inputs["input"]
        )
        == "512×2048"
    )  # a block of a language model stands on a sequence, too


CODE = {"cbam": (8564, 323_712), "eca": (3, 768), "global_context": (16_993, 1_622_016)}
"""Parameters and multiply-adds of each gate's own code at 256 channels on 56×56; CBAM's has biases."""


@pytest.mark.parametrize("name", CODE)
def test_gates_are_those_of_their_code(name: str) -> None:
    """Parameters and multiply-adds as the authors' code has them."""
    cost = analyze_program(load(name), read_settings(channels="256")).cost
    assert (cost.params, cost.macs) == CODE[name]
