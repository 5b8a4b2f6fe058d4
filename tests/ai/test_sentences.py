"""Text deltas to speakable pieces."""

import pytest

from trunkline.ai.sentences import LONGEST_CHARS, Sentences, speakable

LONG = "word " * 100

CASES = [
    ("sentences", "One is here. Two? Three!", ["One is here. ", "Two? ", "Three!"]),
    ("the first clause need not wait", "We are open from Monday to Friday, nine to five, as always. Bye, then. Now.",
     ["We are open from Monday to Friday, ", "nine to five, as always. ", "Bye, then. ", "Now."]),
    ("a short first clause waits", "Yes, we are. Really.", ["Yes, we are. ", "Really."]),
    ("a dot inside a number or a name", "It costs 3.50 at trunkline.dev today. Fine.",
     ["It costs 3.50 at trunkline.dev today. ", "Fine."]),
    ("abbreviations", "Ask Dr. Watson at 5 p.m. or Mr. J. F. Smith. Good.",
     ["Ask Dr. Watson at 5 p.m. or Mr. J. F. Smith. ", "Good."]),
    ("no is a sentence", "Is it far? No. Not at all.", ["Is it far? ", "No. ", "Not at all."]),
    ("and so may I be", "It was I. Yes.", ["It was I. ", "Yes."]),
    ("closing quotes stay", 'He said "Stop!" And left.', ['He said "Stop!" ', "And left."]),
    ("lines end sentences", "First\nSecond\n\nThird", ["First ", "Second ", "Third"]),
    ("mark-up is for the eye", "**Bold** and `code`, see [our page](https://example.org). 🎉 # Done",
     ["Bold and code, see our page. ", " Done"]),
    ("an address is not read out", "Go to https://example.org/a?b=c. Thanks.", ["Go to . ", "Thanks."]),
    ("only emoji is nothing", "👍 ", []),
    ("nothing", "", []),
]  # fmt: skip


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(("text", "pieces"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_pieces_are_the_same_however_the_text_streams(text: str, pieces: list[str], size: int) -> None:
    sentences = Sentences()
    got = [piece for at in range(0, len(text), size) for piece in sentences.push(text[at : at + size])]
    got.append(sentences.flush())
    assert [piece for piece in got if piece] == pieces


def test_a_text_without_a_stop_is_cut_at_a_space() -> None:
    sentences = Sentences()
    pieces = [*sentences.push(LONG), sentences.flush()]
    assert all(len(piece) <= LONGEST_CHARS for piece in pieces)
    assert all(piece.endswith("word ") for piece in pieces)
    assert "".join(pieces) == LONG


def test_a_word_longer_than_any_is_cut_anyway() -> None:
    assert Sentences().push("a" * (LONGEST_CHARS + 1)) == ["a" * LONGEST_CHARS]


def test_flush_leaves_nothing() -> None:
    sentences = Sentences()
    sentences.push("Half a")
    assert sentences.flush() == "Half a"
    assert sentences.flush() == ""


def test_white_space_is_one_space() -> None:
    assert speakable(" a \t\n b ") == " a b "


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("Certainly, we can do that.", ["Certainly, ", "we can do that."]),
        ("We are open from nine to five. Bye.", ["We are open ", "from nine to five. ", "Bye."]),
        ("Yes. Of course, my dear, always.", ["Yes. ", "Of course, my dear, always."]),
        ("Short one", ["Short one"]),
    ],
)
def test_a_voice_without_seams_gets_its_first_words_at_once(text: str, pieces: list[str]) -> None:
    sentences = Sentences(seamless=True)
    found = [piece for letter in text for piece in sentences.push(letter)]
    assert [*found, *filter(None, [sentences.flush()])] == pieces
