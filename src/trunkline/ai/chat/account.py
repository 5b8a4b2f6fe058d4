"""Where a chat-completions server is, and what is wanted of its model."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from trunkline.ai.keys import KeyQuestion


class Account(msgspec.Struct, frozen=True):
    """A server and what lets us in. ``headers`` hold the key; ``repr`` shows neither."""

    provider: str  # its name here
    base_url: str  # to which ``/chat/completions`` is put
    headers: dict[str, str] = {}
    query: dict[str, str] = {}

    def url(self, path: str) -> str:
        """The address of ``path``."""
        return self.base_url.rstrip("/") + path + (f"?{urlencode(self.query)}" if self.query else "")

    @property
    def key_question(self) -> KeyQuestion:
        """The list of models: cheap, and only for those who have a key."""
        return KeyQuestion(self.url("/models"), self.headers)

    def __repr__(self) -> str:
        return f"Account({self.provider})"


class Wishes(msgspec.Struct, frozen=True):
    """What is asked of the model, beside the conversation. Every vendor knows these, by one name or another."""

    max_tokens: int = 300  # of one reply: people on the telephone don't listen for longer
    temperature: float | None = 0.4  # empty where the model refuses one
    reasoning_effort: str = ""  # of models that reason: low, or whatever the vendor calls least; empty: not sent
    history_lines: int = 60  # lines of the conversation that are sent, the latest; instructions always are
    first_word_s: float = 2.5  # how long the model may take to its first word, all tries together
    gap_s: float = 3.0  # and from one word to the next
    extra: dict[str, Any] = {}  # further fields of the request, as the vendor has them (JSON)


class Dialect(msgspec.Struct, frozen=True):
    """In what servers differ."""

    max_tokens: str = "max_tokens"  # OpenAI's reasoning models want "max_completion_tokens"
    tool_choice: bool = True  # knows that field at all
    usage: bool = True  # counts tokens in the stream if asked
