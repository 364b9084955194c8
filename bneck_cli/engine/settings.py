"""What is asked of an analysis beyond its spec: texts of a command line or of a call, read once into values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.errors import BneckError, listed
from bneck_cli.language.document import Scalar, Source
from bneck_cli.language.library import as_network
from bneck_cli.language.spec import Given, parse_channels, parse_given, parse_input
from bneck_cli.sizes.assumed import Assumed
from bneck_cli.sizes.number import is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bneck_cli.language.library import Program
    from bneck_cli.language.spec import Input

MAX_UNIT = 10**18
ASSUMPTION = re.compile(
    r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*"
    r"(?:%\s*(?P<unit>[1-9][0-9]{0,6})\s*==\s*0|>=\s*(?P<least>[0-9]{1,12})|<=\s*(?P<most>[1-9][0-9]{0,11}))\s*"
)


class Settings(NamedTuple):
    """What is asked of an analysis beyond the spec; channels are a number, or the name of a symbol."""

    input: Input | None = None
    channels: int | str | None = None
    in_channels: int | str | None = None
    values: tuple[Given, ...] = ()
    """Parameters of the network or the block, each given once."""
    assumed: tuple[tuple[str, Assumed], ...] = ()
    """What is assumed of symbols."""
    batch: int = 1
    symbolic: bool = False
    """Keep the batch, the map's sides and a block's channels as symbols: N, H, W (or L), C."""
    symbols: tuple[str, ...] = ()
    """Parameters to keep as symbols of their own names."""
    past: int | str = 0
    """Positions that causal attention has seen before, a number or the name of a symbol."""

    def given(self, name: str) -> Given | None:
        """Find the value given to a parameter."""
        return next((given for given in self.values if given.name == name), None)

    def with_input(self, text: str) -> Settings:
        """Change the sizes of the input."""
        return self._replace(input=read_input(text))


def read_settings(
    input: str | None = None,
    channels: str | None = None,
    in_channels: str | None = None,
    values: Iterable[tuple[str, str]] = (),
    assume: str | None = None,
    batch: int = 1,
    symbolic: bool = False,
    symbols: Iterable[str] = (),
    past: str | None = None,
) -> Settings:
    """Read the texts of options: ``3xHxW``, ``256``, pairs of a name and a value, ``H%32==0,C>=16``.

    Raises BneckError for a text that cannot be read; whether it fits a spec is seen when the spec is analysed.
    """
    if not is_whole(batch) or batch < 1:
        raise BneckError(f"the batch must be a whole number from 1 (got {batch})")
    return Settings(
        None if input is None else read_input(input),
        None if channels is None else parse_channels("--channels", channels),
        None if in_channels is None else parse_channels("--in-channels", in_channels),
        tuple({name: parse_given(name, text) for name, text in values}.values()),
        tuple(_assumptions(assume).items()) if assume else (),
        batch,
        symbolic,
        tuple(symbols),
        0 if past in (None, "0") else parse_channels("--past", past),
    )


def read_input(text: str) -> Input:
    """Read sizes: ``3x224x224``, ``HxW``."""
    return parse_input(Scalar(Source("--input", text), 0, 0, text))


def require_used(programs: Iterable[Program], settings: Settings) -> None:
    """Require that the channels and parameters asked for reach some program: what stands behind a name wins.

    Raises BneckError if they would change nothing.
    """
    programs = list(programs)
    words = [program.words for program in programs]
    if settings.channels is not None and not any(as_network(one).parameter("channels") for one in programs):
        raise no_channels(programs[0])
    given = [each for each in words if each is not None]
    if not given or len(given) < len(words):
        return
    if settings.channels is not None and all(each.channels for each in given):
        own = listed([str(each.channels) for each in given], "and")
        raise BneckError(f"the channels are given twice: {own} behind the name, and --channels {settings.channels}")
    for value in settings.values:
        if all(any(one.name == value.name for one in each.values) for each in given):
            raise BneckError(f"'{value.name}' is given twice: behind the name, and --set {value.name}={value.text}")


def no_channels(program: Program) -> BneckError:
    """Return the error for ``--channels`` where no parameter is called so; the input has an option of its own."""
    if program.block is None:
        return BneckError(f"--channels is for blocks ({program.spec.file} is a network)", hint="use --set name=value")
    names = [parameter.name for parameter in as_network(program).parameters]
    several = "parameters are" if len(names) > 1 else "parameter is"
    has = f"its {several} {listed(names, 'and')}: use --set name=value" if names else "it has no parameters"
    has += "; what enters it is --in-channels 64 or --input 64x56x56"
    return BneckError(f"--channels: {program.block} has no parameter 'channels'", hint=has)


def among(program: Program, settings: Settings) -> tuple[Program, Settings]:
    """Return one of several programs, and what is asked of it: channels that it has no parameter for enter it."""
    program, settings = with_words(program, settings)
    if program.block is None or as_network(program).parameter("channels") or settings.channels is None:
        return program, settings
    return program, settings._replace(channels=None, in_channels=settings.in_channels or settings.channels)


def with_words(program: Program, settings: Settings) -> tuple[Program, Settings]:
    """Move what stood behind a program's name (``basic 64 stride=2``) to the settings, where it wins."""
    words = program.words
    if words is None:
        return program, settings
    names = {given.name for given in words.values}
    values = (*(given for given in settings.values if given.name not in names), *words.values)
    return program._replace(words=None), settings._replace(channels=words.channels or settings.channels, values=values)


def _assumptions(text: str) -> dict[str, Assumed]:
    """Read ``H%32==0,C>=16,C<=64``; several assumptions of a symbol hold together."""
    known: dict[str, Assumed] = {}
    for part in text.split(","):
        match = ASSUMPTION.fullmatch(part)
        if match is None:
            raise BneckError(f"--assume: '{part}' is not an assumption", hint="write H%32==0,W%32==0 or C>=16,C<=64")
        name = match["name"]
        told = Assumed(int(match["unit"] or 1), int(match["least"] or 1), int(match["most"]) if match["most"] else None)
        both = known[name] = known.get(name, Assumed()).also(told)
        if both.unit >= MAX_UNIT:
            raise BneckError(f"--assume: '{name}' would be a multiple of {both.unit}, which is too large")
        if both.most is not None and both.most // both.unit * both.unit < both.least:
            raise BneckError(
                f"--assume: no value satisfies all assumptions on '{name}' ({' and '.join(both.said(name))})"
            )
    return known
