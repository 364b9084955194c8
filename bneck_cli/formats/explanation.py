"""An explanation to text: headings and wrapped sentences for a terminal, or Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bneck_cli.formats.markup import escape_markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bneck_cli.formats import Style
    from bneck_cli.questions.explain import Explanation


def render_text(explanation: Explanation, style: Style) -> Iterator[str]:
    """Write each section below its heading; a line that begins with spaces belongs to the one above it."""
    from textwrap import wrap

    width = min(style.width or 100, 110)
    yield _bold(explanation.title, style) + "\n"
    for section in explanation.sections:
        yield f"\n{_bold(section.title, style)}\n"
        for line in section.lines:
            first = "    " if line.startswith(" ") else "  "
            yield "\n".join(wrap(line.strip(), width, initial_indent=first, subsequent_indent=f"{first}  ")) + "\n"


def _bold(text: str, style: Style) -> str:
    return f"\x1b[1m{text}\x1b[0m" if style.color else text


def render_markdown(explanation: Explanation, _style: Style) -> Iterator[str]:
    """Write headings and a list item for each sentence."""
    yield f"## {escape_markdown(explanation.title)}\n"
    for section in explanation.sections:
        yield f"\n### {section.title}\n\n"
        for line in section.lines:
            indent = "  " if line.startswith(" ") else ""
            yield f"{indent}- {escape_markdown(line.strip())}\n"


EXPLANATIONS: dict[str, Callable[[Explanation, Style], Iterator[str]]] = {
    "text": render_text,
    "markdown": render_markdown,
}
