"""Exported source, built on meta tensors and compared with the analysis: parameters, shapes, multiply-adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.pytorch.builder import FIRST, INDICES, LAST
from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from bneck_cli.bridges.export.pytorch.writer import Source
    from bneck_cli.engine.analysis import Analysis
    from bneck_cli.sizes.shape import Shape

BATCH = 1
"""What is computed once for all inputs is counted once."""


def module_of(text: str, name: str) -> type[Any]:
    """Run source that was written here, and return the class of a name."""
    space: dict[str, Any] = {"__name__": "exported"}
    exec(compile(text, "exported", "exec"), space)  # noqa: S102  (our own text, of which only names are a spec's)
    return space[name]  # type: ignore[no-any-return]


def check_source(analysis: Analysis, source: Source) -> None:
    """Build a module on meta tensors, and require that it is the network that was analysed.

    Raises BneckError for what differs, and where there is no PyTorch.
    """
    try:
        import torch
    except ImportError:
        raise BneckError("--check builds the module, which needs PyTorch", hint="pip install 'bneck[torch]'") from None
    from torch.utils.flop_counter import FlopCounterMode

    try:
        with torch.device("meta"):
            module = module_of(source.text, source.name)(**source.arguments).eval().requires_grad_(False)
            inputs = [
                torch.zeros((BATCH, *map(number, shape.spatial)), dtype=torch.long)
                if layout == INDICES
                else torch.zeros(placed(shape, layout))
                for shape, layout in zip(analysis.inputs.values(), source.layouts, strict=False)
            ]
        counter = FlopCounterMode(display=False)
        with counter, torch.no_grad():
            found = module(*inputs)
    except (RuntimeError, TypeError, ValueError, NameError, AttributeError, LookupError) as error:
        said = str(error).partition("\n")[0]
        raise BneckError(f"the exported module does not run and was not written: {said}") from None
    found = found if isinstance(found, tuple) else (found,)
    params = sum(parameter.numel() for parameter in module.parameters())
    compare("parameters", params, analysis.cost.params)
    for shape, layout, one in zip(analysis.outputs.values(), source.layouts[len(inputs) :], found, strict=True):
        compare("the shape that leaves", tuple(one.shape), placed(shape, layout))
    counted = counter.get_total_flops() / 2 / BATCH
    compare("multiply-adds", int(counted), number(analysis.cost.macs))


def placed(shape: Shape, layout: str) -> tuple[int, ...]:
    """Return a tensor's sizes in a layout, the batch before them."""
    channels, spatial = number(shape.channels), tuple(map(number, shape.spatial))
    if layout == FIRST:
        return (BATCH, channels, *spatial)
    return (BATCH, *spatial, channels) if layout == LAST else (BATCH, channels)


def compare(what: str, found: Any, wanted: Any) -> None:
    """Require that two figures are one."""
    if found != wanted:
        raise BneckError(
            f"the exported module differs from the network and was not written: {what} {found}, not {wanted}"
        )
