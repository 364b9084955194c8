"""The documents hold: every command, output, spec and line of Python in them."""

from __future__ import annotations

import doctest
import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from documents import DOCUMENTS, ROOT, Block, blocks, commands, prepare, run, with_layers, with_rooms

import bneck_cli
from bneck_cli.engine.layers import LAYERS
from bneck_cli.language.library import network_names

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = {path.name: path.read_text(encoding="utf-8") for path in DOCUMENTS}
SHOWN = [
    pytest.param(name, command, id=f"{name}: {command.line}")
    for name, text in TEXTS.items()
    for block in blocks(text)
    if block.language == "console"
    for command in commands(block)
]
SPECS = [
    pytest.param(block, id=f"{name}: line {text.count(chr(10), 0, block.start)}")
    for name, text in TEXTS.items()
    for block in blocks(text)
    if block.language == "yaml" and "wrong" not in block.title
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the specs of all documents."""
    path: Path = tmp_path_factory.mktemp("documents")
    for text in TEXTS.values():
        prepare(text, path)
    return path


@pytest.mark.parametrize(("name", "command"), SHOWN)
def test_a_command_prints_what_the_document_shows(name: str, command: object, folder: Path) -> None:
    """Every command of the documents prints what stands below it, to the character."""
    assert run(command.line, folder) == command.shown


@pytest.mark.parametrize("block", SPECS)
def test_a_spec_is_analysed(block: Block) -> None:
    """Every spec in the documents is whole, and meets its own figures."""
    text = block.text if block.text.count("\n") > 1 else f"{block.text}\n"
    if "net" in block.text:
        assert bneck_cli.analyze(text).cost.params >= 0


def test_python_in_the_documents() -> None:
    """Every line of Python in the documents gives what stands below it."""
    found = 0
    for text in TEXTS.values():
        names: dict[str, object] = {}  # those of one document are one session's
        for block in blocks(text):
            if block.language == "python":
                test = doctest.DocTestParser().get_doctest(block.text, names, "document", None, 0)
                test.globs = names
                runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
                results = runner.run(test, clear_globs=False)
                assert results.failed == 0
                found += results.attempted
    assert found > 0


def test_the_layer_reference_is_up_to_date() -> None:
    """The reference's table of layers is the one that the classes write: every kind, in 80 columns."""
    text = TEXTS["LANGUAGE.md"]
    assert "<!-- layers -->" in text
    assert with_layers(text) == text
    table = text.partition("<!-- layers -->")[2].partition("<!-- end of layers -->")[0]
    assert max(map(len, table.splitlines())) <= 80
    assert set(LAYERS) <= set(re.findall(r"\w+", table))


def test_the_rooms_are_those_of_the_package() -> None:
    """The README's drawing of the code is what the imports say, and the guide's places to add something are there."""
    text = TEXTS["README.md"]
    assert "<!-- rooms -->" in text
    assert with_rooms(text) == text
    section = TEXTS["GUIDE.md"].split("## Where is something added?")[1]
    rows = [line for line in section.splitlines() if line.startswith(("| a ", "| how "))]
    assert len(rows) == 11
    for place in re.findall(r"`([a-z_]+/[\w/.]*)`", "".join(rows)):
        there = ROOT / place
        assert there.parent.is_dir() if "NAME" in place else there.exists(), place


def test_every_key_of_a_spec_is_in_the_reference() -> None:
    """The reference names every key, structure and expression function of the language."""
    from bneck_cli.language.expression import FUNCTIONS
    from bneck_cli.language.spec import FIGURES, KEYS
    from bneck_cli.language.syntax import SHORTCUTS, STRUCTURES

    for word in (*KEYS, *FIGURES, *STRUCTURES, *SHORTCUTS, *FUNCTIONS):
        assert f"`{word}" in TEXTS["LANGUAGE.md"] or f"{word}:" in TEXTS["LANGUAGE.md"], word


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="what is tracked is known to git alone")
def test_the_top_level_is_what_was_agreed() -> None:
    """The project's root holds the package, its specs, its tests and its papers, and no more."""
    agreed = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "bneck_cli", "specs", "tests"}
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = {name.split("/")[0] for name in listing.split("\0") if name}
    assert {name for name in tracked if name[0] != "."} == agreed


def test_the_library_is_as_large_as_the_readme_says() -> None:
    """The number of networks that come with bneck, wherever it is said."""
    for name in ("README.md", "CHANGELOG.md"):
        assert str(len(network_names())) in (ROOT / name).read_text(encoding="utf-8")
