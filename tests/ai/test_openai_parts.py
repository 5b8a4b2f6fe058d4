"""The pure parts of a session with OpenAI: words beside audio, what is cut, what is told again, what is paced."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from live_leg import quiet, tone

from trunkline.ai.base import ToolCall
from trunkline.ai.events import SpeechStarted, SpeechStopped
from trunkline.ai.providers._openai_hearing import KEEP_S, Hearing
from trunkline.ai.providers._openai_history import REPLAYED, History
from trunkline.ai.providers._openai_live_gate import HANG_MS, Gate
from trunkline.ai.providers._openai_live_pacing import AHEAD_S, FRAME_MS, KEEP_MS, Pacer
from trunkline.ai.providers._openai_reply import Delete, Pace, Reply, Truncate, Words
from trunkline.ai.providers._openai_unanswered import Unanswered
from trunkline.ai.providers._openai_waiting import due_s, patience
from trunkline.audio.format import MULAW_8K, PCM16_24K

# --- words beside audio ------------------------------------------------------------------------------------------


@given(
    some.lists(some.one_of(some.text("ab ", min_size=1, max_size=12), some.integers(1, 9000)), max_size=30),
    some.sampled_from([MULAW_8K, PCM16_24K]),
)
def test_all_words_and_all_audio_come_out_in_order_and_the_last_word_before_the_last_audio(
    parts: list[str | int], audio: Any
) -> None:
    words, out, given_audio, given_text = Words(audio, Pace()), [], b"", ""
    for i, part in enumerate(parts):
        if isinstance(part, str):
            words.text(part)
            given_text += part
        else:
            piece = bytes([i]) * (part * audio.sample_bytes)
            given_audio += piece
            out.append(words.audio(piece))
    out.append(words.end())
    assert "".join(text for text, _ in out) == given_text == words.covered
    assert b"".join(sound for _, sound in out) == given_audio
    if given_audio:
        assert out[-1][1], "something is left for late words to stand before"


def test_a_transcript_that_comes_all_at_once_is_spread_over_its_audio() -> None:
    words = Words(MULAW_8K, Pace())
    words.text("one two three four five six seven eight nine ten ")
    said = [words.audio(quiet(400))[0] for _ in range(6)]
    assert all(said[:6])
    assert said[0] == "one two "


def test_the_pace_of_a_slow_voice_is_learned() -> None:
    pace = Pace()
    first = Words(MULAW_8K, pace)
    first.text("a " * 50)
    first.audio(quiet(10_000))
    first.end()
    words = Words(MULAW_8K, pace)
    words.text("b " * 50)
    assert len(words.audio(quiet(5000))[0]) == 50


def test_words_without_audio_are_forgotten_when_it_breaks_off() -> None:
    words = Words(MULAW_8K, Pace())
    words.text("This was said, and this never will be, since the line is gone")
    text, sound = words.audio(quiet(800))
    more, tail = words.break_off()
    assert len(sound + tail) == 8 * 800
    assert words.covered == text + more
    assert 10 <= len(words.covered) < 25


# --- what is cut -------------------------------------------------------------------------------------------------


def reply(*ms: float, done: bool = True) -> Reply:
    made = Reply(1)
    for i, length in enumerate(ms):
        made.begin_item(f"i{i}")
        if length:
            made.received(f"i{i}", 0, length)
    made.done = done
    return made


@pytest.mark.parametrize(
    ("items", "done", "heard", "told"),
    [
        ((1000,), True, 1000, []),
        ((1000,), True, 1400, []),
        ((1000,), True, 400.7, [Truncate("i0", 0, 400)]),
        ((1000,), True, 0, [Delete("i0")]),
        ((1000,), False, 1000, [Truncate("i0", 0, 1000)]),
        ((1000,), False, 1020, [Truncate("i0", 0, 1000)]),
        ((1000, 500), True, 1000, [Delete("i1")]),
        ((1000, 500), True, 1200, [Truncate("i1", 0, 200)]),
        ((1000, 500, 0), True, 300, [Truncate("i0", 0, 300), Delete("i1"), Delete("i2")]),
        ((0,), False, 0, [Delete("i0")]),
        ((), False, 0, []),
    ],
)
def test_what_the_vendor_is_told_of_a_cut(items: tuple[float, ...], done: bool, heard: float, told: list[Any]) -> None:
    assert reply(*items, done=done).cut(heard) == told


def test_audio_of_a_lost_connection_counts_but_its_items_are_void() -> None:
    made = reply(1000, done=False)
    made.void()
    made.received("new", 0, 600)
    assert made.ms == 1600
    assert made.cut(1300) == [Truncate("new", 0, 300)]
    assert made.cut(900) == [Delete("new")]


# --- what is told again ------------------------------------------------------------------------------------------


def test_a_new_session_is_told_what_was_heard_and_done() -> None:
    history = History()
    history.reply(1)
    history.settled(1, "Hello.")
    history.caller("u1")
    history.words("u1", "The weather?")
    history.reply(2)
    history.called(ToolCall("weather", '{"town":"Rome"}', "c1"), "f1")
    history.called(ToolCall("slow", "{}", "c2"), "f2")
    history.result("c1", "fine")
    history.settled(2, "")
    history.caller("u2")
    history.reply(3)
    kinds = [type(item).__name__ for item in history.items({3: "It is fi"})]
    assert kinds == ["MessageItem", "MessageItem", "CallItem", "ResultItem", "MessageItem"]
    untold = history.untold("c2")
    assert untold is not None
    assert untold.name == "slow"
    assert history.untold("c1") is None
    assert history.texts({3: "It is fi"}) == [("agent", "Hello."), ("caller", "The weather?"), ("agent", "It is fi")]


def test_only_so_much_is_told() -> None:
    history = History()
    for i in range(2 * REPLAYED):
        history.wrote(str(i))
    items: list[Any] = history.items({})
    assert len(items) == REPLAYED
    assert items[-1].content[0].text == str(2 * REPLAYED - 1)


def test_a_reply_that_was_told_in_text_is_replaced_when_less_of_it_was_heard() -> None:
    history = History()
    history.reply(1)
    [told] = history.items({1: "All of it."})
    line = history.settled(1, "All")
    assert line is not None
    assert line.item == told.id
    assert history.replacement(line).content[0].text == "All"
    assert line.item != told.id


# --- hearing -----------------------------------------------------------------------------------------------------


def hearing() -> Hearing:
    return Hearing(MULAW_8K, (300, 500))


def test_the_vendors_edges_are_moved_to_the_speech() -> None:
    heard = hearing()
    heard.hear(quiet(3000))
    assert heard.started("a", 700) == SpeechStarted(1000)
    assert heard.stopped("a", 2500) == [SpeechStopped(2000)]


def test_speech_that_is_found_again_on_a_new_connection_is_told_once() -> None:
    heard = hearing()
    heard.hear(quiet(4000))
    heard.started("a", 1700)
    heard.stopped("a", 3500)
    heard.replied()
    base = 4000 - len(heard.restart()) / 8
    assert heard.started("b", 1700 - base) is None
    assert heard.stopped("b", 3520 - base) == []
    assert heard.turns["b"].answered


def test_who_speaks_on_over_a_loss_is_told_to_have_spoken_once() -> None:
    heard = hearing()
    heard.hear(quiet(3000))
    heard.started("a", 1700)
    base = 3000 - len(heard.restart()) / 8
    assert heard.started("b", 1700 - base) is None
    assert heard.stopped("b", 4500 - base) == [SpeechStopped(4000)]
    assert not heard.turns["b"].answered


def test_a_loss_in_which_nothing_is_found_again_ends_the_speech() -> None:
    heard = hearing()
    heard.hear(quiet(3000))
    heard.started("a", 1700)
    heard.restart()
    assert heard.give_up() == [SpeechStopped(3000)]
    assert heard.give_up() == []


def test_silence_is_not_hoarded() -> None:
    heard = hearing()
    for _ in range(60 * 50):
        heard.hear(quiet(20))
    assert len(heard.restart()) <= 8 * 1500
    heard.hear(tone(1000))
    heard.started("a", 0)
    for _ in range(60 * 50):
        heard.hear(quiet(20))
    assert len(heard.restart()) == 8000 * KEEP_S


def test_a_softer_end_is_noticed_and_a_quiet_caller_is_not_taken_for_silence() -> None:
    heard = hearing()
    heard.hear(quiet(1000))
    heard.started("a", 0)
    heard.hear(tone(100))
    assert heard.quiet_ms == 0
    heard.hear(quiet(100))
    assert heard.quiet_ms == 100


def test_late_words_count_and_a_back_channel_does_not() -> None:
    turns = Unanswered()
    turns.turn("a", counts=True, words_come=True)
    assert not turns.words("a", "mm-hm")
    turns.agreed()
    assert not turns.wanted
    turns.turn("b", counts=True, words_come=True)
    turns.agreed()
    assert not turns.wanted
    assert turns.words("b", "But what about Sunday?")
    assert turns.wanted


def test_what_is_slow_is_waited_for_longer_each_time() -> None:
    assert [patience(losses) for losses in range(6)] == [1, 2, 4, 8, 8, 8]
    assert due_s("asked", overdue=False, wordless=True) == 0.7
    assert due_s("idle", overdue=False, wordless=False) is None
    assert due_s("idle", overdue=True, wordless=True) == 0.7


# --- a continuous line -------------------------------------------------------------------------------------------


def test_holes_are_filled_and_bursts_wait_and_lose_their_pauses() -> None:
    pacer, now, sent = Pacer(MULAW_8K), 100.0, b""
    sent += b"".join(pacer.start(now))
    for _ in range(50):  # nothing comes for a second
        now += FRAME_MS / 1000
        sent += b"".join(pacer.tick(now))
    assert abs(len(sent) / 8 - 1000) <= 100
    assert not sent.strip(b"\xff")
    sent = b"".join(pacer.hear(quiet(600) + tone(300) + quiet(600) + tone(300), now))
    assert len(sent) / 8 <= 1000 * AHEAD_S + 2 * FRAME_MS + 60
    for _ in range(100):
        now += FRAME_MS / 1000
        sent += b"".join(pacer.tick(now))
    assert sent.count(tone(300)[:40]) >= 2
    assert abs(len(sent) / 8 - 2000) <= 150, "in real time"


@given(some.lists(some.integers(0, 400), max_size=60))
def test_a_session_never_gets_ahead_of_the_clock(gaps: list[int]) -> None:
    pacer, now, sent = Pacer(MULAW_8K), 5.0, 0
    sent += sum(map(len, pacer.start(now)))
    for gap in gaps:
        now += gap / 1000
        sent += sum(map(len, pacer.tick(now)))
        sent += sum(map(len, pacer.hear(tone(100), now)))
        assert sent / 8 <= 1000 * (now - 5.0 + AHEAD_S) + FRAME_MS + 0.001  # floating point
        assert sent / 8 >= 1000 * (now - 5.0) - 100


def test_no_more_waits_than_is_worth_it_and_what_has_words_is_not_sent_again() -> None:
    pacer = Pacer(MULAW_8K)
    pacer.hear(tone(3 * KEEP_MS), 0.0)
    sent = b"".join(pacer.start(0.0))
    for frame in range(1, 600):
        sent += b"".join(pacer.tick(frame * FRAME_MS / 1000))
    assert len(sent.rstrip(b"\xff")) / 8 <= KEEP_MS
    assert pacer.worded(KEEP_MS) == 3 * KEEP_MS
    pacer.stop()
    assert pacer.start(20.0) == []


# --- an endless stream -------------------------------------------------------------------------------------------


def cut(*pieces: bytes) -> list[tuple[str, float]]:
    gate, story = Gate(MULAW_8K), []
    for piece in pieces:
        for part in gate.push(piece):
            if isinstance(part, bool):
                story.append(("begins" if part else "ends", 0.0))
            elif story and story[-1][0] == "audio":
                story[-1] = ("audio", story[-1][1] + len(part) / 8)
            else:
                story.append(("audio", len(part) / 8))
    return story


def test_a_reply_is_voice_with_its_pauses_and_silence_is_none() -> None:
    assert cut(quiet(5000)) == []
    whole = [("begins", 0.0), ("audio", 60 + 400 + 300 + 200 + HANG_MS), ("ends", 0.0)]
    assert cut(quiet(1000), tone(400), quiet(300), tone(200), quiet(5000)) == whole


def test_a_stream_in_odd_pieces_is_cut_at_the_same_places() -> None:
    stream = quiet(200) + tone(300) + quiet(1000) + tone(300)
    pieces = [stream[at : at + 333] for at in range(0, len(stream), 333)]
    assert cut(*pieces) == cut(stream[: len(stream) // 160 * 160])


def test_a_stream_that_stops_ends_its_reply() -> None:
    gate = Gate(MULAW_8K)
    gate.push(tone(300) + b"\x01\x02")
    assert gate.end() == [b"\x01\x02", False]
    assert gate.end() == []


def test_an_interrupted_reply_is_not_heard_on_but_the_next_is() -> None:
    gate = Gate(MULAW_8K)
    gate.push(tone(300))
    gate.mute()
    assert gate.push(tone(500)) == []
    assert gate.push(quiet(400)) == []
    assert gate.push(tone(100))[0] is True
