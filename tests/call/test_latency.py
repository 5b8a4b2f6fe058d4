import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.call.latency import (
    Budget,
    Budgets,
    LatencyBook,
    TurnLatency,
    TurnStamps,
    latency_of,
    percentile,
    verdicts,
)


def test_stages_are_the_time_between_their_stamps() -> None:
    stamps = TurnStamps(
        speech_end=10.0,
        transcript_final=10.25,
        model_started=10.26,
        model_first_token=10.31,
        model_ended=10.9,
        synthesis_started=10.32,
        synthesis_first_byte=10.4,
        first_audio=10.41,
    )
    latency = latency_of(stamps)
    expected = {"stt": 250, "llm": 50, "tts": 80, "total": 410}
    assert latency.stages() == {name: pytest.approx(ms) for name, ms in expected.items()}
    assert latency.model_ms == pytest.approx(640)
    assert latency.llm_at_ms == pytest.approx(260)
    assert latency.tts_at_ms == pytest.approx(320)


def test_a_line_of_the_log_has_what_is_known_in_whole_milliseconds() -> None:
    stamps = TurnStamps(speech_end=10.0, model_started=10.2604, model_first_token=10.3116, first_audio=10.5)
    assert latency_of(stamps).fields() == {"llm_ms": 51, "total_ms": 500, "llm_at_ms": 260}


@pytest.mark.parametrize("missing", ["speech_end", "transcript_final", "model_first_token", "first_audio"])
def test_a_stage_with_a_stamp_missing_is_not_told(missing: str) -> None:
    stamps = TurnStamps(speech_end=1, transcript_final=2, model_started=2, model_first_token=3, first_audio=4)
    setattr(stamps, missing, None)
    assert {"speech_end": {"llm"}, "transcript_final": {"llm", "total"}, "model_first_token": {"stt", "total"},
            "first_audio": {"stt", "llm"}}[missing] == set(latency_of(stamps).stages())  # fmt: skip


def test_a_stage_never_takes_less_than_nothing() -> None:
    assert latency_of(TurnStamps(speech_end=2, first_audio=1)).total_ms == 0


def test_the_first_stamp_of_a_kind_counts() -> None:
    stamps = TurnStamps()
    stamps.stamp("model_first_token", 1)
    stamps.stamp("model_first_token", 2)
    assert stamps.model_first_token == 1


@pytest.mark.parametrize(("ms", "verdict"), [(0, "OK"), (260, "OK"), (300, "OK"), (300.1, "SLOW")])
def test_a_stage_is_slow_beyond_its_maximum(ms: float, verdict: str) -> None:
    assert Budget(260, 300).verdict(ms) == verdict


def test_only_known_stages_are_judged() -> None:
    known = TurnLatency(stt_ms=300, llm_ms=101, tts_ms=150, total_ms=700)
    assert verdicts(known, Budgets()) == {"stt": "OK", "llm": "SLOW", "tts": "OK", "total": "OK"}
    assert verdicts(TurnLatency(total_ms=701), Budgets()) == {"total": "SLOW"}


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        (TurnLatency(stt_ms=1, llm_ms=250), "OK"),  # it speaks itself
        (TurnLatency(stt_ms=1, llm_ms=251), "SLOW"),
        (TurnLatency(llm_ms=550), "OK"),  # and hears itself
        (TurnLatency(llm_ms=551), "SLOW"),
    ],
)
def test_a_model_has_the_time_of_the_stages_it_does_as_one(known: TurnLatency, verdict: str) -> None:
    assert verdicts(known, Budgets())["llm"] == verdict


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.integers(0, 100))
def test_a_percentile_is_the_smallest_value_that_many_are_not_above(values: list[float], q: int) -> None:
    rank = max(1, math.ceil(Fraction(len(values) * q, 100)))
    assert percentile(values, q) == sorted(values)[rank - 1]


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_reply_takes_over_the_turn_it_answers() -> None:
    book = LatencyBook()
    book.speech_ended(1.0)
    book.transcript_final(1.2)
    book.of(1).stamp("first_audio", 1.5)
    book.of(2).stamp("first_audio", 3.0)
    first = book.close(1)
    assert first is not None
    assert first.total_ms == pytest.approx(500)
    assert book.close(2) is None, "nobody had spoken before the second reply"


def test_a_caller_who_goes_on_before_the_reply_starts_the_count_anew() -> None:
    book = LatencyBook()
    book.speech_ended(1.0)
    book.transcript_final(1.2)
    book.speech_ended(3.0)
    book.of(1).stamp("first_audio", 3.4)
    latency = book.close(1)
    assert latency is not None
    assert latency.stages() == {"total": pytest.approx(400)}


def test_a_reply_nobody_asked_for_has_no_latency() -> None:
    book = LatencyBook()
    book.of(1).stamp("first_audio", 2.0)
    assert book.close(1) is None
    assert book.close(7) is None


def test_late_news_of_a_reply_that_is_over_takes_nothing_from_the_next() -> None:
    book = LatencyBook()
    book.speech_ended(1.0)
    book.of(1)
    book.close(1)
    book.speech_ended(5.0)
    book.of(1).stamp("model_ended", 5.1)
    book.of(2).stamp("first_audio", 5.4)
    assert book.close(1) is None
    second = book.close(2)
    assert second is not None
    assert second.stages() == {"total": pytest.approx(400)}


def test_a_reply_that_never_sounded_is_forgotten_with_the_next() -> None:
    book = LatencyBook()
    book.of(1).stamp("model_started", 1.0)
    book.of(1).stamp("model_first_token", 1.1)
    book.of(2)
    book.close(2)
    assert book.close(1) is None
