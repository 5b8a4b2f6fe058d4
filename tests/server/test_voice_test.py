"""``POST /api/voice/test``: what is heard, who may hear it, and what is said of what can't be."""

import asyncio
import io
import subprocess
import wave
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from house import until

from trunkline.ai.agent import Agent
from trunkline.ai.base import AgentModel, CallFacts, Emit, Message, TextDelta, ToolCall, ToolSpec, TtsSession
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import AgentFailed, ReplyAudio, ReplyEnded
from trunkline.ai.providers.energy import EnergyVad
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat, Encoding
from trunkline.audio.g711 import encode_mulaw
from trunkline.audio.mp3 import mp3
from trunkline.config import Config
from trunkline.errors import ConfigError, ProviderError, Refused
from trunkline.server.api_token import ApiToken
from trunkline.server.app import make_app
from trunkline.server.calls import Switchboard
from trunkline.server.run import running
from trunkline.server.voice import Voices, best_format
from trunkline.server.voice_test import MAX_AT_ONCE, MAX_TEXT, PATH, router

TOKEN = "a token of the tests"
SHOWN = {"authorization": f"Bearer {TOKEN}"}
TEXT = "Good morning. How can I help you today?"


# --- a real voice, in a whole gateway ------------------------------------------------------------------------------


def ask_gateway(agent: str, *requests: dict[str, Any], insecure: bool = False) -> list[httpx.Response]:
    """The answers of a gateway to POSTs with these arguments, in turn."""

    async def scenario() -> list[httpx.Response]:
        config = Config.load(port=0, api_token=TOKEN, insecure=insecure)
        async with running(config, Agent("", model=agent)) as service, httpx.AsyncClient(trust_env=False) as http:
            return [await http.post(service.gateway.base_url + PATH, **request) for request in requests]

    return asyncio.run(scenario())


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loud_seconds(samples: Any, rate: int) -> float:
    """How long there is sound."""
    blocks = np.asarray(samples, float)[: len(samples) // (rate // 100) * (rate // 100)].reshape(-1, rate // 100)
    return float((blocks.std(axis=1) > 0.005).sum()) / 100


@pytest.mark.usefixtures("espeak")
def test_the_agents_voice_is_heard_as_wav_and_as_mp3(tmp_path: Path) -> None:
    plain, named, accepted, other = ask_gateway(
        "local",
        {"params": {"text": TEXT}, "headers": SHOWN},
        {"params": {"text": TEXT, "format": "mp3"}, "headers": SHOWN},
        {"params": {"text": TEXT}, "headers": SHOWN | {"accept": "audio/mpeg"}},
        {"params": {"text": TEXT, "voice": "de"}, "headers": SHOWN},
    )
    assert [answer.status_code for answer in (plain, named, accepted, other)] == [200] * 4
    kinds = [answer.headers["content-type"] for answer in (plain, named, accepted)]
    assert kinds == ["audio/wav", "audio/mpeg", "audio/mpeg"]
    with wave.open(io.BytesIO(plain.content)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 24000)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    assert 1.5 < loud_seconds(samples, 24000) < 4  # eight words
    assert accepted.content == named.content
    (tmp_path / "voice.mp3").write_bytes(named.content)
    decode = ["ffmpeg", "-v", "error", "-i", "voice.mp3", "-f", "s16le", "-ac", "1", "-ar", "24000", "-"]
    decoded = np.frombuffer(subprocess.run(decode, check=True, capture_output=True).stdout, "<i2") / 32768
    assert loud_seconds(decoded, 24000) == pytest.approx(loud_seconds(samples, 24000), rel=0.1)
    assert len(named.content) < len(plain.content) / 2
    assert other.content != plain.content


@pytest.mark.usefixtures("espeak")
@pytest.mark.parametrize(
    ("voice", "sentence"),
    [
        ("klingon-with-a-cold", "espeak-ng has no voice 'klingon-with-a-cold': 'espeak-ng --voices' lists them"),
        ("../../etc/passwd", "this can't be the name of a voice"),
        ("en/../../x", "this can't be the name of a voice"),
        ("--help", "this can't be the name of a voice"),
        ("x" * 101, "this can't be the name of a voice"),
    ],
)
def test_a_voice_there_is_not_is_told_so(voice: str, sentence: str) -> None:
    (answer,) = ask_gateway("local", {"params": {"text": TEXT, "voice": voice}, "headers": SHOWN})
    assert (answer.status_code, answer.json()) == (400, {"error": sentence})


def test_an_agent_without_a_voice_to_itself_says_so() -> None:
    (answer,) = ask_gateway("echo", {"params": {"text": TEXT}, "headers": SHOWN})
    assert answer.status_code == 409
    assert answer.json()["error"].startswith("the agent 'echo' has no voice to itself")


STRANGERS: list[dict[str, Any]] = [
    {},
    {"headers": {"authorization": "Bearer another"}},
    {"headers": {"authorization": f"Basic {TOKEN}"}},
    {"headers": {"authorization": TOKEN}},
    {"headers": {"authorization": "Bearer tökén".encode()}},
]


def test_strangers_are_told_nothing() -> None:
    for answer in ask_gateway("echo", *({"params": {"text": TEXT}, **stranger} for stranger in STRANGERS)):
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_an_insecure_gateway_asks_for_no_token() -> None:
    (answer,) = ask_gateway("echo", {"params": {"text": TEXT}}, insecure=True)
    assert answer.status_code == 409


def test_without_a_token_in_the_settings_nobody_can_show_it() -> None:
    with pytest.raises(Refused, match="TRUNKLINE_API_TOKEN is not set"):
        ApiToken("").check("Bearer ")


# --- made-up voices ------------------------------------------------------------------------------------------------


class Mute:
    """A model that is never asked."""

    name = "mute"
    tools = False

    async def warm_up(self) -> None: ...
    async def close(self) -> None: ...

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        yield TextDelta("")


Work = Callable[["Voice"], Awaitable[None]]


class Voice:
    """A voice and its only session, whose work is ``work``."""

    name = "made up"
    streams_text = False

    def __init__(self, work: Work, *, speaks: tuple[AudioFormat, ...] = (PCM16_8K,), wrong: str = "") -> None:
        self.speaks = speaks
        self.spoken = speaks[0]
        self.said: list[tuple[str, int]] = []
        self.running = 0
        self.closed = 0
        self._work = work
        self._wrong = wrong
        self.emit: Emit = lambda event: None

    async def warm_up(self) -> None:
        if self._wrong:
            raise ConfigError(self._wrong)

    async def close(self) -> None:
        self.closed += 1

    def open(self, facts: CallFacts, *, speaks: AudioFormat, emit: Emit) -> TtsSession:
        self.emit, self.spoken = emit, speaks
        return self

    def say(self, text: str, generation: int) -> None:
        self.said.append((text, generation))

    def finish(self, generation: int) -> None: ...
    def cancel(self, generation: int) -> None: ...

    async def run(self) -> None:
        self.running += 1
        try:
            await self._work(self)
        finally:
            self.running -= 1


async def speaks_well(voice: Voice) -> None:
    voice.emit(ReplyAudio(voice.spoken.silence(400), 1))
    voice.emit(ReplyAudio(voice.spoken.silence(400), 1))
    voice.emit(ReplyEnded(1))
    voice.emit(ReplyAudio(voice.spoken.silence(400), 1))  # too late
    await asyncio.Event().wait()


def agent_with(voice: Voice) -> AgentModel:
    return Cascade(llm=Mute(), tts=voice, vad=EnergyVad())


@asynccontextmanager
async def asked(voices: Voices, *, timeout_s: float = 5) -> AsyncIterator[httpx.AsyncClient]:
    async with Switchboard(max_calls=1) as board:
        routers = [router(voices, ApiToken(TOKEN), board, timeout_s=timeout_s)]
        app = make_app(routes={}, base_url="http://gw.example.org", board=board, routers=routers)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gw", headers=SHOWN) as http:
            yield http


def answer_of(voices: Voices, *, timeout_s: float = 5, **request: Any) -> httpx.Response:
    async def scenario() -> httpx.Response:
        async with asked(voices, timeout_s=timeout_s) as http:
            return await http.post(PATH, **{"params": {"text": TEXT}, **request})

    return asyncio.run(scenario())


@pytest.mark.parametrize("spoken", [PCM16_8K, PCM16_24K, MULAW_8K, ALAW_8K], ids=str)
def test_a_wav_is_pcm_at_the_rate_the_voice_is_made_at(spoken: AudioFormat) -> None:
    voice = Voice(speaks_well, speaks=(spoken,))
    answer = answer_of(Voices(agent_with(voice)))
    assert answer.status_code == 200
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    assert (rate, len(samples)) == (spoken.rate, 800)
    assert np.abs(samples).max() <= 8
    assert voice.said == [(TEXT, 1)]
    assert voice.running == 0  # nothing is left of it


@pytest.mark.parametrize(
    ("speaks", "best"),
    [
        ((MULAW_8K, PCM16_8K, PCM16_24K, PCM16_16K), PCM16_24K),
        ((MULAW_8K, AudioFormat(Encoding.PCM16, 48000)), MULAW_8K),
        ((MULAW_8K, ALAW_8K), MULAW_8K),
    ],
)
def test_the_best_format_is_asked_for(speaks: tuple[AudioFormat, ...], best: AudioFormat) -> None:
    assert best_format(speaks) == best


async def fails(voice: Voice) -> None:
    voice.emit(ReplyAudio(bytes(320), 1))
    voice.emit(AgentFailed("the vendor hung up"))
    voice.emit(AgentFailed("and again"))
    await asyncio.Event().wait()


async def returns(voice: Voice) -> None:
    pass


async def says_nothing(voice: Voice) -> None:
    voice.emit(ReplyEnded(1))


async def never_stops(voice: Voice) -> None:
    while True:
        voice.emit(ReplyAudio(bytes(16_000 * 60), 1))
        await asyncio.sleep(0)


async def has_no_quota(voice: Voice) -> None:
    raise ProviderError("acme", "quota", "nothing left to spend")


async def knows_no_such_voice(voice: Voice) -> None:
    raise ProviderError("acme", "our fault", "there is no such voice")


async def hangs(voice: Voice) -> None:
    await asyncio.Event().wait()


FAILURES: list[tuple[Work, dict[str, str], int, str]] = [
    (fails, {}, 502, "the vendor hung up"),
    (returns, {}, 502, "the voice ended before it had spoken"),
    (says_nothing, {}, 502, "the voice made no sound of this text"),
    (never_stops, {}, 502, "the voice did not stop within 300 s of speech"),
    (has_no_quota, {}, 502, "acme: nothing left to spend"),
    (knows_no_such_voice, {}, 502, "acme: there is no such voice"),
    (knows_no_such_voice, {"voice": "Ann"}, 400, "acme: there is no such voice"),
    (hangs, {}, 504, "the voice was not done within 0.2 s"),
]


@pytest.mark.parametrize(("work", "more", "status", "sentence"), FAILURES, ids=[f[0].__name__ for f in FAILURES])
def test_a_voice_that_fails_is_told_of(work: Work, more: dict[str, str], status: int, sentence: str) -> None:
    voice = Voice(work)
    voices = Voices(agent_with(voice), lambda name: agent_with(voice))
    answer = answer_of(voices, timeout_s=0.2, params={"text": TEXT, **more})
    assert (answer.status_code, answer.json()) == (status, {"error": sentence})
    assert voice.running == 0
    assert voice.closed == len(more)  # what was made for the test alone


def test_another_voice_is_made_for_the_test_and_closed_after_it() -> None:
    own, other = Voice(fails), Voice(speaks_well)
    asked_for: list[str] = []

    def make(name: str) -> AgentModel:
        asked_for.append(name)
        return agent_with(other)

    assert answer_of(Voices(agent_with(own), make), params={"text": TEXT, "voice": "aura-2/Ann (UK)"}).is_success
    assert (asked_for, other.closed, own.closed, own.said) == (["aura-2/Ann (UK)"], 1, 0, [])


def test_a_voice_that_is_given_can_not_be_changed() -> None:
    answer = answer_of(Voices(agent_with(Voice(speaks_well))), params={"text": TEXT, "voice": "Ann"})
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("params", "status", "words"),
    [
        ({}, 400, "there is no text"),
        ({"text": " \n"}, 400, "there is no text"),
        ({"text": "x" * (MAX_TEXT + 1)}, 413, "1001 characters: 1000 at the most"),
        ({"text": "hi", "format": "aiff"}, 400, "the format is one of wav, mp3"),
    ],
)
def test_what_can_not_be_spoken_is_told_so(params: dict[str, str], status: int, words: str) -> None:
    answer = answer_of(Voices(agent_with(Voice(speaks_well))), params=params)
    assert answer.status_code == status
    assert words in answer.json()["error"]


def test_the_longest_text_there_may_be_comes_through() -> None:
    voice = Voice(speaks_well)
    text = "ü" * MAX_TEXT
    assert answer_of(Voices(agent_with(voice)), params={"text": text}).is_success
    assert voice.said == [(text, 1)]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "audio/wav"),
        ("audio/*", "audio/wav"),
        ("audio/mpeg", "audio/mpeg"),
        ("audio/mpeg;q=0.9, */*;q=0.1", "audio/mpeg"),
        ("audio/wav, audio/mpeg", "audio/wav"),
        ("text/html", "audio/wav"),
    ],
)
def test_the_format_is_the_one_that_is_accepted(accept: str, kind: str) -> None:
    answer = answer_of(Voices(agent_with(Voice(speaks_well))), headers={"accept": accept})
    assert answer.headers["content-type"] == kind


def test_only_so_many_are_tested_at_once() -> None:
    async def scenario() -> list[int]:
        go_on, made = asyncio.Event(), list[Voice]()

        async def waits(voice: Voice) -> None:
            await go_on.wait()
            await speaks_well(voice)

        def make(name: str) -> AgentModel:
            made.append(Voice(waits))
            return agent_with(made[-1])

        params = {"text": TEXT, "voice": "Ann"}
        async with asked(Voices(agent_with(Voice(fails)), make)) as http:
            under_way = [asyncio.create_task(http.post(PATH, params=params)) for _ in range(MAX_AT_ONCE)]
            await until(lambda: sum(voice.running for voice in made) == MAX_AT_ONCE)
            refused = await http.post(PATH, params=params)
            assert refused.headers["retry-after"]
            go_on.set()
            statuses = [(await each).status_code for each in under_way]
            again = await http.post(PATH, params=params)
            return [refused.status_code, *statuses, again.status_code]

    assert asyncio.run(scenario()) == [503, *[200] * MAX_AT_ONCE, 200]


def test_nothing_is_tested_by_a_gateway_that_is_about_to_stop() -> None:
    async def scenario() -> int:
        async with Switchboard(max_calls=1) as board:
            routers = [router(Voices(agent_with(Voice(speaks_well))), ApiToken(TOKEN), board)]
            app = make_app(routes={}, base_url="http://gw.example.org", board=board, routers=routers)
            await board.drain(0)
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gw") as http:
                return (await http.post(PATH, params={"text": TEXT}, headers=SHOWN)).status_code

    assert asyncio.run(scenario()) == 503


def test_mp3_holds_the_same_sound() -> None:
    t = np.arange(24_000) / 24_000
    tone = (8000 * np.sin(2 * np.pi * 440 * t)).astype("<i2")
    for rate in (8000, 16000, 24000, 44100):
        samples, read_rate = soundfile.read(io.BytesIO(mp3(tone.tobytes(), rate)), dtype="int16")
        assert read_rate == rate
        assert len(samples) >= len(tone)
        assert samples.astype(float).std() == pytest.approx(tone.astype(float).std(), rel=0.05)


def test_mu_law_is_decoded_before_it_is_made_an_mp3() -> None:
    t = np.arange(8000) / 8000
    law = encode_mulaw((8000 * np.sin(2 * np.pi * 440 * t)).astype("<i2").tobytes())

    async def hums(voice: Voice) -> None:
        voice.emit(ReplyAudio(law, 1))
        voice.emit(ReplyEnded(1))

    answer = answer_of(Voices(agent_with(Voice(hums, speaks=(MULAW_8K,)))), params={"text": "hm", "format": "mp3"})
    samples, rate = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    spectrum = np.abs(np.fft.rfft(samples.astype(float)))
    assert rate == 8000
    assert np.argmax(spectrum) * rate / len(samples) == pytest.approx(440, abs=3)
