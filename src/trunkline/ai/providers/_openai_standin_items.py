"""Items of a simulated Realtime conversation, as the vendor keeps and shows them."""

from typing import Any

import msgspec
from msgspec import UNSET

from trunkline.ai.base import Message
from trunkline.ai.providers import _openai_commands as ours
from trunkline.ai.providers._openai_opening import FORMATS
from trunkline.ai.providers._openai_standin_door import Strange
from trunkline.audio.format import AudioFormat


class Item(msgspec.Struct):
    """One item of the conversation."""

    id: str
    message: Message
    audio_ms: float | None = None  # of the agent's voice


def audio_format(wanted: ours.Format) -> AudioFormat:
    """The format of that name. Raises ``Strange``."""
    for audio, known in FORMATS.items():
        if wanted == known:
            return audio
    raise Strange("invalid_value")


def told(item: ours.Item, id: str) -> Item:
    """What the client puts into the conversation."""
    id = id if item.id is UNSET else item.id
    match item:
        case ours.MessageItem(role, content):
            if any((part.type == "output_text") is not (role == "assistant") for part in content):
                raise Strange("invalid_value")
            text = " ".join(part.text for part in content)
            return Item(id, Message("agent" if role == "assistant" else "caller", text))
        case ours.CallItem(call_id, name, arguments):
            return Item(id, Message("agent", f"{name}({arguments})", (), call_id))
        case ours.ResultItem(call_id, output):
            return Item(id, Message("tool", output, (), call_id))


def shown(item: Item) -> dict[str, Any]:
    """As the vendor shows it."""
    message = item.message
    said: dict[str, Any] = {"id": item.id, "object": "realtime.item", "status": "completed"}
    if message.role == "tool":
        return said | {"type": "function_call_output", "call_id": message.tool_call_id, "output": message.text}
    role = "user" if message.role == "caller" else "assistant"
    kind = "input_audio" if role == "user" else "output_audio"
    content = {"type": kind, "transcript": message.text}
    return said | {"type": "message", "role": role, "content": [content]}


def event_id_of(data: str | bytes) -> str | None:
    """The client's own name of a message, be it ever so wrong."""
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
    return found.get("event_id") if isinstance(found, dict) else None
