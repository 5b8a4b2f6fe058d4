"""The embedding API: somebody else's transport, our audio. Vonage's frames and RTP's payloads go through one class."""

import asyncio
import gc
import shutil
import subprocess
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import pytest

import trunkline
from trunkline.ai.base import CallFacts, Emit
from trunkline.ai.events import (
    AgentCommand,
    CallAnswered,
    CallerSaid,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyStarted,
    SpeechStarted,
)
from trunkline.ai.providers.echo import Echo
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat, Encoding
from trunkline.call.audio_queue import AudioQueue
from trunkline.call.embedded import Carriage, GatewayMetrics
from trunkline.call.gateway import QUEUE_CHUNKS, RECENT, MediaGateway
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState
from trunkline.errors import AudioError, ConfigError, Refused
from trunkline.rtp.packet import RtpPacket
from trunkline.testing.sounds import murmur
from trunkline.wire import vonage
from trunkline.wire.base import BinaryFrame, TextFrame
from trunkline.wire.events import AudioHeard, PlayAudio

FRAMES = [murmur(PCM16_16K, 1000, seed=1)[at : at + 640] for at in range(0, 32000, 640)]
VONAGE = {"format": "audio/l16;rate=16000", "frame_ms": 20}
RTP = {"format": "PCMU/8000"}


def drained(queue: AudioQueue) -> list[bytes]:
    return [queue.get_nowait() for _ in range(len(queue))]


def heard(gateway: MediaGateway, call: str, chunks: list[bytes]) -> bytes:
    """What the application reads of these chunks, to the call's end."""
    queue = gateway.get_audio_queue(call)
    out = b""
    for chunk in chunks:
        assert gateway.on_audio_received(call, chunk)
        out += b"".join(drained(queue))
    gateway.on_call_ended(call)
    return out + b"".join(drained(queue))


def converted(source: AudioFormat, target: AudioFormat, audio: bytes) -> bytes:
    converter = Converter(source, target)
    return converter.process(audio) + converter.flush()


def test_it_is_among_the_public_names() -> None:
    assert trunkline.MediaGateway is MediaGateway


# --- Vonage's frames and RTP's payloads ------------------------------------------------------------------------------


def test_vonages_frames_both_ways() -> None:
    far = vonage.PLATFORM.phone(vonage.VonageSettings(), call_id="c", caller="+15005550006", callee="+15005550001")
    (first,) = far.opened()
    assert isinstance(first, TextFrame)
    gateway = MediaGateway()
    gateway.on_call_started("c", {"format": msgspec.json.decode(first.data)["content-type"], "frame_ms": 20})
    chunks = [out.data for frame in FRAMES for out in far.send(AudioHeard(frame)) if isinstance(out, BinaryFrame)]
    answer = murmur(PCM16_24K, 990, seed=2)
    sent = gateway.send_audio("c", answer[:1001]) + gateway.send_audio("c", answer[1001:], last=True)
    assert heard(gateway, "c", chunks) == converted(PCM16_16K, PCM16_24K, b"".join(FRAMES))
    played = [command for frame in sent for command in far.receive(frame, binary=True, now=0.0)]  # it minds odd ones
    said = b"".join(command.audio for command in played if isinstance(command, PlayAudio))
    wanted = converted(PCM16_24K, PCM16_16K, answer)
    assert said[: len(wanted)] == wanted
    assert not said[len(wanted) :].strip(b"\0")


def payloads(voice: bytes, payload_type: int, size: int) -> list[bytes]:
    """The payloads of RTP packets that were on the wire."""
    chunks = [voice[at : at + size] for at in range(0, len(voice), size)]
    packets = [
        RtpPacket(payload_type, sequence, 160 * sequence, 0x1234, chunk).build()
        for sequence, chunk in enumerate(chunks)
    ]
    return [RtpPacket.parse(packet).payload for packet in packets]


def judged(audio: bytes, source: str, target: str) -> bytes:
    """What ffmpeg makes of raw audio at 8 kHz."""
    kinds = ["-ar", "8000", "-ac", "1"]
    command = ["ffmpeg", "-v", "error", "-f", source, *kinds, "-i", "-", "-f", target, *kinds, "-"]
    return subprocess.run(command, input=audio, capture_output=True, check=True).stdout


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(
    ("metadata", "payload_type", "kind", "frame"),
    [({"format": "PCMU/8000"}, 0, "mulaw", 160), ({"format": "PCMA/8000"}, 8, "alaw", 160),
     ({"format": "L16/8000"}, 96, "s16be", 320)],
)  # fmt: skip
def test_rtps_payloads_both_ways_are_what_ffmpeg_makes_of_them(
    metadata: dict[str, Any], payload_type: int, kind: str, frame: int
) -> None:
    voice = murmur(PCM16_8K, 1000, seed=3)
    wire = judged(voice, "s16le", kind)
    gateway = MediaGateway(audio=PCM16_8K)
    gateway.on_call_started("r", metadata)
    sent = gateway.send_audio("r", voice)
    assert {len(one) for one in sent} == {frame}
    ours = np.frombuffer(judged(b"".join(sent), kind, "s16le"), "<i2").astype(int)
    theirs = np.frombuffer(judged(wire, kind, "s16le"), "<i2").astype(int)
    # Encoders choose one of two neighbours for what lies just between them: a step, that is 6 % of the sample.
    assert np.all(np.abs(ours - theirs) <= 16 + np.abs(theirs) / 16)
    assert heard(gateway, "r", payloads(wire, payload_type, frame)) == judged(wire, kind, "s16le")


def test_two_calls_at_once_are_each_as_if_they_were_alone() -> None:
    voice = murmur(MULAW_8K, 1000, seed=4)
    spoken = [voice[at : at + 160] for at in range(0, 8000, 160)]

    def alone(metadata: dict[str, Any], chunks: list[bytes]) -> bytes:
        gateway = MediaGateway()
        gateway.on_call_started("x", metadata)
        return heard(gateway, "x", chunks)

    gateway = MediaGateway()
    gateway.on_call_started("v", VONAGE)
    gateway.on_call_started("r", RTP)
    queues = {call: gateway.get_audio_queue(call) for call in gateway.calls}
    got = {"v": b"", "r": b""}
    for frame, payload in zip(FRAMES, spoken, strict=True):
        gateway.on_audio_received("v", frame)
        assert not gateway.on_audio_received("r", b"")  # a mistake in one …
        gateway.on_audio_received("r", payload)
        for call, queue in queues.items():
            got[call] += b"".join(drained(queue))
    gateway.on_call_ended("v")
    for _ in range(300):
        gateway.on_audio_received("r", spoken[0])  # … an overflow, the end of another
    assert gateway.metrics("r").buffer_overflows == 200
    got["v"] += b"".join(drained(queues["v"]))
    assert got["v"] == alone(VONAGE, FRAMES)
    assert got["r"] == alone(RTP, spoken)[: len(got["r"])]
    assert len(got["r"]) == 48000


# --- formats -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "carriage"),
    [
        ({}, Carriage(PCM16_24K)),
        ({"format": ALAW_8K}, Carriage(ALAW_8K)),
        ({"format": "pcm16/16000"}, Carriage(PCM16_16K)),
        ({"format": "audio/l16;rate=8000"}, Carriage(PCM16_8K)),
        ({"format": "audio/L16; rate=16000; channels=1", "frame_ms": 20}, Carriage(PCM16_16K, exact=True)),
        ({"format": "audio/l16;rate=16000", "byte_order": "big"}, Carriage(PCM16_16K, big_endian=True)),
        ({"format": "L16/48000/1"}, Carriage(AudioFormat(Encoding.PCM16, 48000), big_endian=True)),
        ({"format": "L16/16000", "byte_order": "little"}, Carriage(PCM16_16K)),
        ({"format": "PCMU"}, Carriage(MULAW_8K)),
        ({"format": "audio/x-mulaw", "byte_order": "big"}, Carriage(MULAW_8K)),
        ({"format": "PCMA/8000", "frame_ms": 30}, Carriage(ALAW_8K, frame_ms=30, exact=True)),
    ],
)
def test_a_format_is_understood_in_the_words_of_its_trade(metadata: dict[str, Any], carriage: Carriage) -> None:
    assert Carriage.of(metadata, PCM16_24K) == carriage


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"format": "opus/48000/2"}, "format is not one of"),
        ({"format": "s3cret"}, "format is not one of"),
        ({"format": ""}, "format is not one of"),
        ({"format": None}, "format is not one of"),
        ({"format": 16000}, "format is not one of"),
        ({"format": "audio/l16"}, "format has no rate"),
        ({"format": "L16/16000/2"}, "format is not one of"),
        ({"format": "audio/l16;rate=16000;channels=2"}, "more than one channel"),
        ({"format": "PCMU/8001"}, "a rate of 8001 Hz is not supported"),
        ({"format": "L16/11025"}, "frame_ms"),
        ({"frame_ms": 0}, "frame_ms"),
        ({"frame_ms": 2.5}, "frame_ms"),
        ({"frame_ms": "20"}, "frame_ms"),
        ({"byte_order": "middle"}, "byte_order"),
    ],
)
def test_a_format_that_can_not_be_is_told_before_the_call_is_on(metadata: dict[str, Any], error: str) -> None:
    gateway = MediaGateway()
    with pytest.raises(AudioError, match=error) as caught:
        gateway.on_call_started("c", metadata)
    assert "s3cret" not in str(caught.value)
    assert gateway.calls == ()


# --- what is not taken ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "chunk", "error"),
    [
        (VONAGE, b"", "no audio: expected 10 to 1000 ms of 16000 Hz, 1 channel, 16 bits"),
        (VONAGE, bytes(641), "641 bytes are not whole 2-byte frames of 16000 Hz, 1 channel, 16 bits"),
        (VONAGE, bytes(320), "320 bytes, where 20 ms have 640"),
        (VONAGE, bytes(1280), "1280 bytes, where 20 ms have 640"),
        (RTP, bytes(8001), "1000.12 ms of 8000 Hz, 1 channel, 8 bits: expected 10 to 1000 ms"),
        (RTP, bytes(79), "9.875 ms of 8000 Hz, 1 channel, 8 bits: expected 10 to 1000 ms"),
        (RTP, "text", "audio must be bytes, not str"),
        (RTP, None, "audio must be bytes, not NoneType"),
        ({"format": "pcm16/8000"}, b"RIFF\x24\0\0\0WAVEfmt " + bytes(200), "a WAV file"),
    ],
)
def test_a_chunk_that_is_not_what_it_should_be_is_counted_and_not_heard(
    metadata: dict[str, Any], chunk: Any, error: str
) -> None:
    gateway = MediaGateway()
    gateway.on_call_started("c", metadata)
    assert gateway.on_audio_received("c", chunk) is False
    told = gateway.metrics("c")
    assert told.last_error.startswith(error)
    assert (told.validation_errors, told.total_chunks, told.total_bytes) == (1, 0, 0)
    assert len(gateway.get_audio_queue("c")) == 0


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_run_of_bytes_is_taken_and_kept_as_it_was(kind: Callable[[bytes], Any]) -> None:
    gateway = MediaGateway(audio=PCM16_16K)
    gateway.on_call_started("c", VONAGE)
    buffer = bytearray(FRAMES[0])
    assert gateway.on_audio_received("c", kind(buffer))  # type: ignore[arg-type]
    buffer[:] = bytes(640)  # a transport may use its buffer again
    assert gateway.get_audio_queue("c").get_nowait() == FRAMES[0]


def test_the_figures_of_a_call() -> None:
    gateway = MediaGateway()
    gateway.on_call_started("c", RTP)
    for _ in range(QUEUE_CHUNKS + 5):
        gateway.on_audio_received("c", MULAW_8K.silence(160))
    gateway.on_audio_received("c", b"")
    gateway.send_audio("c", PCM16_24K.silence(24 * 45))
    before = gateway.metrics("c")
    assert before == GatewayMetrics(
        total_chunks=105,
        total_bytes=16800,
        total_duration_ms=2100.0,
        validation_errors=1,
        buffer_overflows=5,
        sent_chunks=2,
        sent_bytes=320,
        sent_duration_ms=40.0,
        last_error="no audio: expected 10 to 1000 ms of 8000 Hz, 1 channel, 8 bits",
    )
    gateway.send_audio("c", b"", last=True)
    assert gateway.metrics("c").sent_chunks == 3
    assert before.sent_chunks == 2
    final = gateway.on_call_ended("c")
    assert final is not None
    assert final.total_chunks == 105


# --- out ------------------------------------------------------------------------------------------------------------


def test_what_is_sent_goes_to_whoever_sends_and_is_returned() -> None:
    sent: list[tuple[str, bytes]] = []
    gateway = MediaGateway(audio=PCM16_16K, send=lambda call, frame: sent.append((call, frame)))
    gateway.on_call_started("c", VONAGE)
    frames = gateway.send_audio("c", b"".join(FRAMES[:3]) + b"\x01")
    assert frames == FRAMES[:3]
    assert sent == [("c", frame) for frame in FRAMES[:3]]
    assert gateway.send_audio("c", b"\x02" + FRAMES[3][2:]) == [b"\x01\x02" + FRAMES[3][2:]]


# --- the life of a call ----------------------------------------------------------------------------------------------


def test_a_call_that_was_never_on_is_an_error_that_names_nothing() -> None:
    gateway = MediaGateway()
    gateway.on_call_started("another")
    doings: list[Callable[[str], object]] = [
        gateway.get_audio_queue,
        gateway.metrics,
        lambda call: gateway.on_audio_received(call, FRAMES[0]),
        lambda call: gateway.send_audio(call, FRAMES[0]),
        lambda call: gateway.on_key_pressed(call, "5"),
    ]
    for do in doings:
        with pytest.raises(Refused, match=r"^no such call is on$"):
            do("+15005550006")


def test_a_second_start_is_refused_and_harms_nothing_and_a_second_end_is_nothing() -> None:
    gateway = MediaGateway()
    gateway.on_call_started("c", RTP)
    gateway.on_audio_received("c", bytes(160))
    with pytest.raises(Refused, match="on already"):
        gateway.on_call_started("c", VONAGE)
    assert gateway.metrics("c").total_chunks == 1
    assert gateway.on_call_ended("c") == gateway.on_call_ended("c") == gateway.metrics("c")
    assert gateway.on_call_ended("never") is None
    gateway.on_call_started("c", VONAGE)
    assert gateway.metrics("c").total_chunks == 0


def test_what_comes_late_for_a_call_that_has_ended_is_dropped_in_peace() -> None:
    sent: list[bytes] = []
    gateway = MediaGateway(send=lambda call, frame: sent.append(frame))
    gateway.on_call_started("c", RTP)
    gateway.on_audio_received("c", bytes(160))
    gateway.on_call_ended("c")
    assert gateway.on_audio_received("c", bytes(160)) is False
    assert gateway.send_audio("c", bytes(4800)) == sent == []
    gateway.on_key_pressed("c", "5")
    assert gateway.metrics("c").total_chunks == 1
    with pytest.raises(Refused, match="the call is over"):
        gateway.get_audio_queue("c")


def test_calls_that_ended_long_ago_are_forgotten() -> None:
    gateway = MediaGateway()
    for number in range(RECENT + 1):
        gateway.on_call_started(f"call-{number}")
        gateway.on_call_ended(f"call-{number}")
    with pytest.raises(Refused, match="no such call"):
        gateway.metrics("call-0")
    assert gateway.metrics("call-1") == GatewayMetrics()


def test_a_thousand_calls_leave_nothing() -> None:
    gateway = MediaGateway()
    queues = []
    for number in range(1000):
        gateway.on_call_started(f"call-{number}", RTP)
        queue = gateway.get_audio_queue(f"call-{number}")
        gateway.on_audio_received(f"call-{number}", bytes(160))
        queues.append(weakref.ref(queue))
        gateway.on_call_ended(f"call-{number}")
    del queue
    gc.collect()
    assert gateway.calls == ()
    assert not any(ref() for ref in queues)


@pytest.mark.parametrize("options", [{"queue_chunks": 0}, {"model": Echo(PCM16_24K)}])
def test_a_gateway_that_can_not_work_is_not_made(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        MediaGateway(**options)


# --- the queue -------------------------------------------------------------------------------------------------------


def test_a_full_queue_drops_the_oldest() -> None:
    queue = AudioQueue(3)
    assert [queue.put(bytes([n])) for n in range(5)] == [False, False, False, True, True]
    assert drained(queue) == [b"\x02", b"\x03", b"\x04"]
    with pytest.raises(asyncio.QueueEmpty):
        queue.get_nowait()


def test_a_reader_that_waits_gets_what_comes_and_the_end_behind_it() -> None:
    async def scenario() -> tuple[list[bytes], bytes | None]:
        gateway = MediaGateway(audio=PCM16_16K)
        gateway.on_call_started("c", VONAGE)
        queue = gateway.get_audio_queue("c")

        async def read() -> list[bytes]:
            return [chunk async for chunk in queue]

        reader = asyncio.create_task(read())
        for frame in FRAMES[:3]:
            await asyncio.sleep(0)
            gateway.on_audio_received("c", frame)
        gateway.on_audio_received("c", FRAMES[3])
        gateway.on_call_ended("c")
        return await reader, await queue.get()

    chunks, after = asyncio.run(scenario())
    assert chunks == FRAMES[:4]
    assert after is None


def test_readers_share_a_queue_and_one_that_gives_up_takes_nothing_with_it() -> None:
    async def scenario() -> list[bytes | None]:
        queue = AudioQueue(10)
        first, second, third = (asyncio.create_task(queue.get()) for _ in range(3))
        await asyncio.sleep(0)
        first.cancel()
        queue.put(b"a")
        await asyncio.sleep(0)
        queue.end()
        return sorted(await asyncio.gather(second, third), key=lambda chunk: chunk or b"z")

    assert asyncio.run(scenario()) == [b"a", None]


# --- an agent answers ------------------------------------------------------------------------------------------------


class Clerk:
    """An agent, model and session in one, that greets, and ends the call when a key is pressed."""

    name = "clerk"
    hears: tuple[AudioFormat, ...] = (PCM16_24K,)
    speaks: tuple[AudioFormat, ...] = (PCM16_24K,)

    def __init__(self, greeting_ms: int = 45) -> None:
        self.facts: list[CallFacts] = []
        self.log: list[str] = []
        self._greeting = murmur(PCM16_24K, greeting_ms)

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> "ClerkSession":
        self.facts.append(facts)
        return ClerkSession(emit, self._greeting)

    async def warm_up(self) -> None:
        self.log.append("warm")

    async def close(self) -> None:
        self.log.append("closed")


class ClerkSession:
    def __init__(self, emit: Emit, greeting: bytes) -> None:
        self._emit = emit
        self._greeting = greeting

    def hear(self, audio: bytes, now: float) -> None: ...

    def tell(self, command: AgentCommand, now: float) -> None:
        match command:
            case CallAnswered():
                for event in (ReplyStarted(1), ReplyAudio(self._greeting, 1), ReplyEnded(1)):
                    self._emit(event)
            case KeyPressed(digit="5"):
                self._emit(HangUpWanted("the caller pressed 5"))
            case KeyPressed():
                raise RuntimeError("boom")
            case _:
                pass

    async def run(self) -> None: ...


class Far:
    """A transport that notes what it is asked."""

    def __init__(self, *, raises: str = "") -> None:
        self.sent: dict[str, list[bytes]] = {}
        self.hung_up: list[tuple[str, str]] = []
        self.records: list[CallSession] = []
        self.raises = raises

    def send(self, call: str, frame: bytes) -> None:
        if call == self.raises:
            raise OSError("no route")
        self.sent.setdefault(call, []).append(frame)

    def hang_up(self, call: str, reason: str) -> None:
        self.hung_up.append((call, reason))


def held(far: Far, model: Any, act: Callable[[MediaGateway], Awaitable[None]], **options: Any) -> None:
    async def scenario() -> None:
        parts = {"send": far.send, "hang_up": far.hang_up, "keep": far.records.append} | options
        async with MediaGateway(model=model, **parts) as gateway:
            await act(gateway)

    asyncio.run(scenario())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the code under test has no event for it
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("metadata", "wire"), [(VONAGE, PCM16_16K), (RTP, MULAW_8K), ({"format": "L16/8000"}, PCM16_8K)], ids=str
)
def test_an_agent_greets_in_frames_of_the_transports_own(metadata: dict[str, Any], wire: AudioFormat) -> None:
    far, clerk = Far(), Clerk()

    async def act(gateway: MediaGateway) -> None:
        gateway.on_call_started("c", {**metadata, "caller": "+15005550006", "shop": "acme"})
        await until(lambda: len(far.sent.get("c", ())) >= 3)
        gateway.on_audio_received("c", wire.silence(wire.rate // 50))
        told = gateway.on_call_ended("c", "the caller left")
        assert told is not None
        assert (told.total_chunks, told.total_duration_ms) == (1, 20.0)
        assert (told.sent_chunks, told.sent_duration_ms) == (3, 60.0)

    held(far, clerk, act)
    frames = b"".join(far.sent["c"])
    wanted = converted(PCM16_24K, wire, murmur(PCM16_24K, 45))
    if metadata["format"] == "L16/8000":
        frames = np.frombuffer(frames, ">i2").astype("<i2").tobytes()
    assert frames[: len(wanted)] == wanted
    assert not frames[len(wanted) :].strip(wire.silence_unit)
    (record,) = far.records
    assert (record.state, record.end_reason, record.platform) == (CallState.ENDED, "the caller left", "embedded")
    assert record.ledger.balances
    assert (clerk.facts[0].caller, clerk.facts[0].parameters) == ("+15005550006", {"shop": "acme"})
    assert clerk.log == ["warm", "closed"]
    assert far.hung_up == []


def test_the_agents_goodbye_is_the_transports_to_carry_out() -> None:
    far = Far()

    async def act(gateway: MediaGateway) -> None:
        gateway.on_call_started("c", RTP)
        gateway.on_key_pressed("c", "5")
        await until(lambda: far.hung_up and far.records)
        assert gateway.calls == ("c",)
        assert gateway.on_audio_received("c", bytes(160))  # what is still on its way does no harm
        assert gateway.on_call_ended("c") is not None

    held(far, Clerk(), act)
    assert far.hung_up == [("c", "the caller pressed 5")]
    (record,) = far.records
    assert (record.state, record.end_reason) == (CallState.ENDED, "the caller pressed 5")
    assert len(far.sent["c"]) == 3


def test_a_transport_may_end_the_call_while_it_is_asked_to_hang_up() -> None:
    far = Far()
    gateways: list[MediaGateway] = []

    def hang_up(call: str, reason: str) -> None:
        gateways[0].on_call_ended(call, reason)

    async def act(gateway: MediaGateway) -> None:
        gateways.append(gateway)
        gateway.on_call_started("c", RTP)
        gateway.on_key_pressed("c", "5")
        await until(lambda: far.records)
        assert gateway.calls == ()

    held(far, Clerk(), act, hang_up=hang_up)
    assert far.records[0].end_reason == "the caller pressed 5"


def test_one_call_that_fails_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    far = Far(raises="broken")

    async def act(gateway: MediaGateway) -> None:
        for call in ("broken", "good", "agentless"):
            gateway.on_call_started(call, RTP)
        gateway.on_key_pressed("agentless", "1")
        await until(lambda: len(far.records) == 2 and len(far.sent.get("good", ())) == 3)
        gateway.on_call_ended("good")

    held(far, Clerk(), act)
    ended = {record.call_id: (record.state, record.end_reason) for record in far.records}
    assert ended == {
        "broken": (CallState.FAILED, "the transport raised"),
        "agentless": (CallState.FAILED, "agent failed: RuntimeError"),
        "good": (CallState.ENDED, "hung up"),
    }
    assert far.hung_up == [("agentless", "agent failed")]
    assert all(record.ledger.balances for record in far.records)
    assert "the transport raised" in caplog.text
    assert "RuntimeError" in caplog.text


def test_an_application_that_fails_to_keep_a_record_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    far = Far()

    def keep(record: CallSession) -> None:
        far.records.append(record)
        if record.call_id == "first":
            raise OSError("disk full")

    async def act(gateway: MediaGateway) -> None:
        gateway.on_call_started("first", RTP)
        gateway.on_call_started("second", RTP)
        gateway.on_call_ended("first")
        await until(lambda: far.records and len(far.sent.get("second", ())) == 3)

    held(far, Clerk(), act, keep=keep)
    assert [record.call_id for record in far.records] == ["first", "second"]
    assert "a call failed" in caplog.text


def test_leaving_the_gateway_ends_its_calls() -> None:
    far = Far()

    async def act(gateway: MediaGateway) -> None:
        gateway.on_call_started("c", RTP)

    held(far, Clerk(), act)
    assert [(record.state, record.end_reason) for record in far.records] == [
        (CallState.ENDED, "the gateway was closed")
    ]


def test_a_line_that_dies_is_given_up() -> None:
    far = Far()

    async def act(gateway: MediaGateway) -> None:
        gateway.on_call_started("c", RTP)
        await until(lambda: far.hung_up)
        gateway.on_call_ended("c")

    held(far, Clerk(), act, settings=CallSettings(silence_timeout_s=0.1, quiet_after_s=0.05))
    assert far.hung_up == [("c", "no audio for 0.1 s")]
    assert far.records[0].state is CallState.FAILED


@pytest.mark.parametrize(("able", "cleared"), [(True, ["c"]), (False, [])])
def test_a_caller_who_speaks_interrupts_and_a_transport_that_can_clears(able: bool, cleared: list[str]) -> None:
    far = Far()
    asked: list[str] = []

    class Interrupted(Clerk):
        def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> "ClerkSession":
            session = super().open(facts, hears=hears, speaks=speaks, emit=emit)

            def hear(audio: bytes, now: float) -> None:
                emit(SpeechStarted(0.0))
                emit(CallerSaid("no wait", final=False))

            session.hear = hear  # type: ignore[method-assign]
            return session

    async def act(gateway: MediaGateway) -> None:
        gateway.on_call_started("c", RTP)
        await until(lambda: far.sent)
        gateway.on_audio_received("c", bytes(160))
        gateway.on_call_ended("c")

    held(far, Interrupted(greeting_ms=5000), act, clear=asked.append if able else None)
    assert asked == cleared
    assert far.records[0].barge_ins == 1
    assert far.records[0].ledger.agent.cleared > 0
    assert far.records[0].ledger.balances


def test_with_an_agent_the_application_neither_reads_nor_speaks() -> None:
    async def act(gateway: MediaGateway) -> None:
        gateway.on_call_started("c", RTP)
        with pytest.raises(ConfigError):
            gateway.get_audio_queue("c")
        with pytest.raises(ConfigError):
            gateway.send_audio("c", bytes(480))

    held(Far(), Clerk(), act)


def test_with_an_agent_calls_are_taken_within_the_gateways_life_only() -> None:
    gateway = MediaGateway(model=Clerk(), send=lambda call, frame: None)
    with pytest.raises(ConfigError, match="async with"):
        gateway.on_call_started("c", RTP)
    assert gateway.calls == ()
