"""One phone call: takes what happens and ``now``, gives back what is to be done.

It composes the state table, the conversation, the audio, the journal and the watch, and sees to the call itself: how it
starts, what becomes of it when its socket is lost, and how it ends. It parses nothing, waits for nothing and carries
nothing.
"""

from collections.abc import Sequence
from datetime import datetime
from math import inf
from typing import Final

from msgspec import structs

from trunkline.ai.base import CallFacts
from trunkline.ai.events import (
    AgentEvent,
    AgentFailed,
    CallAnswered,
    CallerSaid,
    DigitsWanted,
    HandOverWanted,
    HangUpWanted,
    ReplyAudio,
    ReplyEnded,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    StageReached,
    TransferWanted,
)
from trunkline.audio.format import AudioFormat
from trunkline.call.conversation import Conversation
from trunkline.call.effects import CallOver, Effect, Hear, Note, OpenAgent, Tell
from trunkline.call.events import CallEvent, EndRequested, LinkBack, LinkLost, PeerFault
from trunkline.call.journal import Journal
from trunkline.call.ledger import Ledger
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.call.state import CallState, Trigger, after
from trunkline.call.stream import Stream
from trunkline.call.watch import Overdue, Watch
from trunkline.wire.base import CloseSocket, WireSpec
from trunkline.wire.events import (
    AudioHeard,
    AudioMissing,
    CallDescribed,
    DigitPressed,
    HangUp,
    MarkReached,
    MessageIgnored,
    SendDigits,
    StreamStarted,
    StreamStopped,
    WireEvent,
)

# A wake-up this late says that the whole process was held up.
LATE_S: Final = 0.1


class Call:
    """The pure heart of a call. ``feed`` events as they happen, ``tick`` by ``wake_at``, carry out what they return.

    ``hears`` and ``speaks`` are the formats the agent knows, preferred first.
    """

    def __init__(
        self,
        *,
        spec: WireSpec,
        agent: str,
        hears: Sequence[AudioFormat],
        speaks: Sequence[AudioFormat],
        settings: CallSettings,
        started_at: datetime,
        now: float,
    ) -> None:
        if spec.silence_timeout_s is not None:
            settings = structs.replace(settings, silence_timeout_s=spec.silence_timeout_s)
        self.session = CallSession(call_id="", platform=spec.name, agent=agent, started_at=started_at)
        self.wake_at = now + settings.start_timeout_s
        self._spec = spec
        self._hears = tuple(hears)
        self._speaks = tuple(speaks)
        self._settings = settings
        self._watch = Watch(settings, now)
        self._active = True  # as the state says, at hand for every frame
        self._journal = Journal(self.session, settings.budgets, transcripts=spec.transcripts)
        self._conversation = Conversation(self.session, self._journal, spec, settings.barge_in)
        self._stream: Stream | None = None
        self._lost = ""  # why there is no socket
        self.session.step(Trigger.ANSWERED)

    @property
    def state(self) -> CallState:
        """Where the call stands."""
        return self.session.state

    @property
    def _heard_at(self) -> float | None:
        return None if self._stream is None else self._stream.caller.heard_at

    @property
    def loose_end_at(self) -> float:
        """``tick`` by then too, if anything else wakes you: the last frame of a stalled source waits for it."""
        return inf if self._stream is None else self._stream.playout.alone_at

    @property
    def ledger(self) -> Ledger:
        """Where every sample is at this moment."""
        return Ledger() if self._stream is None else self._stream.ledger

    def feed(self, event: WireEvent | AgentEvent | CallEvent, now: float) -> Sequence[Effect]:
        """Something happened. Raises nothing; once the call is over it returns nothing."""
        if type(event) is AudioHeard:
            return (Hear(self.hear(event.audio, now)),) if self._active else ()
        if type(event) is ReplyAudio:
            return self.speak(event.audio, event.generation, now)
        out: list[Effect] = []
        if self._active:
            self._take(event, now, out)
            self._follow(now, out)
        return out

    def tick(self, now: float) -> Sequence[Effect]:
        """``wake_at`` has come."""
        out: list[Effect] = []
        if not self._active:
            return out
        if self._stream is not None:
            self._conversation.tick(self._stream, now, out)
            self._stream.tick(self._journal, now, out)
        self._look(now, out)
        self._follow(now, out)
        return out

    # --- the path of every frame ----------------------------------------------------------------------------------

    def hear(self, audio: bytes, now: float) -> bytes:
        """The caller's audio: what the agent is to hear of it. The short way of feeding ``AudioHeard``."""
        if self._stream is None or not self._active:
            return b""
        return self._stream.hear(audio, now)

    def speak(self, audio: bytes, generation: int, now: float) -> Sequence[Effect]:
        """The agent's audio: what to send of it now. The short way of feeding ``ReplyAudio``."""
        stream = self._stream
        if stream is None or not self._active:
            return ()
        playout = stream.playout
        stream.agent.push(audio, generation)
        sent = playout.pop(now)
        if playout.first_sent or playout.heard:
            out: list[Effect] = [*sent]
            self._follow(now, out)
            return out
        if playout.due < self.wake_at:
            self.wake_at = playout.due
        return sent

    # --- everything else ------------------------------------------------------------------------------------------

    def _take(self, event: WireEvent | AgentEvent | CallEvent, now: float, out: list[Effect]) -> None:
        match event:
            case LinkLost(clean=True) if self._spec.closes and self._stream is not None:
                self._finish(Trigger.OVER, self._conversation.end_reason("hung up"), now, out)
            case LinkLost(reason, clean=False) if self._spec.resumes and after(self.state, Trigger.LINK_LOST):
                self._park(reason, now, out)
            case LinkLost(reason):
                expected = self.state is CallState.ENDING
                self._finish(
                    Trigger.OVER if expected else Trigger.BROKE, self._conversation.end_reason(reason), now, out
                )
            case LinkBack():
                self._unpark(now, out)
            case PeerFault(reason, close_code):
                out.append(Note("peer at fault", {"reason": reason, "close_code": close_code}, "warning"))
                self._finish(Trigger.BROKE, reason, now, out, CloseSocket(close_code, _short(reason)))
            case EndRequested(reason) if self._stream is None or self.state is CallState.PARKED:
                # There is no stream to hang up, yet or any more.
                self._finish(Trigger.OVER, reason, now, out, CloseSocket(1001, _short(reason)))
            case EndRequested(reason):
                if self._conversation.leave(HangUp(reason), out):
                    self._watch.leaving(now)
            case AgentFailed(reason):
                out.append(Note("agent failed", {"reason": reason}, "error"))
                self._finish(Trigger.BROKE, f"agent failed: {reason}", now, out, CloseSocket(1011, "agent failed"))
            case StreamStarted() if self._stream is not None:
                self._take(PeerFault("a second start", 1002), now, out)
            case StreamStarted():
                self._start(event, now, out)
            case CallDescribed():
                self._journal.described(event, out)
            case StreamStopped(reason):
                self._finish(Trigger.OVER, self._conversation.end_reason(reason), now, out, CloseSocket())
            case MessageIgnored(kind):
                self._journal.ignored(kind, out)
                if self._spec.idles:
                    self._watch.alive(now)
            case DigitsWanted(digits):
                out.append(SendDigits(digits))
            case HandOverWanted():
                out.append(Note("agent has nobody to hand over to", level="warning"))
            case AudioMissing() | MarkReached():
                if self._stream is not None:
                    self._accounts(event, self._stream, now, out)
            case DigitPressed() | SpeechStarted() | SpeechStopped() | CallerSaid():
                if self._stream is not None:
                    self._conversation.caller_did(event, self._stream, now, out)
            case ReplyStarted() | ReplyText() | ReplyEnded() | StageReached() | HangUpWanted() | TransferWanted():
                if self._stream is not None:
                    self._conversation.agent_did(event, self._stream, now, out)
            case AudioHeard() | ReplyAudio():
                raise AssertionError("audio has a path of its own")

    def _start(self, event: StreamStarted, now: float, out: list[Effect]) -> None:
        session, spec = self.session, self._spec
        session.call_id, session.caller, session.callee = event.call_id, event.caller, event.callee
        session.parameters = dict(event.parameters)
        session.rate = event.hears.rate
        hears = event.hears if event.hears in self._hears else self._hears[0]
        speaks = event.speaks if event.speaks in self._speaks else self._speaks[0]
        self._stream = Stream(event, hears=hears, speaks=speaks, spec=spec, settings=self._settings, now=now)
        session.step(Trigger.STREAM_STARTED)
        facts = CallFacts(event.call_id, spec.name, event.caller, event.callee, event.parameters)
        out.append(Note("call started", {"caller": event.caller, "callee": event.callee, "wire": str(event.hears)}))
        out.append(OpenAgent(facts, hears, speaks))
        out.append(Tell(CallAnswered()))

    def _accounts(self, event: AudioMissing | MarkReached, stream: Stream, now: float, out: list[Effect]) -> None:
        """The platform accounts for audio: the caller's that did not come, the agent's that was played."""
        match event:
            case AudioMissing(samples, lost, filling):
                if lost:
                    # A packet that was concealed is everyday life on some networks, and counted where it is told.
                    level = "debug" if filling else "warning"
                    out.append(Note("caller audio missing", {"samples": samples}, level))
                stream.missing(samples, filling, now, out, lost=lost)
            case MarkReached(name):
                stream.playout.mark_reached(name, now)
                out.extend(stream.playout.pop(now))

    # --- a socket that was lost -------------------------------------------------------------------------------------

    def _park(self, reason: str, now: float, out: list[Effect]) -> None:
        """Wait for another socket. The agent lives on, and hears silence; nothing of what it says is lost."""
        self._lost = reason
        self.session.step(Trigger.LINK_LOST)
        if self._stream is not None:
            self._stream.pause(now)
        self._watch.parked(now)
        waits_s = self._settings.resume_timeout_s
        out.append(Note("call parked", {"reason": reason, "waits_s": waits_s}, "warning"))

    def _unpark(self, now: float, out: list[Effect]) -> None:
        """Another socket is there: go on at the sample where the call stood."""
        if self._stream is None or not self.session.step(Trigger.LINK_BACK):
            return
        self._watch.back(now)
        self.session.reconnects += 1
        missing_s = self._stream.resume(now, out)
        if self._stream.playout.unheard(now):
            self.session.step(Trigger.AGENT_SPOKE)
        out.append(Note("call resumed", {"missing_s": round(missing_s, 2)}))

    # --- the end --------------------------------------------------------------------------------------------------

    def _finish(
        self, trigger: Trigger, reason: str, now: float, out: list[Effect], close: CloseSocket | None = None
    ) -> None:
        session = self.session
        if self._stream is not None:
            self._stream.finish(session, self._journal, now, out)
        session.ledger = self.ledger
        session.end_reason = reason
        session.step(trigger)
        self._active = False
        out.append(Note("call ended", session.summary(), "info" if session.ledger.balances else "error"))
        if close is not None:
            out.append(close)
        out.append(CallOver(session))

    def _look(self, now: float, out: list[Effect]) -> None:
        """See to what should have happened by now."""
        if now > self.wake_at + LATE_S:
            self._watch.excuse(now)
            return
        settings = self._settings
        if self._spec.pauses and self._stream is not None and self._stream.playout.unheard(now):
            self._watch.alive(now)
        match self._watch.overdue(now, self._heard_at):
            case Overdue.START:
                self._take(PeerFault(f"no stream was started within {settings.start_timeout_s:g} s", 1008), now, out)
            case Overdue.LINK:
                self._finish(Trigger.BROKE, self._lost, now, out)
            case Overdue.GONE:
                self._finish(Trigger.OVER, self._conversation.end_reason("hung up"), now, out, CloseSocket())
            case Overdue.AUDIO:
                self._take(PeerFault(f"no audio for {settings.silence_timeout_s:g} s", 1008), now, out)
            case Overdue.FRAME if self._stream is not None:
                if silence := self._stream.quiet(now):
                    out.append(Hear(silence))

    # --- after each event -----------------------------------------------------------------------------------------

    def _follow(self, now: float, out: list[Effect]) -> None:
        """What follows from what just happened, and when to look again."""
        if self._stream is not None and self._active and self._conversation.follow(self._stream, now, out):
            self._watch.leaving(now)
        self._plan(now)

    def _plan(self, now: float) -> None:
        if not self._active:
            self.wake_at = inf
            return
        wake = [self._watch.deadline(now, self._heard_at)]
        if (turn_at := self._conversation.turn.deadline) is not None:
            wake.append(turn_at)
        if self._stream is not None and (due := self._stream.playout.deadline(now)) is not None:
            wake.append(due)
        self.wake_at = min(wake)


def _short(reason: str) -> str:
    # A close frame's reason is at most 123 bytes (RFC 6455 §5.5).
    return reason.encode()[:123].decode(errors="ignore")
