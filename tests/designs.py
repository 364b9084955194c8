"""Random designs of bundled specs, each compared with an analysis of its own: ``python tests/designs.py [NAME ...]``.

Every number that a spec takes varies, and the input, sides near 2**32 among them; designs that are refused must be, and
with the same reason. ``--count 1000`` is how many of each. A line for each spec; exit 1 where one differs.
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from bneck_cli.budget import budget_of_its_own  # noqa: E402
from bneck_cli.engine.analysis import analyze_plainly  # noqa: E402
from bneck_cli.engine.settings import Settings, read_settings  # noqa: E402
from bneck_cli.errors import BneckError  # noqa: E402
from bneck_cli.language.expression import Number  # noqa: E402
from bneck_cli.language.library import as_network, load  # noqa: E402
from bneck_cli.sizes.number import divided, is_whole  # noqa: E402
from bneck_cli.spaces.axes import Axis, chosen  # noqa: E402
from bneck_cli.spaces.space import TOTALS, Space  # noqa: E402

NETWORKS = """
resnet18 resnet50 resnet50d resnetv2_50 wide_resnet50_2 resnext50_32x4d res2net50_26w_4s regnet_y_400mf
regnet_x_800mf efficientnet_b0 efficientnet_v2_s mobilenet_v1 mobilenet_v2 mobilenet_v3_small mnasnet0_5
shufflenet_v2_x0_5 squeezenet1_1 googlenet inception_v3 densenet121 vgg11_bn alexnet convnext_tiny swin_t
vit_b_32 unet dcgan_generator llama3_8b qwen2_7b lstm_lm poolformer_s12 convmixer_768_32 basic bottleneck
resnext inverted_residual mbconv se_bottleneck convnext encoder
gpt2_small fcos_resnet50_fpn raft_small segformer_b0 deeplabv3_resnet50 mamba_130m mixtral_8x7b wavenet sd15_unet
"""
"""Twenty-five classifiers, seven networks for other work, and eight blocks; then nine networks whose weights are shared
(three), whose maps are made to fit (two), with an op of their own, with experts, and of loops (two)."""
LARGE = 2**32
ASKED = {
    "inverted_residual": read_settings(in_channels="64"),
    "mbconv": read_settings(in_channels="64"),
    "encoder": read_settings(input="L"),
}


def about(value: int, chance: random.Random) -> tuple[int, ...]:
    """Choose values about one: its halves, its doubles and their neighbours in steps of it, and a few of any kind."""
    near = {max(1, value * times // 4) for times in (1, 2, 3, 4, 4, 5, 6, 8)} | {value}
    return tuple(sorted(near | {chance.randrange(1, 2 * value + 2) for _ in range(2)}))


def axes(name: str, chance: random.Random) -> list[Axis]:
    """Let all numbers of a spec vary about what they are, and its input."""
    program = load(name)
    found = []
    for parameter in as_network(program).parameters:
        value = parameter.default.value if isinstance(parameter.default, Number) else None
        if parameter.name == "channels" and program.block is not None:
            value = 64
        if is_whole(value) and value is not True and value is not False and value > 0:
            found.append(Axis(parameter.name, None, about(value, chance), 1))
        elif hasattr(value, "above"):
            found.append(Axis(parameter.name, None, range(1, 40), 20))
        items = getattr(parameter.default, "items", ())
        for at, item in enumerate(items if isinstance(items, tuple) else ()):
            if isinstance(item, Number) and is_whole(item.value) and item.value > 0 and chance.random() < 0.5:
                found.append(Axis(parameter.name, at, about(item.value, chance), 1))
    if "width" in {each.name for each in found} and program.block is None:
        found = [Axis("width", None, range(1, 40), 20) if each.name == "width" else each for each in found]
    rank = len(program.spec.inputs[0].sizes) - 1 if program.block is None else 1 + (name != "encoder")
    few = [1, 2, *range(32, 400, 16), *chance.sample(range(3, 400), 24), *(LARGE - 32 * at - at % 2 for at in range(4))]
    if rank and len(program.spec.inputs) < 2:
        found.append(Axis("side" if rank != 1 else "L", None, tuple(sorted(set(few))), 1))
    return found


def compared(name: str, count: int, seed: int) -> tuple[Space, int, list[Any]]:
    """Work designs out together and each by itself; return the space, how many are legal, and those that differ."""
    asked = ASKED.get(name, Settings())
    space = Space(load(name), asked, chosen(axes(name, random.Random(seed)), count, seed), tuple(TOTALS))
    legal, wrong = 0, []
    for block in space.blocks():
        legal += int(block.legal.sum())
        reasons = {int(refusal.numbers[0]): refusal.reason for refusal in block.refusals}
        for number in range(len(block.legal)):
            values = [divided(int(v[number]), a.below) for v, a in zip(block.values, space.designs.axes, strict=True)]
            found = [int(block.totals[total][number]) for total in TOTALS] if block.legal[number] else None
            told = reasons.get(number, "")
            try:
                with budget_of_its_own():
                    analysis = analyze_plainly(space.program, space.varied.settings(values))
                    expected: Any = [total(analysis) for total in TOTALS.values()]
                reason = ""
            except BneckError as error:
                expected, reason = None, error.message
            if found != expected or (told and told != reason):
                wrong.append((values, found, expected, told, reason))
    return space, legal, wrong


def main(words: list[str]) -> int:
    """Compare the designs of each spec; return 1 where one differs."""
    count = int(words.pop(words.index("--count") + 1)) if "--count" in words else 1000
    names = [word for word in words if not word.startswith("--")] or NETWORKS.split()
    bad = 0
    for name in names:
        start = time.perf_counter()
        space, legal, wrong = compared(name, count, seed=len(name))
        took = time.perf_counter() - start
        varied = ", ".join(axis.title for axis in space.designs.axes)
        print(f"{name}: {count:,} designs of {varied}: {legal:,} legal, {space.walks:,} walks, ", end="")
        print(f"{len(wrong):,} differ; {took:.0f} s", *(f"\n  {each}" for each in wrong[:3]), flush=True)
        bad += len(wrong)
    print(f"{len(names):,} specs, {count * len(names):,} designs, {bad:,} differ")
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
