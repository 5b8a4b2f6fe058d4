"""Each figure of the quality monitor against signals made with a known value of it."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from listening import RECORDINGS, recording
from noises import Floats, noise, to_pcm16, voiced_power
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat, Encoding
from trunkline.audio.g711 import encode_alaw, encode_mulaw
from trunkline.audio.quality import AudioQualityMonitor, QualityAlert, QualityMetrics, QualityThresholds
from trunkline.audio.quality_score import costs
from trunkline.audio.quality_tone import find_tone

EVERY = (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat(Encoding.PCM16, 48000))
WIRE: dict[Encoding, Callable[[bytes], bytes]] = {
    Encoding.PCM16: bytes,
    Encoding.MULAW: encode_mulaw,
    Encoding.ALAW: encode_alaw,
}
formats = pytest.mark.parametrize("audio", EVERY, ids=str)


def seconds(audio: AudioFormat, length: float) -> Floats:
    return np.arange(round(audio.rate * length)) / audio.rate


def tone(audio: AudioFormat, hz: float = 997, level: float = 0.25, length: float = 8) -> Floats:
    wave: Floats = 32767 * level * np.sin(2 * np.pi * hz * seconds(audio, length))
    return wave


def words(audio: AudioFormat, level: float = 0.1, length: float = 8) -> Floats:
    """Noise in the band of the voice, 700 ms of every second."""
    band = noise("line", round(audio.rate * length), rate=audio.rate, seed=3)
    spoken = seconds(audio, length) % 1 < 0.7
    said: Floats = 32768 * level * band / band[spoken].std() * spoken
    return said


def listen(audio: AudioFormat, samples: Floats, **more: Any) -> AudioQualityMonitor:
    monitor = AudioQualityMonitor(audio, **more)
    monitor.push(WIRE[audio.encoding](to_pcm16(samples)))
    return monitor


def measured(audio: AudioFormat, samples: Floats) -> QualityMetrics:
    return listen(audio, samples).summary()


def hiss(audio: AudioFormat, like: Floats, level: float, kind: str = "white") -> Floats:
    made = noise(kind, len(like), rate=audio.rate)
    hissing: Floats = 32768 * level * made / made.std()
    return hissing


@formats
@pytest.mark.parametrize("snr_db", [5, 10, 20, 30])
def test_signal_to_noise_of_words_in_noise(audio: AudioFormat, snr_db: float) -> None:
    said = words(audio)
    found = measured(audio, said + hiss(audio, said, 0.1 * 10 ** (-snr_db / 20)))
    assert found.snr_db == pytest.approx(snr_db, abs=1.5)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("kind", ["white", "hum", "line"])
@pytest.mark.parametrize("snr_db", [15, 20, 25])
def test_signal_to_noise_of_real_speech_in_steady_noise(path: Any, kind: str, snr_db: float) -> None:
    take = recording(path)
    level = (voiced_power(take.clean, take.voiced) / 10 ** (snr_db / 10)) ** 0.5 / 32768
    found = measured(PCM16_8K, take.clean + hiss(PCM16_8K, take.clean, level, kind))
    assert found.snr_db == pytest.approx(snr_db, abs=1.5)


@formats
@pytest.mark.parametrize("snr_db", [15, 25])
def test_signal_to_noise_of_a_tone_that_never_pauses(audio: AudioFormat, snr_db: float) -> None:
    steady = tone(audio)
    found = measured(audio, steady + hiss(audio, steady, 0.25 / 2**0.5 * 10 ** (-snr_db / 20)))
    assert found.snr_db == pytest.approx(snr_db, abs=1.5)


def test_without_anything_to_tell_it_by_there_is_no_figure() -> None:
    quiet = np.zeros(5 * 8000)
    for samples in (quiet, hiss(PCM16_8K, quiet, 0.05), words(PCM16_8K)):
        assert measured(PCM16_8K, samples).snr_db is None  # silence; noise alone; words with digital silence between
    assert measured(PCM16_8K, quiet).level_dbfs is None


@formats
@pytest.mark.parametrize("percent", [0.5, 1, 3, 10])
def test_harmonic_distortion_of_a_tone(audio: AudioFormat, percent: float) -> None:
    harmonics = tone(audio, 2 * 997, level=0.6 * 0.25) + tone(audio, 3 * 997, level=0.8 * 0.25)
    found = measured(audio, tone(audio) + percent / 100 * harmonics)
    laws_own = 0.15 if audio.encoding is not Encoding.PCM16 else 0.01  # what eight bits add
    assert found.thd_percent == pytest.approx(percent, rel=0.05, abs=laws_own)


@pytest.mark.parametrize("level", [0.002, 0.01, 0.02])
def test_noise_is_not_distortion(level: float) -> None:
    """Not even at the worst of many moments: it would raise an alarm. (0.02 is 11 % of the tone.)"""
    steady = tone(PCM16_8K, length=120)
    found = measured(PCM16_8K, steady + hiss(PCM16_8K, steady, level))
    assert found.thd_percent is not None
    assert found.thd_percent < 0.5


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_no_piece_of_speech_is_taken_for_a_tone(path: Any) -> None:
    clean = recording(path).clean
    assert not [at for at in range(0, len(clean) - 1024, 80) if find_tone(clean[at : at + 1024], 8000)]


@formats
@pytest.mark.parametrize("share", [0.0005, 0.01, 0.1])
def test_clipped_samples_are_counted(audio: AudioFormat, share: float) -> None:
    samples = words(audio, 0.05)
    at = np.random.default_rng(2).choice(len(samples), round(share * len(samples)), replace=False)
    samples[at] = 40000 * np.sign(samples[at] + 0.5)
    assert measured(audio, samples).clipping_percent == pytest.approx(100 * share, rel=0.01)


@formats
@pytest.mark.parametrize("percent", [-5, 0, 1, 8])
def test_dc(audio: AudioFormat, percent: float) -> None:
    found = measured(audio, words(audio) + hiss(audio, words(audio), 0.005) + 327.68 * percent)
    assert found.dc_percent == pytest.approx(percent, abs=0.15)
    assert found.snr_db == pytest.approx(26, abs=2)  # and it is not taken for noise


@formats
@pytest.mark.parametrize("level", [0.02, 0.2, 0.9])
def test_level_of_a_tone_that_never_pauses(audio: AudioFormat, level: float) -> None:
    found = measured(audio, tone(audio, level=level))
    assert found.level_dbfs == pytest.approx(20 * np.log10(level / 2**0.5), abs=0.1)


@formats
@pytest.mark.parametrize("level", [0.003, 0.02, 0.2])
def test_level_is_that_of_the_words(audio: AudioFormat, level: float) -> None:
    found = measured(audio, words(audio, level))
    assert found.level_dbfs == pytest.approx(20 * np.log10(level), abs=0.5)
    peak = np.abs(words(audio, level)).max() / 32768
    assert found.peak_dbfs is not None
    assert found.peak_dbfs == pytest.approx(20 * np.log10(min(peak, 1)), abs=0.3)


def with_holes(audio: AudioFormat, samples: Floats, holes: list[tuple[int, int]]) -> Floats:
    samples = samples.copy()
    frame = audio.rate // 50
    for at, frames in holes:
        samples[at * frame : (at + frames) * frame] = 0
    return samples


@formats
def test_drop_outs_are_counted_and_timed(audio: AudioFormat) -> None:
    murmur = (
        3000 * noise("line", 8 * audio.rate, rate=audio.rate) / noise("line", 8 * audio.rate, rate=audio.rate).std()
    )
    holes = [(20, 1), (60, 3), (99, 2), (150, 1), (333, 10)]
    found = measured(audio, with_holes(audio, murmur, holes))
    assert found.dropouts == len(holes)
    assert found.dropout_percent == pytest.approx(100 * 17 / 400)


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_real_speech_between_digital_silence_has_no_drop_outs(path: Any) -> None:
    assert measured(MULAW_8K, recording(path).clean).dropouts == 0


def test_a_pause_that_was_faded_into_or_is_long_is_no_drop_out() -> None:
    fade = np.tile(np.concatenate([np.linspace(1, 0, 800), np.zeros(800), np.linspace(0, 1, 800)]), 20)
    assert measured(PCM16_8K, 3000 * noise("line", len(fade)) * fade).dropouts == 0
    steady = tone(PCM16_8K)
    assert measured(PCM16_8K, with_holes(PCM16_8K, steady, [(100, 50)])).dropouts == 0


@pytest.mark.parametrize("piece", [1, 7, 100, 320, 321, 10_000])
def test_how_the_audio_was_cut_does_not_show(piece: int) -> None:
    pcm16 = to_pcm16(words(PCM16_8K) + hiss(PCM16_8K, words(PCM16_8K), 0.01))[: 2 * 160 * 260]
    cut, whole = AudioQualityMonitor(PCM16_8K), AudioQualityMonitor(PCM16_8K)
    whole.push(pcm16)
    for at in range(0, len(pcm16), piece):
        cut.push(pcm16[at : at + piece])
    assert cut.summary() == whole.summary()
    assert cut.metrics == whole.metrics


def test_metrics_look_back_ten_seconds_and_the_summary_over_all() -> None:
    monitor = AudioQualityMonitor(PCM16_8K)
    monitor.push(to_pcm16(np.full(10 * 8000, 32767.0)))
    monitor.push(to_pcm16(words(PCM16_8K, length=11)))
    assert monitor.metrics.ms == 10_000
    assert monitor.metrics.clipping_percent < 0.01
    assert monitor.summary().ms == 21_000
    assert monitor.summary().clipping_percent == pytest.approx(100 * 10 / 21, rel=0.01)


def test_nothing_heard_measures_as_nothing() -> None:
    found = AudioQualityMonitor(MULAW_8K).summary()
    assert (found.ms, found.snr_db, found.level_dbfs, found.score) == (0, None, None, 100)


# --- the score and the alerts ---

GOOD = QualityMetrics(
    ms=10_000,
    snr_db=40,
    thd_percent=None,
    clipping_percent=0,
    dc_percent=0,
    level_dbfs=-20,
    peak_dbfs=-3,
    dropouts=0,
    dropout_percent=0,
)
WORSE: list[tuple[str, list[float]]] = [
    ("snr_db", [40, 30, 25, 20, 10, 0]),
    ("thd_percent", [0, 0.5, 1, 3, 10]),
    ("clipping_percent", [0, 0.1, 1, 4]),
    ("dc_percent", [0, 1, 3, 10]),
    ("level_dbfs", [-20, -40, -50, -60]),
    ("dropout_percent", [0, 0.5, 1, 5, 20]),
]


@pytest.mark.parametrize(("figure", "values"), WORSE, ids=[figure for figure, _ in WORSE])
def test_the_worse_a_figure_the_lower_the_score(figure: str, values: list[float]) -> None:
    scores = [msgspec.structs.replace(GOOD, **{figure: value}).score for value in values]
    assert scores[0] == 100
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < scores[1] <= 100


def test_a_line_with_every_fault_scores_nothing_and_not_less() -> None:
    worst = msgspec.structs.replace(GOOD, **{figure: values[-1] for figure, values in WORSE})
    assert sum(costs(worst).values()) > 100
    assert worst.score == 0


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
@pytest.mark.parametrize("audio", [MULAW_8K, ALAW_8K, PCM16_8K], ids=str)
def test_clean_speech_scores_over_ninety_and_raises_no_alert(path: Any, audio: AudioFormat) -> None:
    alerts: list[QualityAlert] = []
    monitor = listen(audio, np.tile(recording(path).clean, 3), on_alert=alerts.append)
    assert monitor.summary().score > 90
    assert not alerts


def stretches(*figures: tuple[float, float]) -> Iterator[bytes]:
    """(seconds, level of the hiss) one after another, under the same words."""
    for length, level in figures:
        said = words(PCM16_8K, length=length)
        yield to_pcm16(said + hiss(PCM16_8K, said, level))


def test_an_alert_comes_once_and_again_only_after_it_has_cleared() -> None:
    alerts: list[QualityAlert] = []
    monitor = AudioQualityMonitor(PCM16_8K, on_alert=alerts.append)
    for piece in stretches((20, 0.03), (20, 0.001), (20, 0.03)):
        monitor.push(piece)
    noisy = [alert for alert in alerts if alert.condition == "snr"]
    assert [alert.at_ms // 20_000 for alert in noisy] == [0, 2]
    assert noisy[0].value < noisy[0].limit == 20
    assert monitor.alerts == len(alerts)


def test_a_condition_that_flickers_alerts_at_most_every_ten_seconds() -> None:
    alerts: list[QualityAlert] = []
    monitor = AudioQualityMonitor(PCM16_8K, QualityThresholds(max_clipping_percent=15), alerts.append)
    for loud in [1, 1, 0] * 10:
        # The share over ten seconds goes up and down about the limit every two.
        monitor.push(to_pcm16(words(PCM16_8K, 0.6 if loud else 0.02, length=2)))
    times = [alert.at_ms for alert in alerts if alert.condition == "clipping"]
    assert all(later - sooner >= 10_000 for sooner, later in pairwise(times))


@pytest.mark.parametrize(
    ("condition", "samples"),
    [
        ("clipping", tone(PCM16_8K, level=1.5)),
        ("thd", tone(PCM16_8K) + 0.05 * tone(PCM16_8K, 2 * 997)),
        ("dc", words(PCM16_8K) + 2000),
        ("level", words(PCM16_8K, 0.002)),
        ("dropouts", with_holes(PCM16_8K, tone(PCM16_8K), [(at, 2) for at in range(10, 390, 20)])),
        ("score", words(PCM16_8K, 0.02) + hiss(PCM16_8K, words(PCM16_8K), 0.012)),
    ],
)
def test_each_condition_has_its_alert(condition: str, samples: Floats) -> None:
    alerts: list[QualityAlert] = []
    listen(PCM16_8K, samples, on_alert=alerts.append)
    assert condition in {alert.condition for alert in alerts}
