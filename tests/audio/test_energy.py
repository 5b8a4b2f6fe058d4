"""The energy detector: what it counts as loud, where it finds real speech, and where it can't."""

from typing import Any

import numpy as np
import pytest

from listening import RECORDINGS, errors_ms, listen, recording
from noises import KINDS, add, noise, to_pcm16, voiced_power
from trunkline import registry
from trunkline.ai.base import AgentSettings
from trunkline.ai.events import AgentEvent, SpeechStarted, SpeechStopped
from trunkline.audio.energy import EnergyDetector, EnergyRules
from trunkline.audio.format import MULAW_8K
from trunkline.audio.g711 import decode_mulaw, encode_mulaw
from trunkline.audio.vad import SpeechEdge
from trunkline.errors import ConfigError

RULES = EnergyRules()
# The hall of this one sounds at the threshold: no detector of loudness knows when the speaker stops.
QUIET_ROOMS = [path for path in RECORDINGS if path.stem != "jfk"]
NEEDS_RECORDINGS = pytest.mark.skipif(not QUIET_ROOMS, reason="the recordings are not here (TRUNKLINE_SPEECH_DIR)")
PAUSES = EnergyRules(stop_frames=17)  # as long as pauses inside the truth's utterances are


def square(level: float, samples: int = 160, dc: float = 0) -> bytes:
    """Its RMS is its level."""
    return to_pcm16(32768 * (level * np.resize([1, -1], samples) + dc))


@pytest.mark.parametrize(
    ("frame", "loud", "why"),
    [
        (bytes(320), 0, "silence"),
        (square(0.0099), 0, "just under the threshold"),
        (square(0.0101), 1, "just over it"),
        (square(0.5), 1, "a voice"),
        (square(0, dc=0.3), 0, "DC is no sound"),
        (square(0.0101, dc=-0.3), 1, "and hides none"),
    ],
)
def test_a_frame_is_loud_from_its_rms_on(frame: bytes, loud: float, why: str) -> None:
    assert EnergyDetector().probabilities([None], [frame]) == [loud], why


def test_a_batch_is_judged_frame_by_frame() -> None:
    frames = [square(0.1), bytes(320), square(0.001)]
    assert EnergyDetector(0.0005).probabilities([None] * 3, frames) == [1, 0, 1]


def test_so_many_frames_in_a_row_begin_and_end_speech() -> None:
    loud, quiet = square(0.1), bytes(320)
    rules = EnergyRules(start_frames=2, stop_frames=4)
    take = quiet * 5 + loud + quiet + loud * 10 + quiet * 3 + loud * 2 + quiet * 4
    (edges,) = listen(EnergyDetector(), [take], rules.endpointing)
    assert edges == [SpeechEdge(True, 140), SpeechEdge(False, 440)]


@NEEDS_RECORDINGS
@pytest.mark.parametrize("path", QUIET_ROOMS, ids=lambda path: path.stem)
def test_clean_speech_through_mu_law_is_found_with_the_defaults(path: Any) -> None:
    take = recording(path)
    (edges,) = listen(EnergyDetector(), [decode_mulaw(encode_mulaw(to_pcm16(take.clean)))], PAUSES.endpointing)
    assert max(errors_ms(edges, take.spans)) <= 20


@NEEDS_RECORDINGS
@pytest.mark.parametrize("path", QUIET_ROOMS, ids=lambda path: path.stem)
@pytest.mark.parametrize("snr_db", [30, 20])
def test_in_noise_it_finds_speech_as_long_as_the_threshold_is_over_the_noise(path: Any, snr_db: float) -> None:
    take = recording(path)
    power = voiced_power(take.clean, take.voiced) / 10 ** (snr_db / 10)
    threshold = max(RULES.threshold, 2 * power**0.5 / 32768)
    for kind in KINDS:
        (edges,) = listen(EnergyDetector(threshold), [add(take.clean, kind, power)], PAUSES.endpointing)
        assert max(errors_ms(edges, take.spans)) <= 100, kind


def test_noise_over_the_threshold_is_taken_for_speech() -> None:
    """Its limit, said plainly: with the default threshold that is any noise louder than -40 dBFS."""
    hiss = noise("white", 16000)
    heard, unheard = (to_pcm16(32768 * level * hiss / hiss.std()) for level in (0.015, 0.005))
    assert [edge.speaking for edge in listen(EnergyDetector(), [heard], RULES.endpointing)[0]] == [True]
    assert listen(EnergyDetector(), [unheard, bytes(32000), decode_mulaw(b"\xff" * 16000)], RULES.endpointing) == [
        [],
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"threshold": 0}, "RMS between 0 and 1"),
        ({"threshold": float("nan")}, "RMS between 0 and 1"),
        ({"start_frames": 0}, "SPEECH_START_THRESHOLD and SPEECH_STOP_THRESHOLD count frames"),
        ({"stop_frames": -1}, "SPEECH_START_THRESHOLD and SPEECH_STOP_THRESHOLD count frames"),
    ],
)
def test_rules_that_can_never_hold_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EnergyRules(**wrong)


def provider(**options: str) -> Any:
    return registry.load("ai.providers", "energy").vad(AgentSettings(options=options))


def test_as_a_part_of_a_cascade_it_is_set_by_options() -> None:
    assert provider().rules == RULES
    chosen = provider(speech_energy_threshold="0.05", speech_start_threshold="2", speech_stop_threshold="30")
    assert chosen.rules == EnergyRules(0.05, 2, 30)


@pytest.mark.parametrize("wrong", [{"speech_start_threshold": "soon"}, {"speech_energy_threshold": "2"}])
def test_options_that_are_no_numbers_or_none_it_can_use_are_a_config_error(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        provider(**wrong)


def test_a_call_hears_of_both_edges_at_once() -> None:
    heard: list[AgentEvent] = []
    ear = provider(speech_start_threshold="2", speech_stop_threshold="4").open(hears=MULAW_8K, emit=heard.append)
    for at, frame in enumerate([bytes(320)] * 3 + [square(0.1)] * 5 + [bytes(320)] * 4):
        ear.hear(encode_mulaw(frame), at * 0.02)
    ear.close()
    assert heard == [SpeechStarted(60), SpeechStopped(160)]
