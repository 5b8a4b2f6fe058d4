"""The recogniser on this machine: the real library with models made here, which load and run and know one sentence."""

import asyncio
import inspect
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_moonshine import WORDS, tiny, tiny_streaming
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from typer.testing import CliRunner
from vendor_calls import FACTS, Kept, listening
from voices import silence

from trunkline import registry
from trunkline.ai.base import AgentSettings
from trunkline.ai.cascade import Cascade
from trunkline.ai.events import CallAnswered, CallerSaid, ReplyEnded, ReplyHeard, ReplyText
from trunkline.ai.providers import _moonshine_model as files
from trunkline.ai.providers._moonshine_hub import MOST_BYTES, Hub
from trunkline.ai.providers._moonshine_line import PASS_LONG_S, PASS_LONGEST_S, Line
from trunkline.ai.providers.moonshine import FAILURES, PROVIDER, Moonshine, MoonshineSettings
from trunkline.audio.convert import Converter
from trunkline.audio.format import MULAW_8K, PCM16_8K, PCM16_16K, AudioFormat
from trunkline.cli.main import app
from trunkline.errors import ConfigError, ProviderError
from trunkline.testing import sounds
from trunkline.testing.standins import serving

SENTENCE = " ".join(WORDS)
MAKERS: dict[str, Callable[[Path, Path], Path]] = {"tiny": tiny, "tiny-streaming": tiny_streaming}


def loud(audio: AudioFormat, ms: int) -> bytes:
    """A square wave of 100 Hz: each 20 ms of it are as loud as the next."""
    pcm = np.tile(np.repeat(np.array([8000, -8000], "<i2"), 40), ms // 10).tobytes()
    return Converter(PCM16_8K, audio).process(pcm)


# --- the library -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders with models, by their architecture."""
    library = pytest.importorskip(
        "moonshine_voice", reason="moonshine-voice is not installed: the extra 'local' has it"
    )
    tokenizer = library.get_model_path("tiny-en") / "tokenizer.bin"
    return {arch: make(tmp_path_factory.mktemp(arch), tokenizer) for arch, make in MAKERS.items()}


def settings(
    path: Path | None, *, models: Path | None = None, model: str = "", language: str = "en-us"
) -> AgentSettings:
    own = MoonshineSettings(model_path=str(path) if path else "")
    return AgentSettings(model=model, language=language, models=str(models or ""), own=own)


@asynccontextmanager
async def recogniser(path: Path) -> AsyncIterator[Moonshine]:
    stt = Moonshine(settings(path))
    await stt.warm_up()
    yield stt
    await stt.close()


@pytest.mark.parametrize("arch", MAKERS)
@pytest.mark.parametrize("audio", Moonshine.hears, ids=str)
def test_a_turn_has_its_words_to_the_last(made: dict[str, Path], arch: str, audio: AudioFormat) -> None:
    async def story() -> None:
        said = [silence(audio, 300), loud(audio, 1000)]
        # Words while the caller speaks take a worker's time, which a busy machine has to find.
        speed = 2 if arch == "tiny-streaming" else 16
        async with (
            recogniser(made[arch]) as stt,
            listening(stt, said, audio=audio, speed=speed, turns=[(300, 1300)]) as (kept, _, _session),
        ):
            await kept.until(lambda: bool(kept.finals))
            partials = [event.text for event in kept.of(CallerSaid) if not event.final]
        assert kept.finals == [SENTENCE]
        if arch == "tiny-streaming":
            assert partials, "words while the caller speaks"
            assert all(SENTENCE.startswith(text) for text in partials)
            assert partials == sorted(set(partials), key=len)
        else:
            assert not partials

    asyncio.run(story())


@pytest.mark.parametrize("arch", MAKERS)
def test_silence_has_no_words_and_turns_keep_their_order(made: dict[str, Path], arch: str) -> None:
    async def story() -> None:
        said = [loud(MULAW_8K, 1000), silence(MULAW_8K, 1000), loud(MULAW_8K, 1000)]
        turns = [(0.0, 1000.0), (1320.0, 1500.0), (2000.0, 3000.0)]
        async with (
            recogniser(made[arch]) as stt,
            listening(stt, said, speed=16, turns=turns) as (kept, _, _session),
        ):
            await kept.until(lambda: len(kept.finals) == 3)
        assert kept.finals == [SENTENCE, "", SENTENCE]

    asyncio.run(story())


def test_many_calls_at_once_have_each_their_own_words(made: dict[str, Path]) -> None:
    async def story() -> None:
        async with recogniser(made["tiny-streaming"]) as stt:
            calls = [Kept() for _ in range(12)]
            sessions = [stt.open(FACTS, hears=MULAW_8K, emit=kept) for kept in calls]
            runs = [asyncio.create_task(session.run()) for session in sessions]
            for session in sessions:
                session.turn_started(0)
            for at in range(0, 1000, 20):
                for number, session in enumerate(sessions):
                    session.hear(loud(MULAW_8K, 20) if at < 500 or number % 2 else silence(MULAW_8K, 20), at / 1000)
                await asyncio.sleep(0)
            for session in sessions:
                session.turn_ended(1000)
            for kept in calls:
                await kept.until(lambda kept=kept: bool(kept.finals))  # type: ignore[misc]
            assert [kept.finals for kept in calls] == [["when are"], [SENTENCE]] * 6
            assert stt.hub is not None
            assert stt.hub.waiting == 0
            for run in runs:
                run.cancel()
            await asyncio.wait(runs)

    asyncio.run(story())


@pytest.mark.parametrize("arch", MAKERS)
def test_a_long_turn_is_cut_at_a_pause(made: dict[str, Path], arch: str) -> None:
    transcriber, streams = files.load(files.at(made[arch], "", "en"))
    line = Line(transcriber, streams=streams)
    seconds = int(PASS_LONG_S) + 1
    text = line.hear(loud(PCM16_16K, 1000 * seconds) + silence(PCM16_16K, 400) + loud(PCM16_16K, 1000), last=True)
    assert text == f"{SENTENCE} {SENTENCE}"
    line = Line(transcriber, streams=streams)
    text = line.hear(loud(PCM16_16K, int(1000 * (2 * PASS_LONGEST_S + 2))), last=True)
    assert text == " ".join([SENTENCE] * 3), "and without a pause in any case"
    line.close()
    transcriber.close()


def test_a_whole_agent_understands_on_this_machine_alone(made: dict[str, Path], espeak: None) -> None:
    """Detector, recogniser, rules and voice: everything is here, and only what the recogniser knows is made up."""

    async def story() -> None:
        agent = registry.load("ai.providers", "local").agent(AgentSettings(), stt=Moonshine(settings(made["tiny"])))
        await agent.warm_up()
        kept = Kept()
        session = agent.open(FACTS, hears=MULAW_8K, speaks=MULAW_8K, emit=kept)
        run = asyncio.create_task(session.run())
        session.tell(CallAnswered(), 0)
        await kept.until(lambda: ReplyEnded(1) in kept.events)
        session.tell(ReplyHeard(1, kept.text(1)), 0)
        said = silence(MULAW_8K, 600) + sounds.speak("When are you open?", MULAW_8K) + silence(MULAW_8K, 1200)
        for at in range(0, len(said), 160):
            session.hear(said[at : at + 160], at / 8000)
            await asyncio.sleep(0.002)  # ten times as fast as life: the detector has time to say what it finds
        await kept.until(lambda: any("nine to five" in event.text for event in kept.of(ReplyText)))
        assert kept.finals == [SENTENCE]
        run.cancel()
        await asyncio.wait([run])
        await agent.close()

    asyncio.run(story())


# --- its files ---------------------------------------------------------------------------------------------------


def test_the_architecture_is_told_by_the_files(made: dict[str, Path], tmp_path: Path) -> None:
    for arch, path in made.items():
        transcriber, streams = files.load(files.at(path, "", "en"))
        assert streams == arch.endswith("streaming")
        transcriber.close()
    # What loads and then fails is another architecture: the next is tried.
    misnamed = tmp_path / "base-en"
    misnamed.symlink_to(made["tiny"])
    assert files.at(misnamed, "", "en").archs == ("base", "tiny")
    transcriber, _ = files.load(files.at(misnamed, "", "en"))
    transcriber.close()
    with pytest.raises(ConfigError, match="set MOONSHINE_ARCH"):
        files.load(files.at(made["tiny"], "base", "en"))
    with pytest.raises(ConfigError, match="set MOONSHINE_ARCH"):
        files.load(files.at(made["tiny"], "enormous", "en"))


def test_a_broken_model_stops_the_start(made: dict[str, Path], tmp_path: Path) -> None:
    for file in made["tiny"].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes() if file.name == "tokenizer.bin" else b"no model")
    with pytest.raises(ConfigError, match="can't load"):
        asyncio.run(Moonshine(settings(tmp_path)).warm_up())


def test_a_path_without_a_model_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="MOONSHINE_MODEL_PATH"):
        asyncio.run(Moonshine(settings(tmp_path)).warm_up())


def test_without_the_package_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(files, "installed", lambda: False)
    with pytest.raises(ConfigError, match=r"pip install 'trunkline\[local\]'.*trunkline models moonshine"):
        asyncio.run(Moonshine(settings(None, models=tmp_path)).warm_up())


def sizes_in(path: Path) -> dict[Path, int]:
    return {file: file.stat().st_size for file in path.iterdir()}


@asynccontextmanager
async def vendor(monkeypatch: pytest.MonkeyPatch, path: Path) -> AsyncIterator[str]:
    """The package's own download, of a made model from loopback: only the list of files is another."""
    import moonshine_voice.download

    sizes = sizes_in(path)
    async with serving([Mount("/model", StaticFiles(directory=path))]) as url:
        listed = [{"name": file.name, "size": size} for file, size in sizes.items()]
        group = {"base_url": f"{url}/model", "files": listed}
        monkeypatch.setattr(moonshine_voice.download, "_stt_dependency_manifest", lambda *_, **__: {"groups": [group]})
        yield url


def with_download(monkeypatch: pytest.MonkeyPatch, path: Path, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        async with vendor(monkeypatch, path):
            await story()

    asyncio.run(run())


def test_the_first_start_fetches_the_model_and_the_next_finds_it(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async def story() -> None:
        stt = Moonshine(settings(None, models=tmp_path, model="tiny-streaming"))
        assert not stt.is_here
        await stt.warm_up()
        assert stt.hub is not None
        assert stt.hub.streams
        await stt.close()
        assert stt.is_here

    with_download(monkeypatch, made["tiny-streaming"], story)
    shown = "".join(capfd.readouterr())
    assert "100 %" in shown, "plain lines where there is no terminal"
    assert shown.count("fetching") <= 11
    # No server any more, and no list.
    monkeypatch.setattr("moonshine_voice.download.find_model_info", None)
    again = Moonshine(settings(None, models=tmp_path))
    asyncio.run(again.warm_up())
    found = files.find(tmp_path, "en", "")
    assert found is not None
    assert found.archs == ("tiny-streaming",)
    assert files.find(tmp_path, "en", "base") is None
    assert files.find(tmp_path, "es", "") is None


def test_a_download_that_fails_stops_the_start_and_leaves_no_model(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "tokenizer.bin").write_bytes(b"abc")

    async def story() -> None:
        (gone / "tokenizer.bin").unlink()  # listed, and not there
        with pytest.raises(ConfigError, match=r"can't be fetched \(HTTPError\).*MOONSHINE_MODEL_PATH"):
            await Moonshine(settings(None, models=tmp_path)).warm_up()
        assert files.find(tmp_path, "en", "") is None

    with_download(monkeypatch, gone, story)


def test_a_download_nobody_waits_for_ends(
    made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stop = threading.Event()
    stop.set()

    async def story() -> None:
        loop = asyncio.get_running_loop()
        fetching = loop.run_in_executor(None, files.fetch, tmp_path, "en", "tiny", lambda _: None, stop)
        with pytest.raises(ConfigError, match="InterruptedError"):
            await fetching

    with_download(monkeypatch, made["tiny"], story)


@pytest.mark.parametrize(("language", "arch"), [("xx", ""), ("en", "enormous"), ("ko", "medium-streaming")])
def test_a_model_there_is_none_of_is_said_to_be(
    made: dict[str, Path], tmp_path: Path, language: str, arch: str
) -> None:
    with pytest.raises(ConfigError, match="Moonshine has no model"):
        files.fetch(tmp_path, language, arch, lambda _: None, threading.Event())


@pytest.mark.parametrize("note", [b"", b"{}", b"[[[", b'{"path":"nowhere","arch":"tiny"}', b"\xff"])
def test_a_note_that_leads_nowhere_is_no_model(tmp_path: Path, note: bytes) -> None:
    files.place(tmp_path).mkdir()
    (files.place(tmp_path) / "en.tiny.json").write_bytes(note)
    assert files.find(tmp_path, "en", "") is None


def test_the_command_fetches_it_once(made: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUNKLINE_MODELS_DIR", str(tmp_path / "models"))

    async def story() -> None:
        runs = [await asyncio.to_thread(CliRunner().invoke, app, ["models", "moonshine/tiny"]) for _ in range(2)]
        assert [run.exit_code for run in runs] == [0, 0]
        paths = [Path(run.stdout.splitlines()[-1]) for run in runs]
        assert paths[0] == paths[1]
        assert (paths[0] / "encoder_model.ort").is_file()

    with_download(monkeypatch, made["tiny"], story)


def test_the_command_knows_what_there_is_nothing_to_fetch_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["models", "espeak"])
    assert result.exit_code != 0


def test_the_local_agent_takes_it_where_it_is(made: dict[str, Path], tmp_path: Path) -> None:
    def recogniser_of(models: Path) -> str | None:
        agent = registry.load("ai.providers", "local").agent(AgentSettings(models=str(models)))
        assert isinstance(agent, Cascade)
        return agent.stt.name if agent.stt else None

    assert recogniser_of(tmp_path) is None
    folder = files.place(tmp_path)
    folder.mkdir()
    (folder / "model").symlink_to(made["tiny"])
    (folder / "en.tiny.json").write_bytes(b'{"path":"model","arch":"tiny"}')
    assert recogniser_of(tmp_path) == "moonshine"


def test_what_we_use_of_the_package_is_there(made: dict[str, Path]) -> None:
    import moonshine_voice
    from moonshine_voice.download import download_model_from_info, find_model_info

    def takes(function: Any, *names: str) -> bool:
        return set(names) <= set(inspect.signature(function).parameters)

    assert takes(moonshine_voice.Transcriber, "model_path", "model_arch", "options")
    assert takes(moonshine_voice.Transcriber.transcribe_without_streaming, "audio_data", "sample_rate")
    assert takes(moonshine_voice.Transcriber.create_stream, "update_interval", "transcribe_flags")
    assert takes(moonshine_voice.Stream.add_audio, "audio_data", "sample_rate")
    assert takes(download_model_from_info, "model_info", "cache_root", "on_progress")
    assert moonshine_voice.Transcriber.MOONSHINE_FLAG_FORCE_UPDATE == 1
    for language in moonshine_voice.supported_languages():
        assert find_model_info(language)["model_arch"].name.lower().replace("_", "-") in PROVIDER.spec.models
    assert find_model_info("en", moonshine_voice.string_to_model_arch(files.PREFERRED))


# --- the thread, without the library -----------------------------------------------------------------------------


class Slow:
    """A line that takes its time: ``gate`` lets it go on."""

    def __init__(self, gate: threading.Event, *, fails: int = 0) -> None:
        self.gate = gate
        self.fails = fails
        self.heard: list[tuple[int, bool]] = []
        self.closed = 0

    def hear(self, pcm16: bytes, *, last: bool) -> str:
        self.gate.wait(2)
        self.heard.append((len(pcm16), last))
        if len(self.heard) <= self.fails:
            raise RuntimeError("words nobody may see")
        return f"{len(self.heard)}"

    def close(self) -> None:
        self.closed += 1


class Told(list[tuple[str | None, bool]]):
    def __call__(self, words: str | None, last: bool) -> None:
        self.append((words, last))


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not done():  # noqa: ASYNC110 - what is waited for happens on another thread
            await asyncio.sleep(0.002)


def hub_of(lines: list[Slow]) -> Hub:
    waiting = iter(lines)
    return Hub(lambda: next(waiting), streams=True)  # type: ignore[arg-type, return-value]


def test_ended_turns_are_heard_first_and_what_waits_is_heard_in_one() -> None:
    async def story() -> None:
        gate = threading.Event()
        lines = [Slow(gate) for _ in range(3)]
        hub, told = hub_of(lines), [Told(), Told(), Told()]
        first, second, third = (hub.open(tell) for tell in told)
        first.hear(bytes(12_800))  # the worker has it
        for _ in range(10):
            first.hear(bytes(12_800))
            second.hear(bytes(12_800))
        assert hub.waiting == 2, "each once, whatever it has"
        third.end(bytes(640))
        assert hub.waiting == 3
        gate.set()
        await until(lambda: hub.passes == 4)
        assert told[2] == [("1", True)]
        assert lines[0].heard == [(12_800, False), (128_000, False)]
        assert lines[1].heard == [(128_000, False)]
        assert (lines[2].closed, lines[0].closed) == (1, 0)
        hub.close(lambda: None)

    asyncio.run(story())


def test_the_loop_never_waits_and_what_waits_is_bounded() -> None:
    async def story() -> None:
        gate = threading.Event()
        lines = [Slow(gate)]
        hub = hub_of(lines)
        turn = hub.open(Told())
        began = time.perf_counter()
        for _ in range(200):
            turn.hear(bytes(12_800))
        assert time.perf_counter() - began < 0.2
        assert len(turn.pending) == MOST_BYTES
        assert hub.bytes_dropped == 199 * 12_800 - MOST_BYTES
        gate.set()
        await until(lambda: hub.passes == 2)
        hub.close(lambda: None)

    asyncio.run(story())


def test_a_dropped_turn_is_told_nothing_and_freed() -> None:
    async def story() -> None:
        gate = threading.Event()
        lines = [Slow(gate), Slow(gate)]
        hub, told = hub_of(lines), [Told(), Told()]
        working, waiting = (hub.open(tell) for tell in told)
        working.end(bytes(640))
        waiting.end(bytes(640))
        working.drop()
        waiting.drop()
        waiting.drop()
        assert hub.waiting == 0
        gate.set()
        closed = threading.Event()
        await until(lambda: lines[0].closed == 1 and lines[1].closed == 1)
        hub.close(closed.set)
        assert await asyncio.to_thread(closed.wait, 2)
        assert told == [[], []]
        assert not lines[1].heard

    asyncio.run(story())


@pytest.mark.parametrize("in_the_middle", [True, False])
def test_a_turn_the_library_fails_in_comes_to_nothing(in_the_middle: bool) -> None:
    async def story() -> None:
        gate = threading.Event()
        gate.set()
        lines = [Slow(gate, fails=1)]
        hub, told = hub_of(lines), Told()
        turn = hub.open(told)
        if in_the_middle:
            turn.hear(bytes(12_800))
            await until(lambda: hub.passes == 1)
            assert not told
        turn.end(bytes(640))
        await until(lambda: bool(told))
        assert told == [(None, True)]
        assert (len(lines[0].heard), lines[0].closed) == (1, 1)
        hub.close(lambda: None)

    asyncio.run(story())


def session_with(lines: list[Slow]) -> tuple[Moonshine, Kept, Any]:
    stt, kept = Moonshine(AgentSettings()), Kept()
    stt.hub = hub_of(lines)
    return stt, kept, stt.open(FACTS, hears=MULAW_8K, emit=kept)


def one_turn(session: Any) -> None:
    session.turn_started(0)
    session.hear(loud(MULAW_8K, 200), 0)
    session.turn_ended(200)


def test_a_recogniser_that_fails_again_and_again_is_given_up() -> None:
    async def story() -> None:
        gate = threading.Event()
        gate.set()
        stt, kept, session = session_with([Slow(gate, fails=1) for _ in range(FAILURES)])
        for _ in range(FAILURES):
            one_turn(session)
        with pytest.raises(ProviderError) as error:
            await session.run()
        assert "nobody may see" not in str(error.value)
        assert kept.finals == [""] * (FAILURES - 1)
        await stt.close()

    asyncio.run(story())


def test_words_that_come_too_late_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkline.ai.providers.moonshine.FINAL_S", 0.05)

    async def story() -> None:
        gate = threading.Event()
        stt, kept, session = session_with([Slow(gate), Slow(gate)])
        one_turn(session)
        await kept.until(lambda: kept.finals == [""])
        one_turn(session)
        gate.set()
        await kept.until(lambda: kept.finals == ["", "1"])
        await stt.close()

    asyncio.run(story())


def test_no_session_speaks_after_it_is_over() -> None:
    async def story() -> None:
        gate = threading.Event()
        lines = [Slow(gate), Slow(gate)]
        stt, kept, session = session_with(lines)
        one_turn(session)
        session.turn_started(200)
        run = asyncio.create_task(session.run())
        await asyncio.sleep(0)
        run.cancel()
        await asyncio.wait([run])
        gate.set()
        await until(lambda: all(line.closed for line in lines))
        assert not kept.events
        await stt.close()

    asyncio.run(story())
