"""JSON of other tools: read whole, within bounds, from a file or from the archive that holds it."""

from __future__ import annotations

from typing import Any

from bneck_cli.errors import BneckError
from bneck_cli.language.document import MAX_CHARACTERS
from bneck_cli.language.library import decode, read_source
from bneck_cli.words.values import people

MEMBER = "config.json"


def read_json(path: str) -> Any:
    """Read a JSON file, or the configuration in an archive. Raises BneckError, with its place, for what is none."""
    import json

    text = _member(path) if path.lower().endswith(".keras") else read_source(path)
    try:
        return json.loads(text.text)
    except json.JSONDecodeError as error:
        raise BneckError(f"no JSON: {error.msg}", text.location(error.lineno - 1, error.colno - 1)) from None
    except RecursionError:
        raise BneckError(f"{path}: JSON that is nested too deep") from None


def _member(path: str) -> Any:
    from zipfile import BadZipFile, ZipFile

    try:
        with ZipFile(path) as archive, archive.open(MEMBER) as file:
            data = file.read(MAX_CHARACTERS + 1)
    except (OSError, BadZipFile, KeyError, RuntimeError, NotImplementedError, ValueError, EOFError) as error:
        reason = str(getattr(error, "strerror", None) or error).strip("'\"")
        raise BneckError(f"{path}: cannot be read: {reason[:1].lower()}{reason[1:]}") from None
    except Exception as error:  # noqa: BLE001  (the errors of its compression have no common class)
        raise BneckError(f"{path}: cannot be read: {error}") from None
    if len(data) > MAX_CHARACTERS:
        raise BneckError(f"{path}: its {MEMBER} has more than {people(MAX_CHARACTERS)} bytes")
    return decode(data, f"{path}:{MEMBER}")
