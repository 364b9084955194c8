"""What a document shows is what the program says: its commands are run, its specs analysed, its outputs compared.

In README.md and the pages of specs/ a ``console`` block holds commands after ``$`` and what they print, at 100 columns;
a ``yaml`` block is a whole spec, and ``title=NAME`` puts it where the commands find it. ``python tests/documents.py``
writes the outputs anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
DOCUMENTS = (ROOT / "README.md", *(ROOT / "specs" / f"{name}.md" for name in ("GUIDE", "LANGUAGE", "LIBRARY")))
WIDTH = "100"
BLOCK = re.compile(r"^```(\w+)(?: title=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block: its language, the file it stands for, its text, and where the text begins and ends."""

    language: str
    title: str
    text: str
    start: int
    end: int


class Command(NamedTuple):
    """A command of a ``console`` block and the output that the document shows below it."""

    line: str
    shown: str


def blocks(text: str) -> Iterator[Block]:
    """Yield a document's fenced blocks in order."""
    for match in BLOCK.finditer(text):
        yield Block(match.group(1), match.group(2) or "", match.group(3), match.start(3), match.end(3))


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        yield Command(line, shown.rstrip("\n"))


def run(line: str, folder: Path) -> str:
    """Run a command as a shell would, in a folder that has the bundled specs; give all that it prints."""
    scripts = Path(sys.executable).parent
    environment = {
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
        "HOME": os.environ.get("HOME", str(folder)),
        "COLUMNS": WIDTH,
        "PYTHONIOENCODING": "utf-8",
        **{name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ},
    }
    done = subprocess.run(
        line, check=False, shell=True, cwd=folder, env=environment, text=True, timeout=120,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return done.stdout.rstrip("\n")


def prepare(text: str, folder: Path) -> None:
    """Put the specs that a document shows under a title, and the bundled ones, into a folder."""
    if not (folder / "specs").exists():
        shutil.copytree(ROOT / "specs", folder / "specs")
    for block in blocks(text):
        if block.title:
            (folder / block.title).write_text(block.text, encoding="utf-8")


def rewritten(text: str, folder: Path) -> str:
    """Give a document with what its commands print now."""
    prepare(text, folder)
    parts, last = [], 0
    for block in blocks(text):
        if block.language == "console":
            shown = "".join(
                f"$ {command.line}\n{output}\n" if (output := run(command.line, folder)) else f"$ {command.line}\n"
                for command in commands(block)
            )
            parts += [text[last : block.start], shown]
            last = block.end
    return "".join(parts) + text[last:]


def with_layers(text: str) -> str:
    """Put the table of layer kinds, written from their classes, between its marks."""
    from bneck_cli.questions.layers import reference

    return re.sub(
        r"(<!-- layers -->\n).*?(<!-- end of layers -->)",
        lambda match: f"{match.group(1)}```text\n{''.join(reference()).strip()}\n```\n{match.group(2)}",
        text,
        flags=re.DOTALL,
    )


def with_rooms(text: str) -> str:
    """Put the rooms of the package, drawn from its imports, between their marks."""
    from rooms import drawn

    return re.sub(
        r"(<!-- rooms -->\n).*?(<!-- end of rooms -->)",
        lambda match: match.group(1) + "```text\n" + "".join(drawn()) + "```\n" + match.group(2),
        text,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    import tempfile

    for path in DOCUMENTS:
        with tempfile.TemporaryDirectory() as name:
            document = with_rooms(with_layers(path.read_text(encoding="utf-8")))
            path.write_text(rewritten(document, Path(name)), encoding="utf-8")
