"""A notebook shows an analysed network as its drawing and its table, in a kernel as in a call."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import bneck_cli

CELLS = ("import bneck_cli", "bneck_cli.analyze('resnet18')", "bneck_cli.draw('basic', channels=64)")


def test_a_network_shows_its_drawing_and_its_table() -> None:
    """The drawing stands above the table, and both are the analysis's; one with symbols has both as well."""
    for network in (
        bneck_cli.analyze("resnet18"),
        bneck_cli.analyze("bottleneck", channels=256),
        bneck_cli.analyze("resnet18", input="3xHxW"),
    ):
        shown = network._repr_html_()
        assert 0 < shown.index("<svg") < shown.index("<table>")
        assert "MACs" in shown


def test_a_kernel_shows_them() -> None:
    """Executed by a real kernel, each cell's output is the HTML of the drawing and the table."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    folder = str(Path(bneck_cli.__file__).parent.parent)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = folder
    try:
        nbclient.NotebookClient(notebook, timeout=60).execute()
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    shown = [output["data"].get("text/html", "") for cell in notebook.cells for output in cell.outputs]
    assert len(shown) == 2
    assert all("<svg" in html for html in shown)
    assert "11,689,512" in shown[0]
