"""Sequence layers as ONNX operators: tokens, recurrent layers, attention."""

from __future__ import annotations

from math import cos, prod, sin
from typing import TYPE_CHECKING

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.onnx.graph import BATCH, UNLEARNED, Value
from bneck_cli.bridges.export.onnx.layers import Layers, unheld
from bneck_cli.bridges.export.pytorch.builder import FIRST, LAST, VECTOR
from bneck_cli.engine.layers.kinds import per_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bneck_cli.bridges.export.steps import Step

FAR = -1e9
"""What is added to a score that does not count."""


class Sequences(Layers):
    """A method for each kind."""

    def kind_tokens(self, step: Step, x: Value) -> Value:
        """A map as a sequence, class tokens before it, positions added."""
        rule, count = step.layer.rule, prod(x.spatial)
        name = self.at(x, LAST)
        if len(x.spatial) > 1:
            name = self.reshaped(name, [count, x.channels], f"{step.path}.sequence")
        if rule.cls:
            token = self.weight(f"{self.prefix}.cls", [1, rule.cls, x.channels])
            every = self.expanded(token, name, f"{step.path}.tokens")
            name = self.joined([every, name], 1, f"{step.path}.joined")
        if rule.pos == "learned":
            table = self.weight(f"{self.prefix}.positions", [1, count + rule.cls, x.channels])
            name = self.op("Add", [name, table], step.path, self.sizes[name])
        return self.out(step, name, LAST)

    def kind_take(self, step: Step, x: Value) -> Value:
        """One token."""
        inputs = [self.at(x, LAST), self.numbers([step.layer.rule.index], scalar=True)]
        return self.out(step, self.op("Gather", inputs, step.path, [BATCH, x.channels], axis=1), VECTOR)

    def kind_slice(self, step: Step, x: Value) -> Value:
        """A range of channels or positions."""
        rule = step.layer.rule
        layout, name = next(iter(x.names.items()))
        channels = rule.along == "channels"
        whole = x.channels if channels else x.spatial[0]
        axis = 1 if channels == (layout != LAST) else len(self.sizes[name]) - 1
        stop = whole if rule.stop == "end" else number(rule.stop)
        found = self.sliced(name, axis, number(rule.start), stop, step.path)
        return Value(step.layer.out, {layout: found}, x.bare)

    def kind_recurrent(self, step: Step, x: Value) -> Value:
        """Carry a state along an axis; the other axes are a batch."""
        rule, shape = step.layer.rule, step.layer.shape
        axis = 1 if len(x.spatial) == 1 else 1 + shape.axes.index(rule.along)
        name, rank = self.at(x, LAST), len(x.spatial)
        others = [at for at in range(1, rank + 1) if at != axis]
        name = self.transposed(name, [axis, 0, *others, rank + 1], f"{step.path}.steps")
        length, sizes = x.spatial[axis - 1], [x.spatial[at - 1] for at in others]
        if others:
            name = self.op(
                "Reshape",
                [name, self.numbers([length, -1, x.channels])],
                f"{step.path}.batch",
                [length, "M", x.channels],
            )
        batch: int | str = "M" if others else BATCH
        ways, hidden, gates = 1 + rule.both, number(rule.hidden), rule.gates
        given = x.channels
        for layer in range(rule.layers):
            prefix = f"{self.prefix}.{layer}"
            inputs = [name, self.weight(f"{prefix}.input", [ways, gates * hidden, given])]
            inputs.append(self.weight(f"{prefix}.state", [ways, gates * hidden, hidden]))
            if not rule.nobias:
                inputs.append(self.weight(f"{prefix}.bias", [ways, 2 * gates * hidden]))
            direction = "bidirectional" if rule.both else "forward"
            made = self.op(
                rule.name.upper(),
                inputs,
                f"{step.path}.{layer}",
                [length, ways, batch, hidden],
                hidden_size=hidden,
                direction=direction,
            )
            made = self.transposed(made, [0, 2, 1, 3], f"{step.path}.{layer}.ways")
            given = ways * hidden
            shape_of = self.numbers([length, -1, given])
            name = self.op("Reshape", [made, shape_of], f"{step.path}.{layer}.whole", [length, batch, given])
        if others:
            shape_of = self.numbers([length, -1, *sizes, given])
            name = self.op("Reshape", [name, shape_of], f"{step.path}.map", [length, BATCH, *sizes, given])
        back = [1, *(0 if at == axis else 2 + others.index(at) for at in range(1, rank + 1)), rank + 1]
        return self.out(step, self.transposed(name, back, step.path), LAST)

    kind_lstm = kind_gru = kind_rnn = kind_recurrent

    # Attention

    def heads(self, name: str, rows: int, groups: Sequence[int], path: str, batch: int | str = BATCH) -> str:
        """Cut channels into heads, and let positions stand after them."""
        dim = number(self.sizes[name][-1]) // prod(groups)
        cut = self.reshaped(name, [rows, *groups, dim], f"{path}.heads", batch)
        count = len(groups)
        return self.transposed(cut, [0, *range(2, 2 + count), 1, 2 + count], f"{path}.moved")

    def rotated(self, name: str, path: str) -> str:
        """Rotate pairs of channels by their position."""
        length, dim = (number(size) for size in self.sizes[name][-2:])
        half = dim // 2
        angles = [at * 10_000.0 ** (-step / half) for at in range(length) for step in range(half)]
        tables = [self.floats([function(angle) for angle in angles], [length, half]) for function in (cos, sin)]
        last = len(self.sizes[name]) - 1
        one, two = self.sliced(name, last, 0, half, f"{path}.one"), self.sliced(name, last, half, dim, f"{path}.two")
        sizes = self.sizes[one]
        products = [self.op("Mul", [part, table], f"{path}.part", sizes) for part in (one, two) for table in tables]
        left = self.op("Sub", [products[0], products[3]], f"{path}.left", sizes)
        right = self.op("Add", [products[2], products[1]], f"{path}.right", sizes)
        return self.joined([left, right], last, f"{path}.rotated")

    def products(self, step: Step, q: str, k: str, v: str, more: Sequence[str], scale: str, path: str) -> str:
        """Score keys for queries, add biases, and weigh the values."""
        rank = len(self.sizes[k])
        keys = self.transposed(k, [*range(rank - 2), rank - 1, rank - 2], f"{path}.keys")
        sizes = [*self.sizes[q][:-1], self.sizes[keys][-1]]
        scores = self.op("MatMul", [q, keys], f"{path}.scores", sizes)
        scores = self.op("Mul", [scores, scale], f"{path}.scaled", sizes)
        for other in more:
            scores = self.op("Add", [scores, other], f"{path}.biased", sizes)
        scores = self.op("Softmax", [scores], f"{path}.softmax", sizes, axis=-1)
        return self.op("MatMul", [scores, v], f"{path}.weighed", [*sizes[:-1], self.sizes[v][-1]])

    def kind_attention(self, step: Step, x: Value) -> Value:
        """Multi-head self-attention."""
        rule, shape = step.layer.rule, step.layer.shape
        if rule.position == "decomposed" or (rule.window is not None and (rule.causal or len(x.spatial) != 2)):
            raise unheld(step, "this form of attention")
        heads = number(rule.heads if rule.heads is not None else shape.channels // rule.head_dim)
        kv, dim = (number(rule.kv) if rule.kv is not None else heads), number(rule.dim(shape))
        name = self.at(x, LAST)
        tiles = rule.window is not None
        batch: int | str = BATCH
        if tiles:
            name, batch = self.windows(step, name, x), "M"
        elif len(x.spatial) > 1:
            name = self.reshaped(name, [prod(x.spatial), x.channels], f"{step.path}.sequence")
        rows = number(self.sizes[name][1])
        parts = []
        for letter, count in (("q", heads), ("k", kv), ("v", kv)):
            path, prefix = f"{step.path}.{letter}", f"{self.prefix}.{letter}"
            made = self.linear(name, count * dim, letter in rule.biased, path, prefix)
            groups = (kv, heads // kv) if letter == "q" and kv != heads else (count, 1) if kv != heads else (count,)
            made = self.heads(made, rows, groups, path, batch)
            if rule.qk_norm != "none" and letter != "v":
                made = self.normed(made, dim, rule.qk_norm, f"{path}.norm", f"{prefix}.norm")
            if rule.position == "rotary" and letter != "v":
                made = self.rotated(made, path)
            parts.append(made)
        more = self.biases(step, x, heads, rows)
        scale = self.floats([dim**-0.5])
        if rule.position == "continuous":
            parts[:2] = [self.unit(part, f"{step.path}.{letter}") for part, letter in zip(parts, "qk", strict=False)]
            scale = self.weight(f"{self.prefix}.scale", [heads, 1, 1], 10.0)
        q, k, v = parts
        if tiles and rule.shift:
            found = self.shifted_products(step, x, q, k, v, more, scale)
        else:
            found = self.products(step, q, k, v, more, scale, step.path)
        rank = len(self.sizes[found])
        together = self.transposed(found, [0, rank - 2, *range(1, rank - 2), rank - 1], f"{step.path}.together")
        whole = self.reshaped(together, [rows, heads * dim], f"{step.path}.whole", batch)
        path = f"{step.path}.projection"
        out = self.linear(whole, x.channels, "o" in rule.biased, path, f"{self.prefix}.o")
        if tiles:
            out = self.joined_windows(step, out, x)
        elif len(x.spatial) > 1:
            out = self.reshaped(out, [*x.spatial, x.channels], f"{step.path}.map")
        return self.out(step, out, LAST)

    def normed(self, name: str, dim: int, kind: str, path: str, prefix: str) -> str:
        """Normalise each head's queries or keys."""
        if kind == "rmsnorm":
            return self.rms(name, dim, path, prefix)
        inputs = [name, self.weight(f"{prefix}.scale", [dim], 1.0), self.weight(f"{prefix}.shift", [dim])]
        return self.op("LayerNormalization", inputs, path, self.sizes[name], axis=-1)

    def unit(self, name: str, path: str) -> str:
        """Divide by the length."""
        sizes = self.sizes[name]
        axes = self.numbers([len(sizes) - 1])
        length = self.op("ReduceL2", [name, axes], f"{path}.length", [*sizes[:-1], 1], keepdims=1)
        safe = self.op("Add", [length, self.floats([1e-12])], f"{path}.length.safe", [*sizes[:-1], 1])
        return self.op("Div", [name, safe], f"{path}.unit", sizes)

    def biases(self, step: Step, x: Value, heads: int, rows: int) -> list[str]:
        """Return what is added to the scores: positions, and what forbids later keys."""
        rule = step.layer.rule
        more = []
        if rule.causal:
            key = ("causal", rows)
            if key not in self.known:
                full = self.filled(f"{UNLEARNED}causal{rows}", [rows, rows], FAR)
                one = self.numbers([1], scalar=True)
                self.known[key] = self.op("Trilu", [full, one], f"causal{rows}.upper", [rows, rows], upper=1)
            more.append(self.known[key])
        if rule.position in ("relative", "continuous"):
            h, w = per_axis(rule.window, 2, "window")
            offsets = (2 * h - 1) * (2 * w - 1)
            if rule.position == "relative":
                table = self.weight(f"{self.prefix}.table", [offsets, heads])
            else:
                places = self.floats([0.0] * (2 * offsets), [offsets, 2])
                self.sizes[places] = [offsets, 2]
                hidden = self.linear(places, 512, True, f"{step.path}.position1", f"{self.prefix}.position1")
                hidden = self.op("Relu", [hidden], f"{step.path}.position.relu", [offsets, 512])
                table = self.linear(hidden, heads, False, f"{step.path}.position2", f"{self.prefix}.position2")
            at = [(a, b) for a in range(h) for b in range(w)]
            index = [(a - c + h - 1) * (2 * w - 1) + b - d + w - 1 for a, b in at for c, d in at]
            picked = self.op(
                "Gather", [table, self.numbers(index)], f"{step.path}.picked", [rows * rows, heads], axis=0
            )
            moved = self.transposed(picked, (1, 0), f"{step.path}.picked.moved")
            bias = self.op(
                "Reshape", [moved, self.numbers([heads, rows, rows])], f"{step.path}.bias", [heads, rows, rows]
            )
            if rule.position == "continuous":
                gate = self.op("Sigmoid", [bias], f"{step.path}.bias.sigmoid", [heads, rows, rows])
                bias = self.op("Mul", [gate, self.floats([16.0])], f"{step.path}.bias.scaled", [heads, rows, rows])
            more.append(bias)
        return more

    def tiles_of(self, step: Step, x: Value) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Return how many windows there are, their sides, and how far they are shifted."""
        rule = step.layer.rule
        h, w = per_axis(rule.window, 2, "window")
        counts = (-(-x.spatial[0] // h), -(-x.spatial[1] // w))
        return counts, (h, w), (rule.shift * (counts[0] > 1), rule.shift * (counts[1] > 1))

    def rolled(self, name: str, shifts: tuple[int, int], path: str) -> str:
        """Move a map, the output at one side coming in at the other."""
        for axis, shift in enumerate(shifts, 1):
            if shift:
                size = number(self.sizes[name][axis])
                cut = shift % size
                parts = [
                    self.sliced(name, axis, cut, size, f"{path}.tail"),
                    self.sliced(name, axis, 0, cut, f"{path}.head"),
                ]
                name = self.joined(parts, axis, f"{path}.rolled")
        return name

    def windows(self, step: Step, name: str, x: Value) -> str:
        """Pad a map to whole windows, shift it, and cut it: (N·windows)×positions×C."""
        (a, b), (h, w), shifts = self.tiles_of(step, x)
        after = [0, a * h - x.spatial[0], b * w - x.spatial[1], 0]
        name = self.padded(name, [0] * 4, after, f"{step.path}.padded")
        name = self.rolled(name, shifts, step.path)
        cut, order = ((a, h, b, w), (0, 1, 3, 2, 4, 5))
        if step.layer.rule.grid:
            cut, order = (h, a, w, b), (0, 2, 4, 1, 3, 5)
        name = self.reshaped(name, [*cut, x.channels], f"{step.path}.cut")
        name = self.transposed(name, order, f"{step.path}.tiles")
        shape = self.numbers([-1, h * w, x.channels])
        return self.op("Reshape", [name, shape], f"{step.path}.windows", ["M", h * w, x.channels])

    def joined_windows(self, step: Step, name: str, x: Value) -> str:
        """Put windows together again."""
        (a, b), (h, w), shifts = self.tiles_of(step, x)
        sizes = [a, b, h, w, x.channels]
        name = self.op("Reshape", [name, self.numbers([-1, *sizes])], f"{step.path}.tiles.back", [BATCH, *sizes])
        order = (0, 3, 1, 4, 2, 5) if step.layer.rule.grid else (0, 1, 3, 2, 4, 5)
        name = self.transposed(name, order, f"{step.path}.uncut")
        name = self.reshaped(name, [a * h, b * w, x.channels], f"{step.path}.map")
        name = self.rolled(name, (-shifts[0], -shifts[1]), f"{step.path}.back")
        for axis, size in enumerate(x.spatial, 1):
            if self.sizes[name][axis] != size:
                name = self.sliced(name, axis, 0, size, f"{step.path}.cropped")
        return name

    def shifted_products(self, step: Step, x: Value, q: str, k: str, v: str, more: list[str], scale: str) -> str:
        """As ``products``, pairs of positions that a shift has brought together forbidden."""
        counts, sides, shifts = self.tiles_of(step, x)
        if not any(shifts):
            return self.products(step, q, k, v, more, scale, step.path)
        windows, rows = prod(counts), prod(sides)
        heads, dim = (number(size) for size in (self.sizes[q][1], self.sizes[q][3]))
        cut = []
        for name, letter in ((q, "q"), (k, "k"), (v, "v")):
            sizes = [windows, heads, rows, dim]
            path = f"{step.path}.{letter}.windows"
            cut.append(self.op("Reshape", [name, self.numbers([-1, *sizes])], path, [BATCH, *sizes]))
        mask = self.floats(_mask(counts, sides, shifts), [windows, 1, rows, rows])
        found = self.products(step, cut[0], cut[1], cut[2], [*more, mask], scale, step.path)
        shape = self.numbers([-1, heads, rows, dim])
        return self.op("Reshape", [found, shape], f"{step.path}.weighed.windows", ["M", heads, rows, dim])

    # Attention of any queries, keys and values

    def kind_scores(self, step: Step, q: Value, k: Value) -> Value:
        """Score keys for queries."""
        rule = step.layer.rule
        if rule.window is not None or rule.position != 0 or rule.past != 0 or k.bare:
            raise unheld(step, "attention with a window, positions or a past")
        if not rule.softmax:
            raise unheld(step, "attention without softmax")
        heads, kv = number(rule.heads), number(rule.kv)
        one = self.flat_heads(q, heads, 1, f"{step.path}.q")
        other = self.flat_heads(k, kv, heads // kv, f"{step.path}.k")
        rank = len(self.sizes[one])
        swap = [*range(rank - 2), rank - 1, rank - 2]
        if rule.channels:
            one = self.transposed(one, swap, f"{step.path}.q.channels")
        else:
            other = self.transposed(other, swap, f"{step.path}.keys")
        sizes = [*self.sizes[one][:-1], self.sizes[other][-1]]
        scores = self.op("MatMul", [one, other], f"{step.path}.product", sizes)
        scale = self.floats([(q.channels // heads) ** -0.5])
        scores = self.op("Mul", [scores, scale], step.path, sizes)
        if rule.causal:
            rows = number(sizes[-1])
            full = self.filled(f"{UNLEARNED}{step.path}.later", [rows, rows], FAR)
            upper = self.op(
                "Trilu", [full, self.numbers([1], scalar=True)], f"{step.path}.upper", [rows, rows], upper=1
            )
            scores = self.op("Add", [scores, upper], f"{step.path}.causal", sizes)
        return Value(step.layer.out, {FIRST: scores})

    def flat_heads(self, x: Value, heads: int, times: int, path: str) -> str:
        """Cut a tensor's channels into heads, each repeated."""
        name = self.at(x, LAST)
        if x.bare:
            name = self.expanded(name, self.any_input, f"{path}.every")
        rows = prod(x.spatial)
        if len(x.spatial) > 1:
            name = self.reshaped(name, [rows, x.channels], f"{path}.sequence")
        name = self.heads(name, rows, (heads,), path)
        if times == 1:
            return name
        dim = x.channels // heads
        apart = self.reshaped(name, [heads, 1, rows, dim], f"{path}.apart")
        many = self.joined([apart] * times, 2, f"{path}.repeated")
        return self.reshaped(many, [heads * times, rows, dim], f"{path}.all")

    any_input = ""

    def kind_weighted_sum(self, step: Step, scores: Value, v: Value) -> Value:
        """Weigh values by the softmax of their scores."""
        name = self.at(scores, FIRST)
        sizes = self.sizes[name]
        weights = self.op("Softmax", [name], f"{step.path}.softmax", sizes, axis=-1)
        heads = number(sizes[1])
        out = Value(step.layer.out, {LAST: ""})
        own = heads
        while v.channels // own * heads != out.channels:
            own -= 1
            if own == 0:
                raise unheld(step, "this form of attention")
        values = self.flat_heads(v, own, heads // own, f"{step.path}.v")
        rows, each = prod(v.spatial), out.channels // heads
        if sizes[-1] != rows:  # over channels
            moved = self.transposed(weights, [0, 1, 3, 2], f"{step.path}.moved")
            found = self.op("MatMul", [values, moved], f"{step.path}.product", [BATCH, heads, rows, each])
        else:
            found = self.op("MatMul", [weights, values], f"{step.path}.product", [*sizes[:-1], each])
        together = self.transposed(found, [0, 2, 1, 3], f"{step.path}.together")
        return self.out(step, self.reshaped(together, [*out.spatial, out.channels], step.path), LAST)

    def kind_matmul(self, step: Step, one: Value, other: Value) -> Value:
        """Multiply two sequences over their channels."""
        if number(getattr(step.layer.rule, "heads", 1)) != 1 or one.bare or other.bare:
            raise unheld(step, "this product")
        left, right = self.at(one, LAST), self.at(other, FIRST)
        rows, columns = prod(one.spatial), prod(other.spatial)
        if len(one.spatial) != 1:
            left = self.reshaped(left, [rows, one.channels], f"{step.path}.left")
        if len(other.spatial) != 1:
            right = self.reshaped(right, [other.channels, columns], f"{step.path}.right")
        found = self.op("MatMul", [left, right], step.path, [BATCH, rows, columns])
        out = Value(step.layer.out, {LAST: ""})
        if len(out.spatial) != 1:
            found = self.reshaped(found, out.sizes(LAST), f"{step.path}.map")
        return self.out(step, found, LAST)


def _mask(counts: tuple[int, int], sides: tuple[int, int], shifts: tuple[int, int]) -> list[float]:
    """Return what forbids pairs of positions from different parts of a map, window by window."""
    regions: list[list[int]] = []
    for count, side, shift in zip(counts, sides, shifts, strict=True):
        whole = count * side
        regions.append([(at >= whole - side) + (shift > 0 and at >= whole - shift) for at in range(whole)])
    found: list[float] = []
    (h, w) = sides
    for a in range(counts[0]):
        for b in range(counts[1]):
            at = [3 * regions[0][a * h + y] + regions[1][b * w + x] for y in range(h) for x in range(w)]
            found += [0.0 if one == two else -100.0 for one in at for two in at]
    return found
