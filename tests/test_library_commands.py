"""The library on the command line: networks by task, specs shown as they are written, and a first spec."""

from __future__ import annotations

from typing import TYPE_CHECKING

from running import run

from bneck_cli.language.library import specs_folder
from bneck_cli.questions.catalog import catalog, tasks

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_spec_is_shown_as_it_is_written(tmp_path: Path) -> None:
    """What ``show`` prints is the file of a network, or that of a block, and is a spec itself."""
    text = run("show", "resnet50").out
    assert text == (specs_folder() / "resnet50.yaml").read_text(encoding="utf-8")
    assert "bottleneck(channels" in run("show", "bottleneck").out
    copy = tmp_path / "mine.yaml"
    assert run("show", "resnet50", "-o", str(copy)).code == 0
    assert run("analyze", str(copy), "--format", "csv").out == run("analyze", "resnet50", "--format", "csv").out


def test_a_new_spec_is_one_and_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spec that ``new`` writes can be analysed as it says; it is never written over."""
    monkeypatch.chdir(tmp_path)
    done = run("new", "mynet")
    assert done.out == "wrote mynet.yaml; next: bneck analyze mynet.yaml\n"
    assert run("analyze", "mynet.yaml", "--set", "classes=100").code == 0
    text = (tmp_path / "mynet.yaml").read_text(encoding="utf-8")
    again = run("new", "mynet.yaml")
    assert again.code != 0
    assert "mynet.yaml already exists" in again.err
    assert (tmp_path / "mynet.yaml").read_text(encoding="utf-8") == text


def test_networks_are_listed_by_what_they_are_for() -> None:
    """Each task has one table, classification first and blocks last; a task by itself leaves its networks alone."""
    found = catalog(task="Language")
    assert {"llama3_8b", "llama2_7b", "t5_small"} <= {row.name for row in found}
    assert {row.task for row in found} == {"language"}
    titles = [line for line in run("list").out.splitlines() if line.startswith(("networks: ", "blocks, "))]
    known = [f"networks: {task}" for task in tasks() if task != "classification"]
    assert titles == ["networks: classification", *known, "blocks, at 256 channels"]
