"""How a tool counts, as one object: the weight of every quantity that a layer may have.

The default is torchvision's rule: one for each multiply-add of a convolution, a linear layer or a product of
attention.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.engine.layers.quantities import QUANTITIES
from bneck_cli.errors import listed

if TYPE_CHECKING:
    from collections.abc import Iterable

LABELS: dict[str, list[str]] = {}
"""What the footer calls the quantities that a rule may leave out."""
for _name, _quantity in QUANTITIES.items():
    if _quantity.label:
        LABELS.setdefault(_quantity.label, []).append(_name)
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
        return weights.get(quantity, weights.get(QUANTITIES[quantity].general if quantity in QUANTITIES else "", 0))

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


DOUBLED = tuple(name for name, quantity in QUANTITIES.items() if quantity.product)
FLOPS = CountingRule("bneck", "FLOPs", "", "", dict.fromkeys(DOUBLED, 2), {"params": 1}, {}, {}, {})
"""The plain count in the other unit: every multiply-add is two operations of floating-point numbers."""


def _weights_in_words(weights: dict[str, int], even: bool = False) -> str:
    """Say weights by unit: ``1 per element of relu and gelu``; ``even``: all products weigh alike."""
    groups: dict[tuple[int, str], list[str]] = {}
    for key, weight in weights.items():
        unit, what = QUANTITIES[key][:2]
        groups.setdefault((weight, unit), []).extend([] if even and key in PRODUCTS else [what])
    said = []
    for (weight, unit), whats in groups.items():
        owners = [what[3:] for what in whats if what.startswith("of ")]
        others = [what for what in whats if not what.startswith("of ")]
        whole = [f"of {listed(owners, 'and')}", *others] if owners else others
        said.append(f"{weight} per {unit} {listed(whole, 'and')}" if whole else f"{weight} per {unit}")
    return ", ".join(said)
