"""What callers say, and what they want."""

import pytest

from trunkline.ai.intents import SURE_ENOUGH, Intent, guess

CASES = {
    Intent.GREETING: ["hello", "Good morning!", "hi there"],
    Intent.HOURS: [
        "Hello, what are your opening hours?",
        "when are you open",
        "are you open on sunday",
        "what time do you close today",
        "how late are you open",
    ],
    Intent.BOOKING: [
        "I would like to book a table for two.",
        "can i make an appointment please",
        "i need to cancel my appointment",
        "wait, I would like to book a table instead",
        "a table for four",
    ],
    Intent.SALES: ["please transfer me to the sales department", "how much does it cost", "i want to buy a new phone"],
    Intent.SUPPORT: [
        "my internet is not working",
        "I need technical support",
        "i have a problem with my router",
        "it's broken",
        "I can't log in",
    ],
    Intent.COMPLAINT: ["i want to make a complaint", "this is unacceptable!", "I want my money back"],
    Intent.PERSON: [
        "let me speak to a manager",
        "I would like to speak with a person, please.",
        "can i talk to someone",
        "i do not want to talk to a robot, give me a human",
    ],
    Intent.REPEAT: ["could you repeat that please", "Pardon?", "say that again", "I didn't catch that"],
    Intent.GOODBYE: ["goodbye", "Thank you, bye", "that's all, thank you", "thanks"],
    Intent.YES: ["yes", "Yes, please.", "okay", "that is right", "of course"],
    Intent.NO: ["no", "no, thank you", "nope", "not now"],
    Intent.UNKNOWN: [
        "",
        "mm-hm",
        "he was not an ill disposed young man",
        "purple monkey dishwasher",
        "closet",
        "9 8 7",
    ],
}


@pytest.mark.parametrize(("said", "intent"), [(said, intent) for intent, all_ in CASES.items() for said in all_])
def test_what_was_said_means(said: str, intent: Intent) -> None:
    assert guess(said).intent is intent


def test_every_intent_has_a_case() -> None:
    assert set(CASES) == set(Intent)


def test_confidence_is_a_probability_and_what_is_unsure_is_unknown() -> None:
    for said in (said for all_ in CASES.values() for said in all_):
        found = guess(said)
        assert 0 <= found.confidence <= 1
        assert (found.intent is Intent.UNKNOWN) == (found.confidence < SURE_ENOUGH)


def test_more_evidence_is_more_confidence() -> None:
    assert guess("are you open, what are your opening hours").confidence > guess("open").confidence
