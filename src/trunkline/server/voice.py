"""A voice, heard outside a call."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

from trunkline.ai.base import AgentModel, CallFacts, Tts
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import AgentEvent, AgentFailed, ReplyAudio, ReplyEnded
from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.errors import AgentError, ConfigError, Refused

MAX_SPEECH_S: Final = 300
"""A thousand characters are a minute; a voice that goes on longer than this has lost its thread."""

WANTED_RATE: Final = 24000
"""Hz. What most voices are made at; more is not in them."""

VOICE_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 _+.()-]|/(?!\.)){0,99}")
"""Names of voices as vendors have them. No path leads out of the folder where a program keeps its voices."""

_FACTS: Final = CallFacts("voice-test", "none")


class Voices:
    """The agent's voice, and others of the same provider. ``other`` makes the agent anew with the voice of that name;
    None where the agent can't be made anew."""

    def __init__(self, model: AgentModel, other: Callable[[str], AgentModel] | None = None) -> None:
        self._model = model
        self._other = other

    @asynccontextmanager
    async def voice(self, name: str) -> AsyncIterator[Tts]:
        """The voice called ``name`` by its provider, ready to speak; the agent's own where that is empty.

        Raises ``Refused`` where there is no such voice, or the agent has none to itself.
        """
        own = _voice_of(self._model)
        if not name:
            yield own
            return
        if self._other is None:
            raise Refused("the voice of this agent is given, and can't be changed", status=409)
        if not VOICE_NAME.fullmatch(name):
            raise Refused("this can't be the name of a voice", status=400)
        other = _voice_of(self._other(name))
        try:
            await other.warm_up()
        except ConfigError as error:
            raise Refused(str(error), status=400) from None
        try:
            yield other
        finally:
            await other.close()


def _voice_of(model: AgentModel) -> Tts:
    if not isinstance(model, Cascade):
        raise Refused(
            f"the agent {model.name!r} has no voice to itself: only one that is made of parts can speak outside a call",
            status=409,
        )
    return model.tts


def best_format(speaks: tuple[AudioFormat, ...]) -> AudioFormat:
    """The best a voice can do: PCM16 of the highest rate up to ``WANTED_RATE``, else what it has."""
    plain = [audio for audio in speaks if audio.encoding is Encoding.PCM16 and audio.rate <= WANTED_RATE]
    return max(plain, key=lambda audio: audio.rate, default=speaks[0])


async def speak(tts: Tts, text: str) -> tuple[AudioFormat, bytes]:
    """``text`` as speech in PCM16, at the rate the voice has it. Raises ``AgentError``."""
    spoken = best_format(tts.speaks)
    plain = AudioFormat(Encoding.PCM16, spoken.rate)
    audio = bytearray()
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(why: str) -> None:
        if not over.done():
            over.set_exception(AgentError(why))

    def emit(event: AgentEvent) -> None:
        match event:
            case ReplyAudio(audio=piece) if not over.done():
                audio.extend(piece)
                if spoken.ms(len(audio)) > 1000 * MAX_SPEECH_S:
                    fail(f"the voice did not stop within {MAX_SPEECH_S} s of speech")
            case ReplyEnded() if not over.done():
                over.set_result(None)
            case AgentFailed(reason=reason):
                fail(reason)

    session = tts.open(_FACTS, speaks=spoken, emit=emit)
    session.say(text, 1)
    session.finish(1)
    running = asyncio.ensure_future(session.run())
    try:
        await asyncio.wait([running, over], return_when=asyncio.FIRST_COMPLETED)
        if not over.done():
            await running  # raises what it failed of
            fail("the voice ended before it had spoken")
        await over
    finally:
        if over.done() and not over.cancelled():
            over.exception()  # it was raised above, or something worse was
        session.cancel(1)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError, AgentError):
            await running
    if not audio:
        raise AgentError("the voice made no sound of this text")
    converter = Converter(spoken, plain)
    return plain, converter.process(bytes(audio)) + converter.flush()
