"""Where specs come from: files, standard input, the bundled library; includes and bases brought in."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.budget import FILES, exceeded
from bneck_cli.errors import BneckError, nearest
from bneck_cli.language.bodies import Option, Step
from bneck_cli.language.collector import collector_paused
from bneck_cli.language.document import MAX_CHARACTERS, Place, Scalar, Source
from bneck_cli.language.expression import Name
from bneck_cli.language.spec import (
    Definition,
    Formula,
    Given,
    Spec,
    parse_channels,
    parse_given,
    parse_spec,
    with_settings,
)
from bneck_cli.shown import grouped
from bneck_cli.sizes.numerals import is_name

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFINITION = re.compile(r"^  ([A-Za-z_]\w*)\(", re.MULTILINE)


class Words(NamedTuple):
    """What a name brings: a block's channels, and values of parameters, as texts of the command line."""

    channels: int | str | None = None
    values: tuple[Given, ...] = ()


class Scope(NamedTuple):
    """The definitions that a file sees: its own, and those that it brings in."""

    blocks: dict[str, Definition]
    formulas: dict[str, Formula]

    def find(self, name: str) -> Definition | Formula | None:
        """Find a block or an op by name."""
        return self.blocks.get(name) or self.formulas.get(name)


class Program(NamedTuple):
    """A spec made whole: its own definitions, those it includes, and those of the spec that it extends."""

    spec: Spec
    blocks: dict[str, Definition]
    formulas: dict[str, Formula]
    net: Definition | None
    written: dict[str, tuple[Scalar, Scalar]]
    """How the network's code calls its operations, where it is not as modules."""
    block: str | None = None
    """The block that is analysed by itself, where it is one and not the net."""
    words: Words | None = None
    """What stood after the name that it was loaded by: ``basic 64 stride=2``."""
    scopes: dict[str, Scope] = {}  # noqa: RUF012  (never changed in place)
    """What each file sees: an included file its own, a spec that is extended what the one that extends it sees."""
    extended: tuple[str, ...] = ()
    """The files of the specs that this one extends, and its own."""


def specs_folder() -> Path:
    """Find the bundled specs: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "specs", package.parent / "specs"):
        if folder.is_dir():
            return folder
    raise BneckError(
        f"the bundled specs are missing from the package ({package})",
        hint="install bneck; it does not run from a zip",
    )


@cache
def network_names() -> tuple[str, ...]:
    """Name the bundled networks, in alphabetical order."""
    return tuple(sorted(entry.name[:-5] for entry in os.scandir(specs_folder()) if entry.name.endswith(".yaml")))


@cache
def block_files() -> dict[str, Path]:
    """Name the bundled blocks, each with the file that defines it."""
    found = {}
    for path in sorted((specs_folder() / "blocks").glob("*.yaml")):
        for name in DEFINITION.findall(path.read_text(encoding="utf-8").partition("\nblocks:\n")[2]):
            found[name] = path
    return found


def read_source(path: str | os.PathLike[str], shown: str | None = None) -> Source:
    """Read a file as UTF-8, at most as much of it as a spec may hold.

    Raises BneckError for a file that is missing, a folder, unreadable, too long or not text.
    """
    shown = shown or os.fspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read(4 * MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BneckError(f"{shown}: cannot be read: {reason[:1].lower()}{reason[1:]}") from None
    return decode(data, shown)


def decode(data: bytes, shown: str) -> Source:
    """Take bytes as the text of a spec."""
    if len(data) > MAX_CHARACTERS:
        raise BneckError(f"{shown}: a spec has at most {grouped(MAX_CHARACTERS)} bytes; this one is larger")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len(Source(shown, data[: error.start].decode("utf-8-sig")).lines())
        raise BneckError(f"{shown}: not a text file: byte {error.start} (line {line}) is not UTF-8") from None
    return Source(shown, text)


def find(name: str) -> tuple[Source, str | None]:
    """Find what a name on the command line stands for: the source, and the block in it where it is a block.

    ``name`` is a file, ``-``, ``FILE:BLOCK``, a bundled network or a bundled block, tried in that order.
    """
    if name == "-":
        import sys

        if sys.stdin is None:
            raise BneckError("standard input is closed", hint="`-` reads a spec from it")
        return decode(sys.stdin.buffer.read(4 * MAX_CHARACTERS + 1), "<stdin>"), None
    _refuse_foreign(name)
    path, colon, block = name.rpartition(":")
    if colon and is_name(block) and (_is_file(path) or path in network_names()):
        return find(path)[0], block
    if _is_file(name):
        return read_source(name), None
    bundled = specs_folder() / f"{name}.yaml"
    if "/" not in name and os.path.isfile(bundled):  # which takes any text for a name, where pathlib raises
        return _bundled(f"{name}.yaml"), None
    if name in block_files():
        return _bundled(f"blocks/{block_files()[name].name}"), name
    if os.sep in name or name.endswith((".yaml", ".yml")):
        return read_source(name), None
    known = [*network_names(), *block_files()]
    if name != name.lower() and name.lower() in known:  # as papers write it: ResNet50
        return find(name.lower())
    hint = nearest(name.lower(), known) or "`bneck list` shows the bundled names"
    raise BneckError(f"no file, network or block '{name}'", hint=hint)


def reaching(program: Program, words: Iterable[str]) -> Program:
    """Let a program's files see the blocks of the library that are named so, unless they have such a name themselves.

    They are what parameters are given from outside: ``--set block=se_bottleneck``.
    """
    blocks = {**program.blocks}
    scopes = dict(program.scopes)
    for word in words:
        if word in block_files() and word not in program.blocks and word not in program.formulas:
            other = _block_file(block_files()[word].name)
            blocks[word] = other.blocks[word]
            scopes = {**other.scopes, **scopes}
    if len(blocks) == len(program.blocks):
        return program
    scopes.update(dict.fromkeys(program.extended, Scope(blocks, program.formulas)))
    return program._replace(blocks=blocks, scopes=scopes)


@cache
def _block_file(name: str) -> Program:
    """Resolve a file of the library's blocks."""
    return resolve(_bundled(f"blocks/{name}"))


def _named(name: str) -> tuple[str, list[tuple[str, str, Place]]]:
    """Take ``basic 64 stride=2`` apart: what to find, and the words after it; a file's name may have spaces."""
    if len(name.split()) < 2 or _is_file(name) or _is_file(name.rpartition(":")[0]):
        return name, []
    from bneck_cli.language.pipelines import read_named

    return read_named(Scalar(Source("SPEC", name), 0, 0, name))


def _is_file(name: str) -> bool:
    """Return whether ``name`` is there as a file, or as anything that a file's error should be told of."""
    try:
        return os.path.exists(name) and ("/" in name or name.endswith((".yaml", ".yml")) or os.path.isfile(name))
    except ValueError:
        return False


def load(name: str) -> Program:
    """Load what a name stands for, as ``find`` finds it, with the channels and options that stand after the name."""
    bare, words = _named(name)
    source, block = find(bare)
    program = resolve(source)
    if block is not None:
        if block not in program.blocks:
            hint = nearest(block, program.blocks) or f"its blocks are {', '.join(program.blocks) or 'none'}"
            raise BneckError(f"{source.file} has no block '{block}'", hint=hint)
        program = program._replace(block=block, net=None)
    return program._replace(words=_brought(program, words)) if words else program


def _brought(program: Program, words: list[tuple[str, str, Place]]) -> Words:
    """Bind the words behind a name: arguments to the parameters in their order, options by name."""
    definition = as_network(program)
    names = [parameter.name for parameter in definition.parameters]
    given: dict[str, Given] = {}
    for index, (option, text, place) in enumerate(words):
        name = option or (names[index] if index < len(names) else "")
        if not name or (not option and program.block is None):
            hint = f"usage: `{program.block} {' '.join(name.upper() for name in names)}`" if program.block else ""
            raise place.error(f"unexpected word '{text}'", hint or "a network takes only options: `classes=10`")
        if name not in names:
            raise place.error(f"{program.block or program.spec.file} has no parameter '{name}'", nearest(name, names))
        if name in given:
            raise place.error(f"'{name}' is given twice")
        given[name] = parse_given(name, text)
    channels = given.pop("channels", None) if program.block else None
    return Words(parse_channels("SPEC", channels.text) if channels else None, tuple(given.values()))


def resolve(source: Source) -> Program:
    """Parse a text and bring in its includes and the spec that it extends."""
    with collector_paused():
        return _resolve(source, (), {})


def _resolve(source: Source, through: tuple[str, ...], known: dict[str, Program]) -> Program:
    """Resolve a text that was reached ``through`` other files; each file is read once, however often it is named."""
    spec = parse_spec(source)
    blocks: dict[str, Definition] = {}
    formulas: dict[str, Formula] = {}
    net = spec.net
    written: dict[str, tuple[Scalar, Scalar]] = {}
    scopes: dict[str, Scope] = {}
    extended: tuple[str, ...] = (source.file,)
    if spec.extends:
        base = _brought_in(spec.extends, source, through, known)
        blocks.update(base.blocks)
        formulas.update(base.formulas)
        written.update(base.written)
        scopes.update(base.scopes)
        extended = (*base.extended, source.file)
        net = net or base.net
        spec = _inherit(spec, base.spec)
    for word in spec.include:
        other = _brought_in(word, source, through, known)
        for name, definition in other.blocks.items():
            if name in blocks and blocks[name] != definition and not spec.extends:
                raise Place(word, 0, len(word.text)).error(f"the block '{name}' is included twice")
            blocks[name] = definition
        formulas.update(other.formulas)
        written.update(other.written)
        scopes.update(other.scopes)
    blocks.update(spec.blocks)
    formulas.update(spec.formulas)
    scopes.update(dict.fromkeys(extended, Scope(blocks, formulas)))
    written.update(spec.written or {})
    if spec.settings:
        settings = {name: (Place(key, 0, len(name)), value) for name, (key, value) in spec.settings.items()}
        if net is None:
            raise next(iter(settings.values()))[0].error("`set` needs a net with parameters")
        net = with_settings(net, settings)
    return Program(spec, blocks, formulas, net, written, scopes=scopes, extended=extended)


def _brought_in(word: Scalar, source: Source, through: tuple[str, ...], known: dict[str, Program]) -> Program:
    """Resolve the file that a spec includes or extends; an error in it says who brought it in."""
    through = (*through, source.file)
    other = _other(word, source, through)
    if other.file not in known:
        if len(known) == FILES.most:
            raise exceeded(FILES, Place(word, 0, len(word.text)))
        try:
            known[other.file] = _resolve(other, through, known)
        except BneckError as error:
            error.trail.append(f"{other.file} is included at {Place(word).location()}")
            raise
    return known[other.file]


def _inherit(spec: Spec, base: Spec) -> Spec:
    """Fill what a spec leaves out from its base; published figures are never inherited."""
    filled = {
        field: getattr(base, field)
        for field in ("family", "task", "year", "idea", "source", "inputs", "outputs")
        if not getattr(spec, field)
    }
    filled["written"] = base.written if spec.written is None else spec.written
    return spec._replace(**filled)


def _other(word: Scalar, source: Source, through: tuple[str, ...]) -> Source:
    """Find the file that an ``include`` or ``extends`` names: beside the one that names it, else in the library."""
    name = word.text if word.text.endswith((".yaml", ".yml")) else f"{word.text}.yaml"
    place = Place(word, 0, len(word.text))
    folder = Path(source.file).parent
    beside = (specs_folder() / folder if source.bundled else folder) / name
    own = os.path.isfile(beside) and not source.bundled
    path = beside if os.path.isfile(beside) else specs_folder() / name
    if not os.path.isfile(path):
        raise place.error(f"no spec '{word.text}' next to {source.file} or in the library", _near(word.text))
    shown = str(path) if own else str(path.relative_to(specs_folder()))
    if shown in through:
        raise place.error(f"'{word.text}' includes itself: {' -> '.join((*through, shown))}")
    return read_source(path, shown) if own else _bundled(shown)


def _bundled(file: str) -> Source:
    """Read a file of the library."""
    return read_source(specs_folder() / file, file)._replace(bundled=True)


def _refuse_foreign(name: str) -> None:
    """Refuse a file that is a model in another tool's format, by its suffix, and a model's name in Python."""
    path, colon, attribute = name.rpartition(":")
    dotted = "." in path and all(map(is_name, path.split("."))) and not os.path.exists(path)
    if name.endswith(".py") or (colon and is_name(attribute) and (path.endswith(".py") or dotted)):
        target = name if colon else f"{name}:Net"
        raise BneckError(
            f"{name} is Python, not a spec", hint=f"`bneck import {target}` turns a PyTorch model into a spec"
        )
    if os.path.splitext(name)[1] in ("", ".yaml", ".yml"):
        return
    from bneck_cli.language.vocabulary import IMPORTED, foreign

    if what := foreign(name):
        hint = "a spec is a YAML file with `input:` and `net:`"
        if name.lower().endswith(IMPORTED):
            hint = f"`bneck import {name} -o {os.path.splitext(os.path.basename(name))[0]}.yaml` turns it into a spec"
        raise BneckError(f"{name} is {what}, not a spec", hint=hint)


def _near(name: str) -> str:
    folder = specs_folder()
    blocks = (f"blocks/{path.stem}" for path in (folder / "blocks").glob("*.yaml"))
    return nearest(name, [*network_names(), *blocks])


def as_network(program: Program) -> Definition:
    """Return the body to analyse: the net, or a net that is the one block, whose parameters become the net's."""
    if program.block is None:
        if program.net is None:
            names = ", ".join(program.blocks) or "none"
            raise BneckError(
                f"{program.spec.file} has no `net:` to analyse", hint=f"name one of its blocks (FILE:BLOCK): {names}"
            )
        return program.net
    definition = program.blocks[program.block]
    options = tuple(Option(name, Name(name, place), place) for name, _, place in definition.parameters)
    step = Step(definition.name, (), options, definition.place)
    return Definition(definition.name, definition.parameters, step, definition.place)
