"""A little network in virtual time: packets with arrival times in, what a listener gets every 20 ms out."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio import g711
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, AudioFormat
from trunkline.audio.jitter import MAX_PACKETS, Frame, Gap, JitterBuffer, Wait
from trunkline.errors import AudioError

Arrival = tuple[float, int, int, bytes]
"""When, extended sequence number, timestamp, audio."""
TRANSIT = 0.05


def named(n: int) -> bytes:
    """A 20 ms packet that tells its own number."""
    return n.to_bytes(4, "big") + b"\xff" * 156


def steady(numbers: Iterable[int], *, samples: int = 160) -> list[Arrival]:
    """Packets sent every 20 ms that all take the same time."""
    return [(n * 0.02 + TRANSIT, n, n * samples, named(n)) for n in numbers]


def listen(
    buffer: JitterBuffer, arrivals: Sequence[Arrival], *, until: float | None = None, tick: float = 0.02
) -> list[tuple[float, Frame | Gap]]:
    """What ``pop`` gives at every tick, with its time."""
    arrivals = sorted(arrivals, key=lambda arrival: arrival[0])
    if until is None:
        until = arrivals[-1][0] + 0.1 if arrivals else 0.1
    out: list[tuple[float, Frame | Gap]] = []
    at, now = 0, arrivals[0][0] if arrivals else 0.0
    while now < until:
        while at < len(arrivals) and arrivals[at][0] <= now:
            arrival, sequence, timestamp, audio = arrivals[at]
            buffer.push(sequence, timestamp, arrival, audio)
            at += 1
        while not isinstance(piece := buffer.pop(now), Wait):
            out.append((now, piece))
        now += tick
    return out


def heard(out: Sequence[tuple[float, Frame | Gap]]) -> list[int | str]:
    """Packet numbers in the order they were played; "lost" and "silence" for the gaps between them."""
    names: list[int | str] = [
        int.from_bytes(piece.audio[:4], "big") if isinstance(piece, Frame) else "lost" if piece.lost else "silence"
        for _, piece in out
    ]
    last = max((i for i, name in enumerate(names) if isinstance(name, int)), default=-1)
    return names[: last + 1]


def test_before_the_first_packet_there_is_nothing_to_wait_for() -> None:
    assert JitterBuffer(MULAW_8K).pop(5.0) == Wait(None)


def test_the_first_packet_is_held_for_the_delay_at_start() -> None:
    buffer = JitterBuffer(MULAW_8K, start_ms=60)
    buffer.push(7, 1000, 3.0, named(7))
    waiting = buffer.pop(3.0)
    assert isinstance(waiting, Wait)
    assert waiting.until == pytest.approx(3.06)
    assert buffer.pop(3.061) == Frame(named(7))
    after = buffer.pop(3.061)
    assert isinstance(after, Wait)
    assert after.until == pytest.approx(3.08)


def test_an_even_stream_comes_out_as_it_went_in() -> None:
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, steady(range(100)))
    assert heard(out) == list(range(100))
    assert all(piece.audio == named(n) for n, (_, piece) in enumerate(out) if isinstance(piece, Frame))


def test_packets_out_of_order_are_put_in_order() -> None:
    arrivals = steady(range(30))
    for early in (5, 12, 20):  # each of these comes 30 ms late, behind the next
        when, *rest = arrivals[early]
        arrivals[early] = (when + 0.03, *rest)  # type: ignore[assignment]
    buffer = JitterBuffer(MULAW_8K)
    assert heard(listen(buffer, arrivals)) == list(range(30))
    assert (buffer.stats.late, buffer.stats.missing) == (0, 0)


def test_a_missing_packet_is_a_lost_gap_of_its_length() -> None:
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, steady(n for n in range(20) if n not in (5, 9, 10)))
    assert heard(out) == [*range(5), "lost", 6, 7, 8, "lost", "lost", *range(11, 20)]
    assert all(piece.samples == 160 for _, piece in out if isinstance(piece, Gap))
    assert buffer.stats.lost == 3


def test_a_pause_of_the_sender_is_no_loss() -> None:
    """The timestamp jumps, the sequence number doesn't."""
    talk = steady(range(10))
    more = [(n * 0.02 + TRANSIT, n - 40, n * 160, named(n)) for n in range(50, 60)]
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, talk + more)
    names = heard(out)
    assert names[:10] == list(range(10))
    assert names[-10:] == list(range(50, 60))
    # Until the pause can be told from a loss, 60 ms are taken for one.
    assert names[10:13] == ["lost"] * 3
    assert set(names[13:-10]) == {"silence"}
    assert buffer.stats.missing == 0


def test_comfort_noise_says_at_once_that_the_sender_is_silent() -> None:
    talk = steady(range(10))
    noise = (10 * 0.02 + TRANSIT, 10, 1600, b"")
    more = [(n * 0.02 + TRANSIT, n - 39, n * 160, named(n)) for n in range(50, 60)]
    buffer = JitterBuffer(MULAW_8K)
    names = heard(listen(buffer, [*talk, noise, *more]))
    assert set(names[10:-10]) == {"silence"}
    assert (buffer.stats.empty, buffer.stats.missing) == (1, 0)


def test_a_key_press_in_the_stream_is_silence_and_no_loss() -> None:
    talk = steady(range(10))
    keys = [(n * 0.02 + TRANSIT, n, 1600, b"") for n in range(10, 17)]
    buffer = JitterBuffer(MULAW_8K)
    names = heard(listen(buffer, talk + keys + steady(range(17, 30))))
    assert names == [*range(10), *["silence"] * 7, *range(17, 30)]


def test_loss_and_pause_together_are_told_apart() -> None:
    """Packet 9 was lost and the sender was silent after it."""
    more = [(n * 0.02 + TRANSIT, n - 40, n * 160, named(n)) for n in range(50, 60)]
    # The whole of it arrives at once, so nothing has to be guessed.
    arrivals = [(0.0, s, t, a) for _, s, t, a in steady(range(9)) + more]
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, arrivals, until=2.0)
    names = heard(out)
    assert names[:10] == [*range(9), "lost"]
    assert names.count("lost") == 1
    assert buffer.stats.lost == 1


def test_the_first_packet_after_a_pause_waits_for_its_delay() -> None:
    """Silence is where the delay is changed: after the pause it is exactly the target."""
    more = [(n * 0.02 + TRANSIT, n - 40, n * 160, named(n)) for n in range(100, 110)]
    buffer = JitterBuffer(MULAW_8K, start_ms=100)
    out = listen(buffer, steady(range(60)) + more, tick=0.001)
    first = next(now for now, piece in out if isinstance(piece, Frame) and piece.audio == named(100))
    assert buffer.target_ms == 20
    assert first == pytest.approx(100 * 0.02 + TRANSIT + 0.02, abs=0.002)


def test_duplicates_are_dropped_whether_played_or_not() -> None:
    arrivals = steady(range(20))
    arrivals += [(when + 0.001, *rest) for when, *rest in arrivals]  # type: ignore[misc]
    arrivals += [(when + 0.2, *rest) for when, *rest in arrivals[:10]]  # type: ignore[misc]
    buffer = JitterBuffer(MULAW_8K)
    assert heard(listen(buffer, arrivals)) == list(range(20))
    assert (buffer.stats.duplicates, buffer.stats.late, buffer.stats.played) == (30, 0, 20)


def test_a_packet_behind_its_time_is_late_and_was_a_gap() -> None:
    arrivals = steady(range(20))
    when, *rest = arrivals[8]
    arrivals[8] = (when + 0.11, *rest)  # type: ignore[assignment]
    buffer = JitterBuffer(MULAW_8K)
    assert heard(listen(buffer, arrivals)) == [*range(8), "lost", *range(9, 20)]
    assert (buffer.stats.late, buffer.stats.missing, buffer.stats.lost) == (1, 1, 0)


def test_the_rest_of_a_long_packet_is_played_when_its_beginning_had_to_be_concealed() -> None:
    arrivals = [(n * 0.06 + TRANSIT, n, n * 480, named(n) + b"\x55" * 320) for n in range(10)]
    when, *rest = arrivals[5]
    arrivals[5] = (when + 0.085, *rest)  # type: ignore[assignment]
    buffer = JitterBuffer(MULAW_8K)
    listen(buffer, arrivals, tick=0.01)
    assert buffer.stats.played == 10
    assert buffer.stats.trimmed_samples == 320


def test_a_stall_delays_speech_but_loses_none() -> None:
    """A socket stops for half a second and then delivers everything at once."""
    arrivals = [(max(when, 1.5) if 1.0 < when < 1.5 else when, *rest) for when, *rest in steady(range(300))]
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, arrivals, until=8.0)  # type: ignore[arg-type]
    assert buffer.stats.played == 300
    assert buffer.stats.missing == 0
    # And the delay it made is worked off by playing faster.
    last = next(now for now, piece in reversed(out) if isinstance(piece, Frame))
    assert last < 299 * 0.02 + TRANSIT + 0.3
    assert buffer.stats.shortened_samples > 0.2 * 8000


def test_what_no_buffer_should_hold_is_dropped_from_its_old_end() -> None:
    buffer = JitterBuffer(MULAW_8K)
    for n in range(MAX_PACKETS + 50):
        buffer.push(n, n * 160, 10.0, named(n))
    assert (buffer.held, buffer.stats.dropped) == (MAX_PACKETS, 50)
    assert buffer.pop(11.0) == Frame(named(50))


def test_timestamps_wrap() -> None:
    start = (1 << 32) - 160 * 10
    arrivals = [(when, n, (t + start) % (1 << 32), audio) for when, n, t, audio in steady(range(30))]
    assert heard(listen(JitterBuffer(MULAW_8K), arrivals)) == list(range(30))


@pytest.mark.parametrize(
    ("audio_format", "clock_rate", "step", "why"),
    [
        (MULAW_8K, 1000, 20, "a platform that stamps milliseconds"),
        (PCM16_16K, 8000, 160, "G.722's clock says 8000 and its samples are 16000"),
        (PCM16_16K, None, 320, "linear audio"),
    ],
)
def test_any_clock_will_do(audio_format: AudioFormat, clock_rate: int | None, step: int, why: str) -> None:
    size = audio_format.bytes_for(20)
    arrivals = [(n * 0.02, n, n * step, n.to_bytes(4, "big") + bytes(size - 4)) for n in range(50) if n != 20]
    buffer = JitterBuffer(audio_format, clock_rate=clock_rate, start_ms=20)
    out = listen(buffer, arrivals)
    assert heard(out) == [*range(20), "lost", *range(21, 50)], why
    assert [piece.samples for _, piece in out[:50] if isinstance(piece, Gap)] == [audio_format.rate // 50]


def test_rounded_timestamps_are_contiguous() -> None:
    """12.5 ms packets stamped in whole milliseconds."""
    arrivals = [(n * 0.0125, n, int(n * 12.5), named(n)[:100]) for n in range(80)]
    buffer = JitterBuffer(MULAW_8K, clock_rate=1000)
    assert heard(listen(buffer, arrivals)) == list(range(80))
    assert buffer.stats.trimmed_samples == 0


def test_a_new_stream_after_a_reset_continues_the_pace() -> None:
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, steady(range(20)), until=0.4)
    buffer.reset()
    other = [(0.4 + n * 0.02, n + 9, 12345 + n * 160, named(n + 900)) for n in range(20)]
    out += listen(buffer, other)
    names = heard(out)
    assert names[-20:] == list(range(900, 920))
    assert buffer.stats.restarts == 1
    waiting = buffer.pop(0.0)
    assert isinstance(waiting, Wait)
    total = sum(len(p.audio) if isinstance(p, Frame) else p.samples for _, p in out)
    assert waiting.until == pytest.approx(out[0][0] + total / 8000, abs=0.02)


def test_a_sender_that_starts_anew_is_followed_even_if_nobody_says_so() -> None:
    again = [(1.0 + n * 0.02, n, n * 160, named(n + 900)) for n in range(40)]
    arrivals = [(when, n + 5000, t + 800_000, audio) for when, n, t, audio in steady(range(45))]
    buffer = JitterBuffer(MULAW_8K)
    names = heard(listen(buffer, arrivals + again))
    assert names[-25:] == list(range(915, 940))
    assert buffer.stats.restarts == 1


def test_a_jump_of_the_timestamp_alone_does_not_stop_the_audio() -> None:
    """A switch put music on hold into the stream: numbers go on, timestamps are somebody else's."""
    for jump in (10_000_000, -10_000_000, 3_000_000_000):
        arrivals = [
            (when, n, (t + (jump if n >= 50 else 0)) % (1 << 32), audio) for when, n, t, audio in steady(range(100))
        ]
        buffer = JitterBuffer(MULAW_8K)
        assert [n for n in heard(listen(buffer, arrivals)) if isinstance(n, int)] == list(range(100))


def test_the_target_follows_the_measured_delay_both_ways() -> None:
    rng = np.random.default_rng(1)
    targets = []
    buffer = JitterBuffer(MULAW_8K)
    n = 0
    for spread in (0.0, 0.08, 0.0):
        arrivals = [
            (k * 0.02 + TRANSIT + float(rng.uniform(0, spread)), k, k * 160, named(k)) for k in range(n, n + 6000)
        ]
        listen(buffer, arrivals)
        n += 6000
        targets.append(buffer.target_ms)
    assert targets[0] == 20
    assert 70 <= targets[1] <= 90
    assert targets[2] == 20


@pytest.mark.parametrize("spread", [0.005, 0.02, 0.05, 0.1])
def test_once_it_has_learnt_next_to_nothing_is_late(spread: float) -> None:
    rng = np.random.default_rng(7)
    buffer = JitterBuffer(MULAW_8K)
    listen(
        buffer,
        [(n * 0.02 + TRANSIT + float(rng.uniform(0, spread)), n, n * 160, named(n)) for n in range(3000)],
    )
    assert buffer.stats.late <= 0.005 * 3000
    assert buffer.stats.played + buffer.stats.late + buffer.held == 3000


def test_the_target_stays_within_its_limits() -> None:
    rng = np.random.default_rng(7)
    buffer = JitterBuffer(MULAW_8K, min_ms=40, max_ms=120)
    assert listen(buffer, steady(range(200)))
    assert buffer.target_ms == 40
    listen(buffer, [(n * 0.02 + float(rng.uniform(0, 0.4)), n, n * 160, named(n)) for n in range(200, 2000)])
    assert buffer.target_ms == 120


def drifting(ppm: float, seconds: float, audio: Callable[[int], bytes], *, samples: int = 160) -> list[Arrival]:
    """A sender whose clock is ``ppm`` fast."""
    return [(n * 0.02 * (1 - ppm * 1e-6) + TRANSIT, n, n * samples, audio(n)) for n in range(int(seconds * 50))]


@pytest.mark.parametrize("ppm", [200, -200])
def test_an_hour_of_clock_drift_costs_no_packet_and_no_gap(ppm: int) -> None:
    """An hour of 60 ms packets; 200 ppm are 0.72 s."""
    packet = b"\xff" * 480
    arrivals = [(n * 0.06 * (1 - ppm * 1e-6), n, n * 480, packet) for n in range(60_000)]
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, arrivals, until=arrivals[-1][0], tick=0.06)
    assert buffer.stats.missing == buffer.stats.lost_samples == buffer.stats.silence_samples == 0
    assert buffer.held <= 2
    changed = buffer.stats.lengthened_samples - buffer.stats.shortened_samples
    assert changed == pytest.approx(-ppm * 1e-6 * 3600 * 8000, abs=0.08 * 8000)
    assert len(out) >= 59_990


def voiced(n: int, samples: int = 160, rate: int = 8000) -> np.ndarray:
    """A voice whose pitch glides and whose loudness changes, so that no seam fits by accident."""
    t = (n * samples + np.arange(samples)) / rate
    phase = 2 * np.pi * (140 * t + 4 * np.sin(2 * np.pi * 0.7 * t))
    wave = sum(np.sin(k * phase) / k for k in range(1, 8))
    pcm16: np.ndarray = np.rint(3000 * wave * (1.2 + np.sin(2 * np.pi * 1.3 * t))).astype("<i2")
    return pcm16


LAWS: dict[AudioFormat, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    PCM16_8K: (bytes, bytes),
    MULAW_8K: (g711.encode_mulaw, g711.decode_mulaw),
    ALAW_8K: (g711.encode_alaw, g711.decode_alaw),
}


@pytest.mark.parametrize("audio_format", LAWS, ids=str)
@pytest.mark.parametrize("ppm", [3000, -3000])
def test_drift_is_corrected_without_clicks(audio_format: AudioFormat, ppm: int) -> None:
    """Fifteen times the drift of real clocks, so that there are many corrections to find a click in."""
    encode, decode = LAWS[audio_format]
    arrivals = drifting(ppm, 60, lambda n: encode(voiced(n).tobytes()))
    buffer = JitterBuffer(audio_format)
    out = listen(buffer, arrivals, until=arrivals[-1][0])
    assert buffer.stats.shortened_samples + buffer.stats.lengthened_samples > 0.1 * 8000
    assert buffer.stats.missing == 0
    played = np.frombuffer(b"".join(decode(p.audio) for _, p in out if isinstance(p, Frame)), "<i2").astype(float)
    original = np.concatenate([voiced(n) for n in range(3000)]).astype(float)
    # The steepest step of the output is none that the voice doesn't make itself.
    assert np.abs(np.diff(played)).max() <= 1.1 * np.abs(np.diff(original)).max() + 100


def test_half_a_sample_is_refused_and_the_buffer_still_usable() -> None:
    buffer = JitterBuffer(PCM16_8K)
    with pytest.raises(AudioError, match="3 bytes are not whole samples of pcm16/8000"):
        buffer.push(0, 0, 0.0, b"abc")
    buffer.push(0, 0, 0.0, b"abcd")
    assert buffer.stats.received == 1


def check_laws(buffer: JitterBuffer, out: Sequence[tuple[float, Frame | Gap]]) -> None:
    stats = buffer.stats
    assert stats.received == (
        stats.played + stats.empty + stats.duplicates + stats.late + stats.dropped + buffer.held
    ), "every packet is accounted for"
    frames = sum(len(p.audio) for _, p in out if isinstance(p, Frame))
    gaps = sum(p.samples for _, p in out if isinstance(p, Gap))
    assert frames == stats.frame_samples
    assert gaps == stats.lost_samples + stats.silence_samples
    waiting = buffer.pop(float("-inf"))
    assert isinstance(waiting, Wait)
    if out and waiting.until is not None:
        # Audio and gaps last as long as the time they stand for, which began when the first was due: before it was
        # given, if it was the slowest of a backlog.
        assert out[0][0] - 2.1 <= waiting.until - (frames + gaps) / 8000 <= out[0][0] + 1e-6


arrivals_over_a_bad_line = st.lists(
    st.tuples(
        st.floats(0, 0.3),  # delay
        st.sampled_from([1, 1, 1, 1, 1, 0, 3]),  # copies
        st.sampled_from([160, 160, 160, 80, 480, 0]),  # samples
        st.sampled_from([0, 0, 0, 0, 800, 16_000]),  # pause before it
    ),
    max_size=120,
)


@given(arrivals_over_a_bad_line)
def test_any_bad_line_keeps_the_laws(line: list[tuple[float, int, int, int]]) -> None:
    arrivals: list[Arrival] = []
    timestamp = 0
    whole = 0
    for n, (delay, copies, samples, pause) in enumerate(line):
        timestamp += pause
        audio = bytes([255] * samples)
        arrivals += [(timestamp / 8000 + delay + 0.001 * copy, n, timestamp, audio) for copy in range(copies)]
        timestamp += samples
        whole += samples if copies else 0
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, arrivals, until=timestamp / 8000 + 1)
    check_laws(buffer, out)
    stats = buffer.stats
    if not stats.late and not stats.dropped and not buffer.held:
        assert stats.frame_samples == (
            whole - stats.shortened_samples + stats.lengthened_samples - stats.trimmed_samples
        )


@given(
    st.lists(
        st.tuples(st.integers(-5000, 5000), st.integers(0, (1 << 32) - 1), st.floats(0, 0.1), st.integers(0, 500)),
        max_size=60,
    )
)
def test_any_numbers_and_timestamps_keep_the_laws(seen: list[tuple[int, int, float, int]]) -> None:
    buffer = JitterBuffer(MULAW_8K)
    now = 0.0
    arrivals = []
    for sequence, timestamp, wait, size in seen:
        now += wait
        arrivals.append((now, sequence, timestamp, bytes([255] * size)))
    check_laws(buffer, listen(buffer, arrivals))


def test_a_backlog_at_the_beginning_is_given_at_once_and_whole() -> None:
    """What a platform held back while the call was being connected."""
    arrivals = [(1.0 if when < 1.0 else when, *rest) for when, *rest in steady(range(100))]
    buffer = JitterBuffer(MULAW_8K)
    out = listen(buffer, arrivals)  # type: ignore[arg-type]
    assert [int.from_bytes(p.audio[:4], "big") for _, p in out[:100] if isinstance(p, Frame)] == list(range(100))
    assert sum(now < 1.05 for now, _ in out) >= 46


def test_what_is_no_audio_does_not_start_the_clock() -> None:
    buffer = JitterBuffer(MULAW_8K)
    buffer.push(5, 800, 1000.0, b"")
    assert buffer.pop(1000.5) == Wait(None)
    buffer.push(6, 4800, 1001.0, named(6))
    waiting = buffer.pop(1001.0)
    assert isinstance(waiting, Wait)
    assert waiting.until == pytest.approx(1001.06)


def test_pieces_follow_each_other_without_a_hole_in_time() -> None:
    buffer = JitterBuffer(MULAW_8K)
    buffer.push(0, 0, 1.0, named(0))
    now = 1.06
    ends = []
    for _ in range(20):
        assert not isinstance(buffer.pop(now), Wait)
        waiting = buffer.pop(now)
        assert isinstance(waiting, Wait)
        assert waiting.until is not None
        ends.append(waiting.until)
        now = waiting.until + 1e-9
    assert [after - before for before, after in pairwise(ends)] == pytest.approx([0.02] * 19)
