"""What the body of a block is made of: steps, structures of steps, and the names of tensors.

Nothing here knows how they are written, or what a layer or a size is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from bneck_cli.language.document import Place
from bneck_cli.language.expression import All, Name, parts_of

if TYPE_CHECKING:
    from bneck_cli.language.expression import Expression

INDEX = "i"
"""Which copy of a repeat, or item of a loop, it is, from 0."""
SHARE = "share"
"""The option of any step that names its weights."""


class Body(Protocol):
    """A node of a body: a step, a structure of steps, or the name of a tensor; a union of them would be recursive."""

    @property
    def place(self) -> Place:
        """Where it stands in the spec."""


class Option(NamedTuple):
    """``stride=2``; a flag such as ``bias`` is a positional word until the layer tells it is one."""

    name: str
    value: Expression
    place: Place


class Step(NamedTuple):
    """A layer or a block by name, with its arguments in order and its options."""

    name: str
    arguments: tuple[Expression, ...]
    options: tuple[Option, ...]
    place: Place


class Repeat(NamedTuple):
    """Copies of a body in a row, ``times`` of them; ``first`` changes options of the first copy alone."""

    times: Expression
    body: Body
    first: tuple[Option, ...]
    place: Place


class Loop(NamedTuple):
    """A body for each item of a list, or for each number below a number; ``names`` are those of the item, or its parts.

    ``branches`` says that each is a branch of the join in which it stands; else they follow one another.
    """

    names: tuple[str, ...]
    items: Expression
    body: Body
    branches: bool
    place: Place


class Chain(NamedTuple):
    """Bodies in sequence."""

    steps: tuple[Body, ...]
    place: Place


class Residual(NamedTuple):
    """The body's result added to a shortcut: ``auto``, ``identity``, ``if_same``, ``pad``, or a body of its own."""

    body: Body
    shortcut: str | Body
    place: Place


class Join(NamedTuple):
    """Branches whose results are joined: ``kind`` is ``add``, ``mul``, ``concat``, ``matmul``, or ``split``.

    Each branch has the whole tensor, of a split a slice of it: equal ones, or of these ``sizes``. ``how`` a split is
    joined, and ``along`` what it is concatenated, is said beside it; and the ``heads`` of a product.
    """

    kind: str
    branches: tuple[Body, ...]
    place: Place
    sizes: Expression | None = None
    how: str = "concat"
    along: str = "channels"
    heads: Expression | None = None


class Scale(NamedTuple):
    """The tensor times a gate computed from it."""

    gate: Body
    place: Place


class Aside(NamedTuple):
    """A head that has parameters but does not run at inference; the tensor passes by."""

    body: Body
    place: Place


class Branch(NamedTuple):
    """One of two bodies, chosen by a condition on the parameters."""

    condition: Expression
    then: Body
    otherwise: Body | None
    place: Place


class Attend(NamedTuple):
    """Attention: ``values`` weighted by the ``scores`` of ``queries`` and ``keys``, to which more may be done.

    ``over`` is ``positions``, or ``channels``.
    """

    queries: Body
    keys: Body
    values: Body
    scores: Body | None
    options: tuple[Option, ...]
    over: str
    place: Place


class Experts(NamedTuple):
    """``number`` copies of a body with weights of their own, of which each position meets ``active``; a router chooses.

    A router that is not written is a linear layer.
    """

    body: Body
    number: Expression
    active: Expression
    router: Body | None
    place: Place


class Nothing(NamedTuple):
    """``nothing``: a branch that is left out of its join."""

    place: Place


class Label(NamedTuple):
    """``as NAME``: name this tensor; ``as low high`` names those of a block that gives several, each by itself."""

    names: tuple[str, ...]
    place: Place


class Resume(NamedTuple):
    """``from NAME``: go on from a named tensor; ``from all NAME``, or from a list of them, is several branches."""

    tensor: Expression
    place: Place


def reads(node: object, name: str) -> bool:
    """Return whether a body, or whatever it is made of, reads a name that is not its own: a loop's, a copy's index."""
    if isinstance(node, (Name, All)):
        return node.name.partition(".")[0] == name
    if not isinstance(node, tuple) or isinstance(node, Place):
        return False
    if isinstance(node, Step) and node.name == name:
        return True
    if isinstance(node, Repeat) and name == INDEX:
        return reads(node.times, name)
    if isinstance(node, Loop) and name in (*node.names, INDEX):
        return reads(node.items, name)
    return any(reads(part, name) for part in node)


def every(node: object) -> frozenset[str]:
    """Name the tensors that a body reads in all their copies (``from all NAME``)."""
    return frozenset(part.name for part in parts_of(node) if isinstance(part, All))
