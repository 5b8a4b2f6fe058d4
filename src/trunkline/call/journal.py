"""What is written down about a call while it goes on: who said what and when, how long each turn took."""

from typing import Final

from trunkline.ai.events import ReplyHeard, ReplyInterrupted, Stage
from trunkline.call.effects import Effect, Note, Tell
from trunkline.call.latency import Budgets, LatencyBook, verdicts
from trunkline.call.replies import Heard, Interruption
from trunkline.call.session import CallSession, Key, Speech, Turn, Utterance
from trunkline.wire.events import CallDescribed, Speaker, TellTranscript, TellTurnEnd

# Kinds of unknown messages counted by name; beyond this many they are counted together.
MAX_IGNORED_KINDS: Final = 32
# Parameters kept that came after the start, and those from the start with them.
MAX_PARAMETERS: Final = 100
# Keys kept in the record: more than anybody presses, and an end to what a machine can fill.
MAX_KEYS: Final = 1000


class Journal:
    """Writes into the call's ``session``; what deserves a log line, or must be told to the agent, goes to ``out``.

    With ``transcripts`` the platform is told too what is said and whose turn is over.
    """

    __slots__ = ("_budgets", "_latency", "_session", "_speech_from_ms", "_transcripts")

    def __init__(self, session: CallSession, budgets: Budgets, *, transcripts: bool = False) -> None:
        self._session = session
        self._transcripts = transcripts
        self._budgets = budgets
        self._latency = LatencyBook()
        self._speech_from_ms: float | None = None

    def described(self, facts: CallDescribed, out: list[Effect]) -> None:
        """The platform told more of the call than at its start. The agent was told what was known then."""
        session = self._session
        session.caller = facts.caller or session.caller
        session.callee = facts.callee or session.callee
        for name, value in facts.parameters.items():
            if name in session.parameters or len(session.parameters) < MAX_PARAMETERS:
                session.parameters[name] = value
        out.append(Note("call described", {"caller": session.caller, "callee": session.callee}))

    def at_another_rate(self, measured: int, out: list[Effect]) -> None:
        """The caller's audio does not come as fast as its format says: what is heard of it is too fast or too slow."""
        self._session.measured_rate = measured
        rates = {"announced_hz": self._session.rate, "measured_hz": measured}
        out.append(Note("caller audio at another rate than announced", rates, "warning"))

    def ignored(self, kind: str, out: list[Effect]) -> None:
        """A message of a kind we don't know."""
        counts = self._session.ignored
        key = kind if kind in counts or len(counts) < MAX_IGNORED_KINDS else "others"
        counts[key] = counts.get(key, 0) + 1
        if counts[key] == 1:
            out.append(Note("message ignored", {"kind": kind}, "debug"))

    def key_pressed(self, digit: str, at_ms: float, out: list[Effect]) -> None:
        """The caller pressed a key at this position of the call."""
        if len(self._session.keys) < MAX_KEYS:
            self._session.keys.append(Key(digit, at_ms))
        out.append(Note("key pressed", {"digit": digit}))

    def speech_started(self, at_ms: float) -> None:
        """The caller began to speak at this position of the call."""
        self._speech_from_ms = at_ms

    def speech_stopped(self, at_ms: float, when: float) -> None:
        """The caller fell silent at this position, which was at ``when`` on the clock."""
        if self._speech_from_ms is not None:
            self._session.speech.append(Speech(self._speech_from_ms, at_ms))
            self._speech_from_ms = None
        self._latency.speech_ended(when)

    def caller_may_have_said(self, text: str, out: list[Effect]) -> None:
        """What the recogniser makes of the caller's words so far."""
        if self._transcripts and text:
            out.append(TellTranscript("caller", text, final=False))

    def caller_said(self, text: str, now_ms: float, now: float, out: list[Effect]) -> None:
        """The caller's words are final; empty when nothing was understood."""
        self._latency.transcript_final(now)
        if text:
            at_ms = self._session.speech[-1].started_ms if self._session.speech else now_ms
            self._session.transcript.append(Utterance("caller", text, at_ms))
            out.append(Note("caller said", {"text": text}))
            if self._transcripts:
                out.append(TellTranscript("caller", text, final=True))

    def reply_began(self, generation: int) -> None:
        """The reply takes over what was stamped so far."""
        self._latency.of(generation)

    def stage(self, stage: Stage, generation: int, now: float) -> None:
        """The agent reports a moment in the making of a reply."""
        self._latency.of(generation).stamp(stage.replace(" ", "_"), now)

    def first_audio(self, generation: int, now: float) -> None:
        """The reply's first audio went to the caller."""
        self._latency.of(generation).stamp("first_audio", now)

    def heard(self, reply: Heard, out: list[Effect]) -> None:
        """A reply was heard to its end."""
        self._close_turn(reply.generation, out)
        if reply.text:
            self._session.transcript.append(Utterance("agent", reply.text, reply.at_ms or 0.0))
            out.append(Note("agent said", {"text": reply.text}))
        self.turn_ended("agent", out, said=reply.text)
        out.append(Tell(ReplyHeard(reply.generation, reply.text)))

    def interrupted(self, replies: list[Interruption], out: list[Effect]) -> None:
        """Replies that will not be heard any further."""
        for reply in replies:
            self._close_turn(reply.generation, out)
            if reply.heard_text and reply.at_ms is not None:
                said = Utterance("agent", reply.heard_text, reply.at_ms, interrupted=True)
                self._session.transcript.append(said)
            if reply.at_ms is not None:
                self.turn_ended("agent", out, said=reply.heard_text)
            out.append(Note("agent cut short", {"heard_ms": round(reply.heard_ms), "text": reply.heard_text}))
            out.append(Tell(ReplyInterrupted(reply.generation, reply.heard_ms, reply.heard_text)))

    def turn_ended(self, speaker: Speaker, out: list[Effect], *, said: str = "") -> None:
        """The platform is told that ``speaker`` has stopped, after the last of what was said."""
        if not self._transcripts:
            return
        if said:
            out.append(TellTranscript(speaker, said, final=True))
        out.append(TellTurnEnd(speaker))

    def _close_turn(self, generation: int, out: list[Effect]) -> None:
        latency = self._latency.close(generation)
        if latency is None:
            return
        judged = verdicts(latency, self._budgets)
        self._session.turns.append(Turn(generation, latency, judged))
        verdict = "SLOW" if "SLOW" in judged.values() else "OK"
        out.append(Note("turn", {"generation": generation, **latency.fields(), "budget": verdict}))
