"""The page of ``examples/`` in a real browser: two calls at once, to an echo and to the local agent.

The browser's microphone is a recording of speech. What its loudspeaker is given is tapped in the page, and compared
with what the gateway recorded. Both calls are held once, in real time, for all tests of this file.
"""

import asyncio
import base64
import functools
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from scipy.signal import correlate

from browser import Browser, Tab, browser, program
from speech import speech
from trunkline.ai.agent import Agent
from trunkline.audio.format import PCM16_16K
from trunkline.audio.stretches import sounds
from trunkline.call.session import CallSession
from trunkline.config import Config
from trunkline.server.run import running
from trunkline.testing.echo import compare

RATE: Final = 16000
PAGE: Final = "open_client.html"
EXAMPLES: Final = Path(__file__).parents[2] / "examples"

# Beside the loudspeaker, everything that leads to it also leads to this tap.
TAP: Final = """
window.tapped = []; window.binary = 0; window.controls = [];
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (target, ...rest) {
  if (target instanceof AudioDestinationNode && !(this instanceof ScriptProcessorNode)) {
    if (!target.tap) {
      target.tap = target.context.createScriptProcessor(1024, 1, 1);
      target.tap.onaudioprocess = ({ inputBuffer }) =>
        window.tapped.push(Int16Array.from(inputBuffer.getChannelData(0), s => Math.round(32768 * s)));
      connect.call(target.tap, target);
    }
    connect.call(this, target.tap);
  }
  return connect.call(this, target, ...rest);
};
const Socket = window.WebSocket;
window.WebSocket = class extends Socket {
  constructor(...given) {
    super(...given);
    this.addEventListener("message", ({ data }) =>
      typeof data === "string" ? window.controls.push(JSON.parse(data)) : window.binary += data.byteLength);
  }
};
"""
TAPPED: Final = """
(() => {
  const bytes = new Uint8Array(tapped.reduce((n, piece) => n + piece.byteLength, 0));
  let at = 0;
  for (const piece of tapped) { bytes.set(new Uint8Array(piece.buffer), at); at += piece.byteLength; }
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
})()
"""


class Held(msgspec.Struct, frozen=True):
    """A call as the page and the gateway know it."""

    session: CallSession
    caller: NDArray[np.int16]  # as the gateway recorded it
    agent: NDArray[np.int16]
    loudspeaker: NDArray[np.int16]
    binary_bytes: int
    controls: list[dict[str, Any]]
    states: list[str]  # what the page said of itself
    words: str
    complaints: list[str]


@contextmanager
def page_served() -> Iterator[str]:
    """The examples over HTTP on loopback, which a browser lets use the microphone."""
    handler = functools.partial(Quiet, directory=str(EXAMPLES))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/{PAGE}"
        finally:
            server.shutdown()
            thread.join()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


async def state(tab: Tab) -> str:
    return str(await tab.run("document.querySelector('#state').textContent"))


async def hold(chromium: Browser, page: str, agent: str, folder: Path) -> Held:
    over: asyncio.Future[CallSession] = asyncio.get_running_loop().create_future()
    config = Config.load(agent=agent, host="127.0.0.1", port=0, record_dir=folder, insecure=True)
    async with running(config, Agent(""), keep=over.set_result) as service, chromium.tab() as tab:
        url = service.gateway.base_url.replace("http", "ws") + f"/ws/voice/browser-{agent}"
        await tab.open(page, before=TAP)
        states = [await state(tab)]
        await tab.run(f"document.querySelector('#url').value = '{url}'")
        await tab.click("#call")
        await tab.until("document.querySelector('#state').textContent.startsWith('On the line')")
        states.append(await state(tab))
        if agent == "local":  # the caller speaks into the greeting; then a key
            await tab.until("document.querySelector('#words .agent') && binary > 32000")
            await tab.click("#keys button:nth-child(1)")
            await tab.until("document.querySelector('#words').textContent.includes('Monday')")
        else:
            await tab.until("binary > 4 * 32000")
        await tab.click("#end")
        await tab.until("!document.querySelector('#call').disabled")
        states.append(await state(tab))
        session = await asyncio.wait_for(over, 10)
        both, rate = soundfile.read(session.recording, dtype="int16")
        assert rate == RATE
        return Held(
            session=session,
            caller=both[:, 0],
            agent=both[:, 1],
            loudspeaker=np.frombuffer(base64.b64decode(await tab.run(TAPPED)), "<i2"),
            binary_bytes=await tab.run("binary"),
            controls=await tab.run("controls"),
            states=states,
            words=await tab.run("document.querySelector('#words').textContent"),
            complaints=tab.complaints,
        )


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory, espeak: None) -> dict[str, Held]:
    program()  # or be skipped
    folder = tmp_path_factory.mktemp("browser")
    said = np.frombuffer(speech("jfk", PCM16_16K), "<i2")
    soundfile.write(folder / "microphone.wav", np.concatenate((np.zeros(RATE, np.int16), said)), RATE)

    async def both() -> dict[str, Held]:
        agents = ("echo", "local")
        with page_served() as page:
            async with browser(folder / "profile", folder / "microphone.wav") as chromium:
                held = [hold(chromium, page, agent, folder / agent) for agent in agents]
                return dict(zip(agents, await asyncio.gather(*held), strict=True))

    return asyncio.run(both())


@pytest.mark.parametrize("agent", ["echo", "local"])
def test_the_page_calls_and_hangs_up_and_says_so(calls: dict[str, Held], agent: str) -> None:
    held = calls[agent]
    assert held.states == ["Not on the line.", f"On the line: browser-{agent}.", "The call is over (1000)."]
    assert held.complaints == []
    session = held.session
    assert (session.call_id, session.platform) == (f"browser-{agent}", "open")
    assert session.end_reason == "the client ended the session"
    assert session.ledger.balances


@pytest.mark.parametrize("agent", ["echo", "local"])
def test_the_gateway_hears_what_the_microphone_hears(calls: dict[str, Held], agent: str) -> None:
    # Not to the sample: browsers set a microphone's level and take its noise away.
    said = np.frombuffer(speech("jfk", PCM16_16K), "<i2")
    words = said[RATE // 2 : RATE]
    assert best_match(words, calls[agent].caller, reach_ms=3000) > 0.85


def test_the_loudspeaker_is_given_what_the_gateway_says_was_heard(calls: dict[str, Held]) -> None:
    held = calls["local"]
    stretches = [each for each in sounds(held.agent.tobytes(), RATE) if each.end_ms - each.begin_ms > 200]
    assert stretches
    for stretch in stretches:
        begin, end = (int(ms * RATE / 1000) for ms in (stretch.begin_ms, stretch.end_ms))
        # A browser on a busy machine plays late, and is late from then on; what it plays is the same.
        assert best_match(held.agent[begin:end], held.loudspeaker[begin:], reach_ms=2000) > 0.98


def test_an_echo_comes_back_with_no_sample_changed_and_none_missing(calls: dict[str, Held]) -> None:
    held = calls["echo"]
    compared = compare(held.agent.tobytes(), held.loudspeaker.tobytes(), PCM16_16K)
    assert compared.whole, compared
    assert compared.compared > RATE
    # What came last, and was dropped as the call ended, is as much as a gateway sends ahead.
    assert 0 <= held.binary_bytes // 2 - held.session.ledger.agent.played <= 0.3 * RATE


def test_a_caller_who_speaks_into_the_greeting_stops_it_in_the_loudspeaker(calls: dict[str, Held]) -> None:
    held = calls["local"]
    assert held.session.barge_ins >= 1
    assert "clear" in {told.get("action") for told in held.controls}
    recorded, given = (
        sum(each.end_ms - each.begin_ms for each in sounds(side.tobytes(), RATE))
        for side in (held.agent, held.loudspeaker)
    )
    assert given == pytest.approx(recorded, abs=100 * held.session.barge_ins)
    assert held.session.ledger.agent.cleared > RATE


def test_the_agents_words_and_the_callers_key_come_through(calls: dict[str, Held]) -> None:
    held = calls["local"]
    assert [key.digit for key in held.session.keys] == ["1"]
    assert "agent: Hello" in held.words
    assert "agent: We are open from Monday" in held.words


def test_every_mark_comes_back(calls: dict[str, Held]) -> None:
    for held in calls.values():
        assert [told for told in held.controls if told.get("action") == "mark"]
        assert held.session.ledger.agent.in_flight == 0


def best_match(wanted: NDArray[np.int16], sound: NDArray[np.int16], *, reach_ms: int) -> float:
    """The correlation, 0 to 1, of ``wanted`` with that part of ``sound`` that is most like it."""
    part = sound[: len(wanted) + reach_ms * RATE // 1000].astype(float)
    known = wanted[: len(part)].astype(float)
    dots = correlate(part, known, mode="valid", method="fft")
    powers = np.convolve(np.square(part), np.ones(len(known)), mode="valid")
    best: float = np.max(dots / np.sqrt(np.maximum(powers, 1) * np.square(known).sum()))
    return best
