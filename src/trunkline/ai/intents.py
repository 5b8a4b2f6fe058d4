"""What a caller wants and how they say it, from the words alone: tables of phrases, each with how much it proves.

Several phrases for one thing strengthen each other (1 - product of doubts). It is no understanding; it is enough for a
receptionist without a language model, and to see that a caller needs a person; and it costs microseconds. English only.
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
    ESCALATION = "escalation"  # to take it further
    MANAGER = "manager"  # whoever is in charge
    PERSON = "person"  # any human being
    REPEAT = "repeat"
    GOODBYE = "goodbye"
    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Guess(msgspec.Struct, frozen=True):
    """An intent and how sure it is, 0 to 1."""

    intent: Intent
    confidence: float


class Tone(StrEnum):
    """How a caller says it, the strongest first."""

    ANGRY = "angry"
    URGENT = "urgent"
    FRUSTRATED = "frustrated"
    POSITIVE = "positive"
    NEUTRAL = "neutral"


class Understanding(msgspec.Struct, frozen=True):
    """What is made of one utterance. ``should_escalate``: this caller may need a person. One sentence nobody could have
    understood sets it too, so wait for a second one before you act on those (``ai.escalation`` does)."""

    intent: Intent
    confidence: float
    tone: Tone
    should_escalate: bool


SURE_ENOUGH: Final = 0.4
"""Below this the caller is asked again rather than sent the wrong way."""

ESCALATES: Final = frozenset({Intent.COMPLAINT, Intent.ESCALATION, Intent.MANAGER, Intent.PERSON})
"""Those that only a person can serve."""

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
        r"(a|any) tables?": 0.6,  # less sure than "buy"
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
    Intent.ESCALATION: {
        r"escalat(e|ed|ing|ion)": 0.9,
        r"(take|taking) (this|it) (further|higher|to court)": 0.9,
        r"(lawyer|attorney|legal action|(will|going to) sue|suing|ombudsman|consumer protection)": 0.8,
        r"(formal|official) complaint": 0.97,
    },
    Intent.MANAGER: {
        r"(a|an|the|your|some) ?(duty|shift|store|branch|general)? ?(manager|supervisor|boss|superior|director)": 0.9,
        r"(manager|supervisor|boss)": 0.75,
        r"(who|whoever|somebody|someone) (is )?(in charge|responsible)": 0.85,
    },
    Intent.PERSON: {
        r"(speak|talk|connect me|put me through|transfer me)( \w+)? (to|with)": 0.6,
        r"(a|an|the|your|some) ?(real|human|live|actual)? ?(person|human|human being|operator)": 0.85,
        r"(operator|representative|somebody|someone)": 0.6,
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

_TONES: Final[dict[Tone, dict[str, float]]] = {
    Tone.ANGRY: {
        r"(furious|outrag\w+|disgust\w+|appalling|unacceptable|disgraceful|ridiculous|angry|livid)": 0.7,
        r"(is|what) a joke": 0.7,
        r"(terrible|awful|horrible|useless|worst|pathetic|incompetent)": 0.5,
        r"(sick|tired) (and tired )?of|fed up|had enough|how dare|shame on": 0.7,
        r"(damn|hell|crap|bullshit|bloody|shit|fuck\w*|idiots?|stupid|shut up|liars?|scam|rip off)": 0.6,
        r"never (again|calling|using|buying)": 0.5,
    },
    Tone.URGENT: {
        r"(urgent(ly)?|emergency|immediately|asap|life or death)": 0.8,
        r"as soon as possible|right (now|away)|at once|straight away": 0.6,
        r"(can t|cant|cannot|can not) wait|no time|(in a )?hurry|running out of time": 0.6,
        r"(ambulance|fire|bleeding|flood(ed|ing)?|gas leak|help me)": 0.6,
    },
    Tone.FRUSTRATED: {
        r"(frustrat\w+|annoy\w+|disappoint\w+|upset|unhappy|dissatisfied|fuming)": 0.7,
        r"(second|third|fourth|fifth|tenth|umpteenth|hundredth) time|so many times|over and over|again and again": 0.6,
        r"(already|just|keep) (told|tell|telling|said|saying|explained|explaining|asked|asking)": 0.5,
        r"still (not|no|waiting|broken|haven t|havent|hasn t|hasnt|doesn t|doesnt|isn t|isnt|can t|cant)": 0.5,
        r"(nobody|no one|nothing) (ever )?(\w+ )?(help\w*|answer\w*|call\w*|work\w*|listen\w*|care\w*)": 0.6,
        r"waste of (my )?time|wasting my time|what is wrong with|come on|for (hours|days|weeks|months)": 0.5,
    },
    Tone.POSITIVE: {
        r"(great|perfect|wonderful|excellent|fantastic|brilliant|lovely|amazing|awesome|delighted|pleased)": 0.6,
        r"(happy|glad|love|appreciate|enjoy(ed)?|nice|satisfied|helpful|(very|really|so) (kind|good))": 0.42,
        r"thank(s| you) (so|very) much|thanks a lot|many thanks|you ve been|well done": 0.6,
    },
}

# "I am not angry", "no complaints": up to two words of the same clause may stand between, but after "no" none, because
# "no I want a manager" is no denial; nor is "can't". "Not" in front of praise makes it the opposite.
_NOT: Final = re.compile(
    r"(?<!\w)(?:(?:no|without) |(?:not|never|hardly|(?:do|does|did|is|was|are|were|wo)(?:n t|nt))(?: \w+){0,2} )$"
)

_SHOUTED: Final = 0.3
"""What two exclamation marks, or words in capitals, add to a tone that is there."""


def _compile(phrases: dict[str, float]) -> list[tuple[re.Pattern[str], float]]:
    return [(re.compile(rf"(?<!\w)(?:{phrase})(?!\w)"), weight) for phrase, weight in phrases.items()]


_INTENTS_COMPILED: Final = {intent: _compile(phrases) for intent, phrases in _PHRASES.items()}
_TONES_COMPILED: Final = {tone: _compile(phrases) for tone, phrases in _TONES.items()}


def guess(text: str) -> Guess:
    """The most likely intent of what was said; ``UNKNOWN`` when nothing speaks for any."""
    words, clauses = _plain(text), _clauses(text)
    best = Guess(Intent.UNKNOWN, 0.0)
    for intent, phrases in _INTENTS_COMPILED.items():
        sure, _ = _weigh(clauses, phrases) if intent in ESCALATES else _weigh([words], phrases, deniable=False)
        if sure > best.confidence:
            best = Guess(intent, round(sure, 3))
    return best if best.confidence >= SURE_ENOUGH else Guess(Intent.UNKNOWN, best.confidence)


def tone_of(text: str) -> Tone:
    """How it was said: the tone that most speaks for, the stronger of two; ``NEUTRAL`` when nothing does."""
    clauses = _clauses(text)
    shouted = text.count("!") > 1 or sum(word.isupper() and len(word) > 2 for word in text.split()) > 1
    found: dict[Tone, float] = {}
    for tone, phrases in _TONES_COMPILED.items():
        sure, denied = _weigh(clauses, phrases)
        found[tone] = 1 - (1 - sure) * (1 - _SHOUTED * (shouted and sure > 0))
        if tone is Tone.POSITIVE and denied:
            found[Tone.FRUSTRATED] = max(found[Tone.FRUSTRATED], denied)
            found[tone] = 0.0
    best = max(found, key=lambda tone: found[tone])  # of equals the first, which is the stronger
    return best if found[best] >= SURE_ENOUGH else Tone.NEUTRAL


def analyse(text: str) -> Understanding:
    """All that can be told of one utterance."""
    found = guess(text)
    unsure = found.confidence < SURE_ENOUGH
    return Understanding(found.intent, found.confidence, tone_of(text), unsure or found.intent in ESCALATES)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]|_", " ", text.lower()).split())


def _clauses(text: str) -> list[str]:
    return list(map(_plain, re.split(r"[.,;:!?]+", text)))


def _weigh(
    clauses: list[str], phrases: list[tuple[re.Pattern[str], float]], *, deniable: bool = True
) -> tuple[float, float]:
    """How much speaks for it, and how much of the same was denied."""
    doubt = 1.0
    denied = 0.0
    for pattern, weight in phrases:
        for clause in clauses:
            match = pattern.search(clause)
            if match is None:
                continue
            if deniable and _NOT.search(clause, 0, match.start()):
                denied = max(denied, weight)
            else:
                doubt *= 1 - weight
                break
    return 1 - doubt, denied
