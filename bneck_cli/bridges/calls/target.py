"""A PyTorch model by its name: ``package.module:callable`` or ``file.py:Class``. To import a module runs its code."""

from __future__ import annotations

import os
import sys
from ast import literal_eval
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.capture import built_on_meta, require_torch
from bneck_cli.errors import BneckError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what a model's code prints off standard output, where the spec goes, and its warnings away."""
    import warnings
    from contextlib import redirect_stdout

    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


USUAL = (3, 224, 224)


def is_target(name: str) -> bool:
    """Return whether a name is that of a model in Python: ``module:name``, or ``file.py:name``."""
    before, colon, after = name.rpartition(":")
    return (
        bool(colon)
        and after.replace(".", "a").isidentifier()
        and (before.endswith(".py") or all(word.isidentifier() for word in before.split(".")))
    )


def arguments(texts: list[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs, values as Python writes them; a bare word is text."""
    given: dict[str, Any] = {}
    for text in texts:
        for part in _split(text):
            name, equals, value = part.partition("=")
            if not equals or not name.strip().isidentifier():
                raise BneckError(f"--call expects NAME=VALUE (got '{part}')")
            try:
                given[name.strip()] = literal_eval(value.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError):
                given[name.strip()] = value.strip()
    return given


def _split(text: str) -> list[str]:
    """Split at commas that stand outside of brackets and quotes."""
    parts, depth, start, quote = [], 0, 0, ""
    for place, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [part for part in [*parts, text[start:]] if part.strip()]


def build(name: str, given: dict[str, Any]) -> Any:
    """Build a model without storage for its weights.

    Raises BneckError for a module or a name that is not there, and for whatever the model's own code raises.
    """
    require_place(name)
    torch = require_torch()
    found = _found(name)
    if isinstance(found, torch.nn.Module):
        return found
    if not callable(found):
        raise BneckError(f"{name} is {type(found).__name__}, not a model or a function that returns one")
    try:
        model = made(lambda: found(**given))
    except Exception as error:  # noqa: BLE001  (whatever the model's own code raises)
        text = " ".join(str(error).split())
        raise BneckError(
            f"{name} cannot be created: {type(error).__name__}: {text}", hint="give its arguments: --call k=v"
        ) from None
    if not isinstance(model, torch.nn.Module):
        raise BneckError(f"{name} returns {type(model).__name__}, not a model")
    return model


def made(make: Callable[[], Any]) -> Any:
    """Make a model without storage; one that runs itself while it is made is made as it is."""
    try:
        with built_on_meta():
            return make()
    except RuntimeError:
        return make()


def require_place(name: str) -> None:
    """Require a file or a module where a name says it is: told before PyTorch, which takes seconds, is imported."""
    from importlib.util import find_spec

    if not is_target(name):
        raise BneckError(f"name a model as module:callable or file.py:Class (got '{name}')")
    place = name.rpartition(":")[0]
    if place.endswith(".py"):
        if not os.path.isfile(place):
            raise BneckError(f"{place}: cannot be read: no such file")
        return
    first = place.partition(".")[0]
    if (here := os.getcwd()) not in sys.path:
        sys.path.insert(0, here)
    try:
        there = find_spec(first) is not None
    except ValueError:  # a module that runs as a script has no spec
        there = False
    if not there:
        raise _no_module(first)


def _no_module(name: str | None) -> BneckError:
    return BneckError(f"no module '{name}'", hint=f"searched by {sys.executable}")


def _found(name: str) -> Any:
    """Import a module and find a name in it."""
    import importlib
    import importlib.util

    place, _, attribute = name.rpartition(":")
    try:
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location(os.path.basename(place)[:-3], place)
            if spec is None or spec.loader is None:
                raise BneckError(f"{place}: Python cannot import it")
            module = importlib.util.module_from_spec(spec)
            sys.path.insert(0, os.path.dirname(os.path.abspath(place)))
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
    except BneckError:
        raise
    except ModuleNotFoundError as error:
        raise _no_module(error.name) from None
    except Exception as error:  # noqa: BLE001  (whatever the module's own code raises)
        text = " ".join(str(error).split())
        raise BneckError(f"{place} cannot be imported: {type(error).__name__}: {text}") from None
    found: Any = module
    for word in attribute.split("."):
        if not hasattr(found, word):
            known = [one for one in dir(found) if not one.startswith("_")]
            raise BneckError(f"{place} has no '{attribute}'", hint=nearest(word, known))
        found = getattr(found, word)
    return found


def usual_input(model: Any) -> tuple[int, ...]:
    """Return the input that a model says it is made for, where it says so; else 3x224x224."""
    for holder in (getattr(model, "pretrained_cfg", None), getattr(model, "default_cfg", None)):
        size = holder.get("input_size") if isinstance(holder, dict) else getattr(holder, "input_size", None)
        if size:
            return tuple(int(one) for one in size)
    return USUAL
