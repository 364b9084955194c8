"""Steps, signatures and layers as a spec writes them, for tables and messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers import LAYERS
from bneck_cli.engine.tensor import Tap
from bneck_cli.language.expression import Number, show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.engine.layers import Field
    from bneck_cli.language.spec import Definition, Formula, Parameter


MOST_PARAMETERS = 20
"""So many parameters of a signature are quoted in a message."""


def spelled(name: str, arguments: Iterable[Any], named: dict[str, Any]) -> str:
    """Write a step as a spec would, with the values of its arguments."""
    said = [_option(name, value) for value in arguments]
    words = [name, *said, *(f"{key}={_option(key, value)}" for key, value in named.items())]
    return " ".join(words)


def _option(key: str, value: Any) -> str:
    """Write an option's value; padding by side stands in parentheses, without the spaces that would end it."""
    if key == "pad" and type(value) is tuple and (len(value) > 3 or min(value) < 0):
        return f"({','.join(map(str, value))})"
    return written(value)


def written(value: Any) -> str:
    """Write an argument's value: a bare word without quotes, an extent as ``3x3``."""
    if type(value) is int or isinstance(value, str):
        return str(value)
    if isinstance(value, Tap):
        return value.name.removeprefix("../")
    if type(value) is tuple and 1 < len(value) <= 3 and all(type(item) is int for item in value):
        return "x".join(map(str, value))
    return show(value)


def signature(definition: Definition | Formula) -> str:
    """Write a definition's signature as a spec does."""
    shown = definition.parameters[:MOST_PARAMETERS]
    parameters = ", ".join(map(_parameter, shown)) + (", ..." if len(definition.parameters) > len(shown) else "")
    return f"{definition.name}({parameters})"


def _parameter(parameter: Parameter) -> str:
    if parameter.default is None:
        return parameter.name
    default = parameter.default
    if isinstance(default, Number):
        return f"{parameter.name}={show(default.value)}"
    node = parameter.place.node
    text = getattr(node, "text", "")
    start = parameter.place.offset
    from bneck_cli.language.pipelines import commas

    end = next((end for begin, end in commas(text, start, len(text)) if begin == start), len(text))
    return text[start:end].rstrip(")") if text[start:end].count(")") > text[start:end].count("(") else text[start:end]


def field_at(name: str, culprit: int | str | None) -> Field | None:
    """Find the field of a layer that an argument's position or an option's name stands for."""
    fields = LAYERS[name].fields
    if culprit is not None and not isinstance(culprit, str):
        ordered = [field for field in fields if field.positional]
        return ordered[culprit] if culprit < len(ordered) else None
    return next((field for field in fields if field.name == culprit), None)


def usage(name: str) -> str:
    """Show how a layer is written."""
    fields = LAYERS[name].fields
    words = [field.name.upper() for field in fields if field.positional]
    options = [f"{field.name}=" if not field.is_flag else field.name for field in fields if not field.positional]
    usage = " ".join([name, *words])
    return f"usage: `{usage}`" + (f", with options {' '.join(options)}" if options else "")
