"""From one sample rate to another, without delay, without edges and without drift."""

from trunkline.audio import filters
from trunkline.audio._kernels import Buffer, Stream


class Resampler:
    """PCM16 mono at ``from_rate`` Hz in, PCM16 mono at ``to_rate`` Hz out: one object for each stream.

    - Every piece gives its output at once. After n samples in all, exactly ``ceil(n * to_rate / from_rate)`` have
      come out: whole frames give whole frames, and nothing drifts however long the call is.
    - How the input is cut does not show in the output. Half a sample at the end of a piece waits for its other half.
    - Silence gives exact zeros, and a steady level passes unchanged. No dither; rounds half to even; saturates.
    - The filter is 48 samples of the lower rate long and of minimum phase: ``delay_ms`` is what it adds at 1 kHz.

    The filter is designed when a pair of rates is first used in a process and shared from then on. Equal rates pass
    the audio through. ``AudioError`` names what was expected where a rate or the audio can't be used.
    """

    __slots__ = ("_stream", "delay_ms", "from_rate", "to_rate")

    def __init__(self, from_rate: int, to_rate: int) -> None:
        taps = filters.taps(from_rate, to_rate)
        self.from_rate = from_rate
        self.to_rate = to_rate
        self.delay_ms = taps.delay_ms if taps else 0.0
        self._stream = Stream(taps, "pcm16", "pcm16")

    def process(self, pcm16: Buffer) -> bytes:
        """The output this piece completes; any length, even none."""
        return self._stream.process(pcm16)

    def flush(self) -> bytes:
        """The rest of the last sound, and a fresh start: call it when the stream is over, not at a pause.

        It is what ``tail`` samples of silence would have brought out, ``tail`` being the filter's memory: 47 samples
        going up, and ``ceil(48 * from_rate / to_rate) - 1`` going down. A finished stream of n samples is thus
        ``ceil((n + tail) * to_rate / from_rate)`` long. Nothing in gives nothing; half a sample is dropped.
        """
        return self._stream.flush()

    def reset(self) -> None:
        """Forget the stream: the next piece begins a new one."""
        self._stream.reset()
