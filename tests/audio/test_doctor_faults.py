"""Every fault the doctor knows, made from good recordings in several strengths, and found: that one, and no other."""

import re
from collections.abc import Callable

import numpy as np
import pytest
from doctored import (
    NAMES,
    clicking,
    decimated,
    echoing,
    good,
    in_pieces,
    late,
    long,
    overdriven,
    packets_lost,
    run_dry,
    stretched,
    take,
    turned_down,
)

from listening import RECORDINGS
from noises import Floats, to_pcm16
from trunkline.audio.convert import Converter
from trunkline.audio.doctor import Finding, Take, examine
from trunkline.audio.format import PCM16_8K, PCM16_16K
from trunkline.audio.g711 import decode_alaw, decode_mulaw, encode_alaw, encode_mulaw

lines = pytest.mark.parametrize("line", ["pcm16", "mu-law"])
names = pytest.mark.parametrize("name", NAMES[:4])
# Only what hisses beyond half the lower rate can be folded in: the address of 1961 doesn't, and espeak-ng hardly does.
hissing = pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("librivox")] or ["none"])
of_people = pytest.mark.skipif(
    not RECORDINGS, reason="needs half a minute of people's speech (TRUNKLINE_SPEECH_DIR): synthetic pitch hides clicks"
)


def only(found: list[Finding], fault: str) -> Finding:
    assert {finding.fault for finding in found} == {fault}
    return found[0]


def figure(text: str, unit: str) -> float:
    """The number before ``unit`` in a finding's evidence."""
    match = re.search(rf"(-?[\d.]+) {unit}", text)
    assert match, text
    return float(match[1])


MISREAD: dict[str, Callable[[bytes], bytes]] = {
    "mu-law decoded as A-law": lambda pcm16: decode_alaw(encode_mulaw(pcm16)),
    "A-law decoded as mu-law": lambda pcm16: decode_mulaw(encode_alaw(pcm16)),
    "PCM16 decoded as mu-law": decode_mulaw,
    "PCM16 decoded as mu-law, a byte off": lambda pcm16: decode_mulaw(pcm16[1:]),
    "PCM16 decoded as A-law": decode_alaw,
    "PCM16 decoded as A-law, a byte off": lambda pcm16: decode_alaw(pcm16[1:]),
    "mu-law taken for PCM16": lambda pcm16: encode_mulaw(pcm16[: len(pcm16) & ~3]),
    "A-law taken for PCM16": lambda pcm16: encode_alaw(pcm16[: len(pcm16) & ~3]),
    "big-endian PCM16 taken for little-endian": lambda pcm16: np.frombuffer(pcm16, "<i2").byteswap().tobytes(),
    "PCM16 read from the middle of a sample": lambda pcm16: pcm16[1:-1],
}


@names
@pytest.mark.parametrize("fault", MISREAD)
@pytest.mark.parametrize("level", [1, 0.2])
def test_bytes_misread(name: str, fault: str, level: float) -> None:
    misread = np.frombuffer(MISREAD[fault](to_pcm16(level * good(name))), "<i2")
    only(examine(Take((misread,), 8000)), fault)


def test_bytes_misread_on_one_channel_only() -> None:
    pcm16 = to_pcm16(good(NAMES[0]))
    wrong = np.frombuffer(decode_alaw(encode_mulaw(pcm16)), "<i2")
    finding = only(examine(Take((np.frombuffer(pcm16, "<i2"), wrong), 8000)), "mu-law decoded as A-law")
    assert finding.where == "right"


@names
@lines
@pytest.mark.parametrize(("by", "then"), [(2, 1), (4, 1), (2, 0.25), (4, 0.5)])
def test_clipping(name: str, line: str, by: float, then: float) -> None:
    spoilt = overdriven(good(name), by, then)
    finding = only(examine(take(spoilt, line=line)), "clipping")
    share = 100 * float((np.abs(spoilt) >= 0.99 * np.abs(spoilt).max()).mean())
    assert figure(finding.evidence, "%") == pytest.approx(share, rel=0.35, abs=0.02)  # mu-law's top step is 3 % wide
    assert figure(finding.evidence, "dBFS") == pytest.approx(20 * np.log10(then), abs=0.5)
    assert ("further up the line" in finding.cause) == (then < 1)


@names
@pytest.mark.parametrize("by", [4, 10])
def test_clipping_before_the_rate_was_changed_and_again_after(name: str, by: float) -> None:
    """What a tool does that is told to turn up and to go to 8 kHz: a filter's ripple lies on what was flat."""
    wide = np.frombuffer(to_pcm16(overdriven(good(name, 16000), by)), "<i2").tobytes()
    narrow = Converter(PCM16_16K, PCM16_8K).process(wide)
    only(examine(Take((np.frombuffer(narrow, "<i2"),), 8000)), "clipping")


@names
@lines
@pytest.mark.parametrize("db", [32, 40])
def test_too_quiet(name: str, line: str, db: float) -> None:
    only(examine(take(turned_down(good(name), db), line=line)), "too quiet")


@of_people
@pytest.mark.parametrize(("line", "rate"), [("mu-law", 8000), ("pcm16", 16000)])
@pytest.mark.parametrize(("share", "ms"), [(0.02, 20), (0.05, 20), (0.1, 20), (0.05, 30), (0.05, 60)])
def test_packets_lost_and_silence_in_their_place(line: str, rate: int, share: float, ms: int) -> None:
    finding = only(examine(take(packets_lost(long(rate), rate, share, ms), rate=rate, line=line)), "packet loss")
    assert f"whole packets of {ms} ms" in finding.evidence


@of_people
@lines
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("every", [11, 23])
def test_packets_lost_from_one_voice_are_no_under_runs(name: str, line: str, every: int) -> None:
    spoilt = np.tile(good(name), 3)
    for at in range(0, len(spoilt) - 160, every * 160):
        spoilt[at : at + 160] = 0
    only(examine(take(spoilt, line=line)), "packet loss")


@of_people
@pytest.mark.parametrize(("line", "rate"), [("mu-law", 8000), ("pcm16", 16000)])
@pytest.mark.parametrize(("share", "ms"), [(0.02, 20), (0.05, 20), (0.1, 20), (0.05, 10), (0.05, 30), (0.05, 60)])
def test_packets_lost_and_the_last_one_repeated(line: str, rate: int, share: float, ms: int) -> None:
    spoilt = packets_lost(long(rate), rate, share, ms, repeat=True)
    finding = only(examine(take(spoilt, rate=rate, line=line)), "packet loss")
    assert f"times {ms} ms are the same" in finding.evidence


@of_people
@pytest.mark.parametrize(("line", "rate"), [("mu-law", 8000), ("pcm16", 16000)])
@pytest.mark.parametrize(("every_s", "ms"), [(0.5, 20), (0.3, 50), (0.2, 10), (1, 100)])
def test_under_runs(line: str, rate: int, every_s: float, ms: float) -> None:
    only(examine(take(run_dry(long(rate), rate, every_s, ms), rate=rate, line=line)), "under-runs")


@names
@pytest.mark.parametrize("by", [2, 3])
def test_images_from_putting_zeros_between_samples_are_no_clicks(name: str, by: int) -> None:
    stuffed = np.zeros(by * len(good(name)))
    stuffed[::by] = good(name)
    only(examine(take(stuffed, rate=8000 * by)), "aliasing")


@of_people
@lines
@pytest.mark.parametrize(("ms", "height"), [(10, 1000), (20, 400), (20, 1000), (30, 1000), (100, 2000)])
def test_clicks_at_a_frames_edge(line: str, ms: int, height: float) -> None:
    finding = only(examine(take(clicking(long(), 8000, ms, height), line=line)), f"clicks every {ms} ms")
    assert "first at 0.0" in finding.where


@of_people
@lines
def test_frames_filtered_each_by_itself_click(line: str) -> None:
    only(examine(take(in_pieces(long()), line=line)), "clicks every 20 ms")


@of_people
@hissing
@lines
@pytest.mark.parametrize("by", [2, 3])
def test_aliasing_from_dropping_samples(name: str, line: str, by: int) -> None:
    only(examine(take(decimated(good(name, 8000 * by), by), line=line)), "aliasing")


@names
@pytest.mark.parametrize("by", [2, 3])
@pytest.mark.parametrize("straight", [True, False])
def test_images_from_repeating_samples_or_drawing_lines_between_them(name: str, by: int, straight: bool) -> None:
    finding = only(examine(take(stretched(good(name), by, straight), rate=8000 * by)), "aliasing")
    assert "mirror image" in finding.evidence


@names
@lines
@pytest.mark.parametrize(("ms", "db"), [(60, 6), (120, 12), (250, 16), (700, 6)])
def test_echo_in_one_channel(name: str, line: str, ms: float, db: float) -> None:
    finding = only(examine(take(echoing(good(name), 8000, ms, db), line=line)), "echo")
    assert figure(finding.evidence, "ms") == pytest.approx(ms, abs=0.3)
    assert figure(finding.evidence, "dB") == pytest.approx(-db, abs=4)


def stereo(rate: int, ms: float, db: float, talk: float, ppm: float = 0) -> tuple[Floats, Floats]:
    """One talks; the other channel hears it late, and somebody else who talks too."""
    one, other = long(rate), np.roll(long(rate, first=2), 3 * rate)
    return one, late(one, rate, ms, db, ppm) + talk * other


@lines
@pytest.mark.parametrize(("ms", "db"), [(30, 10), (120, 20), (400, 16)])
@pytest.mark.parametrize("talk", [0, 0.5])
def test_echo_between_channels(line: str, ms: float, db: float, talk: float) -> None:
    finding = only(examine(take(*stereo(8000, ms, db, talk), line=line)), "echo")
    assert finding.where == "left heard again in right"
    assert figure(finding.evidence, "ms") == pytest.approx(ms, abs=0.2)


@of_people
@pytest.mark.parametrize("rate", [11025, 44100, 48000])
def test_echo_and_drift_are_told_at_any_rate(rate: int) -> None:
    one = long(rate)
    (echo,) = examine(take(one, late(one, rate, 123.4, 16), rate=rate))
    assert figure(echo.evidence, "ms") == pytest.approx(123.4, abs=0.2)
    found = {f.fault: f for f in examine(take(one, late(one, rate, 100, 14, 120), rate=rate))}
    assert figure(found["channel drift"].evidence, "ppm") == pytest.approx(120, abs=5)


@of_people
@lines
@pytest.mark.parametrize("ppm", [30, 100, 300, -200])
@pytest.mark.parametrize("talk", [0, 0.5])
def test_channels_that_drift_apart(line: str, ppm: float, talk: float) -> None:
    found = {f.fault: f for f in examine(take(*stereo(8000, 100, 14, talk, ppm), line=line))}
    assert found.keys() <= {"echo", "channel drift"}  # the echo is there, but may be too blurred to have one delay
    assert figure(found["channel drift"].evidence, "ppm") == pytest.approx(abs(ppm), abs=5)
    assert ("slow" in found["channel drift"].evidence) == (ppm > 0)
