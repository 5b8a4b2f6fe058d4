"""Whole calls over VoiceAI Connect on virtual time, on good and bad lines, with the product's call in the middle."""

from collections.abc import Sequence
from typing import Any

import pytest
from audiocodes_calls import BASE, CALL, CALLEE, CALLER, door, phone

from trunkline.ai.events import DigitsWanted, HangUpWanted, TransferWanted
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.call.settings import BargeIn, CallSettings
from trunkline.testing.agents import Answer, Reply, ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.echo import compare
from trunkline.testing.link import Line, VirtualLink
from trunkline.testing.network import Conditions, dropping
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone, never
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, InterruptReply, PressKey, Say, Wait, WaitForReply
from trunkline.testing.sounds import murmur
from trunkline.wire._audiocodes_phone import AudioCodesPhone
from trunkline.wire.audiocodes import SPEC
from trunkline.wire.base import GatewayCodec, TextFrame
from trunkline.wire.events import AudioHeard, EndUtterance, PlayAudio, TellSpeech, WireCommand

WIRES = [PCM16_16K, PCM16_24K, PCM16_8K, MULAW_8K]
STALLS = tuple((s, s + 0.2) for s in range(1, 12))
LINES = [
    ("good", Line(), 0.0),
    ("far away", Line(up=Conditions(latency_ms=120), down=Conditions(latency_ms=80)), 0.0),
    ("5 % of the frames lost", Line(), 0.05),
    ("stalls of 200 ms", Line(up=Conditions(stalls=STALLS), down=Conditions(stalls=STALLS)), 0.0),
    ("jitter", Line(up=Conditions(jitter_ms=60, seed=1), down=Conditions(jitter_ms=60, seed=2)), 0.0),
    ("slow reader", Line(down=Conditions(bytes_per_s=60_000)), 0.0),
]


class Noting(AudioCodesPhone):
    """Remembers what the gateway wanted of it."""

    done: list[WireCommand]

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        commands = super().receive(data, binary=binary, now=now)
        self.done += commands
        return commands


class HalfDuplex(Noting):
    """A connection without barge-in, as some are: while the bot speaks the caller's audio is not sent (§7.5)."""

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        commands = super().receive(data, binary=binary, now=now)
        if data.startswith(b'{"type":"playStream.start"'):
            self.deafen()
        elif EndUtterance() in commands:
            self.listen()
        return commands


def voice(ms: int, wire: AudioFormat = PCM16_16K) -> bytes:
    return murmur(wire, ms, seed=ms)


def reply(text: str, ms: int, wire: AudioFormat = PCM16_16K, **options: Any) -> Reply:
    return Reply(((text, voice(ms, wire)),), **options)


def bridged(
    agent: ScriptedAgent,
    script: list[Action],
    line: Line,
    loss: float = 0.0,
    *,
    wire: AudioFormat = PCM16_16K,
    kind: type[Noting] = Noting,
    settings: CallSettings | None = None,
) -> tuple[Outcome, BridgeEnd, Noting]:
    """A call by a telephone that showed its token, to a gateway that knows what the agent speaks."""
    entrance = door()
    entrance.prefer(agent.hears, agent.speaks)
    token = phone().media(BASE, None).headers["authorization"].removeprefix("Bearer ")
    far = kind(token=token, conversation_id=CALL, caller=CALLER, callee=CALLEE, offers=[wire])
    far.done = []
    codec = admit(far, entrance, base_url=BASE)
    telephone = Phone(far, script, wire=wire, drops=dropping(loss, seed=3) if loss else never)
    settings = settings or CallSettings(record=True)
    ours = bridge_end(codec=codec, spec=SPEC, model=agent, settings=settings)
    return *play(telephone, ours, line=line, also=[agent]), far


def conversation(wire: AudioFormat = PCM16_16K) -> list[Action]:
    return [
        WaitForReply(500),
        Say(voice(1000, wire)),
        InterruptReply(1200, voice(900, wire)),
        WaitForReply(600),
        PressKey("5"),
        WaitForReply(600),
        HangUp(),
    ]


def receptionist(wire: AudioFormat = PCM16_16K) -> ScriptedAgent:
    return ScriptedAgent(
        [
            Answer("a table please", reply("certainly, for how many, and on which day", 4000, wire)),
            Answer("no wait", reply("yes?", 800, wire)),
        ],
        greeting=reply("good morning", 1500, wire),
        keys={"5": reply("five", 700, wire)},
        wire=wire,
    )


@pytest.mark.parametrize(("why", "line", "loss"), LINES, ids=[line[0] for line in LINES])
def test_a_conversation_with_barge_in_and_key_keeps_its_books_on_every_line(why: str, line: Line, loss: float) -> None:
    outcome, gateway, _ = bridged(receptionist(), conversation(), line, loss)
    assert outcome.ok, outcome.log
    assert not outcome.replies_missing
    assert len(outcome.turns) == 3
    assert outcome.ear.cleared > 0
    session = gateway.session
    assert session is not None
    assert session.ledger.balances
    assert session.barge_ins == 1
    assert [key.digit for key in session.keys] == ["5"]
    assert (outcome.frames_lost > 0) == (loss > 0)
    assert len(gateway.recording) == 4 * session.samples


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_conversation_goes_in_every_format(wire: AudioFormat) -> None:
    outcome, gateway, _ = bridged(receptionist(wire), conversation(wire), Line(), wire=wire)
    assert outcome.ok, outcome.log
    assert not outcome.underruns
    assert gateway.session is not None
    assert gateway.session.samples == len(outcome.said) // wire.sample_bytes
    assert gateway.session.caller == CALLER
    assert gateway.session.parameters == {}, "the telephone told of nothing but the numbers"
    assert gateway.session.ledger.balances


def test_an_agent_of_another_format_is_understood_all_the_same() -> None:
    outcome, gateway, _ = bridged(receptionist(PCM16_24K), conversation(PCM16_8K), Line(), wire=PCM16_8K)
    assert outcome.ok, outcome.log
    assert len(outcome.turns) == 3
    assert gateway.session is not None
    assert gateway.session.ledger.balances


def test_the_platform_is_told_when_the_caller_speaks_and_when_no_more() -> None:
    _, _, far = bridged(receptionist(), conversation(), Line())
    spoke = [command.speaking for command in far.done if isinstance(command, TellSpeech)]
    assert spoke == [True, False, True, False]


def test_where_interrupting_is_not_wanted_nothing_is_cut() -> None:
    settings = CallSettings(barge_in=BargeIn(enabled=False))
    outcome, gateway, _ = bridged(receptionist(), conversation(), Line(), settings=settings)
    assert outcome.balanced
    assert [clear for clear in outcome.clears if clear.samples] == []
    assert gateway.session is not None
    assert gateway.session.ledger.balances


def test_a_platform_that_stops_listening_while_the_agent_speaks_loses_nothing_of_the_answers() -> None:
    script: list[Action] = [
        WaitForReply(800),
        Say(voice(1000)),
        WaitForReply(800),
        Say(voice(900)),
        WaitForReply(800),
        HangUp(),
    ]
    outcome, gateway, _ = bridged(receptionist(), script, Line(), kind=HalfDuplex)
    assert outcome.ok, outcome.log
    assert not outcome.replies_missing
    session = gateway.session
    assert session is not None
    assert session.ledger.balances
    assert session.ledger.caller.concealed > 16 * (1500 + 4000)  # the holes are as long as the replies were
    assert session.samples == pytest.approx(len(outcome.said) // 2, abs=16 * 60)


def test_it_may_stop_listening_for_as_long_as_the_agent_speaks() -> None:
    agent = ScriptedAgent([Answer("yes", reply("and so on", 400))], greeting=reply("once", 45_000), wire=PCM16_16K)
    script: list[Action] = [WaitForReply(800, timeout_ms=60_000), Say(voice(600)), WaitForReply(600), HangUp()]
    outcome, gateway, _ = bridged(agent, script, Line(), kind=HalfDuplex)
    assert outcome.ok, outcome.log
    assert not outcome.replies_missing
    assert gateway.session is not None
    assert gateway.session.ledger.balances


@pytest.mark.parametrize("at_s", [0.005, 0.5, 2.51, 4.0])
def test_a_socket_lost_in_the_midst_of_a_word_ends_the_call_with_its_books_in_order(at_s: float) -> None:
    settings = CallSettings(record=True, resume_timeout_s=2)
    outcome, gateway, _ = bridged(receptionist(), conversation(), Line(lost_at_s=at_s), settings=settings)
    assert outcome.ended
    assert outcome.ended.by == "network"
    assert outcome.balanced
    assert gateway.session is not None
    assert gateway.session.ledger.balances


def test_the_agent_may_press_keys_and_pass_the_caller_on() -> None:
    agent = ScriptedAgent(
        cues=[(200, DigitsWanted("12#"))],
        greeting=reply("one moment", 500, then=TransferWanted("+15005550002")),
        wire=PCM16_16K,
    )
    outcome, gateway, far = bridged(agent, [], Line())
    assert outcome.ok, outcome.log
    assert outcome.ended
    assert (outcome.ended.by, outcome.ended.reason) == ("gateway", "transferred")
    assert [type(command).__name__ for command in far.done if not isinstance(command, PlayAudio)] == [
        "SendDigits",
        "EndUtterance",
        "Transfer",
    ]
    assert gateway.session is not None
    assert gateway.session.end_reason == "transferred"


def test_the_agent_may_hang_up_once_it_was_heard() -> None:
    agent = ScriptedAgent(greeting=reply("goodbye", 900, then=HangUpWanted("all said")), wire=PCM16_16K)
    outcome, gateway, _ = bridged(agent, [], Line())
    assert outcome.ok, outcome.log
    assert outcome.ended
    assert (outcome.ended.by, outcome.ended.reason) == ("gateway", "all said")
    assert voice(900) in outcome.heard
    assert gateway.session is not None
    assert gateway.session.end_reason == "all said"


class EchoGateway:
    """Gives back every frame at once."""

    def __init__(self, codec: GatewayCodec, link: VirtualLink) -> None:
        self.deadline: float | None = None
        self._codec = codec
        self._link = link

    def received(self, data: bytes, binary: bool, now: float) -> None:
        events = self._codec.receive(data, binary=binary, now=now)
        outputs = [*self._codec.replies]
        self._codec.replies.clear()
        for event in events:
            if isinstance(event, AudioHeard):
                outputs += self._codec.send(PlayAudio(event.audio))
        for output in outputs:
            if isinstance(output, TextFrame):
                self._link.send_text(output.data)

    def lost(self, reason: str, now: float) -> None: ...

    def tick(self, now: float) -> None: ...


@pytest.mark.parametrize(("why", "line", "loss"), [LINES[0], *LINES[3:]], ids=["good", "stalls", "jitter", "slow"])
def test_an_echo_gives_back_the_speech_bit_for_bit(why: str, line: Line, loss: float) -> None:
    far = phone()
    codec = admit(far, door(), base_url=BASE)
    telephone = Phone(far, [Wait(500), Say(voice(3000)), Wait(1000), HangUp()], wire=PCM16_16K)
    outcome, _ = play(telephone, lambda link, clock: EchoGateway(codec, link), line=line)
    assert outcome.ok, outcome.log
    assert compare(outcome.said, outcome.heard, PCM16_16K).missing == 0
