"""A configuration by names: numbers within bounds, options that a spec follows, and those that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bneck_cli.errors import BneckError

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST = 2**31
MOST_COPIES = 2_000


class Settings:
    """The options of a file, and the input the network."""

    def __init__(self, config: dict[str, Any], path: str, sizes: tuple[int, ...] | None) -> None:
        self.config = config
        self.path = path
        self.sizes = sizes
        self.input = ""
        self.length = 0
        self.head = ""
        self.expected: int | None = None
        """The parameters as a sum over the options, where there is one."""

    def error(self, name: str, message: str) -> BneckError:
        """Make the error about an option."""
        return BneckError(f"{self.path}: `{name}`: {message}")

    def get(self, name: str, default: Any = None) -> Any:
        """Return an option; one that is null is not given."""
        found = self.config.get(name)
        return default if found is None else found

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number from 1."""
        value = self.get(name, default)
        if value is None:
            raise BneckError(f"{self.path}: needs `{name}`")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < LARGEST:
            raise self.error(name, f"expected a whole number from 1 (got {str(value)[:40]})")
        if ("layers" in name or name == "n_layer") and value > MOST_COPIES:
            raise self.error(name, f"expected at most {MOST_COPIES} layers (got {value})")
        return value

    def wholes(self, name: str, default: Sequence[int]) -> list[int]:
        """Return whole numbers."""
        value = self.get(name, list(default))
        plain = isinstance(value, list) and value and len(value) < 100
        if not plain or not all(type(one) is int and 0 < one < LARGEST for one in value):
            raise self.error(name, f"expected whole numbers from 1 (got {str(value)[:60]})")
        return list(value)

    def flag(self, name: str, default: bool) -> bool:
        """Return whether something is so."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise self.error(name, f"expected true or false (got {str(value)[:40]})")
        return value

    def one_of(self, name: str, known: Sequence[str], default: str) -> str:
        """Return a word of those that are known."""
        value = self.get(name, default)
        if value not in known:
            raise self.error(name, f"expected {' or '.join(known)} (got {str(value)[:40]})")
        return str(value)

    def fixed(self, name: str, wanted: Any, default: Any) -> None:
        """Require an option to be what the spec has."""
        value = self.get(name, default)
        if value != wanted:
            raise self.error(name, f"{wanted} is what is written here (got {str(value)[:40]})")

    def doubling(self, name: str, widths: Sequence[int], count: int) -> None:
        """Require each of so many widths to be twice the one before it."""
        if list(widths) != [widths[0] * 2**place for place in range(count)]:
            raise self.error(name, f"each of {count} widths is twice the one before it here (got {list(widths)})")

    def architecture(self, *known: str) -> None:
        """Require the model to be one of those whose head is written."""
        given = self.get("architectures", [])
        if isinstance(given, list) and given and given[0] not in known:
            raise self.error("architectures", f"expected {' or '.join(known)} (got {str(given[0])[:60]})")

    def image(self, channels: int, sides: Sequence[Any]) -> None:
        """Let a picture enter, of the sizes that are given, or else those of the file."""
        if len(sides) != 2 or not all(type(one) is int and 0 < one < LARGEST for one in sides):
            raise self.error("image_size", f"expected one or two whole numbers (got {str(sides)[:40]})")
        sizes = self.sizes or (channels, *sides)
        self.input = " x ".join(map(str, sizes))

    def sequence(self, longest: int) -> None:
        """Let words enter, as many as are given, or else as the model reads, up to 2,048."""
        given = self.sizes or (1, min(longest, 2048))
        if len(given) != 2 or given[0] != 1:
            raise BneckError(f"--input of a text is 1xLENGTH (got {'x'.join(map(str, given))})")
        self.length = given[1]
        self.input = f"1 x {self.length}"
