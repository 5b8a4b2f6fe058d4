"""The audio kernels beside the designs people use, in one run.

Times are the best of many short runs, per 20 ms frame, bytes in and bytes out. They depend on the machine; the
ratios much less. Needs the ``bench`` extra.
"""

import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr
from pesq import pesq

from trunkline.audio import filters, g711
from trunkline.audio.convert import Converter
from trunkline.audio.format import MULAW_8K, PCM16_24K, RATES, AudioFormat, Encoding
from trunkline.audio.level import measure
from trunkline.audio.quality import AudioQualityMonitor
from trunkline.audio.resample import Resampler
from trunkline.testing import resampling
from trunkline.testing.bench_designs import (
    DESIGNS,
    FRAME_MS,
    Samples,
    Streaming,
    bytes_of,
    in_frames,
    loop_decode,
    loop_encode,
    samples_of,
    take_decode,
    take_encode,
)

QUALITY_FRAMES = 500

Numbers = dict[str, Any]


def run(speech: Path) -> Numbers:
    """Measure everything, about twenty seconds. PESQ is left out where ``speech`` holds no recordings."""
    return {
        "all_pairs": ours_everywhere(),  # first, while no filter has been designed yet
        "speed_us_per_frame": speed(),
        "quality": quality(),
        "pesq": listening(speech),
    }


# --- speed ---------------------------------------------------------------------------------------------------------


def best_us(work: Callable[[bytes], object], audio: bytes, seconds: float = 0.25) -> float:
    """Microseconds of one call, the best of short runs: what the machine can do when left alone."""
    began = time.perf_counter()
    work(audio)
    once = max(time.perf_counter() - began, 1e-7)
    calls = max(1, int(0.002 / once))
    best = once
    until = began + seconds
    while (now := time.perf_counter()) < until:
        for _ in range(calls):
            work(audio)
        best = min(best, (time.perf_counter() - now) / calls)
    return best * 1e6


def named(from_rate: int, to_rate: int) -> str:
    return f"{from_rate / 1000:g} to {to_rate / 1000:g} kHz"


def noise(rate: int) -> bytes:
    return bytes_of(np.random.default_rng(1).normal(0, 4000, rate * FRAME_MS // 1000))


def speed() -> dict[str, dict[str, float]]:
    """What is done -> who does it -> µs per 20 ms frame; ours first."""
    pcm, codes = noise(8000), g711.encode_mulaw(noise(8000))
    rows: dict[str, dict[str, float]] = {
        "decode mu-law": {
            "trunkline": best_us(g711.decode_mulaw, codes),
            "numpy table": best_us(take_decode, codes),
            "Python loop": best_us(loop_decode, codes),
        },
        "encode mu-law": {
            "trunkline": best_us(g711.encode_mulaw, pcm),
            "numpy table": best_us(take_encode, pcm),
            "Python loop": best_us(loop_encode, pcm),
        },
    }
    for low, high in ((8000, 16000), (8000, 24000), (24000, 48000), (44100, 48000), (16000, 44100)):
        for pair in ((low, high), (high, low)):
            frame = noise(pair[0])
            rows[named(*pair)] = {name: best_us(make(*pair).process, frame) for name, make in DESIGNS.items()}
    rows["mu-law 8 to pcm16 24 kHz"] = {"trunkline": best_us(Converter(MULAW_8K, PCM16_24K).process, codes)}
    rows["pcm16 24 to mu-law 8 kHz"] = {"trunkline": best_us(Converter(PCM16_24K, MULAW_8K).process, noise(24000))}
    for name in ("soxr stream HQ", "scipy per chunk"):
        up, down = DESIGNS[name](8000, 24000), DESIGNS[name](24000, 8000)
        rows["mu-law 8 to pcm16 24 kHz"][name] = best_us(_decode_then(up), codes)
        rows["pcm16 24 to mu-law 8 kHz"][name] = best_us(_then_encode(down), noise(24000))
    same = AudioFormat(Encoding.PCM16, 8000)
    rows["mu-law to pcm16, 8 kHz"] = {"trunkline": best_us(Converter(MULAW_8K, same).process, codes)}
    rows["level and clipping, 8 kHz"] = {"trunkline": best_us(measure, pcm)}
    rows["quality of a mu-law call"] = {"trunkline": best_us(_listened_to, codes) / QUALITY_FRAMES}
    return rows


def _listened_to(codes: bytes) -> None:
    """Ten seconds, noise told from signal and a tone looked for every two: every frame of them, where a call spares
    three in four."""
    monitor = AudioQualityMonitor(MULAW_8K)
    for _ in range(QUALITY_FRAMES):
        monitor.push(codes)


def _decode_then(stream: Streaming) -> Callable[[bytes], bytes]:
    return lambda codes: stream.process(take_decode(codes))


def _then_encode(stream: Streaming) -> Callable[[bytes], bytes]:
    return lambda pcm16: take_encode(stream.process(pcm16))


# --- quality -------------------------------------------------------------------------------------------------------


def lag(design: str, from_rate: int, to_rate: int) -> tuple[float, int]:
    """How far the output trails the input at worst (ms), and how many of 100 frames brought no output."""
    stream = DESIGNS[design](from_rate, to_rate)
    out, worst, empty = 0, 0.0, 0
    for n in range(100):
        piece = stream.process(noise(from_rate))
        out += len(piece) // 2
        empty += not piece
        worst = max(worst, (n + 1) * FRAME_MS - 1000 * out / to_rate)
    return worst, empty


def quality() -> list[Numbers]:
    """Every design at every ratio of a phone call."""
    rows = []
    for pair in ((8000, 16000), (16000, 8000), (8000, 24000), (24000, 8000)):
        for design in DESIGNS:
            through = in_frames(design, *pair)
            behind, empty = lag(design, *pair)
            low, high = resampling.passband_db(through, *pair)
            rows.append(
                {
                    "from": pair[0],
                    "to": pair[1],
                    "design": design,
                    "latency_ms": behind + resampling.delay_ms(through, *pair),
                    "frames_without_output_of_100": empty,
                    "passband_low_db": low,
                    "passband_high_db": high,
                    "images_or_aliases_db": resampling.stray_db(through, *pair),
                    "thd_n_db": resampling.thd_n_db(through, *pair),
                }
            )
    return rows


def ours_everywhere() -> Numbers:
    """The worst of our figures over all 56 pairs, and what a pair and a stream cost."""
    pairs = [(a, b) for a in RATES for b in RATES if a != b]
    figures: dict[str, list[float]] = {"delay": [], "low": [], "high": [], "stray": [], "thd": [], "design": []}
    table_bytes = 0
    for pair in pairs:
        began = time.perf_counter()
        taps = filters.taps(*pair)
        figures["design"].append(1000 * (time.perf_counter() - began))
        assert taps  # noqa: S101 - the rates differ
        table_bytes += 2 * taps.up * taps.width
        through = in_frames("trunkline", *pair)
        low, high = resampling.passband_db(through, *pair, tones=9)
        figures["low"].append(low)
        figures["high"].append(high)
        figures["delay"].append(resampling.delay_ms(through, *pair))
        figures["stray"].append(resampling.stray_db(through, *pair, tones=15))
        figures["thd"].append(resampling.thd_n_db(through, *pair))
    tracemalloc.start()
    streams = [Resampler(8000, 24000) for _ in range(100)]
    stream_bytes = tracemalloc.get_traced_memory()[0] / len(streams)
    tracemalloc.stop()
    return {
        "delay_ms": max(figures["delay"]),
        "passband_low_db": min(figures["low"]),
        "passband_high_db": max(figures["high"]),
        "images_or_aliases_db": max(figures["stray"]),
        "thd_n_db": max(figures["thd"]),
        "design_ms": max(figures["design"]),
        "slowest_design": named(*pairs[int(np.argmax(figures["design"]))]),
        "filters_kib": table_bytes / 1024,
        "stream_bytes": stream_bytes,
    }


# --- what listeners would say --------------------------------------------------------------------------------------


def one_shot(x: Samples, from_rate: int, to_rate: int) -> Samples:
    """The best path there is: the whole recording at once."""
    return samples_of(bytes_of(soxr.resample(x.astype(np.float64), from_rate, to_rate, quality="VHQ")))


def through_mulaw(x: Samples) -> Samples:
    return samples_of(g711.decode_mulaw(g711.encode_mulaw(x.tobytes())))


def listening(folder: Path) -> dict[str, Numbers]:
    """PESQ means over the recordings. The reference has gone the best path to the same band, without mu-law."""
    scores: dict[str, dict[str, list[float]]] = {
        name: {"wide": [], "narrow": []} for name in (*DESIGNS, "one-shot soxr")
    }
    for recording in sorted(folder.glob("*.wav")):
        speech, rate = soundfile.read(recording, dtype="int16")
        phone, rich = one_shot(speech, rate, 8000), one_shot(speech, rate, 24000)
        wide, narrow = one_shot(phone, 8000, 16000), one_shot(rich, 24000, 8000)
        coded = through_mulaw(phone)
        for name, found in scores.items():
            if name in DESIGNS:
                up = samples_of(in_frames(name, 8000, 16000)(coded.tobytes()))
                down = samples_of(in_frames(name, 24000, 8000)(rich.tobytes()))
            else:
                up, down = one_shot(coded, 8000, 16000), narrow
            found["wide"].append(pesq(16000, wide, up, "wb"))
            found["narrow"].append(pesq(8000, narrow, through_mulaw(down), "nb"))
    return {
        name: {
            "recordings": len(found["wide"]),
            "mulaw_8_to_16_khz_wide_band": float(np.mean(found["wide"])),
            "mulaw_8_to_16_khz_lowest": min(found["wide"]),
            "24_to_8_khz_mulaw_narrow_band": float(np.mean(found["narrow"])),
            "24_to_8_khz_mulaw_lowest": min(found["narrow"]),
        }
        for name, found in scores.items()
        if found["wide"]
    }
