"""Devices with their published peaks, for time estimates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from bneck_cli.data.precision import DTYPES
from bneck_cli.errors import BneckError, listed, nearest
from bneck_cli.language.document import Place, Scalar, Source, parse_document
from bneck_cli.language.library import read_source, specs_folder
from bneck_cli.language.syntax import entries, unknown_key

if TYPE_CHECKING:
    from bneck_cli.language.document import Node as Document


class Device(NamedTuple):
    """A machine as its maker publishes it: operations per second by data type (``""`` for any), bytes per second.

    ``memory`` are the bytes that it holds, 0 if that is not known.
    """

    key: str
    name: str
    peaks: dict[str, int]
    bandwidth: int
    source: str = ""
    memory: int = 0

    def peak(self, dtype: str) -> int:
        """Return the operations per second in a data type; one without a published peak is an error."""
        if "" in self.peaks:
            return self.peaks[""]
        if dtype not in self.peaks:
            raise BneckError(
                f"{self.name} has no published peak for {dtype}", hint=f"it has {listed(self.peaks, 'and')}"
            )
        return self.peaks[dtype]


QUANTITY = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,9}))?\s*([KMGTP]?)(FLOPS|FLOP/s|OPS|OP/s|B/s|B)")
POWERS = {"": 0, "K": 3, "M": 6, "G": 9, "T": 12, "P": 15}
DEVICE_KEYS = ("name", "peaks", "bandwidth", "memory", "source")
EXAMPLES = {"peak": "100 GFLOPS", "bandwidth": "20 GB/s", "memory": "16 GB"}
DEVICE_TEXT = "100GFLOPS,20GB/s"


def load_device(name: str) -> Device:
    """Find a device by name, or read one from text such as ``100GFLOPS,20GB/s``.

    Raises BneckError for what is neither.
    """
    if "," in name or name[:1].isdigit():
        return _written_device(name)
    known = load_devices()
    if name not in known:
        hint = nearest(name, known) or f"the devices are {listed(known, 'and')}; or write {DEVICE_TEXT}"
        raise BneckError(f"unknown device '{name}'", hint=hint)
    return known[name]


def load_devices() -> dict[str, Device]:
    """Load the devices of the library by name."""
    return parse_devices(read_source(specs_folder() / "data" / "devices.yaml", "data/devices.yaml"))


def parse_devices(source: Source) -> dict[str, Device]:
    """Read ``devices:``, each with its ``name``, ``peaks``, ``bandwidth``, ``memory`` and ``source``."""
    found = entries(parse_document(source), "a file of devices")
    for name, (key, _) in found.items():
        if name != "devices":
            raise unknown_key(key, ("devices",), "a file of devices")
    if "devices" not in found:
        raise BneckError(f"{source.file}: a file of devices has the key `devices`")
    listing = entries(found["devices"][1], "`devices`")
    return {name: _device(key, node) for name, (key, node) in listing.items()}


def _device(key: Scalar, node: Document) -> Device:
    fields = entries(node, f"the device '{key.text}'")
    for name, (word, _) in fields.items():
        if name not in DEVICE_KEYS:
            raise unknown_key(word, DEVICE_KEYS, f"the device '{key.text}'")
    for name in ("peaks", "bandwidth"):
        if name not in fields:
            raise Place(key, 0, len(key.text)).error(f"the device '{key.text}' needs `{name}`")
    peaks = {}
    for dtype, (word, value) in entries(fields["peaks"][1], "`peaks`").items():
        if dtype not in DTYPES:
            raise unknown_key(word, tuple(DTYPES), "`peaks`")
        peaks[dtype] = _rate(_line(value, dtype), "peak")
    if not peaks:
        raise Place(fields["peaks"][0]).error("`peaks` needs at least one data type")
    bandwidth = _rate(_line(fields["bandwidth"][1], "bandwidth"), "bandwidth")
    memory = _rate(_line(fields["memory"][1], "memory"), "memory") if "memory" in fields else 0
    texts = {name: _line(fields[name][1], name).text for name in ("name", "source") if name in fields}
    return Device(key.text, texts.get("name", key.text), peaks, bandwidth, texts.get("source", ""), memory)


def _line(node: Document, key: str) -> Scalar:
    if not isinstance(node, Scalar):
        raise Place(node).error(f"`{key}` must be a line of text")
    return node


def _rate(scalar: Scalar, what: str) -> int:
    """Read operations per second (a peak), bytes per second (a bandwidth) or bytes (a memory)."""
    match = QUANTITY.fullmatch(scalar.text)
    if match is None or _kind(match[4]) != what or not _scaled(match):
        place = Place(scalar, 0, max(1, len(scalar.text)))
        raise place.error(f"expected a {what} such as {EXAMPLES[what]} (got '{scalar.text}')")
    return _scaled(match)


def _kind(unit: str) -> str:
    return {"B/s": "bandwidth", "B": "memory"}.get(unit, "peak")


def _scaled(match: re.Match[str]) -> int:
    whole, fraction, prefix, _ = match.groups(default="")
    return int(int(whole + fraction) * 10 ** POWERS[prefix] // 10 ** len(fraction))


def _written_device(text: str) -> Device:
    """Read a peak for any data type, a bandwidth and perhaps a memory, in any order."""
    source, rates = Source("--device", text), {}
    offset = 0
    for part in text.split(","):
        word = Scalar(source, 0, offset + len(part) - len(part.lstrip()), part.strip())
        what = "bandwidth" if word.text.endswith("B/s") else "memory" if word.text.endswith("B") else "peak"
        rate = _rate(word, what)
        if what in rates:
            raise Place(word, 0, len(word.text)).error(f"the {what} appears twice", f"write {DEVICE_TEXT}")
        rates[what] = rate
        offset += len(part) + 1
    for what in ("peak", "bandwidth"):
        if what not in rates:
            raise Place(Scalar(source, 0, 0, text), 0, len(text)).error(
                f"the {what} is missing", f"write {DEVICE_TEXT}"
            )
    return Device(text, text, {"": rates["peak"]}, rates["bandwidth"], memory=rates.get("memory", 0))
