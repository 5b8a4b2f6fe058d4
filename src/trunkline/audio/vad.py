"""Telling speech from everything else: what a detector is, and when its opinion amounts to a caller speaking.

A detector gives a probability per frame. The :class:`Endpointer` turns those into the two facts a call wants: the
caller began to speak, the caller fell silent; each with the place in the audio where it was so, which is earlier than
the moment it became certain.

    probability   .0 .0 .2 .9 .9 .9 .8 .3 .1 .0 .0 .0 .0 .0 .0
                        ^     !           ^                 !
                     start    sure       end               sure

Where there is a second witness (``background.py``) it says more exactly where the edges are. That there is one, and
when it is certain, stays the detector's to say.
"""

import math
from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from trunkline.audio.dating import Evidence, Slices

S = TypeVar("S")


class Detector(Protocol[S]):
    """Gives the probability of speech, frame by frame, for any number of streams at once.

    ``S`` is what the detector keeps per stream. One that has no use for batches answers in a loop.
    """

    rate: int  # Hz
    frame_samples: int

    def stream(self) -> S:
        """What to keep for a stream that begins now, or begins again after a hole in its audio."""
        ...

    def probabilities(self, streams: Sequence[S], frames: Sequence[bytes]) -> list[float]:
        """0…1 for one PCM16 frame of each stream. A stream appears at most once in a batch."""
        ...


class Endpointing(msgspec.Struct, frozen=True):
    """When speech begins and when it is over."""

    # A frame at least this probable is speech. A voice takes the first frame or two to far above it; breath and the
    # beginning of a noise stay under.
    start: float = 0.65
    stop: float = 0.35  # … and one below this is not: between them nothing changes
    start_ms: float = 64  # so much speech in a row is somebody speaking: a click is shorter
    # So much silence in a row ends a turn. Silero trails the voice by 30 to 100 ms, so a turn's end is known 250 to 330
    # ms after the last sound. Longer pauses than this inside a sentence are the call's business: it has the words.
    stop_ms: float = 224
    onset: float = 0.2  # frames just before the start that were this probable belong to it: soft first consonants
    onset_ms: float = 160  # at most so many of them
    # A detector trails the voice: the end is dated back to the last frame this probable, by ``trail_ms`` at most. In
    # loud noise the last words are never this certain.
    sure: float = 0.8
    trail_ms: float = 96


class SpeechEdge(msgspec.Struct, frozen=True, gc=False):
    """The caller began to speak (``speaking``) or fell silent at ``at_ms`` of the stream's audio."""

    speaking: bool
    at_ms: float


class Endpointer:
    """Hysteresis over the probabilities of one stream. Push every frame's, in order, and pass on what comes out."""

    def __init__(self, frame_samples: int, rate: int, rules: Endpointing | None = None) -> None:
        self._rules: Final = rules or Endpointing()
        self._frame_ms: Final = 1000 * frame_samples / rate
        self._start_frames: Final = math.ceil(self._rules.start_ms / self._frame_ms)
        self._stop_frames: Final = math.ceil(self._rules.stop_ms / self._frame_ms)
        self._onset_frames: Final = int(self._rules.onset_ms / self._frame_ms)
        self._trail_frames: Final = int(self._rules.trail_ms / self._frame_ms)
        self._frame = 0  # frames pushed so far
        self._run = 0  # frames in a row that argue for a change
        self._onset = 0  # frames in a row, before that run, that may belong to the start
        self._voiced_until = 0  # the frame after the last one that was speech
        self._sure_until = 0  # … and after the last one that was so for sure
        self._edge = 0.0  # where the last edge was, in frames
        self._slices: Final = Slices()
        self.speaking = False

    def push(self, probability: float, evidence: Evidence | None = None) -> SpeechEdge | None:
        """The next frame's probability, and what else is known of it; returns an edge when this frame makes one
        certain."""
        self._frame += 1
        if evidence is not None:
            self._slices.add(evidence)
        return self._voiced(probability) if self.speaking else self._silent(probability)

    def skip(self, frames: int) -> SpeechEdge | None:
        """``frames`` frames of the stream are not to be had. A hole as long as a turn's end ends the turn."""
        edge = self.cut() if frames >= self._stop_frames else None
        self._frame += frames
        self._slices.clear()
        return edge

    def cut(self) -> SpeechEdge | None:
        """What comes next does not continue what was. Returns the end of speech if there was any going on."""
        edge = self._stopped() if self.speaking else None
        self._run = self._onset = 0
        self._slices.clear()
        return edge

    def _silent(self, probability: float) -> SpeechEdge | None:
        if probability >= self._rules.start:
            self._run += 1
            return self._started() if self._run >= self._start_frames else None
        # A run that broke off too early may still be the soft beginning of the next one.
        self._onset = self._onset + self._run + 1 if probability >= self._rules.onset else 0
        self._run = 0
        return None

    def _voiced(self, probability: float) -> SpeechEdge | None:
        if probability >= self._rules.start:
            self._voiced_until = self._frame
            if probability >= self._rules.sure:
                self._sure_until = self._frame
        if probability >= self._rules.stop:
            self._run = 0
            return None
        self._run += 1
        return self._stopped() if self._run >= self._stop_frames else None

    def _started(self) -> SpeechEdge:
        first = float(self._frame - self._run)
        ago = self._slices.begin(self._frame - self._edge)
        if ago is None:
            first -= min(self._onset, self._onset_frames)
        else:
            first = max(self._edge, min(first, self._frame - ago - self._slices.margin))
        self._voiced_until = self._sure_until = self._frame
        return self._turned(True, first)

    def _stopped(self) -> SpeechEdge:
        last = float(max(self._sure_until, self._voiced_until - self._trail_frames))
        ago = self._slices.end(self._frame - self._edge)
        if ago is not None:
            # What goes on sounding when the detector hears a voice no more is something else.
            last = min(self._frame, min(self._frame - ago, last + 1) + self._slices.margin)
        return self._turned(False, last)

    def _turned(self, speaking: bool, at_frame: float) -> SpeechEdge:
        self.speaking, self._edge = speaking, at_frame
        self._run = self._onset = 0
        return SpeechEdge(speaking, at_frame * self._frame_ms)
