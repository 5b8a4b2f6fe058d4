"""Which agent and settings ``trunkline serve`` starts with. That it serves is in ``tests/server/test_run.py``."""

import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from trunkline.cli._application import read
from trunkline.cli.main import app
from trunkline.errors import ConfigError


@pytest.fixture
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes ``app.py``; returns its path."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def write(text: str) -> Any:
        (tmp_path / "app.py").write_text("from trunkline import Agent, serve, tool\n" + text)
        return tmp_path / "app.py"

    return write


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What would have been served, by ``trunkline serve``."""
    started = []
    monkeypatch.setattr("trunkline.server.run.run", lambda config, agent, on_ready: started.append((config, agent)))
    return started


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("agent = Agent('Hello.')", {}),
        ("agent = also = Agent('Hello.')", {}),
        ("serve(Agent('Hello.'), port=9)", {"port": 9}),
        ("if __name__ == '__main__':\n    serve(Agent('Hello.'))", {}),
        ("unused = Agent('Bye.')\nserve(Agent('Hello.'))", {}),
    ],
    ids=["an agent", "one agent, two names", "a call of serve", "guarded", "the served one counts"],
)
def test_an_application_makes_an_agent_or_serves_one(application: Any, text: str, settings: Any) -> None:
    found = read(application(text))
    assert (found.agent.instructions, found.settings) == ("Hello.", settings)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "makes none"),
        ("a, b = Agent('A'), Agent('B')", "makes 2"),
        ("serve(Agent('A'))\nserve(Agent('B'))", "calls serve more than once"),
    ],
)
def test_an_application_that_is_not_clear_is_told_so(application: Any, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        read(application(text))


def test_an_application_may_import_its_neighbours(application: Any, tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_app.py").write_text("GREETING = 'Hello.'")
    assert (
        read(application("from neighbour_of_app import GREETING\na = Agent(GREETING)")).agent.instructions == "Hello."
    )


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("def x(:", "SyntaxError: invalid syntax"),
        ("import nonesuch_of_app", "ModuleNotFoundError: No module named 'nonesuch_of_app'"),
        ("def make():\n    return Agent('x', modl='local')\nmake()", "unexpected keyword argument 'modl'"),
    ],
)
def test_an_application_that_fails_is_shown_its_own_lines_and_none_of_ours(
    application: Any, text: str, last: str
) -> None:
    path = application(text)
    with pytest.raises(ConfigError) as failed:
        read(path)
    told = str(failed.value).splitlines()
    assert told[0] == f"{path} can't be run:"
    assert told[-1].endswith(last)
    assert all(str(path) in line for line in told if line.startswith("  File "))


def test_what_an_application_is_told_by_us_stays_a_sentence(application: Any) -> None:
    with pytest.raises(ConfigError, match=r"^a sentence$"):
        read(application("from trunkline.errors import ConfigError\nraise ConfigError('a sentence')"))


def test_a_file_that_is_not_there_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        read(tmp_path / "nothing.py")


def test_what_is_typed_wins_over_the_application(application: Any, served: Any) -> None:
    path = application("serve(Agent('Hello.', model='local'), port=9, max_calls=7)")
    result = CliRunner().invoke(app, ["serve", str(path), "--agent", "echo", "--port", "10", "--record", "calls"])
    assert result.exit_code == 0, result.output
    ((config, agent),) = served
    assert (config.agent, config.port, config.max_calls, str(config.record_dir)) == ("echo", 10, 7, "calls")
    assert agent.instructions == "Hello."
    assert not config.insecure


def test_insecure_must_be_typed_and_is_warned_of(application: Any, served: Any) -> None:
    application("")
    result = CliRunner().invoke(app, ["serve", "--insecure"])
    assert "INSECURE" in result.stderr
    assert served[0][0].insecure


@pytest.mark.parametrize("secret", ["", "0123456789abcdef"])
def test_a_gateway_that_lets_nobody_in_says_so(secret: str, application: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    application("")
    monkeypatch.setattr("trunkline.server.run.run", lambda config, agent, on_ready: on_ready("http://127.0.0.1:1"))
    for name in ("AUDIOCODES_AUTH_TOKEN", "RINGCENTRAL_VERIFICATION_TOKEN", "RTP_AUTH_TOKEN", "TWILIO_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("VONAGE_SIGNATURE_SECRET", raising=False)
    monkeypatch.setenv("OPEN_TOKEN", secret)
    result = CliRunner().invoke(app, ["serve"])
    assert result.stdout == "Trunkline answers calls at http://127.0.0.1:1\n"
    assert ("nobody is let in" in result.stderr) is (not secret)
