"""Single-use tickets: what binds a media stream to the webhook that announced it."""

from collections.abc import Callable
from typing import Final

from trunkline.wire._expiring import Expiring

LIFETIME_S: Final = 60.0  # from the webhook's answer to the stream's start; platforms take one or two seconds
LIMIT: Final = 100_000  # calls announced and not yet started; beyond it the oldest ticket is void


class TicketBook:
    """Tickets of one process. ``draw`` makes the tickets: hand in ``secrets.token_urlsafe``, or a counter in a test.

    A ticket is used up by whoever shows it, even for the wrong call: one that has leaked opens nothing any more.
    """

    def __init__(self, draw: Callable[[], str], *, lifetime_s: float = LIFETIME_S, limit: int = LIMIT) -> None:
        self._draw = draw
        self._calls: Expiring[str] = Expiring(lifetime_s, limit)

    def __len__(self) -> int:
        return len(self._calls)

    def issue(self, call_id: str, now: float) -> str:
        """A new ticket for this call. A call may hold several: a platform repeats a webhook it got no answer to."""
        ticket = self._draw()
        self._calls.put(ticket, call_id, now)
        return ticket

    def redeem(self, ticket: str, call_id: str, now: float) -> bool:
        """True once, if the ticket was issued for this very call and has not expired."""
        return self._calls.take(ticket, now) == call_id
