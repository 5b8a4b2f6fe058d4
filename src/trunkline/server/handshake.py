"""The opening handshake of RFC 6455 §4.2, as values. ``accept.py`` does the part that touches a socket."""

import base64
import binascii
from http import HTTPStatus
from typing import NamedTuple

from trunkline.errors import Refused


class UpgradeRequest(NamedTuple):
    """An HTTP request that asks for a WebSocket."""

    method: str
    target: str  # raw path and query
    headers: dict[str, str]  # lower-case names; of a repeated one the last

    @property
    def path(self) -> str:
        """The raw path, without the query."""
        return self.target.partition("?")[0]

    @property
    def key(self) -> str:
        """The client's nonce. Raises ``Refused`` if the handshake is not one we can answer."""
        if self.method != "GET":
            raise Refused("the upgrade request is not a GET", status=400)
        if self.headers.get("sec-websocket-version") != "13":
            raise Refused("the upgrade request is not for WebSocket version 13", status=426)
        key = self.headers.get("sec-websocket-key", "")
        try:
            nonce = base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError):
            nonce = b""
        if len(nonce) != 16:
            raise Refused("the upgrade request has no valid Sec-WebSocket-Key", status=400)
        return key


def read(data: bytes) -> UpgradeRequest:
    """Read a request as uvicorn writes it out again from what it has parsed: one ``name: value`` per line."""
    first, *lines = data.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, target, _version = first.split(" ")
    pairs = (line.partition(": ") for line in lines)
    return UpgradeRequest(method, target, {name.lower(): value for name, _, value in pairs})


def refusal(status: int) -> bytes:
    """An answer that tells the status and nothing about why."""
    phrase = HTTPStatus(status).phrase
    lines = [
        f"HTTP/1.1 {status} {phrase}",
        "content-type: text/plain",
        f"content-length: {len(phrase) + 1}",
        "connection: close",
    ]
    if status == HTTPStatus.UPGRADE_REQUIRED:
        lines.append("sec-websocket-version: 13")
    return ("\r\n".join(lines) + f"\r\n\r\n{phrase}\n").encode()
