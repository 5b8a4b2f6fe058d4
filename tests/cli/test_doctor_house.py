"""``trunkline doctor`` on the installation itself."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from trunkline import registry
from trunkline.ai.base import ProviderSpec
from trunkline.ai.keys import KeyQuestion
from trunkline.cli.main import app


class OwnSettings(msgspec.Struct, frozen=True):
    api_key: str = ""
    base_url: str = "http://127.0.0.1:9"


class Acme:
    spec = ProviderSpec(
        "acme",
        "Acme Speech",
        OwnSettings,
        key="api_key",
        key_from="https://acme.example/keys",
        offline='stt="local"',
        models=("one", "two"),
        about="Hears.",
    )

    def stt(self, settings: Any) -> Any: ...

    def key_question(self, own: OwnSettings) -> KeyQuestion:
        return KeyQuestion(f"{own.base_url}/models", {"Authorization": own.api_key})


@pytest.fixture(autouse=True)
def _acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider beside the real ones, in an empty folder and with no settings."""
    load, names = registry.load, registry.names
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "names", lambda room: ["acme"] if room == "ai.providers" else names(room))
    monkeypatch.setattr(registry, "load", lambda room, name: Acme() if name == "acme" else load(room, name))


def doctor(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *arguments])
    return result.exit_code, result.output


def findings(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    code, said = doctor(*arguments, "--json")
    return code, {one["what"]: one for one in json.loads(said)}


def test_what_is_missing_is_named_with_where_to_get_it_and_what_does_without() -> None:
    code, found = findings()
    assert code == 0, "nothing that is set is of no use"
    assert found["provider acme"] == {
        "what": "provider acme",
        "state": "missing",
        "note": 'ACME_API_KEY is not set: get one at https://acme.example/keys; offline instead: stt="local"',
    }
    assert found["platform twilio"]["state"] == "missing"
    assert "TWILIO_AUTH_TOKEN" in found["platform twilio"]["note"]
    assert found["public address"]["state"] == "missing"


def test_a_key_is_tried_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_KEY", "s3cr3t")
    code, found = findings()
    assert (code, found["provider acme"]["state"]) == (1, "bad")
    assert "not reachable" in found["provider acme"]["note"]
    assert "s3cr3t" not in str(found)


def test_a_person_gets_a_table() -> None:
    code, said = doctor()
    assert code == 0
    assert "provider acme" in said
    assert "espeak-ng" in said


def test_one_provider() -> None:
    code, said = doctor("--provider", "acme")
    assert code == 1
    assert said.startswith("provider acme: missing. ACME_API_KEY is not set")


def test_a_provider_nobody_knows() -> None:
    code, said = doctor("--provider", "amce")
    assert code == 2
    assert "choose one of acme" in said


def test_the_page_of_all_providers() -> None:
    code, said = doctor("--provider", "all")
    assert code == 0
    assert "| [acme](#acme) |  | yes |  |  |  | `ACME_API_KEY` |  |" in said
    assert "`one`, `two`" in said
    assert "| `ACME_BASE_URL` | `http://127.0.0.1:9` |" in said
