"""The command line itself."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trunkline.cli.main import COMMANDS, app

HEAVY = {"numpy", "onnxruntime", "fastapi", "uvicorn", "picows", "pydantic", "soundfile"}


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    assert CliRunner().invoke(app, [name, "--help"]).exit_code == 0


def test_a_paragraph_of_help_breaks_at_the_terminals_edge_alone() -> None:
    said = CliRunner().invoke(app, ["call", "--help"], env={"COLUMNS": "80"}).output
    begin = said.index("The telephone takes")
    paragraph = said[begin : said.index("╭")].strip().splitlines()
    assert len(paragraph) > 3
    assert all(len(line.strip()) > 60 for line in paragraph[:-1])


def test_help_loads_nothing_heavy() -> None:
    program = "import sys, trunkline.cli.main; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_an_error_of_ours_is_one_line_and_exit_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["serve", "--agent", "ehco", "--port", "0"])
    assert result.exit_code == 2
    assert result.stderr.startswith("trunkline: 'ehco' is not an agent: choose one of ")
    assert result.stderr.count("\n") == 1


def test_a_misspelt_command_is_told_so() -> None:
    assert CliRunner().invoke(app, ["srve"]).exit_code == 2


def test_version_is_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda package: f"1.2.3 of {package}")
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.stdout) == (0, "trunkline 1.2.3 of trunkline\n")
