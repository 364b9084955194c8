"""Hugging Face's ``config.json``: it has no graph, but a ``model_type`` whose network is written here with its numbers.

Networks of the library are extended where they have parameters for what a configuration says; language models are
written out, as each kind has options of its own. An option that no spec here follows is an error that names it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.readers.huggingface_words import WRITERS as WORDS
from bneck_cli.bridges.readers.settings import Settings
from bneck_cli.engine.analysis import analyze_program
from bneck_cli.errors import BneckError, nearest
from bneck_cli.language.document import Source
from bneck_cli.language.library import resolve
from bneck_cli.words.values import people

if TYPE_CHECKING:
    from collections.abc import Callable


def is_huggingface(config: Any) -> bool:
    """Return whether a configuration is one of Hugging Face's."""
    return isinstance(config, dict) and isinstance(config.get("model_type"), str)


def spec_of_config(config: dict[str, Any], path: str, sizes: tuple[int, ...] | None) -> str:
    """Write the spec of a configuration, and analyse it, which says whether its numbers go together."""
    kind = config["model_type"]
    if kind not in WRITERS:
        known = f"known: {', '.join(sorted(WRITERS))}"
        near = nearest(kind, WRITERS)
        hint = f"{near}; {known}" if near else known
        raise BneckError(f"{path}: model_type '{kind[:60]}' is not known here", hint=hint)
    settings = Settings(config, path, sizes)
    body = WRITERS[kind](settings)
    name = str(config.get("_name_or_path") or "").rstrip("/").rpartition("/")[2] or kind
    plain = "".join(letter if letter.isalnum() or letter in "-_. " else " " for letter in name).strip() or kind
    origin = os.path.basename(path)
    comment = f"# Imported from {origin}: a {kind} as {settings.head} has it, with the numbers of the configuration."
    draft = f'{comment}\nname: "{plain}"\n{body}'
    analysis = analyze_program(resolve(Source(f"{kind}.yaml", draft)))
    params, macs = analysis.cost.inference_params, analysis.macs
    expected = settings.expected
    if expected is not None and expected != params:
        raise BneckError(
            f"{path}: {people(expected)} parameters by the configuration, where the spec has {people(params)}, "
            "so it is not written"
        )
    return f"{draft}\nexpect:\n  params: {params}\n  macs: {macs}\n  origin: {origin}\n"


# Networks of the library


def extended(settings: Settings, base: str, **values: Any) -> str:
    """Write a spec that is one of the library with other parameters."""
    words = ", ".join(f"{key}: {value}" for key, value in values.items())
    return f"extends: {base}\nset: {{{words}}}\ninput: {settings.input}\n"


def picture(settings: Settings) -> None:
    """Say how large the picture is that enters."""
    size = settings.get("image_size", 224)
    sides = size if isinstance(size, list) else [size, size]
    settings.image(settings.whole("num_channels", 3), sides)


def labels(settings: Settings) -> int:
    """Return how many classes there are: two where nothing is said, as there."""
    names = settings.get("id2label")
    count = settings.get("num_labels")
    if isinstance(count, int) and count > 0:
        return count
    return len(names) if isinstance(names, dict) and names else 2


def classifies(settings: Settings, name: str) -> None:
    """Require the model to be the one with a classifier."""
    settings.head = f"{name}ForImageClassification"
    settings.architecture(settings.head)


def patched(settings: Settings, name: str) -> tuple[int, int, int, int]:
    """Return the side of a patch, the width, the depth and the heads of a transformer over a picture's patches."""
    classifies(settings, name)
    width = settings.whole("hidden_size", 768)
    settings.fixed("intermediate_size", 4 * width, 3072)
    settings.fixed("qkv_bias", True, True)
    picture(settings)
    patch, depth = settings.whole("patch_size", 16), settings.whole("num_hidden_layers", 12)
    return patch, width, depth, settings.whole("num_attention_heads", 12)


def vit(settings: Settings) -> str:
    """A picture as patches."""
    patch, width, depth, heads = patched(settings, "ViT")
    return extended(
        settings, "vit_b_16", patch=patch, channels=width, depth=depth, heads=heads, classes=labels(settings)
    )


def deit(settings: Settings) -> str:
    """A picture as patches, with a token of a teacher beside that of the class."""
    patch, width, depth, heads = patched(settings, "DeiT")
    return (
        f"input: {settings.input}\ninclude: blocks/transformer\n\nnet:\n"
        f"  - conv {patch}x{patch} {width} stride={patch} bias -> tokens cls=2 pos=learned\n"
        f"  - {depth}x encoder {width} {heads}\n"
        f"  - ln -> take 0 -> linear {labels(settings)}\n"
    )


def resnet(settings: Settings) -> str:
    """Residual blocks."""
    classifies(settings, "ResNet")
    widths = settings.wholes("hidden_sizes", [256, 512, 1024, 2048])
    settings.fixed("embedding_size", 64, 64)
    settings.fixed("downsample_in_first_stage", False, False)
    settings.fixed("downsample_in_bottleneck", False, False)
    settings.doubling("hidden_sizes", widths, 4)
    block = settings.one_of("layer_type", ("bottleneck", "basic"), "bottleneck")
    settings.image(settings.whole("num_channels", 3), [224, 224])
    return extended(
        settings, "resnet50", block=block, channels=widths[0], depths=settings.wholes("depths", [3, 4, 6, 3]),
        classes=labels(settings),
    )  # fmt: skip


def convnext(settings: Settings) -> str:
    """Blocks of depthwise convolutions."""
    classifies(settings, "ConvNext")
    widths = settings.wholes("hidden_sizes", [96, 192, 384, 768])
    settings.doubling("hidden_sizes", widths, 4)
    settings.fixed("patch_size", 4, 4)
    picture(settings)
    depths = settings.wholes("depths", [3, 3, 9, 3])
    return extended(settings, "convnext_tiny", channels=widths[0], depths=depths, classes=labels(settings))


def swin(settings: Settings) -> str:
    """Attention within windows that are shifted."""
    classifies(settings, "Swin")
    width, depths = settings.whole("embed_dim", 96), settings.wholes("depths", [2, 2, 6, 2])
    heads = settings.wholes("num_heads", [3, 6, 12, 24])
    settings.fixed("mlp_ratio", 4, 4)
    settings.fixed("patch_size", 4, 4)
    settings.fixed("qkv_bias", True, True)
    settings.fixed("use_absolute_embeddings", False, False)
    if len(depths) != 4 or [depths[0], depths[1], depths[3]] != [2, 2, 2] or depths[2] % 2:
        raise settings.error("depths", f"depths are 2, 2, an even number and 2 here (got {depths})")
    if heads != [width * 2**stage // 32 for stage in range(4)]:
        raise settings.error("num_heads", f"heads have 32 channels here (got {heads})")
    picture(settings)
    return extended(
        settings, "swin_t", channels=width, depth=depths[2] // 2, window=settings.whole("window_size", 7),
        classes=labels(settings),
    )  # fmt: skip


def bert(settings: Settings) -> str:
    """A text read from both sides."""
    settings.head = "BertModel"
    settings.architecture("BertModel")
    width = settings.whole("hidden_size", 768)
    settings.fixed("intermediate_size", 4 * width, 3072)
    settings.fixed("type_vocab_size", 2, 2)
    settings.fixed("max_position_embeddings", 512, 512)
    settings.sequence(512)
    if settings.length != 512:
        raise settings.error("max_position_embeddings", "a BERT here reads 512 words")
    words = {
        "depth": settings.whole("num_hidden_layers", 12),
        "channels": width,
        "heads": settings.whole("num_attention_heads", 12),
        "vocab": settings.whole("vocab_size", 30522),
    }
    return f"extends: bert_base\nset: {{{', '.join(f'{key}: {value}' for key, value in words.items())}}}\n"


WRITERS: dict[str, Callable[[Settings], str]] = {
    **WORDS, "vit": vit, "deit": deit, "resnet": resnet, "convnext": convnext, "swin": swin, "bert": bert,
}  # fmt: skip
"""What writes the spec of each type."""
