"""Cases for the fuzz harness: a command line and the files that it reads, made from a seed.

Three sources of specs: a grammar of the language, mutations of it and of the bundled specs, and noise. Commands,
options and layer kinds are read from the program itself, so that a new one is tried without a word here.
"""

from __future__ import annotations

from functools import cache
from random import Random
from typing import Any, NamedTuple

import typer.main

from bneck_cli.cli import build
from bneck_cli.engine.layers import LAYERS
from bneck_cli.language.library import block_files, specs_folder

SPEC = "spec.yaml"
OTHER = "other.yaml"


class Case(NamedTuple):
    """What is run: the words of a command line, and the files in the folder that it runs in."""

    words: tuple[str, ...]
    files: dict[str, str]
    stdin: str = ""


def make_case(seed: int, index: int) -> Case:
    """Return the case of a seed and a number, the same each time."""
    random = Random(f"{seed}:{index}")
    files = {SPEC: spec_text(random)}
    if random.random() < 0.3:
        files[OTHER] = spec_text(random)
    return Case(tuple(command_line(random, files)), files, files[SPEC] if random.random() < 0.1 else "")


# Specs


@cache
def bundled() -> tuple[str, ...]:
    """Read the bundled specs that are short: a long one takes the time of ten."""
    paths = [*specs_folder().glob("*.yaml"), *(specs_folder() / "blocks").glob("*.yaml")]
    return tuple(text for path in sorted(paths) if len(text := path.read_text(encoding="utf-8")) < 1600)


@cache
def vocabulary() -> tuple[str, ...]:
    """Collect the words of the bundled specs and of the language."""
    keys = (
        "input net blocks outputs ops written include extends set expect residual shortcut add mul concat split scale"
    )
    keys += " matmul along positions sizes rest join nothing end"
    more = "aside if then else repeat body as from identity auto if_same cin c h w true false first(stride=2) -> 3x"
    words = {word for text in bundled() for word in text.split()}
    return tuple(sorted({*words, *keys.split(), *more.split(), *LAYERS}))


EXTREMES = (
    *("0", "-1", "1", "2", "7", "64", "1e9", "0.5", "1/3", "2**31", "2**64", "10**400", "9" * 30, "9" * 5000, "²", "٣"),
    *("''", "None", "nan", "inf", "_", "é", "\u202e", "\x1b[31m", "=1+1", "<b>", "C", "N", "c/7", "c//0", "(((", "%s"),
)
NOISE = "()[]{},:=->x0123456789/*%'\"\n \t#&!|é\0\r\x1b\u2028²-_.~`$^\\@?<>;+"


def spec_text(random: Random) -> str:
    """Write a spec: by the grammar, of the library, either of them mutated, or of any words."""
    chance = random.random()
    if chance < 0.50:
        return Grammar(random).document()
    if chance < 0.75:
        return mutated(random, Grammar(random).document())
    if chance < 0.80:
        return random.choice(bundled())
    if chance < 0.97:
        return mutated(random, random.choice(bundled()))
    words = " ".join(random.choices(vocabulary(), k=random.randint(1, 12)))
    return f"input: 8 x 16 x 16\nnet:\n  - {words}\n"


def mutated(random: Random, text: str) -> str:
    """Change a text in one to three places: characters, words, numbers, lines, or a piece of another spec."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        place = random.randrange(max(1, len(text)))
        lines = text.split("\n")
        words = text.split(" ")
        line = random.randrange(len(lines))
        match random.randrange(8):
            case 0:
                text = text[:place] + random.choice(NOISE) + text[place:]
            case 1:
                text = text[:place] + text[place + random.randint(1, 8) :]
            case 2:
                text = "\n".join([*lines[:line], *lines[line + 1 :]])
            case 3:
                text = "\n".join([*lines[:line], *[lines[line]] * random.choice([2, 2, 3, 40]), *lines[line + 1 :]])
            case 4:
                words[random.randrange(len(words))] = random.choice(vocabulary())
                text = " ".join(words)
            case 5:
                words[random.randrange(len(words))] = random.choice(EXTREMES)
                text = " ".join(words)
            case 6:
                digits = [index for index, character in enumerate(text) if character.isdigit()]
                if digits:
                    at = random.choice(digits)
                    text = text[:at] + random.choice(EXTREMES) + text[at + 1 :]
            case _:
                other = random.choice(bundled())
                start = random.randrange(len(other))
                text = text[:place] + other[start : start + random.randint(1, 80)] + text[place:]
    return text


SAFE = (
    "conv 3x3 16",
    "conv 1x1 16",
    "conv 3x3 c",
    "dwconv 3x3",
    "bn",
    "relu",
    "silu",
    "identity",
    "maxpool 3x3 stride=1 pad=1",
)
"""Steps that keep a map of 16 channels, so that most networks are right."""
SIGNATURES = (
    ("channels=16", "conv 3x3 channels", ("", "16", "16", "32")),
    ("channels=16, stride=1", "conv 3x3 channels stride=stride", ("", "16", "16 stride=2")),
    ("channels=16, width=channels/4", "conv 1x1 width -> conv 3x3 channels", ("16", "16 width=3", "channels=16")),
    ("channels=16, act=relu", "conv 3x3 channels -> act", ("", "act=silu", "16 act=gelu")),
    ("n=2", "repeat: n\n      body: conv 3x3 16", ("", "3", "n=12")),
    ("tap", "add: [identity, from tap]", ("TENSOR",)),
    ("", "relu", ("",)),
    ("unused=1", "relu", ("", "2")),
)


class Grammar:
    """Writes documents that are mostly right: every key, structure and layer kind, names that cross chains."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.names: list[str] = []
        self.blocks: dict[str, tuple[str, ...]] = {}
        """The words that each block may take."""

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
        definitions = []
        for index in range(random.choice([0, 0, 1, 2, 3])):
            names, self.names = self.names, []
            signature, first, takes = random.choice(SIGNATURES)
            definitions += [f"  own{index}({signature}):", f"    - {first}", *self.chain(2, "    ")]
            self.names = names
            self.blocks[f"own{index}"] = takes
        if definitions:
            lines += ["blocks:", *definitions]
        if random.random() < 0.15:
            out = random.choice(["[c, h, w]", "[c, 1, 1]", "[c]", "[c, h]", "[c*2, h//2, w]"])
            lines += ["ops:", f"  gem(p=3): {{out: {out}, params: {self.number()}, macs: c*p}}"]
            self.blocks["gem"] = ("", "p=2")
        net, last = random.choice([("net", ""), ("net", ""), ("net(classes=10)", "global_avgpool -> linear classes")])
        lines.append(f"{net}:")
        if "one" in self.names:
            lines.append("  - from one")
        lines += ["  - conv 3x3 16"] * (random.random() < 0.7)
        lines += [*self.chain(3, "  "), *([f"  - {last}"] if last else [])]
        if self.names and random.random() < 0.2:
            lines.append(f"outputs: [{', '.join(random.sample(self.names, random.randint(1, len(self.names))))}]")
        if random.random() < 0.1:
            lines += ["expect:", f"  params: {random.choice(['1', '1', '9' * 20, '1.5M'])}", "  origin: a paper"]
        return "\n".join(lines) + "\n"

    def shape(self) -> str:
        """Write an input: a map, now and then a sequence, a vector, a volume or symbols."""
        usual = ["16 x 16 x 16", "16 x 16 x 16", "16 x 16 x 16", "16 x 32 x 32", "16 x 8 x 8", "3 x 224 x 224"]
        rare = [
            "16 x 20",
            "16 x 20",
            "32",
            "8 x 1 x 1",
            "64 x 7 x 7",
            "16 x H x W",
            "16 x 1 x 1",
            "16 x 3 x 5",
            "3 x H x W",
            "N x 8 x 8",
            "8 x 4 x 4 x 4",
            "0 x 1 x 1",
            "1 x 1 x 999999999999",
            "C x L",
            "8 x 16 x",
        ]
        return self.random.choice(usual if self.random.random() < 0.85 else rare)

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
        inner = indent + "    "
        kind = random.choice(["residual", "scale", "aside", "repeat", "add", "mul", "concat", "split", "matmul", "if"])
        match kind:
            case "residual":
                shortcut = random.choice(["auto", "if_same", "identity", self.word()])
                return [f"{indent}- residual:", *self.chain(depth - 1, inner), f"{indent}  shortcut: {shortcut}"]
            case "repeat":
                times = random.choice(["1", "2", "3", "12", "0", "1000"])
                return [f"{indent}- repeat: {times}", f"{indent}  body:", *self.chain(depth - 1, inner)]
            case "if":
                test = random.choice(["c > 8", "h == w", "true", "c % 2 == 0", "1"])
                return [f"{indent}- if: {test}", f"{indent}  then:", *self.chain(depth - 1, inner)]
            case "add" | "mul" | "concat" | "split" | "matmul":
                count = 2 if kind in ("split", "matmul") else random.choice([2] * 20 + [3] * 6 + [1])
                branches = [f"{inner}- {'nothing' if random.random() < 0.05 else self.word()}" for _ in range(count)]
                return [f"{indent}- {kind}:", *branches, *self.beside(kind, indent)]
        return [f"{indent}- {kind}:", *self.chain(depth - 1, inner)]

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
            lines.append(f"{indent}  along: {random.choice(['positions', 'channels', 'x'])}")
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
        if chance < 0.35 and self.blocks:
            times = random.choice(["", "", "2x ", "(c//8)x ", "100x "])
            name = random.choice(list(self.blocks))
            words = random.choice(self.blocks[name] if random.random() < 0.95 else ("16", "", "stride=2", "x y"))
            if words == "TENSOR":
                words = random.choice([*self.names, "x"])
            return f"{times}{name} {words}".strip()
        return random.choice(SAFE) if random.random() < 0.75 else self.layer()

    def layer(self) -> str:
        """Write a layer with its arguments, and some of its options."""
        random = self.random
        common = ("conv", "conv", "bn", "relu", "linear", "maxpool", "global_avgpool", "dwconv", "identity", "flatten")
        kind = LAYERS[random.choice(common) if random.random() < 0.6 else random.choice(list(LAYERS))]
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
        if random.random() < 0.03:
            return random.choice(EXTREMES)
        usual = {
            "kernel": ("1x1", "3x3", "3", "1x7", "2x2", "5x5", "7"),
            "channels": ("8", "16", "32", "c", "(2*c)", "(c//2)", "64"),
            "stride": ("1", "2", "2", "3", "2x1"),
            "pad": ("0", "1", "valid", "tf_same", "(0,1,0,1)", "1x2"),
            "heads": ("1", "2", "4"),
            "window": ("2", "4", "7"),
            "position": ("none", "relative", "learned"),
            "mode": ("nearest", "bilinear"),
            "pos": ("learned", "none"),
            "output": ("1", "2", "7", "1x1"),
        }
        return random.choice(usual.get(name, ("1", "2", "4", "c", self.number())))

    def number(self) -> str:
        """Write a number or an expression."""
        if self.random.random() < 0.5:
            return str(self.random.choice([0, 1, 2, 3, 8, 100, 10**6]))
        left, right = self.random.choice(["c", "h", "w", "2", "7"]), self.random.choice(["c", "2", "3", "0.5"])
        return f"({left}{self.random.choice(['+', '-', '*', '/', '//', '%', '**'])}{right})"


# Command lines


@cache
def commands() -> dict[str, Any]:
    """Read the commands from the program, each with its parameters."""
    return dict(typer.main.get_command(build()).commands)  # type: ignore[attr-defined]


OPTIONS: dict[str, tuple[str, ...]] = {
    "input": ("3x32x32", "56x56", "3xHxW", "8x16", "16", "7x7", "NxNxN", "3x0x0", "3x1e3x2", "99999999x9999999"),
    "input_b": ("3x32x32", "8x8", "3xHxW"),
    "channels": ("16", "64", "256", "C", "0", "-1", "H", "1024", "3.5"),
    "in_channels": ("16", "64", "C", "0", "x"),
    "set": ("classes=5", "stride=2", "channels=32", "channels=C", "x", "width=0", "act=gelu", "=", "n=1000000"),
    "set_b": ("classes=5", "channels=32", "stride=2"),
    "assume": ("H%32==0", "H%32==0,W%7==0", "C%8==0", "x%0==0", "H==1", "H%H==0"),
    "symbol": ("classes", "channels", "C", "H", "n"),
    "only": ("conv", "linear,bn", "relu", "nothing", ","),
    "sort": ("macs", "params", "activations", "name"),
    "columns": ("op", "pad", "receptive_field,jump,start", "start", "nothing", "op,op", "layer,output,params,macs"),
    "at": ("layer1", "own0", "own0.1", "0", "conv", "nothing", "layer2.1-3", "", ".", "residual"),
    "count_like": ("thop", "fvcore", "ptflops", "torchinfo", "nothing"),
    "match": ("weights", "params", "macs", "activations", "memory", "flops"),
    "ignore": ("dead-branch", "all", "nothing", ","),
    "device": ("a100", "100GFLOPS,20GB/s", "0GFLOPS,0GB/s", "x", "1e400FLOPS,1B/s"),
    "dtype": ("fp32", "fp16", "int8", "int4"),
    "optimizer": ("sgd", "momentum", "adam", "x"),
    "figure": ("4.11G", "25.6M", "25,636,712", "4089184256", "25.6", "0", "-1", "1e400", "G", "3.8 GFLOPs", "9" * 5000),
    "kind": ("conv", "Conv", "attention", "nothing"),
    "rule": ("thop", "flops", "fvcore", SPEC),
    "numbers": ("params", "shapes", "none", "macs,params", "x"),
    "theme": ("light", "dark", "print", "x"),
    "output": ("out.csv", "out.json", "out.md", "out.tex", "out.svg", "no/out.csv", ".", "-"),
    "format": ("table", "text", "csv", "tsv", "json", "markdown", "latex", "python", "html", "svg", "mermaid", "dot"),
}
"""Values of options and arguments by name, right and wrong; one that is not here takes any of them."""
WHOLE = ("1", "2", "3", "8", "64", "0", "-1", "9223372036854775808", "x")
SMALL_NETWORKS = ("alexnet", "resnet18", "squeezenet1_1", "mobilenet_v2", "vgg11")


SLOW_COMMANDS = {"list": 0.005, "rules": 0.2, "layers": 0.1, "verify": 0}
"""How often a command is run, where it is not as often as others: it reads the whole library, no spec, or PyTorch."""


def command_line(random: Random, files: dict[str, str]) -> list[str]:
    """Write a command line: a command of the program with its arguments and some of its options."""
    names = list(commands())
    name = random.choices(names, [SLOW_COMMANDS.get(name, 1) for name in names])[0]
    words = [name]
    options: list[str] = []
    for parameter in commands()[name].params:
        if parameter.param_type_name == "argument":
            words += arguments(random, name, parameter, files)
        elif parameter.name not in ("help", "exit_zero") and random.random() < 0.1:
            flag = max(parameter.opts, key=len)
            options += [flag] if parameter.is_flag else [flag, value(random, parameter)]
    if any(word.split()[0] in block_files() for word in words[1:] if word.strip()) and random.random() < 0.7:
        options += ["--channels", random.choice(["16", "64", "128"])]
    if random.random() < 0.02:
        options.append(random.choice(["--bogus", "--", "--format", "-x", ""]))
    return [*words, *options]


def arguments(random: Random, command: str, parameter: Any, files: dict[str, str]) -> list[str]:
    """Write the words of an argument: specs, or what has values of its own."""
    name = parameter.name
    if name not in ("spec", "specs", "one", "other"):
        wanted = parameter.required or random.random() < 0.7
        return [value(random, parameter)] if wanted else []
    count = {"compare": random.choice([2, 2, 2, 3]), "draw": random.choice([1, 1, 2])}.get(command, 1)
    blocks = command in ("compare", "diff", "draw") and random.random() < 0.4
    return [block_word(random) if blocks else spec_word(random, files) for _ in range(count)]


def block_word(random: Random) -> str:
    """Write a bundled block, with words behind it now and then."""
    words = random.choice(("", "", "", " 64", " 256", " 64 stride=2", " stride=2", " 64 stride=0", " C", " 64 64"))
    return random.choice(list(block_files())) + words


def spec_word(random: Random, files: dict[str, str]) -> str:
    """Write what stands for a spec: a file, a block of it, standard input, a bundled name with words behind it."""
    chance = random.random()
    if chance < 0.7:
        return random.choice(list(files))
    if chance < 0.78:
        return f"{SPEC}:{random.choice(['own0', 'own1', 'bottleneck', 'basic', 'nothing'])}"
    if chance < 0.88:
        return block_word(random)
    if chance < 0.95:
        return random.choice(SMALL_NETWORKS)
    return random.choice(["-", "ResNet50", "resnet5", "", ".", "x.cfg", f"{SPEC}:", "spec.yaml:own0 16", "n" * 300])


def value(random: Random, parameter: Any) -> str:
    """Write a value of an option or argument: by its choices, its type or its name."""
    chance = random.random()
    choices = getattr(parameter.type, "choices", None)
    if choices and chance < 0.9:
        return str(random.choice(list(choices)))
    if chance < 0.04:
        return random.choice(EXTREMES).replace("\0", "")
    if "int" in parameter.type.name:
        return random.choice(WHOLE)
    pool = OPTIONS.get(parameter.name) or random.choice(list(OPTIONS.values()))
    return pool[0] if chance < 0.4 else random.choice(pool)
