"""Every exception Trunkline raises on purpose.

TrunklineError
├── ConfigError        ours    stop       a setting is missing or can't work; the text names it
├── MissingProgram     ours    stop       a system program isn't there; the text says how to install it
├── AudioError         ours    fix input  samples, rates or encodings that can't be what they claim to be
├── RemoteError        peer's  end call   a phone platform broke its own protocol
├── Refused            peer's  end call   someone was not let in (no signature, wrong ticket, unknown call)
├── Busy               ours    retry      no room for another call now
├── ToolError          yours   go on      a function of the application can't do what the model asked
└── AgentError         ours    see .then  the AI side failed
    └── ProviderError  theirs  see .fault a vendor's endpoint failed: what kind of failure, and what to do about it

Two questions have an answer in each: whose fault it is, and what happens now. No text here ever carries
a payload, a phone number, a digit or a word somebody said.
"""

from typing import Literal

Reaction = Literal["retry", "end turn", "end call"]

Fault = Literal["bad key", "quota", "rate limit", "transient", "our fault"]
"""What went wrong at a vendor's endpoint.

bad key      refused, and will be: use another provider, tell the operator, never hammer
quota        nothing left to spend: as with a bad key, until somebody pays
rate limit   too much at once: another provider now, this one again after ``retry_after_s``
transient    a dropped socket, a time-out, a 5xx: try again at once, then another provider
our fault    they say our request is wrong, or we can't read their answer: never the same again
"""


class TrunklineError(Exception):
    """The root: ``except TrunklineError`` catches whatever Trunkline raises on purpose."""


class ConfigError(TrunklineError):
    """A setting is missing or can't work. Mend it and start again."""


class MissingProgram(TrunklineError):
    """A program of the system isn't installed. The text names it and the command that installs it."""

    def __init__(self, program: str, install: str) -> None:
        super().__init__(f"{program} is not installed: run '{install}'")
        self.program = program
        self.install = install


class AudioError(TrunklineError, ValueError):
    """Audio that can't be what it claims to be: the text says what was wrong and what was expected."""


class RemoteError(TrunklineError):
    """The peer broke its protocol. Close its socket with ``close_code``; other calls are not touched.

    ``where`` is the path of the offending field (``$.media.payload``), which the text ends with, or ``$`` for the
    whole message, where there is nothing to point at.
    """

    def __init__(self, what: str, *, where: str = "$", close_code: int = 1002) -> None:
        super().__init__(what if where == "$" else f"{what} (at {where})")
        self.what = what
        self.where = where
        self.close_code = close_code


class Refused(TrunklineError):
    """Somebody was not let in. Answer with ``status`` before an upgrade, close with ``close_code`` after it.

    ``reason`` is for the operator's log; a stranger is told only the status.
    """

    def __init__(self, reason: str, *, status: int = 403, close_code: int = 1008) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status
        self.close_code = close_code


class Busy(TrunklineError):
    """No room for another call: answer 503, or the platform's own word for busy."""


class ToolError(TrunklineError):
    """For an application's own functions to raise: the text is told to the model, which may try again or tell the
    caller. It is the only error of theirs whose text is told, so it may be as private as the conversation."""


class AgentError(TrunklineError):
    """The AI side failed. ``then`` says what the call does about it."""

    def __init__(self, what: str, *, then: Reaction = "end call") -> None:
        super().__init__(what)
        self.then = then


class ProviderError(AgentError):
    """A vendor's endpoint failed. ``provider`` is its name here; ``fault`` decides what is done about it."""

    def __init__(
        self, provider: str, fault: Fault, what: str, *, retry_after_s: float = 0.0, then: Reaction = "end call"
    ) -> None:
        super().__init__(f"{provider}: {what}", then=then)
        self.provider = provider
        self.fault = fault
        self.retry_after_s = retry_after_s
