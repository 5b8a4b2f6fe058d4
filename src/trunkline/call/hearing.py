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
    """Takes the wire's audio and gives the agent's.

    ``timeline`` advances by what the platform accounts for: audio, and the holes it tells of. On a line that has gone
    quiet the agent needs silence before anybody can know whether there is a hole or audio that is late; so what it
    hears may get ahead of the timeline, and ``position_ms`` leads back.
    """

    __slots__ = (
        "_began_at", "_concealed", "_convert", "_filled", "_given", "_inserted", "_lost", "_unit",
        "delivered", "heard_at", "timeline", "wire",
    )  # fmt: skip

    def __init__(self, wire: AudioFormat, agent: AudioFormat, now: float) -> None:
        self.wire = wire
        self.timeline = Timeline(wire.rate, now)
        self.heard_at = now  # when audio last came
        self._began_at = now
        self._convert = Converter(wire, agent)
        self._unit = wire.sample_bytes
        self.delivered = self._concealed = self._lost = 0
        self._given = 0  # samples the agent heard of silence and all
        self._filled = 0  # samples of silence given since audio last came, and not yet told of as a hole
        self._inserted: list[tuple[int, int]] = []  # what the agent heard and the call had not: (from, samples)

    def receive(self, audio: bytes, now: float) -> bytes:
        """Audio came: what the agent hears of it."""
        samples = len(audio) // self._unit
        self.timeline.advance(samples, now)
        self.delivered += samples
        self._given += samples
        self.heard_at = now
        self._filled = 0
        return self._convert.process(audio)

    def missing(self, samples: int, now: float, filling: bytes = b"") -> tuple[bytes, bytes]:
        """A hole of that length: its filling, or else silence, for the wire's side (a recording) and for the agent,
        who is spared what ``quiet`` gave it already."""
        if self.timeline.samples + samples > (now - self._began_at + MAX_AHEAD_S) * self.wire.rate:
            self._lost += samples
            return b"", b""
        self.timeline.advance(samples, now)
        self._concealed += samples
        known = min(samples, self._filled)
        self._filled -= known
        if known:
            begin, length = self._inserted.pop()
            if length > known:
                self._inserted.append((begin + known, length - known))
        self._given += samples - known
        sound = filling or self.wire.silence(samples)
        return sound, self._convert.process(sound[known * self._unit :])

    def quiet(self, now: float) -> bytes:
        """Nothing has come for a while: silence for the agent, up to now."""
        rest = self.timeline.at(now) - self.timeline.samples - self._filled
        if rest <= 0:
            return b""
        if self._filled:
            begin, length = self._inserted.pop()
            self._inserted.append((begin, length + rest))
        else:
            self._inserted.append((self._given, rest))
        self._filled += rest
        self._given += rest
        return self._convert.process(self.wire.silence(rest))

    def position_ms(self, heard_ms: float) -> float:
        """The position in the call of what the agent heard at ``heard_ms``."""
        ahead = 0.0
        for begin, length in self._inserted:
            begin_ms, length_ms = 1000 * begin / self.wire.rate, 1000 * length / self.wire.rate
            ahead += min(max(0.0, heard_ms - begin_ms), length_ms)
        return heard_ms - ahead

    @property
    def ledger(self) -> CallerLedger:
        """Where the caller's samples went. *Received* is the length of the timeline plus what never got into it."""
        return CallerLedger(
            received=self.timeline.samples + self._lost,
            delivered=self.delivered,
            concealed=self._concealed,
            lost=self._lost,
            inserted=sum(length for _, length in self._inserted),
        )
