"""Text basics: numbers in groups, and foreign text made safe to show."""

from __future__ import annotations

PLAIN = {"×": "x", "·": "*", "⌊": "floor(", "⌋": ")", "√": "sqrt", "→": "->", "≈": "~", "…": "..."}
PLAIN |= {**dict.fromkeys("─┄–—", "-"), **dict.fromkeys("│┆", "|"), **dict.fromkeys("┌┐└┘├┤┬┴┼", "+")}
PLAIN |= {"▼": "v", "▲": "^", "◄": "<", "►": ">", **dict.fromkeys("█▉▊▋▌▍▎▏", "#")}
PLAIN |= {digit: f"^{index}" for index, digit in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}
"""What stands for a character if there is none but ASCII."""
LONGEST = 2000
"""Characters of one text that are shown; a name of 100,000 says no more."""


def shown(text: str) -> str:
    r"""Write what does not print (ESC, line ends, marks that turn the direction of text) as escapes: ``\x1b``."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _escape(character) for character in text)


def _escape(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte of a file's name that is not a text
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii") if not character.isspace() or character < "\x20" else " "


def grouped(number: float, form: str = "", sign: str = "") -> str:
    """Write a number with its thousands apart: ``4,089,184,256``; a ``form`` says how many digits, as ``.1f`` does.

    With the ``sign`` + a number above 0 has one, too.
    """
    return f"{number:{sign},{form}}"


def bounded(text: str, longest: int = LONGEST) -> str:
    """Cut a text that is longer than anyone reads, and say how long it is."""
    if len(text) <= longest:
        return text
    return f"{text[:longest]}... ({grouped(len(text))} characters)"
