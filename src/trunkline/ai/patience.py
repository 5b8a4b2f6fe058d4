"""How long a provider is waited for, how often it is tried again, and what its refusals mean."""

import random
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Self

import msgspec

from trunkline.ai.base import AgentSettings
from trunkline.errors import Fault, ProviderError

_BACKOFF_S: Final = (0.0, 0.25, 0.5, 1.0, 2.0)
"""Before each further try. The first is made at once: most sockets die alone."""

_LONGEST_WAIT_S: Final = 5.0
"""A vendor that asks for a longer pause is given up: the caller would hear nothing for as long."""


class Silent(ProviderError):
    """It was connected, and nothing came until we gave up waiting: that has cost the caller's time, as a connection
    that breaks does not."""


class Patience(msgspec.Struct, frozen=True):
    """Limits for one provider socket."""

    connect_s: float = 3.0  # for TCP, TLS and the upgrade together
    ready_s: float = 5.0  # from the upgrade until the vendor says that the session stands
    tries: int = 5  # connections in a row that came to nothing before the vendor is given up
    ping_s: float = 15.0  # a socket that was silent for so long is asked whether it lives, and has as long to answer
    hurried: bool = False  # another provider stands behind: a vendor that falls silent is not tried again

    @classmethod
    def towards(cls, settings: AgentSettings) -> Self:
        """Less where another provider stands behind this one: better that one soon than this one late."""
        return cls.brief() if settings.has_standby else cls()

    @classmethod
    def brief(cls) -> Self:
        """As little as a caller is to notice."""
        return cls(connect_s=1.0, ready_s=2.0, tries=2, hurried=True)

    def pause_s(self, error: ProviderError, failures: int) -> float | None:
        """How long to wait before another try, after so many failures in a row; None: give up."""
        if self.hurried and isinstance(error, Silent):
            return None
        if failures >= self.tries or error.fault in ("bad key", "quota", "our fault"):
            return None
        pause = _BACKOFF_S[min(failures, len(_BACKOFF_S)) - 1]
        if error.fault == "rate limit":
            pause = max(pause, error.retry_after_s, _BACKOFF_S[1])
        if pause > _LONGEST_WAIT_S:
            return None
        return pause * random.uniform(1.0, 1.25)  # noqa: S311 - so that a thousand calls don't all come back at once


def refused(provider: str, status: int, headers: Mapping[str, str] | None = None) -> ProviderError:
    """What an HTTP status means (RFC 9110 §15; 402 and 429 as vendors use them). ``headers`` in lower case."""
    fault: Fault
    match status:
        case 401 | 403:
            fault, what = "bad key", "the key was refused"
        case 402:
            fault, what = "quota", "the account has nothing left to spend"
        case 429:
            fault, what = "rate limit", "too many requests or sessions at once"
        case 408 | 409 | 425 | 498:
            fault, what = "transient", "not now"
        case _ if 400 <= status < 500:
            fault, what = "our fault", "the request was refused"
        case _:
            fault, what = "transient", "the service failed"
    return ProviderError(
        provider, fault, f"{what} (HTTP {_named(status)})", retry_after_s=_retry_after_s(headers or {})
    )


def closed(provider: str, code: int) -> ProviderError:
    """What a WebSocket close code means where the vendor gives it no meaning of its own (RFC 6455 §7.4.1). A close that
    we did not ask for is a drop, be it ever so polite."""
    match code:
        case 1002 | 1003 | 1007 | 1008 | 1009 | 1010:
            return ProviderError(provider, "our fault", f"closed the socket on what we sent ({code})")
        case 1013:
            return ProviderError(provider, "rate limit", "closed the socket: try again later (1013)")
        case _:
            return ProviderError(provider, "transient", f"closed the socket ({code})")


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """``retry-after-ms`` or ``retry-after`` in seconds; a date there is taken for nothing."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    return 0.0
