import asyncio
import sys
import threading

import pytest
from house import until
from structlog.testing import capture_logs

from trunkline.server.watchdog import LATE_S, PERIOD_S, Heartbeat, Watchdog, place


def test_a_loop_that_runs_in_time_is_not_reported() -> None:
    heart = Heartbeat(10.0)
    for beat in range(1, 100):
        now = 10.0 + beat * PERIOD_S
        assert not heart.late(now)
        assert heart.beat(now) is None


def test_a_blocked_loop_is_reported_once_with_where_it_was_seen() -> None:
    heart = Heartbeat(10.0)
    late = 10.0 + PERIOD_S + 2 * LATE_S
    assert heart.late(late)
    heart.see("slow.py:1 think")
    assert not heart.late(late + 5)  # seen once is enough
    report = heart.beat(late + 10)
    assert report is not None
    blocked, where = report
    assert round(blocked, 3) == 10 + 2 * LATE_S
    assert where == "slow.py:1 think"
    assert heart.beat(late + 10 + PERIOD_S) is None


def test_a_block_too_short_for_the_watcher_is_reported_without_a_place() -> None:
    heart = Heartbeat(10.0)
    report = heart.beat(10.0 + PERIOD_S + 1.5 * LATE_S)
    assert report is not None
    assert report[1] == ""


def test_a_place_names_files_lines_and_functions() -> None:
    secret = "+15005550006"
    calls = place(sys._getframe()).split(" > ")
    assert calls[-1].startswith("test_watchdog.py:")
    assert calls[-1].endswith("test_a_place_names_files_lines_and_functions")
    assert secret not in str(calls)


def test_a_callback_that_blocks_the_loop_is_named_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = threading.Event()
    see = Heartbeat.see

    def noted(heart: Heartbeat, where: str) -> None:
        see(heart, where)
        seen.set()

    def culprit() -> None:
        assert seen.wait(60), "the watcher never looked"

    async def scenario() -> None:
        async with Watchdog():
            culprit()
            await until(lambda: bool(lines))

    monkeypatch.setattr(Heartbeat, "see", noted)
    with capture_logs() as lines:
        asyncio.run(scenario())
    (line,) = lines
    assert line["event"] == "event loop blocked"
    assert line["ms"] > 1000 * LATE_S
    assert "culprit" in line["where"]


def test_the_lag_is_that_of_a_loop_which_is_late_again_and_again_not_of_one_stall() -> None:
    heart = Heartbeat(10.0)
    heart.beat(10.0 + PERIOD_S + 0.4)
    assert heart.lag_s < 0.05
    now = 20.0
    heart = Heartbeat(now)
    for _ in range(20):
        now += PERIOD_S + 0.08
        heart.beat(now)
    assert 0.05 < heart.lag_s <= 0.08
    for _ in range(20):
        now += PERIOD_S
        heart.beat(now)
    assert heart.lag_s < 0.02
