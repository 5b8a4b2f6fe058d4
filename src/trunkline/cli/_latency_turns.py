"""What ``trunkline latency`` knows of a turn, wherever it read it."""

from typing import Final, NamedTuple

import msgspec

STAGES: Final = {
    "stt": "speech → words",
    "llm": "asked → token",
    "tts": "asked → sound",
    "total": "speech → sent",
    "response": "speech → heard",
    "silence": "barge-in → quiet",
}
"""From the end or the beginning of what to what, in the order in which they are shown. The first four are between the
gateway's own stamps, the others between what is to be heard in a recording."""


class Bar(NamedTuple):
    """A stage as a piece of a waterfall, in ms after the end of speech."""

    stage: str
    at_ms: float
    ms: float


class MeasuredTurn(msgspec.Struct, frozen=True):
    """One turn."""

    file: str
    call: str  # its id; empty where nobody knows it
    turn: int  # the reply's number, or the turn's place in the recording
    stages: dict[str, float]  # ms
    starts: dict[str, float] = {}  # when a stage began, in ms after the end of speech
    at_ms: float | None = None  # where in the recording the caller fell silent
    outcome: str = ""  # of a recording's turn

    @property
    def waited_ms(self) -> float:
        """What the caller waited; 0 where nobody knows, and where the agent didn't wait itself."""
        return max(0.0, self.stages.get("response", self.stages.get("total", 0.0)))

    @property
    def drawn(self) -> bool:
        """Whether there is something to draw: a wait with a beginning and an end."""
        return self.waited_ms > 0

    def bars(self) -> list[Bar]:
        """Its stages one after the other. Those whose beginning isn't known begin where the one before ended."""
        bars, end = [], 0.0
        for stage in ("stt", "llm", "tts"):
            if (ms := self.stages.get(stage)) is not None:
                at = self.starts.get(stage, end)
                bars.append(Bar(stage, at, ms))
                end = max(end, at + ms)
        if "response" in self.stages:
            bars.append(Bar("response", 0.0, self.waited_ms))
        return bars


class Recorded(msgspec.Struct, frozen=True):
    """What a recording says of its call, beside the turns' latencies."""

    file: str
    seconds: float
    detector: str  # what told the caller's voice from other sounds
    turns: int  # of the caller's, without back-channels
    answered: int
    early: int  # … of them by an agent that didn't wait for the end
    unanswered: int
    interruptions: int  # the caller spoke into the agent's words
    talked_over: int  # … and the agent went on
    back_channels: int


class Reading(NamedTuple):
    """What one file gave."""

    turns: list[MeasuredTurn]
    recorded: Recorded | None = None
