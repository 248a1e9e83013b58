"""Drives a real, headless Chromium by its debugging pipe: pages, keys, downloads, screenshots."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: Virtual key codes of the keys that have no letter.
_CODES = {"Escape": 27, "ArrowLeft": 37, "ArrowRight": 39, "Tab": 9, "Enter": 13}


class Browser:
    """One tab. `messages` gathers what pages complain of."""

    def __init__(self, folder: Path, width: int = 1280, height: int = 900) -> None:
        self.downloads = folder / "downloads"
        self.downloads.mkdir(parents=True)
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()
        self.messages: list[str] = []
        self._number = 0
        self._buffer = b""
        self._process = self._start(folder, to_browser, from_browser)
        os.close(to_browser)
        os.close(from_browser)
        found = self.send("Target.createTarget", url="about:blank")
        attached = self.send("Target.attachToTarget", targetId=found["targetId"], flatten=True)
        self._session: str = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.resize(width, height)
        self.send("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))

    @staticmethod
    def _start(folder: Path, to_browser: int, from_browser: int) -> subprocess.Popen[bytes]:
        assert CHROMIUM is not None
        flags = (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank",
        )  # fmt: skip

        def prepare() -> None:  # Chromium reads commands from 3 and writes answers to 4
            reading, writing = os.dup(to_browser), os.dup(from_browser)
            high_reading, high_writing = os.dup2(reading, 200), os.dup2(writing, 201)
            os.dup2(high_reading, 3)
            os.dup2(high_writing, 4)

        return subprocess.Popen(
            [CHROMIUM, *flags], preexec_fn=prepare, pass_fds=(3, 4, to_browser, from_browser),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def send(self, method: str, session: str = "", **parameters: Any) -> dict[str, Any]:
        """Send a command and wait for its answer."""
        self._number += 1
        command: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session:
            command["sessionId"] = session
        os.write(self._to, json.dumps(command).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._from, 1 << 20)
            assert data, "the browser has ended"
            self._buffer += data
        text, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled"}:
            self.messages.append(json.dumps(message["params"]))
        return message

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command to the tab."""
        return self.send(method, self._session, **parameters)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the window."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip

    def dark(self) -> None:
        """Ask pages for dark colours."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def open(self, page: Path) -> None:
        """Load a page and wait until it is complete."""
        self.call("Page.navigate", url=page.as_uri())
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")

    def ask(self, expression: str) -> Any:
        """Give the value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def wait(self, expression: str, seconds: float = 90.0) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.ask(expression):
            assert time.monotonic() < end, f"not true after {seconds} s: {expression}"
            time.sleep(0.02)

    def press(self, *keys: str) -> None:
        """Press keys as a person would."""
        for key in keys:
            code = _CODES.get(key, ord(key.upper()) if len(key) == 1 else 0)
            common = {"key": key, "windowsVirtualKeyCode": code, **({"text": key} if len(key) == 1 else {})}
            self.call("Input.dispatchKeyEvent", type="keyDown", **common)
            self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path: Path) -> None:
        """Write what is to be seen now."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
        os.close(self._to)
        os.close(self._from)
