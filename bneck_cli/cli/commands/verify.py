"""``bneck verify``."""

from typing import Annotated

import typer

from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put, settings

GROUP = "Bridges"
EXAMPLES = (
    "bneck verify resnet50 torchvision.models:resnet50",
    "bneck verify my.yaml mynet.py:Net --call width=32",
    "bneck verify vit_b_16 model.onnx",
)


def command(
    spec: opt.Specification,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model or a file, as for `bneck import`.")],
    call: opt.Call = None,
    input: opt.Input = None,
    set: opt.Set = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Compare a spec with a model, layer by layer: parameters, multiply-adds, shapes; exit 1 if they differ."""
    from bneck_cli.bridges.verify_report import report, verified
    from bneck_cli.language.library import load

    chosen = check_format(format, output)
    found = verified(load(spec), settings(input, values=set), model, call or [])
    put(report(found), chosen, output)
    if not found.compared.equal:
        raise typer.Exit(1)
