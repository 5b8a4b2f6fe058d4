"""Whatever happens in whatever order, a cascade keeps its word to the call and to its model's server."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence

import pytest
from stand_ins import FACTS, StandInLlm, StandInStt, StandInTts
from virtual_loop import in_no_time

from trunkline.ai.base import Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.cascade import Cascade
from trunkline.ai.escalation import Escalation
from trunkline.ai.events import (
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerMayBeDone,
    CallerSaid,
    CallerWentOn,
    HandOverWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    StageReached,
)
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K
from trunkline.errors import AgentError, ToolError

WORDS = ["hello", "a table for two", "Friday", "mm-hm", "yes", "no wait", "a manager please", "stop", "", "okay okay"]
STEPS = 120


@tool
async def look(seconds: float) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    if seconds > 2:
        raise ToolError("Nothing there.")
    return "seen"


class RandomLlm(StandInLlm):
    """Says and calls whatever comes to its mind, in its own time, and fails now and then."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.dice = dice

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        self.asked.append(tuple(history))
        dice = self.dice
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(dice.choice([0, 0, 0.1, 2]))
            match dice.randrange(12):
                case 0:
                    raise AgentError("gone", then="end turn")
                case 1 | 2 | 3:
                    yield ToolCall("look", f'{{"seconds": {dice.choice([0, 0.5, 3])}}}', dice.choice(["", "a", "b"]))
                case 4:
                    yield ToolCall("hang_up", id="h")
                case 5:
                    yield ToolCall("made_up", "[", "m")
                case _:
                    yield TextDelta(dice.choice(["Yes. ", "One moment, ", "it is so.\n", "…", "Shall I?"]))


class RandomTts(StandInTts):
    """Needs a moment for each piece."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.dice = dice
        self._jobs: asyncio.Queue[AgentEvent] = asyncio.Queue()
        self.dead: set[int] = set()

    def _out(self, event: AgentEvent) -> None:
        self._jobs.put_nowait(event)

    def cancel(self, generation: int) -> None:
        self.dead.add(generation)

    async def run(self) -> None:
        while True:
            event = await self._jobs.get()
            await asyncio.sleep(self.dice.choice([0, 0, 0.05]))
            if getattr(event, "generation", 0) not in self.dead:
                self.emit(event)


class RandomCall:
    """The call's side, which keeps its own word: for each reply that sounded it tells one of the two."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.llm, self.stt = RandomLlm(dice), StandInStt(turns=True)
        self.cascade = Cascade(
            stt=self.stt,
            llm=self.llm,
            tts=RandomTts(dice),
            greeting="Hello.",
            tools=[look],
            transfer_to="sip:desk@example.org",
            escalation=Escalation(dice.choice(["transfer", "notify"])),
        )
        self.session = self.cascade.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=self.told)
        self.begun: list[int] = []
        self.open: dict[int, list[str]] = {}  # begun, and neither heard nor interrupted
        self.sounded: set[int] = set()
        self.ended: set[int] = set()
        self.cut: set[int] = set()
        self.speaking = False

    def told(self, event: AgentEvent) -> None:
        match event:
            case ReplyStarted(generation):
                assert not self.begun or generation > self.begun[-1]
                assert not self.open, "one reply at a time"
                self.begun.append(generation)
                self.open[generation] = []
            case ReplyText(text, generation):
                assert generation in self.open, "nothing of a reply that is not, or no more"
                self.open[generation].append(text)
            case ReplyAudio(_, generation):
                assert generation in self.open
                assert generation not in self.ended
                self.sounded.add(generation)
            case ReplyEnded(generation):
                assert generation in self.open
                assert generation not in self.ended
                self.ended.add(generation)
                if generation not in self.sounded:
                    del self.open[generation]
            case StageReached(_, generation):
                assert generation in self.open
            case AgentFailed():
                raise AssertionError("nothing here ends a call")
            case HandOverWanted():
                raise AssertionError("nobody wants that")
            case _:
                pass

    async def step(self) -> None:
        dice, stt = self.dice, self.stt
        match dice.randrange(9):
            case 0 | 1 if not self.speaking:
                self.speaking = True
                stt.emit(SpeechStarted(0))
            case 0 | 1:
                self.speaking = False
                stt.emit(SpeechStopped(dice.choice([100, 900])))
                await asyncio.sleep(dice.choice([0, 0.2]))
                stt.emit(CallerSaid(dice.choice(WORDS), final=True))
            case 2 if self.speaking:
                stt.emit(CallerMayBeDone(dice.choice(WORDS)))
            case 3 if self.speaking:
                stt.emit(CallerWentOn())
            case 4:
                self.interrupt()
                self.session.tell(KeyPressed(dice.choice("19*")), 0)
            case 5:
                self.interrupt()
            case 6 | 7:
                for generation in [each for each in self.open if each in self.ended]:
                    self.session.tell(ReplyHeard(generation, " ".join(self.open.pop(generation))), 0)
            case _:
                pass
        await asyncio.sleep(dice.choice([0, 0, 0.01, 0.3, 1, 5, 9]))

    def interrupt(self) -> None:
        for generation in [each for each in self.open if each in self.sounded]:
            words = " ".join(self.open.pop(generation)).split()
            heard = " ".join(words[: self.dice.randrange(len(words) + 1)])
            self.session.tell(ReplyInterrupted(generation, 10, heard), 0)
            self.cut.add(generation)


def check(history: Sequence[Message]) -> None:
    """A call's results follow it at once, one each, and nothing else does."""
    due: list[str] = []
    for line in history:
        if line.role == "tool":
            due.remove(line.tool_call_id)
            assert line.text
        else:
            assert not due, "a call without its result"
        due += [call.id for call in line.tool_calls]
        assert len(set(due)) == len(due)
        assert line.text or line.tool_calls or line.role == "voice"
    assert not due


@pytest.mark.parametrize("seed", range(60))
def test_a_cascade_keeps_its_word(seed: int) -> None:
    async def scene() -> None:
        call = RandomCall(random.Random(seed))
        task = asyncio.create_task(call.session.run())
        await asyncio.sleep(0)
        call.session.tell(CallAnswered(), 0)
        for _ in range(STEPS):
            await call.step()
            assert not task.done()
        if call.speaking:
            call.stt.emit(SpeechStopped(900))
            call.stt.emit(CallerSaid("goodbye", final=True))
        for _ in range(20):  # it comes to rest, and does not stay silent for good
            await asyncio.sleep(20)
            for generation in [each for each in call.open if each in call.ended]:
                call.session.tell(ReplyHeard(generation, " ".join(call.open.pop(generation))), 0)
        begun = len(call.begun)
        call.stt.emit(SpeechStarted(0))
        call.stt.emit(SpeechStopped(900))
        call.stt.emit(CallerSaid("are you there", final=True))
        await asyncio.sleep(1)
        assert len(call.begun) > begun or call.open, "it answers still"
        task.cancel()
        await asyncio.wait([task])
        for history in call.llm.asked:
            check(history)

    in_no_time(scene())
