"""Attention in exported source: what PyTorch has no module for; each is written if it is used."""

from __future__ import annotations

ATTENTION = {
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
def scored(q, k, heads, kv, causal=False, channels=False, softmax=True):
    """Score keys for queries, both N×...×C; over channels those of a head meet."""
    q = q.flatten(1, -2).unflatten(-1, (heads, -1)).transpose(1, 2)
    k = k.flatten(1, -2).unflatten(-1, (kv, -1)).transpose(1, 2)
    k = k.repeat_interleave(heads // kv, 1)
    if channels:
        return q.transpose(-2, -1) @ k * (q.shape[-2] ** -0.5 if softmax else 1.0)
    scores = q @ k.transpose(-2, -1) * (q.shape[-1] ** -0.5 if softmax else 1.0)
    if causal:
        later = torch.ones(scores.shape[-2:], device=q.device).triu(1).bool()
        scores = scores.masked_fill(later, float("-inf") if softmax else 0.0)
    return scores
''',
    "weighed": '''
def weighed(scores, v, kv, channels=False, softmax=True):
    """Weigh values, N×...×C, by the softmax of their scores, or by these."""
    v = v.flatten(1, -2).unflatten(-1, (kv, -1)).transpose(1, 2)
    v = v.repeat_interleave(scores.shape[1] // kv, 1)
    weights = scores.softmax(-1) if softmax else scores
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
    """Multi-head self-attention of N×L×C with keys and values shared by groups of heads.

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
    "offsets": '''
def offsets(queries, keys, signed=False):
    """Number how far any two positions of maps are apart along the axes."""
    index = torch.zeros(1, 1, dtype=torch.long)
    for q, k in zip(queries, keys):
        apart = torch.arange(q)[:, None] * -(-k // q) - torch.arange(k)
        apart, count = (apart + k - 1, 2 * k - 1) if signed else (apart.abs(), k)
        index = (index[:, None, :, None] * count + apart[:, None]).flatten(2)
        index = index.flatten(0, 1)
    return index
''',
    "buckets": '''
def buckets(count, queries, keys, causal=False):
    """Number distances as T5 does: near ones apart, far ones more and more together."""
    apart = torch.arange(keys) - torch.arange(queries)[:, None]
    count = count if causal else count // 2
    ahead = 0 if causal else (apart > 0) * count
    apart = (-apart).clamp(min=0) if causal else apart.abs()
    near = count // 2
    far = (apart.clamp(min=1) / near).log2() / log2(128 / near) * (count - near)
    far = (near + far).long().clamp(max=count - 1)
    return ahead + torch.where(apart < near, apart, far)
''',
    "Distances": '''
class Distances(nn.Module):
    """A learned value per head for the distance between two positions."""

    def __init__(self, heads, count, index):
        super().__init__()
        self.table = nn.Parameter(torch.zeros(heads, count))
        self.register_buffer("index", index, persistent=False)

    def forward(self, scores):
        return scores + self.table[:, self.index.to(scores.device)]
''',
    "WindowAttention": '''
class WindowAttention(nn.Module):
    """Attention of N×...×C within windows, or across a grid of them.

    `position` is a learned bias for each offset: a table ("relative"), Swin V2's network
    ("continuous"), whose attention is of normalised queries and keys, or a product of the
    queries with a vector for each offset along an axis ("decomposed").
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
        apart = [torch.arange(side)[:, None] - torch.arange(side) for side in sides]
        index = torch.zeros(1, 1, dtype=torch.long)
        count = 1
        for side, one in zip(sides, apart):
            count *= 2 * side - 1
            one = one[:, None] + side - 1
            index = (index[:, None, :, None] * (2 * side - 1) + one).flatten(2)
            index = index.flatten(0, 1)
        self.register_buffer("index", index, persistent=False)
        if position == "relative":
            self.table = nn.Parameter(torch.zeros(count, heads))
        if position == "continuous":
            self.scale = nn.Parameter(torch.full((heads, 1, 1), 2.3))
            self.network = nn.Sequential(
                nn.Linear(len(sides), 512),
                nn.ReLU(inplace=True),
                nn.Linear(512, heads, bias=False),
            )
            axes = [torch.arange(1.0 - side, side) / max(side - 1, 1) for side in sides]
            offsets = 8 * torch.cartesian_prod(*axes)
            offsets = offsets.sign() * (1 + offsets.abs()).log2() / 3
            self.register_buffer("offsets", offsets, persistent=False)
        if position == "decomposed":
            dim = channels // heads
            self.vectors = nn.ParameterList(
                torch.zeros(2 * side - 1, dim) for side in sides
            )

    def biased(self, scores, q):
        """Add the position bias to the scores."""
        index = self.index.to(scores.device)
        if self.position == "relative":
            return scores + self.table[index].permute(2, 0, 1)
        if self.position == "continuous":
            table = 16 * self.network(self.offsets).sigmoid()
            return scores + table[index].permute(2, 0, 1)
        if self.position == "decomposed":
            n = len(self.window)
            q = q.unflatten(2, self.window)
            scores = scores.unflatten(3, self.window).unflatten(2, self.window)
            for axis, vectors in enumerate(self.vectors):
                at = torch.arange(self.window[axis], device=q.device)
                vectors = vectors[at[:, None] - at + len(at) - 1]
                met = torch.einsum(
                    "bhi...d,ijd->bhi...j", q.movedim(2 + axis, 2), vectors
                )
                met = met.movedim(2, 2 + axis)[(..., *[None] * (n - 1))]
                scores = scores + met.movedim(2 + n, 2 + n + axis)
            scores = scores.flatten(2, 1 + n).flatten(3)
        return scores

    def mask(self, counts, shifts, like):
        """Mask pairs of positions that only the shift has brought together."""
        regions = torch.zeros(1, device=like.device)
        for count, side, shift in zip(counts, self.window, shifts):
            at = torch.arange(count * side, device=like.device)
            edge = (at >= (count - 1) * side).long() + (at >= count * side - shift)
            regions = regions[..., None] * 3 + edge
        regions = self.windows(regions[0][None, ..., None], counts)[..., 0]
        return (regions[:, :, None] != regions[:, None]) * torch.full((), -100.0)

    def windows(self, x, counts):
        """Cut N×...×C into (N·windows)×positions×C."""
        n = len(counts)
        for axis in reversed(range(n)):
            pair = (counts[axis], self.window[axis])
            x = x.unflatten(axis + 1, pair[::-1] if self.grid else pair)
        which, inside = range(1, 2 * n, 2), range(2, 2 * n + 1, 2)
        order = (*inside, *which) if self.grid else (*which, *inside)
        return x.permute(0, *order, -1).flatten(n + 1, 2 * n).flatten(0, n)

    def joined(self, x, counts):
        """Merge windows back into a map."""
        n = len(counts)
        x = x.unflatten(1, self.window).unflatten(0, (-1, *counts))
        pairs = zip(range(1, n + 1), range(n + 1, 2 * n + 1))
        order = [at for pair in pairs for at in (pair[::-1] if self.grid else pair)]
        x = x.permute(0, *order, -1)
        for axis in range(1, n + 1):
            x = x.flatten(axis, axis + 1)
        return x

    def forward(self, x):
        sizes = x.shape[1:-1]
        pads = [-size % side for size, side in zip(sizes, self.window)]
        x = F.pad(x, (0, 0, *[n for pad in reversed(pads) for n in (0, pad)]))
        counts = [size // side for size, side in zip(x.shape[1:], self.window)]
        shifts = [self.shift * (n > 1) for n in counts]
        axes = tuple(range(1, 1 + len(counts)))
        if any(shifts):
            x = x.roll([-s for s in shifts], axes)
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
        scores = self.biased(scores, q)
        if any(shifts):
            mask = self.mask(counts, shifts, x)
            scores = scores.unflatten(0, (-1, len(mask))) + mask[:, None].to(x)
            scores = scores.flatten(0, 1)
        x = (scores.softmax(-1) @ v).transpose(1, 2).flatten(2)
        x = self.joined(self.proj(x), counts)
        if any(shifts):
            x = x.roll(shifts, axes)
        return x[(slice(None), *map(slice, sizes))]
''',
}
"""Each by its name; their lines are as ruff lays them out."""
