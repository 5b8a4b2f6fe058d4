"""Sounds that are made for tests: somebody hums, nobody speaks, a voice tells by its sound which text it says."""

import asyncio

import numpy as np

from trunkline.audio.convert import Converter
from trunkline.audio.format import MULAW_8K, PCM16_8K, AudioFormat
from trunkline.testing.standins import Hum

HUM = asyncio.run(Hum().speak("Twelve chars", PCM16_8K))  # 720 ms of something like a voice


def hum(audio: AudioFormat, ms: int = 720) -> bytes:
    """Somebody speaks for so long."""
    pcm = (HUM * (1 + ms // 720))[: 16 * ms]
    return Converter(PCM16_8K, audio).process(pcm)


def silence(audio: AudioFormat, ms: int) -> bytes:
    """Nobody does."""
    return audio.silence(ms * audio.rate // 1000)


def tone(text: str, audio: AudioFormat) -> bytes:
    """What ``Tone`` says: 40 ms for each letter, of a pitch that follows the letters."""
    time_s = np.arange(320) / 8000
    parts = [8000 * np.sin(2 * np.pi * (200 + 15 * (ord(letter) % 64)) * time_s) for letter in text]
    pcm = np.concatenate([np.zeros(0), *parts]).astype("<i2").tobytes()
    return Converter(PCM16_8K, audio).process(pcm)


class Tone:
    """A voice whose audio tells which text it is, after ``lead_ms`` of silence."""

    def __init__(self, lead_ms: int = 0) -> None:
        self._lead_ms = lead_ms

    async def speak(self, text: str, audio: AudioFormat) -> bytes:
        return silence(audio, self._lead_ms) + tone(text, audio)


class Letters:
    """A voice that says each character as 40 ms of its own."""

    async def speak(self, text: str, audio: AudioFormat) -> bytes:
        return b"".join(audio.silence(0) or bytes([ord(c) & 0x7F | 1]) * audio.bytes_for(40) for c in text)


class Noise:
    """A voice in which every moment of every text sounds different, so that what was heard can be found again."""

    async def speak(self, text: str, audio: AudioFormat) -> bytes:
        dice = np.random.default_rng(list(text.strip().encode()))
        assert audio == MULAW_8K
        # Mu-law codes of loud samples, of either sign.
        codes = dice.integers(8, 40, audio.rate * 45 * len(text) // 1000) | dice.choice([0, 128])
        loud: list[int] = codes.tolist()
        return bytes(loud)
