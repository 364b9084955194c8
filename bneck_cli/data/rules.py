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
    from collections.abc import Collection, Iterable

ACTIVATIONS = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "silu", "hard_swish", "gelu", "sigmoid", "hard_sigmoid"),
    *("tanh", "hard_tanh", "mish", "softplus", "softsign", "prelu"),
)
CELLS = ("lstm", "gru", "rnn")
QUANTITIES = {
    "conv": ("multiply-add", "of a convolution"),
    "transposed_conv": ("multiply-add", "of a transposed convolution"),
    "transposed_conv_outputs": ("weight and output position", "of a transposed convolution"),
    "linear": ("multiply-add", "of a linear layer"),
    "linear_weights": ("weight", "of a linear layer, however many rows it has"),
    "attention": ("multiply-add", "of a product of attention"),
    "attention_operator": ("multiply-add", "of a product of attention that the code writes with @"),
    "conv_bias": ("bias addition", "of a convolution"),
    "linear_bias": ("bias addition", "of a linear layer"),
    "linear_biases": ("bias", "of a linear layer, however many rows it has"),
    "batch_norm": ("element", "of batch norm"),
    "layer_norm": ("element", "of layer norm"),
    "group_norm": ("element", "of group or instance norm"),
    "instance_norm": ("element", "of instance norm"),
    "rms_norm": ("element", "of RMS norm"),
    "global_response_norm": ("element", "of global response norm"),
    "local_response_norm": ("element", "of local response norm"),
    "batch_norm_bare": ("element", "of batch norm without scale and shift"),
    "layer_norm_bare": ("element", "of layer norm without scale and shift"),
    "group_norm_bare": ("element", "of group or instance norm without scale and shift"),
    "instance_norm_bare": ("element", "of instance norm without scale and shift"),
    "norm_params": ("parameter", "of a norm"),
    "activation": ("element", "of an activation"),
    **{op: ("element", f"of {op}") for op in ACTIVATIONS},
    "activation_params": ("parameter", "of an activation"),
    "softmax": ("element", "of a softmax"),
    "softmax_additions": ("addition", "in a softmax"),
    "max_pool_inputs": ("element", "that enters a maximum pooling"),
    "max_pool_outputs": ("element", "that leaves a maximum pooling"),
    "avg_pool_inputs": ("element", "that enters an average pooling"),
    "avg_pool_outputs": ("element", "that leaves an average pooling"),
    "global_pool_inputs": ("element", "that enters a global or adaptive pooling"),
    "global_pool_outputs": ("element", "that leaves a global or adaptive pooling"),
    "global_max_pool_inputs": ("element", "that enters a global or adaptive maximum pooling"),
    "global_max_pool_outputs": ("element", "that leaves a global or adaptive maximum pooling"),
    "nearest": ("element", "of nearest interpolation"),
    "bilinear": ("element", "of bilinear interpolation"),
    "bicubic": ("element", "of bicubic interpolation"),
    "interpolation_inputs": ("element", "that enters an interpolation"),
    "addition": ("element", "of an addition"),
    "scaling": ("element", "of a scaling"),
    "scaled_queries": ("element", "of the queries of attention, scaled"),
    "scaled_scores": ("element", "of the scores of attention, scaled"),
    "embedding": ("element", "that an embedding looks up"),
    "embedding_params": ("weight", "of an embedding"),
    "lstm": ("multiply-add", "of an LSTM"),
    "lstm_bias": ("bias addition", "of an LSTM"),
    "lstm_elements": ("element", "of the states of an LSTM"),
    "lstm_elements_bare": ("element", "of the states of an LSTM without biases"),
    "gru": ("multiply-add", "of a GRU"),
    "gru_bias": ("bias addition", "of a GRU"),
    "gru_elements": ("element", "of the states of a GRU"),
    "gru_elements_bare": ("element", "of the states of a GRU without biases"),
    "rnn": ("multiply-add", "of a plain recurrent layer"),
    "rnn_bias": ("bias addition", "of a plain recurrent layer"),
    "rnn_elements": ("element", "of the states of a plain recurrent layer"),
    "rnn_elements_bare": ("element", "of the states of a plain recurrent layer without biases"),
    "size_products": ("product", "of two sizes in the code of a network"),
}
"""What a rule may weigh: the unit, and of what."""
GENERAL = {
    "attention_operator": "attention",
    **dict.fromkeys(ACTIVATIONS, "activation"),
    "instance_norm": "group_norm",
    "instance_norm_bare": "group_norm_bare",
    **{f"{cell}_elements_bare": f"{cell}_elements" for cell in CELLS},
    "batch_norm_bare": "batch_norm",
    "layer_norm_bare": "layer_norm",
    "group_norm_bare": "group_norm",
    "global_max_pool_inputs": "global_pool_inputs",
    "global_max_pool_outputs": "global_pool_outputs",
}
"""The quantity whose weight stands for another that a rule does not name."""
PARAMETERS = {"params": "parameter", "running_statistics": "running mean or variance"}
PRODUCTS = ("conv", "transposed_conv", "linear", "attention")
UNITS = {"multiply-adds": "MACs", "operations": "operations"}
KEYED = {"multiply-adds": "macs", "operations": "operations", "FLOPs": "flops"}
"""The name in data of figures in a unit."""
FORMS = {
    "function": "called as a function",
    "subclass": "in a class of the network's own",
    "mean": "taken as a mean",
    "multihead": "in nn.MultiheadAttention",
    "einsum": "written as an einsum",
}
"""How a network's code may call an operation, but as a module of PyTorch's own: a rule may weigh it otherwise."""
KEYS = ("name", "unit", "source", "how", "counts", "params", *FORMS, "notes", "refused")

LABELS = {
    "batch norm": ("batch_norm", "batch_norm_bare"),
    "layer norm": ("layer_norm", "layer_norm_bare"),
    "group norm": ("group_norm", "group_norm_bare"),
    "instance norm": ("instance_norm", "instance_norm_bare"),
    "rms norm": ("rms_norm",),
    "global response norm": ("global_response_norm",),
    "local response norm": ("local_response_norm",),
    "activation": ACTIVATIONS,
    "softmax": ("softmax",),
    "pooling": ("max_pool_inputs", "max_pool_outputs", "avg_pool_inputs", "avg_pool_outputs"),
    "global pooling": (
        *("global_pool_inputs", "global_pool_outputs"),
        *("global_max_pool_inputs", "global_max_pool_outputs"),
    ),
    "bias additions": ("conv_bias", "linear_bias", "linear_biases", *(f"{cell}_bias" for cell in CELLS)),
    "recurrent gates": tuple(f"{cell}_elements{bare}" for cell in CELLS for bare in ("", "_bare")),
    "interpolation": ("nearest", "bilinear", "bicubic", "interpolation_inputs"),
    "addition": ("addition",),
    "scaling": ("scaling",),
}
"""What the footer calls the quantities that a rule may leave out."""


class CountingRule(NamedTuple):
    """A rule: how much each unit of each quantity counts. What has no weight counts nothing.

    ``forms`` are weights of what the code calls otherwise than as a module; a form that is not there counts the same.
    ``notes`` say of a quantity what the figure depends on; ``refused`` why it is not known what the tool would count.
    """

    name: str
    unit: str
    source: str
    how: str
    counts: dict[str, int]
    params: dict[str, int]
    forms: dict[str, dict[str, int]]
    notes: dict[str, str]
    refused: dict[str, str]

    def weight(self, quantity: str, form: str = "module") -> int:
        """Return what a unit of a quantity counts where the code is written so."""
        weights = self.forms.get(form, self.counts)
        return weights.get(quantity, weights.get(GENERAL.get(quantity, ""), 0))

    def said(self, quantity: str, form: str = "module") -> str:
        """Return the note on a quantity, written ``attention`` or ``multihead.attention``."""
        return self.notes.get(f"{form}.{quantity}", self.notes.get(quantity, ""))

    def refuses(self, quantity: str, form: str = "module") -> str:
        """Return why it is not known what the tool would count of a quantity, or nothing."""
        return self.refused.get(f"{form}.{quantity}", self.refused.get(quantity, ""))

    @property
    def title(self) -> str:
        """The heading of a column of figures under this rule."""
        return UNITS.get(self.unit, self.unit)

    @property
    def key(self) -> str:
        """The name of such a column in data."""
        return KEYED[self.unit]

    def words(self, present: Iterable[tuple[str, str]] | None = None) -> str:
        """State the rule, or what it counts of the quantities that a network has."""
        even = len({self.counts.get(key) for key in PRODUCTS}) == 1
        if present is None:
            parts = [_weights_in_words(self.counts, even)]
            for form, weights in self.forms.items():
                parts.append(f"{FORMS[form]}: {_weights_in_words(weights) or 'nothing'}")
            text = "; ".join(parts)
        else:
            found: dict[str, dict[str, int]] = {}
            for key, form in present:
                if key in QUANTITIES and self.weight(key, form):
                    found.setdefault(form if form in self.forms else "module", {})[key] = self.weight(key, form)
            forms = sorted(found.items(), key=lambda item: item[0] != "module")
            parts = [
                f"{_weights_in_words(each, even and form == 'module')} {FORMS.get(form, '')}" for form, each in forms
            ]
            text = "; ".join(map(str.strip, parts)) or "nothing of this network"
        for key, weight in self.params.items():
            if key != "params":
                text += f"; {weight} per {PARAMETERS[key]}"
        return f"as {self.name} counts {self.unit}: {text}"


FLOPS = CountingRule("bneck", "FLOPs", "", "", dict.fromkeys((*PRODUCTS, *CELLS), 2), {"params": 1}, {}, {}, {})
"""The plain count in the other unit: every multiply-add is two operations of floating-point numbers."""


def _weights_in_words(weights: dict[str, int], even: bool = False) -> str:
    """Say weights by unit: ``1 per element of relu and gelu``; ``even``: all products weigh alike."""
    groups: dict[tuple[int, str], list[str]] = {}
    for key, weight in weights.items():
        unit, what = QUANTITIES[key]
        groups.setdefault((weight, unit), []).extend([] if even and key in PRODUCTS else [what])
    said = []
    for (weight, unit), whats in groups.items():
        owners = [what[3:] for what in whats if what.startswith("of ")]
        others = [what for what in whats if not what.startswith("of ")]
        whole = [f"of {listed(owners, 'and')}", *others] if owners else others
        said.append(f"{weight} per {unit} {listed(whole, 'and')}" if whole else f"{weight} per {unit}")
    return ", ".join(said)


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
        hint = _unit_hint(name) or nearest(name, rule_names()) or f"the rules are {listed(rule_names(), 'and')}"
        raise BneckError(f"no counting rule is called '{name}'", hint=hint)
    return parse_rule(read_source(specs_folder() / "rules" / f"{name}.yaml", f"rules/{name}.yaml"))


def _unit_hint(name: str) -> str:
    """Answer the name of a unit with the rules that count in it."""
    word = re.sub(r"^[kmgt]?(flops?|macs?|madds?|ops|operations|multiply-adds)$", r"\1", name.casefold())
    units = {"flop": "operations", "ops": "operations", "oper": "operations", "mac": "multiply-adds"}
    units |= {"macs": "multiply-adds", "madd": "multiply-adds", "mult": "multiply-adds"}
    unit = units.get(word[:4])
    if unit is None:
        return ""
    rules = [rule.name for rule in map(load_rule, rule_names()) if rule.unit == unit]
    twice = " (2 per multiply-add: flopcounter and calflops)" if unit == "operations" else ""
    return f"rules that count {unit} are {listed(rules, 'and')}{twice}"


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
    forms = {form: _weights(found[form][1], QUANTITIES, form) for form in FORMS if form in found}
    notes, refused = [_sentences(found[key][1], key) if key in found else {} for key in ("notes", "refused")]
    how = texts.get("how", "")
    return CountingRule(texts["name"], unit, texts.get("source", ""), how, counts, params, forms, notes, refused)


def _sentences(node: Any, what: str) -> dict[str, str]:
    """Read a sentence for each of some quantities."""
    sentences = {}
    for name, (key, value) in entries(node, f"`{what}`").items():
        form, _, quantity = name.rpartition(".")
        if quantity not in QUANTITIES or form not in ("", "module", *FORMS):
            raise unknown_key(key, tuple(QUANTITIES), f"`{what}`")
        sentences[name] = _text(value, name)
    return sentences


def _text(node: Any, key: str) -> str:
    if not isinstance(node, Scalar):
        raise Place(node).error(f"`{key}` is a line of text")
    return " ".join(node.text.split())


def _weights(node: Any, known: Collection[str], what: str) -> dict[str, int]:
    """Read the weights of named quantities: whole numbers."""
    weights = {}
    for name, (key, value) in entries(node, f"`{what}`").items():
        if name not in known:
            raise unknown_key(key, tuple(known), f"`{what}`")
        text = _text(value, name)
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text):
            raise Place(value, 0, max(1, len(text))).error(f"a weight is a whole number (got '{text}')")
        weights[name] = int(text)
    return weights
