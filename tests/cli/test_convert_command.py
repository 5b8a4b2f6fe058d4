"""``trunkline convert``: what it writes, says and exits with; and its pipes, as a process."""

import os
import pty
import subprocess
import sys
import tomllib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from trunkline.audio import g711
from trunkline.audio.convert import Converter
from trunkline.audio.format import MULAW_8K, PCM16_16K, PCM16_24K
from trunkline.cli.main import app

PROJECT = Path(__file__).parents[2]
SPEECH = np.random.default_rng(1).normal(0, 3000, 16000).astype(np.int16)
MULAW = Converter(PCM16_16K, MULAW_8K).process(SPEECH.tobytes())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    soundfile.write(tmp_path / "in.wav", SPEECH, 16000)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["convert", *arguments])
    return result.exit_code, result.stderr


COMMAND = (sys.executable, "-m", "trunkline", "convert")


def piped(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*COMMAND, *arguments], input=data, capture_output=True, check=False, cwd=PROJECT / "src")


def test_a_recording_becomes_what_the_phone_wants(folder: Path) -> None:
    assert run("in.wav", "out.ulaw") == (0, "in.wav: 1.00 s, 16000 Hz, 1 channel -> mulaw/8000\n")
    assert (folder / "out.ulaw").read_bytes() == MULAW


def test_every_option_does_what_it_says(folder: Path) -> None:
    soundfile.write("two.wav", np.stack([SPEECH, SPEECH // 8], axis=1), 16000)
    code, said = run("two.wav", "out.wav", "--rate", "24000", "--encoding", "alaw", "--channel", "right", "--normalize")
    assert code == 0
    assert "2 channels -> alaw/24000, gain " in said
    assert soundfile.info("out.wav").subtype == "ALAW"
    samples, rate = soundfile.read("out.wav")
    assert (rate, len(samples)) == (24000, 24000)
    assert np.abs(samples).max() == pytest.approx(10 ** (-1 / 20), rel=0.05)  # as near as A-law gets


def test_a_channel_is_a_number_too(folder: Path) -> None:
    soundfile.write("two.wav", np.stack([SPEECH, SPEECH // 8], axis=1), 16000)
    assert run("two.wav", "out.wav", "--channel", "1")[0] == 0
    assert np.array_equal(soundfile.read("out.wav", dtype="int16")[0], SPEECH // 8)


def test_what_is_there_is_replaced_only_by_force(folder: Path) -> None:
    (folder / "out.wav").write_bytes(b"precious")
    assert run("in.wav", "out.wav") == (2, "trunkline: out.wav is there already: --force replaces it\n")
    assert (folder / "out.wav").read_bytes() == b"precious"
    assert run("in.wav", "out.wav", "--force")[0] == 0
    assert len(soundfile.read("out.wav")[0]) == 16000


FAULTS = [
    (["no.wav", "out.wav"], "no.wav can't be read: No such file or directory"),
    (["in.wav", "out.mp3"], "out.mp3 doesn't say what to write"),
    (["in.wav", "no/out.wav"], "no/out.wav can't be written: No such file or directory"),
    (["in.wav", "out.wav", "--rate", "12000"], "a rate of 12000 Hz is not supported: use one of 8000, 11025"),
    (["in.wav", "out.wav", "--encoding", "opus"], "an encoding of 'opus' is not supported"),
    (["in.wav", "out.wav", "--channel", "2"], "in.wav has no channel 2: it has 1, counted from 0"),
    (["in.wav", "out.wav", "--channel", "-1"], "a channel of '-1' is not supported"),
    (["in.wav", "out.wav", "--from-rate", "8000"], "described by both --from-encoding and --from-rate"),
    (["in.wav", "out.wav", "--from-rate", "8000", "--from-encoding", "gsm"], "an encoding of 'gsm' is not supported"),
]


@pytest.mark.parametrize(("arguments", "error"), FAULTS, ids=[case[1] for case in FAULTS])
def test_what_cannot_be_done_is_one_line_and_exit_2(folder: Path, arguments: list[str], error: str) -> None:
    code, said = run(*arguments)
    assert code == 2
    assert said.startswith("trunkline: ")
    assert error in said
    assert said.count("\n") == 1
    assert sorted(path.name for path in folder.iterdir()) == ["in.wav"]


def test_raw_flows_from_stdin_to_stdout() -> None:
    done = piped("-", "-", "--from-encoding", "mulaw", "--from-rate", "8000", "--rate", "24000", data=MULAW)
    assert (done.returncode, done.stdout) == (0, Converter(MULAW_8K, PCM16_24K).process(MULAW))


def test_raw_comes_out_before_all_of_it_is_in() -> None:
    """Of a stream without end, what is there is converted."""
    command = (*COMMAND, "-", "-", "--from-encoding", "pcm16", "--from-rate", "8000")
    with subprocess.Popen(
        [*command, "--encoding", "mulaw"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=PROJECT / "src"
    ) as process:
        assert process.stdin
        assert process.stdout
        for n in range(3):
            process.stdin.write(bytes([n]) * 320)
            process.stdin.flush()
            assert process.stdout.read(160) == g711.encode_mulaw(bytes([n]) * 320)
        process.stdin.close()
        assert process.wait() == 0


def test_a_listener_who_has_heard_enough_is_no_error() -> None:
    command = (*COMMAND, "-", "-", "--from-encoding", "mulaw", "--from-rate", "8000")
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=PROJECT / "src") as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(MULAW)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 1


def test_a_wav_comes_from_stdin_and_goes_to_stdout(folder: Path) -> None:
    data = (folder / "in.wav").read_bytes()
    done = piped("-", "-", "--container", "wav", "--encoding", "mulaw", data=data)
    assert (done.returncode, done.stdout[-8000:]) == (0, MULAW)
    assert done.stdout[:4] == b"RIFF"
    # what a pipe was told is good enough for the next in line
    back = piped("-", "-", data=done.stdout)
    assert (back.returncode, back.stdout) == (0, g711.decode_mulaw(MULAW))


def test_a_wav_comes_from_a_pipe_that_has_a_name(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with subprocess.Popen(["sh", "-c", "cat in.wav > pipe"]):
        code, _ = run("pipe", "out.ulaw")
    assert (code, (folder / "out.ulaw").read_bytes()) == (0, MULAW)


@pytest.mark.parametrize(("closed", "error"), [("<&-", "stdin is closed: name a"), (">&-", "stdout is closed: name a")])
def test_a_closed_pipe_is_one_line_and_exit_2(closed: str, error: str) -> None:
    raw = "--from-encoding mulaw --from-rate 8000"
    command = ["sh", "-c", f'"$0" -m trunkline convert - - {raw} {closed}', sys.executable]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, cwd=PROJECT / "src")
    assert done.returncode == 2
    assert error in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


STDIN = [
    (b"", [], "the input is empty: expected a WAV, FLAC or OGG file"),
    (b"RIFF\x00\x00\x00\x00WAVEfmt ", [], "the input is cut off: its WAV header ends before the samples begin"),
    (b"", ["--from-encoding", "mulaw", "--from-rate", "8000"], "<stdin> holds no samples: expected at least one"),
    (bytes(321), ["--from-encoding", "pcm16", "--from-rate", "8000"], "<stdin> ends within a frame: 1 bytes are left"),
    (
        bytes(320),
        ["--from-encoding", "pcm16", "--from-rate", "8000", "--normalize"],
        "<stdin> is a pipe: normalizing has to read it more",
    ),
    (
        bytes(320),
        ["--from-encoding", "pcm16", "--from-rate", "9000"],
        "a rate of 9000 Hz is not supported: use one of 8000",
    ),
    (
        bytes(320),
        ["--from-encoding", "pcm16", "--from-rate", "8000", "--container", "flac"],
        "can't be written to a pipe",
    ),
]


@pytest.mark.parametrize(("data", "arguments", "error"), STDIN, ids=[case[2] for case in STDIN])
def test_a_bad_pipe_is_one_line_and_exit_2(data: bytes, arguments: list[str], error: str) -> None:
    done = piped("-", "-", *arguments, data=data)
    assert done.returncode == 2
    assert error in done.stderr.decode()
    assert done.stderr.count(b"\n") == 1


def on_a_terminal(*arguments: str, stream: str) -> tuple[int, str]:
    """What the terminal shows when it is the ``stream`` of the command."""
    screen, terminal = pty.openpty()
    command = [sys.executable, "-m", "trunkline", "convert", *arguments]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, stream: terminal}
    with subprocess.Popen(command, cwd=PROJECT / "src", stdout=pipes["stdout"], stderr=pipes["stderr"]) as process:
        os.close(terminal)
        shown = b""
        with suppress(OSError):  # how Linux says that the other end is closed
            while data := os.read(screen, 4096):
                shown += data
        os.close(screen)
        said = process.stderr.read() if process.stderr else b""
        return process.wait(), (shown + said).decode()


def test_people_at_a_terminal_see_how_far_it_is(folder: Path) -> None:
    code, shown = on_a_terminal(str(folder / "in.wav"), str(folder / "out.wav"), "--normalize", stream="stderr")
    assert code == 0
    assert "100%" in shown
    assert "pcm16/16000" in shown


def test_audio_is_not_shown_on_a_terminal(folder: Path) -> None:
    code, shown = on_a_terminal(str(folder / "in.wav"), "-", stream="stdout")
    assert code == 2
    assert shown.startswith("trunkline: stdout is a terminal")


def test_the_program_of_its_own_is_the_same_command(folder: Path) -> None:
    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts["audio-stream-converter"].split(":")
    program = f"import sys; from {module} import {function}; sys.argv[0] = 'audio-stream-converter'; {function}()"
    files = [str(folder / "in.wav"), str(folder / "out.ulaw")]
    done = subprocess.run(
        [sys.executable, "-c", program, *files], capture_output=True, check=False, cwd=PROJECT / "src"
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "out.ulaw").read_bytes() == MULAW
