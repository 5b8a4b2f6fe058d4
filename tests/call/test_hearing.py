import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_24K, AudioFormat
from trunkline.call.hearing import MAX_AHEAD_S, CallerVoice
from trunkline.call.ledger import CallerLedger

START = 5_000.125
FRAME = bytes(range(1, 161))
HOUR = 3600 * 8000


def test_equal_formats_pass_through_untouched() -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    assert voice.receive(FRAME, START) is FRAME


@pytest.mark.parametrize("wire", [MULAW_8K, PCM16_8K], ids=str)
@pytest.mark.parametrize("agent", [PCM16_8K, PCM16_24K], ids=str)
def test_the_agent_hears_as_much_as_the_caller_said(wire: AudioFormat, agent: AudioFormat) -> None:
    voice = CallerVoice(wire, agent, START)
    heard = b"".join(voice.receive(wire.silence(160), START + i / 50) for i in range(50))
    assert agent.ms(len(heard)) == 1000
    assert voice.ledger == CallerLedger(received=8000, delivered=8000)


def test_a_hole_is_silence_for_the_recording_and_for_the_agent() -> None:
    voice = CallerVoice(MULAW_8K, PCM16_24K, START)
    wire, agent = voice.missing(800, START)
    assert wire == MULAW_8K.silence(800)
    assert PCM16_24K.ms(len(agent)) == 100
    assert voice.ledger == CallerLedger(received=800, concealed=800)


def test_a_hole_with_a_filling_sounds_of_it_and_is_concealed_all_the_same() -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    assert voice.missing(160, START, FRAME) == (FRAME, FRAME)
    assert voice.ledger == CallerLedger(received=160, concealed=160)


def test_of_a_filling_the_agent_is_spared_as_much_as_it_was_given_silence() -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    voice.quiet(START + 0.01)
    assert voice.missing(160, START + 0.02, FRAME) == (FRAME, FRAME[80:])


def test_on_a_quiet_line_the_agent_hears_silence_up_to_now_and_the_call_does_not_grow() -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    voice.receive(FRAME, START + 0.02)
    assert len(voice.quiet(START + 1.02)) == pytest.approx(8000, abs=1)
    assert voice.quiet(START + 1.02) == b""
    assert voice.timeline.samples == 160
    assert voice.ledger.concealed == 0


@pytest.mark.parametrize("hole", [4000, 8000, 12000])
def test_a_hole_that_was_quiet_is_not_heard_again(hole: int) -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    voice.quiet(START + 0.5)
    voice.quiet(START + 1.0)
    wire, agent = voice.missing(hole, START + 1.0)
    assert (len(wire), len(agent)) == (hole, max(0, hole - 8000))
    assert voice.ledger.concealed == voice.timeline.samples == hole
    assert voice.ledger.inserted == max(0, 8000 - hole)


def test_audio_that_was_only_late_makes_the_call_no_longer_than_it_is() -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    for i in range(50):
        voice.receive(FRAME, START + (i + 1) / 50)
    for step in range(1, 16):
        voice.quiet(START + 1 + step / 5)
    for _ in range(150):
        voice.receive(FRAME, START + 4)
    assert voice.timeline.samples == 200 * 160
    assert voice.ledger == CallerLedger(received=32000, delivered=32000, inserted=24000)


def test_what_the_agent_heard_has_its_place_in_the_call() -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    for i in range(50):
        voice.receive(FRAME, START + (i + 1) / 50)
    voice.quiet(START + 3)
    for _ in range(100):
        voice.receive(FRAME, START + 3)
    assert [voice.position_ms(ms) for ms in (0, 900, 1000, 2000, 3000, 3500)] == [0, 900, 1000, 1000, 1000, 1500]


def test_audio_between_forgets_what_was_quiet() -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    voice.quiet(START + 1)
    voice.receive(FRAME, START + 1)
    assert len(voice.missing(800, START + 1)[1]) == 800


@pytest.mark.parametrize(("samples", "filled"), [(int(MAX_AHEAD_S * 8000), True), (int(MAX_AHEAD_S * 8000) + 1, False)])
def test_an_absurd_hole_is_lost_and_not_filled(samples: int, filled: bool) -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    assert len(voice.missing(samples, START)[0]) == (samples if filled else 0)
    ledger = voice.ledger
    assert (ledger.concealed, ledger.lost) == ((samples, 0) if filled else (0, samples))
    assert ledger.balances


EVENTS = st.one_of(
    st.tuples(st.just("audio"), st.integers(0, 2000)),
    st.tuples(st.just("hole"), st.integers(0, HOUR)),
    st.tuples(st.just("quiet"), st.integers(0, 10)),
)


@given(st.lists(EVENTS, max_size=40))
def test_what_was_received_is_delivered_or_concealed_or_lost(events: list[tuple[str, int]]) -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    now, given_out, audio, lost = START, 0, 0, 0
    for kind, amount in events:
        now += 0.1
        match kind:
            case "audio":
                given_out += len(voice.receive(bytes(amount), now))
                audio += amount
            case "hole":
                ahead = (voice.timeline.samples + amount) / 8000 - (now - START)
                given_out += len(voice.missing(amount, now)[1])
                lost += amount if ahead > MAX_AHEAD_S else 0
            case _:
                given_out += len(voice.quiet(now + amount))
        ledger = voice.ledger
        assert ledger.balances
        assert (ledger.delivered, ledger.lost) == (audio, lost)
        assert ledger.delivered + ledger.concealed == voice.timeline.samples
        assert given_out == voice.timeline.samples + ledger.inserted


def test_the_timeline_reads_on_from_the_last_audio() -> None:
    voice = CallerVoice(MULAW_8K, MULAW_8K, START)
    voice.receive(bytes(800), START + 0.1)
    assert voice.timeline.at(START + 0.15) == pytest.approx(1200, abs=1)
    assert voice.timeline.at(START) == 800, "it never goes back"
    assert voice.timeline.when(50, START + 0.1) == pytest.approx(START + 0.05)
    assert voice.timeline.when(500, START + 0.1) == START + 0.1, "nothing sounded in the future"
