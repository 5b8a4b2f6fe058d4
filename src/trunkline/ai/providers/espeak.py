"""espeak-ng as a voice: robotic, instant, needs no model and no account.

espeak-ng is GPL, so the program is run, never linked: one process for each piece of text. The text goes in through
stdin (a command line is there for every user of the machine to read), a WAV comes out of stdout while it is made.
"""

import asyncio
import contextlib
import os
import shutil
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from typing import Final

from trunkline.ai.base import AgentSettings, CallFacts, Emit, ProviderSpec, Tts, TtsSession
from trunkline.ai.events import AgentFailed, ReplyAudio, ReplyEnded, ReplyText, Stage, StageReached
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, RATES, AudioFormat, Encoding
from trunkline.audio.wav_stream import WavStream
from trunkline.errors import AudioError, ConfigError, MissingProgram

PROGRAM: Final = "espeak-ng"
INSTALL: Final = "sudo apt-get install espeak-ng"

WORDS_PER_MINUTE: Final = 165
"""A little slower than its default: telephone bands are hard to follow."""

PAUSE_MS: Final = 160
"""Silence between two pieces of a reply. espeak-ng's own (left out by -z) would also follow the last one, and keep the
caller waiting in it."""

READ_BYTES: Final = 8192
"""At most so much at a time (186 ms of its audio): the rest of the process's calls get their turn in between."""

STUCK_S: Final = 5.0
"""A program that says nothing for so long, or does not end, is killed. It takes milliseconds."""

PROCESSES: Final = 2 * (os.cpu_count() or 1)
"""At once, over all calls. Each one takes milliseconds, so those that wait don't wait long."""


class EspeakSession:
    """The voice of one call: one piece at a time, in the order they were said."""

    def __init__(self, command: tuple[str, ...], slots: asyncio.Semaphore, speaks: AudioFormat, emit: Emit) -> None:
        self._command = command
        self._slots = slots
        self._speaks = speaks
        self._emit = emit
        self._jobs: deque[tuple[str | None, int]] = deque()  # text, or None at the end of a generation
        self._wake = asyncio.Event()
        self._generation = 0  # being spoken, or spoken last
        self._dead = False  # … and cancelled
        self._sounded = False  # … and heard from
        self._process: Process | None = None

    def say(self, text: str, generation: int) -> None:
        self._jobs.append((text, generation))
        self._wake.set()

    def finish(self, generation: int) -> None:
        self._jobs.append((None, generation))
        self._wake.set()

    def cancel(self, generation: int) -> None:
        self._jobs = deque(job for job in self._jobs if job[1] != generation)
        if generation == self._generation:
            self._dead = True
            if self._process is not None:
                _kill(self._process)

    async def run(self) -> None:
        while True:
            while self._jobs:
                text, generation = self._jobs.popleft()
                if generation != self._generation:
                    self._generation, self._dead, self._sounded = generation, False, False
                if text is None:
                    self._emit(ReplyEnded(generation))
                elif not await self._speak(text, generation):
                    return
            self._wake.clear()
            await self._wake.wait()

    async def _speak(self, text: str, generation: int) -> bool:
        """False when there is no voice any more."""
        if not self._sounded:
            self._emit(StageReached(Stage.SYNTHESIS_STARTED, generation))
        async with self._slots:
            if self._dead:
                return True
            try:
                made = await self._synthesise(text, generation)
            except (OSError, AudioError) as error:
                self._emit(AgentFailed(f"{PROGRAM} can't speak: {type(error).__name__}"))
                return False
        if made or self._dead:
            return True
        self._emit(AgentFailed(f"{PROGRAM} ended with an error"))
        return False

    async def _synthesise(self, text: str, generation: int) -> bool:
        """Runs the program over ``text``. True if it ended well; whatever happens, it has ended."""
        self._process = process = await _start(self._command)
        assert process.stdin is not None  # noqa: S101 - both were asked for
        assert process.stdout is not None  # noqa: S101
        spoken = False
        try:
            if not self._dead:
                process.stdin.write(text.encode())
                process.stdin.close()
                await self._pass_on(process.stdout, text, generation)
                spoken = not self._dead
        finally:
            self._process = None
            if not spoken:
                _kill(process)
            await _end(process)
        return process.returncode == 0

    async def _pass_on(self, stdout: asyncio.StreamReader, text: str, generation: int) -> None:
        wav = WavStream()
        converter: Converter | None = None
        while data := await _read(stdout):
            if self._dead:
                return
            samples = wav.push(data)
            if not samples:
                continue
            if converter is None:
                assert wav.format is not None  # noqa: S101 - known with the first samples
                converter = Converter(wav.format, self._speaks)
                self._begin_piece(text, generation)
            self._sound(converter.process(samples), generation)
        if converter is not None and not self._dead:
            self._sound(converter.flush(), generation)

    def _begin_piece(self, text: str, generation: int) -> None:
        if self._sounded:
            self._sound(self._speaks.silence(PAUSE_MS * self._speaks.rate // 1000), generation)
        else:
            self._sounded = True
            self._emit(StageReached(Stage.SYNTHESIS_FIRST_BYTE, generation))
        self._emit(ReplyText(text, generation))

    def _sound(self, audio: bytes, generation: int) -> None:
        if audio:
            self._emit(ReplyAudio(audio, generation))


async def _start(command: tuple[str, ...]) -> Process:
    """A process that is started, or, if we are cancelled meanwhile, one that has ended."""
    starting = asyncio.create_task(asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Cancelling the start itself would leave the process running under uvloop.
        with contextlib.suppress(OSError):
            process = await starting
            _kill(process)
            await _end(process)
        raise


def _kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        process.kill()


async def _read(stdout: asyncio.StreamReader) -> bytes:
    """What it says next. Raises ``TimeoutError``, which is an ``OSError``."""
    async with asyncio.timeout(STUCK_S):
        return await stdout.read(READ_BYTES)


async def _end(process: Process) -> None:
    """Waits for its end, and brings it about if need be. Reads on till then: a pipe with something in it would keep its
    descriptors open."""
    assert process.stdout is not None  # noqa: S101 - it was asked for
    for _ in range(2):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STUCK_S):
                while await process.stdout.read(READ_BYTES):
                    pass
                await process.wait()
                return
        _kill(process)


class Espeak:
    """The voice as a part of a cascade. It speaks whatever format the call needs, converted once."""

    name = "espeak"
    streams_text = False
    speaks: tuple[AudioFormat, ...] = (
        MULAW_8K,
        ALAW_8K,
        PCM16_8K,
        *(AudioFormat(Encoding.PCM16, rate) for rate in RATES if rate != PCM16_8K.rate),
    )

    def __init__(self, voice: str) -> None:
        self._voice = voice
        self._slots = asyncio.Semaphore(PROCESSES)

    @property
    def _command(self) -> tuple[str, ...]:
        return (PROGRAM, "-v", self._voice, "-s", str(WORDS_PER_MINUTE), "-b", "1", "-z", "--stdin", "--stdout")

    async def warm_up(self) -> None:
        """Finds the program and tries the voice."""
        if shutil.which(PROGRAM) is None:
            raise MissingProgram(PROGRAM, INSTALL)
        trial = await asyncio.create_subprocess_exec(*self._command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)
        if await trial.wait() != 0:
            raise ConfigError(f"{PROGRAM} has no voice {self._voice!r}: '{PROGRAM} --voices' lists them")

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> TtsSession:
        return EspeakSession(self._command, self._slots, speaks, emit)

    async def close(self) -> None: ...


class _Provider:
    spec = ProviderSpec(
        name="espeak",
        title="espeak-ng",
        about=(
            "A robotic voice that needs no model and no account. The program is run for each piece of text: "
            "`apt-get install espeak-ng`. Any of its voices by name (`espeak-ng --voices`)."
        ),
    )

    def tts(self, settings: AgentSettings) -> Tts:
        return Espeak(settings.voice or settings.language)


PROVIDER = _Provider()
