"""Cascades in whole calls, on virtual time: the product's own call around them, a platform without marks."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
from stand_ins import StandInLlm, StandInStt, StandInTts, StandInVad
from virtual_loop import timeless

from trunkline.ai.base import AgentModel, Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import (
    CallerMayBeDone,
    CallerSaid,
    HandOverWanted,
    ReplyAudio,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    Stage,
    StageReached,
)
from trunkline.ai.handover import HandingOver
from trunkline.ai.manners import Manners
from trunkline.ai.tools import tool
from trunkline.audio.format import MULAW_8K
from trunkline.call.runner import CallRunner
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.wire.base import HttpCall, Output, WireSpec
from trunkline.wire.events import AudioHeard, HangUp, StreamStarted, StreamStopped, WireCommand, WireEvent

SPEC = WireSpec("plain", "Plain", "/media/plain", clears=True)
SECONDS_PER_LETTER = 0.06  # whole frames
SILENT = MULAW_8K.silence(160)


class SpeakingTts(StandInTts):
    """Each letter lasts."""

    def say(self, text: str, generation: int) -> None:
        self.emit(StageReached(Stage.SYNTHESIS_STARTED, generation))
        self.emit(StageReached(Stage.SYNTHESIS_FIRST_BYTE, generation))
        self.emit(ReplyText(text, generation))
        self.emit(ReplyAudio(b"\x55" * int(8000 * SECONDS_PER_LETTER * len(text)), generation))


class ThinkingLlm(StandInLlm):
    """Takes its time before the first word."""

    def __init__(self, *replies: Sequence[str | ToolCall | Exception], seconds: float) -> None:
        super().__init__(*replies)
        self.seconds = seconds

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        await asyncio.sleep(self.seconds)
        async for delta in super().reply(history, tools):
            yield delta


class Line:
    """One call. Its caller is silent, or says what the test says. Codec and socket in one."""

    def __init__(self, model: AgentModel) -> None:
        self.replies: list[Output] = []
        self._events: list[WireEvent] = []
        self.sent: list[tuple[float, WireCommand]] = []
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()
        self.runner = CallRunner(
            codec=self,
            spec=SPEC,
            model=model,
            settings=CallSettings(),
            link=self,
            http=self._http,
            log=lambda level, event, fields: None,
        )

    async def __aenter__(self) -> "Line":
        self._task = asyncio.create_task(self.runner.run())
        self.happens(StreamStarted("call", "stream", MULAW_8K, MULAW_8K))
        self._frames = asyncio.create_task(self._go_on())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._frames.cancel()
        self.happens(StreamStopped("caller hung up"))
        await self._task

    @property
    def session(self) -> CallSession:
        return self.runner.session

    @property
    def said(self) -> list[tuple[str, str]]:
        """What both said, as the call's record has it."""
        return [(said.speaker, said.text) for said in self.session.transcript]

    def happens(self, event: WireEvent) -> None:
        self._events.append(event)
        self.runner.received(b"", False)

    async def _go_on(self) -> None:
        for frame in range(1_000_000):
            await asyncio.sleep(self.began + 0.02 * (frame + 1) - self._loop.time())
            self.happens(AudioHeard(SILENT))

    def here_ms(self) -> float:
        return 1000 * (self._loop.time() - self.began)

    async def says(self, cascade: Cascade, text: str, *, seconds: float = 1.0, guess: str = "") -> None:
        """The caller speaks; detector and recogniser are as fast as light."""
        ears = cascade.vad or cascade.stt
        assert isinstance(ears, StandInVad | StandInStt)
        assert isinstance(cascade.stt, StandInStt)
        ears.emit(SpeechStarted(self.here_ms()))
        await asyncio.sleep(seconds)
        if guess:
            cascade.stt.emit(CallerMayBeDone(guess))
            await asyncio.sleep(0.4)
        ears.emit(SpeechStopped(self.here_ms()))
        cascade.stt.emit(CallerSaid(text, final=True))

    # --- the platform and its socket ---

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireEvent]:
        return (self._events.pop(0),)

    def send(self, command: WireCommand) -> Sequence[Output]:
        self.sent.append((self._loop.time() - self.began, command))
        return ()

    def send_text(self, data: bytes) -> None: ...

    def send_binary(self, data: bytes) -> None: ...

    def close(self, code: int, reason: str) -> None: ...

    def buffered(self) -> int:
        return 0

    async def _http(self, call: HttpCall) -> None: ...


def cascade(llm: StandInLlm, *, greeting: str = "", turns: bool = False, **more: object) -> Cascade:
    return Cascade(
        vad=StandInVad(),
        stt=StandInStt(turns=turns),
        llm=llm,
        tts=SpeakingTts(),
        greeting=greeting,
        **more,  # type: ignore[arg-type]
    )


@timeless
async def test_a_silent_caller_is_asked_and_then_the_call_is_ended_after_the_goodbye() -> None:
    manners = Manners(no_input_prompts=("Are you there?",), goodbye="Goodbye!")
    async with Line(cascade(StandInLlm(), greeting="Hello.", manners=manners)) as line:
        await asyncio.sleep(30)
        assert line.said == [("agent", "Hello."), ("agent", "Are you there?"), ("agent", "Goodbye!")]
        [(at, hang_up)] = [(at, command) for at, command in line.sent if isinstance(command, HangUp)]
        assert hang_up == HangUp("no input")
        spoken = SECONDS_PER_LETTER * len("Hello.Are you there?Goodbye!")
        assert at == pytest.approx(16 + spoken, abs=0.5)
    assert line.session.ledger.balances


@tool
async def look() -> str:
    """Takes its time."""
    await asyncio.sleep(4)
    return "seven"


@timeless
async def test_a_slow_function_is_covered_by_a_filler_which_the_caller_hears() -> None:
    llm = StandInLlm(["I look.", ToolCall("look", id="a")], ["At seven."], ["Bye."])
    agent = cascade(llm, tools=[look], manners=Manners(fillers=("Moment.",)))
    async with Line(agent) as line:
        await asyncio.sleep(1)
        await line.says(agent, "when")
        await asyncio.sleep(8)
        assert line.said == [("caller", "when"), ("agent", "I look. Moment. At seven.")]
        await line.says(agent, "thanks")
        await asyncio.sleep(1)
    assert [line.text for line in llm.asked[2]] == ["when", "I look.", '"seven"', "At seven.", "thanks"]


@timeless
async def test_a_caller_who_interrupts_a_function_is_answered_and_the_call_kept() -> None:
    llm = StandInLlm(["Let me have a look at that.", ToolCall("look", id="a")], ["All right."])
    agent = cascade(llm, tools=[look], manners=Manners(fillers=()))
    async with Line(agent) as line:
        await asyncio.sleep(1)
        await line.says(agent, "when")
        await asyncio.sleep(0.75)
        await line.says(agent, "never mind")
        await asyncio.sleep(3)
        assert line.said == [
            ("caller", "when"),
            ("agent", "Let me have"),
            ("caller", "never mind"),
            ("agent", "All right."),
        ]
        assert line.session.barge_ins == 1
    assert [message.role for message in llm.asked[1]] == ["caller", "agent", "tool", "caller"]
    assert llm.asked[1][1].text == "Let me have"


@pytest.mark.parametrize(("words", "answered"), [("cancel it please", True), ("okay", False), ("hello?", False)])
def test_words_into_the_silence_over_a_function_are_answered_after_it(words: str, answered: bool) -> None:
    @timeless
    async def scene() -> None:
        llm = StandInLlm(["I look.", ToolCall("look", id="a")], ["At seven."], ["All right."])
        agent = cascade(llm, tools=[look], manners=Manners(fillers=()))
        async with Line(agent) as line:
            await asyncio.sleep(1)
            await line.says(agent, "when")
            await asyncio.sleep(1)
            await line.says(agent, words)
            await asyncio.sleep(6)
            said = [("caller", "when"), ("caller", words), ("agent", "I look. At seven."), ("agent", "All right.")]
            assert line.said == (said if answered else said[:-1])
        if answered:
            roles = [message.role for message in llm.asked[2]]
            assert roles == ["caller", "agent", "tool", "agent", "caller"]

    scene()


@timeless
async def test_a_right_guess_saves_what_the_model_took_and_the_record_tells_how_long_that_was() -> None:
    waited = {}
    for guess in ("", "when are you open"):
        agent = cascade(ThinkingLlm(["At nine."], seconds=0.3), turns=True)
        async with Line(agent) as line:
            await asyncio.sleep(1)
            await line.says(agent, "When are you open?", guess=guess)
            await asyncio.sleep(3)
            [turn] = line.session.turns
        assert turn.latency.llm_ms == pytest.approx(300, abs=1)
        assert turn.latency.model_ms == pytest.approx(300, abs=1)
        waited[guess] = turn.latency.total_ms
        assert line.session.ledger.agent.cleared == 0
    assert waited[""] == pytest.approx(300, abs=25)
    assert waited["when are you open"] == pytest.approx(0, abs=25)


@timeless
async def test_a_wrong_guess_is_not_heard_of() -> None:
    llm = StandInLlm(["For one."], ["For four."])
    agent = cascade(llm, turns=True)
    async with Line(agent) as line:
        await asyncio.sleep(1)
        await line.says(agent, "a table for four", guess="a table")
        await asyncio.sleep(3)
        assert line.said == [("caller", "a table for four"), ("agent", "For four.")]
        assert line.session.barge_ins == 0
    voice = line.session.ledger.agent
    assert voice.generated - voice.padding == int(8000 * SECONDS_PER_LETTER * len("For four."))


@tool
async def pass_on() -> HandOverWanted:
    """To billing."""
    return HandOverWanted("billing")


@timeless
async def test_a_call_that_is_handed_over_sounds_like_one() -> None:
    desk = cascade(StandInLlm(["I pass you on.", ToolCall("pass_on", id="a")]), greeting="Hello.", tools=[pass_on])
    bill_llm = StandInLlm(["Which bill?"], ["It is paid."])
    billing = cascade(bill_llm)
    async with Line(HandingOver({"desk": desk, "billing": billing}, "desk")) as line:
        await asyncio.sleep(1)
        await line.says(desk, "my bill")
        await asyncio.sleep(3)
        await line.says(billing, "the last one")
        await asyncio.sleep(3)
        assert line.said == [
            ("agent", "Hello."),
            ("caller", "my bill"),
            ("agent", "I pass you on."),
            ("agent", "Which bill?"),
            ("caller", "the last one"),
            ("agent", "It is paid."),
        ]
    assert line.session.ledger.balances
    assert [message.text for message in bill_llm.asked[1][1:]] == [
        "Hello.",
        "my bill",
        "I pass you on.",
        "Which bill?",
        "the last one",
    ]
