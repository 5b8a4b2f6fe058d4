"""Recordings on disk: stereo WAV files that grow as the call goes on and are whole at every moment."""

import asyncio
import os
import re
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final

from structlog.typing import FilteringBoundLogger

from trunkline.call.session import CallSession
from trunkline.errors import ConfigError

MAX_WAITING_BYTES: Final = 4 * 1024 * 1024
"""Audio of one call that may wait for the disk: over a minute at 16 kHz. A disk further behind won't catch up."""


class Recordings:
    """A folder of recordings. All calls share one writing thread, so a slow disk never holds the event loop."""

    def __init__(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"the folder for recordings can't be made: {error.strerror}") from None
        self._folder = folder
        self._writer = ThreadPoolExecutor(1, "recordings")

    def sink(self, log: FilteringBoundLogger) -> "WavSink":
        """Where one call's recording goes."""
        return WavSink(self._folder, self._writer, log)

    def close(self) -> None:
        """Write what is still waiting."""
        self._writer.shutdown()


class WavSink:
    """One call's WAV file. The audio is written in order, away from the event loop.

    When the disk fails or falls too far behind, the recording ends there and the log says so: a file with holes would
    claim that words were spoken when they were not.
    """

    def __init__(self, folder: Path, writer: ThreadPoolExecutor, log: FilteringBoundLogger) -> None:
        self._folder = folder
        self._writer = writer
        self._log = log
        self._stream: BinaryIO | None = None
        self._file: wave.Wave_write | None = None
        self._given = 0  # bytes; the event loop's count
        self._written = 0  # bytes; the writer's count
        self._failed = False

    def open(self, session: CallSession) -> None:
        """The recording begins: ``session.rate`` Hz, stereo PCM16. Sets ``session.recording`` to where it will be."""
        # The call id is the peer's word: of a path it gets only what can't leave the folder.
        name = re.sub(r"[^A-Za-z0-9_-]", "_", session.call_id)[:64]
        path = self._folder / f"{session.started_at:%Y%m%dT%H%M%S.%f}-{name}.wav"
        session.recording = str(path)
        self._writer.submit(self._open, path, session.rate)

    def write(self, pcm: bytes) -> None:
        """Append interleaved stereo PCM16."""
        if self._failed:
            return
        self._given += len(pcm)
        if self._given - self._written > MAX_WAITING_BYTES:
            self._fail("the disk is too slow")
            return
        self._writer.submit(self._write, pcm)

    async def close(self) -> None:
        """Everything was written: finish the file."""
        await asyncio.wrap_future(self._writer.submit(self._close))

    # --- on the writing thread -------------------------------------------------------------------------------------

    def _open(self, path: Path, rate: int) -> None:
        try:
            # Voices are private: nobody but the owner may read them.
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            self._fail(error.strerror)
            return
        self._stream = os.fdopen(descriptor, "wb")
        self._file = wave.Wave_write(self._stream)
        self._file.setnchannels(2)
        self._file.setsampwidth(2)
        self._file.setframerate(rate)

    def _write(self, pcm: bytes) -> None:
        self._written += len(pcm)
        if self._file is None or self._failed:
            return
        try:
            self._file.writeframes(pcm)  # brings the length in the header up to date, too
        except OSError as error:
            self._fail(error.strerror)

    def _close(self) -> None:
        if self._file is None or self._stream is None:
            return
        try:
            self._file.close()
            self._stream.close()
        except OSError as error:
            self._fail(error.strerror)

    def _fail(self, why: str | None) -> None:
        if not self._failed:
            self._failed = True
            self._log.error("recording ended early", reason=why or "unknown")
