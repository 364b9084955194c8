"""Cases for the fuzz harness: a command line and the files that it reads, made from a seed.

Three sources of specs: a grammar of the language, mutations of it and of the bundled specs, and noise. Commands,
options and layer kinds are read from the program itself, so that a new one is tried without a word here.
"""

from __future__ import annotations

import re
from functools import cache
from random import Random
from typing import Any, NamedTuple

import typer.main
from fuzz_grammar import EXTREMES, Grammar

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
    keys += " matmul along positions sizes rest join nothing end attend queries keys values scores heads kv causal over"
    more = "aside if then else repeat body as from identity auto if_same cin c h w true false first(stride=2) -> 3x"
    more += " for do in all i l n t embed lstm 2x: (n, width) [0] outputs: learned transpose"
    words = {word for text in bundled() for word in text.split()}
    return tuple(sorted({*words, *keys.split(), *more.split(), *LAYERS}))


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
    "assume": (
        *("H%32==0", "H%32==0,W%7==0", "H>=16,W>=16", "L>=32", "L%8==0,L>=8", "C%8==0", "C>=16", "H%4==0,H%6==0"),
        *("x%0==0", "H==1", "H%H==0", "H>=9223372036854775808", "L%8==3", "H<4"),
    ),
    "symbol": ("classes", "channels", "C", "H", "n"),
    "only": ("conv", "linear,bn", "relu", "nothing", ","),
    "sort": ("macs", "params", "activations", "name"),
    "columns": (
        *("op", "pad", "receptive_field,jump,start", "start", "nothing", "op,op", "layer,output,params,macs"),
        *("params,macs", "memory", "elements"),
    ),
    "at": ("layer1", "own0", "own0.1", "0", "conv", "nothing", "layer2.1-3", "", ".", "residual"),
    "count_like": ("thop", "fvcore", "ptflops", "torchinfo", "nothing"),
    "match": ("weights", "params", "macs", "activations", "memory", "flops"),
    "ignore": ("dead-branch", "all", "nothing", ","),
    "device": ("a100", "100GFLOPS,20GB/s", "0GFLOPS,0GB/s", "x", "1e400FLOPS,1B/s"),
    "dtype": ("fp32", "fp16", "int8", "int4"),
    "optimizer": ("sgd", "momentum", "adam", "x"),
    "figure": ("4.11G", "25.6M", "25,636,712", "4089184256", "25.6", "0", "-1", "1e400", "G", "3.8 GFLOPs", "9" * 5000),
    "kind": ("conv", "Conv", "attention", "nothing", "cost", "receptive", "roofline", "width", "library"),
    "attention": ("fused", "plain", "x"),
    "unit": ("macs", "flops", "x"),
    "past": ("3", "P", "0", "L", "-1", "10000000000", "x"),
    "family": ("ResNet", "resnet", "nothing"),
    "max_macs": ("400M", "1", "x"),
    "max_params": ("3M", "0", "x"),
    "call": ("width=8", "x", "=", "a=[1, 2],b=None"),
    "model": ("nowhere_at_all:net", "spec.yaml:Net", "net.py:Net", "net", ":", "a.b:c", "resnet50", "spec.yaml"),
    "vary": (
        *("side=8:32:8", "channels=16:64:16", "H=8:16", "L=4,8,15", "batch=1,2,8", "classes=10,100", "depth=0:4"),
        *("width=0.25:1:0.25", "stages[0]=1:2", "stages[9]=1", "in_channels=16,32", "side=0:3", "side=1:100000000000"),
        *("x=1", "side=2:1", "side", "=", "side=1:2:0", "channels=C", "n=1,2,3", "stride=1,2", "side=7,7"),
    ),
    "keep": ("macs < 300M", "params < 1M and macs > 1k", "side % 2 == 0", "x < 1", "macs <", "1/0 < macs"),
    "pareto": ("params,macs", "macs", "x", "params,params", "memory,macs"),
    "minimize": ("params", "macs", "memory", "x"),
    "maximize": ("params", "activations", "x"),
    "shard": ("1/3", "3/3", "4/3", "0/1", "x", "1/1000000"),
    "save": ("saved.yaml", "no/saved.yaml", "-"),
    "own": (SPEC, "resnet18", "nothing"),
    "rule": ("thop", "flops", "fvcore", SPEC),
    "numbers": ("params", "shapes", "none", "macs,params", "x"),
    "theme": ("light", "dark", "print", "x"),
    "output": ("out.csv", "out.json", "out.md", "out.tex", "out.svg", "no/out.csv", ".", "-"),
    "format": ("table", "text", "csv", "tsv", "json", "markdown", "latex", "python", "html", "svg", "mermaid", "dot"),
}
"""Values of options and arguments by name, right and wrong; one that is not here takes any of them."""
WHOLE = ("1", "2", "3", "8", "64", "0", "-1", "9223372036854775808", "x")
SMALL_NETWORKS = ("alexnet", "resnet18", "squeezenet1_1", "mobilenet_v2", "vgg11")


SLOW_COMMANDS = {"list": 0.005, "rules": 0.2, "layers": 0.1, "import": 0.1, "verify": 0.2}
"""How often a command is run, where it is not as often as others: it reads the whole library, or no spec.

What asks for a model of PyTorch has only names of none, so that PyTorch is not imported.
"""
SYMBOLS = re.compile(r"input:.*\b[A-Z]\b|:\s.*\b[CHWLN] x|x [HWL]\b")


def command_line(random: Random, files: dict[str, str]) -> list[str]:
    """Write a command line: a command of the program with its arguments and some of its options."""
    names = list(commands())
    name = random.choices(names, [SLOW_COMMANDS.get(name, 1) for name in names])[0]
    words = [name]
    options: list[str] = []
    for parameter in commands()[name].params:
        if parameter.param_type_name == "argument":
            words += arguments(random, name, parameter, files)
        elif parameter.name not in ("help", "exit_zero") and random.random() < likely(name, parameter, files):
            flag = max(parameter.opts, key=len)
            for _ in range(random.choice([1, 1, 2]) if parameter.multiple else 1):
                options += [flag] if parameter.is_flag else [flag, value(random, parameter)]
    if name == "plot" and "--format" not in options:
        options += ["--format", "csv"]  # a picture takes matplotlib, whose import alone takes a second
    if any(word.split()[0] in block_files() for word in words[1:] if word.strip()) and random.random() < 0.7:
        options += ["--channels", random.choice(["16", "64", "128"])]
    if random.random() < 0.02:
        options.append(random.choice(["--bogus", "--", "--format", "-x", ""]))
    return [*words, *options]


def likely(command: str, parameter: Any, files: dict[str, str]) -> float:
    """Tell how often an option is given: one that a command needs nearly always, what is known of symbols for those."""
    if parameter.required:
        return 0.98
    return 0.5 if parameter.name == "assume" and SYMBOLS.search(files[SPEC]) else 0.1


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
