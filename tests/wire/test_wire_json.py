"""What is said of a message that can't be read: where it is wrong, and not a word of what was in it."""

from typing import Annotated, Literal

import msgspec
import pytest

from trunkline.wire._json import UNREADABLE, ignored, peers_fault


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    count: Annotated[int, msgspec.Meta(ge=0)] = 0
    audio: bytes = b""
    word: Annotated[str, msgspec.Meta(pattern="^[a-z]*$")] = ""
    choice: Literal["a", "b"] = "a"
    table: dict[Annotated[str, msgspec.Meta(max_length=3)], str] = {}


class Message(msgspec.Struct):
    inner: Inner


@pytest.mark.parametrize(
    ("data", "text", "close_code"),
    [
        (b"", "not valid JSON", 1007),
        (b"secret", "not valid JSON", 1007),
        (b'{"inner":{"word":"secret\xff"}}', "not valid UTF-8", 1007),
        (b'{"x":' + b"[" * 3000, "nested too deeply", 1007),
        (b"{}", "missing field (at $.inner)", 1002),
        (b'"secret"', "expected object, got str", 1002),
        (b'{"inner":{"secret":1}}', "a field the protocol does not have (at $.inner)", 1002),
        (b'{"inner":{"count":"secret"}}', "expected int, got str (at $.inner.count)", 1002),
        (b'{"inner":{"count":-7}}', "expected int >= 0 (at $.inner.count)", 1002),
        (b'{"inner":{"count":' + b"9" * 5000 + b"}}", "not an allowed value (at $.inner.count)", 1002),
        (b'{"inner":{"audio":"secret!"}}', "invalid base64 (at $.inner.audio)", 1007),
        (b'{"inner":{"word":"SECRET"}}', "not in the expected form (at $.inner.word)", 1002),
        (b'{"inner":{"choice":"secret"}}', "not an allowed value (at $.inner.choice)", 1002),
        (b'{"inner":{"table":{"secret":"x"}}}', "expected str of length <= 3 (at $.inner.table)", 1002),
        (b'{"inner":{"table":{"a":1}}}', "expected str, got int (at $.inner.table[...])", 1002),
    ],
)
def test_the_field_is_named_and_its_value_is_not(data: bytes, text: str, close_code: int) -> None:
    with pytest.raises(UNREADABLE) as caught:
        msgspec.json.decode(data, type=Message)
    fault = peers_fault(caught.value)
    assert str(fault) == text
    assert fault.close_code == close_code


@pytest.mark.parametrize(
    ("kind", "safe"),
    [
        ("weather", "weather"),
        ("session.created-2", "session.created-2"),
        ("a\nb\x1b[0mé", "a?b??0m?"),
        ("x" * 99, "x" * 40),
    ],
)
def test_an_unknown_kind_is_safe_to_log(kind: str, safe: str) -> None:
    assert ignored(kind).kind == safe
