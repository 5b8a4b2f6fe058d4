"""Cartesia's voice in one call (``/tts/websocket``): one socket, and a *context* for each reply.

Every piece of a reply is sent into its context as it is written (``continue``), the end of it by an empty one that says
so. The vendor joins the pieces verbatim and speaks them as one text.

**A context dies** about a second after its last audio, if the text has not ended: a model that calls a function in
mid-reply takes longer. The rest of the reply then goes into another context.

**Cancelled**, what a context is making is made to its end all the same. So contexts that are not the present one are
nobody's, and what comes of them is dropped.

**A connection lost** takes its contexts with it. A new one says the rest of the reply, from the first word of which the
call did not get the whole.
"""

import asyncio
import secrets
from typing import Final

from structlog.typing import FilteringBoundLogger

from trunkline.ai import messages, patience
from trunkline.ai.base import Emit
from trunkline.ai.patience import Patience
from trunkline.ai.providers import _cartesia_messages as wire
from trunkline.ai.providers._cartesia_mouth import Mouth
from trunkline.ai.session import Address, ProviderSocket
from trunkline.audio.format import AudioFormat
from trunkline.errors import ProviderError

FIRST_S: Final = 1.0
"""From text to its first audio; a connection that takes longer is replaced."""

NEXT_S: Final = 0.7
"""Between two messages while some are due."""

STALE_S: Final = 0.8
"""A context that has spoken all its text and been silent for so long may be dead by the time more text gets there."""

TRIES: Final = 3
"""Connections and contexts that may fail over the same words; then it is not them."""


class Speech:
    """One reply on its way to being spoken."""

    def __init__(self, generation: int, mouth: Mouth) -> None:
        self.generation = generation
        self.mouth = mouth
        self.unsent = ""  # text that no context has
        self.finished = False  # there is no more text
        self.context = ""  # its present one; empty: none
        self.closed = False  # … was told that it has all the text
        self.waits = False  # … was sent text of which nothing has come yet
        self.sounded_at: float | None = None  # … last gave audio
        self.broke_at = ""  # what was left when it broke off the last time
        self.tries = 0


class SpeakSession:
    """The voice of one call."""

    def __init__(
        self,
        address: Address,
        voice: wire.Voice,
        speaks: AudioFormat,
        emit: Emit,
        patience: Patience,
        log: FilteringBoundLogger,
    ) -> None:
        self.trimmed_ms = 0.0
        """Leading silence taken off the latest reply that was spoken."""
        self._address = address
        self._voice = voice
        self._speaks = speaks
        self._emit = emit
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._socket = ProviderSocket(wire.NAME, self, patience=patience, log=log)
        self._line: list[Speech] = []  # the first one is being spoken
        self._name = secrets.token_hex(6)
        self._contexts = 0

    # --- from the cascade ---

    def say(self, text: str, generation: int) -> None:
        speech = self._speech(generation)
        speech.unsent += text
        self._go_on()

    def finish(self, generation: int) -> None:
        self._speech(generation).finished = True
        self._go_on()

    def cancel(self, generation: int) -> None:
        for speech in self._line:
            if speech.generation == generation:
                self._line.remove(speech)
                speech.mouth.stop()
                if speech.context:
                    self._socket.send(wire.cancel(speech.context))
                break
        self._go_on()

    async def run(self) -> None:
        try:
            await self._socket.run()
        finally:
            for speech in self._line:
                speech.mouth.stop()
            self._line.clear()

    # --- from the socket ---

    def address(self) -> Address:
        return self._address

    def opened(self) -> None:
        if self._line and self._line[0].tries >= TRIES:
            raise ProviderError(wire.NAME, "transient", "takes text and does not speak")
        self._socket.ready()  # this vendor greets nobody
        self._go_on()

    def received(self, data: bytes, binary: bool) -> None:
        message = messages.read(wire.SPEAK, data)
        if isinstance(message, messages.Unknown):
            self._log.debug("provider message ignored", kind=message.kind)
            return
        speech = self._line[0] if self._line else None
        if isinstance(message, wire.Failed) and message.context_id is None:
            raise wire.failed(message)
        if speech is None or message.context_id != speech.context:
            return  # of a context that was cancelled
        match message:
            case wire.Chunk(_, audio):
                speech.waits = False
                speech.sounded_at = self._loop.time()
                speech.mouth.audio(audio)
            case wire.Timestamps(_, times) if times is not None:
                spans = zip(times.words, times.start, times.end, strict=True)
                speech.mouth.words.timed((word, 1000 * start, 1000 * end) for word, start, end in spans)
                speech.mouth.pass_on()
            case wire.ContextDone():
                self._done(speech)
            case wire.Failed():
                self._failed(speech, wire.failed(message))
            case _:
                pass
        self._expect()

    def lost(self) -> None:
        if self._line and self._line[0].context:
            self._break_off(self._line[0])

    def closed(self, code: int, reason: str) -> ProviderError:
        return patience.closed(wire.NAME, code)

    def refused(self, status: int, headers: dict[str, str], body: bytes) -> ProviderError:
        return patience.refused(wire.NAME, status, headers)

    # --- the reply that is being spoken ---

    def _speech(self, generation: int) -> Speech:
        for speech in self._line:
            if speech.generation == generation:
                return speech
        self._line.append(Speech(generation, Mouth(generation, self._speaks, self._emit, self._log)))
        return self._line[-1]

    def _go_on(self) -> None:
        """Send what can be sent; end what was spoken."""
        while self._line and self._socket.is_ready:
            speech = self._line[0]
            if speech.unsent.strip():
                self._send(speech)
            if speech.context and speech.finished:
                self._close(speech)
            if speech.context or not speech.finished:
                break
            self._over(speech)
        self._expect()

    def _send(self, speech: Speech) -> None:
        text, speech.unsent = speech.unsent, ""
        if speech.context and self._is_stale(speech):
            self._made(speech)
        speech.mouth.words.say(text)
        if not speech.context:
            self._contexts += 1
            speech.context = f"{self._name}-{speech.generation}-{self._contexts}"
            text = text.lstrip()
        speech.waits = True
        self._socket.send(wire.say(self._voice, speech.context, text, more=True))

    def _close(self, speech: Speech) -> None:
        """Say that the context has all the text."""
        if not speech.closed:
            speech.closed = True
            self._socket.send(wire.say(self._voice, speech.context, "", more=False))

    def _over(self, speech: Speech) -> None:
        self._line.remove(speech)
        speech.mouth.words.say(speech.unsent)  # nothing but spaces
        speech.mouth.made()
        self.trimmed_ms = speech.mouth.trimmed_ms
        speech.mouth.end()

    def _is_stale(self, speech: Speech) -> bool:
        if speech.sounded_at is None or not speech.mouth.words.all_timed:
            return False
        return self._loop.time() - speech.sounded_at >= STALE_S

    def _done(self, speech: Speech) -> None:
        """The context has no more audio."""
        words = speech.mouth.words
        if words.is_timed and not words.all_timed and not speech.closed:
            self._break_off(speech)  # it died while text was on its way to it
        else:
            self._made(speech)
        self._go_on()

    def _made(self, speech: Speech) -> None:
        speech.mouth.made()
        self._forget(speech)

    def _failed(self, speech: Speech, error: ProviderError) -> None:
        """A context that worked, and then does not take what we send, was dead already."""
        if error.fault != "our fault" or speech.sounded_at is None:
            raise error
        self._break_off(speech)
        if speech.tries >= TRIES:
            raise error
        self._log.debug("context was closed", fault=error.fault)
        self._go_on()

    def _break_off(self, speech: Speech) -> None:
        """The rest goes into another context."""
        rest = speech.mouth.again()
        speech.tries = speech.tries + 1 if rest == speech.broke_at else 1
        speech.broke_at = rest
        speech.unsent = rest + speech.unsent
        self._forget(speech)

    @staticmethod
    def _forget(speech: Speech) -> None:
        speech.context, speech.closed, speech.waits, speech.sounded_at = "", False, False, None

    def _expect(self) -> None:
        """What is due: the first audio of a text, more of it, the end of a context that has all its text."""
        speech = self._line[0] if self._line else None
        if speech is None or not speech.context:
            self._socket.expect(None)
        elif speech.waits:
            self._socket.expect(FIRST_S)
        elif speech.closed or (speech.mouth.words.is_timed and not speech.mouth.words.all_timed):
            self._socket.expect(NEXT_S)
        else:
            self._socket.expect(None)
