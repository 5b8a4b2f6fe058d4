"""A reply as it streams: server-sent events (WHATWG HTML §9.2) to deltas, and function calls put together."""

from typing import Final

import msgspec

from trunkline.ai.base import TextDelta, ToolCall
from trunkline.ai.chat.faults import failed
from trunkline.ai.chat.messages import CallPart, Chunk
from trunkline.errors import ProviderError

MAX_EVENT_BYTES: Final = 1024 * 1024
"""One event is a few words. A stream without a line's end is none."""

_DONE: Final = b"[DONE]"
_CHUNKS: Final = msgspec.json.Decoder(Chunk)


class Events:
    """Cuts the bytes of a stream into the data of its events."""

    def __init__(self) -> None:
        self._rest = b""

    def push(self, data: bytes) -> list[bytes]:
        """The data of each event that is complete now; comments and other fields are nothing to us.

        Raises ``ValueError`` for what is no stream of events.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise ValueError(f"a line of over {MAX_EVENT_BYTES} bytes")
        return [line[5:].strip() for line in lines if line.startswith(b"data:")]


class Assembly:
    """One reply, put together from its events. ``done`` when the server said that it is whole."""

    def __init__(self, provider: str) -> None:
        self.done = False
        self._provider = provider
        self._thought = Thought()
        self._calls: dict[int, ToolCall] = {}

    def push(self, event: bytes) -> list[TextDelta]:
        """What is to be spoken of one event. Raises ``ProviderError``."""
        if event == _DONE:
            self.done = True
            return []
        try:
            chunk = _CHUNKS.decode(event)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise ProviderError(self._provider, "transient", "sends what can't be read") from None
        if chunk.error is not None:
            raise failed(self._provider, chunk.error)
        spoken = []
        for choice in chunk.choices[:1]:
            if text := self._thought.push(choice.delta.content or ""):
                spoken.append(TextDelta(text))
            for part in choice.delta.tool_calls or ():
                self._add(part)
            if choice.finish_reason:
                self.done = True
        return spoken

    def calls(self) -> list[ToolCall]:
        """The functions to be called, once the reply is ``done``: by their presence, whatever the reason to finish."""
        return [call for _, call in sorted(self._calls.items()) if call.name]

    def _add(self, part: CallPart) -> None:
        known = self._calls.get(part.index, ToolCall("", ""))
        self._calls[part.index] = ToolCall(
            known.name or part.function.name, known.arguments + part.function.arguments, known.id or part.id or ""
        )


class Thought:
    """Leaves out what a model thinks aloud between ``<think>`` and ``</think>`` before it speaks."""

    _OPEN: Final = "<think>"
    _CLOSE: Final = "</think>"

    def __init__(self) -> None:
        self._begun = ""
        self._inside: bool | None = None  # not known yet

    def push(self, text: str) -> str:
        """What of ``text`` is to be spoken."""
        if self._inside is False:
            return text
        self._begun += text
        if self._inside is None:
            start = self._begun.lstrip()
            if len(start) < len(self._OPEN) and self._OPEN.startswith(start):
                return ""  # too short to tell
            self._inside = start.startswith(self._OPEN)
        if self._inside:
            _, closed, after = self._begun.partition(self._CLOSE)
            if not closed:
                return ""
            if not (spoken := after.lstrip()):
                return ""  # the blank lines after it may come one by one
            self._inside, self._begun = False, ""
            return spoken
        spoken, self._begun = self._begun, ""
        return spoken
