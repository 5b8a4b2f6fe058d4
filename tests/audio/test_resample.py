"""The resampler's promises, each attacked; then its figures, measured from outside with tones and speech."""

import math
import os
import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trunkline.audio import filters, g711
from trunkline.audio.format import RATES
from trunkline.audio.resample import Resampler
from trunkline.errors import AudioError
from trunkline.testing import resampling

PAIRS = [(a, b) for a in RATES for b in RATES if a != b]
PHONE_PAIRS = [(8000, 16000), (8000, 24000), (8000, 48000), (16000, 8000), (24000, 8000), (48000, 8000)]
OTHER_PAIRS = [(16000, 24000), (24000, 16000), (8000, 11025), (48000, 11025), (22050, 8000), (44100, 48000)]

pairs = st.sampled_from(PAIRS)
seeds = st.integers(0, 2**32 - 1)


def noise(samples: int, seed: int = 1) -> bytes:
    """Full-scale noise: saturation included."""
    return np.random.default_rng(seed).integers(-32768, 32768, samples).astype("<i2").tobytes()


def samples_of(pcm16: bytes) -> NDArray[np.int16]:
    return np.frombuffer(pcm16, "<i2")


def cut_at(audio: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(p % (len(audio) + 1) for p in places), len(audio)]
    return [audio[a:b] for a, b in pairwise(bounds)]


# --- promises --------------------------------------------------------------------------------------------------


@given(pairs, st.integers(0, 700), seeds, st.lists(st.integers(0, 1400), max_size=30))
def test_how_the_input_is_cut_does_not_show(pair: tuple[int, int], n: int, seed: int, places: list[int]) -> None:
    audio = noise(n, seed)
    whole, cut = Resampler(*pair), Resampler(*pair)
    assert b"".join(map(cut.process, cut_at(audio, places))) == whole.process(audio)
    assert cut.flush() == whole.flush()


@pytest.mark.parametrize("pair", PHONE_PAIRS + OTHER_PAIRS)
def test_single_bytes_give_what_the_whole_gives(pair: tuple[int, int]) -> None:
    audio = noise(400)
    resampler = Resampler(*pair)
    assert b"".join(resampler.process(bytes([byte])) for byte in audio) == Resampler(*pair).process(audio)


@given(pairs, st.lists(st.integers(0, 1500), max_size=6))
def test_after_n_samples_exactly_the_ceiling_of_their_share_has_come_out(
    pair: tuple[int, int], pieces: list[int]
) -> None:
    resampler = Resampler(*pair)
    given_samples = got_samples = 0
    for n in pieces:
        given_samples += n
        got_samples += len(resampler.process(bytes(2 * n))) // 2
        assert got_samples == math.ceil(given_samples * pair[1] / pair[0])


@pytest.mark.parametrize("pair", PAIRS)
def test_every_20_ms_frame_brings_its_20_ms(pair: tuple[int, int]) -> None:
    resampler = Resampler(*pair)
    frame, due = bytes(pair[0] // 50 * 2), pair[1] / 50
    if pair[0] % 50 == 0:
        assert {len(resampler.process(frame)) // 2 for _ in range(40)} <= {math.floor(due), math.ceil(due)}


@pytest.mark.parametrize("pair", [(8000, 24000), (24000, 8000), (11025, 48000), (44100, 8000), (22050, 16000)])
def test_ten_minutes_do_not_drift_by_a_sample(pair: tuple[int, int]) -> None:
    resampler = Resampler(*pair)
    second = bytes(pair[0] * 2)
    assert sum(len(resampler.process(second)) for _ in range(600)) == 600 * pair[1] * 2


@given(pairs, st.integers(1, 700), seeds)
def test_flush_gives_what_the_tail_of_silence_would(pair: tuple[int, int], n: int, seed: int) -> None:
    from_rate, to_rate = pair
    tail = 47 if to_rate > from_rate else math.ceil(48 * from_rate / to_rate) - 1
    flushed, played_on = Resampler(*pair), Resampler(*pair)
    audio = noise(n, seed)
    out = flushed.process(audio) + flushed.flush()
    assert out == played_on.process(audio + bytes(2 * tail))
    assert len(out) // 2 == math.ceil((n + tail) * to_rate / from_rate)
    assert not any(played_on.process(bytes(200))), "the filter remembered more than its tail"


@pytest.mark.parametrize("ending", ["flush", "reset"])
@given(pair=pairs, seed=seeds, n=st.integers(0, 500))
def test_after_the_end_a_new_stream_begins(ending: str, pair: tuple[int, int], seed: int, n: int) -> None:
    resampler = Resampler(*pair)
    resampler.process(noise(n, seed) + b"\x01")  # half a sample is left over
    getattr(resampler, ending)()
    audio = noise(300)
    assert resampler.process(audio) == Resampler(*pair).process(audio)


def test_flushing_an_unused_stream_gives_nothing() -> None:
    resampler = Resampler(8000, 24000)
    assert resampler.flush() == b""
    resampler.process(noise(160))
    assert resampler.flush() != b""
    assert resampler.flush() == b""


@pytest.mark.parametrize("pair", PAIRS)
def test_silence_gives_exact_zeros(pair: tuple[int, int]) -> None:
    resampler = Resampler(*pair)
    assert not any(resampler.process(bytes(4000)) + resampler.flush())


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("level", [1, -1, 12345, 32767, -32768])
def test_a_steady_level_passes_unchanged(pair: tuple[int, int], level: int) -> None:
    out = samples_of(Resampler(*pair).process(np.full(2000, level, "<i2").tobytes()))
    settled = out[math.ceil(300 * pair[1] / pair[0]) :]
    assert (settled == level).all()


def rows_of(from_rate: int, to_rate: int) -> tuple[NDArray[np.int64], int]:
    common = math.gcd(from_rate, to_rate)
    per_sample = max(from_rate, to_rate) // common
    response = filters.minimum_phase(filters.low_pass(filters.TAPS * per_sample, per_sample))
    rows, unity = filters.whole_numbers(filters.polyphase(response, to_rate // common))
    return rows.astype(np.int64), unity


@pytest.mark.parametrize("pair", PHONE_PAIRS + OTHER_PAIRS)
def test_the_kernel_computes_the_filter_to_the_bit(pair: tuple[int, int]) -> None:
    rows, unity = rows_of(*pair)
    up, width = rows.shape
    down = pair[0] // math.gcd(*pair)
    audio = noise(1200)
    past = np.concatenate([np.zeros(width - 1, np.int64), samples_of(audio)])
    places = np.arange(math.ceil(1200 * up / down)) * down
    sums = np.array([past[at // up : at // up + width] @ rows[at % up] for at in places])
    assert np.abs(sums).max() < 2**31
    expected = np.clip(np.rint(sums * (1 / unity)), -32768, 32767)
    assert np.array_equal(samples_of(Resampler(*pair).process(audio)), expected)


@pytest.mark.parametrize("pair", PHONE_PAIRS)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_worst_input_there_is_saturates_and_does_not_wrap(pair: tuple[int, int], sign: int) -> None:
    rows, _ = rows_of(*pair)
    loudest = rows[np.abs(rows).sum(axis=1).argmax()]
    worst = np.where(loudest * sign >= 0, 32767, -32768)
    step = max(1, pair[0] // pair[1])
    # enough room in front that the whole of it lies under the row at one output
    audio = np.concatenate([np.zeros(step * 400 + 1 - len(worst), int), worst]).astype("<i2").tobytes()
    ends = samples_of(Resampler(*pair).process(audio))[-max(1, pair[1] // pair[0]) :]
    assert (32767 if sign > 0 else -32768) in ends


@pytest.mark.parametrize("rate", RATES)
def test_equal_rates_pass_the_audio_through_uncopied(rate: int) -> None:
    resampler = Resampler(rate, rate)
    audio = noise(160)
    assert resampler.process(audio) is audio
    assert resampler.delay_ms == 0
    assert resampler.flush() == b""


def test_equal_rates_too_wait_for_the_other_half_of_a_sample() -> None:
    resampler = Resampler(8000, 8000)
    assert [resampler.process(piece) for piece in (b"\x01\x02\x03", b"\x04", b"", b"\x05")] == [
        b"\x01\x02",
        b"\x03\x04",
        b"",
        b"",
    ]


def test_two_streams_of_a_pair_do_not_hear_each_other() -> None:
    one, other = Resampler(8000, 16000), Resampler(8000, 16000)
    first, second = noise(320, 1), noise(320, 2)
    mixed = [(one.process(first[at : at + 64]), other.process(second[at : at + 64])) for at in range(0, 640, 64)]
    assert b"".join(a for a, _ in mixed) == Resampler(8000, 16000).process(first)
    assert b"".join(b for _, b in mixed) == Resampler(8000, 16000).process(second)


def test_a_stream_takes_less_than_a_kibibyte() -> None:
    Resampler(48000, 8000)  # the filter, which all share
    tracemalloc.start()
    streams = [Resampler(48000, 8000) for _ in range(100)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(streams) < 1024


@pytest.mark.parametrize(("from_rate", "to_rate"), [(8000, 12000), (0, 8000), (8000, "16000"), (None, 8000)])
def test_a_rate_we_do_not_know_is_an_audio_error(from_rate: int, to_rate: int) -> None:
    with pytest.raises(AudioError, match="Hz is not supported: use one of 8000"):
        Resampler(from_rate, to_rate)


@pytest.mark.parametrize("audio", ["audio", None, 3, [1, 2], 0.5])
def test_what_is_not_bytes_is_an_audio_error_and_the_stream_goes_on(audio: object) -> None:
    resampler, untouched = Resampler(8000, 16000), Resampler(8000, 16000)
    before, after = noise(100, 1) + b"\x07", noise(100, 2)
    resampler.process(before)
    untouched.process(before)
    with pytest.raises(AudioError, match=f"audio must be bytes, not {type(audio).__name__}"):
        resampler.process(audio)  # type: ignore[arg-type]
    assert resampler.process(after) == untouched.process(after)


# --- figures ---------------------------------------------------------------------------------------------------


def through(from_rate: int, to_rate: int) -> resampling.Through:
    return lambda pcm16: Resampler(from_rate, to_rate).process(pcm16)


@pytest.mark.parametrize("pair", PHONE_PAIRS + OTHER_PAIRS)
def test_the_speech_band_is_flat(pair: tuple[int, int]) -> None:
    low, high = resampling.passband_db(through(*pair), *pair)
    assert low >= -0.7
    assert high <= 0.1


@pytest.mark.parametrize("pair", PHONE_PAIRS + OTHER_PAIRS)
def test_images_and_aliases_are_60_db_down(pair: tuple[int, int]) -> None:
    assert resampling.stray_db(through(*pair), *pair) <= -60


@pytest.mark.parametrize("pair", PHONE_PAIRS + OTHER_PAIRS)
def test_a_tone_stays_a_tone(pair: tuple[int, int]) -> None:
    assert resampling.thd_n_db(through(*pair), *pair) <= -70


@pytest.mark.parametrize("pair", PHONE_PAIRS + OTHER_PAIRS)
def test_the_delay_is_short_and_what_it_says_it_is(pair: tuple[int, int]) -> None:
    assert resampling.delay_ms(through(*pair), *pair) == pytest.approx(Resampler(*pair).delay_ms, abs=0.002)
    assert Resampler(*pair).delay_ms <= 0.5


# --- speech ----------------------------------------------------------------------------------------------------

SPEECH = Path(os.environ.get("TRUNKLINE_SPEECH_DIR") or Path(__file__).parents[3] / "shared" / "speech")


def best(audio: NDArray[np.int16], up: int, down: int) -> bytes:
    """A whole recording resampled at once by a long symmetric filter: as good as it gets, and far too late."""
    from scipy.signal import firwin, resample_poly

    longest = max(up, down)
    taps = firwin(512 * longest + 1, 0.95 / longest, window=("kaiser", 12.0))
    out: NDArray[np.float64] = resample_poly(audio.astype(float), up, down, window=taps)
    return np.clip(np.rint(out), -32768, 32767).astype("<i2").tobytes()


@pytest.mark.parametrize("name", ["librivox-0880.wav", "librivox-0930.wav"])
def test_speech_sounds_as_if_resampled_by_the_best_path_there_is(name: str) -> None:
    from pesq import pesq
    from soundfile import read

    if not (SPEECH / name).exists():
        pytest.skip(f"no recording {name} in the speech folder")
    speech, rate = read(SPEECH / name, dtype="int16")
    assert rate == 16000

    phone = best(speech, 1, 2)
    coded = g711.decode_mulaw(g711.encode_mulaw(phone))
    wide = pesq(16000, samples_of(best(samples_of(phone), 2, 1)), samples_of(through(8000, 16000)(coded)), "wb")

    rich = best(speech, 3, 2)
    line = g711.decode_mulaw(g711.encode_mulaw(through(24000, 8000)(rich)))
    narrow = pesq(8000, samples_of(best(samples_of(rich), 1, 3)), samples_of(line), "nb")

    assert wide >= 4.35
    assert narrow >= 4.35
