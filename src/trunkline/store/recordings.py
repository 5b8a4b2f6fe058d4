"""Recordings of calls as WAV or FLAC files, streamed to disk by one thread of their own, each with its call's record
beside it: the same name, and ``.json``.
"""

import asyncio
import os
import re
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, Final, Literal

import soundfile

from trunkline.call.session import CallSession

# A call id comes from outside; only these characters of it get into a file's name, and only so many.
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_MAX_NAME: Final = 64

# Audio of one call that may wait for the disk: two minutes at 8 kHz. A disk further behind won't catch up.
MAX_WAITING_BYTES: Final = 4 * 1024 * 1024


Kind = Literal["wav", "flac"]


class _Wav:
    def __init__(self, disk: BinaryIO, rate: int) -> None:
        self._file = wave.open(disk, "wb")  # noqa: SIM115 - ``close`` does
        self._file.setnchannels(2)
        self._file.setsampwidth(2)
        self._file.setframerate(rate)

    def write(self, pcm: bytes) -> None:
        self._file.writeframes(pcm)

    def close(self) -> None:
        self._file.close()


class _Flac:
    def __init__(self, disk: BinaryIO, rate: int) -> None:
        self._file = soundfile.SoundFile(disk, "w", rate, 2, "PCM_16", format="FLAC")

    def write(self, pcm: bytes) -> None:
        self._file.buffer_write(pcm, dtype="int16")

    def close(self) -> None:
        self._file.close()


class RecordingRoom:
    """The folder recordings go to. One per process; ``sink`` gives each call its own file.

    The records beside them say nothing private (``CallSession.masked``) unless ``private`` is asked for.
    """

    def __init__(self, folder: Path, kind: Kind = "wav", *, private: bool = False) -> None:
        self.folder = folder
        self.kind: Kind = kind
        self.private = private
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recordings")
        self._taken: set[Path] = set()  # names of calls that are still on

    def sink(self) -> "FileSink":
        """A sink for one call."""
        return FileSink(self.folder, self._thread, self.kind, self._taken, private=self.private)

    def close(self) -> None:
        """Wait for what is still to be written."""
        self._thread.shutdown()


class FileSink:
    """One call's recording: stereo, 16 bits, caller left, agent right, as WAV or, without loss, as FLAC.

    A WAV's header is right after every write, so a process that dies leaves a playable file. A disk that fails or
    falls too far behind ends the recording, never the call: a file with holes would claim that words were spoken when
    they were not. ``close`` then raises the ``OSError``. The call's record, as it is by then, is written by ``close``.
    """

    def __init__(
        self,
        folder: Path,
        thread: ThreadPoolExecutor,
        kind: Kind = "wav",
        taken: set[Path] | None = None,
        *,
        private: bool = False,
    ) -> None:
        self._taken = set() if taken is None else taken
        self._private = private
        self._session: CallSession | None = None
        self._path: Path | None = None
        self._folder = folder
        self._kind = kind
        self._thread = thread
        self._disk: BinaryIO | None = None
        self._file: _Wav | _Flac | None = None
        self._given = 0  # bytes; counted by the event loop
        self._written = 0  # bytes; counted by the thread
        self._error: OSError | None = None

    def open(self, session: CallSession) -> None:
        """Name the file and begin it; ``session.recording`` tells where."""
        started = session.started_at.strftime("%Y%m%dT%H%M%S")
        name = f"{started}-{session.platform}-{_UNSAFE.sub('', session.call_id)[:_MAX_NAME] or 'call'}"
        path, again = self._folder / f"{name}.{self._kind}", 1
        while path in self._taken or path.exists() or record_beside(path).exists():
            again += 1
            path = path.with_name(f"{name}-{again}.{self._kind}")
        self._path = path
        self._session = session
        self._taken.add(path)
        session.recording = str(path)
        self._thread.submit(self._begin, path, session.rate)

    def write(self, pcm: bytes) -> None:
        """Append; returns at once."""
        if self._error is not None:
            return
        if self._given - self._written > MAX_WAITING_BYTES:
            self._error = OSError("the disk is too slow")
            return
        self._given += len(pcm)
        self._thread.submit(self._append, pcm)

    async def close(self) -> None:
        """Wait until all is written. Raises the ``OSError`` that stopped the writing, if one did."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._end)
        if self._path is not None and self._session is not None:
            record = (self._session if self._private else self._session.masked()).to_json()
            await loop.run_in_executor(self._thread, self._keep, record_beside(self._path), record)
            self._taken.discard(self._path)
        if self._error is not None:
            raise self._error

    def _begin(self, path: Path, rate: int) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # voices are private
            self._disk = _new(path)
            self._file = _Wav(self._disk, rate) if self._kind == "wav" else _Flac(self._disk, rate)
        except OSError as error:
            self._error = error

    def _append(self, pcm: bytes) -> None:
        if self._file is None:
            return
        try:
            self._file.write(pcm)
            self._written += len(pcm)
        except OSError as error:
            self._error = error

    def _keep(self, path: Path, record: bytes) -> None:
        if not path.parent.is_dir():  # then the recording failed for that very reason, and says so
            return
        try:
            with _new(path) as file:
                file.write(record)
        except OSError as error:
            self._error = self._error or error

    def _end(self) -> None:
        try:
            if self._file is not None:
                self._file.close()
            if self._disk is not None:
                self._disk.close()
        except OSError as error:
            self._error = error


def record_beside(recording: Path) -> Path:
    """Where the record of a recorded call is."""
    return recording.with_suffix(".json")


def _new(path: Path) -> BinaryIO:
    """A file for its owner alone, and never somebody else's, from its first moment on."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
