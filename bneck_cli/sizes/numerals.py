"""The spelling of whole numbers and names, in a spec and on the command line."""

from __future__ import annotations


def is_number(text: str) -> bool:
    """Tell whether a text is a whole number in the digits 0 to 9; ``isdigit`` alone takes ``²``, and other scripts'."""
    return text.isascii() and text.isdigit()


def is_name(text: str) -> bool:
    """Tell whether a text is a name: ASCII letters, digits and underscores, no digit first (``H²`` is a power of H)."""
    return text.isascii() and text.isidentifier()
