"""Import every model of torchvision and timm, and say what the language holds.

It is a script and no test, for it takes half an hour:

    python tests/import_models.py run results.csv [--source torchvision|timm] [--slice 0:200] [--only NAME,...]
    python tests/import_models.py show results.csv

A row for each model: verified, outside (with what is), wrong (the spec that was found is not the model), or failed.
Models that are in the file already are left out, so a run that was cut off goes on.
"""

from __future__ import annotations

import argparse
import csv
import re
import signal
import sys
import time
import warnings
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bneck_cli.bridges.calls.target import made as built
from bneck_cli.bridges.calls.target import usual_input
from bneck_cli.bridges.importing import graph_of, outside, spec_of
from bneck_cli.errors import BneckError

FIELDS = ("source", "model", "outcome", "seconds", "lines", "layers", "what")
SECONDS = 120
INPUTS = {"inception_v3": (3, 299, 299), "swin_v2": (3, 256, 256)}
"""Of torchvision, whose models do not say which input they are made for."""


class TookTooLongError(Exception):
    """A model that takes longer than anybody waits."""


def names(source: str) -> list[str]:
    """List the models of a package."""
    if source == "timm":
        import timm

        return list(timm.list_models())
    import torchvision.models

    return list(torchvision.models.list_models(module=torchvision.models))


def made(source: str, name: str) -> tuple[Any, tuple[int, ...]]:
    """Make a model without storage for its weights, and say which input it is made for."""
    if source == "timm":
        import timm

        model = built(lambda: timm.create_model(name))
        return model, usual_input(model)
    import torchvision.models

    model = built(lambda: torchvision.models.get_model(name))
    return model, next((size for part, size in INPUTS.items() if name.startswith(part)), usual_input(model))


def tried(source: str, name: str) -> dict[str, Any]:
    """Import one model."""
    start = time.perf_counter()
    row: dict[str, Any] = {"source": source, "model": name, "lines": "", "layers": "", "what": ""}
    signal.alarm(SECONDS)
    try:
        model, size = made(source, name)
        graph = graph_of(model, size, name)
        row["layers"] = len(graph.nodes)
        if graph.problems:
            row["outcome"] = "outside"
            row["what"] = " | ".join(sorted({kind(problem.message) for problem in graph.problems}))
            outside(graph, name)
        else:
            imported = spec_of(graph, name)
            row["outcome"], row["lines"] = "verified", imported.text.count("\n")
    except BneckError as error:
        row["outcome"] = "wrong" if "is not the model" in error.message else "failed"
        row["what"] = " ".join(f"{error.message} {error.hint}".split())[:300]
    except TookTooLongError:
        row["outcome"] = "too long"
    except Exception as error:  # noqa: BLE001  (a traceback is a finding)
        row["outcome"], row["what"] = "traceback", f"{type(error).__name__}: {error}"[:300]
    finally:
        signal.alarm(0)
    row["seconds"] = f"{time.perf_counter() - start:.2f}"
    return row


def kind(message: str) -> str:
    """Leave numbers and names of layers out of a message."""
    return re.sub(r"\d[\d,×x.]*", "N", re.sub(r"`attention[^`]*`", "`attention ...`", message))[:110]


def run(arguments: argparse.Namespace) -> None:
    """Try models, one after the other, and add their rows to a file."""
    path = Path(arguments.file)
    done = {(row["source"], row["model"]) for row in rows(path)}
    signal.signal(signal.SIGALRM, _late)
    warnings.simplefilter("ignore")
    first, _, last = (arguments.slice or ":").partition(":")
    chosen = names(arguments.source)[int(first or 0) : int(last) if last else None]
    if arguments.only:
        chosen = arguments.only.split(",")
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        if not done and path.stat().st_size == 0:
            writer.writeheader()
        for name in chosen:
            if (arguments.source, name) not in done:
                writer.writerow(tried(arguments.source, name))
                file.flush()


def _late(*_: object) -> None:
    raise TookTooLongError


def rows(path: Path) -> list[dict[str, str]]:
    """Read what was found so far."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def show(arguments: argparse.Namespace) -> None:
    """Print the figures: outcomes, lines of specs, and what is outside the language, by the models that it hurts."""
    found = rows(Path(arguments.file))
    for source in sorted({row["source"] for row in found}):
        outcomes = Counter(row["outcome"] for row in found if row["source"] == source)
        print(f"{source}: {sum(outcomes.values())} models: {dict(outcomes)}")
    lines = sorted(int(row["lines"]) for row in found if row["lines"])
    if lines:
        print(
            f"lines of a spec: median {median(lines):.0f}, 90 % under {lines[len(lines) * 9 // 10]}, most {lines[-1]}"
        )
    seconds = [float(row["seconds"]) for row in found]
    print(f"seconds a model, with its making: median {median(seconds):.2f}, most {max(seconds):.1f}")
    hurts, alone = Counter(), Counter()
    for row in found:
        if row["outcome"] == "outside":
            kinds = row["what"].split(" | ")
            hurts.update(kinds)
            alone.update(kinds if len(kinds) == 1 else ())
    print("\noutside the language: models, and those that it alone keeps outside")
    for what, count in hurts.most_common(60):
        print(f"{count:5}{alone[what]:5}  {what}")
    print("\nwrong, failed, tracebacks")
    for row in found:
        if row["outcome"] not in ("verified", "outside"):
            print(f"{row['outcome']:10} {row['model']}: {row['what']}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run")
    runs.add_argument("file")
    runs.add_argument("--source", default="timm", choices=("timm", "torchvision"))
    runs.add_argument("--slice")
    runs.add_argument("--only")
    runs.set_defaults(call=run)
    shows = commands.add_parser("show")
    shows.add_argument("file")
    shows.set_defaults(call=show)
    arguments = parser.parse_args()
    arguments.call(arguments)


if __name__ == "__main__":
    main()
