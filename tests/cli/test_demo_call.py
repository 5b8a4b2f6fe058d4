"""The demonstration's call, where it goes wrong: what it is like when it goes well, the program itself shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from trunkline.cli import _demo_call
from trunkline.errors import ConfigError, TrunklineError
from trunkline.testing import sounds


def test_a_gateway_that_does_not_stop_ends_the_demonstration_with_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[str] = []

    @asynccontextmanager
    async def running(*_: Any, keep: Any, **__: Any) -> AsyncIterator[Any]:
        keep(SimpleNamespace(recording="call.wav"))
        yield SimpleNamespace(gateway=SimpleNamespace(base_url="http://127.0.0.1:1"))
        left.append("the call")
        await asyncio.Event().wait()

    async def place(*_: Any, **__: Any) -> None:
        return None

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trunkline.logs.configure", lambda **_: None)
    monkeypatch.setattr(sounds, "speak", lambda text, wire: wire.silence(10))
    monkeypatch.setattr(_demo_call, "running", running)
    monkeypatch.setattr(_demo_call, "place", place)
    monkeypatch.setattr(_demo_call, "WHOLE_S", 0.2)
    with pytest.raises(TrunklineError, match=r"not over after 0\.2 s"):
        _demo_call.hold("twilio", "local", tmp_path, Console(quiet=True))
    assert left == ["the call"]


@pytest.mark.parametrize("model", ["echo", "deepgram/flux-general-en", "ehco", "openai/gpt-realtime,echo"])
def test_who_cannot_be_demonstrated_is_told_who_can(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("trunkline.logs.configure", lambda **_: None)
    monkeypatch.setattr(sounds, "speak", lambda text, wire: wire.silence(10))
    with pytest.raises(ConfigError, match=r"can't be demonstrated: choose one of local, cascade, gemini/…, openai/…$"):
        _demo_call.hold("twilio", model, tmp_path, Console(quiet=True))
