"""Whole calls over the open protocol on virtual time, on good and bad lines, with the product's call in the middle."""

from collections.abc import Sequence
from typing import Any

import pytest
from open_calls import BASE, door, phone

from trunkline.ai.events import DigitsWanted, HangUpWanted, TransferWanted
from trunkline.audio.format import PCM16_16K
from trunkline.call.settings import CallSettings
from trunkline.errors import Refused
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
from trunkline.wire._open_messages import Carriage
from trunkline.wire._open_phone import OpenPhone
from trunkline.wire.base import BinaryFrame, GatewayCodec, Output, TextFrame
from trunkline.wire.events import (
    AudioHeard,
    MarkReached,
    PlayAudio,
    TellTranscript,
    TellTurnEnd,
    WireCommand,
    WireEvent,
)
from trunkline.wire.open import SPEC

CARRIAGES: list[Carriage] = ["binary", "json"]
STALLS = tuple((s, s + 0.2) for s in range(1, 12))
LINES = [
    ("good", Line(), 0.0),
    ("5 % of the frames lost", Line(), 0.05),
    ("stalls of 200 ms", Line(up=Conditions(stalls=STALLS), down=Conditions(stalls=STALLS)), 0.0),
    ("jitter", Line(up=Conditions(jitter_ms=60, seed=1), down=Conditions(jitter_ms=60, seed=2)), 0.0),
    ("slow reader", Line(down=Conditions(bytes_per_s=60_000)), 0.0),
]


def voice(ms: int) -> bytes:
    return murmur(PCM16_16K, ms, seed=ms)


def reply(text: str, ms: int, **options: Any) -> Reply:
    return Reply(((text, voice(ms)),), **options)


class Noting(OpenPhone):
    """Remembers what it was told about the conversation."""

    def __init__(self, like: OpenPhone) -> None:
        self.__dict__.update(like.__dict__)
        self.told: list[WireCommand] = []

    def receive(self, data: bytes, *, binary: bool, now: float) -> list[WireCommand]:
        commands = [*super().receive(data, binary=binary, now=now)]
        self.told += [command for command in commands if isinstance(command, TellTranscript | TellTurnEnd)]
        return commands


def let_in(carriage: Carriage, script: list[Action], loss: float = 0.0) -> tuple[Phone, Noting, GatewayCodec]:
    """A telephone that showed its token, and the gateway's codec for it."""
    far = Noting(phone(carriage))
    drops = dropping(loss, seed=3) if loss else never
    return Phone(far, script, wire=PCM16_16K, drops=drops), far, admit(far, door(), base_url=BASE)


def bridged(
    carriage: Carriage, agent: ScriptedAgent, script: list[Action], line: Line, loss: float = 0.0
) -> tuple[Outcome, BridgeEnd, Noting]:
    telephone, far, codec = let_in(carriage, script, loss)
    ours = bridge_end(codec=codec, spec=SPEC, model=agent, settings=CallSettings(record=True))
    return *play(telephone, ours, line=line, also=[agent]), far


CONVERSATION: list[Action] = [
    WaitForReply(500),
    Say(voice(1000)),
    InterruptReply(1200, voice(900)),
    WaitForReply(600),
    PressKey("5"),
    WaitForReply(600),
    HangUp(),
]


def receptionist() -> ScriptedAgent:
    return ScriptedAgent(
        [
            Answer("a table please", reply("certainly, for how many, and on which day", 4000), partial="a ta"),
            Answer("no wait", reply("yes?", 800)),
        ],
        greeting=reply("good morning", 1500),
        keys={"5": reply("five", 700)},
        wire=PCM16_16K,
    )


@pytest.mark.parametrize("carriage", CARRIAGES)
@pytest.mark.parametrize(("why", "line", "loss"), LINES, ids=[line[0] for line in LINES])
def test_a_conversation_with_barge_in_and_key_keeps_its_books_on_every_line(
    why: str, line: Line, loss: float, carriage: Carriage
) -> None:
    outcome, gateway, _ = bridged(carriage, receptionist(), CONVERSATION, line, loss)
    assert outcome.ok, outcome.log
    assert not outcome.replies_missing
    assert outcome.ear.cleared > 0
    session = gateway.session
    assert session is not None
    assert session.ledger.balances
    assert session.barge_ins == 1
    assert [key.digit for key in session.keys] == ["5"]
    assert (outcome.frames_lost > 0) == (loss > 0)
    assert len(gateway.recording) == 4 * session.samples


@pytest.mark.parametrize("carriage", CARRIAGES)
def test_the_client_is_told_what_was_said_and_heard_in_order(carriage: Carriage) -> None:
    _, _, far = bridged(carriage, receptionist(), CONVERSATION, Line())
    assert far.told == [
        TellTranscript("agent", "good morning", final=True),
        TellTurnEnd("agent"),
        TellTranscript("caller", "a ta", final=False),
        TellTurnEnd("caller"),
        TellTranscript("caller", "a table please", final=True),
        TellTranscript("agent", "certainly, for", final=True),  # as far as it was heard before the caller cut in
        TellTurnEnd("agent"),
        TellTurnEnd("caller"),
        TellTranscript("caller", "no wait", final=True),
        TellTranscript("agent", "yes?", final=True),
        TellTurnEnd("agent"),
        TellTranscript("agent", "five", final=True),
        TellTurnEnd("agent"),
    ]


@pytest.mark.parametrize("carriage", CARRIAGES)
def test_a_socket_lost_in_the_midst_of_a_word_ends_the_call_with_its_books_in_order(carriage: Carriage) -> None:
    outcome, gateway, _ = bridged(carriage, receptionist(), CONVERSATION, Line(lost_at_s=2.51))
    assert outcome.ended
    assert outcome.ended.by == "network"
    assert outcome.balanced
    assert gateway.session is not None
    assert gateway.session.ledger.balances


def test_lost_chunks_are_heard_of_and_silence_stands_in_for_them() -> None:
    outcome, gateway, _ = bridged("json", receptionist(), CONVERSATION, Line(), 0.05)
    assert gateway.session is not None
    assert gateway.session.ledger.caller.concealed == 320 * outcome.frames_lost
    assert gateway.session.samples == len(outcome.said) // 2


def test_the_agent_may_press_keys_and_pass_the_caller_on() -> None:
    agent = ScriptedAgent(
        cues=[(200, DigitsWanted("12#"))],
        greeting=reply("one moment", 500, then=TransferWanted("+15005550002")),
        wire=PCM16_16K,
    )
    outcome, gateway, _ = bridged("binary", agent, [], Line())
    assert outcome.ok
    assert outcome.ended
    assert (outcome.ended.by, outcome.ended.reason) == ("gateway", "transferred")
    assert gateway.session is not None
    assert gateway.session.end_reason == "transferred"


class Markless(Noting):
    """Never sends a mark back."""

    def send(self, event: WireEvent) -> Sequence[Output]:
        return () if isinstance(event, MarkReached) else super().send(event)


def test_a_client_that_sends_no_marks_back_is_hung_up_on_a_little_later() -> None:
    ended = []
    for kind in (Noting, Markless):
        far = kind(phone())
        agent = ScriptedAgent(greeting=reply("bye now", 1500, then=HangUpWanted("done")), wire=PCM16_16K)
        ours = bridge_end(codec=admit(far, door(), base_url=BASE), spec=SPEC, model=agent, settings=CallSettings())
        outcome, gateway = play(Phone(far, [], wire=PCM16_16K), ours, also=[agent])
        assert outcome.ok
        assert far.told == [TellTranscript("agent", "bye now", final=True), TellTurnEnd("agent")]
        assert gateway.session is not None
        assert gateway.session.ledger.balances
        assert outcome.ended
        ended.append(outcome.ended.at_ms)
    assert 0 < ended[1] - ended[0] <= 2000


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
            elif isinstance(output, BinaryFrame):
                self._link.send_binary(output.data)

    def lost(self, reason: str, now: float) -> None: ...

    def tick(self, now: float) -> None: ...


@pytest.mark.parametrize("carriage", CARRIAGES)
def test_an_echo_gives_back_the_speech_bit_for_bit(carriage: Carriage) -> None:
    telephone, _, codec = let_in(carriage, [Say(voice(3000)), Wait(500), HangUp()])
    outcome, _ = play(telephone, lambda link, clock: EchoGateway(codec, link))
    assert outcome.ok
    report = compare(outcome.said, outcome.heard, PCM16_16K)
    assert (report.missing, report.inserted) == (0, 0)
    assert voice(3000) in outcome.heard


def test_a_phone_with_the_wrong_token_is_not_let_in() -> None:
    with pytest.raises(Refused, match="not OPEN_TOKEN"):
        admit(phone(token="wrong"), door(), base_url=BASE)
