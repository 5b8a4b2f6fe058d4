"""A stereo recording of a call, placed by sample count: caller left, agent right, as heard."""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat, Encoding

# A side speaks in a stretch of this length if its level is over the threshold.
TALK_MS: Final = 20
TALK_RMS: Final = 0.01  # of full scale


class RecordingSummary(msgspec.Struct, frozen=True):
    """A recording in figures; pairs are (caller, agent)."""

    duration_s: float
    channels: int
    peak: tuple[float, float]  # of full scale
    talk_ratio: tuple[float, float]  # share of the time in which that side speaks


class StereoRecorder:
    """Collects both sides and gives interleaved PCM16 as it becomes final.

    The left channel is the ruler: it is as long as the caller's audio. Sound of the agent is placed on it by position,
    never twice at one place. ``take`` what is final now and then, ``finish`` once.
    """

    def __init__(self, caller: AudioFormat, agent: AudioFormat) -> None:
        self.rate = caller.rate
        pcm = AudioFormat(Encoding.PCM16, caller.rate)
        self._from_caller = Converter(AudioFormat(caller.encoding, caller.rate), pcm)
        self._from_agent = Converter(agent, pcm)
        self._left = bytearray()
        self._right = bytearray()
        self._taken = 0  # samples given out already
        self._peaks = np.zeros(2)
        self._stretch = self.rate * TALK_MS // 1000
        self._talking = np.zeros(2)  # stretches
        self._rest: NDArray[np.int16] = np.empty((0, 2), "<i2")  # given out, and not a stretch yet

    @property
    def samples(self) -> int:
        """Length of the left channel so far."""
        return self._taken + len(self._left) // 2

    def caller(self, audio: bytes) -> None:
        """More of the caller's audio, in the wire's format."""
        self._left += self._from_caller.process(audio)

    def agent(self, audio: bytes, at: int) -> None:
        """Agent audio that sounded from sample ``at`` on."""
        gap = (at - self._taken) * 2 - len(self._right)
        if gap > 0:
            self._fill_right((at - self._taken) * 2)
        self._right += self._from_agent.process(audio)

    def take(self, until: int | None = None) -> bytes:
        """Interleaved PCM16 up to sample ``until`` (no agent sound will be placed before it), or all there is."""
        end = self.samples if until is None else min(until, self.samples)
        return self._interleave(max(0, end - self._taken))

    def finish(self) -> bytes:
        """The rest. Both channels end together: agent sound beyond the caller's last sample lengthens the left."""
        self._fill_right(len(self._left))
        missing = len(self._right) - len(self._left)
        if missing > 0:
            self._left += bytes(missing)
        return self._interleave(len(self._left) // 2)

    def _fill_right(self, size: int) -> None:
        """The agent is silent up to there: what its filter still holds, then zeros."""
        if len(self._right) < size:
            self._right += self._from_agent.flush() + bytes(size)
            del self._right[size:]

    def _interleave(self, samples: int) -> bytes:
        if samples <= 0:
            return b""
        size = 2 * samples
        self._fill_right(size)
        both = np.empty((samples, 2), "<i2")
        both[:, 0] = np.frombuffer(bytes(self._left[:size]), "<i2")
        both[:, 1] = np.frombuffer(bytes(self._right[:size]), "<i2")
        del self._left[:size], self._right[:size]
        self._taken += samples
        self._measure(both)
        return both.tobytes()

    @property
    def summary(self) -> RecordingSummary:
        """What was given out so far, in figures."""
        stretches = max(1, self._taken // self._stretch)
        caller, agent = (self._talking / stretches).tolist()
        loudest, agents_loudest = (self._peaks / 32768).tolist()
        return RecordingSummary(self._taken / self.rate, 2, (loudest, agents_loudest), (caller, agent))

    def _measure(self, both: NDArray[np.int16]) -> None:
        self._peaks = np.maximum(self._peaks, np.abs(both.astype(np.int32)).max(axis=0))
        both = np.concatenate((self._rest, both))
        whole = len(both) - len(both) % self._stretch
        self._rest = both[whole:].copy()
        power = (both[:whole].reshape(-1, self._stretch, 2).astype(float) ** 2).mean(axis=1)
        self._talking += (power > (TALK_RMS * 32768) ** 2).sum(axis=0)
