"""Your own transport, our audio: Vonage's WebSocket frames and RTP's payloads through one ``MediaGateway``.

    python examples/own_transport.py

The transports are simulated here: two callers who say ``sample.wav``. In your application ``on_call_started``,
``on_audio_received`` and ``on_call_ended`` are called by whatever receives your calls, and ``send`` puts a frame into
whatever carries them back. ``reader`` is where your voice model goes; this one says what it hears.
"""

import asyncio
import wave
from collections import Counter
from pathlib import Path

from trunkline import MediaGateway
from trunkline.audio.convert import Converter
from trunkline.audio.format import MULAW_8K, PCM16_16K, PCM16_24K, AudioFormat

SAMPLE = Path(__file__).with_name("sample.wav")


async def reader(gateway: MediaGateway, call_id: str) -> None:
    """Everything in here is PCM16 at 24 kHz, whoever calls."""
    async for audio in gateway.get_audio_queue(call_id):
        gateway.send_audio(call_id, audio)


async def caller(gateway: MediaGateway, call_id: str, wire: AudioFormat, metadata: dict[str, object]) -> None:
    """A simulated call: 20 ms at a time, and one broken packet."""
    with wave.open(str(SAMPLE)) as file:
        spoken = Converter(PCM16_24K, wire).process(file.readframes(file.getnframes()))
    frame = wire.bytes_for(20)
    gateway.on_call_started(call_id, metadata)
    reading = asyncio.create_task(reader(gateway, call_id))
    for at in range(0, len(spoken), frame):
        gateway.on_audio_received(call_id, spoken[at : at + frame])
        await asyncio.sleep(0)  # a real call would take 20 ms here
    gateway.on_audio_received(call_id, b"\x00")
    gateway.on_call_ended(call_id, "the caller hung up")
    await reading
    told = gateway.metrics(call_id)
    print(f"{call_id}: {told.total_chunks} chunks, {told.total_bytes} bytes, {told.total_duration_ms:g} ms heard")
    print(f"{call_id}: {told.validation_errors} not taken, {told.buffer_overflows} overflows: {told.last_error}")


async def main() -> None:
    sent: Counter[tuple[str, int]] = Counter()

    def send(call_id: str, frame: bytes) -> None:
        sent[call_id, len(frame)] += 1

    gateway = MediaGateway(send=send)
    await asyncio.gather(
        caller(gateway, "vonage", PCM16_16K, {"format": "audio/l16;rate=16000", "frame_ms": 20}),
        caller(gateway, "rtp", MULAW_8K, {"format": "PCMU/8000"}),
    )
    for (call_id, size), frames in sorted(sent.items()):
        print(f"{call_id}: sent {frames} frames of {size} bytes")


if __name__ == "__main__":
    asyncio.run(main())
