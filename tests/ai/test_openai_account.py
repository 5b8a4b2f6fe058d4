"""Where an account is, how it lets us in, and what its refusals mean."""

import asyncio
import json

import msgspec
import pytest

from trunkline.ai.base import AgentProvider, AgentSettings
from trunkline.ai.keys import KeyedProvider
from trunkline.ai.providers import _openai_account as account
from trunkline.ai.providers.openai import PROVIDER
from trunkline.ai.standin import WRONG_KEY, StandInProvider
from trunkline.ai.tools import tool
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_16K, PCM16_24K
from trunkline.config import Config
from trunkline.errors import ConfigError
from trunkline.testing.standins import play, standing_in

Settings = account.OpenAISettings


def test_the_vendors_own_addresses() -> None:
    own = Settings(api_key="sk-1")
    address = account.socket_address(own, "/realtime", model="gpt-realtime-2.1")
    assert address.url == "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
    assert address.headers == {"Authorization": "Bearer sk-1"}
    assert "OpenAI-Beta" not in address.headers
    assert account.key_question(own).url == "https://api.openai.com/v1/models"


def test_an_azure_account_is_a_matter_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "az-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://acme.openai.azure.com/openai/v1/")
    monkeypatch.setenv("OPENAI_AUTH_HEADER", "api-key")
    monkeypatch.setenv("OPENAI_QUERY", '{"api-version": "preview"}')
    own = Config.load().provider(PROVIDER.spec)
    address = account.socket_address(own, "/realtime", model="my deployment")
    assert address.url == ("wss://acme.openai.azure.com/openai/v1/realtime?model=my+deployment&api-version=preview")
    assert address.headers == {"api-key": "az-1"}


def test_a_key_of_several_organizations() -> None:
    own = Settings(api_key="sk-1", organization="org-1", project="proj-1")
    assert account.headers(own) == {
        "Authorization": "Bearer sk-1",
        "OpenAI-Organization": "org-1",
        "OpenAI-Project": "proj-1",
    }


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (401, "invalid_api_key", "bad key"),
        (403, None, "bad key"),
        (404, "model_not_found", "our fault"),
        (429, "rate_limit_exceeded", "rate limit"),
        (429, "insufficient_quota", "quota"),
        (429, None, "rate limit"),
        (500, "server_error", "transient"),
    ],
)
def test_a_refused_upgrade(status: int, code: str | None, fault: str) -> None:
    body = json.dumps({"error": {"message": "secret words", "type": "x", "code": code}}).encode()
    error = account.refused(status, {"retry-after": "1"}, body)
    assert (error.fault, error.retry_after_s) == (fault, 1.0)
    assert "secret" not in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":"no"}', b"\xff", b'{"error":{"code":7}}'])
def test_a_refusal_in_no_form_of_the_vendors(body: bytes) -> None:
    assert account.refused(503, {}, body).fault == "transient"


@pytest.mark.parametrize(
    ("code", "reason", "fault"),
    [
        (1000, "", "transient"),
        (1001, "maximum duration of 60 minutes", "transient"),
        (1006, "", "transient"),
        (1013, "", "rate limit"),
        (3000, "invalid_request_error.invalid_api_key", "bad key"),
        (4000, "beta", "our fault"),
        (4000, "invalid_request_error.beta_api_shape_disabled", "our fault"),
    ],
)
def test_a_close(code: int, reason: str, fault: str) -> None:
    assert account.closed(code, reason).fault == fault


def test_an_error_without_a_name_may_pass() -> None:
    assert account.failed(None).fault == "transient"
    assert account.failed("something new", "something_error").fault == "transient"
    assert "‹" not in str(account.failed("a\nb" * 90))
    assert "\n" not in str(account.failed("a\nb" * 90))


@pytest.mark.parametrize(
    ("asked", "model"),
    [
        ("", "gpt-realtime-2.1"),
        ("gpt-realtime", "gpt-realtime-2.1"),
        ("gpt-realtime-mini", "gpt-realtime-2.1-mini"),
        ("gpt-realtime-1.5", "gpt-realtime-1.5"),
        ("gpt-live-1", "gpt-live-1"),
        ("tomorrows-model", "tomorrows-model"),
    ],
)
def test_models_are_configuration(asked: str, model: str) -> None:
    assert PROVIDER.agent(AgentSettings(model=asked)).name == f"openai/{model}"


def test_a_deployment_may_have_any_name() -> None:
    own = Settings(base_url="https://acme.openai.azure.com/openai/v1")
    assert PROVIDER.agent(AgentSettings(model="gpt-realtime", own=own)).name == "openai/gpt-realtime"
    assert PROVIDER.agent(AgentSettings(own=own)).name == "openai/gpt-realtime-2.1"


def test_phones_of_g711_are_heard_as_they_are() -> None:
    for model in ("", "gpt-live-1"):
        agent = PROVIDER.agent(AgentSettings(model=model))
        assert {MULAW_8K, ALAW_8K, PCM16_24K} <= set(agent.hears)
        assert agent.hears == agent.speaks
        assert agent.hears[0] == PCM16_24K, "a wide-band phone is not narrowed"
    assert PCM16_16K in PROVIDER.agent(AgentSettings(model="gpt-live-1")).hears


def test_two_tools_of_one_name_stop_the_start() -> None:
    @tool
    def hang_up() -> str:
        """Ours."""
        return ""

    with pytest.raises(ConfigError, match="two tools"):
        PROVIDER.agent(AgentSettings(tools=(hang_up,)))


def test_the_key_is_tried_before_the_first_call() -> None:
    async def story() -> None:
        async with standing_in(play(), names=["openai"]) as vendors:
            own = Settings(**vendors.settings("openai"))
            await PROVIDER.agent(AgentSettings(own=own)).warm_up()
            wrong = msgspec.structs.replace(own, api_key=WRONG_KEY)
            with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
                await PROVIDER.agent(AgentSettings(own=wrong)).warm_up()
            azure = msgspec.structs.replace(own, auth_header="api-key")
            await PROVIDER.agent(AgentSettings(own=azure)).warm_up()

    asyncio.run(story())


def test_the_provider_is_what_others_take_it_for() -> None:
    assert isinstance(PROVIDER, AgentProvider)
    assert isinstance(PROVIDER, KeyedProvider)
    assert isinstance(PROVIDER, StandInProvider)
    assert "60 minutes" in PROVIDER.spec.about
