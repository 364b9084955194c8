"""Descriptions of the layer kinds, taken from their classes: for the command and for the reference page."""

from __future__ import annotations

import sys
import textwrap
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers import LAYERS
from bneck_cli.errors import BneckError, nearest
from bneck_cli.language.expression import show
from bneck_cli.report import Column, Facts, Prose, Records, Report, Row, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.layers import Field, Kind
    from bneck_cli.report import Part


def usage(kind: type[Kind]) -> str:
    """Write how a layer is used: ``conv KERNEL CHANNELS stride=1 ... [bias]``."""
    words = [kind.name]
    for field in kind.fields:
        if field.positional:
            words.append(field.name.upper())
        elif field.is_flag:
            words.append(f"[{field.name}]")
        else:
            words.append(f"{field.name}={_default(field)}")
    return " ".join(words)


def _default(field: Field) -> str:
    return "..." if field.default is None else show(field.default).strip("'")


def families() -> list[tuple[list[str], Any]]:
    """Group the kinds that are one class under several names, in the order of their definition."""
    groups: dict[tuple[str, Any], list[str]] = {}
    for name, kind in LAYERS.items():
        base = kind.__mro__[1] if kind.__mro__[1].__name__ == kind.__name__ else kind
        groups.setdefault((base.__name__, base), []).append(name)
    return [(names, base) for (_, base), names in groups.items()]


def kinds_report() -> Report:
    """List the kinds: how each is written, and what it does."""
    columns = (Column("kind", "kind", "words", 1), Column("usage", "written"), Column("summary", "what it does"))
    rows = [(", ".join(names), usage(LAYERS[names[0]]), LAYERS[names[0]].summary) for names, _ in families()]
    return Report(
        "layers",
        "layer kinds",
        "",
        parts=lambda: [Table(columns, [Row(row) for row in rows])],
        records=lambda: Records(
            ["kind", "usage", "summary"], [(name, usage(kind), kind.summary) for name, kind in LAYERS.items()]
        ),
        data=lambda: {"kinds": [_data(kind) for kind in LAYERS.values()]},
    )


def kind_report(name: str) -> Report:
    """Describe one kind: its arguments and options with their defaults, its shape, its parameters, its multiply-adds.

    Raises BneckError for an unknown kind.
    """
    if name not in LAYERS:
        hint = nearest(name, LAYERS) or "`bneck layers` lists them all"
        raise BneckError(f"unknown layer kind '{name}'", hint=hint)
    kind = LAYERS[name]
    return Report(
        "layers",
        usage(kind),
        "",
        parts=lambda: _parts(kind),
        records=lambda: Records(["field", "help"], [(_label(field), field.help) for field in kind.fields]),
        data=lambda: _data(kind),
    )


AS_IT_CAME = "same as the input"
METHODS = (("out_shape", "shape"), ("params", "params"), ("macs", "MACs"), ("uncounted", "not counted"))


def _parts(kind: type[Kind]) -> Iterator[Part]:
    if kind.__doc__:
        yield Prose([" ".join(text.split()) for text in kind.__doc__.strip().split("\n\n")])
    if kind.fields:
        columns = (Column("field", "argument", "name"), Column("help", "what it is"))
        yield Table(columns, [Row([_label(field), field.help]) for field in kind.fields])
    yield Facts([(label, _rule(kind, method)) for method, label in METHODS])


def _data(kind: type[Kind]) -> dict[str, Any]:
    return {
        "kind": kind.name,
        "usage": usage(kind),
        "summary": kind.summary,
        "fields": [{"field": _label(field), "help": field.help} for field in kind.fields],
        "rules": {method: _rule(kind, method) for method, _ in METHODS},
    }


def _rule(kind: type[Kind], method: str) -> str:
    """Quote the rule that a kind's method states; a kind that has none of its own has nothing to count."""
    owner = next(base for base in kind.__mro__ if method in vars(base))
    if owner.__name__ == "Kind":
        return {"out_shape": AS_IT_CAME, "uncounted": "nothing"}.get(method, "0")
    return (getattr(kind, method).__doc__ or "").strip().rstrip(".")


def _label(field: Field) -> str:
    if field.positional:
        return field.name.upper()
    return field.name if field.is_flag else f"{field.name}={_default(field)}"


def reference(width: int = 80) -> Iterator[str]:
    """Write the reference's table of layers, a section for each family, in lines of at most ``width`` characters."""
    left = width // 3
    family = ""
    for names, base in families():
        module = sys.modules[base.__module__]
        title = str(module.__doc__).partition(":")[0]
        if title != family:
            family = title
            yield f"{title.upper()}\n\n"
        kind = LAYERS[names[0]]
        written = textwrap.wrap(usage(kind), left - 2, subsequent_indent="  ", break_long_words=False)
        if names[1:]:
            written += textwrap.wrap(
                f"also {', '.join(names[1:])}", left - 2, initial_indent="  ", subsequent_indent="  "
            )
        rules = ((label, _rule(kind, method)) for method, label in METHODS[:3])
        said = [kind.summary, *(f"{label}: {rule}" for label, rule in rules if rule.lower() not in ("0", AS_IT_CAME))]
        told = [line for text in said for line in textwrap.wrap(text.replace("``", ""), width - left)]
        for one, other in zip_longest(written, told, fillvalue=""):
            yield f"{one:{left}}{other}".rstrip() + "\n"
        yield "\n"
