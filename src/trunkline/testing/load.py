"""Many simulated Twilio calls to one gateway, at a fraction of the gateway's own cost.

A load generator that costs as much as what it measures measures itself. So a call here is messages made
beforehand (``load_twilio``), a few numbers (``load_call``) and no task: one timer sends everybody's frames, in
``PHASES`` groups spread over the 20 ms, on absolute deadlines. How late it was itself is part of the result.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import msgspec
import numpy as np
from picows import WSError, WSFrame, WSInvalidStatusError, WSListener, WSMsgType, WSTransport, ws_connect

from trunkline.errors import RemoteError
from trunkline.testing.load_call import FRAME_S, LoadCall, Tally
from trunkline.testing.load_twilio import CheapPhone
from trunkline.wire._twilio_messages import OutboundMark, OutboundMedia

PHASES: Final = 20
SLOT_S: Final = FRAME_S / PHASES
CATCH_UP: Final = PHASES // 2
_STRIDE: Final = 7  # from one call's phase to the next one's; no divisor of PHASES
CONNECT_TIMEOUT_S: Final = 15.0
GOODBYE_S: Final = 5.0
READ_BUFFER_BYTES: Final = 2048
OVERDUE_S: Final = 0.3
"""A frame that has been away for this long when a window ends counts with the age it has."""

_TEXT = WSMsgType.TEXT
P = TypeVar("P", bound="LoadPhone")
_clock = time.monotonic  # not the loop's, which stands still while the loop works through a batch


class Window(msgspec.Struct, frozen=True):
    """What the calls met in some seconds of steady load. Latencies are seconds; NaN where nothing came back."""

    calls: int  # under way at its end
    refused: int  # of all calls ever tried
    dropped: int  # ended by the gateway, or by a broken protocol
    astray: int  # whose echo was not what was said, place by place
    seconds: float
    frames: int  # that came back
    p50: float
    p99: float
    under_runs: float  # share of the playing time that was silent for want of audio
    lag_p99: float  # by how much the generator sent too late


class Fleet(Generic[P]):
    """The calls, on the running event loop. ``add`` some, ``measure``, add more; ``hang_up`` in the end.

    ``make`` makes each call's phone: one that talks to an echo, or one of another kind.
    """

    def __init__(self, socket_url: str, make: Callable[[CheapPhone, Tally], P]) -> None:
        self.tally = Tally()
        self.refused = 0  # of the calls tried
        self.tried = 0
        self._url = socket_url
        self.phones: list[P] = []
        self._make = make
        self._slots: list[list[P]] = [[] for _ in range(PHASES)]
        self._slot = 0  # the next one to send
        self._began = _clock()
        self._timer = asyncio.get_running_loop().call_later(SLOT_S, self._tick)

    async def add(self, calls: int, per_second: float) -> None:
        """Place more calls, evenly spread in time. Those that are refused are counted."""
        begin = _clock()
        async with asyncio.TaskGroup() as group:
            for number in range(calls):
                await asyncio.sleep(begin + number / per_second - _clock())
                group.create_task(self._place())

    async def _place(self) -> None:
        number = self.tried
        self.tried += 1
        phone = self._make(CheapPhone(f"CA{number:032x}"), self.tally)
        try:
            await ws_connect(
                lambda: phone,
                self._url,
                websocket_handshake_timeout=CONNECT_TIMEOUT_S,
                max_redirects=0,
                proxy=None,
                read_buffer_init_size=READ_BUFFER_BYTES,
            )
        except (WSInvalidStatusError, WSError, OSError, TimeoutError):
            self.refused += 1
            return
        self.phones.append(phone)
        self._slots[number * _STRIDE % PHASES].append(phone)

    def _tick(self) -> None:
        """Send what is due, group by group. A late timer catches up, and the lag is noted.

        It catches up a few groups at a time: a generator that can't keep up must still hear what comes back.
        """
        for _ in range(CATCH_UP):
            if (deadline := self._began + self._slot * SLOT_S) > _clock():
                break
            lags = self.tally.lags
            for phone in self._slots[self._slot % PHASES]:
                now = _clock()
                lags.append(now - deadline)
                phone.say(now)
            self._slot += 1
        # At least a millisecond: shorter delays uvloop rounds to none, and then spins.
        self._timer = asyncio.get_running_loop().call_later(max(0.001, deadline - _clock()), self._tick)

    async def measure(self, seconds: float) -> Window:
        """What happens during the next ``seconds``."""
        tally = self.tally
        tally.restart(began := _clock())
        await asyncio.sleep(seconds)
        now = _clock()
        returned = len(tally.latencies)
        live = [phone for phone in self.phones if phone.live]
        for phone in live:
            phone.books.close_window(now, OVERDUE_S)
        p50, p99 = percentiles(tally.latencies, 50, 99)
        return Window(
            calls=len(live),
            refused=self.refused,
            dropped=len(self.phones) - len(live),
            astray=sum(phone.books.astray for phone in self.phones),
            seconds=now - began,
            frames=returned,
            p50=p50,
            p99=p99,
            under_runs=tally.dry_s / ((now - began) * len(live)) if live else 0.0,
            lag_p99=percentiles(tally.lags, 99)[0],
        )

    async def hang_up(self) -> None:
        """End every call in the platform's words, and wait for the sockets to close."""
        self._timer.cancel()
        goodbyes = [asyncio.ensure_future(phone.gone()) for phone in self.phones]
        for phone in self.phones:
            phone.hang_up()
        if goodbyes:
            _, late = await asyncio.wait(goodbyes, timeout=GOODBYE_S)
            for goodbye in late:
                goodbye.cancel()
        for phone in self.phones:
            phone.cut()


def percentiles(values: Sequence[float], *wanted: float) -> list[float]:
    """Those percentiles of ``values``; NaN where there are none."""
    numbers = np.asarray(values, dtype=np.float64)
    if not numbers.size:
        return [float("nan")] * len(wanted)
    return [float(value) for value in np.percentile(numbers, wanted)]


class LoadPhone(WSListener):  # type: ignore[misc, unused-ignore]
    """One call's socket. It says the load's sound without a break, and keeps books of the echo."""

    def __init__(self, phone: CheapPhone, tally: Tally) -> None:
        self.books = LoadCall(tally)
        self.live = False
        self.wire = phone
        self.transport: WSTransport

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        self.live = True
        for message in self.wire.opening:
            transport.send(_TEXT, message)

    def say(self, now: float) -> None:
        """The next frame is due; marks that have been played go with it."""
        if not self.live:
            return
        self.books.sent(now)
        self.transport.send(_TEXT, self.wire.media())
        while (name := self.books.played_mark(now)) is not None:
            self.transport.send(_TEXT, self.wire.mark(name))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        now = _clock()
        if frame.msg_type is not _TEXT:
            if frame.msg_type is WSMsgType.CLOSE:
                self.live = False
                transport.send_close(frame.get_close_code())
                transport.disconnect()
            return
        try:
            message = self.wire.read(frame.get_payload_as_bytes())
        except RemoteError:  # what the platform would refuse
            self.live = False
            transport.disconnect()
            return
        if isinstance(message, OutboundMedia):
            self.books.heard(message.media.payload, now)
        elif isinstance(message, OutboundMark):
            self.books.mark(message.mark.name)
        else:  # an echo has nothing to clear: what follows is not where it should be
            self.books.astray = True

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.live = False

    def hang_up(self) -> None:
        """Say that the caller has gone."""
        if self.live:
            self.live = False
            self.transport.send(_TEXT, self.wire.stop())

    async def gone(self) -> None:
        """Wait until the gateway has closed the socket."""
        await self.transport.wait_disconnected()

    def cut(self) -> None:
        """Close the socket if the gateway has not."""
        self.transport.disconnect(graceful=False)
