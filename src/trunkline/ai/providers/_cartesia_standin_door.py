"""Who is let in at Cartesia's end of its wire, and what can go wrong there: simulated."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai import standin
from trunkline.ai.standin import WRONG_KEY, Place, Play, Trouble
from trunkline.audio.format import AudioFormat, Encoding

ENCODINGS: Final = {"pcm_mulaw": Encoding.MULAW, "pcm_alaw": Encoding.ALAW, "pcm_s16le": Encoding.PCM16}

REFUSALS: Final[Mapping[Trouble, tuple[int, str]]] = {
    Trouble.KEY: (401, "invalid_api_key"),
    Trouble.QUOTA: (402, "quota_exceeded"),
    Trouble.RATE_LIMIT: (429, "concurrency_limited"),
    Trouble.FAULT: (500, "internal_server_error"),
}


class Strange(Exception):
    """The client broke the protocol. ``args[0]`` says how."""


def refused(status: int, code: str, message: str = "refused") -> dict[str, Any]:
    """A refusal as the vendor puts it."""
    return {
        "type": "error",
        "status_code": status,
        "title": "Refused",
        "message": message,
        "error_code": code,
        "request_id": request_id(),
    }


def request_id() -> str:
    """As the vendor makes them."""
    return str(uuid.uuid4())


def door(headers: Mapping[str, str], query: Mapping[str, str]) -> Response | None:
    """A refusal, for a client without a good key or one that does not say which version of the API it speaks."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    key = key if scheme == "Bearer" else headers.get("x-api-key", "")
    if not key or key == WRONG_KEY:
        return JSONResponse(refused(*REFUSALS[Trouble.KEY]), 401)
    version = headers.get("cartesia-version") or query.get("cartesia_version", "")
    if not version.startswith("20"):
        return JSONResponse(refused(400, "invalid_version", "Cartesia-Version is missing"), 400)
    return None


async def admitted(socket: WebSocket, play: Play) -> bool:
    """Whether the client is let in. What it asks for is looked at by whoever serves it."""
    trouble = play.trouble(Place.CONNECT)
    if trouble is Trouble.CUT:
        standin.cut(socket)
        return False
    if trouble is Trouble.STALL:
        await standin.stall()
    answer = door(socket.headers, socket.query_params)
    if answer is None and trouble is not None and trouble in REFUSALS:
        answer = JSONResponse(refused(*REFUSALS[trouble]), REFUSALS[trouble][0])
    if answer is not None:
        await socket.send_denial_response(answer)
        return False
    await socket.accept()
    if trouble is not None:
        await misbehave(socket, trouble)
    return True


async def misbehave(socket: WebSocket, trouble: Trouble, **about: object) -> None:
    """What can go wrong on an open socket. ``about``: the context it is about. Returns where things go on."""
    match trouble:
        case Trouble.CUT:
            standin.cut(socket)
        case Trouble.STALL:
            await standin.stall()
        case Trouble.GARBAGE:
            await socket.send_text('{"type":"chunk","data":[[[')
        case Trouble.UNKNOWN:
            await socket.send_text('{"type":"weather","sky":"blue"}')
        case _:
            await send(socket, {**refused(*REFUSALS[trouble]), **about})
            await socket.close(1011)
            raise WebSocketDisconnect(1011)


async def send(socket: WebSocket, message: dict[str, Any]) -> None:
    """One message."""
    await socket.send_text(msgspec.json.encode(message).decode())


def heard_format(query: Mapping[str, str], known: set[str], models: tuple[str, ...]) -> AudioFormat:
    """What a recogniser is asked for. Raises ``Strange`` for parameters the vendor would refuse."""
    if strangers := set(query) - known - {"cartesia_version"}:
        raise Strange(f"unknown query parameter {min(strangers)}")
    if not query.get("model", "").startswith(models):
        raise Strange("no such model")
    if query.get("encoding") not in ENCODINGS or not query.get("sample_rate", "").isdigit():
        raise Strange("encoding and sample_rate are required")
    return AudioFormat(ENCODINGS[query["encoding"]], int(query["sample_rate"]))


def between(query: Mapping[str, str], name: str, low: float, high: float) -> None:
    """Raises ``Strange`` for a parameter out of range."""
    if name in query and not low <= float(query[name]) <= high:
        raise Strange(f"{name} is out of range")
