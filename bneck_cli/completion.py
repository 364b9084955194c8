"""What a shell offers to complete: closed sets of names, and the names within the spec that the command line names.

All is looked up only when a shell asks. A spec that cannot be read or analysed has nothing to offer.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

Completer = Callable[[str], Iterator[str]]

MOST = 200
"""Copies of a block that are offered one by one."""
NAMED = "_BNECK_NAMED"
"""The variable that holds the parameter whose value bash completes: it replaces only what stands behind the ``=``."""


def _names(source: str) -> Iterator[str]:
    """Yield the names that ``module:attribute`` holds, or returns when it is called."""
    from importlib import import_module

    module, _, attribute = source.partition(":")
    found: Any = getattr(import_module(f"bneck_cli.{module}"), attribute)
    yield from found() if callable(found) else found


def completer(*sources: str) -> Completer:
    """Make what offers the names of the sources that begin so; of a list with commas, for its last word."""

    def complete(incomplete: str) -> Iterator[str]:
        done, comma, begun = incomplete.rpartition(",")
        names = dict.fromkeys(name for source in sources for name in _names(source))
        yield from (f"{done}{comma}{name}" for name in names if name.startswith(begun))

    return complete


NETWORKS = completer("language.library:network_names", "language.library:block_files")
BLOCKS = completer("language.library:block_files", "language.library:network_names")
KINDS = completer("engine.layers:LAYERS")
COUNTING_RULES = completer("data.rules:rule_names")
DEVICES = completer("data.devices:load_devices")
DTYPES = completer("data.precision:DTYPES")
REPORT_FORMATS = completer("formats:DATA_FORMATS")
SWEEP_FORMATS = completer("cli.commands.sweep:KNOWN")
ALL_FORMATS = completer("formats:FORMATS")
DRAWINGS = completer("questions.draw:FORMATS")
NUMBERS = completer("questions.draw:NUMBERS")
THEMES = completer("questions.draw:THEMES")
DIRECTIONS = completer("questions.draw:DIRECTIONS")
COLUMNS = completer("questions.columns:COLUMNS", "questions.columns:CELLS")
SORTS = completer("questions.rows:SORTS")
LIST_SORTS = completer("questions.catalog:KEYS")
FAMILIES = completer("questions.catalog:families")
TASKS = completer("questions.catalog:tasks")
MEASURES = completer("questions.match:MEASURES")
OPTIMIZERS = completer("questions.footprint:OPTIMIZERS")
RECOMPUTE = completer("flow.recompute:RECOMPUTE")
ATTENTIONS = completer("flow.saved:ATTENTION")
LINT_RULES = completer("questions.lint:RULES")
UNITS = completer("questions.notes:UNITS")
PLOTS = completer("questions.plot:KINDS")
TOTALS = completer("spaces.space:TOTALS")
TARGETS = completer("bridges.export.targets:TARGETS")


def precision(incomplete: str) -> Iterator[str]:
    """Offer a data type for all; behind a comma the parts that may have another, and the types of the one named."""
    from bneck_cli.data.precision import PARTS

    done, comma, begun = incomplete.rpartition(",")
    part, equals, _ = begun.partition("=")
    if not comma or equals:
        before = f"{done}{comma}{part}=" if equals else ""
        yield from (f"{before}{each}" for each in DTYPES(begun.partition("=")[2] if equals else begun))
        return
    yield from (f"{done},{each}=" for each in PARTS if each.startswith(begun))


# Names within a spec


def _given(ctx: Any) -> dict[str, Any]:
    """Return what the command line holds before the word to complete.

    An option whose value is not there yet spoils the parsing of all others, so they are parsed again without it.
    """
    words = list(ctx.parent.args)
    if words and words[-1].startswith("-"):
        words.pop()
    with ctx.command.make_context(ctx.info_name, words, parent=ctx.parent, resilient_parsing=True) as before:
        return dict(before.params)


def _specs(given: dict[str, Any]) -> Iterator[Any]:
    """Yield the programs that the command line names."""
    from bneck_cli.errors import BneckError
    from bneck_cli.language.library import load

    for name in (given.get("spec"), given.get("one"), given.get("other"), *(given.get("specs") or ())):
        if name and name != "-":
            try:
                yield load(name)
            except (BneckError, OSError):
                continue


def _parameters(ctx: Any) -> dict[str, tuple[str, ...]]:
    """Return the parameters of the specs, each with the values that it is known to take."""
    from bneck_cli.errors import BneckError
    from bneck_cli.language.library import as_network

    found = {}
    for program in _specs(_given(ctx)):
        try:
            parameters = as_network(program).parameters
        except BneckError:
            continue
        found.update({one.name: _values(one.default, program.blocks) for one in parameters})
    return found


def _values(default: Any, blocks: dict[str, Any]) -> tuple[str, ...]:
    """Return the closed set that a default is of (blocks, layers without arguments, truths), or the default alone."""
    from bneck_cli.engine.layers import LAYERS
    from bneck_cli.language.expression import Name, Number, show
    from bneck_cli.language.parsing import TRUTHS

    if isinstance(default, Name) and default.name in blocks:
        return tuple(blocks)
    if isinstance(default, Name) and default.name in LAYERS:
        return tuple(name for name, kind in LAYERS.items() if not any(field.positional for field in kind.fields))
    if isinstance(default, Number):
        return TRUTHS if isinstance(default.value, bool) else (show(default.value),)
    return ()


def names(ctx: Any, incomplete: str) -> Iterator[str]:
    """Offer the parameters of the spec."""
    yield from (name for name in _parameters(ctx) if name.startswith(incomplete))


def parameters(ctx: Any, incomplete: str) -> Iterator[str]:
    """Offer ``NAME=`` for each parameter of the spec, and the values of the one that is named."""
    known = _parameters(ctx)
    if NAMED in os.environ:
        yield from known.get(os.environ[NAMED], ())
        return
    name, equals, _ = incomplete.partition("=")
    fitting = [each for each in known if each == name or (not equals and each.startswith(name))]
    for each in fitting:
        yield f"{each}="
        yield from (f"{each}={value}" for value in known[each] if len(fitting) == 1)


def paths(ctx: Any, incomplete: str) -> Iterator[str]:
    """Offer the parts of a network, level by level: ``layer2``, and behind its dot ``layer2.0``."""
    from bneck_cli.engine.network import Layer, at_path, children
    from bneck_cli.errors import BneckError

    above, dot, begun = incomplete.rpartition(".")
    given = _given(ctx)
    for program in _specs(given):
        analysis = _analysed(program, given)
        if analysis is None:
            continue
        try:
            node = at_path(analysis.root, above, analysis.name)[0] if above else analysis.root
        except BneckError:
            continue
        for child in children(node):
            if ctx.info_name == "draw" and isinstance(child.node, Layer):
                continue
            for copy in child.opened() if child.copies <= MOST else (child,):
                if copy.label.startswith(begun):
                    yield f"{above}{dot}{copy.label}"


def _analysed(program: Any, given: dict[str, Any]) -> Any:
    """Analyse a program with the options given so far; a block that needs channels keeps its symbols."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.engine.settings import read_settings
    from bneck_cli.errors import BneckError

    pairs = [
        (name, value) for name, equals, value in (text.partition("=") for text in given.get("set") or ()) if equals
    ]
    for symbolic in (False, True):
        try:
            asked = read_settings(given.get("input"), given.get("channels"), given.get("in_channels"), pairs)
            return analyze_program(program, asked._replace(symbolic=symbolic))
        except BneckError:
            continue
    return None


def rejoin_words() -> None:
    """Undo what bash does to the words of a command line that is completed: it takes them apart at ``=`` and ``:``."""
    words = os.environ.get("COMP_WORDS", "").split("\n")
    place = os.environ.get("COMP_CWORD", "")
    if os.environ.get("_BNECK_COMPLETE") != "complete_bash" or not place.isdigit() or len(words) < 2:
        return
    before, last = words[: int(place)], "".join(words[int(place) : int(place) + 1])
    if last == "=":
        before, last = [*before, "="], ""
    if before[-1:] == ["="]:
        before.pop()
        if not before[-1].startswith("-"):
            os.environ[NAMED] = before.pop()
    joined: list[str] = []
    for word in before:
        if joined and (word in ("=", ":") or joined[-1][-1:] in ("=", ":")):
            joined[-1] += word
        else:
            joined.append(word)
    os.environ["COMP_WORDS"] = "\n".join([*joined, last])
    os.environ["COMP_CWORD"] = str(len(joined))
