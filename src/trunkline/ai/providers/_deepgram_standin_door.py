"""Who is let in at Deepgram's end of its wire, and what can go wrong there: simulated."""

import uuid
from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from trunkline.ai import standin
from trunkline.ai.standin import WRONG_KEY, Place, Play, Trouble
from trunkline.audio.format import AudioFormat, Encoding

ENCODINGS: Final = {"mulaw": Encoding.MULAW, "alaw": Encoding.ALAW, "linear16": Encoding.PCM16}

REFUSALS: Final = {
    Trouble.KEY: (401, "INVALID_AUTH"),
    Trouble.QUOTA: (402, "ASR_PAYMENT_REQUIRED"),
    Trouble.RATE_LIMIT: (429, "TOO_MANY_REQUESTS"),
    Trouble.FAULT: (503, "SERVICE_UNAVAILABLE"),
}

CODES: Final = {
    Trouble.KEY: "INVALID_AUTH",
    Trouble.QUOTA: "ASR_PAYMENT_REQUIRED",
    Trouble.RATE_LIMIT: "TOO_MANY_REQUESTS",
    Trouble.FAULT: "INTERNAL_SERVER_ERROR",
}

Refusal = tuple[int, str]


class Strange(Exception):
    """The client broke the protocol. ``args[0]`` is what the vendor calls that."""


# --- who is let in ---------------------------------------------------------------------------------------------


def key_refusal(authorization: str | None) -> Refusal | None:
    """A key of the right form that is not the wrong one is good."""
    scheme, _, key = (authorization or "").partition(" ")
    return None if scheme in ("Token", "Bearer") and key and key != WRONG_KEY else REFUSALS[Trouble.KEY]


def audio_of(query: Any, known: set[str], models: str) -> AudioFormat:
    """The format that is asked for. Raises ``Strange`` for parameters the vendor would refuse."""
    if strangers := set(query) - known:
        raise Strange(f"unknown query parameter {min(strangers)}")
    if not query.get("model", "").startswith(models):
        raise Strange("no such model")
    if query.get("encoding") not in ENCODINGS or not query.get("sample_rate", "").isdigit():
        raise Strange("raw audio needs encoding and sample_rate")
    if query["encoding"] != "linear16" and query["sample_rate"] not in ("8000", "16000"):
        raise Strange("no such sample_rate")
    return AudioFormat(ENCODINGS[query["encoding"]], int(query["sample_rate"]))


def between(query: Any, name: str, low: float, high: float) -> None:
    """Raises ``Strange`` for a parameter out of range."""
    if name in query and not low <= float(query[name]) <= high:
        raise Strange(f"{name} is out of range")


def refusal(status: int, code: str, message: str = "refused") -> Response:
    """An answer in the vendor's form."""
    return JSONResponse({"err_code": code, "err_msg": message, "request_id": request_id()}, status)


def request_id() -> str:
    """As the vendor makes them."""
    return str(uuid.uuid4())


async def admitted(socket: WebSocket, play: Play, check: Callable[[Any], AudioFormat]) -> AudioFormat | None:
    """Let the client in, or not: None."""
    trouble = play.trouble(Place.CONNECT)
    if trouble is Trouble.CUT:
        standin.cut(socket)
        return None
    if trouble is Trouble.STALL:
        await standin.stall()
    refused = key_refusal(socket.headers.get("authorization")) or (trouble and REFUSALS.get(trouble))
    if refused:
        await socket.send_denial_response(refusal(*refused))
        return None
    try:
        audio = check(socket.query_params)
    except Strange as strange:
        await socket.send_denial_response(refusal(400, "Bad Request", str(strange)))
        return None
    await socket.accept(headers=[(b"dg-request-id", request_id().encode())])
    if trouble is not None:
        await misbehave(socket, trouble)
    return audio


async def misbehave(socket: WebSocket, trouble: Trouble) -> None:
    """What can go wrong on an open socket. Returns where things go on."""
    match trouble:
        case Trouble.CUT:
            standin.cut(socket)
        case Trouble.STALL:
            await standin.stall()
        case Trouble.GARBAGE:
            await socket.send_text('{"type":"Results","channel":[[[')
        case Trouble.UNKNOWN:
            await socket.send_text('{"type":"WeatherReport","sky":"blue"}')
        case _:
            code = CODES[trouble]
            await send(socket, {"type": "Error", "sequence_id": 0, "code": code, "description": "simulated"})
            await socket.close(1011, "NET-0000")
            raise WebSocketDisconnect(1011)


async def send(socket: WebSocket, message: dict[str, Any]) -> None:
    """One text message."""
    await socket.send_text(msgspec.json.encode(message).decode())


def told(text: str, kinds: set[str], fields: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A client's message. Raises ``Strange``."""
    try:
        message: dict[str, Any] = msgspec.json.decode(text, type=dict)
    except msgspec.DecodeError:
        raise Strange("not JSON") from None
    if message.get("type") not in kinds or set(message) - {"type", *fields}:
        raise Strange("no such message")
    return message
