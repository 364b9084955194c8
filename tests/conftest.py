"""One switch for all golden outputs: ``pytest --accept`` writes anew what differs; look at the difference then."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"

settings.register_profile("bneck", deadline=None)  # how fast a case is says more of the machine than of the code
settings.load_profile("bneck")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the switch."""
    parser.addoption("--accept", action="store_true", help="write golden outputs anew")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare a text with the golden file of that name."""

    def compare(name: str, text: str) -> None:
        file = GOLDEN / name
        if request.config.getoption("--accept"):
            file.write_text(text, encoding="utf-8")
        assert text == file.read_text(encoding="utf-8")

    return compare
