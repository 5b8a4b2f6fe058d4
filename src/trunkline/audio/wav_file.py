"""WAV files: written with our own G.711 codes in them, and checked for being all there.

"RIFF" length "WAVE", then chunks of: 4-byte name, 32-bit little-endian length, body padded to an even length. Ours:

    "fmt "  16 bytes: tag, channels, rate, bytes a second, bytes a frame, bits; 18 where not PCM, the last two zero
    "fact"  4 bytes: samples; only where not PCM
    "data"  the samples

(Microsoft, "Multimedia Programming Interface and Data Specifications 1.0" and "New Multimedia Data Types".)
"""

import struct
from typing import BinaryIO, Final

from trunkline.audio.format import AudioFormat, Encoding
from trunkline.errors import AudioError

_TAGS: Final = {Encoding.PCM16: 1, Encoding.ALAW: 6, Encoding.MULAW: 7}
_UNKNOWN: Final = 0xFFFFFFFF
"""The length a writer says who can't know it, and of what is longer than a length can say."""
_MADE_UP: Final = 0x7FFF0000
"""From here on lengths are those of writers to a pipe: what they say is that they don't know."""


class WavWriter:
    """Mono samples of one format into a file, which stays open. ``close`` puts the lengths in; a pipe can't have them
    and is told that they are unknown."""

    def __init__(self, file: BinaryIO, audio: AudioFormat) -> None:
        self._file = file
        self._audio = audio
        self._written = 0
        file.write(_header(audio, None))

    def write(self, audio: bytes) -> None:
        """More whole samples."""
        self._file.write(audio)
        self._written += len(audio)

    def close(self) -> None:
        """No more samples."""
        if self._written % 2:
            self._file.write(b"\x00")
        if self._file.seekable():
            self._file.seek(0)
            self._file.write(_header(self._audio, self._written))


def _header(audio: AudioFormat, n_bytes: int | None) -> bytes:
    size = audio.sample_bytes
    plain = audio.encoding is Encoding.PCM16
    kind = struct.pack("<HHIIHH", _TAGS[audio.encoding], 1, audio.rate, audio.rate * size, size, 8 * size)
    chunks = _chunk(b"fmt ", kind if plain else kind + bytes(2))
    if not plain:
        chunks += _chunk(b"fact", _length(None if n_bytes is None else n_bytes // size))
    riff = None if n_bytes is None else 4 + len(chunks) + 8 + n_bytes + n_bytes % 2
    return b"RIFF" + _length(riff) + b"WAVE" + chunks + b"data" + _length(n_bytes)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body


def _length(n: int | None) -> bytes:
    return struct.pack("<I", _UNKNOWN if n is None else min(n, _UNKNOWN))


def check_whole(file: BinaryIO, name: str) -> None:
    """Raise ``AudioError`` where a WAV file ends before its samples begin, or before they end.

    A reader would take what there is for all there ever was. Other files pass. The file is left at its start.
    """
    end = file.seek(0, 2)
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"RIFF" and b"WAVE".startswith(head[8:12]):
        _check_chunks(file, name, end)
    file.seek(0)


def _check_chunks(file: BinaryIO, name: str, end: int) -> None:
    while len(header := file.read(8)) == 8:
        chunk, length = struct.unpack("<4sI", header)
        there = end - file.tell()
        if chunk == b"data":
            if there < length < _MADE_UP:
                raise AudioError(f"{name} is cut off: its header says {length} bytes of samples, and {there} are there")
            if there and not length:
                raise AudioError(f"{name} was never finished: its header says no samples, and {there} bytes follow")
            return
        file.seek(length + length % 2, 1)
    raise AudioError(f"{name} is cut off: its WAV header ends before the samples begin")
