"""Spec to PyTorch or ONNX to spec: a table of all bundled networks, those that come back the same, and why not.

python tests/round_trip.py [--onnx] [NAME ...]
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bneck_cli.bridges.export.onnx.model import onnx_model
from bneck_cli.bridges.importing import graph_of, import_model, spec_of
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.engine.network import entries
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, network_names, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.engine.analysis import Analysis


class NotExportedError(Exception):
    """A network that the target does not hold."""


def by_pytorch(analysis: Analysis, name: str) -> str:
    """Export a network as source, run it, and import the module that it makes."""
    import torch

    from bneck_cli.bridges.export.pytorch.check import check_source, module_of
    from bneck_cli.bridges.export.pytorch.writer import source

    try:
        found = source(analysis)
        check_source(analysis, found)
    except BneckError as error:
        raise NotExportedError(error.message) from None
    shapes = list(analysis.inputs.values())
    if len(shapes) > 1:
        raise BneckError("several inputs")
    with torch.device("meta"):
        module = module_of(found.text, found.name)(**found.arguments).eval()
    sizes = (int(shapes[0].channels), *map(int, shapes[0].spatial))
    return spec_of(graph_of(module, sizes, "back"), name).text


def by_onnx(analysis: Analysis, name: str) -> str:
    """Export a network as a model, and import that."""
    try:
        content = onnx_model(analysis).content
    except BneckError as error:
        raise NotExportedError(error.message) from None
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.onnx"
        path.write_bytes(content)
        return import_model(str(path), [], None, opaque=False).text


def layers(analysis: Analysis) -> Counter[tuple[int, int]]:
    """Count the layers that have parameters or multiply-adds by how many of both they have."""
    found: Counter[tuple[int, int]] = Counter()
    for entry in entries(analysis.root, folded=False):
        cost = entry.layer.cost
        if not entry.idle and (cost.params or cost.macs):
            found[int(cost.params), int(cost.macs)] += 1
    return found


def round_trip(name: str, way: Callable[[Analysis, str], str] = by_pytorch) -> str:
    """Send a network there and back, and compare; return what became of it."""
    analysis = analyze_program(load(name))
    try:
        again = analyze_program(resolve(Source("back.yaml", way(analysis, name))))
    except NotExportedError as error:
        return f"not exported: {error}"
    except BneckError as error:
        return f"exported; not imported: {' '.join([error.message, *error.trail[:1]])[:160]}"
    except (TypeError, RuntimeError) as error:
        return f"exported; not imported: {str(error).splitlines()[0][:90]}"
    if (again.cost.params, again.macs) != (analysis.cost.inference_params, analysis.macs):
        mine, theirs = (analysis.cost.inference_params, analysis.macs), (again.cost.params, again.macs)
        return f"other totals: {mine} became {theirs}"
    return "the same" if layers(again) == layers(analysis) else "the same totals, of other layers"


def main() -> None:
    """Print the table."""
    counts: dict[str, int] = {}
    names = sys.argv[1:]
    way = by_onnx if "--onnx" in names else by_pytorch
    for name in [name for name in names if name != "--onnx"] or network_names():
        became = round_trip(name, way)
        counts[became.split(":")[0]] = counts.get(became.split(":")[0], 0) + 1
        print(f"{name:28} {became}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))


if __name__ == "__main__":
    main()
