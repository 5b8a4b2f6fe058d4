"""A simulated speech recogniser: it knows by heart what may be said, and understands nothing else.

It is given recordings with their words. What it hears it compares with them by the shape of the sound (the energy in a
few bands over time), which survives telephone lines and a voice activity detector that trims the edges. The words it
then gives are the recording's, as many of them as the stretch it heard; the rest of the chain can't tell it from a
recogniser. Sound it doesn't know has no words.
"""

import asyncio
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from trunkline.ai.base import CallFacts, Emit, SttSession
from trunkline.ai.events import CallerSaid
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, AudioFormat

HOP: Final = 80
"""Samples between two looks at the sound (10 ms)."""

WINDOW: Final = 256
BANDS_HZ: Final = (120, 300, 500, 800, 1200, 1700, 2300, 3000, 3700)
"""Edges of the bands: about as wide as an ear's, within a telephone's."""

FLOOR_DB: Final = -50.0
"""Below full scale. What is softer is line noise or the granularity of mu-law, and all alike."""

ALIKE: Final = 0.9
"""Correlation from which two sounds are the same. A recording and its trimmed self through mu-law: above 0.97; a short
word and the most similar stretch of something else: up to 0.85."""

SHORTEST_MS: Final = 250
"""Less sound than this looks like too many things."""

PARTIAL_MS: Final = 200
"""How often a partial text is tried for."""

SLACK_MS: Final = 60
"""Taken from either side of what the Vad found: it may have trimmed a soft edge."""

_SOUNDING_DB: Final = 12
"""Above the floor: here somebody speaks."""

_KEEP_S: Final = 60
"""Of a call's latest audio: no turn is longer."""

Shape = NDArray[np.float32]
"""One row per hop, one column per band: dB above ``FLOOR_DB``."""


class Fixture(msgspec.Struct, frozen=True):
    """A recording the recogniser knows: PCM16 at 8 kHz, and its words."""

    text: str
    pcm16: bytes


class _Known:
    """A fixture, with its shape and the place of each of its words."""

    def __init__(self, fixture: Fixture) -> None:
        self.shape = _shape(fixture.pcm16)
        self.words = fixture.text.split()
        # Where words lie is not known: they share the sounding time in proportion to their length.
        sounding = self.shape.max(axis=1) > _SOUNDING_DB
        rows = np.flatnonzero(sounding)
        self._first, self._last = (int(rows[0]), int(rows[-1])) if len(rows) else (0, 0)
        elapsed = np.concatenate(([0.0], np.cumsum(sounding))) / max(1, int(sounding.sum()))
        letters = np.array([len(word) + 1 for word in self.words], float)
        middles = (np.cumsum(letters) - letters / 2) / max(1.0, letters.sum())
        self.word_at: NDArray[np.intp] = np.searchsorted(elapsed, middles)

    def words_between(self, begin: int, end: int) -> str:
        """The words whose middle lies in these rows: neighbouring stretches share no word and lose none. A stretch that
        comes near the recording's end has its last word, whose middle may be in what was trimmed; so with the first."""
        near = 2 * SLACK_MS * 8 // HOP
        begin = 0 if begin <= self._first + near else begin
        end = len(self.shape) + 1 if end >= self._last - near else end
        return " ".join(word for word, at in zip(self.words, self.word_at, strict=True) if begin <= at < end)


class ScriptedStt:
    """The simulated recogniser as a part of a cascade.

    ``delay_ms``: how late it pretends to be with its final texts.
    """

    name = "scripted (simulated)"
    turns = False
    partials = True
    hears: tuple[AudioFormat, ...] = (MULAW_8K, ALAW_8K, PCM16_8K)

    def __init__(self, fixtures: Sequence[Fixture], delay_ms: float = 0) -> None:
        self._known = [_Known(fixture) for fixture in fixtures]
        self._delay_ms = delay_ms

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: Emit) -> SttSession:
        return _Session(self, hears, emit, self._delay_ms)

    def recognise(self, pcm16: bytes) -> tuple[str, float]:
        """The words of a stretch of sound (PCM16, 8 kHz) and how sure they are; no words if it isn't known."""
        if len(pcm16) < SHORTEST_MS * 16:
            return "", 0.0
        heard = _sounding(_shape(pcm16))
        if len(heard) * HOP < SHORTEST_MS * 8:
            return "", 0.0
        best, words = 0.0, ""
        for known in self._known:
            alike, begin = _best_match(heard, known.shape)
            if alike > best:
                best, words = alike, known.words_between(begin, begin + len(heard))
        return (words, best) if best >= ALIKE else ("", best)


class _Session:
    def __init__(self, stt: ScriptedStt, hears: AudioFormat, emit: Emit, delay_ms: float) -> None:
        self._stt = stt
        self._converter = Converter(hears, PCM16_8K)
        self._emit = emit
        self._delay_ms = delay_ms
        self._audio = bytearray()
        self._dropped = 0  # bytes before what is kept
        self._turn_from: float | None = None
        self._next_partial = 0.0
        self._said = ""

    def hear(self, audio: bytes, now: float) -> None:
        self._audio += self._converter.process(audio)
        if (surplus := len(self._audio) - _KEEP_S * 16_000) > 0:
            del self._audio[:surplus]
            self._dropped += surplus
        if self._turn_from is not None and self._heard_ms >= self._next_partial:
            self._next_partial = self._heard_ms + PARTIAL_MS
            text, confidence = self._stt.recognise(self._cut(self._turn_from, self._heard_ms))
            if text and text != self._said:
                self._said = text
                self._emit(CallerSaid(text, final=False, confidence=confidence))

    def turn_started(self, at_ms: float) -> None:
        self._turn_from = at_ms
        self._next_partial = at_ms + PARTIAL_MS
        self._said = ""

    def turn_ended(self, at_ms: float) -> None:
        if self._turn_from is None:
            return
        text, confidence = self._stt.recognise(self._cut(self._turn_from, at_ms))
        self._turn_from = None
        final = CallerSaid(text, final=True, confidence=confidence)
        if self._delay_ms:
            asyncio.get_running_loop().call_later(self._delay_ms / 1000, self._emit, final)
        else:
            self._emit(final)

    async def run(self) -> None: ...

    @property
    def _heard_ms(self) -> float:
        return (self._dropped + len(self._audio)) / 16

    def _cut(self, begin_ms: float, end_ms: float) -> bytes:
        begin = max(0, int((begin_ms - SLACK_MS) * 8) * 2 - self._dropped)
        return bytes(self._audio[begin : max(begin, int((end_ms + SLACK_MS) * 8) * 2 - self._dropped)])


def _shape(pcm16: bytes) -> Shape:
    samples = np.frombuffer(pcm16, "<i2").astype(np.float32) / 32768
    samples = np.pad(samples, (WINDOW // 2, WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[: -WINDOW + HOP : HOP]
    power = np.abs(np.fft.rfft(windows * np.hanning(WINDOW).astype(np.float32), axis=1)) ** 2
    edges = [round(hz * WINDOW / 8000) for hz in BANDS_HZ]
    bands = np.stack([power[:, a:b].sum(axis=1) for a, b in pairwise(edges)], axis=1)
    level = 10 * np.log10(bands / WINDOW**2 * 4 + 1e-12)
    return np.maximum(level - FLOOR_DB, 0).astype(np.float32)


def _sounding(shape: Shape) -> Shape:
    """Without the silence at either end."""
    rows = np.flatnonzero(shape.max(axis=1) > 0)
    return shape[rows[0] : rows[-1] + 1] if len(rows) else shape[:0]


def _best_match(heard: Shape, known: Shape) -> tuple[float, int]:
    """The best correlation of ``heard`` with any stretch of ``known``, and the row where that begins."""
    rows = len(heard)
    overhang = max(0, rows - len(known)) + 2 * SLACK_MS * 8 // HOP
    padded = np.pad(known, ((overhang, overhang), (0, 0))).astype(np.float64)
    wanted = heard - heard.mean(axis=0)
    offsets = len(padded) - rows + 1
    # All offsets at once: a correlation is a product of spectra, the energy under it a difference of running sums.
    spectra = np.fft.rfft(padded, axis=0) * np.conj(np.fft.rfft(wanted, len(padded), axis=0))
    dots = np.fft.irfft(spectra.sum(axis=1), len(padded))[:offsets]
    sums, squares = (np.cumsum(np.pad(x, ((1, 0), (0, 0))), axis=0) for x in (padded, padded**2))
    spread = (squares[rows:] - squares[:-rows]) - (sums[rows:] - sums[:-rows]) ** 2 / rows
    norms = np.sqrt(np.maximum(spread.sum(axis=1), 0)) * np.linalg.norm(wanted)
    alike = dots / np.maximum(norms, 1e-3)
    at = int(alike.argmax())
    return float(alike[at]), at - overhang
