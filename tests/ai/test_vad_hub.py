"""The hub: one detector for many calls, in order, bounded, off the loop."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from trunkline.ai.events import AgentEvent, AgentFailed, SpeechStarted, SpeechStopped
from trunkline.ai.frames import GAP_S
from trunkline.ai.inline_vad import InlineEar
from trunkline.ai.vad_hub import BACKLOG_FRAMES, FEW_CALLS, HubEar, VadHub
from trunkline.audio.format import PCM16_8K
from trunkline.audio.vad import Endpointing

RULES = Endpointing(start_ms=20, stop_ms=30)
LOUD, QUIET = b"\x01\x00" * 80, b"\x00\x00" * 80  # 10 ms


class Loudness:
    """A detector whose answer is in the frame. ``streams`` counts how many were begun, each with the frames it saw."""

    rate = 8000
    frame_samples = 80

    def __init__(self) -> None:
        self.streams: list[list[bytes]] = []
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.open = threading.Event()
        self.open.set()

    def stream(self) -> list[bytes]:
        self.streams.append([])
        return self.streams[-1]

    def probabilities(self, streams: Sequence[list[bytes]], frames: Sequence[bytes]) -> list[float]:
        self.open.wait(10)
        self.threads.add(threading.get_ident())
        self.batches.append(len(frames))
        for stream, frame in zip(streams, frames, strict=True):
            stream.append(frame)
        return [float(frame[0]) for frame in frames]


class Broken(Loudness):
    def probabilities(self, streams: Sequence[list[bytes]], frames: Sequence[bytes]) -> list[float]:
        raise RuntimeError


async def judged(hub: VadHub[list[bytes]], frames: int) -> None:
    """Until the hub has judged so many frames: each pass waits for the worker, not for a clock."""
    while hub.frames_judged < frames:  # noqa: ASYNC110 - the hub tells its calls, not a test, when a batch is done
        await asyncio.sleep(0)


UTTERANCE = QUIET * 3 + LOUD * 4 + QUIET * 5
EDGES = [SpeechStarted(30), SpeechStopped(70)]


@pytest.mark.parametrize("calls", [1, FEW_CALLS, FEW_CALLS + 3])
def test_each_call_gets_its_own_edges_in_order(calls: int) -> None:
    async def scene() -> None:
        detector = Loudness()
        hub = VadHub(detector, RULES)
        events: list[list[AgentEvent]] = [[] for _ in range(calls)]
        ears = [hub.open(PCM16_8K, heard.append) for heard in events]
        for at in range(0, len(UTTERANCE), 100):  # in pieces that are no frames
            for ear in ears:
                ear.hear(UTTERANCE[at : at + 100], at / 16000)
        await judged(hub, calls * 12)
        assert events == [EDGES] * calls
        assert detector.streams == [[UTTERANCE[at : at + 160] for at in range(0, len(UTTERANCE), 160)]] * calls
        assert max(detector.batches) == calls  # judged together
        assert threading.get_ident() not in detector.threads
        assert len(detector.threads) == 1
        hub.close()

    asyncio.run(scene())


def test_a_backlog_drops_its_oldest_frames_and_counts_them() -> None:
    async def scene() -> None:
        detector = Loudness()
        detector.open.clear()
        hub = VadHub(detector, RULES)
        events: list[AgentEvent] = []
        ear = hub.open(PCM16_8K, events.append)
        ear.hear(QUIET, 0)
        while ear.backlog:  # noqa: ASYNC110 - until that frame is with the worker
            await asyncio.sleep(0)
        ear.hear(QUIET * 10 + LOUD * (BACKLOG_FRAMES - 5) + QUIET * 5, 0.5)
        assert (ear.frames_dropped, hub.frames_dropped) == (10, 10)
        detector.open.set()
        await judged(hub, 1 + BACKLOG_FRAMES)
        # Positions count what was dropped; the detector began anew after the hole.
        assert events == [SpeechStarted(110), SpeechStopped(110 + 10 * (BACKLOG_FRAMES - 5))]
        assert [len(stream) for stream in detector.streams] == [1, BACKLOG_FRAMES]
        hub.close()

    asyncio.run(scene())


def both(
    detector: Loudness, events: list[AgentEvent], hub: VadHub[list[bytes]]
) -> list[HubEar[list[bytes]] | InlineEar[list[bytes]]]:
    return [hub.open(PCM16_8K, events.append), InlineEar(detector, PCM16_8K, events.append, RULES)]


@pytest.mark.parametrize("which", [0, 1], ids=["hub", "in line"])
def test_a_long_gap_ends_speech_and_begins_a_new_stream(which: int) -> None:
    async def scene() -> None:
        detector, events = Loudness(), list[AgentEvent]()
        hub = VadHub(detector, RULES)
        ear = both(detector, events, hub)[which]
        begun = len(detector.streams)
        ear.hear(LOUD * 3, 0)
        ear.hear(LOUD * 3, GAP_S + 1)
        if which == 0:
            await judged(hub, 6)
        assert events == [SpeechStarted(0), SpeechStopped(30), SpeechStarted(30)]
        assert len(detector.streams) == begun + 1
        hub.close()

    asyncio.run(scene())


@pytest.mark.parametrize("which", [0, 1], ids=["hub", "in line"])
def test_a_closed_ear_says_nothing_more(which: int) -> None:
    async def scene() -> None:
        detector, events = Loudness(), list[AgentEvent]()
        hub = VadHub(detector, RULES)
        ear = both(detector, events, hub)[which]
        other = hub.open(PCM16_8K, lambda event: None)
        ear.hear(LOUD, 0)
        ear.close()
        ear.close()
        ear.hear(LOUD * 5, 0)
        other.hear(QUIET * 5, 0)
        await judged(hub, 5)
        assert events == []
        hub.close()

    asyncio.run(scene())


def test_a_detector_that_breaks_fails_the_calls_it_was_asked_for() -> None:
    async def scene() -> None:
        hub = VadHub(Broken(), RULES)
        failed: asyncio.Future[AgentEvent] = asyncio.get_running_loop().create_future()
        hub.open(PCM16_8K, failed.set_result).hear(QUIET, 0)
        assert await failed == AgentFailed("voice activity detection failed: RuntimeError")
        hub.close()

    asyncio.run(scene())


def test_a_closed_hub_answers_nobody() -> None:
    async def scene() -> None:
        detector, events = Loudness(), list[AgentEvent]()
        hub = VadHub(detector, RULES)
        ears = [hub.open(PCM16_8K, events.append) for _ in range(FEW_CALLS + 1)]
        for ear in ears:
            ear.hear(LOUD * 3, 0)  # waiting for company
        hub.close()
        await asyncio.sleep(0)
        assert events == []
        assert detector.batches == []

    asyncio.run(scene())
