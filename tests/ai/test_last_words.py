"""A turn's last words are not waited for without an end."""

import asyncio

import pytest
from virtual_loop import timeless

from trunkline import logs
from trunkline.ai.last_words import MUTE_TURNS, WORDS_S, LastWords
from trunkline.errors import ProviderError


class Turns:
    """Those that had to do without their last words: at what second."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.late: list[float] = []
        self.words = LastWords("acme", self._late, logs.get(__name__))

    def _late(self) -> None:
        self.late.append(round(self._loop.time() - self._began, 3))


@timeless
async def test_words_that_come_in_time_end_the_wait() -> None:
    turns = Turns()
    turns.words.wait()
    await asyncio.sleep(0.9 * WORDS_S)
    turns.words.stop()
    await asyncio.sleep(10)
    assert turns.late == []


@timeless
async def test_words_that_do_not_come_are_not_waited_for_twice() -> None:
    turns = Turns()
    turns.words.wait()
    await asyncio.sleep(1)
    turns.words.wait()  # the end is found once more
    await asyncio.sleep(10)
    assert turns.late == [1 + WORDS_S]


@timeless
async def test_a_recogniser_that_is_mute_for_some_turns_is_given_up() -> None:
    turns = Turns()
    for _ in range(MUTE_TURNS):
        turns.words.check()
        turns.words.wait()
        await asyncio.sleep(2 * WORDS_S)
    with pytest.raises(ProviderError, match="acme: hears and does not answer"):
        turns.words.check()
    turns.words.heard()
    turns.words.check()
