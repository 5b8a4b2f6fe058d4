"""Audio announced at one rate and sent at another, on every platform that says a rate; and lines that look like it."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from trunkline import registry
from trunkline.audio.format import PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat, Encoding
from trunkline.testing.agents import Answer, Reply, ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.clock import START
from trunkline.testing.link import Line
from trunkline.testing.network import Conditions, dropping
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone, never
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, Say, Wait, WaitForReply
from trunkline.testing.sounds import murmur
from trunkline.wire._audiocodes_phone import AudioCodesPhone
from trunkline.wire._ringcentral_phone import RingCentralPhone
from trunkline.wire.base import HttpReply, MediaAddress, Output, PhoneCodec, Platform, TextFrame
from trunkline.wire.events import AudioHeard, AudioMissing, WireCommand, WireEvent
from trunkline.wire.tickets import TicketBook

BASE = "https://gw.example.org"
CALL = "CA0123456789abcdef0123456789abcdef"
SAYS = "caller audio at another rate than announced"


class Sender:
    """A telephone whose format says ``announced`` and whose microphone runs at ``real`` Hz."""

    def __init__(self, codec: PhoneCodec, announced: AudioFormat, real: int, *, whole_frames: bool) -> None:
        self.replies = codec.replies
        self._codec = codec
        self._unit = announced.sample_bytes
        self._rate, self._real = announced.rate, real
        self._frame = announced.bytes_for(20) if whole_frames else 0
        self._owed = 0.0  # samples
        self._rest = b""

    def dial(self, base_url: str) -> Any:
        return self._codec.dial(base_url)

    def media(self, base_url: str, reply: HttpReply | None) -> MediaAddress:
        return self._codec.media(base_url, reply)

    def opened(self) -> Sequence[Output]:
        opening = self._codec.opened()
        return [_announcing(output, self._rate) if isinstance(output, TextFrame) else output for output in opening]

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        return self._codec.receive(data, binary=binary, now=now)

    def send(self, event: WireEvent) -> Sequence[Output]:
        if not isinstance(event, AudioHeard):
            return self._codec.send(event)
        self._owed += len(event.audio) / self._unit * self._real / self._rate
        samples = int(self._owed)
        self._owed -= samples
        audio = self._rest + (event.audio * 4)[: samples * self._unit]
        size = self._frame or len(audio) or 1
        whole = len(audio) // size * size
        self._rest = audio[whole:]
        return [
            output for at in range(0, whole, size) for output in self._codec.send(AudioHeard(audio[at : at + size]))
        ]


def _announcing(output: TextFrame, rate: int) -> TextFrame:
    """Twilio's start with another rate in it: the simulated telephone knows of one only."""
    message = json.loads(output.data)
    if message.get("event") == "start":
        message["start"]["mediaFormat"]["sampleRate"] = rate
    return TextFrame(json.dumps(message).encode())


def telephone(name: str, wire: AudioFormat) -> tuple[PhoneCodec, Platform, Any]:
    """A telephone of the platform that announces ``wire``."""
    platform: Platform = registry.load("wire", name)
    settings: Any = platform.spec.settings()
    if name == "vonage":
        settings = platform.spec.settings(rate=wire.rate)
    if name == "ringcentral":
        encoding = "pcm" if wire.encoding is Encoding.PCM16 else "mulaw"
        settings = platform.spec.settings(encoding=encoding, rate=wire.rate, max_errors=100)
    codec = platform.phone(settings, call_id=CALL, caller="+1", callee="+2")
    if isinstance(codec, RingCentralPhone):
        codec.packets = settings.packets()
    if name == "audiocodes":
        codec = AudioCodesPhone(token="", conversation_id=CALL, caller="+1", callee="+2", offers=[wire])
    return codec, platform, settings


def call(
    name: str,
    wire: AudioFormat,
    real: int,
    script: list[Action],
    line: Line = Line(),  # noqa: B008 - frozen
    *,
    agent: ScriptedAgent | None = None,
    loss: float = 0.0,
) -> tuple[Outcome, BridgeEnd]:
    codec, platform, settings = telephone(name, wire)
    tickets = TicketBook(iter(f"ticket-{n}" for n in range(99)).__next__)
    entrance = platform.door(settings, base_url=BASE, tickets=tickets, insecure=True)
    sender = Sender(codec, wire, real, whole_frames=platform.spec.max_frames == 1)
    model = agent or ScriptedAgent(wire=wire)
    ours = bridge_end(codec=admit(sender, entrance, base_url=BASE, now=START), spec=platform.spec, model=model)
    phone = Phone(sender, script, wire=wire, drops=dropping(loss, seed=1) if loss else never)
    return play(phone, ours, line=line, also=[model])


def told(gateway: BridgeEnd) -> list[dict[str, Any]]:
    return [dict(note.fields) for note in gateway.notes if note.event == SAYS]


MULAW_24K = AudioFormat(Encoding.MULAW, 24000)
MULAW_8K = AudioFormat(Encoding.MULAW, 8000)
WRONG = [
    ("audiocodes", PCM16_24K, 8000),
    ("audiocodes", PCM16_8K, 24000),
    ("audiocodes", PCM16_16K, 8000),
    ("twilio", MULAW_8K, 24000),
    ("twilio", MULAW_24K, 8000),
    ("vonage", PCM16_24K, 8000),
    ("vonage", PCM16_8K, 24000),
    ("open", PCM16_16K, 8000),
    ("open", PCM16_16K, 24000),
    ("ringcentral", PCM16_24K, 8000),
    ("ringcentral", PCM16_8K, 24000),
]


@pytest.mark.parametrize(("name", "wire", "real"), WRONG)
def test_a_wrong_rate_is_said_once_and_kept_and_ends_no_call(name: str, wire: AudioFormat, real: int) -> None:
    outcome, gateway = call(name, wire, real, [Say(murmur(wire, 12_000)), HangUp()])
    assert outcome.ended
    assert outcome.ended.by == "caller"
    (line,) = told(gateway)
    assert line["announced_hz"] == wire.rate
    assert line["measured_hz"] == pytest.approx(real, rel=0.03)
    record = gateway.session
    assert record is not None
    assert (record.rate, record.measured_rate) == (wire.rate, line["measured_hz"])
    assert record.ledger.balances


STALLS = tuple((s, s + 0.2) for s in range(1, 30))
LONG_STALLS = tuple((s, s + 2.5) for s in range(1, 30, 5))
TROUBLE = {
    "good": (Line(), 0.0),
    "far away": (Line(up=Conditions(latency_ms=300)), 0.0),
    "jitter": (Line(up=Conditions(jitter_ms=60, seed=1)), 0.0),
    "wild jitter": (Line(up=Conditions(jitter_ms=400, seed=2)), 0.0),
    "short stalls": (Line(up=Conditions(stalls=STALLS)), 0.0),
    "long stalls": (Line(up=Conditions(stalls=LONG_STALLS)), 0.0),
    "5 % lost": (Line(), 0.05),
    "20 % lost": (Line(), 0.2),
}
EVERY = [
    ("audiocodes", PCM16_16K),
    ("audiocodes", PCM16_24K),
    ("twilio", MULAW_8K),
    ("vonage", PCM16_16K),
    ("open", PCM16_16K),
    ("ringcentral", MULAW_8K),
]


@pytest.mark.parametrize("trouble", TROUBLE)
@pytest.mark.parametrize(("name", "wire"), EVERY)
def test_a_bad_line_is_no_wrong_rate(name: str, wire: AudioFormat, trouble: str) -> None:
    line, loss = TROUBLE[trouble]
    _, gateway = call(name, wire, wire.rate, [Say(murmur(wire, 30_000)), HangUp()], line, loss=loss)
    assert told(gateway) == []
    assert gateway.session is not None
    assert gateway.session.measured_rate == 0


class HalfDuplex(AudioCodesPhone):
    """A connection without barge-in: while the bot speaks the caller's audio is not sent."""

    def receive(self, data: bytes, *, binary: bool, now: float) -> Sequence[WireCommand]:
        commands = super().receive(data, binary=binary, now=now)
        if data.startswith(b'{"type":"playStream.start"'):
            self.deafen()
        elif data.startswith(b'{"type":"playStream.stop"'):
            self.listen()
        return commands


@pytest.mark.parametrize("reply_ms", [150, 700, 2000])
def test_a_platform_that_pauses_while_the_agent_speaks_has_no_wrong_rate(reply_ms: int) -> None:
    platform: Platform = registry.load("wire", "audiocodes")
    answer = Answer("yes", Reply((("and so on", murmur(PCM16_16K, reply_ms)),)))
    model = ScriptedAgent([answer] * 20, wire=PCM16_16K)
    far = HalfDuplex(token="", conversation_id=CALL, caller="+1", callee="+2", offers=[PCM16_16K])
    entrance = platform.door(
        platform.spec.settings(), base_url=BASE, tickets=TicketBook(lambda: "unused"), insecure=True
    )
    ours = bridge_end(codec=admit(far, entrance, base_url=BASE), spec=platform.spec, model=model)
    turn: list[Action] = [Say(murmur(PCM16_16K, 400)), WaitForReply(300)]
    outcome, gateway = play(Phone(far, [*turn * 12, HangUp()], wire=PCM16_16K), ours, also=[model])
    assert outcome.ok, outcome.log
    assert told(gateway) == []


class Thrifty(Sender):
    """Sends nothing while nothing is said, and says so by its time-stamps."""

    def send(self, event: WireEvent) -> Sequence[Output]:
        if isinstance(event, AudioHeard) and len(set(event.audio)) == 1:
            return self._codec.send(AudioMissing(len(event.audio), lost=False))
        return self._codec.send(event)


@pytest.mark.parametrize("pause_ms", [60, 300, 500, 1500])
def test_a_platform_that_sends_no_silence_has_no_wrong_rate(pause_ms: int) -> None:
    codec, platform, settings = telephone("twilio", MULAW_8K)
    entrance = platform.door(settings, base_url=BASE, tickets=TicketBook(lambda: "unused"), insecure=True)
    sender = Thrifty(codec, MULAW_8K, 8000, whole_frames=False)
    model = ScriptedAgent(wire=MULAW_8K)
    ours = bridge_end(codec=admit(sender, entrance, base_url=BASE), spec=platform.spec, model=model)
    words: list[Action] = [Say(murmur(MULAW_8K, 200)), Wait(pause_ms)]
    outcome, gateway = play(Phone(sender, [*words * 60, HangUp()], wire=MULAW_8K), ours, also=[model])
    assert outcome.ok, outcome.log
    assert told(gateway) == []
