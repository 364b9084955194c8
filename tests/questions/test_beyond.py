"""Networks beyond torchvision's classifiers against the figures of the code that they come from."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

import bneck_cli

FACTS = list(csv.DictReader((Path(__file__).parents[1] / "data" / "beyond.csv").open(encoding="utf-8")))
NAMES = {
    "deit3_small_patch16_224": "deit3_small",
    "llama3_8b_decode": "llama3_8b",
    "ssdlite320": "ssdlite320_mobilenet_v3_large",
}
"""Specs of another name than their row."""
BERT = """
include: bert_base
input: 768 x 512
net: ln -> 12x layer 12 -> take 0 -> linear cin -> tanh
"""
"""BERT without its tables of words: what arrives is their sum."""
UNSAID = {
    "gru_attention": "its layout is not published; over two hundred layouts at the paper's widths have its parameters",
}


def asked(name: str, text: str) -> dict[str, str]:
    """Read a row's input; several inputs, and tokens by their number, are what the spec has by itself."""
    if name == "bert_base":
        return {}
    if re.fullmatch(r"1x1x1 \((\d+) past\)", text):
        return {"input": "1x1", "past": text[7:-6]}
    if text.startswith("1x1x"):
        return {"input": text[2:]}
    return {"input": text} if re.fullmatch(r"\d+(x\d+)+", text) else {}


@pytest.mark.parametrize("row", FACTS, ids=lambda row: f"{row['network']}-{row['input']}")
def test_every_row_is_met_to_the_unit(row: dict[str, str]) -> None:
    """Parameters, those that one token meets, and multiply-adds are those of the row."""
    name = row["network"]
    if name in UNSAID:
        pytest.skip(UNSAID[name])
    network = bneck_cli.analyze(BERT if name == "bert_base_seq" else NAMES.get(name, name), **asked(name, row["input"]))
    figures = ("params", "macs", "active_params") if row["active_params"] else ("params", "macs")
    assert {key: getattr(network.cost, key) for key in figures} == {key: int(row[key]) for key in figures}


def test_few_networks_need_formulas() -> None:
    """Two have an op of their own: Mamba's scan, and RAFT's look-up where its flow points."""
    from bneck_cli.language.library import load, network_names

    with_ops = {name for name in network_names() if load(name).formulas}
    assert with_ops == {"mamba_130m", "raft_small"}
