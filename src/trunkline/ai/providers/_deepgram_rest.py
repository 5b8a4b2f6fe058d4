"""Deepgram's voices by HTTP (``POST /v1/speak`` or ``/v2/speak``): one request for each piece, its audio in chunks.

For networks that let no sockets out, and against the limit of flushes on Aura's. Cancelling closes the request.
"""

import asyncio
from collections import deque
from typing import Final

import httpx
from structlog.typing import FilteringBoundLogger

from trunkline.ai.base import Emit
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _deepgram_messages as wire
from trunkline.ai.providers._deepgram_mouth import LONGEST_CHARS, Mouth
from trunkline.audio.format import AudioFormat
from trunkline.errors import ProviderError

CHUNK_S: Final = 1.0
"""For each chunk of audio, the first one too; then the request is made again."""


class RestSession:
    """The voice of one call."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        url: str,
        headers: dict[str, str],
        speaks: AudioFormat,
        emit: Emit,
        patience: Patience,
        log: FilteringBoundLogger,
    ) -> None:
        self.mouth = Mouth(speaks, emit, log)
        self.url = url
        self._http = http
        self._headers = headers
        self._patience = patience
        self._log = log
        self._jobs: deque[tuple[str | None, int]] = deque()  # text, or None at the end of a generation
        self._wake = asyncio.Event()
        self._speaking: tuple[asyncio.Task[ProviderError | None], int] | None = None  # and its generation

    def say(self, text: str, generation: int) -> None:
        while len(text) > LONGEST_CHARS:
            at = text.rfind(" ", 0, LONGEST_CHARS) + 1 or LONGEST_CHARS
            self._jobs.append((text[:at], generation))
            text = text[at:]
        self._jobs.append((text, generation))
        self._wake.set()

    def finish(self, generation: int) -> None:
        self._jobs.append((None, generation))
        self._wake.set()

    def cancel(self, generation: int) -> None:
        self._jobs = deque(job for job in self._jobs if job[1] != generation)
        if self._speaking is not None and self._speaking[1] == generation:
            self._speaking[0].cancel()
            self._speaking = None

    async def run(self) -> None:
        while True:
            while self._jobs:
                text, generation = self._jobs.popleft()
                if text is None:
                    self.mouth.end(generation)
                elif text.strip() and (error := await self._spoken(text, generation)):
                    raise error
            self._wake.clear()
            await self._wake.wait()

    async def _spoken(self, text: str, generation: int) -> ProviderError | None:
        """When all of it was, or when it was cancelled; what happened if it can't be."""
        task: asyncio.Task[ProviderError | None]
        async with asyncio.TaskGroup() as group:
            task = group.create_task(self._speak(text, generation))
            self._speaking = (task, generation)
        self._speaking = None
        return None if task.cancelled() else task.result()

    async def _speak(self, text: str, generation: int) -> ProviderError | None:
        self.mouth.begin(text, generation)
        failures = 0
        while error := await self._request(text):
            failures += 1
            pause_s = self._patience.pause_s(error, failures)
            if pause_s is None:
                tell = self._log.warning if self._patience.hurried else self._log.error
                tell("provider given up", fault=error.fault, reason=str(error), failures=failures)
                return error
            self._log.warning("provider request failed", fault=error.fault, reason=str(error))
            await asyncio.sleep(pause_s)
            self.mouth.again()
        return None

    async def _request(self, text: str) -> ProviderError | None:
        """One request for all of the text; what went wrong."""
        timeout = httpx.Timeout(CHUNK_S, connect=self._patience.connect_s)
        body = wire.encode(wire.Said(text))
        try:
            async with self._http.stream(
                "POST", self.url, headers=self._headers, content=body, timeout=timeout
            ) as answer:
                if answer.status_code != httpx.codes.OK:
                    return wire.refused(answer.status_code, dict(answer.headers), await answer.aread())
                if not answer.headers.get("content-type", "").startswith("audio/"):
                    return ProviderError(wire.NAME, "transient", "answered with something that is no audio")
                async for chunk in answer.aiter_raw():
                    self.mouth.audio(chunk)
        except httpx.TimeoutException:
            return ProviderError(wire.NAME, "transient", f"said nothing for {CHUNK_S:g} s")
        except httpx.HTTPError as error:
            return ProviderError(wire.NAME, "transient", f"no answer: {type(error).__name__}")
        return None
