"""A space of designs: a spec and what varies in it, walked as often as designs differ and computed on arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.budget import budget_of_its_own
from bneck_cli.engine.analysis import analyze_plainly, block_axes
from bneck_cli.engine.network import part_params
from bneck_cli.engine.settings import require_used, with_words
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.flow.liveness import peak_elements
from bneck_cli.language.library import as_network
from bneck_cli.language.spec import Given, Input, constant
from bneck_cli.sizes.dim import symbols
from bneck_cli.sizes.number import open_ratio
from bneck_cli.sizes.shape import Shape
from bneck_cli.spaces.arrays import Part, followed, is_exact, results
from bneck_cli.spaces.tape import Tape
from bneck_cli.spaces.trail import Branch, Leaf, Trail, filled
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.library import Program
    from bneck_cli.spaces.axes import Axis, Designs
    from bneck_cli.spaces.traced import Traced

BLOCK = 1 << 15
"""Designs that are computed together: their numbers stay in the processor's cache."""


TOTALS: dict[str, Callable[[Analysis], Any]] = {
    "params": lambda analysis: analysis.cost.params,
    "weights": lambda analysis: analysis.cost.params - part_params(analysis.root, "norm"),
    "inference_params": lambda analysis: analysis.cost.inference_params,
    "active_params": lambda analysis: analysis.cost.active_params,
    "macs": lambda analysis: analysis.macs,
    "conv_macs": lambda analysis: analysis.cost.conv_macs * analysis.batch,
    "linear_macs": lambda analysis: analysis.cost.linear_macs * analysis.batch,
    "attention_macs": lambda analysis: analysis.cost.attention_macs * analysis.batch,
    "activations": lambda analysis: analysis.activations,
    "memory": peak_elements,
}
"""What can be computed of every design; ``memory`` is in elements alive at the peak of inference."""


ALWAYS = ("batch", "past")
"""What varies in any spec: inputs at once, and positions that causal attention has seen before."""


class Refusal(NamedTuple):
    """Why some designs of a block are none: the reason, and their numbers in the block."""

    reason: str
    numbers: Any


class Block(NamedTuple):
    """Some designs and what they have: an array for each axis (its value times ``below``) and for each total.

    ``legal`` says which designs are ones; the totals of the others are 0.
    """

    start: int
    values: tuple[Any, ...]
    totals: dict[Any, Any]
    legal: Any
    refusals: tuple[Refusal, ...]


class Space:
    """A spec with axes. Raises BneckError if an axis is nothing that the spec has."""

    def __init__(
        self,
        program: Program,
        settings: Settings,
        designs: Designs,
        totals: tuple[Any, ...],
        measured: Callable[[Analysis], tuple[Any, ...]] | None = None,
    ) -> None:
        """Take the names of totals, and what computes them from an analysis, where they are not those of ``TOTALS``."""
        program, settings = with_words(program, settings)
        self.program, self.settings, self.designs, self.totals = program, settings, designs, totals
        self.measured = measured or (lambda analysis: tuple(TOTALS[name](analysis) for name in totals))
        self.varied = Varied(program, settings, designs.axes)
        self.tape, self.root = Tape(), Branch()
        self.variables = [self.tape.variable(min(axis.above), max(axis.above)) for axis in designs.axes]
        self.walks = 0
        self.most_walks: int | None = None
        """How often it may be walked, if there is a limit."""

    def blocks(self, first: int = 0, each: int = 1) -> Iterator[Block]:
        """Compute all blocks of designs, or from ``first`` on one in ``each``."""
        for start, stop in self.designs.blocks(BLOCK, first, each):
            yield self.block(start, stop)

    def block(self, start: int, stop: int) -> Block:
        """Compute some designs."""
        import numpy

        columns = self.designs.columns(start, stop)
        values = []
        for axis, column in zip(self.designs.axes, columns, strict=True):
            above = axis.above
            values.append(column * above.step + above.start if isinstance(above, range) else numpy.array(above)[column])
        known: dict[int, Any] = {}
        for at, column in zip(self.variables, values, strict=True):
            known[at] = column if self.tape.value_of(at) is None else self.tape.value_of(at)
        totals = {name: numpy.zeros(stop - start, dtype=numpy.int64) for name in self.totals}
        legal = numpy.zeros(stop - start, dtype=bool)
        refusals: list[Refusal] = []
        waiting = [(Part(self.tape, known), self.root)]
        while waiting:
            for part, branch in followed(*waiting.pop()):
                numbers = part.numbers()
                if branch.leaf is None:
                    self.walk([int(column[0 if numbers is None else numbers[0]]) for column in values])
                    waiting.append((part, branch))
                    continue
                where = slice(None) if numbers is None else numbers
                if branch.leaf.refusal:
                    refusals.append(self._refusal(part, branch.leaf, numbers, stop - start))
                    continue
                legal[where] = True
                for name, found in zip(self.totals, results(part, branch.leaf), strict=True):
                    if numbers is None and not isinstance(found, int):
                        totals[name] = found
                        continue
                    if is_exact(found) or (isinstance(found, int) and found >= 2**63):
                        totals[name] = totals[name].astype(object)
                    totals[name][where] = found
        return Block(start, tuple(values), totals, legal, tuple(refusals))

    def walk(self, above: list[int]) -> Leaf:
        """Walk one design, and put what it does on the tape and into the tree."""
        if self.walks == self.most_walks:
            raise BneckError(f"that is too much work: the values take more than {people(self.walks)} different ways")
        self.walks += 1
        trail = Trail(self.tape, self.root)
        numbers = [trail.variable(at, value) for at, value in zip(self.variables, above, strict=True)]
        varied = [open_ratio(number, axis.below) for number, axis in zip(numbers, self.designs.axes, strict=True)]

        def totals() -> tuple[int | Traced, ...]:
            analysis = analyze_plainly(self.program, self.varied.settings(varied))
            found = self.measured(analysis)
            for name, total in zip(self.totals, found, strict=True):
                if left := symbols(total):
                    raise BneckError(
                        f"{name} is still a formula: give {listed(sorted(left), 'and')} a value, or vary it"
                    )
            return found

        with budget_of_its_own():
            return trail.follow(totals)

    def _refusal(self, part: Part, leaf: Leaf, numbers: Any, count: int) -> Refusal:
        """Say why designs are none, with the numbers of the first of them."""
        import numpy

        def first(at: int) -> int:
            found = part.entry(at)
            return int(found if isinstance(found, int) else found[0])

        return Refusal(filled(leaf.refusal, first), numpy.arange(count) if numbers is None else numbers)


def require_free(program: Program, settings: Settings, axes: Sequence[Axis]) -> None:
    """Require that what varies has no value beside. Raises BneckError if one is given, for it would be ignored."""
    require_used([program], settings)
    program, settings = with_words(program, settings)
    own = {given.name: given.text for given in settings.values}
    own |= {} if settings.channels is None else {"channels": str(settings.channels)}
    own |= {"batch": str(settings.batch)} if settings.batch != 1 else {}
    own |= {"past": str(settings.past)} if settings.past else {}
    for axis in axes:
        if axis.item is None and axis.name in own:
            raise BneckError(f"--vary: '{axis.name}' varies, and is given as {own[axis.name]}", hint="leave one out")


def _varied_input(program: Program, settings: Settings, names: set[str]) -> Input | None:
    """Return the input that is asked for, or the spec's own with those of its sides as symbols that vary.

    ``side`` is every side at once.
    """
    if settings.input is not None:
        return settings.input
    if program.block is not None:
        axes = block_axes(program)
        own, spatial = Input("input", axes, as_network(program).place), len(axes)
    elif len(program.spec.inputs) == 1:
        (own,) = program.spec.inputs
        spatial = len(own.sizes) - 1
    else:
        return None
    first, sides = own.sizes[: len(own.sizes) - spatial], own.sizes[len(own.sizes) - spatial :]
    letters = [letter.upper() for letter in Shape(1, (1,) * spatial).letters]
    varied = tuple(
        name if name in names else "side" if "side" in names else size
        for name, size in zip(letters, sides, strict=True)
    )
    return own._replace(sizes=(*first, *varied)) if varied != sides else None


class Varied:
    """The settings of a design: each axis is a parameter, an item of one, a symbol of the input, or the batch."""

    def __init__(self, program: Program, settings: Settings, axes: tuple[Axis, ...]) -> None:
        self.program, self.axes = program, axes
        self.net = as_network(program)
        self.input = _varied_input(program, settings, {axis.name for axis in axes})
        self.base = settings
        for axis in axes:
            self._require(axis)

    def settings(self, values: list[Any]) -> Settings:
        """Return the settings of one design."""
        asked = self.base
        lists: dict[str, list[Any]] = {}
        given: dict[str, Any] = {}
        for axis, value in zip(self.axes, values, strict=True):
            if axis.item is not None:
                lists.setdefault(axis.name, list(self._items(axis)))[axis.item] = value
            elif self.net.parameter(axis.name) is None and axis.name == "batch":
                asked = asked._replace(batch=value)
            elif self.net.parameter(axis.name) is None and axis.name == "past":
                asked = asked._replace(past=value)
            elif self.program.block is not None and axis.name == "channels":
                asked = asked._replace(channels=value)
            elif self.net.parameter(axis.name):
                given[axis.name] = value
        given |= {name: tuple(items) for name, items in lists.items()}
        more = [Given(name, "", constant(value, "--vary")[1], self.net.place) for name, value in given.items()]
        kept = [each for each in asked.values if each.name not in given]
        asked = asked._replace(values=(*kept, *more))
        if self.input is not None:
            sizes = {axis.name: value for axis, value in zip(self.axes, values, strict=True)}
            asked = asked._replace(
                input=self.input._replace(sizes=tuple(sizes.get(size, size) for size in self.input.sizes))  # type: ignore[arg-type]
            )
        return asked

    def _items(self, axis: Axis) -> tuple[Any, ...]:
        """Return the list of which one item varies."""
        given = self.base.given(axis.name)
        parameter = self.net.parameter(axis.name)
        default = given.expression if given else parameter.default if parameter else None
        value = default.evaluate({}) if default is not None else None
        if not isinstance(value, tuple) or axis.item is None or axis.item >= len(value):
            size = f"a list of {len(value)}" if isinstance(value, tuple) else "not a list"
            has = f"'{axis.name}' is {size}"
            raise BneckError(f"--vary: there is no {axis.title}", hint=has)
        return value

    def _require(self, axis: Axis) -> None:
        names = [parameter.name for parameter in self.net.parameters]
        sizes = [size for size in (self.input.sizes if self.input else ()) if isinstance(size, str)]
        if axis.item is not None and axis.name in names:
            self._items(axis)
        elif axis.name not in (*names, *sizes, *ALWAYS):
            symbolic = _varied_input(self.program, self.base, {"T", "H", "W", "L"})
            letters = [size for size in (symbolic.sizes if symbolic else ()) if isinstance(size, str)]
            known = [*names, *(["side"] if letters and self.base.input is None else []), *letters, *ALWAYS]
            raise BneckError(
                f"--vary: '{axis.name}' cannot vary here",
                hint=nearest(axis.name, known) or f"possible are {listed(known, 'and')}",
            )
        elif axis.name not in names and (axis.below != 1 or min(axis.above) < (axis.name != "past")):
            what = "a size of the input" if axis.name in sizes else "a number of inputs or positions"
            least = int(axis.name != "past")
            raise BneckError(f"--vary: '{axis.name}' is {what}: a whole number from {least}")
