"""Gemini's end of the Live socket, simulated: one session. It closes the socket on what the vendor closes it on."""

import asyncio
import re
from base64 import b64encode
from typing import Any, Final

import msgspec
from msgspec import UNSET
from starlette.websockets import WebSocket

from trunkline.ai.base import Message, ToolSpec
from trunkline.ai.providers import _gemini_commands as ours
from trunkline.ai.providers._gemini_opening import ANSWER, GO_ON, GREET, SAY
from trunkline.ai.providers._gemini_standin_door import End, Strange
from trunkline.ai.standin import Answer, Ears, Place, Play, TurnBegan, TurnEnded, TurnText
from trunkline.audio.format import PCM16_24K, AudioFormat, Encoding

PART_MS: Final = 40
"""Of audio in one message."""
AHEAD: Final = 2
"""Words by which the transcript runs ahead of the audio."""

GREETING: Final = "Hello, this is a simulation. How can I help you?"

_MIME: Final = re.compile(r"audio/pcm;rate=(8000|16000|24000)")
_TYPES: Final = {"STRING", "INTEGER", "NUMBER", "BOOLEAN", "ARRAY", "OBJECT"}
_WORDS: Final = {
    "type", "format", "title", "description", "nullable", "enum", "items", "minItems", "maxItems", "properties",
    "required", "minLength", "maxLength", "pattern", "minimum", "maximum", "anyOf",
}  # fmt: skip

Sessions = dict[str, list[Message]]
"""Sessions that can be resumed: what was said in them, by their handles."""


class LiveEnd(End):
    """One socket."""

    def __init__(self, socket: WebSocket, play: Play, sessions: Sessions) -> None:
        super().__init__(socket, play)
        self._sessions = sessions
        self._setup: ours.Setup | None = None
        self._history: list[Message] = []
        self._tools: list[ToolSpec] = []
        self._manual = False
        self._announced = False  # the first content is history
        self._active = False  # between activityStart and activityEnd
        self._ears: Ears | None = None
        self._words = ""  # of the turn that is going on: those the client knows
        self._said = ""  # all of it
        self._turn: asyncio.Task[None] | None = None
        self._spoken = ""  # of the turn of the model's that is going on
        self._pending: dict[str, str] = {}  # calls without a response, by id
        self._calls = 0

    async def take(self, data: str | bytes) -> None:
        try:
            message = msgspec.convert(_spelled(msgspec.json.decode(data)), ours.ClientMessage)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Strange(f"Invalid JSON payload received. {error}"[:120]) from None
        given = [name for name in message.__struct_fields__ if getattr(message, name) is not UNSET]
        if len(given) != 1:
            raise Strange("A message must have exactly one of its fields set.")
        if (given[0] == "setup") is (self._setup is not None):
            raise Strange("setup must be the first message and only the first")
        if message.setup is not UNSET:
            await self._set_up(message.setup)
        elif message.realtime_input is not UNSET:
            await self._realtime(message.realtime_input)
        elif message.client_content is not UNSET:
            await self._content(message.client_content)
        elif message.tool_response is not UNSET:
            await self._results(message.tool_response)

    # --- the session --------------------------------------------------------------------------------------------------

    async def _set_up(self, setup: ours.Setup) -> None:
        _check(setup)
        self._setup = setup
        for functions in setup.tools or []:
            for one in functions.function_declarations:
                parameters = {} if one.parameters is UNSET else one.parameters
                self._tools.append(ToolSpec(one.name, one.description, parameters))
        realtime = setup.realtime_input_config
        self._manual = realtime is not UNSET and realtime.automatic_activity_detection.disabled is True
        self._announced = setup.history_config is not UNSET
        if setup.session_resumption is not UNSET and setup.session_resumption.handle is not UNSET:
            known = self._sessions.get(setup.session_resumption.handle)
            if known is None:
                raise Strange("Invalid session resumption handle.")
            self._history = list(known)
        await self.send(setupComplete={})

    async def _handle(self) -> None:
        """The session as it is now can be resumed."""
        if self._setup is None or self._setup.session_resumption is UNSET:
            return
        handle = f"handle-{len(self._sessions) + 1}"
        self._sessions[handle] = list(self._history)
        await self.send(sessionResumptionUpdate={"newHandle": handle, "resumable": True})

    # --- the caller ---------------------------------------------------------------------------------------------------

    async def _realtime(self, given: ours.RealtimeInput) -> None:
        if sum(getattr(given, name) is not UNSET for name in given.__struct_fields__) != 1:
            raise Strange("realtimeInput must have exactly one of its fields set.")
        if given.audio is not UNSET:
            await self._hear(given.audio)
        elif given.activity_start is not UNSET:
            if not self._manual or self._active:
                raise Strange("Explicit activity control is not supported when automatic detection is enabled.")
            self._active = True
            self._words = self._said = ""
            await self._interrupt()
        elif given.activity_end is not UNSET:
            if not self._active:
                raise Strange("activityEnd without activityStart")
            self._active = False
            await self._judge(self._ears.flush() if self._ears is not None else [])
            self._begin(self._hear_out())
        elif given.audio_stream_end is not UNSET and self._manual:
            raise Strange("audioStreamEnd is only for automatic detection")

    async def _hear(self, audio: ours.Audio) -> None:
        mime = _MIME.fullmatch(audio.mime_type)
        if mime is None or len(audio.data) % 2:
            raise Strange("Request contains an invalid argument.")
        if self._manual and not self._active:
            return
        if self._ears is None:
            self._ears = self.play.ears(AudioFormat(Encoding.PCM16, int(mime[1])))
        await self._judge(self._ears.push(audio.data))

    async def _judge(self, events: list[Any]) -> None:
        for event in events:
            match event:
                case TurnBegan():
                    await self.trouble(Place.HEARING)
                    if not self._manual:
                        self._words = self._said = ""
                        await self._interrupt()
                case TurnText(text):
                    await self._transcribe(text)
                case TurnEnded(_, text):
                    self._said = f"{self._said} {text}".strip()
                    if not self._manual:
                        self._begin(self._hear_out())

    async def _hear_out(self) -> None:
        """The turn is over: all of its words, and an answer."""
        await asyncio.sleep(self.play.stt_ms / 1000)
        await self._transcribe(self._said)
        if self._said or not self._manual:
            self._history.append(Message("caller", self._said))
        await self._answer()

    async def _transcribe(self, text: str) -> None:
        """Fragments, to be put together by the client."""
        more = text.removeprefix(self._words)
        if more and self._setup is not None and self._setup.input_audio_transcription is not UNSET:
            await self.send(serverContent={"inputTranscription": {"text": more}})
        self._words = text

    async def _content(self, content: ours.ClientContent) -> None:
        announced, self._announced = self._announced, False
        if content.turn_complete and not announced:
            await self._interrupt()
        for said in content.turns:
            text = " ".join(part.text for part in said.parts if part.text is not UNSET)
            self._history.append(Message("agent" if said.role == "model" else "caller", text))
        if content.turn_complete and not announced:
            self._begin(self._answer())

    # --- the model ----------------------------------------------------------------------------------------------------

    def _begin(self, turn: Any) -> None:
        if self._turn is not None:
            self._turn.cancel()
        self._turn = self.soon(turn)

    async def _interrupt(self) -> None:
        if self._pending:
            await self.send(toolCallCancellation={"ids": list(self._pending)})
            self._pending.clear()
        if self._turn is None or self._turn.done():
            return
        self._turn.cancel()
        self._keep()
        await self.send(serverContent={"interrupted": True})
        await self.send(serverContent={"turnComplete": True})

    def _keep(self) -> None:
        """What was said is part of the conversation, as far as it was."""
        if self._spoken:
            self._history.append(Message("agent", self._spoken))
        self._spoken = ""

    async def _answer(self) -> None:
        await self.trouble(Place.ANSWERING)
        await asyncio.sleep(self.play.model_ms / 1000)
        answer = self._think()
        if answer.text:
            await self._say(answer.text)
        if answer.tool:
            self._keep()
            self._calls += 1
            call = {"id": f"call-{self._calls}", "name": answer.tool, "args": msgspec.json.decode(answer.arguments)}
            self._pending[call["id"]] = answer.tool
            await self.send(toolCall={"functionCalls": [call]})
            return
        await self.send(serverContent={"generationComplete": True})
        await asyncio.sleep(self.play.voice_ms / 1000)
        self._keep()
        usage = {"promptTokenCount": 80, "responseTokenCount": 40, "totalTokenCount": 120}
        await self.send(serverContent={"turnComplete": True}, usageMetadata=usage)
        await self._handle()

    def _think(self) -> Answer:
        """A model that does as it is told."""
        history = [line for line in self._history if line.text != ANSWER]
        asked = history[-1].text if history else ""
        if asked.startswith(SAY):
            return Answer(asked.removeprefix(SAY))
        if asked == GREET:
            return Answer(GREETING)
        _, cut, said = asked.partition(GO_ON)
        if cut:
            history.pop()
            while history and history[-1].role == "agent":
                history.pop()
            self._history.pop()
            whole = history[-1].text.removeprefix(SAY) if history and history[-1].text.startswith(SAY) else ""
            return Answer((whole or self._mind(history).text).removeprefix(said).strip())
        return self._mind(history)

    def _mind(self, history: list[Message]) -> Answer:
        instructions = self._setup.system_instruction if self._setup is not None else UNSET
        system = [] if instructions is UNSET else [Message("system", str(instructions.parts[0].text))]
        told = [line for line in history if not line.text.startswith(SAY) and line.text != GREET]
        return self.play.mind([*system, *told], self._tools)

    async def _say(self, text: str) -> None:
        """Audio and transcript in turns, the transcript a little ahead."""
        await asyncio.sleep(self.play.voice_ms / 1000)
        voice = await self.play.voice.speak(text, PCM16_24K)
        words = [f" {word}" if i else word for i, word in enumerate(text.split())]
        size = PCM16_24K.bytes_for(PART_MS)
        loop = asyncio.get_running_loop()
        began, told = loop.time(), 0
        for at in range(0, len(voice), size):
            if at <= len(voice) // 2 < at + size:
                await self.trouble(Place.SPEAKING)
            due = min(len(words), AHEAD + len(words) * (at + size) // len(voice))
            if fragment := "".join(words[told:due]):
                await self.send(serverContent={"outputTranscription": {"text": fragment}})
                self._spoken += fragment
            told = max(told, due)
            blob = {"mimeType": "audio/pcm;rate=24000", "data": b64encode(voice[at : at + size]).decode()}
            await self.send(serverContent={"modelTurn": {"role": "model", "parts": [{"inlineData": blob}]}})
            await asyncio.sleep(began + PCM16_24K.ms(at + size) / 1000 / self.play.speed - loop.time())

    async def _results(self, response: ours.ToolResponse) -> None:
        silent = True
        for result in response.function_responses:
            if self._pending.pop(result.id, None) != result.name:
                raise Strange("Request contains an invalid argument: no such function call.")
            output = result.response.get("output", result.response.get("error"))
            self._history.append(Message("tool", msgspec.json.encode(output).decode(), (), result.id))
            silent = silent and result.scheduling == "SILENT"
        if not self._pending and not silent:
            self._begin(self._answer())


def _spelled(value: Any, name: str = "") -> Any:
    """As we spell it. To the vendor names may have capitals or underscores, and base64 either alphabet."""
    match value:
        case dict() if name in ("response", "properties"):  # names in there are not the vendor's
            return {key: _spelled(inner) for key, inner in value.items()}
        case dict():
            spelled = ((re.sub(r"_(\w)", lambda found: found[1].upper(), key), inner) for key, inner in value.items())
            return {key: _spelled(inner, key) for key, inner in spelled}
        case list():
            return [_spelled(inner, name) for inner in value]
        case str() if name == "data":
            return value.replace("-", "+").replace("_", "/")
        case _:
            return value


def _check(setup: ours.Setup) -> None:
    """What the vendor refuses. Raises ``Strange``."""
    model = setup.model.removeprefix("models/")
    if not setup.model.startswith("models/gemini-") or not ("live" in model or "native-audio" in model):
        raise Strange(f"models/{model} is not found for API version v1beta, or is not supported.", 1008)
    if setup.generation_config.response_modalities != ["AUDIO"]:
        raise Strange("The requested combination of response modalities is not supported by the model.")
    thinking = setup.generation_config.thinking_config
    latest, middle = "3.8" in model, "3.1" in model
    if thinking is not UNSET and latest and "thinking" not in model:
        raise Strange("Thinking is not supported by this model.")
    if thinking is not UNSET and thinking.thinking_level is not UNSET and not (latest or middle):
        raise Strange("Thinking level is not supported by this model.")
    if setup.proactivity is not UNSET and (latest or middle):
        raise Strange("Proactivity can't be set for this model.")
    declared = [one for functions in setup.tools or [] for one in functions.function_declarations]
    for one in declared:
        if one.behavior is not UNSET and not latest:
            raise Strange("Function behavior is not supported by this model.")
        if one.parameters is not UNSET:
            check_schema(one.parameters)


def check_schema(schema: dict[str, Any]) -> None:
    """What the vendor refuses of a function's parameters. Raises ``Strange``."""
    if strangers := set(schema) - _WORDS:
        raise Strange(f'Unknown name "{sorted(strangers)[0]}" at parameters: Cannot find field.')
    if "anyOf" not in schema and schema.get("type") not in _TYPES:
        raise Strange("Invalid value at parameters.type")
    if schema.get("type") == "OBJECT" and "properties" in schema and not schema["properties"]:
        raise Strange("parameters.properties: should be non-empty for OBJECT type")
    if any(not isinstance(value, str) for value in schema.get("enum", [])):
        raise Strange("Invalid value at parameters.enum")
    for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", [])]:
        check_schema(inner)
    if "items" in schema:
        check_schema(schema["items"])
