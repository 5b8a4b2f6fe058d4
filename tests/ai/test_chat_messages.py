"""A conversation as a request, and a stream as a reply."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.ai.base import Message, ToolCall, ToolSpec
from trunkline.ai.chat.account import Account, Dialect, Wishes
from trunkline.ai.chat.messages import latest, request
from trunkline.ai.chat.stream import MAX_EVENT_BYTES, Assembly, Events, Thought
from trunkline.errors import ProviderError

SYSTEM = Message("system", "You sell flowers.")
SLOT = ToolSpec("check_slot", "Slots of a day", {"type": "object", "properties": {"day": {"type": "string"}}})


def body(history: list[Message], tools: tuple[ToolSpec, ...] = (), **wishes: Any) -> Any:
    return json.loads(request("m", history, tools, Wishes(**wishes), Dialect()))


def test_every_kind_of_line_has_its_words() -> None:
    history = [
        SYSTEM,
        Message("agent", "Hello."),
        Message("voice"),
        Message("key", "5"),
        Message("caller", "On Sunday?"),
        Message("agent", "", (ToolCall("check_slot", '{"day":"sun"}', "call-1"),)),
        Message("tool", '{"slots":[]}', tool_call_id="call-1"),
    ]
    assert body(history)["messages"] == [
        {"role": "system", "content": "You sell flowers."},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": "(The caller said something that could not be understood.)"},
        {"role": "user", "content": "(The caller pressed the key 5.)"},
        {"role": "user", "content": "On Sunday?"},
        {
            "role": "assistant",
            "tool_calls": [
                {"id": "call-1", "type": "function", "function": {"name": "check_slot", "arguments": '{"day":"sun"}'}}
            ],
        },
        {"role": "tool", "content": '{"slots":[]}', "tool_call_id": "call-1"},
    ]


def test_what_is_wished_for_and_what_is_not_said() -> None:
    plain = body([SYSTEM], temperature=None)
    assert plain.keys() == {"model", "stream", "stream_options", "messages", "max_tokens"}
    full = body([SYSTEM], (SLOT,), reasoning_effort="low", extra={"seed": 7})
    assert (full["temperature"], full["reasoning_effort"], full["seed"], full["tool_choice"]) == (0.4, "low", 7, "auto")
    assert full["tools"][0]["function"] == {
        "name": "check_slot",
        "description": "Slots of a day",
        "parameters": SLOT.parameters,
    }
    modest = json.loads(
        request("m", [SYSTEM], (SLOT,), Wishes(), Dialect("max_completion_tokens", tool_choice=False, usage=False))
    )
    assert "max_completion_tokens" in modest
    assert not modest.keys() & {"max_tokens", "tool_choice", "stream_options"}


@given(st.lists(st.sampled_from(["caller", "agent", "call"]), max_size=20), st.integers(1, 12))
def test_a_window_keeps_the_instructions_and_no_result_without_its_call(kinds: list[str], lines: int) -> None:
    history = [SYSTEM]
    for number, kind in enumerate(kinds):
        if kind == "call":
            history.append(Message("agent", "", (ToolCall("f", "{}", f"c{number}"),)))
            history.append(Message("tool", "done", tool_call_id=f"c{number}"))
        else:
            history.append(Message(kind, f"line {number}"))  # type: ignore[arg-type]
    kept = latest(history, lines)
    assert kept[0] == SYSTEM
    assert len(kept) <= lines + 1
    assert kept[1:] == history[len(history) - len(kept) + 1 :]
    called = {call.id for message in kept for call in message.tool_calls}
    assert {message.tool_call_id for message in kept if message.role == "tool"} <= called


# --- the stream ------------------------------------------------------------------------------------------------


def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: " + json.dumps({"id": "c1", "choices": [choice]}).encode() + b"\n\n"


def call(index: int, arguments: str, **named: str) -> bytes:
    function = {"arguments": arguments} | ({"name": named.pop("name")} if "name" in named else {})
    return chunk({"tool_calls": [{"index": index, **named, "function": function}]})


STREAM = b"".join(
    [
        chunk({"role": "assistant", "content": "We "}),
        b": keep-alive\n\n",
        chunk({"reasoning": "hm", "reasoning_content": "hm"}).replace(b"\n", b"\r\n"),
        chunk({"content": "do."}),
        call(1, "{}", id="b", name="g"),
        call(0, "", id="a", type="function", name="f"),
        call(0, '{"day":'),
        call(0, '"sun"}'),
        chunk({}, "tool_calls"),
        b'data: {"choices":[],"usage":{"prompt_tokens":96}}\n\ndata: [DONE]\n\n',
    ]
)


@given(st.lists(st.integers(1, len(STREAM) - 1), max_size=8))
def test_a_stream_in_any_pieces_is_the_same_reply(cuts: list[int]) -> None:
    events, reply, text = Events(), Assembly("toy"), ""
    edges = [0, *sorted(cuts), len(STREAM)]
    for begin, end in pairwise(edges):
        for event in events.push(STREAM[begin:end]):
            text += "".join(delta.text for delta in reply.push(event))
    assert text == "We do."
    assert reply.done
    assert reply.calls() == [ToolCall("f", '{"day":"sun"}', "a"), ToolCall("g", "{}", "b")]


def test_a_whole_call_in_one_chunk_without_an_id() -> None:
    reply = Assembly("toy")
    reply.push(
        b'{"choices":[{"delta":{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}'
    )
    assert reply.calls() == [ToolCall("f", "{}", "")]


@pytest.mark.parametrize(
    ("event", "fault"),
    [
        (b'{"error":{"message":"private","code":"rate_limit_exceeded"}}', "rate limit"),
        (b'{"error":{"message":"private","type":"insufficient_quota"}}', "quota"),
        (b'{"error":{"message":"private","type":"invalid_request_error"}}', "our fault"),
        (b'{"error":{"message":"private","code":500}}', "transient"),
        (b"{not JSON", "transient"),
        (b'{"choices":"many"}', "transient"),
        (b"[" * 5000, "transient"),
    ],
)
def test_an_error_in_the_stream_is_told_without_its_words(event: bytes, fault: str) -> None:
    with pytest.raises(ProviderError) as error:
        Assembly("toy").push(event)
    assert error.value.fault == fault
    assert "private" not in str(error.value)


def test_a_line_without_an_end_is_no_stream() -> None:
    events = Events()
    with pytest.raises(ValueError, match="a line of over"):
        events.push(b"x" * (MAX_EVENT_BYTES + 1))


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("Plain.", "Plain."),
        ("<think>Hm, <b>well</b>.</think>\n\nYes.", "Yes."),
        ("  <think></think>Yes.", "Yes."),
        ("<thin air", "<thin air"),
        ("Is 2 < 3?", "Is 2 < 3?"),
        ("<think>for ever", ""),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 100])
def test_what_a_model_thinks_aloud_is_not_spoken(text: str, spoken: str, step: int) -> None:
    thought = Thought()
    assert "".join(thought.push(text[at : at + step]) for at in range(0, len(text), step)) == spoken


def test_an_account_shows_no_key() -> None:
    account = Account("toy", "https://toy.example/v1/", {"Authorization": "Bearer s3cr3t"}, {"api-version": "1"})
    assert "s3cr3t" not in f"{account}{account.key_question}"
    assert account.url("/models") == "https://toy.example/v1/models?api-version=1"
