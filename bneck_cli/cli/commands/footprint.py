"""``bneck footprint``."""

from typing import Annotated

import typer

from bneck_cli import completion
from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import analysed, check_format, flops, put, settings

GROUP = "Figures"
EXAMPLES = (
    "bneck footprint resnet50",
    "bneck footprint resnet50 --batch 32 --dtype fp16 --device a100",
    "bneck footprint llama3_8b --input 1x1 --past 8192 --batch 32 --dtype bf16,master=fp32 --device h100",
    "bneck footprint vit_b_16 --attention plain --recompute full",
    "bneck footprint vgg16 --layers --inplace",
    "bneck footprint my.yaml --device 100GFLOPS,20GB/s",
)


def command(
    spec: opt.Specification,
    input: opt.Input = None,
    channels: opt.Channels = None,
    set: opt.Set = None,
    batch: opt.Batch = 1,
    past: opt.Past = None,
    dtype: Annotated[
        str,
        typer.Option(
            metavar="TYPE[,PART=TYPE...]",
            help="fp64, fp32, fp16, bf16, fp8, int8 or int4; then types of parts (weights, activations, cache, "
            "gradients, master, state): bf16,master=fp32.",
            autocompletion=completion.precision,
        ),
    ] = "fp32",
    device: opt.Device = None,
    optimizer: Annotated[
        str,
        typer.Option(
            help="Optimizer for training: sgd, momentum, adam or adamw.", autocompletion=completion.OPTIMIZERS
        ),
    ] = "adam",
    attention: Annotated[
        str,
        typer.Option(
            help="Attention scores: fused (never written), plain, or usual (plain within windows).",
            autocompletion=completion.ATTENTIONS,
        ),
    ] = "usual",
    recompute: Annotated[
        str,
        typer.Option(
            help="What training recomputes instead of keeping: none, attention (its scores) or full (blocks).",
            autocompletion=completion.RECOMPUTE,
        ),
    ] = "none",
    inplace: Annotated[
        bool, typer.Option("--inplace", help="Activations overwrite their inputs, where PyTorch can.")
    ] = False,
    layers: Annotated[
        bool,
        typer.Option(
            "--layers",
            help="List every layer, not only stages; with --inplace, memory and weights as courses tabulate them.",
        ),
    ] = False,
    unit: opt.Unit = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Estimate memory, bytes moved and time, for inference and training."""
    from bneck_cli.engine.operations import operations
    from bneck_cli.errors import BneckError
    from bneck_cli.flow.saved import overwriting
    from bneck_cli.questions.footprint import footprint
    from bneck_cli.questions.footprint_report import report

    chosen = check_format(format, output)
    analysis = analysed(spec, settings(input, channels, values=set, batch=batch, past=past))
    if inplace and not layers and not overwriting(operations(analysis)):
        raise BneckError(f"--inplace: {analysis.name} has no activation that can write over what it takes")
    found = footprint(analysis, dtype, device, optimizer, attention, inplace, recompute)
    put(report(found, layers, flops(unit)), chosen, output)
