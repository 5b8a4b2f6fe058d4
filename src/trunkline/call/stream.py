"""The audio of a call whose stream has started: both voices, the tape, and what watches over the caller's."""

from trunkline.audio.format import AudioFormat
from trunkline.audio.recorder import StereoRecorder
from trunkline.call.effects import Effect, Hear
from trunkline.call.hearing import CallerVoice
from trunkline.call.journal import Journal
from trunkline.call.ledger import Ledger
from trunkline.call.listening import Listening
from trunkline.call.playout import Playout
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.call.speaking import AgentVoice
from trunkline.call.tape import Tape
from trunkline.call.true_rate import PAUSE_MS, TrueRate
from trunkline.wire.base import WireSpec
from trunkline.wire.events import StreamStarted


class Stream:
    """What a call is made of from its ``StreamStarted`` on. ``hears`` and ``speaks`` are the agent's own formats."""

    __slots__ = ("_listening", "_lost", "_tape", "_true_rate", "agent", "caller", "playout")

    def __init__(
        self,
        event: StreamStarted,
        *,
        hears: AudioFormat,
        speaks: AudioFormat,
        spec: WireSpec,
        settings: CallSettings,
        now: float,
    ) -> None:
        self.caller = CallerVoice(event.hears, hears, now)
        self.playout = Playout(
            event.speaks,
            self.caller.timeline,
            frame_ms=spec.frame_ms,
            max_frames=spec.max_frames,
            lead_ms=spec.lead_ms if settings.lead_ms is None else settings.lead_ms,
            marks=spec.marks,
            clears=spec.clears,
            keep_sound=settings.record,
            max_queue_s=settings.max_queue_s,
        )
        self.agent = AgentVoice(speaks, event.speaks, self.playout)
        self._listening = Listening(event.hears, settings.quality_thresholds, now) if settings.quality else None
        self._tape = Tape(StereoRecorder(event.hears, event.speaks), self.playout, now) if settings.record else None

        self._true_rate = TrueRate(event.hears.rate, now)
        self._lost = 0  # samples of the caller's that were sent, and did not come

    def hear(self, audio: bytes, now: float) -> bytes:
        """The caller's audio: what the agent is to hear of it."""
        if self._tape is not None:
            self._tape.caller(audio)
        if self._listening is not None and self._listening.monitor is not None:
            self._listening.monitor.push(audio)
        return self.caller.receive(audio, now)

    def missing(self, samples: int, filling: bytes, now: float, out: list[Effect], *, lost: bool) -> None:
        """A hole in the caller's audio: its filling, or else silence, for the tape, and for the agent what of it was
        not given yet."""
        if lost:
            self._lost += samples
        elif samples >= self.caller.wire.rate * PAUSE_MS // 1000:
            self._true_rate.restart(self._sent, now)
        wire, agent = self.caller.missing(samples, now, filling)
        if self._tape is not None:
            self._tape.caller(wire)
        if agent:
            out.append(Hear(agent))

    def quiet(self, now: float) -> bytes:
        """Nothing has come for a while: silence for the agent, up to now."""
        self._true_rate.restart(self._sent, now)
        return self.caller.quiet(now)

    def tick(self, journal: Journal, now: float, out: list[Effect]) -> None:
        """Send what is due, book what was heard, hand out what is recorded, and say what was noticed."""
        out.extend(self.playout.pop(now))
        self.playout.settle(now)
        if self._tape is not None:
            self._tape.save(now, out)
        if self._listening is not None:
            self._listening.tick(now, out)
        if measured := self._true_rate.look(self._sent, now):
            journal.at_another_rate(measured, out)

    @property
    def _sent(self) -> int:
        """Samples that the platform has sent of the caller, as far as they are known."""
        return self.caller.delivered + self._lost

    def pause(self, now: float) -> None:
        """The socket is lost: nothing sounds until there is another."""
        self.playout.pause(now)

    def resume(self, now: float, out: list[Effect]) -> float:
        """There is another socket: goes on, and returns the seconds of the caller's audio that are missing."""
        timeline = self.caller.timeline
        samples = timeline.at(now) - timeline.samples
        self.missing(samples, b"", now, out, lost=False)
        out.extend(self.playout.unpause(now))
        return samples / timeline.rate

    def finish(self, session: CallSession, journal: Journal, now: float, out: list[Effect]) -> None:
        """The call is over: what was not heard by now never will be. Completes the record."""
        playout = self.playout
        cut = playout.finish(now)
        for reply in playout.heard:
            journal.heard(reply, out)
        journal.interrupted(cut, out)
        session.under_runs = playout.under_runs
        session.under_run_ms = 1000 * playout.under_run_s
        session.samples = self.caller.timeline.samples
        if self._tape is not None:
            session.samples = max(session.samples, self._tape.finish(out))
            session.recorded = self._tape.summary
        if self._listening is not None:
            session.quality = self._listening.summary

    @property
    def ledger(self) -> Ledger:
        """Where every sample is at this moment."""
        return Ledger(self.playout.ledger, self.caller.ledger)
