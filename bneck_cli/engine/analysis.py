"""From a program to an Analysis: settle its input, walk it, and compare published figures."""

from __future__ import annotations

import os
from math import lcm
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.budget import one_budget
from bneck_cli.engine.names import is_right, require_own_names, require_right_names
from bneck_cli.engine.network import Cost, Fork, Layer, Node, Run, Series, Wire, starts_anew
from bneck_cli.engine.settings import Settings, no_channels, read_input, require_used, with_words
from bneck_cli.engine.tensor import DIVISIBLE, TooSmallError
from bneck_cli.engine.walk import propagate
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.collector import collector_paused
from bneck_cli.language.document import Place, Scalar
from bneck_cli.language.expression import Name
from bneck_cli.language.library import Program, as_network, reaching
from bneck_cli.language.spec import Definition, Expect, Input, constant, parse_channels, with_settings
from bneck_cli.sizes.assumed import Assumed, assumed
from bneck_cli.sizes.number import is_symbolic, is_whole
from bneck_cli.sizes.numerals import is_name, is_number
from bneck_cli.sizes.shape import Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.engine.network import Size
    from bneck_cli.engine.rule import CountingRule
    from bneck_cli.engine.structures.forks import Dropped
    from bneck_cli.engine.structures.sharing import Shared

BLOCK_MAP = (56, 56)
"""The map on which blocks are compared unless told otherwise: that of the figure in the ResNet paper."""
FIRST_TRIES, MAX_TRIES = 8, 512
"""So many sides are tried for the smallest input before a large, much divided one is asked, and in all."""


class Analysis(NamedTuple):
    """An analysed network: shapes and ``cost`` are those of one input, ``macs`` and ``activations`` of the batch."""

    program: Program
    name: str
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    root: Series
    values: dict[str, str]
    assume: dict[str, Assumed]
    batch: Size = 1
    rule: CountingRule | None = None
    settings: Settings = Settings()
    dropped: tuple[Dropped, ...] = ()
    """The additions that ``shortcut: if_same`` left out, each where it is first met."""
    apart: tuple[str, ...] = ()
    """What symbols are taken not to be: a shortcut would follow another way there."""
    shared: tuple[Shared, ...] = ()
    """The steps that work with the weights of others, each where it is first met."""

    @property
    def cost(self) -> Cost:
        """The totals of one input, whatever the batch."""
        return self.root.cost

    @property
    def macs(self) -> Size:
        """Multiply-adds of the whole batch."""
        return self.cost.macs * self.batch

    @property
    def in_a_row(self) -> bool:
        """Whether what follows a tensor reads it, so that no result is lost: nothing starts anew or leaves early."""
        return not self.program.spec.outputs and not starts_anew(self.root)

    @property
    def activations(self) -> Size:
        """Output elements of convolutions, linear layers and attention, of the whole batch."""
        return self.cost.activations * self.batch


@one_budget()
def analyze_program(program: Program, settings: Settings = Settings()) -> Analysis:
    """Settle the input and the parameters, and walk the net.

    Raises BneckError for whatever does not fit; an input that is too small is told with the smallest that is not.
    """
    require_used([program], settings)
    try:
        return analyze_plainly(program, settings)
    except TooSmallError as error:
        least = smallest_input(*with_words(program, settings))
        hint = f"the smallest legal input is {least}" if least else ""
        raise BneckError(error.message, error.location, hint) from None


def analyze_plainly(program: Program, settings: Settings) -> Analysis:
    """Analyse as ``analyze_program`` does, but search for no smaller input where one is too small."""
    program, settings = with_words(program, settings)
    program = reaching(program, [given.text for given in settings.values if isinstance(given.expression, Name)])
    if not is_right(program):
        require_own_names(program)
    net, values = settled(program, settings)
    shapes = _inputs(program, net, settings)
    _require_apart(program, settings, shapes)
    known = _assumptions(program, settings, shapes)
    together = [word.text[4:].strip() for word in program.spec.outputs if word.text.startswith("all ")]
    with collector_paused():
        root, wires, dropped, apart, shared = propagate(
            net, program.scopes, _sized(shapes, known), _past(settings), together
        )
    require_right_names(program)
    if program.block is not None and isinstance(root.runs[0].node, Series):
        root = root.runs[0].node
    outputs = {wire.name.removeprefix("../"): wire.out for wire in root.outputs} or {"output": root.out}
    if program.spec.outputs and program.block is None:
        outputs = {name: wires[name] for word in program.spec.outputs for name in _output(word, wires)}
    if known:
        from bneck_cli.sizes.assumed import restored

        root = _mapped(root, restored)
        outputs = {name: _shape(shape, restored) for name, shape in outputs.items()}
    return Analysis(
        program,
        program.block or program.spec.name or os.path.splitext(os.path.basename(program.spec.file))[0],
        _sized(shapes, {}),
        outputs,
        root,
        values,
        known,
        _batch(settings, {*_symbols(shapes), *_given_symbols(program, settings)}),
        settings=settings,
        dropped=dropped,
        apart=apart,
        shared=shared,
    )


def _past(settings: Settings) -> Size:
    """Return how many positions causal attention has seen before."""
    if is_whole(settings.past):
        return settings.past
    from bneck_cli.sizes.dim import symbol

    return symbol(settings.past)


def _output(word: Scalar, wires: dict[str, Shape]) -> list[str]:
    """Name the tensors that a word of ``outputs`` stands for: one, or those of a list (``all p``, ``streams``)."""
    name = word.text
    whole = name[4:].strip() if name.startswith("all ") else "" if name in wires else name
    found = [wire for wire in wires if wire.startswith(f"{whole}[")] if whole else [name]
    if not found:
        named = [wire for wire in wires if "[" not in wire]
        hint = nearest(whole, named) or f"named tensors: {listed(named, 'and')}"
        raise Place(word, 0, len(name)).error(f"no tensor is named '{whole}'", hint)
    return found


def _batch(settings: Settings, taken: set[str]) -> Size:
    """Return the batch; as a symbol it is N, or B where N is the user's; the last resort cannot be spelled."""
    if not settings.symbolic or settings.batch != 1:
        return settings.batch
    from bneck_cli.sizes.dim import symbol

    return symbol(next(name for name in ("N", "B", "N'") if name not in taken))


def _symbols(inputs: tuple[Input, ...]) -> set[str]:
    """Name the symbols of inputs."""
    return {size for one in inputs for size in one.sizes if isinstance(size, str)}


def _given_symbols(program: Program, settings: Settings) -> dict[str, str]:
    """Name the symbols that parameters become, each with the option that says so."""
    given = {name: f"--symbol {name}" for name in settings.symbols}
    for option, size in (
        ("--channels", _channels(settings, program)),
        ("--in-channels", settings.in_channels),
        ("--past", settings.past),
    ):
        if isinstance(size, str):
            given[size] = f"{option} {size}"
    return given


def _require_apart(program: Program, settings: Settings, inputs: tuple[Input, ...]) -> None:
    """Require that a symbol of a parameter is none of the input's sides, which it would silently equal.

    The input channels may be the same symbol as those that leave: a block's are, unless told otherwise.
    """
    sides = {size for one in inputs for size in one.sizes[1:] if isinstance(size, str)}
    entering = {one.sizes[0] for one in inputs if isinstance(one.sizes[0], str)}
    for name, option in _given_symbols(program, settings).items():
        shown = "x".join(str(size) for size in inputs[0].sizes)
        if name in sides or (name in settings.symbols and name in entering):
            hint = "rename one of them, as in --input CxAxB"
            raise BneckError(f"{option}: '{name}' is already a symbol of the input ({shown})", hint=hint)
    for one in inputs:
        if settings.symbolic and settings.input is None and isinstance(one.sizes[0], str) and one.sizes[0] in sides:
            hint = "name the sides otherwise: --input CxAxB"
            raise BneckError(f"--symbolic: '{one.sizes[0]}' names both the input's channels and a side", hint=hint)


# Parameters


def settled(program: Program, settings: Settings) -> tuple[Definition, dict[str, str]]:
    """Bind the values that were asked for to the net's parameters."""
    net = as_network(program)
    values = {given.name: (given.place, given.expression) for given in settings.values}
    shown = {given.name: given.text for given in settings.values}
    for name in settings.symbols:
        values[name] = constant(_sized_by(name, dict(settings.assumed)), "--symbol")
    if settings.in_channels is not None and program.block is None:
        raise BneckError(f"--in-channels is for blocks ({program.spec.file} is a network)", hint="use --input")
    if settings.channels is not None and "channels" in values:
        raise BneckError(f"the channels are given twice: --channels {settings.channels}, and --set channels=...")
    channels = _channels(settings, program)
    if channels is not None and net.parameter("channels"):
        values["channels"] = constant(_sized_by(channels, dict(settings.assumed)), "--channels")
        shown["channels"] = str(channels)
    elif settings.channels is not None:
        raise no_channels(program)
    if program.block is not None:
        missing = [p.name for p in net.parameters if p.default is None and p.name not in values]
        if missing:
            need = ", ".join(missing)
            option = "--channels 256" if missing[0] == "channels" else f"--set {missing[0]}=..."
            raise BneckError(f"{program.block} needs {need}", hint=f"give it with {option}")
    return with_settings(net, values), shown


def _channels(settings: Settings, program: Program) -> int | str | None:
    """Return a block's channels: those asked for, or a symbol where all is to be symbolic."""
    if settings.channels is None and settings.symbolic and program.block is not None:
        return None if settings.given("channels") or "channels" in settings.symbols else "C"
    return settings.channels


# Inputs


def _inputs(program: Program, net: Definition, settings: Settings) -> tuple[Input, ...]:
    """Settle the input's sizes: as asked, else as the spec says; a block has what ``block_axes`` says."""
    own = program.spec.inputs if program.block is None else ()
    asked = settings.input
    if asked is None and settings.symbolic:
        asked = read_input(_symbolic_input(program, own))
    if program.block is None:
        if asked is None:
            if not own:
                raise BneckError(f"{program.spec.file} has no `input:`", hint="add one, or give --input 3x224x224")
            return own
        if len(own) > 1:
            raise BneckError(f"{program.spec.file} has {len(own)} inputs; --input is for one")
        if own and len(asked.sizes) == len(own[0].sizes) - 1:
            asked = asked._replace(sizes=(own[0].sizes[0], *asked.sizes))
        return (asked._replace(name=own[0].name if own else "input"),)
    sizes = asked.sizes if asked else block_axes(program)
    if len(sizes) > len(block_axes(program)):
        if settings.in_channels is not None:
            whole = "x".join(map(str, sizes))
            raise BneckError(
                f"the input channels are given twice: --in-channels {settings.in_channels}, and --input {whole}"
            )
        return (Input("input", sizes, net.place),)
    channels = settings.in_channels or _channels(settings, program)
    if channels is None and (given := settings.given("channels")) and (is_number(given.text) or is_name(given.text)):
        channels = parse_channels("--set channels", given.text)
    if channels is None and program.spec.net is None and len(program.spec.inputs) == 1:
        channels = program.spec.inputs[0].sizes[0]
    if channels is None:
        example = "x".join(map(str, program.spec.inputs[0].sizes)) if program.spec.inputs else "64x56x56"
        raise BneckError(f"{program.block} needs its input channels", hint=f"give --channels 256, or --input {example}")
    return (Input("input", (channels, *sizes), net.place),)


def block_axes(program: Program) -> tuple[int | str, ...]:
    """Return the axes of what a block is analysed on unless told otherwise.

    They are those that its file says, where that is of blocks alone or its input a sequence; else the figure's map.
    """
    own = program.spec.inputs
    said = len(own) == 1 and (program.spec.net is None or len(own[0].sizes) == len("CL"))
    return own[0].sizes[1:] if said else BLOCK_MAP


def _symbolic_input(program: Program, own: tuple[Input, ...]) -> str:
    """Write an input with a symbol for each axis: ``3xHxW``."""
    if program.block is not None:
        return "x".join(letter.upper() for letter in Shape(1, (1,) * len(block_axes(program))).letters)
    if len(own) != 1:
        raise BneckError(f"{program.spec.file} has {len(own)} inputs", hint="write their symbols in the spec")
    channels, *sides = own[0].sizes
    letters = Shape(1, (1,) * len(sides)).letters
    return "x".join([str(channels), *(letter.upper() for letter in letters)])


def _sized(inputs: tuple[Input, ...], known: dict[str, Assumed]) -> dict[str, Shape]:
    """Return the shape of each input, with the assumptions on its symbols."""
    shapes = {}
    for name, sizes, _ in inputs:
        settled = [_sized_by(size, known) for size in sizes]
        shapes[name] = Shape(settled[0], tuple(settled[1:]))
    return shapes


def _sized_by(size: int | str, known: dict[str, Assumed]) -> Size:
    """Make a size of a number or a symbol's name."""
    return assumed(size, known.get(size, Assumed())) if isinstance(size, str) else size


def _assumptions(program: Program, settings: Settings, inputs: tuple[Input, ...]) -> dict[str, Assumed]:
    """Return what is assumed of each symbol; each must be one of the input or of a parameter."""
    symbols = sorted(_symbols(inputs) | _given_symbols(program, settings).keys())
    for name, _ in settings.assumed:
        if name not in symbols:
            has = f"the symbols are {', '.join(symbols)}" if symbols else "there are no symbols"
            raise BneckError(f"--assume: '{name}' is not a symbol of the input", hint=f"{has}: try --input 3xHxW")
    return dict(settings.assumed)


def _shape(shape: Shape, change: Callable[[Size], Size]) -> Shape:
    return Shape(change(shape.channels), tuple(change(size) for size in shape.spatial))


def _mapped(root: Series, change: Callable[[Size], Size]) -> Series:
    """Change every size of an analysed network; a node that is shared stays shared."""
    known: dict[int, Any] = {}

    def mapped(node: Any) -> Any:
        if id(node) not in known:
            known[id(node)] = fresh(node)
        return known[id(node)]

    def fresh(node: Node) -> Node:
        if isinstance(node, Wire):
            return node._replace(shape=_shape(node.shape, change), out=_shape(node.out, change))
        cost, out = Cost(*[change(size) for size in node.cost]), _shape(node.out, change)
        if isinstance(node, Layer):
            inputs = tuple(_shape(shape, change) for shape in node.inputs)
            holder = mapped(node.holder) if node.holder else None
            return node._replace(rule=_rule(node.rule, change), inputs=inputs, out=out, cost=cost, holder=holder)
        shape = _shape(node.shape, change)
        if isinstance(node, Fork):
            join = mapped(node.join) if node.join else None
            return node._replace(branches=tuple(map(mapped, node.branches)), join=join, shape=shape, out=out, cost=cost)
        runs = tuple(Run(mapped(run.node), run.copies) for run in node.runs)
        return node._replace(runs=runs, shape=shape, out=out, cost=cost)

    return mapped(root)  # type: ignore[no-any-return]


def _rule(rule: Any, change: Callable[[Size], Size]) -> Any:
    """Change the sizes that a layer was given; what it has computed of them it computes anew."""
    given = {} if rule is None else {name: value for name, value in vars(rule).items() if name != "_last"}
    sizes = [size for value in given.values() for size in (value if type(value) is tuple else (value,))]
    if not any(map(is_symbolic, sizes)):
        return rule
    changed = {
        name: tuple(map(change, value)) if type(value) is tuple else change(value) for name, value in given.items()
    }
    return type(rule)(**changed)


# The smallest input


def smallest_input(program: Program, settings: Settings = Settings(), limit: int = 1 << 14) -> Shape | None:
    """Find the smallest square input (or the shortest) that is accepted, under the assumptions made.

    Sizes never decrease in the input's, so where some layer's is below 1 every smaller input is refused: a bisection
    finds those, and from there each side is tried, for maps must also divide. None if the spec's channels are
    symbolic, where another reason refuses any input, or where nothing up to ``limit`` is accepted.
    """
    net, _ = settled(program, settings)
    inputs = _inputs(program, net, settings)
    sides = {size for one in inputs for size in one.sizes[1:]}
    known = [each for name, each in _assumptions(program, settings, inputs).items() if name in sides]
    unit, least = lcm(*(each.unit for each in known)), max((each.least for each in known), default=1)

    def sized(side: int) -> dict[str, Shape]:
        return _sized(tuple(one._replace(sizes=(one.sizes[0], *[side] * (len(one.sizes) - 1))) for one in inputs), {})

    def answer(side: int) -> str:
        if side * unit < least:
            return "too small"
        try:
            propagate(net, program.scopes, sized(side * unit), _past(settings))
        except TooSmallError:
            return "too small"
        except BneckError:
            return "refused"
        return "accepted"

    low, high = 0, 1
    while answer(high) == "too small":
        low, high = high, high * 2
        if high * unit > limit:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if answer(middle) == "too small" else (low, middle)
    for side in range(high, high + MAX_TRIES):
        if side * unit > limit or (side == high + FIRST_TRIES and answer(DIVISIBLE) == "refused"):
            break
        if answer(side) == "accepted":
            return next(iter(sized(side * unit).values()))
    return None


# Published figures


class Comparison(NamedTuple):
    """One published figure beside the analysis's own."""

    figure: str
    published: int
    found: int
    input: Shape
    expect: Expect

    @property
    def agrees(self) -> bool:
        """Whether the two are equal, to the unit."""
        return self.published == self.found


def compare_expectations(program: Program) -> Iterator[Comparison]:
    """Compare every published figure of a spec, each at the input that it is published for."""
    known: dict[Any, Analysis] = {}
    for expect in program.spec.expect:
        asked = expect.input.sizes if expect.input else None, expect.past
        if asked not in known:
            known[asked] = analyze_program(program, Settings(input=expect.input, past=expect.past))
        analysis = known[asked]
        for figure, published in expect.figures.items():
            found = getattr(analysis.cost, figure)
            if not is_whole(found):
                raise expect.place.error("published figures need a numeric input")
            yield Comparison(figure, published, found, next(iter(analysis.inputs.values())), expect)
