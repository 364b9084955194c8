"""Sequence layers as PyTorch modules: embeddings, tokens, recurrent layers, attention."""

from __future__ import annotations

import re
from math import prod
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number
from bneck_cli.bridges.export.pytorch.builder import (
    FIRST,
    INDICES,
    LAST,
    VECTOR,
    NotPureError,
    Tensor,
    Vary,
    operand,
    sequence,
)
from bneck_cli.bridges.export.pytorch.layers import Layers
from bneck_cli.bridges.export.symbols import Sym, operation, times
from bneck_cli.engine.layers.kinds import per_axis
from bneck_cli.engine.layers.products import Scores
from bneck_cli.engine.network import Fork, Layer, Series

if TYPE_CHECKING:
    from bneck_cli.bridges.export.pytorch.builder import Lanes
    from bneck_cli.bridges.export.pytorch.written import Written
    from bneck_cli.engine.network import Node
    from bneck_cli.language.bodies import Attend, Experts
    from bneck_cli.sizes.shape import Shape


ENDS = ("queries", "keys")


class Sequences(Layers):
    """A method for each kind of layer that works on sequences."""

    def _kind_embed(self, written: Written, tensor: Tensor) -> Tensor:
        if tensor.layout != INDICES:
            raise self.unheld(written.step, written.lanes, "an `embed` of what is no input")
        leaving = self.bind(written.sym("channels"))
        text = f"nn.Embedding({written.sym('vocabulary').text}, {leaving.text})"
        return self.add(tensor, text, "embed", channels=leaving, layout=LAST)

    def _kind_learned(self, written: Written, tensor: Tensor) -> Tensor:
        if self.pure:
            raise NotPureError
        self.kept_alive(tensor)
        written.read.add("shape")
        shapes = {lane: event.out for lane, event in written.lanes.items()}
        rank = len(next(iter(shapes.values())).spatial)
        channels = self.settled("channels", {n: s.channels for n, s in shapes.items()}, [tensor.channels])
        sides = [
            self.settled(
                ("length", "height", "width")[at if rank > 1 else 0], {n: s.spatial[at] for n, s in shapes.items()}
            )
            for at in range(rank)
        ]
        layout = LAST if rank == 1 else FIRST if rank else VECTOR
        if tensor.rank == rank and tensor.layout in (FIRST, LAST):
            layout = tensor.layout
        order = [*sides, channels] if layout != FIRST else [channels, *sides]
        name = self.attribute("learned" if rank > 1 or not sides else "positions" if sides[0].text != "1" else "token")
        zeros = f"torch.zeros(1, {', '.join(one.text for one in order)})"
        made = (
            f'self.register_buffer("{name}", {zeros})'
            if written.rule.frozen
            else f"self.{name} = nn.Parameter({zeros})"
        )
        self.init.append((0, made))
        return Tensor(f"self.{name}", channels, shapes, layout, bare=True)

    def _kind_transpose(self, written: Written, tensor: Tensor) -> Tensor:
        """Channels and positions change their names: the layout alone says which is which."""
        tensor = self.to(tensor, LAST) if tensor.layout == VECTOR else tensor
        channels = self.leaving(written, list(self.names.values()))
        return tensor.copy(channels=channels, layout=FIRST if tensor.layout == LAST else LAST)

    def _kind_tokens(self, written: Written, tensor: Tensor) -> Tensor:
        tensor = tensor if tensor.rank == 1 and tensor.layout == LAST else self.first(tensor)
        rule, cls = written.rule, written.sym("cls")
        if rule.pos == "none" and rule.cls == 0:
            if tensor.layout == LAST:
                return tensor
            self.writer.needs("Sequence")
            return self.add(tensor, "Sequence()", "tokens", layout=LAST)
        tensor = self.first(tensor)
        word = "" if cls.text == "0" else f", cls={cls.text}"
        if rule.pos == "none":
            self.writer.needs("ClassTokens")
            return self.add(tensor, f"ClassTokens({tensor.channels.text}{word})", "tokens", layout=LAST)
        self.writer.needs("Tokens")
        count = self.settled("positions", {n: s.positions for n, s in tensor.shapes.items()})
        return self.add(tensor, f"Tokens({tensor.channels.text}, {count.text}{word})", "tokens", layout=LAST)

    def _kind_take(self, written: Written, tensor: Tensor) -> Tensor:
        return self._ranged(self.to(tensor, LAST), f"[:, {self.kept(written.sym('index'))}]", VECTOR)

    def _kind_slice(self, written: Written, tensor: Tensor) -> Tensor:
        start = written.sym("start")
        ends = written.rule.stop == "end"
        along = written.rule.along
        whole = tensor.channels if along == "channels" else None
        stop = whole if ends else written.sym("stop")
        words = ["" if start.text == "0" else self.kept(start), "" if ends or stop is None else self.kept(stop)]
        simple = all(word.isdigit() or not word for word in words)
        inside = ":".join(words) if simple else " : ".join(words).strip()
        index = f"[:, {inside}]" if (along == "positions") == (tensor.layout == LAST) else f"[..., {inside}]"
        end = self._ranged(tensor, index, tensor.layout)
        if along == "positions":
            return end
        return end.copy(channels=self.leaving(written, [operation("-", stop, start)] if stop else []))

    def kept(self, sym: Sym) -> str:
        """Write an expression in ``forward``, whose names the module has to keep."""
        text = sym.text
        for name in sorted(sym.names(), key=len, reverse=True):
            if (0, f"self.{name} = {name}") not in self.init:
                if name in self.attributes:
                    raise self.writer.stuck(self.writer.recorded.whole)
                self.attributes.add(name)
                self.init.append((0, f"self.{name} = {name}"))
            text = re.sub(rf"(?<![\w.]){name}\b", f"self.{name}", text)
        return text

    def _ranged(self, tensor: Tensor, index: str, layout: str) -> Tensor:
        if self.pure:
            raise NotPureError
        tensor = self.flush(tensor)
        return tensor.copy(expr=f"{operand(tensor.expr, '.')}{index}", layout=layout)

    def _recurrent(self, written: Written, tensor: Tensor, cell: str) -> Tensor:
        tensor = self.to(tensor, LAST)
        rule = written.rule
        self.writer.needs("Recurrent")
        hidden = written.sym("hidden")
        words = [tensor.channels.text, hidden.text]
        depth = written.sym("layers").text
        words += [] if depth == "1" else [f"num_layers={depth}"]
        words += ["batch_first=True"]
        words += ["bidirectional=True"] if rule.both else []
        words += ["bias=False"] if rule.nobias else []
        shape = next(iter(tensor.shapes.values()))
        at = 1 if tensor.rank == 1 else 1 + shape.axes.index(rule.along)
        axis = "" if at == 1 and tensor.rank == 1 else f", axis={at}"
        channels = self.leaving(written, [times(2, hidden) if rule.both else hidden])
        return self.add(tensor, f"Recurrent(nn.{cell}({', '.join(words)}){axis})", cell.lower(), channels=channels)

    def _kind_lstm(self, written: Written, tensor: Tensor) -> Tensor:
        return self._recurrent(written, tensor, "LSTM")

    def _kind_gru(self, written: Written, tensor: Tensor) -> Tensor:
        return self._recurrent(written, tensor, "GRU")

    def _kind_rnn(self, written: Written, tensor: Tensor) -> Tensor:
        return self._recurrent(written, tensor, "RNN")

    # Attention

    def _kind_attention(self, written: Written, tensor: Tensor) -> Tensor:
        rule = written.rule
        written.require_alike("causal", "grid", "position", "qk_norm", "bias", "nobias")
        tensor = self.to(tensor, LAST)
        values = {lane: _heads(one, tensor.shapes[lane]) for lane, one in written.rules.items()}
        candidates = [written.sym("heads")] if written.given("heads") else []
        if written.given("head_dim") and not candidates:
            candidates = [operation("/", tensor.channels, written.sym("head_dim"))]
        heads = self.settled("heads", values, candidates)
        if rule.position == "decomposed" or (rule.window is not None and not rule.causal):
            return self._windowed(written, tensor, heads)
        if rule.window is not None and any(
            one.window < tensor.shapes[lane].positions for lane, one in written.rules.items()
        ):
            raise self.unheld(written.step, written.lanes, "PyTorch's attention counts all keys, and a window fewer")
        if tensor.rank != 1:
            return self._mapped(written, tensor, heads)
        text = self._attention(written, tensor, heads, values)
        return self.add(tensor, text, "attention")

    def _mapped(self, written: Written, tensor: Tensor, heads: Sym) -> Tensor:
        """Write attention over all positions of a map."""
        values = {lane: _heads(one, tensor.shapes[lane]) for lane, one in written.rules.items()}
        self.writer.needs("OnMap")
        text = self._attention(written, tensor, heads, values)
        return self.add(tensor, f"OnMap({text})", "attention")

    def _attention(self, written: Written, tensor: Tensor, heads: Sym, values: dict[int, int]) -> str:
        """Write what makes attention over the positions of a sequence."""
        rule = written.rule
        words = [tensor.channels.text, heads.text]
        plain = rule.biased == "qkvo" and not (rule.causal or rule.position == "rotary" or rule.qk_norm != "none")
        if plain and rule.kv is None and not (written.given("head_dim") and rule.heads is not None):
            self.writer.needs("Attention")
            return f"Attention({', '.join(words)})"
        words += [f"kv={written.sym('kv').text}"] if rule.kv is not None else []
        if rule.head_dim is not None and any(
            one.head_dim * values[lane] != tensor.shapes[lane].channels for lane, one in written.rules.items()
        ):
            words.append(f"head_dim={written.sym('head_dim').text}")
        words += [] if rule.biased == "qkvo" else [f'bias="{rule.biased}"']
        words += (
            [f"norm={ {'ln': 'nn.LayerNorm', 'rmsnorm': 'nn.RMSNorm'}[rule.qk_norm] }"]
            if rule.qk_norm != "none"
            else []
        )
        words += ["causal=True"] if rule.causal else []
        words += ["rotary=True"] if rule.position == "rotary" else []
        self.writer.needs("GroupedAttention")
        return f"GroupedAttention({', '.join(words)})"

    def _windowed(self, written: Written, tensor: Tensor, heads: Sym) -> Tensor:
        """Write attention within windows."""
        rule = written.rule
        if rule.kv is not None or rule.qk_norm != "none":
            raise self.unheld(written.step, written.lanes, "attention in windows, of grouped or normalised heads")
        if any(
            one.head_dim and one.head_dim * _heads(one, tensor.shapes[n]) != tensor.shapes[n].channels
            for n, one in written.rules.items()
        ):
            raise self.unheld(written.step, written.lanes, "heads in windows that do not divide the channels")
        self.writer.needs("WindowAttention")
        if tensor.rank == 2 and rule.window is not None:
            window = written.sym("window")
        else:
            sides = {n: _tile(one, tensor.shapes[n]) for n, one in written.rules.items()}
            window = self.settled("window", sides)
        words = [tensor.channels.text, heads.text, window.text]
        shift = written.sym("shift")
        words += [] if shift.text == "0" else [f"shift={shift.text}"]
        words += ["grid=True"] if rule.grid else []
        words += [] if rule.position == "none" else [f'position="{rule.position}"']
        words += [] if rule.biased == "qkvo" else [f'bias="{rule.biased}"']
        return self.add(tensor, f"WindowAttention({', '.join(words)})", "attention")

    def attend(self, attend: Attend, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write attention of any queries, keys and values."""
        if self.pure:
            raise NotPureError
        rules = {lane: _scores(event.node) for lane, event in lanes.items()}
        rule = next(iter(rules.values()))
        alike = {lane: (one.channels, one.causal, one.softmax, one.position != 0) for lane, one in rules.items()}
        if len(set(alike.values())) > 1:
            raise Vary(alike)
        if rule.window is not None or rule.past != 0:
            raise attend.place.error("`attend` with a window or a past cannot be exported to PyTorch")
        tensor = self.variable(tensor)
        ends: list[Tensor] = []
        kept: list[str] = []
        for at, name in enumerate(("queries", "keys", "values")):
            inside = {lane: event.children[at] for lane, event in lanes.items()}
            with self.holding(tensor.expr, *kept):
                end = self.to(self.emit(inside, tensor.copy(pending=[])), LAST)
                end = self.flush(end, name if end.pending else "")
            if end.bare:
                end = end.copy(
                    expr=f"{operand(end.expr, '.')}.expand(len({tensor.expr}){', -1' * (1 + end.rank)})", bare=False
                )
            ends.append(end)
            kept.append(end.expr)
        heads = self.settled("heads", {lane: one.heads for lane, one in rules.items()}, list(self.names.values()))
        kv = self.settled("kv", {lane: one.kv for lane, one in rules.items()}, [heads, *self.names.values()])
        shapes = {lane: event.out for lane, event in lanes.items()}
        values = {lane: shape.channels for lane, shape in shapes.items()}
        channels = self.settled("channels_out", values, [ends[2].channels, ends[0].channels])
        words = f"{self.kept(heads)}, {self.kept(kv)}"
        self.writer.needs("scored")
        self.writer.needs("weighed")
        over = f"{', channels=True' if rule.channels else ''}{'' if rule.softmax else ', softmax=False'}"
        flags = f"{', causal=True' if rule.causal else ''}{over}"
        scores = f"scored({ends[0].expr}, {ends[1].expr}, {words}{flags})"
        if rule.position != 0:
            scores = f"self.{self._distances(attend, lanes, rules, heads)}({scores})"
        if attend.scores is not None:
            inside = {lane: event.children[3] for lane, event in lanes.items()}
            begun = {lane: event.shape for lane, event in inside.items()}
            with self.holding(tensor.expr, *kept):
                start = self.assigned(Tensor(scores, heads, begun, FIRST))
                scores = self.flush(self.to(self.emit(inside, start), FIRST), "scores").expr
        expr = f"weighed({scores}, {ends[2].expr}, {self.kept(kv)}{over})"
        with self.holding(tensor.expr, *kept):
            end = self.assigned(Tensor(expr, channels, shapes, LAST))
        if ends[0].rank > 1:
            end = end.copy(expr=f"{end.expr}.unflatten(1, ({', '.join(map(str, _sides(shapes)))}))")
        return end

    def _distances(self, attend: Attend, lanes: Lanes, rules: dict[int, Scores], heads: Sym) -> str:
        """Make what adds a learned value for how far two positions are apart, and return its name."""
        shapes = {lane: tuple(event.children[at].out for at in (0, 1)) for lane, event in lanes.items()}
        counts = {lane: number(rule.position) // number(rule.heads) for lane, rule in rules.items()}
        kinds = {lane: _numbered(counts[lane], *shapes[lane]) for lane in lanes}
        if len(set(kinds.values())) > 1:
            raise Vary(kinds)
        kind = next(iter(kinds.values()))
        if not kind or any(rule.position % rule.heads for rule in rules.values()):
            raise attend.place.error("learned values of this form cannot be exported to PyTorch")
        count = self.settled("distances", counts, list(self.names.values()))
        ends = {lane: tuple(tuple(map(number, shape.spatial)) for shape in pair) for lane, pair in shapes.items()}
        if kind == "buckets":
            sizes = [self.settled(word, {n: pair[at][0] for n, pair in ends.items()}) for at, word in enumerate(ENDS)]
            flags = ", causal=True" if next(iter(rules.values())).causal else ""
            index = f"buckets({count.text}, {sizes[0].text}, {sizes[1].text}{flags})"
        else:
            sizes = [self.settled(word, {n: pair[at] for n, pair in ends.items()}) for at, word in enumerate(ENDS)]
            flags = ", signed=True" if kind == "signed" else ""
            index = f"offsets({sizes[0].text}, {sizes[1].text}{flags})"
        self.writer.needs("Distances")
        self.writer.needs("buckets" if kind == "buckets" else "offsets")
        name = self.attribute("distances")
        self.init.append((0, f"self.{name} = Distances({heads.text}, {count.text}, {index})"))
        return name

    # Experts

    def experts(self, experts: Experts, lanes: Lanes, tensor: Tensor) -> Tensor:
        """Write experts, and what gives positions to them."""
        tensor = self.to(tensor, LAST) if tensor.rank else tensor
        count = self.want(experts.number, lanes, tensor, "experts")
        active = self.want(experts.active, lanes, tensor, "active")
        router = f"nn.Linear({tensor.channels.text}, {count.text}, bias=False)"
        start = tensor.copy(pending=[], expr="x")
        with self.purely():
            if experts.router is not None:
                asked = {lane: event.children[0] for lane, event in lanes.items()}
                router = sequence(self.to(self.emit(asked, start), tensor.layout).pending)
            inside = {lane: event.children[-1] for lane, event in lanes.items()}
            given = {lane: event.shape for lane, event in inside.items()}
            end = self.to(self.emit(inside, start.copy(shapes=given, layout=LAST)), LAST)
            expert = sequence(end.pending)
        self.writer.needs("Experts")
        text = f"Experts({router}, [{expert} for _ in range({count.text})], {active.text})"
        shapes = {lane: event.out for lane, event in lanes.items()}
        return self.add(tensor.copy(shapes=shapes), text, "experts", channels=end.channels)


def _numbered(count: int, queries: Shape, keys: Shape) -> str:
    """Say which learned value two positions have, by how many there are."""
    if queries.spatial == keys.spatial and count == prod(2 * number(side) - 1 for side in keys.spatial):
        return "signed"
    if len(queries.spatial) == len(keys.spatial) and count == number(keys.positions):
        return "apart"
    return "buckets" if len(queries.spatial) == len(keys.spatial) == 1 and 4 <= count < 256 else ""


def _scores(node: Node | None) -> Scores:
    """Find the scores of an attention, whatever is done to them."""
    while True:
        match node:
            case Fork(kind="scores", join=Layer(rule=Scores() as rule)):
                return rule
            case Fork():
                node = node.branches[0]
            case Series():
                node = node.runs[0].node
            case _:
                raise NotPureError


def _tile(rule: Any, shape: Shape) -> tuple[int, ...]:
    """Return the sides of what attends to itself: a window, or the map."""
    found = shape.spatial if rule.window is None else per_axis(rule.window, len(shape.spatial), "window")
    return tuple(map(number, found))


def _sides(shapes: dict[int, Any]) -> tuple[int, ...]:
    """Return the sides of a map, which are the same in each use."""
    sides = {lane: shape.spatial for lane, shape in shapes.items()}
    if len(set(sides.values())) > 1:
        raise Vary(sides)
    return next(iter(sides.values()))


def _heads(rule: Any, shape: Any) -> int:
    return int(rule.heads if rule.heads is not None else shape.channels // rule.head_dim)
