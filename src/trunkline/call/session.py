"""The record of a call: everything worth keeping, nothing that lives."""

from datetime import datetime
from pathlib import PurePath
from typing import Any, Literal

import msgspec

from trunkline.audio.quality_score import QualityMetrics
from trunkline.audio.recorder import RecordingSummary
from trunkline.call.latency import TurnLatency
from trunkline.call.ledger import Ledger
from trunkline.call.state import CallState, Trigger, after


class Utterance(msgspec.Struct, frozen=True):
    """One thing somebody said. ``text`` is private; for the agent it is what was *heard*."""

    speaker: Literal["caller", "agent"]
    text: str
    at_ms: float  # position in the call
    interrupted: bool = False


class Key(msgspec.Struct, frozen=True):
    """A key the caller pressed. ``digit`` is private."""

    digit: str
    at_ms: float  # position in the call


class Speech(msgspec.Struct, frozen=True):
    """A stretch in which the caller was speaking, as positions in the call."""

    started_ms: float
    stopped_ms: float


class Turn(msgspec.Struct, frozen=True):
    """One exchange and what it took."""

    generation: int
    latency: TurnLatency
    verdicts: dict[str, str] = {}


class CallSession(msgspec.Struct):
    """One call, live or over. Serialises to JSON with ``to_json`` and back with ``from_json``."""

    call_id: str
    platform: str
    agent: str
    started_at: datetime  # aware, UTC
    state: CallState = CallState.RINGING
    caller: str = ""  # private
    callee: str = ""  # private
    parameters: dict[str, str] = {}
    ended_at: datetime | None = None
    end_reason: str = ""
    rate: int = 0  # Hz of all sample counts below
    measured_rate: int = 0  # Hz at which the caller's audio came, where that was not ``rate``
    samples: int = 0  # length of the call
    transcript: list[Utterance] = []
    speech: list[Speech] = []
    turns: list[Turn] = []
    keys: list[Key] = []
    ledger: Ledger = Ledger()
    under_runs: int = 0
    under_run_ms: float = 0
    barge_ins: int = 0
    resumed: int = 0  # times the agent went on after a back-channel
    reconnects: int = 0  # times the call went on over another socket
    ignored: dict[str, int] = {}  # messages of kinds we don't know
    quality: QualityMetrics | None = None  # of the caller's audio, sampled; None: not measured
    recording: str = ""
    recorded: RecordingSummary | None = None

    def step(self, trigger: Trigger) -> bool:
        """Go where ``trigger`` leads. False: the table of states does not allow it, and the call stays where it is."""
        new = after(self.state, trigger)
        if new is None:
            return False
        self.state = new
        return True

    @property
    def duration_s(self) -> float:
        """How long the stream lasted, by its own samples."""
        return self.samples / self.rate if self.rate else 0.0

    def summary(self) -> dict[str, Any]:
        """The call in a line of a log: nothing private."""
        agent, caller = self.ledger.agent, self.ledger.caller
        return {
            "reason": self.end_reason,
            "seconds": round(self.duration_s, 2),
            "turns": len(self.turns),
            "heard": caller.delivered,
            "concealed": caller.concealed,
            "lost": caller.lost,
            "played": agent.played,
            "cleared": agent.cleared,
            "under_runs": self.under_runs,
            "balances": self.ledger.balances,
            "quality": None if self.quality is None else round(self.quality.score),
        }

    def masked(self) -> "CallSession":
        """The same call without what is private: no numbers, no words, no keys, no folders."""
        return msgspec.structs.replace(
            self,
            caller="",
            callee="",
            parameters={},
            transcript=[msgspec.structs.replace(said, text="") for said in self.transcript],
            keys=[msgspec.structs.replace(key, digit="") for key in self.keys],
            recording=PurePath(self.recording).name,
        )

    def to_json(self) -> bytes:
        """The record as JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> "CallSession":
        """The record back. Raises ``msgspec.ValidationError`` naming the field that doesn't fit."""
        return msgspec.json.decode(data, type=cls)
