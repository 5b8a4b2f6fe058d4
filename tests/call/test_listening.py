"""When a call is listened to, and what is said of it."""

from trunkline.audio.format import MULAW_8K
from trunkline.audio.quality_score import QualityThresholds
from trunkline.call.effects import Effect, Note
from trunkline.call.listening import FIRST_S, LISTEN_S, PERIOD_S, Listening

START = 5000.0
CLIPPED = (b"\x80" * 8 + b"\x00" * 8) * 10  # 20 ms


def test_it_listens_at_first_and_then_a_part_of_the_time() -> None:
    listening = Listening(MULAW_8K, QualityThresholds(), START)
    out: list[Effect] = []
    listened = []
    for second in range(100):
        listening.tick(START + second, out)
        listened.append(listening.monitor is not None)
    assert all(listened[: int(FIRST_S)])
    share = sum(listened[int(PERIOD_S) :]) / (100 - PERIOD_S)
    assert LISTEN_S / PERIOD_S <= share <= (LISTEN_S + 1) / PERIOD_S


def test_what_it_notices_is_said_at_the_next_tick_once() -> None:
    listening = Listening(MULAW_8K, QualityThresholds(), START)
    assert listening.monitor is not None
    for _ in range(250):
        listening.monitor.push(CLIPPED)
    out: list[Effect] = []
    listening.tick(START + 5, out)
    listening.tick(START + 6, out)
    conditions = [effect.fields["condition"] for effect in out if isinstance(effect, Note)]
    assert conditions.count("clipping") == 1
    assert listening.summary.clipping_percent == 100


def test_what_was_left_out_is_not_taken_for_a_hole() -> None:
    listening = Listening(MULAW_8K, QualityThresholds(), START)
    monitor = listening.monitor
    assert monitor is not None
    for _ in range(100):
        monitor.push(CLIPPED)
    out: list[Effect] = []
    listening.tick(START + FIRST_S + 1, out)
    assert listening.monitor is None
    listening.tick(START + PERIOD_S, out)
    for frame in [MULAW_8K.silence(160)] * 5 + [CLIPPED] * 200:
        monitor.push(frame)
    assert listening.summary.dropouts == 0
