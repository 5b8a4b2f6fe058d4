"""The examples run as they stand, from any folder, and say what their pages say they do."""

import os
import runpy
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

PROJECT = Path(__file__).parent.parent
EXAMPLES = PROJECT / "examples"

SAYS = [
    (
        "convert_sample.py",
        [
            "a chunk: True 200 ms of 24000 Hz, 1 channel, 16 bits",
            "to the phone: 48000 bytes in 5 chunks became 8000, 0.3 ms late",
            "and back: 48282 bytes, the last 282 of them the filter's tail",
            "written: over-the-phone.wav",
        ],
    ),
    (
        "two_calls.py",
        [
            "a converter each: Ann hears her call alone: True",
            "a converter each: Bob hears his call alone: True",
            "one for both:     Ann hears her call alone: False",
        ],
    ),
    (
        "own_transport.py",
        [
            "vonage: 50 chunks, 32000 bytes, 1000 ms heard",
            "vonage: 1 not taken, 0 overflows: 1 bytes are not whole 2-byte frames of 16000 Hz, 1 channel, 16 bits",
            "rtp: 50 chunks, 8000 bytes, 1000 ms heard",
            "rtp: 1 not taken, 0 overflows: 0.125 ms of 8000 Hz, 1 channel, 8 bits: expected 10 to 1000 ms",
            "rtp: sent 50 frames of 160 bytes",
            "vonage: sent 50 frames of 640 bytes",
        ],
    ),
    ("websocket_bridge.py", ["said 8000 bytes of mu-law, heard 8000, by way of 24 kHz"]),
]


def run(name: str, folder: Path, *arguments: str) -> list[str]:
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "PYTHONWARNINGS": "error"}
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, env=environment, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(("name", "lines"), SAYS, ids=[case[0] for case in SAYS])
def test_an_example_runs_and_says_what_it_shows(tmp_path: Path, name: str, lines: list[str]) -> None:
    assert run(name, tmp_path) == lines


def test_the_converted_sample_is_the_sample(tmp_path: Path) -> None:
    out = tmp_path / "a folder.wav"
    run("convert_sample.py", tmp_path, str(out))
    sounds = []
    for path in (EXAMPLES / "sample.wav", out):
        with wave.open(str(path)) as file:
            assert file.getframerate() == 24000
            sounds.append(np.frombuffer(file.readframes(24000), "<i2").astype(float))
    said, heard = (np.abs(np.fft.rfft(sound))[300:3200] for sound in sounds)
    assert 10 * np.log10((said**2).sum() / ((said - heard) ** 2).sum()) > 25


@contextmanager
def gateway(folder: Path, *arguments: str, **settings: str) -> Iterator[str]:
    """``trunkline serve --agent echo`` on a free port; gives where its open protocol is spoken."""
    ours = ("TRUNKLINE_", "TWILIO_", "OPEN_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    environment |= {"PYTHONPATH": str(PROJECT / "src"), **settings}
    command = [sys.executable, "-m", "trunkline", "serve", "--agent", "echo", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            base = server.stdout.readline().rpartition(" ")[2].strip()
            yield base.replace("http", "ws") + "/ws/voice/example-call"
        finally:
            server.kill()


def test_the_open_protocols_client_calls_a_gateway_and_hears_its_echo(tmp_path: Path) -> None:
    with gateway(tmp_path, "--insecure") as url:
        assert run("open_client.py", tmp_path, url) == ["said 1.0 s, heard 1.0 s"]


def test_the_open_protocols_client_is_let_in_by_its_token_alone(tmp_path: Path) -> None:
    with gateway(tmp_path, OPEN_TOKEN="a token of the tests") as url:
        assert run("open_client.py", tmp_path, url, "a token of the tests") == ["said 1.0 s, heard 1.0 s"]
        with pytest.raises(AssertionError, match="HTTP 401"):
            run("open_client.py", tmp_path, url, "another")


def test_a_table_is_booked_by_typing(tmp_path: Path) -> None:
    said = ["I would like to book a table.", "Friday at seven", "book another table", "Friday at eight", "Goodbye."]
    command = [sys.executable, str(EXAMPLES / "booking_agent.py"), "--type"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "src"), "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        command,
        input="\n".join(said),
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env=environment,
        timeout=60,
    )
    assert [line.removeprefix("agent: ") for line in done.stdout.splitlines()] == [
        "Luigi's, good evening. What can I do for you?",
        "I can take a booking. Which day and time would suit you?",
        "A table is booked for you, Friday at seven. Is there anything else?",
        "I can take a booking. Which day and time would suit you?",
        "I am sorry, that is not possible. Which other day and time would suit you?",
        "Thank you for calling. Goodbye!",
    ]
    assert not done.stderr


def test_every_example_is_tested() -> None:
    served = {"open_client.py", "booking_agent.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == {name for name, _ in SAYS} | {"make_sample.py"} | served


def test_the_bundled_sample_is_what_its_program_makes() -> None:
    with wave.open(str(EXAMPLES / "sample.wav")) as file:
        assert file.getparams()[:4] == (1, 2, 24000, 24000)
        bundled = np.frombuffer(file.readframes(24000), "<i2").astype(int)
    made = np.frombuffer(runpy.run_path(str(EXAMPLES / "make_sample.py"))["sample"](), "<i2")
    assert np.abs(bundled - made).max() <= 1  # sines differ in their last bit between machines
