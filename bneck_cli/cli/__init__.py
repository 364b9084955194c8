"""The command line: the only place that catches the error, and the only one that prints."""

import os
import sys
from importlib import import_module
from typing import Annotated

import typer

from bneck_cli.budget import one_budget
from bneck_cli.completion import rejoin_words
from bneck_cli.errors import BneckError
from bneck_cli.folder import modules
from bneck_cli.output import degrade_gracefully
from bneck_cli.shown import bounded, grouped, shown
from bneck_cli.sizes.numerals import is_number

COMMANDS = os.path.join(os.path.dirname(__file__), "commands")
GROUPS = ("Figures", "Understanding", "Design", "Bridges", "Reference")
"""The headings of the help, in their order."""
LONGEST_WORD = 4096
"""Characters of a word of the command line: as many as a path may have."""


def build(*names: str) -> typer.Typer:
    """Build the commands of these names, or all: to build one takes 0.4 ms, and only one is run."""
    app = typer.Typer(
        name="bneck",
        help="Exact sizes, weights and multiply-adds of a neural network, from a text file.",
        epilog="Try: bneck analyze resnet50 · bneck compare basic bottleneck --channels 256 · bneck list",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(before_any)
    found = [(name, import_module(f"bneck_cli.cli.commands.{name}")) for name in names or modules(COMMANDS)]
    for name, module in sorted(found, key=lambda one: GROUPS.index(one[1].GROUP)):
        epilog = f"Examples: {' · '.join(module.EXAMPLES)}"
        app.command(name, epilog=epilog, rich_help_panel=module.GROUP)(module.command)
    return app


def version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        from bneck_cli.version import __version__

        typer.echo(f"bneck {__version__}")
        raise typer.Exit


def before_any(
    _version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Exact sizes, weights and multiply-adds of a neural network, from a text file."""


def main() -> None:
    """Run the command; report an error on standard error, and leave with its exit code.

    The process ends without taking the interpreter apart object by object, which would take longer than an analysis.
    """
    code = run()
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except BrokenPipeError:  # the reader has what it wanted (`| head`)
            pass
        except OSError:
            code = code or 1
    os._exit(code)


def run() -> int:
    """Run the command and return its exit code."""
    degrade_gracefully()
    rejoin_words()
    columns = os.environ.get("COLUMNS", "1")
    if not (is_number(columns) and 0 < int(columns[:9]) < 10_000):
        del os.environ["COLUMNS"]  # the next reader would take it for a number
    longest = max(map(len, sys.argv))
    if longest > LONGEST_WORD:
        print(
            f"error: a command-line argument has {grouped(longest)} characters; at most "
            f"{grouped(LONGEST_WORD)} are read",
            file=sys.stderr,
        )
        return 2
    asked = [name for name in modules(COMMANDS) if name in sys.argv[1:2]]
    try:
        with one_budget():
            build(*asked)(prog_name="bneck")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except (BneckError, OSError) as error:
        print("\n".join(shown(line) for line in bounded(f"error: {error}").split("\n")), file=sys.stderr)
        return getattr(import_module(f"bneck_cli.cli.commands.{asked[0]}"), "FAILURE", 1) if asked else 1
    return 0
