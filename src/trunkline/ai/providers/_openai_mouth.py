"""The agent's side of a realtime session: replies asked for, spoken, cut and continued.

One reply of ours has one generation, whatever the vendor does to make it. ``busy`` says that the vendor is making a
response: it makes one at a time.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import UNSET

from trunkline.ai.base import Emit
from trunkline.ai.events import ReplyAudio, ReplyEnded, ReplyStarted, ReplyText, Stage, StageReached
from trunkline.ai.providers._openai_commands import (
    ItemCreate,
    ItemDelete,
    ItemTruncate,
    ResponseCancel,
    ResponseCreate,
    Wanted,
)
from trunkline.ai.providers._openai_history import History
from trunkline.ai.providers._openai_messages import AudioDelta, OutputItem, Response
from trunkline.ai.providers._openai_opening import GO_ON, SAY
from trunkline.ai.providers._openai_reply import Delete, Pace, Reply, Truncate, Words
from trunkline.audio.format import AudioFormat

_GENERATION: Final = "reply"
"""Under this name our own number of a reply is in the vendor's metadata."""

Phase = Literal["idle", "asked", "thinking", "speaking"]


class Mouth:
    """One call's replies. ``send`` takes what goes to the vendor."""

    def __init__(
        self,
        speaks: AudioFormat,
        instructions: str,
        history: History,
        *,
        send: Callable[[Any], object],
        emit: Emit,
    ) -> None:
        self.live: dict[int, Reply] = {}
        """Replies neither heard nor interrupted yet."""
        self.busy = False
        self.phase: Phase = "idle"
        self.broken: Reply | None = None
        """A reply that broke off, and is to go on."""
        self.instructions = instructions
        """The session's."""
        self._format = speaks
        self._history = history
        self._send = send
        self._emit = emit
        self._pace = Pace()
        self._generation = 0
        self._asked: Reply | None = None  # and no answer yet
        self._making: dict[str, Reply] = {}  # by the vendor's response

    @property
    def sounding(self) -> bool:
        """There is a reply the caller has heard some of, or will."""
        return any(reply.sounded for reply in self.live.values())

    # --- asking -------------------------------------------------------------------------------------------------------

    def begin(self, *, script: str = "", instructions: str = "", aside: bool = False) -> Reply:
        """A new reply; ``ask`` for it next."""
        self._generation += 1
        reply = Reply(self._generation, script=script, instructions=instructions, aside=aside)
        self.live[reply.generation] = reply
        if not aside:
            self._history.reply(reply.generation)
        self._emit(ReplyStarted(reply.generation))
        self._emit(StageReached(Stage.MODEL_STARTED, reply.generation))
        return reply

    def ask(self, reply: Reply, *, functions: bool = True) -> None:
        """Have the vendor make it, or the rest of it."""
        self.busy, self.phase = True, "asked"
        self._asked = reply
        if self.broken is reply:
            self.broken = None
        instructions = self._what_to_say(reply)
        wanted = Wanted(
            metadata={_GENERATION: str(reply.generation)},
            instructions=instructions or UNSET,
            conversation="none" if reply.aside else UNSET,
            tool_choice=UNSET if functions and not reply.script else "none",
        )
        self._send(ResponseCreate(event_id=f"{_GENERATION}-{reply.generation}", response=wanted))

    def _what_to_say(self, reply: Reply) -> str:
        """Instructions that take the place of the session's; none: the session's."""
        said = reply.text
        if reply.script:
            return SAY + reply.script.removeprefix(said).strip()
        extra = GO_ON + said.strip() if said.strip() else reply.instructions
        return f"{self.instructions}\n\n{extra}".strip() if extra else ""

    def refused(self, event_id: str | None) -> Reply | None:
        """The vendor refused one of our messages: the reply, if it was the asking for one."""
        reply = self._asked
        if reply is None or event_id != f"{_GENERATION}-{reply.generation}":
            return None
        self._asked, self.busy, self.phase = None, False, "idle"
        return reply

    # --- what the vendor makes ----------------------------------------------------------------------------------------

    def created(self, response: Response) -> bool:
        """The vendor has begun. True: by itself, and there is a new reply of ours for it."""
        self.busy, self.phase = True, "thinking"
        asked, self._asked = self._asked, None
        number = (response.metadata or {}).get(_GENERATION, "")
        if not number and asked is None:
            reply = self.begin()
        else:
            found = self.live.get(int(number)) if number.isdecimal() else None
            if found is None:  # it was interrupted meanwhile
                self._send(ResponseCancel(response_id=response.id))
                return False
            reply = found
        reply.response_id = response.id
        self._making[response.id] = reply
        return not number

    def item(self, response_id: str, item: OutputItem) -> None:
        """An item of a response begins."""
        reply = self._making.get(response_id)
        if reply is not None and item.type == "message" and item.id and not reply.aside:
            reply.begin_item(item.id)

    def text(self, response_id: str, delta: str) -> None:
        """Words of the reply, some time before their audio."""
        reply = self._making.get(response_id)
        if reply is None:
            return
        self._first_token(reply)
        if reply.words is None:
            reply.words = Words(self._format, self._pace)
            if reply.past_text and not reply.past_text[-1].isspace() and not delta[:1].isspace():
                delta = f" {delta}"
        reply.words.text(delta)

    def audio(self, message: AudioDelta) -> None:
        """Some of the reply's voice. Of a dead one it goes nowhere."""
        reply = self._making.get(message.response_id)
        if reply is None:
            return
        self.phase = "speaking"
        self._first_token(reply)
        if reply.words is None:
            reply.words = Words(self._format, self._pace)
        if not reply.sounded:
            reply.sounded = True
            self._emit(StageReached(Stage.SYNTHESIS_FIRST_BYTE, reply.generation))
        if not reply.aside:
            reply.received(message.item_id, message.content_index, self._format.ms(len(message.delta)))
        self._say(reply, *reply.words.audio(message.delta))

    def item_done(self, response_id: str) -> None:
        """One stretch of audio is whole. The next thing may take a while."""
        reply = self._making.get(response_id)
        if reply is None:
            return
        self.phase = "thinking"
        if reply.words is not None:
            self._say(reply, *reply.words.end())
            reply.end_words()

    def over(self, response: Response) -> Reply | None:
        """The vendor has done with a response: the reply, if it is alive."""
        self.busy, self.phase = False, "idle"
        reply = self._making.pop(response.id, None)
        if reply is not None and reply.words is not None:
            self._say(reply, *(reply.words.end() if response.status == "completed" else reply.words.break_off()))
            reply.end_words()
        return reply

    def trim(self, reply: Reply) -> None:
        """It broke off on a connection that lives: the vendor may have made more of it than we got."""
        for change in reply.cut(reply.ms):
            self._tell(change)

    def end(self, reply: Reply) -> None:
        """All of it was made, or no more is to come."""
        reply.done = True
        if self.broken is reply:
            self.broken = None
        self._emit(StageReached(Stage.MODEL_ENDED, reply.generation))
        self._emit(ReplyEnded(reply.generation))
        if not reply.sounded:  # nobody will hear it: there is nothing to wait for
            self.live.pop(reply.generation, None)
            self._history.settled(reply.generation, "")

    # --- what the call says -------------------------------------------------------------------------------------------

    def heard(self, generation: int, text: str) -> Reply | None:
        """It was heard to its end."""
        reply = self.live.pop(generation, None)
        if reply is not None:
            self._history.settled(generation, text)
        return reply

    def interrupted(self, generation: int, heard_ms: float, text: str) -> Reply | None:
        """The caller cut it short: stop making it, and have the vendor forget what was not heard."""
        reply = self.live.pop(generation, None)
        if reply is None:
            return None
        self._stop(reply)
        line = self._history.settled(generation, text)
        if line is not None and line.item and heard_ms < reply.past_ms:  # it was told in text, and more of it
            told = line.item
            if line.text:
                self._send(ItemCreate(item=self._history.replacement(line), previous_item_id=told))
            self._send(ItemDelete(item_id=told))
        for change in reply.cut(heard_ms):
            self._tell(change)
        return reply

    def take_back(self) -> None:
        """Replies nobody has heard anything of are dropped."""
        unsounded = [reply for reply in self.live.values() if not reply.sounded]
        for reply in unsounded:
            self._emit(ReplyEnded(reply.generation))
            self.interrupted(reply.generation, 0, "")

    def void(self) -> None:
        """The connection is gone. A reply that was being made is ``broken``, and can be asked for again."""
        for reply in self.live.values():
            if reply.words is not None:
                self._say(reply, *reply.words.break_off())
            if not reply.done:
                self.broken = reply
            reply.void()
        self._making.clear()
        self._asked, self.busy, self.phase = None, False, "idle"

    # --- inside -------------------------------------------------------------------------------------------------------

    def _tell(self, change: Truncate | Delete) -> None:
        match change:
            case Truncate(item, index, ms):
                self._send(ItemTruncate(item_id=item, content_index=index, audio_end_ms=ms))
            case Delete(item):
                self._send(ItemDelete(item_id=item))

    def _stop(self, reply: Reply) -> None:
        if self.broken is reply:
            self.broken = None
        if self._making.pop(reply.response_id, None) is not None:
            self._send(ResponseCancel(response_id=reply.response_id))
        elif self._asked is reply:
            self._send(ResponseCancel())
        # ``busy`` until the vendor says that it is over.

    def _first_token(self, reply: Reply) -> None:
        if reply.words is None and not reply.sounded and not reply.text:
            self._emit(StageReached(Stage.MODEL_FIRST_TOKEN, reply.generation))

    def _say(self, reply: Reply, text: str, audio: bytes) -> None:
        if text:
            self._emit(ReplyText(text, reply.generation))
        if audio:
            self._emit(ReplyAudio(audio, reply.generation))
