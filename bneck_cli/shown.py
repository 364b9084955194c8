"""Text that comes from a spec, a file name or the command line, as it may be shown."""

from __future__ import annotations

PLAIN = {"×": "x", "·": "*", "⌊": "floor(", "⌋": ")", "√": "sqrt", "→": "->", "≈": "~", "…": "..."}
PLAIN |= {**dict.fromkeys("─┄–—", "-"), **dict.fromkeys("│┆", "|"), **dict.fromkeys("┌┐└┘├┤┬┴┼", "+")}
PLAIN |= {"▼": "v", "▲": "^", "◄": "<", "►": ">", **dict.fromkeys("█▉▊▋▌▍▎▏", "#")}
PLAIN |= {digit: f"^{index}" for index, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
"""What stands for a character where there is none but ASCII."""
LONGEST = 2000
"""Characters of one text that are shown; a name of 100,000 says no more."""


def shown(text: str) -> str:
    r"""Write what does not print (ESC, line ends, marks that turn the direction of text) as escapes: ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is no text
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii") if not character.isspace() or character < "\x20" else " "


def bounded(text: str, longest: int = LONGEST) -> str:
    """Cut a text that is longer than anyone reads, and say how long it is."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}... ({len(text):,} characters)"
