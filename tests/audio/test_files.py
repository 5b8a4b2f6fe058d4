"""Whole files: every container both ways, exact lengths, channels, peaks, memory; and everything that can be wrong.

Where ffmpeg or sox is installed, it judges what we write.
"""

import io
import os
import struct
import subprocess
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from shutil import which
from typing import Any, BinaryIO, cast

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from trunkline.audio import convert_file, g711
from trunkline.audio.convert import Converter
from trunkline.audio.files import NORMAL_PEAK
from trunkline.audio.format import ALAW_8K, MULAW_8K, RATES, AudioFormat, Encoding
from trunkline.audio.sound_files import RawFormat
from trunkline.errors import AudioError

Samples = NDArray[np.int16]


def voice(rate: int, seconds: float = 1.0, peak: float = 0.5, seed: int = 1) -> Samples:
    """Noise in the band of a phone line: everywhere different, and every rate can hold it."""
    n = round(rate * seconds)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / rate)
    spectrum[(hz < 300) | (hz > 3300)] = 0
    sound = np.fft.irfft(spectrum, n)
    samples: Samples = np.rint(32767 * peak * sound / np.abs(sound).max()).astype(np.int16)
    return samples


def pcm16(path: Path) -> Samples:
    samples, _ = soundfile.read(path, dtype="int16")
    found: Samples = samples
    return found


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """One second of 16 kHz mono, in a folder with a space in its name."""
    path = tmp_path / "a folder" / "in.wav"
    path.parent.mkdir()
    soundfile.write(path, voice(16000), 16000)
    return path


# --- containers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.raw", "out.pcm", "out.WAVE"])
def test_what_is_not_asked_for_stays_as_it_is(wav: Path, name: str) -> None:
    out = wav.with_name(name)
    done = convert_file(wav, out)
    found = np.frombuffer(out.read_bytes(), "<i2") if done.format and out.suffix in (".raw", ".pcm") else pcm16(out)
    assert np.array_equal(found, pcm16(wav))
    assert (done.source_rate, done.source_channels, str(done.format)) == (16000, 1, "pcm16/16000")
    assert (done.samples, done.seconds, done.gain) == (16000, 1.0, 1.0)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("encoding", list(Encoding))
def test_a_file_has_the_samples_of_a_stream_and_exactly_its_length(wav: Path, rate: int, encoding: Encoding) -> None:
    out = wav.with_name("out.raw")
    done = convert_file(wav, out, rate=rate, encoding=encoding.value)
    stream = Converter(AudioFormat(Encoding.PCM16, 16000), AudioFormat(encoding, rate))
    assert out.read_bytes() == stream.process(pcm16(wav).tobytes())
    assert done.samples == rate  # one second


@pytest.mark.parametrize(
    ("name", "audio"),
    [("a.ulaw", MULAW_8K), ("a.mulaw", MULAW_8K), ("a.ul", MULAW_8K), ("a.alaw", ALAW_8K), ("a.al", ALAW_8K)],
)
def test_a_file_named_after_a_law_holds_8_khz_of_it_and_is_read_as_such(
    wav: Path, name: str, audio: AudioFormat
) -> None:
    there, back = wav.with_name(name), wav.with_name("back.wav")
    assert convert_file(wav, there).format == audio
    assert there.stat().st_size == 8000
    done = convert_file(there, back)
    assert (done.source_rate, str(done.format)) == (8000, "pcm16/8000")
    decode = g711.decode_mulaw if audio is MULAW_8K else g711.decode_alaw
    assert pcm16(back).tobytes() == decode(there.read_bytes())


@pytest.mark.parametrize(("encoding", "tag", "samples"), [("mulaw", 7, 1999), ("alaw", 6, 1999), ("pcm16", 1, 1999)])
def test_a_wav_of_ours_says_what_it_holds(tmp_path: Path, encoding: str, tag: int, samples: int) -> None:
    """Byte by byte: chunks one after the other, lengths that add up, an odd body padded."""
    out = tmp_path / "out.wav"
    convert_file(io.BytesIO(voice(8000)[:samples].tobytes()), out, encoding=encoding, raw=RawFormat("pcm16", 8000))
    data = out.read_bytes()
    assert data[:4] + data[8:12] == b"RIFFWAVE"
    assert int.from_bytes(data[4:8], "little") == len(data) - 8
    chunks, at = {}, 12
    while at < len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        chunks[name] = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    assert at == len(data)
    width = 2 if tag == 1 else 1
    assert struct.unpack("<HHIIHH", chunks[b"fmt "][:16]) == (tag, 1, 8000, 8000 * width, width, 8 * width)
    assert chunks.get(b"fact", struct.pack("<I", samples)) == struct.pack("<I", samples)
    assert (b"fact" in chunks, len(chunks[b"fmt "])) == ((False, 16) if tag == 1 else (True, 18))
    assert len(chunks[b"data"]) == samples * width


def test_the_codes_in_a_wav_are_the_itus_and_not_another_tools(tmp_path: Path) -> None:
    every = np.arange(-32768, 32768).astype("<i2").tobytes()
    for encoding, encode in (("mulaw", g711.encode_mulaw), ("alaw", g711.encode_alaw)):
        out = tmp_path / "out.wav"
        convert_file(io.BytesIO(every), out, encoding=encoding, raw=RawFormat("pcm16", 8000))
        assert out.read_bytes()[-65536:] == encode(every)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"])
def test_samples_of_any_kind_are_read(tmp_path: Path, subtype: str) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, voice(8000) / 32768, 8000, subtype=subtype)
    convert_file(source, out)
    expected, _ = soundfile.read(source, dtype="float64")
    assert np.abs(pcm16(out) - expected * 32768).max() <= 0.5


def test_ogg_is_written_and_read(wav: Path) -> None:
    ogg, out = wav.with_name("out.ogg"), wav.with_name("out.wav")
    assert convert_file(wav, ogg).samples == 16000
    assert soundfile.info(ogg).subtype == "VORBIS"
    assert convert_file(ogg, out, rate=8000).samples == 8000


def test_floats_without_a_header_are_read(tmp_path: Path) -> None:
    out = tmp_path / "out.wav"
    raw = RawFormat("pcm_f32le", 24000)
    convert_file(io.BytesIO((voice(24000) / 32768).astype("<f4").tobytes()), out, raw=raw)
    assert np.array_equal(pcm16(out), voice(24000))


# --- channels and peaks ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [2, 5])
@pytest.mark.parametrize("suffix", ["wav", "flac", "raw"])
def test_a_channel_is_chosen_or_all_are_mixed(tmp_path: Path, channels: int, suffix: str) -> None:
    tracks = np.stack([voice(16000, 0.2, seed=n) for n in range(channels)], axis=1)
    source, out = tmp_path / f"in.{suffix}", tmp_path / "out.wav"
    raw = None
    if suffix == "raw":
        source.write_bytes(tracks.astype("<i2").tobytes())
        raw = RawFormat("pcm16", 16000, channels)
    else:
        soundfile.write(source, tracks, 16000)
    for channel in range(channels):
        assert convert_file(source, out, channel=channel, raw=raw).source_channels == channels
        assert np.array_equal(pcm16(out), tracks[:, channel])
    convert_file(source, out, channel="right", raw=raw)
    assert np.array_equal(pcm16(out), tracks[:, 1])
    convert_file(source, out, raw=raw)
    assert np.abs(pcm16(out) - tracks.mean(axis=1)).max() <= 0.51


@pytest.mark.parametrize("peak", [0.003, 0.1, 1.0])
@pytest.mark.parametrize(("rate", "target"), [(8000, 8000), (8000, 24000), (44100, 8000)])
def test_a_normalized_file_peaks_at_minus_one_decibel(tmp_path: Path, peak: float, rate: int, target: int) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, voice(rate, peak=peak), rate)
    done = convert_file(source, out, rate=target, normalize=True)
    assert np.abs(pcm16(out)).max() / 32768 == pytest.approx(NORMAL_PEAK, abs=2e-4)
    assert done.gain == pytest.approx(NORMAL_PEAK / peak, rel=0.25)  # the filter has its say


def test_floats_beyond_full_scale_are_brought_down_unclipped(tmp_path: Path) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    loud = voice(8000, peak=1.0) / 32768 * 20
    soundfile.write(source, loud, 8000, subtype="FLOAT")
    convert_file(source, out, normalize=True)
    assert np.abs(pcm16(out) - loud / 20 * 32768 * NORMAL_PEAK).max() <= 2


@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-5])
def test_silence_is_normalized_to_silence(tmp_path: Path, value: float) -> None:
    source, out = tmp_path / "in.wav", tmp_path / "out.ulaw"
    soundfile.write(source, np.full(1600, value, np.float32), 16000, subtype="FLOAT")
    assert convert_file(source, out, normalize=True).gain == 1
    assert out.read_bytes() == MULAW_8K.silence(800)


@pytest.mark.parametrize("rate", [2000, 6000, 12000, 37800, 64000, 88200, 96000, 176400, 192000])
def test_a_recording_of_nearly_any_rate_is_converted_as_well_as_the_usual_ones(tmp_path: Path, rate: int) -> None:
    hz = min(1013.0, 0.35 * rate)
    seconds = np.arange(2 * rate) / rate
    soundfile.write(tmp_path / "in.wav", 0.5 * np.sin(2 * np.pi * hz * seconds), rate, subtype="PCM_16")
    convert_file(tmp_path / "in.wav", tmp_path / "out.wav", rate=8000)
    heard, _ = soundfile.read(tmp_path / "out.wav")
    assert len(heard) == 16000
    steady = heard[800:-800]
    basis = np.exp(-2j * np.pi * hz * np.arange(len(steady)) / 8000)
    (real, imaginary), *_ = np.linalg.lstsq(np.column_stack((basis.real, basis.imag)), steady, rcond=None)
    left = steady - real * basis.real - imaginary * basis.imag
    assert np.hypot(real, imaginary) == pytest.approx(0.5, rel=0.05)
    assert 20 * np.log10(np.sqrt(np.mean(left**2)) / (0.5 / np.sqrt(2))) < -65


def test_progress_goes_from_nothing_to_all_over_all_passes(wav: Path) -> None:
    told: list[float] = []
    convert_file(wav, wav.with_name("out.ulaw"), normalize=True, progress=told.append)
    assert told == sorted(told)
    assert (told[-1], len(told)) == (1.0, 3)


# --- memory -----------------------------------------------------------------------------------------------------


def long_wav(path: Path, minutes: int) -> Path:
    """Silence takes no room on the disk."""
    n = minutes * 60 * 16000 * 2
    kind = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", n + 36) + b"WAVEfmt " + kind + b"data" + struct.pack("<I", n))
        file.truncate(n + 44)
    return path


def test_a_long_file_takes_no_more_memory_than_a_short_one(tmp_path: Path) -> None:
    def peak(minutes: int) -> int:
        source = long_wav(tmp_path / "long.wav", minutes)
        tracemalloc.start()
        done = convert_file(source, tmp_path / "out.wav", rate=8000, encoding="mulaw")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert done.samples == minutes * 60 * 8000
        return most

    short, long = peak(1), peak(40)
    assert long < short + 100_000
    assert long < 4_000_000


# --- what is wrong -------------------------------------------------------------------------------------------------


def stereo(path: Path) -> None:
    soundfile.write(path, np.zeros((80, 2), np.int16), 8000)


def floating(value: float) -> Callable[[Path], None]:
    return lambda path: soundfile.write(path, np.array([0, value, 0], np.float32), 8000, subtype="FLOAT")


def mono(path: Path, rate: int = 8000) -> None:
    soundfile.write(path, voice(8000), rate)


def cut(size: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        mono(path)
        path.write_bytes(path.read_bytes()[:size])

    return write


def unfinished(path: Path) -> None:
    mono(path)
    data = path.read_bytes()
    path.write_bytes(data[:4] + struct.pack("<I", 36) + data[8:40] + bytes(4) + data[44:])


def holding(data: bytes) -> Callable[[Path], Any]:
    return lambda path: path.write_bytes(data)


BROKEN: list[tuple[str, str, Callable[[Path], Any], dict[str, Any], str]] = [
    ("not there", "in.wav", lambda path: None, {}, "in.wav can't be read: No such file or directory"),
    ("a folder", "in.wav", lambda path: path.mkdir(), {}, "in.wav can't be read: Is a directory"),
    ("empty", "in.wav", holding(b""), {}, "in.wav is empty: expected a WAV, FLAC or OGG file"),
    ("text", "in.wav", holding(b"<html>" * 99), {}, "can't be read as audio: Format not recognised; expected WAV"),
    ("a header of four bytes", "in.wav", cut(4), {}, "in.wav is cut off: its WAV header ends before the samples begin"),
    ("half a header", "in.wav", cut(30), {}, "its WAV header ends before the samples begin"),
    ("no samples after a header", "in.wav", cut(44), {}, "16000 bytes of samples, and 0 are there"),
    ("half the samples", "in.wav", cut(8044), {}, "its header says 16000 bytes of samples, and 8000 are there"),
    ("a recorder that died", "in.wav", unfinished, {}, "never finished: its header says no samples, and 16000 bytes"),
    ("half a flac", "in.flac", cut(5000), {}, "in.flac is (cut off|broken)"),
    ("half an mp3", "in.mp3", cut(1000), {}, "in.mp3 is cut off: its header says 8000 frames, and [0-9]+ are there"),
    ("no samples", "in.wav", lambda path: soundfile.write(path, voice(8000)[:0], 8000), {}, "holds no samples"),
    ("an odd rate kept", "in.wav", lambda path: mono(path, 12000), {}, "a rate of 12000 Hz is not supported"),
    (
        "a rate in no ratio", "in.wav", lambda path: mono(path, 44101), {"rate": 8000},
        "44101 Hz is in no simple ratio to 8000 Hz: use one of 8000, 11025",
    ),
    ("a rate out of reach", "in.wav", lambda path: mono(path, 500), {"rate": 8000}, "use one from 2000 to 192000"),
    ("NaN", "in.wav", floating(np.nan), {}, "in.wav holds samples that are NaN or infinite: expected -1 to 1"),
    ("infinity", "in.wav", floating(np.inf), {"normalize": True}, "NaN or infinite"),
    ("an unknown target rate", "in.wav", mono, {"rate": 12000}, "a rate of 12000 Hz is not supported"),
    ("no target rate", "in.wav", mono, {"rate": 0}, "a rate of 0 Hz is not supported"),
    ("an unknown encoding", "in.wav", mono, {"encoding": "g729"}, "'g729' is not supported: use one of pcm16, mulaw"),
    ("an unknown container", "in.wav", mono, {"container": "mp3"}, "'mp3' is not supported: use one of wav, flac"),
    ("no such channel", "in.wav", stereo, {"channel": 2}, "in.wav has no channel 2: it has 2, counted from 0"),
    ("no right channel", "in.wav", mono, {"channel": "right"}, "in.wav has no channel right: it has 1"),
    ("a channel nobody knows", "in.wav", mono, {"channel": "middle"}, "a channel of 'middle' is not supported"),
    ("mu-law in flac", "in.wav", mono, {"encoding": "mulaw", "container": "flac"}, "flac can't hold mulaw"),
    ("raw of what", "in.raw", holding(bytes(320)), {}, "in.raw has no header: say the encoding and the rate"),
    ("raw, odd", "in.raw", holding(bytes(321)), {"raw": RawFormat("pcm16", 8000)}, "within a frame: 1 bytes are left"),
    ("raw, empty", "in.ulaw", holding(b""), {}, "in.ulaw holds no samples: expected at least one"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "options", "error"), [c[1:] for c in BROKEN], ids=[c[0] for c in BROKEN])
def test_what_is_wrong_is_one_clear_error_and_the_old_file_stays(
    tmp_path: Path, name: str, write: Callable[[Path], Any], options: dict[str, Any], error: str
) -> None:
    out = tmp_path / "out.wav"
    out.write_bytes(b"precious")
    write(tmp_path / name)
    with pytest.raises(AudioError, match=error):
        convert_file(tmp_path / name, out, **options)
    assert out.read_bytes() == b"precious"
    assert not list(tmp_path.glob("*.part"))


def test_a_header_that_points_before_the_file_is_an_error_and_no_traceback(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "in.aiff", voice(8000), 8000)
    data = (tmp_path / "in.aiff").read_bytes()
    at = data.index(b"SSND") + 2
    (tmp_path / "in.aiff").write_bytes(data[:at] + b"\x00\x00\x00\x80" + data[at + 4 : 400])
    with suppress(AudioError):  # a newer libsndfile may read it
        convert_file(tmp_path / "in.aiff", tmp_path / "out.wav")
    assert capfd.readouterr().err == ""


RAW = [
    (("mp3", 8000), "an encoding of 'mp3' is not supported: use one of pcm16, mulaw, alaw, pcm_f32le"),
    (("pcm16", 8000, 0), "0 channels are not supported: use 1 to 1024"),
]


@pytest.mark.parametrize(("arguments", "error"), RAW)
def test_raw_that_cannot_be_is_said_at_once(arguments: tuple[Any, ...], error: str) -> None:
    with pytest.raises(AudioError, match=error):
        RawFormat(*arguments)


def test_names_that_say_nothing_or_something_else_are_refused(wav: Path) -> None:
    with pytest.raises(AudioError, match=r"out.txt doesn't say what to write: use a name that ends in one of .wav"):
        convert_file(wav, wav.with_name("out.txt"))
    with pytest.raises(AudioError, match=r"out.ulaw by its name holds mulaw, not alaw"):
        convert_file(wav, wav.with_name("out.ulaw"), encoding="alaw")


def test_a_file_can_be_converted_in_place(wav: Path) -> None:
    convert_file(wav, wav, rate=8000)
    assert (len(pcm16(wav)), soundfile.info(wav).samplerate) == (8000, 8000)


def test_a_named_pipe_is_written_and_not_replaced(wav: Path) -> None:
    pipe = wav.with_name("pipe")
    os.mkfifo(pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    convert_file(wav, pipe, container="raw", encoding="mulaw")
    assert len(os.read(reading, 65536)) == 8000
    os.close(reading)
    assert pipe.is_fifo()


class Trickle(io.RawIOBase):
    """A pipe that gives a few bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(7)


@pytest.mark.parametrize("encoding", ["pcm16", "pcm_f32le", "mulaw"])
def test_raw_may_come_in_pieces_of_any_size(wav: Path, encoding: str) -> None:
    tracks = np.random.default_rng(1).bytes(2 * 3 * 400)
    raw = RawFormat(encoding, 8000, 3)
    if encoding == "pcm_f32le":
        tracks = (np.frombuffer(tracks, "<i2") / 32768).astype("<f4").tobytes()
    trickled, whole = wav.with_name("trickled.wav"), wav.with_name("whole.wav")
    convert_file(cast(BinaryIO, Trickle(tracks)), trickled, raw=raw)
    convert_file(io.BytesIO(tracks), whole, raw=raw)
    assert trickled.read_bytes() == whole.read_bytes()


def test_a_file_with_a_header_cannot_come_from_a_pipe_nor_flac_go_to_one(wav: Path) -> None:
    with pytest.raises(AudioError, match="the input is a pipe: raw samples can be read from it, a file with a header"):
        convert_file(cast(BinaryIO, Trickle(wav.read_bytes())), wav.with_name("out.wav"))
    with pytest.raises(AudioError, match="flac can't be written to a pipe: use wav or raw"):
        convert_file(wav, cast(BinaryIO, Trickle(b"")), container="flac")


def test_what_else_is_in_a_wav_is_passed_over(wav: Path) -> None:
    """A chunk of odd length is padded."""
    data = wav.read_bytes()
    wav.write_bytes(data[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\x00" + data[12:])
    assert convert_file(wav, wav.with_name("out.wav")).samples == 16000


def test_voice_mail_in_gsm_is_read_more_than_once(tmp_path: Path) -> None:
    """It can't be sought in."""
    source, out = tmp_path / "in.wav", tmp_path / "out.wav"
    soundfile.write(source, voice(8000), 8000, subtype="GSM610")
    convert_file(source, out, normalize=True)
    assert np.abs(pcm16(out)).max() / 32768 == pytest.approx(NORMAL_PEAK, abs=2e-4)


@pytest.mark.parametrize("length", [0x7FFFF000, 0xFFFFFFFF])
def test_a_writer_to_a_pipe_that_made_its_lengths_up_is_understood(wav: Path, length: int) -> None:
    data = bytearray(wav.read_bytes())
    data[4:8] = data[40:44] = struct.pack("<I", length)
    assert convert_file(io.BytesIO(data), wav.with_name("out.wav")).samples == 16000


# --- other tools -----------------------------------------------------------------------------------------------------


def tool(name: str) -> str:
    program = which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


def by_ffmpeg(source: Path, *options: str) -> bytes:
    command = [tool("ffmpeg"), "-v", "error", "-i", str(source), *options, "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


def by_sox(source: Path, *options: str) -> bytes:
    command = [tool("sox"), "-D", str(source), *options, "-"]
    return subprocess.run(command, capture_output=True, check=True).stdout


JUDGES: dict[str, Callable[[Path], bytes]] = {
    "ffmpeg": lambda path: by_ffmpeg(path, "-f", "s16le", "-acodec", "pcm_s16le"),
    "sox": lambda path: by_sox(path, "-t", "raw", "-e", "signed", "-b", "16"),
}


@pytest.mark.parametrize("judge", JUDGES)
@pytest.mark.parametrize(
    ("name", "encoding"), [("o.wav", "mulaw"), ("o.wav", "alaw"), ("o.wav", "pcm16"), ("o.flac", "pcm16")]
)
def test_other_tools_hear_in_our_files_exactly_what_we_wrote(wav: Path, judge: str, name: str, encoding: str) -> None:
    out, raw = wav.with_name(name), wav.with_name("out.raw")
    convert_file(wav, out, rate=8000, encoding=encoding)
    convert_file(wav, raw, rate=8000, encoding=encoding)
    decode = {"mulaw": g711.decode_mulaw, "alaw": g711.decode_alaw}.get(encoding, bytes)
    assert JUDGES[judge](out) == decode(raw.read_bytes())


ENCODERS: dict[str, Callable[[Path, str], bytes]] = {
    "ffmpeg": lambda path, law: by_ffmpeg(path, "-f", law, "-acodec", f"pcm_{law}"),
    "sox": lambda path, law: by_sox(path, "-t", "raw", "-e", {"mulaw": "mu-law", "alaw": "a-law"}[law], "-b", "8"),
}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("law", ["mulaw", "alaw"])
def test_other_tools_code_a_recording_within_a_step_of_ours(tmp_path: Path, encoder: str, law: str) -> None:
    source, out = tmp_path / "in.wav", tmp_path / f"out.{law}"
    soundfile.write(source, np.arange(-32768, 32768).astype(np.int16), 8000)
    convert_file(source, out)
    decode = g711.decode_mulaw if law == "mulaw" else g711.decode_alaw
    ours, theirs = (
        np.frombuffer(decode(codes), "<i2").astype(int) for codes in (out.read_bytes(), ENCODERS[encoder](source, law))
    )
    levels = np.unique(np.frombuffer(decode(bytes(range(256))), "<i2"))
    assert np.abs(np.searchsorted(levels, ours) - np.searchsorted(levels, theirs)).max() <= 1
    assert (ours != theirs).mean() < 0.02  # they differ at the edges of intervals


RESAMPLERS: dict[str, Callable[[Path, int], bytes]] = {
    "ffmpeg": lambda path, rate: by_ffmpeg(path, "-ar", str(rate), "-f", "s16le", "-acodec", "pcm_s16le"),
    "sox": lambda path, rate: by_sox(path, "-t", "raw", "-e", "signed", "-b", "16", "-r", str(rate)),
}


@pytest.mark.parametrize("resampler", RESAMPLERS)
@pytest.mark.parametrize(("rate", "target"), [(24000, 8000), (16000, 8000), (8000, 24000), (44100, 16000)])
def test_other_tools_resample_the_band_of_the_voice_as_loud_and_as_long(
    tmp_path: Path, resampler: str, rate: int, target: int
) -> None:
    """Ours is of minimum phase and theirs are symmetric, so that only the spectrum's magnitudes can be the same."""
    source, out = tmp_path / "in.wav", tmp_path / "out.raw"
    soundfile.write(source, voice(rate, 2.0), rate)
    convert_file(source, out, rate=target)
    ours, theirs = (
        np.frombuffer(audio, "<i2").astype(float) for audio in (out.read_bytes(), RESAMPLERS[resampler](source, target))
    )
    assert len(ours) == 2 * target
    assert abs(len(theirs) - len(ours)) <= 1
    n = min(len(ours), len(theirs))
    hz = np.fft.rfftfreq(n, 1 / target)
    band = (hz > 320) & (hz < 3200)
    a, b = (np.abs(np.fft.rfft(x[:n]))[band] for x in (ours, theirs))
    snr = 10 * np.log10((b**2).sum() / ((a - b) ** 2).sum())
    assert snr >= 30
