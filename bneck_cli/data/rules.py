"""Counting rules, read from files: the bundled ones in ``specs/rules``, or a user's."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from bneck_cli.engine.layers.quantities import QUANTITIES
from bneck_cli.engine.rule import FORMS, PARAMETERS, UNITS, CountingRule
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.document import Place, Scalar, Source, parse_document
from bneck_cli.language.library import read_source, specs_folder
from bneck_cli.language.syntax import entries, unknown_key

if TYPE_CHECKING:
    from collections.abc import Collection

KEYS = ("name", "unit", "source", "how", "counts", "params", *FORMS, "notes", "refused")


def rule_names() -> tuple[str, ...]:
    """Name the rules of the library."""
    return tuple(sorted(entry.name[:-5] for entry in os.scandir(specs_folder() / "rules")))


def load_rule(name: str) -> CountingRule:
    """Load a rule by its name, or from a file.

    Raises BneckError for a name that is neither, and for a file that is not a rule.
    """
    if name.endswith((".yaml", ".yml")) or os.sep in name:
        return parse_rule(read_source(name))
    if name not in rule_names():
        hint = _unit_hint(name) or nearest(name, rule_names()) or f"the rules are {listed(rule_names(), 'and')}"
        raise BneckError(f"unknown counting rule '{name}'", hint=hint)
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
        raise Place(value, 0, len(unit)).error(f"`unit` must be {listed(UNITS)} (got '{unit}')")
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
        raise Place(node).error(f"`{key}` must be a line of text")
    return " ".join(node.text.split())


def _weights(node: Any, known: Collection[str], what: str) -> dict[str, int]:
    """Read the weights of named quantities: whole numbers."""
    weights = {}
    for name, (key, value) in entries(node, f"`{what}`").items():
        if name not in known:
            raise unknown_key(key, tuple(known), f"`{what}`")
        text = _text(value, name)
        if not re.fullmatch(r"0|[1-9][0-9]{0,8}", text):
            raise Place(value, 0, max(1, len(text))).error(f"a weight must be a whole number (got '{text}')")
        weights[name] = int(text)
    return weights
