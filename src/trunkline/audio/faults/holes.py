"""Silence where there was none: lost packets, and a sender that ran dry.

Both leave holes of exact silence, cut into the sound. Where a packet was lost the sound goes on behind the hole as if
it had gone on inside it; where nobody had the next piece ready in time it goes on where it had stopped.
"""

from typing import Final

import msgspec
import numpy as np

from trunkline.audio.faults.base import Finding, Samples, Take, at_time, step

_SHORTEST_MS: Final = 4.0
_LONGEST_MS: Final = 500.0
_EDGE_MS: Final = 0.5  # within so much of the hole, sound must still be …
_CUT: Final = 0.15  # … so large against the 20 ms around it: a stop consonant has died away by then
_VOICED: Final = 0.5  # from 1/8 ms to the next, on both sides: synthetic speech cuts its hisses off itself
_AUDIBLE: Final = 150  # LSB: what is softer is not missed
_COARSE: Final = 4  # steps of its encoding: what is softer falls silent by rounding, in 8 bits
_STEPS: Final = 8  # the largest sample of silence: A-law has no zero
_FEWEST: Final = 3  # one or two holes may be anybody's
_FEWEST_ODD: Final = 6  # … and a few of one length that are no packets: synthetic speech falls silent before a stop
_SEAMLESS: Final = 2.0  # the sound goes on across a hole if it is predicted there so many times as badly as elsewhere
_ORDER: Final = 6  # samples a sample is predicted from
_PACKETS_MS: Final = (10, 20, 30, 40, 60)


class Hole(msgspec.Struct, frozen=True):
    begin: int
    end: int
    jump: float  # across it: how badly what follows is predicted from what came before, against the same elsewhere


def find(take: Take) -> list[Finding]:
    found = []
    for where, samples in take:
        holes = find_holes(samples, take.rate)
        if len(holes) >= _FEWEST and (
            finding := _finding(at_time(where, take, holes[0].begin), holes, take, len(samples))
        ):
            found.append(finding)
    return found


def _finding(where: str, holes: list[Hole], take: Take, samples: int) -> Finding | None:
    lengths = np.array([hole.end - hole.begin for hole in holes]) * 1000 / take.rate
    packet = _packet(lengths)
    if not packet and np.ptp(lengths) < 1 and len(holes) < _FEWEST_ODD:
        return None
    missing = f"{len(holes)} holes of exact silence in the midst of sound, {np.median(lengths):.0f} ms each ("
    missing += f"{lengths.min():.0f} to {lengths.max():.0f}), {lengths.sum() * take.rate / 1000 / samples:.1%}"
    seamless = float(np.median([hole.jump for hole in holes])) <= _SEAMLESS
    if seamless:
        return Finding(
            fault="under-runs",
            where=where,
            evidence=f"{missing} of the time; behind a hole the sound goes on where it had stopped",
            cause="Whoever played this ran dry: send further ahead, or look for what blocks the sending loop.",
        )
    return Finding(
        fault="packet loss",
        where=where,
        evidence=f"{missing} of the time{packet}; what was said in them is missing",
        cause="Packets were lost and nothing put in their place: look at the network's loss and at the jitter buffer's"
        " size, and conceal what is still lost.",
    )


def _packet(lengths: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    for packet in reversed(_PACKETS_MS):
        if (np.abs(lengths - packet * np.maximum(1, np.round(lengths / packet))) <= 1.5).mean() >= 0.8:
            return f", whole packets of {packet} ms"
    return ""


def find_holes(samples: Samples, rate: int) -> list[Hole]:
    """Runs of silence with sound cut off before and after them."""
    per_ms = rate / 1000
    quiet = np.abs(samples.astype(np.int32)) <= _STEPS
    # Silence stays the same; soft sound of A-law or PCM goes up and down in these few steps.
    still = np.concatenate(([False], quiet[1:] & (samples[1:] == samples[:-1])))
    edges = np.diff(np.concatenate(([0], still, [0])).astype(np.int8))
    audible = max(_AUDIBLE, _COARSE * step(samples))
    holes = []
    for begin, end in zip(np.flatnonzero(edges == 1) - 1, np.flatnonzero(edges == -1), strict=True):
        if _SHORTEST_MS <= (end - begin) / per_ms <= _LONGEST_MS and _cut(samples, int(begin), int(end), rate, audible):
            around = rate // 50
            holes.append(
                Hole(int(begin), int(end), _jump(samples[begin - around : begin], samples[end : end + around]))
            )
    return holes


def _cut(samples: Samples, begin: int, end: int, rate: int, audible: int) -> bool:
    """Whether there is sound right up to both edges."""
    edge, around = int(_EDGE_MS * rate / 1000), rate // 50
    if begin < around or end + around > len(samples):
        return False
    before, behind = (np.abs(samples[a:b].astype(np.int32)) for a, b in ((begin - around, begin), (end, end + around)))
    return bool(
        min(before.max(), behind.max()) >= audible
        and before[-edge:].max() >= _CUT * before.max()
        and behind[:edge].max() >= _CUT * behind.max()
        and min(_alike(samples[begin - around : begin], rate), _alike(samples[end : end + around], rate)) >= _VOICED
    )


def _jump(before: Samples, behind: Samples) -> float:
    runs = [np.lib.stride_tricks.sliding_window_view(x.astype(float), _ORDER + 1) for x in (before, behind)]
    both = np.concatenate(runs)
    weights = np.linalg.lstsq(both[:, :-1], both[:, -1])[0]
    seam = np.concatenate((before[-_ORDER:], behind[: _ORDER // 2])).astype(float)
    across = np.lib.stride_tricks.sliding_window_view(seam, _ORDER + 1)
    usual, there = (np.sqrt(np.mean((x[:, :-1] @ weights - x[:, -1]) ** 2)) for x in (both, across))
    return float(there / (usual + 1))


def _alike(samples: Samples, rate: int) -> float:
    """Correlation of a sound with itself an eighth of a millisecond later."""
    lag = max(1, rate // 8000)
    sound = samples.astype(float) - samples.mean()
    return float((sound[lag:] * sound[:-lag]).sum() / ((sound**2).sum() + 1e-9))
