"""One voice activity detector for all calls: their frames are gathered, judged together on a worker thread, and the
answers handed back on the event loop, each call's in order.

    hear() ─> backlog of the call ┐
    hear() ─> backlog of the call ┼─ every few ms: one frame of each ─> worker thread ─> endpointers ─> emit
    hear() ─> backlog of the call ┘

One batch is under way at a time, so a slow machine makes batches larger, not queues longer; a call's backlog is
bounded, and what it drops is counted.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, Generic, TypeVar

from trunkline import logs
from trunkline.ai.base import Emit
from trunkline.ai.events import AgentFailed
from trunkline.ai.frames import Frame, Framer
from trunkline.ai.inline_vad import speech_event
from trunkline.audio.background import Background, BackgroundStream
from trunkline.audio.dating import Evidence
from trunkline.audio.format import AudioFormat
from trunkline.audio.vad import Detector, Endpointer, Endpointing, SpeechEdge

S = TypeVar("S")

log = logs.get(__name__)

WINDOW_S: Final = 0.008
"""How long frames are gathered once one is there. A third of a packet: batches of a third of the calls, at a price the
turn's end can bear."""

FEW_CALLS: Final = 4
"""Up to here waiting for company saves nothing worth the delay."""

BACKLOG_FRAMES: Final = 128
"""Frames kept per call (4 s of Silero's). Older ones are dropped: knowing so late that somebody spoke is no use."""


class VadHub(Generic[S]):
    """Opens ears that share ``detector``, and ``background`` as its second witness where frames of it are of the
    detector's length. Belongs to one event loop; close it after the last ear."""

    def __init__(
        self,
        detector: Detector[S],
        rules: Endpointing | None = None,
        window_s: float = WINDOW_S,
        background: Background | None = None,
    ) -> None:
        self._detector = detector
        self._background = background
        self._rules = rules
        self._window_s = window_s
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="vad")
        self._ready: dict[HubEar[S], None] = {}  # ears with a backlog, longest waiting first
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._ears = 0
        self.frames_judged = 0
        self.frames_dropped = 0
        self.batches = 0

    def open(self, hears: AudioFormat, emit: Emit) -> "HubEar[S]":
        """An ear for one call. Close it when the call is over."""
        self._ears += 1
        return HubEar(self, self._detector, hears, emit, self._rules)

    def close(self) -> None:
        """No more answers. Returns at once; the batch under way ends by itself."""
        if self._timer is not None:
            self._timer.cancel()
        self._ready.clear()
        self._worker.shutdown(wait=False, cancel_futures=True)

    # --- for the ears ---

    def has_frames(self, ear: "HubEar[S]") -> None:
        """``ear`` has a backlog."""
        self._ready[ear] = None
        if not self._busy and self._timer is None:
            self._arm(self._window_s if self._ears > FEW_CALLS else 0)

    def forget(self, ear: "HubEar[S]") -> None:
        """``ear`` is closed."""
        self._ears -= 1
        self._ready.pop(ear, None)

    # --- the pump ---

    def _arm(self, delay_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._judge)

    def _judge(self) -> None:
        """One frame of every ear that has some: off to the worker."""
        self._timer = None
        ears = list(self._ready)
        if not ears:
            return
        frames = [ear.pop() for ear in ears]
        self._ready = {ear: None for ear in ears if ear.backlog}
        self._busy = True
        streams = [(ear.stream, ear.surroundings) for ear in ears]
        pcm16 = [frame.pcm16 for frame in frames]
        judged = asyncio.get_running_loop().run_in_executor(self._worker, self._opinions, streams, pcm16)
        judged.add_done_callback(partial(self._deliver, ears, frames))

    def _opinions(
        self, streams: Sequence[tuple[S, BackgroundStream]], pcm16: Sequence[bytes]
    ) -> list[tuple[float, Evidence | None]]:
        """On the worker."""
        probabilities = self._detector.probabilities([stream for stream, _ in streams], pcm16)
        if self._background is None:
            return [(probability, None) for probability in probabilities]
        evidence = self._background.weigh([around for _, around in streams], pcm16, probabilities)
        return list(zip(probabilities, evidence, strict=True))

    def _deliver(
        self,
        ears: Sequence["HubEar[S]"],
        frames: Sequence[Frame],
        judged: "asyncio.Future[list[tuple[float, Evidence | None]]]",
    ) -> None:
        self._busy = False
        if judged.cancelled():
            return
        if failure := judged.exception():
            log.error("voice activity detection failed", exception=repr(failure))
            for ear in ears:
                ear.fail(f"voice activity detection failed: {type(failure).__name__}")
        else:
            self.batches += 1
            self.frames_judged += len(frames)
            for ear, frame, opinion in zip(ears, frames, judged.result(), strict=True):
                ear.decide(frame, *opinion)
        if self._ready:
            behind = any(len(ear.backlog) > 1 for ear in self._ready)
            self._arm(0 if behind or self._ears <= FEW_CALLS else self._window_s)


class HubEar(Generic[S]):
    """A ``VadSession``: one call's place in the hub."""

    def __init__(
        self, hub: VadHub[S], detector: Detector[S], hears: AudioFormat, emit: Emit, rules: Endpointing | None
    ) -> None:
        self._hub = hub
        self._detector = detector
        self._framer = Framer(hears, detector.frame_samples)
        self._endpointer = Endpointer(detector.frame_samples, detector.rate, rules)
        self._emit = emit
        self._closed = False
        self.stream = detector.stream()
        self.surroundings = BackgroundStream()
        self.backlog: deque[Frame] = deque()
        self.frames_dropped = 0

    def hear(self, audio: bytes, now: float) -> None:
        """Cheap: cuts frames and lets the hub know. Answers come through ``emit``, later."""
        if self._closed:
            return
        frames = self._framer.push(audio, now)
        if not frames:
            return
        self.backlog.extend(frames)
        while len(self.backlog) > BACKLOG_FRAMES:
            self._drop_oldest()
        self._hub.has_frames(self)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.backlog.clear()
            self._hub.forget(self)

    # --- for the hub ---

    def pop(self) -> Frame:
        """The oldest frame, to be judged with ``stream`` and ``surroundings``."""
        frame = self.backlog.popleft()
        if frame.fresh or frame.lost:
            self.stream = self._detector.stream()
            self.surroundings = BackgroundStream()
        return frame

    def decide(self, frame: Frame, probability: float, evidence: Evidence | None) -> None:
        """The answer to a popped frame; answers come in the order of the frames."""
        if frame.fresh:
            self._report(self._endpointer.cut())
        if frame.lost:
            self._report(self._endpointer.skip(frame.lost))
        self._report(self._endpointer.push(probability, evidence))

    def fail(self, reason: str) -> None:
        if not self._closed:
            self._emit(AgentFailed(reason))

    def _drop_oldest(self) -> None:
        dropped = self.backlog.popleft()
        heir = self.backlog[0]
        heir.lost += dropped.lost + 1
        heir.fresh = heir.fresh or dropped.fresh
        self.frames_dropped += 1
        self._hub.frames_dropped += 1

    def _report(self, edge: SpeechEdge | None) -> None:
        if edge is not None and not self._closed:
            self._emit(speech_event(edge))
