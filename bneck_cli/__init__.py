"""bneck: exact sizes, weights and multiply-adds of a neural network, from a text file.

>>> import bneck_cli
>>> network = bneck_cli.analyze("resnet50")
>>> network.params, network.macs
(25557032, 4089184256)
>>> network
<bneck analyze: ResNet-50 · 3×224×224 · 25,557,032 params, 4,089,184,256 MACs>

Every function answers the question of the command that bears its name, and returns an ``Answer``. A spec is a path,
the name of a bundled network or block (``basic 64``), or the text of a spec: anything with a line break.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which takes 6 ms to import: until then ^C ends in Python's own traceback
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import PathLike
    from typing import Any

    from bneck_cli.answers import Answer, Drawing, Network
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.engine.network import Entry
    from bneck_cli.engine.settings import Settings
    from bneck_cli.errors import BneckError
    from bneck_cli.language.library import Program
    from bneck_cli.questions.compare import Comparison
    from bneck_cli.questions.diff import Diff
    from bneck_cli.questions.explain import Explanation
    from bneck_cli.questions.footprint import Footprint
    from bneck_cli.questions.lint import Lint
    from bneck_cli.questions.reconcile import Reconciliation
    from bneck_cli.version import __version__

    Spec = str | PathLike[str]

__all__ = [
    "BneckError",
    "__version__",
    "analyze",
    "compare",
    "diff",
    "draw",
    "each_layer",
    "explain",
    "footprint",
    "layers",
    "lint",
    "match",
    "reconcile",
]


def __getattr__(name: str) -> object:
    """Load what is no function only when it is asked for: importing the package costs nothing."""
    if name == "BneckError":
        from bneck_cli.errors import BneckError

        return BneckError
    if name == "__version__":
        from bneck_cli.version import __version__

        return __version__
    raise AttributeError(f"module 'bneck_cli' has no attribute '{name}'")


def analyze(
    spec: Spec,
    *,
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    assume: str | None = None,
    batch: int = 1,
    past: int | str | None = None,
    **parameters: object,
) -> Network:
    """Work out every layer's shapes, parameters and multiply-adds.

    Args:
        spec: a path, a bundled name, or the text of a spec.
        input: the input's sizes, ``3x224x224``, ``320x320`` or, with symbols, ``3xHxW``.
        channels: a block's channels, a number or a symbol's name.
        in_channels: the channels that enter a block, where they are others.
        assume: what is known of symbols, ``H%32==0,C>=16``.
        past: positions that causal attention has seen before, a number or a symbol's name.
        batch: inputs at once, which multiply ``macs``, ``activations`` and the rows; ``cost`` is that of one input.
        parameters: parameters of the net or the block, such as ``width=0.5``.

    Raises:
        BneckError: with the file, line and column of what is wrong.
    """
    from bneck_cli.answers import Network
    from bneck_cli.questions.analyze import report

    settings = _settings(input, channels, in_channels, assume, batch, parameters, past)
    return Network(_analyzed(spec, settings), report)


def compare(
    *specs: Spec,
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    assume: str | None = None,
    batch: int = 1,
    **parameters: object,
) -> Answer[Comparison]:
    """Set blocks or networks side by side, and say what the difference is.

    Raises BneckError for fewer than two, and for a block beside a network.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.compare import compare_programs, report

    settings = _settings(input, channels, in_channels, assume, batch, parameters)
    return Answer(compare_programs(_programs(specs), settings), report)


def match(
    *specs: Spec,
    measure: str,
    channels: int | str | None = None,
    vary: str = "channels",
    multiple_of: int | None = None,
    nearest: bool = False,
    input: str | None = None,
    in_channels: int | str | None = None,
    **parameters: object,
) -> Answer[Comparison]:
    """Find the width at which the others cost as much as the first: ``weights``, ``params``, ``macs`` ...

    ``vary`` is what varies instead of the channels, a parameter or ``group_width=1:64``; the value found costs no more
    than the first, or is the ``nearest``. Raises BneckError for an unknown measure, and where no value matches.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.compare import report
    from bneck_cli.questions.match import compare_matched

    settings = _settings(input, channels, in_channels, None, 1, parameters)
    return Answer(
        compare_matched(_programs(specs), settings, measure, multiple_of, vary=vary, nearest=nearest)[0], report
    )


def explain(
    spec: Spec,
    *,
    at: str | None = None,
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    **parameters: object,
) -> Answer[Explanation]:
    """Say in words what a block or a network does, and why; ``at`` is the path of a part of it.

    Raises BneckError for a path that is not there, and for sizes with symbols.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.explain import explain as explained
    from bneck_cli.questions.explain import report

    settings = _settings(input, channels, in_channels, None, 1, parameters)
    return Answer(explained(_program(spec), settings, at), report)


def diff(
    one: Spec,
    other: Spec,
    *,
    input: str | None = None,
    input_b: str | None = None,
    channels: int | str | None = None,
    parameters_b: dict[str, object] | None = None,
    **parameters: object,
) -> Answer[Diff]:
    """Say what changed from one network to another, layer by layer, and what it costs.

    ``parameters`` are for both; ``parameters_b`` and ``input_b`` for the other alone.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.diff import diff as difference
    from bneck_cli.questions.diff_report import report

    first = _settings(input, channels, None, None, 1, parameters)
    second = _settings(input_b or input, channels, None, None, 1, {**parameters, **(parameters_b or {})})
    names = [str(spec).split("\n")[0] for spec in (one, other)]
    if names[0] == names[1]:
        names[1] += " (B)"
    return Answer(difference(_analyzed(one, first), _analyzed(other, second), (names[0], names[1])), report)


def lint(
    spec: Spec,
    *,
    ignore: Iterable[str] = (),
    all: bool = False,
    input: str | None = None,
    channels: int | str | None = None,
    **parameters: object,
) -> Answer[Lint]:
    """Find what a design pays for and does not use; ``findings`` holds them.

    Raises BneckError for a rule in ``ignore`` that is not there.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.lint import USUAL
    from bneck_cli.questions.lint import lint as linted
    from bneck_cli.questions.lint_report import report

    analysis = _analyzed(spec, _settings(input, channels, None, None, 1, parameters))
    return Answer(linted(analysis, (*ignore, *(() if all else USUAL))), report)


def footprint(
    spec: Spec,
    *,
    dtype: str = "fp32",
    device: str | None = None,
    optimizer: str = "adam",
    batch: int = 1,
    past: int | str | None = None,
    input: str | None = None,
    channels: int | str | None = None,
    **parameters: object,
) -> Answer[Footprint]:
    """Work out memory, bytes moved and, on a device, time.

    Raises BneckError for a data type, a device or an optimizer that is not there.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.footprint import footprint as measured
    from bneck_cli.questions.footprint_report import report

    analysis = _analyzed(spec, _settings(input, channels, None, None, batch, parameters, past))
    return Answer(measured(analysis, dtype, device, optimizer), report)


def reconcile(
    spec: str, figure: str, *, input: str | None = None, channels: int | str | None = None, **parameters: object
) -> Answer[Reconciliation]:
    """Find the counting rule and the variant of a network that give a stated figure, such as ``4.11G``.

    Raises BneckError for a text that is no figure.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.reconcile import reconcile as reconciled
    from bneck_cli.questions.reconcile_report import report

    return Answer(reconciled(spec, figure, _settings(input, channels, None, None, 1, parameters)), report)


def draw(
    *specs: Spec,
    at: str | None = None,
    numbers: Iterable[str] = ("params", "macs"),
    match: str | None = None,
    depth: int | None = None,
    direction: str = "down",
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    **parameters: object,
) -> Drawing:
    """Draw a block as the papers' figures do, or a network as its stages; ``text("svg")`` is the drawing.

    With ``match`` (weights, macs ...) blocks are as wide as the first is dear; ``depth`` opens so many levels;
    ``direction`` is where the tensor runs, down or right.
    Raises BneckError for a path that is not there.
    """
    from bneck_cli.answers import Drawing
    from bneck_cli.questions.draw import draw as drawn

    settings = _settings(input, channels, in_channels, None, 1, parameters)
    return Drawing(drawn(_programs(specs), settings, at, tuple(numbers), match, depth, direction))


def layers(kind: str | None = None) -> Answer[None]:
    """List the layer kinds of the language, or describe one.

    Raises BneckError for a kind that is not there.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.layers import kind_report, kinds_report

    found = kind_report(kind) if kind else kinds_report()
    return Answer(None, lambda _: found)


def each_layer(network: Network | Analysis, folded: bool = False) -> Iterator[Entry]:
    """Yield a network's layers in execution order, each with its path, its shapes and its cost."""
    from bneck_cli.engine.network import entries

    return entries(network.root, folded)


def _program(spec: Spec) -> Program:
    from bneck_cli.language.document import Source
    from bneck_cli.language.library import load, resolve

    text = str(spec)
    return resolve(Source("<text>", text)) if "\n" in text else load(text)


def _programs(specs: Iterable[Spec]) -> list[tuple[str, Program]]:
    return [(str(spec).split("\n")[0], _program(spec)) for spec in specs]


def _analyzed(spec: Spec, settings: Settings) -> Analysis:
    from bneck_cli.engine.analysis import analyze_program

    return analyze_program(_program(spec), settings)


def _settings(
    input: str | None,
    channels: int | str | None,
    in_channels: int | str | None,
    assume: str | None,
    batch: int,
    parameters: dict[str, Any],
    past: int | str | None = None,
) -> Settings:
    from bneck_cli.engine.settings import read_settings
    from bneck_cli.language.expression import show

    def written(value: object) -> str:
        if isinstance(value, float):
            from decimal import Decimal

            return f"{Decimal(repr(value)):f}"  # a spec has no exponents
        return show(tuple(value) if isinstance(value, list) else value).strip("'")

    values = [(name, written(value)) for name, value in parameters.items()]
    texts = [None if size is None else str(size) for size in (channels, in_channels)]
    return read_settings(input, texts[0], texts[1], values, assume, batch, past=None if past is None else str(past))
