from pathlib import Path

import pytest
from typer.testing import CliRunner

from trunkline.cli.main import app


@pytest.mark.parametrize("named", [[], ["silero"]])
def test_a_model_that_is_here_is_not_fetched(named: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trunkline.ai.models.find_silero", lambda folder: tmp_path / "here.onnx")
    result = CliRunner().invoke(app, ["models", *named])
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'here.onnx'}\n")


def test_a_model_that_is_not_here_is_fetched_into_the_configured_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUNKLINE_MODELS_DIR", "models")
    monkeypatch.setattr("trunkline.ai.models.find_silero", lambda folder: None)
    monkeypatch.setattr("trunkline.ai.models.fetch_silero", lambda folder: folder / "fetched.onnx")
    result = CliRunner().invoke(app, ["models"])
    assert (result.exit_code, result.stdout) == (0, "models/fetched.onnx\n")
