"""Headless Chromium, asked over a pipe in its own protocol: what a page is like in a window of some size."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
COMMANDS, ANSWERS = 3, 4
"""The descriptors at which Chromium reads commands and writes answers."""
AWAY = 100
"""A descriptor out of the way of those two, where theirs wait."""


class Browser:
    """One page of a browser; ``events`` holds what it told of itself: console messages, requests."""

    def __init__(self, folder: Path) -> None:
        reads, self._commands = os.pipe()
        self._answers, writes = os.pipe()

        command = [CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/browser"]
        quiet = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_WRONLY, 0) for stream in (1, 2)]
        places = ((reads, AWAY), (writes, AWAY + 1), (AWAY, COMMANDS), (AWAY + 1, ANSWERS))
        self._process = os.posix_spawn(
            command[0],
            [*command, "--remote-debugging-pipe", "about:blank"],
            os.environ,
            file_actions=[*quiet, *((os.POSIX_SPAWN_DUP2, old, new) for old, new in places)],
        )
        os.close(reads)
        os.close(writes)
        self._said = b""
        self._count = 0
        self._session = ""
        self.events: list[dict[str, Any]] = []
        pages = [target for target in self.ask("Target.getTargets")["targetInfos"] if target["type"] == "page"]
        attached = self.ask("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._session = ""
        self.ask("Browser.close")
        os.waitpid(self._process, 0)
        os.close(self._commands)
        os.close(self._answers)

    def ask(self, method: str, **parameters: object) -> dict[str, Any]:
        """Give a command, and return its answer."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            heard = self._next()
            if heard.get("id") == self._count:
                assert "error" not in heard, heard
                result: dict[str, Any] = heard["result"]
                return result
            self.events.append(heard)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._said:
            more = os.read(self._answers, 1 << 16)
            assert more, "the browser has gone"
            self._said += more
        text, _, self._said = self._said.partition(b"\0")
        found: dict[str, Any] = json.loads(text)
        return found

    def open(self, file: Path, width: int, scheme: str = "light") -> None:
        """Show a file in a window of some width, to a reader who prefers a colour scheme."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        before = len(self.events)
        self.ask("Page.navigate", url=file.as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events[before:]):
            self.events.append(self._next())

    def value(self, expression: str) -> Any:
        """Return what an expression has for a value in the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def told(self, *methods: str) -> list[dict[str, Any]]:
        """Return what events of some kinds said."""
        return [event["params"] for event in self.events if event.get("method") in methods]
