"""A call that sends nothing is heard as silent."""

import asyncio
from collections.abc import Callable

import pytest
from virtual_loop import timeless

from trunkline.ai.gaps import GAP_MS, Gaps


class Heard:
    """How much silence was put in, and at what second."""

    def __init__(self) -> None:
        self.silences: list[tuple[float, float]] = []
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    def fill(self, ms: float) -> None:
        self.silences.append((round(self._loop.time() - self._began, 3), ms))

    async def speak(self, fed: Callable[[float], None], seconds: float) -> None:
        for _ in range(round(seconds / 0.02)):
            fed(self._loop.time())
            await asyncio.sleep(0.02)


@timeless
async def test_audio_without_a_gap_is_left_alone() -> None:
    heard = Heard()
    gaps = Gaps(heard.fill)
    with gaps:
        await heard.speak(gaps.fed, 5)
    assert heard.silences == []


@timeless
async def test_a_gap_is_as_much_silence() -> None:
    heard = Heard()
    gaps = Gaps(heard.fill)
    with gaps:
        await heard.speak(gaps.fed, 0.5)
        await asyncio.sleep(1)
        await heard.speak(gaps.fed, 0.5)
    assert [ms for _, ms in heard.silences] == [GAP_MS] * 5
    assert [at for at, _ in heard.silences] == pytest.approx([0.68, 0.88, 1.08, 1.28, 1.48], abs=0.001)


@timeless
async def test_nothing_is_missing_before_a_call_begins_nor_after_its_end() -> None:
    heard = Heard()
    gaps = Gaps(heard.fill)
    with gaps:
        await asyncio.sleep(3)
        gaps.fed(asyncio.get_running_loop().time())
    await asyncio.sleep(3)
    assert heard.silences == []
