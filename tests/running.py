"""Run a command as its user would, in this process: no start-up is paid, and a failure has its traceback."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli import cli

if TYPE_CHECKING:
    from pathlib import Path


class Done(NamedTuple):
    """How a command ended: its exit code, what it printed, and its messages."""

    code: int
    out: str
    err: str


def run(*words: str, stdin: str = "", folder: Path | None = None, **environment: str) -> Done:
    """Run a command line with its output piped, in a folder, with variables of the environment set."""
    encoding = environment.get("PYTHONIOENCODING", "utf-8")
    streams = [io.TextIOWrapper(io.BytesIO(), encoding, newline="") for _ in range(3)]
    streams[0].buffer.write(stdin.encode(encoding))
    streams[0].buffer.seek(0)
    before = (sys.stdin, sys.stdout, sys.stderr, sys.argv, dict(os.environ), os.getcwd())
    sys.stdin, sys.stdout, sys.stderr = streams
    sys.argv = ["bneck", *words]
    os.environ.update(environment)
    os.chdir(folder or ".")
    try:
        code = cli.run()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os.chdir(before[5])
        os.environ.clear()
        os.environ.update(before[4])
        sys.stdin, sys.stdout, sys.stderr, sys.argv = before[:4]
    out, err = (stream.buffer.getvalue().decode(encoding) for stream in streams[1:])  # type: ignore[attr-defined]
    return Done(code, out, err)


def bneck(*words: str, stdin: str = "", folder: Path | None = None, **environment: str) -> str:
    """Run a command that succeeds without a message; return what it prints."""
    done = run(*words, stdin=stdin, folder=folder, **environment)
    assert (done.code, done.err) == (0, ""), done.err
    return done.out
