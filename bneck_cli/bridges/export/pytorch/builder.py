"""Builder of a Python class: its parameters, the lines of ``__init__``, and the lines of ``forward``."""

from __future__ import annotations

import ast
import re
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.bridges.export.symbols import Sym, literal, named, safe
from bneck_cli.bridges.names import unused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from bneck_cli.bridges.export.recorded import Event
    from bneck_cli.language.bodies import Loop, Step
    from bneck_cli.language.expression import Expression
    from bneck_cli.sizes.shape import Shape

    Lanes = dict[int, Event]
    """The events of one body, each by the number of the use in which it is."""

IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
MODULE = frozenset(
    {
        *(
            "add_module",
            "apply",
            "bfloat16",
            "buffers",
            "children",
            "compile",
            "cpu",
            "cuda",
            "double",
            "eval",
            "float",
        ),
        *(
            "forward",
            "half",
            "modules",
            "parameters",
            "register_buffer",
            "share_memory",
            "to",
            "train",
            "training",
            "type",
        ),
        *("requires_grad_", "zero_grad", "extra_repr", "ipu", "xpu", "mtia", "bias", "call"),
    }
)
"""Names that a module has already."""
SPARE = ("x", "y", "z", "u", "v")
FIRST, LAST, VECTOR, INDICES = "first", "last", "vector", "indices"
"""Where a tensor has its channels: behind the batch, at the end, alone; or it is N×L indices."""


class Vary(Exception):  # noqa: N818  (no error: it says how to go on)
    """One class cannot hold all uses: those whose ``keys`` differ need classes of their own."""

    def __init__(self, keys: Mapping[int, Any], why: str = "") -> None:
        super().__init__(why)
        self.keys = dict(keys)


class NotPureError(Exception):
    """A body is more than modules in sequence."""


class Item(NamedTuple):
    """A module, or with ``many`` a list of modules to be unpacked; ``kind`` says what for naming it."""

    text: str
    kind: str = ""
    many: bool = False


class Cond(NamedTuple):
    """Modules that are there on a condition, and those that are otherwise."""

    condition: str
    then: tuple[Item | Cond, ...]
    otherwise: tuple[Item | Cond, ...]


class Tensor:
    """What flows through ``forward``: an expression, and the modules that are still to be applied to it."""

    def __init__(self, expr: str, channels: Sym, shapes: dict[int, Shape], layout: str, bare: bool = False) -> None:
        self.expr, self.channels, self.shapes, self.layout = expr, channels, shapes, layout
        self.pending: list[Item | Cond] = []
        self.bare = bare
        """Whether it has no batch: a parameter."""
        self.others: list[Tensor] = []

    def copy(self, **changes: Any) -> Tensor:
        """Return the same with something changed."""
        other = Tensor(self.expr, self.channels, self.shapes, self.layout, self.bare)
        other.pending, other.others = list(self.pending), list(self.others)
        for name, value in changes.items():
            setattr(other, name, value)
        return other

    @property
    def rank(self) -> int:
        """The number of its spatial axes."""
        return len(next(iter(self.shapes.values())).spatial)

    @property
    def is_point(self) -> bool:
        """Whether it has one position, in every use."""
        return all(size == 1 for shape in self.shapes.values() for size in shape.spatial)

    @property
    def axis(self) -> int:
        """The axis of its channels."""
        return -1 if self.layout == LAST else 1


class Builder:
    """The lines of one class, and the names that it has given."""

    writer: Any
    names: dict[str, Sym]
    layers: set[str]
    wires: dict[str, Tensor]
    tensors: dict[str, tuple[Any, ...]]
    counts: dict[str, int]
    read: set[str]
    """Names that may be read again."""
    whole = False
    """Whether it is the network, and not a block."""
    naming = False
    """Whether what is being written will have a name of the spec."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.init: list[tuple[int, str]] = []
        self.forward: list[str] = []
        self.attributes: set[str] = set(MODULE)
        self.locals: set[str] = set()
        self.held: Counter[str] = Counter()
        self.pure = 0
        self.moves = 0
        self.hidden: dict[str, dict[int, Any]] = {}
        """Values that no parameter gives: parameters of the class alone."""
        self.shares: dict[str, tuple[str, str, str]] = {}
        """Weights that are shared: by their word the attribute, the text that makes it, and its kind."""
        self.known: dict[str, Sym] = {}
        """Expressions that have been given a name."""
        self.taken: set[str] = set()
        """Names that parameters have."""

    # What those who build on this do

    def emit(self, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write any body."""
        raise NotImplementedError

    def expression(self, expression: Expression, lanes: Lanes, tensor: Tensor) -> Sym | None:
        """Write an expression, if it is right in each use."""
        raise NotImplementedError

    def want(self, expression: Expression, lanes: Lanes, tensor: Tensor, hint: str) -> Sym:
        """Write an expression; where that is not possible, its value."""
        raise NotImplementedError

    def item(self, loop: Loop, lanes: Lanes) -> AbstractContextManager[None]:
        """Let a body see the item of its loop."""
        raise NotImplementedError

    def to(self, tensor: Tensor, layout: str) -> Tensor:
        """Bring a tensor to a layout."""
        raise NotImplementedError

    def tensor(self, expression: Expression, lanes: Lanes) -> Tensor:
        """Find the tensor that an expression names."""
        raise NotImplementedError

    def wired(self, tap: Any) -> Tensor:
        """Find the tensor of a tap."""
        raise NotImplementedError

    def layer(self, step: Step, lanes: Lanes, tensor: Tensor, kinds: dict[int, str]) -> Tensor:
        """Write a layer."""
        raise NotImplementedError

    def kept(self, sym: Sym) -> str:
        """Write an expression in ``forward``, whose names the module has to keep."""
        raise NotImplementedError

    def module_name(self, name: str) -> str:
        """Return the class of a layer's kind that takes no arguments."""
        raise NotImplementedError

    # __init__

    def attribute(self, hint: str) -> str:
        """Return a name for a part that no other has."""
        name = unused(safe(hint), self.attributes.__contains__, "")
        self.attributes.add(name)
        return name

    def bind(self, sym: Sym) -> Sym:
        """Assign a long expression to a name."""
        if not sym.is_long:
            return sym
        for known in self.known.values():
            if known.text == sym.text:
                return self._renamed(sym)
        number = 1
        while f"c{number}" in self.locals | self.taken:
            number += 1
        name = f"c{number}"
        self.locals.add(name)
        self.known[name] = sym
        self.init.append((0, f"{name} = {sym.text}"))
        return named(name, sym.values)

    def _renamed(self, sym: Sym) -> Sym:
        name = next(name for name, known in self.known.items() if known.text == sym.text)
        return named(name, sym.values)

    def opened(self, sym: Sym) -> Sym | None:
        """Write an expression without the names that it was given here."""
        names = {name: found for name in sym.names() if (found := self.known.get(name))}
        if not names:
            return sym
        rest = {name: named(name, ()) for name in sym.names() - names.keys()}
        return None if rest else sym.replaced(names, self.count)

    def settled(
        self, hint: str, values: Mapping[int, Any], candidates: Iterable[Sym] = (), extent: bool = False
    ) -> Sym:
        """Find an expression for values in some uses: one of the candidates, a literal, else a parameter of its own."""
        for sym in candidates:
            if all(same(sym.values[lane], value) for lane, value in values.items()):
                return sym
        first = next(iter(values.values()))
        if all(same(value, first) for value in values.values()):
            return literal(first, self.count, extent)
        for name, known in self.hidden.items():
            if all(lane not in known or same(known[lane], value) for lane, value in values.items()) and re.sub(
                r"\d+$", "", name
            ) == safe(hint):
                known.update(values)
                return named(name, [known.get(lane) for lane in range(self.count)])
        name = unused(safe(hint), lambda one: one in self.hidden or one in self.taken or one in self.locals, "")
        self.hidden[name] = dict(values)
        return named(name, [values.get(lane) for lane in range(self.count)])

    # forward

    @contextmanager
    def purely(self) -> Iterator[None]:
        """Allow modules alone; what was written is taken back where that fails."""
        before = (list(self.init), list(self.forward), set(self.attributes), set(self.locals), dict(self.known))
        moves, hidden = self.moves, {name: dict(values) for name, values in self.hidden.items()}
        self.pure += 1
        try:
            yield
        except BaseException:
            self.init, self.forward, self.attributes, self.locals, self.known = before
            self.moves, self.hidden = moves, hidden
            raise
        finally:
            self.pure -= 1

    @contextmanager
    def holding(self, *variables: str) -> Iterator[None]:
        """Keep variables from being given anew."""
        words = [word for text in variables for word in set(IDENTIFIER.findall(text)) - {"self"}]
        self.held.update(words)
        yield
        self.held.subtract(words)

    def flush(self, tensor: Tensor, hint: str = "") -> Tensor:
        """Apply what is pending, as an attribute of the class."""
        if not tensor.pending:
            return tensor
        if self.pure:
            raise NotPureError
        if tensor.expr.count("(") > 2 or len(tensor.expr) > 40:
            tensor = self.assigned(tensor.copy(pending=[])).copy(pending=tensor.pending)
        name = self.attribute(hint or called(tensor.pending))
        self._make(f"self.{name}", tensor.pending)
        return tensor.copy(expr=f"self.{name}({tensor.expr})", pending=[], bare=False)

    def assigned(self, tensor: Tensor, name: str = "") -> Tensor:
        """Assign a tensor to a variable."""
        if self.pure:
            raise NotPureError
        if not name:
            spare = (*SPARE, *(f"x{number}" for number in range(2, 100)))
            name = next(word for word in spare if not self.held[word])
        if tensor.expr != name:
            self.forward.append(f"{name} = {tensor.expr}")
        return tensor.copy(expr=name)

    def variable(self, tensor: Tensor, hint: str = "") -> Tensor:
        """Make a tensor one that may be read twice."""
        tensor = self.flush(tensor, hint)
        tensor = tensor.copy(channels=self.bind(tensor.channels))
        return tensor if IDENTIFIER.fullmatch(tensor.expr) or tensor.bare else self.assigned(tensor)

    def kept_alive(self, tensor: Tensor) -> None:
        """Write once what makes a tensor that nothing goes on from: it runs, and has parameters."""
        if tensor.pending or "(" in tensor.expr:
            made = self.flush(tensor)
            if not any(line.endswith(f" = {made.expr}") for line in self.forward):
                self.assigned(made)

    def free(self, hint: str) -> str:
        """Return the name of a variable that nothing holds."""
        return unused(safe(hint), lambda one: bool(self.held[one]) or one in SPARE, "")

    def _make(self, target: str, items: Sequence[Item | Cond], depth: int = 0) -> None:
        """Write what makes an attribute of modules."""
        if not any(isinstance(item, Cond) for item in items):
            self.init.append((depth, f"{target} = {sequence(items)}"))
            return
        if len(items) == 1 and isinstance(items[0], Cond):
            condition, then, otherwise = items[0]
            if not otherwise:
                self.init.append((depth, f"{target} = nn.Identity()"))
                self.init.append((depth, f"if {condition}:"))
                self._make(target, then, depth + 1)
                return
            self.init.append((depth, f"if {condition}:"))
            self._make(target, then, depth + 1)
            self.init.append((depth, "else:"))
            self._make(target, otherwise, depth + 1)
            return
        name = "layers"
        lines = list(listing(name, items))
        self.init += [(depth + more, line) for more, line in lines]
        self.init.append((depth, f"{target} = nn.Sequential(*{name})"))


def operand(expr: str, operator: str) -> str:
    """Write an expression as an operand of ``+`` or ``*``; with ``.``, as what an attribute or item is taken of."""
    node = ast.parse(expr, mode="eval").body
    loose = isinstance(node, ast.IfExp)
    if isinstance(node, ast.BinOp):
        loose = operator == "." or (operator == "*" and not isinstance(node.op, ast.Mult))
    return f"({expr})" if loose else expr


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same, an extent being its number where it is the same along all axes."""
    return type(_canonical(one)) is type(_canonical(other)) and bool(_canonical(one) == _canonical(other))


def _canonical(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, tuple) and 1 < len(value) <= 3 and all(item == value[0] for item in value):
        return value[0]
    return value


def listing(name: str, items: Sequence[Item | Cond]) -> Iterator[tuple[int, str]]:
    """Write a list of modules, some of them on a condition."""
    begun = False
    plain: list[Item] = []

    def flushed() -> Iterator[tuple[int, str]]:
        nonlocal begun
        if plain or not begun:
            yield 0, f"{name} {'+=' if begun else '='} [{', '.join(map(unpacked, plain))}]"
            begun = True
            plain.clear()

    for item in items:
        if isinstance(item, Item):
            plain.append(item)
            continue
        yield from flushed()
        yield 0, f"if {item.condition}:"
        yield from _more(name, item.then)
        if item.otherwise:
            yield 0, "else:"
            yield from _more(name, item.otherwise)
    if plain:
        yield from flushed()


def _more(name: str, items: Sequence[Item | Cond]) -> Iterator[tuple[int, str]]:
    """Extend a list, one step deeper."""
    plain: list[Item] = []
    for item in items:
        if isinstance(item, Item):
            plain.append(item)
            continue
        if plain:
            yield 1, f"{name} += [{', '.join(map(unpacked, plain))}]"
            plain = []
        yield 1, f"if {item.condition}:"
        yield from ((depth + 1, line) for depth, line in _more(name, item.then))
        if item.otherwise:
            yield 1, "else:"
            yield from ((depth + 1, line) for depth, line in _more(name, item.otherwise))
    if plain or not items:
        yield 1, f"{name} += [{', '.join(map(unpacked, plain))}]"


def unpacked(item: Item) -> str:
    """Write an item of a list."""
    return f"*{item.text}" if item.many else item.text


def sequence(items: Sequence[Item | Cond], container: str = "nn.Sequential") -> str:
    """Write modules in sequence as one."""
    plain = [item for item in items if isinstance(item, Item)]
    if len(plain) < len(items):
        raise NotPureError
    if len(plain) == 1 and not plain[0].many and container == "nn.Sequential":
        return plain[0].text
    if not plain:
        return "nn.Identity()"
    return f"{container}({', '.join(map(unpacked, plain))})"


NAMES = {
    "conv": "conv",
    "dwconv": "conv",
    "upconv": "up",
    "linear": "linear",
    "bn": "norm",
    "ln": "norm",
    "rmsnorm": "norm",
    "gn": "norm",
    "in": "norm",
    "global_avgpool": "pool",
    "maxpool": "pool",
    "avgpool": "pool",
    "embed": "embedding",
}
"""What a module by itself is called, where it is not called as its kind."""


def called(items: Sequence[Item | Cond]) -> str:
    """Name modules after what they are."""
    kinds = [item.kind for item in items if isinstance(item, Item)]
    if len(items) == 1 and kinds and isinstance(items[0], Item) and not items[0].many:
        return NAMES.get(kinds[0], kinds[0] or "body")
    if "attention" in kinds:
        return "attention"
    if kinds.count("linear") > 1 and "conv" not in kinds:
        return "mlp"
    if kinds and all(kind == kinds[0] for kind in kinds):
        return f"{kinds[0]}s"
    return "body"
