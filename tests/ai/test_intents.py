"""What callers say, and what they want."""

import pytest

from trunkline.ai.intents import ESCALATES, SURE_ENOUGH, Intent, Tone, analyse, guess, tone_of

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
        "A table, please.",
        "Have you got a table on Saturday at seven?",
        "Good morning, I would like to book a tennis court.",
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
    Intent.ESCALATION: [
        "I want this escalated",
        "please escalate",
        "I will take this further",
        "you will hear from my lawyer",
        "I want to make a formal complaint",
    ],
    Intent.MANAGER: [
        "let me speak to a manager",
        "No, I want a manager!",
        "can't help me? Get me your supervisor.",
        "who is in charge there",
    ],
    Intent.PERSON: [
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


@pytest.mark.parametrize(
    "said", ["I do not want to complain", "no complaints", "I don't need a manager", "you do not have to escalate this"]
)
def test_what_is_denied_is_not_wanted(said: str) -> None:
    assert guess(said).intent not in ESCALATES


TONES = {
    Tone.NEUTRAL: [
        "",
        "when are you open",
        "a table for two, please",
        "I am not angry",
        "the fourth of May",
        "9 8 7",
        "Good morning, I would like to book a tennis court",
        "what kind of rooms are there",
    ],
    Tone.POSITIVE: [
        "that's great, thank you",
        "Perfect!",
        "you have been very helpful",
        "thank you so much",
        "I love it",
    ],
    Tone.FRUSTRATED: [
        "this is the third time I am calling",
        "I already told your colleague",
        "it is still not working",
        "nobody ever helps me",
        "I am not happy with this",
        "it was not very good",
        "I have been waiting for hours",
    ],
    Tone.ANGRY: [
        "this is ridiculous",
        "I am furious!",
        "I am sick and tired of this",
        "you are the worst!!",
        "how dare you",
        "never again",
    ],
    Tone.URGENT: [
        "it is an emergency",
        "I need somebody right now!",
        "as soon as possible please",
        "the kitchen is flooded",
    ],
}


@pytest.mark.parametrize(("said", "tone"), [(said, tone) for tone, all_ in TONES.items() for said in all_])
def test_how_it_was_said(said: str, tone: Tone) -> None:
    assert tone_of(said) is tone


def test_shouting_adds_to_a_tone_but_is_none_by_itself() -> None:
    assert tone_of("hello!!! anybody there!!!") is Tone.NEUTRAL
    assert tone_of("stop, I hate this crap, it is urgent") is Tone.URGENT
    assert tone_of("STOP THIS CRAP!!") is Tone.ANGRY


@pytest.mark.parametrize(
    ("said", "escalate"),
    [
        ("when are you open", False),
        ("book a table for two", False),
        ("hello", False),
        ("this is unacceptable, I want to complain", True),
        ("let me speak to a manager", True),
        ("escalate this", True),
        ("a human being please", True),
        ("purple monkey dishwasher", True),  # nobody could have understood it
        ("I am not angry, when are you open", False),
    ],
)
def test_whoever_complains_asks_for_a_person_or_is_not_understood_may_need_one(said: str, escalate: bool) -> None:
    found = analyse(said)
    assert found.should_escalate is escalate
    assert found.should_escalate is (found.confidence < SURE_ENOUGH or found.intent in ESCALATES)
    assert found.tone is tone_of(said)
