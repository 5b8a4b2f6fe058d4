"""What an agent owes its caller at any moment: what is left to do for another one, should it fail now."""

import msgspec

from trunkline.ai.events import (
    AgentCommand,
    AgentEvent,
    CallAnswered,
    CallerSaid,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyHeard,
    ReplyInterrupted,
    ReplyStarted,
    SpeechStarted,
    SpeechStopped,
)


class _Turn(msgspec.Struct):
    """Speech that has neither words nor an answer."""

    begin_ms: float
    end_ms: float | None = None


class Owed:
    """One call's, by what the agent tells (``event``) and is told (``told``)."""

    def __init__(self) -> None:
        self.saying = 0
        """The reply that sounds and is not whole, by its generation; 0: none."""
        self.broken = ""
        """The words so far of a reply that former agents left unfinished."""
        self._begun = ""  # by former agents: the words before those of the reply that sounds
        self.unsounded: set[int] = set()
        """Replies that were begun, and nothing was heard of."""
        self.settled_ms = 0.0
        """All speech before this has words, or an answer."""
        self._due = False  # a greeting, or an answer to what is known
        self._said_into = False  # a reply that sounds: whether that wants an answer is for the call to say
        self._sounding: set[int] = set()  # neither heard to their end nor interrupted
        self._turns: list[_Turn] = []
        self._answered = 0  # turns whose words are still to come

    @property
    def since_ms(self) -> float | None:
        """Where the speech begins that has neither words nor an answer; None: there is none."""
        return self._turns[0].begin_ms if self._turns else None

    @property
    def speaks(self) -> bool:
        """It is for the agent to speak. If there is speech it has to hear, then after that."""
        return (self._due or bool(self.saying or self.broken)) and not self._turns

    def event(self, event: AgentEvent) -> bool:
        """True: the agent has made a reply to its end."""
        match event:
            case ReplyAudio(_, generation):
                if generation in self.unsounded:
                    self._sounds(generation)
            case ReplyStarted(generation):
                self.unsounded.add(generation)
            case ReplyEnded(generation):
                self.unsounded.discard(generation)
                if generation == self.saying:
                    self.saying, self._begun = 0, ""
                    return True
            case SpeechStarted(at_ms):
                self._turns.append(_Turn(at_ms))
            case SpeechStopped(at_ms):
                if self._turns:
                    self._turns[-1].end_ms = at_ms
            case CallerSaid(text, final=True):
                self._worded(text)
            case _:
                pass
        return False

    def told(self, command: AgentCommand) -> None:
        """What the call says."""
        match command:
            case CallAnswered() | KeyPressed():
                self._due = True
            case ReplyHeard(generation):
                self._sounding.discard(generation)
                self._said_into = self._said_into and bool(self._sounding)
            case ReplyInterrupted(generation):
                self._sounding.discard(generation)
                self._due = self._due or self._said_into
                self._said_into, self.broken = False, ""
                if generation == self.saying:
                    self.saying, self._begun = 0, ""

    def mistaken(self) -> None:
        """The speech that began last was none."""
        if self._turns:
            self._turns.pop()

    def left(self, said: str) -> None:
        """The agent is gone; ``said`` are the words of the reply it was ``saying``."""
        if self.saying:
            self.broken = f"{self._begun} {said}".strip()
        self.saying, self._begun = 0, ""
        self._answered = 0  # words that it did not give nobody will
        self.unsounded.clear()

    def _sounds(self, generation: int) -> None:
        """A reply is heard: it answers all there was before it."""
        self.unsounded.discard(generation)
        self._sounding.add(generation)
        self.saying, self._due = generation, False
        self._begun, self.broken = self.broken, ""
        for turn in [turn for turn in self._turns if turn.end_ms is not None]:
            self._settle(turn)
            self._answered += 1

    def _worded(self, text: str) -> None:
        over = next((turn for turn in self._turns if turn.end_ms is not None), None)
        if over is not None:
            self._settle(over)
        elif self._answered:
            self._answered -= 1
            return
        if text.strip() and self._sounding:
            self._said_into = True
        elif text.strip():
            self._due = True

    def _settle(self, turn: _Turn) -> None:
        self._turns.remove(turn)
        self.settled_ms = max(self.settled_ms, turn.end_ms or 0.0)
