"""Whole calls in real time: a telephone, the gateway, and Deepgram's simulated end hearing and speaking."""

import asyncio

import msgspec
import pytest
from voices import Tone, hum, silence, tone

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.audio.format import MULAW_8K
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.testing.call import PlacedCall, place
from trunkline.testing.phone import Phone
from trunkline.testing.script import Action, HangUp, InterruptReply, Say, Wait, WaitForQuiet, WaitForReply
from trunkline.testing.standins import play, standing_in
from trunkline.wire.base import Platform

TWILIO: Platform = registry.load("wire", "twilio")
LINES = ["What are your opening hours?", "No, I want to book a table.", "Thank you, goodbye."]
HOURS = "We are open from Monday to Friday, nine to five."
ASKED = silence(MULAW_8K, 200) + hum(MULAW_8K, 720)

CHOICES = {
    "flux and aura": ("deepgram/flux-general-en", "deepgram/aura-2-thalia-en", "websocket"),
    "nova and flux": ("deepgram/nova-3", "deepgram/flux-alexis-en", "websocket"),
    "flux and aura by http": ("deepgram/flux-general-en", "deepgram/aura-2-thalia-en", "rest"),
}


class Done(msgspec.Struct, frozen=True):
    """A call as both of its ends know it."""

    session: CallSession
    placed: PlacedCall


async def hold(stt: str, tts: str, transport: str) -> Done:
    over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()
    async with standing_in(play(LINES, voice=Tone(200), stt_ms=230, speed=20), names=["deepgram"]) as vendors:
        config = Config.load(host="127.0.0.1", port=0)
        config = config.with_platform(TWILIO.spec, auth_token="0123456789abcdef0123456789abcdef")
        config = config.with_provider("deepgram", **vendors.settings("deepgram"), tts_transport=transport)
        codec = TWILIO.phone(config.platform(TWILIO.spec), call_id="CA1", caller="+15005550006", callee="+15005550001")
        actions: list[Action] = [
            WaitForQuiet(300),
            Say(ASKED),
            InterruptReply(700, hum(MULAW_8K, 900)),
            WaitForReply(400),
            Wait(100),
            HangUp(),
        ]
        agent = Agent("", stt=stt, tts=tts, greeting="Hello.")
        async with running(config, agent, keep=over.set_result) as service:
            placed = await place(Phone(codec, actions), service.gateway.base_url, limit_s=20)
            return Done(await asyncio.wait_for(over, 5), placed)


@pytest.fixture(scope="module")
def calls() -> dict[str, Done]:
    async def all_of_them() -> dict[str, Done]:
        done = await asyncio.gather(*(hold(*choice) for choice in CHOICES.values()))
        return dict(zip(CHOICES, done, strict=True))

    return asyncio.run(all_of_them())


@pytest.mark.parametrize("choice", CHOICES)
def test_both_are_understood_and_every_sample_is_accounted_for(calls: dict[str, Done], choice: str) -> None:
    session, outcome = calls[choice].session, calls[choice].placed.outcome
    assert outcome.ok, outcome.complaints
    assert session.ledger.balances
    said = [line.text for line in session.transcript if line.speaker == "caller"]
    assert said[:2] == LINES[:2]
    assert any("booking" in line.text for line in session.transcript if line.speaker == "agent")


@pytest.mark.parametrize("choice", CHOICES)
def test_what_was_heard_of_an_interrupted_reply_is_what_is_remembered(calls: dict[str, Done], choice: str) -> None:
    session, outcome = calls[choice].session, calls[choice].placed.outcome
    assert session.barge_ins == 1
    assert session.ledger.agent.cleared > 0
    assert outcome.clears
    (cut,) = [line for line in session.transcript if line.interrupted]
    assert cut.text
    assert len(cut.text) < len(HOURS)
    assert HOURS.startswith(cut.text)


@pytest.mark.parametrize("choice", CHOICES)
def test_mu_law_comes_through_untouched_and_without_its_leading_silence(calls: dict[str, Done], choice: str) -> None:
    heard = calls[choice].placed.outcome.heard
    assert tone("Hello.", MULAW_8K) in heard
    began = heard.index(tone("We are open", MULAW_8K))
    assert heard[began - 640 : began] == silence(MULAW_8K, 80)
    assert MULAW_8K.ms(len(heard[:began]) - len(heard[:began].rstrip(b"\xff"))) >= 80


@pytest.mark.parametrize("choice", CHOICES)
def test_each_stage_of_a_reply_is_stamped(calls: dict[str, Done], choice: str) -> None:
    turns = calls[choice].session.turns
    assert turns
    for turn in turns:
        stages = msgspec.to_builtins(turn.latency)
        assert any(value for value in stages.values()), stages
