"""Functions that an exported Keras model is made of, channels last; each is written if it is used.

They bear the names that layers have in a spec, and take the same arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.bridges.calls.layout import number

if TYPE_CHECKING:
    from bneck_cli.engine.network import Layer

_PLAIN = {
    "relu": 'Activation("relu")',
    "relu6": 'Activation("relu6")',
    "leaky_relu": "LeakyReLU(negative_slope=0.01)",
    "elu": 'Activation("elu")',
    "selu": 'Activation("selu")',
    "celu": 'Activation("celu")',
    "silu": 'Activation("silu")',
    "hard_swish": 'Activation("hard_silu")',
    "gelu": 'Activation("gelu")',
    "sigmoid": 'Activation("sigmoid")',
    "hard_sigmoid": 'Activation("hard_sigmoid")',
    "tanh": 'Activation("tanh")',
    "hard_tanh": 'Activation("hard_tanh")',
    "mish": 'Activation("mish")',
    "softplus": 'Activation("softplus")',
    "softsign": 'Activation("softsign")',
    "softmax": "Softmax()",
    "dropout": "Dropout(0.5)",
    "flatten": "Flatten()",
}
"""Layers that take no arguments."""

HELPERS = {
    "round8": '''
def round8(x, divisor=8):
    """Round to a multiple of 8, as the papers on mobile networks do."""
    rounded = max(divisor, int(x + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * x else rounded
''',
    "spread": '''
def spread(value, x):
    """Return a size for each axis of a map."""
    return value if isinstance(value, tuple) else (value,) * (len(x.shape) - 2)
''',
    "sides": '''
def sides(x, pad, kernel, dilation=1):
    """Return how many positions are added before and after each axis."""
    kernel, dilation = spread(kernel, x), spread(dilation, x)
    if pad is None:
        pad = tuple(d * (k - 1) // 2 * (k % 2) for k, d in zip(kernel, dilation))
    elif pad == "valid":
        pad = 0
    if isinstance(pad, tuple) and len(pad) == 2 * len(kernel):
        return tuple(zip(pad[::2], pad[1::2]))
    return tuple((n, n) for n in spread(pad, x))
''',
    "windows": '''
def windows(name, x, kernel, stride, pad, dilation, *channels, **options):
    """Apply a convolution to a map with zeros around it, as many as PyTorch adds."""
    axes, padding = len(x.shape) - 2, "valid"
    if pad == "tf_same":
        padding = "same"
    elif any(map(any, zeros := sides(x, pad, kernel, dilation))):
        padded = getattr(layers, f"ZeroPadding{axes}D")
        x = padded(zeros if axes > 1 else zeros[0])(x)
    return getattr(layers, f"{name}{axes}D")(
        *channels,
        kernel,
        strides=stride,
        padding=padding,
        dilation_rate=dilation,
        **options,
    )(x)
''',
    "conv": """
def conv(x, kernel, channels, stride=1, pad=None, dilation=1, groups=1, bias=False):
    options = {"groups": groups, "use_bias": bias}
    return windows("Conv", x, kernel, stride, pad, dilation, channels, **options)
""",
    "dwconv": """
def dwconv(x, kernel, multiplier=1, stride=1, pad=None, dilation=1, bias=False):
    options = {"depth_multiplier": multiplier, "use_bias": bias}
    return windows("DepthwiseConv", x, kernel, stride, pad, dilation, **options)
""",
    "upconv": """
def upconv(x, kernel, channels, stride=1, pad=0, bias=False):
    axes = len(x.shape) - 2
    layer = getattr(layers, f"Conv{axes}DTranspose")
    x = layer(channels, kernel, strides=stride, use_bias=bias)(x)
    return getattr(layers, f"Cropping{axes}D")(pad)(x) if pad else x
""",
    "linear": """
def linear(x, channels, nobias=False):
    return layers.Dense(channels, use_bias=not nobias)(x)
""",
    "bn": """
def bn(x, noaffine=False):
    affine = not noaffine
    return layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, center=affine, scale=affine
    )(x)
""",
    "ln": """
def ln(x, noaffine=False, nobias=False):
    scale, center = not noaffine, not (noaffine or nobias)
    return layers.LayerNormalization(epsilon=1e-5, center=center, scale=scale)(x)
""",
    "rmsnorm": """
def rmsnorm(x):
    return layers.RMSNormalization()(x)
""",
    "gn": """
def gn(x, groups, noaffine=False, nobias=False):
    scale, center = not noaffine, not (noaffine or nobias)
    return layers.GroupNormalization(groups, epsilon=1e-5, center=center, scale=scale)(
        x
    )
""",
    "maxpool": """
def maxpool(x, kernel, stride, pad=0, ceil=False):
    return pooled("Max", x, kernel, stride, pad, ceil, float("-inf"))
""",
    "avgpool": """
def avgpool(x, kernel, stride, pad=0, ceil=False):
    return pooled("Average", x, kernel, stride, pad, ceil, 0.0)
""",
    "beyond": '''
def beyond(n, k, step, before, behind):
    """Return how far a last window may reach beyond the map in PyTorch's `ceil_mode`."""
    left = n + before + behind - k
    return -left % step if -(-left // step) * step < n + before else 0
''',
    "pooled": '''
def pooled(name, x, kernel, stride, pad, ceil, value):
    """Pool a map with a value around it."""
    axes, padding = len(x.shape) - 2, "valid"
    if pad == "tf_same":
        padding = "same"
    else:
        around = sides(x, pad, kernel)
        if ceil:
            spans = zip(x.shape[1:], spread(kernel, x), spread(stride, x), around)
            around = tuple((a, b + beyond(n, k, s, a, b)) for n, k, s, (a, b) in spans)
        if any(map(any, around)):
            x = ops.pad(x, ((0, 0), *around, (0, 0)), constant_values=value)
    return getattr(layers, f"{name}Pooling{axes}D")(kernel, stride, padding)(x)
''',
    "global_avgpool": """
def global_avgpool(x):
    axes = len(x.shape) - 2
    return getattr(layers, f"GlobalAveragePooling{axes}D")(keepdims=True)(x)
""",
    "global_maxpool": """
def global_maxpool(x):
    axes = len(x.shape) - 2
    return getattr(layers, f"GlobalMaxPooling{axes}D")(keepdims=True)(x)
""",
    "adaptive_avgpool": """
def adaptive_avgpool(x, output):
    sizes = tuple(n // out for n, out in zip(x.shape[1:], spread(output, x)))
    return getattr(layers, f"AveragePooling{len(sizes)}D")(sizes)(x)
""",
    "adaptive_maxpool": """
def adaptive_maxpool(x, output):
    sizes = tuple(n // out for n, out in zip(x.shape[1:], spread(output, x)))
    return getattr(layers, f"MaxPooling{len(sizes)}D")(sizes)(x)
""",
    "upsample": """
def upsample(x, factor, mode="nearest"):
    options = {} if len(x.shape) != 4 else {"interpolation": mode}
    return getattr(layers, f"UpSampling{len(x.shape) - 2}D")(factor, **options)(x)
""",
    "resize": """
def resize(x, size, mode="nearest"):
    return layers.Resizing(*spread(size, x), interpolation=mode)(x)
""",
    "pad": """
def pad(x, sides_):
    return ops.pad(x, ((0, 0), *sides(x, sides_, 1), (0, 0)))
""",
    "crop": """
def crop(x, size):
    cuts = [(n - out) // 2 for n, out in zip(x.shape[1:], spread(size, x))]
    for axis, (cut, out) in enumerate(zip(cuts, spread(size, x)), 1):
        x = ops.take(x, range(cut, cut + out), axis=axis)
    return x
""",
    "pixel_shuffle": '''
def pixel_shuffle(x, factor):
    """Channels to squares of positions."""
    _, h, w, c = x.shape
    x = layers.Reshape((h, w, c // factor**2, factor, factor))(x)
    x = layers.Permute((1, 4, 2, 5, 3))(x)
    return layers.Reshape((h * factor, w * factor, c // factor**2))(x)
''',
    "pixel_unshuffle": '''
def pixel_unshuffle(x, factor):
    """Squares of positions to channels."""
    _, h, w, c = x.shape
    x = layers.Reshape((h // factor, factor, w // factor, factor, c))(x)
    x = layers.Permute((1, 3, 5, 2, 4))(x)
    return layers.Reshape((h // factor, w // factor, c * factor**2))(x)
''',
    "shuffle": '''
def shuffle(x, groups):
    """Reorder channels across groups."""
    *sizes, c = x.shape[1:]
    axes = range(1, len(sizes) + 1)
    x = layers.Reshape((*sizes, groups, c // groups))(x)
    x = layers.Permute((*axes, len(sizes) + 2, len(sizes) + 1))(x)
    return layers.Reshape((*sizes, c))(x)
''',
    "LayerScale": '''
class LayerScale(layers.Layer):
    """A learned factor for each channel."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="ones")

    def call(self, x):
        return x * self.scale
''',
    "layer_scale": """
def layer_scale(x):
    return LayerScale()(x)
""",
    "prelu": """
def prelu(x, per_channel=False):
    axes = list(range(1, len(x.shape) - per_channel))
    return layers.PReLU("zeros", shared_axes=axes)(x)
""",
    "Tokens": '''
class Tokens(layers.Layer):
    """A map as a sequence: class tokens before it, and positions added."""

    def __init__(self, cls=0, pos="learned"):
        super().__init__()
        self.cls = cls
        self.pos = pos

    def build(self, shape):
        count = prod(shape[1:-1]) + self.cls
        if self.cls:
            self.tokens = self.add_weight(shape=(1, self.cls, shape[-1]))
        if self.pos == "learned":
            self.positions = self.add_weight(shape=(1, count, shape[-1]))

    def call(self, x):
        x = ops.reshape(x, (-1, prod(x.shape[1:-1]), x.shape[-1]))
        if self.cls:
            tokens = ops.repeat(self.tokens, ops.shape(x)[0], axis=0)
            x = ops.concatenate([tokens, x], axis=1)
        return x + self.positions if self.pos == "learned" else x
''',
    "tokens": """
def tokens(x, cls=0, pos="learned"):
    return Tokens(cls, pos)(x)
""",
    "take": """
def take(x, index):
    return x[:, index]
""",
    "slice": """
def slice_(x, start, stop, along="channels"):
    stop = None if stop == "end" else stop
    return x[:, start:stop] if along == "positions" else x[..., start:stop]
""",
    "tile": """
def tile(x, times):
    return layers.Concatenate()([x] * times) if times > 1 else x
""",
    "transpose": """
def transpose(x):
    return layers.Permute((2, 1))(x)
""",
    "embed": """
def embed(x, vocabulary, channels):
    return layers.Embedding(vocabulary, channels)(x)
""",
    "attention": '''
def attention(x, heads=None, head_dim=None, kv=None, causal=False, nobias=False):
    """Attend to all positions; those of a map are made a sequence and a map again."""
    shape = x.shape[1:]
    heads = heads or shape[-1] // head_dim
    size = head_dim or shape[-1] // heads
    if len(shape) > 2:
        x = layers.Reshape((-1, shape[-1]))(x)
    if kv is None:
        layer = layers.MultiHeadAttention(heads, size, use_bias=not nobias)
    else:
        layer = layers.GroupQueryAttention(size, heads, kv, use_bias=not nobias)
    x = layer(x, x, use_causal_mask=causal)
    return layers.Reshape(shape)(x) if len(shape) > 2 else x
''',
    "shortcut": '''
def shortcut(x, y):
    """Return what is added to a body's result: the tensor, projected where shapes differ."""
    if x.shape == y.shape:
        return x
    stride = tuple(-(-a // b) for a, b in zip(x.shape[1:-1], y.shape[1:-1]))
    return bn(conv(x, 1, y.shape[-1], stride=stride))
''',
    "padded": '''
def padded(x, y):
    """Return every so many positions of a tensor, with channels of zeros around its own."""
    stride = [-(-a // b) for a, b in zip(x.shape[1:-1], y.shape[1:-1])]
    x = x[(slice(None), *(slice(None, None, step) for step in stride))]
    more = y.shape[-1] - x.shape[-1]
    return ops.pad(x, (*((0, 0) for _ in x.shape[:-1]), (more // 2, more - more // 2)))
''',
    "Learned": '''
class Learned(layers.Layer):
    """A tensor that is all weights, the same for each input."""

    def __init__(self, shape):
        super().__init__()
        self.sizes = shape

    def build(self, shape):
        self.values = self.add_weight(shape=(1, *self.sizes))

    def call(self, x):
        return ops.repeat(self.values, ops.shape(x)[0], axis=0)
''',
    "learned": """
def learned(x, shape):
    channels, *sizes = shape if isinstance(shape, tuple) else (shape,)
    return Learned((*sizes, channels))(x)
""",
    "GlobalResponseNorm": '''
class GlobalResponseNorm(layers.Layer):
    """Scale each channel by its map's size beside the mean of all."""

    def build(self, shape):
        self.scale = self.add_weight(shape=shape[-1:], initializer="zeros")
        self.shift = self.add_weight(shape=shape[-1:], initializer="zeros")

    def call(self, x):
        axes = tuple(range(1, len(x.shape) - 1))
        size = ops.sqrt(ops.sum(ops.square(x), axes, keepdims=True))
        size = size / (ops.mean(size, -1, keepdims=True) + 1e-6)
        return x + self.scale * (x * size) + self.shift
''',
    "grn": """
def grn(x):
    return GlobalResponseNorm()(x)
""",
    "joined": '''
def joined(layer, branches):
    """Join branches, of which there may be one."""
    return layer(branches) if len(branches) > 1 else branches[0]
''',
    "droppath": """
def droppath(x):
    return x
""",
    "identity": """
def identity(x):
    return x
""",
} | {name: f"\ndef {name}(x):\n    return layers.{text}(x)\n" for name, text in _PLAIN.items()}
"""Each by its name; their lines are as ruff lays them out."""
NEEDS = {
    "windows": ("sides", "spread"),
    "conv": ("windows",),
    "dwconv": ("windows",),
    "maxpool": ("pooled",),
    "avgpool": ("pooled",),
    "pooled": ("sides", "spread", "beyond"),
    "sides": ("spread",),
    "adaptive_avgpool": ("spread",),
    "adaptive_maxpool": ("spread",),
    "resize": ("spread",),
    "pad": ("sides",),
    "crop": ("spread",),
    "layer_scale": ("LayerScale",),
    "learned": ("Learned",),
    "grn": ("GlobalResponseNorm",),
    "tokens": ("Tokens",),
    "shortcut": ("bn", "conv"),
}
"""Helpers that others call."""


def refusal(layer: Layer) -> str:
    """Say why Keras cannot hold a layer; nothing where it can."""
    rule: Any = layer.rule
    out, shape = layer.out, layer.shape
    if layer.op not in HELPERS:
        return f"Keras has no layer for `{layer.op}`"
    if getattr(rule, "frozen", False):
        return "Keras has no buffers for frozen weights"
    if layer.op in ("conv", "dwconv", "upconv"):
        return _windowed(layer)
    if layer.op == "maxpool" and rule.dilation not in (1, (1,) * len(shape.spatial)):
        return "Keras has no dilation of pooling"
    if layer.op in ("adaptive_avgpool", "adaptive_maxpool") and any(
        number(size) % number(left) for size, left in zip(shape.spatial, out.spatial, strict=True)
    ):
        return "windows that differ in size"
    if layer.op == "avgpool" and rule.ceil and _is_partial(layer):
        return "windows that reach beyond the map"
    if layer.op in ("pixel_shuffle", "pixel_unshuffle") and (
        len(shape.spatial) != 2 or not isinstance(rule.factor, int) or getattr(rule, "ceil", False)
    ):
        return f"`{layer.op}` of anything but whole squares of a map"
    if layer.op == "upsample" and (rule.mode == "bicubic" or (rule.mode != "nearest" and len(shape.spatial) != 2)):
        return "this way to find new values"
    if layer.op == "resize" and len(shape.spatial) != 2:
        return "`resize` of anything but a map"
    if layer.op == "pad" and (rule.mode != "zeros" or rule.along != "positions" or "-" in layer.text):
        return "this `pad`"
    if layer.op == "rmsnorm" and rule.noaffine:
        return "Keras's RMS norm always has a scale"
    if layer.op == "attention":
        return _attending(layer)
    return ""


def _is_partial(layer: Layer) -> bool:
    """Tell whether a last window reaches beyond the map."""
    rule: Any = layer.rule
    window = rule.geometry(layer.shape)
    axes = zip(layer.shape.spatial, layer.out.spatial, window.kernel, window.stride, window.padding, strict=True)
    return any((number(n) + sum(pads) - k) // step + 1 < number(out) for n, out, k, step, pads in axes)


def _windowed(layer: Layer) -> str:
    """Say why Keras cannot hold a convolution."""
    rule: Any = layer.rule
    window = rule.geometry(layer.shape)
    if not layer.shape.spatial:
        return "a convolution of a vector"
    if layer.op == "upconv":
        plain = isinstance(rule.pad, int) and rule.groups == 1
        plain = plain and rule.output_pad in (0, (0,) * len(layer.shape.spatial)) and rule.dilation in (1, (1, 1))
        return "" if plain else "groups, dilation or uneven padding of a transposed convolution"
    if max(window.stride) > 1 and max(window.dilation) > 1:
        return "Keras has no convolution with a stride and a dilation"
    if layer.op == "dwconv" and (len(layer.shape.spatial) > 2 or len(set(window.stride)) > 1):
        return "Keras has no depthwise convolution of three axes, or of a stride for each"
    if any(before < 0 or after < 0 for before, after in window.padding):
        return "negative padding"
    return ""


def _attending(layer: Layer) -> str:
    """Say why Keras cannot hold an attention."""
    rule: Any = layer.rule
    if rule.window is not None or rule.position != "none" or rule.qk_norm != "none":
        return "Keras has no attention with windows, positions or norms"
    if rule.biased not in ("", "qkvo"):
        return "Keras has a bias in all layers of attention, or in none"
    return ""
