"""A stereo recording of a call, placed by sample count: caller left, agent right, as heard."""

import numpy as np

from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat, Encoding


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
        return both.tobytes()
