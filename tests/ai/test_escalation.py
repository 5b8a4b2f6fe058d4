"""A caller who needs a person."""

import asyncio
import threading

import pytest
from stand_ins import FACTS, OneCall, StandInLlm, StandInStt, StandInTts, StandInVad
from structlog.testing import capture_logs
from virtual_loop import timeless

from trunkline.ai.base import AgentSession, CallFacts, Emit
from trunkline.ai.cascade import Cascade
from trunkline.ai.escalation import Escalating, Escalation, EscalationWatch
from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    CallAnswered,
    CallerMayBeDone,
    CallerSaid,
    ReplyHeard,
    ReplyText,
    TransferWanted,
)
from trunkline.ai.handover import HandedOver, TakesOver
from trunkline.ai.intents import Intent, Tone, Understanding
from trunkline.audio.format import MULAW_8K, AudioFormat
from trunkline.errors import ConfigError

DESK = "sip:desk@example.org"

RULES: list[tuple[str, Escalation, list[tuple[str, Intent | None]]]] = [
    (
        "those who ask are escalated at once, and once",
        Escalation(),
        [
            ("when are you open", None),
            ("let me speak to a manager", Intent.MANAGER),
            ("a manager please", None),
            ("this is a formal complaint", Intent.ESCALATION),
        ],
    ),
    (
        "one sentence nobody understands is nothing",
        Escalation(),
        [("John Smith", None), ("book a table", None), ("S M I T H", None)],
    ),
    (
        "two in a row are",
        Escalation(),
        [("purple", None), ("monkey", Intent.UNKNOWN), ("dishwasher", None), ("yes", None)],
    ),
    ("words that were not recognised count", Escalation(), [("", None), ("purple", Intent.UNKNOWN)]),
    (
        "the number is the application's choice",
        Escalation(unclear_turns=3),
        [("a", None), ("b", None), ("c", Intent.UNKNOWN)],
    ),
    ("or none", Escalation(unclear_turns=0), [("a", None), ("b", None), ("c", None), ("a person", Intent.PERSON)]),
]


@pytest.mark.parametrize(("rule", "turns"), [case[1:] for case in RULES], ids=[case[0] for case in RULES])
def test_the_rule(rule: Escalation, turns: list[tuple[str, Intent | None]]) -> None:
    watch = EscalationWatch(rule)
    for said, intent in turns:
        found = watch.heard(said)
        assert (found and found.intent) == intent, said


def cascade(llm: StandInLlm, rule: Escalation, *, turns: bool = False) -> Cascade:
    return Cascade(
        vad=StandInVad(),
        stt=StandInStt(turns=turns),
        llm=llm,
        tts=StandInTts(),
        transfer_to=DESK,
        escalation=rule,
    )


@timeless
async def test_a_transfer_is_announced_and_the_model_not_asked() -> None:
    llm = StandInLlm(["Hello."])
    async with OneCall(cascade(llm, Escalation("transfer"))) as call:
        await call.says("hello")
        call.session.tell(ReplyHeard(1, "Hello."), 0)
        await call.says("I want to complain, get me a person")
        assert call.of(ReplyText, TransferWanted)[1:] == [
            ReplyText("I am connecting you now. One moment, please.", 2),
            TransferWanted(DESK),
        ]
    assert len(llm.asked) == 1


@timeless
async def test_a_reply_on_trial_gives_way_to_it() -> None:
    agent = cascade(StandInLlm(["Our manager is away."]), Escalation("transfer"), turns=True)
    async with OneCall(agent) as call:
        assert isinstance(agent.stt, StandInStt)
        agent.stt.emit(CallerMayBeDone("the manager please"))
        await call.idle()
        await call.says("the manager please")
        assert call.of(TransferWanted) == [TransferWanted(DESK)]
        assert ReplyText("Our manager is away.", 1) not in call.events


@timeless
async def test_the_application_is_told_and_the_conversation_goes_on() -> None:
    told: list[tuple[CallFacts, Understanding]] = []

    async def notify(facts: CallFacts, found: Understanding) -> None:
        told.append((facts, found))

    with capture_logs() as lines:
        async with OneCall(cascade(StandInLlm(["I am sorry."]), Escalation("notify", notify))) as call:
            await call.says("this is unacceptable, I want my money back")
            assert call.of(ReplyText, TransferWanted) == [ReplyText("I am sorry.", 1)]
    assert told == [(FACTS, Understanding(Intent.COMPLAINT, told[0][1].confidence, Tone.ANGRY, True))]
    [line] = [line for line in lines if line["event"] == "escalation"]
    assert (line["intent"], line["tone"], line["by"]) == ("complaint", "angry", "notify")
    assert "money" not in repr(lines)


def test_a_plain_function_is_told_aside_and_outlives_the_call() -> None:
    told = threading.Event()
    release = threading.Event()

    def notify(facts: CallFacts, found: Understanding) -> None:
        release.wait(5)
        told.set()

    async def scene() -> None:
        agent = cascade(StandInLlm(["I am sorry."]), Escalation("notify", notify))
        async with OneCall(agent) as call:
            await call.says("a manager please")
            assert call.of(ReplyText)
        release.set()
        await agent.close()
        assert told.is_set()

    asyncio.run(scene())


@timeless
async def test_a_function_that_breaks_or_hangs_harms_nobody() -> None:
    async def broken(facts: CallFacts, found: Understanding) -> None:
        raise ValueError("with private words")

    async def stuck(facts: CallFacts, found: Understanding) -> None:
        await asyncio.sleep(3600)

    for notify, error in [(broken, "ValueError"), (stuck, "TimeoutError")]:
        with capture_logs() as lines:
            agent = cascade(StandInLlm(["Yes."]), Escalation("notify", notify))
            async with OneCall(agent) as call:
                await call.says("a manager please")
                assert call.of(ReplyText) == [ReplyText("Yes.", 1)]
            await agent.close()
        assert [line["exception"] for line in lines if line["event"] == "escalation not told"] == [error]
        assert "private words" not in repr([line["event"] for line in lines])


class Realtime:
    """A model that can't escalate by itself."""

    name = "realtime"
    hears: tuple[AudioFormat, ...] = (MULAW_8K,)
    speaks: tuple[AudioFormat, ...] = (MULAW_8K,)

    def __init__(self) -> None:
        self.seen: list[object] = []

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> AgentSession:
        self.emit = emit
        return self

    def hear(self, audio: bytes, now: float) -> None:
        self.seen.append(audio)

    def tell(self, command: AgentCommand, now: float) -> None:
        self.seen.append(command)

    async def run(self) -> None:
        self.seen.append("run")

    async def warm_up(self) -> None:
        self.seen.append("warm")

    async def close(self) -> None:
        self.seen.append("closed")


@timeless
async def test_any_agent_that_tells_what_the_caller_said_can_be_watched() -> None:
    realtime = Realtime()
    agent = Escalating(realtime, Escalation("transfer"), DESK)
    await agent.warm_up()
    events: list[AgentEvent] = []
    session = agent.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=events.append)
    session.tell(CallAnswered(), 0)
    session.hear(b"audio", 0)
    await session.run()
    realtime.emit(CallerSaid("a manager", final=False))
    assert len(events) == 1
    realtime.emit(CallerSaid("a manager please", final=True))
    assert events[1:] == [CallerSaid("a manager please", final=True), TransferWanted(DESK)]
    await agent.close()
    assert realtime.seen == ["warm", CallAnswered(), b"audio", "run", "closed"]


@timeless
async def test_one_that_can_take_a_call_over_still_can_when_it_is_watched() -> None:
    def opened(model: Realtime) -> AgentSession:
        agent = Escalating(model, Escalation())
        return agent.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=lambda event: None)

    class TakingOver(Realtime):
        def take_over(self, call: HandedOver) -> None:
            self.seen.append(call)

    model = TakingOver()
    session = opened(model)
    assert isinstance(session, TakesOver)
    session.take_over(HandedOver("desk", "", ()))
    assert model.seen == [HandedOver("desk", "", ())]
    assert not isinstance(opened(Realtime()), TakesOver)


def test_a_transfer_to_nobody_stops_the_start() -> None:
    with pytest.raises(ConfigError, match="needs transfer_to"):
        Escalating(Realtime(), Escalation("transfer"))
    with pytest.raises(ConfigError, match="needs transfer_to"):
        Cascade(vad=StandInVad(), llm=StandInLlm(), tts=StandInTts(), escalation=Escalation("transfer"))
