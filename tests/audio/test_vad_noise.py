"""Silero and the endpointer on real speech in noise: begin and end within 100 ms of the clean recording's.

The truth is that of ``listening.recording``. Measured over six recordings and six kinds of noise: every edge within 100
ms down to 10 dB of signal to noise; at 5 dB all but 2 of 108 (one soft first word under hiss, 318 ms); at 0 dB 69 of
108: what is missing are first words and pauses the noise is louder than.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import pytest

from listening import RECORDINGS, errors_ms, listen, recording
from noises import KINDS, add, noise, to_pcm16, voiced_power
from trunkline.ai.models import find_silero
from trunkline.ai.providers import silero
from trunkline.audio.dtmf import dtmf
from trunkline.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw
from trunkline.audio.silero import Silero
from trunkline.audio.tones import RING_BACK, CadencedTone
from trunkline.audio.vad import Endpointing

NEEDS_RECORDINGS = pytest.mark.skipif(not RECORDINGS, reason="the recordings are not here (TRUNKLINE_SPEECH_DIR)")
RULES: Final = Endpointing(stop_ms=288)  # pauses of up to 350 ms belong to the truth's utterances, less the trail
TOLERANCE_MS: Final = 100


@pytest.fixture(scope="module")
def detector() -> Silero:
    file = find_silero()
    if file is None:
        pytest.skip("the Silero model is not there: run 'trunkline models'")
    return Silero(silero.load(file))


def off(detector: Silero, snr_db: float) -> tuple[int, int]:
    """Edges more than the tolerance from the truth, and edges in all, over every recording in every noise."""
    errors: list[float] = []
    for path in RECORDINGS:
        take = recording(path)
        power = voiced_power(take.clean, take.voiced) / 10 ** (snr_db / 10)
        for edges in listen(detector, [add(take.clean, kind, power) for kind in KINDS], RULES):
            errors += errors_ms(edges, take.spans)
    return sum(error > TOLERANCE_MS for error in errors), len(errors)


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
        (edges,) = listen(detector, [there_and_back(to_pcm16(take.clean))])
        assert max(errors_ms(edges, take.spans)) <= TOLERANCE_MS, (path.stem, law)


@NEEDS_RECORDINGS
@pytest.mark.parametrize(("snr_db", "share"), [(20, 0.0), (15, 0.0), (10, 0.0), (5, 0.03), (0, 0.4)])
def test_in_noise_no_more_edges_are_off_than_said_above(snr_db: float, share: float, detector: Silero) -> None:
    wrong, edges = off(detector, snr_db)
    assert wrong <= share * edges


def cadence(country: str) -> bytes:
    return CadencedTone(RING_BACK[country]).next(8 * 8000)


def keys(digits: str) -> bytes:
    return b"".join(dtmf(key, 100) + bytes(1600) for key in digits)


def tone(hz: float, level: float) -> bytes:
    return to_pcm16(32767 * level * np.sin(2 * np.pi * hz * np.arange(24000) / 8000))


NOT_SPEECH: Final = {
    "digital silence": bytes(48000),
    "mu-law silence": decode_mulaw(b"\xff" * 24000),
    "A-law silence": decode_alaw(b"\xd5" * 24000),
    **{f"ring-back of {country}": cadence(country) for country in RING_BACK},
    "every key": keys("0123456789*#ABCD"),
    "one key held": dtmf("5", 3000),
    **{f"a tone of {hz} Hz": tone(hz, level) for hz, level in ((200, 0.3), (440, 0.05), (1000, 0.7), (2100, 0.3))},
    **{f"{kind} noise": to_pcm16(600 * n / n.std()) for kind in KINDS for n in [noise(kind, 24000)]},
}


@pytest.mark.parametrize("pcm16", NOT_SPEECH.values(), ids=NOT_SPEECH.keys())
def test_nothing_else_is_taken_for_speech(pcm16: bytes, detector: Silero) -> None:
    assert listen(detector, [pcm16, decode_mulaw(encode_mulaw(pcm16))]) == [[], []]
