"""The caller's audio: brought to the rate the vendor takes, listened to by our own voice detector, and kept until it
was answered, so that it can be sent later or sent again.
"""

from collections.abc import Callable
from typing import Final

from trunkline.ai.backlog import Backlog
from trunkline.ai.base import Emit, Vad
from trunkline.ai.providers._gemini_commands import Voice
from trunkline.audio.convert import Converter
from trunkline.audio.format import PCM16_8K, PCM16_16K, AudioFormat

KEEP_S: Final = 30.0
"""Of a turn that is not answered: what a new connection hears again, at most."""

BEFORE_MS: Final = 1500.0
"""Of audio kept while nobody is known to speak: the detector takes a moment to notice."""

_MESSAGE_MS: Final = 200.0
"""Of audio in one message, where there is much to send at once."""


class Hearing:
    """One call's. ``send`` puts a message on the present connection. ``speech`` is told what the detector finds."""

    def __init__(
        self, hears: AudioFormat, rate: int, vad: Vad, *, send: Callable[[bytes], object], speech: Emit
    ) -> None:
        self.open = False
        """The vendor hears the caller now."""
        self._wire = PCM16_16K if rate == PCM16_16K.rate else PCM16_8K
        self._voice = Voice(rate)
        self._send = send
        self._to_wire = Converter(hears, self._wire).process
        direct = hears in vad.hears
        self._to_vad = None if direct else Converter(hears, vad_format(vad)).process
        self._ear = vad.open(hears=hears if direct else vad_format(vad), emit=speech)
        self._backlog = Backlog(self._wire, KEEP_S)
        self._kept_from: float | None = None

    @property
    def heard_ms(self) -> float:
        """How much of the call was heard so far."""
        return self._backlog.end_ms

    def hear(self, audio: bytes, now: float) -> None:
        """Some more of the caller."""
        pcm16 = self._to_wire(audio)
        backlog = self._backlog
        backlog.push(pcm16)
        if self.open:
            self._send(self._voice.message(pcm16))
        elif self._kept_from is None and backlog.end_ms - backlog.start_ms > 2 * BEFORE_MS:
            backlog.done(backlog.end_ms - BEFORE_MS)
        self._ear.hear(audio if self._to_vad is None else self._to_vad(audio), now)

    def keep(self, from_ms: float | None) -> None:
        """What was heard from here on may be needed; None: nothing of it."""
        self._kept_from = from_ms
        if from_ms is not None:
            self._backlog.done(from_ms)

    def begin(self, from_ms: float) -> None:
        """Let the vendor hear the caller, from this position of the call on."""
        backlog = self._backlog
        rest = backlog.rest()[self._wire.bytes_for(max(0.0, from_ms - backlog.start_ms)) :]
        step = self._wire.bytes_for(_MESSAGE_MS)
        for at in range(0, len(rest), step):
            self._send(self._voice.message(rest[at : at + step]))
        self.open = True

    def end(self) -> None:
        """No more, for now."""
        self.open = False

    def close(self) -> None:
        """The call is over."""
        self.open = False
        self._ear.close()


def vad_format(vad: Vad) -> AudioFormat:
    """What a detector hears of audio in a format that it does not know."""
    return PCM16_8K if PCM16_8K in vad.hears else vad.hears[0]
