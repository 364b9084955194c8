"""What a shell offers to complete: each closed set of names, looked up only when a shell asks."""

from collections.abc import Callable, Iterator
from typing import Any

Completer = Callable[[str], Iterator[str]]


def _names(source: str) -> Iterator[str]:
    """Yield the names that ``module:attribute`` holds, or gives when it is called."""
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
DTYPES = completer("data.devices:DTYPES")
REPORT_FORMATS = completer("formats:DATA_FORMATS")
ALL_FORMATS = completer("formats:FORMATS")
COLUMNS = completer("questions.columns:COLUMNS", "questions.columns:CELLS")
SORTS = completer("questions.analyze:SORTS")
LIST_SORTS = completer("questions.catalog:KEYS")
FAMILIES = completer("questions.catalog:families")
MEASURES = completer("questions.match:MEASURES")
OPTIMIZERS = completer("questions.footprint:OPTIMIZERS")
LINT_RULES = completer("questions.lint:RULES")
UNITS = completer("questions.analyze:UNITS")
