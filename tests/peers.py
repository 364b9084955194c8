"""bneck beside its peers, in one run: ``python tests/peers.py [NETWORK ...]``; nothing is asserted.

Needs torch, torchvision and the tools themselves, which the tests do not; one that is missing is said and skipped. Each
tool counts the same network as a whole process (start, imports, the network, the count: time and peak of memory) and
inside one (the network is there; the median of counts in a row). Then sweeps are set beside numpy written by hand and
a loop of analyses. Ratios are to bneck: how many times as long the other takes.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
NETWORKS = ("resnet50", "efficientnet_b7", "vit_b_16", "densenet201")
SIDES = {"efficientnet_b7": 600}
TOOLS = ("torchinfo", "fvcore", "ptflops", "thop", "calflops", "flopcounter on meta", "onnx-tool")
PATIENCE = 3.0
"""Seconds in which counts are repeated."""
MOST = 300
"""Seconds that a tool may take."""


# One tool


def counter(tool: str, network: str) -> Callable[[], int]:
    """Make what counts a network with one tool, the network being there."""
    from run_tools import counted, made

    side = SIDES.get(network, 224)
    if tool == "flopcounter on meta":
        import torch

        with torch.device("meta"):
            model, x = made(network), torch.zeros(1, 3, side, side)
        return lambda: _flops(model, x)
    if tool == "onnx-tool":
        return _onnx(made(network), side)
    model = made(network)
    return lambda: counted(tool, model, side)


def _flops(model: Any, x: Any) -> int:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counting, torch.no_grad():
        model(x)
    return int(counting.get_total_flops())


def _onnx(model: Any, side: int) -> Callable[[], int]:
    import onnx_tool
    import torch

    written = io.BytesIO()
    torch.onnx.export(model, (torch.zeros(1, 3, side, side),), written, dynamo=False)

    def count() -> int:
        import onnx

        found = onnx_tool.Model(onnx.load_from_string(written.getvalue()))
        found.graph.shape_infer()
        found.graph.profile()
        return int(found.graph.macs[0] if isinstance(found.graph.macs, (list, tuple)) else found.graph.macs)

    return count


def repeated(call: Callable[[], Any]) -> float:
    """Return the median of the seconds that calls in a row take; the first does not count."""
    call()
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < 3 or (time.perf_counter() - begun < PATIENCE and len(times) < 500):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def alone(tool: str, network: str, again: bool) -> None:
    """Count once in this process, and print the count; or in a row, and print the seconds, too."""
    warnings.simplefilter("ignore")
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        count = counter(tool, network)
        seconds = repeated(count) if again else 0.0
        figure = count()
    print(figure, seconds)


def whole(command: list[str]) -> tuple[float, float, str]:
    """Run a process; return its seconds, its peak of memory in MB, and what it printed; or raise its last words."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=nowhere.fileno())
        assert process.stdout is not None
        assert process.stderr is not None
        out, error = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError((error.decode().strip().splitlines() or ["no message"])[-1])
    return time.perf_counter() - start, usage.ru_maxrss / 1024, out.decode()


# Networks


def networks(names: list[str]) -> None:
    """Print a table for each network."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.language.library import load

    for name in names:
        program = load(name)
        ours = repeated(lambda program=program: analyze_program(program).macs)
        fresh = repeated(lambda name=name: analyze_program(load(name)).macs)
        command = [sys.executable, "-m", "bneck_cli", "analyze", name, "--format", "csv"]
        runs = [whole(command) for _ in range(3)]
        seconds, memory = statistics.median(run[0] for run in runs), max(run[1] for run in runs)
        print(f"\n{name}\n{'':22}{'whole process':>24}{'peak':>10}{'in process':>22}")
        print(f"{'bneck':22}{seconds * 1e3:>12,.0f} ms{'1.0x':>9}{memory:>7,.0f} MB{ours * 1e3:>11,.2f} ms{'1.0x':>8}")
        print(f"{'  from its text':22}{'':>41}{fresh * 1e3:>11,.2f} ms")
        for tool in TOOLS:
            script = [sys.executable, str(Path(__file__).resolve()), "--one", tool, name]
            try:
                once, peak, _ = whole(script)
                steady = float(whole([*script, "--again"])[2].split()[-1])
            except RuntimeError as error:
                print(f"{tool:22}  skipped: {str(error)[:90]}")
                continue
            print(
                f"{tool:22}{once * 1e3:>12,.0f} ms{once / seconds:>8,.1f}x{peak:>7,.0f} MB"
                f"{steady * 1e3:>11,.2f} ms{steady / ours:>7,.1f}x",
                flush=True,
            )


# Sweeps

FAMILIES = {
    "bottleneck (channels, width, side)": ("bottleneck", ("channels=4:400:4", "width=1:100", "side=1:100")),
    "ResNet-50 (side, classes)": ("resnet50", ("side=1:1000", "classes=1:1000")),
    "EfficientNet (width, depth, side)": (
        "efficientnet_b0",
        ("width=0.1:2:0.02", "depth=0.1:3.1:0.03", "side=32:544:5"),
    ),
    "Llama (heads, depth, mlp, length, past)": (
        "llama3_8b",
        ("heads=8:64:8", "depth=4:40:4", "mlp=1024:16384:1024", "L=128:2560:128", "past=0:3968:128"),
    ),
}  # fmt: skip


def by_hand(channels: Any, width: Any, side: Any) -> tuple[Any, Any]:
    """Work a bottleneck out as numpy written for it: parameters and multiply-adds."""
    convolutions = width * (2 * channels + 9 * width)
    return convolutions + 4 * width + 2 * channels, convolutions * side * side


def values(designs: Any, first: int, last: int) -> list[Any]:
    """Return the values of designs that are numbered so, an array for each axis."""
    columns = designs.columns(first, last)
    return [column * axis.above.step + axis.above.start for column, axis in zip(columns, designs.axes, strict=True)]


def sweeps() -> None:
    """Print how long a million designs take, beside numpy by hand where there is one, and a loop of analyses."""
    from bneck_cli.engine.analysis import analyze_plainly
    from bneck_cli.engine.settings import Settings
    from bneck_cli.language.library import load
    from bneck_cli.spaces.axes import grid, parse_axis
    from bneck_cli.spaces.space import BLOCK, Space

    print(
        f"\n{'a sweep':42}{'designs':>11}{'walks':>7}{'seconds':>9}{'numpy':>9}{'ratio':>7}{'a loop':>11}{'ratio':>11}"
    )
    for title, (name, texts) in FAMILIES.items():
        Space(load(name), Settings(), grid([parse_axis(texts[0])]), ("params", "macs")).block(0, 1)
        start = time.perf_counter()
        space = Space(load(name), Settings(), grid([parse_axis(text) for text in texts]), ("params", "macs"))
        count = sum(len(block.legal) for block in space.blocks())
        ours = time.perf_counter() - start
        hand, ratio = "", ""
        if name == "bottleneck":
            start = time.perf_counter()
            for first, last in space.designs.blocks(BLOCK):
                found = by_hand(*values(space.designs, first, last))
            taken = time.perf_counter() - start
            block = space.block(first, last)
            same = all((mine == block.totals[key]).all() for mine, key in zip(found, ("params", "macs"), strict=True))
            hand, ratio = f"{taken:.2f}" if same else "differs", f"{ours / taken:.1f}x"
        start, tried = time.perf_counter(), 0
        while time.perf_counter() - start < PATIENCE:
            design = space.designs.design(tried * 7919 % count, BLOCK)
            with contextlib.suppress(Exception):
                analyze_plainly(space.program, space.varied.settings(design))
            tried += 1
        loop = (time.perf_counter() - start) / tried * count
        print(f"{title:42}{count:>11,}{space.walks:>7}{ours:>9.2f}{hand:>9}{ratio:>7}", end="")
        print(f"{loop:>9,.0f} s{loop / ours:>10,.0f}x", flush=True)


def main(words: list[str]) -> None:
    """Run what is asked for; ``--sweeps`` is the sweeps alone."""
    if words[:1] == ["--one"]:
        alone(words[1], words[2], "--again" in words)
        return
    if "--sweeps" not in words:
        networks(words or list(NETWORKS))
    sweeps()


if __name__ == "__main__":
    main(sys.argv[1:])
