"""A real browser for tests: Chromium without a window, driven over its DevTools protocol.

Its microphone is a file and its loudspeaker nobody's. It is given a profile of its own and calls nobody but the pages
it is told to open.
"""

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
FLAGS: Final = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-default-browser-check",
    "--disable-default-apps", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required", "--remote-debugging-port=0", "--remote-debugging-address=127.0.0.1",
    "--disable-background-timer-throttling", "--disable-renderer-backgrounding",  # no tab is in front of the other
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
START_S: Final = 30
"""A cold start on a busy machine."""


def program() -> str:
    """Where the browser is; a test that needs it is skipped without."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium: run 'sudo apt-get install chromium'")
    return found


class Tab:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self.complaints: list[str] = []
        """What the page's scripts threw and nobody caught, and what was logged as an error."""

    async def ask(self, method: str, **parameters: Any) -> Any:
        """One command of the DevTools protocol."""
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(await self._socket.recv())
            self._note(answer)
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    async def run(self, script: str) -> Any:
        """The value of an expression, awaited if it is a promise."""
        done = await self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    async def until(self, condition: str, *, seconds: float = 20) -> None:
        """Wait until an expression is true."""
        async with asyncio.timeout(seconds):
            while not await self.run(f"Boolean({condition})"):  # noqa: ASYNC110 - the page tells nobody
                await asyncio.sleep(0.05)

    async def click(self, element: str) -> None:
        """Click it as a user would: a gesture, with which a page may use the microphone and the loudspeaker."""
        spot = f"document.querySelector({json.dumps(element)}).getBoundingClientRect().toJSON()"
        box = await self.run(spot)
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2, "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, **at)

    async def open(self, url: str, *, before: str = "") -> None:
        """Go there; ``before`` is run in the page before its own scripts."""
        for room in ("Page", "Runtime", "Log"):
            await self.ask(f"{room}.enable")
        if before:
            await self.ask("Page.addScriptToEvaluateOnNewDocument", source=before)
        await self.ask("Page.navigate", url=url)
        await self.until(f"document.readyState === 'complete' && location.href.startsWith({json.dumps(url)})")

    def _note(self, message: dict[str, Any]) -> None:
        match message.get("method"):
            case "Runtime.exceptionThrown":
                self.complaints.append(str(message["params"]["exceptionDetails"].get("exception")))
            case "Log.entryAdded" if message["params"]["entry"]["level"] == "error":
                self.complaints.append(message["params"]["entry"]["text"])


class Browser:
    """Opens tabs."""

    def __init__(self, address: str) -> None:
        self._address = address

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """A tab of its own."""
        async with httpx.AsyncClient(trust_env=False) as http:
            made = (await http.put(f"http://{self._address}/json/new?about:blank")).json()
        async with connect(made["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
            yield Tab(socket)


@asynccontextmanager
async def browser(folder: Path, microphone: Path) -> AsyncIterator[Browser]:
    """A running browser with its profile in ``folder``; ``microphone`` is a WAV, said over and over."""
    command = [program(), *FLAGS, f"--user-data-dir={folder}", f"--use-file-for-fake-audio-capture={microphone}"]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, "about:blank", stdout=quiet, stderr=quiet)
    try:
        told = folder / "DevToolsActivePort"
        async with asyncio.timeout(START_S):
            while not (told.exists() and told.read_text().count("\n")):
                assert process.returncode is None, "the browser ended at once"
                await asyncio.sleep(0.05)
        yield Browser(f"127.0.0.1:{told.read_text().splitlines()[0]}")
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()
