"""How a layer kind is declared: a class whose fields are the arguments and options that a spec may give it.

The parser, the reference page and "did you mean" all read the same fields. The decorator is lighter than a dataclass:
thirty of those would cost more at start-up than a whole analysis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, dataclass_transform

from bneck_cli.engine.layers.drawn import FILLS, Label
from bneck_cli.engine.layers.reach import MAP, OTHER, UNKNOWN, WHOLE, WINDOW, Reach, here, same_position, windowed
from bneck_cli.sizes.number import Ratio, divided, is_size, is_symbolic, is_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bneck_cli.engine.network import Layer
    from bneck_cli.sizes.shape import Shape, Size

    Convert = Callable[[Any], Any]


class LayerError(Exception):
    """A layer that cannot be: the bare fact. ``culprit`` is the position or the name of the argument at fault."""

    def __init__(self, message: str, culprit: int | str | None = None, word: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.culprit = culprit
        self.word = word
        self.hint = hint
        self.got = ""


class Field(NamedTuple):
    """An argument (``positional``), an option with its default, or a flag: a word that is there or not."""

    name: str
    convert: Convert
    help: str
    positional: bool = False
    default: Any = None
    is_flag: bool = False


class Window(NamedTuple):
    """A window over the spatial axes, each field per axis; ``padding`` is (before, after), or the word ``tf_same``."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[Any, ...]
    dilation: tuple[int, ...]
    groups: Size = 1
    ceil: bool = False
    transposed: bool = False
    output_padding: tuple[int, ...] = ()


def argument(convert: Convert, help: str) -> Any:
    """Declare an argument that must be given, in its place."""
    return Field("", convert, help, positional=True)


def option(convert: Convert, default: Any, help: str) -> Any:
    """Declare an option ``name=value``."""
    return Field("", convert, help, default=default)


def flag(help: str) -> Any:
    """Declare a word that turns something on."""
    return Field("", boolean, help, default=False, is_flag=True)


class Keeps(NamedTuple):
    """What PyTorch's autograd keeps of a layer until the backward pass, beside its parameters.

    ``input`` and ``output`` are tensors that others may keep too, and are then one. The rest is the layer's own, for
    one input: ``values`` as wide as the tensors (so many of them ``scores`` of attention), ``indices`` of 8 bytes and
    ``mask`` of 1; ``statistics`` are values of the whole batch.
    """

    input: bool = False
    output: bool = False
    values: Size = 0
    indices: Size = 0
    mask: Size = 0
    statistics: Size = 0
    scores: Size = 0


class Kind:
    """What every layer has unless it says otherwise: the shape as it came, no parameters, no multiply-adds.

    A kind that costs something states it. It says all about itself, and nothing else asks for its name: what is needed
    of one kind and not of another is a trait, declared here. Those without a value (``TRAITS``) each kind declares.
    """

    name: str
    summary: str
    fields: tuple[Field, ...] = ()
    part: str
    """Under which head its costs count: a convolution, a linear layer, attention, a norm, an activation, ..."""
    sees: str
    """What a position of the result sees of the input: its ``OWN``, a ``WINDOW`` (where there is one, else its own),
    the whole ``MAP``, or ``OTHER``.
    """
    noun: str = ""
    """What it is called in a sentence, where its name is not a word: batch norm."""
    drawn: str = ""
    """What it is called in a figure, where that is not its name: BN."""
    chooses = False
    """Whether the output channels are a choice, whatever the input."""
    centres = False
    """Whether it takes each channel's mean away, and with it whatever was added to the channel."""
    over_the_map = False
    """Whether statistics of the whole map enter every position, beside what it sees."""
    elementwise = False
    """Whether it is a function of each element by itself."""
    absent = False
    """Whether it stands for there being no operation."""
    view = False
    """Whether the output is the tensor that arrived, or a part of it: nothing is written."""
    source = False
    """Whether it takes nothing of the input: the output is a parameter itself."""
    view_at_inference = False
    """The same, at inference alone."""
    in_place = False
    """Whether PyTorch's module can write over its input."""
    product = False
    """Whether it multiplies the tensors that it takes: each is kept for the gradients of the others."""
    forms: tuple[str, ...] = ("module", "function", "subclass")
    """How a network's code may call it, which decides what some tools see."""
    _last: tuple[Shape, Window | None] | None = None

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(values)

    def out_shape(self, x: Shape) -> Shape:
        """Return the output shape."""
        return x

    def shares(self, x: Shape) -> tuple[Size, ...]:
        """Return what must divide evenly beside the output sizes; of symbols it becomes a stated requirement."""
        return ()

    def params(self, x: Shape) -> Size:
        """Count the learned parameters."""
        return 0

    def weights(self, x: Shape) -> tuple[tuple[Size, ...], ...]:
        """Return the shapes of the learned tensors; all values as one where no other kind has the like."""
        count = self.params(x)
        return ((count,),) if count != 0 else ()

    def params_read(self, x: Shape, batch: Size) -> Size:
        """Count the parameters that a pass over so many inputs reads: all of them, once."""
        return self.params(x)

    def buffers(self, x: Shape) -> Size:
        """Count what is stored but not learned (running statistics)."""
        return 0

    def running_statistics(self, x: Shape) -> Size:
        """Count those of ``buffers`` that are means and variances which training keeps up to date."""
        return 0

    def macs(self, x: Shape, y: Shape) -> Size:
        """Count multiply-adds: one per product of a weight, or of attention, with an element."""
        return 0

    def backward_macs(self, x: Shape, y: Shape, flows: tuple[bool, ...]) -> Size:
        """Count multiply-adds of the backward pass: as many for the weights' gradient, and for each input's.

        ``flows`` says which inputs gradients flow to; before the first parameters none does.
        """
        return self.macs(x, y) * (sum(flows) + (self.params(x) != 0))

    def attention_macs(self, x: Shape, y: Shape) -> Size:
        """Count those of ``macs`` that are products of attention."""
        return 0

    def uncounted(self, x: Shape, y: Shape) -> tuple[tuple[str, Size], ...]:
        """Say what the layer does that is not a multiply-add, and to how many elements."""
        return ()

    def quantities(self, x: Shape, y: Shape) -> dict[str, Size]:
        """Count all that a counting rule may weigh, by the names of ``data.rules.QUANTITIES``."""
        return {}

    def counted(self, x: Shape, y: Shape, form: str) -> dict[tuple[str, str], Size]:
        """Count the quantities, each with the form in which the code that is written so calls it."""
        return {(key, form): amount for key, amount in self.quantities(x, y).items()}

    def keeps(self, x: Shape, y: Shape) -> Keeps:
        """Say what training keeps; each kind must."""
        raise NotImplementedError(self.name)

    def keeps_in_place(self, x: Shape, y: Shape) -> Keeps:
        """Say what training keeps where the layer writes over its input: PyTorch copies an input that it needs."""
        usual = self.keeps(x, y)
        return usual._replace(input=False, values=usual.values + x.elements) if usual.input else usual

    def working(self, x: Shape, y: Shape) -> Size:
        """Count the elements alive while PyTorch runs the layer at inference, beside the input."""
        return y.elements

    def inside(self, x: Shape, y: Shape, attention: str) -> tuple[tuple[tuple[int, ...], Size], ...]:
        """Say what the layer writes for itself before the output: the tensors that each reads, and its elements.

        Number 0 is the input, and those written here follow in order; the output reads the last. ``attention`` is
        fused, plain or usual.
        """
        return ()

    def cache(self, layer: Layer) -> Size:
        """Count the elements that are kept of the positions which causal attention has seen before."""
        return 0

    def held(self, x: Shape, y: Shape) -> Size:
        """Count the elements that stay alive until the network ends, held by a variable of its code."""
        return 0

    @property
    def biased(self) -> Any:
        """Whether it adds a bias, as its flag ``bias`` or ``nobias`` says."""
        return not self.nobias if hasattr(self, "nobias") else getattr(self, "bias", False)

    def as_it_came(self, x: Shape, y: Shape) -> bool:
        """Whether every output value, at inference, is the one that arrived in its place."""
        return self.view_at_inference

    def reach(self, x: Shape, y: Shape) -> Reach:
        """Say what a position of the result sees of the input."""
        if self.sees == MAP:
            return WHOLE if x.spatial else here(0)
        window = self.geometry(x) if self.sees == WINDOW else None
        if window is not None:
            return windowed(window)
        return UNKNOWN if self.sees == OTHER else same_position(x, y)

    def label(self, x: Shape, y: Shape) -> Label:
        """Say what stands in its box in a figure."""
        return Label((self.drawn or self.name.replace("_", " "),), FILLS.get(self.part, "other"))

    def role(self, x: Shape, y: Shape) -> str:
        """Say in one sentence what it is for, with its numbers; nothing if its name says it all."""
        return ""

    def worked(self, x: Shape, y: Shape) -> tuple[str, ...]:
        """Write out how parameters and multiply-adds come about, where one product each does not say it."""
        return ()

    def geometry(self, x: Shape) -> Any:
        """Return the Window that moves over the input, or None; the rules of one layer all ask for the same one."""
        last = self._last
        if last is None or last[0] is not x:
            last = self.__dict__["_last"] = (x, self.window_over(x))
        return last[1]

    def window_over(self, x: Shape) -> Window | None:
        """Compute the window for the input's axes."""
        return None


TRAITS = ("part", "sees", "keeps")
"""What each kind declares, or a class that it shares with others: what was left out would be wrong in silence."""
LAYERS: dict[str, type[Kind]] = {}
T = TypeVar("T", bound=Kind)


@dataclass_transform(frozen_default=True, field_specifiers=(argument, option, flag))
def kind(*names: str) -> Callable[[type[T]], type[T]]:
    """Register a class as the layer kind (or kinds) of these names; its fields keep their order."""

    def register(cls: type[T]) -> type[T]:
        own = {name: value for base in reversed(cls.__mro__) for name, value in vars(base).items()}
        cls.fields = tuple(value._replace(name=name) for name, value in own.items() if isinstance(value, Field))
        cls.summary = (cls.__doc__ or "").split("\n")[0]
        for name in names:
            LAYERS[name] = cls if len(names) == 1 else type(cls.__name__, (cls,), {"__doc__": cls.__doc__})
            LAYERS[name].name = name
            LAYERS[name].noun = vars(cls).get("noun") or name.replace("_", " ")
        return cls

    return register


def make(name: str, positional: Sequence[Any], options: dict[str, Any]) -> Kind:
    """Make a layer from evaluated arguments; bare words that are flags turn them on.

    Raises LayerError for a missing, extra, repeated, unknown or unfit argument.
    """
    cls = LAYERS[name]
    values: dict[str, Any] = {}
    places: dict[str, int | str] = {}
    given = dict(options)
    flags = [field.name for field in cls.fields if field.is_flag]
    ordered = [field for field in cls.fields if field.positional]
    count = 0
    for index, value in enumerate(positional):
        if isinstance(value, str) and value in flags:
            if value in given:
                raise LayerError(f"'{value}' is given twice", index)
            given[value] = True
            continue
        if count == len(ordered):
            takes = f"{len(ordered)} argument{'s' * (len(ordered) != 1)}"
            word = value if isinstance(value, str) else ""
            raise LayerError(f"takes {takes}, and '{show(value)}' is one too many", index, word)
        field = ordered[count]
        if field.name in given:
            raise LayerError(f"'{field.name}' is given twice", field.name)
        given[field.name], places[field.name] = value, index
        count += 1
    for field in cls.fields:
        if field.name in given:
            try:
                value = given.pop(field.name)
                values[field.name] = field.convert(value)
            except LayerError as error:
                where = places.get(field.name, field.name)
                complaint = LayerError(f"{field.name} must be {error}", where, hint=error.hint)
                complaint.got = type(value).__name__
                raise complaint from None
        elif field.positional:
            raise LayerError(f"'{field.name}' is missing")
        else:
            values[field.name] = field.default
    for stranger in given:
        raise LayerError(f"no option '{stranger}'", stranger, stranger)
    return cls(**values)


def show(value: Any) -> str:
    """Write a value as a spec would."""
    if type(value) is tuple:
        return f"({', '.join(show(item) for item in value)})"
    if isinstance(value, bool):
        return str(value).lower()
    return getattr(value, "name", None) or str(value)


MOST_AXES = 3
"""Spatial axes that a window may have."""

# Converters: an evaluated value to a field's, or a LayerError that completes "... must be"


def _integer(value: Any, least: int, what: str) -> int:
    if not is_whole(value) or value < least:
        raise LayerError(f"{what} (got {show(value)})")
    return value


def positive(value: Any) -> int:
    """Take a whole number from 1."""
    return _integer(value, 1, "a positive whole number")


def natural(value: Any) -> int:
    """Take a whole number from 0."""
    return _integer(value, 0, "a whole number, 0 or more")


def token(value: Any) -> int:
    """Take a place in a sequence: a whole number, from the end where it is negative."""
    return _integer(value, -(2**64), "a whole number")


def size(value: Any) -> Any:
    """Take a size: a whole number from 1, or a symbolic one."""
    if is_symbolic(value):
        return value
    if type(value) is tuple:
        raise LayerError(f"a positive whole number (got {show(value)})", hint="the kernel comes first: `conv 3x3 64`")
    return positive(value)


def bound(value: Any) -> Any:
    """Take where something begins or ends: a whole number from 0, or a symbolic size."""
    return value if is_symbolic(value) else natural(value)


def end(value: Any) -> Any:
    """Take where something ends: as ``bound``, or the word ``end``."""
    if value == "end":
        return value
    if isinstance(value, (tuple, str)):
        raise LayerError(f"a whole number, or end (got {show(value)})")
    return bound(value)


def dimensions(value: Any) -> Any:
    """Take the shape of a tensor: its channels, then the sizes of its axes, ``c x n``."""
    sizes = value if type(value) is tuple else (value,)
    if not 1 <= len(sizes) <= MOST_AXES + 1 or any(type(each) is tuple for each in sizes):
        raise LayerError(f"a shape such as 768 x 196 (got {show(value)})")
    return tuple(size(each) for each in sizes)


def extent(value: Any) -> Any:
    """Take a size per axis: ``3`` for all of them, ``1x7``, ``3x1x1``."""
    if type(value) is tuple and 1 <= len(value) <= MOST_AXES:
        return tuple(positive(item) for item in value)
    if isinstance(value, (tuple, str)):
        raise LayerError(f"a size such as 3 or 3x3 (got {show(value)})")
    return positive(value)


def natural_extent(value: Any) -> Any:
    """Take a number from 0, or one per axis."""
    if type(value) is tuple and 1 <= len(value) <= MOST_AXES:
        return tuple(natural(item) for item in value)
    return natural(value)


def padding(value: Any) -> Any:
    """Take padding: a number, one per axis (``1x2``), one per side, ``valid`` or ``tf_same``.

    By side they are before and after each axis: ``(left,right)``, ``(top,bottom,left,right)``.
    """
    if value in ("valid", "tf_same"):
        return 0 if value == "valid" else value
    if type(value) is tuple and len(value) in (2, 3, 4, 6):
        return tuple(natural(item) for item in value)
    if isinstance(value, (tuple, str)):
        hint = "a convolution keeps the map without `pad=`; TensorFlow's padding is tf_same" if value == "same" else ""
        raise LayerError(f"a number, 1x2, (top,bottom,left,right), valid or tf_same (got {show(value)})", hint=hint)
    return natural(value)


def sides(value: Any) -> Any:
    """Take what is added at sides, or cut off: a whole number, one per axis (``1x2``), or one per side."""
    if type(value) is tuple and len(value) in (2, 3, 4, 6):
        return tuple(sides(item) for item in value)
    if not is_size(value):
        raise LayerError(f"a whole number, 1x2 or (top,bottom,left,right) (got {show(value)})")
    return value


def target(value: Any) -> Any:
    """Take the size of a map: ``65x65``, ``65`` for all axes, or a named tensor's, whatever its channels."""
    spatial = getattr(getattr(value, "shape", None), "spatial", None)
    if spatial is not None:
        if not spatial:
            raise LayerError(f"the size of a map or a sequence (got {value.name}, a vector)")
        return spatial
    if type(value) is tuple and 1 <= len(value) <= MOST_AXES and not any(type(each) is tuple for each in value):
        return tuple(size(each) for each in value)
    if isinstance(value, (tuple, str)):
        raise LayerError(f"a size such as 65x65, or a tensor's name (got {show(value)})")
    return size(value)


def boolean(value: Any) -> bool:
    """Take a truth value: true or false, 1 or 0."""
    if isinstance(value, bool) or (is_whole(value) and value in (0, 1)):
        return bool(value)
    raise LayerError(f"true or false (got {show(value)})")


WORDS: dict[Convert, tuple[str, ...]] = {end: ("end",), padding: ("valid", "tf_same"), boolean: ("true", "false")}
"""The words that a converter takes, for hints."""


def one_of(*words: str) -> Convert:
    """Make a converter that takes one of these words."""

    def convert(value: Any) -> str:
        if value not in words:
            raise LayerError(f"one of {', '.join(words)} (got {show(value)})")
        return str(value)

    WORDS[convert] = words
    return convert


# Arithmetic that layers share


def per_axis(value: Any, rank: int, what: str) -> tuple[int, ...]:
    """Return a field's value for each spatial axis; a number stands for all of them."""
    if not isinstance(value, tuple):
        return (value,) * rank
    if len(value) != rank:
        axes = f"{rank} spatial ax{'i' if rank == 1 else 'e'}s"
        raise LayerError(f"{what} has {len(value)} sizes, but the input has {axes}", what)
    return value


def share(total: Size, parts: Size, whole: str, by: str) -> Size:
    """Divide exactly; where a symbol decides, that it divides becomes a stated requirement."""
    quotient = divided(total, parts)
    if isinstance(quotient, Ratio):
        raise LayerError(f"{whole} (={total}) must be divisible by {by} (={parts})", by)
    return quotient  # type: ignore[no-any-return]
