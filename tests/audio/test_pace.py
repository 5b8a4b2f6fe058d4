import numpy as np
import pytest

from trunkline.audio import g711
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, AudioFormat
from trunkline.audio.pace import Pace

SILENCE = {PCM16_8K: bytes(320), MULAW_8K: b"\xff" * 160, ALAW_8K: b"\xd5" * 160}
NOISE = g711.encode_mulaw((np.random.default_rng(1).standard_normal(160) * 3000).astype("<i2").tobytes())


@pytest.mark.parametrize("audio_format", SILENCE, ids=str)
@pytest.mark.parametrize(
    ("late_ms", "samples", "why"),
    [
        (0, 160, "on time"),
        (15, 160, "a little late"),
        (25, 80, "late"),
        (-10, 160, "a little early"),
        (-20, 240, "early"),
    ],
)
def test_silence_is_cut_or_doubled_when_it_pays(
    audio_format: AudioFormat, late_ms: float, samples: int, why: str
) -> None:
    pace = Pace(audio_format)
    audio = pace.adjust(SILENCE[audio_format], late_s=late_ms / 1000, target_s=0.06, at=8000)
    assert audio_format.samples(len(audio)) == samples, why
    assert audio == SILENCE[audio_format][: len(audio)] or late_ms < 0


@pytest.mark.parametrize(("late_ms", "changed"), [(30, False), (70, True), (-20, False), (-40, True)])
def test_what_would_be_heard_is_changed_only_in_need(late_ms: float, changed: bool) -> None:
    audio = Pace(MULAW_8K).adjust(NOISE, late_s=late_ms / 1000, target_s=0.06, at=8000)
    assert (audio != NOISE) is changed


@pytest.mark.parametrize(("late_ms", "changes"), [(30, 10), (150, 50), (-20, 9)])
def test_the_pace_changes_by_steps_unless_there_is_a_hurry(late_ms: float, changes: int) -> None:
    """A second of silence: one change in 100 ms, or every frame."""
    pace = Pace(MULAW_8K)
    at = 8000
    changed = 0
    for _ in range(50):
        audio = pace.adjust(SILENCE[MULAW_8K], late_s=late_ms / 1000, target_s=0.06, at=at)
        changed += len(audio) != 160
        at += 160
    assert changed == pytest.approx(changes, abs=1)
