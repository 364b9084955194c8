"""What bneck costs, side by side with the floor of Python and its libraries, in one run: ``python tests/benchmark.py``.

Whole commands are run in turn (A B A B ...) and reported by their medians and the ratio; nothing is asserted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SPEC = ROOT / "specs" / "resnet50.yaml"
FLOOR_CSV = "import typer, yaml"
FLOOR_TABLE = """
import typer, yaml, rich.console, rich.table
table = rich.table.Table()
for name in {header!r}:
    table.add_column(name)
for row in range({rows}):
    table.add_row(*["conv"] * {columns})
rich.console.Console(width=160).print(table)
"""


def whole(command: list[str]) -> tuple[float, float]:
    """Run a process; give its wall time in seconds and its peak memory in MB."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def beside(label: str, ours: list[str], floor: list[str], runs: int) -> None:
    """Print the medians of two commands run in turn, and their ratio."""
    whole(ours), whole(floor)
    pairs = [(whole(ours), whole(floor)) for _ in range(runs)]
    first, second = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
    memory = max(pair[0][1] for pair in pairs)
    ratio = statistics.median(pair[0][0] / pair[1][0] for pair in pairs)
    print(f"{label}: {first * 1e3:.0f} ms, the floor {second * 1e3:.0f} ms, ratio {ratio:.2f}; peak {memory:.0f} MB")


def best(call: object, runs: int = 7) -> float:
    """Give the median time of a call in milliseconds."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()  # type: ignore[operator]
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def in_process() -> None:
    """Print times from text to report inside one process, and how they grow."""
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.engine.settings import read_settings
    from bneck_cli.language.document import Source
    from bneck_cli.language.library import load, resolve
    from bneck_cli.questions.analyze import report

    fifty, long = (
        best(lambda name=name: list(report(analyze_program(load(name))).parts())) for name in ("resnet50", "resnet152")
    )
    print(f"text to report: ResNet-50 {fifty:.1f} ms, ResNet-152 {long:.1f} ms, ratio {long / fifty:.2f}")
    symbolic = best(lambda: analyze_program(load("resnet50"), read_settings(input="3xHxW")))
    print(f"ResNet-50 with symbols: {symbolic:.1f} ms")

    def repeated(times: int) -> float:
        text = f"input: 64 x 8 x 8\nblocks:\n  block(): conv 3x3 64 -> bn -> relu\nnet: {times}x block\n"
        return best(lambda: analyze_program(resolve(Source("benchmark", text))))

    few, many = repeated(2), repeated(1_000_000)
    print(f"a block 2 times {few:.2f} ms, 1,000,000 times {many:.2f} ms, ratio {many / few:.2f}")


def growth() -> None:
    """Print how a network of different layers grows, each size in a process of its own."""
    seconds = {}
    for layers in (10_000, 100_000):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", delete=False) as file:
            lines = [f"  - conv 3x3 {16 + index % 977}" for index in range(layers)]
            file.write("input: 3 x 8 x 8\nnet:\n" + "\n".join(lines) + "\n")
        try:
            code = "import sys; from bneck_cli import analyze; analyze(sys.argv[1])"
            seconds[layers], memory = whole([sys.executable, "-c", code, file.name])
        finally:
            Path(file.name).unlink()
        print(f"{layers:,} different layers: {seconds[layers]:.2f} s, peak {memory:.0f} MB")
    print(f"10 times the layers, {seconds[100_000] / seconds[10_000]:.1f} times the time")


def main() -> None:
    """Run every comparison; ``--quick`` takes fewer runs."""
    runs = 5 if "--quick" in sys.argv else 15
    from bneck_cli.engine.analysis import analyze_program
    from bneck_cli.language.library import load
    from bneck_cli.questions.analyze import table
    from bneck_cli.questions.rows import View, shown_rows

    analysis = analyze_program(load(str(SPEC)))
    shown = table(analysis, View(), shown_rows(analysis, View())[0])
    header = [column.title for column in shown.columns]
    floor = FLOOR_TABLE.format(header=header, rows=len(shown.rows), columns=len(header))
    command = Path(sys.executable).with_name("bneck")
    ours = [str(command), "analyze", str(SPEC)]
    beside(f"table of {len(shown.rows)} rows", ours, [sys.executable, "-c", floor], runs)
    beside("csv", [*ours, "--format", "csv"], [sys.executable, "-c", FLOOR_CSV], runs)
    in_process()
    growth()


if __name__ == "__main__":
    main()
