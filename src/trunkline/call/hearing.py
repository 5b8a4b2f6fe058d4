"""The caller's voice on its way to the agent: converted if need be, holes filled with silence, every sample counted."""

from typing import Final

from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat
from trunkline.call.ledger import CallerLedger
from trunkline.call.timeline import Timeline

# A hole that would bring the caller's audio further ahead of the clock than this is a broken time-stamp, not a pause.
# It is counted as lost and not filled.
MAX_AHEAD_S: Final = 60.0


class CallerVoice:
    """Takes the wire's audio and gives the agent's. ``timeline`` advances by what is given, silence included."""

    __slots__ = (
        "_began_at", "_concealed", "_convert", "_delivered", "_filled", "_lost", "_unit", "heard_at", "timeline", "wire"
    )  # fmt: skip

    def __init__(self, wire: AudioFormat, agent: AudioFormat, now: float) -> None:
        self.wire = wire
        self.timeline = Timeline(wire.rate, now)
        self.heard_at = now  # when audio last came
        self._began_at = now
        self._convert = Converter(wire, agent)
        self._unit = wire.sample_bytes
        self._delivered = self._concealed = self._lost = 0
        self._filled = 0  # samples of silence put in since audio last came

    def receive(self, audio: bytes, now: float) -> bytes:
        """Audio came: what the agent hears of it."""
        samples = len(audio) // self._unit
        self.timeline.advance(samples, now)
        self._delivered += samples
        self.heard_at = now
        self._filled = 0
        return self._convert.process(audio)

    def missing(self, samples: int, now: float) -> tuple[bytes, bytes]:
        """A hole of that length: silence for the wire's side (a recording) and for the agent. What ``quiet`` already
        filled is not filled again."""
        if self.timeline.samples + samples > (now - self._began_at + MAX_AHEAD_S) * self.wire.rate:
            self._lost += samples
            return b"", b""
        rest = max(0, samples - self._filled)
        self._filled = max(0, self._filled - samples)
        return self._fill(rest, now)

    def quiet(self, now: float) -> tuple[bytes, bytes]:
        """Nothing has come for a while: silence up to now, likewise."""
        rest = self.timeline.at(now) - self.timeline.samples
        self._filled += rest
        return self._fill(rest, now)

    def _fill(self, samples: int, now: float) -> tuple[bytes, bytes]:
        self.timeline.advance(samples, now)
        self._concealed += samples
        silence = self.wire.silence(samples)
        return silence, self._convert.process(silence)

    @property
    def ledger(self) -> CallerLedger:
        """Where the caller's samples went. *Received* is the length of the timeline plus what never got into it."""
        return CallerLedger(
            received=self.timeline.samples + self._lost,
            delivered=self._delivered,
            concealed=self._concealed,
            lost=self._lost,
        )
