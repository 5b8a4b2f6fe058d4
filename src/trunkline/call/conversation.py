"""The conversation in a call: who has the turn, what is said and what of it was heard, and how the two part."""

from trunkline.ai.events import (
    CallerSaid,
    HangUpWanted,
    KeyPressed,
    ReplyEnded,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    StageReached,
    TransferWanted,
)
from trunkline.call.effects import Effect, Note, Tell
from trunkline.call.journal import Journal
from trunkline.call.session import CallSession
from trunkline.call.settings import BargeIn
from trunkline.call.state import CallState, Trigger
from trunkline.call.stream import Stream
from trunkline.call.turn import TurnTaking, Verdict
from trunkline.wire.base import WireSpec
from trunkline.wire.events import DigitPressed, HangUp, TellSpeech, Transfer

CallerDid = DigitPressed | SpeechStarted | SpeechStopped | CallerSaid
AgentDid = ReplyStarted | ReplyText | ReplyEnded | StageReached | HangUpWanted | TransferWanted
Farewell = HangUp | Transfer


class Conversation:
    """Makes of what each of the two does what follows for the other, over the ``stream`` they are given with it.

    Call ``follow`` after each ``caller_did``, ``agent_did`` and ``tick``, which is wanted by ``turn.deadline``.
    """

    __slots__ = ("_farewell", "_journal", "_session", "_spec", "turn")

    def __init__(self, session: CallSession, journal: Journal, spec: WireSpec, barge_in: BargeIn) -> None:
        self._session = session
        self._journal = journal
        self._spec = spec
        self.turn = TurnTaking(barge_in)
        self._farewell: Farewell | None = None  # how the agent wants the call to end, or how it is being ended

    def caller_did(self, event: CallerDid, stream: Stream, now: float, out: list[Effect]) -> None:
        """The caller spoke, was understood, or pressed a key."""
        caller, playout = stream.caller, stream.playout
        match event:
            case DigitPressed(digit):
                self._journal.key_pressed(digit, caller.timeline.ms(now), out)
                if playout.unheard(now) or self.turn.held:
                    self._take_turn(self.turn.key_pressed(), stream, now, out)
                out.append(Tell(KeyPressed(digit)))
            case SpeechStarted(at_ms):
                self._journal.speech_started(caller.position_ms(at_ms))
                self._session.step(Trigger.CALLER_SPOKE)
                self._take_turn(self.turn.speech_started(now, agent_sounds=playout.unheard(now)), stream, now, out)
                if self._spec.speech and (playout.held or not playout.unheard(now)):
                    out.append(TellSpeech(True))
            case SpeechStopped(at_ms):
                position_ms = caller.position_ms(at_ms)
                self._journal.speech_stopped(position_ms, caller.timeline.when(position_ms, now))
                self._journal.turn_ended("caller", out)
                self._session.step(Trigger.CALLER_FINISHED)
                if self._spec.speech:
                    out.append(TellSpeech(False))
                self._take_turn(self.turn.speech_stopped(now), stream, now, out)
            case CallerSaid(text, final):
                verdict = self.turn.words(text, final=final, agent_sounds=playout.unheard(now))
                self._take_turn(verdict, stream, now, out)
                if final:
                    self._journal.caller_said(text, caller.timeline.ms(now), now, out)
                else:
                    self._journal.caller_may_have_said(text, out)

    def agent_did(self, event: AgentDid, stream: Stream, now: float, out: list[Effect]) -> None:
        """The agent went on with a reply, or wants the call to end."""
        agent, playout = stream.agent, stream.playout
        match event:
            case ReplyStarted(generation):
                if self.turn.held and not agent.knows(generation):
                    # An agent that begins an answer has taken what the caller is saying for a turn.
                    self._take_turn(self.turn.answered(), stream, now, out)
                if agent.begin(generation):
                    self._journal.reply_began(generation)
            case ReplyText(text, generation):
                agent.text(text, generation)
            case ReplyEnded(generation):
                agent.end(generation)
                out.extend(playout.pop(now))
                playout.settle(now)
            case StageReached(stage, generation, ago_ms):
                self._journal.stage(stage, generation, now - ago_ms / 1000)
            case HangUpWanted(reason):
                self._farewell = HangUp(reason)
                agent.end_all()
                out.extend(playout.pop(now))
            case TransferWanted(target):
                self._farewell = Transfer(target)
                agent.end_all()
                out.extend(playout.pop(now))

    def tick(self, stream: Stream, now: float, out: list[Effect]) -> None:
        """``turn.deadline`` has come."""
        if (verdict := self.turn.tick(now)) is not None:
            self._take_turn(verdict, stream, now, out)

    def follow(self, stream: Stream, now: float, out: list[Effect]) -> bool:
        """What follows from what was sent and heard meanwhile. True: all was said, and the platform was asked for the
        end."""
        playout = stream.playout
        for generation in playout.first_sent:
            self._journal.first_audio(generation, now)
            self._session.step(Trigger.AGENT_SPOKE)
        playout.first_sent.clear()
        for reply in playout.heard:
            self._journal.heard(reply, out)
        if playout.heard and not playout.unheard(now):
            self._session.step(Trigger.AGENT_FINISHED)
        playout.heard.clear()
        if self._farewell is None or playout.unheard(now) or self.turn.held:
            return False
        return self.leave(self._farewell, out)

    def leave(self, farewell: Farewell, out: list[Effect]) -> bool:
        """Ask the platform to end the call, or to take it elsewhere. False: not now, or it was asked already."""
        if not self._session.step(Trigger.HANGING_UP):
            return False
        if isinstance(farewell, Transfer) and not self._spec.transfers:
            out.append(Note("transfer not possible", {"platform": self._spec.name}, "warning"))
            farewell = HangUp("the platform can't transfer")
        self._farewell = farewell
        out.append(farewell)
        return True

    def end_reason(self, otherwise: str) -> str:
        """Why the call ended: what we wanted, if we were about it already."""
        if self._session.state is not CallState.ENDING:
            return otherwise
        match self._farewell:
            case HangUp(reason):
                return reason
            case Transfer():
                return "transferred"
        return otherwise

    def _take_turn(self, verdict: Verdict | None, stream: Stream, now: float, out: list[Effect]) -> None:
        playout = stream.playout
        match verdict:
            case Verdict.HOLD:
                out.extend(playout.hold(now))
                out.append(Note("agent on hold", level="debug"))
            case Verdict.RESUME:
                self._session.resumed += 1
                out.extend(playout.resume(now))
                out.append(Note("agent resumed", level="debug"))
            case Verdict.COMMIT:
                if not playout.held:
                    out.extend(playout.hold(now))
                self._session.barge_ins += 1
                if self._session.state is not CallState.ENDING:
                    self._farewell = None  # a caller who interrupts the goodbye still wants something
                self._journal.interrupted(playout.clear(), out)
                self._session.step(Trigger.INTERRUPTED)
                if not self.turn.speaking:
                    self._session.step(Trigger.CALLER_FINISHED)
