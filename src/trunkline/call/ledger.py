"""Where every sample of a call went. The two laws here hold at every moment, and tests assert them after every scene.

    agent:   generated = played + cleared + in flight
    caller:  received  = delivered + concealed + lost

All figures are samples at the wire's rate. *Played* is what reached the caller's ear as far as the platform tells us;
*cleared* is what was made and never heard; *concealed* is silence handed to the agent in place of audio that did not
come; *lost* is audio that was noticed missing, or that nobody was there to hear.
"""

import msgspec


class AgentLedger(msgspec.Struct, frozen=True):
    """What became of the agent's voice."""

    generated: int = 0
    played: int = 0
    cleared: int = 0
    in_flight: int = 0
    late: int = 0  # came after its reply was dead: dropped on arrival, outside the law
    padding: int = 0  # silence that filled a reply's last frame; part of ``generated``

    @property
    def balances(self) -> bool:
        """Whether the law holds."""
        return self.generated == self.played + self.cleared + self.in_flight


class CallerLedger(msgspec.Struct, frozen=True):
    """What became of the caller's voice."""

    received: int = 0
    delivered: int = 0
    concealed: int = 0
    lost: int = 0
    inserted: int = 0  # silence the agent heard while late audio was on its way: outside the law

    @property
    def balances(self) -> bool:
        """Whether the law holds."""
        return self.received == self.delivered + self.concealed + self.lost


class Ledger(msgspec.Struct, frozen=True):
    """Both sides."""

    agent: AgentLedger = AgentLedger()
    caller: CallerLedger = CallerLedger()

    @property
    def balances(self) -> bool:
        """Whether both laws hold."""
        return self.agent.balances and self.caller.balances
