"""Sounds for simulated callers and agents, in the wire's format, and recordings of what came of them."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Final

import numpy as np
import soundfile
from numpy.typing import NDArray

from trunkline.audio import g711
from trunkline.audio.convert import Converter
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.errors import AudioError, MissingProgram
from trunkline.testing.gate import linear
from trunkline.testing.outcome import Outcome

ESPEAK: Final = "espeak-ng"
ESPEAK_TIMEOUT_S: Final = 60

_ENCODE: Final[dict[Encoding, Callable[[bytes], bytes]]] = {
    Encoding.MULAW: g711.encode_mulaw,
    Encoding.ALAW: g711.encode_alaw,
    Encoding.PCM16: bytes,
}


def tone(wire: AudioFormat, ms: float, *, hz: float = 440, level: float = 0.3) -> bytes:
    """A sine of ``level`` of full scale: a voice to whoever listens by level, and as long as asked to the sample."""
    t = np.arange(round(ms * wire.rate / 1000)) / wire.rate
    return _ENCODE[wire.encoding]((32767 * level * np.sin(2 * np.pi * hz * t)).astype("<i2").tobytes())


def murmur(wire: AudioFormat, ms: float, *, level: float = 0.1, seed: int = 0) -> bytes:
    """A noise in the band of the voice that is nowhere like itself elsewhere: an echo of it is found to the sample."""
    samples = round(ms * wire.rate / 1000)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(samples))
    hz = np.fft.rfftfreq(samples, 1 / wire.rate)
    spectrum[(hz < 200) | (hz > 3000)] = 0
    noise = np.fft.irfft(spectrum, samples)
    noise *= 32767 * level / max(1e-9, float(np.sqrt(np.mean(np.square(noise)))))
    return _ENCODE[wire.encoding](np.clip(noise, -32768, 32767).astype("<i2").tobytes())


def read(path: Path, wire: AudioFormat) -> bytes:
    """A recording of any rate Trunkline converts and any number of channels, mixed to one. Raises ``AudioError``."""
    if not path.exists():  # libsndfile calls that a system error
        raise AudioError(f"{path.name} can't be read as audio: there is no such file")
    try:
        samples, rate = soundfile.read(path, dtype="float64", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path.name} can't be read as audio: {error}") from error
    mono: NDArray[np.float64] = samples.mean(axis=1)
    pcm = np.clip(np.rint(mono * 32768), -32768, 32767).astype("<i2").tobytes()
    converter = Converter(AudioFormat(Encoding.PCM16, rate), wire)
    return converter.process(pcm) + converter.flush()


def speak(text: str, wire: AudioFormat) -> bytes:
    """``text`` spoken by espeak-ng, which runs as a program of its own. Raises ``MissingProgram``, and
    ``AudioError`` if there is nothing in it to be spoken."""
    program = which(ESPEAK)
    if program is None:
        raise MissingProgram(ESPEAK, f"sudo apt-get install {ESPEAK}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "speech.wav")
        # The text goes in by stdin: a command line can be read by everybody on the machine.
        subprocess.run(  # noqa: S603 - a program found by name, and fixed arguments
            [program, "--stdin", "-w", str(path)],
            input=text.encode(),
            check=True,
            capture_output=True,
            timeout=ESPEAK_TIMEOUT_S,
        )
        if not path.exists():
            raise AudioError("there is nothing to speak: espeak-ng made no sound of the text")
        return read(path, wire)


def write(path: Path, outcome: Outcome) -> None:
    """The call as a stereo WAV at the wire's rate: left what the caller said, right what the caller heard.

    Raises ``AudioError`` if it can't be written."""
    tracks = [linear(track, outcome.wire) for track in (outcome.said, outcome.heard)]
    try:
        with path.open("wb") as file:
            soundfile.write(file, np.stack(tracks, axis=1), outcome.wire.rate, format="WAV", subtype="PCM_16")
    except OSError as error:
        raise AudioError(f"{path} can't be written: {error.strerror}") from None
