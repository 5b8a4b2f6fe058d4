"""A call's audio, waiting for whoever reads it."""

import asyncio
from collections import deque
from typing import Self


class AudioQueue:
    """The caller's audio on its way to its reader: ``async for chunk in queue``, or ``await queue.get()``.

    It ends with the call, after what is left was read. Full, it drops the oldest.
    """

    def __init__(self, limit: int) -> None:
        self._chunks: deque[bytes] = deque()
        self._limit = limit
        self._ended = False
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._chunks)

    qsize = __len__

    @property
    def ended(self) -> bool:
        """The call is over: nothing is added any more."""
        return self._ended

    def put(self, chunk: bytes) -> bool:
        """Add a chunk. True: the oldest had to go for it."""
        full = len(self._chunks) >= self._limit
        if full:
            self._chunks.popleft()
        self._chunks.append(chunk)
        self._news.set()
        return full

    def end(self) -> None:
        """Nothing more will come."""
        self._ended = True
        self._news.set()

    async def get(self) -> bytes | None:
        """The next chunk; None once the call is over and everything was read."""
        while not self._chunks:
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        return self._chunks.popleft()

    def get_nowait(self) -> bytes:
        """The next chunk. Raises ``asyncio.QueueEmpty``."""
        if not self._chunks:
            raise asyncio.QueueEmpty
        return self._chunks.popleft()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.get()
        if chunk is None:
            raise StopAsyncIteration
        return chunk
