"""``bneck explain``."""

from bneck_cli.cli import options as opt
from bneck_cli.cli.edge import check_format, put, settings

GROUP = "Understanding"
EXAMPLES = ("bneck explain bottleneck --channels 256", "bneck explain resnet50 --at layer2")


def command(
    spec: opt.Specification,
    at: opt.At = None,
    input: opt.Input = None,
    channels: opt.Channels = None,
    in_channels: opt.InChannels = None,
    set: opt.Set = None,
    format: opt.Format = None,
    output: opt.Output = None,
) -> None:
    """Explain in words what a block or network does and why, with the arithmetic for every number."""
    from bneck_cli.language.library import load
    from bneck_cli.questions.explain import explain, report

    chosen = check_format(format, output)
    put(report(explain(load(spec), settings(input, channels, in_channels, set), at)), chosen, output)
