"""bneck: exact sizes, weights and multiply-adds of a neural network, from a text file.

>>> import bneck_cli
>>> network = bneck_cli.analyze("resnet50")
>>> network.params, network.macs
(25557032, 4089184256)
>>> network
<bneck analyze: ResNet-50 · 3×224×224 · 25,557,032 params, 4,089,184,256 MACs>

Every function corresponds to the command of its name, and returns an ``Answer``. A spec is a path,
the name of a bundled network or block (``basic 64``), or the text of a spec: anything with a line break.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, which takes 6 ms to import: until then ^C ends in Python's own traceback
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from os import PathLike
    from typing import Any

    from bneck_cli.answers import Answer, Chart, Drawing, Network
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
    from bneck_cli.questions.sweep import Sweep
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
    "page",
    "plot",
    "reconcile",
    "sweep",
]


def __getattr__(name: str) -> object:
    """Load classes only when they are used, so that importing the package costs nothing."""
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
    symbolic: bool = False,
    symbols: Iterable[str] = (),
    **parameters: object,
) -> Network:
    """Compute every layer's shapes, parameters and multiply-adds.

    Args:
        spec: a path, a bundled name, or the text of a spec.
        input: the input's sizes, ``3x224x224``, ``320x320`` or, with symbols, ``3xHxW``.
        channels: a block's channels, a number or a symbol's name.
        in_channels: the input channels of a block, if they differ.
        assume: assumptions about symbols, ``H%32==0,C>=16``.
        past: earlier positions in the cache of causal attention, a number or a symbol's name.
        symbolic: keep the batch, the map's sides and a block's channels as symbols.
        symbols: parameters to keep as symbols of their own names.
        batch: batch size, which multiplies ``macs``, ``activations`` and the rows; ``cost`` is that of one input.
        parameters: parameters of the net or the block, such as ``width=0.5``.

    Raises:
        BneckError: with the file, line and column of what is wrong.
    """
    from bneck_cli.answers import Network
    from bneck_cli.questions.analyze import report

    settings = _settings(input, channels, in_channels, assume, batch, parameters, past, symbolic, symbols)
    return Network(_analyzed(spec, settings), report)


def compare(
    *specs: Spec,
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    assume: str | None = None,
    batch: int = 1,
    symbolic: bool = False,
    symbols: Iterable[str] = (),
    **parameters: object,
) -> Answer[Comparison]:
    """Show blocks or networks side by side, and state the difference in words.

    Raises BneckError for fewer than two, and for a block beside a network.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.compare import compare_programs, report

    settings = _settings(input, channels, in_channels, assume, batch, parameters, None, symbolic, symbols)
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

    ``vary`` names a parameter to vary instead of the channels, or ``group_width=1:64``; the value found costs no more
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
    """Explain in words what a block or network does and why; ``at`` is the path of a part of it.

    Raises BneckError for an unknown path, and for symbolic sizes.
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
    """Show what changed between two networks, layer by layer, and what it costs.

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

    Raises BneckError for an unknown rule in ``ignore``.
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
    attention: str = "usual",
    recompute: str = "none",
    inplace: bool = False,
    batch: int = 1,
    past: int | str | None = None,
    input: str | None = None,
    channels: int | str | None = None,
    **parameters: object,
) -> Answer[Footprint]:
    """Compute memory, bytes moved and, on a device, time; ``dtype`` may name parts, ``bf16,master=fp32``.

    ``attention`` is fused, plain or usual; ``recompute`` none, attention or full; ``inplace`` activations write over
    what they take. Raises BneckError for an unknown word or device.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.questions.footprint import footprint as measured
    from bneck_cli.questions.footprint_report import report

    analysis = _analyzed(spec, _settings(input, channels, None, None, batch, parameters, past))
    return Answer(measured(analysis, dtype, device, optimizer, attention, inplace, recompute), report)


def reconcile(
    spec: str, figure: str, *, input: str | None = None, channels: int | str | None = None, **parameters: object
) -> Answer[Reconciliation]:
    """Find the counting rule and the variant of a network behind a published figure, such as ``4.11G``.

    Raises BneckError for a text that is not a figure.
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
    """Draw a block as in papers, or a network as its stages; ``text("svg")`` is the drawing.

    With ``match`` (weights, macs ...) blocks have the width that costs as much as the first; ``depth`` is the number of
    levels to open; ``direction`` is that of the flow, down or right. Raises BneckError for an unknown path.
    """
    from bneck_cli.answers import Drawing
    from bneck_cli.questions.draw import draw as drawn

    settings = _settings(input, channels, in_channels, None, 1, parameters)
    return Drawing(drawn(_programs(specs), settings, at, tuple(numbers), match, depth, direction))


def sweep(
    spec: Spec,
    vary: Mapping[str, object],
    *,
    columns: Sequence[str] = ("params", "macs"),
    keep: str | None = None,
    best: int | None = None,
    minimize: str | None = None,
    maximize: str | None = None,
    pareto: Sequence[str] = (),
    zip: bool = False,
    random: int | None = None,
    seed: int = 0,
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    batch: int = 1,
    **parameters: object,
) -> Answer[Sweep]:
    """Compute every combination of the values that vary, and choose among them.

    Args:
        spec: a path, a bundled name, or the text of a spec.
        vary: values by name: a list, a range, or text, ``{"width": "0.25:1.5:0.25", "side": [128, 224]}``.
        columns: totals to compute.
        keep: a condition on them, ``macs < 600M and params < 5M``.
        best: how many to keep, with the least of ``minimize`` or the most of ``maximize``.
        minimize: a total.
        maximize: a total.
        pareto: keep only the Pareto front of these totals.
        zip: pair the values up instead of combining all.
        random: how many random designs to draw, from ``seed``.
        seed: the seed for ``random``.
        input: the input's sizes.
        channels: a block's channels.
        in_channels: the input channels of a block.
        batch: the batch size.
        parameters: parameters that do not vary.

    Raises:
        BneckError: for unknown parameters or totals, and for options that exclude each other.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.errors import BneckError
    from bneck_cli.questions.sweep import Tally
    from bneck_cli.questions.sweep import report as told
    from bneck_cli.questions.sweep import sweep as swept

    if (zip and random) or (minimize and maximize):
        raise BneckError("zip and random exclude each other, and so do minimize and maximize")
    found = swept(
        str(spec).split("\n")[0],
        _program(spec),
        _settings(input, channels, in_channels, None, batch, parameters),
        [f"{name}={_values(values)}" for name, values in vary.items()],
        way="zip" if zip else "random" if random else "grid",
        count=random or 0,
        seed=seed,
        totals=tuple(columns),
        keep=keep,
        best=best,
        by=minimize or maximize,
        maximize=maximize is not None,
        pareto=tuple(pareto),
    )
    return Answer(found, lambda asked: told(asked._replace(tally=Tally())))


def plot(
    *specs: Spec,
    kind: str | None = None,
    device: str | None = None,
    own: Sequence[str] = (),
    input: str | None = None,
    channels: int | str | range | None = None,
    **parameters: object,
) -> Chart:
    """Plot cost, memory, receptive field or a roofline by layer, blocks over their width, or the library.

    ``kind`` is cost, receptive, roofline, width or library; ``channels`` may be a range of widths; ``own`` are networks
    to show among the library's. ``write(file="cost.svg")`` draws it (extra `plot`), ``records()`` are its points.
    Raises BneckError for an unknown kind, and for missing arguments.
    """
    from bneck_cli.answers import Chart
    from bneck_cli.questions.plot import plot as plotted

    widths = channels if isinstance(channels, range) else None
    settings = _settings(input, None if isinstance(channels, range) else channels, None, None, 1, parameters)
    return Chart(plotted(_programs(specs), settings, kind, widths, device, own))


def page(
    *specs: Spec,
    input: str | None = None,
    channels: int | str | None = None,
    in_channels: int | str | None = None,
    **parameters: object,
) -> Answer[None]:
    """Make one page about a spec, or about several with their comparison, like the command ``report``.

    ``write(file="resnet50.html")`` saves it. Raises BneckError without a spec, and as an analysis does.
    """
    from bneck_cli.answers import Answer
    from bneck_cli.errors import BneckError
    from bneck_cli.questions.page import page as written

    if not specs:
        raise BneckError("a page needs a spec")
    found = written(_programs(specs), _settings(input, channels, in_channels, None, 1, parameters))
    return Answer(None, lambda _: found)


def layers(kind: str | None = None) -> Answer[None]:
    """List the layer kinds of the language, or describe one.

    Raises BneckError for an unknown kind.
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


def _values(values: object) -> str:
    """Write what an axis may be as the command line does."""
    if isinstance(values, str):
        return values
    if isinstance(values, range) and values.step > 0 and len(values):
        return f"{values[0]}:{values[-1]}:{values.step}"
    return ",".join(map(_written, values)) if isinstance(values, (list, tuple, range)) else _written(values)


def _written(value: object) -> str:
    """Write a value as a spec does, which has no exponents."""
    from bneck_cli.language.expression import show

    if isinstance(value, float):
        from decimal import Decimal

        return f"{Decimal(repr(value)):f}"
    return show(tuple(value) if isinstance(value, list) else value).strip("'")


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
    symbolic: bool = False,
    symbols: Iterable[str] = (),
) -> Settings:
    from bneck_cli.engine.settings import read_settings

    values = [(name, _written(value)) for name, value in parameters.items()]
    texts = [None if size is None else str(size) for size in (channels, in_channels)]
    before = None if past is None else str(past)
    return read_settings(input, texts[0], texts[1], values, assume, batch, symbolic, symbols, before)
