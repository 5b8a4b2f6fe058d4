"""One turn in Moonshine's library: audio in pieces in, the words so far out. Runs on the worker's thread."""

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from trunkline.audio.level import measure
from trunkline.errors import AgentError

if TYPE_CHECKING:
    from moonshine_voice import Stream, Transcriber, Transcript

RATE: Final = 16_000

PASS_LONG_S: Final = 10.0
"""From here on a turn is cut at the next pause: what models were trained on is not much longer."""

PASS_LONGEST_S: Final = 20.0
"""And here in any case."""

LULL: Final = 0.2
"""Of the loudest piece's level: a piece as soft as this is a pause."""

PIECE_BYTES: Final = 2 * RATE * 200 // 1000

_FLUSH: Final = [0.0] * 1280  # 80 ms: the library takes audio in portions of as much

_AT_ONCE: Final = 1  # MOONSHINE_FLAG_FORCE_UPDATE: now, be there ever so little new audio
_NEVER: Final = 1e6


class Pass(Protocol):
    """A stretch of a turn that is recognised in one."""

    def add(self, samples: list[float]) -> None: ...

    def words(self) -> str:
        """Those so far."""
        ...

    def finish(self) -> str:
        """All of them. Raises what the library raises."""
        ...

    def close(self) -> None: ...


class Streamed:
    """For models that go on where they were: words while somebody speaks, and few of them left to do at the end."""

    def __init__(self, transcriber: "Transcriber") -> None:
        self._stream: Stream = transcriber.create_stream(_NEVER, transcribe_flags=_AT_ONCE)
        self._stream.start()

    def add(self, samples: list[float]) -> None:
        self._stream.add_audio(samples, RATE)

    def words(self) -> str:
        return _text(self._stream.update_transcription(_AT_ONCE))

    def finish(self) -> str:
        self._stream.add_audio(_FLUSH, RATE)
        transcript = self._stream.stop()  # the last frames wait for what follows, until they are told that nothing does
        if transcript is None:
            raise AgentError("moonshine: the library failed at the end of a turn")
        return _text(transcript)

    def close(self) -> None:
        self._stream.close()


class Whole:
    """For models that hear all again each time: once, at the end."""

    def __init__(self, transcriber: "Transcriber") -> None:
        self._transcriber = transcriber
        self._samples: list[float] = []

    def add(self, samples: list[float]) -> None:
        self._samples += samples

    def words(self) -> str:
        return ""

    def finish(self) -> str:
        return _text(self._transcriber.transcribe_without_streaming(self._samples + _FLUSH, RATE))

    def close(self) -> None:
        self._samples.clear()


class Line:
    """A turn: as many passes as it takes."""

    def __init__(self, transcriber: "Transcriber", *, streams: bool) -> None:
        self._transcriber = transcriber
        self._kind: type[Streamed | Whole] = Streamed if streams else Whole
        self._pass: Pass | None = None
        self._pass_s = 0.0
        self._loudest = 0.0
        self._said: list[str] = []

    def hear(self, pcm16: bytes, *, last: bool) -> str:
        """More of the turn, 16 kHz. Gives its words so far; all of them with the ``last`` of it."""
        # Piece by piece, so that a turn that comes in one is cut as it would have been.
        for begin in range(0, len(pcm16), PIECE_BYTES):
            self._add(pcm16[begin : begin + PIECE_BYTES])
        if last and self._pass is not None:
            self._finish(self._pass)
        words = self._pass.words() if self._pass is not None else ""
        return " ".join(text for text in (*self._said, words) if text)

    def close(self) -> None:
        """Free what the library holds."""
        if self._pass is not None:
            self._pass.close()
            self._pass = None

    def _add(self, pcm16: bytes) -> None:
        if self._pass is None:
            self._pass = self._kind(self._transcriber)
            self._pass_s = self._loudest = 0.0
        samples: list[float] = (np.frombuffer(pcm16, "<i2") / np.float32(32768)).tolist()
        self._pass.add(samples)
        self._pass_s += len(samples) / RATE
        level = measure(pcm16).rms
        self._loudest = max(self._loudest, level)
        if self._pass_s >= PASS_LONGEST_S or (self._pass_s >= PASS_LONG_S and level < LULL * self._loudest):
            self._finish(self._pass)

    def _finish(self, passed: Pass) -> None:
        self._pass = None
        try:
            self._said.append(passed.finish())
        finally:
            passed.close()


def _text(transcript: "Transcript") -> str:
    return " ".join(text for line in transcript.lines if (text := line.text.strip()))
