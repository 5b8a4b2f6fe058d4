"""Which calls are under way, as one media socket may ask: no call has two sockets, and none takes over another's."""

from typing import Final, Protocol


class Desk(Protocol):
    """Knows the calls of the process. One for each socket, and it knows which."""

    def enter(self, call_id: str) -> None:
        """A stream starts on this socket, and it is this call's. Raises ``Refused`` if the call may not be: it is
        under way on another socket, or there is no room."""
        ...

    def hand_over(self, call_id: str) -> bool:
        """This socket takes the place of the one that the call has lost. True: the call has it now, and whoever asked
        must let go of it. False: there is no such call."""
        ...


class _Alone:
    """The desk of a call beside which there are no others, as in a simulation."""

    def enter(self, call_id: str) -> None:
        pass

    def hand_over(self, call_id: str) -> bool:
        return False


ALONE: Final[Desk] = _Alone()
