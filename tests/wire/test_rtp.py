"""Who may open an RTP session, what a session may ask for, and what the operator may set."""

import msgspec
import pytest
from rtp_calls import door, gateway, phone, wanted

from trunkline.errors import ConfigError, Refused, RemoteError
from trunkline.testing.rtp_call import ListeningPhone
from trunkline.wire._json import UNREADABLE, peers_fault
from trunkline.wire._rtp_messages import SessionOpened, decode_wanted, unicast
from trunkline.wire.base import HttpReply, HttpRequest, Platform
from trunkline.wire.rtp import PLATFORM, RtpDoor, RtpSettings, spec_for

SESSION = {"call_id": "c1", "remote_ip": "192.0.2.1", "remote_port": 4000, "codec": "PCMU"}


def test_it_is_a_platform() -> None:
    platform: Platform = PLATFORM
    assert platform.spec.name == "rtp"
    assert isinstance(phone(), ListeningPhone)


@pytest.mark.parametrize(
    ("token", "shown", "reason"),
    [
        ("s" * 32, "", "no bearer token"),
        ("s" * 32, "Basic abc", "no bearer token"),
        ("s" * 32, "Bearer " + "t" * 32, "not RTP_AUTH_TOKEN"),
        ("s" * 32, "Bearer ü", "not RTP_AUTH_TOKEN"),
        ("", "Bearer ", "RTP_AUTH_TOKEN is not set"),
        ("", "", "RTP_AUTH_TOKEN is not set"),
    ],
)
def test_whoever_does_not_show_the_token_is_a_stranger(token: str, shown: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason) as refused:
        door(auth_token=token).check(shown)
    assert refused.value.status == 401


@pytest.mark.parametrize("shown", ["Bearer " + "s" * 32, "bearer  " + "s" * 32 + " "])
def test_the_token_lets_in(shown: str) -> None:
    door(auth_token="s" * 32).check(shown)


def test_an_insecure_door_checks_nothing() -> None:
    RtpDoor(RtpSettings(), insecure=True).check("")


def test_there_is_neither_webhook_nor_media_socket() -> None:
    request = HttpRequest("GET", "https://gw.example.org/api/rtp/sessions")
    with pytest.raises(Refused, match="no such webhook"):
        door().hook("voice", request, 0.0)
    with pytest.raises(Refused, match="no WebSocket"):
        door().upgrade(request, 0.0)
    with pytest.raises(Refused, match="not known"):
        door().codec()


@pytest.mark.parametrize(
    ("ports", "first", "count"), [("10000-11999", 10_000, 1000), ("4001-4004", 4002, 1), ("4000-4001", 4000, 1)]
)
def test_ports_are_even_and_have_an_odd_neighbour(ports: str, first: int, count: int) -> None:
    pairs = RtpSettings(ports=ports).port_range
    assert (pairs[0], len(pairs)) == (first, count)


@pytest.mark.parametrize("ports", ["", "10000", "a-b", "2000-1000", "0-10", "1-70000", "4001-4002"])
def test_ports_that_can_not_be_are_refused_at_the_start(ports: str) -> None:
    with pytest.raises(ConfigError, match="RTP_PORTS"):
        RtpSettings(ports=ports)


def test_settings_do_not_show_the_token() -> None:
    assert "s" * 32 not in repr(RtpSettings(auth_token="s" * 32))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"call_id": ""}, "not in the expected form (at $.call_id)"),
        ({"call_id": "../../etc"}, "not in the expected form (at $.call_id)"),
        ({"remote_port": 0}, "expected int >= 1 (at $.remote_port)"),
        ({"remote_port": 65535}, "expected int <= 65534 (at $.remote_port)"),
        ({"remote_port": "4000"}, "expected int, got str (at $.remote_port)"),
        ({"codec": "OPUS"}, "not an allowed value (at $.codec)"),
        ({"ptime": 25}, "not an allowed value (at $.ptime)"),
        ({"event_payload_type": 72}, "expected int >= 96 (at $.event_payload_type)"),
        ({"symmetric": "yes"}, "expected bool, got str (at $.symmetric)"),
        ({"caller": "+" * 300}, "expected str of length <= 256 (at $.caller)"),
        ({"symetric": True}, "a field the protocol does not have"),
    ],
)
def test_what_is_wrong_with_a_session_is_said_by_its_field(change: dict[str, object], error: str) -> None:
    with pytest.raises(UNREADABLE) as raised:
        decode_wanted(msgspec.json.encode(SESSION | change))
    assert str(peers_fault(raised.value)) == error


def test_a_session_does_not_show_who_calls() -> None:
    assert "+1500" not in repr(wanted(caller="+15005550006"))


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("2001:db8::0:1", "2001:db8::1"),
        ("::ffff:192.0.2.9", "192.0.2.9"),
    ],
)
def test_an_address_is_an_ip_literal(given: str, address: str) -> None:
    assert unicast(given) == address


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ("example.org", "not an IP address"),
        ("", "not an IP address"),
        ("192.0.2", "not an IP address"),
        ("0.0.0.0", "an unspecified address"),  # noqa: S104
        ("::", "an unspecified address"),
        ("::ffff:0.0.0.0", "an unspecified address"),
        ("224.0.0.1", "a multicast address"),
        ("ff02::1", "a multicast address"),
        ("255.255.255.255", "a broadcast address"),
        ("240.1.2.3", "a reserved address"),
        ("fe80::1%eth0", "an address with a scope"),
    ],
)
def test_an_address_that_is_nobodys_or_everybodys_is_refused(given: str, error: str) -> None:
    with pytest.raises(RemoteError) as refused:
        unicast(given)
    assert str(refused.value) == f"{error} (at $.remote_ip)"


@pytest.mark.parametrize(("ptime", "max_frames", "lead_ms"), [(10, 4, 100), (20, 2, 100), (30, 1, 100), (60, 1, 180)])
def test_a_sessions_frames_are_as_long_as_its_packets(ptime: int, max_frames: int, lead_ms: int) -> None:
    spec = spec_for(wanted(ptime=ptime))
    assert (spec.frame_ms, spec.max_frames, spec.lead_ms) == (ptime, max_frames, lead_ms)


def test_what_is_random_is_random_in_each_session() -> None:
    one, other = (gateway(seed=seed).figures().sent.ssrc for seed in (1, 2))
    assert one != other


def test_a_phone_asks_for_its_session_and_goes_where_the_answer_says() -> None:
    far = phone()
    far.bound("192.0.2.7", 4002)
    call = far.dial("https://gw.example.org/")
    assert (call.method, call.url) == ("POST", "https://gw.example.org/api/rtp/sessions")
    assert call.headers == {"authorization": "Bearer " + "t" * 32}
    asked = decode_wanted(call.body)
    assert (asked.remote_ip, asked.remote_port, asked.codec) == ("192.0.2.7", 4002, "PCMU")
    for ip, url in (("192.0.2.8", "rtp://192.0.2.8:10000"), ("2001:db8::1", "rtp://[2001:db8::1]:10000")):
        answer = SessionOpened("c1", ip, 10_000, 10_001, 1, "PCMU", 20, 101, False)
        assert far.media("", HttpReply(201, msgspec.json.encode(answer))).url == url
    with pytest.raises(Refused, match="503"):
        far.media("", HttpReply(503))
    with pytest.raises(RemoteError):
        far.media("", HttpReply(201, b"{}"))
