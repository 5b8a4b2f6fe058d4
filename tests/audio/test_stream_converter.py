"""The converter as a library: chunks of any size and kind, either way; memory; and what it sounds like."""

import asyncio
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from speech import FOLDER
from trunkline.audio import ALawStreamDecoder, AudioStreamConverter, MuLawStreamDecoder, g711
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, RATES, AudioFormat, Encoding
from trunkline.errors import AudioError

AnyConverter = AudioStreamConverter | MuLawStreamDecoder | ALawStreamDecoder
SOURCE = Path(__file__).parents[2] / "src"


def noise(n_bytes: int, seed: int = 1) -> bytes:
    return np.random.default_rng(seed).bytes(n_bytes)


def floats(n: int, seed: int = 1) -> bytes:
    """A third of them beyond full scale."""
    return np.random.default_rng(seed).normal(0, 1, n).astype("<f4").tobytes()


def cut_at(audio: bytes, places: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted(p % (len(audio) + 1) for p in places), len(audio)]
    return [audio[a:b] for a, b in pairwise(bounds)]


# What each converter is: our format-to-format converter behind a plainer face.
DIRECTIONS: list[tuple[str, Callable[[], AnyConverter], AudioFormat, AudioFormat]] = [
    ("24 kHz to mu-law", AudioStreamConverter, PCM16_24K, MULAW_8K),
    ("24 kHz to A-law", lambda: AudioStreamConverter(encoding="alaw"), PCM16_24K, ALAW_8K),
    ("16 kHz to mu-law", lambda: AudioStreamConverter(16000, 8000, 320), PCM16_16K, MULAW_8K),
    ("24 to 16 kHz", lambda: AudioStreamConverter(24000, 16000, 4800, "pcm16"), PCM16_24K, PCM16_16K),
    ("mu-law to 24 kHz", MuLawStreamDecoder, MULAW_8K, PCM16_24K),
    ("mu-law to 16 kHz", lambda: MuLawStreamDecoder(8000, 16000), MULAW_8K, PCM16_16K),
    ("mu-law to 8 kHz", lambda: MuLawStreamDecoder(output_rate=8000), MULAW_8K, PCM16_8K),
    ("A-law to 24 kHz", ALawStreamDecoder, ALAW_8K, PCM16_24K),
]
directions = pytest.mark.parametrize(
    ("make", "source", "target"), [d[1:] for d in DIRECTIONS], ids=[d[0] for d in DIRECTIONS]
)


@directions
@pytest.mark.parametrize("size", [1, 3, 479, 960, 9600, 100_000])
def test_chunks_of_any_size_give_the_same_bytes(
    make: Callable[[], AnyConverter], source: AudioFormat, target: AudioFormat, size: int
) -> None:
    audio = noise(9600)
    expected = Converter(source, target)
    converter = make()
    pieces = [converter.convert_chunk(audio[at : at + size]) for at in range(0, len(audio), size)]
    assert b"".join(pieces) == expected.process(audio)
    assert converter.flush() == expected.flush()
    assert (converter.input_rate, converter.output_rate) == (source.rate, target.rate)


@directions
def test_a_stream_is_its_chunks_and_the_tail(
    make: Callable[[], AnyConverter], source: AudioFormat, target: AudioFormat
) -> None:
    chunks = cut_at(noise(6000), [7, 100, 100, 4001])
    one = make()
    expected = b"".join(map(one.convert_chunk, chunks)) + one.flush()

    async def arriving() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def gather(converter: AnyConverter) -> bytes:
        return b"".join([piece async for piece in converter.convert_stream_async(arriving())])

    assert b"".join(make().convert_stream(chunks)) == expected
    assert asyncio.run(gather(make())) == expected


def test_a_frame_gives_a_frame_however_large_the_preferred_chunk() -> None:
    converter = AudioStreamConverter(chunk_size=1_000_000)
    assert [len(converter.convert_chunk(PCM16_24K.silence(480))) for _ in range(50)] == [160] * 50
    assert [len(piece) for piece in converter.convert_stream([PCM16_24K.silence(480)] * 3)][:3] == [160] * 3


def test_a_stream_works_on_long_chunks_in_blocks_of_the_preferred_size() -> None:
    pieces = list(AudioStreamConverter(chunk_size=480).convert_stream([PCM16_24K.silence(1200)]))
    assert [len(piece) for piece in pieces] == [160, 160, 80, 48]  # the last is the filter's tail


def test_a_stream_leaves_the_converter_fresh_even_if_it_breaks() -> None:
    def broken() -> Iterable[bytes]:
        yield noise(961)
        raise ConnectionError

    converter = AudioStreamConverter()
    with pytest.raises(ConnectionError):
        list(converter.convert_stream(broken()))
    assert converter.convert_chunk(noise(960, 2)) == AudioStreamConverter().convert_chunk(noise(960, 2))


def test_after_reset_a_new_stream_begins() -> None:
    for converter in (AudioStreamConverter(), AudioStreamConverter(input_format="pcm_f32le")):
        fresh = converter.convert_chunk(floats(240))
        converter.convert_chunk(floats(240)[:-1])
        converter.reset()
        assert converter.convert_chunk(floats(240)) == fresh


def test_two_calls_with_a_converter_each_do_not_hear_each_other() -> None:
    one, other = noise(9600, 1), noise(9600, 2)
    first, second = AudioStreamConverter(), AudioStreamConverter()
    mixed = [
        (first.convert_chunk(a), second.convert_chunk(b))
        for a, b in zip(cut_at(one, [999]), cut_at(other, [5000]), strict=True)
    ]
    assert b"".join(a for a, _ in mixed) == AudioStreamConverter().convert_chunk(one)
    assert b"".join(b for _, b in mixed) == AudioStreamConverter().convert_chunk(other)


# --- floats ----------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(0, 2000), max_size=10), st.sampled_from(RATES), st.sampled_from(list(Encoding)))
def test_floats_are_the_integers_they_stand_for_however_they_are_cut(
    places: list[int], rate: int, encoding: Encoding
) -> None:
    whole = np.arange(-32768, 32768, 131).astype("<i2")
    converter = AudioStreamConverter(rate, 8000, encoding=encoding, input_format="pcm_f32le")
    pieces = cut_at((whole / 32768).astype("<f4").tobytes(), places)
    expected = AudioStreamConverter(rate, 8000, encoding=encoding).convert_chunk(whole.tobytes())
    assert b"".join(map(converter.convert_chunk, pieces)) == expected


FLOATS = [
    (1.0, 32767, "full scale has no positive in 16 bits"),
    (-1.0, -32768, "it has a negative"),
    (7.5, 32767, "clipped"),
    (-3e38, -32768, "clipped, and doesn't overflow on the way"),
    (0.5 / 32768, 0, "half to even"),
    (1.5 / 32768, 2, "half to even"),
    (-0.0, 0, "no sign"),
    (1e-45, 0, "denormal"),
]


@pytest.mark.parametrize(("value", "sample", "why"), FLOATS, ids=[f"{case[0]:g} {case[2]}" for case in FLOATS])
def test_a_float_becomes_the_nearest_sample(value: float, sample: int, why: str) -> None:
    converter = AudioStreamConverter(8000, 8000, encoding="pcm16", input_format="pcm_f32le")
    got = converter.convert_chunk(np.array([value], "<f4").tobytes())
    assert int.from_bytes(got, "little", signed=True) == sample, why


def test_a_part_of_a_float_does_not_outlive_its_stream() -> None:
    converter = AudioStreamConverter(input_format="pcm_f32le")
    converter.convert_chunk(b"12")
    converter.flush()
    assert converter.convert_chunk(floats(480)) == AudioStreamConverter(input_format="pcm_f32le").convert_chunk(
        floats(480)
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 77, 479])
def test_what_is_no_number_is_refused_and_the_next_chunk_is_converted(bad: float, at: int) -> None:
    samples = np.frombuffer(floats(480), "<f4").copy()
    samples[at] = bad
    converter, untouched = (AudioStreamConverter(input_format="pcm_f32le") for _ in range(2))
    assert converter.convert_chunk(floats(100)) == untouched.convert_chunk(floats(100))
    with pytest.raises(AudioError, match="NaN or infinite: floating-point audio lies between -1 and 1"):
        converter.convert_chunk(samples.tobytes())
    assert converter.convert_chunk(floats(100)) == untouched.convert_chunk(floats(100))


def test_a_refused_chunk_does_not_shift_the_samples_after_it() -> None:
    bad = np.full(10, np.nan, "<f4").tobytes()
    converter = AudioStreamConverter(8000, 8000, encoding="pcm16", input_format="pcm_f32le")
    good = np.arange(10, dtype="<f4") / 32768
    stream = bad + good.tobytes()
    with pytest.raises(AudioError):
        converter.convert_chunk(stream[:39])
    with pytest.raises(AudioError):
        converter.convert_chunk(stream[39:50])  # ends in the middle of the third good sample
    assert converter.convert_chunk(stream[50:]) == np.arange(2, 10).astype("<i2").tobytes()


# --- bad input -------------------------------------------------------------------------------------------------

BAD = [
    (lambda: AudioStreamConverter(12000), "a rate of 12000 Hz is not supported: use one of 8000"),
    (lambda: AudioStreamConverter(output_rate=0), "a rate of 0 Hz is not supported"),
    (lambda: AudioStreamConverter("24000"), "a rate of 24000 Hz is not supported"),  # type: ignore[arg-type]
    (lambda: AudioStreamConverter(24000.0), "a rate of 24000.0 Hz is not supported"),  # type: ignore[arg-type]
    (lambda: AudioStreamConverter(encoding="opus"), "'opus' is not supported: use one of pcm16, mulaw, alaw"),
    (lambda: AudioStreamConverter(input_format="mp3"), "'mp3' is not supported: use one of pcm16, pcm_f32le"),
    (lambda: AudioStreamConverter(chunk_size=0), "a chunk has at least 1 sample, not 0"),
    (lambda: MuLawStreamDecoder(output_rate=96000), "a rate of 96000 Hz is not supported"),
    (lambda: ALawStreamDecoder(7999), "a rate of 7999 Hz is not supported"),
]


@pytest.mark.parametrize(("make", "error"), BAD, ids=[case[1] for case in BAD])
def test_what_cannot_be_converted_is_said_at_once(make: Callable[[], object], error: str) -> None:
    with pytest.raises(AudioError, match=error):
        make()


@pytest.mark.parametrize(
    "make", [AudioStreamConverter, lambda: AudioStreamConverter(input_format="pcm_f32le"), MuLawStreamDecoder]
)
@pytest.mark.parametrize(
    "chunk", ["audio", None, 3, [1, 2], np.zeros(3, np.int16)], ids=lambda chunk: type(chunk).__name__
)
def test_what_is_not_bytes_is_an_audio_error_and_the_stream_goes_on(
    make: Callable[[], AnyConverter], chunk: object
) -> None:
    converter, untouched = make(), make()
    converter.convert_chunk(floats(99)), untouched.convert_chunk(floats(99))
    with pytest.raises(AudioError, match=f"audio must be bytes, not {type(chunk).__name__}"):
        converter.convert_chunk(chunk)  # type: ignore[arg-type]
    assert converter.convert_chunk(floats(99)) == untouched.convert_chunk(floats(99))
    with pytest.raises(AudioError, match="audio must be bytes"):
        list(converter.convert_stream([chunk]))  # type: ignore[list-item]


@directions
def test_nothing_gives_nothing(make: Callable[[], AnyConverter], source: AudioFormat, target: AudioFormat) -> None:
    converter = make()
    assert converter.convert_chunk(b"") == converter.flush() == b""
    assert list(converter.convert_stream([])) == list(converter.convert_stream([b"", b""])) == []


# --- what it takes ---------------------------------------------------------------------------------------------

MANY_CONVERTERS = """
from pathlib import Path
from resource import getpagesize
from trunkline.audio import AudioStreamConverter
def resident_kib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * getpagesize() / 1024
def grow(n):
    made = [AudioStreamConverter(48000, 8000, input_format="pcm_f32le") for _ in range(n)]
    for converter in made:
        converter.convert_chunk(bytes(3843))
    return made
kept = grow(1000)
before = resident_kib()
kept += grow(10_000)
print((resident_kib() - before) / 10_000)
"""


def test_a_converter_holds_far_less_than_10_kib() -> None:
    chunk = bytes(3843)
    AudioStreamConverter(48000, 8000, input_format="pcm_f32le").convert_chunk(chunk)  # designs the filter all share
    tracemalloc.start()
    converters = [AudioStreamConverter(48000, 8000, input_format="pcm_f32le") for _ in range(100)]
    for converter in converters:
        converter.convert_chunk(chunk)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken / len(converters) < 2048


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="only Linux says how much of a process is resident")
def test_ten_thousand_converters_at_work_add_less_than_10_kib_each_to_a_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MANY_CONVERTERS], capture_output=True, text=True, check=True, cwd=SOURCE
    )
    assert 0.5 < float(done.stdout) < 10  # below, and nothing would have been measured


@pytest.mark.parametrize(
    "name", ["AudioStreamConverter", "MuLawStreamDecoder", "convert_for_rtp", "validate_pcm_format"]
)
def test_using_one_name_loads_fewer_than_ten_of_our_modules(name: str) -> None:
    script = (
        f"from trunkline.audio import {name}; import sys; print(sum(n.startswith('trunkline') for n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=SOURCE)
    assert int(done.stdout) < 10


# --- what listeners would say -----------------------------------------------------------------------------------


def samples_of(pcm16: bytes) -> NDArray[np.int16]:
    return np.frombuffer(pcm16, "<i2")


def best(audio: NDArray[np.int16], up: int, down: int) -> bytes:
    """A whole recording resampled at once by a long symmetric filter: as good as it gets, and far too late."""
    from scipy.signal import firwin, resample_poly

    longest = max(up, down)
    taps = firwin(512 * longest + 1, 0.95 / longest, window=("kaiser", 12.0))
    out: NDArray[np.float64] = resample_poly(audio.astype(float), up, down, window=taps)
    return np.clip(np.rint(out), -32768, 32767).astype("<i2").tobytes()


def test_speech_comes_out_nearly_as_the_best_path_there_is_would_bring_it() -> None:
    """In the chunks of a voice model one way, in the frames of a phone line the other; the mean of all recordings."""
    from pesq import pesq
    from soundfile import read

    recordings = sorted(FOLDER.glob("*.wav"))
    if not recordings:
        pytest.skip("no recordings in the speech folder")
    narrow, wide = [], []
    for recording in recordings:
        speech, rate = read(recording, dtype="int16")
        assert rate == 16000
        rich, phone = best(speech, 3, 2), best(speech, 1, 2)

        chunks = [rich[at : at + 9600] for at in range(0, len(rich), 9600)]
        line = g711.decode_mulaw(b"".join(AudioStreamConverter().convert_stream(chunks)))
        narrow.append(pesq(8000, samples_of(best(samples_of(rich), 1, 3)), samples_of(line), "nb"))

        coded = g711.encode_mulaw(phone)
        frames = [coded[at : at + 160] for at in range(0, len(coded), 160)]
        heard = b"".join(MuLawStreamDecoder(8000, 16000).convert_stream(frames))
        wide.append(pesq(16000, samples_of(best(samples_of(phone), 2, 1)), samples_of(heard), "wb"))
    assert np.mean(narrow) >= 4.30
    assert np.mean(wide) >= 4.20
