"""The endpointer on made-up probabilities, and with Silero on real speech through a telephone line."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from speech import utterances
from trunkline.ai.models import find_silero
from trunkline.ai.providers import silero, webrtc
from trunkline.audio.dating import COVERED, LATE, Evidence
from trunkline.audio.format import PCM16_8K, PCM16_16K, AudioFormat
from trunkline.audio.g711 import decode_mulaw, encode_mulaw
from trunkline.audio.silero import Silero
from trunkline.audio.vad import Detector, Endpointer, Endpointing, SpeechEdge
from trunkline.testing import sounds

SPEECH = Path(os.environ.get("TRUNKLINE_SPEECH_DIR") or Path(__file__).parents[2].parent / "shared" / "speech")
RECORDINGS = sorted(SPEECH.glob("*.wav"))
NEEDS_ESPEAK = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")

# 10 ms frames; speech is certain after 30 ms of it, its end after 50 ms of silence.
RULES = Endpointing(start_ms=30, stop_ms=50, onset_ms=20)

# Probabilities in tenths, one digit a frame; the edges that come of them: what, where (ms), certain with which frame.
CASES = [
    ("silence", "0000000000", []),
    ("a click is not speech", "0009900000", []),
    ("speech is dated back to its start", "0009990000", [(True, 30, 5)]),
    ("and its end to its last sound", "00099900000", [(True, 30, 5), (False, 60, 10)]),
    ("a soft onset belongs to it", "0002399900000", [(True, 30, 7), (False, 80, 12)]),
    ("a long soft onset only in part", "0222223999", [(True, 50, 9)]),
    ("a broken first sound is onset", "0099299900000", [(True, 30, 7), (False, 80, 12)]),
    ("a pause shorter than a turn's end is inside", "0999000099900000", [(True, 10, 3), (False, 110, 15)]),
    ("doubt keeps speech going but does not extend it", "09994444400000", [(True, 10, 3), (False, 40, 13)]),
    ("doubt does not start it", "0444444444", []),
    ("twice", "099900000099900000", [(True, 10, 3), (False, 40, 8), (True, 100, 12), (False, 130, 17)]),
]


@pytest.mark.parametrize(("tenths", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_probabilities_make_edges(tenths: str, expected: list[tuple[bool, float, int]]) -> None:
    endpointer = Endpointer(80, 8000, RULES)
    edges = [(endpointer.push(int(digit) / 10), at) for at, digit in enumerate(tenths)]
    assert [(edge.speaking, edge.at_ms, at) for edge, at in edges if edge] == expected


def test_a_hole_ends_speech_only_if_it_is_as_long_as_a_turns_end() -> None:
    endpointer = Endpointer(80, 8000, RULES)
    for _ in range(3):
        endpointer.push(0.9)
    assert endpointer.skip(4) is None
    assert endpointer.skip(5) == SpeechEdge(False, 30)
    for _ in range(2):
        assert endpointer.push(0.9) is None
    assert endpointer.push(0.9) == SpeechEdge(True, 120)  # positions count the frames that were skipped


def test_a_cut_in_silence_says_nothing() -> None:
    assert Endpointer(80, 8000, RULES).cut() is None


def dated(tenths: str, sounds: str, covered: float = 0) -> list[tuple[bool, float, int]]:
    """As in the cases above, with a second witness that hears something where there is a letter."""
    endpointer = Endpointer(80, 8000, RULES)
    late = "." * LATE + sounds  # it says so later
    witness = [Evidence([-3.0 if mark == "." else 3.0], covered) for mark in late]
    edges = [(endpointer.push(int(digit) / 10, witness[at]), at) for at, digit in enumerate(tenths)]
    return [(edge.speaking, round(edge.at_ms, 3), at) for edge, at in edges if edge]


@pytest.mark.parametrize(
    ("tenths", "sounds", "expected"),
    [
        # the same decisions as without it, with the same frames; only the places are other
        ("00000099900000", "...xxxxxx.....", [(True, 30, 8), (False, 90, 13)]),  # it began before the model knew
        ("00000099900000", "......xxx.....", [(True, 60, 8), (False, 90, 13)]),
        ("00000099999000000", "......xxx........", [(True, 60, 8), (False, 90, 15)]),  # it ended before that, too
        ("000000999000000", "......xxxxxxx..", [(True, 60, 8), (False, 100, 13)]),  # a frame beyond it at most
        ("00099900000", "...........", [(True, 30, 5), (False, 60, 10)]),  # it heard nothing: the model's word
        ("00099900000", ".....xx....", [(True, 30, 5), (False, 70, 10)]),  # never later than the model's first
        ("000000000099900000", "...xx..xxxxx......", [(True, 30, 12), (False, 120, 17)]),  # a word beyond a gap
    ],
)
def test_a_second_witness_says_where(tenths: str, sounds: str, expected: list[tuple[bool, float, int]]) -> None:
    assert dated(tenths, sounds) == expected


def test_under_noise_an_edge_lies_beyond_what_is_seen() -> None:
    edges = dated("00000099900000", "....xxxxx.....", covered=1)
    assert edges == [(True, 40 - 10 * COVERED, 8), (False, 90 + 10 * COVERED, 13)]
    assert dated("99900000", "xxxxxxxx", covered=1)[0] == (True, 0, 2)  # not before the audio itself


def test_a_second_witness_alone_begins_nothing_and_keeps_nothing_going() -> None:
    assert dated("0" * 20, "x" * 20) == []
    assert [at for _, _, at in dated("0009990000000000", "x" * 16)] == [5, 10]


@pytest.mark.parametrize("covered", [0, 1])
def test_an_utterance_does_not_begin_before_the_last_one_ended(covered: float) -> None:
    edges = dated("0009990000009990000", "x" * 19, covered)
    assert [place for _, place, _ in edges] == [0, 70 + 10 * COVERED * covered, 70 + 10 * COVERED * covered]


def test_what_was_heard_before_a_hole_is_not_evidence_after_it() -> None:
    endpointer = Endpointer(80, 8000, RULES)
    sounds = Evidence([3.0], 0)
    for _ in range(5):
        endpointer.push(0.0, sounds)
    assert endpointer.skip(2) is None
    edges = [endpointer.push(0.9, sounds) for _ in range(3)]
    assert edges == [None, None, SpeechEdge(True, 70)]


def edges_of(detector: Detector[Any], pcm16: bytes) -> list[tuple[SpeechEdge, float]]:
    """Each edge, and the position in the audio (ms) at which it became certain."""
    stream, size = detector.stream(), 2 * detector.frame_samples
    endpointer = Endpointer(detector.frame_samples, detector.rate)
    found = []
    for at in range(0, len(pcm16) - size + 1, size):
        (probability,) = detector.probabilities([stream], [pcm16[at : at + size]])
        if edge := endpointer.push(probability):
            found.append((edge, (at + size) / 16))
    return found


@pytest.fixture(scope="module")
def detector() -> Silero:
    file = find_silero()
    if file is None:
        pytest.skip("the Silero model is not there: run 'trunkline models'")
    return Silero(silero.load(file))


def padded(path: Path, audio: AudioFormat) -> bytes:
    """The recording with 0.6 s of silence on either side, in whole hundredths of a second."""
    silence = audio.silence(audio.samples(audio.bytes_for(600)))
    pcm16 = silence + sounds.read(path, audio) + silence
    return pcm16[: len(pcm16) - len(pcm16) % audio.bytes_for(10)]


@pytest.mark.skipif(not RECORDINGS, reason=f"no recordings in {SPEECH}")
@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_silero_finds_where_real_speech_begins_and_ends(path: Path, detector: Silero) -> None:
    found = edges_of(detector, decode_mulaw(encode_mulaw(padded(path, PCM16_8K))))
    truth = utterances(padded(path, PCM16_16K))
    assert [edge.speaking for edge, _ in found] == [True, False] * len(truth)
    for (begin, end), (start, _), (stop, certain_ms) in zip(truth, found[::2], found[1::2], strict=True):
        assert abs(start.at_ms - begin) <= 150
        assert abs(stop.at_ms - end) <= 150
        assert certain_ms - stop.at_ms <= 360 + Endpointing().trail_ms


@NEEDS_ESPEAK
@pytest.mark.parametrize("text", ["please transfer me to the sales department", "yes", "goodbye"])
def test_silero_finds_spoken_prompts(text: str, detector: Silero) -> None:
    silence = PCM16_8K.silence(4800)
    said = sounds.speak(text, PCM16_8K)
    found = edges_of(detector, decode_mulaw(encode_mulaw(silence + said + silence)))
    assert [edge.speaking for edge, _ in found] == [True, False]
    assert abs(found[0][0].at_ms - 600) <= 150


def tone(hz: float, level: float) -> bytes:
    return (level * 32767 * np.sin(2 * np.pi * hz * np.arange(24000) / 8000)).astype("<i2").tobytes()


NOT_SPEECH = {
    "digital silence": bytes(48000),
    "mu-law silence": decode_mulaw(b"\xff" * 24000),
    "a soft tone": tone(440, 0.05),
    "a loud tone": tone(1000, 0.7),
    "a dial tone": (np.frombuffer(tone(350, 0.3), "<i2") + np.frombuffer(tone(440, 0.3), "<i2")).tobytes(),
    "line noise": np.random.default_rng(1).normal(0, 30, 24000).astype("<i2").tobytes(),
}


@pytest.mark.parametrize("pcm16", NOT_SPEECH.values(), ids=NOT_SPEECH.keys())
def test_silero_takes_nothing_else_for_speech(pcm16: bytes, detector: Silero) -> None:
    assert edges_of(detector, pcm16) == []


@NEEDS_ESPEAK
def test_webrtc_finds_speech_and_its_end_with_the_same_endpointer() -> None:
    silence = PCM16_8K.silence(4800)
    said = sounds.speak("please transfer me to the sales department", PCM16_8K)
    found = edges_of(webrtc.WebRtcDetector(), silence + said + silence)
    assert [edge.speaking for edge, _ in found] == [True, False]
    assert abs(found[0][0].at_ms - 600) <= 150
    assert abs(found[1][0].at_ms - 600 - len(said) / 16) <= 400  # it hangs on to the last sound
