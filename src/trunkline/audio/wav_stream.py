"""A WAV file that is still being written: what a program puts on a pipe.

The lengths in such a header are made up (the writer didn't know them), so the samples go on until the pipe ends.
Layout: "RIFF" length "WAVE", then chunks of: 4-byte name, 32-bit little-endian length, body padded to an even length.
"""

import struct
from typing import Final

from trunkline.audio.format import AudioFormat, Encoding
from trunkline.errors import AudioError

_PCM: Final = 1
LONGEST_HEADER: Final = 4096
"""Bytes by which the samples must have begun. Longer, and this is no WAV file of speech."""


class WavStream:
    """Takes a mono PCM16 WAV in pieces of any size and gives its samples' bytes. ``format`` is known with the first."""

    def __init__(self) -> None:
        self._header: bytearray | None = bytearray()
        self.format: AudioFormat | None = None

    def push(self, data: bytes) -> bytes:
        """The sample bytes in ``data``: not necessarily whole samples. Raises ``AudioError``."""
        if self._header is None:
            return data
        self._header += data
        begin = self._find_samples(self._header)
        if begin is None:
            if len(self._header) > LONGEST_HEADER:
                raise AudioError(f"no samples in the first {LONGEST_HEADER} bytes of a WAV stream")
            return b""
        samples = bytes(self._header[begin:])
        self._header = None
        return samples

    def _find_samples(self, header: bytearray) -> int | None:
        if not b"RIFF".startswith(header[:4]) or not b"WAVE".startswith(header[8:12]):
            raise AudioError("not a WAV stream: it must begin with RIFF … WAVE")
        at = 12
        while len(header) >= at + 8:
            name, length = struct.unpack_from("<4sI", header, at)
            at += 8
            if name == b"data":
                if self.format is None:
                    raise AudioError("a WAV stream must say its format before its samples")
                return at
            if name == b"fmt ":
                if len(header) < at + 16:
                    return None
                kind, channels, rate, bits = struct.unpack_from("<HHI6xH", header, at)
                if (kind, channels, bits) != (_PCM, 1, 16):
                    raise AudioError(f"a WAV stream of kind {kind}, {channels} channels, {bits} bits: want 1, 1, 16")
                self.format = AudioFormat(Encoding.PCM16, rate)
            at += length + length % 2
        return None
