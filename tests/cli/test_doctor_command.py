"""``trunkline doctor``, on files."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from speech import speech
from trunkline.audio.format import PCM16_8K, PCM16_16K, AudioFormat
from trunkline.audio.g711 import encode_mulaw
from trunkline.cli import _doctor_report
from trunkline.cli.main import app


def wav(
    path: Path, *, gain: float = 1, ceiling: int = 32767, audio: AudioFormat = PCM16_16K, subtype: str = ""
) -> Path:
    samples = np.frombuffer(speech("librivox-0880", audio), "<i2") * gain
    spoilt = np.clip(samples, -ceiling, ceiling).astype(np.int16)
    soundfile.write(path, spoilt, audio.rate, subtype=subtype or None)
    return path


def doctor(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.parametrize(("name", "subtype"), [("good.wav", "PCM_16"), ("good.wav", "PCM_24"), ("good.flac", "")])
def test_a_good_file_gets_nothing_found_and_exit_0(tmp_path: Path, name: str, subtype: str) -> None:
    code, said = doctor(wav(tmp_path / name, subtype=subtype))
    assert code == 0
    assert "nothing found" in said


def test_a_mu_law_file_is_read_as_what_its_header_says(tmp_path: Path) -> None:
    code, said = doctor(wav(tmp_path / "good.wav", audio=PCM16_8K, subtype="ULAW"))
    assert (code, "nothing found" in said) == (0, True)


def test_a_spoilt_file_gets_a_table_and_exit_1(tmp_path: Path) -> None:
    code, said = doctor(wav(tmp_path / "loud.wav", ceiling=2000))
    assert code == 1
    words = " ".join(re.sub(r"[│┃]", " ", said).split())
    for part in ("loud.wav", "16000 Hz, mono", "finding", "evidence", "likely cause", "clipping", "all of it", "dBFS"):
        assert part in words


def test_scripts_get_json(tmp_path: Path) -> None:
    code, said = doctor(wav(tmp_path / "quiet.wav", gain=0.01), "--json")
    told = json.loads(said)
    assert code == 1
    assert (told["file"], told["rate"], told["channels"]) == ("quiet.wav", 16000, 1)
    assert told["seconds"] == told["looked_at_seconds"]
    (finding,) = told["findings"]
    assert finding["fault"] == "too quiet"
    assert finding.keys() == {"fault", "where", "evidence", "cause"}
    code, said = doctor(wav(tmp_path / "good.wav"), "--json")
    assert (code, json.loads(said)["findings"]) == (0, [])


def test_only_the_first_minutes_of_a_long_recording_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_doctor_report, "LOOKED_AT_S", 1)
    path = wav(tmp_path / "long.wav")
    told = json.loads(doctor(path, "--json")[1])
    assert told["looked_at_seconds"] == 1 < told["seconds"]
    assert "the first 1 s looked at" in " ".join(doctor(path)[1].split())


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "can't be read: No such file or directory"),
        (b"", "is empty"),
        (b"hello, this is text\n" * 100, "can't be read as audio"),
    ],
    ids=["missing", "empty", "text"],
)
def test_what_cant_be_read_is_one_line_and_exit_2(tmp_path: Path, content: bytes | None, why: str) -> None:
    path = tmp_path / "bad.wav"
    if content is not None:
        path.write_bytes(content)
    result = CliRunner().invoke(app, ["doctor", str(path)])
    assert result.exit_code == 2
    assert result.stderr.startswith("trunkline: bad.wav")
    assert why in result.stderr
    assert result.stdout == ""


def test_a_name_may_say_enough(tmp_path: Path) -> None:
    samples = soundfile.read(wav(tmp_path / "good.wav", audio=PCM16_8K), dtype="int16")[0]
    (tmp_path / "good.ulaw").write_bytes(encode_mulaw(samples.tobytes()))
    code, said = doctor(tmp_path / "good.ulaw")
    assert code == 0
    assert "8000 Hz" in said


def test_samples_that_say_nothing_of_themselves_are_exit_2(tmp_path: Path) -> None:
    (tmp_path / "call.raw").write_bytes(bytes(3200))
    result = CliRunner().invoke(app, ["doctor", str(tmp_path / "call.raw")])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "call.raw has no header" in result.stderr


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_samples_that_are_no_numbers_are_exit_2(tmp_path: Path, bad: float) -> None:
    soundfile.write(tmp_path / "bad.wav", np.full(8000, bad), 8000, subtype="FLOAT")
    result = CliRunner().invoke(app, ["doctor", str(tmp_path / "bad.wav")])
    assert result.exit_code == 2
    assert "bad.wav holds samples that are NaN or infinite" in result.stderr


def test_a_header_without_sound_is_exit_2(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "none.wav", np.zeros(0, np.int16), 8000)
    code, said = doctor(tmp_path / "none.wav")
    assert code == 2
    assert "no sound" in said or "no audio" in said or "empty" in said
