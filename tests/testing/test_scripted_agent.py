"""The agent that plays by a script, by itself: what it emits and when."""

from trunkline.ai.base import CallFacts
from trunkline.ai.events import (
    AgentEvent,
    CallAnswered,
    CallerSaid,
    HangUpWanted,
    KeyPressed,
    ReplyAudio,
    ReplyEnded,
    ReplyInterrupted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    StageReached,
)
from trunkline.audio.format import MULAW_8K
from trunkline.testing.agents import Answer, Reply, ScriptedAgent, ScriptedSession
from trunkline.testing.clock import VirtualClock
from trunkline.testing.sounds import tone

FRAME = 160


class Listener:
    """Opens a session and writes down what it emits, with the time in ms."""

    def __init__(self, agent: ScriptedAgent) -> None:
        self.agent = agent
        self.clock = VirtualClock(1000.0)
        self.frames = 0
        self.story: list[tuple[int, AgentEvent]] = []
        facts = CallFacts("CA01", "twilio")
        self.session: ScriptedSession = agent.open(facts, hears=MULAW_8K, speaks=MULAW_8K, emit=self.emit)

    def emit(self, event: AgentEvent) -> None:
        self.story.append((round(1000 * (self.clock.now - 1000)), event))

    def run(self, audio: bytes = b"", until_ms: float | None = None) -> None:
        for at in range(0, len(audio), FRAME):
            self.frames += 1
            now = 1000 + 0.02 * self.frames
            self.clock.run([self.agent], done=lambda: False, until=now)
            self.clock.now = now
            self.session.hear(audio[at : at + FRAME], now)
        until = float("inf") if until_ms is None else 1000 + until_ms / 1000
        self.clock.run([self.agent], done=lambda: False, until=until)

    def told(self, kind: type) -> list[tuple[int, AgentEvent]]:
        return [(at, event) for at, event in self.story if isinstance(event, kind)]


def quiet(ms: int) -> bytes:
    return MULAW_8K.silence(8 * ms)


def test_it_answers_each_utterance_in_turn_with_the_reply_in_the_script() -> None:
    listener = Listener(
        ScriptedAgent([Answer("hello", Reply((("hi", tone(MULAW_8K, 250)),), after_ms=300)), Answer("mhm", None)])
    )
    listener.run(quiet(100) + tone(MULAW_8K, 400) + quiet(1000) + tone(MULAW_8K, 200) + quiet(1000))
    assert listener.told(SpeechStarted) == [(120, SpeechStarted(100.0)), (1520, SpeechStarted(1500.0))]
    assert listener.told(SpeechStopped) == [(700, SpeechStopped(500.0)), (1900, SpeechStopped(1700.0))]
    assert listener.told(CallerSaid) == [(700, CallerSaid("hello", final=True)), (1900, CallerSaid("mhm", final=True))]
    assert listener.told(ReplyStarted) == [(1000, ReplyStarted(1))]
    assert [event for _, event in listener.told(ReplyText)] == [ReplyText("hi", 1)]


def test_audio_comes_in_bursts_faster_than_real_time_and_then_the_end() -> None:
    reply = Reply((("one", tone(MULAW_8K, 250)), ("two", tone(MULAW_8K, 100))), after_ms=0, speed=10)
    listener = Listener(ScriptedAgent(greeting=reply))
    listener.session.tell(CallAnswered(), listener.clock.now)
    listener.run()
    kinds = [type(event) for _, event in listener.story if not isinstance(event, StageReached)]
    assert kinds == [ReplyStarted, ReplyText, ReplyAudio, ReplyAudio, ReplyAudio, ReplyText, ReplyAudio, ReplyEnded]
    assert [at for at, _ in listener.told(ReplyAudio)] == [0, 10, 20, 25]
    audio = b"".join(event.audio for _, event in listener.story if isinstance(event, ReplyAudio))
    assert audio == tone(MULAW_8K, 250) + tone(MULAW_8K, 100)


def test_an_interrupted_reply_stops_unless_the_agent_is_stubborn() -> None:
    ended = []
    for stubborn in (False, True):
        listener = Listener(ScriptedAgent(greeting=Reply((("", tone(MULAW_8K, 2000)),), speed=1), stubborn=stubborn))
        listener.session.tell(CallAnswered(), listener.clock.now)
        listener.run(until_ms=1000)
        listener.session.tell(ReplyInterrupted(1, 700, ""), listener.clock.now)
        listener.run()
        ended.append(len(listener.told(ReplyEnded)))
    assert ended == [0, 1]


def test_partials_keys_cues_and_what_follows_a_reply() -> None:
    goodbye = Reply((("bye", tone(MULAW_8K, 100)),), after_ms=50, then=HangUpWanted())
    listener = Listener(
        ScriptedAgent([Answer("no stop", partial="no", partial_ms=75)], keys={"9": goodbye}, cues=[(40, goodbye)])
    )
    listener.session.tell(CallAnswered(), listener.clock.now)
    listener.run(tone(MULAW_8K, 300) + quiet(300))
    assert listener.told(CallerSaid) == [(95, CallerSaid("no", final=False)), (500, CallerSaid("no stop", final=True))]
    assert [at for at, _ in listener.told(HangUpWanted)] == [100]
    listener.session.tell(KeyPressed("9"), listener.clock.now)
    listener.session.tell(KeyPressed("1"), listener.clock.now)
    listener.run()
    assert [event for _, event in listener.told(ReplyStarted)] == [ReplyStarted(1), ReplyStarted(2)]
    assert [command for _, command in listener.session.told] == [CallAnswered(), KeyPressed("9"), KeyPressed("1")]
