"""Words and their audio, in the order a call understands, from whatever comes in whatever order."""

import itertools
import random
from typing import TypeVar

import pytest

from trunkline.ai.timed_words import TimedWords
from trunkline.audio.format import MULAW_8K, PCM16_8K, AudioFormat

T = TypeVar("T", str, bytes)

TEXT = "Your table is booked. See you at forty-two, bye!"
TIMES = [
    ("Your", 20.0, 190.0), ("table", 210.0, 550.0), ("is", 550.0, 640.0), ("booked.", 640.0, 1000.0),
    ("See", 1300.0, 1500.0), ("you", 1500.0, 1600.0), ("at", 1600.0, 1700.0), ("forty-two,", 1710.0, 2300.0),
    ("bye!", 2400.0, 2700.0),
]  # fmt: skip
LENGTH_MS = 3000


def sound(audio: AudioFormat = MULAW_8K, ms: int = LENGTH_MS) -> bytes:
    return random.Random(1).randbytes(audio.bytes_for(ms))


def placed(given: list[str | bytes], audio: AudioFormat = MULAW_8K) -> list[tuple[float, str]]:
    """Where each piece of text begins, in ms."""
    at, pieces = 0, []
    for piece in given:
        if isinstance(piece, str):
            pieces.append((audio.ms(at), piece))
        else:
            at += len(piece)
    return pieces


def text(given: list[str | bytes]) -> str:
    return "".join(piece for piece in given if isinstance(piece, str))


def heard(given: list[str | bytes]) -> bytes:
    return b"".join(piece for piece in given if isinstance(piece, bytes))


EXPECTED = [
    (0, "Your"), (210, " table"), (550, " is"), (640, " booked."), (1000, " "), (1300, "See"), (1500, " you"),
    (1600, " at"), (1710, " forty-two,"), (2300, " "), (2400, "bye!"), (2700, ""),
]  # fmt: skip


@pytest.mark.parametrize("audio", [MULAW_8K, PCM16_8K], ids=str)
def test_each_word_comes_before_its_audio_and_a_pause_is_nobodys(audio: AudioFormat) -> None:
    words = TimedWords(audio, TEXT)
    words.timed(TIMES)
    words.audio(sound(audio))
    given = words.take() + words.finish()
    assert placed(given, audio) == EXPECTED
    assert heard(given) == sound(audio)
    assert words.rest == ("", 0)


@pytest.mark.parametrize("seed", range(40))
def test_the_order_and_the_cuts_change_nothing(seed: int) -> None:
    """Whatever comes when: the text joins verbatim, the audio is all there, and no word is placed before it sounds."""
    dice = random.Random(seed)
    words, whole = TimedWords(MULAW_8K), sound()
    texts = _cut_up(TEXT, dice, 5)
    audio = _cut_up(whole, dice, 20)
    times = [TIMES[i : i + 2] for i in range(0, len(TIMES), 2)]
    words.say(texts.pop(0))
    given: list[str | bytes] = []
    while texts or audio or times:
        kind = dice.choice([kind for kind in (texts, audio, times) if kind])
        if kind is texts:
            words.say(texts.pop(0))
        elif kind is times and not texts:  # no voice times a word it was not given
            words.timed(times.pop(0))
        elif kind is audio:
            words.audio(audio.pop(0))
        given += words.take()
    given += words.finish()
    assert text(given) == TEXT
    assert heard(given) == whole
    assert placed(given) == EXPECTED


def _cut_up(whole: T, dice: random.Random, pieces: int) -> list[T]:
    cuts = [0, *sorted(dice.sample(range(1, len(whole)), pieces - 1)), len(whole)]
    return [whole[a:b] for a, b in itertools.pairwise(cuts)]


def test_only_whole_words_are_given_out_unless_everything_is_wanted() -> None:
    words = TimedWords(MULAW_8K, TEXT)
    words.audio(sound()[: 8 * 500])
    assert words.take() == []
    words.timed(TIMES[:3])
    assert placed(words.take()) == [(0, "Your")]
    assert words.holds
    assert words.rest == (TEXT[4:], 0)
    assert placed(words.take(everything=True)) == [(20, " table")]  # at 210 ms of all
    assert words.rest == (TEXT[4:], len(" table")), "told, but not heard to its end"


def test_audio_without_times_is_given_words_at_the_pace_of_speech() -> None:
    words = TimedWords(MULAW_8K, TEXT)
    words.audio(sound()[: 8 * 400])
    assert placed(words.take(everything=True)) == [(0, "Your"), (pytest.approx(333, abs=1), " table")]
    words.timed(TIMES[:2])
    words.audio(sound()[: 8 * 400])
    words.timed(TIMES[2:4])
    assert placed(words.take()) == [(150, " is")], "from then on as it should be"


def test_a_voice_that_tells_no_times_has_its_words_spread_over_its_audio() -> None:
    words = TimedWords(MULAW_8K, "2 + 2 = 4")
    words.audio(sound()[: 8 * 900])
    given = words.finish()
    assert text(given) == "2 + 2 = 4"
    assert [round(at / 100) for at, _ in placed(given)] == [0, 2, 4, 6, 8]


def test_the_pace_of_a_voice_that_is_known_is_taken() -> None:
    words = TimedWords(MULAW_8K, TEXT, pace=0.03)
    words.audio(sound()[: 8 * 200])
    assert placed(words.take(everything=True)) == [(0, "Your"), (pytest.approx(167, abs=1), " table")]


def test_another_making_goes_on_from_the_first_word_that_was_not_heard_whole() -> None:
    words = TimedWords(MULAW_8K, TEXT)
    words.timed(TIMES)
    words.audio(sound()[: 8 * 800])
    given = words.take(everything=True)
    assert text(given) == "Your table is booked."
    rest, told = words.rest
    assert (rest, told) == (" booked. See you at forty-two, bye!", len(" booked."))
    again = TimedWords(MULAW_8K, rest, told)
    again.timed([("booked.", 0, 300), ("See", 300, 400)])
    again.audio(sound()[: 8 * 500])
    given += again.take()
    assert text(given) == "Your table is booked. See"
    given += again.finish()
    assert text(given) == TEXT


@pytest.mark.parametrize(
    ("said", "times", "expected"),
    [
        ("a – b", [("a", 0, 100), ("b", 100, 200)], [(0, "a"), (100, " – b")]),
        ("I'm forty-two now", [("Im", 0, 100), ("forty", 100, 200), ("two", 200, 300), ("now", 300, 400)],
         [(0, "I'm"), (100, " forty-two"), (300, " now")]),
        ("It is $5 now", [("It", 0, 100), ("is", 100, 200), ("five", 200, 300), ("now", 300, 400)],
         [(0, "It"), (100, " is"), (200, " $5"), (300, " now")]),
        ("one two", [("one", 0, 100), ("two", 100, 200), ("three", 200, 300)], [(0, "one"), (100, " two")]),
        ("one two", [("one", 0, 200), ("two", 100, 150)], [(0, "one"), (200, " two")]),
        ("", [("ghost", 0, 100)], []),
    ],
    ids=["a dash", "parts of a word", "a number in words", "more words than text", "times that go back", "no text"],
)  # fmt: skip
def test_times_need_not_match_the_text(
    said: str, times: list[tuple[str, float, float]], expected: list[tuple[float, str]]
) -> None:
    words = TimedWords(MULAW_8K, said)
    words.timed(times)
    words.audio(sound()[: 8 * 400])
    given = words.take() + words.finish()
    assert [piece for piece in placed(given) if piece[1]] == expected
    assert heard(given) == sound()[: 8 * 400]


def test_half_a_sample_is_kept_for_its_other_half() -> None:
    words = TimedWords(PCM16_8K, "a b")
    words.audio(sound(PCM16_8K)[:161])
    assert len(heard(words.take(everything=True))) == 160
    words.audio(sound(PCM16_8K)[161:320])
    assert len(heard(words.take(everything=True))) == 160
