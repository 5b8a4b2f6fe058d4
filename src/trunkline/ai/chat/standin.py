"""A chat-completions server's end of the wire, simulated: it checks a request as strictly as the strictest vendor, and
writes what the play's mind comes up with, word by word."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from trunkline.ai.base import Message, ToolCall, ToolSpec
from trunkline.ai.chat.messages import Call
from trunkline.ai.chat.refusals import REFUSALS, error, key_refusal, refusal
from trunkline.ai.standin import Answer, Place, Play, Trouble, stall

KEEP_ALIVE: Final = b": a comment, as some servers send to keep the connection\n\n"


class _Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str = ""
    parameters: dict[str, Any] = {}


class _Tool(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="type", tag="function"):
    function: _Function


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: str
    content: str | None = None
    tool_calls: list[Call] = []
    tool_call_id: str = ""


class _Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    include_usage: bool = False


class _Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    messages: list[_Said]
    stream: bool = False
    stream_options: _Options = _Options()
    max_tokens: int = 0
    max_completion_tokens: int = 0
    temperature: float = 1.0
    reasoning_effort: str = ""
    tools: list[_Tool] = []
    tool_choice: str = "auto"


def routes(play: Play, prefix: str = "/v1") -> Sequence[BaseRoute]:
    """``/chat/completions`` and ``/models`` under ``prefix``."""

    async def completions(request: Request) -> Response:
        return await _complete(play, request)

    async def models(request: Request) -> Response:
        return key_refusal(request.headers) or JSONResponse(
            {"object": "list", "data": [{"id": "stand-in", "object": "model"}]}
        )

    return [
        Route(f"{prefix}/chat/completions", completions, methods=["POST"]),
        Route(f"{prefix}/models", models),
    ]


async def _complete(play: Play, request: Request) -> Response:
    if refused := key_refusal(request.headers):
        return refused
    if trouble := play.trouble(Place.CONNECT):
        return refusal(*REFUSALS.get(trouble, REFUSALS[Trouble.FAULT]))
    try:
        wanted = msgspec.json.decode(await request.body(), type=_Wanted)
        history = [_message(said) for said in wanted.messages]
        _check(wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError):
        return refusal(400, "invalid_value")
    tools = [ToolSpec(tool.function.name, tool.function.description, tool.function.parameters) for tool in wanted.tools]
    answer = play.mind(history, tools)
    return StreamingResponse(_stream(play, answer, wanted), media_type="text/event-stream")


def _check(wanted: _Wanted) -> None:
    """What servers refuse with 400: no conversation, and results or calls without their other half."""
    if not wanted.messages or not wanted.stream:
        raise ValueError
    open_calls: set[str] = set()
    for said in wanted.messages:
        if said.role == "tool":
            if said.tool_call_id not in open_calls:
                raise ValueError
            open_calls.remove(said.tool_call_id)
        elif open_calls:
            raise ValueError
        open_calls |= {call.id for call in said.tool_calls}
    if open_calls:
        raise ValueError


def _message(said: _Said) -> Message:
    calls = tuple(ToolCall(call.function.name, call.function.arguments, call.id) for call in said.tool_calls)
    match said.role:
        case "system" | "tool":
            return Message(said.role, said.content or "", calls, said.tool_call_id)
        case "assistant":
            return Message("agent", said.content or "", calls)
        case "user":
            return _caller(said.content or "")
        case _:
            raise ValueError


def _caller(text: str) -> Message:
    if key := re.fullmatch(r"\(The caller pressed the key (.)\.\)", text):
        return Message("key", key[1])
    return Message("voice") if text.startswith("(The caller said something") else Message("caller", text)


async def _stream(play: Play, answer: Answer, wanted: _Wanted) -> AsyncIterator[bytes]:
    trouble = play.trouble(Place.ANSWERING)
    await asyncio.sleep(play.model_ms / 1000)
    yield _chunk({"role": "assistant", "content": ""})
    words = re.findall(r"\S+\s*", answer.text)
    began, half = time.monotonic(), (len(words) + 1) // 2
    for number, word in enumerate(words):
        async for data in _trouble(trouble):
            yield data
        trouble = play.trouble(Place.SPEAKING) if number + 1 >= half else None
        await asyncio.sleep(max(0.0, began + number / play.words_per_s - time.monotonic()))
        yield _chunk({"content": word})
    if answer.tool:
        arguments, middle = answer.arguments, len(answer.arguments) // 2
        named = {"index": 0, "id": f"call_{time.monotonic_ns()}", "type": "function"}
        yield _chunk({"tool_calls": [{**named, "function": {"name": answer.tool, "arguments": ""}}]})
        for part in (arguments[:middle], arguments[middle:]):
            yield _chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
    yield _chunk({}, "tool_calls" if answer.tool else "stop")
    if wanted.stream_options.include_usage:
        usage = {"prompt_tokens": 10, "completion_tokens": len(words), "total_tokens": 10 + len(words)}
        yield _event(
            {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}
        )
    yield b"data: [DONE]\n\n"


async def _trouble(trouble: Trouble | None) -> AsyncIterator[bytes]:
    """What comes of trouble in the middle of a stream."""
    match trouble:
        case Trouble.CUT:
            raise ConnectionResetError  # the server ends the connection without the last chunk
        case Trouble.STALL:
            await stall()
        case Trouble.GARBAGE:
            yield b"data: {not JSON\n\n"
        case Trouble.UNKNOWN:
            yield KEEP_ALIVE + b"event: surprise\n" + _chunk({"surprise": True})
        case None:
            pass
        case _:
            _, code, kind = REFUSALS[Trouble.FAULT if trouble is Trouble.KEY else trouble]
            yield _event({"error": error(code, kind)})


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return _event({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(body) + b"\n\n"
