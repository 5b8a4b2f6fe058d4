"""From one audio format to another: law and rate in one step."""

from collections.abc import Callable

from trunkline.audio import filters
from trunkline.audio._kernels import Buffer, Stream
from trunkline.audio.format import AudioFormat


class Converter:
    """A stream in ``source`` format in, the same in ``target`` format out: one object for each stream.

    Decoding, resampling and encoding are one call into the kernel, which is what a phone call spends most of its
    conversion time on otherwise. The promises are those of ``resample.Resampler``: output at once, exact counts, any
    cut the same. The same format is passed through uncopied.
    """

    __slots__ = ("_stream", "delay_ms", "process", "source", "target")

    def __init__(self, source: AudioFormat, target: AudioFormat) -> None:
        taps = filters.taps(source.rate, target.rate)
        self.source = source
        self.target = target
        self.delay_ms = taps.delay_ms if taps else 0.0
        self._stream = Stream(taps, source.encoding.value, target.encoding.value)
        self.process: Callable[[Buffer], bytes] = self._stream.process
        """The output this piece completes; any length, even none. (The kernel's own method: a call less per frame.)"""

    def flush(self) -> bytes:
        """The rest of the last sound, and a fresh start; its length is that of ``Resampler.flush``."""
        return self._stream.flush()

    def reset(self) -> None:
        """Forget the stream: the next piece begins a new one."""
        self._stream.reset()
