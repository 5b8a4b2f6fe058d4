"""Whole files from one format to another: WAV, FLAC, OGG, raw; any length in the same memory."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from trunkline.audio._kernels import Stream
from trunkline.audio.filters import taps_from
from trunkline.audio.floats import to_pcm16
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.level import FULL_SCALE, measure
from trunkline.audio.sound_files import (
    PHONE_RATE,
    Frames,
    RawFormat,
    Sound,
    Writer,
    check_finite,
    container_named,
    law_named,
    open_sound,
    writer,
)
from trunkline.audio.stream_converter import encoding_of
from trunkline.errors import AudioError

File = str | Path | BinaryIO
Progress = Callable[[float], None]

NORMAL_PEAK: Final = 10 ** (-1 / 20)
"""-1 dB of full scale: below the loudest sample of either law, with room for what a player's filter adds."""
INAUDIBLE: Final = 0.5 / FULL_SCALE
"""What PCM16 rounds to silence: nothing to normalize."""
CHANNELS: Final = {"left": 0, "right": 1}


class Converted(msgspec.Struct, frozen=True):
    """What was read and what was written."""

    source_rate: int  # Hz
    source_channels: int
    format: AudioFormat
    samples: int  # written
    gain: float  # applied to normalize; else 1

    @property
    def seconds(self) -> float:
        return self.samples / self.format.rate


def convert_file(
    source: File,
    target: File,
    *,
    rate: int | None = None,
    encoding: str | None = None,
    channel: int | str | None = None,
    normalize: bool = False,
    raw: RawFormat | None = None,
    container: str | None = None,
    progress: Progress | None = None,
) -> Converted:
    """Make a mono file of ``source``. What isn't said stays as it is; a law is at 8 kHz unless another rate is said.

    - ``source``: WAV, FLAC, OGG and whatever else libsndfile reads, of any number of channels; or headerless samples,
      described by ``raw``. A name that ends in ``.ulaw`` or ``.alaw`` says enough.
    - ``target``: its name says the container (``.wav .flac .ogg .raw .ulaw .alaw``), or ``container`` does. A file
      that was there is replaced, but only when the new one is complete.
    - ``encoding``: ``pcm16``, ``mulaw`` or ``alaw``. ``channel``: counted from 0, or ``left``, ``right``; without it
      all are mixed to their mean. ``normalize``: loudest sample at -1 dB of full scale; needs to read more than once.
    - ``progress`` is told the share that is done, 0 to 1, where the length is known.

    The new file is as long as the old one: n frames give exactly ``ceil(n * rate / source rate)`` samples, and one more
    at the most where the source is faster than 48 kHz. Raises ``AudioError`` for what can't be read or asked for, and
    ``OSError`` where ``target`` can't be written.
    """
    name = _named(source)
    kind = container_named(_named(target)) if container is None else container
    with _opened(source, name) as file:
        sound = open_sound(file, name, raw)
        if normalize and sound.frames is None:
            raise AudioError(f"{name} is a pipe: normalizing has to read it more than once")
        audio = _wanted(sound.rate, _named(target), rate, encoding)
        passes = 1 + normalize * (1 if audio.rate == sound.rate else 2)
        mono = _Mono(sound, name, _channel(channel, sound.channels, name), passes, progress)
        gain = _gain(mono, audio.rate) if normalize else 1.0
        with _replaced(target) as new, closing(writer(new, kind, audio)) as out:
            samples = _convert(mono, gain, audio, out)
            if not samples:
                raise AudioError(f"{name} holds no samples: expected at least one")
    return Converted(sound.rate, sound.channels, audio, samples, gain)


def _convert(mono: "_Mono", gain: float, audio: AudioFormat, out: Writer) -> int:
    converter = _Chain(mono.rate, audio.rate, audio.encoding)
    written = 0
    for block in mono.blocks():
        piece = converter.process(to_pcm16(block if gain == 1 else block * np.float32(gain)))
        out.write(piece)
        written += audio.samples(len(piece))
    return written


def _gain(mono: "_Mono", rate: int) -> float:
    """What makes the loudest sample of the output ``NORMAL_PEAK``. Silence stays silence."""
    peak = max((float(np.abs(block).max()) for block in mono.blocks()), default=0.0)
    if peak < INAUDIBLE:
        return 1.0
    if rate == mono.rate:
        return NORMAL_PEAK / peak
    # The filter takes from the peak and adds to it. Half is the headroom, so that what it adds isn't clipped.
    resampler = _Chain(mono.rate, rate, Encoding.PCM16)
    halved = np.float32(0.5 / peak)
    behind = max(measure(resampler.process(to_pcm16(block * halved))).peak for block in mono.blocks())
    return NORMAL_PEAK / (2 * peak * behind) if behind else 1.0  # all of it was above the filter's band


class _Chain:
    """PCM16 of nearly any rate to a rate and encoding of ours."""

    def __init__(self, rate: int, to_rate: int, encoding: Encoding) -> None:
        pcm16 = Encoding.PCM16.value
        filters = taps_from(rate, to_rate)
        self._streams = [Stream(taps, pcm16, pcm16) for taps in filters[:-1]]
        self._streams.append(Stream(filters[-1] if filters else None, pcm16, encoding.value))

    def process(self, pcm16: bytes) -> bytes:
        for stream in self._streams:
            pcm16 = stream.process(pcm16)
        return pcm16


class _Mono:
    """One channel of a sound, or the mean of all, block by block; tells the share done of all passes over it."""

    def __init__(self, sound: Sound, name: str, channel: int | None, passes: int, progress: Progress | None) -> None:
        self.rate = sound.rate
        self._sound = sound
        self._name = name
        self._channel = channel
        self._passes = passes
        self._passed = 0
        self._progress = progress

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        done = 0
        for block in self._sound.blocks():
            check_finite(block, self._name)
            yield self._one(block)
            done += len(block)
            if self._progress and self._sound.frames:
                self._progress((self._passed + done / self._sound.frames) / self._passes)
        self._passed += 1

    def _one(self, block: Frames) -> NDArray[np.float32]:
        if self._channel is not None:
            return block[:, self._channel]
        if block.shape[1] == 1:
            return block[:, 0]
        mixed: NDArray[np.float32] = block.mean(axis=1)
        return mixed


def _wanted(source_rate: int, target: str, rate: int | None, encoding: str | None) -> AudioFormat:
    law = law_named(target)
    chosen = encoding_of(encoding) if encoding is not None else law or Encoding.PCM16
    if law and chosen is not law:
        raise AudioError(f"{target} by its name holds {law.value}, not {chosen.value}: choose one or the other")
    if rate is None:
        rate = source_rate if chosen is Encoding.PCM16 else PHONE_RATE
    return AudioFormat(chosen, rate)


def _channel(wanted: int | str | None, channels: int, name: str) -> int | None:
    found = CHANNELS.get(wanted, wanted) if isinstance(wanted, str) else wanted
    if found is None:
        return None
    if type(found) is not int:
        raise AudioError(f"a channel of {wanted!r} is not supported: use a number from 0, or {', '.join(CHANNELS)}")
    if not 0 <= found < channels:
        raise AudioError(f"{name} has no channel {wanted}: it has {channels}, counted from 0")
    return found


# --- files ---------------------------------------------------------------------------------------------------------


def _named(file: File) -> str:
    if isinstance(file, str | Path):
        return str(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "the input"


@contextmanager
def _opened(source: File, name: str) -> Iterator[BinaryIO]:
    if not isinstance(source, str | Path):
        yield source
        return
    try:
        file = Path(source).open("rb")  # noqa: SIM115 - closed below; here only opening is tried
    except OSError as error:
        raise AudioError(f"{name} can't be read: {error.strerror}") from error
    with file:
        yield file


@contextmanager
def _replaced(target: File) -> Iterator[BinaryIO]:
    """A new file that takes the old one's place when all has gone well. Devices and pipes are written as they are."""
    if not isinstance(target, str | Path):
        yield target
        target.flush()
        return
    path = Path(target).resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            yield file
        return
    part = path.with_name(path.name + ".part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
