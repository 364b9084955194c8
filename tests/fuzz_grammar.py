"""A grammar of specs for the fuzz harness: every key, structure and layer kind, mostly right; names cross chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.layers import LAYERS
from bneck_cli.language.syntax import STRUCTURES

if TYPE_CHECKING:
    from random import Random

EXTREMES = (
    *("0", "-1", "1", "2", "7", "64", "1e9", "0.5", "1/3", "2**31", "2**64", "10**400", "9" * 30, "9" * 5000, "²", "٣"),
    *("''", "None", "nan", "inf", "_", "é", "\u202e", "\x1b[31m", "=1+1", "<b>", "C", "N", "c/7", "c//0", "(((", "%s"),
)


class World(NamedTuple):
    """What arrives in most steps of a network: inputs that are usual, and layers that keep what arrives."""

    inputs: tuple[str, ...]
    safe: tuple[str, ...]
    common: tuple[str, ...]
    block: str
    end: str


MAPS = World(
    ("16 x 16 x 16", "16 x 16 x 16", "16 x 16 x 16", "16 x 32 x 32", "16 x 8 x 8", "3 x 224 x 224", "16 x H x W"),
    (
        *("conv 3x3 16", "conv 1x1 16", "conv 3x3 c", "dwconv 3x3", "bn", "relu", "silu", "identity"),
        *("maxpool 3x3 stride=1 pad=1", "attention heads=4 window=4", "lstm 8 both along=height", "learned 16x1x1"),
    ),
    ("conv", "conv", "bn", "relu", "linear", "maxpool", "global_avgpool", "dwconv", "identity", "flatten"),
    "conv 3x3 channels",
    "global_avgpool -> linear classes",
)
TEXTS = World(
    ("16 x 20", "16 x 20", "16 x 20", "1 x 20", "1 x 20", "16 x L", "1 x L", "16 x 1", "16 x 7"),
    (
        *("linear 16", "linear 16", "ln", "rmsnorm", "gelu", "identity", "lstm 16", "gru 8 both", "rnn 16", "bn"),
        *("attention heads=4", "attention heads=4 causal position=rotary", "attention heads=4 kv=2 causal window=8"),
        *("transpose -> linear n -> transpose", "conv 3 16", "slice 0 16", "softmax", "dropout"),
    ),
    ("linear", "ln", "embed", "learned", "lstm", "gru", "rnn", "attention", "transpose", "slice", "take", "conv"),
    "linear channels",
    "take 0 -> linear classes",
)
"""Sequences: of vectors, or of words that ``embed`` makes vectors of."""
SIGNATURES = (
    ("channels=16", "{}", ("", "16", "16", "32")),
    ("channels=16, stride=1", "{} stride=stride", ("", "16", "16 stride=2")),
    ("channels=16, width=channels/4", "conv 1x1 width -> {}", ("16", "16 width=3", "channels=16")),
    ("channels=16, act=relu", "{} -> act", ("", "act=silu", "16 act=gelu")),
    ("channels=16, squeeze=false", "if: squeeze\n      then: {}", ("", "16 squeeze", "squeeze", "16 squeeze=true")),
    ("channels=16, widths=[8, 16]", "for: k in widths\n      do: linear k -> {}", ("", "widths=[4]", "8 [8, c]")),
    ("channels=16, n=2", "repeat: n\n      body: {}", ("", "16 3", "n=12", "n=0")),
    (
        "depth, channels=16",
        "if: depth > 1\n      then: {} -> SELF (depth-1)",
        ("1", "2", "3", "6", "30", "0", "100000"),
    ),
    ("depth", "add:\n        - identity\n        - {{if: depth > 1, then: SELF (depth-1), else: nothing}}", ("1", "4")),
    ("tap", "add: [identity, from tap]", ("TENSOR", "TENSOR", "TENSORS")),
    ("taps", "concat: ['from taps[0]', from taps]", ("TENSORS", "TENSORS", "TENSOR")),
    ("low, high", "add: [from low, from high]", ("TENSOR TENSOR", "TENSORS")),
    ("", "relu", ("",)),
    ("unused=1", "relu", ("", "2")),
)
JOINS = ("add", "mul", "concat", "split", "matmul")
HERE = ("residual", "repeat", "copies", "for", "loop", "if", "attend", *JOINS)
NOWHERE = ("as", "from")
"""Structures that are written in a way of their own; any other is a body, and its keys beside it."""


class Grammar:
    """Writes documents."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.world = MAPS if random.random() < 0.7 else TEXTS
        self.names: list[str] = []
        self.lists: list[str] = []
        """Names of several tensors."""
        self.blocks: dict[str, tuple[str, ...]] = {}
        """The words that each block may take."""
        self.several: set[str] = set()
        """The blocks that give several tensors."""
        self.index = False
        """Whether ``i`` is a copy's index here."""

    def document(self) -> str:
        """Write a whole document."""
        random = self.random
        lines = [f"input: {self.shape()}"]
        if random.random() < 0.3:
            shape = self.shape()
            lines = ["input:", f"  one: {shape}", f"  two: {random.choice([shape, shape, self.shape()])}"]
            self.names += ["one", "two"]
        if random.random() < 0.2:
            lines.append("name: " + random.choice(["a net", "été", "<i>x</i>", '"=1"', "a_b%c", "a](b)"]))
        definitions = [line for index in range(random.choice([0, 0, 1, 2, 3])) for line in self.definition(index)]
        if definitions:
            lines += ["blocks:", *definitions]
        if random.random() < 0.15:
            out = random.choice(["[c, h, w]", "[c, 1, 1]", "[c]", "[c, h]", "[c*2, h//2, w]", "[c, l]", "[c, n]"])
            lines += ["ops:", f"  gem(p=3): {{out: {out}, params: {self.number()}, macs: c*p}}"]
            self.blocks["gem"] = ("", "p=2")
        net, last = random.choice([("net", ""), ("net", ""), ("net(classes=10)", self.world.end)])
        if last and random.random() < 0.3:
            net = "net(classes=10, stages=[[1, 16], [2, 8]], depth=2)"
        lines.append(f"{net}:")
        if "one" in self.names:
            lines.append("  - from one")
        if self.world is MAPS:
            lines += ["  - conv 3x3 16"] * (random.random() < 0.7)
        else:
            lines += ["  - embed 100 16"] * ("1 x" in lines[0])
        if "depth" in net:
            head = random.choice(["(depth)x: ", "repeat: depth\n    body: "])
            lines += [
                f"  - {head}{self.word()}",
                "  - for: (n, width) in stages\n    do: (n)x linear width -> linear 16",
            ]
        lines += [*self.chain(3, "  "), *([f"  - {last}"] if last else [])]
        if self.names and random.random() < 0.2:
            lines.append(f"outputs: [{', '.join(random.sample(self.names, random.randint(1, len(self.names))))}]")
        if random.random() < 0.1:
            lines += ["expect:", f"  params: {random.choice(['1', '1', '9' * 20, '1.5M'])}", "  origin: a paper"]
        return "\n".join(lines) + "\n"

    def definition(self, index: int) -> list[str]:
        """Write a block, which may give several tensors, and which later ones may use."""
        random = self.random
        names, self.names, lists, self.lists = self.names, [], self.lists, []
        signature, first, takes = random.choice(SIGNATURES)
        name = f"own{index}"
        first = first.format(self.world.block).replace("SELF", name)
        lines = [f"  {name}({signature}):", f"    - {first}", *self.chain(2, "    ")]
        self.blocks[name] = takes
        if random.random() < 0.25:
            lines += [f"    - {self.layer()} -> as z{index}"] * (not self.names or random.random() < 0.3)
            self.names += [f"z{index}"] * (f"as z{index}" in lines[-1])
            given = random.sample(self.names, min(len(self.names), random.choice([1, 2, 2, 2, 3])))
            lines.append(f"    - outputs: [{', '.join(given)}]")
            self.several.add(name)
        self.names, self.lists = names, lists
        return lines

    def shape(self) -> str:
        """Write an input: one of the world, now and then a vector, a volume, of symbols, or wrong."""
        rare = [
            *("16 x 20", "32", "8 x 1 x 1", "64 x 7 x 7", "16 x H x W", "16 x 1 x 1", "16 x 3 x 5", "3 x H x W"),
            *("N x 8 x 8", "8 x 4 x 4 x 4", "0 x 1 x 1", "1 x 1 x 999999999999", "C x L", "8 x 16 x", "8 x T x H x W"),
        ]
        return self.random.choice(self.world.inputs if self.random.random() < 0.85 else rare)

    def chain(self, depth: int, indent: str) -> list[str]:
        """Write the steps of a body as lines."""
        lines: list[str] = []
        for _ in range(self.random.randint(1, 4)):
            lines += self.step(depth, indent)
        return lines

    def step(self, depth: int, indent: str) -> list[str]:
        """Write one step: a pipeline, or a structure whose body is written below it."""
        random = self.random
        if depth == 0 or random.random() < 0.6:
            words = [self.word() for _ in range(random.choice([1, 1, 2, 3]))]
            return [f"{indent}- {' -> '.join(words)}"]
        kind = random.choice((*HERE, *(kind for kind in STRUCTURES if kind not in HERE + NOWHERE)))
        if kind in JOINS:
            return self.write_join(kind, indent)
        if kind in HERE:
            return getattr(self, f"write_{kind}")(depth, indent)  # type: ignore[no-any-return]
        beside = [f"{indent}  {key}: {self.value(key)}" for key in STRUCTURES[kind] if random.random() < 0.5]
        return [*self.body(f"{indent}- {kind}:", depth, indent), *beside]

    def body(self, head: str, depth: int, indent: str) -> list[str]:
        """Write a key and the steps of its body below it."""
        return [head, *self.chain(depth - 1, indent + "    ")]

    def write_residual(self, depth: int, indent: str) -> list[str]:
        """Write a body and its shortcut."""
        shortcut = self.random.choice(["auto", "if_same", "identity", self.word()])
        return [*self.body(f"{indent}- residual:", depth, indent), f"{indent}  shortcut: {shortcut}"]

    def write_repeat(self, depth: int, indent: str) -> list[str]:
        """Write copies of a body, in the long form."""
        times = self.random.choice(["1", "2", "3", "12", "0", "1000"])
        return [f"{indent}- repeat: {times}", *self.indexed(f"{indent}  body:", depth, indent)]

    def write_copies(self, depth: int, indent: str) -> list[str]:
        """Write copies of a body, in the short form."""
        return self.indexed(f"{indent}- {self.random.choice(['2', '3', '(c//4)', '100'])}x:", depth, indent)

    def indexed(self, head: str, depth: int, indent: str) -> list[str]:
        """Write a body in which ``i`` is a copy's index; copies may name a tensor, of which all are read after."""
        index, self.index = self.index, True
        lines = self.body(head, depth, indent)
        self.index = index
        if self.random.random() < 0.3:
            name = f"t{len(self.names)}"
            self.names.append(name)
            join = self.random.choice(["concat", "concat", "add", "mul"])
            lines += [f"{indent}    - as {name}", f"{indent}- {join}: ['{self.word()}', from all {name}]"]
        return lines

    def items(self) -> str:
        """Write what a loop goes through."""
        return self.random.choice(["[1, 2]", "[1, 3, 5]", "3", "[8, 16]", "0", "[]", "[c, 16]", "1000", "[relu, silu]"])

    def write_for(self, depth: int, indent: str) -> list[str]:
        """Write a body for each item of a list."""
        random = self.random
        if random.random() < 0.5:
            use = random.choice(["conv 3x3 (8*k)", "linear (8+k) -> linear 16", "dwconv k", "(k)x relu", "k"])
            return [f"{indent}- for: k in {self.items()}", f"{indent}  do: {use}"]
        names, items = random.choice([("k", self.items()), ("(a, b)", "[[1, 2], [3, 4]]"), ("(a, b)", "[1, 2]")])
        use = (
            random.choice(["(k)x relu", "linear (16*k) -> linear 16", "identity"])
            if names == "k"
            else "(a)x relu -> dwconv (b+1)"
        )
        return [
            f"{indent}- for: {names} in {items}",
            *self.body(f"{indent}  do:", depth, indent),
            f"{indent}    - {use}",
        ]

    def write_loop(self, depth: int, indent: str) -> list[str]:
        """Write a join of a branch for each item."""
        kind = self.random.choice(["add", "mul", "concat", "split"])
        use = self.random.choice(
            ["conv 1x1 (8+k)", "dwconv k", "dwconv 3 dilation=k", "slice 0 k", "linear (8*k)", self.word()]
        )
        branches = f"{{for: 'k in {self.items()}', do: '{use}'}}"
        if self.random.random() < 0.5:
            branches = f"['{self.word()}', {branches}]"
        return [f"{indent}- {kind}: {branches}", *self.beside(kind, indent)]

    def write_if(self, depth: int, indent: str) -> list[str]:
        """Write a body with its condition."""
        test = self.random.choice(["c > 8", "h == w", "true", "c % 2 == 0", "1", "i > 0", "n > 8", "c in [8, 16]"])
        lines = [f"{indent}- if: {test}", *self.body(f"{indent}  then:", depth, indent)]
        return [*lines, f"{indent}  else: {self.word()}"] if self.random.random() < 0.3 else lines

    def write_attend(self, depth: int, indent: str) -> list[str]:
        """Write attention of any queries, keys and values, with what stands beside them."""
        random = self.random
        inner = indent + "    "
        kept = random.choice(["identity", "linear 16", "linear (c)", self.word()])
        lines = [f"{indent}- attend:", f"{inner}queries: {kept}"]
        lines += [f"{inner}{key}: {random.choice([kept, kept, self.word()])}" for key in ("keys", "values")]
        if random.random() < 0.3:
            lines.append(
                f"{inner}scores: {random.choice(['softmax', 'linear c -> linear c', 'identity', self.word()])}"
            )
        lines.append(f"{indent}  heads: {random.choice(['1', '2', '4', '4', 'c', '3', '(c//4)', '0'])}")
        beside = {
            "kv": ("1", "2", "4"),
            "causal": ("true", "true", "false"),
            "window": ("4", "8", "1"),
            "over": ("positions", "channels"),
            "position": ("relative", "64", "n"),
            "cache": ("8", "(c)"),
        }
        lines += [
            f"{indent}  {key}: {random.choice(values)}" for key, values in beside.items() if random.random() < 0.15
        ]
        return lines

    def write_join(self, kind: str, indent: str) -> list[str]:
        """Write a join of branches, and what may stand beside it."""
        random = self.random
        count = 2 if kind in ("split", "matmul") else random.choice([2] * 20 + [3] * 6 + [1])
        branches = [f"{indent}    - {'nothing' if random.random() < 0.05 else self.word()}" for _ in range(count)]
        return [f"{indent}- {kind}:", *branches, *self.beside(kind, indent)]

    def beside(self, kind: str, indent: str) -> list[str]:
        """Write what may stand beside a join."""
        random = self.random
        lines = []
        if kind == "split" and random.random() < 0.5:
            sizes = random.choice(["[8, rest]", "[c//2, c//2]", "[rest, 4]", "[c/4, rest]", "[1, 1]", "[rest, rest]"])
            lines.append(f"{indent}  sizes: {sizes}")
        if kind == "split" and random.random() < 0.5:
            lines.append(f"{indent}  join: {random.choice(['add', 'mul', 'concat', 'sub'])}")
        if kind == "concat" and random.random() < 0.2:
            lines.append(f"{indent}  along: {random.choice(['positions', 'positions', 'channels', 'x'])}")
        return lines

    def word(self) -> str:
        """Write a step of a pipeline: a layer, a block, a name given or taken."""
        random = self.random
        chance = random.random()
        if chance < 0.12:
            self.names.append(f"t{len(self.names)}")
            return f"{self.layer()} -> as {self.names[-1]}"
        if chance < 0.2 and self.names:
            return f"from {random.choice(self.names)}"
        if chance < 0.22 and self.lists:
            return f"from {random.choice(self.lists)}{random.choice(['[0]', '[1]', '[7]', ''])}"
        if chance < 0.35 and self.blocks:
            return self.call()
        return random.choice(self.world.safe) if random.random() < 0.75 else self.layer()

    def call(self) -> str:
        """Write the use of a block, and names for what it gives."""
        random = self.random
        times = random.choice(["", "", "", "2x ", "(c//8)x ", "100x "])
        name = random.choice(list(self.blocks))
        words = random.choice(self.blocks[name] if random.random() < 0.95 else ("16", "", "stride=2", "x y"))
        while "TENSOR" in words:
            lists = [*self.lists, f"[{', '.join(random.choices(self.names or ['stem'], k=2))}]"]
            word = random.choice(lists) if "TENSORS" in words else random.choice([*self.names, "stem"])
            words = words.replace("TENSORS" if "TENSORS" in words else "TENSOR", word, 1)
        called = f"{times}{name} {words}".strip()
        if name not in self.several or random.random() < 0.1:
            return called
        if random.random() < 0.5:
            self.lists.append(f"m{len(self.lists)}")
            return f"{called} -> as {self.lists[-1]} -> from {self.lists[-1]}[0]"
        given = [f"t{len(self.names) + place}" for place in range(random.choice([2, 2, 2, 1, 3]))]
        self.names += given
        return f"{called} -> as {' '.join(given)} -> from {given[0]}"

    def layer(self) -> str:
        """Write a layer with its arguments, and some of its options."""
        random = self.random
        kind = LAYERS[random.choice(self.world.common) if random.random() < 0.6 else random.choice(list(LAYERS))]
        words = [kind.name]
        for field in kind.fields:
            if field.positional:
                words.append(self.value(field.name))
            elif random.random() < 0.2 or (field.name == "stride" and "pool" in kind.name):
                words.append(field.name if field.is_flag else f"{field.name}={self.value(field.name)}")
        return " ".join(words)

    def value(self, name: str) -> str:
        """Write the value of an argument or option, by its name where values have a form of their own."""
        random = self.random
        if random.random() < 0.015:
            return random.choice(EXTREMES)
        usual = {
            "kernel": ("1x1", "3x3", "3", "1x7", "2x2", "5x5", "7"),
            "channels": ("8", "16", "32", "c", "(2*c)", "(c//2)", "64"),
            "hidden": ("8", "16", "32", "c"),
            "vocabulary": ("2", "100", "50257", "n"),
            "shape": ("16", "c x n", "16x20", "1 x n", "c", "16 x l", "c x h x w", "16x1x1"),
            "stride": ("1", "2", "2", "3", "2x1"),
            "pad": ("0", "1", "valid", "tf_same", "(0,1,0,1)", "1x2"),
            "heads": ("1", "2", "4"),
            "kv": ("1", "2", "4"),
            "head_dim": ("4", "8", "64"),
            "window": ("2", "4", "7"),
            "shift": ("0", "1", "2"),
            "position": ("none", "relative", "learned", "rotary"),
            "qk_norm": ("none", "ln", "rmsnorm"),
            "bias": ("qkvo", "qkv", "o", "none"),
            "along": ("height", "width", "positions", "channels"),
            "start": ("0", "1", "8"),
            "stop": ("1", "8", "16", "c", "n"),
            "mode": ("nearest", "bilinear"),
            "pos": ("learned", "none"),
            "output": ("1", "2", "7", "1x1"),
        }
        return random.choice(usual.get(name, ("1", "2", "4", "c", self.number())))

    def number(self) -> str:
        """Write a number or an expression."""
        if self.random.random() < 0.5:
            return str(self.random.choice([0, 1, 2, 3, 8, 100, 10**6]))
        left = self.random.choice(["c", "h", "w", "n", "l", "2", "7", *["i"] * self.index * 3])
        right = self.random.choice(["c", "2", "3", "0.5", "n", *["i"] * self.index])
        return f"({left}{self.random.choice(['+', '-', '*', '/', '//', '%', '**'])}{right})"
