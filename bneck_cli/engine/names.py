"""Names in bodies that no walk came to: those of a block that is not used, or of a branch that is not taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers import LAYERS
from bneck_cli.errors import listed, nearest
from bneck_cli.language.bodies import SHARE, Loop, Option, Repeat, Step
from bneck_cli.language.document import Place
from bneck_cli.language.expression import All, Name, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bneck_cli.errors import BneckError
    from bneck_cli.language.document import Scalar
    from bneck_cli.language.library import Program
    from bneck_cli.language.spec import Definition


INLINE = "inline"
"""How a block may be written: the code has no function of its own for it, its layers stand where it is used."""

_right: list[Program] = []
"""The program whose names were found right last: it may be analysed again and again, with other sizes."""


def is_right(program: Program) -> bool:
    """Return whether the names of this very program were found right."""
    return bool(_right) and all(mine is theirs for mine, theirs in zip(program, _right[0], strict=True))


def require_right_names(program: Program) -> None:
    """Require what is required of names once a walk has come through; it is not asked again of the same program.

    Raises BneckError at the first that is wrong.
    """
    if not is_right(program):
        require_known_names(program)
        require_used_parameters(program)
        _right[:] = [program]


def require_known_names(program: Program) -> None:
    """Require that every step of a file's own definitions names a layer, a block or a parameter, with known options.

    Raises BneckError at the first word that does not.
    """
    for definition in (*program.spec.blocks.values(), *([program.spec.net] if program.spec.net else [])):
        own = {parameter.name for parameter in definition.parameters} | _looped(definition.body)
        _require_shared(definition)
        for step, first in _steps(definition.body):
            if step.name not in own:
                _require_known(step, (*step.options, *first), program)
    for key, value in (program.spec.written or {}).values():
        _require_written(key, value, program)


def require_own_names(program: Program) -> None:
    """Require that no block and no op takes the name of a layer kind, whose meaning it would change unseen.

    Raises BneckError at the definition.
    """
    for scope in program.scopes.values():
        for name in scope.blocks.keys() & LAYERS.keys() or scope.formulas.keys() & LAYERS.keys():
            place = (scope.blocks.get(name) or scope.formulas[name]).place
            raise place.error(
                f"'{name}' is a layer kind; a definition cannot have its name",
                f"choose another name, such as my_{name}",
            )


def require_used_parameters(program: Program) -> None:
    """Require that the net and every block use each of their parameters, in the body or in a default.

    Raises BneckError at the first that is not: giving it would change nothing, without a word.
    """
    blocks = {id(block): block for scope in program.scopes.values() for block in scope.blocks.values()}
    for definition in (*blocks.values(), *([program.net] if program.net else [])):
        defaults = [parameter.default for parameter in definition.parameters]
        used = set(_words((definition.body, definition.outputs, defaults)))
        for parameter in definition.parameters:
            if parameter.name not in used:
                name, what = parameter.name, definition.name
                raise parameter.place.error(f"the parameter '{name}' is never used in {what}", "use it or remove it")


def _words(body: Any) -> Iterator[str]:
    """Yield every name that a body and its expressions read: of values, of steps, of tensors."""
    return (part.name.partition(".")[0] for part in parts_of(body) if isinstance(part, (Name, All, Step)))


def _require_written(key: Scalar, value: Scalar, program: Program) -> None:
    """Require a layer kind, of a block or not, and a form in which code may call it: ``downsample.ln: subclass``.

    A block itself may be ``inline``.
    """
    if key.text in program.blocks:
        if value.text != INLINE:
            raise Place(value, 0, len(value.text)).error(f"a block is written as {INLINE} (got '{value.text}')")
        return
    block, _, word = key.text.rpartition(".")
    if block not in ("", "net", *program.blocks):
        hint = nearest(block, ("net", *program.blocks))
        raise Place(key, 0, len(block)).error(f"no block '{block}'", hint)
    kind = LAYERS.get(written_op(word))
    if kind is None:
        raise unknown_step(word, Place(key, len(key.text) - len(word), len(word)), LAYERS)
    if value.text not in kind.forms:
        place = Place(value, 0, len(value.text))
        hint = nearest(value.text, kind.forms)
        raise place.error(f"{written_op(word)} can be written as {listed(kind.forms)} (got '{value.text}')", hint)


def written_op(word: str) -> str:
    """Take the number from ``relu2``, the second that stands in a block; a kind's own number stays (``relu6``)."""
    return word if word in LAYERS else word.rstrip("0123456789")


def unknown_step(name: str, place: Place, known: Iterable[str]) -> BneckError:
    """Make the error for a step that is neither a layer nor a block."""
    from bneck_cli.language.library import block_files
    from bneck_cli.language.vocabulary import layer_hint

    included = {block: f"blocks/{path.stem}" for block, path in block_files().items()}
    hint = layer_hint(name, known, included) or "`bneck layers` lists the layer kinds"
    return Place(place.node, place.offset, len(name)).error(f"unknown layer or block '{name}'", hint)


def _require_known(step: Step, options: tuple[Option, ...], program: Program) -> None:
    definition: Definition | Any = program.blocks.get(step.name) or program.formulas.get(step.name)
    if definition is not None:
        names = dict.fromkeys(parameter.name for parameter in definition.parameters)
        kind = "parameter"
    elif step.name in LAYERS:
        names = dict.fromkeys(field.name for field in LAYERS[step.name].fields)
        kind = "option"
    else:
        raise unknown_step(step.name, step.place, [*LAYERS, *program.blocks, *program.formulas])
    for option in options:
        if option.name not in names and option.name != SHARE:
            from bneck_cli.language.vocabulary import option_hint

            raise option.place.error(f"{step.name} has no {kind} '{option.name}'", option_hint(option.name, names))


def _require_shared(definition: Definition) -> None:
    """Require that weights which are shared by a word are shared with another step, or among copies of a loop.

    Raises BneckError at a word that stands once: it would say nothing, and may be another's misspelt.
    """
    alone: dict[str, Option] = {}
    words: list[str] = []

    def search(body: Any, copies: int) -> None:
        if isinstance(body, Option) and body.name == SHARE and isinstance(body.value, Name):
            word = body.value.name
            words.extend([word] * copies)
            alone.setdefault(word, body)
        elif isinstance(body, (tuple, list)) and not isinstance(body, Place):
            for inside in body:
                search(inside, 2 if isinstance(body, (Repeat, Loop)) else copies)

    search(definition.body, 1)
    own = {parameter.name for parameter in definition.parameters} | _looped(definition.body)
    for word, option in alone.items():
        if words.count(word) == 1 and word not in own:
            others = [other for other in words if other != word]
            hint = nearest(word, others) or "give the same `share=` name to every step that shares the weights"
            raise option.place.error(f"no other step of {definition.name} shares the weights '{word}'", hint)


def _steps(body: Any, first: tuple[Option, ...] = ()) -> Iterator[tuple[Step, tuple[Option, ...]]]:
    """Yield every step of a body, whatever structures it stands in, with the options that ``first(...)`` adds to it."""
    if isinstance(body, Step):
        yield body, first
    elif isinstance(body, Repeat):
        yield from _steps(body.body, body.first)
    elif isinstance(body, tuple) and not isinstance(body, (Place, Option)):
        for inside in body:
            yield from _steps(inside)


def _looped(body: Any) -> set[str]:
    """Name the items of a body's loops."""
    return {name for part in parts_of(body) if isinstance(part, Loop) for name in part.names}
