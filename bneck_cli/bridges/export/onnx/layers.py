"""Layer kinds as ONNX operators: convolutions, norms, pooling, and operators that move elements."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.onnx.graph import BATCH, UNLEARNED, Graph, Value
from bneck_cli.bridges.export.pytorch.builder import FIRST, INDICES, LAST, VECTOR
from bneck_cli.bridges.export.pytorch.written import tf_same
from bneck_cli.engine.layers.kinds import per_axis

if TYPE_CHECKING:
    from bneck_cli.bridges.export.steps import Step
    from bneck_cli.errors import BneckError

FUNCTIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "relu": ("Relu", {}),
    "leaky_relu": ("LeakyRelu", {"alpha": 0.01}),
    "elu": ("Elu", {}),
    "selu": ("Selu", {}),
    "celu": ("Celu", {}),
    "hard_swish": ("HardSwish", {}),
    "gelu": ("Gelu", {}),
    "sigmoid": ("Sigmoid", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "tanh": ("Tanh", {}),
    "mish": ("Mish", {}),
    "softplus": ("Softplus", {}),
    "softsign": ("Softsign", {}),
}
"""Functions of each element that are one operator."""
CLIPS = {"relu6": (0.0, 6.0), "hard_tanh": (-1.0, 1.0)}
MODES = {"nearest": "nearest", "bilinear": "linear", "bicubic": "cubic"}
PADS = {"zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def unheld(step: Step, why: str) -> BneckError:
    """Make the error for a row that ONNX does not hold."""
    return step.layer.place.error(f"{step.path}: {why} cannot be exported to ONNX")


class Layers(Graph):
    """A method for each kind; each takes a step and its value, and returns the output value."""

    prefix = ""

    def out(self, step: Step, name: str, layout: str) -> Value:
        """Make the output value of a step."""
        return Value(step.layer.out, {layout: name})

    def first(self, step: Step, x: Value) -> str:
        """Return a value with its channels behind the batch."""
        if not x.spatial:
            return self.at(x, VECTOR)
        return self.at(x, FIRST)

    def last(self, x: Value) -> tuple[str, str]:
        """Return a value with its channels at the end, and that layout; one of one position is a vector."""
        if not x.spatial or (x.is_point and x.layout != LAST):
            return self.at(x, VECTOR), VECTOR
        return self.at(x, LAST), LAST

    def elementwise(self, step: Step, x: Value, kind: str, **more: Any) -> Value:
        """Apply a function of each element."""
        layout, name = next(iter(x.names.items()))
        return self.out(step, self.op(kind, [name], step.path, self.sizes[name], **more), layout)

    # Functions

    def kind_function(self, step: Step, x: Value) -> Value:
        """Apply an activation."""
        name = step.layer.op
        layout, held = next(iter(x.names.items()))
        if name in CLIPS:
            low, high = (self.floats([value]) for value in CLIPS[name])
            return self.out(step, self.op("Clip", [held, low, high], step.path, self.sizes[held]), layout)
        if name == "silu":
            gate = self.op("Sigmoid", [held], f"{step.path}.sigmoid", self.sizes[held])
            return self.out(step, self.op("Mul", [held, gate], step.path, self.sizes[held]), layout)
        kind, more = FUNCTIONS[name]
        return self.elementwise(step, x, kind, **more)

    def kind_softmax(self, step: Step, x: Value) -> Value:
        """Normalise over channels."""
        return self.elementwise(step, x, "Softmax", axis=1 if x.layout != LAST else 1 + len(x.spatial))

    def kind_prelu(self, step: Step, x: Value) -> Value:
        """A slope that is learned."""
        name = self.first(step, x)
        count = x.channels if step.layer.rule.per_channel else 1
        slope = self.weight(f"{self.prefix}.slope", [count, *[1] * len(x.spatial)])
        return self.out(
            step, self.op("PRelu", [name, slope], step.path, self.sizes[name]), FIRST if x.spatial else VECTOR
        )

    # Convolutions

    def windowed(self, step: Step, x: Value, value: float = 0.0) -> dict[str, Any]:
        """Return the attributes of a window."""
        window = step.layer.rule.geometry(step.layer.shape)
        pads = window.padding
        if step.layer.rule.pad == "tf_same":
            axes = zip(x.spatial, window.kernel, window.stride, window.dilation, strict=True)
            pads = tuple(tf_same(*axis) for axis in axes)
        flat = [number(pad[0]) for pad in pads] + [number(pad[1]) for pad in pads]
        return {"kernel_shape": list(window.kernel), "strides": list(window.stride), "pads": flat}

    def kind_conv(self, step: Step, x: Value) -> Value:
        """Convolve."""
        layer = step.layer
        window = layer.rule.geometry(layer.shape)
        name = self.first(step, x)
        groups, leaving = number(window.groups), number(layer.out.channels)
        more = {**self.windowed(step, x), "dilations": list(window.dilation), "group": groups}
        sizes = [BATCH, leaving, *map(number, layer.out.spatial)]
        if window.transposed:
            dims = [x.channels, leaving // groups, *window.kernel]
            more["output_padding"] = list(window.output_padding)
        else:
            dims = [leaving, x.channels // groups, *window.kernel]
        make = self.filled_once if getattr(layer.rule, "frozen", False) else self.weight
        inputs = [name, make(f"{self.prefix}.weight", dims, 0.0)]
        inputs += [make(f"{self.prefix}.bias", [leaving], 0.0)] if layer.rule.bias else []
        kind = "ConvTranspose" if window.transposed else "Conv"
        return self.out(step, self.op(kind, inputs, step.path, sizes, **more), FIRST)

    kind_dwconv = kind_upconv = kind_conv

    def linear(self, name: str, leaving: int, bias: bool, path: str, prefix: str, entering: int = 0) -> str:
        """Multiply by a matrix at every position, channels last."""
        sizes = self.sizes[name]
        given = entering or sizes[-1]
        weight = self.weight(f"{prefix}.weight", [number(given), leaving])
        product = self.op("MatMul", [name, weight], f"{path}.product" if bias else path, [*sizes[:-1], leaving])
        if not bias:
            return product
        return self.op("Add", [product, self.weight(f"{prefix}.bias", [leaving])], path, [*sizes[:-1], leaving])

    def kind_linear(self, step: Step, x: Value) -> Value:
        """Mix channels; weights that an embedding holds are transposed."""
        name, layout = self.last(x)
        leaving = number(step.layer.out.channels)
        held = self.known.get(("weight", f"{self.prefix}.table"))
        if held:
            table = self.transposed(held, (1, 0), f"{step.path}.weight")
            return self.out(
                step, self.op("MatMul", [name, table], step.path, [*self.sizes[name][:-1], leaving]), layout
            )
        return self.out(step, self.linear(name, leaving, not step.layer.rule.nobias, step.path, self.prefix), layout)

    # Norms

    def kind_bn(self, step: Step, x: Value) -> Value:
        """Scale and shift by what was remembered."""
        name, rule = self.first(step, x), step.layer.rule
        make = self.filled_once if rule.noaffine or rule.frozen else self.weight
        parts = [make(f"{self.prefix}.scale", [x.channels], 1.0), make(f"{self.prefix}.shift", [x.channels], 0.0)]
        parts += [self.filled_once(f"{self.prefix}.mean", [x.channels], 0.0)]
        parts += [self.filled_once(f"{self.prefix}.variance", [x.channels], 1.0)]
        out = self.op("BatchNormalization", [name, *parts], step.path, self.sizes[name])
        return self.out(step, out, FIRST if x.spatial else VECTOR)

    def filled_once(self, name: str, dims: list[int], value: float) -> str:
        """Return a constant that is not a parameter, made once."""
        key = ("filled", name)
        if key not in self.known:
            self.known[key] = self.filled(f"{UNLEARNED}{name}", dims, value)
        return self.known[key]

    def kind_ln(self, step: Step, x: Value) -> Value:
        """Normalise the channels of each position."""
        name, layout = self.last(x)
        bare = step.layer.rule.noaffine
        make = self.filled_once if bare else self.weight
        inputs = [name, make(f"{self.prefix}.scale", [x.channels], 1.0)]
        inputs += [] if bare else [self.weight(f"{self.prefix}.shift", [x.channels])]
        return self.out(step, self.op("LayerNormalization", inputs, step.path, self.sizes[name], axis=-1), layout)

    def rms(self, name: str, channels: int, path: str, prefix: str) -> str:
        """Divide by the root of the mean square of the last axis, and scale."""
        sizes = self.sizes[name]
        square = self.op("Mul", [name, name], f"{path}.square", sizes)
        axes = self.numbers([len(sizes) - 1])
        mean = self.op("ReduceMean", [square, axes], f"{path}.mean", [*sizes[:-1], 1], keepdims=1)
        root = self.op("Sqrt", [mean], f"{path}.root", [*sizes[:-1], 1])
        ratio = self.op("Div", [name, root], f"{path}.ratio", sizes)
        return self.op("Mul", [ratio, self.weight(f"{prefix}.scale", [channels], 1.0)], path, sizes)

    def kind_rmsnorm(self, step: Step, x: Value) -> Value:
        """Normalise by the root of the mean square."""
        name, layout = self.last(x)
        return self.out(step, self.rms(name, x.channels, step.path, self.prefix), layout)

    def kind_gn(self, step: Step, x: Value) -> Value:
        """Normalise groups of channels: as instances of a reshaped map."""
        name, groups = self.first(step, x), number(step.layer.rule.groups)
        each = x.channels // groups * prod(x.spatial)
        grouped = self.reshaped(name, [groups, each], f"{step.path}.groups")
        one, zero = self.filled_once("groups.one", [groups], 1.0), self.filled_once("groups.zero", [groups], 0.0)
        if groups != number(self.sizes[one][0]):
            one = self.filled_once(f"groups{groups}.one", [groups], 1.0)
            zero = self.filled_once(f"groups{groups}.zero", [groups], 0.0)
        normal = self.op("InstanceNormalization", [grouped, one, zero], f"{step.path}.normal", [BATCH, groups, each])
        whole = self.reshaped(normal, x.sizes(FIRST), f"{step.path}.whole")
        layout = FIRST if x.spatial else VECTOR
        if step.layer.rule.noaffine:
            return self.out(step, whole, layout)
        dims = [x.channels, *[1] * len(x.spatial)]
        scaled = self.op(
            "Mul", [whole, self.weight(f"{self.prefix}.scale", dims, 1.0)], f"{step.path}.scaled", self.sizes[whole]
        )
        shifted = self.op("Add", [scaled, self.weight(f"{self.prefix}.shift", dims)], step.path, self.sizes[whole])
        return self.out(step, shifted, layout)

    def kind_in(self, step: Step, x: Value) -> Value:
        """Normalise each channel's map."""
        name = self.first(step, x)
        make = self.filled_once if step.layer.rule.noaffine else self.weight
        parts = [make(f"{self.prefix}.scale", [x.channels], 1.0), make(f"{self.prefix}.shift", [x.channels], 0.0)]
        return self.out(step, self.op("InstanceNormalization", [name, *parts], step.path, self.sizes[name]), FIRST)

    def kind_lrn(self, step: Step, x: Value) -> Value:
        """Normalise over neighbouring channels."""
        name = self.first(step, x)
        return self.out(step, self.op("LRN", [name], step.path, self.sizes[name], size=step.layer.rule.size), FIRST)

    def kind_layer_scale(self, step: Step, x: Value) -> Value:
        """Multiply each channel by its factor."""
        layout, name = next(iter(x.names.items()))
        dims = [x.channels, *[1] * len(x.spatial)] if layout == FIRST else [x.channels]
        scale = self.weight(f"{self.prefix}.scale", dims, 1.0)
        return self.out(step, self.op("Mul", [name, scale], step.path, self.sizes[name]), layout)

    # Pooling

    def pool(self, step: Step, x: Value, kind: str, **more: Any) -> Value:
        """Pool over windows; a last one that reaches beyond the edge is padded to."""
        name, out = self.first(step, x), step.layer.out
        found = self.windowed(step, x)
        rank, dilation = len(x.spatial), step.layer.rule.geometry(step.layer.shape).dilation
        if getattr(step.layer.rule, "ceil", False):
            for axis, (n, m) in enumerate(zip(x.spatial, map(number, out.spatial), strict=True)):
                taps = dilation[axis] * (found["kernel_shape"][axis] - 1) + 1
                reach = (m - 1) * found["strides"][axis] + taps - n - found["pads"][axis]
                if reach > found["pads"][rank + axis]:
                    if kind == "AveragePool":
                        more["ceil_mode"] = 1
                    else:
                        found["pads"][rank + axis] = reach
        if kind == "MaxPool":
            more["dilations"] = list(dilation)
        sizes = [BATCH, x.channels, *map(number, out.spatial)]
        return self.out(step, self.op(kind, [name], step.path, sizes, **found, **more), FIRST)

    def kind_maxpool(self, step: Step, x: Value) -> Value:
        """Take maxima."""
        return self.pool(step, x, "MaxPool")

    def kind_avgpool(self, step: Step, x: Value) -> Value:
        """Take means, of zeros too."""
        return self.pool(step, x, "AveragePool", count_include_pad=1)

    def kind_global_avgpool(self, step: Step, x: Value) -> Value:
        """Take the mean, or the maximum, of the whole map."""
        mean = step.layer.op.endswith("avgpool")
        if x.layout == LAST:
            axes = self.numbers(list(range(1, 1 + len(x.spatial))))
            kind = "ReduceMean" if mean else "ReduceMax"
            found = self.op(kind, [self.at(x, LAST), axes], step.path, [BATCH, x.channels], keepdims=0)
            return self.out(step, found, VECTOR)
        kind = "GlobalAveragePool" if mean else "GlobalMaxPool"
        sizes = [BATCH, x.channels, *[1] * len(x.spatial)]
        return self.out(step, self.op(kind, [self.first(step, x)], step.path, sizes), FIRST)

    kind_global_maxpool = kind_global_avgpool

    def kind_adaptive_avgpool(self, step: Step, x: Value) -> Value:
        """Pool to a size, where windows of one size do so."""
        out = tuple(map(number, step.layer.out.spatial))
        if all(size == 1 for size in out):
            return self.kind_global_avgpool(step, x)
        if any(n % m for n, m in zip(x.spatial, out, strict=True)):
            raise unheld(step, f"a pooling from {x.spatial} to {out}, whose windows differ,")
        kernel = [n // m for n, m in zip(x.spatial, out, strict=True)]
        kind = "AveragePool" if step.layer.op.endswith("avgpool") else "MaxPool"
        sizes = [BATCH, x.channels, *out]
        found = self.op(kind, [self.first(step, x)], step.path, sizes, kernel_shape=kernel, strides=kernel)
        return self.out(step, found, FIRST)

    kind_adaptive_maxpool = kind_adaptive_avgpool

    # Elements moved about

    def kind_flatten(self, step: Step, x: Value) -> Value:
        """Make one vector."""
        if VECTOR in x.names:
            return self.out(step, x.names[VECTOR], VECTOR)
        sizes = [BATCH, x.channels * prod(x.spatial)]
        return self.out(step, self.op("Flatten", [self.first(step, x)], step.path, sizes, axis=1), VECTOR)

    def kind_upsample(self, step: Step, x: Value) -> Value:
        """Interpolate to a size."""
        name, out = self.first(step, x), [number(size) for size in step.layer.out.spatial]
        mode = MODES[step.layer.rule.mode]
        where = "asymmetric" if mode == "nearest" else "half_pixel"
        inputs = [name, "", "", self.numbers(out)]
        more: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": where}
        more["axes"] = list(range(2, 2 + len(out)))
        if mode == "nearest":
            more["nearest_mode"] = "floor"
        return self.out(step, self.op("Resize", inputs, step.path, [BATCH, x.channels, *out], **more), FIRST)

    kind_resize = kind_upsample

    def kind_pixel_shuffle(self, step: Step, x: Value) -> Value:
        """Channels to positions."""
        if len(x.spatial) != 2:
            raise unheld(step, "a `pixel_shuffle` of anything but a map")
        sizes = [BATCH, *Value(step.layer.out, {FIRST: ""}).sizes(FIRST)]
        factor = step.layer.rule.factor
        name = self.first(step, x)
        return self.out(step, self.op("DepthToSpace", [name], step.path, sizes, blocksize=factor, mode="CRD"), FIRST)

    def kind_pixel_unshuffle(self, step: Step, x: Value) -> Value:
        """Positions to channels."""
        factors = per_axis(step.layer.rule.factor, len(x.spatial), "factor")
        name, rank = self.first(step, x), len(x.spatial)
        after = [-size % factor for size, factor in zip(x.spatial, factors, strict=True)]
        name = self.padded(name, [0] * (2 + rank), [0, 0, *after], f"{step.path}.padded")
        cut = [part for size, f in zip(step.layer.out.spatial, factors, strict=True) for part in (number(size), f)]
        name = self.reshaped(name, [x.channels, *cut], f"{step.path}.cut")
        order = [0, 1, *range(3, 3 + 2 * rank, 2), *range(2, 2 + 2 * rank, 2)]
        name = self.transposed(name, order, f"{step.path}.moved")
        whole = Value(step.layer.out, {FIRST: ""}).sizes(FIRST)
        return self.out(step, self.reshaped(name, whole, step.path), FIRST)

    def kind_shuffle(self, step: Step, x: Value) -> Value:
        """Reorder channels across groups."""
        groups, name = number(step.layer.rule.groups), self.first(step, x)
        cut = self.reshaped(name, [groups, x.channels // groups, *x.spatial], f"{step.path}.cut")
        order = [0, 2, 1, *range(3, 3 + len(x.spatial))]
        moved = self.transposed(cut, order, f"{step.path}.moved")
        return self.out(step, self.reshaped(moved, x.sizes(FIRST), step.path), FIRST)

    def kind_reshape(self, step: Step, x: Value) -> Value:
        """Reshape the elements."""
        name = self.first(step, x)
        out = Value(step.layer.out, {FIRST: ""})
        if not out.spatial:
            return self.out(step, self.reshaped(name, [out.channels], step.path), VECTOR)
        return self.out(step, self.reshaped(name, out.sizes(FIRST), step.path), FIRST)

    def kind_crop(self, step: Step, x: Value) -> Value:
        """Cut the middle out."""
        name = self.first(step, x)
        for axis, (n, m) in enumerate(zip(x.spatial, map(number, step.layer.out.spatial), strict=True), 2):
            if n != m:
                start = (n - m) // 2
                name = self.sliced(name, axis, start, start + m, step.path)
        return self.out(step, name, FIRST)

    def kind_subsample(self, step: Step, x: Value) -> Value:
        """Take every so many positions."""
        name = self.first(step, x)
        strides = step.layer.rule.geometry(step.layer.shape).stride
        for axis, stride in enumerate(strides, 2):
            if stride != 1:
                name = self.sliced(name, axis, 0, x.spatial[axis - 2], step.path, stride)
        return self.out(step, name, FIRST)

    def kind_pad(self, step: Step, x: Value) -> Value:
        """Add positions or channels."""
        rule = step.layer.rule
        pairs = rule.pairs(step.layer.shape)
        name, rank = self.first(step, x), len(x.spatial)
        if rule.along == "channels":
            before, after = [0, pairs[0][0], *[0] * rank], [0, pairs[0][1], *[0] * rank]
        else:
            before, after = [0, 0, *(one for one, _ in pairs)], [0, 0, *(two for _, two in pairs)]
        found = self.padded(name, before, after, step.path, PADS[rule.mode])
        return self.out(step, found, FIRST if rank else VECTOR)

    def kind_embed(self, step: Step, x: Value) -> Value:
        """Look rows of a table up."""
        if x.layout != INDICES:
            raise unheld(step, "an `embed` of what is no input")
        rule = step.layer.rule
        table = self.weight(f"{self.prefix}.table", [number(rule.vocabulary), number(rule.channels)])
        sizes = [BATCH, *x.spatial, number(rule.channels)]
        return self.out(step, self.op("Gather", [table, x.names[INDICES]], step.path, sizes, axis=0), LAST)

    def kind_learned(self, step: Step, x: Value) -> Value:
        """A tensor that is weights."""
        out = Value(step.layer.out, {FIRST: ""})
        layout = VECTOR if not out.spatial else LAST if len(out.spatial) == 1 else FIRST
        make = self.filled_once if getattr(step.layer.rule, "frozen", False) else self.weight
        name = make(f"{self.prefix}.value", [1, *out.sizes(layout)], 0.0)
        return Value(step.layer.out, {layout: name}, bare=True)

    def kind_transpose(self, step: Step, x: Value) -> Value:
        """Channels and positions change their names: what is first is now last."""
        layout, name = next(iter(x.names.items()))
        if layout == VECTOR:
            layout, name = LAST, self.at(x, LAST)
        return Value(step.layer.out, {FIRST if layout == LAST else LAST: name}, x.bare)
