"""Scenarios of who has the turn: what happens, when, and what is to be done about it."""

import pytest

from trunkline.call.settings import BACKCHANNELS, BargeIn
from trunkline.call.turn import PATIENCE, TurnTaking, Verdict

HOLD, COMMIT, RESUME = Verdict.HOLD, Verdict.COMMIT, Verdict.RESUME
RULES = BargeIn(commit_after_ms=700, words_wait_ms=600)

# A step is (milliseconds, what happens, the verdict it must bring). "tick" must find its deadline at that very time.
Step = tuple[int, str, Verdict | None]

SCENARIOS: dict[str, list[Step]] = {
    "speech while the agent is silent is nobody's interruption": [
        (0, "speech, agent silent", None),
        (900, "words: hello", None),
        (1000, "silence", None),
    ],
    "a back-channel resumes": [
        (0, "speech", HOLD),
        (300, "silence", None),
        (400, "final: Mm-hm.", RESUME),
    ],
    "a back-channel known while it sounds resumes as soon as it is over": [
        (0, "speech", HOLD),
        (200, "words: yeah", None),
        (300, "silence", RESUME),
    ],
    "a long back-channel is still one": [
        (0, "speech", HOLD),
        (200, "words: hmm", None),
        (2000, "silence", RESUME),
    ],
    "real words commit before the speech is over": [
        (0, "speech", HOLD),
        (250, "words: wait", COMMIT),
        (600, "silence", None),
        (700, "final: wait a minute", None),
    ],
    "real words commit after the speech is over": [
        (0, "speech", HOLD),
        (300, "silence", None),
        (500, "final: stop", COMMIT),
    ],
    "long speech commits without a word": [
        (0, "speech", HOLD),
        (700, "tick", COMMIT),
        (1500, "silence", None),
    ],
    "a cough resumes when its words do not come": [
        (0, "speech", HOLD),
        (100, "silence", None),
        (700, "tick", RESUME),
    ],
    "a cough resumes when nothing is understood": [
        (0, "speech", HOLD),
        (100, "silence", None),
        (300, "final: ", RESUME),
    ],
    "a second cough starts the wait anew": [
        (0, "speech", HOLD),
        (100, "silence", None),
        (600, "speech", None),
        (700, "silence", None),
        (1300, "tick", RESUME),
    ],
    "a second speech that is long commits": [
        (0, "speech", HOLD),
        (100, "silence", None),
        (600, "speech", None),
        (1300, "tick", COMMIT),
    ],
    "a partial back-channel that turns into real words commits": [
        (0, "speech", HOLD),
        (200, "words: yeah", None),
        (500, "words: yeah but no", COMMIT),
    ],
    "words of the first speech do not resume while a second one goes on": [
        (0, "speech", HOLD),
        (100, "silence", None),
        (300, "speech", None),
        (400, "final: mm-hm", None),
        (800, "silence", None),
        (900, "final: wait, stop", COMMIT),
    ],
    "words of the first speech do not keep a long second one from committing": [
        (0, "speech", HOLD),
        (100, "silence", None),
        (300, "speech", None),
        (400, "final: mm-hm", None),
        (1000, "tick", COMMIT),
    ],
    "a key commits": [(0, "speech", HOLD), (100, "key", COMMIT), (200, "silence", None)],
    "a key commits without speech": [(0, "key", COMMIT)],
    "the next interruption is judged by itself": [
        (0, "speech", HOLD),
        (100, "words: yeah", None),
        (200, "silence", RESUME),
        (1000, "speech", HOLD),
        (1100, "silence", None),
        (1700, "tick", RESUME),
    ],
}


def play(turn: TurnTaking, steps: list[Step]) -> None:
    for at_ms, what, expected in steps:
        now = at_ms / 1000
        if turn.deadline is not None and what != "tick":
            assert now < turn.deadline, f"{what} at {at_ms} ms comes after a deadline that was not kept"
            assert turn.tick(now) is None, "nothing is due before the deadline"
        kind, _, text = what.partition(": ")
        match kind:
            case "speech":
                verdict = turn.speech_started(now, agent_sounds=True)
            case "speech, agent silent":
                verdict = turn.speech_started(now, agent_sounds=False)
            case "silence":
                verdict = turn.speech_stopped(now)
            case "words":
                verdict = turn.words(text, final=False, agent_sounds=True)
            case "final":
                verdict = turn.words(text, final=True, agent_sounds=True)
            case "key":
                verdict = turn.key_pressed()
            case _:
                assert turn.deadline == pytest.approx(now)
                assert turn.deadline is not None
                verdict = turn.tick(turn.deadline)
        assert verdict is expected, f"{what} at {at_ms} ms"
        if verdict in (COMMIT, RESUME):
            assert not turn.held
            assert turn.deadline is None


@pytest.mark.parametrize("steps", SCENARIOS.values(), ids=SCENARIOS)
def test_a_scenario_ends_as_it_should(steps: list[Step]) -> None:
    play(TurnTaking(RULES), steps)


def test_the_agent_is_never_held_when_barging_in_is_disabled() -> None:
    turn = TurnTaking(BargeIn(enabled=False))
    assert turn.speech_started(0, agent_sounds=True) is None
    assert turn.words("stop it now", final=False, agent_sounds=True) is None
    assert turn.speech_stopped(2) is None
    assert turn.deadline is None


@pytest.mark.parametrize("said", sorted(BACKCHANNELS))
def test_every_back_channel_is_known_however_it_is_written(said: str) -> None:
    for text in (said, said.capitalize() + ".", f"  {said.upper()}!  "):
        turn = TurnTaking(RULES)
        turn.speech_started(0, agent_sounds=True)
        assert turn.words(text, final=False, agent_sounds=True) is None
        assert turn.speech_stopped(0.3) is RESUME


@pytest.mark.parametrize("text", ["Yeah, yeah.", "okay, right, I see", "Mm-hm. Mm-hm.", "uh-huh okay", "ja, genau"])
def test_several_back_channels_are_one(text: str) -> None:
    turn = held(0.0)
    assert turn.words(text, final=False, agent_sounds=True) is None
    assert turn.speech_stopped(0.3) is RESUME


@pytest.mark.parametrize(
    "text",
    ["no", "stop", "yes please", "okay bye", "yeah but no", "не надо", "是", "mm hm " * 5000, "mm hm " * 4 + "x"],
)
def test_anything_else_commits(text: str) -> None:
    turn = TurnTaking(RULES)
    turn.speech_started(0, agent_sounds=True)
    assert turn.words(text, final=False, agent_sounds=True) is COMMIT


def held(now: float) -> TurnTaking:
    turn = TurnTaking(BargeIn())
    assert turn.speech_started(now, agent_sounds=True) is HOLD
    return turn


def test_without_back_channels_every_word_commits() -> None:
    turn = TurnTaking(BargeIn(backchannels=frozenset()))
    turn.speech_started(0, agent_sounds=True)
    assert turn.words("mm-hm", final=False, agent_sounds=True) is COMMIT


def test_words_that_come_after_the_agent_was_resumed_still_take_the_turn() -> None:
    turn = held(0.0)
    turn.speech_stopped(0.3)
    assert turn.tick(1.0) is RESUME
    assert turn.words("stop", final=True, agent_sounds=True) is COMMIT
    assert turn.words("stop", final=True, agent_sounds=True) is None, "once"


@pytest.mark.parametrize(("text", "sounds"), [("mm-hm", True), ("", True), ("stop", False)])
def test_late_words_change_nothing_when_they_say_nothing_or_the_agent_is_silent(text: str, sounds: bool) -> None:
    turn = held(0.0)
    turn.speech_stopped(0.3)
    assert turn.tick(1.0) is RESUME
    assert turn.words(text, final=True, agent_sounds=sounds) is None


def test_an_agent_that_answers_during_a_hold_has_taken_it_for_a_turn() -> None:
    turn = held(0.0)
    assert turn.answered() is COMMIT
    assert not turn.held
    assert turn.deadline is None


def test_a_back_channel_that_never_ends_is_an_interruption_after_all() -> None:
    turn = held(0.0)
    assert turn.words("mm-hm", final=False, agent_sounds=True) is None
    assert turn.deadline == pytest.approx(PATIENCE * 0.7)
    assert turn.tick(PATIENCE * 0.7) is COMMIT
