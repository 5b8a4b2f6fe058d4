"""What each family of Live models can do. A knob that a family lacks costs the session, which then never stands."""

from typing import Final, Literal

import msgspec

MODELS: Final = (
    "live",
    "gemini-3.8-live",
    "gemini-3.8-live-extended-thinking",
    "gemini-3.1-flash-live-preview",
    "gemini-2.5-flash-native-audio-preview-12-2025",
)

_ALIASES: Final = {"": MODELS[1], "live": MODELS[1]}
"""Names of our own for the vendor's present default."""

Seed = Literal["content", "history", "instructions"]
"""How a new session is told of an old one: by turns at any time; by turns that it was announced, before all else; or in
its instructions, where turns are not heeded by a session that hears audio first."""


class Family(msgspec.Struct, frozen=True):
    """What may be sent to a family's models."""

    name: str
    behavior: Literal["", "BLOCKING", "NON_BLOCKING"]  # of functions, where it can be chosen: what we choose
    scheduling: str = ""  # of the results of a function that doesn't block
    seed: Seed = "content"
    kick: bool = False  # an empty word must follow a text, or it stays unanswered
    language: bool = False  # takes a language code
    thinking: Literal["", "budget", "level"] = ""
    proactive: bool = False  # whether it answers all that it hears can be chosen


_LATEST: Final = Family(
    "3.8",
    behavior="NON_BLOCKING",
    scheduling="INTERRUPT",
    language=True,
)
_FAMILIES: Final = (
    ("extended-thinking", msgspec.structs.replace(_LATEST, thinking="level")),
    ("3.8", _LATEST),
    ("3.1", Family("3.1", behavior="", seed="history", kick=True, thinking="level")),
    ("2.5", Family("2.5", behavior="", seed="instructions", thinking="budget", proactive=True)),
    ("native-audio", Family("2.5", behavior="", seed="instructions", thinking="budget", proactive=True)),
)


def model_of(name: str) -> str:
    """The vendor's name of a model."""
    return _ALIASES.get(name, name).removeprefix("models/")


def family_of(model: str) -> Family:
    """The model's. One that is new to us is taken for one of the latest, with nothing but what all have."""
    for part, family in _FAMILIES:
        if part in model:
            return family
    return Family("unknown", behavior="")
