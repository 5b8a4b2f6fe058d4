"""``trunkline call``: what it says, prints, writes and exits with. The line in between is virtual."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import typer
from typer.testing import CliRunner

from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, PCM16_24K, AudioFormat
from trunkline.cli import _telephone
from trunkline.cli.call import command
from trunkline.errors import Refused
from trunkline.testing.call import PlacedCall
from trunkline.testing.clock import VirtualClock
from trunkline.testing.gate import linear
from trunkline.testing.link import VirtualLink
from trunkline.testing.phone import Phone
from trunkline.testing.scene import play
from trunkline.testing.script import HangUp, PressKey, Say, WaitForQuiet, WaitForReply
from trunkline.testing.sounds import murmur
from trunkline.wire.base import GatewayCodec, TextFrame
from trunkline.wire.events import AudioHeard, PlayAudio
from trunkline.wire.twilio import PLATFORM, TwilioSettings

app = typer.Typer()
app.command()(command)
URL = "http://127.0.0.1:8080"


class Tickets:
    def issue(self, call_id: str, now: float) -> str:
        return "ticket"

    def redeem(self, ticket: str, call_id: str, now: float) -> bool:
        return True


class Echo:
    """Gives back each frame, or every one but the tenth."""

    deadline = None

    def __init__(self, codec: GatewayCodec, link: VirtualLink, *, whole: bool) -> None:
        self._codec = codec
        self._link = link
        self._whole = whole
        self._frames = 0

    def received(self, data: bytes, binary: bool, now: float) -> None:
        for event in self._codec.receive(data, binary=binary, now=now):
            if isinstance(event, AudioHeard):
                self._frames += 1
                if self._whole or self._frames != 10:
                    for output in self._codec.send(PlayAudio(event.audio)):
                        assert isinstance(output, TextFrame)
                        self._link.send_text(output.data)

    def lost(self, reason: str, now: float) -> None:
        pass

    def tick(self, now: float) -> None:
        pass


def echo_line(*, whole: bool = True) -> Callable[..., Any]:
    """In place of the socket: an insecure gateway's echo over a virtual line."""
    door = PLATFORM.door(TwilioSettings(), base_url=URL, tickets=Tickets(), insecure=True)

    def gateway(link: VirtualLink, clock: VirtualClock) -> Echo:
        return Echo(door.codec(), link, whole=whole)

    async def place(phone: Phone, base_url: str, *, limit_s: float) -> PlacedCall:
        assert base_url == URL
        outcome, _ = play(phone, gateway, limit_s=limit_s)
        return PlacedCall(outcome, setup_ms=12.3, wall_s=1.0)

    return place


@pytest.fixture
def wav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TWILIO_AUTH_TOKEN", raising=False)
    path = tmp_path / "in put.wav"
    soundfile.write(path, linear(murmur(PCM16_16K, 1000), PCM16_16K), PCM16_16K.rate)
    return path


def test_an_echoed_call_is_a_success_and_prints_its_figures(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_telephone, "place", echo_line())
    result = CliRunner().invoke(app, [URL + "/", "--wav", str(wav), "--tail", "0.5", "--expect-echo", "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["connected"] is told["ok"] is told["balanced"] is True
    assert told["samples_received"] == told["samples_played"] + told["samples_cleared"] + told["samples_unplayed"]
    assert told["samples_said"] == 160 * (told["frames_sent"] + told["frames_lost"])
    assert told["echo"]["missing"] == 0
    assert (told["ended_by"], told["underruns"], told["setup_ms"]) == ("caller", 0, 12.3)


def test_for_people_it_prints_a_table_and_records_the_call(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_telephone, "place", echo_line())
    result = CliRunner().invoke(app, [URL, "--wav", str(wav), "--tail", "0.5", "--record", "out.wav"])
    assert result.exit_code == 0, result.output
    assert "the call went through" in result.stdout
    samples, rate = soundfile.read("out.wav")
    assert rate == 8000
    assert samples.shape[1] == 2
    assert samples[:, 0].any()
    assert samples[:, 1].any()


def test_an_echo_with_a_hole_fails_when_an_echo_is_expected(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_telephone, "place", echo_line(whole=False))
    result = CliRunner().invoke(app, [URL, "--wav", str(wav), "--tail", "0.5", "--expect-echo", "--json"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["ok"], told["balanced"], told["echo"]["missing"]) == (False, True, 160)


def test_a_call_that_hits_the_limit_fails(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_telephone, "place", echo_line())
    result = CliRunner().invoke(app, [URL, "--wav", str(wav), "--limit", "1", "--json"])
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ended_by"] == "time limit"


def test_a_refused_call_says_so_in_json_too(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def place(phone: Phone, base_url: str, *, limit_s: float) -> PlacedCall:
        raise Refused("the webhook answered 403")

    monkeypatch.setattr(_telephone, "place", place)
    result = CliRunner().invoke(app, [URL, "--wav", str(wav), "--json"])
    assert result.exit_code != 0
    assert json.loads(result.stdout) == {"error": "the webhook answered 403", "connected": False, "ok": False}
    assert isinstance(result.exception, Refused)  # which the program prints as a sentence
    assert "TWILIO_AUTH_TOKEN is not set here" in result.stderr


def test_a_gateway_without_room_is_not_asked_for_its_secret(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def place(phone: Phone, base_url: str, *, limit_s: float) -> PlacedCall:
        raise Refused("the webhook answered 503", status=503)

    monkeypatch.setattr(_telephone, "place", place)
    result = CliRunner().invoke(app, [URL, "--wav", str(wav)])
    assert result.exit_code != 0
    assert "secret" not in result.stderr
    assert "/ready says so" in result.stderr


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("known", [True, False])
def test_whoever_was_refused_is_told_which_setting_to_look_at(
    status: int, known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPEN_TOKEN", "0123456789abcdef" if known else "")
    line = _telephone.line("open", caller="+1", callee="+2")
    hint = _telephone.hint(Refused("the media socket was refused", status=status), line)
    assert "OPEN_TOKEN" in hint
    assert ("is not set here" in hint) is not known


@pytest.mark.parametrize(
    ("platform", "secret"), [("twilio", "TWILIO_AUTH_TOKEN"), ("vonage", "VONAGE_SIGNATURE_SECRET")]
)
@pytest.mark.parametrize("known", [True, False])
def test_a_503_may_mean_that_the_gateway_wants_calls_signed(
    platform: str, secret: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(secret, "0123456789abcdef0123456789abcdef" if known else "")
    line = _telephone.line(platform, caller="+1", callee="+2")
    hint = _telephone.hint(Refused("the webhook answered 503", status=503), line)
    assert (secret in hint) is not known
    assert "/ready" in hint
    assert _telephone.hint(Refused("the webhook answered 404", status=404), line) == ""


@pytest.mark.parametrize(("rate", "wire"), [("24000", PCM16_24K), ("8000", PCM16_8K), ("", PCM16_16K)])
def test_a_telephone_speaks_the_rate_that_it_was_set_to(
    rate: str, wire: AudioFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VONAGE_RATE", rate)
    line = _telephone.line("vonage", caller="+1", callee="+2")
    assert line.wire == wire
    assert _telephone.telephone(line, [HangUp()], loss=0).wire == wire


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "the caller has nothing to do"),
        (["--wav", "missing.wav"], "missing.wav can't be read as audio"),
        (["--wav", "missing.wav"], "there is no such file"),
        (["--keys", "1x"], "a telephone has no key 'x'"),
        (["--keys", "1", "--record", "no/such/folder.wav"], "there is no folder no/such to record into"),
        (["--keys", "1", "--platform", "nobody"], "there is no platform 'nobody': choose one of"),
    ],
)
def test_what_cannot_be_done_is_said_before_dialling(wav: Path, arguments: list[str], error: str) -> None:
    result = CliRunner().invoke(app, [URL, *arguments])
    assert result.exit_code != 0
    assert error in str(result.exception)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ws://127.0.0.1:8080", "localhost"])
def test_an_address_that_is_none_is_said_before_dialling(url: str, wav: Path) -> None:
    result = CliRunner().invoke(app, [url, "--wav", str(wav)])
    assert "should begin with http://" in str(result.exception)


def test_a_recording_that_cannot_be_written_costs_nobody_the_figures(
    wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_telephone, "place", echo_line())
    result = CliRunner().invoke(app, [URL, "--wav", str(wav), "--tail", "0.5", "--record", str(wav.parent)])
    assert "the call went through" in result.stdout
    assert str(result.exception) == f"{wav.parent} can't be written: Is a directory"


def test_the_caller_hears_the_agent_out_after_each_line_and_key(wav: Path) -> None:
    script = _telephone.script(MULAW_8K, [wav], [], "5#", greeting=True, quiet_ms=700)
    kinds = [WaitForReply, Say, WaitForQuiet, PressKey, WaitForQuiet, PressKey, WaitForQuiet, HangUp]
    assert [type(action) for action in script] == kinds
