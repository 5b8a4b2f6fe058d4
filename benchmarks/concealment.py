"""How lost packets sound: PESQ of our concealment beside what a program does that has none.

    python benchmarks/concealment.py [--json] [--seeds N] [FILE.wav …]

Every recording goes to 8 kHz through mu-law, loses 20 ms packets at random or in bursts (Gilbert's model, three packets
long in the mean), and is repaired in three ways: silence, the last packet again, and G.711 Appendix I. The reference of
PESQ (narrow-band, P.862.1) is the mu-law audio without losses. A figure is the mean over recordings and seeds.
"""

import argparse
import json
import os
import sys
import wave
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pesq import pesq

from trunkline.audio import g711
from trunkline.audio.conceal import Concealer
from trunkline.audio.resample import Resampler

PACKET = 320  # bytes: 20 ms of PCM16 at 8 kHz
RATES = (0.01, 0.03, 0.05, 0.10)
MEAN_BURST = 3.0  # packets
SPEECH = Path(os.environ.get("TRUNKLINE_SPEECH_DIR", Path(__file__).parents[2] / "shared/speech"))


def recording(path: Path) -> bytes:
    """PCM16 at 8 kHz as a phone line delivers it, whole packets."""
    with wave.open(str(path)) as file:
        if file.getnchannels() != 1 or file.getsampwidth() != 2:
            sys.exit(f"{path}: mono PCM16 is wanted")
        rate, pcm16 = file.getframerate(), file.readframes(file.getnframes())
    if rate != 8000:
        resampler = Resampler(rate, 8000)
        pcm16 = resampler.process(pcm16) + resampler.flush()
    pcm16 = pcm16[: len(pcm16) // PACKET * PACKET]
    return g711.decode_mulaw(g711.encode_mulaw(pcm16))


def random_losses(count: int, rate: float, rng: np.random.Generator) -> list[bool]:
    """Each packet is lost on its own."""
    return [bool(lost) for lost in rng.random(count) < rate]


def burst_losses(count: int, rate: float, rng: np.random.Generator) -> list[bool]:
    """Gilbert's two states: losses come in runs of ``MEAN_BURST`` packets in the mean."""
    end = 1 / MEAN_BURST
    begin = end * rate / (1 - rate)
    lost, losses = False, []
    for draw in rng.random(count):
        lost = draw >= end if lost else draw < begin
        losses.append(bool(lost))
    return losses


def packets(pcm16: bytes) -> Iterator[bytes]:
    """The recording in packets."""
    return (pcm16[at : at + PACKET] for at in range(0, len(pcm16), PACKET))


def with_silence(pcm16: bytes, losses: list[bool]) -> bytes:
    """Nothing where a packet is missing."""
    return b"".join(bytes(PACKET) if lost else good for good, lost in zip(packets(pcm16), losses, strict=True))


def with_repetition(pcm16: bytes, losses: list[bool]) -> bytes:
    """The last good packet again where one is missing."""
    out, last = [], bytes(PACKET)
    for good, lost in zip(packets(pcm16), losses, strict=True):
        last = last if lost else good
        out.append(last)
    return b"".join(out)


def with_concealment(pcm16: bytes, losses: list[bool]) -> bytes:
    """Our way, its delay taken off."""
    concealer = Concealer()
    out = [
        concealer.lost(PACKET // 2) if lost else concealer.received(good)
        for good, lost in zip(packets(pcm16), losses, strict=True)
    ]
    return b"".join([*out, concealer.flush()])[2 * concealer.delay :]


REPAIRS: dict[str, Callable[[bytes, list[bool]], bytes]] = {
    "silence": with_silence,
    "repetition": with_repetition,
    "concealment": with_concealment,
}
PATTERNS: dict[str, Callable[[int, float, np.random.Generator], list[bool]]] = {
    "random": random_losses,
    "burst": burst_losses,
}


def score(reference: bytes, repaired: bytes) -> float:
    """PESQ of ``repaired``."""
    return float(pesq(8000, np.frombuffer(reference, "<i2"), np.frombuffer(repaired, "<i2"), "nb"))


@dataclass
class Row:
    """What one pattern at one rate did: the share of packets really lost, and PESQ of each repair."""

    pattern: str
    rate: float
    lost: float
    pesq: dict[str, float]

    @property
    def beaten(self) -> bool:
        """Whether another way was as good as ours."""
        return max(self.pesq["silence"], self.pesq["repetition"]) >= self.pesq["concealment"]


def measure(speech: list[bytes], seeds: int) -> list[Row]:
    """One row per pattern and rate."""
    rows = []
    for pattern, lose in PATTERNS.items():
        for rate in RATES:
            scores: dict[str, list[float]] = {name: [] for name in REPAIRS}
            lost = total = 0
            for seed in range(seeds):
                rng = np.random.default_rng((seed, round(rate * 100)))
                for pcm16 in speech:
                    losses = lose(len(pcm16) // PACKET, rate, rng)
                    lost, total = lost + sum(losses), total + len(losses)
                    for name, repair in REPAIRS.items():
                        scores[name].append(score(pcm16, repair(pcm16, losses)))
            means = {name: round(float(np.mean(values)), 3) for name, values in scores.items()}
            rows.append(Row(pattern, rate, round(lost / total, 4), means))
            print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return rows


def main() -> None:
    """Measure and print; exit code 1 if concealment is beaten anywhere."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("files", nargs="*", type=Path, help="WAV, mono PCM16; default: the recordings")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    files = arguments.files or sorted(SPEECH.glob("*.wav"))
    if not files:
        sys.exit(f"no recordings in {SPEECH}: set TRUNKLINE_SPEECH_DIR or name WAV files")
    rows = measure([recording(path) for path in files], arguments.seeds)
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print(f"PESQ, narrow-band, mean over {len(files)} recordings and {arguments.seeds} seeds")
        print(f"{'losses':8}{'rate':>6}{'lost':>8}" + "".join(f"{name:>13}" for name in REPAIRS))
        for row in rows:
            figures = "".join(f"{figure:13.3f}" for figure in row.pesq.values())
            print(f"{row.pattern:8}{row.rate:6.0%}{row.lost:8.2%}{figures}")
    sys.exit(1 if any(row.beaten for row in rows) else 0)


if __name__ == "__main__":
    main()
