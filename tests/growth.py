"""How time grows with a spec, row by row: ``python tests/growth.py [WORD ...] [--sizes 1000,10000,100000]``.

Each row is a kind of spec and a command; each size is run in a process of its own, within 60 s and 4 GB, and its time
is the processor's for the command alone, after a small spec of the same kind has brought the modules in. Ten times the
size is to take at most twelve times the time. Words choose the rows that have one of them in their name. Nothing is
asserted.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SIZES = (1_000, 10_000, 100_000)
COLLIDE = 2**61 - 1
"""Python's integers hash to themselves modulo this number: its multiples, a small number added, share one hash."""

CHILD = """
import contextlib, gc, os, resource, sys, time
gc.disable()  # as the command does
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
from bneck_cli.cli import run
small, large, *words = sys.argv[1:]
sink = open(os.devnull, "w")
def once(file):
    sys.argv = ["bneck", *(word.replace("FILE", file) for word in words)]
    start = time.process_time()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        code = run()
    return code, time.process_time() - start
expected, _ = once(small)
code, seconds = once(large)
print(code == expected, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


class Curve(NamedTuple):
    """A kind of spec that grows with one number, and the words of the command that reads it as FILE."""

    name: str
    text: Callable[[int], str]
    command: str = "analyze FILE --format csv"


def net(steps: Iterable[str], head: str = "input: 8 x 8 x 8\n") -> str:
    """Write a network of one step a line."""
    return head + "net:\n" + "".join(f"  - {step}\n" for step in steps)


def _block(parameters: str, body: str, steps: Iterable[str]) -> str:
    return net(steps, f"input: 8 x 8 x 8\nblocks:\n  b({parameters}): {body}\n")


def _line(n: int) -> str:
    return "input: 8 x 8 x 8\nnet: " + " -> ".join(["relu"] * n) + "\n"


def _long_key(key: str, body: str, step: str) -> str:
    """Write a block whose signature is long: YAML takes a key of more than 1,024 characters only behind a `?`."""
    return f'input: 8 x 8 x 8\nblocks:\n  ? "{key}"\n  : {body}\nnet: {step}\n'


def _options(n: int) -> str:
    words = " ".join(f"p{index}=1" for index in range(n))
    parameters = ", ".join(f"p{index}=2" for index in range(n))
    return _long_key(f"b({parameters})", "relu", f"b {words}")


def _long_form(n: int) -> str:
    parameters = ", ".join(f"p{index}=2" for index in range(n))
    return _long_key(f"b({parameters})", "relu", f"{{b: {{{', '.join(f'p{index}: 1' for index in range(n))}}}}}")


def _parameters(n: int) -> str:
    parameters = ", ".join(f"p{index}={index}" for index in range(n))
    return _long_key(f"b({parameters})", "conv 1x1 p0+8", "b")


def _arguments(n: int) -> str:
    parameters = ", ".join(f"p{index}" for index in range(n))
    return _long_key(f"b({parameters})", "relu", f"b {'1 ' * n}")


def _named(n: int) -> str:
    return net(f"conv 1x1 8 -> as t{index} -> 2x relu" for index in range(n))


def _taken(n: int) -> str:
    return net([*(f"conv 1x1 8 -> as t{index}" for index in range(n)), *(f"from t{index}" for index in range(n))])


def _branches(n: int) -> str:
    return "input: 8 x 8 x 8\nnet:\n  - concat:\n" + "".join(f"      - conv 1x1 {1 + i % 9}\n" for i in range(n))


def _residuals(n: int) -> str:
    return net("residual: conv 3x3 8" for _ in range(n))


def _blocks(n: int) -> str:
    lines = "".join(f"  b{index}(channels): conv 1x1 channels\n" for index in range(n))
    return f"input: 8 x 8 x 8\nblocks:\n{lines}net:\n" + "".join(f"  - b{index} 8\n" for index in range(n))


def _unlike(n: int) -> str:
    return net(f"conv 3x3 {8 + index % 977}" for index in range(n))


def _collisions(n: int) -> str:
    return _block("k", "relu", (f"b {8 + index * COLLIDE}" for index in range(n)))


def _copies(n: int) -> str:
    return f"input: 8 x 8 x 8\nblocks:\n  b(): conv 3x3 8 -> bn -> relu\nnet: {n}x b\n"


PARSER = (
    Curve("options of a step", _options),
    Curve("options of a step in the long form", _long_form),
    Curve("options that a layer does not know", lambda n: net(["conv 3x3 8 " + " ".join(f"p{i}=1" for i in range(n))])),
    Curve("parameters of a signature", _parameters),
    Curve("arguments of a step", _arguments),
    Curve("spaces inside input:", lambda n: f"input: 3{' ' * n}y\nnet: relu\n"),
    Curve("spaces around input:", lambda n: f'input: "8 x{" " * n}8 x 8{" " * n}"\nnet: relu\n'),
    Curve("spaces inside a key", lambda n: _long_key(f"b{' ' * n}q", "relu", "relu")),
    Curve("spaces in a condition", lambda n: f"input: 8 x 8 x 8\nnet: conv 1x1 ({' ' * min(n, 900)}8)\n"),
    Curve("a name in a message", lambda n: f"input: 8 x 8 x 8\nnet: {'r' * n}\n"),
    Curve("digits of a number", lambda n: f"input: 8 x 8 x 8\nnet: conv 1x1 {'9' * n}\n"),
    Curve("digits of a figure", lambda n: f"input: 8 x 8 x 8\nnet: relu\nexpect:\n  params: {'9' * n}\n", "check FILE"),
    Curve("steps in a line", _line),
    Curve("steps in a list", lambda n: net(["relu"] * n)),
    Curve("an unknown step among many blocks", lambda n: _blocks(n).rstrip() + "\n  - b00 8\n"),
)
WALK = (
    Curve("different layers", _unlike),
    Curve("named tensors and repeats", _named),
    Curve("tensors taken by name", _taken),
    Curve("branches of one join", _branches),
    Curve("residuals", _residuals),
    Curve("blocks", _blocks),
    Curve("uses of a block with arguments that collide", _collisions),
    Curve("copies", _copies),
    Curve(
        "copies that each change the channels", lambda n: f"input: 8 x 8 x 8\nnet: {min(n, 10_000)}x conv 1x1 (c+1)\n"
    ),
)
KINDS = {
    "layers": _unlike,
    "branches": _branches,
    "wires": _taken,
    "residuals": _residuals,
    "blocks": _blocks,
    "copies": _copies,
}
COMMANDS = {
    "receptive": "analyze FILE --columns layer,receptive_field --format csv",
    "expand": "analyze FILE --expand --format csv",
    "table": "analyze FILE",
    "lint": "lint FILE",
    "footprint": "footprint FILE",
    "explain": "explain FILE",
    "check": "check FILE",
    "diff": "diff FILE resnet18",
}
QUESTIONS = tuple(
    Curve(f"{command}: {kind}", text, words) for command, words in COMMANDS.items() for kind, text in KINDS.items()
)
CURVES = (*PARSER, *WALK, *QUESTIONS)


def measure(curve: Curve, n: int) -> tuple[bool, float, float] | None:
    """Run a curve's command on a spec of size ``n``; None where it did not end.

    Return whether it ended as a small spec does (else it was refused), the seconds, and the peak in MB.
    """
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small.yaml", Path(folder) / "large.yaml"
        small.write_text(curve.text(3), encoding="utf-8")
        large.write_text(curve.text(n), encoding="utf-8")
        line = [sys.executable, "-c", CHILD, str(small), str(large), *curve.command.split()]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    alike, seconds, megabytes = done.stdout.split()
    return alike == "True", float(seconds), float(megabytes)


def main() -> None:
    """Print one line a curve: the time at each size, the growth of the last step, and the peak.

    A time in parentheses is that of a refusal.
    """
    words = [word for word in sys.argv[1:] if not word.startswith("--") and not word[0].isdigit()]
    sizes: tuple[int, ...] = SIZES
    if "--sizes" in sys.argv:
        sizes = tuple(int(size) for size in sys.argv[sys.argv.index("--sizes") + 1].split(","))
    print(f"{'':48}" + "".join(f"{size:>12,}" for size in sizes) + "   times   peak")
    for curve in CURVES:
        if words and not any(word in curve.name for word in words):
            continue
        line, last, times, peak = f"{curve.name:48}", None, "", ""
        for size in sizes:
            found = measure(curve, size)
            if found is None:
                line += f"{'no end':>12}"
                break
            alike, seconds, megabytes = found
            line += f"{seconds:>10.3f} s" if alike else f"{f'({seconds:.3f}) s':>12}"
            times = f"{seconds / last:8.1f}" if last else ""
            last, peak = seconds, f"{megabytes:5.0f} MB"
        print(line + times + peak, flush=True)


if __name__ == "__main__":
    main()
