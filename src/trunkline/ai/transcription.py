"""Speech to text by any server that has OpenAI's ``/audio/transcriptions``: a turn is one file, its words one answer.

There are no words before the turn is over, so they come as late as the server is slow. A caller does not wait for long:
what has not come within ``deadline_s`` of the turn's end is a turn without words. A request that fails, or that has no
answer after a part of that time, is made once more on another connection, and the first answer counts: idle connections
die unnoticed. Where another recogniser stands behind, that one is asked instead.
"""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Final

import httpx
import msgspec
from structlog.contextvars import bound_contextvars

from trunkline import logs
from trunkline.ai.base import AgentSettings, CallFacts, SttEmit, SttSession
from trunkline.ai.chat.account import Account
from trunkline.ai.chat.faults import refused
from trunkline.ai.events import CallerSaid
from trunkline.ai.http import client
from trunkline.ai.turn_audio import TurnAudio
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, AudioFormat, Encoding
from trunkline.audio.linear import LINEAR
from trunkline.audio.wav_file import WavWriter
from trunkline.errors import Fault, ProviderError

DEADLINE_S: Final = 3.0
"""From a turn's end to its words. The agent can't begin to think before."""

SLOW: Final = 0.4
"""Of that time: without an answer by then, the request is made once more."""

RETRY_S: Final = 0.2
"""Before the second try, and the longest that a server may ask us to wait for it."""

FAILURES: Final = 3
"""Turns in a row without an answer, after which the server is given up."""

MAX_ANSWER_BYTES: Final = 256 * 1024
"""A minute of speech is a thousand characters."""

_log = logs.get(__name__)


class _Words(msgspec.Struct):
    text: str


class _Turn(msgspec.Struct, frozen=True):
    wav: bytes
    due: float  # on the loop's clock


class Transcription:
    """The recogniser for all calls. ``others``: another one stands behind it, so that it is given up at the first turn
    it has no words for, and in half the time."""

    turns = False
    partials = False
    hears: tuple[AudioFormat, ...] = (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K)

    def __init__(
        self,
        account: Account,
        model: str,
        *,
        language: str = "",
        deadline_s: float = DEADLINE_S,
        others: bool = False,
        check: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = f"{account.provider}/{model}"
        self.deadline_s = deadline_s / 2 if others else deadline_s
        self.failures = 1 if others else FAILURES
        self._others = others
        self._account = account
        self._fields = {"model": model, "response_format": "json"}
        if language:
            self._fields["language"] = language.replace("_", "-").partition("-")[0].lower()  # ISO 639-1
        self._check = check
        self._http: httpx.AsyncClient | None = None

    async def warm_up(self) -> None:
        """Tries the key, where there is one. Raises ``ConfigError``."""
        if self._check is not None:
            await self._check()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> SttSession:
        return _Session(self, facts, hears, emit)

    async def words(self, wav: bytes, due: float) -> str:
        """What is said in a WAV file (private), by ``due`` on the loop's clock. Raises ``ProviderError``."""
        tries: list[asyncio.Task[str]] = []
        try:
            async with asyncio.timeout_at(due):
                return await self._first_answer(wav, tries)
        except TimeoutError:
            raise self._failed("no answer in time") from None
        finally:
            for attempt in tries:
                attempt.cancel()
            await asyncio.gather(*tries, return_exceptions=True)

    async def _first_answer(self, wav: bytes, tries: list[asyncio.Task[str]]) -> str:
        tries.append(asyncio.create_task(self._ask(wav)))
        if self._others:
            return await tries[0]
        await asyncio.wait(tries, timeout=SLOW * self.deadline_s)
        reason = "no answer yet"
        if tries[0].done():
            try:
                return tries[0].result()
            except ProviderError as error:
                if not _passes(error):
                    raise
                reason = str(error)
                await asyncio.sleep(RETRY_S)
        _log.warning("words asked for again", provider=self._account.provider, reason=reason)
        tries.append(asyncio.create_task(self._ask(wav)))
        for answer in asyncio.as_completed([attempt for attempt in tries if not attempt.done()]):
            try:
                return await answer
            except ProviderError as error:
                failed = error
        raise failed

    async def _ask(self, wav: bytes) -> str:
        """One request. Raises ``ProviderError``."""
        self._http = http = self._http or client()
        body = bytearray()
        try:
            async with http.stream(
                "POST",
                self._account.url("/audio/transcriptions"),
                data=self._fields,
                files={"file": ("turn.wav", wav, "audio/wav")},
                headers=self._account.headers,
            ) as response:
                async for piece in response.aiter_bytes():
                    body += piece
                    if len(body) > MAX_ANSWER_BYTES:
                        raise self._failed("an answer without end", "our fault")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failed(f"no connection: {type(error).__name__}") from None
        if response.status_code != 200:
            raise refused(self._account.provider, response.status_code, response.headers, bytes(body))
        try:
            return msgspec.json.decode(bytes(body), type=_Words).text.strip()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._failed("an answer that can't be read") from None

    def _failed(self, what: str, fault: Fault = "transient") -> ProviderError:
        return ProviderError(self._account.provider, fault, what)


class _Session:
    def __init__(self, stt: Transcription, facts: CallFacts, hears: AudioFormat, emit: SttEmit) -> None:
        self._stt = stt
        self._emit = emit
        self._hears = hears
        self._audio = TurnAudio(hears)
        self._loop = asyncio.get_running_loop()
        # Turns that wait for their words. Each is due, with words or without, so there are never many.
        self._turns: asyncio.Queue[_Turn] = asyncio.Queue()
        self._call_id = facts.call_id
        self._log = _log.bind(call=facts.call_id, provider=stt.name)

    def hear(self, audio: bytes, now: float) -> None:
        self._audio.push(audio)

    def turn_started(self, at_ms: float) -> None:
        self._audio.started(at_ms)

    def turn_ended(self, at_ms: float) -> None:
        if self._audio.speaking:
            audio = self._audio.ended(at_ms)
            wav = wav_file(audio, self._hears) if audio else b""
            self._turns.put_nowait(_Turn(wav, self._loop.time() + self._stt.deadline_s))

    async def run(self) -> None:
        with bound_contextvars(call=self._call_id):  # for the log of what serves all calls
            await self._listen()

    async def _listen(self) -> None:
        failures = 0
        while True:
            turn = await self._turns.get()
            try:
                words = await self._stt.words(turn.wav, turn.due) if turn.wav else ""
                failures = 0
            except ProviderError as error:
                failures += 1
                # Its turn has no final words then: another recogniser takes it from its beginning.
                if error.fault in ("bad key", "quota") or failures >= self._stt.failures:
                    raise
                self._log.warning("a turn without words", reason=str(error))
                words = ""
            self._emit(CallerSaid(words, final=True))


def stt(
    account: Account,
    model: str,
    settings: AgentSettings,
    *,
    deadline_s: float = DEADLINE_S,
    check: Callable[[], Awaitable[None]] | None = None,
) -> Transcription:
    """The recogniser that an agent with these ``settings`` wants. ``check`` is its warm-up: it tries the key."""
    others = settings.has_standby
    return Transcription(account, model, language=settings.language, deadline_s=deadline_s, others=others, check=check)


def wav_file(audio: bytes, encoded: AudioFormat) -> bytes:
    """A whole WAV file of PCM16, which every server takes, at the rate the audio has: it is not made worse, nor
    longer to send."""
    file = BytesIO()
    writer = WavWriter(file, AudioFormat(Encoding.PCM16, encoded.rate))
    writer.write(LINEAR[encoded.encoding](audio))
    writer.close()
    return file.getvalue()


def _passes(error: ProviderError) -> bool:
    """Whether the same request may fare better at once."""
    return error.fault in ("transient", "rate limit") and error.retry_after_s <= RETRY_S
