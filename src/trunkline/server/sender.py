"""Carries out the HTTP requests a call asks for: hang-up, transfer and the like over a platform's REST API."""

import asyncio
import time
from types import TracebackType
from typing import Final, Self

import httpx

from trunkline import logs
from trunkline.ai.http import tls
from trunkline.wire.base import HttpCall

TIMEOUT_S: Final = 5.0
ATTEMPTS: Final = 3
FIRST_WAIT_S: Final = 0.25  # before the second attempt; doubled before each further one

# "Too many requests" and the server's own trouble pass; any other refusal stays one however often we ask.
_PASSING: Final = frozenset({429, 500, 502, 503, 504})

_log = logs.get(__name__)


class HttpSender:
    """Sends ``HttpCall`` values. It never raises: what fails is logged by its purpose, without address or content.

    Used as a context manager; ``transport`` replaces the network in tests, ``wait_s`` the first wait.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None, *, wait_s: float = FIRST_WAIT_S) -> None:
        self._client = httpx.AsyncClient(verify=tls(), timeout=TIMEOUT_S, transport=transport, follow_redirects=False)
        self._wait_s = wait_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def __call__(self, call: HttpCall) -> None:
        """Make the request; try again where that may help."""
        outcome: str | int = "not sent"
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(self._wait_s * 2 ** (attempt - 1))
            try:
                reply = await self._client.request(
                    call.method, call.url, headers=call.headers_at(time.time()), content=call.body, auth=call.auth
                )
            except httpx.HTTPError as error:
                outcome = type(error).__name__
                continue
            outcome = reply.status_code
            if reply.is_success or outcome in call.ok:
                return
            if outcome not in _PASSING:
                break
        _log.error("request to the platform failed", purpose=call.purpose, outcome=outcome)
