"""What a simulated caller does, one action after the other: the acts of a telephone call.

Audio is in the wire's format. Times are in milliseconds of the call, so a script means the same on virtual time and
on a real socket. A script that ends without ``HangUp`` leaves the caller on the line, silent, until the other side
hangs up.
"""

import msgspec


class Say(msgspec.Struct, frozen=True):
    """Speak ``audio`` to its end."""

    audio: bytes


class Wait(msgspec.Struct, frozen=True):
    """Be silent for ``ms``."""

    ms: float


class WaitForReply(msgspec.Struct, frozen=True):
    """Be silent until the agent has begun to speak after the caller's last utterance, and been quiet for ``quiet_ms``.

    A reply that was already going on when the caller spoke is not an answer to it. After ``timeout_ms`` the caller
    goes on without one, and the log says ``ReplyMissing``.
    """

    quiet_ms: float = 600
    timeout_ms: float = 10_000


class WaitForQuiet(msgspec.Struct, frozen=True):
    """Be silent until the agent has been quiet for ``quiet_ms``, whether it spoke before or not."""

    quiet_ms: float = 600
    timeout_ms: float = 30_000


class InterruptReply(msgspec.Struct, frozen=True):
    """Wait until ``after_ms`` of an agent's utterance have been heard, then speak ``audio`` over the rest of it.

    After ``timeout_ms`` it is spoken all the same, and the log says ``ReplyMissing``.
    """

    after_ms: float
    audio: bytes
    timeout_ms: float = 10_000


class PressKey(msgspec.Struct, frozen=True):
    """Press one key of the telephone: ``0-9 * # A-D``. No tone is put into the audio."""

    digit: str


class HangUp(msgspec.Struct, frozen=True):
    """Put the receiver down."""


Action = Say | Wait | WaitForReply | WaitForQuiet | InterruptReply | PressKey | HangUp
