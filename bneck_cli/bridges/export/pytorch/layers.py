"""Layer kinds as PyTorch modules, and the tensor layouts that these expect."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.pytorch.builder import (
    FIRST,
    INDICES,
    LAST,
    VECTOR,
    Builder,
    Item,
    Tensor,
    Vary,
)
from bneck_cli.bridges.export.pytorch.written import Written, even
from bneck_cli.bridges.export.symbols import Sym, operation, times
from bneck_cli.engine.layers.kinds import per_axis

if TYPE_CHECKING:
    from bneck_cli.bridges.export.pytorch.builder import Lanes
    from bneck_cli.errors import BneckError
    from bneck_cli.language.bodies import Step

ACTIVATIONS = {
    "relu": "nn.ReLU",
    "relu6": "nn.ReLU6",
    "leaky_relu": "nn.LeakyReLU",
    "elu": "nn.ELU",
    "selu": "nn.SELU",
    "celu": "nn.CELU",
    "silu": "nn.SiLU",
    "hard_swish": "nn.Hardswish",
    "gelu": "nn.GELU",
    "sigmoid": "nn.Sigmoid",
    "hard_sigmoid": "nn.Hardsigmoid",
    "tanh": "nn.Tanh",
    "hard_tanh": "nn.Hardtanh",
    "mish": "nn.Mish",
    "softplus": "nn.Softplus",
    "softsign": "nn.Softsign",
}
"""Functions of each element."""
IN_PLACE = frozenset({"relu", "relu6", "silu", "hard_swish"})
"""Those that people write in place."""
FRESH = frozenset({"conv", "dwconv", "upconv", "linear", "bn", "gn", "ln", "in", "rmsnorm"})
"""Layers whose results are new tensors."""
MODES = {"nearest": ("nearest",) * 3, "bilinear": ("linear", "bilinear", "trilinear"), "bicubic": ("", "bicubic", "")}
AXES = {"channels": 1, "positions": -1}


class Layers(Builder):
    """A method for each kind of layer."""

    # Layouts

    def to(self, tensor: Tensor, layout: str) -> Tensor:
        """Bring a tensor to a layout."""
        if tensor.layout == layout or not tensor.shapes:
            return tensor
        ranks = {lane: len(shape.spatial) for lane, shape in tensor.shapes.items()}
        if len(set(ranks.values())) > 1:
            raise Vary(ranks)
        rank = tensor.rank
        if rank == 0 or tensor.layout == INDICES:
            return tensor
        self.moves += 1
        if layout == VECTOR:
            return self._moved(tensor, "nn.Flatten(1)", layout)
        if tensor.layout == VECTOR:
            axes = ("1",) * rank
            sizes = (tensor.channels.text, *axes) if layout == FIRST else (*axes, tensor.channels.text)
            return self._moved(tensor, f"nn.Unflatten(1, ({', '.join(sizes)}))", layout)
        if tensor.pending and getattr(tensor.pending[-1], "kind", "") == "permute":
            self.moves -= 2  # there and back again
            return tensor.copy(pending=tensor.pending[:-1], layout=layout)
        order = (0, *range(2, rank + 2), 1) if layout == LAST else (0, rank + 1, *range(1, rank + 1))
        self.writer.needs("Permute")
        return self._moved(tensor, f"Permute({', '.join(map(str, order))})", layout, "permute")

    def _moved(self, tensor: Tensor, text: str, layout: str, kind: str = "") -> Tensor:
        return tensor.copy(pending=[*tensor.pending, Item(text, kind)], layout=layout, bare=False)

    def last(self, tensor: Tensor) -> Tensor:
        """Bring the channels to the end."""
        if tensor.rank == 0 or tensor.layout == VECTOR:
            return tensor
        return self.to(tensor, VECTOR if tensor.is_point and tensor.layout == FIRST else LAST)

    def first(self, tensor: Tensor) -> Tensor:
        """Bring the channels behind the batch."""
        return tensor if tensor.rank == 0 else self.to(tensor, FIRST)

    # Steps

    def layer(self, step: Step, lanes: Lanes, tensor: Tensor, kinds: dict[int, str]) -> Tensor:
        """Write a layer."""
        names = set(kinds.values())
        if len(names) > 1:
            if step.name not in self.layers or not names <= {*ACTIVATIONS, "identity", "bn"} or step.arguments:
                raise Vary(kinds)
            argument = tensor.channels.text if "bn" in names else ""
            if "bn" in names and (tensor.rank != 2 or not names <= {"bn", "identity"}):
                raise Vary(kinds)
            return self.add(tensor, f"{self.names[step.name].text}({argument})", "relu")
        (name,) = names
        if name == "identity":
            return tensor
        rules = {lane: event.node.rule for lane, event in lanes.items()}  # type: ignore[union-attr]
        write = getattr(self, f"_kind_{name}", None)
        if name in ACTIVATIONS:
            write = self._activation
        if write is None or next(iter(rules.values())) is None:
            raise self.unheld(step, lanes, f"PyTorch has no module for `{name}`")
        written = Written(self, step, lanes, tensor, rules)
        shapes = {lane: event.out for lane, event in lanes.items()}
        end: Tensor = write(written, tensor)
        if left := written.unread():
            raise self.unheld(step, lanes, f"PyTorch's `{name}` has no `{left}`")
        return end.copy(shapes=shapes)

    def unheld(self, step: Step, lanes: Lanes, why: str) -> BneckError:
        """Make the error for a layer that the target cannot hold."""
        del lanes
        return step.place.error(f"{why}: this layer cannot be exported to PyTorch")

    def add(self, tensor: Tensor, text: str, kind: str, **changes: Any) -> Tensor:
        """Apply one module more."""
        return tensor.copy(pending=[*tensor.pending, Item(text, kind)], bare=False, **changes)

    def module_name(self, name: str) -> str:
        """Return the class of a layer's kind that takes no arguments."""
        return {"identity": "nn.Identity", "bn": "nn.BatchNorm2d", **ACTIVATIONS}[name]

    def _activation(self, written: Written, tensor: Tensor) -> Tensor:
        name = written.name
        place = "inplace=True" if name in IN_PLACE and _is_fresh(tensor) else ""
        return self.add(tensor, f"{ACTIVATIONS[name]}({place})", name)

    def _kind_softmax(self, written: Written, tensor: Tensor) -> Tensor:
        return self.add(tensor, f"nn.Softmax({tensor.axis})", "softmax")

    def _kind_prelu(self, written: Written, tensor: Tensor) -> Tensor:
        if not written.rule.per_channel:
            return self.add(tensor, "nn.PReLU()", "prelu")
        tensor = self.first(tensor)
        return self.add(tensor, f"nn.PReLU({tensor.channels.text})", "prelu")

    def _kind_dropout(self, written: Written, tensor: Tensor) -> Tensor:
        return self.add(tensor, "nn.Dropout()", "dropout")

    def _kind_droppath(self, written: Written, tensor: Tensor) -> Tensor:
        return tensor

    def leaving(self, written: Written, candidates: list[Sym]) -> Sym:
        """Find an expression for the output channels of a layer."""
        values = {lane: event.out.channels for lane, event in written.lanes.items()}
        return self.bind(self.settled("channels_out", values, candidates))

    # Convolutions

    def _kind_conv(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        leaving = self.bind(written.sym("channels"))
        groups = written.sym("groups")
        group = "" if groups.text == "1" else f", groups={groups.text}"
        return self._convolution(written, tensor, leaving, group, "conv")

    def _kind_dwconv(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        channels = self.bind(tensor.channels)
        leaving = self.bind(operation("*", written.sym("multiplier"), channels))
        return self._convolution(
            written, tensor.copy(channels=channels), leaving, f", groups={channels.text}", "dwconv"
        )

    def _convolution(self, written: Written, tensor: Tensor, leaving: Sym, group: str, kind: str) -> Tensor:
        rank = tensor.rank
        if rank == 0:
            raise self.unheld(written.step, written.lanes, "a convolution of a vector")
        tensor, padding = written.padding(tensor)
        step, dilation = written.sym("stride"), written.sym("dilation")
        words = [tensor.channels.text, leaving.text, written.sym("kernel").text]
        words += [] if step.text == "1" else [f"stride={step.text}"]
        words += [f"padding={padding}"] if padding != "0" else []
        words += [] if dilation.text == "1" else [f"dilation={dilation.text}"]
        text = f"nn.Conv{rank}d({', '.join(words)}{group}{'' if written.rule.bias else ', bias=False'})"
        if written.rule.frozen:
            self.writer.needs("frozen")
            text = f"frozen({text})"
        return self.add(tensor, text, kind, channels=leaving)

    def _kind_upconv(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        leaving = self.bind(written.sym("channels"))
        pads = written.pads()
        if any(before != after for sides in pads.values() for before, after in sides):
            raise self.unheld(written.step, written.lanes, "uneven padding of a transposed convolution")
        words = [tensor.channels.text, leaving.text, written.sym("kernel").text]
        for field, name in (("stride", "stride"), ("pad", "padding"), ("output_pad", "output_padding")):
            sym = written.sym(field) if field != "pad" else self.settled("padding", even(pads), extent=True)
            words += [] if sym.text == ("1" if field == "stride" else "0") else [f"{name}={sym.text}"]
        for field in ("groups", "dilation"):
            sym = written.sym(field)
            words += [] if sym.text == "1" else [f"{field}={sym.text}"]
        words += [] if written.rule.bias else ["bias=False"]
        return self.add(tensor, f"nn.ConvTranspose{tensor.rank}d({', '.join(words)})", "upconv", channels=leaving)

    def _kind_linear(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.last(tensor)
        leaving = self.bind(written.sym("channels"))
        bias = ", bias=False" if written.rule.nobias else ""
        return self.add(tensor, f"nn.Linear({tensor.channels.text}, {leaving.text}{bias})", "linear", channels=leaving)

    # Norms

    def _kind_bn(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = tensor if tensor.layout == VECTOR else self.first(tensor)
        rank = 0 if tensor.layout == VECTOR else tensor.rank
        if written.rule.frozen:
            self.writer.needs("FrozenBatchNorm")
            return self.add(tensor, f"FrozenBatchNorm({tensor.channels.text}, axes={rank})", "bn")
        affine = ", affine=False" if written.rule.noaffine else ""
        return self.add(tensor, f"nn.BatchNorm{max(rank, 1)}d({tensor.channels.text}{affine})", "bn")

    def _kind_ln(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.last(tensor)
        affine = ", bias=False" if written.rule.nobias else ""
        affine = ", elementwise_affine=False" if written.rule.noaffine else affine
        return self.add(tensor, f"nn.LayerNorm({tensor.channels.text}{affine})", "ln")

    def _kind_rmsnorm(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.last(tensor)
        affine = ", elementwise_affine=False" if written.rule.noaffine else ""
        return self.add(tensor, f"nn.RMSNorm({tensor.channels.text}{affine})", "rmsnorm")

    def _kind_gn(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = tensor if tensor.layout == VECTOR else self.first(tensor)
        affine = ", affine=False" if written.rule.noaffine else ""
        return self.add(tensor, f"nn.GroupNorm({written.sym('groups').text}, {tensor.channels.text}{affine})", "gn")

    def _kind_in(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        if not tensor.rank or tensor.is_point:
            raise self.unheld(written.step, written.lanes, "PyTorch has no instance norm of one position")
        affine = "" if written.rule.noaffine else ", affine=True"
        return self.add(tensor, f"nn.InstanceNorm{tensor.rank}d({tensor.channels.text}{affine})", "in")

    def _kind_grn(self, written: Written, tensor: Tensor) -> Tensor:
        self.writer.needs("GlobalResponseNorm")
        tensor = self.to(tensor, LAST)
        return self.add(tensor, f"GlobalResponseNorm({tensor.channels.text})", "grn")

    def _kind_lrn(self, written: Written, tensor: Tensor) -> Tensor:
        return self.add(self.first(tensor), f"nn.LocalResponseNorm({written.sym('size').text})", "lrn")

    def _kind_layer_scale(self, written: Written, tensor: Tensor) -> Tensor:
        self.writer.needs("LayerScale")
        axes = f", axes={tensor.rank}" if tensor.layout == FIRST and tensor.rank else ""
        return self.add(tensor, f"LayerScale({tensor.channels.text}{axes})", "layer_scale")

    # Pooling

    def _pool(self, written: Written, tensor: Tensor, name: str, value: str) -> Tensor:
        tensor, padding = written.padding(self.first(tensor), value)
        step = written.sym("stride").text
        words = [written.sym("kernel").text, f"stride={step}"]
        words += [f"padding={padding}"] if padding != "0" else []
        dilation = written.sym("dilation").text if name == "MaxPool" else "1"
        words += [f"dilation={dilation}"] if dilation != "1" else []
        words += ["ceil_mode=True"] if written.rule.ceil else []
        return self.add(tensor, f"nn.{name}{tensor.rank}d({', '.join(words)})", written.name)

    def _kind_maxpool(self, written: Written, tensor: Tensor) -> Tensor:
        return self._pool(written, tensor, "MaxPool", 'float("-inf")')

    def _kind_avgpool(self, written: Written, tensor: Tensor) -> Tensor:
        return self._pool(written, tensor, "AvgPool", "0.0")

    def _global(self, tensor: Tensor, module: str, helper: str) -> Tensor:
        if tensor.layout == LAST:
            self.writer.needs(helper)
            return self.add(tensor, f"{helper}()", "global_avgpool", layout=VECTOR)
        tensor = self.first(tensor)
        return self.add(tensor, f"nn.{module}{tensor.rank}d(1)", "global_avgpool")

    def _kind_global_avgpool(self, written: Written, tensor: Tensor) -> Tensor:
        return self._global(tensor, "AdaptiveAvgPool", "Mean")

    def _kind_global_maxpool(self, written: Written, tensor: Tensor) -> Tensor:
        return self._global(tensor, "AdaptiveMaxPool", "Maximum")

    def _kind_adaptive_avgpool(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        return self.add(tensor, f"nn.AdaptiveAvgPool{tensor.rank}d({written.sym('output').text})", "global_avgpool")

    def _kind_adaptive_maxpool(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        return self.add(tensor, f"nn.AdaptiveMaxPool{tensor.rank}d({written.sym('output').text})", "global_avgpool")

    # Reshaping

    def _kind_flatten(self, written: Written, tensor: Tensor) -> Tensor:
        if tensor.rank == 0:
            return tensor
        tensor = tensor if tensor.layout == VECTOR else self.first(tensor)
        lanes = written.lanes
        sizes = {event.shape.spatial for event in lanes.values()}
        candidates = []
        if len(sizes) == 1:
            whole = tensor.channels
            for size in sizes.pop():
                whole = _product(whole, number(size))
            candidates.append(whole)
        channels = self.settled("features", {lane: event.out.channels for lane, event in lanes.items()}, candidates)
        if tensor.layout == VECTOR:
            return tensor.copy(channels=channels)
        return self.add(tensor, "nn.Flatten(1)", "flatten", channels=channels, layout=VECTOR)

    def _kind_upsample(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        mode = MODES[written.rule.mode][tensor.rank - 1]
        word = "" if mode == "nearest" else f', mode="{mode}"'
        return self.add(tensor, f"nn.Upsample(scale_factor={written.sym('factor').text}{word})", "upsample")

    def _kind_resize(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        sizes = {lane: event.out.spatial for lane, event in written.lanes.items()}
        written.read.add("size")
        size = self.settled("size", sizes, (), extent=True)
        mode = MODES[written.rule.mode][tensor.rank - 1]
        word = "" if mode == "nearest" else f', mode="{mode}"'
        return self.add(tensor, f"nn.Upsample(size={size.text}{word})", "upsample")

    def _sided(self, tensor: Tensor, pairs: dict[int, tuple[tuple[int, int], ...]]) -> Tensor:
        """Add positions at the sides of a map, or cut them off."""
        whole = {lane: tuple(n for sides in reversed(one) for n in sides) for lane, one in pairs.items()}
        if not any(any(sides) for sides in whole.values()):
            return tensor
        sides = self.settled("sides", whole)
        self.writer.needs("Pad")
        return self.add(tensor, f"Pad({unpacked(sides)})", "pad")

    def _kind_crop(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        written.read.add("size")
        return self._sided(tensor, {n: one.geometry(tensor.shapes[n]).padding for n, one in written.rules.items()})

    def _kind_pad(self, written: Written, tensor: Tensor) -> Tensor:
        if written.rule.mode != "zeros" or written.rule.along != "positions":
            raise self.unheld(written.step, written.lanes, "PyTorch export of a `pad` of other values, or of channels")
        written.read.add("sides")
        tensor = self.first(tensor)
        return self._sided(tensor, {n: one.pairs(tensor.shapes[n]) for n, one in written.rules.items()})

    def _kind_tile(self, written: Written, tensor: Tensor) -> Tensor:
        self.writer.needs("Tile")
        number_of = written.sym("times")
        axis = "" if tensor.axis == 1 else f", axis={tensor.axis}"
        channels = self.leaving(written, [operation("*", number_of, tensor.channels)])
        return self.add(tensor, f"Tile({number_of.text}{axis})", "tile", channels=channels)

    def _kind_subsample(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        self.writer.needs("Subsample")
        steps = {n: tuple(one.geometry(tensor.shapes[n]).stride) for n, one in written.rules.items()}
        written.read.add("stride")
        return self.add(tensor, f"Subsample({unpacked(self.settled('steps', steps))})", "subsample")

    def _kind_reshape(self, written: Written, tensor: Tensor) -> Tensor:
        shapes = {lane: event.out for lane, event in written.lanes.items()}
        ranks = {lane: len(shape.spatial) for lane, shape in shapes.items()}
        if len(set(ranks.values())) > 1:
            raise Vary(ranks)
        tensor = self.first(tensor)
        self.writer.needs("Reshape")
        written.read.add("shape")
        sizes = self.settled("sizes", {lane: (shape.channels, *shape.spatial) for lane, shape in shapes.items()})
        channels = self.leaving(written, [*self.names.values(), tensor.channels])
        layout = FIRST if next(iter(ranks.values())) else VECTOR
        return self.add(tensor, f"Reshape({unpacked(sizes)})", "reshape", channels=channels, layout=layout)

    def _kind_pixel_shuffle(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = self.first(tensor)
        if tensor.rank != 2:
            raise self.unheld(written.step, written.lanes, "`pixel_shuffle` of anything but a map")
        factor = written.sym("factor")
        channels = self.leaving(written, [])
        return self.add(tensor, f"nn.PixelShuffle({factor.text})", "pixel_shuffle", channels=channels)

    def _kind_pixel_unshuffle(self, written: Written, tensor: Tensor) -> Tensor:
        sides = {n: per_axis(one.factor, tensor.rank, "factor") for n, one in written.rules.items()}
        written.read.add("ceil")
        alike = len(set(sides.values())) == 1
        channels = self.leaving(written, [times(prod(sides[min(sides)]), tensor.channels)] if alike else [])
        odd = any(
            size % side
            for n, shape in tensor.shapes.items()
            for size, side in zip(shape.spatial, sides[n], strict=True)
        )
        square = tensor.rank == 2 and all(one[0] == one[1] for one in sides.values())
        if square and tensor.layout != LAST and not odd:
            factor = written.sym("factor").text
            return self.add(tensor, f"nn.PixelUnshuffle({factor})", "pixel_unshuffle", channels=channels)
        tensor = self.to(tensor, LAST)
        self.writer.needs("PixelUnshuffle")
        text = f"PixelUnshuffle({unpacked(self.settled('sides', sides))})"
        return self.add(tensor, text, "pixel_unshuffle", channels=channels)

    def _kind_shuffle(self, written: Written, tensor: Tensor) -> Tensor:
        self.writer.needs("ChannelShuffle")
        return self.add(self.first(tensor), f"ChannelShuffle({written.sym('groups').text})", "shuffle")


def unpacked(sizes: Sym) -> str:
    """Write the items of a tuple as arguments."""
    return sizes.text[1:-1].rstrip(",") if sizes.is_literal else f"*{sizes.text}"


def _is_fresh(tensor: Tensor) -> bool:
    """Return whether nothing else reads a tensor, so that it may be written over."""
    if not tensor.pending:
        return " + " in tensor.expr and " if " not in tensor.expr
    last = tensor.pending[-1]
    return isinstance(last, Item) and last.kind in FRESH


def _product(sym: Sym, size: int) -> Sym:
    """Write a product with a number after it, its factors apart: 512 * 7 * 7."""
    values = [None if value is None else value * size for value in sym.values]
    return Sym(f"{sym.within(8)} * {size}", 7, values, (lambda part: _product(part, size), sym))
