"""Where settings come from, which one wins, and what is said of a bad one."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.registry import names
from trunkline.wire.base import WireSpec


class AcmeSettings(msgspec.Struct, frozen=True):
    auth_token: str = ""
    retries: int = 3
    regions: tuple[str, ...] = ()
    strict: bool = True


class Limits(msgspec.Struct, frozen=True):
    lead_ms: float | None = None
    budgets: dict[str, int] = {}
    record: bool = False


# The settings of a platform that exists, so that trunkline.toml may have a table of its name.
ACME = WireSpec(name="twilio", title="Acme", media_path="/media/acme", settings=AcmeSettings)
SECRET = "s3cret-token"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those a test makes."""
    monkeypatch.chdir(tmp_path)
    import os

    for name in os.environ:
        if name.startswith(("TRUNKLINE_", "TWILIO_")):
            monkeypatch.delenv(name)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets ``env`` (a dict), ``.env`` and ``trunkline.toml`` (texts)."""

    def give(env: Any = None, dotenv: Any = "", toml: Any = "") -> None:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        (tmp_path / ".env").write_text(dotenv)
        (tmp_path / "trunkline.toml").write_text(toml)

    return give


def test_without_any_setting_it_listens_on_loopback_and_is_closed() -> None:
    config = Config.load()
    assert (config.host, config.port, config.insecure, config.record_dir) == ("127.0.0.1", 8080, False, None)
    assert config.base_url(8080) == "http://127.0.0.1:8080"


@pytest.mark.parametrize(
    ("typed", "env", "dotenv", "toml", "port"),
    [
        (1, "2", "TRUNKLINE_PORT=3", "port = 4", 1),
        (None, "2", "TRUNKLINE_PORT=3", "port = 4", 2),
        (None, None, "TRUNKLINE_PORT=3", "port = 4", 3),
        (None, None, "", "port = 4", 4),
        (None, "", "", "port = 4", 4),
        (None, None, "", "", 8080),
    ],
    ids=["command line", "environment", ".env", "file", "an empty variable is none", "default"],
)
def test_the_nearer_source_wins(given: Any, typed: Any, env: Any, dotenv: Any, toml: Any, port: int) -> None:
    given({} if env is None else {"TRUNKLINE_PORT": env}, dotenv, toml)
    assert Config.load(port=typed).port == port


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Config.load().port = 1


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (
            {"env": {"TRUNKLINE_PORT": "eighty"}},
            "TRUNKLINE_PORT from the environment can't be used: input should be a valid integer, "
            "unable to parse string as an integer",
        ),
        (
            {"dotenv": "TRUNKLINE_MAX_CALLS=0"},
            "TRUNKLINE_MAX_CALLS from .env can't be used: input should be greater than or equal to 1",
        ),
        (
            {"toml": "log_format = 'xml'"},
            "TRUNKLINE_LOG_FORMAT from trunkline.toml can't be used: input should be 'console' or 'json'",
        ),
        (
            {"env": {"TRUNKLINE_PUBLIC_URL": "gw.example.org"}},
            "TRUNKLINE_PUBLIC_URL from the environment can't be used: it should begin with https://",
        ),
        ({"toml": "port = \n"}, "trunkline.toml is not valid TOML (at line 1, column 8)"),
        (
            {"toml": "[twilo]\nauth_token = 'x'"},
            "trunkline.toml has a table [twilo]: choose one of "
            + ", ".join(sorted(["call", *names("wire"), *names("ai.providers")])),
        ),
        (
            {"env": {"TRUNKLINE_INSECURE": "1"}},
            "insecure has to be typed each time (--insecure): no file or variable may set it",
        ),
    ],
    ids=["no number", "too small", "not a choice", "no URL", "no TOML", "misspelt table", "insecure"],
)
def test_a_bad_setting_is_one_sentence_that_names_it_and_its_source(given: Any, sources: Any, sentence: str) -> None:
    given(**sources)
    with pytest.raises(ConfigError) as error:
        Config.load()
    assert str(error.value) == sentence


def test_a_file_of_settings_that_cannot_be_read_is_one_sentence(given: Any, tmp_path: Path) -> None:
    given()
    (tmp_path / ".env").write_bytes(b"TRUNKLINE_PORT=\xff")
    with pytest.raises(ConfigError, match=r"^\.env is not UTF-8 text$"):
        Config.load()
    given()
    (tmp_path / "trunkline.toml").unlink()
    (tmp_path / "trunkline.toml").mkdir()
    with pytest.raises(ConfigError, match=r"^trunkline\.toml can't be read: Is a directory$"):
        Config.load()


def test_a_misspelt_name_in_the_file_is_told_with_the_choices(given: Any) -> None:
    given(toml="prot = 1")
    with pytest.raises(ConfigError, match=r"trunkline.toml sets 'prot': choose one of host, port"):
        Config.load()


def test_a_misspelt_override_is_told_with_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"no setting 'prot': choose one of host, port"):
        Config.load(prot=1)


@pytest.mark.parametrize(
    ("settings", "base"),
    [
        ({"port": 0}, "http://127.0.0.1:5000"),
        ({"host": "::1"}, "http://[::1]:5000"),
        ({"public_url": "https://gw.example.org/"}, "https://gw.example.org"),
        ({"host": "0.0.0.0", "public_url": "https://gw.example.org/calls"}, "https://gw.example.org/calls"),  # noqa: S104
        ({"host": "0.0.0.0", "public_url": "http://gateway", "insecure": True}, "http://gateway"),  # noqa: S104
    ],
)
def test_the_public_address_is_what_was_configured(settings: Any, base: Any) -> None:
    assert Config.load(**settings).base_url(5000) == base


@pytest.mark.parametrize(
    ("settings", "told"),
    [({}, "TRUNKLINE_PUBLIC_URL is not set"), ({"public_url": "http://gw.example.org"}, "should begin with https://")],
)
def test_listening_to_the_world_takes_a_public_address(settings: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Config.load(host="0.0.0.0", **settings).base_url(8080)  # noqa: S104


def test_a_platforms_settings_come_from_the_same_places(given: Any) -> None:
    given(
        {"TWILIO_AUTH_TOKEN": SECRET},
        "TWILIO_AUTH_TOKEN=weaker\nTWILIO_RETRIES=5",
        "[twilio]\nauth_token = 'weakest'\nretries = 9\nregions = ['ie1', 'us1']\nstrict = false",
    )
    assert Config.load().platform(ACME) == AcmeSettings(SECRET, 5, ("ie1", "us1"), False)


@pytest.mark.parametrize(("text", "value"), [("0", False), ("false", False), ("1", True), ("true", True)])
def test_text_becomes_what_the_field_is(given: Any, text: str, value: Any) -> None:
    given({"TWILIO_STRICT": text, "TWILIO_REGIONS": '["a", "b"]'})
    assert Config.load().platform(ACME) == AcmeSettings(strict=value, regions=("a", "b"))


@pytest.mark.parametrize(
    ("sources", "sentence"),
    [
        (
            {"env": {"TWILIO_RETRIES": SECRET}},
            "TWILIO_RETRIES from the environment can't be used: it should be of the type int",
        ),
        (
            {"toml": f"[twilio]\nauth_token = ['{SECRET}']"},
            "TWILIO_AUTH_TOKEN from trunkline.toml can't be used: it should be of the type str",
        ),
        (
            {"toml": f"[twilio]\nauth_tokn = '{SECRET}'"},
            "trunkline.toml sets 'auth_tokn' in [twilio]: choose one of auth_token, retries, regions, strict",
        ),
    ],
    ids=["no number", "no text", "misspelt"],
)
def test_a_bad_platform_setting_is_named_and_its_value_is_not(given: Any, sources: Any, sentence: str) -> None:
    given(**sources)
    with pytest.raises(ConfigError) as error:
        Config.load().platform(ACME)
    assert str(error.value) == sentence
    assert SECRET not in str(error.value)


def test_no_representation_shows_a_secret(given: Any) -> None:
    given({"TWILIO_AUTH_TOKEN": SECRET}, f"TWILIO_API_SECRET={SECRET}", f"[twilio]\nsigning_secret = '{SECRET}'")
    config = Config.load()
    assert SECRET not in f"{config!r} {config} {config.model_dump()} {config.model_dump_json()}"


def test_a_calls_settings_are_a_section_too(given: Any) -> None:
    given({"TRUNKLINE_CALL_LEAD_MS": "150"}, toml="[call]\nbudgets = {stt = 300}")
    assert Config.load().section("call", Limits, record=True) == Limits(150, {"stt": 300}, True)


def test_every_setting_is_documented() -> None:
    assert all(field.description for field in Config.model_fields.values())
