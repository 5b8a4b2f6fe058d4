"""Sound in files of any kind: read as floating-point frames, block by block, and written as mono.

Containers other than WAV are libsndfile's work, by way of soundfile, which is imported only here.
"""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePath
from typing import BinaryIO, Final, Protocol

import msgspec
import numpy as np
import soundfile
from numpy.typing import NDArray

from trunkline.audio import g711
from trunkline.audio.floats import FLOAT, SAMPLE_BYTES
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.wav_file import WavWriter, check_whole
from trunkline.errors import AudioError

Frames = NDArray[np.float32]
"""Of shape (frames, channels); ±1 is full scale."""

PHONE_RATE: Final = 8000
BLOCK_SAMPLES: Final = 65536
"""Worked on at a time, all channels together: what a conversion holds in memory however long the file is."""
MOST_CHANNELS: Final = 1024  # as libsndfile

_LAWS: Final = {"ulaw": Encoding.MULAW, "mulaw": Encoding.MULAW, "ul": Encoding.MULAW}
_LAWS.update({"alaw": Encoding.ALAW, "al": Encoding.ALAW})
_CONTAINERS: Final = {
    "wav": "wav",
    "wave": "wav",
    "flac": "flac",
    "ogg": "ogg",
    "oga": "ogg",
    "raw": "raw",
    "pcm": "raw",
}
_KNOWN: Final = "expected WAV, FLAC, OGG or another kind that libsndfile reads"
CONTAINERS: Final = ("wav", "flac", "ogg", "raw")


class RawFormat(msgspec.Struct, frozen=True):
    """What a file without a header holds: ``pcm16``, ``pcm_f32le``, ``mulaw`` or ``alaw``, channels interleaved."""

    encoding: str
    rate: int  # Hz
    channels: int = 1

    def __post_init__(self) -> None:
        known = (*Encoding, FLOAT)
        if self.encoding not in known:
            raise AudioError(f"an encoding of {self.encoding!r} is not supported: use one of {', '.join(known)}")
        if type(self.channels) is not int or not 1 <= self.channels <= MOST_CHANNELS:
            raise AudioError(f"{self.channels!r} channels are not supported: use 1 to {MOST_CHANNELS}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        width = {Encoding.PCM16.value: 2, FLOAT: SAMPLE_BYTES}.get(self.encoding, 1)
        return width * self.channels


def law_named(name: str) -> Encoding | None:
    """The law a file name ends in (``.ulaw``, ``.alaw`` …), if any: such files hold 8 kHz and no header."""
    return _LAWS.get(_suffix(name))


def headerless(name: str) -> bool:
    """Whether a file of this name holds samples alone."""
    return law_named(name) is not None or _CONTAINERS.get(_suffix(name)) == "raw"


def container_named(name: str) -> str:
    """The container a file name ends in. Raises ``AudioError`` where it says none we write."""
    if law_named(name):
        return "raw"
    if _suffix(name) not in _CONTAINERS:
        known = ", ".join(f".{suffix}" for suffix in (*_CONTAINERS, *_LAWS))
        raise AudioError(f"{name} doesn't say what to write: use a name that ends in one of {known}")
    return _CONTAINERS[_suffix(name)]


def _suffix(name: str) -> str:
    return PurePath(name).suffix[1:].lower()


# --- reading -------------------------------------------------------------------------------------------------------


class Sound(Protocol):
    """Something to read: from its start each time ``blocks`` is called."""

    rate: int  # Hz
    channels: int
    frames: int | None  # None: a pipe, which can be read once

    def blocks(self) -> Iterator[Frames]: ...


class ContainerSound:
    """WAV, FLAC, OGG, or whatever else libsndfile knows; the file can be sought in. Raises ``AudioError``."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        if headerless(name):
            raise AudioError(f"{name} has no header: say the encoding and the rate of its samples")
        if not file.seekable():
            raise AudioError(f"{name} is a pipe: raw samples can be read from it, a file with a header can't")
        if not file.seek(0, 2):
            raise AudioError(f"{name} is empty: expected a WAV, FLAC or OGG file")
        check_whole(file, name)
        self._file = file
        self._name = name
        with self._open() as sound:
            self.rate: int = sound.samplerate
            self.channels: int = sound.channels
            self.frames: int | None = sound.frames

    def blocks(self) -> Iterator[Frames]:
        size = max(1, BLOCK_SAMPLES // self.channels)
        read = 0
        with self._open() as sound:
            try:
                while len(block := sound.read(size, dtype="float32", always_2d=True)):
                    yield block
                    read += len(block)
            except soundfile.LibsndfileError as error:
                raise AudioError(f"{self._name} is broken after {read} frames: {error.error_string}") from error
        if read != self.frames:
            raise AudioError(f"{self._name} is cut off: its header says {self.frames} frames, and {read} are there")

    def _open(self) -> soundfile.SoundFile:
        """At the start of the file: not every kind can be sought in once it is open."""
        self._file.seek(0)
        try:
            return soundfile.SoundFile(_Damaged(self._file))
        except soundfile.LibsndfileError as error:
            why = error.error_string.rstrip(".")
            raise AudioError(f"{self._name} can't be read as audio: {why}; {_KNOWN}") from error


class _Damaged:
    """A file whose header may send libsndfile to before its beginning: then it stays where it is, for nobody is there
    to catch what a callback raises."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.read = file.read
        self.tell = file.tell

    def seek(self, offset: int, whence: int = 0) -> int:
        with suppress(OSError, ValueError):
            self._file.seek(offset, whence)
        return self._file.tell()


class RawSound:
    """Samples without a header, from a file or a pipe; a pipe's are given as they come. Raises ``AudioError``."""

    def __init__(self, file: BinaryIO, name: str, raw: RawFormat) -> None:
        self._file = file
        self._name = name
        self._raw = raw
        self.rate = raw.rate
        self.channels = raw.channels
        self.frames: int | None = None
        if file.seekable():
            self.frames = file.seek(0, 2) // raw.frame_bytes

    def blocks(self) -> Iterator[Frames]:
        if self.frames is not None:
            self._file.seek(0)
        size = self._raw.frame_bytes
        most = max(1, BLOCK_SAMPLES // self.channels) * size
        read = getattr(self._file, "read1", self._file.read)  # what a pipe has now, not when the block is full
        rest = b""
        while data := read(most):
            run = rest + data
            whole = len(run) - len(run) % size
            rest = run[whole:]
            if whole:
                yield self._samples(run[:whole]).reshape(-1, self.channels)
        if rest:
            raise AudioError(
                f"{self._name} ends within a frame: {len(rest)} bytes are left, and a frame of "
                f"{self.channels} x {self._raw.encoding} has {size}"
            )

    def _samples(self, data: bytes) -> Frames:
        if self._raw.encoding == FLOAT:
            return np.frombuffer(data, "<f4")
        if self._raw.encoding == Encoding.MULAW:
            data = g711.decode_mulaw(data)
        elif self._raw.encoding == Encoding.ALAW:
            data = g711.decode_alaw(data)
        return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


def check_finite(block: Frames, name: str) -> None:
    """Raise ``AudioError`` where a sample is no number or infinite."""
    if not np.isfinite(block).all():
        raise AudioError(f"{name} holds samples that are NaN or infinite: expected -1 to 1")


def open_sound(file: BinaryIO, name: str, raw: RawFormat | None = None) -> Sound:
    """What ``file`` holds: as ``raw`` says, or its name (``.ulaw``, ``.alaw``), or else its header. Raises
    ``AudioError``."""
    law = law_named(name)
    if raw is None and law is not None:
        raw = RawFormat(law.value, PHONE_RATE)
    return ContainerSound(file, name) if raw is None else RawSound(file, name, raw)


# --- writing -------------------------------------------------------------------------------------------------------


class Writer(Protocol):
    """Somewhere to put mono samples; the file below stays open."""

    def write(self, audio: bytes, /) -> object: ...
    def close(self) -> None: ...


class _RawWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, audio: bytes) -> None:
        self._file.write(audio)
        self._file.flush()  # whoever reads the pipe hears it now

    def close(self) -> None:
        pass


class _ContainerWriter:
    def __init__(self, file: BinaryIO, container: str, rate: int) -> None:
        subtype = {"flac": "PCM_16", "ogg": "VORBIS"}[container]
        self._sound = soundfile.SoundFile(file, "w", rate, 1, subtype, format=container.upper())

    def write(self, audio: bytes) -> None:
        self._sound.buffer_write(audio, "int16")

    def close(self) -> None:
        self._sound.close()


def writer(file: BinaryIO, container: str, audio: AudioFormat) -> Writer:
    """The writer for one of ``CONTAINERS``. Raises ``AudioError`` where it can't hold ``audio``."""
    if container not in CONTAINERS:
        raise AudioError(f"a container of {container!r} is not supported: use one of {', '.join(CONTAINERS)}")
    if container == "raw":
        return _RawWriter(file)
    if container == "wav":
        return WavWriter(file, audio)
    if audio.encoding is not Encoding.PCM16:
        raise AudioError(f"{container} can't hold {audio.encoding.value}: use wav or raw, or an encoding of pcm16")
    if not file.seekable():
        raise AudioError(f"{container} can't be written to a pipe: use wav or raw")
    return _ContainerWriter(file, container, audio.rate)
