"""How each tool counts, as one object: the weight of every quantity that a layer may have.

The default is torchvision's rule: one for each multiply-add of a convolution, a linear layer or a product of
attention. Other rules live in ``specs/rules``; a file of the same form may be given instead of a name.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.document import Place, Scalar, Source, parse_document
from bneck_cli.language.library import read_source, specs_folder
from bneck_cli.language.syntax import entries, unknown_key

if TYPE_CHECKING:
    from collections.abc import Iterator

QUANTITIES = {
    "conv": "multiply-add of a convolution",
    "transposed_conv": "multiply-add of a transposed convolution",
    "transposed_conv_outputs": "weight and output position of a transposed convolution",
    "linear": "multiply-add of a linear layer",
    "linear_weights": "weight of a linear layer, however many rows it has",
    "attention": "multiply-add of a product of attention",
    "conv_bias": "bias addition of a convolution",
    "linear_bias": "bias addition of a linear layer",
    "linear_biases": "bias of a linear layer, however many rows it has",
    "batch_norm": "element of batch norm",
    "layer_norm": "element of layer norm",
    "group_norm": "element of group or instance norm",
    "norm_params": "parameter of a norm",
    "activation": "element of an activation (but GELU, SiLU and hard swish)",
    "gelu": "element of a GELU",
    "silu": "element of a SiLU",
    "hard_swish": "element of a hard swish",
    "softmax": "element of a softmax",
    "max_pool_inputs": "element that enters a maximum pooling",
    "max_pool_outputs": "element that leaves a maximum pooling",
    "avg_pool_inputs": "element that enters an average pooling",
    "avg_pool_outputs": "element that leaves an average pooling",
    "global_pool_inputs": "element that enters a global or adaptive pooling",
    "global_pool_outputs": "element that leaves a global or adaptive pooling",
    "nearest": "element of nearest interpolation",
    "bilinear": "element of bilinear interpolation",
    "addition": "element of an addition",
    "scaling": "element of a scaling",
}
PARAMETERS = {"params": "parameter", "running_statistics": "running mean or variance"}
PRODUCTS = ("conv", "transposed_conv", "linear", "attention")
UNITS = {"multiply-adds": "MACs", "operations": "operations"}
KEYS = ("name", "unit", "source", "how", "counts", "params")

LABELS = {
    "batch norm": ("batch_norm",),
    "layer norm": ("layer_norm",),
    "group norm": ("group_norm",),
    "instance norm": ("group_norm",),
    "activation": ("activation", "gelu", "silu", "hard_swish"),
    "softmax": ("softmax",),
    "pooling": ("max_pool_inputs", "max_pool_outputs", "avg_pool_inputs", "avg_pool_outputs"),
    "global pooling": ("global_pool_inputs", "global_pool_outputs"),
    "bias additions": ("conv_bias", "linear_bias", "linear_biases"),
    "interpolation": ("nearest", "bilinear"),
    "addition": ("addition",),
    "scaling": ("scaling",),
}
"""What the footer calls the quantities that a rule may leave out."""


class CountingRule(NamedTuple):
    """A rule: how much each unit of each quantity counts. What has no weight counts nothing."""

    name: str
    unit: str
    source: str
    how: str
    counts: dict[str, int]
    params: dict[str, int]

    @property
    def title(self) -> str:
        """The heading of a column of figures under this rule."""
        return UNITS[self.unit]

    @property
    def key(self) -> str:
        """The name of such a column in data."""
        return "macs" if self.unit == "multiply-adds" else "operations"

    def words(self) -> str:
        """State the rule."""
        counts = dict(self.counts)
        parts = []
        if len({counts.get(key) for key in PRODUCTS}) == 1:
            parts.append(f"{counts['conv']} per multiply-add")
            counts = {key: weight for key, weight in counts.items() if key not in PRODUCTS}
        parts += [f"{weight} per {QUANTITIES[key]}" for key, weight in counts.items()]
        parts += [f"{weight} per {PARAMETERS[key]}" for key, weight in self.params.items() if key != "params"]
        return f"as {self.name} counts {self.unit}: {listed(parts, 'and')}"


def rule_names() -> tuple[str, ...]:
    """Name the rules of the library."""
    return tuple(sorted(entry.name[:-5] for entry in os.scandir(specs_folder() / "rules")))


def load_rule(name: str) -> CountingRule:
    """Load a rule by its name, or from a file.

    Raises BneckError for a name that is neither, and for a file that is no rule.
    """
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        return parse_rule(read_source(name))
    if name not in rule_names():
        hint = nearest(name, rule_names()) or f"the rules are {listed(rule_names(), 'and')}"
        raise BneckError(f"no counting rule is called '{name}'", hint=hint)
    return parse_rule(read_source(specs_folder() / "rules" / f"{name}.yaml", f"rules/{name}.yaml"))


def describe_rule(name: str) -> Iterator[str]:
    """Say what a rule counts, and how it was established."""
    rule = load_rule(name)
    yield f"{rule.name}: {rule.words().split(': ', 1)[1]}\n"
    yield f"    counts {rule.unit}; {rule.source}; {rule.how}\n"


def parse_rule(source: Source) -> CountingRule:
    """Read a rule: ``name``, ``unit``, ``source``, ``how``, and the weights in ``counts`` and ``params``."""
    root = parse_document(source)
    found = entries(root, "a counting rule")
    for name, (key, _) in found.items():
        if name not in KEYS:
            raise unknown_key(key, KEYS, "a counting rule")
    if "name" not in found or "counts" not in found:
        raise Place(root).error("a counting rule needs `name` and `counts`")
    texts = {name: _text(found[name][1], name) for name in ("name", "unit", "source", "how") if name in found}
    unit = texts.get("unit", "multiply-adds")
    if unit not in UNITS:
        value = found["unit"][1]
        raise Place(value, 0, len(unit)).error(f"`unit` is {listed(UNITS)} (got '{unit}')")
    counts = _weights(found["counts"][1], QUANTITIES, "counts")
    params = _weights(found["params"][1], PARAMETERS, "params") if "params" in found else {"params": 1}
    return CountingRule(texts["name"], unit, texts.get("source", ""), texts.get("how", ""), counts, params)


def _text(node: Any, key: str) -> str:
    if not isinstance(node, Scalar):
        raise Place(node).error(f"`{key}` is a line of text")
    return " ".join(node.text.split())


def _weights(node: Any, known: dict[str, str], what: str) -> dict[str, int]:
    """Read the weights of named quantities: whole numbers."""
    weights = {}
    for name, (key, value) in entries(node, f"`{what}`").items():
        if name not in known:
            raise unknown_key(key, tuple(known), f"`{what}`")
        text = _text(value, name)
        if not re.fullmatch(r"0|[1-9]\d{0,8}", text):
            raise Place(value, 0, max(1, len(text))).error(f"a weight is a whole number (got '{text}')")
        weights[name] = int(text)
    return weights
