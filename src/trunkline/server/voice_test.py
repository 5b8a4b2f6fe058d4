"""``POST /api/voice/test?text=…``: a voice can be heard before the first call.

Answers with that speech as WAV, or as MP3 for ``format=mp3`` or ``Accept: audio/mpeg``. ``voice`` is a name of the
provider's own; without it the agent's voice speaks.
"""

import asyncio
import io
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from trunkline import logs
from trunkline.audio.format import AudioFormat
from trunkline.audio.mp3 import mp3
from trunkline.audio.wav_file import WavWriter
from trunkline.errors import AgentError, MissingProgram, ProviderError, Refused
from trunkline.server.api_token import ApiToken
from trunkline.server.calls import State, Switchboard
from trunkline.server.voice import Voices, speak

PATH: Final = "/api/voice/test"

MAX_TEXT: Final = 1000
"""Characters: a minute of speech, which vendors charge for."""
MAX_AT_ONCE: Final = 2
"""Tests under way in this process: calls come first."""
TIMEOUT_S: Final = 30.0

_MEDIA_TYPES: Final = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_BUSY: Final = (State.OVERLOADED, State.DRAINING)

_log = logs.get(__name__)


def router(voices: Voices, token: ApiToken, board: Switchboard, *, timeout_s: float = TIMEOUT_S) -> APIRouter:
    """The route. Whoever shows no token is told nothing; whoever does is told in a sentence what is wrong."""
    routes = APIRouter()
    under_way = 0

    @routes.post(PATH)
    async def test(request: Request) -> Response:
        nonlocal under_way
        try:
            token.check(request.headers.get("authorization", ""))
        except Refused as refusal:
            _log.warning("voice test refused", reason=refusal.reason, status=refusal.status)
            return Response(status_code=refusal.status, headers={"www-authenticate": "Bearer"})
        if under_way >= MAX_AT_ONCE or board.state in _BUSY:
            return _refused("the gateway has other things to do: try again", 503, {"retry-after": "2"})
        under_way += 1
        try:
            text, kind = _text(request), _kind(request)
            async with asyncio.timeout(timeout_s), voices.voice(request.query_params.get("voice", "")) as voice:
                audio, pcm16 = await speak(voice, text)
            body = await asyncio.to_thread(_file, kind, audio, pcm16)
        except TimeoutError:
            return _refused(f"the voice was not done within {timeout_s:g} s", 504)
        except Refused as refusal:
            return _refused(refusal.reason, refusal.status)
        except MissingProgram as missing:
            return _refused(str(missing), 501)
        except ProviderError as error:
            named = "voice" in request.query_params
            return _refused(str(error), 400 if named and error.fault == "our fault" else 502)
        except AgentError as error:
            return _refused(str(error), 502)
        finally:
            under_way -= 1
        _log.info("voice tested", characters=len(text), seconds=round(audio.ms(len(pcm16)) / 1000, 2), kind=kind)
        return Response(body, media_type=_MEDIA_TYPES[kind], headers={"cache-control": "no-store"})

    return routes


def _text(request: Request) -> str:
    text = request.query_params.get("text", "").strip()
    if not text:
        raise Refused("there is no text to speak: POST …?text=Hello", status=400)
    if len(text) > MAX_TEXT:
        raise Refused(f"the text has {len(text)} characters: {MAX_TEXT} at the most", status=413)
    return text


def _kind(request: Request) -> str:
    """The format that is asked for; where both may be sent, WAV."""
    if (asked := request.query_params.get("format")) is not None:
        if asked not in _MEDIA_TYPES:
            raise Refused(f"the format is one of {', '.join(_MEDIA_TYPES)}", status=400)
        return asked
    accepted = {part.partition(";")[0].strip().lower() for part in request.headers.get("accept", "*/*").split(",")}
    if accepted & {"audio/wav", "audio/x-wav", "audio/wave"}:
        return "wav"
    return "mp3" if "audio/mpeg" in accepted else "wav"


def _file(kind: str, audio: AudioFormat, pcm16: bytes) -> bytes:
    if kind == "mp3":
        return mp3(pcm16, audio.rate)
    file = io.BytesIO()
    wav = WavWriter(file, audio)
    wav.write(pcm16)
    wav.close()
    return file.getvalue()


def _refused(why: str, status: int, headers: dict[str, str] | None = None) -> Response:
    _log.warning("voice test failed", reason=why, status=status)
    return JSONResponse({"error": why}, status, headers)
