"""What a caller wants, from the words alone: a table of phrases, each with how much it proves.

Several phrases of one intent strengthen each other (1 - product of doubts). It is no understanding; it is enough for a
receptionist without a language model, and it costs microseconds.
"""

import re
from enum import StrEnum
from typing import Final

import msgspec


class Intent(StrEnum):
    """What a caller may want of a receptionist."""

    GREETING = "greeting"
    HOURS = "hours"
    BOOKING = "booking"
    SALES = "sales"
    SUPPORT = "support"
    COMPLAINT = "complaint"
    PERSON = "person"  # a human being, a manager: escalation
    REPEAT = "repeat"
    GOODBYE = "goodbye"
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Guess(msgspec.Struct, frozen=True):
    """An intent and how sure it is, 0 to 1."""

    intent: Intent
    confidence: float


SURE_ENOUGH: Final = 0.4
"""Below this the caller is asked again rather than sent the wrong way."""

# Phrases are regular expressions over lower-case words without punctuation, matched at word boundaries. A phrase that
# is the whole utterance (^…$) proves more than the same word inside a sentence.
_PHRASES: Final[dict[Intent, dict[str, float]]] = {
    Intent.GREETING: {r"^(hello|hi|hey|good (morning|afternoon|evening))( there)?\b": 0.45},
    Intent.HOURS: {
        r"(opening|business|office|working) (hours|times?)": 0.95,
        r"(are|when) (do )?you (be )?(open|closed?)": 0.9,
        r"what time|how late|until when": 0.6,
        r"open(ing)?|close[ds]?|hours": 0.55,
    },
    Intent.BOOKING: {
        r"(book|reserve|schedule|make|arrange|cancel|move|change) (a|an|my|the) ?\w* ?"
        r"(table|appointment|room|reservation|booking|meeting|visit)": 0.95,
        r"(book|reserve|schedule)(ing)?": 0.7,
        r"appointment|reservation|table for": 0.75,
    },
    Intent.SALES: {
        r"sales( (department|team))?": 0.85,
        r"(buy|purchase|order)(ing)?": 0.7,
        r"prices?|pricing|quote|how much|cost": 0.65,
    },
    Intent.SUPPORT: {
        r"(technical )?support( (department|team))?|help ?desk": 0.85,
        r"(is|does|do|has|it|was)( not|nt|n t)? (broken|working|work)|stopped working|broken": 0.75,
        r"(not|doesn t|doesnt|isn t|isnt|won t|wont|can t|cant) (work(ing)?|connect|log ?in|start)": 0.85,
        r"(problem|trouble|issue|error|help) with": 0.6,
    },
    Intent.COMPLAINT: {
        r"complain(t|ing|ts)?": 0.95,
        r"(terrible|awful|unacceptable|disgraceful|ridiculous|disappointed|angry|furious)": 0.75,
        r"(want|need|give me) my money back|refund": 0.8,
    },
    Intent.PERSON: {
        r"(speak|talk|connect me|put me through|transfer me)( \w+)? (to|with)": 0.6,
        r"(a|an|the|your|some) ?(real|human|live|actual)? ?"
        r"(person|human|human being|manager|supervisor|operator)": 0.85,
        r"(manager|supervisor|operator|representative|somebody|someone)": 0.6,
        r"(not|no) (a )?(robot|machine|computer)": 0.6,
    },
    Intent.REPEAT: {
        r"(say|repeat) (that|it)( again)?|once more|come again": 0.9,
        r"(pardon|sorry what|what did you say|i did(n t|nt| not) (hear|catch|get))": 0.9,
        r"repeat|again": 0.5,
    },
    Intent.GOODBYE: {
        r"(good ?)?bye( bye)?|see you|talk to you later": 0.9,
        r"(that s|thats|that is|that will be|that ll be) (all|everything|it)": 0.8,
        r"hang up|nothing else|no thank(s| you)": 0.75,
        r"^(thanks|thank you)( \w+){0,2}$": 0.5,
    },
    Intent.YES: {
        r"^(yes|yeah|yep|sure|okay|ok|of course|correct|right|exactly|please do)"
        r"( (please|sure|it is|that s right))?$": 0.95,
        r"^(that is|that s) (right|correct|fine)$": 0.9,
        r"^(yes|yeah|yep)\b": 0.42,
    },
    Intent.NO: {
        r"^(no|nope|not really|not now|never mind)( (thanks|thank you|it s not))?$": 0.9,
        r"^(no|nope)\b": 0.42,
    },
}

_COMPILED: Final = {
    intent: [(re.compile(rf"(?<!\w)(?:{phrase})(?!\w)"), weight) for phrase, weight in phrases.items()]
    for intent, phrases in _PHRASES.items()
}


def guess(text: str) -> Guess:
    """The most likely intent of what was said; ``UNKNOWN`` when nothing speaks for any."""
    words = " ".join(re.sub(r"[^\w\s]", " ", text.lower()).split())
    best = Guess(Intent.UNKNOWN, 0.0)
    for intent, phrases in _COMPILED.items():
        doubt = 1.0
        for pattern, weight in phrases:
            if pattern.search(words):
                doubt *= 1 - weight
        if 1 - doubt > best.confidence:
            best = Guess(intent, round(1 - doubt, 3))
    return best if best.confidence >= SURE_ENOUGH else Guess(Intent.UNKNOWN, best.confidence)
