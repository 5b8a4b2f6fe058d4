"""The shell on a real event loop. Nothing here waits for time but for events."""

import asyncio
from typing import Any

import pytest
from small_world import FRAME, SPEC, STARTED, SmallAgent, SmallCodec

from trunkline.ai.events import HangUpWanted, ReplyAudio
from trunkline.call.runner import CallRunner
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.wire.base import HttpCall
from trunkline.wire.events import AudioHeard, PlayAudio, StreamStopped

PRIVATE = "secret words"


class Busy(SmallAgent):
    """An agent with work of its own: it waits to be cancelled, or raises when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.running = asyncio.Event()
        self.cancelled = False
        self.may_raise = asyncio.Event()

    async def run(self) -> None:
        self.running.set()
        try:
            await self.may_raise.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        raise LookupError(PRIVATE)


class Sink:
    def __init__(self) -> None:
        self.pcm = bytearray()
        self.opened = self.closed = 0

    def open(self, session: CallSession) -> None:
        self.opened += 1
        session.recording = "somewhere"

    def write(self, pcm: bytes) -> None:
        assert self.opened == 1
        self.pcm += pcm

    async def close(self) -> None:
        self.closed += 1


class Shell:
    """One runner and all it needs."""

    def __init__(self, settings: CallSettings | None = None) -> None:
        self.agent = Busy()
        self.codec = SmallCodec()
        self.closed: list[int] = []
        self.closing = asyncio.Event()
        self.lines: list[tuple[str, str, dict[str, Any]]] = []
        self.sink = Sink()
        self.runner = CallRunner(
            codec=self.codec,
            spec=SPEC,
            model=self.agent,
            settings=settings or CallSettings(),
            link=self,
            http=self.http,
            log=lambda level, event, fields: self.lines.append((level, event, fields)),
            sink=self.sink,
        )

    def send_text(self, data: bytes) -> None: ...

    def send_binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None:
        self.closed.append(code)
        self.closing.set()

    def buffered(self) -> int:
        return 0

    async def http(self, call: HttpCall) -> None: ...

    def receive(self, happening: Any) -> None:
        self.runner.received(self.codec.message(happening), False)


def test_a_call_runs_from_its_start_to_its_record() -> None:
    async def scene() -> None:
        shell = Shell()
        task = asyncio.create_task(shell.runner.run())
        shell.receive(STARTED)
        await shell.agent.running.wait()
        shell.receive(AudioHeard(FRAME))
        shell.receive(StreamStopped("caller hung up"))
        record = await task
        assert (record.state, record.end_reason) == (CallState.ENDED, "caller hung up")
        assert record.ended_at is not None
        assert record.ledger.caller.delivered == 160
        assert shell.agent.cancelled
        assert shell.closed == [1000]

    asyncio.run(scene())


def test_an_agent_whose_work_raises_ends_its_own_call_and_no_other() -> None:
    async def scene() -> None:
        broken, well = Shell(), Shell()
        tasks = [asyncio.create_task(shell.runner.run()) for shell in (broken, well)]
        for shell in (broken, well):
            shell.receive(STARTED)
            await shell.agent.running.wait()
        broken.agent.may_raise.set()
        record = await tasks[0]
        assert (record.state, broken.closed) == (CallState.FAILED, [1011])
        assert any(event == "agent raised" for _, event, _ in broken.lines)
        assert all(PRIVATE not in str(fields) for _, _, fields in broken.lines)
        assert not tasks[1].done()
        well.receive(StreamStopped("caller hung up"))
        assert (await tasks[1]).state is CallState.ENDED

    asyncio.run(scene())


def test_a_cancelled_runner_cancels_its_agent() -> None:
    async def scene() -> None:
        shell = Shell()
        task = asyncio.create_task(shell.runner.run())
        shell.receive(STARTED)
        await shell.agent.running.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert shell.agent.cancelled

    asyncio.run(scene())


def test_a_cancelled_runner_finishes_its_recording() -> None:
    async def scene() -> None:
        shell = Shell(CallSettings(record=True))
        task = asyncio.create_task(shell.runner.run())
        shell.receive(STARTED)
        await shell.agent.running.wait()
        shell.runner.save(bytes(4))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (shell.sink.opened, shell.sink.closed) == (1, 1)

    asyncio.run(scene())


def test_a_call_that_is_over_before_it_runs_returns_at_once() -> None:
    async def scene() -> None:
        shell = Shell()
        shell.receive(STARTED)
        shell.runner.lost("gone")
        record = await asyncio.wait_for(shell.runner.run(), 5)
        assert record.state is CallState.FAILED

    asyncio.run(scene())


def test_the_timer_fires_by_itself() -> None:
    async def scene() -> None:
        shell = Shell(CallSettings(start_timeout_s=0.01))
        record = await shell.runner.run()
        assert (record.state, shell.closed) == (CallState.FAILED, [1008])

    asyncio.run(scene())


def test_the_timer_moves_to_an_earlier_moment_when_there_is_audio_to_send() -> None:
    async def scene() -> None:
        shell = Shell(CallSettings(lead_ms=20))
        task = asyncio.create_task(shell.runner.run())
        shell.receive(STARTED)
        shell.agent.emit(ReplyAudio(FRAME * 4, 1))  # 80 ms, where a second would pass before the next look
        shell.agent.emit(HangUpWanted())
        sent = asyncio.Event()
        began = asyncio.get_running_loop().time()
        shell.codec.on_send = lambda command: sent.set() if _audio(shell) >= 640 else None
        assert _audio(shell) < 640
        await sent.wait()
        assert asyncio.get_running_loop().time() >= began + 0.04, "paced"
        shell.receive(StreamStopped("bye"))
        await task

    def _audio(shell: Shell) -> int:
        return sum(len(command.audio) for command in shell.codec.sent if isinstance(command, PlayAudio))

    asyncio.run(scene())


def test_the_sink_gets_the_whole_recording() -> None:
    async def scene() -> None:
        shell = Shell(CallSettings(record=True))
        task = asyncio.create_task(shell.runner.run())
        shell.receive(STARTED)
        for _ in range(100):
            shell.receive(AudioHeard(FRAME))
        shell.receive(StreamStopped("caller hung up"))
        record = await task
        assert len(shell.sink.pcm) == 4 * record.samples == 4 * 160 * 100
        assert (shell.sink.opened, shell.sink.closed, record.recording) == (1, 1, "somewhere")

    asyncio.run(scene())


def test_without_the_wish_the_sink_is_left_alone() -> None:
    async def scene() -> None:
        shell = Shell()
        task = asyncio.create_task(shell.runner.run())
        shell.receive(STARTED)
        shell.receive(AudioHeard(FRAME))
        shell.runner.lost("gone")
        await task
        assert (shell.sink.opened, shell.sink.closed) == (0, 0)

    asyncio.run(scene())
