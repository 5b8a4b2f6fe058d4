"""Whether a vendor takes the key."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from trunkline.ai.base import ProviderSpec
from trunkline.ai.keys import KeyAnswer, KeyQuestion, ask, check_key
from trunkline.errors import ConfigError

ACME = ProviderSpec(name="acme", title="Acme", key="api_key", key_from="https://acme.example/keys")


class Vendor(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        key = self.headers["Authorization"]
        self.send_response({"good": 200, "bad": 401, "limited": 429, "forbidden": 403}.get(key, 500))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Vendor) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/models"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("good", KeyAnswer.ACCEPTED),
        ("limited", KeyAnswer.ACCEPTED),
        ("bad", KeyAnswer.REFUSED),
        ("forbidden", KeyAnswer.REFUSED),
        ("broken", KeyAnswer.UNREACHABLE),
    ],
)
def test_what_a_vendor_answers(url: str, key: str, answer: KeyAnswer) -> None:
    assert asyncio.run(ask(KeyQuestion(url, {"Authorization": key}))) is answer


def test_a_vendor_may_refuse_in_another_way(url: str) -> None:
    question = KeyQuestion(url, {"Authorization": "limited"}, refusals=(429,))
    assert asyncio.run(ask(question)) is KeyAnswer.REFUSED
    with pytest.raises(ConfigError, match="refuses the key in ACME_API_KEY"):
        asyncio.run(check_key(ACME, question))


@pytest.mark.parametrize("nowhere", ["http://127.0.0.1:9/", "not a URL", "http://[::1/"])
def test_nobody_there(nowhere: str) -> None:
    assert asyncio.run(ask(KeyQuestion(nowhere))) is KeyAnswer.UNREACHABLE


def test_a_refused_key_is_one_sentence_without_the_key(url: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        asyncio.run(check_key(ACME, KeyQuestion(url, {"Authorization": "bad"})))
    assert str(refusal.value) == "Acme refuses the key in ACME_API_KEY: get another one at https://acme.example/keys"


def test_a_key_that_cannot_be_checked_stops_nothing() -> None:
    asyncio.run(check_key(ACME, KeyQuestion("http://127.0.0.1:9/")))


def test_a_question_shows_no_key() -> None:
    assert "secret" not in repr(KeyQuestion("https://acme.example", {"Authorization": "secret"}))
