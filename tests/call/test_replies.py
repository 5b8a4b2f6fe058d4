import pytest

from trunkline.call.replies import Reply, ReplyBook


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


def test_a_reply_that_was_never_ended_ends_where_the_next_begins() -> None:
    book = ReplyBook()
    first = book.begin(1, 0)
    second = book.begin(2, 500)
    assert (first.end, second.end) == (500, None)
    assert book.newest is second
    assert book.find(1) is first
    assert book.find(3) is None


def test_replies_are_over_in_order_and_dead_then() -> None:
    book = ReplyBook()
    book.begin(3, 0)
    book.begin(7, 0)
    assert (book.over().generation, book.dead_up_to) == (3, 3)
    assert (book.over().generation, book.dead_up_to) == (7, 7)
    assert book.newest is None
    assert book.next_open() is None


def test_room_made_at_a_replys_end_moves_only_what_comes_after() -> None:
    book = ReplyBook()
    first, second, third = book.begin(1, 0), book.begin(2, 100), book.begin(3, 250)
    second.texts, third.texts = [(100, "two")], [(250, "three")]
    book.make_room(250, 60)
    assert [(r.start, r.end, r.texts) for r in (first, second, third)] == [
        (0, 100, []),
        (100, 310, [(100, "two")]),
        (310, None, [(310, "three")]),
    ]
