"""Tickets are good once, for one call, for a while; and there are never too many of them."""

import itertools

from trunkline.wire._expiring import Expiring
from trunkline.wire.tickets import TicketBook


def book(*, lifetime_s: float = 60.0, limit: int = 100) -> TicketBook:
    numbers = itertools.count(1)
    return TicketBook(lambda: f"ticket-{next(numbers)}", lifetime_s=lifetime_s, limit=limit)


def test_a_ticket_is_good_once() -> None:
    tickets = book()
    ticket = tickets.issue("call", 0.0)
    assert tickets.redeem(ticket, "call", 1.0)
    assert not tickets.redeem(ticket, "call", 1.0)


def test_a_ticket_is_good_for_its_own_call_only_and_is_used_up_by_trying() -> None:
    tickets = book()
    ticket = tickets.issue("call", 0.0)
    assert not tickets.redeem(ticket, "another call", 1.0)
    assert not tickets.redeem(ticket, "call", 1.0)


def test_a_ticket_nobody_issued_is_good_for_nothing() -> None:
    assert not book().redeem("ticket-1", "call", 0.0)


def test_a_ticket_expires() -> None:
    tickets = book(lifetime_s=60.0)
    early, late = tickets.issue("call", 0.0), tickets.issue("call", 0.0)
    assert tickets.redeem(early, "call", 59.9)
    assert not tickets.redeem(late, "call", 60.0)


def test_a_webhook_that_is_repeated_gets_a_ticket_of_its_own() -> None:
    tickets = book()
    first, second = tickets.issue("call", 0.0), tickets.issue("call", 0.0)
    assert first != second
    assert tickets.redeem(second, "call", 1.0)
    assert tickets.redeem(first, "call", 1.0)


def test_expired_tickets_are_swept_when_new_ones_are_issued() -> None:
    tickets = book(lifetime_s=60.0)
    for second in range(1000):
        tickets.issue("call", float(second))
    assert len(tickets) == 60


def test_when_the_book_is_full_the_oldest_ticket_is_void() -> None:
    tickets = book(limit=3)
    issued = [tickets.issue("call", 0.0) for _ in range(4)]
    assert len(tickets) == 3
    assert [tickets.redeem(ticket, "call", 1.0) for ticket in issued] == [False, True, True, True]


def test_a_value_put_again_lives_anew() -> None:
    kept: Expiring[str] = Expiring(10.0, 10)
    kept.put("a", "old", 0.0)
    kept.put("b", "other", 1.0)
    kept.put("a", "new", 8.0)
    kept.put("c", "later", 12.0)  # sweeps b, which is in front
    assert len(kept) == 2
    assert kept.take("a", 17.0) == "new"
    assert kept.take("a", 17.0) is None
