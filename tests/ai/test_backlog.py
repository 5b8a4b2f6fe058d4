"""What a new connection must hear again."""

from hypothesis import given
from hypothesis import strategies as st

from trunkline.ai.backlog import Backlog
from trunkline.audio.format import MULAW_8K, PCM16_8K


def test_what_was_made_something_of_is_let_go() -> None:
    backlog = Backlog(PCM16_8K, keep_s=10)
    backlog.push(bytes(range(160)) * 2)  # 20 ms
    backlog.push(b"\x01\x02" * 160)  # 20 ms
    backlog.done(20)
    assert (backlog.start_ms, backlog.end_ms) == (20, 40)
    assert backlog.rest() == b"\x01\x02" * 160
    backlog.done(10)  # late news
    assert backlog.start_ms == 20
    backlog.done(1000)  # more than there is
    assert (backlog.start_ms, backlog.end_ms) == (40, 40)
    assert backlog.rest() == b""


def test_it_holds_no_more_than_it_may_and_counts_the_rest() -> None:
    backlog = Backlog(MULAW_8K, keep_s=1)
    for second in range(3):
        backlog.push(bytes([second]) * 8000)
    assert backlog.rest() == b"\x02" * 8000
    assert backlog.forgotten_ms == 2000
    assert (backlog.start_ms, backlog.end_ms) == (2000, 3000)


@given(st.lists(st.binary(max_size=400).map(lambda data: data[: len(data) // 2 * 2]), max_size=20), st.floats(0, 200))
def test_nothing_is_kept_twice_or_lost_in_between(pieces: list[bytes], until_ms: float) -> None:
    backlog = Backlog(PCM16_8K, keep_s=60)
    for piece in pieces:
        backlog.push(piece)
    backlog.done(until_ms)
    whole = b"".join(pieces)
    assert backlog.rest() == whole[int(backlog.start_ms * 16) :]
    assert backlog.end_ms == len(whole) / 16
