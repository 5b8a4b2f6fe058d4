import numpy as np
import pytest

from trunkline.audio.noise import ComfortNoise, noise_level
from trunkline.audio.tones import RING_BACK, Cadence, CadencedTone, DtmfDetector
from trunkline.errors import AudioError


def samples(pcm16: bytes) -> np.ndarray:
    return np.frombuffer(pcm16, "<i2").astype(float)


def rms(pcm16: bytes) -> float:
    return float(np.sqrt(np.mean(samples(pcm16) ** 2)))


@pytest.mark.parametrize("country", RING_BACK)
@pytest.mark.parametrize("rate", [8000, 16000])
def test_ring_back_sounds_and_is_silent_when_its_country_says(country: str, rate: int) -> None:
    cadence = RING_BACK[country]
    tone = CadencedTone(cadence, rate)
    for _ in range(2):  # the whole of it twice
        for n, ms in enumerate(cadence.on_off_ms):
            piece = tone.next(ms * rate // 1000)
            if n % 2:
                assert not any(piece)
            else:
                # 0 dBm0 is 3.17 dB below a full-scale sine.
                wanted = 32767 / 2**0.5 * 10 ** ((cadence.level_dbm0 - 3.17) / 20) * len(cadence.hz) ** 0.5
                assert rms(piece) == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("country", RING_BACK)
def test_ring_back_has_its_countrys_frequencies(country: str) -> None:
    cadence = RING_BACK[country]
    pcm = samples(CadencedTone(cadence).next(cadence.on_off_ms[0] * 8))
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    peaks = [f for f in range(20, 3980, 5) if spectrum[round(f * len(pcm) / 8000)] > 0.5 * spectrum.max()]
    assert all(min(abs(peak - hz) for hz in cadence.hz) <= 5 for peak in peaks)
    assert all(min(abs(peak - hz) for peak in peaks) <= 5 for hz in cadence.hz)


def test_a_tone_does_not_depend_on_how_it_is_asked_for() -> None:
    pieces, whole = CadencedTone(RING_BACK["uk"]), CadencedTone(RING_BACK["uk"])
    sizes = [1, 159, 160, 0, 77, 5000, 3]
    assert b"".join(pieces.next(n) for n in sizes) == whole.next(sum(sizes))


def test_a_tone_begins_and_ends_without_a_click() -> None:
    pcm = samples(CadencedTone(RING_BACK["us"]).next(6 * 8000))
    steady = np.abs(np.diff(pcm[1000:15000])).max()
    assert np.abs(np.diff(pcm)).max() <= 1.01 * steady
    assert abs(pcm[0]) < 10


def test_a_caller_may_bring_a_cadence() -> None:
    tone = CadencedTone(Cadence((480, 620), (500, 500), -24.0))
    assert rms(tone.next(4000)) > 100
    assert not any(tone.next(4000))


@pytest.mark.parametrize(
    ("hz", "on_off_ms"), [((), (1, 1)), ((400,), ()), ((400,), (1,)), ((400,), (5, -5)), ((400,), (0, 0))]
)
def test_a_cadence_that_cannot_be_is_refused(hz: tuple[float, ...], on_off_ms: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match="a cadence"):
        Cadence(hz, on_off_ms)


def test_a_tone_above_the_rates_limit_is_refused() -> None:
    with pytest.raises(AudioError, match="does not fit a rate of 8000 Hz"):
        CadencedTone(Cadence((4000,), (1, 1)))


@pytest.mark.parametrize("country", RING_BACK)
def test_ring_back_is_no_key(country: str) -> None:
    assert DtmfDetector().push(CadencedTone(RING_BACK[country]).next(12 * 8000)) == []


@pytest.mark.parametrize("level", [30, 50, 60, 70])
def test_comfort_noise_has_the_level_it_was_asked_for(level: int) -> None:
    noise = ComfortNoise(seed=1, level_dbov=level).next(80_000)
    # A sample is a whole number; that alone adds a noise of 1/12 in power.
    assert 20 * np.log10(rms(noise) / 32768) == pytest.approx(-level, abs=0.3)


def test_comfort_noise_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert ComfortNoise(seed=1).next(160) == ComfortNoise(seed=1).next(160)
    assert ComfortNoise(seed=1).next(160) != ComfortNoise(seed=2).next(160)


def test_comfort_noise_goes_on_and_does_not_repeat_itself() -> None:
    noise = ComfortNoise(seed=3)
    frames = [noise.next(160) for _ in range(100)]
    assert len(set(frames)) == 100
    assert all(len(frame) == 320 for frame in frames)
    assert noise.next(0) == b""
    assert len(noise.next(5)) == 10


def test_comfort_noise_has_no_seam_between_frames() -> None:
    """Neighbouring samples are as alike across a frame's edge as within it."""
    noise = ComfortNoise(seed=5, level_dbov=30)
    pcm = samples(b"".join(noise.next(40) for _ in range(4000)))
    edge = np.corrcoef(pcm[39:-1:40], pcm[40::40])[0, 1]
    within = np.corrcoef(pcm[19:-1:40], pcm[20::40])[0, 1]
    assert edge == pytest.approx(within, abs=0.06)
    assert within == pytest.approx(0.6, abs=0.05)


def test_the_softest_comfort_noise_is_silence() -> None:
    assert ComfortNoise(seed=1, level_dbov=127).next(160) == bytes(320)


@pytest.mark.parametrize(("payload", "level"), [(b"\x46", 70), (b"\xc6\x01\x02", 70), (b"\x00", 0), (b"", 70)])
def test_the_level_is_the_first_byte_of_a_comfort_noise_packet(payload: bytes, level: int) -> None:
    assert noise_level(payload) == level
