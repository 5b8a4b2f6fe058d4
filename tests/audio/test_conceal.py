from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.conceal import Concealer
from trunkline.errors import AudioError

FRAME = 80


def voice(samples: int, *, hz: float = 110, rate: int = 8000) -> bytes:
    """A vowel of sorts: a fundamental with falling harmonics, repeating exactly."""
    t = np.arange(samples) / rate
    wave = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 12))
    return np.rint(4000 * wave).astype("<i2").tobytes()


def run(pcm16: bytes, lost: set[int], *, rate: int = 8000, frame: int = FRAME) -> np.ndarray:
    """The output for ``pcm16`` with these frames lost, its delay taken off."""
    concealer = Concealer(rate)
    out = b""
    for n in range(len(pcm16) // (2 * frame)):
        piece = pcm16[2 * n * frame : 2 * (n + 1) * frame]
        out += concealer.lost(frame) if n in lost else concealer.received(piece)
    out += concealer.flush()
    return np.frombuffer(out, "<i2")[concealer.delay :].astype(float)


def samples(pcm16: bytes) -> np.ndarray:
    return np.frombuffer(pcm16, "<i2").astype(float)


def test_without_losses_the_audio_is_only_delayed() -> None:
    audio = voice(1600)
    assert run(audio, set()).tolist() == samples(audio).tolist()


@pytest.mark.parametrize("rate", [8000, 16000])
@pytest.mark.parametrize("hz", [80, 110, 160, 190])
def test_a_steady_voice_goes_on_in_its_pitch(hz: float, rate: int) -> None:
    frame = rate // 100
    audio = voice(40 * frame, hz=hz, rate=rate)
    out = run(audio, {20}, rate=rate, frame=frame)
    truth = samples(audio)
    error = out[20 * frame : 21 * frame] - truth[20 * frame : 21 * frame]
    # Periods that aren't whole samples drift by a fraction of one; silence instead would give 0 dB.
    assert np.sum(error**2) < 0.05 * np.sum(truth[20 * frame : 21 * frame] ** 2)
    assert np.array_equal(out[: 19 * frame], truth[: 19 * frame]), "nothing before the loss is touched"
    assert np.array_equal(out[22 * frame :], truth[22 * frame :]), "nothing long after the loss is touched"


def test_the_repetition_fades_to_three_fifths_at_once_and_slowly_to_silence() -> None:
    out = run(voice(8000, hz=100), set(range(20, 60)))
    level = [float(np.sqrt(np.mean(out[n * FRAME : (n + 1) * FRAME] ** 2))) for n in range(19, 60)]
    ratios = [x / level[0] for x in level[1:]]
    assert ratios[:4] == pytest.approx([0.96, 0.73, 0.59, 0.57], abs=0.05)
    assert all(after < before for before, after in pairwise(ratios[2:31]))
    assert ratios[31:] == [0] * 9


@pytest.mark.parametrize("lost", [{20}, {20, 21}, {20, 21, 22}, set(range(20, 32)), {20, 22, 24}])
def test_there_is_no_click_at_a_seam(lost: set[int]) -> None:
    audio = voice(3200, hz=125)
    steepest = np.abs(np.diff(samples(audio))).max()
    assert np.abs(np.diff(run(audio, lost))).max() < 1.3 * steepest


def test_a_loss_at_the_very_beginning_is_silence() -> None:
    assert Concealer().lost(400) == bytes(800)


def test_silence_is_concealed_by_exact_silence() -> None:
    assert not run(bytes(3200), {5, 6, 9}).any()


def test_a_loss_of_no_samples_is_no_loss() -> None:
    concealer = Concealer()
    assert concealer.lost(0) == b""
    assert not concealer.concealing


def test_it_says_when_what_is_heard_is_made_up() -> None:
    concealer = Concealer()
    said = [concealer.concealing]
    for good in (True, False, True):
        concealer.received(voice(160)) if good else concealer.lost(160)
        said.append(concealer.concealing)
    assert said == [False, False, True, False]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 333)), max_size=20))
def test_any_pieces_give_as_many_samples_as_they_have(pieces: list[tuple[bool, int]]) -> None:
    concealer = Concealer()
    for good, count in pieces:
        out = concealer.received(voice(count)) if good else concealer.lost(count)
        assert len(out) == 2 * count
    assert len(concealer.flush()) == 2 * concealer.delay


@given(st.lists(st.integers(1, 200), max_size=8), st.lists(st.integers(1, 200), min_size=1, max_size=8))
def test_any_cutting_of_a_loss_and_of_what_follows_gives_the_same_sound(gaps: list[int], goods: list[int]) -> None:
    before, after = voice(500, hz=90), voice(sum(goods), hz=140)
    cut, whole = Concealer(), Concealer()
    outs = [b"", b""]
    outs[0] += cut.received(before)
    outs[1] += whole.received(before)
    for gap in gaps:
        outs[0] += cut.lost(gap)
    outs[1] += whole.lost(sum(gaps))
    at = 0
    for good in goods:
        outs[0] += cut.received(after[2 * at : 2 * (at + good)])
        at += good
    outs[1] += whole.received(after)
    assert outs[0] + cut.flush() == outs[1] + whole.flush()


@pytest.mark.parametrize("rate", [0, -8000, 11025, 22050])
def test_rates_that_are_no_multiple_of_8_khz_are_refused(rate: int) -> None:
    with pytest.raises(AudioError, match="use a multiple of 8000"):
        Concealer(rate)


def test_half_a_sample_is_refused_and_the_concealer_still_usable() -> None:
    concealer = Concealer()
    with pytest.raises(AudioError, match="3 bytes are not whole samples"):
        concealer.received(b"abc")
    assert len(concealer.received(b"abcd")) == 4
