"""The one TLS context: read once, before the first call, and trusted by HTTP and sockets alike."""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from survival import PARTS, VENDORS
from tls_door import behind_tls
from vendor_calls import Kept, Vendor, talking
from voices import Tone

from trunkline.ai.agent import Agent
from trunkline.ai.http import client, tls
from trunkline.ai.keys import KeyAnswer, ask
from trunkline.config import Config
from trunkline.server.compose import compose
from trunkline.testing.standins import play, standing_in

DEEPGRAM = Vendor("deepgram")


def paths(folder: str | None) -> ssl.DefaultVerifyPaths:
    """Where a system keeps certificates that has no file of them."""
    given: Any = (None, folder, "", "", "", "")
    return ssl.DefaultVerifyPaths(*given)


@pytest.fixture(autouse=True)
def _read_anew() -> Iterator[None]:
    tls.cache_clear()
    yield
    tls.cache_clear()


def test_the_certificates_are_read_once_and_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    made, make = [], ssl.create_default_context

    def counted(*given: Any, **more: Any) -> ssl.SSLContext:
        made.append(make(*given, **more))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", counted)

    async def start() -> None:
        async with AsyncExitStack() as stack:
            config = Config.load(host="127.0.0.1", port=0)
            there = await stack.enter_async_context(standing_in(play(), names=VENDORS))
            for vendor in VENDORS:
                config = config.with_provider(vendor, **there.settings(vendor))
            chosen: Any = PARTS
            async with compose(config, Agent("", **chosen), port=1):
                assert made == [tls()]
                await client().aclose()
        assert made == [tls()]

    asyncio.run(start())


@pytest.mark.parametrize("transport", ["websocket", "rest"])
def test_who_is_trusted_over_http_is_trusted_on_a_socket(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def speak() -> Kept:
        there = play(voice=Tone(), voice_ms=10, speed=40)
        async with DEEPGRAM.standing_in(there) as upstream, behind_tls(upstream, tmp_path) as (base_url, certificate):
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
            given = DEEPGRAM.settings(base_url, "aura-2-thalia-en", tts_transport=transport)
            assert await ask(DEEPGRAM.provider.key_question(given.own)) is KeyAnswer.ACCEPTED
            async with talking(DEEPGRAM.provider.tts(given)) as (kept, session, _):
                session.say("Hello.", 1)
                session.finish(1)
                await kept.until(lambda: kept.ended(1))
            return kept

    assert asyncio.run(speak()).audio(1)


def test_a_vendor_whom_nobody_vouches_for_is_not_talked_to(tmp_path: Path) -> None:
    async def try_key() -> KeyAnswer:
        async with DEEPGRAM.standing_in(play()) as upstream, behind_tls(upstream, tmp_path) as (base_url, _):
            return await ask(DEEPGRAM.provider.key_question(DEEPGRAM.settings(base_url, "nova-3").own))

    assert asyncio.run(try_key()) is KeyAnswer.UNREACHABLE


def test_a_system_without_certificates_trusts_those_of_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths(None))
    assert tls().cert_store_stats()["x509_ca"] > 0


def test_a_folder_of_certificates_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "5ed36f99.0").touch()
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths(str(tmp_path)))
    assert tls().cert_store_stats()["x509_ca"] == 0
