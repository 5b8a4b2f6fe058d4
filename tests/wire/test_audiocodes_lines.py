"""Whole calls over VoiceAI Connect on virtual time, on good and bad lines, with the product's call in the middle."""

from collections.abc import Sequence

import pytest
from audiocodes_calls import BASE, CALL, CALLEE, CALLER, door, phone

from conversations import EchoGateway, books, conversation, drops, lines, receptionist, reply, voice, went_well
from trunkline.ai.events import DigitsWanted, HangUpWanted, TransferWanted
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.call.settings import BargeIn, CallSettings
from trunkline.testing.agents import Answer, ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.echo import compare
from trunkline.testing.link import Line
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, Say, Wait, WaitForReply
from trunkline.wire._audiocodes_phone import AudioCodesPhone
from trunkline.wire.audiocodes import SPEC
from trunkline.wire.events import EndUtterance, PlayAudio, TellSpeech, WireCommand

WIRE = PCM16_16K
WIRES = [WIRE, PCM16_24K, PCM16_8K, MULAW_8K]
LINES = lines(slow_bytes_per_s=60_000)


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
    telephone = Phone(far, script, wire=wire, drops=drops(loss))
    settings = settings or CallSettings(record=True)
    ours = bridge_end(codec=codec, spec=SPEC, model=agent, settings=settings)
    return *play(telephone, ours, line=line, also=[agent]), far


@pytest.mark.parametrize(("line", "loss"), LINES)
def test_a_conversation_with_barge_in_and_key_keeps_its_books_on_every_line(line: Line, loss: float) -> None:
    outcome, gateway, _ = bridged(receptionist(WIRE), conversation(WIRE), line, loss)
    went_well(outcome, gateway, loss=loss)
    assert outcome.ear.cleared > 0


@pytest.mark.parametrize("wire", WIRES, ids=str)
def test_a_conversation_goes_in_every_format(wire: AudioFormat) -> None:
    outcome, gateway, _ = bridged(receptionist(wire), conversation(wire), Line(), wire=wire)
    assert outcome.ok, outcome.log
    assert not outcome.underruns
    session = books(gateway)
    assert session.samples == len(outcome.said) // wire.sample_bytes
    assert session.caller == CALLER
    assert session.parameters == {}, "the telephone told of nothing but the numbers"


def test_an_agent_of_another_format_is_understood_all_the_same() -> None:
    outcome, gateway, _ = bridged(receptionist(PCM16_24K), conversation(PCM16_8K), Line(), wire=PCM16_8K)
    assert outcome.ok, outcome.log
    assert len(outcome.turns) == 3
    books(gateway)


def test_the_platform_is_told_when_the_caller_speaks_and_when_no_more() -> None:
    _, _, far = bridged(receptionist(WIRE), conversation(WIRE), Line())
    spoke = [command.speaking for command in far.done if isinstance(command, TellSpeech)]
    assert spoke == [True, False, True, False]


def test_where_interrupting_is_not_wanted_nothing_is_cut() -> None:
    settings = CallSettings(barge_in=BargeIn(enabled=False))
    outcome, gateway, _ = bridged(receptionist(WIRE), conversation(WIRE), Line(), settings=settings)
    assert outcome.balanced
    assert [clear for clear in outcome.clears if clear.samples] == []
    books(gateway)


def test_a_platform_that_stops_listening_while_the_agent_speaks_loses_nothing_of_the_answers() -> None:
    script: list[Action] = [
        WaitForReply(800),
        Say(voice(1000, WIRE)),
        WaitForReply(800),
        Say(voice(900, WIRE)),
        WaitForReply(800),
        HangUp(),
    ]
    outcome, gateway, _ = bridged(receptionist(WIRE), script, Line(), kind=HalfDuplex)
    assert outcome.ok, outcome.log
    assert not outcome.replies_missing
    session = books(gateway)
    assert session.ledger.caller.concealed > 16 * (1500 + 4000)  # the holes are as long as the replies were
    assert session.samples == pytest.approx(len(outcome.said) // 2, abs=16 * 60)


def test_it_may_stop_listening_for_as_long_as_the_agent_speaks() -> None:
    agent = ScriptedAgent(
        [Answer("yes", reply("and so on", 400, WIRE))], greeting=reply("once", 45_000, WIRE), wire=PCM16_16K
    )
    script: list[Action] = [WaitForReply(800, timeout_ms=60_000), Say(voice(600, WIRE)), WaitForReply(600), HangUp()]
    outcome, gateway, _ = bridged(agent, script, Line(), kind=HalfDuplex)
    assert outcome.ok, outcome.log
    assert not outcome.replies_missing
    books(gateway)


@pytest.mark.parametrize("at_s", [0.005, 0.5, 2.51, 4.0])
def test_a_socket_lost_in_the_midst_of_a_word_ends_the_call_with_its_books_in_order(at_s: float) -> None:
    settings = CallSettings(record=True, resume_timeout_s=2)
    outcome, gateway, _ = bridged(receptionist(WIRE), conversation(WIRE), Line(lost_at_s=at_s), settings=settings)
    assert outcome.ended
    assert outcome.ended.by == "network"
    assert outcome.balanced
    books(gateway)


def test_the_agent_may_press_keys_and_pass_the_caller_on() -> None:
    agent = ScriptedAgent(
        cues=[(200, DigitsWanted("12#"))],
        greeting=reply("one moment", 500, WIRE, then=TransferWanted("+15005550002")),
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
    assert books(gateway).end_reason == "transferred"


def test_the_agent_may_hang_up_once_it_was_heard() -> None:
    agent = ScriptedAgent(greeting=reply("goodbye", 900, WIRE, then=HangUpWanted("all said")), wire=WIRE)
    outcome, gateway, _ = bridged(agent, [], Line())
    assert outcome.ok, outcome.log
    assert outcome.ended
    assert (outcome.ended.by, outcome.ended.reason) == ("gateway", "all said")
    assert voice(900, WIRE) in outcome.heard
    assert books(gateway).end_reason == "all said"


@pytest.mark.parametrize(("line", "loss"), [case for case in LINES if not case.values[1]])
def test_an_echo_gives_back_the_speech_bit_for_bit(line: Line, loss: float) -> None:
    far = phone()
    codec = admit(far, door(), base_url=BASE)
    telephone = Phone(far, [Wait(500), Say(voice(3000, WIRE)), Wait(1000), HangUp()], wire=WIRE)
    outcome, _ = play(telephone, lambda link, clock: EchoGateway(codec, link), line=line)
    assert outcome.ok, outcome.log
    assert compare(outcome.said, outcome.heard, PCM16_16K).missing == 0
