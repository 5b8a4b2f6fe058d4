"""Silero, the background and the endpointer on real speech in noise, through mu-law, with the defaults of a call:
begin and end within 100 ms of the clean recording's.

The truth is that of ``listening.recording``, taken from the clean recording and the same for every noise. What was
measured stands in ``MEASURED``, with noise that nothing was chosen by. What is
off at 0 dB is soft first and last sounds, by a tenth of a second more or less. What is off above that are begins: where
noise of the line's band does not cover it, the hum of a recording's own room is taken for part of the voice.

Babble isn't among the noises. It is speech: with twelve people as loud as 10 dB under the caller half of all edges are
off, and no detector of speech can tell whose it is.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

import numpy as np
import pytest

from listening import RECORDINGS, SAID, Recording, decisions, in_noise, listen, marks, recording, spoken
from noises import KINDS, Floats, noise, to_pcm16
from trunkline.ai.models import find_silero
from trunkline.ai.providers import silero
from trunkline.audio.background import Background
from trunkline.audio.dtmf import dtmf
from trunkline.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw
from trunkline.audio.silero import Silero
from trunkline.audio.tones import RING_BACK, CadencedTone
from trunkline.errors import MissingProgram

NEEDS_RECORDINGS = pytest.mark.skipif(not RECORDINGS, reason="the recordings are not here (TRUNKLINE_SPEECH_DIR)")
TOLERANCE_MS: Final = 100
SEEDS: Final = (23, 29)
SLACK: Final = 1  # another machine's rounding may tip an edge

# dB of signal to noise; of 216 edges so many off; utterances split where there is no pause; speech where there is none
MEASURED: Final = [(20, 2, 0, 0), (15, 1, 0, 0), (10, 0, 0, 2), (5, 1, 0, 2), (0, 3, 4, 0)]


@pytest.fixture(scope="module")
def detector() -> Silero:
    file = find_silero()
    if file is None:
        pytest.skip("the Silero model is not there: run 'trunkline models'")
    return Silero(silero.load(file))


def tally(detector: Silero, takes: Sequence[Recording], snr_db: float, seeds: Sequence[int]) -> tuple[int, int, int]:
    """Edges off, splits and false speech, over every take in every noise."""
    found = [
        marks(edges, take.spans)
        for take in takes
        for seed in seeds
        for edges in listen(detector, in_noise(take, snr_db, seed), background=Background())
    ]
    off = sum(error > TOLERANCE_MS for mark in found for error in mark.off_ms)
    return off, sum(mark.split for mark in found), sum(mark.false for mark in found)


@NEEDS_RECORDINGS
@pytest.mark.parametrize(
    ("law", "there_and_back"),
    [
        ("mu-law", lambda pcm16: decode_mulaw(encode_mulaw(pcm16))),
        ("A-law", lambda pcm16: decode_alaw(encode_alaw(pcm16))),
        ("none", bytes),
    ],
)
def test_clean_speech_begins_and_ends_where_it_does(
    law: str, there_and_back: Callable[[bytes], bytes], detector: Silero
) -> None:
    for path in RECORDINGS:
        take = recording(path)
        (edges,) = listen(detector, [there_and_back(to_pcm16(take.clean))], background=Background())
        found = marks(edges, take.spans)
        assert max(found.off_ms) <= TOLERANCE_MS, (path.stem, law)
        assert (found.split, found.false) == (0, 0)
        assert len(edges) == 2 * len(take.spans)


@NEEDS_RECORDINGS
@pytest.mark.parametrize(("snr_db", "off", "split", "false"), MEASURED)
def test_in_noise_no_more_edges_are_off_than_was_measured(
    snr_db: float, off: int, split: int, false: int, detector: Silero
) -> None:
    found = tally(detector, [recording(path) for path in RECORDINGS], snr_db, SEEDS)
    assert all(now <= then + SLACK for now, then in zip(found, (off, split, false), strict=True)), found


@cache
def synthetic() -> list[Recording]:
    try:
        return [spoken(text) for text in SAID]
    except MissingProgram as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize(("snr_db", "off"), [(20, 0), (15, 0), (10, 0), (5, 0), (0, 0)])
def test_a_synthetic_voice_is_dated_as_well(snr_db: float, off: int, detector: Silero) -> None:
    """96 edges. Its truth is known: the silence is what was put there."""
    found, split, false = tally(detector, synthetic(), snr_db, SEEDS)
    assert found <= off + SLACK
    assert (split, false) == (0, 0)


@NEEDS_RECORDINGS
@pytest.mark.parametrize("snr_db", [20, 0])
def test_the_background_moves_edges_and_makes_none(snr_db: float, detector: Silero) -> None:
    """Nothing is known later for it, and no speech more or less is found; only the dates are other, and better."""
    off = {True: 0, False: 0}
    for take in map(recording, RECORDINGS):
        noisy = in_noise(take, snr_db, SEEDS[0])
        dated, plain = (decisions(detector, noisy, background=way) for way in (Background(), None))
        for ours, theirs in zip(dated, plain, strict=True):
            assert [(edge.speaking, at) for edge, at in ours] == [(edge.speaking, at) for edge, at in theirs]
            times = [edge.at_ms for edge, _ in ours]
            assert times == sorted(times)
            assert all(edge.at_ms <= at for edge, at in ours)
            for helped, edges in ((True, ours), (False, theirs)):
                found = marks([edge for edge, _ in edges], take.spans)
                off[helped] += sum(error > TOLERANCE_MS for error in found.off_ms)
    assert off[True] <= off[False] * (0.75 if snr_db == 0 else 1)


def cadence(country: str) -> bytes:
    return CadencedTone(RING_BACK[country]).next(8 * 8000)


def keys(digits: str) -> bytes:
    return b"".join(dtmf(key, 100) + bytes(1600) for key in digits)


def tone(hz: float, level: float) -> bytes:
    return to_pcm16(32767 * level * np.sin(2 * np.pi * hz * np.arange(24000) / 8000))


def hiss(kind: str, level: float, samples: int = 24000) -> Floats:
    wave = noise(kind, samples)
    loud: Floats = wave * (level / wave.std())
    return loud


PULSE: Final = np.arange(24000) // 6000 % 2  # off and on, three quarters of a second each
TONES: Final = {
    **{f"ring-back of {country}": cadence(country) for country in RING_BACK},
    "every key": keys("0123456789*#ABCD"),
    "one key held": dtmf("5", 3000),
    **{f"a tone of {hz} Hz": tone(hz, level) for hz, level in ((200, 0.3), (440, 0.05), (1000, 0.7), (2100, 0.3))},
}
NOT_SPEECH: Final = {
    "digital silence": bytes(48000),
    "mu-law silence": decode_mulaw(b"\xff" * 24000),
    "A-law silence": decode_alaw(b"\xd5" * 24000),
    **TONES,
    **{f"{kind} noise": to_pcm16(hiss(kind, 600)) for kind in KINDS},
    **{f"{kind} noise, loud": to_pcm16(hiss(kind, 4000)) for kind in KINDS},
    **{f"{kind} noise, on and off": to_pcm16(hiss(kind, 1000) * PULSE) for kind in KINDS},
    **{f"{kind} noise, ten times as loud now and then": to_pcm16(hiss(kind, 200) * (1 + 9 * PULSE)) for kind in KINDS},
    **{
        f"{name} in {kind} noise": to_pcm16(
            np.frombuffer(pcm16, "<i2").astype(float) + hiss(kind, 300, len(pcm16) // 2)
        )
        for kind in ("white", "room")
        for name, pcm16 in TONES.items()
    },
}


@pytest.mark.parametrize("pcm16", NOT_SPEECH.values(), ids=NOT_SPEECH.keys())
def test_nothing_else_is_taken_for_speech(pcm16: bytes, detector: Silero) -> None:
    assert listen(detector, [pcm16, decode_mulaw(encode_mulaw(pcm16))], background=Background()) == [[], []]
