"""Run the tools that the counting rules follow on torchvision's networks, and print lines for ``data/tools.csv``.

Needs torch, torchvision, torchinfo, fvcore, ptflops, thop, torchprofile and calflops, which the tests do not. Run it as
``python tests/run_tools.py NETWORK ...``; ptflops 0.6 needs an environment of its own, with ``--tool ptflops_0_6``.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import sys
import warnings
from typing import Any

SIDES = {"inception_v3": 299, "efficientnet_b2": 288, "efficientnet_v2_s": 384, "swin_v2_t": 256}


def made(name: str) -> Any:
    """Make a network without its weights, as it is evaluated."""
    models = importlib.import_module("torchvision.models")
    options = {"googlenet": {"init_weights": False, "aux_logits": False}, "inception_v3": {"init_weights": False}}
    return getattr(models, name)(**options.get(name, {})).eval()


def counted(tool: str, model: Any, side: int) -> int:
    """Count a network with one tool, as its README says; ``side`` is that of the input's map."""
    torch = importlib.import_module("torch")
    x = torch.zeros(1, 3, side, side)
    if tool == "torchinfo":
        return int(importlib.import_module("torchinfo").summary(model, input_data=x, verbose=0).total_mult_adds)
    if tool == "fvcore":
        analysis = importlib.import_module("fvcore.nn").FlopCountAnalysis(model, x)
        return int(analysis.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False).total())
    if tool == "torchprofile":
        return int(importlib.import_module("torchprofile").profile_macs(model, x))
    if tool == "thop":
        return int(importlib.import_module("thop").profile(model, (x,), verbose=False)[0])
    if tool == "calflops":
        pipeline = importlib.import_module("calflops.calculate_pipline").CalFlopsPipline(model, False, 2.0)
        pipeline.start_flops_calculate()
        model(x)
        figure = int(pipeline.get_total_flops())
        pipeline.end_flops_calculate()  # or the next network is counted twice
        return figure
    if tool == "flopcounter":
        with importlib.import_module("torch.utils.flop_counter").FlopCounterMode(display=False) as counter:
            with torch.no_grad():
                model(x)
            return int(counter.get_total_flops())
    options = {"ptflops": {"backend": "pytorch"}, "ptflops_aten": {"backend": "aten"}}.get(tool, {})
    measure = importlib.import_module("ptflops").get_model_complexity_info
    return int(measure(model, (3, side, side), as_strings=False, print_per_layer_stat=False, **options)[0])


def main(words: list[str]) -> None:
    """Print ``network,tool,printed`` for each network and tool; one that fails says why on the error stream."""
    warnings.simplefilter("ignore")
    tools = ["calflops", "flopcounter", "fvcore", "ptflops", "ptflops_aten", "thop", "torchinfo", "torchprofile"]
    if words[:1] == ["--tool"]:
        tools, words = [words[1]], words[2:]
    for network in words:
        for tool in tools:
            quiet = io.StringIO()
            try:
                with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
                    figure = counted(tool, made(network), SIDES.get(network, 224))
            except Exception as error:  # noqa: BLE001  a tool may fail in any way; the others still count
                print(f"{network} {tool}: {type(error).__name__}: {error}", file=sys.stderr)
                continue
            print(f"{network},{tool},{figure}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
