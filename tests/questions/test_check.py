"""Budgets: what a spec may have at most, held to the unit."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from running import run

import bneck_cli
from bneck_cli.sizes.amounts import byte_amount

if TYPE_CHECKING:
    from pathlib import Path

SPEC = "input: 3 x 32 x 32\nnet: conv 3x3 8 -> bn -> relu\n"


def test_budgets_are_held(tmp_path: Path) -> None:
    """``check`` says what is over its budget, by how much and where most of it is, and leaves with 1."""
    (tmp_path / "mine.yaml").write_text(SPEC, encoding="utf-8")
    macs = bneck_cli.analyze(SPEC).macs
    assert run("check", "mine.yaml", "--max-params", "232", "--max-macs", str(macs), folder=tmp_path).code == 0
    done = run("check", "mine.yaml", "vgg16", "--max-params", "231", "--max-memory", "1GiB", folder=tmp_path)
    assert done.code == 1
    assert "mine.yaml has 232 params, 1 (0.4%) over the 231 allowed; the largest part is conv with 216." in " ".join(
        done.out.split()
    )
    assert "4 budgets: 2 exceeded" in done.out


def test_a_budget_of_memory_is_that_of_the_footprint() -> None:
    """To the byte: what is met exactly is met, and a byte less is not."""
    found = bneck_cli.footprint("resnet18", dtype="fp16", batch=3).inference
    asked = ("check", "resnet18", "--dtype", "fp16", "--batch", "3", "-f", "json", "--max-memory")
    assert run(*asked, f"{found}").code == 0
    less = run(*asked, f"{found - 1}B")
    (budget,) = json.loads(less.out)["budgets"]
    assert (less.code, budget["over"], budget["found"]) == (1, 1, found)


@pytest.mark.parametrize(
    ("text", "size"),
    [("64MiB", 64 << 20), ("64 MB", 64 * 10**6), ("1.5KiB", 1536), ("512", 512), ("2,000b", 2000), ("3tib", 3 << 40)],
)
def test_amounts_of_memory(text: str, size: int) -> None:
    """Units of 1,024 have an i, and others are thousands."""
    assert byte_amount(text, "--max-memory") == size


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["vgg16", "--max-memory", "5MiBs"], "'5MiBs' is not an amount of memory"),
        (["vgg16", "--max-params", "5x"], "'5x' is not an amount"),
        (["--max-params", "5M"], "name the specs"),
        (["vgg16", "--batch", "2"], "these options need a budget"),
        (["vgg16", "--max-params", "5M", "--dtype", "int8"], "--dtype needs --max-memory"),
        (["vgg16", "--max-memory", "5MB", "--dtype", "int9"], "unknown data type 'int9'"),
        (["bottleneck", "--channels", "C", "--max-params", "5M"], "a budget needs numbers"),
    ],
)
def test_what_is_no_budget_is_told(options: list[str], said: str) -> None:
    """One message, and nothing is checked."""
    done = run("check", *options)
    assert done.code
    assert said in " ".join(done.err.replace("│", " ").split())
