"""One conversation for whole calls on every platform, on virtual time: a greeting, a wish, an interruption and a key;
the lines it is held over, and what is true of its record however bad they were.
"""

from collections.abc import Callable
from typing import Any, Final

import pytest

from trunkline.audio.format import AudioFormat
from trunkline.call.session import CallSession
from trunkline.testing.agents import Answer, Reply, ScriptedAgent
from trunkline.testing.bridge import BridgeEnd
from trunkline.testing.link import Line, VirtualLink
from trunkline.testing.network import Conditions, dropping
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import never
from trunkline.testing.script import Action, HangUp, InterruptReply, PressKey, Say, WaitForReply
from trunkline.testing.sounds import murmur
from trunkline.wire.base import BinaryFrame, GatewayCodec, TextFrame
from trunkline.wire.events import AudioHeard, PlayAudio

STALLED: Final = Conditions(stalls=tuple((s, s + 0.2) for s in range(1, 12)))


def lines(*, slow_bytes_per_s: float, **more: Line) -> list[Any]:
    """Cases for ``(line, loss)``, good and bad. ``slow_bytes_per_s``: a reader who only just keeps up."""
    cases: dict[str, tuple[Line, float]] = {
        "good": (Line(), 0.0),
        "far away": (Line(up=Conditions(latency_ms=120), down=Conditions(latency_ms=80)), 0.0),
        "5 % of the frames lost": (Line(), 0.05),
        "stalls of 200 ms": (Line(up=STALLED, down=STALLED), 0.0),
        "jitter": (Line(up=Conditions(jitter_ms=60, seed=1), down=Conditions(jitter_ms=60, seed=2)), 0.0),
        "slow reader": (Line(down=Conditions(bytes_per_s=slow_bytes_per_s)), 0.0),
    }
    cases |= {why.replace("_", " "): (line, 0.0) for why, line in more.items()}
    return [pytest.param(line, loss, id=why) for why, (line, loss) in cases.items()]


def drops(loss: float) -> Callable[[int], bool]:
    """Which of the telephone's frames are lost, for that share of them."""
    return dropping(loss, seed=3) if loss else never


def voice(ms: int, wire: AudioFormat) -> bytes:
    return murmur(wire, ms, seed=ms)


def reply(text: str, ms: int, wire: AudioFormat, **options: Any) -> Reply:
    return Reply(((text, voice(ms, wire)),), **options)


def receptionist(wire: AudioFormat) -> ScriptedAgent:
    """Its greeting and its last answer are no whole frames: the last one is filled up."""
    certainly = reply("certainly, for how many, and on which day", 4000, wire)
    return ScriptedAgent(
        [Answer("a table please", certainly, partial="a ta"), Answer("no wait", reply("yes?", 810, wire))],
        greeting=reply("good morning", 1510, wire),
        keys={"5": reply("five", 700, wire)},
        wire=wire,
    )


def conversation(wire: AudioFormat) -> list[Action]:
    return [
        WaitForReply(500),
        Say(voice(1000, wire)),
        InterruptReply(1200, voice(900, wire)),
        WaitForReply(600),
        PressKey("5"),
        WaitForReply(600),
        HangUp(),
    ]


def books(end: BridgeEnd) -> CallSession:
    """The record of a call that is over; all of its audio is accounted for."""
    assert end.session is not None
    assert end.session.ledger.balances
    return end.session


def went_well(outcome: Outcome, end: BridgeEnd, *, loss: float = 0.0) -> CallSession:
    """The conversation was held as it should be, and this is its record."""
    assert outcome.ok, outcome.log
    assert not outcome.replies_missing
    assert len(outcome.turns) == 3
    assert (outcome.frames_lost > 0) == (loss > 0)
    session = books(end)
    assert session.barge_ins == 1
    assert session.ledger.agent.cleared > 0
    assert [key.digit for key in session.keys] == ["5"]
    assert len(end.recording) == 4 * session.samples
    return session


class EchoGateway:
    """Gives back every frame at once: the smallest thing that can be called."""

    def __init__(self, codec: GatewayCodec, link: VirtualLink) -> None:
        self.deadline: float | None = None
        self.heard = bytearray()
        self.gone: list[str] = []
        self._codec = codec
        self._link = link

    def received(self, data: bytes, binary: bool, now: float) -> None:
        events = self._codec.receive(data, binary=binary, now=now)
        outputs = [*self._codec.replies]
        self._codec.replies.clear()
        for event in events:
            if isinstance(event, AudioHeard):
                self.heard += event.audio
                outputs += self._codec.send(PlayAudio(event.audio))
        for output in outputs:
            if isinstance(output, TextFrame):
                self._link.send_text(output.data)
            elif isinstance(output, BinaryFrame):
                self._link.send_binary(output.data)

    def lost(self, reason: str, now: float) -> None:
        self.gone.append(reason)

    def tick(self, now: float) -> None: ...
