"""Output: to standard output, or to a file that is replaced only once everything is written."""

from __future__ import annotations

import os
import stat
import sys
from contextlib import contextmanager, suppress
from errno import EACCES
from typing import IO, TYPE_CHECKING

from bneck_cli.errors import BneckError
from bneck_cli.shown import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".md": "markdown",
    ".tex": "latex",
    ".py": "python",
    ".html": "html",
    ".parquet": "parquet",
}
"""The format that a file's name asks for."""

FALLBACK = "bneck.plain"


def suffix_format(output: str | None, known: Iterable[str]) -> str | None:
    """Return the format that a file's suffix asks for, where it is one of those known."""
    found = SUFFIXES.get(os.path.splitext(output or "")[1].lower())
    return found if found in tuple(known) else None


def degrade_gracefully() -> None:
    """Let standard output and error take any text: what their encoding lacks is written in its plain form."""
    import codecs

    codecs.register_error(FALLBACK, _plain)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=FALLBACK)


def _plain(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded; a byte of a file's name that is not a text is written as an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    replaced = "".join(
        PLAIN.get(character) or (f"\\x{ord(character) - 0xDC00:02x}" if "\udc80" <= character <= "\udcff" else "?")
        for character in bad
    )
    return replaced, error.end


def write(chunks: Iterable[str], output: str | None, encoding: str = "") -> None:
    """Write text to standard output (None or ``-``), or to a file.

    ``encoding`` is latin-1 for bytes that were decoded so, else that of the stream, and UTF-8 for a file.

    A regular file, or one that is not there yet, is replaced atomically and keeps its mode; through a symbolic link
    its target is. A device or a pipe is written to as it is. Raises BneckError if not all of it can be written.
    """
    if output is None or output == "-":
        _write_stdout(chunks, encoding)
        return
    try:
        target = os.path.realpath(output)
        try:
            mode = os.stat(output).st_mode  # not the target's: /dev/stdout leads to a pipe without a name
        except FileNotFoundError:
            mode = None
        if mode is not None and not os.access(output, os.W_OK):
            raise PermissionError(EACCES, os.strerror(EACCES))  # to rename over a file needs no right to write it
        if mode is None or stat.S_ISREG(mode):
            _replace(target, chunks, mode, encoding or "utf-8")
        else:
            with open(output, "w", encoding=encoding or "utf-8", errors=_named(FALLBACK), newline="") as file:
                file.writelines(chunks)
    except BrokenPipeError:
        raise SystemExit(0) from None
    except OSError as error:
        raise BneckError(f"{output}: cannot be written: {reason(error)}") from None


def reason(error: OSError) -> str:
    """Return why the system refused, without a capital letter."""
    text = error.strerror or str(error)
    return text[:1].lower() + text[1:]


def _named(handler: str) -> str:
    """Return an error handler's name once it is known to the codecs."""
    import codecs

    try:
        codecs.lookup_error(handler)
    except LookupError:
        codecs.register_error(handler, _plain)
    return handler


def _write_stdout(chunks: Iterable[str], encoding: str) -> None:
    """Write everything to standard output, or fail: a stream without a buffer may take a part and not say so."""
    stream = sys.stdout
    if stream is None:
        raise BneckError("standard output is closed")
    raw = getattr(stream, "buffer", None)
    try:
        if raw is None:  # a stream of text alone, such as a test's or a notebook's
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            return
        stream.flush()
        for chunk in chunks:
            _write_all(raw, chunk.encode(encoding or stream.encoding or "utf-8", _named(FALLBACK)))
        raw.flush()
    except BrokenPipeError:  # the reader has what it wanted (`| head`)
        raise SystemExit(0) from None
    except OSError as error:
        raise BneckError(f"standard output: cannot be written: {reason(error)}") from None


def _write_all(raw: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[raw.write(view) or 0 :]


def _replace(target: str, chunks: Iterable[str], mode: int | None, encoding: str) -> None:
    """Write beside the file, and put it in its place when all is written; whatever ends that leaves nothing behind.

    The name is known before the file is there: a signal may come between any two steps.
    """
    beside = os.path.join(os.path.dirname(target), f".bneck-{os.getpid()}-{os.urandom(4).hex()}")
    with _signals_raise():
        try:
            opened = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(opened, "w", encoding=encoding, errors=_named(FALLBACK), newline="") as file:
                file.writelines(chunks)
            os.chmod(beside, 0o666 & ~_umask() if mode is None else stat.S_IMODE(mode))
            if mode is not None:
                _keep_owner(target, beside)
            os.replace(beside, target)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(beside)
            raise


def _keep_owner(target: str, name: str) -> None:
    """Let the new file belong to whom the old one did, where that is ours to say."""
    old, new = os.stat(target), os.stat(name)
    if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
        with suppress(PermissionError):
            os.chown(name, old.st_uid, old.st_gid)


@contextmanager
def _signals_raise() -> Iterator[None]:
    """Turn the signals that end a process into an exit that unwinds, so that a half-written file is removed."""
    import signal

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = {}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, leave)
    except ValueError:  # not the main thread: its owner handles signals
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _umask() -> int:
    """Read the process's mask for new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
