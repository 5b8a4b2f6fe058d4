"""What the call wants done, as values. The bridge carries them out."""

from typing import Any

import msgspec

from trunkline.ai.base import CallFacts
from trunkline.ai.events import AgentCommand
from trunkline.audio.format import AudioFormat
from trunkline.call.session import CallSession
from trunkline.wire.base import CloseSocket
from trunkline.wire.events import WireCommand


class OpenAgent(msgspec.Struct, frozen=True):
    """Open the agent's session in these formats."""

    facts: CallFacts
    hears: AudioFormat
    speaks: AudioFormat


class Hear(msgspec.Struct, frozen=True, gc=False):
    """Let the agent hear this, in its own format."""

    audio: bytes


class Tell(msgspec.Struct, frozen=True, gc=False):
    """Tell the agent."""

    command: AgentCommand


class Save(msgspec.Struct, frozen=True, gc=False):
    """Append this to the call's recording: interleaved stereo PCM16."""

    pcm: bytes


class Note(msgspec.Struct, frozen=True):
    """Write one log line. ``fields`` may hold private values under private names; the log masks those."""

    event: str
    fields: dict[str, Any] = {}
    level: str = "info"


class CallOver(msgspec.Struct, frozen=True):
    """The call has ended and this is its record. Nothing comes after it."""

    session: CallSession


Effect = OpenAgent | Hear | Tell | Save | Note | CloseSocket | CallOver | WireCommand
