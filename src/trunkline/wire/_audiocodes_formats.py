"""The names VoiceAI Connect has for audio formats, and which of those offered to take (protocol page §6)."""

from collections.abc import Sequence
from typing import Final

from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat, Encoding

FORMATS: Final[dict[str, AudioFormat]] = {
    "raw/lpcm16": PCM16_16K,  # without a rate it is 16 kHz, not 8
    "raw/lpcm16_24": PCM16_24K,
    "raw/lpcm16_8": PCM16_8K,
    "raw/mulaw": MULAW_8K,
    "raw/alaw": ALAW_8K,  # in no document; taken only where it is offered
}
"""What we can speak of what they may offer. The ``wav/`` formats, with a file header somewhere in the stream, are not
among it: each is offered beside its ``raw/`` twin."""

TOKENS: Final = {audio: token for token, audio in FORMATS.items()}


def choose(offered: Sequence[str], prefers: Sequence[AudioFormat]) -> AudioFormat | None:
    """The offered format that loses least of what the agent hears or speaks; None if there is none we know.

    That is the agent's first choice, or what has at least its rate and as little more as possible, or the highest
    rate; PCM rather than G.711. An agent without a choice takes what the platform named first.
    """
    known = [FORMATS[token] for token in offered if token in FORMATS]
    if not known or not prefers:
        return known[0] if known else None
    wanted = prefers[0]
    return min(
        known,
        key=lambda audio: (
            audio.rate < wanted.rate,
            abs(audio.rate - wanted.rate),
            audio.encoding is not wanted.encoding,
            audio.encoding is not Encoding.PCM16,
            audio.encoding is Encoding.ALAW,
        ),
    )
