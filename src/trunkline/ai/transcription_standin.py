"""A transcription server's end of the wire, simulated: it checks what it is sent as strictly as the strictest vendor,
reads the file, and answers with what the play's ears make of it.

Turns come one by one, each as a file, and all of them are one stream to the ears: callers that say their lines in order
say the next one with each file.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from io import BytesIO
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from trunkline.ai.chat.refusals import REFUSALS, key_refusal, refusal
from trunkline.ai.standin import Ears, Place, Play, Trouble, TurnEnded, stall
from trunkline.audio.floats import to_pcm16
from trunkline.audio.format import AudioFormat, Encoding
from trunkline.audio.sound_files import ContainerSound
from trunkline.errors import AudioError

MOST_BYTES: Final = 25 * 1024 * 1024
"""Of a request: the vendors' limit."""

SHORTEST_S: Final = 0.1
"""Of a file: shorter ones are refused, by OpenAI for one."""

_FIELDS: Final = frozenset({"file", "model", "language", "prompt", "response_format", "temperature"})
_KINDS: Final = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")


class _Strange(Exception):
    """Not a request for a transcription."""


class _Part(msgspec.Struct, frozen=True):
    """One field of the form. ``file`` is its name where it is one."""

    name: str
    file: str | None
    content: bytes


def transcription_routes(play: Play, prefix: str = "/v1") -> Sequence[BaseRoute]:
    """``/audio/transcriptions`` under ``prefix``."""
    hearing: dict[AudioFormat, Ears] = {}

    async def transcriptions(request: Request) -> Response:
        return await _transcribe(play, hearing, request)

    return [Route(f"{prefix}/audio/transcriptions", transcriptions, methods=["POST"])]


async def _transcribe(play: Play, hearing: dict[AudioFormat, Ears], request: Request) -> Response:
    if refused := key_refusal(request.headers):
        return refused
    trouble = play.trouble(Place.CONNECT)
    if refused := await _refused(trouble):
        return refused
    body = await request.body()
    trouble = trouble or play.trouble(Place.HEARING)
    if refused := await _refused(trouble):
        return refused
    try:
        audio, pcm16 = _recording(_form(request.headers.get("content-type", ""), body))
    except (_Strange, AudioError, ValueError):
        return refusal(400, "invalid_value")
    if len(pcm16) < SHORTEST_S * audio.rate * audio.sample_bytes:
        return refusal(400, "audio_too_short")
    await asyncio.sleep(play.stt_ms / 1000)
    trouble = trouble or play.trouble(Place.ANSWERING)
    if refused := await _refused(trouble):
        return refused
    trouble = trouble or play.trouble(Place.SPEAKING)
    ears = hearing.setdefault(audio, play.ears(audio))
    heard = [*ears.push(pcm16), *ears.flush()]
    words = " ".join(event.text for event in heard if isinstance(event, TurnEnded) and event.text)
    return _answer(words, trouble)


def _answer(words: str, trouble: Trouble | None) -> Response:
    match trouble:
        case Trouble.GARBAGE:
            return Response(b'{"text":[[[', media_type="application/json")
        case Trouble.UNKNOWN:
            return JSONResponse({"text": words, "weather": {"sky": "blue"}})
        case Trouble.CUT | Trouble.STALL:
            return _half(msgspec.json.encode({"text": words}), trouble)
        case None:
            return JSONResponse({"text": words})
        case _:
            return refusal(*REFUSALS[trouble])


def _half(body: bytes, trouble: Trouble) -> Response:
    """An answer of which only one half comes."""

    async def pieces() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]
        if trouble is Trouble.STALL:
            await stall()
        raise ConnectionResetError  # the server closes the connection

    return StreamingResponse(pieces(), headers={"Content-Length": str(len(body))}, media_type="application/json")


async def _refused(trouble: Trouble | None) -> Response | None:
    """The answer to a request that goes wrong before there are words."""
    match trouble:
        case Trouble.STALL:
            await stall()
            return None
        case Trouble.CUT:
            return _half(b"{}", trouble)
        case None | Trouble.GARBAGE | Trouble.UNKNOWN:
            return None
        case _:
            return refusal(*REFUSALS[trouble])


# --- the form (RFC 7578, RFC 2046 §5.1.1) --------------------------------------------------------------------------

_BOUNDARY: Final = re.compile(r'multipart/form-data; *boundary=(?:"([^"]{1,70})"|([^\s";,]{1,70}))', re.IGNORECASE)
_DISPOSITION: Final = re.compile(r'form-data; name="([^"]*)"(?:; filename="([^"]*)")?')


def _form(content_type: str, body: bytes) -> list[_Part]:
    """Raises ``_Strange`` for anything that a lenient parser would put right."""
    if not (found := _BOUNDARY.fullmatch(content_type)) or len(body) > MOST_BYTES:
        raise _Strange
    line = b"--" + (found[1] or found[2]).encode()
    first, *parts, last = (b"\r\n" + body).split(b"\r\n" + line)
    if first or last not in (b"--", b"--\r\n") or not parts:
        raise _Strange
    return [_part(part) for part in parts]


def _part(part: bytes) -> _Part:
    head, separated, content = part.partition(b"\r\n\r\n")
    if not separated or not head.startswith(b"\r\n"):
        raise _Strange
    headers: dict[str, str] = {}
    for line in head[2:].decode().split("\r\n"):
        name, colon, value = line.partition(": ")
        if not colon or name.lower() in headers:
            raise _Strange
        headers[name.lower()] = value
    found = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    if not found or headers.keys() - {"content-disposition", "content-type"}:
        raise _Strange
    return _Part(found[1], found[2], content)


def _recording(form: list[_Part]) -> tuple[AudioFormat, bytes]:
    """The audio of a proper request, as PCM16. Raises ``_Strange``, ``AudioError`` or ``ValueError``."""
    parts = {part.name: part for part in form}
    file, model = parts.get("file"), parts.get("model")
    if len(parts) != len(form) or parts.keys() - _FIELDS or file is None or model is None or not model.content:
        raise _Strange
    if not file.file or file.file.rpartition(".")[2] not in _KINDS or any(p.file and p is not file for p in form):
        raise _Strange
    fields = {part.name: part.content.decode() for part in form if part is not file}
    if fields.get("response_format", "json") != "json" or not re.fullmatch("[a-z]{2}", fields.get("language", "en")):
        raise _Strange
    if not 0 <= float(fields.get("temperature", "0")) <= 1:
        raise _Strange
    sound = ContainerSound(BytesIO(file.content), file.file)
    pcm16 = b"".join(to_pcm16(block.mean(axis=1)) for block in sound.blocks())
    return AudioFormat(Encoding.PCM16, sound.rate), pcm16
