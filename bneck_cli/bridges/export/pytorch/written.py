"""A layer as written in a definition: its arguments by field name, and its rule in each use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.pytorch.builder import Item, Tensor, Vary
from bneck_cli.bridges.export.symbols import Sym, literal, operation
from bneck_cli.engine.layers import LAYERS
from bneck_cli.language.expression import Name

if TYPE_CHECKING:
    from bneck_cli.bridges.export.pytorch.builder import Builder, Lanes
    from bneck_cli.language.bodies import Step
    from bneck_cli.language.expression import Expression


class Noted:
    """A rule, and the names of those of its fields that have been read."""

    def __init__(self, rule: Any, read: set[str]) -> None:
        self.rule, self.read = rule, read

    def __getattr__(self, name: str) -> Any:
        self.read.add(name)
        return getattr(self.rule, name)


class Written:
    """A layer as it is written: its arguments by the names of its fields, and its rule in each use."""

    def __init__(self, maker: Builder, step: Step, lanes: Lanes, tensor: Tensor, rules: dict[int, Any]) -> None:
        self.maker, self.step, self.lanes, self.tensor = maker, step, lanes, tensor
        self.read: set[str] = set()
        """The fields that what is written follows from."""
        self.rules = {lane: Noted(rule, self.read) for lane, rule in rules.items()}
        self.rule: Any = next(iter(self.rules.values()))
        self.name = next(iter(rules.values())).name
        self.arguments = self._bound()
        flags = [field.name for field in LAYERS[self.name].fields if field.is_flag]
        self.require_alike(*flags)
        self.read.clear()

    def unread(self) -> str:
        """Name a field that is written, and of which nothing that was written of the layer speaks."""
        fields = [field for field in LAYERS[self.name].fields if field.name not in self.read]
        rules = [one.rule for one in self.rules.values()]
        return next((one.name for one in fields if any(getattr(rule, one.name) != one.default for rule in rules)), "")

    def _bound(self) -> dict[str, Expression]:
        """Bind arguments and options to fields, as the engine does."""
        fields = LAYERS[self.name].fields
        ordered = [field.name for field in fields if field.positional]
        flags = {field.name for field in fields if field.is_flag}
        found, at = {}, 0
        for argument in self.step.arguments:
            if isinstance(argument, Name) and argument.name in flags and argument.name not in self.maker.names:
                continue
            if at < len(ordered):
                found[ordered[at]] = argument
            at += 1
        return found | {option.name: option.value for option in self.step.options}

    def given(self, field: str) -> bool:
        """Whether a field is written."""
        return field in self.arguments

    def require_alike(self, *fields: str) -> None:
        """Require that fields have the same value in each use."""
        keys = {lane: tuple(getattr(rule, field) for field in fields) for lane, rule in self.rules.items()}
        if len(set(keys.values())) > 1:
            raise Vary(keys)

    def sym(self, field: str) -> Sym:
        """Write the value of a field."""
        values = {lane: getattr(rule, field) for lane, rule in self.rules.items()}
        if field in self.arguments:
            sym = self.maker.want(self.arguments[field], self.lanes, self.tensor, field)
            if sym.is_literal:
                return literal(sym.parts[1], self.maker.count, extent=True)
            return sym
        return self.maker.settled(field, values, (), extent=True)

    def pads(self) -> dict[int, tuple[Any, ...]]:
        """Return the padding before and after each axis."""
        found = {}
        for lane, rule in self.rules.items():
            shape = self.lanes[lane].shape
            window = rule.geometry(shape)
            self.read.add("pad")
            sides = tuple(window.padding)
            if rule.pad == "tf_same":
                sides = tuple(
                    tf_same(*map(number, one))
                    for one in zip(shape.spatial, window.kernel, window.stride, window.dilation, strict=True)
                )
            found[lane] = sides
        return found

    def padding(self, tensor: Tensor, value: str = "0.0") -> tuple[Tensor, str]:
        """Write the padding; uneven padding is a module before this one."""
        pads = self.pads()
        if any(before != after for sides in pads.values() for before, after in sides):
            whole = {lane: tuple(n for sides in reversed(one) for n in sides) for lane, one in pads.items()}
            sides = self.maker.settled("sides", whole)
            text = sides.text[1:-1] if sides.is_literal else f"*{sides.text}"
            self.maker.writer.needs("Pad")
            extra = "" if value == "0.0" else f", value={value}"
            padded = [*tensor.pending, Item(f"Pad({text}{extra})", "pad")]
            return tensor.copy(pending=padded, bare=False), "0"
        sizes = even(pads)
        candidates = []
        if "pad" in self.arguments and not isinstance(self.rule.pad, str):
            sym = self.maker.want(self.arguments["pad"], self.lanes, self.tensor, "padding")
            if not any(isinstance(value, str) for value in sym.values):
                candidates.append(sym)
        elif "kernel" in self.arguments and "dilation" not in self.arguments:
            candidates += self._half(self.sym("kernel"))
        return tensor, self.maker.settled("padding", sizes, candidates, extent=True).text

    def _half(self, kernel: Sym) -> list[Sym]:
        """Write half of the kernel, as padding that keeps the map."""
        if kernel.is_literal:
            return []
        count = self.maker.count
        numbers = [value if value is None or isinstance(value, int) else _one(value) for value in kernel.values]
        if all(value is None or isinstance(value, int) for value in numbers) and self.maker.writer.extents:
            number = Sym(kernel.text, kernel.rank, numbers, kernel.parts)
            return [operation("//", number, literal(2, count))]
        if all(value is None or isinstance(value, tuple) for value in kernel.values):
            values = [None if value is None else tuple(k // 2 for k in value) for value in kernel.values]
            return [Sym(f"tuple(k // 2 for k in {kernel.text})", 10, values, ("half",))]
        return []


def tf_same(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """Return TensorFlow's padding, of which less is before."""
    total = max(0, (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2


def even(pads: dict[int, tuple[tuple[int, int], ...]]) -> dict[int, Any]:
    """Return padding by axis, where it is the same on both sides."""
    return {lane: _one(tuple(before for before, _ in sides)) for lane, sides in pads.items()}


def _one(sizes: tuple[Any, ...]) -> Any:
    return sizes[0] if len(set(sizes)) == 1 else sizes
