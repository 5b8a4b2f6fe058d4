"""The simulated recogniser: what it knows, in the shapes in which it will be heard."""

import asyncio
import os
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from trunkline.ai.base import CallFacts
from trunkline.ai.events import AgentEvent, CallerSaid
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, AudioFormat
from trunkline.audio.g711 import decode_mulaw, encode_alaw, encode_mulaw
from trunkline.testing import sounds
from trunkline.testing.scripted_stt import Fixture, ScriptedStt

FACTS = CallFacts("call", "test")
SPEECH = Path(os.environ.get("TRUNKLINE_SPEECH_DIR") or Path(__file__).parents[2].parent / "shared" / "speech")
TEXTS = (
    "hello what are your opening hours",
    "i would like to book a table for two",
    "wait i would like to speak with a person",
    "mm-hm",
    "yes",
    "no",
    "goodbye",
)


@pytest.fixture(scope="module")
def spoken() -> dict[str, bytes]:
    if shutil.which("espeak-ng") is None:
        pytest.skip("espeak-ng is not installed: run 'sudo apt-get install espeak-ng'")
    return {text: sounds.speak(text, PCM16_8K) for text in TEXTS}


@pytest.fixture(scope="module")
def stt(spoken: dict[str, bytes]) -> ScriptedStt:
    return ScriptedStt([Fixture(text, audio) for text, audio in spoken.items()])


def part(pcm16: bytes, begin: float, end: float) -> bytes:
    """Between two fractions of its length."""
    samples = len(pcm16) // 2
    return pcm16[2 * round(begin * samples) : 2 * round(end * samples)]


@pytest.mark.parametrize("text", TEXTS)
def test_it_knows_a_fixture_through_a_telephone_and_trimmed(
    text: str, stt: ScriptedStt, spoken: dict[str, bytes]
) -> None:
    through = decode_mulaw(encode_mulaw(spoken[text]))
    for heard in (through, through[160:], bytes(1600) + through + bytes(1600), part(through, 0.02, 1)):
        words, confidence = stt.recognise(heard)
        assert words == text
        assert 0.9 < confidence <= 1.001


def test_a_stretch_of_a_fixture_has_its_words_and_neighbours_share_none(
    stt: ScriptedStt, spoken: dict[str, bytes]
) -> None:
    text = TEXTS[1]
    first, rest = (stt.recognise(part(spoken[text], *cut))[0] for cut in ((0, 0.5), (0.5, 1)))
    assert first
    assert rest
    assert f"{first} {rest}" == text


def noise(seconds: float) -> bytes:
    return np.random.default_rng(3).normal(0, 4000, int(8000 * seconds)).astype("<i2").tobytes()


UNKNOWN = {
    "silence": bytes(32000),
    "noise": noise(1),
    "a tone": sounds.tone(PCM16_8K, 1000),
    "too short": noise(0.05),
    "nothing": b"",
}


@pytest.mark.parametrize("pcm16", UNKNOWN.values(), ids=UNKNOWN.keys())
def test_sound_it_does_not_know_has_no_words(pcm16: bytes, stt: ScriptedStt) -> None:
    assert stt.recognise(pcm16)[0] == ""


def test_another_sentence_has_no_words(stt: ScriptedStt) -> None:
    assert stt.recognise(sounds.speak("the rain in spain stays mainly in the plain", PCM16_8K))[0] == ""


@pytest.mark.skipif(not SPEECH.is_dir(), reason=f"no recordings in {SPEECH}")
def test_it_tells_real_recordings_apart() -> None:
    lines = (SPEECH / "transcripts.tsv").read_text().splitlines()
    fixtures = {text: sounds.read(SPEECH / name, PCM16_8K) for name, text in (line.split("\t") for line in lines)}
    stt = ScriptedStt([Fixture(text, audio) for text, audio in fixtures.items()])
    for text, audio in fixtures.items():
        assert stt.recognise(decode_mulaw(encode_mulaw(audio)))[0] == text


@pytest.mark.parametrize("hears", [MULAW_8K, ALAW_8K, PCM16_8K], ids=str)
def test_words_grow_while_a_turn_lasts_and_end_with_one_final(
    hears: AudioFormat, stt: ScriptedStt, spoken: dict[str, bytes]
) -> None:
    said = bytes(8000) + spoken[TEXTS[1]]
    wire = {MULAW_8K: encode_mulaw(said), ALAW_8K: encode_alaw(said), PCM16_8K: said}[hears]
    events: list[AgentEvent] = []
    session = stt.open(FACTS, hears=hears, emit=events.append)
    frame = hears.bytes_for(20)
    for at in range(0, len(wire), frame):
        if at == 30 * frame:
            session.turn_started(500)
        session.hear(wire[at : at + frame], at / frame * 0.02)
    session.turn_ended(hears.ms(len(wire)))
    session.turn_ended(hears.ms(len(wire)))  # of no turn
    asyncio.run(session.run())  # it has no work of its own
    texts = [event.text for event in events if isinstance(event, CallerSaid)]
    assert len(texts) == len(events) > 4
    assert all(longer.startswith(shorter) for shorter, longer in pairwise(texts))
    assert [event.final for event in events if isinstance(event, CallerSaid)] == [False] * (len(events) - 1) + [True]
    assert texts[-1] == TEXTS[1]


def test_a_turn_of_unknown_sound_has_an_empty_final(stt: ScriptedStt) -> None:
    events: list[AgentEvent] = []
    session = stt.open(FACTS, hears=PCM16_8K, emit=events.append)
    session.turn_started(0)
    session.hear(noise(1), 0)
    session.turn_ended(1000)
    assert [(event.text, event.final) for event in events if isinstance(event, CallerSaid)] == [("", True)]


def test_the_delay_is_of_the_final_text() -> None:
    async def scene() -> None:
        told: asyncio.Future[AgentEvent] = asyncio.get_running_loop().create_future()
        session = ScriptedStt([], delay_ms=1).open(FACTS, hears=PCM16_8K, emit=told.set_result)
        session.turn_started(0)
        session.turn_ended(100)
        assert not told.done()
        assert await told == CallerSaid("", final=True, confidence=0)

    asyncio.run(scene())


def test_only_the_last_minute_is_kept_and_positions_stay_right(stt: ScriptedStt, spoken: dict[str, bytes]) -> None:
    events: list[AgentEvent] = []
    session = stt.open(FACTS, hears=PCM16_8K, emit=events.append)
    begin = 70_000
    for _ in range(70):
        session.hear(bytes(16000), 0)
    session.turn_started(begin)
    session.hear(spoken["goodbye"], 70)
    session.turn_ended(begin + len(spoken["goodbye"]) / 16)
    assert isinstance(events[-1], CallerSaid)
    assert events[-1].text == "goodbye"
