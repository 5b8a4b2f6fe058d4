"""A voice that is replaced in mid-sentence when its provider fails: the next one says the rest.

Where exactly a voice broke off is known from the length of its audio (``ai.progress``).
"""

from collections.abc import Callable, Sequence

from trunkline import logs
from trunkline.ai.base import CallFacts, Emit, Tts, TtsSession
from trunkline.ai.events import AgentEvent, ReplyAudio, ReplyEnded, ReplyText
from trunkline.ai.formats import common
from trunkline.ai.progress import Progress
from trunkline.ai.standby import Duty, Standby
from trunkline.audio.format import AudioFormat


class FallbackTts:
    """A ``Tts`` made of several, preferred first."""

    def __init__(self, parts: Sequence[Tts], clock: Callable[[], float]) -> None:
        self.name = "|".join(part.name for part in parts)
        self.speaks = common(part.speaks for part in parts)
        self.streams_text = all(part.streams_text for part in parts)
        self.standby = Standby(parts, clock)
        self.warm_up, self.close = self.standby.warm_up, self.standby.close

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> TtsSession:
        return _Session(self, facts, speaks, emit)


class _Spoken:
    """How far one generation has come."""

    def __init__(self) -> None:
        self.said = ""  # what the voice was given to say
        self.finished = False
        self.announced = ""  # as much of it as was told in ReplyText
        self.known = 0  # letters that the next voice will announce, and that were announced already
        self.voice = Progress()

    def announce(self, text: str) -> str:
        """A voice begins to say ``text``: the part of it that is news."""
        news = text[self.known :]
        self.known = max(0, self.known - len(text))
        self.announced += news
        self.voice.announce(text)
        return news

    def break_off(self) -> str:
        """The voice is gone: what the next one has to say."""
        self.known += len(self.voice.unsaid)
        self.voice.announce("")
        return self.announced[len(self.announced) - self.known :] + self.said[len(self.announced) :]


class _Session:
    def __init__(self, tts: FallbackTts, facts: CallFacts, speaks: AudioFormat, emit: Emit) -> None:
        self._facts = facts
        self._speaks = speaks
        self._emit = emit
        self._duty = Duty(tts.standby, logs.get(__name__).bind(call=facts.call_id, role="tts"))
        self._spoken: dict[int, _Spoken] = {}  # by generation, those that have not ended
        self._session: TtsSession | None  # None while all have failed, and may come back
        self._take()

    def say(self, text: str, generation: int) -> None:
        self._spoken.setdefault(generation, _Spoken()).said += text
        if self._session is not None:
            self._session.say(text, generation)

    def finish(self, generation: int) -> None:
        self._spoken.setdefault(generation, _Spoken()).finished = True
        if self._session is not None:
            self._session.finish(generation)

    def cancel(self, generation: int) -> None:
        self._spoken.pop(generation, None)
        if self._session is not None:
            self._session.cancel(generation)

    async def run(self) -> None:
        await self._duty.run(self._run, self._leave, self._take)

    async def _run(self) -> None:
        if self._session is not None:
            await self._session.run()

    def _leave(self) -> None:
        self._session = None

    def _take(self) -> None:
        self._session = session = self._duty.part.open(
            self._facts, speaks=self._speaks, emit=lambda event: self._heard(session, event)
        )
        for generation, spoken in self._spoken.items():
            if rest := spoken.break_off():
                session.say(rest, generation)
            if spoken.finished:
                session.finish(generation)

    def _heard(self, session: TtsSession, event: AgentEvent) -> None:
        if session is not self._session:  # from one that was given up
            return
        match event:
            case ReplyText(text, generation) if spoken := self._spoken.get(generation):
                if news := spoken.announce(text):
                    self._emit(ReplyText(news, generation))
                return
            case ReplyAudio(audio, generation) if spoken := self._spoken.get(generation):
                spoken.voice.piece_ms += self._speaks.ms(len(audio))
            case ReplyEnded(generation):
                self._spoken.pop(generation, None)
                self._duty.worked()
            case _:
                pass
        self._emit(event)
