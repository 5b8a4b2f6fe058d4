"""Is this what it is said to be? A check of raw PCM before it goes anywhere."""

from typing import Final

from trunkline.audio._kernels import Buffer
from trunkline.audio.format import RATES

SHORTEST_MS: Final = 10
"""Half a packet of a phone call: shorter chunks cost more to carry than to hear."""
LONGEST_MS: Final = 1000
"""A chunk a caller may have to wait for. Longer, and it is a recording or a wrong rate."""
BIT_DEPTHS: Final = (8, 16, 24, 32)
MOST_CHANNELS: Final = 8


def validate_pcm_format(
    audio: Buffer, expected_rate: int = 24000, expected_channels: int = 1, expected_bit_depth: int = 16
) -> tuple[bool, str]:
    """Whether ``audio`` can be one chunk of raw PCM of this format, and a sentence that says what it is or what is
    wrong with it. Raises nothing.

    Raw samples don't say their rate: a wrong one shows only where the length becomes implausible. A WAV file is no
    raw PCM, but says what it is: the sentence compares.
    """
    fault = (
        _unexpected(expected_rate, expected_channels, expected_bit_depth)
        or _not_samples(audio, expected_rate, expected_channels, expected_bit_depth)
        or _implausible(memoryview(audio).nbytes, expected_rate, expected_channels, expected_bit_depth)
    )
    if fault:
        return False, fault
    ms = _ms(memoryview(audio).nbytes, expected_rate, expected_channels, expected_bit_depth)
    return True, f"{ms:g} ms of {_named(expected_rate, expected_channels, expected_bit_depth)}"


def _unexpected(rate: int, channels: int, bits: int) -> str:
    """What is wrong with the expectation itself."""
    if type(rate) is not int or rate not in RATES:
        return f"a rate of {rate!r} Hz is not supported: use one of {', '.join(map(str, RATES))}"
    if type(channels) is not int or not 1 <= channels <= MOST_CHANNELS:
        return f"{channels!r} channels are not supported: use 1 to {MOST_CHANNELS}"
    if type(bits) is not int or bits not in BIT_DEPTHS:
        return f"{bits!r} bits are not supported: use one of {', '.join(map(str, BIT_DEPTHS))}"
    return ""


def _not_samples(audio: object, rate: int, channels: int, bits: int) -> str:
    if not isinstance(audio, Buffer):
        return f"audio must be bytes, not {type(audio).__name__}"
    head = bytes(audio)[:36]
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return f"a WAV file{_said(head)}, expected raw samples of {_named(rate, channels, bits)}: take them out first"
    return ""


def _said(head: bytes) -> str:
    """What a WAV header of the usual layout says; nothing where it is cut off or laid out otherwise."""
    if len(head) < 36 or head[12:16] != b"fmt ":
        return ""
    channels, rate, bits = (int.from_bytes(head[a:b], "little") for a, b in ((22, 24), (24, 28), (34, 36)))
    return f" of {_named(rate, channels, bits)}"


def _implausible(n_bytes: int, rate: int, channels: int, bits: int) -> str:
    frame = channels * bits // 8
    if not n_bytes:
        return f"no audio: expected {SHORTEST_MS} to {LONGEST_MS} ms of {_named(rate, channels, bits)}"
    if n_bytes % frame:
        return f"{n_bytes} bytes are not whole {frame}-byte frames of {_named(rate, channels, bits)}"
    ms = _ms(n_bytes, rate, channels, bits)
    if not SHORTEST_MS <= ms <= LONGEST_MS:
        return f"{ms:g} ms of {_named(rate, channels, bits)}: expected {SHORTEST_MS} to {LONGEST_MS} ms"
    return ""


def _ms(n_bytes: int, rate: int, channels: int, bits: int) -> float:
    return 8000 * n_bytes / (channels * bits * rate)


def _named(rate: int, channels: int, bits: int) -> str:
    return f"{rate} Hz, {channels} channel{'s' if channels != 1 else ''}, {bits} bits"
