"""How the calls of this process have gone so far, in three numbers."""

from trunkline.call.session import CallSession
from trunkline.call.state import CallState

_AGENT_FAILED = "agent failed"  # how such a call's ``end_reason`` begins


class Tally:
    """Counts calls."""

    def __init__(self) -> None:
        self.total = 0  # calls that began
        self.over = 0  # … and are over
        self.succeeded = 0  # … and ended as calls do
        self.agent_failures = 0  # calls in a row, up to the latest one to end, that ended because the agent failed

    def began(self) -> None:
        """A call begins."""
        self.total += 1

    def withdrawn(self) -> None:
        """What began was no call of its own, but a socket for another."""
        self.total -= 1

    def ended(self, record: object) -> None:
        """A call is over. Without a ``CallSession`` there is no record of it: it was cut, or something raised."""
        self.over += 1
        if not isinstance(record, CallSession):
            return
        self.succeeded += record.state is CallState.ENDED
        self.agent_failures = self.agent_failures + 1 if record.end_reason.startswith(_AGENT_FAILED) else 0

    @property
    def success_rate(self) -> float:
        """The part of all calls that are over which ended well; 1 while none is."""
        return self.succeeded / self.over if self.over else 1.0
