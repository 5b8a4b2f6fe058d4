"""The messages of chat completions (OpenAI's API reference, "Create chat completion"): a conversation as a request."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.chat.account import Dialect, Wishes
from trunkline.ai.chat.faults import Failure

UNHEARD: Final = "(The caller said something that could not be understood.)"
"""A turn without words, in words: models know no other."""


class Function(msgspec.Struct, omit_defaults=True, frozen=True):
    """A function that was called. ``arguments`` is JSON text."""

    name: str = ""
    arguments: str = ""


class Call(msgspec.Struct, frozen=True):
    """The assistant's wish to have a function called."""

    id: str
    function: Function
    type: str = "function"


class Line(msgspec.Struct, omit_defaults=True, frozen=True):
    """One message of the conversation (private)."""

    role: str
    content: str | None = None
    tool_calls: list[Call] = []
    tool_call_id: str = ""


def request(
    model: str, history: Sequence[Message], tools: Sequence[ToolSpec], wishes: Wishes, dialect: Dialect
) -> bytes:
    """The body of the request."""
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "messages": [_line(message) for message in latest(history, wishes.history_lines)],
        dialect.max_tokens: wishes.max_tokens,
    }
    if dialect.usage:
        body["stream_options"] = {"include_usage": True}
    if wishes.temperature is not None:
        body["temperature"] = wishes.temperature
    if wishes.reasoning_effort:
        body["reasoning_effort"] = wishes.reasoning_effort
    if tools:
        body["tools"] = [{"type": "function", "function": msgspec.to_builtins(tool)} for tool in tools]
        if dialect.tool_choice:
            body["tool_choice"] = "auto"
    return msgspec.json.encode(body | wishes.extra)


def latest(history: Sequence[Message], lines: int) -> list[Message]:
    """The instructions, and the latest ``lines`` of the rest. A function's result is never without its call: servers
    refuse that."""
    start = 0
    while start < len(history) and history[start].role == "system":
        start += 1
    kept = list(history[max(start, len(history) - lines) :])
    while kept and kept[0].role == "tool":
        del kept[0]
    return [*history[:start], *kept]


def _line(message: Message) -> Line:
    match message.role:
        case "system":
            return Line("system", message.text)
        case "caller":
            return Line("user", message.text)
        case "key":
            return Line("user", f"(The caller pressed the key {message.text}.)")
        case "voice":
            return Line("user", UNHEARD)
        case "tool":
            return Line("tool", message.text, tool_call_id=message.tool_call_id)
        case "agent":
            calls = [Call(call.id, Function(call.name, call.arguments)) for call in message.tool_calls]
            return Line("assistant", message.text or (None if calls else ""), calls)


# --- what comes back -------------------------------------------------------------------------------------------


class CallPart(msgspec.Struct, frozen=True):
    """Some more of a function call. ``id`` and ``name`` come once, as a rule; ``arguments`` in pieces."""

    index: int = 0
    id: str | None = None
    function: Function = Function()


class Delta(msgspec.Struct, frozen=True):
    """Some more of the reply. What a model reasons comes under other names and is not spoken."""

    content: str | None = None
    tool_calls: list[CallPart] | None = None


class Choice(msgspec.Struct, frozen=True):
    """The one reply that was asked for."""

    delta: Delta = Delta()
    finish_reason: str | None = None


class Chunk(msgspec.Struct, frozen=True):
    """One event of the stream. The one with the usage has no choices."""

    choices: list[Choice] = []
    error: Failure | None = None
