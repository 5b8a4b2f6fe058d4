"""Finding an original in its echo, and what is missing of it."""

import pytest

from trunkline.audio.convert import Converter
from trunkline.audio.format import MULAW_8K, PCM16_24K
from trunkline.audio.jitter import Frame, JitterBuffer
from trunkline.testing.echo import EchoReport, compare
from trunkline.testing.sounds import murmur

quiet = MULAW_8K.silence
ORIGINAL = b"".join(murmur(MULAW_8K, 900, seed=n) + quiet(1200) for n in range(4))


def through_24_khz(audio: bytes) -> bytes:
    up, down = Converter(MULAW_8K, PCM16_24K), Converter(PCM16_24K, MULAW_8K)
    return b"".join(down.process(up.process(audio[at : at + 160])) for at in range(0, len(audio), 160))


ECHO = through_24_khz(ORIGINAL)


@pytest.mark.parametrize(
    ("why", "heard", "delay", "missing", "inserted"),
    [
        ("the same", ORIGINAL, 0, 0, 0),
        ("converted and late", quiet(777) + ECHO, 777, 0, 0),
        ("a frame cut out", quiet(500) + ECHO[:10_000] + ECHO[10_160:], 500, 160, 0),
        ("seven samples cut out", ECHO[:10_000] + ECHO[10_007:], 0, 7, 0),
        ("two frames cut out", ECHO[:2000] + ECHO[2160:18_000] + ECHO[18_160:], 0, 320, 0),
        ("a pause put in", ECHO[:10_000] + quiet(400) + ECHO[10_000:], 0, 0, 400),
        ("a frame silenced", ECHO[:10_000] + quiet(160) + ECHO[10_160:], 0, 160, 0),
    ],
)
def test_what_is_missing_is_counted(why: str, heard: bytes, delay: int, missing: int, inserted: int) -> None:
    report = compare(ORIGINAL, heard, MULAW_8K)
    assert report.delay == pytest.approx(delay, abs=8)  # the filters' own delay
    assert report.missing == pytest.approx(missing, abs=0 if "silenced" not in why else 80), why  # a hole, to the block
    assert report.inserted == inserted
    assert report.whole == (missing == 0)


@pytest.mark.parametrize(
    ("why", "heard", "missing", "shed"),
    [
        ("the same", ECHO, 0, 0),
        ("a frame cut out", ECHO[:10_000] + ECHO[10_160:], 160, 0),
        ("two frames cut out", ECHO[:2000] + ECHO[2160:18_000] + ECHO[18_160:], 320, 0),
        ("a frame silenced", ECHO[:10_000] + quiet(160) + ECHO[10_160:], 160, 0),
        ("half a frame left out", ECHO[:10_000] + ECHO[10_080:], 0, 80),
        ("half a frame at either end of the line", ECHO[:10_000] + ECHO[10_080:10_300] + ECHO[10_376:], 0, 156),
    ],
)
def test_a_jitter_buffer_may_leave_out_less_than_a_packet_at_once(
    why: str, heard: bytes, missing: int, shed: int
) -> None:
    report = compare(ORIGINAL, heard, MULAW_8K, buffered=True)
    assert report.missing == pytest.approx(missing, abs=0 if "silenced" not in why else 80), why
    assert report.shed == shed
    assert report.whole == (missing == 0)
    assert compare(ORIGINAL, heard, MULAW_8K).whole == (why == "the same"), "elsewhere nothing may be left out"


def test_what_a_jitter_buffer_that_comes_nearer_to_its_delay_makes_of_a_voice_is_whole() -> None:
    buffer = JitterBuffer(MULAW_8K, start_ms=110)  # of which it needs a fifth
    heard = []
    packets = range(len(ORIGINAL) // 160)
    for n in packets:
        buffer.push(n, 160 * n, n * 0.02, ORIGINAL[160 * n : 160 * n + 160])
        while isinstance(piece := buffer.pop(n * 0.02), Frame):
            heard.append(piece.audio)
    assert buffer.stats.shortened_samples > 500
    report = compare(ORIGINAL, b"".join(heard), MULAW_8K, buffered=True)
    assert report.missing == 0
    assert 0 < report.shed <= buffer.stats.shortened_samples, "what was left out of silence is not seen"


@pytest.mark.parametrize("heard", [b"", quiet(30_000), murmur(MULAW_8K, 4000, seed=99)], ids=["none", "quiet", "other"])
def test_nothing_of_it_in_silence_or_in_another_voice(heard: bytes) -> None:
    report = compare(ORIGINAL, heard, MULAW_8K)
    assert report.missing == report.compared > 0


def test_an_echo_that_stops_early_misses_the_rest() -> None:
    report = compare(ORIGINAL, ECHO[: len(ECHO) // 2], MULAW_8K)
    assert report.missing == pytest.approx(report.compared / 2, abs=200)


def test_of_silence_nothing_is_said() -> None:
    assert compare(quiet(8000), quiet(8000), MULAW_8K) == EchoReport(0, 0, 0, 0)
    assert compare(b"", b"", MULAW_8K).whole is False
