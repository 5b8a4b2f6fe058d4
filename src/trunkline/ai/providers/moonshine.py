"""Moonshine: speech recognition on this machine, without a key or a network."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from trunkline import logs
from trunkline.ai.base import AgentSettings, CallFacts, ProviderSpec, Stt, SttEmit, SttSession
from trunkline.ai.events import CallerSaid
from trunkline.ai.providers import _moonshine_model as files
from trunkline.ai.providers._moonshine_hub import Hub, Turn
from trunkline.ai.providers._moonshine_line import Line
from trunkline.ai.turn_audio import TurnAudio
from trunkline.audio.convert import Converter
from trunkline.audio.format import ALAW_8K, MULAW_8K, PCM16_8K, PCM16_16K, AudioFormat
from trunkline.errors import ConfigError, ProviderError

NAME: Final = "moonshine"

FINAL_S: Final = 5.0
"""From a turn's end to its words, on a machine that has too much to do. After that it is a turn without words."""

FAILURES: Final = 3
"""Turns in a row that came to nothing, after which the recogniser is given up."""

_log = logs.get(__name__)


class MoonshineSettings(msgspec.Struct, frozen=True):
    """Settings of the recogniser on this machine."""

    model_path: str = ""  # folder that holds a model; empty: the one that was fetched, or is at the first start
    arch: str = ""  # what the model in model_path is ("base", "small-streaming" …); empty: its files tell


class Moonshine:
    """The recogniser for all calls: one model, one thread."""

    turns = False
    partials = True
    hears: tuple[AudioFormat, ...] = (MULAW_8K, ALAW_8K, PCM16_8K, PCM16_16K)

    def __init__(self, settings: AgentSettings) -> None:
        self.own: MoonshineSettings = settings.own or MoonshineSettings()
        self.name = f"{NAME}/{settings.model}".rstrip("/")
        self.failures = 1 if settings.has_standby else FAILURES
        self.hub: Hub | None = None
        self._arch = settings.model
        self._language = settings.language.replace("_", "-").partition("-")[0].lower()
        self._models = Path(settings.models) if settings.models else None
        self._close: Callable[[], None] = lambda: None

    @property
    def is_here(self) -> bool:
        """Whether its package and a fetched model are. Loads neither."""
        return files.installed() and files.find(self._models, self._language, self._arch) is not None

    async def warm_up(self) -> None:
        """Loads the model; fetches it first where there is none. Raises ``ConfigError``."""
        if self.hub is not None:
            return
        stop = threading.Event()
        try:
            transcriber, streams = await asyncio.get_running_loop().run_in_executor(None, self._load, stop)
        except asyncio.CancelledError:
            stop.set()  # a download that nobody waits for
            raise
        self._close = transcriber.close
        self.hub = Hub(lambda: Line(transcriber, streams=streams), streams=streams)

    def open(self, facts: CallFacts, *, hears: AudioFormat, emit: SttEmit) -> SttSession:
        if self.hub is None:
            raise ConfigError("the Moonshine recogniser was not warmed up")
        return _Session(self, self.hub, facts, hears, emit)

    async def close(self) -> None:
        if self.hub is not None:
            self.hub.close(self._close)
            self.hub = None

    def _load(self, stop: threading.Event) -> tuple[Any, bool]:
        """The library's transcriber, and whether it streams."""
        if self.own.model_path:
            model = files.at(Path(self.own.model_path), self.own.arch, self._language)
        elif (found := files.find(self._models, self._language, self._arch)) is not None:
            model = found
        else:
            with _progress() as tell:
                model = files.fetch(self._models, self._language, self._arch, tell, stop)
        return files.load(model)


class _Session:
    def __init__(self, stt: Moonshine, hub: Hub, facts: CallFacts, hears: AudioFormat, emit: SttEmit) -> None:
        self._stt = stt
        self._hub = hub
        self._emit = emit
        self._audio = TurnAudio(hears)
        self._converter = Converter(hears, PCM16_16K)
        self._turn: Turn | None = None
        self._due: deque[tuple[Turn, asyncio.TimerHandle]] = deque()  # ended turns without words, the oldest first
        self._said = ""
        self._failures = 0
        self._loop = asyncio.get_running_loop()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._log = _log.bind(call=facts.call_id)

    def hear(self, audio: bytes, now: float) -> None:
        self._audio.push(audio)
        if self._turn is not None:
            self._turn.hear(self._converter.process(audio))

    def turn_started(self, at_ms: float) -> None:
        if self._turn is not None:
            self._turn.drop()
        self._converter.reset()
        self._said = ""
        self._turn = self._hub.open(self._told)
        self._turn.hear(self._converter.process(self._audio.started(at_ms)))

    def turn_ended(self, at_ms: float) -> None:
        if (turn := self._turn) is None:
            return
        self._turn = None
        self._audio.ended(at_ms)
        self._due.append((turn, self._loop.call_later(FINAL_S, self._too_late)))
        turn.end(self._converter.flush())

    async def run(self) -> None:
        try:
            await self._over
        finally:
            if self._turn is not None:
                self._turn.drop()
            for turn, timer in self._due:
                turn.drop()
                timer.cancel()
            self._due.clear()

    # --- from the hub: words of the turns, in their order ---

    def _told(self, words: str | None, last: bool) -> None:
        if last:
            _, timer = self._due.popleft()
            timer.cancel()
            self._final(words)
        elif words and words != self._said and not self._due:  # else they are of a turn that is over
            self._said = words
            self._emit(CallerSaid(words, final=False))

    def _too_late(self) -> None:
        turn, _ = self._due.popleft()
        turn.drop()
        self._log.warning("a turn without words: the machine has too much to do", waiting=self._hub.waiting)
        self._final(None)

    def _final(self, words: str | None) -> None:
        self._failures = 0 if words is not None else self._failures + 1
        if self._failures < self._stt.failures:
            self._emit(CallerSaid(words or "", final=True))
        elif not self._over.done():
            self._over.set_exception(ProviderError(NAME, "transient", "turns in a row came to nothing"))


@contextmanager
def _progress() -> Iterator[Callable[[float], None]]:
    """What shows a download: a bar on a terminal, a line now and then elsewhere. Told the share that is done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    if console.is_terminal:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("Fetching the Moonshine model", total=1.0)
            yield lambda share: bar.update(task, completed=share)
        return
    tenths = [-1]

    def tell(share: float) -> None:
        if int(10 * share) > tenths[0]:
            tenths[0] = int(10 * share)
            _log.info("fetching the Moonshine model", done=f"{10 * tenths[0]} %")

    yield tell


class _Provider:
    spec = ProviderSpec(
        name=NAME,
        title="Moonshine",
        settings=MoonshineSettings,
        models=(files.PREFERRED, "tiny-streaming", "medium-streaming", "base", "tiny"),
        about=(
            "Speech recognition on this machine: no key, no network, nothing leaves it. "
            f"`{files.INSTALL}`; `trunkline models moonshine` fetches the model (so does the first start), or "
            "`MOONSHINE_MODEL_PATH` names a folder that holds one. What stands behind the slash is its architecture: "
            "those that stream have words while the caller speaks. One thread hears all calls, ended turns first; "
            "audio is 16 kHz to it, whatever the phone has. A turn that has no words after five seconds has none. "
            "English models are free for any use, others for non-commercial use only."
        ),
    )

    def stt(self, settings: AgentSettings) -> Stt:
        return Moonshine(settings)

    def at_hand(self, settings: AgentSettings) -> Stt | None:
        """The recogniser, if there is one for the language already: nothing is fetched or loaded to know."""
        stt = Moonshine(settings)
        return stt if stt.is_here else None

    def fetch(self, models: Path | None, model: str, language: str) -> Path:
        """For ``trunkline models``: the model's folder, downloaded if it is not there. Raises ``ConfigError``."""
        if (found := files.find(models, language, model)) is None:
            with _progress() as tell:
                found = files.fetch(models, language, model, tell, threading.Event())
        return found.path


PROVIDER = _Provider()
