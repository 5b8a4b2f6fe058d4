"""The recording of a call as it grows, when one is wanted."""

from typing import Final

from trunkline.audio.recorder import RecordingSummary, StereoRecorder
from trunkline.call.effects import Effect, Save
from trunkline.call.playout import Playout

# Recorded audio is handed out in pieces of about this many seconds.
SAVE_EVERY_S: Final = 1.0


class Tape:
    """Moves what was heard from the playout into the recorder, and what is final out of it."""

    __slots__ = ("_playout", "_recorder", "_saved_at")

    def __init__(self, recorder: StereoRecorder, playout: Playout, now: float) -> None:
        self._recorder = recorder
        self._playout = playout
        self._saved_at = now

    def caller(self, audio: bytes) -> None:
        """The caller's audio, or the silence in its place."""
        self._recorder.caller(audio)

    def save(self, now: float, out: list[Effect]) -> None:
        """Hand out what is final, if it is time."""
        if now < self._saved_at + SAVE_EVERY_S:
            return
        self._saved_at = now
        self._playout.settle(now)
        self._collect()
        if pcm := self._recorder.take(self._playout.placed_from):
            out.append(Save(pcm))

    def finish(self, out: list[Effect]) -> int:
        """Hand out the rest; returns the recording's length in samples. The playout must be finished."""
        self._collect()
        if pcm := self._recorder.finish():
            out.append(Save(pcm))
        return self._recorder.samples

    @property
    def summary(self) -> RecordingSummary:
        """What was handed out, in figures."""
        return self._recorder.summary

    def _collect(self) -> None:
        for sound in self._playout.sounded:
            self._recorder.agent(sound.audio, sound.at)
        self._playout.sounded.clear()
