"""How a layer is drawn: the words of its box, as the papers' figures have them, and what colours it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.sizes.number import is_whole

if TYPE_CHECKING:
    from bneck_cli.engine.layers.kinds import Window
    from bneck_cli.sizes.shape import Shape, Size

LINE = "pill"
"""The fill of layers that stand as a line in the box of the layer before them."""
FILLS = {"norm": LINE, "activation": LINE, "scaling": LINE, "pooling": "pool", "linear": "linear"}
"""The fill of a kind's box, by the part that its costs count under; others are told apart by their words alone."""


class Label(NamedTuple):
    """The words of a box, the first line strong, and its kind."""

    lines: tuple[str, ...]
    fill: str


def written(size: Size) -> str:
    """Write a size: a number plainly, a symbolic one in its mathematical form."""
    if is_whole(size):
        return str(size)
    from bneck_cli.sizes.writing import pretty

    return pretty(size)


def sides(values: tuple[Any, ...]) -> str:
    """Write sizes by axis: ``3×3``."""
    return "×".join(written(value) for value in values)


def stepping(stride: tuple[int, ...]) -> str:
    """Write a stride as the figures do, ``/2``; nothing if it is 1."""
    if all(side == 1 for side in stride):
        return ""
    return f" /{stride[0]}" if len(set(stride)) == 1 else f" /{sides(stride)}"


def filters(window: Window, x: Shape, y: Shape) -> Label:
    """Label a convolution: its window, its filters, and what is unusual about them."""
    kernel, channels = sides(window.kernel), written(y.channels)
    more = []
    depthwise = window.groups == x.channels and window.groups != 1
    if window.transposed:
        words = f"{kernel} transposed, {channels}"
        more.append(f"stride {sides(tuple(dict.fromkeys(window.stride)))}")
    elif depthwise:
        words = f"{kernel} depthwise, {channels}{stepping(window.stride)}"
    else:
        words = f"{kernel}, {channels}{stepping(window.stride)}"
        if window.groups != 1:
            more.append(f"{written(window.groups)} groups")
    if any(step != 1 for step in window.dilation):
        more.append(f"dilation {sides(tuple(dict.fromkeys(window.dilation)))}")
    point = all(side == 1 for side in window.kernel)
    fill = "up" if window.transposed else "depthwise" if depthwise else "point" if point else "conv"
    return Label((words, *more), fill)
