"""Language models behind chat completions, against the simulated vendor; and that, against the vendors' own clients."""

import asyncio
import time
import warnings
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from trunkline import registry
from trunkline.ai.base import AgentSettings, CallFacts, Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.chat.account import Account, Wishes
from trunkline.ai.chat.llm import Chat
from trunkline.ai.events import CallerSaid
from trunkline.ai.fallback_llm import FallbackLlm
from trunkline.ai.standin import WRONG_KEY, Answer, Place, Trouble
from trunkline.audio.format import MULAW_8K
from trunkline.errors import ConfigError, ProviderError
from trunkline.testing.standins import Hum, StandIns, play, serving, standing_in

SLOT = ToolSpec("check_slot", "Slots of a day", {"type": "object", "properties": {"day": {"type": "string"}}})
ASKED = [Message("system", "You sell flowers."), Message("caller", "Do you deliver on Sunday?")]
WHOLE = "We deliver on Sunday, from nine to five, and the day before as well."


def mind(history: Sequence[Message], tools: Sequence[ToolSpec]) -> Answer:
    if tools and history[-1].role == "caller":
        return Answer("One moment. ", "check_slot", '{"day":"sunday"}')
    return Answer(WHOLE)


def told(deltas: list[TextDelta | ToolCall]) -> str:
    return "".join(delta.text for delta in deltas if isinstance(delta, TextDelta))


def with_vendors(story: Callable[[StandIns], Coroutine[Any, Any, None]], *troubles: tuple[Place, Trouble]) -> None:
    async def run() -> None:
        simulated = play(
            ["Do you deliver on Sunday?"], mind=mind, voice=Hum(), model_ms=5, words_per_s=2000, troubles=troubles
        )
        async with standing_in(simulated, names=[*PRESETS, "openai"]) as vendors:
            await story(vendors)

    asyncio.run(run())


def model(vendors: StandIns, *, key: str = "simulated", others: bool = False, **wishes: Any) -> Chat:
    account = Account("groq", f"{vendors.base_url}/groq/openai/v1", {"Authorization": f"Bearer {key}"})
    return Chat(account, "stand-in", wishes=Wishes(**wishes), others=others)


async def all_of(llm: Any, history: Sequence[Message] = ASKED, tools: Sequence[ToolSpec] = ()) -> list[Any]:
    return [delta async for delta in llm.reply(history, tools)]


def test_a_reply_streams_and_functions_come_whole() -> None:
    async def story(vendors: StandIns) -> None:
        llm = model(vendors)
        deltas = await all_of(llm)
        assert told(deltas) == WHOLE
        assert len(deltas) > 5, "word by word"
        first, call = await all_of(llm, tools=[SLOT]), ToolCall("check_slot", '{"day":"sunday"}')
        assert told(first) == "One moment. "
        assert (first[-1].name, first[-1].arguments, first[-1].id[:5]) == (call.name, call.arguments, "call_")
        done = [*ASKED, Message("agent", "One moment.", (first[-1],)), Message("tool", "[]", tool_call_id=first[-1].id)]
        assert told(await all_of(llm, done, [SLOT])) == WHOLE
        await llm.close()

    with_vendors(story)


@pytest.mark.parametrize("trouble", [Trouble.FAULT, Trouble.RATE_LIMIT])
@pytest.mark.parametrize("place", [Place.CONNECT, Place.ANSWERING])
def test_what_passes_is_asked_again_at_once(place: Place, trouble: Trouble) -> None:
    async def story(vendors: StandIns) -> None:
        llm = model(vendors)
        began = time.monotonic()
        assert told(await all_of(llm)) == WHOLE
        assert time.monotonic() - began < 1.0
        assert not vendors.play.troubles
        await llm.close()

    with_vendors(story, (place, trouble))


@pytest.mark.parametrize(("trouble", "fault"), [(Trouble.KEY, "bad key"), (Trouble.QUOTA, "quota")])
def test_what_does_not_pass_is_told_at_once(trouble: Trouble, fault: str) -> None:
    async def story(vendors: StandIns) -> None:
        llm = model(vendors)
        with pytest.raises(ProviderError) as error:
            await all_of(llm)
        assert (error.value.fault, error.value.then) == (fault, "end turn")
        assert len(vendors.play.troubles) == 1, "not asked again"
        await llm.close()

    with_vendors(story, (Place.CONNECT, trouble), (Place.CONNECT, trouble))


@pytest.mark.parametrize("trouble", [Trouble.CUT, Trouble.GARBAGE, Trouble.FAULT, Trouble.QUOTA, Trouble.RATE_LIMIT])
def test_a_call_can_go_on_after_a_reply_that_broke_off(trouble: Trouble) -> None:
    async def story(vendors: StandIns) -> None:
        llm = model(vendors)
        with pytest.raises(ProviderError) as error:
            await all_of(llm)
        assert error.value.then == "end turn"
        await llm.close()

    with_vendors(story, (Place.SPEAKING, trouble))


@pytest.mark.parametrize("trouble", [Trouble.UNKNOWN])
def test_what_nobody_knows_is_passed_over(trouble: Trouble) -> None:
    async def story(vendors: StandIns) -> None:
        llm = model(vendors)
        assert told(await all_of(llm)) == WHOLE
        await llm.close()

    with_vendors(story, (Place.SPEAKING, trouble))


@pytest.mark.parametrize("trouble", [Trouble.CUT, Trouble.STALL, Trouble.GARBAGE, Trouble.FAULT, Trouble.QUOTA])
def test_another_model_goes_on_where_one_breaks_off(trouble: Trouble) -> None:
    async def story(vendors: StandIns) -> None:
        first, second = model(vendors, others=True, gap_s=0.2), model(vendors, others=True)
        began = time.monotonic()
        assert told(await all_of(FallbackLlm([first, second], time.monotonic))) == WHOLE
        assert time.monotonic() - began < 1.5
        await first.close()
        await second.close()

    with_vendors(story, (Place.SPEAKING, trouble))


def test_a_model_that_does_not_begin_is_given_up_in_time() -> None:
    async def story(vendors: StandIns) -> None:
        llm = model(vendors, first_word_s=0.3)
        began = time.monotonic()
        with pytest.raises(ProviderError, match=r"in the middle|in time"):
            await all_of(llm)
        assert time.monotonic() - began < 1.0
        await llm.close()

    with_vendors(story, (Place.ANSWERING, Trouble.STALL), (Place.ANSWERING, Trouble.STALL))


def test_a_caller_who_interrupts_stops_the_model() -> None:
    async def story(vendors: StandIns) -> None:
        vendors.play.words_per_s = 20
        llm = model(vendors)
        reading = asyncio.create_task(all_of(llm))
        await asyncio.sleep(0.1)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        vendors.play.words_per_s = 2000
        assert told(await all_of(llm)) == WHOLE, "and the next one is answered"
        await llm.close()

    with_vendors(story)


def test_a_request_that_no_server_takes_is_our_fault() -> None:
    async def story(vendors: StandIns) -> None:
        llm = model(vendors)
        with pytest.raises(ProviderError) as error:
            await all_of(llm, [Message("tool", "a result without a call", tool_call_id="x")] * 2)
        assert error.value.fault == "our fault"
        strange = model(vendors, extra={"surprise": 1})
        with pytest.raises(ProviderError, match="HTTP 400"):
            await all_of(strange)
        await llm.close()
        await strange.close()

    with_vendors(story)


def test_nobody_there() -> None:
    async def story() -> None:
        llm = Chat(Account("toy", "http://127.0.0.1:9/v1"), "m")
        with pytest.raises(ProviderError, match="toy: no connection"):
            await all_of(llm)
        await llm.close()

    asyncio.run(story())


# --- conversations too long for the model --------------------------------------------------------------------------


class Forgetful:
    """A server whose model takes three messages, and says so with a status or in the stream."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.asked: list[int] = []
        self.routes = [Route("/chat/completions", self._complete, methods=["POST"])]

    async def _complete(self, request: Request) -> Response:
        self.asked.append(len((await request.json())["messages"]))
        if self.asked[-1] <= 3:
            return Response('data: {"choices":[{"delta":{"content":"We do."},"finish_reason":"stop"}]}\n\n')
        error = '{"error":{"type":"invalid_request_error","code":"context_length_exceeded"}}'
        return Response(f"data: {error}\n\n" if self.status == 200 else error, self.status)


@pytest.mark.parametrize("status", [400, 200])
def test_a_conversation_too_long_for_the_model_is_cut(status: int) -> None:
    async def story() -> None:
        server = Forgetful(status)
        async with serving(server.routes) as url:
            llm = Chat(Account("toy", url), "m", others=True)
            lines = [Message("caller", str(n)) for n in range(10)]
            assert told(await all_of(llm, [Message("system", "Be kind."), *lines])) == "We do."
            assert server.asked == [11, 6, 3]
            with pytest.raises(ProviderError, match="too long") as error:
                await all_of(llm, [Message("system", "Be kind.")] * 4)
            assert error.value.then == "end turn"
            await llm.close()

    asyncio.run(story())


# --- presets ---------------------------------------------------------------------------------------------------

PRESETS = ["groq", "ollama", "vllm", "llamacpp", "compatible"]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_talks_to_its_stand_in(name: str) -> None:
    async def story(vendors: StandIns) -> None:
        provider = registry.load("ai.providers", name)
        own = provider.spec.settings(**vendors.settings(name))
        llm = provider.llm(AgentSettings(model="stand-in", own=own))
        await llm.warm_up()
        assert llm.name == f"{name}/stand-in"
        assert told(await all_of(llm)) == WHOLE
        await llm.close()

    with_vendors(story)


@pytest.mark.parametrize(
    ("name", "model"),
    [("groq", ""), ("vllm", "whisper"), ("compatible", "whisper"), ("openai", ""), ("openai", "gpt-transcribe")],
)
def test_those_that_write_down_what_is_said(name: str, model: str) -> None:
    async def story(vendors: StandIns) -> None:
        provider = registry.load("ai.providers", name)
        own = provider.spec.settings(**vendors.settings(name))
        stt = provider.stt(AgentSettings(model=model, own=own))
        await stt.warm_up()
        said = asyncio.Queue[object]()
        session = stt.open(CallFacts("call-1", "twilio"), hears=MULAW_8K, emit=said.put_nowait)
        running = asyncio.create_task(session.run())
        session.hear(MULAW_8K.silence(1600) + bytes(range(256)) * 40 + MULAW_8K.silence(1600), 0.0)
        session.turn_started(200)
        session.turn_ended(1480)
        assert await asyncio.wait_for(said.get(), 3) == CallerSaid("Do you deliver on Sunday?", final=True)
        running.cancel()
        await stt.close()

    with_vendors(story)


def test_openai_writes_too() -> None:
    async def story(vendors: StandIns) -> None:
        provider = registry.load("ai.providers", "openai")
        own = provider.spec.settings(**vendors.settings("openai"))
        llm = provider.llm(AgentSettings(model="some-model", own=own))
        await llm.warm_up()
        assert told(await all_of(llm)) == WHOLE
        await llm.close()
        with pytest.raises(ConfigError, match="openai/MODEL"):
            provider.llm(AgentSettings(own=own))

    with_vendors(story)


def test_a_refused_key_stops_the_start() -> None:
    async def story(vendors: StandIns) -> None:
        provider = registry.load("ai.providers", "groq")
        own = provider.spec.settings(**{**vendors.settings("groq"), "api_key": WRONG_KEY})
        with pytest.raises(ConfigError, match="Groq refuses the key in GROQ_API_KEY"):
            await provider.llm(AgentSettings(own=own)).warm_up()

    with_vendors(story)


def test_a_preset_needs_a_model_and_a_server() -> None:
    with pytest.raises(ConfigError, match="ollama/MODEL"):
        registry.load("ai.providers", "ollama").llm(AgentSettings())
    with pytest.raises(ConfigError, match="COMPATIBLE_BASE_URL is not set"):
        registry.load("ai.providers", "compatible").llm(AgentSettings(model="m"))


# --- judges ----------------------------------------------------------------------------------------------------


def test_the_vendors_own_clients_hold_a_conversation_with_the_stand_in() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        groq, openai = pytest.importorskip("groq"), pytest.importorskip("openai")

    async def story(vendors: StandIns) -> None:
        clients = [
            openai.AsyncOpenAI(api_key="simulated", base_url=f"{vendors.base_url}/groq/openai/v1", max_retries=0),
            groq.AsyncGroq(api_key="simulated", base_url=f"{vendors.base_url}/groq", max_retries=0),
        ]
        tools = [{"type": "function", "function": {"name": "check_slot", "parameters": SLOT.parameters}}]
        for client in clients:
            asked: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Sunday?"}]}
            stream = await client.chat.completions.create(stream=True, tools=tools, **asked)
            text, calls, arguments = "", [], ""
            async for chunk in stream:
                for choice in chunk.choices:
                    text += choice.delta.content or ""
                    for part in choice.delta.tool_calls or ():
                        calls += [part.function.name] if part.function.name else []
                        arguments += part.function.arguments or ""
            assert (text, calls, arguments) == ("One moment. ", ["check_slot"], '{"day":"sunday"}')
            await client.close()

    with_vendors(story)


def test_our_request_is_what_the_vendors_types_say() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("openai")
        from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
    from pydantic import TypeAdapter

    from trunkline.ai.chat.account import Dialect
    from trunkline.ai.chat.messages import request

    history = [
        *ASKED,
        Message("key", "5"),
        Message("agent", "One moment.", (ToolCall("check_slot", "{}", "call-1"),)),
        Message("tool", "[]", tool_call_id="call-1"),
        Message("voice"),
    ]
    body = request("m", history, [SLOT], Wishes(reasoning_effort="low"), Dialect("max_completion_tokens"))
    TypeAdapter(CompletionCreateParamsStreaming).validate_json(body)
