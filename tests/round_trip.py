"""Spec to PyTorch to spec: a table of all bundled networks, those that come back with the same totals, and why not.

python tests/round_trip.py [NAME ...]
"""

from __future__ import annotations

import sys

from bneck_cli.bridges.export.check import check_source, module_of
from bneck_cli.bridges.export.pytorch import source
from bneck_cli.bridges.importing import graph_of, spec_of
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.errors import BneckError
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, network_names, resolve


def round_trip(name: str) -> str:
    """Export a network, import its module, and compare the totals; return what became of it."""
    import torch

    analysis = analyze_program(load(name))
    try:
        found = source(analysis)
        check_source(analysis, found)
    except BneckError as error:
        return f"not exported: {error.message}"
    shapes = list(analysis.inputs.values())
    if len(shapes) > 1:
        return "exported; several inputs are not imported"
    with torch.device("meta"):
        module = module_of(found.text, found.name)(**found.arguments).eval()
    try:
        sizes = (int(shapes[0].channels), *map(int, shapes[0].spatial))
        back = spec_of(graph_of(module, sizes, "back"), name).text
        again = analyze_program(resolve(Source("back.yaml", back)))
    except BneckError as error:
        return f"exported; not imported: {' '.join([error.message, *error.trail[:1]])[:90]}"
    except (TypeError, RuntimeError) as error:
        return f"exported; not imported: {str(error).splitlines()[0][:90]}"
    same = (again.cost.params, again.macs) == (analysis.cost.inference_params, analysis.macs)
    return "the same" if same else "other totals"


def main() -> None:
    """Print the table."""
    counts: dict[str, int] = {}
    for name in sys.argv[1:] or network_names():
        became = round_trip(name)
        counts[became.split(":")[0]] = counts.get(became.split(":")[0], 0) + 1
        print(f"{name:28} {became}", flush=True)
    print(", ".join(f"{count} {what}" for what, count in counts.items()))


if __name__ == "__main__":
    main()
