"""``trunkline latency``: on logs, on records, and on recordings whose truth is known."""

import io
import json
import struct
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import structlog
from typer.testing import CliRunner

from speech import speech, utterances
from trunkline import logs
from trunkline.ai.models import find_silero
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, AudioFormat
from trunkline.call.latency import TurnLatency
from trunkline.call.session import CallSession, Turn
from trunkline.call.settings import CallSettings
from trunkline.cli import _latency_plot
from trunkline.cli._latency_turns import MeasuredTurn
from trunkline.cli._latency_waterfall import waterfall
from trunkline.cli.main import app
from trunkline.server.compose import CallLines
from trunkline.testing import sounds
from trunkline.testing.agents import Answer, Reply, ScriptedAgent
from trunkline.testing.bridge import BridgeEnd, bridge_end
from trunkline.testing.outcome import Outcome
from trunkline.testing.phone import Phone
from trunkline.testing.scene import admit, play
from trunkline.testing.script import Action, HangUp, InterruptReply, Say, Wait, WaitForReply
from trunkline.wire.twilio import PLATFORM, TwilioSettings

NEEDS_SILERO = pytest.mark.skipif(find_silero() is None, reason="no Silero model: run 'trunkline models'")


class Tickets:
    def issue(self, call_id: str, now: float) -> str:
        return "ticket"

    def redeem(self, ticket: str, call_id: str, now: float) -> bool:
        return True


def latency(*arguments: object, stdin: str | None = None) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["latency", *map(str, arguments)], input=stdin)
    return result.exit_code, result.output


def told(*arguments: object, stdin: str | None = None) -> dict[str, Any]:
    code, said = latency(*arguments, "--json", stdin=stdin)
    assert code == 0, said
    decoded: dict[str, Any] = json.loads(said)
    return decoded


def stage(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(each for each in report["stages"] if each["name"] == name)


# --- a whole call, on virtual time ---------------------------------------------------------------------------------


def utterance(wire: AudioFormat) -> bytes:
    """The first words of a recording, from where their energy begins to where it ends, or is cut off."""
    wide = speech("jfk", PCM16_16K)
    begin, end = utterances(wide[: len(wide) // 320 * 320])[0]
    return speech("jfk", wire)[wire.bytes_for(begin) : wire.bytes_for(min(end, begin + 1600))]


def a_call() -> tuple[Outcome, BridgeEnd]:
    """Two questions, the second one into the answer to the first. The agent hears by level and answers after 300 ms."""
    question = utterance(MULAW_8K)
    answer = Reply((("One moment. ", sounds.murmur(MULAW_8K, 3000, seed=1)),))
    agent = ScriptedAgent([Answer("And so", answer), Answer("And so", answer)])
    codec = PLATFORM.phone(TwilioSettings(), call_id="CA01", caller="+15005550006", callee="+15005550001")
    door = PLATFORM.door(TwilioSettings(), base_url="http://127.0.0.1", tickets=Tickets(), insecure=True)
    script: list[Action] = [
        Wait(500),
        Say(question),
        InterruptReply(1000, question),
        WaitForReply(quiet_ms=900),
        HangUp(),
    ]
    gateway_end = bridge_end(
        codec=admit(codec, door, base_url="http://127.0.0.1"),
        spec=PLATFORM.spec,
        model=agent,
        settings=CallSettings(record=True),
    )
    outcome, gateway = play(Phone(codec, script), gateway_end, also=[agent])
    assert outcome.ok
    return outcome, gateway


@NEEDS_SILERO
def test_a_recording_says_what_the_telephone_measured_and_what_the_gateway_logged(tmp_path: Path) -> None:
    outcome, gateway = a_call()
    path = tmp_path / "call.wav"
    samples = np.frombuffer(bytes(gateway.recording), "<i2").reshape(-1, 2)
    soundfile.write(path, samples, 8000, subtype="PCM_16")
    report = told(path)
    waits = [turn.latency_ms for turn in outcome.turns]
    found = [turn["stages"]["response"] for turn in sorted(report["worst"], key=lambda turn: turn["at_ms"])]
    assert len(found) == len(waits) == 2
    assert found == pytest.approx(waits, abs=60)
    assert gateway.session is not None
    totals = [turn.latency.total_ms for turn in gateway.session.turns]
    assert found == pytest.approx(totals, abs=60)


def test_the_log_of_a_call_is_read_as_it_is_written() -> None:
    _, gateway = a_call()
    assert gateway.session is not None
    written = io.StringIO()
    logs.configure(format="json", stream=written)
    lines = CallLines(structlog.get_logger())
    lines.session = gateway.session
    for note in gateway.notes:
        lines(note.level, note.event, note.fields)
    report = told("-", stdin=written.getvalue())
    assert (report["turns"], report["calls"]) == (len(gateway.session.turns), 1)
    assert {turn["call"] for turn in report["worst"]} == {"CA01"}
    totals = [turn.latency.total_ms for turn in gateway.session.turns]
    assert stage(report, "total")["max_ms"] == pytest.approx(max(ms for ms in totals if ms is not None), abs=0.5)


# --- logs and records ----------------------------------------------------------------------------------------------


def line(call: str = "CA1", generation: int = 1, **stages: float) -> str:
    return json.dumps({"call": call, "generation": generation, **stages, "budget": "OK", "event": "turn"}) + "\n"


def test_percentiles_are_by_nearest_rank_and_held_against_the_budget() -> None:
    log = "".join(line(f"CA{ms % 7}", ms, total_ms=ms) for ms in range(601, 801))
    report = told("-", stdin=log)
    assert stage(report, "total") == {
        "name": "total", "turns": 200, "p50_ms": 700, "p90_ms": 780, "p99_ms": 798, "max_ms": 800,
        "budget_ms": 700, "over": 100,
    }  # fmt: skip
    assert (report["turns"], report["calls"]) == (200, 7)
    assert [turn["turn"] for turn in report["worst"]] == list(range(800, 790, -1))


def test_what_is_not_a_turn_is_passed_over() -> None:
    log = [
        "Trunkline answers calls at http://127.0.0.1:8080\n",
        json.dumps({"event": "call ended", "turns": 3, "call": "CA1"}) + "\n",
        json.dumps({"event": "turn", "total_ms": "slow"}) + "\n",
        json.dumps({"event": "turn"}) + "\n",
        json.dumps(["turn"]) + "\n",
        '{"event": "tu\n',
        line(total_ms=250),
    ]
    report = told("-", stdin="".join(log))
    assert (report["turns"], stage(report, "total")["max_ms"]) == (1, 250)


def record(call: str = "CA1", **stages: float) -> CallSession:
    session = CallSession(call, "twilio", "local", datetime(2026, 1, 2, tzinfo=UTC))
    session.turns.append(Turn(2, TurnLatency(**stages)))
    return session


@pytest.mark.parametrize("pretty", [False, True])
def test_a_calls_record_is_read_on_one_line_or_on_many(tmp_path: Path, pretty: bool) -> None:
    path = tmp_path / "call.json"
    text = record(stt_ms=200.0, llm_ms=80.0, llm_at_ms=210.0, total_ms=400.0).to_json().decode()
    path.write_text(json.dumps(json.loads(text), indent=2) if pretty else text)
    (turn,) = told(path)["worst"]
    assert (turn["call"], turn["turn"], turn["starts"]) == ("CA1", 2, {"stt": 0, "llm": 210})
    assert turn["stages"] == {"stt": 200, "llm": 80, "total": 400}


def test_one_call_is_chosen_by_its_id() -> None:
    log = line("CA1", total_ms=100) + line("CA2", total_ms=200) + line("CA1", 2, total_ms=300)
    assert [turn["stages"]["total"] for turn in told("-", "--call", "CA1", stdin=log)["worst"]] == [300, 100]
    assert latency("-", "--call", "CA3", stdin=log) == (2, "trunkline: there is no turn of the call CA3 in -\n")


# --- recordings ----------------------------------------------------------------------------------------------------


QUIET = 4000  # samples before the caller's first


def recording(path: Path, *, caller: int = 0, gap_ms: int = 400, rate: int = 8000) -> Path:
    """A question, ``gap_ms`` of silence, an answer, silence."""
    said = np.frombuffer(utterance(PCM16_8K), "<i2")
    answer = np.frombuffer(sounds.murmur(PCM16_8K, 1000), "<i2")
    both = np.zeros((2, QUIET + len(said) + 8 * gap_ms + len(answer) + 24_000), np.int16)
    both[caller, QUIET : QUIET + len(said)] = said
    both[1 - caller, QUIET + len(said) + 8 * gap_ms :][: len(answer)] = answer
    soundfile.write(path, np.repeat(both.T, rate // 8000, axis=0), rate)
    return path


@pytest.mark.parametrize("name", ["call.wav", "call.flac", "call.ogg"])
@pytest.mark.parametrize("vad", ["auto", "webrtc", "energy"])
def test_a_recording_of_any_kind_is_listened_to(tmp_path: Path, name: str, vad: str) -> None:
    report = told(recording(tmp_path / name), "--vad", vad)
    assert stage(report, "response")["max_ms"] == pytest.approx(400, abs=60)


@pytest.mark.parametrize("silent_ms", [150, 250, 600])
def test_an_interrupted_agents_time_to_silence_is_measured(tmp_path: Path, silent_ms: int) -> None:
    path = recording(tmp_path / "call.wav", gap_ms=400)
    both, rate = soundfile.read(path, dtype="int16")
    before = np.frombuffer(sounds.murmur(PCM16_8K, 3000, seed=2), "<i2")[: 8 * 400 + 8 * silent_ms]
    lead = np.zeros((len(before), 2), np.int16)
    both = np.concatenate((lead, both))
    end = len(lead) + QUIET + 8 * silent_ms
    both[end - len(before) : end, 1] = before
    soundfile.write(path, both, rate)
    report = told(path)
    assert stage(report, "silence")["max_ms"] == pytest.approx(silent_ms, abs=60)
    assert stage(report, "response")["max_ms"] == pytest.approx(400, abs=60)
    (heard,) = report["recordings"]
    assert (heard["turns"], heard["answered"], heard["interruptions"], heard["talked_over"]) == (1, 1, 1, 0)


def test_the_caller_may_be_on_the_right_and_at_any_rate(tmp_path: Path) -> None:
    path = recording(tmp_path / "call.wav", caller=1, rate=48_000)
    assert stage(told(path, "--caller-channel", "right"), "response")["max_ms"] == pytest.approx(400, abs=60)


def test_a_folder_is_read_file_by_file_and_what_is_of_no_use_is_named(tmp_path: Path) -> None:
    recording(tmp_path / "call.wav")
    (tmp_path / "call.json").write_bytes(record("CA77", total_ms=350.0).to_json())
    (tmp_path / "broken.wav").write_bytes(b"RIFF....WAVE")
    (tmp_path / "notes.txt").write_text("not for us")
    report = told(tmp_path)
    assert {each["name"] for each in report["stages"]} == {"total", "response"}
    assert {turn["call"] for turn in report["worst"]} == {"CA77"}  # the recording is the record's
    assert list(report["skipped"]) == ["broken.wav"]
    assert told(str(tmp_path / "call.*"))["stages"] == report["stages"]


# --- what can't be measured ----------------------------------------------------------------------------------------


def mono(path: Path) -> None:
    soundfile.write(path, np.frombuffer(speech("jfk", PCM16_8K), "<i2"), 8000)


def three(path: Path) -> None:
    soundfile.write(path, np.zeros((8000, 3), np.int16), 8000)


def silent(path: Path) -> None:
    soundfile.write(path, np.zeros((8000, 2), np.int16), 8000)


def chopped(path: Path) -> None:
    soundfile.write(path, np.zeros((8000, 2), np.int16), 8000)
    path.write_bytes(path.read_bytes()[:9000])


WRONG: list[tuple[str, Any, str]] = [
    ("mono.wav", mono, "mono.wav has one channel: expected two, the caller's and the agent's"),
    ("three.wav", three, "three.wav has 3 channels: expected two, the caller's and the agent's"),
    (
        "silent.wav",
        silent,
        "silent.wav has no voice on its left channel: is the caller on the other one (--caller-channel right)?",
    ),
    ("chopped.wav", chopped, "chopped.wav is cut off"),
    ("empty.wav", b"", "empty.wav is empty: expected a WAV, FLAC or OGG file"),
    ("noise.wav", bytes(range(256)), "noise.wav can't be read as audio"),
    ("empty.log", b"", "empty.log is empty: expected a log, a call's record or a recording"),
    ("blank.log", b"\n \n", "blank.log is empty: expected a log, a call's record or a recording"),
    ("plain.log", b"2026-01-01 [info] turn\n", "plain.log is neither a recording nor JSON: expected a recording"),
    ("binary.json", bytes(range(256)), "binary.json is neither a recording nor JSON"),
    ("other.json", b'{"a": 1}\n', "other.json is JSON, and no line of it tells of a turn"),
    (
        "silent.json",
        CallSession("CA1", "open", "echo", datetime(2026, 1, 2, tzinfo=UTC)).to_json(),
        "silent.json is the record of a call",
    ),
]


@pytest.mark.parametrize(("name", "made", "sentence"), WRONG, ids=[case[0] for case in WRONG])
def test_a_file_that_is_of_no_use_is_told_so_in_a_sentence(tmp_path: Path, name: str, made: Any, sentence: str) -> None:
    path = tmp_path / name
    if callable(made):
        made(path)
    else:
        path.write_bytes(made)
    code, said = latency(path)
    assert (code, said.count("\n")) == (2, 1)
    assert said.startswith(f"trunkline: {sentence}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.wav"], "there is no file nowhere.wav"),
        (["."], ". holds no recording, no record and no log"),
        (["x", "--vad", "guess"], "--vad is one of auto, silero, webrtc, energy"),
        (["x", "--caller-channel", "middle"], "--caller-channel is one of left, right"),
    ],
)
def test_what_can_not_be_asked_for_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert latency(*arguments) == (2, f"trunkline: {sentence}\n")


# --- for people ----------------------------------------------------------------------------------------------------


def test_people_get_a_table_and_a_waterfall() -> None:
    log = line(stt_ms=200, llm_ms=100, tts_ms=100, total_ms=500, llm_at_ms=200, tts_at_ms=350)
    code, said = latency("-", stdin=log + line(generation=2, total_ms=900))
    assert code == 0
    for part in ("2 turns of 1 call", "speech → words", "p99", "CA1 #1", "CA1 #2", "900 ms", "░░ stt", "██ tts"):
        assert part in said


def test_turns_by_a_log_and_by_ear_are_not_added_up(tmp_path: Path) -> None:
    (tmp_path / "gateway.log").write_text(line(total_ms=500) + line(generation=2, total_ms=900))
    recording(tmp_path / "call.wav")
    assert "2 turns as stamped and 1 as heard, of" in latency(tmp_path)[1]


def test_the_waterfall_has_each_stage_where_it_was() -> None:
    stages = {"stt": 200.0, "llm": 100.0, "tts": 50.0, "total": 400.0}
    turn = MeasuredTurn("a.log", "CA1", 1, stages, {"stt": 0.0, "llm": 200.0, "tts": 320.0})
    fast = MeasuredTurn("a.log", "CA1", 2, {"total": 100.0})
    title, first, second, *_ = (text.plain for text in waterfall([turn, fast], 56))
    assert title == "The slowest 2"
    assert first == f"CA1 #1 {'░' * 20}{'▓' * 10}··{'█' * 5}··· 400 ms"
    assert first.count("░") == 2 * first.count("▓") == 4 * first.count("█")
    assert second.count("·") * 4 == first.count("·") + first.count("░") + first.count("▓") + first.count("█")


@pytest.mark.parametrize("ms", [0.01, 0.4, 1e6])
def test_a_stage_of_any_length_is_drawn_within_its_turn(ms: float) -> None:
    turn = MeasuredTurn("a.log", "CA1", 1, {"stt": ms, "llm": 10 * ms, "tts": 1.0, "total": 5.0}, {"tts": 4.9})
    for text in waterfall([turn], 60)[1:2]:
        assert len(text.plain) <= 60


def test_the_picture_is_a_png(tmp_path: Path) -> None:
    png = tmp_path / "latency.png"
    log = "".join(line(generation=n, stt_ms=200, llm_ms=10 * n, tts_ms=90, total_ms=300 + 10 * n) for n in range(1, 9))
    code, _ = latency("-", "--png", png, stdin=log)
    assert code == 0
    data = png.read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", data[16:24])
    assert (width, height) > (600, 300)
    assert len(set(np.unique(brightness(png)))) > 20  # it is drawn on


def brightness(png: Path) -> Any:
    from matplotlib.image import imread

    return (imread(png)[:, :, :3] * 255).astype(int).sum(axis=2)


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    code, said = latency("-", "--png", tmp_path / "x.png", stdin=line(total_ms=300))
    assert (code, said) == (2, "trunkline: matplotlib is not installed: run 'pip install trunkline[plot]'\n")
    assert not list(tmp_path.iterdir())


def test_a_picture_that_can_not_be_written_is_told_so(tmp_path: Path) -> None:
    code, said = latency("-", "--png", tmp_path / "no" / "x.png", stdin=line(total_ms=300))
    assert code == 2
    assert said.endswith("can't be written: No such file or directory\n")


def test_only_the_picture_loads_matplotlib() -> None:
    program = "import sys; from trunkline.cli import _latency_plot, _latency_report; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    assert _latency_plot.COLOURS.keys() == {"stt", "llm", "tts", "response"}
