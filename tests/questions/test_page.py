"""The page of a spec: whole by itself, escaped, its links leading somewhere, readable in a browser as on paper."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from browser import CHROMIUM, Browser
from running import run

import bneck_cli
from bneck_cli.formats import as_text
from bneck_cli.language.document import Source
from bneck_cli.language.library import load, resolve
from bneck_cli.questions.bars import bars
from bneck_cli.questions.page import page

if TYPE_CHECKING:
    from pathlib import Path

VOID = {"meta", "br", "link", "rect", "path", "circle", "polygon"}


class Page(HTMLParser):
    """The tags, ids, links and words of a page; every tag that opens must close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag that opens."""
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)
        for name, value in attrs:
            self.ids += [value or ""] if name == "id" else []
            self.links += [value or ""] if name in ("href", "src") else []

    def handle_endtag(self, tag: str) -> None:
        """Require that a tag closes what was opened last."""
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note words."""
        self.words.append(data)


def written(*names: str, **settings: str) -> str:
    """Write the page of bundled specs."""
    from bneck_cli.engine.settings import read_settings

    return as_text(page([(name, load(name)) for name in names], read_settings(**settings)), "html")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "settings"),
    [
        (("resnet50",), {}),
        (("unet",), {}),
        (("vit_b_16",), {}),
        (("bottleneck",), {"channels": "256"}),
        (("basic", "bottleneck"), {"channels": "64"}),
        (("resnet18", "resnet34"), {}),
        (("resnet18",), {"input": "3xHxW"}),
    ],
)
def test_a_page_is_whole_by_itself(names: tuple[str, ...], settings: dict[str, str]) -> None:
    """Tags close, ids are unique, every link leads to a row of the page, and nothing is fetched or run."""
    found = Page(written(*names, **settings))
    assert len(found.ids) == len(set(found.ids))
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert found.links
    assert "script" not in found.tags
    assert found.tags.count("svg") == 2 * len(names)
    assert "details" in found.tags


def test_a_stage_leads_to_its_row() -> None:
    """The box of a stage links to the row of that stage."""
    text = written("resnet50")
    for label in ("layer1", "layer4"):
        row = re.search(rf'<tr class="group" id="([^"]+)"><th scope="row" class="name">{label}</th>', text)
        assert row is not None
        assert f'<a href="#{row[1]}" aria-label="' in text


def test_what_a_spec_says_is_escaped() -> None:
    """A hostile name, path or comment is text on the page, and the spec's own text stands there as it is."""
    hostile = "# </pre><script>alert(1)</script>\nname: '<img src=x onerror=alert(1)>'\n"
    spec = f"{hostile}input: 8 x 4 x 4\nnet:\n  - conv 1x1 8\n"
    text = as_text(page([("x", resolve(Source('<b>"x.yaml', spec)))]), "html")
    found = Page(text)
    assert "script" not in found.tags
    assert "img" not in found.tags
    assert "</pre><script>alert(1)</script>" in "".join(found.words)


def test_shares_are_those_of_the_analysis() -> None:
    """The rows of a network's shares are each its part, and leave out nothing that counts."""
    for name in ("resnet50", "mobilenet_v3_large", "densenet121", "vit_b_16"):
        analysis = bneck_cli.analyze(name).found
        table = bars(analysis)
        assert table is not None
        for column in (2, 3, 4):
            assert 0.98 < sum(row.cells[column].value for row in table.rows) <= 1 + 1e-9
        tree = {row["path"]: row for row in bneck_cli.analyze(name).layers(fold=True)}
        for row in table.rows:
            if row.cells[0] in tree:
                assert row.cells[3].value == tree[row.cells[0]]["macs"] / analysis.cost.macs


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    """The page goes to a file, whole; a format that it has not is refused."""
    file = tmp_path / "page.html"
    assert run("report", "resnet18", "-o", str(file)).code == 0
    Page(file.read_text(encoding="utf-8"))
    assert run("report", "resnet18", "--format", "csv").code == 2
    assert "## Layer by layer" in run("report", "resnet18", "--format", "markdown").out


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")
def test_a_browser_shows_and_prints_all_of_it(tmp_path: Path) -> None:
    """In headless Chromium nothing is wider than the window, and paper has the rows that are folded on the screen."""
    file = tmp_path / "page.html"
    file.write_text(written("resnet50"), encoding="utf-8")
    options = [CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    seen = subprocess.run(
        [*options, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=90, check=True
    ).stdout
    assert "bottleneck, 2048" in seen
    printed = tmp_path / "page.pdf"
    subprocess.run([*options, f"--print-to-pdf={printed}", file.as_uri()], capture_output=True, timeout=90, check=True)
    assert printed.read_bytes().startswith(b"%PDF")
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", "-layout", printed, "-"], capture_output=True, text=True, check=True).stdout
        assert "1,464,336,384" in text  # a row of the folded table


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to look at the page with")
def test_a_page_fits_a_window_and_is_read_by_keys(tmp_path: Path) -> None:
    """No window scrolls sideways, nothing is fetched or complained of, dark is dark, and keys reach all there is."""
    file = tmp_path / "page.html"
    with Browser(tmp_path) as browser:
        for names, settings in ((("resnet50",), {}), (("basic", "bottleneck"), {"channels": "64"})):
            file.write_text(written(*names, **settings), encoding="utf-8")
            for width in (400, 1400):
                browser.open(file, width)
                browser.value("document.querySelectorAll('details').forEach(each => each.open = true)")
                assert browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        browser.open(file, 1400, "dark")
        background = browser.value(f"{STYLE}(document.documentElement).backgroundColor")
        assert max(map(int, re.findall(r"[0-9]+", background)[:3])) < 64
        assert browser.value(f"{STYLE}(document.querySelector('.light')).display") == "none"
        reached: list[str] = []
        browser.value(
            "var shown = element => element && element.tagName.toLowerCase() + '.' + element.getAttribute('class')"
        )
        for _ in range(24):
            browser.press("Tab", 9)
            reached.append(browser.value("shown(document.activeElement)"))
            if reached[-1] == "a.null":
                assert browser.value(f"{STYLE}(document.activeElement.querySelector('rect')).strokeWidth") == "5px"
                assert browser.value("document.activeElement.getAttribute('aria-label').length") > 3
        assert reached[0] == "a.skip"
        assert {"a.skip", "a.null", "summary.null"} <= set(reached)
        assert browser.told("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded") == []
        assert {told["request"]["url"] for told in browser.told("Network.requestWillBeSent")} == {file.as_uri()}


STYLE = "getComputedStyle"


def test_tables_say_what_their_heads_are_for() -> None:
    """Heads of columns and names of rows are headings of theirs; what is quoted as code is set as code."""
    text = written("resnet50")
    assert not re.search(r"<th(?! scope=\"(col|row)\")[ >]", text)
    assert "<code>resnet50_v1</code>" in text
    assert "`" not in re.sub(r"<pre.*?</pre>", "", text, flags=re.DOTALL)
