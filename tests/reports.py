"""Answers of every command, for tests that hold of every format."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import bneck_cli
from bneck_cli.data.rules import rule_names
from bneck_cli.engine.settings import read_settings
from bneck_cli.language.library import load
from bneck_cli.questions import (
    analyze,
    catalog,
    check,
    compare,
    counting_rules,
    diff_report,
    footprint_report,
    layers,
    lint_report,
    reconcile_report,
)
from bneck_cli.questions.columns import CELLS, COLUMNS, WIDER
from bneck_cli.questions.diff import diff
from bneck_cli.questions.explain import explain
from bneck_cli.questions.explain import report as explanation
from bneck_cli.questions.footprint import footprint
from bneck_cli.questions.lint import lint
from bneck_cli.questions.reconcile import reconcile
from bneck_cli.questions.rows import View

if TYPE_CHECKING:
    from collections.abc import Callable

    from bneck_cli.report import Report


def compared(*names: str, **settings: str) -> Report:
    """Compare bundled networks or blocks."""
    programs = [(name, load(name)) for name in names]
    return compare.report(compare.compare_programs(programs, read_settings(**settings)))


ALL = tuple(name for name in COLUMNS if name in CELLS or name in WIDER)
ANSWERS: dict[str, Callable[[], Report]] = {
    "analyze": lambda: analyze.report(bneck_cli.analyze("resnet50")),
    "analyze deep": lambda: analyze.report(bneck_cli.analyze("efficientnet_b7"), View(depth=3)),
    "analyze only": lambda: analyze.report(bneck_cli.analyze("mobilenet_v2"), View(only=("linear", "dwconv"), top=9)),
    "analyze symbols": lambda: analyze.report(bneck_cli.analyze("resnet50", input="3xHxW")),
    "analyze columns": lambda: analyze.report(bneck_cli.analyze("swin_t"), View(columns=ALL, depth=2)),
    "compare": lambda: compared("resnet50", "resnet50_v1", "resnet50_keras", "mobilenet_v2"),
    "compare blocks": lambda: compared("basic", "bottleneck", "resnext", channels="256"),
    "compare symbols": lambda: compared("basic", "bottleneck", channels="C"),
    "list": lambda: catalog.list_report(catalog.catalog()),
    "check": lambda: check.check_report(check.check_specs(["resnet50", "vgg16"]), True),
    "explain": lambda: explanation(explain(load("resnet50"))),
    "explain block": lambda: explanation(explain(load("bottleneck"), read_settings(channels="256"))),
    "lint": lambda: lint_report.report(lint(bneck_cli.analyze("resnet50_keras"))),
    "lint rules": lint_report.rules_report,
    "diff": lambda: diff_report.report(diff(bneck_cli.analyze("resnet50"), bneck_cli.analyze("resnet50_v1"))),
    "footprint": lambda: footprint_report.report(footprint(bneck_cli.analyze("resnet50"), "fp16", "a100"), full=True),
    "reconcile": lambda: reconcile_report.report(reconcile("resnet50", "4.11G")),
    "rules": lambda: counting_rules.report(rule_names()),
    "rules one": lambda: counting_rules.report(["calflops"]),
    "layers": layers.kinds_report,
    "layers one": lambda: layers.kind_report("attention"),
}


@cache
def answer(name: str) -> Report:
    """Return one of the answers, worked out once."""
    return ANSWERS[name]()
