"""Whole calls on real sockets and real speech: a gateway, a telephone, and nothing in between but the loopback.

Both calls run at once, in real time, once for all tests of this file.
"""

import asyncio
import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pesq import pesq

from phoned import Done, hold
from speech import speech, utterances
from trunkline.ai.agent import Agent
from trunkline.audio import g711
from trunkline.audio.format import MULAW_8K, PCM16_16K
from trunkline.testing import echo
from trunkline.testing.script import Action, HangUp, Say, Wait, WaitForQuiet

SILENCE = MULAW_8K.silence(4000)  # half a second


async def call(agent: str, said: bytes, folder: Path) -> Done:
    script: list[Action] = [Say(SILENCE), Say(said), WaitForQuiet(600), Wait(200), HangUp()]
    return await hold(Agent(""), script, limit_s=60, agent=agent, record_dir=folder)


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    async def both() -> dict[str, Done]:
        agents = ("echo", "local")
        done = [call(agent, speech("jfk"), tmp_path_factory.mktemp(agent)) for agent in agents]
        return dict(zip(agents, await asyncio.gather(*done), strict=True))

    return asyncio.run(both())


def channels(done: Done) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Both of the recording."""
    with wave.open(done.session.recording) as file:
        both = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)
    return both[:, 0], both[:, 1]


@pytest.mark.parametrize("agent", ["echo", "local"])
def test_the_call_goes_through_and_every_ledger_balances(calls: dict[str, Done], agent: str) -> None:
    done = calls[agent]
    assert done.placed.outcome.ok, done.placed.outcome.complaints
    ledger = done.session.ledger
    assert ledger.balances
    assert ledger.agent.in_flight == 0
    assert ledger.caller.received == ledger.caller.delivered == done.placed.outcome.said_samples


@pytest.mark.parametrize("agent", ["echo", "local"])
def test_both_channels_of_the_recording_are_as_long_as_the_call(calls: dict[str, Done], agent: str) -> None:
    done = calls[agent]
    left, right = channels(done)
    assert len(left) == len(right) == done.session.samples


@pytest.mark.parametrize("agent", ["echo", "local"])
def test_the_left_channel_is_what_the_caller_said_to_the_sample(calls: dict[str, Done], agent: str) -> None:
    done = calls[agent]
    left, _ = channels(done)
    said = np.frombuffer(g711.decode_mulaw(done.placed.outcome.said), "<i2")
    assert np.array_equal(left[: done.placed.outcome.said_samples], said[: done.placed.outcome.said_samples])


def test_the_echo_is_the_same_speech_with_no_sample_missing(calls: dict[str, Done]) -> None:
    outcome = calls["echo"].placed.outcome
    compared = echo.compare(outcome.said, outcome.heard, outcome.wire)
    assert compared.whole, compared
    assert compared.compared > 30_000


def test_the_echo_sounds_as_the_original(calls: dict[str, Done]) -> None:
    outcome = calls["echo"].placed.outcome
    delay = echo.compare(outcome.said, outcome.heard, outcome.wire).delay
    said = np.frombuffer(g711.decode_mulaw(outcome.said), "<i2")
    heard = np.frombuffer(g711.decode_mulaw(outcome.heard), "<i2")
    assert pesq(8000, said[: len(said) - delay], heard[delay:], "nb") >= 4.0


def test_the_local_agent_ends_each_utterance_where_the_recording_does(calls: dict[str, Done]) -> None:
    padding = bytes(2 * 9600)  # 600 ms at 16 kHz; the call had 500
    truth = utterances(padding + speech("jfk", PCM16_16K) + padding)
    found = calls["local"].session.speech
    assert len(found) == len(truth)
    for stretch, (begin, end) in zip(found, truth, strict=True):
        assert abs(stretch.started_ms - (begin - 100)) <= 150
        assert abs(stretch.stopped_ms - (end - 100)) <= 150


def test_the_local_agent_without_a_recogniser_offers_its_menu_of_keys(calls: dict[str, Done]) -> None:
    said = " ".join(line.text for line in calls["local"].session.transcript if line.speaker == "agent")
    assert "Press one for our opening hours" in said


def test_a_caller_who_speaks_over_the_agent_stops_it(calls: dict[str, Done]) -> None:
    session = calls["local"].session
    assert session.barge_ins >= 1
    assert session.ledger.agent.cleared > 0
    assert calls["local"].placed.outcome.clears
