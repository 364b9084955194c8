"""Data types, their widths, and which type each part of a network's memory has."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.errors import listed, nearest
from bneck_cli.language.document import Place, Scalar, Source

if TYPE_CHECKING:
    from bneck_cli.sizes.shape import Size

DTYPES = {"fp64": 64, "fp32": 32, "bf16": 16, "fp16": 16, "fp8": 8, "int8": 8, "int4": 4}
"""Bits of an element."""
INFERENCE = ("fp8", "int8", "int4")
"""Data types in which a network runs and is not trained."""
PARTS = {
    "weights": "the weights and buffers that layers read",
    "activations": "the tensors between layers, and what is worked with",
    "cache": "keys and values of positions seen before",
    "gradients": "the gradients of the weights",
    "master": "a second copy of the weights, which the optimizer changes",
    "state": "what the optimizer remembers",
}
"""What has a type of its own, in words."""
STATE = "fp32"


class Precision(NamedTuple):
    """The type of each part; ``master`` is None if there is no second copy of the weights."""

    text: str
    weights: str
    activations: str
    cache: str
    gradients: str
    master: str | None
    state: str

    @property
    def untrained(self) -> str:
        """The first of the types that training needs in which nothing is trained, or nothing."""
        return next((one for one in (self.weights, self.gradients, self.activations) if one in INFERENCE), "")

    @property
    def types(self) -> dict[str, str | None]:
        """The type of each part, by name."""
        return {part: getattr(self, part) for part in PARTS}


def stored(elements: Size, dtype: str) -> Size:
    """Count the bytes of one tensor; what is narrower than a byte is packed, and ends on a whole byte."""
    bits = DTYPES[dtype]
    return elements * (bits // 8) if bits % 8 == 0 else (elements * bits + 7) // 8


def read_precision(text: str) -> Precision:
    """Read a type for all, and types of parts after it: ``bf16``, ``bf16,master=fp32``, ``fp16,weights=int4``.

    The cache is as activations are, gradients as weights, the optimizer's state in fp32 (fp64 beside fp64), and there
    is no master copy, unless they are named. Raises BneckError for what is no type and no part, at its place.
    """
    source, given = Source("--dtype", text), {}
    offset = 0
    for index, word in enumerate(text.split(",")):
        here = offset + len(word) - len(word.lstrip())
        name, equals, value = word.strip().partition("=")
        name, value = (name.strip(), value) if equals else ("", name)
        place = Place(Scalar(source, 0, here, word.strip()), 0, max(1, len(name or value)))
        if (index == 0) != (not equals):
            hint = "the overall type comes first, then parts: bf16,master=fp32"
            raise place.error("expected a type for all parts here" if index == 0 else "expected PART=TYPE here", hint)
        if name and name not in PARTS:
            raise place.error(f"unknown part '{name}'", nearest(name, PARTS) or f"the parts are {listed(PARTS, 'and')}")
        if value.strip() not in DTYPES:
            place = Place(Scalar(source, 0, here + len(word.strip()) - len(value), value), 0, max(1, len(value)))
            raise place.error(
                f"unknown data type '{value.strip()}'",
                nearest(value.strip(), DTYPES) or f"the types are {listed(DTYPES)}",
            )
        if name in given:
            raise place.error(f"'{name}' appears twice")
        given[name] = value.strip()
        offset += len(word) + 1
    whole = given[""]
    weights, activations = given.get("weights", whole), given.get("activations", whole)
    wide = "fp64" in (weights, activations)
    return Precision(
        text=",".join(f"{name}={value}" if name else value for name, value in given.items()),
        weights=weights,
        activations=activations,
        cache=given.get("cache", activations),
        gradients=given.get("gradients", weights),
        master=given.get("master"),
        state=given.get("state", "fp64" if wide else STATE),
    )
