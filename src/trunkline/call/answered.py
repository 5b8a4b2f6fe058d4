"""A call over a transport of the application's own, and an agent that answers it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from trunkline.ai.base import AgentModel
from trunkline.call.embedded import Carriage, EmbeddedCodec, Figures
from trunkline.call.runner import CallRunner
from trunkline.call.session import CallSession
from trunkline.call.settings import CallSettings
from trunkline.wire.base import HttpCall, WireSpec
from trunkline.wire.events import StreamStarted, StreamStopped, WireEvent

_OURS: Final = {"format", "byte_order", "frame_ms", "caller", "callee"}  # of a call's metadata; the rest is the agent's

_log = logging.getLogger("trunkline.call.gateway")


class Transport(NamedTuple):
    """What the application's transport can do."""

    send: Callable[[str, bytes], object] | None = None
    clear: Callable[[str], object] | None = None
    hang_up: Callable[[str, str], object] | None = None


class Answering(NamedTuple):
    """How calls are answered by an agent."""

    model: AgentModel
    settings: CallSettings
    keep: Callable[[CallSession], None] | None


class AnsweredCall:
    """The call. Await ``run``; to its runner this is the link."""

    def __init__(self, call_id: str, carriage: Carriage, answering: Answering, transport: Transport) -> None:
        self.carriage = carriage
        self.figures = Figures(carriage.audio)
        self._call_id = call_id
        self._transport = transport
        self._codec = EmbeddedCodec(carriage)
        self._loop = asyncio.get_running_loop()
        self._open = True
        able = transport.clear is not None
        self._runner = CallRunner(
            codec=self._codec,
            spec=WireSpec(
                name="embedded",
                title="A transport of the application's",
                media_path="",
                clears=able,
                closes=True,
                frame_ms=carriage.frame_ms,
                lead_ms=200 if able else 100,  # what can't be taken back is not sent early
            ),
            model=answering.model,
            settings=answering.settings,
            link=self,
            http=_no_requests,
            log=_warn,
            keep=answering.keep,
        )

    async def run(self) -> None:
        """To the call's end. The outer edge: whatever is raised in there ends no other call."""
        try:
            await self._runner.run()
        except Exception:
            _log.exception("a call failed")

    def start(self, metadata: Mapping[str, Any]) -> None:
        """Its stream starts."""
        audio = self.carriage.audio
        parameters = {k: v for k, v in metadata.items() if isinstance(v, str) and k not in _OURS}
        caller, callee = (str(metadata.get(side, "")) for side in ("caller", "callee"))
        self.tell(StreamStarted(self._call_id, self._call_id, audio, audio, caller, callee, parameters))

    def tell(self, event: WireEvent) -> None:
        """Something happened to it that is no audio."""
        self._codec.events.append(event)
        self._runner.received(b"", False)

    def heard(self, chunk: bytes) -> None:
        """The caller's audio, as the transport has it."""
        self._runner.received(chunk, True)

    def ended(self, reason: str) -> None:
        """The application says that it is over."""
        self._open = False  # nothing more is for the transport
        self.tell(StreamStopped(reason))

    # --- call.bridge.Link ------------------------------------------------------------------------------------------

    def send_binary(self, data: bytes) -> None:
        """A frame for the caller."""
        if self._transport.send is not None and self._open:
            self.figures.sent_chunks += 1
            self.figures.sent_bytes += len(data)
            self._do(self._transport.send, self._call_id, data)

    def send_text(self, data: bytes) -> None:
        """Clear what was not played: the codec says nothing else in text."""
        if self._transport.clear is not None:
            self._do(self._transport.clear, self._call_id)

    def close(self, code: int, reason: str) -> None:
        """The call is over for us."""
        if not self._open:
            return
        if self._transport.hang_up is not None:
            self._do(self._transport.hang_up, self._call_id, reason)
        self._open = False
        self._loop.call_soon(lambda: self._runner.lost("hung up", clean=True))

    def buffered(self) -> int:
        """What the transport holds, only the transport knows."""
        return 0

    def _do(self, act: Callable[..., object], *arguments: object) -> None:
        """The edge of the application's code: what it raises ends this call and no other."""
        if not self._open:
            return
        try:
            act(*arguments)
        except Exception:
            self._open = False
            _log.exception("the transport raised, and its call is over")
            self._loop.call_soon(lambda: self._runner.lost("the transport raised"))


async def _no_requests(call: HttpCall) -> None:
    """This codec makes none."""


def _warn(level: str, event: str, fields: dict[str, Any]) -> None:
    """Events by their name and reason: what else is in the fields may be private."""
    if level in ("warning", "error"):
        _log.warning("%s: %s", event, fields.get("reason") or fields.get("exception") or level)
