import pytest

from trunkline.audio.format import MULAW_8K
from trunkline.call.replies import Heard, Interruption, Reply, ReplyBook


def reply(*texts: tuple[int, str]) -> Reply:
    made = Reply(1, 0)
    made.texts = list(texts)
    return made


@pytest.mark.parametrize(
    ("position", "heard"),
    [
        (0, ""),
        (99, ""),
        (100, "one"),
        (199, "one"),
        (200, "one two"),
        (399, "one two three"),
        (400, "one two three four"),
        (401, "one two three four"),
        (600, "one two three four five"),
        (800, "one two three four five six"),
        (900, "one two three four five six"),
    ],
)
def test_the_text_heard_is_in_proportion_to_the_audio_heard(position: int, heard: str) -> None:
    made = reply((0, "one two three four"), (400, " five six"))
    assert made.text_up_to(position, 800) == heard


def test_words_without_audio_of_their_own_are_heard_with_what_follows() -> None:
    assert reply((0, "well,"), (0, "one two")).text_up_to(50, 100) == "well, one"


def test_words_whose_audio_never_came_were_not_heard() -> None:
    assert reply((0, "one"), (100, "two")).text_up_to(100, 100) == "one"


def test_a_reply_without_words_has_no_text() -> None:
    assert reply().text_up_to(100, 100) == ""


def begun(book: ReplyBook, generation: int, position: int) -> Reply:
    assert book.begin(generation, position)
    assert book.newest is not None
    return book.newest


def test_a_reply_that_was_never_ended_ends_where_the_next_begins() -> None:
    book = ReplyBook(MULAW_8K)
    first = begun(book, 1, 0)
    second = begun(book, 2, 500)
    assert (first.end, second.end) == (500, None)
    assert book.sending is first
    assert book.closing == 1


def test_only_a_reply_that_is_open_can_be_ended_and_only_once() -> None:
    book = ReplyBook(MULAW_8K)
    first = begun(book, 1, 0)
    for position, generation in [(100, 1), (200, 1), (300, 3)]:
        book.end(generation, position)
    assert first.end == 100
    assert book.closing == 1


def test_replies_are_over_in_order_and_dead_then() -> None:
    book = ReplyBook(MULAW_8K)
    first, second = begun(book, 3, 0), begun(book, 7, 100)
    book.end(7, 300)
    book.close(first)
    assert book.sending is second
    book.close(second)
    assert (book.closing, book.next_end()) == (0, 100)
    assert book.heard(99) == []
    assert (book.heard(299), book.dead_up_to, book.next_end()) == ([Heard(3, "", None)], 3, 300)
    assert (book.heard(300), book.dead_up_to, book.next_end()) == ([Heard(7, "", None)], 7, None)
    assert book.newest is None
    assert not book.begin(7, 300), "it is dead"


def test_a_reply_whose_end_was_taken_back_is_to_be_sent_again() -> None:
    book = ReplyBook(MULAW_8K)
    first, second = begun(book, 1, 0), begun(book, 2, 100)
    book.end(2, 300)
    book.close(first)
    book.close(second)
    book.reopen(100)
    assert (book.sending, book.closing) == (second, 1)
    assert book.heard(300) == [Heard(1, "", None)]


def test_what_was_heard_of_replies_that_are_cut_is_told_of_each() -> None:
    book = ReplyBook(MULAW_8K)
    first, second = begun(book, 1, 0), begun(book, 2, 800)
    first.at_ms = second.at_ms = 5.0
    second.texts = [(800, "one two three four")]
    begun(book, 3, 2400)
    assert book.cut(1600, 3200) == [
        Interruption(1, 100.0, "", 5.0),
        Interruption(2, 100.0, "one two", 5.0),
        Interruption(3, 0.0, "", None),
    ]
    assert (book.sending, book.closing, book.newest, book.dead_up_to) == (None, 0, None, 3)


def test_room_made_at_a_replys_end_moves_only_what_comes_after() -> None:
    book = ReplyBook(MULAW_8K)
    first, second, third = begun(book, 1, 0), begun(book, 2, 100), begun(book, 3, 250)
    second.texts, third.texts = [(100, "two")], [(250, "three")]
    book.make_room(250, 60)
    assert [(r.start, r.end, r.texts) for r in (first, second, third)] == [
        (0, 100, []),
        (100, 310, [(100, "two")]),
        (310, None, [(310, "three")]),
    ]
