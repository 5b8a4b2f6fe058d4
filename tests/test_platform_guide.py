"""The page about platforms, and the command that tells the same for one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from trunkline import registry
from trunkline.cli.main import app
from trunkline.wire._guide import page

PAGE = Path(__file__).parent.parent / "docs" / "platforms.md"
SPECS = [registry.load("wire", name).spec for name in registry.names("wire")]


def test_the_page_is_what_the_platforms_say_of_themselves() -> None:
    assert PAGE.read_text() == page(SPECS), "make it anew: trunkline doctor --platform all > docs/platforms.md"


@pytest.mark.parametrize("name", registry.names("wire"))
def test_the_doctor_tells_the_addresses_and_the_setting_that_is_missing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUNKLINE_PUBLIC_URL", "https://calls.example.net")
    spec = registry.load("wire", name).spec
    setting = f"{name.upper()}_{spec.secret.upper()}"
    monkeypatch.delenv(setting, raising=False)
    bare = CliRunner().invoke(app, ["doctor", "--platform", name])
    assert bare.exit_code == 1
    assert f"{setting} is not set" in bare.output
    assert "https://calls.example.net/" in bare.output
    monkeypatch.setenv(setting, "s3cr3t-" * 6)
    ready = CliRunner().invoke(app, ["doctor", "--platform", name])
    assert ready.exit_code == 0, ready.output
    assert "s3cr3t" not in ready.output


@pytest.mark.parametrize(
    "arguments",
    [["call.wav", "--platform", "twilio"], ["--platform", "twilio", "--provider", "echo"], ["--platform", "nobody"]],
)
def test_what_the_doctor_cannot_do_is_said(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["doctor", *arguments])
    assert done.exit_code == 2
