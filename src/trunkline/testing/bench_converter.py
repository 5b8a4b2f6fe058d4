"""The converter beside what people write and what they install, in one run.

    python -m trunkline.testing.bench_converter [DIR of recordings]

Speed is of 200 ms of a voice model's speech, 24 kHz PCM16 in and 8 kHz mu-law out: what a chunk of a conversation
costs. Quality is of whole files through other programs, at their leisure. Needs the ``bench`` extra; ffmpeg is left
out where it is not installed.
"""

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import which
from typing import Any, Final

import numpy as np
import soundfile
from pesq import pesq
from scipy.signal import resample_poly

from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.stream_converter import AudioStreamConverter
from trunkline.testing import resampling
from trunkline.testing.bench_audio import best_us, one_shot, through_mulaw
from trunkline.testing.bench_designs import (
    Samples,
    ScipyPerChunk,
    SoxrStream,
    bytes_of,
    loop_encode,
    samples_of,
    take_encode,
)

CHUNK_MS: Final = 200
AIM_US: Final = 30
AIM_RATIO: Final = 30

NARROW: Final = "pesq_24_to_8_khz_mulaw_narrow_band"
WIDE: Final = "pesq_mulaw_8_to_16_khz_wide_band"
LOWEST: Final = "_lowest"

Numbers = dict[str, Any]


# --- designs: a chunk of PCM16 at 24 kHz in, mu-law at 8 kHz out ---------------------------------------------------


def by_formula(pcm16: bytes) -> bytes:
    """Mu-law by its continuous curve, in numpy: what is found in most code without ``audioop``."""
    x = samples_of(pcm16) / 32768
    curve = np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)
    return bytes((~((curve < 0) * 128 | np.rint(np.abs(curve) * 127).astype(int)) & 255).astype(np.uint8))


def scipy_each_time(pcm16: bytes) -> bytes:
    """``resample_poly`` as its page shows it, on each chunk."""
    return bytes_of(resample_poly(samples_of(pcm16).astype(np.float64), 1, 3))


def speeds() -> dict[str, float]:
    """Microseconds of a chunk. The first is ours; then per-chunk SciPy, with ever better ways to code its output."""
    chunk = bytes_of(np.random.default_rng(1).normal(0, 4000, 24000 * CHUNK_MS // 1000))
    floats = (samples_of(chunk) / 32768).astype("<f4").tobytes()
    prepared, stream = ScipyPerChunk(24000, 8000), SoxrStream(24000, 8000)
    works: dict[str, tuple[Callable[[bytes], bytes], bytes]] = {
        "trunkline": (AudioStreamConverter().convert_chunk, chunk),
        "trunkline, float32 in": (AudioStreamConverter(input_format="pcm_f32le").convert_chunk, floats),
        "scipy per chunk, Python loop": (lambda pcm16: loop_encode(scipy_each_time(pcm16)), chunk),
        "scipy per chunk, numpy formula": (lambda pcm16: by_formula(scipy_each_time(pcm16)), chunk),
        "scipy per chunk, numpy table": (lambda pcm16: take_encode(scipy_each_time(pcm16)), chunk),
        "the same, filter designed once": (lambda pcm16: take_encode(prepared.process(pcm16)), chunk),
        "soxr stream HQ, numpy table": (lambda pcm16: take_encode(stream.process(pcm16)), chunk),
    }
    return {name: best_us(work, audio) for name, (work, audio) in works.items()}


# --- quality: whole recordings --------------------------------------------------------------------------------------


def ffmpeg(from_rate: int, to_rate: int, resampler: str) -> resampling.Through:
    """PCM16 by way of the program, with its own resampler (``swr``) or libsoxr where it was built with it."""
    raw = ["-f", "s16le", "-ac", "1"]
    graph = f"aresample={to_rate}:resampler={resampler}"
    command = ["ffmpeg", "-v", "error", *raw, "-ar", str(from_rate), "-i", "-", "-af", graph, *raw, "-"]

    def through(pcm16: bytes) -> bytes:
        return subprocess.run(command, input=pcm16, capture_output=True, check=True).stdout  # noqa: S603 - a fixed command

    return through


def soxr_whole(from_rate: int, to_rate: int) -> resampling.Through:
    return lambda pcm16: bytes_of(one_shot(samples_of(pcm16), from_rate, to_rate))


def in_chunks(make: Callable[[int, int], Any]) -> Callable[[int, int], resampling.Through]:
    def paths(from_rate: int, to_rate: int) -> resampling.Through:
        def through(pcm16: bytes) -> bytes:
            stream, size = make(from_rate, to_rate), from_rate * 2 * CHUNK_MS // 1000
            pieces = [stream.process(pcm16[at : at + size]) for at in range(0, len(pcm16), size)]
            return b"".join([*pieces, stream.flush()])

        return through

    return paths


def paths() -> dict[str, Callable[[int, int], resampling.Through]]:
    """Every way from one rate to another there is on this machine."""
    found: dict[str, Callable[[int, int], resampling.Through]] = {
        "trunkline": in_chunks(lambda a, b: Converter(AudioFormat(Encoding.PCM16, a), AudioFormat(Encoding.PCM16, b))),
        "scipy per chunk": in_chunks(ScipyPerChunk),
        "soxr stream HQ": in_chunks(SoxrStream),
        "soxr VHQ, whole file": soxr_whole,
    }
    if which("ffmpeg"):
        for resampler in ("swr", "soxr"):
            found[f"ffmpeg {resampler}, whole file"] = partial(ffmpeg, resampler=resampler)
    return found


def qualities(speech: Path) -> dict[str, Numbers]:
    """What each path does to tones from 24 to 8 kHz, and to the recordings: PESQ, the mean of all (none: left out).

    The reference of PESQ has gone the best path to the same band, without mu-law.
    """
    recordings = [soundfile.read(path, dtype="int16") for path in sorted(speech.glob("*.wav"))]
    return {name: _tones(path(24000, 8000)) | _listening(path, recordings) for name, path in paths().items()}


def _tones(through: resampling.Through) -> Numbers:
    low, high = resampling.passband_db(through, 24000, 8000, tones=9)
    return {
        "passband_low_db": low,
        "passband_high_db": high,
        "aliases_db": resampling.stray_db(through, 24000, 8000, tones=15),
        "thd_n_db": resampling.thd_n_db(through, 24000, 8000),
    }


def _listening(path: Callable[[int, int], resampling.Through], recordings: list[tuple[Samples, int]]) -> Numbers:
    narrow, wide = [], []
    for spoken, rate in recordings:
        phone, rich = one_shot(spoken, rate, 8000), one_shot(spoken, rate, 24000)
        line = through_mulaw(samples_of(path(24000, 8000)(rich.tobytes())))
        narrow.append(pesq(8000, one_shot(rich, 24000, 8000), line, "nb"))
        heard = samples_of(path(8000, 16000)(through_mulaw(phone).tobytes()))
        wide.append(pesq(16000, one_shot(phone, 8000, 16000), heard, "wb"))
    if not recordings:
        return {}
    means = {NARROW: float(np.mean(narrow)), WIDE: float(np.mean(wide))}
    return means | {NARROW + LOWEST: min(narrow), WIDE + LOWEST: min(wide)}


# --- what is printed -----------------------------------------------------------------------------------------------


def run(speech: Path) -> Numbers:
    """Measure everything: half a minute."""
    return {"speed_us_per_200_ms": speeds(), "quality": qualities(speech)}


def rows(report: Numbers) -> list[list[str]]:
    """Two tables as text: headings, then a line for each design; an empty row in between."""
    times = report["speed_us_per_200_ms"]
    ours = times["trunkline"]
    table = [["200 ms of 24 kHz to 8 kHz mu-law", "µs", "times ours"]]
    table += [[name, f"{us:.1f}", f"{us / ours:.1f}"] for name, us in times.items()]
    table += [[], ["quality", "300-3400 Hz dB", "aliases dB", "THD+N dB", "PESQ 24 to 8 mu-law", "PESQ mu-law 8 to 16"]]
    for name, found in report["quality"].items():
        band = f"{found['passband_low_db']:+.2f} … {found['passband_high_db']:+.2f}"
        cells = [name, band, f"{found['aliases_db']:.1f}", f"{found['thd_n_db']:.1f}"]
        for score in (NARROW, WIDE):
            if score in found:
                cells.append(f"{found[score]:.3f} ({found[score + LOWEST]:.3f})")
        table.append(cells)
    return table


def main() -> None:
    """Measure and print."""
    speech = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/speech")
    report = run(speech)
    for row in rows(report):
        sys.stdout.write("".join(cell.ljust(34 if not n else 21) for n, cell in enumerate(row)).rstrip() + "\n")
    times = report["speed_us_per_200_ms"]
    ratio = times["scipy per chunk, numpy table"] / times["trunkline"]
    sys.stdout.write(
        f"\nAims: at most {AIM_US} µs, and it took {times['trunkline']:.1f}; at least {AIM_RATIO} times as fast as "
        f"SciPy per chunk with a table for mu-law, and it was {ratio:.0f} times.\n"
    )


if __name__ == "__main__":
    main()
