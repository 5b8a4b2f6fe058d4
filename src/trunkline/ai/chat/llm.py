"""A language model behind a chat-completions server, as a part of a cascade.

What a caller waits for has limits: the first word is due within ``first_word_s``, tries included, and each further one
within ``gap_s``. A failure that may pass is tried once more, at once, while there is time; after that the turn ends
with an error the cascade answers in words, or another model takes over.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

import httpx
import msgspec

from trunkline import logs
from trunkline.ai.base import Message, TextDelta, ToolCall, ToolSpec
from trunkline.ai.chat.account import Account, Dialect, Wishes
from trunkline.ai.chat.faults import TooLong, refused
from trunkline.ai.chat.messages import request
from trunkline.ai.chat.stream import Assembly, Events
from trunkline.ai.http import client
from trunkline.errors import ProviderError

RETRY_S: Final = 0.25
"""Before the second try, and the longest a server may ask us to wait: what takes longer is another model's turn."""

MAX_REFUSAL_BYTES: Final = 64 * 1024

_log = logs.get(__name__)


class Chat:
    """The model for all calls. ``others``: another one stands behind it, so that it is not tried twice."""

    tools = True

    def __init__(
        self,
        account: Account,
        model: str,
        *,
        wishes: Wishes = Wishes(),  # noqa: B008 - frozen
        dialect: Dialect = Dialect(),  # noqa: B008 - frozen
        others: bool = False,
        check: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = f"{account.provider}/{model}"
        self._account, self._model, self._wishes, self._dialect = account, model, wishes, dialect
        self._tries = 1 if others else 2
        self._check = check
        self._http: httpx.AsyncClient | None = None

    async def warm_up(self) -> None:
        """Does what was given as ``check``. Raises ``ConfigError``."""
        if self._check is not None:
            await self._check()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def reply(
        self, history: Sequence[Message], tools: Sequence[ToolSpec] = ()
    ) -> AsyncIterator[TextDelta | ToolCall]:
        """As ``Llm.reply``. Raises ``ProviderError``, after which the call can go on."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self._wishes.first_word_s
        wishes, tries, began = self._wishes, self._tries, False
        while True:
            body = request(self._model, history, tools, wishes, self._dialect)
            tries -= 1
            try:
                async with aclosing(self._stream(body, due)) as deltas:
                    async for delta in deltas:
                        began = True
                        yield delta
            except ProviderError as error:
                error.then = "end turn"  # the next one may fare better
                shorter = min(wishes.history_lines, len(history)) // 2
                if isinstance(error, TooLong) and shorter and not began:
                    _log.warning("conversation cut to what the model takes", provider=error.provider, lines=shorter)
                    wishes = msgspec.structs.replace(wishes, history_lines=shorter)
                    tries += 1
                    continue
                pause_s = max(RETRY_S, error.retry_after_s)
                passing = error.fault in ("transient", "rate limit") and pause_s <= RETRY_S
                if began or not passing or tries <= 0 or loop.time() + pause_s >= due:
                    raise
                _log.warning("model asked again", provider=error.provider, fault=error.fault, reason=str(error))
                await asyncio.sleep(pause_s)
            else:
                return

    async def _stream(self, body: bytes, due: float) -> AsyncGenerator[TextDelta | ToolCall, None]:
        """One request. Raises ``ProviderError``."""
        loop, provider = asyncio.get_running_loop(), self._account.provider
        events, reply = Events(), Assembly(provider)
        try:
            async with asyncio.timeout_at(due):
                response = await self._ask(body)
        except TimeoutError:
            raise self._failed("no answer in time") from None
        except httpx.HTTPError as error:
            raise self._failed(f"no connection: {type(error).__name__}") from None
        pieces = response.aiter_bytes()
        try:
            while True:
                async with asyncio.timeout_at(due):
                    data = await anext(pieces, None)
                if data is None:
                    break
                for event in events.push(data):
                    for delta in reply.push(event):
                        due = loop.time() + self._wishes.gap_s
                        yield delta
        except TimeoutError:
            raise self._failed("stopped in the middle of its reply") from None
        except (httpx.HTTPError, ValueError) as error:
            raise self._failed(f"broke off: {type(error).__name__}") from None
        finally:
            await response.aclose()
        if not reply.done:
            raise self._failed("broke off in the middle of its reply")
        for call in reply.calls():
            yield call

    async def _ask(self, body: bytes) -> httpx.Response:
        """A good answer, whose body is still to come. Raises ``ProviderError`` or ``httpx.HTTPError``."""
        self._http = http = self._http or client()
        headers = {**self._account.headers, "Content-Type": "application/json", "Accept": "text/event-stream"}
        url = self._account.url("/chat/completions")
        response = await http.send(http.build_request("POST", url, content=body, headers=headers), stream=True)
        if response.status_code == 200:
            return response
        try:
            body = (await response.aread())[:MAX_REFUSAL_BYTES]
            raise refused(self._account.provider, response.status_code, response.headers, body)
        finally:
            await response.aclose()

    def _failed(self, what: str) -> ProviderError:
        return ProviderError(self._account.provider, "transient", what)
