"""Speech to text by files: our requests before the simulated server and before a parser of others, and the simulated
server before the vendor's own client. What is heard is simulated."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import httpx
import openai
import pytest
import soundfile
from real_time import in_real_time
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from survival import LINES, kept_lines
from vendor_calls import FACTS, Kept, listening
from voices import hum, silence

from trunkline import registry
from trunkline.ai.base import AgentSettings, Stt
from trunkline.ai.chat.account import Account
from trunkline.ai.events import CallAnswered, ReplyHeard
from trunkline.ai.fallback_stt import FallbackStt
from trunkline.ai.standin import WRONG_KEY, Place, Play, Trouble
from trunkline.ai.transcription import FAILURES, Transcription, stt, wav_file
from trunkline.ai.transcription_standin import transcription_routes
from trunkline.ai.turn_audio import LONGEST_S, MARGIN_MS, TAIL_MS, TurnAudio
from trunkline.audio import g711
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.errors import ProviderError
from trunkline.testing import sounds
from trunkline.testing.scripted_stt import Fixture
from trunkline.testing.standins import play, serving

LINE, NEXT = "A table for two, please.", "On Friday."
SETTINGS = AgentSettings(language="en-gb")
TURN = (100.0, 820.0)
SAID = [silence(MULAW_8K, 100), hum(MULAW_8K)]


@asynccontextmanager
async def server(*troubles: tuple[Place, Trouble], stt_ms: float = 20, **more: Any) -> AsyncIterator[tuple[str, Play]]:
    simulated = play(**{"lines": (LINE, NEXT), "voice": "none", **more}, stt_ms=stt_ms, troubles=troubles)
    async with serving(transcription_routes(simulated)) as url:
        yield f"{url}/v1", simulated


def account(url: str, key: str = "simulated") -> Account:
    return Account("groq", url, {"Authorization": f"Bearer {key}"})


def recogniser(url: str, *, others: bool = False, key: str = "simulated", deadline_s: float = 3.0) -> Transcription:
    settings = AgentSettings(language="en-gb", has_standby=others)
    return stt(account(url, key), "whisper-large-v3-turbo", settings, deadline_s=deadline_s)


async def words(part: Transcription, audio: bytes, *, within_s: float = 3.0) -> str:
    try:
        return await part.words(wav_file(audio, MULAW_8K), asyncio.get_running_loop().time() + within_s)
    finally:
        await part.close()


# --- turns -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("audio", Transcription.hears, ids=str)
@in_real_time
async def test_the_words_of_a_turn_come_after_its_end(audio: AudioFormat) -> None:
    async with server() as (url, _):
        part, said = recogniser(url), [silence(audio, 100), hum(audio)]
        async with listening(part, said, audio=audio, turns=[TURN]) as (kept, _, _session):
            await kept.until(lambda: bool(kept.finals))
    assert kept.finals == [LINE]
    assert len(kept.events) == 1, "nothing before"


@in_real_time
async def test_each_turn_has_its_words_in_order_though_they_overlap() -> None:
    async with server(stt_ms=300) as (url, _):
        said = [*SAID, silence(MULAW_8K, 300), hum(MULAW_8K)]
        turns = [TURN, (1120.0, 1840.0)]
        async with listening(recogniser(url), said, speed=16, turns=turns) as (kept, _, _session):
            await kept.until(lambda: len(kept.finals) == 2)
    assert kept.finals == [LINE, NEXT]


@in_real_time
async def test_a_recording_is_known_by_its_words(espeak: None) -> None:
    text = "when are you open"
    async with server(fixtures=[Fixture(text, sounds.speak(text, PCM16_8K))]) as (url, _):
        assert await words(recogniser(url), sounds.speak(text, MULAW_8K)) == text


def test_the_turn_is_cut_out_of_the_call_with_a_margin() -> None:
    audio = TurnAudio(PCM16_8K)
    for second in range(5):
        audio.push(bytes([second, 0]) * 8000)
    assert audio.ended(4500) == b"", "no turn has begun"
    begun = audio.started(4000)
    assert PCM16_8K.ms(len(begun)) == 1000 + MARGIN_MS
    assert begun[:2] == b"\x03\x00"
    audio.push(bytes([5, 0]) * 8000)
    turn = audio.ended(5500)
    assert PCM16_8K.ms(len(turn)) == 1500 + MARGIN_MS + TAIL_MS
    assert (turn[:2], turn[-2:]) == (b"\x03\x00", b"\x05\x00")
    assert not audio.speaking


def test_a_turn_that_is_told_of_after_all_of_its_audio_is_whole() -> None:
    audio = TurnAudio(PCM16_8K)
    audio.push(bytes(16000 * 20))
    audio.started(1000)
    assert PCM16_8K.ms(len(audio.ended(18_000))) == 17_000 + MARGIN_MS + TAIL_MS


def test_while_nobody_speaks_little_is_kept() -> None:
    audio = TurnAudio(PCM16_8K)
    for _ in range(1000):
        audio.push(bytes(320))
    assert PCM16_8K.ms(len(audio.started(0))) <= 2100


def test_a_turn_without_end_keeps_its_latest_minute_and_no_more() -> None:
    audio = TurnAudio(PCM16_8K)
    audio.started(0)
    for _ in range(int(LONGEST_S) + 10):
        audio.push(bytes(16000))
    assert PCM16_8K.ms(len(audio.ended(audio.heard_ms))) == 1000 * LONGEST_S


@in_real_time
async def test_a_turn_without_audio_has_no_words_and_asks_nobody() -> None:
    part, kept = recogniser("http://127.0.0.1:9/v1"), Kept()
    session = part.open(FACTS, hears=MULAW_8K, emit=kept)
    session.turn_started(0)
    session.turn_ended(0)
    run = asyncio.create_task(session.run())
    await kept.until(lambda: kept.finals == [""])
    run.cancel()
    await asyncio.wait([run])


@in_real_time
async def test_a_whole_agent_answers_what_the_server_heard(espeak: None) -> None:
    """Detector, rules and voice are real; the server is simulated, and fails once in the middle."""

    asking = "When are you open?"
    known = [Fixture(asking, sounds.speak(asking, PCM16_8K))]
    async with server((Place.HEARING, Trouble.CUT), fixtures=known) as (url, simulated):
        agent = registry.load("ai.providers", "local").agent(AgentSettings(), stt=recogniser(url))
        await agent.warm_up()
        kept = Kept()
        session = agent.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=kept)
        run = asyncio.create_task(session.run())
        session.tell(CallAnswered(), 0)
        await kept.until(lambda: kept.ended(1))
        session.tell(ReplyHeard(1, kept.text(1)), 0)
        said = silence(MULAW_8K, 600) + sounds.speak(asking, MULAW_8K) + silence(MULAW_8K, 1200)
        for at in range(0, len(said), 160):
            session.hear(said[at : at + 160], at / 8000)
            await asyncio.sleep(0.002)  # ten times as fast as life: the detector has time to say what it finds
        await kept.until(lambda: "nine to five" in kept.text(2))
        assert kept.finals == [asking]
        assert not simulated.troubles
        run.cancel()
        await asyncio.wait([run])
        await agent.close()


# --- trouble -----------------------------------------------------------------------------------------------------

PLACES = [Place.CONNECT, Place.HEARING, Place.ANSWERING, Place.SPEAKING]
PASSING = [Trouble.CUT, Trouble.STALL, Trouble.GARBAGE, Trouble.UNKNOWN, Trouble.RATE_LIMIT, Trouble.FAULT]


@pytest.mark.parametrize("trouble", PASSING)
def test_words_are_not_lost_by_what_passes(trouble: Trouble) -> None:
    async def story(place: Place) -> None:
        async with server((place, trouble)) as (url, simulated):
            began = time.monotonic()
            # A server is asked again after two fifths of the deadline: 1.2 s of the usual one, here less.
            assert await words(recogniser(url, deadline_s=1), hum(MULAW_8K), within_s=1) in (LINE, NEXT)
            assert time.monotonic() - began < 0.9
            assert not simulated.troubles

    async def all_places() -> None:
        async with asyncio.TaskGroup() as group:
            for place in PLACES:
                group.create_task(story(place))

    asyncio.run(all_places())


@in_real_time
async def test_the_log_says_in_which_call_words_were_asked_for_again() -> None:
    lines: list[dict[str, Any]] = []
    LINES.set(lines)
    with kept_lines():
        async with server((Place.CONNECT, Trouble.FAULT)) as (url, _):
            session = (part := recogniser(url)).open(FACTS, hears=MULAW_8K, emit=(kept := Kept()))
            session.hear(b"".join(SAID), 0)
            session.turn_started(100)
            session.turn_ended(820)
            run = asyncio.create_task(session.run())
            await kept.until(lambda: bool(kept.finals))
            run.cancel()
            await part.close()
    assert [(line["event"], line.get("call")) for line in lines] == [("words asked for again", FACTS.call_id)]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("trouble", "fault"), [(Trouble.KEY, "bad key"), (Trouble.QUOTA, "quota")])
@in_real_time
async def test_what_does_not_pass_ends_the_session_at_once(place: Place, trouble: Trouble, fault: str) -> None:
    async with server((place, trouble), (place, trouble)) as (url, simulated):
        session = (part := recogniser(url)).open(FACTS, hears=MULAW_8K, emit=Kept())
        session.hear(b"".join(SAID), 0)
        session.turn_started(100)
        session.turn_ended(820)
        with pytest.raises(ProviderError) as error:
            await session.run()
        assert error.value.fault == fault
        assert len(simulated.troubles) == 1, "not asked again"
        await part.close()


@in_real_time
async def test_a_wrong_key_is_one() -> None:
    async with server() as (url, _):
        with pytest.raises(ProviderError) as error:
            await words(recogniser(url, key=WRONG_KEY), hum(MULAW_8K))
        assert error.value.fault == "bad key"


@in_real_time
async def test_a_turn_without_an_answer_has_no_words_and_the_next_one_has() -> None:
    stalls = [(Place.ANSWERING, Trouble.STALL)] * 2
    async with server(*stalls) as (url, _):
        said = [*SAID, silence(MULAW_8K, 1500), hum(MULAW_8K)]
        part = recogniser(url, deadline_s=0.3)
        async with listening(part, said, speed=8, turns=[TURN, (2320, 3040)]) as (kept, speaking, _session):
            await kept.until(lambda: len(kept.finals) == 2)
    assert kept.finals == ["", LINE]
    assert kept.times[0] - speaking.fell_silent_at < 0.3


@in_real_time
async def test_a_server_that_never_answers_is_given_up() -> None:
    async with server() as (url, _):
        base = url.removesuffix("/v1")  # where there is nothing: 404
        kept, part = Kept(), recogniser(base)
        session = part.open(FACTS, hears=MULAW_8K, emit=kept)
        for number in range(FAILURES + 1):
            session.hear(b"".join(SAID), 0)
            session.turn_started(820 * number + 100)
            session.turn_ended(820 * (number + 1))
        with pytest.raises(ProviderError) as error:
            await session.run()
        assert error.value.fault == "our fault"
        assert kept.finals == [""] * (FAILURES - 1)
        await part.close()


@pytest.mark.parametrize("trouble", [Trouble.CUT, Trouble.STALL, Trouble.FAULT, Trouble.KEY])
@in_real_time
async def test_another_recogniser_takes_the_turn_that_one_has_no_words_for(trouble: Trouble) -> None:
    async with server((Place.ANSWERING, trouble)) as (url, simulated):
        first, second = recogniser(url, others=True), recogniser(url, others=True)
        assert first.deadline_s == 1.5
        first.deadline_s = 0.3  # so that the test is no slower than it must be
        part = FallbackStt([first, second], time.monotonic)
        async with listening(part, SAID, speed=8, turns=[TURN]) as (kept, _, _session):
            await kept.until(lambda: bool(kept.finals))
        assert kept.finals == [LINE]
        assert not simulated.troubles


@in_real_time
async def test_a_refused_connection_is_no_more_than_a_turn_without_words() -> None:
    with pytest.raises(ProviderError) as error:
        await words(recogniser("http://127.0.0.1:9/v1"), hum(MULAW_8K))
    assert error.value.fault == "transient"
    assert "127.0.0.1" not in str(error.value)


def answering(body: bytes, status: int = 200) -> Any:
    async def answer(request: Request) -> Response:
        await request.body()
        return Response(body, status, media_type="application/json")

    return serving([Route("/audio/transcriptions", answer, methods=["POST"])])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"[]", 200),
        (b'{"text":null}', 200),
        (b'{"words":"hello"}', 200),
        (b'"\xff"', 200),
        (b"[" * 100_000, 200),
        (b'{"text":"' + b"a" * 300_000 + b'"}', 200),
        (b"\xff\xfe", 500),
        (b"{}", 429),
        (b'{"error":"no"}', 429),
        (b'{"error":{"code":[1]}}', 400),
        (b"teapot", 418),
    ],
)
@in_real_time
async def test_whatever_a_server_answers_it_is_words_or_a_provider_error(body: bytes, status: int) -> None:
    async with answering(body, status) as url:
        with pytest.raises(ProviderError) as error:
            await words(recogniser(url), hum(MULAW_8K), within_s=1)
        assert "hello" not in str(error.value)


@in_real_time
async def test_no_session_speaks_after_it_is_over() -> None:
    async with server(stt_ms=100) as (url, _):
        kept, part = Kept(), recogniser(url)
        session = part.open(FACTS, hears=MULAW_8K, emit=kept)
        session.hear(b"".join(SAID), 0)
        session.turn_started(100)
        session.turn_ended(820)
        run = asyncio.create_task(session.run())
        await asyncio.sleep(0.05)
        run.cancel()
        await asyncio.wait([run])
        await asyncio.sleep(0.15)
        assert not kept.events
        await part.close()


# --- before judges we did not write ------------------------------------------------------------------------------


@pytest.mark.parametrize("audio", [MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K], ids=str)
@in_real_time
async def test_a_parser_of_others_reads_our_form_and_libsndfile_our_file(audio: AudioFormat) -> None:
    seen: dict[str, Any] = {}

    async def judge(request: Request) -> Response:
        async with request.form() as form:  # python-multipart
            assert sorted(form) == ["file", "language", "model", "response_format"]
            file = form["file"]
            assert isinstance(file, UploadFile)
            seen.update(form, name=file.filename, kind=file.content_type, wav=await file.read())
        seen["key"] = request.headers["authorization"]
        return JSONResponse({"text": " Good evening. "})

    async with serving([Route("/v1/audio/transcriptions", judge, methods=["POST"])]) as url:
        part = recogniser(f"{url}/v1")
        async with listening(part, [silence(audio, 100), hum(audio)], audio=audio, turns=[TURN]) as (kept, _, _s):
            await kept.until(lambda: bool(kept.finals))
    assert kept.finals == ["Good evening."]
    assert (seen["model"], seen["language"], seen["response_format"]) == ("whisper-large-v3-turbo", "en", "json")
    assert (seen["name"], seen["kind"], seen["key"]) == ("turn.wav", "audio/wav", "Bearer simulated")
    samples, rate = soundfile.read(BytesIO(seen["wav"]), dtype="int16")
    assert (rate, soundfile.info(BytesIO(seen["wav"])).subtype) == (audio.rate, "PCM_16")
    expected = silence(audio, 100) + hum(audio)
    decoded = {MULAW_8K: g711.decode_mulaw, ALAW_8K: g711.decode_alaw}.get(audio, bytes)(expected)
    assert samples.tobytes().startswith(decoded)


@pytest.mark.parametrize("rate", [PCM16_8K, PCM16_16K, PCM16_24K], ids=str)
@in_real_time
async def test_the_vendors_own_client_gets_words_from_the_simulated_server(rate: AudioFormat) -> None:
    async with (
        server() as (url, _),
        openai.AsyncOpenAI(api_key="simulated", base_url=url, max_retries=0) as client,
    ):
        for expected in (LINE, NEXT):
            file = ("turn.wav", wav_file(hum(rate), rate))
            heard = await client.audio.transcriptions.create(file=file, model="whisper-1", language="en")
            assert heard.text == expected


@pytest.mark.parametrize(
    ("trouble", "refusal"),
    [
        (Trouble.KEY, openai.AuthenticationError),
        (Trouble.QUOTA, openai.RateLimitError),
        (Trouble.RATE_LIMIT, openai.RateLimitError),
        (Trouble.FAULT, openai.InternalServerError),
        (Trouble.CUT, openai.APIConnectionError),
    ],
)
@in_real_time
async def test_its_troubles_are_what_the_vendors_client_calls_so(trouble: Trouble, refusal: type[Exception]) -> None:
    async with (
        server((Place.HEARING, trouble)) as (url, _),
        openai.AsyncOpenAI(api_key="simulated", base_url=url, max_retries=0) as client,
    ):
        file = ("turn.wav", wav_file(hum(PCM16_8K), PCM16_8K))
        with pytest.raises(refusal):
            await client.audio.transcriptions.create(file=file, model="whisper-1")


# --- what the simulated server refuses ---------------------------------------------------------------------------

WAV = wav_file(hum(PCM16_8K), PCM16_8K)
FORM = b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
FILE = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
GOOD = FORM + FILE + WAV + b"\r\n--b--\r\n"
TYPE = "multipart/form-data; boundary=b"


def field(name: str, value: str) -> bytes:
    return f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


REFUSED: dict[str, tuple[str, bytes]] = {
    "JSON": ("application/json", b'{"model":"m"}'),
    "no boundary": ("multipart/form-data", GOOD),
    "another boundary": ("multipart/form-data; boundary=c", GOOD),
    "nothing": (TYPE, b""),
    "no end": (TYPE, GOOD[:-4]),
    "something before": (TYPE, b"preamble\r\n" + GOOD),
    "something after": (TYPE, GOOD + b"epilogue"),
    "bare line feeds": (TYPE, GOOD.replace(b"\r\n", b"\n")),
    "no model": (TYPE, FILE + WAV + b"\r\n--b--\r\n"),
    "no file": (TYPE, FORM + b"--b--\r\n"),
    "the model twice": (TYPE, FORM + GOOD),
    "a field nobody knows": (TYPE, field("colour", "blue") + GOOD),
    "a language by its name": (TYPE, field("language", "english") + GOOD),
    "a region's language": (TYPE, field("language", "en-us") + GOOD),
    "another format": (TYPE, field("response_format", "srt") + GOOD),
    "a temperature of 2": (TYPE, field("temperature", "2") + GOOD),
    "a file without a name": (TYPE, GOOD.replace(b'; filename="a.wav"', b"")),
    "a file of another kind": (TYPE, GOOD.replace(b"a.wav", b"a.exe")),
    "no sound": (TYPE, FORM + FILE + b"RIFF but nothing else\r\n--b--\r\n"),
    "a header without its file": (TYPE, FORM + FILE + WAV[:44] + b"\r\n--b--\r\n"),
    "half a file": (TYPE, FORM + FILE + WAV[: len(WAV) // 2] + b"\r\n--b--\r\n"),
    "50 ms": (TYPE, FORM + FILE + wav_file(hum(PCM16_8K, 50), PCM16_8K) + b"\r\n--b--\r\n"),
    "a part without headers": (TYPE, b"--b\r\n\r\nm\r\n" + GOOD),
    "words that are no text": (TYPE, field("prompt", "a").replace(b"\r\na\r\n", b"\r\n\xff\r\n") + GOOD),
}


async def posted(requests: Sequence[tuple[str, bytes]], key: str = "Bearer simulated") -> list[int]:
    async with server() as (url, _), httpx.AsyncClient() as client:
        answers = [
            await client.post(
                f"{url}/audio/transcriptions", content=body, headers={"Content-Type": kind, "Authorization": key}
            )
            for kind, body in requests
        ]
    return [answer.status_code for answer in answers]


def test_it_refuses_what_the_vendors_would() -> None:
    statuses = asyncio.run(posted([(TYPE, GOOD), *REFUSED.values()]))
    assert statuses[0] == 200
    assert dict(zip(REFUSED, statuses[1:], strict=True)) == dict.fromkeys(REFUSED, 400)


@pytest.mark.parametrize("key", ["", "simulated", "Basic simulated", f"Bearer {WRONG_KEY}"])
def test_it_lets_nobody_in_without_a_key(key: str) -> None:
    assert asyncio.run(posted([(TYPE, GOOD)], key)) == [401]


def test_a_recogniser_is_what_a_cascade_expects() -> None:
    part: Stt = stt(account("http://127.0.0.1:9/v1"), "whisper-large-v3-turbo", SETTINGS)
    assert (part.name, part.turns, part.partials) == ("groq/whisper-large-v3-turbo", False, False)
