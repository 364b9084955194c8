"""Small classes and functions for exported source, where PyTorch has no module; only those used are written."""

from __future__ import annotations

from bneck_cli.bridges.export.pytorch.helpers_attention import ATTENTION

HELPERS = {
    "round8": '''
def round8(x, divisor=8):
    """Round to a multiple of 8, as the papers on mobile networks do."""
    rounded = max(divisor, int(x + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * x else rounded
''',
    "Permute": '''
class Permute(nn.Module):
    """Permute the axes: channels first or last."""

    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(self.axes)
''',
    "Gate": '''
class Gate(nn.Sequential):
    """Multiply the tensor by the result of the modules."""

    def forward(self, x):
        return x * super().forward(x)
''',
    "Residual": '''
class Residual(nn.Sequential):
    """Add the result of the modules to the tensor."""

    def forward(self, x):
        return x + super().forward(x)
''',
    "Shortcut": '''
class Shortcut(nn.Module):
    """Add the results of a body and a shortcut."""

    def __init__(self, body, shortcut):
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x):
        return self.body(x) + self.shortcut(x)
''',
    "Padded": '''
class Padded(nn.Module):
    """Subsample a map, and add channels of zeros on both sides."""

    def __init__(self, more, stride=1):
        super().__init__()
        self.sides = (more // 2, more - more // 2)
        self.stride = stride

    def forward(self, x):
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *self.sides))
''',
    "Concat": '''
class Concat(nn.ModuleList):
    """Concatenate branches from one tensor."""

    def __init__(self, *branches, axis=1):
        super().__init__(branches)
        self.axis = axis

    def forward(self, x):
        return torch.cat([branch(x) for branch in self], self.axis)
''',
    "Add": '''
class Add(nn.ModuleList):
    """Add branches from one tensor."""

    def __init__(self, *branches):
        super().__init__(branches)

    def forward(self, x):
        return sum(branch(x) for branch in self)
''',
    "Multiply": '''
class Multiply(nn.ModuleList):
    """Multiply two branches from one tensor."""

    def __init__(self, one, other):
        super().__init__([one, other])

    def forward(self, x):
        return self[0](x) * self[1](x)
''',
    "LayerScale": '''
class LayerScale(nn.Module):
    """A learned factor for each channel; `axes` counts the axes after the channels."""

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
    """Batch norm with fixed parameters."""

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
    """Merge squares of positions into channels, channels last."""

    def __init__(self, *sides):
        super().__init__()
        self.sides = sides

    def forward(self, x):
        n = len(self.sides)
        pads = [-size % side for size, side in zip(x.shape[1:], self.sides)]
        x = F.pad(x, (0, 0, *[n for pad in reversed(pads) for n in (0, pad)]))
        for axis in reversed(range(n)):
            x = x.unflatten(axis + 1, (-1, self.sides[axis]))
        order = (*range(1, 2 * n, 2), *range(2 * n, 1, -2))
        return x.permute(0, *order, -1).flatten(n + 1)
''',
    "ChannelShuffle": '''
class ChannelShuffle(nn.Module):
    """Reorder channels across groups."""

    def __init__(self, groups):
        super().__init__()
        self.groups = groups

    def forward(self, x):
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)
''',
    "GlobalResponseNorm": '''
class GlobalResponseNorm(nn.Module):
    """Scale each channel of N×...×C by the norm of its map relative to the mean."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        size = x.pow(2).sum(tuple(range(1, x.dim() - 1)), keepdim=True).sqrt()
        size = size / (size.mean(-1, keepdim=True) + 1e-6)
        return x + self.weight * (x * size) + self.bias
''',
    "Tile": '''
class Tile(nn.Module):
    """Repeat the channels."""

    def __init__(self, times, axis=1):
        super().__init__()
        self.times = times
        self.axis = axis

    def forward(self, x):
        return torch.cat([x] * self.times, self.axis)
''',
    "Subsample": '''
class Subsample(nn.Module):
    """Keep every n-th position along each axis of a map."""

    def __init__(self, *steps):
        super().__init__()
        self.steps = [slice(None, None, step) for step in (1, 1, *steps)]

    def forward(self, x):
        return x[tuple(self.steps)]
''',
    "Reshape": '''
class Reshape(nn.Module):
    """Reshape each input."""

    def __init__(self, *sizes):
        super().__init__()
        self.sizes = sizes

    def forward(self, x):
        return x.reshape(-1, *self.sizes)
''',
    "Experts": '''
class Experts(nn.Module):
    """Experts with separate weights; a router sends each position to some of them."""

    def __init__(self, router, experts, active):
        super().__init__()
        self.router = router
        self.experts = nn.ModuleList(experts)
        self.active = active

    def forward(self, x):
        scores = self.router(x).flatten(0, -2)
        weights, chosen = scores.topk(self.active)
        order = chosen.flatten().argsort()
        count, n = len(order), len(self.experts)
        if x.is_meta:  # nobody knows who is chosen: all have their share
            shares = [(count + at) // n for at in range(n)]
        else:
            shares = chosen.flatten().bincount(minlength=n).tolist()
        given = x.flatten(0, -2)[order // self.active].split(shares)
        done = [expert(one[None])[0] for expert, one in zip(self.experts, given)]
        y = torch.cat(done)[order.argsort()].unflatten(0, (-1, self.active))
        y = (y * weights.softmax(-1)[..., None]).sum(1)
        return y.unflatten(0, x.shape[:-1])
''',
    "Tokens": '''
class Tokens(nn.Module):
    """A map as a sequence, with class tokens in front and positions added."""

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
    """A map as a sequence, with class tokens in front."""

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
} | ATTENTION
"""Each by its name; their lines are as ruff lays them out."""
NEEDS = {"GroupedAttention": ("rotate",)}
"""Helpers that others call."""
