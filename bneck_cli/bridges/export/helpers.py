"""Small classes and functions that exported source needs where PyTorch has no module; each is written if it is used."""

from __future__ import annotations

HELPERS = {
    "round8": '''
def round8(x, divisor=8):
    """Round to a multiple of 8, as the papers on mobile networks do."""
    rounded = max(divisor, int(x + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * x else rounded
''',
    "Permute": '''
class Permute(nn.Module):
    """Axes in another order: channels first or last."""

    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(self.axes)
''',
    "Gate": '''
class Gate(nn.Sequential):
    """The tensor times what the modules make of it."""

    def forward(self, x):
        return x * super().forward(x)
''',
    "Residual": '''
class Residual(nn.Sequential):
    """The tensor plus what the modules make of it."""

    def forward(self, x):
        return x + super().forward(x)
''',
    "Shortcut": '''
class Shortcut(nn.Module):
    """What a body makes of a tensor, plus what a shortcut does."""

    def __init__(self, body, shortcut):
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)
''',
    "Padded": '''
class Padded(nn.Module):
    """Every so many positions of a map, with channels of zeros on both sides."""

    def __init__(self, more, stride=1):
        super().__init__()
        self.sides = (more // 2, more - more // 2)
        self.stride = stride

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.sides))
''',
    "Concat": '''
class Concat(nn.ModuleList):
    """Branches from one tensor, concatenated."""

    def __init__(self, *branches, axis=1):
        super().__init__(branches)
        self.axis = axis

    def forward(self, x):
        return torch.cat([branch(x) for branch in self], self.axis)
''',
    "Add": '''
class Add(nn.ModuleList):
    """Branches from one tensor, added."""

    def __init__(self, *branches):
        super().__init__(branches)

    def forward(self, x):
        return sum(branch(x) for branch in self)
''',
    "Multiply": '''
class Multiply(nn.ModuleList):
    """Two branches from one tensor, multiplied."""

    def __init__(self, one, other):
        super().__init__([one, other])

    def forward(self, x):
        return self[0](x) * self[1](x)
''',
    "LayerScale": '''
class LayerScale(nn.Module):
    """A learned factor for each channel; `axes` are those behind the channels."""

    def __init__(self, channels, axes=0):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels, *[1] * axes))

    def forward(self, x):
        return x * self.scale
''',
    "frozen": '''
def frozen(module):
    """Keep the weights of a module as buffers: nothing is learned."""
    for name, weight in list(module.named_parameters(recurse=False)):
        delattr(module, name)
        module.register_buffer(name, weight.detach())
    return module
''',
    "FrozenBatchNorm": '''
class FrozenBatchNorm(nn.Module):
    """Batch norm of which nothing is learned."""

    def __init__(self, channels, axes):
        super().__init__()
        shape = (channels, *[1] * axes)
        self.register_buffer("weight", torch.ones(shape))
        self.register_buffer("bias", torch.zeros(shape))
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))

    def forward(self, x):
        scale = self.weight * (self.running_var + 1e-5).rsqrt()
        return x * scale + (self.bias - self.running_mean * scale)
''',
    "Mean": '''
class Mean(nn.Module):
    """The mean over all positions, channels last."""

    def forward(self, x):
        return x.flatten(1, -2).mean(1)
''',
    "Maximum": '''
class Maximum(nn.Module):
    """The maximum over all positions, channels last."""

    def forward(self, x):
        return x.flatten(1, -2).amax(1)
''',
    "Pad": '''
class Pad(nn.Module):
    """Zeros (or another value) around the map, from the last axis on."""

    def __init__(self, *sides, value=0.0):
        super().__init__()
        self.sides = sides
        self.value = value

    def forward(self, x):
        return F.pad(x, self.sides, value=self.value)
''',
    "PixelUnshuffle": '''
class PixelUnshuffle(nn.Module):
    """Squares of positions as one position of more channels, channels last."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        f = self.factor
        x = F.pad(x, (0, 0, 0, -x.shape[2] % f, 0, -x.shape[1] % f))
        return torch.cat([x[:, i::f, j::f] for j in range(f) for i in range(f)], -1)
''',
    "ChannelShuffle": '''
class ChannelShuffle(nn.Module):
    """Channels reordered across groups."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)
''',
    "Tokens": '''
class Tokens(nn.Module):
    """A map as a sequence: class tokens before it, and positions added."""

    def __init__(self, channels, positions, cls=0):
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, cls, channels))
        self.positions = nn.Parameter(torch.zeros(1, cls + positions, channels))

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(len(x), -1, -1), x], 1)
        return x + self.positions
''',
    "ClassTokens": '''
class ClassTokens(nn.Module):
    """A map as a sequence, class tokens before it."""

    def __init__(self, channels, cls):
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, cls, channels))

    def forward(self, x):
        x = x.flatten(2).transpose(1, 2)
        return torch.cat([self.cls.expand(len(x), -1, -1), x], 1)
''',
    "Sequence": '''
class Sequence(nn.Module):
    """A map as a sequence of its positions."""

    def forward(self, x):
        return x.flatten(2).transpose(1, 2)
''',
    "Recurrent": '''
class Recurrent(nn.Module):
    """A recurrent layer along one axis of N×...×C, the other axes being a batch."""

    def __init__(self, cell, axis=1):
        super().__init__()
        self.cell = cell
        self.axis = axis

    def forward(self, x):
        x = x.transpose(self.axis, -2)
        y, _ = self.cell(x.flatten(0, -3))
        return y.unflatten(0, x.shape[:-2]).transpose(self.axis, -2)
''',
    "rotate": '''
def rotate(x, base=10_000.0):
    """Rotate pairs of channels by their position (rotary position embedding)."""
    half = x.shape[-1] // 2
    steps = torch.arange(half, device=x.device) / half
    positions = torch.arange(x.shape[-2], device=x.device)
    angles = positions[:, None] * base**-steps
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)
''',
    "product": '''
def product(x, y, heads=1):
    """Multiply N×...×C by N×...×C over the channels of a head, at each two positions."""
    a, b = (
        t.flatten(1, -2).unflatten(-1, (heads, -1)).transpose(1, 2) for t in (x, y)
    )
    z = (a @ b.transpose(-2, -1)).transpose(1, 2).flatten(2)
    return z.unflatten(1, x.shape[1:-1])
''',
    "scored": '''
def scored(q, k, heads, kv, causal=False, channels=False):
    """Score keys for queries, both N×...×C; over channels those of a head meet."""
    q = q.flatten(1, -2).unflatten(-1, (heads, -1)).transpose(1, 2)
    k = k.flatten(1, -2).unflatten(-1, (kv, -1)).transpose(1, 2)
    k = k.repeat_interleave(heads // kv, 1)
    if channels:
        return q.transpose(-2, -1) @ k * q.shape[-2] ** -0.5
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    if causal:
        later = torch.ones(scores.shape[-2:], device=q.device).triu(1).bool()
        scores = scores.masked_fill(later, float("-inf"))
    return scores
''',
    "weighed": '''
def weighed(scores, v, kv, channels=False):
    """Weigh values, N×...×C, by the softmax of their scores."""
    v = v.flatten(1, -2).unflatten(-1, (kv, -1)).transpose(1, 2)
    v = v.repeat_interleave(scores.shape[1] // kv, 1)
    weights = scores.softmax(-1)
    x = v @ weights.transpose(-2, -1) if channels else weights @ v
    return x.transpose(1, 2).flatten(2)
''',
    "Attention": '''
class Attention(nn.Module):
    """Multi-head self-attention of N×L×C."""

    def __init__(self, channels, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x):
        q, k, v = self.qkv(x).chunk(3, -1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        x = F.scaled_dot_product_attention(q, k, v)
        return self.proj(x.transpose(1, 2).flatten(2))
''',
    "GroupedAttention": '''
class GroupedAttention(nn.Module):
    """Multi-head self-attention of N×L×C whose keys and values groups of heads share.

    `bias` holds the letters of the linear layers that have one: q, k, v, o.
    """

    def __init__(
        self,
        channels,
        heads,
        kv=None,
        head_dim=None,
        bias="qkvo",
        norm=None,
        causal=False,
        rotary=False,
    ):
        super().__init__()
        self.heads = heads
        self.kv = kv or heads
        self.causal = causal
        self.rotary = rotary
        dim = head_dim or channels // heads
        self.q = nn.Linear(channels, heads * dim, bias="q" in bias)
        self.k = nn.Linear(channels, self.kv * dim, bias="k" in bias)
        self.v = nn.Linear(channels, self.kv * dim, bias="v" in bias)
        self.q_norm = norm(dim) if norm else nn.Identity()
        self.k_norm = norm(dim) if norm else nn.Identity()
        self.proj = nn.Linear(heads * dim, channels, bias="o" in bias)

    def forward(self, x):
        q = self.q_norm(self.q(x).unflatten(-1, (self.heads, -1))).transpose(1, 2)
        k = self.k_norm(self.k(x).unflatten(-1, (self.kv, -1))).transpose(1, 2)
        v = self.v(x).unflatten(-1, (self.kv, -1)).transpose(1, 2)
        if self.rotary:
            q, k = rotate(q), rotate(k)
        k, v = (t.repeat_interleave(self.heads // self.kv, 1) for t in (k, v))
        x = F.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        return self.proj(x.transpose(1, 2).flatten(2))
''',
    "OnMap": '''
class OnMap(nn.Module):
    """Attention over all positions of a map, N×H×W×C."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention

    def forward(self, x):
        return self.attention(x.flatten(1, 2)).view(x.shape)
''',
    "WindowAttention": '''
class WindowAttention(nn.Module):
    """Attention of N×H×W×C within windows, or across a grid of them.

    `position` is a learned bias for each offset: a table ("relative"), or Swin V2's
    network ("continuous"), whose attention is of normalised queries and keys.
    """

    def __init__(
        self,
        channels,
        heads,
        window,
        shift=0,
        grid=False,
        position="none",
        bias="qkvo",
    ):
        super().__init__()
        sides = (window, window) if isinstance(window, int) else window
        self.heads, self.window, self.shift = heads, sides, shift
        self.grid, self.position = grid, position
        self.q = nn.Linear(channels, channels, bias="q" in bias)
        self.k = nn.Linear(channels, channels, bias="k" in bias)
        self.v = nn.Linear(channels, channels, bias="v" in bias)
        self.proj = nn.Linear(channels, channels, bias="o" in bias)
        h, w = sides
        at = torch.cartesian_prod(torch.arange(h), torch.arange(w))
        if position == "relative":
            self.table = nn.Parameter(torch.zeros((2 * h - 1) * (2 * w - 1), heads))
        if position == "continuous":
            self.scale = nn.Parameter(torch.full((heads, 1, 1), 2.3))
            self.network = nn.Sequential(
                nn.Linear(2, 512),
                nn.ReLU(inplace=True),
                nn.Linear(512, heads, bias=False),
            )
            offsets = torch.cartesian_prod(
                torch.arange(1.0 - h, h), torch.arange(1.0 - w, w)
            )
            offsets = 8 * offsets / torch.tensor([max(h - 1, 1), max(w - 1, 1)])
            offsets = offsets.sign() * (1 + offsets.abs()).log2() / 3
            self.register_buffer("offsets", offsets, persistent=False)
        apart = at[:, None] - at[None] + torch.tensor([h - 1, w - 1])
        index = apart[..., 0] * (2 * w - 1) + apart[..., 1]
        self.register_buffer("index", index.flatten(), persistent=False)

    def bias(self):
        """Return the bias of each head for each pair of positions."""
        table = (
            self.table if self.position == "relative" else self.network(self.offsets)
        )
        table = table[self.index.to(table.device)].T
        bias = table.unflatten(1, (self.window[0] * self.window[1], -1))
        return bias if self.position == "relative" else 16 * bias.sigmoid()

    def mask(self, counts, shifts, like):
        """Forbid pairs of positions that a shift has brought together."""
        regions = torch.zeros(1, device=like.device)
        for count, side, shift in zip(counts, self.window, shifts):
            at = torch.arange(count * side, device=like.device)
            edge = (at >= (count - 1) * side).long() + (at >= count * side - shift)
            regions = regions[..., None] * 3 + edge
        regions = self.windows(regions[0][None, ..., None], counts)[..., 0]
        return (regions[:, :, None] != regions[:, None]) * torch.full((), -100.0)

    def windows(self, x, counts):
        """Cut N×H×W×C into (N·windows)×positions×C."""
        (a, b), (h, w) = counts, self.window
        if self.grid:
            x = x.unflatten(2, (w, b)).unflatten(1, (h, a)).permute(0, 2, 4, 1, 3, 5)
        else:
            x = x.unflatten(2, (b, w)).unflatten(1, (a, h)).permute(0, 1, 3, 2, 4, 5)
        return x.flatten(3, 4).flatten(0, 2)

    def joined(self, x, counts):
        """Put windows together again."""
        (a, b), (h, w) = counts, self.window
        x = x.unflatten(1, (h, w)).unflatten(0, (-1, a, b))
        order = (0, 3, 1, 4, 2, 5) if self.grid else (0, 1, 3, 2, 4, 5)
        return x.permute(order).flatten(3, 4).flatten(1, 2)

    def forward(self, x):
        height, width = x.shape[1:3]
        h, w = self.window
        x = F.pad(x, (0, 0, 0, -width % w, 0, -height % h))
        counts = (x.shape[1] // h, x.shape[2] // w)
        shifts = [self.shift * (n > 1) for n in counts]
        if any(shifts):
            x = x.roll([-s for s in shifts], (1, 2))
        x = self.windows(x, counts)
        q, k, v = (
            part(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        if self.position == "continuous":
            scale = self.scale.clamp(max=4.6).exp()
            scores = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
            scores = scores * scale
        else:
            scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
        if self.position != "none":
            scores = scores + self.bias()
        if any(shifts):
            mask = self.mask(counts, shifts, x)
            scores = scores.unflatten(0, (-1, len(mask))) + mask[:, None].to(x)
            scores = scores.flatten(0, 1)
        x = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = self.joined(self.proj(x), counts)
        if any(shifts):
            x = x.roll(shifts, (1, 2))
        return x[:, :height, :width]
''',
}
"""Each by its name; their lines are as ruff lays them out."""
NEEDS = {"GroupedAttention": ("rotate",)}
"""Helpers that others call."""
ORDER = {name: index for index, name in enumerate(HELPERS)}
