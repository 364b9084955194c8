"""The layer kinds in words, from the classes themselves: what the command prints and what the reference page holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers import LAYERS
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.expression import show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bneck_cli.engine.layers import Field, Kind


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


def describe_kinds() -> Iterator[str]:
    """Give a line for each kind: how it is written, and what it does."""
    for names, _ in families():
        kind = LAYERS[names[0]]
        yield f"{usage(kind)}\n"
        if len(names) > 1:
            yield f"    likewise {listed(names[1:], 'and')}\n"
        yield f"    {kind.summary}\n"


def describe_kind(name: str) -> Iterator[str]:
    """Describe one kind: its arguments and options with their defaults, its shape, its parameters, its multiply-adds.

    Raises BneckError for an unknown kind.
    """
    if name not in LAYERS:
        hint = nearest(name, LAYERS) or "`bneck layers` shows them all"
        raise BneckError(f"no layer kind is called '{name}'", hint=hint)
    return _described(LAYERS[name])


def _described(kind: type[Kind]) -> Iterator[str]:
    yield f"{usage(kind)}\n\n{kind.__doc__ and _flow(kind.__doc__)}\n\n"
    width = max((len(_label(field)) for field in kind.fields), default=0)
    for field in kind.fields:
        yield f"  {_label(field).ljust(width)}  {field.help}\n"
    if kind.fields:
        yield "\n"
    for method, label in (("out_shape", "shape"), ("params", "params"), ("macs", "MACs"), ("uncounted", "not counted")):
        yield f"  {label.ljust(11)}  {_rule(kind, method)}\n"


def _rule(kind: type[Kind], method: str) -> str:
    """Quote the rule that a kind's method states; a kind that has none of its own has nothing to count."""
    owner = next(base for base in kind.__mro__ if method in vars(base))
    if owner.__name__ == "Kind":
        return {"out_shape": "as it came", "uncounted": "nothing"}.get(method, "0")
    return (getattr(kind, method).__doc__ or "").strip().rstrip(".")


def _label(field: Field) -> str:
    if field.positional:
        return field.name.upper()
    return field.name if field.is_flag else f"{field.name}={_default(field)}"


def _flow(text: str) -> str:
    return "\n".join(line.strip() for line in text.strip().splitlines())


def markdown_reference() -> Iterator[str]:
    """Write the reference's table of layers."""
    yield "| written | what it does | shape | params | multiply-adds |\n|---|---|---|---|---|\n"
    for names, _ in families():
        kind = LAYERS[names[0]]
        others = f" (likewise `{'` `'.join(names[1:])}`)" if len(names) > 1 else ""
        rules = [_rule(kind, method) for method in ("out_shape", "params", "macs")]
        cells = (f"`{usage(kind)}`{others}", kind.summary, *rules)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
