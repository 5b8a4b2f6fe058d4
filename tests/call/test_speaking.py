import pytest

from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_24K, AudioFormat
from trunkline.call.playout import Playout
from trunkline.call.speaking import AgentVoice
from trunkline.call.timeline import Timeline
from trunkline.wire.events import PlayAudio

START = 100.0


def voice(agent: AudioFormat, wire: AudioFormat) -> AgentVoice:
    return AgentVoice(agent, wire, Playout(wire, Timeline(wire.rate, START), clears=True, lead_ms=60_000))


def sent(agent: AgentVoice, now: float = START) -> bytes:
    return b"".join(command.audio for command in agent.playout.pop(now) if isinstance(command, PlayAudio))


def test_equal_formats_are_not_converted() -> None:
    agent = voice(MULAW_8K, MULAW_8K)
    audio = bytes(range(160))
    agent.push(audio, 1)
    agent.end(1)
    assert sent(agent) == audio


def test_a_reply_ends_with_what_the_filter_still_held() -> None:
    agent = voice(PCM16_24K, PCM16_8K)
    agent.push(bytes(PCM16_24K.bytes_for(100)), 1)
    agent.end(1)
    ledger = agent.playout.ledger
    assert ledger.generated > 800, "100 ms and the filter's tail"
    assert ledger.balances


def test_what_a_cut_reply_left_in_the_filter_does_not_sound_in_the_next() -> None:
    agent = voice(PCM16_24K, PCM16_8K)
    agent.push(b"\xff\x7f" * 4800, 1)
    agent.playout.hold(START)
    agent.playout.clear()
    agent.push(bytes(9600), 2)
    agent.end(2)
    heard = sent(agent)
    assert heard
    assert not any(heard)


@pytest.mark.parametrize("agent_format", [PCM16_8K, PCM16_24K], ids=str)
def test_samples_cut_in_half_between_pieces_are_joined(agent_format: AudioFormat) -> None:
    audio = bytes(range(256)) * 15
    whole, cut = voice(agent_format, PCM16_8K), voice(agent_format, PCM16_8K)
    whole.push(audio, 1)
    for i in range(0, len(audio), 7):
        cut.push(audio[i : i + 7], 1)
    whole.end(1)
    cut.end(1)
    assert sent(cut) == sent(whole)


def test_half_a_sample_at_the_end_of_a_reply_shifts_nothing_after_it() -> None:
    agent = voice(PCM16_8K, PCM16_8K)
    agent.push(b"\x01\x02" * 160 + b"\x01", 1)
    agent.end(1)
    agent.push(b"\x03\x04" * 160, 2)
    agent.end(2)
    assert sent(agent) == b"\x01\x02" * 160 + b"\x03\x04" * 160
    assert agent.playout.ledger.balances


def test_audio_of_a_dead_reply_is_only_counted() -> None:
    agent = voice(MULAW_8K, MULAW_8K)
    agent.push(bytes(320), 1)
    agent.playout.hold(START)
    agent.playout.clear()
    agent.push(bytes(320), 1)
    agent.end(1)
    agent.push(bytes(320), 2)
    agent.push(bytes(320), 1)
    assert agent.playout.ledger.late == 640
    assert agent.playout.ledger.in_flight == 320


def test_ending_all_ends_the_reply_that_was_begun_last() -> None:
    agent = voice(MULAW_8K, MULAW_8K)
    agent.end_all()
    agent.push(bytes(10), 1)
    agent.end_all()
    assert len(sent(agent)) == 160
