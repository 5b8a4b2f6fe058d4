"""Many simulated callers who take turns with an agent, and measure how long it keeps them waiting.

A caller says something, falls silent, and waits: the time from the moment its last sounding frame was sent until the
first of the agent's audio arrived is what a person would hear as the pause. Then it hears the agent out, rests, and
speaks again. Two more frames of silence are part of every pause: the frame that ends the speech was sounding for 20 ms
before it could be sent, and the caller's ear would hear the answer a frame after it arrived; neither is counted.
"""

import base64
import random
import time
from collections import deque
from typing import Final

import msgspec
from picows import WSFrame, WSMsgType, WSTransport

from trunkline.audio.format import MULAW_8K
from trunkline.errors import RemoteError
from trunkline.testing.load import LoadPhone
from trunkline.testing.load_call import FRAME, FRAME_S, Tally, sound
from trunkline.testing.load_twilio import CheapPhone
from trunkline.wire._twilio_messages import OutboundMark, OutboundMedia

REST_S: Final = 0.6
"""From the end of the agent's answer to the caller's next word."""
SPEECH_S: Final = (0.8, 1.6)
"""How long a caller speaks at a time: drawn anew for each turn, so that the callers don't march in step."""
PATIENCE_S: Final = 6.0
"""Without an answer for so long, a turn counts as unanswered."""

_SPEECH: Final = [base64.b64encode(frame) for frame in sound()[:25]]  # the 26th is silent
_SILENCE: Final = base64.b64encode(MULAW_8K.silence(FRAME))
_clock = time.monotonic


class Turns(msgspec.Struct):
    """What all callers together met."""

    pauses: list[float] = []  # seconds from the end of the caller's speech to the agent's first audio
    unanswered: int = 0
    interrupted: int = 0  # the agent spoke into the caller's words


class TurnPhone(LoadPhone):
    """One caller. It begins to listen when the socket opens: an agent that greets is heard out first."""

    def __init__(self, phone: CheapPhone, tally: Tally, turns: Turns, seed: int) -> None:
        super().__init__(phone, tally)
        self.turns_done = 0
        self._turns = turns
        self._dice = random.Random(seed)  # noqa: S311 - the same callers each time
        self._speak_left = 0  # frames
        self._fell_silent: float | None = None  # waiting for an answer since
        self._heard_out_at = _clock() + REST_S  # when all of the agent's audio will have been played
        self._marks: deque[tuple[float, str]] = deque()

    def say(self, now: float) -> None:
        """The next frame is due: of speech or of silence."""
        if not self.live:
            return
        if self._speak_left:
            self._speak_left -= 1
            self.transport.send(WSMsgType.TEXT, self.wire.frame(self._dice.choice(_SPEECH)))
            if not self._speak_left:
                self._fell_silent = now
        else:
            self.transport.send(WSMsgType.TEXT, self.wire.frame(_SILENCE))
            self._wait(now)
        while self._marks and self._marks[0][0] <= now:
            self.transport.send(WSMsgType.TEXT, self.wire.mark(self._marks.popleft()[1]))

    def _wait(self, now: float) -> None:
        if self._fell_silent is not None:
            if now - self._fell_silent < PATIENCE_S:
                return
            self._fell_silent = None
            self._turns.unanswered += 1
            self.turns_done += 1
        elif now < self._heard_out_at + REST_S:
            return
        self._speak_left = round(self._dice.uniform(*SPEECH_S) / FRAME_S)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is not WSMsgType.TEXT:
            super().on_ws_frame(transport, frame)
            return
        now = _clock()
        try:
            message = self.wire.read(frame.get_payload_as_bytes())
        except RemoteError:
            self.live = False
            transport.disconnect()
            return
        if isinstance(message, OutboundMedia):
            self._heard_out_at = max(self._heard_out_at, now) + len(message.media.payload) / MULAW_8K.rate
            if self._speak_left:
                self._turns.interrupted += 1
            if self._fell_silent is not None:
                self._turns.pauses.append(now - self._fell_silent)
                self._fell_silent = None
                self.turns_done += 1
        elif isinstance(message, OutboundMark):
            self._marks.append((self._heard_out_at, message.mark.name))
        else:  # what was not played is dropped, and its marks come back at once
            self._heard_out_at = now
            self._marks = deque((now, name) for _, name in self._marks)
