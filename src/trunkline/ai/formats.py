"""Which audio formats several parts have in common."""

from collections.abc import Iterable

from trunkline.audio.format import AudioFormat
from trunkline.errors import ConfigError


def common(choices: Iterable[tuple[AudioFormat, ...]]) -> tuple[AudioFormat, ...]:
    """Those that are in every one of ``choices``, in the order of the first. Raises ``ConfigError`` for none."""
    first, *others = choices
    shared = tuple(audio for audio in first if all(audio in other for other in others))
    if not shared:
        raise ConfigError("the parts of the agent have no audio format in common")
    return shared
