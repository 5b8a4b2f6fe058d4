"""Whether a provider is worth trying."""

import pytest

from trunkline.ai.breaker import FAILURES, OPEN_S, Breaker
from trunkline.errors import Fault, ProviderError


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def failure(fault: Fault, retry_after_s: float = 0) -> ProviderError:
    return ProviderError("toy", fault, "failed", retry_after_s=retry_after_s)


@pytest.mark.parametrize("fault", ["bad key", "quota", "rate limit", "our fault"])
def test_what_no_second_try_mends_opens_it_at_once(fault: Fault) -> None:
    breaker = Breaker(Clock())
    breaker.failed(failure(fault))
    assert breaker.shut_s == OPEN_S[fault]


def test_dropped_connections_open_it_after_some_in_a_row() -> None:
    breaker = Breaker(Clock())
    for _ in range(FAILURES - 1):
        breaker.failed(failure("transient"))
        assert breaker.shut_s == 0
    breaker.worked()
    for _ in range(FAILURES - 1):
        breaker.failed(failure("transient"))
    assert breaker.shut_s == 0, "a success in between forgives"
    breaker.failed(failure("transient"))
    assert breaker.shut_s == OPEN_S["transient"]


def test_one_try_when_its_time_is_up_and_twice_as_long_after_a_failure() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(FAILURES):
        breaker.failed(failure("transient"))
    clock.now += OPEN_S["transient"]
    assert breaker.shut_s == 0
    breaker.failed(failure("transient"))
    assert breaker.shut_s == 2 * OPEN_S["transient"]
    clock.now += 2 * OPEN_S["transient"]
    breaker.worked()
    breaker.failed(failure("transient"))
    assert breaker.shut_s == 0


def test_a_thousand_calls_that_lose_it_at_once_are_one_failure() -> None:
    clock = Clock()
    breaker = Breaker(clock)
    for _ in range(1000):
        breaker.failed(failure("transient"))
    assert breaker.shut_s == OPEN_S["transient"]
    breaker.failed(failure("bad key"))
    assert breaker.shut_s == OPEN_S["bad key"], "but a refused key is news"
    clock.now += OPEN_S["bad key"]
    breaker.failed(failure("transient"))
    assert breaker.shut_s == 2 * OPEN_S["bad key"]


def test_a_vendor_may_ask_for_longer() -> None:
    breaker = Breaker(Clock())
    breaker.failed(failure("rate limit", retry_after_s=90))
    assert breaker.shut_s == 90
