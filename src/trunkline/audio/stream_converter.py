"""The converter as a library: what a voice model says made into what a phone line carries, and back."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Final

from trunkline.audio._kernels import Buffer
from trunkline.audio.convert import Converter
from trunkline.audio.floats import FLOAT, SAMPLE_BYTES, FloatStream
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.errors import AudioError

INPUTS: Final = ("pcm16", FLOAT)
"""What an ``AudioStreamConverter`` takes: signed 16-bit integers, or floats of ±1; both little-endian and mono."""


def encoding_of(name: str) -> Encoding:
    """The encoding called ``name``. Raises ``AudioError`` that names those there are."""
    try:
        return Encoding(name)
    except ValueError:
        raise AudioError(f"an encoding of {name!r} is not supported: use one of {', '.join(Encoding)}") from None


class _StreamConverter:
    """What all directions share. One object for each stream: two streams through one would be mixed up, and two
    threads must not use one at once."""

    __slots__ = ("_block_bytes", "_converter", "_floats", "chunk_size")

    def __init__(self, source: AudioFormat, target: AudioFormat, chunk_size: int, *, floats: bool = False) -> None:
        if type(chunk_size) is not int or chunk_size < 1:
            raise AudioError(f"a chunk has at least 1 sample, not {chunk_size!r}")
        self._converter = Converter(source, target)
        self._floats = FloatStream() if floats else None
        self._block_bytes = chunk_size * (SAMPLE_BYTES if floats else source.sample_bytes)
        self.chunk_size = chunk_size

    @property
    def input_rate(self) -> int:
        """Hz."""
        return self._converter.source.rate

    @property
    def output_rate(self) -> int:
        """Hz."""
        return self._converter.target.rate

    @property
    def delay_ms(self) -> float:
        """What the filter adds, at 1 kHz."""
        return self._converter.delay_ms

    def convert_chunk(self, chunk: Buffer) -> bytes:
        """The output this chunk completes, at once. Any number of bytes will do; a sample cut in two waits for its
        other part. Raises ``AudioError`` for what can't be audio: that chunk is dropped, the next goes on."""
        if self._floats is not None:
            chunk = self._floats.process(chunk)
        return self._converter.process(chunk)

    def convert_stream(self, chunks: Iterable[Buffer]) -> Iterator[bytes]:
        """A whole stream: output for each chunk as it comes, then the filter's tail. Ready for the next one after.

        A chunk longer than ``chunk_size`` samples is worked on in blocks of that size, so that a listener needn't wait
        for all of it. Chunks that complete nothing give nothing.
        """
        try:
            for chunk in chunks:
                yield from self._blocks(chunk)
            if tail := self.flush():
                yield tail
        finally:
            self.reset()

    async def convert_stream_async(self, chunks: AsyncIterable[Buffer]) -> AsyncIterator[bytes]:
        """``convert_stream`` for a stream that is waited for."""
        try:
            async for chunk in chunks:
                for block in self._blocks(chunk):
                    yield block
            if tail := self.flush():
                yield tail
        finally:
            self.reset()

    def flush(self) -> bytes:
        """What the filter still holds of the last sound, and a fresh start. For the end of a stream, not a pause in
        it. Part of a sample is dropped."""
        if self._floats is not None:
            self._floats.reset()
        return self._converter.flush()

    def reset(self) -> None:
        """Forget the stream: the next chunk begins a new one."""
        if self._floats is not None:
            self._floats.reset()
        self._converter.reset()

    def _blocks(self, chunk: Buffer) -> Iterator[bytes]:
        if not isinstance(chunk, Buffer):
            raise AudioError(f"audio must be bytes, not {type(chunk).__name__}")
        whole = bytes(chunk)
        for at in range(0, len(whole), self._block_bytes):
            if audio := self.convert_chunk(whole[at : at + self._block_bytes]):
                yield audio


class AudioStreamConverter(_StreamConverter):
    """A voice model's speech (PCM16 mono, or ``input_format="pcm_f32le"``) on its way to a phone line.

    ``encoding`` is ``mulaw``, ``alaw`` or ``pcm16``; rates are those of ``format.RATES``. ``chunk_size`` is the block
    preferred, in samples: 200 ms of the model's audio. Output never waits for it. The promises are those of
    ``resample.Resampler``: exact counts, no clicks between chunks, any cut the same.

        converter = AudioStreamConverter(input_rate=24000, output_rate=8000, encoding="mulaw")
        for chunk in speech:
            phone.send(converter.convert_chunk(chunk))
        phone.send(converter.flush())
    """

    __slots__ = ()

    def __init__(
        self,
        input_rate: int = 24000,
        output_rate: int = 8000,
        chunk_size: int = 4800,
        encoding: str = "mulaw",
        *,
        input_format: str = "pcm16",
    ) -> None:
        if input_format not in INPUTS:
            raise AudioError(f"an input of {input_format!r} is not supported: use one of {', '.join(INPUTS)}")
        source = AudioFormat(Encoding.PCM16, input_rate)
        target = AudioFormat(encoding_of(encoding), output_rate)
        super().__init__(source, target, chunk_size, floats=input_format == FLOAT)

    @property
    def encoding(self) -> Encoding:
        """Of the output."""
        return self._converter.target.encoding


class MuLawStreamDecoder(_StreamConverter):
    """A caller's mu-law on its way to a voice model: PCM16 at ``output_rate``."""

    __slots__ = ()

    def __init__(self, input_rate: int = 8000, output_rate: int = 24000, chunk_size: int = 1600) -> None:
        source = AudioFormat(Encoding.MULAW, input_rate)
        super().__init__(source, AudioFormat(Encoding.PCM16, output_rate), chunk_size)


class ALawStreamDecoder(_StreamConverter):
    """A caller's A-law on its way to a voice model: PCM16 at ``output_rate``."""

    __slots__ = ()

    def __init__(self, input_rate: int = 8000, output_rate: int = 24000, chunk_size: int = 1600) -> None:
        source = AudioFormat(Encoding.ALAW, input_rate)
        super().__init__(source, AudioFormat(Encoding.PCM16, output_rate), chunk_size)
