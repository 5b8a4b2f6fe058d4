"""What happens to a call that neither the platform nor the agent says."""

import msgspec


class LinkLost(msgspec.Struct, frozen=True, gc=False):
    """The media socket is gone. ``clean``: the platform closed it in good order (1000 or 1001, RFC 6455 §7.4.1)."""

    reason: str
    clean: bool = False


class LinkBack(msgspec.Struct, frozen=True, gc=False):
    """A parked call has another socket, and all that must be said on it first was said."""


class PeerFault(msgspec.Struct, frozen=True, gc=False):
    """The platform broke its protocol, or was refused. ``reason`` is for the log and names no private data."""

    reason: str
    close_code: int


class EndRequested(msgspec.Struct, frozen=True, gc=False):
    """The operator wants the call to end now."""

    reason: str


CallEvent = LinkLost | LinkBack | PeerFault | EndRequested
