"""Samples in, samples out: G.711, resampling, levels, framing, whole files. Knows nothing of calls."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trunkline.audio.files import convert_file as convert_file
    from trunkline.audio.stream_converter import ALawStreamDecoder as ALawStreamDecoder
    from trunkline.audio.stream_converter import AudioStreamConverter as AudioStreamConverter
    from trunkline.audio.stream_converter import MuLawStreamDecoder as MuLawStreamDecoder
    from trunkline.audio.utterance import convert_for_rtp as convert_for_rtp
    from trunkline.audio.validate import validate_pcm_format as validate_pcm_format

# The public names and where they live. They are fetched when first used, so that one leaf can be used alone.
_HOMES = {
    "ALawStreamDecoder": "trunkline.audio.stream_converter",
    "AudioStreamConverter": "trunkline.audio.stream_converter",
    "MuLawStreamDecoder": "trunkline.audio.stream_converter",
    "convert_file": "trunkline.audio.files",
    "convert_for_rtp": "trunkline.audio.utterance",
    "validate_pcm_format": "trunkline.audio.validate",
}

__all__ = [
    "ALawStreamDecoder",
    "AudioStreamConverter",
    "MuLawStreamDecoder",
    "convert_file",
    "convert_for_rtp",
    "validate_pcm_format",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
