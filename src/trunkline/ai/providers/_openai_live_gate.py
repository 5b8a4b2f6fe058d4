"""The endless stream of a Live model, cut into replies.

The model's audio comes in real time and includes its silence. Passed on as it is, it would never end: the agent would
always have something to be heard, and nobody could say when it spoke. So a reply begins with voice, and ends after
``HANG_MS`` without. Pauses inside a reply are the model's own and stay as they are; the silence between replies is
dropped, since the line is silent by itself. A stream that leaves silence out is the same to us.
"""

from typing import Final

from trunkline.ai.providers._openai_live_pacing import FRAME_MS
from trunkline.audio.format import AudioFormat
from trunkline.audio.level import measure
from trunkline.audio.linear import LINEAR

VOICE: Final = 0.004
"""RMS of the softest voice, of full scale: -48 dBFS."""
HANG_MS: Final = 600
"""Silence that ends a reply: longer than a pause between sentences."""
BEFORE_MS: Final = 60
"""Audio before the first loud frame that belongs to it: soft consonants."""
PAUSE_MS: Final = 300
"""After an interruption, what the model says after such a pause is something else."""
MUTED_MS: Final = 3000
"""Without a pause, it is heard again after this."""


class Gate:
    """One stream. ``push`` what comes; ``voice`` says whether a reply is going on."""

    def __init__(self, audio: AudioFormat) -> None:
        self.voice = False
        self._frame = audio.bytes_for(FRAME_MS)
        self._linear = LINEAR[audio.encoding]
        self._rest = b""
        self._before: list[bytes] = []
        self._quiet_ms = 0
        self._muted_ms = 0  # how much longer

    @property
    def muted(self) -> bool:
        """What comes belongs to a reply that was interrupted."""
        return self._muted_ms > 0

    def push(self, audio: bytes) -> list[bytes | bool]:
        """What came of it, in order: True where a reply begins, its audio, False where it has ended."""
        out: list[bytes | bool] = []
        audio = self._rest + audio
        whole = len(audio) - len(audio) % self._frame
        self._rest = audio[whole:]
        for at in range(0, whole, self._frame):
            self._judge(audio[at : at + self._frame], out)
        return out

    def end(self) -> list[bytes | bool]:
        """Nothing has come for a while: a reply that is going on has ended."""
        was, self.voice = self.voice, False
        rest, self._rest = self._rest, b""
        self._before.clear()
        return ([rest] if rest else []) + [False] if was else []

    def mute(self) -> None:
        """The reply was interrupted: drop the rest of it."""
        self.voice, self._muted_ms, self._quiet_ms = False, MUTED_MS, 0
        self._before.clear()

    def _judge(self, frame: bytes, out: list[bytes | bool]) -> None:
        loud = measure(self._linear(frame)).rms >= VOICE
        self._quiet_ms = 0 if loud else self._quiet_ms + FRAME_MS
        if self._muted_ms > 0:
            self._muted_ms = 0 if self._quiet_ms >= PAUSE_MS else self._muted_ms - FRAME_MS
        elif self.voice:
            out.append(frame)
            if self._quiet_ms >= HANG_MS:
                self.voice = False
                out.append(False)
        elif loud:
            self.voice = True
            out += [True, *self._before, frame]
            self._before.clear()
        else:
            self._before = [*self._before, frame][-BEFORE_MS // FRAME_MS :]
