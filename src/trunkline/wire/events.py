"""What crosses the wire, in words every platform shares.

``WireEvent``: facts the phone's side tells us (past tense). ``WireCommand``: what we tell the phone's side
(imperative). A gateway codec receives events and sends commands; a phone codec, the other end of the same
platform, receives commands and sends events. Audio here is in the wire's own format: codecs do not resample.
"""

from typing import Literal

import msgspec

from trunkline.audio.format import AudioFormat


class StreamStarted(msgspec.Struct, frozen=True):
    """Media flows from here on. ``hears`` is the caller's audio as it arrives, ``speaks`` what we must send."""

    call_id: str
    stream_id: str
    hears: AudioFormat
    speaks: AudioFormat
    caller: str = ""  # private
    callee: str = ""  # private
    parameters: dict[str, str] = {}


class StreamResumed(msgspec.Struct, frozen=True, gc=False):
    """Said first on a new socket: it takes the place of the one that this call has lost. No stream starts here.

    Sent only by codecs of platforms whose ``WireSpec`` has ``resumes``.
    """

    call_id: str


class CallDescribed(msgspec.Struct, frozen=True):
    """Facts about the call that come after its stream has started. What is empty is not known any better."""

    caller: str = ""  # private
    callee: str = ""  # private
    parameters: dict[str, str] = {}


class AudioHeard(msgspec.Struct, frozen=True, gc=False):
    """The caller's voice, any length, in the stream's ``hears`` format."""

    audio: bytes


class AudioMissing(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A hole in the caller's audio just before the next ``AudioHeard``.

    ``lost`` is true when messages were lost on the way, false when the platform simply sent nothing (it does so
    in silence). ``samples`` is its length at the wire's rate. ``filling`` is made-up audio of that length to be heard
    in its place, concealment or comfort noise; without it there is silence.
    """

    samples: int
    lost: bool
    filling: bytes = b""


class DigitPressed(msgspec.Struct, frozen=True, gc=False):
    """One DTMF key: ``0-9 * # A-D``. Private."""

    digit: str


class MarkReached(msgspec.Struct, frozen=True, gc=False):
    """The platform echoed a mark: played, or flushed by a clear. The playout knows which."""

    name: str


class MessageIgnored(msgspec.Struct, frozen=True, gc=False):
    """The peer said something we don't know. Normal; counted. ``kind`` is the message's own name for itself."""

    kind: str


class StreamStopped(msgspec.Struct, frozen=True, gc=False):
    """The platform ended the stream in its own words (the caller hung up, or the call went elsewhere)."""

    reason: str


WireEvent = (
    StreamStarted
    | StreamResumed
    | CallDescribed
    | AudioHeard
    | AudioMissing
    | DigitPressed
    | MarkReached
    | MessageIgnored
    | StreamStopped
)


Speaker = Literal["caller", "agent"]


class PlayAudio(msgspec.Struct, frozen=True, gc=False):
    """Agent audio in the stream's ``speaks`` format, whole frames."""

    audio: bytes


class SendMark(msgspec.Struct, frozen=True, gc=False):
    """Ask to be told when all audio sent so far has been played."""

    name: str


class ClearAudio(msgspec.Struct, frozen=True, gc=False):
    """Drop all audio the platform has not played yet."""


class EndUtterance(msgspec.Struct, frozen=True, gc=False):
    """The reply has no more audio. Platforms without the notion send nothing for it."""


class HangUp(msgspec.Struct, frozen=True, gc=False):
    """End the phone call."""

    reason: str = "done"


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """Send the caller to ``target`` (a number or SIP URI; private)."""

    target: str


class SendDigits(msgspec.Struct, frozen=True, gc=False):
    """Press keys towards the far end (private)."""

    digits: str


class TellTranscript(msgspec.Struct, frozen=True):
    """What ``speaker`` said (private). One that is not ``final`` is replaced by the next of the same speaker.

    This and ``TellTurnEnd`` are sent only to platforms whose ``WireSpec`` has ``transcripts``.
    """

    speaker: Speaker
    text: str
    final: bool


class TellTurnEnd(msgspec.Struct, frozen=True):
    """``speaker`` has stopped speaking, or will not be heard any further. The caller's last words may still follow."""

    speaker: Speaker


class TellSpeech(msgspec.Struct, frozen=True, gc=False):
    """The caller has begun to speak, or has stopped. Sent only to platforms whose ``WireSpec`` has ``speech``.

    A caller who may not interrupt is not said to speak while the agent sounds: platforms cut what they play for it.
    """

    speaking: bool


WireCommand = (
    PlayAudio
    | SendMark
    | ClearAudio
    | EndUtterance
    | HangUp
    | Transfer
    | SendDigits
    | TellTranscript
    | TellTurnEnd
    | TellSpeech
)
