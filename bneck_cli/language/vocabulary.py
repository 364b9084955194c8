"""The field's other words: what a layer, a structure or an option is called here, by meaning before spelling."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bneck_cli.errors import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

_BY_FORM = {
    "ln": "layernorm layernormalization",
    "bn": "batchnorm batchnormalization batch frozenbatchnorm syncbatchnorm",
    "gn 32": "groupnorm groupnormalization",
    "in": "instancenorm instancenormalization",
    "lrn": "localresponsenorm",
    "linear 1000": "fc dense fullyconnected inner innerproduct mlp affine projection proj",
    "silu": "swish",
    "hard_swish": "hswish hardswish",
    "hard_sigmoid": "hsigmoid hardsigmoid",
    "leaky_relu": "leakyrelu lrelu leaky",
    "relu": "rectifier activation act",
    "conv 3x3 64": "convolution conv2 conv3 convolutional",
    "conv 1x1 64": "pointwise pointwiseconv pwconv conv1x1",
    "conv 3x3 64 groups=32": "groupconv groupedconv groupedconvolution",
    "conv 3x3 64 dilation=2": "atrous atrousconv dilatedconv dilated",
    "dwconv 3x3": "depthwise depthwiseconv depthwiseconvolution dconv depthwiseconv2",
    "dwconv 3x3 -> conv 1x1 64": "sepconv separableconv depthwiseseparable separableconvolution",
    "upconv 2x2 64 stride=2": "deconv deconvolution convtranspose transposedconv conv_transpose transposeconv",
    "maxpool 3 stride=2 pad=1": "maxpooling pool pooling",
    "avgpool 2 stride=2": "averagepool averagepooling avgpooling meanpool",
    "global_avgpool": "gap globalpool globalavgpooling globalaveragepooling globalaveragepool mean",
    "global_maxpool": "gmp globalmaxpooling",
    "adaptive_avgpool 7": "adaptiveavgpool adaptiveaveragepool",
    "adaptive_maxpool 7": "adaptivemaxpool",
    "upsample 2": "upsampling interpolate unpool",
    "resize 65x65": "interp bilinear resample",
    "crop 8x8": "centercrop cropping",
    "pad 1": "zeropad zeropadding constantpad zeropad padding",
    "pad 1 mode=reflect": "reflectionpad reflectpad",
    "subsample 2": "decimate",
    "pixel_shuffle 2": "pixelshuffle depthtospace subpixel",
    "pixel_unshuffle 2": "pixelunshuffle spacetodepth focus",
    "shuffle 2": "channelshuffle",
    "attention heads=8": "mha msa multiheadattention selfattention sdpa attn multihead",
    "attention heads=8 window=7": "windowattention wmsa",
    "droppath": "stochasticdepth dropconnect",
    "dropout": "drop alphadropout",
    "identity": "skip noop none pass",
    "flatten": "squeeze",
    "reshape 4*c x n/4": "view rearrange unflatten",
    "slice 0 64": "narrow",
    "tokens cls=1": "classtoken clstoken patchify",
    "layer_scale": "layerscale gamma",
    "embed 50257 768": "embedding wordembedding tokenembedding lookup",
    "learned 768 x 1": "parameter param learnable learnedparameter query queries posembed positionembedding",
    "lstm 512": "bilstm lstmcell longshorttermmemory",
    "gru 512": "bigru grucell",
    "transpose": "permute swapaxes",
    "rmsnorm": "rmsnormalization",
    "grn": "globalresponsenorm globalresponsenormalization",
}
"""A form that a spec may hold, and the names that other tools and papers have for it."""

_STRUCTURES = {
    "concat": "cat concatenate concatenation merge route",
    "add": "sum plus addition elementwise eltwise",
    "residual": "shortcut skipconnection resblock",
    "mul": "multiply product times hadamard",
    "scale": "gate",
    "experts": "moe mixture mixtureofexperts expert",
    "matmul": "bmm dot",
    "split": "chunk",
    "as": "name label",
    "if": "when switch",
    "repeat": "loop times stack sequential",
}
"""A structure of the mapping form, and what it is called elsewhere."""

_OPTIONS = {
    "stride": "strides s step subsample",
    "pad": "padding p paddings",
    "kernel": "kernelsize k ks filtersize size",
    "channels": "outchannels filters features outfeatures units planes width dim cout numoutput",
    "groups": "group g cardinality",
    "dilation": "dilationrate rate d dilations",
    "bias": "usebias",
    "nobias": "biasfree",
    "heads": "numheads nhead nheads",
    "head_dim": "headdim dhead",
    "window": "windowsize",
    "ceil": "ceilmode",
    "output_pad": "outputpadding",
    "factor": "scalefactor",
    "noaffine": "affine",
}
"""An option, and what frameworks call it."""

_ABSENT = {
    "only `matmul` and `attend` multiply tensors": "einsum",
}
"""What the language has no layer for, and its names."""


def _table(groups: dict[str, str]) -> dict[str, str]:
    return {word: form for form, words in groups.items() for word in words.split()}


def _plain(word: str) -> str:
    """Reduce a name to what is compared: small letters, without underscores or a trailing 1d, 2d or 3d."""
    return re.sub(r"[123]d$", "", re.sub(r"[_\-.]", "", word[:40].lower()))


def layer_hint(word: str, known: Iterable[str], included: dict[str, str]) -> str:
    """Say how a layer or a block is called here; empty where nothing is close.

    ``included`` are blocks of the library that the file does not include, each with the word that includes it.
    """
    known = list(known)
    if word in included:
        return f"it is a bundled block: write `include: {included[word]}`"
    if (lower := word.lower()) in known:
        return f"did you mean '{lower}'?"
    plain = _plain(word)
    if plain in known:
        return f"did you mean '{plain}'?"
    if form := _table(_BY_FORM).get(plain):
        return f"write, for example, `{form}`" if " " in form else f"write `{form}`"
    if form := structure_of(word):
        return f"it is a structure: write `{form}: ...`"
    if reason := _table(_ABSENT).get(plain):
        return f"{reason}: describe it with an op of your own (`ops:`)"
    if re.fullmatch(r"(conv|res|layer|stage)[0-9]+(_?x|_[0-9]+)?", word.lower()):
        return "write a stage as its blocks, `3x bottleneck 256`, and name it with `-> as conv2`"
    return nearest(word, known) or nearest(word, included, 0.8)


def structure_of(word: str) -> str:
    """Return the structure that another name stands for; empty if there is none."""
    return _table(_STRUCTURES).get(_plain(word), "")


def option_hint(word: str, known: Iterable[str]) -> str:
    """Say how an option is called here; empty where nothing is close."""
    known = list(known)
    form = _table(_OPTIONS).get(_plain(word), "")
    return f"it is called '{form}'" if form in known else nearest(word, known)


FOREIGN = {
    ".onnx": "an ONNX model",
    ".pb": "a TensorFlow graph",
    ".tflite": "a TensorFlow Lite model",
    ".cfg": "a Darknet network",
    ".prototxt": "a Caffe network",
    ".caffemodel": "Caffe's weights",
    ".pt": "PyTorch's weights",
    ".pth": "PyTorch's weights",
    ".safetensors": "weights",
    ".h5": "a Keras model",
    ".keras": "a Keras model",
    ".py": "Python source",
    ".json": "JSON",
    ".csv": "a table",
    ".m": "a network for MAESTRO",
}
"""Files that are no specs, by suffix."""
IMPORTED = (".onnx", ".keras", ".json", ".cfg", ".prototxt", ".csv", ".m")
"""Those of which ``bneck import`` makes a spec."""


def foreign(name: str) -> str:
    """Say what a file is that is not a spec, by its suffix; empty where it may be one."""
    return next((what for suffix, what in FOREIGN.items() if name.lower().endswith(suffix)), "")
