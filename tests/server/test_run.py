"""The process: signals, and what it says when it can't start."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import trunkline
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.server.run import bind

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("TRUNKLINE_", "TWILIO_"))}
CLEAN["PYTHONPATH"] = str(Path(trunkline.__file__).parents[1])  # the process runs in another folder


@contextmanager
def process(folder: Path, *arguments: Any, **settings: Any) -> Iterator[Any]:
    """``trunkline serve`` on a free port; gives the process and its address."""
    command = [sys.executable, "-m", "trunkline", "serve", "--agent", "echo", "--port", "0", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=CLEAN | settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        try:
            assert running.stdout is not None
            yield running, running.stdout.readline().rpartition(" ")[2].strip()
        finally:
            running.kill()


def a_call(base: Any) -> Any:
    return connect(base.replace("http", "ws") + "/media/twilio")


def refused_with(base: Any) -> Any:
    """The status a new media socket is refused with."""
    with pytest.raises(InvalidStatus) as refused:
        a_call(base)
    return refused.value.response.status_code


def test_a_stop_signal_refuses_new_calls_lets_running_ones_finish_and_exits_0(tmp_path: Path) -> None:
    with process(tmp_path, "--insecure") as (running, base):
        with a_call(base), httpx.Client(base_url=base) as http:
            assert http.get("/ready").json() == {"state": "ready", "active_calls": 1, "max_calls": 1000}
            running.send_signal(signal.SIGTERM)
            while (reply := http.get("/ready")).status_code == 200:
                pass
            assert reply.json()["state"] == "draining"
            assert refused_with(base) == 503
            assert http.get("/live").status_code == 200
            assert running.poll() is None
        assert running.wait(10) == 0


def test_calls_left_at_the_deadline_are_ended_and_insecure_was_said_loudly(tmp_path: Path) -> None:
    with process(tmp_path, "--insecure", TRUNKLINE_DRAIN_SECONDS="0") as (running, base), a_call(base) as phone:
        running.send_signal(signal.SIGINT)
        with pytest.raises(ConnectionClosed) as closed:
            phone.recv(timeout=10)
        assert closed.value.rcvd is not None  # told, not cut
        _, log = running.communicate(timeout=10)
    assert running.returncode == 0
    assert "INSECURE" in log


def test_a_second_signal_cuts_the_calls_at_once(tmp_path: Path) -> None:
    with process(tmp_path, "--insecure", TRUNKLINE_DRAIN_SECONDS="600") as (running, base), a_call(base) as phone:
        running.send_signal(signal.SIGTERM)
        while httpx.get(base + "/ready").status_code == 200:
            pass
        running.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            phone.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001
        assert running.wait(10) == 0


def test_without_a_token_twilio_is_refused_and_the_log_names_the_setting(tmp_path: Path) -> None:
    with process(tmp_path) as (running, base):
        assert httpx.post(base + "/hooks/twilio/voice").status_code == 403
        assert refused_with(base) == 403
        running.send_signal(signal.SIGTERM)
        _, log = running.communicate(timeout=10)
    lines = [line for line in log.splitlines() if "refused" in line]
    assert len(lines) == 2
    assert all("TWILIO_AUTH_TOKEN" in line for line in lines)


def test_a_port_that_is_taken_is_one_clear_line() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError) as error:
            bind(Config.load(port=port))
    assert str(error.value) == f"can't listen on 127.0.0.1 port {port}: Address already in use"
