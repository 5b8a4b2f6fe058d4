"""espeak-ng as a voice: the real program, cancelled, missing and misused."""

import asyncio
import os
import wave
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from trunkline.ai.base import AgentSettings, CallFacts, TtsSession
from trunkline.ai.events import AgentEvent, AgentFailed, ReplyAudio, ReplyEnded, ReplyText, Stage, StageReached
from trunkline.ai.providers import espeak as module
from trunkline.ai.providers.espeak import PAUSE_MS, PROVIDER
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_24K, AudioFormat
from trunkline.errors import ConfigError, MissingProgram

FACTS = CallFacts("call", "test")
# Loops start and end processes in their own ways; calls are served on uvloop.
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
Run = Callable[[Coroutine[Any, Any, None]], None]

SENTENCE = "We are open from Monday to Friday, nine to five, and on Saturdays until noon. "


class Voice:
    """A session that runs, and what it emits. ``until`` waits for an event without a clock."""

    def __init__(self, speaks: AudioFormat = MULAW_8K, voice: str = "") -> None:
        self.events: list[AgentEvent] = []
        self._something = asyncio.Event()
        tts = PROVIDER.tts(AgentSettings(voice=voice))
        self.session: TtsSession = tts.open(FACTS, speaks=speaks, emit=self._emit)

    def _emit(self, event: AgentEvent) -> None:
        self.events.append(event)
        self._something.set()

    async def __aenter__(self) -> "Voice":
        self._run = asyncio.create_task(self.session.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._run.cancel()
        await asyncio.wait([self._run])

    async def until(self, kind: type[AgentEvent]) -> AgentEvent:
        while True:
            for event in self.events:
                if isinstance(event, kind):
                    return event
            self._something.clear()
            await self._something.wait()

    def audio(self, generation: int = 1) -> list[bytes]:
        return [e.audio for e in self.events if isinstance(e, ReplyAudio) and e.generation == generation]


def children() -> set[str]:
    """Processes of ours that run or wait to be reaped."""
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.usefixtures("espeak")
@pytest.mark.parametrize("speaks", [MULAW_8K, PCM16_8K, PCM16_24K], ids=str)
def test_speech_comes_in_order_in_the_wanted_format_and_as_it_is_made(speaks: AudioFormat) -> None:
    async def scene() -> None:
        async with Voice(speaks) as voice:
            voice.session.say(SENTENCE, 1)
            voice.session.say("Goodbye.", 1)
            voice.session.finish(1)
            await voice.until(ReplyEnded)
        assert [event for event in voice.events if not isinstance(event, ReplyAudio)] == [
            StageReached(Stage.SYNTHESIS_STARTED, 1),
            StageReached(Stage.SYNTHESIS_FIRST_BYTE, 1),
            ReplyText(SENTENCE, 1),
            ReplyText("Goodbye.", 1),
            ReplyEnded(1),
        ]
        texts = [at for at, event in enumerate(voice.events) if isinstance(event, ReplyText)]
        assert isinstance(voice.events[texts[0] + 1], ReplyAudio)
        # The pause comes before the second text: it belongs to neither.
        pause = voice.events[texts[1] - 1]
        assert pause == ReplyAudio(speaks.silence(PAUSE_MS * speaks.rate // 1000), 1)
        assert len(voice.audio()) > 10  # in many pieces, not at the end
        assert 4500 < speaks.ms(len(b"".join(voice.audio()))) < 7500

    asyncio.run(scene())


@LOOPS
@pytest.mark.usefixtures("espeak")
def test_a_cancelled_reply_falls_silent_at_once_and_the_next_one_speaks(run: Run) -> None:
    async def scene() -> None:
        before = children()
        async with Voice() as voice:
            for _ in range(5):
                voice.session.say(SENTENCE, 1)
            voice.session.finish(1)
            await voice.until(ReplyAudio)
            told = len(voice.events)
            voice.session.cancel(1)
            voice.session.say("Yes.", 2)
            voice.session.finish(2)
            await voice.until(ReplyEnded)
            assert {getattr(event, "generation", None) for event in voice.events[told:]} == {2}
            assert voice.audio(2)
        assert children() <= before

    run(scene())


@LOOPS
@pytest.mark.usefixtures("espeak")
def test_a_reply_cancelled_before_its_process_ran_is_never_heard(run: Run) -> None:
    async def scene() -> None:
        before = children()
        async with Voice() as voice:
            voice.session.say(SENTENCE, 1)
            await asyncio.sleep(0)  # the process is being made
            voice.session.cancel(1)
            voice.session.say("Yes.", 2)
            voice.session.finish(2)
            await voice.until(ReplyEnded)
            assert voice.audio(1) == []
        assert children() <= before

    run(scene())


@LOOPS
@pytest.mark.usefixtures("espeak")
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8, 13])
def test_a_call_that_ends_in_a_sentence_leaves_no_process(steps: int, run: Run) -> None:
    async def scene() -> None:
        before = children()
        async with Voice() as voice:
            voice.session.say(SENTENCE * 20, 1)
            for _ in range(steps):
                await asyncio.sleep(0)
        assert children() <= before

    run(scene())


@LOOPS
@pytest.mark.usefixtures("espeak")
def test_more_calls_than_processes_all_speak(run: Run) -> None:
    async def scene() -> None:
        tts = PROVIDER.tts(AgentSettings())
        done: asyncio.Queue[AgentEvent] = asyncio.Queue()
        calls = 2 * module.PROCESSES + 1
        sessions = [tts.open(FACTS, speaks=MULAW_8K, emit=done.put_nowait) for _ in range(calls)]
        running = [asyncio.create_task(session.run()) for session in sessions]
        for session in sessions:
            session.say("Yes.", 1)
            session.finish(1)
        ended = 0
        while ended < calls:
            ended += isinstance(await done.get(), ReplyEnded)
        for task in running:
            task.cancel()
        await asyncio.wait(running)

    run(scene())


@pytest.mark.usefixtures("espeak")
def test_text_is_not_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[tuple[str, ...]] = []
    real = asyncio.create_subprocess_exec

    async def watched(*command: str, **options: int) -> asyncio.subprocess.Process:
        commands.append(command)
        return await real(*command, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)

    async def scene() -> None:
        async with Voice() as voice:
            voice.session.say("secret", 1)
            voice.session.finish(1)
            await voice.until(ReplyEnded)

    asyncio.run(scene())
    assert len(commands) == 1
    assert not any("secret" in word for word in commands[0])


def pretend(folder: Path, monkeypatch: pytest.MonkeyPatch, *, afterwards: str) -> None:
    """A program in espeak-ng's place that says a second of silence, and then does as told."""
    with wave.open(str(folder / "silence.wav"), "wb") as file:
        file.setparams((1, 2, 22_050, 0, "NONE", ""))
        file.writeframes(bytes(2 * 22_050))
    program = folder / "espeak-ng"
    program.write_text(f"#!/bin/sh\ncat >&2\ncat {folder / 'silence.wav'}\n{afterwards}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(module, "STUCK_S", 0.2)


@LOOPS
def test_a_program_that_says_nothing_more_and_does_not_end_is_killed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, afterwards="exec sleep 30")

    async def scene() -> None:
        before = children()
        async with Voice() as voice, asyncio.timeout(10):
            voice.session.say("Hello.", 1)
            assert await voice.until(AgentFailed) == AgentFailed("espeak-ng can't speak: TimeoutError")
        assert len(b"".join(voice.audio())) == pytest.approx(8000, abs=200), "what it did say is heard"
        assert children() <= before

    run(scene())


def test_a_pipe_that_somebody_else_holds_open_does_not_keep_the_next_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(tmp_path, monkeypatch, afterwards="sleep 3 &\nwait")  # it is killed, what it has started is not

    async def scene() -> None:
        async with Voice() as voice, asyncio.timeout(2):
            voice.session.say("Hello.", 1)
            await voice.until(ReplyAudio)
            voice.session.cancel(1)
            voice.events.clear()
            voice.session.say("Hello again.", 2)
            await voice.until(ReplyAudio)
            assert voice.audio(2)

    asyncio.run(scene())


def test_a_missing_program_is_named_with_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingProgram, match="sudo apt-get install espeak-ng"):
        asyncio.run(PROVIDER.tts(AgentSettings()).warm_up())


def test_a_program_that_goes_missing_fails_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    async def scene() -> None:
        async with Voice() as voice:
            voice.session.say("Hello.", 1)
            assert await voice.until(AgentFailed) == AgentFailed("espeak-ng can't speak: FileNotFoundError")

    asyncio.run(scene())


@pytest.mark.usefixtures("espeak")
def test_a_voice_that_is_not_there_is_found_out_before_the_first_call() -> None:
    with pytest.raises(ConfigError, match="no voice 'klingonese'"):
        asyncio.run(PROVIDER.tts(AgentSettings(voice="klingonese")).warm_up())


@pytest.mark.usefixtures("espeak")
def test_a_program_that_ends_with_an_error_fails_the_agent() -> None:
    async def scene() -> None:
        async with Voice(voice="klingonese") as voice:
            voice.session.say("Hello.", 1)
            assert await voice.until(AgentFailed) == AgentFailed("espeak-ng ended with an error")

    asyncio.run(scene())


@pytest.mark.usefixtures("espeak")
def test_a_good_voice_warms_up() -> None:
    asyncio.run(PROVIDER.tts(AgentSettings()).warm_up())
