"""Whole calls in real time: a telephone, the gateway, and a vendor's simulated end hearing and speaking."""

import asyncio

import msgspec
import pytest
from voices import Tone, hum, silence, tone

from phoned import Done, hold
from trunkline.ai.agent import Agent
from trunkline.audio.format import MULAW_8K
from trunkline.testing.script import Action, HangUp, InterruptReply, Say, Wait, WaitForQuiet, WaitForReply
from trunkline.testing.standins import play, standing_in

LINES = ["What are your opening hours?", "No, I want to book a table.", "Thank you, goodbye."]
HOURS = "We are open from Monday to Friday, nine to five."
LETTER_MS = 40  # of Tone
SCRIPT: list[Action] = [
    WaitForQuiet(300),
    Say(silence(MULAW_8K, 200) + hum(MULAW_8K, 720)),
    InterruptReply(700, hum(MULAW_8K, 900)),
    WaitForReply(400),
    Wait(100),
    HangUp(),
]


class Choice(msgspec.Struct, frozen=True):
    """What a vendor hears and speaks with."""

    stt: str
    tts: str
    lead_ms: int = 0  # of silence before each of its replies
    own: dict[str, str] = {}  # settings
    tells_times: bool = False  # of each word: what was heard of a reply is known to the word

    @property
    def vendor(self) -> str:
        return self.stt.partition("/")[0]


FLUX, AURA = "deepgram/flux-general-en", "deepgram/aura-2-thalia-en"
CHOICES = {
    "ink and sonic": Choice("cartesia/ink-2", "cartesia/sonic-3.5", tells_times=True),
    "whisper and sonic": Choice("cartesia/ink-whisper", "cartesia/sonic-3.5", tells_times=True),
    "flux and aura": Choice(FLUX, AURA, 200, {"tts_transport": "websocket"}),
    "nova and flux": Choice("deepgram/nova-3", "deepgram/flux-alexis-en", 200, {"tts_transport": "websocket"}),
    "flux and aura by http": Choice(FLUX, AURA, 200, {"tts_transport": "rest"}),
}

every = pytest.mark.parametrize("name", CHOICES)


async def held(choice: Choice) -> Done:
    game = play(LINES, voice=Tone(choice.lead_ms), stt_ms=230, speed=20)
    async with standing_in(game, names=[choice.vendor]) as vendors:
        providers = {choice.vendor: {**vendors.settings(choice.vendor), **choice.own}}
        agent = Agent("", stt=choice.stt, tts=choice.tts, greeting="Hello.")
        return await hold(agent, SCRIPT, providers=providers)


@pytest.fixture(scope="module")
def calls() -> dict[str, Done]:
    async def all_of_them() -> dict[str, Done]:
        return dict(zip(CHOICES, await asyncio.gather(*map(held, CHOICES.values())), strict=True))

    return asyncio.run(all_of_them())


@every
def test_both_are_understood_and_every_sample_is_accounted_for(calls: dict[str, Done], name: str) -> None:
    calls[name].went_well()
    assert calls[name].said_by("caller")[:2] == LINES[:2]
    assert any("booking" in line for line in calls[name].said_by("agent"))


@every
def test_what_was_heard_of_an_interrupted_reply_is_what_is_remembered(calls: dict[str, Done], name: str) -> None:
    session, outcome = calls[name].session, calls[name].placed.outcome
    assert session.barge_ins == 1
    assert session.ledger.agent.cleared > 0
    assert outcome.clears
    (cut,) = [line for line in session.transcript if line.interrupted]
    assert cut.text
    assert len(cut.text) < len(HOURS)
    assert HOURS.startswith(cut.text)


@pytest.mark.parametrize("name", [name for name, choice in CHOICES.items() if choice.tells_times])
def test_what_was_heard_of_an_interrupted_reply_is_known_to_the_word(calls: dict[str, Done], name: str) -> None:
    session, outcome = calls[name].session, calls[name].placed.outcome
    (cut,) = [line for line in session.transcript if line.interrupted]
    # What the telephone played of it, in letters. The gateway is sure of what was played up to 100 ms ago.
    whole = tone(HOURS, MULAW_8K)
    heard = outcome.heard[outcome.heard.index(whole[: 8 * 400]) :]
    played = next(n for n in range(len(whole) + 1) if heard[n : n + 1] != whole[n : n + 1])
    surely, at_most = (max(0, MULAW_8K.ms(played) - late) / LETTER_MS for late in (100, 0))
    assert cut.text.startswith(words_in(surely))
    assert words_in(at_most).startswith(cut.text)


def words_in(letters: float) -> str:
    """The words of the reply that are whole in so many letters of it."""
    heard = ""
    for word in HOURS.split():
        longer = f"{heard} {word}".strip()
        if len(longer) > letters:
            break
        heard = longer
    return heard


@every
def test_mu_law_comes_through_untouched_and_without_its_leading_silence(calls: dict[str, Done], name: str) -> None:
    heard = calls[name].placed.outcome.heard
    assert tone("Hello.", MULAW_8K) in heard
    began = heard.index(tone("We are open", MULAW_8K))
    assert heard[began - 640 : began] == silence(MULAW_8K, 80)
    assert MULAW_8K.ms(len(heard[:began]) - len(heard[:began].rstrip(b"\xff"))) >= 80


@every
def test_each_stage_of_a_reply_is_stamped(calls: dict[str, Done], name: str) -> None:
    calls[name].is_stamped()
