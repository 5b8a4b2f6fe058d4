"""What the agent remembers."""

import pytest

from trunkline.ai.base import Message
from trunkline.ai.conversation import Conversation


@pytest.mark.parametrize(
    ("heard", "lines"),
    [
        ("All of it.", [("caller", "hi"), ("agent", "All of it."), ("caller", "mm-hm")]),
        ("All", [("caller", "hi"), ("agent", "All"), ("caller", "mm-hm")]),
        (" ", [("caller", "hi"), ("caller", "mm-hm")]),
    ],
    ids=["heard", "in part", "not at all"],
)
def test_a_reply_stands_where_it_began_with_what_was_heard(heard: str, lines: list[tuple[str, str]]) -> None:
    conversation = Conversation()
    conversation.caller("caller", "hi")
    conversation.reply_begun()
    conversation.caller("caller", "mm-hm")
    assert [line.text for line in conversation.messages()] == ["hi", "mm-hm"]  # nobody has heard it yet
    conversation.reply_settled(heard)
    assert [(line.role, line.text) for line in conversation.messages()] == lines


def test_instructions_come_first_if_there_are_any() -> None:
    assert Conversation("Be brief.").messages() == (Message("system", "Be brief."),)
    assert Conversation().messages() == ()


def test_what_the_caller_does_is_unanswered_until_a_reply_begins() -> None:
    conversation = Conversation()
    states = [conversation.unanswered]
    conversation.caller("key", "1")
    states.append(conversation.unanswered)
    conversation.reply_begun()
    states.append(conversation.unanswered)
    assert states == [False, True, False]


def test_settling_twice_is_settling_once() -> None:
    conversation = Conversation()
    conversation.reply_begun()
    conversation.reply_settled("Hello.")
    conversation.reply_settled("Goodbye.")
    assert conversation.messages() == (Message("agent", "Hello."),)
