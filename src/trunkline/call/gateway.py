"""The embedding API: for applications that have a transport of their own and want the audio right, or an agent."""

import asyncio
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

from trunkline.ai.base import AgentModel
from trunkline.audio.convert import Converter
from trunkline.audio.format import PCM16_24K, AudioFormat
from trunkline.call.answered import AnsweredCall, Answering, Transport
from trunkline.call.audio_queue import AudioQueue
from trunkline.call.embedded import Carriage, Figures, GatewayMetrics, Speaker
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.errors import ConfigError, Refused
from trunkline.wire.events import DigitPressed

QUEUE_CHUNKS: Final = 100
"""Two seconds of the usual 20 ms: a reader that is further behind will not catch up, and hears the newest instead."""
RECENT: Final = 1000
"""Calls that are over and still known as such: what comes late for them is no mistake."""


class MediaGateway:
    """Takes calls from a transport of your own: a WebSocket of another framework, an RTP stack, a recording.

    Tell it of each call with ``on_call_started``, of each chunk of the caller's audio with ``on_audio_received``, and
    of the end with ``on_call_ended``. Without a ``model`` the caller's audio waits in ``get_audio_queue``, checked and
    in the format ``audio``; ``send_audio`` takes the same format and gives what to send. With a ``model`` an agent
    answers: interruptions, pacing and records as in Trunkline's own server. Then use it as ``async with``.

    A call's end and its last audio cross each other on every line: what comes for a call that has just ended is dropped
    without an error. A call that was never on is one, ``Refused``.

    Nothing here waits, and calls know nothing of each other. Use it on one event loop's thread. What it calls must not
    wait either; with an agent, what raises ends the call that it was called for.

    - ``send(call_id, frame)``: send this to the caller.
    - ``clear(call_id)``: drop what was sent and not played yet. Without it an interruption takes 100 ms longer.
    - ``hang_up(call_id, reason)``: the agent's end of the call. Answer with ``on_call_ended``, at once or later.
    - ``keep(record)``: the record of a call that an agent answered, once it is over.
    """

    def __init__(
        self,
        *,
        audio: AudioFormat = PCM16_24K,
        queue_chunks: int = QUEUE_CHUNKS,
        send: Callable[[str, bytes], object] | None = None,
        clear: Callable[[str], object] | None = None,
        hang_up: Callable[[str, str], object] | None = None,
        model: AgentModel | None = None,
        settings: CallSettings = CallSettings(),  # noqa: B008 - frozen
        keep: Callable[[CallSession], None] | None = None,
    ) -> None:
        if queue_chunks < 1:
            raise ConfigError("queue_chunks is not 1 or more")
        if model is not None and send is None:
            raise ConfigError("an agent that answers needs a way to speak: give send")
        self._transport = Transport(send, clear, hang_up)
        self._audio = audio
        self._queue_chunks = queue_chunks
        self._answering = None if model is None else Answering(model, settings, keep)
        self._group: asyncio.TaskGroup | None = None
        self._calls: dict[str, QueuedCall | AnsweredCall] = {}
        self._ended: dict[str, GatewayMetrics] = {}  # the recent ones, in the order they ended

    async def __aenter__(self) -> Self:
        """Ready the agent. Raises ``ConfigError`` or ``MissingProgram``."""
        if self._answering is not None:
            await self._answering.model.warm_up()
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End the calls that are on."""
        group, self._group = self._group, None
        for call_id in self.calls:
            self.on_call_ended(call_id, "the gateway was closed")
        try:
            if group is not None:
                await group.__aexit__(None, None, None)  # it would wrap the error in one of its own
        finally:
            if self._answering is not None:
                await self._answering.model.close()

    # --- what the transport tells ---------------------------------------------------------------------------------

    def on_call_started(self, call_id: str, metadata: Mapping[str, Any] | None = None) -> None:
        """A call is on.

        Of ``metadata``, ``format`` says what its audio is, as in ``"audio/l16;rate=16000"`` or ``"PCMU/8000"``; without
        it, the gateway's own. ``byte_order`` is ``"big"`` or ``"little"``; ``frame_ms`` is how long the frames we send
        are, 20 unless given, and if it is given, how long every chunk has to be that comes. ``caller`` and ``callee``
        (private) and whatever else is text are for the agent.

        Raises ``Refused`` for a call that is on already, ``AudioError`` for a format that can't be.
        """
        if call_id in self._calls:
            raise Refused("the call is on already")
        metadata = metadata or {}
        carriage = Carriage.of(metadata, self._audio)
        self._ended.pop(call_id, None)
        if self._answering is None:
            self._calls[call_id] = QueuedCall(carriage, self._audio, AudioQueue(self._queue_chunks))
            return
        if self._group is None:
            raise ConfigError("a gateway with an agent takes calls within 'async with' only")
        call = AnsweredCall(call_id, carriage, self._answering, self._transport)
        self._calls[call_id] = call
        self._group.create_task(call.run())
        call.start(metadata)

    def on_audio_received(self, call_id: str, chunk: bytes) -> bool:
        """The caller's audio, as the transport got it. False: it is not what it should be, and was counted and dropped
        (``metrics`` has the reason), or late. Raises ``Refused``."""
        call = self._find(call_id)
        if call is None:
            return False
        figures = call.figures
        if fault := call.carriage.fault(chunk):
            figures.errors += 1
            figures.last_error = fault
            return False
        audio = bytes(chunk)
        figures.chunks += 1
        figures.bytes += len(audio)
        call.heard(audio)
        return True

    def on_key_pressed(self, call_id: str, digit: str) -> None:
        """The caller pressed ``0-9 * # A-D``: for the agent. Raises ``Refused``."""
        call = self._find(call_id)
        if isinstance(call, AnsweredCall):
            call.tell(DigitPressed(digit))

    def on_call_ended(self, call_id: str, reason: str = "hung up") -> GatewayMetrics | None:
        """A call is over: its last figures. To say so twice does no harm. None: it was never on."""
        call = self._calls.pop(call_id, None)
        if call is None:
            return self._ended.get(call_id)
        call.ended(reason)
        final = self._ended[call_id] = call.figures.snapshot()
        if len(self._ended) > RECENT:
            del self._ended[next(iter(self._ended))]
        return final

    # --- what the application does --------------------------------------------------------------------------------

    def send_audio(self, call_id: str, audio: bytes, *, last: bool = False) -> list[bytes]:
        """Send to the caller ``audio``, of any length, in the gateway's format.

        Returns the frames that were given to ``send``; or, without one, which you are to send. What is short of a frame
        waits for more, unless this is the ``last`` of an utterance: then silence fills it up.

        Raises ``Refused``, ``ConfigError`` where an agent speaks, ``AudioError``.
        """
        call = self._find(call_id)
        if call is None:
            return []
        if isinstance(call, AnsweredCall):
            raise ConfigError("the agent speaks in this call: its audio is sent by itself")
        frames = call.speak(audio, last=last)
        if self._transport.send is not None:
            for frame in frames:
                self._transport.send(call_id, frame)
        return frames

    def get_audio_queue(self, call_id: str) -> AudioQueue:
        """The caller's audio, in the gateway's format. Get it while the call is on. Raises ``Refused``, ``ConfigError``
        where an agent listens."""
        call = self._find(call_id)
        if call is None:
            raise Refused("the call is over", status=404)
        if isinstance(call, AnsweredCall):
            raise ConfigError("the agent hears this call: there is no queue of it")
        return call.queue

    def metrics(self, call_id: str) -> GatewayMetrics:
        """The call's figures so far, or at its end. Raises ``Refused``."""
        call = self._find(call_id)
        return self._ended[call_id] if call is None else call.figures.snapshot()

    @property
    def calls(self) -> tuple[str, ...]:
        """The calls that are on."""
        return tuple(self._calls)

    def _find(self, call_id: str) -> "QueuedCall | AnsweredCall | None":
        """The call; None if it is over. Raises ``Refused`` for one that was never on."""
        call = self._calls.get(call_id)
        if call is None and call_id not in self._ended:
            raise Refused("no such call is on", status=404)
        return call


class QueuedCall:
    """A call whose audio the application reads and makes."""

    def __init__(self, carriage: Carriage, audio: AudioFormat, queue: AudioQueue) -> None:
        self.carriage = carriage
        self.figures = Figures(carriage.audio)
        self.queue = queue
        self._hear = Converter(carriage.audio, audio)
        self._speaker = Speaker(audio, carriage)

    def heard(self, chunk: bytes) -> None:
        """The caller's audio, as the transport has it."""
        self._put(self._hear.process(self.carriage.swapped(chunk)))

    def speak(self, audio: bytes, *, last: bool) -> list[bytes]:
        """What goes out of the application's audio."""
        frames = self._speaker.push(audio, last=last)
        self.figures.sent_chunks += len(frames)
        self.figures.sent_bytes += len(frames) * self.carriage.frame_bytes
        return frames

    def ended(self, reason: str) -> None:
        """The queue ends behind what is in it."""
        self._put(self._hear.flush())  # what the filter still holds is the caller's too
        self.queue.end()

    def _put(self, audio: bytes) -> None:
        if audio:
            self.figures.overflows += self.queue.put(audio)
