"""A call that loses its socket and goes on over another, on real sockets and in real time."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from trunkline import registry
from trunkline.ai.agent import Agent
from trunkline.ai.base import CallFacts, Emit
from trunkline.ai.events import AgentCommand, CallAnswered, ReplyAudio, ReplyEnded, ReplyStarted, ReplyText
from trunkline.audio.format import PCM16_16K, AudioFormat
from trunkline.call.session import CallSession
from trunkline.call.state import CallState
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.testing.call import place
from trunkline.testing.facts import SocketBack, SocketLost
from trunkline.testing.phone import Phone
from trunkline.testing.script import HangUp, WaitForQuiet
from trunkline.testing.sounds import murmur
from trunkline.wire.base import Platform

AUDIOCODES: Platform = registry.load("wire", "audiocodes")
STORY = murmur(PCM16_16K, 2500, seed=3)
ID = "c0ffee00-0000-4000-8000-000000000001"
INITIATE = {
    "type": "session.initiate",
    "conversationId": ID,
    "expectAudioMessages": True,
    "supportedMediaFormats": ["raw/lpcm16"],
}
RESUME = {"type": "session.resume", "conversationId": ID}
USER_START = {"type": "userStream.start", "conversationId": ID}
END = {"type": "session.end", "conversationId": ID, "reasonCode": "client-disconnected", "reason": "Client Side"}


@pytest.fixture(autouse=True)
def _no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class Storyteller:
    """Model and session in one: it tells one story, all of it at once."""

    name = "storyteller"
    hears: tuple[AudioFormat, ...] = (PCM16_16K,)
    speaks: tuple[AudioFormat, ...] = (PCM16_16K,)

    def __init__(self) -> None:
        self.opened = 0

    def open(self, facts: CallFacts, *, hears: AudioFormat, speaks: AudioFormat, emit: Emit) -> "Storyteller":
        self.opened += 1
        self._emit = emit
        return self

    def hear(self, audio: bytes, now: float) -> None: ...

    def tell(self, command: AgentCommand, now: float) -> None:
        if isinstance(command, CallAnswered):
            for event in (ReplyStarted(1), ReplyText("once", 1), ReplyAudio(STORY, 1), ReplyEnded(1)):
                self._emit(event)

    async def run(self) -> None:
        await asyncio.Event().wait()

    async def warm_up(self) -> None: ...

    async def close(self) -> None: ...


def test_a_call_whose_socket_breaks_in_the_midst_of_a_word_is_one_call(tmp_path: Path) -> None:
    agent = Storyteller()
    records: list[CallSession] = []

    async def scenario() -> Any:
        config = Config.load(port=0, record_dir=tmp_path / "rec").with_platform(AUDIOCODES.spec, auth_token="s3cret")
        codec = AUDIOCODES.phone(config.platform(AUDIOCODES.spec), call_id=ID, caller="+15005550006", callee="desk")
        phone = Phone(codec, [WaitForQuiet(900), HangUp()], wire=PCM16_16K, resumes_after_s=0.5)
        async with running(config, Agent(""), model=agent, keep=records.append) as service:
            placed = await place(phone, service.gateway.base_url, limit_s=20, socket_breaks_at_s=1.013)
            while not records:  # noqa: ASYNC110 - the record is kept a moment after the telephone is done
                await asyncio.sleep(0.01)
            board = service.gateway.board
            return placed.outcome, (board.active, board.parked, board.tally.total)

    outcome, board = uvloop.run(scenario())
    assert outcome.ok, outcome.log
    assert (len(records), agent.opened) == (1, 1)
    (record,) = records
    assert (record.state, record.call_id, record.reconnects) == (CallState.ENDED, ID, 1)
    assert record.ledger.balances
    agent_books = record.ledger.agent
    assert (agent_books.played - agent_books.padding, agent_books.cleared) == (len(STORY) // 2, 0)
    assert len(list((tmp_path / "rec").glob("*.wav"))) == 1
    assert record.duration_s == pytest.approx(outcome.duration_ms / 1000, abs=0.15)
    assert board[2] == 1
    # What the caller heard: the story up to where the socket broke, silence, and the story from there on. Between both
    # clocks lies what a frame takes from one process's hand to the other's.
    (lost,) = [fact for fact in outcome.log if isinstance(fact, SocketLost)]
    (back,) = [fact for fact in outcome.log if isinstance(fact, SocketBack)]
    assert back.at_ms - lost.at_ms == pytest.approx(500, abs=100)
    heard = np.frombuffer(outcome.heard, "<i2")
    cut = int(lost.at_ms * 16)
    before, after = heard[:cut], heard[cut:]
    story = np.frombuffer(STORY, "<i2")
    before, after = before[before != 0], after[after != 0]
    told = story[story != 0]
    assert np.array_equal(before, told[: len(before)])
    assert np.array_equal(after, told[-len(after) :])
    assert abs(len(before) + len(after) - len(told)) <= 16 * 60


async def said(socket: ClientConnection, kind: str) -> Any:
    """The next message of that kind."""
    while (message := json.loads(await socket.recv()))["type"] != kind:
        pass
    return message


def test_a_socket_that_comes_before_the_old_one_is_known_to_be_dead_replaces_it() -> None:
    records: list[CallSession] = []

    async def scenario() -> None:
        config = Config.load(port=0, insecure=True)
        async with running(config, Agent(""), model=Storyteller(), keep=records.append) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/audiocodes"
            async with connect(media) as old, connect(media) as new:
                await old.send(json.dumps(INITIATE))
                await said(old, "playStream.chunk")
                await new.send(json.dumps(RESUME))
                assert (await said(new, "session.accepted"))["mediaFormat"] == "raw/lpcm16"
                await said(new, "playStream.start")
                await new.send(json.dumps(USER_START))
                await said(new, "userStream.started")
                with pytest.raises(ConnectionClosed) as closed:
                    await said(old, "nothing more")
                assert closed.value.rcvd is not None
                assert closed.value.rcvd.code == 1001
                assert service.gateway.board.active == 1
                await new.send(json.dumps(END))
                await new.wait_closed()
            assert new.close_code == 1000

    uvloop.run(scenario())
    assert [(record.call_id, record.reconnects, record.state) for record in records] == [(ID, 1, CallState.ENDED)]


def test_a_stranger_can_not_resume_a_call() -> None:
    async def scenario() -> None:
        config = Config.load(port=0, drain_seconds=0).with_platform(AUDIOCODES.spec, auth_token="s3cret")
        async with running(config, Agent(""), model=Storyteller()) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/audiocodes"
            async with connect(media, additional_headers={"Authorization": "Bearer s3cret"}) as phone:
                await phone.send(json.dumps(INITIATE))
                await said(phone, "session.accepted")
                phone.transport.abort()
            while not service.gateway.board.parked:  # noqa: ASYNC110 - it is noticed in a moment
                await asyncio.sleep(0.01)
            for shown in ("Bearer wrong", ""):
                with pytest.raises(InvalidStatus) as caught:
                    await connect(media, additional_headers={"Authorization": shown} if shown else {})
                assert caught.value.response.status_code == 401
            assert service.gateway.board.parked == 1

    uvloop.run(scenario())


def test_a_parked_call_is_ended_with_the_service_and_recorded_so() -> None:
    records: list[CallSession] = []

    async def scenario() -> None:
        config = Config.load(port=0, insecure=True, drain_seconds=0)
        async with running(config, Agent(""), model=Storyteller(), keep=records.append) as service:
            media = service.gateway.base_url.replace("http", "ws") + "/media/audiocodes"
            async with connect(media) as phone:
                await phone.send(json.dumps(INITIATE))
                await said(phone, "session.accepted")
                phone.transport.abort()
            while not service.gateway.board.parked:  # noqa: ASYNC110 - it is noticed in a moment
                await asyncio.sleep(0.01)

    uvloop.run(scenario())
    assert [(record.state, record.end_reason) for record in records] == [(CallState.ENDED, "the service is stopping")]
